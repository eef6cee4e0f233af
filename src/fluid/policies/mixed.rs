//! Mixed iterations: vLLM v1 and Sarathi (decodes first, prompts in chunks), Orca (prompts first and whole), and what lies
//! between them.
//!
//! With K slots and a backlog every slot is a renewal process in iterations, so X = K/(E\[o\] − 1 + n_ch) and the tokens of an
//! iteration are a K-fold convolution, whoever goes first; a full token budget gives X = B/w. The load decides between them.

use super::super::boundary::{self, Regime};
use super::super::load::Load;
use super::super::transform::{fourier, on_lattice};
use super::{Queue, queue};
use crate::answer::{Limit, Method};
use crate::scenario::{Class, MixedCost, Priority, Prompts};
use nalgebra::Complex;

/// Cells of the lattice for the prompt tokens of an iteration.
const CELLS: usize = 512;

/// Every limit with its saturated state, the binding one first.
pub fn regimes(load: &Load) -> Vec<Regime> {
    let rules = load.scenario.batch_rules();
    let mut found = boundary::regimes(load);
    for regime in &mut found {
        if regime.limit == Limit::TokenBudget
            && rules.prompts == Prompts::Whole
            && rules.priority == Priority::DecodeFirst
        {
            *regime = packed(load, regime);
        }
        if rules.mixed_cost == MixedCost::Max {
            let step_s = longer_part(load, regime);
            let beside = regime.step_s - load.step_s(regime.batch_tokens, regime.kv_tokens);
            regime.step_s = if regime.limit == Limit::KvMemory { step_s + beside } else { step_s };
            regime.calm_per_s = regime.flow / step_s;
        }
    }
    found.sort_by(|a, b| a.flow.total_cmp(&b.flow));
    found
}

/// What a reader must know about these rules.
pub fn notes(load: &Load, binding: &Regime) -> Vec<String> {
    let rules = load.scenario.batch_rules();
    let mut notes = Vec::new();
    if queue(load, binding) == Queue::Tokens {
        notes.push(
            "Prompts take the token budget first: decodes that wait for tokens are in the means, but not in the percentiles of the gaps, which are too short near λ*"
                .into(),
        );
    }
    if binding.limit == Limit::TokenBudget && load.wastes_budget() {
        notes.push(
            "Whole prompts that do not fit leave a part of the token budget unused, taken at half of a size-biased prompt"
                .into(),
        );
    }
    if rules.mixed_cost == MixedCost::Max && binding.limit != Limit::SequenceCap {
        notes.push("The longer of prompts and decodes is taken at the mean of both".into());
    }
    notes.extend(unseen_waits(load));
    notes
}

/// Whole prompts of a split batch that are longer than what the most decodes leave stop the line until decodes fall: no regime has that.
fn unseen_waits(load: &Load) -> Option<String> {
    let rules = load.scenario.batch_rules();
    let left = load.left_to_prompts(load.scenario.split().0 as f64);
    let longer = |class: &Class| class.prompt.longest().is_none_or(|longest| longest as f64 > left);
    let blocked =
        load.wastes_budget() && rules.priority == Priority::Split && load.scenario.workload.class.iter().any(longer);
    blocked.then(|| {
        format!(
            "Whole prompts of more than {left:.0} tokens stop the line until decodes fall, which no law here sees: λ* is then too high \
             (by 20 % where 4 prompts in 1000 are so long), and waits are too short"
        )
    })
}

/// Whole prompts behind the decodes: the head that does not fit is size-biased, and what it leaves unused uniform on it.
fn packed(load: &Load, full: &Regime) -> Regime {
    let flow = (load.budget - load.unused_by_whole()).max(0.5 * load.budget) / load.work();
    let context = flow * load.moments.held_mean();
    let tokens = flow * load.work();
    let step_s = load.step_s(tokens, context);
    Regime {
        flow,
        step_s,
        running: flow * load.output(),
        kv_tokens: context,
        batch_tokens: tokens,
        calm_per_s: flow / step_s,
        ..*full
    }
}

/// E\[τ\] where an iteration costs the longer of its prompts and its decodes. With K slots the prompts' shares are
/// Binomial(K, n_ch/steps), and the tokens given their number a convolution; elsewhere both parts are taken at their mean.
fn longer_part(load: &Load, regime: &Regime) -> f64 {
    let first = load.moments.held(1, 0) + 1.0;
    let context = [regime.flow * first, (regime.kv_tokens - regime.flow * first).max(0.0)];
    let step = |prompts: f64, decodes: f64| {
        let of_prompts = if prompts > 0.0 { load.step_s(prompts, context[0]) } else { 0.0 };
        of_prompts.max(load.step_s(decodes, context[1]))
    };
    let (count, shares) = load.shares();
    let decodes = regime.flow * (load.output() - 1.0);
    let at_mean = step(regime.flow * load.prompt(), decodes);
    let (slots, chance) = (load.cap, regime.flow * count / load.cap);
    if regime.limit != Limit::SequenceCap
        || slots > 1e5
        || regime.method != Method::Exact && !load.whole() && load.chunk.is_infinite()
    {
        return at_mean;
    }
    let mean = slots * chance;
    let spread = 8.0 * mean.sqrt() + 4.0;
    let (least, most) = ((mean - spread).max(0.0) as u64, ((mean + spread).min(slots)) as u64);
    let reach =
        mean * load.prompt() / count + 10.0 * (regime.flow * load.moments.raw(2, 0)).sqrt() + shares.len() as f64;
    let cell = (reach / CELLS as f64).ceil().max(1.0);
    let n = ((reach / cell) as usize + 1).next_power_of_two();
    let mut one = vec![Complex::new(0.0, 0.0); n];
    for (cell, mass) in one.iter_mut().zip(on_lattice(shares, cell)) {
        cell.re = mass;
    }
    fourier(&mut one, false);
    let mut law: Vec<Complex<f64>> =
        one.iter().map(|value| value.powi(i32::try_from(least).unwrap_or(i32::MAX))).collect();
    let mut sum = 0.0;
    for prompts in least..=most {
        let mass = binomial(slots, chance, prompts as f64);
        if mass > 1e-14 {
            let mut tokens = law.clone();
            fourier(&mut tokens, true);
            let expected: f64 =
                tokens.iter().enumerate().map(|(j, p)| p.re * step(j as f64 * cell, slots - prompts as f64)).sum();
            sum += mass * expected;
        }
        law.iter_mut().zip(&one).for_each(|(left, right)| *left *= *right);
    }
    sum
}

fn binomial(n: f64, p: f64, k: f64) -> f64 {
    use statrs::function::gamma::ln_gamma;
    let ways = ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0);
    (ways + k * p.ln() + (n - k) * (-p).ln_1p()).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::testing::{constant, scenario, uniform};
    use crate::scenario::StepTimeLaw;
    use approx::assert_relative_eq;

    /// Two slots, prompts of 3 or 4 tokens, outputs of 3: every pair of what the slots do, by hand.
    #[test]
    fn the_longer_part_by_enumeration() {
        let law = StepTimeLaw::Hinge { base_s: 1.0, per_token_s: 0.5, free_tokens: 1 };
        let mut question = scenario(1.0, uniform(3, 4), constant(3), law, 2);
        question.policy.batching.mixed_cost = Some(MixedCost::Max);
        let found = regimes(&Load::of(&question))[0];
        // A slot holds a prompt of 3 or 4 with probability 1/6 each, else it decodes.
        let slot = [(3.0, 0.0, 1.0 / 6.0), (4.0, 0.0, 1.0 / 6.0), (0.0, 1.0, 4.0 / 6.0)];
        let time = |tokens: f64| if tokens > 0.0 { 1.0 + 0.5 * (tokens - 1.0) } else { 0.0 };
        let mut expected = 0.0;
        for (u, n, p) in slot {
            for (v, m, q) in slot {
                expected += p * q * time(u + v).max(time(n + m));
            }
        }
        assert_relative_eq!(found.step_s, expected, max_relative = 1e-9);
        assert_relative_eq!(found.flow, 2.0 / 3.0, max_relative = 1e-12);
    }

    /// Whole prompts behind decodes leave tokens unused, prompts before them do not.
    #[test]
    fn only_decodes_first_wastes_the_budget() {
        let law = StepTimeLaw::Affine { base_s: 0.02, per_token_s: 2.5e-4 };
        let mut question = scenario(1.0, uniform(50, 150), uniform(20, 180), law, 300);
        question.instance.max_batch_tokens = Some(512);
        question.policy.batching.prompts = Some(Prompts::Whole);
        let behind = regimes(&Load::of(&question))[0];
        question.policy.batching.priority = Some(Priority::PrefillFirst);
        let before = regimes(&Load::of(&question))[0];
        assert_eq!((behind.limit, before.limit), (Limit::TokenBudget, Limit::TokenBudget));
        assert_relative_eq!(before.batch_tokens, 512.0, max_relative = 1e-12);
        let unused = (100.0 * 100.0 + (101.0 * 101.0 - 1.0) / 12.0) / 200.0;
        assert_relative_eq!(behind.batch_tokens, 512.0 - unused, max_relative = 1e-9);
    }
}
