//! The two answers held against each other: analytic value, simulated value with its interval, gap, and whether they agree.

use super::plan::{Plan, WARMUP_RULE, Wishes};
use super::simulate::solution_of;
use super::stability::{self, SaturatedOptions};
use super::trials::{self, Progress};
use crate::answer::compare::CompareRow;
use crate::answer::{Figure, FluidSolution, SimulatedSolution, Verdict};
use crate::des::{BLOCK_S, Feed, Options, Run};
use crate::fluid;
use crate::scenario::trace::dispersion;
use crate::scenario::{Scenario, Time, TraceMode};
use crate::stats::equivalence::{agrees, relative_gap};
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
    /// The trials, with sampled states.
    pub runs: Vec<Run>,
    /// End of the measured part in seconds.
    pub horizon_s: f64,
    /// What a reader must know.
    pub notes: Vec<String>,
}

impl Comparison {
    /// Whether every promised quantity agrees.
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
    let rows = rows(scenario, &fluid, &simulated, saturated.throughput_per_s);
    let notes = notes(scenario, &fluid, &plan, options, &runs);
    Comparison { fluid, simulated, rows, runs, horizon_s: engine.horizon.seconds(), notes }
}

fn rows(
    scenario: &Scenario,
    fluid: &FluidSolution,
    simulated: &SimulatedSolution,
    saturated: Option<Figure>,
) -> Vec<CompareRow> {
    let boundary = Figure::of(fluid.boundary.low_per_s, fluid.boundary.method);
    let mut rows = vec![row("lambda_star_per_s", Some(boundary), saturated, Some(0.01))];
    let load = fluid.lambda_per_s / fluid.boundary.low_per_s;
    let poisson = scenario.workload.arrivals.squared_cv() == 1.0
        && scenario.workload.rate_shape.is_constant()
        && scenario.workload.trace.as_ref().is_none_or(|source| source.mode == TraceMode::Resample);
    for ((name, analytic), (_, measured)) in fluid.summary.quantities().into_iter().zip(simulated.summary.quantities())
    {
        if analytic.is_none() && measured.is_none() {
            continue;
        }
        let tolerance = if poisson { promise(&name, load, fluid.verdict) } else { None };
        rows.push(row(&name, analytic, measured, tolerance));
    }
    rows
}

/// The relative error promised for a quantity at load λ/λ*, beyond the confidence interval; none where nothing is promised.
pub fn promise(quantity: &str, load: f64, verdict: Verdict) -> Option<f64> {
    match (quantity, verdict) {
        ("throughput_per_s", _) => Some(0.01),
        (_, Verdict::Overloaded | Verdict::Metastable) => None,
        ("tbt_s.mean", _) if load <= 0.75 => Some(0.02),
        ("ttft_s.mean" | "e2e_s.mean", _) if load <= 0.75 => Some(0.03),
        ("running" | "kv_tokens", _) if load <= 0.75 => Some(0.04),
        _ => None,
    }
}

fn row(quantity: &str, analytic: Option<Figure>, simulated: Option<Figure>, tolerance: Option<f64>) -> CompareRow {
    let both = analytic.zip(simulated);
    let agreement = both.and_then(|(left, right)| {
        let (low, high) = right.interval?;
        let interval = Interval { mean: right.value, low, high };
        Some(agrees(left.value, &interval, tolerance.unwrap_or(0.0)))
    });
    CompareRow {
        quantity: quantity.to_owned(),
        analytic: analytic.map(|figure| figure.value),
        simulated,
        relative_gap: both.and_then(|(left, right)| relative_gap(left.value, right.value)),
        agrees: agreement,
        promised: tolerance.is_some(),
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
