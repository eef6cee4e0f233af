//! `fluidsim compare-policies`: what it says of policies whose order is known.

use crate::run::{command, finish, fluidsim, fluidsim_in};

/// One server at .7 with jobs of geometric length: the shortest first is better in the mean, and no order changes the throughput.
const STATION: [&str; 13] = [
    "compare-policies",
    "mm1",
    "--set",
    "workload.class[0].output={law=\"geometric\", mean=10}",
    "--set",
    "step_noise=none",
    "--lambda",
    "0.07",
    "--duration",
    "5000",
    "--trials",
    "10",
    "--metric",
];

#[test]
fn a_ranking_on_the_terminal() {
    let orders = ["e2e_s.mean,e2e_s.p99", "--vary", "policy.order=fcfs,shortest-job,random", "--pairs"];
    insta::assert_snapshot!("policies_table", fluidsim(&[&STATION[..], &orders].concat()).fine());
}

#[test]
fn the_overloaded_stand_last_with_their_growth() {
    let policies = ["e2e_s.mean", "--policy", "slow: step_time.base_s=2", "--policy", "own: step_time.base_s=1"];
    let ran = fluidsim(&[&STATION[..], &policies, &["--format", "json"]].concat());
    let tables = ran.json();
    let rows = tables[0]["rows"].as_array().unwrap();
    assert_eq!((&rows[0]["policy"], &rows[1]["policy"]), (&"own".into(), &"slow".into()));
    assert!(rows[1]["e2e_s.mean"].is_null() && rows[1]["difference"] == "overloaded");
    // λ − λ* = .07 − .05.
    let growth = &rows[1]["growth"];
    let (low, high) = (growth["ci_low"].as_f64().unwrap(), growth["ci_high"].as_f64().unwrap());
    assert!(low < 0.02 && 0.02 < high && high - low < 0.01, "{growth}");
    assert_eq!(tables[1]["rows"].as_array().unwrap().len(), 0);
}

#[test]
fn the_same_bytes_on_any_number_of_threads() {
    let on = |threads: &str| {
        let more = ["e2e_s.mean,running", "--vary", "policy.order=fcfs,random", "--format", "csv"];
        finish(command().args(STATION).args(more).env("RAYON_NUM_THREADS", threads)).fine()
    };
    assert_eq!(on("1"), on("8"));
}

#[test]
fn files_are_drawn_and_written() {
    let place = tempfile::tempdir().unwrap();
    let more = ["e2e_s.mean", "--vary", "policy.order=fcfs,srpt", "--latex", "--out", "p.tex", "--plot", "p.svg"];
    assert_eq!(fluidsim_in(place.path(), &[&STATION[..], &more].concat()).fine(), "");
    let read = |name: &str| std::fs::read_to_string(place.path().join(name)).unwrap();
    let (tex, svg) = (read("p.tex"), read("p.svg"));
    assert!(tex.contains("\\toprule") && tex.contains("srpt") && tex.contains("real"), "{tex}");
    assert!(svg.contains("fcfs") && svg.contains("srpt") && !svg.contains("NaN"), "{svg}");
}
