//! Measured iteration times: a CSV with the columns `tokens` and `seconds`, and `context_tokens` where attention was in the
//! measurement.

use std::collections::{BTreeMap, BTreeSet};

use super::error::ScenarioError;
use super::step_time::{CurvePoint, StepTimeLaw};

/// A profile, in ascending order of tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Seconds without context.
    pub points: Vec<CurvePoint>,
    /// Seconds per KV token of context: the common slope of the rows with the same tokens, by least squares.
    pub per_context_token_s: f64,
}

impl Profile {
    /// The law that goes through its points.
    #[must_use]
    pub fn law(self) -> StepTimeLaw {
        StepTimeLaw::Curve {
            points: self.points,
            per_context_token_s: self.per_context_token_s,
            per_prefill_pair_s: 0.0,
        }
    }
}

const COLUMNS: &str = "write a header with the columns tokens and seconds, and context_tokens where it was varied";

/// The profile of a CSV text. A byte order mark, CRLF, blank lines, spaces around values and any order of rows or columns are fine; further
/// columns are ignored.
///
/// # Errors
/// Missing columns, values that are no positive numbers, points measured twice, fewer than two.
pub fn read(text: &str) -> Result<Profile, ScenarioError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|problem| at_line(1, problem.to_string(), COLUMNS))?.clone();
    let column = |name: &str| header.iter().position(|title| title == name);
    let (Some(tokens), Some(seconds)) = (column("tokens"), column("seconds")) else {
        let missing = if column("tokens").is_none() { "tokens" } else { "seconds" };
        return Err(at_line(1, format!("has no column `{missing}`"), COLUMNS));
    };
    let context = column("context_tokens");
    let (mut rows, mut seen) = (BTreeMap::<u64, Vec<(f64, f64)>>::new(), BTreeSet::new());
    for record in reader.records() {
        let record = record.map_err(|problem| {
            let line = problem.position().map_or(0, csv::Position::line);
            at_line(line, "does not have as many values as the header", "give one value per column")
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let whole = |column: usize, least: u64| whole(&record[column], least, &header[column], line);
        let (tokens, time) = (whole(tokens, 1)?, number(&record[seconds], line)?);
        let context = context.map_or(Ok(0), |column| whole(column, 0))?;
        if !seen.insert((tokens, context)) {
            let problem = format!("measures {tokens} tokens with {context} of context a second time");
            return Err(at_line(line, problem, "keep one row of each, such as their median"));
        }
        rows.entry(tokens).or_default().push((context as f64, time));
    }
    if rows.len() < 2 {
        let problem = format!("measures {} numbers of tokens", rows.len());
        return Err(ScenarioError::at("tokens", problem, "measure two or more: a line needs two points"));
    }
    let slope = if context.is_some() { context_slope(&rows)? } else { 0.0 };
    let point = |(&tokens, row): (&u64, &Vec<(f64, f64)>)| {
        let (context, time) = means(row);
        CurvePoint { tokens, seconds: time - slope * context }
    };
    Ok(Profile { points: rows.iter().map(point).collect(), per_context_token_s: slope })
}

/// The slope common to all rows with the same tokens.
fn context_slope(rows: &BTreeMap<u64, Vec<(f64, f64)>>) -> Result<f64, ScenarioError> {
    let (mut products, mut squares) = (0.0, 0.0);
    for row in rows.values() {
        let (context, time) = means(row);
        products += row.iter().map(|(c, t)| (c - context) * (t - time)).sum::<f64>();
        squares += row.iter().map(|(c, _)| (c - context).powi(2)).sum::<f64>();
    }
    if squares > 0.0 && products >= 0.0 {
        return Ok(products / squares);
    }
    let (problem, remedy) = if squares == 0.0 {
        ("never varies at the same tokens", "measure some tokens with two or more contexts, or remove the column")
    } else {
        ("makes iterations shorter", "measure again, or remove the column")
    };
    Err(ScenarioError::at("context_tokens", problem, remedy))
}

fn means(row: &[(f64, f64)]) -> (f64, f64) {
    let count = row.len() as f64;
    (row.iter().map(|(c, _)| c).sum::<f64>() / count, row.iter().map(|(_, t)| t).sum::<f64>() / count)
}

fn whole(text: &str, least: u64, column: &str, line: u64) -> Result<u64, ScenarioError> {
    let value = text.parse::<f64>().ok().filter(|value| value.fract() == 0.0 && (least as f64..=1e9).contains(value));
    value.map(|value| value as u64).ok_or_else(|| {
        let problem = format!("has `{text}` in the column {column}");
        at_line(line, problem, &format!("give a whole number from {least} to 1e9"))
    })
}

fn number(text: &str, line: u64) -> Result<f64, ScenarioError> {
    let value = text.parse::<f64>().ok().filter(|value| *value >= 1e-15 && *value <= 1e6);
    let problem = || at_line(line, format!("has `{text}` in the column seconds"), "give seconds from 1e-15 to 1e6");
    value.ok_or_else(problem)
}

fn at_line(line: u64, problem: impl Into<String>, remedy: &str) -> ScenarioError {
    ScenarioError::at(&format!("line {line}"), problem, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    fn points(profile: &Profile) -> Vec<(u64, f64)> {
        profile.points.iter().map(|point| (point.tokens, point.seconds)).collect()
    }

    #[test]
    fn forms_that_mean_the_same() {
        let plain = read("tokens,seconds\n1,0.010\n64,0.012\n").unwrap();
        assert_eq!(points(&plain), [(1, 0.010), (64, 0.012)]);
        for text in [
            "\u{feff}tokens,seconds\r\n1,0.010\r\n64,0.012",
            "seconds, tokens\n0.012, 64\n\n1e-2, 1\n",
            "gpu,tokens,seconds\na,64.0,.012\nb,1,.01\n",
        ] {
            assert_eq!(read(text).unwrap(), plain, "{text}");
        }
    }

    #[test]
    fn context_is_told_from_tokens() {
        let mut text = "tokens,context_tokens,seconds\n".to_owned();
        for (tokens, context) in [(1, 100), (1, 5000), (64, 0), (64, 9000), (256, 70)] {
            let seconds = 0.01 + 1e-4 * f64::from(tokens) + 1e-7 * f64::from(context);
            text = format!("{text}{tokens},{context},{seconds}\n");
        }
        let profile = read(&text).unwrap();
        assert_relative_eq!(profile.per_context_token_s, 1e-7, max_relative = 1e-9);
        for (tokens, seconds) in points(&profile) {
            assert_relative_eq!(seconds, 0.01 + 1e-4 * tokens as f64, max_relative = 1e-9);
        }
    }

    #[test]
    fn bad_profiles_are_one_clear_error() {
        for (text, key, part) in [
            ("", "line 1", "no column `tokens`"),
            ("tokens,time\n1,2\n", "line 1", "no column `seconds`"),
            ("tokens,seconds\n", "tokens", "0 numbers of tokens"),
            ("tokens,seconds\n1,2\n", "tokens", "1 numbers of tokens"),
            ("tokens,seconds\n1,2\n2,-3\n", "line 3", "`-3` in the column seconds"),
            ("tokens,seconds\n1,2\n2,nan\n", "line 3", "`nan`"),
            ("tokens,seconds\n1,0\n2,1\n", "line 2", "`0`"),
            ("tokens,seconds\n1.5,2\n2,3\n", "line 2", "`1.5` in the column tokens"),
            ("tokens,seconds\n0,2\n2,3\n", "line 2", "from 1"),
            ("tokens,seconds\n1,2\n1,3\n", "line 3", "a second time"),
            ("tokens,seconds\n1,2\n2\n", "line 3", "as many values"),
            ("tokens,seconds,context_tokens\n1,2,5\n2,3,9\n", "context_tokens", "never varies"),
            ("tokens,seconds,context_tokens\n1,2,5\n1,1,9\n2,3,9\n", "context_tokens", "shorter"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.key, key, "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
