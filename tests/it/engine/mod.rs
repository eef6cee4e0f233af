//! The event engine held to account: against a naive reference (bit for bit), against conservation laws (exactly), and against
//! published and independently simulated figures (within intervals).

mod cluster;
mod differential;
mod kernels;
pub mod notes;
mod oracle_reference;
mod oracles;
mod properties;
mod random;
mod reference;
mod rule_examples;
mod work;

use fluidsim::des::{Observer, RequestRecord, StepRecord};

use notes::scenario;

/// Keeps everything it is shown.
#[derive(Debug, Default)]
struct Watcher {
    requests: Vec<RequestRecord>,
    steps: Vec<StepRecord>,
    wants_steps: bool,
}

impl Watcher {
    fn of_steps() -> Self {
        Self { wants_steps: true, ..Self::default() }
    }
}

impl Observer for Watcher {
    fn request(&mut self, request: &RequestRecord) {
        self.requests.push(*request);
    }

    fn step(&mut self, step: &StepRecord) {
        self.steps.push(*step);
    }

    fn wants_steps(&self) -> bool {
        self.wants_steps
    }
}
