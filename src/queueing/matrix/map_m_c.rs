//! MAP/M/c: Markovian arrivals, exponential service, c servers, one queue, first come first served.
//!
//! A quasi-birth–death process whose level 0 holds all states with a free server and whose level ℓ ≥ 1 has c − 1 + ℓ customers, of which an
//! arrival waits for ℓ departures at the rate cμ. Neuts (1981), *Matrix-Geometric Solutions in Stochastic Models*, ch. 3.

use nalgebra::DMatrix;

use super::map::Map;
use super::ph::{PhaseType, probability};
use super::qbd::{Qbd, QbdBlocks};
use super::wait::Line;
use crate::queueing::error::{QueueError, positive};

/// The boundary is solved as one dense system.
const MOST_BOUNDARY_STATES: usize = 1000;

/// A stable MAP/M/c queue.
///
/// ```
/// use fluidsim::queueing::matrix::{Map, MapMc};
/// // M/M/3 with offered load 2.4: C = 0.647191011236, Wq = 1.07865168539, its 0.95 quantile 4.26769745254.
/// let queue = MapMc::new(&Map::poisson(2.4)?, 1.0, 3)?;
/// assert!((queue.wait_probability() - 0.647191011236).abs() < 1e-11);
/// assert!((queue.mean_wait_s() - 1.07865168539).abs() < 1e-10);
/// assert!((queue.wait_quantile_s(0.95)? - 4.26769745254).abs() < 1e-9);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MapMc {
    chain: Qbd,
    line: Line,
    arrivals_per_s: f64,
    services_per_s: f64,
    servers: u32,
}

impl MapMc {
    /// The queue with these arrivals and `servers` servers of rate μ each, per second.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − cμ when λ ≥ cμ; [`QueueError::Parameter`] for no servers, a rate out of range, or more than 1000
    /// states (servers times phases of arrivals) with a free server.
    pub fn new(arrivals: &Map, services_per_s: f64, servers: u32) -> Result<Self, QueueError> {
        positive("services_per_s", services_per_s)?;
        positive("servers", f64::from(servers))?;
        let states = servers as usize * arrivals.phases();
        if states > MOST_BOUNDARY_STATES {
            let must = "such that servers times phases are at most 1000";
            return Err(QueueError::Parameter { name: "servers", value: f64::from(servers), must });
        }
        let arrivals_per_s = arrivals.rate_per_s();
        let growth_per_s = arrivals_per_s - f64::from(servers) * services_per_s;
        if growth_per_s >= 0.0 {
            return Err(QueueError::Unstable { growth_per_s });
        }
        let chain = Qbd::new(&blocks(arrivals, services_per_s, servers))?;
        let per_arrival = arrivals.arriving().column_sum() / arrivals_per_s;
        let free = chain.level(0);
        let m = arrivals.phases();
        let at_once = (0..servers as usize).map(|k| free.rows(k * m, m).dot(&per_arrival)).sum();
        let between = PhaseType::exponential(1.0 / (f64::from(servers) * services_per_s))?;
        let own = PhaseType::exponential(1.0 / services_per_s)?;
        let join = DMatrix::from_column_slice(m, 1, per_arrival.as_slice());
        let line = Line::new(&chain, join, between, own, at_once);
        Ok(Self { chain, line, arrivals_per_s, services_per_s, servers })
    }

    /// ρ = λ/(cμ), the share of time a server works.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapMc};
    /// // M/M/3 with 2 erlangs.
    /// let queue = MapMc::new(&Map::poisson(2.0)?, 1.0, 3)?;
    /// // λ/(cμ).
    /// assert!((queue.utilization() - 2.0 / 3.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.arrivals_per_s / (f64::from(self.servers) * self.services_per_s)
    }

    /// λ, customers per second.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapMc};
    /// // M/M/3 with 2 erlangs.
    /// let queue = MapMc::new(&Map::poisson(2.0)?, 1.0, 3)?;
    /// // λ.
    /// assert!((queue.throughput_per_s() - 2.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn throughput_per_s(&self) -> f64 {
        self.arrivals_per_s
    }

    /// P(n in system).
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapMc};
    /// // M/M/3 with 2 erlangs.
    /// let queue = MapMc::new(&Map::poisson(2.0)?, 1.0, 3)?;
    /// // 1/(1 + 2 + 2 + 4).
    /// assert!((queue.probability(0) - 1.0 / 9.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn probability(&self, n: u64) -> f64 {
        let servers = u64::from(self.servers);
        if n >= servers {
            return self.chain.probability(n - servers + 1);
        }
        let free = self.chain.level(0);
        let m = free.len() / self.servers as usize;
        free.rows(n as usize * m, m).sum()
    }

    /// Lq = E\[level\] − P(level ≥ 1), mean number waiting.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapMc};
    /// // M/M/3 with 2 erlangs.
    /// let queue = MapMc::new(&Map::poisson(2.0)?, 1.0, 3)?;
    /// // λC/(cμ − λ), C = 4/9.
    /// assert!((queue.mean_waiting() - 8.0 / 9.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_waiting(&self) -> f64 {
        self.chain.mean_level() - self.chain.tail(1)
    }

    /// L = Lq + λ/μ, mean number in system.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapMc};
    /// // M/M/3 with 2 erlangs.
    /// let queue = MapMc::new(&Map::poisson(2.0)?, 1.0, 3)?;
    /// // Lq + 2.
    /// assert!((queue.mean_in_system() - 26.0 / 9.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        self.mean_waiting() + self.arrivals_per_s / self.services_per_s
    }

    /// Wq, seconds; from the law of the wait, not by Little's law.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapMc};
    /// // M/M/3 with 2 erlangs.
    /// let queue = MapMc::new(&Map::poisson(2.0)?, 1.0, 3)?;
    /// // C/(cμ − λ).
    /// assert!((queue.mean_wait_s() - 4.0 / 9.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self) -> f64 {
        self.line.mean_wait_s()
    }

    /// W = Wq + 1/μ, seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapMc};
    /// // M/M/3 with 2 erlangs.
    /// let queue = MapMc::new(&Map::poisson(2.0)?, 1.0, 3)?;
    /// // Wq + 1.
    /// assert!((queue.mean_sojourn_s() - 13.0 / 9.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        self.line.mean_sojourn_s()
    }

    /// The share of arrivals that wait.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapMc};
    /// // M/M/3 with 2 erlangs.
    /// let queue = MapMc::new(&Map::poisson(2.0)?, 1.0, 3)?;
    /// // Erlang C.
    /// assert!((queue.wait_probability() - 4.0 / 9.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_probability(&self) -> f64 {
        self.line.wait_probability()
    }

    /// P(wait ≤ t).
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapMc};
    /// // M/M/3 with 2 erlangs.
    /// let queue = MapMc::new(&Map::poisson(2.0)?, 1.0, 3)?;
    /// // 1 − C.
    /// assert!((queue.wait_cdf(0.0) - 5.0 / 9.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_cdf(&self, t_s: f64) -> f64 {
        if t_s < 0.0 {
            return 0.0;
        }
        1.0 - self.line.wait_survival(t_s)
    }

    /// The p quantile of the wait, seconds; 0 where more than p do not wait.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless 0 ≤ p < 1.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapMc};
    /// // M/M/3 with 2 erlangs.
    /// let queue = MapMc::new(&Map::poisson(2.0)?, 1.0, 3)?;
    /// // ln(20·4/9)/(3 − 2).
    /// assert!((queue.wait_quantile_s(0.95)? - 2.18480205734).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_quantile_s(&self, p: f64) -> Result<f64, QueueError> {
        Ok(self.line.wait_quantile_s(probability(p)?))
    }

    /// The p quantile of the sojourn, seconds.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless 0 ≤ p < 1.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapMc};
    /// // M/M/3 with 2 erlangs: cμ − λ = μ = 1, so P(T > t) = e⁻ᵗ(1 + Ct), C = 4/9; at t = 9/4 it is 2e⁻ᵗ.
    /// let queue = MapMc::new(&Map::poisson(2.0)?, 1.0, 3)?;
    /// assert!((queue.sojourn_quantile_s(1.0 - 2.0 * (-2.25f64).exp())? - 2.25).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sojourn_quantile_s(&self, p: f64) -> Result<f64, QueueError> {
        Ok(self.line.sojourn_quantile_s(probability(p)?))
    }
}

fn blocks(arrivals: &Map, services_per_s: f64, servers: u32) -> QbdBlocks {
    let (c, m) = (servers as usize, arrivals.phases());
    let identity = DMatrix::<f64>::identity(m, m);
    let served = |busy: usize| &identity * (busy as f64 * services_per_s);
    let mut boundary = DMatrix::zeros(c * m, c * m);
    for k in 0..c {
        boundary.view_mut((k * m, k * m), (m, m)).copy_from(&(arrivals.silent() - served(k)));
        if k + 1 < c {
            boundary.view_mut((k * m, (k + 1) * m), (m, m)).copy_from(arrivals.arriving());
            boundary.view_mut(((k + 1) * m, k * m), (m, m)).copy_from(&served(k + 1));
        }
    }
    let (mut enter, mut leave) = (DMatrix::zeros(c * m, m), DMatrix::zeros(m, c * m));
    enter.view_mut(((c - 1) * m, 0), (m, m)).copy_from(arrivals.arriving());
    leave.view_mut((0, (c - 1) * m), (m, m)).copy_from(&served(c));
    QbdBlocks {
        boundary,
        enter,
        leave,
        up: arrivals.arriving().clone(),
        within: arrivals.silent() - served(c),
        down: served(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::markov::Mmc;
    use crate::queueing::matrix::MapPh1;
    use approx::assert_relative_eq;

    #[test]
    fn poisson_arrivals_make_it_mmc() {
        for (load, servers) in [(0.8, 1), (3.0, 4), (18.0, 20), (95.0, 100)] {
            let queue = MapMc::new(&Map::poisson(2.0 * load).unwrap(), 2.0, servers).unwrap();
            let known = Mmc::new(2.0 * load, 2.0, servers.into()).unwrap();
            assert_relative_eq!(queue.wait_probability(), known.delay_probability(), max_relative = 1e-10);
            assert_relative_eq!(queue.mean_in_system(), known.mean_in_system(), max_relative = 1e-10);
            assert_relative_eq!(queue.wait_quantile_s(0.95).unwrap(), known.wait_quantile_s(0.95), max_relative = 1e-9);
        }
    }

    #[test]
    fn one_server_is_map_ph_1_and_littles_law_holds() {
        let map = Map::mmpp2([0.2, 0.5], [0.4, 2.0]).unwrap();
        let (many, one) = (MapMc::new(&map, 1.3, 1), MapPh1::new(&map, &PhaseType::exponential(1.0 / 1.3).unwrap()));
        let (many, one) = (many.unwrap(), one.unwrap());
        assert_relative_eq!(many.mean_wait_s(), one.mean_wait_s(), max_relative = 1e-12);
        assert_relative_eq!(many.probability(3), one.probability(3), max_relative = 1e-12);
        let (long, same) = (many.sojourn_quantile_s(0.9).unwrap(), one.sojourn_quantile_s(0.9).unwrap());
        assert_relative_eq!(long, same, max_relative = 1e-12);
        for servers in [2, 5, 9] {
            let queue = MapMc::new(&map, 1.0 / f64::from(servers), servers).unwrap();
            let lambda = queue.throughput_per_s();
            assert_relative_eq!(queue.mean_waiting(), lambda * queue.mean_wait_s(), max_relative = 1e-10);
            let mass: f64 = (0..2000).map(|n| queue.probability(n)).sum();
            assert_relative_eq!(mass, 1.0, max_relative = 1e-10);
        }
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        let map = Map::poisson(5.0).unwrap();
        assert_eq!(MapMc::new(&map, 2.0, 2), Err(QueueError::Unstable { growth_per_s: 1.0 }));
        assert!(MapMc::new(&map, 2.0, 0).is_err() && MapMc::new(&map, -1.0, 3).is_err());
        assert!(matches!(MapMc::new(&map, 1.0, 1001), Err(QueueError::Parameter { name: "servers", .. })));
    }
}
