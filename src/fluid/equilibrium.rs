//! The summary of a scenario: its equilibrium below λ*, its saturated state above.

use super::boundary::Regime;
use super::latency::{self, State};
use super::load::Load;
use super::policies;
use super::single::{self, Service};
use super::slots::Wait;
use crate::answer::{Boundary, Figure, Latency, Limit, Method, Summary};

/// The summary below the boundary; without latencies where the budget's own law fails.
pub(super) fn below(load: &Load, binding: &Regime, boundary: &Boundary) -> Option<Summary> {
    let state = policies::observed(load, latency::below(load, binding, boundary)?);
    Some(summary(load, &state))
}

pub(super) fn summary(load: &Load, state: &State) -> Summary {
    let fluid = |value: f64| Some(Figure::of(value, Method::Fluid));
    let near = |value: f64| Some(Figure::of(value, Method::Approximation));
    let gaps = load.output() > 1.0;
    Summary {
        waiting: near(state.waiting),
        running: near(state.running),
        swapped: near(state.swapped),
        kv_tokens: near(state.kv_tokens),
        step_s: fluid(state.step),
        batch_tokens: fluid(state.batch_tokens),
        throughput_per_s: Some(Figure::of(load.served_per_s, Method::Exact)),
        preemptions_per_request: near(state.preemptions),
        queue_growth_per_s: None,
        ttft_s: Some(latency_of(state.ttft, Method::Approximation, Method::Approximation)),
        tbt_s: gaps.then(|| latency_of(state.tbt, Method::Approximation, Method::Approximation)),
        e2e_s: Some(latency_of(state.e2e, Method::Approximation, Method::Approximation)),
    }
}

fn latency_of((mean, [p50, p95, p99]): (f64, [f64; 3]), of_mean: Method, of_percentiles: Method) -> Latency {
    Latency {
        mean: Figure::of(mean, of_mean),
        p50: Figure::of(p50, of_percentiles),
        p95: Figure::of(p95, of_percentiles),
        p99: Figure::of(p99, of_percentiles),
    }
}

/// The saturated state: everything that stays finite.
pub(super) fn saturated(load: &Load, binding: &Regime) -> Summary {
    let fluid = |value: f64| Some(Figure::of(value, Method::Fluid));
    Summary {
        waiting: None,
        running: fluid(binding.running),
        swapped: fluid(binding.swapped),
        kv_tokens: fluid(binding.kv_tokens),
        step_s: fluid(binding.step_s),
        batch_tokens: fluid(binding.batch_tokens),
        throughput_per_s: Some(Figure::of(binding.lambda(), binding.method)),
        preemptions_per_request: fluid(binding.preemptions),
        queue_growth_per_s: fluid(load.served_per_s - binding.lambda()),
        ..Summary::default()
    }
}

/// Run to completion as a regime: one request at a time.
pub(super) fn single_regime(service: &Service) -> Regime {
    Regime {
        limit: Limit::SequenceCap,
        flow: 1.0 / service.steps,
        step_s: service.mean_s / service.steps,
        running: 1.0,
        swapped: 0.0,
        kv_tokens: service.kv_tokens,
        batch_tokens: service.tokens / service.steps,
        preemptions: 0.0,
        calm_per_s: 1.0 / service.mean_s,
        method: Method::Exact,
    }
}

/// Run to completion below its boundary: M/G/1, and M/M/1 where the service is one exponential iteration.
pub(super) fn single(load: &Load, service: &Service) -> Summary {
    let rate = load.served_per_s;
    let rho = rate * service.mean_s;
    let arrivals = load.scenario.workload.dispersion_limit();
    let poisson = arrivals == 1.0 && load.scenario.workload.trace.is_none() && load.routed.is_none();
    let spread = service.second / (service.mean_s * service.mean_s) - 1.0;
    // Pollaczek–Khinchine; Kingman's scaling for other arrivals.
    let own = Wait { probability: rho, mean: service.mean_s * (arrivals + spread) / (2.0 * (1.0 - rho)) };
    let Wait { probability, mean } = load.routed.unwrap_or(own);
    let wait = probability * mean;
    let of_mean = if poisson { Method::Exact } else { Method::Approximation };
    let times = single::percentiles(load, service, probability, wait);
    let of_percentiles = if poisson && service.exponential { Method::Exact } else { Method::Approximation };
    let exact = |value: f64| Some(Figure::of(value, Method::Exact));
    let tbt = (load.output() > 1.0).then(|| {
        let mean = (service.mean_s - service.prompt_mean_s) / (load.output() - 1.0);
        latency_of((mean, times.tbt), Method::Exact, times.tbt_method)
    });
    Summary {
        waiting: Some(Figure::of(rate * wait, of_mean)),
        running: exact(rho),
        swapped: exact(0.0),
        kv_tokens: exact(rho * service.kv_tokens),
        step_s: exact(service.mean_s / service.steps),
        batch_tokens: exact(service.tokens / service.steps),
        throughput_per_s: exact(rate),
        preemptions_per_request: exact(0.0),
        queue_growth_per_s: None,
        ttft_s: Some(latency_of((wait + service.prompt_mean_s, times.ttft), of_mean, of_percentiles)),
        tbt_s: tbt,
        e2e_s: Some(latency_of((wait + service.mean_s, times.e2e), of_mean, of_percentiles)),
    }
}
