//! Files that grow line by line and are whole at every moment: only whole lines reach the file, so that what a killed run leaves can
//! be read.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Bytes that are gathered before they are written.
const GATHERED: usize = 1 << 16;
/// A kill can cut a write where a page of the file ends, and nowhere else.
const PAGE: usize = 4096;

/// A file that is written in whole lines, those within one page of it at a time, so that a kill has no line to cut but one that
/// crosses from page to page at that very moment. The first failure is kept and told at the end, since observers cannot fail.
#[derive(Debug)]
pub struct LineFile {
    path: PathBuf,
    file: File,
    gathered: String,
    written: usize,
    failure: Option<io::Error>,
}

impl LineFile {
    /// Makes the file anew with its heading in it.
    ///
    /// # Errors
    /// The cause with the path named.
    pub fn create(path: &Path, heading: &str) -> io::Result<Self> {
        let file = File::create(path).map_err(|error| named(path, &error))?;
        let mut lines = Self { path: path.to_owned(), file, gathered: String::new(), written: 0, failure: None };
        lines.line(heading);
        lines.write();
        Ok(lines)
    }

    /// Adds one line, given without its end.
    pub fn line(&mut self, line: &str) {
        self.gathered.push_str(line);
        self.gathered.push('\n');
        if self.gathered.len() >= GATHERED {
            self.write();
        }
    }

    /// Writes what is still gathered.
    ///
    /// # Errors
    /// The first failure of any line, with the path named.
    pub fn finish(mut self) -> io::Result<()> {
        self.write();
        self.failure.map_or(Ok(()), |error| Err(named(&self.path, &error)))
    }

    fn write(&mut self) {
        let mut rest = self.gathered.as_bytes();
        while !rest.is_empty() && self.failure.is_none() {
            let (lines, after) = rest.split_at(whole_lines(rest, PAGE - self.written % PAGE));
            self.failure = self.file.write_all(lines).err();
            self.written += lines.len();
            rest = after;
        }
        self.gathered.clear();
    }
}

/// Length of the lines that fit into `room`; of the first line when it does not.
fn whole_lines(text: &[u8], room: usize) -> usize {
    let end = |byte: &u8| *byte == b'\n';
    let within = text[..room.min(text.len())].iter().rposition(end);
    within.or_else(|| text.iter().position(end)).map_or(text.len(), |at| at + 1)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write `{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_reach_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines.csv");
        let mut lines = LineFile::create(&path, "a,b").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a,b\n");
        for number in 0..20_000 {
            lines.line(&format!("{number},{number}"));
        }
        let seen = std::fs::read_to_string(&path).unwrap();
        assert!(seen.ends_with('\n') && seen.lines().count() > 1000);
        lines.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 20_001);
    }

    #[test]
    fn lines_are_parted_where_pages_end() {
        let text = b"one\ntwo\nthree\n";
        assert_eq!([4, 7, 8, 13, 14, 99, 2].map(|room| whole_lines(text, room)), [4, 4, 8, 8, 14, 14, 4]);
    }

    #[test]
    fn a_failure_names_the_file() {
        let error = LineFile::create(Path::new("/no/such/folder/x.csv"), "a").unwrap_err();
        assert!(error.to_string().starts_with("cannot write `/no/such/folder/x.csv`"), "{error}");
    }
}
