//! Finished pieces of a long study, kept in a file line by line, so that a killed run loses only what was in flight.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use super::sweep::boundary::SweepRow;
use crate::scenario::ScenarioError;

/// Rows done so far; kept in memory only when there is no file.
#[derive(Debug, Default)]
pub struct Checkpoint {
    rows: Vec<SweepRow>,
    file: Option<(PathBuf, File)>,
}

impl Checkpoint {
    /// A checkpoint that is forgotten with the process.
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// Opens or makes the file. Its first line is `question`, a text that names everything the rows depend on; a file that
    /// answers another question is started afresh. A last line cut short by a kill is dropped.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(path: &Path, question: &str) -> Result<Self, ScenarioError> {
        let wrong = |error: std::io::Error| failed(path, &error);
        let rows = match File::open(path) {
            Ok(file) => rows_of(file, question),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(wrong(error)),
        };
        // A fresh copy beside the old file, then a rename: a kill in between loses nothing.
        let copy = path.with_extension("partial-copy");
        let lines: Vec<String> = rows.iter().filter_map(|row| serde_json::to_string(row).ok()).collect();
        let text = [&[question.to_owned()], &lines[..]].concat().join("\n") + "\n";
        std::fs::write(&copy, text).and_then(|()| std::fs::rename(&copy, path)).map_err(wrong)?;
        let file = OpenOptions::new().append(true).open(path).map_err(wrong)?;
        Ok(Self { rows, file: Some((path.to_owned(), file)) })
    }

    /// How many rows are there.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row at `point`.
    pub fn find(&self, point: &[f64]) -> Option<SweepRow> {
        self.rows.iter().find(|row| row.values == point).cloned()
    }

    /// Adds a row and writes it out.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, row: &SweepRow) -> Result<(), ScenarioError> {
        if let Some((path, file)) = &mut self.file {
            let line = serde_json::to_string(row).unwrap_or_default();
            writeln!(file, "{line}").map_err(|error| failed(path, &error))?;
        }
        self.rows.push(row.clone());
        Ok(())
    }

    /// Removes the file: the study is finished and its results are written.
    pub fn discard(self) {
        if let Some((path, file)) = self.file {
            drop(file);
            // Left behind it would only be read again; the results stand.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn rows_of(file: File, question: &str) -> Vec<SweepRow> {
    let mut lines = BufReader::new(file).lines().map_while(Result::ok);
    if lines.next().as_deref() != Some(question) {
        return Vec::new();
    }
    lines.map_while(|line| serde_json::from_str(&line).ok()).collect()
}

fn failed(path: &Path, error: &std::io::Error) -> ScenarioError {
    ScenarioError::at("", format!("cannot be written: {error}"), "choose another --out, or make room")
        .in_file(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{Boundary, Limit, Method, Verdict};

    fn row(value: f64) -> SweepRow {
        let boundary = Boundary {
            high_per_s: 1.0,
            low_per_s: 1.0,
            bracket_per_s: (1.0, 1.0),
            binding: Limit::KvMemory,
            runner_up: None,
            method: Method::Fluid,
        };
        SweepRow { values: vec![value], lambda_per_s: 1.0, boundary, verdict: Verdict::Stable, simulated_per_s: None }
    }

    #[test]
    fn a_killed_run_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sweep.partial");
        let mut first = Checkpoint::open(&path, "question").unwrap();
        first.add(&row(1.0)).unwrap();
        first.add(&row(2.0)).unwrap();
        drop(first);
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.truncate(text.len() - 20);
        std::fs::write(&path, text).unwrap();
        let second = Checkpoint::open(&path, "question").unwrap();
        assert_eq!((second.len(), second.find(&[1.0])), (1, Some(row(1.0))));
        drop(second);
        assert!(Checkpoint::open(&path, "another question").unwrap().is_empty());
    }
}
