//! Answer two: the exact event engine. One instance, iteration by iteration, on a fixed-point clock; leaping over iterations in
//! which the batch cannot change.

mod batch;
mod engine;
pub mod link;
mod log;
mod memory;
mod options;
pub mod pool;
pub mod predict;
pub mod prefix;
mod record;
mod sequence;
mod source;

use crate::scenario::Scenario;

#[cfg(test)]
mod tests;

pub use engine::Run;
pub use options::Options;
pub use record::{
    ClassTally, Event, EventKind, Observer, Queues, Rejection, RequestRecord, Sample, StepRecord, Totals, Window, Work,
};
pub use source::{BLOCK_S, Feed};

/// Runs one trial of a validated scenario.
pub fn simulate(scenario: &Scenario, options: &Options) -> Run {
    if is_pool(scenario) {
        return pool::run(scenario, options, None);
    }
    engine::Engine::new(scenario, options, None).run()
}

/// Runs one trial and shows `observer` every request, and every iteration if it wants them.
pub fn simulate_observed(scenario: &Scenario, options: &Options, observer: &mut dyn Observer) -> Run {
    if is_pool(scenario) {
        return pool::run(scenario, options, Some(observer));
    }
    engine::Engine::new(scenario, options, Some(observer)).run()
}

fn is_pool(scenario: &Scenario) -> bool {
    scenario.cluster.as_ref().is_some_and(|cluster| cluster.gpus.is_some())
}
