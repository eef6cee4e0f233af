//! What the gate measured, row by row, and the committed table of it.

use serde::{Deserialize, Serialize};

use super::goal_of;
use crate::answer::Method;
use crate::stats::equivalence::{gap_beyond, resolves};
use crate::stats::interval::Interval;

/// Preemptions per request, waiting and swapped requests below this are as good as none: errors are relative to this at least.
const FLOOR: f64 = 0.01;

/// One quantity of one member of the gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The family.
    pub family: String,
    /// λ/λ*; absent for λ* itself, which is measured with a request always waiting.
    pub load: Option<f64>,
    /// λ of the member, requests per second; of λ* theory's.
    pub lambda_per_s: f64,
    /// Stable name of the quantity.
    pub quantity: String,
    /// Theory's figure; absent where it gives none.
    pub analytic: Option<f64>,
    /// How theory got it.
    pub method: Option<Method>,
    /// The engine's figure; absent where it gives none, as for the latencies of a run that never settles.
    pub simulated: Option<f64>,
    /// Half-width of the engine's 95 % interval.
    pub half_width: Option<f64>,
}

impl Measured {
    /// Relative gap beyond the engine's interval, 0 inside it; infinite where one of the two answers is missing.
    pub fn error(&self) -> f64 {
        match (self.analytic, self.interval()) {
            (Some(analytic), Some(interval)) => gap_beyond(analytic, &interval) / self.size(interval.mean),
            _ => f64::INFINITY,
        }
    }

    /// Whether the engine's interval is narrow enough to tell whether the goal is met: its half-width is within the goal, or
    /// theory is outside both. Always where there is no goal.
    pub fn is_resolved(&self) -> bool {
        let (Some(goal), Some(interval)) = (goal_of(&self.quantity), self.interval()) else { return true };
        let scaled = Interval { mean: self.size(interval.mean), ..interval };
        resolves(&scaled, goal.p90) || self.error() > goal.p90
    }

    /// Whether a goal is missed.
    pub fn misses(&self) -> bool {
        goal_of(&self.quantity).is_some_and(|goal| self.error() > goal.p90)
    }

    /// Whether it counts in the figures over all members: not where neither answer has a preemption to speak of.
    pub fn counts(&self) -> bool {
        self.quantity != "preemptions_per_request"
            || [self.analytic, self.simulated].into_iter().flatten().any(|value| value >= FLOOR)
    }

    /// (analytic − simulated)/simulated, the latter at least the floor.
    pub fn gap(&self) -> Option<f64> {
        let simulated = self.simulated?;
        Some((self.analytic? - simulated) / self.size(simulated))
    }

    /// The engine's interval.
    pub fn interval(&self) -> Option<Interval> {
        Some(Interval::around(self.simulated?, self.half_width.unwrap_or(0.0)))
    }

    fn size(&self, value: f64) -> f64 {
        size_of(&self.quantity, value)
    }
}

/// What errors of a quantity are relative to.
pub fn size_of(quantity: &str, value: f64) -> f64 {
    let floor = match quantity {
        "preemptions_per_request" | "waiting" | "swapped" => FLOOR,
        _ => f64::MIN_POSITIVE,
    };
    value.abs().max(floor)
}

/// The committed table; rows that cannot be read are left out, which a test excludes.
pub fn committed() -> Vec<Measured> {
    read(include_str!("errors.csv"))
}

/// The rows of a table as [`written`] makes it.
pub fn read(text: &str) -> Vec<Measured> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().filter_map(Result::ok).collect()
}

/// The table as CSV, six digits a figure.
pub fn written(rows: &[Measured]) -> String {
    let digits = |value: Option<f64>| value.map_or(String::new(), |value| rounded(value, 6).to_string());
    let mut text = String::from("family,load,lambda_per_s,quantity,analytic,method,simulated,half_width\n");
    for row in rows {
        let method = row.method.and_then(|method| serde_json::to_value(method).ok());
        let fields = [
            row.family.clone(),
            row.load.map_or(String::new(), |load| load.to_string()),
            row.lambda_per_s.to_string(),
            row.quantity.clone(),
            digits(row.analytic),
            method.as_ref().and_then(|method| method.as_str()).unwrap_or("").to_owned(),
            digits(row.simulated),
            row.half_width.map_or(String::new(), |half| rounded(half, 3).to_string()),
        ];
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

/// `value` to so many significant digits.
pub(super) fn rounded(value: f64, digits: usize) -> f64 {
    format!("{value:.*e}", digits - 1).parse().unwrap_or(value)
}

/// Whether the quantity has a goal.
pub fn has_goal(quantity: &str) -> bool {
    goal_of(quantity).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(quantity: &str, analytic: f64, simulated: f64, half: f64) -> Measured {
        Measured {
            family: "a".into(),
            load: Some(0.9),
            lambda_per_s: 2.0,
            quantity: quantity.into(),
            analytic: Some(analytic),
            method: Some(Method::Fluid),
            simulated: Some(simulated),
            half_width: Some(half),
        }
    }

    #[test]
    fn the_error_is_what_lies_beyond_the_interval() {
        assert_eq!(row("running", 10.5, 10.0, 0.25).error(), 0.025);
        assert_eq!(row("running", 10.2, 10.0, 0.25).error(), 0.0);
        // 1e-4 preemptions per request are as good as none.
        assert!((row("preemptions_per_request", 0.0011, 1e-4, 0.0).error() - 0.1).abs() < 1e-12);
        assert!(!row("preemptions_per_request", 0.0, 1e-4, 0.0).counts() && row("running", 0.0, 0.0, 0.0).counts());
        let none = Measured { analytic: None, ..row("running", 0.0, 1.0, 0.1) };
        assert!(none.error().is_infinite() && none.misses() && none.gap().is_none());
    }

    #[test]
    fn a_wide_interval_is_no_agreement() {
        assert!(!row("e2e_s.mean", 1.0, 1.0, 0.05).is_resolved());
        assert!(row("e2e_s.mean", 1.0, 1.0, 0.03).is_resolved());
        assert!(row("e2e_s.mean", 1.2, 1.0, 0.05).is_resolved() && row("e2e_s.mean", 1.2, 1.0, 0.05).misses());
        assert!(row("waiting", 1.0, 1.0, 0.5).is_resolved());
    }

    #[test]
    fn a_table_reads_back() {
        let rows = vec![
            row("running", 10.1234, 10.0, 0.0123),
            Measured { load: None, analytic: None, method: None, ..row("ttft_s.p95", 0.0, 3e-7, 0.0) },
        ];
        assert_eq!(read(&written(&rows)), rows);
    }
}
