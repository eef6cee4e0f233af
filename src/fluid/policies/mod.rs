//! One file for each way to form an iteration. Every one answers two questions about a saturated and a stable instance: its
//! regimes (`regimes`) and its state below λ* (`below`). Queue orders are second-order and change neither.

mod binomial;
mod exclusive;
mod exclusive_memory;
mod fixed_batches;
mod fixed_batches_state;
mod latencies;
mod packing;
mod prefill_chunks;
mod prefill_first;
mod prefill_first_state;
mod prefill_phase;

use super::boundary::{self, Regime};
use super::equilibrium;
use super::load::Load;
use crate::answer::{Boundary, Summary};
use crate::scenario::{Mixing, Priority, Scenario};

/// How iterations are formed, as far as the laws differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Prompts and decodes together.
    Mixed,
    /// Prompts or decodes, prompts first.
    PrefillFirst,
    /// Prompts or decodes, decodes first.
    DecodeFirst,
}

pub(super) fn kind(scenario: &Scenario) -> Kind {
    let rules = scenario.batch_rules();
    match (rules.mixing, rules.priority) {
        (Mixing::Exclusive, Priority::DecodeFirst) => Kind::DecodeFirst,
        (Mixing::Exclusive, _) => Kind::PrefillFirst,
        (Mixing::Mixed, _) => Kind::Mixed,
    }
}

/// Every limit with its saturated state, the binding one first.
pub(super) fn regimes(load: &Load) -> Vec<Regime> {
    match kind(load.scenario) {
        Kind::Mixed => boundary::regimes(load),
        Kind::PrefillFirst => prefill_first::regimes(load),
        Kind::DecodeFirst => fixed_batches::regimes(load),
    }
}

/// The largest λ that the instance can carry from empty, at most.
pub(super) fn best_below(load: &Load, binding: &Regime) -> f64 {
    match kind(load.scenario) {
        Kind::Mixed => boundary::best_below(load, binding),
        Kind::PrefillFirst => prefill_first::best(load, binding),
        Kind::DecodeFirst => binding.lambda(),
    }
}

/// What the laws of this way to form iterations do not cover, with its key.
pub(super) fn not_covered(scenario: &Scenario) -> Option<(&'static str, String)> {
    match kind(scenario) {
        Kind::Mixed => None,
        Kind::PrefillFirst => exclusive::not_covered(scenario).or_else(|| prefill_first::not_covered(scenario)),
        Kind::DecodeFirst => exclusive::not_covered(scenario).or_else(|| fixed_batches::not_covered(scenario)),
    }
}

/// What a reader must know beside the notes that all engines share.
pub(super) fn notes(load: &Load, binding: &Regime) -> Vec<String> {
    match kind(load.scenario) {
        Kind::PrefillFirst => prefill_first::notes(load, binding),
        _ => Vec::new(),
    }
}

/// The summary below the boundary; none where the budget's own law fails.
pub(super) fn below(load: &Load, regimes: &[Regime], boundary: &Boundary) -> Option<Summary> {
    let state = match kind(load.scenario) {
        Kind::Mixed => return equilibrium::below(load, &regimes[0], boundary),
        Kind::PrefillFirst => prefill_first::below(load, &regimes[0], boundary),
        Kind::DecodeFirst => fixed_batches::below(load),
    };
    state.map(|state| equilibrium::summary(load, &state))
}
