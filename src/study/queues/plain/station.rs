//! A station: one queue, first come, first served, before c servers; room for so many, patience for so long.
//!
//! The next customer goes to the server that is free first (Kiefer and Wolfowitz 1955, Transactions of the AMS 78:1–18); with one
//! server this is Lindley's recursion.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::RngExt;
use rand_distr::{Distribution, Exp1};

use super::time::At;
use super::{Measured, Trial, quantile, warm_up};
use crate::queueing::Law;
use crate::stats::stream::Stream;
use crate::study::queues::answer::quantile_key;

/// Times one after another.
#[derive(Debug, Clone)]
pub enum Source {
    /// Independent, of one law.
    Law(Law),
    /// The times between marks of a Markov chain: rates between phases without a mark and with one.
    Phases {
        /// Rates without a mark; the diagonal is not read.
        quiet: Vec<Vec<f64>>,
        /// Rates with a mark.
        marked: Vec<Vec<f64>>,
    },
}

impl Source {
    /// The next time, from the phase that the last one left.
    fn draw(&self, phase: &mut usize, rng: &mut Stream) -> f64 {
        let (quiet, marked) = match self {
            Self::Law(law) => return law.sample(rng),
            Self::Phases { quiet, marked } => (quiet, marked),
        };
        let mut time = 0.0;
        loop {
            let at = *phase;
            let leaves = |to: usize| if to == at { 0.0 } else { quiet[at][to] };
            let total: f64 = (0..quiet.len()).map(|to| leaves(to) + marked[at][to]).sum();
            let step: f64 = Exp1.sample(rng);
            time += step / total;
            let mut rest = rng.random::<f64>() * total;
            let mut found = None;
            for (to, with_mark) in marked[at].iter().enumerate() {
                rest -= leaves(to);
                if rest < 0.0 {
                    found = Some((to, false));
                    break;
                }
                rest -= with_mark;
                if rest < 0.0 {
                    found = Some((to, true));
                    break;
                }
            }
            // Rounding may leave a crumb behind the last rate.
            let (to, mark) = found.unwrap_or((at, false));
            *phase = to;
            if mark {
                return time;
            }
        }
    }
}

/// The station.
#[derive(Debug, Clone)]
pub struct Station {
    arrivals: Source,
    service: Source,
    /// None: as many as customers.
    servers: Option<u64>,
    room: Option<u64>,
    patience: Option<Law>,
    quantiles: Vec<f64>,
}

type Times = BinaryHeap<Reverse<At>>;

/// A customer's course.
struct Visit {
    arrived: f64,
    /// Out of the queue, into service or away.
    left_queue: f64,
    left: f64,
    abandoned: bool,
}

impl Station {
    /// With room for all and patience without end.
    pub fn new(arrivals: Source, service: Source, servers: u64, quantiles: Vec<f64>) -> Self {
        Self { arrivals, service, servers: Some(servers), room: None, patience: None, quantiles }
    }

    /// With a server for everybody.
    pub fn with_a_server_each(self) -> Self {
        Self { servers: None, ..self }
    }

    /// With room for so many, those in service among them.
    pub fn with_room(self, room: u64) -> Self {
        Self { room: Some(room), ..self }
    }

    /// With customers who leave when they have waited for so long.
    pub fn with_patience(self, patience: Law) -> Self {
        Self { patience: Some(patience), ..self }
    }

    /// As a trial.
    pub fn trial(self) -> Trial {
        Trial::new(move |rng, customers| self.run(rng, customers))
    }

    /// As a trial that tells these quantities alone.
    pub fn trial_of(self, keys: &'static [&'static str]) -> Trial {
        Trial::new(move |rng, customers| {
            let mut found = self.run(rng, customers);
            found.retain(|(key, _)| keys.contains(&key.as_str()));
            found
        })
    }

    /// As a trial that tells the mean wait also under these keys, beside formulas that differ.
    pub fn trial_with_wait_as(self, keys: &'static [&'static str]) -> Trial {
        Trial::new(move |rng, customers| {
            let mut found = self.run(rng, customers);
            let wait = found.iter().find(|(key, _)| key == "Wq").map_or(0.0, |(_, value)| *value);
            found.extend(keys.iter().map(|key| ((*key).to_owned(), wait)));
            found
        })
    }

    fn run(&self, rng: &mut Stream, customers: u64) -> Measured {
        let skipped = warm_up(customers);
        let (mut arrival_phase, mut service_phase) = (0, 0);
        let mut free: Times = (0..self.servers.unwrap_or(0)).map(|_| Reverse(At(0.0))).collect();
        let mut inside = Times::new();
        let (mut now, mut start) = (0.0, 0.0);
        let mut blocked = 0;
        let mut visits = Vec::with_capacity((customers + skipped) as usize);
        let mut first = 0;
        for index in 0..customers + skipped {
            now += self.arrivals.draw(&mut arrival_phase, rng);
            if index == skipped {
                (start, first) = (now, visits.len());
            }
            if let Some(room) = self.room {
                while inside.peek().is_some_and(|Reverse(leaves)| leaves.0 <= now) {
                    inside.pop();
                }
                if inside.len() as u64 >= room {
                    blocked += u64::from(index >= skipped);
                    continue;
                }
            }
            let visit = self.visit(now, &mut free, &mut service_phase, rng);
            if self.room.is_some() {
                inside.push(Reverse(At(visit.left)));
            }
            visits.push(visit);
        }
        self.measured(&visits, first, blocked, (start, now))
    }

    fn visit(&self, now: f64, free: &mut Times, phase: &mut usize, rng: &mut Stream) -> Visit {
        let begins = match self.servers {
            None => now,
            Some(_) => free.peek().map_or(now, |Reverse(at)| at.0.max(now)),
        };
        if let Some(patience) = &self.patience
            && begins > now
        {
            let leaves = now + patience.sample(rng);
            if leaves < begins {
                return Visit { arrived: now, left_queue: leaves, left: leaves, abandoned: true };
            }
        }
        let left = begins + self.service.draw(phase, rng);
        if self.servers.is_some() {
            free.pop();
            free.push(Reverse(At(left)));
        }
        Visit { arrived: now, left_queue: begins, left, abandoned: false }
    }

    fn measured(&self, visits: &[Visit], first: usize, blocked: u64, window: (f64, f64)) -> Measured {
        let elapsed = window.1 - window.0;
        let overlap = |from: f64, to: f64| (to.min(window.1) - from.max(window.0)).max(0.0);
        let over_time = |part: &dyn Fn(&Visit) -> f64| visits.iter().map(part).sum::<f64>() / elapsed;
        let kept = &visits[first..];
        let share = |count: usize, of: u64| count as f64 / of as f64;
        let mean = |part: &dyn Fn(&Visit) -> f64| kept.iter().map(part).sum::<f64>() / kept.len() as f64;
        let came = kept.len() as u64 + blocked;
        let served = visits.iter().filter(|visit| !visit.abandoned && window.0 < visit.left && visit.left <= window.1);
        let busy = over_time(&|visit| overlap(visit.left_queue, visit.left));
        let mut found: Measured = [
            ("L", over_time(&|visit| overlap(visit.arrived, visit.left))),
            ("Lq", over_time(&|visit| overlap(visit.arrived, visit.left_queue))),
            ("W", mean(&|visit| visit.left - visit.arrived)),
            ("Wq", mean(&|visit| visit.left_queue - visit.arrived)),
            ("p_wait", share(kept.iter().filter(|visit| visit.left_queue > visit.arrived).count(), kept.len() as u64)),
            ("p_block", share(blocked as usize, came)),
            ("p_abandon", share(kept.iter().filter(|visit| visit.abandoned).count(), kept.len() as u64)),
            ("throughput", served.count() as f64 / elapsed),
            ("utilization", busy / self.servers.unwrap_or(1) as f64),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec();
        let mut waits: Vec<f64> = kept.iter().map(|visit| visit.left_queue - visit.arrived).collect();
        let mut sojourns: Vec<f64> = kept.iter().map(|visit| visit.left - visit.arrived).collect();
        for &p in &self.quantiles {
            found.push((quantile_key(p, "wait"), quantile(&mut waits, p)));
            found.push((quantile_key(p, "sojourn"), quantile(&mut sojourns, p)));
        }
        found
    }
}
