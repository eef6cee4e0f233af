//! The event engine held to account: against a naive reference (bit for bit), against conservation laws (exactly), and against
//! published and independently simulated figures (within intervals).

mod cluster;
mod differential;
mod oracle_reference;
mod oracles;
mod properties;
mod random;
mod reference;
mod rule_examples;

use fluidsim::des::{Observer, RequestRecord, StepRecord};
use fluidsim::scenario::{
    Admission, ArrivalLaw, Class, Engine, Instance, LengthLaw, Policy, Preemption, Scenario, Slo, StepNoise,
    StepTimeLaw, Workload,
};

/// One class, Poisson arrivals, nothing that limits but `sequences`.
fn scenario(prompt: LengthLaw, output: LengthLaw, rate: f64, sequences: u64, law: StepTimeLaw) -> Scenario {
    Scenario {
        name: "test".into(),
        description: String::new(),
        workload: Workload {
            rate_per_s: Some(rate),
            arrivals: ArrivalLaw::Poisson {},
            class: vec![Class::new("only", prompt, output)],
            trace: None,
            slo: Slo::default(),
        },
        instance: Instance {
            max_sequences: sequences,
            max_batch_tokens: None,
            kv_tokens: None,
            block_tokens: 1,
            prefix_cache_tokens: None,
        },
        policy: Policy::of(Engine::VllmV1, Admission::Greedy, Preemption::None),
        step_time: law,
        step_noise: StepNoise::None,
        cluster: None,
    }
}

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
