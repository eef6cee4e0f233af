//! M/M/c: Poisson arrivals, exponential service, c servers, one queue, first come first served.
//!
//! Offered load a = λ/μ; C = C(c, a) is Erlang's delay probability. Wq = C/(cμ − λ); given that one waits, the wait is
//! exponential with rate δ = cμ − λ, so the time in system has
//! P(T > t) = e^{−μt} + Cμ(e^{−δt} − e^{−μt})/(μ − δ). Kleinrock (1975), *Queueing Systems* vol. 1, §3.5; Gross, Shortle,
//! Thompson and Harris (2008), *Fundamentals of Queueing Theory*, 4th ed., §2.3.

use super::erlang::erlang_c;
use super::root::falling_root;
use crate::queueing::error::{QueueError, not_negative, positive};

/// A stable M/M/c queue.
///
/// ```
/// use fluidsim::queueing::markov::Mmc;
/// let queue = Mmc::new(9.0, 1.0, 10)?;
/// assert!((queue.wait_probability() - 0.668731524108).abs() < 1e-11);
/// assert!((queue.mean_waiting() - 6.01858371697).abs() < 1e-10);
/// assert!((queue.wait_quantile_s(0.95) - 2.5933596649).abs() < 1e-9);
/// assert!((queue.sojourn_quantile_s(0.95) - 4.36086656778).abs() < 1e-9);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mmc {
    arrivals_per_s: f64,
    services_per_s: f64,
    servers: u64,
    spare_per_s: f64,
    delay_probability: f64,
}

impl Mmc {
    /// The queue with arrival rate λ and `servers` servers of rate μ each, per second.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − cμ when λ ≥ cμ; [`QueueError::Parameter`] for a value out of range.
    pub fn new(arrivals_per_s: f64, services_per_s: f64, servers: u64) -> Result<Self, QueueError> {
        not_negative("arrivals_per_s", arrivals_per_s)?;
        positive("services_per_s", services_per_s)?;
        positive("servers", servers as f64)?;
        let spare_per_s = servers as f64 * services_per_s - arrivals_per_s;
        if spare_per_s <= 0.0 {
            return Err(QueueError::Unstable { growth_per_s: -spare_per_s });
        }
        let delay_probability = erlang_c(servers, arrivals_per_s / services_per_s)?;
        Ok(Self { arrivals_per_s, services_per_s, servers, spare_per_s, delay_probability })
    }

    /// a/c = λ/(cμ), the share of time that a server works.
    pub fn utilization(&self) -> f64 {
        self.arrivals_per_s / (self.servers as f64 * self.services_per_s)
    }

    /// C(c, a), the share of arrivals that wait.
    pub fn delay_probability(&self) -> f64 {
        self.delay_probability
    }

    /// C(c, a), the share of arrivals that wait; the same as [`Mmc::delay_probability`].
    pub fn wait_probability(&self) -> f64 {
        self.delay_probability
    }

    /// λ, customers served per second.
    pub fn throughput_per_s(&self) -> f64 {
        self.arrivals_per_s
    }

    /// π_n: (1 − a/c)C(a/c)^{n−c} from c on, and below by π_{n−1} = π_n n/a.
    pub fn probability(&self, n: u64) -> f64 {
        let (busy, load) = (self.utilization(), self.arrivals_per_s / self.services_per_s);
        if load == 0.0 {
            return if n == 0 { 1.0 } else { 0.0 };
        }
        // π_c as a product of logarithms would lose digits; C itself keeps them.
        let at_servers = self.delay_probability * (self.spare_per_s / (self.servers as f64 * self.services_per_s));
        if n >= self.servers {
            return at_servers * busy.powf((n - self.servers) as f64);
        }
        if at_servers > 1e-290 {
            return (n + 1..=self.servers).rev().fold(at_servers, |weight, k| weight * k as f64 / load);
        }
        // C underflows only where the queue is all but empty: then N is Poisson.
        super::mminf::poisson(load, n)
    }

    /// Wq = C/(cμ − λ), mean wait in seconds.
    pub fn mean_wait_s(&self) -> f64 {
        self.delay_probability / self.spare_per_s
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

    /// The `p` quantile of the wait, max(0, ln(C/(1−p))/(cμ−λ)), in seconds; 0 ≤ p < 1.
    pub fn wait_quantile_s(&self, p: f64) -> f64 {
        ((self.delay_probability.ln() - (-p).ln_1p()) / self.spare_per_s).max(0.0)
    }

    /// P(Wq ≤ t) = 1 − Ce^{−(cμ−λ)t}; 0 for t < 0.
    pub fn wait_cdf(&self, t_s: f64) -> f64 {
        if t_s < 0.0 { 0.0 } else { 1.0 - self.delay_probability * (-self.spare_per_s * t_s).exp() }
    }

    /// P(T ≤ t) of the time in system; 0 for t < 0.
    pub fn sojourn_cdf(&self, t_s: f64) -> f64 {
        1.0 - self.sojourn_tail(t_s)
    }

    /// The `p` quantile of the time in system, in seconds; 0 ≤ p < 1.
    pub fn sojourn_quantile_s(&self, p: f64) -> f64 {
        // The time in service alone is a lower bound.
        let low = -(-p).ln_1p() / self.services_per_s;
        falling_root(low, 1.0 / self.services_per_s, |t_s| self.sojourn_tail(t_s) - (1.0 - p))
    }

    /// P(T > t). The divided difference is written with the slower of the two rates, so that it neither overflows nor
    /// cancels where the rates are close.
    fn sojourn_tail(&self, t_s: f64) -> f64 {
        if t_s <= 0.0 {
            return 1.0;
        }
        let (fast, slow) = (self.services_per_s.max(self.spare_per_s), self.services_per_s.min(self.spare_per_s));
        let gap = fast - slow;
        let spread = if gap * t_s < 1e-300 { t_s } else { -(-gap * t_s).exp_m1() / gap };
        (-self.services_per_s * t_s).exp() + self.delay_probability * self.services_per_s * (-slow * t_s).exp() * spread
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::markov::{Mm1, erlang_b};
    use approx::assert_relative_eq;

    /// μ = 1: c, a, B, C, Lq, Wq, W, p95 Wq, p99 Wq, by the formulas of the module evaluated with mpmath to 12 digits.
    #[rustfmt::skip]
    const TABLE: [[f64; 9]; 14] = [
        [1.0, 0.8, 0.444444444444, 0.8, 3.2, 4.0, 5.0, 13.8629436112, 21.9101331734],
        [2.0, 1.0, 0.2, 0.333333333333, 0.333333333333, 0.333333333333, 1.33333333333, 1.89711998489, 3.50655789732],
        [3.0, 2.0, 0.210526315789, 0.444444444444, 0.888888888889, 0.444444444444, 1.44444444444, 2.18480205734, 3.79423996977],
        [3.0, 2.4, 0.268406337372, 0.647191011236, 2.58876404494, 1.07865168539, 2.07865168539, 4.26769745254, 6.95009397326],
        [4.0, 3.0, 0.206106870229, 0.509433962264, 1.52830188679, 0.509433962264, 1.50943396226, 2.32127722601, 3.93071513844],
        [5.0, 4.5, 0.243021001815, 0.762493220733, 6.8624389866, 1.52498644147, 2.52498644147, 5.44914122434, 8.66801704921],
        [8.0, 6.4, 0.144393889853, 0.457644925442, 1.83057970177, 0.286028078401, 1.2860280784, 1.38379412878, 2.38969282405],
        [10.0, 6.0, 0.0431418384104, 0.101299242687, 0.151948864031, 0.0253248106719, 1.02532481067, 0.176513982465, 0.578873460574],
        [10.0, 9.0, 0.167963226292, 0.668731524108, 6.01858371697, 0.668731524108, 1.66873152411, 2.5933596649, 4.20279757733],
        [20.0, 18.0, 0.109212845873, 0.550769004816, 4.95692104335, 0.275384502408, 1.27538450241, 1.19964624341, 2.00436519962],
        [50.0, 45.0, 0.0541044721646, 0.363864467207, 3.27478020486, 0.0727728934414, 1.07277289344, 0.396951690007, 0.718839272494],
        [100.0, 95.0, 0.0488042061787, 0.506456853913, 9.62268022435, 0.101291370783, 1.10129137078, 0.463083225972, 0.784970808459],
        [200.0, 190.0, 0.0279681644587, 0.365263856563, 6.94001327469, 0.0365263856563, 1.03652638566, 0.198859698168, 0.359803489412],
        [500.0, 480.0, 0.0143257807224, 0.266512519962, 6.3963004791, 0.0133256259981, 1.013325626, 0.0836699108148, 0.164141806436],
    ];

    #[test]
    fn the_table_is_met() {
        for row in TABLE {
            let (servers, load) = (row[0] as u64, row[1]);
            let queue = Mmc::new(load, 1.0, servers).unwrap();
            let found = [
                erlang_b(servers, load).unwrap(),
                queue.delay_probability(),
                queue.mean_waiting(),
                queue.mean_wait_s(),
                queue.mean_sojourn_s(),
                queue.wait_quantile_s(0.95),
                queue.wait_quantile_s(0.99),
            ];
            for (value, expected) in found.into_iter().zip(&row[2..]) {
                assert_relative_eq!(value, *expected, max_relative = 1e-10);
            }
        }
    }

    #[test]
    fn one_server_is_mm1() {
        let (many, one) = (Mmc::new(1.4, 2.0, 1).unwrap(), Mm1::new(1.4, 2.0).unwrap());
        assert_relative_eq!(many.mean_in_system(), one.mean_in_system(), max_relative = 1e-13);
        assert_relative_eq!(many.wait_quantile_s(0.9), one.wait_quantile_s(0.9), max_relative = 1e-13);
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        assert_eq!(Mmc::new(5.0, 2.0, 2), Err(QueueError::Unstable { growth_per_s: 1.0 }));
        assert!(matches!(Mmc::new(1.0, 2.0, 0), Err(QueueError::Parameter { name: "servers", .. })));
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(Mmc::new(bad, 1.0, 2).is_err() && Mmc::new(1.0, bad, 2).is_err());
        }
    }

    #[test]
    fn the_time_in_system() {
        // λ, c, P(T > 1), p50, p95, p99 at μ = 1, mpmath to 40 digits.
        let table = [
            (2.4, 3, 0.660623666664163, 1.57880719129328, 5.72921834201728, 8.45547736542294),
            (9.0, 10, 0.613892020553909, 1.32909186857783, 4.36086656778033, 6.24987669885401),
            (4.5, 5, 0.731819313686067, 1.95244921492239, 6.81246910758613, 10.0497811660557),
            (6.0, 10, 0.379682957318833, 0.722611500355466, 3.02893742329825, 4.63837900198693),
        ];
        for (arrivals, servers, tail, p50, p95, p99) in table {
            let queue = Mmc::new(arrivals, 1.0, servers).unwrap();
            assert_relative_eq!(1.0 - queue.sojourn_cdf(1.0), tail, max_relative = 1e-12);
            for (p, expected) in [(0.5, p50), (0.95, p95), (0.99, p99)] {
                assert_relative_eq!(queue.sojourn_quantile_s(p), expected, max_relative = 1e-12);
            }
        }
        let one = Mmc::new(0.8, 1.0, 1).unwrap();
        let exact = Mm1::new(0.8, 1.0).unwrap();
        assert_relative_eq!(one.sojourn_quantile_s(0.9), exact.sojourn_quantile_s(0.9), max_relative = 1e-12);
        assert_eq!(one.sojourn_quantile_s(0.0), 0.0);
    }

    #[test]
    fn probabilities_sum_to_the_means() {
        for (load, servers) in [(0.5, 1), (2.4, 3), (45.0, 50), (480.0, 500), (3.0, 2000)] {
            let queue = Mmc::new(load, 1.0, servers).unwrap();
            let law: Vec<f64> = (0..3000).map(|n| queue.probability(n)).collect();
            assert_relative_eq!(law.iter().sum::<f64>(), 1.0, max_relative = 1e-12);
            let mean: f64 = law.iter().enumerate().map(|(n, p)| n as f64 * p).sum();
            assert_relative_eq!(mean, queue.mean_in_system(), max_relative = 1e-11);
        }
    }

    #[test]
    fn ten_thousand_servers() {
        let queue = Mmc::new(9900.0, 1.0, 10_000).unwrap();
        assert_relative_eq!(queue.mean_waiting(), 0.222776928864148 * 99.0, max_relative = 1e-12);
        assert_relative_eq!(queue.sojourn_quantile_s(0.5), 2f64.ln(), max_relative = 0.01);
    }
}
