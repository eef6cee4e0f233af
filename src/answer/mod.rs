//! The shape of an answer, the same from both solvers: figures with their unit in the name and their method beside them.

pub mod compare;
pub mod number;
mod operations;
pub mod plot;
pub mod table;
pub mod trust;

pub use operations::{ClassFigures, Operations};

use serde::{Deserialize, Serialize};

/// How a figure was obtained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// A closed form or an exact numerical solution of the model as stated.
    Exact,
    /// The mean-field limit.
    Fluid,
    /// A formula with a known error, documented in DESIGN.md.
    Approximation,
    /// Estimated from the event engine.
    Simulated,
}

/// One number of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The value, in the unit that the field's name ends in.
    pub value: f64,
    /// 95 % confidence interval (low, high) of a simulated figure.
    pub interval: Option<(f64, f64)>,
    /// Where it comes from.
    pub method: Method,
}

impl Figure {
    /// A figure without an interval.
    pub fn of(value: f64, method: Method) -> Self {
        Self { value, interval: None, method }
    }

    /// A simulated figure with its 95 % confidence interval.
    pub fn simulated(value: f64, low: f64, high: f64) -> Self {
        Self { value, interval: Some((low, high)), method: Method::Simulated }
    }
}

/// Mean and percentiles of one latency, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Mean.
    pub mean: Figure,
    /// Median.
    pub p50: Figure,
    /// 95th percentile.
    pub p95: Figure,
    /// 99th percentile.
    pub p99: Figure,
}

/// What a system looks like in the long run. Both solvers fill it; a quantity that does not exist, such as the latency of an
/// overloaded system, is absent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// q: requests waiting that hold no KV and have made no progress.
    pub waiting: Option<Figure>,
    /// N: requests resident, prefilling or decoding.
    pub running: Option<Figure>,
    /// z: requests preempted and waiting to come back.
    pub swapped: Option<Figure>,
    /// KV tokens held.
    pub kv_tokens: Option<Figure>,
    /// τ: mean length of an iteration.
    pub step_s: Option<Figure>,
    /// b: mean tokens per iteration.
    pub batch_tokens: Option<Figure>,
    /// Completions per second.
    pub throughput_per_s: Option<Figure>,
    /// Preemptions per completed request.
    pub preemptions_per_request: Option<Figure>,
    /// Growth of the number in system, requests per second; present when overloaded.
    pub queue_growth_per_s: Option<Figure>,
    /// Time to the first token.
    pub ttft_s: Option<Latency>,
    /// Time between consecutive tokens of a request, over all gaps.
    pub tbt_s: Option<Latency>,
    /// Time from arrival to the last token.
    pub e2e_s: Option<Latency>,
}

impl Summary {
    /// Every quantity by its stable name, in the order of reports, such as `ttft_s.p95`.
    pub fn quantities(&self) -> Vec<(String, Option<Figure>)> {
        let mut rows: Vec<(String, Option<Figure>)> = [
            ("throughput_per_s", self.throughput_per_s),
            ("queue_growth_per_s", self.queue_growth_per_s),
            ("waiting", self.waiting),
            ("running", self.running),
            ("swapped", self.swapped),
            ("kv_tokens", self.kv_tokens),
            ("step_s", self.step_s),
            ("batch_tokens", self.batch_tokens),
            ("preemptions_per_request", self.preemptions_per_request),
        ]
        .into_iter()
        .map(|(name, figure)| (name.to_owned(), figure))
        .collect();
        for (name, latency) in [("ttft_s", self.ttft_s), ("tbt_s", self.tbt_s), ("e2e_s", self.e2e_s)] {
            let parts = latency.map(|l| [l.mean, l.p50, l.p95, l.p99]);
            for (index, part) in ["mean", "p50", "p95", "p99"].iter().enumerate() {
                rows.push((format!("{name}.{part}"), parts.map(|figures| figures[index])));
            }
        }
        rows
    }
}

/// What the long run looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// λ is below both boundaries: the system recovers from any backlog.
    Stable,
    /// λ lies between the boundaries: stable from empty, not from a large backlog.
    Metastable,
    /// λ is above the boundary: the queue grows without end.
    Overloaded,
}

impl Verdict {
    /// The verdict as printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Metastable => "metastable",
            Self::Overloaded => "overloaded",
        }
    }
}

/// A limit of an instance, or a part of a cluster, that can decide λ*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// B, the token budget of an iteration.
    TokenBudget,
    /// K, the cap on sequences.
    SequenceCap,
    /// M, the KV memory.
    KvMemory,
    /// The admission rule, which lets only so many enter in one iteration.
    Admission,
    /// No limit: the iteration time itself grows in proportion to the tokens.
    ComputeRate,
    /// The prefill pool of a disaggregated cluster.
    PrefillPool,
    /// The link between its pools.
    Link,
    /// Its decode pool.
    DecodePool,
    /// The GPUs of a pool.
    GpuPool,
}

impl Limit {
    /// The limit as printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::TokenBudget => "token-budget",
            Self::SequenceCap => "sequence-cap",
            Self::KvMemory => "kv-memory",
            Self::Admission => "admission-rule",
            Self::ComputeRate => "compute-rate",
            Self::PrefillPool => "prefill-pool",
            Self::Link => "link",
            Self::DecodePool => "decode-pool",
            Self::GpuPool => "gpu-pool",
        }
    }
}

/// The stability boundary λ* of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Boundary {
    /// Upper boundary, requests per second: what an empty system can reach at most. Above `low_per_s` it is an upper bound only,
    /// since fluctuations end the good state sooner or later.
    pub high_per_s: f64,
    /// Recovery boundary: below it the system works off any backlog. Equal to `high_per_s` unless metastable.
    pub low_per_s: f64,
    /// Certified bracket of the root behind `low_per_s`: the residual changes sign between the two.
    pub bracket_per_s: (f64, f64),
    /// The limit that decides.
    pub binding: Limit,
    /// The limit that would decide next, with its own λ*; none when there is no other.
    pub runner_up: Option<(Limit, f64)>,
    /// How it was obtained.
    pub method: Method,
}

/// The analytic answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FluidSolution {
    /// λ of the scenario, requests per second.
    pub lambda_per_s: f64,
    /// What the long run looks like.
    pub verdict: Verdict,
    /// The stability boundary.
    pub boundary: Boundary,
    /// The equilibrium, or the saturated state of an overloaded system.
    pub summary: Summary,
    /// What a reader must know to trust the figures.
    pub notes: Vec<String>,
}

/// How many requests a simulation saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RequestCounts {
    /// Requests that arrived.
    pub arrived: u64,
    /// Requests that finished.
    pub completed: u64,
    /// Requests turned away because they can never fit.
    pub rejected: u64,
    /// Requests in the system at the end.
    pub in_system: u64,
}

/// The simulated answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SimulatedSolution {
    /// λ of the scenario, requests per second.
    pub lambda_per_s: f64,
    /// What the long run looks like, by the simulation's own drift test.
    pub verdict: Verdict,
    /// Long-run figures with confidence intervals.
    pub summary: Summary,
    /// Figures that only the engine has.
    pub operations: Operations,
    /// Requests over all trials.
    pub requests: RequestCounts,
    /// Preemptions over all trials.
    pub preemptions: u64,
    /// Simulated seconds, over all trials.
    pub end_time_s: f64,
    /// Iterations, over all trials.
    pub steps: u64,
    /// Populations, warm-up rule, interval method, and what else a reader must know.
    pub notes: Vec<String>,
}
