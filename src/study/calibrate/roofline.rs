//! How much of its peaks a GPU reaches, read from a profile: the efficiencies of the roofline and the host time by Nelder–Mead (1965) on
//! relative errors, beside what the GPU's file says.

use argmin::core::{CostFunction, Executor};
use argmin::solver::neldermead::NelderMead;
use nalgebra::DVector;

use super::profile::{Point, Profile};
use crate::scenario::hardware::{
    Placement, attention_floor_s, layers_s, linear_s, per_context_token_s, per_prefill_pair_s,
};

const ITERATIONS: u64 = 600;
/// Shares are kept between these.
const RANGE: [f64; 2] = [0.02, 1.5];

/// The shares and the host time with how far the roofline is from the points under them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    /// Of FLOP/s and bandwidth in linear layers, of bandwidth in attention over the context, of FLOP/s in attention inside prompts.
    pub values: [f64; 4],
    /// Seconds per iteration beside the kernels.
    pub host_s: f64,
    /// Mean of |ŷ/y − 1|.
    pub mean_error: f64,
    /// Mean of ŷ/y − 1.
    pub bias: f64,
}

/// The roofline of a placement on a profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Roofline {
    /// What the GPU's file says, with the usual host time where the profile holds it.
    pub documented: Shares,
    /// What fits best.
    pub fitted: Shares,
    /// Which of the shares the profile can tell.
    pub told: [bool; 4],
}

/// Fits the shares of `placement` to a profile.
pub fn fit(placement: &Placement, profile: &Profile) -> Roofline {
    let efficiency = &placement.gpu.efficiency;
    let start = [efficiency.linear_mfu, efficiency.linear_mbu, efficiency.decode_mbu, efficiency.prefill_mfu];
    let varies = |of: fn(&Point) -> f64| profile.points.iter().any(|point| of(point) > 0.0);
    let told = [true, true, varies(|point| point.context), varies(|point| point.pairs)];
    let question = Question { placement, profile, start, told };
    let documented = question.shares(start, if profile.whole { placement.host_s } else { 0.0 });
    let best = question.descend().unwrap_or(start);
    let fitted = question.shares(best, question.host(&question.kernels(best)));
    Roofline { documented, fitted, told }
}

struct Question<'a> {
    placement: &'a Placement,
    profile: &'a Profile,
    start: [f64; 4],
    told: [bool; 4],
}

impl Question<'_> {
    /// Seconds of every point without the host.
    fn kernels(&self, values: [f64; 4]) -> Vec<f64> {
        let mut placement = self.placement.clone();
        let efficiency = &mut placement.gpu.efficiency;
        [efficiency.linear_mfu, efficiency.linear_mbu, efficiency.decode_mbu, efficiency.prefill_mfu] = values;
        let (context, pair) = (per_context_token_s(&placement), per_prefill_pair_s(&placement));
        let mut last = (0, 0.0);
        let of = |point: &Point| {
            // Points come in order of tokens.
            if last.0 != point.tokens {
                let tokens = point.tokens as f64;
                let linear = if self.profile.whole {
                    linear_s(&placement, tokens) + attention_floor_s(&placement)
                } else {
                    layers_s(&placement, tokens)
                };
                last = (point.tokens, linear);
            }
            last.1 + context * point.context + pair * point.pairs
        };
        self.profile.points.iter().map(of).collect()
    }

    /// The host time, not negative, of the least relative squares; none where the profile does not hold it.
    fn host(&self, kernels: &[f64]) -> f64 {
        if !self.profile.whole {
            return 0.0;
        }
        let pairs = || self.profile.points.iter().zip(kernels);
        let rest: f64 = pairs().map(|(point, found)| (1.0 - found / point.seconds) / point.seconds).sum();
        let all: f64 = pairs().map(|(point, _)| point.seconds.powi(-2)).sum();
        (rest / all).max(0.0)
    }

    fn shares(&self, values: [f64; 4], host_s: f64) -> Shares {
        let kernels = self.kernels(values);
        let errors =
            self.profile.points.iter().zip(&kernels).map(|(point, found)| (found + host_s) / point.seconds - 1.0);
        let count = self.profile.points.len() as f64;
        let (sum, absolute) =
            errors.fold((0.0, 0.0), |(sum, absolute), error: f64| (sum + error, absolute + error.abs()));
        Shares { values, host_s, mean_error: absolute / count, bias: sum / count }
    }

    /// The shares at logarithms of those that the profile can tell.
    fn values(&self, at: &DVector<f64>) -> [f64; 4] {
        let mut values = self.start;
        let free = values.iter_mut().zip(self.told).filter(|(_, told)| *told);
        free.zip(at.iter()).for_each(|((value, _), log)| *value = log.exp());
        values
    }

    fn descend(&self) -> Option<[f64; 4]> {
        let free: Vec<f64> =
            self.start.iter().zip(self.told).filter(|(_, told)| *told).map(|(value, _)| value.ln()).collect();
        let corner = DVector::from_vec(free);
        let moved = |place: usize| {
            let mut other = corner.clone();
            other[place] -= 0.2;
            other
        };
        let simplex = std::iter::once(corner.clone()).chain((0..corner.len()).map(moved)).collect();
        let solver = NelderMead::new(simplex).with_sd_tolerance(1e-12).ok()?;
        let question = Question { ..*self };
        let run = Executor::new(question, solver).configure(|state| state.max_iters(ITERATIONS)).run().ok()?;
        Some(self.values(run.state.best_param.as_ref()?))
    }
}

impl CostFunction for Question<'_> {
    type Output = f64;
    type Param = DVector<f64>;

    fn cost(&self, at: &DVector<f64>) -> Result<f64, argmin::core::Error> {
        let values = self.values(at);
        let inside = values.map(|value| value.clamp(RANGE[0], RANGE[1]));
        let outside: f64 = values.iter().zip(inside).map(|(value, inside)| (value / inside).ln().abs()).sum();
        let kernels = self.kernels(inside);
        let host_s = self.host(&kernels);
        let squares = self
            .profile
            .points
            .iter()
            .zip(&kernels)
            .map(|(point, found)| ((found + host_s) / point.seconds - 1.0).powi(2));
        Ok(squares.sum::<f64>() * (1.0 + outside) + outside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::hardware::{gpu, llm};
    use approx::assert_relative_eq;

    #[test]
    fn shares_that_made_a_profile_come_back() {
        let mut truth = Placement::new(gpu("a100-80-sxm").unwrap(), llm("llama-3-8b").unwrap(), 1);
        let usual = truth.clone();
        let efficiency = &mut truth.gpu.efficiency;
        (efficiency.linear_mfu, efficiency.linear_mbu, efficiency.decode_mbu, efficiency.prefill_mfu) =
            (0.6, 0.9, 0.5, 0.4);
        let (context_s, pair_s) = (per_context_token_s(&truth), per_prefill_pair_s(&truth));
        let mut points = Vec::new();
        for tokens in [1, 8, 64, 128, 256, 512, 1024, 2048, 4096] {
            for (context, pairs) in [(0.0, 0.0), (5e4, 0.0), (2e5, 3e6)] {
                let kernels = linear_s(&truth, tokens as f64) + attention_floor_s(&truth);
                points.push(Point {
                    tokens,
                    context,
                    pairs,
                    seconds: 2e-3 + kernels + context_s * context + pair_s * pairs,
                });
            }
        }
        let profile = Profile { source: String::new(), points, notes: Vec::new(), whole: true };
        let found = fit(&usual, &profile);
        for (value, expected) in found.fitted.values.iter().zip([0.6, 0.9, 0.5, 0.4]) {
            assert_relative_eq!(*value, expected, max_relative = 0.01);
        }
        assert_relative_eq!(found.fitted.host_s, 2e-3, max_relative = 0.02);
        assert!(found.fitted.mean_error < 1e-3 && found.documented.mean_error > 0.05, "{found:?}");
    }
}
