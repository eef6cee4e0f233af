mod naive;
mod orders;

use crate::des::Window;
use approx::assert_relative_eq;

use super::super::tests::scenario as one_instance;
use super::*;
use crate::queueing::markov;
use crate::scenario::{Cluster, Engine, LengthLaw, Routing, StepNoise};
use crate::stats::interval::mean_interval;

#[derive(Default)]
struct Watcher {
    requests: Vec<RequestRecord>,
    events: Vec<Event>,
    wants_events: bool,
}

impl Observer for Watcher {
    fn request(&mut self, request: &RequestRecord) {
        self.requests.push(*request);
    }

    fn event(&mut self, event: &Event) {
        self.events.push(*event);
    }

    fn wants_events(&self) -> bool {
        self.wants_events
    }
}

fn seconds(value: f64) -> Time {
    Time::from_decimal(value)
}

fn constant(tokens: u64) -> LengthLaw {
    LengthLaw::Constant { tokens }
}

/// One class on one GPU of so many.
fn pool(gpus: u64, prompt: LengthLaw, output: LengthLaw, rate: f64, law: StepTimeLaw) -> Scenario {
    let mut scenario = one_instance(prompt, output, rate);
    scenario.cluster = Some(Cluster { gpus: Some(gpus), ..Cluster::replicas(1, Routing::RoundRobin) });
    scenario.step_time = law;
    scenario.validate().unwrap();
    scenario
}

fn affine(base_s: f64, per_token_s: f64) -> StepTimeLaw {
    StepTimeLaw::Affine { base_s, per_token_s }
}

/// Adds a class like the first that takes `gpus` GPUs.
fn add_class(scenario: &mut Scenario, gpus: u64, share: f64, law: Option<StepTimeLaw>) {
    let mut class = scenario.workload.class[0].clone();
    class.name = format!("class {}", scenario.workload.class.len());
    (class.gpus, class.share, class.step_time) = (gpus, share, law);
    scenario.workload.class.push(class);
}

fn at(time: f64, class: u16, prompt: i64, output: i64) -> Arrival {
    Arrival::new(seconds(time), class, prompt, output)
}

fn run_of(scenario: &Scenario, arrivals: Vec<Arrival>) -> Vec<RequestRecord> {
    let mut watcher = Watcher::default();
    let options = Options::until(Time::ZERO, seconds(1000.0));
    Pool::new(scenario, &options, Source::of(scenario, arrivals), Some(&mut watcher)).run();
    watcher.requests.sort_by_key(|request| request.id);
    watcher.requests
}

/// Oracle S8: 16 GPUs, every job takes 2 for tokens/1000 s, all present at time 0.
#[test]
fn prioritised_jobs_have_their_exact_flow_times() {
    let cases = [
        (Order::Fcfs, 336.0, 2.4),
        (Order::WeightedFcfs, 102.0, 1.5),
        (Order::Srpt, 102.0, 1.5),
        (Order::WeightedSrpt, 102.0, 1.5),
    ];
    for (order, weighted, mean) in cases {
        let mut scenario = pool(16, constant(2000), constant(1), 1.0, affine(0.0, 0.001));
        scenario.policy.order = order;
        scenario.workload.class[0].gpus = 2;
        add_class(&mut scenario, 2, 1.0, None);
        scenario.workload.class[1].weight = 10.0;
        let arrivals = (0..20).map(|id| if id < 8 { at(0.0, 0, 2000, 1) } else { at(0.0, 1, 500, 1) });
        let requests = run_of(&scenario, arrivals.collect());
        let flow = |request: &RequestRecord| request.completed.unwrap();
        let sum: i128 = requests.iter().map(|request| flow(request).0).sum();
        let heavy: i128 = requests.iter().map(|r| flow(r).0 * if r.class == 1 { 10 } else { 1 }).sum();
        assert_eq!(Time(heavy), seconds(weighted), "{order:?}");
        assert_eq!(Time(sum / 20), seconds(mean), "{order:?}");
        assert_eq!(requests.iter().map(flow).max(), Some(seconds(3.0)), "{order:?}");
    }
}

/// Gangs with exponential durations, first come, first served: λ* of the saturated chain, six settings. Each interval is taken
/// at 1 − .05/6, so that all hold together with probability .95.
#[test]
fn saturated_gangs_reach_the_throughput_of_their_chain() {
    let cases: [(u64, [f64; 3], [f64; 3], f64); 6] = [
        (8, [0.5, 0.3, 0.2], [1.0, 1.0, 1.0], 3.723290),
        (8, [0.5, 0.3, 0.2], [1.0, 0.5, 0.25], 1.485753),
        (8, [0.5, 0.3, 0.2], [1.0, 2.0, 4.0], 7.043406),
        (4, [0.6, 0.2, 0.2], [1.0, 1.0, 1.0], 1.674481),
        (7, [0.4, 0.3, 0.3], [1.0, 1.0, 1.0], 2.525265),
        (16, [0.5, 0.3, 0.2], [1.0, 1.0, 1.0], 7.968467),
    ];
    for (gpus, shares, rates, expected) in cases {
        let mut scenario = pool(gpus, constant(1), constant(1), 1.0, affine(1.0 / rates[0], 0.0));
        scenario.step_noise = StepNoise::Exponential;
        scenario.workload.class[0].share = shares[0];
        add_class(&mut scenario, 2, shares[1], Some(affine(1.0 / rates[1], 0.0)));
        add_class(&mut scenario, 4, shares[2], Some(affine(1.0 / rates[2], 0.0)));
        let mut options = Options::until(seconds(200.0), seconds(60_200.0));
        options.feed = Feed::Saturated;
        options.windows = 30;
        let run = run(&scenario, &options, None);
        let rate = |window: &Window| window.totals.completed as f64 / window.seconds();
        let samples: Vec<f64> = run.windows.iter().map(rate).collect();
        let interval = mean_interval(&samples, 1.0 - 0.05 / 6.0).unwrap();
        assert!(interval.contains(expected), "{gpus} GPUs: {interval:?} without {expected}");
        assert!(interval.half_width() < 0.02 * expected, "{gpus} GPUs: {interval:?}");
    }
}

/// Four GPUs and requests of one GPU each: M/M/4.
#[test]
fn single_gpus_are_a_queue_with_as_many_servers() {
    let mut scenario = pool(4, constant(1), constant(1), 3.2, affine(1.0, 0.0));
    scenario.step_noise = StepNoise::Exponential;
    let mut options = Options::until(seconds(2000.0), seconds(102_000.0));
    options.windows = 20;
    let run = run(&scenario, &options, None);
    let waits: Vec<f64> = run.windows.iter().map(|window| window.e2e.mean().unwrap() * 1e-18 - 1.0).collect();
    let interval = mean_interval(&waits, 0.99).unwrap();
    let expected = markov::Mmc::new(3.2, 1.0, 4).unwrap().mean_wait_s();
    assert!(interval.contains(expected), "{interval:?} without {expected}");
    let utilisation = run.totals.gpus as f64 / (4.0 * run.end.0 as f64);
    assert_relative_eq!(utilisation, 0.8, max_relative = 0.02);
}

/// Oracle S9: run to completion with exponential coefficients is M/G/1.
#[test]
fn one_gpu_with_random_steps_is_a_single_server() {
    for (rate, ttft) in [(0.5, 0.45402), (1.0, 2.45418)] {
        let mut scenario = pool(1, constant(128), constant(65), rate, affine(0.01, 0.001));
        scenario.step_noise = StepNoise::ExponentialCoefficients;
        let mut options = Options::until(seconds(2000.0), seconds(122_000.0));
        options.windows = 20;
        let run = run(&scenario, &options, None);
        let means: Vec<f64> = run.windows.iter().map(|window| window.ttft.mean().unwrap() * 1e-18).collect();
        let interval = mean_interval(&means, 0.99).unwrap();
        assert!(interval.contains(ttft), "{interval:?} without {ttft}");
    }
}

/// Oracle C4: one iteration of gamma time per request is M/G/1, on a GPU and in an instance. At 4.5 standard errors.
#[test]
fn gamma_iterations_wait_by_their_variance() {
    for (squared_cv, expected) in [(0.5_f64, 0.75), (4.0, 2.5)] {
        let mut on_gpu = pool(1, constant(1), constant(1), 0.5, affine(1.0, 0.0));
        (on_gpu.step_noise, on_gpu.step_noise_cv) = (StepNoise::Gamma, Some(squared_cv.sqrt()));
        let mut alone = Scenario { cluster: None, ..on_gpu.clone() };
        alone.instance.max_sequences = 1;
        for scenario in [on_gpu, alone] {
            scenario.validate().unwrap();
            let mut options = Options::until(seconds(2000.0), seconds(402_000.0));
            options.windows = 40;
            let run = super::super::simulate(&scenario, &options);
            let waits: Vec<f64> = run.windows.iter().map(|window| window.e2e.mean().unwrap() * 1e-18 - 1.0).collect();
            let interval = mean_interval(&waits, 1.0 - 5.9e-5).unwrap();
            assert!(interval.contains(expected), "{interval:?} without {expected}");
            assert!(interval.half_width() < 0.15 * expected, "{interval:?}");
        }
    }
}

/// Three GPUs in use: an iteration takes its mean time however many run beside it.
#[test]
fn time_in_iterations_is_that_of_every_request() {
    let scenario = pool(8, constant(1), constant(4), 2.0, affine(0.25, 0.0));
    let run = run(&scenario, &Options::until(Time::ZERO, seconds(500.0)), None);
    assert!(run.totals.steps > 3000);
    let step = run.totals.busy as f64 * 1e-18 / run.totals.steps as f64;
    assert_relative_eq!(step, 0.25, max_relative = 1e-3);
}

/// What one request takes, iteration by iteration.
fn naive(s: i64, o: i64, chunk: i64, at_prefill: bool, [base, token, context]: [f64; 3]) -> (f64, f64) {
    let tau = |tokens: i64, held: i64| base + token * tokens as f64 + context * held as f64;
    let (mut time, mut first, mut written, mut emitted) = (0.0, 0.0, 0, 0);
    while emitted < o {
        let tokens = if written < s { chunk.min(s - written) } else { 1 };
        let emits = written >= s || (at_prefill && written + tokens == s);
        written += if written < s { tokens } else { 0 };
        emitted += i64::from(emits);
        time += tau(tokens, written + emitted);
        first = if emitted == 1 && emits { time } else { first };
    }
    (first, time)
}

#[test]
fn durations_are_the_sums_of_their_iterations() {
    let law = StepTimeLaw::AffineContext { base_s: 0.02, per_token_s: 2.5e-4, per_context_token_s: 2e-7 };
    for (engine, at_prefill) in [(Engine::VllmV1, true), (Engine::Hybrid, false)] {
        for (s, o) in [(1, 1), (5, 1), (1000, 300), (96, 7), (97, 2)] {
            for chunk in [None, Some(32), Some(96)] {
                let mut scenario = pool(1, constant(1), constant(1), 1.0, law.clone());
                scenario.policy.engine = engine;
                scenario.policy.batching.chunk_tokens = chunk;
                let request = run_of(&scenario, vec![at(1.0, 0, s, o)])[0];
                let chunk = chunk.map_or(s, |tokens| tokens as i64);
                let (first, all) = naive(s, o, chunk, at_prefill, [0.02, 2.5e-4, 2e-7]);
                assert_relative_eq!(request.first_token.unwrap().seconds() - 1.0, first, max_relative = 1e-12);
                assert_relative_eq!(request.completed.unwrap().seconds() - 1.0, all, max_relative = 1e-12);
            }
        }
    }
}

/// Classes of 1, 2 and 4 GPUs with chunked prompts and a context law.
fn busy() -> Scenario {
    let law = StepTimeLaw::AffineContext { base_s: 0.01, per_token_s: 1e-4, per_context_token_s: 2e-7 };
    let lengths = (LengthLaw::Geometric { mean: 200.0 }, LengthLaw::Geometric { mean: 40.0 });
    let mut scenario = pool(8, lengths.0, lengths.1, 8.0, law);
    scenario.instance.max_batch_tokens = Some(64);
    scenario.policy.order = Order::Srpt;
    add_class(&mut scenario, 2, 0.5, None);
    add_class(&mut scenario, 4, 0.3, Some(affine(0.005, 1e-4)));
    scenario
}

#[test]
fn leaping_changes_no_bit() {
    let mut decode_first = busy();
    decode_first.policy.engine = Engine::Hybrid;
    decode_first.policy.batching.packing = Some(Packing::Fill);
    decode_first.policy.batching.chunk_tokens = Some(48);
    for scenario in [busy(), decode_first] {
        let mut options = Options::until(seconds(1.0), seconds(60.0));
        options.windows = 9;
        options.sample_every = Some(seconds(0.07));
        let leaping = run(&scenario, &options, None);
        let stepping = run(&scenario, &Options { leap: false, ..options }, None);
        assert!(leaping.work.leaps * 5 < stepping.work.leaps);
        assert!(leaping.totals.completed > 100);
        assert_eq!(leaping, Run { work: leaping.work, ..stepping });
    }
}

#[test]
fn requests_tokens_and_time_are_conserved() {
    for order in [Order::Fcfs, Order::ShortestPrompt, Order::SmallestVolume, Order::Random, Order::WeightedSrpt] {
        let mut scenario = busy();
        scenario.policy.order = order;
        let mut watcher = Watcher { wants_events: true, ..Watcher::default() };
        let options = Options { backlog: 20, ..Options::until(Time::ZERO, seconds(40.0)) };
        let run = run(&scenario, &options, Some(&mut watcher));
        let totals = &run.totals;
        assert_eq!(totals.arrived, watcher.requests.len() as u64);
        assert_eq!(totals.arrived, totals.completed + totals.rejected + run.in_system);
        // Little's law without a residual: both sides are the time spent in the system.
        let sojourn = |request: &RequestRecord| request.completed.unwrap_or(run.end).0 - request.arrival.0;
        assert_eq!(totals.waiting + totals.running, watcher.requests.iter().map(sojourn).sum::<i128>());
        let held = |request: u64| watcher.events.iter().filter(move |event| event.request == request);
        for request in watcher.requests.iter().filter(|request| request.completed.is_some()) {
            let kinds: Vec<EventKind> = held(request.id).map(|event| event.kind).collect();
            assert_eq!(kinds, [EventKind::Arrival, EventKind::Admission, EventKind::Completion]);
            assert_eq!(held(request.id).next_back().unwrap().kv_change, -(request.prompt + request.output));
        }
    }
}

#[test]
fn small_requests_pass_only_where_packing_fills() {
    for (packing, starts) in [(Packing::Strict, [0.0, 1.0, 2.0]), (Packing::Fill, [0.0, 1.0, 0.0])] {
        let mut scenario = pool(4, constant(1), constant(1), 1.0, affine(1.0, 0.0));
        scenario.policy.batching.packing = Some(packing);
        scenario.workload.class[0].gpus = 3;
        add_class(&mut scenario, 4, 1.0, None);
        add_class(&mut scenario, 1, 1.0, None);
        let requests = run_of(&scenario, vec![at(0.0, 0, 1, 1), at(0.0, 1, 1, 1), at(0.0, 2, 1, 1)]);
        let admitted: Vec<Time> = requests.iter().map(|request| request.admitted.unwrap()).collect();
        assert_eq!(admitted, starts.map(seconds), "{packing:?}");
    }
}

#[test]
fn requests_that_can_never_run_are_rejected_with_a_reason() {
    let mut scenario = pool(1, constant(1), constant(1), 1.0, affine(1.0, 0.0));
    scenario.policy.engine = Engine::Orca;
    scenario.instance.max_batch_tokens = Some(100);
    scenario.instance.kv_tokens = Some(160);
    scenario.instance.block_tokens = 16;
    let requests = run_of(&scenario, vec![at(0.0, 0, 101, 5), at(0.0, 0, 90, 71), at(0.0, 0, 90, 70)]);
    let reasons: Vec<_> = requests.iter().map(|request| request.rejected).collect();
    assert_eq!(reasons, [Some(Rejection::Budget), Some(Rejection::Memory), None]);
    let all_too_long = pool(1, constant(500), constant(1), 1.0, affine(1.0, 0.0));
    let instance = crate::scenario::Instance { kv_tokens: Some(100), ..all_too_long.instance.clone() };
    let options = Options { feed: Feed::Saturated, ..Options::until(Time::ZERO, seconds(5.0)) };
    let run = run(&Scenario { instance, ..all_too_long }, &options, None);
    assert_eq!((run.totals.completed, run.totals.rejected), (0, u64::from(HOPELESS)));
}

#[test]
fn objectives_are_counted_by_class() {
    let mut scenario = pool(1, constant(1), constant(3), 1.0, affine(1.0, 0.0));
    scenario.workload.slo.tpot_s = Some(1.0);
    scenario.workload.slo.ttft_s = Some(2.0);
    let mut class = scenario.workload.class[0].clone();
    (class.name, class.slo.e2e_s) = ("strict".into(), Some(3.0));
    scenario.workload.class.push(class);
    let arrivals = vec![at(0.0, 0, 1, 3), at(1.0, 0, 1, 3), at(20.0, 1, 1, 3), at(21.0, 1, 1, 3)];
    let options = Options::until(Time::ZERO, seconds(100.0));
    let run = Pool::new(&scenario, &options, Source::of(&scenario, arrivals), None).run();
    let classes = &run.windows[0].classes;
    let counts: Vec<_> = classes.iter().map(|class| (class.completed, class.attained)).collect();
    // The second waits 2 s: its first token comes after 3 s, its last after 5 s.
    assert_eq!(counts, [(2, 1), (2, 1)]);
    assert_eq!(Time(classes[0].ttft), seconds(4.0));
    assert_eq!(Time(classes[1].e2e), seconds(8.0));
    assert_eq!(Time(classes[1].e2e_per_token), seconds(2.0));
}
