//! Split iterations (seed 001's hybrid): of K sequences in an iteration ⌊rK⌋ decode and the rest are prompts. Only an iteration is
//! capped, not the residents, so a queue stands before the decodes.
//!
//! Three limits: the decodes, X = ⌊rK⌋/(E\[o\] − 1); the tokens, X = B/w; the places of prompts, X = (K − ⌊rK⌋)/n_ch. While
//! decodes are the limit, prompts meet a free part of the iteration, and their backlog is the Markov chain
//! u' = (u − (B − ⌊rK⌋))⁺ + CP(λτ(u)) whose mean step gives λ·E\[τ\] = X.

use super::super::boundary::Regime;
use super::super::load::Load;
use super::super::memory;
use super::super::transform::{compound_poisson, on_lattice};
use crate::answer::{Limit, Method};
use crate::cost::affine_coefficients;
use crate::scenario::MixedCost;

/// Cells of the lattice for the backlog.
const CELLS: f64 = 512.0;

/// Every limit with its saturated state, the binding one first.
pub fn regimes(load: &Load) -> Vec<Regime> {
    let (decodes, prompts) = load.scenario.split();
    let (decodes, prompts) = (decodes as f64, prompts as f64);
    let gaps = load.output() - 1.0;
    let mut found = Vec::new();
    let count = load.chunks(load.chunk.min((load.budget - decodes).max(1.0)), 0.0).steps;
    let count = if load.whole() { 1.0 } else { count };
    found.push(at(load, Limit::SequenceCap, (prompts / count, count), |u, n| load.mixed_step_s(u, n.min(decodes))));
    if load.budget.is_finite() {
        found.push(at(load, Limit::TokenBudget, (load.budget / load.work(), count), |u, n| load.mixed_step_s(u, n)));
    }
    if gaps > 0.0 {
        let flow = decodes / gaps;
        let exact =
            affine_coefficients(load.law()).is_some() && load.scenario.batch_rules().mixed_cost == MixedCost::Sum;
        let mut regime = at(load, Limit::SequenceCap, (flow, count), |u, n| load.mixed_step_s(u, n));
        regime.method = if exact { Method::Exact } else { Method::Approximation };
        if !exact && flow * load.work() < load.budget {
            let context = regime.step_s - load.mixed_step_s(flow * load.prompt(), decodes);
            regime.step_s = mean_step(load, decodes, flow) + context;
            regime.calm_per_s = regime.flow / regime.step_s;
        }
        found.push(regime);
    }
    if let Some(capacity) = load.memory {
        let least = found.iter().map(|regime| regime.flow).fold(f64::INFINITY, f64::min);
        let regime = memory::regime(load, capacity, least);
        let other = at(load, Limit::KvMemory, (regime.flow, count), |u, n| load.mixed_step_s(u, n.min(decodes)));
        let beside = regime.step_s - load.step_s(regime.batch_tokens, regime.kv_tokens);
        found.push(Regime { step_s: other.step_s + beside, calm_per_s: other.calm_per_s, ..regime });
    }
    found.sort_by(|a, b| a.flow.total_cmp(&b.flow));
    found
}

/// Whether the places of decodes are the limit.
pub fn decodes_bind(load: &Load, binding: &Regime) -> bool {
    let gaps = load.output() - 1.0;
    binding.limit == Limit::SequenceCap && binding.flow * gaps > load.scenario.split().0 as f64 * (1.0 - 1e-12)
}

/// Residents while all places of decodes are taken and prompts pass at the pace of decodes.
pub fn most_residents(load: &Load) -> f64 {
    let gaps = (load.output() - 1.0).max(1.0);
    load.scenario.split().0 as f64 * load.output() / gaps
}

/// The regime with X requests per iteration, both parts of an iteration at their mean.
fn at(load: &Load, limit: Limit, (flow, count): (f64, f64), step: impl Fn(f64, f64) -> f64) -> Regime {
    let gaps = load.output() - 1.0;
    let context = flow * load.moments.held_mean();
    let step_s = step(flow * load.prompt(), flow * gaps) + load.per_context_s() * context;
    Regime {
        limit,
        flow,
        step_s,
        running: flow * (gaps + count),
        swapped: 0.0,
        kv_tokens: context,
        batch_tokens: flow * load.work(),
        preemptions: 0.0,
        calm_per_s: flow / step_s,
        method: Method::Approximation,
    }
}

/// E\[τ\] where `decodes` decode and X requests come per iteration: λ with λ·E\[τ\] = X by secants from the step at the mean.
fn mean_step(load: &Load, decodes: f64, flow: f64) -> f64 {
    let mut chain = Chain::of(load, decodes, flow);
    let mut step = load.mixed_step_s(flow * load.prompt(), decodes);
    let mut found = chain.mean_step(flow / step);
    let mut slope = 0.0;
    for _ in 0..12 {
        let gap = found - step;
        if gap.abs() < 1e-9 * step {
            break;
        }
        // The first move is the fixed point's; it and the steps found give the slope for the others.
        let next = step + gap / (1.0 - slope);
        let longer = chain.mean_step(flow / next);
        slope = ((longer - found) / (next - step)).min(0.9);
        (step, found) = (next, longer);
    }
    found
}

/// The backlog of prompt tokens on a lattice. All iterations that leave none behind bring a compound Poisson number of prompts
/// in their own time; that law is polynomial in the time to any accuracy, so it is worked out at a few times and interpolated.
struct Chain {
    shares: Vec<f64>,
    /// Shares per prompt.
    count: f64,
    /// τ by cells, up to a full iteration.
    steps: Vec<f64>,
    law: Vec<f64>,
}

impl Chain {
    fn of(load: &Load, decodes: f64, flow: f64) -> Self {
        let (count, shares) = load.shares();
        let chunk = load.budget - decodes;
        let mean = flow * load.prompt();
        let squared = load.shares_squared() * flow;
        let longest = (shares.len() - 1) as f64;
        let mut reach = mean + 10.0 * squared.sqrt() + longest;
        let mut served = reach;
        if chunk < reach {
            reach += 8.0 * squared / (2.0 * (chunk - mean).max(0.02 * chunk));
            served = chunk;
        }
        let mut cell = (reach / CELLS).max(1.0);
        if chunk < reach {
            cell = chunk / (chunk / cell).floor().max(1.0);
        }
        let levels = (served / cell).round() as usize;
        let steps = (0..=levels).map(|level| load.mixed_step_s(level as f64 * cell, decodes)).collect();
        let mut law = vec![0.0; ((reach / cell).ceil() as usize + 1).max(levels + 1)];
        law[0] = 1.0;
        Self { shares: on_lattice(shares, cell), count, steps, law }
    }

    /// E\[τ\] at λ; keeps the law for the next λ.
    fn mean_step(&mut self, rate: f64) -> f64 {
        let levels = self.steps.len() - 1;
        let (low, high) = (self.steps[0], self.steps[levels]);
        let nodes = nodes(low, high, rate * self.count * (high - low));
        let arrivals: Vec<Vec<f64>> = nodes
            .iter()
            .map(|&step| compound_poisson(&self.shares, rate * self.count * step, self.law.len()))
            .collect();
        let full = compound_poisson(&self.shares, rate * self.count * high, self.law.len());
        let weights: Vec<Vec<f64>> = self.steps[..levels].iter().map(|&step| lagrange(&nodes, step)).collect();
        for _ in 0..4000 {
            let next = self.next(&arrivals, &full, &weights);
            let change: f64 = next.iter().zip(&self.law).map(|(a, b)| (a - b).abs()).sum();
            self.law = next;
            if change < 1e-11 {
                break;
            }
        }
        self.law.iter().enumerate().map(|(u, p)| p * self.steps[u.min(levels)]).sum()
    }

    fn next(&self, arrivals: &[Vec<f64>], full: &[f64], weights: &[Vec<f64>]) -> Vec<f64> {
        let (n, levels) = (self.law.len(), weights.len());
        let mut mix = vec![0.0; arrivals.len()];
        for (p, row) in self.law.iter().zip(weights).filter(|(p, _)| **p > 1e-18) {
            mix.iter_mut().zip(row).for_each(|(sum, weight)| *sum += p * weight);
        }
        let mut next = vec![0.0; n];
        for (weight, law) in mix.iter().zip(arrivals) {
            next.iter_mut().zip(law).for_each(|(cell, p)| *cell += weight * p);
        }
        for (rest, &p) in self.law[levels..].iter().enumerate().filter(|(_, p)| **p > 1e-15) {
            next[rest..].iter_mut().zip(full).for_each(|(cell, q)| *cell += p * q);
        }
        next.iter_mut().for_each(|p| *p = p.max(0.0));
        next[n - 1] += (1.0 - next.iter().sum::<f64>()).max(0.0);
        next
    }
}

/// Chebyshev nodes between two times in which up to `arrivals` prompts come.
fn nodes(low: f64, high: f64, arrivals: f64) -> Vec<f64> {
    if high - low <= 1e-12 * high {
        return vec![low];
    }
    let count = 8 + (1.5 * arrivals).min(60.0) as usize;
    let angle = |j: usize| std::f64::consts::PI * (j as f64 + 0.5) / count as f64;
    (0..count).map(|j| 0.5 * (low + high) + 0.5 * (high - low) * angle(j).cos()).collect()
}

/// The weights of Lagrange's interpolation at Chebyshev nodes (barycentric form).
fn lagrange(nodes: &[f64], x: f64) -> Vec<f64> {
    let count = nodes.len() as f64;
    if let Some(hit) = nodes.iter().position(|node| (node - x).abs() < 1e-14 * x.abs()) {
        return (0..nodes.len()).map(|j| if j == hit { 1.0 } else { 0.0 }).collect();
    }
    let mut sign = 1.0;
    let mut weights: Vec<f64> = nodes
        .iter()
        .enumerate()
        .map(|(j, node)| {
            let weight = sign * (std::f64::consts::PI * (j as f64 + 0.5) / count).sin() / (x - node);
            sign = -sign;
            weight
        })
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::testing::{affine, scenario, uniform};
    use crate::scenario::{Engine, MixedCost, Scenario, StepTimeLaw};
    use approx::assert_relative_eq;

    fn hybrid(law: StepTimeLaw) -> Scenario {
        let mut question = scenario(1.0, uniform(50, 150), uniform(20, 180), law, 128);
        question.policy.engine = Engine::Hybrid;
        question.instance.max_batch_tokens = Some(400);
        question
    }

    /// On an affine law the mean of the chain needs no chain, also where backlogs are carried on. What lies beyond the lattice,
    /// ten standard deviations, is cut off; at 2.5, with three quarters of the room for prompts filled, it costs 5e-4.
    #[test]
    fn the_chain_keeps_the_mean() {
        let question = hybrid(affine(0.02, 2.5e-4));
        let load = Load::of(&question);
        for flow in [0.2, 64.0 / 100.0, 1.0] {
            let expected = 0.02 + 2.5e-4 * (64.0 + 100.0 * flow);
            assert_relative_eq!(mean_step(&load, 64.0, flow), expected, max_relative = 1e-5);
        }
    }

    /// Prompts alone: without decodes the longer part is the prompts' own, and the mean the affine one.
    #[test]
    fn the_longer_part_lies_between_the_means_and_the_sum() {
        let mut question = hybrid(affine(0.02, 2.5e-4));
        let sum = regimes(&Load::of(&question))[0];
        question.policy.batching.mixed_cost = Some(MixedCost::Max);
        let longer = regimes(&Load::of(&question))[0];
        assert_eq!(sum.flow, longer.flow);
        assert!(longer.step_s < sum.step_s);
        // Jensen: the mean of the longer one is more than the longer of the means.
        let means = 0.02 + 2.5e-4 * f64::max(64.0, 100.0 * longer.flow);
        assert!(longer.step_s > 1.05 * means, "{} {means}", longer.step_s);
    }

    /// Three limits: decodes, tokens, places of prompts.
    #[test]
    fn every_limit_can_bind() {
        let mut question = hybrid(affine(0.02, 2.5e-4));
        let binding = |question: &Scenario| {
            let load = Load::of(question);
            let first = regimes(&load)[0];
            (first.limit, decodes_bind(&load, &first), first.flow)
        };
        assert_eq!(binding(&question), (Limit::SequenceCap, true, 64.0 / 100.0));
        question.instance.max_batch_tokens = Some(160);
        question.policy.batching.decode_share = Some(0.9);
        let (limit, decodes, flow) = binding(&question);
        assert_eq!((limit, decodes), (Limit::TokenBudget, false));
        assert_relative_eq!(flow, 160.0 / 200.0, max_relative = 1e-12);
        question.instance.max_batch_tokens = Some(4000);
        question.policy.batching.decode_share = Some(0.995);
        question.policy.batching.chunk_tokens = Some(10);
        let (limit, decodes, flow) = binding(&question);
        assert_eq!((limit, decodes), (Limit::SequenceCap, false));
        assert_relative_eq!(flow, 1.0 / Load::of(&question).shares().0, max_relative = 1e-12);
    }
}
