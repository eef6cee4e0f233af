//! How often 95 % intervals miss, over all cases whose runs are independent.

use super::{Outcome, Verdict};
use crate::stats::coverage::is_nominal;
use crate::study::CONFIDENCE;

/// Error rate of the test of the coverage, half of it on either side.
pub const ERROR_RATE: f64 = 0.01;

/// Intervals that should hold the truth, one for each run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coverage {
    /// How many.
    pub intervals: u64,
    /// How many do not.
    pub missed: u64,
}

impl Coverage {
    /// Counts them.
    pub fn of(outcomes: &[Outcome]) -> Self {
        let checks = || outcomes.iter().flat_map(|outcome| &outcome.checks).filter(|check| check.counted);
        let missed = checks().filter(|check| check.verdict != Verdict::Right).count() as u64;
        Self { intervals: checks().count() as u64, missed }
    }

    /// Share of the intervals that hold the truth; none without intervals.
    pub fn share(&self) -> Option<f64> {
        (self.intervals > 0).then(|| 1.0 - self.missed as f64 / self.intervals as f64)
    }

    /// Whether that is 95 %, neither more nor less: exact binomial test at [`ERROR_RATE`].
    pub fn is_right(&self) -> bool {
        self.intervals == 0 || is_nominal(self.missed, self.intervals, 1.0 - CONFIDENCE, ERROR_RATE)
    }
}

/// Whether every check is right, single misses apart, and the coverage is.
pub fn all_right(outcomes: &[Outcome]) -> bool {
    let wrong = outcomes.iter().flat_map(|outcome| &outcome.checks).any(|check| check.verdict == Verdict::Wrong);
    !wrong && Coverage::of(outcomes).is_right()
}
