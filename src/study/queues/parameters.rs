//! Parameters of a model as words, from the command line or from TOML, and what they mean.

use std::collections::BTreeMap;

use super::catalogue::{Kind, Model, Parameter};
use super::class::Class;
use super::law;
use super::problem::QueueProblem;
use crate::queueing::Law;
use crate::scenario::nearest::nearest;

/// Values by name, as they were written. A name may have several, such as `class`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters {
    given: BTreeMap<String, Vec<String>>,
}

impl Parameters {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more value under `name`.
    #[must_use]
    pub fn with(mut self, name: &str, value: &(impl ToString + ?Sized)) -> Self {
        self.add(name, value);
        self
    }

    /// Adds a value under `name`, behind those that it has.
    pub fn add(&mut self, name: &str, value: &(impl ToString + ?Sized)) {
        self.given.entry(name.to_owned()).or_default().push(value.to_string());
    }

    /// Puts `value` in place of all that stands under `name`.
    pub fn set(&mut self, name: &str, value: &(impl ToString + ?Sized)) {
        self.given.insert(name.to_owned(), vec![value.to_string()]);
    }

    /// Names and values, in order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.given.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }
}

/// The parameters of one model, read on demand.
pub struct Values<'a> {
    model: &'a Model,
    parameters: &'a Parameters,
}

impl<'a> Values<'a> {
    /// Every name is one of the model's, and where one value is meant there is one.
    pub(super) fn new(model: &'a Model, parameters: &'a Parameters) -> Result<Self, QueueProblem> {
        for (name, values) in parameters.iter() {
            let Some(parameter) = model.parameter(name) else {
                let names: Vec<&str> = model.parameters.iter().map(|parameter| parameter.name).collect();
                let problem = format!("is not a parameter of `{}`", model.name);
                return Err(match nearest(name, names.iter().copied()) {
                    Some(near) => QueueProblem::at(name, problem, format!("did you mean `{near}`?")),
                    None => QueueProblem::at(name, problem, format!("it has {}", names.join(", "))),
                });
            };
            if values.len() > 1 && parameter.kind != Kind::Class {
                return Err(QueueProblem::at(name, format!("is given {} times", values.len()), "give it once"));
            }
        }
        Ok(Self { model, parameters })
    }

    /// Whether it was given, apart from its default.
    pub(super) fn has(&self, name: &str) -> bool {
        self.parameters.given.contains_key(name)
    }

    /// As it was written, or by default.
    pub(super) fn text(&self, name: &str) -> Result<&str, QueueProblem> {
        let given = self.parameters.given.get(name).and_then(|values| values.last()).map(String::as_str);
        let parameter = self.model.parameter(name);
        given.or(parameter.and_then(|parameter| parameter.default)).ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &str) -> QueueProblem {
        let what = self.model.parameter(name).map_or("", |parameter| parameter.help);
        QueueProblem::at(name, "is missing", format!("give {} ({})", an_example(self.model.parameter(name)), what))
    }

    /// A number within its kind's range.
    pub(super) fn number(&self, name: &str) -> Result<f64, QueueProblem> {
        let kind = self.model.parameter(name).map_or(Kind::Number, |parameter| parameter.kind);
        number_of(name, self.text(name)?, kind)
    }

    /// A number that need not be there.
    pub(super) fn number_if_any(&self, name: &str) -> Result<Option<f64>, QueueProblem> {
        if self.has(name) { self.number(name).map(Some) } else { Ok(None) }
    }

    /// A whole number.
    pub(super) fn whole(&self, name: &str) -> Result<u64, QueueProblem> {
        Ok(self.number(name)? as u64)
    }

    /// λ: given, or ρ times the rate at which the servers can work.
    pub(super) fn arrivals_per_s(&self, capacity_per_s: f64) -> Result<f64, QueueProblem> {
        match (self.has("lambda"), self.has("rho")) {
            (true, true) => Err(QueueProblem::at("rho", "stands beside `lambda`", "give one of the two")),
            (false, true) => Ok(self.number("rho")? * capacity_per_s),
            (true, false) => self.number("lambda"),
            (false, false) => {
                Err(QueueProblem::at("lambda", "is missing", "give the arrival rate, or the utilisation `rho`"))
            }
        }
    }

    /// The mean service time: given, or 1/μ.
    pub(super) fn mean_service_s(&self) -> Result<f64, QueueProblem> {
        match (self.has("mu"), self.has("mean")) {
            (true, true) => Err(QueueProblem::at("mean", "stands beside `mu`", "give one of the two")),
            (false, true) => self.number("mean"),
            _ => Ok(1.0 / self.number("mu")?),
        }
    }

    /// Refuses names that say again what `text` says.
    pub(super) fn none_of(&self, names: &[&str], text: &str) -> Result<(), QueueProblem> {
        names.iter().find(|name| self.has(name)).map_or(Ok(()), |name| {
            Err(QueueProblem::at(name, format!("stands beside `{text}`, which has a mean"), "leave it out"))
        })
    }

    /// The law of service, with its mean from `mean` or `mu`.
    pub(super) fn service(&self) -> Result<Law, QueueProblem> {
        let text = self.text("service")?;
        if law::has_its_own_mean(text) {
            self.none_of(&["mu", "mean"], text)?;
            return law::parse("service", text, 1.0);
        }
        law::parse("service", text, self.mean_service_s()?)
    }

    /// The probabilities at which quantiles are asked for.
    pub(super) fn quantiles(&self) -> Result<Vec<f64>, QueueProblem> {
        let list = self.list("quantiles")?;
        match list.iter().find(|p| !(**p > 0.0 && **p < 1.0)) {
            Some(p) => Err(QueueProblem::at("quantiles", format!("holds `{p}`"), "give probabilities between 0 and 1")),
            None => Ok(list),
        }
    }

    /// Numbers parted by commas, with or without brackets.
    pub(super) fn list(&self, name: &str) -> Result<Vec<f64>, QueueProblem> {
        list_of(name, self.text(name)?)
    }

    /// A matrix in rows, `[[a,b],[c,d]]`, every row as long as the first.
    pub(super) fn matrix(&self, name: &str) -> Result<Vec<Vec<f64>>, QueueProblem> {
        matrix_of(name, self.text(name)?)
    }

    /// The classes of customers, the most urgent first.
    pub(super) fn classes(&self) -> Result<Vec<Class>, QueueProblem> {
        let given = self.parameters.given.get("class").filter(|values| !values.is_empty());
        given.ok_or_else(|| self.missing("class"))?.iter().map(|text| Class::parse(text)).collect()
    }
}

fn an_example(parameter: Option<&Parameter>) -> &'static str {
    match parameter.map(|parameter| parameter.kind) {
        Some(Kind::Whole | Kind::Count) => "a whole number",
        Some(Kind::Law) => "a law such as `erlang:2`",
        Some(Kind::List) => "numbers such as `1,0.5`",
        Some(Kind::Matrix) => "a matrix such as `[[0,1],[0.5,0]]`",
        Some(Kind::Class) => "classes such as `rate=0.3 mean=0.5 law=exponential`, one by one",
        _ => "a number",
    }
}

/// The number that `text` writes, within the range of its kind.
pub(super) fn number_of(name: &str, text: &str, kind: Kind) -> Result<f64, QueueProblem> {
    let problem = || format!("is `{}`", text.trim());
    let value = match text.trim().parse::<f64>() {
        Ok(value) if value.is_finite() => value,
        _ => return Err(QueueProblem::at(name, problem(), "give a finite number")),
    };
    let (fits, remedy) = match kind {
        Kind::Positive => (value > 0.0, "give a number above 0"),
        Kind::NotNegative => (value >= 0.0, "give 0 or more"),
        Kind::Share => ((0.0..=1.0).contains(&value), "give a share from 0 to 1"),
        Kind::Whole => (value >= 1.0 && is_whole(value), "give a whole number from 1 to 1e9"),
        Kind::Count => (value >= 0.0 && is_whole(value), "give a whole number from 0 to 1e9"),
        _ => (true, ""),
    };
    if fits { Ok(value) } else { Err(QueueProblem::at(name, problem(), remedy)) }
}

fn is_whole(value: f64) -> bool {
    value.fract() == 0.0 && value <= 1e9
}

pub(super) fn list_of(name: &str, text: &str) -> Result<Vec<f64>, QueueProblem> {
    let bare = text.trim().trim_start_matches('[').trim_end_matches(']');
    bare.split(',')
        .map(|part| match part.trim().parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => Err(QueueProblem::at(name, format!("is `{text}`"), "give numbers parted by commas, such as `1,0.5`")),
        })
        .collect()
}

pub(super) fn matrix_of(name: &str, text: &str) -> Result<Vec<Vec<f64>>, QueueProblem> {
    let wrong = || QueueProblem::at(name, format!("is `{text}`"), "give equal rows, such as `[[0,1],[0.5,0]]`");
    let rows: Vec<Vec<f64>> = serde_json::from_str(text).map_err(|_| wrong())?;
    let width = rows.first().map_or(0, Vec::len);
    if width == 0 || rows.iter().any(|row| row.len() != width) {
        return Err(wrong());
    }
    Ok(rows)
}
