//! Random small scenarios: the engine, leaping and not, against the naive reference, bit for bit.

use fluidsim::des::{Options, Run, Work, simulate_observed};

use super::Watcher;
use super::random::{Case, Family, Traffic, case};
use super::reference::{Outcome, Rules, serve};

/// The families of rules that the engine knows. All are `Family::ALL`.
fn enabled() -> Vec<Family> {
    std::env::var("FAMILIES").map_or(Vec::new(), |t| t.bytes().map(|b| Family::ALL[(b - b'0') as usize]).collect())
}

const CASES: u64 = 6000;
const CASES_OF_CLASSES: u64 = 2000;

/// The run with its requests in order of arrival.
fn run(case: &Case, leap: bool) -> (Run, Watcher) {
    let mut watcher = Watcher { wants_steps: !leap, ..Watcher::default() };
    let options = Options { leap, ..case.options.clone() };
    let run = simulate_observed(&case.scenario, &options, &mut watcher);
    watcher.requests.sort_by_key(|request| request.id);
    (run, watcher)
}

fn reference(case: &Case) -> Outcome {
    let Options { horizon, limit, .. } = case.options;
    serve(Rules::of(&case.scenario), case.requests.clone(), horizon.0, limit.0)
}

fn assert_same(about: &str, run: &Run, watcher: &Watcher, outcome: &Outcome) {
    let arrived = run.totals.arrived as usize;
    assert_eq!(watcher.requests.len(), arrived, "{about}: every request is reported once");
    assert!(outcome.requests[arrived..].iter().all(|request| request.arrival > run.end.0), "{about}: arrived");
    for (engine, reference) in watcher.requests.iter().zip(&outcome.requests) {
        let what = (engine.arrival.0, usize::from(engine.class), engine.prompt, engine.output);
        assert_eq!(what, (reference.arrival, reference.class, reference.prompt, reference.output), "{about}");
        let times = [engine.admitted, engine.first_token, engine.completed].map(|time| time.map(|time| time.0));
        let expected = [reference.admitted, reference.first_token, reference.completed];
        assert_eq!(times, expected, "{about}, request {}: admitted, first token, completed", engine.id);
        let counts = (engine.preemptions, engine.rejected.is_some());
        assert_eq!(counts, (reference.preemptions, reference.rejected), "{about}, request {}", engine.id);
    }
    let totals = &run.totals;
    assert_eq!(totals.steps, outcome.batches.len() as u64, "{about}: iterations");
    let sums = (totals.tokens, totals.busy, totals.preemptions);
    assert_eq!(sums, (outcome.tokens, outcome.busy, outcome.preemptions), "{about}: tokens, busy, preemptions");
    let areas = [totals.waiting, totals.running, totals.swapped, totals.kv];
    assert_eq!(areas, outcome.areas, "{about}: areas of waiting, running, preempted, KV");
    assert_eq!(run.end.0, outcome.end, "{about}: end");
}

/// Iteration by iteration, so that the first difference is seen.
fn assert_same_steps(about: &str, watcher: &Watcher, outcome: &Outcome) {
    for (step, batch) in watcher.steps.iter().zip(&outcome.batches) {
        let taken = (step.start.0, step.duration.0, step.decodes, step.prefill_tokens, step.running, step.kv_tokens);
        let expected = (batch.start, batch.duration, batch.decodes, batch.prompt_tokens, batch.running, batch.kv);
        assert_eq!(taken, expected, "{about}, iteration {}: start, τ, decodes, prompts, running, KV", step.step);
    }
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

fn compare(cases: u64, traffic: Traffic) -> Coverage {
    let mut seen = Coverage::default();
    for seed in 0..cases {
        let case = case(seed, traffic, &enabled());
        let about = format!("case {seed}");
        let outcome = reference(&case);
        let result = std::panic::catch_unwind(|| {
            let (stepping, of_stepping) = run(&case, false);
            assert_same_steps(&about, &of_stepping, &outcome);
            assert_same(&about, &stepping, &of_stepping, &outcome);
            let (leaping, of_leaping) = run(&case, true);
            assert_same(&about, &leaping, &of_leaping, &outcome);
            assert_eq!(
                Run { work: Work::default(), ..leaping.clone() },
                Run { work: Work::default(), ..stepping.clone() },
                "{about}"
            );
            (leaping, stepping)
        });
        let Ok((leaping, stepping)) = result else { panic!("{about} is {:#?}", case.scenario) };
        seen.preempted += u64::from(leaping.totals.preemptions > 0);
        seen.preempted_twice += u64::from(outcome.requests.iter().any(|request| request.preemptions > 1));
        seen.rejected += u64::from(leaping.totals.rejected > 0);
        seen.leapt += u64::from(leaping.work.leaps < stepping.work.leaps);
        seen.cut_short += u64::from(leaping.in_system > 0);
    }
    seen
}

#[test]
fn engine_is_the_reference_bit_for_bit() {
    let seen = compare(CASES, Traffic::Trace);
    let least = [seen.preempted, seen.preempted_twice, seen.rejected, seen.leapt, seen.cut_short].into_iter().min();
    assert!(least >= Some(CASES / 40), "{seen:?}");
}

#[test]
fn engine_is_the_reference_with_classes() {
    let seen = compare(CASES_OF_CLASSES, Traffic::Classes);
    let least = [seen.preempted, seen.preempted_twice, seen.leapt].into_iter().min();
    assert!(least >= Some(CASES_OF_CLASSES / 40), "{seen:?}");
}
