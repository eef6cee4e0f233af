//! Recorded traffic: arrival times with prompt and output lengths, in the formats found in the field.

use super::time::Time;

/// One recorded request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceRequest {
    /// Arrival since the trace's origin.
    pub arrival: Time,
    /// s: prompt tokens, at least 1.
    pub prompt: u64,
    /// o: output tokens, at least 1.
    pub output: u64,
}

/// A recorded trace, sorted by arrival.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    /// The requests in order of arrival.
    pub requests: Vec<TraceRequest>,
}

impl Trace {
    /// Length of the trace: the time from the first arrival to one mean interarrival after the last, so that rate · span
    /// is the number of requests.
    pub fn span(&self) -> Time {
        let n = self.requests.len() as i128;
        match (self.requests.first(), self.requests.last()) {
            (Some(first), Some(last)) if n > 1 => Time((last.arrival.0 - first.arrival.0) * n / (n - 1)),
            _ => Time::ZERO,
        }
    }

    /// Requests per second over the span; 0 for fewer than two requests.
    pub fn rate_per_s(&self) -> f64 {
        let span = self.span().seconds();
        if span > 0.0 { self.requests.len() as f64 / span } else { 0.0 }
    }
}
