//! The rules of one instance, by name. What they do is written once, in `schedule`; what each means is in DESIGN.md, "The rules
//! of the engine".

use serde::{Deserialize, Serialize};

use super::batching::{Batching, Engine};
use super::error::{ScenarioError, require_non_negative};
use super::prediction::Prediction;

/// In which order waiting requests stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// First come, first served.
    #[default]
    Fcfs,
    /// Fewest prompt tokens first.
    ShortestPrompt,
    /// Fewest tokens first, prompt and output, whatever has been done of them.
    ShortestJob,
    /// Fewest remaining tokens first, prompt and output.
    Srpt,
    /// Highest weight first, then first come.
    WeightedFcfs,
    /// Fewest remaining tokens per weight first.
    WeightedSrpt,
    /// Smallest remaining KV area first: Σ of the tokens held over the remaining iterations.
    SmallestVolume,
    /// In random order.
    Random,
}

/// When the head of the queue may enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Admission {
    /// As soon as what it holds after its next iteration fits.
    Greedy,
    /// Only when its peak, prompt + output, fits beside the peaks of all residents.
    Reserve,
    /// Only when KV fits at every future completion (MC-SF).
    LookAhead,
    /// Greedy, but nobody enters while the residents hold `threshold_share` of the memory or more.
    Threshold,
    /// Greedy, but an entrant must leave `watermark_share` of the memory free.
    Watermark,
    /// Greedy, but at most `quota_per_class` requests of a class enter in one iteration.
    Quota,
    /// Requests of a class enter together, as many as its threshold, once that many wait (WAIT).
    Wait,
    /// WAIT with one threshold per segment of the output; survivors of a segment gather before the next (Nested WAIT).
    NestedWait,
}

/// What happens to a victim when KV memory runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preemption {
    /// Never preempt. Needs memory that cannot run out.
    None,
    /// Move the victim's KV to the host; it keeps its progress.
    Swap,
    /// Drop the victim's KV; prompt and generated tokens are prefilled again.
    Recompute,
    /// Drop the victim's KV and what it has generated; it begins anew ("sacrifice").
    Restart,
}

/// When residents are preempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// Before anyone is admitted, and only when the residents' next iteration would not fit.
    #[default]
    Conservative,
    /// Admit whoever fits beside what is held now, then preempt until the next iteration fits (seed 000).
    Aggressive,
}

/// Who is preempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Victim {
    /// The last admitted.
    #[default]
    Lifo,
    /// The first admitted.
    Fifo,
    /// The one with the fewest tokens generated; the last admitted of several.
    LeastProgress,
    /// The one that holds the most KV; the last admitted of several.
    MostMemory,
    /// The one with the lowest weight; the last admitted of several.
    LowestWeight,
    /// Of those admitted in the latest iteration the first (seed 000).
    LatestBatch,
}

/// How swaps and iterations share the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transfer {
    /// The iteration waits for the transfers.
    #[default]
    Blocking,
    /// Transfers run beside iterations, one after the other; a request comes back when its transfer has ended.
    Overlapped,
}

/// Which arrivals the scheduler sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sight {
    /// Everyone who has arrived when the iteration begins.
    #[default]
    AtOnce,
    /// Those who had arrived when the iteration before began: the batch is formed while that one runs (asynchronous scheduling).
    OneStepLate,
}

/// The rules of one instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Batching rules, by name.
    pub engine: Engine,
    /// Parts that differ from what the engine's name says.
    #[serde(default, skip_serializing_if = "Batching::is_empty")]
    pub batching: Batching,
    /// Order of the queue.
    #[serde(default, skip_serializing_if = "is_default")]
    pub order: Order,
    /// In a GPU pool: whether a waiting request takes the GPUs of running ones that stand behind it in `order`. They keep their
    /// progress and wait again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub order_preempts: bool,
    /// Admission rule.
    pub admission: Admission,
    /// Of `threshold`: the share of KV memory at which admission stops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold_share: Option<f64>,
    /// Of `watermark`: the share of KV memory that stays free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark_share: Option<f64>,
    /// Of `quota`: most requests of a class that enter in one iteration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_per_class: Option<u64>,
    /// Of `wait`: one number per class; of `nested-wait`: one per segment. Computed from the scenario when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wait_thresholds: Vec<u64>,
    /// Of `nested-wait`: output tokens at which segments end, ascending. Quartiles of the output law when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wait_segments: Vec<u64>,
    /// What rules that need output lengths are told.
    #[serde(default, skip_serializing_if = "is_default")]
    pub prediction: Prediction,
    /// What happens to a victim.
    pub preemption: Preemption,
    /// When residents are preempted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub trigger: Trigger,
    /// Whether waiting requests may take the place of residents that stand behind them in `order`; needs `aggressive`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub allow_waiting_preempt: bool,
    /// Who is preempted; the engine's usual when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub victim: Option<Victim>,
    /// Of `recompute`: what a victim has written stays in free blocks until others need them, and what is left of it when it comes back is
    /// not processed again (vLLM's prefix cache).
    #[serde(default, skip_serializing_if = "is_default")]
    pub victims_stay_cached: bool,
    /// Seconds per token that a swap takes, each way; required with `preemption = "swap"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap_s_per_token: Option<f64>,
    /// Seconds that every transfer to or from the host takes beside its tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap_latency_s: Option<f64>,
    /// Whether iterations wait for swaps.
    #[serde(default, skip_serializing_if = "is_default")]
    pub swap_transfer: Transfer,
    /// Which arrivals the scheduler sees; the engine's usual when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrivals_seen: Option<Sight>,
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Policy {
    /// The rules of `engine` with FCFS order, everything else as usual.
    pub fn of(engine: Engine, admission: Admission, preemption: Preemption) -> Self {
        Self {
            engine,
            batching: Batching::default(),
            order: Order::Fcfs,
            order_preempts: false,
            admission,
            threshold_share: None,
            watermark_share: None,
            quota_per_class: None,
            wait_thresholds: Vec::new(),
            wait_segments: Vec::new(),
            prediction: Prediction::default(),
            preemption,
            trigger: if engine == Engine::DecodeNode { Trigger::Aggressive } else { Trigger::Conservative },
            allow_waiting_preempt: false,
            victim: None,
            victims_stay_cached: false,
            swap_s_per_token: None,
            swap_latency_s: None,
            swap_transfer: Transfer::Blocking,
            arrivals_seen: None,
        }
    }

    /// Who is preempted.
    pub fn victim(&self) -> Victim {
        let usual = if self.engine == Engine::DecodeNode { Victim::LatestBatch } else { Victim::Lifo };
        self.victim.unwrap_or(usual)
    }

    /// Which arrivals the scheduler sees.
    pub fn sight(&self) -> Sight {
        let usual = if self.engine == Engine::DecodeNode { Sight::OneStepLate } else { Sight::AtOnce };
        self.arrivals_seen.unwrap_or(usual)
    }

    /// Whether some rule asks for output lengths before they are known.
    pub fn needs_lengths(&self) -> bool {
        matches!(self.admission, Admission::Reserve | Admission::LookAhead)
            || matches!(self.order, Order::ShortestJob | Order::Srpt | Order::WeightedSrpt | Order::SmallestVolume)
    }

    /// # Errors
    /// A parameter outside its domain, or one whose rule was not chosen.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        self.batching.validate(self.engine).map_err(|error| error.under("batching"))?;
        self.prediction.validate().map_err(|error| error.under("prediction"))?;
        self.validate_admission()?;
        self.validate_swap()?;
        if self.victims_stay_cached
            && (self.preemption != Preemption::Recompute || self.trigger != Trigger::Conservative)
        {
            return Err(ScenarioError::at(
                "victims_stay_cached",
                "is `true`, but victims are not prefilled again, or are chosen after others have entered",
                "set preemption = \"recompute\" and trigger = \"conservative\", or remove the key",
            ));
        }
        if self.prediction != Prediction::default() && !self.needs_lengths() {
            return Err(ScenarioError::at(
                "prediction",
                "is given, but no rule uses it",
                "choose admission = \"reserve\" or \"look-ahead\", or an order by output length such as \"srpt\", or remove it",
            ));
        }
        if self.allow_waiting_preempt && (self.trigger != Trigger::Aggressive || self.preemption == Preemption::None) {
            return Err(ScenarioError::at(
                "allow_waiting_preempt",
                "is `true`, but nothing is preempted for waiting requests under these rules",
                "set trigger = \"aggressive\" and a preemption, or remove the key",
            ));
        }
        Ok(())
    }

    fn validate_admission(&self) -> Result<(), ScenarioError> {
        let belongs = |key: &str, given: bool, rules: &[Admission], names: &str| {
            if given && !rules.contains(&self.admission) {
                return Err(ScenarioError::at(
                    key,
                    format!("is given, but admission is not {names}"),
                    "remove the key, or choose the admission rule that it belongs to",
                ));
            }
            Ok(())
        };
        let rules = [Admission::Wait, Admission::NestedWait];
        belongs("threshold_share", self.threshold_share.is_some(), &[Admission::Threshold], "`threshold`")?;
        belongs("watermark_share", self.watermark_share.is_some(), &[Admission::Watermark], "`watermark`")?;
        belongs("quota_per_class", self.quota_per_class.is_some(), &[Admission::Quota], "`quota`")?;
        belongs("wait_thresholds", !self.wait_thresholds.is_empty(), &rules, "`wait` or `nested-wait`")?;
        belongs("wait_segments", !self.wait_segments.is_empty(), &rules[1..], "`nested-wait`")?;
        match self.admission {
            Admission::Threshold => require_share("threshold_share", self.threshold_share),
            Admission::Watermark => require_share("watermark_share", self.watermark_share),
            Admission::Quota => match self.quota_per_class {
                Some(1..) => Ok(()),
                Some(_) => Err(ScenarioError::at("quota_per_class", "is `0`", "let at least 1 request enter")),
                None => Err(ScenarioError::at(
                    "quota_per_class",
                    "is missing, and admission is `quota`",
                    "give the most requests of a class that enter in one iteration",
                )),
            },
            Admission::Wait | Admission::NestedWait => self.validate_wait(),
            Admission::Greedy | Admission::Reserve | Admission::LookAhead => Ok(()),
        }
    }

    fn validate_wait(&self) -> Result<(), ScenarioError> {
        if self.wait_thresholds.contains(&0) {
            return Err(ScenarioError::at("wait_thresholds", "contain `0`", "give whole numbers from 1"));
        }
        if self.wait_segments.first() == Some(&0) || self.wait_segments.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(ScenarioError::at("wait_segments", "do not ascend from 1", "give output lengths in order"));
        }
        let thresholds = self.wait_thresholds.len();
        if self.admission == Admission::NestedWait && thresholds > 0 && thresholds != self.wait_segments.len() + 1 {
            return Err(ScenarioError::at(
                "wait_thresholds",
                format!("are `{thresholds}`, and there are `{}` segment ends", self.wait_segments.len()),
                "give one threshold more than segment ends, or none",
            ));
        }
        Ok(())
    }

    fn validate_swap(&self) -> Result<(), ScenarioError> {
        let swap = self.preemption == Preemption::Swap;
        for (key, value) in [("swap_s_per_token", self.swap_s_per_token), ("swap_latency_s", self.swap_latency_s)] {
            match value {
                Some(cost) if swap => require_non_negative(key, cost)?,
                Some(cost) => {
                    return Err(ScenarioError::at(
                        key,
                        format!("is `{cost}`, but preemption is not `swap`"),
                        "remove the key or set preemption = \"swap\"",
                    ));
                }
                None => {}
            }
        }
        if swap && self.swap_s_per_token.is_none() {
            return Err(ScenarioError::at(
                "swap_s_per_token",
                "is missing, and preemption is `swap`",
                "give the seconds that moving one token's KV takes (0 for a free swap)",
            ));
        }
        if self.swap_transfer == Transfer::Overlapped && !swap {
            return Err(ScenarioError::at(
                "swap_transfer",
                "is `overlapped`, but preemption is not `swap`",
                "remove the key or set preemption = \"swap\"",
            ));
        }
        Ok(())
    }
}

/// Checks that a required share lies strictly between 0 and 1.
fn require_share(key: &str, value: Option<f64>) -> Result<(), ScenarioError> {
    match value {
        Some(share) if share > 0.0 && share < 1.0 => Ok(()),
        Some(share) => {
            Err(ScenarioError::at(key, format!("is `{share}`"), "give a share of the memory above 0 and below 1"))
        }
        None => Err(ScenarioError::at(key, "is missing, and the admission rule needs it", "give a share such as 0.9")),
    }
}
