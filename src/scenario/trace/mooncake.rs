//! The trace format of Mooncake: one JSON object per line with `timestamp` (milliseconds), `input_length`, `output_length`
//! and, if it is there, `hash_ids`, one number for every 512 tokens that the prompt begins: equal numbers are equal blocks
//! behind equal prefixes. Other keys are not used.
//! Reference: Qin et al., "Mooncake: trading more storage for less computation", FAST 2025.
//!
//! Some of these traces have their times rounded to ticks of about 3 s, with a dozen requests on each. Replayed as they
//! stand they would be batch arrivals, so each batch is spread evenly from its tick to the next. That is done only when the
//! whole trace shows the pattern: requests share their times, and all gaps are whole multiples of one tick of at least
//! 0.1 s, to 1 %.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::collector::{Class, Collector, Row};
use super::objects::{self, Object};
use super::packed::Packed;
use super::{Trace, TraceRequest};
use crate::scenario::error::ScenarioError;
use crate::scenario::time::{ATTOS_PER_SECOND, Time};

/// Shortest tick that is spread: finer rounding does no harm.
const SHORTEST_TICK: i128 = ATTOS_PER_SECOND / 10;
/// Fewest different times on which the pattern is believed.
const FEWEST_TIMES: u64 = 4;
/// Most different gaps between times: rounded times have few.
const MOST_GAPS: usize = 1 << 16;
/// Tokens of one hashed block.
pub const HASH_BLOCK_TOKENS: u64 = 512;
const NAMES: [&str; 3] = ["timestamp", "input_length", "output_length"];

#[derive(Deserialize)]
pub(super) struct Line {
    timestamp: serde_json::Number,
    input_length: u64,
    output_length: u64,
    hash_ids: Option<Vec<u64>>,
}

impl Object for Line {
    const SHAPE: &'static str = "give an object with a number `timestamp` (ms), whole numbers `input_length`, `output_length` and, \
        if known, a list of whole numbers `hash_ids`";

    fn add(self, collector: &mut Collector) -> Result<(), ScenarioError> {
        let arrival = objects::time(&self.timestamp, -3).ok_or_else(|| {
            ScenarioError::at(NAMES[0], format!("is `{}`", self.timestamp), "give milliseconds from the trace's start")
        })?;
        let (prompt, output) = (self.input_length, self.output_length);
        let row = Row { names: NAMES, arrival, prompt, output, class: Class::ONLY };
        collector.add(&row, (&self.hash_ids.unwrap_or_default(), HASH_BLOCK_TOKENS))
    }
}

/// Spreads the arrivals over the tick to which they were rounded, if they were.
pub(super) fn spread_ticks(trace: &mut Trace) {
    if let Some(tick) = find_tick(trace) {
        trace.import.spread_over = Some(Time(tick));
        spread(trace, tick);
    }
}

/// The tick to which the arrivals were rounded, in attoseconds.
fn find_tick(trace: &Trace) -> Option<i128> {
    let mut gaps: BTreeMap<i128, u64> = BTreeMap::new();
    let mut times = 1;
    let mut before = trace.first()?.arrival;
    for request in trace {
        if request.arrival > before {
            *gaps.entry((request.arrival - before).0).or_default() += 1;
            times += 1;
            before = request.arrival;
        }
        if gaps.len() > MOST_GAPS {
            return None;
        }
    }
    if times < FEWEST_TIMES || times == trace.len() as u64 {
        return None;
    }
    // Ticks without requests make longer gaps; the lower quartile is one tick as long as three in ten are not empty.
    let mut below = 0;
    let (&tick, _) = gaps.iter().find(|(_, count)| {
        below += **count;
        below > (times - 1) / 4
    })?;
    let regular = |gap: &i128| {
        let ticks = (gap + tick / 2) / tick;
        ticks >= 1 && (gap - ticks * tick).abs() * 100 <= tick
    };
    (tick >= SHORTEST_TICK && gaps.keys().all(regular)).then_some(tick)
}

/// Spreads the requests that share a time evenly until the next tick, keeping their order.
fn spread(trace: &mut Trace, tick: i128) {
    let mut requests = trace.iter().peekable();
    let mut batch: Vec<TraceRequest> = Vec::new();
    let mut spread = Packed::default();
    while let Some(request) = requests.next() {
        batch.push(request);
        let next = requests.peek().map(|next| next.arrival);
        if next == Some(request.arrival) {
            continue;
        }
        let room = next.map_or(tick, |next| tick.min((next - request.arrival).0));
        let count = batch.len() as i128;
        for (request, place) in batch.drain(..).zip(0..) {
            spread.push(TraceRequest { arrival: request.arrival + Time(room * place / count), ..request });
        }
    }
    drop(requests);
    trace.requests = spread;
}

#[cfg(test)]
mod tests {
    use crate::scenario::trace::read;

    fn lines(times: &[&str]) -> String {
        let line = |time: &&str| format!("{{\"timestamp\": {time}, \"input_length\": 5, \"output_length\": 2}}\n");
        times.iter().map(line).collect()
    }

    fn arrivals(times: &[&str]) -> Vec<String> {
        read("test", &lines(times)).unwrap().iter().map(|request| request.arrival.to_decimal()).collect()
    }

    #[test]
    fn hashes_of_blocks_are_kept_where_they_are_given() {
        let text = "{\"timestamp\": 0, \"input_length\": 1025, \"output_length\": 2, \"hash_ids\": [7, 8, 9]}\n\
            {\"timestamp\": 1, \"input_length\": 5, \"output_length\": 2, \"hash_ids\": null}\n\
            {\"timestamp\": 2, \"input_length\": 512, \"output_length\": 2, \"hash_ids\": [7]}\n\
            {\"timestamp\": 3, \"input_length\": 513, \"output_length\": 2}\n";
        let trace = read("test", text).unwrap();
        let hashes: Vec<&[u64]> = trace.iter().map(|request| trace.hashes(request.blocks)).collect();
        assert_eq!(hashes, [&[7, 8, 9][..], &[], &[7], &[]]);
        assert_eq!(trace.hash_block_tokens, 512);
        let none = read("test", &lines(&["0", "1"])).unwrap();
        assert_eq!((none.hash_ids.len(), none.hash_block_tokens), (0, 0));
    }

    #[test]
    fn milliseconds_are_exact() {
        assert_eq!(arrivals(&["0", "40", "0.5e3", "1234.5678"]), ["0", "0.04", "0.5", "1.2345678"]);
    }

    #[test]
    fn batches_on_ticks_are_spread_until_the_next_tick() {
        let times = ["0", "0", "3000", "3000", "3000", "3000", "5999", "9000", "15000", "15000"];
        assert_eq!(arrivals(&times), ["0", "1.5", "3", "3.74975", "4.4995", "5.24925", "5.999", "9", "15", "16.5"]);
    }

    #[test]
    fn other_patterns_stay_as_they_are() {
        // One request per tick, ties without ticks, and ticks of a millisecond.
        assert_eq!(arrivals(&["0", "3000", "6000", "9000"]), ["0", "3", "6", "9"]);
        assert_eq!(arrivals(&["0", "0", "40", "277", "471"]), ["0", "0", "0.04", "0.277", "0.471"]);
        assert_eq!(arrivals(&["0", "0", "1", "2", "3"]), ["0", "0", "0.001", "0.002", "0.003"]);
    }
}
