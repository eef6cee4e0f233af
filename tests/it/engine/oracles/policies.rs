//! λ* under every policy: a part of policy-laws.md, §3. More of it is in validation/README.md.

use super::super::notes::policies;
use super::assert_rows;

#[test]
fn prompts_first_in_iterations_of_their_own() {
    let rows = policies::v0();
    assert_rows(&rows, &["D3w K32", "af K16", "hinge 128 K64 B1024", "ctx K64", "hinge 64 K256"], 1500.0, 0.03);
    // Outputs of 64 and 256 tokens keep step with each other.
    assert_rows(&rows, &["D2 K64"], 4000.0, 0.03);
}

#[test]
fn fixed_batches() {
    let rows = policies::fixed_batches();
    assert_rows(&rows, &["D2 K8", "af K16", "af K128 B512", "ctx K64"], 2000.0, 0.03);
    assert_rows(&rows, &["D3w K32", "hinge 16 K200 B1024", "classic K8", "D3 K32 c64"], 2000.0, 0.06);
}

#[test]
fn mixed_iterations_with_prompts_first() {
    assert_rows(&policies::orca(), &["D3w K32", "af K16", "ctx K64"], 1500.0, 0.03);
}

#[test]
fn mixed_iterations_with_decodes_first() {
    let names = ["D2 K64 c64", "af K16 c16", "af K300 B256", "hinge 128 K64 c32"];
    assert_rows(&policies::sarathi(), &names, 1500.0, 0.03);
    assert_rows(&policies::sarathi(), &["af K128 B512", "ctx K64"], 15_000.0, 0.008);
}

#[test]
fn prompts_first_without_a_cap_on_residents() {
    assert_rows(&policies::prefill_prioritizing(), &["af K16"], 2000.0, 0.06);
}

#[test]
fn split_batches() {
    let rows = policies::hybrid();
    assert_rows(&rows, &["D3w K32 sum"], 1000.0, 0.08);
    assert_rows(&rows, &["af K128 sum r.9 B160"], 2000.0, 0.04);
}
