//! The reference held to published sample paths, digit by digit, and to what holds under every rule.

use fluidsim::scenario::{
    Admission, Batching, Engine, LengthLaw, Mixing, Policy, Preemption, Prompts, Scenario, SequenceLimit, StepTimeLaw,
    Time, Victim,
};

use super::random::{Family, Traffic, case};
use super::reference::{Batch, Outcome, Request, Rules, serve};
use super::scenario;
use crate::run::shared;

const SECOND: i128 = 1_000_000_000_000_000_000;

/// Rules of `engine` with unit steps and nothing that limits.
fn unit_steps(engine: Engine) -> Scenario {
    let law = StepTimeLaw::Affine { base_s: 1.0, per_token_s: 0.0 };
    let only = LengthLaw::Constant { tokens: 1 };
    let mut scenario = scenario(only.clone(), only, 1.0, 1000, law);
    scenario.policy = Policy::of(engine, Admission::Greedy, Preemption::None);
    scenario
}

fn run(scenario: &Scenario, requests: Vec<Request>, limit: i128) -> Outcome {
    serve(Rules::of(scenario), requests, 0, limit)
}

/// Oracle S1: A, B, C have 2, 4, 3 tokens to go when batch 1 begins, after a batch of their prompts; D and E come during it.
#[test]
fn engines_take_the_published_numbers_of_batches() {
    let request = |halves: i128, output| Request::new(halves * SECOND / 2, 1, output);
    let requests = || vec![request(0, 3), request(0, 5), request(0, 4), request(3, 2), request(3, 2)];
    for (engine, budget, batches) in
        [(Engine::VllmV0, 4, 5), (Engine::Orca, 5, 4), (Engine::Static, 4, 6), (Engine::Sarathi, 4, 4)]
    {
        let mut scenario = unit_steps(engine);
        scenario.instance.max_batch_tokens = Some(budget);
        let outcome = run(&scenario, requests(), i128::MAX);
        assert_eq!(outcome.batches.len() - 1, batches, "{engine:?}");
        assert!(outcome.requests.iter().all(|request| request.completed.is_some()));
    }
}

/// Oracle S2: every 467.5 ms a request of 290 + 991 tokens.
fn lock_in(engine: Engine, budget: u64, until: i128) -> Outcome {
    let law = StepTimeLaw::Staircase { base_s: 0.01128, per_stair_s: 0.03547, stair_tokens: 128 };
    let mut scenario = unit_steps(engine);
    scenario.step_time = law;
    scenario.instance.max_sequences = 100;
    scenario.instance.max_batch_tokens = Some(budget);
    if engine == Engine::Orca {
        scenario.policy.batching = Batching { prompts: Some(Prompts::Chunked), ..Batching::default() };
    }
    let gap = Time::from_decimal(0.4675).0;
    let requests = (1..=until * 15 / 7 + 20).map(|number| Request::new(number * gap, 290, 991)).collect();
    run(&scenario, requests, until * SECOND)
}

/// Tokens still to be processed at the beginning of each batch.
fn outstanding(outcome: &Outcome) -> Vec<i64> {
    let mut processed = 0;
    let work = |batch: &Batch| {
        let arrived = outcome.requests.iter().filter(|request| request.arrival <= batch.start).count() as i64;
        let work = arrived * (290 + 990) - processed;
        processed += batch.prompt_tokens + batch.decodes;
        work
    };
    outcome.batches.iter().map(work).collect()
}

#[test]
fn a_small_budget_locks_in_at_the_vertex() {
    let outcome = lock_in(Engine::Sarathi, 128, 140);
    let late: Vec<&Batch> = outcome.batches.iter().filter(|batch| batch.start > 100 * SECOND).collect();
    assert!(late.len() > 800 && late.iter().all(|batch| (batch.prompt_tokens, batch.decodes) == (29, 99)));
    assert!(late.iter().all(|batch| batch.duration == Time::from_decimal(0.04675).0));
    assert!(outstanding(&outcome).into_iter().all(|work| work <= 165_120));
}

#[test]
fn prompts_first_or_a_large_budget_diverge() {
    for (engine, budget) in [(Engine::Orca, 128), (Engine::Sarathi, 1024)] {
        let work = outstanding(&lock_in(engine, budget, 700));
        let tenths: Vec<i64> = (1..=10).map(|tenth| work[work.len() * tenth / 10 - 1]).collect();
        assert!(tenths.windows(2).skip(1).all(|pair| pair[1] - pair[0] > 20_000), "{engine:?}: {tenths:?}");
    }
}

#[test]
fn prompts_that_no_batch_can_hold_are_rejected() {
    for engine in [Engine::Static, Engine::VllmV0] {
        let outcome = lock_in(engine, 128, 140);
        let mut arrived = outcome.requests.iter().filter(|request| request.arrival <= outcome.end);
        assert!(arrived.all(|request| request.rejected) && outcome.batches.is_empty());
    }
}

/// Oracle S5: three classes and more requests of each than 4 per slot.
#[test]
fn a_quota_holds_the_published_peak() {
    for prompts in [Prompts::Whole, Prompts::Present] {
        let mut scenario = unit_steps(Engine::VllmV1);
        scenario.instance.max_sequences = 10_000;
        scenario.instance.kv_tokens = Some(16_492);
        scenario.policy.admission = Admission::Quota;
        scenario.policy.quota_per_class = Some(4);
        scenario.policy.preemption = Preemption::Recompute;
        scenario.policy.batching.prompts = Some(prompts);
        // Not in turn: a class that has had its share does not stand in the way of the others.
        let mut requests = Vec::new();
        for (class, output) in [20, 40, 60].into_iter().enumerate() {
            requests.extend((0..1000).map(|_| Request::new(0, 10, output).of_class(class, 1.0)));
        }
        let outcome = run(&scenario, requests, 200 * SECOND);
        let peak = outcome.batches.iter().map(|batch| batch.kv).max();
        assert_eq!((peak, outcome.preemptions), (Some(16_240), 0));
        assert!(outcome.batches[100..].iter().all(|batch| batch.entered == 12 && batch.kv == 16_240));
    }
}

/// Oracle S6: stages of constant lengths, filled up to the memory.
#[test]
fn a_saturated_memory_cycles_as_published() {
    for victim in [Victim::Lifo, Victim::LeastProgress] {
        let mut scenario = unit_steps(Engine::VllmV1);
        scenario.instance.kv_tokens = Some(140);
        scenario.policy.preemption = Preemption::Restart;
        scenario.policy.victim = Some(victim);
        scenario.policy.batching.prompts = Some(Prompts::Present);
        let at = |second: i128, count: usize| vec![Request::new(second * SECOND, 2, 2); count];
        let requests = [at(0, 19), at(1, 21), at(2, 2000)].concat();
        let outcome = run(&scenario, requests, 100 * SECOND);
        let states: Vec<_> =
            outcome.batches[1..].iter().map(|batch| [batch.entered, batch.decodes - batch.entered]).collect();
        let published = [[21, 19], [18, 21], [22, 18], [17, 22], [24, 17], [14, 24], [28, 14], [9, 28], [34, 9]];
        assert_eq!(states[..9], published);
        assert_eq!(states[9..16], [[1, 34], [45, 1], [0, 35], [46, 0], [0, 35], [46, 0], [0, 35]]);
        let evicted: Vec<_> = outcome.batches.iter().map(|batch| batch.preempted).filter(|&count| count > 0).collect();
        assert_eq!((evicted[0], &evicted[1..]), (10, vec![11; evicted.len() - 1].as_slice()));
        // 17.5 per step, not the fixed point's 20: (2s + o + 1)/(2(s + o)) = 7/8.
        let done = |step: i128| {
            let until = |request: &&Request| request.completed.is_some_and(|time| time <= step * SECOND);
            outcome.requests.iter().filter(until).count()
        };
        assert_eq!(done(90) - done(50), 40 * 35 / 2);
    }
}

/// Oracle S7: all that is printed of one file.
fn decode_node(file: &str) -> Option<(Outcome, [String; 3])> {
    let text = std::fs::read_to_string(shared()?.join("oracles").join(file)).unwrap();
    let numbers = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let request = |field: Vec<&str>| {
        let arrival = Time::parse_seconds(field[0]).unwrap();
        Request::new(arrival.0, field[1].parse().unwrap(), field[2].parse().unwrap())
    };
    let mut scenario = unit_steps(Engine::DecodeNode);
    scenario.step_time = StepTimeLaw::AffineContext { base_s: 0.003, per_token_s: 0.0, per_context_token_s: 0.00032 };
    scenario.instance.kv_tokens = Some(10_000);
    scenario.instance.max_batch_tokens = Some(10_000);
    scenario.policy.preemption = Preemption::Restart;
    let outcome = run(&scenario, numbers.map(request).collect(), i128::MAX);
    let delays: Vec<i128> =
        outcome.requests.iter().map(|request| request.completed.unwrap() - request.arrival).collect();
    let mean = delays.iter().sum::<i128>() / delays.len() as i128;
    let printed = [outcome.end, mean, *delays.iter().max().unwrap()].map(|time| format!("{:.4}", Time(time).seconds()));
    assert!(outcome.batches.iter().all(|batch| batch.kv <= 10_000));
    Some((outcome, printed))
}

#[test]
fn a_decode_node_follows_the_recorded_path() {
    let Some((outcome, printed)) = decode_node("requests-twenty-twenty-4000.csv") else { return };
    assert_eq!(printed, ["791.3024", "10.7890", "19.9283"]);
    assert_eq!((outcome.batches.len(), outcome.requests.len(), outcome.admissions), (2426, 4000, 4000));
}

#[test]
fn a_decode_node_collapses_as_recorded() {
    let Some((outcome, printed)) = decode_node("requests-twenty-twenty-40000.csv") else { return };
    assert_eq!(printed, ["9638.5185", "716.4070", "7702.2037"]);
    assert_eq!((outcome.batches.len(), outcome.requests.len(), outcome.admissions), (5523, 40_000, 72_037));
}

/// Little's law to the attosecond, every cap in every batch, and everybody accounted for, under every combination of rules.
#[test]
fn every_rule_keeps_the_laws_of_the_house() {
    let mut finished = 0;
    for seed in 0..3000 {
        let traffic = if seed % 3 == 0 { Traffic::Classes } else { Traffic::Trace };
        let case = case(seed, traffic, Family::ALL);
        let rules = Rules::of(&case.scenario);
        let about = format!("case {seed} is {:#?}", case.scenario);
        let outcome = serve(rules.clone(), case.requests, case.options.horizon.0, case.options.limit.0);
        let came = |request: &&Request| request.arrival <= outcome.end && !request.rejected;
        let sojourn = |request: &Request| request.completed.unwrap_or(outcome.end) - request.arrival;
        let sojourns: i128 = outcome.requests.iter().filter(came).map(sojourn).sum();
        assert_eq!(outcome.areas[..3].iter().sum::<i128>(), sojourns, "{about}");
        let time: i128 = outcome.batches.iter().map(|batch| batch.duration).sum();
        assert_eq!(time, outcome.busy, "{about}");
        assert!(outcome.batches.windows(2).all(|pair| pair[0].start + pair[0].duration <= pair[1].start), "{about}");
        for batch in &outcome.batches {
            assert_caps(&rules, batch, &about);
        }
        finished += u64::from(outcome.requests.iter().all(|request| request.completed.is_some() || request.rejected));
    }
    assert!(finished > 1500, "{finished}");
}

fn assert_caps(rules: &Rules, batch: &Batch, about: &str) {
    let (tokens, sequences) = (batch.decodes + batch.prompt_tokens, batch.decodes);
    assert!(tokens > 0 && batch.duration > 0, "{about}: {batch:?}");
    assert!(tokens <= rules.token_budget(), "{about}: {batch:?}");
    assert!(rules.memory.is_none_or(|memory| batch.kv <= memory), "{about}: {batch:?}");
    match rules.batch.sequence_limit {
        SequenceLimit::Residents => assert!(batch.running <= rules.sequences, "{about}: {batch:?}"),
        SequenceLimit::Batch => assert!(sequences <= rules.sequences, "{about}: {batch:?}"),
    }
    if rules.batch.mixing == Mixing::Exclusive {
        assert!(batch.decodes == 0 || batch.prompt_tokens == 0, "{about}: {batch:?}");
    }
}
