//! What the gate tells a user: the table, the scenario of a family, the evidence beside figures, and the scaling check.

use std::fs;
use std::path::Path;

use crate::run::{fluidsim, fluidsim_in};

const TABLE: &str = "src/study/gate/errors.csv";

fn table() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE)).unwrap()
}

#[test]
fn the_table_is_shown_with_every_family() {
    let text = fluidsim(&["trust"]).fine();
    for word in ["Errors of theory on the gate", "p90 goal", "v1-geometric", "decode-node-swap", "spike: drain time"] {
        assert!(text.contains(word), "{word}");
    }
    assert_eq!(fluidsim(&["trust", "--format", "csv"]).fine(), table());
    let one = fluidsim(&["trust", "--only", "v1-swap", "--format", "csv"]).fine();
    assert!(one.lines().skip(1).all(|line| line.starts_with("v1-swap,")) && one.lines().count() > 50);
    let json = fluidsim(&["trust", "--format", "json"]).json();
    assert_eq!(json.as_array().unwrap().len(), 3);
}

#[test]
fn a_family_is_a_scenario() {
    let folder = tempfile::tempdir().unwrap();
    let text = fluidsim(&["trust", "--show", "sarathi-256-swap"]).fine();
    fs::write(folder.path().join("family.toml"), text).unwrap();
    let checked = fluidsim_in(folder.path(), &["scenario", "check", "family.toml"]).fine();
    assert!(checked.contains("sarathi-256-swap"), "{checked}");
    let ran = fluidsim(&["trust", "--show", "nothing"]);
    assert!(ran.code == 2 && ran.stderr.contains("v1-geometric"), "{}", ran.stderr);
    assert_eq!(fluidsim(&["trust", "--quick"]).code, 2);
}

/// With the engine's figures kept, nothing random is left: the table comes out as it is, and a figure that got worse ends with 1.
#[test]
fn a_run_is_held_against_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let run = |text: &str| {
        fs::write(folder.path().join("kept.csv"), text).unwrap();
        let args = ["trust", "--run", "--only", "v1-uniform", "--keep", "kept.csv", "--format", "csv"];
        fluidsim_in(folder.path(), &args)
    };
    let own: Vec<String> = table().lines().filter(|line| line.starts_with("v1-uniform,")).map(str::to_owned).collect();
    let same = run(&table()).fine();
    assert_eq!(same.lines().skip(1).collect::<Vec<_>>(), own);
    let moved = |line: &str| {
        let mut fields: Vec<String> = line.split(',').map(str::to_owned).collect();
        if line.contains(",0.6,") && fields[3] == "e2e_s.mean" {
            fields[6] = (1.2 * fields[6].parse::<f64>().unwrap()).to_string();
        }
        fields.join(",")
    };
    let worse = run(&table().lines().map(moved).collect::<Vec<_>>().join("\n"));
    assert_eq!(worse.code, 1);
    assert_eq!(worse.stderr, "worse than the table: e2e_s.mean of v1-uniform at 0.6 λ*\n");
}

#[test]
fn every_figure_of_solve_has_what_the_gate_has_seen() {
    let answer = fluidsim(&["solve", "--format", "json"]).json();
    assert_eq!(
        (answer["gate"]["load"].as_f64(), answer["gate"]["families"][0].as_str()),
        (Some(0.6), Some("v1-uniform"))
    );
    for name in ["lambda_star_per_s", "running", "kv_tokens", "ttft_s.mean", "ttft_s.p95", "tbt_s.mean", "e2e_s.p99"] {
        let mark = &answer["gate"]["figures"][name];
        assert!(
            mark["error"].as_f64().is_some_and(|error| error < 0.2) || mark["standing"] == "exact",
            "{name}: {mark}"
        );
    }
    // A law of steps is on the gate nowhere near an exponential one of a single server.
    let exact = fluidsim(&["solve", "mm1", "--format", "json"]).json();
    assert_eq!(exact["gate"]["figures"]["e2e_s.mean"]["standing"], "exact");
}

#[test]
fn compare_does_not_promise_what_the_gate_misses() {
    let bursts = ["--set", "workload.arrivals={law=\"gamma\", cv=6}", "--des-trials", "3", "--duration", "400"];
    let answer = fluidsim(&[&["compare", "--format", "json"][..], &bursts].concat()).json();
    let row = answer["rows"].as_array().unwrap().iter().find(|row| row["quantity"] == "ttft_s.mean").unwrap();
    assert_eq!((row["verdict"].as_str(), row["promised"].as_bool()), (Some("do not trust"), Some(false)), "{row}");
}

#[test]
fn larger_systems_come_closer_to_the_fluid_path() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["compare", "sequence-capped", "--scale", "1,8", "--duration", "30", "--backlog", "20"];
    let text = fluidsim_in(folder.path(), &[&args[..], &["--plot", "scale.svg"]].concat()).fine();
    assert!(text.contains("Exponent of n in the error"), "{text}");
    assert!(fs::read_to_string(folder.path().join("scale.svg")).unwrap().contains("slope -1/2"));
    assert_eq!(fluidsim(&["compare", "--scale", "0"]).code, 2);
    let ran = fluidsim(&["compare", "--scale", "2", "--trace", "models/traces/own.csv"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}
