//! Errors at points that a law was not fitted to, and the choice between laws.

use rand::seq::SliceRandom;

use super::Fit;
use super::profile::Point;
use super::shape::{Kind, Shape};
use crate::stats::stream::stream;

/// Parts that the points are dealt into.
const FOLDS: usize = 10;

/// Error over the parts left out in turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Validated {
    /// Mean squared relative error.
    pub mean_square: f64,
    /// Its standard error over the parts.
    pub standard_error: f64,
}

impl Validated {
    /// Root mean square relative error.
    pub fn error(&self) -> f64 {
        self.mean_square.sqrt()
    }
}

/// The part of each point: dealt at random, as equal in size as can be.
pub(super) fn folds(count: usize, seed: u64) -> Vec<usize> {
    let mut parts: Vec<usize> = (0..count).map(|k| k % FOLDS.min(count).max(1)).collect();
    parts.shuffle(&mut stream(seed, "calibrate folds"));
    parts
}

/// The error of a law; none when it cannot be fitted to what is left without one of the parts.
pub(super) fn validate(kind: Kind, points: &[Point], folds: &[usize]) -> Option<Validated> {
    let parts = 1 + folds.iter().max()?;
    let mut means = Vec::with_capacity(parts);
    for part in 0..parts {
        let pick = |inside: bool| {
            let dealt = points.iter().zip(folds).filter(move |(_, fold)| (**fold == part) == inside);
            dealt.map(|(point, _)| *point).collect::<Vec<Point>>()
        };
        let (kept, left_out) = (pick(false), pick(true));
        let (shape, solved) = Shape::fit(kind, &kept)?;
        let square = |point: &Point| (shape.seconds(&solved.coefficients, point) / point.seconds - 1.0).powi(2);
        means.push(left_out.iter().map(square).sum::<f64>() / left_out.len() as f64);
    }
    let n = means.len() as f64;
    let mean_square = means.iter().sum::<f64>() / n;
    let variance = means.iter().map(|mean| (mean - mean_square).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    Some(Validated { mean_square, standard_error: (variance / n).sqrt() })
}

/// The place of the one to use: within one standard error of the least error, the fewest parameters, and of those the least error.
pub(super) fn choose(fits: &[Fit]) -> usize {
    let error = |fit: &Fit| fit.validated.map_or(f64::INFINITY, |found| found.mean_square);
    let least = fits.iter().filter_map(|fit| fit.validated).min_by(|a, b| a.mean_square.total_cmp(&b.mean_square));
    let limit = least.map_or(f64::INFINITY, |best| best.mean_square + best.standard_error);
    let near = fits.iter().enumerate().filter(|(_, fit)| error(fit) <= limit);
    let order = |a: &Fit, b: &Fit| a.shape.parameters().cmp(&b.shape.parameters()).then(error(a).total_cmp(&error(b)));
    near.min_by(|a, b| order(a.1, b.1)).map_or(0, |(place, _)| place)
}
