//! The number X left behind by a batch, as a chain, for batches of up to b_max whose time depends on their size.
//!
//! Above b_max it is a walk, so that π falls there as ζ^(−n), ζ > 1 the real root of z^b = A(z), with b = b_max and A the generating function
//! of the arrivals during a batch of that size, once the next, complex, pair of roots has died out; the states from n_1 on are one
//! state with that law inside, n_1 chosen so that what is neglected is of the size |ζ_1|^(b − n_1) ≤ 1e-16. The rest is solved by
//! elimination without subtraction (Grassmann, Taksar and Heyman 1985, Operations Research 33:1107–1116).

use nalgebra::{Complex, DMatrix};

use super::batch_time::BatchTime;
use crate::queueing::error::QueueError;

/// Most states that are eliminated one by one.
const MOST_STATES: usize = 3000;

/// Who is taken into the next batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Whoever waits, at least one and at most b_max.
    WhoeverWaits,
    /// b_max, for whom the batch waits.
    Full,
}

/// The stationary law of the number left behind.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chain {
    /// P(X = n) below the last entry, which is P(X ≥ n).
    pub law: Vec<f64>,
    /// 1/ζ, the ratio of the law beyond.
    pub ratio: f64,
}

impl Chain {
    /// Batches of b last `times[b − 1]`; under [`Rule::Full`] only the last is used.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] when full batches do not keep up.
    pub fn solve(arrivals_per_s: f64, times: &[BatchTime], rule: Rule) -> Result<Self, QueueError> {
        let (most, full) = (times.len(), &times[times.len() - 1]);
        let growth_per_s = arrivals_per_s - most as f64 / full.mean_s();
        if growth_per_s >= 0.0 {
            return Err(QueueError::Unstable { growth_per_s });
        }
        let batch = most as f64;
        let root = real_root(arrivals_per_s, full, batch);
        let second = complex_root(arrivals_per_s, full, batch).unwrap_or(root).max(root);
        let states = most + ((37.0 / second.ln()).ceil() as usize + 2).min(MOST_STATES);
        let ratio = 1.0 / root;
        Ok(Self { law: eliminate(transitions(arrivals_per_s, times, rule, ratio, states)), ratio })
    }

    /// E\[X − n\] of those in the last entry, which stands for n and more.
    pub fn beyond(&self) -> f64 {
        self.ratio / (1.0 - self.ratio)
    }
}

/// The root ζ > 1 of b ln z = ln A(z): the difference is concave in z − 1, 0 at 1.
pub(super) fn real_root(rate_per_s: f64, full: &BatchTime, batch: f64) -> f64 {
    let real = |x: f64| {
        let (log, slope) = full.log_transform(rate_per_s, Complex::new(x, 0.0));
        (log.re, slope.re)
    };
    let rises = |x: f64| batch / (1.0 + x) > real(x).1;
    let excess = |x: f64| batch * x.ln_1p() - real(x).0;
    let bisect = |test: &dyn Fn(f64) -> bool, mut low: f64, mut high: f64| {
        while test(high) {
            (low, high) = (high, 2.0 * high);
        }
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if test(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    };
    let top = bisect(&rises, 0.0, 1e-3);
    1.0 + bisect(&|x| excess(x) > 0.0, top, 2.0 * top)
}

/// |z| of the next root outside the unit circle, b ln z = ln A(z) + 2πi, by Newton; none where it does not converge.
pub(super) fn complex_root(rate_per_s: f64, full: &BatchTime, batch: f64) -> Option<f64> {
    let turn = Complex::new(0.0, std::f64::consts::TAU);
    let one = Complex::new(1.0, 0.0);
    // The root for a constant time of the same mean, which a contraction finds.
    let arrivals = rate_per_s * full.mean_s();
    let mut z = Complex::new(batch / arrivals, -1.0) * 1.5;
    for _ in 0..200 {
        z = one + (z.ln() * batch - turn) / arrivals;
    }
    for _ in 0..60 {
        let (log, slope) = full.log_transform(rate_per_s, z - one);
        let step = (z.ln() * batch - log - turn) / (one * batch / z - slope);
        z -= step;
        if step.norm() < 1e-12 * z.norm() {
            return (z.norm() > 1.0).then(|| z.norm());
        }
    }
    None
}

/// Probabilities between the states 0 … `states`, the last of which stands for all from there on.
fn transitions(rate_per_s: f64, times: &[BatchTime], rule: Rule, ratio: f64, states: usize) -> DMatrix<f64> {
    let most = times.len();
    let size_from = |from: usize| if rule == Rule::Full { most } else { from.clamp(1, most) };
    let mut rates = DMatrix::zeros(states + 1, states + 1);
    let mut masses = Vec::new();
    for from in 0..=states {
        let size = size_from(from);
        if from == 0 || size != size_from(from - 1) {
            masses = times[size - 1].arrivals(rate_per_s, states + most + 1);
        }
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
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// The next root is found, and lies outside the real one, for random times from light load to near saturation.
    #[test]
    fn the_next_root_is_found() {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        for _ in 0..400 {
            let parts: Vec<(f64, f64)> =
                (0..rng.random_range(1..20)).map(|_| (1.0, rng.random_range(0.1..20.0))).collect();
            let share = 1.0 / parts.len() as f64;
            let parts: Vec<(f64, f64)> = parts.into_iter().map(|(_, time_s)| (share, time_s)).collect();
            let time = BatchTime::mixture(&parts).unwrap();
            let batch = f64::from(rng.random_range(2..64));
            let rate = rng.random_range(0.02..0.999) * batch / time.mean_s();
            let (real, next) = (real_root(rate, &time, batch), complex_root(rate, &time, batch));
            assert!(next.is_some_and(|next| next > real), "{rate} {batch} {real} {next:?} {parts:?}");
        }
    }
}
