//! The state and the latencies below λ*. The residents' law gives N, the slots the wait for admission, the backlog chain the
//! way through the token budget; here they are put together.
//!
//! TTFT = residual iteration + backlog and own prompt + wait for a slot; TBT = D/(E\[o\] − 1) with D the time from the first to
//! the last token (`decode_time`) and what preemptions add; E2E = TTFT + (E\[o\] − 1)·TBT.

use super::backlog::{self, Backlog, Own};
use super::boundary::Regime;
use super::capped;
use super::dispersion;
use super::load::{Chunks, Load};
use super::memory;
use super::pace::{backlog_of, beside, still_there};
use super::percentiles::{e2e_percentiles, gaps, ttft_percentiles};
use super::policies::{self, Queue, shares, starved};
use super::residents::{self, Question, Residents};
use super::rules;
use super::slots::{self, Line, Swings, Wait};
use super::waiting::WaitLaw;
use crate::answer::{Boundary, Limit};
use crate::scenario::{Admission, Preemption, Transfer};

/// The state below the boundary. Times in seconds.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub step: f64,
    pub batch_tokens: f64,
    pub waiting: f64,
    pub running: f64,
    pub swapped: f64,
    pub kv_tokens: f64,
    pub preemptions: f64,
    /// Seconds that a request waits for memory or a slot before its prompt, and for its decodes after it.
    pub entry_wait: f64,
    pub paused: f64,
    /// Seconds from the prompt's end to the next token, without that wait.
    pub first_gap: f64,
    /// (mean, \[p50, p95, p99\]).
    pub ttft: (f64, [f64; 3]),
    pub tbt: (f64, [f64; 3]),
    pub e2e: (f64, [f64; 3]),
}

/// What is worked out on the way.
pub(super) struct Parts {
    pub line: Line,
    pub chunks: Chunks,
    pub residents: Residents,
    pub backlog: Backlog,
    pub wait: Wait,
    /// After the prompt, for decodes.
    pub pause: Wait,
    /// Share of time without any request.
    pub idle: f64,
    /// Mean decoding sequences.
    pub decodes: f64,
    /// E\[T\] over iterations, and x.
    pub step: f64,
    pub prompt_share: f64,
    /// Seconds that a rule on entries holds an arrival back.
    pub entry_wait: f64,
    /// K when the slots are what requests wait for.
    pub wait_slots: Option<f64>,
}

impl Parts {
    pub fn wait_law(&self, wait: Wait) -> WaitLaw {
        let shape = if self.wait_slots.is_some() { self.residents.wait_shape } else { 1.0 };
        WaitLaw::new(wait.probability, wait.mean, shape)
    }

    /// Before and after the prompt together.
    pub fn whole_wait(&self) -> Wait {
        let (before, after) = (self.wait, self.pause);
        let probability = before.probability.max(after.probability);
        let mean = (before.probability * before.mean + after.probability * after.mean) / probability.max(1e-300);
        Wait { probability, mean: if probability > 0.0 { mean } else { 0.0 } }
    }

    /// How much longer the way to the first token is beside a full instance, without the wait.
    pub fn stretch(&self) -> f64 {
        let full = self.residents.full;
        (full.residual + full.own) / (self.backlog.residual + self.backlog.own)
    }
}

/// Works out the state at the load's λ, below the boundary.
///
/// Returns `None` when the prompts alone exceed the token budget beside the mean number of decodes.
pub(super) fn below(load: &Load, binding: &Regime, boundary: &Boundary) -> Option<State> {
    let mut parts = parts(load, binding, boundary)?;
    let output = load.output();
    let rate = load.served_per_s;
    let p = parts.wait.probability;
    let away = swapped_time(load, binding, &parts);
    let slower = away.slowdown(rate, parts.step, parts.line.base_s);
    parts.step *= slower;
    parts.wait.mean = away.left_of(rate, &parts.wait);
    let full = parts.residents.full;
    let base = (1.0 - p) * (parts.backlog.residual + parts.backlog.own) + p * (full.residual + full.own);
    // Those who enter together are prefilled together.
    let together = rules::batch_mates(load) * load.prompt() * parts.line.per_token_s;
    let ttft = base * slower + p * parts.wait.mean + parts.entry_wait + together;
    let stand = rules::standing(load, rate * parts.step);
    let active_time = slower * decode_time(load, &parts).min(longest_decode(load, &parts)) + away.lost_s;
    let paused = parts.pause.probability * parts.pause.mean;
    let decode_time = active_time + away.away_s + stand.residents / rate + paused;
    let tbt = if output > 1.0 { decode_time / (output - 1.0) } else { 0.0 };
    let e2e = ttft + decode_time;
    let in_prefill = (1.0 - p) * (parts.backlog.own - parts.backlog.before) + p * full.own + together;
    let decoding = rate * active_time;
    let context = load.moments.held_mean() - load.moments.held(1, 0) - 1.0;
    let per_step = active_time / (output - 1.0).max(1e-12);
    let gaps = gaps(load, &parts);
    let per_gap = (decode_time - paused) / (output - 1.0).max(1e-12);
    let once = (parts.backlog.own - parts.backlog.before) / load.shares().0;
    let first_gap = per_gap + parts.prompt_share * (once - parts.step).max(0.0);
    let first = if load.silent() {
        let owns = shares::to_first_decode(&parts.backlog, per_gap, parts.prompt_share);
        ttft_percentiles(&parts, &owns, parts.whole_wait())
    } else {
        ttft_percentiles(&parts, &parts.backlog.owns, parts.wait)
    };
    let whole = if output > 1.0 { e2e_percentiles(load, &parts, ttft + paused, per_gap) } else { first };
    Some(State {
        step: parts.step,
        batch_tokens: rate * parts.step * (load.work() / (1.0 - parts.idle) + away.again_tokens),
        waiting: rate * (ttft - in_prefill),
        running: decoding + rate * (in_prefill + paused) + stand.residents,
        swapped: rate * away.away_s,
        kv_tokens: rate * (per_step * context + held_in_prefill(load, &parts, in_prefill))
            + rate * paused * (load.moments.held(1, 0) + 1.0)
            + stand.tokens,
        preemptions: away.per_request,
        entry_wait: p * parts.wait.mean,
        paused,
        first_gap,
        ttft: (ttft, first),
        tbt: (tbt, gaps),
        e2e: (e2e, whole),
    })
}

/// KV token-seconds of one prompt in its prompt iterations: those of long prompts are longer; chunks hold what is written.
fn held_in_prefill(load: &Load, parts: &Parts, in_prefill: f64) -> f64 {
    let prompt = load.prompt();
    let variance = load.moments.raw(2, 0) - prompt * prompt;
    let last = in_prefill / parts.chunks.steps;
    let before = (in_prefill - last) / (parts.chunks.steps - 1.0).max(1e-12) * parts.chunks.held;
    // A prompt also brings arrivals that make its own decodes longer, x of its time and x² of that, unless all slots are taken.
    let p = parts.wait.probability;
    let longer = parts.line.per_token_s * variance / parts.chunks.steps * (p + (1.0 - p) / (1.0 - parts.prompt_share));
    last * (load.moments.held(1, 0) + 1.0) + longer + before
}

fn parts(load: &Load, binding: &Regime, boundary: &Boundary) -> Option<Parts> {
    let rate = load.served_per_s;
    let line = line(load, binding.batch_tokens);
    let per_request = line.per_token_s * load.work() + line.per_context_s * load.moments.held_mean();
    let guess = line.base_s / (1.0 - rate * per_request).max(1e-3);
    let chunks = load.chunks_at(rate * guess);
    let partial = chunks.held / load.output();
    let queue = policies::queue(load, binding);
    let mut residents = residents_of(load, binding, boundary, line, (partial, chunks.steps - 1.0, guess));
    let more = shares::before_last_s(load, line, residents.mean);
    residents.free.own += more;
    residents.full.own += more;
    let idle = if residents.idle > 1e-4 { residents.idle } else { 0.0 };
    let wait = wait_of(load, binding, boundary, line, &residents);
    let (wait, pause) = if queue == Queue::Decodes { (Wait::default(), wait) } else { (wait, Wait::default()) };
    let mean = residents.free_mean / (1.0 - idle);
    let most = mean * (load.output() - 1.0) / load.output();
    let decodes = (mean - rate * residents.free.own).clamp(0.0, most);
    let spread = residents.variance;
    let (backlog, decodes) = backlog_of(load, line, partial, idle, decodes, spread)?;
    let busy = rate / (1.0 - idle);
    let step = line.base_s / (1.0 - busy * (per_request + line.per_context_s * chunks.held)).max(1e-3);
    let prompt_share = (rate * line.per_token_s * load.prompt()).min(0.999);
    let parts = Parts {
        line,
        chunks,
        residents,
        backlog,
        wait,
        pause,
        idle,
        decodes,
        step,
        prompt_share,
        wait_slots: queue.is_for_slots(load, binding).then(|| queue.slots(load, binding)),
        entry_wait: 0.0,
    };
    let mut parts = if load.affine().is_some() { parts } else { bent(load, partial, parts)? };
    if queue == Queue::Tokens {
        let waits = starved::waits(load, boundary, line, &parts.backlog, &parts.residents);
        (parts.wait, parts.pause) = waits;
    }
    parts.entry_wait = rules::entry_wait_s(load, parts.step);
    if parts.entry_wait > 0.0 {
        parts.backlog.owns = delayed(&parts.backlog.owns, parts.entry_wait, &rules::entry_shape(load));
    }
    Some(parts)
}

/// Hinge and staircase: the number of decodes is found so that the chain's own iterations serve them, and the line is the
/// chord from an iteration of decodes to the mean one with prompts.
fn bent(load: &Load, partial: f64, mut parts: Parts) -> Option<Parts> {
    let rate = load.served_per_s;
    let spread = parts.residents.variance;
    let mut step = parts.backlog.step;
    let served = |step: f64| rate / (1.0 - parts.idle) * (load.output() - 1.0) * step;
    for _ in 0..4 {
        let last = step;
        step = beside(load, parts.line, partial, (parts.idle, 0.0), (served(step), spread), backlog::mean_step)
            .unwrap_or(0.98 * step);
        if (step - last).abs() < 1e-3 * step {
            break;
        }
    }
    let n = served(step);
    (parts.backlog, parts.decodes) = backlog_of(load, parts.line, partial, parts.idle, n, spread)?;
    parts.step = parts.backlog.step;
    let tokens = rate * parts.step / (1.0 - parts.idle) * load.prompt();
    let alone = load.mixed_step_s(0.0, parts.decodes.max(1.0));
    let per_token_s = (parts.step - alone).max(0.0) / tokens.max(1e-9);
    parts.line = Line { base_s: alone, per_token_s, ..parts.line };
    parts.prompt_share = (rate * per_token_s * load.prompt()).min(0.999);
    Some(parts)
}

/// The law as a line; for hinge and staircase the chord through zero tokens' and the saturated iteration's time.
fn line(load: &Load, tokens: f64) -> Line {
    let per_context_s = load.per_context_s();
    load.affine().map_or_else(
        || secant(load, 0.25 * tokens, 0.5 * tokens),
        |(base_s, per_token_s)| Line { base_s, per_token_s, per_context_s },
    )
}

/// The chord of the law between an iteration of decodes and one with prompts.
fn secant(load: &Load, decodes: f64, prompts: f64) -> Line {
    let low = decodes.max(1.0);
    let high = low + prompts.max(0.5 * low).max(1.0);
    let (at_low, at_high) = (load.mixed_step_s(0.0, low), load.mixed_step_s(high - low, low));
    let per_token_s = ((at_high - at_low) / (high - low)).max(0.0);
    Line { base_s: (at_low - per_token_s * low).max(1e-3 * at_low), per_token_s, per_context_s: load.per_context_s() }
}

/// `partial`: KV tokens of unfinished prompts per resident iteration; `extra`: iterations of a prompt beyond one; `step_s`:
/// a guess of an iteration's length.
fn residents_of(
    load: &Load,
    binding: &Regime,
    boundary: &Boundary,
    line: Line,
    (partial, extra, step_s): (f64, f64, f64),
) -> Residents {
    let queue = policies::queue(load, binding);
    let question = Question {
        rate: load.served_per_s,
        boundary: boundary.low_per_s.max(load.served_per_s * 1.001),
        cap: binding.running.max(1.0),
        slots: queue.slots(load, binding),
        slots_bind: queue.is_for_slots(load, binding),
        base_s: line.base_s,
        per_token_s: line.per_token_s,
        per_context_s: line.per_context_s,
        context_offset: 1.0,
        partial,
        dispersion: dispersion::index(load.scenario, load.served_per_s, load.output() * step_s),
        moments: &load.moments,
    };
    let mut found = residents::solve(&question);
    if question.slots_bind && question.rate < question.boundary {
        let exact = capped::solve(&question, extra);
        found.mean = exact.mean;
        found.variance = exact.variance;
        found.free_mean = exact.free_mean;
        found.idle = exact.idle;
        found.law = exact.law;
        found.wait_probability = exact.wait_probability;
        found.wait_mean = exact.wait_mean;
        found.wait_shape = exact.wait_shape;
    }
    found
}

/// The line of the law, the residents and the wait for a slot alone.
pub(super) fn slot_parts(load: &Load, binding: &Regime, boundary: &Boundary) -> (Line, Residents, Wait) {
    let line = line(load, binding.batch_tokens);
    let residents = residents_of(load, binding, boundary, line, (0.0, 0.0, binding.step_s));
    let wait = wait_of(load, binding, boundary, line, &residents);
    (line, residents, wait)
}

fn wait_of(load: &Load, binding: &Regime, boundary: &Boundary, line: Line, residents: &Residents) -> Wait {
    if let Some(wait) = load.routed {
        return wait;
    }
    let swings = || Swings::of(load, line, binding.step_s);
    match binding.limit {
        _ if policies::queue(load, binding).is_for_slots(load, binding) => {
            Wait { probability: residents.wait_probability, mean: residents.wait_mean }
        }
        Limit::TokenBudget if policies::context_budget(load).is_some() => {
            let capacity = policies::context_budget(load).unwrap_or(f64::INFINITY);
            slots::wait(load, line, capacity, (boundary.low_per_s, boundary.low_per_s), swings())
        }
        Limit::KvMemory => load.memory.map_or_else(Wait::default, |capacity| {
            let calm = binding.calm_per_s.max(boundary.low_per_s);
            let full = slots::wait(load, line, capacity, (boundary.low_per_s, calm), swings());
            Wait { probability: full.probability * slots::without_room(load, calm), ..full }
        }),
        _ => Wait::default(),
    }
}

/// Mean time from the first to the last token, without preemption: D = \[(E\[o\] − 1)·α(n) + e\]/(1 − x). The decodes see
/// n = N + r/(1 − e) residents, their mean and what their variance adds; every second of it brings λ prompts that stall them,
/// x = λ·a·E\[s'\]; the last term is what the backlog left behind by the own prompt adds. Near the cap the residents' own law.
fn decode_time(load: &Load, parts: &Parts) -> f64 {
    let rate = load.served_per_s;
    if load.affine().is_none() {
        return (load.output() - 1.0) * (parts.backlog.step + variance_of_decodes(load, parts)) + parts.backlog.excess;
    }
    let slope = per_decode(load, parts);
    let r = &parts.residents;
    let residents = rate / (1.0 - parts.idle) * load.output() * parts.step;
    let elasticity = (residents * slope / (parts.line.base_s + slope * residents)).min(0.98);
    let seen = (residents + r.ratio / (1.0 - elasticity)).clamp(1.0, parts.wait_slots.unwrap_or(load.cap).max(1.0));
    let alpha = parts.line.base_s + slope * seen;
    let x = (rate * parts.line.per_token_s * (load.prompt() - 1.0)).min(0.999);
    let excess = parts.backlog.excess * (1.0 - still_there(load, parts));
    let free = (load.output() - 1.0) * alpha / (1.0 - x) + excess;
    if parts.wait_slots.is_none() {
        return free;
    }
    // Little's law: what is left of the residence after the prompt.
    let p = r.wait_probability;
    let b = &parts.backlog;
    let beside_full = if parts.pause.mean > 0.0 { b.own - b.before } else { r.full.own };
    (r.mean / rate - (1.0 - p) * (b.own - b.before) - p * beside_full).max(0.0)
}

/// The decodes' time when every gap beside more than the mean number of them is a full iteration: with a share f of full
/// iterations of T_B and n ∝ T the mean gap is at most T + (T_B − T)²/T.
fn longest_decode(load: &Load, parts: &Parts) -> f64 {
    let full = full_step(load, parts);
    let more = (full - parts.step).max(0.0);
    (load.output() - 1.0) * (parts.step + more * (more / parts.step).min(1.0))
}

/// An iteration that fills the budget.
pub(super) fn full_step(load: &Load, parts: &Parts) -> f64 {
    if !load.budget.is_finite() {
        return f64::INFINITY;
    }
    let residents = load.served_per_s * parts.step * load.output() / (1.0 - parts.idle);
    let per_resident = load.moments.held_mean() / load.output();
    load.step_s(load.budget, residents * per_resident)
}

/// What the variance of the number of decodes adds to their mean gap where the law bends: its derivative beside prompts.
fn variance_of_decodes(load: &Load, parts: &Parts) -> f64 {
    let n = parts.decodes.max(1.0);
    let tokens = parts.backlog.tokens;
    let (low, high) = (load.mixed_step_s(tokens, 0.8 * n), load.mixed_step_s(tokens, 1.2 * n));
    let slope = (high - low).max(0.0) / (0.4 * n);
    let elasticity = (n * slope / parts.backlog.step).min(0.9);
    slope * parts.residents.ratio / (1.0 - elasticity)
}

/// What preemptions do to one request.
#[derive(Debug, Clone, Copy, Default)]
struct Away {
    /// ν.
    per_request: f64,
    /// Seconds preempted.
    away_s: f64,
    /// Seconds of runs that were lost.
    lost_s: f64,
    /// Tokens prefilled again.
    again_tokens: f64,
    /// Seconds that refills and blocking transfers add to iterations.
    extra_s: f64,
    /// Work of a preempted request that the workload's excess counts, as a share of a whole request's.
    share: f64,
}

impl Away {
    /// How much longer iterations are for the extra work.
    fn slowdown(&self, rate: f64, step: f64, base_s: f64) -> f64 {
        let busy = (1.0 - base_s / step).clamp(0.0, 0.99);
        (1.0 - busy) / (1.0 - busy - (rate * self.extra_s).min(0.9 * (1.0 - busy)))
    }

    /// Mean positive wait of those who have not entered: part of the excess work lies with the preempted.
    fn left_of(&self, rate: f64, wait: &Wait) -> f64 {
        if wait.probability <= 0.0 {
            return wait.mean;
        }
        let preempted = self.share * rate * self.away_s / (rate * wait.probability);
        (wait.mean - preempted).max(0.25 * wait.mean)
    }
}

/// Preemption below the boundary: the saturated rates while somebody waits, which is the share ρ of the time with a full memory
/// (the other part is the boundary itself). The preempted are part of the excess over the memory, E\[min(D, excess)\] of two
/// exponential laws: with little excess nobody takes the place of those who complete.
fn swapped_time(load: &Load, binding: &Regime, parts: &Parts) -> Away {
    let policy = &load.scenario.policy;
    // Reserved peaks keep memory from running out unless predictions are so short that the regime is the greedy one.
    let reserves = policy.admission == Admission::Reserve && binding.preemptions == 0.0;
    let Some(memory) = load.memory.filter(|_| binding.limit == Limit::KvMemory && !reserves) else {
        return Away::default();
    };
    let rate = load.served_per_s;
    let flow = rate * parts.step;
    let Some(pressure) = memory::pressed(load, memory, flow, 32.0) else { return Away::default() };
    let pressed = parts.wait.probability * (rate / binding.lambda()).min(1.0);
    let worked = pressed * pressure.evicted_per_step / (flow * pressure.victim_tokens);
    let excess = rate * parts.wait.mean;
    let swapped = pressed * pressure.swapped * excess / (excess + pressure.swapped).max(f64::MIN_POSITIVE);
    let transfers = match (policy.preemption, policy.swap_transfer) {
        (Preemption::Swap, Transfer::Overlapped) => memory::transfer_s(load, pressure.victim_tokens - 1.0),
        _ => 0.0,
    };
    let lost_steps = if policy.preemption == Preemption::Restart { pressure.stay_steps } else { 0.0 };
    let extra = memory::extra_work(load, &pressure);
    // Per request instead of per iteration of a full memory.
    let scale = pressed / flow;
    Away {
        per_request: pressed * pressure.per_request,
        away_s: swapped / rate + worked * transfers,
        lost_s: worked * lost_steps * parts.step,
        again_tokens: extra.tokens * scale,
        extra_s: (extra.tokens * parts.line.per_token_s + extra.blocking_s) * scale,
        share: slots::work_per_token(load) * pressure.victim_tokens,
    }
}

/// Arrivals that wait for their turn: each way through the backlog longer by a wait of mean `wait` with the given shape.
fn delayed(owns: &[Own], wait: f64, shape: &[f64]) -> Vec<Own> {
    let share = 1.0 / shape.len() as f64;
    let later = |own: &Own, part: f64| Own { time: own.time + part * wait, mass: share * own.mass, ..*own };
    owns.iter().flat_map(|own| shape.iter().map(move |&part| later(own, part))).collect()
}

/// Seconds that one more resident adds to an iteration.
pub(super) fn per_decode(load: &Load, parts: &Parts) -> f64 {
    parts.line.per_token_s + parts.line.per_context_s * (load.moments.held_mean() + parts.chunks.held) / load.output()
}
