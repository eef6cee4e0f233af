//! How an engine forms batches: names for known combinations, and the parts that they combine.

use serde::{Deserialize, Serialize};

use super::error::ScenarioError;

/// A known combination of batching rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// Continuous batching as in vLLM v1: mixed iterations, decodes first, prompts chunked into what is left of the
    /// token budget.
    VllmV1,
    /// One request at a time, from its prompt to its last token.
    RunToCompletion,
    /// Static batches as in FasterTransformer: a batch of prompts, then its decodes until the last has finished.
    Static,
    /// Iteration-level batching as in Orca: mixed iterations, whole prompts first.
    Orca,
    /// vLLM v0: iterations of whole prompts whenever one can enter, otherwise of decodes.
    VllmV0,
    /// Sarathi-Serve: mixed iterations, decodes first, then chunks of prompts.
    Sarathi,
    /// The decode node of a disaggregated server (seed 000): prompts arrive with their KV.
    DecodeNode,
    /// Seed 001: decodes whenever there are any, otherwise prompts.
    DecodePrioritizing,
    /// Seed 001: prompts whenever there are any, otherwise decodes; only a batch is capped, not the residents.
    PrefillPrioritizing,
    /// Seed 001: every batch is split between decodes and prompts; only a batch is capped, not the residents.
    Hybrid,
}

/// Whether one iteration can hold prompts and decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mixing {
    /// Prompts and decodes together.
    Mixed,
    /// Only prompts or only decodes.
    Exclusive,
}

/// Who gets tokens first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// Decodes.
    DecodeFirst,
    /// Prompts.
    PrefillFirst,
    /// Both: `decode_share` of the sequences of a batch decode, the others are prompts.
    Split,
}

/// How prompts are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prompts {
    /// A prompt is processed in one iteration.
    Whole,
    /// A prompt takes what is left of the budget, and at most `chunk_tokens`.
    Chunked,
    /// Prompts were processed elsewhere: requests arrive with their KV.
    Present,
}

/// What happens at a request that does not fit into the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Packing {
    /// Nobody behind it enters either.
    Strict,
    /// Those behind it that fit enter.
    Fill,
}

/// What `max_sequences` limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SequenceLimit {
    /// The residents.
    Residents,
    /// The sequences that take part in one iteration.
    Batch,
}

/// What a mixed iteration costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MixedCost {
    /// One iteration over all its tokens.
    Sum,
    /// The longer of two iterations, one of its prompts and one of its decodes (seed 001).
    Max,
}

/// Which iteration emits a request's first token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirstToken {
    /// The one that ends its prompt.
    Prefill,
    /// Its first decode.
    Decode,
}

/// What the token budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BudgetCounts {
    /// Tokens processed.
    Processed,
    /// KV tokens held at the end of the iteration by the sequences in it (seed 000). At least one sequence takes part.
    Context,
}

/// Parts of the batching rules that differ from what the engine's name says.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batching {
    /// Whether one iteration can hold prompts and decodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixing: Option<Mixing>,
    /// Who gets tokens first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// With `priority = "split"`: the share of the sequences of a batch that decode; 0.5 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_share: Option<f64>,
    /// How prompts are cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompts: Option<Prompts>,
    /// With chunked prompts: the longest chunk that one prompt gets in an iteration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_tokens: Option<u64>,
    /// What happens at a request that does not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packing: Option<Packing>,
    /// What `max_sequences` limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_limit: Option<SequenceLimit>,
    /// What a mixed iteration costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixed_cost: Option<MixedCost>,
    /// Which iteration emits the first token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token: Option<FirstToken>,
    /// What the token budget counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_counts: Option<BudgetCounts>,
}

/// The batching rules with every part decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchRules {
    /// Whether one iteration can hold prompts and decodes.
    pub mixing: Mixing,
    /// Who gets tokens first.
    pub priority: Priority,
    /// Share of the sequences of a split batch that decode.
    pub decode_share: f64,
    /// How prompts are cut.
    pub prompts: Prompts,
    /// The longest chunk that one prompt gets in an iteration.
    pub chunk_tokens: Option<u64>,
    /// What happens at a request that does not fit.
    pub packing: Packing,
    /// What `max_sequences` limits.
    pub sequence_limit: SequenceLimit,
    /// What a mixed iteration costs.
    pub mixed_cost: MixedCost,
    /// Which iteration emits the first token.
    pub first_token: FirstToken,
    /// What the token budget counts.
    pub budget_counts: BudgetCounts,
}

impl Engine {
    /// Every engine.
    pub const ALL: [Self; 10] = [
        Self::VllmV1,
        Self::RunToCompletion,
        Self::Static,
        Self::Orca,
        Self::VllmV0,
        Self::Sarathi,
        Self::DecodeNode,
        Self::DecodePrioritizing,
        Self::PrefillPrioritizing,
        Self::Hybrid,
    ];

    /// The parts that this engine combines.
    pub fn rules(self) -> BatchRules {
        let v1 = BatchRules {
            mixing: Mixing::Mixed,
            priority: Priority::DecodeFirst,
            decode_share: 0.5,
            prompts: Prompts::Chunked,
            chunk_tokens: None,
            packing: Packing::Strict,
            sequence_limit: SequenceLimit::Residents,
            mixed_cost: MixedCost::Sum,
            first_token: FirstToken::Prefill,
            budget_counts: BudgetCounts::Processed,
        };
        let whole = BatchRules { prompts: Prompts::Whole, ..v1 };
        let seed = BatchRules { first_token: FirstToken::Decode, sequence_limit: SequenceLimit::Batch, ..whole };
        match self {
            Self::VllmV1 | Self::RunToCompletion | Self::Sarathi => v1,
            Self::Static => BatchRules { mixing: Mixing::Exclusive, ..whole },
            Self::Orca => BatchRules { priority: Priority::PrefillFirst, ..whole },
            Self::VllmV0 => BatchRules { mixing: Mixing::Exclusive, priority: Priority::PrefillFirst, ..whole },
            Self::DecodeNode => BatchRules {
                prompts: Prompts::Present,
                first_token: FirstToken::Decode,
                budget_counts: BudgetCounts::Context,
                ..v1
            },
            Self::DecodePrioritizing => BatchRules { mixing: Mixing::Exclusive, ..seed },
            Self::PrefillPrioritizing => {
                BatchRules { mixing: Mixing::Exclusive, priority: Priority::PrefillFirst, ..seed }
            }
            Self::Hybrid => BatchRules { priority: Priority::Split, ..seed },
        }
    }
}

impl Batching {
    /// Whether nothing differs from the engine.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The rules of `engine` with these parts put over them.
    pub fn over(&self, engine: Engine) -> BatchRules {
        let usual = engine.rules();
        // A chunk length means that prompts are chunked.
        let cut = if self.chunk_tokens.is_some() { Prompts::Chunked } else { usual.prompts };
        BatchRules {
            mixing: self.mixing.unwrap_or(usual.mixing),
            priority: self.priority.unwrap_or(usual.priority),
            decode_share: self.decode_share.unwrap_or(usual.decode_share),
            prompts: self.prompts.unwrap_or(cut),
            chunk_tokens: self.chunk_tokens,
            packing: self.packing.unwrap_or(usual.packing),
            sequence_limit: self.sequence_limit.unwrap_or(usual.sequence_limit),
            mixed_cost: self.mixed_cost.unwrap_or(usual.mixed_cost),
            first_token: self.first_token.unwrap_or(usual.first_token),
            budget_counts: self.budget_counts.unwrap_or(usual.budget_counts),
        }
    }

    /// # Errors
    /// A part outside its domain, or parts that contradict each other.
    pub fn validate(&self, engine: Engine) -> Result<(), ScenarioError> {
        let rules = self.over(engine);
        if let Some(share) = self.decode_share {
            if !(share > 0.0 && share < 1.0) {
                return Err(ScenarioError::at(
                    "decode_share",
                    format!("is `{share}`"),
                    "give a share above 0 and below 1",
                ));
            }
            if rules.priority != Priority::Split {
                return Err(ScenarioError::at(
                    "decode_share",
                    "is given, but priority is not `split`",
                    "remove the key or set priority = \"split\"",
                ));
            }
        }
        if let Some(tokens) = self.chunk_tokens {
            if !(1..=1 << 40).contains(&tokens) {
                return Err(ScenarioError::at(
                    "chunk_tokens",
                    format!("is `{tokens}`"),
                    "give at least 1, at most 2^40",
                ));
            }
            if rules.prompts != Prompts::Chunked {
                return Err(ScenarioError::at(
                    "chunk_tokens",
                    "is given, but prompts are not `chunked`",
                    "remove the key or set prompts = \"chunked\"",
                ));
            }
        }
        if rules.mixing == Mixing::Exclusive && rules.priority == Priority::Split {
            return Err(ScenarioError::at(
                "priority",
                "is `split`, but mixing is `exclusive`",
                "set mixing = \"mixed\", or let one kind go first",
            ));
        }
        if rules.prompts == Prompts::Present && rules.mixing == Mixing::Exclusive {
            return Err(ScenarioError::at(
                "mixing",
                "is `exclusive`, but prompts are `present` and there is nothing to keep apart",
                "set mixing = \"mixed\"",
            ));
        }
        if rules.budget_counts == BudgetCounts::Context && rules.prompts != Prompts::Present {
            return Err(ScenarioError::at(
                "budget_counts",
                "is `context`, but prompts are processed here",
                "set prompts = \"present\" or budget_counts = \"processed\"",
            ));
        }
        if rules.mixed_cost == MixedCost::Max && rules.mixing == Mixing::Exclusive {
            return Err(ScenarioError::at(
                "mixed_cost",
                "is `max`, but no iteration is mixed",
                "remove the key or set mixing = \"mixed\"",
            ));
        }
        Ok(())
    }
}
