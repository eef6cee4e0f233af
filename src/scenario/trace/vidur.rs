//! The trace format of vidur: CSV with `arrived_at,num_prefill_tokens,num_decode_tokens`, in seconds and tokens.
//! Reference: Agrawal et al., "Vidur: a large-scale simulation framework for LLM inference", MLSys 2024.

use super::collector::Clock;
use super::columns::Columns;
use crate::scenario::time::Time;

pub(super) const COLUMNS: Columns = Columns {
    names: ["arrived_at", "num_prefill_tokens", "num_decode_tokens"],
    parse_time: Time::parse_seconds,
    time_shape: "seconds as a decimal number",
    clock: Clock::Own,
    classes: None,
};
