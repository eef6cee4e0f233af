//! M/G/1, shortest job first: whoever starts is served to the end, and the shortest who wait is next.
//!
//! E\[T | x\] = x + λE\[S²\]/2 / ((1 − ρ(x⁻))(1 − ρ(x))), ρ(x) = λE\[S; S ≤ x\]; equal sizes first come first served. Phipps (1956),
//! Operations Research 4:76–85; Conway, Maxwell and Miller (1967), *Theory of Scheduling*, §8-6.

use super::queue::{Queue, has_inverse_moment, size};
use crate::queueing::error::QueueError;
use crate::queueing::law::Law;

/// A stable M/G/1 queue served shortest job first, without preemption.
///
/// ```
/// use fluidsim::queueing::{Law, disciplines::Sjf};
/// let queue = Sjf::new(0.9, Law::exponential(1.0)?)?;
/// assert!((queue.mean_sojourn_s() - 4.19691258966).abs() < 1e-10);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Sjf {
    queue: Queue,
}

impl Sjf {
    /// The queue with arrival rate λ and this law of sizes.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] when ρ ≥ 1; [`QueueError::Parameter`] for a negative rate, or an infinite E\[S²\], with which every
    /// wait is infinite.
    pub fn new(arrivals_per_s: f64, law: Law) -> Result<Self, QueueError> {
        Ok(Self { queue: Queue::with_second_moment(arrivals_per_s, law)? })
    }

    /// ρ = λE\[S\].
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Sjf};
    /// let queue = Sjf::new(0.9, Law::exponential(1.0)?)?;
    /// // λE[S].
    /// assert!((queue.utilization() - 0.9).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.queue.utilization()
    }

    /// E\[Wq | x\] = λE\[S²\]/2 / ((1 − ρ(x⁻))(1 − ρ(x))), seconds.
    fn wait_s(&self, x_s: f64) -> f64 {
        self.queue.residual_s() / self.queue.idle_squared(x_s)
    }

    /// E\[T | x\], mean time in system of a customer of size x, seconds.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a size that is negative or not finite.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Sjf};
    /// let queue = Sjf::new(0.5, Law::exponential(1.0)?)?;
    /// // The formula with mpmath.
    /// assert!((queue.sojourn_given_size_s(2.0)? - 3.011709296052180178).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sojourn_given_size_s(&self, size_s: f64) -> Result<f64, QueueError> {
        Ok(size(size_s)? + self.wait_s(size_s))
    }

    /// Wq = E\[E\[Wq | S\]\], mean wait in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Sjf};
    /// let queue = Sjf::new(0.9, Law::exponential(1.0)?)?;
    /// // W less the mean service.
    /// assert!((queue.mean_wait_s() - (4.19691258966 - 1.0)).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self) -> f64 {
        self.queue.mean_over_sizes(|x| self.wait_s(x))
    }

    /// W = Wq + E\[S\], mean time in system in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Sjf};
    /// let queue = Sjf::new(0.9, Law::exponential(1.0)?)?;
    /// // With mpmath.
    /// assert!((queue.mean_sojourn_s() - 4.19691258966).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        self.mean_wait_s() + self.queue.law.mean_s()
    }

    /// Lq = λWq.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Sjf};
    /// let queue = Sjf::new(0.9, Law::exponential(1.0)?)?;
    /// // λ(W − E[S]).
    /// assert!((queue.mean_waiting() - (0.9 * (4.19691258966 - 1.0))).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_waiting(&self) -> f64 {
        self.queue.arrivals_per_s * self.mean_wait_s()
    }

    /// L = λW.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Sjf};
    /// let queue = Sjf::new(0.9, Law::exponential(1.0)?)?;
    /// // λW.
    /// assert!((queue.mean_in_system() - 0.9 * 4.19691258966).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        self.queue.arrivals_per_s * self.mean_sojourn_s()
    }

    /// E\[T/S\], the mean slowdown; infinite where E\[1/S\] is, for the smallest wait behind whoever is in service.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::Sjf};
    /// let queue = Sjf::new(0.5, Law::erlang(1.0, 2)?)?;
    /// // The mean of E[T | x]/x over sizes with mpmath.
    /// assert!((queue.mean_slowdown() - 1.893279933318522201).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_slowdown(&self) -> f64 {
        if self.queue.arrivals_per_s > 0.0 && !has_inverse_moment(&self.queue.law) {
            return f64::INFINITY;
        }
        1.0 + self.queue.mean_over_sizes(|x| self.wait_s(x) / x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::general::Mg1;
    use approx::assert_relative_eq;

    #[test]
    fn the_tables_are_met() {
        for (rate, exponential, weibull) in [
            (0.5, 1.71268633194, 2.78655986664),
            (0.7, 2.31219668272, 3.85791417163),
            (0.9, 4.19691258966, 6.04243231524),
        ] {
            let queue = Sjf::new(rate, Law::exponential(1.0).unwrap()).unwrap();
            assert_relative_eq!(queue.mean_sojourn_s(), exponential, max_relative = 1e-11);
            assert_relative_eq!(queue.mean_in_system(), rate * exponential, max_relative = 1e-11);
            let queue = Sjf::new(rate, Law::weibull(1.0, 0.5).unwrap()).unwrap();
            assert_relative_eq!(queue.mean_sojourn_s(), weibull, max_relative = 1e-11);
            assert_relative_eq!(queue.mean_waiting(), rate * (weibull - 1.0), max_relative = 1e-10);
        }
    }

    #[test]
    fn equal_sizes_are_first_come_first_served() {
        let queue = Sjf::new(0.8, Law::constant(1.0).unwrap()).unwrap();
        let fcfs = Mg1::new(0.8, 1.0, 1.0).unwrap();
        assert_relative_eq!(queue.mean_wait_s(), fcfs.mean_wait_s(), max_relative = 1e-14);
        assert_relative_eq!(queue.mean_slowdown(), fcfs.mean_sojourn_s(), max_relative = 1e-14);
    }

    #[test]
    fn the_slowdown_is_infinite_where_there_are_sizes_near_zero() {
        assert_eq!(Sjf::new(0.5, Law::exponential(1.0).unwrap()).unwrap().mean_slowdown(), f64::INFINITY);
        assert_eq!(Sjf::new(0.0, Law::exponential(1.0).unwrap()).unwrap().mean_slowdown(), 1.0);
        assert!(Sjf::new(0.5, Law::erlang(1.0, 2).unwrap()).unwrap().mean_slowdown().is_finite());
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        let law = Law::exponential(1.0).unwrap();
        assert!(
            matches!(Sjf::new(1.25, law.clone()), Err(QueueError::Unstable { growth_per_s }) if growth_per_s == 0.25)
        );
        assert!(matches!(Sjf::new(-0.1, law.clone()), Err(QueueError::Parameter { .. })));
        assert!(matches!(Sjf::new(f64::NAN, law.clone()), Err(QueueError::Parameter { .. })));
        assert!(matches!(Sjf::new(0.5, Law::pareto(1.0, 1.5).unwrap()), Err(QueueError::Parameter { .. })));
        let queue = Sjf::new(0.5, law).unwrap();
        assert!(queue.sojourn_given_size_s(-1.0).is_err() && queue.sojourn_given_size_s(f64::NAN).is_err());
    }
}
