//! Every rule that can be chosen by name: what it does in one sentence, where it comes from, which key chooses it.

use serde::Serialize;

use super::nearest::nearest;
use super::{BatchRules, Engine, ScenarioError};

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The key that chooses it.
    pub key: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// Whether it asks for output lengths before they are known.
    pub needs_lengths: bool,
}

/// A rule that does without output lengths.
const fn rule(key: &'static str, name: &'static str, what: &'static str, source: &'static str) -> Rule {
    Rule { key, name, what, source, needs_lengths: false }
}

/// A rule that is told output lengths, true or predicted.
const fn told(key: &'static str, name: &'static str, what: &'static str, source: &'static str) -> Rule {
    Rule { key, name, what, source, needs_lengths: true }
}

/// The key of the engine.
pub const ENGINE: &str = "policy.engine";
const ORDER: &str = "policy.order";
const ADMISSION: &str = "policy.admission";
const PREEMPTION: &str = "policy.preemption";
const TRIGGER: &str = "policy.trigger";
const VICTIM: &str = "policy.victim";
const TRANSFER: &str = "policy.swap_transfer";
const SIGHT: &str = "policy.arrivals_seen";
const PREDICTION: &str = "policy.prediction.law";
const ROUTING: &str = "cluster.routing";
const RATE_SHAPE: &str = "workload.rate_shape.law";
const ARRIVALS: &str = "workload.arrivals.law";

const FASTER_TRANSFORMER: &str = "FasterTransformer, NVIDIA 2019";
const ORCA: &str = "Orca, Yu et al., OSDI 2022";
const VLLM: &str = "vLLM, Kwon et al., SOSP 2023";
const SARATHI: &str = "Sarathi-Serve, Agrawal et al., OSDI 2024";
const MC_SF: &str = "Jaillet et al. 2025, arXiv 2502.07115 (MC-SF)";
const WAIT: &str = "Ao et al. 2025, arXiv 2504.11320";
const QUOTA: &str = "Dong and Cao, arXiv 2604.11001";
const FLUID_PROJECT: &str = "fluid ODE simulation project";
const SERVING_SIMULATOR: &str = "LLM serving system simulator";
const PLAIN: &str = "textbook";

static RULES: &[Rule] = &[
    rule(
        ENGINE,
        "vllm-v1",
        "Mixed iterations: decodes first, prompts chunked into what is left of the token budget.",
        VLLM,
    ),
    rule(ENGINE, "run-to-completion", "One request at a time, from its prompt to its last token.", PLAIN),
    rule(
        ENGINE,
        "static",
        "A batch of whole prompts, then its decodes until the last has finished.",
        FASTER_TRANSFORMER,
    ),
    rule(ENGINE, "orca", "Mixed iterations: whole prompts first, then decodes.", ORCA),
    rule(ENGINE, "vllm-v0", "Iterations of whole prompts whenever one can enter, otherwise of decodes.", VLLM),
    rule(ENGINE, "sarathi", "Mixed iterations without stalls: decodes first, then chunks of prompts.", SARATHI),
    rule(
        ENGINE,
        "decode-node",
        "Only decodes: prompts arrive with their KV, and the budget counts the context.",
        FLUID_PROJECT,
    ),
    rule(
        ENGINE,
        "decode-prioritizing",
        "Iterations of decodes whenever there are any, otherwise of prompts.",
        SERVING_SIMULATOR,
    ),
    rule(
        ENGINE,
        "prefill-prioritizing",
        "Iterations of prompts whenever there are any, otherwise of decodes.",
        SERVING_SIMULATOR,
    ),
    rule(
        ENGINE,
        "hybrid",
        "Every iteration is split between decodes and prompts by `decode_share`.",
        SERVING_SIMULATOR,
    ),
    rule(ORDER, "fcfs", "First come, first served; preempted requests before all others.", PLAIN),
    rule(ORDER, "shortest-prompt", "Fewest prompt tokens first.", PLAIN),
    told(ORDER, "shortest-job", "Fewest tokens first, prompt and output, whatever has been done of them.", PLAIN),
    told(ORDER, "srpt", "Fewest remaining tokens first, prompt and output.", "Schrage 1968"),
    rule(ORDER, "weighted-fcfs", "Highest class weight first, then first come.", PLAIN),
    told(ORDER, "weighted-srpt", "Fewest remaining tokens per weight first.", "Smith 1956"),
    told(
        ORDER,
        "smallest-volume",
        "Smallest remaining KV area first: tokens held, summed over the remaining iterations.",
        MC_SF,
    ),
    rule(ORDER, "random", "By a number drawn once on arrival.", PLAIN),
    rule(ADMISSION, "greedy", "The head enters as soon as what it holds after its next iteration fits.", VLLM),
    told(
        ADMISSION,
        "reserve",
        "The head enters when its peak, prompt + output, fits beside the peaks of all residents.",
        ORCA,
    ),
    told(ADMISSION, "look-ahead", "The head enters when KV fits at every future completion.", MC_SF),
    rule(
        ADMISSION,
        "threshold",
        "Greedy, but nobody enters while residents hold `threshold_share` of the memory or more.",
        PLAIN,
    ),
    rule(ADMISSION, "watermark", "Greedy, but an entrant must leave `watermark_share` of the memory free.", VLLM),
    rule(
        ADMISSION,
        "quota",
        "Greedy, but at most `quota_per_class` requests of a class enter in one iteration.",
        QUOTA,
    ),
    rule(
        ADMISSION,
        "wait",
        "Requests of a class enter together, as many as its threshold, once that many wait; residents go on meanwhile.",
        WAIT,
    ),
    rule(
        ADMISSION,
        "nested-wait",
        "WAIT with one threshold per segment of the output; survivors gather before the next.",
        WAIT,
    ),
    rule(PREEMPTION, "none", "Nobody is preempted; needs memory that cannot run out.", PLAIN),
    rule(PREEMPTION, "swap", "A victim's KV moves to the host, and it keeps its progress.", VLLM),
    rule(PREEMPTION, "recompute", "A victim's KV is dropped; its prompt and tokens so far are prefilled again.", VLLM),
    rule(PREEMPTION, "restart", "A victim's KV and tokens are dropped, and it begins anew (sacrifice).", FLUID_PROJECT),
    rule(
        TRIGGER,
        "conservative",
        "Victims leave before anyone enters, only when the residents' next iteration would not fit.",
        VLLM,
    ),
    rule(
        TRIGGER,
        "aggressive",
        "Whoever fits beside what is held now enters, then victims leave until the iteration fits.",
        FLUID_PROJECT,
    ),
    rule(VICTIM, "lifo", "The last admitted.", VLLM),
    rule(VICTIM, "fifo", "The first admitted.", PLAIN),
    rule(VICTIM, "least-progress", "The one with the fewest tokens generated.", PLAIN),
    rule(VICTIM, "most-memory", "The one that holds the most KV.", PLAIN),
    rule(VICTIM, "lowest-weight", "The one whose class has the lowest weight.", PLAIN),
    rule(VICTIM, "latest-batch", "Of those admitted in the latest iteration the first.", FLUID_PROJECT),
    rule(TRANSFER, "blocking", "The iteration waits for swaps.", PLAIN),
    rule(TRANSFER, "overlapped", "Swaps run beside iterations, one after the other.", VLLM),
    rule(SIGHT, "at-once", "The scheduler sees everyone who has arrived when the iteration begins.", PLAIN),
    rule(SIGHT, "one-step-late", "The scheduler forms the next batch while the iteration before runs.", FLUID_PROJECT),
    rule(PREDICTION, "exact", "The true output length.", PLAIN),
    rule(PREDICTION, "lognormal", "The true length times a lognormal factor of mean 1.", PLAIN),
    rule(PREDICTION, "class-mean", "The mean output of the request's class.", PLAIN),
    rule(
        PREDICTION,
        "one-bit",
        "Whether the output is longer than a threshold: the class mean on that side of it.",
        PLAIN,
    ),
    rule(ROUTING, "round-robin", "Instances in turn.", PLAIN),
    rule(ROUTING, "random", "An instance uniformly at random.", PLAIN),
    told(ROUTING, "least-loaded", "The instance with the fewest tokens of work outstanding.", PLAIN),
    rule(ROUTING, "join-shortest-queue", "The instance with the fewest requests.", PLAIN),
    rule(ROUTING, "power-of-d", "The shortest queue of `choices` instances drawn at random.", "Mitzenmacher 2001"),
    told(ROUTING, "shortest-expected-delay", "The instance that would finish the request soonest.", PLAIN),
    told(
        ROUTING,
        "milp",
        "Requests of one `window_s` together, so that the longest expected delay is shortest.",
        "LLM serving simulator (integer program)",
    ),
    rule(RATE_SHAPE, "constant", "λ does not change.", PLAIN),
    rule(RATE_SHAPE, "piecewise", "λ jumps to another factor of `rate_per_s` at each step.", PLAIN),
    rule(RATE_SHAPE, "ramp", "λ goes in a straight line to another factor of `rate_per_s`, which stays.", PLAIN),
    rule(RATE_SHAPE, "spike", "λ is another factor of `rate_per_s` for some time.", PLAIN),
    rule(RATE_SHAPE, "diurnal", "λ swings around `rate_per_s` in a sinusoid.", PLAIN),
    rule(RATE_SHAPE, "binned", "λ follows counts per bin, given or taken from a trace, over and over.", PLAIN),
    rule(ARRIVALS, "poisson", "Exponential times between arrivals.", PLAIN),
    rule(ARRIVALS, "deterministic", "Equal times between arrivals.", PLAIN),
    rule(ARRIVALS, "gamma", "Gamma times between arrivals, of a given coefficient of variation.", PLAIN),
    rule(ARRIVALS, "weibull", "Weibull times between arrivals, of a given shape.", PLAIN),
    rule(
        ARRIVALS,
        "mmpp",
        "Poisson arrivals whose rate is that of a state, which changes at random.",
        "Heffes and Lucantoni, IEEE JSAC 1986",
    ),
    rule(ARRIVALS, "batch", "Batches of requests at Poisson times.", PLAIN),
];

/// Every rule, in the order of the keys.
#[must_use]
pub fn rules() -> &'static [Rule] {
    RULES
}

/// The rules of that name; several keys may share one.
///
/// # Errors
/// There is none; the message names the nearest.
pub fn named(name: &str) -> Result<Vec<&'static Rule>, ScenarioError> {
    let found: Vec<&Rule> = RULES.iter().filter(|rule| rule.name == name).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let hint = nearest(name, RULES.iter().map(|rule| rule.name))
        .map_or(String::new(), |near| format!("did you mean `{near}`? "));
    Err(ScenarioError::at(name, "is no rule", format!("{hint}`fluidsim policy list` shows them all")))
}

/// The parts that a known engine combines, by their keys under `policy.batching`.
#[must_use]
pub fn parts(rules: &BatchRules) -> [(&'static str, String); 8] {
    [
        ("mixing", word(&rules.mixing)),
        ("priority", word(&rules.priority)),
        ("prompts", word(&rules.prompts)),
        ("packing", word(&rules.packing)),
        ("sequence_limit", word(&rules.sequence_limit)),
        ("mixed_cost", word(&rules.mixed_cost)),
        ("first_token", word(&rules.first_token)),
        ("budget_counts", word(&rules.budget_counts)),
    ]
}

/// The name of a choice in scenarios.
#[must_use]
pub fn word<T: Serialize>(choice: &T) -> String {
    toml::Value::try_from(choice).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The batching rules of the engine of that name.
#[must_use]
pub fn engine_named(name: &str) -> Option<Engine> {
    Engine::ALL.into_iter().find(|engine| word(engine) == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::schema::{Shape, keys};

    /// The names that the schema accepts at each key of the catalogue.
    fn accepted() -> Vec<(&'static str, Vec<&'static str>)> {
        let names = |shape: &'static Shape| match shape {
            Shape::Choice(words) => words.to_vec(),
            Shape::Law(variants) => variants.iter().map(|variant| variant.name).collect(),
            _ => panic!("not a choice"),
        };
        vec![
            (ENGINE, names(&keys::ENGINE)),
            (ORDER, names(&keys::ORDER)),
            (ADMISSION, names(&keys::ADMISSION)),
            (PREEMPTION, names(&keys::PREEMPTION)),
            (TRIGGER, names(&keys::TRIGGER)),
            (VICTIM, names(&keys::VICTIM)),
            (TRANSFER, names(&keys::TRANSFER)),
            (SIGHT, names(&keys::SIGHT)),
            (PREDICTION, names(&keys::PREDICTION)),
            (ROUTING, names(&keys::ROUTING)),
            (RATE_SHAPE, names(&keys::RATE_SHAPE)),
            (ARRIVALS, names(&keys::ARRIVALS)),
        ]
    }

    #[test]
    fn the_catalogue_holds_what_scenarios_accept_and_nothing_else() {
        for (key, names) in accepted() {
            let listed: Vec<&str> = rules().iter().filter(|rule| rule.key == key).map(|rule| rule.name).collect();
            assert_eq!(listed, names, "{key}");
        }
        assert_eq!(rules().len(), accepted().iter().map(|(_, names)| names.len()).sum::<usize>());
    }

    #[test]
    fn every_rule_is_said_in_one_sentence_with_its_source() {
        for rule in rules() {
            let sentence = rule.what.ends_with('.') && rule.what.matches(". ").count() == 0;
            assert!(sentence && !rule.source.is_empty(), "{rule:?}");
        }
    }

    #[test]
    fn rules_that_need_lengths_are_those_that_the_policy_says() {
        use crate::scenario::{Admission, Order, Policy, Preemption};
        let needs = |key: &str, name: &str| {
            rules().iter().any(|rule| rule.key == key && rule.name == name && rule.needs_lengths)
        };
        let policy = Policy::of(Engine::VllmV1, Admission::Greedy, Preemption::Recompute);
        for order in [
            Order::Fcfs,
            Order::ShortestPrompt,
            Order::ShortestJob,
            Order::Srpt,
            Order::WeightedSrpt,
            Order::SmallestVolume,
        ] {
            assert_eq!(Policy { order, ..policy.clone() }.needs_lengths(), needs(ORDER, &word(&order)), "{order:?}");
        }
        for admission in [Admission::Greedy, Admission::Reserve, Admission::LookAhead, Admission::Wait] {
            let found = Policy { admission, ..policy.clone() }.needs_lengths();
            assert_eq!(found, needs(ADMISSION, &word(&admission)), "{admission:?}");
        }
    }

    #[test]
    fn engines_show_their_parts() {
        let engine = engine_named("orca").unwrap();
        assert_eq!(parts(&engine.rules())[2], ("prompts", "whole".to_owned()));
        assert_eq!(engine_named("orka"), None);
        assert_eq!(named("orka").unwrap_err().remedy, "did you mean `orca`? `fluidsim policy list` shows them all");
        assert_eq!(named("random").unwrap().len(), 2);
    }
}
