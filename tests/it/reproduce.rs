//! Studies of others, done again.

use std::fs;
use std::path::Path;

use fluidsim::study::reproduce::{embedded, read};

use crate::run::{command, files_in, finish, fluidsim, shared};

/// Runs a study into a folder of its own and returns what it printed, with the folder's name taken out.
pub fn reproduced(folder: &Path, args: &[&str], threads: &str) -> (i32, String) {
    let out = folder.to_str().unwrap();
    let mut asked = vec!["reproduce"];
    asked.extend_from_slice(args);
    asked.extend(["--out", out]);
    let ran = finish(command().env("RAYON_NUM_THREADS", threads).args(&asked));
    assert_eq!(ran.stderr, "", "{}", ran.stdout);
    (ran.code, ran.stdout.replace(out, "DIR"))
}

/// The files of a folder with what they hold.
pub fn texts(folder: &Path) -> Vec<(String, String)> {
    files_in(folder).into_iter().map(|name| (name.clone(), fs::read_to_string(folder.join(name)).unwrap())).collect()
}

#[test]
fn every_study_is_built_in_and_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/studies");
    let mut there = files_in(&folder);
    there.retain(|name| Path::new(name).extension().is_none_or(|kind| kind != "md"));
    let listed: Vec<&str> = embedded::FILES.iter().map(|(name, _)| *name).collect();
    assert_eq!(there, listed);
    let list = fluidsim(&["reproduce"]).fine();
    for name in read::names() {
        let study = read::find(name).unwrap();
        assert!(list.contains(name), "{name}");
        assert!(folder.join(format!("{name}.md")).is_file(), "{name} has no page in the guide");
        let parts = fluidsim(&["reproduce", name, "--list"]).fine();
        assert!(study.part.iter().all(|part| parts.contains(&part.name)), "{name}: {parts}");
    }
}

#[test]
fn a_study_gives_the_same_bytes_for_any_number_of_threads_and_goes_on_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["seed-000", "--quick", "--part", "strategies", "--part", "run"];
    let (one, eight) = (folder.path().join("one"), folder.path().join("eight"));
    let first = reproduced(&one, &args, "1");
    assert_eq!(first.0, 0, "{}", first.1);
    assert_eq!(first, reproduced(&eight, &args, "8"));
    assert_eq!(texts(&one), texts(&eight));
    // What a killed run leaves is a journal with some points; the next run takes them as they are.
    let again = reproduced(&one, &args, "8");
    assert_eq!((first, texts(&eight)), (again, texts(&one)));
    assert!(files_in(&one).contains(&"run-swap-conservative-timeline.svg".to_owned()));
}

#[test]
fn the_recorded_paths_of_seed_000_are_met_to_the_printed_digits() {
    let Some(shared) = shared() else { return };
    let data = shared.join("oracles");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let (code, printed) = reproduced(&out, &["seed-000", "--part", "recorded", "--data", data.to_str().unwrap()], "2");
    assert_eq!((code, printed.matches(" agrees ").count()), (0, 11), "{printed}");
}

#[test]
fn levels_without_their_data_are_left_out_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let (code, printed) = reproduced(&folder.path().join("out"), &["seed-000", "--part", "recorded"], "2");
    assert_eq!(code, 0);
    assert!(printed.contains("`requests-twenty-twenty-4000.csv` is not at hand"), "{printed}");
}

#[test]
fn a_published_figure_that_must_agree_and_does_not_fails_the_study() {
    let folder = tempfile::tempdir().unwrap();
    let text = embedded::text("seed-000-memory.toml").unwrap();
    let wrong = text.replacen("[[part.quantity]]\nkey = \"end_time_s\"", WRONG, 1);
    let file = folder.path().join("study.toml");
    fs::write(&file, wrong).unwrap();
    for load in ["normal", "heavy", "bursty"] {
        let name = format!("seed-000-{load}.csv");
        fs::write(folder.path().join(&name), embedded::text(&name).unwrap()).unwrap();
    }
    let study = file.to_str().unwrap();
    let (code, printed) = reproduced(&folder.path().join("out"), &[study, "--part", "strategies"], "2");
    assert_eq!(code, 1, "{printed}");
    assert!(printed.contains("DIFFERS") && printed.contains("1 published figures that must agree do not"), "{printed}");
}

const WRONG: &str = r#"[[part.published]]
quantity = "completed"
at = { memory = "usual, M 10000", load = "normal", strategy = "swap, conservative" }
values = [99]
where = "nowhere"
agree = 0.001
[[part.quantity]]
key = "completed"
name = "completed"
[[part.quantity]]
key = "end_time_s""#;

#[test]
fn wrong_input_is_told_with_its_remedy() {
    let cases = [
        (vec!["reproduce", "seed-0"], "names several studies"),
        (vec!["reproduce", "sead-001-stability"], "did you mean `seed-001-stability`"),
        (vec!["reproduce", "seed-001", "--part", "nothing"], "choose one of mm1, demo2"),
        (vec!["reproduce", "seed-001", "--trials", "1"], "--trials"),
        (vec!["reproduce", "seed-001", "--data", "nowhere"], "`nowhere` is no folder"),
        (vec!["reproduce", "nowhere.toml"], "cannot be read"),
    ];
    for (args, told) in cases {
        let ran = fluidsim(&args);
        assert_eq!(ran.code, 2, "{args:?}");
        assert!(ran.stderr.contains(told), "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn a_study_as_it_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let (_, printed) = reproduced(&folder.path().join("out"), &["seed-000", "--part", "strategies"], "2");
    insta::assert_snapshot!("reproduce_strategies", printed);
}
