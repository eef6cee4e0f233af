//! G/G/1 by two moments: independent times between arrivals and of service, one server, first come, first served. **Approximations**
//! and bounds, no exact values: two moments do not fix the wait.
//!
//! With ρ = λ/μ and the squared coefficients of variation ca² of the times between arrivals and cs² of service:
//!
//! | method | Wq | reference |
//! |---|---|---|
//! | [`kingman_wait_s`](Gg1::kingman_wait_s) | K = ρ/(μ(1−ρ))·(ca²+cs²)/2 | Kingman 1961, Proc. Cambridge Phil. Soc. 57:902–904 |
//! | [`klb_wait_s`](Gg1::klb_wait_s) | K·g | Krämer and Langenbach-Belz 1976, Proc. 8th Int. Teletraffic Congress, 235:1–8 |
//! | [`marchal_wait_s`](Gg1::marchal_wait_s) | U·ρ²(1+cs²)/(1+ρ²cs²) | Marchal 1976, AIIE Transactions 8:473–474 |
//! | [`kimura_wait_s`](Gg1::kimura_wait_s) | a harmonic mean, see there | Kimura 1986, Management Science 32:751–763 |
//! | [`kingman_bound_s`](Gg1::kingman_bound_s) | ≤ U = λ(σa²+σs²)/(2(1−ρ)) | Kingman 1962, Biometrika 49:315–324 |
//! | [`daley_bound_s`](Gg1::daley_bound_s) | ≤ ((2−ρ)ca²+ρcs²)/(2μ(1−ρ)) | Daley 1977, Z. Wahrscheinlichkeitstheorie 41:139–143 |
//! | [`lower_bound_s`](Gg1::lower_bound_s) | ≥ (ρ(1+cs²)−1)⁺/(2μ(1−ρ)) | Stoyan and Stoyan 1974, Engineering Cybernetics 12(6):79–81 |
//!
//! Kingman's (which for one server is Allen and Cunneen's), Krämer and Langenbach-Belz', Marchal's and Kimura's give Pollaczek and Khinchine's wait
//! exactly where arrivals are Poisson, and become exact as ρ → 1. What they err, in percent of the exact wait; H2 has balanced means and
//! cv² = 4:
//!
//! | queue | ρ | exact μWq | Kingman | KLB | Marchal | Kimura |
//! |---|---|---|---|---|---|---|
//! | D/M/1 | .5 | 0.2550 | +96.1 | +0.7 | −21.6 | +0.7 |
//! | D/M/1 | .8 | 1.6927 | +18.2 | +0.01 | −7.8 | +0.01 |
//! | E2/M/1 | .5 | 0.6180 | +21.4 | +8.6 | −2.9 | −17.7 |
//! | E2/M/1 | .8 | 2.8440 | +5.5 | +2.6 | −2.2 | −3.3 |
//! | E2/M/1 | .9 | 6.5883 | +2.5 | +1.2 | −1.1 | −1.3 |
//! | H2/M/1 | .8 | 9.8192 | +1.8 | −5.5 | +15.2 | |
//! | H2/M/1 | .9 | 22.409 | +0.4 | −3.3 | +6.7 | |
//! | E2/E2/1 | .5 | 0.3904 | +28.1 | +8.4 | +6.7 | −13.1 |
//! | H2/E2/1 | .5 | 1.7638 | +27.6 | −0.7 | +55.9 | |
//! | H2/E2/1 | .8 | 8.6601 | +3.9 | −6.0 | +13.4 | |
//! | E2/H2/1 | .8 | 8.8259 | +2.0 | +1.0 | −2.6 | −6.5 |
//! | H2/H2/1 | .8 | 16.153 | −0.9 | −3.9 | +14.1 | |
//!
//! Under ca² = 1 Krämer and Langenbach-Belz' is the safest of the four, above it Kingman's from ρ = .8 on.

use crate::queueing::Law;
use crate::queueing::error::{QueueError, not_negative, positive};

/// A stable G/G/1 queue by two moments. **Every wait is an approximation or a bound.**
///
/// ```
/// use fluidsim::queueing::general::Gg1;
/// // ρ = .8, ca² = cs² = ½, as E2/E2/1 has: the formulas with mpmath.
/// let queue = Gg1::new(0.8, 1.0, 0.5, 0.5)?;
/// assert!((queue.kingman_wait_s() - 2.0).abs() < 1e-12);
/// assert!((queue.klb_wait_s() - 1.91837891422).abs() < 1e-10);
/// assert!((queue.kingman_bound_s() - 2.5625).abs() < 1e-12);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gg1 {
    arrivals_per_s: f64,
    services_per_s: f64,
    arrival_squared_cv: f64,
    service_squared_cv: f64,
}

impl Gg1 {
    /// The queue with arrival rate λ and service rate μ per second, ca² of the times between arrivals and cs² of service.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − μ when λ ≥ μ; [`QueueError::Parameter`] for a value out of range, such as the infinite
    /// variance of a Pareto law.
    ///
    /// ```
    /// use fluidsim::queueing::{QueueError, general::Gg1};
    /// assert_eq!(Gg1::new(3.0, 2.0, 1.0, 1.0), Err(QueueError::Unstable { growth_per_s: 1.0 }));
    /// ```
    pub fn new(
        arrivals_per_s: f64,
        services_per_s: f64,
        arrival_squared_cv: f64,
        service_squared_cv: f64,
    ) -> Result<Self, QueueError> {
        positive("arrivals_per_s", arrivals_per_s)?;
        positive("services_per_s", services_per_s)?;
        not_negative("arrival_squared_cv", arrival_squared_cv)?;
        not_negative("service_squared_cv", service_squared_cv)?;
        if arrivals_per_s >= services_per_s {
            return Err(QueueError::Unstable { growth_per_s: arrivals_per_s - services_per_s });
        }
        Ok(Self { arrivals_per_s, services_per_s, arrival_squared_cv, service_squared_cv })
    }

    /// The queue with these laws, of which only mean and variance count.
    ///
    /// # Errors
    /// As [`Gg1::new`].
    ///
    /// ```
    /// use fluidsim::queueing::{Law, general::Gg1};
    /// // D/M/1 with ρ = .8: Kingman's bound is λ(0 + 1)/(2(1 − ρ)) = 2.
    /// let queue = Gg1::of(&Law::constant(1.25)?, &Law::exponential(1.0)?)?;
    /// assert!((queue.kingman_bound_s() - 2.0).abs() < 1e-12);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn of(between: &Law, service: &Law) -> Result<Self, QueueError> {
        Self::new(1.0 / between.mean_s(), 1.0 / service.mean_s(), between.squared_cv(), service.squared_cv())
    }

    /// ρ = λ/μ, the share of time the server works. Exact.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Gg1;
    /// assert_eq!(Gg1::new(1.0, 2.0, 0.5, 4.0)?.utilization(), 0.5);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.arrivals_per_s / self.services_per_s
    }

    /// An approximation: Kingman's wait in heavy traffic, ρ/(μ(1−ρ))·(ca²+cs²)/2, seconds. Not a bound.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Gg1;
    /// // .9/.1·(2 + 2)/2 = 18.
    /// assert!((Gg1::new(0.9, 1.0, 2.0, 2.0)?.kingman_wait_s() - 18.0).abs() < 1e-12);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn kingman_wait_s(&self) -> f64 {
        0.5 * (self.arrival_squared_cv + self.service_squared_cv) * self.markov_wait_s()
    }

    /// An approximation: Krämer and Langenbach-Belz' wait, Kingman's times g = exp(−2(1−ρ)(1−ca²)²/(3ρ(ca²+cs²))) for ca² ≤ 1 and
    /// exp(−(1−ρ)(ca²−1)/(ca²+4cs²)) beyond, seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Gg1;
    /// // With mpmath.
    /// assert!((Gg1::new(0.9, 1.0, 2.0, 2.0)?.klb_wait_s() - 17.8208970075).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn klb_wait_s(&self) -> f64 {
        let factor = klb_factor(self.utilization(), self.arrival_squared_cv, self.service_squared_cv);
        factor * self.kingman_wait_s()
    }

    /// An approximation: Marchal's wait, Kingman's bound times ρ²(1+cs²)/(1+ρ²cs²), which makes it exact for Poisson arrivals, seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Gg1;
    /// // 2.5625·.64·1.5/1.32 = 41/22.
    /// assert!((Gg1::new(0.8, 1.0, 0.5, 0.5)?.marchal_wait_s() - 41.0 / 22.0).abs() < 1e-12);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn marchal_wait_s(&self) -> f64 {
        let (square, cs2) = (self.utilization().powi(2), self.service_squared_cv);
        self.kingman_bound_s() * square * (1.0 + cs2) / (1.0 + square * cs2)
    }

    /// An approximation: Kimura's wait, (ca²+cs²)/((1−ca²)/D + (1−cs²)/M₀ + 2(ca²+cs²−1)/M₁), seconds, with the waits M₁ of M/M/1, M₀ = M₁/2 of
    /// M/D/1, and D of D/M/1, itself by Krämer and Langenbach-Belz' formula M₁/2·exp(−2(1−ρ)/(3ρ)). None for ca² > 1, for which it is not meant.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Gg1;
    /// // With mpmath.
    /// assert!((Gg1::new(0.8, 1.0, 0.5, 0.5)?.kimura_wait_s().unwrap() - 1.833718067133).abs() < 1e-11);
    /// assert_eq!(Gg1::new(0.8, 1.0, 2.0, 0.5)?.kimura_wait_s(), None);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn kimura_wait_s(&self) -> Option<f64> {
        let ratio = kimura_ratio(self.utilization(), 0.0, self.arrival_squared_cv, self.service_squared_cv)?;
        Some(ratio * self.markov_wait_s())
    }

    /// A bound, not an approximation: Kingman's, no G/G/1 with these variances has a longer mean wait than λ(σa²+σs²)/(2(1−ρ)) seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Gg1;
    /// // .9(2/.81 + 2)/(2·.1) = 20.1111….
    /// assert!((Gg1::new(0.9, 1.0, 2.0, 2.0)?.kingman_bound_s() - 181.0 / 9.0).abs() < 1e-11);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn kingman_bound_s(&self) -> f64 {
        let rho = self.utilization();
        (self.arrival_squared_cv / rho + rho * self.service_squared_cv) / (2.0 * self.services_per_s * (1.0 - rho))
    }

    /// A bound, not an approximation: Daley's, ((2−ρ)ca²+ρcs²)/(2μ(1−ρ)) seconds, never above Kingman's.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Gg1;
    /// // (1.1·2 + .9·2)/(2·.1) = 20.
    /// assert!((Gg1::new(0.9, 1.0, 2.0, 2.0)?.daley_bound_s() - 20.0).abs() < 1e-11);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn daley_bound_s(&self) -> f64 {
        let rho = self.utilization();
        let spread = (2.0 - rho) * self.arrival_squared_cv + rho * self.service_squared_cv;
        spread / (2.0 * self.services_per_s * (1.0 - rho))
    }

    /// A bound, not an approximation: no G/G/1 with this variance of service has a shorter mean wait than (ρ(1+cs²)−1)⁺/(2μ(1−ρ)) seconds,
    /// which constant times between arrivals and services that are whole multiples of them attain.
    ///
    /// ```
    /// # use fluidsim::queueing::general::Gg1;
    /// // (.9·5 − 1)/(2·.1) = 17.5.
    /// assert!((Gg1::new(0.9, 1.0, 0.0, 4.0)?.lower_bound_s() - 17.5).abs() < 1e-11);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn lower_bound_s(&self) -> f64 {
        let rho = self.utilization();
        (rho * (1.0 + self.service_squared_cv) - 1.0).max(0.0) / (2.0 * self.services_per_s * (1.0 - rho))
    }

    /// The wait of M/M/1.
    fn markov_wait_s(&self) -> f64 {
        self.utilization() / (self.services_per_s - self.arrivals_per_s)
    }
}

/// g of Krämer and Langenbach-Belz.
pub(super) fn klb_factor(rho: f64, ca2: f64, cs2: f64) -> f64 {
    let exponent = match ca2 {
        1.0 => 0.0,
        ca2 if ca2 < 1.0 => 2.0 * (1.0 - rho) * (1.0 - ca2).powi(2) / (3.0 * rho * (ca2 + cs2)),
        ca2 => (1.0 - rho) * (ca2 - 1.0) / (ca2 + 4.0 * cs2),
    };
    (-exponent).exp()
}

/// Kimura's wait over that of M/M/c; `gamma` is Cosmetatos' measure of how several servers differ from one. None for ca² > 1.
pub(super) fn kimura_ratio(rho: f64, gamma: f64, ca2: f64, cs2: f64) -> Option<f64> {
    if ca2 > 1.0 {
        return None;
    }
    let constant_arrivals = 0.5 * (1.0 - 4.0 * gamma) * (-2.0 * (1.0 - rho) / (3.0 * rho)).exp();
    // At ca² = 1 D/M/c has no weight, even where its wait is nothing.
    let first = if ca2 == 1.0 { 0.0 } else { (1.0 - ca2) / constant_arrivals };
    Some((ca2 + cs2) / (first + (1.0 - cs2) / (0.5 * (1.0 + gamma)) + 2.0 * (ca2 + cs2 - 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::general::Mg1;
    use approx::assert_relative_eq;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha12Rng;

    #[test]
    fn the_table_is_met() {
        // μ = 1: ρ, ca², cs², Kingman, Krämer and Langenbach-Belz, Kingman's bound, then Marchal's, Daley's bound, the lower; mpmath.
        let table = [
            [0.5, 0.5, 1.0, 0.75, 0.671129487611, 1.5, 0.6, 1.25, 0.0],
            [0.8, 0.5, 0.5, 2.0, 1.91837891422, 2.5625, 1.863636363636, 2.5, 0.5],
            [0.8, 0.0, 1.0, 2.0, 1.69296344978, 2.0, 1.560975609756, 2.0, 1.5],
            [0.9, 2.0, 2.0, 18.0, 17.8208970075, 20.1111111111, 18.65267175573, 20.0, 8.5],
            [0.9, 0.0, 4.0, 18.0, 17.6697341223, 18.0, 17.19339622642, 18.0, 17.5],
        ];
        for [rho, ca2, cs2, expected @ ..] in table {
            // Any unit of time.
            for mu in [1.0, 40.0] {
                let queue = Gg1::new(rho * mu, mu, ca2, cs2).unwrap();
                let found = [
                    queue.kingman_wait_s(),
                    queue.klb_wait_s(),
                    queue.kingman_bound_s(),
                    queue.marchal_wait_s(),
                    queue.daley_bound_s(),
                    queue.lower_bound_s(),
                ];
                for (value, expected) in found.into_iter().zip(expected) {
                    assert_relative_eq!(mu * value, expected, max_relative = 1e-10);
                }
            }
        }
    }

    /// ρ, ca², cs², μWq: D/M/1, E2/M/1, H2/M/1 by the root, the others by a quasi-birth–death process, H2 with balanced means.
    const EXACT: [[f64; 4]; 16] = [
        [0.5, 0.0, 1.0, 0.255000974916],
        [0.8, 0.0, 1.0, 1.69273083992],
        [0.5, 0.5, 1.0, 0.61803398875],
        [0.8, 0.5, 1.0, 2.84397976699],
        [0.9, 0.5, 1.0, 6.58828362869],
        [0.8, 4.0, 1.0, 9.81919277198],
        [0.9, 4.0, 1.0, 22.4088575673],
        [0.5, 0.5, 0.5, 0.390388203202],
        [0.9, 0.5, 0.5, 4.35904782172],
        [0.5, 4.0, 0.5, 1.76379621873],
        [0.8, 4.0, 0.5, 8.66013397401],
        [0.5, 0.5, 4.0, 2.09365610607],
        [0.8, 0.5, 4.0, 8.82589518167],
        [0.9, 0.5, 4.0, 20.0716733291],
        [0.8, 4.0, 4.0, 16.152571438],
        [0.9, 4.0, 4.0, 36.1999587214],
    ];

    #[test]
    fn the_errors_told_are_those_made() {
        // Percent: Kingman, KLB, Marchal, Kimura, worked out with mpmath.
        let told = [
            [96.08, 0.6696, -21.57, 0.6696],
            [18.15, 0.01374, -7.784, 0.01374],
            [21.35, 8.591, -2.918, -17.66],
            [5.486, 2.596, -2.233, -3.284],
            [2.455, 1.198, -1.13, -1.338],
            [1.841, -5.517, 15.25, f64::NAN],
            [0.4067, -3.289, 6.731, f64::NAN],
            [28.08, 8.415, 6.731, -13.1],
            [3.234, 1.339, -0.2565, -0.5882],
            [27.57, -0.6517, 55.91, f64::NAN],
            [3.924, -5.965, 13.37, f64::NAN],
            [7.468, 3.56, -10.44, -27.08],
            [1.973, 1.033, -2.61, -6.505],
            [0.8884, 0.4741, -1.121, -2.846],
            [-0.9446, -3.872, 14.08, f64::NAN],
            [-0.5524, -2.033, 6.132, f64::NAN],
        ];
        for ([rho, ca2, cs2, exact], told) in EXACT.into_iter().zip(told) {
            let queue = Gg1::new(rho, 1.0, ca2, cs2).unwrap();
            let found = [Some(queue.kingman_wait_s()), Some(queue.klb_wait_s()), Some(queue.marchal_wait_s())];
            for (value, told) in found.into_iter().chain([queue.kimura_wait_s()]).zip(told) {
                assert_eq!(value.is_none(), told.is_nan());
                let percent = value.map_or(0.0, |value| 100.0 * (value / exact - 1.0));
                assert!(told.is_nan() || (percent - told).abs() <= 1e-3 * told.abs(), "{percent} {told}");
            }
        }
    }

    #[test]
    fn the_bounds_hold() {
        for [rho, ca2, cs2, exact] in EXACT {
            let queue = Gg1::new(rho, 1.0, ca2, cs2).unwrap();
            assert!(queue.lower_bound_s() <= exact && exact <= queue.daley_bound_s());
            assert!(queue.daley_bound_s() <= queue.kingman_bound_s() * (1.0 + 1e-15));
        }
        // D/G/1 with a service of two intervals or none at all, ρ = .8: the walk up one or down one with 2/5 and 3/5 has mean
        // Σ (2/3)ⁿ = 2, the wait two intervals of 1; and cs² = 4·.4/.64 − 1.
        let queue = Gg1::new(1.0, 1.25, 0.0, 1.5).unwrap();
        assert_relative_eq!(queue.lower_bound_s(), 2.0, max_relative = 1e-12);
    }

    #[test]
    fn poisson_arrivals_are_pollaczek_and_khinchine() {
        let mut rng = ChaCha12Rng::seed_from_u64(5);
        for _ in 0..500 {
            let (rho, cs2) = (rng.random_range(0.001..0.999), rng.random_range(0.0..10.0));
            let queue = Gg1::new(rho, 1.0, 1.0, cs2).unwrap();
            let exact = Mg1::from_variance(rho, 1.0, cs2).unwrap().mean_wait_s();
            let found = [queue.kingman_wait_s(), queue.klb_wait_s(), queue.marchal_wait_s()];
            for value in found.into_iter().chain(queue.kimura_wait_s()) {
                assert_relative_eq!(value, exact, max_relative = 1e-12);
            }
            assert!(queue.lower_bound_s() <= exact && exact <= queue.daley_bound_s());
        }
    }

    #[test]
    fn they_rise_with_the_load_and_agree_near_saturation() {
        let mut rng = ChaCha12Rng::seed_from_u64(6);
        for _ in 0..300 {
            let (ca2, cs2) = (rng.random_range(0.0..1.0), rng.random_range(0.0..5.0));
            let waits = |rho| {
                let queue = Gg1::new(rho, 1.0, ca2, cs2).unwrap();
                let kimura = queue.kimura_wait_s().unwrap();
                [queue.kingman_wait_s(), queue.klb_wait_s(), queue.marchal_wait_s(), kimura]
            };
            let rho = rng.random_range(0.05..0.95);
            for (less, more) in waits(rho).into_iter().zip(waits(rho + 0.04)) {
                assert!(0.0 <= less && less < more, "{less} {more}");
            }
            let [kingman, others @ ..] = waits(1.0 - 1e-8);
            for other in others {
                assert_relative_eq!(other, kingman, max_relative = 1e-6);
            }
        }
    }

    #[test]
    fn without_variance_nobody_waits() {
        let queue = Gg1::new(0.5, 1.0, 0.0, 0.0).unwrap();
        let waits =
            [queue.kingman_wait_s(), queue.klb_wait_s(), queue.marchal_wait_s(), queue.kimura_wait_s().unwrap()];
        assert_eq!(waits, [0.0; 4]);
        // Hardly any load either.
        let queue = Gg1::new(1e-9, 1.0, 1.0, 3.0).unwrap();
        assert_relative_eq!(queue.kimura_wait_s().unwrap(), 2e-9, max_relative = 1e-8);
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        assert_eq!(Gg1::new(3.0, 2.0, 1.0, 1.0), Err(QueueError::Unstable { growth_per_s: 1.0 }));
        assert_eq!(Gg1::new(2.0, 2.0, 1.0, 1.0), Err(QueueError::Unstable { growth_per_s: 0.0 }));
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(Gg1::new(bad, 1.0, 1.0, 1.0).is_err() && Gg1::new(0.5, bad, 1.0, 1.0).is_err());
            assert!(Gg1::new(0.5, 1.0, bad, 1.0).is_err() && Gg1::new(0.5, 1.0, 1.0, bad).is_err());
        }
        assert!(matches!(Gg1::new(0.0, 1.0, 1.0, 1.0), Err(QueueError::Parameter { name: "arrivals_per_s", .. })));
        let heavy = Law::pareto(1.0, 1.5).unwrap();
        let error = Gg1::of(&Law::exponential(2.0).unwrap(), &heavy);
        assert!(matches!(error, Err(QueueError::Parameter { name: "service_squared_cv", .. })));
    }
}
