//! Confidence intervals of means, proportions, ratios and differences.
//!
//! Samples are taken as independent: values of separate trials, or means of batches long enough to be nearly so (Law,
//! *Simulation Modeling and Analysis*, 5th ed., §9.5). Batch means therefore need no function of their own: give the
//! batch values to [`mean_interval`], or (sum, count) pairs to [`ratio_interval`] when the batches hold different
//! numbers of requests.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::moments::Accumulator;

/// An estimate with the two ends of its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The estimate.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// `mean` ± `half_width`.
    pub fn around(mean: f64, half_width: f64) -> Self {
        Self { mean, low: mean - half_width, high: mean + half_width }
    }

    /// Whether `value` lies in the closed interval.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Half of the interval's width.
    pub fn half_width(&self) -> f64 {
        0.5 * (self.high - self.low)
    }
}

/// Interval of the mean, x̄ ± t_{n−1,(1+γ)/2} s/√n (Student 1908).
///
/// `None` of fewer than two samples, of a sample that is not finite, or of a `confidence` outside (0, 1).
pub fn mean_interval(samples: &[f64], confidence: f64) -> Option<Interval> {
    let seen = accumulate(samples)?;
    let t = student_t(confidence, seen.count() as f64 - 1.0)?;
    Some(Interval::around(seen.mean()?, t * seen.standard_error()?))
}

/// Interval of a proportion by the score method of Wilson (1927), JASA 22:209–212:
/// (p̂ + z²/2n ± z √(p̂(1−p̂)/n + z²/4n²)) / (1 + z²/n). `mean` is p̂ itself, which need not be the middle.
///
/// `None` without trials, with more successes than trials, or with a `confidence` outside (0, 1).
pub fn proportion_interval(successes: u64, trials: u64, confidence: f64) -> Option<Interval> {
    if trials == 0 || successes > trials {
        return None;
    }
    let z = normal_z(confidence)?;
    let n = trials as f64;
    let share = successes as f64 / n;
    let scale = 1.0 + z * z / n;
    let middle = (share + z * z / (2.0 * n)) / scale;
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt() / scale;
    // At no success and at all successes the formula ends exactly at 0 and 1; rounding must not cross them.
    let low = if successes == 0 { 0.0 } else { (middle - half).max(0.0) };
    let high = if successes == trials { 1.0 } else { (middle + half).min(1.0) };
    Some(Interval { mean: share, low, high })
}

/// Interval of E\[Y\]/E\[X\] from pairs (y, x), such as (sum of latencies, completions) of each batch.
///
/// The estimate is r = ΣY/ΣX; the width comes from the jackknife: with r₋ᵢ the ratio without pair i,
/// s² = (n−1)/n · Σ(r₋ᵢ − r̄₋)² and r ± t_{n−1} s (Miller 1974, Biometrika 61:1–15; Law §9.5.3).
///
/// `None` of fewer than two pairs, of a value that is not finite, when a denominator with one pair left out is not
/// positive, or of a `confidence` outside (0, 1).
pub fn ratio_interval(pairs: &[(f64, f64)], confidence: f64) -> Option<Interval> {
    let n = pairs.len() as f64;
    let t = student_t(confidence, n - 1.0)?;
    let above: f64 = pairs.iter().map(|pair| pair.0).sum();
    let below: f64 = pairs.iter().map(|pair| pair.1).sum();
    if !(above.is_finite() && below.is_finite() && below > 0.0) {
        return None;
    }
    let mut left_out = Accumulator::new();
    for &(y, x) in pairs {
        if below - x <= 0.0 {
            return None;
        }
        left_out.push((above - y) / (below - x));
    }
    let standard_error = (left_out.variance()? * (n - 1.0) * (n - 1.0) / n).sqrt();
    Some(Interval::around(above / below, t * standard_error))
}

/// Interval of any smooth function of the samples by the jackknife of [`ratio_interval`]: `estimate` is asked with the number of the
/// sample to leave out, and with none.
///
/// `None` of fewer than two samples, where `estimate` has no value, or of a `confidence` outside (0, 1).
pub fn jackknife_interval(
    samples: usize,
    estimate: impl Fn(Option<usize>) -> Option<f64>,
    confidence: f64,
) -> Option<Interval> {
    let n = samples as f64;
    let t = student_t(confidence, n - 1.0)?;
    let mut left_out = Accumulator::new();
    for index in 0..samples {
        left_out.push(estimate(Some(index))?);
    }
    let standard_error = (left_out.variance()? * (n - 1.0) * (n - 1.0) / n).sqrt();
    Some(Interval::around(estimate(None)?, t * standard_error))
}

/// Interval of E\[A\] − E\[B\] from independent samples whose variances may differ (Welch 1947, Biometrika 34:28–35;
/// degrees of freedom by Satterthwaite). For common random numbers take [`paired_difference_interval`].
///
/// `None` of fewer than two samples on a side, of a sample that is not finite, or of a `confidence` outside (0, 1).
pub fn difference_interval(a: &[f64], b: &[f64], confidence: f64) -> Option<Interval> {
    let (first, second) = (accumulate(a)?, accumulate(b)?);
    let (one, two) = (first.standard_error()?.powi(2), second.standard_error()?.powi(2));
    let gap = first.mean()? - second.mean()?;
    if one + two == 0.0 {
        return student_t(confidence, 1.0).map(|_| Interval::around(gap, 0.0));
    }
    let freedom =
        (one + two).powi(2) / (one * one / (first.count() - 1) as f64 + two * two / (second.count() - 1) as f64);
    let t = student_t(confidence, freedom)?;
    Some(Interval::around(gap, t * (one + two).sqrt()))
}

/// Interval of E\[A − B\] from samples that belong together, one pair per trial on common random numbers.
///
/// `None` when the lengths differ, and where [`mean_interval`] of the differences is.
pub fn paired_difference_interval(a: &[f64], b: &[f64], confidence: f64) -> Option<Interval> {
    if a.len() != b.len() {
        return None;
    }
    let gaps: Vec<f64> = a.iter().zip(b).map(|(x, y)| x - y).collect();
    mean_interval(&gaps, confidence)
}

/// t with P(|T| ≤ t) = `confidence` for Student's law with `freedom` degrees of freedom; `None` where there is none.
pub fn student_t(confidence: f64, freedom: f64) -> Option<f64> {
    let z = normal_z(confidence)?;
    if freedom.is_nan() || freedom <= 0.0 {
        return None;
    }
    // The inverse beta function loses digits as the freedom grows: 1 part in 10⁴ at 10⁶.
    if freedom > 1000.0 {
        return Some(student_t_series(z, freedom));
    }
    let law = StudentsT::new(0.0, 1.0, freedom).ok()?;
    Some(law.inverse_cdf(0.5 * (1.0 + confidence)))
}

/// t from z in powers of 1/ν (Abramowitz and Stegun 1964, 26.7.5).
fn student_t_series(z: f64, freedom: f64) -> f64 {
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    z + (first + (second + third / freedom) / freedom) / freedom
}

/// z with P(|Z| ≤ z) = `confidence` for the standard normal law; `None` unless 0 < `confidence` < 1.
pub fn normal_z(confidence: f64) -> Option<f64> {
    (confidence > 0.0 && confidence < 1.0).then(|| Normal::standard().inverse_cdf(0.5 * (1.0 + confidence)))
}

fn accumulate(samples: &[f64]) -> Option<Accumulator> {
    samples.iter().all(|sample| sample.is_finite()).then(|| samples.iter().copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::testing::{SHARE_ERROR, miss_rate};
    use approx::assert_relative_eq;
    use rand::RngExt;
    use rand_distr::{Distribution, Exp1, StandardNormal};

    /// Tables of Student's t: two-sided 95 % and 99 %.
    const T_TABLE: [(f64, f64, f64); 7] = [
        (1.0, 0.95, 12.706_204_736_174_7),
        (2.0, 0.95, 4.302_652_729_749_46),
        (9.0, 0.95, 2.262_157_162_798_2),
        (9.0, 0.99, 3.249_835_541_592_12),
        (30.0, 0.95, 2.042_272_456_301_24),
        (1000.0, 0.95, 1.962_339_080_8),
        (1e6, 0.95, 1.959_966_356_8),
    ];

    #[test]
    fn student_t_is_the_table() {
        for (freedom, confidence, t) in T_TABLE {
            assert_relative_eq!(student_t(confidence, freedom).unwrap(), t, max_relative = 1e-9);
        }
        assert_relative_eq!(normal_z(0.95).unwrap(), 1.959_963_984_540_05, max_relative = 1e-12);
    }

    #[test]
    fn what_cannot_be_estimated_is_none() {
        assert_eq!(mean_interval(&[1.0], 0.95), None);
        assert_eq!(mean_interval(&[1.0, f64::NAN], 0.95), None);
        assert_eq!(mean_interval(&[1.0, 2.0], 1.0), None);
        assert_eq!(proportion_interval(0, 0, 0.95), None);
        assert_eq!(proportion_interval(3, 2, 0.95), None);
        assert_eq!(ratio_interval(&[(1.0, 1.0)], 0.95), None);
        assert_eq!(ratio_interval(&[(1.0, 2.0), (1.0, 0.0)], 0.95), None);
        assert_eq!(paired_difference_interval(&[1.0, 2.0], &[1.0], 0.95), None);
    }

    #[test]
    fn mean_by_hand() {
        let found = mean_interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95).unwrap();
        assert_eq!(found.mean, 3.0);
        assert_relative_eq!(found.half_width(), 2.776_445_105_198 * 0.5f64.sqrt(), max_relative = 1e-9);
    }

    #[test]
    fn wilson_by_hand() {
        // Newcombe (1998), Statistics in Medicine 17:857–872, table I, method 3; four decimals.
        for (successes, trials, low, high) in
            [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
        {
            let found = proportion_interval(successes, trials, 0.95).unwrap();
            assert!((found.low - low).abs() < 0.51e-4 && (found.high - high).abs() < 0.51e-4, "{found:?}");
        }
        let none = proportion_interval(0, 10, 0.95).unwrap();
        assert_eq!((none.mean, none.low), (0.0, 0.0));
        assert_relative_eq!(none.high, 0.277_532_799_9, max_relative = 1e-8);
        assert_eq!(proportion_interval(10, 10, 0.95).unwrap().high, 1.0);
    }

    #[test]
    fn a_ratio_with_equal_counts_is_a_mean() {
        let values = [1.0, 4.0, 2.0, 8.0];
        let pairs: Vec<(f64, f64)> = values.iter().map(|&y| (10.0 * y, 10.0)).collect();
        let (ratio, mean) = (ratio_interval(&pairs, 0.9).unwrap(), mean_interval(&values, 0.9).unwrap());
        assert_relative_eq!(ratio.mean, mean.mean, max_relative = 1e-14);
        assert_relative_eq!(ratio.half_width(), mean.half_width(), max_relative = 1e-12);
    }

    #[test]
    fn welch_by_hand() {
        let found = difference_interval(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0, 8.0], 0.95).unwrap();
        // Variances 1/3 and 5/3; freedom 4/(1/18 + 25/27) = 4.07547…
        assert_relative_eq!(found.mean, -3.0, max_relative = 1e-14);
        let t = student_t(0.95, 4.0 / (1.0 / 18.0 + 25.0 / 27.0)).unwrap();
        assert_relative_eq!(found.half_width(), t * 2.0f64.sqrt(), max_relative = 1e-12);
        let same = difference_interval(&[1.0, 1.0], &[3.0, 3.0], 0.95).unwrap();
        assert_eq!((same.low, same.high), (-2.0, -2.0));
    }

    #[test]
    fn mean_of_normal_samples_is_missed_one_time_in_twenty() {
        let rate = miss_rate(1, |rng| {
            let samples: Vec<f64> = (0..8).map(|_| StandardNormal.sample(rng)).collect();
            !mean_interval(&samples, 0.95).unwrap().contains(0.0)
        });
        assert!((rate - 0.05).abs() < SHARE_ERROR, "{rate}");
    }

    #[test]
    fn proportion_is_missed_about_one_time_in_twenty() {
        // Wilson's coverage oscillates with n; at n = 50, p = .1 its exact error rate is 3.0 %.
        let rate = miss_rate(2, |rng| {
            let successes = (0..50).filter(|_| rng.random_bool(0.1)).count();
            !proportion_interval(successes as u64, 50, 0.95).unwrap().contains(0.1)
        });
        assert!((rate - 0.030).abs() < SHARE_ERROR, "{rate}");
    }

    #[test]
    fn ratio_is_missed_about_one_time_in_twenty() {
        // y = x · mean-one noise, x exponential: a skewed ratio with 40 pairs. Stated error rate: at most 7.5 %.
        let rate = miss_rate(3, |rng| {
            let pairs: Vec<(f64, f64)> = (0..40)
                .map(|_| {
                    let x: f64 = 5.0 + Distribution::<f64>::sample(&Exp1, rng);
                    let noise: f64 = Exp1.sample(rng);
                    (2.0 * x * noise, x)
                })
                .collect();
            !ratio_interval(&pairs, 0.95).unwrap().contains(2.0)
        });
        assert!(rate > 0.035 && rate < 0.075, "{rate}");
    }

    #[test]
    fn difference_is_missed_one_time_in_twenty() {
        let rate = miss_rate(4, |rng| {
            let a: Vec<f64> = (0..6).map(|_| StandardNormal.sample(rng)).collect();
            let b: Vec<f64> = (0..20).map(|_| 1.0 + 4.0 * Distribution::<f64>::sample(&StandardNormal, rng)).collect();
            !difference_interval(&a, &b, 0.95).unwrap().contains(-1.0)
        });
        assert!((rate - 0.05).abs() < SHARE_ERROR, "{rate}");
    }

    #[test]
    fn pairs_on_common_numbers_are_missed_one_time_in_twenty_and_are_narrower() {
        let (mut paired, mut apart) = (0.0, 0.0);
        let rate = miss_rate(5, |rng| {
            let common: Vec<f64> = (0..10).map(|_| 3.0 * Distribution::<f64>::sample(&StandardNormal, rng)).collect();
            let mut seen = |shift: f64| -> Vec<f64> {
                common.iter().map(|x| x + shift + Distribution::<f64>::sample(&StandardNormal, rng)).collect()
            };
            let (a, b) = (seen(1.0), seen(0.0));
            let found = paired_difference_interval(&a, &b, 0.95).unwrap();
            paired += found.half_width();
            apart += difference_interval(&a, &b, 0.95).unwrap().half_width();
            !found.contains(1.0)
        });
        assert!((rate - 0.05).abs() < SHARE_ERROR, "{rate}");
        // Standard deviations √2 against √20 of one difference.
        assert!(paired < 0.4 * apart, "{paired} {apart}");
    }
}
