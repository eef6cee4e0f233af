//! M/M^\[1,b\]/1: Poisson arrivals, one server that takes up to b of those waiting at once, exponential time per batch.
//!
//! Whoever arrives during a service waits for the next. With n waiting behind a busy server P_n = P_0 rⁿ, where r in
//! (0, 1) solves r + r² + … + r^b = λ/μ; p_idle = 1/(1 + (λ/μ)/(1 − r)), P_0 = p_idle λ/μ, Lq = P_0 r/(1 − r)². One who
//! finds n waiting starts behind ⌊n/b⌋ + 1 services, so that the wait of those who wait is exponential of rate
//! μ(1 − r^b). Bailey (1954), JRSS B 16:80–87; Gross, Shortle, Thompson and Harris (2008), *Fundamentals of Queueing
//! Theory*, 4th ed., §3.2.2; Chaudhry and Templeton (1983), *A First Course in Bulk Queues*, ch. 4.

use crate::queueing::error::{QueueError, not_negative, positive};

/// A stable M/M^\[1,b\]/1 queue.
///
/// λ = 1.5, μ = 1, b = 2:
/// ```
/// # fn main() -> Result<(), fluidsim::queueing::QueueError> {
/// use fluidsim::queueing::batch::MmBulk;
/// let queue = MmBulk::new(1.5, 1.0, 2)?;
/// assert!((queue.root() - 0.822875655532).abs() < 1e-11);
/// assert!((queue.mean_waiting() - 4.15510453329).abs() < 1e-10);
/// assert!((queue.mean_wait_s() - 2.77006968886).abs() < 1e-10);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MmBulk {
    arrivals_per_s: f64,
    services_per_s: f64,
    batch: f64,
    /// −ln r.
    decay: f64,
}

impl MmBulk {
    /// The queue with arrival rate λ, `services_per_s` μ batches per second and at most `batch` b customers in each.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − bμ when λ ≥ bμ; [`QueueError::Parameter`] for a value out of range.
    pub fn new(arrivals_per_s: f64, services_per_s: f64, batch: u64) -> Result<Self, QueueError> {
        not_negative("arrivals_per_s", arrivals_per_s)?;
        positive("services_per_s", services_per_s)?;
        let batch = positive("batch", batch as f64)?;
        let growth_per_s = arrivals_per_s - batch * services_per_s;
        if growth_per_s >= 0.0 {
            return Err(QueueError::Unstable { growth_per_s });
        }
        Ok(Self { arrivals_per_s, services_per_s, batch, decay: decay(arrivals_per_s / services_per_s, batch) })
    }

    /// r, the ratio of P(busy, n + 1 waiting) to P(busy, n waiting).
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulk;
    /// let queue = MmBulk::new(3.6, 1.0, 4)?;
    /// // With mpmath.
    /// assert!((queue.root() - 0.958296805273).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn root(&self) -> f64 {
        (-self.decay).exp()
    }

    /// ρ = λ/(bμ), the share of the capacity that is used.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulk;
    /// let queue = MmBulk::new(3.6, 1.0, 4)?;
    /// // λ/(bμ).
    /// assert!((queue.utilization() - 0.9).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.arrivals_per_s / (self.batch * self.services_per_s)
    }

    /// p_idle = 1/(1 + (λ/μ)/(1 − r)).
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulk;
    /// let queue = MmBulk::new(3.6, 1.0, 4)?;
    /// // With mpmath.
    /// assert!((queue.idle_probability() - 0.01145156332).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn idle_probability(&self) -> f64 {
        1.0 / (1.0 + self.load() / self.short_of_one())
    }

    /// 1 − p_idle, the share of arrivals that wait.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulk;
    /// let queue = MmBulk::new(3.6, 1.0, 4)?;
    /// // All who do not find the server idle.
    /// assert!((queue.wait_probability() - (1.0 - 0.01145156332)).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_probability(&self) -> f64 {
        let odds = self.load() / self.short_of_one();
        odds / (1.0 + odds)
    }

    /// P(busy, n waiting) = p_idle (λ/μ) rⁿ.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulk;
    /// let queue = MmBulk::new(3.6, 1.0, 4)?;
    /// // (λ/μ)P(idle).
    /// assert!((queue.busy_probability(0) - 3.6 * 0.01145156332).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn busy_probability(&self, waiting: u64) -> f64 {
        self.idle_probability() * self.load() * (-self.decay * waiting as f64).exp()
    }

    /// Lq = λWq, mean number waiting.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulk;
    /// let queue = MmBulk::new(3.6, 1.0, 4)?;
    /// // With mpmath.
    /// assert!((queue.mean_waiting() - 22.7158330419).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_waiting(&self) -> f64 {
        self.arrivals_per_s * self.mean_wait_s()
    }

    /// Wq = P(wait)/(μ(1 − r^b)), mean wait in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulk;
    /// let queue = MmBulk::new(3.6, 1.0, 4)?;
    /// // With mpmath.
    /// assert!((queue.mean_wait_s() - 6.30995362274).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self) -> f64 {
        self.wait_probability() / self.wait_rate_per_s()
    }

    /// L = Lq + λ/μ, mean number in system.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulk;
    /// let queue = MmBulk::new(3.6, 1.0, 4)?;
    /// // Lq and λ/μ in service.
    /// assert!((queue.mean_in_system() - (22.7158330419 + 3.6)).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        self.mean_waiting() + self.load()
    }

    /// W = Wq + 1/μ, mean time in system in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulk;
    /// let queue = MmBulk::new(3.6, 1.0, 4)?;
    /// // Wq + 1/μ.
    /// assert!((queue.mean_sojourn_s() - 7.30995362274).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        self.mean_wait_s() + 1.0 / self.services_per_s
    }

    /// E\[B\] = λ/(μ(1 − p_idle)), mean size of a batch; 1 in the limit of no arrivals.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulk;
    /// let queue = MmBulk::new(3.6, 1.0, 4)?;
    /// // λ/(μP(busy)).
    /// assert!((queue.mean_batch() - (3.6 / (1.0 - 0.01145156332))).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_batch(&self) -> f64 {
        self.short_of_one() + self.load()
    }

    /// P(Wq ≤ t) = 1 − P(wait) e^(−μ(1 − r^b)t).
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulk;
    /// let queue = MmBulk::new(0.8, 1.0, 1)?;
    /// // M/M/1: 1 − ρe^(−(1 − ρ)t).
    /// assert!((queue.wait_cdf(5.0) - (1.0 - 0.8 * (-1.0f64).exp())).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_cdf(&self, t_s: f64) -> f64 {
        if t_s < 0.0 {
            return 0.0;
        }
        1.0 - self.wait_probability() * (-self.wait_rate_per_s() * t_s).exp()
    }

    /// The `p` quantile of the wait in seconds; 0 ≤ p < 1.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulk;
    /// let queue = MmBulk::new(0.8, 1.0, 1)?;
    /// // M/M/1: ln(.8/.05)/.2.
    /// assert!((queue.wait_quantile_s(0.95) - 13.8629436112).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_quantile_s(&self, p: f64) -> f64 {
        ((self.wait_probability().ln() - (-p).ln_1p()) / self.wait_rate_per_s()).max(0.0)
    }

    /// P(W ≤ t): the wait and an independent exponential service.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulk;
    /// let queue = MmBulk::new(0.8, 1.0, 1)?;
    /// // M/M/1: 1 − e^(−(1 − ρ)t).
    /// assert!((queue.sojourn_cdf(5.0) - (1.0 - (-1.0f64).exp())).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sojourn_cdf(&self, t_s: f64) -> f64 {
        1.0 - self.sojourn_survival(t_s.max(0.0))
    }

    /// The `p` quantile of the time in system in seconds, by bisection; 0 ≤ p < 1.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::MmBulk;
    /// let queue = MmBulk::new(0.8, 1.0, 1)?;
    /// // M/M/1: ln 20/.2.
    /// assert!((queue.sojourn_quantile_s(0.95) - 14.9786613678).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sojourn_quantile_s(&self, p: f64) -> f64 {
        let (mut low, mut high) = (0.0, self.mean_sojourn_s());
        while self.sojourn_survival(high) > 1.0 - p {
            high *= 2.0;
        }
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            if self.sojourn_survival(middle) > 1.0 - p {
                low = middle;
            } else {
                high = middle;
            }
        }
        0.5 * (low + high)
    }

    fn load(&self) -> f64 {
        self.arrivals_per_s / self.services_per_s
    }

    /// 1 − r.
    fn short_of_one(&self) -> f64 {
        -(-self.decay).exp_m1()
    }

    /// μ(1 − r^b).
    fn wait_rate_per_s(&self) -> f64 {
        -self.services_per_s * (-self.decay * self.batch).exp_m1()
    }

    fn sojourn_survival(&self, t_s: f64) -> f64 {
        let (slow, fast) = (self.wait_rate_per_s(), self.services_per_s);
        // (e^(−θt) − e^(−μt))/(μ − θ) = e^(−θt)(1 − e^(−δt))/δ, δ = μ − θ = μ r^b, which may vanish.
        let gap = self.services_per_s * (-self.decay * self.batch).exp();
        let spread = if gap * t_s < 1e-300 { t_s } else { -(-gap * t_s).exp_m1() / gap };
        let both = (-slow * t_s).exp() * (1.0 + slow * spread);
        self.idle_probability() * (-fast * t_s).exp() + self.wait_probability() * both
    }
}

/// −ln r of r + … + r^b = `load`: (1 − e^(−by))/(e^y − 1) = load falls with y, and is 0 < y ≤ ln(1 + 1/load).
pub(super) fn decay(load: f64, batch: f64) -> f64 {
    let (mut low, mut high) = (0.0, (1.0 / load).ln_1p());
    if high.is_infinite() {
        return f64::INFINITY;
    }
    for _ in 0..1100 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if -(-batch * middle).exp_m1() > load * middle.exp_m1() {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::markov::Mm1;
    use approx::assert_relative_eq;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// μ = 1: λ, b, ρ, r, P(idle), Lq, Wq, mpmath to 12 digits.
    const TABLE: [[f64; 7]; 5] = [
        [0.8, 1.0, 0.8, 0.8, 0.2, 3.2, 4.0],
        [1.5, 2.0, 0.75, 0.822875655532, 0.105611933338, 4.15510453329, 2.77006968886],
        [3.6, 4.0, 0.9, 0.958296805273, 0.01145156332, 22.7158330419, 6.30995362274],
        [8.0, 10.0, 0.8, 0.958979665857, 0.0051013842073, 23.2588924996, 2.90736156245],
        [20.0, 25.0, 0.8, 0.982360101819, 0.000881217679533, 55.6405948986, 2.78202974493],
    ];

    #[test]
    fn the_table_is_met() {
        for row in TABLE {
            let queue = MmBulk::new(row[0], 1.0, row[1] as u64).unwrap();
            let found = [
                queue.utilization(),
                queue.root(),
                queue.idle_probability(),
                queue.mean_waiting(),
                queue.mean_wait_s(),
            ];
            for (value, expected) in found.into_iter().zip(&row[2..]) {
                assert_relative_eq!(value, *expected, max_relative = 1e-10);
            }
        }
    }

    #[test]
    fn a_batch_of_one_is_mm1() {
        let (bulk, one) = (MmBulk::new(1.4, 2.0, 1).unwrap(), Mm1::new(1.4, 2.0).unwrap());
        assert_relative_eq!(bulk.mean_in_system(), one.mean_in_system(), max_relative = 1e-12);
        assert_relative_eq!(bulk.sojourn_quantile_s(0.9), 10f64.ln() / 0.6, max_relative = 1e-12);
        assert_relative_eq!(bulk.mean_batch(), 1.0, max_relative = 1e-12);
    }

    #[test]
    fn the_laws_agree_with_the_means_and_the_balance_holds() {
        let mut rng = ChaCha8Rng::seed_from_u64(41);
        for _ in 0..50 {
            let batch: u64 = rng.random_range(1..40);
            let rate: f64 = rng.random_range(0.1..5.0);
            let load: f64 = rng.random_range(0.01..0.99);
            let lambda = load * batch as f64 * rate;
            let queue = MmBulk::new(lambda, rate, batch).unwrap();
            // Up at rate λ from n waiting, down at rate μ from n + 1 … n + b.
            let down: f64 = (1..=batch).map(|k| queue.busy_probability(7 + k)).sum();
            assert_relative_eq!(lambda * queue.busy_probability(7), rate * down, max_relative = 1e-10);
            let sum: f64 = (0..200_000).map(|n| n as f64 * queue.busy_probability(n)).sum();
            assert_relative_eq!(queue.mean_waiting(), sum, max_relative = 1e-9);
            assert_relative_eq!(queue.mean_batch() * queue.wait_probability() * rate, lambda, max_relative = 1e-12);
            for p in [0.3, 0.9, 0.999] {
                assert_relative_eq!(queue.sojourn_cdf(queue.sojourn_quantile_s(p)), p, max_relative = 1e-12);
                let wait = queue.wait_quantile_s(p);
                assert!(wait == 0.0 || (queue.wait_cdf(wait) - p).abs() < 1e-12);
            }
            let steps = 200_000;
            let width = 40.0 * queue.mean_sojourn_s() / f64::from(steps);
            let area: f64 = (0..steps).map(|k| width * (1.0 - queue.sojourn_cdf((f64::from(k) + 0.5) * width))).sum();
            assert_relative_eq!(area, queue.mean_sojourn_s(), max_relative = 1e-6);
            let wider = MmBulk::new(lambda, rate, batch + 1).unwrap();
            assert!(wider.mean_wait_s() <= queue.mean_wait_s() * (1.0 + 1e-12));
        }
    }

    #[test]
    fn without_a_cap_one_waits_for_the_next_departure() {
        let queue = MmBulk::new(5.0, 2.0, 1_000_000).unwrap();
        assert_relative_eq!(queue.root(), 5.0 / 7.0, max_relative = 1e-13);
        assert_relative_eq!(queue.mean_wait_s(), queue.wait_probability() / 2.0, max_relative = 1e-13);
        assert!(queue.sojourn_quantile_s(0.99).is_finite());
        assert_eq!(MmBulk::new(0.0, 2.0, 3).unwrap().mean_wait_s(), 0.0);
        assert_eq!(MmBulk::new(0.0, 2.0, 3).unwrap().mean_batch(), 1.0);
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        assert_eq!(MmBulk::new(5.0, 2.0, 2), Err(QueueError::Unstable { growth_per_s: 1.0 }));
        assert!(matches!(MmBulk::new(1.0, 2.0, 0), Err(QueueError::Parameter { name: "batch", .. })));
        assert!(MmBulk::new(f64::NAN, 2.0, 2).is_err());
        assert!(MmBulk::new(1.0, f64::INFINITY, 2).is_err());
    }
}
