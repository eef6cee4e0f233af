//! One file for each way to form an iteration. Every one answers two questions about a saturated and a stable instance: its
//! regimes (`regimes`) and its state below λ* (`below`). Queue orders are second-order and change neither.

mod mixed;
mod present;
mod split;

use super::boundary::Regime;
use super::equilibrium;
use super::load::Load;
use crate::answer::{Boundary, Summary};
use crate::scenario::{Mixing, Priority, Prompts, Scenario};

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
