//! Percentiles of sums and mixtures: the distribution function is written down where it is known and inverted here.

/// The least x in [low, high] with cdf(x) ≥ p, by bisection to 1e-6 of the range.
pub(super) fn quantile(p: f64, low: f64, high: f64, cdf: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (low, high);
    for _ in 0..22 {
        let middle = 0.5 * (low + high);
        if cdf(middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// The p50, p95 and p99 of a law given by its distribution function on [low, high].
pub(super) fn percentiles(low: f64, high: f64, cdf: impl Fn(f64) -> f64) -> [f64; 3] {
    [0.5, 0.95, 0.99].map(|p| quantile(p, low, high, &cdf))
}

/// Gathers (value, mass) pairs into at most `count` of nearly equal width, masses normalised, means kept.
pub(super) fn gathered(mut atoms: Vec<(f64, f64)>, count: usize) -> Vec<(f64, f64)> {
    atoms.retain(|atom| atom.1 > 1e-12);
    atoms.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = atoms.iter().map(|atom| atom.1).sum();
    let (Some(first), Some(last)) = (atoms.first(), atoms.last()) else { return atoms };
    let (low, width) = (first.0, (last.0 - first.0) / count as f64);
    let mut cells = vec![(0.0, 0.0); count];
    for &(value, mass) in &atoms {
        let index = if width > 0.0 { (((value - low) / width) as usize).min(count - 1) } else { 0 };
        cells[index].0 += value * mass;
        cells[index].1 += mass;
    }
    cells.into_iter().filter(|cell| cell.1 > 0.0).map(|(sum, mass)| (sum / mass, mass / total)).collect()
}

/// Values of a whole-number law given by its survival function, with masses: fine towards the upper tail.
pub(super) fn output_nodes(survival: &[f64]) -> Vec<(f64, f64)> {
    let mut shares: Vec<f64> = (0..36).map(|k| f64::from(k) / 40.0).collect();
    shares.extend((0..=20).map(|k| 0.9 + f64::from(k) / 200.0));
    let mut nodes = Vec::with_capacity(shares.len());
    let mut from = 0;
    for pair in shares.windows(2) {
        let middle = 1.0 - 0.5 * (pair[0] + pair[1]);
        while from < survival.len() && survival[from] > middle {
            from += 1;
        }
        nodes.push((from as f64, pair[1] - pair[0]));
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
        let cells = gathered(atoms, 10);
        assert!(cells.len() <= 10);
        assert_relative_eq!(cells.iter().map(|cell| cell.1).sum::<f64>(), 1.0, epsilon = 1e-12);
        assert_relative_eq!(cells.iter().map(|cell| cell.0 * cell.1).sum::<f64>(), 3283.5, max_relative = 1e-12);
    }
}
