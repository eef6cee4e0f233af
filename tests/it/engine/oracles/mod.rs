//! The engine, leaping, against published figures, and against independent simulators written for the notes that the laws come from.
//!
//! Statistical tests run 20 trials on fixed seeds and ask that the two estimates differ by no more than
//! t₁₉ · √(s.e.² + s.e.'²) at an error rate of 0.001 each; `resolution` is how small a relative error must be to go unnoticed.

mod latency;
mod memory;
mod policies;
mod published;
mod queues;

use std::sync::Arc;

use fluidsim::des::{Feed, Options, Run, Window};
use fluidsim::scenario::trace::{Trace, TraceRequest};
use fluidsim::scenario::{Scenario, Time, TraceMode, TraceSource};
use fluidsim::study::trials;

use super::notes::{self, Figure, Quantity, Row, TRIALS, judge};

const ERROR_RATE: f64 = 0.001;

/// 20 trials, each with `warmup_s` thrown away and `measured_s` kept.
fn measure(scenario: &Scenario, feed: Feed, warmup_s: f64, measured_s: f64) -> Vec<Run> {
    let options = Options::until(Time::from_seconds(warmup_s), Time::from_seconds(warmup_s + measured_s));
    trials::run(scenario, &Options { feed, seed: 7, ..options }, TRIALS, &|| {})
}

/// One estimate per trial.
fn each(runs: &[Run], value: impl Fn(&Window) -> f64) -> Vec<f64> {
    runs.iter().map(|run| value(&run.windows[0])).collect()
}

fn throughput(window: &Window) -> f64 {
    window.totals.completed as f64 / window.seconds()
}

fn running(window: &Window) -> f64 {
    window.totals.running as f64 / (window.end - window.start).0 as f64
}

fn ttft(window: &Window) -> f64 {
    window.ttft.mean().unwrap() * 1e-18
}

fn e2e(window: &Window) -> f64 {
    window.e2e.mean().unwrap() * 1e-18
}

/// The mean of `values` and `published` ± `half_width` (95 %; 0 for an exact value) are estimates of the same number.
#[track_caller]
fn assert_same(what: &str, values: &[f64], published: f64, half_width: f64, resolution: f64) {
    let figure = Figure { quantity: Quantity::Throughput, value: published, half_width };
    let found = judge(values, &figure, ERROR_RATE);
    let (mean, own) = (found.mean, found.half_width);
    let about =
        format!("{what}: {mean:.6} ± {own:.6} against {published} ± {half_width}, allowed ± {:.6}", found.allowed);
    assert!(found.agrees, "{about}");
    assert!(found.allowed <= resolution * published, "the test is too weak to tell: {about}");
}

/// Those that only the example runs are in order, too.
#[test]
fn every_row_of_the_notes_is_a_valid_scenario() {
    for row in [notes::policies::all(), notes::memory::all()].concat() {
        row.scenario.validate().unwrap_or_else(|error| panic!("{} {}: {error}", row.note, row.name));
        assert!(!row.figures.is_empty());
    }
}

/// The rows of a note that have these names, with so many requests per trial after a short warm-up.
#[track_caller]
fn assert_rows(rows: &[Row], names: &[&str], measured: f64, resolution: f64) {
    for name in names {
        let row = rows.iter().find(|row| row.name == *name).unwrap().clone();
        let row = Row { measured, warmup: 0.3 * row.warmup, ..row };
        for (values, figure) in row.measure().iter().zip(&row.figures) {
            let what = format!("{} {name}, {:?}", row.note, figure.quantity);
            assert_same(&what, values, figure.value, figure.half_width, resolution);
        }
    }
}

/// `scenario` fed with these requests: arrival, prompt, output.
fn replayed(mut scenario: Scenario, requests: impl IntoIterator<Item = (Time, u64, u64)>) -> Scenario {
    let request = |(arrival, prompt, output)| TraceRequest { arrival, prompt, output, ..TraceRequest::default() };
    let trace = Trace::of(requests.into_iter().map(request));
    scenario.workload.class.clear();
    scenario.workload.rate_per_s = None;
    let requests = Arc::new(trace);
    scenario.workload.trace = Some(TraceSource { file: "none".into(), mode: TraceMode::Replay, requests });
    scenario.validate().unwrap();
    scenario
}
