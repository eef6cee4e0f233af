//! How long the stairs are: every whole length is tried, since the loss jumps with it and no descent could be trusted.

use super::profile::Point;
use super::shape::Shape;

/// Longest stair tried.
const LONGEST: u64 = 2048;

/// Tokens per stair; the shortest of equals. A stair of one token is the affine law and not tried.
pub(super) fn best_stair(points: &[Point]) -> Option<u64> {
    let largest = points.iter().map(|point| point.tokens).max()?;
    let loss = |stair: u64| Some((stair, Shape::Staircase { stair }.solve(points)?.loss));
    let tried = (2..=largest.min(LONGEST)).filter_map(loss);
    tried.min_by(|a, b| a.1.total_cmp(&b.1)).map(|best| best.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stair_of_the_published_measurement() {
        let time = |b: u64| 0.01128 + 0.03547 * b.div_ceil(128) as f64;
        let point = |tokens| Point { tokens, context: 0.0, pairs: 0.0, seconds: time(tokens) };
        let points: Vec<Point> = (1..200).map(|k| point(5 * k)).chain([128, 129, 256, 257].map(point)).collect();
        assert_eq!(best_stair(&points), Some(128));
    }
}
