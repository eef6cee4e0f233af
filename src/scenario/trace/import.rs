//! What the reader of a trace has to say about it: the format, and what it did to the requests.

use super::Format;
use crate::scenario::time::Time;

/// How a trace was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The format the file was in; none for a trace that was built in code.
    pub format: Option<Format>,
    /// Whether the file says when requests arrive.
    pub timed: bool,
    /// The tick over which arrivals were spread, when the file's times were that coarse.
    pub spread_over: Option<Time>,
    /// Rows with no output token, which were dropped: requests that failed.
    pub without_output: u64,
    /// Rows with an output but no prompt token, which were dropped.
    pub without_prompt: u64,
    /// Requests that stood behind one that arrived later, and were put in order.
    pub reordered: u64,
}

impl Default for Import {
    fn default() -> Self {
        Self { format: None, timed: true, spread_over: None, without_output: 0, without_prompt: 0, reordered: 0 }
    }
}

impl Import {
    /// What was done to the requests, in half-sentences; empty when they stand as they did in the file.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        let counted = |count: u64, what: &str| (count > 0).then(|| format!("{} {what}", plural(count)));
        let spread = self
            .spread_over
            .map(|tick| format!("arrivals on ticks of {:.3} s spread evenly over the tick", tick.seconds()));
        [
            counted(self.without_output, "without output dropped"),
            counted(self.without_prompt, "without prompt dropped"),
            counted(self.reordered, "put in order of arrival"),
            spread,
            (!self.timed).then(|| {
                "no arrival times in the file, so they come from the scenario's arrival law at --lambda, with lengths drawn \
                 from the file"
                    .to_owned()
            }),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn plural(count: u64) -> String {
    if count == 1 { "1 request".to_owned() } else { format!("{count} requests") }
}
