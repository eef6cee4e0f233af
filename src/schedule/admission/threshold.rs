//! Threshold: nobody enters while the residents hold a share of the memory or more.
//! Source: α-protection, Jaillet et al. 2025, arXiv 2502.07115, and the limit on usage of several servers.

/// Whether admission is open while `held` tokens are allocated; `mark` is the share in tokens.
#[inline]
pub fn is_open(held: i64, mark: i64) -> bool {
    held < mark
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admission_stops_at_the_mark() {
        assert!(is_open(499, 500) && !is_open(500, 500));
    }
}
