//! Published sample paths, to the last digit: oracles S1, S2, S5, S6, S7. S8 is in `des::pool`.

use fluidsim::des::{Event, EventKind, Feed, Observer, Options, Run, StepRecord, simulate, simulate_observed};
use fluidsim::scenario::{
    Admission, ArrivalLaw, Class, Engine, Preemption, Prompts, Scenario, StepTimeLaw, Time, Victim,
};

use super::super::Watcher;
use super::super::notes::laws::constant;
use super::super::oracle_reference::unit_steps;
use super::{assert_same, each, measure, replayed};
use crate::run::shared;

fn until(seconds: f64) -> Options {
    Options::until(Time::ZERO, Time::from_decimal(seconds))
}

/// Oracle S1: A, B, C have 2, 4, 3 tokens to go when batch 1 begins, after a batch of their prompts; D and E come during it.
#[test]
fn engines_take_the_published_numbers_of_batches() {
    let requests = [(0.0, 3), (0.0, 5), (0.0, 4), (1.5, 2), (1.5, 2)];
    for (engine, budget, batches) in
        [(Engine::VllmV0, 4, 5), (Engine::Orca, 5, 4), (Engine::Static, 4, 6), (Engine::Sarathi, 4, 4)]
    {
        let mut scenario = unit_steps(engine);
        scenario.instance.max_batch_tokens = Some(budget);
        let scenario = replayed(scenario, requests.map(|(arrival, output)| (Time::from_decimal(arrival), 1, output)));
        let run = simulate(&scenario, &until(100.0));
        assert_eq!((run.totals.steps - 1, run.totals.completed), (batches, 5), "{engine:?}");
    }
}

/// Oracle S2: Dai et al. (arXiv 2504.07347), section 6: one request every ten 46.75 ms steps, exactly as much as a batch of 128
/// can do.
fn staircase(engine: Engine, budget: u64) -> Scenario {
    let mut scenario = unit_steps(engine);
    scenario.step_time = StepTimeLaw::Staircase { base_s: 0.01128, per_stair_s: 0.03547, stair_tokens: 128 };
    scenario.workload.class = vec![Class::new("only", constant(290), constant(991))];
    scenario.workload.rate_per_s = Some(1.0 / 0.4675);
    scenario.workload.arrivals = ArrivalLaw::Deterministic {};
    scenario.instance.max_sequences = 100;
    scenario.instance.max_batch_tokens = Some(budget);
    scenario
}

fn steps(scenario: &Scenario, seconds: f64) -> Vec<StepRecord> {
    let mut watcher = Watcher::of_steps();
    let options = until(seconds);
    simulate_observed(scenario, &Options { limit: options.horizon, ..options }, &mut watcher);
    watcher.steps
}

/// Tokens that have arrived and are unprocessed at the beginning of each iteration; a request processes 290 + 990.
fn outstanding(steps: &[StepRecord]) -> Vec<i64> {
    let mut processed = 0;
    let mut work = Vec::new();
    for step in steps {
        let arrived = (step.start.seconds() / 0.4675 + 1e-9).floor() as i64;
        work.push(arrived * 1280 - processed);
        processed += step.decodes + step.prefill_tokens;
    }
    work
}

#[test]
fn small_budget_locks_in_at_the_vertex() {
    let steps = steps(&staircase(Engine::Sarathi, 128), 140.0);
    let settled = steps.iter().rposition(|step| (step.prefill_tokens, step.decodes) != (29, 99)).unwrap() + 1;
    assert!(steps[settled].start < Time::from_decimal(100.0), "settles at {}", steps[settled].start.seconds());
    assert!(steps[settled..].iter().all(|step| step.duration == Time::from_decimal(0.04675)));
    assert!(outstanding(&steps).into_iter().all(|work| work <= 165_120));
}

/// With 1024 tokens whole prompts beside the decodes make batches of four stairs, and the work piles up without end; so it does at
/// 128 when prompts go first, in parts.
#[test]
fn large_budget_or_prompts_first_diverge() {
    let mut prompts_first = staircase(Engine::Orca, 128);
    prompts_first.policy.batching.prompts = Some(Prompts::Chunked);
    for (scenario, least) in [(staircase(Engine::Sarathi, 1024), 60_000), (prompts_first, 40_000)] {
        let work = outstanding(&steps(&scenario, 1400.0));
        let tenths: Vec<i64> = (1..=10).map(|tenth| work[work.len() * tenth / 10 - 1]).collect();
        assert!(tenths.windows(2).all(|pair| pair[1] - pair[0] > least), "{tenths:?}");
    }
}

#[test]
fn prompts_that_no_batch_can_hold_are_rejected() {
    for engine in [Engine::Static, Engine::VllmV0] {
        let run = simulate(&staircase(engine, 128), &until(140.0));
        let Run { totals, .. } = run;
        assert_eq!((totals.rejected, totals.steps), (totals.arrived, 0), "{engine:?}");
        assert!(totals.arrived >= 299);
    }
}

/// Oracle S5: three classes with more requests than 4 per slot.
#[test]
fn a_quota_holds_the_published_peak() {
    let mut scenario = unit_steps(Engine::VllmV1);
    scenario.instance.max_sequences = 10_000;
    scenario.instance.kv_tokens = Some(16_492);
    scenario.policy.admission = Admission::Quota;
    scenario.policy.quota_per_class = Some(4);
    scenario.policy.preemption = Preemption::Recompute;
    scenario.workload.class =
        [("a", 20), ("b", 40), ("c", 60)].map(|(name, output)| Class::new(name, constant(10), constant(output))).into();
    for prompts in [Prompts::Whole, Prompts::Present] {
        scenario.policy.batching.prompts = Some(prompts);
        let mut watcher = Watcher::of_steps();
        let run = simulate_observed(&scenario, &Options { feed: Feed::Saturated, ..until(300.0) }, &mut watcher);
        assert_eq!(watcher.steps.iter().map(|step| step.kv_tokens).max(), Some(16_240));
        assert!(watcher.steps[100..].iter().all(|step| step.kv_tokens == 16_240));
        assert_eq!(run.totals.preemptions, 0);
    }
}

/// Oracle S5: of one class with Poisson(3) arrivals per slot 4 may enter. Those who come during a slot wait 1.5 slots together.
#[test]
fn a_quota_leaves_the_published_queue() {
    let mut scenario = unit_steps(Engine::VllmV1);
    scenario.instance.max_sequences = 10_000;
    scenario.instance.kv_tokens = Some(16_492);
    scenario.policy.admission = Admission::Quota;
    scenario.policy.quota_per_class = Some(4);
    scenario.policy.preemption = Preemption::Recompute;
    scenario.policy.batching.prompts = Some(Prompts::Present);
    scenario.workload.class = vec![Class::new("only", constant(10), constant(20))];
    scenario.workload.rate_per_s = Some(3.0);
    let runs = measure(&scenario, Feed::Open, 100.0, 10_000.0);
    let queue = each(&runs, |window| window.totals.waiting as f64 / (window.end - window.start).0 as f64 - 1.5);
    assert_same("E[Q]", &queue, 0.80088347976, 0.0, 0.05);
}

/// Entries and preemptions at the boundary of every iteration.
#[derive(Debug, Default)]
struct Moves {
    steps: Vec<StepRecord>,
    entered: Vec<i64>,
    evicted: Vec<i64>,
}

impl Observer for Moves {
    fn step(&mut self, step: &StepRecord) {
        self.steps.push(*step);
    }

    fn wants_steps(&self) -> bool {
        true
    }

    fn event(&mut self, event: &Event) {
        let count = match event.kind {
            EventKind::Admission => &mut self.entered,
            EventKind::Restart => &mut self.evicted,
            _ => return,
        };
        let step = event.step as usize;
        if count.len() <= step {
            count.resize(step + 1, 0);
        }
        count[step] += 1;
    }

    fn wants_events(&self) -> bool {
        true
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
        let at = |second: f64, count: usize| vec![(Time::from_decimal(second), 2, 2); count];
        let scenario = replayed(scenario, [at(0.0, 19), at(1.0, 21), at(2.0, 2000)].concat());
        let mut moves = Moves::default();
        simulate_observed(&scenario, &until(100.0), &mut moves);
        let states: Vec<_> = moves.steps[1..]
            .iter()
            .zip(&moves.entered[1..])
            .map(|(step, entered)| [*entered, step.decodes - entered])
            .collect();
        let published = [[21, 19], [18, 21], [22, 18], [17, 22], [24, 17], [14, 24], [28, 14], [9, 28], [34, 9]];
        assert_eq!(states[..9], published);
        assert_eq!(states[9..16], [[1, 34], [45, 1], [0, 35], [46, 0], [0, 35], [46, 0], [0, 35]]);
        let evicted: Vec<_> = moves.evicted.iter().filter(|&&count| count > 0).collect();
        assert_eq!(evicted[..4], [&10, &11, &11, &11]);
    }
}

/// Oracle S7: everything that is printed of one file: end time, mean and greatest delay; steps, completed, admissions.
fn decode_node(file: &str) -> Option<([String; 3], [u64; 3])> {
    let text = std::fs::read_to_string(shared()?.join("oracles").join(file)).unwrap();
    let request = |line: &str| {
        let field: Vec<&str> = line.split(',').collect();
        (Time::parse_seconds(field[0]).unwrap(), field[1].parse().unwrap(), field[2].parse().unwrap())
    };
    let mut scenario = unit_steps(Engine::DecodeNode);
    scenario.step_time = StepTimeLaw::AffineContext { base_s: 0.003, per_token_s: 0.0, per_context_token_s: 0.00032 };
    scenario.instance.kv_tokens = Some(10_000);
    scenario.instance.max_batch_tokens = Some(10_000);
    scenario.policy.preemption = Preemption::Restart;
    let requests: Vec<_> = text.lines().skip(1).map(request).collect();
    // A replayed trace begins with its first request.
    let origin = requests[0].0;
    let scenario = replayed(scenario, requests);
    let mut watcher = Watcher::default();
    let run = simulate_observed(&scenario, &Options { leap: true, ..until(20_000.0) }, &mut watcher);
    let delays: Vec<i128> =
        watcher.requests.iter().map(|request| (request.completed.unwrap() - request.arrival).0).collect();
    let mean = delays.iter().sum::<i128>() / delays.len() as i128;
    let printed = [run.last_completion + origin, Time(mean), Time(*delays.iter().max().unwrap())];
    let admissions = run.totals.completed + run.totals.preemptions;
    Some((printed.map(|time| format!("{:.4}", time.seconds())), [run.totals.steps, run.totals.completed, admissions]))
}

#[test]
fn a_decode_node_follows_the_recorded_path() {
    let Some(found) = decode_node("requests-twenty-twenty-4000.csv") else { return };
    assert_eq!(found, (["791.3024", "10.7890", "19.9283"].map(str::to_owned), [2426, 4000, 4000]));
}

#[test]
fn a_decode_node_collapses_as_recorded() {
    let Some(found) = decode_node("requests-twenty-twenty-40000.csv") else { return };
    assert_eq!(found, (["9638.5185", "716.4070", "7702.2037"].map(str::to_owned), [5523, 40_000, 72_037]));
}
