//! The two answers held against each other: analytic value, simulated value with its interval, gap, and whether they agree.

use super::gate::BOUNDARY;
use super::gate::errors::size_of;
use super::gate::evidence::evidence;
use super::plan::{Plan, WARMUP_RULE, Wishes};
use super::simulate::solution_of;
use super::stability::{self, SaturatedOptions};
use super::trials::{self, Progress};
use crate::answer::compare::CompareRow;
use crate::answer::trust::{Evidence, Mark};
use crate::answer::{Figure, FluidSolution, SimulatedSolution, Verdict};
use crate::des::{BLOCK_S, Feed, Options, Run};
use crate::fluid;
use crate::scenario::trace::dispersion;
use crate::scenario::{Scenario, Time, TraceMode};
use crate::stats::equivalence::{agrees, relative_gap, resolves};
use crate::stats::interval::Interval;

/// States sampled along a trial, for the overlay plot.
const SAMPLES: i128 = 240;

/// How to compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompareOptions {
    /// Seed of all streams.
    pub seed: u64,
    /// Independent trials.
    pub trials: u64,
    /// Requests waiting at time 0.
    pub backlog: u64,
    /// Lengths that the user fixed.
    pub wishes: Wishes,
}

/// The outcome of a comparison.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The analytic answer.
    pub fluid: FluidSolution,
    /// The simulated answer.
    pub simulated: SimulatedSolution,
    /// One row per quantity.
    pub rows: Vec<CompareRow>,
    /// What the gate has seen near by.
    pub evidence: Evidence,
    /// The trials, with sampled states.
    pub runs: Vec<Run>,
    /// End of the measured part in seconds.
    pub horizon_s: f64,
    /// What a reader must know.
    pub notes: Vec<String>,
}

impl Comparison {
    /// Whether no promise is broken. An interval too wide to tell breaks none.
    pub fn holds(&self) -> bool {
        self.rows.iter().all(|row| !row.promised || row.agrees != Some(false))
    }
}

/// Solves and simulates a validated scenario that theory covers (`fluid::scope`) and compares the two.
pub fn compare(scenario: &Scenario, options: &CompareOptions, progress: Progress<'_>) -> Comparison {
    let fluid = fluid::solve(scenario);
    let plan = Plan::new(scenario, &fluid, options.wishes);
    let engine = Options { backlog: options.backlog, ..plan.options(options.seed, Feed::Bootstrap) };
    let every = Time((engine.horizon.0 / SAMPLES).max(1));
    let engine = Options { sample_every: Some(every), ..engine };
    let runs = trials::run(scenario, &engine, options.trials, progress);
    let simulated = solution_of(scenario, &runs, Some(fluid.verdict));
    let saturated =
        stability::saturated(scenario, &fluid, &SaturatedOptions::new(options.seed, options.trials), progress);
    let evidence = evidence(scenario, &fluid);
    let rows = rows(&fluid, &simulated, saturated.throughput_per_s, &evidence);
    let notes = notes(scenario, &fluid, &plan, options, &runs);
    Comparison { fluid, simulated, rows, evidence, runs, horizon_s: engine.horizon.seconds(), notes }
}

fn rows(
    fluid: &FluidSolution,
    simulated: &SimulatedSolution,
    saturated: Option<Figure>,
    evidence: &Evidence,
) -> Vec<CompareRow> {
    let boundary = Figure::of(fluid.boundary.low_per_s, fluid.boundary.method);
    let mut rows = vec![row(BOUNDARY, Some(boundary), saturated, evidence.mark(BOUNDARY))];
    for ((name, analytic), (_, measured)) in fluid.summary.quantities().into_iter().zip(simulated.summary.quantities())
    {
        if analytic.is_some() || measured.is_some() {
            rows.push(row(&name, analytic, measured, evidence.mark(&name)));
        }
    }
    rows
}

fn row(quantity: &str, analytic: Option<Figure>, simulated: Option<Figure>, gate: Mark) -> CompareRow {
    let both = analytic.zip(simulated);
    let interval = simulated.and_then(|figure| {
        let (low, high) = figure.interval?;
        Some(Interval { mean: figure.value, low, high })
    });
    // As on the gate, next to no preemptions are as good as none.
    let sized = |interval: Interval| Interval { mean: size_of(quantity, interval.mean), ..interval };
    let resolved = gate.tolerance.zip(interval).map(|(tolerance, interval)| resolves(&sized(interval), tolerance));
    let agreement = analytic.zip(interval).map(|(analytic, interval)| {
        // An interval too wide to tell is given its own width once more: chance alone seldom reaches that far.
        let wide =
            Interval { low: 2.0 * interval.low - interval.mean, high: 2.0 * interval.high - interval.mean, ..interval };
        let fair = if resolved == Some(false) { wide } else { interval };
        agrees(analytic.value, &sized(fair), gate.tolerance.unwrap_or(0.0))
    });
    CompareRow {
        quantity: quantity.to_owned(),
        analytic: analytic.map(|figure| figure.value),
        simulated,
        relative_gap: both.and_then(|(left, right)| relative_gap(left.value, right.value)),
        agrees: agreement,
        promised: gate.tolerance.is_some(),
        resolved,
        gate,
        method: analytic.map(|figure| figure.method),
    }
}

fn notes(
    scenario: &Scenario,
    fluid: &FluidSolution,
    plan: &Plan,
    options: &CompareOptions,
    runs: &[Run],
) -> Vec<String> {
    let mut notes = fluid.notes.clone();
    notes.push(format!(
        "Simulated: {} trials of {:.0} s after a warm-up of {:.0} s ({WARMUP_RULE}); 95 % intervals, Student t over trials.",
        options.trials, plan.duration_s, plan.warmup_s
    ));
    if let Some(note) = trace_note(scenario) {
        notes.push(note);
    }
    let censored: u64 = runs.iter().flat_map(|run| &run.windows).map(|window| window.censored).sum();
    if censored > 0 && fluid.verdict != Verdict::Overloaded {
        notes.push(format!("{censored} requests were unfinished when their trial was stopped and are in no latency."));
    }
    notes
}

/// What the burstiness of a replayed trace does to the analytic answer.
fn trace_note(scenario: &Scenario) -> Option<String> {
    let source = scenario.workload.trace.as_ref().filter(|source| source.mode == TraceMode::Replay)?;
    let index = |window_s: f64| dispersion::index_of_dispersion(&source.requests, window_s);
    let (short, long) = (index(10.0)?, index(300.0)?);
    Some(format!(
        "The trace is not Poisson: its index of dispersion is {short:.1} over 10 s and {long:.1} over 300 s (Poisson: 1). \
         The analytic queue and latencies assume Poisson arrivals and are too low by what these bursts add; λ* and the step \
         time at a given load do not depend on it. Trials are random blocks of {BLOCK_S} s of the trace (circular block bootstrap)."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Method;
    use crate::answer::trust::Standing;

    fn judged(analytic: f64, half: f64, tolerance: Option<f64>) -> CompareRow {
        let mark = Mark { standing: Standing::Trusted, error: Some(0.0), tolerance };
        let simulated = Figure::simulated(1.0, 1.0 - half, 1.0 + half);
        row("running", Some(Figure::of(analytic, Method::Fluid)), Some(simulated), mark)
    }

    #[test]
    fn a_wide_interval_neither_agrees_nor_breaks_a_promise() {
        let sharp = judged(1.02, 0.005, Some(0.01));
        assert_eq!((sharp.resolved, sharp.agrees), (Some(true), Some(false)));
        assert_eq!(judged(1.012, 0.005, Some(0.01)).agrees, Some(true));
        // Beyond the interval by more than the tolerance, but the interval itself is wider than that.
        let wide = judged(1.12, 0.1, Some(0.01));
        assert_eq!((wide.resolved, wide.agrees), (Some(false), Some(true)));
        assert_eq!(judged(1.22, 0.1, Some(0.01)).agrees, Some(false));
        assert_eq!((judged(1.2, 0.1, None).resolved, judged(1.2, 0.1, None).agrees), (None, Some(false)));
    }
}
