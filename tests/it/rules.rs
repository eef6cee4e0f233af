//! Every rule of `fluidsim policy list` can be chosen and simulated; theory says so where it does not cover it.

use serde_json::Value;

use crate::run::fluidsim;

/// What a rule needs beside its name.
fn parameters(name: &str) -> &'static [&'static str] {
    match name {
        "threshold" => &["policy.threshold_share=0.9"],
        "watermark" => &["policy.watermark_share=0.1"],
        "quota" => &["policy.quota_per_class=4"],
        "swap" | "overlapped" => &["policy.preemption=swap", "policy.swap_s_per_token=1e-6"],
        "none" => &["policy.admission=reserve"],
        "lognormal" => &["policy.prediction.cv=0.5", "policy.order=srpt"],
        "one-bit" => &["policy.prediction.threshold=100", "policy.order=srpt"],
        "class-mean" => &["policy.order=srpt"],
        "milp" => &["cluster.window_s=0.1"],
        "piecewise" => &["workload.rate_shape.steps=[{ from_s = 0, factor = 1 }, { from_s = 9, factor = 2 }]"],
        "ramp" | "spike" => {
            &["workload.rate_shape.factor=2", "workload.rate_shape.start_s=5", "workload.rate_shape.duration_s=5"]
        }
        "diurnal" => &["workload.rate_shape.amplitude=0.5", "workload.rate_shape.period_s=10"],
        "binned" => &["workload.rate_shape.bin_s=5", "workload.rate_shape.counts=[3, 1, 2]"],
        _ => &[],
    }
}

/// What a law of arrivals needs beside its name.
fn of_arrivals(name: &str) -> &'static [&'static str] {
    match name {
        "gamma" => &["workload.arrivals.cv=2"],
        "weibull" => &["workload.arrivals.shape=0.7"],
        "mmpp" => &["workload.arrivals.states=[{ factor = 1, stay_s = 9 }, { factor = 3, stay_s = 2 }]"],
        "batch" => &["workload.arrivals.mean=3"],
        _ => &[],
    }
}

fn rules() -> Vec<(String, String)> {
    let listed = fluidsim(&["policy", "list", "--format", "json"]).json();
    let text = |rule: &Value, column: &str| rule[column].as_str().unwrap().to_owned();
    listed["rows"].as_array().unwrap().iter().map(|rule| (text(rule, "key"), text(rule, "name"))).collect()
}

fn arguments(key: &str, name: &str) -> Vec<String> {
    let mut settings = vec![format!("{key}={name}")];
    let needed = if key == "workload.arrivals.law" { of_arrivals(name) } else { parameters(name) };
    settings.extend(needed.iter().map(|&text| text.to_owned()));
    if key == "cluster.routing" {
        settings.push("cluster.replicas=2".to_owned());
    }
    settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]).collect()
}

#[test]
fn every_rule_can_be_simulated_and_theory_answers_or_refuses() {
    let rules = rules();
    assert!(rules.len() > 50);
    for (key, name) in rules {
        let words = arguments(&key, &name);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let short = ["simulate", "memory-greedy", "--duration", "20", "--warmup", "5", "--format", "json"];
        let ran = fluidsim(&[&short[..], &words].concat());
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{key} {name}");
        let notes = ran.json()["notes"].to_string();
        let solved = fluidsim(&[&["solve", "memory-greedy"][..], &words].concat());
        let refused = solved.stderr.contains("which theory does not cover yet; use `fluidsim simulate`");
        assert_eq!(solved.code, if refused { 2 } else { 0 }, "{key} {name}: {solved:?}");
        assert_eq!(notes.contains("Theory does not cover these rules"), refused, "{key} {name}: {notes}");
    }
}

#[test]
fn rules_are_listed_in_every_format_and_shown_one_by_one() {
    let table = fluidsim(&["policy", "list"]).fine();
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    assert!(fluidsim(&["policy", "list", "--format", "latex"]).fine().starts_with("\\documentclass"));
    let csv = fluidsim(&["policy", "list", "--format", "csv"]).fine();
    assert!(csv.starts_with("key,name,what it does,needs lengths,source\n"), "{csv}");
    for (_, name) in rules() {
        let shown = fluidsim(&["policy", "show", &name]).fine();
        assert!(shown.contains("chosen by") && shown.contains("source"), "{shown}");
    }
    assert!(fluidsim(&["policy", "show", "orca"]).fine().contains("policy.batching.prompts         whole"));
    assert_eq!(fluidsim(&["policy", "show", "random"]).fine().matches("chosen by").count(), 2);
}

#[test]
fn short_flags_are_the_long_ones() {
    let short = [
        "simulate",
        "--duration",
        "30",
        "--warmup",
        "5",
        "--order",
        "srpt",
        "--admission",
        "reserve",
        "--replicas",
        "1",
    ];
    let long = [
        "simulate",
        "--duration",
        "30",
        "--warmup",
        "5",
        "--set",
        "policy.order=srpt",
        "--set",
        "policy.admission=reserve",
    ];
    let long = [&long[..], &["--set", "cluster.replicas=1"]].concat();
    assert_eq!(fluidsim(&short).fine(), fluidsim(&long).fine());
}

#[test]
fn objectives_and_classes_are_reported() {
    let words =
        ["simulate", "--duration", "300", "--warmup", "50", "--set", "workload.slo.ttft_s=1", "--format", "json"];
    let operations = &fluidsim(&words).json()["operations"];
    for name in ["time_utilisation", "budget_utilisation", "kv_utilisation", "wasted_share", "little_residual"] {
        assert!(operations[name]["value"].is_number(), "{name}: {operations}");
    }
    let little = operations["little_residual"]["value"].as_f64().unwrap();
    assert!(little.abs() < 0.1, "{little}");
    assert!(operations["makespan_s"].is_null() && operations["swap_outs_per_request"].is_null());
}

/// A replayed trace is finite: it has a makespan, from the first arrival to the last completion.
#[test]
fn a_replayed_trace_has_a_makespan() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("requests.csv");
    let words =
        ["simulate", "--trace", "models/traces/own.csv", "--format", "json", "--requests", file.to_str().unwrap()];
    let answer = fluidsim(&words).json();
    let mut reader = csv::Reader::from_path(&file).unwrap();
    let times =
        reader.records().map(|row| row.unwrap()).map(|row| [2, 7].map(|column| row[column].parse::<f64>().unwrap()));
    let (mut first, mut last) = (f64::INFINITY, 0.0_f64);
    for [arrived, completed] in times {
        (first, last) = (first.min(arrived), last.max(completed));
    }
    let makespan = answer["operations"]["makespan_s"]["value"].as_f64().unwrap();
    assert!((makespan - (last - first)).abs() < 1e-6, "{makespan} {first} {last}");
}
