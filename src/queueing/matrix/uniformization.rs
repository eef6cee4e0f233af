//! Laws of absorption times by uniformisation, and the few pieces of linear algebra that they share.
//!
//! With every phase left at rate q, P(X > t) = Σ_k e^{−qt}(qt)^k/k! · s_k, s_k the probability of no absorption in k jumps.
//! All terms are positive, so no digits cancel, also far out in the tail (Jensen 1953, Skandinavisk Aktuarietidskrift 36:87–91).

use nalgebra::{DMatrix, DVector};

use crate::queueing::error::QueueError;

/// The terms (survival, density) of a uniformised law, computed as far as they are asked for.
pub(super) struct Series<I> {
    rate_per_s: f64,
    terms: Vec<(f64, f64)>,
    more: I,
}

impl<I: Iterator<Item = (f64, f64)>> Series<I> {
    pub(super) fn new(rate_per_s: f64, more: I) -> Self {
        Self { rate_per_s, terms: Vec::new(), more }
    }

    /// Survival and density at t.
    pub(super) fn at(&mut self, t_s: f64) -> (f64, f64) {
        if t_s == f64::INFINITY {
            return (0.0, 0.0);
        }
        let weights = poisson_weights(self.rate_per_s * t_s.max(0.0));
        while self.terms.len() < weights.len() {
            match self.more.next() {
                Some(term) => self.terms.push(term),
                None => break,
            }
        }
        let sum = |(s, d): (f64, f64), (w, term): (&f64, &(f64, f64))| (s + w * term.0, d + w * term.1);
        weights.iter().zip(&self.terms).fold((0.0, 0.0), sum)
    }

    /// The least t with P(X ≤ t) ≥ p: Newton's steps on the logarithm of the survival function, kept in a bracket.
    pub(super) fn quantile(&mut self, p: f64, guess_s: f64) -> f64 {
        let goal = (-p).ln_1p();
        if self.at(0.0).0.ln() <= goal {
            return 0.0;
        }
        let (mut low, mut high) = (0.0, guess_s);
        while self.at(high).0.ln() > goal {
            low = high;
            high *= 2.0;
        }
        let mut t = 0.5 * (low + high);
        for _ in 0..200 {
            let (survival, density) = self.at(t);
            let miss = survival.ln() - goal;
            if miss > 0.0 {
                low = t;
            } else {
                high = t;
            }
            let step = t + miss * survival / density;
            let next = if step > low && step < high { step } else { 0.5 * (low + high) };
            if (next - t).abs() <= 1e-14 * t {
                return next;
            }
            t = next;
        }
        t
    }
}

/// Poisson probabilities from 0 to where they no longer count, by ratios from the mode, divided by their sum.
fn poisson_weights(mean: f64) -> Vec<f64> {
    let mode = mean.floor();
    let last = mode + 10.0 * mode.sqrt() + 40.0;
    let mut weights = vec![1.0; last as usize + 1];
    let mode = mode as usize;
    for k in (0..mode).rev() {
        weights[k] = weights[k + 1] * (k + 1) as f64 / mean;
    }
    for k in mode + 1..weights.len() {
        weights[k] = weights[k - 1] * mean / k as f64;
    }
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

/// e^{At} of a matrix with no negative entry off the diagonal: Taylor's series of the positive part, then squares.
pub(super) fn exponential(matrix: &DMatrix<f64>, t_s: f64) -> DMatrix<f64> {
    let n = matrix.nrows();
    let rate = fastest(matrix) * t_s;
    let squarings = if rate > 1.0 { rate.log2().ceil() as i32 } else { 0 };
    let scale = 0.5_f64.powi(squarings);
    let step = (matrix * t_s + DMatrix::identity(n, n) * rate) * scale;
    let mut term = DMatrix::identity(n, n);
    let mut sum = term.clone();
    for k in 1..=24 {
        term = &term * &step / f64::from(k);
        sum += &term;
    }
    sum *= (-rate * scale).exp();
    for _ in 0..squarings {
        sum = &sum * &sum;
    }
    sum
}

/// The greatest rate on the diagonal.
pub(super) fn fastest(matrix: &DMatrix<f64>) -> f64 {
    matrix.diagonal().iter().fold(0.0, |most, rate| most.max(-rate))
}

/// The probabilities x with xQ = 0, Σx = 1, of a generator with one recurrent class.
pub(super) fn stationary(generator: &DMatrix<f64>) -> Result<DVector<f64>, QueueError> {
    let ones = DVector::from_element(generator.nrows(), 1.0);
    left_null(generator, &ones).ok_or(QueueError::Parameter {
        name: "generator",
        value: 0.0,
        must: "of one recurrent class",
    })
}

/// x with xQ = 0 and x·weights = 1, if unique.
pub(super) fn left_null(generator: &DMatrix<f64>, weights: &DVector<f64>) -> Option<DVector<f64>> {
    let n = generator.nrows();
    let scale = fastest(generator).max(f64::MIN_POSITIVE);
    let mut equations = generator.transpose() / scale;
    equations.set_row(n - 1, &weights.transpose());
    let mut right = DVector::zeros(n);
    right[n - 1] = 1.0;
    let solution = equations.clone().lu().solve(&right)?;
    let singular = solution.iter().any(|x| !x.is_finite() || *x < -1e-9);
    if singular || (&equations * &solution - &right).amax() > 1e-9 {
        return None;
    }
    Some(solution.map(|x| x.max(0.0)))
}

/// A square matrix from its rows, all finite.
pub(super) fn square(name: &'static str, rows: &[Vec<f64>]) -> Result<DMatrix<f64>, QueueError> {
    let n = rows.len();
    if n == 0 {
        return Err(QueueError::Parameter { name, value: 0.0, must: "of at least one phase" });
    }
    for row in rows {
        if row.len() != n {
            return Err(QueueError::Parameter {
                name,
                value: row.len() as f64,
                must: "square, as long in each row as it has rows",
            });
        }
        if let Some(value) = row.iter().find(|x| !x.is_finite()) {
            return Err(QueueError::Parameter { name, value: *value, must: "finite in every entry" });
        }
    }
    Ok(DMatrix::from_fn(n, n, |i, j| rows[i][j]))
}

/// An error unless every entry off the diagonal is at least 0.
pub(super) fn rates_off_diagonal(name: &'static str, matrix: &DMatrix<f64>) -> Result<(), QueueError> {
    for i in 0..matrix.nrows() {
        for j in 0..matrix.ncols() {
            if i != j && matrix[(i, j)] < 0.0 {
                return Err(QueueError::Parameter { name, value: matrix[(i, j)], must: "at least 0 off the diagonal" });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn weights_are_the_poisson_law() {
        assert_eq!(poisson_weights(0.0)[0], 1.0);
        for mean in [0.3, 7.5, 400.0, 12_345.6] {
            let weights = poisson_weights(mean);
            let first: f64 = weights.iter().enumerate().map(|(k, w)| k as f64 * w).sum();
            assert_relative_eq!(first, mean, max_relative = 1e-12);
            if mean < 500.0 {
                assert_relative_eq!(weights[0], (-mean).exp(), max_relative = 1e-12);
            }
        }
    }

    #[test]
    fn exponentials_of_generators_are_stochastic() {
        let generator = DMatrix::from_row_slice(2, 2, &[-3.0, 3.0, 1.0, -1.0]);
        for t in [0.0, 0.1, 1.0, 50.0] {
            let found = exponential(&generator, t);
            assert_relative_eq!(found[(0, 0)], 0.25 + 0.75 * (-4.0 * t).exp(), max_relative = 1e-12);
            assert_relative_eq!(found.row(0).sum(), 1.0, max_relative = 1e-12);
        }
        assert!(stationary(&DMatrix::zeros(2, 2)).is_err());
        assert_relative_eq!(stationary(&generator).unwrap()[0], 0.25, max_relative = 1e-14);
    }
}
