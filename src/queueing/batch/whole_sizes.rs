//! Whole-numbered sizes: a continuous law rounded up and cut at a cap, n = min(⌈N⌉, n_max), and the largest of b of them.
//!
//! P(n > k) = P(N > k) for k < n_max, so that E\[n\] = Σ_k P(n > k), E\[n²\] = Σ_k (2k + 1)P(n > k), and for the largest of b
//! independent ones P(max > k) = 1 − (1 − P(n > k))^b. All sums are finite and exact. The law of batches that wait for
//! their longest member: Yang, Jiao and Xu (2024), A queueing theoretic perspective on low-latency LLM inference with
//! variable token length (preprint).

use crate::queueing::Law;
use crate::queueing::error::{QueueError, positive};

/// A law on 0, 1, …, n_max.
///
/// Lognormal with ln N ~ N(7, .7²), cut at 800:
/// ```
/// # fn main() -> Result<(), fluidsim::queueing::QueueError> {
/// use fluidsim::queueing::{Law, batch::WholeSizes, general::Mg1};
/// let law = Law::lognormal((7.0f64 + 0.245).exp(), 0.49f64.exp() - 1.0)?;
/// let sizes = WholeSizes::rounded_up(&law, 800)?;
/// assert!((sizes.mean() - 714.314841425).abs() < 1e-7);
/// assert!((sizes.second_moment() - 534347.227282).abs() < 1e-4);
/// // Served one by one at .0225 s per unit, an arrival each 40 s.
/// let queue = Mg1::new(1.0 / 40.0, 0.0225 * sizes.mean(), 0.0225f64.powi(2) * sizes.second_moment())?;
/// assert!((queue.mean_wait_s() - 5.65267119468).abs() < 1e-9);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct WholeSizes {
    /// P(n > k), k = 0 … n_max − 1.
    above: Vec<f64>,
}

impl WholeSizes {
    /// min(⌈N⌉, n_max) of N with `law` and n_max `most`.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a cap of 0.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, batch::WholeSizes};
    /// let dice = WholeSizes::rounded_up(&Law::uniform(0.0, 6.0)?, 6)?;
    /// // A die.
    /// assert!((dice.mean() - 3.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn rounded_up(law: &Law, most: u32) -> Result<Self, QueueError> {
        positive("most", f64::from(most))?;
        Ok(Self { above: (0..most).map(|k| law.survival(f64::from(k))).collect() })
    }

    /// P(n > k).
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, batch::WholeSizes};
    /// let dice = WholeSizes::rounded_up(&Law::uniform(0.0, 6.0)?, 6)?;
    /// // A die shows 3 … 6.
    /// assert!((dice.survival(2) - 4.0 / 6.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn survival(&self, k: usize) -> f64 {
        self.above.get(k).copied().unwrap_or(0.0)
    }

    /// E\[n\].
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, batch::WholeSizes};
    /// let dice = WholeSizes::rounded_up(&Law::uniform(0.0, 6.0)?, 6)?;
    /// // A die.
    /// assert!((dice.mean() - 3.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean(&self) -> f64 {
        self.above.iter().sum()
    }

    /// E\[n²\].
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, batch::WholeSizes};
    /// let dice = WholeSizes::rounded_up(&Law::uniform(0.0, 6.0)?, 6)?;
    /// // A die: (1 + 4 + … + 36)/6.
    /// assert!((dice.second_moment() - 91.0 / 6.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn second_moment(&self) -> f64 {
        weighted(self.above.iter().copied())
    }

    /// E\[max of b\] of `batch` b independent sizes.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, batch::WholeSizes};
    /// let dice = WholeSizes::rounded_up(&Law::uniform(0.0, 6.0)?, 6)?;
    /// // Two dice: Σ n(2n − 1)/36.
    /// assert!((dice.mean_of_largest(2) - 161.0 / 36.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_of_largest(&self, batch: u32) -> f64 {
        self.largest_above(batch).sum()
    }

    /// E\[(max of b)²\].
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, batch::WholeSizes};
    /// let dice = WholeSizes::rounded_up(&Law::uniform(0.0, 6.0)?, 6)?;
    /// // Two dice: Σ n²(2n − 1)/36.
    /// assert!((dice.second_moment_of_largest(2) - 791.0 / 36.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn second_moment_of_largest(&self, batch: u32) -> f64 {
        weighted(self.largest_above(batch))
    }

    /// 1 − E\[n\]/E\[max of b\], the share of a batch padded to its longest member that is padding.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, batch::WholeSizes};
    /// let dice = WholeSizes::rounded_up(&Law::uniform(0.0, 6.0)?, 6)?;
    /// // Two dice: 1 − 3.5/(161/36).
    /// assert!((dice.padding(2) - (1.0 - 126.0 / 161.0)).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn padding(&self, batch: u32) -> f64 {
        1.0 - self.mean() / self.mean_of_largest(batch)
    }

    /// (n, P(max of b = n)) for n = 1 … n_max.
    pub(super) fn law_of_largest(&self, batch: u32) -> impl Iterator<Item = (f64, f64)> {
        let mut above = 1.0;
        let below = self.largest_above(batch).skip(1).chain([0.0]);
        below.zip(1..).map(move |(next, n)| (f64::from(n), std::mem::replace(&mut above, next) - next))
    }

    /// P(max > k) = 1 − (1 − P(n > k))^b.
    fn largest_above(&self, batch: u32) -> impl Iterator<Item = f64> {
        self.above.iter().map(move |above| -(f64::from(batch) * (-above).ln_1p()).exp_m1())
    }
}

/// Σ_k (2k + 1) P(n > k).
fn weighted(above: impl Iterator<Item = f64>) -> f64 {
    above.zip(0..).map(|(mass, k)| f64::from(2 * k + 1) * mass).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::general::Mg1;
    use approx::assert_relative_eq;

    fn lognormal() -> Law {
        Law::lognormal(7.245f64.exp(), 0.49f64.exp_m1()).unwrap()
    }

    /// n_max, E\[n\], E\[n²\], E\[S\], ρ, Wq, P(N > n_max) with S = .0225 n, λ = 1/40, mpmath to 12 digits.
    #[rustfmt::skip]
    const TABLE: [[f64; 7]; 5] = [
        [800.0, 714.314841425, 534347.227282, 16.0720839321, 0.401802098301, 5.65267119468, 0.673844729953],
        [1000.0, 836.737156478, 753896.909809, 18.8265860208, 0.470664650519, 9.01272489559, 0.552420124256],
        [1600.0, 1083.19915394, 1379281.46174, 24.3719809637, 0.609299524093, 22.3400431746, 0.294717288377],
        [2400.0, 1244.26770406, 2006377.44621, 27.9960233413, 0.699900583532, 42.3080038816, 0.131593225079],
        [3000.0, 1304.5860943, 2328739.67207, 29.3531871218, 0.733829678045, 55.3651347345, 0.0752641449429],
    ];

    #[test]
    fn the_table_is_met() {
        for [most, mean, second, service, load, wait, cut] in TABLE {
            let sizes = WholeSizes::rounded_up(&lognormal(), most as u32).unwrap();
            assert_relative_eq!(sizes.mean(), mean, max_relative = 1e-10);
            assert_relative_eq!(sizes.second_moment(), second, max_relative = 1e-10);
            let queue = Mg1::new(0.025, 0.0225 * sizes.mean(), 0.0225f64.powi(2) * sizes.second_moment()).unwrap();
            assert_relative_eq!(0.0225 * sizes.mean(), service, max_relative = 1e-10);
            assert_relative_eq!(queue.utilization(), load, max_relative = 1e-10);
            assert_relative_eq!(queue.mean_wait_s(), wait, max_relative = 1e-10);
            assert_relative_eq!(lognormal().survival(most), cut, max_relative = 1e-10);
        }
    }

    #[test]
    fn the_largest_of_b() {
        let sizes = WholeSizes::rounded_up(&lognormal(), 1600).unwrap();
        assert_relative_eq!(sizes.mean_of_largest(1), sizes.mean(), max_relative = 1e-12);
        assert_relative_eq!(sizes.second_moment_of_largest(1), sizes.second_moment(), max_relative = 1e-12);
        assert!(sizes.padding(1).abs() < 1e-12 && sizes.padding(16) > sizes.padding(2));
        assert_relative_eq!(sizes.mean_of_largest(1000), 1600.0, max_relative = 1e-9);
        // Uniform on 1 … 6, two dice: 161/36 and, of the square, 791/36.
        let dice = WholeSizes::rounded_up(&Law::uniform(0.0, 6.0).unwrap(), 6).unwrap();
        assert_relative_eq!(dice.mean_of_largest(2), 161.0 / 36.0, max_relative = 1e-13);
        assert_relative_eq!(dice.second_moment_of_largest(2), 791.0 / 36.0, max_relative = 1e-13);
        assert_relative_eq!(dice.survival(2), 4.0 / 6.0, max_relative = 1e-13);
        assert_eq!(dice.survival(6), 0.0);
    }

    #[test]
    fn a_cap_of_nothing_is_an_error() {
        assert!(WholeSizes::rounded_up(&lognormal(), 0).is_err());
    }
}
