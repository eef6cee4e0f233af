use approx::assert_relative_eq;

use super::super::scope::refusal;
use super::super::solve;
use super::super::testing::{affine, constant, geometric, scenario, uniform, with_context};
use crate::answer::{Limit, Method, Verdict};
use crate::scenario::{
    Admission, Class, Cluster, Engine, Group, Instance, Link, Moments, Order, PrefillPool, Routing, Scenario,
    StepNoise, StepTimeLaw, open,
};

const RULES: [Routing; 7] = [
    Routing::RoundRobin,
    Routing::Random,
    Routing::LeastLoaded,
    Routing::JoinShortestQueue,
    Routing::PowerOfD,
    Routing::ShortestExpectedDelay,
    Routing::Milp,
];

fn replicas(count: u64, routing: Routing) -> Scenario {
    let mut question = scenario(5.0, uniform(50, 150), geometric(50.0), affine(0.02, 0.00025), 32);
    let window_s = (routing == Routing::Milp).then_some(0.05);
    question.cluster = Some(Cluster { window_s, ..Cluster::replicas(count, routing) });
    question.validate().unwrap();
    assert_eq!(refusal(&question), None);
    question
}

fn group(name: &str, model: Option<&str>, step_time: Option<StepTimeLaw>) -> Group {
    Group { name: name.into(), count: 1, model: model.map(Into::into), instance: None, policy: None, step_time }
}

#[test]
fn like_replicas_carry_n_times_as_much_under_every_rule() {
    let mut alone = replicas(1, Routing::Random);
    alone.cluster = None;
    let one = solve(&alone).boundary;
    for rule in RULES {
        let found = solve(&replicas(4, rule)).boundary;
        assert_relative_eq!(found.low_per_s, 4.0 * one.low_per_s, max_relative = 1e-12);
        assert_eq!(found.binding, one.binding);
    }
}

/// A cluster of one is the instance, and random routing makes every replica one with its share.
#[test]
fn random_replicas_are_instances_with_their_share() {
    let mut alone = replicas(1, Routing::Random);
    alone.cluster = None;
    let one = solve(&alone).summary;
    assert_eq!(solve(&replicas(1, Routing::JoinShortestQueue)).summary, one);
    let mut four = replicas(4, Routing::Random);
    four.workload.rate_per_s = Some(20.0);
    let four = solve(&four).summary;
    assert_relative_eq!(four.running.unwrap().value, 4.0 * one.running.unwrap().value, max_relative = 1e-12);
    assert_eq!(four.ttft_s, one.ttft_s);
    assert_eq!(four.e2e_s, one.e2e_s);
}

/// Near λ* the wait for a slot tells the rules apart.
#[test]
fn rules_that_look_wait_least_and_random_waits_longest() {
    let ttft = |rule| {
        let mut question = replicas(4, rule);
        question.workload.rate_per_s = Some(0.95 * solve(&question).boundary.low_per_s);
        solve(&question).summary.ttft_s.unwrap().mean.value
    };
    let [round_robin, random, _, shortest, two, ..] = RULES.map(ttft);
    assert!(shortest < round_robin && round_robin < random && two < random, "{shortest} {round_robin} {random} {two}");
}

/// Of two unlike instances a blind rule fills the slow one first; a rule that looks uses both.
#[test]
fn unlike_groups_add_up_only_for_rules_that_look() {
    let at = |rule| {
        let mut question = replicas(1, rule);
        let cluster = question.cluster.as_mut().unwrap();
        cluster.group = vec![group("slow", None, Some(affine(0.04, 0.0005)))];
        question.validate().unwrap();
        solve(&question)
    };
    let alone = |law| {
        let question = scenario(1.0, uniform(50, 150), geometric(50.0), law, 32);
        solve(&question).boundary.low_per_s
    };
    let (fast, slow) = (alone(affine(0.02, 0.00025)), alone(affine(0.04, 0.0005)));
    assert_relative_eq!(fast, 2.0 * slow, max_relative = 1e-9);
    assert_relative_eq!(at(Routing::RoundRobin).boundary.low_per_s, 2.0 * slow, max_relative = 1e-12);
    assert_relative_eq!(at(Routing::JoinShortestQueue).boundary.low_per_s, fast + slow, max_relative = 1e-12);
    let below = at(Routing::JoinShortestQueue);
    assert_eq!(below.verdict, Verdict::Stable);
    assert_relative_eq!(below.summary.throughput_per_s.unwrap().value, 5.0, max_relative = 1e-6);
}

/// Two classes with a model each, on instances of their own: each class has the boundary of its instances. An instance that
/// serves both can help either.
#[test]
fn models_restrict_who_can_help() {
    let mut question = scenario(1.0, uniform(50, 150), geometric(50.0), affine(0.02, 0.00025), 32);
    let one = solve(&question).boundary.low_per_s;
    let class = |name: &str, share: f64| Class {
        model: Some(name.into()),
        share,
        ..Class::new(name, uniform(50, 150), geometric(50.0))
    };
    question.workload.class = vec![class("a", 3.0), class("b", 1.0)];
    let mut cluster = Cluster::replicas(0, Routing::JoinShortestQueue);
    cluster.group = vec![group("first", Some("a"), None), group("second", Some("b"), None)];
    question.cluster = Some(cluster.clone());
    question.validate().unwrap();
    assert_relative_eq!(solve(&question).boundary.low_per_s, one / 0.75, max_relative = 1e-9);
    cluster.replicas = 1;
    question.cluster = Some(cluster);
    question.validate().unwrap();
    let found = solve(&question);
    assert_relative_eq!(found.boundary.low_per_s, 8.0 / 3.0 * one, max_relative = 1e-6);
    assert!(found.notes.iter().any(|note| note.contains("bound")));
}

fn pools(prefills: u64, decodes: u64) -> Scenario {
    let mut question = scenario(10.0, uniform(100, 700), uniform(20, 180), affine(0.01, 1e-4), 64);
    let mut cluster = Cluster::replicas(decodes, Routing::JoinShortestQueue);
    cluster.prefill = Some(PrefillPool {
        replicas: prefills,
        routing: Routing::JoinShortestQueue,
        instance: Some(Instance { max_sequences: 1, ..question.instance.clone() }),
        policy: None,
        step_time: Some(affine(0.02, 2e-4)),
    });
    question.cluster = Some(cluster);
    question.validate().unwrap();
    assert_eq!(refusal(&question), None);
    question
}

/// The table of the policy laws: 2, 4 and 1 prefill instances take 20, 40 and 10 requests per second.
#[test]
fn the_prefill_pool_of_the_table() {
    for (prefills, rate) in [(2, 20.0), (4, 40.0), (1, 10.0)] {
        let found = solve(&pools(prefills, 2)).boundary;
        assert_relative_eq!(found.low_per_s, rate, max_relative = 1e-9);
        assert_eq!(found.binding, Limit::PrefillPool);
    }
}

/// 9 000 tokens per second carry 9 000/401 prompts of 400 tokens with their first token.
#[test]
fn the_link_and_the_decode_pool_can_bind() {
    let mut question = pools(4, 2);
    let link = Link { tokens_per_s: 9000.0, latency_s: 0.0, contention: crate::scenario::Contention::Fifo };
    question.cluster.as_mut().unwrap().link = Some(link);
    let found = solve(&question).boundary;
    assert_relative_eq!(found.low_per_s, 9000.0 / 401.0, max_relative = 1e-9);
    assert_eq!((found.binding, found.runner_up.map(|next| next.0)), (Limit::Link, Some(Limit::PrefillPool)));
    question.cluster.as_mut().unwrap().link = Some(Link { contention: crate::scenario::Contention::None, ..link });
    assert_eq!(solve(&question).boundary.binding, Limit::PrefillPool);
    // 99 decodes on average in K = 64 slots of S(64) = .0164 s.
    let found = solve(&pools(10, 1)).boundary;
    assert_relative_eq!(found.low_per_s, 64.0 / (99.0 * 0.0164), max_relative = 1e-9);
    assert_eq!(found.binding, Limit::DecodePool);
}

#[test]
fn presets_with_more_than_one_instance_are_answered() {
    for (name, limit) in [("disaggregated", Limit::PrefillPool), ("gpu-pool", Limit::GpuPool)] {
        let question = open(Some(name), &[], None).unwrap();
        assert_eq!(refusal(&question), None);
        let found = solve(&question);
        assert_eq!((found.verdict, found.boundary.binding), (Verdict::Stable, limit));
        assert!(found.summary.running.is_some_and(|figure| figure.value > 1.0));
    }
}

/// One GPU each, one exponential iteration per request: M/M/5.
#[test]
fn a_pool_of_gpus_with_one_class_is_mmc() {
    let mut question = scenario(4.0, constant(1), constant(1), affine(1.0, 0.0), 1);
    question.policy.engine = Engine::RunToCompletion;
    question.step_noise = StepNoise::Exponential;
    question.cluster = Some(Cluster { gpus: Some(5), ..Cluster::replicas(1, Routing::RoundRobin) });
    question.validate().unwrap();
    let found = solve(&question);
    let queue = crate::queueing::markov::Mmc::new(4.0, 1.0, 5).unwrap();
    assert_eq!(found.boundary.method, Method::Exact);
    assert_relative_eq!(found.boundary.low_per_s, 5.0, max_relative = 1e-12);
    assert_relative_eq!(found.summary.waiting.unwrap().value, queue.mean_waiting(), max_relative = 1e-9);
    assert_relative_eq!(found.summary.e2e_s.unwrap().mean.value, queue.mean_sojourn_s(), max_relative = 1e-9);
}

#[test]
fn a_pool_whose_order_preempts_is_refused() {
    let mut question = scenario(0.5, constant(1), constant(9), affine(0.0, 0.1), 1);
    question.cluster = Some(Cluster { gpus: Some(1), ..Cluster::replicas(1, Routing::RoundRobin) });
    question.policy.order = Order::Srpt;
    assert_eq!(refusal(&question), None);
    question.policy.order_preempts = true;
    question.validate().unwrap();
    let error = refusal(&question).unwrap();
    assert_eq!(error.key, "policy.order_preempts");
    assert!(error.to_string().contains("fluidsim simulate"), "{error}");
}

/// The rest of a request after its first token is a request with a token less.
#[test]
fn moments_after_the_first_token() {
    let of = |output| Moments::of(&scenario(1.0, constant(100), output, affine(0.01, 1e-4), 64));
    let (rest, shifted) = (of(uniform(1, 9)).after_first_token(), of(uniform(1, 8)));
    for power in 1..=4 {
        assert_relative_eq!(rest.raw(0, power), shifted.raw(0, power), max_relative = 1e-12);
    }
    for (a, b) in rest.output_survival.iter().zip(&shifted.output_survival) {
        assert_relative_eq!(a, b, epsilon = 1e-12);
    }
    assert_relative_eq!(rest.work_mean(), rest.output_mean(), max_relative = 1e-12);
}

/// A decode pool's λ* is that of an instance without prompts, context included: K/(E\[o − 1\]·τ).
#[test]
fn a_decode_pool_reads_the_context_of_its_prompts() {
    let mut question = pools(20, 1);
    question.step_time = with_context(0.01, 1e-4, 1e-7);
    let found = solve(&question).boundary;
    // 99 decodes of requests with 400 prompt tokens; E[o(o − 1)/2 + o − 1] of the tokens that they emit.
    let pairs = (20..=180).map(|o| f64::from(o * (o + 1) / 2 - 1)).sum::<f64>() / 161.0;
    let context = 64.0 * (400.0 + pairs / 99.0);
    assert_relative_eq!(found.low_per_s, 64.0 / (99.0 * (0.0164 + 1e-7 * context)), max_relative = 1e-3);
}

#[test]
fn what_lengths_decide_is_refused() {
    let mut question = replicas(1, Routing::JoinShortestQueue);
    question.policy.admission = Admission::Reserve;
    question.instance.kv_tokens = Some(10_000);
    let small = Instance { kv_tokens: Some(200), ..question.instance.clone() };
    let cluster = question.cluster.as_mut().unwrap();
    cluster.group = vec![Group { instance: Some(small), ..group("small", None, None) }];
    question.validate().unwrap();
    assert!(refusal(&question).is_some_and(|error| error.to_string().contains("cluster.group")));
}
