//! Independent trials in parallel. Results come in order of the trial, whatever the number of threads.

use std::ops::Range;

use rayon::prelude::*;

use crate::des::{self, Options, Run};
use crate::scenario::Scenario;

/// Told after every finished piece of work, from any thread.
pub type Progress<'a> = &'a (dyn Fn() + Sync);

/// A listener that does nothing.
pub fn silent() {}

/// Runs `count` trials of one scenario, each on its own named streams.
pub fn run(scenario: &Scenario, options: &Options, count: u64, progress: Progress<'_>) -> Vec<Run> {
    numbered(scenario, options, 0..count, progress)
}

/// Runs the trials of these numbers.
pub fn numbered(scenario: &Scenario, options: &Options, numbers: Range<u64>, progress: Progress<'_>) -> Vec<Run> {
    numbers
        .into_par_iter()
        .map(|trial| {
            let run = des::simulate(scenario, &Options { trial, ..options.clone() });
            progress();
            run
        })
        .collect()
}
