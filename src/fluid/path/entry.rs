//! What it takes to enter: the prompt's tokens, the iterations it is worked on, and the memory that it asks for.

use crate::fluid::load::{Chunks, Load};
use crate::scenario::Prompts;

/// Points of the table of chunk lengths, per doubling.
const PER_DOUBLING: f64 = 4.0;

/// The entry of a request of mixed class.
#[derive(Debug, Clone, Default)]
pub(in crate::fluid) struct Entry {
    /// Tokens that entering processes: the prompt, or one token when prompts are present.
    pub work: f64,
    /// E of their square.
    pub work_squared: f64,
    /// KV tokens held at the end of the iteration that ends the prompt, with the waste of the last block.
    pub holds: f64,
    /// KV tokens that admission asks for.
    pub counts: f64,
    /// Longest chunk of a prompt; infinite when prompts are whole.
    pub chunk: f64,
    /// The longest prompt.
    longest: f64,
    /// Chunks of prompts cut at `chunk`, and at 2^(k/4) tokens.
    at_chunk: Chunks,
    table: Vec<Chunks>,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { steps: 1.0, held: 0.0 }
    }
}

impl Entry {
    /// `masses` is the law of the prompt, `prompt` its mean among those that enter.
    pub fn of(load: &Load, masses: &[f64], prompt: f64, holds: f64, counts: f64) -> Self {
        let rules = load.scenario.batch_rules();
        let squared: f64 = masses.iter().enumerate().map(|(s, mass)| (s * s) as f64 * mass).sum();
        let (work, work_squared) = if rules.prompts == Prompts::Present { (1.0, 1.0) } else { (prompt, squared) };
        let longest = masses.len().saturating_sub(1) as f64;
        let mut entry = Self { work, work_squared, holds, counts, chunk: f64::INFINITY, longest, ..Self::default() };
        if rules.prompts != Prompts::Chunked {
            return entry;
        }
        entry.chunk = rules.chunk_tokens.map_or(load.budget, |tokens| (tokens as f64).min(load.budget));
        let mut above = 1.0;
        let survive = |mass: &f64| {
            above -= mass;
            above.max(0.0)
        };
        let survival: Vec<f64> = masses.iter().map(survive).collect();
        entry.at_chunk = chunks(&survival, entry.chunk);
        let lengths = (0..).map(|k| (f64::from(k) / PER_DOUBLING).exp2()).take_while(|&tokens| tokens < longest);
        entry.table = lengths.map(|tokens| chunks(&survival, tokens)).collect();
        entry
    }

    /// The chunks of a prompt that may take `left` tokens of an iteration.
    pub fn chunks(&self, left: f64) -> Chunks {
        if left >= self.chunk {
            return self.at_chunk;
        }
        if left >= self.longest || self.table.is_empty() {
            return Chunks::default();
        }
        let place = PER_DOUBLING * left.max(1.0).log2();
        let index = place as usize;
        let low = self.table[index.min(self.table.len() - 1)];
        let high = self.table.get(index + 1).copied().unwrap_or_default();
        let share = place.fract();
        let between = |low: f64, high: f64| low + share * (high - low);
        Chunks { steps: between(low.steps, high.steps), held: between(low.held, high.held) }
    }
}

/// The chunks of a law of prompts with survival P(s > k), cut at `tokens`.
fn chunks(survival: &[f64], tokens: f64) -> Chunks {
    let mut found = Chunks::default();
    let mut count = 1.0;
    while let Some(above) = survival.get((count * tokens) as usize)
        && *above > 1e-12
    {
        found.steps += above;
        found.held += above * tokens * count;
        count += 1.0;
    }
    found
}
