//! WAIT: requests of a class enter together, as many as its threshold, once that many wait. Here residents go on between the batches.
//! Source: Ao et al. 2025, arXiv 2504.11320.
//!
//! At the fluid equilibrium λ_j τ requests of class j arrive per iteration, so that as many stand at every stage. The threshold is that
//! number, rounded up; with it at most n_j requests of a class stand at a stage, and memory is bounded by Σ n_j g_j.

use crate::cost::mean_step_s;
use crate::scenario::{Moments, Scenario};

/// The threshold of each class: given, or computed.
pub fn thresholds(scenario: &Scenario) -> Vec<i64> {
    let given = given(scenario);
    if !given.is_empty() {
        return given;
    }
    let tau = equilibrium_step_s(scenario);
    scenario.workload.class_rates().iter().map(|rate| per_step(rate * tau)).collect()
}

/// How many of each class may enter in an iteration, of those that wait and have never been resident.
pub fn open(thresholds: &[i64], waiting: &[i64]) -> Vec<i64> {
    let allowed = |(&threshold, &waiting): (&i64, &i64)| if waiting >= threshold { threshold } else { 0 };
    thresholds.iter().zip(waiting).map(allowed).collect()
}

pub(super) fn given(scenario: &Scenario) -> Vec<i64> {
    scenario.policy.wait_thresholds.iter().map(|&number| number as i64).collect()
}

pub(super) fn per_step(requests: f64) -> i64 {
    (requests.ceil() as i64).max(1)
}

/// τ at which the iteration takes as long as its own arrivals make it: a fixed point from below, at most the time of an iteration over a
/// full budget or memory.
pub(super) fn equilibrium_step_s(scenario: &Scenario) -> f64 {
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

#[cfg(test)]
mod tests {
    use super::super::super::testing;
    use super::*;
    use crate::scenario::Admission;

    #[test]
    fn a_class_is_open_when_enough_of_it_wait() {
        assert_eq!(open(&[3, 2], &[2, 5]), [0, 2]);
    }

    /// 4 + 1 requests per second of 1 + 1 tokens, 0.5 s per iteration: 2 and 1/2 arrive in each.
    #[test]
    fn thresholds_are_the_arrivals_of_an_iteration() {
        let scenario = testing::two_classes(Admission::Wait);
        assert_eq!(thresholds(&scenario), [2, 1]);
        let mut told = scenario;
        told.policy.wait_thresholds = vec![7, 9];
        assert_eq!(thresholds(&told), [7, 9]);
    }
}
