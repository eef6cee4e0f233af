//! Random small scenarios: the engine, leaping and not, against the naive reference, bit for bit.

use std::sync::Arc;

use fluidsim::des::{Options, Run, simulate_observed};
use fluidsim::scenario::trace::{Blocks, Trace, TraceRequest};
use fluidsim::scenario::{Admission, LengthLaw, Preemption, Scenario, StepTimeLaw, Time, TraceMode, TraceSource};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::reference::{Law, Outcome, Pressure, Request, Rules, serve};
use super::{Watcher, scenario};

const CASES: u64 = 6000;
const NANO: i128 = 1_000_000_000;

/// One random case in both languages.
struct Case {
    rules: Rules,
    requests: Vec<Request>,
    scenario: Scenario,
    options: Options,
}

/// The decimal number of seconds that is exactly `nanos`.
fn seconds(nanos: i128) -> f64 {
    format!("{nanos}e-9").parse().unwrap()
}

/// Coefficients in nanoseconds; a time of zero per iteration or per token is allowed where an iteration still takes time.
fn law(rng: &mut ChaCha8Rng, kind: u64) -> (Law, StepTimeLaw) {
    let base = if kind != 1 && rng.random_bool(0.1) { 0 } else { rng.random_range(1..=20) * 1_000_000 };
    let slope = if base > 0 && rng.random_bool(0.2) { 0 } else { rng.random_range(1..=2_000) * 1_000 };
    let context = rng.random_range(0..=100_000);
    let width = rng.random_range(1..=64);
    let (base_s, per_token_s) = (seconds(base), seconds(slope));
    let (base, token) = (base * NANO, slope * NANO);
    match kind {
        0 => (Law::Affine { base, token }, StepTimeLaw::Affine { base_s, per_token_s }),
        1 => {
            let free = width - 1;
            (Law::Hinge { base, token, free }, StepTimeLaw::Hinge { base_s, per_token_s, free_tokens: free as u64 })
        }
        2 => {
            let parameters = StepTimeLaw::Staircase { base_s, per_stair_s: per_token_s, stair_tokens: width as u64 };
            (Law::Staircase { base, stair: token, width }, parameters)
        }
        _ => {
            let per_context_token_s = seconds(context);
            let exact = Law::AffineContext { base, token, context: context * NANO };
            (exact, StepTimeLaw::AffineContext { base_s, per_token_s, per_context_token_s })
        }
    }
}

/// Requests that come alone, together, or on the grid of the iterations' base times.
fn requests(rng: &mut ChaCha8Rng) -> Vec<Request> {
    let count = rng.random_range(5..=60);
    let gap_ms = rng.random_range(1..=200);
    let longest = rng.random_range(1..=80);
    let few = rng.random_bool(0.2);
    let mut clock = 0;
    let mut trace = Vec::new();
    for _ in 0..count {
        let length = |rng: &mut ChaCha8Rng| if few { longest } else { rng.random_range(1..=longest) };
        trace.push(Request::new(clock * NANO, length(rng), length(rng)));
        clock += match rng.random_range(0..4) {
            0 => 0,
            1 => rng.random_range(0..=2 * gap_ms) * 1_000_000,
            _ => rng.random_range(0..=2 * gap_ms * 1_000_000),
        };
    }
    // A trace at a single instant is refused.
    if let Some(last) = trace.last_mut() {
        last.arrival = last.arrival.max(NANO);
    }
    trace
}

/// Memory: none, tight (some requests may not fit at all), loose; never short where nothing may be preempted.
fn memory(rng: &mut ChaCha8Rng, requests: &[Request], block: i64, slots: i64, may_run_out: bool) -> Option<i64> {
    let peak = requests.iter().map(|request| request.prompt + request.output).max().unwrap_or(1);
    let enough = (peak + block) * slots;
    match rng.random_range(0..6) {
        0 => None,
        _ if !may_run_out => Some(enough),
        1 => Some((peak * 3 / 4).max(block)),
        2 => Some(rng.random_range(1..=enough).max(block)),
        _ => Some(rng.random_range(peak..=4 * peak).max(block)),
    }
}

/// Case `seed`; the combinations of law, admission and preemption come in turn.
fn case(seed: u64) -> Case {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (exact, law) = law(&mut rng, seed % 4);
    let reserve = seed / 4 % 2 == 1;
    let pressure = [Pressure::None, Pressure::Swap, Pressure::Recompute][(seed / 8 % 3) as usize];
    let requests = requests(&mut rng);
    let block = if rng.random_bool(0.3) { 1 } else { rng.random_range(2..=17) };
    let alone = rng.random_bool(0.1);
    let slots = if rng.random_bool(0.3) { 64 } else { rng.random_range(1..=16) };
    let budget = rng.random_bool(0.7).then(|| slots + rng.random_range(0..=60));
    let sequences = if alone { 1 } else { slots };
    let memory = memory(&mut rng, &requests, block, sequences, reserve || pressure != Pressure::None);
    let swap = if rng.random_bool(0.3) { 0 } else { rng.random_range(1..=50_000) };
    let swap_per_token = if pressure == Pressure::Swap { swap * NANO } else { 0 };
    let rules = Rules {
        law: exact,
        swap_per_token,
        reserve,
        pressure,
        block,
        sequences: sequences as usize,
        budget,
        memory: memory.map(|tokens| tokens / block * block),
    };
    let mut scenario = scenario(LengthLaw::Constant { tokens: 1 }, LengthLaw::Constant { tokens: 1 }, 1.0, 1, law);
    scenario.instance.max_sequences = slots as u64;
    scenario.instance.max_batch_tokens = budget.map(|tokens| tokens as u64);
    scenario.instance.kv_tokens = memory.map(|tokens| tokens as u64);
    scenario.instance.block_tokens = block as u64;
    if alone {
        scenario.policy.engine = fluidsim::scenario::Engine::RunToCompletion;
    }
    scenario.policy.admission = if reserve { Admission::Reserve } else { Admission::Greedy };
    scenario.policy.preemption = match pressure {
        Pressure::None => Preemption::None,
        Pressure::Swap => Preemption::Swap,
        Pressure::Recompute => Preemption::Recompute,
    };
    scenario.policy.swap_s_per_token = (pressure == Pressure::Swap).then(|| seconds(swap));
    replay(&mut scenario, &requests);
    let options = options(&mut rng, &requests);
    Case { rules, requests, scenario, options }
}

fn replay(scenario: &mut Scenario, requests: &[Request]) {
    let recorded = |request: &Request| TraceRequest {
        arrival: Time(request.arrival),
        prompt: request.prompt as u64,
        output: request.output as u64,
        blocks: Blocks::default(),
    };
    let trace = Trace { requests: requests.iter().map(recorded).collect(), ..Trace::default() };
    scenario.workload.rate_per_s = None;
    scenario.workload.class.clear();
    scenario.workload.trace =
        Some(TraceSource { file: "none".into(), mode: TraceMode::Replay, requests: Arc::new(trace) });
}

/// The run ends when all requests have gone, or at a limit that cuts it short; cuts of the time axis come at random.
fn options(rng: &mut ChaCha8Rng, requests: &[Request]) -> Options {
    let last = requests.last().map_or(0, |request| request.arrival);
    let limit = if rng.random_bool(0.15) { Time(last + 1 + last / 3) } else { Time::NEVER };
    Options {
        limit,
        windows: rng.random_range(1..=4),
        sample_every: rng.random_bool(0.3).then(|| Time(rng.random_range(1..=300) * 1_000_000 * NANO)),
        ..Options::until(Time::ZERO, Time(last + 1))
    }
}

/// The run with its requests in order of arrival.
fn run(case: &Case, leap: bool) -> (Run, Watcher) {
    let mut watcher = Watcher::default();
    let options = Options { leap, ..case.options.clone() };
    let run = simulate_observed(&case.scenario, &options, &mut watcher);
    watcher.requests.sort_by_key(|request| request.id);
    (run, watcher)
}

fn assert_same(seed: u64, run: &Run, watcher: &Watcher, outcome: &Outcome, horizon: Time) {
    let arrived = run.totals.arrived as usize;
    assert_eq!(watcher.requests.len(), arrived, "case {seed}: every request is reported once");
    assert!(outcome.requests[arrived..].iter().all(|request| request.arrival > run.end.0), "case {seed}");
    for (engine, reference) in watcher.requests.iter().zip(&outcome.requests) {
        let times = [engine.admitted, engine.first_token, engine.completed].map(|time| time.map(|time| time.0));
        let expected = [reference.admitted, reference.first_token, reference.completed];
        assert_eq!(times, expected, "case {seed}, request {}: admitted, first token, completed", engine.id);
        let counts = (engine.arrival.0, engine.preemptions, engine.rejected.is_some());
        assert_eq!(counts, (reference.arrival, reference.preemptions, reference.rejected), "case {seed}");
    }
    let totals = &run.totals;
    assert_eq!((totals.steps, totals.tokens), (outcome.steps, outcome.tokens), "case {seed}: iterations and tokens");
    let areas = [totals.waiting, totals.running, totals.swapped, totals.kv];
    assert_eq!(areas, outcome.areas, "case {seed}: areas of waiting, running, preempted, KV");
    assert_eq!(run.end.0, outcome.end.max(horizon.0), "case {seed}: end");
}

/// What the cases came across, so that a generator gone stale is noticed.
#[derive(Debug, Default)]
struct Coverage {
    preempted: u64,
    preempted_twice: u64,
    rejected: u64,
    leapt: u64,
    cut_short: u64,
}

#[test]
fn engine_is_the_reference_bit_for_bit() {
    let mut seen = Coverage::default();
    for seed in 0..CASES {
        let case = case(seed);
        case.scenario.validate().unwrap_or_else(|error| panic!("case {seed}: {error}"));
        let outcome = serve(case.rules, case.requests.clone(), case.options.limit.0);
        let (leaping, of_leaping) = run(&case, true);
        let (stepping, of_stepping) = run(&case, false);
        assert_same(seed, &stepping, &of_stepping, &outcome, case.options.horizon);
        assert_same(seed, &leaping, &of_leaping, &outcome, case.options.horizon);
        assert_eq!(Run { leaps: 0, ..leaping.clone() }, Run { leaps: 0, ..stepping.clone() }, "case {seed}");
        seen.preempted += u64::from(leaping.totals.preemptions > 0);
        seen.preempted_twice += u64::from(of_leaping.requests.iter().any(|request| request.preemptions > 1));
        seen.rejected += u64::from(leaping.totals.rejected > 0);
        seen.leapt += u64::from(leaping.leaps < stepping.leaps);
        seen.cut_short += u64::from(leaping.in_system > 0);
    }
    let least = [seen.preempted, seen.preempted_twice, seen.rejected, seen.leapt, seen.cut_short].into_iter().min();
    assert!(least >= Some(CASES / 40), "{seen:?}");
}
