//! Why a question about a queue has no answer.

use crate::queueing::QueueError;

/// What is wrong with a question, and what to do about it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum QueueProblem {
    /// No model has this name.
    #[error("there is no model `{name}`{hint}; `fluidsim queue list` names them")]
    Model {
        /// The name that was asked for.
        name: String,
        /// The nearest name, as `; did you mean …`, or nothing.
        hint: String,
    },
    /// A parameter that is missing, unknown or out of range.
    #[error("{key}: {problem}; {remedy}")]
    Value {
        /// The parameter.
        key: String,
        /// What is wrong, with the value.
        problem: String,
        /// What to do instead.
        remedy: String,
    },
    /// Work arrives at least as fast as it is served: a finding rather than a mistake.
    #[error("unstable: the queue grows by {growth_per_s} customers per second")]
    Unstable {
        /// Arrival rate less service rate, customers per second; 0 at the boundary itself.
        growth_per_s: f64,
    },
    /// What else the library refuses.
    #[error(transparent)]
    Queue(QueueError),
}

impl QueueProblem {
    /// A problem with the parameter `key`.
    pub fn at(key: &str, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Value { key: key.to_owned(), problem: problem.into(), remedy: remedy.into() }
    }
}

impl From<QueueError> for QueueProblem {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Unstable { growth_per_s } | QueueError::UnstableNode { growth_per_s, .. } => {
                Self::Unstable { growth_per_s }
            }
            QueueError::Parameter { name, value, must } => {
                Self::at(option(name), format!("is `{value}`"), format!("it must be {must}"))
            }
            QueueError::Outside { name, value, least, most } => {
                Self::at(option(name), format!("is `{value}`"), format!("it must lie between {least} and {most}"))
            }
            other @ QueueError::HeavyTail { .. } => Self::Queue(other),
        }
    }
}

/// The parameter of the catalogue behind a name of the library.
fn option(name: &'static str) -> &'static str {
    match name {
        "arrivals_per_s" => "lambda",
        "services_per_s" | "service_per_s" => "mu",
        "mean_service_s" | "mean_s" => "mean",
        other => other,
    }
}
