//! The wait and the sojourn in a queue whose levels are customers in line.
//!
//! An arrival meets level n ≥ 1 with the phases πₙB and waits until n services have ended, the first from the phase it found. The time
//! is thus P(W > t) = u Y(t) 1 with u = π₁(I − R)^{−1}, Y(0) = B, Y′ = YS + RYsβ: of n services k < n are over with the matrix of
//! counts N(k, t), and Σ_{n>k} R^{n−1} = (I − R)^{−1}R^k. The wait ends at the rate π₁Y(t)s, and the own service begins. Compare Sengupta
//! (1989), Advances in Applied Probability 21:159–180, who shows the wait to be of matrix-exponential form. No term is negative, so
//! uniformisation loses no digits.

use nalgebra::{DMatrix, DVector};

use super::ph::PhaseType;
use super::qbd::Qbd;
use super::uniformization::{Series, fastest};

/// What an arrival meets, and how the line moves.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    /// π₁.
    first: DVector<f64>,
    /// u = π₁(I − R)^{−1}.
    seen: DVector<f64>,
    /// R.
    rate: DMatrix<f64>,
    /// B: from the phases of a level to those of the service that an arrival finds, per arrival.
    join: DMatrix<f64>,
    /// Between two departures while customers wait.
    between: PhaseType,
    own: PhaseType,
    /// The probability of no wait.
    at_once: f64,
    mean_wait_s: f64,
}

impl Line {
    pub(super) fn new(chain: &Qbd, join: DMatrix<f64>, between: PhaseType, own: PhaseType, at_once: f64) -> Self {
        let (first, seen, rate) = (chain.level(1), chain.above_boundary(), chain.rate_matrix().clone());
        let rest = remaining_means(&between);
        let later = &rate * (chain.visits() * join.column_sum());
        // ∫Y(t)1dt = B(−S)⁻¹1 + R(I − R)⁻¹B1 E[S].
        let mean_wait_s = seen.dot(&(&join * rest + later * between.mean_s()));
        Self { first, seen, rate, join, between, own, at_once, mean_wait_s }
    }

    pub(super) fn wait_probability(&self) -> f64 {
        self.seen.dot(&self.join.column_sum())
    }

    pub(super) fn mean_wait_s(&self) -> f64 {
        self.mean_wait_s
    }

    pub(super) fn mean_sojourn_s(&self) -> f64 {
        self.mean_wait_s + self.own.mean_s()
    }

    pub(super) fn wait_survival(&self, t_s: f64) -> f64 {
        self.waits().at(t_s).0.min(1.0)
    }

    pub(super) fn wait_quantile_s(&self, p: f64) -> f64 {
        self.waits().quantile(p, self.mean_wait_s.max(self.own.mean_s()))
    }

    pub(super) fn sojourn_survival(&self, t_s: f64) -> f64 {
        self.sojourns().at(t_s).0.min(1.0)
    }

    pub(super) fn sojourn_quantile_s(&self, p: f64) -> f64 {
        self.sojourns().quantile(p, self.mean_sojourn_s())
    }

    /// Y after each jump of the uniformised line.
    fn lines(&self, rate: f64) -> impl Iterator<Item = DMatrix<f64>> {
        let m = self.between.phases();
        let stay = DMatrix::identity(m, m) + self.between.rates() / rate;
        let done = self.between.exit() / rate;
        std::iter::successors(Some(self.join.clone()), move |line| {
            let next = &self.rate * (line * &done) * self.between.start().transpose();
            Some(line * &stay + next)
        })
    }

    fn waits(&self) -> Series<impl Iterator<Item = (f64, f64)>> {
        let rate = fastest(self.between.rates());
        let term = |line: DMatrix<f64>| {
            let ends = &line * self.between.exit();
            (self.seen.dot(&line.column_sum()), self.first.dot(&ends))
        };
        Series::new(rate, self.lines(rate).map(term))
    }

    fn sojourns(&self) -> Series<impl Iterator<Item = (f64, f64)>> {
        let rate = fastest(self.between.rates()).max(fastest(self.own.rates()));
        let m = self.own.phases();
        let stay = (DMatrix::identity(m, m) + self.own.rates() / rate).transpose();
        let mut served = self.own.start() * self.at_once;
        let term = move |line: DMatrix<f64>| {
            let begin = self.first.dot(&(&line * self.between.exit())) / rate;
            let here = (self.seen.dot(&line.column_sum()) + served.sum(), served.dot(self.own.exit()));
            served = &stay * &served + self.own.start() * begin;
            here
        };
        Series::new(rate, self.lines(rate).map(term))
    }
}

/// (−T)^{−1}1, the mean time left from each phase.
fn remaining_means(law: &PhaseType) -> DVector<f64> {
    let ones = DVector::from_element(law.phases(), 1.0);
    (-law.rates()).lu().solve(&ones).unwrap_or(ones)
}
