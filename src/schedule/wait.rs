//! Thresholds of WAIT and Nested WAIT (Ao et al. 2025, arXiv 2504.11320), computed from the scenario where they are not given.
//!
//! At the fluid equilibrium λ_j τ requests of class j arrive per iteration, so that as many stand at every stage. The threshold is that
//! number, rounded up; with it at most n_j requests of a class stand at a stage, and memory is bounded by Σ n_j g_j.

use crate::cost::mean_step_s;
use crate::scenario::{Admission, Moments, Scenario};

/// The thresholds (by class, or by segment) and the output tokens at which segments end.
pub fn thresholds(scenario: &Scenario) -> (Vec<i64>, Vec<i64>) {
    let policy = &scenario.policy;
    let given: Vec<i64> = policy.wait_thresholds.iter().map(|&number| number as i64).collect();
    let rates = scenario.workload.class_rates();
    if policy.admission == Admission::Wait {
        let tau = equilibrium_step_s(scenario);
        let computed = rates.iter().map(|rate| per_step(rate * tau)).collect();
        return (if given.is_empty() { computed } else { given }, Vec::new());
    }
    let moments = Moments::of(scenario);
    let mut segments: Vec<i64> = policy.wait_segments.iter().map(|&end| end as i64).collect();
    if segments.is_empty() && given.is_empty() {
        segments = [0.25, 0.5, 0.75].iter().map(|&share| output_quantile(&moments, share)).collect();
        segments.dedup();
    }
    if !given.is_empty() {
        return (given, segments);
    }
    let tau = equilibrium_step_s(scenario);
    let rate: f64 = rates.iter().sum();
    let reaches = |tokens: i64| survival(&moments, tokens as usize);
    let computed = std::iter::once(1.0)
        .chain(segments.iter().map(|&end| reaches(end)))
        .map(|share| per_step(rate * tau * share))
        .collect();
    (computed, segments)
}

fn per_step(requests: f64) -> i64 {
    (requests.ceil() as i64).max(1)
}

/// τ at which the iteration takes as long as its own arrivals make it: a fixed point from below, at most the time of an iteration over a
/// full budget or memory.
fn equilibrium_step_s(scenario: &Scenario) -> f64 {
    let moments = Moments::of(scenario);
    let rate = scenario.workload.rate();
    let most_tokens = scenario.instance.max_batch_tokens.map_or(f64::INFINITY, |tokens| tokens as f64);
    let most_context = scenario.instance.kv_tokens.map_or(f64::INFINITY, |tokens| tokens as f64);
    let mut tau = 0.0;
    for _ in 0..200 {
        let tokens = (rate * tau * moments.work_mean()).clamp(1.0, most_tokens);
        let context = (rate * tau * moments.held_mean()).min(most_context);
        let next = mean_step_s(&scenario.step_time, tokens, context).min(60.0);
        if (next - tau).abs() <= 1e-12 * next {
            break;
        }
        tau = next;
    }
    tau
}

/// The smallest number of output tokens that at most `1 − share` of the requests exceed.
fn output_quantile(moments: &Moments, share: f64) -> i64 {
    let mut tokens = 1;
    while survival(moments, tokens) > 1.0 - share && tokens < 1 << 24 {
        tokens += 1;
    }
    tokens as i64
}

fn survival(moments: &Moments, tokens: usize) -> f64 {
    moments.output_survival.get(tokens).copied().unwrap_or(0.0)
}
