//! The rules of one instance as the loop needs them: resolved, in whole numbers.

use super::super::objectives::Objectives;
use super::super::options::Options;
use super::super::source::Feed;
use crate::scenario::{
    Admission, BatchRules, BudgetCounts, FirstToken, Mixing, Order, Preemption, Priority, Prompts, Scenario,
    SequenceLimit, Sight, Time, Transfer, Trigger, Victim,
};
use crate::schedule::admission::{self, nested_wait, wait};

/// More than any budget or count.
pub const UNLIMITED: i64 = i64::MAX / 4;
/// Requests kept waiting in a saturated system, beyond the sequence cap.
const SATURATED_RESERVE: i64 = 64;

#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a rule of its own, decided once per run")]
pub struct Rules {
    pub batch: BatchRules,
    /// B.
    pub budget: i64,
    /// Most residents.
    pub residents: i64,
    /// Most decodes of one iteration.
    pub width: i64,
    /// Most prompts of one iteration that is not mixed, or of a split one.
    pub prompt_places: i64,
    pub order: Order,
    pub sorted: bool,
    pub admission: Admission,
    /// Of `threshold`: admission stops at this many tokens. Of `watermark`: this many stay free.
    pub mark: i64,
    pub quota: i64,
    /// WAIT: by class; Nested WAIT: by segment.
    pub thresholds: Vec<i64>,
    /// Nested WAIT: output tokens at which segments end.
    pub segments: Vec<i64>,
    pub waits: bool,
    /// Whether admission limits how many of a class enter together.
    pub limits_classes: bool,
    /// Whether there is one place, from which nobody is ever preempted, and iterations in it need no choice.
    pub one_place: bool,
    pub exact_predictions: bool,
    pub preemption: Preemption,
    pub aggressive: bool,
    pub waiting_preempts: bool,
    pub victim: Victim,
    /// Whether memory can run out, so that somebody must go.
    pub can_run_out: bool,
    /// Whether victims are prefilled again.
    pub refills: bool,
    pub transfer: Transfer,
    pub swap_per_token: i128,
    pub swap_latency: i128,
    pub one_step_late: bool,
    /// Whether some ready residents may have to stand still.
    pub rationed: bool,
    pub leap: bool,
    pub max_waiting: i64,
    pub weights: Vec<f64>,
    /// Whether requests leave for a decode pool after their prompt.
    pub hands_over: bool,
    pub objectives: Option<Vec<Objectives>>,
}

impl Rules {
    /// The rules of a scenario of one instance. `leap` is off while somebody watches single iterations.
    pub fn new(scenario: &Scenario, options: &Options, watched: bool) -> Self {
        let instance = &scenario.instance;
        let policy = &scenario.policy;
        let batch = scenario.batch_rules();
        let sequences = scenario.sequence_cap() as i64;
        let budget = instance.max_batch_tokens.map_or(UNLIMITED, |tokens| tokens as i64);
        let (split_decodes, split_prompts) = scenario.split();
        let by_batch = batch.sequence_limit == SequenceLimit::Batch;
        let split = batch.priority == Priority::Split;
        let width = match (split, by_batch) {
            (true, _) => split_decodes as i64,
            (false, true) => sequences,
            (false, false) => UNLIMITED,
        };
        let block = instance.block_tokens as i64;
        let memory = instance.kv_tokens.map_or(UNLIMITED, |tokens| tokens as i64 / block * block);
        let share = policy.threshold_share.or(policy.watermark_share).unwrap_or(0.0);
        let waits = matches!(policy.admission, Admission::Wait | Admission::NestedWait);
        let (thresholds, segments) = match policy.admission {
            Admission::Wait => (wait::thresholds(scenario), Vec::new()),
            Admission::NestedWait => nested_wait::thresholds(scenario),
            _ => (Vec::new(), Vec::new()),
        };
        let prefill_first = batch.priority == Priority::PrefillFirst && batch.mixing == Mixing::Mixed;
        let limited = budget < UNLIMITED;
        let rationed = width < UNLIMITED
            || (limited
                && (prefill_first || by_batch || budget < sequences || batch.budget_counts == BudgetCounts::Context))
            || !segments.is_empty();
        let reserve = SATURATED_RESERVE + thresholds.iter().sum::<i64>();
        let max_waiting = if options.feed == Feed::Saturated { sequences + reserve } else { UNLIMITED };
        Self {
            batch,
            budget,
            residents: if by_batch { UNLIMITED } else { sequences },
            width,
            prompt_places: match (split, by_batch) {
                (true, true) => split_prompts as i64,
                (false, true) => sequences,
                (_, false) => UNLIMITED,
            },
            order: policy.order,
            sorted: policy.order != Order::Fcfs,
            admission: policy.admission,
            mark: admission::share_of(memory, share),
            quota: policy.quota_per_class.map_or(UNLIMITED, |quota| quota as i64),
            thresholds,
            segments,
            waits,
            one_place: sequences == 1
                && !by_batch
                && !waits
                && policy.admission != Admission::Quota
                && batch.mixing == Mixing::Mixed
                && batch.priority == Priority::DecodeFirst
                && batch.prompts != Prompts::Present
                && batch.first_token == FirstToken::Prefill
                && batch.budget_counts == BudgetCounts::Processed
                && policy.sight() == Sight::AtOnce
                && !policy.allow_waiting_preempt
                && instance.prefix_cache_tokens.is_none(),
            limits_classes: waits || policy.admission == Admission::Quota,
            exact_predictions: policy.prediction.is_exact(),
            preemption: policy.preemption,
            aggressive: policy.trigger == Trigger::Aggressive,
            waiting_preempts: policy.allow_waiting_preempt,
            victim: policy.victim(),
            can_run_out: instance.kv_tokens.is_some() && policy.preemption != Preemption::None,
            refills: policy.preemption == Preemption::Recompute && batch.prompts != Prompts::Present,
            transfer: policy.swap_transfer,
            swap_per_token: Time::from_decimal(policy.swap_s_per_token.unwrap_or(0.0)).0,
            swap_latency: Time::from_decimal(policy.swap_latency_s.unwrap_or(0.0)).0,
            one_step_late: policy.sight() == Sight::OneStepLate,
            rationed,
            leap: options.leap && !watched && scenario.step_noise.is_none(),
            max_waiting,
            weights: scenario.workload.weights(),
            hands_over: false,
            objectives: Objectives::of(&scenario.workload),
        }
    }
}

impl Rules {
    /// The most tokens of a prompt that one iteration takes.
    #[inline]
    pub fn longest_share(&self) -> i64 {
        self.batch.chunk_tokens.map_or(self.budget, |tokens| self.budget.min(tokens as i64))
    }
}
