//! τ: how long an iteration takes. Laws come from `scenario`; here they are evaluated, in reals for the fluid and in whole
//! attoseconds for the engine.

mod noise;

use crate::scenario::{StepTimeLaw, Time};

pub use noise::NoisyStep;

/// Mean iteration time in seconds over `tokens` processed with `context` KV tokens held at its end; 0 for an empty batch.
pub fn mean_step_s(law: &StepTimeLaw, tokens: f64, context: f64) -> f64 {
    if tokens <= 0.0 {
        return 0.0;
    }
    match *law {
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
    }
}

/// Seconds that one more KV token of context adds to an iteration.
pub fn per_context_token_s(law: &StepTimeLaw) -> f64 {
    match *law {
        StepTimeLaw::AffineContext { per_context_token_s, .. } => per_context_token_s,
        _ => 0.0,
    }
}

/// The coefficients (base, per token) when the law is affine in the tokens; none for hinge and staircase.
pub fn affine_coefficients(law: &StepTimeLaw) -> Option<(f64, f64)> {
    match *law {
        StepTimeLaw::Affine { base_s, per_token_s } | StepTimeLaw::AffineContext { base_s, per_token_s, .. } => {
            Some((base_s, per_token_s))
        }
        StepTimeLaw::Hinge { base_s, per_token_s, free_tokens: 0 } => Some((base_s, per_token_s)),
        _ => None,
    }
}

/// A law with its coefficients rounded once to attoseconds.
#[derive(Debug, Clone, Copy)]
pub struct ExactStep {
    base: i128,
    slope: i128,
    context: i128,
    free: i64,
    stair: i64,
}

impl ExactStep {
    /// Rounds the law's coefficients to attoseconds.
    pub fn new(law: &StepTimeLaw) -> Self {
        let whole = |seconds: f64| Time::from_decimal(seconds).0;
        let none = Self { base: 0, slope: 0, context: 0, free: 0, stair: 1 };
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
        }
    }

    /// τ of one iteration over `tokens` > 0 with `context` KV tokens at its end.
    #[inline]
    pub fn duration(&self, tokens: i64, context: i64) -> i128 {
        self.base + self.slope * i128::from(self.units(tokens)) + self.context * i128::from(context)
    }

    /// By how much τ grows from one iteration to the next when the context grows by `tokens` each time.
    #[inline]
    pub fn growth(&self, tokens: i64) -> i128 {
        self.context * i128::from(tokens)
    }

    /// What the slope multiplies: tokens above the free ones, or started stairs.
    #[inline]
    fn units(&self, tokens: i64) -> i64 {
        let above = (tokens - self.free).max(0);
        if self.stair == 1 { above } else { (above + self.stair - 1) / self.stair }
    }

    /// The parts (base, slope part, context part) of τ in attoseconds.
    fn parts(&self, tokens: i64, context: i64) -> [i128; 3] {
        [self.base, self.slope * i128::from(self.units(tokens)), self.context * i128::from(context)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn both_evaluations_agree_on_every_law() {
        let laws = [
            StepTimeLaw::Affine { base_s: 0.02, per_token_s: 0.00025 },
            StepTimeLaw::Hinge { base_s: 0.01, per_token_s: 0.0005, free_tokens: 64 },
            StepTimeLaw::Staircase { base_s: 0.01128, per_stair_s: 0.03547, stair_tokens: 128 },
            StepTimeLaw::AffineContext { base_s: 0.02, per_token_s: 2e-5, per_context_token_s: 1e-7 },
        ];
        for law in &laws {
            for (tokens, context) in [(1, 1), (64, 500), (65, 0), (128, 9), (129, 70_000), (2048, 1)] {
                let exact = Time(ExactStep::new(law).duration(tokens, context)).seconds();
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
