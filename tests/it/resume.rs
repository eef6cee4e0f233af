//! A long sweep that is killed goes on where it was, and ends with the same bytes as one that was not.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::run::{files_in, fluidsim_in};

const SWEEP: [&str; 9] = [
    "stability",
    "--sweep",
    "instance.kv_tokens=20000:76000:8000",
    "--des",
    "--des-trials",
    "6",
    "--format",
    "csv",
    "--csv",
];

fn start(folder: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_fluidsim"))
        .args(SWEEP)
        .arg("grid.csv")
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Rows in the file of finished points; its first line says what the question is.
fn rows_done(folder: &Path) -> usize {
    fs::read_to_string(folder.join("grid.csv.partial")).map_or(0, |text| text.lines().count().saturating_sub(1))
}

#[test]
fn a_killed_sweep_goes_on_and_ends_the_same() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [whole, killed] = folders.each_ref().map(tempfile::TempDir::path);
    let shown = fluidsim_in(whole, &[&SWEEP[..], &["grid.csv"]].concat()).fine();

    let mut child = start(killed);
    let patience = Instant::now();
    while rows_done(killed) < 1 {
        assert!(patience.elapsed() < Duration::from_secs(60), "no point was finished in a minute");
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let done = rows_done(killed);
    assert!(done >= 1 && files_in(killed) == ["grid.csv.partial"], "{:?}", files_in(killed));

    let ran = fluidsim_in(killed, &[&SWEEP[..], &["grid.csv"]].concat());
    assert_eq!((ran.code, ran.stdout), (0, shown));
    assert!(ran.stderr.starts_with("resuming: ") && ran.stderr.contains("points were done before"), "{}", ran.stderr);
    assert_eq!(fs::read(whole.join("grid.csv")).unwrap(), fs::read(killed.join("grid.csv")).unwrap());
    assert_eq!((files_in(whole), files_in(killed)), (vec!["grid.csv".to_owned()], vec!["grid.csv".to_owned()]));
}

#[test]
fn the_points_of_another_question_are_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = ["stability", "mm1", "--sweep", "lambda=0.3,0.6", "--des", "--des-trials", "2", "--csv", "grid.csv"];
    fs::write(folder.path().join("grid.csv.partial"), "another question\n{}\n").unwrap();
    let ran = fluidsim_in(folder.path(), &sweep);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(files_in(folder.path()), ["grid.csv"]);
}
