//! The limits of one serving instance.

use serde::{Deserialize, Serialize};

use super::error::{ScenarioError, require_at_least_one};

/// What one instance can hold and how much it does per iteration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// K: most sequences resident at once.
    pub max_sequences: u64,
    /// B: most tokens processed in one iteration; absent means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_batch_tokens: Option<u64>,
    /// M: KV memory in tokens; absent means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_tokens: Option<u64>,
    /// KV memory is handed out in blocks of this many tokens; 1 counts single tokens.
    #[serde(default = "one")]
    pub block_tokens: u64,
    /// Prompt tokens kept for later prompts that begin in the same way, beside the KV memory of the residents; absent means no
    /// prefix cache. Needs a trace that says which prompts do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_cache_tokens: Option<u64>,
}

fn one() -> u64 {
    1
}

impl Instance {
    /// # Errors
    /// A limit of zero, a batch that cannot hold one token per sequence, or memory below one block.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        require_at_least_one("max_sequences", self.max_sequences)?;
        require_at_least_one("block_tokens", self.block_tokens)?;
        if let Some(budget) = self.max_batch_tokens {
            require_at_least_one("max_batch_tokens", budget)?;
        }
        if let Some(tokens) = self.prefix_cache_tokens
            && !(1..=1 << 40).contains(&tokens)
        {
            let problem = format!("is `{tokens}`");
            return Err(ScenarioError::at(
                "prefix_cache_tokens",
                problem,
                "give from 1 to 2^40 tokens, or remove the key",
            ));
        }
        for (key, value) in [("max_sequences", self.max_sequences), ("block_tokens", self.block_tokens)] {
            if value > 1 << 24 {
                return Err(ScenarioError::at(key, format!("is `{value}`"), "keep it at most 16777216"));
            }
        }
        match self.kv_tokens {
            Some(tokens) if tokens < self.block_tokens => Err(ScenarioError::at(
                "kv_tokens",
                format!("is `{tokens}`, below one block of `{}` tokens", self.block_tokens),
                "give at least one block, or leave the key out for unlimited memory",
            )),
            Some(tokens) if tokens > 1 << 40 => {
                Err(ScenarioError::at("kv_tokens", format!("is `{tokens}`"), "keep it at most 2^40 tokens"))
            }
            _ => Ok(()),
        }
    }
}
