//! One instance of a cluster with the requests on their way into it.

use std::collections::VecDeque;

use super::super::instance::{Instance, Rules, Watch};
use super::super::options::Options;
use super::super::single::MOST_ATTEMPTS;
use super::super::source::{Arrival, Feed};
use crate::scenario::{Scenario, Time};

/// An instance and its inbox: requests that were routed to it and join its queue at a boundary.
pub(super) struct Node {
    pub instance: Instance,
    inbox: VecDeque<(u64, Arrival, bool)>,
    /// Requests of the inbox that are measured.
    inbox_measured: u64,
    /// Whether requests come by themselves, and not because one must always wait.
    fed_by_arrivals: bool,
    /// Whether iterations are under way.
    pub under_way: bool,
    /// Whether nothing could be done at the last boundary.
    idle: bool,
    attempts: u32,
}

impl Node {
    pub fn new(scenario: &Scenario, options: &Options, index: u32, rules: Rules) -> Self {
        Self {
            instance: Instance::new(scenario, options, index, rules),
            inbox: VecDeque::new(),
            inbox_measured: 0,
            fed_by_arrivals: options.feed != Feed::Saturated,
            under_way: false,
            idle: true,
            attempts: 0,
        }
    }

    /// A request is routed here.
    pub fn put(&mut self, id: u64, arrival: Arrival, measured: bool) {
        self.inbox.push_back((id, arrival, measured));
        self.inbox_measured += u64::from(measured);
    }

    /// A request has come at `time` that may join the iterations under way.
    pub fn invite(&mut self, time: i128) {
        if self.instance.is_open() {
            self.instance.cut_short(time);
        }
    }

    /// Requests in it or in its inbox.
    pub fn requests(&self) -> i64 {
        self.instance.in_system() + self.inbox.len() as i64
    }

    /// Of a saturated cluster: whether more requests should wait here.
    pub fn wants_more(&self) -> bool {
        self.instance.waiting + (self.inbox.len() as i64) < self.instance.rules.max_waiting
    }

    /// Measured requests that are here.
    pub fn unfinished_measured(&self) -> u64 {
        self.instance.log.outstanding + self.inbox_measured
    }

    /// Ends the iterations under way.
    pub fn end(&mut self, watch: &mut Watch<'_>) {
        self.instance.commit(watch);
        self.under_way = false;
        debug_assert!(self.instance.is_conserved());
    }

    /// Lets those of the inbox join who came by `time`. Whether anybody did.
    fn join(&mut self, time: i128, watch: &mut Watch<'_>) -> bool {
        let before = self.inbox.len();
        while let Some(&(id, arrival, measured)) = self.inbox.front()
            && arrival.time.0.max(arrival.joined.0) <= time
        {
            self.inbox.pop_front();
            self.inbox_measured -= u64::from(measured);
            self.instance.take(id, &arrival, self.fed_by_arrivals, watch);
        }
        self.inbox.len() < before
    }

    /// Forms a batch at `now` and plans its iterations; returns when something happens here next by itself.
    pub fn start(&mut self, now: i128, limit: i128, watch: &mut Watch<'_>) -> i128 {
        let late = self.instance.rules.one_step_late;
        let idle = self.idle;
        self.idle = false;
        self.idle_until(now);
        loop {
            let seen = if late && !idle { self.instance.last_start } else { now };
            self.join(seen, watch);
            self.pass_cuts(now);
            let formed = self.instance.form(watch);
            let joined = late && self.join(now, watch);
            self.attempts += 1;
            if formed {
                self.attempts = 0;
                if joined {
                    self.instance.unsettle();
                }
                let cut = self.instance.log.next_cut().0.min(limit);
                self.instance.plan(Time::NEVER.0, cut);
                self.under_way = true;
                return self.instance.end();
            }
            if !(joined || self.instance.has_changed()) || self.attempts >= MOST_ATTEMPTS {
                self.attempts = 0;
                self.idle = true;
                return self.instance.next_by_itself();
            }
        }
    }

    /// Nothing has happened here up to `time`.
    pub fn idle_until(&mut self, time: i128) {
        if self.instance.now < time {
            self.pass_cuts(time - 1);
            self.instance.idle_until(time);
        }
    }

    /// Records the states wanted up to `time`.
    fn pass_cuts(&mut self, time: i128) {
        while self.instance.log.next_cut().0 <= time {
            let cut = self.instance.log.next_cut().0;
            self.instance.idle_until(cut);
            let state = self.instance.state();
            self.instance.log.pass(&state);
        }
    }

    /// The run ends at `end`.
    pub fn stop(&mut self, end: i128, watch: &mut Watch<'_>) {
        if self.under_way {
            self.end(watch);
        }
        let end = end.max(self.instance.now);
        self.idle_until(end);
        let late = self.instance.rules.one_step_late && !self.idle;
        let seen = if late { self.instance.last_start } else { end };
        self.join(seen, watch);
        self.pass_cuts(end);
        self.join(end, watch);
    }
}
