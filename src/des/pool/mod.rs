//! A pool of GPUs: every request takes the GPUs of its class, all at once, and runs alone on them from its prompt to its last
//! token (gang scheduling, run to completion). Where the order preempts, `preempt.rs`, it can be displaced and goes on later.
//!
//! A request waits in the order of the policy. The head blocks those behind it until enough GPUs are free, unless packing is
//! `fill`. At one instant requests end first, then others arrive, then requests start. The token budget and the chunk length
//! cut prompts as in an instance; KV memory is that of one request's GPUs together, and `max_sequences` plays no part.
//!
//! Cuts of the time axis are exact here, not moved to a boundary. An iteration counts in the window in which it begins.

mod job;
mod preempt;
mod queue;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::log::Log;
use super::objectives::{Finished, Objectives, tally};
use super::options::Options;
use super::record::{Event, EventKind, Observer, Rejection, RequestRecord, Run, Sample, StepRecord, Totals, Work};
use super::sequence::{NOT_YET, UNMEASURED};
use super::source::{Arrival, Feed, Source};
use crate::cost::NoisyStep;
use crate::scenario::{Class, FirstToken, Order, Packing, Prompts, Scenario, StepTimeLaw, Time};
use crate::schedule::admission::in_blocks;
use crate::stats::stream::{Stream, stream};
use job::{Cut, Job, Stretch};
use queue::Queue;

/// More than any budget or count.
const UNLIMITED: i64 = i64::MAX / 4;
/// Requests kept waiting in a saturated pool, beyond one for each GPU.
const SATURATED_RESERVE: i64 = 64;
/// A saturated source that has this many requests rejected in a row is taken to have no others.
const HOPELESS: u32 = 100_000;

/// Runs one trial of a validated scenario whose cluster is a pool of GPUs.
pub fn run(scenario: &Scenario, options: &Options, observer: Option<&mut dyn Observer>) -> Run {
    let source = Source::new(scenario, options.feed, options.seed, options.trial, options.backlog);
    Pool::new(scenario, options, source, observer).run()
}

/// Runs a validated scenario whose cluster is a pool of GPUs on these arrivals, which come in order of time, in place of its traffic.
/// A class of an arrival is one of the scenario's.
pub fn run_arrivals(
    scenario: &Scenario,
    arrivals: Vec<Arrival>,
    options: &Options,
    observer: &mut dyn Observer,
) -> Run {
    Pool::new(scenario, options, Source::of(scenario, arrivals), Some(observer)).run()
}

/// What a class asks for.
#[derive(Debug, Clone)]
struct Kind {
    gpus: i64,
    weight: f64,
    law: NoisyStep,
}

/// Who stands before whom.
#[derive(Debug, Clone, Copy)]
struct Ranking {
    order: Order,
    /// Whether waiting requests displace running ones that stand behind them.
    preempts: bool,
    /// Whether somebody may have to be started or displaced since the last time that was looked at.
    unsettled: bool,
}

struct Pool<'a> {
    kinds: Vec<Kind>,
    cut: Cut,
    ranking: Ranking,
    budget: i64,
    memory: i64,
    block: i64,
    gpus: i64,
    free: i64,
    now: i128,
    jobs: Vec<Job>,
    vacant: Vec<u32>,
    queue: Queue,
    /// Ends of the begun iterations: time, arrival number, slot.
    ends: BTreeSet<(i128, u64, u32)>,
    /// Running requests at the end of an iteration that have not begun the next.
    paused: Vec<u32>,
    waiting: i64,
    running: i64,
    /// Displaced requests.
    swapped: i64,
    /// Σ KV tokens held after the iterations that have ended.
    held: i64,
    log: Log,
    source: Source,
    upcoming: Option<Arrival>,
    noise: Stream,
    limit: i128,
    saturated: bool,
    max_waiting: i64,
    work: Work,
    observer: Option<&'a mut dyn Observer>,
    watches_steps: bool,
    watches_events: bool,
    objectives: Option<Vec<Objectives>>,
}

impl<'a> Pool<'a> {
    fn new(scenario: &Scenario, options: &Options, mut source: Source, observer: Option<&'a mut dyn Observer>) -> Self {
        let gpus = scenario.cluster.as_ref().and_then(|cluster| cluster.gpus).unwrap_or(1) as i64;
        let kinds = kinds(scenario);
        let needs: Vec<i64> = kinds.iter().map(|kind| kind.gpus).collect();
        let rules = scenario.batch_rules();
        let tokens = |limit: Option<u64>| limit.map_or(UNLIMITED, |tokens| tokens as i64);
        let budget = tokens(scenario.instance.max_batch_tokens);
        let watches_steps = observer.as_ref().is_some_and(|observer| observer.wants_steps());
        let watches_events = observer.as_ref().is_some_and(|observer| observer.wants_events());
        let cut = Cut {
            chunk: if rules.prompts == Prompts::Chunked { budget.min(tokens(rules.chunk_tokens)) } else { UNLIMITED },
            present: rules.prompts == Prompts::Present,
            emits_at_prefill: rules.first_token == FirstToken::Prefill,
            leap: options.leap && !watches_steps && !watches_events && scenario.step_noise.is_none(),
        };
        let saturated = options.feed == Feed::Saturated;
        Self {
            cut,
            ranking: Ranking {
                order: scenario.policy.order,
                preempts: scenario.policy.order_preempts,
                unsettled: false,
            },
            budget: if rules.prompts == Prompts::Whole { budget } else { UNLIMITED },
            memory: tokens(scenario.instance.kv_tokens),
            block: scenario.instance.block_tokens as i64,
            gpus,
            free: gpus,
            now: 0,
            jobs: Vec::new(),
            vacant: Vec::new(),
            queue: Queue::new(&needs, rules.packing == Packing::Fill),
            ends: BTreeSet::new(),
            paused: Vec::new(),
            waiting: 0,
            running: 0,
            swapped: 0,
            held: 0,
            log: Log::new(options, kinds.len()),
            upcoming: source.next(),
            source,
            noise: stream(options.seed, &format!("step noise/trial {}", options.trial)),
            limit: options.limit.0,
            saturated,
            max_waiting: if saturated { gpus + SATURATED_RESERVE } else { UNLIMITED },
            work: Work::default(),
            observer,
            watches_steps,
            watches_events,
            objectives: Objectives::of(&scenario.workload),
            kinds,
        }
    }

    fn run(mut self) -> Run {
        loop {
            self.end_iterations();
            self.take_arrivals();
            if self.log.next_cut().0 <= self.now {
                self.credit_all();
                let state = self.state();
                self.log.pass(&state);
            }
            if self.is_over() {
                break;
            }
            if self.ranking.preempts {
                self.settle();
            } else {
                self.start_waiting();
            }
            debug_assert!(self.is_conserved());
            let Some(next) = self.next_event() else { break };
            self.advance(next.min(self.limit));
        }
        self.finish()
    }

    fn is_over(&self) -> bool {
        self.now >= self.limit || (self.log.is_past_windows() && self.log.outstanding == 0)
    }

    /// A request that waits outside a saturated pool is no event: it comes in when another starts.
    fn next_event(&self) -> Option<i128> {
        let arrival = self.upcoming.map_or(Time::NEVER.0, |arrival| arrival.time.0);
        let arrival = if arrival > self.now { arrival } else { Time::NEVER.0 };
        let end = self.ends.first().map_or(Time::NEVER.0, |&(time, _, _)| time);
        let next = arrival.min(end).min(self.log.next_cut().0);
        (next < Time::NEVER.0).then_some(next)
    }

    fn advance(&mut self, to: i128) {
        let elapsed = to - self.now;
        let totals = &mut self.log.totals;
        totals.waiting += elapsed * i128::from(self.waiting);
        totals.running += elapsed * i128::from(self.running);
        totals.swapped += elapsed * i128::from(self.swapped);
        totals.kv += elapsed * i128::from(self.paused.iter().map(|&slot| self.jobs[slot as usize].held()).sum::<i64>());
        totals.gpus += elapsed * i128::from(self.gpus - self.free);
        totals.busy += elapsed * self.ends.len() as i128;
        self.now = to;
    }

    fn take_arrivals(&mut self) {
        let mut rejected = 0;
        while let Some(arrival) = self.upcoming
            && arrival.time.0 <= self.now
            && self.waiting + self.swapped < self.max_waiting
        {
            self.upcoming = self.source.next();
            let id = self.log.totals.arrived;
            self.log.totals.arrived += 1;
            if let Some(reason) = self.rejection(&arrival) {
                self.reject(id, &arrival, reason);
                rejected += 1;
                if self.saturated && rejected == HOPELESS {
                    self.upcoming = None;
                }
                continue;
            }
            let window = if self.saturated { UNMEASURED } else { self.log.window_of_arrival(arrival.time) };
            self.join(&Job::new(id, &arrival, window, &self.cut));
        }
    }

    fn rejection(&self, arrival: &Arrival) -> Option<Rejection> {
        if in_blocks(arrival.prompt + arrival.output, self.block) > self.memory {
            return Some(Rejection::Memory);
        }
        (arrival.prompt > self.budget).then_some(Rejection::Budget)
    }

    fn reject(&mut self, id: u64, arrival: &Arrival, reason: Rejection) {
        self.log.totals.rejected += 1;
        let job = Job::new(id, arrival, UNMEASURED, &self.cut);
        self.notify_event(EventKind::Rejected, &job, 0);
        if let Some(observer) = self.observer.as_deref_mut() {
            observer.request(&RequestRecord { rejected: Some(reason), ..record(&job) });
        }
    }

    fn join(&mut self, job: &Job) {
        let slot = if let Some(slot) = self.vacant.pop() {
            self.jobs[slot as usize] = *job;
            slot
        } else {
            self.jobs.push(*job);
            (self.jobs.len() - 1) as u32
        };
        self.ranking.unsettled |= self.enqueue(slot);
        self.waiting += 1;
        self.notify_event(EventKind::Arrival, job, 0);
    }

    /// Puts a request where it stands now; whether it is the first of those that need as many GPUs.
    fn enqueue(&mut self, slot: u32) -> bool {
        let job = &self.jobs[slot as usize];
        let kind = &self.kinds[usize::from(job.class)];
        let (key, id) = job.rank(self.ranking.order, kind.weight, self.now);
        self.queue.push(kind.gpus, (key, id, slot))
    }

    /// Starts requests as long as the next one finds its GPUs.
    fn start_waiting(&mut self) {
        while let Some(slot) = self.queue.take(self.free) {
            self.start(slot);
        }
    }

    /// Starts a request that has left the queue, or goes on with one that was displaced.
    fn start(&mut self, slot: u32) {
        let job = &mut self.jobs[slot as usize];
        let again = job.admitted != NOT_YET;
        if again {
            job.away += self.now - job.left;
            self.swapped -= 1;
            self.log.totals.swap_ins += 1;
            self.log.totals.moved_tokens += i128::from(job.held());
        } else {
            job.admitted = self.now;
            self.waiting -= 1;
        }
        let job = *job;
        self.running += 1;
        self.free -= self.kinds[usize::from(job.class)].gpus;
        self.held += job.held();
        self.notify_event(if again { EventKind::SwapIn } else { EventKind::Admission }, &job, job.held());
        self.begin(slot);
    }

    fn begin(&mut self, slot: u32) {
        let job = &mut self.jobs[slot as usize];
        let law = &self.kinds[usize::from(job.class)].law;
        job.begin(self.now, &self.cut, law, &mut self.noise);
        self.ends.insert((self.now + job.stretch.offset(job.stretch.steps), job.id, slot));
        self.work.leaps += 1;
        self.work.heap += 2;
    }

    /// Ends the iterations that are due; their requests go on or leave.
    fn end_iterations(&mut self) {
        while let Some(&(time, _, slot)) = self.ends.first()
            && time <= self.now
        {
            self.ends.pop_first();
            self.credit(slot, self.jobs[slot as usize].stretch.steps);
            let job = &mut self.jobs[slot as usize];
            let before = job.held();
            job.end(time, &self.cut);
            let job = *job;
            self.held += job.held() - before;
            self.notify_step(&job);
            if job.emitted == job.output {
                self.complete(slot);
            } else if self.ranking.preempts {
                self.jobs[slot as usize].stretch = Stretch::default();
                self.paused.push(slot);
            } else {
                self.begin(slot);
            }
        }
    }

    fn credit_all(&mut self) {
        let slots: Vec<u32> = self.ends.iter().map(|&(_, _, slot)| slot).collect();
        for slot in slots {
            self.credit(slot, self.jobs[slot as usize].stretch.begun_before(self.now));
        }
    }

    /// Adds the iterations of a request up to number `upto` to the totals and to the open window, closed form: taking them one
    /// by one gives the same whole numbers.
    fn credit(&mut self, slot: u32, upto: i64) {
        let job = &mut self.jobs[slot as usize];
        let stretch = job.stretch;
        let (from, steps) = (stretch.credited, upto - stretch.credited);
        if steps == 0 {
            return;
        }
        job.stretch.credited = upto;
        let totals = &mut self.log.totals;
        let tokens = i128::from(steps * stretch.tokens);
        totals.steps += steps as u64;
        totals.tokens += tokens;
        totals.prefill_tokens += if stretch.prompt { tokens } else { 0 };
        totals.kv += stretch.kv_area(from, upto);
        if !stretch.prompt
            && job.emitted > 0
            && let Some(window) = self.log.open_window()
        {
            let late = i64::from(from == 0 && stretch.lag > 0);
            if late > 0 {
                window.gaps.add(stretch.lag + stretch.first, 1);
            }
            let first = stretch.first + stretch.growth * i128::from(from + late);
            window.gaps.add_progression(first, stretch.growth, steps - late, 1);
        }
    }

    fn complete(&mut self, slot: u32) {
        let job = self.jobs[slot as usize];
        self.ranking.unsettled = true;
        self.running -= 1;
        self.free += self.kinds[usize::from(job.class)].gpus;
        self.held -= job.held();
        self.log.totals.completed += 1;
        self.log.last_completion = self.now;
        self.vacant.push(slot);
        if job.window != UNMEASURED {
            let request = Finished {
                class: job.class,
                prompt: job.prompt,
                output: job.output,
                ttft: job.first_token - job.arrival,
                e2e: self.now - job.arrival,
            };
            let window = &mut self.log.windows[job.window as usize];
            tally(window, &request, self.objectives.as_deref());
            self.log.outstanding -= 1;
        }
        self.notify_event(EventKind::Completion, &job, -job.held());
        if let Some(observer) = self.observer.as_deref_mut() {
            observer.request(&RequestRecord { completed: Some(Time(self.now)), ..record(&job) });
        }
    }

    fn state(&self) -> Sample {
        Sample {
            cut: Time(self.now),
            time: Time(self.now),
            waiting: self.waiting,
            running: self.running,
            swapped: self.swapped,
            kv_tokens: self.on_gpus().map(|slot| self.jobs[slot as usize].held_in_totals()).sum(),
            totals: self.log.totals,
        }
    }

    fn notify_step(&mut self, job: &Job) {
        if !self.watches_steps {
            return;
        }
        let Some(observer) = self.observer.as_deref_mut() else { return };
        let stretch = &job.stretch;
        observer.step(&StepRecord {
            step: self.log.totals.steps - 1,
            start: Time(stretch.start),
            duration: Time(stretch.first),
            instance: 0,
            decodes: i64::from(!stretch.prompt),
            prefills: i64::from(stretch.prompt),
            prefill_tokens: if stretch.prompt { stretch.tokens } else { 0 },
            running: self.running,
            waiting: self.waiting,
            swapped: self.swapped,
            kv_tokens: self.held,
        });
    }

    fn notify_event(&mut self, kind: EventKind, job: &Job, kv_change: i64) {
        if !self.watches_events {
            return;
        }
        let Some(observer) = self.observer.as_deref_mut() else { return };
        observer.event(&Event {
            time: Time(self.now),
            step: self.log.totals.steps,
            instance: 0,
            kind,
            request: job.id,
            position: job.emitted,
            kv_change,
            kv_after: self.held,
        });
    }

    fn finish(mut self) -> Run {
        self.credit_all();
        let state = self.state();
        self.log.close(&state);
        let slots = self.on_gpus().chain(self.queue.slots());
        let mut unfinished: Vec<Job> = slots.map(|slot| self.jobs[slot as usize]).collect();
        unfinished.sort_unstable_by_key(|job| job.id);
        for job in &unfinished {
            if job.window != UNMEASURED {
                self.log.windows[job.window as usize].censored += 1;
            }
            if let Some(observer) = self.observer.as_deref_mut() {
                observer.request(&record(job));
            }
        }
        Run {
            windows: self.log.windows,
            samples: self.log.samples,
            totals: self.log.totals,
            end: Time(self.now),
            in_system: unfinished.len() as u64,
            last_completion: Time(self.log.last_completion),
            instances: 1,
            work: self.work,
        }
    }

    /// The running requests.
    fn on_gpus(&self) -> impl Iterator<Item = u32> + '_ {
        self.ends.iter().map(|&(_, _, slot)| slot).chain(self.paused.iter().copied())
    }

    /// Requests and GPUs are conserved. Checked at every event in debug builds.
    fn is_conserved(&self) -> bool {
        let Totals { arrived, completed, rejected, .. } = self.log.totals;
        let running = || self.on_gpus().map(|slot| &self.jobs[slot as usize]);
        arrived == completed + rejected + (self.waiting + self.running + self.swapped) as u64
            && running().count() as i64 == self.running
            && self.queue.slots().count() as i64 == self.waiting + self.swapped
            && running().map(|job| self.kinds[usize::from(job.class)].gpus).sum::<i64>() == self.gpus - self.free
            && running().map(Job::held).sum::<i64>() == self.held
            && self.free >= 0
    }
}

/// A class each; requests of a trace take one GPU.
fn kinds(scenario: &Scenario) -> Vec<Kind> {
    let law = |law: &StepTimeLaw| NoisyStep::new(law, scenario);
    let workload = &scenario.workload;
    if workload.trace.is_some() {
        let of = |weight| Kind { gpus: 1, weight, law: law(&scenario.step_time) };
        return workload.weights().into_iter().map(of).collect();
    }
    let of = |class: &Class| Kind {
        gpus: class.gpus as i64,
        weight: class.weight,
        law: law(class.step_time.as_ref().unwrap_or(&scenario.step_time)),
    };
    workload.class.iter().map(of).collect()
}

fn record(job: &Job) -> RequestRecord {
    let reached = |time: i128| (time != NOT_YET).then_some(Time(time));
    RequestRecord {
        id: job.id,
        class: job.class,
        arrival: Time(job.arrival),
        prompt: job.prompt,
        output: job.output,
        admitted: reached(job.admitted),
        first_token: reached(job.first_token),
        completed: None,
        preemptions: job.displaced,
        preempted: Time(job.away),
        rejected: None,
        instance: 0,
    }
}
