//! Quantiles of the laws.

use super::{Law, Shape};
use crate::queueing::error::{QueueError, probability_below_one};
use crate::queueing::root::time_at_level;

impl Law {
    /// The time that a share `p` of the law does not exceed, seconds.
    ///
    /// ```
    /// use fluidsim::queueing::Law;
    /// // The p95 of the normal law is 1.644853626951.
    /// let law = Law::lognormal(1.0, 4.0)?;
    /// let (mu, sigma) = (-0.5 * 5.0f64.ln(), 5.0f64.ln().sqrt());
    /// assert!((law.quantile_s(0.95)?.ln() - (mu + 1.644853626951 * sigma)).abs() < 1e-11);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless 0 ≤ p < 1.
    pub fn quantile_s(&self, p: f64) -> Result<f64, QueueError> {
        let beyond = 1.0 - probability_below_one("p", p)?;
        let rate_part = -(-p).ln_1p();
        Ok(match &self.shape {
            Shape::Constant { time_s } => *time_s,
            Shape::Uniform { low_s, high_s } => low_s + p * (high_s - low_s),
            Shape::Gamma { shape, scale_s } if *shape == 1.0 => scale_s * rate_part,
            Shape::Weibull { shape, scale_s } => scale_s * rate_part.powf(1.0 / shape),
            Shape::Pareto { least_s, shape } => least_s * (rate_part / shape).exp(),
            _ if p == 0.0 => 0.0,
            _ => time_at_level(&|t| self.survival(t), beyond, self.mean_s()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn quantiles_invert_the_distribution_function() {
        let laws = [
            Law::uniform(0.5, 1.5),
            Law::exponential(2.0),
            Law::erlang(2.0, 3),
            Law::gamma(2.0, 4.0),
            Law::hyperexponential_balanced(2.0, 4.0),
            Law::lognormal(2.0, 2.0),
            Law::weibull(2.0, 0.5),
            Law::pareto(2.0, 1.5),
        ];
        for law in laws.map(Result::unwrap) {
            for p in [0.01, 0.3, 0.5, 0.9, 0.999, 0.999_999] {
                assert_relative_eq!(law.survival(law.quantile_s(p).unwrap()), 1.0 - p, max_relative = 1e-9);
            }
        }
        assert_eq!(Law::constant(2.0).unwrap().quantile_s(0.3), Ok(2.0));
        assert_eq!(Law::gamma(2.0, 4.0).unwrap().quantile_s(0.0), Ok(0.0));
    }

    #[test]
    fn what_is_no_share_is_an_error() {
        for p in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
            assert!(Law::exponential(1.0).unwrap().quantile_s(p).is_err());
        }
    }
}
