//! A scenario in the engine: its figures, and laws that every run obeys exactly.

use super::EngineQuestion;
use crate::answer::{Figure, Method};
use crate::des::{self, Feed, Observer, Options, RequestRecord, Run, StepRecord};
use crate::scenario::{Scenario, Time};
use crate::study::simulate::solution_of;
use crate::study::trials::{self, Progress};

/// What is measured: the quantities of a simulation by their stable names, and for the first trial alone whole counts and the gaps of the laws
/// of nature.
pub fn measure(question: &EngineQuestion, seed: u64, progress: Progress<'_>) -> Vec<(String, Figure)> {
    let scenario = &question.scenario;
    let options = options(question, seed);
    let runs = trials::run(scenario, &options, question.trials, progress);
    let mut found: Vec<(String, Figure)> = Vec::new();
    if question.trials > 1 {
        let summary = solution_of(scenario, &runs, None).summary;
        found.extend(summary.quantities().into_iter().filter_map(|(name, figure)| Some((name, figure?))));
    }
    found.extend(counts(scenario, &options, question.saturated));
    found
}

fn options(question: &EngineQuestion, seed: u64) -> Options {
    let warmup = Time::from_seconds(question.warmup_s);
    let horizon = Time::from_seconds(question.warmup_s + question.duration_s);
    let feed = if question.saturated { Feed::Saturated } else { Feed::Open };
    Options { seed, feed, backlog: question.backlog, limit: horizon, ..Options::until(warmup, horizon) }
}

/// What an observer adds up over a run.
#[derive(Debug, Default)]
struct Account {
    /// Σ times in system up to the end, attoseconds.
    sojourns: i128,
    /// Most KV held at the end of an iteration.
    peak_kv: i64,
    /// The last iteration.
    last: Option<StepRecord>,
    arrivals: Vec<(Time, Option<Time>, bool)>,
}

impl Observer for Account {
    fn request(&mut self, request: &RequestRecord) {
        self.arrivals.push((request.arrival, request.completed, request.rejected.is_some()));
    }

    fn step(&mut self, step: &StepRecord) {
        self.peak_kv = self.peak_kv.max(step.kv_tokens);
        self.last = Some(*step);
    }

    fn wants_steps(&self) -> bool {
        true
    }
}

/// One run from empty, watched: Little's law and conservation are identities there, in whole attoseconds.
fn counts(scenario: &Scenario, options: &Options, saturated: bool) -> Vec<(String, Figure)> {
    let mut account = Account::default();
    let run = des::simulate_observed(scenario, options, &mut account);
    for &(arrival, completed, rejected) in &account.arrivals {
        if !rejected {
            account.sojourns += (completed.unwrap_or(run.end).0 - arrival.0).max(0);
        }
    }
    let totals = &run.totals;
    let area = totals.waiting + totals.running + totals.swapped;
    let members = scenario.members();
    let cap =
        members.iter().map(|(member, _)| member.instance.kv_tokens).try_fold(0, |sum: u64, cap| Some(sum.max(cap?)));
    let over = cap.map_or(0, |cap| (account.peak_kv - cap as i64).max(0));
    let mut found = vec![
        ("completed", totals.completed as f64),
        ("rejected", totals.rejected as f64),
        ("steps", totals.steps as f64),
        ("preemptions", totals.preemptions as f64),
        ("tokens", totals.tokens as f64),
        ("peak_kv_tokens", account.peak_kv as f64),
        ("last_completion_s", run.last_completion.seconds()),
        ("kv_tokens_over_cap", over as f64),
        ("requests_unaccounted", unaccounted(&run)),
        ("time_over_run_length", (totals.busy > run.end.0 * i128::from(run.instances)).into()),
    ];
    if let Some(last) = &account.last {
        found.push(("last_prefill_tokens", last.prefill_tokens as f64));
        found.push(("last_decodes", last.decodes as f64));
        found.push(("last_step_s", last.duration.seconds()));
    }
    if !saturated {
        found.push(("little_gap_s", Time(area - account.sojourns).seconds()));
    }
    found.into_iter().map(|(name, value)| (name.to_owned(), Figure::of(value, Method::Simulated))).collect()
}

/// Arrived less completed, rejected and in the system.
fn unaccounted(run: &Run) -> f64 {
    let totals = &run.totals;
    (totals.arrived as i64 - totals.completed as i64 - totals.rejected as i64 - run.in_system as i64) as f64
}
