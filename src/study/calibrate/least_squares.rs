//! Least squares of *relative* residuals: min Σ (ŷᵢ/yᵢ − 1)², so that a short iteration counts as much as a long one.
//!
//! The residuals are relative to the measured time, which is what a mean absolute percentage error means too. Under noise of relative
//! deviation σ the fitted times come out low by 2σ² (σ = 2 %: 0.08 %), since a point measured too fast weighs more than one too slow.

use nalgebra::{DMatrix, DVector};

use super::profile::Point;

/// Share of a column's length that the others must leave of it; below, its coefficient cannot be told from theirs.
const DISTINCT: f64 = 1e-5;

/// Coefficients of the columns and the sum of squared relative residuals.
#[derive(Debug, Clone, PartialEq)]
pub struct Solved {
    /// One per column, none negative; 0 for a column that would have wanted less.
    pub coefficients: Vec<f64>,
    /// Σ (ŷ/y − 1)².
    pub loss: f64,
}

/// The coefficients of `count` columns, none negative; none when the points cannot tell the columns apart.
pub fn solve(points: &[Point], count: usize, columns: &dyn Fn(&Point, &mut [f64])) -> Option<Solved> {
    let mut row = vec![0.0; count];
    let mut gram = DMatrix::zeros(count, count);
    let mut right = DVector::zeros(count);
    for point in points {
        columns(point, &mut row);
        row.iter_mut().for_each(|value| *value /= point.seconds);
        for i in 0..count {
            right[i] += row[i];
            for j in 0..=i {
                gram[(i, j)] += row[i] * row[j];
            }
        }
    }
    let mut active: Vec<usize> = (0..count).collect();
    loop {
        let found = solve_active(&gram, &right, &active)?;
        let worst = (0..active.len()).min_by(|&a, &b| found[a].total_cmp(&found[b]))?;
        if found[worst] >= 0.0 {
            let mut coefficients = vec![0.0; count];
            active.iter().zip(&found).for_each(|(&place, &value)| coefficients[place] = value);
            let loss = loss(points, &coefficients, columns);
            return Some(Solved { coefficients, loss });
        }
        active.remove(worst);
        if active.is_empty() {
            return None;
        }
    }
}

/// Normal equations over columns of length 1, which keeps them well conditioned.
fn solve_active(gram: &DMatrix<f64>, right: &DVector<f64>, active: &[usize]) -> Option<Vec<f64>> {
    let lower = |i: usize, j: usize| gram[(i.max(j), i.min(j))];
    let lengths: Vec<f64> = active.iter().map(|&i| lower(i, i).sqrt()).collect();
    if lengths.iter().any(|&length| !(length.is_finite() && length > 0.0)) {
        return None;
    }
    let n = active.len();
    let scaled = DMatrix::from_fn(n, n, |i, j| lower(active[i], active[j]) / (lengths[i] * lengths[j]));
    let cholesky = scaled.cholesky()?;
    let distinct = cholesky.l_dirty().diagonal().iter().all(|&pivot| pivot > DISTINCT);
    let found = cholesky.solve(&DVector::from_fn(n, |i, _| right[active[i]] / lengths[i]));
    distinct.then(|| found.iter().zip(&lengths).map(|(value, length)| value / length).collect())
}

fn loss(points: &[Point], coefficients: &[f64], columns: &dyn Fn(&Point, &mut [f64])) -> f64 {
    let mut row = vec![0.0; coefficients.len()];
    let squares = points.iter().map(|point| {
        columns(point, &mut row);
        let fitted: f64 = row.iter().zip(coefficients).map(|(column, value)| column * value).sum();
        (fitted / point.seconds - 1.0).powi(2)
    });
    squares.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    fn point(tokens: u64, seconds: f64) -> Point {
        Point { tokens, context: 0.0, pairs: 0.0, seconds }
    }

    fn line(point: &Point, row: &mut [f64]) {
        row[0] = 1.0;
        row[1] = point.tokens as f64;
    }

    #[test]
    fn a_line_is_found_and_the_weights_are_relative() {
        let exact: Vec<Point> = [1, 10, 500].map(|b| point(b, 0.01 + 2e-5 * b as f64)).to_vec();
        let found = solve(&exact, 2, &line).unwrap();
        assert_relative_eq!(found.coefficients[0], 0.01, max_relative = 1e-12);
        assert_relative_eq!(found.coefficients[1], 2e-5, max_relative = 1e-12);
        // min (a/1 − 1)² + (a/3 − 1)²: a = (1 + 1/3)/(1 + 1/9).
        let mean = solve(&[point(1, 1.0), point(1, 3.0)], 1, &|_, row| row[0] = 1.0).unwrap();
        assert_relative_eq!(mean.coefficients[0], 1.2, max_relative = 1e-14);
        assert_relative_eq!(mean.loss, 0.04 + 0.36, max_relative = 1e-12);
    }

    #[test]
    fn nothing_negative_and_nothing_that_cannot_be_told() {
        // Through the origin and below: the base would be −1.
        let steep: Vec<Point> = [2, 3, 4].map(|b| point(b, b as f64 - 1.0)).to_vec();
        let found = solve(&steep, 2, &line).unwrap();
        assert_eq!(found.coefficients[0], 0.0);
        assert!(found.coefficients[1] > 0.6);
        assert_eq!(solve(&[point(7, 1.0), point(7, 2.0)], 2, &line), None);
    }
}
