//! KV memory under exclusive iterations with prompts first.
//!
//! At a decode iteration every resident decodes, so that the memory in use completes X = (M − U)/g requests per decode
//! iteration, g the tokens held summed over a request's decodes. A blocked head waits for memory, so that fewer iterations of
//! prompts follow than completions: one does when what is freed exceeds what the head lacks. Prompts fill the memory before
//! the decodes need room for their next tokens: under greedy admission with recomputed victims those evict about as many tokens
//! as they make, in every iteration. Reserve admission evicts nobody. Approximations all.

use super::super::boundary::Regime;
use super::super::memory::{pressure, unused_reserve};
use super::super::mixture::{gathered, output_nodes};
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
    let peaks = peaks(engine);
    let mean: f64 = peaks.iter().map(|peak| peak.0 * peak.1).sum();
    // E[min(P, P')]: a freed peak covers what a head of the same law lacks, which is uniform on it.
    let mut above = 1.0;
    let mut last = 0.0;
    let mut smaller = 0.0;
    for (peak, mass) in peaks {
        smaller += above * above * (peak - last);
        above -= mass;
        last = peak;
    }
    let batches = -(-completed * smaller / mean).exp_m1();
    let prompts = entries(engine, completed, completed * load.prompt(), batches);
    of_memory(engine, completed, prompts, 0.0, 0.0)
}

/// The law of s + o in few values, ascending; lengths as if independent.
fn peaks(engine: &Exclusive) -> Vec<(f64, f64)> {
    let m = &engine.load.moments;
    let prompts = gathered(m.prompt_masses.iter().enumerate().map(|(k, mass)| (k as f64, *mass)).collect());
    let outputs = output_nodes(&m.output_survival);
    let mut peaks: Vec<(f64, f64)> =
        prompts.iter().flat_map(|p| outputs.iter().map(move |o| (p.0 + o.0, p.1 * o.1))).collect();
    peaks.sort_by(|a, b| a.0.total_cmp(&b.0));
    peaks
}

/// `entering` prompts of `tokens` together per decode iteration, in `batches` iterations.
fn entries(engine: &Exclusive, entering: f64, tokens: f64, batches: f64) -> Packed {
    let in_context = entering * engine.load.per_context_s() * engine.prompt_context();
    // No batch holds more than the budget.
    let batches = batches.max(tokens / engine.load.budget).max(1e-12);
    Packed { seconds: batches * engine.step(tokens / batches) + in_context, batches }
}

/// Greedy admission: a head that needs s + 1 tokens blocks.
fn greedy(engine: &Exclusive, capacity: f64) -> Regime {
    let load = engine.load;
    let m = &load.moments;
    let prompt = load.prompt();
    let entry = prompt + 1.0;
    let second = m.raw(2, 0) + 2.0 * prompt + 1.0;
    let unused = second / (2.0 * entry);
    let completed =
        (capacity - unused).max(0.5 * capacity) / (engine.decode_context() + load.block_waste() * engine.decodes);
    let some = -(-completed).exp_m1();
    let running = completed * engine.decodes;
    let found =
        if load.scenario.policy.preemption == Preemption::None { None } else { pressure(load, completed, 32.0) };
    let Some(found) = found else {
        let prompts = entries(engine, completed, completed * prompt, some);
        return of_memory(engine, completed, prompts, 0.0, 0.0);
    };
    if load.scenario.policy.preemption == Preemption::Swap {
        // Victims come back in iterations of decodes, which leave room for growth, and before any new prompt: those enter when
        // what is freed exceeds the evicted mass, the growth and the head.
        let room = |peak: f64| -(-(peak - running - unused).max(0.0) / found.evicted.max(1e-9)).exp_m1();
        let share: f64 = peaks(engine).iter().map(|&(peak, mass)| mass * room(peak)).sum();
        let batches = some * share;
        let evicted = found.evicted_per_step + batches * (running - found.evicted_per_step);
        let victims = evicted / found.victim_tokens;
        let seconds = load.scenario.policy.swap_s_per_token.unwrap_or(0.0);
        let moved = 2.0 * seconds * victims * (found.victim_tokens - 1.0);
        let prompts = entries(engine, completed, completed * prompt, batches);
        return of_memory(engine, completed, prompts, victims / completed, moved);
    }
    let mut tokens = found.victim_tokens;
    let mut victims = running / tokens;
    for _ in 0..40 {
        // A victim has been there for the evicted mass over its flow.
        let per_request = victims / completed;
        tokens = entry + found.evicted / running * (1.0 + per_request / (1.0 + per_request));
        victims = running / tokens;
    }
    let prompts = entries(engine, completed + victims, completed * prompt + victims * (tokens - 1.0), some);
    of_memory(engine, completed, prompts, victims / completed, 0.0)
}

fn of_memory(engine: &Exclusive, completed: f64, prompts: Packed, preemptions: f64, moved_s: f64) -> Regime {
    let running = completed * engine.decodes;
    let decode_s = engine.step(running) + completed * engine.load.per_context_s() * engine.decode_context() + moved_s;
    let found = of_cycle(engine, running, decode_s, prompts, Method::Approximation);
    Regime { limit: Limit::KvMemory, preemptions, ..found }
}
