//! A pool that goes from iteration to iteration and looks at everybody each time, against the engine.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::scenario::Prediction;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Future,
    Queue,
    /// On its GPUs, with the end of its iteration, if it is in one.
    Running(Option<i128>),
    Gone,
}

#[derive(Debug, Clone)]
struct Request {
    arrival: Arrival,
    need: i64,
    weight: f64,
    coefficients: [i128; 3],
    place: Place,
    written: i64,
    emitted: i64,
    tokens: i64,
    since: i128,
    /// Admitted, first token, completed.
    times: [Option<Time>; 3],
    preemptions: u32,
    away: i128,
}

struct Naive {
    order: Order,
    fill: bool,
    chunk: i64,
    at_prefill: bool,
    gpus: i64,
    requests: Vec<Request>,
}

impl Naive {
    fn rank(&self, index: usize) -> (f64, usize) {
        let Request { arrival, weight, written, emitted, .. } = &self.requests[index];
        let emitted = (*emitted).min(arrival.predicted - 1);
        let work = (arrival.prompt - written + arrival.predicted - emitted) as f64;
        let key = match self.order {
            Order::Fcfs => 0.0,
            Order::ShortestPrompt => arrival.prompt as f64,
            Order::ShortestJob => (arrival.prompt + arrival.predicted) as f64,
            Order::Srpt => work,
            Order::WeightedFcfs => -weight,
            Order::WeightedSrpt => work / weight,
            Order::SmallestVolume => {
                (emitted + 1..=arrival.predicted).map(|token| (arrival.prompt + token) as f64).sum()
            }
            Order::Random => arrival.lot as f64,
        };
        (key, index)
    }

    fn stands_before(&self, a: usize, b: usize) -> bool {
        self.rank(a) < self.rank(b)
    }

    fn those(&self, what: impl Fn(Place) -> bool) -> Vec<usize> {
        let mut found: Vec<usize> = (0..self.requests.len()).filter(|&i| what(self.requests[i].place)).collect();
        found.sort_by(|&a, &b| self.rank(a).partial_cmp(&self.rank(b)).unwrap());
        found
    }

    fn free(&self) -> i64 {
        let running = self.those(|place| matches!(place, Place::Running(_)));
        self.gpus - running.iter().map(|&index| self.requests[index].need).sum::<i64>()
    }

    /// The last of those behind, as few as make room.
    fn giving(&self, head: usize) -> Option<Vec<usize>> {
        let mut room = self.free();
        let mut chosen = Vec::new();
        for index in self.those(|place| matches!(place, Place::Running(_))).into_iter().rev() {
            if room < self.requests[head].need && self.stands_before(head, index) {
                room += self.requests[index].need;
                chosen.push(index);
            }
        }
        let whole = room;
        for index in chosen.clone().into_iter().rev() {
            if room - self.requests[index].need >= self.requests[head].need {
                room -= self.requests[index].need;
                chosen.retain(|&other| other != index);
            }
        }
        (whole >= self.requests[head].need).then_some(chosen)
    }

    /// One start, with what it displaces; or those who wait for the ends of others.
    fn turn(&mut self, now: i128) -> Result<(), Vec<usize>> {
        for head in self.those(|place| place == Place::Queue) {
            let giving = if self.requests[head].need <= self.free() { Some(Vec::new()) } else { self.giving(head) };
            let Some(giving) = giving else {
                if self.fill {
                    continue;
                }
                break;
            };
            if giving.iter().any(|&index| self.requests[index].place != Place::Running(None)) {
                return Err(giving);
            }
            for index in giving {
                let request = &mut self.requests[index];
                (request.place, request.since) = (Place::Queue, now);
                request.preemptions += 1;
            }
            let request = &mut self.requests[head];
            request.place = Place::Running(None);
            match request.times[0] {
                None => request.times[0] = Some(Time(now)),
                Some(_) => request.away += now - request.since,
            }
            return Ok(());
        }
        Err(Vec::new())
    }

    fn begin(&mut self, index: usize, now: i128) {
        let request = &mut self.requests[index];
        let unwritten = request.arrival.prompt - request.written;
        request.tokens = if unwritten > 0 { unwritten.min(self.chunk) } else { 1 };
        let emits = unwritten == 0 || (self.at_prefill && request.tokens == unwritten);
        let prompt = if unwritten > 0 { request.tokens } else { 0 };
        let held = request.written + prompt + request.emitted + i64::from(emits);
        let [base, token, context] = request.coefficients;
        let duration = base + token * i128::from(request.tokens) + context * i128::from(held);
        request.place = Place::Running(Some(now + duration));
    }

    fn end(&mut self, index: usize, now: i128) {
        let request = &mut self.requests[index];
        let decoding = request.written == request.arrival.prompt;
        if !decoding {
            request.written += request.tokens;
        }
        if decoding || (self.at_prefill && request.written == request.arrival.prompt) {
            request.emitted += 1;
            if request.emitted == 1 {
                request.times[1] = Some(Time(now));
            }
        }
        let done = request.emitted == request.arrival.output;
        request.place = if done { Place::Gone } else { Place::Running(None) };
        if done {
            request.times[2] = Some(Time(now));
        }
    }

    fn run(&mut self) {
        loop {
            let next = |request: &Request| match request.place {
                Place::Future => Some(request.arrival.time.0),
                Place::Running(end) => end,
                _ => None,
            };
            let Some(now) = self.requests.iter().filter_map(next).min() else { return };
            for index in 0..self.requests.len() {
                match self.requests[index].place {
                    Place::Running(Some(end)) if end == now => self.end(index, now),
                    Place::Future if self.requests[index].arrival.time.0 == now => {
                        self.requests[index].place = Place::Queue;
                    }
                    _ => {}
                }
            }
            let kept = loop {
                if let Err(kept) = self.turn(now) {
                    break kept;
                }
            };
            for index in self.those(|place| place == Place::Running(None)) {
                if !kept.contains(&index) {
                    self.begin(index, now);
                }
            }
        }
    }
}

/// A random pool and who comes to it.
fn case(rng: &mut ChaCha8Rng, order: Order) -> (Scenario, Vec<Arrival>) {
    let gpus = rng.random_range(1..=8);
    let law = |rng: &mut ChaCha8Rng| StepTimeLaw::AffineContext {
        base_s: f64::from(rng.random_range(1..20)) * 1e-3,
        per_token_s: f64::from(rng.random_range(0..3)) * 1e-3,
        per_context_token_s: f64::from(rng.random_range(0..2)) * 1e-4,
    };
    let mut scenario = pool(gpus, constant(1), constant(1), 1.0, law(rng));
    for _ in 0..rng.random_range(0..3) {
        let other = law(rng);
        add_class(&mut scenario, rng.random_range(1..=gpus), 1.0, Some(other));
    }
    for class in &mut scenario.workload.class {
        class.weight = f64::from(rng.random_range(1..4));
    }
    (scenario.policy.order, scenario.policy.order_preempts) = (order, true);
    scenario.policy.engine = if rng.random_bool(0.5) { Engine::VllmV1 } else { Engine::Hybrid };
    scenario.policy.batching.chunk_tokens = rng.random_bool(0.5).then_some(7);
    let fill = order == Order::Fcfs || rng.random_bool(0.5);
    scenario.policy.batching.packing = Some(if fill { Packing::Fill } else { Packing::Strict });
    if scenario.policy.needs_lengths() && rng.random_bool(0.4) {
        scenario.policy.prediction = Prediction::Lognormal { cv: 1.0 };
    }
    scenario.validate().unwrap();
    let mut time = 0;
    let mut arrivals = Vec::new();
    for _ in 0..rng.random_range(2..40) {
        time += rng.random_range(0..200_u32) * u32::from(rng.random_bool(0.7));
        let class = rng.random_range(0..scenario.workload.class.len()) as u16;
        let (prompt, output) = (rng.random_range(1..30), rng.random_range(1..30));
        arrivals.push(at(f64::from(time) * 1e-3, class, prompt, output));
    }
    (scenario, arrivals)
}

fn naive_run(scenario: &Scenario, arrivals: &[Arrival]) -> Vec<Request> {
    let request = |arrival: &Arrival| {
        let class = &scenario.workload.class[usize::from(arrival.class)];
        let law = class.step_time.as_ref().unwrap_or(&scenario.step_time);
        let StepTimeLaw::AffineContext { base_s, per_token_s, per_context_token_s } = *law else { unreachable!() };
        Request {
            arrival: *arrival,
            need: class.gpus as i64,
            weight: class.weight,
            coefficients: [base_s, per_token_s, per_context_token_s].map(|value| Time::from_decimal(value).0),
            place: Place::Future,
            written: 0,
            emitted: 0,
            tokens: 0,
            since: 0,
            times: [None; 3],
            preemptions: 0,
            away: 0,
        }
    };
    let mut naive = Naive {
        order: scenario.policy.order,
        fill: scenario.batch_rules().packing == Packing::Fill,
        chunk: scenario.policy.batching.chunk_tokens.map_or(UNLIMITED, |tokens| tokens as i64),
        at_prefill: scenario.batch_rules().first_token == FirstToken::Prefill,
        gpus: scenario.cluster.as_ref().unwrap().gpus.unwrap() as i64,
        requests: arrivals.iter().map(request).collect(),
    };
    naive.run();
    naive.requests
}

#[test]
fn preempting_pools_are_the_naive_one_bit_for_bit() {
    let orders = [
        Order::Fcfs,
        Order::ShortestPrompt,
        Order::ShortestJob,
        Order::Srpt,
        Order::WeightedFcfs,
        Order::WeightedSrpt,
        Order::SmallestVolume,
        Order::Random,
    ];
    let mut rng = ChaCha8Rng::seed_from_u64(41);
    let mut preempted = [0; 8];
    let mut leaps = [0; 2];
    for number in 0..2400 {
        let (scenario, arrivals) = case(&mut rng, orders[number % 8]);
        let mut source = Source::of(&scenario, arrivals.clone());
        let told: Vec<Arrival> = std::iter::from_fn(|| source.next()).collect();
        let expected = naive_run(&scenario, &told);
        let options = Options { windows: 7, ..Options::until(Time::ZERO, seconds(30.0)) };
        let options = Options { sample_every: Some(seconds(0.0437)), ..options };
        let runs = [true, false].map(|leap| {
            let mut watcher = Watcher::default();
            let options = Options { leap, ..options.clone() };
            let run = Pool::new(&scenario, &options, Source::of(&scenario, arrivals.clone()), Some(&mut watcher)).run();
            watcher.requests.sort_by_key(|request| request.id);
            for (request, expected) in watcher.requests.iter().zip(&expected) {
                let times = [request.admitted, request.first_token, request.completed];
                let about = format!("case {number}, leap {leap}, request {}: {scenario:?}", request.id);
                assert_eq!(times, expected.times, "{about}");
                assert_eq!(
                    (request.preemptions, request.preempted.0),
                    (expected.preemptions, expected.away),
                    "{about}"
                );
            }
            assert_eq!(watcher.requests.len(), expected.len());
            run
        });
        preempted[number % 8] += runs[0].totals.preemptions;
        leaps = [leaps[0] + runs[0].work.leaps, leaps[1] + runs[1].work.leaps];
        let [leaping, stepping] = runs;
        assert_eq!(leaping, Run { work: leaping.work, ..stepping }, "case {number}: {scenario:?}");
    }
    assert!(preempted.iter().all(|&count| count > 50), "{preempted:?}");
    assert!(leaps[0] * 2 < leaps[1], "{leaps:?}");
}
