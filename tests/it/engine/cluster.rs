//! Several instances: against one instance where they must be the same, and against laws where they must agree.

use fluidsim::des::{Feed, Observer, Options, RequestRecord, Run, Work, simulate, simulate_observed};
use fluidsim::scenario::trace::Trace;
use fluidsim::scenario::{
    Class, Cluster, Contention, Engine, Group, Instance, LengthLaw, Link, Order, Policy, PrefillPool, Routing,
    Scenario, StepTimeLaw, Time, TraceMode, TraceSource,
};
use std::sync::Arc;

use super::random::{Family, Traffic, case};
use super::{Watcher, scenario};

fn with(scenario: &Scenario, cluster: Cluster) -> Scenario {
    Scenario { cluster: Some(cluster), ..scenario.clone() }
}

fn watched(scenario: &Scenario, options: &Options) -> (Run, Vec<RequestRecord>) {
    let mut watcher = Watcher::default();
    let run = simulate_observed(scenario, options, &mut watcher);
    watcher.requests.sort_by_key(|request| request.id);
    (run, watcher.requests)
}

fn without_work(run: &Run) -> Run {
    Run { work: Work::default(), ..run.clone() }
}

/// Over all rules: a cluster of one instance is that instance, bit for bit.
#[test]
fn a_cluster_of_one_is_one_instance() {
    for seed in 0..2000 {
        let traffic = if seed % 3 == 0 { Traffic::Classes } else { Traffic::Trace };
        let case = case(seed, traffic, Family::ALL);
        let cluster = with(&case.scenario, Cluster::replicas(1, Routing::JoinShortestQueue));
        for leap in [true, false] {
            let options = Options { leap, ..case.options.clone() };
            let (alone, of_alone) = watched(&case.scenario, &options);
            let (one, of_one) = watched(&cluster, &options);
            assert_eq!(of_alone, of_one, "case {seed}: requests");
            assert_eq!((alone.totals, alone.end, alone.in_system), (one.totals, one.end, one.in_system), "case {seed}");
            // A router turns requests away when they come, an instance at its next boundary: perhaps in another window.
            if alone.totals.rejected == 0 {
                assert_eq!(without_work(&alone), without_work(&one), "case {seed}, leap {leap}");
            }
        }
    }
}

/// Round robin over two instances is two instances that each get every second request.
#[test]
fn turns_are_alternating_requests() {
    for seed in 0..300 {
        let case = case(seed, Traffic::Trace, Family::ALL);
        let Some(source) = &case.scenario.workload.trace else { panic!("no trace") };
        let options = Options { limit: Time(case.options.horizon.0 * 5), ..case.options.clone() };
        let both = with(&case.scenario, Cluster::replicas(2, Routing::RoundRobin));
        let (run, requests) = watched(&both, &options);
        let fits = |request: &RequestRecord| request.rejected.is_none();
        assert_eq!(run.totals.arrived, requests.len() as u64);
        // Requests that nobody can hold take no turn.
        let served: Vec<&RequestRecord> = requests.iter().filter(|request| fits(request)).collect();
        for turn in 0..2 {
            let own: Vec<_> = served.iter().skip(turn).step_by(2).collect();
            let taken: Vec<_> = own.iter().map(|request| source.requests.get(request.id as usize).unwrap()).collect();
            if taken.len() < 2 || taken[0].arrival == taken[taken.len() - 1].arrival {
                continue;
            }
            let mut alone = case.scenario.clone();
            let trace = Trace::of(taken);
            alone.workload.trace =
                Some(TraceSource { file: "none".into(), mode: TraceMode::Replay, requests: Arc::new(trace) });
            // A replayed trace begins with its first request.
            let origin = own[0].arrival;
            let (_, records) = watched(&alone, &Options { limit: Time(options.limit.0 - origin.0), ..options.clone() });
            for (one, other) in own.iter().zip(&records) {
                let ends = other.completed.map(|time| time + origin);
                assert_eq!(one.completed, ends, "case {seed}, request {}", one.id);
            }
        }
    }
}

fn served_by(requests: &[RequestRecord], class: u16) -> Vec<u32> {
    let mut instances: Vec<u32> =
        requests.iter().filter(|request| request.class == class).map(|request| request.instance).collect();
    instances.sort_unstable();
    instances.dedup();
    instances
}

fn affine(base_s: f64, per_token_s: f64) -> StepTimeLaw {
    StepTimeLaw::Affine { base_s, per_token_s }
}

fn uniform(min: u64, max: u64) -> LengthLaw {
    LengthLaw::Uniform { min, max }
}

fn seconds(value: f64) -> Time {
    Time::from_decimal(value)
}

/// Groups of different hardware, one of which serves one model only; every routing rule keeps to that, conserves requests, and leaps
/// without changing a bit.
#[test]
fn groups_serve_their_model_under_every_rule() {
    let mut base = scenario(uniform(1, 100), uniform(1, 50), 30.0, 16, affine(0.01, 2e-4));
    base.workload.class = vec![
        Class { model: Some("large".into()), share: 1.0, ..Class::new("a", uniform(1, 100), uniform(1, 50)) },
        Class { model: Some("small".into()), share: 3.0, ..Class::new("b", uniform(1, 40), uniform(1, 20)) },
    ];
    let group = |name: &str, count: u64, model: &str, step_time: Option<StepTimeLaw>| Group {
        name: name.into(),
        count,
        model: Some(model.into()),
        instance: Some(Instance { max_sequences: 8, ..base.instance.clone() }),
        policy: None,
        step_time,
    };
    for routing in [
        Routing::RoundRobin,
        Routing::Random,
        Routing::LeastLoaded,
        Routing::JoinShortestQueue,
        Routing::PowerOfD,
        Routing::ShortestExpectedDelay,
        Routing::Milp,
    ] {
        let cluster = Cluster {
            window_s: (routing == Routing::Milp).then_some(0.2),
            group: vec![
                group("fast", 2, "large", Some(affine(0.005, 1e-4))),
                group("slow", 3, "small", Some(affine(0.02, 4e-4))),
            ],
            ..Cluster::replicas(0, routing)
        };
        let scenario = with(&base, cluster);
        scenario.validate().unwrap();
        let options = Options { limit: seconds(60.0), ..Options::until(seconds(1.0), seconds(40.0)) };
        let (run, requests) = watched(&scenario, &options);
        assert_eq!(served_by(&requests, 0), [0, 1], "{routing:?}");
        assert_eq!(served_by(&requests, 1), [2, 3, 4], "{routing:?}");
        assert_eq!(run.totals.arrived, run.totals.completed + run.totals.rejected + run.in_system, "{routing:?}");
        let stepping = simulate(&scenario, &Options { leap: false, ..options });
        assert_eq!(without_work(&run), without_work(&stepping), "{routing:?}");
        assert!(run.work.leaps < stepping.work.leaps);
    }
}

/// policy-laws.md (5): n_p prompts at a time, then a link, then decodes.
fn disaggregated(rate: f64, prefills: u64, link: Option<Link>) -> Scenario {
    let mut base = scenario(uniform(100, 700), uniform(20, 180), rate, 64, affine(0.01, 1e-4));
    base.policy.engine = Engine::VllmV1;
    let pool = PrefillPool {
        replicas: prefills,
        routing: Routing::JoinShortestQueue,
        instance: Some(Instance { max_sequences: 1, ..base.instance.clone() }),
        policy: None,
        step_time: Some(affine(0.02, 2e-4)),
    };
    let cluster = Cluster { prefill: Some(pool), link, ..Cluster::replicas(2, Routing::JoinShortestQueue) };
    with(&base, cluster)
}

fn throughput(scenario: &Scenario) -> f64 {
    let options =
        Options { feed: Feed::Saturated, limit: seconds(1100.0), ..Options::until(seconds(100.0), seconds(1100.0)) };
    let run = simulate(scenario, &options);
    run.windows[0].totals.completed as f64 / run.windows[0].seconds()
}

/// E S_p = .02 + .0002 · 400 = .1 s. The prefill pool binds at n_p/E S_p; a link of 9000 tokens per second at 9000/401, with the first
/// token's KV.
#[test]
fn the_prefill_pool_or_the_link_binds() {
    for (prefills, expected) in [(1, 10.0), (2, 20.0), (4, 40.0)] {
        let found = throughput(&disaggregated(1.0, prefills, None));
        assert!((found / expected - 1.0).abs() < 0.01, "{prefills} prefills: {found}");
    }
    let link = |contention| Some(Link { tokens_per_s: 9000.0, latency_s: 0.0, contention });
    let found = throughput(&disaggregated(1.0, 4, link(Contention::Fifo)));
    assert!((found / (9000.0 / 401.0) - 1.0).abs() < 0.01, "link: {found}");
    let free = throughput(&disaggregated(1.0, 4, link(Contention::None)));
    assert!((free / 40.0 - 1.0).abs() < 0.01, "link without contention: {free}");
}

/// Tokens, order and conservation of a request's way through both pools.
#[test]
fn requests_go_from_prefill_over_the_link_to_decode() {
    struct Ways(Vec<RequestRecord>);
    impl Observer for Ways {
        fn request(&mut self, request: &RequestRecord) {
            self.0.push(*request);
        }
    }
    let link = Link { tokens_per_s: 20_000.0, latency_s: 0.003, contention: Contention::Fifo };
    let scenario = disaggregated(12.0, 2, Some(link));
    let options = Options { limit: seconds(400.0), ..Options::until(seconds(10.0), seconds(200.0)) };
    let mut ways = Ways(Vec::new());
    let run = simulate_observed(&scenario, &options, &mut ways);
    assert_eq!(run.totals.arrived, run.totals.completed + run.totals.rejected + run.in_system);
    let done: Vec<&RequestRecord> = ways.0.iter().filter(|request| request.completed.is_some()).collect();
    assert!(done.len() > 2000);
    for request in &done {
        let (first, last) = (request.first_token.unwrap(), request.completed.unwrap());
        let prefill = 0.02 + 2e-4 * request.prompt as f64;
        assert!((first - request.arrival).seconds() > prefill - 1e-12);
        if request.output > 1 {
            let transfer = 0.003 + (request.prompt + 1) as f64 / 20_000.0;
            let decodes = (request.output - 1) as f64 * 0.0101;
            assert!((last - first).seconds() > transfer + decodes - 1e-9, "{request:?}");
            assert!(request.instance < 2, "decoded by the decode pool");
        }
    }
    let stepping = simulate(&scenario, &Options { leap: false, ..options });
    assert_eq!(without_work(&run), without_work(&stepping));
}

/// ∫ N dt = Σ time in system, to the attosecond, when what is on the link is in N.
#[test]
fn littles_law_holds_over_both_pools_and_the_link() {
    let mut checked = 0;
    for seed in 0..400 {
        let case = case(seed, Traffic::Trace, Family::ALL);
        let contention = if seed % 2 == 0 { Contention::Fifo } else { Contention::None };
        let link = Some(Link { tokens_per_s: 500.0, latency_s: 0.01, contention });
        let pool = disaggregated(1.0, 2, link).cluster.and_then(|cluster| cluster.prefill);
        let cluster = Cluster { prefill: pool, link, ..Cluster::replicas(2, Routing::RoundRobin) };
        let split = with(&case.scenario, cluster);
        if split.validate().is_err() {
            continue;
        }
        let options = Options { limit: Time(case.options.horizon.0 * 50), ..case.options.clone() };
        let (run, requests) = watched(&split, &options);
        if run.in_system > 0 || run.totals.completed == 0 {
            continue;
        }
        let done = requests.iter().filter_map(|request| Some(request.completed?.0 - request.arrival.0));
        let totals = &run.totals;
        assert_eq!(totals.waiting + totals.running + totals.swapped + totals.between, done.sum(), "case {seed}");
        assert!(totals.between > 0, "case {seed}");
        checked += 1;
    }
    assert!(checked > 100, "{checked}");
}

/// A prefill pool with a policy of its own draws lots though the decode pool does not.
#[test]
fn the_order_of_a_prefill_pool_may_be_random() {
    let served = |order| {
        let mut split = disaggregated(19.0, 2, None);
        let policy = Policy { order, ..split.policy.clone() };
        split.cluster.as_mut().and_then(|cluster| cluster.prefill.as_mut()).unwrap().policy = Some(policy);
        let (_, requests) = watched(&split, &Options::until(seconds(0.0), seconds(60.0)));
        requests.iter().filter(|request| request.first_token.is_some()).map(|r| r.first_token).collect::<Vec<_>>()
    };
    assert_ne!(served(Order::Random), served(Order::Fcfs));
}

/// Whatever engine the scenario names, a decode pool only decodes, so that requests join it at every boundary.
#[test]
fn decode_pools_leap_without_changing_a_bit_under_every_engine() {
    for engine in Engine::ALL.into_iter().filter(|&engine| engine != Engine::DecodeNode) {
        let mut scenario = disaggregated(14.0, 2, None);
        // One prompt at a time is too few for an engine that splits its batches.
        let own = scenario.policy.clone();
        scenario.cluster.as_mut().and_then(|cluster| cluster.prefill.as_mut()).unwrap().policy = Some(own);
        scenario.policy.engine = engine;
        scenario.validate().unwrap();
        let options = Options { limit: seconds(120.0), ..Options::until(seconds(5.0), seconds(60.0)) };
        let leaping = simulate(&scenario, &options);
        let stepping = simulate(&scenario, &Options { leap: false, ..options });
        assert_eq!(without_work(&leaping), without_work(&stepping), "{engine:?}");
        assert!(leaping.totals.completed > 100, "{engine:?}");
    }
    let mut scenario = disaggregated(14.0, 2, None);
    scenario.policy.engine = Engine::DecodeNode;
    assert_eq!(scenario.validate().unwrap_err().key, "cluster.prefill.policy");
}
