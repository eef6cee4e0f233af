//! PH/PH/1: independent phase-type intervals and phase-type service, one server, first come first served.
//!
//! MAP/PH/1 with D₀ = T, D₁ = tα. Neuts (1981), *Matrix-Geometric Solutions in Stochastic Models*, §3.7.

use super::map::Map;
use super::map_ph_1::MapPh1;
use super::ph::PhaseType;
use super::qbd::Qbd;
use crate::queueing::error::QueueError;

/// A stable PH/PH/1 queue.
///
/// ```
/// use fluidsim::queueing::matrix::{PhPh1, PhaseType};
/// // E2/E2/1 with ρ = 0.9: W = 5.35904782172.
/// let queue = PhPh1::new(&PhaseType::erlang(1.0 / 0.9, 2)?, &PhaseType::erlang(1.0, 2)?)?;
/// assert!((queue.mean_sojourn_s() - 5.35904782172).abs() < 1e-10);
/// assert!((queue.spectral_radius() - 0.81).abs() < 1e-13);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PhPh1 {
    queue: MapPh1,
}

impl PhPh1 {
    /// The queue with these intervals between arrivals and this service.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − 1/E\[S\] when ρ ≥ 1; [`QueueError::Parameter`] for laws with phases that are never entered and form
    /// a class of their own.
    pub fn new(interval: &PhaseType, service: &PhaseType) -> Result<Self, QueueError> {
        Ok(Self { queue: MapPh1::new(&Map::renewal(interval)?, service)? })
    }

    /// The solved chain; its levels are customers in the system.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{PhPh1, PhaseType};
    /// // E2/E2/1, ρ = .9.
    /// let queue = PhPh1::new(&PhaseType::erlang(1.0 / 0.9, 2)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // P(busy) = ρ.
    /// assert!((queue.chain().tail(1) - 0.9).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn chain(&self) -> &Qbd {
        self.queue.chain()
    }

    /// ρ = λE\[S\], the share of time the server works.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{PhPh1, PhaseType};
    /// // E2/E2/1, ρ = .9.
    /// let queue = PhPh1::new(&PhaseType::erlang(1.0 / 0.9, 2)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // λE[S].
    /// assert!((queue.utilization() - 0.9).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.queue.utilization()
    }

    /// λ, customers per second.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{PhPh1, PhaseType};
    /// // E2/E2/1, ρ = .9.
    /// let queue = PhPh1::new(&PhaseType::erlang(1.0 / 0.9, 2)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // λ.
    /// assert!((queue.throughput_per_s() - 0.9).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn throughput_per_s(&self) -> f64 {
        self.queue.throughput_per_s()
    }

    /// P(n in system).
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{PhPh1, PhaseType};
    /// // E2/E2/1, ρ = .9.
    /// let queue = PhPh1::new(&PhaseType::erlang(1.0 / 0.9, 2)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // 1 − ρ.
    /// assert!((queue.probability(0) - 0.1).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn probability(&self, n: u64) -> f64 {
        self.queue.probability(n)
    }

    /// sp(R), at which probabilities of many in the system fall with each one more.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{PhPh1, PhaseType};
    /// // E2/E2/1, ρ = .9.
    /// let queue = PhPh1::new(&PhaseType::erlang(1.0 / 0.9, 2)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // Known for E2/E2/1: ρ².
    /// assert!((queue.spectral_radius() - 0.81).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn spectral_radius(&self) -> f64 {
        self.queue.spectral_radius()
    }

    /// L, mean number in system.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{PhPh1, PhaseType};
    /// // E2/E2/1, ρ = .9.
    /// let queue = PhPh1::new(&PhaseType::erlang(1.0 / 0.9, 2)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // By an independent solver.
    /// assert!((queue.mean_in_system() - 4.82314303955).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        self.queue.mean_in_system()
    }

    /// Lq = L − ρ, mean number waiting.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{PhPh1, PhaseType};
    /// // E2/E2/1, ρ = .9.
    /// let queue = PhPh1::new(&PhaseType::erlang(1.0 / 0.9, 2)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // L − ρ.
    /// assert!((queue.mean_waiting() - (4.82314303955 - 0.9)).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_waiting(&self) -> f64 {
        self.queue.mean_waiting()
    }

    /// Wq, mean wait in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{PhPh1, PhaseType};
    /// // E2/E2/1, ρ = .9.
    /// let queue = PhPh1::new(&PhaseType::erlang(1.0 / 0.9, 2)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // By an independent solver.
    /// assert!((queue.mean_wait_s() - 4.35904782172).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self) -> f64 {
        self.queue.mean_wait_s()
    }

    /// W = Wq + E\[S\], mean time in system in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{PhPh1, PhaseType};
    /// // E2/E2/1, ρ = .9.
    /// let queue = PhPh1::new(&PhaseType::erlang(1.0 / 0.9, 2)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // By an independent solver.
    /// assert!((queue.mean_sojourn_s() - 5.35904782172).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        self.queue.mean_sojourn_s()
    }

    /// The share of arrivals that wait.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{PhPh1, PhaseType};
    /// // E2/M/1, ρ = .8: with σ = 0.739852949126 of GI/M/1, an arrival waits with probability σ.
    /// let queue = PhPh1::new(&PhaseType::erlang(1.25, 2)?, &PhaseType::exponential(1.0)?)?;
    /// assert!((queue.wait_probability() - 0.739852949126).abs() < 1e-11);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_probability(&self) -> f64 {
        self.queue.wait_probability()
    }

    /// P(wait > t), without loss of digits in the tail.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{PhPh1, PhaseType};
    /// // E2/M/1, ρ = .8: with σ = 0.739852949126 of GI/M/1, σe^{−(1−σ)t}.
    /// let queue = PhPh1::new(&PhaseType::erlang(1.25, 2)?, &PhaseType::exponential(1.0)?)?;
    /// let sigma: f64 = 0.739852949126;
    /// assert!((queue.wait_survival(10.0) - sigma * (-10.0 * (1.0 - sigma)).exp()).abs() < 1e-11);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_survival(&self, t_s: f64) -> f64 {
        self.queue.wait_survival(t_s)
    }

    /// P(wait ≤ t).
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{PhPh1, PhaseType};
    /// // E2/M/1, ρ = .8: with σ = 0.739852949126 of GI/M/1, 1 − σ do not wait.
    /// let queue = PhPh1::new(&PhaseType::erlang(1.25, 2)?, &PhaseType::exponential(1.0)?)?;
    /// assert!((queue.wait_cdf(0.0) - (1.0 - 0.739852949126)).abs() < 1e-11);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_cdf(&self, t_s: f64) -> f64 {
        self.queue.wait_cdf(t_s)
    }

    /// The p quantile of the wait, seconds; 0 where more than p do not wait.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless 0 ≤ p < 1.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{PhPh1, PhaseType};
    /// // E2/M/1 with ρ = 0.8: σ = 0.739852949126 wait, at the rate μ(1 − σ).
    /// let queue = PhPh1::new(&PhaseType::erlang(1.25, 2)?, &PhaseType::exponential(1.0)?)?;
    /// let sigma: f64 = 0.739852949126;
    /// let expected = (sigma / 0.05).ln() / (1.0 - sigma);
    /// assert!((queue.wait_quantile_s(0.95)? - expected).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_quantile_s(&self, p: f64) -> Result<f64, QueueError> {
        self.queue.wait_quantile_s(p)
    }

    /// P(sojourn ≤ t).
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{PhPh1, PhaseType};
    /// // E2/M/1, ρ = .8: with σ = 0.739852949126 of GI/M/1, 1 − e^{−(1−σ)t}.
    /// let queue = PhPh1::new(&PhaseType::erlang(1.25, 2)?, &PhaseType::exponential(1.0)?)?;
    /// let sigma: f64 = 0.739852949126;
    /// assert!((queue.sojourn_cdf(10.0) - (1.0 - (-10.0 * (1.0 - sigma)).exp())).abs() < 1e-10);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sojourn_cdf(&self, t_s: f64) -> f64 {
        self.queue.sojourn_cdf(t_s)
    }

    /// The p quantile of the sojourn, seconds.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless 0 ≤ p < 1.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{PhPh1, PhaseType};
    /// // E2/M/1, ρ = .8: with σ = 0.739852949126 of GI/M/1, exponential at the rate 1 − σ.
    /// let queue = PhPh1::new(&PhaseType::erlang(1.25, 2)?, &PhaseType::exponential(1.0)?)?;
    /// let expected = 20_f64.ln() / (1.0 - 0.739852949126);
    /// assert!((queue.sojourn_quantile_s(0.95)? - expected).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sojourn_quantile_s(&self, p: f64) -> Result<f64, QueueError> {
        self.queue.sojourn_quantile_s(p)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    fn law(name: &str, mean: f64) -> PhaseType {
        let p = 0.5 * (1.0 + 0.6_f64.sqrt());
        match name {
            "M" => PhaseType::exponential(mean).unwrap(),
            "E2" => PhaseType::erlang(mean, 2).unwrap(),
            _ => PhaseType::hyperexponential(&[(p, 2.0 * p / mean), (1.0 - p, 2.0 * (1.0 - p) / mean)]).unwrap(),
        }
    }

    /// Service of mean 1: ρ, sp(R), L, W, Wq, p0, from an independent computation; H2 has balanced means and cv² = 4.
    #[rustfmt::skip]
    const TABLE: [(&str, &str, [f64; 6]); 16] = [
        ("M", "E2", [0.5, 0.410097050801, 0.875, 1.75, 0.75, 0.5]),
        ("M", "E2", [0.8, 0.745329983228, 3.2, 4.0, 3.0, 0.2]),
        ("M", "H2", [0.5, 0.771699887058, 1.75, 3.5, 2.5, 0.5]),
        ("M", "H2", [0.8, 0.918642982006, 8.8, 11.0, 10.0, 0.2]),
        ("M", "H2", [0.9, 0.959843904602, 21.15, 23.5, 22.5, 0.1]),
        ("E2", "M", [0.8, 0.739852949126, 3.07518381359, 3.84397976699, 2.84397976699, 0.2]),
        ("E2", "M", [0.9, 0.868217893672, 6.82945526582, 7.58828362869, 6.58828362869, 0.1]),
        ("E2", "E2", [0.5, 0.25, 0.695194101601, 1.3903882032, 0.390388203202, 0.5]),
        ("E2", "E2", [0.9, 0.81, 4.82314303955, 5.35904782172, 4.35904782172, 0.1]),
        ("H2", "E2", [0.5, 0.629626095062, 1.38189810936, 2.76379621873, 1.76379621873, 0.5]),
        ("H2", "E2", [0.8, 0.895739791784, 7.72810717921, 9.66013397401, 8.66013397401, 0.2]),
        ("E2", "H2", [0.5, 0.749239565635, 1.54682805303, 3.09365610607, 2.09365610607, 0.5]),
        ("E2", "H2", [0.8, 0.910716482967, 7.86071614534, 9.82589518167, 8.82589518167, 0.2]),
        ("E2", "H2", [0.9, 0.955712769893, 18.9645059962, 21.0716733291, 20.0716733291, 0.1]),
        ("H2", "H2", [0.8, 0.945484298013, 13.7220571504, 17.152571438, 16.152571438, 0.2]),
        ("H2", "H2", [0.9, 0.973975914676, 33.4799628492, 37.1999587214, 36.1999587214, 0.1]),
    ];

    #[test]
    fn the_table_is_met() {
        for (arrivals, service, row) in TABLE {
            let queue = PhPh1::new(&law(arrivals, 1.0 / row[0]), &law(service, 1.0)).unwrap();
            let found = [
                queue.utilization(),
                queue.spectral_radius(),
                queue.mean_in_system(),
                queue.mean_sojourn_s(),
                queue.mean_wait_s(),
                queue.probability(0),
            ];
            for (value, expected) in found.into_iter().zip(row) {
                assert_relative_eq!(value, expected, max_relative = 1e-11);
            }
        }
    }

    /// Poisson arrivals, service of mean 1: ρ, then the 0.9, 0.95 and 0.99 quantiles of the wait from the roots of the transform.
    const WAITS: [(&str, f64, [f64; 3]); 5] = [
        ("H2", 0.5, [8.54240621876, 13.2282625817, 24.1087041261]),
        ("H2", 0.8, [27.513050194, 37.2963917026, 60.0126072131]),
        ("H2", 0.9, [56.6881890753, 75.097269099, 117.841829207]),
        ("E2", 0.5, [2.3772564538, 3.34185868693, 5.57973694547]),
        ("E2", 0.8, [7.70700760552, 10.242756528, 16.1305831923]),
    ];

    #[test]
    fn waits_have_their_quantiles() {
        for (service, rho, quantiles) in WAITS {
            let queue = PhPh1::new(&law("M", 1.0 / rho), &law(service, 1.0)).unwrap();
            for (p, expected) in [0.9, 0.95, 0.99].into_iter().zip(quantiles) {
                assert_relative_eq!(queue.wait_quantile_s(p).unwrap(), expected, max_relative = 1e-10);
            }
            assert_relative_eq!(queue.wait_probability(), rho, max_relative = 1e-12);
        }
    }
    #[test]
    fn exponential_service_waits_by_the_root_of_the_transform() {
        // GI/M/1, μ = 1: σ = A*(1 − σ), Wq = σ/(1 − σ).
        let table = [
            ("E2", 0.5, 0.38196601125),
            ("E2", 0.8, 0.739852949126),
            ("H2", 0.8, 0.907571662593),
            ("E2", 0.9, 0.868217893672),
            ("H2", 0.9, 0.957281127576),
        ];
        for (interval, rho, sigma) in table {
            let queue = PhPh1::new(&law(interval, 1.0 / rho), &law("M", 1.0)).unwrap();
            assert_relative_eq!(queue.spectral_radius(), sigma, max_relative = 1e-11);
            assert_relative_eq!(queue.wait_probability(), sigma, max_relative = 1e-11);
            assert_relative_eq!(queue.mean_wait_s(), sigma / (1.0 - sigma), max_relative = 1e-10);
        }
    }

    #[test]
    fn one_phase_each_is_mm1() {
        for rho in [0.05, 0.5, 0.95, 0.9999] {
            let queue = PhPh1::new(&law("M", 1.0 / rho), &law("M", 1.0)).unwrap();
            assert_relative_eq!(queue.mean_in_system(), rho / (1.0 - rho), max_relative = 1e-9);
            assert_relative_eq!(queue.wait_probability(), rho, max_relative = 1e-11);
            let sojourn = queue.sojourn_quantile_s(0.99).unwrap();
            assert_relative_eq!(sojourn, -(0.01_f64.ln()) / (1.0 - rho), max_relative = 1e-9);
        }
    }

    #[test]
    fn the_queue_grows_with_the_load_and_with_variance() {
        let mean = |rho: f64, interval: &str, service: &str| {
            PhPh1::new(&law(interval, 1.0 / rho), &law(service, 1.0)).unwrap().mean_wait_s()
        };
        for i in 1..19 {
            let rho = 0.05 * f64::from(i);
            assert!(mean(rho, "E2", "H2") < mean(rho + 0.05, "E2", "H2"));
            assert!(mean(rho, "E2", "E2") < mean(rho, "M", "E2") && mean(rho, "M", "E2") < mean(rho, "M", "H2"));
        }
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        let found = PhPh1::new(&law("E2", 0.5), &law("H2", 1.0));
        assert!(matches!(found, Err(QueueError::Unstable { growth_per_s }) if (growth_per_s - 1.0).abs() < 1e-12));
    }
}
