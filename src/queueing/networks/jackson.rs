//! Open Jackson networks: Poisson arrivals from outside, exponential service at nodes of c servers, random routing.
//!
//! Traffic equations λ_j = γ_j + Σ_i λ_i p_ij; the stationary law is the product of those of M/M/c queues with rates
//! λ_j. Jackson (1957), Networks of waiting lines, Operations Research 5(4):518–521.

use crate::queueing::error::{QueueError, not_negative};
use crate::queueing::markov::Mmc;
use nalgebra::{DMatrix, DVector};

/// A stable open network.
///
/// ```
/// use fluidsim::queueing::networks::Jackson;
/// let routing = [vec![0.0, 0.6, 0.2], vec![0.1, 0.0, 0.5], vec![0.1, 0.0, 0.0]];
/// let network = Jackson::new(&[1.0, 0.5, 0.0], &routing, &[2.0, 2.0, 1.5], &[1, 1, 1])?;
/// assert!((network.arrivals_per_s(0) - 1.20786516854).abs() < 1e-11);
/// assert!((network.mean_in_system() - 4.42627197039778).abs() < 1e-12);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Jackson {
    from_outside_per_s: f64,
    arrivals_per_s: Vec<f64>,
    nodes: Vec<Mmc>,
}

impl Jackson {
    /// The network with outside arrivals γ, routing p_ij (rows sum to at most 1, the rest leaves), service rates μ per
    /// server, and servers c of each node.
    ///
    /// # Errors
    /// [`QueueError::UnstableNode`] for the first node with λ ≥ cμ; [`QueueError::Parameter`] for lists of different
    /// lengths, rates or shares out of range, or customers who never leave.
    pub fn new(
        outside_per_s: &[f64],
        routing: &[Vec<f64>],
        services_per_s: &[f64],
        servers: &[u64],
    ) -> Result<Self, QueueError> {
        let arrivals_per_s = traffic(outside_per_s, routing)?;
        let count = arrivals_per_s.len();
        if services_per_s.len() != count || servers.len() != count {
            let must = "one for each node";
            return Err(QueueError::Parameter { name: "services_per_s", value: services_per_s.len() as f64, must });
        }
        let nodes = (0..count)
            .map(|node| match Mmc::new(arrivals_per_s[node], services_per_s[node], servers[node]) {
                Err(QueueError::Unstable { growth_per_s }) => Err(QueueError::UnstableNode { node, growth_per_s }),
                other => other,
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { from_outside_per_s: outside_per_s.iter().sum(), arrivals_per_s, nodes })
    }

    /// λ_j, visits to a node per second.
    ///
    /// ```
    /// # use fluidsim::queueing::networks::Jackson;
    /// let routing = [vec![0.0, 0.6, 0.2], vec![0.1, 0.0, 0.5], vec![0.1, 0.0, 0.0]];
    /// let network = Jackson::new(&[1.0, 0.5, 0.0], &routing, &[2.0, 2.0, 1.5], &[1, 1, 1])?;
    /// // The linear equations, solved with mpmath.
    /// assert!((network.arrivals_per_s(0) - 1.20786516854).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn arrivals_per_s(&self, node: usize) -> f64 {
        self.arrivals_per_s[node]
    }

    /// λ_j/Σγ, the mean number of visits of a customer to a node.
    ///
    /// ```
    /// # use fluidsim::queueing::networks::Jackson;
    /// let routing = [vec![0.0, 0.6, 0.2], vec![0.1, 0.0, 0.5], vec![0.1, 0.0, 0.0]];
    /// let network = Jackson::new(&[1.0, 0.5, 0.0], &routing, &[2.0, 2.0, 1.5], &[1, 1, 1])?;
    /// // λ₁ over the 1.5 per second that come from outside.
    /// assert!((network.visit_ratio(0) - 1.20786516854 / 1.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn visit_ratio(&self, node: usize) -> f64 {
        self.arrivals_per_s[node] / self.from_outside_per_s
    }

    /// The M/M/c queue that a node is: ρ, L, W and the rest, for one visit.
    ///
    /// ```
    /// # use fluidsim::queueing::networks::Jackson;
    /// let routing = [vec![0.0, 0.6, 0.2], vec![0.1, 0.0, 0.5], vec![0.1, 0.0, 0.0]];
    /// let network = Jackson::new(&[1.0, 0.5, 0.0], &routing, &[2.0, 2.0, 1.5], &[1, 1, 1])?;
    /// // λ₁/2, with mpmath.
    /// assert!((network.node(0).utilization() - 0.60393258427).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn node(&self, node: usize) -> &Mmc {
        &self.nodes[node]
    }

    /// Σγ, customers that pass per second.
    ///
    /// ```
    /// # use fluidsim::queueing::networks::Jackson;
    /// let routing = [vec![0.0, 0.6, 0.2], vec![0.1, 0.0, 0.5], vec![0.1, 0.0, 0.0]];
    /// let network = Jackson::new(&[1.0, 0.5, 0.0], &routing, &[2.0, 2.0, 1.5], &[1, 1, 1])?;
    /// // What comes from outside: 1 + .5.
    /// assert!((network.throughput_per_s() - 1.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn throughput_per_s(&self) -> f64 {
        self.from_outside_per_s
    }

    /// L = Σ L_j, mean number in the network.
    ///
    /// ```
    /// # use fluidsim::queueing::networks::Jackson;
    /// let routing = [vec![0.0, 0.6, 0.2], vec![0.1, 0.0, 0.5], vec![0.1, 0.0, 0.0]];
    /// let network = Jackson::new(&[1.0, 0.5, 0.0], &routing, &[2.0, 2.0, 1.5], &[1, 1, 1])?;
    /// // Σρ/(1 − ρ).
    /// assert!((network.mean_in_system() - (0.60393258427 / 0.39606741573 + 0.612359550562 / 0.387640449438 + 0.569288389513 / 0.430711610487)).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_in_system(&self) -> f64 {
        self.nodes.iter().map(Mmc::mean_in_system).sum()
    }

    /// W = L/Σγ, mean time of a customer in the network, in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::networks::Jackson;
    /// // M/M/1 to which half return: λ = 2·0.4, so L = 4 and W = 4/0.4.
    /// let network = Jackson::new(&[0.4], &[vec![0.5]], &[1.0], &[1])?;
    /// assert!((network.mean_sojourn_s() - 10.0).abs() < 1e-12);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_sojourn_s(&self) -> f64 {
        self.mean_in_system() / self.from_outside_per_s
    }
}

/// λ of (I − Pᵀ)λ = γ.
fn traffic(outside_per_s: &[f64], routing: &[Vec<f64>]) -> Result<Vec<f64>, QueueError> {
    let count = outside_per_s.len();
    if count == 0 || routing.len() != count || routing.iter().any(|row| row.len() != count) {
        return Err(QueueError::Parameter {
            name: "routing",
            value: routing.len() as f64,
            must: "square, a row a node",
        });
    }
    for &rate in outside_per_s {
        not_negative("outside_per_s", rate)?;
    }
    for row in routing {
        for &share in row {
            not_negative("routing", share)?;
        }
        let sum: f64 = row.iter().sum();
        if sum > 1.0 + 1e-12 {
            return Err(QueueError::Parameter { name: "routing", value: sum, must: "at most 1 in each row" });
        }
    }
    if outside_per_s.iter().sum::<f64>() <= 0.0 {
        return Err(QueueError::Parameter { name: "outside_per_s", value: 0.0, must: "positive somewhere" });
    }
    let system = DMatrix::from_fn(count, count, |i, j| f64::from(u8::from(i == j)) - routing[j][i]);
    let found = system.lu().solve(&DVector::from_column_slice(outside_per_s));
    let must = "such that every customer can leave";
    let stuck = QueueError::Parameter { name: "routing", value: 1.0, must };
    // A closed set makes I − Pᵀ singular; rounding may leave it invertible with a solution without meaning.
    found
        .map(|rates| rates.iter().map(|rate| if rate.abs() < 1e-300 { 0.0 } else { *rate }).collect::<Vec<_>>())
        .filter(|rates| rates.iter().all(|rate| rate.is_finite() && (0.0..1e14).contains(rate)))
        .ok_or(stuck)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    fn routing() -> [Vec<f64>; 3] {
        [vec![0.0, 0.6, 0.2], vec![0.1, 0.0, 0.5], vec![0.1, 0.0, 0.0]]
    }

    #[test]
    fn the_table_is_met() {
        let network = Jackson::new(&[1.0, 0.5, 0.0], &routing(), &[2.0, 2.0, 1.5], &[1, 1, 1]).unwrap();
        // λ, ρ of the oracle; L, W by mpmath to 30 digits.
        let table = [
            [1.20786516854, 0.60393258427, 1.52482269503546, 1.26241134751773],
            [1.22471910112, 0.612359550562, 1.57971014492754, 1.28985507246377],
            [0.85393258427, 0.569288389513, 1.32173913043478, 1.54782608695652],
        ];
        for (node, [rate, rho, mean, sojourn]) in table.into_iter().enumerate() {
            assert_relative_eq!(network.arrivals_per_s(node), rate, max_relative = 1e-11);
            assert_relative_eq!(network.node(node).utilization(), rho, max_relative = 1e-11);
            assert_relative_eq!(network.node(node).mean_in_system(), mean, max_relative = 1e-12);
            assert_relative_eq!(network.node(node).mean_sojourn_s(), sojourn, max_relative = 1e-12);
        }
        assert_relative_eq!(network.mean_in_system(), 4.42627197039778, max_relative = 1e-12);
        assert_relative_eq!(network.mean_sojourn_s(), 2.95084798026519, max_relative = 1e-12);
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        let slow = Jackson::new(&[1.0, 0.5, 0.0], &routing(), &[2.0, 1.0, 1.5], &[1, 1, 1]);
        assert!(matches!(slow, Err(QueueError::UnstableNode { node: 1, .. })));
        assert!(Jackson::new(&[1.0, 0.5, 0.0], &routing(), &[2.0, 1.0, 1.5], &[1, 2, 1]).is_ok());
        assert!(Jackson::new(&[1.0], &[vec![1.0]], &[2.0], &[1]).is_err());
        assert!(Jackson::new(&[1.0], &[vec![1.1]], &[2.0], &[1]).is_err());
        assert!(Jackson::new(&[f64::NAN], &[vec![0.1]], &[2.0], &[1]).is_err());
        assert!(Jackson::new(&[1.0], &[vec![0.1]], &[2.0, 1.0], &[1]).is_err());
    }
}
