//! M/M/1 before its stationary state, by uniformisation.
//!
//! The chain jumps at the ends of a Poisson process with rate q = λ + μ: p(t) = Σ_k Poisson(qt; k) p₀Pᵏ. Jensen (1953),
//! Markoff chains as an aid in the study of Markoff processes, Skandinavisk Aktuarietidskrift 36:87–91. k stops where
//! the rest of the Poisson law is below 1e-12, the bound of the error of every probability; after k jumps no state
//! beyond n₀ + k is reached, so the states are not cut. All terms are positive: small probabilities keep their digits.
//! The work is that of (qt)² sums.

use crate::queueing::error::{QueueError, not_negative, positive};

/// The law of the number in system at a time t, at any load.
///
/// ```
/// use fluidsim::queueing::transient::Mm1At;
/// // λ = .8, μ = 1, from 20 customers, after 10 s.
/// let law = Mm1At::new(0.8, 1.0, 20, 10.0)?;
/// assert!((law.probability(0) - 3.15192187864e-05).abs() < 1e-15);
/// assert!((law.mean_in_system() - 18.0000301135).abs() < 1e-9);
/// assert!((law.variance_in_system() - 17.9988757153).abs() < 1e-9);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Mm1At {
    law: Vec<f64>,
}

impl Mm1At {
    /// The queue with arrival rate λ and service rate μ, per second, that holds `start` customers at 0, seen at t.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a rate or time out of range.
    pub fn new(arrivals_per_s: f64, services_per_s: f64, start: usize, t_s: f64) -> Result<Self, QueueError> {
        not_negative("arrivals_per_s", arrivals_per_s)?;
        positive("services_per_s", services_per_s)?;
        not_negative("t_s", t_s)?;
        let jumps_per_s = arrivals_per_s + services_per_s;
        let weights = poisson_weights(jumps_per_s * t_s);
        let up = arrivals_per_s / jumps_per_s;
        let mut now = vec![0.0; start + weights.len() + 1];
        let (mut next, mut law) = (now.clone(), now.clone());
        now[start] = 1.0;
        for (jumps, weight) in weights.iter().enumerate() {
            for (sum, p) in law.iter_mut().zip(&now) {
                *sum += weight * p;
            }
            let reach = start + jumps + 1;
            // Service at an empty system is a jump to itself.
            next[0] = (1.0 - up) * (now[0] + now[1]);
            for n in 1..=reach.min(now.len() - 2) {
                next[n] = up * now[n - 1] + (1.0 - up) * now[n + 1];
            }
            std::mem::swap(&mut now, &mut next);
        }
        Ok(Self { law })
    }

    /// p_n(t).
    pub fn probability(&self, n: usize) -> f64 {
        self.law.get(n).copied().unwrap_or(0.0)
    }

    /// E N(t).
    pub fn mean_in_system(&self) -> f64 {
        self.law.iter().enumerate().map(|(n, p)| n as f64 * p).sum()
    }

    /// Var N(t).
    pub fn variance_in_system(&self) -> f64 {
        let mean = self.mean_in_system();
        self.law.iter().enumerate().map(|(n, p)| (n as f64 - mean).powi(2) * p).sum()
    }
}

/// Poisson(mean; 0, 1, …) up to ten deviations and fifty beyond the mean, from the mode outwards and scaled to sum to 1.
fn poisson_weights(mean: f64) -> Vec<f64> {
    let (mode, last) = (mean as usize, (mean + 10.0 * mean.sqrt() + 50.0) as usize);
    let mut weights = vec![0.0; last + 1];
    weights[mode] = 1.0;
    for k in (1..=mode).rev() {
        weights[k - 1] = weights[k] * k as f64 / mean;
    }
    for k in mode + 1..=last {
        weights[k] = weights[k - 1] * mean / k as f64;
    }
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::markov::Mm1;
    use approx::assert_relative_eq;

    /// λ, n₀, t, p₀(t), E N(t), Var N(t) at μ = 1; mpmath, p₀₀ checked by the Bessel formula.
    #[rustfmt::skip]
    const TABLE: [(f64, usize, f64, [f64; 3]); 15] = [
        (0.5, 0, 1.0, [0.726255083059, 0.334744666313, 0.36378220184]),
        (0.5, 0, 5.0, [0.549166124491, 0.751083281676, 1.11747897053]),
        (0.5, 0, 50.0, [0.500082049089, 0.999241849148, 1.99508960979]),
        (0.5, 0, 100.0, [0.500000447279, 0.9999954534, 1.99996696719]),
        (0.8, 0, 1.0, [0.597398750281, 0.551551858273, 0.62110883289]),
        (0.8, 0, 10.0, [0.286422593285, 2.03028156358, 4.44075055495]),
        (0.8, 0, 50.0, [0.214117916887, 3.405038978, 12.9265131433]),
        (0.8, 0, 100.0, [0.203976437294, 3.79187269258, 16.9854291891]),
        (1.2, 0, 5.0, [0.173374653417, 2.71513140191, 5.09116523101]),
        (1.2, 0, 10.0, [0.102720704373, 4.37428950244, 10.8160739979]),
        (1.2, 0, 50.0, [0.018965481658, 14.0881348101, 69.17310846]),
        (0.8, 20, 1.0, [7.39659490937e-20, 19.8, 1.8]),
        (0.8, 20, 5.0, [1.52611655528e-08, 19.0000000053, 8.99999979225]),
        (0.8, 20, 10.0, [3.15192187864e-05, 18.0000301135, 17.9988757153]),
        (0.8, 20, 100.0, [0.150400835228, 6.75024602809, 53.3242877564]),
    ];

    #[test]
    fn the_table_is_met() {
        for (arrivals, start, t_s, expected) in TABLE {
            let law = Mm1At::new(arrivals, 1.0, start, t_s).unwrap();
            let found = [law.probability(0), law.mean_in_system(), law.variance_in_system()];
            for (value, expected) in found.into_iter().zip(expected) {
                assert_relative_eq!(value, expected, max_relative = 1e-10);
            }
        }
        // The Bessel formula of p₀₀.
        for (arrivals, t_s, empty) in [(0.5, 10.0, 0.516452025492), (0.8, 5.0, 0.348967942941)] {
            let law = Mm1At::new(arrivals, 1.0, 0, t_s).unwrap();
            assert_relative_eq!(law.probability(0), empty, max_relative = 1e-10);
        }
    }

    #[test]
    fn it_starts_where_it_was_and_ends_stationary() {
        assert_eq!(Mm1At::new(0.8, 1.0, 7, 0.0).unwrap().probability(7), 1.0);
        let (late, limit) = (Mm1At::new(0.6, 2.0, 5, 200.0).unwrap(), Mm1::new(0.6, 2.0).unwrap());
        for n in 0..20 {
            assert_relative_eq!(late.probability(n), limit.probability(n as u64), max_relative = 1e-10);
        }
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(Mm1At::new(bad, 1.0, 0, 1.0).is_err() && Mm1At::new(1.0, bad, 0, 1.0).is_err());
            assert!(Mm1At::new(1.0, 1.0, 0, bad).is_err());
        }
    }
}
