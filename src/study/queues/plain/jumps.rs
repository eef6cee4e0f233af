//! A path of a Markov chain on vectors of counts, and its averages over time.

use rand::RngExt;
use rand_distr::{Distribution, Exp1};

use super::{Measured, Trial, warm_up};
use crate::stats::stream::Stream;

/// One way to leave a state.
#[derive(Debug, Clone, Copy)]
pub struct Jump {
    /// Per second.
    pub rate_per_s: f64,
    /// Whose count falls, by how much.
    pub from: Option<(usize, u64)>,
    /// Whose count rises, by how much.
    pub to: Option<(usize, u64)>,
}

/// A number read from a state.
pub type Reading = Box<dyn Fn(&[u64]) -> f64 + Send + Sync>;

/// The jumps of a state, added to a list.
pub type Jumps = Box<dyn Fn(&[u64], &mut Vec<Jump>) + Send + Sync>;

/// The chain and what is averaged along its path.
pub struct Chain {
    start: Vec<u64>,
    jumps: Jumps,
    readings: Vec<(String, Reading)>,
    /// Quotients of averages: key, key above, key below.
    quotients: Vec<(String, String, String)>,
}

impl Chain {
    /// From `start`.
    pub fn new(start: Vec<u64>, jumps: impl Fn(&[u64], &mut Vec<Jump>) + Send + Sync + 'static) -> Self {
        Self { start, jumps: Box::new(jumps), readings: Vec::new(), quotients: Vec::new() }
    }

    /// With an average over time.
    pub fn read(mut self, key: impl Into<String>, reading: impl Fn(&[u64]) -> f64 + Send + Sync + 'static) -> Self {
        self.readings.push((key.into(), Box::new(reading)));
        self
    }

    /// With a quotient of two averages, such as W = L/X.
    pub fn quotient(mut self, key: impl Into<String>, above: impl Into<String>, below: impl Into<String>) -> Self {
        self.quotients.push((key.into(), above.into(), below.into()));
        self
    }

    /// As a trial; `customers` jumps are measured.
    pub fn trial(self) -> Trial {
        Trial::new(move |rng, customers| self.run(rng, customers))
    }

    fn run(&self, rng: &mut Stream, customers: u64) -> Measured {
        let mut state = self.start.clone();
        let mut open = Vec::new();
        let mut sums = vec![0.0; self.readings.len()];
        let (skipped, mut elapsed) = (warm_up(customers), 0.0);
        for index in 0..customers + skipped {
            open.clear();
            (self.jumps)(&state, &mut open);
            let total: f64 = open.iter().map(|jump| jump.rate_per_s).sum();
            // The mean time in the state in place of a drawn one: the same average with less noise.
            if index >= skipped {
                elapsed += 1.0 / total;
                for (sum, (_, reading)) in sums.iter_mut().zip(&self.readings) {
                    *sum += reading(&state) / total;
                }
            }
            let mut rest = rng.random::<f64>() * total;
            let chosen = open.iter().find(|jump| {
                rest -= jump.rate_per_s;
                rest < 0.0
            });
            let Some(jump) = chosen.or(open.last()) else { break };
            if let Some((place, count)) = jump.from {
                state[place] -= count;
            }
            if let Some((place, count)) = jump.to {
                state[place] += count;
            }
        }
        let mut found: Measured =
            self.readings.iter().zip(&sums).map(|((key, _), sum)| (key.clone(), sum / elapsed)).collect();
        for (key, above, below) in &self.quotients {
            let value = |wanted: &String| found.iter().find(|(key, _)| key == wanted).map_or(f64::NAN, |pair| pair.1);
            found.push((key.clone(), value(above) / value(below)));
        }
        found
    }
}

/// Many paths from one start to one moment, of a number of customers whose rates depend on it and on time.
pub struct Paths {
    /// Customers at time 0.
    pub start: u64,
    /// Seconds.
    pub until_s: f64,
    /// Births per second at time t, and a bound on them.
    pub births: (Box<dyn Fn(f64) -> f64 + Send + Sync>, f64),
    /// Deaths per second with n customers.
    pub deaths: Box<dyn Fn(u64) -> f64 + Send + Sync>,
}

impl Paths {
    /// As a trial: keys `mean_number`, `variance_number`, `p_empty`, over a path for every ten customers.
    pub fn trial(self) -> Trial {
        Trial::new(move |rng, customers| {
            let ends: Vec<f64> = (0..(customers / 10).max(2)).map(|_| self.end(rng) as f64).collect();
            let many = ends.len() as f64;
            let mean = ends.iter().sum::<f64>() / many;
            let variance = ends.iter().map(|end| (end - mean).powi(2)).sum::<f64>() / (many - 1.0);
            let empty = ends.iter().filter(|end| **end == 0.0).count() as f64 / many;
            [("mean_number", mean), ("variance_number", variance), ("p_empty", empty)]
                .map(|(key, value)| (key.to_owned(), value))
                .to_vec()
        })
    }

    /// The number at the end of one path; births by thinning.
    fn end(&self, rng: &mut Stream) -> u64 {
        let (births, most) = &self.births;
        let (mut now, mut number) = (0.0, self.start);
        loop {
            let deaths = (self.deaths)(number);
            let unit: f64 = Exp1.sample(rng);
            now += unit / (most + deaths);
            if now >= self.until_s || !now.is_finite() {
                return number;
            }
            let mark = rng.random::<f64>() * (most + deaths);
            if mark < deaths {
                number -= 1;
            } else if mark - deaths < births(now) {
                number += 1;
            }
        }
    }
}
