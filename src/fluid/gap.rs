//! Why the boundary from empty lies above the one from a backlog, and what the ages do in a full memory.

use super::boundary::Regime;
use super::cycle;
use super::load::Load;
use crate::answer::{Boundary, Limit, Method};
use crate::scenario::{Preemption, StepTimeLaw};

/// Share of λ* from which the cost of preemptions is worth a line.
const WORTH: f64 = 0.002;

/// The reason for the gap, what a full memory loses to preemptions, and the spectral radius where evictions cycle.
pub(super) fn notes(load: &Load, binding: &Regime, boundary: &Boundary) -> Vec<String> {
    let mut notes = Vec::new();
    if boundary.high_per_s > boundary.low_per_s {
        notes.push(reason(load, binding, boundary));
    } else if binding.limit == Limit::KvMemory && binding.calm_per_s > (1.0 + WORTH) * boundary.low_per_s {
        notes.push(waste(load, binding, boundary));
    }
    if binding.limit == Limit::KvMemory {
        notes.extend(ages(load));
    }
    notes
}

fn reason(load: &Load, binding: &Regime, boundary: &Boundary) -> String {
    let share = 100.0 * (boundary.high_per_s / boundary.low_per_s - 1.0);
    if binding.limit == Limit::KvMemory && binding.method == Method::Fluid {
        return format!(
            "Two boundaries, {share:.1} % apart: from a backlog the ages fall into an eviction cycle that completes less; \
             an empty system does not enter it until fluctuations fill the memory"
        );
    }
    let cause = match *load.law() {
        StepTimeLaw::Hinge { base_s, per_token_s, free_tokens } if base_s < per_token_s * free_tokens as f64 => {
            format!(
                " (base {base_s} s is less than per token · free tokens = {:.3} s)",
                per_token_s * free_tokens as f64
            )
        }
        _ => String::new(),
    };
    format!(
        "Two boundaries, {share:.1} % apart: tokens per second b/τ(b) peak before the {} is reached{cause}, so that a backlog makes \
         iterations too large to recover from",
        binding.limit.name()
    )
}

fn waste(load: &Load, binding: &Regime, boundary: &Boundary) -> String {
    let what = match load.scenario.policy.preemption {
        Preemption::Swap => "moving victims",
        _ => "computing victims' tokens again",
    };
    format!(
        "No second boundary: without {what} λ* would be {:.6}, {:.1} % more, but fluctuations of an almost full memory preempt before \
         that",
        binding.calm_per_s,
        100.0 * (binding.calm_per_s / boundary.low_per_s - 1.0)
    )
}

/// The radius, where it says that evictions cycle.
fn ages(load: &Load) -> Option<String> {
    let dropped = match load.scenario.policy.preemption {
        Preemption::None => return None,
        Preemption::Swap => "which costs transfers only",
        Preemption::Recompute => "and λ* can be up to 7 % too high",
        Preemption::Restart if load.moments.is_one_valued() => "and λ* can be up to 4 % off",
        Preemption::Restart => "and λ* can be up to 25 % too high",
    };
    // Whether it exceeds 1 costs much less than the radius.
    let radius = if cycle::is_unstable(load) { cycle::radius_of(load)? } else { return None };
    Some(format!(
        "The survival polynomial has spectral radius {radius:.6}, above 1: the balance of ages is unstable and evictions cycle, {dropped}"
    ))
}
