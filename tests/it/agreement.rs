//! Theory against engine: every family, at every load at which agreement is promised.

use fluidsim::fluid;
use fluidsim::scenario::{self, Override};
use fluidsim::study::compare::{CompareOptions, compare};
use fluidsim::study::plan::Wishes;
use fluidsim::study::trials::silent;

const FAMILIES: [&str; 11] = [
    "chat-70b-4xa100",
    "decode-heavy",
    "prefill-heavy",
    "memory-reserve",
    "memory-greedy",
    "memory-swap",
    "sequence-capped",
    "token-capped",
    "outputs-geometric",
    "outputs-uniform",
    "outputs-lognormal",
];

fn broken_promises(family: &str, load: f64) -> Vec<String> {
    let boundary = fluid::solve(&scenario::open(Some(family), &[], None).unwrap()).boundary.low_per_s;
    let rate = Override::new("test", "workload.rate_per_s", load * boundary);
    let scenario = scenario::open(Some(family), &[rate], None).unwrap();
    let options = CompareOptions { seed: 5, trials: 12, backlog: 0, wishes: Wishes::default() };
    let comparison = compare(&scenario, &options, &silent);
    let broken = comparison.rows.iter().filter(|row| row.promised && row.agrees != Some(true));
    broken.map(|row| format!("{family} at {load}: {} off by {:?}", row.quantity, row.relative_gap)).collect()
}

/// λ* and throughput within 1 %, TBT within 2 %, TTFT and E2E within 3 %, residents and KV within 4 %, beyond 95 % intervals of 12
/// trials. That the check can fail is shown in `exit_codes.rs`. With the true gaps within the promise, a row fails by chance at a rate below .025; most gaps are far inside it.
#[test]
fn promises_hold_for_every_family() {
    let broken: Vec<String> = FAMILIES
        .iter()
        .flat_map(|family| [0.3, 0.5, 0.75].into_iter().flat_map(|load| broken_promises(family, load)))
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
}
