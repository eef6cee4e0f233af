//! M/G/1, preemptive shortest job first.
//!
//! Rank is the size on arrival; a smaller arrival interrupts, and equal sizes are first come first served:
//! E\[T | x\] = λE\[S²; S ≤ x\]/2 / ((1 − ρ(x⁻))(1 − ρ(x))) + x/(1 − ρ(x⁻)), ρ(x) = λE\[S; S ≤ x\]. Harchol-Balter (2013),
//! *Performance Modeling and Design of Computer Systems*, §32.3. Of the residence part the mean over sizes is ln(1/(1 − ρ))/λ.

use super::queue::{Queue, size};
use crate::queueing::error::QueueError;
use crate::queueing::law::Law;

/// A stable M/G/1 queue that always serves whoever had the smallest size on arrival.
///
/// ```
/// use fluidsim::queueing::{Law, disciplines::Psjf};
/// let queue = Psjf::new(0.9, Law::exponential(1.0)?)?;
/// assert!((queue.mean_sojourn_s() - 4.05177320334).abs() < 1e-9);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Psjf {
    queue: Queue,
}

impl Psjf {
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
    /// # use fluidsim::queueing::{Law, disciplines::Psjf};
    /// let queue = Psjf::new(0.9, Law::exponential(1.0)?)?;
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
    /// # use fluidsim::queueing::{Law, disciplines::Psjf};
    /// let queue = Psjf::new(0.5, Law::exponential(1.0)?)?;
    /// // The formula with mpmath.
    /// assert!((queue.sojourn_given_size_s(2.0)? - 3.172047852290876382).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sojourn_given_size_s(&self, size_s: f64) -> Result<f64, QueueError> {
        Ok(self.sojourn_s(size(size_s)?))
    }

    fn sojourn_s(&self, x_s: f64) -> f64 {
        self.delay_s(x_s) + x_s / (1.0 - self.queue.load_below(x_s))
    }

    /// Mean time until service first begins, seconds.
    fn delay_s(&self, x_s: f64) -> f64 {
        0.5 * self.queue.arrivals_per_s * self.queue.law.moment_below(2, x_s) / self.queue.idle_squared(x_s)
    }

    /// W = E\[E\[T | S\]\], mean time in system in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Psjf};
    /// let queue = Psjf::new(0.9, Law::exponential(1.0)?)?;
    /// // With mpmath.
    /// assert!((queue.mean_sojourn_s() - 4.05177320334).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        self.queue.mean_over_sizes(|x| self.sojourn_s(x))
    }

    /// Wq = W − E\[S\], mean time in system without service, interruptions included, in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Psjf};
    /// let queue = Psjf::new(0.9, Law::exponential(1.0)?)?;
    /// // W less the mean service.
    /// assert!((queue.mean_wait_s() - (4.05177320334 - 1.0)).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self) -> f64 {
        self.mean_sojourn_s() - self.queue.law.mean_s()
    }

    /// L = λW.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Psjf};
    /// let queue = Psjf::new(0.9, Law::exponential(1.0)?)?;
    /// // λW.
    /// assert!((queue.mean_in_system() - 0.9 * 4.05177320334).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        self.queue.arrivals_per_s * self.mean_sojourn_s()
    }

    /// Lq = λWq.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Psjf};
    /// let queue = Psjf::new(0.9, Law::exponential(1.0)?)?;
    /// // λ(W − E[S]).
    /// assert!((queue.mean_waiting() - (0.9 * (4.05177320334 - 1.0))).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_waiting(&self) -> f64 {
        self.queue.arrivals_per_s * self.mean_wait_s()
    }

    /// E\[T/S\], the mean slowdown.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Psjf};
    /// let queue = Psjf::new(0.5, Law::exponential(1.0)?)?;
    /// // The mean of E[T | x]/x over sizes with mpmath.
    /// assert!((queue.mean_slowdown() - 1.239308057121524851).abs() < 1e-9);
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
            (0.5, 1.5313832833, 1.49199947431),
            (0.7, 2.08386953035, 1.97864364457),
            (0.9, 4.05177320334, 3.55536696342),
        ] {
            let queue = Psjf::new(rate, Law::exponential(1.0).unwrap()).unwrap();
            assert_relative_eq!(queue.mean_sojourn_s(), exponential, max_relative = 1e-11);
            assert_relative_eq!(queue.mean_in_system(), rate * exponential, max_relative = 1e-11);
            let queue = Psjf::new(rate, Law::weibull(1.0, 0.5).unwrap()).unwrap();
            assert_relative_eq!(queue.mean_sojourn_s(), weibull, max_relative = 1e-11);
            assert_relative_eq!(queue.mean_waiting(), rate * (weibull - 1.0), max_relative = 1e-10);
        }
    }

    #[test]
    fn an_idle_server_only_serves() {
        for law in [Law::weibull(2.0, 0.5), Law::constant(2.0), Law::pareto(2.0, 1.5)].map(Result::unwrap) {
            let queue = Psjf::new(0.0, law).unwrap();
            assert_relative_eq!(queue.mean_sojourn_s(), 2.0, max_relative = 1e-10);
            assert_relative_eq!(queue.mean_slowdown(), 1.0, max_relative = 1e-10);
            assert_relative_eq!(queue.sojourn_given_size_s(3.0).unwrap(), 3.0, max_relative = 1e-12);
        }
    }

    #[test]
    fn equal_sizes_are_first_come_first_served() {
        let queue = Psjf::new(0.8, Law::constant(1.0).unwrap()).unwrap();
        let fcfs = crate::queueing::general::Mg1::new(0.8, 1.0, 1.0).unwrap();
        assert_relative_eq!(queue.mean_sojourn_s(), fcfs.mean_sojourn_s(), max_relative = 1e-12);
    }

    #[test]
    fn residence_has_a_closed_form() {
        for law in [Law::lognormal(1.0, 4.0), Law::uniform(0.2, 1.8), Law::gamma(1.0, 5.0)].map(Result::unwrap) {
            let queue = Psjf::new(0.8, law).unwrap();
            let residence = queue.queue.mean_over_sizes(|x| x / (1.0 - queue.queue.load_below(x)));
            assert_relative_eq!(residence, 5f64.ln() / 0.8, max_relative = 1e-11);
        }
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        let law = Law::exponential(1.0).unwrap();
        assert!(matches!(Psjf::new(1.0, law.clone()), Err(QueueError::Unstable { .. })));
        assert!(matches!(Psjf::new(f64::NAN, law.clone()), Err(QueueError::Parameter { .. })));
        assert!(Psjf::new(0.5, law).unwrap().sojourn_given_size_s(-1.0).is_err());
    }
}
