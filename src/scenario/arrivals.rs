//! When requests arrive: renewal processes named by their interarrival law.

use rand::Rng;
use rand_distr::{Distribution, Exp1, Gamma};
use serde::{Deserialize, Serialize};

use super::error::ScenarioError;

/// The law of the times between arrivals, at a rate that the workload gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "law", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ArrivalLaw {
    /// Exponential interarrival times (cv 1).
    Poisson {},
    /// Equal interarrival times (cv 0); the first arrival comes after one of them.
    Deterministic {},
    /// Gamma interarrival times with the given coefficient of variation.
    Gamma {
        /// Coefficient of variation of one interarrival time.
        cv: f64,
    },
}

impl Default for ArrivalLaw {
    fn default() -> Self {
        Self::Poisson {}
    }
}

impl ArrivalLaw {
    /// Squared coefficient of variation of the interarrival time; for a renewal process also the limit of the index
    /// of dispersion of counts.
    pub fn squared_cv(&self) -> f64 {
        match self {
            Self::Poisson {} => 1.0,
            Self::Deterministic {} => 0.0,
            Self::Gamma { cv } => cv * cv,
        }
    }

    /// One interarrival time in units of its mean.
    #[inline]
    pub fn sample(&self, rng: &mut impl Rng) -> f64 {
        match self {
            Self::Poisson {} => Exp1.sample(rng),
            Self::Deterministic {} => 1.0,
            Self::Gamma { cv } => {
                let shape = 1.0 / (cv * cv);
                Gamma::new(shape, 1.0 / shape).map_or(1.0, |law| law.sample(rng))
            }
        }
    }

    /// # Errors
    /// A coefficient of variation outside 0.001 to 100, where the gamma law can be drawn.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        match self {
            Self::Gamma { cv } if (1e-3..=1e2).contains(cv) => Ok(()),
            Self::Gamma { cv } => Err(ScenarioError::at(
                "cv",
                format!("must be from 0.001 to 100, got `{cv}`"),
                "choose the law `deterministic` for cv 0, `poisson` for cv 1",
            )),
            Self::Poisson {} | Self::Deterministic {} => Ok(()),
        }
    }
}
