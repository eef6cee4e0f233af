//! The formats a trace can be in, told apart by the first line.

use std::borrow::Cow;

use super::collector::{Clock, Collector};
use super::columns::{self, Columns};
use super::lines::Lines;
use super::{azure, burstgpt, lengths, mooncake, objects, own, request_log, splitwise, vidur};
use crate::scenario::error::ScenarioError;

/// What a user can do about a file in none of the formats.
pub(super) const FORMATS: &str = "give one of the formats: CSV with `arrival_time,prefill_length,decode_length` (own, seconds), \
    `TIMESTAMP,ContextTokens,GeneratedTokens` (Azure), `Timestamp,Request tokens,Response tokens` (BurstGPT), \
    `arrived_at,num_prefill_tokens,num_decode_tokens` (vidur), `arrival_timestamp,prompt_size,token_size` (splitwise); or JSON \
    lines with `timestamp`, `input_length`, `output_length` (Mooncake), `arrival_time`, `input_toks`, `output_toks` (request \
    log), or `prompt_len`, `output_len` (lengths alone)";

/// The formats a trace can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// CSV of this program: `arrival_time,prefill_length,decode_length`, seconds, and `class`, `weight`, `model` if wanted.
    Own,
    /// CSV of the Azure LLM inference traces: `TIMESTAMP,ContextTokens,GeneratedTokens`, dates.
    Azure,
    /// CSV of the BurstGPT traces: `Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type`, seconds.
    BurstGpt,
    /// CSV of vidur: `arrived_at,num_prefill_tokens,num_decode_tokens`, seconds.
    Vidur,
    /// CSV of splitwise-sim: `arrival_timestamp,prompt_size,token_size` among others, seconds.
    Splitwise,
    /// JSON lines of Mooncake: `timestamp`, `input_length`, `output_length`, milliseconds, and `hash_ids`.
    Mooncake,
    /// JSON lines of request logs: `arrival_time` or `arrival_time_ns`, `input_toks`, `output_toks`.
    RequestLog,
    /// JSON lines of lengths without times: `prompt_len`, `output_len`.
    Lengths,
}

/// The formats that are CSV.
const TABLES: [(Format, &Columns); 5] = [
    (Format::Own, &own::COLUMNS),
    (Format::Azure, &azure::COLUMNS),
    (Format::BurstGpt, &burstgpt::COLUMNS),
    (Format::Vidur, &vidur::COLUMNS),
    (Format::Splitwise, &splitwise::COLUMNS),
];

impl Format {
    /// The format of a text, told by its first line that is not blank.
    #[must_use]
    pub fn detect(text: &str) -> Option<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let first = text.split(['\n', '\r']).map(str::trim).find(|line| !line.is_empty())?;
        Self::of_line(first).ok()
    }

    /// The format that a first line shows.
    ///
    /// # Errors
    /// Says what the line is instead, or which column is missing.
    pub(super) fn of_line(line: &str) -> Result<Self, ScenarioError> {
        match line.trim_start().as_bytes().first() {
            Some(b'{') => of_object(line),
            Some(b'[') => Err(array(line)),
            _ => of_header(line),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own CSV",
            Self::Azure => "Azure",
            Self::BurstGpt => "BurstGPT",
            Self::Vidur => "vidur",
            Self::Splitwise => "splitwise",
            Self::Mooncake => "Mooncake",
            Self::RequestLog => "request log",
            Self::Lengths => "lengths",
        }
    }

    fn columns(self) -> Option<&'static Columns> {
        TABLES.into_iter().find(|(format, _)| *format == self).map(|(_, columns)| columns)
    }

    pub(super) fn clock(self) -> Clock {
        match self {
            Self::Mooncake => Clock::Own,
            Self::Lengths => Clock::None,
            _ => self.columns().map_or(Clock::Absolute, |columns| columns.clock),
        }
    }

    /// Reads a file from its first line on.
    ///
    /// # Errors
    /// The first row that is no request.
    pub(super) fn read(
        self,
        first: &(usize, String),
        lines: &mut Lines<'_>,
        collector: &mut Collector,
    ) -> Result<(), ScenarioError> {
        match (self, self.columns()) {
            (_, Some(columns)) => columns.read(&first.1, lines, collector),
            (Self::Mooncake, _) => objects::read::<mooncake::Line>(first, lines, collector),
            (Self::Lengths, _) => objects::read::<lengths::Line>(first, lines, collector),
            _ => objects::read::<request_log::Line>(first, lines, collector),
        }
    }
}

fn of_object(line: &str) -> Result<Format, ScenarioError> {
    let has = |key: &str| line.contains(&format!("\"{key}\""));
    if has("sub_requests") {
        return Err(ScenarioError::at(
            "",
            "is a session, whose later requests wait for the earlier ones: its arrivals are not known in advance",
            "give single requests with `arrival_time_ns`, `input_toks`, `output_toks`, such as the log of a run",
        ));
    }
    if has("timestamp") {
        return Ok(Format::Mooncake);
    }
    if has("arrival_time") || has("arrival_time_ns") {
        return Ok(Format::RequestLog);
    }
    let prompt = ["prompt_len", "input_len", "input_length", "input_toks"].into_iter().any(has);
    if prompt {
        return Ok(Format::Lengths);
    }
    Err(ScenarioError::at("", "has no `timestamp`, `arrival_time` or `prompt_len`", FORMATS))
}

/// A whole file in one JSON array, such as the conversations of ShareGPT.
fn array(line: &str) -> ScenarioError {
    let remedy = if line.contains("conversations") {
        "conversations have no token counts: count them with the model's tokenizer and give a line {\"prompt_len\": …, \
         \"output_len\": …} for each, with --lambda"
    } else {
        "put each of its objects on a line of its own, as `jq -c '.[]'` does; conversations without token counts, such as those \
         of ShareGPT, need them first: {\"prompt_len\": …, \"output_len\": …}"
    };
    ScenarioError::at("", "is a JSON array, not JSON lines", remedy)
}

/// Names the missing columns when the header is nearly that of one format.
fn of_header(line: &str) -> Result<Format, ScenarioError> {
    let found: Vec<Cow<'_, str>> = columns::cells(line).unwrap_or_default();
    let missing = TABLES.map(|(format, columns)| (format, columns.missing(&found)));
    let Some((format, missing)) = missing.into_iter().min_by_key(|(_, missing)| missing.len()) else {
        return Err(ScenarioError::at("", "is no header of a trace", FORMATS));
    };
    let listed = line.chars().take(200).collect::<String>();
    match missing.len() {
        0 => Ok(format),
        3 => Err(ScenarioError::at("", format!("is no header of a trace: `{listed}`"), FORMATS)),
        _ => {
            let names = missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
            let problem = format!("the column {names} is missing, the columns are `{listed}`");
            Err(ScenarioError::at("", problem, FORMATS))
        }
    }
}
