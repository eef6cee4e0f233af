//! What the formats of JSON lines share: one object on each line.

use serde::de::DeserializeOwned;

use super::collector::Collector;
use super::lines::Lines;
use crate::scenario::error::ScenarioError;
use crate::scenario::time::Time;

/// A kind of objects that are requests.
pub(super) trait Object: DeserializeOwned {
    /// What to give instead of a line that is none.
    const SHAPE: &'static str;

    /// Hands the request to the collector.
    ///
    /// # Errors
    /// What no request may have.
    fn add(self, collector: &mut Collector) -> Result<(), ScenarioError>;
}

/// Reads all lines, the first of which has been taken.
///
/// # Errors
/// Names the line and the key.
pub(super) fn read<Line: Object>(
    first: &(usize, String),
    lines: &mut Lines<'_>,
    collector: &mut Collector,
) -> Result<(), ScenarioError> {
    add::<Line>(first.0, &first.1, collector)?;
    while let Some((number, line)) = lines.next()? {
        if !line.trim().is_empty() {
            add::<Line>(number, line, collector)?;
        }
    }
    Ok(())
}

fn add<Line: Object>(number: usize, text: &str, collector: &mut Collector) -> Result<(), ScenarioError> {
    let line: Result<Line, ScenarioError> = serde_json::from_str(text).map_err(|error| {
        let problem = match error.classify() {
            serde_json::error::Category::Eof => "ends before its JSON object does".to_owned(),
            serde_json::error::Category::Syntax => format!("is not JSON: {error}"),
            _ => format!("is no request: {error}"),
        };
        ScenarioError::at("", problem, Line::SHAPE)
    });
    line.and_then(|line| line.add(collector)).map_err(|error| error.under(&format!("line {number}")))
}

/// The exact time of a JSON number in units of 10^`exponent` s.
pub(super) fn time(number: &serde_json::Number, exponent: i32) -> Option<Time> {
    let text = number.to_string();
    let (mantissa, own) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
    let exponent = own.parse::<i32>().ok()?.checked_add(exponent)?;
    Time::parse_seconds(&format!("{mantissa}e{exponent}"))
}
