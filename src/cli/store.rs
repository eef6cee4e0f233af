//! Where finished points of a sweep are kept: in a folder with a manifest, beside a file that is being written, or nowhere.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use super::common::check_folder;
use super::progress::Progress;
use crate::report;
use crate::scenario::ScenarioError;
use crate::study::sweep::{Journal, MANIFEST, Manifest, RESULTS, Row, Sweep};

/// Finished points, and the file that new ones are added to.
pub struct Store {
    journal: Option<Mutex<Journal>>,
    rows: BTreeMap<usize, Row>,
}

impl Store {
    /// In the folder, which is made, or must hold results of the same question, or be empty.
    ///
    /// # Errors
    /// A folder of another question, or one that cannot be written.
    pub fn folder(folder: &Path, manifest: &Manifest) -> anyhow::Result<Self> {
        if let Some(known) = Manifest::read(folder)? {
            known.same(manifest, folder)?;
        } else {
            check_folder("--out", folder, false)?;
            std::fs::create_dir_all(folder).map_err(|error| {
                let problem = format!("`{}` cannot be made: {error}", folder.display());
                ScenarioError::at("--out", problem, "choose another")
            })?;
            report::file::write_whole(&folder.join(MANIFEST), &manifest.text())?;
        }
        Self::open(&folder.join(RESULTS), manifest)
    }

    /// In `FILE.partial`, beside the file that is asked for; nowhere without one.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn beside(file: Option<&Path>, manifest: &Manifest) -> anyhow::Result<Self> {
        let Some(file) = file else { return Ok(Self { journal: None, rows: BTreeMap::new() }) };
        let mut name = file.as_os_str().to_owned();
        name.push(".partial");
        Self::open(Path::new(&name), manifest)
    }

    fn open(file: &Path, manifest: &Manifest) -> anyhow::Result<Self> {
        let (journal, found) = Journal::open(file, &manifest.question())?;
        if !found.rows.is_empty() {
            eprintln!("resuming: {} points were done before", found.rows.len());
        }
        Ok(Self { journal: Some(Mutex::new(journal)), rows: found.rows })
    }

    /// The points of these that are still to be answered.
    pub fn pending(&self, indices: &[usize]) -> Vec<usize> {
        indices.iter().copied().filter(|index| !self.rows.contains_key(index)).collect()
    }

    /// Answers what is pending of these points, and gives all rows that are now known, in order of their points.
    ///
    /// # Errors
    /// A point that is refused, or a file that cannot be written.
    pub fn answer(&mut self, sweep: &Sweep, indices: &[usize]) -> anyhow::Result<Vec<Row>> {
        let pending = self.pending(indices);
        let bar = Progress::over(pending.len() as u64, "sweeping");
        let keep = |row: &Row| match &self.journal {
            // A writer that panicked has written whole rows or none.
            Some(journal) => journal.lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(row),
            None => Ok(()),
        };
        let found = sweep.answer_at(&pending, &keep, &|| bar.advance())?;
        bar.finish();
        self.rows.extend(found.into_iter().map(|row| (row.index, row)));
        if let Some(journal) = &mut self.journal
            && let Ok(journal) = journal.get_mut()
        {
            journal.sync()?;
        }
        Ok(self.rows.values().cloned().collect())
    }

    /// Adds rows that are not there yet.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn add(&mut self, rows: &[Row]) -> anyhow::Result<()> {
        if let Some(journal) = &mut self.journal
            && let Ok(journal) = journal.get_mut()
        {
            for row in rows.iter().filter(|row| !self.rows.contains_key(&row.index)) {
                journal.add(row)?;
            }
            journal.sync()?;
        }
        self.rows.extend(rows.iter().map(|row| (row.index, row.clone())));
        Ok(())
    }

    /// Removes the file: the results are written.
    pub fn discard(self) {
        if let Some(journal) = self.journal.and_then(|journal| journal.into_inner().ok()) {
            journal.discard();
        }
    }
}
