//! Whether intervals miss as often as they say.

use statrs::distribution::{Binomial, DiscreteCDF};

/// Whether `missed` misses of `total` intervals are not too many for a miss rate of `rate`: the chance of that many or more is
/// above `alpha` (exact binomial test, one-sided).
pub fn is_consistent(missed: u64, total: u64, rate: f64, alpha: f64) -> bool {
    if missed == 0 {
        return true;
    }
    Binomial::new(rate, total).is_ok_and(|law| law.sf(missed - 1) > alpha)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_miss_in_twenty_is_usual_and_five_are_not() {
        assert!(is_consistent(0, 20, 0.05, 0.001));
        assert!(is_consistent(1, 20, 0.05, 0.001));
        // P(X ≥ 5) = .0026, P(X ≥ 6) = .0003 for twenty trials at .05.
        assert!(is_consistent(5, 20, 0.05, 0.001));
        assert!(!is_consistent(6, 20, 0.05, 0.001));
    }
}
