//! How well the coefficients are known: Gauss–Newton with the sandwich of MacKinnon and White (1985, HC3), which asks only that the
//! residuals be independent, not that they be alike; then widened for neighbours that are alike.
//!
//! The bend of a hinge is one of the coefficients; the stair of a staircase and the knots of a curve are taken as known, so that intervals
//! of those laws are too narrow by what choosing them adds.
//!
//! Where a law does not have the shape of the measurements, neighbouring residuals share a sign, and there are fewer points than it seems.
//! An approximation: with lag-one correlation r of the residuals in the order of their tokens, variances grow by (1 + r)/(1 − r), as that
//! of the mean of an autoregression does; only where r is above 2/√n, which independent residuals exceed once in forty fits. Under an
//! autoregression of 0.6 over 60 points intervals at 95 % of an affine law then miss its base in 10 % and its slope in 16 % of profiles,
//! where unwidened ones miss in 35 % and 38 %: still too narrow.

use nalgebra::{DMatrix, DVector};

use super::profile::Point;
use super::shape::Shape;

/// What is known of the coefficients together: those of [`Shape::names`], then the bend of a hinge.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// Covariance; rows and columns of 0 for a coefficient at its bound 0.
    pub covariance: DMatrix<f64>,
    /// Points less parameters.
    pub freedom: f64,
    /// Correlation of neighbouring residuals that the covariance allows for; 0 where there is none to speak of.
    pub correlation: f64,
}

impl Spread {
    /// By how much the intervals are wider than they would be of independent residuals.
    pub fn widening(&self) -> f64 {
        ((1.0 + self.correlation) / (1.0 - self.correlation)).sqrt()
    }
}

/// Highest correlation taken as such: beyond, the points say next to nothing.
const HIGHEST: f64 = 0.98;

/// Covariance of the coefficients; none with too few points, or where they cannot be told apart.
pub(super) fn of(shape: &Shape, coefficients: &[f64], points: &[Point]) -> Option<Spread> {
    let freedom = points.len() as f64 - shape.parameters() as f64;
    if freedom < 1.0 {
        return None;
    }
    let count = coefficients.len() + usize::from(matches!(shape, Shape::Hinge { .. }));
    let free: Vec<usize> = (0..count).filter(|&k| k >= coefficients.len() || coefficients[k] > 0.0).collect();
    let mut jacobian = DMatrix::zeros(points.len(), count);
    let mut residuals = DVector::zeros(points.len());
    for (k, point) in points.iter().enumerate() {
        let row = derivatives(shape, coefficients, point);
        row.iter().enumerate().for_each(|(place, value)| jacobian[(k, place)] = value / point.seconds);
        residuals[k] = shape.seconds(coefficients, point) / point.seconds - 1.0;
    }
    let jacobian = jacobian.select_columns(&free);
    let small = sandwich(&jacobian, &residuals)?;
    let mut spread = Spread { covariance: DMatrix::zeros(count, count), freedom, correlation: correlation(&residuals) };
    let wider = spread.widening().powi(2);
    for (i, &row) in free.iter().enumerate() {
        for (j, &column) in free.iter().enumerate() {
            spread.covariance[(row, column)] = wider * small[(i, j)];
        }
    }
    Some(spread)
}

/// Lag-one correlation of the residuals where it is clearly above 0.
fn correlation(residuals: &DVector<f64>) -> f64 {
    let n = residuals.len();
    let mean = residuals.mean();
    let of = |k: usize| residuals[k] - mean;
    let square: f64 = (0..n).map(|k| of(k).powi(2)).sum();
    let product: f64 = (1..n).map(|k| of(k) * of(k - 1)).sum();
    let found = product / square;
    if found > 2.0 / (n as f64).sqrt() { found.min(HIGHEST) } else { 0.0 }
}

fn derivatives(shape: &Shape, coefficients: &[f64], point: &Point) -> Vec<f64> {
    let mut row = vec![0.0; coefficients.len()];
    shape.columns(point, &mut row);
    if let Shape::Hinge { free } = shape {
        row.push(if point.tokens > *free { -coefficients[1] } else { 0.0 });
    }
    row
}

/// (JᵀJ)⁻¹ Jᵀ diag(r²/(1 − h)²) J (JᵀJ)⁻¹, over columns of length 1.
fn sandwich(jacobian: &DMatrix<f64>, residuals: &DVector<f64>) -> Option<DMatrix<f64>> {
    let lengths: Vec<f64> = jacobian.column_iter().map(|column| column.norm()).collect();
    if lengths.iter().any(|&length| length <= 0.0) {
        return None;
    }
    let (rows, columns) = jacobian.shape();
    let scaled = DMatrix::from_fn(rows, columns, |i, j| jacobian[(i, j)] / lengths[j]);
    let inverse = (scaled.transpose() * &scaled).cholesky()?.inverse();
    let mut weighted = scaled.clone();
    for (i, mut row) in weighted.row_iter_mut().enumerate() {
        let leverage = (&row * &inverse * row.transpose())[(0, 0)];
        row *= residuals[i] / (1.0 - leverage).max(1e-3);
    }
    let found = &inverse * (weighted.transpose() * &weighted) * &inverse;
    Some(DMatrix::from_fn(columns, columns, |i, j| found[(i, j)] / (lengths[i] * lengths[j])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    /// One column of ones, y near 1: the variance of a mean, Σ r²/(1 − 1/n)²/n².
    #[test]
    fn the_variance_of_a_mean() {
        let ones = DMatrix::from_element(4, 1, 1.0);
        let residuals = DVector::from_vec(vec![0.1, -0.1, 0.3, -0.3]);
        let found = sandwich(&ones, &residuals).unwrap();
        assert_relative_eq!(found[(0, 0)], 0.2 / 0.75_f64.powi(2) / 16.0, max_relative = 1e-12);
    }

    #[test]
    fn only_clear_correlation_counts() {
        let wave = DVector::from_fn(100, |k, _| (k as f64 * 0.2).sin());
        approx::assert_abs_diff_eq!(correlation(&wave), 0.2_f64.cos(), epsilon = 0.02);
        assert_eq!(correlation(&DVector::from_fn(100, |k, _| if k % 2 == 0 { 1.0 } else { -1.0 })), 0.0);
        assert_eq!(correlation(&DVector::zeros(9)), 0.0);
    }

    #[test]
    fn coefficients_at_their_bound_have_no_spread() {
        let points: Vec<Point> =
            [2, 3, 4, 5].map(|b| Point { tokens: b, context: 0.0, pairs: 0.0, seconds: b as f64 - 1.0 }).to_vec();
        let (shape, solved) = Shape::fit(crate::study::calibrate::Kind::Affine, &points).unwrap();
        let spread = of(&shape, &solved.coefficients, &points).unwrap();
        assert_eq!((spread.covariance[(0, 0)], spread.covariance[(0, 1)], spread.freedom), (0.0, 0.0, 2.0));
        assert!(spread.covariance[(1, 1)] > 0.0);
    }
}
