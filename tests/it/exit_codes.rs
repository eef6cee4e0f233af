//! 0: ok, 1: a check failed, 2: wrong usage or input; and what is left behind in each case.

use std::io::Read;
use std::process::{Command, Stdio};

use crate::run::{files_in, fluidsim, fluidsim_in};

/// A comparison with a backlog that the measured window never works off: the throughput that is promised cannot be seen.
const HOPELESS: [&str; 10] =
    ["compare", "mm1", "--des-trials", "4", "--duration", "3000", "--warmup", "0", "--backlog", "9000"];

#[test]
fn commands_that_find_nothing_wrong_end_with_0() {
    for args in [
        &["solve"][..],
        &["solve", "--lambda", "10"],
        &["stability"],
        &["scenario", "list"],
        &["scenario", "check", "mm1"],
        &["scenario", "check", "models/scenarios/mm1.toml"],
        &["simulate", "mm1", "--duration", "100"],
        &["compare", "mm1", "--des-trials", "3"],
        &["queue", "mm1", "--rho", "0.5", "--des-trials", "10"],
        &["--help"],
        &["--version"],
    ] {
        assert!(!fluidsim(args).fine().is_empty(), "{args:?}");
    }
}

#[test]
fn a_promised_quantity_that_differs_ends_with_1_and_the_whole_report() {
    let ran = fluidsim(&HOPELESS);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""));
    let row = ran.stdout.lines().find(|line| line.starts_with("throughput_per_s")).unwrap();
    assert!(row.contains(" differs "), "{row}");
    let answer = fluidsim(&[&HOPELESS[..], &["--format", "json"]].concat()).json();
    assert_eq!(answer["agrees"].as_bool(), Some(false));
}

#[test]
fn a_failed_check_still_writes_its_report() {
    let folder = tempfile::tempdir().unwrap();
    let ran = fluidsim_in(folder.path(), &[&HOPELESS[..], &["--out", "report.txt"]].concat());
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert_eq!(files_in(folder.path()), ["report.txt"]);
}

#[test]
fn wrong_usage_ends_with_2_and_says_so_once() {
    for args in [
        &[][..],
        &["solv"],
        &["solve", "--nonsense"],
        &["solve", "a", "b"],
        &["solve", "--lambda"],
        &["solve", "--lambda", "fast"],
        &["solve", "--format", "xml"],
        &["solve", "--latex", "--format", "csv"],
        &["solve", "--trace-mode", "replay"],
        &["simulate", "--leap", "maybe"],
        &["simulate", "--seed", "-1"],
        &["simulate", "--backlog", "-1"],
        &["compare", "--des-trials", "many"],
        &["stability", "--csv", "grid.csv"],
        &["stability", "--plot", "grid.svg"],
        &["queue", "mm2"],
        &["scenario", "show"],
    ] {
        let ran = fluidsim(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}");
        assert!(ran.stderr.contains("Usage: ") || ran.stderr.contains("--help"), "{}", ran.stderr);
        let errors = ran.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!(errors, usize::from(!args.is_empty()), "{}", ran.stderr);
    }
}

#[test]
fn a_negative_number_is_taken_as_a_value_and_not_as_an_option() {
    for args in [["simulate", "--seed", "-1"], ["simulate", "--backlog", "-1"], ["compare", "--des-trials", "-4"]] {
        let ran = fluidsim(&args);
        assert!(ran.stderr.starts_with(&format!("error: invalid value '{}'", args[2])), "{}", ran.stderr);
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_is_no_error() {
    for args in [&["solve"][..], &["scenario", "list"], &["simulate", "mm1", "--duration", "100", "--format", "json"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fluidsim"))
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""), "{args:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_fluidsim")).arg("solve").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("error: "));
}

/// Long enough that a progress bar would come up on a terminal.
#[test]
fn no_progress_bar_without_a_terminal() {
    let start = std::time::Instant::now();
    let args = ["queue", "mm1", "--rho", "0.95", "--des-trials"];
    for trials in ["50", "200", "800"] {
        let ran = fluidsim(&[&args[..], &[trials]].concat());
        assert!(ran.code <= 1);
        assert_eq!(ran.stderr, "");
        if start.elapsed().as_secs() >= 2 {
            return;
        }
    }
}

#[test]
fn a_folder_that_does_not_exist_is_found_before_any_work() {
    let cases = [
        (&["solve"][..], "--out"),
        (&["solve"], "--trajectory"),
        (&["solve"], "--plot"),
        (&["simulate"], "--out"),
        (&["simulate"], "--requests"),
        (&["simulate"], "--steps"),
        (&["compare", "--des-trials", "1000000"], "--out"),
        (&["compare", "--des-trials", "1000000"], "--plot"),
        (&["stability", "--sweep", "lambda=1,2", "--des"], "--csv"),
        (&["stability", "--sweep", "lambda=1,2"], "--plot"),
        (&["stability", "--sweep", "lambda=1,2"], "--out"),
        (&["queue", "mm1", "--des-trials", "1000000"], "--out"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (args, option) in cases {
        let ran = fluidsim_in(folder.path(), &[args, &[option, "nowhere/file"]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?} {option}");
        let start = format!("error: {option}: `nowhere/file` cannot be written: there is no folder `nowhere`; ");
        assert!(ran.stderr.starts_with(&start), "{}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1);
    }
    assert!(files_in(folder.path()).is_empty());
}

#[test]
fn one_bad_file_of_several_leaves_none() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = ["stability", "--sweep", "lambda=1,2"];
    for files in [
        &["--csv", "good.csv", "--plot", "nowhere/grid.svg"][..],
        &["--csv", "good.csv", "--out", "nowhere/table.txt"],
        &["--csv", "same.csv", "--out", "same.csv"],
        &["--out", "."],
    ] {
        let ran = fluidsim_in(folder.path(), &[&sweep[..], files].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{files:?}");
        assert!(ran.stderr.starts_with("error: --"), "{}", ran.stderr);
    }
    assert!(files_in(folder.path()).is_empty());
}
