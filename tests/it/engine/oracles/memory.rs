//! Limited memory: memory-law.md, and the decode node of S4 and S6.

use fluidsim::des::{Options, Run, simulate};
use fluidsim::scenario::{ArrivalLaw, Preemption, Prompts, Scenario, Time};
use rayon::prelude::*;

use super::super::notes::laws::{affine, constant};
use super::super::notes::{Quantity, memory, scenario};
use super::assert_rows;

#[test]
fn saturated_memory() {
    let of = |wanted: fn(Quantity) -> bool| {
        let mut rows = memory::example_1();
        rows.iter_mut().for_each(|row| row.figures.retain(|figure| wanted(figure.quantity)));
        rows
    };
    let boundaries = of(|quantity| quantity == Quantity::Throughput);
    assert_rows(&boundaries, &["swap", "recompute", "reserve"], 20_000.0, 0.01);
    assert_rows(&boundaries, &["swap 2e-8", "restart"], 4000.0, 0.04);
    let preemptions = of(|quantity| quantity == Quantity::Preemptions);
    assert_rows(&preemptions, &["swap", "restart"], 20_000.0, 0.02);
    let others = of(|quantity| !matches!(quantity, Quantity::Throughput | Quantity::Preemptions));
    assert_rows(&others, &["swap"], 8000.0, 0.035);
}

/// Waits have a resolution of a third; KV and preemptions of a few per cent, which the table of the validation shows.
#[test]
fn waits_for_memory() {
    assert_rows(&memory::example_2(), &["load .8"], 20_000.0, 0.35);
}

/// Oracle S4.
#[test]
fn decode_nodes_limited_by_memory() {
    let rows = memory::decode_node();
    let (reserve, greedy) = rows.split_at(3);
    for rows in [reserve, greedy] {
        assert_rows(rows, &["geometric", "uniform", "constant"], 2000.0, 0.05);
    }
}

/// Oracle S6: the decode node of S4 with constant outputs at .82 per unit of time.
fn metastable(backlog: u64) -> Vec<Run> {
    let mut scenario: Scenario = scenario(constant(100), constant(100), 0.82, 10_000, affine(1.0, 0.002));
    scenario.workload.arrivals = ArrivalLaw::Poisson {};
    scenario.instance.kv_tokens = Some(20_000);
    scenario.policy.batching.prompts = Some(Prompts::Present);
    scenario.policy.preemption = Preemption::Restart;
    let (warmup, horizon) = (Time::from_decimal(2000.0), Time::from_decimal(22_000.0));
    let options = Options { backlog, limit: horizon, ..Options::until(warmup, horizon) };
    (0..6).into_par_iter().map(|trial| simulate(&scenario, &Options { trial, ..options.clone() })).collect()
}

#[test]
fn what_is_stable_from_empty_is_locked_in_a_cycle_by_a_backlog() {
    for run in metastable(0) {
        let totals = &run.windows[0].totals;
        assert!(totals.preemptions as f64 <= 0.012 * totals.completed as f64, "{totals:?}");
        assert!(run.windows[0].in_system_at_end < 300, "{:?}", run.windows[0]);
    }
    for run in metastable(3000) {
        let window = &run.windows[0];
        let throughput = window.totals.completed as f64 / window.seconds();
        assert!((throughput / 0.784 - 1.0).abs() < 0.005, "{throughput}");
        assert!(window.in_system_at_end > window.in_system_at_start + 300, "{window:?}");
    }
}
