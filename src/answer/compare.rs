//! One line of a comparison of the two answers.

use serde::{Deserialize, Serialize};

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
    /// Whether the documentation promises agreement for this quantity and scenario.
    pub promised: bool,
    /// How the analytic value was obtained.
    pub method: Option<Method>,
}
