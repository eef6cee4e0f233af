//! Markovian arrival processes.
//!
//! A chain moves without arrivals by D₀ and with one by D₁. With θ(D₀ + D₁) = 0: rate λ = θD₁1; at arrivals the phase has law
//! φ = θD₁/λ, and intervals are phase-type (φ, D₀), one after another by P = (−D₀)^{−1}D₁. Neuts (1979), Journal of Applied
//! Probability 16:764–779; Fischer and Meier-Hellstern (1993), Performance Evaluation 18:149–171, for the counts.

use nalgebra::{DMatrix, DVector};
use rand::Rng;
use rand_distr::{Distribution, Exp1};

use super::ph::{PhaseType, choose, kronecker_sum};
use super::uniformization::{exponential, rates_off_diagonal, square, stationary};
use crate::queueing::error::{QueueError, not_negative, positive};

/// A Markovian arrival process, checked when it is made.
///
/// ```
/// use fluidsim::queueing::matrix::Map;
/// // Two states left at rate 1, arrivals at rates 1 and 3: the limit of the index of dispersion is
/// // 1 + 2(λ₁ − λ₂)² r₁r₂/((r₁ + r₂)²(λ₁r₂ + λ₂r₁)) = 1.5 (Heffes and Lucantoni 1986).
/// let map = Map::mmpp2([1.0, 1.0], [1.0, 3.0])?;
/// assert!((map.rate_per_s() - 2.0).abs() < 1e-14);
/// assert!((map.dispersion_limit() - 1.5).abs() < 1e-14);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    silent: DMatrix<f64>,
    arriving: DMatrix<f64>,
    phase_law: DVector<f64>,
}

impl Map {
    /// The process of D₀ and D₁, per second, row by row.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless both are square, alike in size and finite, D₁ ≥ 0, D₀ ≥ 0 off the diagonal, rows of D₀ + D₁ sum to
    /// 0 (to 1e-9 of the diagonal), the chain has one recurrent class, and arrivals go on for ever.
    pub fn new(silent: &[Vec<f64>], arriving: &[Vec<f64>]) -> Result<Self, QueueError> {
        Self::from_parts(square("D0", silent)?, square("D1", arriving)?)
    }

    pub(super) fn from_parts(mut silent: DMatrix<f64>, arriving: DMatrix<f64>) -> Result<Self, QueueError> {
        if silent.shape() != arriving.shape() {
            let must = "of as many phases as D0";
            return Err(QueueError::Parameter { name: "D1", value: arriving.nrows() as f64, must });
        }
        if let Some(value) = arriving.iter().find(|rate| **rate < 0.0) {
            return Err(QueueError::Parameter { name: "D1", value: *value, must: "at least 0" });
        }
        rates_off_diagonal("D0", &silent)?;
        for i in 0..silent.nrows() {
            let sum = silent.row(i).sum() + arriving.row(i).sum();
            if sum.abs() > 1e-9 * silent[(i, i)].abs().max(f64::MIN_POSITIVE) {
                return Err(QueueError::Parameter { name: "D0 + D1", value: sum, must: "0 in the sum of each row" });
            }
            silent[(i, i)] -= sum;
        }
        let phase_law = stationary(&(&silent + &arriving))?;
        let map = Self { silent, arriving, phase_law };
        positive("arrivals_per_s", map.rate_per_s())?;
        map.interval()?;
        Ok(map)
    }

    /// Poisson arrivals.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless the rate is positive and finite.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::Map;
    /// let map = Map::poisson(2.0)?;
    /// // Exponential intervals, each independent of the next.
    /// assert!((map.rate_per_s() - 2.0).abs() < 1e-14 && (map.squared_cv()? - 1.0).abs() < 1e-14);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn poisson(arrivals_per_s: f64) -> Result<Self, QueueError> {
        positive("arrivals_per_s", arrivals_per_s)?;
        Self::new(&[vec![-arrivals_per_s]], &[vec![arrivals_per_s]])
    }

    /// Independent intervals of one phase-type law: D₀ = T, D₁ = tα.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a law with phases that are never entered and form a class of their own.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, PhaseType};
    /// let map = Map::renewal(&PhaseType::erlang(0.5, 2)?)?;
    /// // One over the mean; cv² of two phases.
    /// assert!((map.rate_per_s() - 2.0).abs() < 1e-14 && (map.squared_cv()? - 0.5).abs() < 1e-14);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn renewal(interval: &PhaseType) -> Result<Self, QueueError> {
        Self::from_parts(interval.rates().clone(), interval.exit() * interval.start().transpose())
    }

    /// Poisson arrivals whose rate is set by a chain: `generator` per second, one arrival rate for each state.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a matrix that is no generator, or rates that are negative, not finite, or all 0.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::Map;
    /// // A ring of three states left at rates 1, 2, 2: time in them as 1 : ½ : ½, so λ = ½·1 + ¼·2 + ¼·6.
    /// let ring = [vec![-1.0, 1.0, 0.0], vec![0.0, -2.0, 2.0], vec![2.0, 0.0, -2.0]];
    /// assert!((Map::mmpp(&ring, &[1.0, 2.0, 6.0])?.rate_per_s() - 2.5).abs() < 1e-14);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mmpp(generator: &[Vec<f64>], arrivals_per_s: &[f64]) -> Result<Self, QueueError> {
        let generator = square("generator", generator)?;
        if arrivals_per_s.len() != generator.nrows() {
            let must = "one rate for each state";
            return Err(QueueError::Parameter { name: "arrivals_per_s", value: arrivals_per_s.len() as f64, must });
        }
        for &rate in arrivals_per_s {
            not_negative("arrivals_per_s", rate)?;
        }
        let arriving = DMatrix::from_diagonal(&DVector::from_column_slice(arrivals_per_s));
        Self::from_parts(generator - &arriving, arriving)
    }

    /// A modulated Poisson process of two states, left at the rates `leave_per_s`.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] as for [`Map::mmpp`], or for a state that is never left.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::Map;
    /// // Interrupted Poisson, on for a mean of 1 s, off for ½ s: λ = 3·⅔.
    /// assert!((Map::mmpp2([1.0, 2.0], [3.0, 0.0])?.rate_per_s() - 2.0).abs() < 1e-14);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mmpp2(leave_per_s: [f64; 2], arrivals_per_s: [f64; 2]) -> Result<Self, QueueError> {
        let [a, b] = leave_per_s;
        positive("leave_per_s", a)?;
        positive("leave_per_s", b)?;
        Self::mmpp(&[vec![-a, a], vec![b, -b]], &arrivals_per_s)
    }

    /// This process and an independent other together: D₀ ⊕ D₀′, D₁ ⊕ D₁′.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] where both together have more than one recurrent class (two periodic chains do not: time is continuous).
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::Map;
    /// let both = Map::poisson(1.0)?.superposed(&Map::mmpp2([1.0, 1.0], [1.0, 3.0])?)?;
    /// assert!((both.rate_per_s() - 3.0).abs() < 1e-14);
    /// // Variances add: (1·1 + 2·1.5)/3.
    /// assert!((both.dispersion_limit() - 4.0 / 3.0).abs() < 1e-13);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn superposed(&self, other: &Self) -> Result<Self, QueueError> {
        let silent = kronecker_sum(&self.silent, &other.silent);
        Self::from_parts(silent, kronecker_sum(&self.arriving, &other.arriving))
    }

    /// Each arrival kept with probability `kept`, independently.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless 0 < kept ≤ 1.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::Map;
    /// let map = Map::mmpp2([1.0, 1.0], [1.0, 3.0])?.thinned(0.5)?;
    /// // Half the rate; of the index of dispersion, 1.5, half of what exceeds 1.
    /// assert!((map.rate_per_s() - 1.0).abs() < 1e-14 && (map.dispersion_limit() - 1.25).abs() < 1e-13);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn thinned(&self, kept: f64) -> Result<Self, QueueError> {
        if !(kept > 0.0 && kept <= 1.0) {
            return Err(QueueError::Parameter { name: "kept", value: kept, must: "above 0 and at most 1" });
        }
        Self::from_parts(&self.silent + &self.arriving * (1.0 - kept), &self.arriving * kept)
    }

    /// The number of phases.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::Map;
    /// let map = Map::mmpp2([1.0, 1.0], [1.0, 3.0])?;
    /// // Each state of one with each of the other.
    /// assert_eq!(map.superposed(&map)?.phases(), 4);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn phases(&self) -> usize {
        self.phase_law.len()
    }

    /// D₀, per second.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::Map;
    /// // Each state is left at rate 1 and has arrivals at 1 or 3; its diagonal holds both.
    /// let map = Map::mmpp2([1.0, 1.0], [1.0, 3.0])?;
    /// assert_eq!(map.silent(), &nalgebra::dmatrix![-2.0, 1.0; 1.0, -4.0]);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn silent(&self) -> &DMatrix<f64> {
        &self.silent
    }

    /// D₁, per second.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::Map;
    /// // An arrival of a modulated Poisson process does not change the state.
    /// let map = Map::mmpp2([1.0, 1.0], [1.0, 3.0])?;
    /// assert_eq!(map.arriving(), &nalgebra::dmatrix![1.0, 0.0; 0.0, 3.0]);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn arriving(&self) -> &DMatrix<f64> {
        &self.arriving
    }

    /// θ, the stationary law of the phase.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::Map;
    /// // Means of a stay are 1 and ⅓.
    /// let map = Map::mmpp2([1.0, 3.0], [1.0, 5.0])?;
    /// assert!((map.phase_law()[0] - 0.75).abs() < 1e-14);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn phase_law(&self) -> &DVector<f64> {
        &self.phase_law
    }

    /// λ = θD₁1, arrivals per second.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::Map;
    /// // ¾·1 + ¼·5.
    /// let map = Map::mmpp2([1.0, 3.0], [1.0, 5.0])?;
    /// assert!((map.rate_per_s() - 2.0).abs() < 1e-14);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn rate_per_s(&self) -> f64 {
        self.phase_law.dot(&self.arriving.column_sum())
    }

    /// The law of an interval between arrivals, phase-type (θD₁/λ, D₀).
    ///
    /// # Errors
    /// None for a process that could be made; [`QueueError::Parameter`] would tell of phases without a way to an arrival.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::Map;
    /// // Arrivals only in the first state: −D₀ = (4 −1; −2 2), E[X] = ½, E[X²] = 2(⅓·½ + ⅙·1) = ⅔.
    /// let interval = Map::mmpp2([1.0, 2.0], [3.0, 0.0])?.interval()?;
    /// assert!((interval.mean_s() - 0.5).abs() < 1e-14 && (interval.moment(2) - 2.0 / 3.0).abs() < 1e-14);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn interval(&self) -> Result<PhaseType, QueueError> {
        let start = self.arriving.tr_mul(&self.phase_law) / self.rate_per_s();
        PhaseType::from_parts(start, self.silent.clone())
    }

    /// The squared coefficient of variation of an interval.
    ///
    /// # Errors
    /// As [`Map::interval`].
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::Map;
    /// // Interrupted Poisson: 1 + 2λr₁/(r₁ + r₂)² = 1 + 2·3·1/9.
    /// let map = Map::mmpp2([1.0, 2.0], [3.0, 0.0])?;
    /// assert!((map.squared_cv()? - 5.0 / 3.0).abs() < 1e-13);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn squared_cv(&self) -> Result<f64, QueueError> {
        Ok(self.interval()?.squared_cv())
    }

    /// The correlation of an interval with the k-th after it, (λ²φ(−D₀)^{−1}Pᵏ(−D₀)^{−1}1 − 1)/cv².
    ///
    /// # Errors
    /// As [`Map::interval`].
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::Map;
    /// // P = (4 3; 1 6)/7 has eigenvalues 1 and 3/7; E[X₀X₁] = 13/49, cv² = 9/7, so r₁ = (4·13/49 − 1)·7/9 = 1/21.
    /// let map = Map::mmpp2([1.0, 1.0], [1.0, 3.0])?;
    /// assert!((map.autocorrelation(1)? - 1.0 / 21.0).abs() < 1e-13);
    /// assert!((map.autocorrelation(2)? - 1.0 / 21.0 * 3.0 / 7.0).abs() < 1e-13);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn autocorrelation(&self, lag: u32) -> Result<f64, QueueError> {
        let interval = self.interval()?;
        let inverse = (-&self.silent).lu();
        let singular = QueueError::Parameter { name: "D0", value: 0.0, must: "non-singular" };
        let ones = DVector::from_element(self.phases(), 1.0);
        let solve = |column: &DVector<f64>| inverse.solve(column).ok_or_else(|| singular.clone());
        let mut column = solve(&ones)?;
        for _ in 0..lag {
            column = solve(&(&self.arriving * column))?;
        }
        let product = interval.start().dot(&solve(&column)?);
        Ok((product * self.rate_per_s().powi(2) - 1.0) / interval.squared_cv())
    }

    /// IDC(t) = Var N(t)/E N(t) of the arrivals in an interval of length t; 1 at t = 0. Below 1e-9 of a mean interval digits cancel.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for a negative or infinite t.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::Map;
    /// // Var N = λt + 2σ²(t/c − (1 − e^{−ct})/c²), c = 2, σ² = 1 here.
    /// let map = Map::mmpp2([1.0, 1.0], [1.0, 3.0])?;
    /// let expected = 1.0 + (1.0 / 2.0 - (1.0 - (-2.0_f64).exp()) / 4.0);
    /// assert!((map.dispersion(1.0)? - expected).abs() < 1e-13);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn dispersion(&self, t_s: f64) -> Result<f64, QueueError> {
        not_negative("t_s", t_s)?;
        if t_s == 0.0 {
            return Ok(1.0);
        }
        let generator = &self.silent + &self.arriving;
        let once = self.deviation(&self.arriving.column_sum());
        let twice = self.deviation(&once);
        let moved = &twice - exponential(&generator, t_s) * &twice;
        let flow = self.arriving.tr_mul(&self.phase_law);
        Ok(self.dispersion_limit() - 2.0 * flow.dot(&moved) / (self.rate_per_s() * t_s))
    }

    /// The limit of IDC(t), 1 − 2λ + (2/λ)θD₁(1θ − D)^{−1}D₁1 with D = D₀ + D₁.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, PhaseType};
    /// // Of a renewal process it is cv².
    /// let map = Map::renewal(&PhaseType::erlang(3.0, 4)?)?;
    /// assert!((map.dispersion_limit() - 0.25).abs() < 1e-13);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn dispersion_limit(&self) -> f64 {
        let once = self.deviation(&self.arriving.column_sum());
        let flow = self.arriving.tr_mul(&self.phase_law);
        1.0 + 2.0 * flow.dot(&once) / self.rate_per_s()
    }

    /// `count` successive intervals of a stationary process seen from an arrival, seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::Map;
    /// use rand::SeedableRng;
    /// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    /// let sum: f64 = Map::poisson(2.0)?.sample_intervals(10_000, &mut rng).iter().sum();
    /// // Mean 5000, standard deviation 50.
    /// assert!((sum - 5000.0).abs() < 250.0);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sample_intervals(&self, count: usize, rng: &mut impl Rng) -> Vec<f64> {
        let rate = self.rate_per_s();
        let start = self.arriving.tr_mul(&self.phase_law) / rate;
        let mut phase = choose(start.iter().copied(), rng).unwrap_or(0);
        let mut intervals = Vec::with_capacity(count);
        let mut time = 0.0;
        while intervals.len() < count {
            let leave = -self.silent[(phase, phase)];
            let stay: f64 = Exp1.sample(rng);
            time += stay / leave;
            let n = self.phases();
            let moves = (0..2 * n).map(|k| match k {
                _ if k == phase => 0.0,
                _ if k < n => self.silent[(phase, k)] / leave,
                _ => self.arriving[(phase, k - n)] / leave,
            });
            // Rounding may leave a sliver of probability unspent; it counts as no move.
            let to = choose(moves, rng).unwrap_or(phase);
            phase = to % n;
            if to >= n {
                intervals.push(time);
                time = 0.0;
            }
        }
        intervals
    }

    /// The bounded x with −Dx = f − (θf)1 and θx = 0: (1θ − D)^{−1} f less its mean, without cancelling λ from the result.
    fn deviation(&self, column: &DVector<f64>) -> DVector<f64> {
        let n = self.phases();
        let ones = DVector::from_element(n, 1.0);
        let scale = -self.silent.diagonal().min();
        let matrix = &ones * self.phase_law.transpose() * scale - (&self.silent + &self.arriving);
        let centred = column - &ones * self.phase_law.dot(column);
        matrix.lu().solve(&centred).unwrap_or_else(|| DVector::zeros(n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn poisson_and_renewal() {
        let poisson = Map::poisson(3.0).unwrap();
        assert_relative_eq!(poisson.squared_cv().unwrap(), 1.0, max_relative = 1e-14);
        assert_eq!((poisson.dispersion(2.0).unwrap(), poisson.dispersion_limit()), (1.0, 1.0));
        // Of a renewal process the limit of the index is cv², and intervals are uncorrelated.
        for law in [PhaseType::erlang(2.0, 4).unwrap(), PhaseType::hyperexponential(&[(0.1, 0.2), (0.9, 3.0)]).unwrap()]
        {
            let map = Map::renewal(&law).unwrap();
            assert_relative_eq!(map.rate_per_s(), 1.0 / law.mean_s(), max_relative = 1e-13);
            assert_relative_eq!(map.dispersion_limit(), law.squared_cv(), max_relative = 1e-12);
            assert_relative_eq!(map.interval().unwrap().moment(3), law.moment(3), max_relative = 1e-12);
            assert!(map.autocorrelation(1).unwrap().abs() < 1e-12);
        }
    }

    #[test]
    fn correlations_sum_to_the_dispersion() {
        // IDI limit = IDC limit: cv²(1 + 2Σ r_k) (Cox and Lewis 1966, ch. 4).
        let map = Map::mmpp2([0.3, 0.7], [0.5, 4.0]).unwrap();
        let sum: f64 = (1..400).map(|k| map.autocorrelation(k).unwrap()).sum();
        let expected = map.squared_cv().unwrap() * (1.0 + 2.0 * sum);
        assert_relative_eq!(map.dispersion_limit(), expected, max_relative = 1e-10);
        assert_relative_eq!(map.dispersion(1e7).unwrap(), map.dispersion_limit(), max_relative = 1e-6);
        assert_relative_eq!(map.dispersion(1e-6).unwrap(), 1.0, max_relative = 1e-5);
    }

    #[test]
    fn parts_of_a_poisson_process_are_poisson() {
        let part = Map::poisson(2.0).unwrap().superposed(&Map::poisson(1.0).unwrap()).unwrap().thinned(0.5).unwrap();
        assert_relative_eq!(part.rate_per_s(), 1.5, max_relative = 1e-14);
        // Thinning: IDC − 1 shrinks by the share kept.
        let map = Map::mmpp2([0.3, 0.7], [0.5, 4.0]).unwrap();
        let thin = map.thinned(0.2).unwrap();
        assert_relative_eq!(thin.dispersion_limit() - 1.0, 0.2 * (map.dispersion_limit() - 1.0), max_relative = 1e-11);
    }

    #[test]
    fn samples_have_rate_and_correlation() {
        let map = Map::mmpp2([0.05, 0.2], [1.0, 10.0]).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let sample = map.sample_intervals(400_000, &mut rng);
        let n = sample.len() as f64;
        let mean = sample.iter().sum::<f64>() / n;
        // The count's variance is λt·IDC, so the relative error of the mean is √(IDC/n).
        let error = (map.dispersion_limit() / n).sqrt();
        assert!((mean * map.rate_per_s() - 1.0).abs() < 4.5 * error, "{mean} {error}");
        let variance = sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let lag = sample.windows(2).map(|w| (w[0] - mean) * (w[1] - mean)).sum::<f64>() / n;
        assert!((lag / variance - map.autocorrelation(1).unwrap()).abs() < 0.02);
    }

    #[test]
    fn what_is_no_map_is_refused() {
        assert!(Map::poisson(0.0).is_err() && Map::poisson(f64::NAN).is_err());
        assert!(Map::new(&[vec![-1.0]], &[vec![2.0]]).is_err() && Map::new(&[vec![1.0]], &[vec![-1.0]]).is_err());
        assert!(Map::new(&[vec![0.0]], &[vec![0.0]]).is_err());
        assert!(Map::new(&[vec![-1.0]], &[vec![1.0, 0.0], vec![0.0, 1.0]]).is_err());
        // Two classes that never meet.
        let (apart, each) = ([vec![-1.0, 0.0], vec![0.0, -2.0]], [vec![1.0, 0.0], vec![0.0, 2.0]]);
        assert!(matches!(Map::new(&apart, &each), Err(QueueError::Parameter { name: "generator", .. })));
        assert!(Map::mmpp2([0.0, 1.0], [1.0, 1.0]).is_err() && Map::mmpp2([1.0, 1.0], [0.0, 0.0]).is_err());
        assert!(Map::mmpp(&[vec![0.0]], &[1.0, 2.0]).is_err() && Map::poisson(1.0).unwrap().thinned(0.0).is_err());
        assert!(Map::poisson(1.0).unwrap().dispersion(-1.0).is_err());
    }
}
