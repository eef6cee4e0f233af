//! The trace format of this program: CSV with `arrival_time,prefill_length,decode_length`, in seconds and tokens. Columns
//! may stand in any order and beside others.

use std::fmt::Write;

use super::Trace;
use super::columns::Columns;
use crate::scenario::time::Time;

pub(super) const COLUMNS: Columns = Columns {
    names: ["arrival_time", "prefill_length", "decode_length"],
    parse_time: Time::parse_seconds,
    time_shape: "seconds as a decimal number",
};

/// Writes a trace in this format, which has no hashes of blocks. Times are exact, so that [`super::read`] returns the same
/// requests.
#[must_use]
pub fn to_csv(trace: &Trace) -> String {
    let mut text = COLUMNS.names.join(",");
    text.push('\n');
    for request in &trace.requests {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{},{},{}", request.arrival.to_decimal(), request.prompt, request.output);
    }
    text
}
