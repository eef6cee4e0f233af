//! M/G/1: Poisson arrivals, any service law, one server, first come first served.
//!
//! Pollaczek–Khinchine: Wq = λE\[S²\]/(2(1−ρ)), ρ = λE\[S\]. Variance of the wait: Wq² + λE\[S³\]/(3(1−ρ)) (Takács 1962, Operations
//! Research 10:544–548); of the number in system through λW and Poisson arrivals (Keilson and Servi 1988, Operations Research
//! Letters 7:223–227). Kleinrock (1975), *Queueing Systems* vol. 1, §5.7, and §5.8 for the busy period. For quantiles of the wait,
//! which need the whole law, see [`Mg1Wait`](super::Mg1Wait).

use crate::queueing::Law;
use crate::queueing::error::{QueueError, not_negative, positive};

/// A stable M/G/1 queue, by the moments of its service.
///
/// ```
/// use fluidsim::queueing::{Law, general::Mg1};
/// // The table of the formula: E[S] = 1, cv² = 4, ρ = .9.
/// let queue = Mg1::of(0.9, &Law::lognormal(1.0, 4.0)?)?;
/// assert!((queue.mean_wait_s() - 22.5).abs() < 1e-11);
/// // Exponential service: the number in system has variance ρ/(1 − ρ)².
/// let queue = Mg1::of(0.8, &Law::exponential(1.0)?)?;
/// assert!((queue.in_system_variance().unwrap() - 20.0).abs() < 1e-11);
/// assert!((queue.mean_busy_period_s() - 5.0).abs() < 1e-12);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mg1 {
    arrivals_per_s: f64,
    mean_service_s: f64,
    second_moment_s2: f64,
    /// None where it was not given, or does not exist.
    third_moment_s3: Option<f64>,
}

impl Mg1 {
    /// The queue with arrival rate λ and service moments E\[S\] (s) and E\[S²\] (s²).
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − 1/E\[S\] when ρ ≥ 1; [`QueueError::Parameter`] for a value out of
    /// range, such as E\[S²\] < E\[S\]².
    ///
    /// ```
    /// # use fluidsim::queueing::general::Mg1;
    /// let queue = Mg1::new(0.9, 1.0, 5.0)?;
    /// // .9·5/(2·.1).
    /// assert!((queue.mean_wait_s() - 22.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
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
        Ok(Self { arrivals_per_s, mean_service_s, second_moment_s2, third_moment_s3: None })
    }

    /// The queue with arrival rate λ and the service law `service`.
    ///
    /// # Errors
    /// As [`Mg1::new`]; [`QueueError::Parameter`] also for a law whose second moment is infinite, and the mean wait with it.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1};
    /// let queue = Mg1::of(0.5, &Law::erlang(1.0, 2)?)?;
    /// // λE[S²]/(2(1 − ρ)) with E[S²] = 1.5.
    /// assert!((queue.mean_wait_s() - 0.75).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn of(arrivals_per_s: f64, service: &Law) -> Result<Self, QueueError> {
        let queue = Self::new(arrivals_per_s, service.mean_s(), service.moment(2))?;
        Ok(Self { third_moment_s3: Some(service.moment(3)).filter(|moment| moment.is_finite()), ..queue })
    }

    /// The same with E\[S³\] (s³), which the variances need.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for E\[S³\]E\[S\] < E\[S²\]², which no law has, or not finite.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Mg1;
    /// let queue = Mg1::new(0.5, 1.0, 2.0)?.with_third_moment(6.0)?;
    /// // Exponential service, as M/M/1: 1/(1 − ρ)².
    /// assert!((queue.sojourn_variance_s2().unwrap() - 4.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn with_third_moment(self, third_moment_s3: f64) -> Result<Self, QueueError> {
        positive("third_moment_s3", third_moment_s3)?;
        if third_moment_s3 * self.mean_service_s < self.second_moment_s2.powi(2) * (1.0 - 1e-12) {
            let must = "at least the second moment squared over the mean";
            return Err(QueueError::Parameter { name: "third_moment_s3", value: third_moment_s3, must });
        }
        Ok(Self { third_moment_s3: Some(third_moment_s3), ..self })
    }

    /// The same from the mean (s) and the variance (s²) of service.
    ///
    /// # Errors
    /// As [`Mg1::new`]; [`QueueError::Parameter`] also for a negative variance.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Mg1;
    /// let queue = Mg1::from_variance(0.9, 1.0, 4.0)?;
    /// // .9·(4 + 1)/(2·.1).
    /// assert!((queue.mean_wait_s() - 22.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn from_variance(arrivals_per_s: f64, mean_service_s: f64, variance_s2: f64) -> Result<Self, QueueError> {
        not_negative("variance_s2", variance_s2)?;
        Self::new(arrivals_per_s, mean_service_s, variance_s2 + mean_service_s * mean_service_s)
    }

    /// ρ = λE\[S\], the share of time the server works.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1};
    /// let queue = Mg1::of(0.7, &Law::exponential(1.0)?)?;
    /// // λE[S].
    /// assert!((queue.utilization() - 0.7).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.arrivals_per_s * self.mean_service_s
    }

    /// Wq = λE\[S²\]/(2(1−ρ)), mean wait in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1};
    /// let queue = Mg1::of(0.7, &Law::exponential(1.0)?)?;
    /// // .7·2/(2·.3).
    /// assert!((queue.mean_wait_s() - 7.0 / 3.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self) -> f64 {
        0.5 * self.arrivals_per_s * self.second_moment_s2 / (1.0 - self.utilization())
    }

    /// W = Wq + E\[S\], mean time in system in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1};
    /// let queue = Mg1::of(0.7, &Law::exponential(1.0)?)?;
    /// // As M/M/1: 1/.3.
    /// assert!((queue.mean_sojourn_s() - 10.0 / 3.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        self.mean_wait_s() + self.mean_service_s
    }

    /// Lq = λWq, mean number waiting.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1};
    /// let queue = Mg1::of(0.7, &Law::exponential(1.0)?)?;
    /// // As M/M/1: ρ²/(1 − ρ).
    /// assert!((queue.mean_waiting() - 0.49 / 0.3).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_waiting(&self) -> f64 {
        self.arrivals_per_s * self.mean_wait_s()
    }

    /// L = λW, mean number in system.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1};
    /// let queue = Mg1::of(0.7, &Law::exponential(1.0)?)?;
    /// // As M/M/1: ρ/(1 − ρ).
    /// assert!((queue.mean_in_system() - 7.0 / 3.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        self.arrivals_per_s * self.mean_sojourn_s()
    }

    /// P(Wq > 0) = ρ.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1};
    /// let queue = Mg1::of(0.7, &Law::exponential(1.0)?)?;
    /// // ρ.
    /// assert!((queue.wait_probability() - 0.7).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_probability(&self) -> f64 {
        self.utilization()
    }

    /// Var Wq = Wq² + λE\[S³\]/(3(1−ρ)), s². None without a third moment.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1};
    /// let queue = Mg1::of(0.7, &Law::exponential(1.0)?)?;
    /// // As M/M/1: ρ(2 − ρ)/(1 − ρ)².
    /// assert!((queue.wait_variance_s2().unwrap() - 0.91 / 0.09).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_variance_s2(&self) -> Option<f64> {
        let cubic = self.arrivals_per_s * self.third_moment_s3? / (3.0 * (1.0 - self.utilization()));
        Some(self.mean_wait_s().powi(2) + cubic)
    }

    /// Var W = Var Wq + Var S, s². None without a third moment.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1};
    /// let queue = Mg1::of(0.7, &Law::exponential(1.0)?)?;
    /// // As M/M/1: 1/(1 − ρ)².
    /// assert!((queue.sojourn_variance_s2().unwrap() - 1.0 / 0.09).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sojourn_variance_s2(&self) -> Option<f64> {
        Some(self.wait_variance_s2()? + self.service_variance_s2())
    }

    /// Var L = λW + λ²Var W: those whom one leaves behind came during one's time in system. None without a third moment.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1};
    /// let queue = Mg1::of(0.7, &Law::exponential(1.0)?)?;
    /// // As M/M/1: ρ/(1 − ρ)².
    /// assert!((queue.in_system_variance().unwrap() - 0.7 / 0.09).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn in_system_variance(&self) -> Option<f64> {
        Some(self.mean_in_system() + self.arrivals_per_s.powi(2) * self.sojourn_variance_s2()?)
    }

    /// Var Lq = λWq + λ²Var Wq. None without a third moment.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1};
    /// let queue = Mg1::of(0.7, &Law::exponential(1.0)?)?;
    /// // As M/M/1: E Lq² = ρ²(1 + ρ)/(1 − ρ)², E Lq = ρ²/(1 − ρ).
    /// assert!((queue.waiting_variance().unwrap() - (0.833 / 0.09 - 0.2401 / 0.09)).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn waiting_variance(&self) -> Option<f64> {
        Some(self.mean_waiting() + self.arrivals_per_s.powi(2) * self.wait_variance_s2()?)
    }

    /// E\[S\]/(1−ρ), mean time from an arrival at the empty queue until it is empty again, seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1};
    /// let queue = Mg1::of(0.7, &Law::exponential(1.0)?)?;
    /// // 1/(1 − ρ).
    /// assert!((queue.mean_busy_period_s() - 10.0 / 3.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_busy_period_s(&self) -> f64 {
        self.mean_service_s / (1.0 - self.utilization())
    }

    /// (Var S + ρE\[S\]²)/(1−ρ)³, variance of the busy period, s².
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1};
    /// let queue = Mg1::of(0.7, &Law::exponential(1.0)?)?;
    /// // As M/M/1: (1 + ρ)/(1 − ρ)³.
    /// assert!((queue.busy_period_variance_s2() - 1.7 / 0.027).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn busy_period_variance_s2(&self) -> f64 {
        let spread = self.service_variance_s2() + self.utilization() * self.mean_service_s.powi(2);
        spread / (1.0 - self.utilization()).powi(3)
    }

    /// 1/(1−ρ), mean number served in a busy period.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1};
    /// let queue = Mg1::of(0.7, &Law::exponential(1.0)?)?;
    /// // 1/(1 − ρ).
    /// assert!((queue.mean_served_per_busy_period() - 10.0 / 3.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_served_per_busy_period(&self) -> f64 {
        1.0 / (1.0 - self.utilization())
    }

    fn service_variance_s2(&self) -> f64 {
        (self.second_moment_s2 - self.mean_service_s * self.mean_service_s).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::general::Md1;
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

    /// n = min(⌈N⌉, n_max), ln N ~ N(7, .7²), .0225 s each, λ = 1/40: n_max, E\[n\], E\[n²\], E\[S\], ρ, Wq, P(n > n_max).
    const CLIPPED: [[f64; 7]; 5] = [
        [800.0, 714.314841425, 534347.227282, 16.0720839321, 0.401802098301, 5.65267119468, 0.673844729953],
        [1000.0, 836.737156478, 753896.909809, 18.8265860208, 0.470664650519, 9.01272489559, 0.552420124256],
        [1600.0, 1083.19915394, 1379281.46174, 24.3719809637, 0.609299524093, 22.3400431746, 0.294717288377],
        [2400.0, 1244.26770406, 2006377.44621, 27.9960233413, 0.699900583532, 42.3080038816, 0.131593225079],
        [3000.0, 1304.5860943, 2328739.67207, 29.3531871218, 0.733829678045, 55.3651347345, 0.0752641449429],
    ];

    #[test]
    fn clipped_lengths() {
        // The law of N by the mean and cv² that (7, .7²) stands for.
        let lengths = Law::lognormal((7.0 + 0.5 * 0.49f64).exp(), 0.49f64.exp_m1()).unwrap();
        let step = 0.0225;
        for row in CLIPPED {
            let most = row[0] as u32;
            // E n = Σ P(n > i), E n² = Σ (2i + 1)P(n > i).
            let above = |i: u32| lengths.survival(f64::from(i));
            let mean: f64 = (0..most).map(above).sum();
            let second: f64 = (0..most).map(|i| f64::from(2 * i + 1) * above(i)).sum();
            let queue = Mg1::new(0.025, step * mean, step * step * second).unwrap();
            let found = [mean, second, step * mean, queue.utilization(), queue.mean_wait_s(), above(most)];
            for (value, expected) in found.into_iter().zip(&row[1..]) {
                assert_relative_eq!(value, *expected, max_relative = 1e-10);
            }
        }
    }

    #[test]
    fn variances_of_mm1_and_md1() {
        let queue = Mg1::of(0.7, &Law::exponential(1.0).unwrap()).unwrap();
        let spare: f64 = 0.3;
        // The wait is exponential with probability ρ: E Wq² = 2ρ/(μ − λ)².
        assert_relative_eq!(
            queue.wait_variance_s2().unwrap(),
            (2.0 * 0.7 - 0.49) / spare.powi(2),
            max_relative = 1e-13
        );
        assert_relative_eq!(queue.sojourn_variance_s2().unwrap(), 1.0 / spare.powi(2), max_relative = 1e-13);
        assert_relative_eq!(queue.in_system_variance().unwrap(), 0.7 / spare.powi(2), max_relative = 1e-13);
        // Lq of M/M/1: E Lq² = ρ²(1 + ρ)/(1 − ρ)².
        let waiting = 0.49 * 1.7 / spare.powi(2) - (0.49 / spare).powi(2);
        assert_relative_eq!(queue.waiting_variance().unwrap(), waiting, max_relative = 1e-13);
        // The busy period of M/M/1 has variance (1 + ρ)/(μ²(1 − ρ)³).
        assert_relative_eq!(queue.busy_period_variance_s2(), 1.7 / spare.powi(3), max_relative = 1e-13);
        // The number in M/D/1 by its own law.
        let (queue, law) = (Mg1::of(0.7, &Law::constant(1.0).unwrap()).unwrap(), Md1::new(0.7, 1.0).unwrap());
        let square: f64 = (0..300u32).map(|n| f64::from(2 * n + 1) * law.probability_above(u64::from(n))).sum();
        let variance = square - queue.mean_in_system().powi(2);
        assert_relative_eq!(queue.in_system_variance().unwrap(), variance, max_relative = 1e-11);
        assert_relative_eq!(queue.busy_period_variance_s2(), 0.7 / spare.powi(3), max_relative = 1e-12);
    }

    #[test]
    fn what_is_not_known_of_the_service_is_not_known_of_the_wait() {
        let queue = Mg1::new(0.5, 1.0, 2.0).unwrap();
        assert_eq!((queue.wait_variance_s2(), queue.in_system_variance()), (None, None));
        let whole = queue.with_third_moment(6.0).unwrap();
        assert_relative_eq!(whole.sojourn_variance_s2().unwrap(), 4.0, max_relative = 1e-14);
        assert!(queue.with_third_moment(3.9).is_err() && queue.with_third_moment(f64::INFINITY).is_err());
        assert_eq!(Mg1::of(0.5, &Law::pareto(1.0, 2.5).unwrap()).unwrap().wait_variance_s2(), None);
        assert!(matches!(
            Mg1::of(0.5, &Law::pareto(1.0, 2.0).unwrap()),
            Err(QueueError::Parameter { name: "second_moment_s2", .. })
        ));
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(Mg1::new(bad, 1.0, 2.0).is_err() && Mg1::new(0.5, bad, 2.0).is_err());
            assert!(Mg1::new(0.5, 1.0, bad).is_err() && Mg1::from_variance(0.5, 1.0, bad).is_err());
        }
        assert_eq!(Mg1::new(3.0, 0.5, 0.25), Err(QueueError::Unstable { growth_per_s: 1.0 }));
        assert!(matches!(Mg1::new(1.0, 0.5, 0.2), Err(QueueError::Parameter { .. })));
        assert!(matches!(Mg1::from_variance(1.0, 0.5, -0.1), Err(QueueError::Parameter { .. })));
        assert!(Mg1::new(1.0, 0.1, 0.1 * 0.1).is_ok());
    }
}
