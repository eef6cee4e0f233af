//! What the CSV formats share: three named columns among any others.

use csv::{ReaderBuilder, StringRecord, Trim};

use super::{Collector, Trace};
use crate::scenario::error::ScenarioError;
use crate::scenario::time::Time;

/// The columns of one CSV format.
pub struct Columns {
    /// Names of the arrival, the prompt and the output column, compared without regard to case.
    pub names: [&'static str; 3],
    /// The time that a cell of the first column stands for.
    pub parse_time: fn(&str) -> Option<Time>,
    /// What such a cell looks like, for messages.
    pub time_shape: &'static str,
}

/// The names in a header line.
pub fn names(header: &str) -> Vec<&str> {
    header.split(',').map(|name| name.trim().trim_matches('"')).collect()
}

impl Columns {
    /// Those of the three columns that a header lacks.
    pub fn missing(&self, found: &[&str]) -> Vec<&'static str> {
        self.names.into_iter().filter(|name| !found.iter().any(|other| other.eq_ignore_ascii_case(name))).collect()
    }

    /// Reads all rows.
    ///
    /// # Errors
    /// Names the line and the column.
    pub fn read(&self, text: &str) -> Result<Trace, ScenarioError> {
        let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(text.as_bytes());
        let header = reader.headers().map_err(|error| broken_row(&error))?.clone();
        let places = self.places(&header);
        let mut collector = Collector::default();
        let mut row = StringRecord::new();
        while reader.read_record(&mut row).map_err(|error| broken_row(&error))? {
            let line = row.position().map_or(0, csv::Position::line);
            self.add_row(&mut collector, places, &row).map_err(|error| error.under(&format!("line {line}")))?;
        }
        Ok(collector.finish())
    }

    /// Where the three columns stand; `Format::detect` has found them all.
    fn places(&self, header: &StringRecord) -> [usize; 3] {
        self.names.map(|name| header.iter().position(|other| other.eq_ignore_ascii_case(name)).unwrap_or(0))
    }

    fn add_row(&self, collector: &mut Collector, places: [usize; 3], row: &StringRecord) -> Result<(), ScenarioError> {
        let [time, prompt, output] = places.map(|place| row.get(place).unwrap_or(""));
        let arrival = (self.parse_time)(time).ok_or_else(|| {
            ScenarioError::at(
                self.names[0],
                format!("is `{time}`, expected {}", self.time_shape),
                "correct the row or leave it out",
            )
        })?;
        let prompt = parse_tokens(self.names[1], prompt)?;
        let output = parse_tokens(self.names[2], output)?;
        collector.add(self.names, arrival, prompt, output)
    }
}

/// A whole number of tokens; `374.0`, as some programs export it, is one too.
fn parse_tokens(name: &str, text: &str) -> Result<u64, ScenarioError> {
    let whole =
        text.split_once('.').map_or(text, |(whole, rest)| if rest.bytes().all(|b| b == b'0') { whole } else { text });
    whole.parse().map_err(|_| {
        ScenarioError::at(
            name,
            format!("is `{text}`, expected a whole number of tokens from 1"),
            "correct the row or leave it out",
        )
    })
}

fn broken_row(error: &csv::Error) -> ScenarioError {
    let place = error.position().map_or_else(|| "line 1".to_owned(), |place| format!("line {}", place.line()));
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => ScenarioError::at(
            &place,
            format!("has `{len}` values where the header has `{expected_len}`"),
            "give every row a value for each column",
        ),
        _ => ScenarioError::at(&place, format!("is not CSV: {error}"), "give comma-separated values"),
    }
}
