//! What each modelling choice moves: the same replay with one of them changed.

use std::path::Path;

use super::course::Course;
use super::read::VllmRun;
use super::replay::simulate;
use crate::scenario::kernels::Kernels;
use crate::scenario::{Admission, Batching, Prompts, Scenario, ScenarioError, Sight, StepTimeLaw, Tables, Victim};

/// A replay under another choice.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// What is different.
    pub what: &'static str,
    /// What comes of it.
    pub course: Course,
}

/// Host time that is added where the effect of host time is shown.
const HOST_S: f64 = 1e-3;

type Change = fn(&VllmRun, &mut Scenario) -> Result<bool, ScenarioError>;

const CHANGES: [(&str, Change); 10] = [
    ("1 ms of host time in every iteration", |_, scenario| add_host(scenario)),
    ("iterations filled up to the sizes of the CUDA graphs", fill_graphs),
    ("the curve that theory takes in place of the tables", |_, scenario| {
        let curve = scenario.step_time.of_theory().clone();
        let other = curve != scenario.step_time;
        scenario.step_time = curve;
        Ok(other)
    }),
    ("arrivals seen by the next iteration, not the one after", |_, scenario| {
        Ok(scenario.policy.arrivals_seen.take() == Some(Sight::OneStepLate))
    }),
    ("victims find nothing again", |_, scenario| Ok(std::mem::take(&mut scenario.policy.victims_stay_cached))),
    ("KV memory handed out by the token, not by the block", |_, scenario| {
        let blocks = std::mem::replace(&mut scenario.instance.block_tokens, 1);
        Ok(blocks > 1)
    }),
    ("entrants leave 1 % of the KV memory free", |_, scenario| {
        let greedy = scenario.policy.admission == Admission::Greedy;
        scenario.policy.admission = Admission::Watermark;
        scenario.policy.watermark_share = Some(0.01);
        Ok(greedy)
    }),
    ("entrants reserve their whole output", |_, scenario| {
        scenario.policy.admission = Admission::Reserve;
        scenario.policy.victims_stay_cached = false;
        scenario.policy.watermark_share = None;
        Ok(true)
    }),
    ("the first admitted is preempted, not the last", |_, scenario| {
        scenario.policy.victim = Some(Victim::Fifo);
        Ok(true)
    }),
    ("prompts are not cut", |run, scenario| {
        scenario.policy.batching = Batching { prompts: Some(Prompts::Whole), ..Batching::default() };
        let longest = run.requests.iter().map(|request| request.prompt + request.output).max().unwrap_or(0);
        let budget = scenario.instance.max_batch_tokens.map_or(longest, |tokens| tokens.max(longest));
        scenario.instance.max_batch_tokens = Some(budget);
        Ok(true)
    }),
];

/// Every choice that differs from what was replayed.
///
/// # Errors
/// Tables that can no longer be read.
pub fn choices(run: &VllmRun, scenario: &Scenario) -> Result<Vec<Choice>, ScenarioError> {
    let mut found = Vec::new();
    for (what, change) in CHANGES {
        let mut other = scenario.clone();
        if change(run, &mut other)? && other.validate().is_ok() {
            found.push(Choice { what, course: simulate(run, &other) });
        }
    }
    Ok(found)
}

fn add_host(scenario: &mut Scenario) -> Result<bool, ScenarioError> {
    match &mut scenario.step_time {
        StepTimeLaw::Affine { base_s, .. }
        | StepTimeLaw::Hinge { base_s, .. }
        | StepTimeLaw::Staircase { base_s, .. }
        | StepTimeLaw::AffineContext { base_s, .. } => *base_s += HOST_S,
        StepTimeLaw::Curve { points, .. } => points.iter_mut().for_each(|point| point.seconds += HOST_S),
        law @ StepTimeLaw::Kernels { .. } => {
            if let StepTimeLaw::Kernels { host_s, .. } = law {
                *host_s += HOST_S;
            }
            law.read_tables()?;
        }
    }
    Ok(true)
}

fn fill_graphs(run: &VllmRun, scenario: &mut Scenario) -> Result<bool, ScenarioError> {
    let StepTimeLaw::Kernels { folder, layers, host_s, graph_tokens, tables } = &mut scenario.step_time else {
        return Ok(false);
    };
    if run.graph_tokens.is_empty() || !graph_tokens.is_empty() {
        return Ok(false);
    }
    graph_tokens.clone_from(&run.graph_tokens);
    *tables = Tables::of(Kernels::of_folder(Path::new(folder), *layers, *host_s, graph_tokens)?);
    Ok(true)
}
