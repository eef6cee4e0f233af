//! Erlang A, M/M/c+M: Poisson arrivals, exponential service, c servers, and patience that is exponential with rate θ;
//! who loses it while waiting leaves.
//!
//! π_n/π_{n−1} = λ/(min(n, c)μ + (n − c)⁺θ), summed relative to π_c, where the states below c weigh 1/B(c, a).
//! P(abandon) = θLq/λ. The wait that is offered to one who finds c + j present is a sum of exponentials with rates
//! cμ + iθ, i = 0 … j, so e^{−θV} is Beta(cμ/θ, j + 1), and P(V > t) follows term by term. Palm (1957), Research on
//! telephone traffic carried by full availability groups, Tele 1; Garnett, Mandelbaum and Reiman (2002), Designing a
//! call center with impatient customers, Manufacturing & Service Operations Management 4(3):208–227.

use super::erlang::erlang_b;
use super::root::falling_root;
use crate::queueing::error::{QueueError, positive};

/// The longest queue that is summed, customers: beyond it patience is as good as endless.
const LONGEST_QUEUE: usize = 20_000_000;

/// An M/M/c+M queue, stable at any load.
///
/// ```
/// use fluidsim::queueing::markov::ErlangA;
/// // λ = 100, μ = 1, θ = .5, c = 95.
/// let queue = ErlangA::new(100.0, 1.0, 0.5, 95)?;
/// assert!((queue.wait_probability() - 0.80712437727).abs() < 1e-10);
/// assert!((queue.abandon_probability() - 0.0627108459993).abs() < 1e-11);
/// assert!((queue.mean_wait_s() - 0.125421691999).abs() < 1e-11);
/// assert!((queue.mean_waiting() - 12.5421691999).abs() < 1e-9);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ErlangA {
    arrivals_per_s: f64,
    services_per_s: f64,
    abandons_per_s: f64,
    servers: u64,
    /// π_c, π_{c+1}, ….
    law: Vec<f64>,
    below: f64,
}

impl ErlangA {
    /// The queue with arrival rate λ, `servers` c of rate μ each, and patience of rate θ, per second.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a rate that is not positive or not finite, no server, or patience so long that the
    /// queue would pass twenty million.
    pub fn new(
        arrivals_per_s: f64,
        services_per_s: f64,
        abandons_per_s: f64,
        servers: u64,
    ) -> Result<Self, QueueError> {
        positive("arrivals_per_s", arrivals_per_s)?;
        positive("services_per_s", services_per_s)?;
        positive("abandons_per_s", abandons_per_s)?;
        positive("servers", servers as f64)?;
        let drain_per_s = |waiting: usize| servers as f64 * services_per_s + waiting as f64 * abandons_per_s;
        // The most likely queue weighs 1, so that nothing overflows.
        let mode = ((arrivals_per_s - drain_per_s(0)) / abandons_per_s).max(0.0);
        let must = "large enough that the queue ends below twenty million";
        let too_long = QueueError::Parameter { name: "abandons_per_s", value: abandons_per_s, must };
        if mode >= LONGEST_QUEUE as f64 {
            return Err(too_long);
        }
        let mut law = vec![1.0; mode as usize + 1];
        for waiting in (1..law.len()).rev() {
            law[waiting - 1] = law[waiting] * drain_per_s(waiting) / arrivals_per_s;
        }
        let (mut weight, mut above) = (1.0, law.iter().sum::<f64>());
        loop {
            let ratio = arrivals_per_s / drain_per_s(law.len());
            // What is left is under a geometric tail; its share of Lq too must be nothing.
            let tail = weight * ratio / (1.0 - ratio);
            if ratio < 1.0 && tail * (law.len() as f64 + 1.0 / (1.0 - ratio)) < 1e-17 * above {
                break;
            }
            if law.len() >= LONGEST_QUEUE {
                return Err(too_long);
            }
            weight *= ratio;
            above += weight;
            law.push(weight);
        }
        let below = (1.0 / erlang_b(servers, arrivals_per_s / services_per_s)? - 1.0) * law[0];
        let total = below + above;
        law.iter_mut().for_each(|weight| *weight /= total);
        Ok(Self { arrivals_per_s, services_per_s, abandons_per_s, servers, law, below: below / total })
    }

    /// P(N ≥ c), the share of arrivals that find every server busy.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::ErlangA;
    /// let queue = ErlangA::new(9.0, 1.0, 0.5, 10)?;
    /// // With mpmath.
    /// assert!((queue.wait_probability() - 0.468941704441).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_probability(&self) -> f64 {
        // From the smaller side, so that neither share loses its digits.
        if self.below < 0.5 { 1.0 - self.below } else { self.law.iter().sum() }
    }

    /// Lq, mean number waiting.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::ErlangA;
    /// let queue = ErlangA::new(9.0, 1.0, 0.5, 10)?;
    /// // With mpmath.
    /// assert!((queue.mean_waiting() - 1.20621087852).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_waiting(&self) -> f64 {
        self.law.iter().enumerate().map(|(waiting, weight)| waiting as f64 * weight).sum()
    }

    /// θLq/λ, the share of arrivals that leave before service.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::ErlangA;
    /// let queue = ErlangA::new(9.0, 1.0, 0.5, 10)?;
    /// // With mpmath.
    /// assert!((queue.abandon_probability() - 0.0670117154734).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn abandon_probability(&self) -> f64 {
        self.abandons_per_s * self.mean_waiting() / self.arrivals_per_s
    }

    /// Wq = Lq/λ, mean wait in seconds of all who come, served or not.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::ErlangA;
    /// let queue = ErlangA::new(9.0, 1.0, 0.5, 10)?;
    /// // With mpmath.
    /// assert!((queue.mean_wait_s() - 0.134023430947).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self) -> f64 {
        self.mean_waiting() / self.arrivals_per_s
    }

    /// λ(1 − P(abandon)), customers served per second.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::ErlangA;
    /// let queue = ErlangA::new(9.0, 1.0, 0.5, 10)?;
    /// // λ(1 − P(abandon)).
    /// assert!((queue.throughput_per_s() - (9.0 * (1.0 - 0.0670117154734))).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn throughput_per_s(&self) -> f64 {
        self.arrivals_per_s * (1.0 - self.abandon_probability())
    }

    /// The share of time that a server works.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::ErlangA;
    /// let queue = ErlangA::new(9.0, 1.0, 0.5, 10)?;
    /// // λ(1 − P(abandon))/(cμ).
    /// assert!((queue.utilization() - (0.9 * (1.0 - 0.0670117154734))).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.throughput_per_s() / (self.servers as f64 * self.services_per_s)
    }

    /// L = Lq + served/μ, mean number in system.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::ErlangA;
    /// let queue = ErlangA::new(9.0, 1.0, 0.5, 10)?;
    /// // Those waiting and those in service.
    /// assert!((queue.mean_in_system() - (1.20621087852 + 9.0 * (1.0 - 0.0670117154734))).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        self.mean_waiting() + self.throughput_per_s() / self.services_per_s
    }

    /// π_n.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::ErlangA;
    /// let queue = ErlangA::new(1.0, 1.0, 1.0, 1)?;
    /// // θ = μ: as M/M/∞, e^(−1)/2!.
    /// assert!((queue.probability(2) - 0.5 * (-1f64).exp()).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn probability(&self, n: u64) -> f64 {
        if n >= self.servers {
            return self.law.get((n - self.servers) as usize).copied().unwrap_or(0.0);
        }
        let load = self.arrivals_per_s / self.services_per_s;
        if self.law[0] > 1e-290 {
            return (n + 1..=self.servers).rev().fold(self.law[0], |weight, k| weight * k as f64 / load);
        }
        if load < self.servers as f64 { super::mminf::poisson(load, n) } else { 0.0 }
    }

    /// P(W > t) of the wait of all who come: offered wait and patience both exceed t.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::ErlangA;
    /// let queue = ErlangA::new(1.0, 1.0, 1.0, 1)?;
    /// // e^(−t)(1 − exp(−e^(−t))).
    /// assert!((queue.wait_tail(1.0) - 0.113233061127829826).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_tail(&self, t_s: f64) -> f64 {
        if t_s < 0.0 { 1.0 } else { (-self.abandons_per_s * t_s).exp() * self.offered_wait_tail(t_s) }
    }

    /// P(W ≤ t) of the wait of all who come; 0 for t < 0.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::ErlangA;
    /// let queue = ErlangA::new(9.0, 1.0, 0.5, 10)?;
    /// // 1 − P(wait).
    /// assert!((queue.wait_cdf(0.0) - (1.0 - 0.468941704441)).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_cdf(&self, t_s: f64) -> f64 {
        1.0 - self.wait_tail(t_s)
    }

    /// The `p` quantile of the wait of all who come, in seconds; 0 ≤ p < 1.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::ErlangA;
    /// let queue = ErlangA::new(1.0, 1.0, 1.0, 1)?;
    /// // The inverse of P(W > 1).
    /// assert!((queue.wait_quantile_s(1.0 - 0.113233061127829826) - 1.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_quantile_s(&self, p: f64) -> f64 {
        falling_root(0.0, 1.0 / self.services_per_s, |t_s| self.wait_tail(t_s) - (1.0 - p))
    }

    /// P(V > t) of the wait that an endlessly patient arrival would have: Σ_j π_{c+j} I_x(κ, j + 1) with x = e^{−θt},
    /// κ = cμ/θ and I_x(κ, j + 1) = Σ_{i≤j} x^κ(1 − x)ⁱ(κ)_i/i!.
    ///
    /// ```
    /// # use fluidsim::queueing::markov::ErlangA;
    /// let queue = ErlangA::new(1.0, 1.0, 1.0, 1)?;
    /// // θ = μ = λ, one server: 1 − exp(−e^(−t)).
    /// assert!((queue.offered_wait_tail(1.0) - 0.307799372444653646).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn offered_wait_tail(&self, t_s: f64) -> f64 {
        if t_s < 0.0 {
            return 1.0;
        }
        let shape = self.servers as f64 * self.services_per_s / self.abandons_per_s;
        let log_rest = (-(-self.abandons_per_s * t_s).exp_m1()).ln();
        let (mut log_term, mut reached, mut sum) = (-shape * self.abandons_per_s * t_s, 0.0, 0.0);
        for (waiting, weight) in self.law.iter().enumerate() {
            reached += log_term.exp();
            sum += weight * f64::min(reached, 1.0);
            log_term += log_rest + ((shape + waiting as f64) / (waiting as f64 + 1.0)).ln();
        }
        sum.min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::markov::{MmInf, Mmc};
    use approx::assert_relative_eq;
    use rand::{RngExt, SeedableRng};

    /// λ, θ, c, P(wait), P(abandon), E\[Wq\], Lq at μ = 1: the chain summed with mpmath.
    #[rustfmt::skip]
    const TABLE: [(f64, f64, u64, [f64; 4]); 9] = [
        (9.0, 0.5, 10, [0.468941704441, 0.0670117154734, 0.134023430947, 1.20621087852]),
        (10.0, 0.5, 10, [0.619655230884, 0.103913212326, 0.207826424653, 2.07826424653]),
        (12.0, 0.5, 10, [0.850384947915, 0.195655944011, 0.391311888021, 4.69574265626]),
        (50.0, 2.0, 50, [0.436659967075, 0.0659407299377, 0.0329703649689, 1.64851824844]),
        (100.0, 0.5, 95, [0.80712437727, 0.0627108459993, 0.125421691999, 12.5421691999]),
        (1000.0, 0.5, 1000, [0.589260087355552, 0.010450542896224, 0.0209010857924479, 20.9010857924479]),
        (5000.0, 2.0, 4900, [0.823571759829729, 0.0211316380415883, 0.0105658190207942, 52.8290951039708]),
        (3.0, 0.1, 2, [0.987959141772563, 0.338350357594766, 3.38350357594766, 10.150510727843]),
        (0.5, 0.01, 1, [0.49531216881012, 0.00937566237975926, 0.937566237975926, 0.468783118987963]),
    ];

    #[test]
    fn the_table_is_met() {
        for (arrivals, abandons, servers, expected) in TABLE {
            let queue = ErlangA::new(arrivals, 1.0, abandons, servers).unwrap();
            let found =
                [queue.wait_probability(), queue.abandon_probability(), queue.mean_wait_s(), queue.mean_waiting()];
            for (value, expected) in found.into_iter().zip(expected) {
                assert_relative_eq!(value, expected, max_relative = 1e-11);
            }
        }
    }

    #[test]
    fn the_tail_of_the_wait_integrates_to_its_mean() {
        for (arrivals, abandons, servers, _) in TABLE.into_iter().take(5) {
            let queue = ErlangA::new(arrivals, 1.0, abandons, servers).unwrap();
            // Simpson's rule; abandonment is also the mean of θ over the offered wait: P(abandon) = E[1 − e^{−θV}].
            let (steps, width) = (8000, 0.002);
            let weight = |i: usize| if i == 0 || i == steps { 1.0 } else { 2.0 + 2.0 * (i % 2) as f64 };
            let area = (0..=steps).map(|i| weight(i) * queue.wait_tail(i as f64 * width)).sum::<f64>() * width / 3.0;
            assert_relative_eq!(area, queue.mean_wait_s(), max_relative = 1e-8);
            assert_relative_eq!(queue.wait_tail(0.0), queue.wait_probability(), max_relative = 1e-13);
            let p90 = queue.wait_quantile_s(0.9);
            assert_relative_eq!(queue.wait_cdf(p90), 0.9, max_relative = 1e-13);
        }
    }

    #[test]
    fn conservation_and_special_cases() {
        let mut stream = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        for _ in 0..100 {
            let servers: u64 = stream.random_range(1..40);
            let load = servers as f64 * stream.random_range(0.1..2.0);
            let queue = ErlangA::new(load, 1.0, stream.random_range(0.05..4.0), servers).unwrap();
            let busy: f64 = (0..servers).map(|n| n as f64 * queue.probability(n)).sum();
            let busy = busy + servers as f64 * queue.wait_probability();
            assert_relative_eq!(busy, queue.throughput_per_s(), max_relative = 1e-11);
            // θ = μ is M/M/∞.
            let (same, limit) = (ErlangA::new(load, 1.0, 1.0, servers).unwrap(), MmInf::new(load, 1.0).unwrap());
            assert_relative_eq!(same.mean_in_system(), load, max_relative = 1e-12);
            assert_relative_eq!(same.probability(servers), limit.probability(servers), max_relative = 1e-11);
        }
        // Endless patience is M/M/c, no patience Erlang B.
        let (patient, limit) = (ErlangA::new(8.0, 1.0, 1e-9, 10).unwrap(), Mmc::new(8.0, 1.0, 10).unwrap());
        assert_relative_eq!(patient.mean_wait_s(), limit.mean_wait_s(), max_relative = 1e-7);
        assert_relative_eq!(patient.wait_tail(0.7), 1.0 - limit.wait_cdf(0.7), max_relative = 1e-7);
        let hasty = ErlangA::new(8.0, 1.0, 1e9, 10).unwrap();
        assert_relative_eq!(hasty.abandon_probability(), erlang_b(10, 8.0).unwrap(), max_relative = 1e-7);
    }

    #[test]
    fn overload_with_long_patience_stays_finite() {
        // Fluid: Lq = (λ − cμ)/θ = 2·10⁵ waiting.
        let queue = ErlangA::new(3000.0, 1.0, 0.01, 1000).unwrap();
        assert_relative_eq!(queue.mean_waiting(), 2e5, max_relative = 1e-9);
        assert_relative_eq!(queue.throughput_per_s(), 1000.0, max_relative = 1e-9);
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        for bad in [-1.0, 0.0, f64::NAN, f64::INFINITY] {
            assert!(ErlangA::new(bad, 1.0, 1.0, 2).is_err());
            assert!(ErlangA::new(1.0, bad, 1.0, 2).is_err());
            assert!(ErlangA::new(1.0, 1.0, bad, 2).is_err());
        }
        assert!(ErlangA::new(1.0, 1.0, 1.0, 0).is_err());
        assert!(ErlangA::new(1e9, 1.0, 1e-3, 1).is_err());
    }
}
