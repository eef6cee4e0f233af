//! How a batch shares its token budget: what is left for prompts beside the decodes, and the chunk that a prompt gets.
//!
//! Decodes first, prompts in chunks: Sarathi-Serve (Agrawal et al. 2024), vLLM v1. Whole prompts: FasterTransformer, Orca (Yu et
//! al. 2022), vLLM v0 (Kwon et al. 2023).

use crate::scenario::Prompts;

/// Tokens left for prompts in an iteration with `decodes` decoding sequences.
#[inline]
pub fn prefill_budget(budget: i64, decodes: i64) -> i64 {
    (budget - decodes).max(0)
}

/// The same in reals, for the fluid.
#[inline]
pub fn prefill_budget_fluid(budget: f64, decodes: f64) -> f64 {
    (budget - decodes).max(0.0)
}

/// The tokens that a prompt with `unfinished` tokens gets out of `left`; 0 when it must wait. `longest` is the longest chunk.
#[inline]
pub fn share(prompts: Prompts, left: i64, longest: i64, unfinished: i64) -> i64 {
    match prompts {
        Prompts::Whole if unfinished > left => 0,
        Prompts::Whole => unfinished,
        Prompts::Chunked | Prompts::Present => left.min(longest).min(unfinished),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_rule_agree() {
        for (budget, decodes) in [(2048, 0), (2048, 100), (128, 128), (10, 20)] {
            assert_eq!(prefill_budget(budget, decodes) as f64, prefill_budget_fluid(budget as f64, decodes as f64));
        }
    }

    #[test]
    fn whole_prompts_are_not_cut() {
        assert_eq!(share(Prompts::Whole, 100, 16, 101), 0);
        assert_eq!(share(Prompts::Whole, 100, 16, 100), 100);
        assert_eq!(share(Prompts::Chunked, 100, 16, 100), 16);
        assert_eq!(share(Prompts::Chunked, 7, 16, 100), 7);
    }
}
