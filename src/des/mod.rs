//! Answer two: the exact event engine. One instance, iteration by iteration, on a fixed-point clock; leaping over iterations in
//! which the batch cannot change.

mod cluster;
mod freed;
mod instance;
pub mod link;
mod log;
mod memory;
mod objectives;
mod options;
pub mod pool;
pub mod predict;
pub mod prefix;
mod queue;
mod record;
mod sequence;
mod single;
mod source;

use crate::scenario::Scenario;

#[cfg(test)]
mod tests;

pub use options::Options;
pub use record::{
    ClassTally, Event, EventKind, Observer, Queues, Rejection, RequestRecord, Run, Sample, StepRecord, Totals, Window,
    Work,
};
pub(crate) use source::{Arrival, Source};
pub use source::{BLOCK_S, Feed};

/// Runs one trial of a validated scenario.
pub fn simulate(scenario: &Scenario, options: &Options) -> Run {
    if is_pool(scenario) {
        return pool::run(scenario, options, None);
    }
    if scenario.cluster.is_some() {
        return cluster::run(scenario, options, None);
    }
    single::run(scenario, options, None)
}

/// Runs one trial and shows `observer` every request, and every iteration if it wants them.
pub fn simulate_observed(scenario: &Scenario, options: &Options, observer: &mut dyn Observer) -> Run {
    if is_pool(scenario) {
        return pool::run(scenario, options, Some(observer));
    }
    if scenario.cluster.is_some() {
        return cluster::run(scenario, options, Some(observer));
    }
    single::run(scenario, options, Some(observer))
}

fn is_pool(scenario: &Scenario) -> bool {
    scenario.cluster.as_ref().is_some_and(|cluster| cluster.gpus.is_some())
}
