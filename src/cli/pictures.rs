//! Which curves go into which picture.

use crate::des::{Run, Sample};
use crate::fluid::{Path, PathPoint};
use crate::report::{Plot, Series};
use crate::stats::quantile::quantile;
use crate::study::sweep::{Axis, SweepRow};

/// Trials drawn one by one behind the band; more would hide each other.
const FAINT_TRIALS: usize = 12;

/// Panels of a path in time: name of the panel, axis label, value of the fluid, value of a sample.
type Panel = (&'static str, &'static str, fn(&PathPoint) -> f64, fn(&Sample) -> f64);

const PANELS: [Panel; 4] = [
    ("Waiting", "requests", |point| point.waiting, |sample| sample.waiting as f64),
    ("Running", "requests", |point| point.running, |sample| sample.running as f64),
    ("Swapped", "requests", |point| point.swapped, |sample| sample.swapped as f64),
    ("KV memory", "tokens", |point| point.kv_tokens, |sample| sample.kv_tokens as f64),
];

/// The fluid path: waiting, running, swapped, KV.
pub fn path(path: &Path) -> Vec<Plot> {
    PANELS
        .iter()
        .map(|(title, unit, of_point, _)| {
            let points = path.points.iter().map(|point| (point.t_s, of_point(point))).collect();
            Plot::new(title, "time (s)", unit).with(Series::line("fluid", points))
        })
        .collect()
}

/// The fluid path over the trials: some trials, their mean with the band that holds 90 % of
/// them, the fluid. Panels in which nothing ever
/// happens are left out.
pub fn overlay(path: &Path, runs: &[Run]) -> Vec<Plot> {
    let end = path.points.last().map_or(f64::INFINITY, |point| point.t_s);
    let within = |run: &Run| run.samples.iter().take_while(|sample| sample.cut.seconds() <= end).copied().collect();
    let sampled: Vec<Vec<Sample>> = runs.iter().map(within).collect();
    PANELS
        .iter()
        .filter(|(_, _, of_point, of_sample)| {
            path.points.iter().any(|point| of_point(point) > 0.0)
                || sampled.iter().flatten().any(|sample| of_sample(sample) > 0.0)
        })
        .map(|(title, unit, of_point, of_sample)| {
            let mut plot = Plot::new(title, "time (s)", unit);
            for (index, samples) in sampled.iter().take(FAINT_TRIALS).enumerate() {
                let points = samples.iter().map(|sample| (sample.cut.seconds(), of_sample(sample))).collect();
                plot = plot.with(Series::faint(if index == 0 { "trials" } else { "" }, points));
            }
            let (mean, band) = mean_and_band(&sampled, *of_sample);
            plot = plot.with(Series::line("mean and 90 % of trials", mean).with_band(band));
            let points = path.points.iter().map(|point| (point.t_s, of_point(point))).collect();
            plot.with(Series::line("fluid", points))
        })
        .collect()
}

/// A curve and, at each of its points, the lower and upper end of its band.
type Banded = (Vec<(f64, f64)>, Vec<(f64, f64)>);

fn mean_and_band(trials: &[Vec<Sample>], value: fn(&Sample) -> f64) -> Banded {
    let length = trials.iter().map(Vec::len).min().unwrap_or(0);
    (0..length)
        .map(|index| {
            let mut values: Vec<f64> = trials.iter().map(|samples| value(&samples[index])).collect();
            values.sort_by(f64::total_cmp);
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let edge = |p: f64| quantile(&values, p).unwrap_or(mean);
            ((trials[0][index].cut.seconds(), mean), (edge(0.05), edge(0.95)))
        })
        .unzip()
}

/// λ* over the first axis, one curve for each combination of the others; engine values as dots.
pub fn sweep(axes: &[Axis], rows: &[SweepRow]) -> Vec<Plot> {
    let Some(first) = axes.first() else { return Vec::new() };
    let mut plot = Plot::new("Stability boundary", &first.key, "λ* (requests/s)");
    let mut others: Vec<&[f64]> = Vec::new();
    for row in rows {
        if !others.contains(&&row.values[1..]) {
            others.push(&row.values[1..]);
        }
    }
    for other in others {
        let of_curve = || rows.iter().filter(move |row| &row.values[1..] == other);
        let parts = axes[1..].iter().zip(other).map(|(axis, value)| format!("{} = {value}", axis.key));
        let label = parts.collect::<Vec<_>>().join(", ");
        let name = |what: &str| if label.is_empty() { what.to_owned() } else { format!("{what}, {label}") };
        let curve = of_curve().map(|row| (row.values[0], row.boundary.low_per_s)).collect();
        plot = plot.with(Series::line(&name("analytic"), curve));
        let dots: Vec<(f64, f64)> =
            of_curve().filter_map(|row| Some((row.values[0], row.simulated_per_s?.value))).collect();
        if !dots.is_empty() {
            plot = plot.with(Series::dots(&name("engine"), dots));
        }
    }
    vec![plot]
}
