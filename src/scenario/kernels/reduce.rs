//! From kernel tables to the law of theory, [`StepTimeLaw::Curve`]: what depends on tokens is kept point by point; attention becomes a
//! cost per KV token and one per pair of prompt tokens, by least squares of relative errors over what was measured.

use super::{Cell, along};
use crate::scenario::step_time::{CurvePoint, StepTimeLaw};

/// The curve, and the mean absolute relative error of its attention over decodes alone and over prompts alone.
pub fn law(dense: &[CurvePoint], end: &[CurvePoint], cells: &[Cell]) -> (StepTimeLaw, [f64; 2]) {
    let decodes: Vec<&Cell> = cells.iter().filter(|cell| cell.at[0] == 0).collect();
    let prompts: Vec<&Cell> = cells.iter().filter(|cell| cell.at[2] == 0).collect();
    let held = |cell: &Cell| (cell.at[0] + cell.at[1] + cell.at[2] * cell.at[3]) as f64;
    let (base, per_context) = line(&decodes, held);
    let pairs = |cell: &Cell| cell.at[0] as f64 * (cell.at[1] as f64 + (cell.at[0] as f64 + 1.0) / 2.0);
    // In the curve the KV of prompts costs like that of decodes; pairs take the rest.
    let (mut products, mut squares) = (0.0, 0.0);
    for cell in &prompts {
        let rest = 1.0 - (base + per_context * held(cell)) / cell.seconds;
        let pairs = pairs(cell) / cell.seconds;
        products += rest * pairs;
        squares += pairs * pairs;
    }
    let per_pair = if squares > 0.0 { f64::max(products / squares, 0.0) } else { 0.0 };
    let fitted =
        |cell: &Cell| base + per_context * held(cell) + per_pair * if cell.at[0] > 0 { pairs(cell) } else { 0.0 };
    let error = |cells: &[&Cell]| {
        let sum: f64 = cells.iter().map(|cell| (fitted(cell) / cell.seconds - 1.0).abs()).sum();
        sum / (cells.len() as f64).max(1.0)
    };
    let most = end.last().map_or(0, |point| point.tokens);
    let mut places: Vec<u64> = dense.iter().chain(end).map(|point| point.tokens.max(1)).collect();
    places.sort_unstable();
    places.dedup();
    let at = |tokens: u64| {
        let ends = along(end, tokens.min(most) as f64);
        CurvePoint { tokens, seconds: base + along(dense, tokens as f64) + ends }
    };
    let points = places.into_iter().map(at).collect();
    let law = StepTimeLaw::Curve { points, per_context_token_s: per_context, per_prefill_pair_s: per_pair };
    (law, [error(&decodes), error(&prompts)])
}

/// Intercept and slope, neither negative, of the least relative squares.
fn line(cells: &[&Cell], x: impl Fn(&Cell) -> f64) -> (f64, f64) {
    let [mut w, mut wx, mut wxx, mut wy, mut wxy] = [0.0; 5];
    for cell in cells {
        let (x, y) = (x(cell), cell.seconds);
        let weight = 1.0 / (y * y);
        w += weight;
        wx += weight * x;
        wxx += weight * x * x;
        wy += weight * y;
        wxy += weight * x * y;
    }
    let determinant = w * wxx - wx * wx;
    if determinant <= 1e-12 * w * wxx {
        return (if w > 0.0 { wy / w } else { 0.0 }, 0.0);
    }
    let (base, slope) = ((wxx * wy - wx * wxy) / determinant, (w * wxy - wx * wy) / determinant);
    match (base < 0.0, slope < 0.0) {
        (true, _) => (0.0, (wxy / wxx).max(0.0)),
        (_, true) => (wy / w, 0.0),
        _ => (base, slope),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn tables_of_a_curve_come_back_as_the_curve() {
        let (base, context, pair) = (1e-3, 2e-7, 3e-9);
        let mut cells = Vec::new();
        for (n, kv) in [(1, 16), (1, 4096), (8, 64), (64, 512), (128, 2048)] {
            cells.push(Cell { at: [0, 0, n, kv], seconds: base + context * (n * kv) as f64 });
        }
        for (chunk, kv) in [(16_u64, 0_u64), (256, 0), (512, 4096), (2048, 0)] {
            let pairs = (chunk * kv + chunk * (chunk + 1) / 2) as f64;
            cells.push(Cell { at: [chunk, kv, 0, 0], seconds: base + context * (chunk + kv) as f64 + pair * pairs });
        }
        let points = |points: &[(u64, f64)]| -> Vec<CurvePoint> {
            points.iter().map(|&(tokens, seconds)| CurvePoint { tokens, seconds }).collect()
        };
        let (dense, end) = (points(&[(1, 0.01), (101, 0.02)]), points(&[(1, 0.001), (51, 0.002)]));
        let (found, error) = law(&dense, &end, &cells);
        let StepTimeLaw::Curve { points, per_context_token_s, per_prefill_pair_s } = found else { panic!() };
        assert_relative_eq!(per_context_token_s, context, max_relative = 1e-6);
        assert_relative_eq!(per_prefill_pair_s, pair, max_relative = 1e-6);
        assert!(error.iter().all(|error| *error < 1e-6));
        let at = |tokens| points.iter().find(|point| point.tokens == tokens).unwrap().seconds;
        assert_relative_eq!(at(51), 0.001 + 0.015 + 0.002, max_relative = 1e-6);
        assert_relative_eq!(at(101), 0.001 + 0.02 + 0.002, max_relative = 1e-6);
    }
}
