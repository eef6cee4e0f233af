//! M/M/1: Poisson arrivals, exponential service, one server, first come first served.
//!
//! ρ = λ/μ, L = ρ/(1−ρ), Lq = ρ²/(1−ρ), W = 1/(μ−λ), Wq = ρ/(μ−λ). The time in system is exponential with rate μ−λ; the
//! wait has an atom 1−ρ at zero. A busy period has mean 1/(μ−λ) and variance (1+ρ)/(μ²(1−ρ)³). Kleinrock (1975), *Queueing Systems* vol. 1, §3.2 and §5.9.

use crate::queueing::error::{QueueError, not_negative, positive};

/// A stable M/M/1 queue.
///
/// ```
/// use fluidsim::queueing::markov::Mm1;
/// let queue = Mm1::new(0.8, 1.0)?;
/// assert!((queue.mean_in_system() - 4.0).abs() < 1e-12);
/// assert!((queue.mean_wait_s() - 4.0).abs() < 1e-12);
/// assert!((queue.wait_probability() - 0.8).abs() < 1e-12);
/// assert!((queue.wait_quantile_s(0.95) - 13.8629436112).abs() < 1e-9);
/// assert!((queue.sojourn_quantile_s(0.95) - 14.9786613678).abs() < 1e-9);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mm1 {
    arrivals_per_s: f64,
    services_per_s: f64,
}

impl Mm1 {
    /// The queue with arrival rate λ and service rate μ, per second.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − μ when λ ≥ μ; [`QueueError::Parameter`] for a rate out of range.
    pub fn new(arrivals_per_s: f64, services_per_s: f64) -> Result<Self, QueueError> {
        not_negative("arrivals_per_s", arrivals_per_s)?;
        positive("services_per_s", services_per_s)?;
        if arrivals_per_s >= services_per_s {
            return Err(QueueError::Unstable { growth_per_s: arrivals_per_s - services_per_s });
        }
        Ok(Self { arrivals_per_s, services_per_s })
    }

    /// ρ = λ/μ, the share of time the server works.
    pub fn utilization(&self) -> f64 {
        self.arrivals_per_s / self.services_per_s
    }

    /// L = λ/(μ − λ), mean number in system.
    pub fn mean_in_system(&self) -> f64 {
        self.arrivals_per_s * self.mean_sojourn_s()
    }

    /// Lq = ρ²/(1 − ρ), mean number waiting.
    pub fn mean_waiting(&self) -> f64 {
        self.arrivals_per_s * self.mean_wait_s()
    }

    /// W = 1/(μ − λ), mean time in system in seconds.
    pub fn mean_sojourn_s(&self) -> f64 {
        1.0 / (self.services_per_s - self.arrivals_per_s)
    }

    /// Wq = ρ/(μ − λ), mean wait in seconds.
    pub fn mean_wait_s(&self) -> f64 {
        self.utilization() * self.mean_sojourn_s()
    }

    /// The `p` quantile of the time in system, −ln(1−p)/(μ−λ), in seconds; 0 ≤ p < 1.
    pub fn sojourn_quantile_s(&self, p: f64) -> f64 {
        -(-p).ln_1p() * self.mean_sojourn_s()
    }

    /// The `p` quantile of the wait, max(0, ln(ρ/(1−p))/(μ−λ)), in seconds; 0 ≤ p < 1.
    pub fn wait_quantile_s(&self, p: f64) -> f64 {
        ((self.utilization().ln() - (-p).ln_1p()) * self.mean_sojourn_s()).max(0.0)
    }

    /// ρ, the share of arrivals that wait.
    pub fn wait_probability(&self) -> f64 {
        self.utilization()
    }

    /// λ, customers served per second.
    pub fn throughput_per_s(&self) -> f64 {
        self.arrivals_per_s
    }

    /// π_n = (1 − ρ)ρⁿ.
    pub fn probability(&self, n: u64) -> f64 {
        (1.0 - self.utilization()) * self.probability_at_least(n)
    }

    /// P(N ≥ n) = ρⁿ.
    pub fn probability_at_least(&self, n: u64) -> f64 {
        self.utilization().powf(n as f64)
    }

    /// Var N = ρ/(1 − ρ)².
    pub fn variance_in_system(&self) -> f64 {
        self.utilization() / (1.0 - self.utilization()).powi(2)
    }

    /// P(Wq ≤ t) = 1 − ρe^{−(μ−λ)t}; 0 for t < 0.
    pub fn wait_cdf(&self, t_s: f64) -> f64 {
        if t_s < 0.0 { 0.0 } else { 1.0 - self.utilization() * (-t_s / self.mean_sojourn_s()).exp() }
    }

    /// P(T ≤ t) = 1 − e^{−(μ−λ)t} of the time in system; 0 for t < 0.
    pub fn sojourn_cdf(&self, t_s: f64) -> f64 {
        if t_s < 0.0 { 0.0 } else { -(-t_s / self.mean_sojourn_s()).exp_m1() }
    }

    /// 1/(μ − λ), mean length of a busy period in seconds.
    pub fn mean_busy_period_s(&self) -> f64 {
        self.mean_sojourn_s()
    }

    /// (1 + ρ)/(μ²(1 − ρ)³), variance of a busy period in s².
    pub fn variance_of_busy_period_s2(&self) -> f64 {
        let rho = self.utilization();
        (1.0 + rho) / (self.services_per_s.powi(2) * (1.0 - rho).powi(3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    /// μ = 1: ρ, L, Lq, W, Wq, p95 T, p99 T, p95 Wq, p99 Wq. L = ρ/(1−ρ), T quantiles −ln(1−p)/(1−ρ),
    /// Wq quantiles max(0, ln(ρ/(1−p))/(1−ρ)), evaluated with mpmath to 12 digits.
    #[rustfmt::skip]
    const TABLE: [[f64; 9]; 5] = [
        [0.3, 0.428571428571, 0.128571428571, 1.42857142857, 0.428571428571, 4.27961753365, 6.57881455141, 2.55965638461, 4.85885340237],
        [0.5, 1.0, 0.5, 2.0, 1.0, 5.99146454711, 9.21034037198, 4.60517018599, 7.82404601086],
        [0.8, 4.0, 3.2, 5.0, 4.0, 14.9786613678, 23.0258509299, 13.8629436112, 21.9101331734],
        [0.9, 9.0, 8.1, 10.0, 9.0, 29.9573227355, 46.0517018599, 28.903717579, 44.9980967033],
        [0.95, 19.0, 18.05, 20.0, 19.0, 59.9146454711, 92.1034037198, 58.8887795833, 91.077537832],
    ];

    #[test]
    fn the_table_is_met() {
        for row in TABLE {
            let queue = Mm1::new(row[0], 1.0).unwrap();
            let found = [
                queue.utilization(),
                queue.mean_in_system(),
                queue.mean_waiting(),
                queue.mean_sojourn_s(),
                queue.mean_wait_s(),
                queue.sojourn_quantile_s(0.95),
                queue.sojourn_quantile_s(0.99),
                queue.wait_quantile_s(0.95),
                queue.wait_quantile_s(0.99),
            ];
            for (value, expected) in found.into_iter().zip(row) {
                assert_relative_eq!(value, expected, max_relative = 1e-10);
            }
        }
    }

    #[test]
    fn laws_agree_with_their_quantiles_and_means() {
        let queue = Mm1::new(1.6, 2.0).unwrap();
        for p in [0.3, 0.9, 0.999] {
            assert_relative_eq!(queue.wait_cdf(queue.wait_quantile_s(p)), p.max(0.2), max_relative = 1e-13);
            assert_relative_eq!(queue.sojourn_cdf(queue.sojourn_quantile_s(p)), p, max_relative = 1e-13);
        }
        assert_eq!((queue.wait_cdf(-1.0), queue.sojourn_cdf(-1.0)), (0.0, 0.0));
        assert_relative_eq!(queue.wait_cdf(0.0), 1.0 - queue.wait_probability(), max_relative = 1e-14);
        let (mut mean, mut square) = (0.0, 0.0);
        for n in 0..400 {
            mean += n as f64 * queue.probability(n);
            square += (n * n) as f64 * queue.probability(n);
        }
        assert_relative_eq!(mean, queue.mean_in_system(), max_relative = 1e-12);
        assert_relative_eq!(square - mean * mean, queue.variance_in_system(), max_relative = 1e-11);
        assert_eq!(Mm1::new(0.0, 1.0).unwrap().probability(0), 1.0);
    }

    #[test]
    fn a_busy_period_obeys_its_own_equation() {
        // B = S + the busy periods of those who come during S: E[B] = E[S](1 + λE[B]), and
        // Var B = Var S (1 + λE[B])² + λE[S]E[B²].
        let (arrivals, services) = (0.7, 1.5);
        let queue = Mm1::new(arrivals, services).unwrap();
        let (mean, variance) = (queue.mean_busy_period_s(), queue.variance_of_busy_period_s2());
        let stretch = 1.0 + arrivals * mean;
        assert_relative_eq!(mean, stretch / services, max_relative = 1e-14);
        let again = (stretch / services).powi(2) + arrivals / services * (variance + mean * mean);
        assert_relative_eq!(variance, again, max_relative = 1e-13);
    }

    #[test]
    fn rates_scale_time() {
        let (slow, fast) = (Mm1::new(0.8, 1.0).unwrap(), Mm1::new(80.0, 100.0).unwrap());
        assert_relative_eq!(fast.mean_wait_s() * 100.0, slow.mean_wait_s(), max_relative = 1e-14);
        assert_relative_eq!(fast.mean_waiting(), slow.mean_waiting(), max_relative = 1e-14);
        assert_eq!(slow.wait_quantile_s(0.1), 0.0);
        assert_eq!(Mm1::new(0.0, 1.0).unwrap().wait_quantile_s(0.99), 0.0);
    }

    #[test]
    fn overload_is_an_error_with_its_growth() {
        assert_eq!(Mm1::new(3.0, 2.5), Err(QueueError::Unstable { growth_per_s: 0.5 }));
        assert_eq!(Mm1::new(1.0, 1.0), Err(QueueError::Unstable { growth_per_s: 0.0 }));
        for (arrivals, services) in [(-1.0, 1.0), (f64::NAN, 1.0), (1.0, 0.0), (1.0, f64::INFINITY)] {
            assert!(matches!(Mm1::new(arrivals, services), Err(QueueError::Parameter { .. })));
        }
    }
}
