//! How many tokens a prompt or an output has: laws on the whole numbers from 1.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Exp1, Gamma, StandardNormal, Zipf};
use serde::{Deserialize, Serialize};
use statrs::function::erf::erfc;
use statrs::function::gamma::{gamma, gamma_ur};

use super::error::{ScenarioError, require_at_least_one, require_at_most, require_positive};

/// Tail mass below which the table of an unbounded law ends.
const TABLE_TAIL: f64 = 1e-15;
/// Longest table that is made; longer laws are refused by `validate`.
pub(super) const MAX_LENGTH: u64 = 10_000_000;

/// A length law. Every sample is a whole number of tokens, at least 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "law", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LengthLaw {
    /// Always `tokens`.
    Constant {
        /// The length.
        tokens: u64,
    },
    /// Every whole number from `min` to `max` equally likely.
    Uniform {
        /// Shortest length.
        min: u64,
        /// Longest length.
        max: u64,
    },
    /// P(X = k) = p (1 − p)^(k−1), k ≥ 1, p = 1/mean.
    Geometric {
        /// Mean length.
        mean: f64,
    },
    /// A lognormal variable rounded to a whole number, then clamped to 1..=max. `mean` and `cv` are those of the
    /// variable before rounding and clamping.
    Lognormal {
        /// Mean before rounding and clamping.
        mean: f64,
        /// Coefficient of variation before rounding and clamping.
        cv: f64,
        /// Longest length the server allows; longer draws stop there.
        max: u64,
    },
    /// A gamma variable rounded to a whole number, then clamped to 1..=max: Erlang with n phases for cv = 1/√n. `mean` and `cv`
    /// are those of the variable before rounding and clamping.
    Gamma {
        /// Mean before rounding and clamping.
        mean: f64,
        /// Coefficient of variation before rounding and clamping.
        cv: f64,
        /// Longest length the server allows; longer draws stop there.
        max: u64,
    },
    /// A Weibull variable, P(X > x) = exp(−(x/b)^shape), rounded to a whole number, then clamped to 1..=max. `mean` is that of the
    /// variable before rounding and clamping.
    Weibull {
        /// Mean before rounding and clamping.
        mean: f64,
        /// Shape: 1 is exponential, below 1 the tail is heavier.
        shape: f64,
        /// Longest length the server allows; longer draws stop there.
        max: u64,
    },
    /// A Pareto variable, P(X > x) = (scale/x)^shape from `scale` on, rounded to a whole number, then clamped to 1..=max.
    Pareto {
        /// Least value before rounding.
        scale: f64,
        /// Tail exponent: at 1 and below the mean is that of the clamp alone.
        shape: f64,
        /// Longest length the server allows; longer draws stop there.
        max: u64,
    },
    /// A Lomax (shifted Pareto) variable, P(X > x) = (1 + x/scale)^−shape, rounded to a whole number, then clamped to 1..=max.
    Lomax {
        /// Scale before rounding; the mean is scale/(shape − 1) for a shape above 1.
        scale: f64,
        /// Tail exponent.
        shape: f64,
        /// Longest length the server allows; longer draws stop there.
        max: u64,
    },
    /// P(X = k) ∝ k^−exponent on 1..=max.
    Zipf {
        /// From 0, which is uniform, on.
        exponent: f64,
        /// Longest length.
        max: u64,
    },
    /// One of several laws, drawn by weight.
    Mixture {
        /// The parts with their weights.
        parts: Vec<MixturePart>,
    },
    /// One of the listed values, each equally likely.
    Empirical {
        /// Observed lengths.
        values: Vec<u64>,
    },
}

/// One part of a mixture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixturePart {
    /// Relative weight, any positive number.
    pub weight: f64,
    /// The law of this part.
    pub law: LengthLaw,
}

impl LengthLaw {
    /// Draws one length.
    #[inline]
    pub fn sample(&self, rng: &mut impl Rng) -> u64 {
        if let Self::Constant { tokens } = self { *tokens } else { self.sample_random(rng) }
    }

    fn sample_random(&self, rng: &mut impl Rng) -> u64 {
        match self {
            Self::Constant { tokens } => *tokens,
            Self::Uniform { min, max } => rng.random_range(*min..=*max),
            Self::Geometric { mean } => sample_geometric(*mean, rng),
            Self::Lognormal { mean, cv, max } => {
                let (mu, sigma) = lognormal_parameters(*mean, *cv);
                let normal: f64 = StandardNormal.sample(rng);
                ((mu + sigma * normal).exp().round() as u64).clamp(1, *max)
            }
            Self::Gamma { mean, cv, max } => {
                let (shape, scale) = gamma_parameters(*mean, *cv);
                let drawn: f64 = Gamma::new(shape, scale).map_or(*mean, |law| law.sample(rng));
                (drawn.round() as u64).clamp(1, *max)
            }
            Self::Weibull { mean, shape, max } => {
                let unit: f64 = Exp1.sample(rng);
                ((weibull_scale(*mean, *shape) * unit.powf(1.0 / shape)).round() as u64).clamp(1, *max)
            }
            Self::Pareto { scale, shape, max } => {
                let unit: f64 = Exp1.sample(rng);
                ((scale * (unit / shape).exp()).round() as u64).clamp(1, *max)
            }
            Self::Lomax { scale, shape, max } => {
                let unit: f64 = Exp1.sample(rng);
                ((scale * (unit / shape).exp_m1()).round() as u64).clamp(1, *max)
            }
            Self::Zipf { exponent, max } => {
                let drawn: f64 = Zipf::new(*max as f64, *exponent).map_or(1.0, |law| law.sample(rng));
                (drawn as u64).clamp(1, *max)
            }
            Self::Mixture { parts } => {
                let mut rest = rng.random::<f64>() * parts.iter().map(|part| part.weight).sum::<f64>();
                for part in parts {
                    rest -= part.weight;
                    if rest < 0.0 {
                        return part.law.sample(rng);
                    }
                }
                parts[parts.len() - 1].law.sample(rng)
            }
            Self::Empirical { values } => values[rng.random_range(0..values.len())],
        }
    }

    /// The probability of every length: entry `k` is P(X = k), entry 0 is 0. Unbounded laws end where less than
    /// 1e-15 remains; the last entry holds the rest.
    pub fn table(&self) -> Vec<f64> {
        match self {
            Self::Constant { tokens } => point_masses(&[(*tokens, 1.0)]),
            Self::Uniform { min, max } => {
                let mass = 1.0 / (max - min + 1) as f64;
                (0..=*max).map(|k| if k >= *min { mass } else { 0.0 }).collect()
            }
            Self::Geometric { mean } => geometric_table(*mean),
            Self::Lognormal { mean, cv, max } => {
                let (mu, sigma) = lognormal_parameters(*mean, *cv);
                rounded_table(*max, |x| 0.5 * erfc((x.ln() - mu) / (sigma * std::f64::consts::SQRT_2)))
            }
            Self::Gamma { mean, cv, max } => {
                let (shape, scale) = gamma_parameters(*mean, *cv);
                rounded_table(*max, |x| gamma_ur(shape, x / scale))
            }
            Self::Weibull { mean, shape, max } => {
                let scale = weibull_scale(*mean, *shape);
                rounded_table(*max, |x| (-(x / scale).powf(*shape)).exp())
            }
            Self::Pareto { scale, shape, max } => rounded_table(*max, |x| (scale / x).min(1.0).powf(*shape)),
            Self::Lomax { scale, shape, max } => rounded_table(*max, |x| (1.0 + x / scale).powf(-shape)),
            Self::Zipf { exponent, max } => zipf_table(*exponent, *max),
            Self::Mixture { parts } => mixture_table(parts),
            Self::Empirical { values } => {
                let mass = 1.0 / values.len() as f64;
                point_masses(&values.iter().map(|&value| (value, mass)).collect::<Vec<_>>())
            }
        }
    }

    /// The longest length that can be drawn; none for an unbounded law.
    pub fn longest(&self) -> Option<u64> {
        match self {
            Self::Constant { tokens } => Some(*tokens),
            Self::Uniform { max, .. }
            | Self::Lognormal { max, .. }
            | Self::Gamma { max, .. }
            | Self::Weibull { max, .. }
            | Self::Pareto { max, .. }
            | Self::Lomax { max, .. }
            | Self::Zipf { max, .. } => Some(*max),
            Self::Geometric { mean } => (*mean == 1.0).then_some(1),
            Self::Mixture { parts } => {
                parts.iter().map(|part| part.law.longest()).try_fold(0, |longest, x| Some(longest.max(x?)))
            }
            Self::Empirical { values } => values.iter().max().copied(),
        }
    }

    /// The shortest length that can be drawn.
    pub fn shortest(&self) -> u64 {
        match self {
            Self::Constant { tokens } => *tokens,
            Self::Uniform { min, .. } => *min,
            Self::Pareto { scale, max, .. } => (scale.round() as u64).clamp(1, *max),
            Self::Geometric { .. }
            | Self::Lognormal { .. }
            | Self::Gamma { .. }
            | Self::Weibull { .. }
            | Self::Lomax { .. }
            | Self::Zipf { .. } => 1,
            Self::Mixture { parts } => parts.iter().map(|part| part.law.shortest()).min().unwrap_or(1),
            Self::Empirical { values } => values.iter().min().copied().unwrap_or(1),
        }
    }

    /// # Errors
    /// Parameters outside the law's domain; the key is relative to the law.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        match self {
            Self::Constant { tokens } => require_at_least_one("tokens", *tokens),
            Self::Uniform { min, max } => {
                require_at_least_one("min", *min)?;
                if max < min {
                    return Err(ScenarioError::at("max", format!("is `{max}`, below min `{min}`"), "give max ≥ min"));
                }
                Ok(())
            }
            Self::Geometric { mean } => {
                if mean.is_finite() && *mean >= 1.0 && *mean <= MAX_LENGTH as f64 / 40.0 {
                    return Ok(());
                }
                Err(ScenarioError::at("mean", format!("must be from 1 to 250000, got `{mean}`"), "lengths start at 1"))
            }
            Self::Lognormal { mean, cv, max } => {
                require_positive("mean", *mean)?;
                require_positive("cv", *cv)?;
                require_at_most("mean", *mean, MAX_LENGTH as f64)?;
                require_at_most("cv", *cv, 100.0)?;
                require_at_least_one("max", *max)
            }
            Self::Gamma { mean, cv, max } => {
                require_positive("mean", *mean)?;
                require_at_most("mean", *mean, MAX_LENGTH as f64)?;
                require_within("cv", *cv, 0.01, 10.0)?;
                require_at_least_one("max", *max)
            }
            Self::Weibull { mean, shape, max } => {
                require_positive("mean", *mean)?;
                require_at_most("mean", *mean, MAX_LENGTH as f64)?;
                require_within("shape", *shape, 0.1, 100.0)?;
                require_at_least_one("max", *max)
            }
            Self::Pareto { scale, shape, max } | Self::Lomax { scale, shape, max } => {
                require_positive("scale", *scale)?;
                require_at_most("scale", *scale, MAX_LENGTH as f64)?;
                require_within("shape", *shape, 0.1, 100.0)?;
                require_at_least_one("max", *max)
            }
            Self::Zipf { exponent, max } => {
                require_within("exponent", *exponent, 0.0, 20.0)?;
                require_at_least_one("max", *max)
            }
            Self::Mixture { parts } => validate_mixture(parts),
            Self::Empirical { values } => {
                if values.is_empty() {
                    return Err(ScenarioError::at("values", "is empty", "give at least one length"));
                }
                values.iter().try_for_each(|&value| require_at_least_one("values", value))
            }
        }?;
        match self.longest() {
            Some(longest) if longest > MAX_LENGTH => Err(ScenarioError::at(
                "",
                format!("allows `{longest}` tokens"),
                format!("keep lengths at most {MAX_LENGTH}"),
            )),
            _ => Ok(()),
        }
    }
}

fn require_within(key: &str, value: f64, low: f64, high: f64) -> Result<(), ScenarioError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(ScenarioError::at(key, format!("is `{value}`"), format!("give a number from {low} to {high}")))
}

fn validate_mixture(parts: &[MixturePart]) -> Result<(), ScenarioError> {
    if parts.is_empty() {
        return Err(ScenarioError::at("parts", "is empty", "give at least one part"));
    }
    for (index, part) in parts.iter().enumerate() {
        let place = format!("parts[{index}]");
        require_positive("weight", part.weight).map_err(|error| error.under(&place))?;
        require_at_most("weight", part.weight, 1e9).map_err(|error| error.under(&place))?;
        part.law.validate().map_err(|error| error.under("law").under(&place))?;
    }
    Ok(())
}

/// Inversion, ⌈ln U / ln(1 − p)⌉: ten times cheaper than `rand_distr::Geometric`.
fn sample_geometric(mean: f64, rng: &mut impl Rng) -> u64 {
    if mean <= 1.0 {
        return 1;
    }
    let uniform = 1.0 - rng.random::<f64>();
    1 + (uniform.ln() / (-1.0 / mean).ln_1p()) as u64
}

fn lognormal_parameters(mean: f64, cv: f64) -> (f64, f64) {
    let variance = (cv * cv).ln_1p();
    (mean.ln() - variance / 2.0, variance.sqrt())
}

/// Shape and scale.
fn gamma_parameters(mean: f64, cv: f64) -> (f64, f64) {
    (1.0 / (cv * cv), mean * cv * cv)
}

fn weibull_scale(mean: f64, shape: f64) -> f64 {
    mean / gamma(1.0 + 1.0 / shape)
}

fn point_masses(masses: &[(u64, f64)]) -> Vec<f64> {
    let longest = masses.iter().map(|&(value, _)| value).max().unwrap_or(0);
    let mut table = vec![0.0; longest as usize + 1];
    for &(value, mass) in masses {
        table[value as usize] += mass;
    }
    table
}

fn geometric_table(mean: f64) -> Vec<f64> {
    let stop = 1.0 / mean;
    let mut table = vec![0.0];
    let mut left = 1.0;
    while left > TABLE_TAIL {
        table.push(left * stop);
        left *= 1.0 - stop;
    }
    if let Some(last) = table.last_mut() {
        *last += left;
    }
    table
}

fn zipf_table(exponent: f64, max: u64) -> Vec<f64> {
    let mut table: Vec<f64> = (0..=max).map(|k| if k == 0 { 0.0 } else { (k as f64).powf(-exponent) }).collect();
    // The smallest first, for the last digit.
    let sum: f64 = table.iter().rev().sum();
    table.iter_mut().for_each(|mass| *mass /= sum);
    table
}

/// The table of a variable with this survival function, rounded to a whole number and clamped to 1..=max.
fn rounded_table(max: u64, survival: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut table = Vec::with_capacity(max as usize + 1);
    table.push(0.0);
    let mut above = 1.0;
    for k in 1..max {
        let next = survival(k as f64 + 0.5);
        table.push(above - next);
        above = next;
        if above < TABLE_TAIL {
            break;
        }
    }
    if table.len() as u64 <= max {
        table.push(above);
    }
    table
}

fn mixture_table(parts: &[MixturePart]) -> Vec<f64> {
    let total: f64 = parts.iter().map(|part| part.weight).sum();
    let mut table = Vec::new();
    for part in parts {
        let of_part = part.law.table();
        if of_part.len() > table.len() {
            table.resize(of_part.len(), 0.0);
        }
        for (sum, mass) in table.iter_mut().zip(&of_part) {
            *sum += mass * part.weight / total;
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn mean(table: &[f64]) -> f64 {
        table.iter().enumerate().map(|(k, mass)| k as f64 * mass).sum()
    }

    fn laws() -> Vec<LengthLaw> {
        vec![
            LengthLaw::Constant { tokens: 7 },
            LengthLaw::Uniform { min: 3, max: 9 },
            LengthLaw::Geometric { mean: 50.0 },
            LengthLaw::Lognormal { mean: 200.0, cv: 1.5, max: 1000 },
            LengthLaw::Gamma { mean: 30.0, cv: 0.5_f64.sqrt(), max: 10_000 },
            LengthLaw::Gamma { mean: 90.0, cv: 3.0, max: 500 },
            LengthLaw::Gamma { mean: 5000.0, cv: 0.02, max: 100_000 },
            LengthLaw::Weibull { mean: 50.0, shape: 0.5, max: 100_000 },
            LengthLaw::Weibull { mean: 1.2, shape: 3.0, max: 9 },
            LengthLaw::Pareto { scale: 20.0, shape: 2.5, max: 5000 },
            LengthLaw::Pareto { scale: 0.3, shape: 0.7, max: 100 },
            LengthLaw::Lomax { scale: 90.0, shape: 3.0, max: 5000 },
            LengthLaw::Zipf { exponent: 1.2, max: 1000 },
            LengthLaw::Zipf { exponent: 0.0, max: 9 },
            LengthLaw::Mixture {
                parts: vec![
                    MixturePart { weight: 3.0, law: LengthLaw::Constant { tokens: 64 } },
                    MixturePart { weight: 1.0, law: LengthLaw::Uniform { min: 1, max: 9 } },
                ],
            },
            LengthLaw::Empirical { values: vec![1, 1, 5] },
        ]
    }

    #[test]
    fn tables_sum_to_one_and_have_no_mass_at_zero() {
        for law in laws() {
            law.validate().unwrap();
            let table = law.table();
            assert_relative_eq!(table.iter().sum::<f64>(), 1.0, epsilon = 1e-12);
            assert_eq!(table[0], 0.0);
        }
    }

    #[test]
    fn samples_follow_the_table() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for law in laws() {
            let table = law.table();
            let draws = 200_000;
            let total: u64 = (0..draws).map(|_| law.sample(&mut rng)).sum();
            let second: f64 = table.iter().enumerate().map(|(k, mass)| (k * k) as f64 * mass).sum();
            let deviation = (second - mean(&table).powi(2)).max(0.0).sqrt() / f64::from(draws).sqrt();
            // 4.5 standard errors: one false alarm in 150 000 per law.
            assert!((total as f64 / f64::from(draws) - mean(&table)).abs() <= 4.5 * deviation + 1e-12, "{law:?}");
        }
    }

    /// Erlang-2 of mean 40 has E[X²] = 2400, rounding adds 1/12 (Sheppard); Weibull of shape ½ has E[X²] = 6 mean².
    #[test]
    fn fine_lattices_have_the_moments_of_the_variable() {
        let second =
            |law: LengthLaw| law.table().iter().enumerate().map(|(k, mass)| (k * k) as f64 * mass).sum::<f64>();
        let erlang = LengthLaw::Gamma { mean: 40.0, cv: 0.5_f64.sqrt(), max: 10_000 };
        assert_relative_eq!(mean(&erlang.table()), 40.0, max_relative = 1e-5);
        assert_relative_eq!(second(erlang), 2400.0 + 1.0 / 12.0, max_relative = 1e-6);
        let heavy = LengthLaw::Weibull { mean: 1000.0, shape: 0.5, max: 2_000_000 };
        assert_relative_eq!(mean(&heavy.table()), 1000.0, max_relative = 1e-4);
        assert_relative_eq!(second(heavy), 6e6, max_relative = 1e-4);
        for shape in [0.09, 101.0, f64::NAN] {
            assert_eq!(LengthLaw::Weibull { mean: 5.0, shape, max: 9 }.validate().unwrap_err().key, "shape");
        }
        for cv in [0.0, 11.0, -1.0] {
            assert_eq!(LengthLaw::Gamma { mean: 5.0, cv, max: 9 }.validate().unwrap_err().key, "cv");
        }
    }

    /// Mean of Pareto 1.5 · 100/.5 = 300, of which (100/10^6)^.5 · 200 lies beyond the clamp; of Zipf H(max)/H₂(max), and H₂(3) = 49/36.
    #[test]
    fn heavy_tails_have_their_means() {
        let pareto = LengthLaw::Pareto { scale: 100.0, shape: 1.5, max: 1_000_000 };
        assert_relative_eq!(mean(&pareto.table()), 300.0 - 2.0, max_relative = 1e-3);
        let zipf = LengthLaw::Zipf { exponent: 2.0, max: 3 };
        assert_relative_eq!(mean(&zipf.table()), (11.0 / 6.0) / (49.0 / 36.0), max_relative = 1e-14);
    }

    #[test]
    fn geometric_mean_is_the_given_one() {
        assert_relative_eq!(mean(&LengthLaw::Geometric { mean: 211.0 }.table()), 211.0, max_relative = 1e-10);
    }
}
