//! One line of a comparison of the two answers.

use serde::{Deserialize, Serialize};

use super::trust::Mark;
use super::{Figure, Method};

/// A quantity answered by theory and by simulation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompareRow {
    /// Stable name, such as `ttft_s.p95`; ends in the unit as in [`super::Summary::quantities`].
    pub quantity: String,
    /// The analytic value; absent where theory has none.
    pub analytic: Option<f64>,
    /// The simulated value with its interval; absent where it does not exist.
    pub simulated: Option<Figure>,
    /// (analytic − simulated)/simulated.
    pub relative_gap: Option<f64>,
    /// Whether the two agree within the tolerance; absent where they cannot be compared.
    pub agrees: Option<bool>,
    /// Whether the gate promises agreement for this quantity and scenario.
    pub promised: bool,
    /// Whether the simulation is sharp enough to hold theory to the promise; absent where nothing is promised.
    pub resolved: Option<bool>,
    /// What the gate has seen of this quantity near by.
    pub gate: Mark,
    /// How the analytic value was obtained.
    pub method: Option<Method>,
}
