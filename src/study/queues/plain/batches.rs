//! One server that takes customers in batches, and a queue that moves in slots.

use std::collections::VecDeque;

use rand_distr::{Distribution, Exp1, Poisson};

use super::{Measured, Trial, quantile, warm_up};
use crate::stats::stream::Stream;
use crate::study::queues::answer::quantile_key;

/// The time of a batch of that many customers.
pub type BatchTime = Box<dyn Fn(usize, &mut Stream) -> f64 + Send + Sync>;

/// The server.
pub struct Batches {
    arrivals_per_s: f64,
    time: BatchTime,
    least: usize,
    most: usize,
    quantiles: Vec<f64>,
}

/// A customer's course.
struct Visit {
    arrived: f64,
    begun: f64,
    left: f64,
}

impl Batches {
    /// Poisson arrivals; whoever waits is taken.
    pub fn new(arrivals_per_s: f64, time: impl Fn(usize, &mut Stream) -> f64 + Send + Sync + 'static) -> Self {
        Self { arrivals_per_s, time: Box::new(time), least: 1, most: usize::MAX, quantiles: Vec::new() }
    }

    /// With batches no smaller and no larger.
    pub fn with_sizes(self, least: u64, most: u64) -> Self {
        Self { least: least as usize, most: most as usize, ..self }
    }

    /// With quantiles of wait and time in the system.
    pub fn with_quantiles(self, quantiles: Vec<f64>) -> Self {
        Self { quantiles, ..self }
    }

    /// As a trial.
    pub fn trial(self) -> Trial {
        Trial::new(move |rng, customers| self.run(rng, customers))
    }

    fn run(&self, rng: &mut Stream, customers: u64) -> Measured {
        let (skipped, last) = (warm_up(customers) as usize, (warm_up(customers) + customers) as usize);
        let step = |rng: &mut Stream| -> f64 {
            let unit: f64 = Exp1.sample(rng);
            unit / self.arrivals_per_s
        };
        let mut waiting: VecDeque<f64> = VecDeque::new();
        let mut visits: Vec<Visit> = Vec::with_capacity(last);
        // Begin, end and size of every batch.
        let mut batches: Vec<(f64, f64, usize)> = Vec::new();
        let (mut now, mut next) = (0.0, step(rng));
        while visits.len() < last {
            while next <= now || waiting.len() < self.least {
                waiting.push_back(next);
                now = now.max(next);
                next += step(rng);
            }
            let size = waiting.len().min(self.most);
            let ends = now + (self.time)(size, rng);
            visits.extend(waiting.drain(..size).map(|arrived| Visit { arrived, begun: now, left: ends }));
            batches.push((now, ends, size));
            now = ends;
        }
        self.measured(&visits, &batches, (visits[skipped].arrived, visits[last - 1].arrived))
    }

    fn measured(&self, visits: &[Visit], batches: &[(f64, f64, usize)], window: (f64, f64)) -> Measured {
        let elapsed = window.1 - window.0;
        let overlap = |from: f64, to: f64| (to.min(window.1) - from.max(window.0)).max(0.0);
        let inside: Vec<&Visit> =
            visits.iter().filter(|visit| window.0 <= visit.arrived && visit.arrived <= window.1).collect();
        let mean =
            |part: &dyn Fn(&Visit) -> f64| inside.iter().map(|visit| part(visit)).sum::<f64>() / inside.len() as f64;
        let begun: Vec<f64> = batches
            .iter()
            .filter(|batch| window.0 <= batch.0 && batch.0 <= window.1)
            .map(|batch| batch.2 as f64)
            .collect();
        let over_batches = |power: i32| begun.iter().map(|size| size.powi(power)).sum::<f64>() / begun.len() as f64;
        let busy = batches.iter().map(|batch| overlap(batch.0, batch.1)).sum::<f64>() / elapsed;
        let (wait, sojourn) = (|visit: &Visit| visit.begun - visit.arrived, |visit: &Visit| visit.left - visit.arrived);
        let mut found: Measured = [
            ("utilization", busy),
            ("p_idle", 1.0 - busy),
            ("L", visits.iter().map(|visit| overlap(visit.arrived, visit.left)).sum::<f64>() / elapsed),
            ("Lq", visits.iter().map(|visit| overlap(visit.arrived, visit.begun)).sum::<f64>() / elapsed),
            ("W", mean(&sojourn)),
            ("Wq", mean(&wait)),
            ("p_wait", mean(&|visit| f64::from(u8::from(visit.begun > visit.arrived)))),
            ("mean_batch", over_batches(1)),
            ("second_moment_batch", over_batches(2)),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec();
        let mut waits: Vec<f64> = inside.iter().map(|visit| wait(visit)).collect();
        let mut sojourns: Vec<f64> = inside.iter().map(|visit| sojourn(visit)).collect();
        for &p in &self.quantiles {
            found.push((quantile_key(p, "wait"), quantile(&mut waits, p)));
            found.push((quantile_key(p, "sojourn"), quantile(&mut sojourns, p)));
        }
        found
    }
}

/// In every slot up to `batch` leave, then Poisson(`arrivals`) come: how many are left behind, over a slot for every customer.
pub fn slots(arrivals: f64, batch: u64) -> Trial {
    Trial::new(move |rng, customers| {
        // Two walks on the same arrivals: one that lets go up to a batch, one that lets go full batches alone.
        let (mut left, mut full) = (0u64, 0u64);
        let (mut sum, mut full_sum, mut empty) = (0.0, 0.0, 0.0);
        for slot in 0..customers + warm_up(customers) {
            let come: f64 = Poisson::new(arrivals).map_or(0.0, |law| law.sample(rng));
            left = (left + come as u64).saturating_sub(batch);
            full += come as u64;
            full -= if full < batch { 0 } else { batch };
            if slot >= warm_up(customers) {
                sum += left as f64;
                full_sum += full as f64;
                empty += f64::from(u8::from(left == 0));
            }
        }
        let many = customers as f64;
        [("left_behind", sum / many), ("left_behind_full", full_sum / many), ("p_empty", empty / many)]
            .map(|(key, value)| (key.to_owned(), value))
            .to_vec()
    })
}
