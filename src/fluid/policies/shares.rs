//! Prompts that a chunk length cuts although the budget has room: every iteration in which one is being processed takes a share
//! of it. The backlog chain sees shares as prompts of their own; here a prompt gets all of its shares back.

use super::super::backlog::{Backlog, Own};
use super::super::load::Load;
use super::super::slots::Line;

/// Most numbers of shares that are told apart.
const COUNTS: usize = 12;

/// Seconds that a prompt spends in iterations before its last: each carries a share and what arrives while it lasts.
pub fn before_last_s(load: &Load, line: Line, residents: f64) -> f64 {
    let (count, _) = load.shares();
    if count == 1.0 {
        return 0.0;
    }
    let per_resident = line.per_token_s + line.per_context_s * load.moments.held_mean() / load.output();
    let busy = (load.served_per_s * line.per_token_s * load.prompt()).min(0.95);
    let alone = line.base_s + per_resident * residents + line.per_token_s * load.prompt() / count;
    (count - 1.0) * alone / (1.0 - busy)
}

/// What an arrival meets, from what one share meets: the first share waits for its turn, the others follow it iteration by
/// iteration, first come first served, in iterations like the one that it takes part in.
pub fn all_of_a_prompt(load: &Load, mut found: Backlog) -> Backlog {
    let (count, _) = load.shares();
    if count == 1.0 {
        return found;
    }
    let each = found.own - found.before;
    found.own += (count - 1.0) * each;
    let counts = numbers_of_shares(load);
    let with = |own: &Own, (shares, mass): (f64, f64)| Own {
        time: own.time + (shares - 1.0) * each,
        mass: own.mass * mass,
        ..*own
    };
    found.owns = found.owns.iter().flat_map(|own| counts.iter().map(|&part| with(own, part))).collect();
    found
}

/// Numbers of shares with their probabilities, the rare large ones gathered.
fn numbers_of_shares(load: &Load) -> Vec<(f64, f64)> {
    let chunk = load.chunk as usize;
    let longest = load.moments.prompt_masses.len() - 1;
    let above = |count: usize| load.prompt_survival.get(count * chunk).copied().unwrap_or(0.0);
    let most = longest.div_ceil(chunk);
    let mut found: Vec<(f64, f64)> = Vec::new();
    let (mut sum, mut mass) = (0.0, 0.0);
    let mut before = 1.0;
    for count in 1..=most {
        let share = before - above(count);
        before -= share;
        sum += share * count as f64;
        mass += share;
        let enough = mass > 1.0 / COUNTS as f64 || (mass > 0.01 && before < 0.05) || count == most;
        if enough && mass > 0.0 {
            found.push((sum / mass, mass));
            (sum, mass) = (0.0, 0.0);
        }
    }
    found
}
