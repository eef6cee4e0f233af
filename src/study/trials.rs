//! Independent trials in parallel. Results come in order of the trial, whatever the number of threads.

use rayon::prelude::*;

use crate::des::{self, Options, Run};
use crate::scenario::Scenario;

/// Told after every finished piece of work, from any thread.
pub type Progress<'a> = &'a (dyn Fn() + Sync);

/// A listener that does nothing.
pub fn silent() {}

/// Runs `count` trials of one scenario, each on its own named streams.
pub fn run(scenario: &Scenario, options: &Options, count: u64, progress: Progress<'_>) -> Vec<Run> {
    (0..count)
        .into_par_iter()
        .map(|trial| {
            let run = des::simulate(scenario, &Options { trial, ..options.clone() });
            progress();
            run
        })
        .collect()
}
