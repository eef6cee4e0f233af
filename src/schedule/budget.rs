//! How a mixed batch shares its token budget (Sarathi-Serve, Agrawal et al. 2024; vLLM v1): every decoding sequence gets one
//! token first, prompts get the rest in order of admission, the last of them only a chunk.

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

/// The chunk that the next prompt gets out of `left` tokens.
#[inline]
pub fn chunk(left: i64, unfinished: i64) -> i64 {
    left.min(unfinished)
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
}
