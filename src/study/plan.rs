//! How long to simulate, and how much of it to throw away: one stated rule, known before the run.

use crate::answer::FluidSolution;
use crate::des::{Feed, Options};
use crate::scenario::{Scenario, Time, TraceMode};

/// What the user may fix; the rest is planned.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Wishes {
    /// Measured seconds per trial.
    pub duration_s: Option<f64>,
    /// Seconds thrown away at the start.
    pub warmup_s: Option<f64>,
}

/// A run with its warm-up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Seconds thrown away at the start.
    pub warmup_s: f64,
    /// Measured seconds.
    pub duration_s: f64,
}

/// Requests measured per trial at least.
const REQUESTS: f64 = 20_000.0;
/// Requests measured per trial at most, however slowly the queue relaxes.
const MOST_REQUESTS: f64 = 200_000.0;
/// Warm-up in residence times of a request.
const RESIDENCES: f64 = 5.0;
/// Warm-up in relaxation times 1/(λ*(1 − ρ)²) of the queue.
const RELAXATIONS: f64 = 10.0;
/// The measured part in warm-ups.
const WARMUPS: f64 = 20.0;
/// 1 − ρ below which longer runs no longer help.
const SMALLEST_GAP: f64 = 0.01;

/// The rule in words, for notes.
pub const WARMUP_RULE: &str =
    "5 residence times and 10 relaxation times 1/(λ*(1−ρ)²) of the queue, whichever is longer";

impl Plan {
    /// The plan for a scenario from its analytic answer, or from that of the nearest scenario that theory covers, which may have
    /// a rate of its own. The warm-up is the longer of 5 residence times and 10 relaxation times of the queue; the measured part 20
    /// warm-ups, but from 20 000 to 200 000 requests, or the rest of a replayed trace.
    pub fn new(scenario: &Scenario, fluid: &FluidSolution, wishes: Wishes) -> Self {
        let rate = scenario.workload.rate();
        let boundary = fluid.boundary.low_per_s.max(f64::MIN_POSITIVE);
        let gap = (1.0 - fluid.lambda_per_s / boundary).abs().max(SMALLEST_GAP);
        let running = fluid.summary.running.map_or(1.0, |figure| figure.value).max(1.0);
        let residence = running / fluid.lambda_per_s.min(boundary);
        let warmup = (RESIDENCES * residence).max(RELAXATIONS / (boundary * gap * gap));
        let recorded = scenario.workload.trace.as_ref().filter(|source| source.mode == TraceMode::Replay);
        let (warmup, duration) = match recorded {
            Some(source) => {
                let span = source.requests.len() as f64 / rate;
                let warmup = warmup.min(span / 5.0);
                (warmup, span - warmup)
            }
            None => (warmup, (WARMUPS * warmup).clamp(REQUESTS / rate, MOST_REQUESTS / rate)),
        };
        let warmup_s = wishes.warmup_s.unwrap_or(warmup);
        Self { warmup_s, duration_s: wishes.duration_s.unwrap_or(duration) }
    }

    /// Engine options for this plan. A run ends at the latest after three times its length.
    pub fn options(&self, seed: u64, feed: Feed) -> Options {
        let warmup = Time::from_seconds(self.warmup_s);
        let horizon = Time::from_seconds(self.warmup_s + self.duration_s);
        let limit = Time::from_seconds(3.0 * (self.warmup_s + self.duration_s));
        Options { seed, feed, limit, ..Options::until(warmup, horizon) }
    }
}
