//! The state and the latencies below λ*. The residents' law gives N, the slots the wait for admission, the backlog chain the
//! way through the token budget; here they are put together.
//!
//! TTFT = residual iteration + backlog and own prompt + wait for a slot; TBT = D/(E\[o\] − 1) with D the time from the first to
//! the last token (`decode_time`) and what preemptions add; E2E = TTFT + (E\[o\] − 1)·TBT.

use statrs::function::erf::erfc;

use super::backlog::{self, Backlog, Own, Traffic};
use super::boundary::Regime;
use super::load::{Chunks, Load};
use super::memory;
use super::mixture::{gathered, output_nodes, percentiles};
use super::residents::{self, Question, Residents};
use super::rules;
use super::slots::{self, Line, Wait};
use crate::answer::{Boundary, Limit};
use crate::cost::affine_coefficients;
use crate::scenario::{Admission, Preemption, Transfer};
use crate::schedule::budget;

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
    /// Share of time without any request.
    idle: f64,
    /// Mean decoding sequences.
    decodes: f64,
    /// E\[T\] over iterations, and x.
    step: f64,
    prompt_share: f64,
    /// Seconds that a rule on entries holds an arrival back.
    entry_wait: f64,
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
    let active_time = slower * decode_time(load, &parts, boundary) + away.lost_s;
    let decode_time = active_time + away.away_s + stand.residents / rate;
    let tbt = if output > 1.0 { decode_time / (output - 1.0) } else { 0.0 };
    let e2e = ttft + decode_time;
    let in_prefill = (1.0 - p) * (parts.backlog.own - parts.backlog.before) + p * full.own + together;
    let decoding = rate * active_time;
    let context = load.moments.held_mean() - load.prompt() - 1.0;
    let per_step = active_time / (output - 1.0).max(1e-12);
    let gaps = gaps(load, &parts);
    let first = ttft_percentiles(&parts);
    let whole = if output > 1.0 { e2e_percentiles(load, &parts, ttft, tbt) } else { first };
    Some(State {
        step: parts.step,
        batch_tokens: rate * parts.step * (load.work() / (1.0 - parts.idle) + away.again_tokens),
        waiting: rate * (ttft - in_prefill),
        running: decoding + rate * in_prefill + stand.residents,
        swapped: rate * away.away_s,
        kv_tokens: rate * (per_step * context + held_in_prefill(load, &parts, in_prefill)) + stand.tokens,
        preemptions: away.per_request,
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
    last * (prompt + 1.0) + parts.line.per_token_s * variance / parts.chunks.steps + before
}

fn parts(load: &Load, binding: &Regime, boundary: &Boundary) -> Option<Parts> {
    let rate = load.served_per_s;
    let line = line(load, binding.batch_tokens);
    let per_request = line.per_token_s * load.work() + line.per_context_s * load.moments.held_mean();
    let guess = line.base_s / (1.0 - rate * per_request).max(1e-3);
    let chunks = load.chunks_at(rate * guess);
    let partial = chunks.held / load.output();
    let residents = residents_of(load, binding, boundary, line, partial);
    let idle = if residents.idle > 1e-4 { residents.idle } else { 0.0 };
    let wait = wait_of(load, binding, boundary, line, &residents);
    let mean = residents.mean / (1.0 - idle);
    let most = mean * (load.output() - 1.0) / load.output();
    let decodes = (mean - rate * residents.free.own).clamp(0.0, most);
    let (backlog, decodes) = backlog_of(load, line, partial, idle, decodes)?;
    let busy = rate / (1.0 - idle);
    let step = line.base_s / (1.0 - busy * (per_request + line.per_context_s * chunks.held)).max(1e-3);
    let prompt_share = (rate * line.per_token_s * load.prompt()).min(0.999);
    let parts = Parts { line, chunks, residents, backlog, wait, idle, decodes, step, prompt_share, entry_wait: 0.0 };
    let affine = affine_coefficients(load.law()).is_some();
    let mut parts = if affine { parts } else { bent(load, partial, parts)? };
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
    for _ in 0..5 {
        let step = parts.backlog.step;
        let n = rate / (1.0 - parts.idle) * (load.output() - 1.0) * step;
        (parts.backlog, parts.decodes) = backlog_of(load, parts.line, partial, parts.idle, n)?;
        parts.step = parts.backlog.step;
    }
    let tokens = rate * parts.step / (1.0 - parts.idle) * load.prompt();
    let alone = load.step_s(parts.decodes.max(1.0), 0.0);
    let per_token_s = (parts.step - alone).max(0.0) / tokens.max(1e-9);
    parts.line = Line { base_s: alone, per_token_s, ..parts.line };
    parts.prompt_share = (rate * per_token_s * load.prompt()).min(0.999);
    Some(parts)
}

/// The law as a line; for hinge and staircase the chord through zero tokens' and the saturated iteration's time.
fn line(load: &Load, tokens: f64) -> Line {
    let per_context_s = load.per_context_s();
    affine_coefficients(load.law()).map_or_else(
        || secant(load, 0.25 * tokens, 0.5 * tokens),
        |(base_s, per_token_s)| Line { base_s, per_token_s, per_context_s },
    )
}

/// The chord of the law between an iteration of decodes and one with prompts.
fn secant(load: &Load, decodes: f64, prompts: f64) -> Line {
    let low = decodes.max(1.0);
    let high = low + prompts.max(0.5 * low).max(1.0);
    let (at_low, at_high) = (load.step_s(low, 0.0), load.step_s(high, 0.0));
    let per_token_s = ((at_high - at_low) / (high - low)).max(0.0);
    Line { base_s: (at_low - per_token_s * low).max(1e-3 * at_low), per_token_s, per_context_s: load.per_context_s() }
}

fn residents_of(load: &Load, binding: &Regime, boundary: &Boundary, line: Line, partial: f64) -> Residents {
    residents::solve(&Question {
        rate: load.served_per_s,
        boundary: boundary.low_per_s.max(load.served_per_s * 1.001),
        cap: binding.running.max(1.0),
        slots: load.cap,
        slots_bind: binding.limit == Limit::SequenceCap,
        base_s: line.base_s,
        per_token_s: line.per_token_s,
        per_context_s: line.per_context_s,
        context_offset: 1.0,
        partial,
        moments: &load.moments,
    })
}

/// The chain beside `decodes` sequences.
fn backlog_of(load: &Load, line: Line, partial: f64, idle: f64, mut decodes: f64) -> Option<(Backlog, f64)> {
    let per_resident = load.moments.held_mean() / load.output() + partial;
    for _ in 0..2 {
        let context = line.per_context_s * per_resident * decodes;
        let step = |tokens: f64| load.step_s((decodes + tokens).max(1.0), 0.0) + context;
        let chunk = budget::prefill_budget_fluid(load.budget, decodes).max(1.0);
        let traffic = Traffic {
            rate: load.served_per_s,
            prompts: &load.moments.prompt_masses,
            prompt_survival: &load.prompt_survival,
            prompt: load.prompt(),
            prompt_squared: load.moments.raw(2, 0),
            chunk: chunk - crowding(load, chunk, decodes, step(chunk)),
            idle,
            decodes_s: line.per_token_s * decodes + context,
        };
        if let Some(found) = backlog::solve(&traffic, &step) {
            return Some((found, decodes));
        }
        // Near the budget's own boundary: the mean over iterations is below the mean over time.
        decodes *= 0.97;
    }
    None
}

/// Tokens that the decodes take from the prompts while a backlog lasts: they grow towards their number under a full budget,
/// over an output's length, and the backlog that an arrival meets lasts about 2v/(c − m)² iterations, m and v the mean and
/// variance of what an iteration brings.
fn crowding(load: &Load, chunk: f64, decodes: f64, full_s: f64) -> f64 {
    if !load.budget.is_finite() {
        return 0.0;
    }
    let flow = (load.budget / load.work()).min(load.cap / load.output());
    let most = (flow * (load.output() - 1.0)).max(decodes);
    let lasting = 2.0 * relaxation(load, chunk, full_s);
    (most - decodes) * lasting / (lasting + load.output())
}

/// v/(c − m)²: iterations that a backlog lasts when full iterations of `full_s` seconds bring m tokens with variance v.
fn relaxation(load: &Load, chunk: f64, full_s: f64) -> f64 {
    let arrivals = load.served_per_s * full_s;
    let spare = (chunk - arrivals * load.prompt()).max(0.02 * chunk);
    arrivals * load.moments.raw(2, 0) / (spare * spare)
}

/// Share of its excess by which a backlog is still longer when a request that saw it begin completes, some E\[o\] iterations
/// later; half of the relaxation time fits simulations at .5 to .9 λ*.
fn still_there(load: &Load, parts: &Parts) -> f64 {
    if !load.budget.is_finite() {
        return 0.0;
    }
    let chunk = budget::prefill_budget_fluid(load.budget, parts.decodes).max(1.0);
    let full_s = parts.backlog.steps.last().map_or(parts.step, |step| step.0);
    let half = 0.5 * relaxation(load, chunk, full_s);
    half / (half + load.output())
}

fn wait_of(load: &Load, binding: &Regime, boundary: &Boundary, line: Line, residents: &Residents) -> Wait {
    let mut wait = match binding.limit {
        Limit::SequenceCap => Wait { probability: residents.wait_probability, mean: residents.wait_mean },
        Limit::KvMemory => load.memory.map_or_else(Wait::default, |capacity| {
            let calm = binding.calm_per_s.max(boundary.low_per_s);
            let full = slots::wait(load, line, capacity, (boundary.low_per_s, calm));
            Wait { probability: full.probability * slots::without_room(load, calm), ..full }
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
fn decode_time(load: &Load, parts: &Parts, boundary: &Boundary) -> f64 {
    let rate = load.served_per_s;
    if affine_coefficients(load.law()).is_none() {
        return (load.output() - 1.0) * (parts.backlog.step + variance_of_decodes(load, parts)) + parts.backlog.excess;
    }
    let slope = per_decode(load, parts);
    let r = &parts.residents;
    let residents = rate / (1.0 - parts.idle) * load.output() * parts.step;
    let elasticity = (residents * slope / (parts.line.base_s + slope * residents)).min(0.98);
    // Full iterations let prompts out one after another: measured, three tenths less variance.
    let ratio = 1.0 + (r.ratio - 1.0) * (1.0 - 0.3 * parts.backlog.full_share);
    let seen = (residents + ratio / (1.0 - elasticity)).clamp(1.0, load.cap);
    let alpha = parts.line.base_s + slope * seen;
    let x = (rate * parts.line.per_token_s * (load.prompt() - 1.0)).min(0.999);
    let excess = parts.backlog.excess * (1.0 - still_there(load, parts));
    let free = (load.output() - 1.0) * alpha / (1.0 - x) + excess;
    if boundary.binding != Limit::SequenceCap {
        return free;
    }
    let p = r.wait_probability;
    let capped = r.mean / rate - (1.0 - p) * r.free.own - p * r.full.own;
    let near = (rate / boundary.low_per_s).powi(4);
    (1.0 - near) * free + near * capped
}

/// What the variance of the number of decodes adds to their mean gap where the law bends: its derivative beside prompts.
fn variance_of_decodes(load: &Load, parts: &Parts) -> f64 {
    let n = parts.decodes.max(1.0);
    let tokens = parts.backlog.tokens;
    let (low, high) = (load.step_s(0.8 * n + tokens, 0.0), load.step_s(1.2 * n + tokens, 0.0));
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

/// The residual of the iteration in progress is uniform on it; the wait for a slot is zero or exponential.
fn ttft_percentiles(parts: &Parts) -> [f64; 3] {
    let own = by_step(&parts.backlog.owns);
    let (p, mean) = (parts.wait.probability, parts.wait.mean);
    let waits = p > 1e-9;
    // The integral of the wait's distribution function from 0 to y.
    let area = |y: f64| {
        if y <= 0.0 {
            0.0
        } else if waits {
            y - p * mean * (1.0 - (-y / mean).exp())
        } else {
            y
        }
    };
    let longest = own.iter().map(|own| own.time + own.step).fold(0.0, f64::max);
    let top = longest + if waits { 8.0 * mean } else { 0.0 };
    percentiles(0.0, top, |x| {
        own.iter().map(|o| o.mass / o.step * (area(x - o.time) - area(x - o.time - o.step))).sum()
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
    nodes.into_iter().map(|(n, mass)| (slope * (n - r.mean), mass)).collect()
}

/// E2E given o: the time to the first token and o − 1 gaps, nearly normal, whose fast part has the chain's variance and whose
/// slow part follows N.
fn e2e_percentiles(load: &Load, parts: &Parts, ttft: f64, tbt: f64) -> [f64; 3] {
    let b = &parts.backlog;
    let x = parts.prompt_share.min(0.95);
    // Stalls by prompts, each of which makes room for more: the variance of a busy period per second of base time.
    let alpha = b.step * (1.0 - x);
    let stall = parts.line.per_token_s * parts.line.per_token_s * load.moments.raw(2, 0);
    let fast = alpha * load.served_per_s * stall / (1.0 - x).powi(3);
    let slope = per_decode(load, parts) / (1.0 - x);
    let slow = slope * slope * parts.residents.variance.max(0.0);
    let relaxation = load.output() / (1.0 - parts.residents.elasticity).max(0.05);
    let outputs = output_nodes(&load.moments.output_survival);
    let (p, mean_wait) = (parts.wait.probability, parts.wait.mean);
    let firsts = own_nodes(parts, ttft - p * mean_wait);
    let mut nodes = Vec::with_capacity(outputs.len() * firsts.len());
    for &(output, mass) in &outputs {
        let gaps = output - 1.0;
        let z = gaps / relaxation;
        let kept = if z > 1e-6 { 2.0 * (z - 1.0 + (-z).exp()) / (z * z) } else { 1.0 };
        let deviation = (gaps * fast + gaps * gaps * slow * kept).sqrt().max(1e-9 * ttft);
        nodes.extend(firsts.iter().map(|&(first, share)| (first + gaps * tbt, deviation, mass * share)));
    }
    let top = nodes.iter().map(|node| node.0 + 6.0 * node.1).fold(0.0, f64::max) + 12.0 * mean_wait * p;
    percentiles(0.0, top, |t| {
        nodes
            .iter()
            .map(|&(mean, deviation, mass)| mass * normal_and_wait((t - mean) / deviation, deviation, (p, mean_wait)))
            .sum()
    })
}

/// P(normal + wait ≤ t), t being z deviations above the normal's mean; the wait is zero or, with probability p, exponential.
fn normal_and_wait(z: f64, deviation: f64, (p, mean): (f64, f64)) -> f64 {
    let below = |z: f64| 0.5 * erfc(-z / std::f64::consts::SQRT_2);
    if z < -6.0 {
        return 0.0;
    }
    let plain = if z > 6.0 { 1.0 } else { below(z) };
    if p * mean <= 1e-3 * deviation {
        return plain;
    }
    let steep = deviation / mean;
    let exponent = steep * (0.5 * steep - z);
    let beyond = steep - z;
    let tail = if beyond > 5.0 {
        // Mills' ratio of the normal tail, in which the large exponents cancel.
        (-0.5 * z * z).exp() / (std::f64::consts::TAU.sqrt() * beyond) * (1.0 - 1.0 / (beyond * beyond))
    } else {
        exponent.exp() * below(z - steep)
    };
    plain - p * tail.min(plain)
}

/// The time to the first token without the wait for a slot, with the mean `mean`.
fn own_nodes(parts: &Parts, mean: f64) -> Vec<(f64, f64)> {
    let mut atoms = Vec::new();
    for own in by_step(&parts.backlog.owns) {
        atoms.extend([0.25, 0.75].map(|part| (own.time + part * own.step, 0.5 * own.mass)));
    }
    atoms.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut nodes: Vec<(f64, f64)> = Vec::with_capacity(6);
    let (mut sum, mut mass) = (0.0, 0.0);
    for (index, &(value, weight)) in atoms.iter().enumerate() {
        sum += value * weight;
        mass += weight;
        // Two thirds in three nodes, the upper third in finer ones.
        let width = if nodes.len() < 3 { 2.0 / 9.0 } else { 1.0 / 9.0 };
        if mass >= width || index + 1 == atoms.len() {
            nodes.push((sum / mass, mass));
            (sum, mass) = (0.0, 0.0);
        }
    }
    let found: f64 = nodes.iter().map(|node| node.0 * node.1).sum();
    nodes.iter_mut().for_each(|node| node.0 *= mean / found);
    nodes
}
