//! Laws of lengths by maximum likelihood, and how well they fit.
//!
//! Lengths are whole numbers, and so are those of the laws: of a continuous variable with survival function S the length k ≥ 1 has
//! the probability S(k − ½) − S(k + ½), the first one all below too. So every law has a likelihood in the same unit, and the fit is that of
//! the law as scenarios draw it. Lengths at a limit that was cut off count with all that is above.

use rayon::prelude::*;
use statrs::function::erf::erfc;
use statrs::function::gamma::{gamma, gamma_ur};

use super::lengths::Lengths;
use super::maximum::{covariance, errors, maximise};
use crate::scenario::LengthLaw;
use crate::stats::stream::stream;

/// Samples of the parametric bootstrap, and the most lengths in one.
const SAMPLES: u64 = 99;
const SAMPLE: u64 = 500;
/// Kolmogorov's distance times √n beyond which p < 0.001 under any law, without resampling: 2e^{−2·1.95²} = 0.001, and estimating the
/// parameters or whole numbers only bring it nearer.
const FAR: f64 = 1.95;

/// A family of laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Log-normal.
    Lognormal,
    /// Gamma.
    Gamma,
    /// Weibull.
    Weibull,
    /// Exponential.
    Exponential,
    /// Geometric.
    Geometric,
    /// Pareto from the shortest length on.
    Pareto,
    /// Lomax.
    Lomax,
    /// Zipf up to the longest length.
    Zipf,
    /// Uniform from the shortest to the longest length.
    Uniform,
}

impl Family {
    /// All, in the order of their names in reports.
    pub const ALL: [Self; 9] = [
        Self::Lognormal,
        Self::Gamma,
        Self::Weibull,
        Self::Exponential,
        Self::Geometric,
        Self::Pareto,
        Self::Lomax,
        Self::Zipf,
        Self::Uniform,
    ];

    /// Its name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lognormal => "lognormal",
            Self::Gamma => "gamma",
            Self::Weibull => "weibull",
            Self::Exponential => "exponential",
            Self::Geometric => "geometric",
            Self::Pareto => "pareto",
            Self::Lomax => "lomax",
            Self::Zipf => "zipf",
            Self::Uniform => "uniform",
        }
    }

    /// Names of its parameters, as in scenarios.
    pub fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Lognormal | Self::Gamma => &["mean", "cv"],
            Self::Weibull => &["mean", "shape"],
            Self::Exponential | Self::Geometric => &["mean"],
            Self::Pareto | Self::Lomax => &["scale", "shape"],
            Self::Zipf => &["exponent"],
            Self::Uniform => &["min", "max"],
        }
    }

    /// Estimates that the likelihood decides by its slope; the others stand at an end of the lengths.
    fn free(self) -> usize {
        match self {
            Self::Lognormal | Self::Gamma | Self::Weibull | Self::Lomax => 2,
            Self::Exponential | Self::Geometric | Self::Pareto | Self::Zipf => 1,
            Self::Uniform => 0,
        }
    }
}

/// One family with its estimates.
#[derive(Debug, Clone, PartialEq)]
pub struct LengthFit {
    /// The family.
    pub family: Family,
    /// Values of its parameters, in the order of [`Family::parameters`].
    pub values: Vec<f64>,
    /// Their asymptotic standard errors; not finite where there are none.
    pub errors: Vec<f64>,
    /// ln L.
    pub log_likelihood: f64,
    /// Akaike's criterion, 2k − 2 ln L.
    pub aic: f64,
    /// Schwarz's criterion, k ln n − 2 ln L; the least is best.
    pub bic: f64,
    /// Kolmogorov's distance, the greatest difference of the distribution functions.
    pub distance: f64,
    /// How likely a distance as great is under the law with estimated parameters.
    pub p: PValue,
    /// The law as scenarios write it, up to the longest length.
    pub law: LengthLaw,
}

/// A p value, or a bound of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PValue {
    /// By parametric bootstrap.
    About(f64),
    /// Below this whatever the law.
    Below(f64),
}

impl PValue {
    /// Whether the law is not refused at that level.
    pub fn passes(self, level: f64) -> bool {
        matches!(self, Self::About(p) if p >= level)
    }
}

/// Lengths with what a likelihood needs of them.
struct Data<'a> {
    lengths: &'a Lengths,
    /// The limit at which lengths were cut off.
    limit: Option<u64>,
}

impl Data<'_> {
    /// P(X > x) of the family at unbounded parameters, for x half way between lengths.
    fn survival(&self, family: Family, at: &[f64], x: f64) -> f64 {
        let one = |k: usize| at[k].exp();
        match family {
            Family::Lognormal => 0.5 * erfc((x.ln() - at[0]) / (one(1) * std::f64::consts::SQRT_2)),
            Family::Gamma => {
                let (mean, cv) = (one(0), one(1));
                let shape = (1.0 / (cv * cv)).clamp(1e-6, 1e9);
                gamma_ur(shape, (x * shape / mean).clamp(1e-300, 1e300))
            }
            Family::Weibull => (-(x / one(0)).powf(one(1))).exp(),
            Family::Exponential => (-x / one(0)).exp(),
            // The mean is 1 + e^θ: at x = k + ½ the first k trials failed.
            Family::Geometric => (one(0) / (1.0 + one(0))).powf((x - 0.5).max(0.0)),
            Family::Pareto => (self.least() / x).min(1.0).powf(one(0)),
            Family::Lomax => (-one(1) * (x / one(0)).ln_1p()).exp(),
            Family::Zipf | Family::Uniform => 1.0,
        }
    }

    /// Where a Pareto law begins.
    fn least(&self) -> f64 {
        self.lengths.shortest() as f64 - 0.5
    }

    fn log_likelihood(&self, family: Family, at: &[f64]) -> f64 {
        let counts = self.lengths.counts();
        match family {
            Family::Uniform => {
                let width = (self.lengths.longest() - self.lengths.shortest() + 1) as f64;
                return -(self.lengths.total() as f64) * width.ln();
            }
            Family::Zipf => {
                let exponent = at[0].exp();
                let logs = counts.iter().map(|&(length, count)| count as f64 * (length as f64).ln()).sum::<f64>();
                let sum = zeta_up_to(exponent, self.lengths.longest());
                return -exponent * logs - self.lengths.total() as f64 * sum.ln();
            }
            _ => {}
        }
        let mass = |length: u64| {
            let above = if self.limit == Some(length) { 0.0 } else { self.survival(family, at, length as f64 + 0.5) };
            let from = if length <= 1 { 1.0 } else { self.survival(family, at, length as f64 - 0.5) };
            (from - above).max(1e-300)
        };
        counts.iter().map(|&(length, count)| count as f64 * mass(length).ln()).sum()
    }

    /// Where the search begins: moments.
    fn start(&self, family: Family) -> Vec<f64> {
        let (mean, cv) = (self.lengths.mean(), self.lengths.cv().clamp(0.02, 20.0));
        let spread = (cv * cv).ln_1p();
        match family {
            Family::Lognormal => {
                let log_mean = self.lengths.mean_of(f64::ln);
                let log_spread = self.lengths.mean_of(|x| (x.ln() - log_mean).powi(2)).max(1e-4);
                vec![log_mean, 0.5 * log_spread.ln()]
            }
            Family::Gamma => vec![mean.ln(), cv.ln()],
            // Shape about cv^−1.086 (Justus et al. 1978).
            Family::Weibull => vec![mean.ln(), -1.086 * cv.ln()],
            Family::Exponential => vec![mean.ln()],
            Family::Geometric => vec![(mean - 1.0).max(1e-6).ln()],
            Family::Pareto => vec![-self.lengths.mean_of(|x| (x / self.least()).ln()).max(1e-3).ln()],
            Family::Lomax => vec![mean.ln() + spread, 1.0],
            Family::Zipf => vec![0.0],
            Family::Uniform => Vec::new(),
        }
    }

    /// Parameters as scenarios have them.
    fn values(&self, family: Family, at: &[f64]) -> Vec<f64> {
        let one = |k: usize| at[k].exp();
        match family {
            Family::Lognormal => {
                let variance = one(1).powi(2);
                vec![(at[0] + 0.5 * variance).exp(), variance.exp_m1().sqrt()]
            }
            Family::Gamma | Family::Lomax => vec![one(0), one(1)],
            Family::Weibull => vec![one(0) * gamma(1.0 + 1.0 / one(1)), one(1)],
            Family::Exponential | Family::Zipf => vec![one(0)],
            Family::Geometric => vec![1.0 + one(0)],
            Family::Pareto => vec![self.least(), one(0)],
            Family::Uniform => vec![self.lengths.shortest() as f64, self.lengths.longest() as f64],
        }
    }

    /// Kolmogorov's distance of the lengths from the law with this distribution function at whole numbers.
    fn distance(&self, below: &dyn Fn(u64) -> f64) -> f64 {
        let (mut found, mut share, mut most) = (0, 0.0, 0.0_f64);
        for &(length, count) in self.lengths.counts() {
            // Between two lengths that come the law rises most just before the second.
            most = most.max((below(length - 1) - share).abs());
            found += count;
            share = found as f64 / self.lengths.total() as f64;
            most = most.max((below(length) - share).abs());
        }
        most
    }

    fn fit(&self, family: Family, start: &[f64]) -> Option<(Vec<f64>, f64)> {
        if family.free() == 0 {
            return Some((Vec::new(), self.log_likelihood(family, &[])));
        }
        maximise(&|at| self.log_likelihood(family, at), start, 0.3)
    }

    fn distance_of(&self, family: Family, at: &[f64]) -> f64 {
        let limit = self.limit;
        match family {
            Family::Uniform | Family::Zipf => {
                let table = law(family, &self.values(family, at), self.lengths.longest()).table();
                let mut sums: Vec<f64> = table;
                for k in 1..sums.len() {
                    sums[k] += sums[k - 1];
                }
                self.distance(&|k| sums.get(k as usize).copied().unwrap_or(1.0))
            }
            _ => self.distance(&|k| match k {
                0 => 0.0,
                k if limit == Some(k) => 1.0,
                k => 1.0 - self.survival(family, at, k as f64 + 0.5),
            }),
        }
    }
}

/// The fits of all families that the lengths allow, best (by Schwarz's criterion) first; none of lengths that are all the same.
pub fn fit_lengths(lengths: &Lengths, seed: u64) -> Vec<LengthFit> {
    if lengths.counts().len() < 2 {
        return Vec::new();
    }
    let data = Data { lengths, limit: lengths.censored().map(|_| lengths.longest()) };
    let mut fits: Vec<LengthFit> = Family::ALL.into_iter().filter_map(|family| fit_one(&data, family, seed)).collect();
    fits.sort_by(|a, b| a.bic.total_cmp(&b.bic));
    fits
}

fn fit_one(data: &Data<'_>, family: Family, seed: u64) -> Option<LengthFit> {
    let (at, log_likelihood) = data.fit(family, &data.start(family))?;
    let values = data.values(family, &at);
    let law = law(family, &values, data.lengths.longest());
    law.validate().ok()?;
    let spread = covariance(&|at| data.log_likelihood(family, at), &at);
    let errors = spread
        .filter(|_| family.free() > 0)
        .map_or_else(|| vec![f64::NAN; values.len()], |spread| errors(&|at| data.values(family, at), &at, &spread));
    let (n, k) = (data.lengths.total() as f64, values.len() as f64);
    let distance = data.distance_of(family, &at);
    let p = if distance * n.sqrt() > FAR {
        PValue::Below(0.001)
    } else {
        bootstrap(data, family, &at, &law, distance, seed)
    };
    Some(LengthFit {
        family,
        values,
        errors,
        log_likelihood,
        aic: 2.0 * k - 2.0 * log_likelihood,
        bic: k * n.ln() - 2.0 * log_likelihood,
        distance,
        p,
        law,
    })
}

/// The share of samples of the fitted law that are as far from their own fit, distances times the root of the sample's size. Samples have
/// at most [`SAMPLE`] lengths, since the law of that product hardly depends on it.
fn bootstrap(data: &Data<'_>, family: Family, at: &[f64], law: &LengthLaw, distance: f64, seed: u64) -> PValue {
    let (n, size) = (data.lengths.total() as f64, data.lengths.total().min(SAMPLE));
    // A sample of an uncut law goes on beyond the longest length that was seen.
    let law = if data.limit.is_some() { law.clone() } else { unlimited(law) };
    let farther = (0..SAMPLES).into_par_iter().filter(|sample| {
        let mut rng = stream(seed, &format!("{} {sample}", family.name()));
        let lengths: Lengths = (0..size).map(|_| law.sample(&mut rng)).collect();
        if lengths.counts().len() < 2 {
            return false;
        }
        let again = Data { lengths: &lengths, limit: data.limit };
        let Some((own, _)) = again.fit(family, at) else { return false };
        again.distance_of(family, &own) * (size as f64).sqrt() >= distance * n.sqrt()
    });
    PValue::About((farther.count() as f64 + 1.0) / (SAMPLES as f64 + 1.0))
}

fn unlimited(law: &LengthLaw) -> LengthLaw {
    let mut law = law.clone();
    if let LengthLaw::Lognormal { max, .. }
    | LengthLaw::Gamma { max, .. }
    | LengthLaw::Weibull { max, .. }
    | LengthLaw::Pareto { max, .. }
    | LengthLaw::Lomax { max, .. } = &mut law
    {
        *max = u64::MAX / 4;
    }
    law
}

/// The law of a scenario, its lengths at most `max`.
fn law(family: Family, values: &[f64], max: u64) -> LengthLaw {
    match family {
        Family::Lognormal => LengthLaw::Lognormal { mean: values[0], cv: values[1], max },
        Family::Gamma => LengthLaw::Gamma { mean: values[0], cv: values[1], max },
        Family::Weibull => LengthLaw::Weibull { mean: values[0], shape: values[1], max },
        Family::Exponential => LengthLaw::Gamma { mean: values[0], cv: 1.0, max },
        Family::Geometric => LengthLaw::Geometric { mean: values[0] },
        Family::Pareto => LengthLaw::Pareto { scale: values[0], shape: values[1], max },
        Family::Lomax => LengthLaw::Lomax { scale: values[0], shape: values[1], max },
        Family::Zipf => LengthLaw::Zipf { exponent: values[0], max },
        Family::Uniform => LengthLaw::Uniform { min: values[0] as u64, max: values[1] as u64 },
    }
}

/// Σ k^−s for k from 1 to n: the first terms, then Euler and Maclaurin.
fn zeta_up_to(s: f64, n: u64) -> f64 {
    let head = n.min(1000);
    let sum: f64 = (1..=head).rev().map(|k| (k as f64).powf(-s)).sum();
    if head == n {
        return sum;
    }
    let (a, b) = (head as f64, n as f64);
    let integral = if (s - 1.0).abs() < 1e-9 { (b / a).ln() } else { (b.powf(1.0 - s) - a.powf(1.0 - s)) / (1.0 - s) };
    sum + integral + 0.5 * (b.powf(-s) - a.powf(-s)) + s / 12.0 * (a.powf(-s - 1.0) - b.powf(-s - 1.0))
}

#[cfg(test)]
mod tests;
