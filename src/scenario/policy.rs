//! The rules of one instance, by name. What they do is written once, in `schedule`.

use serde::{Deserialize, Serialize};

use super::error::{ScenarioError, require_non_negative};

/// Which engine's batching rules apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// Continuous batching as in vLLM v1: mixed iterations, decodes first, prompts chunked into what is left of the
    /// token budget.
    VllmV1,
    /// One request at a time, from its prompt to its last token.
    RunToCompletion,
}

/// When the head of the queue may enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Admission {
    /// As soon as what it holds after its next iteration fits.
    Greedy,
    /// Only when its peak, prompt + output, fits beside the peaks of all residents.
    Reserve,
}

/// What happens to a victim when KV memory runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preemption {
    /// Never preempt. Needs memory that cannot run out.
    None,
    /// Move the victim's KV to the host; it keeps its progress.
    Swap,
    /// Drop the victim's KV; prompt and generated tokens are prefilled again.
    Recompute,
}

/// The rules of one instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Batching rules.
    pub engine: Engine,
    /// Admission rule.
    pub admission: Admission,
    /// What happens to a victim.
    pub preemption: Preemption,
    /// Seconds per token that a swap adds to the iteration, each way; required with `preemption = "swap"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap_s_per_token: Option<f64>,
}

impl Policy {
    /// # Errors
    /// A swap without its cost, or a swap cost without a swap.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        match (self.preemption, self.swap_s_per_token) {
            (Preemption::Swap, None) => Err(ScenarioError::at(
                "swap_s_per_token",
                "is missing, and preemption is `swap`",
                "give the seconds that moving one token's KV takes (0 for a free swap)",
            )),
            (Preemption::Swap, Some(cost)) => require_non_negative("swap_s_per_token", cost),
            (_, Some(cost)) => Err(ScenarioError::at(
                "swap_s_per_token",
                format!("is `{cost}`, but preemption is not `swap`"),
                "remove the key or set preemption = \"swap\"",
            )),
            (_, None) => Ok(()),
        }
    }
}
