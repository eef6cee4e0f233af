//! Latencies below saturation: latency-law.md, §6.

use fluidsim::des::Feed;
use fluidsim::scenario::{LengthLaw, Scenario, StepTimeLaw};

use super::super::notes::laws::{geometric, uniform};
use super::super::notes::scenario;
use super::{assert_same, e2e, each, measure, running, ttft};

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
