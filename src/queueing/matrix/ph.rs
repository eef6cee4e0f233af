//! Phase-type laws: the time to absorption of a Markov chain.
//!
//! From phase i with probability αᵢ, moving by the sub-generator T, absorbed at the rates t = −T1: P(X > x) = α e^{Tx} 1,
//! E\[Xᵏ\] = k! α(−T)^{−k}1, E e^{−sX} = α(sI − T)^{−1}t. Neuts (1981), *Matrix-Geometric Solutions in Stochastic Models*, ch. 2.

use nalgebra::{Complex, DMatrix, DVector};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Exp1};

use super::uniformization::{Series, exponential, fastest, rates_off_diagonal, square};
use crate::queueing::error::{QueueError, positive};

/// A phase-type law without an atom at 0, checked when it is made.
///
/// ```
/// use fluidsim::queueing::matrix::PhaseType;
/// // Two phases of rate 2: P(X > 1) = 3e⁻², mean 1, cv² = ½.
/// let law = PhaseType::new(&[1.0, 0.0], &[vec![-2.0, 2.0], vec![0.0, -2.0]])?;
/// assert!((law.survival(1.0) - 0.40600584970983794).abs() < 1e-14);
/// assert!((law.mean_s() - 1.0).abs() < 1e-14 && (law.squared_cv() - 0.5).abs() < 1e-14);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PhaseType {
    start: DVector<f64>,
    rates: DMatrix<f64>,
    exit: DVector<f64>,
}

impl PhaseType {
    /// The law of start probabilities α and sub-generator T, per second, row by row.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless α ≥ 0 sums to 1 (to 1e-9; an atom at 0 is refused), T is square and finite with no negative
    /// rate off the diagonal and no positive row sum, and every phase that is started or reached is left for good in the end.
    pub fn new(start: &[f64], rates: &[Vec<f64>]) -> Result<Self, QueueError> {
        Self::from_parts(DVector::from_column_slice(start), square("rates", rates)?)
    }

    pub(super) fn from_parts(start: DVector<f64>, rates: DMatrix<f64>) -> Result<Self, QueueError> {
        if start.len() != rates.nrows() {
            let must = "one start probability for each phase";
            return Err(QueueError::Parameter { name: "start", value: start.len() as f64, must });
        }
        if let Some(value) = start.iter().find(|p| !p.is_finite() || **p < 0.0) {
            return Err(QueueError::Parameter { name: "start", value: *value, must: "a probability" });
        }
        let total = start.sum();
        if (total - 1.0).abs() > 1e-9 {
            return Err(QueueError::Parameter { name: "start", value: total, must: "1 in sum (no atom at 0)" });
        }
        rates_off_diagonal("rates", &rates)?;
        let exit = exits(&rates)?;
        if !absorbed(&rates, &exit) {
            return Err(QueueError::Parameter {
                name: "rates",
                value: 0.0,
                must: "non-singular: each phase is left in the end",
            });
        }
        Ok(Self { start: start / total, rates, exit })
    }

    /// Exponential with the given mean.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless the mean is positive and finite, as in every constructor here.
    ///
    /// ```
    /// let law = fluidsim::queueing::matrix::PhaseType::exponential(2.0)?;
    /// // One mean.
    /// assert!((law.survival(2.0) - (-1f64).exp()).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn exponential(mean_s: f64) -> Result<Self, QueueError> {
        Self::erlang(mean_s, 1)
    }

    /// Erlang: `phases` exponential phases in a row, of equal mean.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for no phases or a mean that is not positive and finite.
    ///
    /// ```
    /// // The median of Erlang-2 of mean 2: (1 + x)e⁻ˣ = ½.
    /// let law = fluidsim::queueing::matrix::PhaseType::erlang(2.0, 2)?;
    /// assert!((law.quantile_s(0.5)? - 1.6783469900166605).abs() < 1e-12);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn erlang(mean_s: f64, phases: u32) -> Result<Self, QueueError> {
        positive("mean_s", mean_s)?;
        positive("phases", f64::from(phases))?;
        Self::generalised_erlang(&vec![f64::from(phases) / mean_s; phases as usize])
    }

    /// Generalised Erlang (hypoexponential): exponential phases in a row, each with its rate per second.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for no phases or a rate that is not positive and finite.
    ///
    /// ```
    /// let law = fluidsim::queueing::matrix::PhaseType::generalised_erlang(&[1.0, 2.0])?;
    /// // 1 + 1/2.
    /// assert!((law.mean_s() - 1.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn generalised_erlang(rates_per_s: &[f64]) -> Result<Self, QueueError> {
        let phases: Vec<(f64, f64)> = rates_per_s.iter().map(|&rate| (rate, 1.0)).collect();
        Self::coxian(&phases)
    }

    /// Coxian: phases (rate per second, probability to go on to the next) in a row; the last ends it whatever its probability.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for no phases, a rate that is not positive and finite, or a probability outside \[0, 1\].
    ///
    /// ```
    /// let law = fluidsim::queueing::matrix::PhaseType::coxian(&[(1.0, 0.5), (2.0, 0.0)])?;
    /// assert!((law.mean_s() - (1.0 + 0.5 / 2.0)).abs() < 1e-14);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn coxian(phases: &[(f64, f64)]) -> Result<Self, QueueError> {
        let n = phases.len();
        positive("phases", n as f64)?;
        for &(rate, on) in phases {
            positive("rate_per_s", rate)?;
            if !(0.0..=1.0).contains(&on) {
                return Err(QueueError::Parameter { name: "probability", value: on, must: "between 0 and 1" });
            }
        }
        let rates = DMatrix::from_fn(n, n, |i, j| match j {
            _ if j == i => -phases[i].0,
            _ if j == i + 1 => phases[i].0 * phases[i].1,
            _ => 0.0,
        });
        Self::from_parts(first_of(n), rates)
    }

    /// Hyperexponential: branch i with probability pᵢ has rate μᵢ per second, (pᵢ, μᵢ).
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for no branches, a probability or rate out of range, or probabilities that do not sum to 1.
    ///
    /// ```
    /// let law = fluidsim::queueing::matrix::PhaseType::hyperexponential(&[(0.4, 1.0), (0.6, 0.5)])?;
    /// assert!((law.survival(2.0) - (0.4 * (-2f64).exp() + 0.6 * (-1f64).exp())).abs() < 1e-13);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn hyperexponential(branches: &[(f64, f64)]) -> Result<Self, QueueError> {
        positive("branches", branches.len() as f64)?;
        for &(_, rate) in branches {
            positive("rate_per_s", rate)?;
        }
        let start = DVector::from_iterator(branches.len(), branches.iter().map(|branch| branch.0));
        let diagonal = DVector::from_iterator(branches.len(), branches.iter().map(|branch| -branch.1));
        Self::from_parts(start, DMatrix::from_diagonal(&diagonal))
    }

    /// Hyper-Erlang: branch (probability, phases, rate of each phase per second).
    ///
    /// # Errors
    /// [`QueueError::Parameter`] as for [`PhaseType::hyperexponential`], or for a branch of no phases.
    ///
    /// ```
    /// let law = fluidsim::queueing::matrix::PhaseType::hyper_erlang(&[(0.4, 2, 1.0), (0.6, 1, 0.5)])?;
    /// assert!((law.mean_s() - (0.4 * 2.0 / 1.0 + 0.6 * 1.0 / 0.5)).abs() < 1e-14);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn hyper_erlang(branches: &[(f64, u32, f64)]) -> Result<Self, QueueError> {
        let mut parts = Vec::new();
        for &(probability, phases, rate) in branches {
            positive("phases", f64::from(phases))?;
            positive("rate_per_s", rate)?;
            parts.push((probability, Self::erlang(f64::from(phases) / rate, phases)?));
        }
        Self::mixture(&parts)
    }

    /// One of several laws, each with its probability.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for no laws, or probabilities that are negative or do not sum to 1.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::PhaseType;
    /// let law = PhaseType::mixture(&[(0.25, PhaseType::exponential(1.0)?), (0.75, PhaseType::erlang(2.0, 2)?)])?;
    /// assert!((law.mean_s() - (0.25 * 1.0 + 0.75 * 2.0)).abs() < 1e-14);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mixture(parts: &[(f64, PhaseType)]) -> Result<Self, QueueError> {
        let n = parts.iter().map(|(_, law)| law.phases()).sum();
        positive("laws", n as f64)?;
        let (mut start, mut rates) = (DVector::zeros(n), DMatrix::zeros(n, n));
        let mut at = 0;
        for (probability, law) in parts {
            let m = law.phases();
            start.rows_mut(at, m).copy_from(&(&law.start * *probability));
            rates.view_mut((at, at), (m, m)).copy_from(&law.rates);
            at += m;
        }
        Self::from_parts(start, rates)
    }

    /// The sum of this and an independent other time.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::PhaseType;
    /// let one = PhaseType::exponential(1.0)?;
    /// let law = one.then(&one);
    /// // Erlang with two phases.
    /// assert!((law.squared_cv() - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn then(&self, other: &Self) -> Self {
        let (n, m) = (self.phases(), other.phases());
        let (mut start, mut rates, mut exit) =
            (DVector::zeros(n + m), DMatrix::zeros(n + m, n + m), DVector::zeros(n + m));
        start.rows_mut(0, n).copy_from(&self.start);
        rates.view_mut((0, 0), (n, n)).copy_from(&self.rates);
        rates.view_mut((0, n), (n, m)).copy_from(&(&self.exit * other.start.transpose()));
        rates.view_mut((n, n), (m, m)).copy_from(&other.rates);
        exit.rows_mut(n, m).copy_from(&other.exit);
        Self { start, rates, exit }
    }

    /// The lesser of this and an independent other time: start α ⊗ α′, sub-generator T ⊕ T′.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::PhaseType;
    /// let least = PhaseType::exponential(1.0)?.minimum(&PhaseType::exponential(0.5)?);
    /// assert!((least.mean_s() - 1.0 / 3.0).abs() < 1e-15);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn minimum(&self, other: &Self) -> Self {
        let (n, m) = (self.phases(), other.phases());
        let rates = kronecker_sum(&self.rates, &other.rates);
        let ones = |k| DVector::from_element(k, 1.0);
        let exit = self.exit.kronecker(&ones(m)) + ones(n).kronecker(&other.exit);
        Self { start: self.start.kronecker(&other.start), rates, exit }
    }

    /// The same law with its time multiplied by `factor`.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless the factor is positive and finite.
    ///
    /// ```
    /// let law = fluidsim::queueing::matrix::PhaseType::exponential(1.0)?.scaled(3.0)?;
    /// // Three times as long.
    /// assert!((law.mean_s() - 3.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn scaled(&self, factor: f64) -> Result<Self, QueueError> {
        positive("factor", factor)?;
        Ok(Self { start: self.start.clone(), rates: &self.rates / factor, exit: &self.exit / factor })
    }

    /// The number of phases.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::PhaseType;
    /// let law = PhaseType::new(&[1.0, 0.0], &[vec![-2.0, 2.0], vec![0.0, -2.0]])?;
    /// // Erlang of two phases.
    /// assert_eq!(law.phases(), 2);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn phases(&self) -> usize {
        self.start.len()
    }

    /// α.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::PhaseType;
    /// let law = PhaseType::new(&[1.0, 0.0], &[vec![-2.0, 2.0], vec![0.0, -2.0]])?;
    /// // Erlang begins in its first phase.
    /// assert_eq!(law.start().as_slice(), [1.0, 0.0]);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn start(&self) -> &DVector<f64> {
        &self.start
    }

    /// T, per second.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::PhaseType;
    /// let law = PhaseType::new(&[1.0, 0.0], &[vec![-2.0, 2.0], vec![0.0, -2.0]])?;
    /// // From the first phase to the second.
    /// assert_eq!(law.rates()[(0, 1)], 2.0);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn rates(&self) -> &DMatrix<f64> {
        &self.rates
    }

    /// t = −T1, rates of absorption per second.
    ///
    /// ```
    /// // Only the last of two phases in a row ends it.
    /// let law = fluidsim::queueing::matrix::PhaseType::generalised_erlang(&[1.0, 2.0])?;
    /// assert_eq!(law.exit(), &nalgebra::dvector![0.0, 2.0]);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn exit(&self) -> &DVector<f64> {
        &self.exit
    }

    /// E\[X\], seconds.
    ///
    /// ```
    /// let law = fluidsim::queueing::matrix::PhaseType::erlang(2.0, 2)?;
    /// // Two phases of mean 1 s.
    /// assert!((law.mean_s() - 2.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_s(&self) -> f64 {
        self.moment(1)
    }

    /// Var X / E\[X\]².
    ///
    /// ```
    /// let law = fluidsim::queueing::matrix::PhaseType::erlang(2.0, 2)?;
    /// // Two phases of mean 1 s: 2/2².
    /// assert!((law.squared_cv() - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn squared_cv(&self) -> f64 {
        self.moment(2) / self.mean_s().powi(2) - 1.0
    }

    /// E\[Xᵏ\] = k! α(−T)^{−k}1, secondsᵏ.
    ///
    /// ```
    /// let law = fluidsim::queueing::matrix::PhaseType::erlang(2.0, 2)?;
    /// // Two phases of mean 1 s: 2 + 2².
    /// assert!((law.moment(2) - 6.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn moment(&self, k: u32) -> f64 {
        let inverse = (-&self.rates).lu();
        let mut column = DVector::from_element(self.phases(), 1.0);
        for i in 1..=k {
            column = inverse.solve(&column).map_or_else(|| column.map(|_| f64::INFINITY), |x| x * f64::from(i));
        }
        self.start.dot(&column)
    }

    /// P(X > x), by uniformisation.
    ///
    /// ```
    /// let law = fluidsim::queueing::matrix::PhaseType::erlang(2.0, 2)?;
    /// // Two phases of mean 1 s: e⁻ˣ(1 + x).
    /// assert!((law.survival(1.0) - 2.0 * (-1f64).exp()).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn survival(&self, x_s: f64) -> f64 {
        self.at(x_s).0.min(1.0)
    }

    /// P(X ≤ x).
    ///
    /// ```
    /// let law = fluidsim::queueing::matrix::PhaseType::erlang(2.0, 2)?;
    /// // Two phases of mean 1 s: 1 − e⁻ˣ(1 + x).
    /// assert!((law.cdf(1.0) - (1.0 - 2.0 * (-1f64).exp())).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn cdf(&self, x_s: f64) -> f64 {
        1.0 - self.survival(x_s)
    }

    /// The density at x, per second.
    ///
    /// ```
    /// let law = fluidsim::queueing::matrix::PhaseType::erlang(2.0, 2)?;
    /// // Two phases of mean 1 s: xe⁻ˣ.
    /// assert!((law.density(1.0) - (-1f64).exp()).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn density(&self, x_s: f64) -> f64 {
        if x_s < 0.0 {
            return 0.0;
        }
        self.at(x_s).1
    }

    /// The time that is passed with probability 1 − p, seconds.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless 0 ≤ p < 1.
    ///
    /// ```
    /// let law = fluidsim::queueing::matrix::PhaseType::exponential(2.0)?;
    /// assert!((law.quantile_s(0.75)? - 2.0 * 4_f64.ln()).abs() < 1e-12);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn quantile_s(&self, p: f64) -> Result<f64, QueueError> {
        Ok(self.series().quantile(probability(p)?, self.mean_s()))
    }

    /// E e^{−sX} at a real s ≥ 0.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for s that is negative or not finite.
    ///
    /// ```
    /// let law = fluidsim::queueing::matrix::PhaseType::erlang(2.0, 2)?;
    /// // Two phases of mean 1 s: (1/(1 + s))².
    /// assert!((law.transform(1.0)? - 0.25).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn transform(&self, s: f64) -> Result<f64, QueueError> {
        crate::queueing::error::not_negative("s", s)?;
        Ok(self.transform_complex(Complex::new(s, 0.0)).re)
    }

    /// E e^{−sX} at a complex s right of the poles; not finite at a pole.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::PhaseType;
    /// use nalgebra::Complex;
    /// // 1/(1 + i) = (1 − i)/2.
    /// let found = PhaseType::exponential(1.0)?.transform_complex(Complex::new(0.0, 1.0));
    /// assert!((found - Complex::new(0.5, -0.5)).norm() < 1e-15);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn transform_complex(&self, s: Complex<f64>) -> Complex<f64> {
        let n = self.phases();
        let shifted = DMatrix::identity(n, n) * s - self.rates.map(|x| Complex::new(x, 0.0));
        let exit = self.exit.map(|x| Complex::new(x, 0.0));
        let infinite = Complex::new(f64::INFINITY, 0.0);
        shifted.lu().solve(&exit).map_or(infinite, |column| column.iter().zip(&self.start).map(|(x, p)| x * *p).sum())
    }

    /// One time, seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::PhaseType;
    /// use rand::SeedableRng;
    /// let law = PhaseType::new(&[1.0, 0.0], &[vec![-2.0, 2.0], vec![0.0, -2.0]])?;
    /// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    /// let mean = (0..10_000).map(|_| law.sample(&mut rng)).sum::<f64>() / 10_000.0;
    /// // Mean 1, standard error .007.
    /// assert!((mean - 1.0).abs() < 0.03);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sample(&self, rng: &mut impl Rng) -> f64 {
        let mut phase = choose(self.start.iter().copied(), rng);
        let mut time = 0.0;
        while let Some(here) = phase {
            let rate = -self.rates[(here, here)];
            let jump: f64 = Exp1.sample(rng);
            time += jump / rate;
            let on = (0..self.phases()).map(|j| if j == here { 0.0 } else { self.rates[(here, j)] / rate });
            phase = choose(on, rng);
        }
        time
    }

    /// Survival and density; of very many jumps by squares of the matrix exponential.
    fn at(&self, x_s: f64) -> (f64, f64) {
        if x_s < f64::INFINITY && x_s * fastest(&self.rates) > 1e5 {
            let row = exponential(&self.rates, x_s).tr_mul(&self.start);
            return (row.sum(), row.dot(&self.exit));
        }
        self.series().at(x_s)
    }

    fn series(&self) -> Series<impl Iterator<Item = (f64, f64)>> {
        let rate = fastest(&self.rates);
        let jump = (DMatrix::identity(self.phases(), self.phases()) + &self.rates / rate).transpose();
        let rows = std::iter::successors(Some(self.start.clone()), move |row| Some(&jump * row));
        Series::new(rate, rows.map(|row| (row.sum(), row.dot(&self.exit))))
    }
}

/// `p` if it is at least 0 and below 1.
pub(super) fn probability(p: f64) -> Result<f64, QueueError> {
    if (0.0..1.0).contains(&p) {
        return Ok(p);
    }
    Err(QueueError::Parameter { name: "p", value: p, must: "at least 0 and below 1" })
}

/// A ⊕ B = A ⊗ I + I ⊗ B.
pub(super) fn kronecker_sum(a: &DMatrix<f64>, b: &DMatrix<f64>) -> DMatrix<f64> {
    let identity = |n| DMatrix::<f64>::identity(n, n);
    a.kronecker(&identity(b.nrows())) + identity(a.nrows()).kronecker(b)
}

/// The index drawn with the given probabilities, or none with what is left of 1.
pub(super) fn choose(probabilities: impl Iterator<Item = f64>, rng: &mut impl Rng) -> Option<usize> {
    let mut rest: f64 = rng.random();
    for (i, p) in probabilities.enumerate() {
        rest -= p;
        if rest < 0.0 {
            return Some(i);
        }
    }
    None
}

fn first_of(n: usize) -> DVector<f64> {
    DVector::from_fn(n, |i, _| f64::from(u8::from(i == 0)))
}

/// −T1, with what rounding leaves of a row that sums to 0 taken as 0.
fn exits(rates: &DMatrix<f64>) -> Result<DVector<f64>, QueueError> {
    let mut exit = DVector::zeros(rates.nrows());
    for i in 0..rates.nrows() {
        let leave = -rates.row(i).sum();
        let slack = 1e-12 * rates[(i, i)].abs();
        if leave < -slack {
            return Err(QueueError::Parameter { name: "rates", value: -leave, must: "of no positive row sum" });
        }
        exit[i] = if leave.abs() <= slack { 0.0 } else { leave };
    }
    Ok(exit)
}

/// Whether absorption can be reached from every phase.
fn absorbed(rates: &DMatrix<f64>, exit: &DVector<f64>) -> bool {
    let n = exit.len();
    let mut ends: Vec<bool> = exit.iter().map(|rate| *rate > 0.0).collect();
    for _ in 0..n {
        for i in 0..n {
            ends[i] = ends[i] || (0..n).any(|j| j != i && rates[(i, j)] > 0.0 && ends[j]);
        }
    }
    ends.into_iter().all(|end| end)
}

#[cfg(test)]
mod tests;
