//! M/M/c/K: Poisson arrivals, exponential service, c servers, room for K customers in all; who finds it full is lost.
//!
//! With offered load a = λ/μ, r = a/c and Erlang's B = B(c, a): π_{c+j} = π_c rʲ up to K and
//! 1/π_c = 1/B − 1 + Σ_{j≤K−c} rʲ. λ_eff = λ(1 − π_K), L = Lq + a(1 − π_K), W = L/λ_eff. Gross, Shortle, Thompson and
//! Harris (2008), *Fundamentals of Queueing Theory*, 4th ed., §2.5. Sums are closed forms that hold at and near r = 1
//! and beyond it; an admitted customer who finds c + j waits for j + 1 ends of service.

use super::erlang::erlang_b;
use super::geometric;
use super::root::falling_root;
use crate::queueing::error::{QueueError, not_negative, positive};

/// An M/M/c/K queue, stable at any load.
///
/// ```
/// use fluidsim::queueing::markov::Mmck;
/// let queue = Mmck::new(9.0, 1.0, 10, 20)?;
/// assert!((queue.loss_probability() - 0.0295100615641).abs() < 1e-12);
/// assert!((queue.mean_in_system() - 11.0396610655).abs() < 1e-9);
/// assert!((queue.throughput_per_s() - 8.73440944592).abs() < 1e-10);
/// assert!((queue.mean_sojourn_s() - 1.26392758822).abs() < 1e-10);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mmck {
    arrivals_per_s: f64,
    services_per_s: f64,
    servers: u64,
    capacity: u64,
    /// ln r.
    log_ratio: f64,
    full: f64,
    all_busy: f64,
}

impl Mmck {
    /// The queue with arrival rate λ and `servers` c of rate μ each, per second, and room for `capacity` K ≥ c.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a value out of range, such as K < c.
    pub fn new(arrivals_per_s: f64, services_per_s: f64, servers: u64, capacity: u64) -> Result<Self, QueueError> {
        not_negative("arrivals_per_s", arrivals_per_s)?;
        positive("services_per_s", services_per_s)?;
        positive("servers", servers as f64)?;
        if capacity < servers {
            let must = "at least the number of servers";
            return Err(QueueError::Parameter { name: "capacity", value: capacity as f64, must });
        }
        let (load, places) = (arrivals_per_s / services_per_s, (capacity - servers) as f64);
        let log_ratio = ((load - servers as f64) / servers as f64).ln_1p();
        let below = 1.0 / erlang_b(servers, load)? - 1.0;
        // Relative to the largest of 1, r, …, rⁿ.
        let (below, last) = if log_ratio > 0.0 {
            (below * (-places * log_ratio).exp(), 1.0)
        } else {
            (below, if places == 0.0 { 1.0 } else { (places * log_ratio).exp() })
        };
        let above = geometric::sum(-log_ratio.abs(), places);
        let (full, all_busy) = (last / (below + above), above / (below + above));
        Ok(Self { arrivals_per_s, services_per_s, servers, capacity, log_ratio, full, all_busy })
    }

    /// π_K, the share of arrivals that are lost.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mmck;
    /// let queue = Mmck::new(1.6, 1.0, 2, 5)?;
    /// // With mpmath.
    /// assert!((queue.loss_probability() - 0.102744193047).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn loss_probability(&self) -> f64 {
        self.full
    }

    /// λ_eff = λ(1 − π_K), customers served per second.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mmck;
    /// let queue = Mmck::new(1.6, 1.0, 2, 5)?;
    /// // With mpmath.
    /// assert!((queue.throughput_per_s() - 1.43560929113).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn throughput_per_s(&self) -> f64 {
        self.arrivals_per_s * (1.0 - self.full)
    }

    /// λ_eff/(cμ), the share of time that a server works.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mmck;
    /// let queue = Mmck::new(1.6, 1.0, 2, 5)?;
    /// // Half the work of two servers, served at 1.43560929113/s.
    /// assert!((queue.utilization() - 1.43560929113 / 2.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.throughput_per_s() / (self.servers as f64 * self.services_per_s)
    }

    /// Lq = P(N ≥ c) · Σ j rʲ/Σ rʲ, mean number waiting.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mmck;
    /// let queue = Mmck::new(1.6, 1.0, 2, 5)?;
    /// // L less the busy servers.
    /// assert!((queue.mean_waiting() - (2.16124015452 - 1.43560929113)).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_waiting(&self) -> f64 {
        self.all_busy * geometric::mean(self.log_ratio, (self.capacity - self.servers) as f64)
    }

    /// L = Lq + a(1 − π_K), mean number in system.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mmck;
    /// let queue = Mmck::new(1.6, 1.0, 2, 5)?;
    /// // With mpmath.
    /// assert!((queue.mean_in_system() - 2.16124015452).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        self.mean_waiting() + self.throughput_per_s() / self.services_per_s
    }

    /// Wq = Lq/λ_eff of those admitted, mean wait in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mmck;
    /// let queue = Mmck::new(1.6, 1.0, 2, 5)?;
    /// // W = 1.50545149567 less 1/μ.
    /// assert!((queue.mean_wait_s() - 0.50545149567).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self) -> f64 {
        if self.arrivals_per_s == 0.0 { 0.0 } else { self.mean_waiting() / self.throughput_per_s() }
    }

    /// W = Wq + 1/μ of those admitted, mean time in system in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mmck;
    /// let queue = Mmck::new(1.6, 1.0, 2, 5)?;
    /// // With mpmath.
    /// assert!((queue.mean_sojourn_s() - 1.50545149567).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        self.mean_wait_s() + 1.0 / self.services_per_s
    }

    /// π_n; 0 beyond K.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mmck;
    /// let queue = Mmck::new(1.6, 1.0, 2, 5)?;
    /// // The share turned away, with mpmath.
    /// assert!((queue.probability(5) - 0.102744193047).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn probability(&self, n: u64) -> f64 {
        if n > self.capacity {
            return 0.0;
        }
        let load = self.arrivals_per_s / self.services_per_s;
        if load == 0.0 {
            return if n == 0 { 1.0 } else { 0.0 };
        }
        let places = (self.capacity - self.servers) as f64;
        if n >= self.servers {
            let from = (n - self.servers) as f64;
            // From the heavier end, so that the power does not overflow.
            let start = self.all_busy / geometric::sum(-self.log_ratio.abs(), places);
            let steps = if self.log_ratio > 0.0 { from - places } else { from };
            return start * if steps == 0.0 { 1.0 } else { (steps * self.log_ratio).exp() };
        }
        let at_servers = self.probability(self.servers);
        if at_servers > 1e-290 {
            return (n + 1..=self.servers).rev().fold(at_servers, |weight, k| weight * k as f64 / load);
        }
        self.probability_by_logarithms(n, load)
    }

    /// P(Wq > 0) of those admitted, (P(N ≥ c) − π_K)/(1 − π_K).
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mmck;
    /// let queue = Mmck::new(2.0, 1.0, 2, 3)?;
    /// // Those admitted meet 0, 1, 2 as 1 : 2 : 2.
    /// assert!((queue.wait_probability() - 0.4).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_probability(&self) -> f64 {
        self.wait_tail(0.0)
    }

    /// P(Wq ≤ t) of those admitted; 0 for t < 0. K − c terms.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mmck;
    /// let queue = Mmck::new(2.0, 1.0, 2, 3)?;
    /// // Two present leave at rate 2.
    /// assert!((queue.wait_cdf(0.5) - (1.0 - 0.4 * (-1f64).exp())).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_cdf(&self, t_s: f64) -> f64 {
        if t_s < 0.0 { 0.0 } else { 1.0 - self.wait_tail(t_s) }
    }

    /// The `p` quantile of the wait of those admitted, in seconds; 0 ≤ p < 1.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::Mmck;
    /// let queue = Mmck::new(2.0, 1.0, 2, 3)?;
    /// // The inverse of P(Wq ≤ .5).
    /// assert!((queue.wait_quantile_s(1.0 - 0.4 * (-1f64).exp()) - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_quantile_s(&self, p: f64) -> f64 {
        falling_root(0.0, 1.0 / self.services_per_s, |t_s| self.wait_tail(t_s) - (1.0 - p))
    }

    /// Σ_j π_{c+j} P(Erlang(j + 1, cμ) > t)/(1 − π_K) over j < K − c. The Poisson terms start from their logarithm.
    fn wait_tail(&self, t_s: f64) -> f64 {
        let x = self.servers as f64 * self.services_per_s * t_s;
        let (mut log_term, mut at_most, mut sum) = (-x, 0.0, 0.0);
        let (mut weight, ratio) = (self.probability(self.servers), self.log_ratio.exp());
        let start = weight.ln();
        for j in 0..self.capacity - self.servers {
            at_most += log_term.exp();
            // A weight that underflows at the start may grow later.
            if weight < 1e-280 {
                weight = (start + j as f64 * self.log_ratio).exp();
            }
            sum += weight * f64::min(at_most, 1.0);
            weight *= ratio;
            log_term += x.ln() - (j as f64 + 1.0).ln();
        }
        if sum == 0.0 { 0.0 } else { (sum / (1.0 - self.full)).min(1.0) }
    }

    /// π_n below c where π_c is next to nothing: a chain summed by logarithms.
    fn probability_by_logarithms(&self, n: u64, load: f64) -> f64 {
        let log_weight = |k: u64| k as f64 * load.ln() - statrs::function::gamma::ln_gamma(k as f64 + 1.0);
        if load > self.servers as f64 {
            // π_K carries all; step down from there.
            let down = log_weight(n) - log_weight(self.servers);
            let places = (self.capacity - self.servers) as f64;
            return (self.full.ln() - places * self.log_ratio + down).exp();
        }
        super::mminf::poisson(load, n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::BirthDeath;
    use crate::queueing::markov::Mmc;
    use approx::assert_relative_eq;
    use rand::{RngExt, SeedableRng};

    /// c, K, a, P_K, L, λ_eff, W at μ = 1, mpmath to 12 digits.
    const TABLE: [(u64, u64, f64, [f64; 4]); 3] = [
        (2, 5, 1.6, [0.102744193047, 2.16124015452, 1.43560929113, 1.50545149567]),
        (3, 10, 2.4, [0.0304516140257, 3.76933087205, 2.32691612634, 1.61988256877]),
        (10, 20, 9.0, [0.0295100615641, 11.0396610655, 8.73440944592, 1.26392758822]),
    ];

    #[test]
    fn the_table_is_met() {
        for (servers, capacity, load, expected) in TABLE {
            let queue = Mmck::new(load, 1.0, servers, capacity).unwrap();
            let found =
                [queue.loss_probability(), queue.mean_in_system(), queue.throughput_per_s(), queue.mean_sojourn_s()];
            for (value, expected) in found.into_iter().zip(expected) {
                assert_relative_eq!(value, expected, max_relative = 1e-10);
            }
        }
    }

    #[test]
    fn the_chain_agrees_at_any_load() {
        let mut stream = rand_chacha::ChaCha8Rng::seed_from_u64(2);
        for trial in 0..150 {
            let servers: u64 = stream.random_range(1..30);
            let capacity = servers + stream.random_range(0..40);
            let random: f64 = stream.random_range(0.01..3.0);
            let load = servers as f64 * [random, 1.0, 1.0 + 1e-9 * random, 1.0 - 1e-4 * random][trial % 4];
            let queue = Mmck::new(load, 1.0, servers, capacity).unwrap();
            let deaths: Vec<f64> = (1..=capacity).map(|n| n.min(servers) as f64).collect();
            let chain = BirthDeath::from_rates(&vec![load; capacity as usize], &deaths, 0.0).unwrap();
            assert_relative_eq!(queue.mean_in_system(), chain.mean(), max_relative = 1e-11);
            assert_relative_eq!(
                queue.mean_waiting(),
                chain.mean_beyond(servers as usize),
                max_relative = 1e-10,
                epsilon = 1e-280
            );
            for n in [0, servers - 1, servers, capacity, capacity + 1] {
                assert_relative_eq!(queue.probability(n), chain.probability(n as usize), max_relative = 1e-10);
            }
            assert_relative_eq!(
                queue.mean_sojourn_s() * queue.throughput_per_s(),
                queue.mean_in_system(),
                max_relative = 1e-12
            );
        }
    }

    #[test]
    fn the_wait_integrates_to_its_mean() {
        for (servers, capacity, load) in [(1, 1, 0.5), (2, 9, 2.6), (4, 12, 3.0), (10, 10, 4.0), (3, 40, 3.0)] {
            let queue = Mmck::new(load, 1.0, servers, capacity).unwrap();
            // Simpson over the tail.
            let (steps, width) = (4000, 0.02);
            let tail = |i: usize| 1.0 - queue.wait_cdf(i as f64 * width);
            let weight = |i: usize| if i == 0 || i == steps { 1.0 } else { 2.0 + 2.0 * (i % 2) as f64 };
            let mean = (0..=steps).map(|i| weight(i) * tail(i)).sum::<f64>() * width / 3.0;
            assert_relative_eq!(mean, queue.mean_wait_s(), max_relative = 1e-7, epsilon = 1e-12);
            let p95 = queue.wait_quantile_s(0.95);
            assert!(p95 == 0.0 || (queue.wait_cdf(p95) - 0.95).abs() < 1e-12);
        }
    }

    #[test]
    fn much_room_is_mmc_and_none_is_erlang_b() {
        let (limit, queue) = (Mmc::new(8.0, 1.0, 10).unwrap(), Mmck::new(8.0, 1.0, 10, 400).unwrap());
        assert_relative_eq!(queue.mean_wait_s(), limit.mean_wait_s(), max_relative = 1e-12);
        assert_relative_eq!(queue.wait_probability(), limit.wait_probability(), max_relative = 1e-12);
        assert_relative_eq!(queue.wait_quantile_s(0.95), limit.wait_quantile_s(0.95), max_relative = 1e-10);
        let loss = Mmck::new(8.0, 1.0, 10, 10).unwrap();
        assert_relative_eq!(loss.loss_probability(), erlang_b(10, 8.0).unwrap(), max_relative = 1e-14);
        assert_eq!((loss.mean_waiting(), loss.wait_probability()), (0.0, 0.0));
    }

    #[test]
    fn extremes_stay_finite() {
        for (load, servers, capacity) in [
            (0.0, 3, 9),
            (1e-3, 3000, 4000),
            (5e4, 10, 1_000_000),
            (1e6, 1_000_000, 2_000_000),
            (20_000.0, 10_000, 90_000),
        ] {
            let queue = Mmck::new(load, 1.0, servers, capacity).unwrap();
            let figures = [queue.mean_in_system(), queue.mean_wait_s(), queue.probability(0), queue.wait_probability()];
            assert!(figures.iter().all(|figure| figure.is_finite() && *figure >= 0.0), "{figures:?}");
        }
        // Overload fills the room: K less the mean of a geometric law with ratio c/a.
        let queue = Mmck::new(20_000.0, 1.0, 10_000, 90_000).unwrap();
        assert_relative_eq!(queue.mean_in_system(), 89_999.0, max_relative = 1e-12);
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(Mmck::new(bad, 1.0, 2, 4).is_err() && Mmck::new(1.0, bad, 2, 4).is_err());
        }
        assert!(matches!(Mmck::new(1.0, 1.0, 0, 4), Err(QueueError::Parameter { name: "servers", .. })));
        assert!(matches!(Mmck::new(1.0, 1.0, 4, 3), Err(QueueError::Parameter { name: "capacity", .. })));
    }
}
