//! How λ* answers to its parameters: elasticities d ln λ*/d ln p by differences on scaled scenarios.
//!
//! Times are stepped by 1e-3, whole numbers and lengths by 2 % or as much more as moves them, K by one at least and M by one
//! mean request. Where another limit takes over within the step, λ* has a kink, and the two sides are told apart.

use super::scope;
use crate::answer::{Boundary, Limit};
use crate::scenario::scaled::{Parameter, scaled};
use crate::scenario::{Moments, Scenario};

/// Relative step of a time.
const FINE: f64 = 1e-3;
/// Least relative step of what comes in whole numbers.
const COARSE: f64 = 0.02;
/// Widest relative step.
const WIDEST: f64 = 1.0;
/// Difference of the two sides from which both are shown.
const KINK: f64 = 0.05;

/// One side of an elasticity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SideSlope {
    /// d ln λ*/d ln p towards this side.
    pub elasticity: f64,
    /// ln p'/p, the step taken; negative below.
    pub log_step: f64,
    /// What binds after the step.
    pub binding: Limit,
}

/// The elasticity of λ* to one parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Elasticity {
    /// The parameter.
    pub parameter: Parameter,
    /// Its value, in the unit that its name gives.
    pub value: f64,
    /// d ln λ*/d ln p: central where both sides exist, else that of the one side.
    pub elasticity: f64,
    /// Towards smaller values; none where the scenario ends there.
    pub below: Option<SideSlope>,
    /// Towards larger values.
    pub above: Option<SideSlope>,
}

impl Elasticity {
    /// Whether the two sides differ because another limit takes over, or by more than .05.
    pub fn has_kink(&self) -> bool {
        match (self.below, self.above) {
            (Some(below), Some(above)) => {
                let apart = (below.elasticity - above.elasticity).abs();
                (below.binding != above.binding && apart > 0.1 * KINK) || apart > KINK
            }
            _ => false,
        }
    }

    /// The widest relative step taken.
    pub fn step(&self) -> f64 {
        [self.below, self.above].into_iter().flatten().map(|side| side.log_step.exp_m1().abs()).fold(0.0, f64::max)
    }
}

/// A point beside the scenario: ln of the parameter, of the mean that should have stayed, and of λ*, all as differences.
#[derive(Debug, Clone, Copy)]
struct Beside {
    step: f64,
    drift: f64,
    rise: f64,
    binding: Limit,
}

/// The elasticities of the low boundary to every parameter that the scenario has, in the order of [`Parameter::ALL`]. Cost: two
/// boundaries a parameter.
pub fn of(scenario: &Scenario) -> Vec<Elasticity> {
    let base = super::boundary(scenario);
    let mut found: Vec<Elasticity> = Vec::new();
    for parameter in Parameter::ALL {
        let Some(value) = parameter.value(scenario) else { continue };
        // The mean of a spread law moves a little with rounding and clipping; its known effect is taken off.
        let mean = match parameter {
            Parameter::PromptCv => Some(Parameter::PromptMean),
            Parameter::OutputCv => Some(Parameter::OutputMean),
            _ => None,
        };
        let of_mean =
            mean.and_then(|mean| found.iter().find(|row| row.parameter == mean)).map_or(0.0, |row| row.elasticity);
        let side = |sign: f64| beside(scenario, &base, (parameter, value), mean, sign);
        found.extend(elasticity(parameter, value, of_mean, (side(-1.0), side(1.0))));
    }
    found
}

/// Steps to one side, further and further until a whole number moves; none where nothing lies there.
fn beside(
    scenario: &Scenario,
    base: &Boundary,
    (parameter, value): (Parameter, f64),
    mean: Option<Parameter>,
    sign: f64,
) -> Option<Beside> {
    let mut step = first_step(scenario, parameter, value);
    while step <= WIDEST {
        let factor = if sign > 0.0 { 1.0 + step } else { 1.0 / (1.0 + step) };
        let other = scaled(scenario, parameter, factor)?;
        let reached = (parameter.value(&other)? / value).ln();
        if reached * sign > 0.5 * step.ln_1p() {
            if other.validate().is_err() || scope::refusal(&other).is_some() {
                return None;
            }
            let drift = mean.and_then(|mean| Some((mean.value(&other)? / mean.value(scenario)?).ln())).unwrap_or(0.0);
            let there = super::boundary(&other);
            let rise = (there.low_per_s / base.low_per_s).ln();
            return Some(Beside { step: reached, drift, rise, binding: there.binding });
        }
        step *= 2.0;
    }
    None
}

fn first_step(scenario: &Scenario, parameter: Parameter, value: f64) -> f64 {
    match parameter {
        Parameter::Memory => (Moments::of(scenario).peak_mean() / value).clamp(COARSE, 0.25),
        Parameter::Sequences => (1.0 / value).clamp(COARSE, 1.0),
        _ if parameter.is_whole() => COARSE,
        _ => FINE,
    }
}

fn elasticity(
    parameter: Parameter,
    value: f64,
    of_mean: f64,
    (below, above): (Option<Beside>, Option<Beside>),
) -> Option<Elasticity> {
    let rise = |side: &Beside| side.rise - of_mean * side.drift;
    let slope =
        |side: Beside| SideSlope { elasticity: rise(&side) / side.step, log_step: side.step, binding: side.binding };
    let (left, right) = (below.map(slope), above.map(slope));
    let elasticity = match (left, right) {
        // The parabola through three points, whose steps need not be equal.
        (Some(left), Some(right)) => {
            let (h, k) = (-left.log_step, right.log_step);
            (left.elasticity * k + right.elasticity * h) / (h + k)
        }
        (one, other) => one.or(other)?.elasticity,
    };
    Some(Elasticity { parameter, value, elasticity, below: left, above: right })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::testing::{
        affine, chat, constant, geometric, scenario, uniform, with_context, with_memory, with_reserve,
    };
    use crate::scenario::{LengthLaw, StepTimeLaw};
    use approx::assert_relative_eq;

    fn get(rows: &[Elasticity], parameter: Parameter) -> Elasticity {
        *rows.iter().find(|row| row.parameter == parameter).unwrap()
    }

    fn questions() -> Vec<Scenario> {
        let law = with_context(0.02, 2e-5, 1e-7);
        let base = scenario(1.0, constant(100), geometric(100.0), law.clone(), 100_000);
        let hinge = StepTimeLaw::Hinge { base_s: 0.02, per_token_s: 0.0004, free_tokens: 128 };
        let mut stairs = scenario(
            1.0,
            uniform(50, 150),
            uniform(2, 60),
            StepTimeLaw::Staircase { base_s: 0.01, per_stair_s: 0.03, stair_tokens: 64 },
            64,
        );
        stairs.instance.max_batch_tokens = Some(512);
        vec![
            chat(1.0),
            scenario(1.0, uniform(50, 150), uniform(20, 180), affine(0.02, 0.00025), 16),
            scenario(1.0, uniform(10, 400), uniform(2, 60), hinge, 64),
            stairs,
            with_memory(base.clone(), 20_000, Some(2e-6)),
            with_memory(base.clone(), 20_000, None),
            with_reserve(base, 20_000),
            with_memory(scenario(1.0, constant(100), constant(100), law, 100_000), 20_000, None),
        ]
    }

    /// λ* is a rate: all times together twice as long halve it.
    #[test]
    fn elasticities_of_all_times_add_up_to_minus_one() {
        for question in questions() {
            let rows = of(&question);
            let sum: f64 = rows.iter().filter(|row| row.parameter.is_time()).map(|row| row.elasticity).sum();
            assert_relative_eq!(sum, -1.0, epsilon = 2e-6);
        }
    }

    /// A cap of K on an affine law: 1/λ* = c·E[o]/K + a·w in closed form.
    #[test]
    fn a_sequence_cap_in_closed_form() {
        let rows = of(&scenario(1.0, uniform(300, 900), uniform(200, 1800), affine(0.02, 0.00025), 200));
        let (idle, work) = (0.02 * 1000.0 / 200.0, 0.00025 * 1599.0);
        let share = idle / (idle + work);
        assert_relative_eq!(get(&rows, Parameter::Base).elasticity, -share, epsilon = 1e-6);
        assert_relative_eq!(get(&rows, Parameter::PerToken).elasticity, share - 1.0, epsilon = 1e-6);
        assert_relative_eq!(get(&rows, Parameter::Sequences).elasticity, share, epsilon = 1e-4);
        assert_relative_eq!(
            get(&rows, Parameter::PromptMean).elasticity,
            -(1.0 - share) * 600.0 / 1599.0,
            epsilon = 1e-4
        );
        let output = -share - (1.0 - share) * 1000.0 / 1599.0;
        assert_relative_eq!(get(&rows, Parameter::OutputMean).elasticity, output, epsilon = 1e-4);
        // The mean alone counts.
        assert_relative_eq!(get(&rows, Parameter::OutputCv).elasticity, 0.0, epsilon = 1e-3);
        assert_relative_eq!(get(&rows, Parameter::PromptCv).elasticity, 0.0, epsilon = 1e-3);
        assert!(rows.iter().all(|row| !row.has_kink()));
    }

    /// With constant τ and memory λ* = (M − U)/(τ·g), g = E[os + o(o + 1)/2] quadratic in the output: the cv counts through
    /// E[o²] = E[o]²(1 + cv²), whichever way the law is spread.
    #[test]
    fn memory_in_closed_form() {
        for output in [
            geometric(200.0),
            uniform(50, 350),
            LengthLaw::Lognormal { mean: 200.0, cv: 0.8, max: 5000 },
            LengthLaw::Empirical { values: (0..400).map(|k| 20 + (k * k) % 379).collect() },
        ] {
            let question =
                with_memory(scenario(1.0, constant(100), output, affine(0.02, 0.0), 1_000_000), 2_000_000, Some(0.0));
            let rows = of(&question);
            let moments = Moments::of(&question);
            let (mean, second) = (moments.output_mean(), moments.raw(0, 2));
            let variance = second - mean * mean;
            let held = moments.held_mean();
            assert_relative_eq!(get(&rows, Parameter::Memory).elasticity, 1.0, epsilon = 1e-3);
            assert_relative_eq!(
                get(&rows, Parameter::OutputMean).elasticity,
                -(held + second / 2.0) / held,
                epsilon = 5e-3
            );
            assert_relative_eq!(get(&rows, Parameter::OutputCv).elasticity, -variance / held, epsilon = 5e-3);
            assert_relative_eq!(get(&rows, Parameter::PromptMean).elasticity, -100.0 * mean / held, epsilon = 2e-3);
        }
    }

    /// Where two limits meet λ* has a kink, and its sides are those of the two limits.
    #[test]
    fn a_kink_has_two_sides() {
        let mut question = scenario(1.0, constant(100), uniform(20, 180), affine(0.02, 1e-5), 500);
        // K/E[o] = B/w at K = 500: 500·199/100.
        question.instance.max_batch_tokens = Some(995);
        let row = get(&of(&question), Parameter::Sequences);
        assert!(row.has_kink(), "{row:?}");
        let (below, above) = (row.below.unwrap(), row.above.unwrap());
        assert_eq!((below.binding, above.binding), (Limit::SequenceCap, Limit::TokenBudget));
        assert!(below.elasticity > 0.6 && above.elasticity.abs() < 1e-9, "{row:?}");
    }
}
