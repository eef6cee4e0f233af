//! Where the transient of a series ends: MSER-5.
//!
//! White (1997), *An effective truncation heuristic for bias reduction in simulation output*, SIMULATION 69:323–334;
//! Franklin and White (2008), *Stationarity tests and MSER-5*, Winter Simulation Conference. Cutting d of m values
//! leaves a mean whose estimated squared error is MSER(d) = Σ_{j>d}(z_j − z̄_d)²/(m − d)²; d is chosen to make it
//! least. The MSER-5 form applies this to means of five consecutive observations.

use super::moments::Accumulator;

/// Observations per batch in MSER-5.
pub const MSER_BATCH: usize = 5;

/// Where to cut a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncation {
    /// Leading observations to leave out; never more than half.
    pub drop: usize,
    /// The least error lies at the last cut allowed: the series is too short to have left its transient.
    pub at_limit: bool,
}

/// MSER-5 of `series`: observations to cut from its start, at most half of them. A series of fewer than ten is not cut.
pub fn mser5(series: &[f64]) -> Truncation {
    mser(series, MSER_BATCH)
}

/// MSER on means of `batch` observations (an incomplete last batch is left out of the test). Of equal errors the
/// earliest cut wins. `batch` 0 is taken as 1.
pub fn mser(series: &[f64], batch: usize) -> Truncation {
    let batch = batch.max(1);
    let means: Vec<f64> = series.chunks_exact(batch).map(|values| values.iter().sum::<f64>() / batch as f64).collect();
    let last = means.len() / 2;
    let mut tail = Accumulator::new();
    let mut best: Option<(f64, usize)> = None;
    // From the end, so that one pass gives the variance of every tail.
    for cut in (0..means.len()).rev() {
        tail.push(means[cut]);
        let error = tail.variance().map(|variance| variance * (tail.count() - 1) as f64);
        let Some(error) = error.filter(|_| cut <= last).map(|sum| sum / (tail.count() as f64).powi(2)) else {
            continue;
        };
        if best.is_none_or(|(least, _)| error <= least) {
            best = Some((error, cut));
        }
    }
    let cut = best.map_or(0, |(_, cut)| cut);
    Truncation { drop: cut * batch, at_limit: last > 0 && cut == last }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn short_and_flat_series_are_not_cut() {
        for series in [vec![], vec![3.0], vec![1.0, 2.0, 3.0], vec![4.0; 100]] {
            assert_eq!(mser5(&series), Truncation { drop: 0, at_limit: false }, "{series:?}");
        }
    }

    #[test]
    fn a_step_is_cut_where_it_ends() {
        let series: Vec<f64> =
            (0..200).map(|k| if k < 40 { 0.0 } else { 10.0 + f64::from(k % 5) + 0.1 * f64::from(k / 5 % 2) }).collect();
        assert_eq!(mser5(&series), Truncation { drop: 40, at_limit: false });
    }

    #[test]
    fn a_ramp_that_never_ends_is_cut_at_half_and_says_so() {
        let series: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(mser5(&series), Truncation { drop: 50, at_limit: true });
    }

    #[test]
    fn an_exponential_transient_loses_its_bias() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let series: Vec<f64> =
            (0..2000).map(|k| 10.0 - 10.0 * (-f64::from(k) / 50.0).exp() + rng.random_range(-1.0..1.0)).collect();
        let found = mser5(&series);
        assert!((100..600).contains(&found.drop) && !found.at_limit, "{found:?}");
        let kept = &series[found.drop..];
        let mean = kept.iter().sum::<f64>() / kept.len() as f64;
        assert!((mean - 10.0).abs() < 0.05, "{mean}");
    }

    #[test]
    fn the_definition_agrees_with_the_one_pass_form() {
        let series: Vec<f64> = (0..60).map(|k| f64::from((k * 37 + 11) % 23) + 40.0 / f64::from(k + 1)).collect();
        let error = |cut: usize| {
            let kept = &series[cut..];
            let mean = kept.iter().sum::<f64>() / kept.len() as f64;
            kept.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (kept.len() as f64).powi(2)
        };
        let by_hand = (0..=30).min_by(|&a, &b| error(a).total_cmp(&error(b))).unwrap();
        assert_eq!(mser(&series, 1).drop, by_hand);
    }
}
