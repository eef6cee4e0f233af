use std::path::PathBuf;

use approx::assert_relative_eq;

use super::*;
use dispersion::{index_of_dispersion, interarrival_cv, length_correlation};

/// The text of a recorded trace that is not part of the project; none, with a message, where it is not at hand.
fn recorded(name: &str) -> Option<String> {
    let shared = std::env::var_os("FLUIDSIM_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let text = std::fs::read_to_string(shared.join("data/traces").join(name)).ok();
    if text.is_none() {
        eprintln!("skipped: the recorded trace {name} is not at hand");
    }
    text
}

fn means(trace: &Trace) -> (f64, f64) {
    let n = trace.requests.len() as f64;
    let prompts: u64 = trace.requests.iter().map(|request| request.prompt).sum();
    let outputs: u64 = trace.requests.iter().map(|request| request.output).sum();
    (prompts as f64 / n, outputs as f64 / n)
}

#[test]
fn azure_conversation_has_its_published_figures() {
    let Some(text) = recorded("azure-2023-conversation.csv") else { return };
    let Import { trace, format, .. } = import("azure", &text).unwrap();
    assert_eq!((format, trace.requests.len()), (Format::Azure, 19_366));
    assert_eq!(trace.requests[1].arrival, Time::parse_seconds("4.3145790").unwrap());
    assert_relative_eq!(trace.rate_per_s(), 5.53, max_relative = 0.002);
    assert_relative_eq!(means(&trace).0, 1154.7, max_relative = 1e-4);
    assert_relative_eq!(means(&trace).1, 211.1, max_relative = 1e-3);
    assert_relative_eq!(interarrival_cv(&trace).unwrap(), 1.09, max_relative = 0.01);
    assert_relative_eq!(index_of_dispersion(&trace, 10.0).unwrap(), 3.9, max_relative = 0.03);
    assert_relative_eq!(index_of_dispersion(&trace, 300.0).unwrap(), 56.0, max_relative = 0.05);
    assert_relative_eq!(length_correlation(&trace).unwrap(), -0.11, epsilon = 0.01);
}

#[test]
fn azure_code_without_a_final_newline() {
    let Some(text) = recorded("azure-2023-code.csv") else { return };
    let trace = read("azure", &text).unwrap();
    assert_eq!(trace.requests.len(), 8_819);
    assert_relative_eq!(interarrival_cv(&trace).unwrap(), 13.15, max_relative = 0.01);
}

#[test]
fn vidur_has_the_same_requests_as_azure() {
    let (Some(vidur), Some(azure)) =
        (recorded("vidur-splitwise-conversation.csv"), recorded("azure-2023-conversation.csv"))
    else {
        return;
    };
    let (vidur, azure) = (read("vidur", &vidur).unwrap(), read("azure", &azure).unwrap());
    assert_eq!(vidur.requests.len(), azure.requests.len());
    for (left, right) in vidur.requests.iter().zip(&azure.requests) {
        assert_eq!((left.prompt, left.output), (right.prompt, right.output));
        assert!((left.arrival.seconds() - right.arrival.seconds()).abs() < 1e-6);
    }
}

#[test]
fn mooncake_batches_are_spread_and_its_poisson_trace_is_not() {
    let Some(text) = recorded("mooncake-conversation.jsonl") else { return };
    let Import { trace, spread_over, .. } = import("mooncake", &text).unwrap();
    assert_eq!(trace.requests.len(), 12_031);
    assert_relative_eq!(spread_over.unwrap().seconds(), 3.0, max_relative = 0.001);
    assert_relative_eq!(means(&trace).0, 12_035.0, max_relative = 1e-4);
    assert!(interarrival_cv(&trace).unwrap() < 0.6);
    let Some(text) = recorded("mooncake-synthetic.jsonl") else { return };
    let Import { trace, spread_over, .. } = import("mooncake", &text).unwrap();
    assert_eq!((trace.requests.len(), spread_over), (3_993, None));
    assert_relative_eq!(interarrival_cv(&trace).unwrap(), 1.01, max_relative = 0.01);
}

#[test]
fn all_formats_say_the_same() {
    let texts = [
        "arrival_time,prefill_length,decode_length\n0,10,3\n0.25,20,4\n1.5,30,5\n",
        "decode_length, prefill_length ,user,arrival_time\r\n3,10,a,0\r\n4,20,b,25e-2\r\n5,30,c,1.50",
        "\u{feff}TIMESTAMP,ContextTokens,GeneratedTokens\n2023-12-31 23:59:59,10,3\n\
         2023-12-31T23:59:59.2500000Z,20.0,4\n2024-01-01 00:00:00.5+00:00,30,5\n",
        "arrived_at,num_prefill_tokens,num_decode_tokens\n0.0,10,3\n0.25,20,4\n\n1.5,30,5\n\n",
        "{\"timestamp\": 0, \"input_length\": 10, \"output_length\": 3, \"user\": [1]}\r\n\
         {\"timestamp\": 250, \"input_length\": 20, \"output_length\": 4}\r\n\r\n\
         {\"output_length\": 5, \"timestamp\": 1500, \"input_length\": 30}",
    ];
    let traces: Vec<Trace> = texts.iter().map(|text| read("test", text).unwrap()).collect();
    for trace in &traces {
        assert_eq!(trace, &traces[0]);
    }
    assert_eq!(
        traces[0].requests[2],
        TraceRequest { arrival: Time(1_500_000_000_000_000_000), prompt: 30, output: 5, blocks: Blocks::default() }
    );
}

#[test]
fn what_is_written_is_read_again() {
    let arrivals = ["0.000000000000000001", "0.1", "2", "12345678.000000000000000009"];
    let requests = arrivals
        .iter()
        .zip(1..)
        .map(|(time, n)| TraceRequest {
            arrival: Time::parse_seconds(time).unwrap(),
            prompt: n,
            output: 2 * n,
            blocks: Blocks::default(),
        })
        .collect();
    let trace = Trace { requests, ..Trace::default() };
    let text = own::to_csv(&trace);
    assert!(text.contains("\n0.1,2,4\n2,3,6\n"), "{text}");
    assert_eq!(read("test", &text).unwrap(), trace);
}

#[test]
fn the_samples_are_read() {
    for (name, format) in [
        ("own.csv", Format::Own),
        ("azure.csv", Format::Azure),
        ("vidur.csv", Format::Vidur),
        ("mooncake.jsonl", Format::Mooncake),
    ] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models/traces").join(name);
        let text = std::fs::read_to_string(path).unwrap();
        let import = import(name, &text).unwrap();
        assert_eq!(import.format, format);
        assert!(import.trace.requests.len() >= 24);
    }
}

/// Every text with what the message must name.
#[test]
fn broken_traces_are_refused_with_place_and_remedy() {
    let own = "arrival_time,prefill_length,decode_length\n";
    let azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
    let json = "{\"timestamp\": 0, \"input_length\": 5, \"output_length\": 2}\n";
    let cases: Vec<(String, Vec<&str>)> = vec![
        (String::new(), vec!["empty", "four formats"]),
        (" \n\n".into(), vec!["empty", "arrived_at"]),
        (own.into(), vec!["no requests"]),
        (format!("{own}0,1,1\n"), vec!["`1` request", "two requests"]),
        (
            "arrival_time,prefill_length\n0,1\n".into(),
            vec!["line 1", "`decode_length`", "`arrival_time,prefill_length`"],
        ),
        (
            "arrived_at,num_prefill_tokens,tokens\n".into(),
            vec!["`num_decode_tokens`", "arrived_at,num_prefill_tokens,tokens"],
        ),
        ("a,b,c\n1,2,3\n".into(), vec!["line 1", "`a,b,c`", "Mooncake"]),
        ("0,1,1\n1,1,1\n".into(), vec!["no header", "arrival_time"]),
        (format!("{own}0,1,1\n1,x,1\n"), vec!["line 3.prefill_length", "`x`", "whole number"]),
        (format!("{own}0,1,1\n1,1,\n"), vec!["line 3.decode_length", "``"]),
        (format!("{own}0,1,1\nnan,1,1\n"), vec!["line 3.arrival_time", "`nan`", "seconds"]),
        (format!("{own}0,1,1\ninf,1,1\n"), vec!["line 3.arrival_time", "`inf`"]),
        (format!("{own}-1,1,1\n1,1,1\n"), vec!["line 2.arrival_time", "`-1` s", "subtract"]),
        (format!("{own}0,-1,1\n1,1,1\n"), vec!["line 2.prefill_length", "`-1`"]),
        (format!("{own}0,0,1\n1,1,1\n"), vec!["line 2.prefill_length", "`0`"]),
        (format!("{own}0,1,0\n1,1,1\n"), vec!["line 2.decode_length", "`0`"]),
        (format!("{own}0,1.5,1\n1,1,1\n"), vec!["line 2.prefill_length", "`1.5`"]),
        (format!("{own}0,99999999999,1\n1,1,1\n"), vec!["line 2.prefill_length", "10000000"]),
        (format!("{own}0,99999999999999999999999,1\n"), vec!["line 2.prefill_length"]),
        (format!("{own}1700000000,1,1\n1700000001,1,1\n"), vec!["line 2.arrival_time", "31 years", "subtract"]),
        (format!("{own}2,1,1\n1,1,1\n"), vec!["line 3.arrival_time", "`1` s", "sort"]),
        (format!("{own}0,1,1\n1,1\n"), vec!["line 3", "`2` values", "`3`"]),
        (format!("{azure}12.5,1,1\n"), vec!["line 2.TIMESTAMP", "`12.5`", "2023-11-16"]),
        (format!("{azure}2023-11-16 18:15:46,1,1\n2023-11-16 18:15:45,1,1\n"), vec!["line 3.TIMESTAMP", "sort"]),
        (format!("{json}{{\"timestamp\": 1, \"input"), vec!["line 2", "ends before", "`input_length`"]),
        (format!("{json}nonsense\n"), vec!["line 2", "not JSON"]),
        (format!("{json}{{\"timestamp\": 1, \"input_length\": 5}}\n"), vec!["line 2", "output_length"]),
        (format!("{json}{{\"timestamp\": 1, \"input_length\": -5, \"output_length\": 1}}\n"), vec!["line 2", "-5"]),
        (
            format!("{json}{{\"timestamp\": \"x\", \"input_length\": 5, \"output_length\": 1}}\n"),
            vec!["line 2", "\"x\""],
        ),
        (format!("{json}{{\"timestamp\": -1, \"input_length\": 5, \"output_length\": 1}}\n"), vec!["line 2.timestamp"]),
        (
            format!("{json}{{\"timestamp\": 1, \"input_length\": 5, \"output_length\": 0}}\n"),
            vec!["line 2.output_length"],
        ),
        (
            format!("{json}{{\"timestamp\": 1, \"input_length\": 5, \"output_length\": 1, \"hash_ids\": \"a\"}}\n"),
            vec!["line 2", "\"a\"", "`hash_ids`"],
        ),
        (
            format!("{json}{{\"timestamp\": 1, \"input_length\": 5, \"output_length\": 1, \"hash_ids\": [-1]}}\n"),
            vec!["line 2", "-1"],
        ),
        (
            format!("{json}{{\"timestamp\": 1, \"input_length\": 512, \"output_length\": 1, \"hash_ids\": [1, 2]}}\n"),
            vec!["line 2.hash_ids", "`2` blocks", "`512` tokens"],
        ),
        (json.into(), vec!["`1` request"]),
        ("{\"time\": 0}\n".into(), vec!["line 1", "`timestamp`", "Azure"]),
    ];
    for (text, expected) in cases {
        let error = read("bad.csv", &text).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with("bad.csv: line "), "{message}");
        assert!(!error.remedy.is_empty(), "{message}");
        for part in expected {
            assert!(message.contains(part), "{text:?} gives `{message}`, without `{part}`");
        }
    }
}
