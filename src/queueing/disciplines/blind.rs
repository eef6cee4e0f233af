//! M/G/1 in an order that neither looks at sizes nor interrupts: first come, last come, random.
//!
//! Any such order has the mean wait of first come first served, Wq = λE\[S²\]/(2(1 − ρ)), but not its second moment: last come first
//! served has E\[Wq²\] over 1 − ρ of it, random order over 1 − ρ/2 (Kingman 1962, Proc. Cambridge Phil. Soc. 58:163–164; Takács
//! 1963, Bell System Technical Journal 42:487–503). A last comer that interrupts has the means of [`super::ProcessorSharing`],
//! E\[T | x\] = x/(1 − ρ) (Kelly 1979, *Reversibility and Stochastic Networks*, §3.3).

use super::queue::{Queue, size};
use crate::queueing::error::QueueError;
use crate::queueing::law::Law;

/// Who of those waiting is served next, once whoever is in service leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlindOrder {
    /// First come, first served.
    First,
    /// Last come, first served.
    Last,
    /// Any of them, equally likely.
    Random,
}

/// A stable M/G/1 queue whose order does not look at sizes and does not interrupt.
///
/// ```
/// use fluidsim::queueing::{Law, disciplines::{Blind, BlindOrder}};
/// let queue = Blind::new(0.5, Law::exponential(1.0)?, BlindOrder::Last)?;
/// assert!((queue.mean_wait_s() - 1.0).abs() < 1e-12);
/// // M/M/1 served first come first served has E[Wq²] = 2ρ/(μ(1 − ρ))² = 4.
/// assert!((queue.second_moment_of_wait_s2()? - 8.0).abs() < 1e-12);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Blind {
    queue: Queue,
    order: BlindOrder,
}

impl Blind {
    /// The queue with arrival rate λ and this law of sizes.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] when ρ ≥ 1; [`QueueError::Parameter`] for a negative rate or an infinite E\[S²\].
    pub fn new(arrivals_per_s: f64, law: Law, order: BlindOrder) -> Result<Self, QueueError> {
        Ok(Self { queue: Queue::with_second_moment(arrivals_per_s, law)?, order })
    }

    /// ρ = λE\[S\].
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::{Blind, BlindOrder}};
    /// let queue = Blind::new(0.5, Law::exponential(1.0)?, BlindOrder::Last)?;
    /// // λE[S].
    /// assert!((queue.utilization() - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.queue.utilization()
    }

    /// Wq = λE\[S²\]/(2(1 − ρ)), seconds, in any order.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::{Blind, BlindOrder}};
    /// let queue = Blind::new(0.5, Law::exponential(1.0)?, BlindOrder::Last)?;
    /// // As M/M/1: ρ/(μ − λ).
    /// assert!((queue.mean_wait_s() - 1.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self) -> f64 {
        self.queue.residual_s() / (1.0 - self.utilization())
    }

    /// W = Wq + E\[S\], seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::{Blind, BlindOrder}};
    /// let queue = Blind::new(0.5, Law::exponential(1.0)?, BlindOrder::Last)?;
    /// // As M/M/1: 1/(μ − λ).
    /// assert!((queue.mean_sojourn_s() - 2.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        self.mean_wait_s() + self.queue.law.mean_s()
    }

    /// Lq = λWq.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::{Blind, BlindOrder}};
    /// let queue = Blind::new(0.5, Law::exponential(1.0)?, BlindOrder::Last)?;
    /// // As M/M/1: ρ²/(1 − ρ).
    /// assert!((queue.mean_waiting() - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_waiting(&self) -> f64 {
        self.queue.arrivals_per_s * self.mean_wait_s()
    }

    /// L = λW.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::{Blind, BlindOrder}};
    /// let queue = Blind::new(0.5, Law::exponential(1.0)?, BlindOrder::Last)?;
    /// // As M/M/1: ρ/(1 − ρ).
    /// assert!((queue.mean_in_system() - 1.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        self.queue.arrivals_per_s * self.mean_sojourn_s()
    }

    /// E\[T | x\] = Wq + x, seconds.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a size that is negative or not finite.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::{Blind, BlindOrder}};
    /// let queue = Blind::new(0.5, Law::exponential(1.0)?, BlindOrder::Last)?;
    /// // Wq + x.
    /// assert!((queue.sojourn_given_size_s(3.0)? - 4.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sojourn_given_size_s(&self, size_s: f64) -> Result<f64, QueueError> {
        Ok(size(size_s)? + self.mean_wait_s())
    }

    /// E\[Wq²\] = 2Wq² + λE\[S³\]/(3(1 − ρ)) first come first served; 1/(1 − ρ) times that last come, 1/(1 − ρ/2) times in random
    /// order, seconds².
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for an infinite E\[S³\].
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::{Blind, BlindOrder}};
    /// let queue = Blind::new(0.5, Law::exponential(1.0)?, BlindOrder::Last)?;
    /// // 2ρ/(μ(1 − ρ))² first come, twice that last come at ρ = ½.
    /// assert!((queue.second_moment_of_wait_s2()? - 8.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn second_moment_of_wait_s2(&self) -> Result<f64, QueueError> {
        let value = self.queue.law.moment(3);
        if !value.is_finite() {
            return Err(QueueError::Parameter { name: "third_moment_s3", value, must: "finite" });
        }
        let rho = self.utilization();
        let first = 2.0 * self.mean_wait_s().powi(2) + self.queue.arrivals_per_s * value / (3.0 * (1.0 - rho));
        Ok(match self.order {
            BlindOrder::First => first,
            BlindOrder::Last => first / (1.0 - rho),
            BlindOrder::Random => first / (1.0 - 0.5 * rho),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::general::Mg1;
    use approx::assert_relative_eq;

    #[test]
    fn the_mean_is_that_of_first_come_first_served() {
        for order in [BlindOrder::First, BlindOrder::Last, BlindOrder::Random] {
            let queue = Blind::new(0.9, Law::uniform(0.0, 2.0).unwrap(), order).unwrap();
            let fcfs = Mg1::from_variance(0.9, 1.0, 1.0 / 3.0).unwrap();
            assert_relative_eq!(queue.mean_wait_s(), fcfs.mean_wait_s(), max_relative = 1e-12);
            assert_relative_eq!(queue.mean_in_system(), fcfs.mean_in_system(), max_relative = 1e-12);
            assert_relative_eq!(queue.sojourn_given_size_s(1.0).unwrap(), queue.mean_sojourn_s(), max_relative = 1e-12);
        }
    }

    #[test]
    fn later_orders_vary_more() {
        // M/M/1, ρ = .7: E[Wq²] = 2ρ/(1 − ρ)², then over .3 and over .65.
        let second = |order| {
            let queue = Blind::new(0.7, Law::exponential(1.0).unwrap(), order).unwrap();
            queue.second_moment_of_wait_s2().unwrap()
        };
        let first = 1.4 / 0.09;
        assert_relative_eq!(second(BlindOrder::First), first, max_relative = 1e-12);
        assert_relative_eq!(second(BlindOrder::Last), first / 0.3, max_relative = 1e-12);
        assert_relative_eq!(second(BlindOrder::Random), first / 0.65, max_relative = 1e-12);
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        let law = Law::exponential(1.0).unwrap();
        assert!(matches!(Blind::new(2.0, law.clone(), BlindOrder::Last), Err(QueueError::Unstable { .. })));
        assert!(Blind::new(-1.0, law.clone(), BlindOrder::Last).is_err());
        assert!(Blind::new(0.5, law, BlindOrder::Last).unwrap().sojourn_given_size_s(-1.0).is_err());
        let heavy = Blind::new(0.5, Law::pareto(1.0, 2.5).unwrap(), BlindOrder::First).unwrap();
        assert!(heavy.second_moment_of_wait_s2().is_err() && heavy.mean_wait_s().is_finite());
    }
}
