//! M/M/∞: Poisson arrivals, exponential service, a server for everyone.
//!
//! N is Poisson with mean a = λ/μ, and stays so for any service law with mean 1/μ (M/G/∞); nobody waits. Kleinrock
//! (1975), *Queueing Systems* vol. 1, §3.4; Takács (1962), *Introduction to the Theory of Queues*, ch. 3.

use crate::queueing::error::{QueueError, not_negative, positive};
use statrs::function::gamma::{gamma_ur, ln_gamma};

/// An M/M/∞ queue; it is always stable.
///
/// ```
/// use fluidsim::queueing::markov::MmInf;
/// let queue = MmInf::new(6.0, 2.0)?;
/// assert_eq!(queue.mean_in_system(), 3.0);
/// // e⁻³3²/2!.
/// assert!((queue.probability(2) - 0.22404180765538773).abs() < 1e-14);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MmInf {
    arrivals_per_s: f64,
    services_per_s: f64,
}

impl MmInf {
    /// The queue with arrival rate λ and service rate μ of each server, per second.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a rate out of range.
    pub fn new(arrivals_per_s: f64, services_per_s: f64) -> Result<Self, QueueError> {
        not_negative("arrivals_per_s", arrivals_per_s)?;
        positive("services_per_s", services_per_s)?;
        Ok(Self { arrivals_per_s, services_per_s })
    }

    /// L = a = λ/μ, mean number in system.
    pub fn mean_in_system(&self) -> f64 {
        self.arrivals_per_s / self.services_per_s
    }

    /// Var N = a.
    pub fn variance_in_system(&self) -> f64 {
        self.mean_in_system()
    }

    /// W = 1/μ, mean time in system in seconds.
    pub fn mean_sojourn_s(&self) -> f64 {
        1.0 / self.services_per_s
    }

    /// λ, customers served per second.
    pub fn throughput_per_s(&self) -> f64 {
        self.arrivals_per_s
    }

    /// π_n = e^{−a}aⁿ/n!.
    pub fn probability(&self, n: u64) -> f64 {
        poisson(self.mean_in_system(), n)
    }

    /// P(N ≤ n) = Γ(n + 1, a)/n!.
    pub fn probability_at_most(&self, n: u64) -> f64 {
        if self.mean_in_system() == 0.0 { 1.0 } else { gamma_ur(n as f64 + 1.0, self.mean_in_system()) }
    }

    /// P(T ≤ t) = 1 − e^{−μt} of the time in system; 0 for t < 0.
    pub fn sojourn_cdf(&self, t_s: f64) -> f64 {
        if t_s < 0.0 { 0.0 } else { -(-self.services_per_s * t_s).exp_m1() }
    }

    /// The `p` quantile of the time in system, −ln(1−p)/μ, in seconds; 0 ≤ p < 1.
    pub fn sojourn_quantile_s(&self, p: f64) -> f64 {
        -(-p).ln_1p() / self.services_per_s
    }
}

/// e^{−a}aⁿ/n!.
pub(crate) fn poisson(mean: f64, n: u64) -> f64 {
    if mean == 0.0 {
        return if n == 0 { 1.0 } else { 0.0 };
    }
    (n as f64 * mean.ln() - mean - ln_gamma(n as f64 + 1.0)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::markov::Mmc;
    use approx::assert_relative_eq;

    #[test]
    fn many_servers_are_enough() {
        let (limit, many) = (MmInf::new(3.0, 1.0).unwrap(), Mmc::new(3.0, 1.0, 40).unwrap());
        for n in 0..20 {
            assert_relative_eq!(limit.probability(n), many.probability(n), max_relative = 1e-12);
        }
        assert_relative_eq!(limit.mean_in_system(), many.mean_in_system(), max_relative = 1e-12);
        let p = limit.sojourn_cdf(limit.sojourn_quantile_s(0.7));
        assert_relative_eq!(p, 0.7, max_relative = 1e-14);
    }

    #[test]
    fn the_law_sums() {
        for load in [0.0, 0.2, 7.0, 400.0] {
            let queue = MmInf::new(load * 2.0, 2.0).unwrap();
            let mut sum = 0.0;
            for n in 0..900 {
                sum += queue.probability(n);
                assert_relative_eq!(sum, queue.probability_at_most(n), epsilon = 1e-12);
            }
            assert_relative_eq!(sum, 1.0, max_relative = 1e-12);
        }
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(MmInf::new(bad, 1.0).is_err() && MmInf::new(1.0, bad).is_err());
        }
        assert!(MmInf::new(1.0, 0.0).is_err());
    }
}
