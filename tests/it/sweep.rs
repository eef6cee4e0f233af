//! A sweep is the same bytes however it is cut up, on however many threads, and after a kill.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::run::{Ran, command, files_in, finish, fluidsim, fluidsim_in};

/// A grid of words and numbers that both sides answer.
const GRID: [&str; 13] = [
    "sweep",
    "--over",
    "load=.4,.7,1.3",
    "--over",
    "policy.order=fcfs,shortest-prompt",
    "--solver",
    "both",
    "--trials",
    "2",
    "--duration",
    "60",
    "--warmup",
    "10",
];

#[track_caller]
fn done(ran: &Ran) {
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
}

fn run(folder: &Path, more: &[&str]) -> Ran {
    fluidsim_in(folder, &[&GRID[..], more].concat())
}

fn csv(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name).join("results.csv")).unwrap()
}

#[test]
fn shards_threads_and_one_process_give_the_same_bytes() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    for threads in ["1", "8"] {
        let out = format!("threads{threads}");
        let mut command = command();
        let command = command.current_dir(folder).args(GRID).args(["--out", &out]).env("RAYON_NUM_THREADS", threads);
        done(&finish(command));
    }
    for part in ["1/3", "2/3", "3/3"] {
        done(&run(folder, &["--shard", part, "--out", &format!("part{}", &part[..1])]));
    }
    done(&fluidsim_in(folder, &["merge", "part3", "part1", "part2", "--out", "merged"]));
    let whole = csv(folder, "threads1");
    assert_eq!(whole.lines().count(), 7, "{whole}");
    assert_eq!((csv(folder, "threads8"), csv(folder, "merged")), (whole.clone(), whole.clone()));
    let merged = fluidsim_in(folder, &["merge", "part1", "part2", "part3", "--format", "csv"]).fine();
    assert_eq!(merged, whole);
    let shown = run(folder, &["--format", "csv"]).fine();
    assert_eq!(shown, whole);
    let manifest = |name: &str| fs::read_to_string(folder.join(name).join("manifest.json")).unwrap();
    assert_eq!(manifest("merged"), manifest("threads1"));
}

#[test]
fn what_is_not_whole_or_not_one_sweep_is_not_merged() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let sweep = |seed: &str, rates: &str, more: &[&str]| {
        let over = format!("lambda={rates}");
        fluidsim_in(folder, &[&["sweep", "--seed", seed, "--over", &over], more].concat())
    };
    done(&sweep("1", "1,2,3", &["--shard", "1/2", "--out", "a"]));
    done(&sweep("2", "1,2,3", &["--shard", "2/2", "--out", "b"]));
    done(&sweep("1", "1,2,4", &["--shard", "2/2", "--out", "c"]));
    let refused = |folders: &[&str], words: &[&str]| {
        let ran = fluidsim_in(folder, &[&["merge"], folders, &["--out", "all"]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
        assert!(words.iter().all(|word| ran.stderr.contains(word)), "{}", ran.stderr);
        assert!(!folder.join("all").exists());
    };
    refused(&["a", "b"], &["b/manifest.json: ", "another question", "`seed` (2, not 1)"]);
    refused(&["a", "c"], &["c/manifest.json: ", "`axes`"]);
    refused(&["a"], &["1 of 3 points", "--partial"]);
    let partial = fluidsim_in(folder, &["merge", "a", "--partial", "--format", "csv"]).fine();
    assert_eq!(partial.lines().count(), 3);
    let ran = sweep("1", "1,2,4", &["--out", "a"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    // A folder that holds a part is filled up by the rest.
    let ran = sweep("1", "1,2,3", &["--out", "a"]);
    assert!(ran.code == 0 && ran.stderr.contains("resuming: 2 points"), "{}", ran.stderr);
    assert_eq!(csv(folder, "a").lines().count(), 4);
}

#[test]
fn a_kill_loses_and_repeats_nothing() {
    const LONG: [&str; 14] = [
        "sweep",
        "--over",
        "load=.3:.6:.05",
        "--solver",
        "engine",
        "--trials",
        "3",
        "--duration",
        "4000",
        "--warmup",
        "100",
        "--format",
        "csv",
        "--out",
    ];
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let results = folder.join("killed/results.jsonl");
    let rows = || fs::read_to_string(&results).map_or(0, |text| text.lines().count().saturating_sub(1));
    let mut child = Command::new(env!("CARGO_BIN_EXE_fluidsim"))
        .args(LONG)
        .arg("killed")
        .current_dir(folder)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let patience = Instant::now();
    while rows() < 1 {
        assert!(patience.elapsed() < Duration::from_secs(60), "no point was finished in a minute");
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!folder.join("killed/results.csv").exists());
    // As if the kill had come in the middle of a row.
    let mut text = fs::read_to_string(&results).unwrap();
    text.push_str("{\"index\":6,\"settings\":[0.");
    fs::write(&results, text).unwrap();

    let ran = fluidsim_in(folder, &[&LONG[..], &["killed"]].concat());
    assert!(ran.code == 0 && ran.stderr.starts_with("resuming: "), "{}", ran.stderr);
    done(&fluidsim_in(folder, &[&LONG[..], &["whole"]].concat()));
    assert_eq!(csv(folder, "killed"), csv(folder, "whole"));
    assert_eq!(files_in(&folder.join("killed")), ["manifest.json", "results.csv", "results.jsonl"]);
    let text = fs::read_to_string(&results).unwrap();
    let indices: Vec<u64> = text
        .lines()
        .skip(1)
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            row["index"].as_u64().unwrap()
        })
        .collect();
    assert_eq!((indices.len(), indices.into_iter().collect::<BTreeSet<_>>()), (7, (0..7).collect()));
}

/// Common random numbers: a change that changes nothing gives the same figures; `--independent` draws anew.
#[test]
fn points_share_their_random_numbers() {
    let sweep = |more: &[&str]| {
        let grid = ["sweep", "mm1", "--case", "a: lambda=.5", "--case", "b: lambda=.5", "--solver", "engine"];
        let run = ["--show", "e2e_s.mean", "--duration", "500", "--trials", "2", "--format", "csv"];
        let text = fluidsim(&[&grid[..], &run, more].concat()).fine();
        text.lines().skip(1).map(|line| line.split_once(',').unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    let (common, apart) = (sweep(&[]), sweep(&["--independent"]));
    assert_eq!(common[0], common[1]);
    assert_ne!(apart[0], apart[1]);
}

#[test]
fn hardware_samples_and_cases_are_swept() {
    let grid = ["sweep", "--over", "gpu=a100-80-sxm,h100-sxm", "--over", "model=llama-3-8b"];
    insta::assert_snapshot!(
        "sweep_hardware",
        fluidsim(&[&grid[..], &["--show", "lambda_star_per_s,binding"]].concat()).fine()
    );
    let drawn = ["sweep", "--lhs", "3", "--over", "lambda=log:1..4", "--over", "instance.max_sequences=int:32..64"];
    insta::assert_snapshot!(
        "sweep_sample",
        fluidsim(&[&drawn[..], &["--show", "lambda_star_per_s,verdict"]].concat()).fine()
    );
    let cases =
        ["sweep", "--case", "small: instance.max_sequences=32 lambda=1", "--case", "slow: step_time.base_s=.05"];
    insta::assert_snapshot!("sweep_cases", fluidsim(&[&cases[..], &["--tier", "fast"]].concat()).fine());
    insta::assert_snapshot!("sweep_quantities", fluidsim(&["sweep", "--list"]).fine());
}

#[test]
fn one_axis_is_lines_and_two_are_a_map() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let draw = |more: &[&str]| {
        fluidsim_in(folder, &[&["sweep", "--over", "lambda=1,2,3", "--plot", "p.svg"], more].concat()).fine();
        let svg = fs::read_to_string(folder.join("p.svg")).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && !svg.contains("NaN"));
        svg
    };
    let lines = draw(&["--show", "ttft_s.mean,e2e_s.mean", "--over", "policy.engine=orca,vllm-v1"]);
    assert!(["orca", "vllm-v1", "ttft_s.mean", "e2e_s.mean", "lambda"].iter().all(|word| lines.contains(word)));
    let map = draw(&["--show", "e2e_s.mean", "--over", "instance.max_sequences=64,256"]);
    assert!(["instance.max_sequences", "lambda", "up to", "does not exist"].iter().all(|word| map.contains(word)));
}

/// The recipe for GNU parallel gives the bytes of one process. (That for SLURM has a test of its own, `validation/recipes/slurm-test.sh`.)
#[cfg(unix)]
#[test]
fn the_recipe_for_gnu_parallel_gives_the_same_bytes() {
    if Command::new("parallel").arg("--version").output().is_err() {
        eprintln!("skipped: GNU parallel is not installed");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("validation/recipes/gnu-parallel.sh");
    let ran = Command::new(recipe)
        .args(["3", "out"])
        .args(&GRID[1..])
        .env("FLUIDSIM", env!("CARGO_BIN_EXE_fluidsim"))
        .current_dir(place.path())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    done(&run(place.path(), &["--out", "whole"]));
    assert_eq!(csv(&place.path().join("out"), "all"), csv(place.path(), "whole"));
}
