//! Several instances behind a router, and, in a disaggregated cluster, a prefill pool whose requests go over a link to the others.
//!
//! Every instance takes its iterations on its own. At one moment iterations end first, then requests are routed, then idle instances
//! form a batch. An instance under way leaps; a request that could join it ends its leap at the next boundary.

mod merge;
mod node;
mod pool;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::instance::{Departure, Rules, Watch};
use super::link::KvLink;
use super::options::Options;
use super::record::{Observer, Rejection, Run};
use super::source::{Arrival, Feed, Source};
use crate::scenario::{Routing, Scenario, Time};
use crate::schedule::assignment;
use node::Node;
use pool::Pool;

/// A saturated source that has this many requests rejected in a row is taken to have no others.
const HOPELESS: u64 = 100_000;

/// A cluster at one moment.
struct Cluster<'a> {
    /// The instances: those that complete requests first, then the prefill pool.
    nodes: Vec<Node>,
    /// When the iterations under way at each instance end, or when it wakes by itself.
    events: Vec<i128>,
    /// The pool that requests come to: all instances, or the prefill pool.
    entry: Pool,
    /// The decode pool of a disaggregated cluster.
    decode: Option<Pool>,
    link: Option<KvLink>,
    /// Requests on their way to the decode pool, by arrival there.
    in_flight: BinaryHeap<Reverse<(Time, u64, usize)>>,
    /// Their data, and free places.
    handed: Vec<Arrival>,
    vacant: Vec<usize>,
    /// Requests that `milp` gathers, and when it assigns them.
    gathered: Vec<(u64, Arrival)>,
    assign_at: i128,
    window: i128,
    source: Source,
    upcoming: Option<Arrival>,
    arrived: u64,
    rejected_in_a_row: u64,
    now: i128,
    horizon: i128,
    limit: i128,
    measured: std::ops::Range<i128>,
    saturated: bool,
    watch: Watch<'a>,
}

/// Runs one trial of a validated scenario with a cluster of instances.
pub fn run<'a>(scenario: &Scenario, options: &Options, observer: Option<&'a mut dyn Observer>) -> Run {
    Cluster::<'a>::new(scenario, options, Watch::new(observer)).run()
}

impl<'a> Cluster<'a> {
    fn new(scenario: &Scenario, options: &Options, watch: Watch<'a>) -> Self {
        let Some(described) = &scenario.cluster else { unreachable!("a scenario without a cluster has one instance") };
        let split = described.prefill.is_some();
        let members = scenario.members();
        let last = members.len() - 1;
        let mut nodes = Vec::new();
        let mut first_of_prefill = 0;
        for (index, (member, count)) in members.iter().enumerate() {
            let prefills = split && index == last;
            if prefills {
                first_of_prefill = nodes.len();
            }
            for _ in 0..*count {
                let mut rules = Rules::new(member, options, watch.steps);
                rules.hands_over = prefills;
                nodes.push(Node::new(member, options, nodes.len() as u32, rules));
            }
        }
        let all = nodes.len();
        let pool = |range: std::ops::Range<usize>, routing: Routing, name: &str| {
            Pool::new(scenario, &nodes, range, routing, described.choices, options, name)
        };
        let (entry, decode) = match &described.prefill {
            Some(prefill) => (
                pool(first_of_prefill..all, prefill.routing, "prefill routing"),
                Some(pool(0..first_of_prefill, described.routing, "routing")),
            ),
            None => (pool(0..all, described.routing, "routing"), None),
        };
        let mut source = Source::new(scenario, options.feed, options.seed, options.trial, options.backlog);
        let upcoming = source.next();
        Self {
            events: vec![Time::NEVER.0; all],
            nodes,
            entry,
            decode,
            link: described.link.as_ref().map(KvLink::new),
            in_flight: BinaryHeap::new(),
            handed: Vec::new(),
            vacant: Vec::new(),
            gathered: Vec::new(),
            assign_at: Time::NEVER.0,
            window: Time::from_decimal(described.window_s.unwrap_or(0.0)).0,
            source,
            upcoming,
            arrived: 0,
            rejected_in_a_row: 0,
            now: 0,
            horizon: options.horizon.0,
            limit: options.limit.0,
            measured: options.warmup.0..options.horizon.0,
            saturated: options.feed == Feed::Saturated,
            watch,
        }
    }

    fn run(mut self) -> Run {
        if self.saturated {
            (0..self.nodes.len()).for_each(|index| self.start(index));
        }
        while let Some(time) = self.next_event() {
            self.now = time;
            self.end_iterations();
            self.route_arrivals();
            self.receive();
            if self.is_over() {
                break;
            }
            self.start_idle();
        }
        self.finish()
    }

    /// The earliest event up to the limit.
    fn next_event(&self) -> Option<i128> {
        let arrival = self.upcoming.filter(|_| !self.saturated).map_or(Time::NEVER.0, |arrival| arrival.time.0);
        let landing = self.in_flight.peek().map_or(Time::NEVER.0, |entry| entry.0.0.0);
        let own = self.events.iter().copied().min().unwrap_or(Time::NEVER.0);
        let next = own.min(arrival).min(landing).min(self.assign_at);
        (next < Time::NEVER.0 && self.now < self.limit).then_some(next.min(self.limit).max(self.now))
    }

    /// Ends every iteration that ends now; its departures go on their way.
    fn end_iterations(&mut self) {
        for index in 0..self.nodes.len() {
            if self.events[index] > self.now {
                continue;
            }
            if self.nodes[index].under_way {
                self.nodes[index].end(&mut self.watch);
                self.refresh(index);
            }
            self.events[index] = i128::MIN;
            let departures = std::mem::take(&mut self.nodes[index].instance.departures);
            for departure in departures {
                self.hand_over(&departure);
            }
        }
    }

    /// Shows the router what has become of an instance.
    fn refresh(&mut self, index: usize) {
        match &mut self.decode {
            Some(decode) if decode.range.contains(&index) => decode.refresh(index, &self.nodes),
            _ => self.entry.refresh(index, &self.nodes),
        }
    }

    /// Sends a request with a finished prompt to the decode pool.
    fn hand_over(&mut self, departure: &Departure) {
        let sequence = &departure.sequence;
        let from = Time(departure.time);
        let arrives = self.link.as_mut().map_or(from, |link| link.send(from, sequence.prompt + sequence.done));
        let arrival = Arrival {
            predicted: sequence.predicted,
            emitted: sequence.done,
            first_token: Time(sequence.first_token),
            left: from,
            joined: arrives,
            handed_over: true,
            ..Arrival::new(Time(sequence.arrival), sequence.class, sequence.prompt, sequence.output)
        };
        let place = self.vacant.pop().unwrap_or_else(|| {
            self.handed.push(arrival);
            self.handed.len() - 1
        });
        self.handed[place] = arrival;
        self.in_flight.push(Reverse((arrives, sequence.id, place)));
    }

    /// Routes every request that has arrived by now, or gathers it for the next assignment.
    fn route_arrivals(&mut self) {
        while !self.saturated
            && let Some(arrival) = self.upcoming
            && arrival.time.0 <= self.now
        {
            self.upcoming = self.source.next();
            let id = self.arrived;
            self.arrived += 1;
            if self.entry.gathers() {
                if self.gathered.is_empty() {
                    self.assign_at = arrival.time.0 + self.window;
                }
                self.gathered.push((id, arrival));
            } else {
                self.route(id, &arrival);
            }
        }
        if self.assign_at <= self.now {
            self.assign();
        }
    }

    /// Assigns what was gathered (`milp`).
    fn assign(&mut self) {
        self.assign_at = Time::NEVER.0;
        let gathered = std::mem::take(&mut self.gathered);
        let tokens: Vec<i64> = gathered.iter().map(|(_, arrival)| arrival.prompt + arrival.predicted).collect();
        // Models and memory are looked at one by one where instances differ; an assignment is over instances that serve all.
        let choices = assignment::assign_seen(self.entry.views(), &tokens);
        for ((id, arrival), choice) in gathered.iter().zip(choices) {
            match choice.filter(|&place| self.entry.serves(place, arrival, &self.nodes)) {
                Some(place) => {
                    let index = self.entry.send_to(place, arrival);
                    self.put(index, *id, arrival);
                }
                None => self.route(*id, arrival),
            }
        }
    }

    fn route(&mut self, id: u64, arrival: &Arrival) {
        let fits_later = self.decode.as_ref().is_none_or(|decode| decode.any_serves(arrival, &self.nodes));
        match self.entry.choose(arrival, &self.nodes).filter(|_| fits_later) {
            Some(index) => self.put(index, id, arrival),
            None => self.turn_away(id, arrival),
        }
    }

    /// No instance can ever serve it.
    fn turn_away(&mut self, id: u64, arrival: &Arrival) {
        let first = self.entry.range.start;
        let rejection = match &self.decode {
            Some(decode) => decode.refusal(arrival, &self.nodes).or_else(|| self.entry.refusal(arrival, &self.nodes)),
            None => self.entry.refusal(arrival, &self.nodes),
        };
        if !self.nodes[first].under_way {
            self.nodes[first].idle_until(self.now);
        }
        let instance = &mut self.nodes[first].instance;
        instance.log.totals.arrived += 1;
        instance.reject(id, arrival, rejection.unwrap_or(Rejection::Model), &mut self.watch);
        self.rejected_in_a_row += 1;
    }

    fn put(&mut self, index: usize, id: u64, arrival: &Arrival) {
        let measured = !self.saturated && self.measured.contains(&arrival.time.0);
        let node = &mut self.nodes[index];
        node.put(id, *arrival, measured);
        self.rejected_in_a_row = 0;
        if node.under_way {
            node.invite(self.now);
            self.events[index] = node.instance.end();
        } else {
            self.events[index] = i128::MIN;
        }
    }

    /// Requests that have come over the link join the decode pool.
    fn receive(&mut self) {
        while let Some(&Reverse((time, id, place))) = self.in_flight.peek()
            && time.0 <= self.now
        {
            self.in_flight.pop();
            self.vacant.push(place);
            let arrival = self.handed[place];
            let Some(decode) = &mut self.decode else { return };
            match decode.choose(&arrival, &self.nodes) {
                Some(index) => self.put(index, id, &arrival),
                None => self.turn_away(id, &arrival),
            }
        }
    }

    /// Forms a batch wherever no iteration is under way and something has happened.
    fn start_idle(&mut self) {
        for index in 0..self.nodes.len() {
            if self.events[index] == i128::MIN {
                self.start(index);
            }
        }
    }

    fn start(&mut self, index: usize) {
        if self.saturated && self.entry.range.contains(&index) {
            self.fill(index);
        }
        let event = self.nodes[index].start(self.now, self.limit, &mut self.watch);
        self.events[index] = event;
        self.refresh(index);
    }

    /// Keeps requests waiting at an instance of a saturated cluster.
    fn fill(&mut self, index: usize) {
        while self.nodes[index].wants_more() && self.rejected_in_a_row < HOPELESS {
            let Some(arrival) = self.upcoming else { return };
            self.upcoming = self.source.next();
            let id = self.arrived;
            self.arrived += 1;
            let place = index - self.entry.range.start;
            if self.entry.serves(place, &arrival, &self.nodes) {
                self.entry.send_to(place, &arrival);
                self.put(index, id, &arrival);
            } else {
                self.turn_away(id, &arrival);
            }
        }
    }

    fn is_over(&self) -> bool {
        if self.now >= self.limit {
            return true;
        }
        let still_to_come = self.upcoming.is_some_and(|arrival| arrival.time.0 < self.horizon) && !self.saturated;
        self.now >= self.horizon
            && !still_to_come
            && self.nodes.iter().all(|node| node.unfinished_measured() == 0)
            && !self.in_flight.iter().any(|entry| self.measured.contains(&self.handed[entry.0.2].time.0))
            && !self.gathered.iter().any(|(_, arrival)| self.measured.contains(&arrival.time.0))
    }

    fn finish(mut self) -> Run {
        let mut end = self.now.max(self.horizon.min(self.limit));
        for node in self.nodes.iter_mut().filter(|node| node.under_way) {
            node.instance.cut_short(end);
        }
        let boundaries = self.nodes.iter().filter(|node| node.under_way).map(|node| node.instance.end());
        end = boundaries.fold(end, i128::max);
        self.now = end;
        self.route_arrivals();
        self.receive();
        for node in &mut self.nodes {
            node.stop(end, &mut self.watch);
        }
        let still_routed: Vec<Departure> =
            self.nodes.iter_mut().flat_map(|node| std::mem::take(&mut node.instance.departures)).collect();
        still_routed.iter().for_each(|departure| self.hand_over(departure));
        let unrouted = self.gathered.len() as u64 + self.in_flight.len() as u64;
        let between: Vec<i128> = self
            .in_flight
            .iter()
            .map(|entry| self.handed[entry.0.2].time.0)
            .chain(self.gathered.iter().map(|(_, arrival)| arrival.time.0))
            .collect();
        let unrouted_arrivals = self.gathered.len() as u64;
        let on_link: i128 = self.in_flight.iter().map(|entry| end - self.handed[entry.0.2].left.0).sum();
        let mut run = merge::runs(self.nodes, &between, unrouted, unrouted_arrivals, &mut self.watch);
        run.totals.between += on_link;
        run
    }
}
