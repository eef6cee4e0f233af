//! Finished points, kept in a file line by line, so that a killed sweep loses only what was in flight.
//!
//! A row is written by one call as soon as it is found: a process that is killed leaves whole rows, and at most one torn at the end, which
//! is dropped and found again. Every 64 rows and at the end the file is also forced to disk, so that a machine that loses its power loses
//! 64 rows at most.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::Row;
use crate::scenario::ScenarioError;

/// Rows between two forced writes.
const ROWS_PER_SYNC: usize = 64;

/// An open file of finished points.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    unsynced: usize,
}

/// What a file of finished points holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    /// The rows by the number of their point, each once.
    pub rows: BTreeMap<usize, Row>,
    /// How much of the file they fill; what lies behind was cut short.
    bytes: u64,
}

impl Journal {
    /// Opens or makes the file, with the rows that are in it. Its first line names the question, on which the rows depend; a file that
    /// answers another one is started afresh. What is cut short at the end is dropped.
    ///
    /// # Errors
    /// The file cannot be read or written, or another process is writing it.
    pub fn open(path: &Path, question: &str) -> Result<(Self, Found), ScenarioError> {
        let failed = |error: std::io::Error| failed(path, &error);
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path).map_err(failed)?;
        match file.try_lock() {
            // A file system without locks: two writers are then the user's own affair.
            Ok(()) | Err(TryLockError::Error(_)) => {}
            Err(TryLockError::WouldBlock) => {
                let error = ScenarioError::at(
                    "",
                    "is being written by another process",
                    "wait for it, or choose another --out",
                );
                return Err(error.in_file(&path.display().to_string()));
            }
        }
        let found = parse(&std::fs::read(path).map_err(failed)?, question);
        file.set_len(found.bytes).map_err(failed)?;
        if found.bytes == 0 {
            file.write_all(header(question).as_bytes()).map_err(failed)?;
        }
        Ok((Self { path: path.to_owned(), file, unsynced: 0 }, found))
    }

    /// The rows of a file that answers `question`; none when it is not there or answers another.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(path: &Path, question: &str) -> Result<Found, ScenarioError> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(parse(&bytes, question)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Found::default()),
            Err(error) => Err(failed(path, &error)),
        }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, row: &Row) -> Result<(), ScenarioError> {
        let line = serde_json::to_string(row).unwrap_or_default() + "\n";
        self.file.write_all(line.as_bytes()).map_err(|error| failed(&self.path, &error))?;
        self.unsynced += 1;
        if self.unsynced >= ROWS_PER_SYNC { self.sync() } else { Ok(()) }
    }

    /// Forces what was added to disk.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn sync(&mut self) -> Result<(), ScenarioError> {
        self.unsynced = 0;
        self.file.sync_data().map_err(|error| failed(&self.path, &error))
    }

    /// Removes the file: the sweep is finished and its results are written.
    pub fn discard(self) {
        drop(self.file);
        // Left behind it would only be read again; the results stand.
        let _ = std::fs::remove_file(self.path);
    }
}

fn header(question: &str) -> String {
    json!({ "fluidsim": env!("CARGO_PKG_VERSION"), "question": question }).to_string() + "\n"
}

/// The rows up to the first line that is none.
fn parse(bytes: &[u8], question: &str) -> Found {
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let mut found = Found::default();
    match lines.next() {
        Some(first) if first == header(question).as_bytes() => found.bytes += first.len() as u64,
        _ => return found,
    }
    for line in lines {
        let Ok(row) = serde_json::from_slice::<Row>(line) else { break };
        found.bytes += line.len() as u64;
        found.rows.entry(row.index).or_insert(row);
    }
    found
}

fn failed(path: &Path, error: &std::io::Error) -> ScenarioError {
    ScenarioError::at("", format!("cannot be read or written: {error}"), "choose another --out, or make room")
        .in_file(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::super::{Datum, Setting};
    use super::*;

    fn row(index: usize) -> Row {
        let cells = vec![
            Datum::Number(0.1 + index as f64),
            Datum::Estimate(1.0 / 3.0, 0.2, 0.4),
            Datum::Absent(()),
            Datum::Word("kv-memory".to_owned()),
        ];
        Row { index, settings: vec![Setting::Number(1e-7), Setting::Word("orca".to_owned())], cells }
    }

    #[test]
    fn rows_come_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.jsonl");
        let (mut journal, found) = Journal::open(&path, "question").unwrap();
        assert!(found.rows.is_empty());
        for index in [5, 2, 5] {
            journal.add(&row(index)).unwrap();
        }
        drop(journal);
        let found = Journal::read(&path, "question").unwrap();
        assert_eq!(found.rows.into_values().collect::<Vec<_>>(), [row(2), row(5)]);
        assert!(Journal::read(&path, "another").unwrap().rows.is_empty());
        assert!(Journal::open(&path, "another").unwrap().1.rows.is_empty());
    }

    /// Wherever the file is cut, the whole rows before the cut stand, and what is written next can be read.
    #[test]
    fn every_cut_loses_only_the_torn_row() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.jsonl");
        let (mut journal, _) = Journal::open(&path, "question").unwrap();
        (0..3).for_each(|index| journal.add(&row(index)).unwrap());
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        let ends: Vec<usize> = (1..=whole.len()).filter(|&end| whole[end - 1] == b'\n').collect();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (mut journal, found) = Journal::open(&path, "question").unwrap();
            assert_eq!(found.rows.len(), ends.iter().filter(|&&end| end <= cut).count().saturating_sub(1), "{cut}");
            (found.rows.len()..3).for_each(|index| journal.add(&row(index)).unwrap());
            drop(journal);
            assert_eq!(std::fs::read(&path).unwrap(), whole, "{cut}");
        }
    }

    #[test]
    fn two_writers_are_one_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.jsonl");
        let first = Journal::open(&path, "question").unwrap();
        let error = Journal::open(&path, "question").unwrap_err().to_string();
        assert!(error.contains("another process") && error.contains("results.jsonl"), "{error}");
        drop(first);
        assert!(Journal::open(&path, "question").is_ok());
    }
}
