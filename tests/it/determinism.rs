//! The same seed gives the same bytes: on any number of threads, with leaping on or off, on the terminal and in files.

use std::fs;

use crate::run::{Ran, command, finish, fluidsim, fluidsim_in};

const QUESTIONS: &[&[&str]] = &[
    &["simulate", "--duration", "300", "--warmup", "60", "--format", "json"],
    &["simulate", "memory-greedy", "--lambda", "4.5", "--trials", "4", "--duration", "200", "--format", "csv"],
    &["simulate", "mm1", "--precision", "10%", "--duration", "500", "--format", "json"],
    &["simulate", "--trace", "models/traces/azure.csv", "--trials", "3", "--format", "json"],
    &["compare", "--des-trials", "4", "--duration", "300", "--warmup", "60", "--format", "json"],
    &["stability", "mm1", "--des", "--des-trials", "4", "--epsilon", "0.2", "--format", "json"],
    &["stability", "mm1", "--des", "--des-trials", "2", "--sweep", "lambda=0.2,0.4,0.6", "--format", "csv"],
    &["queue", "mm1", "--rho", "0.5", "--des-trials", "6", "--format", "csv"],
];

fn on_threads(threads: &str, args: &[&str]) -> Ran {
    let mut program = command();
    finish(program.current_dir(env!("CARGO_MANIFEST_DIR")).env("RAYON_NUM_THREADS", threads).args(args))
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    for args in QUESTIONS {
        let first = on_threads("1", args);
        assert!(first.code <= 1 && first.stderr.is_empty() && first.stdout.len() > 100, "{args:?}: {first:?}");
        assert_eq!(first, on_threads("2", args), "{args:?}");
        assert_eq!(first, on_threads("5", args), "{args:?}");
        let with_default = fluidsim(&[args, &["--seed", "1"][..]].concat());
        assert_eq!(first, with_default, "{args:?}: the default seed is not 1");
    }
}

#[test]
fn another_seed_gives_another_answer() {
    for args in QUESTIONS {
        let [first, second] = ["1", "2"].map(|seed| fluidsim(&[args, &["--seed", seed][..]].concat()).stdout);
        assert_ne!(first, second, "{args:?}");
    }
}

#[test]
fn leaping_changes_no_byte() {
    for question in [
        &["simulate", "--duration", "300", "--warmup", "60"][..],
        &["simulate", "memory-greedy", "--lambda", "5", "--duration", "200", "--warmup", "0"],
        &["simulate", "memory-swap", "--lambda", "5", "--duration", "200", "--warmup", "0"],
        &["simulate", "memory-reserve", "--trials", "3", "--duration", "300"],
        &["simulate", "prefill-heavy", "--duration", "200", "--backlog", "40"],
        &["simulate", "mm1", "--duration", "2000"],
        &["simulate", "mg1-random-steps", "--duration", "300"],
        &["simulate", "--trace", "models/traces/mooncake.jsonl"],
    ] {
        let args = [question, &["--format", "json"]].concat();
        let [on, off] = ["on", "off"].map(|leap| fluidsim(&[&args[..], &["--leap", leap]].concat()));
        // A trace may have been repaired, which is said.
        assert!(on.code == 0 && (on.stderr.is_empty() || on.stderr.starts_with("note: ")), "{on:?}");
        assert_eq!((on.stdout, on.stderr), (off.stdout, off.stderr), "{question:?}");
    }
}

#[test]
fn leaping_changes_no_byte_of_the_records() {
    let question = ["simulate", "memory-greedy", "--lambda", "5", "--duration", "150", "--warmup", "0"];
    let folder = tempfile::tempdir().unwrap();
    for leap in ["on", "off"] {
        let files = [format!("requests-{leap}.csv"), format!("steps-{leap}.csv")];
        let options = ["--leap", leap, "--requests", &files[0], "--steps", &files[1]];
        fluidsim_in(folder.path(), &[&question[..], &options].concat()).fine();
    }
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(read("steps-on.csv").lines().count() > 1000);
    assert_eq!(read("steps-on.csv"), read("steps-off.csv"));
    assert_eq!(read("requests-on.csv"), read("requests-off.csv"));
}

#[test]
fn a_record_does_not_change_the_run() {
    let question = ["simulate", "--duration", "200", "--format", "json"];
    let folder = tempfile::tempdir().unwrap();
    let plain = fluidsim_in(folder.path(), &question).fine();
    let files = ["--requests", "requests.csv", "--steps", "steps.csv"];
    assert_eq!(plain, fluidsim_in(folder.path(), &[&question[..], &files].concat()).fine());
}

#[test]
fn a_file_holds_what_the_terminal_shows() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["table", "json", "csv", "latex"] {
        let args = ["compare", "mm1", "--des-trials", "3", "--duration", "500", "--format", format];
        let shown = fluidsim_in(folder.path(), &args);
        let written = fluidsim_in(folder.path(), &[&args[..], &["--out", "report"]].concat());
        assert_eq!((written.code, written.stdout.as_str(), written.stderr.as_str()), (shown.code, "", ""));
        assert_eq!(fs::read_to_string(folder.path().join("report")).unwrap(), shown.stdout);
    }
}
