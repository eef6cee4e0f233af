//! What is asked at every point, by name.

use serde::{Deserialize, Serialize};

use crate::answer::table::{Cell, DIGITS};
use crate::answer::{Figure, FluidSolution, Operations, SimulatedSolution, Summary, Verdict};
use crate::scenario::{ScenarioError, nearest};

/// λ*: of theory the boundary from a backlog, of the engine the throughput of the saturated system.
pub const LAMBDA_STAR: &str = "lambda_star_per_s";

/// Names that only theory has.
const OF_THEORY: [&str; 5] = ["lambda_star_high_per_s", "load", "binding", "runner_up", "runner_up_per_s"];

/// Names that both have, beside the figures of a [`Summary`].
const OF_BOTH: [&str; 3] = ["lambda_per_s", "verdict", LAMBDA_STAR];

/// Counts of the engine.
const COUNTS: [&str; 7] = ["arrived", "completed", "rejected", "in_system", "preemptions", "steps", "end_time_s"];

/// Figures of one class, asked for as `class.NAME.ttft_s`.
const OF_CLASS: [&str; 4] = ["completed", "ttft_s", "e2e_s", "slo_attainment"];

/// What is shown when nothing is asked for.
pub const USUAL: [&str; 7] =
    [LAMBDA_STAR, "binding", "verdict", "throughput_per_s", "ttft_s.mean", "tbt_s.mean", "e2e_s.mean"];

/// Whose figure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Fluid and queueing theory.
    Theory,
    /// The event engine.
    Engine,
}

impl Side {
    /// The side as it is written before a name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Theory => "theory",
            Self::Engine => "engine",
        }
    }
}

/// One figure, or word, of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantity {
    /// Its stable name, such as `ttft_s.mean`.
    pub name: String,
    /// Whose it is.
    pub side: Side,
}

impl Quantity {
    /// The quantities of that name among the given sides: of each side that has it, or of the one named before it, as in `engine.ttft_s.mean`.
    ///
    /// # Errors
    /// A name that none of the sides has.
    pub fn named(option: &str, text: &str, sides: &[Side]) -> Result<Vec<Self>, ScenarioError> {
        let prefixed = [Side::Theory, Side::Engine]
            .into_iter()
            .find_map(|side| Some((side, text.strip_prefix(side.name())?.strip_prefix('.')?)));
        let (wanted, name) = match prefixed {
            Some((side, name)) => (vec![side], name),
            None => (vec![Side::Theory, Side::Engine], text),
        };
        let known: Vec<Side> = wanted.into_iter().filter(|side| knows(*side, name)).collect();
        let found: Vec<Self> = known
            .iter()
            .filter(|side| sides.contains(side))
            .map(|&side| Self { name: name.to_owned(), side })
            .collect();
        if !found.is_empty() {
            return Ok(found);
        }
        Err(match known.first() {
            Some(side) => {
                let remedy = format!("choose a --solver with {}", side.name());
                ScenarioError::at(text, format!("is a figure of the {} alone", side.name()), remedy).in_file(option)
            }
            None => unknown(text).in_file(option),
        })
    }

    /// What its column is called where there is only one side, and where there are both.
    pub fn heading(&self, both: bool) -> String {
        if both { format!("{}.{}", self.side.name(), self.name) } else { self.name.clone() }
    }

    /// Its value in the answers to one point.
    pub fn of(&self, answers: &Answers) -> Datum {
        match self.side {
            Side::Theory => {
                answers.theory.as_ref().map_or(Datum::Absent(()), |solution| of_theory(&self.name, solution))
            }
            Side::Engine if self.name == LAMBDA_STAR => Datum::figure(answers.saturated),
            Side::Engine => {
                answers.engine.as_ref().map_or(Datum::Absent(()), |solution| of_engine(&self.name, solution))
            }
        }
    }
}

/// The names that a side has, without those of classes.
pub fn names(side: Side) -> Vec<String> {
    let summary = Summary::default().quantities().into_iter().map(|(name, _)| name);
    let both = OF_BOTH.into_iter().map(str::to_owned);
    let operations = Operations::default();
    let own: Vec<&str> = match side {
        Side::Theory => OF_THEORY.to_vec(),
        Side::Engine => operations.quantities().into_iter().map(|(name, _)| name).chain(COUNTS).collect(),
    };
    both.chain(own.into_iter().map(str::to_owned)).chain(summary).collect()
}

fn knows(side: Side, name: &str) -> bool {
    let of_class = || name.strip_prefix("class.").and_then(|rest| rest.rsplit_once('.'));
    names(side).iter().any(|known| known == name)
        || side == Side::Engine && of_class().is_some_and(|(_, figure)| OF_CLASS.contains(&figure))
}

fn unknown(text: &str) -> ScenarioError {
    let all: Vec<String> = [Side::Theory, Side::Engine].into_iter().flat_map(names).collect();
    let bare = text.rsplit_once('.').map_or(text, |(_, tail)| tail);
    let near = |word: &str| nearest::nearest(word, all.iter().map(String::as_str));
    let hint = near(text).or_else(|| near(bare));
    let remedy =
        hint.map_or_else(|| "see `fluidsim sweep --list`".to_owned(), |near| format!("did you mean `{near}`?"));
    ScenarioError::at(text, "is no quantity", remedy)
}

/// All that was found at one point.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// The analytic answer, where theory covers the point.
    pub theory: Option<FluidSolution>,
    /// The simulated answer.
    pub engine: Option<SimulatedSolution>,
    /// Throughput of the saturated engine.
    pub saturated: Option<Figure>,
}

/// The value of a quantity at a point, as it is kept in files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Datum {
    /// A number.
    Number(f64),
    /// A number with its interval: value, low, high.
    Estimate(f64, f64, f64),
    /// A word.
    Word(String),
    /// What does not exist, such as the latency of an overloaded system.
    Absent(()),
}

impl Datum {
    /// A number; absent when it is not finite.
    pub fn number(value: f64) -> Self {
        if value.is_finite() { Self::Number(value) } else { Self::Absent(()) }
    }

    /// A figure, with its interval if it has a finite one.
    pub fn figure(figure: Option<Figure>) -> Self {
        let Some(figure) = figure.filter(|figure| figure.value.is_finite()) else { return Self::Absent(()) };
        match figure.interval {
            Some((low, high)) if low.is_finite() && high.is_finite() => Self::Estimate(figure.value, low, high),
            _ => Self::Number(figure.value),
        }
    }

    /// Its number, without the interval.
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Number(value) | Self::Estimate(value, ..) => Some(*value),
            Self::Word(_) | Self::Absent(()) => None,
        }
    }

    /// Ends of its interval.
    pub fn ends(&self) -> Option<(f64, f64)> {
        match self {
            Self::Estimate(_, low, high) => Some((*low, *high)),
            _ => None,
        }
    }

    /// The cell of a table that shows it.
    pub fn cell(&self) -> Cell {
        match self {
            Self::Number(value) => number_cell(*value, DIGITS),
            Self::Estimate(value, low, high) => Cell::interval(*value, *low, *high),
            Self::Word(word) => Cell::text(word),
            Self::Absent(()) => Cell::Absent,
        }
    }
}

/// Whole numbers are limits, counts and tokens: shown as such.
pub fn number_cell(value: f64, digits: usize) -> Cell {
    if value >= 0.0 && value.fract() == 0.0 && value < 1e15 {
        Cell::Count(value as u64)
    } else {
        Cell::digits(value, digits)
    }
}

fn of_theory(name: &str, solution: &FluidSolution) -> Datum {
    let boundary = &solution.boundary;
    match name {
        "lambda_per_s" => Datum::number(solution.lambda_per_s),
        LAMBDA_STAR => Datum::number(boundary.low_per_s),
        "lambda_star_high_per_s" => Datum::number(boundary.high_per_s),
        "load" => Datum::number(solution.lambda_per_s / boundary.low_per_s),
        "binding" => Datum::Word(boundary.binding.name().to_owned()),
        "runner_up" => boundary.runner_up.map_or(Datum::Absent(()), |(limit, _)| Datum::Word(limit.name().to_owned())),
        "runner_up_per_s" => boundary.runner_up.map_or(Datum::Absent(()), |(_, rate)| Datum::number(rate)),
        "verdict" => Datum::Word(solution.verdict.name().to_owned()),
        _ => of_summary(name, &solution.summary, solution.verdict),
    }
}

fn of_engine(name: &str, solution: &SimulatedSolution) -> Datum {
    if let Some((class, figure)) = name.strip_prefix("class.").and_then(|rest| rest.rsplit_once('.')) {
        return of_class(solution, class, figure);
    }
    let count = |value: u64| Datum::Number(value as f64);
    match name {
        "lambda_per_s" => Datum::number(solution.lambda_per_s),
        "verdict" => Datum::Word(solution.verdict.name().to_owned()),
        "arrived" => count(solution.requests.arrived),
        "completed" => count(solution.requests.completed),
        "rejected" => count(solution.requests.rejected),
        "in_system" => count(solution.requests.in_system),
        "preemptions" => count(solution.preemptions),
        "steps" => count(solution.steps),
        "end_time_s" => Datum::number(solution.end_time_s),
        _ => match solution.operations.quantities().into_iter().find(|(known, _)| *known == name) {
            Some((_, figure)) => Datum::figure(figure),
            None => of_summary(name, &solution.summary, solution.verdict),
        },
    }
}

fn of_class(solution: &SimulatedSolution, class: &str, figure: &str) -> Datum {
    let Some(found) = solution.operations.classes.iter().find(|found| found.name == class) else {
        return Datum::Absent(());
    };
    match figure {
        "completed" => Datum::Number(found.completed as f64),
        "ttft_s" => Datum::figure(found.ttft_s),
        "e2e_s" => Datum::figure(found.e2e_s),
        _ => Datum::figure(found.slo_attainment),
    }
}

/// A latency exists only where the system is not overloaded.
fn of_summary(name: &str, summary: &Summary, verdict: Verdict) -> Datum {
    let latency = ["ttft_s.", "tbt_s.", "e2e_s."].iter().any(|start| name.starts_with(start));
    if latency && verdict == Verdict::Overloaded {
        return Datum::Absent(());
    }
    Datum::figure(summary.quantities().into_iter().find(|(known, _)| known == name).and_then(|(_, figure)| figure))
}
