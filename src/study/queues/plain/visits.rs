//! What the customers of a simulation saw, and what that makes of a time window.

use super::{Measured, quantile};
use crate::study::queues::answer::quantile_key;

/// A customer's course at a single server that need not serve in order.
#[derive(Debug, Clone, Copy)]
pub struct Stay {
    /// Its class, from 0.
    pub class: usize,
    /// Arrival.
    pub arrived: f64,
    /// Seconds of service.
    pub size: f64,
    /// Departure.
    pub left: f64,
}

/// Means over the customers who came within the window; numbers over the time of the window. The wait is the time in the system
/// without service. With more than one class also `W_1`, `Wq_1`, ….
pub fn measured(stays: &[Stay], classes: usize, window: (f64, f64), quantiles: &[f64]) -> Measured {
    let elapsed = window.1 - window.0;
    let overlap = |stay: &Stay| (stay.left.min(window.1) - stay.arrived.max(window.0)).max(0.0);
    let inside: Vec<&Stay> = stays.iter().filter(|stay| window.0 <= stay.arrived && stay.arrived <= window.1).collect();
    let mean = |class: Option<usize>, part: &dyn Fn(&Stay) -> f64| {
        let chosen = || inside.iter().filter(|stay| class.is_none_or(|class| stay.class == class));
        chosen().map(|stay| part(stay)).sum::<f64>() / chosen().count() as f64
    };
    let sojourn = |stay: &Stay| stay.left - stay.arrived;
    let wait = |stay: &Stay| stay.left - stay.arrived - stay.size;
    let number = stays.iter().map(overlap).sum::<f64>() / elapsed;
    let work = inside.iter().map(|stay| stay.size).sum::<f64>() / elapsed;
    let mut found: Measured = [
        ("utilization", work),
        ("L", number),
        ("Lq", inside.iter().map(|stay| wait(stay)).sum::<f64>() / elapsed),
        ("W", mean(None, &sojourn)),
        ("Wq", mean(None, &wait)),
        ("second_moment_wait", mean(None, &|stay| wait(stay).powi(2))),
        ("slowdown", mean(None, &|stay| sojourn(stay) / stay.size)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .to_vec();
    for class in 0..classes {
        found.push((format!("W_{}", class + 1), mean(Some(class), &sojourn)));
        found.push((format!("Wq_{}", class + 1), mean(Some(class), &wait)));
        let number = stays.iter().filter(|stay| stay.class == class).map(overlap).sum::<f64>() / elapsed;
        found.push((format!("L_{}", class + 1), number));
    }
    let mut sojourns: Vec<f64> = inside.iter().map(|stay| sojourn(stay)).collect();
    for &p in quantiles {
        found.push((quantile_key(p, "sojourn"), quantile(&mut sojourns, p)));
    }
    found
}
