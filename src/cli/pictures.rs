//! Which curves go into which picture.

use crate::answer::Limit;
use crate::des::{Run, Sample};
use crate::fluid::region::Region;
use crate::fluid::{Path, PathPoint};
use crate::report::{Lane, Lanes, Plot, Series, Span};
use crate::stats::quantile::quantile;
use crate::study;
use crate::study::dynamics::{Dynamics, Life, Phase, State};
use crate::study::sweep::{Row, Sweep};

/// Trials drawn one by one behind the band; more would hide each other.
const FAINT_TRIALS: usize = 12;

/// Standard deviations to each side that hold 95 % of a normal law.
const NORMAL_95: f64 = 1.96;

/// Panels of a path in time: name of the panel, axis label, value of the fluid, value of a sample.
type Panel = (&'static str, &'static str, fn(&PathPoint) -> f64, fn(&Sample) -> f64);

const PANELS: [Panel; 4] = [
    ("Waiting", "requests", |point| point.waiting, |sample| sample.waiting as f64),
    ("Running", "requests", |point| point.running, |sample| sample.running as f64),
    ("Swapped", "requests", |point| point.swapped, |sample| sample.swapped as f64),
    ("KV memory", "tokens", |point| point.kv_tokens, |sample| sample.kv_tokens as f64),
];

/// The number in the system with the band of its noise, `deviations` being its standard deviation at every point; then waiting,
/// running, swapped, KV.
pub fn path(path: &Path, deviations: &[f64]) -> Vec<Plot> {
    let system = path.points.iter().map(|point| (point.t_s, point.in_system())).collect();
    let edges = |(point, deviation): (&PathPoint, &f64)| {
        let (mean, reach) = (point.in_system(), NORMAL_95 * deviation);
        ((mean - reach).max(0.0), mean + reach)
    };
    let band = path.points.iter().zip(deviations).map(edges).collect();
    let system = Series::line("fluid and 95 % of the noise", system).with_band(band);
    let parts = PANELS.iter().map(|(title, unit, of_point, _)| {
        let points = path.points.iter().map(|point| (point.t_s, of_point(point))).collect();
        Plot::new(title, "time (s)", unit).with(Series::line("fluid", points))
    });
    std::iter::once(Plot::new("In the system", "time (s)", "requests").with(system)).chain(parts).collect()
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

/// A run in time: queues, memory, batch durations, completions, throughput. `kv_tokens` is M, if there is one.
pub fn dynamics(seen: &Dynamics, kv_tokens: Option<u64>) -> Vec<Plot> {
    let curve = |value: &dyn Fn(&State) -> f64| -> Vec<(f64, f64)> {
        seen.states().iter().map(|state| (state.t_s, value(state))).collect()
    };
    let panel = |title: &str, unit: &str| Plot::new(title, "time (s)", unit);
    let queues = panel("Queues", "requests")
        .with(Series::line("waiting", curve(&|state| state.waiting as f64)))
        .with(Series::line("running", curve(&|state| state.running as f64)))
        .with(Series::line("swapped", curve(&|state| state.swapped as f64)));
    let memory = panel("KV memory", "tokens").with(Series::line("", curve(&|state| state.kv_tokens as f64)));
    let used = kv_tokens.map(|memory| panel("KV memory used", "%").with(Series::line("", seen.memory_percent(memory))));
    let durations = panel("Batch duration", "s").with(Series::line("", curve(&|state| state.step_s)));
    let completed = panel("Completed", "requests").with(Series::line("", curve(&|state| state.completed as f64)));
    let throughput =
        panel("Throughput over a twentieth of the run", "requests/s").with(Series::line("", seen.throughput()));
    [Some(queues), Some(memory), used, Some(durations), Some(completed), Some(throughput)]
        .into_iter()
        .flatten()
        .collect()
}

/// The lives of some requests: waiting, executing, preempted, with `S:n` behind those that were preempted n times.
pub fn timeline(seen: &Dynamics) -> Lanes {
    let lives = seen.lives().iter().filter(|(_, life)| !life.phases.is_empty());
    Lanes {
        title: "Requests".to_owned(),
        x_label: "time (s)".to_owned(),
        phases: ["waiting", "executing", "preempted"].map(str::to_owned).into(),
        lanes: lives.map(|(request, life)| lane(*request, life, seen.end_s())).collect(),
    }
}

fn lane(request: u64, life: &Life, end_s: f64) -> Lane {
    let ends = life.phases.iter().skip(1).map(|phase| phase.0).chain([life.end_s.unwrap_or(end_s)]);
    let spans = life.phases.iter().zip(ends).map(|((from, phase), to)| {
        let phase = match phase {
            Phase::Waiting => 0,
            Phase::Executing => 1,
            Phase::Preempted => 2,
        };
        Span { from: *from, to, phase }
    });
    let note = if life.preemptions > 0 { format!("S:{}", life.preemptions) } else { String::new() };
    Lane { label: format!("{request}"), spans: spans.collect(), note }
}

/// The outer boundary of two classes' stability region, one curve for each limit that binds, with the scenario's own rates.
pub fn region(region: &Region) -> Vec<Plot> {
    let [first, second] = &region.classes;
    let label = |class: &str| format!("rate of {class} (requests/s)");
    let mut plot = Plot::new("Stability region", &label(first), &label(second));
    let straight = |limit: Limit, points: Vec<(f64, f64)>| Series::line(&format!("{} binds", limit.name()), points);
    for run in region.edges.chunk_by(|a, b| a.limit == b.limit) {
        let points = std::iter::once(run[0].from).chain(run.iter().map(|edge| edge.to));
        plot = plot.with(straight(run[0].limit, points.collect()));
    }
    let axes = [region.edges.first().map(|edge| edge.from), Some((0.0, 0.0)), region.edges.last().map(|edge| edge.to)];
    plot = plot.with(Series::faint("", axes.into_iter().flatten().collect()));
    vec![plot.with(Series::dots("rates of the scenario", vec![region.operating]))]
}

/// λ* over the first axis that has numbers, one curve for each combination of the others; engine values as dots.
pub fn boundary(sweep: &Sweep, rows: &[Row]) -> Vec<Plot> {
    let mut plots = study::sweep::lines(sweep.design.axes(), &sweep.quantities, rows);
    plots.truncate(1);
    for plot in &mut plots {
        "Stability boundary".clone_into(&mut plot.title);
        "λ* (requests/s)".clone_into(&mut plot.y_label);
    }
    plots
}
