//! Random iteration times around a law.

use rand::Rng;
use rand_distr::{Distribution, Exp1, Gamma};

use super::{ExactStep, Work};
use crate::scenario::{Scenario, StepNoise, StepTimeLaw, Time};

/// A law wrapped by its noise. Without noise it draws nothing.
#[derive(Debug, Clone)]
pub struct NoisyStep {
    /// The law of the mean.
    pub mean: ExactStep,
    /// The noise around it.
    pub noise: StepNoise,
    /// Of gamma noise: 1/cv².
    shape: f64,
}

impl NoisyStep {
    /// The law with the noise of the scenario.
    pub fn new(law: &StepTimeLaw, scenario: &Scenario) -> Self {
        let shape = scenario.step_noise_cv.map_or(1.0, |cv| 1.0 / (cv * cv));
        Self { mean: ExactStep::new(law), noise: scenario.step_noise, shape }
    }

    /// One iteration's time in attoseconds.
    #[inline]
    pub fn draw(&self, work: &Work, rng: &mut impl Rng) -> i128 {
        let times = |part: i128, unit: f64| Time::from_seconds(Time(part).attos() * 1e-18 * unit).0;
        let scaled = |part: i128, rng: &mut _| times(part, Exp1.sample(rng));
        match self.noise {
            StepNoise::None => self.mean.duration(work),
            StepNoise::Exponential => scaled(self.mean.duration(work), rng),
            StepNoise::Gamma => {
                let unit = Gamma::new(self.shape, 1.0 / self.shape).map_or(1.0, |law| law.sample(rng));
                times(self.mean.duration(work), unit)
            }
            StepNoise::ExponentialCoefficients => {
                self.mean.parts(work).into_iter().map(|part| if part == 0 { 0 } else { scaled(part, rng) }).sum()
            }
        }
    }
}
