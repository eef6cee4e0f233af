//! What a run looks like in time, for pictures: states thinned to a few thousand, and the lives of twenty requests, in constant
//! memory.

use std::collections::BTreeMap;

use crate::des::{Event, EventKind, Observer, RequestRecord, StepRecord};
use crate::scenario::Time;

/// States kept at most; beyond, every other one is dropped.
const STATES: usize = 3000;
/// Requests whose lives are kept.
pub const LIVES: usize = 20;
/// The throughput is averaged over this share of the run.
const SMOOTHING: f64 = 0.05;

/// The system at the start of an iteration, and how long the iteration took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct State {
    /// Seconds.
    pub t_s: f64,
    /// Requests waiting.
    pub waiting: i64,
    /// Requests resident.
    pub running: i64,
    /// Requests preempted.
    pub swapped: i64,
    /// KV tokens held at the end of the iteration.
    pub kv_tokens: i64,
    /// Length of the iteration.
    pub step_s: f64,
    /// Requests completed so far.
    pub completed: u64,
}

/// What a request was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for the first time.
    Waiting,
    /// Resident.
    Executing,
    /// Preempted and not yet back.
    Preempted,
}

/// The life of one request: phases with their beginnings, and its end.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Life {
    /// Phases in order, each with the second at which it began.
    pub phases: Vec<(f64, Phase)>,
    /// When it finished; none when it did not.
    pub end_s: Option<f64>,
    /// How often it was preempted.
    pub preemptions: u32,
}

/// An observer that keeps what pictures need.
///
/// The lives are those of consecutive requests: of a block that begins at request 0, 80, 400, … and lies well inside a long run.
#[derive(Debug)]
pub struct Dynamics {
    states: Vec<State>,
    stride: u64,
    seen: u64,
    completed: u64,
    now_s: f64,
    newest: u64,
    shown: BTreeMap<u64, Life>,
    block: BTreeMap<u64, Life>,
    first: u64,
    finished: usize,
}

impl Default for Dynamics {
    fn default() -> Self {
        Self {
            states: Vec::new(),
            stride: 1,
            seen: 0,
            completed: 0,
            now_s: 0.0,
            newest: 0,
            shown: BTreeMap::new(),
            block: BTreeMap::new(),
            first: 0,
            finished: 0,
        }
    }
}

impl Dynamics {
    /// The kept states in order of time.
    pub fn states(&self) -> &[State] {
        &self.states
    }

    /// The lives of some consecutive requests by their numbers.
    pub fn lives(&self) -> &BTreeMap<u64, Life> {
        if self.shown.is_empty() { &self.block } else { &self.shown }
    }

    /// When the last iteration ended.
    pub fn end_s(&self) -> f64 {
        self.now_s
    }

    /// Completions per second, averaged over the twentieth of the run before each state.
    pub fn throughput(&self) -> Vec<(f64, f64)> {
        let width = SMOOTHING * self.now_s;
        let mut from = 0;
        let mut points = Vec::new();
        for state in &self.states {
            while self.states[from].t_s < state.t_s - width {
                from += 1;
            }
            let start = self.states[from];
            // Before a whole twentieth has passed an average says little.
            if state.t_s >= width && state.t_s > start.t_s {
                points.push((state.t_s, (state.completed - start.completed) as f64 / (state.t_s - start.t_s)));
            }
        }
        points
    }

    /// KV tokens held in percent of `memory`.
    pub fn memory_percent(&self, memory: u64) -> Vec<(f64, f64)> {
        self.states.iter().map(|state| (state.t_s, 100.0 * state.kv_tokens as f64 / memory as f64)).collect()
    }

    fn is_kept(&self, request: u64) -> bool {
        (self.first..self.first + LIVES as u64).contains(&request)
    }

    /// When all of a block have finished it is shown, and a later one is begun.
    fn end_block(&mut self) {
        if self.finished < LIVES {
            return;
        }
        self.shown = std::mem::take(&mut self.block);
        self.first = (4 * self.first + 4 * LIVES as u64).max(self.newest + 1);
        self.finished = 0;
    }
}

impl Observer for Dynamics {
    fn request(&mut self, request: &RequestRecord) {
        self.newest = self.newest.max(request.id);
        self.completed += u64::from(request.completed.is_some());
        if !self.is_kept(request.id) {
            return;
        }
        let life = self.block.entry(request.id).or_default();
        if life.phases.is_empty() {
            life.phases = phases_of(request);
        }
        life.end_s = request.completed.map(Time::seconds);
        life.preemptions = request.preemptions;
        self.finished += 1;
        self.end_block();
    }

    fn step(&mut self, step: &StepRecord) {
        self.now_s = (step.start + step.duration).seconds();
        if self.seen.is_multiple_of(self.stride) {
            self.states.push(State {
                t_s: step.start.seconds(),
                waiting: step.waiting,
                running: step.running,
                swapped: step.swapped,
                kv_tokens: step.kv_tokens,
                step_s: step.duration.seconds(),
                completed: self.completed,
            });
        }
        self.seen += 1;
        if self.states.len() > STATES {
            self.stride *= 2;
            let mut kept = false;
            self.states.retain(|_| {
                kept = !kept;
                kept
            });
        }
    }

    fn wants_steps(&self) -> bool {
        true
    }

    fn event(&mut self, event: &Event) {
        self.newest = self.newest.max(event.request);
        let phase = match event.kind {
            EventKind::Arrival => Phase::Waiting,
            EventKind::Admission | EventKind::SwapIn => Phase::Executing,
            EventKind::SwapOut | EventKind::Recompute | EventKind::Restart => Phase::Preempted,
            EventKind::Rejected | EventKind::Completion => return,
        };
        if self.is_kept(event.request) {
            self.block.entry(event.request).or_default().phases.push((event.time.seconds(), phase));
        }
    }

    fn wants_events(&self) -> bool {
        true
    }
}

/// Phases from the record alone, where no events were told.
fn phases_of(request: &RequestRecord) -> Vec<(f64, Phase)> {
    let waiting = (request.arrival.seconds(), Phase::Waiting);
    let executing = request.admitted.map(|time| (time.seconds(), Phase::Executing));
    let phases = std::iter::once(waiting).chain(executing);
    if request.rejected.is_some() { Vec::new() } else { phases.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Time {
        Time::from_seconds(seconds as f64)
    }

    fn step(number: u64) -> StepRecord {
        StepRecord {
            step: number,
            start: seconds(number),
            duration: seconds(1),
            instance: 0,
            decodes: 1,
            prefills: 0,
            prefill_tokens: 0,
            running: 1,
            waiting: 0,
            swapped: 0,
            kv_tokens: 10,
        }
    }

    fn request(id: u64) -> RequestRecord {
        RequestRecord {
            id,
            class: 0,
            arrival: seconds(id),
            prompt: 5,
            output: 5,
            admitted: Some(seconds(id + 1)),
            first_token: Some(seconds(id + 2)),
            completed: Some(seconds(id + 3)),
            preemptions: 1,
            preempted: Time::ZERO,
            rejected: None,
            instance: 0,
        }
    }

    #[test]
    fn a_long_run_is_thinned_evenly_and_its_throughput_is_right() {
        let mut dynamics = Dynamics::default();
        for number in 0..100_000 {
            dynamics.step(&step(number));
            if number % 2 == 0 {
                dynamics.request(&request(number / 2));
            }
        }
        let states = dynamics.states();
        assert!(states.len() <= STATES && states.len() > STATES / 3, "{}", states.len());
        let gap = states[1].t_s - states[0].t_s;
        assert!(states.windows(2).all(|pair| pair[1].t_s - pair[0].t_s == gap));
        assert!(dynamics.throughput().iter().skip(10).all(|(_, rate)| (rate - 0.5).abs() < 0.01));
        assert_eq!(dynamics.lives().len(), LIVES);
        assert!(dynamics.lives().keys().next() > Some(&5000));
    }

    #[test]
    fn a_life_follows_its_events() {
        let mut dynamics = Dynamics::default();
        let event = |time, kind| Event {
            time: seconds(time),
            step: time,
            instance: 0,
            kind,
            request: 3,
            position: 0,
            kv_change: 0,
            kv_after: 0,
        };
        for (time, kind) in [
            (3, EventKind::Arrival),
            (4, EventKind::Admission),
            (5, EventKind::SwapOut),
            (6, EventKind::SwapIn),
            (7, EventKind::Completion),
        ] {
            dynamics.event(&event(time, kind));
        }
        dynamics.request(&request(3));
        let expected =
            [(3.0, Phase::Waiting), (4.0, Phase::Executing), (5.0, Phase::Preempted), (6.0, Phase::Executing)];
        assert_eq!(dynamics.lives()[&3].phases, expected);
        dynamics.request(&request(4));
        assert_eq!(dynamics.lives()[&4].phases, [(4.0, Phase::Waiting), (5.0, Phase::Executing)]);
    }
}
