//! What arrives: classes of requests with laws, or a recorded trace.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::StepTimeLaw;
use super::arrivals::ArrivalLaw;
use super::error::{ScenarioError, require_at_least_one, require_at_most, require_positive};
use super::lengths::LengthLaw;
use super::rate::RateShape;
use super::trace::Trace;

/// The traffic of a scenario: either classes or a trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// λ: requests per second over all classes. With a trace: the rate it is rescaled to; absent means the trace's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_s: Option<f64>,
    /// λ(t) as a factor on the rate; absent means that λ does not change.
    #[serde(default, skip_serializing_if = "RateShape::is_constant")]
    pub rate_shape: RateShape,
    /// Law of the arrivals: of every class its own, or common to all ([`ArrivalLaw::is_common`]). Not used while a trace is replayed.
    #[serde(default)]
    pub arrivals: ArrivalLaw,
    /// Classes of requests, each with its share of the rate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class: Vec<Class>,
    /// A recorded trace in place of the classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceSource>,
    /// What every class without objectives of its own, and a trace, is held to.
    #[serde(default, skip_serializing_if = "Slo::is_empty")]
    pub slo: Slo,
}

/// Latency objectives of one request; it attains them when it keeps every one that is given.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slo {
    /// Longest time to the first token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_s: Option<f64>,
    /// Longest mean time per output token after the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpot_s: Option<f64>,
    /// Longest time to the last token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e2e_s: Option<f64>,
}

impl Slo {
    /// Whether there is no objective.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn validate(&self) -> Result<(), ScenarioError> {
        for (key, value) in [("ttft_s", self.ttft_s), ("tpot_s", self.tpot_s), ("e2e_s", self.e2e_s)] {
            value.map_or(Ok(()), |seconds| require_positive(key, seconds)).map_err(|error| error.under("slo"))?;
        }
        Ok(())
    }
}

/// One class of requests; prompt and output lengths are independent within a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Name in reports.
    pub name: String,
    /// Relative share of the arrival rate, any positive number.
    #[serde(default = "one")]
    pub share: f64,
    /// Law of s, the prompt tokens.
    pub prompt: LengthLaw,
    /// Law of o, the output tokens.
    pub output: LengthLaw,
    /// What one unit of its time in the system counts, for weighted orders and weighted flow time.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: f64,
    /// Its objectives, when they are not those of the workload.
    #[serde(default, skip_serializing_if = "Slo::is_empty")]
    pub slo: Slo,
    /// The model that it asks for; groups of a cluster may serve one model only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// GPUs that one request takes at once in a GPU pool.
    #[serde(default = "one_gpu", skip_serializing_if = "is_one_gpu")]
    pub gpus: u64,
    /// The iteration-time law of its model in a GPU pool, when it is not the scenario's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_time: Option<StepTimeLaw>,
}

impl Class {
    /// A class with a name, lengths, and everything else as usual.
    pub fn new(name: &str, prompt: LengthLaw, output: LengthLaw) -> Self {
        Self {
            name: name.to_owned(),
            share: 1.0,
            prompt,
            output,
            weight: 1.0,
            slo: Slo::default(),
            model: None,
            gpus: 1,
            step_time: None,
        }
    }
}

fn one() -> f64 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_one(value: &f64) -> bool {
    *value == 1.0
}

fn one_gpu() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_one_gpu(value: &u64) -> bool {
    *value == 1
}

/// A trace file and how it is used.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceSource {
    /// The file, relative to the working directory.
    pub file: String,
    /// How arrivals are made from it.
    #[serde(default)]
    pub mode: TraceMode,
    /// The requests in it, filled in by the loader.
    #[serde(skip)]
    pub requests: Arc<Trace>,
}

impl PartialEq for TraceSource {
    fn eq(&self, other: &Self) -> bool {
        self.file == other.file && self.mode == other.mode
    }
}

/// How arrivals are made from a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TraceMode {
    /// The recorded times and lengths in their order. Repeated trials draw blocks of it (circular block bootstrap).
    #[default]
    Replay,
    /// Arrivals from `workload.arrivals`, (prompt, output) pairs drawn from the trace with replacement.
    Resample,
}

impl TraceMode {
    /// Its name in scenarios.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Resample => "resample",
        }
    }
}

impl Workload {
    /// λ in requests per second, the long-run mean: the given rate, or the trace's own, times the mean of the rate's shape.
    pub fn rate(&self) -> f64 {
        self.base_rate() * self.rate_shape.long_run()
    }

    /// λ where the factor of the rate's shape is 1, in requests per second.
    pub fn base_rate(&self) -> f64 {
        match (self.rate_per_s, &self.trace) {
            (Some(rate), _) => rate,
            (None, Some(source)) => source.requests.rate_per_s(),
            (None, None) => 0.0,
        }
    }

    /// Limit of the index of dispersion of the counts of arrivals at the long-run rate; of a replayed trace it is not used.
    pub fn dispersion_limit(&self) -> f64 {
        self.arrivals.dispersion_limit(self.rate())
    }

    /// Holds λ at `rate_per_s` for all time.
    pub fn hold_rate(&mut self, rate_per_s: f64) {
        self.rate_per_s = Some(rate_per_s);
        self.rate_shape = RateShape::default();
    }

    /// The objectives of each class; a trace has those of the workload for all its classes.
    pub fn objectives(&self) -> Vec<Slo> {
        if let Some(source) = &self.trace {
            return vec![self.slo; source.requests.classes().len()];
        }
        self.class.iter().map(|class| if class.slo.is_empty() { self.slo } else { class.slo }).collect()
    }

    /// Names of the classes, also of a trace.
    pub fn class_names(&self) -> Vec<String> {
        if let Some(source) = &self.trace {
            return source.requests.classes().iter().map(|class| class.name.clone()).collect();
        }
        self.class.iter().map(|class| class.name.clone()).collect()
    }

    /// What one unit of the time of a request counts, by class, also of a trace.
    pub fn weights(&self) -> Vec<f64> {
        if let Some(source) = &self.trace {
            return source.requests.classes().iter().map(|class| class.weight).collect();
        }
        self.class.iter().map(|class| class.weight).collect()
    }

    /// The model that each class asks for; none for a trace that names no models, whose requests go anywhere.
    pub fn models(&self) -> Option<Vec<Option<&str>>> {
        let Some(source) = &self.trace else {
            return Some(self.class.iter().map(|class| class.model.as_deref()).collect());
        };
        let models: Vec<Option<&str>> = source.requests.classes().iter().map(|class| class.model.as_deref()).collect();
        models.iter().any(Option::is_some).then_some(models)
    }

    /// Arrival rate of each class, also of a trace.
    pub fn class_rates(&self) -> Vec<f64> {
        if let Some(source) = &self.trace {
            let each = self.rate() / source.requests.len().max(1) as f64;
            return source.requests.classes().iter().map(|class| each * class.count as f64).collect();
        }
        let total: f64 = self.class.iter().map(|class| class.share).sum();
        self.class.iter().map(|class| self.rate() * class.share / total).collect()
    }

    /// # Errors
    /// No traffic, two kinds of traffic, or a law outside its domain.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        if let Some(rate) = self.rate_per_s {
            require_positive("rate_per_s", rate)?;
            if rate > 1e9 {
                return Err(ScenarioError::at("rate_per_s", format!("is `{rate}`"), "keep it at most 1e9 per second"));
            }
        }
        self.rate_shape.validate().map_err(|error| error.under("rate_shape"))?;
        self.arrivals.validate().map_err(|error| error.under("arrivals"))?;
        self.slo.validate()?;
        match (&self.trace, self.class.is_empty()) {
            (Some(_), false) => {
                Err(ScenarioError::at("class", "stands beside a trace", "keep either workload.class or workload.trace"))
            }
            (None, true) => {
                Err(ScenarioError::at("class", "is missing", "describe at least one class, or give a trace"))
            }
            (None, false) if self.rate_per_s.is_none() => {
                Err(ScenarioError::at("rate_per_s", "is missing", "give the arrival rate, e.g. rate_per_s = 2.0"))
            }
            (Some(source), true) => self.validate_trace(source).map_err(|error| error.under("trace")),
            (None, false) => self.validate_classes(),
        }
    }

    fn validate_trace(&self, source: &TraceSource) -> Result<(), ScenarioError> {
        let trace = &source.requests;
        let file = &source.file;
        if source.mode == TraceMode::Replay && !self.rate_shape.is_constant() {
            return Err(ScenarioError::at(
                "mode",
                "is `replay`, and a rate_shape is given beside the trace's own times",
                "set mode = \"resample\", or remove workload.rate_shape",
            ));
        }
        if trace.len() < 2 {
            return Err(ScenarioError::at(
                "file",
                format!("`{file}` has `{}` requests", trace.len()),
                "read a trace of at least two requests into the scenario",
            ));
        }
        if trace.rate_per_s() > 0.0 || (source.mode == TraceMode::Resample && self.rate_per_s.is_some()) {
            return Ok(());
        }
        if !trace.import.timed {
            return Err(ScenarioError::at(
                "file",
                format!("`{file}` says how long requests are and not when they arrive"),
                "give the rate with --lambda (workload.rate_per_s); arrivals then follow workload.arrivals, by default Poisson",
            ));
        }
        Err(ScenarioError::at(
            "file",
            format!("`{file}` has all its requests at one instant, and so no rate"),
            "give a trace that takes time, or rate_per_s with mode = \"resample\"",
        ))
    }

    fn validate_classes(&self) -> Result<(), ScenarioError> {
        for (index, class) in self.class.iter().enumerate() {
            let place = format!("class[{index}]");
            require_positive("share", class.share).map_err(|error| error.under(&place))?;
            require_at_most("share", class.share, 1e9).map_err(|error| error.under(&place))?;
            require_positive("weight", class.weight).map_err(|error| error.under(&place))?;
            require_at_most("weight", class.weight, 1e9).map_err(|error| error.under(&place))?;
            class.slo.validate().map_err(|error| error.under(&place))?;
            require_at_least_one("gpus", class.gpus).map_err(|error| error.under(&place))?;
            if let Some(law) = &class.step_time {
                law.validate().map_err(|error| error.under("step_time").under(&place))?;
            }
            if self.class[..index].iter().any(|other| other.name == class.name) {
                let problem = format!("is `{}`, as another class is named", class.name);
                return Err(ScenarioError::at("name", problem, "give every class its own name").under(&place));
            }
            for (key, law) in [("prompt", &class.prompt), ("output", &class.output)] {
                law.validate().map_err(|error| error.under(key).under(&place))?;
            }
        }
        Ok(())
    }
}
