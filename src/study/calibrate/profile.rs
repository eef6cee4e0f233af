//! Reading profiles: tables of measured iteration times.
//!
//! Our own format is CSV with the columns `prefill_tokens, decode_sequences, context_tokens, seconds` in any order, among any others:
//! prompt tokens and sequences that decode one token each in the iteration, KV tokens held at its end, its time. A column
//! `prefill_pairs` may say how many pairs of a prompt token and a token before or at it were computed. Short form: `tokens, seconds`.
//! The linear-operation tables of vidur are read by [`super::vidur`].

use std::collections::BTreeMap;

use csv::{ReaderBuilder, StringRecord, Trim};

use super::vidur;
use crate::scenario::ScenarioError;

/// Fewest different points that anything is fitted to.
pub const FEWEST: usize = 5;

const FORMATS: &str = "give `tokens,seconds`, or `prefill_tokens,decode_sequences,context_tokens,seconds`, or a table of vidur's \
    linear operations (`time_stats.….median`, `num_tokens`, `num_tensor_parallel_workers`)";

/// One measured iteration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// b: tokens processed.
    pub tokens: u64,
    /// C: KV tokens held at its end.
    pub context: f64,
    /// Pairs of a prompt token and a token before or at it.
    pub pairs: f64,
    /// Its time.
    pub seconds: f64,
}

/// What of a table is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    /// Longer iterations are left out.
    pub max_tokens: u64,
    /// Tensor-parallel workers, for tables that have several; 1 when not given.
    pub tensor_parallel: Option<u64>,
    /// Layers of the model, for tables of one layer.
    pub layers: Option<u64>,
}

/// A profile, each point once.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// What was read, such as the format with its settings.
    pub source: String,
    /// In ascending order of tokens.
    pub points: Vec<Point>,
    /// What was left out or put right, with counts.
    pub notes: Vec<String>,
    /// Whether its iterations are whole: with attention, output matrix and host.
    pub whole: bool,
}

/// Reads the bytes of a file in any of the formats.
///
/// # Errors
/// Names `origin`, the line and the column, what is wrong and what to do.
pub fn read(origin: &str, bytes: &[u8], selection: &Selection) -> Result<Profile, ScenarioError> {
    text_of(bytes).and_then(|text| read_text(text, selection)).map_err(|error| error.in_file(origin))
}

fn text_of(bytes: &[u8]) -> Result<&str, ScenarioError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        ScenarioError::at(&format!("line {line}"), "is not UTF-8", "save the file as UTF-8 text")
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn read_text(text: &str, selection: &Selection) -> Result<Profile, ScenarioError> {
    let table = Rows::read(text)?;
    let own = table.place("seconds").is_some();
    if !own && !vidur::recognises(&table) {
        let problem = format!("has the columns `{}`", shortened(&table.names.join(",")));
        return Err(ScenarioError::at("line 1", problem, FORMATS));
    }
    let (source, measured) = if own { own_points(&table, selection)? } else { vidur::points(&table, selection)? };
    let mut notes = Vec::new();
    let all = measured.len();
    let kept: Vec<Point> = measured.into_iter().filter(|point| point.tokens <= selection.max_tokens).collect();
    if kept.len() < all {
        notes.push(format!("{} rows above {} tokens were left out.", all - kept.len(), selection.max_tokens));
    }
    let points = merged(kept, &mut notes);
    check(&points)?;
    Ok(Profile { source, points, notes, whole: own })
}

fn shortened(text: &str) -> String {
    let kept: String = text.chars().take(80).collect();
    if kept.len() < text.len() { format!("{kept}…") } else { kept }
}

/// A CSV table in memory, with the line of each row.
pub(super) struct Rows {
    /// Column names in lower case.
    pub names: Vec<String>,
    pub rows: Vec<(u64, StringRecord)>,
}

impl Rows {
    fn read(text: &str) -> Result<Self, ScenarioError> {
        let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(text.as_bytes());
        let names = reader.headers().map_err(|error| broken(&error))?.iter().map(str::to_lowercase).collect();
        let rows = reader.records().map(|row| {
            let row = row.map_err(|error| broken(&error))?;
            Ok((row.position().map_or(0, csv::Position::line), row))
        });
        Ok(Self { names, rows: rows.collect::<Result<_, ScenarioError>>()? })
    }

    /// Where a column stands.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|other| other == name)
    }

    /// Where a column stands that must be there.
    pub fn need(&self, name: &str) -> Result<usize, ScenarioError> {
        let missing = || ScenarioError::at("line 1", format!("lacks the column `{name}`"), FORMATS);
        self.place(name).ok_or_else(missing)
    }

    /// A number of 0 or more.
    pub fn number(&self, (line, row): &(u64, StringRecord), place: usize) -> Result<f64, ScenarioError> {
        let text = row.get(place).unwrap_or("");
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
            _ => Err(self.wrong(*line, place, text, "expected a number of 0 or more")),
        }
    }

    /// A whole number; `128.0` is one too.
    pub fn whole(&self, row: &(u64, StringRecord), place: usize) -> Result<u64, ScenarioError> {
        let value = self.number(row, place)?;
        if value.fract() == 0.0 && value < 1e12 {
            return Ok(value as u64);
        }
        Err(self.wrong(row.0, place, row.1.get(place).unwrap_or(""), "expected a whole number below 1e12"))
    }

    fn wrong(&self, line: u64, place: usize, text: &str, expected: &str) -> ScenarioError {
        let key = format!("line {line}.{}", self.names[place]);
        ScenarioError::at(&key, format!("is `{text}`, {expected}"), "correct the row or leave it out")
    }
}

fn broken(error: &csv::Error) -> ScenarioError {
    let place = error.position().map_or_else(|| "line 1".to_owned(), |place| format!("line {}", place.line()));
    let problem = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has `{len}` values where the header has `{expected_len}`")
        }
        _ => format!("is not CSV: {error}"),
    };
    ScenarioError::at(&place, problem, "give every row a value for each column")
}

fn own_points(table: &Rows, selection: &Selection) -> Result<(String, Vec<Point>), ScenarioError> {
    if selection.layers.is_some() || selection.tensor_parallel.is_some() {
        let problem = "are for tables of single layers, and this one gives whole iterations";
        return Err(ScenarioError::at("--layers, --tp", problem, "leave them out"));
    }
    let seconds = table.need("seconds")?;
    if let Some(tokens) = table.place("tokens") {
        let read = |row| positive(table, row, table.whole(row, tokens)?, seconds, [0.0; 2]);
        return Ok(("tokens, seconds".into(), table.rows.iter().map(read).collect::<Result<_, _>>()?));
    }
    let [prefill, decode, context] =
        [table.need("prefill_tokens")?, table.need("decode_sequences")?, table.need("context_tokens")?];
    let pairs = table.place("prefill_pairs");
    let read = |row| {
        let tokens = table.whole(row, prefill)? + table.whole(row, decode)?;
        let pairs = pairs.map_or(Ok(0.0), |place| table.number(row, place))?;
        positive(table, row, tokens, seconds, [table.number(row, context)?, pairs])
    };
    let points = table.rows.iter().map(read).collect::<Result<_, _>>()?;
    Ok(("prefill_tokens, decode_sequences, context_tokens, seconds".into(), points))
}

/// A point with at least one token and a time above 0.
fn positive(
    table: &Rows,
    row: &(u64, StringRecord),
    tokens: u64,
    place: usize,
    [context, pairs]: [f64; 2],
) -> Result<Point, ScenarioError> {
    let seconds = table.number(row, place)?;
    if seconds == 0.0 {
        return Err(table.wrong(row.0, place, "0", "and an iteration takes time"));
    }
    if tokens == 0 {
        let problem = "is an iteration without tokens";
        return Err(ScenarioError::at(&format!("line {}", row.0), problem, "leave the row out"));
    }
    Ok(Point { tokens, context, pairs, seconds })
}

/// Each place once, with the median of its times.
fn merged(points: Vec<Point>, notes: &mut Vec<String>) -> Vec<Point> {
    let count = points.len();
    let mut places: BTreeMap<(u64, u64, u64), Vec<Point>> = BTreeMap::new();
    for point in points {
        places.entry((point.tokens, point.context.to_bits(), point.pairs.to_bits())).or_default().push(point);
    }
    let repeated = places.values().filter(|same| same.len() > 1).count();
    if repeated > 0 {
        notes.push(format!(
            "{repeated} points were measured more than once ({} rows too many); the median of their times is taken.",
            count - places.len()
        ));
    }
    places.into_values().map(median).collect()
}

fn median(mut same: Vec<Point>) -> Point {
    same.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let (low, high) = (same[(same.len() - 1) / 2], same[same.len() / 2]);
    Point { seconds: (low.seconds + high.seconds) / 2.0, ..low }
}

fn check(points: &[Point]) -> Result<(), ScenarioError> {
    let problem = match points {
        _ if points.len() < FEWEST => format!("has {} different points to fit", points.len()),
        [first, .., last] if first.tokens == last.tokens => format!("has iterations of {} tokens only", first.tokens),
        _ => return Ok(()),
    };
    Err(ScenarioError::at("", problem, "measure at least 5 points over several batch sizes, or raise --max-tokens"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Selection = Selection { max_tokens: 4096, tensor_parallel: None, layers: None };
    const GOOD: &str = "tokens,seconds\n1,0.01\n2,0.011\n4,0.012\n8,0.013\n16,0.02\n";

    fn read_all(text: &str) -> Result<Profile, ScenarioError> {
        read("p.csv", text.as_bytes(), &ALL)
    }

    #[test]
    fn marks_and_line_ends_change_nothing() {
        let plain = read_all(GOOD).unwrap();
        assert_eq!((plain.points.len(), plain.points[4].tokens, plain.notes.len()), (5, 16, 0));
        for text in [
            format!("\u{feff}{GOOD}"),
            GOOD.replace('\n', "\r\n"),
            GOOD.trim_end().to_owned(),
            GOOD.replace(',', " , ").replace("tokens", "Tokens"),
        ] {
            assert_eq!(read_all(&text), Ok(plain.clone()), "{text:?}");
        }
    }

    #[test]
    fn repeated_points_become_their_median_and_are_counted() {
        let found = read_all(&format!("{GOOD}16,0.04\n16,0.03\n9000,1\n")).unwrap();
        assert_eq!((found.points.len(), found.points[4].seconds), (5, 0.03));
        assert_eq!(found.notes[0], "1 rows above 4096 tokens were left out.");
        assert!(found.notes[1].starts_with("1 points were measured more than once (2 rows too many)"));
    }

    #[test]
    fn the_long_form_adds_prompts_and_decodes() {
        let text = "seconds,prefill_tokens,decode_sequences,context_tokens,gpu\n0.01,0,1,9,a\n0.02,128,3,900,a\n\
            0.03,0,4,80.5,a\n.04,0,5,0,a\n5e-2,0,6,1,a\n";
        let found = read_all(text).unwrap();
        assert_eq!(found.points[4], Point { tokens: 131, context: 900.0, pairs: 0.0, seconds: 0.02 });
    }

    #[test]
    fn errors_name_file_line_column_and_remedy() {
        let wrong = |text: &str| read_all(text).unwrap_err().to_string();
        for (row, expected) in [
            ("2,-0.1", "p.csv: line 7.seconds: is `-0.1`, expected a number of 0 or more; correct"),
            ("2,NaN", "p.csv: line 7.seconds: is `NaN`, expected"),
            ("2,inf", "p.csv: line 7.seconds: is `inf`, expected"),
            ("2,0", "p.csv: line 7.seconds: is `0`, and an iteration takes time; correct"),
            ("2.5,1", "p.csv: line 7.tokens: is `2.5`, expected a whole number"),
            ("0,1", "p.csv: line 7: is an iteration without tokens; leave"),
            ("2", "p.csv: line 7: has `1` values where the header has `2`; give"),
        ] {
            let found = wrong(&format!("{GOOD}{row}\n"));
            assert!(found.starts_with(expected), "{found}");
        }
        assert!(wrong("tokens,seconds\n1,0.1\n").starts_with("p.csv: has 1 different points to fit; measure"));
        assert!(wrong("").starts_with("p.csv: line 1: has the columns ``; give `tokens,seconds`"));
        assert!(wrong("tokens,ms\n1,2\n").starts_with("p.csv: line 1: has the columns `tokens,ms`; give"));
        assert!(wrong("prefill_tokens,seconds\n1,2\n").contains("lacks the column `decode_sequences`"));
        let flat = GOOD.replace("\n2,", "\n1,");
        assert!(wrong(&flat).contains("has 4 different points"));
        let latin = read("p.csv", b"tokens,seconds\n1,0.1\n2,\xb5\n", &ALL).unwrap_err().to_string();
        assert_eq!(latin, "p.csv: line 3: is not UTF-8; save the file as UTF-8 text");
        let layered = Selection { layers: Some(32), ..ALL };
        assert!(read("p.csv", GOOD.as_bytes(), &layered).unwrap_err().to_string().contains("leave them out"));
    }
}
