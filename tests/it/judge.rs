//! A run of a real engine as judge: `validate --vllm-run`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run::{fluidsim, shared};

fn made_up() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/runs/made-up")
}

/// The made-up run under changes of one file.
fn changed(name: &str, change: impl Fn(&str) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["meta.json", "requests.jsonl", "timeseries.csv"] {
        let text = fs::read_to_string(made_up().join(file)).unwrap();
        fs::write(folder.path().join(file), if file == name { change(&text) } else { text }).unwrap();
    }
    folder
}

fn judged(run: &Path, profile: &Path, more: &[&str]) -> crate::run::Ran {
    let mut args = vec!["validate", "--vllm-run", run.to_str().unwrap(), "--profile", profile.to_str().unwrap()];
    args.extend(more);
    fluidsim(&args)
}

/// (measured, simulated, fluid) of a quantity.
fn figures(answer: &Value, quantity: &str) -> [Option<f64>; 3] {
    let rows = answer[0]["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["quantity"].as_str().unwrap().starts_with(quantity)).unwrap();
    ["measured", "simulated", "fluid"].map(|column| row[column].as_f64())
}

fn error(answer: &Value, quantity: &str) -> f64 {
    let [measured, simulated, _] = figures(answer, quantity);
    (simulated.unwrap() / measured.unwrap() - 1.0).abs()
}

const TIMES: [&str; 4] = ["makespan", "mean TTFT", "mean TPOT", "mean E2E"];

/// The stamps are those of another program, rounded to 0.1 µs; it forms the same batches, preempts the same requests, finds the same
/// blocks again, and interpolates in the same tables.
#[test]
fn another_simulator_of_the_same_engine_agrees() {
    let profile = made_up().join("kernels");
    let ran = judged(&made_up(), &profile, &["--layers", "4", "--host-ms", "0", "--format", "json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    let answer = ran.json();
    for quantity in TIMES {
        assert!(error(&answer, quantity) < 2e-5, "{quantity}: {answer}");
    }
    let choices = answer[1]["rows"].as_array().unwrap();
    assert!(choices.len() >= 8 && choices[0]["preemptions"].as_u64() == Some(4), "{choices:?}");
}

#[test]
fn a_wrong_law_does_not_pass() {
    let profile = made_up().join("kernels");
    let ran = judged(&made_up(), &profile, &["--layers", "5"]);
    assert!(ran.code == 1 && ran.stdout.contains("OUTSIDE") && ran.stdout.contains("DOES NOT PASS"), "{ran:?}");
}

/// vLLM 0.19 on an RTX 4090, 300 requests through overload and drain, under kernel tables of the same GPU; nothing is fitted to the run.
/// Stated: makespan +0.5 %, TTFT +1.6 %, TPOT −0.1 %, E2E +1.2 %, W(t) 3.2 requests; the fluid within 4 % and 8.2 requests.
#[test]
fn a_real_run_is_replayed_within_its_bounds() {
    let Some(folder) = shared() else { return };
    let run = folder.join("data/vllm-runs/rtx4090-llama-3.1-8b");
    let profile = folder.join("data/profiles/rtx4090-llama-3.1-8b");
    let picture = tempfile::tempdir().unwrap();
    let plot = picture.path().join("run.svg");
    let ran = judged(&run, &profile, &["--format", "json", "--plot", plot.to_str().unwrap()]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    let answer = ran.json();
    for (quantity, bound) in TIMES.into_iter().zip([0.01, 0.02, 0.005, 0.015]) {
        assert!(error(&answer, quantity) < bound, "{quantity}: {answer}");
        let [measured, _, fluid] = figures(&answer, quantity);
        assert!((fluid.unwrap() / measured.unwrap() - 1.0).abs() < 0.045, "{quantity}: {answer}");
    }
    let [_, simulated, fluid] = figures(&answer, "W(t)");
    assert!(simulated.unwrap() < 4.0 && fluid.unwrap() < 10.0, "{answer}");
    for (quantity, measured) in
        [("makespan", 183.57), ("mean TTFT", 65.46), ("mean E2E", 86.58), ("most running", 49.0)]
    {
        assert!((figures(&answer, quantity)[0].unwrap() / measured - 1.0).abs() < 1e-4, "{quantity}: {answer}");
    }
    let svg = fs::read_to_string(plot).unwrap();
    assert!(["measured", "simulated", "fluid"].iter().all(|name| svg.contains(name)));
}

/// Without a profile the roofline of the GPU and the model that the run names is taken, and said.
#[test]
fn without_a_profile_the_roofline_is_taken() {
    let folder = changed("meta.json", |text| {
        let text = text.replace("\"hardware\": {}", "\"hardware\": {\"device_name\": \"NVIDIA GeForce RTX 4090\"}");
        text.replace("\"made-up\"", "\"meta-llama/Llama-3.1-8B\"")
    });
    let ran = fluidsim(&["validate", "--vllm-run", folder.path().to_str().unwrap()]);
    assert!(ran.code == 1 && ran.stdout.contains("No profile was given: Llama-3.1-8B on 1 × "), "{ran:?}");
}

/// Two instances behind a router share the arrivals and the memory that is said to be of both.
#[test]
fn data_parallel_instances_are_a_cluster() {
    let folder = changed("meta.json", |text| {
        let two = text.replace("\"data_parallel_size\": 1", "\"data_parallel_size\": 2");
        two.replace("\"num_gpu_blocks\": 60", "\"num_gpu_blocks\": 120")
    });
    let args = ["--layers", "4", "--host-ms", "0", "--format", "json"];
    let one = judged(&made_up(), &made_up().join("kernels"), &args).json();
    let two = judged(folder.path(), &made_up().join("kernels"), &args);
    assert!(two.stdout.contains("that of all 2 instances together"), "{two:?}");
    assert!(figures(&two.json(), "mean TTFT")[1].unwrap() < 0.5 * figures(&one, "mean TTFT")[1].unwrap());
}

/// A file, how it is broken, and what the message says.
type Broken<'a> = (&'a str, Box<dyn Fn(&str) -> String>, &'a str);

#[test]
fn bad_runs_are_refused_in_one_line() {
    let line = |text: &str, number: usize, from: &str, to: &str| {
        let lines = text.lines().enumerate();
        lines
            .map(|(index, line)| (if index == number - 1 { line.replace(from, to) } else { line.into() }) + "\n")
            .collect()
    };
    let cases: [Broken; 10] = [
        ("meta.json", Box::new(|_| "{".into()), "meta.json: line 1: is not JSON"),
        ("meta.json", Box::new(|text| text.replace("max_num_seqs", "x")), "engine_kwargs.max_num_seqs: is missing"),
        ("meta.json", Box::new(|text| text.replace("\"max_num_seqs\": 16", "\"max_num_seqs\": -3")), "is `-3`"),
        (
            "meta.json",
            Box::new(|text| text.replace("\"num_requests\": 40", "\"num_requests\": 41")),
            "holds 40 requests, and meta.json says 41",
        ),
        ("meta.json", Box::new(|text| text.replace("num_gpu_blocks", "x")), "kv_cache.num_kv_tokens: is missing"),
        ("requests.jsonl", Box::new(move |text| line(text, 3, "input_toks", "x")), "line 3.input_toks: is missing"),
        ("requests.jsonl", Box::new(move |text| line(text, 2, "500.1169001", "-5.0")), "line 2.queued_ts: is `-5.0`"),
        (
            "requests.jsonl",
            Box::new(move |text| line(text, 2, "500.1169001", "900.0")),
            "line 2: has stamps that go back",
        ),
        (
            "timeseries.csv",
            Box::new(|text| text.replace("waiting", "x")),
            "timeseries.csv: line 1: lacks the column `waiting`",
        ),
        ("timeseries.csv", Box::new(|text| text.replacen(",0,0,", ",0,-1,", 1)), "has `-1` in the column waiting"),
    ];
    for (file, change, expected) in cases {
        let folder = changed(file, change);
        let plot = folder.path().join("run.svg");
        let ran =
            judged(folder.path(), &made_up().join("kernels"), &["--layers", "4", "--plot", plot.to_str().unwrap()]);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.lines().count()), (2, "", 1), "{expected}: {ran:?}");
        assert!(ran.stderr.contains(expected) && !plot.exists(), "{expected}: {}", ran.stderr);
    }
    let missing = tempfile::tempdir().unwrap();
    let ran = judged(missing.path(), &made_up().join("kernels"), &["--layers", "4"]);
    assert!(ran.code == 2 && ran.stderr.contains("meta.json: cannot be read"), "{ran:?}");
    let ran = judged(&made_up(), &made_up().join("kernels"), &[]);
    assert!(ran.code == 2 && ran.stderr.contains("holds no known model"), "{ran:?}");
}

/// What a user sees, in words and in LaTeX.
#[test]
fn the_report_of_a_replay() {
    let args = ["validate", "--vllm-run", "models/runs/made-up", "--profile", "models/runs/made-up/kernels"];
    let with = |more: &[&str]| fluidsim(&[&args[..], &["--layers", "4", "--host-ms", "0"], more].concat()).fine();
    insta::assert_snapshot!("judge_table", with(&[]));
    insta::assert_snapshot!("judge_latex", with(&["--latex"]));
}

#[test]
fn any_scenario_takes_a_folder_of_kernel_tables() {
    let law = ["--profile", "models/runs/made-up/kernels", "--set", "step_time.layers=4"];
    let solved = fluidsim(&[&["solve", "--lambda", "1"], &law[..]].concat()).fine();
    assert!(solved.contains("Kernel tables are taken as the nearest curve"), "{solved}");
    let short = ["simulate", "--lambda", "1", "--trials", "2", "--duration", "20", "--warmup", "5"];
    fluidsim(&[&short[..], &law[..]].concat()).fine();
    let ran = fluidsim(&["solve", "--profile", "models/runs/made-up/kernels"]);
    assert!(ran.code == 2 && ran.stderr.contains("step_time.layers: is not given"), "{ran:?}");
    let ran = fluidsim(&["solve", "--profile", "models/runs/made-up"]);
    assert!(ran.code == 2 && ran.stderr.contains("dense.csv: cannot be read"), "{ran:?}");
}

#[test]
fn the_simple_laws_and_the_roofline_are_fitted_to_kernel_tables() {
    let Some(folder) = shared() else { return };
    let profile = folder.join("data/profiles/rtx4090-llama-3.1-8b");
    let args =
        ["calibrate", profile.to_str().unwrap(), "--gpu", "rtx-4090", "--model", "llama-3.1-8b", "--format", "json"];
    let ran = fluidsim(&args);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    let answer = ran.json();
    let roofline = answer.as_array().unwrap().last().unwrap();
    let row = |start: &str| {
        let rows = roofline["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["share of the peak"].as_str().unwrap().starts_with(start)).unwrap();
        ["documented", "fitted"].map(|column| row[column].as_f64().unwrap())
    };
    let [before, after] = row("MAPE");
    assert!(after < before && after < 25.0, "{roofline}");
    assert!(row("bandwidth, linear")[1] > 0.7, "{roofline}");
}
