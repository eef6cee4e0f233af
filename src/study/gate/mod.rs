//! The gate: theory against the engine over many families of scenarios, each at five loads. What it measured is committed
//! (`errors.csv`, written by `fluidsim trust --run`), and says how far a figure of theory can be trusted.

pub mod errors;
pub mod evidence;
pub mod map;
pub mod measure;
pub mod spike;
#[cfg(test)]
mod tests;
pub mod verdict;

use serde::Deserialize;
use toml::{Table, Value};

use crate::answer::Limit;
use crate::scenario::{Override, Scenario, ScenarioError, load};

/// Loads λ/λ* at which every family is measured, λ* being theory's own.
pub const LOADS: [f64; 5] = [0.3, 0.6, 0.8, 0.9, 0.95];

/// The name of λ* among the quantities.
pub const BOUNDARY: &str = "lambda_star_per_s";

/// What theory is held to for one quantity: relative gap beyond the engine's 95 % interval over the members of the gate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    /// Its stable name.
    pub quantity: &'static str,
    /// Its short name in tables.
    pub short: &'static str,
    /// The median over the members.
    pub median: f64,
    /// The 90th percentile over the members; a single member with more misses the goal.
    pub p90: f64,
}

const fn goal(quantity: &'static str, short: &'static str, median: f64, p90: f64) -> Goal {
    Goal { quantity, short, median, p90 }
}

/// The goals, in the order of reports.
pub const GOALS: [Goal; 8] = [
    goal(BOUNDARY, "λ*", 0.004, 0.01),
    goal("tbt_s.mean", "TBT", 0.01, 0.03),
    goal("e2e_s.mean", "E2E", 0.01, 0.04),
    goal("ttft_s.mean", "TTFT", 0.03, 0.10),
    goal("e2e_s.p95", "p95 E2E", 0.03, 0.08),
    goal("kv_tokens", "KV", 0.02, 0.04),
    goal("running", "N", 0.02, 0.04),
    goal("preemptions_per_request", "ν", 0.15, 0.40),
];

/// The largest number of requests waiting after a spike.
pub const SPIKE_PEAK: &str = "spike_peak_waiting";
/// Seconds from then until the queue has drained.
pub const SPIKE_DRAIN: &str = "spike_drain_s";

/// The goals for a minute of 2 λ*: within 5 % at every member.
pub const SPIKE_GOALS: [Goal; 2] =
    [goal(SPIKE_PEAK, "spike: peak waiting", 0.05, 0.05), goal(SPIKE_DRAIN, "spike: drain time", 0.05, 0.05)];

/// The goal of a quantity; none where nothing is aimed at.
pub fn goal_of(quantity: &str) -> Option<Goal> {
    GOALS.into_iter().chain(SPIKE_GOALS).find(|goal| goal.quantity == quantity)
}

/// One family of the gate.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// The limit that decides λ*.
    pub binds: Limit,
    /// The scenario, at a rate of 1.
    pub scenario: Scenario,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    base: Table,
    family: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    binds: Limit,
    set: Table,
}

/// The families of the gate, in the order of reports.
///
/// # Errors
/// A text that cannot be read, which a test excludes.
pub fn families() -> Result<Vec<Family>, ScenarioError> {
    let origin = "families of the gate";
    let unreadable = |problem: toml::de::Error| ScenarioError::at("", problem.to_string(), "mend it").in_file(origin);
    let catalogue: Catalogue = toml::from_str(include_str!("families.toml")).map_err(unreadable)?;
    let base = catalogue.base.to_string();
    let family = |entry: &Entry| {
        let named = Override::new(origin, "name", entry.name.as_str());
        let set = entry.set.iter().map(|(key, value)| Override::new(origin, key, Value::clone(value)));
        let scenario = load::load(origin, &base, &set.chain([named]).collect::<Vec<_>>())?;
        Ok(Family { name: entry.name.clone(), binds: entry.binds, scenario })
    };
    catalogue.family.iter().map(family).collect()
}

/// The family of that name.
///
/// # Errors
/// There is none; the message names them all.
pub fn family(name: &str) -> Result<Family, ScenarioError> {
    let all = families()?;
    let names: Vec<&str> = all.iter().map(|family| family.name.as_str()).collect();
    let remedy = format!("choose one of {}", names.join(", "));
    let found = all.iter().find(|family| family.name == name).cloned();
    found.ok_or_else(|| ScenarioError::at(name, "is no family of the gate", remedy))
}
