//! Random small scenarios with their requests: traffic, then rules family by family, then limits, then options of the run.

use std::sync::Arc;

use fluidsim::des::Options;
use fluidsim::scenario::trace::{Trace, TraceRequest};
use fluidsim::scenario::{
    Admission, ArrivalLaw, BatchRules, BudgetCounts, Class, CurvePoint, Engine, FirstToken, LengthLaw, MixedCost,
    Mixing, Order, Packing, Preemption, Priority, Prompts, Scenario, SequenceLimit, Sight, StepTimeLaw, Time,
    TraceMode, TraceSource, Transfer, Trigger, Victim,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::reference::Request;
use super::scenario;

const NANO: i128 = 1_000_000_000;

/// Rules beyond vLLM v1 with greedy admission or reservation, swap or recompute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Batching,
    Orders,
    Admissions,
    Pressure,
    Transfers,
    Sight,
}

impl Family {
    pub const ALL: &[Self] =
        &[Self::Batching, Self::Orders, Self::Admissions, Self::Pressure, Self::Transfers, Self::Sight];
}

/// One random case.
pub struct Case {
    pub scenario: Scenario,
    pub requests: Vec<Request>,
    pub options: Options,
}

/// Where the requests come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// A trace: any lengths and times, one class.
    Trace,
    /// Classes of constant lengths at equal distances.
    Classes,
}

/// Case `seed`, in which about half of `families` differ from the usual: the first draw that is a valid scenario.
pub fn case(seed: u64, traffic: Traffic, families: &[Family]) -> Case {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut varied = families.to_vec();
    varied.retain(|_| rng.random_bool(0.5));
    loop {
        let case = draw(&mut rng, seed, traffic, &varied);
        if case.scenario.validate().is_ok() {
            return case;
        }
    }
}

fn draw(rng: &mut ChaCha8Rng, seed: u64, traffic: Traffic, families: &[Family]) -> Case {
    let only = LengthLaw::Constant { tokens: 1 };
    let mut scenario = scenario(only.clone(), only, 1.0, 1, law(rng, seed % 5));
    let (requests, until) = match traffic {
        Traffic::Trace => trace(rng, &mut scenario),
        Traffic::Classes => classes(rng, &mut scenario),
    };
    let longest = requests.iter().map(|request| request.prompt.max(request.output)).max().unwrap_or(1);
    base_policy(rng, seed / 5, &mut scenario);
    families.iter().for_each(|&family| vary(rng, family, &mut scenario, longest));
    let varied = !families.is_empty();
    limits(rng, &mut scenario, &requests, varied);
    let options = match traffic {
        Traffic::Classes => Options { limit: Time(until), ..Options::until(Time::ZERO, Time(until)) },
        Traffic::Trace => replay_options(rng, until, varied),
    };
    Case { scenario, requests, options }
}

/// The decimal number of seconds that is exactly `nanos`.
fn seconds(nanos: i128) -> f64 {
    format!("{nanos}e-9").parse().unwrap()
}

/// Coefficients in nanoseconds; a time of zero per iteration or per token is allowed where an iteration still takes time.
fn law(rng: &mut ChaCha8Rng, kind: u64) -> StepTimeLaw {
    let base = if kind != 1 && rng.random_bool(0.1) { 0 } else { rng.random_range(1..=20) * 1_000_000 };
    let slope = if base > 0 && rng.random_bool(0.2) { 0 } else { rng.random_range(1..=2_000) * 1_000 };
    let context = rng.random_range(0..=100_000);
    let width = rng.random_range(1..=64);
    let (base_s, per_token_s) = (seconds(base), seconds(slope));
    match kind {
        0 => StepTimeLaw::Affine { base_s, per_token_s },
        1 => StepTimeLaw::Hinge { base_s, per_token_s, free_tokens: width - 1 },
        2 => StepTimeLaw::Staircase { base_s, per_stair_s: per_token_s, stair_tokens: width },
        3 => StepTimeLaw::AffineContext { base_s, per_token_s, per_context_token_s: seconds(context) },
        _ => curve(rng, base.max(1_000_000), seconds(context)),
    }
}

/// A curve through up to four points, also one that falls for a while.
fn curve(rng: &mut ChaCha8Rng, base: i128, per_context_token_s: f64) -> StepTimeLaw {
    let mut points = vec![CurvePoint { tokens: rng.random_range(1..=4), seconds: seconds(base) }];
    let mut time = base;
    for index in 0..rng.random_range(0..=3) {
        let (width, last) = (rng.random_range(1..=40), points[points.len() - 1]);
        let slope: i128 = rng.random_range(if index == 0 { -2_000 } else { 0 }..=200_000);
        time += slope * i128::from(width);
        points.push(CurvePoint { tokens: last.tokens + width, seconds: seconds(time) });
    }
    let pair = rng.random_range(0..=3) * 1000;
    StepTimeLaw::Curve { points, per_context_token_s, per_prefill_pair_s: seconds(pair) }
}

/// Requests that come alone, together, or on the grid of the iterations' base times; and the last arrival.
fn trace(rng: &mut ChaCha8Rng, scenario: &mut Scenario) -> (Vec<Request>, i128) {
    let count = rng.random_range(5..=60);
    let gap_ms = rng.random_range(1..=200);
    let longest = rng.random_range(1..=80);
    let few = rng.random_bool(0.2);
    let mut clock = 0;
    let mut requests = Vec::new();
    for _ in 0..count {
        let length = |rng: &mut ChaCha8Rng| if few { longest } else { rng.random_range(1..=longest) };
        requests.push(Request::new(clock * NANO, length(rng), length(rng)));
        clock += match rng.random_range(0..4) {
            0 => 0,
            1 => rng.random_range(0..=2 * gap_ms) * 1_000_000,
            _ => rng.random_range(0..=2 * gap_ms * 1_000_000),
        };
    }
    // A trace at a single instant is refused.
    if let Some(last) = requests.last_mut() {
        last.arrival = last.arrival.max(NANO);
    }
    scenario.workload.rate_per_s = None;
    scenario.workload.class.clear();
    scenario.workload.trace = Some(replay(&requests));
    let last = requests.last().map_or(0, |request| request.arrival);
    (requests, last)
}

/// A trace of these requests, to be replayed.
pub fn replay(requests: &[Request]) -> TraceSource {
    let recorded = |request: &Request| TraceRequest {
        arrival: Time(request.arrival),
        prompt: request.prompt as u64,
        output: request.output as u64,
        ..TraceRequest::default()
    };
    let trace = Trace::of(requests.iter().map(recorded));
    TraceSource { file: "none".into(), mode: TraceMode::Replay, requests: Arc::new(trace) }
}

/// One to four classes whose rates are powers of two, so that every arrival time is an exact double; and the end of the run.
fn classes(rng: &mut ChaCha8Rng, scenario: &mut Scenario) -> (Vec<Request>, i128) {
    let count = rng.random_range(1..=4);
    let second = 1_000_000_000 * NANO;
    let speed = 1 << rng.random_range(0..=5);
    let shares: Vec<i128> = (0..count).map(|_| 1 << rng.random_range(0..=2)).collect();
    let total: i128 = shares.iter().sum();
    let end = second * rng.random_range(40..=120) / (total * speed);
    let mut requests = Vec::new();
    scenario.workload.arrivals = ArrivalLaw::Deterministic {};
    scenario.workload.rate_per_s = Some((total * speed) as f64);
    scenario.workload.class.clear();
    for (class, &share) in shares.iter().enumerate() {
        let (prompt, output) = (rng.random_range(1..=60), rng.random_range(1..=60));
        let weight = [1.0, 2.0, 3.0, 0.25][rng.random_range(0..4)];
        let law = |tokens: i64| LengthLaw::Constant { tokens: tokens as u64 };
        let named = Class::new(&format!("class {class}"), law(prompt), law(output));
        scenario.workload.class.push(Class { share: share as f64, weight, ..named });
        let gap = second / (share * speed);
        let arrivals = (1..).map(|number| number * gap).take_while(|&time| time < end + 20 * second);
        requests.extend(arrivals.map(|arrival| Request::new(arrival, prompt, output).of_class(class, weight)));
    }
    requests.sort_by_key(|request| (request.arrival, request.class));
    (requests, end)
}

/// Greedy or reservation with each preemption in turn.
fn base_policy(rng: &mut ChaCha8Rng, turn: u64, scenario: &mut Scenario) {
    let policy = &mut scenario.policy;
    if rng.random_bool(0.1) {
        policy.engine = Engine::RunToCompletion;
    }
    policy.admission = if turn.is_multiple_of(2) { Admission::Greedy } else { Admission::Reserve };
    policy.preemption = [Preemption::None, Preemption::Swap, Preemption::Recompute][(turn / 2 % 3) as usize];
    let swap = if rng.random_bool(0.3) { 0 } else { rng.random_range(1..=50_000) };
    policy.swap_s_per_token = (policy.preemption == Preemption::Swap).then(|| seconds(swap));
}

fn vary(rng: &mut ChaCha8Rng, family: Family, scenario: &mut Scenario, longest: i64) {
    let classes = scenario.workload.class_rates().len();
    let policy = &mut scenario.policy;
    match family {
        Family::Batching => vary_batching(rng, scenario),
        Family::Orders => {
            let orders = [
                Order::ShortestPrompt,
                Order::ShortestJob,
                Order::Srpt,
                Order::WeightedFcfs,
                Order::WeightedSrpt,
                Order::SmallestVolume,
            ];
            policy.order = any(rng, &orders);
        }
        Family::Admissions => vary_admission(rng, scenario, classes, longest),
        Family::Pressure => {
            let preemptions = [Preemption::Swap, Preemption::Recompute, Preemption::Restart];
            policy.preemption = any(rng, &preemptions);
            policy.swap_s_per_token = (policy.preemption == Preemption::Swap).then_some(1e-5);
            policy.trigger = any(rng, &[Trigger::Conservative, Trigger::Aggressive]);
            policy.allow_waiting_preempt = policy.trigger == Trigger::Aggressive && rng.random_bool(0.5);
            let victims = [
                Victim::Lifo,
                Victim::Fifo,
                Victim::LeastProgress,
                Victim::MostMemory,
                Victim::LowestWeight,
                Victim::LatestBatch,
            ];
            policy.victim = Some(any(rng, &victims));
        }
        Family::Transfers => {
            if policy.preemption == Preemption::Swap {
                policy.swap_latency_s = rng.random_bool(0.7).then(|| seconds(rng.random_range(0..=30_000_000)));
                policy.swap_transfer = any(rng, &[Transfer::Blocking, Transfer::Overlapped]);
            }
        }
        Family::Sight => policy.arrivals_seen = Some(any(rng, &[Sight::AtOnce, Sight::OneStepLate])),
    }
}

fn any<T: Copy>(rng: &mut ChaCha8Rng, of: &[T]) -> T {
    of[rng.random_range(0..of.len())]
}

/// One of `of`, or the engine's usual.
fn some<T: Copy>(rng: &mut ChaCha8Rng, of: &[T]) -> Option<T> {
    let chosen = any(rng, of);
    rng.random_bool(0.5).then_some(chosen)
}

fn vary_batching(rng: &mut ChaCha8Rng, scenario: &mut Scenario) {
    let policy = &mut scenario.policy;
    policy.engine = any(rng, &Engine::ALL);
    let parts = &mut policy.batching;
    parts.mixing = some(rng, &[Mixing::Mixed, Mixing::Exclusive]);
    parts.priority = some(rng, &[Priority::DecodeFirst, Priority::PrefillFirst, Priority::Split]);
    parts.prompts = some(rng, &[Prompts::Whole, Prompts::Chunked, Prompts::Present]);
    parts.packing = some(rng, &[Packing::Strict, Packing::Fill]);
    parts.sequence_limit = some(rng, &[SequenceLimit::Residents, SequenceLimit::Batch]);
    parts.mixed_cost = some(rng, &[MixedCost::Sum, MixedCost::Max]);
    parts.first_token = some(rng, &[FirstToken::Prefill, FirstToken::Decode]);
    parts.budget_counts = some(rng, &[BudgetCounts::Processed, BudgetCounts::Context]);
    let rules: BatchRules = parts.over(policy.engine);
    if rules.priority == Priority::Split && rng.random_bool(0.5) {
        parts.decode_share = Some(f64::from(rng.random_range(1..=7)) / 8.0);
    }
    if rules.prompts == Prompts::Chunked && rng.random_bool(0.5) {
        parts.chunk_tokens = Some(rng.random_range(1..=40));
    }
}

fn vary_admission(rng: &mut ChaCha8Rng, scenario: &mut Scenario, classes: usize, longest: i64) {
    let policy = &mut scenario.policy;
    let rules = [
        Admission::LookAhead,
        Admission::Threshold,
        Admission::Watermark,
        Admission::Quota,
        Admission::Wait,
        Admission::NestedWait,
    ];
    policy.admission = any(rng, &rules);
    // Sixteenths of the memory are exact doubles.
    let share = Some(f64::from(rng.random_range(1..=15)) / 16.0);
    let mut thresholds = |count: usize| (0..count).map(|_| rng.random_range(1..=4)).collect();
    match policy.admission {
        Admission::Threshold => policy.threshold_share = share,
        Admission::Watermark => policy.watermark_share = share,
        Admission::Quota => policy.quota_per_class = Some(rng.random_range(1..=3)),
        Admission::Wait => policy.wait_thresholds = thresholds(classes),
        Admission::NestedWait => {
            let mut ends: Vec<u64> = (0..2).map(|_| 1 + rng.random_range(0..longest.unsigned_abs())).collect();
            ends.sort_unstable();
            ends.dedup();
            policy.wait_thresholds = (0..=ends.len()).map(|_| rng.random_range(1..=4)).collect();
            policy.wait_segments = ends;
        }
        _ => {}
    }
}

fn limits(rng: &mut ChaCha8Rng, scenario: &mut Scenario, requests: &[Request], varied: bool) {
    let policy = &scenario.policy;
    let block = if rng.random_bool(0.3) { 1 } else { rng.random_range(2..=17) };
    let slots: i64 = if rng.random_bool(0.3) { 64 } else { rng.random_range(1..=16) };
    let alone = policy.engine == Engine::RunToCompletion;
    let may_run_out = policy.preemption != Preemption::None || policy.admission == Admission::Reserve;
    let memory = memory(rng, requests, block, if alone { 1 } else { slots }, may_run_out);
    let least = if varied && rng.random_bool(0.5) { 0 } else { slots };
    let rules = scenario.batch_rules();
    let instance = &mut scenario.instance;
    instance.max_batch_tokens = rng.random_bool(0.7).then(|| (least + rng.random_range(1..=60)) as u64);
    if rules.budget_counts == BudgetCounts::Context && rng.random_bool(0.7) {
        instance.max_batch_tokens = Some(rng.random_range(1..=600));
    }
    instance.max_sequences = slots as u64;
    instance.kv_tokens = memory.map(|tokens| tokens as u64);
    instance.block_tokens = block as u64;
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
        3 => Some(rng.random_range(peak..=2 * peak).max(block)),
        _ => Some(rng.random_range(peak..=4 * peak).max(block)),
    }
}

/// The run ends when all requests have gone, or at a limit that cuts it short; cuts of the time axis come at random. Some rules
/// let two requests preempt each other for ever, and some leave requests waiting: their runs always have a limit.
fn replay_options(rng: &mut ChaCha8Rng, last: i128, varied: bool) -> Options {
    let limit = match (rng.random_bool(0.15), varied) {
        (true, _) => Time(last + 1 + last / 3),
        (false, true) => Time(last + 20_000_000_000 * NANO),
        (false, false) => Time::NEVER,
    };
    Options {
        limit,
        windows: rng.random_range(1..=4),
        sample_every: rng.random_bool(0.3).then(|| Time(rng.random_range(1..=300) * 1_000_000 * NANO)),
        ..Options::until(Time::ZERO, Time(last + 1))
    }
}
