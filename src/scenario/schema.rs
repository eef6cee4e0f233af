//! What a user may write: the keys of a scenario with their kinds. Input is held against it before it becomes a
//! [`Scenario`](super::Scenario), so that every message names the key, the value and what belongs there. A test keeps it
//! the same as the types.

use toml::{Table, Value};

use super::error::ScenarioError;
use super::nearest::nearest;

pub mod keys;

pub use keys::SCENARIO;

/// Whole numbers above this are not exact as a double.
const LARGEST_WHOLE: f64 = 9_007_199_254_740_992.0;

/// What may stand at a key.
#[derive(Debug)]
pub enum Shape {
    /// A string.
    Text,
    /// A whole number from 0.
    Whole,
    /// A number.
    Number,
    /// `true` or `false`.
    Flag,
    /// A list of whole numbers.
    Wholes,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// A table with these keys.
    Table(&'static [Field]),
    /// A list of tables with these keys.
    Tables(&'static [Field]),
    /// A table whose key `law` decides what the other keys are.
    Law(&'static [Variant]),
}

/// One key of a table.
#[derive(Debug)]
pub struct Field {
    /// The key.
    pub key: &'static str,
    /// What stands there.
    pub shape: &'static Shape,
    /// Whether the table needs it.
    pub required: bool,
}

/// One law with its parameters.
#[derive(Debug)]
pub struct Variant {
    /// The value of `law`.
    pub name: &'static str,
    /// The keys beside it.
    pub fields: &'static [Field],
}

impl Shape {
    /// Checks the value at `place` with everything inside it, and turns whole floats into integers and integers into
    /// floats where those belong.
    ///
    /// # Errors
    /// Names the first key that is unknown, missing or of the wrong kind.
    pub fn check(&self, value: &mut Value, place: &str) -> Result<(), ScenarioError> {
        match (self, &mut *value) {
            (Self::Text, Value::String(_)) | (Self::Number, Value::Float(_)) | (Self::Flag, Value::Boolean(_)) => {
                Ok(())
            }
            (Self::Whole, Value::Integer(number)) if *number >= 0 => Ok(()),
            (Self::Whole, Value::Float(number)) if number.fract() == 0.0 && (0.0..LARGEST_WHOLE).contains(number) => {
                *value = Value::Integer(*number as i64);
                Ok(())
            }
            (Self::Number, Value::Integer(number)) => {
                *value = Value::Float(*number as f64);
                Ok(())
            }
            (Self::Wholes, Value::Array(items)) => check_items(items, place, |item, at| Self::Whole.check(item, at)),
            (Self::Choice(words), Value::String(word)) => check_choice(words, word, place),
            (Self::Table(fields), Value::Table(table)) => check_table(fields, table, place),
            (Self::Tables(fields), Value::Array(items)) => {
                check_items(items, place, |item, at| Self::Table(fields).check(item, at))
            }
            (Self::Law(variants), Value::Table(table)) => check_law(variants, table, place),
            _ => Err(self.wrong_kind(value, place)),
        }
    }

    /// Whether other keys can stand below this one.
    pub fn is_compound(&self) -> bool {
        matches!(self, Self::Table(_) | Self::Tables(_) | Self::Law(_))
    }

    /// What belongs here, in words.
    fn expected(&self, place: &str) -> String {
        match self {
            Self::Text => "text in quotes".into(),
            Self::Whole => "a whole number, not negative".into(),
            Self::Number => "a number".into(),
            Self::Flag => "true or false".into(),
            Self::Wholes => "a list of whole numbers, such as [1, 2, 3]".into(),
            Self::Choice(words) => format!("one of {}", quoted(words.iter().copied())),
            Self::Table(fields) => format!("a table [{place}] with {}", quoted(fields.iter().map(|field| field.key))),
            Self::Tables(fields) => {
                format!("one [[{place}]] for each, with {}", quoted(fields.iter().map(|field| field.key)))
            }
            Self::Law(variants) => {
                format!("a table [{place}] with `law`, one of {}", quoted(variants.iter().map(|variant| variant.name)))
            }
        }
    }

    fn wrong_kind(&self, value: &Value, place: &str) -> ScenarioError {
        ScenarioError::at(place, format!("cannot be {}", describe(value)), format!("give {}", self.expected(place)))
    }
}

/// The keys that a table with one of these laws may have, `law` apart.
pub fn law_fields(variants: &'static [Variant]) -> impl Iterator<Item = &'static Field> {
    variants.iter().flat_map(|variant| variant.fields)
}

/// The error for a key that does not exist beside `allowed`.
pub fn unknown_key(place: &str, key: &str, allowed: &[&str]) -> ScenarioError {
    let meant = nearest(key, allowed.iter().copied()).map(str::to_owned).or_else(|| elsewhere(&SCENARIO, "", key));
    let hint = meant.map_or(String::new(), |meant| format!("did you mean `{meant}`? "));
    let keys = if allowed.is_empty() { "none".to_owned() } else { quoted(allowed.iter().copied()) };
    ScenarioError::at(&join(place, key), "is not a known key", format!("{hint}allowed keys here: {keys}"))
}

/// The full name of a key of that name outside lists.
fn elsewhere(shape: &'static Shape, place: &str, key: &str) -> Option<String> {
    let fields: Vec<&Field> = match shape {
        Shape::Table(fields) => fields.iter().collect(),
        Shape::Law(variants) => law_fields(variants).collect(),
        _ => Vec::new(),
    };
    fields.into_iter().find_map(|field| {
        let inner = join(place, field.key);
        if field.key == key { Some(inner) } else { elsewhere(field.shape, &inner, key) }
    })
}

/// `place.key`, or `key` alone at the top.
pub fn join(place: &str, key: &str) -> String {
    if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") }
}

/// Checks that a word is one of those allowed.
///
/// # Errors
/// Names the nearest one.
pub fn check_choice(words: &[&str], word: &str, place: &str) -> Result<(), ScenarioError> {
    if words.contains(&word) {
        return Ok(());
    }
    let hint = nearest(word, words.iter().copied()).map_or(String::new(), |near| format!("did you mean `{near}`? "));
    let remedy = format!("{hint}give one of {}", quoted(words.iter().copied()));
    Err(ScenarioError::at(place, format!("is `{}`", shorten(word)), remedy))
}

fn check_items(
    items: &mut [Value],
    place: &str,
    check: impl Fn(&mut Value, &str) -> Result<(), ScenarioError>,
) -> Result<(), ScenarioError> {
    items.iter_mut().enumerate().try_for_each(|(index, item)| check(item, &format!("{place}[{index}]")))
}

fn check_table(fields: &'static [Field], table: &mut Table, place: &str) -> Result<(), ScenarioError> {
    let allowed: Vec<&str> = fields.iter().map(|field| field.key).collect();
    if let Some(key) = table.keys().find(|key| !allowed.contains(&key.as_str())) {
        return Err(unknown_key(place, key, &allowed));
    }
    check_fields(fields, table, place)
}

fn check_fields(fields: &'static [Field], table: &mut Table, place: &str) -> Result<(), ScenarioError> {
    for field in fields {
        let inner = join(place, field.key);
        match table.get_mut(field.key) {
            Some(value) => field.shape.check(value, &inner)?,
            None if field.required => {
                let remedy = format!("give {}", field.shape.expected(&inner));
                return Err(ScenarioError::at(&inner, "is missing", remedy));
            }
            None => {}
        }
    }
    Ok(())
}

fn check_law(variants: &'static [Variant], table: &mut Table, place: &str) -> Result<(), ScenarioError> {
    let selector = join(place, "law");
    let names: Vec<&str> = variants.iter().map(|variant| variant.name).collect();
    let law = match table.get("law") {
        Some(Value::String(law)) => law.clone(),
        other => {
            let problem = other.map_or("is missing".to_owned(), |value| format!("cannot be {}", describe(value)));
            return Err(ScenarioError::at(
                &selector,
                problem,
                format!("give one of {}", quoted(names.iter().copied())),
            ));
        }
    };
    check_choice(&names, &law, &selector)?;
    let fields = variants.iter().find(|variant| variant.name == law).map_or(&[][..], |variant| variant.fields);
    let mut allowed = vec!["law"];
    allowed.extend(fields.iter().map(|field| field.key));
    if let Some(key) = table.keys().find(|key| !allowed.contains(&key.as_str())) {
        return Err(unknown_law_key(variants, &law, place, key, &allowed));
    }
    check_fields(fields, table, place)
}

/// A key that another law has is told apart from one that none has.
fn unknown_law_key(variants: &[Variant], law: &str, place: &str, key: &str, allowed: &[&str]) -> ScenarioError {
    let owners = variants.iter().filter(|variant| variant.fields.iter().any(|field| field.key == key));
    let owners: Vec<&str> = owners.map(|variant| variant.name).collect();
    if owners.is_empty() {
        return unknown_key(place, key, allowed);
    }
    ScenarioError::at(
        &join(place, key),
        format!("is not a key of the law `{law}`"),
        format!(
            "remove it, or set law to {}; keys of `{law}`: {}",
            quoted_or(&owners),
            quoted(allowed.iter().copied())
        ),
    )
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn quoted_or(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
}

/// A value with its kind, for messages.
fn describe(value: &Value) -> String {
    match value {
        Value::String(text) => format!("the text `{}`", shorten(text)),
        Value::Integer(number) => format!("`{number}`"),
        Value::Float(number) => format!("`{number}`"),
        Value::Boolean(flag) => format!("`{flag}`"),
        Value::Datetime(date) => format!("the date `{date}`"),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Table(_) => "a table".into(),
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= 80 { text.to_owned() } else { text.chars().take(80).chain("…".chars()).collect() }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::keys::*;
    use super::*;
    use crate::scenario::{
        Admission, ArrivalLaw, ArrivalState, BatchSizes, Batching, BudgetCounts, Class, Cluster, Contention, Engine,
        FirstToken, Group, Instance, LengthLaw, Link, MixedCost, Mixing, MixturePart, Order, Packing, Policy,
        Prediction, Preemption, PrefillPool, Priority, Prompts, RateShape, RateStep, Routing, Scenario, SequenceLimit,
        Sight, Slo, StepNoise, StepTimeLaw, TraceMode, TraceSource, Transfer, Trigger, Victim, Workload,
    };

    /// A value that fits a shape.
    fn sample(shape: &Shape) -> Value {
        match shape {
            Shape::Text => "a".into(),
            Shape::Whole => 7.into(),
            Shape::Number => 1.5.into(),
            Shape::Flag => true.into(),
            Shape::Wholes => vec![1, 2].into(),
            Shape::Choice(words) => words[0].into(),
            Shape::Table(fields) => sample_table(fields).into(),
            Shape::Tables(fields) => vec![Value::Table(sample_table(fields))].into(),
            Shape::Law(variants) => sample_law(&variants[0]).into(),
        }
    }

    fn sample_table(fields: &[Field]) -> Table {
        fields.iter().map(|field| (field.key.to_owned(), sample(field.shape))).collect()
    }

    fn sample_law(variant: &Variant) -> Table {
        let mut table = sample_table(variant.fields);
        table.insert("law".into(), variant.name.into());
        table
    }

    /// The names that serde lists as allowed.
    fn listed(error: &toml::de::Error) -> Vec<String> {
        let message = error.message().lines().next().unwrap().to_owned();
        let names = message.split_once("expected").map_or("", |(_, names)| names).to_owned();
        names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    fn agree<'de, T: Deserialize<'de> + std::fmt::Debug>(fields: &[Field], table: Table) {
        T::deserialize(table.clone()).unwrap();
        let mut table = table;
        table.insert("zzz".into(), 1.into());
        let allowed: Vec<&str> = fields.iter().map(|field| field.key).collect();
        assert_eq!(listed(&T::deserialize(table.clone()).unwrap_err()), allowed);
        table.remove("zzz");
        for field in fields {
            let mut without = table.clone();
            without.remove(field.key);
            assert_eq!(T::deserialize(without).is_err(), field.required, "{}", field.key);
        }
    }

    fn agree_table<'de, T: Deserialize<'de> + std::fmt::Debug>(shape: &Shape) {
        let (Shape::Table(fields) | Shape::Tables(fields)) = shape else { panic!("not a table") };
        agree::<T>(fields, sample_table(fields));
    }

    fn agree_law<'de, T: Deserialize<'de> + std::fmt::Debug>(shape: &Shape) {
        let Shape::Law(variants) = shape else { panic!("not a law") };
        for variant in *variants {
            match variant.fields {
                // Of a law without parameters serde lets any key pass; the schema does not.
                [] => drop(T::deserialize(sample_law(variant)).unwrap()),
                fields => agree::<T>(fields, sample_law(variant)),
            }
        }
        let none = Table::from_iter([("law".to_owned(), Value::from("zzz"))]);
        let names: Vec<&str> = variants.iter().map(|variant| variant.name).collect();
        assert_eq!(listed(&T::deserialize(none).unwrap_err()), names);
    }

    fn agree_choice<'de, T: Deserialize<'de> + std::fmt::Debug>(shape: &Shape) {
        let Shape::Choice(words) = shape else { panic!("not a choice") };
        assert_eq!(listed(&T::deserialize(Value::from("zzz")).unwrap_err()), *words);
    }

    #[test]
    fn the_schema_is_that_of_the_types() {
        agree_table::<Scenario>(&SCENARIO);
        agree_table::<Workload>(&WORKLOAD);
        agree_table::<Class>(&CLASSES);
        agree_table::<TraceSource>(&TRACE);
        agree_table::<MixturePart>(&MIXTURE_PARTS);
        agree_table::<Instance>(&INSTANCE);
        agree_table::<Policy>(&POLICY);
        agree_table::<Batching>(&BATCHING);
        agree_table::<Slo>(&SLO);
        agree_table::<Cluster>(&CLUSTER);
        agree_table::<Group>(&GROUPS);
        agree_table::<PrefillPool>(&PREFILL_POOL);
        agree_table::<Link>(&LINK);
        agree_law::<Prediction>(&PREDICTION);
        agree_choice::<Mixing>(&MIXING);
        agree_choice::<Priority>(&PRIORITY);
        agree_choice::<Prompts>(&PROMPTS);
        agree_choice::<Packing>(&PACKING);
        agree_choice::<SequenceLimit>(&SEQUENCE_LIMIT);
        agree_choice::<MixedCost>(&MIXED_COST);
        agree_choice::<FirstToken>(&FIRST_TOKEN);
        agree_choice::<BudgetCounts>(&BUDGET_COUNTS);
        agree_choice::<Order>(&ORDER);
        agree_choice::<Trigger>(&TRIGGER);
        agree_choice::<Victim>(&VICTIM);
        agree_choice::<Transfer>(&TRANSFER);
        agree_choice::<Sight>(&SIGHT);
        agree_choice::<Routing>(&ROUTING);
        agree_choice::<Contention>(&CONTENTION);
        agree_law::<RateShape>(&RATE_SHAPE);
        agree_table::<RateStep>(&RATE_STEPS);
        agree_law::<ArrivalLaw>(&ARRIVALS);
        agree_table::<ArrivalState>(&ARRIVAL_STATES);
        agree_choice::<BatchSizes>(&BATCH_SIZES);
        agree_law::<LengthLaw>(&LENGTH);
        agree_law::<StepTimeLaw>(&STEP_TIME);
        agree_choice::<Engine>(&ENGINE);
        agree_choice::<Admission>(&ADMISSION);
        agree_choice::<Preemption>(&PREEMPTION);
        agree_choice::<StepNoise>(&STEP_NOISE);
        agree_choice::<TraceMode>(&TRACE_MODE);
    }
}
