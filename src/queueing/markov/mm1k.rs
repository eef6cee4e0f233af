//! M/M/1/K: Poisson arrivals, exponential service, one server, room for K customers in all; who finds it full is lost.
//!
//! π_n = (1−ρ)ρⁿ/(1−ρ^{K+1}), 1/(K+1) at ρ = 1; L = ρ/(1−ρ) − (K+1)ρ^{K+1}/(1−ρ^{K+1}). Kleinrock (1975), *Queueing
//! Systems* vol. 1, §3.6. It is M/M/c/K with c = 1, evaluated there so that it holds near ρ = 1 and far beyond it.

use super::mmck::Mmck;
use crate::queueing::error::QueueError;

/// An M/M/1/K queue, stable at any load.
///
/// ```
/// use fluidsim::queueing::markov::Mm1k;
/// let queue = Mm1k::new(0.9, 1.0, 10)?;
/// assert!((queue.loss_probability() - 0.0508137313274).abs() < 1e-12);
/// assert!((queue.mean_in_system() - 3.96944059859).abs() < 1e-10);
/// assert!((queue.mean_sojourn_s() - 4.64660067212).abs() < 1e-10);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mm1k(Mmck);

impl Mm1k {
    /// The queue with arrival rate λ and service rate μ, per second, and room for `capacity` K ≥ 1.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a value out of range.
    pub fn new(arrivals_per_s: f64, services_per_s: f64, capacity: u64) -> Result<Self, QueueError> {
        Mmck::new(arrivals_per_s, services_per_s, 1, capacity).map(Self)
    }

    /// π_K, the share of arrivals that are lost.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mm1k;
    /// let queue = Mm1k::new(2.0, 1.0, 4)?;
    /// // 2⁴/(1 + 2 + 4 + 8 + 16).
    /// assert!((queue.loss_probability() - 16.0 / 31.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn loss_probability(&self) -> f64 {
        self.0.loss_probability()
    }

    /// λ_eff = λ(1 − π_K), customers served per second.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mm1k;
    /// let queue = Mm1k::new(2.0, 1.0, 4)?;
    /// // 2(1 − 16/31).
    /// assert!((queue.throughput_per_s() - 30.0 / 31.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn throughput_per_s(&self) -> f64 {
        self.0.throughput_per_s()
    }

    /// λ_eff/μ = 1 − π_0, the share of time the server works.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mm1k;
    /// let queue = Mm1k::new(2.0, 1.0, 4)?;
    /// // 1 − π₀.
    /// assert!((queue.utilization() - 30.0 / 31.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.0.utilization()
    }

    /// L, mean number in system.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mm1k;
    /// let queue = Mm1k::new(2.0, 1.0, 4)?;
    /// // (1·2 + 2·4 + 3·8 + 4·16)/31.
    /// assert!((queue.mean_in_system() - 98.0 / 31.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        self.0.mean_in_system()
    }

    /// Lq = L − (1 − π_0), mean number waiting.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mm1k;
    /// let queue = Mm1k::new(2.0, 1.0, 4)?;
    /// // (1·4 + 2·8 + 3·16)/31.
    /// assert!((queue.mean_waiting() - 68.0 / 31.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_waiting(&self) -> f64 {
        self.0.mean_waiting()
    }

    /// W = L/λ_eff of those admitted, mean time in system in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mm1k;
    /// let queue = Mm1k::new(2.0, 1.0, 4)?;
    /// // (98/31)/(30/31).
    /// assert!((queue.mean_sojourn_s() - 98.0 / 30.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        self.0.mean_sojourn_s()
    }

    /// Wq = Lq/λ_eff of those admitted, mean wait in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mm1k;
    /// let queue = Mm1k::new(2.0, 1.0, 4)?;
    /// // (68/31)/(30/31).
    /// assert!((queue.mean_wait_s() - 68.0 / 30.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self) -> f64 {
        self.0.mean_wait_s()
    }

    /// π_n; 0 beyond K.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mm1k;
    /// let queue = Mm1k::new(2.0, 1.0, 4)?;
    /// // 2²/31.
    /// assert!((queue.probability(2) - 4.0 / 31.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn probability(&self, n: u64) -> f64 {
        self.0.probability(n)
    }

    /// P(Wq > 0) of those admitted.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mm1k;
    /// let queue = Mm1k::new(2.0, 1.0, 4)?;
    /// // Those admitted meet 0 to 3 as 1 : 2 : 4 : 8.
    /// assert!((queue.wait_probability() - 14.0 / 15.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_probability(&self) -> f64 {
        self.0.wait_probability()
    }

    /// P(Wq ≤ t) of those admitted; 0 for t < 0.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mm1k;
    /// let queue = Mm1k::new(2.0, 1.0, 4)?;
    /// // They meet 0 to 3 as 1 : 2 : 4 : 8, each an exponential second.
    /// assert!((queue.wait_cdf(1.0) - (1.0 - 2.0 * (-1f64).exp())).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_cdf(&self, t_s: f64) -> f64 {
        self.0.wait_cdf(t_s)
    }

    /// The `p` quantile of the wait of those admitted, in seconds; 0 ≤ p < 1.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mm1k;
    /// let queue = Mm1k::new(2.0, 1.0, 4)?;
    /// // The inverse of P(Wq ≤ 1).
    /// assert!((queue.wait_quantile_s(1.0 - 2.0 * (-1f64).exp()) - 1.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_quantile_s(&self, p: f64) -> f64 {
        self.0.wait_quantile_s(p)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::markov::Mm1;
    use approx::assert_relative_eq;

    /// ρ, K, P_K, L, λ_eff, W at μ = 1, mpmath to 12 digits.
    const TABLE: [(f64, u64, [f64; 4]); 6] = [
        (0.5, 5, [0.015873015873, 0.904761904762, 0.492063492063, 1.83870967742]),
        (0.8, 5, [0.0888194986556, 1.86833203227, 0.728944401076, 2.56306520704]),
        (0.9, 10, [0.0508137313274, 3.96944059859, 0.854267641805, 4.64660067212]),
        (1.0, 10, [0.0909090909091, 5.0, 0.909090909091, 5.5]),
        (1.2, 10, [0.192586495127, 6.71070867837, 0.968896205848, 6.92613784414]),
        (2.0, 4, [0.516129032258, 3.16129032258, 0.967741935484, 3.26666666667]),
    ];

    #[test]
    fn the_table_is_met() {
        for (load, capacity, expected) in TABLE {
            let queue = Mm1k::new(load, 1.0, capacity).unwrap();
            let found =
                [queue.loss_probability(), queue.mean_in_system(), queue.throughput_per_s(), queue.mean_sojourn_s()];
            for (value, expected) in found.into_iter().zip(expected) {
                assert_relative_eq!(value, expected, max_relative = 1e-10);
            }
            assert_relative_eq!(queue.utilization(), 1.0 - queue.probability(0), max_relative = 1e-13);
        }
    }

    #[test]
    fn it_is_smooth_at_one_and_grows_with_load() {
        let mut before = 0.0;
        for step in -40..=40 {
            let load = 1.0 + f64::from(step) * 1e-8;
            let mean = Mm1k::new(load, 1.0, 100).unwrap().mean_in_system();
            // dL/dρ = K(K+2)/12 at ρ = 1.
            assert_relative_eq!(mean, 50.0 + 850.0 * (load - 1.0), max_relative = 1e-10);
            assert!(mean > before);
            before = mean;
        }
    }

    #[test]
    fn much_room_is_mm1() {
        let (limit, queue) = (Mm1::new(0.8, 1.0).unwrap(), Mm1k::new(0.8, 1.0, 300).unwrap());
        assert_relative_eq!(queue.mean_in_system(), limit.mean_in_system(), max_relative = 1e-12);
        assert_relative_eq!(queue.wait_quantile_s(0.95), limit.wait_quantile_s(0.95), max_relative = 1e-11);
        assert_relative_eq!(queue.mean_wait_s(), limit.mean_wait_s(), max_relative = 1e-12);
        assert_relative_eq!(queue.mean_waiting(), limit.mean_waiting(), max_relative = 1e-12);
        assert!(Mm1k::new(1.0, 1.0, 0).is_err() && Mm1k::new(f64::NAN, 1.0, 2).is_err());
    }
}
