//! Eviction cycles: few-valued outputs under greedy admission whose victims lose work move in cohorts that evict one another.

use super::boundary::Regime;
use super::load::Load;
use super::map;
use super::memory;
use crate::answer::{Limit, Method};
use crate::scenario::{Admission, Preemption};

/// The saturated state in the cycle: the closed form for one length with restart, the one-iteration map for others, and what the
/// fluctuations at the boundary evict beside it. None where there is no cycle.
pub(super) fn regime(load: &Load, capacity: f64) -> Option<Regime> {
    let policy = &load.scenario.policy;
    if policy.admission != Admission::Greedy {
        return None;
    }
    if policy.preemption == Preemption::Restart && load.moments.is_one_valued() {
        return Some(one_valued(load, capacity));
    }
    let cycle = map::few_valued_regime(load, capacity)?;
    let by_chance = evictions_by_chance(load, cycle.flow);
    let batch_tokens = cycle.batch_tokens + by_chance * (load.prompt() - 1.0);
    let step_s = cycle.step_s + load.step_s(batch_tokens, 0.0) - load.step_s(cycle.batch_tokens, 0.0);
    Some(Regime { batch_tokens, step_s, preemptions: cycle.preemptions + by_chance / cycle.flow, ..cycle })
}

/// One prompt and one output length with restarted victims: a cohort that fills the memory at its end completes, and the next
/// one starts. X = ⌊M/(s+o)⌋/o, (o − 1)/(s + 1) preemptions per request.
fn one_valued(load: &Load, capacity: f64) -> Regime {
    let (prompt, output, waste) = (load.prompt(), load.output(), load.block_waste());
    let flow = (capacity / (prompt + output + waste)).floor().max(1.0) / output;
    let holds = |age: f64| prompt + age + waste;
    let harmonic: f64 = (1..=output as u64).map(|age| 1.0 / holds(age as f64)).sum();
    let running = capacity / output * harmonic;
    let preemptions = (output - 1.0) / holds(1.0);
    let by_chance = evictions_by_chance(load, flow);
    let again = flow * (1.0 + preemptions) + by_chance;
    let batch_tokens = running + again * (prompt - 1.0);
    let context = capacity - running * waste;
    let step_s = load.step_s(batch_tokens, context);
    Regime {
        limit: Limit::KvMemory,
        flow,
        step_s,
        running,
        swapped: 0.0,
        kv_tokens: context,
        batch_tokens,
        preemptions: preemptions + by_chance / flow,
        calm_per_s: flow / step_s,
        method: Method::Fluid,
    }
}

/// E1/f: evictions per iteration by the fluctuations at the boundary.
fn evictions_by_chance(load: &Load, flow: f64) -> f64 {
    memory::pressure(load, flow, 32.0).map_or(0.0, |p| p.evicted_per_step / p.victim_tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::testing::{constant, scenario, with_context, with_memory};
    use approx::assert_relative_eq;

    /// Ex. 3(a) of the memory law: o = s = 100, M = 60200. Simulated 2.226754; the map gives 2.227229.
    #[test]
    fn the_closed_form_of_the_restart_cycle() {
        let law = with_context(1.0, 2.5e-4, 0.1 / 60_200.0);
        let mut question = with_memory(scenario(1.0, constant(100), constant(100), law, 100_000), 60_200, None);
        question.policy.preemption = Preemption::Restart;
        let found = regime(&Load::of(&question), 60_200.0).unwrap();
        assert_relative_eq!(found.flow, 3.01, max_relative = 1e-12);
        assert_relative_eq!(found.lambda(), 2.226_754, max_relative = 0.01);
    }
}
