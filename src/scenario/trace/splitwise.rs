//! The trace format of splitwise-sim: CSV with `request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,
//! token_size`, in seconds and tokens; the first arrival becomes time zero.
//! Reference: Patel et al., "Splitwise: efficient generative LLM inference using phase splitting", ISCA 2024.

use super::collector::Clock;
use super::columns::Columns;
use crate::scenario::time::Time;

pub(super) const COLUMNS: Columns = Columns {
    names: ["arrival_timestamp", "prompt_size", "token_size"],
    parse_time: Time::parse_seconds,
    time_shape: "seconds as a decimal number",
    clock: Clock::Absolute,
    classes: None,
};
