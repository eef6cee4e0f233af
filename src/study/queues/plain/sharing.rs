//! One server shared by all who are present, in equal parts, at a total rate that may depend on their number; or by those who have
//! had the least service so far.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand_distr::{Distribution, Exp1};

use super::time::At;
use super::visits::{Stay, measured};
use super::{Measured, Trial, quantile, warm_up};
use crate::queueing::Law;
use crate::stats::stream::Stream;
use crate::study::queues::answer::quantile_key;

/// Work per second that n customers together get.
pub type Pace = Box<dyn Fn(usize) -> f64 + Send + Sync>;

/// The shared server.
pub struct Sharing {
    arrivals_per_s: f64,
    service: Law,
    pace: Pace,
    /// Whether those with the least service so far come first.
    least_attained: bool,
    /// As many as are served at once; the others wait, first come, first served.
    most: usize,
    quantiles: Vec<f64>,
}

/// Customers who have had the same service: those who joined at attained service `base` leave when `attained` reaches their size.
struct Group {
    attained: f64,
    members: BinaryHeap<Reverse<(At, usize)>>,
}

impl Sharing {
    /// At rate 1, in equal parts.
    pub fn new(arrivals_per_s: f64, service: Law) -> Self {
        let pace: Pace = Box::new(|_| 1.0);
        Self { arrivals_per_s, service, pace, least_attained: false, most: usize::MAX, quantiles: Vec::new() }
    }

    /// For those with the least service so far.
    pub fn with_least_attained_first(self) -> Self {
        Self { least_attained: true, ..self }
    }

    /// At a total rate that depends on the number in service.
    pub fn with_pace(self, pace: impl Fn(usize) -> f64 + Send + Sync + 'static) -> Self {
        Self { pace: Box::new(pace), ..self }
    }

    /// With at most so many in service.
    pub fn with_most(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// With quantiles of the time in the system.
    pub fn with_quantiles(self, quantiles: Vec<f64>) -> Self {
        Self { quantiles, ..self }
    }

    /// As a trial.
    pub fn trial(self) -> Trial {
        Trial::new(move |rng, customers| self.run(rng, customers))
    }

    fn run(&self, rng: &mut Stream, customers: u64) -> Measured {
        let (skipped, last) = (warm_up(customers) as usize, (warm_up(customers) + customers) as usize);
        let mut stays: Vec<Stay> = Vec::with_capacity(last);
        let mut begun: Vec<f64> = Vec::with_capacity(last);
        // The group in service is the last.
        let mut groups: Vec<Group> = Vec::new();
        let mut waiting = std::collections::VecDeque::new();
        let mut inside = 0;
        let (mut now, mut open) = (0.0, customers);
        let step = |rng: &mut Stream| -> f64 {
            let unit: f64 = Exp1.sample(rng);
            unit / self.arrivals_per_s
        };
        let mut next_arrival = step(rng);
        while open > 0 {
            let each = match groups.last() {
                Some(group) => (self.pace)(inside) / group.members.len() as f64,
                None => 0.0,
            };
            let leaves = groups.last().and_then(|group| group.members.peek().map(|Reverse((at, _))| at.0));
            let merges = groups.len().checked_sub(2).map(|below| groups[below].attained);
            let goal = leaves.unwrap_or(f64::INFINITY).min(merges.unwrap_or(f64::INFINITY));
            let attained = groups.last().map_or(0.0, |group| group.attained);
            let at = if each > 0.0 { now + (goal - attained) / each } else { f64::INFINITY };
            if at > next_arrival {
                if let Some(group) = groups.last_mut() {
                    group.attained += (next_arrival - now) * each;
                }
                now = next_arrival;
                next_arrival += step(rng);
                let serial = stays.len();
                stays.push(Stay { class: 0, arrived: now, size: self.service.sample(rng), left: f64::INFINITY });
                begun.push(now);
                if inside < self.most {
                    inside += 1;
                    self.enter(&mut groups, serial, stays[serial].size);
                } else {
                    waiting.push_back(serial);
                }
                continue;
            }
            now = at;
            let Some(mut group) = groups.pop() else { continue };
            group.attained = goal;
            if leaves.is_some_and(|level| level <= goal) {
                if let Some(Reverse((_, serial))) = group.members.pop() {
                    stays[serial].left = now;
                    open -= u64::from((skipped..last).contains(&serial));
                    inside -= 1;
                }
                if !group.members.is_empty() {
                    groups.push(group);
                }
                if let Some(serial) = waiting.pop_front() {
                    begun[serial] = now;
                    inside += 1;
                    self.enter(&mut groups, serial, stays[serial].size);
                }
            } else if let Some(below) = groups.last_mut() {
                below.members.append(&mut group.members);
            }
        }
        let window = (stays[skipped].arrived, stays[last - 1].arrived);
        let mut found = measured(&stays, 0, window, &self.quantiles);
        if self.most < usize::MAX {
            waits(&mut found, &stays, &begun, window, &self.quantiles);
        }
        found
    }

    fn enter(&self, groups: &mut Vec<Group>, serial: usize, size: f64) {
        let level = groups.last().map_or(0.0, |group| group.attained);
        if !self.least_attained {
            // Everybody in one group, whose members leave at the level at which they came plus their size.
            match groups.last_mut() {
                Some(group) => group.members.push(Reverse((At(level + size), serial))),
                None => groups.push(Group { attained: 0.0, members: [Reverse((At(size), serial))].into() }),
            }
            return;
        }
        match groups.last_mut().filter(|group| group.attained == 0.0) {
            Some(group) => group.members.push(Reverse((At(size), serial))),
            None => groups.push(Group { attained: 0.0, members: [Reverse((At(size), serial))].into() }),
        }
    }
}

/// With a limit on those in service, the wait is the time before it.
fn waits(found: &mut Measured, stays: &[Stay], begun: &[f64], window: (f64, f64), quantiles: &[f64]) {
    let mut inside: Vec<f64> = stays
        .iter()
        .zip(begun)
        .filter(|(stay, _)| window.0 <= stay.arrived && stay.arrived <= window.1)
        .map(|(stay, begun)| begun - stay.arrived)
        .collect();
    let total: f64 = inside.iter().sum();
    let mut put = |key: &str, value: f64| {
        found.retain(|(known, _)| known != key);
        found.push((key.to_owned(), value));
    };
    put("Wq", total / inside.len() as f64);
    put("Lq", total / (window.1 - window.0));
    put("p_wait", inside.iter().filter(|wait| **wait > 0.0).count() as f64 / inside.len() as f64);
    for &p in quantiles {
        let value = quantile(&mut inside, p);
        found.push((quantile_key(p, "wait"), value));
    }
}
