//! Runs from an empty start, over the requests that arrive within a window, until they have left: what most published simulations
//! measure. Every trial gives one value of each figure, and the interval is that of their mean. Nothing is called overloaded here: such a
//! run says nothing of the long run.

use rayon::prelude::*;

use super::RunRules;
use crate::answer::Figure;
use crate::des::{self, Feed, Observer, Options, RequestRecord};
use crate::scenario::{Scenario, Time};
use crate::stats::interval::mean_interval;
use crate::stats::quantile::quantile;
use crate::study::CONFIDENCE;

/// Trials unless the study says otherwise.
const TRIALS: u64 = 10;
/// Length of the window unless the study says otherwise.
const SECONDS: f64 = 1000.0;
/// A run is broken off after this many windows; requests still there are in no figure.
const WINDOWS: f64 = 8.0;

/// The requests of one trial that arrived within the window and finished.
#[derive(Debug, Default)]
struct Finished {
    horizon: i128,
    first_arrival: Option<i128>,
    last_end: i128,
    ttft_s: Vec<f64>,
    e2e_s: Vec<f64>,
    decode_s: f64,
    gaps: f64,
    per_token_s: f64,
}

impl Observer for Finished {
    fn request(&mut self, request: &RequestRecord) {
        let Some((first, end)) = request.first_token.zip(request.completed) else { return };
        if request.arrival.0 > self.horizon {
            return;
        }
        let arrival = request.arrival.0;
        self.first_arrival = Some(self.first_arrival.map_or(arrival, |earliest| earliest.min(arrival)));
        self.last_end = self.last_end.max(end.0);
        self.ttft_s.push(Time(first.0 - arrival).seconds());
        self.e2e_s.push(Time(end.0 - arrival).seconds());
        let decode_s = Time(end.0 - first.0).seconds();
        self.decode_s += decode_s;
        self.gaps += (request.output - 1) as f64;
        self.per_token_s += decode_s / request.output as f64;
    }
}

impl Finished {
    /// One value of each figure of [`figures`]; none where it has no request.
    fn values(&mut self) -> [Option<f64>; 6] {
        let count = self.e2e_s.len() as f64;
        let mean = |values: &[f64]| (count > 0.0).then(|| values.iter().sum::<f64>() / count);
        let (ttft, e2e) = (mean(&self.ttft_s), mean(&self.e2e_s));
        self.e2e_s.sort_by(f64::total_cmp);
        let span = self.first_arrival.map(|first| Time(self.last_end - first).seconds());
        [
            span.filter(|span| *span > 0.0).map(|span| count / span),
            ttft,
            (self.gaps > 0.0).then(|| self.decode_s / self.gaps),
            (count > 0.0).then(|| self.per_token_s / count),
            e2e,
            quantile(&self.e2e_s, 0.95),
        ]
    }
}

/// The figures by name: `drained_per_s` (requests over the time from the first arrival to the last completion), `ttft_s.mean`, `tbt_s.mean`
/// over gaps, `tbt_by_request_s` (mean over requests of the time from first to last token per token), `e2e_s.mean`, `e2e_s.p95`.
pub fn figures(scenario: &Scenario, run: RunRules, seed: u64) -> Vec<(&'static str, Figure)> {
    let horizon = Time::from_seconds(run.duration_s.unwrap_or(SECONDS));
    let limit = Time::from_seconds(WINDOWS * horizon.seconds());
    let engine = Options { seed, feed: Feed::Bootstrap, limit, ..Options::until(Time::ZERO, horizon) };
    let trial = |trial: u64| {
        let mut seen = Finished { horizon: horizon.0, ..Finished::default() };
        des::simulate_observed(scenario, &Options { trial, ..engine.clone() }, &mut seen);
        seen.values()
    };
    let trials: Vec<[Option<f64>; 6]> = (0..run.trials.unwrap_or(TRIALS)).into_par_iter().map(trial).collect();
    let names = ["drained_per_s", "ttft_s.mean", "tbt_s.mean", "tbt_by_request_s", "e2e_s.mean", "e2e_s.p95"];
    let figure = |(place, name): (usize, &'static str)| {
        let values: Vec<f64> = trials.iter().filter_map(|values| values[place]).collect();
        let found = mean_interval(&values, CONFIDENCE)?;
        Some((name, Figure::simulated(found.mean, found.low, found.high)))
    };
    names.into_iter().enumerate().filter_map(figure).collect()
}
