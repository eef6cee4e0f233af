//! The engine against published figures, and against independent simulators written for the notes that the laws come from.
//!
//! Statistical tests run 20 trials on fixed seeds and ask that the two estimates differ by no more than
//! t₁₉ · √(s.e.² + s.e.'²) at an error rate of 0.001 each; `resolution` is how small a relative error must be to go unnoticed.

use fluidsim::des::{Feed, Options, Run, StepRecord, Window, simulate_observed};
use fluidsim::scenario::{
    Admission, ArrivalLaw, Engine, LengthLaw, Preemption, Scenario, StepNoise, StepTimeLaw, Time,
};
use fluidsim::stats::interval::{normal_z, student_t};
use fluidsim::study::trials;

use super::{Watcher, scenario};

const TRIALS: u64 = 20;
const ERROR_RATE: f64 = 0.001;

fn constant(tokens: u64) -> LengthLaw {
    LengthLaw::Constant { tokens }
}

fn uniform(min: u64, max: u64) -> LengthLaw {
    LengthLaw::Uniform { min, max }
}

fn geometric(mean: f64) -> LengthLaw {
    LengthLaw::Geometric { mean }
}

/// 20 trials, each with `warmup_s` thrown away and `measured_s` kept.
fn measure(scenario: &Scenario, feed: Feed, warmup_s: f64, measured_s: f64) -> Vec<Run> {
    let options = Options::until(Time::from_seconds(warmup_s), Time::from_seconds(warmup_s + measured_s));
    trials::run(scenario, &Options { feed, seed: 7, ..options }, TRIALS, &|| {})
}

/// One estimate per trial.
fn each(runs: &[Run], value: impl Fn(&Window) -> f64) -> Vec<f64> {
    runs.iter().map(|run| value(&run.windows[0])).collect()
}

fn throughput(window: &Window) -> f64 {
    window.totals.completed as f64 / window.seconds()
}

fn running(window: &Window) -> f64 {
    window.totals.running as f64 / (window.end - window.start).0 as f64
}

fn ttft(window: &Window) -> f64 {
    window.ttft.mean().unwrap() * 1e-18
}

fn e2e(window: &Window) -> f64 {
    window.e2e.mean().unwrap() * 1e-18
}

/// The mean of `values` and `published` ± `half_width` (95 %; 0 for an exact value) are estimates of the same number.
#[track_caller]
fn assert_same(what: &str, values: &[f64], published: f64, half_width: f64, resolution: f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n * (n - 1.0));
    let published_variance = (half_width / normal_z(0.95).unwrap()).powi(2);
    let allowed = student_t(1.0 - ERROR_RATE, n - 1.0).unwrap() * (variance + published_variance).sqrt();
    let found = format!("{what}: {mean:.6} against {published} ± {half_width}, allowed ± {allowed:.6}");
    assert!((mean - published).abs() <= allowed, "{found}");
    assert!(allowed <= resolution * published, "the test is too weak to tell: {found}");
}

/// Dai et al. (arXiv 2504.07347), section 6: one request every ten 46.75 ms steps, exactly as much as a batch of 128 can do.
fn staircase(budget: u64, seconds: f64) -> Vec<StepRecord> {
    let law = StepTimeLaw::Staircase { base_s: 0.01128, per_stair_s: 0.03547, stair_tokens: 128 };
    let mut scenario = scenario(constant(290), constant(991), 1.0 / 0.4675, 100, law);
    scenario.workload.arrivals = ArrivalLaw::Deterministic {};
    scenario.instance.max_batch_tokens = Some(budget);
    let horizon = Time::from_decimal(seconds);
    let mut watcher = Watcher::of_steps();
    simulate_observed(&scenario, &Options { limit: horizon, ..Options::until(Time::ZERO, horizon) }, &mut watcher);
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

/// Oracle S2, exact.
#[test]
fn small_budget_locks_in_at_the_vertex() {
    let steps = staircase(128, 140.0);
    let settled = steps.iter().rposition(|step| (step.prefill_tokens, step.decodes) != (29, 99)).unwrap() + 1;
    assert!(steps[settled].start < Time::from_decimal(100.0), "settles at {}", steps[settled].start.seconds());
    assert!(steps[settled..].iter().all(|step| step.duration == Time::from_decimal(0.04675)));
    assert!(outstanding(&steps).into_iter().all(|work| work <= 165_120));
}

/// Oracle S2: the large budget makes 490-token batches of four stairs, and the work piles up.
#[test]
fn large_budget_diverges_where_the_small_one_does_not() {
    let work = outstanding(&staircase(1024, 1400.0));
    assert!(work.last() > Some(&165_120), "{:?}", work.last());
    for k in 0..10 {
        println!("{}", work[work.len() * (k + 1) / 10 - 1]);
    }
    for w in outstanding(&staircase(128, 140.0)).chunks(300) {
        println!("small {}", w[0]);
    }
    let short = outstanding(&staircase(1024, 140.0));
    for k in 0..10 {
        println!("short {}", short[short.len() * (k + 1) / 10 - 1]);
    }
    panic!();
    let thirds: Vec<i64> = (1..=3).map(|third| work[work.len() * third / 3 - 1]).collect();
    assert!(thirds[0] < thirds[1] && thirds[1] < thirds[2], "{thirds:?}");
}

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

fn memory_limited() -> Scenario {
    let law = StepTimeLaw::AffineContext { base_s: 0.02, per_token_s: 2e-5, per_context_token_s: 1e-7 };
    let mut scenario = scenario(constant(100), geometric(100.0), 30.0, 1000, law);
    scenario.instance.kv_tokens = Some(20_000);
    scenario
}

/// memory-law.md, example 1: 12 seeds of 400 000 requests.
#[test]
fn saturated_memory_with_swap() {
    let mut scenario = memory_limited();
    scenario.policy.preemption = Preemption::Swap;
    scenario.policy.swap_s_per_token = Some(0.0);
    let runs = measure(&scenario, Feed::Saturated, 50.0, 500.0);
    assert_same("λ*", &each(&runs, throughput), 38.4136, 0.0494, 0.01);
    let preemptions = |window: &Window| window.totals.preemptions as f64 / window.totals.completed as f64;
    assert_same("preemptions per request", &each(&runs, preemptions), 0.354473, 0.000833, 0.02);
}

#[test]
fn saturated_memory_with_recompute() {
    let mut scenario = memory_limited();
    scenario.policy.preemption = Preemption::Recompute;
    let runs = measure(&scenario, Feed::Saturated, 50.0, 500.0);
    assert_same("λ*", &each(&runs, throughput), 37.3721, 0.0489, 0.01);
}

#[test]
fn saturated_memory_with_reservation() {
    let mut scenario = memory_limited();
    scenario.policy.admission = Admission::Reserve;
    let runs = measure(&scenario, Feed::Saturated, 50.0, 700.0);
    assert_same("λ*", &each(&runs, throughput), 27.7245, 0.0412, 0.01);
}

fn capped(output: LengthLaw, context: f64, rate: f64) -> Scenario {
    let law = StepTimeLaw::AffineContext { base_s: 0.02, per_token_s: 2.5e-4, per_context_token_s: context };
    let prompt = LengthLaw::Lognormal { mean: 120.0, cv: 0.8, max: 100_000 };
    scenario(prompt, output, rate, 64, law)
}

/// latency-law.md §6, A: 12 million requests. Their context is one token less per resident, 0.02 % of the step time, which
/// the tests cannot see. E[N] comes without an interval; Little's law gives it that of E2E.
#[test]
fn latencies_under_a_sequence_cap_with_geometric_outputs() {
    let runs = measure(&capped(geometric(150.0), 2e-7, 7.3), Feed::Open, 400.0, 12_000.0);
    assert_same("TTFT", &each(&runs, ttft), 0.2301, 0.0062, 0.15);
    assert_same("E2E", &each(&runs, e2e), 6.9740, 0.0136, 0.015);
    assert_same("residents", &each(&runs, running), 49.807, 7.3 * 0.0136, 0.015);
}

/// latency-law.md §6, B.
#[test]
fn latencies_under_a_sequence_cap_with_uniform_outputs() {
    let runs = measure(&capped(uniform(75, 225), 0.0, 7.6), Feed::Open, 400.0, 12_000.0);
    assert_same("TTFT", &each(&runs, ttft), 0.1561, 0.0018, 0.08);
    assert_same("E2E", &each(&runs, e2e), 6.3643, 0.0056, 0.01);
    assert_same("residents", &each(&runs, running), 47.730, 7.6 * 0.0056, 0.01);
}

/// policy-laws.md §3, sarathi, rows `af K128 B512` and `ctx K64`. The second counts as context what decoding sequences held
/// before the step; charging every processed token d2 less makes up for all but one token per prompt.
#[test]
fn saturated_throughput_under_a_sequence_cap() {
    let law = StepTimeLaw::Affine { base_s: 0.02, per_token_s: 2.5e-4 };
    let mut affine = scenario(uniform(50, 150), uniform(20, 180), 1.0, 128, law);
    affine.instance.max_batch_tokens = Some(512);
    let runs = measure(&affine, Feed::Saturated, 100.0, 1000.0);
    assert_same("af K128 B512", &each(&runs, throughput), 15.28710, 0.025, 0.005);
    let law = StepTimeLaw::AffineContext { base_s: 0.008, per_token_s: 4.98e-5, per_context_token_s: 2e-7 };
    let mut context = scenario(uniform(100, 1900), uniform(20, 380), 1.0, 64, law);
    context.instance.max_batch_tokens = Some(8192);
    let runs = measure(&context, Feed::Saturated, 100.0, 2000.0);
    assert_same("ctx K64", &each(&runs, throughput), 7.69185, 0.022, 0.008);
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
