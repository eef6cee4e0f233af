//! Which scenarios theory answers. A scenario outside is refused with the reason, never answered approximately in silence.

use super::cluster;
use crate::scenario::catalogue::word;
use crate::scenario::{
    Admission, BatchRules, Batching, Engine, Order, Policy, Preemption, Scenario, ScenarioError, Sight, Transfer,
    Trigger, Victim,
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

fn unknown_to_theory(scenario: &Scenario) -> Option<(&'static str, String)> {
    let policy = &scenario.policy;
    let known: BatchRules = Engine::VllmV1.rules();
    let short = scenario.instance.max_batch_tokens.is_some_and(|budget| budget < scenario.sequence_cap());
    let named = |key: &'static str, word: String| Some((key, format!("is `{word}`")));
    if let Some(described) = &scenario.cluster {
        return cluster::refusal(scenario, described, &unknown_to_theory);
    }
    if scenario.instance.prefix_cache_tokens.is_some() {
        let what = "keeps prompts for later ones, and which of them begin alike is in no law of lengths".into();
        return Some(("instance.prefix_cache_tokens", what));
    }
    if policy.engine.rules() != known {
        return named("policy.engine", word(&policy.engine));
    }
    if scenario.batch_rules() != known {
        return Some(("policy.batching", "differs from the rules of `vllm-v1`".into()));
    }
    if short {
        return Some(("instance.max_batch_tokens", "is below max_sequences, so that decodes are rationed".into()));
    }
    if !matches!(policy.admission, Admission::Greedy | Admission::Reserve) {
        return named("policy.admission", word(&policy.admission));
    }
    if policy.preemption == Preemption::Restart {
        return named("policy.preemption", word(&policy.preemption));
    }
    if policy.order != Order::Fcfs {
        return named("policy.order", word(&policy.order));
    }
    if policy.trigger != Trigger::Conservative {
        return named("policy.trigger", word(&policy.trigger));
    }
    if policy.victim() != Victim::Lifo && policy.preemption != Preemption::None {
        return named("policy.victim", word(&policy.victim()));
    }
    if policy.sight() != Sight::AtOnce {
        return named("policy.arrivals_seen", word(&policy.sight()));
    }
    if policy.swap_transfer != Transfer::Blocking || policy.swap_latency_s.unwrap_or(0.0) > 0.0 {
        return Some(("policy.swap_transfer", "asks for swaps that are overlapped or have a latency".into()));
    }
    if !policy.prediction.is_exact() {
        return Some(("policy.prediction", "is not exact".into()));
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
