//! M/G/1 with one bit of advice: whether a size is at most a threshold T.
//!
//! With p = P(S ≤ T) and ρ(T) = λE\[S; S ≤ T\] (Mitzenmacher 2021, *Queues with small advice*, ACDA 2021:1–12):
//!
//! * no interruption, the short ahead of the long: W = E\[S\] + R(1 − pρ)/((1 − ρ(T))(1 − ρ)), R = λE\[S²\]/2;
//! * the short interrupt whoever is served, the long queue at the back: W = E\[S\]/(1 − ρ(T)) + (1 − p)R/((1 − ρ(T))(1 − ρ)).
//!
//! The best threshold is the one root of an increasing function: T(1 − ρP(S ≤ T)) = E\[S\](1 − ρ(T)) without interruption, and
//! T(ρ(1 − ρ) + λR·P(S > T)) = R(1 − ρ(T)) with it. With exponential sizes of mean 1 both are λ = (T − 1)/(e^{−T} + T − 1), and
//! W of the first is 1 + λW of the second.

use super::queue::Queue;
use crate::queueing::error::{QueueError, positive};
use crate::queueing::law::Law;

/// A stable M/G/1 queue that knows which sizes are short.
///
/// ```
/// use fluidsim::queueing::{Law, disciplines::OneBit};
/// let queue = OneBit::new(0.5, Law::exponential(1.0)?)?;
/// let threshold = queue.best_threshold_s()?;
/// assert!((threshold - 1.27846454276).abs() < 1e-10);
/// assert!((queue.mean_sojourn_s(threshold)? - 1.78218829428).abs() < 1e-10);
/// assert!((queue.preemptive_sojourn_s(threshold)? - 1.56437658856).abs() < 1e-10);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct OneBit {
    queue: Queue,
}

impl OneBit {
    /// The queue with arrival rate λ and this law of sizes.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] when ρ ≥ 1; [`QueueError::Parameter`] for a negative rate or an infinite E\[S²\].
    pub fn new(arrivals_per_s: f64, law: Law) -> Result<Self, QueueError> {
        Ok(Self { queue: Queue::with_second_moment(arrivals_per_s, law)? })
    }

    /// ρ = λE\[S\].
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::OneBit};
    /// let queue = OneBit::new(0.9, Law::exponential(1.0)?)?;
    /// // λE[S].
    /// assert!((queue.utilization() - 0.9).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.queue.utilization()
    }

    /// W without interruption, seconds.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a threshold that is not positive and finite.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::OneBit};
    /// let queue = OneBit::new(0.9, Law::exponential(1.0)?)?;
    /// // With mpmath.
    /// assert!((queue.mean_sojourn_s(2.10100299728)? - 5.28366832968).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self, threshold_s: f64) -> Result<f64, QueueError> {
        let short = self.queue.law.cdf(positive("threshold_s", threshold_s)?);
        let rho = self.utilization();
        let idle = (1.0 - self.queue.load(threshold_s)) * (1.0 - rho);
        Ok(self.queue.law.mean_s() + self.queue.residual_s() * (1.0 - short * rho) / idle)
    }

    /// W where the short interrupt, the last of them first, and the long queue at the back, seconds.
    ///
    /// # Errors
    /// As [`OneBit::mean_sojourn_s`].
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::OneBit};
    /// let queue = OneBit::new(0.9, Law::exponential(1.0)?)?;
    /// // With mpmath.
    /// assert!((queue.preemptive_sojourn_s(2.10100299728)? - 4.75963147742).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn preemptive_sojourn_s(&self, threshold_s: f64) -> Result<f64, QueueError> {
        let long = self.queue.law.survival(positive("threshold_s", threshold_s)?);
        let idle = 1.0 - self.queue.load(threshold_s);
        let delay_s = long * self.queue.residual_s() / (1.0 - self.utilization());
        Ok((self.queue.law.mean_s() + delay_s) / idle)
    }

    /// The threshold with the least W without interruption, seconds.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] where nobody arrives, and so every threshold is as good.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::OneBit};
    /// let queue = OneBit::new(0.9, Law::exponential(1.0)?)?;
    /// // The root of λ = (T − 1)/(e⁻ᵀ + T − 1), with mpmath.
    /// assert!((queue.best_threshold_s()? - 2.10100299728).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn best_threshold_s(&self) -> Result<f64, QueueError> {
        positive("arrivals_per_s", self.queue.arrivals_per_s)?;
        let (mean_s, rho) = (self.queue.law.mean_s(), self.utilization());
        let slope = |t: f64| t * (1.0 - rho * self.queue.law.cdf(t)) - mean_s * (1.0 - self.queue.load(t));
        Ok(root(slope, mean_s / (1.0 - rho)))
    }

    /// The threshold with the least W where the short interrupt, seconds.
    ///
    /// # Errors
    /// As [`OneBit::best_threshold_s`].
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::OneBit};
    /// let queue = OneBit::new(0.5, Law::exponential(1.0)?)?;
    /// // The root of the derivative with mpmath.
    /// assert!((queue.best_preemptive_threshold_s()? - 1.2784645427610737951).abs() < 1e-7);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn best_preemptive_threshold_s(&self) -> Result<f64, QueueError> {
        let rate = positive("arrivals_per_s", self.queue.arrivals_per_s)?;
        let (residual_s, rho) = (self.queue.residual_s(), self.utilization());
        let slope = |t: f64| {
            let gain = rho * (1.0 - rho) + rate * residual_s * self.queue.law.survival(t);
            t * gain - residual_s * (1.0 - self.queue.load(t))
        };
        Ok(root(slope, residual_s / (rho * (1.0 - rho))))
    }
}

/// The root in (0, `high`) of an increasing function, to the last bit.
fn root(increasing: impl Fn(f64) -> f64, high: f64) -> f64 {
    let (mut low, mut high) = (0.0, high);
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return high;
        }
        if increasing(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::disciplines::{Preemption, Priority, Sjf};
    use crate::queueing::general::Mg1;
    use approx::assert_relative_eq;

    #[test]
    fn the_table_is_met() {
        for (rate, threshold, waits, interrupts) in [
            (0.5, 1.27846454276, 1.78218829428, 1.56437658856),
            (0.7, 1.51360284591, 2.54157567795, 2.2022509685),
            (0.9, 2.10100299728, 5.28366832968, 4.75963147742),
        ] {
            let queue = OneBit::new(rate, Law::exponential(1.0).unwrap()).unwrap();
            let best = queue.best_threshold_s().unwrap();
            assert_relative_eq!(best, threshold, max_relative = 1e-11);
            assert_relative_eq!(queue.best_preemptive_threshold_s().unwrap(), threshold, max_relative = 1e-11);
            assert_relative_eq!(queue.mean_sojourn_s(best).unwrap(), waits, max_relative = 1e-11);
            assert_relative_eq!(queue.preemptive_sojourn_s(best).unwrap(), interrupts, max_relative = 1e-11);
            assert_relative_eq!(waits, 1.0 + rate * interrupts, max_relative = 1e-10);
        }
    }

    #[test]
    fn the_root_is_the_least_and_between_one_queue_and_full_knowledge() {
        for law in [Law::lognormal(1.0, 4.0), Law::weibull(1.0, 0.5), Law::uniform(0.0, 2.0)].map(Result::unwrap) {
            let queue = OneBit::new(0.8, law.clone()).unwrap();
            let (best, interrupting) =
                (queue.best_threshold_s().unwrap(), queue.best_preemptive_threshold_s().unwrap());
            let least = queue.mean_sojourn_s(best).unwrap();
            let least_interrupting = queue.preemptive_sojourn_s(interrupting).unwrap();
            for factor in [0.5, 0.9, 0.999, 1.001, 1.1, 2.0] {
                assert!(queue.mean_sojourn_s(best * factor).unwrap() >= least);
                assert!(queue.preemptive_sojourn_s(interrupting * factor).unwrap() >= least_interrupting);
            }
            let fcfs = Mg1::new(0.8, 1.0, law.moment(2)).unwrap().mean_sojourn_s();
            let known = Sjf::new(0.8, law).unwrap().mean_sojourn_s();
            assert!(known < least && least < fcfs);
            assert_relative_eq!(queue.mean_sojourn_s(1e-12).unwrap(), fcfs, max_relative = 1e-4);
        }
    }

    #[test]
    fn two_priorities_are_one_bit() {
        // A uniform law cut at its middle is two uniform classes.
        let queue = OneBit::new(0.7, Law::uniform(0.0, 2.0).unwrap()).unwrap();
        let classes = [(0.35, Law::uniform(0.0, 1.0).unwrap()), (0.35, Law::uniform(1.0, 2.0).unwrap())];
        let priority = Priority::new(&classes, Preemption::None).unwrap();
        let expected = priority.overall_sojourn_s().unwrap();
        assert_relative_eq!(queue.mean_sojourn_s(1.0).unwrap(), expected, max_relative = 1e-12);
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        let law = Law::exponential(1.0).unwrap();
        assert!(matches!(OneBit::new(1.0, law.clone()), Err(QueueError::Unstable { .. })));
        assert!(OneBit::new(0.5, Law::pareto(1.0, 1.5).unwrap()).is_err());
        assert!(OneBit::new(0.0, law.clone()).unwrap().best_threshold_s().is_err());
        let queue = OneBit::new(0.5, law).unwrap();
        assert!(queue.mean_sojourn_s(0.0).is_err() && queue.preemptive_sojourn_s(f64::NAN).is_err());
    }
}
