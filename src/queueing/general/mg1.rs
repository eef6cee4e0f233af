//! M/G/1: Poisson arrivals, any service law, one server, first come first served.
//!
//! Pollaczek–Khinchine: Wq = λE\[S²\]/(2(1−ρ)), ρ = λE\[S\]. Kleinrock (1975), *Queueing Systems* vol. 1, §5.7. Of the
//! law only two moments enter, so quantiles of the wait are not offered here.

use crate::queueing::error::{QueueError, not_negative, positive};

/// A stable M/G/1 queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mg1 {
    arrivals_per_s: f64,
    mean_service_s: f64,
    second_moment_s2: f64,
}

impl Mg1 {
    /// The queue with arrival rate λ and service moments E\[S\] (s) and E\[S²\] (s²).
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − 1/E\[S\] when ρ ≥ 1; [`QueueError::Parameter`] for a value out of
    /// range, such as E\[S²\] < E\[S\]².
    pub fn new(arrivals_per_s: f64, mean_service_s: f64, second_moment_s2: f64) -> Result<Self, QueueError> {
        not_negative("arrivals_per_s", arrivals_per_s)?;
        positive("mean_service_s", mean_service_s)?;
        positive("second_moment_s2", second_moment_s2)?;
        // Constant service may miss the square of its mean by rounding.
        if second_moment_s2 < mean_service_s * mean_service_s * (1.0 - 1e-12) {
            let must = "at least the square of the mean";
            return Err(QueueError::Parameter { name: "second_moment_s2", value: second_moment_s2, must });
        }
        if arrivals_per_s * mean_service_s >= 1.0 {
            return Err(QueueError::Unstable { growth_per_s: arrivals_per_s - 1.0 / mean_service_s });
        }
        Ok(Self { arrivals_per_s, mean_service_s, second_moment_s2 })
    }

    /// The same from the mean (s) and the variance (s²) of service.
    ///
    /// # Errors
    /// As [`Mg1::new`]; [`QueueError::Parameter`] also for a negative variance.
    pub fn from_variance(arrivals_per_s: f64, mean_service_s: f64, variance_s2: f64) -> Result<Self, QueueError> {
        not_negative("variance_s2", variance_s2)?;
        Self::new(arrivals_per_s, mean_service_s, variance_s2 + mean_service_s * mean_service_s)
    }

    /// ρ = λE\[S\], the share of time the server works.
    pub fn utilization(&self) -> f64 {
        self.arrivals_per_s * self.mean_service_s
    }

    /// Wq = λE\[S²\]/(2(1−ρ)), mean wait in seconds.
    pub fn mean_wait_s(&self) -> f64 {
        0.5 * self.arrivals_per_s * self.second_moment_s2 / (1.0 - self.utilization())
    }

    /// W = Wq + E\[S\], mean time in system in seconds.
    pub fn mean_sojourn_s(&self) -> f64 {
        self.mean_wait_s() + self.mean_service_s
    }

    /// Lq = λWq, mean number waiting.
    pub fn mean_waiting(&self) -> f64 {
        self.arrivals_per_s * self.mean_wait_s()
    }

    /// L = λW, mean number in system.
    pub fn mean_in_system(&self) -> f64 {
        self.arrivals_per_s * self.mean_sojourn_s()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::markov::Mm1;
    use approx::assert_relative_eq;

    /// E\[S\] = 1: ρ, then Wq = ρ(1 + cv²)/(2(1−ρ)) for cv² = 0, ¼, ½, 1, 4, ⅓.
    const TABLE: [[f64; 7]; 4] = [
        [0.5, 0.5, 0.625, 0.75, 1.0, 2.5, 0.666666666667],
        [0.7, 1.16666666667, 1.45833333333, 1.75, 2.33333333333, 5.83333333333, 1.55555555556],
        [0.9, 4.5, 5.625, 6.75, 9.0, 22.5, 6.0],
        [0.95, 9.5, 11.875, 14.25, 19.0, 47.5, 12.6666666667],
    ];

    #[test]
    fn the_table_is_met() {
        for row in TABLE {
            for (variance, wait) in [0.0, 0.25, 0.5, 1.0, 4.0, 1.0 / 3.0].into_iter().zip(&row[1..]) {
                let queue = Mg1::from_variance(row[0], 1.0, variance).unwrap();
                assert_relative_eq!(queue.mean_wait_s(), *wait, max_relative = 1e-10);
            }
        }
    }

    #[test]
    fn run_to_completion_with_random_steps() {
        // 64 decode steps of C + a, prefill step C + 128a, C ~ Exp(mean .01 s), a ~ Exp(mean .001 s): E[S] = .842 s,
        // Var S = .022948 s². The wait at λ = 1 is printed to five decimals.
        for (arrivals, printed) in [(0.5, 0.31602), (1.0, 2.31618)] {
            let queue = Mg1::from_variance(arrivals, 0.842, 0.022948).unwrap();
            assert!((queue.mean_wait_s() - printed).abs() < 0.5e-5 + 1e-9, "{}", queue.mean_wait_s());
        }
        let first_token_service = 0.01 + 0.128;
        let queue = Mg1::from_variance(1.0, 0.842, 0.022948).unwrap();
        assert!((queue.mean_wait_s() + first_token_service - 2.45418).abs() < 0.5e-5 + 1e-9);
    }

    #[test]
    fn exponential_service_is_mm1() {
        let (general, markov) = (Mg1::new(1.5, 0.5, 0.5).unwrap(), Mm1::new(1.5, 2.0).unwrap());
        assert_relative_eq!(general.mean_wait_s(), markov.mean_wait_s(), max_relative = 1e-14);
        assert_relative_eq!(general.mean_in_system(), markov.mean_in_system(), max_relative = 1e-14);
        assert_relative_eq!(general.mean_waiting(), markov.mean_waiting(), max_relative = 1e-14);
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        assert_eq!(Mg1::new(3.0, 0.5, 0.25), Err(QueueError::Unstable { growth_per_s: 1.0 }));
        assert!(matches!(Mg1::new(1.0, 0.5, 0.2), Err(QueueError::Parameter { .. })));
        assert!(matches!(Mg1::from_variance(1.0, 0.5, -0.1), Err(QueueError::Parameter { .. })));
        assert!(Mg1::new(1.0, 0.1, 0.1 * 0.1).is_ok());
    }
}
