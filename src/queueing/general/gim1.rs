//! GI/M/1: independent times of any law between arrivals, exponential service, one server, first come, first served.
//!
//! σ, the root below 1 of σ = A*(μ(1 − σ)), A* the transform of the time between arrivals, is the share of arrivals that find the
//! server busy; their number in system is geometric, (1 − σ)σⁿ, and the time in system exponential with rate μ(1 − σ). Kleinrock (1975),
//! *Queueing Systems* vol. 1, §6.4.

use nalgebra::Complex;

use crate::queueing::Law;
use crate::queueing::error::{QueueError, positive, probability_below_one};
use crate::queueing::root::zero_between;

/// A stable GI/M/1 queue.
///
/// ```
/// use fluidsim::queueing::general::Gim1;
/// use fluidsim::queueing::Law;
/// // Constant times between arrivals, ρ = .8: the root with mpmath.
/// let queue = Gim1::new(&Law::constant(1.25)?, 1.0)?;
/// assert!((queue.sigma() - 0.628629796497).abs() < 1e-12);
/// assert!((queue.mean_wait_s() - 1.69273083992).abs() < 1e-10);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gim1 {
    arrivals_per_s: f64,
    services_per_s: f64,
    /// 1 − σ, which has more digits near saturation.
    spare: f64,
}

impl Gim1 {
    /// The queue with the law `between` of the times between arrivals and service rate μ per second.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − μ when λ = 1/E\[A\] ≥ μ; [`QueueError::Parameter`] for a rate out of range.
    pub fn new(between: &Law, services_per_s: f64) -> Result<Self, QueueError> {
        positive("services_per_s", services_per_s)?;
        let arrivals_per_s = 1.0 / between.mean_s();
        if arrivals_per_s >= services_per_s {
            return Err(QueueError::Unstable { growth_per_s: arrivals_per_s - services_per_s });
        }
        Ok(Self { arrivals_per_s, services_per_s, spare: spare(between, services_per_s) })
    }

    /// σ, the share of arrivals that find the server busy.
    pub fn sigma(&self) -> f64 {
        1.0 - self.spare
    }

    /// ρ = λ/μ, the share of time the server works.
    pub fn utilization(&self) -> f64 {
        self.arrivals_per_s / self.services_per_s
    }

    /// P(Wq > 0) = σ.
    pub fn wait_probability(&self) -> f64 {
        self.sigma()
    }

    /// Wq = σ/(μ(1−σ)), mean wait in seconds.
    pub fn mean_wait_s(&self) -> f64 {
        self.sigma() * self.mean_sojourn_s()
    }

    /// W = 1/(μ(1−σ)), mean time in system in seconds.
    pub fn mean_sojourn_s(&self) -> f64 {
        1.0 / self.decay_per_s()
    }

    /// Lq = λWq = ρσ/(1−σ), mean number waiting.
    pub fn mean_waiting(&self) -> f64 {
        self.arrivals_per_s * self.mean_wait_s()
    }

    /// L = λW = ρ/(1−σ), mean number in system.
    pub fn mean_in_system(&self) -> f64 {
        self.arrivals_per_s * self.mean_sojourn_s()
    }

    /// Var Wq = σ(2−σ)/(μ(1−σ))², s².
    pub fn wait_variance_s2(&self) -> f64 {
        self.sigma() * (2.0 - self.sigma()) / self.decay_per_s().powi(2)
    }

    /// P(Wq ≤ t) = 1 − σe^{−μ(1−σ)t}, `t_s` in seconds.
    pub fn wait_cdf(&self, t_s: f64) -> f64 {
        if t_s < 0.0 { 0.0 } else { 1.0 - self.sigma() * (-self.decay_per_s() * t_s).exp() }
    }

    /// P(W ≤ t) = 1 − e^{−μ(1−σ)t}, `t_s` in seconds.
    pub fn sojourn_cdf(&self, t_s: f64) -> f64 {
        -(-self.decay_per_s() * t_s.max(0.0)).exp_m1()
    }

    /// The `p` quantile of the wait, max(0, ln(σ/(1−p))/(μ(1−σ))), seconds.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless 0 ≤ p < 1.
    pub fn wait_quantile_s(&self, p: f64) -> Result<f64, QueueError> {
        let beyond = (-probability_below_one("p", p)?).ln_1p();
        Ok((((-self.spare).ln_1p() - beyond) / self.decay_per_s()).max(0.0))
    }

    /// The `p` quantile of the time in system, −ln(1−p)/(μ(1−σ)), seconds.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless 0 ≤ p < 1.
    pub fn sojourn_quantile_s(&self, p: f64) -> Result<f64, QueueError> {
        Ok(-(-probability_below_one("p", p)?).ln_1p() / self.decay_per_s())
    }

    /// (1−σ)σⁿ, the share of arrivals that find `n` in system.
    pub fn probability_at_arrival(&self, n: u64) -> f64 {
        self.spare * ((-self.spare).ln_1p() * n as f64).exp()
    }

    /// The share of time with `n` in system: 1 − ρ for none, ρ(1−σ)σⁿ⁻¹ for n.
    pub fn probability(&self, n: u64) -> f64 {
        match n {
            0 => 1.0 - self.utilization(),
            n => self.utilization() * self.probability_at_arrival(n - 1),
        }
    }

    fn decay_per_s(&self) -> f64 {
        self.services_per_s * self.spare
    }
}

/// x = 1 − σ, the positive root of x = 1 − A*(μx).
pub(super) fn spare(between: &Law, services_per_s: f64) -> f64 {
    // (1 − A*(μx))/x falls from μ/λ > 1 at 0 to 1 − A*(μ) < 1 at 1. ln x keeps the digits of a small root.
    let height = |log: f64| {
        let x = log.exp();
        (between.transform_complement(Complex::from(services_per_s * x)).re / x).ln()
    };
    let mut low = -1.0;
    while height(low) < 0.0 && low > -600.0 {
        low *= 2.0;
    }
    zero_between(&height, low, 0.0).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::markov::Mm1;
    use approx::assert_relative_eq;

    /// μ = 1: ρ, σ, Wq, W, from the root with mpmath.
    fn table() -> [(Law, [f64; 4]); 7] {
        let h2 = |mean| Law::hyperexponential_balanced(mean, 4.0).unwrap();
        let e2 = |mean| Law::erlang(mean, 2).unwrap();
        let d = |mean| Law::constant(mean).unwrap();
        [
            (d(2.0), [0.5, 0.20318786998, 0.255000974916, 1.25500097492]),
            (e2(2.0), [0.5, 0.38196601125, 0.61803398875, 1.61803398875]),
            (d(1.25), [0.8, 0.628629796497, 1.69273083992, 2.69273083992]),
            (e2(1.25), [0.8, 0.739852949126, 2.84397976699, 3.84397976699]),
            (h2(1.25), [0.8, 0.907571662593, 9.81919277198, 10.819192772]),
            (e2(1.0 / 0.9), [0.9, 0.868217893672, 6.58828362869, 7.58828362869]),
            (h2(1.0 / 0.9), [0.9, 0.957281127576, 22.4088575673, 23.4088575673]),
        ]
    }

    #[test]
    fn the_table_is_met() {
        for (between, row) in table() {
            let queue = Gim1::new(&between, 1.0).unwrap();
            let found = [queue.utilization(), queue.sigma(), queue.mean_wait_s(), queue.mean_sojourn_s()];
            for (value, expected) in found.into_iter().zip(row) {
                assert_relative_eq!(value, expected, max_relative = 1e-10);
            }
        }
    }

    #[test]
    fn exponential_times_are_mm1() {
        for utilization in [1e-6, 0.3, 0.8, 0.999_999] {
            let queue = Gim1::new(&Law::exponential(0.5 / utilization).unwrap(), 2.0).unwrap();
            let markov = Mm1::new(2.0 * utilization, 2.0).unwrap();
            assert_relative_eq!(queue.sigma(), utilization, max_relative = 1e-9);
            assert_relative_eq!(queue.mean_sojourn_s(), markov.mean_sojourn_s(), max_relative = 1e-9);
            assert_relative_eq!(
                queue.wait_quantile_s(0.99).unwrap(),
                markov.wait_quantile_s(0.99),
                max_relative = 1e-9
            );
        }
    }

    #[test]
    fn laws_sum_to_one_and_have_the_means() {
        for (between, _) in table() {
            let queue = Gim1::new(&between, 1.0).unwrap();
            let (mut mass, mut mean) = (0.0, 0.0);
            for n in 0..2000 {
                mass += queue.probability(n);
                mean += n as f64 * queue.probability(n);
            }
            assert_relative_eq!(mass, 1.0, max_relative = 1e-12);
            assert_relative_eq!(mean, queue.mean_in_system(), max_relative = 1e-11);
            for p in [0.5, 0.95, 0.999] {
                let wait = queue.wait_quantile_s(p).unwrap();
                assert!(wait == 0.0 || (queue.wait_cdf(wait) - p).abs() < 1e-13);
                assert!((queue.sojourn_cdf(queue.sojourn_quantile_s(p).unwrap()) - p).abs() < 1e-13);
            }
        }
    }

    #[test]
    fn the_wait_rises_with_the_load_and_the_spread() {
        let laws: [fn(f64) -> Result<Law, QueueError>; 7] = [
            Law::constant,
            |mean| Law::gamma(mean, 0.1),
            |mean| Law::uniform(0.0, 2.0 * mean),
            Law::exponential,
            |mean| Law::weibull(mean, 0.7),
            |mean| Law::lognormal(mean, 4.0),
            |mean| Law::pareto(mean, 1.5),
        ];
        for law in laws {
            let waits =
                [0.1, 0.3, 0.6, 0.9, 0.99].map(|u| Gim1::new(&law(1.0 / u).unwrap(), 1.0).unwrap().mean_wait_s());
            assert!(waits.windows(2).all(|pair| pair[0] < pair[1]), "{waits:?}");
        }
        // Of all laws the constant has the least wait; these first four are in convex order.
        let spread: Vec<f64> =
            laws[..4].iter().map(|law| Gim1::new(&law(1.25).unwrap(), 1.0).unwrap().mean_wait_s()).collect();
        assert!(spread.windows(2).all(|pair| pair[0] < pair[1]), "{spread:?}");
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        let law = Law::constant(0.5).unwrap();
        assert_eq!(Gim1::new(&law, 1.0), Err(QueueError::Unstable { growth_per_s: 1.0 }));
        assert_eq!(Gim1::new(&law, 2.0), Err(QueueError::Unstable { growth_per_s: 0.0 }));
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(Gim1::new(&law, bad), Err(QueueError::Parameter { .. })));
        }
        assert!(Gim1::new(&law, 3.0).unwrap().wait_quantile_s(1.0).is_err());
    }
}
