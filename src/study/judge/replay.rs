//! From a run to the scenario that it was, and that scenario through the engine.

use std::sync::Arc;

use super::course::{Course, Watcher};
use super::read::VllmRun;
use crate::des::{self, Options};
use crate::scenario::trace::{Blocks, Trace, TraceRequest};
use crate::scenario::{
    Admission, ArrivalLaw, Cluster, Engine, Instance, Policy, Preemption, RateShape, Routing, Scenario, ScenarioError,
    Sight, Slo, StepNoise, StepTimeLaw, Time, TraceMode, TraceSource, Workload,
};

/// Seconds of a bin in which arrivals are counted for the fluid.
const BIN_S: f64 = 1.0;

/// vLLM V1 as a scenario: first come first served, chunked prompts behind the decodes, admission when the whole prompt fits, the last admitted
/// preempted and prefilled again, except for what it finds in blocks that nobody has needed since where prefix caching is on; behind a router that prefers the instance with the fewest requests where there are several.
///
/// # Errors
/// Limits that make no scenario.
pub fn scenario(run: &VllmRun, law: &StepTimeLaw) -> Result<Scenario, ScenarioError> {
    let limits = &run.limits;
    let admission = if limits.watermark > 0.0 { Admission::Watermark } else { Admission::Greedy };
    let mut policy = Policy::of(Engine::VllmV1, admission, Preemption::Recompute);
    policy.watermark_share = (limits.watermark > 0.0).then_some(limits.watermark);
    policy.victims_stay_cached = run.prefix_caching;
    policy.arrivals_seen = (run.async_scheduling == Some(true)).then_some(Sight::OneStepLate);
    let kv_tokens = limits.kv_tokens.ok_or_else(|| {
        let remedy = "write num_gpu_blocks or num_kv_tokens into it, or give --gpu and --model";
        ScenarioError::at("kv_cache.num_kv_tokens", "is missing", remedy).in_file("meta.json")
    })?;
    let cluster =
        (limits.data_parallel > 1).then(|| Cluster::replicas(limits.data_parallel, Routing::JoinShortestQueue));
    let scenario = Scenario {
        name: "vllm-run".into(),
        description: run.model.clone(),
        workload: Workload {
            rate_per_s: None,
            rate_shape: RateShape::default(),
            arrivals: ArrivalLaw::default(),
            class: Vec::new(),
            trace: Some(TraceSource { file: "requests.jsonl".into(), mode: TraceMode::Replay, requests: trace(run) }),
            slo: Slo::default(),
        },
        instance: Instance {
            max_sequences: limits.max_sequences,
            max_batch_tokens: Some(limits.max_batch_tokens),
            kv_tokens: Some(kv_tokens),
            block_tokens: limits.block_tokens,
            prefix_cache_tokens: None,
        },
        policy,
        step_time: law.clone(),
        step_noise: StepNoise::None,
        step_noise_cv: None,
        cluster,
    };
    scenario.validate().map_err(|error| error.in_file("meta.json"))?;
    Ok(scenario)
}

fn trace(run: &VllmRun) -> Arc<Trace> {
    let requests = run.requests.iter().map(|request| TraceRequest {
        arrival: request.arrival,
        prompt: request.prompt,
        output: request.output,
        class: 0,
        blocks: Blocks::default(),
    });
    Arc::new(Trace::of(requests))
}

/// The run through the engine, to its last token.
pub fn simulate(run: &VllmRun, scenario: &Scenario) -> Course {
    let last = run.requests.last().map_or(Time::ZERO, |request| request.arrival);
    let options =
        Options { limit: Time::from_seconds(1e9), ..Options::until(Time::ZERO, last + Time::from_seconds(1e-6)) };
    let mut watcher = Watcher::default();
    let ended = des::simulate_observed(scenario, &options, &mut watcher);
    watcher.course(ended.totals.preemptions)
}

/// The scenario with its arrivals counted per second and its lengths drawn from the run, as the fluid takes them.
///
/// # Errors
/// In words, when it is none.
pub fn counted(run: &VllmRun, scenario: &Scenario, horizon_s: f64) -> Result<Scenario, String> {
    let mut counts = vec![0_u64; (horizon_s / BIN_S).ceil() as usize + 1];
    for request in &run.requests {
        if let Some(count) = counts.get_mut((request.arrival.seconds() / BIN_S) as usize) {
            *count += 1;
        }
    }
    let mean = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
    let mut scenario = scenario.clone();
    scenario.workload.rate_per_s = Some(mean / BIN_S);
    scenario.workload.rate_shape = RateShape::Binned { bin_s: BIN_S, counts, file: None };
    if let Some(source) = &mut scenario.workload.trace {
        source.mode = TraceMode::Resample;
    }
    // A fluid request is seen at once.
    scenario.policy.arrivals_seen = None;
    scenario.policy.victims_stay_cached = false;
    scenario.validate().map_err(|error| error.to_string())?;
    Ok(scenario)
}
