//! Text line by line, whatever ends the lines: `\n`, `\r\n` or `\r`, also mixed. Only one line is held at a time.

use std::io::{self, BufRead};

use crate::scenario::error::ScenarioError;

/// Longest line that is read, in bytes: no request needs as much, and what has longer ones is no text of lines.
const LONGEST: usize = 1 << 26;

/// The lines of a text.
pub(super) struct Lines<'a> {
    input: &'a mut dyn BufRead,
    line: Vec<u8>,
    /// Of the current line, from 1.
    number: usize,
}

impl<'a> Lines<'a> {
    pub fn of(input: &'a mut dyn BufRead) -> Self {
        Self { input, line: Vec::new(), number: 0 }
    }

    /// The next line without its end and a byte order mark before it, with its number; none after the last.
    ///
    /// # Errors
    /// A line that is no UTF-8 text or far too long, or a file that cannot be read on.
    pub fn next(&mut self) -> Result<Option<(usize, &str)>, ScenarioError> {
        self.number += 1;
        let place = format!("line {}", self.number);
        if !self.fill().map_err(|problem| broken(&place, &problem))? {
            return Ok(None);
        }
        let mark: &[u8] = if self.number == 1 { b"\xef\xbb\xbf" } else { b"" };
        let line = self.line.strip_prefix(mark).unwrap_or(&self.line);
        let text = std::str::from_utf8(line).map_err(|_| not_text(&place))?;
        Ok(Some((self.number, text)))
    }

    /// The first line that is not blank; none in a blank text.
    ///
    /// # Errors
    /// As [`Lines::next`].
    pub fn first(&mut self) -> Result<Option<(usize, String)>, ScenarioError> {
        while let Some((number, line)) = self.next()? {
            if !line.trim().is_empty() {
                return Ok(Some((number, line.to_owned())));
            }
        }
        Ok(None)
    }

    /// Reads a line; `false` at the end of the text.
    fn fill(&mut self) -> io::Result<bool> {
        self.line.clear();
        loop {
            let bytes = self.input.fill_buf()?;
            if bytes.is_empty() {
                return Ok(!self.line.is_empty());
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            self.line.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
            if self.line.len() > LONGEST {
                return Err(io::Error::other(format!("the line is longer than {LONGEST} bytes")));
            }
            let Some(end) = end else {
                let all = bytes.len();
                self.input.consume(all);
                continue;
            };
            let returned = bytes[end] == b'\r';
            self.input.consume(end + 1);
            if returned && self.input.fill_buf()?.first() == Some(&b'\n') {
                self.input.consume(1);
            }
            return Ok(true);
        }
    }
}

fn not_text(place: &str) -> ScenarioError {
    ScenarioError::at(place, "is not UTF-8 text", "save the file as UTF-8, unpacked")
}

fn broken(place: &str, problem: &io::Error) -> ScenarioError {
    ScenarioError::at(place, format!("cannot be read: {problem}"), "give a whole text file")
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn lines(text: &[u8], buffer: usize) -> Result<Vec<(usize, String)>, ScenarioError> {
        let mut input = BufReader::with_capacity(buffer, text);
        let mut lines = Lines::of(&mut input);
        let mut found = Vec::new();
        while let Some((number, line)) = lines.next()? {
            found.push((number, line.to_owned()));
        }
        Ok(found)
    }

    #[test]
    fn all_line_ends_end_lines_however_the_text_is_cut() {
        let wanted = [(1, "a"), (2, "b"), (3, ""), (4, "c"), (5, "é"), (6, ""), (7, "d")];
        let wanted: Vec<_> = wanted.map(|(number, line)| (number, line.to_owned())).into();
        for buffer in 1..20 {
            assert_eq!(lines("\u{feff}a\nb\r\n\r\nc\ré\r\rd".as_bytes(), buffer).unwrap(), wanted, "{buffer}");
        }
        assert_eq!(lines(b"", 8).unwrap(), []);
        assert_eq!(lines(b"x\n", 8).unwrap(), [(1, "x".to_owned())]);
    }

    #[test]
    fn other_bytes_are_named_by_their_line() {
        let error = lines(b"a\nb\r\n\xff\n", 4).unwrap_err();
        assert_eq!((error.key.as_str(), error.problem.as_str()), ("line 3", "is not UTF-8 text"));
    }
}
