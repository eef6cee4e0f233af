//! More than one instance. Replicas and groups are answered by the law of one instance under its share of the traffic; what the
//! router adds is a correction of the wait for a slot. A prefill pool, a link and a decode pool follow one another. A pool of GPUs is
//! a Markov chain of its own.

mod chain;
mod combine;
mod disaggregated;
mod gangs;
mod part;
mod pool;
mod replicas;
mod scope;
mod split;
#[cfg(test)]
mod tests;
mod wait;

use crate::answer::FluidSolution;
use crate::scenario::{Cluster, Scenario};

pub(super) use scope::refusal;

/// Answers a scenario with a cluster.
pub(super) fn solve(scenario: &Scenario, cluster: &Cluster) -> FluidSolution {
    match (cluster.gpus, &cluster.prefill) {
        (Some(gpus), _) => gangs::solve(scenario, gpus),
        (None, Some(pool)) => disaggregated::solve(scenario, cluster, pool),
        (None, None) => replicas::solve(scenario, cluster),
    }
}
