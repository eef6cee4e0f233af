//! A queueing model in the engine: how long it runs, and what is read off.

use super::engine::Prepared;
use crate::answer::Figure;
use crate::des::{Options, Run, Window};
use crate::scenario::Time;
use crate::stats::histogram::Histogram;
use crate::stats::interval::{mean_interval, ratio_interval};
use crate::study::CONFIDENCE;
use crate::study::trials::{self, Progress};

/// How long a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Length {
    /// Independent trials, each with an empty system at first.
    pub trials: u64,
    /// Relaxation times measured in each trial.
    pub relaxations: f64,
    /// Customers measured in each trial at least.
    pub least: f64,
    /// Customers measured in each trial at most.
    pub most: f64,
}

/// Relaxation times thrown away at the start of each trial.
pub const WARMUP: f64 = 10.0;

impl Length {
    /// Some tenths of a second for each model.
    pub const QUICK: Self = Self { trials: 20, relaxations: 50.0, least: 5000.0, most: 50_000.0 };
    /// Seconds, and half a minute close to saturation.
    pub const FULL: Self = Self { trials: 20, relaxations: 100.0, least: 50_000.0, most: 2_000_000.0 };
}

/// What is measured, by the keys of the catalogue: `utilization`, `L`, `Lq`, `W`, `Wq`, quantiles of the time in system, and `W_1`, `W_2`, …
/// where there are classes. Student's intervals over trials.
pub fn measure(model: &Prepared, length: Length, seed: u64, progress: Progress<'_>) -> Vec<(String, Figure)> {
    let rate = model.scenario.workload.rate();
    let warmup_s = WARMUP * model.relaxation_s;
    let measured_s = (length.relaxations * model.relaxation_s).clamp(length.least / rate, length.most / rate);
    let options =
        Options { seed, ..Options::until(Time::from_seconds(warmup_s), Time::from_seconds(warmup_s + measured_s)) };
    let runs = trials::run(&model.scenario, &options, length.trials, progress);
    figures(model, &runs)
}

fn figures(model: &Prepared, runs: &[Run]) -> Vec<(String, Figure)> {
    let windows: Vec<&Window> = runs.iter().flat_map(|run| &run.windows).collect();
    let share = |area: &dyn Fn(&Window) -> i128| {
        let each: Vec<f64> =
            windows.iter().map(|window| area(window) as f64 / (window.end - window.start).0 as f64).collect();
        mean_interval(&each, CONFIDENCE)
    };
    let pool = model.scenario.cluster.is_some();
    let busy = move |window: &Window| if pool { window.totals.gpus } else { window.totals.busy };
    let mut found = Vec::new();
    let mut add = |key: &str, value: Option<crate::stats::interval::Interval>, scale: f64, shift: f64| {
        if let Some(interval) = value {
            let of = |value: f64| value * scale - shift;
            let figure = Figure::simulated(of(interval.mean), of(interval.low), of(interval.high));
            found.push((key.to_owned(), figure));
        }
    };
    add("utilization", share(&busy), 1.0 / model.servers as f64, 0.0);
    add("L", share(&|window| window.totals.waiting + window.totals.running + window.totals.swapped), 1.0, 0.0);
    add("Lq", share(&|window| window.totals.waiting), 1.0, 0.0);
    let mean = |of: &dyn Fn(&Window) -> (f64, f64)| {
        let pairs: Vec<(f64, f64)> = windows.iter().map(|window| of(window)).collect();
        ratio_interval(&pairs, CONFIDENCE)
    };
    let sojourn = mean(&|window| (window.e2e.sum() as f64 * 1e-18, window.e2e.count() as f64));
    add("W", sojourn, 1.0, 0.0);
    if let Some(service_s) = model.service_s {
        add("Wq", sojourn, 1.0, service_s);
    }
    for (p, key) in [(0.5, "p50_sojourn"), (0.95, "p95_sojourn"), (0.99, "p99_sojourn")] {
        let each: Vec<f64> = windows.iter().filter_map(|window| quantile_s(&window.e2e, p)).collect();
        add(key, mean_interval(&each, CONFIDENCE), 1.0, 0.0);
    }
    for class in 0..windows.first().map_or(0, |window| window.classes.len()) {
        let of = |window: &Window| {
            let tally = &window.classes[class];
            (tally.e2e as f64 * 1e-18, tally.completed as f64)
        };
        add(&format!("W_{}", class + 1), mean(&of), 1.0, 0.0);
    }
    found
}

fn quantile_s(histogram: &Histogram, p: f64) -> Option<f64> {
    histogram.quantile(p).map(|attos| attos * 1e-18)
}
