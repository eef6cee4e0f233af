//! Answer one: analysis. The stability boundary λ*, the equilibrium below it, latency, and the fluid's path in time.
//!
//! `solve` reads a validated [`Scenario`] and returns every figure with the method that gave it. The laws and their measured
//! errors are described where they are written: the limits in `boundary`, memory in `memory`, latencies in `latency`.

mod attention;
mod backlog;
mod boundary;
mod capped;
pub mod closed_forms;
mod cluster;
pub mod cycle;
mod dispersion;
mod equilibrium;
mod few_valued;
mod gap;
pub mod inactive;
mod latency;
mod load;
pub mod margin;
mod memory;
mod mixture;
pub mod noise;
mod notes;
mod orders;
mod pace;
pub mod path;
mod percentiles;
mod policies;
mod prepared;
pub mod region;
mod reserved;
mod residents;
pub mod root;
mod rules;
pub mod scope;
pub mod sensitivity;
mod single;
mod slots;
#[cfg(test)]
mod testing;
mod transform;
mod unlimited;
mod waiting;

use crate::answer::{Boundary, FluidSolution, Verdict};
use crate::scenario::Scenario;

use boundary::Regime;
use load::Load;
use single::Service;

pub use cluster::capacity_of_members;
pub use path::{Form, OdeError, Path, PathError, PathOptions, PathPoint, PathSummary, trajectory};
pub use prepared::{Prepared, Tier};

/// Answers a validated scenario analytically: λ*, the limit that binds, the state and the latencies below it, the saturated
/// state above it. Seconds, tokens and requests per second throughout.
pub fn solve(scenario: &Scenario) -> FluidSolution {
    if let Some(other) = attention::spread(scenario) {
        let mut solution = solve(&other);
        solution.notes.push(attention::NOTE.into());
        solution.notes.extend(attention::note_of_tables(scenario));
        return solution;
    }
    match &scenario.cluster {
        Some(described) => cluster::solve(scenario, described),
        None => instance(&Load::of(scenario)),
    }
}

/// The service time of one request at a time, the regimes, λ*.
type Limits = (Option<Service>, Vec<Regime>, Boundary);

/// The limits of one instance and λ* behind them; the service time where it serves one request at a time.
fn limits(load: &Load) -> Limits {
    let service = (load.cap <= 1.0).then(|| single::service(load));
    let regimes = match &service {
        Some(service) => vec![equilibrium::single_regime(service)],
        None => policies::regimes(load),
    };
    let boundary = boundary::of(load, &regimes);
    (service, regimes, boundary)
}

/// One instance under the traffic of its load.
fn instance(load: &Load) -> FluidSolution {
    answer(load, &limits(load), load.scenario.workload.rate())
}

/// The answer at λ = `rate`, of which the load's rate is what is served.
fn answer(load: &Load, (service, regimes, boundary): &Limits, rate: f64) -> FluidSolution {
    let verdict = if load.served_per_s < boundary.low_per_s {
        Verdict::Stable
    } else if load.served_per_s < boundary.high_per_s {
        Verdict::Metastable
    } else {
        Verdict::Overloaded
    };
    let below = (verdict == Verdict::Stable).then(|| match service {
        Some(service) => Some(equilibrium::single(load, service)),
        None => policies::below(load, regimes, boundary),
    });
    let mut notes = notes::of(load, regimes, boundary, verdict, below == Some(None));
    let summary = below.flatten().map(|summary| orders::adjusted(load, summary));
    let summary = summary.unwrap_or_else(|| equilibrium::saturated(load, &regimes[0]));
    let running = summary.running.filter(|_| verdict == Verdict::Stable);
    notes.extend(running.and_then(|figure| inactive::of_split(load.scenario, figure.value)));
    FluidSolution { lambda_per_s: rate, verdict, boundary: *boundary, summary, notes }
}

/// λ* alone, without the state and the latencies: the same boundary that [`solve`] gives, for studies that need many of them.
pub fn boundary(scenario: &Scenario) -> Boundary {
    if let Some(other) = attention::spread(scenario) {
        return boundary(&other);
    }
    if scenario.cluster.is_some() {
        return solve(scenario).boundary;
    }
    limits(&Load::of(scenario)).2
}

#[cfg(test)]
mod tests {
    use super::testing::{affine, chat, constant, scenario};
    use super::*;
    use crate::answer::{Limit, Method, Verdict};
    use crate::scenario::{Engine, StepNoise};
    use approx::assert_relative_eq;

    /// Oracle S9: run to completion with random coefficients.
    #[test]
    fn seed_four_is_an_mg1_queue() {
        for (rate, wait, ttft) in [(0.5, 0.31602, 0.45402), (1.0, 2.31618, 2.45418)] {
            let mut question = scenario(rate, constant(128), constant(65), affine(0.01, 0.001), 8);
            question.policy.engine = Engine::RunToCompletion;
            question.step_noise = StepNoise::ExponentialCoefficients;
            let found = solve(&question);
            assert_relative_eq!(found.boundary.low_per_s, 1.18765, epsilon = 5e-6);
            let mean = found.summary.ttft_s.unwrap().mean;
            assert_eq!(mean.method, Method::Exact);
            assert_relative_eq!(mean.value, ttft, epsilon = 5e-6);
            assert_relative_eq!(mean.value - 0.138, wait, epsilon = 5e-6);
        }
    }

    /// M/M/1 at ρ = .5: the queueing oracle C1, with exact percentiles.
    #[test]
    fn one_exponential_iteration_is_mm1() {
        let mut question = scenario(0.5, constant(1), constant(1), affine(1.0, 0.0), 1);
        question.policy.engine = Engine::RunToCompletion;
        question.step_noise = StepNoise::Exponential;
        let found = solve(&question).summary.e2e_s.unwrap();
        assert_relative_eq!(found.mean.value, 2.0, max_relative = 1e-12);
        assert_relative_eq!(found.p95.value, 5.991_464_547_11, max_relative = 1e-11);
        assert_relative_eq!(found.p99.value, 9.210_340_371_98, max_relative = 1e-11);
        assert_eq!(found.p99.method, Method::Exact);
    }

    /// The chat scenario at half its boundary, against 400 000 simulated requests: TTFT .4327 s, TBT .05150 s, E2E 11.2 s.
    #[test]
    fn chat_below_its_boundary() {
        let found = solve(&chat(1.808_448_9));
        assert_eq!((found.verdict, found.boundary.binding), (Verdict::Stable, Limit::SequenceCap));
        let (ttft, tbt, e2e) =
            (found.summary.ttft_s.unwrap(), found.summary.tbt_s.unwrap(), found.summary.e2e_s.unwrap());
        assert_relative_eq!(ttft.mean.value, 0.4335, max_relative = 0.03);
        assert_relative_eq!(tbt.mean.value, 0.0516, max_relative = 0.02);
        assert_relative_eq!(e2e.mean.value, 11.2, max_relative = 0.03);
        for latency in [ttft, tbt, e2e] {
            assert!(latency.p50.value < latency.p95.value && latency.p95.value < latency.p99.value);
        }
    }

    #[test]
    fn overload_has_a_growth_and_no_latency() {
        let found = solve(&chat(5.0));
        assert_eq!(found.verdict, Verdict::Overloaded);
        let growth = found.summary.queue_growth_per_s.unwrap().value;
        assert_relative_eq!(growth, 5.0 - found.boundary.low_per_s, max_relative = 1e-12);
        assert!(found.summary.ttft_s.is_none() && found.summary.e2e_s.is_none());
    }
}
