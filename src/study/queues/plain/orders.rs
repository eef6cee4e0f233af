//! One server that serves customers one at a time in some order, with or without preemption; those who are preempted resume.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::time::At;
use super::visits::{Stay, measured};
use super::{Measured, Trial, warm_up};
use crate::queueing::Law;
use crate::stats::stream::Stream;
use crate::study::queues::class::Class;
use rand_distr::{Distribution, Exp1};

/// A customer before the server.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// Its class, from 0.
    pub class: usize,
    /// Seconds of service in all.
    pub size: f64,
    /// Seconds of service still to come.
    pub remaining: f64,
    /// What was predicted of its size.
    pub predicted: f64,
    arrived: f64,
    /// Its number in the order of arrival.
    pub serial: u64,
}

/// Who comes first: the least rank.
pub type Rank = fn(&Job) -> f64;

/// A prediction of a size.
pub type Predict = Box<dyn Fn(f64, &mut Stream) -> f64 + Send + Sync>;

/// The server and its customers.
pub struct Orders {
    classes: Vec<Class>,
    rank: Rank,
    preemptive: bool,
    predict: Option<Predict>,
}

impl Orders {
    /// One class of customers, the least rank first.
    pub fn new(arrivals_per_s: f64, service: Law, rank: Rank, preemptive: bool) -> Self {
        Self::of_classes(vec![Class { arrivals_per_s, service }], rank, preemptive)
    }

    /// Several classes.
    pub fn of_classes(classes: Vec<Class>, rank: Rank, preemptive: bool) -> Self {
        Self { classes, rank, preemptive, predict: None }
    }

    /// With a prediction of every size.
    pub fn with_prediction(self, predict: impl Fn(f64, &mut Stream) -> f64 + Send + Sync + 'static) -> Self {
        Self { predict: Some(Box::new(predict)), ..self }
    }

    /// As a trial.
    pub fn trial(self) -> Trial {
        Trial::new(move |rng, customers| self.run(rng, customers))
    }

    fn key(&self, job: &Job) -> (At, u64) {
        (At((self.rank)(job)), job.serial)
    }

    fn draw(&self, now: f64, serial: u64, total_per_s: f64, rng: &mut Stream) -> Job {
        let mut rest = rand::RngExt::random::<f64>(rng) * total_per_s;
        let mut class = 0;
        while class + 1 < self.classes.len() && rest >= self.classes[class].arrivals_per_s {
            rest -= self.classes[class].arrivals_per_s;
            class += 1;
        }
        let size = self.classes[class].service.sample(rng);
        let predicted = self.predict.as_ref().map_or(size, |predict| predict(size, rng));
        Job { class, size, remaining: size, predicted, arrived: now, serial }
    }

    /// Arrivals go on until all who are measured have left, so that the last of them meet the same traffic as the first.
    fn run(&self, rng: &mut Stream, customers: u64) -> Measured {
        let total_per_s: f64 = self.classes.iter().map(|class| class.arrivals_per_s).sum();
        let (skipped, last) = (warm_up(customers), warm_up(customers) + customers);
        let mut queue: BinaryHeap<Reverse<((At, u64), Waiting)>> = BinaryHeap::new();
        let mut current: Option<Job> = None;
        let (mut now, mut window) = (0.0, (0.0, 0.0));
        let mut stays: Vec<Stay> = Vec::with_capacity(last as usize);
        let mut open = customers;
        let mut serial = 0;
        let step = |rng: &mut Stream| -> f64 {
            let unit: f64 = Exp1.sample(rng);
            unit / total_per_s
        };
        let mut next_arrival = step(rng);
        while open > 0 {
            let done = current.as_ref().map_or(f64::INFINITY, |job| now + job.remaining);
            if done <= next_arrival {
                now = done;
                if let Some(job) = current.take() {
                    open -= u64::from((skipped..last).contains(&job.serial));
                    stays.push(Stay { class: job.class, arrived: job.arrived, size: job.size, left: now });
                }
                current = queue.pop().map(|Reverse((_, waiting))| waiting.0);
                continue;
            }
            if let Some(job) = current.as_mut() {
                job.remaining -= next_arrival - now;
            }
            now = next_arrival;
            next_arrival += step(rng);
            let job = self.draw(now, serial, total_per_s, rng);
            match serial {
                _ if serial == skipped => window.0 = now,
                _ if serial + 1 == last => window.1 = now,
                _ => {}
            }
            serial += 1;
            let waits = match current.take() {
                None => {
                    current = Some(job);
                    continue;
                }
                Some(running) if self.preemptive && self.key(&job) < self.key(&running) => {
                    current = Some(job);
                    running
                }
                Some(running) => {
                    current = Some(running);
                    job
                }
            };
            queue.push(Reverse((self.key(&waits), Waiting(waits))));
        }
        measured(&stays, self.many(), window, &[])
    }

    /// The number of classes that are told apart.
    fn many(&self) -> usize {
        if self.classes.len() > 1 { self.classes.len() } else { 0 }
    }
}

/// A job in a heap, where only its key counts.
struct Waiting(Job);

impl PartialEq for Waiting {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}
