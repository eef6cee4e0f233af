//! Instances that requests are routed over, as the router sees them.

use std::ops::Range;

use super::super::options::Options;
use super::super::record::Rejection;
use super::super::source::Arrival;
use super::node::Node;
use crate::cost::mean_step_s;
use crate::scenario::{Routing, Scenario};
use crate::schedule::routing::{Router, View};
use crate::stats::stream::{Stream, stream};

/// A contiguous range of a cluster's instances with its router.
pub(super) struct Pool {
    pub range: Range<usize>,
    routing: Routing,
    router: Router,
    views: Vec<View>,
    /// Tokens of the requests routed to each instance, so far.
    routed: Vec<i64>,
    /// By class: the instances of its model; empty when every instance serves every class.
    models: Vec<Vec<bool>>,
    /// Whether instances differ in what they can hold.
    differ: bool,
    chance: Stream,
}

impl Pool {
    pub fn new(
        scenario: &Scenario,
        nodes: &[Node],
        range: Range<usize>,
        routing: Routing,
        choices: Option<u64>,
        options: &Options,
        name: &str,
    ) -> Self {
        let speeds = speeds(scenario);
        let views = range
            .clone()
            .map(|index| View { requests: 0, outstanding_tokens: 0, s_per_token: speeds[index], serves: true })
            .collect();
        let models: Vec<Vec<bool>> = models(scenario).into_iter().map(|row| row[range.clone()].to_vec()).collect();
        let first = &nodes[range.start].instance;
        Self {
            router: Router::new(routing, choices, range.len()),
            routing,
            views,
            routed: vec![0; range.len()],
            models,
            differ: nodes[range.clone()].iter().any(|node| node.instance.holds_other_than(first)),
            chance: stream(options.seed, &format!("{name}/trial {}", options.trial)),
            range,
        }
    }

    /// Whether requests are gathered before they are routed.
    pub fn gathers(&self) -> bool {
        self.routing == Routing::Milp
    }

    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// Looks at an instance anew.
    pub fn refresh(&mut self, index: usize, nodes: &[Node]) {
        let place = index - self.range.start;
        let node = &nodes[index];
        self.views[place].requests = node.requests();
        self.views[place].outstanding_tokens = self.routed[place] - node.instance.left_tokens;
    }

    /// Whether the instance at `place` of this pool serves a request's model and can hold it.
    pub fn serves(&self, place: usize, arrival: &Arrival, nodes: &[Node]) -> bool {
        self.models.get(usize::from(arrival.class)).is_none_or(|row| row[place])
            && nodes[self.range.start + place].instance.refuses(arrival).is_none()
    }

    pub fn any_serves(&self, arrival: &Arrival, nodes: &[Node]) -> bool {
        (0..self.views.len()).any(|place| self.serves(place, arrival, nodes))
    }

    /// Why no instance serves a request.
    pub fn refusal(&self, arrival: &Arrival, nodes: &[Node]) -> Option<Rejection> {
        if self.any_serves(arrival, nodes) {
            return None;
        }
        let places = 0..self.views.len();
        let of_model = |place: &usize| self.models.get(usize::from(arrival.class)).is_none_or(|row| row[*place]);
        let mut reasons =
            places.filter(of_model).filter_map(|place| nodes[self.range.start + place].instance.refuses(arrival));
        Some(reasons.next().unwrap_or(Rejection::Model))
    }

    /// The instance for a request; none when no instance serves it.
    pub fn choose(&mut self, arrival: &Arrival, nodes: &[Node]) -> Option<usize> {
        if self.differ || !self.models.is_empty() {
            for place in 0..self.views.len() {
                self.views[place].serves = self.serves(place, arrival, nodes);
            }
        } else if nodes[self.range.start].instance.refuses(arrival).is_some() {
            return None;
        }
        let tokens = arrival.prompt + arrival.predicted;
        let place = self.router.choose(&self.views, tokens, &mut self.chance)?;
        Some(self.send_to(place, arrival))
    }

    /// Counts a request that goes to the instance at `place`; returns the instance.
    pub fn send_to(&mut self, place: usize, arrival: &Arrival) -> usize {
        let tokens = arrival.prompt + arrival.predicted;
        self.routed[place] += tokens;
        self.views[place].requests += 1;
        self.views[place].outstanding_tokens += tokens;
        self.range.start + place
    }
}

/// Seconds per token of each instance when its batch is full: B tokens, or K without a budget.
fn speeds(scenario: &Scenario) -> Vec<f64> {
    let mut speeds = Vec::new();
    for (member, count) in scenario.members() {
        let tokens = member.instance.max_batch_tokens.unwrap_or(member.sequence_cap()) as f64;
        let speed = mean_step_s(&member.step_time, tokens, 0.0) / tokens;
        speeds.extend(std::iter::repeat_n(speed, count as usize));
    }
    speeds
}

/// By class: which instances serve its model. Empty when no group has a model.
fn models(scenario: &Scenario) -> Vec<Vec<bool>> {
    let Some(cluster) = &scenario.cluster else { return Vec::new() };
    if cluster.group.iter().all(|group| group.model.is_none()) {
        return Vec::new();
    }
    let prefill = cluster.prefill.as_ref().map_or(0, |pool| pool.replicas);
    let serves = |class: Option<&str>| {
        let mut row = vec![true; cluster.replicas as usize];
        for group in &cluster.group {
            let same = group.model.as_deref().is_none_or(|model| Some(model) == class);
            row.extend(std::iter::repeat_n(same, group.count as usize));
        }
        row.extend(std::iter::repeat_n(true, prefill as usize));
        row
    };
    scenario.workload.models().into_iter().flatten().map(serves).collect()
}
