//! Random iteration times around a law.

use rand::Rng;
use rand_distr::{Distribution, Exp1};

use super::ExactStep;
use crate::scenario::{StepNoise, Time};

/// A law wrapped by its noise. Without noise it draws nothing.
#[derive(Debug, Clone)]
pub struct NoisyStep {
    /// The law of the mean.
    pub mean: ExactStep,
    /// The noise around it.
    pub noise: StepNoise,
}

impl NoisyStep {
    /// One iteration's time in attoseconds.
    #[inline]
    pub fn draw(&self, tokens: i64, context: i64, pairs: i64, rng: &mut impl Rng) -> i128 {
        let scaled = |part: i128, rng: &mut _| -> i128 {
            let unit: f64 = Exp1.sample(rng);
            Time::from_seconds(Time(part).attos() * 1e-18 * unit).0
        };
        match self.noise {
            StepNoise::None => self.mean.duration(tokens, context, pairs),
            StepNoise::Exponential => scaled(self.mean.duration(tokens, context, pairs), rng),
            StepNoise::ExponentialCoefficients => self
                .mean
                .parts(tokens, context, pairs)
                .into_iter()
                .map(|part| if part == 0 { 0 } else { scaled(part, rng) })
                .sum(),
        }
    }
}
