//! How the number of arrivals in windows of time varies: the index of dispersion of counts, with its interval.
//!
//! I(w) = Var N/E N of the number N in windows of w seconds; 1 for Poisson arrivals at every w, growing with w while the rate itself moves
//! (Gusella 1991, IEEE JSAC 9:203–211). The variance has the divisor n − 1, which is unbiased for independent windows; with few
//! windows and the divisor n the index is lower by 1/n.

use crate::scenario::trace::Trace;
use crate::stats::interval::jackknife_interval;
use statrs::distribution::{ChiSquared, ContinuousCDF};

/// Blocks of windows that the jackknife leaves out in turn.
const BLOCKS: usize = 20;
/// Fewest windows for a jackknife; below, counts are taken to be normal and independent.
const FEW: usize = 2 * BLOCKS;
/// Most windows that are counted.
const MOST: f64 = 2e6;

/// The dispersion on one time scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dispersion {
    /// Width of a window, seconds.
    pub window_s: f64,
    /// Whole windows in the trace, from its first arrival on.
    pub windows: usize,
    /// The index, divisor n − 1.
    pub index: f64,
    /// The same with divisor n.
    pub index_n: f64,
    /// Interval of 95 %: of its logarithm by leaving out blocks of successive windows, or by χ² of few windows.
    pub interval: (f64, f64),
}

/// The index in windows of `window_s`; none with fewer than two windows or more than 2 million.
pub fn dispersion(trace: &Trace, window_s: f64) -> Option<Dispersion> {
    let counts = counts(trace, window_s)?;
    let windows = counts.len();
    let n = windows as f64;
    let index = index_of(&[&counts])?;
    let interval = if windows < FEW {
        let chi = ChiSquared::new(n - 1.0).ok()?;
        ((n - 1.0) * index / chi.inverse_cdf(0.975), (n - 1.0) * index / chi.inverse_cdf(0.025))
    } else {
        let edge = |block: usize| block * windows / BLOCKS;
        let estimate = |left_out: Option<usize>| {
            let (from, to) = left_out.map_or((0, 0), |block| (edge(block), edge(block + 1)));
            index_of(&[&counts[..from], &counts[to..]]).map(f64::ln)
        };
        let logs = jackknife_interval(BLOCKS, estimate, 0.95);
        logs.map_or((f64::NAN, f64::NAN), |logs| (logs.low.exp(), logs.high.exp()))
    };
    Some(Dispersion { window_s, windows, index, index_n: index * (n - 1.0) / n, interval })
}

/// Arrivals in whole windows from the first arrival on.
pub fn counts(trace: &Trace, window_s: f64) -> Option<Vec<u32>> {
    let (first, last) = (trace.first()?.arrival, trace.last()?.arrival);
    let windows = ((last - first).seconds() / window_s).floor();
    if !(window_s > 0.0 && (2.0..=MOST).contains(&windows)) {
        return None;
    }
    let mut counts = vec![0_u32; windows as usize];
    for request in trace {
        if let Some(count) = counts.get_mut(((request.arrival - first).seconds() / window_s) as usize) {
            *count += 1;
        }
    }
    Some(counts)
}

/// Variance over mean of the counts in both parts.
fn index_of(parts: &[&[u32]]) -> Option<f64> {
    let n: usize = parts.iter().map(|part| part.len()).sum();
    let all = || parts.iter().flat_map(|part| part.iter().map(|&count| f64::from(count)));
    let mean = all().sum::<f64>() / n as f64;
    let squares = all().map(|count| (count - mean).powi(2)).sum::<f64>();
    (mean > 0.0 && n > 1).then(|| squares / (n - 1) as f64 / mean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Time;
    use crate::scenario::trace::{Blocks, TraceRequest};
    use crate::scenario::{ArrivalLaw, Intervals};
    use crate::stats::coverage::is_consistent;
    use crate::stats::stream::stream;

    fn trace(law: &ArrivalLaw, rate: f64, seconds: f64, seed: u64) -> Trace {
        let (mut intervals, mut rng) = (Intervals::new(law.clone(), 1.0 / rate), stream(seed, "test"));
        let times = std::iter::successors(Some(0.0), |t| Some(t + intervals.next_s(&mut rng)));
        let request = |t: f64| TraceRequest {
            arrival: Time::from_seconds(t),
            prompt: 1,
            output: 1,
            class: 0,
            blocks: Blocks::default(),
        };
        Trace::of(times.take_while(|t| *t < seconds).map(request))
    }

    #[test]
    fn counts_of_a_small_trace_by_hand() {
        // Windows of 2 s from 10 s on: 2, 0 and what is left out.
        let text = "arrival_time,prefill_length,decode_length\n10,1,3\n11,2,2\n14,3,1\n";
        let small = crate::scenario::trace::read("t", text).unwrap();
        let found = dispersion(&small, 2.0).unwrap();
        assert_eq!((found.windows, found.index, found.index_n), (2, 2.0, 1.0));
        assert!(dispersion(&small, 5.0).is_none() && dispersion(&small, f64::NAN).is_none());
    }

    /// Intervals of 95 % hold the index of their process: 100 traces of each kind; the binomial test would refuse a true coverage of
    /// 95 % once in a thousand.
    #[test]
    fn intervals_hold_the_index() {
        let cases = [
            (ArrivalLaw::Poisson {}, 1.0, 300.0),
            (ArrivalLaw::Poisson {}, 1.0, 12.0),
            (ArrivalLaw::Weibull { shape: 1.5 }, 0.461, 300.0),
        ];
        for (law, truth, windows) in cases {
            let missed = (0..100).filter(|&seed| {
                let found = dispersion(&trace(&law, 2.0, 10.0 * windows + 1.0, seed), 10.0).unwrap();
                !(found.interval.0..=found.interval.1).contains(&truth)
            });
            let missed = missed.count() as u64;
            assert!(is_consistent(missed, 100, 0.05, 0.001), "{law:?} {windows}: {missed}");
        }
    }
}
