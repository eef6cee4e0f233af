//! Percentiles of the time to the first and to the last token from the ways that lead there.

use statrs::function::erf::erfc;

use super::super::mixture::{gathered, percentiles};

/// A way to the first token: what is left of an iteration of `step` seconds, then `time`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub step: f64,
    pub time: f64,
    pub mass: f64,
}

/// Percentiles of a start and an exponential wait with the given probability and mean.
pub(super) fn starts_percentiles(starts: &[Start], (p, mean): (f64, f64)) -> [f64; 3] {
    let total: f64 = starts.iter().map(|start| start.mass).sum();
    let waits = p > 1e-9 && mean > 0.0;
    // The integral of the wait's distribution function from 0 to y.
    let area = |y: f64| {
        if y <= 0.0 {
            0.0
        } else if waits {
            y - p * mean * (1.0 - (-y / mean).exp())
        } else {
            y
        }
    };
    let longest = starts.iter().map(|start| start.time + start.step).fold(0.0, f64::max);
    let top = longest + if waits { 8.0 * mean } else { 0.0 };
    percentiles(0.0, top, |x| {
        let below = |s: &Start| s.mass / s.step * (area(x - s.time) - area(x - s.time - s.step));
        starts.iter().map(below).sum::<f64>() / total
    })
}

/// Percentiles of a start, a wait and what follows, whose nodes are (mean, deviation, mass); `mean` is that of start and wait.
pub(super) fn e2e_percentiles(
    starts: &[Start],
    (p, wait): (f64, f64),
    nodes: &[(f64, f64, f64)],
    mean: f64,
) -> [f64; 3] {
    let mut atoms = Vec::new();
    for start in starts {
        for part in [0.25, 0.75] {
            let value = start.time + part * start.step;
            atoms.push((value, 0.5 * start.mass * (1.0 - p)));
            if p > 1e-6 {
                // The quarters of an exponential law, each by its mean.
                for quarter in [0.137, 0.477, 0.96, 2.426] {
                    atoms.push((value + quarter * wait, 0.125 * start.mass * p));
                }
            }
        }
    }
    let firsts = gathered(atoms);
    let found: f64 = firsts.iter().map(|first| first.0 * first.1).sum();
    let scale = mean / found.max(f64::MIN_POSITIVE);
    let mut ways = Vec::with_capacity(firsts.len() * nodes.len());
    for &(first, share) in &firsts {
        ways.extend(nodes.iter().map(|&(time, deviation, mass)| (scale * first + time, deviation, share * mass)));
    }
    let top = ways.iter().map(|way| way.0 + 6.0 * way.1).fold(0.0, f64::max);
    let root = std::f64::consts::SQRT_2;
    percentiles(0.0, top, |t| {
        let below = |&(time, deviation, mass): &(f64, f64, f64)| {
            let z = (time - t) / (deviation.max(1e-9 * mean) * root);
            mass * if z > 4.0 {
                0.0
            } else if z < -4.0 {
                1.0
            } else {
                0.5 * erfc(z)
            }
        };
        ways.iter().map(below).sum()
    })
}
