//! The wait for a slot when a router shares requests out. Everything else that a request meets is the instance's own: routing is of
//! second order, and a mean-field limit cannot see it.
//!
//! Random: Poisson arrivals at each instance. Round robin: the arrivals at one of N instances have 1/N of the variance. Rules that
//! look at the queues: about one queue for all, the N-fold instance (N·K slots, costs per token ÷ N), whose waits N instances share.

use super::super::latency;
use super::super::limits;
use super::super::load::Load;
use super::super::residents::Residents;
use super::super::root;
use super::super::single;
use super::super::slots::Wait;
use super::effect;
use super::pool::Pool;
use super::split::Kept;
use crate::answer::{Limit, Summary};
use crate::queueing::markov::erlang_c;
use crate::scenario::{ArrivalLaw, Routing, Scenario, StepTimeLaw};

/// Most slots of an N-fold instance; beyond that nobody waits below .99 λ*.
const MOST_SLOTS: f64 = 16_384.0;

/// The wait for a slot of an instance that gets `load`; none where it is the one of Poisson arrivals at one instance.
pub(super) fn routed(pool: &Pool, load: &Load) -> Option<Wait> {
    let n = pool.instances();
    let gathered = (pool.arrivals - 1.0) / n;
    match pool.routing {
        _ if n == 1.0 => (pool.arrivals != 1.0).then(|| varied(load, own(load)?, pool.arrivals)).flatten(),
        Routing::Random if gathered == 0.0 => None,
        Routing::Random => varied(load, own(load)?, 1.0 + gathered),
        Routing::RoundRobin => varied(load, own(load)?, pool.arrivals / n),
        Routing::PowerOfD if pool.choices == Some(1) => {
            (gathered != 0.0).then(|| own(load)).flatten().and_then(|own| varied(load, own, 1.0 + gathered))
        }
        Routing::PowerOfD if load.cap <= 1.0 => {
            let draws = pool.draws().unwrap_or(n);
            Some(between(one_by_one(load, draws)?, one_by_one(load, n)?))
        }
        Routing::JoinShortestQueue if load.cap <= 1.0 => one_by_one(load, n),
        Routing::PowerOfD
        | Routing::JoinShortestQueue
        | Routing::LeastLoaded
        | Routing::ShortestExpectedDelay
        | Routing::Milp => pooled(load, n, pool.arrivals),
    }
}

/// Seconds that a request waits on average until its window is over: the first of a window waits for all of it, Poisson arrivals
/// that follow for half.
pub(super) fn gathering(pool: &Pool, rate: f64) -> f64 {
    let Some(window) = pool.window_s.filter(|_| pool.routing == Routing::Milp) else { return 0.0 };
    (window + rate * window * window / 2.0) / (1.0 + rate * window)
}

/// One instance with Poisson arrivals.
struct Own {
    /// λ* − λ.
    spare: f64,
    wait: Wait,
    /// The law of the residents that wait for slots, and the share of time that prompts take.
    residents: Option<(Residents, f64)>,
}

/// None when it is overloaded.
fn own(load: &Load) -> Option<Own> {
    let (service, regimes, boundary) = limits(load);
    let spare = boundary.low_per_s - load.served_per_s;
    if spare <= 0.0 {
        return None;
    }
    if let Some(service) = service {
        let mean = service.second / (2.0 * service.mean_s * service.mean_s) / spare;
        return Some(Own { spare, wait: Wait { probability: 1.0 - spare * service.mean_s, mean }, residents: None });
    }
    let (line, residents, wait) = latency::slot_parts(load, &regimes[0], &boundary);
    let by_slots = regimes[0].limit == Limit::SequenceCap && residents.law.len() > 2 && wait.probability > 0.0;
    let x = (load.served_per_s * line.per_token_s * (load.prompt() - 1.0)).min(0.95);
    Some(Own { spare, wait, residents: by_slots.then_some((residents, x)) })
}

/// Arrivals with another squared cv: z = (c_a² + c_e²)/2 takes the place of z₁ = (1 + c_e²)/2 in the mean of a positive wait. The
/// probability follows from the law of the residents to the power of the two variance ratios; where another law gave it, from Halfin
/// and Whitt's function at β·√(z₁/z).
fn varied(load: &Load, own: Own, arrivals: f64) -> Option<Wait> {
    let Own { spare, wait, residents } = own;
    let poisson = wait.mean * spare;
    if poisson <= 0.0 || wait.probability <= 0.0 {
        return None;
    }
    let other = (poisson + (arrivals - 1.0) / 2.0).max(0.05 * poisson);
    if load.cap <= 1.0 {
        return Some(before_one_server(wait.probability, (arrivals, 2.0 * poisson - 1.0), other / spare));
    }
    let mean = other / spare;
    let probability = match residents {
        Some((residents, x)) => steadier(load, &residents, x, arrivals, (wait.mean, mean)),
        None => halfin_whitt(beta(wait.probability) * (poisson / other).sqrt()),
    };
    Some(Wait { probability, mean })
}

/// P(wait) when the variance of the number of residents is that of arrivals with another squared cv: π_n to the power of the ratio.
fn steadier(load: &Load, residents: &Residents, x: f64, arrivals: f64, (before, after): (f64, f64)) -> f64 {
    let law = &residents.law;
    let cap = law.len() - 1;
    // The law at the cap without its jump and its queue.
    let bare = law[cap - 1] * law[cap - 1] / law[cap - 2].max(f64::MIN_POSITIVE);
    let jump = law[cap] / (bare * (1.0 + load.served_per_s * before)).max(f64::MIN_POSITIVE);
    let ratio = residents.ratio;
    let other =
        (ratio + (arrivals - 1.0) * effect::kept(load, residents.elasticity) / (1.0 - x).powi(2)).max(0.2 * ratio);
    let power = ratio / other;
    let peak = law[..cap].iter().copied().fold(0.0, f64::max);
    let below: f64 = law[..cap].iter().map(|p| (p / peak).powf(power)).sum();
    let full = (bare / peak).powf(power) * jump * (1.0 + load.served_per_s * after);
    full / (below + full)
}

/// GI/G/1: P(wait), and Kingman's mean wait, less what regular arrivals save at low load (Kraemer and Langenbach-Belz 1976).
fn before_one_server(rho: f64, (arrivals, service): (f64, f64), kingman: f64) -> Wait {
    let probability = one_server(rho, arrivals, service);
    if arrivals >= 1.0 {
        return Wait { probability, mean: rho * kingman / probability };
    }
    let less = (1.0 - arrivals).powi(2) / (arrivals + service).max(1e-9) * 2.0 * (1.0 - rho) / (3.0 * rho);
    Wait { probability, mean: rho * kingman * (-less).exp() / probability }
}

/// P(wait) of GI/G/1 after Kraemer and Langenbach-Belz (1976).
fn one_server(rho: f64, arrivals: f64, service: f64) -> f64 {
    let factor = if arrivals <= 1.0 {
        (1.0 + arrivals + rho * service) / (1.0 + rho * (service - 1.0) + rho * rho * (4.0 * arrivals + service))
    } else {
        4.0 * rho / (arrivals + rho * rho * (4.0 * arrivals + service))
    };
    (rho + (arrivals - 1.0) * rho * (1.0 - rho) * factor).clamp(1e-9, 1.0)
}

/// P(wait) of many servers at (1 − ρ)√N = β (Halfin and Whitt 1981): 1/(1 + βΦ(β)/φ(β)).
fn halfin_whitt(beta: f64) -> f64 {
    let density = (-0.5 * beta * beta).exp() / std::f64::consts::TAU.sqrt();
    let below = 1.0 - 0.5 * statrs::function::erf::erfc(beta / std::f64::consts::SQRT_2);
    1.0 / (1.0 + beta * below / density.max(f64::MIN_POSITIVE))
}

fn beta(probability: f64) -> f64 {
    root::narrow(|beta| probability - halfin_whitt(beta), 0.0, 38.0, 1e-9).map_or(38.0, |bracket| bracket.middle())
}

/// The shortest of N queues before servers that take one request at a time. Whoever waits, waits for one server: for the rest of its
/// service at low load, as with one queue near λ*; in between the root of the sum of squares lies within 10 % of simulations of
/// exponential, uniform and hyperexponential services, N = 2, 4, 8. All servers are busy less often than with one queue, by
/// (1 − ρ)(N − 1)/10 in these simulations.
fn one_by_one(load: &Load, n: f64) -> Option<Wait> {
    let one_queue = pooled(load, n, 1.0)?;
    let service = single::service(load);
    let rho = load.served_per_s * service.mean_s;
    let residual = service.second / (2.0 * service.mean_s);
    Some(Wait {
        probability: one_queue.probability * (1.0 - (1.0 - rho) * (n - 1.0) / 10.0).max(0.5),
        mean: residual.hypot(one_queue.mean),
    })
}

/// Geometric mean of two waits: d of N queues are longer than all, and shorter than d alone.
fn between(few: Wait, all: Wait) -> Wait {
    let middle = |a: f64, b: f64| (a * b).max(0.0).sqrt();
    Wait { probability: middle(few.probability, all.probability), mean: middle(few.mean, all.mean) }
}

/// The wait at one of unlike instances kept level. One with fewer slots than its number has the others wait: (N − K)/λ on average with
/// the deviation of the level and of their places. Near λ* the queue of all counts at the kind that fills up last.
pub(super) fn at_level(load: &Load, kept: Kept) -> (Wait, Option<Later>) {
    let Kept { number, variance, last } = kept;
    let deviation = variance.sqrt();
    let z = (number - load.cap) / deviation;
    let density = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
    let probability = 0.5 * statrs::function::erf::erfc(-z / std::f64::consts::SQRT_2);
    let waiting = deviation * (density + z * probability);
    if z > 0.5 {
        let later =
            Later { mean_s: waiting / load.served_per_s, deviation_s: (variance + waiting).sqrt() / load.served_per_s };
        return (Wait::default(), Some(later));
    }
    let level = if probability < 1e-300 {
        Wait::default()
    } else {
        Wait { probability, mean: waiting / (probability * load.served_per_s) }
    };
    let queue = last.filter(|_| z < 0.0).and_then(|n| pooled(load, n.round(), 1.0)).unwrap_or_default();
    let longer = queue.probability * queue.mean > level.probability * level.mean;
    (if longer { queue } else { level }, None)
}

/// A wait that everybody has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Later {
    pub mean_s: f64,
    pub deviation_s: f64,
}

impl Later {
    /// The summary of an instance at `rate` with the wait in it.
    pub fn on(&self, summary: &mut Summary, rate: f64) {
        let Self { mean_s, deviation_s } = *self;
        for latency in [&mut summary.ttft_s, &mut summary.e2e_s].into_iter().flatten() {
            let mean = latency.mean.value;
            for (figure, z) in [(&mut latency.p50, 0.0), (&mut latency.p95, 1.645), (&mut latency.p99, 2.326)] {
                let above = figure.value - mean;
                figure.value = mean + mean_s + above.signum() * above.hypot(z * deviation_s);
            }
            latency.mean.value += mean_s;
        }
        if let Some(waiting) = &mut summary.waiting {
            waiting.value += rate * mean_s;
        }
    }
}

/// The wait of N like instances with one queue. Work that goes to the server with the least of it is served as from one queue.
fn pooled(load: &Load, n: f64, arrivals: f64) -> Option<Wait> {
    if load.cap <= 1.0 {
        let service = single::service(load);
        let spare = 1.0 / service.mean_s - load.served_per_s;
        let probability = erlang_c(n as u64, n * load.served_per_s * service.mean_s).ok()?;
        let mean = service.second / (2.0 * service.mean_s * service.mean_s) / (n * spare);
        return Some(Wait { probability, mean });
    }
    let n = n.min((MOST_SLOTS / load.cap).floor()).max(1.0);
    let mut scenario = n_fold(load.scenario, n);
    if arrivals != 1.0 && arrivals > 0.0 {
        // One queue meets the bursts of all arrivals.
        scenario.workload.arrivals = ArrivalLaw::Gamma { cv: arrivals.sqrt() };
    }
    let load = load.fold(&scenario, n);
    own(&load).map(|found| found.wait)
}

/// The N-fold instance: limits × N, costs per token ÷ N.
fn n_fold(scenario: &Scenario, n: f64) -> Scenario {
    let mut scenario = scenario.clone();
    let times = |value: u64| (value as f64 * n) as u64;
    scenario.instance.max_sequences = times(scenario.instance.max_sequences);
    scenario.instance.max_batch_tokens = scenario.instance.max_batch_tokens.map(times);
    scenario.instance.kv_tokens = scenario.instance.kv_tokens.map(times);
    match &mut scenario.step_time {
        StepTimeLaw::Affine { per_token_s, .. } => *per_token_s /= n,
        StepTimeLaw::Hinge { per_token_s, free_tokens, .. } => {
            *per_token_s /= n;
            *free_tokens = times(*free_tokens);
        }
        StepTimeLaw::Staircase { stair_tokens, .. } => *stair_tokens = times(*stair_tokens),
        StepTimeLaw::AffineContext { per_token_s, per_context_token_s, .. } => {
            *per_token_s /= n;
            *per_context_token_s /= n;
        }
        StepTimeLaw::Curve { points, per_context_token_s, per_prefill_pair_s } => {
            points.iter_mut().for_each(|point| point.tokens = times(point.tokens));
            *per_context_token_s /= n;
            *per_prefill_pair_s /= n;
        }
        // Theory meets the curve of kernel tables, never the tables.
        StepTimeLaw::Kernels { .. } => {}
    }
    scenario
}
