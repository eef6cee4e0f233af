//! The simulated answer: trials or batches of one long run, with confidence intervals.

use super::operations;
use super::plan::{Plan, WARMUP_RULE, Wishes};
use super::summary::{CONFIDENCE, growth, summarise};
use super::trials::{self, Progress};
use crate::answer::{Figure, FluidSolution, Method, RequestCounts, SimulatedSolution, Verdict};
use crate::des::{self, BLOCK_S, Feed, Observer, Options, Run, Window};
use crate::fluid::{self, scope};
use crate::scenario::{Scenario, Time, TraceMode};
use crate::stats::histogram::Histogram;
use crate::stats::sequential::{FIRST_TRIALS, Precision};

/// Batches that one single run is cut into.
pub const BATCHES: usize = 20;

/// Trials that a wanted precision adds at most.
const MOST_TRIALS: u64 = 2000;

/// A growth of the number in system above this share of λ, beyond its confidence interval, is overload.
const DRIFT: f64 = 0.01;

/// How to simulate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SimulateOptions {
    /// Seed of all streams.
    pub seed: u64,
    /// Independent trials; 1 means one long run cut into batches.
    pub trials: u64,
    /// Trials are added until mean TTFT, TBT and E2E, or the throughput of an overloaded system, are known to this relative precision.
    pub precision: Option<f64>,
    /// Requests waiting at time 0.
    pub backlog: u64,
    /// Leap over iterations in which the batch stays the same.
    pub leap: bool,
    /// Lengths that the user fixed.
    pub wishes: Wishes,
}

/// Runs the engine on a validated scenario. Theory sets the length of the run, from the nearest scenario that it covers; `observer`
/// sees a single run's requests and iterations and is not used with several trials.
pub fn simulate(
    scenario: &Scenario,
    options: &SimulateOptions,
    observer: Option<&mut dyn Observer>,
    progress: Progress<'_>,
) -> SimulatedSolution {
    let covered = scope::refusal(scenario).is_none();
    let theory = fluid::solve(&scope::nearest(scenario));
    let plan = Plan::new(scenario, &theory, options.wishes);
    let several = options.trials > 1 || options.precision.is_some();
    let feed = if several { Feed::Bootstrap } else { Feed::Open };
    let mut engine = Options { backlog: options.backlog, leap: options.leap, ..plan.options(options.seed, feed) };
    let runs = if several {
        enough_trials(scenario, &engine, options, progress)
    } else {
        engine.windows = BATCHES;
        let run = match observer {
            Some(observer) => des::simulate_observed(scenario, &engine, observer),
            None => des::simulate(scenario, &engine),
        };
        progress();
        vec![run]
    };
    let mut solution = solution_of(scenario, &runs, covered.then_some(theory.verdict));
    if replays(scenario) && !several {
        let windows: Vec<&Window> = runs.iter().flat_map(|run| &run.windows).collect();
        // The first request of a replayed trace arrives at time 0.
        let makespan = runs.iter().all(|run| run.in_system == 0).then(|| runs[0].last_completion.seconds());
        solution.operations.makespan_s = makespan.map(counted);
        solution.operations.weighted_flow_time_s = operations::flow_time_s(scenario, &windows).map(counted);
    }
    solution.notes = notes(scenario, &plan, options, &runs);
    solution.notes.extend(operations::notes(&solution.operations));
    let running = solution.summary.running.filter(|_| solution.verdict == Verdict::Stable);
    solution.notes.extend(running.and_then(|figure| fluid::inactive::of_split(scenario, figure.value)));
    solution.notes.extend(note_on_theory(&theory, covered, solution.verdict));
    solution
}

/// The trials that were asked for, and more until the wanted precision is reached.
fn enough_trials(scenario: &Scenario, engine: &Options, options: &SimulateOptions, progress: Progress<'_>) -> Vec<Run> {
    let wanted = options.precision.map(|relative| Precision { relative, confidence: CONFIDENCE });
    let first = if wanted.is_some() { options.trials.max(FIRST_TRIALS) } else { options.trials };
    let mut runs = trials::run(scenario, engine, first, progress);
    while let Some(more) = wanted.and_then(|wanted| wanted.trials_wanted(&judged(scenario, &runs)))
        && (runs.len() as u64) < MOST_TRIALS
    {
        // A trial in which nobody arrived gives no latency and is no sample.
        let numbers = runs.len() as u64..more.clamp(runs.len() as u64 + 1, MOST_TRIALS);
        runs.extend(trials::numbered(scenario, engine, numbers, progress));
    }
    runs
}

/// Of every quantity that decides whether there are enough trials, its mean in each.
fn judged(scenario: &Scenario, runs: &[Run]) -> Vec<Vec<f64>> {
    let each = |value: &dyn Fn(&Window) -> Option<f64>| -> Vec<f64> {
        runs.iter().flat_map(|run| &run.windows).filter_map(value).collect()
    };
    if solution_of(scenario, runs, None).verdict == Verdict::Overloaded {
        return vec![each(&|window| Some(window.totals.completed as f64 / window.seconds()))];
    }
    let latencies: [fn(&Window) -> &Histogram; 3] = [|w| &w.ttft, |w| &w.gaps, |w| &w.e2e];
    latencies.iter().map(|of| each(&|window| of(window).mean())).filter(|means| !means.is_empty()).collect()
}

/// A figure of one finite run, which has no interval.
fn counted(value: f64) -> Figure {
    Figure::of(value, Method::Simulated)
}

fn replays(scenario: &Scenario) -> bool {
    scenario.workload.trace.as_ref().is_some_and(|source| source.mode == TraceMode::Replay)
}

/// What theory had to do with a run.
fn note_on_theory(theory: &FluidSolution, covered: bool, verdict: Verdict) -> Option<String> {
    if !covered {
        return Some(format!(
            "Theory does not cover these rules: the length of the run was planned for one instance of vllm-v1 with {:.4} requests/s \
             and λ* = {:.4}/s.",
            theory.lambda_per_s, theory.boundary.low_per_s
        ));
    }
    (theory.verdict == Verdict::Overloaded && verdict != Verdict::Overloaded).then(|| {
        format!(
            "λ = {:.4}/s is above the analytic λ* = {:.4}/s: these figures describe a run that is not steady.",
            theory.lambda_per_s, theory.boundary.high_per_s
        )
    })
}

/// The figures of finished runs, each window a replicate. The run is overloaded when the number in system surely grows, and also
/// when theory, where it covers the scenario, says so and growth is not excluded: a latency would then only tell how long the run
/// was.
pub fn solution_of(scenario: &Scenario, runs: &[Run], theory: Option<Verdict>) -> SimulatedSolution {
    let windows: Vec<&Window> = runs.iter().flat_map(|run| &run.windows).collect();
    let lambda_per_s = scenario.workload.rate();
    let (low, high) = growth(&windows).and_then(|figure| figure.interval).unwrap_or((0.0, 0.0));
    let surely = low > 0.0 && (low + high) / 2.0 > DRIFT * lambda_per_s;
    let drifting = surely || (theory == Some(Verdict::Overloaded) && high > 0.0);
    let mut requests = RequestCounts::default();
    for run in runs {
        requests.arrived += run.totals.arrived;
        requests.completed += run.totals.completed;
        requests.rejected += run.totals.rejected;
        requests.in_system += run.in_system;
    }
    SimulatedSolution {
        lambda_per_s,
        verdict: if drifting { Verdict::Overloaded } else { Verdict::Stable },
        summary: summarise(&windows, drifting),
        operations: operations::operations(scenario, &windows, drifting),
        requests,
        preemptions: runs.iter().map(|run| run.totals.preemptions).sum(),
        end_time_s: runs.iter().map(|run| run.end).fold(Time::ZERO, |sum, end| sum + end).seconds(),
        steps: runs.iter().map(|run| run.totals.steps).sum(),
        notes: Vec::new(),
    }
}

fn notes(scenario: &Scenario, plan: &Plan, options: &SimulateOptions, runs: &[Run]) -> Vec<String> {
    let several = runs.len() > 1;
    let mut notes = vec![format!(
        "Population: requests that arrive in the {:.0} s after a warm-up of {:.0} s ({WARMUP_RULE}); the run goes on until they have finished.",
        plan.duration_s, plan.warmup_s
    )];
    if let Some(relative) = options.precision {
        let wanted = Precision { relative, confidence: CONFIDENCE };
        let reached = wanted.trials_wanted(&judged(scenario, runs)).is_none();
        notes.push(format!(
            "Trials were added until the judged means are known to {:.3} % at 95 %: {}.",
            100.0 * relative,
            if reached { "reached" } else { "not reached; ask for less, or lengthen the trials with --duration" }
        ));
    }
    notes.push(if several {
        format!("Intervals: 95 %, Student t over {} independent trials.", runs.len())
    } else {
        format!("Intervals: 95 %, Student t over {BATCHES} batches of one run.")
    });
    if let Some(meaning) = scenario.workload.rate_shape.steady_state() {
        notes.push(format!(
            "λ changes over time, and figures are means over the measured time; {:.4}/s is {meaning}.",
            scenario.workload.rate()
        ));
    }
    if replays(scenario) && several {
        notes.push(format!(
            "Trials are drawn from the trace in random blocks of {BLOCK_S} s (circular block bootstrap): they vary as the trace does within minutes, not more slowly."
        ));
    }
    let censored: u64 = runs.iter().flat_map(|run| &run.windows).map(|window| window.censored).sum();
    if censored > 0 {
        notes.push(format!(
            "{censored} requests of the population were unfinished when the run was stopped and are in no latency."
        ));
    }
    notes
}
