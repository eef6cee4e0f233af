//! One instance fed by its source: no router, no heap of events.

use super::instance::{Instance, Rules, Watch};
use super::options::Options;
use super::record::{Observer, Run};
use super::source::{Arrival, Feed, Source};
use crate::scenario::{Scenario, Time};

/// A saturated source that has this many requests rejected in a row is taken to have no others.
const HOPELESS: u32 = 100_000;

/// Attempts to form an iteration at one moment. Some rules let two requests take each other's place for ever; then nothing happens
/// until the next event.
pub const MOST_ATTEMPTS: u32 = 1000;

/// The instance with what feeds it.
struct Single<'a> {
    instance: Instance,
    source: Source,
    upcoming: Option<Arrival>,
    /// When it comes; later than everything when there is none.
    next: i128,
    limit: i128,
    saturated: bool,
    attempts: u32,
    /// Whether requests of one iteration are served without forming it.
    alone: bool,
    watch: Watch<'a>,
}

/// Runs one trial of a scenario of one instance.
pub fn run<'a>(scenario: &Scenario, options: &Options, observer: Option<&'a mut dyn Observer>) -> Run {
    let watch = Watch::new(observer);
    let rules = Rules::new(scenario, options, watch.steps);
    let mut source = Source::new(scenario, options.feed, options.seed, options.trial, options.backlog);
    let upcoming = source.next();
    Single::<'a> {
        source,
        upcoming,
        next: time_of(upcoming.as_ref()),
        limit: options.limit.0,
        saturated: options.feed == Feed::Saturated,
        attempts: 0,
        alone: rules.one_place && !watch.steps && !watch.events,
        instance: Instance::new(scenario, options, 0, rules),
        watch,
    }
    .run()
}

fn time_of(arrival: Option<&Arrival>) -> i128 {
    arrival.map_or(Time::NEVER.0, |arrival| arrival.time.0)
}

impl Single<'_> {
    fn run(mut self) -> Run {
        let late = self.instance.rules.one_step_late;
        self.take_arrivals(0);
        loop {
            self.take_arrivals(if late { self.instance.last_start } else { self.instance.now });
            if self.instance.log.next_cut().0 <= self.instance.now {
                let state = self.instance.state();
                self.instance.log.pass(&state);
            }
            if self.is_over() || !self.step(late) {
                break;
            }
            debug_assert!(self.instance.is_conserved());
        }
        self.finish()
    }

    /// One iteration, or a wait for the next event; `false` when there is none.
    #[inline]
    fn step(&mut self, late: bool) -> bool {
        if self.alone && self.instance.serve_alone(&mut self.watch) {
            self.attempts = 0;
            return true;
        }
        if !late && self.instance.is_empty() {
            return self.wait();
        }
        let formed = self.instance.form(&mut self.watch);
        let joined = late && self.take_arrivals(self.instance.now);
        self.attempts += 1;
        if formed {
            self.attempts = 0;
            let cut = self.instance.log.next_cut().0.min(self.limit);
            if joined {
                self.instance.unsettle();
            }
            self.instance.plan(self.next, cut);
            self.instance.commit(&mut self.watch);
            return true;
        }
        if (joined || self.instance.has_changed()) && self.attempts < MOST_ATTEMPTS {
            return true;
        }
        self.wait()
    }

    /// Waits for the next event; `false` when there is none.
    fn wait(&mut self) -> bool {
        self.attempts = 0;
        let full = self.instance.waiting >= self.instance.rules.max_waiting;
        let arrival = if full { Time::NEVER.0 } else { self.next };
        let event = arrival.min(self.instance.next_by_itself());
        self.wait_until(event)
    }

    /// Nothing happens until `event`, but states are recorded; `false` when nothing ever does.
    fn wait_until(&mut self, event: i128) -> bool {
        let end = event.min(self.limit);
        while self.instance.log.next_cut().0 < end {
            if event >= Time::NEVER.0 && self.instance.log.is_past_windows() {
                return false;
            }
            let cut = self.instance.log.next_cut().0;
            self.instance.idle_until(cut);
            let state = self.instance.state();
            self.instance.log.pass(&state);
            if self.is_over() {
                return true;
            }
        }
        if end >= Time::NEVER.0 || (event >= Time::NEVER.0 && self.instance.log.is_past_windows()) {
            return false;
        }
        self.instance.idle_until(end);
        self.take_arrivals(self.instance.now);
        true
    }

    fn is_over(&self) -> bool {
        let log = &self.instance.log;
        let all_taken = || self.upcoming.is_none() || self.next > self.instance.now;
        self.instance.now >= self.limit || (log.is_past_windows() && log.outstanding == 0 && all_taken())
    }

    /// Hands every request that has arrived by `time` to the instance. Whether there was one.
    #[inline]
    fn take_arrivals(&mut self, time: i128) -> bool {
        self.next <= time && self.take_some(time)
    }

    fn take_some(&mut self, time: i128) -> bool {
        let before = self.instance.log.totals.arrived;
        let mut rejected = 0;
        while let Some(arrival) = &self.upcoming
            && self.next <= time
            && self.instance.waiting < self.instance.rules.max_waiting
        {
            let id = self.instance.log.totals.arrived;
            let taken = self.instance.take(id, arrival, !self.saturated, &mut self.watch);
            self.upcoming = self.source.next();
            self.next = time_of(self.upcoming.as_ref());
            if !taken {
                rejected += 1;
                if self.saturated && rejected == HOPELESS {
                    (self.upcoming, self.next) = (None, Time::NEVER.0);
                }
            }
        }
        self.instance.log.totals.arrived > before
    }

    fn finish(mut self) -> Run {
        self.take_arrivals(self.instance.now);
        let in_system = self.instance.close(&mut self.watch);
        let instance = self.instance;
        Run {
            windows: instance.log.windows,
            samples: instance.log.samples,
            totals: instance.log.totals,
            end: Time(instance.now),
            last_completion: Time(instance.log.last_completion),
            in_system,
            instances: 1,
            work: instance.work,
        }
    }
}
