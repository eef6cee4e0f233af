//! Quasi-birth–death processes: chains of levels whose moves up, within and down a level are the same matrices at all levels.
//!
//! With moves A₀ up, A₁ within and A₂ down, πₙ = π₁R^{n−1}; R = A₀(−A₁ − A₀G)^{−1}, and G, the law of the phase in which the next lower
//! level is entered, by logarithmic reduction: Latouche and Ramaswami (1993), Journal of Applied Probability 30:650–674. Drift and
//! boundary as in Latouche and Ramaswami (1999), *Introduction to Matrix Analytic Methods in Stochastic Modeling*, chs. 6–8.

use nalgebra::{DMatrix, DVector};

use super::uniformization::{left_null, rates_off_diagonal, stationary};
use crate::queueing::error::QueueError;

/// The generator's blocks, rates per second. Level 0 may have other phases than the rest: for instance all states below c customers.
#[derive(Debug, Clone, PartialEq)]
pub struct QbdBlocks {
    /// Within level 0.
    pub boundary: DMatrix<f64>,
    /// From level 0 to level 1.
    pub enter: DMatrix<f64>,
    /// From level 1 to level 0.
    pub leave: DMatrix<f64>,
    /// A₀, from a level ≥ 1 to the next above.
    pub up: DMatrix<f64>,
    /// A₁, within a level ≥ 1.
    pub within: DMatrix<f64>,
    /// A₂, from a level ≥ 2 to the next below.
    pub down: DMatrix<f64>,
}

/// A solved positive recurrent process.
///
/// ```
/// use fluidsim::queueing::matrix::{Qbd, QbdBlocks};
/// use nalgebra::DMatrix;
/// // M/M/1 with λ = 0.8 and μ = 1: L = 4, R = ρ.
/// let one = |x| DMatrix::from_element(1, 1, x);
/// let blocks = QbdBlocks { boundary: one(-0.8), enter: one(0.8), leave: one(1.0), up: one(0.8), within: one(-1.8), down: one(1.0) };
/// let chain = Qbd::new(&blocks)?;
/// assert!((chain.mean_level() - 4.0).abs() < 1e-12 && (chain.spectral_radius() - 0.8).abs() < 1e-14);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Qbd {
    first_passage: DMatrix<f64>,
    rate: DMatrix<f64>,
    level_0: DVector<f64>,
    level_1: DVector<f64>,
    /// (I − R)^{−1}.
    visits: DMatrix<f64>,
    residual: f64,
}

impl Qbd {
    /// Solves the process.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with the mean drift in levels per second where it is not negative; [`QueueError::Parameter`] for blocks that do
    /// not fit together, negative or infinite rates, rows that do not sum to 0 (to 1e-9), or more than one recurrent class.
    pub fn new(blocks: &QbdBlocks) -> Result<Self, QueueError> {
        check(blocks)?;
        let QbdBlocks { boundary, enter, leave, up, within, down } = blocks;
        let phase_law = stationary(&(up + within + down))?;
        let drift = phase_law.dot(&(up.column_sum() - down.column_sum()));
        let turnover = phase_law.dot(&(up.column_sum() + down.column_sum()));
        if drift >= -1e-13 * turnover {
            return Err(QueueError::Unstable { growth_per_s: drift.max(0.0) });
        }
        let first_passage = first_passage(up, within, down)?;
        let rate = up * leaving(&(within + up * &first_passage), &down.column_sum())?;
        let m = within.nrows();
        let visits = inverse(DMatrix::identity(m, m) - &rate)?;
        let residual = (up + &rate * within + &rate * &rate * down).amax() / within.amax();
        let (level_0, level_1) = border(boundary, enter, leave, &(within + &rate * down), &visits)?;
        Ok(Self { first_passage, rate, level_0, level_1, visits, residual })
    }

    /// R: times spent in each phase of the next level before the return, per time in this.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/M/1 with ρ = 0.8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::exponential(1.0)?)?;
    /// // ρ.
    /// assert!((queue.chain().rate_matrix()[(0, 0)] - 0.8).abs() < 1e-14);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn rate_matrix(&self) -> &DMatrix<f64> {
        &self.rate
    }

    /// G: the law of the phase in which the next lower level is entered.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/E2/1 with ρ = 0.8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // The next service begins with its first phase.
    /// let found = queue.chain().first_passage() - nalgebra::dmatrix![1.0, 0.0; 1.0, 0.0];
    /// assert!(found.amax() < 1e-14);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn first_passage(&self) -> &DMatrix<f64> {
        &self.first_passage
    }

    /// The greatest entry of A₀ + RA₁ + R²A₂ relative to the greatest of A₁: what rounding left.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/E2/1 with ρ = 0.8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // A few units of rounding.
    /// assert!(queue.chain().residual() < 1e-14);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn residual(&self) -> f64 {
        self.residual
    }

    /// The spectral radius of R, at which probabilities of levels fall: by 60 squarings, ‖R^{2^k}‖^{2^{−k}}.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/H2/1, cv² = 4, ρ = ½: by an independent solver.
    /// let service = fluidsim::queueing::fit::hyperexponential_balanced(1.0, 4.0)?;
    /// let queue = MapPh1::new(&Map::poisson(0.5)?, &service)?;
    /// assert!((queue.chain().spectral_radius() - 0.771699887058).abs() < 1e-11);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn spectral_radius(&self) -> f64 {
        let (mut power, mut log, mut share) = (self.rate.clone(), 0.0, 1.0);
        for _ in 0..60 {
            let size = power.amax();
            if size == 0.0 {
                return 0.0;
            }
            log += share * size.ln();
            power /= size;
            power = &power * &power;
            share *= 0.5;
        }
        log.exp()
    }

    /// πₙ, the probabilities of level n by phase.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/M/1 with ρ = 0.8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::exponential(1.0)?)?;
    /// // One phase: (1 − ρ)ρ².
    /// let law = queue.chain().level(2);
    /// assert!(law.len() == 1 && (law[0] - 0.128).abs() < 1e-13);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn level(&self, n: u64) -> DVector<f64> {
        if n == 0 {
            return self.level_0.clone();
        }
        self.power_times(n - 1)
    }

    /// P(level = n).
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/M/1 with ρ = 0.8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::exponential(1.0)?)?;
    /// // (1 − ρ)ρⁿ.
    /// assert!((queue.chain().probability(1) - 0.16).abs() < 1e-13);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn probability(&self, n: u64) -> f64 {
        self.level(n).sum()
    }

    /// P(level ≥ n).
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/M/1 with ρ = 0.8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::exponential(1.0)?)?;
    /// // ρⁿ.
    /// assert!((queue.chain().tail(3) - 0.512).abs() < 1e-13);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn tail(&self, n: u64) -> f64 {
        if n == 0 {
            return 1.0;
        }
        self.visits.tr_mul(&self.power_times(n - 1)).sum()
    }

    /// Σ_{n≥1} πₙ, by phase.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/E2/1 with ρ = 0.8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // Busy 0.8 of the time, half of it with each phase.
    /// let law = queue.chain().above_boundary();
    /// assert!((law[0] - 0.4).abs() < 1e-13 && (law[1] - 0.4).abs() < 1e-13);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn above_boundary(&self) -> DVector<f64> {
        self.visits.tr_mul(&self.level_1)
    }

    /// E\[level\] = π₁(I − R)^{−2}1.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/E2/1 with ρ = 0.8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::erlang(1.0, 2)?)?;
    /// // Pollaczek–Khinchine: ρ + λ²E[S²]/(2(1 − ρ)) = 0.8 + 0.64·1.5/0.4.
    /// assert!((queue.chain().mean_level() - 3.2).abs() < 1e-12);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn mean_level(&self) -> f64 {
        self.factorial_moment(1)
    }

    /// E\[n(n−1)…(n−k+1)\] = k! π₁R^{k−1}(I − R)^{−k−1}1 of the level n, k ≥ 1; 1 for k = 0.
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/M/1 with ρ = 0.8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::exponential(1.0)?)?;
    /// // Of a geometric law, k!(ρ/(1 − ρ))ᵏ.
    /// assert!((queue.chain().factorial_moment(2) - 32.0).abs() < 1e-11);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn factorial_moment(&self, k: u32) -> f64 {
        if k == 0 {
            return 1.0;
        }
        let mut row = self.above_boundary();
        for i in 1..=k {
            row = self.visits.tr_mul(&row) * f64::from(i);
            if i > 1 {
                row = self.rate.tr_mul(&row);
            }
        }
        row.sum()
    }

    /// Var\[level\].
    ///
    /// ```
    /// # use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
    /// // M/M/1 with ρ = 0.8.
    /// let queue = MapPh1::new(&Map::poisson(0.8)?, &PhaseType::exponential(1.0)?)?;
    /// // ρ/(1 − ρ)².
    /// assert!((queue.chain().level_variance() - 20.0).abs() < 1e-11);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn level_variance(&self) -> f64 {
        let mean = self.mean_level();
        self.factorial_moment(2) + mean - mean * mean
    }

    /// (I − R)^{−1}.
    pub(super) fn visits(&self) -> &DMatrix<f64> {
        &self.visits
    }

    /// π₁Rᵏ by squaring.
    fn power_times(&self, mut k: u64) -> DVector<f64> {
        let (mut row, mut power) = (self.level_1.clone(), self.rate.clone());
        while k > 0 {
            if k & 1 == 1 {
                row = power.tr_mul(&row);
            }
            k >>= 1;
            if k > 0 {
                power = &power * &power;
            }
        }
        row
    }
}

/// G by logarithmic reduction: each step doubles the levels that are looked ahead. Rows of both steps together sum to 1, and those of G
/// do; held to it, digits are not lost as the drift nears 0.
fn first_passage(up: &DMatrix<f64>, within: &DMatrix<f64>, down: &DMatrix<f64>) -> Result<DMatrix<f64>, QueueError> {
    let local = leaving(within, &(up.column_sum() + down.column_sum()))?;
    let (mut high, mut low) = (&local * up, &local * down);
    let (mut sum, mut climbed) = (low.clone(), high.clone());
    for _ in 0..64 {
        let (twice_high, twice_low) = (&high * &high, &low * &low);
        let moves = twice_high.column_sum() + twice_low.column_sum();
        let back = leaving(&(&high * &low + &low * &high), &moves)?;
        high = &back * twice_high;
        low = &back * twice_low;
        let rows = high.column_sum() + low.column_sum();
        normalize(&mut high, &rows);
        normalize(&mut low, &rows);
        let step = &climbed * &low;
        sum += &step;
        climbed = &climbed * &high;
        if step.amax() <= 1e-17 || climbed.amax() <= 1e-17 {
            break;
        }
    }
    let rows = sum.column_sum();
    normalize(&mut sum, &rows);
    Ok(sum)
}

fn normalize(matrix: &mut DMatrix<f64>, sums: &DVector<f64>) {
    for (mut row, sum) in matrix.row_iter_mut().zip(sums) {
        row /= *sum;
    }
}

/// The inverse of M, where M has the given row sums and off the diagonal the negative of `moves`.
fn leaving(moves: &DMatrix<f64>, sums: &DVector<f64>) -> Result<DMatrix<f64>, QueueError> {
    let mut matrix = -moves;
    for i in 0..matrix.nrows() {
        matrix[(i, i)] = 0.0;
        matrix[(i, i)] = sums[i] - matrix.row(i).sum();
    }
    inverse(matrix)
}

/// π₀ and π₁ from the balance of the lowest two levels and the sum of all probabilities.
fn border(
    boundary: &DMatrix<f64>,
    enter: &DMatrix<f64>,
    leave: &DMatrix<f64>,
    lowest: &DMatrix<f64>,
    visits: &DMatrix<f64>,
) -> Result<(DVector<f64>, DVector<f64>), QueueError> {
    let (n, m) = enter.shape();
    let mut balance = DMatrix::zeros(n + m, n + m);
    balance.view_mut((0, 0), (n, n)).copy_from(boundary);
    balance.view_mut((0, n), (n, m)).copy_from(enter);
    balance.view_mut((n, 0), (m, n)).copy_from(leave);
    balance.view_mut((n, n), (m, m)).copy_from(lowest);
    let mut weights = DVector::from_element(n + m, 1.0);
    weights.rows_mut(n, m).copy_from(&visits.column_sum());
    let both = left_null(&balance, &weights).ok_or(QueueError::Parameter {
        name: "boundary",
        value: 0.0,
        must: "of one recurrent class with the levels above",
    })?;
    Ok((both.rows(0, n).into_owned(), both.rows(n, m).into_owned()))
}

fn inverse(matrix: DMatrix<f64>) -> Result<DMatrix<f64>, QueueError> {
    let singular =
        QueueError::Parameter { name: "blocks", value: 0.0, must: "such that level 0 is reached from each phase" };
    matrix.try_inverse().filter(|inverse| inverse.iter().all(|x| x.is_finite())).ok_or(singular)
}

fn check(blocks: &QbdBlocks) -> Result<(), QueueError> {
    let QbdBlocks { boundary, enter, leave, up, within, down } = blocks;
    let (n, m) = (boundary.nrows(), within.nrows());
    let shapes = [
        ("boundary", boundary, (n, n)),
        ("enter", enter, (n, m)),
        ("leave", leave, (m, n)),
        ("up", up, (m, m)),
        ("within", within, (m, m)),
        ("down", down, (m, m)),
    ];
    for (name, block, shape) in shapes {
        if block.shape() != shape || shape.0 == 0 || shape.1 == 0 {
            return Err(QueueError::Parameter {
                name,
                value: block.nrows() as f64,
                must: "of a size that fits the other blocks",
            });
        }
        if let Some(value) = block.iter().find(|x| !x.is_finite()) {
            return Err(QueueError::Parameter { name, value: *value, must: "finite in every entry" });
        }
        if name == "boundary" || name == "within" {
            rates_off_diagonal(name, block)?;
        } else if let Some(value) = block.iter().find(|x| **x < 0.0) {
            return Err(QueueError::Parameter { name, value: *value, must: "at least 0" });
        }
    }
    let sums = [
        ("boundary", boundary.column_sum() + enter.column_sum(), boundary),
        ("within", leave.column_sum() + within.column_sum() + up.column_sum(), within),
        ("down", down.column_sum() + within.column_sum() + up.column_sum(), within),
    ];
    for (name, sum, diagonal) in sums {
        for (i, value) in sum.iter().enumerate() {
            if value.abs() > 1e-9 * diagonal[(i, i)].abs().max(f64::MIN_POSITIVE) {
                return Err(QueueError::Parameter {
                    name,
                    value: *value,
                    must: "such that rates out of each state sum to 0",
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::markov::Mmc;
    use approx::assert_relative_eq;

    /// M/M/c with the states below c in level 0.
    fn mmc(arrivals: f64, servers: usize) -> QbdBlocks {
        let one = |x| DMatrix::from_element(1, 1, x);
        let n = servers;
        let mut boundary = DMatrix::zeros(n, n);
        for k in 0..n {
            boundary[(k, k)] = -arrivals - k as f64;
            if k + 1 < n {
                boundary[(k, k + 1)] = arrivals;
                boundary[(k + 1, k)] = (k + 1) as f64;
            }
        }
        let last = |i| if i == n - 1 { 1.0 } else { 0.0 };
        QbdBlocks {
            boundary,
            enter: DMatrix::from_fn(n, 1, |i, _| arrivals * last(i)),
            leave: DMatrix::from_fn(1, n, |_, j| n as f64 * last(j)),
            up: one(arrivals),
            within: one(-arrivals - n as f64),
            down: one(n as f64),
        }
    }

    #[test]
    fn levels_above_a_wide_boundary_are_erlangs() {
        for (arrivals, servers) in [(1.4, 2), (9.0, 10), (27.0, 30)] {
            let chain = Qbd::new(&mmc(arrivals, servers)).unwrap();
            let queue = Mmc::new(arrivals, 1.0, servers as u64).unwrap();
            assert_relative_eq!(chain.tail(1), queue.delay_probability(), max_relative = 1e-12);
            // The level counts from c: mean waiting is E[level] less the probability of a wait.
            assert_relative_eq!(chain.mean_level() - chain.tail(1), queue.mean_waiting(), max_relative = 1e-11);
            assert!(chain.residual() < 1e-15);
        }
    }

    #[test]
    fn moments_and_tails_are_sums_over_levels() {
        let chain = Qbd::new(&mmc(1.4, 2)).unwrap();
        let sum =
            |f: &dyn Fn(f64) -> f64| (0..400_u32).map(|n| f(f64::from(n)) * chain.probability(n.into())).sum::<f64>();
        assert_relative_eq!(sum(&|_| 1.0), 1.0, max_relative = 1e-12);
        assert_relative_eq!(sum(&|n| n), chain.mean_level(), max_relative = 1e-12);
        assert_relative_eq!(sum(&|n| n * (n - 1.0) * (n - 2.0)), chain.factorial_moment(3), max_relative = 1e-12);
        assert_relative_eq!(chain.tail(3) - chain.tail(4), chain.probability(3), max_relative = 1e-12);
        let spread = sum(&|n| n * n) - chain.mean_level().powi(2);
        assert_relative_eq!(spread, chain.level_variance(), max_relative = 1e-11);
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        assert_eq!(Qbd::new(&mmc(3.0, 2)), Err(QueueError::Unstable { growth_per_s: 1.0 }));
        assert_eq!(Qbd::new(&mmc(2.0, 2)), Err(QueueError::Unstable { growth_per_s: 0.0 }));
        let fine = mmc(1.0, 2);
        let zero = DMatrix::zeros(1, 1);
        let bad = |change: &dyn Fn(&mut QbdBlocks)| {
            let mut blocks = fine.clone();
            change(&mut blocks);
            matches!(Qbd::new(&blocks), Err(QueueError::Parameter { .. }))
        };
        assert!(bad(&|b| b.up = zero.clone()) && bad(&|b| b.down = DMatrix::zeros(2, 2)));
        assert!(bad(&|b| b.up[(0, 0)] = -1.0) && bad(&|b| b.within[(0, 0)] = f64::NAN));
        assert!(bad(&|b| b.boundary[(0, 1)] = 7.0));
    }
}
