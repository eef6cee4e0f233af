//! Exact mean value analysis of a closed network of single-server queues with a think time.
//!
//! R_k(n) = D_k(1 + Q_k(n − 1)), X(n) = n/(Z + Σ R_k), Q_k = X R_k. Reiser and Lavenberg (1980), Mean-value analysis of
//! closed multichain queueing networks, Journal of the ACM 27(2):313–322.

use crate::queueing::error::{QueueError, not_negative};

/// A closed network with N customers of one class.
///
/// ```
/// use fluidsim::queueing::networks::Mva;
/// let network = Mva::new(&[0.5, 0.3, 0.1], 2.0, 10)?;
/// assert!((network.throughput_per_s() - 1.92125320043).abs() < 1e-11);
/// assert!((network.mean_at(0) - 4.68584127389).abs() < 1e-10);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Mva {
    demands_s: Vec<f64>,
    throughput_per_s: f64,
    response_s: f64,
    means: Vec<f64>,
}

impl Mva {
    /// The network with demands D (visits times service, s) of its stations, think time Z (s), and N customers.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a time that is negative or not finite, no customers, or no work at all.
    pub fn new(demands_s: &[f64], think_s: f64, customers: u64) -> Result<Self, QueueError> {
        not_negative("think_s", think_s)?;
        for &demand in demands_s {
            not_negative("demands_s", demand)?;
        }
        if demands_s.iter().sum::<f64>() + think_s <= 0.0 {
            return Err(QueueError::Parameter { name: "demands_s", value: 0.0, must: "positive somewhere" });
        }
        if customers == 0 {
            return Err(QueueError::Parameter { name: "customers", value: 0.0, must: "at least 1" });
        }
        let mut means = vec![0.0; demands_s.len()];
        let (mut throughput_per_s, mut response_s) = (0.0, 0.0);
        for n in 1..=customers {
            let stays: Vec<f64> = demands_s.iter().zip(&means).map(|(demand, mean)| demand * (1.0 + mean)).collect();
            response_s = stays.iter().sum();
            throughput_per_s = n as f64 / (think_s + response_s);
            means = stays.into_iter().map(|stay| throughput_per_s * stay).collect();
        }
        Ok(Self { demands_s: demands_s.to_vec(), throughput_per_s, response_s, means })
    }

    /// X, customers that pass per second.
    pub fn throughput_per_s(&self) -> f64 {
        self.throughput_per_s
    }

    /// R, mean time from leaving the thinkers to coming back, in seconds.
    pub fn mean_sojourn_s(&self) -> f64 {
        self.response_s
    }

    /// Q_k, mean number at a station.
    pub fn mean_at(&self, station: usize) -> f64 {
        self.means[station]
    }

    /// XD_k, the share of time that a station works.
    pub fn utilization(&self, station: usize) -> f64 {
        self.throughput_per_s * self.demands_s[station]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    /// N, X, R, Q of D = (.5, .3, .1) s, Z = 2 s.
    const TABLE: [(u64, [f64; 5]); 5] = [
        (1, [0.344827586207, 0.9, 0.172413793103, 0.103448275862, 0.0344827586207]),
        (2, [0.662100456621, 1.02068965517, 0.388127853881, 0.219178082192, 0.0684931506849]),
        (5, [1.40685287474, 1.55403190324, 1.40100883948, 0.626061848463, 0.159223562568]),
        (10, [1.92125320043, 3.20493602704, 4.68584127389, 1.23568061616, 0.235971709084]),
        (20, [1.99949468522, 8.00252721243, 14.2563482273, 1.4947571401, 0.249905262187]),
    ];

    #[test]
    fn the_table_is_met() {
        for (customers, expected) in TABLE {
            let network = Mva::new(&[0.5, 0.3, 0.1], 2.0, customers).unwrap();
            let means = [network.mean_at(0), network.mean_at(1), network.mean_at(2)];
            let found = [[network.throughput_per_s(), network.mean_sojourn_s()].as_slice(), &means].concat();
            for (value, expected) in found.into_iter().zip(expected) {
                assert_relative_eq!(value, expected, max_relative = 1e-11);
            }
            // All customers are somewhere, and the law of the bottleneck holds.
            let thinking = 2.0 * network.throughput_per_s();
            assert_relative_eq!(means.iter().sum::<f64>() + thinking, customers as f64, max_relative = 1e-13);
            assert!(network.utilization(0) < 1.0);
        }
    }

    #[test]
    fn equal_stations_share_alike() {
        // K equal stations without thinking: X = N/(D(N + K − 1)).
        let network = Mva::new(&[0.2; 4], 0.0, 7).unwrap();
        assert_relative_eq!(network.throughput_per_s(), 7.0 / (0.2 * 10.0), max_relative = 1e-13);
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(Mva::new(&[bad], 1.0, 2).is_err() && Mva::new(&[1.0], bad, 2).is_err());
        }
        assert!(Mva::new(&[1.0], 1.0, 0).is_err() && Mva::new(&[], 0.0, 1).is_err());
    }
}
