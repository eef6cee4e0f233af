//! State-dependent processor sharing with a cap: at most K share, the others wait first come, first served.
//!
//! With k sharing each gains one unit of work per τ(k) seconds. π_n ∝ (λm)ⁿ Π_{k≤n} τ(min(k, K))/min(k, K), which sums if
//! λ < λ* = K/(m τ(K)). Where nobody waits the law is insensitive to the sizes (Cohen 1979, Acta Informatica
//! 12:245–284; Kelly 1979, *Reversibility and Stochastic Networks*, §3.3); with the queue beyond K it is exact for
//! exponential sizes, an approximation for others, and then it is Erlang's delay system whose servers slow each other.

use crate::queueing::BirthDeath;
use crate::queueing::error::{QueueError, not_negative, positive};

/// A stable shared processor of any speed, at most K at a time.
///
/// λ = 1.1, exponential work of mean 50, τ(k) = 1 + .01 k seconds, K = 128:
/// ```
/// # fn main() -> Result<(), fluidsim::queueing::QueueError> {
/// use fluidsim::queueing::sharing::StateDependent;
/// let shared = StateDependent::new(1.1, 50.0, 128, |k| 1.0 + 0.01 * k as f64)?;
/// assert!((shared.capacity_per_s() - 1.12280701754).abs() < 1e-11);
/// assert!((shared.wait_probability() - 0.64554910652).abs() < 1e-10);
/// assert!((shared.mean_sojourn_s() - 139.809790877).abs() < 1e-8);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct StateDependent {
    arrivals_per_s: f64,
    mean_work: f64,
    cap: usize,
    paces_s: Vec<f64>,
    chain: BirthDeath,
}

impl StateDependent {
    /// Arrival rate λ, mean work m in units, at most `cap` K sharing, and `pace_s(k)` τ(k), seconds per unit with k
    /// sharing, 1 ≤ k ≤ K.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − λ* when λ ≥ λ*; [`QueueError::Parameter`] for a value out of range, also
    /// one of τ.
    pub fn new(
        arrivals_per_s: f64,
        mean_work: f64,
        cap: usize,
        pace_s: impl Fn(usize) -> f64,
    ) -> Result<Self, QueueError> {
        not_negative("arrivals_per_s", arrivals_per_s)?;
        positive("mean_work", mean_work)?;
        positive("cap", cap as f64)?;
        let log_load = arrivals_per_s.ln() + mean_work.ln();
        let paces_s = (1..=cap).map(|k| positive("pace_s", pace_s(k))).collect::<Result<Vec<f64>, QueueError>>()?;
        let log_ratios: Vec<f64> =
            paces_s.iter().zip(1..).map(|(pace_s, k)| log_load + (pace_s / f64::from(k)).ln()).collect();
        let last_pace_s = paces_s[cap - 1];
        let tail = arrivals_per_s * mean_work * last_pace_s / cap as f64;
        if tail >= 1.0 {
            return Err(QueueError::Unstable { growth_per_s: arrivals_per_s - cap as f64 / (mean_work * last_pace_s) });
        }
        let chain = BirthDeath::from_log_ratios(&log_ratios, tail)?;
        Ok(Self { arrivals_per_s, mean_work, cap, paces_s, chain })
    }

    /// λ* = K/(m τ(K)), the largest rate that can be served, per second.
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::StateDependent;
    /// let shared = StateDependent::new(1.1, 50.0, 128, |k| 1.0 + 0.01 * k as f64)?;
    /// // 128/(50·2.28).
    /// assert!((shared.capacity_per_s() - 1.12280701754).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn capacity_per_s(&self) -> f64 {
        self.cap as f64 / (self.mean_work * self.last_pace_s())
    }

    /// τ(K).
    fn last_pace_s(&self) -> f64 {
        self.paces_s[self.cap - 1]
    }

    /// λ/λ*, the share of the capacity that is used.
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::StateDependent;
    /// let shared = StateDependent::new(0.5, 1.0, 1, |_| 1.0)?;
    /// // λ/λ*.
    /// assert!((shared.utilization() - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.arrivals_per_s / self.capacity_per_s()
    }

    /// π_n, the probability that n are present.
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::StateDependent;
    /// let shared = StateDependent::new(0.5, 1.0, 1, |_| 1.0)?;
    /// // K = 1 is M/M/1: (1 − ρ)ρ.
    /// assert!((shared.probability(1) - 0.25).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn probability(&self, present: usize) -> f64 {
        self.chain.probability(present)
    }

    /// P(N ≥ K), the share of arrivals that wait.
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::StateDependent;
    /// let shared = StateDependent::new(1.1, 50.0, 128, |k| 1.0 + 0.01 * k as f64)?;
    /// // With mpmath.
    /// assert!((shared.wait_probability() - 0.64554910652).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_probability(&self) -> f64 {
        self.chain.probability_at_least(self.cap)
    }

    /// Lq = E\[(N − K)⁺\], mean number waiting.
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::StateDependent;
    /// let shared = StateDependent::new(1.1, 50.0, 128, |k| 1.0 + 0.01 * k as f64)?;
    /// // With mpmath.
    /// assert!((shared.mean_waiting() - 31.1353299837).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_waiting(&self) -> f64 {
        self.chain.mean_beyond(self.cap)
    }

    /// L = E N, mean number in system.
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::StateDependent;
    /// let shared = StateDependent::new(1.1, 50.0, 128, |k| 1.0 + 0.01 * k as f64)?;
    /// // With mpmath.
    /// assert!((shared.mean_in_system() - 153.790769965).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        self.chain.mean()
    }

    /// Var N.
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::StateDependent;
    /// let shared = StateDependent::new(0.5, 1.0, 1, |_| 1.0)?;
    /// // M/M/1: ρ/(1 − ρ)².
    /// assert!((shared.variance_in_system() - 2.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn variance_in_system(&self) -> f64 {
        self.chain.variance()
    }

    /// E\[min(N, K)\], mean number sharing.
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::StateDependent;
    /// let shared = StateDependent::new(1.1, 50.0, 128, |k| 1.0 + 0.01 * k as f64)?;
    /// // L − Lq.
    /// assert!((shared.mean_sharing() - (153.790769965 - 31.1353299837)).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sharing(&self) -> f64 {
        self.mean_in_system() - self.mean_waiting()
    }

    /// The smallest n with P(N ≤ n) ≥ p; 0 ≤ p < 1.
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::StateDependent;
    /// let shared = StateDependent::new(0.5, 1.0, 1, |_| 1.0)?;
    /// // M/M/1: 1 − ρ⁴ is the first above .9.
    /// assert_eq!(shared.quantile(0.9), 3);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn quantile(&self, p: f64) -> usize {
        self.chain.quantile(p)
    }

    /// Wq = Lq/λ = P(wait)/(λ* − λ), mean wait in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::StateDependent;
    /// let shared = StateDependent::new(1.1, 50.0, 128, |k| 1.0 + 0.01 * k as f64)?;
    /// // With mpmath.
    /// assert!((shared.mean_wait_s() - 28.3048454397).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self) -> f64 {
        self.wait_probability() / (self.capacity_per_s() - self.arrivals_per_s)
    }

    /// W = L/λ, mean time in system in seconds; with no arrivals that of one alone, m τ(1).
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::StateDependent;
    /// let shared = StateDependent::new(1.1, 50.0, 128, |k| 1.0 + 0.01 * k as f64)?;
    /// // With mpmath.
    /// assert!((shared.mean_sojourn_s() - 139.809790877).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        self.mean_wait_s() + self.mean_work * self.mean_pace_s()
    }

    /// E\[min(N, K)\]/(λm), mean seconds per unit of work of those who share, each customer weighted by its work.
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::StateDependent;
    /// let shared = StateDependent::new(0.5, 1.0, 1, |_| 1.0)?;
    /// // One at a time: τ(1).
    /// assert!((shared.mean_pace_s() - 1.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_pace_s(&self) -> f64 {
        // Σ_n π_n min(n, K) = λm Σ_n π_n τ(min(n + 1, K)): the pace that arrivals find, themselves included.
        let inner: f64 = (1..self.cap).map(|k| self.chain.probability(k - 1) * self.paces_s[k - 1]).sum();
        inner + self.chain.probability_at_least(self.cap - 1) * self.last_pace_s()
    }

    /// E\[T | x\] = Wq + x·(mean pace) in seconds of a customer with `work` x: exact without a wait; an approximation for
    /// those who wait, as the numbers met then depend on the size.
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::StateDependent;
    /// let shared = StateDependent::new(0.5, 1.0, 1, |_| 1.0)?;
    /// // M/M/1: a wait of 1 s, then the work.
    /// assert!((shared.mean_sojourn_of_s(2.0) - 3.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_of_s(&self, work: f64) -> f64 {
        self.mean_wait_s() + work * self.mean_pace_s()
    }

    /// The `p` quantile of the wait in seconds, of exponential sizes: exponential of rate λ* − λ for those who wait.
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::StateDependent;
    /// let shared = StateDependent::new(0.5, 1.0, 1, |_| 1.0)?;
    /// // M/M/1: ln(ρ/(1 − p))/(μ − λ).
    /// assert!((shared.wait_quantile_s(0.9) - 2.0 * 5f64.ln()).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_quantile_s(&self, p: f64) -> f64 {
        let spare_per_s = self.capacity_per_s() - self.arrivals_per_s;
        ((self.wait_probability().ln() - (-p).ln_1p()) / spare_per_s).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::markov::Mmc;
    use approx::assert_relative_eq;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// λ, m, d0, d1, K, λ*, λ/λ*, P(wait), Lq, Wq, E N, W with τ(k) = d0 + d1·k, mpmath to 12 digits.
    #[rustfmt::skip]
    const TABLE: [[f64; 12]; 6] = [
        [0.5, 50.0, 1.0, 0.01, 64.0, 0.780487804878, 0.640625, 5.46018523587e-5, 9.73337368134e-5, 0.000194667473627, 33.6667457998, 67.3334915996],
        [0.7, 50.0, 1.0, 0.01, 64.0, 0.780487804878, 0.896875, 0.212006276124, 1.84381215902, 2.63401737003, 56.114270318, 80.1632433115],
        [1.0, 50.0, 1.0, 0.01, 128.0, 1.12280701754, 0.890625, 0.0430928188995, 0.350898668182, 0.350898668182, 101.307805849, 101.307805849],
        [1.1, 50.0, 1.0, 0.01, 128.0, 1.12280701754, 0.9796875, 0.64554910652, 31.1353299837, 28.3048454397, 153.790769965, 139.809790877],
        [6.0, 200.0, 0.02, 0.0002, 128.0, 14.0350877193, 0.4275, 3.04433088235e-25, 2.27327764577e-25, 3.78879607628e-26, 31.8947368421, 5.31578947368],
        [11.0, 200.0, 0.02, 0.0002, 256.0, 17.9775280899, 0.611875, 1.51630270317e-26, 2.39043534042e-26, 2.17312303674e-27, 79.3571428571, 7.21428571429],
    ];

    #[test]
    fn the_table_is_met() {
        for row in TABLE {
            let shared = StateDependent::new(row[0], row[1], row[4] as usize, |k| row[2] + row[3] * k as f64).unwrap();
            let found = [
                shared.capacity_per_s(),
                shared.utilization(),
                shared.wait_probability(),
                shared.mean_waiting(),
                shared.mean_wait_s(),
                shared.mean_in_system(),
                shared.mean_sojourn_s(),
            ];
            for (value, expected) in found.into_iter().zip(&row[5..]) {
                assert_relative_eq!(value, *expected, max_relative = 1e-10);
            }
        }
    }

    #[test]
    fn servers_that_do_not_slow_each_other_are_mmc() {
        let shared = StateDependent::new(45.0, 2.0, 50, |_| 0.5).unwrap();
        let queue = Mmc::new(45.0, 1.0, 50).unwrap();
        assert_relative_eq!(shared.wait_probability(), queue.delay_probability(), max_relative = 1e-11);
        assert_relative_eq!(shared.mean_sojourn_s(), queue.mean_sojourn_s(), max_relative = 1e-11);
        assert_relative_eq!(shared.wait_quantile_s(0.99), queue.wait_quantile_s(0.99), max_relative = 1e-10);
        assert_relative_eq!(shared.mean_pace_s(), 0.5, max_relative = 1e-12);
    }

    #[test]
    fn littles_law_holds_for_any_speed() {
        let mut rng = ChaCha8Rng::seed_from_u64(43);
        for _ in 0..100 {
            let cap: usize = rng.random_range(1..60);
            let paces: Vec<f64> = (0..cap).map(|_| rng.random_range(0.1..3.0)).collect();
            let load: f64 = rng.random_range(0.01..0.99);
            let lambda = load * cap as f64 / (2.0 * paces[cap - 1]);
            let shared = StateDependent::new(lambda, 2.0, cap, |k| paces[k - 1]).unwrap();
            assert_relative_eq!(shared.mean_in_system(), lambda * shared.mean_sojourn_s(), max_relative = 1e-10);
            assert_relative_eq!(shared.mean_waiting(), lambda * shared.mean_wait_s(), max_relative = 1e-10);
            assert_relative_eq!(shared.mean_sharing(), lambda * 2.0 * shared.mean_pace_s(), max_relative = 1e-10);
            let busier = StateDependent::new(lambda * 1.01, 2.0, cap, |k| paces[k - 1]);
            assert!(busier.is_err() || busier.unwrap().mean_waiting() > shared.mean_waiting());
        }
    }

    #[test]
    fn thousands_may_share() {
        let shared = StateDependent::new(150.0, 100.0, 8000, |k| 0.01 + 6e-5 * k as f64).unwrap();
        // The cap is far above the negative binomial mean rρ/(1 − ρ), ρ = .9.
        assert_relative_eq!(shared.mean_in_system(), (1.0 + 0.01 / 6e-5) * 9.0, max_relative = 1e-10);
        assert!(shared.quantile(0.99) > shared.quantile(0.5));
        assert_relative_eq!(shared.mean_sojourn_of_s(100.0), shared.mean_sojourn_s(), max_relative = 1e-12);
        let nobody = StateDependent::new(0.0, 100.0, 10, |k| k as f64).unwrap();
        assert_relative_eq!(nobody.mean_sojourn_s(), 100.0);
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        assert_eq!(StateDependent::new(5.0, 1.0, 2, |_| 0.5).unwrap_err(), QueueError::Unstable { growth_per_s: 1.0 });
        assert!(matches!(StateDependent::new(5.0, 1.0, 0, |_| 0.5), Err(QueueError::Parameter { name: "cap", .. })));
        assert!(StateDependent::new(1.0, 1.0, 2, |_| f64::NAN).is_err());
        assert!(StateDependent::new(-1.0, 1.0, 2, |_| 0.1).is_err());
    }
}
