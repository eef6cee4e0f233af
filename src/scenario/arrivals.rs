//! When requests arrive: renewal processes named by their interarrival law, and processes that remember more.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Exp1, Gamma};
use serde::{Deserialize, Serialize};
use statrs::function::gamma::gamma;

use super::error::{ScenarioError, require_at_most, require_non_negative, require_positive};

/// Most states of a modulated process.
const MOST_STATES: usize = 100;
/// Largest mean batch.
const LARGEST_BATCH: f64 = 1e6;

/// The law of the times between arrivals, at a rate that the workload gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "law", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ArrivalLaw {
    /// Exponential interarrival times (cv 1).
    Poisson {},
    /// Equal interarrival times (cv 0); the first arrival comes after one of them.
    Deterministic {},
    /// Gamma interarrival times with the given coefficient of variation.
    Gamma {
        /// Coefficient of variation of one interarrival time.
        cv: f64,
    },
    /// Weibull interarrival times, P(X > x) = exp(−(x/b)^shape).
    Weibull {
        /// Shape: 1 is exponential, below 1 arrivals are bursty.
        shape: f64,
    },
    /// A Poisson process whose rate is that of a state, which changes at random (MMPP). All classes share the state.
    Mmpp {
        /// The states; one that is left goes to any other with the same probability.
        states: Vec<ArrivalState>,
    },
    /// Batches at the times of a Poisson process (compound Poisson). Each request of a batch has a class of its own.
    Batch {
        /// Mean requests of a batch.
        mean: f64,
        /// How the size of a batch varies.
        #[serde(default)]
        sizes: BatchSizes,
    },
}

/// One state of a modulated process.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArrivalState {
    /// Relative rate; only the ratios count, since the mean rate is the workload's.
    pub factor: f64,
    /// Mean seconds of a stay, which is exponential, on a clock that runs with the shape of the rate.
    pub stay_s: f64,
}

/// How the sizes of batches vary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchSizes {
    /// P(k) = p (1 − p)^(k−1), p = 1/mean.
    #[default]
    Geometric,
    /// Always the mean, a whole number.
    Constant,
}

impl Default for ArrivalLaw {
    fn default() -> Self {
        Self::Poisson {}
    }
}

impl ArrivalLaw {
    /// The limit of the index of dispersion of counts, Var N(t)/E\[N(t)\] for large t, at `rate_per_s` arrivals per second: of a renewal
    /// process the squared coefficient of variation of the interarrival time. With π the share of time in a state, λπ the rate there and s
    /// its mean stay, of n states: 1 + 2Σπ(λ_i − λ)²s·((n − 1)/n)/λ (two states: Heffes and Lucantoni 1986). Of batches E\[B²\]/E\[B\].
    pub fn dispersion_limit(&self, rate_per_s: f64) -> f64 {
        match self {
            Self::Poisson {} => 1.0,
            Self::Deterministic {} => 0.0,
            Self::Gamma { cv } => cv * cv,
            Self::Weibull { shape } => gamma(1.0 + 2.0 / shape) / gamma(1.0 + 1.0 / shape).powi(2) - 1.0,
            Self::Mmpp { states } => 1.0 + rate_per_s * modulation(states, 0.0),
            Self::Batch { mean, sizes: BatchSizes::Geometric } => 2.0 * mean - 1.0,
            Self::Batch { mean, sizes: BatchSizes::Constant } => *mean,
        }
    }

    /// Σπ(λ_i − λ)²/λ² of a modulated process, by which an arrival is likelier to see others soon after it; 0 of other laws.
    pub fn short_excess(&self) -> f64 {
        let Self::Mmpp { states } = self else { return 0.0 };
        let (mean, total) = (mean_factor(states), states.iter().map(|state| state.stay_s).sum::<f64>());
        states.iter().map(|state| state.stay_s / total * (state.factor / mean - 1.0).powi(2)).sum()
    }

    /// Whether the classes of a workload draw from one process of arrivals, because what it remembers is common to them. Renewal
    /// processes are each class's own.
    pub fn is_common(&self) -> bool {
        matches!(self, Self::Mmpp { .. } | Self::Batch { .. })
    }

    /// # Errors
    /// A parameter outside the domain in which the law can be drawn.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        match self {
            Self::Poisson {} | Self::Deterministic {} => Ok(()),
            Self::Gamma { cv } if (1e-3..=1e2).contains(cv) => Ok(()),
            Self::Gamma { cv } => Err(ScenarioError::at(
                "cv",
                format!("must be from 0.001 to 100, got `{cv}`"),
                "choose the law `deterministic` for cv 0, `poisson` for cv 1",
            )),
            Self::Weibull { shape } if (0.1..=100.0).contains(shape) => Ok(()),
            Self::Weibull { shape } => {
                let remedy = "below 1 arrivals are bursty, 1 is `poisson`, above they are regular";
                Err(ScenarioError::at("shape", format!("must be from 0.1 to 100, got `{shape}`"), remedy))
            }
            Self::Mmpp { states } => validate_states(states),
            Self::Batch { mean, sizes } => {
                let whole = *sizes == BatchSizes::Geometric || mean.fract() == 0.0;
                if (1.0..=LARGEST_BATCH).contains(mean) && whole {
                    return Ok(());
                }
                let remedy = "give from 1 to 1000000 requests, a whole number where sizes are `constant`";
                Err(ScenarioError::at("mean", format!("is `{mean}`"), remedy))
            }
        }
    }
}

fn validate_states(states: &[ArrivalState]) -> Result<(), ScenarioError> {
    if !(2..=MOST_STATES).contains(&states.len()) {
        let problem = format!("are `{}`", states.len());
        return Err(ScenarioError::at("states", problem, "give from 2 to 100 states"));
    }
    for (index, state) in states.iter().enumerate() {
        let check = || {
            require_non_negative("factor", state.factor)?;
            require_at_most("factor", state.factor, 1e9)?;
            require_positive("stay_s", state.stay_s)?;
            require_at_most("stay_s", state.stay_s, 1e9)
        };
        check().map_err(|error| error.under(&format!("states[{index}]")))?;
    }
    if states.iter().all(|state| state.factor == 0.0) {
        return Err(ScenarioError::at("states", "have no arrivals", "give one of them a factor above 0"));
    }
    Ok(())
}

/// The mean factor over time: a state's share of time is its stay's.
fn mean_factor(states: &[ArrivalState]) -> f64 {
    let total: f64 = states.iter().map(|state| state.stay_s).sum();
    states.iter().map(|state| state.factor * state.stay_s).sum::<f64>() / total
}

/// What the modulation adds to the index of dispersion of counts for each arrival per second, seconds: 2ĉ(`decay_per_s`), where c(u) is
/// the covariance of the rate over time u in units of its squared mean and ĉ its transform. The index around the time
/// 2/`decay_per_s` is one plus that times the rate; at 0 it is the limit.
pub fn modulation(states: &[ArrivalState], decay_per_s: f64) -> f64 {
    let n = states.len() as f64;
    let (mean, total) = (mean_factor(states), states.iter().map(|state| state.stay_s).sum::<f64>());
    // (sI − Q)x = f, where f is the deviation of the rate and Q leaves a state for all others alike: each equation holds one x and Σx.
    let parts = states.iter().map(|state| {
        let (deviation, back) = (state.factor / mean - 1.0, 1.0 / (state.stay_s * (n - 1.0)));
        (state.stay_s / total, deviation, back, decay_per_s + back * n)
    });
    let parts: Vec<_> = parts.collect();
    let left: f64 = 1.0 - parts.iter().map(|(_, _, back, own)| back / own).sum::<f64>();
    let forced: f64 = parts.iter().map(|(_, deviation, _, own)| deviation / own).sum();
    // Without decay the equations leave Σx open, and the share-weighted sum does not depend on it.
    let sum = if decay_per_s > 0.0 && left > 1e-12 { forced / left } else { 0.0 };
    2.0 * parts.iter().map(|(share, f, back, own)| share * f * (f + back * sum) / own).sum::<f64>()
}

/// The successive times between arrivals of one process.
#[derive(Debug, Clone)]
pub struct Intervals {
    law: ArrivalLaw,
    /// Mean time between arrivals, seconds.
    gap_s: f64,
    /// The scale of a Weibull law of mean 1, or one over the mean factor of the states.
    scale: f64,
    /// The state of a modulated process; none before its first interval.
    state: Option<usize>,
    /// Seconds that it stays there.
    stay_s: f64,
    /// Requests of the batch still to come.
    batch: u64,
}

impl Intervals {
    /// The process of a validated law with mean `gap_s` seconds between arrivals. A modulated one begins in a state drawn by its share
    /// of time.
    pub fn new(law: ArrivalLaw, gap_s: f64) -> Self {
        let scale = match &law {
            ArrivalLaw::Weibull { shape } => 1.0 / gamma(1.0 + 1.0 / shape),
            ArrivalLaw::Mmpp { states } => 1.0 / mean_factor(states),
            _ => 1.0,
        };
        Self { law, gap_s, scale, state: None, stay_s: 0.0, batch: 0 }
    }

    /// The next time between arrivals, seconds.
    #[inline]
    pub fn next_s(&mut self, rng: &mut impl Rng) -> f64 {
        match &self.law {
            ArrivalLaw::Poisson {} => {
                let unit: f64 = Exp1.sample(rng);
                unit * self.gap_s
            }
            ArrivalLaw::Deterministic {} => self.gap_s,
            ArrivalLaw::Gamma { cv } => {
                let shape = 1.0 / (cv * cv);
                Gamma::new(shape, 1.0 / shape).map_or(1.0, |law| law.sample(rng)) * self.gap_s
            }
            ArrivalLaw::Weibull { shape } => {
                let unit: f64 = Exp1.sample(rng);
                self.scale * unit.powf(1.0 / shape) * self.gap_s
            }
            ArrivalLaw::Mmpp { .. } => self.next_modulated(rng),
            ArrivalLaw::Batch { .. } => self.next_of_batch(rng),
        }
    }

    fn next_modulated(&mut self, rng: &mut impl Rng) -> f64 {
        let ArrivalLaw::Mmpp { states } = &self.law else { return self.gap_s };
        let mut passed_s = 0.0;
        loop {
            let here = self.state.unwrap_or_else(|| {
                let first = state_by_share(states, rng);
                self.stay_s = exponential(rng) * states[first].stay_s;
                first
            });
            self.state = Some(here);
            let rate = states[here].factor * self.scale / self.gap_s;
            let arrival_s = if rate > 0.0 { exponential(rng) / rate } else { f64::INFINITY };
            if arrival_s < self.stay_s {
                self.stay_s -= arrival_s;
                return passed_s + arrival_s;
            }
            passed_s += self.stay_s;
            let other = rng.random_range(0..states.len() - 1);
            let next = other + usize::from(other >= here);
            self.state = Some(next);
            self.stay_s = exponential(rng) * states[next].stay_s;
        }
    }

    fn next_of_batch(&mut self, rng: &mut impl Rng) -> f64 {
        let ArrivalLaw::Batch { mean, sizes } = self.law else { return self.gap_s };
        if self.batch > 0 {
            self.batch -= 1;
            return 0.0;
        }
        let more = match sizes {
            BatchSizes::Constant => mean as u64 - 1,
            BatchSizes::Geometric if mean <= 1.0 => 0,
            BatchSizes::Geometric => ((1.0 - rng.random::<f64>()).ln() / (-1.0 / mean).ln_1p()) as u64,
        };
        self.batch = more;
        exponential(rng) * self.gap_s * mean
    }
}

fn exponential(rng: &mut impl Rng) -> f64 {
    Exp1.sample(rng)
}

fn state_by_share(states: &[ArrivalState], rng: &mut impl Rng) -> usize {
    let mut rest = rng.random::<f64>() * states.iter().map(|state| state.stay_s).sum::<f64>();
    for (index, state) in states.iter().enumerate() {
        rest -= state.stay_s;
        if rest < 0.0 {
            return index;
        }
    }
    states.len() - 1
}

#[cfg(test)]
mod tests;
