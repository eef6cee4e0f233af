//! λ*: where each limit of the instance stops the flow of requests, and which limit does so first.
//!
//! In a saturated system the limits fix the flow X, requests per iteration: X = K/steps (sequence cap), X = B/w (token
//! budget), X from the memory law. The limit with the least flow binds, and λ* = X/E\[τ\]. Selecting by flow and not by λ
//! matters where τ is not concave: with a hinge the least λ would be up to 17 % off.

use super::load::Load;
use super::memory;
use super::policies;
use super::root;
use super::rules;
use super::transform::fold;
use crate::answer::{Boundary, Limit, Method};
use crate::cost::{affine_coefficients, curve, per_token_s};
use crate::scenario::StepTimeLaw;

/// Relative width of the certified bracket.
const BRACKET: f64 = 1e-12;
/// Longest lattice for the law of the tokens of an iteration.
const LATTICE: usize = 1 << 15;

/// The saturated state under one limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Regime {
    pub limit: Limit,
    /// X: requests completed per iteration.
    pub flow: f64,
    /// E\[τ\].
    pub step_s: f64,
    /// Sequences resident.
    pub running: f64,
    /// Sequences preempted.
    pub swapped: f64,
    /// KV tokens held.
    pub kv_tokens: f64,
    /// Tokens per iteration.
    pub batch_tokens: f64,
    /// Preemptions per request.
    pub preemptions: f64,
    /// λ if preemptions cost nothing.
    pub calm_per_s: f64,
    /// Whether the flow and the step time are exact.
    pub method: Method,
}

impl Regime {
    pub fn lambda(&self) -> f64 {
        self.flow / self.step_s
    }
}

/// Every limit with its saturated state, the binding one first, the others by their flow.
pub(super) fn regimes(load: &Load) -> Vec<Regime> {
    let mut found = vec![sequence_cap(load, load.cap)];
    if load.budget.is_finite() {
        found.push(token_budget(load));
    }
    found.extend(rules::entry_limit(load));
    if let Some(capacity) = load.memory {
        let least = found.iter().map(|regime| regime.flow).fold(f64::INFINITY, f64::min);
        found.push(memory::regime(load, capacity, least));
    }
    found.sort_by(|a, b| a.flow.total_cmp(&b.flow));
    found
}

/// The boundary behind the regimes.
pub(super) fn of(load: &Load, regimes: &[Regime]) -> Boundary {
    let first = &regimes[0];
    let lambda = first.lambda();
    let residual = |rate: f64| rate * first.step_s - first.flow;
    let bracket = root::find(residual, lambda, BRACKET).unwrap_or(root::Bracket { low: lambda, high: lambda });
    Boundary {
        high_per_s: policies::best_below(load, first).max(lambda),
        low_per_s: lambda,
        bracket_per_s: (bracket.low, bracket.high),
        binding: first.limit,
        runner_up: runner_up(load, regimes),
        method: first.method,
    }
}

/// The limit with the next flow; without another limit the rate at which the tokens alone fill the time.
fn runner_up(load: &Load, regimes: &[Regime]) -> Option<(Limit, f64)> {
    if let Some(second) = regimes.get(1) {
        return Some((second.limit, second.lambda()));
    }
    let rate = 1.0 / seconds_per_request(load);
    // A hinge with c < a·b0 comes down to this rate from above: then it is no limit.
    (rate.is_finite() && rate > regimes[0].lambda()).then_some((Limit::ComputeRate, rate))
}

/// Seconds that one more request adds to long iterations: d1·w + d2·g.
pub(super) fn seconds_per_request(load: &Load) -> f64 {
    per_token_s(load.law()) * load.work() + load.per_context_s() * load.moments.held_mean()
}

/// `cap` resident sequences and a backlog: X = K/(E\[o\] − 1 + n_ch), n_ch iterations per prompt.
fn sequence_cap(load: &Load, cap: f64) -> Regime {
    let mut flow = cap / load.output();
    let mut chunks = load.chunks_at(flow);
    // n_ch depends on the budget that the decodes leave, and they on the flow.
    for _ in 0..if load.budget.is_finite() { 4 } else { 0 } {
        flow = cap / (load.output() - 1.0 + chunks.steps);
        chunks = load.chunks_at(flow);
    }
    let context = flow * (load.moments.held_mean() + chunks.held);
    let step_s = step_at_cap(load, cap, flow, context);
    Regime {
        limit: Limit::SequenceCap,
        flow,
        step_s,
        running: cap,
        swapped: 0.0,
        kv_tokens: context,
        batch_tokens: flow * load.work(),
        preemptions: 0.0,
        calm_per_s: flow / step_s,
        method: if chunks.steps <= load.shares().0 * (1.0 + 1e-9) { Method::Exact } else { Method::Approximation },
    }
}

/// X = B/w: full iterations.
fn token_budget(load: &Load) -> Regime {
    let flow = load.budget / load.work();
    let chunks = load.chunks_at(flow);
    let context = flow * (load.moments.held_mean() + chunks.held);
    let step_s = load.step_s(load.budget, context);
    Regime {
        limit: Limit::TokenBudget,
        flow,
        step_s,
        running: flow * (load.output() - 1.0 + chunks.steps),
        swapped: 0.0,
        kv_tokens: context,
        batch_tokens: load.budget,
        preemptions: 0.0,
        calm_per_s: flow / step_s,
        method: Method::Approximation,
    }
}

/// E\[τ\] over the law of an iteration's tokens: each of the K slots is an independent renewal process in iteration time, so
/// the tokens are a K-fold convolution. Affine laws need only the mean.
fn step_at_cap(load: &Load, cap: f64, flow: f64, context: f64) -> f64 {
    let mean = flow * load.work();
    let from_mean = load.step_s(mean, context);
    if affine_coefficients(load.law()).is_some() || cap > 1e5 {
        return from_mean;
    }
    let slot = slot_tokens(load, cap / flow);
    let reach = mean + 10.0 * (flow * load.moments.raw(2, 0)).sqrt() + cap;
    let n = (reach as usize).max(slot.len()).next_power_of_two();
    if n > LATTICE {
        return from_mean;
    }
    // The context enters linearly, by its mean.
    step_over(load, &fold(&slot, cap as u64, n), mean) + load.per_context_s() * context
}

/// The law of one slot's tokens in one iteration: a prompt with probability 1/steps, one token otherwise.
fn slot_tokens(load: &Load, steps: f64) -> Vec<f64> {
    let (count, shares) = load.shares();
    let mut slot: Vec<f64> = shares.iter().map(|mass| mass * count / steps).collect();
    if slot.len() < 2 {
        slot.resize(2, 0.0);
    }
    slot[1] += (load.output() - 1.0) / steps;
    slot[0] += (1.0 - (load.output() - 1.0 + count) / steps).max(0.0);
    slot
}

/// E\[S(b)\] with the tokens above the budget carried into other iterations.
fn step_over(load: &Load, tokens: &[f64], mean: f64) -> f64 {
    match *load.law() {
        StepTimeLaw::Hinge { base_s, per_token_s, free_tokens } => {
            // E(b − b0)⁺ = E[b] − b0 + E(b0 − b)⁺, and carrying does not touch the mean.
            let free = free_tokens as f64;
            let short: f64 =
                tokens.iter().take(free_tokens as usize).zip(0..).map(|(p, b)| p * (free - f64::from(b))).sum();
            base_s + per_token_s * (mean - free + short)
        }
        StepTimeLaw::Staircase { base_s, per_stair_s, stair_tokens } => {
            let stair = stair_tokens as f64;
            let stairs = |b: f64| (b.min(load.budget) / stair).ceil() + (b - load.budget).max(0.0) / stair;
            let sum: f64 = tokens.iter().enumerate().map(|(b, p)| p * stairs(b as f64)).sum();
            base_s + per_stair_s * sum
        }
        StepTimeLaw::Curve { ref points, .. } => {
            let carried = curve::slope_after(points, points.len());
            let within = |b: f64| curve::seconds(points, b.min(load.budget)) + carried * (b - load.budget).max(0.0);
            tokens.iter().enumerate().map(|(b, p)| p * within(b as f64)).sum()
        }
        _ => load.step_s(mean, 0.0),
    }
}

/// The largest λ that any number of resident sequences up to the limit can carry: above λ* where b/τ(b) falls before the
/// limit is reached, as for a hinge with c < a·b0, and where few-valued outputs fall into eviction cycles.
pub(super) fn best_below(load: &Load, first: &Regime) -> f64 {
    if first.limit == Limit::KvMemory && first.method == Method::Fluid {
        // An eviction cycle, which an empty start does not enter.
        return first.calm_per_s;
    }
    if affine_coefficients(load.law()).is_some() || first.limit == Limit::KvMemory {
        return first.lambda();
    }
    let rate = |residents: u64| sequence_cap(load, residents as f64).lambda();
    let top = (first.running.floor() as u64).max(1);
    let mut best = (1, rate(1));
    let mut width = top;
    // A geometric ladder first, then a narrowing search around its best rung.
    while width >= 1 {
        let candidate = rate(width);
        if candidate > best.1 {
            best = (width, candidate);
        }
        width = if width == 1 { 0 } else { (width * 3 / 4).max(1) };
    }
    let (mut low, mut high) = ((best.0 * 3 / 4).max(1), (best.0 * 4 / 3 + 1).min(top));
    while high > low + 2 {
        let (left, right) = (low + (high - low) / 3, high - (high - low) / 3);
        let (at_left, at_right) = (rate(left), rate(right));
        if at_left < at_right {
            low = left;
        } else {
            high = right;
        }
        best.1 = best.1.max(at_left).max(at_right);
    }
    // A staircase has a tooth per stair; differences below the search's resolution are no second boundary.
    if best.1 > first.lambda() * 1.001 { best.1 } else { first.lambda() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::testing::{affine, scenario, uniform};
    use crate::scenario::{Scenario, StepTimeLaw};
    use approx::assert_relative_eq;

    fn boundary(scenario: &Scenario) -> Boundary {
        scenario.validate().unwrap();
        let load = Load::of(scenario);
        of(&load, &regimes(&load))
    }

    /// Rows "af" of the policy laws: c .02, a .00025, s U50–150, o U20–180.
    #[test]
    fn sequence_cap_of_the_policy_laws() {
        let mut question = scenario(1.0, uniform(50, 150), uniform(20, 180), affine(0.02, 0.00025), 16);
        let found = boundary(&question);
        assert_relative_eq!(found.low_per_s, 5.722_461, max_relative = 1e-6);
        assert_eq!(found.binding, Limit::SequenceCap);
        assert_eq!(found.runner_up.map(|(limit, _)| limit), Some(Limit::ComputeRate));
        question.instance.max_sequences = 128;
        question.instance.max_batch_tokens = Some(512);
        assert_relative_eq!(boundary(&question).low_per_s, 15.296_367, max_relative = 1e-6);
    }

    /// The hinge rows: convolution, and the second boundary 12.816 of a system whose b/τ(b) has an inner maximum.
    #[test]
    fn hinge_of_the_policy_laws() {
        let law = StepTimeLaw::Hinge { base_s: 0.02, per_token_s: 0.0004, free_tokens: 128 };
        let mut question = scenario(1.0, uniform(10, 400), uniform(2, 60), law, 64);
        question.instance.max_batch_tokens = Some(4096);
        let found = boundary(&question);
        assert_relative_eq!(found.low_per_s, 12.40481, max_relative = 1e-6);
        assert_relative_eq!(found.high_per_s, 12.816, max_relative = 1e-4);
    }

    /// Oracle S2: the staircase at B = 512 takes 153.16 ms.
    #[test]
    fn token_budget_on_the_staircase() {
        let law = StepTimeLaw::Staircase { base_s: 0.01128, per_stair_s: 0.03547, stair_tokens: 128 };
        for (prompt, output, rate) in [(100, 101, 16.714_546_879_1), (129, 113, 13.870_993_260_6)] {
            let mut question = scenario(1.0, uniform(prompt, prompt), uniform(output, output), law.clone(), 500);
            question.instance.max_batch_tokens = Some(512);
            let found = boundary(&question);
            assert_eq!(found.binding, Limit::TokenBudget);
            assert_relative_eq!(found.low_per_s, rate, max_relative = 1e-10);
        }
    }

    #[test]
    fn the_bracket_holds_the_root() {
        let found = boundary(&crate::fluid::testing::chat(2.0));
        let (low, high) = found.bracket_per_s;
        assert!(low <= found.low_per_s && found.low_per_s <= high && high - low < 1e-11, "{found:?}");
        // Simulated: 3.606.
        assert_relative_eq!(found.low_per_s, 3.606, max_relative = 4e-3);
    }
}
