//! Who may enter: the KV room that a request must find.

use crate::scenario::Admission;

/// KV tokens that the head of the queue must find free (greedy) or unreserved (reserve). `progress` is the number of output
/// tokens that it has made already; after its next iteration it holds prompt + progress + 1.
///
/// Greedy looks at the whole prompt even when the token budget will chunk it, so that an admitted prompt can be finished.
#[inline]
pub fn room_needed(rule: Admission, prompt: i64, output: i64, progress: i64) -> i64 {
    match rule {
        Admission::Reserve => prompt + output,
        _ => prompt + progress + 1,
    }
}

/// The same in reals under greedy admission, for the fluid.
#[inline]
pub fn room_needed_fluid(prompt: f64, progress: f64) -> f64 {
    prompt + progress + 1.0
}

/// `tokens` rounded up to whole blocks.
#[inline]
pub fn in_blocks(tokens: i64, block: i64) -> i64 {
    if block == 1 { tokens } else { (tokens + block - 1) / block * block }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_rule_agree() {
        for (prompt, progress) in [(1, 0), (100, 0), (100, 57)] {
            let exact = room_needed(Admission::Greedy, prompt, 200, progress);
            assert_eq!(exact as f64, room_needed_fluid(prompt as f64, progress as f64));
        }
    }

    #[test]
    fn blocks_are_whole() {
        assert_eq!([0, 1, 16, 17].map(|tokens| in_blocks(tokens, 16)), [0, 16, 16, 32]);
        assert_eq!(in_blocks(17, 1), 17);
    }
}
