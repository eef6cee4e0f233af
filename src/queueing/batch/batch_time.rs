//! How long a batch lasts: one of finitely many times.

use nalgebra::Complex;
use statrs::function::gamma::ln_gamma;

use crate::queueing::error::{QueueError, positive};

/// A law on finitely many positive times.
///
/// ```
/// use fluidsim::queueing::batch::BatchTime;
/// let time = BatchTime::mixture(&[(0.5, 1.0), (0.5, 3.0)])?;
/// assert_eq!((time.mean_s(), time.second_moment_s2()), (2.0, 5.0));
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BatchTime {
    /// (probability, seconds).
    parts: Vec<(f64, f64)>,
}

impl BatchTime {
    /// Always `time_s`.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless positive and finite.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::BatchTime;
    /// let time = BatchTime::constant(3.0)?;
    /// // 3².
    /// assert!((time.second_moment_s2() - 9.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn constant(time_s: f64) -> Result<Self, QueueError> {
        Self::mixture(&[(1.0, time_s)])
    }

    /// (probability, seconds) of every time; those of probability 0 are left out.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a time that is not positive and finite, a negative probability, or a sum other than 1 (to 1e-9).
    ///
    /// ```
    /// # use fluidsim::queueing::batch::BatchTime;
    /// let time = BatchTime::mixture(&[(0.5, 1.0), (0.5, 3.0)])?;
    /// // (1 + 3)/2.
    /// assert!((time.mean_s() - 2.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mixture(parts: &[(f64, f64)]) -> Result<Self, QueueError> {
        for &(probability, time_s) in parts {
            positive("time_s", time_s)?;
            crate::queueing::error::not_negative("probability", probability)?;
        }
        let total: f64 = parts.iter().map(|part| part.0).sum();
        if (total - 1.0).abs() > 1e-9 {
            return Err(QueueError::Parameter { name: "probabilities", value: total, must: "1 in sum" });
        }
        Ok(Self { parts: parts.iter().copied().filter(|part| part.0 > 0.0).collect() })
    }

    /// E\[τ\], seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::BatchTime;
    /// let time = BatchTime::mixture(&[(0.5, 1.0), (0.5, 3.0)])?;
    /// // (1 + 3)/2.
    /// assert!((time.mean_s() - 2.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_s(&self) -> f64 {
        self.parts.iter().map(|(p, time_s)| p * time_s).sum()
    }

    /// E\[τ²\], seconds².
    ///
    /// ```
    /// # use fluidsim::queueing::batch::BatchTime;
    /// let time = BatchTime::mixture(&[(0.5, 1.0), (0.5, 3.0)])?;
    /// // (1 + 9)/2.
    /// assert!((time.second_moment_s2() - 5.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn second_moment_s2(&self) -> f64 {
        self.parts.iter().map(|(p, time_s)| p * time_s * time_s).sum()
    }

    /// P(n arrivals of rate λ during the time), n = 0 … `number` − 1.
    pub(super) fn arrivals(&self, rate_per_s: f64, number: usize) -> Vec<f64> {
        let factorials: Vec<f64> = (0..number).map(|n| ln_gamma(n as f64 + 1.0)).collect();
        let mut masses = vec![0.0; number];
        for (p, time_s) in &self.parts {
            let mean = rate_per_s * time_s;
            for (n, mass) in masses.iter_mut().enumerate() {
                *mass += p * (n as f64 * mean.ln() - mean - factorials[n]).exp();
            }
        }
        masses
    }

    /// ln E\[e^(λτx)\] and its derivative by x, from the longest time down so that nothing overflows.
    pub(super) fn log_transform(&self, rate_per_s: f64, x: Complex<f64>) -> (Complex<f64>, Complex<f64>) {
        let longest = self.parts.iter().map(|part| part.1).fold(0.0, f64::max);
        let (mut sum, mut slope) = (Complex::new(0.0, 0.0), Complex::new(0.0, 0.0));
        for &(p, time_s) in &self.parts {
            let term = (x * (rate_per_s * (time_s - longest))).exp() * p;
            sum += term;
            slope += term * (rate_per_s * time_s);
        }
        (sum.ln() + x * (rate_per_s * longest), slope / sum)
    }
}
