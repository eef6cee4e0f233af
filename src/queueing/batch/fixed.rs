//! Fixed batches: the server waits until b requests are there, and serves them together until the longest is done, padding the others.
//!
//! The number X left behind by a batch is a chain: X' = (X − b)⁺ + the arrivals during a batch, exact for any law of its time
//! (`chain.rs`; the queue M/G^\[b,b\]/1 of Neuts 1967, Annals of Mathematical Statistics 38:759–770). Over one cycle, from a batch's end to the next,
//! the mean area under the number in system is Σ_{k<b} π_k Σ_{j=k}^{b−1} j/λ + E\[max(X, b)\]E\[S\] + λE\[S²\]/2, and its mean length
//! Σ_{k<b} π_k (b − k)/λ + E\[S\] = b/λ. Batching of language models by padding: Yang, Xu and Jiao (2024), *A queueing theoretic perspective on
//! low-latency LLM inference with variable token length*.

use super::batch_time::BatchTime;
use super::chain::{Chain, Rule};
use crate::queueing::error::{QueueError, positive};

/// A stable queue served in batches of exactly b.
///
/// Batches of one that last 1 s are M/D/1, Wq = ρ/(2(1 − ρ)) = .5 s at ρ = .5:
/// ```
/// use fluidsim::queueing::batch::{BatchTime, FixedBatches};
/// let queue = FixedBatches::new(0.5, 1, BatchTime::constant(1.0)?)?;
/// assert!((queue.mean_wait_s() - 0.5).abs() < 1e-10);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct FixedBatches {
    arrivals_per_s: f64,
    batch: usize,
    time: BatchTime,
    chain: Chain,
}

impl FixedBatches {
    /// The queue with arrival rate λ and batches of exactly `batch` requests that last as `time` says (for language models
    /// [`TokenTime::of_longest`](super::TokenTime::of_longest)).
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − b/E\[S\]; [`QueueError::Parameter`] for no arrivals or an empty batch.
    pub fn new(arrivals_per_s: f64, batch: u32, time: BatchTime) -> Result<Self, QueueError> {
        positive("arrivals_per_s", arrivals_per_s)?;
        positive("batch", f64::from(batch))?;
        let batch = batch as usize;
        let chain = Chain::solve(arrivals_per_s, &vec![time.clone(); batch], Rule::Full)?;
        Ok(Self { arrivals_per_s, batch, time, chain })
    }

    /// b/E\[S\], the largest rate that can be served, per second.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::{BatchTime, FixedBatches};
    /// let queue = FixedBatches::new(0.5, 1, BatchTime::constant(1.0)?)?;
    /// // One per second.
    /// assert!((queue.capacity_per_s() - 1.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn capacity_per_s(&self) -> f64 {
        self.batch as f64 / self.time.mean_s()
    }

    /// λE\[S\]/b, the share of time with a batch.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::{BatchTime, FixedBatches};
    /// let queue = FixedBatches::new(0.5, 1, BatchTime::constant(1.0)?)?;
    /// // ½ · 1.
    /// assert!((queue.utilization() - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.arrivals_per_s / self.capacity_per_s()
    }

    /// L, mean number in system.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::{BatchTime, FixedBatches};
    /// let queue = FixedBatches::new(0.5, 1, BatchTime::constant(1.0)?)?;
    /// // M/D/1: ρ + ρ²/(2(1 − ρ)).
    /// assert!((queue.mean_in_system() - 0.75).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        let (b, law) = (self.batch, &self.chain.law);
        let last = law.len() - 1;
        let filling: f64 = (0..b).map(|k| law[k] * (k..b).map(|j| j as f64).sum::<f64>()).sum::<f64>();
        let served: f64 = law.iter().enumerate().map(|(k, mass)| mass * k.max(b) as f64).sum::<f64>();
        let served = served + law[last] * self.chain.beyond();
        let arriving = 0.5 * self.arrivals_per_s * self.time.second_moment_s2();
        (filling / self.arrivals_per_s + served * self.time.mean_s() + arriving) * self.arrivals_per_s / b as f64
    }

    /// W = L/λ, mean time in system in seconds; everybody stays until the longest of the batch is done.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::{BatchTime, FixedBatches};
    /// let queue = FixedBatches::new(0.5, 1, BatchTime::constant(1.0)?)?;
    /// // M/D/1: 1 + ρ/(2(1 − ρ)).
    /// assert!((queue.mean_sojourn_s() - 1.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        self.mean_in_system() / self.arrivals_per_s
    }

    /// Wq = W − E\[S\], mean time until the batch begins in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::{BatchTime, FixedBatches};
    /// let queue = FixedBatches::new(0.5, 1, BatchTime::constant(1.0)?)?;
    /// // M/D/1: ρ/(2(1 − ρ)).
    /// assert!((queue.mean_wait_s() - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self) -> f64 {
        self.mean_sojourn_s() - self.time.mean_s()
    }

    /// (b − 1)/(2λ), the part of Wq in which a batch fills.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::{BatchTime, FixedBatches};
    /// let queue = FixedBatches::new(2.0, 4, BatchTime::constant(1.0)?)?;
    /// // 3/(2 · 2).
    /// assert!((queue.mean_filling_s() - 0.75).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_filling_s(&self) -> f64 {
        (self.batch as f64 - 1.0) / (2.0 * self.arrivals_per_s)
    }

    /// Lq = λWq.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::{BatchTime, FixedBatches};
    /// let queue = FixedBatches::new(0.5, 1, BatchTime::constant(1.0)?)?;
    /// // M/D/1: ρ²/(2(1 − ρ)).
    /// assert!((queue.mean_waiting() - 0.25).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_waiting(&self) -> f64 {
        self.arrivals_per_s * self.mean_wait_s()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::batch::{TokenTime, WholeSizes};
    use crate::queueing::general::Mg1;
    use crate::queueing::law::Law;
    use approx::assert_relative_eq;

    #[test]
    fn batches_of_one_are_mg1() {
        let time = BatchTime::mixture(&[(0.3, 0.5), (0.6, 1.0), (0.1, 4.0)]).unwrap();
        for load in [0.05, 0.5, 0.9, 0.99] {
            let lambda = load / time.mean_s();
            let queue = FixedBatches::new(lambda, 1, time.clone()).unwrap();
            let exact = Mg1::new(lambda, time.mean_s(), time.second_moment_s2()).unwrap();
            assert_relative_eq!(queue.mean_wait_s(), exact.mean_wait_s(), max_relative = 1e-9);
        }
    }

    #[test]
    fn cycles_have_b_arrivals_and_light_traffic_only_fills() {
        let time = BatchTime::mixture(&[(0.5, 1.0), (0.5, 2.0)]).unwrap();
        for (b, lambda) in [(2, 0.7), (5, 3.0), (16, 10.0)] {
            let queue = FixedBatches::new(lambda, b, time.clone()).unwrap();
            let law = &queue.chain.law;
            let idle: f64 = (0..b as usize).map(|k| law[k] * (b as usize - k) as f64).sum::<f64>() / lambda;
            assert_relative_eq!(idle + time.mean_s(), f64::from(b) / lambda, max_relative = 1e-10);
            assert!(queue.mean_wait_s() > queue.mean_filling_s());
        }
        let light = FixedBatches::new(1e-3, 4, time).unwrap();
        assert_relative_eq!(light.mean_wait_s(), light.mean_filling_s(), max_relative = 1e-6);
    }

    /// λ, b, mean time in system with its 95 % half-width, simulated in Python over 40 runs of 50 000 requests: tokens
    /// min(⌈N⌉, 200), N lognormal of mean 60 and cv² 1, batch time .1 + .01b + (.01 + .0005b)n.
    #[test]
    fn a_simulation_agrees() {
        let sizes = WholeSizes::rounded_up(&Law::lognormal(60.0, 1.0).unwrap(), 200).unwrap();
        let pace = TokenTime { base_s: 0.1, base_per_request_s: 0.01, token_s: 0.01, token_per_request_s: 0.0005 };
        for (lambda, b, simulated, half) in SIMULATED {
            let queue = FixedBatches::new(lambda, b, pace.of_longest(b, &sizes).unwrap()).unwrap();
            // Twice the half-width: 3.9 standard errors.
            assert!((queue.mean_sojourn_s() - simulated).abs() < 2.0 * half, "{b} {}", queue.mean_sojourn_s());
        }
    }

    const SIMULATED: [(f64, u32, f64, f64); 2] = [(1.0, 2, 1.83344, 0.00368), (3.0, 8, 3.89885, 0.01454)];

    #[test]
    fn what_has_no_answer_is_an_error() {
        let time = BatchTime::constant(2.0).unwrap();
        assert_eq!(FixedBatches::new(3.0, 4, time.clone()).unwrap_err(), QueueError::Unstable { growth_per_s: 1.0 });
        assert!(FixedBatches::new(0.0, 4, time.clone()).is_err() && FixedBatches::new(1.0, 0, time).is_err());
        assert!(FixedBatches::new(f64::NAN, 4, BatchTime::constant(1.0).unwrap()).is_err());
    }
}
