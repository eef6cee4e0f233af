//! Closed networks of stations with c servers each and a think time: Gordon–Newell by convolution.
//!
//! P(n) = Π f_k(n_k)/G(N), f_k(n) = Π_{j≤n} D_k/min(j, c_k), and Zⁿ/n! for the thinkers; X = G(N − 1)/G(N). Gordon and
//! Newell (1967), Operations Research 15(2):254–265; Buzen (1973), Computational algorithms for closed queueing
//! networks with exponential servers, Communications of the ACM 16(9):527–531. Times are scaled by the bottleneck's and
//! every vector by its largest entry, so that G neither overflows nor vanishes; all terms are positive.

use crate::queueing::error::{QueueError, not_negative, positive};

/// A closed network with N customers of one class and stations with many servers.
///
/// ```
/// use fluidsim::queueing::networks::Closed;
/// // Two servers at the first station; all states summed with mpmath.
/// let network = Closed::new(&[0.5, 0.3], &[2, 1], 1.0, 5)?;
/// assert!((network.throughput_per_s() - 2.28570386370091).abs() < 1e-13);
/// assert!((network.mean_at(0) - 1.36790228320258).abs() < 1e-13);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Closed {
    throughput_per_s: f64,
    customers: usize,
    think_s: f64,
    laws: Vec<Vec<f64>>,
}

impl Closed {
    /// The network with demands D (s) of its stations, their servers c, think time Z (s), and N customers. The work is
    /// that of K²N² sums.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a value out of range, lists of different lengths, or no work at all.
    pub fn new(demands_s: &[f64], servers: &[u64], think_s: f64, customers: usize) -> Result<Self, QueueError> {
        not_negative("think_s", think_s)?;
        positive("customers", customers as f64)?;
        if servers.len() != demands_s.len() {
            let must = "one for each station";
            return Err(QueueError::Parameter { name: "servers", value: servers.len() as f64, must });
        }
        let mut scale_s = 0.0f64;
        for (&demand, &count) in demands_s.iter().zip(servers) {
            scale_s = scale_s.max(not_negative("demands_s", demand)? / positive("servers", count as f64)?);
        }
        let scale_s = if scale_s == 0.0 { think_s } else { scale_s };
        positive("demands_s", scale_s)?;
        let thinkers = factors(think_s / scale_s, u64::MAX, customers);
        let factors: Vec<Vec<f64>> =
            demands_s.iter().zip(servers).map(|(demand, &count)| factors(demand / scale_s, count, customers)).collect();
        let constant = factors.iter().fold(thinkers.clone(), |product, factor| convolve(&product, factor));
        let laws = (0..factors.len())
            .map(|station| {
                let others = factors.iter().enumerate().filter(|(other, _)| *other != station);
                let rest = others.fold(thinkers.clone(), |product, (_, factor)| convolve(&product, factor));
                let weights: Vec<f64> = (0..=customers).map(|n| factors[station][n] * rest[customers - n]).collect();
                let total: f64 = weights.iter().sum();
                weights.into_iter().map(|weight| weight / total).collect()
            })
            .collect();
        let throughput_per_s = constant[customers - 1] / constant[customers] / scale_s;
        Ok(Self { throughput_per_s, customers, think_s, laws })
    }

    /// X, customers that pass per second.
    pub fn throughput_per_s(&self) -> f64 {
        self.throughput_per_s
    }

    /// R = N/X − Z, mean time from leaving the thinkers to coming back, in seconds.
    pub fn mean_sojourn_s(&self) -> f64 {
        self.customers as f64 / self.throughput_per_s - self.think_s
    }

    /// Q_k, mean number at a station.
    pub fn mean_at(&self, station: usize) -> f64 {
        self.laws[station].iter().enumerate().map(|(n, p)| n as f64 * p).sum()
    }

    /// P(n_k = n).
    pub fn probability_at(&self, station: usize, n: usize) -> f64 {
        self.laws[station].get(n).copied().unwrap_or(0.0)
    }
}

/// f(0), …, f(N), relative to the largest.
fn factors(demand: f64, servers: u64, customers: usize) -> Vec<f64> {
    let mut logs = vec![0.0f64];
    for n in 1..=customers {
        logs.push(logs[n - 1] + (demand / (n as u64).min(servers) as f64).ln());
    }
    let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    logs.into_iter().map(|log| (log - top).exp()).collect()
}

/// The sums of products, relative to the largest.
fn convolve(left: &[f64], right: &[f64]) -> Vec<f64> {
    let sums: Vec<f64> = (0..left.len()).map(|n| (0..=n).map(|j| left[j] * right[n - j]).sum()).collect();
    let top = sums.iter().copied().fold(0.0, f64::max);
    sums.into_iter().map(|sum| sum / top).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::networks::Mva;
    use approx::assert_relative_eq;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn single_servers_are_mva() {
        let mut stream = rand_chacha::ChaCha8Rng::seed_from_u64(4);
        for _ in 0..60 {
            let demands: Vec<f64> = (0..stream.random_range(1..5)).map(|_| stream.random_range(0.01..2.0)).collect();
            let (think, customers) = (stream.random_range(0.0..20.0), stream.random_range(1..80));
            let product = Closed::new(&demands, &vec![1; demands.len()], think, customers).unwrap();
            let values = Mva::new(&demands, think, customers as u64).unwrap();
            assert_relative_eq!(product.throughput_per_s(), values.throughput_per_s(), max_relative = 1e-11);
            for station in 0..demands.len() {
                assert_relative_eq!(product.mean_at(station), values.mean_at(station), max_relative = 1e-11);
            }
        }
    }

    #[test]
    fn many_servers_by_all_states() {
        // All states summed with mpmath to 30 digits.
        let network = Closed::new(&[1.2, 0.3, 0.4], &[3, 1, 2], 0.0, 6).unwrap();
        assert_relative_eq!(network.throughput_per_s(), 2.17254192381014, max_relative = 1e-13);
        for (station, mean) in [3.59716953698019, 1.39743448899803, 1.00539597402178].into_iter().enumerate() {
            assert_relative_eq!(network.mean_at(station), mean, max_relative = 1e-13);
        }
        assert_relative_eq!(network.probability_at(0, 6), 0.119112087628, max_relative = 1e-11);
        // 1.6e-21, where the subtractions of load-dependent mean value analysis would leave nothing.
        let heavy = Closed::new(&[2.0, 0.1], &[4, 1], 0.0, 30).unwrap();
        assert_relative_eq!(heavy.mean_at(0), 29.75, max_relative = 1e-13);
        assert_relative_eq!(heavy.probability_at(0, 1), 1.610612736e-21, max_relative = 1e-11);
    }

    #[test]
    fn thousands_of_customers_do_not_overflow() {
        let network = Closed::new(&[1000.0, 1.0], &[1500, 1], 500.0, 3000).unwrap();
        assert_relative_eq!(network.throughput_per_s(), 1.0, max_relative = 1e-6);
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(Closed::new(&[bad], &[1], 1.0, 2).is_err() && Closed::new(&[1.0], &[1], bad, 2).is_err());
        }
        assert!(Closed::new(&[1.0], &[0], 1.0, 2).is_err() && Closed::new(&[1.0], &[], 1.0, 2).is_err());
        assert!(Closed::new(&[1.0], &[1], 1.0, 0).is_err() && Closed::new(&[0.0], &[1], 0.0, 2).is_err());
    }
}
