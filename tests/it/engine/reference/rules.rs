//! What the reference is told: the limits and rules of one instance in whole numbers.

use fluidsim::scenario::{
    Admission, BatchRules, BudgetCounts, Order, Preemption, Prompts, Scenario, Sight, StepTimeLaw, Time, Transfer,
    Trigger, Victim,
};

/// More than anything is.
pub const UNLIMITED: i64 = i64::MAX / 4;

/// The iteration-time law with whole coefficients in attoseconds.
#[derive(Debug, Clone)]
pub enum Law {
    Affine { base: i128, token: i128 },
    Hinge { base: i128, token: i128, free: i64 },
    Staircase { base: i128, stair: i128, width: i64 },
    AffineContext { base: i128, token: i128, context: i128 },
    Curve { points: Vec<(i64, i128)>, context: i128, pair: i128 },
}

impl Law {
    fn of(law: &StepTimeLaw) -> Self {
        match *law {
            StepTimeLaw::Affine { base_s, per_token_s } => {
                Self::Affine { base: attos(base_s), token: attos(per_token_s) }
            }
            StepTimeLaw::Hinge { base_s, per_token_s, free_tokens } => {
                Self::Hinge { base: attos(base_s), token: attos(per_token_s), free: free_tokens as i64 }
            }
            StepTimeLaw::Staircase { base_s, per_stair_s, stair_tokens } => {
                Self::Staircase { base: attos(base_s), stair: attos(per_stair_s), width: stair_tokens as i64 }
            }
            StepTimeLaw::AffineContext { base_s, per_token_s, per_context_token_s } => Self::AffineContext {
                base: attos(base_s),
                token: attos(per_token_s),
                context: attos(per_context_token_s),
            },
            StepTimeLaw::Kernels { .. } => {
                unreachable!("no case has kernel tables: `kernels.rs` holds those to single steps")
            }
            StepTimeLaw::Curve { ref points, per_context_token_s, per_prefill_pair_s } => Self::Curve {
                points: points.iter().map(|point| (point.tokens as i64, attos(point.seconds))).collect(),
                context: attos(per_context_token_s),
                pair: attos(per_prefill_pair_s),
            },
        }
    }

    /// `prompts` are the tokens that every prompt of the iteration had done, and those that it does now.
    pub fn duration(&self, tokens: i64, context: i64, prompts: &[(i64, i64)]) -> i128 {
        match *self {
            Self::Affine { base, token } => base + token * i128::from(tokens),
            Self::Hinge { base, token, free } => {
                base + token * i128::from(if tokens > free { tokens - free } else { 0 })
            }
            Self::Staircase { base, stair, width } => {
                let mut started = 0;
                while started * width < tokens {
                    started += 1;
                }
                base + stair * i128::from(started)
            }
            Self::AffineContext { base, token, context: per } => {
                base + token * i128::from(tokens) + per * i128::from(context)
            }
            Self::Curve { ref points, context: per, pair } => {
                let mut time = points[0].1 + per * i128::from(context);
                // Token by token, with the slope of the stretch it lies in.
                for token in points[0].0..tokens {
                    let next = points.iter().position(|point| point.0 > token).unwrap_or(points.len() - 1);
                    if next > 0 {
                        let (from, to) = (points[next - 1], points[next]);
                        time += (to.1 - from.1) / i128::from(to.0 - from.0);
                    }
                }
                for &(done, now) in prompts {
                    for place in done + 1..=done + now {
                        time += pair * i128::from(place);
                    }
                }
                time
            }
        }
    }
}

/// The limits and rules of the instance.
#[derive(Debug, Clone)]
pub struct Rules {
    pub law: Law,
    pub batch: BatchRules,
    /// ⌊rK⌋ of a split batch.
    pub split: i64,
    pub order: Order,
    pub admission: Admission,
    pub threshold_share: f64,
    pub watermark_share: f64,
    pub quota: i64,
    pub thresholds: Vec<i64>,
    pub segments: Vec<i64>,
    pub preemption: Preemption,
    pub trigger: Trigger,
    pub allow_waiting_preempt: bool,
    pub victim: Victim,
    pub swap_latency: i128,
    pub swap_per_token: i128,
    pub overlapped: bool,
    pub one_step_late: bool,
    pub block: i64,
    pub sequences: i64,
    pub budget: Option<i64>,
    /// In whole blocks.
    pub memory: Option<i64>,
}

impl Rules {
    /// The rules of a scenario of one instance. Thresholds must be given.
    pub fn of(scenario: &Scenario) -> Self {
        let (policy, instance) = (&scenario.policy, &scenario.instance);
        let whole = |numbers: &[u64]| numbers.iter().map(|&number| number as i64).collect();
        let block = instance.block_tokens as i64;
        Self {
            law: Law::of(&scenario.step_time),
            batch: scenario.batch_rules(),
            split: scenario.split().0 as i64,
            order: policy.order,
            admission: policy.admission,
            threshold_share: policy.threshold_share.unwrap_or(1.0),
            watermark_share: policy.watermark_share.unwrap_or(0.0),
            quota: policy.quota_per_class.map_or(UNLIMITED, |most| most as i64),
            thresholds: whole(&policy.wait_thresholds),
            segments: whole(&policy.wait_segments),
            preemption: policy.preemption,
            trigger: policy.trigger,
            allow_waiting_preempt: policy.allow_waiting_preempt,
            victim: policy.victim(),
            swap_latency: attos(policy.swap_latency_s.unwrap_or(0.0)),
            swap_per_token: attos(policy.swap_s_per_token.unwrap_or(0.0)),
            overlapped: policy.swap_transfer == Transfer::Overlapped,
            one_step_late: policy.sight() == Sight::OneStepLate,
            block,
            sequences: scenario.sequence_cap() as i64,
            budget: instance.max_batch_tokens.map(|tokens| tokens as i64),
            memory: instance.kv_tokens.map(|tokens| tokens as i64 / block * block),
        }
    }

    /// Tokens in the blocks that hold `tokens`.
    pub fn blocks(&self, tokens: i64) -> i64 {
        (tokens + self.block - 1) / self.block * self.block
    }

    /// B where it counts processed tokens.
    pub fn token_budget(&self) -> i64 {
        if self.batch.budget_counts == BudgetCounts::Context { UNLIMITED } else { self.budget.unwrap_or(UNLIMITED) }
    }

    /// Whether a request of these lengths can never be served.
    pub fn rejects(&self, prompt: i64, output: i64) -> bool {
        let refill = if self.preemption == Preemption::Recompute { prompt + output - 1 } else { prompt };
        let too_long = self.batch.prompts == Prompts::Whole && refill > self.token_budget();
        too_long || self.memory.is_some_and(|memory| self.blocks(prompt + output) > memory)
    }
}

/// A decimal number of seconds in attoseconds.
fn attos(seconds: f64) -> i128 {
    Time::from_decimal(seconds).0
}
