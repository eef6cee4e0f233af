//! What the engines share whose iterations hold prompts or decodes, never both: the parts of a request as they see them.

use super::super::load::Load;
use super::packing::Prompts;
use crate::cost::affine_coefficients;
use crate::scenario::{FirstToken, Packing, Prompts as Cut, Scenario, SequenceLimit, StepTimeLaw};

/// An instance with exclusive iterations.
pub(super) struct Exclusive<'a> {
    pub load: &'a Load<'a>,
    /// e: tokens that the iteration which ends a prompt emits, 0 or 1.
    pub emits: f64,
    /// E\[o\] − e: iterations of decodes per request.
    pub decodes: f64,
    /// P(o = 1) where the prompt's iteration emits: those who leave without a decode.
    pub leavers: f64,
    /// K, whether it caps the residents or the sequences of an iteration.
    pub cap: f64,
    /// Whether K caps the residents.
    pub caps_residents: bool,
    /// Longest chunk of a prompt.
    pub chunk: Option<f64>,
    /// (c, a) of an affine law.
    pub line: Option<(f64, f64)>,
}

impl<'a> Exclusive<'a> {
    pub fn of(load: &'a Load<'a>) -> Self {
        let rules = load.scenario.batch_rules();
        let emits = if rules.first_token == FirstToken::Prefill { 1.0 } else { 0.0 };
        let above_one = load.moments.output_survival.get(1).copied().unwrap_or(0.0);
        Self {
            load,
            emits,
            decodes: load.output() - emits,
            leavers: if emits > 0.0 { 1.0 - above_one } else { 0.0 },
            cap: load.cap,
            caps_residents: rules.sequence_limit == SequenceLimit::Residents,
            chunk: rules.chunk_tokens.map(|tokens| tokens as f64),
            line: affine_coefficients(load.law()),
        }
    }

    /// τ without context.
    pub fn step(&self, tokens: f64) -> f64 {
        self.load.step_s(tokens, 0.0)
    }

    /// E\[KV tokens held, summed over the decodes of a request\]: (o − e)(s + e) + (o − e)(o − e + 1)/2, each counted at the end
    /// of its iteration.
    pub fn decode_context(&self) -> f64 {
        let (m, e) = (&self.load.moments, self.emits);
        m.raw(1, 1) - e * m.raw(1, 0) + e * m.raw(0, 1) - e + (m.raw(0, 2) + (1.0 - 2.0 * e) * m.raw(0, 1)) / 2.0
    }

    /// E\[KV tokens held at the end of the iterations that work on a request's prompt\].
    pub fn prompt_context(&self) -> f64 {
        let partial = self.chunk.map_or(0.0, |chunk| self.load.chunks(chunk, 0.0).held);
        self.load.prompt() + self.emits + partial
    }

    /// Seconds that the context of one request adds to all its iterations.
    pub fn context_s(&self) -> f64 {
        self.load.per_context_s() * (self.decode_context() + self.prompt_context())
    }

    /// P(a request still decodes in the k-th iteration after its prompt), k = 1, 2, ….
    pub fn decoding(&self) -> &[f64] {
        let survival = &self.load.moments.output_survival;
        &survival[(self.emits as usize).min(survival.len())..]
    }

    /// The prompts as they are packed, up to `most` at a time.
    pub fn prompts(&self, most: usize) -> Prompts {
        let m = &self.load.moments;
        let count = most.max(1) as f64;
        let longest = (m.prompt_masses.len() - 1) as f64;
        // Without a budget: what that many prompts hardly ever exceed.
        let enough = (count * longest).min(count * m.raw(1, 0) + 12.0 * (count * m.raw(2, 0)).sqrt() + longest);
        Prompts::new(&m.prompt_masses, self.load.budget.min(enough))
    }

    /// Tokens at which the law bends.
    pub fn bends(&self, reach: f64) -> Vec<f64> {
        match *self.load.law() {
            StepTimeLaw::Hinge { free_tokens, .. } => vec![free_tokens as f64],
            StepTimeLaw::Staircase { stair_tokens, .. } => {
                let stair = stair_tokens as f64;
                (1..=((reach / stair) as usize).min(64))
                    .flat_map(|k| [k as f64 * stair, k as f64 * stair + 1.0])
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}

/// What no law for exclusive iterations covers.
pub(super) fn not_covered(scenario: &Scenario) -> Option<(&'static str, String)> {
    let rules = scenario.batch_rules();
    if rules.packing == Packing::Fill {
        return Some(("policy.batching.packing", "is `fill`".into()));
    }
    if rules.prompts == Cut::Chunked && rules.chunk_tokens.is_none() {
        let what = "are `chunked` without `chunk_tokens`, so that the token budget cuts them".into();
        return Some(("policy.batching.prompts", what));
    }
    None
}
