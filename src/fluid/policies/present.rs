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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::solve;
    use crate::fluid::testing::{affine, constant, geometric, scenario, uniform, with_context};
    use crate::scenario::{Admission, Engine, LengthLaw, Policy, Preemption, Scenario, StepTimeLaw};
    use approx::assert_relative_eq;

    fn node(prompt: LengthLaw, output: LengthLaw, law: StepTimeLaw, admission: Admission) -> Scenario {
        let mut question = scenario(0.1, prompt, output, law, 100_000);
        question.policy = Policy::of(Engine::DecodeNode, admission, Preemption::None);
        question
    }

    /// Oracle S4: 20 000 tokens, s = 100, E\[o\] = 100, τ = 1 + .002·b with b = o tokens per request; simulated values.
    #[test]
    fn a_decode_node_brings_o_tokens() {
        for (output, admission, simulated) in [
            (geometric(100.0), Admission::Reserve, 0.58976),
            (uniform(1, 199), Admission::Reserve, 0.72750),
            (geometric(100.0), Admission::Greedy, 0.82993),
            (uniform(1, 199), Admission::Greedy, 0.95780),
        ] {
            let mut question = node(constant(100), output, affine(1.0, 0.002), admission);
            question.instance.kv_tokens = Some(20_000);
            if admission == Admission::Greedy {
                question.policy.preemption = Preemption::Restart;
            }
            let load = Load::of(&question);
            assert_eq!(load.work(), load.output());
            let found = regimes(&load)[0];
            assert_eq!(found.limit, Limit::KvMemory);
            assert_relative_eq!(found.lambda(), simulated, max_relative = 0.015);
        }
    }

    /// Oracle S3: n* = d0·λ/(1 − d1·λ·h) requests per stage and M* = n*·h tokens, h = (o + 1)(s + o/2), for a request with the o + 1
    /// stages s, s + 1, …, s + o. The law is the limit of many residents; here there are 340.
    #[test]
    fn the_equilibrium_of_stages() {
        let (s, o, d0, d1) = (100.0, 100.0, 0.02, 2e-7);
        let h = (o + 1.0) * (s + o / 2.0);
        for rate in [100.0, 200.0] {
            let mut question = node(constant(99), constant(101), with_context(d0, 0.0, d1), Admission::Greedy);
            question.workload.rate_per_s = Some(rate);
            let expected = d0 * rate / (1.0 - d1 * rate * h) * h;
            let found = solve(&question).summary.kv_tokens.unwrap().value;
            assert_relative_eq!(found, expected, max_relative = 0.01);
        }
    }

    /// A budget that counts context binds like a memory of that size whose victims are moved for nothing.
    #[test]
    fn a_context_budget_binds_like_memory() {
        let law = with_context(0.003, 1e-5, 3e-7);
        let mut question = node(uniform(50, 150), geometric(100.0), law, Admission::Greedy);
        question.instance.max_batch_tokens = Some(10_000);
        let limited = regimes(&Load::of(&question))[0];
        assert_eq!(limited.limit, Limit::TokenBudget);
        question.instance.max_batch_tokens = None;
        question.instance.kv_tokens = Some(10_000);
        question.policy.preemption = Preemption::Swap;
        question.policy.swap_s_per_token = Some(0.0);
        let memory = regimes(&Load::of(&question))[0];
        assert_relative_eq!(limited.lambda(), memory.lambda(), max_relative = 1e-3);
    }
}
