//! A scenario with one of its parameters made larger or smaller, for sensitivities. What is a whole number is rounded, so the
//! factor that was reached is read off the result.

use std::sync::Arc;

use super::moments::usable_memory;
use super::{Cluster, Engine, Instance, LengthLaw, MixturePart, Policy, Scenario, StepTimeLaw, Workload};

/// What can be scaled. In a cluster every instance is scaled, the prefill pool's too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// M, in whole blocks.
    Memory,
    /// K.
    Sequences,
    /// B.
    Budget,
    /// Seconds of an empty iteration.
    Base,
    /// Seconds per token, or per stair.
    PerToken,
    /// Seconds per KV token held.
    PerContext,
    /// Tokens that cost nothing, of a hinge.
    FreeTokens,
    /// Tokens of a stair.
    StairTokens,
    /// Seconds of a swap: per token moved and per request.
    Swap,
    /// Seconds of the link between the pools: latency, and time per token.
    Link,
    /// E\[s\], the shape of the law kept.
    PromptMean,
    /// The coefficient of variation of s, within each class; its mean kept.
    PromptCv,
    /// E\[o\], the shape of the law kept.
    OutputMean,
    /// The coefficient of variation of o, within each class; its mean kept.
    OutputCv,
}

/// Which of the two lengths of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Prompt,
    Output,
}

impl Parameter {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 14] = [
        Self::Memory,
        Self::Sequences,
        Self::Budget,
        Self::Base,
        Self::PerToken,
        Self::PerContext,
        Self::FreeTokens,
        Self::StairTokens,
        Self::Swap,
        Self::Link,
        Self::PromptMean,
        Self::PromptCv,
        Self::OutputMean,
        Self::OutputCv,
    ];

    /// The parameter as printed, with its unit.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "M, KV memory (tokens)",
            Self::Sequences => "K, sequences",
            Self::Budget => "B, token budget (tokens)",
            Self::Base => "step time, base (s)",
            Self::PerToken => "step time, per token or stair (s)",
            Self::PerContext => "step time, per context token (s)",
            Self::FreeTokens => "free tokens of the hinge (tokens)",
            Self::StairTokens => "tokens of a stair (tokens)",
            Self::Swap => "swap, per token (s)",
            Self::Link => "link, per token (s)",
            Self::PromptMean => "prompt mean (tokens)",
            Self::PromptCv => "prompt cv",
            Self::OutputMean => "output mean (tokens)",
            Self::OutputCv => "output cv",
        }
    }

    /// Whether it is a time: λ* is inverse in all of them together.
    pub fn is_time(self) -> bool {
        matches!(self, Self::Base | Self::PerToken | Self::PerContext | Self::Swap | Self::Link)
    }

    /// Whether only whole numbers make sense, so that a step must be wide.
    pub fn is_whole(self) -> bool {
        !self.is_time()
    }

    /// Its value in a scenario; none where it does not exist or is 0.
    pub fn value(self, scenario: &Scenario) -> Option<f64> {
        let value = match self {
            Self::Memory => usable_memory(scenario)? as f64,
            Self::Sequences if scenario.policy.engine == Engine::RunToCompletion => return None,
            Self::Sequences => scenario.instance.max_sequences as f64,
            Self::Budget => scenario.instance.max_batch_tokens? as f64,
            Self::Swap => scenario.policy.swap_s_per_token.or(scenario.policy.swap_latency_s)?,
            Self::Link => 1.0 / scenario.cluster.as_ref()?.link.as_ref()?.tokens_per_s,
            Self::PromptMean => moments(&scenario.workload, Side::Prompt).0,
            Self::PromptCv => moments(&scenario.workload, Side::Prompt).1,
            Self::OutputMean => moments(&scenario.workload, Side::Output).0,
            Self::OutputCv => moments(&scenario.workload, Side::Output).1,
            _ => coefficient(&scenario.step_time, self)?,
        };
        (value > 1e-12 || self.is_time() && value > 0.0).then_some(value)
    }
}

fn coefficient(law: &StepTimeLaw, parameter: Parameter) -> Option<f64> {
    match (law, parameter) {
        (
            StepTimeLaw::Affine { base_s, .. }
            | StepTimeLaw::Hinge { base_s, .. }
            | StepTimeLaw::Staircase { base_s, .. }
            | StepTimeLaw::AffineContext { base_s, .. },
            Parameter::Base,
        ) => Some(*base_s),
        (
            StepTimeLaw::Affine { per_token_s, .. }
            | StepTimeLaw::Hinge { per_token_s, .. }
            | StepTimeLaw::Staircase { per_stair_s: per_token_s, .. }
            | StepTimeLaw::AffineContext { per_token_s, .. },
            Parameter::PerToken,
        ) => Some(*per_token_s),
        (
            StepTimeLaw::AffineContext { per_context_token_s, .. } | StepTimeLaw::Curve { per_context_token_s, .. },
            Parameter::PerContext,
        ) => Some(*per_context_token_s),
        // Of a curve the base is its first point, and the cost per token the mean slope to its last.
        (StepTimeLaw::Curve { points, .. }, Parameter::Base) => points.first().map(|point| point.seconds),
        (StepTimeLaw::Curve { points, .. }, Parameter::PerToken) => {
            let (first, last) = (points.first()?, points.last()?);
            (last.tokens > first.tokens).then(|| (last.seconds - first.seconds) / (last.tokens - first.tokens) as f64)
        }
        (StepTimeLaw::Hinge { free_tokens, .. }, Parameter::FreeTokens) => Some(*free_tokens as f64),
        (StepTimeLaw::Staircase { stair_tokens, .. }, Parameter::StairTokens) => Some(*stair_tokens as f64),
        _ => None,
    }
}

/// The scenario with a parameter `factor` times as large, as nearly as whole numbers allow; none where its law has no such
/// neighbour, as for the spread of a constant. The result need not be valid.
pub fn scaled(scenario: &Scenario, parameter: Parameter, factor: f64) -> Option<Scenario> {
    let mut other = scenario.clone();
    match parameter {
        Parameter::PromptMean => stretch(&mut other.workload, Side::Prompt, factor),
        Parameter::OutputMean => stretch(&mut other.workload, Side::Output, factor),
        Parameter::PromptCv => spread(&mut other.workload, Side::Prompt, factor)?,
        Parameter::OutputCv => spread(&mut other.workload, Side::Output, factor)?,
        Parameter::Memory | Parameter::Sequences | Parameter::Budget => {
            instances(&mut other).for_each(|instance| scale_limit(instance, parameter, factor));
        }
        Parameter::Swap => policies(&mut other).for_each(|policy| {
            for seconds in [&mut policy.swap_s_per_token, &mut policy.swap_latency_s].into_iter().flatten() {
                *seconds *= factor;
            }
        }),
        Parameter::Link => {
            let link = other.cluster.as_mut()?.link.as_mut()?;
            link.tokens_per_s /= factor;
            link.latency_s *= factor;
        }
        _ => step_times(&mut other).for_each(|law| scale_step(law, parameter, factor)),
    }
    Some(other)
}

/// Instance, policy and step time of the groups and of the prefill pool, where they have their own.
type Own<'a> = (Option<&'a mut Instance>, Option<&'a mut Policy>, Option<&'a mut StepTimeLaw>);

fn own(cluster: &mut Cluster) -> impl Iterator<Item = Own<'_>> {
    let groups = cluster
        .group
        .iter_mut()
        .map(|group| (group.instance.as_mut(), group.policy.as_mut(), group.step_time.as_mut()));
    let pool = cluster.prefill.iter_mut();
    groups.chain(pool.map(|pool| (pool.instance.as_mut(), pool.policy.as_mut(), pool.step_time.as_mut())))
}

fn instances(scenario: &mut Scenario) -> impl Iterator<Item = &mut Instance> {
    let others = scenario.cluster.iter_mut().flat_map(own).filter_map(|own| own.0);
    std::iter::once(&mut scenario.instance).chain(others)
}

fn policies(scenario: &mut Scenario) -> impl Iterator<Item = &mut Policy> {
    let others = scenario.cluster.iter_mut().flat_map(own).filter_map(|own| own.1);
    std::iter::once(&mut scenario.policy).chain(others)
}

/// Every step-time law of a scenario: its own, those of groups and of the prefill pool, those of classes.
pub fn step_times(scenario: &mut Scenario) -> impl Iterator<Item = &mut StepTimeLaw> {
    let others = scenario.cluster.iter_mut().flat_map(own).filter_map(|own| own.2);
    let of_classes = scenario.workload.class.iter_mut().filter_map(|class| class.step_time.as_mut());
    std::iter::once(&mut scenario.step_time).chain(others).chain(of_classes)
}

fn whole(value: u64, factor: f64) -> u64 {
    ((value as f64 * factor).round() as u64).max(1)
}

fn scale_limit(instance: &mut Instance, parameter: Parameter, factor: f64) {
    let block = instance.block_tokens;
    match parameter {
        Parameter::Memory => {
            instance.kv_tokens = instance.kv_tokens.map(|tokens| whole(tokens / block, factor) * block);
        }
        Parameter::Budget => instance.max_batch_tokens = instance.max_batch_tokens.map(|tokens| whole(tokens, factor)),
        _ => instance.max_sequences = whole(instance.max_sequences, factor),
    }
}

fn scale_step(law: &mut StepTimeLaw, parameter: Parameter, factor: f64) {
    if let StepTimeLaw::Curve { points, .. } = law
        && let Some(base) = points.first().map(|point| point.seconds)
    {
        for point in points {
            match parameter {
                Parameter::Base => point.seconds += base * (factor - 1.0),
                Parameter::PerToken => point.seconds = base + factor * (point.seconds - base),
                _ => {}
            }
        }
    }
    match (law, parameter) {
        (
            StepTimeLaw::Affine { base_s: value, .. }
            | StepTimeLaw::Hinge { base_s: value, .. }
            | StepTimeLaw::Staircase { base_s: value, .. }
            | StepTimeLaw::AffineContext { base_s: value, .. },
            Parameter::Base,
        )
        | (
            StepTimeLaw::Affine { per_token_s: value, .. }
            | StepTimeLaw::Hinge { per_token_s: value, .. }
            | StepTimeLaw::Staircase { per_stair_s: value, .. }
            | StepTimeLaw::AffineContext { per_token_s: value, .. },
            Parameter::PerToken,
        )
        | (
            StepTimeLaw::AffineContext { per_context_token_s: value, .. }
            | StepTimeLaw::Curve { per_context_token_s: value, .. },
            Parameter::PerContext,
        ) => *value *= factor,
        (StepTimeLaw::Hinge { free_tokens: tokens, .. }, Parameter::FreeTokens)
        | (StepTimeLaw::Staircase { stair_tokens: tokens, .. }, Parameter::StairTokens) => {
            *tokens = whole(*tokens, factor);
        }
        _ => {}
    }
}

/// Mean of a length over all classes, and its coefficient of variation within classes, √(E Var/E mean²).
fn moments(workload: &Workload, side: Side) -> (f64, f64) {
    if let Some(source) = &workload.trace {
        let lengths = source.requests.iter().map(|request| match side {
            Side::Prompt => request.prompt as f64,
            Side::Output => request.output as f64,
        });
        let count = source.requests.len().max(1) as f64;
        let (first, second) =
            lengths.fold((0.0, 0.0), |(first, second), x| (first + x / count, second + x * x / count));
        return (first, ((second / (first * first) - 1.0).max(0.0)).sqrt());
    }
    let total: f64 = workload.class.iter().map(|class| class.share).sum();
    let mut sums = (0.0, 0.0, 0.0);
    for class in &workload.class {
        let law = if side == Side::Prompt { &class.prompt } else { &class.output };
        let (mean, variance) = mean_and_variance(law);
        let share = class.share / total;
        sums = (sums.0 + share * mean, sums.1 + share * variance, sums.2 + share * mean * mean);
    }
    (sums.0, (sums.1 / sums.2).sqrt())
}

fn mean_and_variance(law: &LengthLaw) -> (f64, f64) {
    let table = law.table();
    let mean: f64 = table.iter().enumerate().map(|(k, mass)| k as f64 * mass).sum();
    let variance: f64 = table.iter().enumerate().map(|(k, mass)| (k as f64 - mean).powi(2) * mass).sum();
    (mean, variance)
}

fn stretch(workload: &mut Workload, side: Side, factor: f64) {
    on_trace(workload, side, |length| length * factor);
    for class in &mut workload.class {
        let law = if side == Side::Prompt { &mut class.prompt } else { &mut class.output };
        *law = stretched(law, factor);
    }
}

fn spread(workload: &mut Workload, side: Side, factor: f64) -> Option<()> {
    let (mean, _) = moments(workload, side);
    on_trace(workload, side, |length| mean + factor * (length - mean));
    let mut moved = workload.trace.is_some();
    for class in &mut workload.class {
        let law = if side == Side::Prompt { &mut class.prompt } else { &mut class.output };
        if matches!(law, LengthLaw::Constant { .. }) {
            continue;
        }
        *law = spread_out(law, factor)?;
        moved = true;
    }
    moved.then_some(())
}

fn on_trace(workload: &mut Workload, side: Side, change: impl Fn(f64) -> f64) {
    let Some(source) = &mut workload.trace else { return };
    let changed = |length: u64| (change(length as f64).round() as u64).max(1);
    source.requests = Arc::new(source.requests.with_lengths(|request| match side {
        Side::Prompt => (changed(request.prompt), request.output),
        Side::Output => (request.prompt, changed(request.output)),
    }));
}

/// The law of `factor` times the length: the same family, its longest length scaled too. Multiples of a Zipf variable follow no Zipf
/// law; it gets the exponent at which its mean is `factor` times as large.
fn stretched(law: &LengthLaw, factor: f64) -> LengthLaw {
    match law {
        LengthLaw::Constant { tokens } => LengthLaw::Constant { tokens: whole(*tokens, factor) },
        LengthLaw::Uniform { min, max } => LengthLaw::Uniform { min: whole(*min, factor), max: whole(*max, factor) },
        LengthLaw::Geometric { mean } => LengthLaw::Geometric { mean: (mean * factor).max(1.0) },
        LengthLaw::Lognormal { mean, cv, max } => {
            LengthLaw::Lognormal { mean: mean * factor, cv: *cv, max: whole(*max, factor) }
        }
        LengthLaw::Gamma { mean, cv, max } => {
            LengthLaw::Gamma { mean: mean * factor, cv: *cv, max: whole(*max, factor) }
        }
        LengthLaw::Weibull { mean, shape, max } => {
            LengthLaw::Weibull { mean: mean * factor, shape: *shape, max: whole(*max, factor) }
        }
        LengthLaw::Pareto { scale, shape, max } => {
            LengthLaw::Pareto { scale: scale * factor, shape: *shape, max: whole(*max, factor) }
        }
        LengthLaw::Lomax { scale, shape, max } => {
            LengthLaw::Lomax { scale: scale * factor, shape: *shape, max: whole(*max, factor) }
        }
        LengthLaw::Zipf { max, .. } => zipf_of_mean(mean_and_variance(law).0 * factor, *max),
        LengthLaw::Mixture { parts } => LengthLaw::Mixture {
            parts: parts
                .iter()
                .map(|part| MixturePart { weight: part.weight, law: stretched(&part.law, factor) })
                .collect(),
        },
        LengthLaw::Empirical { values } => {
            LengthLaw::Empirical { values: values.iter().map(|&value| whole(value, factor)).collect() }
        }
    }
}

/// The Zipf law of that mean, or the nearest there is; the mean falls as the exponent grows.
fn zipf_of_mean(wanted: f64, max: u64) -> LengthLaw {
    let (mut low, mut high) = (0.0, 20.0);
    for _ in 0..40 {
        let exponent = 0.5 * (low + high);
        if mean_and_variance(&LengthLaw::Zipf { exponent, max }).0 > wanted {
            low = exponent;
        } else {
            high = exponent;
        }
    }
    LengthLaw::Zipf { exponent: 0.5 * (low + high), max }
}

/// A law of the same mean with `factor` times the coefficient of variation. Uniform laws move both ends, lognormal and gamma
/// laws change their cv (and their parameter `mean`, so that the mean after clamping stays), lists move their values away from the mean.
/// Geometric, Weibull, Pareto and Zipf laws and mixtures have no such neighbour in their family: below 1 some mass moves to the mean, above 1 the law
/// becomes a half-and-half mixture of a longer and a shorter copy.
fn spread_out(law: &LengthLaw, factor: f64) -> Option<LengthLaw> {
    match law {
        LengthLaw::Constant { .. } => None,
        LengthLaw::Uniform { min, max } => {
            let move_by = ((max - min) as f64 / 2.0 * (factor - 1.0)).round() as i64;
            let (low, high) = (*min as i64 - move_by, *max as i64 + move_by);
            (low >= 1 && high >= low).then_some(LengthLaw::Uniform { min: low as u64, max: high as u64 })
        }
        LengthLaw::Lognormal { cv, max, .. } => {
            with_mean(mean_and_variance(law).0, &|mean| LengthLaw::Lognormal { mean, cv: cv * factor, max: *max })
        }
        LengthLaw::Gamma { cv, max, .. } => {
            with_mean(mean_and_variance(law).0, &|mean| LengthLaw::Gamma { mean, cv: cv * factor, max: *max })
        }
        LengthLaw::Empirical { values } => {
            let mean = values.iter().sum::<u64>() as f64 / values.len() as f64;
            let moved = values.iter().map(|&x| ((mean + factor * (x as f64 - mean)).round() as u64).max(1));
            Some(LengthLaw::Empirical { values: moved.collect() })
        }
        LengthLaw::Geometric { .. }
        | LengthLaw::Weibull { .. }
        | LengthLaw::Pareto { .. }
        | LengthLaw::Lomax { .. }
        | LengthLaw::Zipf { .. }
        | LengthLaw::Mixture { .. } => blended(law, factor),
    }
}

/// The law of the family whose mean after rounding and clamping is the wanted one.
fn with_mean(wanted: f64, family: &dyn Fn(f64) -> LengthLaw) -> Option<LengthLaw> {
    let mut mean = wanted;
    for _ in 0..40 {
        let made = family(mean);
        let ratio = wanted / mean_and_variance(&made).0;
        if (ratio - 1.0).abs() < 1e-10 {
            return Some(made);
        }
        mean *= ratio;
    }
    None
}

fn blended(law: &LengthLaw, factor: f64) -> Option<LengthLaw> {
    let (mean, variance) = mean_and_variance(law);
    let squared = variance / (mean * mean);
    if squared <= 1e-12 {
        return None;
    }
    let parts = if factor < 1.0 {
        let moved = 1.0 - factor * factor;
        let (low, part) = (mean.floor(), mean.fract());
        let point =
            |tokens: f64, weight: f64| MixturePart { weight, law: LengthLaw::Constant { tokens: tokens as u64 } };
        let points = [point(low, moved * (1.0 - part)), point(low + 1.0, moved * part)];
        let kept = MixturePart { weight: factor * factor, law: law.clone() };
        std::iter::once(kept).chain(points.into_iter().filter(|point| point.weight > 0.0)).collect()
    } else {
        let apart = (squared * (factor * factor - 1.0) / (1.0 + squared)).sqrt();
        [1.0 - apart, 1.0 + apart].map(|f| MixturePart { weight: 0.5, law: stretched(law, f) }).to_vec()
    };
    Some(LengthLaw::Mixture { parts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    fn laws() -> Vec<LengthLaw> {
        let constant = |tokens| MixturePart { weight: 1.0, law: LengthLaw::Constant { tokens } };
        vec![
            LengthLaw::Uniform { min: 300, max: 900 },
            LengthLaw::Geometric { mean: 211.0 },
            LengthLaw::Lognormal { mean: 400.0, cv: 1.5, max: 2000 },
            LengthLaw::Mixture { parts: vec![constant(50), constant(150)] },
            LengthLaw::Empirical { values: vec![100, 250, 250, 700, 1900] },
            LengthLaw::Pareto { scale: 500.0, shape: 3.0, max: 20_000 },
        ]
    }

    /// Stretching keeps the cv and spreading keeps the mean, both up to whole tokens.
    #[test]
    fn mean_and_cv_move_apart() {
        for law in laws() {
            let (mean, variance) = mean_and_variance(&law);
            let cv = variance.sqrt() / mean;
            for factor in [0.96, 1.04] {
                let (longer, longer_variance) = mean_and_variance(&stretched(&law, factor));
                assert_relative_eq!(longer, factor * mean, max_relative = 2e-3);
                assert_relative_eq!(longer_variance.sqrt() / longer, cv, max_relative = 4e-3);
                let (same, wider) = mean_and_variance(&spread_out(&law, factor).unwrap());
                assert_relative_eq!(same, mean, max_relative = 1e-3);
                if matches!(law, LengthLaw::Lognormal { .. }) {
                    // The clamp takes part of the spread back.
                    let share = (wider.sqrt() / same / cv).ln() / factor.ln();
                    assert!((0.4..1.0).contains(&share), "{share}");
                } else {
                    assert_relative_eq!(wider.sqrt() / same, factor * cv, max_relative = 3e-3);
                }
            }
        }
        let zipf = LengthLaw::Zipf { exponent: 1.5, max: 5000 };
        let (before, after) = (mean_and_variance(&zipf).0, mean_and_variance(&stretched(&zipf, 1.04)).0);
        assert_relative_eq!(after, 1.04 * before, max_relative = 1e-9);
        assert!(spread_out(&LengthLaw::Constant { tokens: 5 }, 1.1).is_none());
        assert!(spread_out(&LengthLaw::Uniform { min: 1, max: 9 }, 1.5).is_none());
    }
}
