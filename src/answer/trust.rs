//! How far a figure of theory can be trusted: the error that the gate, theory against engine over many families, has seen near by.

use serde::{Deserialize, Serialize};

/// What the gate says of one figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// A closed form or an exact solution: nothing to be measured.
    Exact,
    /// Its goal was met.
    Trusted,
    /// Its goal was missed: do not trust it.
    Missed,
    /// The engine's interval was too wide to tell.
    Unresolved,
    /// Measured, but there is no goal for it.
    NoGoal,
    /// Nothing on the gate is near.
    #[default]
    Unseen,
}

/// The evidence for one figure.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Mark {
    /// What the gate says.
    pub standing: Standing,
    /// Relative gap beyond the engine's 95 % interval, the largest over the nearest families; infinite where one of the two answers
    /// has no figure, absent where nothing was measured.
    pub error: Option<f64>,
    /// Relative error beyond the interval that is promised; absent where nothing is.
    pub tolerance: Option<f64>,
}

/// The evidence for an answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// The nearest families; empty where nothing is near.
    pub families: Vec<String>,
    /// The load λ/λ* at which they were measured; absent outside the gate's loads.
    pub load: Option<f64>,
    /// Marks by the names of [`super::Summary::quantities`], and `lambda_star_per_s`.
    pub marks: Vec<(String, Mark)>,
}

impl Evidence {
    /// The mark of a quantity.
    pub fn mark(&self, quantity: &str) -> Mark {
        self.marks.iter().find(|(name, _)| name == quantity).map_or_else(Mark::default, |(_, mark)| *mark)
    }
}
