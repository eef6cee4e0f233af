//! M/G/1 with processor sharing: everyone present is served at once, each at an equal part of the rate.
//!
//! Insensitive: the number present is geometric with ratio ρ, and E\[T | x\] = x/(1 − ρ), whatever the law of sizes (Sakata, Noguchi and
//! Oizumi 1971, Operations Research 19:371–385; Kelly 1979, *Reversibility and Stochastic Networks*, §3.3). With exponential sizes the
//! variance is known in closed form: Var T = (2 + ρ)/(2 − ρ) / (μ(1 − ρ))² (Coffman, Muntz and Trotter 1970, J. ACM 17:123–130;
//! Ott 1984, J. Appl. Prob. 21:360–378).

use super::queue::{Queue, size};
use crate::queueing::error::QueueError;
use crate::queueing::law::{Law, Shape};

/// A stable M/G/1 queue that shares its server equally.
///
/// ```
/// use fluidsim::queueing::{Law, disciplines::ProcessorSharing};
/// let queue = ProcessorSharing::new(0.9, Law::weibull(1.0, 0.5)?)?;
/// assert!((queue.mean_sojourn_s() - 10.0).abs() < 1e-10);
/// assert!((queue.probability(2) - 0.081).abs() < 1e-12);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessorSharing {
    queue: Queue,
}

impl ProcessorSharing {
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
    /// # use fluidsim::queueing::{Law, disciplines::ProcessorSharing};
    /// let queue = ProcessorSharing::new(0.9, Law::exponential(1.0)?)?;
    /// // λE[S].
    /// assert!((queue.utilization() - 0.9).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.queue.utilization()
    }

    /// P(N = n) = (1 − ρ)ρⁿ.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::ProcessorSharing};
    /// let queue = ProcessorSharing::new(0.9, Law::exponential(1.0)?)?;
    /// // (1 − ρ)ρ.
    /// assert!((queue.probability(1) - 0.09).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn probability(&self, n: u32) -> f64 {
        (1.0 - self.utilization()) * self.utilization().powf(f64::from(n))
    }

    /// L = ρ/(1 − ρ).
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::ProcessorSharing};
    /// let queue = ProcessorSharing::new(0.9, Law::exponential(1.0)?)?;
    /// // ρ/(1 − ρ).
    /// assert!((queue.mean_in_system() - 9.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        self.utilization() / (1.0 - self.utilization())
    }

    /// W = E\[S\]/(1 − ρ), mean time in system in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::ProcessorSharing};
    /// let queue = ProcessorSharing::new(0.9, Law::exponential(1.0)?)?;
    /// // E[S]/(1 − ρ).
    /// assert!((queue.mean_sojourn_s() - 10.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        self.queue.law.mean_s() * self.mean_slowdown()
    }

    /// E\[T | x\] = x/(1 − ρ), seconds.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a size that is negative or not finite.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::ProcessorSharing};
    /// let queue = ProcessorSharing::new(0.9, Law::exponential(1.0)?)?;
    /// // x/(1 − ρ).
    /// assert!((queue.sojourn_given_size_s(2.0)? - 20.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sojourn_given_size_s(&self, size_s: f64) -> Result<f64, QueueError> {
        Ok(size(size_s)? * self.mean_slowdown())
    }

    /// E\[T/S\] = 1/(1 − ρ), the same for every size.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::ProcessorSharing};
    /// let queue = ProcessorSharing::new(0.9, Law::exponential(1.0)?)?;
    /// // 1/(1 − ρ).
    /// assert!((queue.mean_slowdown() - 10.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_slowdown(&self) -> f64 {
        1.0 / (1.0 - self.utilization())
    }

    /// Wq = W − E\[S\], the time that sharing adds, seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::ProcessorSharing};
    /// let queue = ProcessorSharing::new(0.9, Law::exponential(1.0)?)?;
    /// // W less the mean service.
    /// assert!((queue.mean_wait_s() - 9.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self) -> f64 {
        self.mean_sojourn_s() - self.queue.law.mean_s()
    }

    /// Var T = (2 + ρ)/(2 − ρ) · (E\[S\]/(1 − ρ))², seconds²; only for exponential sizes.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless sizes are exponential: the variance is not insensitive.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, disciplines::ProcessorSharing};
    /// let queue = ProcessorSharing::new(0.5, Law::exponential(1.0)?)?;
    /// // 2.5/1.5 · 2².
    /// assert!((queue.sojourn_variance_s2()? - 20.0 / 3.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sojourn_variance_s2(&self) -> Result<f64, QueueError> {
        match self.queue.law.shape() {
            Shape::Gamma { shape, .. } if *shape == 1.0 => {
                let rho = self.utilization();
                Ok((2.0 + rho) / (2.0 - rho) * self.mean_sojourn_s().powi(2))
            }
            _ => {
                let value = self.queue.law.squared_cv();
                Err(QueueError::Parameter { name: "squared_cv", value, must: "that of an exponential law" })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::markov::Mm1;
    use approx::assert_relative_eq;

    #[test]
    fn only_the_mean_of_the_law_matters() {
        for (rate, sojourn) in [(0.5, 2.0), (0.7, 3.33333333333), (0.8, 5.0), (0.9, 10.0)] {
            for law in [Law::constant(1.0), Law::weibull(1.0, 0.5), Law::pareto(1.0, 1.2)].map(Result::unwrap) {
                let queue = ProcessorSharing::new(rate, law).unwrap();
                assert_relative_eq!(queue.mean_sojourn_s(), sojourn, max_relative = 1e-11);
                assert_relative_eq!(queue.mean_in_system(), rate * sojourn, max_relative = 1e-11);
                assert_relative_eq!(queue.mean_wait_s(), sojourn - 1.0, max_relative = 1e-11);
            }
        }
    }

    #[test]
    fn the_number_present_is_that_of_mm1() {
        let (queue, markov) =
            (ProcessorSharing::new(0.8, Law::uniform(0.0, 2.0).unwrap()).unwrap(), Mm1::new(0.8, 1.0).unwrap());
        let mean: f64 = (0..400).map(|n| f64::from(n) * queue.probability(n)).sum();
        assert_relative_eq!(mean, markov.mean_in_system(), max_relative = 1e-12);
        assert_relative_eq!(queue.sojourn_given_size_s(3.0).unwrap(), 15.0, max_relative = 1e-12);
    }

    #[test]
    fn the_variance_is_for_exponential_sizes_alone() {
        let queue = ProcessorSharing::new(1.0, Law::exponential(0.5).unwrap()).unwrap();
        assert_relative_eq!(queue.sojourn_variance_s2().unwrap(), 2.5 / 1.5, max_relative = 1e-14);
        let empty = ProcessorSharing::new(0.0, Law::exponential(0.5).unwrap()).unwrap();
        assert_relative_eq!(empty.sojourn_variance_s2().unwrap(), 0.25, max_relative = 1e-14);
        assert!(ProcessorSharing::new(1.0, Law::constant(0.5).unwrap()).unwrap().sojourn_variance_s2().is_err());
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        let law = Law::constant(1.0).unwrap();
        assert_eq!(ProcessorSharing::new(1.5, law.clone()), Err(QueueError::Unstable { growth_per_s: 0.5 }));
        assert!(ProcessorSharing::new(-1.0, law.clone()).is_err());
        assert!(ProcessorSharing::new(0.5, law).unwrap().sojourn_given_size_s(f64::NAN).is_err());
    }
}
