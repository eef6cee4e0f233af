//! What the order of the queue and a late sight of arrivals do to a summary below λ*, whatever forms the iterations.

use super::load::Load;
use super::rules::is_sorted;
use crate::answer::{Figure, Latency, Method, Summary};
use crate::scenario::Sight;

/// Waits up to this share of a latency leave its mean as it is in any order.
const TTFT_SHARE: f64 = 0.03;
const E2E_SHARE: f64 = 0.01;

/// The summary of first come, first served, seen one iteration late where the scenario says so, without the figures that the
/// order of the queue moves.
pub(super) fn adjusted(load: &Load, mut summary: Summary) -> Summary {
    if load.scenario.policy.sight() == Sight::OneStepLate {
        see_late(load, &mut summary);
    }
    if is_sorted(load) {
        keep_what_holds(load, &mut summary);
    }
    summary
}

/// Arrivals join one iteration later: everything before the first token takes one more.
fn see_late(load: &Load, summary: &mut Summary) {
    let step = summary.step_s.map_or(0.0, |figure| figure.value);
    let later = |figure: Figure| Figure::of(figure.value + step, Method::Approximation);
    let shift = |latency: Latency| Latency {
        mean: later(latency.mean),
        p50: later(latency.p50),
        p95: later(latency.p95),
        p99: later(latency.p99),
    };
    summary.ttft_s = summary.ttft_s.map(shift);
    summary.e2e_s = summary.e2e_s.map(shift);
    let more = load.served_per_s * step;
    summary.waiting = summary.waiting.map(|figure| Figure::of(figure.value + more, Method::Approximation));
}

/// Drops the latencies in which the wait for admission counts: their means depend on who goes first.
fn keep_what_holds(load: &Load, summary: &mut Summary) {
    let rate = load.served_per_s;
    let step = summary.step_s.map_or(0.0, |figure| figure.value);
    let beyond = summary.waiting.map_or(0.0, |figure| figure.value / rate - step).max(0.0);
    let counts = |latency: Option<Latency>, share: f64| latency.is_some_and(|found| beyond > share * found.mean.value);
    if counts(summary.ttft_s, TTFT_SHARE) {
        summary.ttft_s = None;
        summary.waiting = None;
        summary.swapped = None;
        summary.preemptions_per_request = None;
    }
    if counts(summary.e2e_s, E2E_SHARE) {
        summary.e2e_s = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::solve;
    use crate::fluid::testing::{chat, geometric, scenario, with_context, with_memory};
    use crate::scenario::Order;
    use approx::assert_relative_eq;

    #[test]
    fn late_sight_adds_one_iteration() {
        let plain = solve(&chat(2.0)).summary;
        let mut question = chat(2.0);
        question.policy.arrivals_seen = Some(Sight::OneStepLate);
        let late = solve(&question).summary;
        let step = plain.step_s.unwrap().value;
        for (after, before) in [(late.ttft_s, plain.ttft_s), (late.e2e_s, plain.e2e_s)] {
            assert_relative_eq!(after.unwrap().mean.value, before.unwrap().mean.value + step, max_relative = 1e-12);
            assert_relative_eq!(after.unwrap().p95.value, before.unwrap().p95.value + step, max_relative = 1e-12);
        }
    }

    /// Waits are hidden where they count, and only there.
    #[test]
    fn sorted_queues_hide_what_they_move() {
        let base = scenario(1.0, geometric(100.0), geometric(100.0), with_context(0.02, 2e-5, 1e-7), 100_000);
        let mut question = with_memory(base, 20_000, Some(0.0));
        question.policy.order = Order::Srpt;
        let top = solve(&question).boundary.low_per_s;
        for (load, hidden) in [(0.5, false), (0.97, true)] {
            question.workload.rate_per_s = Some(load * top);
            let found = solve(&question);
            assert_eq!(found.summary.ttft_s.is_none(), hidden);
            assert!(
                found.summary.running.is_some() && found.notes.iter().any(|note| note.contains("order of the queue"))
            );
        }
    }
}
