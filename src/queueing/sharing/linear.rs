//! Processor sharing whose step slows linearly: with n present each gains one unit of work per d0 + d1·n seconds.
//!
//! Poisson arrivals at rate λ, sizes of any law with mean m: π_n ∝ ρⁿ Π_{k≤n} (k + d0/d1)/k with ρ = λm·d1, the negative
//! binomial law with r = 1 + d0/d1: E N = rρ/(1 − ρ), Var N = rρ/(1 − ρ)². Insensitive to all of the size's law but its
//! mean, and E\[T | x\] = x E N/(λm) is proportional to the size. Cohen (1979), The multiple phase service network with
//! generalized processor sharing, Acta Informatica 12:245–284; Kelly (1979), *Reversibility and Stochastic Networks*,
//! §3.3. With d0 = 0 it is M/G/1 processor sharing.

use statrs::function::beta::beta_reg;
use statrs::function::gamma::ln_gamma;

use crate::queueing::error::{QueueError, not_negative, positive};

/// A stable shared processor whose step is d0 + d1·n.
///
/// λ = 1.6, mean work 50, d0 = 1 s, d1 = .01 s:
/// ```
/// # fn main() -> Result<(), fluidsim::queueing::QueueError> {
/// use fluidsim::queueing::sharing::LinearSharing;
/// let shared = LinearSharing::new(1.6, 50.0, 1.0, 0.01)?;
/// assert!((shared.mean_in_system() - 404.0).abs() < 1e-10);
/// assert!((shared.variance_in_system() - 2020.0).abs() < 1e-9);
/// assert!((shared.mean_sojourn_s() - 252.5).abs() < 1e-10);
/// assert!((shared.mean_pace_s() - 5.05).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearSharing {
    arrivals_per_s: f64,
    mean_work: f64,
    base_s: f64,
    slope_s: f64,
}

impl LinearSharing {
    /// Arrival rate λ, mean work m in units, and seconds per unit d0 + d1·n, `base_s` d0 and `slope_s` d1 > 0.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − 1/(m·d1) when λm·d1 ≥ 1; [`QueueError::Parameter`] for a value out of range.
    pub fn new(arrivals_per_s: f64, mean_work: f64, base_s: f64, slope_s: f64) -> Result<Self, QueueError> {
        not_negative("arrivals_per_s", arrivals_per_s)?;
        positive("mean_work", mean_work)?;
        not_negative("base_s", base_s)?;
        positive("slope_s", slope_s)?;
        if arrivals_per_s * mean_work * slope_s >= 1.0 {
            return Err(QueueError::Unstable { growth_per_s: arrivals_per_s - 1.0 / (mean_work * slope_s) });
        }
        Ok(Self { arrivals_per_s, mean_work, base_s, slope_s })
    }

    /// ρ = λm·d1, the share of the capacity 1/(m·d1).
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::LinearSharing;
    /// let shared = LinearSharing::new(1.6, 50.0, 1.0, 0.01)?;
    /// // 1.6·50·.01.
    /// assert!((shared.load() - 0.8).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn load(&self) -> f64 {
        self.arrivals_per_s * self.mean_work * self.slope_s
    }

    /// λ* = 1/(m·d1), the largest rate that can be served, per second.
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::LinearSharing;
    /// let shared = LinearSharing::new(1.6, 50.0, 1.0, 0.01)?;
    /// // 1/(50·.01).
    /// assert!((shared.capacity_per_s() - 2.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn capacity_per_s(&self) -> f64 {
        1.0 / (self.mean_work * self.slope_s)
    }

    /// 1 − π_0 = 1 − (1 − ρ)^r, the share of time with somebody present.
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::LinearSharing;
    /// let shared = LinearSharing::new(0.8, 1.0, 0.0, 1.0)?;
    /// // λm·d1.
    /// assert!((shared.utilization() - 0.8).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        -(self.shape() * (-self.load()).ln_1p()).exp_m1()
    }

    /// π_n = Γ(n + r)/(n! Γ(r)) ρⁿ (1 − ρ)^r.
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::LinearSharing;
    /// let shared = LinearSharing::new(0.8, 1.0, 0.0, 1.0)?;
    /// // d0 = 0 is M/G/1 sharing: (1 − ρ)ρ².
    /// assert!((shared.probability(2) - 0.128).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn probability(&self, present: u64) -> f64 {
        let (n, r, load) = (present as f64, self.shape(), self.load());
        let idle = r * (-load).ln_1p();
        if present == 0 {
            return idle.exp();
        }
        (ln_gamma(n + r) - ln_gamma(n + 1.0) - ln_gamma(r) + n * load.ln() + idle).exp()
    }

    /// P(N ≤ n), the regularised incomplete beta function I_{1−ρ}(r, n + 1).
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::LinearSharing;
    /// let shared = LinearSharing::new(0.8, 1.0, 0.0, 1.0)?;
    /// // d0 = 0 is M/G/1 sharing: 1 − ρ³.
    /// assert!((shared.cdf(2) - 0.488).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn cdf(&self, present: u64) -> f64 {
        beta_reg(self.shape(), present as f64 + 1.0, 1.0 - self.load())
    }

    /// L = E N = rρ/(1 − ρ), mean number in system.
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::LinearSharing;
    /// let shared = LinearSharing::new(1.6, 50.0, 1.0, 0.01)?;
    /// // Negative binomial: (1 + 1/.01)·.8/.2.
    /// assert!((shared.mean_in_system() - 404.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        self.arrivals_per_s * self.mean_sojourn_s()
    }

    /// Var N = rρ/(1 − ρ)².
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::LinearSharing;
    /// let shared = LinearSharing::new(1.6, 50.0, 1.0, 0.01)?;
    /// // Negative binomial: the mean over 1 − .8.
    /// assert!((shared.variance_in_system() - 2020.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn variance_in_system(&self) -> f64 {
        self.mean_in_system() / (1.0 - self.load())
    }

    /// E\[T | x\]/x = (d0 + d1)/(1 − ρ), mean seconds per unit of one's work.
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::LinearSharing;
    /// let shared = LinearSharing::new(1.6, 50.0, 1.0, 0.01)?;
    /// // 252.5 s over 50.
    /// assert!((shared.mean_pace_s() - 5.05).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_pace_s(&self) -> f64 {
        (self.base_s + self.slope_s) / (1.0 - self.load())
    }

    /// E\[T | x\] = x(d0 + d1)/(1 − ρ), mean time in system of a customer with `work` x, in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::LinearSharing;
    /// let shared = LinearSharing::new(1.6, 50.0, 1.0, 0.01)?;
    /// // Twice the mean work, twice 252.5.
    /// assert!((shared.mean_sojourn_of_s(100.0) - 505.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_of_s(&self, work: f64) -> f64 {
        work * self.mean_pace_s()
    }

    /// W = m(d0 + d1)/(1 − ρ), mean time in system in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::sharing::LinearSharing;
    /// let shared = LinearSharing::new(1.6, 50.0, 1.0, 0.01)?;
    /// // 404/1.6.
    /// assert!((shared.mean_sojourn_s() - 252.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        self.mean_sojourn_of_s(self.mean_work)
    }

    /// r = 1 + d0/d1.
    fn shape(&self) -> f64 {
        1.0 + self.base_s / self.slope_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::sharing::StateDependent;
    use approx::assert_relative_eq;

    /// λ, m, d0, d1, ρ, E N, Var N, W, seconds per unit.
    #[rustfmt::skip]
    const TABLE: [[f64; 9]; 4] = [
        [1.0, 50.0, 1.0, 0.01, 0.5, 101.0, 202.0, 101.0, 2.02],
        [1.6, 50.0, 1.0, 0.01, 0.8, 404.0, 2020.0, 252.5, 5.05],
        [2.0, 100.0, 0.01, 0.0005, 0.1, 2.33333333333, 2.59259259259, 1.16666666667, 0.0116666666667],
        [18.0, 100.0, 0.01, 0.0005, 0.9, 189.0, 1890.0, 10.5, 0.105],
    ];

    #[test]
    fn the_table_is_met() {
        for row in TABLE {
            let shared = LinearSharing::new(row[0], row[1], row[2], row[3]).unwrap();
            let found = [
                shared.load(),
                shared.mean_in_system(),
                shared.variance_in_system(),
                shared.mean_sojourn_s(),
                shared.mean_pace_s(),
            ];
            for (value, expected) in found.into_iter().zip(&row[4..]) {
                assert_relative_eq!(value, *expected, max_relative = 1e-11);
            }
        }
    }

    #[test]
    fn a_cap_far_above_the_number_present_changes_nothing() {
        for row in TABLE {
            let closed = LinearSharing::new(row[0], row[1], row[2], row[3]).unwrap();
            let chain = StateDependent::new(row[0], row[1], 5000, |n| row[2] + row[3] * n as f64).unwrap();
            assert_relative_eq!(chain.mean_in_system(), closed.mean_in_system(), max_relative = 1e-11);
            assert_relative_eq!(chain.variance_in_system(), closed.variance_in_system(), max_relative = 1e-10);
            for n in [0, 1, 30, 200] {
                assert_relative_eq!(chain.probability(n), closed.probability(n as u64), max_relative = 1e-9);
            }
            let sum: f64 = (0..=150).map(|n| closed.probability(n)).sum();
            assert_relative_eq!(closed.cdf(150), sum, max_relative = 1e-9);
        }
    }

    #[test]
    fn without_a_base_it_is_processor_sharing() {
        let shared = LinearSharing::new(0.8, 1.0, 0.0, 1.0).unwrap();
        assert_relative_eq!(shared.mean_in_system(), 4.0, max_relative = 1e-14);
        assert_relative_eq!(shared.utilization(), 0.8, max_relative = 1e-14);
        assert_relative_eq!(shared.mean_sojourn_of_s(3.0), 15.0, max_relative = 1e-14);
        assert_relative_eq!(shared.capacity_per_s(), 1.0);
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        assert_eq!(LinearSharing::new(3.0, 1.0, 0.1, 0.5), Err(QueueError::Unstable { growth_per_s: 1.0 }));
        assert!(LinearSharing::new(3.0, 1.0, 0.1, 0.0).is_err());
        assert!(LinearSharing::new(f64::NAN, 1.0, 0.1, 0.1).is_err());
    }
}
