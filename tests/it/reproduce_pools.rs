//! The studies of pools and routing: seeds 002 and 003.

use std::fs;

use fluidsim::study::reproduce::embedded;

use crate::reproduce::{reproduced, texts};
use crate::run::{fluidsim, shared};

/// Oracle S8, and what the source's two ways to start jobs make of it, in whole digits.
#[test]
fn the_discriminating_jobs_are_exact_and_the_published_figures_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let (code, printed) = reproduced(&out, &["seed-003", "--part", "discriminating"], "2");
    assert_eq!(code, 0, "{printed}");
    assert_eq!((printed.matches(" agrees ").count(), printed.matches(" explained ").count()), (10, 8), "{printed}");
    let csv = fs::read_to_string(out.join("discriminating.csv")).unwrap();
    let row = |starts: &str, order: &str| -> Vec<f64> {
        let head = format!("{starts},{order},");
        let line = csv.lines().map(|line| line.replace('"', "")).find(|line| line.starts_with(&head)).unwrap();
        line[head.len()..].split(',').take(3).map(|cell| cell.parse().unwrap()).collect()
    };
    for order in ["WeightedFIFO", "SRPT", "WSRPT"] {
        assert_eq!(row("exact", order), [102.0, 1.5, 3.0], "{order}");
        assert_eq!(row("running counted twice", order), [108.0, 1.8, 4.5], "{order}");
        let both = row("both, as published", order);
        assert!((both[0] - 108.04).abs() < 1e-9 && (both[1] - 1.802).abs() < 1e-9, "{both:?}");
    }
    assert_eq!(row("exact", "FIFO"), [336.0, 2.4, 3.0]);
    let grid = row("10 ms grid", "FIFO");
    assert!((grid[0] - 336.4).abs() < 1e-9 && (grid[1] - 2.402).abs() < 1e-9, "{grid:?}");
}

#[test]
fn drawn_jobs_and_looks_in_time_have_the_same_bytes_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    for (study, part) in [("seed-003", "random"), ("seed-002", "sampled")] {
        let args = [study, "--quick", "--part", part];
        let (one, eight) = (folder.path().join(format!("{study}-1")), folder.path().join(format!("{study}-8")));
        let first = reproduced(&one, &args, "1");
        assert_eq!(first.0, 0, "{}", first.1);
        assert_eq!(first, reproduced(&eight, &args, "8"));
        assert_eq!(texts(&one), texts(&eight));
    }
    let looks = fs::read_to_string(folder.path().join("seed-002-1/sampled-lognormal-lengths-samples.csv")).unwrap();
    let lines: Vec<&str> = looks.lines().collect();
    // Every second from 0 to 200: two decode and two prefill instances, three columns each.
    assert!(lines.len() == 202 && lines[0].starts_with("time (s),decode 1 waiting"), "{}", lines[0]);
    assert!(lines.iter().all(|line| line.split(',').count() == 13));
    assert!(lines[201].starts_with("200.0,"), "{}", lines[201]);
}

#[test]
fn the_recorded_lengths_of_mooncake_are_drawn_at_the_asked_rate() {
    let Some(shared) = shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = shared.join("data/traces");
    let args = ["seed-002", "--quick", "--part", "queue", "--data", data.to_str().unwrap()];
    let (code, printed) = reproduced(&folder.path().join("out"), &args, "2");
    assert!(code == 0 && printed.contains("Mooncake lengths") && !printed.contains("Left out"), "{printed}");
}

#[test]
fn jobs_that_cannot_be_are_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let text = embedded::text("seed-003-gpu-scheduling.toml").unwrap();
    let cases = [
        ("jobs = \"discriminating\"\nsolvers", "jobs = \"discrimination\"\nsolvers", "which the study does not have"),
        ("tokens = 2000, tokens_per_s = 1000", "tokens = 2000, tokens_per_s = 0", "job[0]"),
        ("weight = 1, gpus = 2 }", "weight = 1, gpus = 20 }", "the pool has `16`"),
        ("weight = [1, 3]", "weight = [3, 1]", "give ranges [from, to]"),
    ];
    for (from, to, told) in cases {
        let file = folder.path().join("study.toml");
        assert!(text.contains(from), "{from}");
        fs::write(&file, text.replacen(from, to, 1)).unwrap();
        let out = folder.path().join("out");
        let ran = fluidsim(&["reproduce", file.to_str().unwrap(), "--quick", "--out", out.to_str().unwrap()]);
        assert_eq!((ran.code, out.exists()), (2, false), "{from}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{from}: {}", ran.stderr);
    }
}
