//! The exact event engine: state, clock and the loop over iterations.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::batch::Batch;
use super::log::Log;
use super::memory::KvMemory;
use super::options::Options;
use super::record::{Observer, Rejection, RequestRecord, Sample, StepRecord, Totals, Window};
use super::sequence::{NOT_YET, Sequence, Sequences, Stage, UNMEASURED};
use super::source::{Arrival, Feed, Source};
use crate::cost::{ExactStep, NoisyStep};
use crate::scenario::{Admission, Preemption, Scenario, Time};
use crate::stats::stream::{Stream, stream};

/// More than any budget or count.
const UNLIMITED: i64 = i64::MAX / 4;
/// Requests kept waiting in a saturated system, beyond the sequence cap.
const SATURATED_RESERVE: i64 = 64;
/// A saturated source that has this many requests rejected in a row is taken to have no others.
const HOPELESS: u32 = 100_000;

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
    /// Requests in the system at the end.
    pub in_system: u64,
    /// Times the engine took several iterations, or one, at once.
    pub leaps: u64,
}

/// The rules as the loop needs them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub budget: i64,
    pub sequences: i64,
    pub admission: Admission,
    pub preemption: Preemption,
    pub reserves: bool,
    pub can_run_out: bool,
    pub swap_attos_per_token: i128,
    leap: bool,
    max_waiting: i64,
}

/// State and clock. Rules are functions of what they may see, in `schedule`.
pub(super) struct Engine<'a> {
    pub(super) rules: Rules,
    pub(super) now: i128,
    /// Iterations so far; the age of every decoding sequence is counted from it.
    pub(super) tick: i64,
    pub(super) memory: KvMemory,
    /// Σ peaks of the residents, under reserve admission.
    pub(super) reserved: i64,
    /// Σ KV tokens held by the residents.
    pub(super) context: i64,
    pub(super) sequences: Sequences,
    /// Waiting and preempted requests; preempted ones stand before all others.
    pub(super) queue: VecDeque<u32>,
    pub(super) waiting: i64,
    pub(super) swapped: i64,
    pub(super) running: i64,
    pub(super) decoding: i64,
    /// The resident whose prompt is not finished. First come, first served leaves at most one.
    pub(super) prefilling: Option<u32>,
    pub(super) batch: Batch,
    pub(super) log: Log,
    finishing: BinaryHeap<Reverse<(i64, u32)>>,
    step: NoisyStep,
    noise: Stream,
    source: Source,
    upcoming: Option<Arrival>,
    limit: i128,
    saturated: bool,
    leaps: u64,
    observer: Option<&'a mut dyn Observer>,
}

impl<'a> Engine<'a> {
    pub(super) fn new(scenario: &Scenario, options: &Options, observer: Option<&'a mut dyn Observer>) -> Self {
        let mut source = Source::new(scenario, options.feed, options.seed, options.trial, options.backlog);
        let upcoming = source.next();
        let saturated = options.feed == Feed::Saturated;
        let sequences = scenario.sequence_cap() as i64;
        let instance = &scenario.instance;
        let policy = &scenario.policy;
        let watched = observer.as_ref().is_some_and(|observer| observer.wants_steps());
        let rules = Rules {
            budget: instance.max_batch_tokens.map_or(UNLIMITED, |tokens| tokens as i64),
            sequences,
            admission: policy.admission,
            preemption: policy.preemption,
            reserves: policy.admission == Admission::Reserve,
            can_run_out: instance.kv_tokens.is_some() && policy.preemption != Preemption::None,
            swap_attos_per_token: Time::from_decimal(policy.swap_s_per_token.unwrap_or(0.0)).0,
            leap: options.leap && !watched && scenario.step_noise.is_none(),
            max_waiting: if saturated { sequences + SATURATED_RESERVE } else { UNLIMITED },
        };
        Self {
            rules,
            now: 0,
            tick: 0,
            memory: KvMemory::new(instance.kv_tokens, instance.block_tokens),
            reserved: 0,
            context: 0,
            sequences: Sequences::default(),
            queue: VecDeque::new(),
            waiting: 0,
            swapped: 0,
            running: 0,
            decoding: 0,
            prefilling: None,
            batch: Batch::default(),
            log: Log::new(options),
            finishing: BinaryHeap::new(),
            step: NoisyStep { mean: ExactStep::new(&scenario.step_time), noise: scenario.step_noise },
            noise: stream(options.seed, &format!("step noise/trial {}", options.trial)),
            source,
            upcoming,
            limit: options.limit.0,
            saturated,
            leaps: 0,
            observer,
        }
    }

    pub(super) fn run(mut self) -> Run {
        loop {
            self.take_arrivals();
            if self.log.next_cut().0 <= self.now {
                let state = self.state();
                self.log.pass(state);
            }
            if self.is_over() {
                break;
            }
            if self.running == 0 && self.queue.is_empty() {
                let Some(next) = self.next_event_when_idle() else { break };
                self.now = next.min(self.limit);
                continue;
            }
            self.form_batch();
            self.advance();
            debug_assert!(self.is_conserved());
        }
        self.finish()
    }

    fn is_over(&self) -> bool {
        self.now >= self.limit || (self.log.is_past_windows() && self.log.outstanding == 0)
    }

    fn next_event_when_idle(&self) -> Option<i128> {
        let arrival = self.upcoming.map_or(Time::NEVER, |arrival| arrival.time);
        let next = arrival.min(self.log.next_cut());
        (next < Time::NEVER).then_some(next.0)
    }

    fn state(&self) -> Sample {
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

    /// Moves every request that has arrived by now into the queue, or rejects it when its peak can never fit.
    fn take_arrivals(&mut self) {
        let mut rejected = 0;
        while let Some(arrival) = self.upcoming
            && arrival.time.0 <= self.now
            && self.waiting < self.rules.max_waiting
        {
            self.upcoming = self.source.next();
            let id = self.log.totals.arrived;
            self.log.totals.arrived += 1;
            if self.memory.rounded(arrival.prompt + arrival.output) > self.memory.capacity {
                self.reject(id, &arrival);
                rejected += 1;
                if self.saturated && rejected == HOPELESS {
                    self.upcoming = None;
                }
                continue;
            }
            let window = if self.saturated { UNMEASURED } else { self.log.window_of_arrival(arrival.time) };
            let slot = self.sequences.insert(Sequence::new(
                id,
                arrival.time,
                arrival.class,
                arrival.prompt,
                arrival.output,
                window,
            ));
            self.queue.push_back(slot);
            self.waiting += 1;
            if !self.saturated {
                self.log.totals.waiting += self.now - arrival.time.0;
            }
        }
    }

    fn reject(&mut self, id: u64, arrival: &Arrival) {
        self.log.totals.rejected += 1;
        if let Some(observer) = self.observer.as_deref_mut() {
            let sequence = Sequence::new(id, arrival.time, arrival.class, arrival.prompt, arrival.output, UNMEASURED);
            observer.request(&RequestRecord { rejected: Some(Rejection::Memory), ..record(&sequence) });
        }
    }

    /// Runs the batch for one iteration, or for as many as it is sure to stay the same.
    fn advance(&mut self) {
        let tokens = self.decoding + self.batch.prefill_tokens;
        let finished: i64 = self.batch.prefills.iter().map(|&(slot, chunk)| self.emits(slot, chunk)).sum();
        let context = self.context + tokens + finished;
        let extra = self.rules.swap_attos_per_token * i128::from(self.batch.moved_tokens);
        let first = self.step.draw(tokens, context, &mut self.noise) + extra;
        let growth = self.step.mean.growth(self.decoding);
        let alone = self.batch.prefills.is_empty() && self.batch.resumed.is_empty() && extra == 0;
        let steps = if self.rules.leap && alone { self.leap_length(first, growth) } else { 1 };
        let pairs = i128::from(steps) * i128::from(steps - 1) / 2;
        let duration = first * i128::from(steps) + growth * pairs;
        self.account(steps, pairs, first, growth, duration, tokens, context);
        self.notify_step(first, context);
        self.memory.allocated += self.memory.growth(self.tick, steps);
        self.context += self.decoding * steps;
        self.tick += steps;
        self.now += duration;
        self.leaps += 1;
        self.finish_prefills();
        self.complete_due();
    }

    /// 1 when this chunk ends a prompt and so emits a token.
    fn emits(&self, slot: u32, chunk: i64) -> i64 {
        i64::from(chunk == self.sequences.get(slot).unwritten())
    }

    /// How many iterations the batch stays the same: until a completion, a full memory, an arrival that may join, or a cut.
    fn leap_length(&self, first: i128, growth: i128) -> i64 {
        let mut steps = self.finishing.peek().map_or(1, |entry| entry.0.0 - self.tick).max(1);
        if self.rules.can_run_out {
            steps = steps.min(self.memory.steps_until_full(self.tick).max(1));
        }
        let arrival = match self.upcoming {
            Some(arrival) if self.batch.open => arrival.time.0,
            _ => Time::NEVER.0,
        };
        let deadline = arrival.min(self.log.next_cut().0).min(self.limit);
        steps_to_reach(deadline - self.now, first, growth, steps)
    }

    /// Adds the iterations to the totals. With τ_j = first + j·growth and C_j = context + j·decoding all sums are polynomials
    /// in the number of iterations, so that leaping changes no bit.
    #[expect(clippy::too_many_arguments, reason = "one leap's quantities, computed once by the only caller")]
    fn account(
        &mut self,
        steps: i64,
        pairs: i128,
        first: i128,
        growth: i128,
        duration: i128,
        tokens: i64,
        context: i64,
    ) {
        let totals = &mut self.log.totals;
        totals.steps += steps as u64;
        totals.tokens += i128::from(tokens * steps);
        totals.busy += duration;
        totals.waiting += duration * i128::from(self.waiting);
        totals.running += duration * i128::from(self.running);
        totals.swapped += duration * i128::from(self.swapped);
        totals.kv += duration * i128::from(context);
        if steps > 1 {
            let decoding = i128::from(self.decoding);
            let squares = pairs * i128::from(2 * steps - 1) / 3;
            totals.kv += first * decoding * pairs + growth * decoding * squares;
        }
        let regular = self.decoding - self.batch.resumed.len() as i64;
        if regular > 0
            && let Some(window) = self.log.open_window()
        {
            window.gaps.add_progression(first, growth, steps, regular as u64);
        }
        for index in 0..self.batch.resumed.len() {
            let gap = self.now + duration - self.sequences.get(self.batch.resumed[index]).last_token;
            self.add_gap(gap);
        }
    }

    fn add_gap(&mut self, gap: i128) {
        if let Some(window) = self.log.open_window() {
            window.gaps.add(gap, 1);
        }
    }

    fn notify_step(&mut self, duration: i128, context: i64) {
        let Some(observer) = self.observer.as_deref_mut() else { return };
        if observer.wants_steps() {
            observer.step(&StepRecord {
                step: self.tick as u64,
                start: Time(self.now),
                duration: Time(duration),
                instance: 0,
                decodes: self.decoding,
                prefills: self.batch.prefills.len() as i64,
                prefill_tokens: self.batch.prefill_tokens,
                running: self.running,
                waiting: self.waiting,
                swapped: self.swapped,
                kv_tokens: context,
            });
        }
    }

    /// Writes the chunks; a finished prompt emits a token and starts to decode.
    fn finish_prefills(&mut self) {
        self.prefilling = None;
        for index in 0..self.batch.prefills.len() {
            let (slot, chunk) = self.batch.prefills[index];
            let now = self.now;
            let sequence = self.sequences.get_mut(slot);
            let held = sequence.held_after(chunk);
            let before = sequence.written;
            let ends = chunk == sequence.unwritten();
            sequence.written += chunk;
            self.memory.allocated += self.memory.rounded(held) - self.memory.rounded(before);
            self.context += held - before;
            if !ends {
                self.prefilling = Some(slot);
                continue;
            }
            sequence.done += 1;
            let last = sequence.last_token;
            if sequence.first_token == NOT_YET {
                sequence.first_token = now;
            } else {
                self.add_gap(now - last);
            }
            if self.sequences.get(slot).done == self.sequences.get(slot).output {
                self.complete(slot);
            } else {
                self.start_decoding(slot);
            }
        }
    }

    pub(super) fn start_decoding(&mut self, slot: u32) {
        let tick = self.tick;
        let sequence = self.sequences.get_mut(slot);
        sequence.stage = Stage::Decode;
        sequence.origin = tick - sequence.done;
        let held = sequence.prompt + sequence.done;
        let due = sequence.origin + sequence.output;
        self.memory.count_decoder(held, tick, 1);
        self.decoding += 1;
        self.finishing.push(Reverse((due, slot)));
    }

    /// Completes the decoding sequences that have emitted their last token. The entry of a sequence that was preempted in the
    /// meantime is outdated: nobody in its slot decodes and is due then.
    fn complete_due(&mut self) {
        while let Some(&Reverse((due, slot))) = self.finishing.peek()
            && due <= self.tick
        {
            self.finishing.pop();
            let sequence = self.sequences.get(slot);
            if sequence.stage == Stage::Decode && sequence.origin + sequence.output == due {
                let held = sequence.prompt + sequence.output;
                self.memory.count_decoder(held, self.tick, -1);
                self.decoding -= 1;
                self.complete(slot);
            }
        }
    }

    fn complete(&mut self, slot: u32) {
        let sequence = *self.sequences.get(slot);
        let peak = sequence.prompt + sequence.output;
        self.memory.allocated -= self.memory.rounded(peak);
        self.context -= peak;
        if self.rules.reserves {
            self.reserved -= self.memory.rounded(peak);
        }
        self.running -= 1;
        self.log.totals.completed += 1;
        if sequence.window != UNMEASURED {
            let window = &mut self.log.windows[sequence.window as usize];
            window.ttft.add(sequence.first_token - sequence.arrival, 1);
            window.e2e.add(self.now - sequence.arrival, 1);
            self.log.outstanding -= 1;
        }
        if let Some(observer) = self.observer.as_deref_mut() {
            observer.request(&RequestRecord { completed: Some(Time(self.now)), ..record(&sequence) });
        }
        self.sequences.leave(slot);
        self.sequences.get_mut(slot).stage = Stage::Prefill;
        self.sequences.remove(slot);
    }

    fn finish(mut self) -> Run {
        let state = self.state();
        self.log.close(state);
        let unfinished: Vec<Sequence> = self
            .queue
            .iter()
            .map(|&slot| *self.sequences.get(slot))
            .chain(self.sequences.residents().copied())
            .collect();
        for sequence in &unfinished {
            if sequence.window != UNMEASURED {
                self.log.windows[sequence.window as usize].censored += 1;
            }
            if let Some(observer) = self.observer.as_deref_mut() {
                observer.request(&record(sequence));
            }
        }
        Run {
            windows: self.log.windows,
            samples: self.log.samples,
            totals: self.log.totals,
            end: Time(self.now),
            in_system: unfinished.len() as u64,
            leaps: self.leaps,
        }
    }

    /// Requests and KV tokens are conserved, and the cap holds. Checked after every leap in debug builds.
    fn is_conserved(&self) -> bool {
        let totals = &self.log.totals;
        let in_system = (self.waiting + self.swapped + self.running) as u64;
        let held = |sequence: &Sequence| match sequence.stage {
            Stage::Decode => sequence.prompt + self.tick - sequence.origin,
            _ => sequence.written,
        };
        totals.arrived == totals.completed + totals.rejected + in_system
            && self.queue.len() as i64 == self.waiting + self.swapped
            && self.sequences.residents().count() as i64 == self.running
            && self.sequences.residents().map(held).sum::<i64>() == self.context
            && self.sequences.residents().map(|one| self.memory.rounded(held(one))).sum::<i64>()
                == self.memory.allocated
            && self.memory.allocated <= self.memory.capacity
            && self.running <= self.rules.sequences
    }
}

fn record(sequence: &Sequence) -> RequestRecord {
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
        preempted: Time::ZERO,
        rejected: None,
        instance: 0,
    }
}

/// The smallest number of iterations, at least 1 and at most `most`, whose total time reaches `distance`; τ_j = first + j·growth.
#[inline]
fn steps_to_reach(distance: i128, first: i128, growth: i128, most: i64) -> i64 {
    let total = |steps: i64| {
        let steps = i128::from(steps);
        first * steps + growth * (steps * (steps - 1) / 2)
    };
    if distance > total(most) {
        return most;
    }
    let (x, a, g) = (distance as f64, first as f64 - growth as f64 / 2.0, growth as f64);
    let estimate = 2.0 * x / (a + (a * a + 2.0 * g * x).sqrt());
    let mut steps = (estimate.ceil() as i64).clamp(1, most);
    while steps > 1 && total(steps - 1) >= distance {
        steps -= 1;
    }
    while steps < most && total(steps) < distance {
        steps += 1;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_to_reach_is_the_smallest_number_that_does() {
        for (first, growth) in [(10, 0), (7, 3), (1_000_000, 1), (5, 1_000)] {
            for distance in [-5, 0, 1, 10, 11, 99, 100_000, 123_456_789] {
                let steps = steps_to_reach(distance, first, growth, 1_000_000);
                let total = |n: i128| first * n + growth * (n * (n - 1) / 2);
                let n = i128::from(steps);
                assert!(total(n) >= distance || steps == 1_000_000);
                assert!(steps == 1 || total(n - 1) < distance);
            }
        }
    }
}
