//! From measured iteration times to a step-time law: every law fitted, one chosen by cross-validation, each coefficient with its interval.

mod covariance;
mod curve;
mod hinge;
pub mod kernels;
mod least_squares;
pub mod profile;
pub mod roofline;
mod shape;
mod staircase;
mod uncertainty;
mod validation;
mod vidur;

use crate::scenario::StepTimeLaw;
use crate::stats::interval::{Interval, student_t};
use crate::study::CONFIDENCE;

pub use covariance::Spread;
pub use profile::{Point, Profile, Selection};
pub use shape::{Kind, Shape};
pub use uncertainty::{Capacity, capacity};
pub use validation::Validated;

/// Knots that curves are tried with.
const KNOTS: [usize; 7] = [3, 4, 5, 6, 8, 12, 16];

/// One fitted number.
#[derive(Debug, Clone, PartialEq)]
pub struct Coefficient {
    /// Its key in a scenario, or where its knot stands.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// 95 % interval; none for what was taken as known, or stands at its bound 0.
    pub interval: Option<Interval>,
}

/// How far a law is from the points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// 1 − Σ (ŷ − y)²/Σ (y − ȳ)².
    pub r_squared: f64,
    /// Mean of |ŷ/y − 1|.
    pub mean_error: f64,
    /// ŷ/y − 1 where it is largest.
    pub worst_error: f64,
    /// The point where it is.
    pub worst: Point,
}

/// A law fitted to a profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// Which law.
    pub kind: Kind,
    /// Its shape.
    pub shape: Shape,
    /// Its linear coefficients, in the order of [`Shape::names`].
    pub linear: Vec<f64>,
    /// All its numbers.
    pub coefficients: Vec<Coefficient>,
    /// How well they are known together.
    pub spread: Option<Spread>,
    /// How far it is from the points.
    pub quality: Quality,
    /// How far it is from points that it was not fitted to.
    pub validated: Option<Validated>,
}

impl Fit {
    /// The law, for a scenario.
    pub fn law(&self) -> StepTimeLaw {
        self.shape.law(&self.linear)
    }
}

/// Every law on one profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// The fits, of curves the one with the chosen number of knots.
    pub fits: Vec<Fit>,
    /// Place of the chosen one.
    pub chosen: usize,
    /// Laws that were not fitted, and why.
    pub refused: Vec<(Kind, String)>,
    /// Parts of the cross-validation.
    pub folds: usize,
}

impl Calibration {
    /// The chosen fit.
    pub fn best(&self) -> &Fit {
        &self.fits[self.chosen]
    }

    /// The fit of the law with that name.
    pub fn named(&self, name: &str) -> Option<&Fit> {
        self.fits.iter().find(|fit| fit.kind.name() == name)
    }
}

/// Fits every law and chooses by cross-validation: of those within one standard error of the least error, the one with the fewest
/// parameters (Breiman et al. 1984). None when not even a line can be fitted.
pub fn calibrate(points: &[Point], seed: u64) -> Option<Calibration> {
    let folds = validation::folds(points.len(), seed);
    let (mut fits, mut refused) = (Vec::new(), Vec::new());
    for kind in [Kind::Affine, Kind::Hinge, Kind::Staircase, Kind::AffineContext] {
        keep(fit(kind, points), kind, points, &folds, &mut fits, &mut refused);
    }
    let mut curves = Vec::new();
    for knots in KNOTS {
        keep(fit(Kind::Curve(knots), points), Kind::Curve(knots), points, &folds, &mut curves, &mut refused);
    }
    // Of the curves the best stands for all.
    if !curves.is_empty() {
        fits.push(curves.swap_remove(validation::choose(&curves)));
        refused.retain(|(kind, _)| !matches!(kind, Kind::Curve(_)));
    }
    let chosen = (!fits.is_empty()).then(|| validation::choose(&fits))?;
    let folds = 1 + folds.iter().max().copied().unwrap_or(0);
    Some(Calibration { fits, chosen, refused, folds })
}

fn keep(
    fitted: Result<Fit, String>,
    kind: Kind,
    points: &[Point],
    folds: &[usize],
    fits: &mut Vec<Fit>,
    refused: &mut Vec<(Kind, String)>,
) {
    match fitted {
        Ok(fit) => fits.push(Fit { validated: validation::validate(kind, points, folds), ..fit }),
        Err(reason) => refused.push((kind, reason)),
    }
}

/// One law on all points, not validated.
///
/// # Errors
/// Why it has no fit.
pub fn fit(kind: Kind, points: &[Point]) -> Result<Fit, String> {
    if kind == Kind::AffineContext && points.iter().all(|point| point.context == 0.0) {
        return Err("the profile has no context".into());
    }
    let unclear = || "the points cannot tell its coefficients apart".to_owned();
    let (shape, solved) = Shape::fit(kind, points).ok_or_else(unclear)?;
    if points.len() <= shape.parameters() {
        return Err(format!("it has {} parameters, and there are {} points", shape.parameters(), points.len()));
    }
    shape.law(&solved.coefficients).validate().map_err(|error| format!("its fit is no law: {error}"))?;
    let linear = solved.coefficients;
    let spread = covariance::of(&shape, &linear, points);
    Ok(Fit {
        kind,
        coefficients: coefficients(&shape, &linear, spread.as_ref()),
        quality: quality(&shape, &linear, points),
        shape,
        linear,
        spread,
        validated: None,
    })
}

fn coefficients(shape: &Shape, linear: &[f64], spread: Option<&Spread>) -> Vec<Coefficient> {
    let interval = |place: usize, value: f64| {
        let spread = spread?;
        let variance = *spread.covariance.get((place, place)).filter(|variance| **variance > 0.0)?;
        Some(Interval::around(value, student_t(CONFIDENCE, spread.freedom)? * variance.sqrt()))
    };
    let named = shape.names().into_iter().zip(linear).enumerate();
    let mut all: Vec<Coefficient> =
        named.map(|(place, (name, &value))| Coefficient { name, value, interval: interval(place, value) }).collect();
    match *shape {
        Shape::Hinge { free } => {
            let value = free as f64;
            all.push(Coefficient { name: "free_tokens".into(), value, interval: interval(linear.len(), value) });
        }
        Shape::Staircase { stair } => {
            all.push(Coefficient { name: "stair_tokens".into(), value: stair as f64, interval: None });
        }
        _ => {}
    }
    all
}

fn quality(shape: &Shape, linear: &[f64], points: &[Point]) -> Quality {
    let n = points.len() as f64;
    let mean = points.iter().map(|point| point.seconds).sum::<f64>() / n;
    let (mut left, mut total, mut errors) = (0.0, 0.0, 0.0);
    let (mut worst, mut worst_error) = (points[0], 0.0_f64);
    for point in points {
        let fitted = shape.seconds(linear, point);
        let error = fitted / point.seconds - 1.0;
        left += (fitted - point.seconds).powi(2);
        total += (point.seconds - mean).powi(2);
        errors += error.abs();
        if error.abs() > worst_error.abs() {
            (worst, worst_error) = (*point, error);
        }
    }
    let r_squared = if total > 0.0 { 1.0 - left / total } else { 0.0 };
    Quality { r_squared, mean_error: errors / n, worst_error, worst }
}

#[cfg(test)]
mod tests;
