//! Bulk service in slots: in every slot up to b customers leave, then Poisson(a) arrive (Bailey 1954).

use statrs::function::gamma::ln_gamma;

use crate::queueing::error::{QueueError, not_negative, positive};
use crate::queueing::normal::{normal_cdf, normal_density};

/// Terms of the series that are added one by one; the rest is smooth and integrated.
const TERMS: u32 = 2000;

/// A queue with Poisson(a) arrivals per slot and at most b departures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bulk {
    arrivals: f64,
    batch: f64,
}

impl Bulk {
    /// `arrivals` per slot in the mean, `batch` customers at most per slot.
    ///
    /// # Errors
    /// Arrivals not below the batch, or a number outside its range.
    pub fn new(arrivals: f64, batch: u64) -> Result<Self, QueueError> {
        let arrivals = not_negative("arrivals", arrivals)?;
        let batch = positive("batch", batch as f64)?;
        if arrivals >= batch {
            return Err(QueueError::Unstable { growth_per_s: arrivals - batch });
        }
        Ok(Self { arrivals, batch })
    }

    /// E\[Q\] behind a departure, Q' = (Q + A − b)⁺: Σ_k E\[(A_k − kb)⁺\]/k, A_k ~ Poisson(ka) (Spitzer 1956).
    ///
    /// ```
    /// # use fluidsim::queueing::batch::Bulk;
    /// let walk = Bulk::new(3.0, 4)?;
    /// // The chain, with mpmath.
    /// assert!((walk.left_behind() - 0.80088347976).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn left_behind(&self) -> f64 {
        let term = |k: f64| mean_above(k * self.arrivals, k * self.batch) / k;
        let mut sum = 0.0;
        for k in 1..=TERMS {
            let next = term(f64::from(k));
            sum += next;
            if next <= 1e-13 * sum {
                return sum;
            }
        }
        // Σ ≈ ∫ from the middle behind the last term, in ln k, until e^(−δk) has passed, δ = b − a − a·ln(b/a), and f'/24 (Euler and
        // Maclaurin); the midpoint rule at two widths, its error in the square of the width taken out (Richardson).
        let decay = self.batch - self.arrivals - self.arrivals * (self.batch / self.arrivals).ln();
        let (from, to) = ((f64::from(TERMS) + 0.5).ln(), (40.0 / decay.max(1e-18)).ln());
        let integral = |cells: u32| -> f64 {
            let width = (to - from).max(0.0) / f64::from(cells);
            let middle = |cell: u32| (from + (f64::from(cell) + 0.5) * width).exp();
            (0..cells).map(middle).map(|k| width * k * term(k)).sum()
        };
        let end = (term(f64::from(TERMS + 1)) - term(f64::from(TERMS))) / 24.0;
        sum + (4.0 * integral(800) - integral(400)) / 3.0 + end
    }

    /// E\[Q\] if a batch leaves only when it is full: the place in the batch under way is uniform, which adds (b − 1)/2.
    ///
    /// ```
    /// # use fluidsim::queueing::batch::Bulk;
    /// let walk = Bulk::new(3.0, 4)?;
    /// // .80088347976 and (4 − 1)/2.
    /// assert!((walk.left_behind_full_batches() - 2.30088347976).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn left_behind_full_batches(&self) -> f64 {
        self.left_behind() + (self.batch - 1.0) / 2.0
    }
}

/// E(A − m)⁺ of A ~ Poisson(mean); above a mean of 10⁷ by the normal law.
pub(crate) fn mean_above(mean: f64, m: f64) -> f64 {
    if mean <= 0.0 {
        return 0.0;
    }
    if mean > 1e7 {
        let z = (m - mean) / mean.sqrt();
        return mean.sqrt() * (normal_density(z) - z * normal_cdf(-z)).max(0.0);
    }
    let mut mass = (m * mean.ln() - mean - ln_gamma(m + 1.0)).exp();
    let (mut sum, mut above) = (0.0, 0.0);
    loop {
        above += 1.0;
        mass *= mean / (m + above);
        let term = above * mass;
        sum += term;
        if term <= 1e-16 * sum {
            return sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    /// Oracle S5: Poisson 3, b = 4; and the chain itself, with full batches.
    #[test]
    fn reserved_slots() {
        let queue = Bulk::new(3.0, 4).unwrap();
        assert_relative_eq!(queue.left_behind(), 0.800_883_479_76, max_relative = 1e-10);
        let mut law = vec![1.0];
        for _ in 0..400 {
            let mut next = vec![0.0; 120];
            for (q, mass) in law.iter().enumerate() {
                let mut poisson = (-3.0f64).exp();
                for a in 0..40 {
                    let sum = q + a;
                    let left = if sum >= 4 { sum - 4 } else { sum };
                    if left < next.len() {
                        next[left] += mass * poisson;
                    }
                    poisson *= 3.0 / (a + 1) as f64;
                }
            }
            law = next;
        }
        let mean: f64 = law.iter().enumerate().map(|(q, mass)| q as f64 * mass).sum();
        assert_relative_eq!(queue.left_behind_full_batches(), mean, max_relative = 1e-9);
    }

    /// Oracle C11, and a power iteration of the chain on 4000 states.
    #[test]
    fn close_to_saturation_it_is_the_chain() {
        for (arrivals, batch, mean) in
            [(3.9, 4, 18.494_229_762), (2.0, 4, 0.099_303_477_569), (1.0, 2, 0.176_741_057_11)]
        {
            assert_relative_eq!(Bulk::new(arrivals, batch).unwrap().left_behind(), mean, max_relative = 1e-9);
        }
    }

    #[test]
    fn near_saturation_it_is_half_the_variance_over_the_slack() {
        let queue = Bulk::new(0.999, 1).unwrap();
        // M/D/1 at the slots: a²/2(1 − a) behind a departure.
        assert_relative_eq!(queue.left_behind(), 0.999 * 0.999 / 0.002, max_relative = 0.02);
        assert!(Bulk::new(1.0, 1).is_err());
        assert_eq!(Bulk::new(0.0, 3).unwrap().left_behind(), 0.0);
    }
}
