//! M/G/1, shortest remaining processing time.
//!
//! No order has a shorter mean time in system (Schrage 1968, Operations Research 16:687–690). With ρ(x) = λE\[S; S ≤ x\]:
//! E\[T | x\] = λE\[min(S, x)²\]/2 / ((1 − ρ(x⁻))(1 − ρ(x))) + ∫₀ˣ dt/(1 − ρ(t)). Schrage and Miller (1966), Operations Research
//! 14:670–684. Equal sizes are first come first served. The mean residence is ∫ P(S > t)/(1 − ρ(t)) dt.

use super::quadrature::{corners, integral};
use super::queue::{Queue, size};
use crate::queueing::error::QueueError;
use crate::queueing::law::Law;

/// A stable M/G/1 queue that always serves whoever has least left.
///
/// ```
/// use fluidsim::queueing::{Law, disciplines::Srpt};
/// let queue = Srpt::new(0.9, Law::exponential(1.0)?)?;
/// assert!((queue.mean_sojourn_s() - 3.55212509963).abs() < 1e-9);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Srpt {
    queue: Queue,
}

impl Srpt {
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
    /// # use fluidsim::queueing::{Law, disciplines::Srpt};
    /// let queue = Srpt::new(0.9, Law::exponential(1.0)?)?;
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
    /// # use fluidsim::queueing::{Law, disciplines::Srpt};
    /// let queue = Srpt::new(0.5, Law::exponential(1.0)?)?;
    /// // The formula with mpmath.
    /// assert!((queue.sojourn_given_size_s(2.0)? - 2.942588126166469689).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sojourn_given_size_s(&self, size_s: f64) -> Result<f64, QueueError> {
        Ok(self.sojourn_s(size(size_s)?))
    }

    fn sojourn_s(&self, x_s: f64) -> f64 {
        let residence = integral(0.0, x_s, &corners(&self.queue.law), |t| 1.0 / (1.0 - self.queue.load(t)));
        self.delay_s(x_s) + residence
    }

    /// Mean time until service first begins, seconds.
    fn delay_s(&self, x_s: f64) -> f64 {
        0.5 * self.queue.arrivals_per_s * self.queue.law.second_moment_up_to(x_s) / self.queue.idle_squared(x_s)
    }

    /// W = E\[E\[T | S\]\], mean time in system in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Srpt};
    /// let queue = Srpt::new(0.9, Law::exponential(1.0)?)?;
    /// // With mpmath.
    /// assert!((queue.mean_sojourn_s() - 3.55212509963).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        let residence = integral(0.0, f64::INFINITY, &corners(&self.queue.law), |t| {
            self.queue.law.survival(t) / (1.0 - self.queue.load(t))
        });
        self.queue.mean_over_sizes(|x| self.delay_s(x)) + residence
    }

    /// Wq = W − E\[S\], mean time in system without service, interruptions included, in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Srpt};
    /// let queue = Srpt::new(0.9, Law::exponential(1.0)?)?;
    /// // W less the mean service.
    /// assert!((queue.mean_wait_s() - (3.55212509963 - 1.0)).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self) -> f64 {
        self.mean_sojourn_s() - self.queue.law.mean_s()
    }

    /// L = λW.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Srpt};
    /// let queue = Srpt::new(0.9, Law::exponential(1.0)?)?;
    /// // λW.
    /// assert!((queue.mean_in_system() - 0.9 * 3.55212509963).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        self.queue.arrivals_per_s * self.mean_sojourn_s()
    }

    /// Lq = λWq.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Srpt};
    /// let queue = Srpt::new(0.9, Law::exponential(1.0)?)?;
    /// // λ(W − E[S]).
    /// assert!((queue.mean_waiting() - (0.9 * (3.55212509963 - 1.0))).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_waiting(&self) -> f64 {
        self.queue.arrivals_per_s * self.mean_wait_s()
    }

    /// E\[T/S\], the mean slowdown.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Srpt};
    /// let queue = Srpt::new(0.5, Law::exponential(1.0)?)?;
    /// // The mean of E[T | x]/x over sizes with mpmath.
    /// assert!((queue.mean_slowdown() - 1.225117453857837638).abs() < 1e-9);
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
        for (rate, exponential, weibull) in [
            (0.5, 1.42537266388, 1.41021209187),
            (0.7, 1.8745666896, 1.81419733114),
            (0.9, 3.55212509963, 3.14978981466),
        ] {
            let queue = Srpt::new(rate, Law::exponential(1.0).unwrap()).unwrap();
            assert_relative_eq!(queue.mean_sojourn_s(), exponential, max_relative = 1e-11);
            assert_relative_eq!(queue.mean_in_system(), rate * exponential, max_relative = 1e-11);
            let queue = Srpt::new(rate, Law::weibull(1.0, 0.5).unwrap()).unwrap();
            assert_relative_eq!(queue.mean_sojourn_s(), weibull, max_relative = 1e-11);
            assert_relative_eq!(queue.mean_waiting(), rate * (weibull - 1.0), max_relative = 1e-10);
        }
    }

    #[test]
    fn an_idle_server_only_serves() {
        for law in [Law::weibull(2.0, 0.5), Law::constant(2.0), Law::pareto(2.0, 1.5)].map(Result::unwrap) {
            let queue = Srpt::new(0.0, law).unwrap();
            assert_relative_eq!(queue.mean_sojourn_s(), 2.0, max_relative = 1e-10);
            assert_relative_eq!(queue.mean_slowdown(), 1.0, max_relative = 1e-10);
            assert_relative_eq!(queue.sojourn_given_size_s(3.0).unwrap(), 3.0, max_relative = 1e-12);
        }
    }

    #[test]
    fn equal_sizes_are_first_come_first_served() {
        let queue = Srpt::new(0.8, Law::constant(1.0).unwrap()).unwrap();
        let fcfs = crate::queueing::general::Mg1::new(0.8, 1.0, 1.0).unwrap();
        assert_relative_eq!(queue.mean_sojourn_s(), fcfs.mean_sojourn_s(), max_relative = 1e-12);
    }

    #[test]
    fn the_mean_is_the_mean_over_sizes() {
        for law in [Law::lognormal(1.0, 4.0), Law::uniform(0.2, 1.8), Law::pareto(1.0, 2.5)].map(Result::unwrap) {
            let queue = Srpt::new(0.8, law).unwrap();
            let mean = queue.queue.mean_over_sizes(|x| queue.sojourn_given_size_s(x).unwrap());
            assert_relative_eq!(queue.mean_sojourn_s(), mean, max_relative = 1e-10);
        }
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        let law = Law::exponential(1.0).unwrap();
        assert!(matches!(Srpt::new(1.0, law.clone()), Err(QueueError::Unstable { .. })));
        assert!(matches!(Srpt::new(f64::NAN, law.clone()), Err(QueueError::Parameter { .. })));
        assert!(Srpt::new(0.5, law).unwrap().sojourn_given_size_s(-1.0).is_err());
    }
}
