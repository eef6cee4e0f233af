//! What becomes of the rows of a file: checks, repairs that are counted, classes, and order of arrival.

use super::packed::{Cursor, Packed};
use super::{Blocks, Import, Trace, TraceClass, TraceRequest};
use crate::scenario::error::ScenarioError;
use crate::scenario::time::{ATTOS_PER_SECOND, Time};

/// Latest arrival that is taken: 31 years after the origin. Later ones are mostly dates in disguise.
const LATEST: Time = Time(1_000_000_000 * ATTOS_PER_SECOND);
/// Most tokens of one prompt or output, as for the length laws.
const MAX_TOKENS: u64 = crate::scenario::lengths::MAX_LENGTH;
/// Most different classes.
const MOST_CLASSES: usize = 1000;

/// Where the times of a format begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// At the trace's own origin.
    Own,
    /// Anywhere: the first arrival becomes time zero.
    Absolute,
    /// There is none.
    None,
}

/// One row of a file; names are those of arrival, prompt and output in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub names: [&'a str; 3],
    pub arrival: Time,
    pub prompt: u64,
    pub output: u64,
    pub class: Class<'a>,
}

/// What a row says of its class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Class<'a> {
    pub name: &'a str,
    pub weight: f64,
    pub model: &'a str,
}

impl Class<'_> {
    /// Of a file without classes.
    pub const ONLY: Self = Self { name: "trace", weight: 1.0, model: "" };
}

/// Collects the requests of a file.
pub(super) struct Collector {
    clock: Clock,
    requests: Packed,
    last: Time,
    /// The earliest and the latest arrival.
    reach: Option<(Time, Time)>,
    /// Those that stand behind later ones.
    late: Vec<TraceRequest>,
    classes: Vec<TraceClass>,
    hash_ids: Vec<u64>,
    hash_block_tokens: u64,
    import: Import,
    /// Rows so far, those that were dropped too.
    rows: u64,
}

impl Collector {
    pub fn new(clock: Clock, import: Import) -> Self {
        Self {
            clock,
            requests: Packed::default(),
            last: Time(i128::MIN),
            reach: None,
            late: Vec::new(),
            classes: Vec::new(),
            hash_ids: Vec::new(),
            hash_block_tokens: 0,
            import,
            rows: 0,
        }
    }

    /// Adds a row with the hashes of its prompt's blocks and the tokens of one block. A row without prompt or output is dropped
    /// and counted.
    ///
    /// # Errors
    /// What no request may have.
    pub fn add(&mut self, row: &Row<'_>, hashes: (&[u64], u64)) -> Result<(), ScenarioError> {
        self.rows += 1;
        self.check(row)?;
        if row.prompt == 0 || row.output == 0 {
            let dropped =
                if row.output == 0 { &mut self.import.without_output } else { &mut self.import.without_prompt };
            *dropped += 1;
            return Ok(());
        }
        let (earliest, latest) = self.reach.unwrap_or((row.arrival, row.arrival));
        self.reach = Some((earliest.min(row.arrival), latest.max(row.arrival)));
        let blocks = self.add_hashes(row.prompt, hashes)?;
        let class = self.class(row.class)?;
        let request = TraceRequest { arrival: row.arrival, prompt: row.prompt, output: row.output, class, blocks };
        if request.arrival < self.last {
            self.late.push(request);
        } else {
            self.last = request.arrival;
            self.requests.push(request);
        }
        Ok(())
    }

    fn check(&self, row: &Row<'_>) -> Result<(), ScenarioError> {
        let [time, prompt, output] = row.names;
        let arrival = row.arrival;
        if self.clock == Clock::Own && arrival < Time::ZERO {
            return Err(ScenarioError::at(
                time,
                format!("is `{}` s, before time zero", arrival.to_decimal()),
                "subtract the first arrival from all of them",
            ));
        }
        if self.clock == Clock::Own && arrival > LATEST {
            return Err(ScenarioError::at(
                time,
                format!("is `{}` s, more than 31 years", arrival.to_decimal()),
                "count from the start of the trace: subtract the first arrival from all of them",
            ));
        }
        let (earliest, latest) = self.reach.unwrap_or((arrival, arrival));
        let distance = (arrival - earliest).max(latest - arrival);
        if self.clock == Clock::Absolute && distance > LATEST {
            return Err(ScenarioError::at(
                time,
                format!("lies `{}` s from another arrival, more than 31 years", distance.to_decimal()),
                "correct the row or leave it out",
            ));
        }
        for (name, tokens) in [(prompt, row.prompt), (output, row.output)] {
            if tokens > MAX_TOKENS {
                return Err(ScenarioError::at(
                    name,
                    format!("must be at most {MAX_TOKENS} tokens, got `{tokens}`"),
                    "correct the row or leave it out",
                ));
            }
        }
        let weight = row.class.weight;
        if !(weight > 0.0 && weight <= 1e9) {
            return Err(ScenarioError::at("weight", format!("is `{weight}`"), "give a number above 0, at most 1e9"));
        }
        Ok(())
    }

    fn class(&mut self, of: Class<'_>) -> Result<u16, ScenarioError> {
        let same = |class: &TraceClass| {
            class.name == of.name && class.weight == of.weight && class.model.as_deref().unwrap_or("") == of.model
        };
        let known = self.classes.iter().position(same);
        if known.is_none() && self.classes.len() == MOST_CLASSES {
            let problem = format!("makes more than `{MOST_CLASSES}` different classes, weights and models");
            return Err(ScenarioError::at("class", problem, "gather the requests into fewer classes"));
        }
        let index = known.unwrap_or(self.classes.len());
        if known.is_none() {
            let model = Some(of.model).filter(|model| !model.is_empty()).map(str::to_owned);
            self.classes.push(TraceClass { name: of.name.to_owned(), weight: of.weight, model, count: 0 });
        }
        self.classes[index].count += 1;
        Ok(index as u16)
    }

    fn add_hashes(&mut self, prompt: u64, (hashes, block_tokens): (&[u64], u64)) -> Result<Blocks, ScenarioError> {
        if hashes.is_empty() {
            return Ok(Blocks::default());
        }
        if hashes.len() as u64 > prompt.div_ceil(block_tokens) {
            return Err(ScenarioError::at(
                "hash_ids",
                format!("has `{}` blocks for a prompt of `{prompt}` tokens", hashes.len()),
                format!("give one hash for every {block_tokens} tokens that the prompt begins"),
            ));
        }
        let start = u32::try_from(self.hash_ids.len());
        let (Ok(start), Ok(count)) = (start, u32::try_from(hashes.len())) else {
            return Err(ScenarioError::at("hash_ids", "makes more than 2^32 hashes", "cut the trace"));
        };
        self.hash_ids.extend_from_slice(hashes);
        self.hash_block_tokens = block_tokens;
        Ok(Blocks { start, count })
    }

    /// The trace, in order of arrival.
    ///
    /// # Errors
    /// Fewer than two requests, or arrivals further apart than a clock in seconds makes sensible.
    pub fn finish(mut self) -> Result<Trace, ScenarioError> {
        self.import.reordered = self.late.len() as u64;
        self.import.timed = self.clock != Clock::None;
        self.requests = in_order(self.requests, self.late);
        if self.requests.len() < 2 {
            return Err(too_few(self.rows, self.requests.len(), &self.import));
        }
        let first = self.requests.get(0).map_or(Time::ZERO, |request| request.arrival);
        if self.clock == Clock::Absolute {
            self.requests.shift(Time::ZERO - first);
        }
        self.requests.shrink();
        Ok(Trace {
            requests: self.requests,
            classes: named_apart(self.classes),
            hash_ids: self.hash_ids,
            hash_block_tokens: self.hash_block_tokens,
            import: self.import,
        })
    }
}

/// All requests in order of arrival; those at one time in the order of the file.
pub(super) fn in_order(sorted: Packed, mut late: Vec<TraceRequest>) -> Packed {
    if late.is_empty() {
        return sorted;
    }
    late.sort_by_key(|request| request.arrival);
    let mut all = Packed::default();
    let mut late = late.into_iter().peekable();
    let mut cursor = Cursor::default();
    while let Some(request) = cursor.next(&sorted) {
        while let Some(before) = late.next_if(|other| other.arrival < request.arrival) {
            all.push(before);
        }
        all.push(request);
    }
    late.for_each(|request| all.push(request));
    all
}

/// Classes that share their name get their weight or model into it.
fn named_apart(mut classes: Vec<TraceClass>) -> Vec<TraceClass> {
    let names: Vec<String> = classes.iter().map(|class| class.name.clone()).collect();
    let others: Vec<Vec<TraceClass>> =
        names.iter().map(|name| classes.iter().filter(|class| class.name == *name).cloned().collect()).collect();
    for (class, others) in classes.iter_mut().zip(others) {
        if others.iter().any(|other| other.model != class.model) {
            class.name = format!("{} {}", class.name, class.model.as_deref().unwrap_or("any"));
        }
        if others.iter().any(|other| other.weight != class.weight) {
            class.name = format!("{} w={}", class.name, class.weight);
        }
    }
    classes
}

fn too_few(rows: u64, left: usize, import: &Import) -> ScenarioError {
    let place = format!("line {}", rows + 2);
    let dropped = import.without_output + import.without_prompt;
    let problem = match (rows, left) {
        (0, _) => "the trace has a header and no requests".to_owned(),
        (_, left) if dropped > 0 => {
            format!("the trace has only `{left}` requests with a prompt and an output, and `{dropped}` without")
        }
        _ => "the trace has only `1` request".to_owned(),
    };
    ScenarioError::at(&place, problem, "give at least two requests")
}
