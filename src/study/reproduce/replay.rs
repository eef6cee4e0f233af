//! One path, request by request: from an empty system until the last request of a trace has left.

use crate::answer::{Figure, Method};
use crate::des::{self, Feed, Observer, Options, RequestRecord};
use crate::scenario::{Scenario, Time};

use super::RunRules;

/// A path that would take longer than this many spans of its trace is broken off.
const SPANS: f64 = 100.0;
/// Length of a path without a trace, unless the study gives one.
const SECONDS: f64 = 1000.0;

/// Delays of the requests that finished.
#[derive(Debug, Default)]
struct Delays {
    sum: i128,
    most: i128,
    count: u64,
}

impl Observer for Delays {
    fn request(&mut self, request: &RequestRecord) {
        if let Some(completed) = request.completed {
            let delay = completed.0 - request.arrival.0;
            self.sum += delay;
            self.most = self.most.max(delay);
            self.count += 1;
        }
    }
}

/// Figures of the whole path, exact: `end_time_s` on the clock of the trace, `steps`, `completed`, `rejected`, `preemptions`,
/// `admissions`, `delay_mean_s`, `delay_max_s`, `throughput_per_s` over the whole path, `censored` for requests unfinished.
pub fn figures(scenario: &Scenario, run: RunRules, seed: u64) -> Vec<(&'static str, Figure)> {
    let mut delays = Delays::default();
    let run = observed(scenario, run, seed, &mut delays);
    let end_s = (run.last_completion + first_arrival(scenario)).seconds();
    let totals = &run.totals;
    let count = delays.count.max(1);
    let figures = [
        ("end_time_s", end_s),
        ("steps", totals.steps as f64),
        ("completed", totals.completed as f64),
        ("rejected", totals.rejected as f64),
        ("preemptions", totals.preemptions as f64),
        ("admissions", (totals.completed + totals.preemptions) as f64),
        ("delay_mean_s", Time(delays.sum / i128::from(count)).seconds()),
        ("delay_max_s", Time(delays.most).seconds()),
        ("throughput_per_s", totals.completed as f64 / end_s),
        ("censored", run.in_system as f64),
    ];
    figures.into_iter().map(|(key, value)| (key, Figure::of(value, Method::Simulated))).collect()
}

/// The run that both the figures and the pictures are taken from.
pub fn observed(scenario: &Scenario, run: RunRules, seed: u64, observer: &mut dyn Observer) -> des::Run {
    let horizon_s = horizon_s(scenario, run);
    let horizon = Time::from_seconds(horizon_s);
    let limit = Time::from_seconds(SPANS * horizon_s);
    let engine = Options { seed, feed: Feed::Open, limit, ..Options::until(Time::ZERO, horizon) };
    des::simulate_observed(scenario, &engine, observer)
}

/// How long requests come: the length given, else that of the trace.
pub fn horizon_s(scenario: &Scenario, run: RunRules) -> f64 {
    let span = scenario.workload.trace.as_ref().map(|source| source.requests.span().seconds());
    run.duration_s.or(span).unwrap_or(SECONDS)
}

/// The engine's clock starts at the first arrival of a trace.
fn first_arrival(scenario: &Scenario) -> Time {
    let source = scenario.workload.trace.as_ref();
    source.and_then(|source| source.requests.first()).map_or(Time::ZERO, |request| request.arrival)
}
