//! The scaling check: systems n times as large, with n times the traffic, come closer to the fluid path as n grows, like n^(−1/2)
//! (Kurtz 1970, Journal of Applied Probability 7:49–58; the noise around the path is Gaussian of that order).

use rayon::prelude::*;

use super::plan::Wishes;
use super::summary::CONFIDENCE;
use super::trials::Progress;
use crate::des::{self, Feed, Options, Run, Sample};
use crate::fluid::{self, Form, Path, PathError, PathOptions, PathPoint};
use crate::scenario::{Scenario, ScenarioError, StepTimeLaw, Time};
use crate::stats::interval::{Interval, mean_interval, normal_z};

/// Windows of the path: the state is compared as its mean over each.
const WINDOWS: usize = 60;
/// Points of the fluid path in a window.
const FINE: usize = 400;
/// Residence times that a path lasts by default.
const RESIDENCES: f64 = 8.0;
/// Relative half-width of the mean error at which replications end.
const SHARP: f64 = 0.15;
/// Replications at least and at most.
const FEWEST: u64 = 8;
const MOST: u64 = 32;
/// An exponent surely above this one is no convergence at the rate of n^(−1/2).
const SLOWEST: f64 = -0.4;
/// An error below which nothing is left to converge: the means over windows are taken from points of the path.
const SMALL: f64 = 0.01;

/// How to scale.
#[derive(Debug, Clone, PartialEq)]
pub struct ScaleOptions {
    /// Seed of all streams.
    pub seed: u64,
    /// Sizes n.
    pub sizes: Vec<u64>,
    /// Requests waiting at time 0 in the system of size 1.
    pub backlog: u64,
    /// Length of the path, when the user fixed it.
    pub wishes: Wishes,
}

/// Names and units of what is compared: requests resident, KV tokens held, requests waiting.
pub const QUANTITIES: [&str; 3] = ["running", "kv_tokens", "waiting"];

/// The error at one size.
#[derive(Debug, Clone, PartialEq)]
pub struct ScaleRow {
    /// n.
    pub size: u64,
    /// Trials of the engine.
    pub replications: u64,
    /// Mean over the trials of the largest distance to the fluid path, as a share of the path's largest value, for each of
    /// [`QUANTITIES`]; absent where the path has nothing.
    pub errors: [Option<Interval>; 3],
}

/// The outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    /// One row per size.
    pub rows: Vec<ScaleRow>,
    /// The exponent of n in the error with its interval, for each of [`QUANTITIES`]; absent with fewer than two sizes.
    pub exponents: [Option<Interval>; 3],
    /// Seconds of the path.
    pub horizon_s: f64,
}

impl Scaling {
    /// Whether every error falls with n at an exponent that is not surely above −0.4, or is below 1 % at the largest n.
    pub fn converges(&self) -> bool {
        let small = |k: usize| self.rows.last().and_then(|row| row.errors[k]).is_some_and(|error| error.mean < SMALL);
        let falls = |k: usize| self.exponents[k].is_none_or(|exponent| exponent.low <= SLOWEST);
        (0..QUANTITIES.len()).all(|k| falls(k) || small(k))
    }
}

/// Why there is no check.
#[derive(Debug, thiserror::Error)]
pub enum ScaleError {
    /// A scenario that has no n-fold system.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// No fluid path.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// Compares systems of each size with the fluid path. Sizes run one after another, their trials in parallel, until the mean error is
/// known to 15 % or 32 trials have run.
///
/// # Errors
/// A scenario that cannot be scaled, or whose path theory refuses.
pub fn scaling(scenario: &Scenario, options: &ScaleOptions, progress: Progress<'_>) -> Result<Scaling, ScaleError> {
    let horizon_s = options.wishes.duration_s.unwrap_or_else(|| usual_horizon_s(scenario, options.backlog));
    let path_options = PathOptions {
        form: Form::Map,
        points: WINDOWS * FINE,
        // What a system of this size loses at its limits is not lost by large ones.
        sharp: false,
        ..PathOptions::new(horizon_s, options.backlog as f64)
    };
    let reference = Reference::of(&fluid::trajectory(scenario, &path_options)?, scenario);
    let mut rows = Vec::new();
    for &size in &options.sizes {
        let scaled = times(scenario, size)?;
        rows.push(row(&scaled, size, options, horizon_s, &reference));
        progress();
    }
    let exponents = [0, 1, 2].map(|index| exponent(&rows, index));
    Ok(Scaling { rows, exponents, horizon_s })
}

/// Eight residence times, and as long as a backlog takes to drain.
fn usual_horizon_s(scenario: &Scenario, backlog: u64) -> f64 {
    let solved = fluid::solve(scenario);
    let boundary = solved.boundary.low_per_s;
    let served = solved.lambda_per_s.min(boundary).max(f64::MIN_POSITIVE);
    let residence = solved.summary.running.map_or(1.0, |figure| figure.value).max(1.0) / served;
    RESIDENCES * residence + 1.5 * backlog as f64 / (boundary - solved.lambda_per_s).abs().max(0.1 * boundary)
}

/// The system n times as large: λ, K, B, M and numbers of requests in rules times n, seconds per token divided by n.
///
/// # Errors
/// A trace, a cluster, or limits that become too large.
pub fn times(scenario: &Scenario, n: u64) -> Result<Scenario, ScenarioError> {
    let refuse = |key: &str, what: &str| {
        Err(ScenarioError::at(key, what, "take one instance with laws of its traffic").in_file("--scale"))
    };
    if scenario.workload.trace.is_some() {
        return refuse("workload.trace", "is a recorded trace, of which there are no n at once");
    }
    if scenario.cluster.is_some() {
        return refuse("cluster", "describes more than one instance");
    }
    let mut scaled = scenario.clone();
    let factor = n as f64;
    scaled.workload.rate_per_s = scaled.workload.rate_per_s.map(|rate| rate * factor);
    let instance = &mut scaled.instance;
    instance.max_sequences = instance.max_sequences.saturating_mul(n);
    for limit in [&mut instance.max_batch_tokens, &mut instance.kv_tokens] {
        *limit = limit.map(|tokens| tokens.saturating_mul(n));
    }
    let policy = &mut scaled.policy;
    policy.wait_thresholds.iter_mut().for_each(|threshold| *threshold = threshold.saturating_mul(n));
    policy.quota_per_class = policy.quota_per_class.map(|quota| quota.saturating_mul(n));
    for seconds in [&mut policy.swap_s_per_token, &mut policy.swap_latency_s] {
        *seconds = seconds.map(|seconds| seconds / factor);
    }
    scaled.step_time = scaled.step_time.of_theory().clone();
    match &mut scaled.step_time {
        StepTimeLaw::Kernels { .. } => {}
        StepTimeLaw::Affine { per_token_s, .. } => *per_token_s /= factor,
        StepTimeLaw::AffineContext { per_token_s, per_context_token_s, .. } => {
            *per_token_s /= factor;
            *per_context_token_s /= factor;
        }
        StepTimeLaw::Curve { points, per_context_token_s, per_prefill_pair_s } => {
            points.iter_mut().for_each(|point| point.tokens = point.tokens.saturating_mul(n));
            *per_context_token_s /= factor;
            *per_prefill_pair_s /= factor;
        }
        StepTimeLaw::Hinge { per_token_s, free_tokens, .. } => {
            *per_token_s /= factor;
            *free_tokens = free_tokens.saturating_mul(n);
        }
        StepTimeLaw::Staircase { stair_tokens, .. } => *stair_tokens = stair_tokens.saturating_mul(n),
    }
    scaled.validate().map_err(|error| error.in_file("--scale"))?;
    Ok(scaled)
}

/// Integrals of the fluid path, from which means over any window follow.
struct Reference {
    spacing_s: f64,
    /// ∫ of each quantity up to each point.
    areas: Vec<[f64; 3]>,
    largest: [f64; 3],
}

impl Reference {
    fn of(path: &Path, scenario: &Scenario) -> Self {
        let lambda = scenario.workload.rate();
        // A point is the iteration in progress at its beginning; on average half of an iteration's arrivals wait besides.
        let state = |point: &PathPoint| [point.running, point.kv_tokens, point.waiting + 0.5 * lambda * point.step_s];
        let spacing_s = path.points.get(1).map_or(1.0, |point| point.t_s);
        let mut areas = vec![[0.0; 3]];
        let mut largest = [0.0_f64; 3];
        for point in &path.points {
            let (now, last) = (state(point), areas[areas.len() - 1]);
            areas.push([0, 1, 2].map(|k| last[k] + now[k] * spacing_s));
            largest = [0, 1, 2].map(|k| largest[k].max(now[k]));
        }
        Self { spacing_s, areas, largest }
    }

    /// ∫ up to `t_s`.
    fn area(&self, t_s: f64, k: usize) -> f64 {
        let place = (t_s / self.spacing_s).clamp(0.0, (self.areas.len() - 1) as f64);
        let below = place.floor() as usize;
        let above = (below + 1).min(self.areas.len() - 1);
        self.areas[below][k] + (place - below as f64) * (self.areas[above][k] - self.areas[below][k])
    }
}

fn row(scaled: &Scenario, size: u64, options: &ScaleOptions, horizon_s: f64, reference: &Reference) -> ScaleRow {
    let horizon = Time::from_seconds(horizon_s);
    let engine = Options {
        seed: options.seed,
        feed: Feed::Open,
        backlog: options.backlog.saturating_mul(size),
        limit: horizon,
        sample_every: Some(Time((horizon.0 / WINDOWS as i128).max(1))),
        ..Options::until(Time::ZERO, horizon)
    };
    let mut distances: Vec<[f64; 3]> = Vec::new();
    let mut wanted = FEWEST;
    loop {
        let more = (distances.len() as u64..wanted).into_par_iter();
        distances.par_extend(more.map(|trial| {
            let run = des::simulate(scaled, &Options { trial, ..engine.clone() });
            distance(&run, size as f64, horizon_s, reference)
        }));
        let errors = [0, 1, 2].map(|k| mean_error(&distances, k, reference));
        wanted *= 2;
        let sharp = errors.iter().flatten().all(|error| error.half_width() <= SHARP * error.mean);
        if sharp || wanted > MOST {
            return ScaleRow { size, replications: distances.len() as u64, errors };
        }
    }
}

/// The largest distance over the windows, per unit of size.
fn distance(run: &Run, size: f64, horizon_s: f64, reference: &Reference) -> [f64; 3] {
    let mut largest = [0.0_f64; 3];
    for pair in run.samples.windows(2) {
        let (start, end) = (pair[0].time.seconds(), pair[1].time.seconds());
        if end <= start || end > horizon_s {
            continue;
        }
        for (k, value) in largest.iter_mut().enumerate() {
            let engine = (area(&pair[1], k) - area(&pair[0], k)) / size;
            let fluid = reference.area(end, k) - reference.area(start, k);
            *value = value.max((engine - fluid).abs() / (end - start));
        }
    }
    largest
}

/// Requests × seconds or tokens × seconds up to a sample.
fn area(sample: &Sample, k: usize) -> f64 {
    let totals = &sample.totals;
    [totals.running, totals.kv, totals.waiting][k] as f64 * 1e-18
}

fn mean_error(distances: &[[f64; 3]], k: usize, reference: &Reference) -> Option<Interval> {
    let scale = reference.largest[k];
    if scale <= 0.0 {
        return None;
    }
    let shares: Vec<f64> = distances.iter().map(|distance| distance[k] / scale).collect();
    mean_interval(&shares, CONFIDENCE)
}

/// The slope of log error over log n by least squares with the weights of the intervals; its own interval is widened where the points
/// scatter more than their intervals allow (Birge 1932, Physical Review 40:207).
fn exponent(rows: &[ScaleRow], k: usize) -> Option<Interval> {
    let z = normal_z(CONFIDENCE)?;
    let point = |row: &ScaleRow| {
        let error = row.errors[k]?;
        let spread = error.half_width() / (z * error.mean);
        // Where both stand still at a limit there is no noise to fit.
        (error.mean > 1e-9).then(|| ((row.size as f64).ln(), error.mean.ln(), spread.max(1e-6).powi(-2)))
    };
    let points: Vec<(f64, f64, f64)> = rows.iter().filter_map(point).collect();
    let sum = |value: &dyn Fn(&(f64, f64, f64)) -> f64| points.iter().map(value).sum::<f64>();
    let weight = sum(&|p| p.2);
    let (x, y) = (sum(&|p| p.2 * p.0) / weight, sum(&|p| p.2 * p.1) / weight);
    let spread = sum(&|p| p.2 * (p.0 - x) * (p.0 - x));
    if points.len() < 2 || spread <= 0.0 {
        return None;
    }
    let slope = sum(&|p| p.2 * (p.0 - x) * (p.1 - y)) / spread;
    let misfit = sum(&|p| p.2 * (p.1 - y - slope * (p.0 - x)).powi(2));
    let birge = if points.len() > 2 { (misfit / (points.len() - 2) as f64).sqrt().max(1.0) } else { 1.0 };
    Some(Interval::around(slope, z * birge / spread.sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;

    fn question() -> Scenario {
        let mut scenario = crate::study::gate::family("v1-uniform").unwrap().scenario;
        scenario.workload.rate_per_s = Some(10.0);
        scenario.instance.max_batch_tokens = None;
        scenario
    }

    #[test]
    fn n_systems_in_one_have_the_same_boundary() {
        for name in ["v1-budget", "v1-swap", "v1-geometric"] {
            let one = crate::study::gate::family(name).unwrap().scenario;
            let many = times(&one, 50).unwrap();
            let (low, high) = (fluid::solve(&one).boundary.low_per_s, fluid::solve(&many).boundary.low_per_s);
            assert!((high / low / 50.0 - 1.0).abs() < 0.03, "{name} {low} {high}");
        }
        let trace = scenario::open(Some("disaggregated"), &[], None).unwrap();
        assert!(times(&trace, 2).unwrap_err().to_string().contains("cluster"));
    }

    /// From a backlog of 100, a third of which finds no slot, beside 10 arrivals per second: errors fall like n^(−1/2). The fitted exponent is off by more than .12 with a
    /// probability below .01 by its own interval, which is about ± .05.
    #[test]
    fn large_systems_follow_the_fluid_path() {
        let wishes = Wishes { duration_s: Some(40.0), ..Wishes::default() };
        let options = ScaleOptions { seed: 3, sizes: vec![1, 6, 36], backlog: 100, wishes };
        let found = scaling(&question(), &options, &|| {}).unwrap();
        assert!(found.converges(), "{found:?}");
        for exponent in found.exponents.iter().flatten() {
            assert!((exponent.mean + 0.5).abs() < 0.12, "{found:?}");
        }
        assert!(found.rows[2].errors[0].unwrap().mean < 0.08, "{found:?}");
    }

    #[test]
    fn the_exponent_is_that_of_the_points() {
        let row = |size: u64, error: f64| ScaleRow {
            size,
            replications: 8,
            errors: [Some(Interval::around(error, 0.05 * error)), None, None],
        };
        let rows = [row(1, 0.4), row(100, 0.04), row(10_000, 0.004)];
        let found = exponent(&rows, 0).unwrap();
        assert!((found.mean + 0.5).abs() < 1e-12 && found.half_width() < 0.01 && exponent(&rows, 1).is_none());
        assert!(exponent(&rows[..1], 0).is_none());
    }
}
