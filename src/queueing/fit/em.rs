//! Hyper-Erlang laws from data by expectation and maximisation.
//!
//! Branch m has rₘ phases of rate λₘ and weight wₘ. Each step weighs every time by the branch it may come from, qₘ(x) ∝ wₘ f(x; rₘ, λₘ), and
//! sets wₘ = mean qₘ, λₘ = rₘΣqₘ/Σqₘx, which never lowers the likelihood: Thümmler, Buchholz and Telek (2006), IEEE Transactions on
//! Dependable and Secure Computing 3:245–258 (G-FIT). With one phase in each branch it fits a hyperexponential law. An approximation
//! of a law from which only a sample is known, and a local maximum of the likelihood.

use statrs::function::gamma::ln_gamma;

use crate::queueing::error::{QueueError, positive};
use crate::queueing::matrix::PhaseType;

const MOST_STEPS: usize = 2000;
/// Steps end when the mean log-likelihood of a time gains less.
const LEAST_GAIN: f64 = 1e-9;

/// One branch: an Erlang law and its probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Branch {
    /// wₘ.
    pub probability: f64,
    /// rₘ.
    pub phases: u32,
    /// λₘ of each phase, per second.
    pub rate_per_s: f64,
}

/// A fitted hyper-Erlang law.
#[derive(Debug, Clone, PartialEq)]
pub struct HyperErlangFit {
    branches: Vec<Branch>,
    log_likelihoods: Vec<f64>,
    parameters: usize,
    times: usize,
}

impl HyperErlangFit {
    /// The branches of positive weight.
    ///
    /// ```
    /// # use fluidsim::queueing::fit::fit_hyper_erlang;
    /// // One branch of two phases keeps the mean, 2: all the weight, 2/2 per second.
    /// let fit = fit_hyper_erlang(&[0.5, 1.0, 2.5, 4.0], &[2])?;
    /// let branch = fit.branches()[0];
    /// assert!((branch.probability - 1.0).abs() < 1e-14 && (branch.rate_per_s - 1.0).abs() < 1e-14);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn branches(&self) -> &[Branch] {
        &self.branches
    }

    /// The law.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] where rates fall out of the range of numbers.
    ///
    /// ```
    /// # use fluidsim::queueing::fit::fit_hyper_erlang;
    /// // Each step keeps the mean of the times, whatever the branches.
    /// let fit = fit_hyper_erlang(&[0.5, 1.0, 2.5, 4.0], &[2, 1])?;
    /// assert!((fit.law()?.mean_s() - 2.0).abs() < 1e-12);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn law(&self) -> Result<PhaseType, QueueError> {
        let total: f64 = self.branches.iter().map(|branch| branch.probability).sum();
        let parts = self.branches.iter().map(|b| (b.probability / total, b.phases, b.rate_per_s));
        PhaseType::hyper_erlang(&parts.collect::<Vec<_>>())
    }

    /// The log-likelihood before each step, and of the result; it never falls.
    ///
    /// ```
    /// # use fluidsim::queueing::fit::fit_hyper_erlang;
    /// // Expectation and maximisation never lower it.
    /// let fit = fit_hyper_erlang(&[0.1, 0.2, 0.5, 1.0, 5.0, 9.0], &[1, 1])?;
    /// let values = fit.log_likelihoods();
    /// assert!(values.len() > 1 && values.windows(2).all(|pair| pair[1] > pair[0] - 1e-12));
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn log_likelihoods(&self) -> &[f64] {
        &self.log_likelihoods
    }

    /// The log-likelihood of the result.
    ///
    /// ```
    /// # use fluidsim::queueing::fit::fit_hyper_erlang;
    /// // Two phases of rate 1 have the density xe⁻ˣ: ln(0.5·1·2.5·4) − 8.
    /// let fit = fit_hyper_erlang(&[0.5, 1.0, 2.5, 4.0], &[2])?;
    /// assert!((fit.log_likelihood() - (5_f64.ln() - 8.0)).abs() < 1e-12);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn log_likelihood(&self) -> f64 {
        self.log_likelihoods.last().copied().unwrap_or(f64::NEG_INFINITY)
    }

    /// Schwarz's criterion, k ln n − 2 ln L with k = 2M − 1 weights and rates; the least is best.
    ///
    /// ```
    /// # use fluidsim::queueing::fit::fit_hyper_erlang;
    /// // One rate, four times of mean 2: ln L = −4(1 + ln 2).
    /// let fit = fit_hyper_erlang(&[0.5, 1.0, 2.5, 4.0], &[1])?;
    /// assert!((fit.bic() - (4_f64.ln() + 8.0 * (1.0 + 2_f64.ln()))).abs() < 1e-12);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn bic(&self) -> f64 {
        self.parameters as f64 * (self.times as f64).ln() - 2.0 * self.log_likelihood()
    }
}

/// Fits branches with the given numbers of phases to times in seconds.
///
/// # Errors
/// [`QueueError::Parameter`] for no branches, a branch of no phases, a time that is not positive and finite, or fewer times than two for
/// each branch.
///
/// ```
/// use fluidsim::queueing::fit::fit_hyper_erlang;
/// // One branch is in closed form: the mean is kept, and ln L = n(ln λ − 1) for one phase.
/// let fit = fit_hyper_erlang(&[0.5, 1.0, 2.5, 4.0], &[1])?;
/// assert!((fit.branches()[0].rate_per_s - 0.5).abs() < 1e-14);
/// assert!((fit.log_likelihood() + 4.0 * (1.0 + 2.0_f64.ln())).abs() < 1e-12);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
pub fn fit_hyper_erlang(times_s: &[f64], phases: &[u32]) -> Result<HyperErlangFit, QueueError> {
    let sorted = checked(times_s, phases.len())?;
    for &count in phases {
        positive("phases", f64::from(count))?;
    }
    positive("branches", phases.len() as f64)?;
    Ok(maximise(&sorted, phases))
}

/// The best by Schwarz's criterion of all hyper-Erlang laws with at most `most_phases` phases in at most `most_branches` branches.
///
/// # Errors
/// [`QueueError::Parameter`] as for [`fit_hyper_erlang`], or for more than 20 phases.
///
/// ```
/// use fluidsim::queueing::{Law, fit::fit_hyper_erlang_order};
/// // The quantiles of an exponential law ask for one phase.
/// let times: Vec<f64> = (0..500).map(|i| -(1.0 - (f64::from(i) + 0.5) / 500.0).ln()).collect();
/// let fit = fit_hyper_erlang_order(&times, 4, 2)?;
/// assert_eq!((fit.branches().len(), fit.branches()[0].phases), (1, 1));
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
pub fn fit_hyper_erlang_order(
    times_s: &[f64],
    most_phases: u32,
    most_branches: u32,
) -> Result<HyperErlangFit, QueueError> {
    positive("most_phases", f64::from(most_phases))?;
    positive("most_branches", f64::from(most_branches))?;
    if most_phases > 20 {
        return Err(QueueError::Parameter { name: "most_phases", value: f64::from(most_phases), must: "at most 20" });
    }
    let sorted = checked(times_s, most_branches.min(most_phases) as usize)?;
    let mut best = maximise(&sorted, &[1]);
    for total in 2..=most_phases {
        for phases in partitions(total, total, most_branches) {
            let fit = maximise(&sorted, &phases);
            if fit.bic() < best.bic() {
                best = fit;
            }
        }
    }
    Ok(best)
}

/// The times in order, if they can be fitted.
fn checked(times_s: &[f64], branches: usize) -> Result<Vec<f64>, QueueError> {
    for &time in times_s {
        positive("times_s", time)?;
    }
    if times_s.len() < 2 * branches.max(1) {
        let must = "at least two times for each branch";
        return Err(QueueError::Parameter { name: "times_s", value: times_s.len() as f64, must });
    }
    let mut sorted = times_s.to_vec();
    sorted.sort_by(f64::total_cmp);
    Ok(sorted)
}

fn maximise(sorted: &[f64], phases: &[u32]) -> HyperErlangFit {
    let logs: Vec<f64> = sorted.iter().map(|time| time.ln()).collect();
    let mut branches = first_guess(sorted, phases);
    let mut log_likelihoods = Vec::new();
    loop {
        let (likelihood, next) = step(sorted, &logs, &branches);
        let gain = likelihood - log_likelihoods.last().copied().unwrap_or(f64::NEG_INFINITY);
        log_likelihoods.push(likelihood);
        if gain <= LEAST_GAIN * sorted.len() as f64 || log_likelihoods.len() == MOST_STEPS {
            break;
        }
        branches = next;
    }
    // A branch that the data do not ask for fades away.
    branches.retain(|branch| branch.probability > 1e-12);
    HyperErlangFit { branches, log_likelihoods, parameters: 2 * phases.len() - 1, times: sorted.len() }
}

/// Equal parts of the ordered times, one for each branch.
fn first_guess(sorted: &[f64], phases: &[u32]) -> Vec<Branch> {
    let (n, m) = (sorted.len(), phases.len());
    let part = |i: usize| {
        let part = &sorted[i * n / m..(i + 1) * n / m];
        part.iter().sum::<f64>() / part.len() as f64
    };
    let branch = |(i, &phases): (usize, &u32)| Branch {
        probability: 1.0 / m as f64,
        phases,
        rate_per_s: f64::from(phases) / part(i),
    };
    phases.iter().enumerate().map(branch).collect()
}

/// The log-likelihood of these branches, and the next.
fn step(times: &[f64], logs: &[f64], branches: &[Branch]) -> (f64, Vec<Branch>) {
    let constant =
        |b: &Branch| b.probability.ln() + f64::from(b.phases) * b.rate_per_s.ln() - ln_gamma(f64::from(b.phases));
    let constants: Vec<f64> = branches.iter().map(constant).collect();
    let mut weights = vec![0.0; branches.len()];
    let mut sums = weights.clone();
    let mut terms = weights.clone();
    let mut likelihood = 0.0;
    for (time, log) in times.iter().zip(logs) {
        for (term, (branch, constant)) in terms.iter_mut().zip(branches.iter().zip(&constants)) {
            *term = constant + (f64::from(branch.phases) - 1.0) * log - branch.rate_per_s * time;
        }
        let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = terms.iter().map(|term| (term - most).exp()).sum();
        likelihood += most + total.ln();
        for (m, term) in terms.iter().enumerate() {
            let share = (term - most).exp() / total;
            weights[m] += share;
            sums[m] += share * time;
        }
    }
    let next = |(m, branch): (usize, &Branch)| {
        let rate = f64::from(branch.phases) * weights[m] / sums[m];
        let rate_per_s = if rate.is_finite() && rate > 0.0 { rate } else { branch.rate_per_s };
        Branch { probability: weights[m] / times.len() as f64, phases: branch.phases, rate_per_s }
    };
    (likelihood, branches.iter().enumerate().map(next).collect())
}

/// The ways to write `total` as a sum of at most `parts` numbers, none above `most`, greatest first.
fn partitions(total: u32, most: u32, parts: u32) -> Vec<Vec<u32>> {
    if total == 0 {
        return vec![Vec::new()];
    }
    if parts == 0 {
        return Vec::new();
    }
    let mut all = Vec::new();
    for first in (1..=most.min(total)).rev() {
        for mut rest in partitions(total - first, first, parts - 1) {
            rest.insert(0, first);
            all.push(rest);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn sample(law: &PhaseType, count: usize, seed: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..count).map(|_| law.sample(&mut rng)).collect()
    }

    #[test]
    fn likelihood_never_falls_and_the_mean_is_kept() {
        let times = sample(&PhaseType::hyper_erlang(&[(0.4, 2, 5.0), (0.6, 3, 0.7)]).unwrap(), 2000, 41);
        let mean = times.iter().sum::<f64>() / 2000.0;
        for phases in [&[1, 1][..], &[3, 2], &[4, 2, 1], &[1, 1, 1, 1]] {
            let fit = fit_hyper_erlang(&times, phases).unwrap();
            assert!(fit.log_likelihoods().len() > 3);
            for pair in fit.log_likelihoods().windows(2) {
                assert!(pair[1] >= pair[0] - 1e-9 * pair[0].abs(), "{pair:?}");
            }
            assert_relative_eq!(fit.law().unwrap().mean_s(), mean, max_relative = 1e-9);
            let direct: f64 = times.iter().map(|t| fit.law().unwrap().density(*t).ln()).sum();
            assert_relative_eq!(direct, fit.log_likelihood(), max_relative = 1e-6);
        }
    }

    #[test]
    fn parameters_come_back() {
        let truth = [(0.3, 1, 8.0), (0.7, 4, 1.0)];
        let times = sample(&PhaseType::hyper_erlang(&truth).unwrap(), 20_000, 42);
        let fit = fit_hyper_erlang(&times, &[1, 4]).unwrap();
        for (found, (probability, _, rate)) in fit.branches().iter().zip(truth) {
            // The standard errors are about 1.5 % of the rates and of the weight.
            assert_relative_eq!(found.probability, probability, max_relative = 0.06);
            assert_relative_eq!(found.rate_per_s, rate, max_relative = 0.06);
        }
    }

    #[test]
    fn the_order_is_found() {
        let erlang = fit_hyper_erlang_order(&sample(&PhaseType::erlang(1.0, 3).unwrap(), 3000, 43), 6, 2).unwrap();
        assert_eq!((erlang.branches().len(), erlang.branches()[0].phases), (1, 3));
        let two = PhaseType::hyperexponential(&[(0.5, 0.2), (0.5, 10.0)]).unwrap();
        let mixed = fit_hyper_erlang_order(&sample(&two, 3000, 44), 3, 3).unwrap();
        assert_eq!(mixed.branches().iter().map(|b| b.phases).collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn partitions_are_all() {
        let counts: Vec<usize> = (1..9).map(|n| partitions(n, n, n).len()).collect();
        assert_eq!(counts, [1, 2, 3, 5, 7, 11, 15, 22]);
        assert_eq!(partitions(4, 4, 2), [vec![4], vec![3, 1], vec![2, 2]]);
    }

    #[test]
    fn what_is_no_data_is_an_error() {
        for times in [&[0.0, 1.0][..], &[-1.0, 1.0], &[f64::NAN, 1.0], &[f64::INFINITY, 1.0], &[1.0], &[]] {
            assert!(matches!(fit_hyper_erlang(times, &[1]), Err(QueueError::Parameter { name: "times_s", .. })));
            assert!(fit_hyper_erlang_order(times, 2, 1).is_err());
        }
        assert!(fit_hyper_erlang(&[1.0, 2.0, 3.0], &[1, 1]).is_err() && fit_hyper_erlang(&[1.0, 2.0], &[]).is_err());
        assert!(fit_hyper_erlang(&[1.0, 2.0], &[0]).is_err() && fit_hyper_erlang_order(&[1.0, 2.0], 0, 1).is_err());
        assert!(fit_hyper_erlang_order(&[1.0, 2.0], 21, 1).is_err());
    }
}
