//! How the lengths of prompt and output hang together: Pearson's, Spearman's and Kendall's coefficients with tests.

use statrs::distribution::{ContinuousCDF, Normal};

/// Coefficients of dependence of pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dependence {
    /// Pairs that were used.
    pub pairs: usize,
    /// Pearson's r, with its interval of 95 % by Fisher's transformation, which takes the pairs to be normal.
    pub pearson: (f64, f64, f64),
    /// Spearman's ρ: Pearson's of mean ranks.
    pub spearman: f64,
    /// Two-sided p of no dependence, by the normal limit of ρ√(n − 1).
    pub spearman_p: f64,
    /// Kendall's τ_b, corrected for ties.
    pub kendall: f64,
    /// Two-sided p of no dependence, by the normal limit with the variance for ties (Kendall 1970).
    pub kendall_p: f64,
    /// ρ of a Gaussian copula with that τ: sin(πτ/2).
    pub copula: f64,
}

/// The dependence of pairs; none of fewer than four, or where one side never varies.
pub fn dependence(pairs: &[(u64, u64)]) -> Option<Dependence> {
    let n = pairs.len() as f64;
    if pairs.len() < 4 {
        return None;
    }
    let normal = Normal::standard();
    let two_sided = |z: f64| 2.0 * normal.cdf(-z.abs());
    let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().map(|&(a, b)| (a as f64, b as f64)).unzip();
    let r = pearson(&a, &b)?;
    let half = 1.96 / (n - 3.0).sqrt();
    let spearman = pearson(&ranks(&a), &ranks(&b))?;
    let (kendall, z) = kendall(pairs)?;
    Some(Dependence {
        pairs: pairs.len(),
        pearson: (r, (r.atanh() - half).tanh(), (r.atanh() + half).tanh()),
        spearman,
        spearman_p: two_sided(spearman * (n - 1.0).sqrt()),
        kendall,
        kendall_p: two_sided(z),
        copula: (std::f64::consts::FRAC_PI_2 * kendall).sin(),
    })
}

fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    let n = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let sum = |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(x, y)| f(x - mean_a, y - mean_b)).sum::<f64>();
    let scale = (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt();
    (scale > 0.0).then(|| (sum(&|x, y| x * y) / scale).clamp(-1.0, 1.0))
}

/// Ranks from 1; equal values share their mean rank.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    for group in order.chunk_by(|&i, &j| values[i] == values[j]) {
        let first = group.first().map_or(0, |&i| order.partition_point(|&j| values[j] < values[i]));
        let rank = first as f64 + 0.5 * (group.len() as f64 + 1.0);
        group.iter().for_each(|&i| ranks[i] = rank);
    }
    ranks
}

/// τ_b, and how many standard deviations it lies from 0 without dependence; discordant pairs by merge sort (Knight 1966, JASA 61:436–439).
fn kendall(pairs: &[(u64, u64)]) -> Option<(f64, f64)> {
    let mut sorted = pairs.to_vec();
    sorted.sort_unstable();
    let both = ties(&sorted.chunk_by(|p, q| p == q).map(<[_]>::len).collect::<Vec<_>>());
    let first = ties(&sorted.chunk_by(|p, q| p.0 == q.0).map(<[_]>::len).collect::<Vec<_>>());
    let mut outputs: Vec<u64> = sorted.iter().map(|pair| pair.1).collect();
    let discordant = inversions(&mut outputs);
    let second = ties(&outputs.chunk_by(|p, q| p == q).map(<[_]>::len).collect::<Vec<_>>());
    let n = pairs.len() as f64;
    let all = n * (n - 1.0) / 2.0;
    let surplus = all - first.pairs - second.pairs + both.pairs - 2.0 * discordant;
    let scale = ((all - first.pairs) * (all - second.pairs)).sqrt();
    if scale <= 0.0 {
        return None;
    }
    let m = 2.0 * all;
    let variance = (m * (2.0 * n + 5.0) - first.weighted - second.weighted) / 18.0
        + 2.0 * first.pairs * second.pairs / m
        + first.triples * second.triples / (9.0 * m * (n - 2.0));
    Some((surplus / scale, surplus / variance.sqrt()))
}

/// Sums over groups of t equal values: t(t − 1)/2, t(t − 1)(t − 2) and t(t − 1)(2t + 5).
struct Ties {
    pairs: f64,
    triples: f64,
    weighted: f64,
}

fn ties(groups: &[usize]) -> Ties {
    let sum = |f: fn(f64) -> f64| groups.iter().map(|&t| f(t as f64)).sum();
    Ties {
        pairs: sum(|t| t * (t - 1.0) / 2.0),
        triples: sum(|t| t * (t - 1.0) * (t - 2.0)),
        weighted: sum(|t| t * (t - 1.0) * (2.0 * t + 5.0)),
    }
}

/// Sorts the values and counts the pairs that stood in the wrong order.
fn inversions(values: &mut Vec<u64>) -> f64 {
    let n = values.len();
    let (mut count, mut width) = (0_u64, 1);
    let mut next = values.clone();
    while width < n {
        for start in (0..n).step_by(2 * width) {
            let (middle, end) = ((start + width).min(n), (start + 2 * width).min(n));
            let (mut i, mut j) = (start, middle);
            for place in &mut next[start..end] {
                let from_left = i < middle && (j >= end || values[i] <= values[j]);
                if from_left {
                    *place = values[i];
                    i += 1;
                } else {
                    *place = values[j];
                    j += 1;
                    count += (middle - i) as u64;
                }
            }
        }
        std::mem::swap(values, &mut next);
        width *= 2;
    }
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    /// scipy 1.17.1: `pearsonr`, `spearmanr`, `kendalltau(method="asymptotic")` of (k² mod 17 + 1, 3k mod 13 + k mod 3 + 1), k = 0…29.
    #[test]
    fn coefficients_are_those_of_scipy() {
        let pairs: Vec<(u64, u64)> = (0..30).map(|k| (k * k % 17 + 1, 3 * k % 13 + k % 3 + 1)).collect();
        let found = dependence(&pairs).unwrap();
        assert_relative_eq!(found.pearson.0, 0.07197349667535455, max_relative = 1e-12);
        assert_relative_eq!(found.spearman, 0.0926450729672461, max_relative = 1e-12);
        assert_relative_eq!(found.kendall, 0.0813949344986543, max_relative = 1e-12);
        assert_relative_eq!(found.kendall_p, 0.5512715624987391, max_relative = 1e-9);
    }

    #[test]
    fn perfect_order_has_coefficients_of_one() {
        let rising: Vec<(u64, u64)> = (0..50).map(|k| (k, k * k)).collect();
        let found = dependence(&rising).unwrap();
        assert!(found.spearman == 1.0 && found.kendall == 1.0 && found.kendall_p < 1e-12 && found.pearson.0 < 1.0);
        let falling: Vec<(u64, u64)> = (0..50).map(|k| (k, 100 - k)).collect();
        assert_relative_eq!(dependence(&falling).unwrap().copula, -1.0, epsilon = 1e-12);
        assert!(dependence(&[(1, 2), (1, 3), (1, 4), (1, 5)]).is_none());
    }
}
