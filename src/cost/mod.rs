//! τ: how long an iteration takes. Laws come from `scenario`; here they are evaluated, in reals for the fluid and in whole
//! attoseconds for the engine.

pub mod curve;
mod kernels;
mod noise;

use crate::scenario::{StepTimeLaw, Time};
use curve::ExactCurve;
use kernels::ExactKernels;

pub use noise::NoisyStep;

/// What an iteration works on, as the laws see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// b: tokens processed.
    pub tokens: i64,
    /// C: KV tokens held at its end.
    pub context: i64,
    /// Pairs of a prompt token and a token before or at it.
    pub pairs: i64,
    /// Sequences that decode one token each.
    pub decodes: i64,
    /// KV tokens that those hold at its end.
    pub decode_context: i64,
    /// Sequences that take part.
    pub sequences: i64,
}

impl Work {
    /// `tokens` of one prompt with `pairs`, and `context` KV tokens at the end.
    #[inline]
    pub fn of_prompt(tokens: i64, context: i64, pairs: i64) -> Self {
        Self { tokens, context, pairs, sequences: 1, ..Self::default() }
    }

    /// A token for each of `decodes` sequences that hold `context` at the end.
    #[inline]
    pub fn of_decodes(decodes: i64, context: i64) -> Self {
        Self { tokens: decodes, context, pairs: 0, decodes, decode_context: context, sequences: decodes }
    }

    /// The two in one iteration.
    #[inline]
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        Self {
            tokens: self.tokens + other.tokens,
            context: self.context + other.context,
            pairs: self.pairs + other.pairs,
            decodes: self.decodes + other.decodes,
            decode_context: self.decode_context + other.decode_context,
            sequences: self.sequences + other.sequences,
        }
    }
}

/// Mean iteration time in seconds over `tokens` processed with `context` KV tokens held at its end; 0 for an empty batch. Of kernel
/// tables that of the nearest curve.
pub fn mean_step_s(law: &StepTimeLaw, tokens: f64, context: f64) -> f64 {
    if tokens <= 0.0 {
        return 0.0;
    }
    match *law.of_theory() {
        StepTimeLaw::Kernels { .. } => 0.0,
        StepTimeLaw::Affine { base_s, per_token_s } => base_s + per_token_s * tokens,
        StepTimeLaw::Hinge { base_s, per_token_s, free_tokens } => {
            base_s + per_token_s * (tokens - free_tokens as f64).max(0.0)
        }
        StepTimeLaw::Staircase { base_s, per_stair_s, stair_tokens } => {
            base_s + per_stair_s * (tokens / stair_tokens as f64).ceil()
        }
        StepTimeLaw::AffineContext { base_s, per_token_s, per_context_token_s } => {
            base_s + per_token_s * tokens + per_context_token_s * context
        }
        StepTimeLaw::Curve { ref points, per_context_token_s, .. } => {
            curve::seconds(points, tokens) + per_context_token_s * context
        }
    }
}

/// Seconds that one more KV token of context adds to an iteration.
pub fn per_context_token_s(law: &StepTimeLaw) -> f64 {
    match *law.of_theory() {
        StepTimeLaw::AffineContext { per_context_token_s, .. } | StepTimeLaw::Curve { per_context_token_s, .. } => {
            per_context_token_s
        }
        _ => 0.0,
    }
}

/// Seconds that one more token adds to a long iteration.
pub fn per_token_s(law: &StepTimeLaw) -> f64 {
    match *law.of_theory() {
        StepTimeLaw::Kernels { .. } => 0.0,
        StepTimeLaw::Affine { per_token_s, .. }
        | StepTimeLaw::Hinge { per_token_s, .. }
        | StepTimeLaw::AffineContext { per_token_s, .. } => per_token_s,
        StepTimeLaw::Staircase { per_stair_s, stair_tokens, .. } => per_stair_s / stair_tokens as f64,
        StepTimeLaw::Curve { ref points, .. } => curve::slope_after(points, points.len()),
    }
}

/// Seconds of an iteration that do not depend on its tokens.
pub fn base_s(law: &StepTimeLaw) -> f64 {
    match *law.of_theory() {
        StepTimeLaw::Kernels { .. } => 0.0,
        StepTimeLaw::Affine { base_s, .. }
        | StepTimeLaw::Hinge { base_s, .. }
        | StepTimeLaw::Staircase { base_s, .. }
        | StepTimeLaw::AffineContext { base_s, .. } => base_s,
        StepTimeLaw::Curve { ref points, .. } => points.first().map_or(0.0, |point| point.seconds),
    }
}

/// Pairs of a prompt token and a token before or at it when `tokens` more are computed behind `done`.
pub fn prefill_pairs(done: i64, tokens: i64) -> i64 {
    done * tokens + tokens * (tokens + 1) / 2
}

/// The coefficients (base, per token) when the law is affine in the tokens; none for hinge and staircase.
pub fn affine_coefficients(law: &StepTimeLaw) -> Option<(f64, f64)> {
    match *law {
        StepTimeLaw::Affine { base_s, per_token_s } | StepTimeLaw::AffineContext { base_s, per_token_s, .. } => {
            Some((base_s, per_token_s))
        }
        StepTimeLaw::Hinge { base_s, per_token_s, free_tokens: 0 } => Some((base_s, per_token_s)),
        StepTimeLaw::Curve { ref points, .. } if points.len() <= 2 && points.first().is_some_and(|p| p.tokens <= 1) => {
            let slope = curve::slope_after(points, 0);
            Some((curve::seconds(points, 1.0) - slope, slope))
        }
        _ => None,
    }
}

/// A law with its coefficients rounded once to attoseconds.
#[derive(Debug, Clone)]
pub struct ExactStep {
    base: i128,
    slope: i128,
    context: i128,
    pair: i128,
    free: i64,
    stair: i64,
    curve: Option<ExactCurve>,
    kernels: Option<ExactKernels>,
}

impl ExactStep {
    /// Rounds the law's coefficients to attoseconds.
    pub fn new(law: &StepTimeLaw) -> Self {
        let whole = |seconds: f64| Time::from_decimal(seconds).0;
        let none = Self { base: 0, slope: 0, context: 0, pair: 0, free: 0, stair: 1, curve: None, kernels: None };
        match *law {
            StepTimeLaw::Affine { base_s, per_token_s } => {
                Self { base: whole(base_s), slope: whole(per_token_s), ..none }
            }
            StepTimeLaw::Hinge { base_s, per_token_s, free_tokens } => {
                Self { base: whole(base_s), slope: whole(per_token_s), free: free_tokens as i64, ..none }
            }
            StepTimeLaw::Staircase { base_s, per_stair_s, stair_tokens } => {
                Self { base: whole(base_s), slope: whole(per_stair_s), stair: stair_tokens as i64, ..none }
            }
            StepTimeLaw::AffineContext { base_s, per_token_s, per_context_token_s } => {
                Self { base: whole(base_s), slope: whole(per_token_s), context: whole(per_context_token_s), ..none }
            }
            StepTimeLaw::Curve { ref points, per_context_token_s, per_prefill_pair_s } => Self {
                context: whole(per_context_token_s),
                pair: whole(per_prefill_pair_s),
                curve: Some(ExactCurve::new(points)),
                ..none
            },
            StepTimeLaw::Kernels { ref tables, .. } => {
                Self { kernels: tables.kernels().map(ExactKernels::new), ..none }
            }
        }
    }

    /// τ of one iteration, attoseconds.
    #[inline]
    pub fn duration(&self, work: &Work) -> i128 {
        let [base, slope, attention] = self.parts(work);
        base + slope + attention
    }

    /// By how much τ grows from one iteration to the next of [`ExactStep::straight_steps`] in which the same sequences decode.
    #[inline]
    pub fn growth(&self, work: &Work) -> i128 {
        match &self.kernels {
            None => self.context * i128::from(work.decodes),
            Some(kernels) => kernels.growth(work),
        }
    }

    /// Iterations in which the same sequences decode, this one among them, until τ bends.
    #[inline]
    pub fn straight_steps(&self, work: &Work) -> i64 {
        self.kernels.as_ref().map_or(i64::MAX, |kernels| kernels.straight_steps(work))
    }

    /// The growth of iterations over `tokens` of one prompt, each behind the one before it; none where it is not the same each time.
    #[inline]
    pub fn prompt_growth(&self, tokens: i64) -> Option<i128> {
        let growth = self.context * i128::from(tokens) + self.pair * i128::from(tokens * tokens);
        self.kernels.is_none().then_some(growth)
    }

    /// Whether pairs of prompt tokens cost anything.
    #[inline]
    pub fn counts_pairs(&self) -> bool {
        self.pair != 0 || self.kernels.is_some()
    }

    /// What the slope multiplies: tokens above the free ones, or started stairs.
    #[inline]
    fn units(&self, tokens: i64) -> i64 {
        let above = (tokens - self.free).max(0);
        if self.stair == 1 { above } else { (above + self.stair - 1) / self.stair }
    }

    /// The parts (base, what depends on the tokens, attention) of τ in attoseconds.
    #[inline]
    fn parts(&self, work: &Work) -> [i128; 3] {
        if let Some(kernels) = &self.kernels {
            return kernels.parts(work);
        }
        let attention = self.context * i128::from(work.context) + self.pair * i128::from(work.pairs);
        match &self.curve {
            None => [self.base, self.slope * i128::from(self.units(work.tokens)), attention],
            Some(curve) => {
                let base = curve.at(0);
                [base, curve.at(work.tokens) - base, attention]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::CurvePoint;
    use approx::assert_relative_eq;

    #[test]
    fn both_evaluations_agree_on_every_law() {
        let laws = [
            StepTimeLaw::Affine { base_s: 0.02, per_token_s: 0.00025 },
            StepTimeLaw::Hinge { base_s: 0.01, per_token_s: 0.0005, free_tokens: 64 },
            StepTimeLaw::Staircase { base_s: 0.01128, per_stair_s: 0.03547, stair_tokens: 128 },
            StepTimeLaw::AffineContext { base_s: 0.02, per_token_s: 2e-5, per_context_token_s: 1e-7 },
            StepTimeLaw::Curve {
                points: [(1, 0.01), (100, 0.012), (1000, 0.09)]
                    .map(|(tokens, seconds)| CurvePoint { tokens, seconds })
                    .to_vec(),
                per_context_token_s: 1e-7,
                per_prefill_pair_s: 1e-9,
            },
        ];
        for law in &laws {
            for (tokens, context) in [(1, 1), (64, 500), (65, 0), (128, 9), (129, 70_000), (2048, 1)] {
                let exact = Time(ExactStep::new(law).duration(&Work::of_prompt(tokens, context, 0))).seconds();
                assert_relative_eq!(exact, mean_step_s(law, tokens as f64, context as f64), max_relative = 1e-14);
            }
        }
    }

    /// Dai et al. v3, CodeLlama-34B on A100: B = 512 takes 153.16 ms (oracle S2).
    #[test]
    fn staircase_of_the_published_measurement() {
        let law = StepTimeLaw::Staircase { base_s: 0.01128, per_stair_s: 0.03547, stair_tokens: 128 };
        assert_relative_eq!(mean_step_s(&law, 512.0, 0.0), 0.15316, max_relative = 1e-12);
    }
}
