//! Many comparisons at once, with one rate of error for all of them.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::moments::Accumulator;

/// What becomes of one of many tests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    /// The smallest error rate of the whole family at which it is rejected.
    pub adjusted_p: f64,
    /// The level at which it was tested: it is rejected when its own p is at most this, and every smaller one was rejected.
    pub level: f64,
    /// Whether it is rejected.
    pub rejected: bool,
}

/// Holm's step-down procedure (1979, Scandinavian Journal of Statistics 6:65–70): the probability that any true hypothesis is rejected is at
/// most `error`, whatever the dependence. The tests come in the order of `p_values`.
///
/// An interval of confidence 1 − `level` excludes the hypothesis exactly when the test is rejected.
///
/// ```
/// use fluidsim::stats::multiple::holm;
/// let tests = holm(&[0.04, 0.01, 0.03], 0.05);
/// assert_eq!(tests.iter().map(|test| test.rejected).collect::<Vec<_>>(), [false, true, false]);
/// assert!((tests[1].adjusted_p - 0.03).abs() < 1e-15 && (tests[0].adjusted_p - 0.06).abs() < 1e-15);
/// ```
pub fn holm(p_values: &[f64], error: f64) -> Vec<Test> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut tests = vec![Test { adjusted_p: 1.0, level: error, rejected: false }; p_values.len()];
    let (mut largest, mut stopped): (f64, Option<f64>) = (0.0, None);
    for (step, &place) in order.iter().enumerate() {
        let left = (order.len() - step) as f64;
        largest = largest.max((left * p_values[place]).min(1.0));
        let level = stopped.unwrap_or(error / left);
        let rejected = stopped.is_none() && p_values[place] <= level;
        if !rejected {
            stopped = Some(level);
        }
        tests[place] = Test { adjusted_p: largest, level, rejected };
    }
    tests
}

/// p of the two-sided paired t test that E\[A − B\] = 0; 1 where no pair differs, 0 where all differ by the same.
///
/// `None` when the lengths differ, of fewer than two pairs, or of a sample that is not finite.
pub fn paired_p_value(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.len() != b.len() || a.iter().chain(b).any(|sample| !sample.is_finite()) {
        return None;
    }
    let gaps: Accumulator = a.iter().zip(b).map(|(x, y)| x - y).collect();
    let (mean, error) = (gaps.mean()?, gaps.standard_error()?);
    if error == 0.0 {
        return Some(if mean == 0.0 { 1.0 } else { 0.0 });
    }
    let law = StudentsT::new(0.0, 1.0, (gaps.count() - 1) as f64).ok()?;
    Some(2.0 * law.sf((mean / error).abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::interval::paired_difference_interval;
    use crate::stats::stream::stream;
    use approx::assert_relative_eq;
    use rand::RngExt;
    use rand_distr::{Distribution, StandardNormal};

    /// Holm's p: 5 × .01, 4 × .02, 3 × .03, then no smaller. The t test: SciPy's `ttest_rel`.
    #[test]
    fn the_figures_are_those_of_hand_and_of_scipy() {
        let adjusted: Vec<f64> =
            holm(&[0.01, 0.02, 0.03, 0.04, 0.05], 0.05).iter().map(|test| test.adjusted_p).collect();
        for (found, expected) in adjusted.iter().zip([0.05, 0.08, 0.09, 0.09, 0.09]) {
            assert_relative_eq!(*found, expected, max_relative = 1e-12);
        }
        let p = paired_p_value(&[1.0, 2.0, 3.0, 4.0], &[1.5, 1.5, 2.0, 2.0]).unwrap();
        assert_relative_eq!(p, 0.245_193_881_794_977_48, max_relative = 1e-9);
        assert_eq!(paired_p_value(&[1.0, 2.0], &[1.0, 2.0]), Some(1.0));
        assert_eq!(paired_p_value(&[1.0, 2.0], &[2.0, 3.0]), Some(0.0));
        assert_eq!(paired_p_value(&[1.0], &[2.0]), None);
    }

    /// The interval at the level of its test excludes 0 exactly when the test is rejected.
    #[test]
    fn intervals_say_what_the_tests_say() {
        let mut rng = stream(5, "holm");
        let mut seen = [0; 2];
        for _ in 0..300 {
            let sample = |shift: f64, rng: &mut _| -> Vec<f64> {
                (0..8).map(|_| shift + Distribution::<f64>::sample(&StandardNormal, rng)).collect()
            };
            let zero = vec![0.0; 8];
            let samples: Vec<Vec<f64>> = (0..4).map(|k| sample(0.4 * f64::from(k), &mut rng)).collect();
            let p: Vec<f64> = samples.iter().map(|x| paired_p_value(x, &zero).unwrap()).collect();
            for (x, test) in samples.iter().zip(holm(&p, 0.05)) {
                let interval = paired_difference_interval(x, &zero, 1.0 - test.level).unwrap();
                assert_eq!(test.rejected, interval.low > 0.0 || interval.high < 0.0);
                seen[usize::from(test.rejected)] += 1;
            }
        }
        assert!(seen.iter().all(|&count| count > 50), "{seen:?}");
    }

    /// 2000 families of five true hypotheses with dependent samples: any is rejected in at most 5 % of them. The bound is four standard
    /// errors above, so that the test itself fails by chance once in 30 000 seeds.
    #[test]
    fn a_family_is_wrong_no_more_often_than_it_says() {
        let mut rng = stream(6, "holm");
        let families = 2000;
        let wrong = (0..families)
            .filter(|_| {
                let shared: Vec<f64> = (0..10).map(|_| rng.random::<f64>()).collect();
                let mut own = |_| -> Vec<f64> { shared.iter().map(|x| x + rng.random::<f64>()).collect() };
                let base = own(0);
                let p: Vec<f64> = (1..6).map(|k| paired_p_value(&own(k), &base).unwrap()).collect();
                holm(&p, 0.05).iter().any(|test| test.rejected)
            })
            .count();
        let (mean, error) = (0.05 * f64::from(families), (0.05 * 0.95 * f64::from(families)).sqrt());
        assert!(wrong > 0 && (wrong as f64) < mean + 4.0 * error, "{wrong}");
    }
}
