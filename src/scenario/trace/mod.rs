//! Recorded traffic: arrival times with prompt and output lengths, in the formats found in the field.
//!
//! [`read`] recognises the format by the first line; every format has its own file. Times are exact decimals of a second.

pub mod azure;
mod columns;
pub mod dispersion;
pub mod mooncake;
pub mod own;
pub mod vidur;

use super::error::ScenarioError;
use super::time::{ATTOS_PER_SECOND, Time};
use columns::Columns;

/// Latest arrival that is taken: 31 years after the origin. Later ones are mostly dates in disguise.
const LATEST: Time = Time(1_000_000_000 * ATTOS_PER_SECOND);
/// Most tokens of one prompt or output, as for the length laws.
const MAX_TOKENS: u64 = super::lengths::MAX_LENGTH;
/// What a user can do about a file in none of the formats.
const FORMATS: &str = "give one of the four formats: `arrival_time,prefill_length,decode_length` (own, seconds), \
    `TIMESTAMP,ContextTokens,GeneratedTokens` (Azure), `arrived_at,num_prefill_tokens,num_decode_tokens` (vidur), or JSON \
    lines with `timestamp`, `input_length`, `output_length` (Mooncake)";

/// One recorded request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceRequest {
    /// Arrival since the trace's origin.
    pub arrival: Time,
    /// s: prompt tokens, at least 1.
    pub prompt: u64,
    /// o: output tokens, at least 1.
    pub output: u64,
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

/// A recorded trace, sorted by arrival.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    /// The requests in order of arrival.
    pub requests: Vec<TraceRequest>,
    /// The hashes of the blocks of all prompts, each standing for its tokens and all before it; requests say where theirs
    /// are. Empty when the format has none.
    pub hash_ids: Vec<u64>,
    /// Tokens of one hashed block; 0 without hashes.
    pub hash_block_tokens: u64,
}

impl Trace {
    /// The hashes of one prompt's blocks, in order.
    pub fn hashes(&self, blocks: Blocks) -> &[u64] {
        let start = blocks.start as usize;
        self.hash_ids.get(start..start + blocks.count as usize).unwrap_or(&[])
    }

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

/// The formats a trace can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// CSV of this program: `arrival_time,prefill_length,decode_length`, seconds.
    Own,
    /// CSV of the Azure LLM inference traces: `TIMESTAMP,ContextTokens,GeneratedTokens`, dates.
    Azure,
    /// JSON lines of Mooncake: `timestamp`, `input_length`, `output_length`, milliseconds, and `hash_ids`.
    Mooncake,
    /// CSV of vidur: `arrived_at,num_prefill_tokens,num_decode_tokens`, seconds.
    Vidur,
}

impl Format {
    /// The format of a text, told by its first line that is not blank.
    #[must_use]
    pub fn detect(text: &str) -> Option<Self> {
        let first = first_line(text);
        if first.starts_with('{') {
            return first.contains("\"timestamp\"").then_some(Self::Mooncake);
        }
        let found = columns::names(first);
        [(Self::Own, &own::COLUMNS), (Self::Azure, &azure::COLUMNS), (Self::Vidur, &vidur::COLUMNS)]
            .into_iter()
            .find(|(_, wanted)| wanted.missing(&found).is_empty())
            .map(|(format, _)| format)
    }
}

/// A trace with what its reader has to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The requests.
    pub trace: Trace,
    /// The format the file was in.
    pub format: Format,
    /// The tick over which arrivals were spread, when the file's times were that coarse.
    pub spread_over: Option<Time>,
}

/// Reads a trace in any of the formats.
///
/// # Errors
/// Names `origin`, the line or column, what is wrong with it and what to do; see [`import`].
pub fn read(origin: &str, text: &str) -> Result<Trace, ScenarioError> {
    import(origin, text).map(|import| import.trace)
}

/// Reads a trace in any of the formats and tells which one it was.
///
/// # Errors
/// An unknown format, a missing column, a value that is not a number or outside its range, unsorted arrivals, or fewer
/// than two requests.
pub fn import(origin: &str, text: &str) -> Result<Import, ScenarioError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    import_plain(text).map_err(|error| error.in_file(origin))
}

fn import_plain(text: &str) -> Result<Import, ScenarioError> {
    if text.trim().is_empty() {
        return Err(ScenarioError::at("line 1", "the trace is empty", FORMATS));
    }
    let Some(format) = Format::detect(text) else { return Err(unknown_format(first_line(text))) };
    let (trace, spread_over) = match format {
        Format::Own => (own::COLUMNS.read(text)?, None),
        Format::Azure => (azure::read(text)?, None),
        Format::Mooncake => mooncake::read(text)?,
        Format::Vidur => (vidur::COLUMNS.read(text)?, None),
    };
    match trace.requests.len() {
        0 => Err(ScenarioError::at("line 2", "the trace has a header and no requests", "give at least two requests")),
        1 => Err(ScenarioError::at("line 3", "the trace has only `1` request", "give at least two requests")),
        _ => Ok(Import { trace, format, spread_over }),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("")
}

/// Names the missing columns when the header is nearly that of one format.
fn unknown_format(header: &str) -> ScenarioError {
    if header.starts_with('{') {
        return ScenarioError::at("line 1", "has no `timestamp`", FORMATS);
    }
    let found = columns::names(header);
    let missing = [&own::COLUMNS, &azure::COLUMNS, &vidur::COLUMNS]
        .map(|wanted: &Columns| wanted.missing(&found))
        .into_iter()
        .min_by_key(Vec::len)
        .filter(|missing| missing.len() < 3);
    let listed = header.chars().take(200).collect::<String>();
    match missing {
        Some(missing) => ScenarioError::at(
            "line 1",
            format!("the column {} is missing, the columns are `{listed}`", quoted(&missing)),
            FORMATS,
        ),
        None => ScenarioError::at("line 1", format!("is no header of a trace: `{listed}`"), FORMATS),
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
}

/// Collects requests in order of arrival, refusing what no format may hold.
#[derive(Default)]
struct Collector {
    requests: Vec<TraceRequest>,
    hash_ids: Vec<u64>,
    hash_block_tokens: u64,
}

impl Collector {
    /// Adds the request of one line; `names` are those of arrival, prompt and output in the file.
    fn add(&mut self, names: [&str; 3], arrival: Time, prompt: u64, output: u64) -> Result<(), ScenarioError> {
        let [time, prompt_name, output_name] = names;
        if arrival < Time::ZERO {
            return Err(ScenarioError::at(
                time,
                format!("is `{}` s, before time zero", arrival.to_decimal()),
                "subtract the first arrival from all of them",
            ));
        }
        if arrival > LATEST {
            return Err(ScenarioError::at(
                time,
                format!("is `{}` s, more than 31 years", arrival.to_decimal()),
                "count from the start of the trace: subtract the first arrival from all of them",
            ));
        }
        if let Some(last) = self.requests.last().filter(|last| last.arrival > arrival) {
            return Err(ScenarioError::at(
                time,
                format!("is `{}` s, earlier than `{}` s before it", arrival.to_decimal(), last.arrival.to_decimal()),
                "sort the requests by arrival",
            ));
        }
        for (name, tokens) in [(prompt_name, prompt), (output_name, output)] {
            if tokens == 0 || tokens > MAX_TOKENS {
                return Err(ScenarioError::at(
                    name,
                    format!("must be from 1 to {MAX_TOKENS} tokens, got `{tokens}`"),
                    "correct the row or leave it out",
                ));
            }
        }
        self.requests.push(TraceRequest { arrival, prompt, output, blocks: Blocks::default() });
        Ok(())
    }

    /// Adds the hashes of the last request's prompt, in blocks of `block_tokens`; `name` is theirs in the file.
    fn add_hashes(&mut self, name: &str, hashes: &[u64], block_tokens: u64) -> Result<(), ScenarioError> {
        let Some(request) = self.requests.last_mut() else { return Ok(()) };
        if hashes.len() as u64 > request.prompt.div_ceil(block_tokens) {
            return Err(ScenarioError::at(
                name,
                format!("has `{}` blocks for a prompt of `{}` tokens", hashes.len(), request.prompt),
                format!("give one hash for every {block_tokens} tokens that the prompt begins"),
            ));
        }
        let start = u32::try_from(self.hash_ids.len());
        let (Ok(start), Ok(count)) = (start, u32::try_from(hashes.len())) else {
            return Err(ScenarioError::at(name, "makes more than 2^32 hashes", "cut the trace"));
        };
        request.blocks = Blocks { start, count };
        self.hash_ids.extend_from_slice(hashes);
        if count > 0 {
            self.hash_block_tokens = block_tokens;
        }
        Ok(())
    }

    fn finish(self) -> Trace {
        Trace { requests: self.requests, hash_ids: self.hash_ids, hash_block_tokens: self.hash_block_tokens }
    }
}

#[cfg(test)]
mod tests;
