//! Whether a value is as expected.

use super::{Check, Tolerance, Verdict};
use crate::answer::Figure;
use crate::stats::interval::student_t;
use crate::study::CONFIDENCE;

/// A single interval that misses by more than chance allows in one of 100 000 is wrong by itself.
pub const FAR: f64 = 1e-5;

/// Share of an interval's half-width that whole tokens may move the mean by.
pub const LATTICE: f64 = 0.1;

/// How the obtained values came about.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Independent trials behind an interval.
    pub trials: u64,
    /// Share by which whole tokens may move the mean.
    pub lattice: f64,
}

/// The verdict on one quantity.
pub fn judge(
    quantity: &str,
    expected: Option<f64>,
    obtained: Option<Figure>,
    tolerance: Tolerance,
    sample: Sample,
    counted: bool,
) -> Check {
    let check = |verdict, why: &str| Check {
        quantity: quantity.to_owned(),
        expected,
        obtained,
        verdict,
        counted: counted && obtained.is_some_and(|figure| figure.interval.is_some()),
        why: why.to_owned(),
    };
    let Some(expected) = expected else { return check(Verdict::Wrong, "theory has no such quantity") };
    let Some(figure) = obtained else { return check(Verdict::Wrong, "there is no such quantity") };
    let gap = (figure.value - expected).abs();
    let right = |right: bool| check(if right { Verdict::Right } else { Verdict::Wrong }, "");
    match tolerance {
        Tolerance::Relative(share) => right(gap <= share * expected.abs()),
        Tolerance::Absolute(most) => right(gap <= most),
        // A unit more or less of the last place of a double is no difference in print.
        Tolerance::Printed(unit) => right(gap <= 0.5 * unit * (1.0 + 1e-9)),
        Tolerance::Equivalence(share) => {
            let Some((low, high)) = figure.interval else { return check(Verdict::Wrong, "has no interval") };
            let half = 0.5 * (high - low) * widened(sample.trials, 0.9);
            right(gap + half <= share * expected.abs())
        }
        Tolerance::Interval { half_width } => {
            let Some((low, high)) = figure.interval else { return check(Verdict::Wrong, "has no interval") };
            let own = 0.5 * (high - low);
            if sample.lattice * expected.abs() > LATTICE * own && own > 0.0 {
                return check(Verdict::Wrong, "whole tokens may move it by more than a tenth of the interval");
            }
            let allowed = own.hypot(half_width);
            // Rounding is no miss.
            match gap - 1e-9 * expected.abs() {
                gap if gap <= allowed => check(Verdict::Right, ""),
                gap if gap <= allowed * widened(sample.trials, 1.0 - FAR) => check(Verdict::Misses, ""),
                _ => check(Verdict::Wrong, "farther out than one of 100 000 intervals"),
            }
        }
    }
}

/// The width of an interval of this confidence over that of 95 %.
fn widened(trials: u64, confidence: f64) -> f64 {
    let freedom = trials.max(2) as f64 - 1.0;
    let ratio = student_t(confidence, freedom).zip(student_t(CONFIDENCE, freedom)).map(|(wide, usual)| wide / usual);
    ratio.unwrap_or(1.0)
}
