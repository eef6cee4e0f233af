//! Long lines without what cannot be seen.

use std::ops::Range;

/// Of a line longer than four points per column of pixels, the first, lowest, highest and last point of every column;
/// the picture is the same. Points must not go back in x for this to thin anything.
pub(super) fn thinned(points: &[(f64, f64)], range: Range<f64>, columns: usize) -> Vec<(f64, f64)> {
    if points.len() <= 4 * columns {
        return points.to_vec();
    }
    let column = |x: f64| ((x - range.start) / (range.end - range.start) * columns as f64) as usize;
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for group in points.chunk_by(|a, b| column(a.0) == column(b.0)) {
        let order = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let place = |found: Option<&(f64, f64)>| {
            found.and_then(|point| group.iter().position(|other| std::ptr::eq(other, point))).unwrap_or(0)
        };
        let mut places = vec![0, place(group.iter().min_by(order)), place(group.iter().max_by(order)), group.len() - 1];
        places.sort_unstable();
        places.dedup();
        kept.extend(places.into_iter().map(|place| group[place]));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_line_is_left_alone() {
        let points = vec![(0.0, 1.0), (1.0, 2.0)];
        assert_eq!(thinned(&points, 0.0..1.0, 10), points);
    }

    #[test]
    fn a_long_line_keeps_its_ends_and_extremes() {
        let mut points: Vec<(f64, f64)> = (0..100_000).map(|k| (f64::from(k), f64::from(k % 7))).collect();
        points[54_321].1 = 99.0;
        let kept = thinned(&points, 0.0..99_999.0, 100);
        assert!(kept.len() <= 404, "{}", kept.len());
        assert!(kept.contains(&(54_321.0, 99.0)));
        assert_eq!((kept[0], kept[kept.len() - 1]), (points[0], points[99_999]));
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
