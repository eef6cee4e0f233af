//! The question: what arrives, how long requests are, what serves them, under which rules.
//!
//! A [`Scenario`] is pure data, read from TOML or built in code, and checked once by [`Scenario::validate`], so that no later
//! room checks again.

pub mod arrivals;
pub mod error;
pub mod instance;
pub mod lengths;
pub mod load;
pub mod moments;
mod nearest;
pub mod overrides;
pub mod policy;
pub mod presets;
pub mod schema;
pub mod step_time;
pub mod time;
pub mod trace;
pub mod workload;

use serde::{Deserialize, Serialize};

pub use arrivals::ArrivalLaw;
pub use error::ScenarioError;
pub use instance::Instance;
pub use lengths::{LengthLaw, MixturePart};
pub use load::{load, open};
pub use moments::Moments;
pub use overrides::Override;
pub use policy::{Admission, Engine, Policy, Preemption};
pub use step_time::{StepNoise, StepTimeLaw};
pub use time::Time;
pub use workload::{Class, TraceMode, TraceSource, Workload};

#[cfg(test)]
mod bad_input_tests;

/// One serving question, for both solvers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Short name, used in reports and file names.
    pub name: String,
    /// What the scenario stands for and where its numbers come from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What arrives.
    pub workload: Workload,
    /// The limits of the instance.
    pub instance: Instance,
    /// The rules of the instance.
    pub policy: Policy,
    /// The iteration-time law.
    pub step_time: StepTimeLaw,
    /// Randomness of the iteration time.
    #[serde(default, skip_serializing_if = "StepNoise::is_none")]
    pub step_noise: StepNoise,
}

impl Scenario {
    /// Checks every value and every combination.
    ///
    /// # Errors
    /// The first problem found, with its key, value and remedy.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        self.validate_name()?;
        self.workload.validate().map_err(|error| error.under("workload"))?;
        self.instance.validate().map_err(|error| error.under("instance"))?;
        self.policy.validate().map_err(|error| error.under("policy"))?;
        self.step_time.validate().map_err(|error| error.under("step_time"))?;
        self.validate_memory()
    }

    /// File names are made from the name.
    fn validate_name(&self) -> Result<(), ScenarioError> {
        let unfit = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c);
        if self.name.trim().is_empty() || self.name.len() > 100 || self.name.contains(unfit) {
            return Err(ScenarioError::at(
                "name",
                format!("is `{}`", self.name.escape_debug()),
                "give 1 to 100 characters that can be part of a file name, such as letters, digits and `-`",
            ));
        }
        Ok(())
    }

    /// K of the instance under its engine: 1 for run-to-completion.
    pub fn sequence_cap(&self) -> u64 {
        match self.policy.engine {
            Engine::VllmV1 => self.instance.max_sequences,
            Engine::RunToCompletion => 1,
        }
    }

    /// Longest prompt + output that can arrive; none when unbounded.
    pub fn longest_request(&self) -> Option<u64> {
        if let Some(source) = &self.workload.trace {
            return source.requests.requests.iter().map(|request| request.prompt + request.output).max();
        }
        let peaks = self.workload.class.iter().map(|class| Some(class.prompt.longest()? + class.output.longest()?));
        peaks.into_iter().try_fold(0, |longest, peak| Some(longest.max(peak?)))
    }

    /// Greedy admission without preemption is allowed only where memory cannot run out.
    fn validate_memory(&self) -> Result<(), ScenarioError> {
        let Some(memory) = self.instance.kv_tokens else { return Ok(()) };
        if self.policy.admission == Admission::Reserve || self.policy.preemption != Preemption::None {
            return Ok(());
        }
        let block = self.instance.block_tokens;
        let need = self
            .longest_request()
            .map(|peak| peak.min(memory).div_ceil(block) * block)
            .and_then(|peak| peak.checked_mul(self.sequence_cap()));
        if need.is_some_and(|need| need <= memory) {
            return Ok(());
        }
        Err(ScenarioError::at(
            "policy.preemption",
            format!("is `none` under greedy admission, and {memory} KV tokens can run out"),
            "choose admission = \"reserve\", preemption = \"recompute\" or \"swap\", or more kv_tokens",
        ))
    }
}
