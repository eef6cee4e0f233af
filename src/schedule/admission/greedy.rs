//! Greedy: the head enters as soon as what it holds after its next token fits beside all others.
//! Source: vLLM, Kwon et al., SOSP 2023, which looks at the next chunk only; here the whole prompt must fit, so that an admitted prompt
//! can be finished.

/// KV tokens that a request must find free; `progress` is the number of output tokens that it has made already.
#[inline]
pub fn room_needed(prompt: i64, progress: i64) -> i64 {
    prompt + progress + 1
}

/// The same in reals, for the fluid.
#[inline]
pub fn room_needed_fluid(prompt: f64, progress: f64) -> f64 {
    prompt + progress + 1.0
}

/// Whether the head enters.
#[inline]
pub fn fits(after: i64, need: i64, memory: i64) -> bool {
    after + need <= memory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_rule_agree() {
        for (prompt, progress) in [(1, 0), (100, 0), (100, 57)] {
            assert_eq!(room_needed(prompt, progress) as f64, room_needed_fluid(prompt as f64, progress as f64));
        }
    }

    #[test]
    fn memory_can_be_filled_to_the_last_token() {
        assert!(fits(90, 10, 100) && !fits(90, 11, 100));
    }
}
