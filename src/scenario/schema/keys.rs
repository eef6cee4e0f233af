//! The keys of a scenario, table by table, with what may stand at each.

use super::{Field, Shape, Variant};

const fn needed(key: &'static str, shape: &'static Shape) -> Field {
    Field { key, shape, required: true }
}

const fn optional(key: &'static str, shape: &'static Shape) -> Field {
    Field { key, shape, required: false }
}

const fn variant(name: &'static str, fields: &'static [Field]) -> Variant {
    Variant { name, fields }
}

/// A whole scenario.
pub static SCENARIO: Shape = Shape::Table(&[
    needed("name", &Shape::Text),
    optional("description", &Shape::Text),
    needed("workload", &WORKLOAD),
    needed("instance", &INSTANCE),
    needed("policy", &POLICY),
    needed("step_time", &STEP_TIME),
    optional("step_noise", &STEP_NOISE),
    optional("step_noise_cv", &Shape::Number),
    optional("cluster", &CLUSTER),
]);

/// What arrives.
pub static WORKLOAD: Shape = Shape::Table(&[
    optional("rate_per_s", &Shape::Number),
    optional("rate_shape", &RATE_SHAPE),
    optional("arrivals", &ARRIVALS),
    optional("class", &CLASSES),
    optional("trace", &TRACE),
    optional("slo", &SLO),
]);

/// Laws of λ(t).
pub static RATE_SHAPE: Shape = Shape::Law(&[
    variant("constant", &[]),
    variant("piecewise", &[needed("steps", &RATE_STEPS)]),
    variant(
        "ramp",
        &[needed("factor", &Shape::Number), needed("start_s", &Shape::Number), needed("duration_s", &Shape::Number)],
    ),
    variant(
        "spike",
        &[needed("factor", &Shape::Number), needed("start_s", &Shape::Number), needed("duration_s", &Shape::Number)],
    ),
    variant(
        "diurnal",
        &[needed("amplitude", &Shape::Number), needed("period_s", &Shape::Number), optional("peak_s", &Shape::Number)],
    ),
    variant(
        "binned",
        &[needed("bin_s", &Shape::Number), optional("counts", &Shape::Wholes), optional("file", &Shape::Text)],
    ),
]);

/// Steps of a piecewise rate.
pub static RATE_STEPS: Shape = Shape::Tables(&[needed("from_s", &Shape::Number), needed("factor", &Shape::Number)]);

/// Latency objectives.
pub static SLO: Shape = Shape::Table(&[
    optional("ttft_s", &Shape::Number),
    optional("tpot_s", &Shape::Number),
    optional("e2e_s", &Shape::Number),
]);

/// Laws of the interarrival times.
pub static ARRIVALS: Shape = Shape::Law(&[
    variant("poisson", &[]),
    variant("deterministic", &[]),
    variant("gamma", &[needed("cv", &Shape::Number)]),
]);

/// Classes of requests.
pub static CLASSES: Shape = Shape::Tables(&[
    needed("name", &Shape::Text),
    optional("share", &Shape::Number),
    needed("prompt", &LENGTH),
    needed("output", &LENGTH),
    optional("weight", &Shape::Number),
    optional("slo", &SLO),
    optional("model", &Shape::Text),
    optional("gpus", &Shape::Whole),
    optional("step_time", &STEP_TIME),
]);

/// A recorded trace.
pub static TRACE: Shape = Shape::Table(&[needed("file", &Shape::Text), optional("mode", &TRACE_MODE)]);

/// How a trace is used.
pub static TRACE_MODE: Shape = Shape::Choice(&["replay", "resample"]);

/// Laws of lengths.
pub static LENGTH: Shape = Shape::Law(&[
    variant("constant", &[needed("tokens", &Shape::Whole)]),
    variant("uniform", &[needed("min", &Shape::Whole), needed("max", &Shape::Whole)]),
    variant("geometric", &[needed("mean", &Shape::Number)]),
    variant("lognormal", &[needed("mean", &Shape::Number), needed("cv", &Shape::Number), needed("max", &Shape::Whole)]),
    variant("gamma", &[needed("mean", &Shape::Number), needed("cv", &Shape::Number), needed("max", &Shape::Whole)]),
    variant(
        "weibull",
        &[needed("mean", &Shape::Number), needed("shape", &Shape::Number), needed("max", &Shape::Whole)],
    ),
    variant("pareto", &[needed("min", &Shape::Whole), needed("shape", &Shape::Number), needed("max", &Shape::Whole)]),
    variant("zipf", &[needed("exponent", &Shape::Number), needed("max", &Shape::Whole)]),
    variant("mixture", &[needed("parts", &MIXTURE_PARTS)]),
    variant("empirical", &[needed("values", &Shape::Wholes)]),
]);

/// Parts of a mixture.
pub static MIXTURE_PARTS: Shape = Shape::Tables(&[needed("weight", &Shape::Number), needed("law", &LENGTH)]);

/// The limits of an instance.
pub static INSTANCE: Shape = Shape::Table(&[
    needed("max_sequences", &Shape::Whole),
    optional("max_batch_tokens", &Shape::Whole),
    optional("kv_tokens", &Shape::Whole),
    optional("block_tokens", &Shape::Whole),
    optional("prefix_cache_tokens", &Shape::Whole),
]);

/// The rules of an instance.
pub static POLICY: Shape = Shape::Table(&[
    needed("engine", &ENGINE),
    optional("batching", &BATCHING),
    optional("order", &ORDER),
    optional("order_preempts", &Shape::Flag),
    needed("admission", &ADMISSION),
    optional("threshold_share", &Shape::Number),
    optional("watermark_share", &Shape::Number),
    optional("quota_per_class", &Shape::Whole),
    optional("wait_thresholds", &Shape::Wholes),
    optional("wait_segments", &Shape::Wholes),
    optional("prediction", &PREDICTION),
    needed("preemption", &PREEMPTION),
    optional("trigger", &TRIGGER),
    optional("allow_waiting_preempt", &Shape::Flag),
    optional("victim", &VICTIM),
    optional("swap_s_per_token", &Shape::Number),
    optional("swap_latency_s", &Shape::Number),
    optional("swap_transfer", &TRANSFER),
    optional("arrivals_seen", &SIGHT),
]);

/// Known combinations of batching rules.
pub static ENGINE: Shape = Shape::Choice(&[
    "vllm-v1",
    "run-to-completion",
    "static",
    "orca",
    "vllm-v0",
    "sarathi",
    "decode-node",
    "decode-prioritizing",
    "prefill-prioritizing",
    "hybrid",
]);

/// Parts of the batching rules.
pub static BATCHING: Shape = Shape::Table(&[
    optional("mixing", &MIXING),
    optional("priority", &PRIORITY),
    optional("decode_share", &Shape::Number),
    optional("prompts", &PROMPTS),
    optional("chunk_tokens", &Shape::Whole),
    optional("packing", &PACKING),
    optional("sequence_limit", &SEQUENCE_LIMIT),
    optional("mixed_cost", &MIXED_COST),
    optional("first_token", &FIRST_TOKEN),
    optional("budget_counts", &BUDGET_COUNTS),
]);

/// Whether prompts and decodes mix.
pub static MIXING: Shape = Shape::Choice(&["mixed", "exclusive"]);

/// Who gets tokens first.
pub static PRIORITY: Shape = Shape::Choice(&["decode-first", "prefill-first", "split"]);

/// How prompts are cut.
pub static PROMPTS: Shape = Shape::Choice(&["whole", "chunked", "present"]);

/// What happens at a request that does not fit.
pub static PACKING: Shape = Shape::Choice(&["strict", "fill"]);

/// What `max_sequences` limits.
pub static SEQUENCE_LIMIT: Shape = Shape::Choice(&["residents", "batch"]);

/// What a mixed iteration costs.
pub static MIXED_COST: Shape = Shape::Choice(&["sum", "max"]);

/// Which iteration emits the first token.
pub static FIRST_TOKEN: Shape = Shape::Choice(&["prefill", "decode"]);

/// What the token budget counts.
pub static BUDGET_COUNTS: Shape = Shape::Choice(&["processed", "context"]);

/// Orders of the queue.
pub static ORDER: Shape = Shape::Choice(&[
    "fcfs",
    "shortest-prompt",
    "shortest-job",
    "srpt",
    "weighted-fcfs",
    "weighted-srpt",
    "smallest-volume",
    "random",
]);

/// Admission rules.
pub static ADMISSION: Shape =
    Shape::Choice(&["greedy", "reserve", "look-ahead", "threshold", "watermark", "quota", "wait", "nested-wait"]);

/// What happens to a victim.
pub static PREEMPTION: Shape = Shape::Choice(&["none", "swap", "recompute", "restart"]);

/// When residents are preempted.
pub static TRIGGER: Shape = Shape::Choice(&["conservative", "aggressive"]);

/// Who is preempted.
pub static VICTIM: Shape =
    Shape::Choice(&["lifo", "fifo", "least-progress", "most-memory", "lowest-weight", "latest-batch"]);

/// How swaps and iterations share the time.
pub static TRANSFER: Shape = Shape::Choice(&["blocking", "overlapped"]);

/// Which arrivals are seen.
pub static SIGHT: Shape = Shape::Choice(&["at-once", "one-step-late"]);

/// Laws of predicted output lengths.
pub static PREDICTION: Shape = Shape::Law(&[
    variant("exact", &[]),
    variant("lognormal", &[needed("cv", &Shape::Number)]),
    variant("class-mean", &[]),
    variant("one-bit", &[needed("threshold", &Shape::Whole)]),
]);

/// More than one instance.
pub static CLUSTER: Shape = Shape::Table(&[
    optional("replicas", &Shape::Whole),
    optional("routing", &ROUTING),
    optional("choices", &Shape::Whole),
    optional("window_s", &Shape::Number),
    optional("group", &GROUPS),
    optional("prefill", &PREFILL_POOL),
    optional("link", &LINK),
    optional("gpus", &Shape::Whole),
]);

/// Where a request goes.
pub static ROUTING: Shape = Shape::Choice(&[
    "round-robin",
    "random",
    "least-loaded",
    "join-shortest-queue",
    "power-of-d",
    "shortest-expected-delay",
    "milp",
]);

/// Instances that differ.
pub static GROUPS: Shape = Shape::Tables(&[
    needed("name", &Shape::Text),
    optional("count", &Shape::Whole),
    optional("model", &Shape::Text),
    optional("instance", &INSTANCE),
    optional("policy", &POLICY),
    optional("step_time", &STEP_TIME),
]);

/// The pool that processes prompts.
pub static PREFILL_POOL: Shape = Shape::Table(&[
    optional("replicas", &Shape::Whole),
    optional("routing", &ROUTING),
    optional("instance", &INSTANCE),
    optional("policy", &POLICY),
    optional("step_time", &STEP_TIME),
]);

/// The link between the pools.
pub static LINK: Shape = Shape::Table(&[
    needed("tokens_per_s", &Shape::Number),
    optional("latency_s", &Shape::Number),
    optional("contention", &CONTENTION),
]);

/// How transfers share the link.
pub static CONTENTION: Shape = Shape::Choice(&["fifo", "none"]);

/// Iteration-time laws.
pub static STEP_TIME: Shape = Shape::Law(&[
    variant("affine", &[needed("base_s", &Shape::Number), needed("per_token_s", &Shape::Number)]),
    variant(
        "hinge",
        &[
            needed("base_s", &Shape::Number),
            needed("per_token_s", &Shape::Number),
            needed("free_tokens", &Shape::Whole),
        ],
    ),
    variant(
        "staircase",
        &[
            needed("base_s", &Shape::Number),
            needed("per_stair_s", &Shape::Number),
            needed("stair_tokens", &Shape::Whole),
        ],
    ),
    variant(
        "affine-context",
        &[
            needed("base_s", &Shape::Number),
            needed("per_token_s", &Shape::Number),
            needed("per_context_token_s", &Shape::Number),
        ],
    ),
    variant(
        "curve",
        &[
            needed("points", &CURVE_POINTS),
            needed("per_context_token_s", &Shape::Number),
            optional("per_prefill_pair_s", &Shape::Number),
        ],
    ),
]);

/// Points of a curve.
pub static CURVE_POINTS: Shape = Shape::Tables(&[needed("tokens", &Shape::Whole), needed("seconds", &Shape::Number)]);

/// Randomness of the iteration time.
pub static STEP_NOISE: Shape = Shape::Choice(&["none", "exponential", "exponential-coefficients", "gamma"]);
