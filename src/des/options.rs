//! What a run is asked to do.

use super::source::Feed;
use crate::scenario::Time;

/// Options of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Seed of all random streams.
    pub seed: u64,
    /// Number of the trial; every trial has streams of its own.
    pub trial: u64,
    /// How arrivals are made.
    pub feed: Feed,
    /// Requests in the queue at time 0.
    pub backlog: u64,
    /// Requests that arrive before this time are in no window.
    pub warmup: Time,
    /// End of the last window. The run goes on until its requests have finished.
    pub horizon: Time,
    /// The run stops here at the latest; requests still unfinished are counted as censored.
    pub limit: Time,
    /// Number of equal windows between warm-up and horizon.
    pub windows: usize,
    /// Sample the state at multiples of this time.
    pub sample_every: Option<Time>,
    /// Take several iterations at once while nothing can change the batch. The results are the same, bit for bit.
    pub leap: bool,
}

impl Options {
    /// One window from `warmup` to `horizon`, and as long again for its requests to finish.
    pub fn until(warmup: Time, horizon: Time) -> Self {
        Self {
            seed: 1,
            trial: 0,
            feed: Feed::Open,
            backlog: 0,
            warmup,
            horizon,
            limit: horizon + horizon,
            windows: 1,
            sample_every: None,
            leap: true,
        }
    }
}
