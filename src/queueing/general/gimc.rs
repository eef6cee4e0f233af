//! GI/M/c: independent times of any law between arrivals, exponential service, c servers, one queue, first come, first served.
//!
//! With σ the root of σ = A*(cμ(1 − σ)) and φⱼ = A*(jμ), Cⱼ = Π_{i≤j} φᵢ/(1 − φᵢ), an arrival finds n ≥ c in system with probability Kσ^{n−c},
//! 1/K = 1/(1 − σ) + Σ_{j=1..c} (c over j)/(Cⱼ(1 − φⱼ))·(c(1 − φⱼ) − j)/(c(1 − σ) − j); one who waits, waits an exponential time with
//! rate cμ(1 − σ). Takács (1962), *Introduction to the Theory of Queues*, §2.3. Every term of the sum is positive, since 1 − A* is concave.

use nalgebra::Complex;
use statrs::function::gamma::ln_gamma;

use super::gim1::spare;
use crate::queueing::Law;
use crate::queueing::error::{QueueError, positive, probability_below_one};

/// A stable GI/M/c queue.
///
/// ```
/// use fluidsim::queueing::general::Gimc;
/// use fluidsim::queueing::Law;
/// // With exponential times between arrivals it is M/M/c: Erlang's C for 3 servers and 2 erlangs is 4/9.
/// let queue = Gimc::new(&Law::exponential(0.5)?, 1.0, 3)?;
/// assert!((queue.wait_probability() - 4.0 / 9.0).abs() < 1e-12);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gimc {
    arrivals_per_s: f64,
    services_per_s: f64,
    servers: f64,
    /// 1 − σ.
    spare: f64,
    wait_probability: f64,
}

impl Gimc {
    /// The queue with the law `between` of the times between arrivals and `servers` servers of rate μ each.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − cμ when λ = 1/E\[A\] ≥ cμ; [`QueueError::Parameter`] for a value out of range.
    pub fn new(between: &Law, services_per_s: f64, servers: u64) -> Result<Self, QueueError> {
        positive("services_per_s", services_per_s)?;
        let servers = positive("servers", servers as f64)?;
        let arrivals_per_s = 1.0 / between.mean_s();
        let capacity_per_s = servers * services_per_s;
        if arrivals_per_s >= capacity_per_s {
            return Err(QueueError::Unstable { growth_per_s: arrivals_per_s - capacity_per_s });
        }
        let spare = spare(between, capacity_per_s);
        let wait_probability = wait_probability(between, services_per_s, servers, spare);
        Ok(Self { arrivals_per_s, services_per_s, servers, spare, wait_probability })
    }

    /// σ, the ratio of the geometric tail that arrivals find.
    pub fn sigma(&self) -> f64 {
        1.0 - self.spare
    }

    /// ρ = λ/(cμ).
    pub fn utilization(&self) -> f64 {
        self.arrivals_per_s / (self.servers * self.services_per_s)
    }

    /// P(Wq > 0) = K/(1−σ).
    pub fn wait_probability(&self) -> f64 {
        self.wait_probability
    }

    /// Wq = P(Wq > 0)/(cμ(1−σ)), mean wait in seconds.
    pub fn mean_wait_s(&self) -> f64 {
        self.wait_probability / self.decay_per_s()
    }

    /// W = Wq + 1/μ, mean time in system in seconds.
    pub fn mean_sojourn_s(&self) -> f64 {
        self.mean_wait_s() + 1.0 / self.services_per_s
    }

    /// Lq = λWq, mean number waiting.
    pub fn mean_waiting(&self) -> f64 {
        self.arrivals_per_s * self.mean_wait_s()
    }

    /// L = λW, mean number in system.
    pub fn mean_in_system(&self) -> f64 {
        self.arrivals_per_s * self.mean_sojourn_s()
    }

    /// P(Wq ≤ t) = 1 − P(Wq > 0)e^{−cμ(1−σ)t}, `t_s` in seconds.
    pub fn wait_cdf(&self, t_s: f64) -> f64 {
        if t_s < 0.0 { 0.0 } else { 1.0 - self.wait_probability * (-self.decay_per_s() * t_s).exp() }
    }

    /// The `p` quantile of the wait, seconds.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless 0 ≤ p < 1.
    pub fn wait_quantile_s(&self, p: f64) -> Result<f64, QueueError> {
        let beyond = (-probability_below_one("p", p)?).ln_1p();
        Ok(((self.wait_probability.ln() - beyond) / self.decay_per_s()).max(0.0))
    }

    fn decay_per_s(&self) -> f64 {
        self.servers * self.services_per_s * self.spare
    }
}

/// K/(1 − σ) by the sum of the module, in logarithms.
fn wait_probability(between: &Law, services_per_s: f64, servers: f64, spare: f64) -> f64 {
    // 1 − A* at jμ for a j that need not be whole.
    let complement = |j: f64| between.transform_complement(Complex::from(j * services_per_s)).re;
    let ratio = |j: f64| {
        let plain = |j: f64| (servers * complement(j) - j) / (servers * spare - j);
        // At j = c(1 − σ) both vanish; two means from either side, put together, are right to the fourth order.
        let near = 5e-4 * servers * spare;
        let mean = |h: f64| 0.5 * (plain(j - h) + plain(j + h));
        if (servers * spare - j).abs() < near { (4.0 * mean(2.0 * near) - mean(4.0 * near)) / 3.0 } else { plain(j) }
    };
    let mut log_product = 0.0;
    let mut sum = 0.0;
    let mut j = 1.0;
    while j <= servers {
        let rest = complement(j);
        log_product += (between.transform(Complex::from(j * services_per_s)).re / rest).ln();
        let log_binomial = ln_gamma(servers + 1.0) - ln_gamma(j + 1.0) - ln_gamma(servers - j + 1.0);
        sum += (log_binomial - log_product).exp() / rest * ratio(j);
        j += 1.0;
    }
    1.0 / (1.0 + spare * sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::general::Gim1;
    use crate::queueing::markov::Mmc;
    use approx::assert_relative_eq;

    #[test]
    fn exponential_times_are_mmc() {
        for (servers, load) in [(1, 0.8), (2, 1.0), (3, 2.4), (10, 9.0), (50, 45.0), (200, 190.0), (500, 480.0)] {
            let queue = Gimc::new(&Law::exponential(0.5 / load).unwrap(), 2.0, servers).unwrap();
            let markov = Mmc::new(2.0 * load, 2.0, servers).unwrap();
            assert_relative_eq!(queue.wait_probability(), markov.delay_probability(), max_relative = 1e-10);
            assert_relative_eq!(queue.mean_in_system(), markov.mean_in_system(), max_relative = 1e-10);
            let quantile = queue.wait_quantile_s(0.99).unwrap();
            assert_relative_eq!(quantile, markov.wait_quantile_s(0.99), max_relative = 1e-8);
        }
    }

    #[test]
    fn one_server_is_gim1() {
        for law in [Law::constant(1.25), Law::erlang(1.25, 3), Law::lognormal(1.25, 4.0)].map(Result::unwrap) {
            let (many, one) = (Gimc::new(&law, 1.0, 1).unwrap(), Gim1::new(&law, 1.0).unwrap());
            assert_relative_eq!(many.wait_probability(), one.wait_probability(), max_relative = 1e-12);
            assert_relative_eq!(many.mean_wait_s(), one.mean_wait_s(), max_relative = 1e-12);
        }
    }

    /// The embedded chain itself, its tail cut off far out.
    #[test]
    fn the_chain_at_arrivals_agrees() {
        // Erlang-2 times of mean 1/λ, two servers: between arrivals each of n ≤ 2 leaves with rate 1 each, of more with rate 2 in all.
        // The share that waits by iterating the law that arrivals find, through the phases of the clock.
        let (rate, cut) = (3.2, 400);
        let mut law = vec![0.0; cut];
        law[0] = 1.0;
        for _ in 0..4000 {
            let mut now = vec![0.0; cut + 1];
            now[1..=cut].copy_from_slice(&law);
            for _ in 0..2 {
                // The law at the end of an exponential time of rate 2λ: π(2λI − Q) = 2λ·now, Q only downwards.
                let mut left = vec![0.0; cut + 1];
                for n in (0..=cut).rev() {
                    let service = |n: usize| (n.min(2)) as f64;
                    let inflow = if n < cut { left[n + 1] * service(n + 1) } else { 0.0 };
                    left[n] = (rate * now[n] + inflow) / (rate + service(n));
                }
                now = left;
            }
            now.truncate(cut);
            law = now;
        }
        let waits: f64 = law[2..].iter().sum();
        let queue = Gimc::new(&Law::erlang(2.0 / rate, 2).unwrap(), 1.0, 2).unwrap();
        assert_relative_eq!(queue.wait_probability(), waits, max_relative = 1e-10);
    }

    #[test]
    fn the_removable_zero_is_removed() {
        // c(1 − σ) = 1 with two servers: σ = ½ for exponential times when ρ = ½.
        let queue = Gimc::new(&Law::exponential(1.0).unwrap(), 1.0, 2).unwrap();
        assert_relative_eq!(queue.wait_probability(), 1.0 / 3.0, max_relative = 1e-11);
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        let law = Law::constant(0.5).unwrap();
        assert_eq!(Gimc::new(&law, 0.5, 3), Err(QueueError::Unstable { growth_per_s: 0.5 }));
        assert!(matches!(Gimc::new(&law, 1.0, 0), Err(QueueError::Parameter { name: "servers", .. })));
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(Gimc::new(&law, bad, 3), Err(QueueError::Parameter { .. })));
        }
    }
}
