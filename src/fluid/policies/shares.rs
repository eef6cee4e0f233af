//! Prompts that a chunk length cuts although the budget has room: every iteration in which one is being processed takes a share
//! of it. The backlog chain sees shares as prompts of their own; here a prompt gets all of its shares back.

use super::super::backlog::{self, Backlog, Own, Traffic};
use super::super::load::Load;
use super::super::slots::Line;

/// A number of shares, its probability, and the mean length of such prompts.
type Count = (f64, f64, f64);

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

/// The backlog chain, with prompts in shares where the chunk length cuts them: shares arrive like prompts of their own, and a
/// prompt gets all of its shares back.
pub fn solve(load: &Load, line: Line, whole: &Traffic, step: &dyn Fn(f64) -> f64) -> Option<Backlog> {
    let (count, masses) = load.shares();
    if count == 1.0 {
        return backlog::solve(whole, step);
    }
    let parts = Traffic {
        rate: whole.rate * count,
        prompts: masses,
        prompt_survival: load.share_survival(),
        prompt: whole.prompt / count,
        prompt_squared: load.shares_squared() / count,
        ..*whole
    };
    let mut found = backlog::solve(&parts, step)?;
    let counts = numbers_of_shares(load);
    // Shares of a prompt come one after another and lengthen the iterations in which others come: together they vary more
    // than shares on their own. They are gathered in batches with the same variance.
    let variance = variance(load, line, found.step, &counts);
    let alone = found.step_squared - found.step * found.step;
    if variance > 1.02 * alone && alone > 0.0 {
        let more = (variance / alone - 1.0) * parts.prompt_squared / (parts.prompt * parts.prompt);
        if let Some(gathered) = backlog::solve(&Traffic { batch: whole.batch + 0.5 * more, ..parts }, step) {
            found.residual = gathered.residual;
            found.step_squared = gathered.step_squared;
            found.steps = gathered.steps;
        }
    }
    let mut found = all_of_a_prompt(load, line, found, &counts);
    if let Some((probability, wait)) = crowd(load, whole, step, found.before) {
        found.own += probability * wait;
        found.before += probability * wait;
        found.owns = delayed(&found.owns, probability, wait);
    }
    Some(found)
}

/// Var T: every prompt adds its δ_j to the iterations after it.
fn variance(load: &Load, line: Line, step: f64, counts: &[Count]) -> f64 {
    let (a, rate) = (line.per_token_s, load.served_per_s);
    let tokens: Vec<f64> = load.prompt_survival.chunks(load.chunk as usize).map(|part| part.iter().sum()).collect();
    let mut sum = 0.0;
    for &(shares, mass, length) in counts {
        let shares = shares.round();
        let mut deltas: Vec<f64> = Vec::new();
        for j in 0..(shares as usize + 60) {
            let own = (length - j as f64 * load.chunk).clamp(0.0, load.chunk);
            let brought: f64 = tokens.iter().zip(deltas.iter().rev()).map(|(c, delta)| a * rate * c * delta).sum();
            deltas.push(a * own + brought);
            if own == 0.0 && brought < 1e-3 * deltas[0] {
                break;
            }
        }
        sum += mass * deltas.iter().map(|delta| delta * delta).sum::<f64>();
    }
    rate * step * sum
}

/// The wait of a prompt, P(wait) and its mean, while others fill the budget, where that is longer than `before`, the wait of a
/// share: with m = c/chunk prompts at once it is that of one fast server times P(wait) of m servers over its utilisation,
/// ρ^(√(2(m+1)) − 1)/ρ (Sakasegawa 1977).
fn crowd(load: &Load, whole: &Traffic, step: &dyn Fn(f64) -> f64, before: f64) -> Option<(f64, f64)> {
    if !whole.chunk.is_finite() {
        return None;
    }
    let servers = (whole.chunk / load.chunk).max(1.0);
    let busy = (whole.rate * whole.prompt * step(whole.chunk) / whole.chunk).min(0.999);
    let probability = busy.powf((2.0 * (servers + 1.0)).sqrt() - 1.0);
    if probability < 1e-3 {
        return None;
    }
    let fast = backlog::solve(whole, step)?;
    let more = fast.before * probability / busy - before;
    (more > 1e-3 * fast.step).then_some((probability, more / probability))
}

/// Each way longer by a wait that is zero or exponential, its quarters by their means.
fn delayed(owns: &[Own], probability: f64, wait: f64) -> Vec<Own> {
    let quarters = [0.137, 0.477, 0.96, 2.426].map(|part| (part * wait, 0.25 * probability));
    let with = |own: &Own, (more, mass): (f64, f64)| Own { time: own.time + more, mass: own.mass * mass, ..*own };
    let ways = |own: &Own| {
        let mut ways = vec![with(own, (0.0, 1.0 - probability))];
        ways.extend(quarters.iter().map(|&way| with(own, way)));
        ways
    };
    owns.iter().flat_map(ways).collect()
}

/// What an arrival meets, from what one share meets: the first share waits for its turn, the others follow it iteration by
/// iteration, first come first served. Every share makes its iteration longer, more prompts come meanwhile, and those whose
/// shares the arrival met have some left.
fn all_of_a_prompt(load: &Load, line: Line, mut found: Backlog, counts: &[Count]) -> Backlog {
    let first = found.own - found.before;
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
fn numbers_of_shares(load: &Load) -> Vec<Count> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::testing::{affine, scenario, uniform};
    use crate::scenario::Scenario;
    use approx::assert_relative_eq;

    fn cut() -> Scenario {
        let mut question = scenario(3.0, uniform(1, 1000), uniform(50, 150), affine(0.02, 1.5e-4), 64);
        question.policy.batching.chunk_tokens = Some(256);
        question
    }

    #[test]
    fn numbers_of_shares_keep_mass_and_means() {
        let question = cut();
        let load = Load::of(&question);
        let counts = numbers_of_shares(&load);
        let sum = |part: fn(&Count) -> f64| counts.iter().map(|count| count.1 * part(count)).sum::<f64>();
        assert_relative_eq!(sum(|_| 1.0), 1.0, max_relative = 1e-12);
        assert_relative_eq!(sum(|count| count.0), load.shares().0, max_relative = 1e-9);
        assert_relative_eq!(sum(|count| count.2), load.prompt(), max_relative = 1e-9);
    }

    /// Alone, a prompt's iterations are those of its shares; among others they are longer and longer.
    #[test]
    fn own_iterations_lengthen() {
        let mut question = cut();
        let line = Line { base_s: 0.02, per_token_s: 1.5e-4, per_context_s: 0.0 };
        let found = Backlog { step: 0.02, step_squared: 0.0004, ..Backlog::default() };
        question.workload.rate_per_s = Some(1e-9);
        let alone = times(&Load::of(&question), line, &found, 4.0);
        assert_relative_eq!(alone[3], 3.0 * (0.02 + 256.0 * 1.5e-4), max_relative = 1e-6);
        question.workload.rate_per_s = Some(3.0);
        let busy = times(&Load::of(&question), line, &found, 4.0);
        assert!(busy.windows(3).all(|t| t[2] - t[1] >= t[1] - t[0]) && busy[3] > 1.1 * alone[3], "{busy:?}");
    }
}
