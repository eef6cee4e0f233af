//! M/G/1, least attained service (foreground–background).
//!
//! Sizes need not be known. With ρₓ = λE\[min(S, x)\]: E\[T | x\] = λE\[min(S, x)²\]/2 / (1 − ρₓ)² + x/(1 − ρₓ). Kleinrock (1976),
//! *Queueing Systems* vol. 2, §4.6. Best of all blind orders where the hazard falls (Righter and Shanthikumar 1989, Probability in
//! the Engineering and Informational Sciences 3:323–333).

use super::queue::{Queue, size};
use crate::queueing::error::QueueError;
use crate::queueing::law::Law;

/// A stable M/G/1 queue that always serves those who have had the least service, sharing among equals.
///
/// ```
/// use fluidsim::queueing::{Law, disciplines::Las};
/// let queue = Las::new(0.9, Law::exponential(1.0)?)?;
/// assert!((queue.mean_sojourn_s() - 10.0).abs() < 1e-9);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Las {
    queue: Queue,
}

impl Las {
    /// The queue with arrival rate λ and this law of sizes.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] when ρ ≥ 1; [`QueueError::Parameter`] for a negative rate.
    pub fn new(arrivals_per_s: f64, law: Law) -> Result<Self, QueueError> {
        Ok(Self { queue: Queue::new(arrivals_per_s, law)? })
    }

    /// ρ = λE\[S\].
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Las};
    /// let queue = Las::new(0.9, Law::exponential(1.0)?)?;
    /// // λE[S].
    /// assert!((queue.utilization() - 0.9).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.queue.utilization()
    }

    /// E\[T | x\], mean time in system of a customer of size x, seconds.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a size that is negative or not finite.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Las};
    /// let queue = Las::new(0.5, Law::exponential(1.0)?)?;
    /// // The formula with mpmath.
    /// assert!((queue.sojourn_given_size_s(2.0)? - 4.444833784639242526).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sojourn_given_size_s(&self, size_s: f64) -> Result<f64, QueueError> {
        Ok(self.sojourn_s(size(size_s)?))
    }

    fn sojourn_s(&self, x_s: f64) -> f64 {
        let idle = 1.0 - self.queue.arrivals_per_s * self.queue.law.mean_up_to(x_s);
        let work = 0.5 * self.queue.arrivals_per_s * self.queue.law.second_moment_up_to(x_s);
        work / (idle * idle) + x_s / idle
    }

    /// W = E\[E\[T | S\]\], mean time in system in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Las};
    /// let queue = Las::new(0.9, Law::exponential(1.0)?)?;
    /// // With mpmath.
    /// assert!((queue.mean_sojourn_s() - 10.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        self.queue.mean_over_sizes(|x| self.sojourn_s(x))
    }

    /// Wq = W − E\[S\], mean time in system without service, interruptions included, in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Las};
    /// let queue = Las::new(0.9, Law::exponential(1.0)?)?;
    /// // W less the mean service.
    /// assert!((queue.mean_wait_s() - (10.0 - 1.0)).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self) -> f64 {
        self.mean_sojourn_s() - self.queue.law.mean_s()
    }

    /// L = λW.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Las};
    /// let queue = Las::new(0.9, Law::exponential(1.0)?)?;
    /// // λW.
    /// assert!((queue.mean_in_system() - 0.9 * 10.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        self.queue.arrivals_per_s * self.mean_sojourn_s()
    }

    /// Lq = λWq.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Las};
    /// let queue = Las::new(0.9, Law::exponential(1.0)?)?;
    /// // λ(W − E[S]).
    /// assert!((queue.mean_waiting() - (0.9 * (10.0 - 1.0))).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_waiting(&self) -> f64 {
        self.queue.arrivals_per_s * self.mean_wait_s()
    }

    /// E\[T/S\], the mean slowdown.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Las};
    /// let queue = Las::new(0.5, Law::exponential(1.0)?)?;
    /// // The mean of E[T | x]/x over sizes with mpmath.
    /// assert!((queue.mean_slowdown() - 1.609274778369362540).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_slowdown(&self) -> f64 {
        self.queue.mean_over_sizes(|x| self.sojourn_s(x) / x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn the_tables_are_met() {
        for (rate, exponential, weibull) in
            [(0.5, 2.0, 1.82156112765), (0.7, 3.33333333333, 2.81168629298), (0.9, 10.0, 7.03846384781)]
        {
            let queue = Las::new(rate, Law::exponential(1.0).unwrap()).unwrap();
            assert_relative_eq!(queue.mean_sojourn_s(), exponential, max_relative = 1e-11);
            assert_relative_eq!(queue.mean_in_system(), rate * exponential, max_relative = 1e-11);
            let queue = Las::new(rate, Law::weibull(1.0, 0.5).unwrap()).unwrap();
            assert_relative_eq!(queue.mean_sojourn_s(), weibull, max_relative = 1e-11);
            assert_relative_eq!(queue.mean_waiting(), rate * (weibull - 1.0), max_relative = 1e-10);
        }
    }

    #[test]
    fn an_idle_server_only_serves() {
        for law in [Law::weibull(2.0, 0.5), Law::constant(2.0), Law::pareto(2.0, 1.5)].map(Result::unwrap) {
            let queue = Las::new(0.0, law).unwrap();
            assert_relative_eq!(queue.mean_sojourn_s(), 2.0, max_relative = 1e-10);
            assert_relative_eq!(queue.mean_slowdown(), 1.0, max_relative = 1e-10);
            assert_relative_eq!(queue.sojourn_given_size_s(3.0).unwrap(), 3.0, max_relative = 1e-12);
        }
    }

    #[test]
    fn equal_sizes_all_leave_when_the_busy_period_ends() {
        // T = (E[S²]λ/2)/(1 − ρ)² + d/(1 − ρ) with d = 1, λ = .8.
        let queue = Las::new(0.8, Law::constant(1.0).unwrap()).unwrap();
        assert_relative_eq!(queue.mean_sojourn_s(), 0.4 / 0.04 + 1.0 / 0.2, max_relative = 1e-12);
    }

    #[test]
    fn a_falling_hazard_makes_it_better_than_sharing_and_a_rising_one_worse() {
        for rate in [0.3, 0.6, 0.9, 0.97] {
            let mean = |law: Result<Law, _>| Las::new(rate, law.unwrap()).unwrap().mean_sojourn_s();
            let sharing = 1.0 / (1.0 - rate);
            assert!(mean(Law::gamma(1.0, 3.0)) < sharing && mean(Law::erlang(1.0, 3)) > sharing);
            assert_relative_eq!(mean(Law::exponential(1.0)), sharing, max_relative = 1e-10);
        }
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        let law = Law::exponential(1.0).unwrap();
        assert!(matches!(Las::new(1.0, law.clone()), Err(QueueError::Unstable { .. })));
        assert!(matches!(Las::new(f64::NAN, law.clone()), Err(QueueError::Parameter { .. })));
        assert!(Las::new(0.5, law).unwrap().sojourn_given_size_s(-1.0).is_err());
    }
}
