//! Traces as they are found in the field: every form of the text is read, every repair is said in one line with its count, and
//! classes, weights and models do what they do for classes of a scenario.

use std::path::Path;

use fluidsim::des::{Observer, Options, RequestRecord, simulate_observed};
use fluidsim::fluid::scope;
use fluidsim::scenario::{self, Override, Time, TraceMode};
use serde_json::Value;

use crate::run::{fluidsim_in, shared};

const PLAIN: &str = "arrival_time,prefill_length,decode_length\n0,100,20\n1,200,30\n2.5,300,40\n4,50,10\n";

fn simulated(folder: &Path, file: &str, text: &[u8], more: &[&str]) -> (i32, String, String) {
    std::fs::write(folder.join(file), text).unwrap();
    let args = [&["simulate", "--trace", file, "--format", "json"], more].concat();
    let ran = fluidsim_in(folder, &args);
    (ran.code, ran.stdout, ran.stderr)
}

/// Everything but the file's name is the same however the text is written.
#[test]
fn the_form_of_a_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (code, wanted, said) = simulated(folder.path(), "a.csv", PLAIN.as_bytes(), &[]);
    assert_eq!((code, said.as_str()), (0, ""));
    let forms = [
        PLAIN.trim_end().to_owned(),
        format!("\u{feff}{}", PLAIN.replace('\n', "\r\n")),
        PLAIN.replacen('\n', "\r\n", 2).replacen("\n4", "\r4", 1),
        PLAIN.replace('\n', "\n\n"),
        PLAIN.replace("200", "\"200\"").replace(',', ", "),
    ];
    for form in forms {
        assert_eq!(
            simulated(folder.path(), "a.csv", form.as_bytes(), &[]),
            (0, wanted.clone(), String::new()),
            "{form:?}"
        );
    }
}

/// What is left after a repair gives the same answer as a file that had nothing to repair.
#[test]
fn repairs_are_said_with_their_count_and_do_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let wanted = simulated(folder.path(), "a.csv", PLAIN.as_bytes(), &[]).1;
    let cases = [
        (
            PLAIN.replace("2.5,", "2,9,0\n2,0,9\n2.5,"),
            "1 request without output dropped, 1 request without prompt dropped",
        ),
        (
            "arrival_time,prefill_length,decode_length\n1,200,30\n0,100,20\n4,50,10\n2.5,300,40\n".to_owned(),
            "2 requests put in order of arrival",
        ),
        (
            "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
             100,A,100,20,120,x\n101,A,200,30,230,x\n101,A,200,0,200,x\n102.5,B,300,40,340,x\n104,A,50,10,60,x\n"
                .to_owned(),
            "1 request without output dropped",
        ),
    ];
    for (text, said) in cases {
        let found = simulated(folder.path(), "a.csv", text.as_bytes(), &[]);
        assert_eq!(found, (0, wanted.clone(), format!("note: a.csv: {said}\n")), "{text}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, said) =
        simulated(folder.path(), "a.csv", b"arrival_time,prefill_length,decode_length\n1,2,3\n\xff,2,3\n", &[]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert_eq!(said, "error: a.csv: line 3: is not UTF-8 text; save the file as UTF-8, unpacked\n");
}

/// Lengths alone come at --lambda, by default as Poisson arrivals, and with the law that the scenario names.
#[test]
fn lengths_without_times_need_a_rate() {
    let folder = tempfile::tempdir().unwrap();
    let text = "{\"prompt_len\": 100, \"output_len\": 20}\n{\"prompt_len\": 300, \"output_len\": 40}\n";
    for law in ["poisson", "deterministic"] {
        let set = format!("workload.arrivals.law={law}");
        let (code, out, said) =
            simulated(folder.path(), "a.jsonl", text.as_bytes(), &["--lambda", "0.5", "--set", &set]);
        assert_eq!(code, 0, "{said}");
        assert!(said.starts_with("note: a.jsonl: no arrival times in the file"), "{said}");
        let answer: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(answer["lambda_per_s"].as_f64(), Some(0.5));
    }
}

/// A trace of two classes whose requests come faster than they are served: in order of weight the heavy class waits less.
#[test]
fn classes_and_weights_of_a_trace_are_those_of_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "arrival_time,prefill_length,decode_length,class,weight\n".to_owned();
    for n in 0..400 {
        let (class, weight) = if n % 4 == 0 { ("urgent", 5) } else { ("batch", 1) };
        text += &format!("{},100,20,{class},{weight}\n", f64::from(n) * 0.15);
    }
    let mean_e2e_s = |order: &str| {
        let few = ["--set", "instance.max_sequences=4", "--warmup", "0", "--duration", "60"];
        let more = [&few[..], &["--order", order, "--requests", "out.csv"]].concat();
        let (code, out, said) = simulated(folder.path(), "a.csv", text.as_bytes(), &more);
        assert_eq!((code, said.as_str()), (0, ""));
        let answer: Value = serde_json::from_str(&out).unwrap();
        let rows = answer["classes"].as_array().unwrap();
        let counts: Vec<_> = rows.iter().map(|row| (row["name"].as_str(), row["completed"].as_u64())).collect();
        assert_eq!(counts, [(Some("urgent"), Some(100)), (Some("batch"), Some(300))]);
        // The time of a request counts as often as its weight.
        let records = std::fs::read_to_string(folder.path().join("out.csv")).unwrap();
        let mut sums = [0.0; 2];
        for row in records.lines().skip(1) {
            let cells: Vec<&str> = row.split(',').collect();
            let number = |place: usize| cells[place].parse::<f64>().unwrap();
            sums[usize::from(cells[1] == "1")] += number(7) - number(2);
        }
        let flow = answer["operations"]["weighted_flow_time_s"]["value"].as_f64();
        let wanted = 5.0 * sums[0] + sums[1];
        assert!((flow.unwrap() / wanted - 1.0).abs() < 1e-9, "{flow:?} {wanted}");
        (sums[0] / 100.0, wanted)
    };
    let ((urgent, flow), (urgent_first, flow_by_weight)) = (mean_e2e_s("fcfs"), mean_e2e_s("weighted-fcfs"));
    assert!(urgent_first < 0.5 * urgent && flow_by_weight < flow, "{urgent} {urgent_first} {flow} {flow_by_weight}");
}

/// The measured arrivals of a real run are read from its log.
#[test]
fn the_log_of_a_run_is_a_trace() {
    let Some(shared) = shared() else { return };
    let file = shared.join("data/vllm-runs/rtx4090-llama-3.1-8b/requests.jsonl");
    let trace = fluidsim::scenario::trace::open(file.to_str().unwrap()).unwrap();
    assert_eq!((trace.len(), trace.import.said()), (300, Vec::new()));
    // The last of the log's 300 stamps less the first.
    assert!((trace.last().unwrap().arrival.seconds() - 29.100_521_3).abs() < 1e-6);
    let tokens = trace.iter().fold((0, 0), |sum, request| (sum.0 + request.prompt, sum.1 + request.output));
    assert_eq!(tokens, (257_239, 195_753));
}

/// Every request of a trace goes to the group that serves its model; theory, which knows one joint law, says that it cannot tell.
#[test]
fn models_of_a_trace_choose_the_group() {
    #[derive(Default)]
    struct Seen(Vec<(u16, u32)>);
    impl Observer for Seen {
        fn request(&mut self, request: &RequestRecord) {
            self.0.push((request.class, request.instance));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.csv");
    let mut text = "arrival_time,prefill_length,decode_length,model\n".to_owned();
    for n in 0..60 {
        text += &format!("{n},100,20,{}\n", ["large", "small", "small"][n % 3]);
    }
    std::fs::write(&file, &text).unwrap();
    let trace = Some((file.to_str().unwrap(), TraceMode::Replay));
    let group = |models: [&str; 2]| {
        let groups = models.map(|model| format!("{{name=\"of {model}\", model=\"{model}\"}}")).join(", ");
        let set = ["cluster.replicas=0".to_owned(), format!("cluster.group=[{groups}]")];
        scenario::open(None, &set.map(|text| Override::parse(&text).unwrap()), trace)
    };
    let served = group(["large", "small"]).unwrap();
    let mut seen = Seen::default();
    let options = Options::until(Time::ZERO, Time::from_decimal(100.0));
    let run = simulate_observed(&served, &options, &mut seen);
    assert_eq!((run.totals.completed, run.totals.rejected, seen.0.len()), (60, 0, 60));
    assert!(seen.0.iter().all(|&(class, instance)| u32::from(class) == instance), "{:?}", seen.0);
    assert!(scope::refusal(&served).unwrap().to_string().contains("names several models"));
    let error = group(["large", "other"]).unwrap_err();
    assert!(error.to_string().contains("`small`, which no group of the cluster serves"), "{error}");
}
