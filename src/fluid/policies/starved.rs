//! Decodes behind prompts: where prompts take the token budget first, decodes get what they leave, the longest ready first. n
//! ready residents and u prompt tokens make min(n, B − u) decodes, so that the residents are a birth–death chain whose
//! completions saturate softly; what it holds more than the same chain without a budget waits for tokens.

use super::super::backlog::Backlog;
use super::super::load::Load;
use super::super::mixture::gathered;
use super::super::residents::Residents;
use super::super::slots::{Line, Wait};
use crate::answer::Boundary;

/// Residents at most that the chain goes through.
const MOST: usize = 50_000;

/// An iteration with n ready residents, in the mean over the prompts' tokens.
struct Iteration {
    seconds: f64,
    decodes: f64,
    /// Share of the iterations without room for one more.
    full: f64,
}

/// The waits before the prompt, for one of the K places, and after it, for tokens.
pub fn waits(load: &Load, boundary: &Boundary, line: Line, backlog: &Backlog, residents: &Residents) -> (Wait, Wait) {
    let prompts = prompt_tokens(backlog);
    let per_resident = line.per_context_s * load.moments.held_mean() / load.output();
    // Above the budget the variability of the work rules, below it that of the residents.
    let factor = (residents.wait_mean * (boundary.low_per_s - load.served_per_s)).max(0.05);
    let ratio = residents.ratio.max(1.0);
    let chain = |budget: f64| {
        let slope = |full: f64| (1.0 - full) / ratio + full / factor;
        law(load, |n| iteration(load, &prompts, per_resident, budget, n), slope)
    };
    let (limited, full) = chain(load.budget);
    let (free, _) = chain(f64::INFINITY);
    let mean = |law: &[f64]| law.iter().enumerate().map(|(n, p)| n as f64 * p).sum::<f64>();
    let waiting = (mean(&limited) - mean(&free)).max(0.0) / load.served_per_s;
    let probability: f64 = limited.iter().zip(&full).map(|(p, full)| p * full).sum::<f64>().min(1.0);
    if waiting <= 0.0 || probability <= 1e-9 {
        return (Wait::default(), Wait::default());
    }
    // Beyond K residents the rest waits outside.
    let places = (load.cap - load.served_per_s * backlog.own).max(1.0);
    let outside = limited.iter().enumerate().map(|(n, p)| p * (n as f64 - places).max(0.0)).sum::<f64>();
    let crowded: f64 = limited.iter().enumerate().filter(|(n, _)| *n as f64 > places).map(|(_, p)| p).sum();
    let before = (outside / load.served_per_s).min(waiting);
    let wait = if crowded > 1e-9 { Wait { probability: crowded, mean: before / crowded } } else { Wait::default() };
    (wait, Wait { probability, mean: (waiting - before) / probability })
}

/// (u, probability) over iterations.
fn prompt_tokens(backlog: &Backlog) -> Vec<(f64, f64)> {
    let levels: f64 = backlog.steps.iter().enumerate().map(|(level, step)| level as f64 * step.1).sum();
    let cell = if levels > 0.0 { backlog.tokens / levels } else { 0.0 };
    gathered(backlog.steps.iter().enumerate().map(|(level, step)| (level as f64 * cell, step.1)).collect())
}

/// The prompts that come in an iteration scale with its length.
fn iteration(load: &Load, prompts: &[(f64, f64)], per_resident: f64, budget: f64, n: f64) -> Iteration {
    let mean: f64 = prompts.iter().map(|(u, p)| u * p).sum();
    let mut scale = 1.0;
    let mut found = Iteration { seconds: 0.0, decodes: n, full: 0.0 };
    for _ in 0..4 {
        found = Iteration { seconds: 0.0, decodes: 0.0, full: 0.0 };
        for &(u, p) in prompts {
            let tokens = (scale * u).min(budget);
            let decodes = n.min(budget - tokens);
            found.seconds += p * (load.step_s((tokens + decodes).max(1.0), 0.0) + per_resident * decodes);
            found.decodes += p * decodes;
            found.full += if tokens + n > budget { p } else { 0.0 };
        }
        scale = if mean > 0.0 { load.served_per_s * found.seconds * load.prompt() / mean } else { 1.0 };
    }
    found
}

/// The law of n and the share of full iterations by n.
fn law(load: &Load, iteration: impl Fn(f64) -> Iteration, slope: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<f64>) {
    let gaps = (load.output() - 1.0).max(1e-9);
    let (mut logs, mut full) = (vec![0.0], vec![0.0]);
    let mut highest = 0.0_f64;
    for n in 1..MOST {
        let found = iteration(n as f64);
        let up = load.served_per_s * gaps * found.seconds / found.decodes.max(1e-9);
        let next = logs[n - 1] + up.ln() * slope(found.full);
        logs.push(next);
        full.push(found.full);
        highest = highest.max(next);
        if next < highest - 35.0 {
            break;
        }
    }
    let masses: Vec<f64> = logs.iter().map(|log| (log - highest).exp()).collect();
    let total: f64 = masses.iter().sum();
    (masses.iter().map(|mass| mass / total).collect(), full)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::solve;
    use crate::fluid::testing::{affine, scenario, uniform};
    use crate::scenario::{Priority, Prompts};
    use approx::assert_relative_eq;

    /// Orca at .9 of its token budget of 256 is longer in the system than with a budget that never fills.
    #[test]
    fn decodes_wait_for_what_prompts_leave() {
        let mut question = scenario(0.9 * 15.314_669, uniform(50, 150), uniform(20, 180), affine(0.02, 2.5e-4), 300);
        question.policy.batching.priority = Some(Priority::PrefillFirst);
        question.policy.batching.prompts = Some(Prompts::Whole);
        question.instance.max_batch_tokens = Some(256);
        let limited = solve(&question).summary;
        question.instance.max_batch_tokens = Some(100_000);
        let free = solve(&question).summary;
        let e2e = |summary: &crate::answer::Summary| summary.e2e_s.unwrap().mean.value;
        assert!(e2e(&limited) > 1.1 * e2e(&free), "{} {}", e2e(&limited), e2e(&free));
        // Little's law over what is in the system.
        let inside = limited.waiting.unwrap().value + limited.running.unwrap().value;
        assert_relative_eq!(inside, 0.9 * 15.314_669 * e2e(&limited), max_relative = 1e-9);
    }

    /// A law of decodes alone, n/(gaps·T) up to the budget: the share of full iterations is one beyond it and none below.
    #[test]
    fn the_budget_is_hard_without_prompts() {
        let question = scenario(1.0, uniform(1, 1), uniform(11, 11), affine(0.02, 2.5e-4), 300);
        let load = Load::of(&question);
        let at = |n: f64| iteration(&load, &[(0.0, 1.0)], 0.0, 64.0, n);
        assert_eq!((at(64.0).decodes, at(64.0).full), (64.0, 0.0));
        assert_eq!((at(65.0).decodes, at(65.0).full), (64.0, 1.0));
    }
}
