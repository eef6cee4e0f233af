//! The trace format of Mooncake: one JSON object per line with `timestamp` (milliseconds), `input_length`, `output_length`
//! and, if it is there, `hash_ids`, one number for every 512 tokens that the prompt begins: equal numbers are equal blocks
//! behind equal prefixes. Other keys are not used.
//! Reference: Qin et al., "Mooncake: trading more storage for less computation", FAST 2025.
//!
//! Some of these traces have their times rounded to ticks of about 3 s, with a dozen requests on each. Replayed as they
//! stand they would be batch arrivals, so each batch is spread evenly from its tick to the next. That is done only when the
//! whole trace shows the pattern: requests share their times, and all gaps are whole multiples of one tick of at least
//! 0.1 s, to 1 %.

use serde::Deserialize;

use super::{Collector, Trace};
use crate::scenario::error::ScenarioError;
use crate::scenario::time::{ATTOS_PER_SECOND, Time};

/// Shortest tick that is spread: finer rounding does no harm.
const SHORTEST_TICK: i128 = ATTOS_PER_SECOND / 10;
/// Fewest different times on which the pattern is believed.
const FEWEST_TIMES: usize = 4;
/// Tokens of one hashed block.
pub const HASH_BLOCK_TOKENS: u64 = 512;
const NAMES: [&str; 3] = ["timestamp", "input_length", "output_length"];

#[derive(Deserialize)]
struct Line {
    timestamp: serde_json::Number,
    input_length: u64,
    output_length: u64,
    hash_ids: Option<Vec<u64>>,
}

/// The trace, and the tick over which its batches were spread if they were.
pub(super) fn read(text: &str) -> Result<(Trace, Option<Time>), ScenarioError> {
    let mut collector = Collector::default();
    for (index, line) in text.lines().enumerate() {
        if !line.trim().is_empty() {
            let place = format!("line {}", index + 1);
            add_line(&mut collector, line).map_err(|error| error.under(&place))?;
        }
    }
    let mut trace = collector.finish();
    let tick = find_tick(&trace);
    if let Some(tick) = tick {
        spread(&mut trace, tick);
    }
    Ok((trace, tick.map(Time)))
}

fn add_line(collector: &mut Collector, line: &str) -> Result<(), ScenarioError> {
    let line: Line = serde_json::from_str(line).map_err(|error| {
        let problem = match error.classify() {
            serde_json::error::Category::Eof => "ends before its JSON object does".to_owned(),
            serde_json::error::Category::Syntax => format!("is not JSON: {error}"),
            _ => format!("is no request: {error}"),
        };
        ScenarioError::at(
            "",
            problem,
            "give an object with a number `timestamp` (ms), whole numbers `input_length`, `output_length` and, if known, \
                a list of whole numbers `hash_ids`",
        )
    })?;
    let arrival = parse_milliseconds(&line.timestamp.to_string()).ok_or_else(|| {
        ScenarioError::at(NAMES[0], format!("is `{}`", line.timestamp), "give milliseconds from the trace's start")
    })?;
    collector.add(NAMES, arrival, line.input_length, line.output_length)?;
    collector.add_hashes("hash_ids", &line.hash_ids.unwrap_or_default(), HASH_BLOCK_TOKENS)
}

fn parse_milliseconds(text: &str) -> Option<Time> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent = exponent.parse::<i32>().ok()?.checked_sub(3)?;
    Time::parse_seconds(&format!("{mantissa}e{exponent}"))
}

/// The tick to which the arrivals were rounded, in attoseconds.
fn find_tick(trace: &Trace) -> Option<i128> {
    let mut times: Vec<i128> = trace.requests.iter().map(|request| request.arrival.0).collect();
    times.dedup();
    if times.len() < FEWEST_TIMES || times.len() == trace.requests.len() {
        return None;
    }
    let mut gaps: Vec<i128> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_unstable();
    // Ticks without requests make longer gaps; the lower quartile is one tick as long as three in ten are not empty.
    let tick = gaps[gaps.len() / 4];
    let regular = |gap: &i128| {
        let ticks = (gap + tick / 2) / tick;
        ticks >= 1 && (gap - ticks * tick).abs() * 100 <= tick
    };
    (tick >= SHORTEST_TICK && gaps.iter().all(regular)).then_some(tick)
}

/// Spreads the requests that share a time evenly until the next tick, keeping their order.
fn spread(trace: &mut Trace, tick: i128) {
    let requests = &mut trace.requests;
    let mut start = 0;
    while start < requests.len() {
        let time = requests[start].arrival.0;
        let batch = requests[start..].iter().take_while(|request| request.arrival.0 == time).count();
        let next = requests.get(start + batch).map_or(time + tick, |request| request.arrival.0);
        let room = tick.min(next - time);
        for (place, request) in requests[start..start + batch].iter_mut().enumerate() {
            request.arrival.0 += room * place as i128 / batch as i128;
        }
        start += batch;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(times: &[&str]) -> String {
        let line = |time: &&str| format!("{{\"timestamp\": {time}, \"input_length\": 5, \"output_length\": 2}}\n");
        times.iter().map(line).collect()
    }

    fn arrivals(times: &[&str]) -> Vec<String> {
        read(&lines(times)).unwrap().0.requests.iter().map(|request| request.arrival.to_decimal()).collect()
    }

    #[test]
    fn hashes_of_blocks_are_kept_where_they_are_given() {
        let text = "{\"timestamp\": 0, \"input_length\": 1025, \"output_length\": 2, \"hash_ids\": [7, 8, 9]}\n\
            {\"timestamp\": 1, \"input_length\": 5, \"output_length\": 2, \"hash_ids\": null}\n\
            {\"timestamp\": 2, \"input_length\": 512, \"output_length\": 2, \"hash_ids\": [7]}\n\
            {\"timestamp\": 3, \"input_length\": 513, \"output_length\": 2}\n";
        let trace = read(text).unwrap().0;
        let hashes: Vec<&[u64]> = trace.requests.iter().map(|request| trace.hashes(request.blocks)).collect();
        assert_eq!(hashes, [&[7, 8, 9][..], &[], &[7], &[]]);
        assert_eq!(trace.hash_block_tokens, 512);
        let none = read(&lines(&["0", "1"])).unwrap().0;
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
