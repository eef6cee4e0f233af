//! Runs the program as a user does, and finds the folders that tests read.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

/// What one run of the program left behind.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Standard output, after a check that the program found nothing wrong.
    #[track_caller]
    pub fn fine(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{}", self.stdout);
        self.stdout
    }

    /// Standard output as JSON, whatever the exit code.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs the program in the folder of the crate.
pub fn fluidsim(args: &[&str]) -> Ran {
    fluidsim_in(Path::new(env!("CARGO_MANIFEST_DIR")), args)
}

/// Runs the program in `folder`.
pub fn fluidsim_in(folder: &Path, args: &[&str]) -> Ran {
    finish(command().current_dir(folder).args(args))
}

/// The program, for tests that set more than its arguments.
pub fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_fluidsim"))
}

/// Runs a prepared command.
pub fn finish(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Names of the files in a folder, hidden ones too, in order.
pub fn files_in(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// The folder of recorded data beside the crate, or where `FLUIDSIM_SHARED` says; none when it is not at hand.
pub fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("FLUIDSIM_SHARED").map_or_else(beside, PathBuf::from);
    let found = folder.join("data/traces").is_dir();
    if !found {
        eprintln!("skipped: the recorded data are not at hand; FLUIDSIM_SHARED can name their folder");
    }
    found.then_some(folder)
}
