//! Figures of how the work was done, which only a simulation has: objectives, use of the limits, work in vain, fairness.

use serde::{Deserialize, Serialize};

use super::Figure;

/// How a system did its work. A figure that does not apply, such as the use of a limit that is not given, is absent; so are all that
/// rest on latencies where the system is overloaded.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Operations {
    /// Requests of the population per second that attained all objectives of their class; present when there are objectives.
    pub goodput_per_s: Option<Figure>,
    /// Their share of the population; unfinished requests attained nothing.
    pub slo_attainment: Option<Figure>,
    /// Share of the time that an instance spends in iterations.
    pub time_utilisation: Option<Figure>,
    /// Tokens processed per token that the budgets of all iterations allow.
    pub budget_utilisation: Option<Figure>,
    /// KV tokens held per token of memory.
    pub kv_utilisation: Option<Figure>,
    /// Share of the GPUs of a pool that are in use.
    pub gpu_utilisation: Option<Figure>,
    /// Requests moved to the host, per completed request.
    pub swap_outs_per_request: Option<Figure>,
    /// Requests moved back, per completed request.
    pub swap_ins_per_request: Option<Figure>,
    /// Share of the tokens processed whose KV was dropped.
    pub wasted_share: Option<Figure>,
    /// Share of prompt tokens found in the prefix cache; present when some were.
    pub cached_share: Option<Figure>,
    /// Jain's index over the classes' mean end-to-end time per token: 1 when all are the same, 1/n when one class has it all.
    pub fairness: Option<Figure>,
    /// Mean of weight · end-to-end time over requests; present when some class has a weight other than 1.
    pub weighted_e2e_s: Option<Figure>,
    /// Σ weight · end-to-end time over the population of a finite run.
    pub weighted_flow_time_s: Option<Figure>,
    /// From the first arrival to the last completion of a finite run.
    pub makespan_s: Option<Figure>,
    /// (L − λW)/L of Little's law, with L from the time average and λW from the requests: 0 but for what crosses the ends of the
    /// windows.
    pub little_residual: Option<Figure>,
    /// One entry per class, when there are at least two.
    pub classes: Vec<ClassFigures>,
}

/// The requests of one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassFigures {
    /// Its name.
    pub name: String,
    /// Requests of the population that finished.
    pub completed: u64,
    /// Mean time to the first token.
    pub ttft_s: Option<Figure>,
    /// Mean time to the last token.
    pub e2e_s: Option<Figure>,
    /// Share of the finished requests that attained all objectives of the class; present when it has some.
    pub slo_attainment: Option<Figure>,
}

impl Operations {
    /// Every figure of the system as a whole by its stable name, in the order of reports.
    pub fn quantities(&self) -> [(&'static str, Option<Figure>); 15] {
        [
            ("goodput_per_s", self.goodput_per_s),
            ("slo_attainment", self.slo_attainment),
            ("time_utilisation", self.time_utilisation),
            ("budget_utilisation", self.budget_utilisation),
            ("kv_utilisation", self.kv_utilisation),
            ("gpu_utilisation", self.gpu_utilisation),
            ("swap_outs_per_request", self.swap_outs_per_request),
            ("swap_ins_per_request", self.swap_ins_per_request),
            ("wasted_share", self.wasted_share),
            ("cached_share", self.cached_share),
            ("fairness", self.fairness),
            ("weighted_e2e_s", self.weighted_e2e_s),
            ("weighted_flow_time_s", self.weighted_flow_time_s),
            ("makespan_s", self.makespan_s),
            ("little_residual", self.little_residual),
        ]
    }
}
