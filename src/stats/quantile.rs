//! Quantiles of a sorted sample and their intervals.

use statrs::distribution::{Binomial, DiscreteCDF};

use super::interval::Interval;

/// The type-7 quantile of Hyndman and Fan (1996), The American Statistician 50:361–365: linear between the order
/// statistics x₍₁₎ … x₍ₙ₎ at rank 1 + (n − 1)p. The default of NumPy and R.
///
/// `sorted` must ascend. `None` of an empty slice or of a `p` outside [0, 1].
pub fn quantile(sorted: &[f64], p: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    if !(0.0..=1.0).contains(&p) {
        return None;
    }
    let rank = last as f64 * p;
    let below = (rank.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let part = rank - below as f64;
    if part == 0.0 {
        return Some(sorted[below]);
    }
    Some(sorted[below] + part * (sorted[above] - sorted[below]))
}

/// Distribution-free interval of the `p` quantile of independent samples: [x₍l₎, x₍u₎] with
/// P(l ≤ Bin(n, p) ≤ u − 1) ≥ `confidence`, at most (1 − γ)/2 in either tail (David and Nagaraja, *Order Statistics*,
/// §7.1).
///
/// `sorted` must ascend. `None` where the sample is too small to hold such ranks, or of a `p` or `confidence` outside
/// (0, 1).
pub fn quantile_interval(sorted: &[f64], p: f64, confidence: f64) -> Option<Interval> {
    let inside = |x: f64| x > 0.0 && x < 1.0;
    if !inside(p) || !inside(confidence) {
        return None;
    }
    let mean = quantile(sorted, p)?;
    let law = Binomial::new(p, sorted.len() as u64).ok()?;
    let tail = 0.5 * (1.0 - confidence);
    // l is the largest rank with P(Bin ≤ l − 1) ≤ tail, u the smallest with P(Bin ≥ u) ≤ tail.
    let low = smallest(sorted.len() as u64, |k| law.cdf(k) > tail)?;
    let high = smallest(sorted.len() as u64, |k| law.sf(k) <= tail)? + 1;
    if low == 0 || high > sorted.len() as u64 {
        return None;
    }
    Some(Interval { mean, low: sorted[low as usize - 1], high: sorted[high as usize - 1] })
}

/// The smallest k in 0..=`last` that a monotone test accepts.
fn smallest(last: u64, accepts: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut low, mut high) = (0, last);
    while low < high {
        let middle = low + (high - low) / 2;
        if accepts(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    accepts(low).then_some(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn type_seven_by_hand() {
        let sorted = [1.0, 2.0, 4.0, 8.0];
        for (p, expected) in [(0.0, 1.0), (0.5, 3.0), (1.0 / 3.0, 2.0), (0.9, 6.8), (1.0, 8.0)] {
            assert_relative_eq!(quantile(&sorted, p).unwrap(), expected, max_relative = 1e-12);
        }
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&sorted, 1.1), None);
        assert_eq!(quantile(&[7.0], 0.99), Some(7.0));
        assert_eq!(quantile(&[1.0, f64::INFINITY], 0.0), Some(1.0));
    }

    #[test]
    fn median_of_ten_is_between_the_second_and_ninth() {
        // P(2 ≤ Bin(10, ½) ≤ 8) = .978516, the classical interval.
        let sorted: Vec<f64> = (1..=10).map(f64::from).collect();
        let found = quantile_interval(&sorted, 0.5, 0.95).unwrap();
        assert_eq!((found.low, found.mean, found.high), (2.0, 5.5, 9.0));
    }

    #[test]
    fn too_few_samples_bound_nothing() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile_interval(&sorted, 0.99, 0.95), None);
        assert_eq!(quantile_interval(&[], 0.5, 0.95), None);
        assert!(quantile_interval(&sorted, 0.9, 0.95).is_some());
    }

    #[test]
    fn the_interval_misses_at_most_one_time_in_twenty() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let missed = (0..2000)
            .filter(|_| {
                let mut sample: Vec<f64> = (0..400).map(|_| rng.random()).collect();
                sample.sort_by(f64::total_cmp);
                !quantile_interval(&sample, 0.95, 0.95).unwrap().contains(0.95)
            })
            .count();
        let rate = missed as f64 / 2000.0;
        assert!(rate > 0.02 && rate < 0.06, "{rate}");
    }
}
