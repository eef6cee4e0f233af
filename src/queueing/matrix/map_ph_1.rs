//! MAP/PH/1: Markovian arrivals, phase-type service, one server, first come first served.
//!
//! A quasi-birth–death process with A₀ = D₁ ⊗ I, A₁ = D₀ ⊕ S, A₂ = I ⊗ sβ: Neuts (1981), *Matrix-Geometric Solutions in Stochastic Models*,
//! ch. 3. The laws of wait and sojourn follow from the level that an arrival meets.

use nalgebra::DMatrix;

use super::map::Map;
use super::ph::{PhaseType, kronecker_sum, probability};
use super::qbd::{Qbd, QbdBlocks};
use super::wait::Line;
use crate::queueing::error::QueueError;

/// A stable MAP/PH/1 queue.
///
/// ```
/// use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
/// // Poisson arrivals at 0.8 and Erlang-2 service of mean 1: W = 4, and sp(R) = 0.745329983228.
/// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::erlang(1.0, 2)?)?;
/// assert!((queue.mean_sojourn_s() - 4.0).abs() < 1e-11);
/// assert!((queue.spectral_radius() - 0.745329983228).abs() < 1e-12);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MapPh1 {
    chain: Qbd,
    line: Line,
    arrivals_per_s: f64,
    utilization: f64,
}

impl MapPh1 {
    /// The queue with these arrivals and service.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − 1/E\[S\] when ρ ≥ 1; [`QueueError::Parameter`] for arrivals and service that together have more
    /// than one recurrent class, such as service with phases that are never entered.
    pub fn new(arrivals: &Map, service: &PhaseType) -> Result<Self, QueueError> {
        let arrivals_per_s = arrivals.rate_per_s();
        let utilization = arrivals_per_s * service.mean_s();
        if utilization >= 1.0 {
            return Err(QueueError::Unstable { growth_per_s: arrivals_per_s - 1.0 / service.mean_s() });
        }
        let chain = Qbd::new(&blocks(arrivals, service))?;
        let per_arrival = arrivals.arriving().column_sum() / arrivals_per_s;
        let at_once = chain.level(0).dot(&per_arrival);
        let column = DMatrix::from_column_slice(arrivals.phases(), 1, per_arrival.as_slice());
        let join = column.kronecker(&DMatrix::identity(service.phases(), service.phases()));
        let line = Line::new(&chain, join, service.clone(), service.clone(), at_once);
        Ok(Self { chain, line, arrivals_per_s, utilization })
    }

    /// The solved chain; its levels are customers in the system, its phases (of arrivals, of service).
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/E2/1, ρ = .8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // P(idle) = 1 − ρ, whatever the service.
    /// assert!((queue.chain().tail(1) - 0.8).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn chain(&self) -> &Qbd {
        &self.chain
    }

    /// ρ = λE\[S\], the share of time the server works.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/E2/1, ρ = .8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // λE[S].
    /// assert!((queue.utilization() - 0.8).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.utilization
    }

    /// λ, customers per second.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/E2/1, ρ = .8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // λ.
    /// assert!((queue.throughput_per_s() - 0.8).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn throughput_per_s(&self) -> f64 {
        self.arrivals_per_s
    }

    /// P(n in system).
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/E2/1, ρ = .8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // 1 − ρ.
    /// assert!((queue.probability(0) - 0.2).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn probability(&self, n: u64) -> f64 {
        self.chain.probability(n)
    }

    /// sp(R), at which probabilities of many in the system fall with each one more.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/E2/1, ρ = .8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // By an independent solver.
    /// assert!((queue.spectral_radius() - 0.745329983228).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn spectral_radius(&self) -> f64 {
        self.chain.spectral_radius()
    }

    /// L = π₁(I − R)^{−2}1, mean number in system.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/E2/1, ρ = .8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // Pollaczek–Khinchine: .8·4.
    /// assert!((queue.mean_in_system() - 3.2).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        self.chain.mean_level()
    }

    /// Lq = L − ρ, mean number waiting.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/E2/1, ρ = .8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // .8·3.
    /// assert!((queue.mean_waiting() - 2.4).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_waiting(&self) -> f64 {
        self.mean_in_system() - self.utilization
    }

    /// Wq = ∫P(W > t)dt, seconds; from the law of the wait, not by Little's law.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/E2/1, ρ = .8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // Pollaczek–Khinchine: .8·1.5/(2·.2).
    /// assert!((queue.mean_wait_s() - 3.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self) -> f64 {
        self.line.mean_wait_s()
    }

    /// W = Wq + E\[S\], seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/E2/1, ρ = .8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // Wq + 1.
    /// assert!((queue.mean_sojourn_s() - 4.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        self.line.mean_sojourn_s()
    }

    /// The share of arrivals that wait.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/E2/1, ρ = .8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // ρ.
    /// assert!((queue.wait_probability() - 0.8).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_probability(&self) -> f64 {
        self.line.wait_probability()
    }

    /// P(wait > t), without loss of digits in the tail.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/E2/1, ρ = .8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // The 95 % quantile with mpmath.
    /// assert!((queue.wait_survival(10.242756528) - 0.05).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_survival(&self, t_s: f64) -> f64 {
        if t_s < 0.0 {
            return 1.0;
        }
        self.line.wait_survival(t_s)
    }

    /// P(wait ≤ t).
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/E2/1, ρ = .8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // The 99 % quantile with mpmath.
    /// assert!((queue.wait_cdf(16.1305831923) - 0.99).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_cdf(&self, t_s: f64) -> f64 {
        1.0 - self.wait_survival(t_s)
    }

    /// The p quantile of the wait, seconds; 0 where more than p do not wait.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless 0 ≤ p < 1.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/M/1 with ρ = 0.8: ln(0.8/0.05)/0.2.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::exponential(1.0)?)?;
    /// assert!((queue.wait_quantile_s(0.95)? - 13.8629436112).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_quantile_s(&self, p: f64) -> Result<f64, QueueError> {
        Ok(self.line.wait_quantile_s(probability(p)?))
    }

    /// P(sojourn ≤ t).
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/M/1 with ρ = 0.8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::exponential(1.0)?)?;
    /// // Exponential at μ − λ; the 95 % quantile with mpmath.
    /// assert!((queue.sojourn_cdf(14.9786613678) - 0.95).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sojourn_cdf(&self, t_s: f64) -> f64 {
        if t_s < 0.0 {
            return 0.0;
        }
        1.0 - self.line.sojourn_survival(t_s)
    }

    /// The p quantile of the sojourn, seconds.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless 0 ≤ p < 1.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/M/1 with ρ = 0.8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::exponential(1.0)?)?;
    /// // ln 100/(μ − λ).
    /// assert!((queue.sojourn_quantile_s(0.99)? - 23.0258509299).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sojourn_quantile_s(&self, p: f64) -> Result<f64, QueueError> {
        Ok(self.line.sojourn_quantile_s(probability(p)?))
    }
}

/// The chain's blocks; level 0 keeps the phase of arrivals only.
fn blocks(arrivals: &Map, service: &PhaseType) -> QbdBlocks {
    let (a, s) = (arrivals.phases(), service.phases());
    let (phases_a, phases_s) = (DMatrix::<f64>::identity(a, a), DMatrix::<f64>::identity(s, s));
    let start = DMatrix::from_row_slice(1, s, service.start().as_slice());
    let exit = DMatrix::from_column_slice(s, 1, service.exit().as_slice());
    QbdBlocks {
        boundary: arrivals.silent().clone(),
        enter: arrivals.arriving().kronecker(&start),
        leave: phases_a.kronecker(&exit),
        up: arrivals.arriving().kronecker(&phases_s),
        within: kronecker_sum(arrivals.silent(), service.rates()),
        down: phases_a.kronecker(&(exit * start)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn random_map(rng: &mut ChaCha8Rng, n: usize) -> Map {
        let mut silent = vec![vec![0.0; n]; n];
        let mut arriving = silent.clone();
        for i in 0..n {
            for j in 0..n {
                arriving[i][j] = rng.random::<f64>().powi(3) * 5.0;
                silent[i][j] = if i == j { 0.0 } else { rng.random::<f64>() };
            }
            silent[i][i] = -silent[i].iter().sum::<f64>() - arriving[i].iter().sum::<f64>();
        }
        Map::new(&silent, &arriving).unwrap()
    }

    #[test]
    fn littles_law_joins_what_is_computed_apart() {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        for n in 1..9 {
            let map = random_map(&mut rng, n);
            let rho = 0.05 + 0.93 * rng.random::<f64>();
            let law = PhaseType::coxian(&[(3.0, 0.6), (1.0, 0.5), (0.2, 0.0)]).unwrap();
            let service = law.scaled(rho / map.rate_per_s() / law.mean_s()).unwrap();
            let queue = MapPh1::new(&map, &service).unwrap();
            let lambda = queue.throughput_per_s();
            assert_relative_eq!(queue.mean_in_system(), lambda * queue.mean_sojourn_s(), max_relative = 1e-10);
            assert_relative_eq!(queue.mean_waiting(), lambda * queue.mean_wait_s(), max_relative = 1e-10);
            assert_relative_eq!(queue.probability(0), 1.0 - rho, max_relative = 1e-10);
            assert_relative_eq!(queue.wait_survival(0.0), queue.wait_probability(), max_relative = 1e-12);
            assert!(queue.chain().residual() < 1e-13);
        }
    }

    #[test]
    fn laws_integrate_to_their_means_and_quantiles_invert_them() {
        let map = Map::mmpp2([0.2, 0.5], [0.4, 2.0]).unwrap();
        let queue = MapPh1::new(&map, &PhaseType::erlang(0.7, 3).unwrap()).unwrap();
        let (cells, width) = (4000, 0.025);
        let simpson = |f: &dyn Fn(f64) -> f64| {
            let weight = |i| if i == 0 || i == cells { 1.0 } else { f64::from(2 + 2 * (i % 2)) };
            (0..=cells).map(|i| weight(i) * f(f64::from(i) * width)).sum::<f64>() * width / 3.0
        };
        assert_relative_eq!(simpson(&|t| queue.wait_survival(t)), queue.mean_wait_s(), max_relative = 1e-7);
        assert_relative_eq!(simpson(&|t| 1.0 - queue.sojourn_cdf(t)), queue.mean_sojourn_s(), max_relative = 1e-7);
        for p in [0.6, 0.9, 0.99, 1.0 - 1e-6] {
            let (wait, sojourn) = (queue.wait_quantile_s(p).unwrap(), queue.sojourn_quantile_s(p).unwrap());
            assert_relative_eq!(queue.wait_survival(wait), 1.0 - p, max_relative = 1e-11);
            assert_relative_eq!(queue.sojourn_cdf(sojourn), p, max_relative = 1e-11);
            assert!(sojourn > wait);
        }
        assert_eq!(queue.wait_quantile_s(0.0), Ok(0.0));
    }

    #[test]
    fn time_scales() {
        let (map, law) = (Map::mmpp2([0.2, 0.5], [0.4, 2.0]).unwrap(), PhaseType::erlang(0.7, 3).unwrap());
        let fast = Map::mmpp2([0.2e3, 0.5e3], [0.4e3, 2.0e3]).unwrap();
        let slow = MapPh1::new(&map, &law).unwrap();
        let quick = MapPh1::new(&fast, &law.scaled(1e-3).unwrap()).unwrap();
        assert_relative_eq!(slow.mean_in_system(), quick.mean_in_system(), max_relative = 1e-11);
        let (long, short) = (slow.sojourn_quantile_s(0.99).unwrap(), quick.sojourn_quantile_s(0.99).unwrap());
        assert_relative_eq!(long, 1e3 * short, max_relative = 1e-10);
    }

    #[test]
    fn lindleys_recursion_agrees() {
        let map = Map::mmpp2([0.2, 0.5], [0.4, 1.5]).unwrap();
        let law = PhaseType::hyperexponential(&[(0.3, 0.8), (0.7, 3.0)]).unwrap();
        let queue = MapPh1::new(&map, &law).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(12);
        let (runs, length) = (40, 20_000);
        let t = queue.wait_quantile_s(0.9).unwrap();
        let mut shares = Vec::new();
        for _ in 0..runs {
            let (mut wait, mut over, mut counted) = (0.0_f64, 0.0, 0.0);
            for (i, interval) in map.sample_intervals(length, &mut rng).into_iter().enumerate() {
                wait = (wait + law.sample(&mut rng) - interval).max(0.0);
                if i > 2000 {
                    counted += 1.0;
                    over += f64::from(u8::from(wait > t));
                }
            }
            shares.push(over / counted);
        }
        let mean = shares.iter().sum::<f64>() / f64::from(runs);
        let spread = shares.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(runs - 1);
        assert!((mean - 0.1).abs() < 4.0 * (spread / f64::from(runs)).sqrt(), "{mean} {spread}");
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        let map = Map::mmpp2([1.0, 1.0], [1.0, 3.0]).unwrap();
        let full = MapPh1::new(&map, &PhaseType::exponential(0.5).unwrap());
        assert_eq!(full, Err(QueueError::Unstable { growth_per_s: 0.0 }));
        assert!(
            matches!(MapPh1::new(&map, &PhaseType::exponential(1.0).unwrap()), Err(QueueError::Unstable { growth_per_s }) if (growth_per_s - 1.0).abs() < 1e-12)
        );
        let fine = MapPh1::new(&map, &PhaseType::exponential(0.2).unwrap()).unwrap();
        assert!(fine.wait_quantile_s(1.0).is_err() && fine.sojourn_quantile_s(f64::NAN).is_err());
    }
}
