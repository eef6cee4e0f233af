//! Watermark: an entrant must leave a share of the memory free.
//! Source: the watermark of vLLM v0's block manager, Kwon et al., SOSP 2023.

/// Whether the head enters; `kept` is the share in tokens.
#[inline]
pub fn fits(after: i64, need: i64, memory: i64, kept: i64) -> bool {
    after + need <= memory - kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_stays_free() {
        assert!(fits(80, 10, 100, 10) && !fits(81, 10, 100, 10));
    }
}
