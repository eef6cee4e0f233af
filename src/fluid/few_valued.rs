//! The saturated state of few-valued outputs, and of others that fall into eviction cycles, from the one-iteration map.

use super::boundary::Regime;
use super::cycle;
use super::load::Load;
use super::memory;
use super::path::map::{Iteration, Map};
use crate::answer::{Limit, Method};
use crate::scenario::{Admission, Preemption};

/// Most cell updates spent on a saturated average.
const WORK: usize = 6_000_000;

/// The eviction cycle of a memory whose balance of ages is unstable, under greedy admission with recomputation or restart: the
/// second half of a run of the map with an endless queue, or the closed form for one length. None where ages are in balance.
///
/// It is the state of a large system; in a small one single requests evict more than the cycle does, and the memory law completes
/// less. Measured with s = 100, o about 400: under recompute the smaller of the two is within −1 and +7 % of simulation for 50 to
/// 500 residents; under restart the cycle is −3 to +4 % off for one length and up to 25 % too high for lengths that spread by 10 %,
/// where the memory law is up to twice too high.
pub(super) fn cycle_regime(load: &Load, capacity: f64) -> Option<Regime> {
    let policy = &load.scenario.policy;
    let drops = matches!(policy.preemption, Preemption::Recompute | Preemption::Restart);
    if !drops || policy.admission != Admission::Greedy || load.memory.is_none() || !cycle::is_unstable(load) {
        return None;
    }
    let restart = policy.preemption == Preemption::Restart;
    if restart && load.moments.is_one_valued() {
        return Some(restart_cycle(load, capacity));
    }
    let mut mean = mean_iteration(load);
    // Beside the cycle of restarted requests the boundary's fluctuations evict.
    let by_chance = if restart { chance_evictions(load, mean.completed) } else { 0.0 };
    let again = by_chance * (load.prompt() - 1.0).max(0.0);
    mean.step_s += load.step_s(mean.batch_tokens + again, 0.0) - load.step_s(mean.batch_tokens, 0.0);
    mean.batch_tokens += again;
    mean.evicted += by_chance;
    debug_assert!(mean.kv_tokens <= capacity * (1.0 + 1e-9));
    Some(Regime {
        limit: Limit::KvMemory,
        flow: mean.completed,
        step_s: mean.step_s,
        running: mean.running,
        swapped: mean.swapped,
        kv_tokens: mean.kv_tokens,
        batch_tokens: mean.batch_tokens,
        preemptions: mean.evicted / mean.completed,
        calm_per_s: mean.completed / mean.step_s,
        method: Method::Fluid,
    })
}

/// The mean iteration of a saturated memory: the second half of a run of the map that spends a fixed amount of work.
pub(super) fn mean_iteration(load: &Load) -> Iteration {
    let mut map = Map::new(load, f64::INFINITY);
    let ages = map.masses.len().max(1);
    let steps = (WORK / ages).clamp(20, 60 * ages.max(10));
    let mut sum = Iteration::default();
    for index in 0..steps {
        let iteration = map.step();
        if 2 * index >= steps {
            add(&mut sum, &iteration);
        }
    }
    let count = (steps - steps / 2) as f64;
    Iteration {
        running: sum.running / count,
        swapped: sum.swapped / count,
        kv_tokens: sum.kv_tokens / count,
        batch_tokens: sum.batch_tokens / count,
        step_s: sum.step_s / count,
        completed: sum.completed / count,
        evicted: sum.evicted / count,
        ..sum
    }
}

/// One prompt and one output length with restarted victims: a cohort that fills the memory at its end completes, and the next
/// one starts. X = ⌊M/(s+o)⌋/o, (o − 1)/(s + 1) preemptions per request, and beside the cycle those of the boundary's
/// fluctuations.
fn restart_cycle(load: &Load, capacity: f64) -> Regime {
    let (prompt, output, waste) = (load.moments.held(1, 0), load.output(), load.block_waste());
    let flow = (capacity / (prompt + output + waste)).floor().max(1.0) / output;
    let holds = |age: f64| prompt + age + waste;
    let harmonic: f64 = (1..=output as u64).map(|age| 1.0 / holds(age as f64)).sum();
    let running = capacity / output * harmonic;
    let preemptions = (output - 1.0) / holds(1.0);
    let by_chance = chance_evictions(load, flow);
    let again = flow * (1.0 + preemptions) + by_chance;
    let batch_tokens = running + again * (load.prompt() - 1.0);
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
fn chance_evictions(load: &Load, flow: f64) -> f64 {
    memory::pressure(load, flow, 32.0).map_or(0.0, |p| p.evicted_per_step / p.victim_tokens)
}

fn add(sum: &mut Iteration, part: &Iteration) {
    sum.running += part.running;
    sum.swapped += part.swapped;
    sum.kv_tokens += part.kv_tokens;
    sum.batch_tokens += part.batch_tokens;
    sum.step_s += part.step_s;
    sum.completed += part.completed;
    sum.evicted += part.evicted;
}

/// Whether the outputs take so few values that residents move in cohorts.
pub(super) fn is_few_valued(load: &Load) -> bool {
    takes_few_values(&load.moments.output_survival)
}

/// 1/Σp² ≤ 4 for a law given by P(o > u).
pub(super) fn takes_few_values(survival: &[f64]) -> bool {
    let mut previous = 1.0;
    let mut squares = 0.0;
    for &above in survival.iter().skip(1).chain([&0.0]) {
        squares += (previous - above) * (previous - above);
        previous = above;
    }
    squares >= 0.25 && survival.len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::testing::{constant, scenario, with_context, with_memory};
    use approx::assert_relative_eq;

    /// Ex. 3(a) of the memory law: o = s = 100, M = 60200; 2.227229 by the map, 2.2272 by the closed form without chance.
    #[test]
    fn restart_falls_into_a_cycle() {
        let law = with_context(1.0, 2.5e-4, 0.1 / 60_200.0);
        let mut question = with_memory(scenario(1.0, constant(100), constant(100), law, 100_000), 60_200, None);
        question.policy.preemption = Preemption::Restart;
        let load = Load::of(&question);
        let mut map = Map::new(&load, f64::INFINITY);
        let mut sum = Iteration::default();
        for turn in 0..6000 {
            let iteration = map.step();
            if turn >= 3000 {
                add(&mut sum, &iteration);
            }
        }
        assert_relative_eq!(sum.completed / 3000.0, 3.01, max_relative = 1e-6);
        assert_relative_eq!(sum.step_s / 3000.0, 1.351_463, max_relative = 1e-6);
        // The example's window did not end with a cycle: 3.01/1.351463 is 2.227216.
        assert_relative_eq!(sum.completed / sum.step_s, 2.227_229, max_relative = 7e-6);
        assert_relative_eq!(sum.evicted / sum.completed, 99.0 / 101.0, max_relative = 1e-9);
        assert_relative_eq!(sum.evicted / sum.completed, 0.980_13, max_relative = 1e-4);
        let closed = restart_cycle(&load, 60_200.0);
        assert_relative_eq!(closed.flow, 3.01, max_relative = 1e-12);
        assert!(closed.lambda() < 2.227_229 && closed.lambda() > 0.97 * 2.227_229, "{closed:?}");
    }
}
