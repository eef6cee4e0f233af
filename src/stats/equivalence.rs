//! Whether a predicted number and a simulated one are the same for practical purposes.
//!
//! "No significant difference" rewards a noisy simulation. So a tolerance is stated, [`resolves`] says whether the
//! simulation is sharp enough to hold a prediction to it, and [`equivalence_test`] proves sameness instead of failing
//! to disprove it.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::interval::Interval;
use super::moments::Accumulator;

/// Whether `analytic` agrees with a simulated interval: its gap beyond the interval is at most `tolerance_relative`
/// times the simulated value, max(low − a, a − high, 0) ≤ tol · |mean|.
///
/// The interval's width is forgiven because it is the simulation's own error, so a wide interval agrees with much: ask
/// [`resolves`] as well. Numbers that are not finite never agree.
pub fn agrees(analytic: f64, interval: &Interval, tolerance_relative: f64) -> bool {
    let finite = [analytic, interval.low, interval.high, interval.mean].iter().all(|x| x.is_finite());
    finite && gap_beyond(analytic, interval) <= tolerance_relative * interval.mean.abs()
}

/// Distance from `analytic` to the interval, zero inside; in the unit of the values.
pub fn gap_beyond(analytic: f64, interval: &Interval) -> f64 {
    (interval.low - analytic).max(analytic - interval.high).max(0.0)
}

/// (analytic − simulated)/simulated; `None` where the simulated value is zero or either is not finite.
pub fn relative_gap(analytic: f64, simulated: f64) -> Option<f64> {
    let gap = (analytic - simulated) / simulated;
    (simulated != 0.0 && gap.is_finite()).then_some(gap)
}

/// Whether the interval is narrow enough to test a prediction to within `tolerance_relative`: half-width ≤ tol ·
/// |mean|.
pub fn resolves(interval: &Interval, tolerance_relative: f64) -> bool {
    interval.half_width() <= tolerance_relative * interval.mean.abs()
}

/// Outcome of two one-sided tests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Equivalence {
    /// p-value against "the mean is at or below target − margin".
    pub p_below: f64,
    /// p-value against "the mean is at or above target + margin".
    pub p_above: f64,
    /// Both were rejected: the mean lies within the margin of the target, up to an error rate of `alpha`.
    pub equivalent: bool,
}

/// Two one-sided t tests that E\[X\] lies within `margin` of `target`, at error rate `alpha` (Schuirmann 1987, Journal
/// of Pharmacokinetics and Biopharmaceutics 15:657–680). The same as asking whether the 1 − 2α interval lies inside
/// target ± margin.
///
/// `None` of fewer than two samples, of a number that is not finite, of a margin that is not positive, or of an `alpha`
/// outside (0, ½).
pub fn equivalence_test(samples: &[f64], target: f64, margin: f64, alpha: f64) -> Option<Equivalence> {
    let finite = samples.iter().chain([&target, &margin]).all(|value| value.is_finite());
    if !finite || margin <= 0.0 || !(alpha > 0.0 && alpha < 0.5) {
        return None;
    }
    let seen: Accumulator = samples.iter().copied().collect();
    let (mean, error) = (seen.mean()?, seen.standard_error()?);
    let law = StudentsT::new(0.0, 1.0, seen.count() as f64 - 1.0).ok()?;
    let upper_tail = |gap: f64| match error {
        0.0 => f64::from(gap <= 0.0),
        _ => law.sf(gap / error),
    };
    let p_below = upper_tail(mean - (target - margin));
    let p_above = upper_tail(target + margin - mean);
    Some(Equivalence { p_below, p_above, equivalent: p_below.max(p_above) <= alpha })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::interval::mean_interval;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn agreement_is_measured_beyond_the_interval() {
        let interval = Interval { mean: 100.0, low: 98.0, high: 103.0 };
        let cases = [(100.0, true), (98.0, true), (97.0, true), (96.9, false), (104.0, true), (104.1, false)];
        for (analytic, expected) in cases {
            assert_eq!(agrees(analytic, &interval, 0.01), expected, "{analytic}");
        }
        assert!(agrees(99.0, &interval, 0.0));
        assert!(!agrees(f64::NAN, &interval, 1.0));
        assert!(!agrees(1.0, &Interval { mean: 1.0, low: f64::NEG_INFINITY, high: f64::INFINITY }, 1.0));
    }

    #[test]
    fn a_wide_interval_resolves_nothing() {
        let wide = Interval::around(10.0, 5.0);
        assert!(agrees(14.0, &wide, 0.05) && !resolves(&wide, 0.05));
        assert!(resolves(&Interval::around(10.0, 0.4), 0.05));
    }

    #[test]
    fn gaps_of_nothing_are_absent() {
        assert_eq!(relative_gap(3.0, 2.0), Some(0.5));
        assert_eq!(relative_gap(0.0, 0.0), None);
        assert_eq!(relative_gap(f64::INFINITY, 1.0), None);
    }

    #[test]
    fn equivalence_is_an_interval_inside_the_margin() {
        let samples = [9.8, 10.1, 10.0, 10.3, 9.9, 10.2];
        let interval = mean_interval(&samples, 0.90).unwrap();
        for margin in [0.05, 0.1, 0.15, 0.2, 0.25, 0.5] {
            let inside = 10.0 - margin < interval.low && interval.high < 10.0 + margin;
            let found = equivalence_test(&samples, 10.0, margin, 0.05).unwrap();
            assert_eq!(found.equivalent, inside, "{margin} {found:?}");
        }
        assert_eq!(equivalence_test(&samples, 10.0, 0.0, 0.05), None);
        assert!(equivalence_test(&[10.0, 10.0], 10.0, 0.1, 0.05).unwrap().equivalent);
        assert!(!equivalence_test(&[11.0, 11.0], 10.0, 0.1, 0.05).unwrap().equivalent);
    }

    #[test]
    fn a_mean_on_the_margin_is_called_equivalent_at_most_one_time_in_twenty() {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let wrong = (0..4000)
            .filter(|_| {
                let samples: Vec<f64> =
                    (0..12).map(|_| 2.0 + Distribution::<f64>::sample(&StandardNormal, &mut rng)).collect();
                equivalence_test(&samples, 0.0, 2.0, 0.05).unwrap().equivalent
            })
            .count();
        let rate = wrong as f64 / 4000.0;
        assert!((rate - 0.05).abs() < 0.011, "{rate}");
    }
}
