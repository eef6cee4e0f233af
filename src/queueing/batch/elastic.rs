//! Elastic batches: whoever waits is taken, up to b_max, each request leaves when its own tokens are done, and the next batch begins when the longest
//! is done.
//!
//! The batches are those of dynamic batching with random times (`dynamic.rs`), exact as a chain; a request's size does not depend on the size
//! of its batch, so that it stays behind its wait for E\[base_b + pace_b · n\], a batch of b counted b times, in place of the longest's
//! time. Yang, Xu and Jiao (2024), *A queueing theoretic perspective on low-latency LLM inference with variable token length*, study
//! batches whose members leave by themselves; the model is the one stated here.

use super::dynamic::Dynamic;
use super::token_time::TokenTime;
use super::whole_sizes::WholeSizes;
use crate::queueing::error::{QueueError, positive};

/// A stable queue of requests with random numbers of tokens, served in batches that begin together.
///
/// One token each: everybody is the longest, and the two times are the same.
/// ```
/// use fluidsim::queueing::{Law, batch::{Elastic, TokenTime, WholeSizes}};
/// let sizes = WholeSizes::rounded_up(&Law::constant(1.0)?, 1)?;
/// let pace = TokenTime { base_s: 1.8874, base_per_request_s: 0.1438, ..TokenTime::default() };
/// let queue = Elastic::new(2.0, &sizes, pace, 8)?;
/// // Dynamic batching of the V100 with b_max = 8.
/// assert!((queue.mean_sojourn_s() - 4.306722941).abs() < 1e-8);
/// assert!((queue.padded_sojourn_s() - 4.306722941).abs() < 1e-8);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Elastic {
    batches: Dynamic,
    pace: TokenTime,
    mean_tokens: f64,
    most: u32,
}

impl Elastic {
    /// The queue with arrival rate λ, these sizes, batch times by `pace`, and batches of at most `most`.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] when full batches do not keep up; [`QueueError::Parameter`] for a value out of range.
    pub fn new(arrivals_per_s: f64, sizes: &WholeSizes, pace: TokenTime, most: u32) -> Result<Self, QueueError> {
        positive("most", f64::from(most))?;
        let times = (1..=most).map(|b| pace.of_longest(b, sizes)).collect::<Result<_, _>>()?;
        Ok(Self { batches: Dynamic::random(arrivals_per_s, times)?, pace, mean_tokens: sizes.mean(), most })
    }

    /// The batches: their sizes, their share of time, the wait for them.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, batch::{Elastic, TokenTime, WholeSizes}};
    /// let sizes = WholeSizes::rounded_up(&Law::constant(1.0)?, 1)?;
    /// let queue = Elastic::new(0.5, &sizes, TokenTime { base_s: 1.0, ..TokenTime::default() }, 1)?;
    /// // M/D/1 at ρ = ½.
    /// assert!((queue.batches().mean_sojourn_s() - 1.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn batches(&self) -> &Dynamic {
        &self.batches
    }

    /// Wq, mean time until the batch begins, in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, batch::{Elastic, TokenTime, WholeSizes}};
    /// let sizes = WholeSizes::rounded_up(&Law::constant(1.0)?, 1)?;
    /// let queue = Elastic::new(0.5, &sizes, TokenTime { base_s: 1.0, ..TokenTime::default() }, 1)?;
    /// // M/D/1: ρ/(2(1 − ρ)).
    /// assert!((queue.mean_wait_s() - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self) -> f64 {
        self.batches.mean_wait_s()
    }

    /// W, mean time in system in seconds where each request leaves when it is done.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, batch::{Elastic, TokenTime, WholeSizes}};
    /// let sizes = WholeSizes::rounded_up(&Law::constant(1.0)?, 1)?;
    /// let queue = Elastic::new(0.5, &sizes, TokenTime { base_s: 1.0, ..TokenTime::default() }, 1)?;
    /// // M/D/1: the wait and one second.
    /// assert!((queue.mean_sojourn_s() - 1.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        let own = |b: u32| f64::from(b) * self.pace.seconds(b, self.mean_tokens);
        let sum: f64 = (1..=self.most).map(|b| own(b) * self.batches.batch_probability(b as usize)).sum();
        self.mean_wait_s() + sum / self.batches.mean_batch()
    }

    /// W, mean time in system in seconds where everybody stays until the longest is done: dynamic batching with padding.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, batch::{Elastic, TokenTime, WholeSizes}};
    /// let sizes = WholeSizes::rounded_up(&Law::constant(1.0)?, 1)?;
    /// let queue = Elastic::new(0.5, &sizes, TokenTime { base_s: 1.0, ..TokenTime::default() }, 1)?;
    /// // One token each: nothing is padded.
    /// assert!((queue.padded_sojourn_s() - 1.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn padded_sojourn_s(&self) -> f64 {
        self.batches.mean_sojourn_s()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::law::Law;
    use approx::assert_relative_eq;

    fn sizes() -> WholeSizes {
        WholeSizes::rounded_up(&Law::lognormal(60.0, 1.0).unwrap(), 200).unwrap()
    }

    const PACE: TokenTime =
        TokenTime { base_s: 0.1, base_per_request_s: 0.01, token_s: 0.01, token_per_request_s: 0.0005 };

    #[test]
    fn leaving_early_is_never_longer() {
        for (lambda, most) in [(0.3, 1), (1.0, 4), (3.0, 16)] {
            let queue = Elastic::new(lambda, &sizes(), PACE, most).unwrap();
            assert!(queue.mean_sojourn_s() <= queue.padded_sojourn_s() * (1.0 + 1e-12));
            assert!(queue.mean_wait_s() > 0.0);
        }
        let alone = Elastic::new(0.3, &sizes(), PACE, 1).unwrap();
        assert_relative_eq!(alone.mean_sojourn_s(), alone.padded_sojourn_s(), max_relative = 1e-12);
    }

    /// λ, b_max, mean time in system and with padding, each with its 95 % half-width, simulated in Python over 40 runs of 50 000
    /// requests.
    #[test]
    fn a_simulation_agrees() {
        for (lambda, most, elastic, half, padded, padded_half) in SIMULATED {
            let queue = Elastic::new(lambda, &sizes(), PACE, most).unwrap();
            // Twice the half-width: 3.9 standard errors.
            assert!((queue.mean_sojourn_s() - elastic).abs() < 2.0 * half, "{most} {}", queue.mean_sojourn_s());
            assert!(
                (queue.padded_sojourn_s() - padded).abs() < 2.0 * padded_half,
                "{most} {}",
                queue.padded_sojourn_s()
            );
        }
    }

    const SIMULATED: [(f64, u32, f64, f64, f64, f64); 2] =
        [(1.0, 4, 1.11124, 0.00207, 1.26232, 0.00289), (3.0, 16, 1.88705, 0.00441, 2.81018, 0.00823)];

    #[test]
    fn what_has_no_answer_is_an_error() {
        assert!(matches!(Elastic::new(50.0, &sizes(), PACE, 4).unwrap_err(), QueueError::Unstable { .. }));
        assert!(Elastic::new(1.0, &sizes(), PACE, 0).is_err());
        let negative = TokenTime { token_s: -1.0, ..PACE };
        assert!(Elastic::new(1.0, &sizes(), negative, 4).is_err());
    }
}
