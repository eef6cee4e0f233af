//! What `simulate --requests --steps` writes, checked from outside: nothing is lost, nothing overlaps, no limit is passed.

use std::collections::HashSet;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::run::{files_in, fluidsim_in};

/// Times are written as doubles; two that are equal differ by less than this many seconds.
const ROUNDING_S: f64 = 1e-9;

#[derive(Debug, Deserialize)]
struct Request {
    request: u64,
    arrival_s: f64,
    prompt_tokens: u64,
    output_tokens: u64,
    admitted_s: Option<f64>,
    first_token_s: Option<f64>,
    completed_s: Option<f64>,
    preemptions: u64,
    outcome: String,
}

#[derive(Debug, Deserialize)]
struct Step {
    step: u64,
    start_s: f64,
    duration_s: f64,
    decodes: u64,
    prefill_tokens: u64,
    running: u64,
    waiting: u64,
    swapped: u64,
    kv_tokens: u64,
}

struct Record {
    requests: Vec<Request>,
    steps: Vec<Step>,
    answer: Value,
}

fn record(args: &[&str]) -> Record {
    let folder = tempfile::tempdir().unwrap();
    let files = ["--format", "json", "--requests", "requests.csv", "--steps", "steps.csv"];
    let answer = fluidsim_in(folder.path(), &[&["simulate"], args, &files].concat());
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""));
    assert_eq!(files_in(folder.path()), ["requests.csv", "steps.csv"]);
    Record {
        requests: rows(&folder.path().join("requests.csv")),
        steps: rows(&folder.path().join("steps.csv")),
        answer: answer.json(),
    }
}

fn rows<T: for<'de> Deserialize<'de>>(file: &Path) -> Vec<T> {
    csv::Reader::from_path(file).unwrap().deserialize().map(Result::unwrap).collect()
}

impl Record {
    fn count(&self, place: &str) -> u64 {
        self.answer.pointer(place).and_then(Value::as_u64).unwrap()
    }

    /// Every request is there once, with an outcome that its times bear out, and the report counts the same.
    fn check_requests(&self) {
        let names: HashSet<u64> = self.requests.iter().map(|request| request.request).collect();
        assert_eq!(names.len(), self.requests.len(), "a request is there twice");
        assert_eq!(self.count("/requests/arrived"), self.requests.len() as u64);
        for (outcome, place) in [
            ("completed", "/requests/completed"),
            ("rejected", "/requests/rejected"),
            ("in system", "/requests/in_system"),
        ] {
            let seen = self.requests.iter().filter(|request| request.outcome.starts_with(outcome)).count();
            assert_eq!(self.count(place), seen as u64, "{outcome}");
        }
        let preemptions: u64 = self.requests.iter().map(|request| request.preemptions).sum();
        assert_eq!(self.count("/preemptions"), preemptions);
        self.requests.iter().for_each(check_times);
    }

    /// Steps follow each other; after a pause the next one starts with an arrival.
    fn check_steps(&self, sequences: u64, memory: u64, budget: u64) {
        assert_eq!(self.count("/steps"), self.steps.len() as u64);
        let arrivals: HashSet<u64> = self.requests.iter().map(|request| request.arrival_s.to_bits()).collect();
        for (index, step) in self.steps.iter().enumerate() {
            assert_eq!(step.step, index as u64);
            assert!(step.duration_s > 0.0, "{step:?}");
            assert!(step.running >= 1 && step.running <= sequences, "{step:?}");
            assert!(step.kv_tokens <= memory, "{step:?}");
            assert!((1..=budget).contains(&(step.decodes + step.prefill_tokens)), "{step:?}");
            assert!(step.decodes <= step.running, "{step:?}");
        }
        for pair in self.steps.windows(2) {
            let pause = pair[1].start_s - (pair[0].start_s + pair[0].duration_s);
            assert!(pause > -ROUNDING_S, "two steps overlap: {pair:?}");
            let wakes = arrivals.contains(&pair[1].start_s.to_bits());
            assert!(pause < ROUNDING_S || wakes, "an idle engine woke without an arrival: {pair:?}");
            assert!(pause < ROUNDING_S || pair[0].waiting + pair[0].swapped == 0, "a pause with work: {pair:?}");
        }
    }
}

fn check_times(request: &Request) {
    let steps = [Some(request.arrival_s), request.admitted_s, request.first_token_s, request.completed_s];
    let known: Vec<f64> = steps.iter().copied().flatten().collect();
    assert!(known.windows(2).all(|pair| pair[0] <= pair[1]), "{request:?}");
    assert!(steps.iter().skip_while(|time| time.is_some()).all(Option::is_none), "{request:?}");
    match request.outcome.as_str() {
        "completed" => assert_eq!(known.len(), 4, "{request:?}"),
        "in system" => assert_eq!(request.completed_s, None, "{request:?}"),
        outcome => assert!(outcome.starts_with("rejected") && request.admitted_s.is_none(), "{request:?}"),
    }
    if let (Some(first), Some(last)) = (request.first_token_s, request.completed_s) {
        assert_eq!(request.output_tokens == 1, first == last, "{request:?}");
    }
}

#[test]
fn a_stable_run() {
    let record = record(&["--duration", "300", "--warmup", "60"]);
    record.check_requests();
    record.check_steps(256, 367_000, 2048);
    assert!(record.requests.len() > 500 && record.requests.iter().all(|request| request.preemptions == 0));
}

#[test]
fn a_replayed_trace_is_worked_off_to_the_last_token() {
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/models/traces/own.csv");
    let record = record(&["--trace", trace]);
    record.check_requests();
    record.check_steps(256, u64::MAX, 2048);
    let in_file = std::fs::read_to_string(trace).unwrap().lines().count() - 1;
    assert_eq!(record.count("/requests/completed"), in_file as u64);
    let of_requests = |tokens: fn(&Request) -> u64| record.requests.iter().map(tokens).sum::<u64>();
    let of_steps = |tokens: fn(&Step) -> u64| record.steps.iter().map(tokens).sum::<u64>();
    assert_eq!(of_steps(|step| step.prefill_tokens), of_requests(|request| request.prompt_tokens));
    assert_eq!(of_steps(|step| step.decodes), of_requests(|request| request.output_tokens - 1));
}

#[test]
fn memory_that_runs_out_loses_no_request() {
    for scenario in ["memory-greedy", "memory-swap"] {
        let record = record(&[scenario, "--lambda", "6", "--duration", "300", "--warmup", "0"]);
        record.check_requests();
        record.check_steps(256, 40_000, 2048);
        let preempted = record.requests.iter().filter(|request| request.preemptions > 0).count();
        assert!(preempted > 10, "{scenario}: {preempted}");
        let fullest = record.steps.iter().map(|step| step.kv_tokens).max().unwrap();
        assert!(fullest > 39_000, "{scenario}: {fullest}");
    }
}

#[test]
fn a_request_that_can_never_fit_is_turned_away_and_counted() {
    let record = record(&["--set", "instance.kv_tokens=2000", "--duration", "300", "--warmup", "0"]);
    record.check_requests();
    record.check_steps(256, 2000, 2048);
    assert!(record.count("/requests/rejected") > 10);
    for request in &record.requests {
        let fits = request.prompt_tokens + request.output_tokens <= 2000;
        assert!(fits || request.outcome.starts_with("rejected"), "{request:?}");
    }
}
