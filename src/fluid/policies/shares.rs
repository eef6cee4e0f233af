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
/// iteration, first come first served. Every share makes its iteration longer, more prompts come meanwhile, and those whose
/// shares the arrival met have some left.
pub fn all_of_a_prompt(load: &Load, line: Line, mut found: Backlog) -> Backlog {
    let (count, _) = load.shares();
    if count == 1.0 {
        return found;
    }
    let first = found.own - found.before;
    let counts = numbers_of_shares(load);
    let times = times(load, line, &found, counts.last().map_or(1.0, |last| last.0));
    let full = load.chunk;
    let ways: Vec<(f64, f64)> = counts
        .iter()
        .map(|&(shares, mass, tokens)| {
            let last = tokens - (shares - 1.0) * full;
            let time = interpolated(&times, shares) - line.per_token_s * (full - last);
            (time - first, mass)
        })
        .collect();
    found.own += ways.iter().map(|way| way.0 * way.1).sum::<f64>();
    let with = |own: &Own, (more, mass): (f64, f64)| Own {
        time: (own.time + more).max(0.5 * own.time),
        mass: own.mass * mass,
        ..*own
    };
    found.owns = found.owns.iter().flat_map(|own| ways.iter().map(|&way| with(own, way))).collect();
    found
}

/// Mean time of the first 0, 1, 2, … iterations that each carry a full share of a tagged prompt. With δ_0 = E\[T²\]/E\[T\] − E\[T\]
/// for the iteration of the arrival, δ_j = a·k + a²λk·E(s − jk)⁺ + aλ Σ_i c_i·δ_{j−i}, c_i the mean tokens of an i-th share.
fn times(load: &Load, line: Line, found: &Backlog, most: f64) -> Vec<f64> {
    let (a, rate, chunk) = (line.per_token_s, load.served_per_s, load.chunk as usize);
    let most = most.ceil() as usize + 1;
    let tokens: Vec<f64> = load.prompt_survival.chunks(chunk).take(most).map(|part| part.iter().sum()).collect();
    let all: f64 = load.prompt_survival.iter().sum();
    let mut deltas = vec![(found.step_squared / found.step - found.step).max(0.0)];
    let mut times = vec![0.0];
    let mut left = all;
    for j in 1..=most {
        left -= tokens.get(j - 1).copied().unwrap_or(0.0);
        let brought: f64 = tokens.iter().zip(deltas.iter().rev()).map(|(c, delta)| a * rate * c * delta).sum();
        let delta = a * load.chunk + a * a * rate * load.chunk * left.max(0.0) + brought;
        deltas.push(delta);
        times.push(times[j - 1] + found.step + delta);
    }
    times
}

fn interpolated(values: &[f64], place: f64) -> f64 {
    let index = (place as usize).min(values.len() - 2);
    values[index] + (place - index as f64) * (values[index + 1] - values[index])
}

/// The ways up to the first decode, where the prompt itself emits nothing: the iteration after the prompt's is longer by what
/// came during the prompt's.
pub fn to_first_decode(found: &Backlog, per_gap: f64, prompt_share: f64) -> Vec<Own> {
    let longest = found.steps.iter().map(|step| step.0).fold(0.0, f64::max);
    let gap = |own: &Own| per_gap + prompt_share * (own.time.min(longest) - found.step);
    found.owns.iter().map(|own| Own { time: own.time + gap(own).max(0.5 * per_gap), ..*own }).collect()
}

/// Numbers of shares with their probabilities and mean tokens, the rare large ones gathered.
fn numbers_of_shares(load: &Load) -> Vec<(f64, f64, f64)> {
    let chunk = load.chunk as usize;
    let longest = load.moments.prompt_masses.len() - 1;
    let above = |count: usize| load.prompt_survival.get(count * chunk).copied().unwrap_or(0.0);
    let most = longest.div_ceil(chunk);
    let mut found = Vec::new();
    let (mut sum, mut mass, mut tokens) = (0.0, 0.0, 0.0);
    let masses = &load.moments.prompt_masses;
    let mut before = 1.0;
    for count in 1..=most {
        let share = before - above(count);
        before -= share;
        sum += share * count as f64;
        mass += share;
        let (from, to) = ((count - 1) * chunk + 1, (count * chunk + 1).min(masses.len()));
        tokens += (from..to).map(|length| length as f64 * masses[length]).sum::<f64>();
        let enough = mass > 1.0 / COUNTS as f64 || (mass > 0.01 && before < 0.05) || count == most;
        if enough && mass > 0.0 {
            found.push((sum / mass, mass, tokens / mass));
            (sum, mass, tokens) = (0.0, 0.0, 0.0);
        }
    }
    found
}
