//! The format of the BurstGPT traces: CSV with `Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type`, in later
//! releases also `Session ID` and `Elapsed time`. Times are seconds, in later releases from the start of the whole record, so
//! the first arrival becomes time zero. A request that failed has no response tokens; it is dropped and counted.
//! Reference: Wang et al., "BurstGPT: a real-world workload dataset to optimize LLM serving systems", KDD 2025.

use super::collector::Clock;
use super::columns::Columns;
use crate::scenario::time::Time;

pub(super) const COLUMNS: Columns = Columns {
    names: ["Timestamp", "Request tokens", "Response tokens"],
    parse_time: Time::parse_seconds,
    time_shape: "seconds as a decimal number",
    clock: Clock::Absolute,
    classes: None,
};
