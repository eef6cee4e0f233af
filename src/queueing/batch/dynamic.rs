//! Dynamic batching with a cap: M/G(b)^\[1,b_max\]/1, whoever waits is taken up to b_max, a batch of b lasts τ(b).
//!
//! A batch may also last a random time, whose law depends on its size. The chain is the number X left behind by a batch
//! (`chain.rs`): X' = X − b + the arrivals during the batch, b = min(max(X, 1), b_max), with one arrival first where X = 0. Batch times
//! linear in b: Inoue (2021), Performance Evaluation 147:102183; the chain: Bailey (1954), JRSS B 16:80–87.

use super::batch_time::BatchTime;
use super::chain::{Chain, Rule};
use crate::queueing::error::{QueueError, positive};

/// A stable M/G(b)^\[1,b_max\]/1 queue.
///
/// α = .1438 s, τ0 = 1.8874 s, b_max = 8, λ = 2 per second:
/// ```
/// # fn main() -> Result<(), fluidsim::queueing::QueueError> {
/// use fluidsim::queueing::batch::Dynamic;
/// let queue = Dynamic::linear(2.0, 0.1438, 1.8874, 8)?;
/// assert!((queue.capacity_per_s() - 2.633484759).abs() < 1e-9);
/// assert!((queue.mean_sojourn_s() - 4.306722941).abs() < 1e-8);
/// assert!((queue.mean_batch() - 5.306624071).abs() < 1e-8);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Dynamic {
    arrivals_per_s: f64,
    /// τ(1) … τ(b_max).
    times: Vec<BatchTime>,
    chain: Chain,
}

impl Dynamic {
    /// The queue with arrival rate λ and batches of b that last exactly `times_s[b − 1]` τ(b), as many as the largest batch.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − b_max/τ(b_max) when that is not negative; [`QueueError::Parameter`] for a
    /// value out of range or no time at all.
    pub fn new(arrivals_per_s: f64, times_s: &[f64]) -> Result<Self, QueueError> {
        let times = times_s.iter().map(|&time_s| BatchTime::constant(time_s)).collect::<Result<_, _>>()?;
        Self::random(arrivals_per_s, times)
    }

    /// The queue with arrival rate λ in which a batch of b lasts as `times[b − 1]` says.
    ///
    /// Batches of one that last 1 or 3 s, ρ = .5: M/G/1, Wq = λE\[S²\]/(2(1 − ρ)) = 1.25 s.
    /// ```
    /// use fluidsim::queueing::batch::{BatchTime, Dynamic};
    /// let queue = Dynamic::random(0.25, vec![BatchTime::mixture(&[(0.5, 1.0), (0.5, 3.0)])?])?;
    /// assert!((queue.mean_wait_s() - 1.25).abs() < 1e-10);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Dynamic::new`].
    pub fn random(arrivals_per_s: f64, times: Vec<BatchTime>) -> Result<Self, QueueError> {
        positive("arrivals_per_s", arrivals_per_s)?;
        positive("number of batch times", times.len() as f64)?;
        let chain = Chain::solve(arrivals_per_s, &times, Rule::WhoeverWaits)?;
        Ok(Self { arrivals_per_s, times, chain })
    }

    /// The same with τ(b) = αb + τ0, α `per_customer_s` and τ0 `per_batch_s`, b ≤ `most`.
    ///
    /// # Errors
    /// As [`Dynamic::new`].
    ///
    /// ```
    /// # use fluidsim::queueing::batch::Dynamic;
    /// let queue = Dynamic::linear(0.8, 0.1438, 1.8874, 4)?;
    /// // The chain with mpmath, 10 digits.
    /// assert!((queue.mean_sojourn_s() - 3.300620184).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn linear(arrivals_per_s: f64, per_customer_s: f64, per_batch_s: f64, most: u32) -> Result<Self, QueueError> {
        let times_s: Vec<f64> = (1..=most).map(|b| per_customer_s * f64::from(b) + per_batch_s).collect();
        Self::new(arrivals_per_s, &times_s)
    }

    /// b_max/τ(b_max), the largest rate that can be served, per second.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::Dynamic;
    /// let queue = Dynamic::linear(1.0, 0.1438, 1.8874, 8)?;
    /// // 8/(8·.1438 + 1.8874).
    /// assert!((queue.capacity_per_s() - 2.633484758710).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn capacity_per_s(&self) -> f64 {
        self.times.len() as f64 / self.times[self.times.len() - 1].mean_s()
    }

    /// P(B = b), the share of batches of that size.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::Dynamic;
    /// let queue = Dynamic::new(0.5, &[1.0])?;
    /// // One at a time.
    /// assert!((queue.batch_probability(1) - 1.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn batch_probability(&self, size: usize) -> f64 {
        let most = self.times.len();
        let below: f64 = if size == 1 { self.chain.law[0] } else { 0.0 };
        match size {
            0 => 0.0,
            _ if size < most => below + self.chain.law[size],
            _ if size == most => below + self.chain.law[most..].iter().sum::<f64>(),
            _ => 0.0,
        }
    }

    /// E\[B\], mean size of a batch, a mean over batches.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::Dynamic;
    /// let queue = Dynamic::linear(1.0, 0.1438, 1.8874, 8)?;
    /// // The chain with mpmath, 10 digits.
    /// assert!((queue.mean_batch() - 2.333135149).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_batch(&self) -> f64 {
        (1..=self.times.len()).map(|b| b as f64 * self.batch_probability(b)).sum()
    }

    /// E\[τ(B)\], mean time of a batch in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::Dynamic;
    /// let queue = Dynamic::linear(0.8, 0.1438, 1.8874, 4)?;
    /// // αE[B] + τ0, E[B] by the chain with mpmath.
    /// assert!((queue.mean_service_s() - (0.1438 * 1.902002329 + 1.8874)).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_service_s(&self) -> f64 {
        (1..=self.times.len()).map(|b| self.times[b - 1].mean_s() * self.batch_probability(b)).sum()
    }

    /// E\[τ\]/(E\[τ\] + P(X = 0)/λ), the share of time with a batch, and the share of arrivals that wait.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::Dynamic;
    /// let queue = Dynamic::linear(1.0, 0.1438, 1.8874, 8)?;
    /// // 1 − .0472455762.
    /// assert!((queue.utilization() - 0.9527544238).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.mean_service_s() / self.cycle_s()
    }

    /// Share of time without a batch.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::Dynamic;
    /// let queue = Dynamic::linear(1.0, 0.1438, 1.8874, 8)?;
    /// // The chain with mpmath, 9 digits.
    /// assert!((queue.idle_probability() - 0.0472455762).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn idle_probability(&self) -> f64 {
        self.chain.law[0] / self.arrivals_per_s / self.cycle_s()
    }

    /// Lq, mean number waiting: Σ_n P(X = n)((n − b)E\[τ(b)\] + λE\[τ(b)²\]/2) over a cycle.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::Dynamic;
    /// let queue = Dynamic::new(0.5, &[1.0])?;
    /// // M/D/1: ρ²/(2(1 − ρ)).
    /// assert!((queue.mean_waiting() - 0.25).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_waiting(&self) -> f64 {
        let last = self.chain.law.len() - 1;
        let area = |n: usize, behind: f64| {
            let size = n.clamp(1, self.times.len());
            let time = &self.times[size - 1];
            self.chain.law[n] * (behind * time.mean_s() + 0.5 * self.arrivals_per_s * time.second_moment_s2())
        };
        let most = self.times.len();
        let inner: f64 = (0..last).map(|n| area(n, n.saturating_sub(most) as f64)).sum();
        let beyond = (last - most) as f64 + self.chain.ratio / (1.0 - self.chain.ratio);
        (inner + area(last, beyond)) / self.cycle_s()
    }

    /// Wq = Lq/λ, mean wait in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::Dynamic;
    /// let queue = Dynamic::new(0.5, &[1.0])?;
    /// // M/D/1: ρ/(2(1 − ρ)).
    /// assert!((queue.mean_wait_s() - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_wait_s(&self) -> f64 {
        self.mean_waiting() / self.arrivals_per_s
    }

    /// W = Wq + E\[Bτ(B)\]/E\[B\], mean time in system in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::Dynamic;
    /// let queue = Dynamic::linear(1.0, 0.1438, 1.8874, 8)?;
    /// // The chain with mpmath, 10 digits.
    /// assert!((queue.mean_sojourn_s() - 3.405860367).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        let own: f64 =
            (1..=self.times.len()).map(|b| b as f64 * self.times[b - 1].mean_s() * self.batch_probability(b)).sum();
        self.mean_wait_s() + own / self.mean_batch()
    }

    /// L = λW, mean number in system.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::Dynamic;
    /// let queue = Dynamic::linear(1.0, 0.1438, 1.8874, 8)?;
    /// // λW, λ = 1.
    /// assert!((queue.mean_in_system() - 3.405860367).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        self.arrivals_per_s * self.mean_sojourn_s()
    }

    /// Mean time from one batch's end to the next.
    fn cycle_s(&self) -> f64 {
        self.mean_service_s() + self.chain.law[0] / self.arrivals_per_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::batch::DynamicUnbounded;
    use crate::queueing::general::Mg1;
    use approx::assert_relative_eq;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// α = .1438, τ0 = 1.8874: b_max, λ, capacity, L, W, E\[B\], idle, printed to ten digits (idle to nine), hence the tolerances.
    #[rustfmt::skip]
    const TABLE: [[f64; 7]; 10] = [
        [4.0, 0.8, 1.624299521, 2.640496148, 3.300620184, 1.902002329, 0.0911018764],
        [4.0, 1.2, 1.624299521, 4.7912295, 3.99269125, 2.800795203, 0.0187839449],
        [8.0, 1.0, 2.633484759, 3.405860367, 3.405860367, 2.333135149, 0.0472455762],
        [8.0, 2.0, 2.633484759, 8.613445882, 4.306722941, 5.306624071, 0.00106263187],
        [8.0, 2.5, 2.633484759, 18.50482888, 7.401931553, 7.367525092, 5.42680586e-05],
        [16.0, 3.0, 3.820256912, 15.69572669, 5.231908895, 9.958351105, 1.18933367e-05],
        [16.0, 3.6, 3.820256912, 26.39471214, 7.331864484, 14.08741822, 2.52385683e-07],
        [32.0, 3.0, 4.931422407, 15.58151108, 5.193837028, 9.958354947, 1.21127258e-05],
        [32.0, 4.8, 4.931422407, 56.34054893, 11.73761436, 29.24690083, 1.33018786e-11],
        [400.0, 3.477051460361613, 6.733167922, 20.52108682, 5.901864569, 13.12519573, 8.33583579e-07],
    ];

    #[test]
    fn the_table_is_met() {
        for [most, lambda, capacity, number, sojourn, batch, idle] in TABLE {
            let queue = Dynamic::linear(lambda, 0.1438, 1.8874, most as u32).unwrap();
            assert_relative_eq!(queue.capacity_per_s(), capacity, max_relative = 5e-10);
            assert_relative_eq!(queue.mean_in_system(), number, max_relative = 5e-10);
            assert_relative_eq!(queue.mean_sojourn_s(), sojourn, max_relative = 5e-10);
            assert_relative_eq!(queue.mean_batch(), batch, max_relative = 5e-10);
            assert_relative_eq!(queue.idle_probability(), idle, max_relative = 5e-9);
        }
    }

    #[test]
    fn a_batch_of_one_is_md1_also_near_saturation() {
        for load in [0.01, 0.5, 0.9, 0.999] {
            let (batch, one) = (Dynamic::new(load, &[1.0]).unwrap(), Mg1::new(load, 1.0, 1.0).unwrap());
            assert_relative_eq!(batch.mean_wait_s(), one.mean_wait_s(), max_relative = 1e-9);
            assert_relative_eq!(batch.utilization(), load, max_relative = 1e-9);
        }
    }

    #[test]
    fn a_cap_out_of_reach_is_no_cap() {
        let (with, without) =
            (Dynamic::linear(0.5, 0.5833, 1.4284, 60).unwrap(), DynamicUnbounded::new(0.5, 0.5833, 1.4284).unwrap());
        assert_relative_eq!(with.mean_sojourn_s(), without.mean_sojourn_s(), max_relative = 1e-11);
        assert_relative_eq!(with.mean_batch(), without.mean_batch(), max_relative = 1e-11);
        assert_relative_eq!(with.idle_probability(), without.idle_probability(), max_relative = 1e-11);
    }

    #[test]
    fn what_comes_leaves() {
        let mut rng = ChaCha8Rng::seed_from_u64(44);
        for _ in 0..40 {
            let most: usize = rng.random_range(1..20);
            let times: Vec<f64> = (0..most).map(|b| 1.0 + b as f64 * 0.2 + rng.random_range(0.0..0.3)).collect();
            let load: f64 = rng.random_range(0.05..0.98);
            let lambda = load * most as f64 / times[most - 1];
            let queue = Dynamic::new(lambda, &times).unwrap();
            assert_relative_eq!(queue.mean_batch(), lambda * queue.cycle_s(), max_relative = 1e-10);
            assert_relative_eq!(queue.utilization() + queue.idle_probability(), 1.0, max_relative = 1e-12);
        }
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        assert_eq!(Dynamic::new(3.0, &[0.7, 1.0]).unwrap_err(), QueueError::Unstable { growth_per_s: 1.0 });
        assert!(Dynamic::new(1.0, &[]).is_err());
        assert!(Dynamic::new(1.0, &[f64::NAN]).is_err());
        assert!(Dynamic::new(0.0, &[1.0]).is_err());
    }
}
