//! Recorded traffic of real systems, where it is at hand.

use fluidsim::scenario::trace;

use crate::run::{fluidsim, shared};

const TRACES: [(&str, usize); 5] = [
    ("azure-2023-conversation.csv", 19_366),
    ("azure-2023-code.csv", 8_819),
    ("mooncake-conversation.jsonl", 12_031),
    ("mooncake-synthetic.jsonl", 3_993),
    ("vidur-splitwise-conversation.csv", 19_366),
];

#[test]
fn every_request_of_every_trace_is_read() {
    let Some(folder) = shared() else { return };
    for (name, count) in TRACES {
        let file = folder.join("data/traces").join(name);
        let trace = trace::read(name, &std::fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(trace.len(), count, "{name}");
        let answer = fluidsim(&["solve", "--trace", file.to_str().unwrap(), "--format", "json"]).json();
        let rate = answer["lambda_per_s"].as_f64().unwrap();
        assert!((rate / trace.rate_per_s() - 1.0).abs() < 1e-9, "{name}: {rate}");
    }
}

/// An hour of conversations at 5.5 requests per second is more than the default instance bears, 3.6. Nothing but λ*, and the
/// throughput that it is, is promised of such a trace, and both agree, so the code is 0.
#[test]
fn a_comparison_on_conversations_speaks_of_their_bursts() {
    let Some(folder) = shared() else { return };
    let file = folder.join("data/traces/azure-2023-conversation.csv");
    let ran = fluidsim(&["compare", "--trace", file.to_str().unwrap(), "--des-trials", "4", "--format", "json"]);
    let answer = ran.json();
    assert_eq!((ran.code, ran.stderr.as_str(), answer["agrees"].as_bool()), (0, "", Some(true)), "{answer}");
    let notes: Vec<&str> = answer["notes"].as_array().unwrap().iter().filter_map(|note| note.as_str()).collect();
    assert!(notes.iter().any(|note| note.contains("index of dispersion is 3.9 over 10 s")), "{notes:?}");
    let promised = answer["rows"].as_array().unwrap().iter().filter(|row| row["promised"] == true);
    let promised: Vec<&str> = promised.map(|row| row["quantity"].as_str().unwrap()).collect();
    assert_eq!(promised, ["lambda_star_per_s", "throughput_per_s"]);
}

/// The rate is lowered to what the instance bears: then the queue that the bursts add must be seen.
#[test]
fn bursts_make_the_wait_longer_than_poisson_arrivals_do() {
    let Some(folder) = shared() else { return };
    let file = folder.join("data/traces/azure-2023-code.csv");
    let args =
        ["compare", "--trace", file.to_str().unwrap(), "--lambda", "1.6", "--des-trials", "4", "--format", "json"];
    let answer = fluidsim(&args).json();
    let rows = answer["rows"].as_array().unwrap();
    let wait = rows.iter().find(|row| row["quantity"] == "ttft_s.mean").unwrap();
    assert!(wait["simulated"].as_f64().unwrap() > wait["analytic"].as_f64().unwrap(), "{wait}");
}
