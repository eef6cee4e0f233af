//! Files written whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes `text` to `path` so that a reader sees the old file or the new one, never a part: to a sibling first, then
/// renamed. A link is followed; a device or pipe is written to directly.
///
/// # Errors
/// The cause with the path named; what was written so far is removed.
pub fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    write_quietly(path, text).map_err(|error| named(path, &error))
}

/// A file written piece by piece that gets its name when it is finished; dropped before that it leaves nothing.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    draft: PathBuf,
    file: Option<io::BufWriter<fs::File>>,
}

impl Draft {
    /// Opens a sibling of `path`. As in [`write_whole`], a link is followed, and a device or pipe is written to directly.
    ///
    /// # Errors
    /// The cause with the path named.
    pub fn create(path: &Path) -> io::Result<Self> {
        let open = || {
            let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
            if is_stream(&target) {
                let file = fs::OpenOptions::new().write(true).open(&target)?;
                return Ok(Self { path: target.clone(), draft: target, file: Some(io::BufWriter::new(file)) });
            }
            let draft = draft_of(&target)?;
            let file = fs::File::create(&draft)?;
            Ok(Self { path: target, draft, file: Some(io::BufWriter::new(file)) })
        };
        open().map_err(|error| named(path, &error))
    }

    /// Appends `text`.
    ///
    /// # Errors
    /// The cause with the path named.
    pub fn write(&mut self, text: &str) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(text.as_bytes()).map_err(|error| named(&self.path, &error))
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// The cause with the path named.
    pub fn finish(mut self) -> io::Result<()> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        let renamed = || if self.draft == self.path { Ok(()) } else { fs::rename(&self.draft, &self.path) };
        file.flush().and_then(|()| renamed()).map_err(|error| named(&self.path, &error))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.file.take().is_some() && self.draft != self.path {
            // It was never finished; that it could not be removed adds nothing to what went wrong.
            let _ = fs::remove_file(&self.draft);
        }
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write `{}`: {error}", path.display()))
}

fn write_quietly(path: &Path, text: &str) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if is_stream(&target) {
        return fs::write(&target, text);
    }
    let draft = draft_of(&target)?;
    let written = write_draft(&draft, text).and_then(|()| fs::rename(&draft, &target));
    written.inspect_err(|_| {
        // The first error is the one to report; that the draft could not be removed adds nothing.
        let _ = fs::remove_file(&draft);
    })
}

/// Whether something is there that cannot be replaced by a file, such as a device or a pipe.
fn is_stream(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// A sibling that no other process writes: a rename is whole only within one directory.
fn draft_of(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a file name"))?;
    let mut draft = std::ffi::OsString::from(".");
    draft.push(name);
    draft.push(format!(".{}.part", std::process::id()));
    Ok(path.with_file_name(draft))
}

fn write_draft(draft: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::File::create(draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_whole_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answer.csv");
        write_whole(&path, "old").unwrap();
        write_whole(&path, "new\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_devices_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_whole(&link, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let device = Path::new("/dev/null");
        write_whole(device, "gone").unwrap();
        assert!(!fs::metadata(device).unwrap().is_file());
    }

    #[cfg(unix)]
    #[test]
    fn drafts_leave_devices_and_links_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let device = Path::new("/dev/null");
        for path in [link.as_path(), device] {
            let mut draft = Draft::create(path).unwrap();
            draft.write("new").unwrap();
            draft.finish().unwrap();
            Draft::create(path).unwrap().write("dropped").unwrap();
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && !fs::metadata(device).unwrap().is_file());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn an_error_names_the_file_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("answer.csv");
        let error = write_whole(&path, "x").unwrap_err();
        assert!(error.to_string().starts_with("cannot write `") && error.to_string().contains("answer.csv"), "{error}");
        // A directory in the way: the draft was written, the rename fails.
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        assert!(write_whole(&taken, "x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write_whole(Path::new("/"), "x").is_err());
    }
}
