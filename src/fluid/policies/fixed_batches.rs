//! Exclusive iterations, decodes first: static batches as in FasterTransformer, and seed 001's decode-prioritizing. A batch of
//! prompts is decoded until its last request has finished, then comes the next.
//!
//! Renewal–reward: λ* = E\[n\]/(E S(Σs) + E Δ(n)), exact where prompts and outputs are independent. n is the number of prompts that
//! next-fit packing puts in an iteration, Δ(n) the decodes of n requests.

use super::super::boundary::Regime;
use super::super::latency::State;
use super::super::load::Load;
use super::super::transform::fold;
use super::binomial::binomial;
use super::exclusive::Exclusive;
use super::packing::Endless;
use super::prefill_chunks::chunk_masses;
use crate::answer::{Limit, Method};
use crate::cost::affine_coefficients;
use crate::scenario::Scenario;

/// The decodes of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Drain {
    /// Δ: seconds.
    pub seconds: f64,
    /// Iterations.
    pub steps: f64,
    /// Σ over the iterations of sequences × seconds.
    pub sequence_seconds: f64,
    /// The same without the first iteration.
    pub later_sequence_seconds: f64,
}

impl Drain {
    fn add(&mut self, other: Self, weight: f64) {
        self.seconds += weight * other.seconds;
        self.steps += weight * other.steps;
        self.sequence_seconds += weight * other.sequence_seconds;
        self.later_sequence_seconds += weight * other.later_sequence_seconds;
    }
}

/// Δ(n) for n = 0 … `most`, without context; entries whose `wanted` is false stay zero.
pub(super) fn drains(engine: &Exclusive, most: usize, wanted: impl Fn(usize) -> bool) -> Vec<Drain> {
    let alive = engine.decoding();
    if let Some((base_s, per_token_s)) = engine.line {
        return affine_drains(alive, (base_s, per_token_s), most);
    }
    let drain = |n: usize| {
        let mut found = Drain::default();
        for (k, &q) in alive.iter().enumerate() {
            let rare = n as f64 * q;
            let (steps, seconds, sequences) = if rare < 1e-7 {
                (rare, rare * engine.step(1.0), rare * engine.step(1.0))
            } else {
                let law = binomial(n as u64, q);
                (
                    1.0 - law.mean_of(|h| if h == 0 { 1.0 } else { 0.0 }),
                    law.mean_of(|h| engine.step(h as f64)),
                    law.mean_of(|h| h as f64 * engine.step(h as f64)),
                )
            };
            let later = if k == 0 { 0.0 } else { sequences };
            found.add(Drain { seconds, steps, sequence_seconds: sequences, later_sequence_seconds: later }, 1.0);
        }
        found
    };
    (0..=most).map(|n| if n > 0 && wanted(n) { drain(n) } else { Drain::default() }).collect()
}

fn affine_drains(alive: &[f64], (base_s, per_token_s): (f64, f64), most: usize) -> Vec<Drain> {
    let sum: f64 = alive.iter().sum();
    let squares: f64 = alive.iter().map(|q| q * q).sum();
    let first = alive.first().copied().unwrap_or(0.0);
    // (1 − q_k)^n, one factor more for every n.
    let mut none = vec![1.0; alive.len()];
    let mut found = vec![Drain::default()];
    for n in 1..=most {
        let count = n as f64;
        let mut steps = 0.0;
        for (power, q) in none.iter_mut().zip(alive) {
            *power *= 1.0 - q;
            steps += 1.0 - *power;
        }
        let pairs = count * (count - 1.0);
        let sequence_seconds = base_s * count * sum + per_token_s * (count * sum + pairs * squares);
        let at_first = base_s * count * first + per_token_s * (count * first + pairs * first * first);
        found.push(Drain {
            seconds: base_s * steps + per_token_s * count * sum,
            steps,
            sequence_seconds,
            later_sequence_seconds: sequence_seconds - at_first,
        });
    }
    found
}

/// Batches at saturation.
#[derive(Debug, Clone)]
pub(super) struct Batches {
    /// P(n requests finish their prompt in a batch).
    pub counts: Vec<f64>,
    /// E\[n\].
    pub mean: f64,
    /// E\[seconds\] of the prompts' iteration, without context.
    pub prompt_s: f64,
    /// P(a batch has as many as the cap allows).
    pub full: f64,
    pub drain: Drain,
}

/// The batches of a saturated instance.
pub(super) fn batches(engine: &Exclusive) -> Batches {
    let (counts, mean, prompt_s, full) = match engine.chunk {
        Some(chunk) => chunked(engine, chunk),
        None => whole(engine),
    };
    let likely = |n: usize| counts[n] > 1e-13;
    let most = (0..counts.len()).rev().find(|n| likely(*n)).unwrap_or(0);
    let mut drain = Drain::default();
    for (of_count, mass) in drains(engine, most, likely).into_iter().zip(&counts) {
        drain.add(of_count, *mass);
    }
    Batches { counts, mean, prompt_s, full, drain }
}

fn whole(engine: &Exclusive) -> (Vec<f64>, f64, f64, f64) {
    let cap = engine.cap as usize;
    let Endless { counts, mean, seconds, .. } =
        engine.prompts(cap).endless(engine.cap as u64, |tokens| engine.step(tokens));
    let full = counts.get(cap).copied().unwrap_or(0.0);
    (counts, mean, seconds, full)
}

/// K prompts, one chunk of each in an iteration; those that end decode before the next.
fn chunked(engine: &Exclusive, chunk: f64) -> (Vec<f64>, f64, f64, f64) {
    let chunks = engine.load.chunks(chunk, 0.0).steps;
    let law = binomial(engine.cap as u64, 1.0 / chunks);
    let mut counts = vec![0.0; law.last() + 1];
    law.iter().for_each(|(n, mass)| counts[n] = mass);
    let tokens = engine.cap * engine.load.prompt() / chunks;
    let n = ((engine.cap * chunk) as usize + 1).next_power_of_two();
    let seconds = if affine_coefficients(engine.load.law()).is_some() || n > 1 << 16 {
        engine.step(tokens)
    } else {
        let masses = chunk_masses(engine, chunk, chunks);
        fold(&masses, engine.cap as u64, n).iter().enumerate().map(|(b, p)| p * engine.step(b as f64)).sum()
    };
    (counts, engine.cap / chunks, seconds, 1.0)
}

/// The regime of a saturated instance.
pub(super) fn regimes(load: &Load) -> Vec<Regime> {
    let engine = Exclusive::of(load);
    let found = batches(&engine);
    let one_class = load.scenario.workload.trace.is_none() && load.scenario.workload.class.len() == 1;
    let unequal = found.counts.iter().filter(|mass| **mass > 1e-9).count() > 1;
    let method = if one_class || !unequal { Method::Exact } else { Method::Approximation };
    vec![of_batches(&engine, &found, if found.full > 0.5 { Limit::SequenceCap } else { Limit::TokenBudget }, method)]
}

/// The state below the boundary.
pub(super) fn below(load: &Load) -> Option<State> {
    let engine = Exclusive::of(load);
    super::fixed_batches_state::below(&engine, &batches(&engine))
}

fn of_batches(engine: &Exclusive, found: &Batches, limit: Limit, method: Method) -> Regime {
    let load = engine.load;
    let seconds = found.prompt_s + found.drain.seconds + found.mean * engine.context_s();
    let steps = 1.0 + found.drain.steps;
    let in_prompts = engine.chunk.map_or(found.mean, |_| engine.cap);
    // Context makes iterations of decodes longer in proportion, about.
    let decoding_s = seconds - found.prompt_s;
    let longer = decoding_s / found.drain.seconds.max(f64::MIN_POSITIVE);
    let sequences = found.drain.sequence_seconds * longer + in_prompts * found.prompt_s;
    let held = engine.decode_context() / engine.decodes.max(1e-12);
    let waiting = engine.chunk.map_or(0.0, |_| (engine.cap - found.mean) * decoding_s);
    Regime {
        limit,
        flow: found.mean / steps,
        step_s: seconds / steps,
        running: (sequences + waiting) / seconds,
        swapped: 0.0,
        kv_tokens: (found.drain.sequence_seconds * longer * held
            + found.mean * found.prompt_s * engine.prompt_context())
            / seconds,
        batch_tokens: found.mean * (load.prompt() + engine.decodes) / steps,
        preemptions: 0.0,
        calm_per_s: found.mean / seconds,
        method,
    }
}

/// What the law does not cover.
pub(super) fn not_covered(scenario: &Scenario) -> Option<(&'static str, String)> {
    if scenario.instance.kv_tokens.is_some() {
        return Some(("instance.kv_tokens", "limits batches that are decoded to their end".into()));
    }
    let budget = scenario.instance.max_batch_tokens?;
    let chunk = scenario.batch_rules().chunk_tokens?;
    let short = scenario.sequence_cap().saturating_mul(chunk) > budget;
    short.then(|| ("instance.max_batch_tokens", "is below max_sequences chunks, so that it cuts chunks".into()))
}
