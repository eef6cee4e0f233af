//! The paper says what the program gives: what is committed comes out again, and no number was typed into the text.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../papers/recipe.rs"]
mod recipe;

fn papers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("papers")
}

fn texts(folder: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(papers().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut texts: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "tex"))
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap()))
        .collect();
    texts.sort();
    texts
}

/// Every committed number, table and data file, byte for byte. The commands that take minutes are not run: what they printed is
/// committed, too, and what is made of it is held here.
#[test]
fn the_committed_numbers_are_those_of_the_program() {
    let program = Path::new(env!("CARGO_BIN_EXE_fluidsim"));
    let pages = recipe::Kitchen::open(program, &papers(), false).unwrap().write().unwrap();
    let written: BTreeSet<String> = pages.iter().map(|(name, _)| name.clone()).collect();
    let generated = papers().join("generated");
    for (name, text) in &pages {
        let committed = fs::read_to_string(generated.join(name)).unwrap_or_default();
        let other = text.lines().zip(committed.lines()).find(|(new, old)| new != old);
        assert!(*text == committed, "{name} is not what the code gives (papers/build.sh --quick renews it): {other:?}");
    }
    let names = fs::read_dir(generated).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.collect::<BTreeSet<_>>(), written, "files that no recipe writes");
}

#[test]
fn every_number_of_the_text_has_a_recipe() {
    let numbers = fs::read_to_string(papers().join("generated/numbers.tex")).unwrap();
    let mut used = 0;
    for (file, text) in texts("sections").into_iter().chain(texts("figures")) {
        for name in text.split("\\fs{").skip(1).filter_map(|rest| rest.split('}').next()) {
            assert!(numbers.contains(&format!("\\csname fs@{name}\\endcsname")), "{file}: {name}");
            used += 1;
        }
    }
    assert!(used > 20, "{used}");
}

/// Names that look like numbers.
const NAMES: [&str; 1] = ["Llama-3.1-8B"];

/// Decimals and percentages stand in generated files only. Whole numbers are definitions; 95 is the level of the intervals.
fn typed(text: &str) -> Option<String> {
    for line in text.lines().filter(|line| !line.trim_start().starts_with('%')) {
        let line = NAMES.iter().fold(line.to_owned(), |line, name| line.replace(name, ""));
        let plain: Vec<char> = line.replace("\\,", "").replace(' ', "").chars().collect();
        for (at, c) in plain.iter().enumerate() {
            let before: String = plain[..at].iter().collect();
            let after: String = plain[at + 1..].iter().collect();
            let digits = before.chars().rev().take_while(char::is_ascii_digit).collect::<String>();
            let decimal =
                *c == '.' && after.starts_with(|c: char| c.is_ascii_digit()) && !after.contains("\\textwidth");
            let share = (before.ends_with('\\') && *c == '%' || after.starts_with("ercent") && *c == 'p')
                && before.trim_end_matches('\\').ends_with(|c: char| c.is_ascii_digit())
                && !before.trim_end_matches('\\').ends_with("95");
            if decimal || share {
                return Some(format!("{digits}{c}{after}"));
            }
        }
    }
    None
}

#[test]
fn no_measured_number_is_typed_into_the_text() {
    for (file, text) in texts("sections") {
        assert_eq!(typed(&text), None, "{file}");
    }
    assert!(typed("a loss of 0.4 of it").is_some() && typed("within .4").is_some());
    assert!(typed("within 3\\,\\% of it").is_some() && typed("within 3 per cent").is_some());
    assert_eq!(typed("95\\,\\% intervals, p{.3\\textwidth}, \\fs{gap} per cent"), None);
}
