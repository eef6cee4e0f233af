//! Dynamic batching with a cap: M/D(b)^\[1,b_max\]/1, whoever waits is taken up to b_max, a batch of b lasts exactly τ(b).
//!
//! The chain is the number X left behind by a batch: X' = X − b + Poisson(λτ(b)), b = min(max(X, 1), b_max), with one
//! arrival first where X = 0. Above b_max it is a walk, so that π falls there as ζ^(−n), ζ > 1 the root of z^b = e^(a(z − 1)),
//! a = λτ(b_max), b = b_max, once the next, complex, pair of roots has died out; the states from n_1 on are one state with
//! that law inside, n_1 chosen so that what is neglected is of the size |ζ_1|^(b − n_1) ≤ 1e-16. The rest is solved by
//! elimination without subtraction (Grassmann, Taksar and Heyman 1985, Operations Research 33:1107–1116). Batch times
//! linear in b: Inoue (2021), Performance Evaluation 147:102183; the chain: Bailey (1954), JRSS B 16:80–87.

use nalgebra::{Complex, DMatrix};
use statrs::function::gamma::ln_gamma;

use crate::queueing::error::{QueueError, positive};

/// A stable M/D(b)^\[1,b_max\]/1 queue.
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
    times_s: Vec<f64>,
    /// P(X = n) below the last entry, which is P(X ≥ n).
    law: Vec<f64>,
    /// 1/ζ, the ratio of the law beyond.
    ratio: f64,
}

impl Dynamic {
    /// The queue with arrival rate λ and `times_s[b − 1]` τ(b), as many as the largest batch.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − b_max/τ(b_max) when that is not negative; [`QueueError::Parameter`] for a
    /// value out of range or no time at all.
    pub fn new(arrivals_per_s: f64, times_s: &[f64]) -> Result<Self, QueueError> {
        positive("arrivals_per_s", arrivals_per_s)?;
        positive("number of batch times", times_s.len() as f64)?;
        for &time_s in times_s {
            positive("time_s", time_s)?;
        }
        let most = times_s.len();
        let growth_per_s = arrivals_per_s - most as f64 / times_s[most - 1];
        if growth_per_s >= 0.0 {
            return Err(QueueError::Unstable { growth_per_s });
        }
        let arrivals = arrivals_per_s * times_s[most - 1];
        let ratio = 1.0 / real_root(arrivals, most as f64);
        let second = complex_root(arrivals, most as f64).norm().max(1.0 / ratio);
        let states = most + (37.0 / second.ln()).ceil() as usize + 2;
        let law = eliminate(transitions(arrivals_per_s, times_s, ratio, states));
        Ok(Self { arrivals_per_s, times_s: times_s.to_vec(), law, ratio })
    }

    /// The same with τ(b) = αb + τ0, α `per_customer_s` and τ0 `per_batch_s`, b ≤ `most`.
    ///
    /// # Errors
    /// As [`Dynamic::new`].
    pub fn linear(arrivals_per_s: f64, per_customer_s: f64, per_batch_s: f64, most: u32) -> Result<Self, QueueError> {
        let times_s: Vec<f64> = (1..=most).map(|b| per_customer_s * f64::from(b) + per_batch_s).collect();
        Self::new(arrivals_per_s, &times_s)
    }

    /// b_max/τ(b_max), the largest rate that can be served, per second.
    pub fn capacity_per_s(&self) -> f64 {
        self.times_s.len() as f64 / self.times_s[self.times_s.len() - 1]
    }

    /// P(B = b), the share of batches of that size.
    pub fn batch_probability(&self, size: usize) -> f64 {
        let most = self.times_s.len();
        let below: f64 = if size == 1 { self.law[0] } else { 0.0 };
        match size {
            0 => 0.0,
            _ if size < most => below + self.law[size],
            _ if size == most => below + self.law[most..].iter().sum::<f64>(),
            _ => 0.0,
        }
    }

    /// E\[B\], mean size of a batch, a mean over batches.
    pub fn mean_batch(&self) -> f64 {
        (1..=self.times_s.len()).map(|b| b as f64 * self.batch_probability(b)).sum()
    }

    /// E\[τ(B)\], mean time of a batch in seconds.
    pub fn mean_service_s(&self) -> f64 {
        (1..=self.times_s.len()).map(|b| self.times_s[b - 1] * self.batch_probability(b)).sum()
    }

    /// E\[τ\]/(E\[τ\] + P(X = 0)/λ), the share of time with a batch, and the share of arrivals that wait.
    pub fn utilization(&self) -> f64 {
        self.mean_service_s() / self.cycle_s()
    }

    /// Share of time without a batch.
    pub fn idle_probability(&self) -> f64 {
        self.law[0] / self.arrivals_per_s / self.cycle_s()
    }

    /// Lq, mean number waiting: Σ_n P(X = n)(n − b + λτ(b)/2)τ(b) over a cycle.
    pub fn mean_waiting(&self) -> f64 {
        let last = self.law.len() - 1;
        let area = |n: usize, behind: f64| {
            let size = n.clamp(1, self.times_s.len());
            let time_s = self.times_s[size - 1];
            self.law[n] * time_s * (behind + 0.5 * self.arrivals_per_s * time_s)
        };
        let most = self.times_s.len();
        let inner: f64 = (0..last).map(|n| area(n, n.saturating_sub(most) as f64)).sum();
        let beyond = (last - most) as f64 + self.ratio / (1.0 - self.ratio);
        (inner + area(last, beyond)) / self.cycle_s()
    }

    /// Wq = Lq/λ, mean wait in seconds.
    pub fn mean_wait_s(&self) -> f64 {
        self.mean_waiting() / self.arrivals_per_s
    }

    /// W = Wq + E\[Bτ(B)\]/E\[B\], mean time in system in seconds.
    pub fn mean_sojourn_s(&self) -> f64 {
        let own: f64 =
            (1..=self.times_s.len()).map(|b| b as f64 * self.times_s[b - 1] * self.batch_probability(b)).sum();
        self.mean_wait_s() + own / self.mean_batch()
    }

    /// L = λW, mean number in system.
    pub fn mean_in_system(&self) -> f64 {
        self.arrivals_per_s * self.mean_sojourn_s()
    }

    /// Mean time from one batch's end to the next.
    fn cycle_s(&self) -> f64 {
        self.mean_service_s() + self.law[0] / self.arrivals_per_s
    }
}

/// The root ζ > 1 of b ln z = a(z − 1), a < b: the difference is concave, 0 at 1, largest at b/a.
pub(super) fn real_root(arrivals: f64, batch: f64) -> f64 {
    let excess = |x: f64| batch * x.ln_1p() - arrivals * x;
    let (mut low, mut high) = (batch / arrivals - 1.0, 2.0 * batch / arrivals);
    while excess(high) > 0.0 {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if excess(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    1.0 + 0.5 * (low + high)
}

/// The next root outside the unit circle, b ln z = a(z − 1) + 2πi, by z ← 1 + (b ln z − 2πi)/a, which contracts there.
pub(super) fn complex_root(arrivals: f64, batch: f64) -> Complex<f64> {
    let turn = Complex::new(0.0, std::f64::consts::TAU);
    let mut z = Complex::new(batch / arrivals, -1.0) * 1.5;
    for _ in 0..200 {
        z = Complex::new(1.0, 0.0) + (z.ln() * batch - turn) / arrivals;
    }
    z
}

/// Rates between the states 0 … `states`, the last of which stands for all from there on.
fn transitions(arrivals_per_s: f64, times_s: &[f64], ratio: f64, states: usize) -> DMatrix<f64> {
    let most = times_s.len();
    let mut rates = DMatrix::zeros(states + 1, states + 1);
    for from in 0..=states {
        let size = from.clamp(1, most);
        let masses = poisson(arrivals_per_s * times_s[size - 1], states + most + 1);
        let left = from.saturating_sub(size);
        if from < states {
            let (within, above) = masses.split_at(states - left);
            for (n, mass) in within.iter().enumerate() {
                rates[(from, left + n)] = *mass;
            }
            // The complement loses small shares to rounding; the listed masses leave out only what is far above.
            let complement = 1.0 - within.iter().sum::<f64>();
            rates[(from, states)] = if complement > 1e-10 { complement } else { above.iter().sum() };
            continue;
        }
        // From the n-th state of the tail with weight (1 − 1/ζ)ζ^(−n) down to those below: at most b_max down.
        for down in 1..=most {
            rates[(from, states - down)] =
                (0..=(most - down)).map(|n| (1.0 - ratio) * ratio.powi(n as i32) * masses[most - down - n]).sum();
        }
    }
    rates
}

/// P(0) … P(`number` − 1) of the Poisson law.
fn poisson(mean: f64, number: usize) -> Vec<f64> {
    (0..number).map(|n| (n as f64 * mean.ln() - mean - ln_gamma(n as f64 + 1.0)).exp()).collect()
}

/// The stationary law of an irreducible chain by the elimination of Grassmann, Taksar and Heyman.
fn eliminate(mut rates: DMatrix<f64>) -> Vec<f64> {
    let number = rates.nrows();
    for last in (1..number).rev() {
        let out: f64 = (0..last).map(|to| rates[(last, to)]).sum();
        for from in 0..last {
            rates[(from, last)] /= out;
        }
        for to in 0..last {
            let down = rates[(last, to)];
            if down == 0.0 {
                continue;
            }
            for from in 0..last {
                let up = rates[(from, last)];
                rates[(from, to)] += up * down;
            }
        }
    }
    let mut law = vec![1.0];
    for state in 1..number {
        law.push((0..state).map(|from| law[from] * rates[(from, state)]).sum());
    }
    let total: f64 = law.iter().sum();
    law.iter_mut().for_each(|mass| *mass /= total);
    law
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
