//! What rules that need the output length before it is known are told.

use serde::{Deserialize, Serialize};

use super::error::{ScenarioError, require_at_least_one};

/// How the predicted output length arises.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "law", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Prediction {
    /// The true length.
    #[default]
    Exact,
    /// The true length times a lognormal factor of mean 1, rounded, at least 1.
    Lognormal {
        /// Coefficient of variation of the factor.
        cv: f64,
    },
    /// The mean output of the request's class, rounded.
    ClassMean,
    /// One bit, whether the output is longer than the threshold: the mean output of the class on that side of it.
    OneBit {
        /// Output tokens up to which a request counts as short.
        threshold: u64,
    },
}

impl Prediction {
    /// Whether predictions are always right.
    pub fn is_exact(&self) -> bool {
        *self == Self::Exact
    }

    /// # Errors
    /// A coefficient of variation outside 0 to 10, or a threshold of 0.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        match self {
            Self::Lognormal { cv } if !(*cv > 0.0 && *cv <= 10.0) => Err(ScenarioError::at(
                "cv",
                format!("is `{cv}`"),
                "give a number above 0, at most 10, or choose the law `exact`",
            )),
            Self::OneBit { threshold } => require_at_least_one("threshold", *threshold),
            _ => Ok(()),
        }
    }
}
