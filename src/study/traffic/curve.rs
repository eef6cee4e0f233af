//! A modulated Poisson process of two states through the curve of the index of dispersion.
//!
//! Its index is 1 + A(1 − (1 − e^{−ct})/(ct)), where A = 2σ²/(cλ) holds the variance σ² of the rate and c is the rate at which it forgets
//! (Heffes and Lucantoni 1986). A and c are those of least squares of the logarithms, weighted by the width of the intervals;
//! the share of the busy state, which the index leaves open, is that of the greatest likelihood.

use super::counts::Dispersion;
use super::maximum::maximise;

/// Shares of the busy state that are tried.
const SHARES: usize = 60;

/// ln of the rates and of the mean stays in seconds, busy state first; none where the curve does not rise above 1.
pub fn through(rate_per_s: f64, curve: &[Dispersion], likelihood: &dyn Fn(&[f64]) -> f64) -> Option<Vec<f64>> {
    let (excess, decay_per_s) = excess_and_decay(curve)?;
    let deviation = (0.5 * excess * decay_per_s * rate_per_s).sqrt();
    let states = |share: f64| {
        let busy = rate_per_s + deviation * ((1.0 - share) / share).sqrt();
        let quiet = rate_per_s - deviation * (share / (1.0 - share)).sqrt();
        let stays = [1.0 / ((1.0 - share) * decay_per_s), 1.0 / (share * decay_per_s)];
        (quiet > 0.0).then(|| [busy, quiet, stays[0], stays[1]].map(f64::ln).to_vec())
    };
    // From 0.002 to 0.998, evenly in the logarithm of the odds.
    let share = |k: usize| 1.0 / (1.0 + (6.2 - 12.4 * k as f64 / (SHARES - 1) as f64).exp());
    let tried = (0..SHARES).filter_map(|k| states(share(k)));
    tried
        .map(|at| (likelihood(&at), at))
        .filter(|pair| pair.0.is_finite())
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|pair| pair.1)
}

/// A and c; none of fewer than three time scales.
fn excess_and_decay(curve: &[Dispersion]) -> Option<(f64, f64)> {
    let usable = |at: &&Dispersion| at.index > 0.0 && at.interval.1 > at.interval.0 && at.interval.0 > 0.0;
    let points: Vec<_> = curve.iter().filter(usable).collect();
    let top = points.iter().map(|at| at.index).fold(0.0, f64::max);
    if points.len() < 3 || top <= 1.0 {
        return None;
    }
    let misfit = |at: &[f64]| {
        let (excess, decay) = (at[0].exp(), at[1].exp());
        let errors = points.iter().map(|point| {
            let x = decay * point.window_s;
            let index = 1.0 + excess * (1.0 + (-x).exp_m1() / x);
            ((index / point.index).ln() / (point.interval.1 / point.interval.0).ln()).powi(2)
        });
        -errors.sum::<f64>()
    };
    let starts = [1.0, 0.1, 0.01].map(|decay: f64| [(top - 1.0).ln(), decay.ln()]);
    let found = starts.iter().filter_map(|start| maximise(&misfit, start, 0.5)).max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some((found.0[0].exp(), found.0[1].exp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An exact curve gives A and c back, and the best share among those tried is the nearest to the true one.
    #[test]
    fn the_curve_of_a_process_gives_it_back() {
        let [busy, quiet, stay_a, stay_b] = [10.0, 2.0, 5.0, 30.0];
        let (rate, decay) = (110.0 / 35.0, 1.0 / stay_a + 1.0 / stay_b);
        let variance = (busy - quiet) * (busy - quiet) * 5.0 * 30.0 / (35.0 * 35.0);
        let excess = 2.0 * variance / (decay * rate);
        let curve: Vec<Dispersion> = [1.0, 3.0, 10.0, 30.0, 100.0]
            .map(|window_s: f64| {
                let x = decay * window_s;
                let index = 1.0 + excess * (1.0 + (-x).exp_m1() / x);
                Dispersion { window_s, windows: 100, index, index_n: index, interval: (0.9 * index, 1.1 * index) }
            })
            .to_vec();
        let near = |at: &[f64]| -(at[0] - 10.0_f64.ln()).powi(2);
        let found: Vec<f64> = through(rate, &curve, &near).unwrap().iter().map(|x| x.exp()).collect();
        for (value, truth) in found.iter().zip([busy, quiet, stay_a, stay_b]) {
            // Neighbouring shares differ by 20 % of the odds.
            assert!((value / truth - 1.0).abs() < 0.1, "{found:?}");
        }
        let mean = (found[0] * found[2] + found[1] * found[3]) / (found[2] + found[3]);
        assert!((mean - rate).abs() < 1e-9 && (1.0 / found[2] + 1.0 / found[3] - decay).abs() < 1e-4, "{found:?}");
        assert!(through(rate, &curve[..2], &near).is_none());
    }
}
