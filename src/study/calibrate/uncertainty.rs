//! What the uncertainty of the coefficients makes of λ*: coefficients drawn from their law, and λ* of the fluid for each draw.

use nalgebra::{DMatrix, DVector};
use rand_distr::{ChiSquared, Distribution, StandardNormal};
use rayon::prelude::*;

use super::{Fit, Shape, Spread};
use crate::answer::Limit;
use crate::fluid;
use crate::scenario::{Scenario, ScenarioError, StepTimeLaw};
use crate::stats::interval::Interval;
use crate::stats::quantile::quantile;
use crate::stats::stream::{Stream, stream};
use crate::study::CONFIDENCE;

/// λ* under a fitted law.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capacity {
    /// λ* at the fitted coefficients and the middle 95 % of λ* over the draws, requests per second.
    pub lambda_star_per_s: Interval,
    /// What binds at the fitted coefficients.
    pub binding: Limit,
    /// Draws that gave a law.
    pub draws: usize,
    /// Draws in which a coefficient was negative and taken as 0, or of which no law came.
    pub bounded: usize,
}

/// λ* (from a backlog) of `scenario` with the fitted law in place of its own, over `draws` draws of the coefficients from the
/// multivariate t law of the fit.
///
/// # Errors
/// The fit has no spread, theory does not cover the scenario, or too few draws give a law.
pub fn capacity(fit: &Fit, scenario: &Scenario, draws: usize, seed: u64) -> Result<Capacity, ScenarioError> {
    let with = |law: StepTimeLaw| Scenario { step_time: law, ..scenario.clone() };
    let fitted = with(fit.law());
    fitted.validate()?;
    if let Some(refused) = fluid::scope::refusal(&fitted) {
        return Err(refused);
    }
    let few = || {
        let problem = format!("has no spread of the law `{}`", fit.kind.name());
        ScenarioError::at("--uncertainty", problem, "measure more points, or choose a law with fewer coefficients")
    };
    let spread = fit.spread.as_ref().ok_or_else(few)?;
    let root = square_root(&spread.covariance);
    let mut rng = stream(seed, "calibrate coefficients");
    let drawn: Vec<(Option<StepTimeLaw>, bool)> = (0..draws).map(|_| draw(fit, spread, &root, &mut rng)).collect();
    let bounded = drawn.iter().filter(|(law, bounded)| *bounded || law.is_none()).count();
    let laws: Vec<StepTimeLaw> = drawn.into_iter().filter_map(|(law, _)| law).collect();
    let lambda = |law: &StepTimeLaw| fluid::solve(&with(law.clone())).boundary.low_per_s;
    let mut found: Vec<f64> = laws.par_iter().map(lambda).collect();
    found.sort_by(f64::total_cmp);
    let tail = 0.5 * (1.0 - CONFIDENCE);
    let (low, high) = quantile(&found, tail).zip(quantile(&found, 1.0 - tail)).ok_or_else(few)?;
    let boundary = fluid::solve(&fitted).boundary;
    Ok(Capacity {
        lambda_star_per_s: Interval { mean: boundary.low_per_s, low, high },
        binding: boundary.binding,
        draws: found.len(),
        bounded,
    })
}

/// R with R·Rᵀ = `covariance`, by the eigenvectors of the correlations, which may be singular.
fn square_root(covariance: &DMatrix<f64>) -> DMatrix<f64> {
    let n = covariance.nrows();
    let deviations: Vec<f64> = (0..n).map(|k| covariance[(k, k)].max(0.0).sqrt()).collect();
    let correlation = |i: usize, j: usize| {
        let scale = deviations[i] * deviations[j];
        if scale > 0.0 { covariance[(i, j)] / scale } else { 0.0 }
    };
    let eigen = DMatrix::from_fn(n, n, correlation).symmetric_eigen();
    DMatrix::from_fn(n, n, |i, j| deviations[i] * eigen.eigenvectors[(i, j)] * eigen.eigenvalues[j].max(0.0).sqrt())
}

/// One law, and whether a coefficient was held at 0.
fn draw(fit: &Fit, spread: &Spread, root: &DMatrix<f64>, rng: &mut Stream) -> (Option<StepTimeLaw>, bool) {
    let normal = DVector::from_fn(root.ncols(), |_, _| StandardNormal.sample(rng));
    let wide = ChiSquared::new(spread.freedom).map_or(1.0, |law| (spread.freedom / law.sample(rng)).sqrt());
    let moved = root * normal * wide;
    let mut bounded = false;
    let mut held = |value: f64| {
        bounded |= value < 0.0;
        value.max(0.0)
    };
    let linear: Vec<f64> = fit.linear.iter().zip(moved.iter()).map(|(value, change)| held(value + change)).collect();
    let shape = match fit.shape {
        Shape::Hinge { free } => Shape::Hinge { free: held(free as f64 + moved[linear.len()]).round() as u64 },
        ref other => other.clone(),
    };
    let law = shape.law(&linear);
    (law.validate().is_ok().then_some(law), bounded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::presets;
    use crate::study::calibrate::{Kind, Point, fit};
    use approx::assert_relative_eq;

    fn chat() -> Scenario {
        let preset = presets::get(presets::DEFAULT).unwrap();
        crate::scenario::load(preset.name, preset.text, &[]).unwrap()
    }

    fn points(deviation: f64) -> Vec<Point> {
        let time = |b: u64| (0.03 + 1e-4 * b as f64) * (1.0 + deviation * (b as f64 * 1.7).sin());
        (1..80).map(|k| Point { tokens: 13 * k, context: 0.0, pairs: 0.0, seconds: time(13 * k) }).collect()
    }

    #[test]
    fn a_square_root_gives_the_covariance_back() {
        let covariance = DMatrix::from_row_slice(3, 3, &[4e-6, 1e-9, 0.0, 1e-9, 1e-12, 0.0, 0.0, 0.0, 0.0]);
        let root = square_root(&covariance);
        let back = &root * root.transpose();
        for (found, expected) in back.iter().zip(covariance.iter()) {
            assert_relative_eq!(found, expected, max_relative = 1e-9, epsilon = 1e-24);
        }
    }

    /// Against the delta method: the variance of λ* from its derivatives by the coefficients.
    #[test]
    fn draws_agree_with_the_delta_method() {
        let fitted = fit(Kind::Affine, &points(0.03)).unwrap();
        let scenario = chat();
        let found = capacity(&fitted, &scenario, 800, 1).unwrap();
        let lambda = |base: f64, slope: f64| {
            let law = StepTimeLaw::Affine { base_s: fitted.linear[0] * base, per_token_s: fitted.linear[1] * slope };
            fluid::solve(&Scenario { step_time: law, ..scenario.clone() }).boundary.low_per_s
        };
        let step = 1e-4;
        let slope = [
            (lambda(1.0 + step, 1.0) - lambda(1.0 - step, 1.0)) / (2.0 * step * fitted.linear[0]),
            (lambda(1.0, 1.0 + step) - lambda(1.0, 1.0 - step)) / (2.0 * step * fitted.linear[1]),
        ];
        let covariance = &fitted.spread.as_ref().unwrap().covariance;
        let variance: f64 = (0..2)
            .flat_map(|i| (0..2).map(move |j| (i, j)))
            .map(|(i, j)| slope[i] * slope[j] * covariance[(i, j)])
            .sum();
        let half = 0.5 * (found.lambda_star_per_s.high - found.lambda_star_per_s.low);
        // The half-width from 800 draws has a relative deviation of about 5 %.
        assert_relative_eq!(half, 1.99 * variance.sqrt(), max_relative = 0.2);
        assert!(found.lambda_star_per_s.contains(found.lambda_star_per_s.mean) && found.draws == 800);
        assert_eq!(capacity(&fitted, &scenario, 50, 7), capacity(&fitted, &scenario, 50, 7));
    }

    #[test]
    fn more_noise_makes_it_wider() {
        let width = |deviation: f64, kind: Kind| {
            let found = capacity(&fit(kind, &points(deviation)).unwrap(), &chat(), 100, 1).unwrap();
            found.lambda_star_per_s.high - found.lambda_star_per_s.low
        };
        assert!(width(0.06, Kind::Affine) > 2.0 * width(0.02, Kind::Affine));
        assert!(width(0.06, Kind::Curve(3)) > width(0.01, Kind::Curve(3)));
    }
}
