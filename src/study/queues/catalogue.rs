//! Every model of the queueing library by name: what it is, what it needs, what it says.
//!
//! A family of models is a file in `families`; a model is one entry there: words, parameters, one function from parameters to an
//! answer, and one that prepares a plain simulation. The command line, its help and the validation are made from these entries.

use std::sync::LazyLock;

use super::answer::Answer;
use super::families;
use super::parameters::{Parameters, Values};
use super::plain::Trial;
use super::problem::QueueProblem;
use crate::scenario::nearest::nearest;

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any number.
    Number,
    /// A number above 0.
    Positive,
    /// A number of at least 0.
    NotNegative,
    /// A number from 0 to 1.
    Share,
    /// A whole number of at least 1.
    Whole,
    /// A whole number of at least 0.
    Count,
    /// Numbers parted by commas.
    List,
    /// Rows of numbers, `[[a,b],[c,d]]`.
    Matrix,
    /// A law of a positive time, such as `erlang:2`.
    Law,
    /// A class of customers, such as `rate=0.3 mean=0.5 law=exponential`; given once for each class.
    Class,
    /// Words with a form of their own, told in the help.
    Words,
}

impl Kind {
    /// Whether it is one number, which may run over a range.
    pub fn is_number(self) -> bool {
        matches!(self, Self::Number | Self::Positive | Self::NotNegative | Self::Share | Self::Whole | Self::Count)
    }

    /// The word for a value in a help text.
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Whole | Self::Count => "N",
            Self::List => "LIST",
            Self::Matrix => "MATRIX",
            Self::Law => "LAW",
            Self::Class => "CLASS",
            Self::Words => "WORDS",
            _ => "NUMBER",
        }
    }
}

/// One parameter of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name: `--NAME` on the command line.
    pub name: &'static str,
    /// Its unit; empty for none.
    pub unit: &'static str,
    /// What it is.
    pub help: &'static str,
    /// Its value unless given.
    pub default: Option<&'static str>,
    /// What it may be.
    pub kind: Kind,
}

/// One model.
pub struct Model {
    /// Its name: `fluidsim queue NAME`.
    pub name: &'static str,
    /// The models that it stands beside.
    pub family: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// Where its formulas come from.
    pub reference: &'static str,
    /// What it needs.
    pub parameters: &'static [Parameter],
    /// Options of an example, as behind `fluidsim queue NAME`.
    pub example: &'static str,
    pub(super) answer: fn(&Values<'_>) -> Result<Answer, QueueProblem>,
    pub(super) simulation: Option<Prepare>,
}

/// From parameters to a plain simulation.
pub(super) type Prepare = fn(&Values<'_>) -> Result<Trial, QueueProblem>;

impl Model {
    /// The parameter of that name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// What the model says.
    ///
    /// # Errors
    /// A parameter that is missing, unknown or out of range; [`QueueProblem::Unstable`] where the queue grows without end.
    pub fn answer(&self, parameters: &Parameters) -> Result<Answer, QueueProblem> {
        (self.answer)(&Values::new(self, parameters)?)
    }

    /// Whether a plain simulation can stand beside the answer.
    pub fn can_be_simulated(&self) -> bool {
        self.simulation.is_some()
    }
}

static MODELS: LazyLock<Vec<&'static Model>> = LazyLock::new(|| families::all().collect());

/// Every model, family by family.
pub fn models() -> &'static [&'static Model] {
    &MODELS
}

/// The model of that name.
///
/// # Errors
/// [`QueueProblem::Model`] with the nearest name.
pub fn named(name: &str) -> Result<&'static Model, QueueProblem> {
    let found = models().iter().find(|model| model.name == name);
    found.copied().ok_or_else(|| {
        let near = nearest(name, models().iter().map(|model| model.name));
        let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        QueueProblem::Model { name: name.to_owned(), hint }
    })
}

/// What the model of that name says.
///
/// # Errors
/// As [`named`] and [`Model::answer`].
pub fn answer(name: &str, parameters: &Parameters) -> Result<Answer, QueueProblem> {
    named(name)?.answer(parameters)
}
