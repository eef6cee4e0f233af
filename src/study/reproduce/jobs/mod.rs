//! Lists of jobs for a pool of GPUs, written out or drawn, and what becomes of them under an order of the queue.
//!
//! Every job takes its GPUs, all at once, for a time that its tokens give, to the microsecond; orders by remaining work go by that
//! time. The engine is exact; [`starts`] is another program's way to find free GPUs, to show what it makes of the same list.

mod draw;
mod measure;
mod starts;

use serde::Deserialize;

pub use starts::Starts;

use super::Study;
use super::grid::Point;
use crate::answer::Figure;
use crate::scenario::ScenarioError;

/// A list of jobs: those written out, and those drawn anew in every trial.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jobs {
    /// Jobs that are always the same, in order of the queue when they arrive together.
    #[serde(default)]
    pub job: Vec<Batch>,
    /// Jobs that are drawn.
    #[serde(default)]
    pub drawn: Option<Drawn>,
}

/// Equal jobs that arrive together.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// How many.
    pub count: u64,
    /// When they arrive, seconds.
    #[serde(default)]
    pub at_s: f64,
    /// Tokens of each.
    pub tokens: u64,
    /// Tokens per second on its GPUs.
    pub tokens_per_s: f64,
    /// What a second of its time counts.
    pub weight: f64,
    /// GPUs that each takes.
    pub gpus: u64,
}

/// Jobs drawn at random over a window of time.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawn {
    /// How many jobs.
    pub count: u64,
    /// They arrive uniformly over so many seconds.
    pub window_s: f64,
    /// Probability that a job is a prompt; it decodes otherwise.
    pub prefill_share: f64,
    /// The kinds of jobs.
    pub kind: Vec<Kind>,
}

/// One kind of drawn jobs: a model. Ranges are whole numbers, both ends among them, each equally likely.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// Its name.
    pub name: String,
    /// Share of the jobs; ⌊count · share⌋ are of the kind, and those that are left of any kind.
    pub share: f64,
    /// GPUs of each.
    pub gpus: u64,
    /// What a second of its time counts, from and to.
    pub weight: (u64, u64),
    /// Tokens of a prompt, from and to.
    pub prefill_tokens: (u64, u64),
    /// Tokens that are decoded, from and to.
    pub decode_tokens: (u64, u64),
    /// Prompt tokens per second on its GPUs.
    pub prefill_tokens_per_s: f64,
    /// Decoded tokens per second on its GPUs.
    pub decode_tokens_per_s: f64,
}

/// One job.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Job {
    /// When it arrives, seconds.
    pub at_s: f64,
    /// Its tokens.
    pub tokens: u64,
    /// Tokens per second on its GPUs.
    pub tokens_per_s: f64,
    /// What a second of its time counts.
    pub weight: f64,
    /// GPUs that it takes.
    pub gpus: u64,
}

impl Job {
    /// How long it takes, in whole microseconds, at least one: what orders go by, as lengths are not comparable where speeds differ.
    fn micros(&self) -> u64 {
        ((self.tokens as f64 / self.tokens_per_s * 1e6).round() as u64).max(1)
    }
}

impl Jobs {
    /// Whether every trial has the same jobs.
    pub fn is_fixed(&self) -> bool {
        self.drawn.is_none()
    }

    /// The jobs of one trial, in order of arrival.
    pub fn of_trial(&self, seed: u64, trial: u64) -> Vec<Job> {
        let mut jobs: Vec<Job> = self.job.iter().flat_map(Batch::jobs).collect();
        if let Some(drawn) = &self.drawn {
            jobs.extend(draw::jobs(drawn, seed, trial));
        }
        jobs.sort_by(|left, right| left.at_s.total_cmp(&right.at_s));
        jobs
    }

    /// # Errors
    /// No jobs, or one that never ends.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        let drawn = self.drawn.as_ref();
        if self.job.iter().map(|batch| batch.count).sum::<u64>() + drawn.map_or(0, |drawn| drawn.count) == 0 {
            return Err(ScenarioError::at("job", "is missing", "write [[jobs.NAME.job]] or [jobs.NAME.drawn]"));
        }
        for (index, batch) in self.job.iter().enumerate() {
            let numbers = [batch.tokens_per_s, batch.weight, batch.tokens as f64, batch.gpus as f64];
            let comes = (0.0..1e9).contains(&batch.at_s);
            if !comes || numbers.iter().any(|number| number.is_nan() || *number <= 0.0 || *number >= 1e9) {
                let remedy = "give positive numbers below 1e9, and a time from 0";
                return Err(ScenarioError::at(&format!("job[{index}]"), "has a number out of range", remedy));
            }
        }
        drawn.map_or(Ok(()), |drawn| drawn.validate().map_err(|error| error.under("drawn")))
    }
}

impl Batch {
    fn jobs(&self) -> impl Iterator<Item = Job> {
        let &Self { at_s, tokens, tokens_per_s, weight, gpus, .. } = self;
        (0..self.count).map(move |_| Job { at_s, tokens, tokens_per_s, weight, gpus })
    }
}

impl Drawn {
    fn validate(&self) -> Result<(), ScenarioError> {
        if self.kind.is_empty() || !(self.window_s >= 0.0 && self.window_s < 1e9) {
            return Err(ScenarioError::at("kind", "is missing, or window_s is no time", "describe at least one kind"));
        }
        for kind in &self.kind {
            let ranges = [kind.weight, kind.prefill_tokens, kind.decode_tokens];
            let speeds = [kind.prefill_tokens_per_s, kind.decode_tokens_per_s, kind.gpus as f64];
            let fits = ranges.iter().all(|&(from, to)| 1 <= from && from <= to)
                && speeds.iter().all(|speed| *speed > 0.0)
                && (0.0..=1.0).contains(&kind.share);
            if !fits {
                let remedy = "give ranges [from, to] from 1 on, positive speeds and a share from 0 to 1";
                return Err(ScenarioError::at("kind", format!("`{}` has a number out of range", kind.name), remedy));
            }
        }
        Ok(())
    }
}

/// The study's list of that name.
pub(super) fn of_study(study: &Study, name: Option<&String>) -> Result<Option<Jobs>, ScenarioError> {
    let Some(name) = name else { return Ok(None) };
    let jobs = study.jobs.get(name).ok_or_else(|| {
        ScenarioError::at("jobs", format!("is `{name}`, which the study does not have"), "write [jobs.NAME]")
    })?;
    jobs.validate().map_err(|error| error.under(&format!("jobs.{name}")))?;
    Ok(Some(jobs.clone()))
}

/// The figures of a point's jobs over so many trials; none where it has none. [`measure`] names them.
pub(super) fn figures(point: &Point, seed: u64, trials: u64) -> Result<Vec<(&'static str, Figure)>, ScenarioError> {
    let Some((list, starts)) = &point.jobs else { return Ok(Vec::new()) };
    measure::figures(&point.scenario, list, *starts, seed, trials)
}

#[cfg(test)]
fn discriminating() -> Jobs {
    let batch = |count, tokens, weight| Batch { count, at_s: 0.0, tokens, tokens_per_s: 1000.0, weight, gpus: 2 };
    Jobs { job: vec![batch(8, 2000, 1.0), batch(12, 500, 10.0)], drawn: None }
}
