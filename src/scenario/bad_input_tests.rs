//! What users get wrong, and what the message must name. Broken traces are in `trace::tests`.

use super::{Override, load, open, trace};

const GOOD: &str = r#"
name = "good"
step_time = { law = "affine", base_s = 0.01, per_token_s = 1e-4 }
[workload]
rate_per_s = 1.0
arrivals = { law = "gamma", cv = 2 }
[[workload.class]]
name = "chat"
prompt = { law = "constant", tokens = 100 }
output = { law = "geometric", mean = 50 }
[instance]
max_sequences = 16
max_batch_tokens = 512
kv_tokens = 5000
[policy]
engine = "vllm-v1"
admission = "greedy"
preemption = "recompute"
"#;

/// A text in [`GOOD`], what replaces it, the key that the message names, and other parts of the message.
type Case = (&'static str, &'static str, &'static str, &'static [&'static str]);

const SCENARIOS: &[Case] = &[
    ("name = \"good\"", "", "name", &["missing", "text in quotes"]),
    ("name = \"good\"", "name = 70", "name", &["`70`", "text in quotes"]),
    ("name = \"good\"", "name = \"\"", "name", &["``", "characters"]),
    ("name = \"good\"", "name = \"../up\"", "name", &["`../up`", "file name"]),
    ("name = \"good\"", "nam = \"good\"", "nam", &["not a known key", "did you mean `name`?", "`workload`"]),
    ("name = \"good\"", "name = good", "line 2", &["not TOML", "quotes"]),
    ("name = \"good\"", "name = \"good\"\nname = \"again\"", "line 3", &["duplicate"]),
    ("[instance]", "[instance", "line 11", &["not TOML", "key = value"]),
    ("rate_per_s = 1.0", "rate_per_s = 1.0.0", "line 5", &["not TOML"]),
    ("rate_per_s = 1.0", "rate_per_s =", "line 5", &["not TOML"]),
    ("rate_per_s = 1.0", "", "workload.rate_per_s", &["missing", "rate_per_s = 2.0"]),
    ("rate_per_s = 1.0", "rate_per_s = \"1.0\"", "workload.rate_per_s", &["the text `1.0`", "a number"]),
    ("rate_per_s = 1.0", "rate_per_s = true", "workload.rate_per_s", &["`true`", "a number"]),
    ("rate_per_s = 1.0", "rate_per_s = 2024-01-01", "workload.rate_per_s", &["the date `2024-01-01`"]),
    ("rate_per_s = 1.0", "rate_per_s = [1.0]", "workload.rate_per_s", &["a list of 1"]),
    ("rate_per_s = 1.0", "rate_per_s = 0", "workload.rate_per_s", &["`0`", "above 0"]),
    ("rate_per_s = 1.0", "rate_per_s = -1", "workload.rate_per_s", &["`-1`"]),
    ("rate_per_s = 1.0", "rate_per_s = nan", "workload.rate_per_s", &["NaN"]),
    ("rate_per_s = 1.0", "rate_per_s = inf", "workload.rate_per_s", &["inf"]),
    ("rate_per_s = 1.0", "rate_per_s = 1e12", "workload.rate_per_s", &["1e9"]),
    ("rate_per_s = 1.0", "rate = 1.0", "workload.rate", &["did you mean `rate_per_s`?", "`class`"]),
    ("law = \"gamma\", cv = 2", "cv = 2", "workload.arrivals.law", &["missing", "`poisson`, `deterministic`, `gamma`"]),
    ("law = \"gamma\"", "law = 3", "workload.arrivals.law", &["`3`", "`gamma`"]),
    ("law = \"gamma\"", "law = \"gama\"", "workload.arrivals.law", &["`gama`", "did you mean `gamma`?"]),
    ("law = \"gamma\"", "law = \"poisson\"", "workload.arrivals.cv", &["the law `poisson`", "`gamma`"]),
    ("law = \"gamma\", cv = 2", "law = \"gamma\"", "workload.arrivals.cv", &["missing", "a number"]),
    ("cv = 2", "cv = 0", "workload.arrivals.cv", &["`0`", "deterministic"]),
    ("cv = 2", "cv = -1.5", "workload.arrivals.cv", &["`-1.5`"]),
    ("{ law = \"gamma\", cv = 2 }", "\"poisson\"", "workload.arrivals", &["the text `poisson`", "`law`"]),
    ("[[workload.class]]", "[workload.class]", "workload.class", &["a table", "[[workload.class]]"]),
    ("name = \"chat\"", "", "workload.class[0].name", &["missing"]),
    ("name = \"chat\"", "name = \"chat\"\nshare = 0", "workload.class[0].share", &["`0`"]),
    ("name = \"chat\"", "name = \"chat\"\nwait = 1", "workload.class[0].wait", &["`share`", "`prompt`"]),
    ("name = \"chat\"", "name = \"chat\"\nshare = 1e300", "workload.class[0].share", &["at most"]),
    ("tokens = 100", "tokens = 0", "workload.class[0].prompt.tokens", &["`0`", "from 1"]),
    ("tokens = 100", "tokens = -3", "workload.class[0].prompt.tokens", &["`-3`", "whole number, not negative"]),
    ("tokens = 100", "tokens = 10.5", "workload.class[0].prompt.tokens", &["`10.5`", "whole number"]),
    ("tokens = 100", "tokens = \"100\"", "workload.class[0].prompt.tokens", &["the text `100`", "whole number"]),
    ("tokens = 100", "tokens = 99999999999", "workload.class[0].prompt", &["99999999999", "10000000"]),
    ("tokens = 100", "token = 100", "workload.class[0].prompt.token", &["did you mean `tokens`?"]),
    (
        "tokens = 100",
        "mean = 100",
        "workload.class[0].prompt.mean",
        &["`constant`", "`geometric` or `lognormal` or `gamma` or `weibull`"],
    ),
    ("mean = 50", "mean = 0.5", "workload.class[0].output.mean", &["`0.5`"]),
    ("mean = 50", "mean = inf", "workload.class[0].output.mean", &["inf"]),
    ("\"geometric\", mean = 50", "\"uniform\", min = 9, max = 5", "workload.class[0].output.max", &["`5`", "`9`"]),
    ("\"geometric\", mean = 50", "\"empirical\", values = []", "workload.class[0].output.values", &["empty"]),
    (
        "\"geometric\", mean = 50",
        "\"empirical\", values = [1, 2.5]",
        "workload.class[0].output.values[1]",
        &["`2.5`", "whole"],
    ),
    ("\"geometric\", mean = 50", "\"empirical\", values = [0]", "workload.class[0].output.values", &["`0`"]),
    ("\"geometric\", mean = 50", "\"mixture\", parts = []", "workload.class[0].output.parts", &["empty"]),
    (
        "\"geometric\", mean = 50",
        "\"mixture\", parts = [{ weight = 1, law = { law = \"constant\", token = 3 } }]",
        "workload.class[0].output.parts[0].law.token",
        &["did you mean `tokens`?"],
    ),
    (
        "\"geometric\", mean = 50",
        "\"lognormal\", mean = 50, cv = 0, max = 100",
        "workload.class[0].output.cv",
        &["`0`", "above 0"],
    ),
    ("\"geometric\", mean = 50", "\"lognormal\", mean = 50, cv = 1", "workload.class[0].output.max", &["missing"]),
    (
        "\"geometric\", mean = 50",
        "\"lognormal\", mean = 50, cv = 1e200, max = 9",
        "workload.class[0].output.cv",
        &["100"],
    ),
    ("[instance]", "[instances]", "instances", &["did you mean `instance`?"]),
    ("max_sequences = 16", "", "instance.max_sequences", &["missing", "whole number"]),
    ("max_sequences = 16", "max_seqs = 16", "instance.max_seqs", &["`max_sequences`", "`kv_tokens`"]),
    ("max_sequences = 16", "max_sequences = 0", "instance.max_sequences", &["`0`", "from 1"]),
    ("max_sequences = 16", "max_sequences = 99999999999", "instance.max_sequences", &["99999999999", "16777216"]),
    ("max_sequences = 16", "max_sequences = 99999999999999999999", "line 12", &["not TOML"]),
    ("max_batch_tokens = 512", "max_batch_tokens = 0", "instance.max_batch_tokens", &["`0`", "from 1"]),
    ("max_batch_tokens = 512", "max_batch_tokens = \"none\"", "instance.max_batch_tokens", &["the text `none`"]),
    ("kv_tokens = 5000", "kv_tokens = 5000\nblock_tokens = 0", "instance.block_tokens", &["`0`"]),
    ("kv_tokens = 5000", "kv_tokens = 5\nblock_tokens = 16", "instance.kv_tokens", &["one block", "unlimited"]),
    ("\"vllm-v1\"", "\"vllm\"", "policy.engine", &["`vllm`", "did you mean `vllm-v1`?"]),
    ("\"greedy\"", "\"Greedy\"", "policy.admission", &["did you mean `greedy`?"]),
    ("\"recompute\"", "\"none\"", "policy.preemption", &["run out", "reserve"]),
    ("\"recompute\"", "\"swap\"", "policy.swap_s_per_token", &["missing", "seconds"]),
    ("\"recompute\"", "\"recompute\"\nswap_s_per_token = 1", "policy.swap_s_per_token", &["`1`", "swap"]),
    ("\"recompute\"", "false", "policy.preemption", &["`false`", "`swap`"]),
    ("base_s = 0.01, ", "", "step_time.base_s", &["missing"]),
    ("base_s = 0.01", "base_s = -0.01", "step_time.base_s", &["`-0.01`"]),
    ("base_s = 0.01, per_token_s = 1e-4", "base_s = 0, per_token_s = 0", "step_time.base_s", &["no time"]),
    ("per_token_s = 1e-4", "per_token_s = 1e-4, free_tokens = 3", "step_time.free_tokens", &["`affine`", "`hinge`"]),
    ("\"affine\"", "\"linear\"", "step_time.law", &["`linear`", "`affine-context`"]),
    ("[workload]", "step_noise = 1\n[workload]", "step_noise", &["`1`", "`exponential`"]),
    ("[policy]", "[workload.trace]\nfile = \"no-such.csv\"\n[policy]", "workload.trace.file", &["no-such.csv", "path"]),
    ("[policy]", "[workload.trace]\nmode = \"replay\"\n[policy]", "workload.trace.file", &["missing"]),
    ("[policy]", "[workload.trace]\nfile = 1\nmode = \"x\"\n[policy]", "workload.trace.file", &["`1`"]),
    (GOOD, "", "name", &["missing"]),
    (GOOD, "arrival_time,prefill_length,decode_length\n1,2,3\n", "line 1", &["this is a trace"]),
];

#[test]
fn the_good_scenario_is_good() {
    load("good.toml", GOOD, &[]).unwrap();
    load("good.toml", &GOOD.replace('\n', "\r\n"), &[]).unwrap();
}

#[test]
fn bad_scenarios_are_refused_with_key_and_remedy() {
    for (place, change, key, parts) in SCENARIOS {
        assert!(GOOD.contains(place), "{place}");
        let text = GOOD.replacen(place, change, 1);
        let error = load("bad.toml", &text, &[]).expect_err(change);
        assert_eq!((error.origin.as_str(), error.key.as_str()), ("bad.toml", *key), "{error}");
        assert_message(&error, parts);
    }
}

/// An override of the good scenario, the key that the message names, and other parts of it.
const OVERRIDES: &[(&str, &str, &[&str])] = &[
    ("instance.max_sequences", "instance.max_sequences", &["no `=`", "instance.max_sequences=128"]),
    ("=3", "KEY=VALUE", &["no value or no key"]),
    ("instance.kv_tokens=", "instance.kv_tokens", &["no value"]),
    ("instance.kv_token=5", "instance.kv_token", &["did you mean `kv_tokens`?", "`block_tokens`"]),
    ("kv_tokens=5", "kv_tokens", &["not a known key", "did you mean `instance.kv_tokens`?"]),
    ("instance..kv_tokens=5", "instance..kv_tokens", &["not a key", "workload.class[0].share"]),
    ("workload.class[x].share=5", "workload.class[x].share", &["not a key"]),
    ("workload.class[3].share=5", "workload.class[3]", &["the list has `chat`"]),
    ("workload.class.code.share=5", "workload.class.code", &["`chat`"]),
    ("workload.class[0].prompt.tokns=5", "workload.class[0].prompt.tokns", &["did you mean `tokens`?"]),
    ("workload.class[0].prompt.mean=5", "workload.class[0].prompt.mean", &["`constant`", "`geometric`"]),
    ("workload.arrivals.law=erlang", "workload.arrivals.law", &["`erlang`", "`gamma`"]),
    ("step_time.law=hinge", "step_time.free_tokens", &["missing"]),
    ("instance.kv_tokens.x=5", "instance.kv_tokens", &["single value"]),
    ("instance.kv_tokens[0]=5", "instance.kv_tokens", &["single value"]),
    ("instance=5", "instance", &["`5`", "`max_sequences`"]),
    ("instance.max_sequences=none", "instance.max_sequences", &["`none`", "whole number"]),
    ("instance.max_sequences=many", "instance.max_sequences", &["`many`"]),
    ("instance.max_sequences=1,000", "instance.max_sequences", &["`1,000`"]),
    ("instance.max_sequences=0", "instance.max_sequences", &["`0`"]),
    ("instance.max_sequences=-4", "instance.max_sequences", &["`-4`"]),
    ("instance.max_sequences=2.5", "instance.max_sequences", &["`2.5`"]),
    ("instance.prefix_cache_tokens=0", "instance.prefix_cache_tokens", &["`0`"]),
    ("instance.prefix_cache_tokens=4096", "instance.prefix_cache_tokens", &["begin alike", "`hash_ids`"]),
    ("instance.max_batch_tokens=0", "instance.max_batch_tokens", &["`0`"]),
    ("lambda=fast", "workload.rate_per_s", &["`fast`", "a number"]),
    ("lambda=-2", "workload.rate_per_s", &["`-2`"]),
    ("lambda=none", "workload.rate_per_s", &["missing"]),
    ("policy.preemption=keep", "policy.preemption", &["`keep`", "`recompute`"]),
    ("policy.preemption=none", "policy.preemption", &["run out"]),
];

/// Rules that do not exist, or contradict each other: overrides of the good scenario, the key that the message names, and other
/// parts of it.
const RULES: &[(&[&str], &str, &[&str])] = &[
    (&["policy.order=lifo"], "policy.order", &["`lifo`", "`fcfs`", "`srpt`"]),
    (&["step_noise=gamma"], "step_noise_cv", &["missing", "0.5"]),
    (&["step_noise=gamma", "step_noise_cv=0"], "step_noise_cv", &["`0`", "from 0.01 to 10"]),
    (&["step_noise=exponential", "step_noise_cv=1"], "step_noise_cv", &["not `gamma`", "remove the key"]),
    (&["policy.order_preempts=true"], "policy.order_preempts", &["no GPU pool", "cluster.gpus"]),
    (&["policy.order_preempts=true", "cluster.gpus=4"], "policy.order_preempts", &["`fcfs`", "policy.order"]),
    (&["policy.order_preempts=1"], "policy.order_preempts", &["`1`", "true or false"]),
    (&["policy.admission=gready"], "policy.admission", &["did you mean `greedy`?"]),
    (&["policy.engine=orka"], "policy.engine", &["did you mean `orca`?"]),
    (&["policy.preemption=restrat"], "policy.preemption", &["did you mean `restart`?"]),
    (&["policy.victim=newest"], "policy.victim", &["`newest`", "`lifo`"]),
    (&["policy.trigger=agressive"], "policy.trigger", &["did you mean `aggressive`?"]),
    (&["policy.arrivals_seen=late"], "policy.arrivals_seen", &["`late`", "`one-step-late`"]),
    (&["policy.prediction.law=oracle"], "policy.prediction.law", &["`oracle`", "`exact`"]),
    (&["policy.admission=threshold"], "policy.threshold_share", &["missing", "share"]),
    (&["policy.admission=threshold", "policy.threshold_share=1.5"], "policy.threshold_share", &["`1.5`", "below 1"]),
    (&["policy.admission=threshold", "policy.threshold_share=nan"], "policy.threshold_share", &["`NaN`"]),
    (&["policy.threshold_share=0.9"], "policy.threshold_share", &["`threshold`", "remove the key"]),
    (&["policy.admission=watermark"], "policy.watermark_share", &["missing"]),
    (&["policy.admission=watermark", "policy.watermark_share=0"], "policy.watermark_share", &["`0`", "above 0"]),
    (&["policy.watermark_share=0.1"], "policy.watermark_share", &["`watermark`"]),
    (&["policy.admission=quota"], "policy.quota_per_class", &["missing", "`quota`"]),
    (&["policy.admission=quota", "policy.quota_per_class=0"], "policy.quota_per_class", &["`0`", "at least 1"]),
    (&["policy.quota_per_class=3"], "policy.quota_per_class", &["`quota`"]),
    (&["policy.wait_thresholds=[3]"], "policy.wait_thresholds", &["`wait`"]),
    (&["policy.admission=wait", "policy.wait_thresholds=[0]"], "policy.wait_thresholds", &["`0`", "from 1"]),
    (&["policy.admission=wait", "policy.wait_thresholds=[3, 4]"], "policy.wait_thresholds", &["`2`", "`1` classes"]),
    (&["policy.admission=wait", "policy.wait_segments=[5]"], "policy.wait_segments", &["`nested-wait`"]),
    (&["policy.admission=nested-wait", "policy.wait_segments=[5, 5]"], "policy.wait_segments", &["ascend"]),
    (
        &["policy.admission=nested-wait", "policy.wait_segments=[5]", "policy.wait_thresholds=[3]"],
        "policy.wait_thresholds",
        &["`1`", "one threshold more"],
    ),
    (&["policy.prediction.law=class-mean"], "policy.prediction", &["no rule uses it", "srpt"]),
    (&["policy.order=srpt", "policy.prediction={law=\"lognormal\", cv=0}"], "policy.prediction.cv", &["`0`", "exact"]),
    (&["policy.order=srpt", "policy.prediction={law=\"lognormal\"}"], "policy.prediction.cv", &["missing"]),
    (
        &["policy.order=srpt", "policy.prediction={law=\"one-bit\", threshold=0}"],
        "policy.prediction.threshold",
        &["`0`", "from 1"],
    ),
    (
        &["policy.order=srpt", "policy.prediction={law=\"exact\", cv=1}"],
        "policy.prediction.cv",
        &["`exact`", "`lognormal`"],
    ),
    (&["policy.allow_waiting_preempt=true"], "policy.allow_waiting_preempt", &["`true`", "aggressive"]),
    (&["policy.allow_waiting_preempt=1"], "policy.allow_waiting_preempt", &["`1`", "true or false"]),
    (&["policy.swap_latency_s=0.1"], "policy.swap_latency_s", &["`0.1`", "not `swap`"]),
    (&["policy.swap_transfer=overlapped"], "policy.swap_transfer", &["`overlapped`", "not `swap`"]),
    (&["policy.preemption=swap", "policy.swap_s_per_token=-1"], "policy.swap_s_per_token", &["`-1`", "0 or more"]),
    (&["policy.batching.chunk_tokens=0"], "policy.batching.chunk_tokens", &["`0`", "at least 1"]),
    (
        &["policy.batching.chunk_tokens=64", "policy.batching.prompts=whole"],
        "policy.batching.chunk_tokens",
        &["not `chunked`"],
    ),
    (&["policy.batching.decode_share=0.5"], "policy.batching.decode_share", &["not `split`"]),
    (&["policy.engine=hybrid", "policy.batching.decode_share=1"], "policy.batching.decode_share", &["`1`", "below 1"]),
    (
        &["policy.engine=hybrid", "policy.batching.decode_share=0.01"],
        "policy.batching.decode_share",
        &["0 decodes", "`16`"],
    ),
    (&["policy.engine=static", "policy.batching.priority=split"], "policy.batching.priority", &["`exclusive`"]),
    (&["policy.engine=decode-node", "policy.batching.mixing=exclusive"], "policy.batching.mixing", &["`present`"]),
    (&["policy.batching.budget_counts=context"], "policy.batching.budget_counts", &["`context`", "present"]),
    (&["policy.engine=static", "policy.batching.mixed_cost=max"], "policy.batching.mixed_cost", &["`max`", "mixed"]),
    (
        &["policy.engine=orca", "instance.max_batch_tokens=99"],
        "instance.max_batch_tokens",
        &["`99`", "`100`", "chunked"],
    ),
    (&["workload.class[0].gpus=0"], "workload.class[0].gpus", &["`0`", "from 1"]),
    (&["workload.class[0].gpus=2"], "workload.class[0].gpus", &["`2`", "no GPU pool"]),
    (&["workload.class[0].gpus=9", "cluster.gpus=8"], "workload.class[0].gpus", &["`9`", "`8`"]),
    (&["workload.class[0].weight=0"], "workload.class[0].weight", &["`0`", "above 0"]),
    (&["workload.class[0].weight=nan"], "workload.class[0].weight", &["NaN"]),
    (&["workload.class[0].slo.ttft_s=-1"], "workload.class[0].slo.ttft_s", &["`-1`"]),
    (&["workload.slo.e2e_s=0"], "workload.slo.e2e_s", &["`0`", "above 0"]),
    (&["workload.slo.ttft=1"], "workload.slo.ttft", &["did you mean `ttft_s`?"]),
    (
        &["workload.class[0].step_time={law=\"affine\", base_s=1, per_token_s=0}"],
        "workload.class[0].step_time",
        &["no GPU pool", "group"],
    ),
    (&["cluster.replicas=0"], "cluster.replicas", &["`0` instances", "from 1"]),
    (&["cluster.replicas=99999"], "cluster.replicas", &["`99999`", "4096"]),
    (&["cluster.gpus=0"], "cluster.gpus", &["`0`"]),
    (&["cluster.gpus=8", "cluster.replicas=2"], "cluster.gpus", &["beside replicas"]),
    (&["cluster.routing=shortest"], "cluster.routing", &["`shortest`", "`join-shortest-queue`"]),
    (&["cluster.choices=2"], "cluster.choices", &["not `power-of-d`"]),
    (&["cluster.routing=power-of-d", "cluster.choices=0"], "cluster.choices", &["`0`", "1 instance"]),
    (&["cluster.routing=milp"], "cluster.window_s", &["missing", "0.1"]),
    (&["cluster.routing=milp", "cluster.window_s=0"], "cluster.window_s", &["`0`"]),
    (&["cluster.window_s=1"], "cluster.window_s", &["not `milp`"]),
    (&["cluster.link.tokens_per_s=1e6"], "cluster.link", &["no prefill pool", "[cluster.prefill]"]),
    (&["cluster.prefill.replicas=1", "cluster.link.tokens_per_s=0"], "cluster.link.tokens_per_s", &["`0`"]),
    (&["cluster.prefill.replicas=0"], "cluster.prefill.replicas", &["`0`", "from 1"]),
    (&["cluster.group=[{name=\"a\"}, {name=\"a\"}]"], "cluster.group[1].name", &["`a`", "its own name"]),
    (&["cluster.group=[{name=\"a\", count=0}]"], "cluster.group[0].count", &["`0`", "remove the group"]),
    (
        &["cluster.replicas=0", "cluster.group=[{name=\"a\", model=\"x\"}]", "workload.class[0].model=y"],
        "workload.class[0].model",
        &["`y`", "no group"],
    ),
    (&["cluster.prefill.instance={max_sequences=0}"], "cluster.prefill.instance.max_sequences", &["`0`"]),
];

#[test]
fn bad_rules_are_refused_with_key_and_remedy() {
    assert!(RULES.len() >= 60);
    for (texts, key, parts) in RULES {
        let changes: Vec<Override> = texts.iter().map(|text| Override::parse(text).unwrap()).collect();
        let error = load("good.toml", GOOD, &changes).expect_err(&texts.join(" "));
        assert_eq!(error.key, *key, "{texts:?}: {error}");
        assert!(!error.origin.is_empty(), "{error}");
        assert_message(&error, parts);
    }
}

#[test]
fn bad_overrides_are_refused_with_flag_key_and_remedy() {
    for (text, key, parts) in OVERRIDES {
        let error = Override::parse(text).and_then(|change| load("good.toml", GOOD, &[change])).expect_err(text);
        assert_eq!(error.key, *key, "{error}");
        assert_eq!(error.origin, format!("--set {text}"));
        assert_message(&error, parts);
    }
}

#[test]
fn a_class_that_a_trace_replaces_cannot_be_overridden() {
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/models/traces/vidur.csv");
    let change = Override::parse("workload.class[0].share=2").unwrap();
    let error = open(None, &[change], Some((trace, super::TraceMode::Replay))).unwrap_err();
    assert_eq!(error.key, "workload.class[0]");
    assert_message(&error, &["the list is empty"]);
}

#[test]
fn a_prefix_cache_needs_a_trace_with_hashes_and_room_for_a_block() {
    let with = |file: &str, tokens: u64| {
        let file = format!("{}/models/traces/{file}", env!("CARGO_MANIFEST_DIR"));
        let change = Override::parse(&format!("instance.prefix_cache_tokens={tokens}")).unwrap();
        open(None, &[change], Some((&file, super::TraceMode::Replay)))
    };
    assert_eq!(with("mooncake.jsonl", 5120).unwrap().instance.prefix_cache_tokens, Some(5120));
    assert_message(&with("mooncake.jsonl", 511).unwrap_err(), &["`511`", "one block of `512`"]);
    assert_message(&with("azure.csv", 5120).unwrap_err(), &["begin alike", "`hash_ids`"]);
}

/// Every text that differs from `text` in one character.
fn slips(text: &str) -> impl Iterator<Item = String> {
    let changes = ["", "9", "-", "\"", ".", "\n", "é"];
    (0..text.len())
        .flat_map(move |at| changes.map(|change| (at, change)))
        .map(move |(at, change)| format!("{}{change}{}", &text[..at], &text[at + 1..]))
}

#[test]
fn no_slip_of_the_pen_panics_or_goes_unexplained() {
    for text in slips(GOOD) {
        if let Err(error) = load("slip.toml", &text, &[]) {
            assert!(error.origin == "slip.toml" && !error.key.is_empty() && !error.remedy.is_empty(), "{error}");
        }
    }
    let traces = [
        "arrival_time,prefill_length,decode_length\n0,10,3\n1.5,30,5\n",
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-12-31 23:59:59.5+00:00,10,3\n2024-01-01T00:00:00Z,20.0,4\n",
        "{\"timestamp\": 0, \"input_length\": 5, \"output_length\": 2}\n\
         {\"timestamp\": 1e2, \"input_length\": 5, \"output_length\": 2}\n",
        "Timestamp,Request tokens,Response tokens\n5,10,3\n\"6.5\",30,5\n",
        "{\"arrival_time\": 1.5, \"input_toks\": 5, \"output_toks\": 2}\n\
         {\"arrival_time\": 1e2, \"input_toks\": 5, \"output_toks\": 2}\n",
        "{\"prompt_len\": 5, \"output_len\": 2}\n{\"prompt_len\": 5, \"output_len\": 2}\n",
        "arrival_time,prefill_length,decode_length,class,weight,model\n0,10,3,a,1,m\n1.5,30,5,\"b\",2,\n",
    ];
    for text in traces.into_iter().flat_map(slips) {
        if let Err(error) = trace::read("slip.csv", &text) {
            assert!(error.origin == "slip.csv" && error.key.starts_with("line "), "{error}");
            assert!(!error.remedy.is_empty(), "{error}");
        }
    }
}

fn assert_message(error: &super::ScenarioError, parts: &[&str]) {
    let message = error.to_string();
    assert!(!error.remedy.is_empty(), "no remedy: {message}");
    for part in parts {
        assert!(message.contains(part), "`{message}` without `{part}`");
    }
}
