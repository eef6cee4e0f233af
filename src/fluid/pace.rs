//! The backlog of prompts beside decodes: the chain is given the size of a full iteration that makes its backlog's drift and
//! variance those of the real one, with decodes that fluctuate and that grow while a backlog lasts.

use super::backlog::{Backlog, Traffic};
use super::dispersion;
use super::latency::Parts;
use super::load::Load;
use super::policies::{self, shares};
use super::slots::Line;

/// Means of the seven equal parts of a normal law.
const SEPTILES: [f64; 7] = [-1.5906, -0.8172, -0.3864, 0.0, 0.3864, 0.8172, 1.5906];

/// The chain beside `decodes` sequences, `spread` the variance of their number.
pub(super) fn backlog_of(
    load: &Load,
    line: Line,
    partial: f64,
    idle: f64,
    mut decodes: f64,
    spread: f64,
) -> Option<(Backlog, f64)> {
    for _ in 0..2 {
        let solve = |unused: f64| {
            let ask = |traffic: &Traffic, step: &dyn Fn(f64) -> f64| shares::solve(load, line, traffic, step);
            beside(load, line, partial, (idle, unused), (decodes, spread), ask)
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

/// Asks the chain beside `decodes` sequences.
pub(super) fn beside<T>(
    load: &Load,
    line: Line,
    partial: f64,
    (idle, unused): (f64, f64),
    (decodes, spread): (f64, f64),
    ask: impl Fn(&Traffic, &dyn Fn(f64) -> f64) -> Option<T>,
) -> Option<T> {
    let per_resident = load.moments.held_mean() / load.output() + partial;
    let context = line.per_context_s * per_resident * decodes;
    // Where the law bends, the mean over the number of decodes, which deviates less the nearer the budget is.
    let bends = load.affine().is_none();
    let step = |tokens: f64| {
        let at = |n: f64| load.mixed_step_s(tokens, n.max(1.0 - tokens)) + context;
        let deviation = spread.sqrt().min((load.budget - decodes - tokens) / SEPTILES[6]);
        if bends && deviation > 0.0 {
            SEPTILES.iter().map(|z| at((decodes + z * deviation).max(0.0))).sum::<f64>() / 7.0
        } else {
            at(decodes)
        }
    };
    let left = (load.left_to_prompts(decodes) - unused).max(1.0);
    let (batch, chunk) = pace(load, left, (decodes, spread), &step);
    // Full iterations of another size cost what their share of a real one does, so that the work done stays the same.
    let (empty, full) = (step(0.0), step(left.min(1e12)));
    let step = |tokens: f64| {
        if tokens >= chunk.min(left) * (1.0 - 1e-9) { empty + (full - empty) * tokens / left } else { step(tokens) }
    };
    let traffic = Traffic {
        rate: load.served_per_s,
        batch,
        prompts: &load.moments.prompt_masses,
        prompt_survival: &load.prompt_survival,
        prompt: load.prompt(),
        prompt_squared: load.moments.raw(2, 0),
        chunk,
        idle,
        decodes_s: line.per_token_s * decodes + context,
        tier: load.tier,
    };
    ask(&traffic, &step)
}

/// The mean size of the batches that stand for bursty arrivals, and the tokens of a full iteration that the chain gives to
/// prompts, so that its backlog has the drift and the variance of the real one on the time scale t on which it lasts.
///
/// While a backlog lasts, full iterations let prompts out at (B − n)/E\[s\] each, so that the decodes n go to
/// n* = B(E\[o\] − 1)/E\[w\] with the time constant τ = E\[o²\]/2E\[o\]·E\[s\]/E\[w\]. Short backlogs have the drift beside the
/// mean n, the variance λT·(E\[s²\] + (I − 1)E\[s\]²) of the prompts and what n happens to deviate; long ones the drift
/// beside n* and the variance of all work in units of prompts, (E\[s\]/E\[w\])²·E\[w²\] for E\[s²\]. Of the two only
/// drift/variance matters.
fn pace(load: &Load, chunk: f64, (decodes, spread): (f64, f64), step: &dyn Fn(f64) -> f64) -> (f64, f64) {
    let excess = |seconds: f64| dispersion::index(load.scenario, load.served_per_s, seconds) - 1.0;
    let mean_s = (0..40).fold(step(0.0), |mean, _| step((load.served_per_s * load.prompt() * mean).min(chunk)));
    let own_s = mean_s + step(load.prompt().min(chunk));
    if !load.budget.is_finite() || load.prompts_first() {
        return (1.0 + 0.5 * excess(own_s), chunk);
    }
    let full_s = step(chunk);
    let (prompt, output, work) = (load.prompt(), load.output(), load.work());
    let moments = &load.moments;
    let squared = moments.raw(2, 0);
    let works = squared + 2.0 * (moments.raw(1, 1) - prompt) + moments.raw(0, 2) - 2.0 * output + 1.0;
    let share = prompt / work;
    let arrivals = load.served_per_s * full_s;
    let most = (load.budget * (output - 1.0) / work).min(load.cap).min(policies::most_decodes(load)).max(decodes);
    let constant = (moments.raw(0, 2) / (2.0 * output) * share).max(1e-3);
    let (mut drift, mut variance, mut own, mut bursty) = (chunk - arrivals * prompt, squared, squared, 0.0);
    for _ in 0..8 {
        drift = drift.max(1e-3 * chunk);
        let lasting = arrivals * variance / (drift * drift);
        let z = (lasting / constant).max(1e-9);
        let gone = -(-z).exp_m1();
        let seen = 1.0 - gone / z;
        // Short backlogs meet what comes in their own iteration, long ones what comes while they last.
        bursty = excess(own_s + full_s * lasting);
        own = squared + bursty.max(0.0) * prompt * prompt;
        let frozen = spread * constant * constant * gone * gone / (lasting * arrivals).max(1e-9);
        variance = squared + bursty * prompt * prompt + seen * (share * share * works - squared) + frozen;
        variance = variance.max(0.02 * own);
        drift = load.budget - arrivals * prompt - (decodes + (most - decodes) * seen);
    }
    (1.0 + 0.5 * bursty, arrivals * prompt + drift.max(1e-3 * chunk) * own / variance)
}

/// v/(c − m)²: iterations that a backlog lasts when full iterations of `full_s` seconds bring m tokens with variance v.
fn relaxation(load: &Load, chunk: f64, full_s: f64) -> f64 {
    let arrivals = load.served_per_s * full_s;
    let spare = (chunk - arrivals * load.prompt()).max(0.02 * chunk);
    let bursts = dispersion::index(load.scenario, load.served_per_s, 1e3 * full_s) - 1.0;
    arrivals * (load.shares_squared() + bursts * load.prompt() * load.prompt()).max(0.0) / (spare * spare)
}

/// Share of its excess by which a backlog is still longer when a request that saw it begin completes, some E\[o\] iterations
/// later. v/2(c − m)² is the integral of the autocorrelation of reflected Brownian motion (Abate and Whitt 1987).
pub(super) fn still_there(load: &Load, parts: &Parts) -> f64 {
    if !load.budget.is_finite() {
        return 0.0;
    }
    let chunk = load.left_to_prompts(parts.decodes).max(1.0);
    let full_s = parts.backlog.steps.last().map_or(parts.step, |step| step.0);
    let half = 0.5 * relaxation(load, chunk, full_s);
    half / (half + load.output())
}
