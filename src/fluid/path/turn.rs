//! One turn of an instance: how an iteration's tokens and places are split between decodes and prompts, for every way of forming
//! iterations, and how long it takes. Nothing here allocates.
//!
//! Of an exclusive engine a turn is a cycle: the iterations of prompts that find room, then one iteration of decodes.
//! Admission at a limit is complementarity: with nobody waiting the entrants are the arrivals, else what the limit leaves. The
//! active set is found by taking the smaller of the two.

use crate::cost::{curve, mean_step_s};
use crate::fluid::load::Load;
use crate::scenario::{
    Admission, BatchRules, BudgetCounts, MixedCost, Mixing, Priority, Prompts, SequenceLimit, StepTimeLaw,
};
use crate::schedule::budget;

use super::entry::Entry;

/// The limits of an instance as the fluid sees them.
#[derive(Debug, Clone)]
pub(in crate::fluid) struct Limits {
    pub rules: BatchRules,
    /// K of the residents; infinite when only a batch is capped.
    pub residents: f64,
    /// Most decodes of an iteration.
    pub decodes: f64,
    /// Most prompts of an iteration.
    pub prompts: f64,
    /// Most decodes and prompts of an iteration together.
    pub batch: f64,
    /// B of the tokens processed.
    pub tokens: f64,
    /// B of the context, for engines that count it.
    pub context: f64,
    /// M.
    pub memory: f64,
    /// KV tokens that an entrant must leave free, and the level at which nobody enters.
    pub kept_free: f64,
    pub closed_at: f64,
    law: StepTimeLaw,
}

impl Limits {
    pub fn of(load: &Load) -> Self {
        let scenario = load.scenario;
        let rules = scenario.batch_rules();
        let capped = rules.sequence_limit == SequenceLimit::Residents;
        let (split_decodes, split_prompts) = scenario.split();
        let split = rules.priority == Priority::Split;
        let counts_context = rules.budget_counts == BudgetCounts::Context;
        let batch = if capped { f64::INFINITY } else { load.cap };
        let memory = load.memory.unwrap_or(f64::INFINITY);
        let policy = &scenario.policy;
        let share = |share: Option<f64>| share.map_or(0.0, |share| (share * memory).min(memory));
        let quota = match (policy.admission, policy.quota_per_class) {
            (Admission::Quota, Some(quota)) => (quota * scenario.workload.class_rates().len() as u64) as f64,
            _ => f64::INFINITY,
        };
        let prompts = if split { split_prompts as f64 } else { f64::INFINITY };
        Self {
            rules,
            residents: if capped { load.cap } else { f64::INFINITY },
            decodes: if split { split_decodes as f64 } else { batch },
            prompts: prompts.min(quota),
            batch,
            tokens: if counts_context { f64::INFINITY } else { load.budget },
            context: if counts_context { load.budget } else { f64::INFINITY },
            memory,
            kept_free: if policy.admission == Admission::Watermark { share(policy.watermark_share) } else { 0.0 },
            closed_at: if policy.admission == Admission::Threshold {
                share(policy.threshold_share)
            } else {
                f64::INFINITY
            },
            law: scenario.step_time.clone(),
        }
    }

    /// Whether prompts and decodes take turns.
    pub fn is_exclusive(&self) -> bool {
        self.rules.mixing == Mixing::Exclusive
    }
}

/// What a turn finds.
#[derive(Debug, Clone, Copy)]
pub(in crate::fluid) struct Found {
    /// Requests that are ready to decode, and the KV tokens that they hold at the end of the turn.
    pub ready: f64,
    pub context: f64,
    /// Of the ready, how many a context budget lets decode; infinite without one.
    pub in_context: f64,
    /// Entrants for whom there are places and memory.
    pub room: f64,
    /// Requests that wait or prefill.
    pub waiting: f64,
    /// Arrivals per second.
    pub rate_per_s: f64,
    /// Iterations over which what waits enters when nothing limits it; 1 and no arrivals for the map.
    pub patience: f64,
    /// Tokens of prompts processed again, and seconds of transfers.
    pub again: f64,
    pub transfer_s: f64,
}

/// What a turn does.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(in crate::fluid) struct Turn {
    /// Ready requests that decode.
    pub decodes: f64,
    /// Prompts finished.
    pub entering: f64,
    /// Requests being prefilled.
    pub prefilling: f64,
    /// KV tokens that they hold.
    pub prefill_kv: f64,
    /// Length.
    pub step_s: f64,
    /// Tokens processed.
    pub tokens: f64,
    /// Share of the turn in which a limit and not the arrivals decides who enters, 0 to 1.
    pub limited: f64,
}

/// The turn at a state.
pub(in crate::fluid) fn turn(limits: &Limits, entry: &Entry, found: &Found) -> Turn {
    let rules = &limits.rules;
    // Decodes that go first leave the rest to the prompts.
    let first = if rules.priority == Priority::PrefillFirst || limits.is_exclusive() {
        0.0
    } else {
        found.ready.min(limits.decodes).min(limits.tokens).min(found.in_context)
    };
    let left = if limits.is_exclusive() { limits.tokens } else { budget::prefill_budget_fluid(limits.tokens, first) };
    let chunks = entry.chunks(left.min(limits.tokens));
    let most = most_entering(limits, entry, found, first, left, chunks.steps);
    // Waiting requests enter within `patience`; what arrives meanwhile enters as it comes.
    let patience = found.patience.max(chunks.steps);
    let base = found.waiting.max(0.0) / patience;
    let flow = found.rate_per_s * (1.0 - chunks.steps / patience);
    let at = |entering: f64| Turn {
        prefilling: entering * chunks.steps,
        prefill_kv: entering * (chunks.held + entry.holds),
        ..timed(limits, entry, found, first, entering)
    };
    let entering = settle(base, flow, most, &|entering| at(entering).step_s);
    let mut turn = at(entering);
    if turn.step_s <= 0.0 {
        turn.step_s = limits.idle_step_s();
    }
    let excess = (found.waiting - turn.prefilling).max(0.0);
    let bound = entering >= most * (1.0 - 1e-9) && most.is_finite();
    turn.limited = match bound {
        true if excess.is_finite() => excess / (excess + most + 1e-12),
        true => 1.0,
        false => 0.0,
    };
    turn
}

/// Entrants that the limits allow in one turn.
fn most_entering(limits: &Limits, entry: &Entry, found: &Found, first: f64, left: f64, steps: f64) -> f64 {
    let places = found.room.min(limits.prompts).min(limits.batch - first).max(0.0) / steps;
    if limits.is_exclusive() {
        // Iterations of prompts follow each other until nobody finds room.
        return found.room.max(0.0) / steps;
    }
    if limits.rules.prompts == Prompts::Present && limits.context.is_finite() {
        let free = (limits.context - found.context).max(0.0);
        return places.min(free / entry.holds);
    }
    places.min(left / entry.work)
}

/// The decodes beside `entering` prompts, and the length of the turn.
fn timed(limits: &Limits, entry: &Entry, found: &Found, first: f64, entering: f64) -> Turn {
    let prompt_tokens = entering * entry.work + found.again;
    let spread = entering * entry.work_squared.min(entry.work * entry.chunk.max(entry.work));
    let prompt_kv = entering * entry.holds;
    if limits.is_exclusive() {
        let decodes = (found.ready + entering).min(limits.decodes).min(limits.tokens);
        let batches = batches(limits, entry, found, entering, decodes);
        let prompts_s = if batches > 0.0 {
            batches * limits.step_over(prompt_tokens / batches, spread / batches, prompt_kv / batches)
        } else {
            0.0
        };
        let context = found.context + prompt_kv;
        let share = decodes / (found.ready + entering).max(f64::MIN_POSITIVE);
        let step_s = limits.step_over(decodes, 0.0, context * share) + prompts_s + found.transfer_s;
        return Turn { decodes, entering, step_s, tokens: prompt_tokens + decodes, ..Turn::default() };
    }
    let decodes = if limits.rules.priority == Priority::PrefillFirst {
        let tokens = budget::prefill_budget_fluid(limits.tokens, prompt_tokens);
        found.ready.min(tokens).min((limits.batch - entering).max(0.0)).min(found.in_context)
    } else {
        first
    };
    let share = if found.ready > 0.0 { decodes / found.ready } else { 0.0 };
    let (context, tokens) = (found.context * share, decodes + prompt_tokens);
    let step_s = if limits.rules.mixed_cost == MixedCost::Max {
        let prompts_s = limits.step_over(prompt_tokens, spread, prompt_kv);
        limits.step_over(decodes, 0.0, context).max(prompts_s)
    } else {
        limits.step_over(tokens, spread, context + prompt_kv)
    };
    Turn { decodes, entering, step_s: step_s + found.transfer_s, tokens, ..Turn::default() }
}

/// Iterations of prompts that `entering` of them need in a cycle.
///
/// At a limit those that found room go together: one iteration with the probability that there are any, and more as next-fit packing
/// fills them, which leaves half of the next prompt's size-biased length unused. Below it they follow the arrivals: one after the
/// decodes if somebody came meanwhile, and another after each in which somebody came.
fn batches(limits: &Limits, entry: &Entry, found: &Found, entering: f64, decodes: f64) -> f64 {
    if entering <= 0.0 {
        return 0.0;
    }
    let unused = if entry.chunk.is_finite() { 0.0 } else { entry.work_squared / (2.0 * entry.work) };
    let by_tokens = entering * entry.work / (limits.tokens - unused).max(entry.work);
    let filled = by_tokens.max(entering / limits.batch);
    let together = -(-entering).exp_m1() * (1.0 + (filled - 0.5).max(0.0));
    let at_limit = (2.0 * entering / found.room - 1.0).clamp(0.0, 1.0);
    if at_limit >= 1.0 || found.rate_per_s <= 0.0 {
        return together;
    }
    let came = |span_s: f64| -(-found.rate_per_s * span_s).exp_m1();
    let first = came(limits.step_over(decodes, 0.0, found.context));
    let mut count = together;
    for _ in 0..4 {
        let each = (entering / count.max(1e-12)).max(1.0);
        let length_s = limits.step_over(each * entry.work, 0.0, each * entry.holds);
        let next = first / (1.0 - came(length_s)).max(1e-6);
        count = 0.5 * (count + next.clamp(together, entering.max(together)));
    }
    at_limit * together + (1.0 - at_limit) * count
}

/// Most entrants of a turn without a limit: then the prompts alone fill the time.
const WITHOUT_END: f64 = 1e6;

/// The entrants: the least root of base + flow·τ(entrants) = entrants, or `most` when there is none below. Secant steps, exact after
/// one where τ is linear, then Illinois' method in the bracket.
fn settle(base: f64, flow: f64, most: f64, step_s: &dyn Fn(f64) -> f64) -> f64 {
    if base >= most || flow <= 0.0 {
        return base.min(most);
    }
    let most = most.min(WITHOUT_END * (1.0 + base));
    let excess = |entering: f64| base + flow * step_s(entering) - entering;
    let mut low = (base, excess(base));
    let mut next = (base + low.1).min(most);
    let mut high = (next, excess(next));
    while high.1 > 1e-12 * (1.0 + high.0) {
        if high.0 >= most {
            return most;
        }
        let slope = (high.1 - low.1) / (high.0 - low.0);
        let further = if slope < 0.0 { high.0 - high.1 / slope } else { f64::INFINITY };
        next = further.min(2.0 * high.0 + base + high.1).min(most);
        low = high;
        high = (next, excess(next));
    }
    for _ in 0..40 {
        if high.1.abs() <= 1e-12 * (1.0 + high.0) {
            return high.0;
        }
        let middle = high.0 - high.1 * (high.0 - low.0) / (high.1 - low.1);
        let found = (middle, excess(middle));
        low = if found.1 * high.1 < 0.0 { high } else { (low.0, 0.5 * low.1) };
        high = found;
    }
    high.0
}

impl Limits {
    /// Mean length of an iteration whose tokens have this mean and variance: of a hinge and of stairs over the normal law.
    pub fn step_over(&self, tokens: f64, variance: f64, context: f64) -> f64 {
        if tokens <= 0.0 {
            return 0.0;
        }
        let spread = variance.sqrt();
        match self.law {
            StepTimeLaw::Hinge { base_s, per_token_s, free_tokens } if free_tokens > 0 && spread > 0.0 => {
                base_s + per_token_s * normal_excess(tokens - free_tokens as f64, spread)
            }
            StepTimeLaw::Staircase { base_s, per_stair_s, stair_tokens } if spread > 0.0 => {
                let stair = stair_tokens as f64;
                base_s + per_stair_s * normal_stairs(tokens / stair, spread / stair)
            }
            StepTimeLaw::Curve { ref points, per_context_token_s, .. } if spread > 0.0 => {
                let bent = curve::bends(points).map(|(at, change)| change * normal_excess(tokens - at, spread));
                curve::seconds(points, 0.0) + bent.sum::<f64>() + per_context_token_s * context
            }
            ref law => mean_step_s(law, tokens, context),
        }
    }

    /// The length of a turn with next to nothing in it.
    pub fn idle_step_s(&self) -> f64 {
        mean_step_s(&self.law, 1e-9, 0.0)
    }
}

/// E(x)⁺ of a normal x.
fn normal_excess(mean: f64, spread: f64) -> f64 {
    let z = mean / spread;
    if z.abs() > 8.0 {
        return mean.max(0.0);
    }
    let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let below = 0.5 * statrs::function::erf::erfc(-z / std::f64::consts::SQRT_2);
    (mean * below + spread * density).max(0.0)
}

/// E⌈x⌉ of a normal x, at least 1: the sum of P(x > k).
fn normal_stairs(mean: f64, spread: f64) -> f64 {
    if spread > 1.0 && mean > 4.0 * spread {
        return mean + 0.5;
    }
    let low = (mean - 8.0 * spread).floor().max(0.0);
    let high = (mean + 8.0 * spread).ceil();
    let mut sum = low.max(1.0);
    let mut k = low.max(1.0);
    while k < high {
        sum += 0.5 * statrs::function::erf::erfc((k - mean) / (spread * std::f64::consts::SQRT_2));
        k += 1.0;
    }
    sum
}
