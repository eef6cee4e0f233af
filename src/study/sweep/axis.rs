//! One swept key: its values in order, or the interval that a sample is drawn from.

use serde::{Deserialize, Serialize};

use super::MAX_POINTS;
use super::quantity::number_cell;
use crate::answer::table::Cell;
use crate::scenario::ScenarioError;
use crate::scenario::overrides::Override;

/// Significant digits of a swept number at most.
const SETTING_DIGITS: usize = 6;

/// What an axis is at one point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// A number.
    Number(f64),
    /// A word, such as the name of a rule.
    Word(String),
}

impl Setting {
    /// The setting as it is read: what is a finite number is one.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Self::Number(value),
            _ => Self::Word(text.to_owned()),
        }
    }

    /// The setting as it is written.
    pub fn shown(&self) -> String {
        match self {
            Self::Number(value) => value.to_string(),
            Self::Word(word) => word.clone(),
        }
    }

    /// The cell of a table that shows it.
    pub fn cell(&self) -> Cell {
        match self {
            Self::Number(value) => number_cell(*value, digits_of(*value).min(SETTING_DIGITS)),
            Self::Word(word) => Cell::text(word),
        }
    }

    /// Its number; none of a word.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(*value),
            Self::Word(_) => None,
        }
    }
}

/// How many significant digits a number is written with.
fn digits_of(value: f64) -> usize {
    let mantissa = format!("{value:e}");
    mantissa.split('e').next().unwrap_or_default().chars().filter(char::is_ascii_digit).count()
}

/// One value of an axis and what it changes in the scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// What tables and plots call it.
    pub value: Setting,
    /// `(KEY, VALUE)` of every key that it sets, as in `--set`. `load` stands for λ as a share of λ*.
    pub sets: Vec<(String, String)>,
}

/// One swept key, or a name for bundles of keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// Its key, such as `instance.kv_tokens`, or the name of the bundle, such as `policy`.
    pub key: String,
    /// Its values in order; of an interval none.
    pub choices: Vec<Choice>,
    /// The interval of a sampled axis.
    pub interval: Option<Interval>,
}

/// Where the values of a sampled axis lie.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Whether the logarithm is uniform.
    pub log: bool,
    /// Whether values are whole, both ends included.
    pub whole: bool,
}

impl Interval {
    /// The value at the share `unit` of the interval, 0 ≤ `unit` < 1.
    pub fn at(&self, unit: f64) -> f64 {
        let high = if self.whole { self.high + 1.0 } else { self.high };
        let value =
            if self.log { self.low * (high / self.low).powf(unit) } else { self.low + (high - self.low) * unit };
        if self.whole { value.floor().min(self.high) } else { value }
    }
}

const REMEDY: &str = "write KEY=V1,V2,…, KEY=FROM:TO:STEP, KEY=log:FROM:TO:COUNT, or for a sample KEY=LOW..HIGH; int: before a range for whole numbers";

impl Axis {
    /// An axis over one key.
    pub fn over(key: &str, values: Vec<Setting>) -> Self {
        let choice = |value: Setting| Choice { sets: vec![(key.to_owned(), value.shown())], value };
        Self { key: key.to_owned(), choices: values.into_iter().map(choice).collect(), interval: None }
    }

    /// An axis over numbers.
    pub fn numbers(key: &str, values: &[f64]) -> Self {
        Self::over(key, values.iter().map(|&value| Setting::Number(value)).collect())
    }

    /// An axis over words.
    pub fn words(key: &str, values: &[&str]) -> Self {
        Self::over(key, values.iter().map(|&value| Setting::Word(value.to_owned())).collect())
    }

    /// An axis whose every value sets several keys: `(label, [(key, value), …])`.
    pub fn bundles(name: &str, bundles: &[(&str, Vec<(&str, String)>)]) -> Self {
        let choice = |(label, sets): &(&str, Vec<(&str, String)>)| Choice {
            value: Setting::Word((*label).to_owned()),
            sets: sets.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect(),
        };
        Self { key: name.to_owned(), choices: bundles.iter().map(choice).collect(), interval: None }
    }

    /// Reads `KEY=V1,V2,…` (numbers or words), `KEY=FROM:TO:STEP`, `KEY=log:FROM:TO:COUNT` (all with both ends), or the interval of a
    /// sample `KEY=LOW..HIGH`, with `log:` before it for a uniform logarithm. `int:` before any range rounds to whole numbers.
    ///
    /// # Errors
    /// Says what cannot be read, or that there is no value.
    pub fn parse(option: &str, text: &str) -> Result<Self, ScenarioError> {
        let wrong = |problem: String| ScenarioError::at(text, problem, REMEDY).in_file(option);
        let (key, range) = text.split_once('=').ok_or_else(|| wrong("has no `=`".to_owned()))?;
        let key = key.trim();
        if key.is_empty() || range.trim().is_empty() {
            return Err(wrong("has no key or no value".to_owned()));
        }
        if range.contains("..") && !range.contains(['{', '"', ',']) {
            let interval = interval(range).map_err(wrong)?;
            return Ok(Self { key: key.to_owned(), choices: Vec::new(), interval: Some(interval) });
        }
        Ok(Self::over(key, settings(range).map_err(wrong)?))
    }
}

/// What a range holds: numbers in order, or a list of numbers and words.
fn settings(range: &str) -> Result<Vec<Setting>, String> {
    if let Some(range) = range.strip_prefix("int:") {
        let mut whole: Vec<f64> = numbers(range)?.into_iter().map(f64::round).collect();
        whole.dedup();
        return Ok(whole.into_iter().map(Setting::Number).collect());
    }
    let ranged = range.starts_with("log:") || range.split(':').count() == 3 && !range.contains(['{', '"', ',']);
    if ranged {
        return Ok(numbers(range)?.into_iter().map(Setting::Number).collect());
    }
    let values: Vec<Setting> = members(range).iter().map(|part| Setting::parse(part)).collect();
    // What begins as a range is meant as one.
    if let [Setting::Word(word)] = &values[..]
        && word.split_once(':').is_some_and(|(from, _)| number(from).is_ok())
    {
        return numbers(range).map(|_| values);
    }
    if values.contains(&Setting::Word(String::new())) {
        return Err(format!("`{range}` has an empty value"));
    }
    Ok(values)
}

/// The members of a list, parted by commas outside brackets, braces and quotes.
fn members(list: &str) -> Vec<String> {
    let (mut depth, mut quoted) = (0_i32, false);
    let mut parts = vec![String::new()];
    for letter in list.chars() {
        match letter {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth -= 1,
            _ => {}
        }
        if letter == ',' && depth == 0 && !quoted {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).collect()
}

fn number(part: &str) -> Result<f64, String> {
    match part.trim().parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(format!("`{part}` is not a number")),
    }
}

fn interval(range: &str) -> Result<Interval, String> {
    let (mut text, mut log, mut whole) = (range.trim(), false, false);
    loop {
        match text.split_once(':') {
            Some(("log", rest)) => (text, log) = (rest, true),
            Some(("int", rest)) => (text, whole) = (rest, true),
            _ => break,
        }
    }
    let (low, high) = text.split_once("..").ok_or_else(|| format!("`{range}` is not LOW..HIGH"))?;
    let (low, high) = (number(low)?, number(high)?);
    if low >= high {
        return Err(format!("`{range}` holds no values"));
    }
    if log && low <= 0.0 {
        return Err(format!("`{range}` has no logarithm at its lower end"));
    }
    if whole && (low.fract() != 0.0 || high.fract() != 0.0) {
        return Err(format!("`{range}` does not end at whole numbers"));
    }
    Ok(Interval { low, high, log, whole })
}

/// Numbers in order: `FROM:TO:STEP` with both ends, `log:FROM:TO:COUNT` with equal ratios, or `V1,V2,…`.
///
/// # Errors
/// Says what cannot be read, or that there is none.
pub fn numbers(range: &str) -> Result<Vec<f64>, String> {
    let empty = || format!("`{range}` holds no values, or more than {MAX_POINTS}");
    let parts: Vec<&str> = range.split(':').collect();
    match parts[..] {
        ["log", from, to, count] => log_grid(number(from)?, number(to)?, number(count)?).ok_or_else(empty),
        [from, to, step] => grid(number(from)?, number(to)?, number(step)?).ok_or_else(empty),
        [list] => list.split(',').map(number).collect(),
        _ => Err(format!("`{range}` is not FROM:TO:STEP")),
    }
}

/// from, from + step, … up to `to`, with half a millionth of a step of slack for rounding.
fn grid(from: f64, to: f64, step: f64) -> Option<Vec<f64>> {
    let steps = (to - from) / step;
    if !steps.is_finite() || steps < -1e-9 || steps > MAX_POINTS as f64 {
        return None;
    }
    Some((0..=(steps + 5e-7).floor() as usize).map(|index| round_off(from + step * index as f64)).collect())
}

/// `count` numbers of equal ratios, both ends as given.
fn log_grid(from: f64, to: f64, count: f64) -> Option<Vec<f64>> {
    let ratio = to / from;
    if !(ratio.is_finite() && ratio > 0.0 && (2.0..=MAX_POINTS as f64).contains(&count) && count.fract() == 0.0) {
        return None;
    }
    let last = count as usize - 1;
    let at = |index: usize| match index {
        0 => from,
        _ if index == last => to,
        _ => round_off(from * ratio.powf(index as f64 / last as f64)),
    };
    Some((0..=last).map(at).collect())
}

/// Drops the last digits that adding decimal steps in binary leaves.
pub(super) fn round_off(value: f64) -> f64 {
    format!("{value:.12e}").parse().unwrap_or(value)
}

/// What `sets` changes, apart from `load`, with the origin that messages name.
pub(super) fn overrides(option: &str, sets: &[(String, String)]) -> Result<Vec<Override>, ScenarioError> {
    let plain = sets.iter().filter(|(key, _)| key != super::LOAD);
    plain
        .map(|(key, value)| {
            let origin = format!("{option} {key}={value}");
            let mut change = Override::parse(&format!("{}={value}", full_key(key)))?;
            change.origin = origin;
            Ok(change)
        })
        .collect()
}

/// `gpu` and `model` are short for the keys of `[hardware]`, as the options of these names are.
fn full_key(key: &str) -> &str {
    match key {
        "gpu" => "hardware.gpu",
        "model" => "hardware.model",
        "tp" => "hardware.tp",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        Axis::parse("--over", text).unwrap().choices.iter().map(|choice| choice.value.shown()).collect()
    }

    #[test]
    fn ranges_include_both_ends_and_lists_keep_their_order() {
        assert_eq!(values("instance.kv_tokens=20000:60000:20000"), ["20000", "40000", "60000"]);
        assert_eq!(values("lambda=.1:.3:.1"), ["0.1", "0.2", "0.3"]);
        assert_eq!(values("a=3,1"), ["3", "1"]);
        assert_eq!(values("a=9:1:-4"), ["9", "5", "1"]);
        assert_eq!(values("a=log:1:1000:4"), ["1", "10", "100", "1000"]);
        assert_eq!(values("a=int:log:1:4:5"), ["1", "2", "3", "4"]);
        assert_eq!(values("policy.engine=orca, sarathi,vllm-v1"), ["orca", "sarathi", "vllm-v1"]);
        assert_eq!(values("a={law=\"constant\", tokens=5},none"), ["{law=\"constant\", tokens=5}", "none"]);
    }

    #[test]
    fn intervals_have_a_measure() {
        let of = |text: &str| Axis::parse("--over", text).unwrap().interval.unwrap();
        assert_eq!(of("a=1..3").at(0.25), 1.5);
        assert!((of("a=log:1..100").at(0.5) - 10.0).abs() < 1e-12);
        let die = of("a=int:1..6");
        assert_eq!([0.0, 0.16, 0.17, 0.99].map(|unit| die.at(unit)), [1.0, 1.0, 2.0, 6.0]);
        assert_eq!(of("a=log:int:1..4"), Interval { low: 1.0, high: 4.0, log: true, whole: true });
    }

    #[test]
    fn unreadable_ranges_name_the_problem() {
        let wrong = ["kv", "a=1:2:0", "a=2:1:1", "a=1:nan:1", "a=", "=1", "a=1,,2", "a=1:2", "a=2..1", "a=log:0..1"];
        for text in wrong.into_iter().chain(["a=log:1:2:1", "a=int:0.5..2", "a=1..x"]) {
            let error = Axis::parse("--over", text).unwrap_err();
            assert!(error.to_string().contains("--over") && !error.remedy.is_empty(), "{text}");
        }
    }
}
