//! The trace format of this program: CSV with `arrival_time,prefill_length,decode_length`, in seconds and tokens, and, if they
//! are there, `class`, `weight` and `model`. Columns may stand in any order and beside others.

use std::fmt::Write;

use super::Trace;
use super::collector::Clock;
use super::columns::Columns;
use crate::scenario::time::Time;

pub(super) const COLUMNS: Columns = Columns {
    names: ["arrival_time", "prefill_length", "decode_length"],
    parse_time: Time::parse_seconds,
    time_shape: "seconds as a decimal number",
    clock: Clock::Own,
    classes: Some(["class", "weight", "model"]),
};

/// Writes a trace in this format, which has no hashes of blocks; classes only if there are several. Times are exact, so that
/// [`super::read`] returns the same requests.
#[must_use]
pub fn to_csv(trace: &Trace) -> String {
    let classes = trace.classes();
    let mut text = COLUMNS.names.join(",");
    text.push_str(if classes.len() > 1 { ",class,weight,model\n" } else { "\n" });
    for request in trace {
        // Writing to a string cannot fail.
        let _ = write!(text, "{},{},{}", request.arrival.to_decimal(), request.prompt, request.output);
        if let Some(class) = classes.get(usize::from(request.class)).filter(|_| classes.len() > 1) {
            let model = quoted(class.model.as_deref().unwrap_or(""));
            let _ = write!(text, ",{},{},{model}", quoted(&class.name), class.weight);
        }
        text.push('\n');
    }
    text
}

/// A cell that CSV reads back as this text.
fn quoted(text: &str) -> String {
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
