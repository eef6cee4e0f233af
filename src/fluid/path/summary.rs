//! What a path comes to.

use serde::{Deserialize, Serialize};

use super::Path;

/// A backlog has drained when no more than this share of its peak waits.
pub const DRAINED: f64 = 0.02;
/// A peak below this many requests is no backlog.
const BACKLOG: f64 = 0.5;
/// The growth at the end is taken over this last share of the path.
const LAST: f64 = 0.1;

/// The figures of a path.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct PathSummary {
    /// Most requests waiting.
    pub peak_waiting: f64,
    /// When, in seconds from the start.
    pub peak_waiting_s: f64,
    /// Seconds from the last peak of the backlog until no more than 2 % of it waits; none without a backlog, or when it stays.
    pub drain_s: Option<f64>,
    /// When the first requests had to wait because a limit was reached, in seconds from the start.
    pub saturated_s: Option<f64>,
    /// Most KV tokens held.
    pub peak_kv_tokens: f64,
    /// Most requests preempted.
    pub peak_swapped: f64,
    /// Most requests in the system.
    pub peak_in_system: f64,
    /// Growth of the number in the system at the end, requests per second.
    pub growth_per_s: f64,
}

impl Path {
    /// The figures of the path.
    pub fn summary(&self) -> PathSummary {
        let points = &self.points;
        let most = |value: fn(&super::PathPoint) -> f64| points.iter().map(value).fold(0.0, f64::max);
        let peak_waiting = most(|point| point.waiting);
        let peak = points.iter().rposition(|point| point.waiting >= peak_waiting * (1.0 - 1e-9)).unwrap_or(0);
        let level = (0.01 * peak_waiting).max(1e-3);
        let saturated = points.iter().find(|point| point.waiting > level);
        PathSummary {
            peak_waiting,
            peak_waiting_s: points.get(peak).map_or(0.0, |point| point.t_s),
            drain_s: if peak_waiting >= BACKLOG { self.drain_from(peak) } else { None },
            saturated_s: saturated.filter(|_| peak_waiting >= BACKLOG).map(|point| point.t_s),
            peak_kv_tokens: most(|point| point.kv_tokens),
            peak_swapped: most(|point| point.swapped),
            peak_in_system: most(super::PathPoint::in_system),
            growth_per_s: self.growth(),
        }
    }

    /// Seconds from the point `peak` until the backlog has drained, between two points on a straight line.
    fn drain_from(&self, peak: usize) -> Option<f64> {
        let start = self.points.get(peak)?;
        let level = DRAINED * start.waiting;
        let rest = &self.points[peak..];
        let after = rest.iter().position(|point| point.waiting <= level)?;
        let (low, high) = (rest[after], rest[after.saturating_sub(1)]);
        let share =
            if high.waiting > low.waiting { (high.waiting - level) / (high.waiting - low.waiting) } else { 1.0 };
        Some(high.t_s + share * (low.t_s - high.t_s) - start.t_s)
    }

    fn growth(&self) -> f64 {
        let Some(last) = self.points.last() else { return 0.0 };
        let from = self.points.iter().find(|point| point.t_s >= (1.0 - LAST) * last.t_s).unwrap_or(last);
        let gained = last.in_system() - from.in_system();
        // Less than the solver can tell apart is none.
        let grows = last.t_s > from.t_s && gained.abs() > 1e-9 * last.in_system();
        if grows { gained / (last.t_s - from.t_s) } else { 0.0 }
    }
}
