//! The greatest likelihood: Nelder and Mead (1965) over unbounded parameters, and the curvature there.

use argmin::core::{CostFunction, Executor};
use argmin::solver::neldermead::NelderMead;
use nalgebra::{DMatrix, DVector};

/// Steps of one descent.
const STEPS: u64 = 1500;
/// Value that stands for a likelihood which does not exist.
const NOWHERE: f64 = 1e300;

struct Negative<'a>(&'a dyn Fn(&[f64]) -> f64);

impl CostFunction for Negative<'_> {
    type Output = f64;
    type Param = DVector<f64>;

    fn cost(&self, at: &DVector<f64>) -> Result<f64, argmin::core::Error> {
        let value = -(self.0)(at.as_slice());
        Ok(if value.is_finite() { value } else { NOWHERE })
    }
}

/// A greatest value near `start` and where it is; none where there is none. A second descent begins where the first ended, since a
/// simplex may fold up early.
pub fn maximise(value: &dyn Fn(&[f64]) -> f64, start: &[f64], step: f64) -> Option<(Vec<f64>, f64)> {
    let mut best = (start.to_vec(), f64::NEG_INFINITY);
    for size in [step, 0.1 * step] {
        let corner = |k: usize| {
            let mut at = best.0.clone();
            if let Some(place) = k.checked_sub(1) {
                at[place] += size;
            }
            DVector::from_vec(at)
        };
        let simplex = (0..=start.len()).map(corner).collect();
        let solver = NelderMead::new(simplex).with_sd_tolerance(1e-9).ok()?;
        let run = Executor::new(Negative(value), solver).configure(|state| state.max_iters(STEPS)).run().ok()?;
        let found = run.state.best_param?.as_slice().to_vec();
        let reached = value(&found);
        if reached.is_finite() && reached >= best.1 {
            best = (found, reached);
        }
    }
    best.1.is_finite().then_some(best)
}

/// Covariance of the estimates at a maximum: the inverse of the negative second derivatives, by central differences. None where
/// the top is flat.
pub fn covariance(value: &dyn Fn(&[f64]) -> f64, at: &[f64]) -> Option<DMatrix<f64>> {
    let (n, h) = (at.len(), 1e-3);
    let moved = |moves: &[(usize, f64)]| {
        let mut place = at.to_vec();
        moves.iter().for_each(|&(k, by)| place[k] += by);
        value(&place)
    };
    let top = value(at);
    let second = |i: usize, j: usize| {
        if i == j {
            return (moved(&[(i, h)]) - 2.0 * top + moved(&[(i, -h)])) / (h * h);
        }
        (moved(&[(i, h), (j, h)]) - moved(&[(i, h), (j, -h)]) - moved(&[(i, -h), (j, h)]) + moved(&[(i, -h), (j, -h)]))
            / (4.0 * h * h)
    };
    let information = DMatrix::from_fn(n, n, |i, j| -second(i.min(j), i.max(j)));
    let inverse = information.cholesky()?.inverse();
    inverse.iter().all(|entry| entry.is_finite()).then_some(inverse)
}

/// Standard error of each of `parameters`, functions of the estimates with that covariance.
pub fn errors(parameters: &dyn Fn(&[f64]) -> Vec<f64>, at: &[f64], covariance: &DMatrix<f64>) -> Vec<f64> {
    let h = 1e-5;
    let slopes: Vec<Vec<f64>> = (0..at.len())
        .map(|k| {
            let side = |by: f64| {
                let mut place = at.to_vec();
                place[k] += by;
                parameters(&place)
            };
            side(h).iter().zip(side(-h)).map(|(up, down)| (up - down) / (2.0 * h)).collect()
        })
        .collect();
    let count = parameters(at).len();
    let error = |p: usize| {
        let slope = DVector::from_fn(at.len(), |k, _| slopes[k][p]);
        (slope.transpose() * covariance * &slope)[(0, 0)].max(0.0).sqrt()
    };
    (0..count).map(error).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A normal likelihood: the top is at the means, the covariance is given.
    #[test]
    fn a_bell_has_its_top_and_its_width() {
        let value = |at: &[f64]| {
            let (a, b) = (at[0] - 3.0, at[1] + 1.0);
            -0.5 * (a * a / 4.0 + (b - a) * (b - a))
        };
        let (top, reached) = maximise(&value, &[0.0, 0.0], 1.0).unwrap();
        assert!((top[0] - 3.0).abs() < 1e-3 && (top[1] + 1.0).abs() < 1e-3 && reached.abs() < 1e-6, "{top:?}");
        let found = covariance(&value, &top).unwrap();
        assert!((found[(0, 0)] - 4.0).abs() < 1e-4 && (found[(1, 1)] - 5.0).abs() < 1e-4, "{found}");
        let both = errors(&|at| vec![2.0 * at[0], at[1]], &top, &found);
        assert!((both[0] - 4.0).abs() < 1e-4 && (both[1] - 5.0_f64.sqrt()).abs() < 1e-4, "{both:?}");
    }
}
