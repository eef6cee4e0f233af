//! The wait for a slot when a router shares requests out. Everything else that a request meets is the instance's own: routing is of
//! second order, and a mean-field limit cannot see it.
//!
//! Random: Poisson arrivals at each instance. Round robin: the arrivals at one of N instances have 1/N of the variance. Rules that
//! look at the queues: about one queue for all, the N-fold instance (N·K slots, costs per token ÷ N), whose waits N instances share.

use super::super::latency;
use super::super::limits;
use super::super::load::Load;
use super::super::root;
use super::super::single;
use super::super::slots::Wait;
use super::pool::Pool;
use crate::queueing::mmc::erlang_c;
use crate::scenario::{Routing, Scenario, StepTimeLaw};

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
        Routing::PowerOfD
        | Routing::JoinShortestQueue
        | Routing::LeastLoaded
        | Routing::ShortestExpectedDelay
        | Routing::Milp => pooled(load, n),
    }
}

/// Seconds that a request waits on average until its window is over: the first of a window waits for all of it, Poisson arrivals
/// that follow for half.
pub(super) fn gathering(pool: &Pool, rate: f64) -> f64 {
    let Some(window) = pool.window_s.filter(|_| pool.routing == Routing::Milp) else { return 0.0 };
    (window + rate * window * window / 2.0) / (1.0 + rate * window)
}

/// λ* − λ and the wait of one instance with Poisson arrivals; none when it is overloaded.
fn own(load: &Load) -> Option<(f64, Wait)> {
    let (service, regimes, boundary) = limits(load);
    let spare = boundary.low_per_s - load.served_per_s;
    if spare <= 0.0 {
        return None;
    }
    let wait = match service {
        Some(service) => {
            let mean = service.second / (2.0 * service.mean_s * service.mean_s) / spare;
            Wait { probability: 1.0 - spare * service.mean_s, mean }
        }
        None => latency::slot_wait(load, &regimes[0], &boundary),
    };
    Some((spare, wait))
}

/// Arrivals with another squared cv: z = (c_a² + c_e²)/2 takes the place of z₁ = (1 + c_e²)/2 in the mean of a positive wait, and
/// the probability follows Halfin and Whitt's function at β·√(z₁/z).
fn varied(load: &Load, (spare, wait): (f64, Wait), arrivals: f64) -> Option<Wait> {
    let poisson = wait.mean * spare;
    if poisson <= 0.0 || wait.probability <= 0.0 {
        return None;
    }
    let other = (poisson + (arrivals - 1.0) / 2.0).max(0.05 * poisson);
    let probability = if load.cap <= 1.0 {
        one_server(wait.probability, arrivals, 2.0 * poisson - 1.0)
    } else {
        halfin_whitt(beta(wait.probability) * (poisson / other).sqrt())
    };
    let mut mean = other / spare;
    if load.cap <= 1.0 && arrivals < 1.0 {
        // Kraemer and Langenbach-Belz: Kingman's mean wait, less what regular arrivals save at low load.
        let (rho, served) = (wait.probability, 2.0 * poisson - 1.0);
        let less = (1.0 - arrivals).powi(2) / (arrivals + served).max(1e-9) * 2.0 * (1.0 - rho) / (3.0 * rho);
        mean *= rho * (-less).exp() / probability.max(1e-12);
    }
    Some(Wait { probability, mean })
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

/// The wait of N like instances with one queue. Of servers that take one request at a time each has a queue of its own: whoever waits
/// is bound to one server, N = 1 of it at low load.
fn pooled(load: &Load, n: f64) -> Option<Wait> {
    if load.cap <= 1.0 {
        let service = single::service(load);
        let spare = 1.0 / service.mean_s - load.served_per_s;
        let probability = erlang_c(n as u64, n * load.served_per_s * service.mean_s).ok()?;
        // The rest of what the server does, and then what stands before all servers together.
        let residual = service.second / (2.0 * service.mean_s);
        let mean = residual * (1.0 + load.served_per_s / (n * spare));
        return Some(Wait { probability, mean });
    }
    let n = n.min((MOST_SLOTS / load.cap).floor()).max(1.0);
    let scenario = n_fold(load.scenario, n);
    let load = load.fold(&scenario, n);
    own(&load).map(|found| found.1)
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
    }
    scenario
}
