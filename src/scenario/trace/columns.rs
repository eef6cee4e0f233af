//! What the CSV formats share: named columns among any others.

use std::borrow::Cow;

use super::collector::{Class, Clock, Collector, Row};
use super::lines::Lines;
use crate::scenario::error::ScenarioError;
use crate::scenario::time::Time;

/// The columns of one CSV format.
pub(super) struct Columns {
    /// Names of the arrival, the prompt and the output column, compared without regard to case.
    pub names: [&'static str; 3],
    /// The time that a cell of the first column stands for.
    pub parse_time: fn(&str) -> Option<Time>,
    /// What such a cell looks like, for messages.
    pub time_shape: &'static str,
    /// Where its times begin.
    pub clock: Clock,
    /// Names of the columns of class, weight and model, each of which may be absent.
    pub classes: Option<[&'static str; 3]>,
}

/// Where the columns of a format stand in a file.
struct Places {
    count: usize,
    request: [usize; 3],
    class: [Option<usize>; 3],
}

impl Columns {
    /// Those of the three columns that a header lacks.
    pub fn missing(&self, found: &[Cow<'_, str>]) -> Vec<&'static str> {
        self.names.into_iter().filter(|name| place(found, name).is_none()).collect()
    }

    /// Reads all rows below a header that has the columns.
    ///
    /// # Errors
    /// Names the line and the column.
    pub fn read(&self, header: &str, lines: &mut Lines<'_>, collector: &mut Collector) -> Result<(), ScenarioError> {
        let found = cells(header).unwrap_or_default();
        let places = Places {
            count: found.len(),
            request: self.names.map(|name| place(&found, name).unwrap_or(0)),
            class: self.classes.map_or([None; 3], |names| names.map(|name| place(&found, name))),
        };
        while let Some((number, line)) = lines.next()? {
            if !line.trim().is_empty() {
                self.add(line, &places, collector).map_err(|error| error.under(&format!("line {number}")))?;
            }
        }
        Ok(())
    }

    fn add(&self, line: &str, places: &Places, collector: &mut Collector) -> Result<(), ScenarioError> {
        let row = cells(line).ok_or_else(|| {
            ScenarioError::at("", "has a quote that is not closed", "close it, and keep every row on one line")
        })?;
        if row.len() != places.count {
            return Err(ScenarioError::at(
                "",
                format!("has `{}` values where the header has `{}`", row.len(), places.count),
                "give every row a value for each column",
            ));
        }
        let [time, prompt, output] = places.request.map(|place| row[place].as_ref());
        let arrival = (self.parse_time)(time).ok_or_else(|| {
            ScenarioError::at(
                self.names[0],
                format!("is `{time}`, expected {}", self.time_shape),
                "correct the row or leave it out",
            )
        })?;
        let prompt = parse_tokens(self.names[1], prompt)?;
        let output = parse_tokens(self.names[2], output)?;
        let class = class_of(places.class.map(|place| place.map_or("", |place| row[place].as_ref())))?;
        collector.add(&Row { names: self.names, arrival, prompt, output, class }, (&[], 0))
    }
}

fn place(found: &[Cow<'_, str>], name: &str) -> Option<usize> {
    found.iter().position(|other| other.eq_ignore_ascii_case(name))
}

/// The cells of a line without the space around them; none when a quote is not closed.
pub(super) fn cells(line: &str) -> Option<Vec<Cow<'_, str>>> {
    if !line.contains('"') {
        return Some(line.split(',').map(|cell| Cow::Borrowed(cell.trim())).collect());
    }
    let mut cells = Vec::new();
    let mut rest = line;
    loop {
        let cell = rest.trim_start();
        let (value, after) = if let Some(quoted) = cell.strip_prefix('"') {
            unquote(quoted)?
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            (Cow::Borrowed(rest[..end].trim()), &rest[end..])
        };
        cells.push(value);
        match after.trim_start().strip_prefix(',') {
            Some(next) => rest = next,
            None if after.trim().is_empty() => return Some(cells),
            None => return None,
        }
    }
}

/// The text up to the closing quote, and what follows that.
fn unquote(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut from = 0;
    loop {
        let end = from + text[from..].find('"')?;
        if text[end + 1..].starts_with('"') {
            from = end + 2;
            continue;
        }
        let inside = text[..end].trim();
        let value = if from == 0 { Cow::Borrowed(inside) } else { Cow::Owned(inside.replace("\"\"", "\"")) };
        return Some((value, &text[end + 1..]));
    }
}

/// A whole number of tokens; `374.0`, as some programs export it, is one too.
fn parse_tokens(name: &str, text: &str) -> Result<u64, ScenarioError> {
    let whole =
        text.split_once('.').map_or(text, |(whole, rest)| if rest.bytes().all(|b| b == b'0') { whole } else { text });
    whole.parse().map_err(|_| {
        ScenarioError::at(
            name,
            format!("is `{text}`, expected a whole number of tokens"),
            "correct the row or leave it out",
        )
    })
}

/// The class of a row from its cells, of which those that are empty say nothing.
fn class_of([name, weight, model]: [&str; 3]) -> Result<Class<'_>, ScenarioError> {
    let name = if name.is_empty() { Class::ONLY.name } else { name };
    let number = if weight.is_empty() { Some(1.0) } else { weight.parse().ok() };
    let weight = number.ok_or_else(|| {
        ScenarioError::at("weight", format!("is `{weight}`, expected a number"), "give a number above 0, or nothing")
    })?;
    Ok(Class { name, weight, model })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_those_of_csv() {
        let cases: [(&str, &[&str]); 8] = [
            ("", &[""]),
            ("a, b ,c", &["a", "b", "c"]),
            ("a,,", &["a", "", ""]),
            ("\"a\",\"b,c\" , d", &["a", "b,c", "d"]),
            ("\"say \"\"hi\"\"\",2", &["say \"hi\"", "2"]),
            ("\"\",1", &["", "1"]),
            ("1,\"\"", &["1", ""]),
            ("in\"ch,2", &["in\"ch", "2"]),
        ];
        for (line, wanted) in cases {
            assert_eq!(cells(line).unwrap(), wanted, "{line}");
        }
        for line in ["\"a", "1,\"b\"\"", "\"a\"b,1"] {
            assert_eq!(cells(line), None, "{line}");
        }
    }
}
