//! Percentiles of sums and mixtures: the distribution function is written down where it is known and inverted here.

use super::root;

/// The x in \[low, high\] where the distribution function passes p, to 1e-5 of its size.
pub(super) fn quantile(p: f64, low: f64, high: f64, cdf: impl Fn(f64) -> f64) -> f64 {
    root::narrow(|x| cdf(x) - p, low, high, 1e-5).map_or(high, |bracket| bracket.middle())
}

/// The p50, p95 and p99 of a law given by its distribution function on \[low, high\].
pub(super) fn percentiles(low: f64, high: f64, cdf: impl Fn(f64) -> f64) -> [f64; 3] {
    [0.5, 0.95, 0.99].map(|p| quantile(p, low, high, &cdf))
}

/// Gathers (value, mass) pairs by rank into at most 48 with masses that sum to one and the same mean: fine in the upper
/// tail.
pub(super) fn gathered(mut atoms: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    atoms.retain(|atom| atom.1 > 1e-12);
    atoms.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = atoms.iter().map(|atom| atom.1).sum();
    let mut cells: Vec<(f64, f64)> = Vec::with_capacity(48);
    let (mut sum, mut mass, mut reached) = (0.0, 0.0, 0.0);
    for (index, &(value, weight)) in atoms.iter().enumerate() {
        let share = weight / total;
        sum += value * share;
        mass += share;
        reached += share;
        let width = if reached < 0.9 {
            1.0 / 30.0
        } else if reached < 0.98 {
            0.008
        } else {
            0.002
        };
        if mass >= width || index + 1 == atoms.len() {
            cells.push((sum / mass, mass));
            (sum, mass) = (0.0, 0.0);
        }
    }
    cells
}

/// Distinct values of a whole-number law given by its survival function, with masses: fine towards the upper tail.
pub(super) fn output_nodes(survival: &[f64]) -> Vec<(f64, f64)> {
    let mut shares: Vec<f64> = (0..36).map(|k| f64::from(k) / 40.0).collect();
    shares.extend((0..=20).map(|k| 0.9 + f64::from(k) / 200.0));
    let mut nodes: Vec<(f64, f64)> = Vec::with_capacity(shares.len());
    let mut from = 0;
    for pair in shares.windows(2) {
        let middle = 1.0 - 0.5 * (pair[0] + pair[1]);
        while from < survival.len() && survival[from] > middle {
            from += 1;
        }
        let (value, mass) = (from as f64, pair[1] - pair[0]);
        match nodes.last_mut() {
            Some(last) if last.0 == value => last.1 += mass,
            _ => nodes.push((value, mass)),
        }
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn quantiles_of_an_exponential() {
        let [p50, _, p99] = percentiles(0.0, 50.0, |x| 1.0 - (-x).exp());
        assert_relative_eq!(p50, 2.0_f64.ln(), epsilon = 1e-4);
        assert_relative_eq!(p99, 100.0_f64.ln(), epsilon = 1e-4);
    }

    #[test]
    fn gathering_keeps_mass_and_mean() {
        let atoms: Vec<(f64, f64)> = (0..100).map(|k| (f64::from(k * k), 0.02)).collect();
        let cells = gathered(atoms);
        assert!(cells.len() <= 48);
        assert_relative_eq!(cells.iter().map(|cell| cell.1).sum::<f64>(), 1.0, epsilon = 1e-12);
        assert_relative_eq!(cells.iter().map(|cell| cell.0 * cell.1).sum::<f64>(), 3283.5, max_relative = 1e-12);
    }
}
