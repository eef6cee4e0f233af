//! G/G/c by two moments: independent times between arrivals and of service, c servers, one queue, first come, first served.
//! **Approximations** and a bound, no exact values: two moments do not fix the wait.
//!
//! With the wait M = C(c, a)/(cμ − λ) of M/M/c, ρ = λ/(cμ), the squared coefficients of variation ca² of the times between arrivals and cs² of
//! service, and Cosmetatos' γ = min(.24, (1−ρ)(c−1)(√(4+5c)−2)/(16cρ)) (1975, INFOR 13:328–331), by which M/D/c waits (1+γ)M/2:
//!
//! | method | Wq | reference |
//! |---|---|---|
//! | [`allen_cunneen_wait_s`](Ggc::allen_cunneen_wait_s) | M(ca²+cs²)/2 | Allen 1990, *Probability, Statistics, and Queueing Theory*, 2nd ed., §5.3 |
//! | [`klb_wait_s`](Ggc::klb_wait_s) | the same times g of one server | Bolch, Greiner, de Meer and Trivedi 2006, *Queueing Networks and Markov Chains*, §6.3 |
//! | [`kimura_wait_s`](Ggc::kimura_wait_s) | a harmonic mean, see there | Kimura 1986, Management Science 32:751–763 |
//! | [`whitt_wait_s`](Ggc::whitt_wait_s) | φ·M(ca²+cs²)/2, see there | Whitt 1993, Production and Operations Management 2:114–161 |
//! | [`cyclic_bound_s`](Ggc::cyclic_bound_s) | ≤ λ(σa²+σs²/c)/(2(1−ρ)) | Kingman 1962, Biometrika 49:315–324, with Wolff 1977, J. Applied Probability 14:884–888 |
//!
//! All but the bound give M/M/c; the first three with one server, what [`Gg1`](super::Gg1) says. What they err against the exact wait of GI/M/c, in percent
//! (H2 has balanced means and cv² = 4); the bound is far off with many servers:
//!
//! | queue | ρ | exact μWq | Allen–Cunneen | KLB | Kimura | Whitt | bound |
//! |---|---|---|---|---|---|---|---|
//! | D/M/2 | .8 | 0.7111 | +25.0 | +5.8 | +0.05 | +6.7 | 2.8× |
//! | D/M/10 | .9 | 0.2703 | +23.7 | +14.9 | −0.5 | +6.6 | 17× |
//! | E2/M/2 | .5 | 0.1868 | +33.9 | +19.8 | −23.3 | +4.1 | 5.4× |
//! | E2/M/2 | .8 | 1.2361 | +7.9 | +4.9 | −4.1 | −0.002 | 2.3× |
//! | E2/M/10 | .9 | 0.4646 | +8.0 | +6.6 | −3.7 | +0.7 | 10× |
//! | H2/M/2 | .8 | 4.6251 | −3.9 | −10.9 | | −2.7 | 1.8× |
//! | H2/M/10 | .9 | 1.8992 | −12.0 | −15.2 | | −9.3 | 3.5× |
//!
//! Whitt's is the safest of the four.

use super::gg1::{kimura_ratio, klb_factor};
use crate::queueing::Law;
use crate::queueing::error::{QueueError, not_negative, positive};
use crate::queueing::markov::Mmc;

/// A stable G/G/c queue by two moments. **Every wait is an approximation or a bound.**
///
/// ```
/// use fluidsim::queueing::general::Ggc;
/// // M/G/20 with 18 erlangs and cs² = 4: Allen and Cunneen's formula with mpmath.
/// let queue = Ggc::new(18.0, 1.0, 20, 1.0, 4.0)?;
/// assert!((queue.allen_cunneen_wait_s() - 0.68846125602).abs() < 1e-10);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ggc {
    arrivals_per_s: f64,
    services_per_s: f64,
    servers: f64,
    arrival_squared_cv: f64,
    service_squared_cv: f64,
    /// The wait of M/M/c.
    markov_wait_s: f64,
}

impl Ggc {
    /// The queue with arrival rate λ and `servers` servers of rate μ each, per second, ca² of the times between arrivals and cs² of service.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − cμ when λ ≥ cμ; [`QueueError::Parameter`] for a value out of range, such as the infinite
    /// variance of a Pareto law.
    ///
    /// ```
    /// use fluidsim::queueing::{QueueError, general::Ggc};
    /// assert_eq!(Ggc::new(5.0, 2.0, 2, 1.0, 1.0), Err(QueueError::Unstable { growth_per_s: 1.0 }));
    /// ```
    pub fn new(
        arrivals_per_s: f64,
        services_per_s: f64,
        servers: u64,
        arrival_squared_cv: f64,
        service_squared_cv: f64,
    ) -> Result<Self, QueueError> {
        positive("arrivals_per_s", arrivals_per_s)?;
        not_negative("arrival_squared_cv", arrival_squared_cv)?;
        not_negative("service_squared_cv", service_squared_cv)?;
        let markov_wait_s = Mmc::new(arrivals_per_s, services_per_s, servers)?.mean_wait_s();
        let servers = servers as f64;
        Ok(Self { arrivals_per_s, services_per_s, servers, arrival_squared_cv, service_squared_cv, markov_wait_s })
    }

    /// The queue with these laws, of which only mean and variance count.
    ///
    /// # Errors
    /// As [`Ggc::new`].
    ///
    /// ```
    /// use fluidsim::queueing::{Law, general::Ggc};
    /// // M/D/2 with 1.6 erlangs: half the wait of M/M/2, 16/9.
    /// let queue = Ggc::of(&Law::exponential(0.625)?, &Law::constant(1.0)?, 2)?;
    /// assert!((queue.allen_cunneen_wait_s() - 8.0 / 9.0).abs() < 1e-12);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn of(between: &Law, service: &Law, servers: u64) -> Result<Self, QueueError> {
        let (lambda, mu) = (1.0 / between.mean_s(), 1.0 / service.mean_s());
        Self::new(lambda, mu, servers, between.squared_cv(), service.squared_cv())
    }

    /// ρ = λ/(cμ), the share of time that a server works. Exact.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Ggc;
    /// assert_eq!(Ggc::new(3.0, 2.0, 3, 0.5, 4.0)?.utilization(), 0.5);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.arrivals_per_s / (self.servers * self.services_per_s)
    }

    /// An approximation: Allen and Cunneen's wait, C(c, a)/(cμ−λ)·(ca²+cs²)/2, seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Ggc;
    /// // M/M/5 with 4 erlangs waits 128/231; times (1 + 2)/2.
    /// assert!((Ggc::new(4.0, 1.0, 5, 1.0, 2.0)?.allen_cunneen_wait_s() - 64.0 / 77.0).abs() < 1e-12);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn allen_cunneen_wait_s(&self) -> f64 {
        0.5 * (self.arrival_squared_cv + self.service_squared_cv) * self.markov_wait_s
    }

    /// An approximation: Allen and Cunneen's wait times Krämer and Langenbach-Belz' g of one server with this ρ, seconds; see
    /// [`Gg1::klb_wait_s`](super::Gg1::klb_wait_s).
    ///
    /// ```
    /// # use fluidsim::queueing::general::Ggc;
    /// // With mpmath.
    /// assert!((Ggc::new(1.6, 1.0, 2, 0.0, 1.0)?.klb_wait_s() - 0.7524281999028).abs() < 1e-12);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn klb_wait_s(&self) -> f64 {
        let factor = klb_factor(self.utilization(), self.arrival_squared_cv, self.service_squared_cv);
        factor * self.allen_cunneen_wait_s()
    }

    /// An approximation: Kimura's wait, (ca²+cs²)/((1−ca²)/D + (1−cs²)/M₀ + 2(ca²+cs²−1)/M), seconds, with the wait M of M/M/c and Cosmetatos' of
    /// M/D/c, M₀ = M(1+γ)/2, and D/M/c, D = M/2·(1−4γ)exp(−2(1−ρ)/(3ρ)). None for ca² > 1, for which it is not meant.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Ggc;
    /// // With mpmath.
    /// assert!((Ggc::new(4.0, 1.0, 5, 0.5, 2.0)?.kimura_wait_s().unwrap() - 0.553393500617).abs() < 1e-12);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn kimura_wait_s(&self) -> Option<f64> {
        let ratio = kimura_ratio(self.utilization(), self.gamma(), self.arrival_squared_cv, self.service_squared_cv)?;
        Some(ratio * self.markov_wait_s)
    }

    /// An approximation: Whitt's wait, φ times Allen and Cunneen's, seconds. With φ₁ = 1+γ, φ₃ = (1−4γ)exp(−2(1−ρ)/(3ρ)),
    /// φ₄ = min(1, (φ₁+φ₃)/2) and Ψ = φ₄^{2−ca²−cs²}, or 1 where ca²+cs² ≥ 2, φ is (4(ca²−cs²)φ₁ + cs²Ψ)/(4ca²−3cs²) for ca² ≥ cs² and
    /// ((cs²−ca²)φ₃ + (cs²+3ca²)Ψ)/(2ca²+2cs²) beyond. Unlike the others not quite Pollaczek and Khinchine's for M/G/1 with cs² < 1.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Ggc;
    /// // With mpmath.
    /// assert!((Ggc::new(2.4, 1.0, 3, 4.0, 1.0)?.whitt_wait_s() - 2.757793403895).abs() < 1e-11);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn whitt_wait_s(&self) -> f64 {
        let (ca2, cs2, rho) = (self.arrival_squared_cv, self.service_squared_cv, self.utilization());
        if ca2 + cs2 == 0.0 {
            return 0.0;
        }
        let first = 1.0 + self.gamma();
        let third = (1.0 - 4.0 * self.gamma()) * (-2.0 * (1.0 - rho) / (3.0 * rho)).exp();
        let fourth = (0.5 * (first + third)).min(1.0);
        let even = fourth.powf((2.0 - ca2 - cs2).max(0.0));
        let factor = if ca2 >= cs2 {
            (4.0 * (ca2 - cs2) * first + cs2 * even) / (4.0 * ca2 - 3.0 * cs2)
        } else {
            ((cs2 - ca2) * third + (cs2 + 3.0 * ca2) * even) / (2.0 * (ca2 + cs2))
        };
        factor * self.allen_cunneen_wait_s()
    }

    /// A bound, not an approximation: dealing customers to the servers in turn makes them wait longer in the mean, and each server then has
    /// Kingman's bound, in all λ(σa²+σs²/c)/(2(1−ρ)) seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Ggc;
    /// // M/M/2 with 1 erlang: (1 + 1/2)/(2·.5), above its 1/3.
    /// assert!((Ggc::new(1.0, 1.0, 2, 1.0, 1.0)?.cyclic_bound_s() - 1.5).abs() < 1e-12);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn cyclic_bound_s(&self) -> f64 {
        let arrivals = self.arrival_squared_cv / self.arrivals_per_s;
        let service = self.utilization() * self.service_squared_cv / self.services_per_s;
        0.5 * (arrivals + service) / (1.0 - self.utilization())
    }

    /// Cosmetatos' γ.
    fn gamma(&self) -> f64 {
        let (c, rho) = (self.servers, self.utilization());
        ((1.0 - rho) * (c - 1.0) * ((4.0 + 5.0 * c).sqrt() - 2.0) / (16.0 * c * rho)).min(0.24)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::general::{Gg1, Gimc};
    use approx::assert_relative_eq;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha12Rng;

    #[test]
    fn the_table_is_met() {
        let table = [
            (2, 1.6, 1.0, 0.0, 0.888888888889),
            (5, 4.0, 1.0, 2.0, 0.831168831169),
            (20, 18.0, 1.0, 4.0, 0.68846125602),
        ];
        for (servers, load, ca2, cs2, wait) in table {
            let queue = Ggc::new(40.0 * load, 40.0, servers, ca2, cs2).unwrap();
            assert_relative_eq!(40.0 * queue.allen_cunneen_wait_s(), wait, max_relative = 1e-10);
        }
    }

    #[test]
    fn the_other_formulas() {
        // c, a, ca², cs², Krämer and Langenbach-Belz, Kimura, Whitt, each with mpmath.
        let table = [
            (1, 0.8, 0.5, 0.5, 1.918378914218, Some(1.833718067133), 1.846481724891),
            (2, 1.6, 0.0, 1.0, 0.7524281999028, Some(0.711475945766), 0.7588528922876),
            (2, 1.6, 0.5, 1.0, 1.296805969488, Some(1.18552291804), 1.23605784719),
            (5, 4.0, 0.5, 2.0, 0.6811923489674, Some(0.553393500617), 0.6309695690337),
            (20, 18.0, 0.0, 0.5, 0.05936624521158, Some(0.05105324662983), 0.05399625490021),
            (3, 2.4, 4.0, 1.0, 2.501780187852, None, 2.757793403895),
            (5, 4.0, 2.0, 0.25, 0.5831731854743, None, 0.6488449479444),
            (10, 8.0, 0.5, 0.5, 0.09812032167557, Some(0.07809492996569), 0.08526441594098),
            (4, 3.0, 1.0, 0.0, 0.2547169811321, Some(0.2662547827403), 0.2662547827403),
        ];
        for (servers, load, ca2, cs2, klb, kimura, whitt) in table {
            let queue = Ggc::new(load, 1.0, servers, ca2, cs2).unwrap();
            assert_relative_eq!(queue.klb_wait_s(), klb, max_relative = 1e-12);
            assert_relative_eq!(queue.whitt_wait_s(), whitt, max_relative = 1e-12);
            assert_eq!(queue.kimura_wait_s().is_some(), kimura.is_some());
            for (value, kimura) in queue.kimura_wait_s().into_iter().zip(kimura) {
                assert_relative_eq!(value, kimura, max_relative = 1e-12);
            }
        }
    }

    #[test]
    fn exponential_times_are_mmc_and_one_server_is_gg1() {
        let mut rng = ChaCha12Rng::seed_from_u64(7);
        for _ in 0..300 {
            let servers: u32 = rng.random_range(1..60);
            let load = f64::from(servers) * rng.random_range(0.05..0.999);
            let queue = Ggc::new(load, 1.0, u64::from(servers), 1.0, 1.0).unwrap();
            let exact = Mmc::new(load, 1.0, u64::from(servers)).unwrap().mean_wait_s();
            let found = [queue.allen_cunneen_wait_s(), queue.klb_wait_s(), queue.whitt_wait_s()];
            for value in found.into_iter().chain(queue.kimura_wait_s()) {
                assert_relative_eq!(value, exact, max_relative = 1e-12);
            }
            assert!(exact <= queue.cyclic_bound_s());

            let (rho, ca2, cs2) =
                (rng.random_range(0.05..0.99), rng.random_range(0.0..2.0), rng.random_range(0.0..4.0));
            let (many, one) = (Ggc::new(rho, 1.0, 1, ca2, cs2).unwrap(), Gg1::new(rho, 1.0, ca2, cs2).unwrap());
            assert_relative_eq!(many.allen_cunneen_wait_s(), one.kingman_wait_s(), max_relative = 1e-12);
            assert_relative_eq!(many.klb_wait_s(), one.klb_wait_s(), max_relative = 1e-12);
            assert_relative_eq!(many.cyclic_bound_s(), one.kingman_bound_s(), max_relative = 1e-12);
            let (many, one) = (many.kimura_wait_s(), one.kimura_wait_s());
            assert_eq!(many.is_some(), one.is_some());
            assert_relative_eq!(many.unwrap_or(0.0), one.unwrap_or(0.0), max_relative = 1e-12);
        }
    }

    /// What the module tells: percent by Allen and Cunneen, KLB, Kimura and Whitt, beside the exact wait of GI/M/c.
    #[test]
    fn the_errors_told_are_those_made() {
        let d = |mean| Law::constant(mean).unwrap();
        let e2 = |mean| Law::erlang(mean, 2).unwrap();
        let h2 = |mean| Law::hyperexponential_balanced(mean, 4.0).unwrap();
        let table: [(Law, u64, [f64; 4]); 7] = [
            (d(0.625), 2, [24.9993, 5.8097, 0.0508, 6.7131]),
            (d(1.0 / 9.0), 10, [23.6988, 14.8671, -0.492, 6.5895]),
            (e2(1.0), 2, [33.8525, 19.7765, -23.2887, 4.1348]),
            (e2(0.625), 2, [7.8681, 4.913, -4.0899, -0.0016]),
            (e2(1.0 / 9.0), 10, [7.9557, 6.6311, -3.7444, 0.7134]),
            (h2(0.625), 2, [-3.9067, -10.8501, f64::NAN, -2.6998]),
            (h2(1.0 / 9.0), 10, [-11.9718, -15.2117, f64::NAN, -9.2555]),
        ];
        for (between, servers, told) in table {
            let exact = Gimc::new(&between, 1.0, servers).unwrap().mean_wait_s();
            let queue = Ggc::of(&between, &Law::exponential(1.0).unwrap(), servers).unwrap();
            let kimura = queue.kimura_wait_s().unwrap_or(f64::NAN);
            let found = [queue.allen_cunneen_wait_s(), queue.klb_wait_s(), kimura, queue.whitt_wait_s()];
            let percent = found.map(|value| 100.0 * (value / exact - 1.0));
            for (found, told) in percent.into_iter().zip(told) {
                assert!(found.is_nan() && told.is_nan() || (found - told).abs() <= 1e-4, "{percent:?} {told}");
            }
            assert!(exact <= queue.cyclic_bound_s());
        }
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        assert_eq!(Ggc::new(4.0, 2.0, 2, 1.0, 1.0), Err(QueueError::Unstable { growth_per_s: 0.0 }));
        assert!(matches!(Ggc::new(1.0, 1.0, 0, 1.0, 1.0), Err(QueueError::Parameter { name: "servers", .. })));
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(Ggc::new(bad, 1.0, 2, 1.0, 1.0).is_err() && Ggc::new(0.5, bad, 2, 1.0, 1.0).is_err());
            assert!(Ggc::new(0.5, 1.0, 2, bad, 1.0).is_err() && Ggc::new(0.5, 1.0, 2, 1.0, bad).is_err());
        }
        assert_eq!(Ggc::new(1.0, 1.0, 2, 0.0, 0.0).unwrap().whitt_wait_s(), 0.0);
    }
}
