//! What users get wrong on the command line: exit code 2, one line that names the place, the value and the remedy, and
//! nothing written. What they get wrong inside a scenario file is tested beside the loader.

use std::path::Path;

use crate::run::{files_in, fluidsim_in};

/// Files that the bad invocations name.
const FILES: &[(&str, &str)] = &[
    ("broken.toml", "name = \"broken\"\nworkload = [\n"),
    ("empty.toml", ""),
    ("empty.csv", ""),
    ("header-only.csv", "arrival_time,prefill_length,decode_length\n"),
    ("one.csv", "arrival_time,prefill_length,decode_length\n1,2,3\n"),
    ("no-decode.csv", "arrival_time,prefill_length\n1,2\n2,3\n"),
    ("short-row.csv", "arrival_time,prefill_length,decode_length\n1,2,3\n2,3\n"),
    ("words.csv", "arrival_time,prefill_length,decode_length\n1,2,3\n2,three,4\n"),
    ("negative.csv", "arrived_at,num_prefill_tokens,num_decode_tokens\n1,2,3\n2,-3,4\n"),
    ("date.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-02-30 00:00:00,1,2\n"),
    ("cut.jsonl", "{\"timestamp\": 0, \"input_length\": 5, \"output_length\": 2}\n{\"timestamp\": 3000, \"inp"),
    ("strange.csv", "a,b,c\n1,2,3\n"),
    ("long.csv", "arrival_time,prefill_length,decode_length\n1,500,3\n2,600,4\n"),
    ("zero.csv", "arrival_time,prefill_length,decode_length\n1,5,0\n2,6,4\n"),
    ("huge.csv", "arrival_time,prefill_length,decode_length\n1,99999999999,3\n2,6,4\n"),
    ("nan.csv", "arrival_time,prefill_length,decode_length\nnan,5,3\n2,6,4\n"),
    ("lengths.jsonl", "{\"prompt_len\": 5, \"output_len\": 2}\n{\"prompt_len\": 7, \"output_len\": 3}\n"),
    ("sharegpt.json", "[{\"id\": \"a\", \"conversations\": [{\"from\": \"human\", \"value\": \"hi\"}]}]\n"),
    (
        "sessions.jsonl",
        "{\"session_id\": 1, \"arrival_time_ns\": 0, \"sub_requests\": [{\"input_toks\": 4, \"output_toks\": 2}]}\n",
    ),
    ("quote.csv", "arrival_time,prefill_length,decode_length\n1,5,3\n\"2,6,4\n"),
    ("weight.csv", "arrival_time,prefill_length,decode_length,weight\n1,5,3,0\n2,6,4,1\n"),
    ("token.csv", "Timestamp,Model,Request tokens,Response tokens\n1,a,5,-4\n2,a,6,4\n"),
];

/// The arguments, how the line begins after `error: `, and what else it holds.
type Case = (&'static [&'static str], &'static str, &'static [&'static str]);

const CASES: &[Case] = &[
    (&["solve", "--lambda", "-1"], "--lambda: workload.rate_per_s: ", &["`-1`", "above 0"]),
    (&["solve", "--lambda", "0"], "--lambda: workload.rate_per_s: ", &["`0`", "above 0"]),
    (&["solve", "--lambda", "nan"], "--lambda: workload.rate_per_s: ", &["`NaN`", "above 0"]),
    (&["solve", "--lambda", "inf"], "--lambda: workload.rate_per_s: ", &["`inf`"]),
    (&["solve", "memory-gredy"], "memory-gredy: ", &["neither a preset nor a file", "did you mean `memory-greedy`?"]),
    (&["solve", "no-such.toml"], "no-such.toml: ", &["neither a preset nor a file", "`chat-70b-4xa100`"]),
    (&["solve", "."], ".: ", &["cannot be read", "TOML file"]),
    (&["solve", "broken.toml"], "broken.toml: line 2: ", &["not TOML", "key = value"]),
    (&["solve", "empty.toml"], "empty.toml: name: ", &["missing"]),
    (&["solve", "one.csv"], "one.csv: line 1: ", &["this is a trace"]),
    (&["scenario", "check", "broken.toml"], "broken.toml: line 2: ", &["not TOML"]),
    (&["scenario", "check", "no-such.toml"], "no-such.toml: ", &["neither a preset nor a file"]),
    (&["scenario", "show", "chat-70b"], "chat-70b: ", &["did you mean `chat-70b-4xa100`?", "scenario list"]),
    (&["solve", "--set", "instance.kv_tokens"], "--set instance.kv_tokens: ", &["no `=`", "KEY=VALUE"]),
    (
        &["solve", "--set", "instance.kv_token=5"],
        "--set instance.kv_token=5: instance.kv_token: ",
        &["not a known key", "did you mean `kv_tokens`?"],
    ),
    (&["solve", "--set", "colour=red"], "--set colour=red: colour: ", &["not a known key", "`workload`"]),
    (
        &["solve", "--set", "instance.kv_tokens=many"],
        "--set instance.kv_tokens=many: instance.kv_tokens: ",
        &["`many`", "whole number"],
    ),
    (
        &["simulate", "--set", "instance.max_sequences=0"],
        "--set instance.max_sequences=0: instance.max_sequences: ",
        &["`0`", "from 1"],
    ),
    (&["solve", "--trace", "no-such.csv"], "--trace: ", &["`no-such.csv` cannot be read", "path of a trace"]),
    (&["compare", "--trace", "empty.csv"], "empty.csv: line 1: ", &["empty", "one of the formats"]),
    (&["compare", "--trace", "header-only.csv"], "header-only.csv: line 2: ", &["no requests", "at least two"]),
    (&["solve", "--trace", "one.csv"], "one.csv: ", &[]),
    (&["solve", "--trace", "no-decode.csv"], "no-decode.csv: line 1: ", &["`decode_length` is missing"]),
    (&["solve", "--trace", "short-row.csv"], "short-row.csv: line 3: ", &[]),
    (&["solve", "--trace", "words.csv"], "words.csv: line 3.prefill_length: ", &["`three`", "whole number"]),
    (&["solve", "--trace", "negative.csv"], "negative.csv: line 3.num_prefill_tokens: ", &["`-3`"]),
    (&["solve", "--trace", "date.csv"], "date.csv: line 2.TIMESTAMP: ", &["2023-02-30"]),
    (&["solve", "--trace", "cut.jsonl"], "cut.jsonl: line 2: ", &["ends before", "`input_length`"]),
    (&["solve", "--trace", "strange.csv"], "strange.csv: line 1: ", &["`a,b,c`", "one of the formats"]),
    (&["compare", "--des-trials", "1"], "--des-trials: ", &["`1`", "from 2"]),
    (&["compare", "--des-trials", "9999999"], "--des-trials: ", &["`9999999`", "1000000"]),
    (&["stability", "--des-trials", "0"], "--des-trials: ", &["`0`", "from 2"]),
    (&["queue", "mm1", "--lambda", "0.5", "--trials", "1"], "--trials: ", &["`1`", "from 2"]),
    (&["queue", "mm1", "--lambda", "0.5", "--customers", "1"], "--customers: ", &["`1`", "from 100"]),
    (&["simulate", "--trials", "0"], "--trials: ", &["`0`", "from 1"]),
    (&["simulate", "--trials", "2", "--requests", "r.csv"], "--requests/--steps: ", &["one run", "--trials at 1"]),
    (&["simulate", "--trials", "2", "--plot", "run"], "--plot: ", &["one run", "--trials at 1"]),
    (&["simulate", "--trials", "2", "--out", "run"], "--out: ", &["one run"]),
    (&["simulate", "--out", "."], "--out: ", &["`.` is not empty", "--force"]),
    (&["simulate", "--out", "nowhere/run/"], "--out: ", &["no folder `nowhere`"]),
    (&["simulate", "--plot", "nowhere/run"], "--plot: ", &["no folder `nowhere`"]),
    (&["simulate", "--duration", "0"], "--duration: ", &["`0`", "above 0"]),
    (&["simulate", "--duration", "nan", "--steps", "s.csv"], "--duration: ", &["`NaN`"]),
    (&["compare", "--warmup", "-5"], "--warmup: ", &["`-5`", "0 or more"]),
    (&["solve", "--plot", "path.svg", "--horizon", "-1"], "--horizon: ", &["`-1`", "above 0"]),
    (&["simulate", "--engine", "vllm"], "--engine: policy.engine: ", &["`vllm`", "did you mean `vllm-v1`?"]),
    (&["simulate", "--order", "shortest"], "--order: policy.order: ", &["`shortest`", "`srpt`"]),
    (&["simulate", "--admission", "greed"], "--admission: policy.admission: ", &["did you mean `greedy`?"]),
    (&["simulate", "--preemption", "kill"], "--preemption: policy.preemption: ", &["`kill`", "`restart`"]),
    (&["simulate", "--preemption", "swap"], "", &["policy.swap_s_per_token: is missing"]),
    (&["simulate", "--replicas", "0"], "--replicas: cluster.replicas: ", &["`0`", "from 1"]),
    (&["simulate", "--replicas", "-2"], "--replicas: cluster.replicas: ", &["`-2`", "not negative"]),
    (&["simulate", "--routing", "milp"], "", &["cluster.window_s", "missing"]),
    (&["simulate", "--routing", "nearest"], "--routing: cluster.routing: ", &["`nearest`", "`power-of-d`"]),
    (&["policy", "show", "orka"], "orka: ", &["did you mean `orca`?", "policy list"]),
    (
        &["solve", "--engine", "static"],
        "chat-70b-4xa100: instance.kv_tokens: ",
        &["theory does not cover", "fluidsim simulate"],
    ),
    (
        &["solve", "--order", "srpt", "--trajectory", "p.csv"],
        "chat-70b-4xa100: policy.order: ",
        &["`srpt`", "no fluid path"],
    ),
    (
        &[
            "compare",
            "memory-greedy",
            "--out",
            "c.txt",
            "--set",
            "policy.trigger=aggressive",
            "--set",
            "policy.allow_waiting_preempt=true",
        ],
        "memory-greedy: policy.allow_waiting_preempt: ",
        &["simulate"],
    ),
    (
        &[
            "stability",
            "memory-greedy",
            "--des",
            "--set",
            "policy.trigger=aggressive",
            "--set",
            "policy.allow_waiting_preempt=true",
        ],
        "memory-greedy: policy.allow_waiting_preempt: ",
        &["take the place"],
    ),
    (
        &[
            "stability",
            "memory-greedy",
            "--sweep",
            "lambda=1,2",
            "--csv",
            "g.csv",
            "--set",
            "policy.trigger=aggressive",
            "--set",
            "policy.allow_waiting_preempt=true",
        ],
        "--sweep lambda=1: policy.allow_waiting_preempt: ",
        &["take the place"],
    ),
    (
        &["simulate", "--engine", "orca", "--trace", "long.csv", "--set", "instance.max_batch_tokens=100"],
        "",
        &["`100`", "`500`"],
    ),
    (&["solve", "--trace", "zero.csv"], "zero.csv: line 4: ", &["only `1` requests", "`1` without"]),
    (&["solve", "--trace", "lengths.jsonl"], "--trace: workload.trace.file: ", &["not when they arrive", "--lambda"]),
    (&["simulate", "--trace", "sharegpt.json"], "sharegpt.json: line 1: ", &["JSON array", "tokenizer"]),
    (&["simulate", "--trace", "sessions.jsonl"], "sessions.jsonl: line 1: ", &["session"]),
    (&["simulate", "--trace", "quote.csv"], "quote.csv: line 3: ", &["quote"]),
    (&["simulate", "--trace", "weight.csv"], "weight.csv: line 2.weight: ", &["`0`", "above 0"]),
    (&["simulate", "--trace", "token.csv"], "token.csv: line 2.Response tokens: ", &["`-4`"]),
    (&["compare", "--trace", "."], "--trace: ", &["`.` cannot be read", "path of a trace"]),
    (&["solve", "--trace", "huge.csv"], "huge.csv: line 2.prefill_length: ", &["`99999999999`"]),
    (&["solve", "--trace", "nan.csv"], "nan.csv: line 2.arrival_time: ", &["`nan`"]),
    (&["stability", "--epsilon", "0"], "--epsilon: ", &["`0`", "above 0"]),
    (&["stability", "--epsilon", "0.7"], "--epsilon: ", &["`0.7`", "at most 0.5"]),
    (&["stability", "--sweep", "lambda=1:2:0"], "--sweep: lambda=1:2:0: ", &["no values", "FROM:TO:STEP"]),
    (&["stability", "--sweep", "lambda=2:1:1"], "--sweep: lambda=2:1:1: ", &["no values"]),
    (&["stability", "--sweep", "lambda=1:2"], "--sweep: lambda=1:2: ", &["FROM:TO:STEP"]),
    (&["stability", "--sweep", "lambda"], "--sweep: lambda: ", &["no `=`"]),
    (&["stability", "--sweep", "lambda=1,x"], "--sweep lambda=x: workload.rate_per_s: ", &["`x`", "give a number"]),
    (&["stability", "--sweep", "lambda=1..3"], "--sweep: lambda: ", &["is an interval", "write a list"]),
    (&["sweep", "--show", "ttft_s.mean"], "--over: ", &["is missing", "--over lambda=1:7:1"]),
    (&["sweep", "--over", "lambda=1,,2"], "--over: lambda=1,,2: ", &["empty value"]),
    (&["sweep", "--over", "lambda=1,2", "--over", "lambda=3"], "--over: lambda: ", &["swept twice"]),
    (&["sweep", "--over", "lambda=1..3"], "--over: lambda: ", &["is an interval", "--lhs N"]),
    (&["sweep", "--over", "lambda=1,2", "--lhs", "4"], "--over: ", &["needs an interval"]),
    (&["sweep", "--over", "lambda=1..3", "--sobol", "0"], "--sobol: ", &["`0`", "1000000"]),
    (&["sweep", "--over", "lambda=1", "--show", "ttft"], "--show: ttft: ", &["did you mean `ttft_s.mean`?"]),
    (&["sweep", "--over", "lambda=1", "--show", "steps"], "--show: steps: ", &["the engine alone", "--solver"]),
    (
        &["sweep", "--over", "lambda=1", "--shard", "2/3", "--out", "part.csv"],
        "--shard: ",
        &["needs a folder", "--out part1"],
    ),
    (&["sweep", "--over", "lambda=1", "--shard", "4/3", "--out", "part"], "--shard: ", &["`4/3`", "I/N"]),
    (
        &["sweep", "--over", "policy.engine=orca,orka", "--out", "part"],
        "--over policy.engine=orka: ",
        &["`orka`", "`orca`"],
    ),
    (&["sweep", "--over", "load=0.5,-1"], "--over load=-1: load: ", &["above 0"]),
    (&["sweep", "--case", "small instance.kv_tokens=1"], "--case: ", &["has no name"]),
    (&["sweep", "--case", "a: lambda"], "--case: ", &["without `=`"]),
    (&["compare-policies", "--policy", "a: lambda=1"], "--policy: ", &["one policy", "at least two"]),
    (&["compare-policies", "--vary", "policy.order=fcfs,first"], "--vary policy.order=first: ", &["`first`"]),
    (
        &["compare-policies", "--vary", "policy.order=fcfs,srpt", "--metric", "steps"],
        "--metric: steps: ",
        &["ttft_s.mean"],
    ),
    (&["compare-policies", "--policy", "a: lambda=1", "--policy", "a: lambda=2"], "--policy: ", &["`a` twice"]),
    (&["compare-policies", "--trials", "1"], "--trials: ", &["`1`", "from 2"]),
    (&["merge", "nowhere"], "nowhere: ", &["manifest.json"]),
    (
        &["stability", "--sweep", "instance.kv_token=1,2", "--csv", "grid.csv"],
        "--sweep instance.kv_token=1: instance.kv_token: ",
        &["not a known key", "did you mean `kv_tokens`?"],
    ),
    (
        &["stability", "--sweep", "instance.max_sequences=64,0.5", "--des", "--csv", "grid.csv"],
        "--sweep instance.max_sequences=0.5: instance.max_sequences: ",
        &["`0.5`", "whole number"],
    ),
    (&["stability", "--sweep", "lambda=0:1e9:1e-6"], "--sweep: lambda=0:1e9:1e-6: ", &["more than 1000000"]),
    (&["simulate", "--precision", "2"], "--precision: ", &["`2`", "0.001"]),
    (&["simulate", "--precision", "x%"], "--precision: ", &["`x%`"]),
    (&["simulate", "--precision", "2%", "--plot", "p"], "--plot: ", &["one run", "--precision"]),
    (&["queue", "mm1", "--rho", "0", "--simulate"], "--lambda: ", &["`0`", "above 0"]),
    (&["queue", "mm1", "--rho", "-0.5"], "--rho: ", &["`-0.5`", "0 or more"]),
    (&["queue", "mm1", "--rho", "0.5,nan"], "--rho: ", &["`nan`", "FROM:TO:STEP"]),
    (&["queue", "mm1", "--rho", "0.9:0.1:0.1"], "--rho: ", &["`0.9:0.1:0.1` holds no values"]),
    (&["queue", "mm1", "--rho", "0.1:0.9"], "--rho: ", &["`0.1:0.9` is not FROM:TO:STEP"]),
    (&["queue", "mm1", "--rho", "0.1,0.2", "--mu", "1,2"], "--rho: ", &["range beside that of `mu`", "one parameter"]),
    (&["queue", "mm1"], "--lambda: ", &["missing", "`rho`"]),
    (&["queue", "mm1", "--lambda", "1", "--rho", "1"], "--rho: ", &["beside `lambda`", "one of the two"]),
    (&["queue", "mm1", "--lambda", "1", "--lambda", "2"], "--lambda: ", &["2 times", "once"]),
    (&["queue", "mm1", "--rho", "0.5", "--mu", "-2"], "--mu: ", &["`-2`", "above 0"]),
    (&["queue", "mm1", "--rho", "0.5", "--mu", "inf"], "--mu: ", &["`inf`", "finite number"]),
    (&["queue", "mm1", "--rho", "0.5", "--quantiles", "0.5,1"], "--quantiles: ", &["`1`", "between 0 and 1"]),
    (&["queue", "mm1", "--rho", "0.5", "--quantiles", "half"], "--quantiles: ", &["`half`", "parted by commas"]),
    (&["queue", "mm1", "--rho", "0.5", "--plot", "mm1.svg"], "--plot: ", &["needs a range", "FROM:TO:STEP"]),
    (&["queue", "mmc", "--rho", "0.5", "--servers", "0"], "--servers: ", &["`0`", "from 1"]),
    (&["queue", "mmc", "--rho", "0.5", "--servers", "2.5"], "--servers: ", &["`2.5`", "whole number"]),
    (
        &["queue", "mg1", "--rho", "0.5", "--service", "erlnag:2"],
        "--service: ",
        &["`erlnag:2`", "did you mean `erlang`?"],
    ),
    (&["queue", "mg1", "--rho", "0.5", "--service", "h2:0.5"], "--service: ", &["`h2:0.5`", "above 1"]),
    (&["queue", "mg1", "--lambda", "0.5", "--mean", "1", "--mu", "1"], "--mean: ", &["beside `mu`", "one of the two"]),
    (
        &["queue", "mg1", "--lambda", "0.5", "--mean", "1", "--service", "uniform:0,2"],
        "--mean: ",
        &["`uniform:0,2`", "leave it out"],
    ),
    (&["queue", "priority"], "--class: ", &["missing", "rate=0.3 mean=0.5"]),
    (&["queue", "priority", "--class", "rate=0.3"], "--class: ", &["no `mean`", "write a class as"]),
    (&["queue", "priority", "--class", "rate=x mean=1"], "--class: ", &["`x`", "finite number"]),
];

fn folder_with_files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn every_mistake_is_named_on_one_line_with_its_remedy() {
    let folder = folder_with_files();
    let wrong: Vec<String> = CASES.iter().filter_map(|case| complaint(folder.path(), case)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(files_in(folder.path()).len(), FILES.len(), "{:?}", files_in(folder.path()));
}

/// What is wrong with the answer to a bad invocation, if anything.
fn complaint(folder: &Path, (args, start, parts): &Case) -> Option<String> {
    let ran = fluidsim_in(folder, args);
    let line = ran.stderr.strip_suffix('\n').unwrap_or(&ran.stderr);
    let message = line.strip_prefix("error: ").unwrap_or(line);
    let missing: Vec<_> = parts.iter().filter(|part| !message.contains(**part)).collect();
    let good = ran.code == 2
        && ran.stdout.is_empty()
        && line.starts_with("error: ")
        && !message.contains('\n')
        && !message.contains("error: ")
        && message.starts_with(start)
        && missing.is_empty()
        && message.split_once("; ").is_some_and(|(_, remedy)| !remedy.is_empty());
    (!good).then(|| format!("{args:?}: code {}, wanted `{start}` and {missing:?}, got: {line}{}", ran.code, ran.stdout))
}
