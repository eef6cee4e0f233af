//! M/M/1: Poisson arrivals, exponential service, one server, first come first served.
//!
//! ρ = λ/μ, L = ρ/(1−ρ), Lq = ρ²/(1−ρ), W = 1/(μ−λ), Wq = ρ/(μ−λ). The time in system is exponential with rate μ−λ; the
//! wait has an atom 1−ρ at zero. Kleinrock (1975), *Queueing Systems* vol. 1, §3.2.

use crate::queueing::error::{QueueError, not_negative, positive};

/// A stable M/M/1 queue.
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
