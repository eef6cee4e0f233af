//! Which clusters theory answers.

use super::part::emits_first;
use crate::scenario::moments::usable_memory;
use crate::scenario::{
    Batching, BudgetCounts, Cluster, Engine, FirstToken, Moments, Preemption, Prompts, Scenario, SequenceLimit,
};

/// Key and reason when it does not answer this one. `of_one` says so of a scenario of one instance.
pub(in super::super) fn refusal(
    scenario: &Scenario,
    cluster: &Cluster,
    of_one: &dyn Fn(&Scenario) -> Option<(&'static str, String)>,
) -> Option<(&'static str, String)> {
    if cluster.gpus.is_some() {
        return of_gpus(scenario);
    }
    let asked = scenario.workload.trace.as_ref().and_then(|_| scenario.workload.models());
    if cluster.group.iter().any(|group| group.model.is_some())
        && asked.is_some_and(|asked| asked.iter().any(|model| *model != asked[0]))
    {
        let what = "names several models, which different groups serve: the lengths of one model are in no joint law";
        return Some(("workload.trace.file", what.into()));
    }
    if cluster.prefill.is_some() {
        return of_pools(scenario, of_one);
    }
    let members: Vec<Scenario> =
        scenario.members().into_iter().filter(|(_, count)| *count > 0).map(|(member, _)| member).collect();
    members.iter().find_map(of_one).or_else(|| of_memories(&members))
}

/// Instances of which some turn away what others hold: then lengths decide where a request goes.
fn of_memories(members: &[Scenario]) -> Option<(&'static str, String)> {
    let memory = |member: &Scenario| usable_memory(member);
    if members.iter().all(|member| memory(member) == memory(&members[0])) {
        return None;
    }
    let rejected: Vec<f64> = members.iter().map(|member| Moments::of(member).rejected).collect();
    let differ = rejected.iter().any(|share| (share - rejected[0]).abs() > 1e-9);
    differ.then(|| ("cluster.group", "has instances that hold requests which are too long for others".into()))
}

/// A pool of GPUs: requests run alone, one chunk of their prompt or one token after another.
fn of_gpus(scenario: &Scenario) -> Option<(&'static str, String)> {
    if scenario.policy.order_preempts {
        return Some(("policy.order_preempts", "lets waiting requests take the GPUs of running ones".into()));
    }
    let rules = scenario.batch_rules();
    let long = scenario.instance.max_batch_tokens.is_some() && rules.prompts == Prompts::Whole;
    if rules.prompts == Prompts::Present || rules.first_token == FirstToken::Decode || long {
        return Some((
            "policy.batching",
            "lets a request of a GPU pool skip or reject its prompt, or begin late".into(),
        ));
    }
    None
}

/// Pools before and behind a link: the last member is the prefill pool.
fn of_pools(
    scenario: &Scenario,
    of_one: &dyn Fn(&Scenario) -> Option<(&'static str, String)>,
) -> Option<(&'static str, String)> {
    let mut members = scenario.members();
    let (prefill, _) = members.pop()?;
    if !emits_first(&prefill) {
        return Some(("cluster.prefill.policy", "leaves the first token to the decode pool".into()));
    }
    if let Some((_, what)) = of_one(&prefill) {
        return Some(("cluster.prefill.policy", what));
    }
    members.iter().filter(|(_, count)| *count > 0).find_map(|(member, _)| of_decodes(member, of_one))
}

/// A decode node: it must be an instance that is full when its sequences are.
fn of_decodes(
    member: &Scenario,
    of_one: &dyn Fn(&Scenario) -> Option<(&'static str, String)>,
) -> Option<(&'static str, String)> {
    let rules = member.batch_rules();
    let cap = member.sequence_cap();
    if cap == 1 {
        return Some(("instance.max_sequences", "is `1` in a decode pool".into()));
    }
    let short = member.instance.max_batch_tokens.is_some_and(|budget| budget < cap);
    if short || (rules.budget_counts == BudgetCounts::Context && member.instance.max_batch_tokens.is_some()) {
        return Some(("instance.max_batch_tokens", "rations the decodes of a decode pool".into()));
    }
    if rules.sequence_limit == SequenceLimit::Batch {
        return Some(("policy.batching.sequence_limit", "is `batch` in a decode pool".into()));
    }
    let block = member.instance.block_tokens;
    let most = member.longest_request().map(|peak| peak.div_ceil(block) * block * cap);
    if member.instance.kv_tokens.is_some_and(|memory| most.is_none_or(|most| most > memory)) {
        return Some(("instance.kv_tokens", "can limit a decode pool".into()));
    }
    let mut plain = member.clone();
    plain.policy.engine = Engine::VllmV1;
    plain.policy.batching = Batching::default();
    plain.policy.preemption = Preemption::None;
    plain.instance.kv_tokens = None;
    of_one(&plain)
}
