//! The decode node of a disaggregated server: prompts come with their KV, every iteration only decodes. A request brings
//! w = o tokens over o iterations; memory and a budget that counts context see s + i tokens in the i-th.

use super::super::boundary::{self, Regime};
use super::super::load::Load;
use crate::answer::{Limit, Method};
use crate::scenario::BudgetCounts;

/// Every limit with its saturated state, the binding one first.
pub fn regimes(load: &Load) -> Vec<Regime> {
    let mut found = boundary::regimes(load);
    if let Some(regime) = context_budget(load) {
        found.push(regime);
        found.sort_by(|a, b| a.flow.total_cmp(&b.flow));
    }
    found
}

/// Only the first residents that together hold at most B tokens decode: X = (B − U)/g, U half of the size-biased tokens of the
/// first one that does not fit.
fn context_budget(load: &Load) -> Option<Regime> {
    let counts = load.scenario.batch_rules().budget_counts == BudgetCounts::Context;
    let budget = load.scenario.instance.max_batch_tokens.filter(|_| counts)? as f64;
    let held = load.moments.held_mean();
    let unused = load.moments.held_squares() / (2.0 * held);
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
