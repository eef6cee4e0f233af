//! The output lengths that rules are told before they are known.

use rand_distr::{Distribution, StandardNormal};

use crate::scenario::{LengthLaw, Prediction, Scenario};
use crate::stats::stream::{Stream, stream};

/// Predicts one output length per request, in order of arrival.
#[derive(Debug)]
pub struct Predictor {
    rule: Prediction,
    classes: Vec<Means>,
    noise: Stream,
}

/// Means of a class's output law, tokens.
#[derive(Debug, Clone, Copy, Default)]
struct Means {
    all: f64,
    short: f64,
    long: f64,
}

impl Predictor {
    /// The predictions of one trial.
    #[must_use]
    pub fn new(scenario: &Scenario, seed: u64, trial: u64) -> Self {
        let rule = scenario.policy.prediction;
        let threshold = if let Prediction::OneBit { threshold } = rule { threshold } else { u64::MAX };
        let classes = match (rule, &scenario.workload.trace) {
            (Prediction::Exact | Prediction::Lognormal { .. }, _) => Vec::new(),
            (_, Some(source)) => {
                let of_class = |class: usize| source.requests.iter().filter(move |it| usize::from(it.class) == class);
                let means = |class| Means::of(of_class(class).map(|request| (request.output, 1.0)), threshold);
                (0..source.requests.classes().len()).map(means).collect()
            }
            (_, None) => scenario.workload.class.iter().map(|class| Means::of_law(&class.output, threshold)).collect(),
        };
        Self { rule, classes, noise: stream(seed, &format!("predictions/trial {trial}")) }
    }

    /// What rules are told of a request of `class` that will emit `output` tokens; at least 1.
    #[inline]
    pub fn predict(&mut self, class: u16, output: i64) -> i64 {
        if self.rule == Prediction::Exact { output } else { self.guess(class, output) }
    }

    fn guess(&mut self, class: u16, output: i64) -> i64 {
        let means = || self.classes.get(usize::from(class)).copied().unwrap_or_default();
        let told = match self.rule {
            Prediction::Exact => return output,
            Prediction::Lognormal { cv } => {
                let variance = (1.0 + cv * cv).ln();
                let normal: f64 = StandardNormal.sample(&mut self.noise);
                output as f64 * (variance.sqrt() * normal - variance / 2.0).exp()
            }
            Prediction::ClassMean => means().all,
            Prediction::OneBit { threshold } if output <= threshold as i64 => means().short,
            Prediction::OneBit { .. } => means().long,
        };
        (told.round() as i64).max(1)
    }
}

impl Means {
    fn of_law(law: &LengthLaw, threshold: u64) -> Self {
        Self::of((0..).zip(law.table()), threshold)
    }

    /// The means of weighted lengths, of those up to the threshold, and of those above it.
    fn of(lengths: impl Iterator<Item = (u64, f64)>, threshold: u64) -> Self {
        let mut sums = [[0.0; 2]; 2];
        for (length, mass) in lengths {
            let side = &mut sums[usize::from(length > threshold)];
            side[0] += mass;
            side[1] += mass * length as f64;
        }
        let mean = |[mass, sum]: [f64; 2]| if mass > 0.0 { sum / mass } else { 0.0 };
        let [short, long] = sums;
        Self { all: mean([short[0] + long[0], short[1] + long[1]]), short: mean(short), long: mean(long) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::scenario;
    use super::*;

    fn told(rule: Prediction, outputs: &[i64]) -> Vec<i64> {
        let output = LengthLaw::Empirical { values: vec![1, 3, 8, 12] };
        let mut scenario = scenario(LengthLaw::Constant { tokens: 5 }, output, 1.0);
        scenario.policy.prediction = rule;
        let mut predictor = Predictor::new(&scenario, 1, 0);
        outputs.iter().map(|&output| predictor.predict(0, output)).collect()
    }

    #[test]
    fn every_rule_tells_what_it_says() {
        assert_eq!(told(Prediction::Exact, &[1, 12, 3]), [1, 12, 3]);
        assert_eq!(told(Prediction::ClassMean, &[1, 12, 3]), [6, 6, 6]);
        assert_eq!(told(Prediction::OneBit { threshold: 3 }, &[1, 12, 3, 8]), [2, 10, 2, 10]);
    }

    #[test]
    fn lognormal_errors_have_the_right_mean_and_spread() {
        let draws = told(Prediction::Lognormal { cv: 0.5 }, &vec![1000; 20_000]);
        let n = draws.len() as f64;
        let mean = draws.iter().sum::<i64>() as f64 / n;
        let variance = draws.iter().map(|&draw| (draw as f64 - mean).powi(2)).sum::<f64>() / n;
        assert!((mean - 1000.0).abs() < 4.0 * 500.0 / n.sqrt(), "{mean}");
        assert!((variance.sqrt() / mean - 0.5).abs() < 0.02, "{variance}");
        assert!(told(Prediction::Lognormal { cv: 5.0 }, &[1; 100]).iter().all(|&draw| draw >= 1));
    }
}
