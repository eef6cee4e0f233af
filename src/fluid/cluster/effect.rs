//! What a router changes beside the wait for a slot, to first order: regular arrivals at an instance meet fewer neighbours in an iteration,
//! are stalled by fewer prompts, and keep the number of residents steadier. All of it vanishes in the mean-field limit.
//!
//! Round robin over N: arrivals at one instance with c = 1/N of the variance of Poisson arrivals. After an arrival (1 − c)/2 fewer
//! follow for good; the density of others within an iteration is that of a renewal process. Rules that look at the instances keep
//! them equal: 1 − 1/N of one's variance is gone, and while a request is there its instance gets 1 − 1/N arrivals less, since it counts
//! as one. Var N/N and its part from stalls are those of the residents' law.

use statrs::function::gamma::gamma_lr;

use super::super::latency;
use super::super::limits;
use super::super::load::Load;
use super::super::mixture::{output_nodes, percentiles};
use super::super::slots::Wait;
use super::pool::Pool;
use crate::answer::{Figure, Latency, Limit, Summary};
use crate::scenario::Routing;

/// Seconds less than under Poisson arrivals of the same rate.
#[derive(Debug, Clone)]
pub(super) struct Effect {
    /// Of the residual iteration, and of the iteration with the prompt.
    residual_s: f64,
    own_s: f64,
    /// Of the time from the first to the last token.
    decode_s: f64,
    /// What the deviations of TTFT shrink to.
    narrower: f64,
    /// The parts of TTFT where hardly anybody else is in the same iterations.
    apart: Option<Apart>,
}

/// A uniform residual, the own prompt and a wait for a slot.
#[derive(Debug, Clone)]
struct Apart {
    residual: f64,
    per_token_s: f64,
    prompt: f64,
    prompts: Vec<(f64, f64)>,
    wait: Wait,
}

/// The regularity that a rule gives to the arrivals at one of N instances.
struct Regular {
    /// 1 − c.
    less: f64,
    /// Arrivals missing while a request is there.
    missing: f64,
    /// Density of others in the same iteration, and in one before, relative to λ.
    near: (f64, f64),
    /// Whether steadier residents need no renewal argument: Var N/N² of all together.
    equal: bool,
}

/// The effect at an instance with this load, its wait for a slot included; none where arrivals are Poisson or requests are served one
/// at a time.
pub(super) fn of(pool: &Pool, load: &Load) -> Option<Effect> {
    let n = pool.instances();
    if n <= 1.0 || load.cap <= 1.0 || pool.routing == Routing::Random || pool.choices == Some(1) {
        return None;
    }
    let (_, regimes, boundary) = limits(load);
    if load.served_per_s >= boundary.low_per_s {
        return None;
    }
    let mut own = load.clone();
    own.routed = None;
    let (line, residents, wait) = latency::slot_parts(&own, &regimes[0], &boundary);
    let free = 1.0 - wait.probability;
    let m = &load.moments;
    let rate = load.served_per_s;
    let (a, prompt) = (line.per_token_s, load.prompt());
    let x = (rate * a * (prompt - 1.0)).min(0.95);
    let e = residents.elasticity;
    let alpha = line.base_s / (1.0 - e);
    let mean = alpha / (1.0 - x);
    let variance = a * a * rate * m.raw(2, 0) * mean / (1.0 - x * x);
    // The iteration that an arrival meets.
    let met = mean + variance / mean;
    let regular = Regular::of(pool, n, rate * mean);
    let routed = load.routed.unwrap_or(wait);
    // Under a budget that binds, prompts wait for it, which is no matter of neighbours.
    let unhindered = if regimes[0].limit == Limit::TokenBudget { 0.0 } else { 1.0 - routed.probability };
    let residual_s = unhindered * (met - alpha) / 2.0 * (1.0 - regular.near.1);
    let own_s = unhindered * x * met * (1.0 - regular.near.0);
    let own_deviation = a * a * (m.raw(2, 0) - prompt * prompt);
    let poisson = own_deviation + met * met / 12.0 + variance / 4.0 + a * a * m.raw(2, 0) * rate * met;
    let other = own_deviation
        + (alpha + regular.near.1 * (met - alpha)).powi(2) / 12.0
        + regular.near.1 * variance / 4.0
        + regular.near.0 * a * a * m.raw(2, 0) * rate * met;
    let waits = routed.mean * routed.mean * routed.probability * (2.0 - routed.probability);
    let slope = e * alpha / residents.mean.max(1e-9);
    let gone =
        if regular.equal { residents.ratio * regular.less } else { regular.less * kept(load, e) / (1.0 - x).powi(2) };
    let steadier = slope * gone / (1.0 - e) * (load.output() - 1.0);
    let stalls = regular.missing * a * (prompt - 1.0);
    Some(Effect {
        residual_s,
        own_s,
        decode_s: if load.output() > 1.0 { free * (steadier + stalls) / (1.0 - x) } else { 0.0 },
        narrower: if unhindered > 0.0 { ((other + waits) / (poisson + waits)).sqrt() } else { 1.0 },
        apart: (unhindered > 0.0 && regular.near.0 < 0.5).then(|| Apart {
            residual: alpha + regular.near.1 * (met - alpha),
            per_token_s: a,
            prompt,
            prompts: output_nodes(&load.prompt_survival),
            wait: routed,
        }),
    })
}

impl Regular {
    fn of(pool: &Pool, n: f64, per_iteration: f64) -> Self {
        if pool.routing == Routing::RoundRobin {
            let c = (pool.arrivals / n).max(1e-3);
            let near = (density(c, per_iteration, 0.0), density(c, per_iteration, 1.0));
            return Self { less: 1.0 - c, missing: (1.0 - c) / 2.0, near, equal: false };
        }
        let less = 1.0 - 1.0 / n;
        // Among equal queues the one that just got a request is not the shortest: a simulation of the queues alone gives
        // .77, .75, .81, .90 of the mean density at N = 2, 4, 8, 16; with two draws .96, with tokens about as much.
        let near = if pool.routing == Routing::JoinShortestQueue { less.max(0.75) } else { 1.0 };
        Self { less, missing: less, near: (near, near), equal: true }
    }
}

/// κ, between k0 = Σ P(o > u)²/E\[o\] without and 1/(1 + cv²) with elastic iterations.
pub(super) fn kept(load: &Load, elasticity: f64) -> f64 {
    let survival = &load.moments.output_survival;
    let k0 = survival.iter().map(|p| p * p).sum::<f64>() / load.output();
    let k1 = load.output() * load.output() / load.moments.raw(0, 2);
    (1.0 - elasticity) * k0 + elasticity * k1
}

/// Cells of a lag's law.
const CELLS: f64 = 16.0;

/// Renewal density relative to the rate after an arrival, for gamma times with squared cv `c`, averaged over lags: within one iteration
/// (`before` = 0: the difference of two uniform times) or to the iteration before (`before` = 1: their sum).
fn density(c: f64, per_iteration: f64, before: f64) -> f64 {
    let shape = 1.0 / c;
    let arrivals = |lag: f64| -> f64 {
        (1..400).map(|k| gamma_lr(f64::from(k) * shape, lag * shape)).take_while(|p| *p > 1e-9).sum()
    };
    let (mut sum, mut weight) = (0.0, 0.0);
    let reach = 1.0 + before;
    for cell in 0..CELLS as i32 {
        let (from, to) = (f64::from(cell) / CELLS * reach, f64::from(cell + 1) / CELLS * reach);
        let middle = 0.5 * (from + to);
        let share = if before == 0.0 { 1.0 - middle } else { 1.0 - (1.0 - middle).abs() };
        let mean = (arrivals(to * per_iteration) - arrivals((from * per_iteration).max(1e-12)))
            / ((to - from) * per_iteration);
        sum += share * mean;
        weight += share;
    }
    (sum / weight).clamp(0.0, 1.0)
}

impl Effect {
    /// The summary with the effect in it; λ and gaps are those of one request at the instance.
    pub fn on(&self, summary: &mut Summary, rate: f64, gaps: f64) {
        let first = self.residual_s + self.own_s;
        let shift = |figure: &mut Option<Figure>, less: f64| {
            if let Some(figure) = figure {
                figure.value = (figure.value - less).max(0.0);
            }
        };
        let before = summary.running.map_or(1.0, |figure| figure.value);
        shift(&mut summary.waiting, rate * self.residual_s);
        shift(&mut summary.running, rate * (self.own_s + self.decode_s));
        if let Some(held) = &mut summary.kv_tokens {
            held.value *= 1.0 - rate * (self.own_s + self.decode_s) / before.max(1e-12);
        }
        if let Some(ttft) = &mut summary.ttft_s {
            let mean = ttft.mean.value;
            let narrow =
                |figure: Figure| Figure { value: mean - first + self.narrower * (figure.value - mean), ..figure };
            *ttft = Latency {
                mean: narrow(ttft.mean),
                p50: narrow(ttft.p50),
                p95: narrow(ttft.p95),
                p99: narrow(ttft.p99),
            };
            if let Some(apart) = &self.apart {
                let [p50, p95, p99] = apart.percentiles(ttft.mean.value);
                (ttft.p50.value, ttft.p95.value, ttft.p99.value) = (p50, p95, p99);
            }
        }
        if let Some(tbt) = &mut summary.tbt_s
            && gaps > 0.0
        {
            tbt.mean.value -= self.decode_s / gaps;
        }
        if let Some(e2e) = &mut summary.e2e_s {
            let ratio = 1.0 - (first + self.decode_s) / e2e.mean.value;
            for figure in [&mut e2e.mean, &mut e2e.p50, &mut e2e.p95, &mut e2e.p99] {
                figure.value *= ratio;
            }
        }
    }
}

impl Apart {
    /// p50, p95 and p99 of the sum whose mean is `mean`.
    fn percentiles(&self, mean: f64) -> [f64; 3] {
        let Wait { probability, mean: wait } = self.wait;
        let rest = mean - probability * wait - 0.5 * self.residual - self.per_token_s * self.prompt;
        // The integral of the wait's distribution function from 0 to y.
        let area = |y: f64| if y > 0.0 { y - probability * wait * (1.0 - (-y / wait.max(1e-300)).exp()) } else { 0.0 };
        let below = |x: f64, prompt: f64| {
            let y = x - rest - self.per_token_s * prompt;
            (area(y) - area(y - self.residual)) / self.residual
        };
        let longest = self.prompts.last().map_or(self.prompt, |node| node.0);
        let total: f64 = self.prompts.iter().map(|node| node.1).sum();
        let top = rest + self.residual + self.per_token_s * longest + 12.0 * wait;
        percentiles(0.0, top, |x| self.prompts.iter().map(|&(prompt, mass)| mass / total * below(x, prompt)).sum())
    }
}
