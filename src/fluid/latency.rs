//! The state and the latencies below λ*. The residents' law gives N, the slots the wait for admission, the backlog chain the
//! way through the token budget; here they are put together.
//!
//! TTFT = residual iteration + backlog and own prompt + wait for a slot; TBT = D/(E\[o\] − 1) with D the time from the first to
//! the last token (`decode_time`) and what preemptions add; E2E = TTFT + (E\[o\] − 1)·TBT.

use statrs::function::erf::erfc;

use super::backlog::{Backlog, Own, Traffic};
use super::boundary::Regime;
use super::capped;
use super::dispersion;
use super::load::{Chunks, Load};
use super::memory;
use super::mixture::{gathered, output_nodes, percentiles};
use super::policies::{self, Queue, shares, starved};
use super::residents::{self, Question, Residents};
use super::rules;
use super::slots::{self, Line, Wait};
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
struct Parts {
    line: Line,
    chunks: Chunks,
    residents: Residents,
    backlog: Backlog,
    wait: Wait,
    /// After the prompt, for decodes.
    pause: Wait,
    /// Share of time without any request.
    idle: f64,
    /// Mean decoding sequences.
    decodes: f64,
    /// E\[T\] over iterations, and x.
    step: f64,
    prompt_share: f64,
    /// Seconds that a rule on entries holds an arrival back.
    entry_wait: f64,
    /// K when the slots are what requests wait for.
    wait_slots: Option<f64>,
}

impl Parts {
    fn wait_law(&self, wait: Wait) -> WaitLaw {
        let shape = if self.wait_slots.is_some() { self.residents.wait_shape } else { 1.0 };
        WaitLaw::new(wait.probability, wait.mean, shape)
    }

    /// Before and after the prompt together.
    fn whole_wait(&self) -> Wait {
        let (before, after) = (self.wait, self.pause);
        let probability = before.probability.max(after.probability);
        let mean = (before.probability * before.mean + after.probability * after.mean) / probability.max(1e-300);
        Wait { probability, mean: if probability > 0.0 { mean } else { 0.0 } }
    }

    /// How much longer the way to the first token is beside a full instance, without the wait.
    fn stretch(&self) -> f64 {
        let full = self.residents.full;
        (full.residual + full.own) / (self.backlog.residual + self.backlog.own)
    }
}

/// Works out the state at the load's λ, below the boundary.
///
/// Returns `None` when the prompts alone exceed the token budget beside the mean number of decodes.
pub(super) fn below(load: &Load, binding: &Regime, boundary: &Boundary) -> Option<State> {
    let parts = parts(load, binding, boundary)?;
    let output = load.output();
    let rate = load.served_per_s;
    let p = parts.wait.probability;
    let full = parts.residents.full;
    let base = (1.0 - p) * (parts.backlog.residual + parts.backlog.own) + p * (full.residual + full.own);
    let ttft = base + p * parts.wait.mean + parts.entry_wait;
    let away = swapped_time(load, binding, &parts);
    let stand = rules::standing(load, rate * parts.step);
    let active_time = decode_time(load, &parts) + away.lost_s;
    let paused = parts.pause.probability * parts.pause.mean;
    let decode_time = active_time + away.away_s + stand.residents / rate + paused;
    let tbt = if output > 1.0 { decode_time / (output - 1.0) } else { 0.0 };
    let e2e = ttft + decode_time;
    let in_prefill = (1.0 - p) * (parts.backlog.own - parts.backlog.before) + p * full.own;
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
        batch_tokens: rate * parts.step / (1.0 - parts.idle) * load.work() + again(load, &parts, &away),
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
    last * (load.moments.held(1, 0) + 1.0) + parts.line.per_token_s * variance / parts.chunks.steps + before
}

/// Tokens prefilled again per iteration.
fn again(load: &Load, parts: &Parts, away: &Away) -> f64 {
    let per_preemption = match load.scenario.policy.preemption {
        Preemption::Recompute if load.moments.processed().0 == 0.0 => 0.0,
        Preemption::Recompute => load.prompt(),
        Preemption::Restart => load.prompt() + away.lost_steps,
        Preemption::None | Preemption::Swap => 0.0,
    };
    load.served_per_s * parts.step * away.per_request * per_preemption
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
    let (backlog, decodes) = backlog_of(load, line, partial, idle, decodes)?;
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
        parts.backlog.owns = delayed(&parts.backlog.owns, parts.entry_wait);
    }
    Some(parts)
}

/// Hinge and staircase: the number of decodes is found so that the chain's own iterations serve them, and the line is the
/// chord from an iteration of decodes to the mean one with prompts.
fn bent(load: &Load, partial: f64, mut parts: Parts) -> Option<Parts> {
    let rate = load.served_per_s;
    for _ in 0..5 {
        let step = parts.backlog.step;
        let n = rate / (1.0 - parts.idle) * (load.output() - 1.0) * step;
        (parts.backlog, parts.decodes) = backlog_of(load, parts.line, partial, parts.idle, n)?;
        parts.step = parts.backlog.step;
    }
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

/// The chain beside `decodes` sequences.
fn backlog_of(load: &Load, line: Line, partial: f64, idle: f64, mut decodes: f64) -> Option<(Backlog, f64)> {
    let per_resident = load.moments.held_mean() / load.output() + partial;
    for _ in 0..2 {
        let context = line.per_context_s * per_resident * decodes;
        let step = |tokens: f64| load.mixed_step_s(tokens, decodes.max(1.0 - tokens)) + context;
        let solve = |unused: f64| {
            let chunk = (load.left_to_prompts(decodes) - unused).max(1.0);
            let (batch, chunk) = pace(load, chunk, decodes, step(chunk));
            let whole = Traffic {
                rate: load.served_per_s,
                batch,
                prompts: &load.moments.prompt_masses,
                prompt_survival: &load.prompt_survival,
                prompt: load.prompt(),
                prompt_squared: load.moments.raw(2, 0),
                chunk,
                idle,
                decodes_s: line.per_token_s * decodes + context,
            };
            shares::solve(load, line, &whole, &step)
        };
        let mut found = solve(0.0);
        if load.wastes_budget()
            && let Some(first) = &found
            && first.full_share > 1e-3
        {
            // What does not fit whole is left unused in every iteration that leaves somebody waiting.
            found = solve(first.full_share * load.unused_by_whole());
        }
        if let Some(found) = found {
            return Some((found, decodes));
        }
        // Near the budget's own boundary: the mean over iterations is below the mean over time.
        decodes *= 0.97;
    }
    None
}

/// The mean size of the batches that stand for bursty arrivals, and the tokens of a full iteration that the chain gives to
/// prompts, so that its backlog has the drift and the variance of the real one on the time scale t on which a backlog lasts.
///
/// What arrives over t full iterations is Σ (s + min(o, age)) tokens: its variance grows from that of prompts alone to that
/// of all tokens, λT·(E\[w²\] + (I − 1)E\[w\]²), as t passes the mean residual output τ = E\[o²\]/2E\[o\], and the decodes
/// grow from their mean to their number beside full iterations. Of the two only drift/variance matters to a long backlog.
fn pace(load: &Load, chunk: f64, decodes: f64, full_s: f64) -> (f64, f64) {
    let excess = |seconds: f64| dispersion::index(load.scenario, load.served_per_s, seconds) - 1.0;
    if !load.budget.is_finite() || load.prompts_first() {
        return (1.0 + 0.5 * excess(full_s).max(0.0), chunk);
    }
    let (prompt, output) = (load.prompt(), load.output());
    let (prompt_squared, output_squared) = (load.moments.raw(2, 0), load.moments.raw(0, 2));
    let crossed = 2.0 * load.moments.raw(1, 1) + output_squared;
    let arrivals = load.served_per_s * full_s;
    let beside_full = (arrivals * (output - 1.0)).min(policies::most_decodes(load)).max(decodes);
    let residual = output_squared / (2.0 * output);
    let (mut drift, mut variance, mut own, mut bursty) =
        (chunk - arrivals * prompt, prompt_squared, prompt_squared, 0.0);
    for _ in 0..8 {
        drift = drift.max(1e-3 * chunk);
        let lasting = arrivals * variance / (drift * drift);
        let z = lasting / residual;
        let seen = if z > 1e-6 { 1.0 - (1.0 - (-z).exp()) / z } else { 0.5 * z };
        bursty = excess(full_s * (1.0 + lasting));
        own = prompt_squared + bursty.max(0.0) * prompt * prompt;
        let bursts = bursty * (prompt * prompt + seen * (2.0 * prompt * output + output * output));
        variance = (prompt_squared + seen * crossed + bursts).max(0.02 * own);
        drift = load.budget - arrivals * prompt - (decodes + (beside_full - decodes) * seen);
    }
    (1.0 + 0.5 * bursty.max(0.0), arrivals * prompt + drift.max(1e-3 * chunk) * own / variance)
}

/// v/(c − m)²: iterations that a backlog lasts when full iterations of `full_s` seconds bring m tokens with variance v.
fn relaxation(load: &Load, chunk: f64, full_s: f64) -> f64 {
    let arrivals = load.served_per_s * full_s;
    let spare = (chunk - arrivals * load.prompt()).max(0.02 * chunk);
    arrivals * load.shares_squared() / (spare * spare)
}

/// Share of its excess by which a backlog is still longer when a request that saw it begin completes, some E\[o\] iterations
/// later; half of the relaxation time fits simulations at .5 to .9 λ*.
fn still_there(load: &Load, parts: &Parts) -> f64 {
    if !load.budget.is_finite() {
        return 0.0;
    }
    let chunk = load.left_to_prompts(parts.decodes).max(1.0);
    let full_s = parts.backlog.steps.last().map_or(parts.step, |step| step.0);
    let half = 0.5 * relaxation(load, chunk, full_s);
    half / (half + load.output())
}

/// The wait for a slot alone.
pub(super) fn slot_wait(load: &Load, binding: &Regime, boundary: &Boundary) -> Wait {
    let line = line(load, binding.batch_tokens);
    let residents = residents_of(load, binding, boundary, line, (0.0, 0.0, binding.step_s));
    wait_of(load, binding, boundary, line, &residents)
}

fn wait_of(load: &Load, binding: &Regime, boundary: &Boundary, line: Line, residents: &Residents) -> Wait {
    if let Some(wait) = load.routed {
        return wait;
    }
    let mut wait = match binding.limit {
        _ if policies::queue(load, binding).is_for_slots(load, binding) => {
            return Wait { probability: residents.wait_probability, mean: residents.wait_mean };
        }
        Limit::TokenBudget if policies::context_budget(load).is_some() => {
            let capacity = policies::context_budget(load).unwrap_or(f64::INFINITY);
            slots::wait(load, line, capacity, (boundary.low_per_s, boundary.low_per_s))
        }
        Limit::KvMemory => load.memory.map_or_else(Wait::default, |capacity| {
            slots::wait(load, line, capacity, (boundary.low_per_s, binding.calm_per_s.max(boundary.low_per_s)))
        }),
        _ => Wait::default(),
    };
    // Bursty or smooth arrivals: the wait scales with the sum of the two variabilities.
    let arrivals = load.scenario.workload.arrivals.squared_cv();
    let factor = wait.mean * (boundary.low_per_s - load.served_per_s);
    if load.scenario.workload.trace.is_none() && factor > 0.5 {
        wait.mean *= (arrivals + 2.0 * factor - 1.0) / (2.0 * factor);
    }
    wait
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
    // Full iterations let prompts out one after another: measured, three tenths less variance.
    let ratio = 1.0 + (r.ratio - 1.0) * (1.0 - 0.3 * parts.backlog.full_share);
    let seen = (residents + ratio / (1.0 - elasticity)).clamp(1.0, parts.wait_slots.unwrap_or(load.cap).max(1.0));
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

/// What the variance of the number of decodes adds to their mean gap where the law bends: its derivative beside prompts.
fn variance_of_decodes(load: &Load, parts: &Parts) -> f64 {
    let n = parts.decodes.max(1.0);
    let tokens = parts.backlog.tokens;
    let (low, high) = (load.mixed_step_s(tokens, 0.8 * n), load.mixed_step_s(tokens, 1.2 * n));
    let slope = (high - low).max(0.0) / (0.4 * n);
    let elasticity = (n * slope / parts.backlog.step).min(0.9);
    slope / (1.0 - elasticity)
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
    /// Iterations of a run that is lost.
    lost_steps: f64,
}

/// Preemption below the boundary: the saturated rates times the probability of a full memory.
fn swapped_time(load: &Load, binding: &Regime, parts: &Parts) -> Away {
    let policy = &load.scenario.policy;
    let reserves = policy.admission == Admission::Reserve && policy.prediction.is_exact();
    let Some(memory) = load.memory.filter(|_| binding.limit == Limit::KvMemory && !reserves) else {
        return Away::default();
    };
    let flow = load.served_per_s * parts.step;
    let Some(pressure) = memory::pressed(load, memory, flow, 32.0) else { return Away::default() };
    let c = parts.wait.probability;
    let worked = c * pressure.evicted_per_step / (flow * (load.prompt() + 1.0));
    let per_request = c * pressure.per_request * pressure.victim_tokens / (load.prompt() + 1.0);
    let transfers = match (policy.preemption, policy.swap_transfer) {
        (Preemption::Swap, Transfer::Overlapped) => memory::transfer_s(load, pressure.victim_tokens - 1.0),
        _ => 0.0,
    };
    let lost_steps = if policy.preemption == Preemption::Restart { pressure.stay_steps } else { 0.0 };
    Away {
        per_request,
        away_s: c * pressure.swapped / load.served_per_s + worked * transfers,
        lost_s: worked * lost_steps * parts.step,
        lost_steps,
    }
}

/// Arrivals that wait for their turn in batches: each way through the backlog longer by a uniform wait of mean `wait`.
fn delayed(owns: &[Own], wait: f64) -> Vec<Own> {
    let parts = [0.25, 0.75, 1.25, 1.75];
    owns.iter()
        .flat_map(|own| parts.map(|part| Own { time: own.time + part * wait, mass: 0.25 * own.mass, ..*own }))
        .collect()
}

/// The residual of the iteration in progress is uniform on it. Those who wait for a slot get it in full iterations: their way
/// is stretched to their mean.
fn ttft_percentiles(parts: &Parts, owns: &[Own], wait: Wait) -> [f64; 3] {
    let own = by_step(owns);
    let wait = parts.wait_law(wait);
    let stretch = if parts.pause.mean > 0.0 { 1.0 } else { parts.stretch() };
    let p = wait.probability;
    let longest = own.iter().map(|own| own.time + own.step).fold(0.0, f64::max);
    let top = longest * stretch.max(1.0) + if p > 1e-9 { wait.longest() } else { 0.0 };
    percentiles(0.0, top, |x| {
        let free: f64 = own.iter().map(|o| o.mass * ((x - o.time) / o.step).clamp(0.0, 1.0)).sum();
        if p < 1e-9 {
            return free;
        }
        let area = |y: f64| wait.area(y);
        let waited = |o: &Own| {
            let (time, step) = (stretch * o.time, stretch * o.step);
            o.mass / step * (area(x - time) - area(x - time - step))
        };
        (1.0 - p) * free + p * own.iter().map(waited).sum::<f64>()
    })
}

/// The ways through the backlog, those from one kind of iteration gathered; masses sum to one.
fn by_step(owns: &[Own]) -> Vec<Own> {
    let total: f64 = owns.iter().map(|own| own.mass).sum();
    let mut found = Vec::new();
    for group in owns.chunk_by(|a, b| a.step == b.step) {
        let mass: f64 = group.iter().map(|own| own.mass).sum::<f64>() / total;
        let atoms = gathered(group.iter().map(|own| (own.time, own.mass)).collect());
        let step = group[0].step.max(1e-3 * atoms[0].0).max(1e-12);
        found.extend(atoms.into_iter().map(|(time, share)| Own { step, time, mass: mass * share }));
    }
    found
}

/// Percentiles of the gaps: iteration lengths weighted by the sequences that decode in them.
fn gaps(load: &Load, parts: &Parts) -> [f64; 3] {
    let slope = per_decode(load, parts);
    let steps = gathered(parts.backlog.steps.clone());
    let nodes = decode_nodes(parts, slope);
    let low = steps.first().map_or(0.0, |step| step.0) * 0.2;
    let top = steps.last().map_or(1.0, |step| step.0) * 1.5 + slope * 3.0 * parts.decodes;
    let total: f64 = nodes.iter().map(|node| node.1).sum();
    percentiles(low, top, |x| {
        nodes
            .iter()
            .map(|&(shift, weight)| {
                weight / total * steps.iter().filter(|step| step.0 + shift <= x).map(|step| step.1).sum::<f64>()
            })
            .sum()
    })
}

/// Seconds that one more resident adds to an iteration.
fn per_decode(load: &Load, parts: &Parts) -> f64 {
    parts.line.per_token_s + parts.line.per_context_s * (load.moments.held_mean() + parts.chunks.held) / load.output()
}

/// Shifts of the iteration length by the number of residents, weighted by that number per iteration.
fn decode_nodes(parts: &Parts, slope: f64) -> Vec<(f64, f64)> {
    let r = &parts.residents;
    let weight = |n: f64, p: f64| p * n / (parts.line.base_s + slope * n);
    let atoms: Vec<(f64, f64)> = r.law.iter().enumerate().map(|(n, &p)| (n as f64, weight(n as f64, p))).collect();
    let nodes = gathered(atoms);
    nodes.into_iter().map(|(n, mass)| (slope * (n - r.free_mean), mass)).collect()
}

/// E2E given o: the time to the first token and o − 1 gaps, nearly normal, whose fast part has the chain's variance and whose
/// slow part follows N, which starts at the cap for those who waited for a slot.
fn e2e_percentiles(load: &Load, parts: &Parts, ttft: f64, tbt: f64) -> [f64; 3] {
    let b = &parts.backlog;
    let r = &parts.residents;
    let x = parts.prompt_share.min(0.95);
    // Stalls by prompts, each of which makes room for more: the variance of a busy period per second of base time.
    let alpha = b.step * (1.0 - x);
    let stall = parts.line.per_token_s * parts.line.per_token_s * load.shares_squared();
    let fast = alpha * load.served_per_s * stall / (1.0 - x).powi(3);
    let slope = per_decode(load, parts) / (1.0 - x);
    let relaxation = load.output() / (1.0 - r.elasticity).max(0.05);
    let outputs = output_nodes(&load.moments.output_survival);
    let starts = starts(parts, ttft, (150 / outputs.len()).clamp(4, 24));
    let mut nodes = Vec::new();
    for &(output, mass) in &outputs {
        let gaps = output - 1.0;
        let z = gaps / relaxation;
        let (decayed, kept) = if z > 1e-6 {
            let once = (1.0 - (-z).exp()) / z;
            (once, 2.0 * (1.0 - once) / z)
        } else {
            (1.0, 1.0)
        };
        for start in &starts {
            let shift = slope * start.residents * decayed;
            let slow = slope * slope * (r.variance * (kept - decayed * decayed) + start.variance * decayed * decayed);
            let deviation = (gaps * fast + gaps * gaps * slow.max(0.0)).sqrt().max(1e-9 * ttft);
            let per_gap = (tbt + shift).max(0.0);
            nodes.extend(start.firsts.iter().map(|&(first, share)| (first + gaps * per_gap, deviation, mass * share)));
        }
    }
    let top = nodes.iter().map(|node| node.0 + 6.0 * node.1).fold(0.0, f64::max);
    percentiles(0.0, top, |t| nodes.iter().map(|node| normal_below(node, t)).sum())
}

/// Mass of a normal (mean, deviation, mass) at most t.
fn normal_below(&(mean, deviation, mass): &(f64, f64, f64), t: f64) -> f64 {
    let z = (mean - t) / (deviation * std::f64::consts::SQRT_2);
    mass * if z > 4.0 {
        0.0
    } else if z < -4.0 {
        1.0
    } else {
        0.5 * erfc(z)
    }
}

/// How requests start to decode: with a free slot at once, or after a wait beside a full instance.
struct Start {
    /// (time to the first token, mass).
    firsts: Vec<(f64, f64)>,
    /// Residents beyond E\[N\], and their variance.
    residents: f64,
    variance: f64,
}

fn starts(parts: &Parts, ttft: f64, count: usize) -> Vec<Start> {
    let r = &parts.residents;
    let whole = parts.whole_wait();
    let p = whole.probability;
    let own = by_step(&parts.backlog.owns);
    let mut free = Vec::new();
    let mut waited = Vec::new();
    for own in &own {
        for part in [0.125, 0.375, 0.625, 0.875] {
            let value = own.time + part * own.step;
            free.push((value, 0.25 * own.mass * (1.0 - p)));
            waited.push((parts.stretch() * value, 0.25 * own.mass));
        }
    }
    let only = p < 1e-6;
    let mut groups = vec![free];
    if !only {
        let slices = parts.wait_law(whole).slices(12);
        let ways = grouped(waited, 6);
        let both = |&(wait, share): &(f64, f64)| {
            let ways = ways.clone();
            ways.into_iter().map(move |(way, mass)| (way + wait, p * share * mass))
        };
        groups.push(slices.iter().flat_map(both).collect());
    }
    let mean: f64 = groups.iter().flatten().map(|atom| atom.0 * atom.1).sum();
    let slots = parts.wait_slots.filter(|_| !only);
    let capped = slots.map_or(0.0, |slots| slots - r.mean);
    groups
        .into_iter()
        .enumerate()
        .map(|(group, atoms)| {
            let mut firsts = grouped(atoms, count);
            firsts.iter_mut().for_each(|node| node.0 *= ttft / mean);
            let (residents, variance) = match (group, slots) {
                (_, None) => (0.0, r.variance),
                (0, _) => (-capped * p / (1.0 - p).max(1e-9), r.variance - capped * capped * p / (1.0 - p).max(1e-9)),
                _ => (capped, 0.0),
            };
            Start { firsts, residents, variance: variance.max(0.0) }
        })
        .collect()
}

/// Gathers atoms by rank into about `count` of equal mass; keeps mass and mean.
fn grouped(mut atoms: Vec<(f64, f64)>, count: usize) -> Vec<(f64, f64)> {
    atoms.sort_by(|a, b| a.0.total_cmp(&b.0));
    let width = atoms.iter().map(|atom| atom.1).sum::<f64>() / count as f64;
    let mut nodes: Vec<(f64, f64)> = Vec::with_capacity(count + 1);
    let (mut sum, mut mass) = (0.0, 0.0);
    for &(value, weight) in &atoms {
        sum += value * weight;
        mass += weight;
        if mass >= width {
            nodes.push((sum / mass, mass));
            (sum, mass) = (0.0, 0.0);
        }
    }
    if mass > 0.0 {
        nodes.push((sum / mass, mass));
    }
    nodes
}
