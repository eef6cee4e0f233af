//! More than one instance. Replicas and groups are answered by the law of one instance under its share of the traffic; what the
//! router adds is a correction of the wait for a slot. A prefill pool, a link and a decode pool follow one another. A pool of GPUs is
//! a Markov chain of its own.

mod chain;
mod combine;
mod disaggregated;
mod effect;
mod gangs;
mod part;
mod pool;
mod replicas;
mod scope;
mod split;
#[cfg(test)]
mod tests;
mod wait;

use crate::answer::{Boundary, FluidSolution, Limit, Method};
use crate::scenario::{Cluster, Scenario};

use part::Stage;
use pool::Pool;

pub(super) use scope::refusal;

/// Answers a scenario with a cluster.
pub(super) fn solve(scenario: &Scenario, cluster: &Cluster) -> FluidSolution {
    match (cluster.gpus, &cluster.prefill) {
        (Some(gpus), _) => gangs::solve(scenario, gpus),
        (None, Some(pool)) => disaggregated::solve(scenario, cluster, pool),
        (None, None) => replicas::solve(scenario, cluster),
    }
}

/// λ* of unlike instances behind a router from `alone`, λ* of an instance on its own with the classes that it serves. None where the
/// instances are alike or stand one behind another, so that a saturated run of them all tells it.
pub fn capacity_of_members(scenario: &Scenario, alone: &dyn Fn(&Scenario) -> f64) -> Option<f64> {
    let cluster = scenario.cluster.as_ref().filter(|cluster| cluster.gpus.is_none() && cluster.prefill.is_none())?;
    let parts = replicas::parts(scenario, cluster, Stage::Whole);
    let pool = Pool::new(parts, cluster, cluster.routing, &scenario.workload);
    let boundary = |rate: f64| Boundary {
        high_per_s: rate,
        low_per_s: rate,
        bracket_per_s: (rate, rate),
        binding: Limit::ComputeRate,
        runner_up: None,
        method: Method::Simulated,
    };
    (pool.parts.len() > 1).then(|| pool.capacity_by(&|part| boundary(alone(&part.scenario))).boundary.low_per_s)
}
