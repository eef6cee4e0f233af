//! Which scenarios have a path. What is refused is refused with its reason.

use super::Form;
use crate::scenario::catalogue::word;
use crate::scenario::{
    Admission, Mixing, Order, Preemption, Priority, Prompts, Routing, Scenario, ScenarioError, Transfer, Trigger,
    Victim,
};

/// Why there is no path for this scenario; none when there is one.
pub fn refusal(scenario: &Scenario) -> Option<ScenarioError> {
    let problem = of_cluster(scenario).or_else(|| {
        let members = scenario.members();
        members.iter().filter(|(_, count)| *count > 0).find_map(|(member, _)| of_rules(member))
    });
    let (key, what) = problem?;
    let remedy = "change it, or use `fluidsim simulate`, which covers every rule";
    Some(ScenarioError::at(key, format!("{what}, and no fluid path covers that"), remedy))
}

type Problem = Option<(&'static str, String)>;

fn of_cluster(scenario: &Scenario) -> Problem {
    let cluster = scenario.cluster.as_ref()?;
    if cluster.gpus.is_some() {
        return Some(("cluster.gpus", "makes a pool in which requests take GPUs of their own".into()));
    }
    if cluster.group.iter().any(|group| group.model.is_some()) {
        return Some(("cluster.group", "serves one model only".into()));
    }
    let evenly = matches!(cluster.routing, Routing::RoundRobin | Routing::Random);
    if !cluster.group.is_empty() && !evenly {
        let what = format!("is `{}` between instances that differ", word(&cluster.routing));
        return Some(("cluster.routing", what));
    }
    if cluster.prefill.is_some() && !cluster.group.is_empty() {
        return Some(("cluster.group", "stands beside a prefill pool".into()));
    }
    None
}

fn of_rules(scenario: &Scenario) -> Problem {
    let policy = &scenario.policy;
    let named = |key: &'static str, name: String| Some((key, format!("is `{name}`")));
    if matches!(policy.admission, Admission::LookAhead | Admission::Wait | Admission::NestedWait) {
        return named("policy.admission", word(&policy.admission));
    }
    if !matches!(policy.order, Order::Fcfs | Order::Random) {
        return named("policy.order", word(&policy.order));
    }
    if policy.preemption != Preemption::None {
        if policy.trigger == Trigger::Aggressive {
            return named("policy.trigger", word(&policy.trigger));
        }
        if !matches!(policy.victim(), Victim::Lifo | Victim::LatestBatch | Victim::LeastProgress) {
            return named("policy.victim", word(&policy.victim()));
        }
    }
    if policy.swap_transfer != Transfer::Blocking || policy.swap_latency_s.unwrap_or(0.0) > 0.0 {
        return Some(("policy.swap_transfer", "asks for swaps that are overlapped or have a latency".into()));
    }
    if !policy.prediction.is_exact() {
        return Some(("policy.prediction", "is not exact".into()));
    }
    if policy.victims_stay_cached {
        return Some(("policy.victims_stay_cached", "lets victims find again what nobody needed".into()));
    }
    if scenario.instance.prefix_cache_tokens.is_some() {
        return Some(("instance.prefix_cache_tokens", "shortens prompts that begin alike".into()));
    }
    let rules = scenario.batch_rules();
    if is_static(scenario) && rules.prompts == Prompts::Chunked {
        return Some(("policy.batching.prompts", "is `chunked` in an exclusive engine that decodes first".into()));
    }
    None
}

fn is_static(scenario: &Scenario) -> bool {
    let rules = scenario.batch_rules();
    rules.mixing == Mixing::Exclusive && rules.priority != Priority::PrefillFirst
}

/// Whether only the map has the rules of the scenario.
pub(super) fn needs_map(scenario: &Scenario) -> bool {
    is_static(scenario) || scenario.policy.preemption == Preemption::Restart
}

/// Why a form cannot be had.
pub(super) fn refused_form(scenario: &Scenario, form: Form) -> Option<ScenarioError> {
    let pools = scenario.cluster.as_ref().is_some_and(|cluster| cluster.prefill.is_some());
    if pools && form == Form::Map {
        let remedy = "choose `ode`, or leave the choice to the program";
        return Some(ScenarioError::at("form", "is `map`, but two pools have no common iterations", remedy));
    }
    let members = scenario.members();
    let needs = members.iter().any(|(member, count)| *count > 0 && needs_map(member));
    if needs && (form == Form::Ode || pools) {
        let problem = "is `ode`, but static batches and restarts are followed by the map only";
        return Some(ScenarioError::at("form", problem, "choose `map`, or other rules"));
    }
    None
}
