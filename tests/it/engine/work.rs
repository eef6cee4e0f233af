//! What the engine does to get its answers, counted: a slow-down shows here without a clock. Whoever changes a number on purpose
//! writes the new one down.

use fluidsim::des::{Feed, Options, Work, simulate};
use fluidsim::scenario::{Admission, Engine, Order, Policy, Preemption, Scenario, StepTimeLaw, Time};

use super::notes::laws::{Setting, af, affine, constant, d2, geometric, uniform};

fn policy(engine: Engine) -> Policy {
    Policy::of(engine, Admission::Greedy, Preemption::None)
}

fn limited(mut scenario: Scenario, kv_tokens: u64, preemption: Preemption) -> Scenario {
    scenario.instance.kv_tokens = Some(kv_tokens);
    scenario.policy.preemption = preemption;
    scenario
}

fn at(rate: f64, mut scenario: Scenario) -> Scenario {
    scenario.workload.rate_per_s = Some(rate);
    scenario
}

/// 500 seconds, as every case.
fn work(scenario: &Scenario, feed: Feed) -> (u64, Work) {
    scenario.validate().unwrap();
    let end = Time::from_decimal(500.0);
    let run = simulate(scenario, &Options { feed, limit: end, ..Options::until(Time::ZERO, end) });
    assert!(run.totals.completed > 300);
    (run.totals.steps, run.work)
}

#[track_caller]
fn assert_work(found: (u64, Work), steps: u64, leaps: u64, heap: u64, looks: u64) {
    assert_eq!(found, (steps, Work { leaps, heap, looks }));
}

#[test]
fn chunked_prompts_beside_long_outputs() {
    let law = StepTimeLaw::AffineContext { base_s: 0.02, per_token_s: 1e-4, per_context_token_s: 1e-7 };
    let setting = Setting::new(geometric(512.0), geometric(512.0), law);
    let found = work(&at(4.0, setting.under(policy(Engine::VllmV1), 256, Some(512))), Feed::Open);
    assert_work(found, 9427, 5153, 3989, 2063);
}

#[test]
fn memory_with_recompute() {
    let setting = Setting::new(constant(100), geometric(100.0), affine(0.02, 2e-5));
    let scenario = limited(setting.under(policy(Engine::VllmV1), 1000, None), 20_000, Preemption::Recompute);
    assert_work(work(&scenario, Feed::Saturated), 20216, 20039, 54492, 47633);
}

#[test]
fn fixed_batches() {
    let scenario = af().under(policy(Engine::Static), 64, Some(2048));
    assert_work(work(&scenario, Feed::Saturated), 19399, 2323, 4476, 4569);
}

#[test]
fn exclusive_prompts_first() {
    let scenario = at(10.0, af().under(policy(Engine::VllmV0), 128, Some(2048)));
    assert_work(work(&scenario, Feed::Open), 12294, 10071, 10133, 5102);
}

#[test]
fn prompts_that_use_up_the_budget() {
    let scenario = af().under(policy(Engine::Orca), 300, Some(256));
    assert_work(work(&scenario, Feed::Saturated), 5956, 5956, 1525471, 13669);
}

#[test]
fn split_batches() {
    let scenario = at(7.0, d2().under(policy(Engine::Hybrid), 1000, Some(2048)));
    assert_work(work(&scenario, Feed::Open), 3143, 2861, 6904, 3566);
}

#[test]
fn a_decode_node_in_its_cycle() {
    let law = StepTimeLaw::AffineContext { base_s: 0.003, per_token_s: 0.0, per_context_token_s: 0.00032 };
    let setting = Setting::new(constant(20), constant(20), law);
    let scenario = setting.silent().under(policy(Engine::DecodeNode), 10_000, Some(10_000));
    assert_work(work(&limited(scenario, 10_000, Preemption::Restart), Feed::Saturated), 157, 157, 7721, 4275);
}

#[test]
fn shortest_remaining_first() {
    let mut scenario = at(
        12.0,
        Setting::new(uniform(50, 150), geometric(100.0), affine(0.02, 2.5e-4)).under(
            policy(Engine::VllmV1),
            64,
            Some(512),
        ),
    );
    scenario.policy.order = Order::Srpt;
    assert_work(work(&scenario, Feed::Open), 9872, 7173, 12025, 11564);
}
