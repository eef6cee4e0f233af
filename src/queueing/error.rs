//! Why a queue has no stationary answer.

/// A queue that cannot be solved.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum QueueError {
    /// Work arrives at least as fast as it is served.
    #[error("the queue grows by {growth_per_s} customers per second; lower the arrival rate or add service")]
    Unstable {
        /// Arrival rate less service rate, customers per second; 0 at the boundary itself.
        growth_per_s: f64,
    },
    /// A node of a network to which work comes at least as fast as it is served.
    #[error(
        "node {node} of the network grows by {growth_per_s} customers per second; lower its arrivals or add service"
    )]
    UnstableNode {
        /// The node, counted from 0.
        node: usize,
        /// Arrival rate less service rate of the node, customers per second.
        growth_per_s: f64,
    },
    /// The tail of a birth–death chain does not sum.
    #[error("the geometric tail has ratio {ratio}; it must be below 1")]
    HeavyTail {
        /// The ratio of consecutive tail probabilities.
        ratio: f64,
    },
    /// A parameter outside its range.
    #[error("`{name}` is {value}; it must be {must}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What would be accepted.
        must: &'static str,
    },
    /// A value that no law of the family has.
    #[error("`{name}` is {value}; here it must lie between {least} and {most}")]
    Outside {
        /// The quantity.
        name: &'static str,
        /// What was given.
        value: f64,
        /// The least that is feasible.
        least: f64,
        /// The most that is feasible; may be infinite.
        most: f64,
    },
}

/// `value` if it is a positive finite number.
pub(crate) fn positive(name: &'static str, value: f64) -> Result<f64, QueueError> {
    if value.is_finite() && value > 0.0 {
        return Ok(value);
    }
    Err(QueueError::Parameter { name, value, must: "positive and finite" })
}

/// `value` if it is a finite number of at least zero.
pub(crate) fn not_negative(name: &'static str, value: f64) -> Result<f64, QueueError> {
    if value.is_finite() && value >= 0.0 {
        return Ok(value);
    }
    Err(QueueError::Parameter { name, value, must: "at least 0 and finite" })
}

/// `value` if it is a probability below 1, as every quantile needs.
pub(crate) fn probability_below_one(name: &'static str, value: f64) -> Result<f64, QueueError> {
    if (0.0..1.0).contains(&value) {
        return Ok(value);
    }
    Err(QueueError::Parameter { name, value, must: "at least 0 and below 1" })
}
