//! The program checks itself, and notices what is wrong.

use std::fs;

use crate::run::{Ran, fluidsim};

const RIGHT: &str = r#"
[[case]]
name = "M/M/1"
kind = "queue"
model = "mm1"
parameters = { rho = 0.8 }
expected = { L = 4.0 }
relative = 1e-10
source = "ρ/(1−ρ)"
quick = true
"#;

fn with(text: &str) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.toml"), text).unwrap();
    let mut ran = fluidsim(&["validate", "--cases", folder.path().to_str().unwrap(), "--all"]);
    ran.stderr = ran.stderr.replace(&format!("{}/", folder.path().display()), "");
    ran
}

#[test]
fn closed_forms_are_the_oracles() {
    let table = fluidsim(&["validate", "--quick", "--only", "queueing/"]).fine();
    assert!(table.contains("queueing/mmc"), "{table}");
}

#[test]
fn every_run_obeys_the_laws_of_nature() {
    let table = fluidsim(&["validate", "--only", "engine/laws-of-nature", "--all"]).fine();
    assert!(table.contains("little_gap_s"), "{table}");
}

#[test]
fn the_engine_is_held_to_theory() {
    let table =
        fluidsim(&["validate", "--quick", "--only", "engine/grid · M/D/1", "--only", "engine/grid · M/M/4"]).fine();
    assert!(table.contains("consistent with 95 %"), "{table}");
}

#[test]
fn a_star_stands_for_any_characters() {
    let table = fluidsim(&["validate", "--only", "queueing*Erlang*servers = 3", "--list", "--format", "csv"]).fine();
    assert!(table.contains("Erlang B, servers = 3") && table.contains("Erlang C, servers = 3"), "{table}");
    assert!(!table.contains("M/M/c") && !table.contains("Erlang A"), "{table}");
}

#[test]
fn a_case_of_the_users_own_is_run() {
    assert!(with(RIGHT).fine().contains("mine · M/M/1"));
}

#[test]
fn a_wrong_case_fails() {
    let ran = with(&RIGHT.replace("4.0", "4.01"));
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""));
    assert!(ran.stdout.lines().any(|line| line.trim_end().ends_with("WRONG")), "{}", ran.stdout);
    let ran = with(&RIGHT.replace("L = 4.0", "Lqq = 4.0"));
    assert!(ran.code == 1 && ran.stdout.contains("there is no such quantity"), "{}", ran.stdout);
}

#[test]
fn a_malformed_case_gives_one_clear_error() {
    let table = "[[case]]\nname = \"t\"\nkind = \"queue\"\nmodel = \"mm1\"\ntable = \"no.csv\"\nexpected = [\"L\"]\nrelative = 0.1\nsource = \"s\"\nquick = true\n";
    for (text, told) in [
        (RIGHT.replace("relative", "relativ"), ["mine.toml", "relativ"]),
        (RIGHT.replace("kind = \"queue\"", "kind = \"queues\""), ["mine.toml: case[0].kind", "queues"]),
        (RIGHT.replace("model = \"mm1\"", "model = \"mm11\""), ["mine.toml: case[0] `M/M/1`.model", "mm11"]),
        (RIGHT.replace("relative = 1e-10", ""), ["tolerances", "give one of relative"]),
        (RIGHT.replace("relative = 1e-10", "relative = -1"), ["`M/M/1`.relative: is `-1`", "at least 0"]),
        (RIGHT.replace("{ L = 4.0 }", "{ L = \"four\" }"), ["expected.L", "four"]),
        (RIGHT.replace("quick = true", "quick = true\njudged = \"W\""), ["judged", "`W`"]),
        (RIGHT.replace("[[case]]", "[[case]"), ["mine.toml", "is not TOML"]),
        (String::new(), ["--cases", "holds no cases"]),
        (table.to_owned(), ["table", "`no.csv` is not there"]),
    ] {
        let ran = with(&text);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{text}");
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.lines().count() == 1, "{}", ran.stderr);
        assert!(told.iter().all(|part| ran.stderr.contains(part)), "{told:?} {}", ran.stderr);
    }
}

#[test]
fn names_that_do_not_exist_are_said() {
    let ran = fluidsim(&["validate", "--only", "no such case"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("no case is named `no such case`"), "{}", ran.stderr);
    assert!(fluidsim(&["validate", "--list", "--format", "csv"]).fine().lines().count() > 700);
}
