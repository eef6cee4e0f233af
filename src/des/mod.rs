//! Answer two: the exact event engine. One instance, iteration by iteration, on a fixed-point clock; leaping over iterations in
//! which the batch cannot change.

mod instance;
mod link;
mod log;
mod memory;
mod options;
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
pub use source::{BLOCK_S, Feed};

/// Runs one trial of a validated scenario.
pub fn simulate(scenario: &Scenario, options: &Options) -> Run {
    single::run(scenario, options, None)
}

/// Runs one trial and shows `observer` every request, and every iteration if it wants them.
pub fn simulate_observed(scenario: &Scenario, options: &Options, observer: &mut dyn Observer) -> Run {
    single::run(scenario, options, Some(observer))
}
