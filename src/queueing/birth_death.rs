//! Stationary law of a birth–death chain.
//!
//! π_{n+1}/π_n = λ_n/μ_{n+1} (Kleinrock 1975, *Queueing Systems* vol. 1, §3.1). The products are summed as logarithms,
//! relative to the largest, so that chains with thousands of states neither overflow nor lose their small
//! probabilities.

use super::error::{QueueError, not_negative, positive};

/// The stationary law on 0, 1, …, N, with π_{N+k} = π_N rᵏ beyond when there is a tail.
#[derive(Debug, Clone, PartialEq)]
pub struct BirthDeath {
    log_probabilities: Vec<f64>,
    tail_ratio: f64,
}

impl BirthDeath {
    /// The law with ln(λ_n/μ_{n+1}) = `log_ratios[n]`, on as many states plus one. `tail_ratio` r continues it for ever
    /// with constant rates; 0 ends it. A ratio of −∞ (no births) ends the chain at that state.
    ///
    /// # Errors
    /// [`QueueError::HeavyTail`] when r ≥ 1; [`QueueError::Parameter`] for a ratio that is +∞ or not a number, or r <
    /// 0.
    ///
    /// ```
    /// # use fluidsim::queueing::BirthDeath;
    /// let chain = BirthDeath::from_log_ratios(&[], 0.8)?;
    /// // A tail alone is M/M/1 at ρ = .8: L = ρ/(1 − ρ).
    /// assert!((chain.mean() - 4.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn from_log_ratios(log_ratios: &[f64], tail_ratio: f64) -> Result<Self, QueueError> {
        not_negative("tail_ratio", tail_ratio)?;
        if tail_ratio >= 1.0 {
            return Err(QueueError::HeavyTail { ratio: tail_ratio });
        }
        let mut log_weights = Vec::with_capacity(log_ratios.len() + 1);
        let mut weight = 0.0;
        log_weights.push(weight);
        for &ratio in log_ratios {
            if ratio.is_nan() || ratio == f64::INFINITY {
                return Err(QueueError::Parameter { name: "log_ratio", value: ratio, must: "a number below infinity" });
            }
            weight += ratio;
            log_weights.push(weight);
        }
        let log_total = log_sum(&log_weights, tail_ratio);
        let log_probabilities = log_weights.into_iter().map(|weight| weight - log_total).collect();
        Ok(Self { log_probabilities, tail_ratio })
    }

    /// The law with birth rates λ_0 … λ_{N−1} and death rates μ_1 … μ_N, per second; `tail_ratio` as above.
    ///
    /// # Errors
    /// As [`BirthDeath::from_log_ratios`]; [`QueueError::Parameter`] also for a negative birth rate, a death rate that
    /// is not positive, or lists of different lengths.
    ///
    /// ```
    /// # use fluidsim::queueing::BirthDeath;
    /// let chain = BirthDeath::from_rates(&[1.0, 1.0], &[2.0, 2.0], 0.0)?;
    /// // Weights 1, ½, ¼.
    /// assert!((chain.probability(0) - 4.0 / 7.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn from_rates(births_per_s: &[f64], deaths_per_s: &[f64], tail_ratio: f64) -> Result<Self, QueueError> {
        if births_per_s.len() != deaths_per_s.len() {
            let must = "as many as birth rates";
            return Err(QueueError::Parameter { name: "deaths_per_s", value: deaths_per_s.len() as f64, must });
        }
        let log_ratios = births_per_s
            .iter()
            .zip(deaths_per_s)
            .map(|(&birth, &death)| Ok(not_negative("birth_per_s", birth)?.ln() - positive("death_per_s", death)?.ln()))
            .collect::<Result<Vec<f64>, QueueError>>()?;
        Self::from_log_ratios(&log_ratios, tail_ratio)
    }

    /// N, the last state before the tail.
    ///
    /// ```
    /// # use fluidsim::queueing::BirthDeath;
    /// let chain = BirthDeath::from_log_ratios(&[], 0.8)?;
    /// // A tail alone begins at 0.
    /// assert_eq!(chain.last_state(), 0);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn last_state(&self) -> usize {
        self.log_probabilities.len() - 1
    }

    /// ln π_n, also where π_n itself underflows; −∞ for a state that is never visited.
    ///
    /// ```
    /// # use fluidsim::queueing::BirthDeath;
    /// let chain = BirthDeath::from_log_ratios(&[], 0.8)?;
    /// // (1 − ρ)ρⁿ at ρ = .8.
    /// assert!((chain.log_probability(2) - 0.128f64.ln()).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn log_probability(&self, state: usize) -> f64 {
        let last = self.last_state();
        match state.checked_sub(last) {
            None | Some(0) => self.log_probabilities[state],
            Some(beyond) => self.log_probabilities[last] + beyond as f64 * self.tail_ratio.ln(),
        }
    }

    /// π_n.
    ///
    /// ```
    /// # use fluidsim::queueing::BirthDeath;
    /// let chain = BirthDeath::from_log_ratios(&[], 0.8)?;
    /// // (1 − ρ)ρ² = .2 · .64.
    /// assert!((chain.probability(2) - 0.128).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn probability(&self, state: usize) -> f64 {
        self.log_probability(state).exp()
    }

    /// P(n ≥ `state`).
    ///
    /// ```
    /// # use fluidsim::queueing::BirthDeath;
    /// let chain = BirthDeath::from_log_ratios(&[], 0.8)?;
    /// // ρ³.
    /// assert!((chain.probability_at_least(3) - 0.512).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn probability_at_least(&self, state: usize) -> f64 {
        if state >= self.last_state() {
            return self.probability(state) / (1.0 - self.tail_ratio);
        }
        let inner: f64 = (state..self.last_state()).map(|n| self.probability(n)).sum();
        inner + self.probability_at_least(self.last_state())
    }

    /// E\[n\].
    ///
    /// ```
    /// # use fluidsim::queueing::BirthDeath;
    /// let chain = BirthDeath::from_log_ratios(&[], 0.8)?;
    /// // ρ/(1 − ρ).
    /// assert!((chain.mean() - 4.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean(&self) -> f64 {
        let inner: f64 = (0..self.last_state()).map(|n| n as f64 * self.probability(n)).sum();
        inner + self.last_state() as f64 * self.probability_at_least(self.last_state()) + self.mean_in_tail()
    }

    /// Var n, about the mean.
    ///
    /// ```
    /// # use fluidsim::queueing::BirthDeath;
    /// let chain = BirthDeath::from_log_ratios(&[], 0.8)?;
    /// // ρ/(1 − ρ)².
    /// assert!((chain.variance() - 20.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn variance(&self) -> f64 {
        let mean = self.mean();
        let square = |n: usize| (n as f64 - mean).powi(2);
        let inner: f64 = (0..self.last_state()).map(|n| square(n) * self.probability(n)).sum();
        // Beyond N: Σ (N − m + k)² π_N rᵏ by the first two moments of the geometric law.
        let (r, gap) = (self.tail_ratio, self.last_state() as f64 - mean);
        let (zeroth, first) = (1.0 / (1.0 - r), r / (1.0 - r).powi(2));
        let second = r * (1.0 + r) / (1.0 - r).powi(3);
        inner + self.probability(self.last_state()) * (gap * gap * zeroth + 2.0 * gap * first + second)
    }

    /// E\[(n − `state`)⁺\], the mean number beyond a state, such as those waiting beyond c servers.
    ///
    /// ```
    /// # use fluidsim::queueing::BirthDeath;
    /// let chain = BirthDeath::from_log_ratios(&[], 0.8)?;
    /// // Lq of M/M/1, ρ²/(1 − ρ).
    /// assert!((chain.mean_beyond(1) - 3.2).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_beyond(&self, state: usize) -> f64 {
        let last = self.last_state();
        if state >= last {
            return self.probability(state) * self.tail_ratio / (1.0 - self.tail_ratio).powi(2);
        }
        let inner: f64 = (state..last).map(|n| (n - state) as f64 * self.probability(n)).sum();
        inner + (last - state) as f64 * self.probability_at_least(last) + self.mean_in_tail()
    }

    /// Σ_n f(n) π_n over the states 0 … N, leaving out the tail beyond N.
    ///
    /// ```
    /// # use fluidsim::queueing::BirthDeath;
    /// let chain = BirthDeath::from_rates(&[1.0, 1.0], &[2.0, 2.0], 0.0)?;
    /// // Weights 1, ½, ¼: (0 + ½ + 4 · ¼)/(7/4).
    /// assert!((chain.expect(|n| (n * n) as f64) - 6.0 / 7.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn expect(&self, f: impl Fn(usize) -> f64) -> f64 {
        (0..=self.last_state())
            .filter(|&n| self.log_probabilities[n] > f64::NEG_INFINITY)
            .map(|n| f(n) * self.probability(n))
            .sum()
    }

    /// The smallest n with P(N ≤ n) ≥ `p`; 0 ≤ p < 1.
    ///
    /// ```
    /// # use fluidsim::queueing::BirthDeath;
    /// let chain = BirthDeath::from_log_ratios(&[], 0.8)?;
    /// // P(n ≥ 14) = .8¹⁴ = .044 and P(n ≥ 13) = .055.
    /// assert_eq!(chain.quantile(0.95), 13);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn quantile(&self, p: f64) -> usize {
        let mut reached = 0.0;
        for state in 0..=self.last_state() {
            reached += self.probability(state);
            if reached >= p {
                return state;
            }
        }
        if self.tail_ratio == 0.0 {
            return self.last_state();
        }
        // P(n > N + k) = P(n > N) rᵏ ≤ 1 − p.
        let beyond = self.probability_at_least(self.last_state() + 1);
        let steps = (((1.0 - p) / beyond).ln() / self.tail_ratio.ln()).ceil().max(0.0);
        self.last_state() + steps as usize
    }

    /// Σ_k k π_N rᵏ.
    fn mean_in_tail(&self) -> f64 {
        self.probability(self.last_state()) * self.tail_ratio / (1.0 - self.tail_ratio).powi(2)
    }
}

/// ln(Σ e^w + e^{w_N} r/(1−r)), relative to the largest term.
fn log_sum(log_weights: &[f64], tail_ratio: f64) -> f64 {
    let top = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let inner: f64 = log_weights.iter().map(|weight| (weight - top).exp()).sum();
    let last = log_weights[log_weights.len() - 1];
    top + (inner + (last - top).exp() * tail_ratio / (1.0 - tail_ratio)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::markov::{Mm1, Mmc};
    use approx::assert_relative_eq;

    #[test]
    fn a_tail_alone_is_mm1() {
        let chain = BirthDeath::from_log_ratios(&[], 0.8).unwrap();
        let queue = Mm1::new(0.8, 1.0).unwrap();
        assert_relative_eq!(chain.mean(), queue.mean_in_system(), max_relative = 1e-13);
        assert_relative_eq!(chain.variance(), 0.8 / 0.04, max_relative = 1e-12);
        assert_relative_eq!(chain.mean_beyond(1), queue.mean_waiting(), max_relative = 1e-13);
        assert_relative_eq!(chain.probability_at_least(3), 0.512, max_relative = 1e-13);
        // P(n ≥ 14) = .8¹⁴ = .044 and P(n ≥ 13) = .055.
        assert_eq!(chain.quantile(0.95), 13);
    }

    #[test]
    fn many_servers_are_mmc() {
        for (servers, load) in [(3, 2.4), (50, 45.0), (500, 480.0)] {
            let births = vec![load; servers];
            let deaths: Vec<f64> = (1..=servers).map(|k| k as f64).collect();
            let chain = BirthDeath::from_rates(&births, &deaths, load / servers as f64).unwrap();
            let queue = Mmc::new(load, 1.0, servers as u64).unwrap();
            assert_relative_eq!(chain.probability_at_least(servers), queue.delay_probability(), max_relative = 1e-11);
            assert_relative_eq!(chain.mean_beyond(servers), queue.mean_waiting(), max_relative = 1e-11);
            assert_relative_eq!(chain.mean(), queue.mean_in_system(), max_relative = 1e-11);
        }
    }

    #[test]
    fn a_finite_room_is_mm1k() {
        // ρ, K, P_K, L with P_K = (1−ρ)ρᴷ/(1−ρᴷ⁺¹), mpmath to 12 digits.
        let table = [
            (0.5, 5, 0.015873015873, 0.904761904762),
            (0.8, 5, 0.0888194986556, 1.86833203227),
            (0.9, 10, 0.0508137313274, 3.96944059859),
            (1.0, 10, 0.0909090909091, 5.0),
            (1.2, 10, 0.192586495127, 6.71070867837),
            (2.0, 4, 0.516129032258, 3.16129032258),
        ];
        for (load, room, full, mean) in table {
            let chain = BirthDeath::from_rates(&vec![load; room], &vec![1.0; room], 0.0).unwrap();
            assert_relative_eq!(chain.probability(room), full, max_relative = 1e-10);
            assert_relative_eq!(chain.mean(), mean, max_relative = 1e-10);
            assert_eq!(chain.probability(room + 1), 0.0);
            assert_relative_eq!(chain.expect(|_| 1.0), 1.0, max_relative = 1e-12);
        }
    }

    #[test]
    fn a_server_whose_pace_depends_on_the_number_served() {
        // λ, mean work m, step d0 + d1·n, cap K: death rate n/(m(d0 + d1 n)); P(wait), Lq, E[N], mpmath to 12 digits.
        let table = [
            (0.5, 50.0, 1.0, 0.01, 64, 5.46018523587e-5, 9.73337368134e-5, 33.6667457998),
            (0.7, 50.0, 1.0, 0.01, 64, 0.212006276124, 1.84381215902, 56.114270318),
            (1.1, 50.0, 1.0, 0.01, 128, 0.64554910652, 31.1353299837, 153.790769965),
            (11.0, 200.0, 0.02, 0.0002, 256, 1.51630270317e-26, 2.39043534042e-26, 79.3571428571),
        ];
        for (lambda, work, base, slope, cap, delayed, waiting, mean) in table {
            let deaths: Vec<f64> = (1..=cap).map(|n| n as f64 / (work * (base + slope * n as f64))).collect();
            let tail = lambda / deaths[cap - 1];
            let chain = BirthDeath::from_rates(&vec![lambda; cap], &deaths, tail).unwrap();
            assert_relative_eq!(chain.probability_at_least(cap), delayed, max_relative = 1e-10);
            assert_relative_eq!(chain.mean_beyond(cap), waiting, max_relative = 1e-10);
            assert_relative_eq!(chain.mean(), mean, max_relative = 1e-10);
        }
    }

    #[test]
    fn thousands_of_states_neither_overflow_nor_vanish() {
        let steps = 20_000;
        let up: Vec<f64> = (0..steps).map(|n| if n < steps / 2 { 3.0 } else { -3.0 }).collect();
        let chain = BirthDeath::from_log_ratios(&up, 0.0).unwrap();
        assert_relative_eq!(chain.mean(), 10_000.0, max_relative = 1e-11);
        assert_relative_eq!(chain.log_probability(0), chain.log_probability(10_000) - 30_000.0, max_relative = 1e-12);
    }

    #[test]
    fn the_definition_of_the_variance_agrees() {
        let ratios = [0.5f64, 0.1, -0.2, -0.7];
        let with_tail = BirthDeath::from_log_ratios(&ratios, 0.6).unwrap();
        let mut long = ratios.to_vec();
        long.extend(std::iter::repeat_n(0.6f64.ln(), 200));
        let finite = BirthDeath::from_log_ratios(&long, 0.0).unwrap();
        assert_relative_eq!(with_tail.mean(), finite.mean(), max_relative = 1e-12);
        assert_relative_eq!(with_tail.variance(), finite.variance(), max_relative = 1e-12);
        assert_relative_eq!(with_tail.mean_beyond(2), finite.mean_beyond(2), max_relative = 1e-12);
        assert_relative_eq!(with_tail.mean_beyond(7), finite.mean_beyond(7), max_relative = 1e-12);
        for p in [0.0, 0.3, 0.9, 0.99, 0.9999] {
            assert_eq!(with_tail.quantile(p), finite.quantile(p), "{p}");
        }
    }

    #[test]
    fn a_state_without_births_ends_the_chain() {
        let chain = BirthDeath::from_rates(&[1.0, 0.0, 1.0], &[1.0, 1.0, 1.0], 0.5).unwrap();
        assert_relative_eq!(chain.mean(), 0.5, max_relative = 1e-14);
        assert_relative_eq!(chain.variance(), 0.25, max_relative = 1e-14);
        assert_eq!(chain.probability(3), 0.0);
    }

    #[test]
    fn what_does_not_sum_is_an_error() {
        assert_eq!(BirthDeath::from_log_ratios(&[0.0], 1.0), Err(QueueError::HeavyTail { ratio: 1.0 }));
        assert!(matches!(BirthDeath::from_log_ratios(&[f64::NAN], 0.0), Err(QueueError::Parameter { .. })));
        assert!(matches!(BirthDeath::from_rates(&[1.0], &[], 0.0), Err(QueueError::Parameter { .. })));
        assert!(matches!(BirthDeath::from_rates(&[1.0], &[0.0], 0.0), Err(QueueError::Parameter { .. })));
    }
}
