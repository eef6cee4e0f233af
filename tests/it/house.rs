//! The rules of the house that the compiler does not know: which room may use which, what the engine must not touch, how
//! long a file may be.

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::fluidsim;

/// The rooms in order: each may use those before it.
const ROOMS: [&str; 11] =
    ["scenario", "answer", "cost", "schedule", "stats", "queueing", "fluid", "des", "study", "report", "cli"];

/// Pairs that the order would allow and the house does not: the two answers know nothing of each other.
const STRANGERS: [(&str, &str); 1] = [("des", "fluid")];

const LONGEST_FILE: usize = 600;
const LONGEST_MAIN: usize = 80;

/// What a line must not hold, in which rooms (none: everywhere), and the file that may.
const FORBIDDEN: &[(&str, Option<&[&str]>, &str)] = &[
    ("println!", None, "src/report/printer.rs"),
    ("print!", None, "src/report/printer.rs"),
    ("dbg!", None, ""),
    ("Instant::now", Some(ROOMS.split_at(10).0), ""),
    ("SystemTime", Some(ROOMS.split_at(10).0), ""),
    ("HashMap", Some(&["des"]), ""),
    ("HashSet", Some(&["des"]), ""),
    ("std::fs", Some(&["des", "fluid", "queueing", "stats", "schedule", "cost", "answer"]), ""),
    ("std::io", Some(&["des", "fluid", "queueing", "stats", "schedule", "cost", "answer"]), ""),
    ("std::thread", Some(&["des", "fluid", "queueing", "stats", "schedule", "cost", "answer"]), ""),
    ("rayon::", Some(&["des", "fluid", "queueing", "stats", "schedule", "cost", "answer"]), ""),
    ("anyhow::", Some(ROOMS.split_at(10).0), ""),
];

/// One source file, with paths as from the crate's folder.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn room(&self) -> Option<&'static str> {
        let folder = self.path.strip_prefix("src/")?.split_once('/')?.0;
        ROOMS.into_iter().find(|room| *room == folder)
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join(folder), &mut files);
    files.sort();
    let named = |path: &PathBuf| path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
    files.iter().map(|file| Source { path: named(file), text: fs::read_to_string(file).unwrap() }).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The sources that are part of the program, without their tests and comments: a module behind `#[cfg(test)]` is left
/// out, be it in the file or a file of its own.
fn program() -> Vec<Source> {
    let all = sources("src");
    let tests: Vec<String> = all.iter().flat_map(test_files).collect();
    let kept = all.into_iter().filter(|source| !tests.contains(&source.path));
    kept.map(|source| Source { text: without_tests(&source.text), path: source.path }).collect()
}

/// The files of the modules that a file declares for tests only.
fn test_files(source: &Source) -> Vec<String> {
    let (folder, name) = source.path.rsplit_once('/').unwrap();
    let folder = match name {
        "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
        _ => format!("{folder}/{}", name.trim_end_matches(".rs")),
    };
    after_test_marks(&source.text)
        .filter_map(|item| item.trim_start_matches("pub(crate) ").strip_prefix("mod ")?.strip_suffix(';'))
        .flat_map(|module| [format!("{folder}/{module}.rs"), format!("{folder}/{module}/mod.rs")])
        .collect()
}

/// The line after each `#[cfg(test)]`.
fn after_test_marks(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .zip(text.lines().skip(1))
        .filter(|(mark, _)| mark.trim() == "#[cfg(test)]")
        .map(|(_, item)| item.trim())
}

/// The code up to the test module, which stands last, without comments and without single lines for tests only.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            match lines.next() {
                Some(item) if item.ends_with('{') => break,
                _ => continue,
            }
        }
        if !line.trim_start().starts_with("//") {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The rooms that a text names, as `crate::room`, inside `crate::{…}` or by way of `super`.
fn rooms_used(text: &str) -> Vec<&'static str> {
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut used = Vec::new();
    for start in ["crate::", "super::super::"] {
        for (at, _) in text.match_indices(start) {
            let rest = &text[at + start.len()..];
            match rest.strip_prefix('{') {
                Some(group) => used.extend(members(group)),
                None => used.push(name_of(rest)),
            }
        }
    }
    ROOMS.into_iter().filter(|room| used.contains(room)).collect()
}

/// The names at the top level of `{a, b::c, d::{e, f}}`, whose opening brace is gone.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut from) = (0, 0);
    let mut names = Vec::new();
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(name_of(group[from..at].trim()));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(name_of(group[from..at].trim()));
                from = at + 1;
            }
            _ => {}
        }
    }
    names
}

fn name_of(text: &str) -> &str {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or("")
}

/// Rooms that `room` uses and may not.
fn trespasses(room: &str, text: &str) -> Vec<&'static str> {
    let floor = |name: &str| ROOMS.iter().position(|room| *room == name);
    let mut found = rooms_used(text);
    found.retain(|used| floor(used) > floor(room) || STRANGERS.contains(&(room, used)));
    found
}

/// Lines of a file that hold what they must not.
fn forbidden(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (what, rooms, allowed) in FORBIDDEN {
        let applies = rooms.is_none_or(|rooms| source.room().is_some_and(|room| rooms.contains(&room)));
        if applies && source.path != *allowed {
            let lines = source.text.lines().filter(|line| holds(line, what));
            found.extend(lines.map(|line| format!("{}: `{what}` in `{}`", source.path, line.trim())));
        }
    }
    found
}

/// Whether a line holds a name that is not the tail of a longer one, such as `print!` in `eprint!`.
fn holds(line: &str, what: &str) -> bool {
    line.match_indices(what).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[test]
fn imports_point_one_way() {
    let program = program();
    assert!(program.len() > 60);
    let wrong: Vec<String> = program
        .iter()
        .filter_map(|source| Some((source, trespasses(source.room()?, &source.text))))
        .filter(|(_, found)| !found.is_empty())
        .map(|(source, found)| format!("{} uses {found:?}", source.path))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_folder_is_a_room() {
    for source in sources("src") {
        let top = !source.path["src/".len()..].contains('/');
        assert!(top || source.room().is_some(), "{} is in no room: name it in tests/it/house.rs", source.path);
    }
}

#[test]
fn the_program_holds_nothing_that_it_must_not() {
    let wrong: Vec<String> = program().iter().flat_map(forbidden).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_short() {
    let all = ["src", "tests", "benches"].into_iter().flat_map(sources);
    let long: Vec<String> = all
        .map(|source| (source.text.lines().count(), source.path))
        .filter(|(lines, path)| *lines >= if path == "src/main.rs" { LONGEST_MAIN } else { LONGEST_FILE })
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_scenario_file_is_built_in() {
    let list = fluidsim(&["scenario", "list", "--format", "csv"]).fine();
    let listed: Vec<&str> = list.lines().skip(1).map(|line| line.split([',', ' ']).next().unwrap()).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/scenarios");
    let files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    for file in &files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        assert!(listed.contains(&name), "{name} is in models/scenarios but not in `fluidsim scenario list`");
        let shown = fluidsim(&["scenario", "show", name]).fine();
        assert_eq!(shown, fs::read_to_string(file).unwrap(), "{name}");
    }
    assert_eq!(files.len(), listed.len());
}

#[test]
fn the_check_of_imports_sees_what_is_wrong() {
    assert_eq!(trespasses("fluid", "use crate::des::Run;\n"), ["des"]);
    assert_eq!(trespasses("des", "use crate::fluid::solve;\n"), ["fluid"]);
    assert_eq!(trespasses("stats", "let x = crate::scenario::Time::ZERO + super::super::study::plan();"), ["study"]);
    assert_eq!(
        trespasses("report", "use crate::{\n    answer::{Figure, cli},\n    cli, scenario::Time,\n};\n"),
        ["cli"]
    );
    assert!(trespasses("study", "use crate::{des, fluid};\nuse crate::study::plan::Plan;\n").is_empty());
    assert!(trespasses("scenario", "use crate::design::Thing;\n").is_empty());
}

#[test]
fn the_check_leaves_out_tests_and_comments_only() {
    let text = "use a;\n#[cfg(test)]\nuse crate::des;\n#[cfg(test)]\nmod testing;\n// crate::cli\nfn f() {}\n#[cfg(test)]\n\
        mod tests {\n    use crate::cli;\n}\n";
    assert_eq!(without_tests(text), "use a;\nfn f() {}\n");
    let source = |path: &str| Source { path: path.to_owned(), text: text.to_owned() };
    assert_eq!(test_files(&source("src/fluid/mod.rs")), ["src/fluid/testing.rs", "src/fluid/testing/mod.rs"]);
    assert_eq!(test_files(&source("src/fluid/map.rs"))[0], "src/fluid/map/testing.rs");
    assert_eq!(trespasses("fluid", &without_tests("#[cfg(feature = \"x\")]\nuse crate::cli;\n")), ["cli"]);
}

#[test]
fn the_check_of_lines_sees_what_is_wrong() {
    let found = |path: &str, text: &str| forbidden(&Source { path: path.into(), text: text.into() }).len();
    assert_eq!(found("src/cli/solve.rs", "println!(\"x\");\nprint!(\"y\");\neprintln!(\"z\");\n"), 2);
    assert_eq!(found("src/report/printer.rs", "print!(\"y\");\n"), 0);
    assert_eq!(found("src/des/engine.rs", "let t = std::time::Instant::now();\nuse std::collections::HashMap;\n"), 2);
    assert_eq!(found("src/cli/progress.rs", "let start = Instant::now();\n"), 0);
    assert_eq!(found("src/scenario/load.rs", "use std::fs;\nuse std::collections::HashMap;\n"), 0);
    assert_eq!(found("src/fluid/map.rs", "fn f() -> anyhow::Result<()> {\n"), 1);
}
