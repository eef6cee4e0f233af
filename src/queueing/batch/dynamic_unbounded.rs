//! Dynamic batching without a cap: whoever waits is taken, and a batch of B lasts exactly αB + τ0 (Inoue 2021).
//!
//! B' = max(1, Poisson(λ(αB + τ0))), so that G(z) = E z^B meets G(z) = e^(−λτ0(1−z)) G(e^(−ρ(1−z))) − π(1 − z), ρ = λα,
//! π the probability that a batch leaves nobody behind. G(0) = 0 and z_{k+1} = e^(−ρ(1−z_k)) from z_0 = 0 give
//! π = Π_k c_k / Σ_k (1 − z_k) Π_{i<k} c_i, c_k = e^(−λτ0(1−z_k)): a series of positive terms that ends as ρᵏ, exact where
//! the chain itself would have to be cut off. All moments follow from π. Inoue (2021), Queueing analysis of GPU-based
//! inference servers with dynamic batching: a closed-form characterization, Performance Evaluation 147:102183.

use crate::queueing::error::{QueueError, not_negative, positive};

/// A stable M/D(b)/1 queue with batches of any size and linear batch times.
///
/// α = .1438 s, τ0 = 1.8874 s, ρ = λα = ½:
/// ```
/// # fn main() -> Result<(), fluidsim::queueing::QueueError> {
/// use fluidsim::queueing::batch::DynamicUnbounded;
/// let queue = DynamicUnbounded::new(0.5 / 0.1438, 0.1438, 1.8874)?;
/// assert!((queue.mean_batch() - 13.125195734).abs() < 1e-8);
/// assert!((queue.mean_sojourn_s() - 5.9018645689).abs() < 1e-9);
/// assert!((queue.sojourn_bound_s() - 5.90186666667).abs() < 1e-10);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DynamicUnbounded {
    arrivals_per_s: f64,
    per_customer_s: f64,
    per_batch_s: f64,
    /// π, the share of batches that leave nobody behind.
    leaves_nobody: f64,
}

impl DynamicUnbounded {
    /// The queue with arrival rate λ and batch time α·B + τ0, α `per_customer_s` and τ0 `per_batch_s`.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − 1/α when λα ≥ 1; [`QueueError::Parameter`] for a value out of range, also
    /// when both times are 0.
    pub fn new(arrivals_per_s: f64, per_customer_s: f64, per_batch_s: f64) -> Result<Self, QueueError> {
        not_negative("arrivals_per_s", arrivals_per_s)?;
        not_negative("per_customer_s", per_customer_s)?;
        not_negative("per_batch_s", per_batch_s)?;
        positive("per_customer_s + per_batch_s", per_customer_s + per_batch_s)?;
        if arrivals_per_s * per_customer_s >= 1.0 {
            return Err(QueueError::Unstable { growth_per_s: arrivals_per_s - 1.0 / per_customer_s });
        }
        let leaves_nobody = leaves_nobody(arrivals_per_s * per_customer_s, arrivals_per_s * per_batch_s);
        Ok(Self { arrivals_per_s, per_customer_s, per_batch_s, leaves_nobody })
    }

    /// ρ = λα, the share of the capacity 1/α of endless batches.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::DynamicUnbounded;
    /// let queue = DynamicUnbounded::new(0.5 / 0.1438, 0.1438, 1.8874)?;
    /// // λα.
    /// assert!((queue.load() - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn load(&self) -> f64 {
        self.arrivals_per_s * self.per_customer_s
    }

    /// π, the share of batches that leave nobody behind.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::DynamicUnbounded;
    /// let queue = DynamicUnbounded::new(1.0, 0.0, 1.0)?;
    /// // Every batch lasts 1 s: nobody comes with e^(−λ).
    /// assert!((queue.leaves_nobody_probability() - (-1f64).exp()).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn leaves_nobody_probability(&self) -> f64 {
        self.leaves_nobody
    }

    /// E\[B\] = (λτ0 + π)/(1 − ρ), mean size of a batch; a mean over batches.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::DynamicUnbounded;
    /// let queue = DynamicUnbounded::new(0.5 / 0.1438, 0.1438, 1.8874)?;
    /// // By an independent chain.
    /// assert!((queue.mean_batch() - 13.125195734).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_batch(&self) -> f64 {
        (self.arrivals_per_s * self.per_batch_s + self.leaves_nobody) / (1.0 - self.load())
    }

    /// E\[B²\] = (λE\[τ\] + λ²(2ατ0 E\[B\] + τ0²) + π)/(1 − ρ²).
    ///
    /// ```
    /// # use fluidsim::queueing::batch::DynamicUnbounded;
    /// let queue = DynamicUnbounded::new(0.5 / 0.1438, 0.1438, 1.8874)?;
    /// // By an independent chain.
    /// assert!((queue.second_moment_batch() - 189.77064111).abs() < 1e-8);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn second_moment_batch(&self) -> f64 {
        let base = self.arrivals_per_s * self.per_batch_s;
        let load = self.load();
        let arrivals = load * self.mean_batch() + base;
        let squares = 2.0 * load * base * self.mean_batch() + base * base;
        (arrivals + squares + self.leaves_nobody) / ((1.0 - load) * (1.0 + load))
    }

    /// E\[αB + τ0\], mean time of a batch in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::DynamicUnbounded;
    /// let queue = DynamicUnbounded::new(1.0, 0.0, 1.0)?;
    /// // τ0.
    /// assert!((queue.mean_service_s() - 1.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_service_s(&self) -> f64 {
        self.per_customer_s * self.mean_batch() + self.per_batch_s
    }

    /// Share of time without a batch, π/(π + λE\[τ\]) = π/E\[B\].
    ///
    /// ```
    /// # use fluidsim::queueing::batch::DynamicUnbounded;
    /// let queue = DynamicUnbounded::new(0.5 / 0.1438, 0.1438, 1.8874)?;
    /// // By an independent chain.
    /// assert!((queue.idle_probability() - 8.33583579e-7).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn idle_probability(&self) -> f64 {
        self.leaves_nobody / self.mean_batch()
    }

    /// Share of time with a batch, λE\[τ\]/E\[B\]; also the share of arrivals that wait.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::DynamicUnbounded;
    /// let queue = DynamicUnbounded::new(1.0, 0.0, 1.0)?;
    /// // A batch of 1 s, then idle for 1 s with e^(−1): 1/(1 + e^(−1)).
    /// assert!((queue.utilization() - 1.0 / (1.0 + (-1f64).exp())).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.arrivals_per_s * self.mean_service_s() / self.mean_batch()
    }

    /// Wq = λE\[τ²\]/(2E\[B\]), mean wait in seconds: the rest of the batch that one meets.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::DynamicUnbounded;
    /// let queue = DynamicUnbounded::new(1.0, 0.0, 1.0)?;
    /// // Half of the batch that is met.
    /// assert!((queue.mean_wait_s() - 0.5 / (1.0 + (-1f64).exp())).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self) -> f64 {
        let (slope, base) = (self.per_customer_s, self.per_batch_s);
        let second = slope * slope * self.second_moment_batch() + 2.0 * slope * base * self.mean_batch() + base * base;
        0.5 * self.arrivals_per_s * second / self.mean_batch()
    }

    /// W = Wq + E\[Bτ\]/E\[B\], mean time in system in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::DynamicUnbounded;
    /// let queue = DynamicUnbounded::new(0.5 / 0.1438, 0.1438, 1.8874)?;
    /// // By an independent chain.
    /// assert!((queue.mean_sojourn_s() - 5.9018645689).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        let service = self.per_customer_s * self.second_moment_batch() / self.mean_batch() + self.per_batch_s;
        self.mean_wait_s() + service
    }

    /// Lq = λWq, mean number waiting.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::DynamicUnbounded;
    /// let queue = DynamicUnbounded::new(1.0, 0.0, 1.0)?;
    /// // λ times that.
    /// assert!((queue.mean_waiting() - 0.5 / (1.0 + (-1f64).exp())).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_waiting(&self) -> f64 {
        self.arrivals_per_s * self.mean_wait_s()
    }

    /// L = λW, mean number in system.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::DynamicUnbounded;
    /// let queue = DynamicUnbounded::new(1.0, 0.0, 1.0)?;
    /// // The wait and one second.
    /// assert!((queue.mean_in_system() - (1.0 + 0.5 / (1.0 + (-1f64).exp()))).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        self.arrivals_per_s * self.mean_sojourn_s()
    }

    /// φ0 = (α + τ0)/(2(1 − ρ)) · (1 + 2λτ0 + (1 − λτ0)/(1 + ρ)) ≥ W, close at light load. An upper bound.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::DynamicUnbounded;
    /// let queue = DynamicUnbounded::new(0.5 / 0.1438, 0.1438, 1.8874)?;
    /// // The formula with mpmath.
    /// assert!((queue.light_bound_s() - 21.1585687529).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn light_bound_s(&self) -> f64 {
        let (load, base) = (self.load(), self.arrivals_per_s * self.per_batch_s);
        let scale = 0.5 * (self.per_customer_s + self.per_batch_s) / (1.0 - load);
        scale * (1.0 + 2.0 * base + (1.0 - base) / (1.0 + load))
    }

    /// φ1 = 3τ0/(2(1 − ρ)) + α(ρ + 2)/(2(1 − ρ²)) ≥ W, close unless the load is light. An upper bound.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::DynamicUnbounded;
    /// let queue = DynamicUnbounded::new(0.5 / 0.1438, 0.1438, 1.8874)?;
    /// // The formula with mpmath.
    /// assert!((queue.heavy_bound_s() - 5.90186666667).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn heavy_bound_s(&self) -> f64 {
        let load = self.load();
        1.5 * self.per_batch_s / (1.0 - load) + 0.5 * self.per_customer_s * (load + 2.0) / (1.0 - load * load)
    }

    /// min(φ0, φ1) ≥ W, the closed form of Inoue (2021). An upper bound.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::DynamicUnbounded;
    /// let queue = DynamicUnbounded::new(0.5 / 0.1438, 0.1438, 1.8874)?;
    /// // The less of the two bounds, with mpmath.
    /// assert!((queue.sojourn_bound_s() - 5.90186666667).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sojourn_bound_s(&self) -> f64 {
        self.light_bound_s().min(self.heavy_bound_s())
    }
}

/// π for ρ = `load` and λτ0 = `base`.
fn leaves_nobody(load: f64, base: f64) -> f64 {
    let (mut short, mut product, mut sum) = (1.0f64, 1.0f64, 0.0f64);
    loop {
        let term = short * product;
        sum += term;
        product *= (-base * short).exp();
        short = -(-load * short).exp_m1();
        // What is still to come is below short/(1 − ρ), of the sum and of the logarithm of the product.
        if short * (1.0 + base) <= 1e-17 * (1.0 - load) || product == 0.0 {
            return product / (sum + product * short / (1.0 - load));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// α = .1438, τ0 = 1.8874: ρ, λ, E\[B\], E\[B²\], idle, W, φ0, φ1, from the chain in double precision.
    #[rustfmt::skip]
    const FIRST: [[f64; 8]; 5] = [
        [0.1, 0.695410292072, 1.7115485177, 3.9227654963, 0.133140415, 3.1458853212, 3.77005170481, 3.29818181818],
        [0.2, 1.39082058414, 3.3306120439, 14.290217249, 0.0118461304, 3.6873428432, 6.2153119147, 3.70364583333],
        [0.5, 3.47705146036, 13.125195734, 189.77064111, 8.33583579e-07, 5.9018645689, 21.1585687529, 5.90186666667],
        [0.7, 4.86787204451, 30.625405657, 997.96528664, 1.07788663e-11, 9.8176470588, 49.287052213, 9.81764705882],
        [0.8, 5.56328233658, 52.50069541, 2902.1582836, 7.71961609e-16, 14.714722222, 84.9164645959, 14.7147222222],
    ];

    /// α = .5833, τ0 = 1.4284: ρ, λ, E\[B\], E\[B²\], idle, W, φ1.
    #[rustfmt::skip]
    const SECOND: [[f64; 7]; 3] = [
        [0.3, 0.51431510372, 1.4988177743, 2.9661393648, 0.209848557, 3.534480062, 3.79799450549],
        [0.5, 0.857191839534, 2.6515455989, 9.8630917267, 0.0382267519, 5.1845625434, 5.25736666667],
        [0.8, 1.37150694325, 9.809626914, 123.32163743, 0.000292046282, 12.979882482, 12.9813888889],
    ];

    #[test]
    fn the_tables_are_met() {
        for [load, lambda, mean, second, idle, sojourn, light, heavy] in FIRST {
            let queue = DynamicUnbounded::new(load / 0.1438, 0.1438, 1.8874).unwrap();
            assert_relative_eq!(load / 0.1438, lambda, max_relative = 1e-11);
            assert_relative_eq!(queue.mean_batch(), mean, max_relative = 5e-11);
            assert_relative_eq!(queue.second_moment_batch(), second, max_relative = 5e-11);
            // Printed to nine digits; by the chain's rounding only absolutely right where it is very small.
            assert_relative_eq!(queue.idle_probability(), idle, max_relative = 1e-8, epsilon = 1e-14);
            assert_relative_eq!(queue.mean_sojourn_s(), sojourn, max_relative = 5e-11);
            assert_relative_eq!(queue.light_bound_s(), light, max_relative = 1e-11);
            assert_relative_eq!(queue.heavy_bound_s(), heavy, max_relative = 1e-11);
        }
        for [load, lambda, mean, second, idle, sojourn, heavy] in SECOND {
            let queue = DynamicUnbounded::new(load / 0.5833, 0.5833, 1.4284).unwrap();
            assert_relative_eq!(load / 0.5833, lambda, max_relative = 1e-11);
            assert_relative_eq!(queue.mean_batch(), mean, max_relative = 1e-10);
            assert_relative_eq!(queue.second_moment_batch(), second, max_relative = 1e-10);
            assert_relative_eq!(queue.idle_probability(), idle, max_relative = 5e-9);
            assert_relative_eq!(queue.mean_sojourn_s(), sojourn, max_relative = 1e-10);
            assert_relative_eq!(queue.heavy_bound_s(), heavy, max_relative = 1e-11);
        }
    }

    #[test]
    fn identities_and_bounds_hold() {
        let mut rng = ChaCha8Rng::seed_from_u64(42);
        for _ in 0..300 {
            let slope: f64 = rng.random_range(0.01..2.0);
            let base: f64 = rng.random_range(0.0..3.0);
            let load: f64 = rng.random_range(0.001..0.999);
            let queue = DynamicUnbounded::new(load / slope, slope, base).unwrap();
            assert_relative_eq!(queue.utilization() + queue.idle_probability(), 1.0, max_relative = 1e-11);
            assert!(queue.mean_batch() >= 1.0 - 1e-12);
            assert!(queue.second_moment_batch() >= queue.mean_batch().powi(2) * (1.0 - 1e-11));
            assert!(queue.mean_sojourn_s() <= queue.sojourn_bound_s() * (1.0 + 1e-11));
            let busier = DynamicUnbounded::new(0.99 * load / slope, slope, base).unwrap();
            assert!(busier.mean_sojourn_s() <= queue.mean_sojourn_s());
        }
    }

    #[test]
    fn without_a_slope_it_is_the_rest_of_a_constant_service() {
        // B' = max(1, Poisson(λτ0)) afresh: π = e^(−λτ0).
        let queue = DynamicUnbounded::new(2.0, 0.0, 1.5).unwrap();
        assert_relative_eq!(queue.leaves_nobody_probability(), (-3.0f64).exp(), max_relative = 1e-14);
        assert_relative_eq!(queue.mean_wait_s(), 0.75 * queue.utilization(), max_relative = 1e-14);
        assert_relative_eq!(queue.mean_waiting(), 2.0 * queue.mean_wait_s());
        assert_relative_eq!(queue.mean_in_system(), 2.0 * queue.mean_sojourn_s());
        let idle = DynamicUnbounded::new(0.0, 0.4, 1.5).unwrap();
        assert_relative_eq!(idle.mean_sojourn_s(), 1.9);
        assert_eq!(idle.idle_probability(), 1.0);
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        assert_eq!(DynamicUnbounded::new(3.0, 0.5, 1.0), Err(QueueError::Unstable { growth_per_s: 1.0 }));
        assert!(matches!(DynamicUnbounded::new(3.0, 0.0, 0.0), Err(QueueError::Parameter { .. })));
        assert!(DynamicUnbounded::new(-1.0, 0.1, 1.0).is_err());
        assert!(DynamicUnbounded::new(1.0, 0.1, f64::NAN).is_err());
    }
}
