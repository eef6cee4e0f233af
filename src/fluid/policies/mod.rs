//! One file for each way to form an iteration. Every one answers two questions about a saturated and a stable instance: its
//! regimes (`regimes`) and its state below λ* (`below`). Queue orders are second-order and change neither.

mod binomial;
mod exclusive;
mod exclusive_memory;
mod fixed_batches;
mod fixed_batches_state;
mod latencies;
mod mixed;
mod packing;
mod prefill_chunks;
mod prefill_first;
mod prefill_first_state;
mod prefill_phase;
mod present;
pub(super) mod shares;
mod split;
pub(super) mod starved;

use super::boundary::{self, Regime};
use super::equilibrium;
use super::latency::State;
use super::load::Load;
use crate::answer::{Boundary, Limit, Summary};
use crate::scenario::{Mixing, Priority, Prompts, Scenario, SequenceLimit};

pub(super) use present::context_budget;

/// The ways to form an iteration that have laws of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Prompts and decodes share an iteration.
    Mixed,
    /// They share it in fixed parts.
    Split,
    /// Prompts come with their KV.
    Present,
    /// An iteration holds prompts or decodes, prompts first.
    PrefillFirst,
    /// An iteration holds prompts or decodes, decodes first.
    DecodeFirst,
}

pub(super) fn kind(scenario: &Scenario) -> Kind {
    let rules = scenario.batch_rules();
    match (rules.prompts, rules.mixing, rules.priority) {
        (Prompts::Present, ..) => Kind::Present,
        (_, Mixing::Mixed, Priority::Split) => Kind::Split,
        (_, Mixing::Exclusive, Priority::DecodeFirst) => Kind::DecodeFirst,
        (_, Mixing::Exclusive, _) => Kind::PrefillFirst,
        _ => Kind::Mixed,
    }
}

/// Every limit with its saturated state, the binding one first.
pub(super) fn regimes(load: &Load) -> Vec<Regime> {
    match kind(load.scenario) {
        Kind::Mixed => mixed::regimes(load),
        Kind::Split => split::regimes(load),
        Kind::Present => present::regimes(load),
        Kind::PrefillFirst => prefill_first::regimes(load),
        Kind::DecodeFirst => fixed_batches::regimes(load),
    }
}

/// The largest λ that the instance can carry from empty, at most.
pub(super) fn best_below(load: &Load, binding: &Regime) -> f64 {
    match kind(load.scenario) {
        Kind::Mixed | Kind::Split | Kind::Present => boundary::best_below(load, binding),
        Kind::PrefillFirst => prefill_first::best(load, binding),
        Kind::DecodeFirst => binding.lambda(),
    }
}

/// What the laws of this way to form iterations do not cover, with its key.
pub(super) fn not_covered(scenario: &Scenario) -> Option<(&'static str, String)> {
    match kind(scenario) {
        Kind::Mixed | Kind::Split | Kind::Present => None,
        Kind::PrefillFirst => exclusive::not_covered(scenario).or_else(|| prefill_first::not_covered(scenario)),
        Kind::DecodeFirst => exclusive::not_covered(scenario).or_else(|| fixed_batches::not_covered(scenario)),
    }
}

/// What a reader must know beside the notes that all engines share.
pub(super) fn notes(load: &Load, binding: &Regime) -> Vec<String> {
    match kind(load.scenario) {
        Kind::PrefillFirst => prefill_first::notes(load, binding),
        Kind::Mixed | Kind::Split => mixed::notes(load, binding),
        _ => Vec::new(),
    }
}

/// The summary below the boundary; none where the budget's own law fails.
pub(super) fn below(load: &Load, regimes: &[Regime], boundary: &Boundary) -> Option<Summary> {
    let state = match kind(load.scenario) {
        Kind::Mixed | Kind::Split | Kind::Present => return equilibrium::below(load, &regimes[0], boundary),
        Kind::PrefillFirst => prefill_first::below(load, &regimes[0], boundary),
        Kind::DecodeFirst => fixed_batches::below(load),
    };
    state.map(|state| equilibrium::summary(load, &state))
}

/// For what a request waits when the binding limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    /// For being admitted, before its prompt.
    Entry,
    /// For one of the places of decodes, with its prompt processed.
    Decodes,
    /// For tokens that prompts leave to decodes.
    Tokens,
}

/// Where the queue of the binding limit stands. Where prompts go first, or decodes have places of their own and no residency is
/// limited, requests wait with their prompts processed.
pub(super) fn queue(load: &Load, binding: &Regime) -> Queue {
    let by_batch = load.scenario.batch_rules().sequence_limit == SequenceLimit::Batch;
    match (kind(load.scenario), binding.limit) {
        (Kind::Split, _) if split::decodes_bind(load, binding) => Queue::Decodes,
        (Kind::Mixed, Limit::TokenBudget) if load.prompts_first() => Queue::Tokens,
        (Kind::Mixed, Limit::SequenceCap) if load.prompts_first() && by_batch => Queue::Decodes,
        _ => Queue::Entry,
    }
}

/// Most sequences that decode in one iteration.
pub(super) fn most_decodes(load: &Load) -> f64 {
    if kind(load.scenario) == Kind::Split { load.scenario.split().0 as f64 } else { f64::INFINITY }
}

impl Queue {
    /// Residents that can advance together.
    pub fn slots(self, load: &Load, binding: &Regime) -> f64 {
        match self {
            Self::Decodes => binding.running.round().max(1.0),
            Self::Entry if kind(load.scenario) == Kind::Split => split::most_residents(load).round().max(1.0),
            Self::Entry | Self::Tokens => load.cap,
        }
    }

    /// Whether the wait is for one of those places.
    pub fn is_for_slots(self, load: &Load, binding: &Regime) -> bool {
        let split = kind(load.scenario) == Kind::Split;
        self == Self::Decodes || (self == Self::Entry && binding.limit == Limit::SequenceCap && !split)
    }
}

/// The state as requests see it: a prompt that emits nothing leaves the first token to the first decode; where a budget counts
/// context, requests wait for it as residents.
pub(super) fn observed(load: &Load, mut state: State) -> State {
    if load.silent() {
        let gaps = load.output() - 1.0;
        state.ttft.0 += state.paused + state.first_gap;
        state.tbt.0 -= state.paused / gaps.max(1.0);
    }
    if context_budget(load).is_some() {
        let paused = load.served_per_s * state.entry_wait;
        state.waiting -= paused;
        state.running += paused;
        state.kv_tokens += paused * (load.moments.held(1, 0) + 1.0);
    }
    state
}
