//! How long a batch of requests with whole numbers of tokens lasts.
//!
//! A batch of b whose longest member has n tokens lasts base + base_b · b + (token + token_b · b)n seconds: the form fitted by Yang, Xu and Jiao
//! (2024), *A queueing theoretic perspective on low-latency LLM inference with variable token length*.

use super::batch_time::BatchTime;
use super::whole_sizes::WholeSizes;
use crate::queueing::error::{QueueError, not_negative};

/// The four coefficients, seconds.
///
/// ```
/// use fluidsim::queueing::batch::TokenTime;
/// let time = TokenTime { base_s: 0.1, base_per_request_s: 0.05, token_s: 0.02, token_per_request_s: 0.001 };
/// // 0.1 + 0.05·4 + (0.02 + 0.001·4)·100
/// assert!((time.seconds(4, 100.0) - 2.7).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TokenTime {
    /// Per batch.
    pub base_s: f64,
    /// Per request of the batch.
    pub base_per_request_s: f64,
    /// Per token of the longest request.
    pub token_s: f64,
    /// Per token of the longest request and request.
    pub token_per_request_s: f64,
}

impl TokenTime {
    /// Seconds until a request of `tokens` in a batch of `batch` is done.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::TokenTime;
    /// let pace = TokenTime { base_s: 0.1, base_per_request_s: 0.01, token_s: 0.01, token_per_request_s: 0.0005 };
    /// // .1 + .01 · 2 + (.01 + .0005 · 2)10.
    /// assert!((pace.seconds(2, 10.0) - 0.23).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn seconds(&self, batch: u32, tokens: f64) -> f64 {
        let b = f64::from(batch);
        self.base_s + self.base_per_request_s * b + (self.token_s + self.token_per_request_s * b) * tokens
    }

    /// The law of a batch that lasts until its longest member is done.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a negative coefficient or a batch that takes no time.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, batch::{TokenTime, WholeSizes}};
    /// let sizes = WholeSizes::rounded_up(&Law::constant(3.0)?, 10)?;
    /// let pace = TokenTime { base_s: 1.0, token_s: 0.5, ..TokenTime::default() };
    /// // Three tokens each: 1 + 3 · .5.
    /// assert!((pace.of_longest(2, &sizes)?.mean_s() - 2.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn of_longest(&self, batch: u32, sizes: &WholeSizes) -> Result<BatchTime, QueueError> {
        not_negative("base_s", self.base_s)?;
        not_negative("base_per_request_s", self.base_per_request_s)?;
        not_negative("token_s", self.token_s)?;
        not_negative("token_per_request_s", self.token_per_request_s)?;
        let law = sizes.law_of_largest(batch);
        let parts: Vec<(f64, f64)> = law.map(|(tokens, p)| (p, self.seconds(batch, tokens))).collect();
        BatchTime::mixture(&parts)
    }
}
