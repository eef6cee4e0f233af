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

/// Whether `missed` misses of `total` intervals are neither too many nor too few for a miss rate of `rate`: exact binomial test, at most
/// `alpha`/2 in either tail. Intervals that never miss are too wide, and as wrong as those that miss too often.
///
/// ```
/// use fluidsim::stats::coverage::is_nominal;
/// // P(X = 0) = .95¹⁰⁰ = .006, P(X ≥ 12) = .0043 of a hundred intervals.
/// assert!(is_nominal(5, 100, 0.05, 0.01) && !is_nominal(12, 100, 0.05, 0.01) && !is_nominal(0, 200, 0.05, 0.01));
/// ```
pub fn is_nominal(missed: u64, total: u64, rate: f64, alpha: f64) -> bool {
    let few = Binomial::new(rate, total).is_ok_and(|law| law.cdf(missed) > alpha / 2.0);
    few && is_consistent(missed, total, rate, alpha / 2.0)
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

    #[test]
    fn both_tails_count() {
        assert!(is_nominal(0, 20, 0.05, 0.01));
        // P(X = 0) = .95^103 = .0051, .95^104 = .0048.
        assert!(is_nominal(0, 103, 0.05, 0.01) && !is_nominal(0, 104, 0.05, 0.01));
        assert!(!is_nominal(5, 100, 1.5, 0.01));
    }
}
