//! Queues and batches with known values: M/G/1, M/M/1 and oracles S6 (collapse), S9, S10.

use fluidsim::des::{Feed, Options, Window, simulate};
use fluidsim::scenario::{Admission, Engine, Policy, Preemption, Prompts, Scenario, StepNoise, StepTimeLaw, Time};

use super::super::notes::laws::{Setting, affine, constant, geometric, hinge};
use super::super::notes::scenario;
use super::{assert_same, e2e, each, measure, running, throughput, ttft};

/// Oracle S9: run to completion with random coefficients is M/G/1; Pollaczek–Khinchine.
#[test]
fn random_steps_one_at_a_time_are_mg1() {
    let law = StepTimeLaw::Affine { base_s: 0.01, per_token_s: 0.001 };
    let mut scenario = scenario(constant(128), constant(65), 0.5, 1, law);
    scenario.policy.engine = Engine::RunToCompletion;
    scenario.step_noise = StepNoise::ExponentialCoefficients;
    for (rate, wait, first_token, resolution) in [(0.5, 0.31602, 0.45402, 0.1), (1.0, 2.31618, 2.45418, 0.25)] {
        scenario.workload.rate_per_s = Some(rate);
        let runs = measure(&scenario, Feed::Open, 200.0, 5000.0 / rate);
        assert_same("TTFT", &each(&runs, ttft), first_token, 0.0, resolution);
        assert_same("E2E", &each(&runs, e2e), wait + 0.842, 0.0, resolution);
    }
    let runs = measure(&scenario, Feed::Saturated, 10.0, 4000.0);
    assert_same("λ*", &each(&runs, throughput), 1.0 / 0.842, 0.0, 0.005);
}

/// Oracle S9: K/(c + aK(s + o)) charges c once per batch of whole requests. That is what iterations of K prompts of s + o tokens with one
/// output token take; K requests with 64 decodes each take 65 iterations, and the oracle's K = 1 is 4.95 against 1.19 a second.
#[test]
fn batches_of_prompts_with_random_steps() {
    for (sequences, published) in [(1, 4.9505), (2, 5.0761), (4, 5.1414), (8, 5.1746), (16, 5.1914)] {
        let mut scenario = scenario(constant(192), constant(1), 1.0, sequences, affine(0.01, 0.001));
        scenario.policy.engine = Engine::VllmV0;
        scenario.step_noise = StepNoise::ExponentialCoefficients;
        let runs = measure(&scenario, Feed::Saturated, 0.0, 10_000.0 * sequences as f64 / published);
        assert_same(&format!("K = {sequences}"), &each(&runs, throughput), published, 0.00005, 0.015);
    }
}

fn classic(engine: Engine, sequences: u64, budget: Option<u64>) -> Scenario {
    let setting = Setting::new(constant(100), geometric(50.0), affine(1.0, 0.01));
    let setting = if engine == Engine::Static { setting.silent() } else { setting };
    setting.under(Policy::of(engine, Admission::Greedy, Preemption::None), sequences, budget)
}

/// Oracle S10, the formulas, which are exact: E[n]/(E S + E Δ), and K or B over the work of a request. Of the simulated figures, all
/// of one run, .053711 ± .0003 is 0.6 % from its formula and from the engine, the others 0.1 %.
#[test]
fn classics_of_batching() {
    for (scenario, requests, value) in [
        (classic(Engine::Static, 8, None), 4000.0, 0.054043),
        (classic(Engine::Static, 32, None), 8000.0, 0.127801),
        (classic(Engine::Sarathi, 64, None), 8000.0, 0.440286),
        (classic(Engine::Sarathi, 100_000, Some(96)), 8000.0, 0.328722),
        (classic(Engine::Sarathi, 100_000, Some(512)), 8000.0, 0.561481),
    ] {
        let runs = measure(&scenario, Feed::Saturated, 1000.0 / value, requests / value);
        assert_same(&format!("{value}"), &each(&runs, throughput), value, 0.0, 0.02);
    }
}

/// Oracle S6: with c < a b0 the throughput of decodes falls beyond b0. 88 of them do .08 per ms, and more do less.
fn bent(backlog: u64) -> Vec<(f64, f64)> {
    let mut scenario = scenario(constant(1), geometric(50.0), 80.0, 100_000, hinge(0.01, 0.0005, 64));
    scenario.instance.max_batch_tokens = Some(2048);
    scenario.policy.batching.prompts = Some(Prompts::Present);
    let options = Options::until(Time::from_decimal(300.0), Time::from_decimal(600.0));
    let run = |trial| {
        let run = simulate(&scenario, &Options { backlog, trial, limit: options.horizon, ..options.clone() });
        (running(&run.windows[0]), throughput(&run.windows[0]))
    };
    (0..10).map(run).collect()
}

#[test]
fn a_bent_law_is_stable_from_empty_and_collapses_from_many() {
    let stable = bent(0);
    let residents: Vec<f64> = stable.iter().map(|run| run.0).collect();
    assert!((residents.iter().sum::<f64>() / 10.0 / 39.6 - 1.0).abs() < 0.02, "{residents:?}");
    let collapsed = bent(150);
    assert!(collapsed.iter().all(|run| (run.1 / 41.0 - 1.0).abs() < 0.03), "{collapsed:?}");
}

/// Oracle C1: M/M/1 with μ = 1 against L = ρ/(1 − ρ), W = 1/(1 − ρ) and the percentiles −ln(1 − p) W.
#[test]
fn exponential_steps_are_mm1() {
    let law = StepTimeLaw::Affine { base_s: 1.0, per_token_s: 0.0 };
    let mut scenario = scenario(constant(1), constant(1), 1.0, 1, law);
    scenario.policy.engine = Engine::RunToCompletion;
    scenario.step_noise = StepNoise::Exponential;
    let in_system =
        |window: &Window| (window.totals.running + window.totals.waiting) as f64 / (window.end - window.start).0 as f64;
    let quantile = |p: f64| move |window: &Window| window.e2e.quantile(p).unwrap() * 1e-18;
    for rho in [0.3, 0.5, 0.8] {
        scenario.workload.rate_per_s = Some(rho);
        let runs = measure(&scenario, Feed::Open, 1000.0, 50_000.0 / rho);
        let mean = 1.0 / (1.0 - rho);
        assert_same("in service", &each(&runs, running), rho, 0.0, 0.01);
        assert_same("in system", &each(&runs, in_system), rho * mean, 0.0, 0.05);
        assert_same("sojourn", &each(&runs, e2e), mean, 0.0, 0.05);
        assert_same("p95 of sojourn", &each(&runs, quantile(0.95)), 20f64.ln() * mean, 0.0, 0.06);
        assert_same("p99 of sojourn", &each(&runs, quantile(0.99)), 100f64.ln() * mean, 0.0, 0.1);
    }
}
