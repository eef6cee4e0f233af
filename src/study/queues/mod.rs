//! Queueing models by name: what theory says, what a simulation says beside it, and whether the two agree.
//!
//! [`catalogue`] holds every model of the queueing library. Parameters come as words ([`Parameters`]), answers as quantities with unit and method
//! ([`Answer`]); `plain` holds small simulations, apart from the engine.

pub mod answer;
pub mod catalogue;
mod class;
pub mod engine;
mod families;
mod law;
pub mod measured;
mod parameters;
mod phases;
mod plain;
mod problem;
pub mod question;

pub use answer::{Answer, Method, Quantity};
pub use catalogue::{Kind, Model, Parameter};
pub use parameters::Parameters;
pub use problem::QueueProblem;
pub use question::{Findings, Simulation};

use super::plan::{Plan, Wishes};
use super::simulate::solution_of;
use super::trials::{self, Progress};
use crate::answer::{Figure, FluidSolution, Summary, Verdict};
use crate::des::Feed;
use crate::fluid;
use crate::queueing::QueueError;
use crate::queueing::markov::Mm1;
use crate::scenario::{Scenario, ScenarioError, load, presets};
use crate::stats::coverage::is_consistent;

/// One quantity of one system.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mm1Row {
    /// ρ = λ/μ.
    pub rho: f64,
    /// What is compared.
    pub quantity: &'static str,
    /// The closed form; absent where none exists.
    pub closed_form: Option<f64>,
    /// The analytic solver on the scenario.
    pub solver: Option<f64>,
    /// The engine on the scenario.
    pub engine: Option<Figure>,
    /// Whether the engine's interval contains the closed form.
    pub covered: Option<bool>,
}

/// The quantities that are judged, at most one for each utilisation.
const JUDGED: [&str; 2] = ["time (W)", "growth per s"];

/// M/M/1 at each utilisation: the preset `mm1` with μ and λ = ρμ. Every utilisation has a seed of its own, so that they miss
/// independently.
///
/// # Errors
/// Rates that the scenario refuses.
pub fn mm1(
    rhos: &[f64],
    mu_per_s: f64,
    count: u64,
    seed: u64,
    progress: Progress<'_>,
) -> Result<Vec<Mm1Row>, ScenarioError> {
    let preset = presets::get("mm1")?;
    let base = load::load(preset.name, preset.text, &[])?.with("step_time.base_s", 1.0 / mu_per_s)?;
    let mut rows = Vec::new();
    for (index, &rho) in rhos.iter().enumerate() {
        let scenario = base.with("lambda", rho * mu_per_s)?;
        let solution = fluid::solve(&scenario);
        let simulated = simulated(&scenario, &solution, count, seed.wrapping_add(index as u64), progress);
        rows.extend(rows_at(rho, mu_per_s, &solution, &simulated));
    }
    Ok(rows)
}

fn simulated(scenario: &Scenario, solution: &FluidSolution, count: u64, seed: u64, progress: Progress<'_>) -> Summary {
    let plan = Plan::new(scenario, solution, Wishes::default());
    let runs = trials::run(scenario, &plan.options(seed, Feed::Open), count, progress);
    solution_of(scenario, &runs, Some(solution.verdict)).summary
}

fn rows_at(rho: f64, mu_per_s: f64, solution: &FluidSolution, engine: &Summary) -> Vec<Mm1Row> {
    let row = |quantity, closed_form: Option<f64>, solver: Option<f64>, engine: Option<Figure>| Mm1Row {
        rho,
        quantity,
        closed_form,
        solver,
        engine,
        covered: closed_form
            .zip(engine.and_then(|figure| figure.interval))
            .map(|(truth, (low, high))| low <= truth && truth <= high),
    };
    let value = |figure: Option<Figure>| figure.map(|figure| figure.value);
    let summary = &solution.summary;
    match Mm1::new(rho * mu_per_s, mu_per_s) {
        Ok(queue) => {
            let solver = summary.e2e_s.map(|latency| (latency.mean.value, latency.p95.value, latency.p99.value));
            let measured = engine.e2e_s;
            vec![
                row("waiting (Lq)", Some(queue.mean_waiting()), value(summary.waiting), engine.waiting),
                row("in service", Some(rho), value(summary.running), engine.running),
                row("time (W)", Some(queue.mean_sojourn_s()), solver.map(|t| t.0), measured.map(|l| l.mean)),
                row("p95 of time", Some(queue.sojourn_quantile_s(0.95)), solver.map(|t| t.1), measured.map(|l| l.p95)),
                row("p99 of time", Some(queue.sojourn_quantile_s(0.99)), solver.map(|t| t.2), measured.map(|l| l.p99)),
            ]
        }
        Err(QueueError::Unstable { growth_per_s }) => {
            debug_assert!(solution.verdict == Verdict::Overloaded);
            vec![row("growth per s", Some(growth_per_s), value(summary.queue_growth_per_s), engine.queue_growth_per_s)]
        }
        Err(_) => Vec::new(),
    }
}

/// Whether the number of intervals that miss is consistent with 95 % coverage, at an error rate of 0.001. One quantity is judged
/// for each utilisation: the others come from the same sample paths and miss together.
pub fn coverage_holds(rows: &[Mm1Row]) -> bool {
    let judged: Vec<bool> =
        rows.iter().filter(|row| JUDGED.contains(&row.quantity)).filter_map(|row| row.covered).collect();
    let missed = judged.iter().filter(|covered| !**covered).count() as u64;
    is_consistent(missed, judged.len() as u64, 0.05, 0.001)
}
