//! When to stop adding independent trials: a wanted relative precision, such as ±2 % at 95 %.
//!
//! Trials are added until t s/√n ≤ γ'|x̄| with γ' = γ/(1 + γ), so that the mean then lies within γ of the truth, not of itself (Law,
//! *Simulation Modeling and Analysis*, 5th ed., §9.4.1). The rule is that of Chow and Robbins (1965), Annals of Mathematical Statistics
//! 36:457–462: its coverage is the nominal one as γ → 0. With few trials at the start it would stop too early by chance too often, so that a
//! least number of trials is part of it.

use super::interval::{Interval, mean_interval};

/// Trials before the first look.
pub const FIRST_TRIALS: u64 = 10;

/// A wanted precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Precision {
    /// γ: half of the interval's width, relative to the true mean.
    pub relative: f64,
    /// 1 − the error rate.
    pub confidence: f64,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Advice {
    /// The precision is reached.
    Stop(Interval),
    /// So many trials in all are likely to reach it: n (half-width/γ'|x̄|)², at least one more and at most twice those there are.
    Continue {
        /// Trials in all.
        trials: u64,
    },
}

impl Precision {
    /// What the trials so far advise.
    ///
    /// ```
    /// use fluidsim::stats::sequential::{Advice, Precision};
    /// let wanted = Precision { relative: 0.02, confidence: 0.95 };
    /// // Half-width .4987 of a mean of 10: 4.99 %, so about (.0499/.0196)² times as many trials, but at most twice.
    /// let samples = [9.0, 11.0, 10.0, 9.5, 10.5, 9.2, 10.8, 10.1, 9.9, 10.0];
    /// assert_eq!(wanted.advice(&samples), Some(Advice::Continue { trials: 20 }));
    /// ```
    ///
    /// `None` where it cannot be judged: a sample that is not finite, or a precision or confidence out of range.
    pub fn advice(&self, samples: &[f64]) -> Option<Advice> {
        if !(self.relative > 0.0 && self.relative.is_finite()) || samples.iter().any(|sample| !sample.is_finite()) {
            return None;
        }
        let n = samples.len() as u64;
        if n < FIRST_TRIALS {
            return Some(Advice::Continue { trials: FIRST_TRIALS });
        }
        let interval = mean_interval(samples, self.confidence)?;
        let wanted = self.relative / (1.0 + self.relative) * interval.mean.abs();
        if interval.half_width() <= wanted {
            return Some(Advice::Stop(interval));
        }
        let likely = (n as f64 * (interval.half_width() / wanted).powi(2)).ceil();
        Some(Advice::Continue { trials: likely.clamp((n + 1) as f64, (2 * n) as f64) as u64 })
    }

    /// The advice for several quantities of the same trials: stop when all are precise enough, otherwise as many trials as the worst
    /// wants. Returns none when it may stop.
    pub fn trials_wanted(&self, quantities: &[Vec<f64>]) -> Option<u64> {
        quantities
            .iter()
            .filter_map(|samples| match self.advice(samples)? {
                Advice::Stop(_) => None,
                Advice::Continue { trials } => Some(trials),
            })
            .max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::testing::{SHARE_ERROR, miss_rate};
    use rand::Rng;
    use rand_distr::{Distribution, Exp1, StandardNormal};

    /// The interval at which the rule stops, one look after the other as advised.
    fn stopped(wanted: Precision, mut draw: impl FnMut() -> f64) -> (Interval, usize) {
        let mut samples = Vec::new();
        loop {
            match wanted.advice(&samples).unwrap() {
                Advice::Stop(interval) => return (interval, samples.len()),
                Advice::Continue { trials } => {
                    while (samples.len() as u64) < trials {
                        samples.push(draw());
                    }
                }
            }
        }
    }

    const WANTED: Precision = Precision { relative: 0.02, confidence: 0.95 };

    #[test]
    fn normal_trials_stop_within_the_precision_and_cover() {
        let normal = |rng: &mut dyn Rng| -> f64 { 10.0 + 1.5 * Distribution::<f64>::sample(&StandardNormal, rng) };
        let mut sizes = 0;
        let rate = miss_rate(31, |rng| {
            let (interval, n) = stopped(WANTED, || normal(rng));
            assert!(interval.half_width() <= 0.02 / 1.02 * interval.mean);
            sizes += n;
            // The claim: the estimate lies within 2 % of the truth.
            (interval.mean - 10.0).abs() > 0.2
        });
        // Stated error rate: 5 %, and a point more for looking often.
        assert!(rate < 0.06 + SHARE_ERROR, "{rate}");
        // (1.96 · .15/.0196)² = 225 trials are needed.
        let mean_size = sizes as f64 / 4000.0;
        assert!((200.0..330.0).contains(&mean_size), "{mean_size}");
    }

    #[test]
    fn skewed_trials_cover_too() {
        let wanted = Precision { relative: 0.1, confidence: 0.95 };
        let rate = miss_rate(32, |rng| {
            let (interval, _) = stopped(wanted, || Exp1.sample(rng));
            (interval.mean - 1.0).abs() > 0.1
        });
        assert!(rate < 0.06 + SHARE_ERROR, "{rate}");
    }

    #[test]
    fn the_worst_quantity_decides() {
        let exact = vec![5.0; 10];
        let rough: Vec<f64> = (0..10).map(|k| f64::from(k % 2)).collect();
        assert_eq!(WANTED.trials_wanted(&[exact.clone(), rough]), Some(20));
        assert_eq!(WANTED.trials_wanted(&[exact.clone(), exact]), None);
    }

    #[test]
    fn what_cannot_be_judged_is_none() {
        assert_eq!(WANTED.advice(&[f64::INFINITY; 12]), None);
        assert_eq!(Precision { relative: 0.0, confidence: 0.95 }.advice(&[1.0; 12]), None);
        assert_eq!(Precision { relative: 0.1, confidence: 1.0 }.advice(&[1.0; 12]), None);
        assert_eq!(WANTED.advice(&[]), Some(Advice::Continue { trials: FIRST_TRIALS }));
        // A mean of zero is never known to a share of itself.
        assert_eq!(
            WANTED.advice(&[-1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0]),
            Some(Advice::Continue { trials: 20 })
        );
    }
}
