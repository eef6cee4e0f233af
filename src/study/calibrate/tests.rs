//! Recovery of known laws, coverage of the intervals, and the golden values of two published profiles.

use std::path::{Path, PathBuf};

use approx::assert_relative_eq;
use rand_distr::{Distribution, StandardNormal};

use super::*;
use crate::cost::mean_step_s;
use crate::stats::coverage::is_nominal;
use crate::stats::stream::stream;

/// A designed grid of times under a law with independent relative noise.
fn sampled(law: &StepTimeLaw, contexts: &[f64], deviation: f64, seed: u64) -> Vec<Point> {
    let mut rng = stream(seed, "profile");
    let sizes = (0..60).map(|k| (1.13_f64.powi(k) * 3.0) as u64).map(|tokens| tokens.max(1));
    let mut points: Vec<Point> = Vec::new();
    for (tokens, &context) in sizes.flat_map(|tokens| contexts.iter().map(move |context| (tokens, context))) {
        let noise: f64 = StandardNormal.sample(&mut rng);
        let seconds = mean_step_s(law, tokens as f64, context) * (1.0 + deviation * noise);
        points.push(Point { tokens, context, pairs: 0.0, seconds });
    }
    points
}

const AFFINE: StepTimeLaw = StepTimeLaw::Affine { base_s: 0.007, per_token_s: 65e-6 };
const HINGE: StepTimeLaw = StepTimeLaw::Hinge { base_s: 0.0105, per_token_s: 67e-6, free_tokens: 75 };
const STAIRCASE: StepTimeLaw = StepTimeLaw::Staircase { base_s: 0.01128, per_stair_s: 0.03547, stair_tokens: 128 };
const CONTEXT: StepTimeLaw =
    StepTimeLaw::AffineContext { base_s: 0.007, per_token_s: 65e-6, per_context_token_s: 9e-8 };

#[test]
fn the_law_behind_the_points_is_chosen() {
    let many = [0.0, 2e4, 9e4, 3e5];
    for (law, kind, contexts) in [
        (&AFFINE, Kind::Affine, &many[..1]),
        (&HINGE, Kind::Hinge, &many[..1]),
        (&STAIRCASE, Kind::Staircase, &many[..1]),
        (&CONTEXT, Kind::AffineContext, &many[..]),
    ] {
        let found = calibrate(&sampled(law, contexts, 0.01, 3), 1).unwrap();
        assert_eq!(found.best().kind, kind, "{found:?}");
        assert!(found.best().validated.unwrap().error() < 0.015);
        assert_eq!(found.folds, 10);
    }
}

#[test]
fn without_noise_the_coefficients_come_back() {
    for (law, kind) in [(&AFFINE, Kind::Affine), (&HINGE, Kind::Hinge), (&STAIRCASE, Kind::Staircase)] {
        let found = fit(kind, &sampled(law, &[0.0], 0.0, 1)).unwrap();
        assert!(found.quality.mean_error < 1e-12 && found.quality.r_squared > 1.0 - 1e-12, "{found:?}");
    }
}

/// How often intervals at 95 % miss the coefficient: neither too often nor too rarely, at an error rate of 0.001 for each.
fn check_coverage(law: &StepTimeLaw, kind: Kind, contexts: &[f64], truth: &[f64]) {
    let rounds = 400;
    let mut missed = vec![0; truth.len()];
    for seed in 0..rounds {
        let found = fit(kind, &sampled(law, contexts, 0.01, seed)).unwrap();
        for (place, &value) in truth.iter().enumerate() {
            missed[place] += u64::from(!found.coefficients[place].interval.unwrap().contains(value));
        }
    }
    let nominal = missed.iter().all(|&missed| is_nominal(missed, rounds, 1.0 - CONFIDENCE, 0.001));
    assert!(nominal, "{kind:?}: missed {missed:?} of {rounds}");
}

#[test]
fn intervals_cover_as_often_as_they_say() {
    check_coverage(&AFFINE, Kind::Affine, &[0.0], &[0.007, 65e-6]);
    check_coverage(&HINGE, Kind::Hinge, &[0.0], &[0.0105, 67e-6, 75.0]);
    check_coverage(&STAIRCASE, Kind::Staircase, &[0.0], &[0.01128, 0.03547]);
    check_coverage(&CONTEXT, Kind::AffineContext, &[0.0, 5e4, 2e5], &[0.007, 65e-6, 9e-8]);
}

/// Points whose errors follow an autoregression of 0.6, as under a law of another shape.
fn correlated(law: &StepTimeLaw, deviation: f64, seed: u64) -> Vec<Point> {
    let mut error = 0.0;
    let mut follow = |point: Point| {
        let mean = mean_step_s(law, point.tokens as f64, point.context);
        error = 0.6 * error + 0.8 * (point.seconds / mean - 1.0);
        Point { seconds: mean * (1.0 + error), ..point }
    };
    sampled(law, &[0.0], deviation, seed).into_iter().map(&mut follow).collect()
}

/// Measured and documented: they miss 10 % (base) and 16 % (slope) instead of 5 %, unwidened 35 % and 38 %. Checked at an error rate of
/// 0.001 for each.
#[test]
fn intervals_of_correlated_errors_are_widened() {
    let rounds = 400;
    let (mut missed, mut narrow) = ([0; 2], [0; 2]);
    for seed in 0..rounds {
        let found = fit(Kind::Affine, &correlated(&AFFINE, 0.01, seed)).unwrap();
        let widening = found.spread.as_ref().unwrap().widening();
        for (place, value) in [0.007, 65e-6].into_iter().enumerate() {
            let interval = found.coefficients[place].interval.unwrap();
            missed[place] += u64::from(!interval.contains(value));
            narrow[place] += u64::from((value - interval.mean).abs() > interval.half_width() / widening);
        }
    }
    let documented = missed.iter().zip([0.10, 0.16]);
    assert!(documented.into_iter().all(|(&missed, rate)| is_nominal(missed, rounds, rate, 0.001)), "{missed:?}");
    assert!(narrow.iter().zip(missed).all(|(&narrow, missed)| narrow > missed + 40), "{narrow:?} {missed:?}");
}

#[test]
fn a_law_without_a_fit_says_why() {
    let points = sampled(&AFFINE, &[0.0], 0.01, 1);
    let found = calibrate(&points, 1).unwrap();
    assert_eq!(found.refused, [(Kind::AffineContext, "the profile has no context".to_owned())]);
    assert!(fit(Kind::Curve(4), &points[..3]).is_err());
    let few = calibrate(&points[..6], 1).unwrap();
    assert!(few.fits.iter().all(|fit| fit.shape.parameters() < 6));
}

#[test]
fn the_same_seed_gives_the_same_choice() {
    let points = sampled(&HINGE, &[0.0], 0.02, 9);
    assert_eq!(calibrate(&points, 4), calibrate(&points, 4));
}

/// A published profile, when it is at hand.
fn published(name: &str, layers: u64) -> Option<Profile> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("FLUIDSIM_SHARED").map_or_else(beside, PathBuf::from);
    let Ok(bytes) = std::fs::read(folder.join("data/profiles/vidur-linear-ops").join(name)) else {
        eprintln!("skipped: the recorded data are not at hand; FLUIDSIM_SHARED can name their folder");
        return None;
    };
    let selection = Selection { max_tokens: 4096, tensor_parallel: Some(1), layers: Some(layers) };
    Some(profile::read(name, &bytes, &selection).unwrap())
}

/// Fitted independently with numpy to the same sums: 7.271636 ms + 65.112613 µs, 4.930229 %; 10.526906 ms + 67.268476 µs over 75 tokens,
/// 3.738340 %. Published: 7.27 ms + 65.1 µs, 4.9 %; 10.53 ms + 67.3 µs over 75, 3.7 %.
#[test]
fn llama_3_8b_on_a100() {
    let Some(profile) = published("a100-llama-3-8b.csv", 32) else { return };
    assert_eq!(profile.points.len(), 259);
    let affine = fit(Kind::Affine, &profile.points).unwrap();
    assert_relative_eq!(affine.linear[0], 7.27163597e-3, max_relative = 1e-8);
    assert_relative_eq!(affine.linear[1], 65.11261328e-6, max_relative = 1e-8);
    assert_relative_eq!(affine.quality.mean_error, 0.049302286542101115, max_relative = 1e-8);
    let hinge = fit(Kind::Hinge, &profile.points).unwrap();
    assert_eq!(hinge.shape, Shape::Hinge { free: 75 });
    assert_relative_eq!(hinge.linear[0], 10.52690595e-3, max_relative = 1e-8);
    assert_relative_eq!(hinge.linear[1], 67.26847558e-6, max_relative = 1e-8);
    assert_relative_eq!(hinge.quality.mean_error, 0.037383402099989285, max_relative = 1e-8);
}

/// Independently: 51.796127 ms + 212.703941 µs over 148 tokens, 4.820458 %. Published: 51.8 ms + 212.7 µs over 148, 4.8 %.
#[test]
fn llama_2_70b_on_h100() {
    let Some(profile) = published("h100-llama-2-70b.csv", 80) else { return };
    let hinge = fit(Kind::Hinge, &profile.points).unwrap();
    assert_eq!(hinge.shape, Shape::Hinge { free: 148 });
    assert_relative_eq!(hinge.linear[0], 51.79612703e-3, max_relative = 1e-8);
    assert_relative_eq!(hinge.linear[1], 212.70394092e-6, max_relative = 1e-8);
    assert_relative_eq!(hinge.quality.mean_error, 0.04820458164352204, max_relative = 1e-8);
    // A curve sees the steps of the kernels that a hinge smooths.
    let found = calibrate(&profile.points, 1).unwrap();
    let error = |fit: &Fit| fit.validated.unwrap().error();
    assert_eq!(found.best().kind.name(), "curve");
    assert!(error(found.best()) < 0.7 * error(found.named("hinge").unwrap()));
}
