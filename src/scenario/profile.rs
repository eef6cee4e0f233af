//! Measured iteration times: a CSV with the columns `tokens` and `seconds`, and `context_tokens` where attention was in the
//! measurement; or `prefill_tokens`, `decode_sequences`, `context_tokens`, `seconds`, and `prefill_pairs` where prompts were measured, as
//! `validation/measure/step_times.py` writes.

use std::collections::{BTreeMap, BTreeSet};

use super::error::ScenarioError;
use super::step_time::{CurvePoint, StepTimeLaw};

/// A profile, in ascending order of tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Seconds without attention.
    pub points: Vec<CurvePoint>,
    /// Seconds per KV token of context: the common slope of the rows with the same tokens, by least squares of relative errors.
    pub per_context_token_s: f64,
    /// The same per pair of a prompt token and a token before or at it.
    pub per_prefill_pair_s: f64,
}

impl Profile {
    /// The law that goes through its points.
    #[must_use]
    pub fn law(self) -> StepTimeLaw {
        StepTimeLaw::Curve {
            points: self.points,
            per_context_token_s: self.per_context_token_s,
            per_prefill_pair_s: self.per_prefill_pair_s,
        }
    }
}

const COLUMNS: &str = "write a header with the columns tokens and seconds, and context_tokens where it was varied";
const LONG: [&str; 3] = ["prefill_tokens", "decode_sequences", "context_tokens"];

/// One measured iteration beside others of as many tokens.
#[derive(Debug, Clone, Copy)]
struct Row {
    context: f64,
    pairs: f64,
    seconds: f64,
}

impl Row {
    /// Of relative errors.
    fn weight(&self) -> f64 {
        1.0 / (self.seconds * self.seconds)
    }
}

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
    let missing = |name: &str| at_line(1, format!("has no column `{name}`"), COLUMNS);
    let long = column("tokens").is_none() && column(LONG[0]).is_some();
    let counted: Vec<&str> = if long { LONG[..2].to_vec() } else { vec!["tokens"] };
    let counted = counted.into_iter().map(|name| column(name).ok_or_else(|| missing(name)));
    let counted = counted.collect::<Result<Vec<usize>, _>>()?;
    let seconds = column("seconds").ok_or_else(|| missing("seconds"))?;
    let (context, pairs) = (column(LONG[2]), column("prefill_pairs").filter(|_| long));
    if long && context.is_none() {
        return Err(missing(LONG[2]));
    }
    let (mut rows, mut seen) = (BTreeMap::<u64, Vec<Row>>::new(), BTreeSet::new());
    for record in reader.records() {
        let record = record.map_err(|problem| {
            let line = problem.position().map_or(0, csv::Position::line);
            at_line(line, "does not have as many values as the header", "give one value per column")
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let whole = |column: usize, least: u64| whole(&record[column], least, &header[column], line);
        let least = u64::from(!long);
        let parts = counted.iter().map(|&column| whole(column, least)).collect::<Result<Vec<u64>, _>>()?;
        let time = number(&record[seconds], line)?;
        let context = context.map_or(Ok(0), |column| whole(column, 0))?;
        let pairs = pairs.map_or(Ok(0), |column| whole(column, 0))?;
        let tokens: u64 = parts.iter().sum();
        if tokens == 0 {
            return Err(at_line(line, "is an iteration without tokens", "leave the row out"));
        }
        if !seen.insert((parts, context, pairs)) {
            let problem = format!("measures {tokens} tokens with {context} of context a second time");
            return Err(at_line(line, problem, "keep one row of each, such as their median"));
        }
        let row = Row { context: context as f64, pairs: pairs as f64, seconds: time };
        rows.entry(tokens).or_default().push(row);
    }
    if rows.len() < 2 {
        let problem = format!("measures {} numbers of tokens", rows.len());
        return Err(ScenarioError::at("tokens", problem, "measure two or more: a line needs two points"));
    }
    let [per_context_token_s, per_prefill_pair_s] = if context.is_some() { slopes(&rows)? } else { [0.0; 2] };
    let point = |(&tokens, row): (&u64, &Vec<Row>)| {
        let mean = mean(row);
        let attention = per_context_token_s * mean.context + per_prefill_pair_s * mean.pairs;
        // Attention that the other rows make longer than a whole iteration leaves nothing of it: half is kept.
        CurvePoint { tokens, seconds: (mean.seconds - attention).max(0.5 * mean.seconds) }
    };
    Ok(Profile { points: rows.iter().map(point).collect(), per_context_token_s, per_prefill_pair_s })
}

/// The slopes over context and pairs that are common to all rows with the same tokens.
fn slopes(rows: &BTreeMap<u64, Vec<Row>>) -> Result<[f64; 2], ScenarioError> {
    let [mut cc, mut cp, mut pp, mut ct, mut pt] = [0.0; 5];
    for group in rows.values() {
        let mean = mean(group);
        for row in group {
            let (c, p, t) = (row.context - mean.context, row.pairs - mean.pairs, row.seconds - mean.seconds);
            cc += row.weight() * c * c;
            cp += row.weight() * c * p;
            pp += row.weight() * p * p;
            ct += row.weight() * c * t;
            pt += row.weight() * p * t;
        }
    }
    let determinant = cc * pp - cp * cp;
    if determinant > 1e-9 * cc * pp {
        let both = [(pp * ct - cp * pt) / determinant, (cc * pt - cp * ct) / determinant];
        if both.iter().all(|slope| *slope >= 0.0) {
            return Ok(both);
        }
    }
    if cc > 0.0 && ct >= 0.0 {
        return Ok([ct / cc, 0.0]);
    }
    let (problem, remedy) = if cc == 0.0 {
        ("never varies at the same tokens", "measure some tokens with two or more contexts, or remove the column")
    } else {
        ("makes iterations shorter", "measure again, or remove the column")
    };
    Err(ScenarioError::at("context_tokens", problem, remedy))
}

/// The mean row, weighted as errors are.
fn mean(rows: &[Row]) -> Row {
    let total: f64 = rows.iter().map(Row::weight).sum();
    let of = |value: fn(&Row) -> f64| rows.iter().map(|row| row.weight() * value(row)).sum::<f64>() / total;
    Row { context: of(|row| row.context), pairs: of(|row| row.pairs), seconds: of(|row| row.seconds) }
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
    fn the_long_form_tells_prompts_from_decodes() {
        let mut text = "prefill_tokens,decode_sequences,context_tokens,seconds,seconds_low,prefill_pairs\n".to_owned();
        for (prefill, decodes, before) in
            [(0_u32, 16_u32, 100_u32), (0, 16, 4000), (16, 0, 0), (16, 0, 512), (240, 16, 50), (256, 0, 0)]
        {
            let (context, pairs) = (prefill + before + decodes * 50, prefill * before + prefill * (prefill + 1) / 2);
            let seconds =
                0.01 + 1e-4 * f64::from(prefill + decodes) + 1e-7 * f64::from(context) + 1e-9 * f64::from(pairs);
            text = format!("{text}{prefill},{decodes},{context},{seconds},0,{pairs}\n");
        }
        let profile = read(&text).unwrap();
        assert_relative_eq!(profile.per_context_token_s, 1e-7, max_relative = 1e-6);
        assert_relative_eq!(profile.per_prefill_pair_s, 1e-9, max_relative = 1e-6);
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
            ("prefill_tokens,seconds\n1,2\n", "line 1", "no column `decode_sequences`"),
            ("prefill_tokens,decode_sequences,seconds\n1,0,2\n", "line 1", "no column `context_tokens`"),
            ("prefill_tokens,decode_sequences,context_tokens,seconds\n0,0,1,2\n", "line 2", "without tokens"),
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
