//! Every command that the README shows is run, so that what a newcomer types first works.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::run::shared;

/// Fewer commands than this, and the README does not show the program.
const LEAST: usize = 8;

/// The commands for cargo that the README may show; they are not run from here.
const CARGO: [&str; 8] = [
    "cargo build --release",
    "cargo install --path .",
    "cargo install --path . --locked",
    "cargo test --locked",
    "cargo test",
    "cargo test --release",
    "cargo bench",
    "cargo doc --open",
];

/// One command line of the README, and the exit code that it announces by a trailing `# exit 1`.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    command: String,
    code: i32,
}

/// The lines of all blocks that begin with ```` ```sh ````; a line that ends in a backslash goes on in the next.
fn lines_of_shell(readme: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let (mut inside, mut open) = (false, false);
    for line in readme.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside && line.trim() == "```sh";
            open = false;
        } else if inside {
            let (text, goes_on) =
                line.trim().strip_suffix('\\').map_or((line.trim(), false), |text| (text.trim(), true));
            match lines.last_mut().filter(|_| open) {
                Some(last) => *last = format!("{last} {text}"),
                None => lines.push(text.to_owned()),
            }
            open = goes_on;
        }
    }
    lines
}

fn commands_of(readme: &str) -> Vec<Shown> {
    let lines = lines_of_shell(readme).into_iter();
    lines
        .filter(|line| line.starts_with("fluidsim "))
        .map(|line| {
            let (command, remark) =
                line.split_once(" #").map_or((line.as_str(), ""), |(left, right)| (left, right.trim()));
            let code = remark.strip_prefix("exit ").and_then(|code| code.split_whitespace().next()?.parse().ok());
            Shown { command: command.trim().to_owned(), code: code.unwrap_or(0) }
        })
        .collect()
}

fn readme() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("there must be a README.md: {error}"))
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let copy = to.join(entry.file_name().unwrap());
        if entry.is_dir() { copy_folder(&entry, &copy) } else { fs::copy(&entry, &copy).map(drop).unwrap() }
    }
}

/// A folder like the one a newcomer works in: the samples, a trace of their own, the recorded data where they are at hand.
fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let work = folder.path().join("work");
    for place in ["models/traces", "models/scenarios", "models/runs"] {
        copy_folder(&root.join(place), &work.join(place));
    }
    fs::copy(root.join("models/traces/own.csv"), work.join("requests.csv")).unwrap();
    #[cfg(unix)]
    if let Some(shared) = shared() {
        std::os::unix::fs::symlink(fs::canonicalize(shared).unwrap(), folder.path().join("shared")).unwrap();
    }
    folder
}

#[test]
fn there_are_enough_commands_and_the_ones_for_cargo_are_known() {
    let readme = readme();
    let commands = commands_of(&readme);
    assert!(commands.len() >= LEAST, "the README shows {} commands, at least {LEAST} are wanted", commands.len());
    for line in lines_of_shell(&readme).iter().filter(|line| line.starts_with("cargo ")) {
        let command = line.split(" #").next().unwrap().trim();
        assert!(CARGO.contains(&command), "`{command}` is not among the commands in tests/it/readme.rs");
    }
}

/// The commands run in their order in one folder, since one may read what another wrote.
#[cfg(unix)]
#[test]
fn every_command_does_what_is_said() {
    let folder = workplace();
    let work = folder.path().join("work");
    let programs = Path::new(env!("CARGO_BIN_EXE_fluidsim")).parent().unwrap().to_owned();
    let old = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([programs].into_iter().chain(std::env::split_paths(&old))).unwrap();
    for Shown { command, code } in commands_of(&readme()) {
        if command.contains("../shared/") && !folder.path().join("shared").exists() {
            eprintln!("skipped, since the recorded data are not at hand: {command}");
            continue;
        }
        let output = Command::new("sh").args(["-c", &command]).current_dir(&work).env("PATH", &path).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "`{command}`\n{out}{err}");
        assert!(!err.contains("error: "), "`{command}`\n{err}");
    }
}

#[test]
fn commands_are_found_in_shell_blocks_only() {
    let text = "```sh\nfluidsim solve --lambda 2 \\\n    --latex   # a remark\n# fluidsim no\ncargo test\nfluidsim compare # exit 1\n\
        ```\nfluidsim no\n```text\nfluidsim no\n```\n```sh\nfluidsim scenario list\n```\n";
    let shown = |command: &str, code| Shown { command: command.to_owned(), code };
    let expected = [
        shown("fluidsim solve --lambda 2 --latex", 0),
        shown("fluidsim compare", 1),
        shown("fluidsim scenario list", 0),
    ];
    assert_eq!(commands_of(text), expected);
    assert!(lines_of_shell(text).contains(&"cargo test".to_owned()));
}
