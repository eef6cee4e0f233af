//! λ* of engines with exclusive iterations against the check tables of the policy laws, to the digits printed there.

use approx::assert_relative_eq;
use fluidsim::answer::{Limit, Method};
use fluidsim::fluid::{scope, solve};

use crate::engine::notes::{Row, policies};

fn row(rows: &[Row], name: &str) -> Row {
    rows.iter().find(|row| row.name == name).unwrap().clone()
}

fn law(row: &Row) -> f64 {
    assert!(scope::refusal(&row.scenario).is_none(), "{}", row.name);
    solve(&row.scenario).boundary.low_per_s
}

/// What the engine's count of the context adds to the note's: one token per request at 2e-7 s (see `laws::ctx`).
fn as_the_engine_counts(law: f64) -> f64 {
    1.0 / (1.0 / law + 2e-7)
}

#[test]
fn prefill_first_with_a_cap() {
    let rows = policies::v0();
    for (name, expected) in [
        ("D2 K1000", 7.266939),
        ("D2 K64", 5.964344),
        ("D3w K32", 3.242304),
        ("af K16", 5.206869),
        ("af K128 B512", 13.061110),
        ("hinge 128 K64 B1024", 12.742473),
        ("a K256", 29.910737),
        ("ctx K64", as_the_engine_counts(7.323503)),
        ("hinge 64 K256", 24.094769),
    ] {
        let row = row(&rows, name);
        assert_relative_eq!(law(&row), expected, max_relative = 3e-7);
        assert_eq!(solve(&row.scenario).boundary.method, Method::Exact);
    }
}

/// The law as exact for every law of lengths; the high boundary is an upper bound only.
#[test]
fn a_steep_hinge_has_two_boundaries() {
    let found = solve(&row(&policies::v0(), "hinge 64 K256").scenario).boundary;
    assert_relative_eq!(found.high_per_s, 43.25, max_relative = 1e-3);
    let found = solve(&row(&policies::v0(), "af K16").scenario).boundary;
    assert_relative_eq!(found.high_per_s, found.low_per_s);
}

#[test]
fn batches_until_the_last_has_finished() {
    let rows = policies::fixed_batches();
    for (name, expected) in [
        ("D2 K1000", 3.570015),
        ("D2 K8", 2.197110),
        ("D3w K32", 0.788177),
        ("D3w K1000", 0.820851),
        ("af K16", 3.794681),
        ("af K128 B512", 1.409545),
        ("hinge 16 K200 B1024", 8.293697),
    ] {
        let row = row(&rows, name);
        assert_relative_eq!(law(&row), expected, max_relative = 8e-7);
    }
    // Printed to five digits.
    assert_relative_eq!(law(&row(&rows, "classic K8")), 0.054043, epsilon = 5e-7);
    // A lattice of 4 tokens stands for the budget of 8192.
    assert_relative_eq!(law(&row(&rows, "ctx K64")), as_the_engine_counts(2.166475), max_relative = 1e-5);
    // The note cuts the prompts' tail elsewhere.
    assert_relative_eq!(law(&row(&rows, "D3 K32 c64")), 0.595061, max_relative = 1e-5);
    assert_eq!(solve(&row(&rows, "af K128 B512").scenario).boundary.binding, Limit::TokenBudget);
}
