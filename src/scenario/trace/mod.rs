//! Recorded traffic: arrival times with prompt and output lengths, in the formats found in the field.
//!
//! [`open`] and [`read`] recognise the format by the first line; every format has its own file. Files are read line by line and
//! requests kept packed, so that ten million of them fit in less than 100 MB. Times are exact decimals of a second.

mod azure;
mod burstgpt;
mod collector;
mod columns;
pub mod dispersion;
mod format;
mod import;
mod lengths;
mod lines;
pub mod mooncake;
mod objects;
pub mod own;
mod packed;
mod request_log;
mod splitwise;
mod vidur;

use std::fs::File;
use std::io::{BufRead, BufReader};

use super::error::ScenarioError;
use super::time::Time;
use collector::Collector;
pub use format::Format;
pub use import::Import;
use lines::Lines;
use packed::Packed;

/// One recorded request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TraceRequest {
    /// Arrival since the trace's origin.
    pub arrival: Time,
    /// s: prompt tokens, at least 1.
    pub prompt: u64,
    /// o: output tokens, at least 1.
    pub output: u64,
    /// Its class among those of the trace.
    pub class: u16,
    /// The hashes of its prompt's blocks.
    pub blocks: Blocks,
}

/// Where the hashes of one prompt's blocks stand among those of its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Blocks {
    /// The first.
    pub start: u32,
    /// How many there are; 0 when none were recorded.
    pub count: u32,
}

/// Requests of a trace that have their class, weight and model in common.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TraceClass {
    /// Name in reports.
    pub name: String,
    /// What one unit of its time in the system counts.
    pub weight: f64,
    /// The model that it asks for.
    pub model: Option<String>,
    /// Its requests.
    pub count: u64,
}

/// A recorded trace, sorted by arrival.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trace {
    requests: Packed,
    classes: Vec<TraceClass>,
    /// The hashes of the blocks of all prompts, each standing for its tokens and all before it; requests say where theirs
    /// are. Empty when the format has none.
    pub hash_ids: Vec<u64>,
    /// Tokens of one hashed block; 0 without hashes.
    pub hash_block_tokens: u64,
    /// How it was read.
    pub import: Import,
}

impl Trace {
    /// A trace of these requests, in order of arrival; all are of one class.
    pub fn of(requests: impl IntoIterator<Item = TraceRequest>) -> Self {
        let (mut sorted, mut late, mut last) = (Packed::default(), Vec::new(), Time(i128::MIN));
        for request in requests {
            let request = TraceRequest { class: 0, ..request };
            if request.arrival < last {
                late.push(request);
            } else {
                last = request.arrival;
                sorted.push(request);
            }
        }
        let requests = collector::in_order(sorted, late);
        let class = TraceClass { name: "trace".to_owned(), weight: 1.0, model: None, count: requests.len() as u64 };
        Self { requests, classes: vec![class], ..Self::default() }
    }

    /// The same trace with other lengths: `change` gives prompt and output of each request.
    pub fn with_lengths(&self, mut change: impl FnMut(&TraceRequest) -> (u64, u64)) -> Self {
        let mut requests = Packed::default();
        for request in self {
            let (prompt, output) = change(&request);
            requests.push(TraceRequest { prompt, output, ..request });
        }
        let (classes, hash_ids, import) = (self.classes.clone(), self.hash_ids.clone(), self.import.clone());
        Self { requests, classes, hash_ids, hash_block_tokens: self.hash_block_tokens, import }
    }

    /// The classes, at least one.
    pub fn classes(&self) -> &[TraceClass] {
        &self.classes
    }

    /// How many requests there are.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The requests in order of arrival.
    pub fn iter(&self) -> Requests<'_> {
        Requests { trace: self, cursor: Cursor::default() }
    }

    /// The request in place `index`, from 0.
    pub fn get(&self, index: usize) -> Option<TraceRequest> {
        self.requests.get(index)
    }

    /// The request in place `index` without its own arrival: quick, for those who only want its lengths.
    pub fn get_untimed(&self, index: usize) -> Option<TraceRequest> {
        self.requests.get_untimed(index)
    }

    /// The first request.
    pub fn first(&self) -> Option<TraceRequest> {
        self.get(0)
    }

    /// The last request.
    pub fn last(&self) -> Option<TraceRequest> {
        self.requests.last()
    }

    /// How many requests arrive before `time`.
    pub fn count_before(&self, time: Time) -> usize {
        self.requests.count_before(time)
    }

    /// The hashes of one prompt's blocks, in order.
    pub fn hashes(&self, blocks: Blocks) -> &[u64] {
        let start = blocks.start as usize;
        self.hash_ids.get(start..start + blocks.count as usize).unwrap_or(&[])
    }

    /// Length of the trace: the time from the first arrival to one mean interarrival after the last, so that rate · span
    /// is the number of requests.
    pub fn span(&self) -> Time {
        let n = self.len() as i128;
        match (self.first(), self.last()) {
            (Some(first), Some(last)) if n > 1 => Time((last.arrival.0 - first.arrival.0) * n / (n - 1)),
            _ => Time::ZERO,
        }
    }

    /// Requests per second over the span; 0 for fewer than two requests.
    pub fn rate_per_s(&self) -> f64 {
        let span = self.span().seconds();
        if span > 0.0 { self.len() as f64 / span } else { 0.0 }
    }
}

/// The requests of a trace one after the other.
#[derive(Clone)]
pub struct Requests<'a> {
    trace: &'a Trace,
    cursor: Cursor,
}

impl Iterator for Requests<'_> {
    type Item = TraceRequest;

    #[inline]
    fn next(&mut self) -> Option<TraceRequest> {
        self.cursor.next(self.trace)
    }
}

impl<'a> IntoIterator for &'a Trace {
    type Item = TraceRequest;
    type IntoIter = Requests<'a>;

    fn into_iter(self) -> Requests<'a> {
        self.iter()
    }
}

/// A place in a trace that moves on, for those who cannot borrow the trace meanwhile.
#[derive(Debug, Clone, Default)]
pub struct Cursor(packed::Cursor);

impl Cursor {
    /// Goes to the request in place `index`.
    pub fn seek(&mut self, index: usize) {
        self.0.seek(index);
    }

    /// The request here, and one step on; none behind the last.
    #[inline]
    pub fn next(&mut self, trace: &Trace) -> Option<TraceRequest> {
        self.0.next(&trace.requests)
    }
}

/// Reads a trace file in any of the formats.
///
/// # Errors
/// An unreadable file, with an error that has no origin; or what [`read`] refuses, with the file as its origin.
pub fn open(file: &str) -> Result<Trace, ScenarioError> {
    let unreadable = |problem: std::io::Error| {
        ScenarioError::at(
            "",
            format!("`{file}` cannot be read: {problem}"),
            "give the path of a trace, relative to the working directory",
        )
    };
    let mut input = BufReader::with_capacity(1 << 16, File::open(file).map_err(unreadable)?);
    input.fill_buf().map_err(unreadable)?;
    read_from(&mut input).map_err(|error| error.in_file(file))
}

/// Reads a trace in any of the formats.
///
/// # Errors
/// An unknown format, a missing column, a value that is not a number or outside its range, or fewer than two requests. Names
/// `origin`, the line or column, what is wrong with it and what to do.
pub fn read(origin: &str, text: &str) -> Result<Trace, ScenarioError> {
    read_from(&mut text.as_bytes()).map_err(|error| error.in_file(origin))
}

fn read_from(input: &mut dyn BufRead) -> Result<Trace, ScenarioError> {
    let mut lines = Lines::of(input);
    let Some(first) = lines.first()? else {
        return Err(ScenarioError::at("line 1", "the trace is empty", format::FORMATS));
    };
    let place = format!("line {}", first.0);
    let format = Format::of_line(&first.1).map_err(|error| error.under(&place))?;
    let mut collector = Collector::new(format.clock(), Import { format: Some(format), ..Import::default() });
    format.read(&first, &mut lines, &mut collector)?;
    let mut trace = collector.finish()?;
    if format == Format::Mooncake {
        mooncake::spread_ticks(&mut trace);
    }
    Ok(trace)
}

#[cfg(test)]
mod tests;
