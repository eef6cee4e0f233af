//! The program holds itself to known values: cases in TOML, each with a question, expected values, a tolerance and a source.
//!
//! `files` finds the cases, `read` understands them, `run` asks the question, `judge` gives the verdict, `coverage` counts how often
//! intervals miss.

pub mod coverage;
mod embedded;
mod engine_run;
pub mod files;
mod judge;
mod laws;
mod read;
mod run;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::answer::Figure;
use crate::scenario::Scenario;
use crate::study::queues::Parameters;

pub use files::{embedded, from_folder};
pub use run::{Clock, run};

/// How far an obtained value may be from the expected one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tolerance {
    /// |obtained − expected| ≤ share · |expected|.
    Relative(f64),
    /// |obtained − expected| ≤ this.
    Absolute(f64),
    /// Half a unit of the last printed digit, which is this unit.
    Printed(f64),
    /// The 95 % interval of the simulation contains the expected value. One in twenty does not: single misses count in the coverage, and only
    /// a value farther out than chance allows in one of 100 000 intervals fails by itself. A published value may have a half-width of
    /// its own.
    Interval {
        /// 95 % half-width of the expected value; 0 for an exact one.
        half_width: f64,
    },
    /// The simulation's 90 % interval lies within this share of the expected value (two one-sided tests at 5 %).
    Equivalence(f64),
}

/// What is expected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Expected {
    /// A number.
    Value(f64),
    /// What theory says of the same model.
    Theory,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    /// A model of the catalogue, or of the laws that only stand here, answered in closed form.
    Queue {
        /// Its name.
        model: String,
        /// Its parameters, as words.
        parameters: Parameters,
    },
    /// A model run by the engine.
    EngineQueue {
        /// Its name.
        model: String,
        /// Its parameters, as words.
        parameters: Parameters,
    },
    /// A scenario answered by theory.
    Solve(Box<Scenario>),
    /// A scenario run by the engine.
    Engine(Box<EngineQuestion>),
}

/// A scenario for the engine, with how it is run.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineQuestion {
    /// The scenario.
    pub scenario: Scenario,
    /// Trials.
    pub trials: u64,
    /// Seconds thrown away.
    pub warmup_s: f64,
    /// Seconds measured.
    pub duration_s: f64,
    /// Requests waiting at time 0.
    pub backlog: u64,
    /// Whether a request always waits.
    pub saturated: bool,
}

/// One question with what is expected of its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Its file without ending, such as `queueing/mm1`.
    pub group: String,
    /// Its name.
    pub name: String,
    /// What is asked.
    pub question: Question,
    /// Quantity by quantity.
    pub expected: BTreeMap<String, Expected>,
    /// The quantity whose interval counts in the coverage; the others come from the same runs.
    pub judged: Option<String>,
    /// How far off is right.
    pub tolerance: Tolerance,
    /// Formula and reference.
    pub source: String,
    /// Whether it belongs to the quick part.
    pub quick: bool,
}

/// What came of one quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As expected.
    Right,
    /// The interval misses, as one in twenty does.
    Misses,
    /// Not as expected.
    Wrong,
}

impl Verdict {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Right => "ok",
            Self::Misses => "misses",
            Self::Wrong => "WRONG",
        }
    }
}

/// One quantity of one case.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The quantity.
    pub quantity: String,
    /// What was expected; none where theory had no answer.
    pub expected: Option<f64>,
    /// What was obtained.
    pub obtained: Option<Figure>,
    /// The verdict.
    pub verdict: Verdict,
    /// Whether its interval counts in the coverage.
    pub counted: bool,
    /// Why it is wrong, where the numbers do not say it.
    pub why: String,
}

/// One case with what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The case.
    pub case: Case,
    /// Its quantities.
    pub checks: Vec<Check>,
    /// Seconds that it took.
    pub seconds: f64,
}
