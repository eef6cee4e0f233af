//! Where a hinge bends: Nelder–Mead (1965) from several starts over the bend, with the other coefficients in closed form at each bend,
//! then whole tokens around the best.

use argmin::core::{CostFunction, Executor};
use argmin::solver::neldermead::NelderMead;
use nalgebra::DVector;

use super::least_squares::solve;
use super::profile::Point;
use super::shape::Shape;

const STARTS: usize = 10;
const ITERATIONS: u64 = 80;

/// The loss of the best hinge with a bend at so many tokens.
struct Bend<'a> {
    points: &'a [Point],
    last: f64,
}

impl Bend<'_> {
    fn loss(&self, free: f64) -> f64 {
        let inside = free.clamp(0.0, self.last);
        let columns = |point: &Point, row: &mut [f64]| {
            row[0] = 1.0;
            row[1] = (point.tokens as f64 - inside).max(0.0);
        };
        let best = solve(self.points, 2, &columns).map_or(1e30, |solved| solved.loss);
        // Outside it grows, so that the simplex comes back.
        best * (1.0 + (free - inside).abs())
    }
}

impl CostFunction for Bend<'_> {
    type Output = f64;
    type Param = DVector<f64>;

    fn cost(&self, at: &DVector<f64>) -> Result<f64, argmin::core::Error> {
        Ok(self.loss(at[0]))
    }
}

/// Tokens of the best bend; none when the points cannot tell.
pub(super) fn best_free(points: &[Point]) -> Option<u64> {
    let mut sizes: Vec<u64> = points.iter().map(|point| point.tokens).collect();
    sizes.dedup();
    // Beyond the last but one size nothing tells the slope.
    let last = *sizes.get(sizes.len().checked_sub(2)?)? as f64;
    let starts = (0..STARTS).map(|k| last.max(1.0).powf((k as f64 + 0.5) / STARTS as f64));
    let found = starts.filter_map(|start| descend(points, last, start));
    let best = found.chain([(f64::INFINITY, 0.0)]).min_by(|a, b| a.0.total_cmp(&b.0))?.1;
    whole_near(points, best.clamp(0.0, last) as u64, last as u64)
}

/// The loss and the bend at the end of one descent.
fn descend(points: &[Point], last: f64, start: f64) -> Option<(f64, f64)> {
    let simplex = vec![DVector::from_element(1, start), DVector::from_element(1, start * 1.3 + 1.0)];
    let solver = NelderMead::new(simplex).with_sd_tolerance(1e-12).ok()?;
    let bend = Bend { points, last };
    let run = Executor::new(bend, solver).configure(|state| state.max_iters(ITERATIONS)).run().ok()?;
    Some((run.state.best_cost, run.state.best_param.as_ref()?[0]))
}

/// The whole bend with the least loss near `start`: downhill, a token at a time.
fn whole_near(points: &[Point], start: u64, last: u64) -> Option<u64> {
    let loss = |free: u64| Shape::Hinge { free }.solve(points).map(|solved| solved.loss);
    let mut best = (start, loss(start)?);
    loop {
        let around = [best.0.saturating_sub(1), (best.0 + 1).min(last)];
        let better = around.iter().filter_map(|&free| Some((free, loss(free)?))).find(|next| next.1 < best.1);
        match better {
            Some(next) => best = next,
            None => return Some(best.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every whole bend tried: the descents must find the best of them.
    #[test]
    fn descents_find_what_trying_every_bend_finds() {
        for (free, bump) in [(0_u64, 0.0), (75, 0.01), (148, 0.04), (700, 0.02)] {
            let time = |b: u64| 0.01 + 6e-5 * b.saturating_sub(free) as f64;
            let wavy = |b: u64| time(b) * (1.0 + bump * (b as f64 * 0.7).sin());
            let points: Vec<Point> =
                (1..300).map(|k| Point { tokens: 7 * k, context: 0.0, pairs: 0.0, seconds: wavy(7 * k) }).collect();
            let found = best_free(&points).unwrap();
            let loss = |free: u64| Shape::Hinge { free }.solve(&points).unwrap().loss;
            let least = (0..2000).min_by(|&a, &b| loss(a).total_cmp(&loss(b))).unwrap();
            // Bends before the first size are one law.
            assert!(found == least || found.max(least) <= 7, "{found} {least}");
            assert!(bump > 0.0 || free == 0 || found == free, "{found}");
        }
    }
}
