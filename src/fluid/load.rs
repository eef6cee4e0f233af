//! A scenario reduced to what the laws need: the limits, the step law and the moments of what one request brings.

use statrs::function::erf::erfc;

use super::slots::Wait;
use crate::cost::{mean_step_s, per_context_token_s};
use crate::scenario::moments::usable_memory;
use crate::scenario::{Moments, Scenario, StepTimeLaw};
use crate::schedule::budget;

/// The limits of an instance and what one request brings to them.
pub(super) struct Load<'a> {
    /// The question.
    pub scenario: &'a Scenario,
    /// Moments of the served requests.
    pub moments: Moments,
    /// λ of the served requests.
    pub served_per_s: f64,
    /// K.
    pub cap: f64,
    /// B, infinite when there is none.
    pub budget: f64,
    /// M in whole blocks.
    pub memory: Option<f64>,
    /// P(s > k).
    pub prompt_survival: Vec<f64>,
    /// The wait for a slot, when a router makes it another than the instance's own under Poisson arrivals.
    pub routed: Option<Wait>,
}

/// What prompts become when they are cut into chunks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunks {
    /// E\[number of iterations that work on a prompt\].
    pub steps: f64,
    /// E\[Σ tokens of the prompt already written, over the iterations before its last\].
    pub held: f64,
}

impl<'a> Load<'a> {
    pub fn of(scenario: &'a Scenario) -> Self {
        let moments = Moments::of(scenario);
        let mut above = 1.0;
        let survive = |mass: &f64| {
            above -= mass;
            above.max(0.0)
        };
        let prompt_survival = moments.prompt_masses.iter().map(survive).collect();
        let served_per_s = scenario.workload.rate() * (1.0 - moments.rejected);
        Self {
            scenario,
            served_per_s,
            cap: scenario.sequence_cap() as f64,
            budget: scenario.instance.max_batch_tokens.map_or(f64::INFINITY, |tokens| tokens as f64),
            memory: usable_memory(scenario).map(|tokens| tokens as f64),
            prompt_survival,
            moments,
            routed: None,
        }
    }

    pub fn law(&self) -> &StepTimeLaw {
        &self.scenario.step_time
    }

    /// τ of the mean-field law.
    pub fn step_s(&self, tokens: f64, context: f64) -> f64 {
        mean_step_s(self.law(), tokens, context)
    }

    /// d2.
    pub fn per_context_s(&self) -> f64 {
        per_context_token_s(self.law())
    }

    /// E\[o\].
    pub fn output(&self) -> f64 {
        self.moments.output_mean()
    }

    /// E\[s\].
    pub fn prompt(&self) -> f64 {
        self.moments.prompt_mean()
    }

    /// E\[w\].
    pub fn work(&self) -> f64 {
        self.moments.work_mean()
    }

    /// (β − 1)/2: KV tokens lost per resident to its last block.
    pub fn block_waste(&self) -> f64 {
        (self.scenario.instance.block_tokens as f64 - 1.0) / 2.0
    }

    /// The prompts in chunks of at most `chunk` tokens, when a share `busy` of them finds the prefill budget used up: those
    /// start at a random place of an iteration and meet s/chunk + 1 of them, the others ⌈s/chunk⌉. Prompts that all fit a
    /// chunk are taken as whole.
    pub fn chunks(&self, chunk: f64, busy: f64) -> Chunks {
        let longest = (self.moments.prompt_masses.len() - 1) as f64;
        if chunk >= longest {
            return Chunks { steps: 1.0, held: 0.0 };
        }
        let chunk = chunk.max(1.0);
        let (mut steps, mut held) = (1.0, 0.0);
        let mut count = 1.0;
        while let Some(above) = self.prompt_survival.get((count * chunk) as usize) {
            steps += above;
            held += above * chunk * count;
            count += 1.0;
        }
        let busy = busy.clamp(0.0, 1.0);
        let prompt = self.prompt();
        let squared = self.moments.raw(2, 0);
        Chunks {
            steps: (1.0 - busy) * steps + busy * (prompt / chunk + 1.0),
            held: (1.0 - busy) * held + busy * (squared / (2.0 * chunk)),
        }
    }

    /// The chunks at a flow of `flow` requests per iteration, n = flow·(E[o] − 1) of them decoding.
    pub fn chunks_at(&self, flow: f64) -> Chunks {
        let chunk = budget::prefill_budget_fluid(self.budget, flow * (self.output() - 1.0)).max(1.0);
        let spread = (flow * self.moments.raw(2, 0)).sqrt().max(f64::MIN_POSITIVE);
        let overflow = 0.5 * erfc((chunk - flow * self.prompt()) / (spread * std::f64::consts::SQRT_2));
        self.chunks(chunk, overflow)
    }
}
