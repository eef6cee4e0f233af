//! One file for each way to form an iteration. Every one answers two questions about a saturated and a stable instance: its
//! regimes (`regimes`) and its state below λ* (`below`). Queue orders are second-order and change neither.

mod mixed;
mod present;
pub(super) mod shares;
mod split;

use super::boundary::Regime;
use super::equilibrium;
use super::latency::State;
use super::load::Load;
use super::slots::Wait;
use crate::answer::{Boundary, Limit, Summary};
use crate::scenario::{Mixing, Priority, Prompts, Scenario, SequenceLimit};

pub(super) use present::context_budget;

/// The ways to form an iteration that have laws of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Prompts and decodes share an iteration.
    Mixed,
    /// They share it in fixed parts.
    Split,
    /// Prompts come with their KV.
    Present,
}

fn kind(scenario: &Scenario) -> Kind {
    let rules = scenario.batch_rules();
    match (rules.prompts, rules.mixing, rules.priority) {
        (Prompts::Present, ..) => Kind::Present,
        (_, Mixing::Mixed, Priority::Split) => Kind::Split,
        _ => Kind::Mixed,
    }
}

/// Every limit with its saturated state, the binding one first.
pub(super) fn regimes(load: &Load) -> Vec<Regime> {
    match kind(load.scenario) {
        Kind::Mixed => mixed::regimes(load),
        Kind::Split => split::regimes(load),
        Kind::Present => present::regimes(load),
    }
}

/// The summary below the boundary; none where the budget's own law fails.
pub(super) fn below(load: &Load, regimes: &[Regime], boundary: &Boundary) -> Option<Summary> {
    equilibrium::below(load, &regimes[0], boundary)
}

/// For what a request waits when the binding limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    /// For being admitted, before its prompt.
    Entry,
    /// For its first decode, behind the decodes of others.
    Decodes,
}

/// Where the queue of the binding limit stands. Where prompts go first, or decodes have places of their own and no residency is
/// limited, requests wait with their prompts processed.
pub(super) fn queue(load: &Load, binding: &Regime) -> Queue {
    let residents = load.scenario.batch_rules().sequence_limit == SequenceLimit::Residents;
    let decodes = match kind(load.scenario) {
        Kind::Split => split::decodes_bind(load, binding),
        Kind::Mixed if load.prompts_first() => {
            binding.limit == Limit::TokenBudget || (binding.limit == Limit::SequenceCap && !residents)
        }
        Kind::Mixed | Kind::Present => false,
    };
    if decodes { Queue::Decodes } else { Queue::Entry }
}

impl Queue {
    /// Residents that can advance together.
    pub fn slots(self, load: &Load, binding: &Regime) -> f64 {
        match self {
            Self::Decodes => binding.running.round().max(1.0),
            Self::Entry if kind(load.scenario) == Kind::Split => split::most_decodes(load).round().max(1.0),
            Self::Entry => load.cap,
        }
    }

    /// Whether the wait is for one of those places.
    pub fn is_for_slots(self, load: &Load, binding: &Regime) -> bool {
        let split = kind(load.scenario) == Kind::Split;
        self == Self::Decodes || (binding.limit == Limit::SequenceCap && !split)
    }

    /// The part of the wait that comes before the prompt: all of it, or what lasts until the residency cap lets one in.
    pub fn before_prompt(self, load: &Load, binding: &Regime, wait: Wait) -> Wait {
        if self == Self::Entry {
            return wait;
        }
        if load.scenario.batch_rules().sequence_limit == SequenceLimit::Batch || wait.mean <= 0.0 {
            return Wait::default();
        }
        let beside = (load.cap - self.slots(load, binding)).max(0.0) / load.served_per_s;
        Wait { probability: wait.probability * (-beside / wait.mean).exp(), mean: wait.mean }
    }
}

/// The state as requests see it: a prompt that emits nothing leaves the first token to the first decode.
pub(super) fn observed(load: &Load, mut state: State) -> State {
    if load.silent() {
        let gap = state.tbt.0 - state.paused / (load.output() - 1.0);
        state.ttft.0 += state.paused + gap;
        state.ttft.1.iter_mut().for_each(|quantile| *quantile += gap);
        state.tbt.0 = gap;
    }
    state
}
