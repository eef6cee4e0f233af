//! What a trace says of its traffic, in one pass for each question and memory that does not grow with it, apart from the trace itself.

use std::collections::{BTreeMap, HashSet};

use rand::RngExt;

use super::arrival_fit::SEQUENCE;
use super::counts::{Dispersion, counts, dispersion};
use super::dependence::{Dependence, dependence};
use super::lengths::Lengths;
use crate::scenario::trace::Trace;
use crate::stats::moments::Accumulator;
use crate::stats::stream::stream;

/// Time scales of the index of dispersion, seconds.
const SCALES_S: [f64; 9] = [1.0, 3.0, 10.0, 30.0, 60.0, 100.0, 300.0, 1000.0, 3000.0];
/// Fewest windows of a time scale.
const FEWEST_WINDOWS: usize = 5;
/// Most pairs whose ranks are compared; of more a sample is drawn.
const PAIRS: usize = 200_000;
/// Stretches of time of the path of the rate.
const STRETCHES: f64 = 120.0;

/// A trace in figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Requests.
    pub requests: u64,
    /// From the first to the last arrival, seconds.
    pub duration_s: f64,
    /// Requests per second.
    pub rate_per_s: f64,
    /// Coefficient of variation of the times between arrivals (divisor n − 1).
    pub gap_cv: Option<f64>,
    /// Requests that arrive together with the one before.
    pub together: u64,
    /// The first times between arrivals, seconds.
    pub gaps_s: Vec<f64>,
    /// The index of dispersion on growing time scales.
    pub dispersion: Vec<Dispersion>,
    /// Width in seconds of the stretches of `rates_per_s`.
    pub stretch_s: f64,
    /// The rate in each stretch of time.
    pub rates_per_s: Vec<f64>,
    /// Prompt lengths.
    pub prompt: Lengths,
    /// Output lengths.
    pub output: Lengths,
    /// Dependence of the two.
    pub dependence: Option<Dependence>,
    /// Pairs of prompt and output, all or a sample.
    pub pairs: Vec<(u64, u64)>,
    /// Requests and mean lengths of each class by name; one without classes.
    pub classes: Vec<(String, u64, f64, f64)>,
    /// Prompt blocks of the trace and how many of these had come before; none without hashes.
    pub blocks: Option<(u64, u64)>,
}

/// Sums a trace up; `seed` decides the sample of pairs.
pub fn summarise(trace: &Trace, seed: u64) -> Summary {
    let duration_s = match (trace.first(), trace.last()) {
        (Some(first), Some(last)) => (last.arrival - first.arrival).seconds(),
        _ => 0.0,
    };
    let timed = trace.import.timed && duration_s > 0.0;
    let (gap_cv, together, gaps_s) = if timed { gaps(trace) } else { (None, 0, Vec::new()) };
    let curve = SCALES_S.into_iter().filter(|_| timed).filter_map(|scale| dispersion(trace, scale));
    let stretch_s = duration_s / STRETCHES;
    let rates = if timed { counts(trace, stretch_s) } else { None };
    let rates_per_s = rates.unwrap_or_default().into_iter().map(|count| f64::from(count) / stretch_s).collect();
    let (mut prompts, mut outputs) = (BTreeMap::new(), BTreeMap::new());
    let mut classes = vec![(0_u64, 0_u64, 0_u64); trace.classes().len()];
    let (mut pairs, mut rng) = (Vec::new(), stream(seed, "pairs"));
    for (index, request) in trace.iter().enumerate() {
        *prompts.entry(request.prompt).or_insert(0) += 1;
        *outputs.entry(request.output).or_insert(0) += 1;
        if let Some((count, prompt, output)) = classes.get_mut(usize::from(request.class)) {
            *count += 1;
            *prompt += request.prompt;
            *output += request.output;
        }
        keep(&mut pairs, index, (request.prompt, request.output), &mut rng);
    }
    let named = trace.classes().iter().zip(classes).map(|(class, (count, prompt, output))| {
        (class.name.clone(), count, prompt as f64 / count as f64, output as f64 / count as f64)
    });
    Summary {
        requests: trace.len() as u64,
        duration_s,
        rate_per_s: if timed { trace.rate_per_s() } else { 0.0 },
        gap_cv,
        together,
        gaps_s,
        dispersion: curve.filter(|found| found.windows >= FEWEST_WINDOWS).collect(),
        stretch_s,
        rates_per_s,
        prompt: Lengths::of(prompts),
        output: Lengths::of(outputs),
        dependence: dependence(&pairs),
        pairs,
        classes: named.collect(),
        blocks: reuse(trace),
    }
}

/// Every item with the same probability in a sample of at most [`PAIRS`] (Vitter 1985, algorithm R).
fn keep(sample: &mut Vec<(u64, u64)>, index: usize, pair: (u64, u64), rng: &mut crate::stats::stream::Stream) {
    if sample.len() < PAIRS {
        sample.push(pair);
    } else if let Some(place) = sample.get_mut(rng.random_range(0..=index)) {
        *place = pair;
    }
}

/// Variation of the gaps, how many are zero, and the first of them.
fn gaps(trace: &Trace) -> (Option<f64>, u64, Vec<f64>) {
    let (mut moments, mut together, mut first) = (Accumulator::new(), 0, Vec::new());
    let mut last = None;
    for request in trace {
        if let Some(before) = last {
            let gap = (request.arrival - before).seconds();
            moments.push(gap);
            together += u64::from(gap == 0.0);
            if first.len() < SEQUENCE {
                first.push(gap);
            }
        }
        last = Some(request.arrival);
    }
    let cv = moments.variance().zip(moments.mean()).map(|(variance, mean)| variance.sqrt() / mean);
    (cv, together, first)
}

fn reuse(trace: &Trace) -> Option<(u64, u64)> {
    let mut seen = HashSet::new();
    let all = trace.hash_ids.len() as u64;
    let again = trace.hash_ids.iter().filter(|hash| !seen.insert(**hash)).count();
    (all > 0).then_some((all, again as u64))
}
