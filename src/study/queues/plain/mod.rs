//! Plain simulations of queueing models: small, apart from the engine and from the formulas, each as short as its model.

mod batches;
mod jumps;
mod orders;
mod sharing;
mod station;
mod time;
mod visits;

#[cfg(test)]
mod tests;

pub(super) use batches::{Batches, slots};
pub(super) use jumps::{Chain, Jump, Paths};
pub(super) use orders::Orders;
pub(super) use sharing::Sharing;
pub(super) use station::{Source, Station};

use crate::stats::stream::Stream;

/// What one trial measured, by the keys of the answer.
pub type Measured = Vec<(String, f64)>;

/// One trial of a prepared simulation: from its random stream and the number of customers to measure.
pub struct Trial(Run);

type Run = Box<dyn Fn(&mut Stream, u64) -> Measured + Send + Sync>;

impl Trial {
    pub(super) fn new(run: impl Fn(&mut Stream, u64) -> Measured + Send + Sync + 'static) -> Self {
        Self(Box::new(run))
    }

    /// Runs it on its own stream, behind a warm-up of a quarter of `customers` more.
    pub fn run(&self, rng: &mut Stream, customers: u64) -> Measured {
        (self.0)(rng, customers)
    }
}

/// Customers thrown away before `customers` are measured.
pub fn warm_up(customers: u64) -> u64 {
    customers / 4
}

/// The `p` quantile of times that may be reordered.
fn quantile(times: &mut [f64], p: f64) -> f64 {
    if times.is_empty() {
        return f64::NAN;
    }
    let rank = (p * (times.len() - 1) as f64).round() as usize;
    *times.select_nth_unstable_by(rank, f64::total_cmp).1
}
