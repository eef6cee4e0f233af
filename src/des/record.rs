//! What a run writes down: totals at cuts of the time axis, windows with their latencies, and, if asked, every request and step.

use crate::scenario::Time;
use crate::stats::histogram::Histogram;

/// Running totals. Areas are integrals over time: requests (or tokens) × attoseconds, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Requests that arrived.
    pub arrived: u64,
    /// Requests that finished.
    pub completed: u64,
    /// Requests rejected on arrival.
    pub rejected: u64,
    /// Preemptions.
    pub preemptions: u64,
    /// Iterations.
    pub steps: u64,
    /// Tokens processed.
    pub tokens: i128,
    /// Time spent in iterations.
    pub busy: i128,
    /// ∫ waiting dt.
    pub waiting: i128,
    /// ∫ running dt.
    pub running: i128,
    /// ∫ swapped dt.
    pub swapped: i128,
    /// ∫ KV tokens dt.
    pub kv: i128,
}

/// State and totals at the first iteration boundary at or after a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The cut.
    pub cut: Time,
    /// The boundary.
    pub time: Time,
    /// Requests waiting.
    pub waiting: i64,
    /// Requests resident.
    pub running: i64,
    /// Requests preempted.
    pub swapped: i64,
    /// KV tokens held.
    pub kv_tokens: i64,
    /// Totals up to the boundary.
    pub totals: Totals,
}

/// A window of the time axis: totals within it, and latencies of the requests that arrived in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Window {
    /// First boundary at or after the window's start.
    pub start: Time,
    /// First boundary at or after the window's end.
    pub end: Time,
    /// What happened between the two.
    pub totals: Totals,
    /// Requests in the system at the start.
    pub in_system_at_start: i64,
    /// Requests in the system at the end.
    pub in_system_at_end: i64,
    /// Time to first token of the requests that arrived in the window, attoseconds.
    pub ttft: Histogram,
    /// End-to-end time of the requests that arrived in the window, attoseconds.
    pub e2e: Histogram,
    /// Gaps between consecutive tokens in the iterations that began in the window, attoseconds.
    pub gaps: Histogram,
    /// Requests that arrived in the window and were unfinished when the run was stopped.
    pub censored: u64,
}

impl Window {
    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        (self.end - self.start).seconds()
    }
}

/// The life of one request. Times are absolute; a request that never got there has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRecord {
    /// Number in order of arrival, from 0.
    pub id: u64,
    /// Class index.
    pub class: u16,
    /// Arrival.
    pub arrival: Time,
    /// s.
    pub prompt: i64,
    /// o.
    pub output: i64,
    /// When it first became resident.
    pub admitted: Option<Time>,
    /// End of the iteration that emitted token 1.
    pub first_token: Option<Time>,
    /// End of the iteration that emitted the last token.
    pub completed: Option<Time>,
    /// How often it was preempted.
    pub preemptions: u32,
    /// Whether it was turned away.
    pub rejected: bool,
}

/// One iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepRecord {
    /// Number of the iteration, from 0.
    pub step: u64,
    /// When it began.
    pub start: Time,
    /// τ.
    pub duration: Time,
    /// Decoding sequences.
    pub decodes: i64,
    /// Prompt tokens processed.
    pub prefill_tokens: i64,
    /// Requests resident.
    pub running: i64,
    /// Requests waiting at its beginning.
    pub waiting: i64,
    /// Requests preempted.
    pub swapped: i64,
    /// KV tokens held at its end, before the finished requests leave.
    pub kv_tokens: i64,
}

/// Receives single requests and iterations. The engine writes no files.
pub trait Observer {
    /// A request finished, was rejected, or is unfinished at the end of the run.
    fn request(&mut self, _request: &RequestRecord) {}
    /// An iteration ended. Only called when [`Observer::wants_steps`].
    fn step(&mut self, _step: &StepRecord) {}
    /// Whether single iterations are wanted; the engine then leaps one at a time.
    fn wants_steps(&self) -> bool {
        false
    }
}
