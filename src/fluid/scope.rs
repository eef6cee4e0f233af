//! Which scenarios theory answers. A scenario outside is refused with the reason, never answered approximately in silence.

use super::cluster;
use super::load::Load;
use super::memory;
use super::policies;
use crate::scenario::{
    Admission, Batching, Engine, Mixing, Packing, Policy, Preemption, Prompts, Scenario, ScenarioError, SequenceLimit,
    StepNoise, Transfer, Trigger,
};

/// Why theory does not answer this scenario; none when it does.
pub fn refusal(scenario: &Scenario) -> Option<ScenarioError> {
    let (key, what) = unknown_to_theory(scenario)?;
    Some(ScenarioError::at(
        key,
        format!("{what}, which theory does not cover yet"),
        "use `fluidsim simulate`, which covers every rule",
    ))
}

/// Share of the time that the host link may be busy.
const BUSY_LINK: f64 = 0.5;

fn link_share(scenario: &Scenario) -> f64 {
    let load = Load::of(scenario);
    load.memory.map_or(0.0, |memory| memory::link_share(&load, memory))
}

fn unknown_to_theory(scenario: &Scenario) -> Option<(&'static str, String)> {
    let policy = &scenario.policy;
    let rules = scenario.batch_rules();
    if scenario.step_noise == StepNoise::Gamma {
        return Some(("step_noise", "is `gamma`".into()));
    }
    if let Some(described) = &scenario.cluster {
        return cluster::refusal(scenario, described, &unknown_to_theory);
    }
    if policy.victims_stay_cached {
        let what = "lets victims find again what nobody needed, and how much that is depends on who goes when";
        return Some(("policy.victims_stay_cached", what.into()));
    }
    if scenario.instance.prefix_cache_tokens.is_some() {
        let what = "keeps prompts for later ones, and which of them begin alike is in no law of lengths".into();
        return Some(("instance.prefix_cache_tokens", what));
    }
    if let Some(reason) = policies::not_covered(scenario) {
        return Some(reason);
    }
    if rules.mixing == Mixing::Mixed
        && let Some(refused) = mixed_rules(scenario)
    {
        return Some(refused);
    }
    if policy.swap_transfer == Transfer::Overlapped && link_share(scenario) > BUSY_LINK {
        return Some((
            "policy.swap_transfer",
            "is `overlapped`, and the host link would be so busy at λ* that requests on their way back fill the memory"
                .into(),
        ));
    }
    if policy.allow_waiting_preempt {
        return Some(("policy.allow_waiting_preempt", "lets waiting requests take the place of residents".into()));
    }
    None
}

/// Of the rules for mixed iterations those without a law.
fn mixed_rules(scenario: &Scenario) -> Option<(&'static str, String)> {
    let rules = scenario.batch_rules();
    let limited = scenario.instance.max_batch_tokens.is_some();
    let in_memory = scenario.instance.kv_tokens.is_some();
    let plain = rules == Engine::VllmV1.rules();
    if scenario.sequence_cap() == 1 && !plain && (limited || rules != Engine::Orca.rules()) {
        return Some(("instance.max_sequences", "is 1 under rules other than those of `vllm-v1`".into()));
    }
    if rules.prompts == Prompts::Present && scenario.instance.max_batch_tokens == Some(1) {
        return Some(("instance.max_batch_tokens", "is 1 where prompts are present".into()));
    }
    if rules.packing == Packing::Fill && rules.prompts == Prompts::Whole && limited {
        return Some(("policy.batching.packing", "is `fill`".into()));
    }
    if rules.packing == Packing::Fill && in_memory {
        return Some(("policy.batching.packing", "is `fill` beside a limited memory".into()));
    }
    if in_memory && rules.sequence_limit == SequenceLimit::Batch {
        return Some(("policy.batching.sequence_limit", "is `batch` beside a limited memory".into()));
    }
    None
}

/// The nearest scenario that theory answers: one instance with its share of the traffic under the rules of vLLM v1. Good enough to plan
/// the length of a run, never to answer the question.
pub fn nearest(scenario: &Scenario) -> Scenario {
    if refusal(scenario).is_none() {
        return scenario.clone();
    }
    let policy = &scenario.policy;
    let admission = if policy.admission == Admission::Reserve { Admission::Reserve } else { Admission::Greedy };
    let preemption = match policy.preemption {
        Preemption::Restart => Preemption::Recompute,
        other => other,
    };
    let alone = policy.engine == Engine::RunToCompletion
        || scenario.cluster.as_ref().is_some_and(|cluster| cluster.gpus.is_some());
    let engine = if alone { Engine::RunToCompletion } else { Engine::VllmV1 };
    let mut near = scenario.clone();
    near.policy = Policy {
        batching: Batching::default(),
        swap_s_per_token: policy.swap_s_per_token,
        trigger: Trigger::Conservative,
        ..Policy::of(engine, admission, preemption)
    };
    near.workload.rate_per_s = Some(near.workload.rate() / servers(scenario));
    near.cluster = None;
    if near.step_noise == StepNoise::Gamma {
        (near.step_noise, near.step_noise_cv) = (StepNoise::Exponential, None);
    }
    near.instance.max_batch_tokens = near.instance.max_batch_tokens.map(|budget| budget.max(near.sequence_cap()));
    if let Some(memory) = near.instance.kv_tokens
        && near.policy.preemption == Preemption::None
        && near.policy.admission != Admission::Reserve
    {
        // Memory that cannot run out is no limit.
        near.instance.kv_tokens = Some(memory).filter(|_| near.validate().is_ok());
    }
    near
}

/// Instances that share the traffic; in a GPU pool the requests that find room, on average.
fn servers(scenario: &Scenario) -> f64 {
    if let Some(gpus) = scenario.cluster.as_ref().and_then(|cluster| cluster.gpus) {
        let classes = &scenario.workload.class;
        let shares: f64 = classes.iter().map(|class| class.share).sum();
        let taken: f64 = classes.iter().map(|class| class.share * class.gpus as f64).sum();
        return (gpus as f64 * if taken > 0.0 { shares / taken } else { 1.0 }).max(1.0);
    }
    scenario.members().iter().map(|(_, count)| *count as f64).sum::<f64>().max(1.0)
}
