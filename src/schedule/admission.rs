//! Who may enter: the KV room that a request must find.

use crate::scenario::Admission;

/// KV tokens that the head of the queue must find free (greedy) or unreserved (reserve). `progress` is the number of output
/// tokens that it has made already; after its next iteration it holds prompt + progress + 1.
///
/// Greedy looks at the whole prompt even when the token budget will chunk it, so that an admitted prompt can be finished.
#[inline]
pub fn room_needed(rule: Admission, prompt: i64, output: i64, progress: i64) -> i64 {
    match rule {
        Admission::Greedy => prompt + progress + 1,
        Admission::Reserve => prompt + output,
    }
}

/// `tokens` rounded up to whole blocks.
#[inline]
pub fn in_blocks(tokens: i64, block: i64) -> i64 {
    if block == 1 { tokens } else { (tokens + block - 1) / block * block }
}
