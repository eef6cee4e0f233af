//! `simulate --out FOLDER`: every file is there with the columns of the fluid ODE simulation project, they agree with the report and
//! with each other, and what a killed run leaves can be read.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::run::{Ran, files_in, fluidsim_in};

const FILES: [&str; 10] = [
    "batch_snapshots.csv",
    "config_used.toml",
    "events.csv",
    "experiment_meta.toml",
    "memory_events.csv",
    "queue_timeline.csv",
    "request_timeline.svg",
    "request_traces.csv",
    "summary.txt",
    "system_dynamics.svg",
];

/// The columns that seed 000 documents.
const COLUMNS: [(&str, &str); 5] = [
    (
        "batch_snapshots.csv",
        "time,batch_id,batch_count,batch_tokens,running_count,waiting_count,swapped_count,completed_count,gpu_memory_used,\
         memory_utilization,batch_duration",
    ),
    (
        "request_traces.csv",
        "req_id,arrival_time,prefill_length,decode_length,completion_time,total_delay,waiting_time,execution_time,swap_count,\
         total_swapped_time,sacrifice_count",
    ),
    ("events.csv", "time,batch_id,event_type,req_id,details"),
    ("queue_timeline.csv", "time,batch_id,queue_type,req_ids"),
    ("memory_events.csv", "time,batch_id,event,req_id,decode_position,memory_change,gpu_memory_after"),
];

/// Memory that runs out, so that victims are swapped.
const CROWDED: [&str; 11] = [
    "simulate",
    "memory-swap",
    "--lambda",
    "3",
    "--duration",
    "60",
    "--warmup",
    "0",
    "--format=json",
    "--set",
    "instance.kv_tokens=12000",
];

fn run_into(folder: &Path, place: &str, more: &[&str]) -> Ran {
    fluidsim_in(folder, &[&CROWDED[..], &["--out", place], more].concat())
}

fn rows(folder: &Path, file: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(folder.join(file)).unwrap();
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

fn number(row: &[String], column: usize) -> f64 {
    row[column].parse().unwrap_or_else(|error| panic!("{error}: {row:?}"))
}

#[test]
fn a_run_fills_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run_into(folder.path(), "run", &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let place = folder.path().join("run");
    assert_eq!(files_in(&place), FILES);
    for (file, columns) in COLUMNS {
        assert_eq!(fs::read_to_string(place.join(file)).unwrap().lines().next(), Some(columns), "{file}");
        rows(&place, file);
    }
    let summary = fs::read_to_string(place.join("summary.txt")).unwrap();
    assert!(summary.starts_with("Simulation\n") && summary.contains("\nOperations\n"), "{summary}");
    let meta: toml::Table = fs::read_to_string(place.join("experiment_meta.toml")).unwrap().parse().unwrap();
    assert_eq!(meta["seed"].as_integer(), Some(1));
    assert_eq!(
        meta["command"].as_str(),
        Some(CROWDED.join(" ").as_str()).map(|command| format!("fluidsim {command}")).as_deref()
    );
    let again = fluidsim_in(&place, &["scenario", "check", "config_used.toml"]);
    assert_eq!(again.code, 0, "{again:?}");
}

#[test]
fn the_files_agree_with_the_report_and_with_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let answer = run_into(folder.path(), "run", &[]).json();
    let place = folder.path().join("run");
    let count = |name: &str| answer["requests"][name].as_u64().unwrap() as usize;
    let requests = rows(&place, "request_traces.csv");
    assert_eq!(requests.len(), count("arrived"));
    let finished: Vec<_> = requests.iter().filter(|row| !row[4].is_empty()).collect();
    assert_eq!(finished.len(), count("completed"));
    for row in finished {
        let parts = number(row, 6) + number(row, 7) + number(row, 9);
        assert!((number(row, 5) - parts).abs() < 1e-6 && number(row, 7) > 0.0, "{row:?}");
        assert!((number(row, 4) - number(row, 1) - number(row, 5)).abs() < 1e-6, "{row:?}");
    }
    let batches = rows(&place, "batch_snapshots.csv");
    assert_eq!(batches.len() as u64, answer["steps"].as_u64().unwrap());
    assert_eq!(number(batches.last().unwrap(), 7) as usize, count("completed"));
    let memory = fs::read_to_string(place.join("config_used.toml")).unwrap().parse::<toml::Table>().unwrap();
    let memory = memory["instance"]["kv_tokens"].as_integer().unwrap() as f64;
    for (row, next) in batches.iter().zip(&batches[1..]) {
        assert!(number(row, 0) <= number(next, 0) - number(next, 10) + 1e-9, "{row:?} {next:?}");
        assert!(number(row, 8) <= memory && (number(row, 9) - number(row, 8) / memory).abs() < 1e-9, "{row:?}");
        assert!(number(row, 7) <= number(next, 7));
    }
}

/// Every arrival, preemption and completion is told once, in order, and the queues of every iteration.
#[test]
fn every_event_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let answer = run_into(folder.path(), "run", &[]).json();
    let place = folder.path().join("run");
    let events = rows(&place, "events.csv");
    let told = |kind: &str| events.iter().filter(|row| row[2] == kind).count() as u64;
    assert_eq!(told("arrival"), answer["requests"]["arrived"].as_u64().unwrap());
    assert_eq!(told("completion"), answer["requests"]["completed"].as_u64().unwrap());
    assert_eq!(told("swap_out"), answer["preemptions"].as_u64().unwrap());
    assert!(told("swap_out") > 0 && told("swap_in") <= told("swap_out"));
    assert!(events.windows(2).all(|pair| number(&pair[0], 0) <= number(&pair[1], 0)));
    assert_eq!(rows(&place, "memory_events.csv").len() as u64, events.len() as u64 - told("rejected"));
    let batches = rows(&place, "batch_snapshots.csv");
    assert_eq!(rows(&place, "queue_timeline.csv").len(), 3 * batches.len());
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    run_into(folder.path(), "one", &[]);
    run_into(folder.path(), "two", &[]);
    for file in FILES {
        let of = |place: &str| fs::read(folder.path().join(place).join(file)).unwrap();
        assert!(of("one") == of("two"), "{file}");
    }
}

#[test]
fn a_killed_run_leaves_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_fluidsim"))
        .current_dir(folder.path())
        .args(["simulate", "memory-swap", "--duration", "1e7", "--set", "instance.kv_tokens=12000", "--out", "run"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let place = folder.path().join("run");
    let long = |file: &str| fs::metadata(place.join(file)).is_ok_and(|found| found.len() > 300_000);
    let start = Instant::now();
    while !(long("batch_snapshots.csv") && long("request_traces.csv")) {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing is written while the run goes on");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for (file, columns) in COLUMNS {
        let mut text = fs::read_to_string(place.join(file)).unwrap();
        let whole = text.rfind('\n').unwrap() + 1;
        // The system can cut a write between two pages of a file: then a last line that crosses from one to the next is cut.
        assert!(text.len() == whole || text.len().is_multiple_of(4096), "{file} ends in `{}`", &text[whole..]);
        text.truncate(whole);
        fs::write(place.join(file), text).unwrap();
        assert!(rows(&place, file).iter().all(|row| row.len() == columns.split(',').count()), "{file}");
    }
    assert!(!place.join("summary.txt").exists());
    assert!(place.join("config_used.toml").exists());
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("run")).unwrap();
    fs::write(folder.path().join("run/mine.txt"), "mine").unwrap();
    let refused = run_into(folder.path(), "run", &[]);
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""));
    assert!(
        refused.stderr.starts_with("error: --out: `run` is not empty; ") && refused.stderr.contains("--force"),
        "{refused:?}"
    );
    assert_eq!(files_in(&folder.path().join("run")), ["mine.txt"]);
    assert_eq!(run_into(folder.path(), "run", &["--force"]).code, 0);
    assert_eq!(files_in(&folder.path().join("run")).len(), FILES.len() + 1);
}

#[test]
fn nothing_is_made_when_the_question_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    for more in [
        &["--trials", "2"][..],
        &["--set", "instance.kv_tokens=0"],
        &["--plot", "nowhere/x"],
        &["--set", "step_time.base_s=-1"],
    ] {
        let ran = run_into(folder.path(), "run/", more);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.lines().count()), (2, "", 1), "{more:?} {ran:?}");
    }
    assert!(files_in(folder.path()).is_empty());
}

#[test]
fn a_name_with_an_extension_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run_into(folder.path(), "report.json", &[]).stdout, "");
    assert_eq!(files_in(folder.path()), ["report.json"]);
}

#[test]
fn a_run_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(fluidsim_in(folder.path(), &[&CROWDED[..], &["--plot", "crowded.svg"]].concat()).code, 0);
    assert_eq!(files_in(folder.path()), ["crowded-dynamics.svg", "crowded-timeline.svg"]);
    let read = |file: &str| fs::read_to_string(folder.path().join(file)).unwrap();
    let dynamics = read("crowded-dynamics.svg");
    for title in [
        "Queues",
        "KV memory",
        "KV memory used",
        "Batch duration",
        "Completed",
        "Throughput over a twentieth of the run",
    ] {
        assert_eq!(dynamics.matches(&format!(">{title}</text>")).count(), 1, "{title}");
    }
    let timeline = read("crowded-timeline.svg");
    for word in ["waiting", "executing", "preempted", "time (s)"] {
        assert_eq!(timeline.matches(&format!(">{word}</text>")).count(), 1, "{word}");
    }
    assert!(timeline.contains(">S:1</text>"), "nobody was preempted");
    assert!(!dynamics.contains("NaN") && !timeline.contains("NaN") && timeline.matches("<rect").count() > 20);
}
