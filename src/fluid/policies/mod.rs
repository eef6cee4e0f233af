//! One file for each way to form an iteration. Every one answers two questions about a saturated and a stable instance: its
//! regimes (`regimes`) and its state below λ* (`below`). Queue orders are second-order and change neither.

use super::boundary::{self, Regime};
use super::equilibrium;
use super::load::Load;
use crate::answer::{Boundary, Summary};

/// Every limit with its saturated state, the binding one first.
pub(super) fn regimes(load: &Load) -> Vec<Regime> {
    boundary::regimes(load)
}

/// The summary below the boundary; none where the budget's own law fails.
pub(super) fn below(load: &Load, regimes: &[Regime], boundary: &Boundary) -> Option<Summary> {
    equilibrium::below(load, &regimes[0], boundary)
}
