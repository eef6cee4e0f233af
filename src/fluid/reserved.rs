//! What reserve admission counts: the peak s + max(p, i) of a request in its i-th iteration, p its predicted output.

use super::load::Load;
use crate::scenario::{LengthLaw, Prediction};

/// Moments of what one request reserves.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reserved {
    /// E\[Σ reserved\] over the iterations of a request.
    pub counted: f64,
    /// E\[Σ reserved²\].
    pub squares: f64,
    /// E\[reserved on entering\].
    pub peak: f64,
    /// E\[its square\].
    pub peak_squared: f64,
}

/// Quantiles of a standard normal law at the middles of eight equal parts.
const EIGHTHS: [f64; 8] = [-1.534, -0.887, -0.489, -0.157, 0.157, 0.489, 0.887, 1.534];

/// The moments of the scenario's requests.
pub(super) fn of(load: &Load) -> Reserved {
    let m = &load.moments;
    if load.scenario.policy.prediction.is_exact() {
        return Reserved {
            counted: m.reserved_mean(),
            squares: m.held(2, 1) + 2.0 * m.held(1, 2) + m.held(0, 3),
            peak: m.peak_mean(),
            peak_squared: m.peak_second(),
        };
    }
    let mut sum = Reserved::default();
    let workload = &load.scenario.workload;
    if let Some(source) = &workload.trace {
        let mass = 1.0 / source.requests.len().max(1) as f64;
        for class in 0..source.requests.classes().len() {
            let of_class = || source.requests.iter().filter(|request| usize::from(request.class) == class);
            let outputs: Vec<(f64, f64)> = of_class().map(|request| (request.output as f64, 1.0)).collect();
            let rule = Told::of(load, &outputs);
            for request in of_class() {
                let prompt = request.prompt as f64;
                sum.add(&rule, [1.0, prompt, prompt * prompt], request.output as f64, mass);
            }
        }
        return sum;
    }
    let total: f64 = workload.class.iter().map(|class| class.share).sum();
    for class in &workload.class {
        let outputs = table(&class.output);
        let rule = Told::of(load, &outputs);
        let prompts = table(&class.prompt);
        let power = |k: i32| prompts.iter().map(|(prompt, mass)| mass * prompt.powi(k)).sum::<f64>();
        let powers = [1.0, power(1), power(2)];
        for &(output, mass) in &outputs {
            sum.add(&rule, powers, output, mass * class.share / total);
        }
    }
    sum
}

/// What a request reserves over its iterations as a·o + b·so + c·o², \[a, b, c\]: told the truth os + o²; told it with errors in
/// proportion to it; told a mean, o(s + p) that grows on as o²/2 beyond. The mean is kept.
pub(super) fn shape(load: &Load) -> [f64; 3] {
    let m = &load.moments;
    let own = of(load).counted - m.raw(1, 1);
    match load.scenario.policy.prediction {
        Prediction::Exact => [0.0, 1.0, 1.0],
        Prediction::Lognormal { .. } => [0.0, 1.0, own / m.raw(0, 2)],
        Prediction::ClassMean | Prediction::OneBit { .. } => {
            let linear = ((own - m.raw(0, 2) / 2.0) / m.raw(0, 1)).max(0.0);
            [linear, 1.0, (own - linear * m.raw(0, 1)) / m.raw(0, 2)]
        }
    }
}

fn table(law: &LengthLaw) -> Vec<(f64, f64)> {
    let masses = law.table();
    masses.iter().enumerate().filter(|(_, mass)| **mass > 1e-14).map(|(length, &mass)| (length as f64, mass)).collect()
}

/// A rule of prediction with the means that it needs.
struct Told {
    rule: Prediction,
    all: f64,
    short: f64,
    long: f64,
}

impl Told {
    fn of(load: &Load, outputs: &[(f64, f64)]) -> Self {
        let rule = load.scenario.policy.prediction;
        let threshold = if let Prediction::OneBit { threshold } = rule { threshold as f64 } else { f64::INFINITY };
        let mean = |within: &dyn Fn(f64) -> bool| {
            let part = outputs.iter().filter(|pair| within(pair.0));
            let (mass, sum) = part.fold((0.0, 0.0), |(m, s), &(output, mass)| (m + mass, s + mass * output));
            if mass > 0.0 { sum / mass } else { 0.0 }
        };
        Self { rule, all: mean(&|_| true), short: mean(&|o| o <= threshold), long: mean(&|o| o > threshold) }
    }

    /// Predicted outputs with probabilities.
    fn predictions(&self, output: f64) -> Vec<(f64, f64)> {
        let one = |value: f64| vec![(value.round().max(1.0), 1.0)];
        match self.rule {
            Prediction::Exact => one(output),
            Prediction::ClassMean => one(self.all),
            Prediction::OneBit { threshold } if output <= threshold as f64 => one(self.short),
            Prediction::OneBit { .. } => one(self.long),
            Prediction::Lognormal { cv } => {
                let variance = (1.0 + cv * cv).ln();
                // The factors are scaled so that their mean is 1, as that of the law.
                let factors = EIGHTHS.map(|z| (variance.sqrt() * z).exp());
                let mean = factors.iter().sum::<f64>() / 8.0;
                factors.iter().map(|factor| ((output * factor / mean).round().max(1.0), 0.125)).collect()
            }
        }
    }
}

impl Reserved {
    /// Adds a request with the given powers of its prompt.
    fn add(&mut self, rule: &Told, prompt: [f64; 3], output: f64, mass: f64) {
        for (told, share) in rule.predictions(output) {
            let weight = mass * share;
            // Σ max(p, i) and Σ max(p, i)², i = 1..o.
            let within = output.min(told);
            let sum = |n: f64| n * (n + 1.0) / 2.0;
            let squares = |n: f64| n * (n + 1.0) * (2.0 * n + 1.0) / 6.0;
            let first = within * told + sum(output) - sum(within);
            let second = within * told * told + squares(output) - squares(within);
            self.counted += weight * (prompt[1] * output + first);
            self.squares += weight * (prompt[2] * output + 2.0 * prompt[1] * first + second);
            self.peak += weight * (prompt[1] + told);
            self.peak_squared += weight * (prompt[2] + 2.0 * prompt[1] * told + told * told);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::testing::{affine, constant, scenario, uniform, with_reserve};
    use approx::assert_relative_eq;

    /// Told 3 of outputs 1 to 5, a request reserves 2 + 3 and from its fourth iteration on what it holds.
    #[test]
    fn short_predictions_grow() {
        let mut question = with_reserve(scenario(1.0, constant(2), uniform(1, 5), affine(0.02, 0.0), 100), 1000);
        question.policy.prediction = Prediction::ClassMean;
        let found = of(&Load::of(&question));
        let by_hand: f64 = (1..=5).map(|o| (1..=o).map(|i| 2.0 + f64::from(i.max(3))).sum::<f64>()).sum::<f64>() / 5.0;
        assert_relative_eq!(found.counted, by_hand, max_relative = 1e-12);
        assert_relative_eq!(found.peak, 5.0, max_relative = 1e-12);
    }

    /// Errors that are nearly none give nearly the exact moments.
    #[test]
    fn small_errors_change_little() {
        let base = with_reserve(scenario(1.0, uniform(50, 150), uniform(20, 180), affine(0.02, 0.0), 100), 10_000);
        let exact = of(&Load::of(&base));
        let mut noisy = base.clone();
        noisy.policy.prediction = Prediction::Lognormal { cv: 0.01 };
        let found = of(&Load::of(&noisy));
        assert_relative_eq!(found.counted, exact.counted, max_relative = 0.01);
        assert_relative_eq!(found.squares, exact.squares, max_relative = 0.01);
    }
}
