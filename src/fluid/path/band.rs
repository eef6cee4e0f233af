//! The noise around a path, as a diffusion of the number in the system: arrivals and completions add their variances, and what is
//! out of balance relaxes at the rate at which residents leave, as long as nobody waits.
//!
//! d Var/dt = λ c_a² + X c_e² − 2 X/N · Var, with X completions per second and N residents. While requests wait the relaxation is
//! absent and c_e² is the squared variation of the work of a request, in seconds of the instance; below saturation it is 1, as for
//! independent residents.

use super::Path;
use crate::cost::affine_coefficients;
use crate::fluid::load::Load;
use crate::scenario::Scenario;

/// The standard deviation of the number in the system at every point of `path`; 0 at its start, which is given.
pub fn band(scenario: &Scenario, path: &Path) -> Vec<f64> {
    let load = Load::of(scenario);
    let arrivals = scenario.workload.dispersion_limit();
    let pace = scenario.workload.rate_shape.pace();
    let rate = scenario.workload.base_rate() * (1.0 - load.moments.rejected);
    let mut variance: f64 = 0.0;
    let mut deviations = vec![0.0; path.points.len().min(1)];
    for pair in path.points.windows(2) {
        let point = &pair[1];
        let span = pair[1].t_s - pair[0].t_s;
        let full = point.waiting > 0.01 * (1.0 + point.running);
        let leaving = if full || point.running <= 0.0 { 0.0 } else { point.throughput_per_s / point.running };
        let work = if full { work_variation(&load, point.step_s / point.running.max(1.0)) } else { 1.0 };
        let arrived = rate * (pace.integral(pair[1].t_s) - pace.integral(pair[0].t_s));
        let added = arrived * arrivals + point.throughput_per_s * span * work;
        // Exact for coefficients that stay the same over the span.
        let decay = (-2.0 * leaving * span).exp();
        let reach = if leaving > 0.0 { (1.0 - decay) / (2.0 * leaving * span) } else { 1.0 };
        variance = variance * decay + added * reach;
        deviations.push(variance.sqrt());
    }
    deviations
}

/// Squared coefficient of variation of x = o·`per_token_s` + s·a.
fn work_variation(load: &Load, per_token_s: f64) -> f64 {
    let slope = affine_coefficients(load.law()).map_or(0.0, |(_, slope)| slope);
    let moments = &load.moments;
    let variance = |i: usize, j: usize| moments.raw(2 * i, 2 * j) - moments.raw(i, j) * moments.raw(i, j);
    let both = moments.raw(1, 1) - moments.prompt_mean() * moments.output_mean();
    let spread =
        per_token_s * per_token_s * variance(0, 1) + slope * slope * variance(1, 0) + 2.0 * per_token_s * slope * both;
    let mean = per_token_s * moments.output_mean() + slope * moments.prompt_mean();
    spread.max(0.0) / (mean * mean).max(f64::MIN_POSITIVE)
}
