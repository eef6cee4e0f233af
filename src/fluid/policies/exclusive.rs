//! What the engines share whose iterations hold prompts or decodes, never both: the parts of a request as they see them.

use super::super::load::Load;
use super::packing::{CELLS, Packed, Prompts};
use crate::cost::affine_coefficients;
use crate::scenario::{Admission, FirstToken, Moments, Packing, Prompts as Cut, Scenario, SequenceLimit, StepTimeLaw};

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
        let all = count * longest;
        let enough = all.min(count * m.raw(1, 0) + 12.0 * (count * m.raw(2, 0)).sqrt() + longest);
        // On a lattice of wide cells a sum spreads by up to √count/2 of them, and must not seem too long for it.
        let enough = enough * (1.0 + 4.0 * count.sqrt() / CELLS);
        let budget = if self.load.budget >= all { f64::INFINITY } else { self.load.budget };
        Prompts::new(&m.prompt_masses, budget.min(enough))
    }

    /// E\[sⁱ(o − e)ʲ\], j ≤ 4.
    pub fn moment(&self, i: usize, j: usize) -> f64 {
        const CHOOSE: [[f64; 5]; 5] = [
            [1.0, 0.0, 0.0, 0.0, 0.0],
            [1.0, 1.0, 0.0, 0.0, 0.0],
            [1.0, 2.0, 1.0, 0.0, 0.0],
            [1.0, 3.0, 3.0, 1.0, 0.0],
            [1.0, 4.0, 6.0, 4.0, 1.0],
        ];
        (0..=j).map(|k| CHOOSE[j][k] * (-self.emits).powi((j - k) as i32) * self.load.moments.raw(i, k)).sum()
    }

    /// (c, a): an iteration of one prompt of s tokens takes about c + a·s; exact for affine laws, with the context of the
    /// prompt, and the regression of the law on one prompt otherwise.
    pub fn prompt_line(&self) -> (f64, f64) {
        let context = self.load.per_context_s();
        if let Some((base_s, per_token_s)) = self.line {
            return (base_s, per_token_s + context);
        }
        let masses = &self.load.moments.prompt_masses;
        let (mut mean, mut cross) = (0.0, 0.0);
        for (tokens, mass) in masses.iter().enumerate().skip(1) {
            let step = mass * self.step(tokens as f64);
            mean += step;
            cross += step * tokens as f64;
        }
        let prompt = self.load.prompt();
        let variance = self.load.moments.raw(2, 0) - prompt * prompt;
        let slope = if variance > 1e-9 * prompt * prompt { (cross - mean * prompt) / variance } else { 0.0 };
        (mean - slope * prompt, slope + context)
    }

    /// Squared cv of the server's seconds that one request takes at saturation, without and with its prompt: o_d·`decode_s` and
    /// the context, and a share of the `prompts` of a cycle of `cap` decodes.
    pub fn work(&self, decode_s: f64, prompts: Packed, (base_s, per_token_s): (f64, f64), cap: f64) -> Work {
        let m = |i: usize, j: usize| self.moment(i, j);
        let g = self.load.per_context_s();
        // `decode_s` holds the context in the mean.
        let per_decode = decode_s - g * self.decode_context() / self.decodes + g * (self.emits + 0.5);
        let mean = per_decode * m(0, 1) + g * (m(1, 1) + m(0, 2) / 2.0);
        let second = per_decode * per_decode * m(0, 2)
            + 2.0 * per_decode * g * (m(1, 2) + m(0, 3) / 2.0)
            + g * g * (m(2, 2) + m(1, 3) + m(0, 4) / 4.0);
        let per_request = self.decodes / cap;
        let fixed = base_s * prompts.batches * per_request;
        let plain = fixed + per_token_s * m(1, 0);
        let scale = prompts.seconds * per_request / plain.max(f64::MIN_POSITIVE);
        let (fixed, slope) = (fixed * scale, per_token_s * scale);
        let crossed = slope * (per_decode * m(1, 1) + g * (m(2, 1) + m(1, 2) / 2.0)) + fixed * mean;
        let whole = mean + fixed + slope * m(1, 0);
        let of_prompt = fixed * fixed + 2.0 * fixed * slope * m(1, 0) + slope * slope * m(2, 0);
        let whole_second = second + 2.0 * crossed + of_prompt;
        Work { decodes: second / (mean * mean) - 1.0, whole: whole_second / (whole * whole) - 1.0 }
    }

    /// Tokens at which the law bends.
    pub fn bends(&self, reach: f64) -> Vec<f64> {
        match *self.load.law() {
            StepTimeLaw::Hinge { free_tokens, .. } => vec![free_tokens as f64],
            StepTimeLaw::Curve { ref points, .. } => points.iter().map(|point| point.tokens as f64).collect(),
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

/// Squared coefficients of variation of a request's work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    pub decodes: f64,
    pub whole: f64,
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
    let quota = scenario.policy.quota_per_class.filter(|_| scenario.policy.admission == Admission::Quota);
    if quota.is_some_and(|quota| quota < scenario.sequence_cap()) {
        return Some(("policy.admission", "is `quota` where prompts have iterations of their own".into()));
    }
    let moments = Moments::of(scenario);
    let emits = if rules.first_token == FirstToken::Prefill { 1.0 } else { 0.0 };
    if moments.rejected > 1.0 - 1e-9 {
        return Some(("instance.max_batch_tokens", "turns every request away".into()));
    }
    if moments.output_mean() - emits < 1e-9 {
        return Some(("workload.class", "leaves nothing to decode: all outputs are one token".into()));
    }
    None
}
