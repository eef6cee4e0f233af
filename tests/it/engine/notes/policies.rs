//! Simulated columns of policy-laws.md, §3. D2, D3, af, ctx are the note's settings.
//!
//! Rows whose prompts are conditioned on s ≤ B draw them so; the engine would reject the others.

use fluidsim::scenario::{Admission, Engine, MixedCost, Policy, Preemption, Prompts};

use super::laws::{Setting, af, affine, bent, constant, ctx, d2, d3, d3w, geometric, hinge, uniform};
use super::{Feeding, Row};

fn policy(engine: Engine) -> Policy {
    Policy::of(engine, Admission::Greedy, Preemption::None)
}

fn chunked(engine: Engine, tokens: u64) -> Policy {
    let mut policy = policy(engine);
    policy.batching.chunk_tokens = Some(tokens);
    policy
}

type Cell = (&'static str, Setting, u64, Option<u64>, f64, f64);

fn rows(note: &'static str, policy: &Policy, cells: Vec<Cell>) -> Vec<Row> {
    let row = |(name, setting, sequences, budget, value, half_width): Cell| {
        Row::saturated(note, name, setting.under(policy.clone(), sequences, budget), value, half_width)
    };
    cells.into_iter().map(row).collect()
}

pub fn v0() -> Vec<Row> {
    let short = Setting::new(geometric(100.0), uniform(1, 40), affine(0.02, 2.5e-4)).silent();
    let steep = Setting::new(uniform(10, 90), geometric(50.0), hinge(0.01, 0.0005, 64)).silent();
    let cells = vec![
        ("D2 K1000", d2(), 1000, Some(2048), 7.31366, 0.093),
        ("D2 K64", d2(), 64, Some(2048), 6.23763, 0.022),
        ("D3w K32", d3w(), 32, Some(2048), 3.23856, 0.012),
        ("af K16", af(), 16, Some(2048), 5.20471, 0.010),
        ("af K128 B512", af(), 128, Some(512), 13.05422, 0.021),
        ("hinge 128 K64 B1024", bent(4e-4, 128), 64, Some(1024), 12.72178, 0.042),
        ("a K256", short, 256, Some(2048), 29.98304, 0.122),
        ("ctx K64", ctx(), 64, Some(8192), 7.31364, 0.020),
        ("hinge 64 K256", steep, 256, Some(2048), 24.04188, 0.073),
    ];
    rows("v0", &policy(Engine::VllmV0), cells)
}

pub fn fixed_batches() -> Vec<Row> {
    let low = Setting::new(uniform(10, 40), geometric(50.0), hinge(0.02, 4e-4, 16)).silent();
    let classic = Setting::new(constant(100), geometric(50.0), affine(1.0, 0.01)).silent();
    let cells = vec![
        ("D2 K1000", d2(), 1000, Some(2048), 3.55907, 0.018),
        ("D2 K8", d2(), 8, Some(2048), 2.19649, 0.0028),
        ("D3w K32", d3w(), 32, Some(2048), 0.787255, 0.008),
        ("D3w K1000", d3w(), 1000, Some(2048), 0.816310, 0.010),
        ("af K16", af(), 16, Some(2048), 3.79232, 0.004),
        ("af K128 B512", af(), 128, Some(512), 1.40753, 0.004),
        ("hinge 16 K200 B1024", low, 200, Some(1024), 8.21031, 0.063),
        ("ctx K64", ctx(), 64, Some(8192), 2.16203, 0.006),
        ("classic K8", classic, 8, None, 0.053711, 0.0003),
    ];
    let mut rows = rows("static", &policy(Engine::Static), cells);
    let seed = chunked(Engine::DecodePrioritizing, 64);
    for (name, sequences, value, half_width) in
        [("D3 K32 c64", 32, 0.588992, 0.015), ("D3 K1000 c64", 1000, 0.787, 0.028)]
    {
        rows.push(Row::saturated("static", name, d3().under(seed.clone(), sequences, Some(2048)), value, half_width));
    }
    rows
}

pub fn orca() -> Vec<Row> {
    let cells = vec![
        ("D2 K64", d2(), 64, Some(2048), 6.25975, 0.020),
        ("D2 K1000", d2(), 1000, Some(2048), 7.33214, 0.026),
        ("D3w K32", d3w(), 32, Some(2048), 3.68133, 0.016),
        ("af K16", af(), 16, Some(2048), 5.72000, 0.012),
        ("af K128 B512", af(), 128, Some(512), 15.24453, 0.025),
        ("af K300 B256", af(), 300, Some(256), 15.30608, 0.024),
        ("hinge 128 K64 B4096", bent(4e-4, 128), 64, Some(4096), 12.38435, 0.040),
        ("ctx K64", ctx(), 64, Some(8192), 7.69184, 0.022),
    ];
    rows("orca", &policy(Engine::Orca), cells)
}

pub fn sarathi() -> Vec<Row> {
    let plain = vec![
        ("D2 K1000", d2(), 1000, Some(2048), 7.34183, 0.024),
        ("af K128 B512", af(), 128, Some(512), 15.28710, 0.025),
        ("af K300 B256", af(), 300, Some(256), 15.30555, 0.023),
        ("ctx K64", ctx(), 64, Some(8192), 7.69185, 0.022),
    ];
    let mut all = rows("sarathi", &policy(Engine::Sarathi), plain);
    for (chunk, cell) in [
        (64, ("D2 K64 c64", d2(), 64, Some(2048), 6.25360, 0.021)),
        (64, ("D3 K32 c64", d3(), 32, Some(2048), 3.73129, 0.021)),
        (16, ("af K16 c16", af(), 16, Some(2048), 5.49455, 0.011)),
        (32, ("hinge 128 K64 c32", bent(4e-4, 128), 64, Some(4096), 13.13132, 0.045)),
    ] {
        all.extend(rows("sarathi", &chunked(Engine::Sarathi, chunk), vec![cell]));
    }
    all
}

/// The note gives these without an interval, as about ± 1 %.
fn secant(
    note: &'static str,
    name: &'static str,
    policy: Policy,
    setting: &Setting,
    limits: (u64, u64),
    value: f64,
) -> Row {
    let scenario = setting.under(policy, limits.0, Some(limits.1));
    let row = Row::saturated(note, name, scenario, value, 0.01 * value);
    Row { feeding: Feeding::Secant, ..row }
}

pub fn prefill_prioritizing() -> Vec<Row> {
    let whole = || policy(Engine::PrefillPrioritizing);
    let cut = || chunked(Engine::PrefillPrioritizing, 64);
    [
        ("D2 K1000", whole(), d2(), (1000, 2048), 7.1934),
        ("D2 K64", whole(), d2(), (64, 2048), 5.9910),
        ("D3w K32", whole(), d3w(), (32, 2048), 3.2351),
        ("D3w K1000", whole(), d3w(), (1000, 2048), 10.7851),
        ("D3 K32 c64", cut(), d3(), (32, 2048), 3.0116),
        ("D3 K1000 c64", cut(), d3(), (1000, 2048), 9.0621),
        ("af K16", whole(), af(), (16, 2048), 5.2125),
        ("af K128", whole(), af(), (128, 2048), 12.5919),
        ("hinge 64 K64 B4096", whole(), bent(1e-4, 64), (64, 4096), 26.3437),
    ]
    .into_iter()
    .map(|(name, policy, setting, limits, value)| secant("spf", name, policy, &setting, limits, value))
    .collect()
}

/// A split batch; prompts are cut at what the budget leaves, as in the seed.
fn split(share: f64, cost: MixedCost, chunk: Option<u64>) -> Policy {
    let mut policy = policy(Engine::Hybrid);
    policy.batching.decode_share = Some(share);
    policy.batching.mixed_cost = Some(cost);
    policy.batching.prompts = Some(Prompts::Chunked);
    policy.batching.chunk_tokens = chunk;
    policy
}

pub fn hybrid() -> Vec<Row> {
    use MixedCost::{Max, Sum};
    let c64 = Some(64);
    let mut rows: Vec<Row> = [
        ("D2 K1000 max", split(0.5, Max, None), d2(), (1000, 2048), 10.4359),
        ("D2 K1000 sum", split(0.5, Sum, None), d2(), (1000, 2048), 7.2892),
        ("D2 K1000 max r.1", split(0.1, Max, None), d2(), (1000, 2048), 7.9088),
        ("D2 K1000 max r.9", split(0.9, Max, None), d2(), (1000, 2048), 11.6307),
        ("D3 K32 c64 max", split(0.5, Max, c64), d3(), (32, 2048), 1.9728),
        ("D3 K32 c64 sum", split(0.5, Sum, c64), d3(), (32, 2048), 1.9546),
        ("D3w K32 max", split(0.5, Max, None), d3w(), (32, 2048), 1.9203),
        ("D3w K32 sum", split(0.5, Sum, None), d3w(), (32, 2048), 1.9148),
        ("D3 K1000 c64 max", split(0.5, Max, c64), d3(), (1000, 2048), 15.8714),
        ("D3 K1000 c64 sum", split(0.5, Sum, c64), d3(), (1000, 2048), 11.3907),
        ("af K128 sum", split(0.5, Sum, None), af(), (128, 2048), 12.4280),
    ]
    .into_iter()
    .map(|(name, policy, setting, limits, value)| secant("hybrid", name, policy, &setting, limits, value))
    .collect();
    // The tokens of an iteration are the limit: prompts wait, decodes do not, and a saturated run is the boundary.
    for (name, share, setting, limits, value) in [
        ("af K128 sum r.9 B160", 0.9, af(), (128, 160), 13.4309),
        ("D2 K1000 sum B600", 0.5, d2(), (1000, 600), 7.2265),
    ] {
        let scenario = setting.under(split(share, Sum, None), limits.0, Some(limits.1));
        rows.push(Row::saturated("hybrid", name, scenario, value, 0.01 * value));
    }
    rows
}

pub fn all() -> Vec<Row> {
    [v0(), fixed_batches(), orca(), sarathi(), prefill_prioritizing(), hybrid()].concat()
}
