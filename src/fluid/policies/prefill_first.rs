//! Exclusive iterations, prompts first: vLLM v0, and seed 001's prefill-prioritizing without a cap on the residents.
//!
//! *With a cap* (v0): every decode iteration of the K residents frees D ~ Bin(K, 1/(E\[o\] − e)) slots, which prompts take at once:
//! λ* = K/(E\[o\] − e) / (S(K) + E R(D)), R(d) the seconds of d prompts packed into iterations. Exact for outputs that are not
//! multiples of a common number. *Without*: W sequences decode, prompts are all processed first, and completions with a
//! backlog of decodes equal arrivals: λ(S(W) + V(S(W))) = W/(E\[o\] − e), V the prompts' iterations after a silence.

use super::super::boundary::Regime;
use super::super::latency::State;
use super::super::load::Load;
use super::super::root;
use super::binomial::binomial;
use super::exclusive::Exclusive;
use super::packing::Packed;
use super::prefill_phase::{Nodes, Phases, Series};
use crate::answer::{Boundary, Limit, Method};
use crate::scenario::{Prompts, Scenario, SequenceLimit, StepTimeLaw};

/// The regimes of an instance, the one with the fewest residents first.
pub(super) fn regimes(load: &Load) -> Vec<Regime> {
    let engine = Exclusive::of(load);
    let mut found = vec![if engine.caps_residents {
        capped(&engine)
    } else {
        match engine.chunk {
            Some(chunk) => super::prefill_chunks::regime(&engine, chunk),
            None => uncapped(&engine),
        }
    }];
    if let Some(capacity) = load.memory {
        found.push(super::exclusive_memory::regime(&engine, capacity));
        found.sort_by(|a, b| a.running.total_cmp(&b.running));
    }
    found
}

/// λ that a smaller number of residents would carry, where that is more: with a hinge and c < a·b0 an empty start holds out above
/// λ* for a while.
pub(super) fn best(load: &Load, binding: &Regime) -> f64 {
    let engine = Exclusive::of(load);
    let bends = engine.line.is_none() && engine.caps_residents && binding.limit == Limit::SequenceCap;
    if !bends {
        return binding.lambda();
    }
    let packed = packed(&engine);
    let rate = |residents: f64| {
        let residents = residents.round().clamp(1.0, engine.cap);
        let cycle = cycle(&engine, residents, &packed);
        residents / engine.decodes / (cycle.decode_s + cycle.prompts.seconds)
    };
    let (mut best, mut at) = (binding.lambda(), engine.cap);
    let mut residents = engine.cap;
    while residents > 1.5 {
        residents *= 0.8;
        let found = rate(residents);
        if found > best {
            (best, at) = (found, residents);
        }
    }
    for near in [0.85, 0.9, 0.95, 1.05, 1.1, 1.15] {
        best = best.max(rate(at * near));
    }
    // Differences below the search's resolution are no second boundary.
    if best > 1.001 * binding.lambda() { best } else { binding.lambda() }
}

/// What one decode iteration of `residents` and the prompts after it cost when every free slot is taken at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cycle {
    /// S(N), with the context of the decodes.
    pub decode_s: f64,
    pub prompts: Packed,
}

/// R(d) up to as many prompts as K residents ever free at once.
pub(super) fn packed(engine: &Exclusive) -> Vec<Packed> {
    let most = binomial(engine.cap as u64, (1.0 - engine.leavers) / engine.decodes).last();
    engine.prompts(most).packed(most, |tokens| engine.step(tokens))
}

/// The cycle with `residents` slots, all taken. Who leaves in the iteration of its prompt is replaced before the next decodes.
pub(super) fn cycle(engine: &Exclusive, residents: f64, packed: &[Packed]) -> Cycle {
    let done = (1.0 - engine.leavers) / engine.decodes;
    let mut prompts = Packed::default();
    let mut again = done;
    while again > 1e-12 * done {
        for (d, mass) in binomial(residents as u64, again).iter().take_while(|(d, _)| *d < packed.len()) {
            prompts.seconds += mass * packed[d].seconds;
            prompts.batches += mass * packed[d].batches;
        }
        again *= engine.leavers;
    }
    let flow = residents / engine.decodes;
    let per_context = engine.load.per_context_s();
    prompts.seconds += flow * per_context * engine.prompt_context();
    Cycle { decode_s: engine.step(residents) + flow * per_context * engine.decode_context(), prompts }
}

fn capped(engine: &Exclusive) -> Regime {
    let cycle = cycle(engine, engine.cap, &packed(engine));
    of_cycle(engine, engine.cap, cycle.decode_s, cycle.prompts, Method::Exact)
}

/// The regime of decode iterations of `running` sequences with prompts between them.
pub(super) fn of_cycle(engine: &Exclusive, running: f64, decode_s: f64, prompts: Packed, method: Method) -> Regime {
    let completed = running / engine.decodes;
    let seconds = decode_s + prompts.seconds;
    let steps = 1.0 + prompts.batches;
    Regime {
        limit: Limit::SequenceCap,
        flow: completed / steps,
        step_s: seconds / steps,
        running,
        swapped: 0.0,
        kv_tokens: completed * engine.decode_context(),
        batch_tokens: completed * (engine.load.prompt() + engine.decodes) / steps,
        preemptions: 0.0,
        calm_per_s: completed / seconds,
        method,
    }
}

/// The state below the boundary.
pub(super) fn below(load: &Load, binding: &Regime, boundary: &Boundary) -> Option<State> {
    let engine = Exclusive::of(load);
    if engine.chunk.is_some() {
        return None;
    }
    // The cycle of the binding regime, from its iterations.
    let completed = binding.running / engine.decodes;
    let batches = completed / binding.flow - 1.0;
    let decode_s = engine.step(binding.running) + completed * load.per_context_s() * engine.decode_context();
    let seconds = binding.step_s * (1.0 + batches) - decode_s;
    let cycle = Cycle { decode_s, prompts: Packed { seconds, batches } };
    super::prefill_first_state::below(&engine, binding, boundary, cycle)
}

/// Phases of prompts at `rate`, for silences up to `longest`.
pub(super) fn phases(engine: &Exclusive, rate: f64, longest: f64) -> Option<Phases> {
    let load = engine.load;
    let prompts = &load.moments.prompt_masses;
    let in_context = load.per_context_s() * engine.prompt_context() / load.prompt();
    if let Some((base_s, per_token_s)) = engine.line {
        let line = (base_s, per_token_s + in_context);
        // Whether the budget is far from what a phase brings.
        let share = rate * line.1 * load.prompt();
        let span = longest.max(base_s) / (1.0 - share).max(0.05);
        let tokens = rate * span * load.prompt() + 6.0 * (rate * span * load.moments.raw(2, 0)).sqrt();
        if tokens < load.budget {
            return Series::new(rate, prompts, line, longest).map(Phases::Series);
        }
    }
    let step = |tokens: f64| engine.step(tokens) + in_context * tokens;
    let bends = engine.bends(load.budget.min(1e5));
    Nodes::new(rate, prompts, load.budget, step, &bends, longest).map(Phases::Nodes)
}

/// λ T(λ) = W/(E\[o\] − e): decodes have a backlog, prompts have not.
fn uncapped(engine: &Exclusive) -> Regime {
    let load = engine.load;
    let width = engine.cap.min(load.budget);
    let completed = width / engine.decodes;
    let decode_s = engine.step(width) + completed * load.per_context_s() * engine.decode_context();
    let after = |rate: f64| phases(engine, rate, decode_s).map(|phases| phases.after(decode_s));
    let residual = |rate: f64| after(rate).map_or(f64::INFINITY, |phase| rate * (decode_s + phase.seconds) - completed);
    let start = completed / (decode_s + completed * engine.step(load.prompt()));
    let tolerance = if engine.line.is_some() { 1e-11 } else { 1e-8 };
    let rate = root::find(residual, start, tolerance).map_or(0.0, |bracket| bracket.low);
    let phase = after(rate).unwrap_or_default();
    let prompts = Packed { seconds: phase.seconds, batches: phase.batches };
    Regime {
        flow: rate * (decode_s + phase.seconds) / (1.0 + phase.batches),
        ..of_cycle(engine, width, decode_s, prompts, Method::Approximation)
    }
}

/// What the laws above do not cover.
pub(super) fn not_covered(scenario: &Scenario) -> Option<(&'static str, String)> {
    let rules = scenario.batch_rules();
    if rules.sequence_limit == SequenceLimit::Batch {
        let memory = scenario.instance.kv_tokens.map(|_| "limits an engine whose residents have no cap");
        return memory.map(|what| ("instance.kv_tokens", what.into()));
    }
    if rules.prompts == Prompts::Chunked {
        let what = "are `chunked` in iterations of their own under a cap on the residents";
        return Some(("policy.batching.prompts", what.into()));
    }
    let short = scenario.instance.max_batch_tokens.is_some_and(|budget| budget < scenario.sequence_cap());
    let what = "is below max_sequences, so that decodes are rationed";
    short.then(|| ("instance.max_batch_tokens", what.into()))
}

/// Outputs that are multiples of a common number keep step: who started together ends together.
pub(super) fn notes(load: &Load, binding: &Regime) -> Vec<String> {
    let engine = Exclusive::of(load);
    let mut notes = Vec::new();
    if let StepTimeLaw::Hinge { base_s, per_token_s, free_tokens } = *load.law()
        && base_s < per_token_s * free_tokens as f64
    {
        notes.push(
            "Long iterations of prompts are less efficient than short ones (c < a·b0): state and latencies above .6 λ* are not \
             to be trusted, simulations differ by up to 40 %"
                .into(),
        );
    }
    let common = common_divisor(engine.decoding());
    if !engine.caps_residents || binding.limit != Limit::SequenceCap || common < 2 {
        return notes;
    }
    let steps = common as f64;
    let freed = binomial(engine.cap as u64, steps / engine.decodes);
    let packed = engine.prompts(freed.last()).packed(freed.last(), |tokens| engine.step(tokens));
    let seconds = steps * cycle(&engine, engine.cap, &[]).decode_s + freed.mean_of(|d| packed[d].seconds);
    let rate = steps * engine.cap / engine.decodes / seconds;
    notes.push(format!(
        "Outputs are multiples of {common} decodes: λ* is that of requests out of step, as from empty; a backlog that starts in step \
         stays so and completes {rate:.4} requests/s"
    ));
    notes
}

/// The greatest common divisor of the numbers of decodes, from P(more than k), k = 0, 1, ….
fn common_divisor(decoding: &[f64]) -> usize {
    let mut common = 0;
    for (k, above) in decoding.iter().enumerate() {
        let next = decoding.get(k + 1).copied().unwrap_or(0.0);
        if above - next > 1e-12 {
            let (mut a, mut b) = (common, k + 1);
            while b > 0 {
                (a, b) = (b, a % b);
            }
            common = a;
        }
    }
    common
}
