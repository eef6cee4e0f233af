//! Cuts of the time axis: where windows end and states are sampled.

use super::options::Options;
use super::record::{ClassTally, Sample, Totals, Window};
use super::sequence::UNMEASURED;
use crate::scenario::Time;

/// The running record of a run.
#[derive(Debug)]
pub struct Log {
    pub totals: Totals,
    pub windows: Vec<Window>,
    pub samples: Vec<Sample>,
    edges: Vec<Time>,
    /// Edges passed; window `passed − 1` is open.
    passed: usize,
    /// When the last request finished, attoseconds.
    pub last_completion: i128,
    sample_every: Option<Time>,
    next_sample: Time,
    next_edge: Time,
    /// Requests of the windows that are still in the system.
    pub outstanding: u64,
}

impl Log {
    pub fn new(options: &Options, classes: usize) -> Self {
        let width = options.horizon.0 - options.warmup.0;
        let count = options.windows.max(1) as i128;
        let window = Window { classes: vec![ClassTally::default(); classes], ..Window::default() };
        let edges: Vec<Time> = (0..=count).map(|edge| Time(options.warmup.0 + width * edge / count)).collect();
        Self {
            totals: Totals::default(),
            windows: vec![window; options.windows.max(1)],
            last_completion: 0,
            samples: Vec::new(),
            next_edge: edges[0],
            edges,
            passed: 0,
            sample_every: options.sample_every,
            next_sample: if options.sample_every.is_some() { Time::ZERO } else { Time::NEVER },
            outstanding: 0,
        }
    }

    /// The edges of the windows.
    pub fn edges(&self) -> &[Time] {
        &self.edges
    }

    /// The next time at which the state is wanted.
    #[inline]
    pub fn next_cut(&self) -> Time {
        self.next_sample.min(self.next_edge)
    }

    /// Whether the last window has ended.
    pub fn is_past_windows(&self) -> bool {
        self.passed == self.edges.len()
    }

    /// The open window.
    #[inline]
    pub fn open_window(&mut self) -> Option<&mut Window> {
        if self.passed == 0 || self.passed == self.edges.len() {
            return None;
        }
        self.windows.get_mut(self.passed - 1)
    }

    /// The window that a request arriving at `time` belongs to, which then waits for it.
    #[inline]
    pub fn window_of_arrival(&mut self, time: Time) -> u16 {
        let open = self.passed.checked_sub(1).is_some_and(|last| self.edges[last] <= time) && time < self.next_edge;
        let passed = if open { self.passed } else { self.edges.partition_point(|&edge| edge <= time) };
        if passed == 0 || passed == self.edges.len() {
            return UNMEASURED;
        }
        self.outstanding += 1;
        (passed - 1) as u16
    }

    /// Records `state` for every cut at or before its time.
    pub fn pass(&mut self, state: &Sample) {
        while self.next_sample <= state.time {
            self.samples.push(Sample { cut: self.next_sample, ..*state });
            self.next_sample += self.sample_every.unwrap_or(Time::NEVER);
        }
        while self.next_edge <= state.time {
            self.pass_edge(state);
        }
    }

    fn pass_edge(&mut self, state: &Sample) {
        let in_system = state.waiting + state.running + state.swapped;
        if self.passed > 0 {
            let window = &mut self.windows[self.passed - 1];
            window.end = state.time;
            window.in_system_at_end = in_system;
            window.totals = state.totals.since(&window.totals);
        }
        if let Some(window) = self.windows.get_mut(self.passed) {
            window.start = state.time;
            window.in_system_at_start = in_system;
            window.totals = state.totals;
        }
        self.passed += 1;
        self.next_edge = self.edges.get(self.passed).copied().unwrap_or(Time::NEVER);
    }

    /// Closes the windows that the run did not reach the end of.
    pub fn close(&mut self, state: &Sample) {
        while self.passed < self.edges.len() {
            self.pass_edge(state);
        }
    }
}
