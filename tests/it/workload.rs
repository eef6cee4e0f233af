//! `workload`: traces made from laws, what traces are, and laws fitted to them.

use std::fs;

use serde_json::Value;

use crate::run::{files_in, fluidsim, fluidsim_in, shared};

/// The table of a JSON report whose title holds these words.
fn table<'a>(answer: &'a Value, words: &str) -> &'a Value {
    let tables = answer.as_array().unwrap();
    tables.iter().find(|table| table["title"].as_str().unwrap().contains(words)).unwrap()
}

/// The row of a table that begins so.
fn row<'a>(table: &'a Value, first: &str) -> &'a Value {
    let rows = table["rows"].as_array().unwrap();
    rows.iter().find(|row| row.as_object().unwrap().values().any(|cell| cell == first)).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_trace_and_any_program_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let args =
        ["workload", "generate", "--arrivals", "mmpp:2,10,30,5", "--lambda", "5", "--prompt", "lognormal:800,1.2"];
    let args = [&args[..], &["--output", "geometric:100", "--count", "400"]].concat();
    let shown = fluidsim(&args).fine();
    assert_eq!(shown.lines().count(), 401);
    assert_eq!(shown, fluidsim(&args).fine());
    assert_ne!(shown, fluidsim(&[&args[..], &["--seed", "2"]].concat()).fine());
    assert_eq!(fluidsim_in(folder.path(), &[&args[..], &["--out", "t.csv"]].concat()).fine(), "");
    assert_eq!(
        (files_in(folder.path()), fs::read_to_string(folder.path().join("t.csv")).unwrap()),
        (vec!["t.csv".to_owned()], shown)
    );
    for format in ["azure", "mooncake", "vidur"] {
        fluidsim_in(folder.path(), &[&args[..], &["--as", format, "--out", "other"]].concat()).fine();
        let summary = fluidsim_in(folder.path(), &["workload", "show", "other", "--format", "json"]).json();
        assert_eq!(row(table(&summary, "Traffic"), "requests")["value"], 400, "{format}");
    }
}

/// A generated trace is the traffic that the engine draws from the same scenario: both ways the same requests complete.
#[test]
fn a_generated_trace_is_the_traffic_of_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    fluidsim_in(folder.path(), &["workload", "generate", "memory-greedy", "--duration", "60", "--out", "t.csv"]).fine();
    let trace = fs::read_to_string(folder.path().join("t.csv")).unwrap();
    let preset = fluidsim(&["workload", "generate", "memory-greedy", "--duration", "60"]).fine();
    assert_eq!(trace, preset);
    assert!(trace.lines().count() > 10);
}

#[test]
fn the_load_scenarios_are_those_of_the_other_project() {
    let lengths = |preset: &str| -> Vec<(u64, u64)> {
        let text = fluidsim(&["workload", "generate", "--preset", preset, "--count", "500"]).fine();
        let numbers = text
            .lines()
            .skip(1)
            .map(|line| line.split(',').skip(1).take(2).map(|x| x.parse().unwrap()).collect::<Vec<u64>>());
        numbers.map(|pair| (pair[0], pair[1])).collect()
    };
    let short = |(p, o): (u64, u64)| (10..=60).contains(&p) && (10..=40).contains(&o);
    let long = |(p, o): (u64, u64)| (150..=200).contains(&p) && (80..=100).contains(&o);
    assert!(lengths("normal").into_iter().all(|pair| short(pair) || long(pair)));
    // 500 requests, a fifth of them long: 100 within four standard deviations of 8.9.
    let count = lengths("normal").into_iter().filter(|pair| long(*pair)).count();
    assert!((65..=135).contains(&count), "{count}");
    assert!(lengths("bursty").into_iter().all(|(p, o)| (30..=150).contains(&p) && (20..=80).contains(&o)));
    assert!(lengths("heavy").into_iter().all(|(p, _)| (50..=100).contains(&p) || (250..=300).contains(&p)));
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &str); 7] = [
        (&["--prompt", "lognrmal:1,2", "--output", "5"], "did you mean `lognormal`"),
        (&["--prompt", "lognormal:100", "--output", "5"], "lognormal:MEAN,CV[,MAX]"),
        (&["--arrivals", "mmpp:1,2,3"], "mmpp:RATE"),
        (&["--lambda", "-1"], "--lambda"),
        (&["--count", "0"], "at least 1"),
        (&["--duration", "0"], "above 0"),
        (&["--class", "a; prompt=5"], "has no `output`"),
    ];
    for (args, told) in cases {
        let ran = fluidsim_in(folder.path(), &[&["workload", "generate", "--out", "t.csv"], args].concat());
        assert!(ran.code == 2 && ran.stderr.contains(told) && ran.stdout.is_empty(), "{args:?}: {ran:?}");
    }
    let missing = fluidsim_in(folder.path(), &["workload", "fit", "missing.csv", "--out", "w.toml"]);
    assert!(missing.code == 2 && missing.stderr.contains("missing.csv"), "{missing:?}");
    assert!(files_in(folder.path()).is_empty());
}

/// Laws that made a trace come back, and the scenario that is written can be solved.
#[test]
fn a_trace_of_laws_becomes_a_scenario_of_laws() {
    let folder = tempfile::tempdir().unwrap();
    let made = ["workload", "generate", "--lambda", "3", "--prompt", "gamma:200,0.7", "--output", "geometric:30"];
    fluidsim_in(folder.path(), &[&made[..], &["--count", "2000", "--out", "t.csv"]].concat()).fine();
    let args = ["workload", "fit", "t.csv", "--out", "w.toml", "--plot", "fit.svg", "--format", "json"];
    let found = fluidsim_in(folder.path(), &args).json();
    let advice = table(&found, "What to use");
    assert_eq!(row(advice, "arrivals")["use"], "poisson", "{advice}");
    assert_eq!(row(advice, "prompts")["use"], "gamma", "{advice}");
    assert_eq!(row(advice, "outputs")["use"], "geometric", "{advice}");
    assert_eq!(row(advice, "both together")["use"], "independent laws", "{advice}");
    assert_eq!(files_in(folder.path()), ["fit.svg", "t.csv", "w.toml"]);
    let written: toml::Table = fs::read_to_string(folder.path().join("w.toml")).unwrap().parse().unwrap();
    assert_eq!(written["workload"]["class"][0]["output"]["law"].as_str(), Some("geometric"));
    fluidsim_in(folder.path(), &["solve", "w.toml"]).fine();
}

#[test]
fn the_small_traces_are_shown_in_every_format() {
    for file in ["own.csv", "azure.csv", "vidur.csv", "mooncake.jsonl"] {
        let path = format!("models/traces/{file}");
        for format in ["table", "csv", "json", "latex"] {
            let shown = fluidsim(&["workload", "show", &path, "--format", format]).fine();
            assert!(shown.contains("requests"), "{file} {format}");
            fluidsim(&["workload", "fit", &path, "--format", format]).fine();
        }
    }
    insta::assert_snapshot!(fluidsim(&["workload", "show", "models/traces/own.csv"]).fine());
}

/// Published figures of the Azure conversation trace, and that no law of its lengths holds.
#[test]
fn the_azure_trace_has_its_figures_and_no_law_of_lengths() {
    let Some(folder) = shared() else { return };
    let file = folder.join("data/traces/azure-2023-conversation.csv");
    let shown = fluidsim(&["workload", "show", file.to_str().unwrap(), "--format", "json"]).json();
    let value = |what: &str| row(table(&shown, "Traffic"), what)["value"].as_f64().unwrap();
    assert_eq!(value("requests"), 19366.0);
    assert!((value("rate") - 5.53).abs() < 0.005 && (value("cv of the times between arrivals") - 1.09).abs() < 0.005);
    let lengths = table(&shown, "Lengths");
    assert_eq!(
        (row(lengths, "prompt")["p99"].as_u64(), row(lengths, "output")["p99"].as_u64()),
        (Some(4142), Some(601))
    );
    let fitted = fluidsim(&["workload", "fit", file.to_str().unwrap(), "--format", "json"]).json();
    let advice = table(&fitted, "What to use");
    assert_eq!(row(advice, "prompts")["use"], "the trace itself");
    assert_eq!(row(advice, "outputs")["use"], "the trace itself");
    assert_eq!(row(advice, "both together")["use"], "pairs of the trace");
}
