//! The knots of a curve: those measured sizes whose joining lines lie nearest to all points (dynamic programming over the sizes, Bellman
//! and Roth 1969); the seconds at the knots are then fitted to all points, which brings the curve nearer still.

use super::profile::Point;
use super::shape::Shape;

/// Sizes among which knots are looked for; of more, as many spread over them.
const CANDIDATES: usize = 300;

/// Values of the hats at b: linear between the knots, constant before the first, with the last slope behind the last.
pub(super) fn hats(knots: &[u64], b: f64, row: &mut [f64]) {
    row.fill(0.0);
    let Some(&first) = knots.first() else { return };
    if knots.len() == 1 || b <= first as f64 {
        row[0] = 1.0;
        return;
    }
    let left = knots.partition_point(|&knot| (knot as f64) < b).clamp(1, knots.len() - 1) - 1;
    let (from, to) = (knots[left] as f64, knots[left + 1] as f64);
    let part = (b - from) / (to - from);
    row[left] = 1.0 - part;
    row[left + 1] = part;
}

/// The curve with so many knots; none when there are fewer sizes than that.
pub(super) fn best(points: &[Point], knots: usize) -> Option<Shape> {
    let context = points.iter().any(|point| point.context > 0.0);
    let pairs = points.iter().any(|point| point.pairs > 0.0);
    let flat = without_attention(points, context, pairs);
    let sizes = Sizes::of(points, &flat);
    let knots = sizes.knots(knots)?;
    Some(Shape::Curve { knots, context, pairs })
}

/// Seconds without attention, as a line in b with attention tells it.
fn without_attention(points: &[Point], context: bool, pairs: bool) -> Vec<f64> {
    let ends = [points.first(), points.last()].map(|point| point.map_or(0, |point| point.tokens)).to_vec();
    let shape = Shape::Curve { knots: ends, context, pairs };
    let Some(solved) = shape.solve(points) else { return points.iter().map(|point| point.seconds).collect() };
    let attention: Vec<f64> =
        solved.coefficients.iter().enumerate().map(|(k, &value)| if k < 2 { 0.0 } else { value }).collect();
    points.iter().map(|point| point.seconds - shape.seconds(&attention, point)).collect()
}

/// Sums over all points up to each candidate, so that the misfit of a line between two candidates costs nothing to find.
struct Sizes {
    /// (tokens, typical seconds) of the candidates.
    ends: Vec<(f64, f64)>,
    /// Before each candidate: Σ w, Σ wx, Σ wx², Σ wz, Σ wxz, Σ wz², with w = 1/y².
    sums: Vec<[f64; 6]>,
}

impl Sizes {
    fn of(points: &[Point], flat: &[f64]) -> Self {
        let mut groups: Vec<(u64, Vec<usize>)> = Vec::new();
        for (place, point) in points.iter().enumerate() {
            match groups.last_mut() {
                Some((tokens, places)) if *tokens == point.tokens => places.push(place),
                _ => groups.push((point.tokens, vec![place])),
            }
        }
        let count = groups.len();
        let thin = count > CANDIDATES;
        let chosen = |k: usize| {
            !thin || k * (CANDIDATES - 1) / (count - 1) != (k + 1) * (CANDIDATES - 1) / (count - 1) || k == 0
        };
        let (mut ends, mut sums, mut running) = (Vec::new(), Vec::new(), [0.0; 6]);
        for (k, (tokens, places)) in groups.iter().enumerate() {
            let x = *tokens as f64;
            if chosen(k) || k + 1 == count {
                ends.push((x, places.iter().map(|&place| flat[place]).sum::<f64>() / places.len() as f64));
                sums.push(running);
            }
            for &place in places {
                let (w, z) = (points[place].seconds.powi(-2), flat[place]);
                let terms = [w, w * x, w * x * x, w * z, w * x * z, w * z * z];
                running.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
            }
        }
        Self { ends, sums }
    }

    /// Σ of squared relative residuals from candidate i up to before candidate j, of the line that joins them.
    fn misfit(&self, i: usize, j: usize) -> f64 {
        let ((x0, z0), (x1, z1)) = (self.ends[i], self.ends[j]);
        let slope = (z1 - z0) / (x1 - x0);
        let base = z0 - slope * x0;
        let [w, wx, wxx, wz, wxz, wzz] = std::array::from_fn(|k| self.sums[j][k] - self.sums[i][k]);
        let squares = base * base * w + slope * slope * wxx + wzz + 2.0 * (base * slope * wx - base * wz - slope * wxz);
        squares.max(0.0)
    }

    fn knots(&self, count: usize) -> Option<Vec<u64>> {
        let n = self.ends.len();
        if count < 2 || n < count {
            return None;
        }
        // least[j]: of chains of lines from the first candidate to j; back[level][j]: the one before j.
        let mut least: Vec<f64> = (0..n).map(|j| if j == 0 { 0.0 } else { self.misfit(0, j) }).collect();
        let mut back = Vec::new();
        for _ in 2..count {
            let step = |j: usize| {
                let through = (1..j).map(|i| (least[i] + self.misfit(i, j), i));
                through.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((f64::INFINITY, 0))
            };
            let next: Vec<(f64, usize)> = (0..n).map(step).collect();
            least = next.iter().map(|found| found.0).collect();
            back.push(next.iter().map(|found| found.1).collect::<Vec<_>>());
        }
        let mut chain = vec![n - 1];
        for level in back.iter().rev() {
            chain.push(level[*chain.last()?]);
        }
        chain.push(0);
        chain.reverse();
        Some(chain.iter().map(|&place| self.ends[place].0 as u64).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(seconds: impl Fn(f64, f64) -> f64, contexts: &[f64]) -> Vec<Point> {
        let sizes = (1..120).flat_map(|k| contexts.iter().map(move |&context| (8 * k, context)));
        sizes
            .map(|(tokens, context)| Point { tokens, context, pairs: 0.0, seconds: seconds(tokens as f64, context) })
            .collect()
    }

    fn bent(b: f64, context: f64) -> f64 {
        0.01 + 1e-5 * b + 5e-5 * (b - 256.0).max(0.0) + 1e-4 * (b - 640.0).max(0.0) + 1e-8 * context
    }

    #[test]
    fn knots_stand_where_the_times_bend() {
        for contexts in [&[0.0][..], &[0.0, 3e4, 1e5]] {
            let points = points(bent, contexts);
            let shape = best(&points, 4).unwrap();
            let Shape::Curve { knots, context, .. } = &shape else { unreachable!() };
            assert_eq!((knots.as_slice(), *context), (&[8, 256, 640, 952][..], contexts.len() > 1));
            assert!(shape.solve(&points).unwrap().loss < 1e-20);
        }
    }

    #[test]
    fn hats_are_the_curve_of_the_cost_room() {
        let knots = [8, 64, 256];
        let seconds = [0.01, 0.012, 0.05];
        let shape = Shape::Curve { knots: knots.to_vec(), context: false, pairs: false };
        let law = shape.law(&seconds);
        for tokens in [1, 8, 30, 64, 100, 256, 1000] {
            let point = Point { tokens, context: 0.0, pairs: 0.0, seconds: 1.0 };
            let expected = crate::cost::mean_step_s(&law, tokens as f64, 0.0);
            approx::assert_relative_eq!(shape.seconds(&seconds, &point), expected, max_relative = 1e-13);
        }
        assert_eq!(best(&points(bent, &[0.0])[..3], 4), None);
    }
}
