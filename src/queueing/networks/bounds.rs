//! Bounds of the throughput of a closed network of single-server queues, without solving it.
//!
//! With D = ΣD_k and the largest demand D_max: N/(D + Z + (N−1)D_max) ≤ X ≤ min(1/D_max, N/(D + Z)). The upper bound is
//! that of Lazowska, Zahorjan, Graham and Sevcik (1984), *Quantitative System Performance*, §5.2; the lower one follows
//! from the arrival theorem, R = D + ΣD_kQ_k(N−1) with ΣQ_k ≤ N − 1, and is tighter than their N/(ND + Z).

use crate::queueing::error::{QueueError, not_negative, positive};

/// The bounds (lower, upper) of X, customers per second, for demands D (s), think time Z (s) and N customers.
///
/// ```
/// use fluidsim::queueing::networks::asymptotic_bounds;
/// // The network whose exact X is 1.92.
/// let (low, high) = asymptotic_bounds(&[0.5, 0.3, 0.1], 2.0, 10)?;
/// assert!(low < 1.92125320043 && 1.92125320043 < high && high == 2.0);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] for a time that is negative or not finite, no customers, or no work at a station.
pub fn asymptotic_bounds(demands_s: &[f64], think_s: f64, customers: u64) -> Result<(f64, f64), QueueError> {
    not_negative("think_s", think_s)?;
    positive("customers", customers as f64)?;
    for &demand in demands_s {
        not_negative("demands_s", demand)?;
    }
    let largest_s = positive("demands_s", demands_s.iter().copied().fold(0.0, f64::max))?;
    let alone_s = demands_s.iter().sum::<f64>() + think_s;
    let count = customers as f64;
    Ok((count / (alone_s + (count - 1.0) * largest_s), (1.0 / largest_s).min(count / alone_s)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::networks::Mva;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn the_exact_value_lies_between() {
        let mut stream = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        for _ in 0..200 {
            let demands: Vec<f64> = (0..stream.random_range(1..6)).map(|_| stream.random_range(0.01..2.0)).collect();
            let (think, customers) = (stream.random_range(0.0..10.0), stream.random_range(1..60));
            let exact = Mva::new(&demands, think, customers).unwrap().throughput_per_s();
            let (low, high) = asymptotic_bounds(&demands, think, customers).unwrap();
            assert!(low <= exact * (1.0 + 1e-12) && exact <= high * (1.0 + 1e-12), "{low} {exact} {high}");
        }
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        assert!(asymptotic_bounds(&[], 1.0, 2).is_err() && asymptotic_bounds(&[f64::NAN], 1.0, 2).is_err());
        assert!(asymptotic_bounds(&[1.0], -1.0, 2).is_err() && asymptotic_bounds(&[1.0], 1.0, 0).is_err());
    }
}
