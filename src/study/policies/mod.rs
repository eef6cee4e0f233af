//! Policies held against each other on common random numbers: trial k of every policy has the same arrivals, lengths and windows, so that the
//! difference of two is that of the policies. A claim that one is better stands when the paired t test of its trials is rejected by Holm's
//! procedure over all pairs and metrics: the chance of any false claim in the whole report is at most 5 %.

mod judge;
mod tables;
#[cfg(test)]
mod tests;

pub use judge::{Outcome, Pair, Ranking, judge};
pub use tables::{pairs_table, plots, ranking_tables};

use super::operations;
use super::plan::{Plan, Wishes};
use super::simulate::solution_of;
use super::summary::summarise;
use super::sweep::{Answers, Choice, Point, Quantity, Side, Source};
use super::trials::{self, Progress};
use crate::answer::{Boundary, Figure, RequestCounts, SimulatedSolution, Verdict};
use crate::des::{Feed, Run, Window};
use crate::fluid::{self, scope};
use crate::scenario::{Scenario, ScenarioError};
use crate::stats::interval::mean_interval;

/// The chance of any false claim.
pub const ERROR_RATE: f64 = 0.05;

/// Confidence of the growth that alone makes a policy overloaded: one that theory calls stable, or does not cover, is ranked last by a false
/// alarm once in 2000 times.
const DRIFT_CONFIDENCE: f64 = 0.999;

/// How to compare.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyOptions {
    /// Seed of all streams.
    pub seed: u64,
    /// Trials of each policy.
    pub trials: u64,
    /// Lengths that the user fixed.
    pub wishes: Wishes,
    /// What is compared, by the names of the engine's figures that every trial has.
    pub metrics: Vec<String>,
}

/// One policy and what became of it.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Arrivals per second.
    pub lambda_per_s: f64,
    /// λ* by theory, where it covers the policy.
    pub boundary: Option<Boundary>,
    /// Whether the number in its system grows without end, by the drift of the trials and by theory.
    pub overloaded: bool,
    /// Share of the arrivals that can never fit and are turned away: they are in no latency.
    pub turned_away: f64,
    /// Growth of the number in system, requests per second.
    pub growth_per_s: Option<Figure>,
    /// Of every metric its value in each trial; none where some trial has none, or the system is overloaded.
    pub values: Vec<Option<Vec<f64>>>,
}

/// The outcome of a comparison.
#[derive(Debug, Clone)]
pub struct PolicyComparison {
    /// The policies as given.
    pub policies: Vec<Policy>,
    /// The metrics.
    pub metrics: Vec<String>,
    /// One ranking per metric.
    pub rankings: Vec<Ranking>,
    /// Every pair of policies by every metric.
    pub pairs: Vec<Pair>,
    /// What was found, in words.
    pub words: Vec<String>,
    /// Trials of each policy.
    pub trials: u64,
    /// How the trials were run.
    pub notes: Vec<String>,
}

/// Simulates every policy and ranks them.
///
/// # Errors
/// A policy that the scenario refuses, or a metric that no trial has; messages call a policy by `option`.
pub fn compare_policies(
    option: &str,
    source: &Source,
    choices: &[Choice],
    options: &PolicyOptions,
    progress: Progress<'_>,
) -> Result<PolicyComparison, ScenarioError> {
    let metrics = options.metrics.iter().map(|name| metric("--metric", name)).collect::<Result<Vec<_>, _>>()?;
    let built = choices
        .iter()
        .map(|choice| {
            let point = Point { settings: vec![choice.value.clone()], sets: choice.sets.clone() };
            source.at(option, &point)
        })
        .collect::<Result<Vec<Scenario>, _>>()?;
    let plan = common_plan(&built, options.wishes);
    let mut policies = Vec::new();
    for (scenario, choice) in built.iter().zip(choices) {
        let engine = plan.options(options.seed, Feed::Bootstrap);
        let runs = trials::run(scenario, &engine, options.trials, progress);
        policies.push(policy(&choice.value.shown(), scenario, &runs, &metrics));
    }
    let (rankings, pairs) = judge(&policies, &options.metrics);
    let notes = vec![format!(
        "{} trials of {:.0} s after a warm-up of {:.0} s, seed {}; trial k of every policy has the same arrivals and lengths (common random \
         numbers).",
        options.trials, plan.duration_s, plan.warmup_s, options.seed
    )];
    let words = judge::words(&policies, &rankings, &pairs, options.trials);
    Ok(PolicyComparison {
        policies,
        metrics: options.metrics.clone(),
        rankings,
        pairs,
        words,
        trials: options.trials,
        notes,
    })
}

/// A figure of the engine that every trial can have: counts and λ* are none.
fn metric(option: &str, name: &str) -> Result<Quantity, ScenarioError> {
    let refused =
        || ScenarioError::at(name, "is no figure of a trial", "choose one such as ttft_s.mean").in_file(option);
    let quantity = Quantity::named(option, name, &[Side::Engine])?.into_iter().next().ok_or_else(refused)?;
    let counted =
        ["lambda_per_s", "verdict", "lambda_star_per_s", "makespan_s", "weighted_flow_time_s", "queue_growth_per_s"];
    let count = ["arrived", "completed", "rejected", "in_system", "preemptions", "steps", "end_time_s"];
    if counted.contains(&name) || count.contains(&name) { Err(refused()) } else { Ok(quantity) }
}

/// One plan for all: that with the longest warm-up among those that theory calls stable, or among all when it calls none so.
fn common_plan(scenarios: &[Scenario], wishes: Wishes) -> Plan {
    let planned: Vec<(Plan, bool)> = scenarios
        .iter()
        .map(|scenario| {
            let theory = fluid::solve(&scope::nearest(scenario));
            (Plan::new(scenario, &theory, wishes), theory.verdict != Verdict::Overloaded)
        })
        .collect();
    let any_stable = planned.iter().any(|(_, stable)| *stable);
    let kept = planned.into_iter().filter(|(_, stable)| *stable || !any_stable).map(|(plan, _)| plan);
    let longest = kept.max_by(|a, b| a.warmup_s.total_cmp(&b.warmup_s));
    longest.unwrap_or(Plan { warmup_s: 0.0, duration_s: 1.0 })
}

fn policy(name: &str, scenario: &Scenario, runs: &[Run], metrics: &[Quantity]) -> Policy {
    let theory = scope::refusal(scenario).is_none().then(|| fluid::solve(scenario));
    let all = solution_of(scenario, runs, theory.as_ref().map(|solution| solution.verdict));
    let overloaded = all.verdict == Verdict::Overloaded
        && (theory.as_ref().is_some_and(|solution| solution.verdict == Verdict::Overloaded) || grows(runs));
    let of_trials: Vec<Answers> = runs.iter().map(|run| of_trial(scenario, run)).collect();
    let values = |metric: &Quantity| -> Option<Vec<f64>> {
        if overloaded {
            return None;
        }
        of_trials.iter().map(|answers| metric.of(answers).value()).collect()
    };
    Policy {
        name: name.to_owned(),
        lambda_per_s: scenario.workload.rate(),
        boundary: theory.map(|solution| solution.boundary),
        overloaded,
        turned_away: all.requests.rejected as f64 / all.requests.arrived.max(1) as f64,
        growth_per_s: all.summary.queue_growth_per_s.filter(|_| overloaded),
        values: metrics.iter().map(values).collect(),
    }
}

/// Whether the number in the system grows, at a level at which many policies raise hardly a false alarm.
fn grows(runs: &[Run]) -> bool {
    let growth = |window: &Window| (window.in_system_at_end - window.in_system_at_start) as f64 / window.seconds();
    let each: Vec<f64> = runs.iter().flat_map(|run| &run.windows).map(growth).collect();
    mean_interval(&each, DRIFT_CONFIDENCE).is_some_and(|interval| interval.low > 0.0)
}

/// The figures of one trial. Its window stands twice, since figures come with intervals, which one window does not have: the values are
/// those of the window, and the intervals are not used.
fn of_trial(scenario: &Scenario, run: &Run) -> Answers {
    let windows: Vec<_> = run.windows.iter().chain(&run.windows).collect();
    let engine = SimulatedSolution {
        lambda_per_s: scenario.workload.rate(),
        verdict: Verdict::Stable,
        summary: summarise(&windows, false),
        operations: operations::operations(scenario, &windows, false),
        requests: RequestCounts::default(),
        preemptions: run.totals.preemptions,
        end_time_s: run.end.seconds(),
        steps: run.totals.steps,
        notes: Vec::new(),
    };
    Answers { engine: Some(engine), ..Answers::default() }
}

/// Whether more of a figure is better; of all others less is.
pub fn higher_is_better(metric: &str) -> bool {
    matches!(metric, "throughput_per_s" | "goodput_per_s" | "slo_attainment" | "fairness" | "cached_share")
        || metric.ends_with(".slo_attainment")
}
