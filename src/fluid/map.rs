//! The saturated state of few-valued outputs, from the one-iteration map.

use super::boundary::Regime;
use super::load::Load;
use super::path::map::{Iteration, Map};
use crate::answer::{Limit, Method};
use crate::scenario::Preemption;

/// Most cell updates spent on a saturated average.
const WORK: usize = 12_000_000;

/// The saturated state of few-valued outputs under greedy admission with recomputation, where residents fall into a cycle
/// and the memory law does not hold: the second half of a run of the map with an endless queue. None for other laws.
pub(super) fn few_valued_regime(load: &Load, capacity: f64) -> Option<Regime> {
    if load.scenario.policy.preemption != Preemption::Recompute || !is_few_valued(load) || load.memory.is_none() {
        return None;
    }
    let mut map = Map::new(load, f64::INFINITY);
    let ages = map.masses.len().max(1);
    let steps = (WORK / ages).clamp(20, 60 * ages);
    let mut sum = Iteration::default();
    for index in 0..steps {
        let iteration = map.step();
        if 2 * index >= steps {
            add(&mut sum, &iteration);
        }
    }
    let count = (steps - steps / 2) as f64;
    debug_assert!(sum.kv_tokens <= capacity * count * (1.0 + 1e-9));
    Some(Regime {
        limit: Limit::KvMemory,
        flow: sum.completed / count,
        step_s: sum.step_s / count,
        running: sum.running / count,
        swapped: sum.swapped / count,
        kv_tokens: sum.kv_tokens / count,
        batch_tokens: sum.batch_tokens / count,
        preemptions: sum.evicted / sum.completed,
        calm_per_s: sum.completed / sum.step_s,
        method: Method::Fluid,
    })
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

/// Whether the outputs take so few values that residents move in cohorts: 1/Σp² ≤ 4.
pub(super) fn is_few_valued(load: &Load) -> bool {
    let survival = &load.moments.output_survival;
    let mut previous = 1.0;
    let mut squares = 0.0;
    for &above in survival.iter().skip(1).chain([&0.0]) {
        squares += (previous - above) * (previous - above);
        previous = above;
    }
    squares >= 0.25 && survival.len() > 1
}
