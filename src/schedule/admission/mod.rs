//! Who may enter: what a request must find free. One rule a file.
//!
//! Everywhere `after` is what residents and entrants so far will have allocated at the end of the iteration, `need` the blocks that the
//! request holds after its next token, both in tokens; DESIGN.md, "Admission".

pub mod greedy;
pub mod look_ahead;
pub mod nested_wait;
pub mod quota;
pub mod reserve;
pub mod threshold;
pub mod wait;
pub mod watermark;

/// `tokens` rounded up to whole blocks.
#[inline]
pub fn in_blocks(tokens: i64, block: i64) -> i64 {
    if block == 1 { tokens } else { (tokens + block - 1) / block * block }
}

/// A share of the memory in tokens, rounded up; a product that is whole but for its last bit counts as whole.
pub fn share_of(memory: i64, share: f64) -> i64 {
    (share * memory as f64 - 1e-9).ceil() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_whole() {
        assert_eq!([0, 1, 16, 17].map(|tokens| in_blocks(tokens, 16)), [0, 16, 16, 32]);
        assert_eq!(in_blocks(17, 1), 17);
    }

    #[test]
    fn shares_are_rounded_up() {
        assert_eq!([0.5, 0.9, 0.001].map(|share| share_of(1000, share)), [500, 900, 1]);
        assert_eq!(share_of(7, 0.5), 4);
    }
}
