//! The spike: traffic of 2 λ* for a minute on top of .6 λ*. How many wait at most, and how long until the queue has drained, by the fluid
//! path and by the engine.

use rayon::prelude::*;

use super::errors::{Measured, rounded};
use super::measure::{Effort, at_load, row};
use super::{Family, SPIKE_DRAIN, SPIKE_PEAK};
use crate::answer::{Figure, Method};
use crate::des::{self, Feed, Options, Run};
use crate::fluid::path::DRAINED;
use crate::fluid::{self, PathOptions, PathSummary};
use crate::scenario::{RateShape, Scenario, Time};
use crate::stats::interval::mean_interval;
use crate::study::CONFIDENCE;

/// λ/λ* before and after the spike.
const CALM: f64 = 0.6;
/// λ/λ* in the spike.
const HIGH: f64 = 2.0;
/// Seconds of the spike.
const SPIKE_S: f64 = 60.0;
/// Seconds before it: many residence times.
const BEFORE_S: f64 = 60.0;
/// Seconds after it in the time that the fluid needs to drain, (2 − 1)/(1 − .6) minutes.
const AFTER_S: f64 = 2.5 * 150.0;
/// Seconds between two looks at the engine.
const LOOK_S: f64 = 0.5;
/// Trials per trial of another member: a spike is short.
const TRIALS: u64 = 4;

/// The scenario with the spike, and its λ before.
pub fn spiked(scenario: &Scenario) -> (Scenario, f64) {
    let (mut scenario, rate) = at_load(scenario, CALM);
    let factor = rounded(HIGH / CALM, 4);
    scenario.workload.rate_shape = RateShape::Spike { factor, start_s: BEFORE_S, duration_s: SPIKE_S };
    (scenario, rate)
}

/// Peak and drain time, by both; no row where the fluid has no path.
pub(super) fn measure(family: &Family, seed: u64, effort: Effort, known: &[Measured]) -> Vec<Measured> {
    let (scenario, rate) = spiked(&family.scenario);
    let horizon_s = BEFORE_S + SPIKE_S + AFTER_S;
    let Some(path) = fluid_path(&scenario, horizon_s) else { return Vec::new() };
    let theory = [(SPIKE_PEAK, Some(path.peak_waiting)), (SPIKE_DRAIN, path.drain_s)];
    let before: Vec<&Measured> =
        known.iter().filter(|row| row.family == family.name && row.lambda_per_s == rate).collect();
    let seen = |name: &str| {
        let row = before.iter().find(|row| row.quantity == name)?;
        row.interval().map(|seen| Figure::simulated(seen.mean, seen.low, seen.high))
    };
    let engine = match (seen(SPIKE_PEAK), seen(SPIKE_DRAIN)) {
        (None, _) => by_engine(&scenario, seed, TRIALS * effort.trials, horizon_s),
        kept => kept,
    };
    let figures = theory.into_iter().zip([engine.0, engine.1]);
    figures
        .filter_map(|((name, value), engine)| {
            let theory = value.map(|value| Figure::of(value, Method::Fluid));
            row(family, (None, rate), name, theory, engine)
        })
        .collect()
}

fn fluid_path(scenario: &Scenario, horizon_s: f64) -> Option<PathSummary> {
    let options = PathOptions { points: (horizon_s / LOOK_S) as usize, ..PathOptions::new(horizon_s, 0.0) };
    fluid::trajectory(scenario, &options).ok().map(|path| path.summary())
}

/// Means over trials with their intervals.
fn by_engine(scenario: &Scenario, seed: u64, trials: u64, horizon_s: f64) -> (Option<Figure>, Option<Figure>) {
    let horizon = Time::from_seconds(horizon_s);
    let options = Options {
        seed,
        feed: Feed::Open,
        limit: horizon,
        sample_every: Some(Time::from_seconds(LOOK_S)),
        ..Options::until(Time::ZERO, horizon)
    };
    let found: Vec<(f64, Option<f64>)> = (0..trials)
        .into_par_iter()
        .map(|trial| peak_and_drain(&des::simulate(scenario, &Options { trial, ..options.clone() })))
        .collect();
    let figure = |values: Vec<f64>| {
        let interval = mean_interval(&values, CONFIDENCE)?;
        Some(Figure::simulated(interval.mean, interval.low, interval.high))
    };
    let peaks = figure(found.iter().map(|(peak, _)| *peak).collect());
    // A run that has not drained makes the mean unknown.
    let drains: Option<Vec<f64>> = found.iter().map(|(_, drain)| *drain).collect();
    (peaks, drains.and_then(figure))
}

/// Most waiting, and seconds from then until no more than 2 % of it waits.
fn peak_and_drain(run: &Run) -> (f64, Option<f64>) {
    let peak = run.samples.iter().map(|sample| sample.waiting).max().unwrap_or(0);
    let top = run.samples.iter().rposition(|sample| sample.waiting == peak).unwrap_or(0);
    let low = (DRAINED * peak as f64) as i64;
    let after = run.samples[top..].iter().find(|sample| sample.waiting <= low);
    let drain = after.map(|sample| (sample.time - run.samples[top].time).seconds());
    (peak as f64, drain)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A backlog of λ* · 60 s that drains at .4 λ*: 150 s, and both answers are near it.
    #[test]
    fn a_minute_of_twice_the_boundary_takes_two_and_a_half_to_drain() {
        let family = crate::study::gate::family("v1-uniform").unwrap();
        let boundary = fluid::solve(&family.scenario).boundary.low_per_s;
        let rows = measure(&family, 1, Effort { trials: 2, most: 2, completions: 0 }, &[]);
        let of = |name: &str| rows.iter().find(|row| row.quantity == name).unwrap().clone();
        let (peak, drain) = (of(SPIKE_PEAK), of(SPIKE_DRAIN));
        assert!((peak.analytic.unwrap() / (60.0 * boundary) - 1.0).abs() < 0.1, "{peak:?}");
        assert!((drain.analytic.unwrap() / 150.0 - 1.0).abs() < 0.1, "{drain:?}");
        assert!(peak.error() < 0.1 && drain.error() < 0.1, "{peak:?} {drain:?}");
    }
}
