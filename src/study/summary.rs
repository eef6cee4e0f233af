//! From windows of runs to figures with confidence intervals.

use crate::answer::{Figure, Latency, Summary};
use crate::des::Window;
use crate::stats::histogram::Histogram;
use crate::stats::interval::{Interval, mean_interval, ratio_interval};

/// Confidence of every interval.
pub const CONFIDENCE: f64 = 0.95;

/// The long-run figures that `windows` estimate, each window one replicate. Latencies are left out when `overloaded`.
pub fn summarise(windows: &[&Window], overloaded: bool) -> Summary {
    let rate = |numerator: &dyn Fn(&Window) -> f64| mean_of(windows, &|window| numerator(window) / window.seconds());
    let area = |area: &dyn Fn(&Window) -> i128| mean_of(windows, &|w| area(w) as f64 / (w.end - w.start).0 as f64);
    let per_step =
        |sum: &dyn Fn(&Window) -> f64| ratio_of(windows, &|window| (sum(window), window.totals.steps as f64));
    let latency = |of: &dyn Fn(&Window) -> &Histogram| if overloaded { None } else { latency_of(windows, of) };
    let growth = rate(&growth_of);
    Summary {
        waiting: area(&|window| window.totals.waiting),
        running: area(&|window| window.totals.running),
        swapped: area(&|window| window.totals.swapped),
        kv_tokens: area(&|window| window.totals.kv),
        step_s: per_step(&|window| window.totals.busy as f64 * 1e-18),
        batch_tokens: per_step(&|window| window.totals.tokens as f64),
        throughput_per_s: rate(&|window| window.totals.completed as f64),
        preemptions_per_request: ratio_of(windows, &|window| {
            (window.totals.preemptions as f64, window.totals.completed as f64)
        }),
        queue_growth_per_s: if overloaded { growth } else { None },
        ttft_s: latency(&|window| &window.ttft),
        tbt_s: latency(&|window| &window.gaps),
        e2e_s: latency(&|window| &window.e2e),
    }
}

/// Growth of the number in system per second, from the first boundary of each window to its last.
pub fn growth(windows: &[&Window]) -> Option<Figure> {
    mean_of(windows, &|window| growth_of(window) / window.seconds())
}

/// Completions per second.
pub fn throughput(windows: &[&Window]) -> Option<Figure> {
    mean_of(windows, &|window| window.totals.completed as f64 / window.seconds())
}

fn growth_of(window: &Window) -> f64 {
    (window.in_system_at_end - window.in_system_at_start) as f64
}

/// The figure of an interval.
pub(super) fn figure(interval: Interval) -> Figure {
    Figure::simulated(interval.mean, interval.low, interval.high)
}

/// Mean over windows of a positive length.
pub(super) fn mean_of(windows: &[&Window], value: &dyn Fn(&Window) -> f64) -> Option<Figure> {
    let values: Vec<f64> =
        windows.iter().filter(|window| window.end > window.start).map(|window| value(window)).collect();
    mean_interval(&values, CONFIDENCE).map(figure)
}

/// Ratio of the sums over windows.
pub(super) fn ratio_of(windows: &[&Window], pair: &dyn Fn(&Window) -> (f64, f64)) -> Option<Figure> {
    let pairs: Vec<(f64, f64)> = windows.iter().map(|window| pair(window)).collect();
    ratio_interval(&pairs, CONFIDENCE).map(figure)
}

/// Mean by the ratio of sums; percentiles of all values together, with the width that the windows' own percentiles show.
fn latency_of(windows: &[&Window], of: &dyn Fn(&Window) -> &Histogram) -> Option<Latency> {
    let mean = ratio_of(windows, &|window| (of(window).sum() as f64 * 1e-18, of(window).count() as f64))?;
    let mut all = Histogram::default();
    windows.iter().for_each(|window| all.merge(of(window)));
    let quantile = |p: f64| {
        let value = all.quantile(p)? * 1e-18;
        let each: Vec<f64> = windows.iter().filter_map(|window| of(window).quantile(p)).map(|q| q * 1e-18).collect();
        let half = mean_interval(&each, CONFIDENCE)?.half_width();
        Some(Figure::simulated(value, value - half, value + half))
    };
    Some(Latency { mean, p50: quantile(0.5)?, p95: quantile(0.95)?, p99: quantile(0.99)? })
}
