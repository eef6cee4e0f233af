//! Piecewise linear curves of seconds over tokens.

use std::sync::Arc;

use crate::scenario::{CurvePoint, Time};

/// Seconds at `tokens`: linear between the points, constant before the first, with the last slope beyond the last.
pub fn seconds(points: &[CurvePoint], tokens: f64) -> f64 {
    let after = points.partition_point(|point| (point.tokens as f64) < tokens);
    let Some(first) = points.first() else { return 0.0 };
    if after == 0 {
        return first.seconds;
    }
    let (from, slope) = (&points[after - 1], slope_after(points, after - 1));
    from.seconds + slope * (tokens - from.tokens as f64)
}

/// Seconds per token behind point `index`; the last slope also behind the last point.
pub fn slope_after(points: &[CurvePoint], index: usize) -> f64 {
    if points.len() < 2 {
        return 0.0;
    }
    let from = index.min(points.len() - 2);
    (points[from + 1].seconds - points[from].seconds) / (points[from + 1].tokens - points[from].tokens) as f64
}

/// The curve as first(b) + Σ change·(b − tokens)⁺: at every point how much steeper it becomes, seconds per token.
pub fn bends(points: &[CurvePoint]) -> impl Iterator<Item = (f64, f64)> + '_ {
    let corners = points.len().saturating_sub(1);
    (0..corners).map(move |index| {
        let before = if index == 0 { 0.0 } else { slope_after(points, index - 1) };
        (points[index].tokens as f64, slope_after(points, index) - before)
    })
}

/// A curve in whole attoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExactCurve {
    /// Tokens, attoseconds there, attoseconds per token behind it.
    knots: Arc<[(i64, i128, i128)]>,
}

impl ExactCurve {
    pub fn new(points: &[CurvePoint]) -> Self {
        let whole = |seconds: f64| Time::from_decimal(seconds).0;
        let knots = points
            .iter()
            .enumerate()
            .map(|(index, point)| (point.tokens as i64, whole(point.seconds), whole_slope(points, index)));
        Self { knots: knots.collect() }
    }

    /// Attoseconds at `tokens`. A slope is rounded down to whole attoseconds, which moves a point by less than one attosecond per token.
    pub fn at(&self, tokens: i64) -> i128 {
        let after = self.knots.partition_point(|knot| knot.0 < tokens);
        if after == 0 {
            return self.knots.first().map_or(0, |knot| knot.1);
        }
        let (from, base, slope) = self.knots[after - 1];
        base + slope * i128::from(tokens - from)
    }
}

/// The slope behind a point between the rounded ends.
fn whole_slope(points: &[CurvePoint], index: usize) -> i128 {
    if points.len() < 2 {
        return 0;
    }
    let from = index.min(points.len() - 2);
    let whole = |point: &CurvePoint| Time::from_decimal(point.seconds).0;
    (whole(&points[from + 1]) - whole(&points[from])) / i128::from(points[from + 1].tokens - points[from].tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    fn curve() -> Vec<CurvePoint> {
        [(1, 0.010), (64, 0.012), (256, 0.020), (512, 0.050)]
            .map(|(tokens, seconds)| CurvePoint { tokens, seconds })
            .to_vec()
    }

    #[test]
    fn a_curve_goes_through_its_points_and_on_with_the_last_slope() {
        let points = curve();
        for point in &points {
            assert_relative_eq!(seconds(&points, point.tokens as f64), point.seconds, max_relative = 1e-15);
        }
        assert_relative_eq!(seconds(&points, 160.0), 0.016, max_relative = 1e-14);
        assert_relative_eq!(seconds(&points, 768.0), 0.080, max_relative = 1e-14);
        assert_eq!((seconds(&points, 0.5), seconds(&points[..1], 900.0)), (0.010, 0.010));
    }

    #[test]
    fn bends_add_up_to_the_curve() {
        let points = curve();
        for b in [1.0, 30.0, 64.0, 100.0, 300.0, 2000.0] {
            let sum: f64 = bends(&points).map(|(tokens, change)| change * f64::max(b - tokens, 0.0)).sum();
            assert_relative_eq!(0.010 + sum, seconds(&points, b), max_relative = 1e-13);
        }
    }

    #[test]
    fn whole_attoseconds_agree_with_reals() {
        let points = curve();
        let exact = ExactCurve::new(&points);
        for tokens in [0, 1, 2, 63, 64, 65, 200, 512, 513, 4096] {
            let found = exact.at(tokens) as f64 * 1e-18;
            assert_relative_eq!(found, seconds(&points, tokens as f64), max_relative = 1e-13);
        }
    }
}
