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
    /// Prompt tokens among them, those of refills included.
    pub prefill_tokens: i128,
    /// Tokens processed whose KV was dropped: work done in vain.
    pub wasted_tokens: i128,
    /// Requests moved to the host.
    pub swap_outs: u64,
    /// Requests moved back from the host.
    pub swap_ins: u64,
    /// KV tokens moved between device and host, both ways.
    pub moved_tokens: i128,
    /// Tokens found in the prefix cache, or by victims in free blocks.
    pub cached_tokens: i128,
    /// Time spent in iterations; in a GPU pool that of every request.
    pub busy: i128,
    /// ∫ waiting dt.
    pub waiting: i128,
    /// ∫ running dt.
    pub running: i128,
    /// ∫ swapped dt.
    pub swapped: i128,
    /// ∫ requests on the link to the decode pool dt; a request's time there counts when it lands.
    pub between: i128,
    /// ∫ KV tokens dt.
    pub kv: i128,
    /// ∫ GPUs in use dt, in a GPU pool.
    pub gpus: i128,
}

impl Totals {
    /// What happened since `start`.
    #[must_use]
    pub fn since(&self, start: &Self) -> Self {
        Self {
            arrived: self.arrived - start.arrived,
            completed: self.completed - start.completed,
            rejected: self.rejected - start.rejected,
            preemptions: self.preemptions - start.preemptions,
            steps: self.steps - start.steps,
            tokens: self.tokens - start.tokens,
            prefill_tokens: self.prefill_tokens - start.prefill_tokens,
            wasted_tokens: self.wasted_tokens - start.wasted_tokens,
            swap_outs: self.swap_outs - start.swap_outs,
            swap_ins: self.swap_ins - start.swap_ins,
            moved_tokens: self.moved_tokens - start.moved_tokens,
            cached_tokens: self.cached_tokens - start.cached_tokens,
            busy: self.busy - start.busy,
            waiting: self.waiting - start.waiting,
            running: self.running - start.running,
            swapped: self.swapped - start.swapped,
            between: self.between - start.between,
            kv: self.kv - start.kv,
            gpus: self.gpus - start.gpus,
        }
    }

    /// The two together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            arrived: self.arrived + other.arrived,
            completed: self.completed + other.completed,
            rejected: self.rejected + other.rejected,
            preemptions: self.preemptions + other.preemptions,
            steps: self.steps + other.steps,
            tokens: self.tokens + other.tokens,
            prefill_tokens: self.prefill_tokens + other.prefill_tokens,
            wasted_tokens: self.wasted_tokens + other.wasted_tokens,
            swap_outs: self.swap_outs + other.swap_outs,
            swap_ins: self.swap_ins + other.swap_ins,
            moved_tokens: self.moved_tokens + other.moved_tokens,
            cached_tokens: self.cached_tokens + other.cached_tokens,
            busy: self.busy + other.busy,
            waiting: self.waiting + other.waiting,
            running: self.running + other.running,
            swapped: self.swapped + other.swapped,
            between: self.between + other.between,
            kv: self.kv + other.kv,
            gpus: self.gpus + other.gpus,
        }
    }
}

/// What a finished run leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The windows between warm-up and horizon.
    pub windows: Vec<Window>,
    /// The sampled states.
    pub samples: Vec<Sample>,
    /// Totals over the whole run.
    pub totals: Totals,
    /// When the run ended.
    pub end: Time,
    /// When the last request finished; zero when none did.
    pub last_completion: Time,
    /// Requests in the system at the end.
    pub in_system: u64,
    /// Instances, or 1 for a GPU pool.
    pub instances: u64,
    /// Work that the engine did.
    pub work: Work,
}

/// Work that the engine did, to show a slow-down without a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Times that iterations were taken, one or several at once.
    pub leaps: u64,
    /// Operations on the heap of completions.
    pub heap: u64,
    /// Requests that the scheduler looked at.
    pub looks: u64,
}

/// The requests of one class that arrived in a window and have finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClassTally {
    /// Finished requests.
    pub completed: u64,
    /// Those among them that attained all objectives of their class.
    pub attained: u64,
    /// Σ time to first token, attoseconds.
    pub ttft: i128,
    /// Σ time to last token, attoseconds.
    pub e2e: i128,
    /// Σ time to last token per token of prompt and output, attoseconds.
    pub e2e_per_token: i128,
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
    /// The requests that arrived in the window by class.
    pub classes: Vec<ClassTally>,
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
    /// Time spent preempted.
    pub preempted: Time,
    /// Why it was turned away, if it was.
    pub rejected: Option<Rejection>,
    /// The instance that served it.
    pub instance: u32,
}

/// Why a request is turned away on arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// Its peak, prompt + output in whole blocks, exceeds the KV memory.
    Memory,
    /// Its prompt exceeds the token budget, and prompts are not cut.
    Budget,
    /// No instance serves its model.
    Model,
}

impl Rejection {
    /// The reason in words.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Memory => "peak exceeds KV memory",
            Self::Budget => "whole prompt exceeds the token budget",
            Self::Model => "no instance serves its model",
        }
    }
}

/// What happened to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It joined the queue.
    Arrival,
    /// It was turned away.
    Rejected,
    /// It became resident for the first time, or again without KV.
    Admission,
    /// It became resident again with its KV from the host.
    SwapIn,
    /// It was preempted, its KV moved to the host.
    SwapOut,
    /// It was preempted, its KV dropped and its progress kept.
    Recompute,
    /// It was preempted, its KV and its progress dropped.
    Restart,
    /// It emitted its last token and left.
    Completion,
}

impl EventKind {
    /// Its name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Arrival => "arrival",
            Self::Rejected => "rejected",
            Self::Admission => "admission",
            Self::SwapIn => "swap_in",
            Self::SwapOut => "swap_out",
            Self::Recompute => "recompute",
            Self::Restart => "restart",
            Self::Completion => "completion",
        }
    }
}

/// Something that happened to a request at an iteration boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub time: Time,
    /// Number of the next iteration of the instance.
    pub step: u64,
    /// The instance.
    pub instance: u32,
    /// What.
    pub kind: EventKind,
    /// The request's number in order of arrival.
    pub request: u64,
    /// Tokens it has emitted.
    pub position: i64,
    /// KV tokens taken (or, negative, given back).
    pub kv_change: i64,
    /// KV tokens held by all residents of the instance after it.
    pub kv_after: i64,
}

/// Who stands where at the start of an iteration: numbers of requests.
#[derive(Debug, Clone, Copy)]
pub struct Queues<'a> {
    /// Waiting, never preempted, in order of arrival in the queue.
    pub waiting: &'a [u64],
    /// Resident, in order of admission.
    pub running: &'a [u64],
    /// Preempted.
    pub swapped: &'a [u64],
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
    /// The instance.
    pub instance: u32,
    /// Decoding sequences.
    pub decodes: i64,
    /// Sequences that process prompt tokens.
    pub prefills: i64,
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
    /// Something happened to a request. Only called when [`Observer::wants_events`].
    fn event(&mut self, _event: &Event) {}
    /// Whether single events are wanted.
    fn wants_events(&self) -> bool {
        false
    }
    /// Who stood where during an iteration. Only called when [`Observer::wants_queues`] and [`Observer::wants_steps`].
    fn queues(&mut self, _step: &StepRecord, _queues: &Queues<'_>) {}
    /// Whether the queues of every iteration are wanted.
    fn wants_queues(&self) -> bool {
        false
    }
}
