//! Laws of arrivals by maximum likelihood from the times between them.
//!
//! Gaps that the clock of the trace shows as zero lie between 0 and half its smallest positive gap, and count with that probability in every
//! law. A modulated Poisson process of two states has the likelihood of the whole sequence, by the forward recursion α ← α e^{D₀g} D₁
//! with D₀ = Q − Λ, D₁ = Λ (Rydén 1994, Commun. Stat. Stochastic Models 10:795–829); all others take gaps to be independent.

use nalgebra::DMatrix;
use statrs::function::gamma::{gamma, gamma_lr, ln_gamma};

use super::counts::Dispersion;
use super::curve::through;
use super::maximum::{covariance, errors, maximise};
use crate::queueing::fit::mmpp2_through;
use crate::scenario::{ArrivalLaw, ArrivalState, BatchSizes};

/// Most gaps of the likelihood of a modulated process.
pub(super) const SEQUENCE: usize = 50_000;

/// One law with its estimates.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrivalFit {
    /// The law; a modulated one has its rates per second as factors.
    pub law: ArrivalLaw,
    /// Whether it goes through the curve of dispersion in place of the greatest likelihood.
    pub by_dispersion: bool,
    /// Arrivals per second under it.
    pub rate_per_s: f64,
    /// Names, values and standard errors of its parameters beside the rate.
    pub parameters: Vec<(&'static str, f64, f64)>,
    /// ln L of the gaps of [`ArrivalFits::gaps`].
    pub log_likelihood: f64,
    /// 2k − 2 ln L.
    pub aic: f64,
    /// k ln n − 2 ln L; the least is best.
    pub bic: f64,
    /// Kolmogorov's distance from the gaps, of laws of independent gaps.
    pub distance: Option<f64>,
}

/// The laws that were fitted, and on what.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrivalFits {
    /// Best (by Schwarz's criterion) first.
    pub fits: Vec<ArrivalFit>,
    /// Gaps that were used, from the first on.
    pub gaps: usize,
    /// Of these, gaps of zero.
    pub zeros: usize,
    /// Correlation of successive gaps; 0 where they are independent.
    pub autocorrelation: f64,
}

/// Times between arrivals with the sums that likelihoods need.
struct Gaps<'a> {
    all: &'a [f64],
    /// Positive ones, ascending.
    sorted: Vec<f64>,
    zeros: f64,
    /// Zero gaps lie below this.
    tick_s: f64,
    sum: f64,
    logs: f64,
}

impl<'a> Gaps<'a> {
    fn of(all: &'a [f64]) -> Self {
        let mut sorted: Vec<f64> = all.iter().copied().filter(|gap| *gap > 0.0).collect();
        sorted.sort_by(f64::total_cmp);
        Self {
            all,
            zeros: (all.len() - sorted.len()) as f64,
            tick_s: sorted.first().map_or(0.0, |least| 0.5 * least),
            sum: sorted.iter().sum(),
            logs: sorted.iter().map(|gap| gap.ln()).sum(),
            sorted,
        }
    }

    fn mean(&self) -> f64 {
        self.sum / self.all.len() as f64
    }

    fn squared_cv(&self) -> f64 {
        let mean = self.mean();
        self.all.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / self.all.len() as f64 / (mean * mean)
    }

    /// ln of the probability of all zero gaps, each of which has `below`.
    fn of_zeros(&self, below: f64) -> f64 {
        if self.zeros == 0.0 { 0.0 } else { self.zeros * below.max(1e-300).ln() }
    }

    fn gamma(&self, at: &[f64]) -> f64 {
        let (mean, shape) = (at[0].exp(), (-2.0 * at[1]).exp().clamp(1e-8, 1e8));
        let (n, rate) = (self.sorted.len() as f64, shape / mean);
        n * (shape * rate.ln() - ln_gamma(shape)) + (shape - 1.0) * self.logs - rate * self.sum
            + self.of_zeros(gamma_lr(shape, (rate * self.tick_s).max(1e-300)))
    }

    fn weibull(&self, at: &[f64]) -> f64 {
        let shape = at[1].exp();
        let scale = at[0].exp() / gamma(1.0 + 1.0 / shape);
        let powers: f64 = self.sorted.iter().map(|gap| (gap / scale).powf(shape)).sum();
        self.sorted.len() as f64 * (shape.ln() - shape * scale.ln()) + (shape - 1.0) * self.logs - powers
            + self.of_zeros(-(-(self.tick_s / scale).powf(shape)).exp_m1())
    }

    /// Batches of mean size m at Poisson times: a gap is zero with 1 − 1/m.
    fn batch(&self, at: &[f64]) -> f64 {
        let (mean, size) = (at[0].exp(), 1.0 + at[1].exp());
        let rate = 1.0 / (mean * size);
        self.sorted.len() as f64 * (rate / size).ln() - rate * self.sum
            + self.of_zeros(1.0 - 1.0 / size - (-rate * self.tick_s).exp_m1() / size)
    }

    /// Two states: ln of the rates and of the mean stays.
    fn mmpp(&self, at: &[f64]) -> f64 {
        let [rate_a, rate_b, stay_a, stay_b] = [at[0].exp(), at[1].exp(), at[2].exp(), at[3].exp()];
        let (leave_a, leave_b) = (1.0 / stay_a, 1.0 / stay_b);
        let (out_a, out_b) = (-(leave_a + rate_a), -(leave_b + rate_b));
        let middle = 0.5 * (out_a + out_b);
        let root = (0.25 * (out_a - out_b).powi(2) + leave_a * leave_b).sqrt();
        // At an arrival the states have the shares πλ/Σπλ.
        let weight = (stay_a * rate_a, stay_b * rate_b);
        let mut state = (weight.0 / (weight.0 + weight.1), weight.1 / (weight.0 + weight.1));
        let mut sum = 0.0;
        for &gap in &self.all[..self.all.len().min(SEQUENCE)] {
            let (t, factor) = if gap > 0.0 { (gap, 1.0) } else { (0.0, self.tick_s) };
            let (slow, fast) = (((middle + root) * t).exp(), ((middle - root) * t).exp());
            let (even, odd) = (0.5 * (slow + fast), 0.5 * (slow - fast) / root);
            let next_a = state.0 * (even + odd * (out_a - middle)) + state.1 * odd * leave_b;
            let next_b = state.1 * (even + odd * (out_b - middle)) + state.0 * odd * leave_a;
            let (next_a, next_b) = (next_a * rate_a * factor, next_b * rate_b * factor);
            let total = next_a + next_b;
            sum += total.ln();
            state = (next_a / total, next_b / total);
        }
        sum
    }

    fn distance(&self, below: &dyn Fn(f64) -> f64) -> f64 {
        let n = self.all.len() as f64;
        let mut most = if self.zeros > 0.0 { (self.zeros / n - below(self.tick_s)).abs() } else { 0.0 };
        for (place, &gap) in self.sorted.iter().enumerate() {
            let (before, after) = ((self.zeros + place as f64) / n, (self.zeros + place as f64 + 1.0) / n);
            let value = below(gap);
            most = most.max((value - before).abs()).max((value - after).abs());
        }
        most
    }
}

/// Fits to successive gaps in seconds; none of fewer than ten positive ones. Where a modulated process needs more gaps than
/// its likelihood takes, all laws are compared on those that it takes.
pub fn fit_arrivals(gaps: &[f64], curve: &[Dispersion]) -> Option<ArrivalFits> {
    let used = &gaps[..gaps.len().min(SEQUENCE)];
    let gaps = Gaps::of(used);
    if gaps.sorted.len() < 10 {
        return None;
    }
    let mut fits: Vec<ArrivalFit> = [
        poisson(&gaps),
        gamma_fit(&gaps),
        weibull_fit(&gaps),
        batch_fit(&gaps),
        mmpp_fit(&gaps, curve),
        curve_fit(&gaps, curve),
    ]
    .into_iter()
    .flatten()
    .filter(|fit| fit.law.validate().is_ok())
    .collect();
    fits.sort_by(|a, b| a.bic.total_cmp(&b.bic));
    let mean = gaps.mean();
    let squares: f64 = used.iter().map(|gap| (gap - mean).powi(2)).sum();
    let products: f64 = used.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
    Some(ArrivalFits { fits, gaps: used.len(), zeros: gaps.zeros as usize, autocorrelation: products / squares })
}

/// A fit with its criteria.
fn judged(gaps: &Gaps<'_>, law: ArrivalLaw, rate_per_s: f64, count: f64, log_likelihood: f64) -> ArrivalFit {
    let n = gaps.all.len() as f64;
    ArrivalFit {
        law,
        by_dispersion: false,
        rate_per_s,
        parameters: Vec::new(),
        log_likelihood,
        aic: 2.0 * count - 2.0 * log_likelihood,
        bic: count * n.ln() - 2.0 * log_likelihood,
        distance: None,
    }
}

fn poisson(gaps: &Gaps<'_>) -> Option<ArrivalFit> {
    let value = |at: &[f64]| gaps.gamma(&[at[0], 0.0]);
    let (at, reached) = maximise(&value, &[gaps.mean().ln()], 0.2)?;
    let mean = at[0].exp();
    let mut fit = judged(gaps, ArrivalLaw::Poisson {}, 1.0 / mean, 1.0, reached);
    fit.distance = Some(gaps.distance(&|x| -(-x / mean).exp_m1()));
    Some(fit)
}

/// The maximum over ln mean and a second unbounded parameter, whose value in the law is `second`, with its standard error.
fn two(value: &dyn Fn(&[f64]) -> f64, start: [f64; 2], second: &dyn Fn(f64) -> f64) -> Option<(f64, f64, f64, f64)> {
    let (at, reached) = maximise(value, &start, 0.2)?;
    let error = covariance(value, &at).map_or(f64::NAN, |spread| errors(&|at| vec![second(at[1])], &at, &spread)[0]);
    Some((at[0].exp(), second(at[1]), error, reached))
}

fn gamma_fit(gaps: &Gaps<'_>) -> Option<ArrivalFit> {
    let start = [gaps.mean().ln(), 0.5 * gaps.squared_cv().max(1e-4).ln()];
    let (mean, cv, error, reached) = two(&|at| gaps.gamma(at), start, &f64::exp)?;
    let mut fit = judged(gaps, ArrivalLaw::Gamma { cv }, 1.0 / mean, 2.0, reached);
    fit.parameters = vec![("cv", cv, error)];
    let shape = 1.0 / (cv * cv);
    fit.distance = Some(gaps.distance(&|x| gamma_lr(shape, (x * shape / mean).max(1e-300))));
    Some(fit)
}

fn weibull_fit(gaps: &Gaps<'_>) -> Option<ArrivalFit> {
    let start = [gaps.mean().ln(), (-0.5 * gaps.squared_cv().max(1e-4).ln()).clamp(-1.5, 1.5)];
    let (mean, shape, error, reached) = two(&|at| gaps.weibull(at), start, &f64::exp)?;
    let mut fit = judged(gaps, ArrivalLaw::Weibull { shape }, 1.0 / mean, 2.0, reached);
    fit.parameters = vec![("shape", shape, error)];
    let scale = mean / gamma(1.0 + 1.0 / shape);
    fit.distance = Some(gaps.distance(&|x| -(-(x / scale).powf(shape)).exp_m1()));
    Some(fit)
}

/// Only where gaps of zero say that requests come together.
fn batch_fit(gaps: &Gaps<'_>) -> Option<ArrivalFit> {
    if gaps.zeros == 0.0 {
        return None;
    }
    let start = [gaps.mean().ln(), (gaps.zeros / gaps.sorted.len() as f64).ln()];
    let (per_s, size, error, reached) = two(&|at| gaps.batch(at), start, &|at| 1.0 + at.exp())?;
    let law = ArrivalLaw::Batch { mean: size, sizes: BatchSizes::Geometric };
    let mut fit = judged(gaps, law, 1.0 / per_s, 2.0, reached);
    fit.parameters = vec![("mean", size, error)];
    fit.distance = Some(gaps.distance(&|x| 1.0 - (-x / (per_s * size)).exp() / size));
    Some(fit)
}

/// From two starts: the process with the mean, the variability and the dispersion of the trace, and one that is busy for a tenth of the
/// time.
fn mmpp_fit(gaps: &Gaps<'_>, curve: &[Dispersion]) -> Option<ArrivalFit> {
    let value = |at: &[f64]| gaps.mmpp(at);
    let rate = 1.0 / gaps.mean();
    let plain = [1.5 * rate, 0.7 * rate, 40.0 / rate, 100.0 / rate].map(f64::ln);
    let bursty = [8.0 * rate, 0.2 * rate, 10.0 / rate, 90.0 / rate].map(f64::ln);
    let starts = [Some(plain.to_vec()), Some(bursty.to_vec()), by_moments(gaps, rate, curve)];
    let found = starts.into_iter().flatten().filter_map(|start| maximise(&value, &start, 0.4));
    let (mut at, reached) = found.max_by(|a, b| a.1.total_cmp(&b.1))?;
    if at[0] < at[1] {
        at = vec![at[1], at[0], at[3], at[2]];
    }
    Some(two_states(gaps, &at, reached, covariance(&value, &at)))
}

/// The process through the curve of dispersion.
fn curve_fit(gaps: &Gaps<'_>, curve: &[Dispersion]) -> Option<ArrivalFit> {
    let value = |at: &[f64]| gaps.mmpp(at);
    let at = through(1.0 / gaps.mean(), curve, &value)?;
    Some(ArrivalFit { by_dispersion: true, ..two_states(gaps, &at, value(&at), None) })
}

/// Two states at the logarithms of their rates and stays.
fn two_states(gaps: &Gaps<'_>, at: &[f64], reached: f64, spread: Option<DMatrix<f64>>) -> ArrivalFit {
    let natural = |at: &[f64]| at.iter().map(|x| x.exp()).collect::<Vec<f64>>();
    let values = natural(at);
    let wide = spread.map_or_else(|| vec![f64::NAN; 4], |spread| errors(&natural, at, &spread));
    let states = [0, 1].map(|k| ArrivalState { factor: values[k], stay_s: values[k + 2] }).to_vec();
    let mean = (values[0] * values[2] + values[1] * values[3]) / (values[2] + values[3]);
    let mut fit = judged(gaps, ArrivalLaw::Mmpp { states }, mean, 4.0, reached);
    let names = ["busy rate", "quiet rate", "busy stay", "quiet stay"];
    fit.parameters = names.into_iter().enumerate().map(|(k, name)| (name, values[k], wide[k])).collect();
    fit
}

/// The process through the index of dispersion on the shortest and the longest time scale; none where there is no such.
fn by_moments(gaps: &Gaps<'_>, rate: f64, curve: &[Dispersion]) -> Option<Vec<f64>> {
    let (short, long) = (curve.first()?, curve.last()?);
    let limit = 1.2 * long.index;
    let squared_cv = gaps.squared_cv().clamp(1.001, limit.max(1.002));
    let map = mmpp2_through(rate, squared_cv, limit, short.window_s, short.index).ok()?;
    let (arriving, silent) = (map.arriving(), map.silent());
    let logs = [arriving[(0, 0)], arriving[(1, 1)], 1.0 / silent[(0, 1)], 1.0 / silent[(1, 0)]];
    Some(logs.iter().map(|x| x.max(1e-6).ln()).collect())
}

/// Index of dispersion that a law has in windows of `window_s`: exact of two states and of batches, of renewal laws the limit, which they
/// reach within some gaps.
pub fn predicted_index(fit: &ArrivalFit, window_s: f64) -> f64 {
    let limit = fit.law.dispersion_limit(fit.rate_per_s);
    let ArrivalLaw::Mmpp { states } = &fit.law else { return limit };
    let decay: f64 = states.iter().map(|state| 1.0 / state.stay_s).sum();
    let x = decay * window_s;
    1.0 + (limit - 1.0) * (1.0 + (-x).exp_m1() / x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Intervals;
    use crate::stats::stream::stream;

    fn gaps(law: ArrivalLaw, mean: f64, count: usize) -> Vec<f64> {
        let (mut intervals, mut rng) = (Intervals::new(law, mean), stream(5, "test"));
        (0..count).map(|_| intervals.next_s(&mut rng)).collect()
    }

    fn within(fit: &ArrivalFit, truth: &[f64]) {
        for ((name, value, error), truth) in fit.parameters.iter().zip(truth) {
            // Four asymptotic standard errors: one in 16 000 fails by chance.
            assert!((value - truth).abs() < 4.0 * error && error.is_finite(), "{name}: {value} ± {error} for {truth}");
        }
    }

    /// The law that made the gaps is chosen, and its parameters come back.
    #[test]
    fn laws_come_back() {
        let states = vec![ArrivalState { factor: 10.0, stay_s: 5.0 }, ArrivalState { factor: 2.0, stay_s: 30.0 }];
        let mean = 35.0 / 110.0;
        let cases = [
            (ArrivalLaw::Gamma { cv: 2.0 }, 0.2, vec![2.0]),
            (ArrivalLaw::Weibull { shape: 0.6 }, 0.2, vec![0.6]),
            (ArrivalLaw::Batch { mean: 3.0, sizes: BatchSizes::Geometric }, 0.2, vec![3.0]),
            (ArrivalLaw::Mmpp { states }, mean, vec![10.0, 2.0, 5.0, 30.0]),
        ];
        for (law, mean, truth) in cases {
            let found = fit_arrivals(&gaps(law.clone(), mean, 8000), &[]).unwrap();
            let best = &found.fits[0];
            assert_eq!(std::mem::discriminant(&best.law), std::mem::discriminant(&law), "{:#?}", found.fits);
            within(best, &truth);
        }
        let poisson = fit_arrivals(&gaps(ArrivalLaw::Poisson {}, 0.5, 8000), &[]).unwrap();
        assert_eq!(poisson.fits[0].law, ArrivalLaw::Poisson {});
        assert!((poisson.fits[0].rate_per_s - 2.0).abs() < 4.0 * 2.0 / 8000.0_f64.sqrt());
        assert!(poisson.autocorrelation.abs() < 4.0 / 8000.0_f64.sqrt());
    }

    /// Two states of one rate are a Poisson process.
    #[test]
    fn a_process_of_equal_states_has_the_likelihood_of_poisson() {
        let gaps = gaps(ArrivalLaw::Poisson {}, 0.5, 500);
        let sums = Gaps::of(&gaps);
        let both = sums.mmpp(&[2.0_f64.ln(), 2.0_f64.ln(), 0.3, 1.7]);
        let expected = 500.0 * 2.0_f64.ln() - 2.0 * gaps.iter().sum::<f64>();
        assert!((both - expected).abs() < 1e-8 * expected.abs(), "{both} {expected}");
    }

    #[test]
    fn the_index_of_two_states_is_that_of_the_matrix_process() {
        use crate::queueing::matrix::Map;
        let states = vec![ArrivalState { factor: 10.0, stay_s: 5.0 }, ArrivalState { factor: 2.0, stay_s: 30.0 }];
        let map = Map::mmpp2([0.2, 1.0 / 30.0], [10.0, 2.0]).unwrap();
        let fit = ArrivalFit {
            law: ArrivalLaw::Mmpp { states },
            by_dispersion: false,
            rate_per_s: 110.0 / 35.0,
            parameters: Vec::new(),
            log_likelihood: 0.0,
            aic: 0.0,
            bic: 0.0,
            distance: None,
        };
        for t in [0.5, 10.0, 300.0] {
            assert!((predicted_index(&fit, t) / map.dispersion(t).unwrap() - 1.0).abs() < 1e-9, "{t}");
        }
    }

    #[test]
    fn too_few_gaps_have_no_fit() {
        assert_eq!(fit_arrivals(&[1.0; 9], &[]), None);
        assert_eq!(fit_arrivals(&[0.0; 100], &[]), None);
    }
}
