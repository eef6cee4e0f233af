//! The decode node of a disaggregated server: prompts come with their KV, every iteration only decodes. A request brings
//! w = o tokens over o iterations; memory and a budget that counts context see s + i tokens in the i-th.

use super::super::boundary::{self, Regime};
use super::super::load::Load;
use super::super::memory;
use crate::answer::{Limit, Method};
use crate::scenario::BudgetCounts;

/// Every limit with its saturated state, the binding one first.
pub fn regimes(load: &Load) -> Vec<Regime> {
    let mut found = boundary::regimes(load);
    if let Some(regime) = limited_by_context(load) {
        found.push(regime);
        found.sort_by(|a, b| a.flow.total_cmp(&b.flow));
    }
    found
}

/// B where it counts context and is below the memory.
pub fn context_budget(load: &Load) -> Option<f64> {
    let counts = load.scenario.batch_rules().budget_counts == BudgetCounts::Context;
    let budget = load.scenario.instance.max_batch_tokens.filter(|_| counts)? as f64;
    (budget < load.memory.unwrap_or(f64::INFINITY)).then_some(budget)
}

/// Only the first residents that together hold at most B tokens decode, as if the others were swapped out for nothing:
/// X = (B − U)/g with U of greedy admission.
fn limited_by_context(load: &Load) -> Option<Regime> {
    let budget = context_budget(load)?;
    let held = load.moments.held_mean();
    let unused = memory::unused_greedy(load);
    let flow = (budget - unused).max(held / load.output()) / held;
    let step_s = load.step_s(flow * load.work(), flow * held);
    Some(Regime {
        limit: Limit::TokenBudget,
        flow,
        step_s,
        running: flow * load.output(),
        swapped: 0.0,
        kv_tokens: flow * held,
        batch_tokens: flow * load.work(),
        preemptions: 0.0,
        calm_per_s: flow / step_s,
        method: Method::Approximation,
    })
}
