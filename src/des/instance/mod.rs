//! One instance: its state, its rules as the loop needs them, and what comes in and goes out. `batch` forms an iteration, `admit`
//! and `evict` say who enters and who must go, `advance` lets time pass.

mod admit;
mod advance;
mod alone;
mod batch;
mod check;
mod evict;
mod rules;
mod watch;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use super::freed::Freed;
use super::link::KvLink;
use super::log::Log;
use super::memory::KvMemory;
use super::options::Options;
use super::prefix::PrefixCache;
use super::queue::Queue;
use super::record::{Event, EventKind, Rejection, RequestRecord, Sample, Work};
use super::sequence::{NOT_YET, ReadyList, Sequence, Sequences, Stage, UNMEASURED};
use super::source::Arrival;
use crate::cost::NoisyStep;
use crate::scenario::trace::Trace;
use crate::scenario::{Prompts, Scenario, Time, Transfer};
use crate::schedule::order;
use crate::stats::stream::{Stream, stream};
pub(super) use advance::Departure;
use advance::Plan;
use batch::Batch;
pub(super) use rules::Rules;
pub(super) use watch::Watch;

/// State and clock of one instance. Rules are functions of what they may see, in `schedule`.
pub(super) struct Instance {
    pub index: u32,
    pub rules: Rules,
    pub now: i128,
    /// Iterations in which decodes advanced; the age of every active sequence is counted from it.
    tick: i64,
    /// Iterations so far.
    steps: i64,
    /// Admissions, and times that somebody became ready, so far.
    admissions: u64,
    readied: u64,
    /// Whether somebody was preempted at this boundary.
    pressed: bool,
    /// When the last iteration began.
    pub last_start: i128,
    memory: KvMemory,
    /// Σ peaks of the residents, under reserve admission with exact predictions.
    reserved: i64,
    /// Σ KV tokens held by the residents.
    context: i64,
    /// Σ KV tokens held by the active ones.
    active_context: i64,
    sequences: Sequences,
    queue: Queue,
    /// Never resident.
    pub waiting: i64,
    /// Waiting requests that were never resident, by class; kept for WAIT.
    waiting_by_class: Vec<i64>,
    swapped: i64,
    pub running: i64,
    /// Active sequences.
    active: i64,
    ready: ReadyList,
    /// Active sequences whose next gap between tokens is not the time since the last decoding iteration.
    irregular: Vec<u32>,
    /// Residents whose prompt is not finished, in order of admission.
    prefilling: Vec<u32>,
    /// Residents at the end of each segment, in order of arrival there.
    gathering: Vec<Vec<u32>>,
    /// Residents whose KV is on its way back, by the time it will be there.
    loading: VecDeque<(i128, u32)>,
    host_link: KvLink,
    /// End of the last iteration in which decodes advanced.
    last_decode: i128,
    batch: Batch,
    plan: Plan,
    pub log: Log,
    finishing: BinaryHeap<Reverse<(i64, u32)>>,
    /// The prefix cache with the trace whose hashes it is asked for.
    cache: Option<(PrefixCache, Arc<Trace>)>,
    /// What victims left in free blocks, where they may find it again.
    freed: Option<Freed>,
    step: NoisyStep,
    noise: Stream,
    /// Requests handed over to the decode pool, to be fetched by the runner.
    pub departures: Vec<Departure>,
    /// Prompt and predicted output tokens of the requests that have left.
    pub left_tokens: i64,
    /// Requests that came from another instance, and that went to one.
    joined: u64,
    departed: u64,
    pub work: Work,
}

impl Instance {
    /// An empty instance of a scenario, number `index` of those that share `options`.
    pub fn new(scenario: &Scenario, options: &Options, index: u32, rules: Rules) -> Self {
        let limits = &scenario.instance;
        let name = match index {
            0 => format!("step noise/trial {}", options.trial),
            _ => format!("step noise of instance {index}/trial {}", options.trial),
        };
        let policy = &scenario.policy;
        let host_link = KvLink::to_host(policy.swap_latency_s.unwrap_or(0.0), policy.swap_s_per_token.unwrap_or(0.0));
        Self {
            index,
            now: 0,
            tick: 0,
            steps: 0,
            admissions: 0,
            readied: 0,
            pressed: false,
            last_start: 0,
            memory: KvMemory::new(limits.kv_tokens, limits.block_tokens),
            reserved: 0,
            context: 0,
            active_context: 0,
            sequences: Sequences::default(),
            queue: Queue::new(rules.sorted),
            waiting: 0,
            waiting_by_class: vec![0; rules.weights.len()],
            swapped: 0,
            running: 0,
            active: 0,
            ready: ReadyList::default(),
            irregular: Vec::new(),
            prefilling: Vec::new(),
            gathering: vec![Vec::new(); rules.segments.len()],
            loading: VecDeque::new(),
            host_link,
            last_decode: 0,
            batch: Batch::default(),
            plan: Plan::default(),
            log: Log::new(options, rules.weights.len()),
            finishing: BinaryHeap::new(),
            cache: prefix_cache(scenario),
            freed: policy.victims_stay_cached.then(|| {
                let memory = KvMemory::new(limits.kv_tokens, limits.block_tokens);
                Freed::new(memory.capacity, memory.block)
            }),
            step: NoisyStep::new(&scenario.step_time, scenario),
            noise: stream(options.seed, &name),
            departures: Vec::new(),
            left_tokens: 0,
            joined: 0,
            departed: 0,
            work: Work::default(),
            rules,
        }
    }

    /// Nobody is here.
    pub fn is_empty(&self) -> bool {
        self.running == 0 && self.queue.is_empty()
    }

    /// Requests here.
    pub fn in_system(&self) -> i64 {
        self.waiting + self.swapped + self.running
    }

    pub fn state(&self) -> Sample {
        Sample {
            cut: Time(self.now),
            time: Time(self.now),
            waiting: self.waiting,
            running: self.running,
            swapped: self.swapped,
            kv_tokens: self.context,
            totals: self.log.totals,
        }
    }

    /// Whether it can hold other requests than `other`.
    pub fn holds_other_than(&self, other: &Self) -> bool {
        let limits = |one: &Self| {
            (one.memory.capacity, one.memory.block, one.rules.budget, one.rules.batch.prompts, one.rules.refills)
        };
        limits(self) != limits(other)
    }

    /// Why a request could never be served here.
    pub fn refuses(&self, arrival: &Arrival) -> Option<Rejection> {
        let peak = arrival.prompt + if self.rules.hands_over { 1 } else { arrival.output };
        if self.memory.rounded(peak) > self.memory.capacity {
            return Some(Rejection::Memory);
        }
        if self.rules.batch.prompts != Prompts::Whole {
            return None;
        }
        let longest = if self.rules.refills { arrival.prompt + arrival.output - 1 } else { arrival.prompt };
        (longest > self.rules.budget).then_some(Rejection::Budget)
    }

    /// Takes a request that has arrived by now; it is turned away when it can never be served. Returns whether it was taken.
    pub fn take(&mut self, id: u64, arrival: &Arrival, measured: bool, watch: &mut Watch<'_>) -> bool {
        if arrival.handed_over {
            self.joined += 1;
        } else {
            self.log.totals.arrived += 1;
        }
        if let Some(rejection) = self.refuses(arrival) {
            self.reject(id, arrival, rejection, watch);
            return false;
        }
        let slot =
            self.sequences.insert(Sequence::new(id, arrival.time, arrival.class, arrival.prompt, arrival.output));
        let sequence = self.sequences.get_mut(slot);
        sequence.predicted = arrival.predicted;
        sequence.done = arrival.emitted;
        sequence.hashes = arrival.hashes;
        if arrival.emitted > 0 {
            sequence.first_token = arrival.first_token.0;
            sequence.last_token = arrival.first_token.0;
        }
        if self.rules.batch.prompts == Prompts::Present {
            sequence.stage = Stage::Ready;
        }
        if measured {
            sequence.window = self.log.window_of_arrival(arrival.time);
            self.log.totals.waiting += self.now - arrival.time.0.max(arrival.joined.0);
            self.log.totals.between += arrival.joined.0 - arrival.left.0;
        }
        let mut key = 0;
        if self.rules.sorted {
            key = self.key_of(self.sequences.get(slot), arrival.lot);
            self.sequences.get_mut(slot).key = key;
        }
        self.queue.push((key, id, slot));
        self.waiting += 1;
        if self.rules.waits {
            self.waiting_by_class[arrival.class as usize] += 1;
        }
        if watch.events {
            self.tell(EventKind::Arrival, slot, 0, watch);
        }
        true
    }

    /// Somebody has joined the queue since the batch was formed.
    pub fn unsettle(&mut self) {
        self.batch.unsettled = true;
    }

    fn key_of(&self, sequence: &Sequence, lot: u64) -> u64 {
        order::key(
            self.rules.order,
            &order::Seen {
                written: 0,
                prompt: sequence.prompt,
                output: sequence.expected_output(),
                emitted: sequence.done,
                weight: self.rules.weights[sequence.class as usize],
                lot,
            },
        )
    }

    /// Reports a request that never becomes part of the system.
    pub fn reject(&mut self, id: u64, arrival: &Arrival, rejection: Rejection, watch: &mut Watch<'_>) {
        self.log.totals.rejected += 1;
        self.left_tokens += arrival.prompt + arrival.predicted;
        let sequence = Sequence::new(id, arrival.time, arrival.class, arrival.prompt, arrival.output);
        watch.request(&RequestRecord { rejected: Some(rejection), ..self.record(&sequence) });
        if watch.events {
            watch.event(&Event {
                time: Time(self.now),
                step: self.steps as u64,
                instance: self.index,
                kind: EventKind::Rejected,
                request: id,
                position: 0,
                kv_change: 0,
                kv_after: self.context,
            });
        }
    }

    /// Tells of something that has just happened to `slot`.
    fn tell(&self, kind: EventKind, slot: u32, kv_change: i64, watch: &mut Watch<'_>) {
        let sequence = self.sequences.get(slot);
        watch.event(&Event {
            time: if kind == EventKind::Arrival { Time(self.now.max(sequence.arrival)) } else { Time(self.now) },
            step: self.steps as u64,
            instance: self.index,
            kind,
            request: sequence.id,
            position: self.emitted(sequence),
            kv_change,
            kv_after: self.context,
        });
    }

    /// Tokens that a sequence has emitted.
    #[inline]
    fn emitted(&self, sequence: &Sequence) -> i64 {
        if sequence.stage == Stage::Active { self.tick - sequence.origin } else { sequence.done }
    }

    /// KV tokens that a resident holds.
    #[inline]
    fn held(&self, sequence: &Sequence) -> i64 {
        match sequence.stage {
            Stage::Prefill => sequence.written,
            Stage::Active => sequence.prompt + self.tick - sequence.origin,
            Stage::Loading if sequence.written > 0 => sequence.written,
            Stage::Ready | Stage::Loading | Stage::Gathering => sequence.target(),
        }
    }

    /// The requests that are still here when the run ends.
    pub fn unfinished(&self) -> Vec<Sequence> {
        let queued = self.queue.slots().map(|slot| *self.sequences.get(slot));
        queued.chain(self.sequences.residents().map(|(_, sequence)| *sequence)).collect()
    }

    /// Counts and reports the requests that are still here when the run ends.
    pub fn close(&mut self, watch: &mut Watch<'_>) -> u64 {
        let state = self.state();
        self.log.close(&state);
        let unfinished = self.unfinished();
        for sequence in &unfinished {
            if sequence.window != UNMEASURED {
                self.log.windows[sequence.window as usize].censored += 1;
            }
            watch.request(&self.record(sequence));
        }
        unfinished.len() as u64
    }

    pub(super) fn record(&self, sequence: &Sequence) -> RequestRecord {
        let reached = |time: i128| (time != NOT_YET).then_some(Time(time));
        RequestRecord {
            id: sequence.id,
            class: sequence.class,
            arrival: Time(sequence.arrival),
            prompt: sequence.prompt,
            output: sequence.output,
            admitted: reached(sequence.admitted),
            first_token: reached(sequence.first_token),
            completed: None,
            preemptions: sequence.preemptions,
            preempted: Time(sequence.away),
            rejected: None,
            instance: self.index,
        }
    }

    /// Whether a swap runs beside the iterations.
    fn overlaps(&self) -> bool {
        self.rules.transfer == Transfer::Overlapped
    }
}

/// The prefix cache of an instance, if it has one.
fn prefix_cache(scenario: &Scenario) -> Option<(PrefixCache, Arc<Trace>)> {
    let tokens = scenario.instance.prefix_cache_tokens?;
    let trace = Arc::clone(&scenario.workload.trace.as_ref()?.requests);
    let block = trace.hash_block_tokens.max(1);
    Some((PrefixCache::new((tokens / block) as usize, block as i64), trace))
}
