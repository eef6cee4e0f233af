//! KV memory under exclusive iterations with prompts first.
//!
//! At a decode iteration every resident decodes, so that the memory in use completes X = (M − U)/g requests per decode
//! iteration, g the tokens held summed over a request's decodes. Prompts fill the memory before the decodes need room for
//! their next tokens: under greedy admission those evict about as many tokens as they make, in every iteration. Reserve
//! admission evicts nobody. Approximations both.

use super::super::boundary::Regime;
use super::super::memory::unused_reserve;
use super::binomial::binomial;
use super::exclusive::Exclusive;
use super::packing::Packed;
use super::prefill_first::of_cycle;
use crate::answer::{Limit, Method};
use crate::scenario::{Admission, Preemption};

/// The saturated state that the memory allows.
pub(super) fn regime(engine: &Exclusive, capacity: f64) -> Regime {
    if engine.load.scenario.policy.admission == Admission::Reserve {
        reserve(engine, capacity)
    } else {
        greedy(engine, capacity)
    }
}

/// X = (M − U)/E\[(o − e)(s + o)\].
fn reserve(engine: &Exclusive, capacity: f64) -> Regime {
    let (load, m, e) = (engine.load, &engine.load.moments, engine.emits);
    let waste = load.block_waste();
    let reserved = m.raw(1, 1) + m.raw(0, 2) - e * (m.raw(1, 0) + m.raw(0, 1)) + waste * engine.decodes;
    let completed = (capacity - unused_reserve(load)).max(0.5 * capacity) / reserved;
    let prompts = entries(engine, completed, completed * load.prompt());
    of_memory(engine, completed, prompts, 0.0, 0.0)
}

/// Packs `entering` prompts of `tokens` together per decode iteration.
fn entries(engine: &Exclusive, entering: f64, tokens: f64) -> Packed {
    let load = engine.load;
    // As many as leave: of many residents a few.
    let residents = (entering * engine.decodes).max(1.0);
    let law = binomial(residents.ceil() as u64, (entering / residents.ceil()).min(1.0));
    let packed = engine.prompts(law.last()).packed(law.last(), |tokens| engine.step(tokens));
    let mean = |value: fn(&Packed) -> f64| law.mean_of(|d| value(&packed[d]));
    let per_token = (engine.step(load.budget.min(4.0 * tokens).max(2.0)) - engine.step(1.0))
        / (load.budget.min(4.0 * tokens).max(2.0) - 1.0);
    let more = tokens - entering * load.prompt();
    Packed {
        seconds: mean(|packed| packed.seconds)
            + per_token * more
            + entering * load.per_context_s() * engine.prompt_context(),
        batches: mean(|packed| packed.batches),
    }
}

/// Every decode iteration evicts what its N tokens lack, last admitted first; the victims come back at the next boundary.
fn greedy(engine: &Exclusive, capacity: f64) -> Regime {
    let load = engine.load;
    let m = &load.moments;
    let prompt = load.prompt();
    let entry = prompt + 1.0;
    let second = m.raw(2, 0) + 2.0 * prompt + 1.0;
    // The last victim makes more room than is needed: uniform on it.
    let unused = second / (2.0 * entry);
    let completed =
        (capacity - unused).max(0.5 * capacity) / (engine.decode_context() + load.block_waste() * engine.decodes);
    if load.scenario.policy.preemption == Preemption::None {
        let prompts = entries(engine, completed, completed * prompt);
        return of_memory(engine, completed, prompts, 0.0, 0.0);
    }
    // N tokens are needed and what the blocked head left is there.
    let growth = (completed * engine.decodes - unused).max(0.0);
    let victims = growth / entry;
    let swap = load.scenario.policy.preemption == Preemption::Swap;
    let again = if swap { 0.0 } else { victims };
    let prompts = entries(engine, completed + again, (completed + again) * prompt);
    let moved = if swap { 2.0 * load.scenario.policy.swap_s_per_token.unwrap_or(0.0) * victims * entry } else { 0.0 };
    of_memory(engine, completed, prompts, victims / completed, moved)
}

fn of_memory(engine: &Exclusive, completed: f64, prompts: Packed, preemptions: f64, moved_s: f64) -> Regime {
    let running = completed * engine.decodes;
    let decode_s = engine.step(running) + completed * engine.load.per_context_s() * engine.decode_context() + moved_s;
    let found = of_cycle(engine, running, decode_s, prompts, Method::Approximation);
    Regime { limit: Limit::KvMemory, preemptions, ..found }
}
