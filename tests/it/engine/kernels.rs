//! Kernel tables and victims that find their blocks again: leaping changes no bit.

use std::path::Path;

use fluidsim::des::{Options, Run, Work, simulate_observed};
use fluidsim::scenario::{
    Admission, Engine, LengthLaw, Policy, Preemption, Scenario, Sight, StepNoise, StepTimeLaw, Tables, Time,
};

use super::Watcher;
use super::notes::scenario;

fn law() -> StepTimeLaw {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/runs/made-up/kernels");
    let mut law = StepTimeLaw::Kernels {
        folder: folder.to_str().unwrap().into(),
        layers: Some(4),
        host_s: 1e-4,
        graph_tokens: vec![1, 2, 4, 8, 16],
        tables: Tables::default(),
    };
    law.read_tables().unwrap();
    law
}

/// A small system that runs out of memory now and then.
fn case(seed: u64) -> Scenario {
    let (prompt, output) = (LengthLaw::Uniform { min: 10, max: 200 }, LengthLaw::Geometric { mean: 40.0 });
    let mut scenario = scenario(prompt, output, 4.0 + (seed % 5) as f64, 4 + seed % 13, law());
    let admission = if seed % 4 == 3 { Admission::Watermark } else { Admission::Greedy };
    scenario.policy = Policy::of(Engine::VllmV1, admission, Preemption::Recompute);
    scenario.policy.watermark_share = (admission == Admission::Watermark).then_some(0.05);
    scenario.policy.victims_stay_cached = seed.is_multiple_of(2);
    scenario.policy.arrivals_seen = seed.is_multiple_of(3).then_some(Sight::OneStepLate);
    scenario.instance.max_batch_tokens = Some(32 + 16 * (seed % 7));
    scenario.instance.block_tokens = [1, 5, 16][(seed % 3) as usize];
    scenario.instance.kv_tokens = Some(500 + 11 * seed);
    scenario
}

fn run(scenario: &Scenario, seed: u64, leap: bool) -> (Run, Watcher) {
    let mut watcher = Watcher::default();
    let options = Options { seed, leap, ..Options::until(Time::from_seconds(5.0), Time::from_seconds(60.0)) };
    let run = simulate_observed(scenario, &options, &mut watcher);
    // Those who end together may be told in any order.
    watcher.requests.sort_by_key(|request| request.id);
    (run, watcher)
}

#[test]
fn leaping_through_kernel_tables_changes_no_bit() {
    let (mut preempted, mut found, mut leapt) = (0, 0, 0);
    for seed in 0..40 {
        let scenario = case(seed);
        scenario.validate().unwrap();
        let (stepping, of_stepping) = run(&scenario, seed, false);
        let (leaping, of_leaping) = run(&scenario, seed, true);
        assert_eq!(of_stepping.requests, of_leaping.requests, "case {seed}");
        leapt += stepping.work.leaps - leaping.work.leaps;
        preempted += leaping.totals.preemptions;
        found += leaping.totals.cached_tokens;
        assert_eq!(Run { work: Work::default(), ..stepping }, Run { work: Work::default(), ..leaping }, "case {seed}");
    }
    assert!(preempted > 100 && found > 1000 && leapt > 10_000, "{preempted} {found} {leapt}");
}

/// Victims that find something again do less twice, and what they are spared is what they found.
#[test]
fn found_blocks_are_not_processed_again() {
    let mut with = case(2);
    with.policy.victims_stay_cached = true;
    let mut without = with.clone();
    without.policy.victims_stay_cached = false;
    let [with, without] = [with, without].map(|scenario| run(&scenario, 2, true).0.totals);
    assert!(with.cached_tokens > 0 && without.cached_tokens == 0);
    assert!(with.wasted_tokens < without.wasted_tokens, "{} {}", with.wasted_tokens, without.wasted_tokens);
}

/// One request at a time, so that noise changes no batch: then the mean iteration is that of the law. About 9000 iterations, whose coefficient of
/// variation is below 1: four standard errors are 4 %.
#[test]
fn noise_lies_around_kernel_tables_as_around_any_law() {
    let mean_step = |noise: StepNoise, cv: Option<f64>| {
        let mut scenario = case(1);
        scenario.instance.max_sequences = 1;
        scenario.instance.kv_tokens = Some(5000);
        (scenario.step_noise, scenario.step_noise_cv) = (noise, cv);
        scenario.validate().unwrap();
        let options = Options { seed: 3, backlog: 200, ..Options::until(Time::ZERO, Time::from_seconds(60.0)) };
        let totals = simulate_observed(&scenario, &options, &mut Watcher::default()).totals;
        assert!(totals.steps > 6000, "{}", totals.steps);
        Time(totals.busy).seconds() / totals.steps as f64
    };
    let plain = mean_step(StepNoise::None, None);
    assert!((mean_step(StepNoise::Gamma, Some(0.01)) / plain - 1.0).abs() < 1e-3);
    for (noise, cv) in
        [(StepNoise::Gamma, Some(0.5)), (StepNoise::Exponential, None), (StepNoise::ExponentialCoefficients, None)]
    {
        let found = mean_step(noise, cv);
        assert!((found / plain - 1.0).abs() < 0.04, "{noise:?}: {found} {plain}");
    }
}
