//! The law of the wait in M/G/1, first come, first served, and its quantiles.
//!
//! Ŵ(s) = (1 − ρ)/(1 − ρB̂ₑ(s)), B̂ₑ the transform of the excess of service (Pollaczek and Khinchine; Kleinrock 1975, *Queueing Systems*
//! vol. 1, §5.7). Constant service is solved by positive terms ([`Md1`]), Erlang and hyperexponential service by
//! roots and partial fractions, all to rounding. For any other law the transform is inverted numerically
//! ([`inversion`](super::inversion)); the first terms of the geometric sum (1 − ρ)Σρⁿ·P(Eₙ > t), which carry the atom at 0 and
//! the worst kinks, are taken out before and added in closed form. What remains errs by about 1e-10, absolutely.

use nalgebra::Complex;

use super::exponential_sum::{self, MOST_PHASES, Terms, sum_at};
use super::inversion::{SMOOTH, fourier_sum};
use super::{Md1, Mg1};
use crate::queueing::Law;
use crate::queueing::error::{QueueError, not_negative, probability_below_one};
use crate::queueing::law::Shape;
use crate::queueing::root::{time_at_level, time_near_level};

/// Terms of the inversion for a law with kinks: of the wait, whose kinks are weak, and of the time in system.
const KINKED: (u32, u32) = (1500, 12_000);

/// Relative accuracy of a quantile by inversion.
const INVERTED: f64 = 1e-11;

/// How a law was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// A closed form: exact to rounding.
    Exact,
    /// Numerical inversion of the transform: to about 1e-10, absolutely.
    Inversion,
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Exact => "exact",
            Self::Inversion => "inversion",
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Form {
    /// Nobody arrives.
    Idle,
    Constant(Md1),
    Sum(Terms),
    Inverted,
}

/// The stationary wait and time in system of a stable M/G/1 queue.
///
/// ```
/// use fluidsim::queueing::general::{Method, Mg1Wait};
/// use fluidsim::queueing::Law;
/// // M/H2/1 with balanced means, cv² = 4, ρ = .8: the p99 by partial fractions with mpmath.
/// let queue = Mg1Wait::new(0.8, &Law::hyperexponential_balanced(1.0, 4.0)?)?;
/// assert_eq!(queue.method(), Method::Exact);
/// assert!((queue.wait_quantile_s(0.99)? - 60.0126072131).abs() < 1e-8);
/// // Any law will do: this one by inversion.
/// let queue = Mg1Wait::new(0.8, &Law::lognormal(1.0, 4.0)?)?;
/// assert_eq!(queue.method().to_string(), "inversion");
/// assert!((queue.wait_cdf(0.0) - 0.2).abs() < 1e-12);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Mg1Wait {
    arrivals_per_s: f64,
    service: Law,
    utilization: f64,
    form: Form,
}

impl Mg1Wait {
    /// The queue with arrival rate λ per second and any service law, a variance of which need not exist.
    ///
    /// # Errors
    /// [`QueueError::Unstable`] with growth λ − 1/E\[S\] when ρ ≥ 1; [`QueueError::Parameter`] for a rate out of range.
    pub fn new(arrivals_per_s: f64, service: &Law) -> Result<Self, QueueError> {
        not_negative("arrivals_per_s", arrivals_per_s)?;
        let utilization = arrivals_per_s * service.mean_s();
        if utilization >= 1.0 {
            return Err(QueueError::Unstable { growth_per_s: arrivals_per_s - 1.0 / service.mean_s() });
        }
        let form = match service.shape() {
            _ if arrivals_per_s == 0.0 => Form::Idle,
            Shape::Constant { time_s } => Form::Constant(Md1::new(arrivals_per_s, *time_s)?),
            Shape::Hyperexponential { branches } => {
                Form::Sum(exponential_sum::hyperexponential(arrivals_per_s, branches))
            }
            Shape::Gamma { shape, .. } => match whole(*shape) {
                Some(phases) => Form::Sum(exponential_sum::erlang(arrivals_per_s, phases, service.mean_s())),
                None => Form::Inverted,
            },
            _ => Form::Inverted,
        };
        Ok(Self { arrivals_per_s, service: service.clone(), utilization, form })
    }

    /// The same queue solved by inversion whatever the law is, as a check of either way by the other.
    ///
    /// # Errors
    /// As [`Mg1Wait::new`].
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1Wait};
    /// let queue = Mg1Wait::by_inversion(0.5, &Law::exponential(1.0)?)?;
    /// // M/M/1: ln(ρ/(1 − p))/(μ − λ).
    /// assert!((queue.wait_quantile_s(0.9)? - 2.0 * 5f64.ln()).abs() < 1e-8);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn by_inversion(arrivals_per_s: f64, service: &Law) -> Result<Self, QueueError> {
        let form = if arrivals_per_s == 0.0 { Form::Idle } else { Form::Inverted };
        Ok(Self { form, ..Self::new(arrivals_per_s, service)? })
    }

    /// How the law of the wait is computed.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::{Method, Mg1Wait}};
    /// let queue = Mg1Wait::new(0.5, &Law::lognormal(1.0, 4.0)?)?;
    /// // No closed form is known.
    /// assert_eq!(queue.method(), Method::Inversion);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn method(&self) -> Method {
        if self.form == Form::Inverted { Method::Inversion } else { Method::Exact }
    }

    /// ρ = λE\[S\].
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1Wait};
    /// let queue = Mg1Wait::new(0.5, &Law::erlang(1.0, 2)?)?;
    /// // λE[S].
    /// assert!((queue.utilization() - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn utilization(&self) -> f64 {
        self.utilization
    }

    /// P(Wq > 0) = ρ.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1Wait};
    /// let queue = Mg1Wait::new(0.5, &Law::erlang(1.0, 2)?)?;
    /// // ρ.
    /// assert!((queue.wait_probability() - 0.5).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_probability(&self) -> f64 {
        self.utilization
    }

    /// The means and variances of the queue.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] where E\[S²\] is infinite, and the mean wait with it.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1Wait};
    /// let queue = Mg1Wait::new(0.5, &Law::exponential(1.0)?)?;
    /// // M/M/1: ρ/(μ − λ).
    /// assert!((queue.moments()?.mean_wait_s() - 1.0).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn moments(&self) -> Result<Mg1, QueueError> {
        Mg1::of(self.arrivals_per_s, &self.service)
    }

    /// P(Wq ≤ t), `t_s` in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1Wait};
    /// let queue = Mg1Wait::new(0.5, &Law::erlang(1.0, 2)?)?;
    /// // The 95 % quantile with mpmath.
    /// assert!((queue.wait_cdf(3.34185868693) - 0.95).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_cdf(&self, t_s: f64) -> f64 {
        1.0 - self.wait_survival(t_s)
    }

    /// P(Wq > t), `t_s` in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1Wait};
    /// let queue = Mg1Wait::new(0.5, &Law::erlang(1.0, 2)?)?;
    /// // The 99 % quantile with mpmath.
    /// assert!((queue.wait_survival(5.57973694547) - 0.01).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_survival(&self, t_s: f64) -> f64 {
        if t_s.is_nan() || t_s < 0.0 {
            return 1.0;
        }
        match &self.form {
            _ if t_s == 0.0 => self.utilization,
            Form::Idle => 0.0,
            Form::Constant(queue) => queue.wait_survival(t_s),
            Form::Sum(terms) => sum_at(terms, t_s).clamp(0.0, 1.0),
            Form::Inverted => self.inverted_wait(t_s),
        }
    }

    /// P(W ≤ t) of the time in system W = Wq + S, `t_s` in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1Wait};
    /// let queue = Mg1Wait::new(0.5, &Law::exponential(1.0)?)?;
    /// // M/M/1: 1 − e^(−(μ − λ)t).
    /// assert!((queue.sojourn_cdf(2.0) - (1.0 - (-1f64).exp())).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sojourn_cdf(&self, t_s: f64) -> f64 {
        1.0 - self.sojourn_survival(t_s)
    }

    /// P(W > t) of the time in system, `t_s` in seconds.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1Wait};
    /// let queue = Mg1Wait::new(0.5, &Law::exponential(1.0)?)?;
    /// // M/M/1: e^(−(μ − λ)t).
    /// assert!((queue.sojourn_survival(2.0) - (-1f64).exp()).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sojourn_survival(&self, t_s: f64) -> f64 {
        if t_s.is_nan() || t_s <= 0.0 {
            return 1.0;
        }
        match (&self.form, self.service.shape()) {
            (Form::Idle, _) => self.service.survival(t_s),
            (_, Shape::Constant { time_s }) => self.wait_survival(t_s - time_s),
            (Form::Sum(terms), _) => {
                let factor = |s: Complex<f64>| (self.arrivals_per_s + s) / self.arrivals_per_s;
                terms.iter().map(|&(c, s)| (c * factor(s) * (-s * t_s).exp()).re).sum::<f64>().clamp(0.0, 1.0)
            }
            _ => self.inverted_sojourn(t_s),
        }
    }

    /// The `p` quantile of the wait, seconds; 0 for p ≤ 1 − ρ. By inversion a quantile is as good as 1e-10/(1 − p) of the
    /// probability beyond it: p = 1 − 1e-6 has four digits of that.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless 0 ≤ p < 1.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1Wait};
    /// let queue = Mg1Wait::new(0.5, &Law::erlang(1.0, 2)?)?;
    /// // A sum of two exponentials, with mpmath.
    /// assert!((queue.wait_quantile_s(0.95)? - 3.34185868693).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn wait_quantile_s(&self, p: f64) -> Result<f64, QueueError> {
        let beyond = 1.0 - probability_below_one("p", p)?;
        if beyond >= self.utilization {
            return Ok(0.0);
        }
        Ok(self.time_of(&|t| self.wait_survival(t), beyond))
    }

    /// The `p` quantile of the time in system, seconds.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless 0 ≤ p < 1.
    ///
    /// ```
    /// # use fluidsim::queueing::{Law, general::Mg1Wait};
    /// let queue = Mg1Wait::new(0.5, &Law::exponential(1.0)?)?;
    /// // M/M/1: −ln(1 − p)/(μ − λ).
    /// assert!((queue.sojourn_quantile_s(0.9)? - 2.0 * 10f64.ln()).abs() < 1e-9);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn sojourn_quantile_s(&self, p: f64) -> Result<f64, QueueError> {
        let beyond = 1.0 - probability_below_one("p", p)?;
        if let Form::Idle = self.form {
            return self.service.quantile_s(p);
        }
        if let Shape::Constant { time_s } = self.service.shape() {
            return Ok(time_s + self.wait_quantile_s(p)?);
        }
        if p == 0.0 {
            return self.service.quantile_s(p);
        }
        Ok(self.time_of(&|t| self.sojourn_survival(t), beyond))
    }

    /// When a survival function has fallen to `level`: to the last digits, or as far as an inversion carries.
    fn time_of(&self, survival: &dyn Fn(f64) -> f64, level: f64) -> f64 {
        let scale_s = self.service.mean_s();
        match self.form {
            Form::Inverted => time_near_level(survival, level, scale_s, INVERTED),
            _ => time_at_level(survival, level, scale_s),
        }
    }

    /// (1 − ρ)ρ·P(E > t) in closed form, E the excess of one service, and the sums of two and more inverted:
    /// ρ²(1 − Ê)(1 + (1 − ρ)Ê)/((1 − ρÊ)s).
    fn inverted_wait(&self, t_s: f64) -> f64 {
        let rho = self.utilization;
        let mean_s = self.service.mean_s();
        let rest = |s: Complex<f64>| {
            let excess = self.service.transform_complement(s) / (s * mean_s);
            (1.0 - excess) * (1.0 + (1.0 - rho) * excess) / ((1.0 - rho * excess) * s)
        };
        let one = 1.0 - self.service.mean_up_to(t_s) / mean_s;
        let terms = if self.has_kinks() { KINKED.0 } else { SMOOTH };
        ((1.0 - rho) * rho * one + rho * rho * fourier_sum(&rest, t_s, terms)).clamp(0.0, 1.0)
    }

    /// (1 − ρ)·P(S > t), and what waits inverted: ρ(1 − Ê + (1 − ρ)Ê(1 − B̂))/((1 − ρÊ)s).
    fn inverted_sojourn(&self, t_s: f64) -> f64 {
        let rho = self.utilization;
        let mean_s = self.service.mean_s();
        let rest = |s: Complex<f64>| {
            let complement = self.service.transform_complement(s);
            let excess = complement / (s * mean_s);
            (1.0 - excess + (1.0 - rho) * excess * complement) / ((1.0 - rho * excess) * s)
        };
        let terms = if self.has_kinks() { KINKED.1 } else { SMOOTH };
        ((1.0 - rho) * self.service.survival(t_s) + rho * fourier_sum(&rest, t_s, terms)).clamp(0.0, 1.0)
    }

    /// Whether the density of service jumps.
    fn has_kinks(&self) -> bool {
        matches!(self.service.shape(), Shape::Constant { .. } | Shape::Uniform { .. } | Shape::Pareto { .. })
    }
}

/// The number of phases where a gamma law is an Erlang law of at most [`MOST_PHASES`].
fn whole(shape: f64) -> Option<u32> {
    let near = shape.round();
    ((shape - near).abs() <= 1e-12 * shape && (1.0..=f64::from(MOST_PHASES)).contains(&near)).then_some(near as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Mean service 1: ρ, E Wq, p90, p95, p99 by partial fractions with mpmath. H₂ has balanced means and cv² = 4.
    const H2: [[f64; 5]; 3] = [
        [0.5, 2.5, 8.54240621876, 13.2282625817, 24.1087041261],
        [0.8, 10.0, 27.513050194, 37.2963917026, 60.0126072131],
        [0.9, 22.5, 56.6881890753, 75.097269099, 117.841829207],
    ];
    const E2: [[f64; 5]; 2] = [
        [0.5, 0.75, 2.3772564538, 3.34185868693, 5.57973694547],
        [0.8, 3.0, 7.70700760552, 10.242756528, 16.1305831923],
    ];

    fn table() -> Vec<(Law, [f64; 5])> {
        let (hyper, erlang) = (Law::hyperexponential_balanced(1.0, 4.0).unwrap(), Law::erlang(1.0, 2).unwrap());
        H2.map(|row| (hyper.clone(), row)).into_iter().chain(E2.map(|row| (erlang.clone(), row))).collect()
    }

    fn others() -> [Law; 7] {
        [
            Law::gamma(1.0, 0.4),
            Law::gamma(1.0, 3.0),
            Law::lognormal(1.0, 0.25),
            Law::lognormal(1.0, 4.0),
            Law::weibull(1.0, 0.5),
            Law::uniform(0.5, 1.5),
            Law::pareto(1.0, 2.5),
        ]
        .map(Result::unwrap)
    }

    #[test]
    fn the_tables_are_met_exactly_and_by_inversion() {
        for (law, row) in table() {
            let exact = Mg1Wait::new(row[0], &law).unwrap();
            let inverted = Mg1Wait::by_inversion(row[0], &law).unwrap();
            assert_eq!((exact.method(), inverted.method()), (Method::Exact, Method::Inversion));
            assert_relative_eq!(exact.moments().unwrap().mean_wait_s(), row[1], max_relative = 1e-10);
            for (p, expected) in [0.9, 0.95, 0.99].into_iter().zip(&row[2..]) {
                assert_relative_eq!(exact.wait_quantile_s(p).unwrap(), *expected, max_relative = 1e-10);
                assert_relative_eq!(inverted.wait_quantile_s(p).unwrap(), *expected, max_relative = 1e-8);
            }
        }
    }

    #[test]
    fn inversion_is_the_exact_law() {
        let laws = [
            Law::constant(1.0),
            Law::exponential(1.0),
            Law::erlang(1.0, 3),
            Law::erlang(1.0, 50),
            Law::hyperexponential(&[(0.3, 0.5), (0.5, 2.0), (0.2, 4.0 / 3.0)]),
        ];
        let mut worst: f64 = 0.0;
        for law in laws.map(Result::unwrap) {
            for utilization in [0.05, 0.5, 0.8, 0.95] {
                let rate = utilization / law.mean_s();
                let (exact, inverted) = (Mg1Wait::new(rate, &law).unwrap(), Mg1Wait::by_inversion(rate, &law).unwrap());
                for t in [0.01, 0.3, 0.95, 1.0, 1.7, 4.0, 11.0, 40.0] {
                    worst = worst.max((exact.wait_survival(t) - inverted.wait_survival(t)).abs());
                    worst = worst.max((exact.sojourn_survival(t) - inverted.sojourn_survival(t)).abs());
                }
            }
        }
        assert!(worst < 1e-9, "{worst:e}");
    }

    /// Mean 1: law, ρ, P(Wq > t) and P(W > t) at t = .2, 1, 5, 20, by inversion with mpmath at 30 digits (A = 44, its own quadrature).
    #[test]
    fn laws_without_a_closed_form() {
        #[rustfmt::skip]
        let rows = [
            (Law::lognormal(1.0, 4.0), 0.5, [0.45379735309239, 0.33965178563982, 0.14134175360354, 0.022324000499032], [0.86272585334311, 0.54703393190953, 0.1906290828331, 0.026482782296044]),
            (Law::lognormal(1.0, 4.0), 0.9, [0.88268832100904, 0.83134756923017, 0.67476966394243, 0.36987666638868], [0.97156531895159, 0.89160718556273, 0.70919298195622, 0.38510432173433]),
            (Law::lognormal(1.0, 0.25), 0.5, [0.44741897157418, 0.23349289585478, 0.0067180098494503, 1.2657099588542e-8], [0.99961567802957, 0.65226601809129, 0.018571131817576, 3.4811688917702e-8]),
            (Law::lognormal(1.0, 0.25), 0.9, [0.88027988432604, 0.77889293397705, 0.4059249952741, 0.035318250673112], [0.99992242103514, 0.92051162664128, 0.47934729056858, 0.041706311503187]),
            (Law::weibull(1.0, 0.5), 0.5, [0.46550154371218, 0.3803641564286, 0.1895756603226, 0.028485466438147], [0.7536305893601, 0.54761636098233, 0.24677070393575, 0.034904624646844]),
            (Law::weibull(1.0, 0.5), 0.9, [0.88717993083866, 0.85116425213414, 0.7294095974291, 0.44675429960953], [0.94868808588927, 0.89461357586225, 0.75795668527562, 0.46245240376995]),
        ];
        for (law, utilization, wait, sojourn) in rows {
            let queue = Mg1Wait::new(utilization, &law.unwrap()).unwrap();
            for (i, t) in [0.2, 1.0, 5.0, 20.0].into_iter().enumerate() {
                let errors = [queue.wait_survival(t) - wait[i], queue.sojourn_survival(t) - sojourn[i]];
                assert!(
                    errors.iter().all(|e| e.abs() < 5e-10),
                    "{:?} ρ = {utilization}, t = {t}: {errors:?}",
                    queue.service
                );
            }
        }
    }

    #[test]
    fn exponential_service_is_mm1() {
        let queue = Mg1Wait::new(0.7, &Law::exponential(1.0).unwrap()).unwrap();
        assert_relative_eq!(queue.wait_quantile_s(0.95).unwrap(), (0.7f64 / 0.05).ln() / 0.3, max_relative = 1e-12);
        assert_relative_eq!(queue.sojourn_quantile_s(0.95).unwrap(), 20.0f64.ln() / 0.3, max_relative = 1e-12);
    }

    #[test]
    fn uniform_service_before_the_second_kink() {
        // From the renewal equation: (1 − ρ)e^{λt} up to the shortest service l, and in closed form up to 2l.
        let law = Law::uniform(0.5, 1.5).unwrap();
        for utilization in [0.3, 0.8, 0.95] {
            let queue = Mg1Wait::new(utilization, &law).unwrap();
            let free = |t: f64| (utilization * t).exp();
            for t in [0.1, 0.49, 0.5, 0.51, 0.75, 0.99, 1.0] {
                let late = if t > 0.5 { (t - 0.5) * free(t - 0.5) - (free(t - 0.5) - 1.0) / utilization } else { 0.0 };
                let expected = (1.0 - utilization) * (free(t) - late);
                let error = queue.wait_cdf(t) - expected;
                assert!(error.abs() < 1e-9, "ρ = {utilization}, t = {t}: off by {error:e}");
            }
        }
    }

    #[test]
    fn pareto_service_before_the_second_kink() {
        let law = Law::pareto(1.0, 1.5).unwrap();
        let least = 1.0 / 3.0;
        for utilization in [0.3, 0.8] {
            let queue = Mg1Wait::new(utilization, &law).unwrap();
            let free = |t: f64| (1.0 - utilization) * (utilization * t).exp();
            for t in [0.1f64, 0.33, 0.4, 0.6] {
                // F = free(t) − λ∫ e^{λ(t−x)} ∫ free(x − u) dB(u) dx; the inner integral and the outer may be changed about.
                let cells = 20_000;
                let width = (t - least).max(0.0) / f64::from(cells);
                let late: f64 = (0..cells)
                    .map(|i| {
                        let u = least + (f64::from(i) + 0.5) * width;
                        width * law.density(u) * free(t - u) * (t - u) * utilization
                    })
                    .sum();
                let error = queue.wait_cdf(t) - (free(t) - late);
                assert!(error.abs() < 2e-9, "ρ = {utilization}, t = {t}: off by {error:e}");
            }
        }
    }

    #[test]
    fn what_the_law_gives_is_the_mean_of_the_formula() {
        for law in others().iter().take(6) {
            let queue = Mg1Wait::new(0.6, law).unwrap();
            let moments = queue.moments().unwrap();
            for (mean, survival) in [
                (moments.mean_wait_s(), &(|t| queue.wait_survival(t)) as &dyn Fn(f64) -> f64),
                (moments.mean_sojourn_s(), &|t| queue.sojourn_survival(t)),
            ] {
                // ∫ P(> t) dt with t = e^w, Simpson.
                let (from, to, cells) = (-9.0, 6.5, 240);
                let width = (to - from) / f64::from(cells);
                let sum: f64 = (0..=cells)
                    .map(|i| {
                        let t = (from + f64::from(i) * width).exp();
                        let weight = if i == 0 || i == cells { 1.0 } else { f64::from(2 + 2 * (i % 2)) };
                        weight * t * survival(t) * width / 3.0
                    })
                    .sum::<f64>()
                    + f64::exp(from) * survival(f64::exp(from));
                assert_relative_eq!(sum, mean, max_relative = 2e-4);
            }
        }
    }

    #[test]
    fn heavy_tails_come_from_one_long_service() {
        // P(Wq > t) ~ ρ/(1 − ρ)·P(E > t): Cohen (1973), Journal of Applied Probability 10:343–353.
        let law = Law::pareto(1.0, 1.5).unwrap();
        let queue = Mg1Wait::new(0.5, &law).unwrap();
        assert!(queue.moments().is_err());
        let ratio = |t: f64| queue.wait_survival(t) / (1.0 - law.mean_up_to(t));
        assert!((ratio(1e4) - 1.0).abs() < 0.05 && (ratio(1e6) - 1.0).abs() < (ratio(1e4) - 1.0).abs());
    }

    #[test]
    fn laws_are_monotone_and_their_quantiles_invert_them() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for law in others() {
            let utilization: f64 = 0.1 + 0.8 * rng.random::<f64>();
            let queue = Mg1Wait::new(utilization, &law).unwrap();
            let busier = Mg1Wait::new(0.5 + 0.5 * utilization, &law).unwrap();
            let mut last = 1.0;
            for t in [0.0, 0.1, 0.4, 0.9, 2.0, 5.0, 15.0] {
                let here = queue.wait_survival(t);
                assert!(here <= last + 1e-9 && here <= queue.sojourn_survival(t) + 1e-9);
                assert!(here < busier.wait_survival(t));
                last = here;
            }
            for p in [0.95, 0.99] {
                let (wait, sojourn) = (queue.wait_quantile_s(p).unwrap(), queue.sojourn_quantile_s(p).unwrap());
                assert!((queue.wait_survival(wait) - (1.0 - p)).abs() < 1e-9 || wait == 0.0);
                assert!((queue.sojourn_survival(sojourn) - (1.0 - p)).abs() < 1e-9);
                assert!(sojourn > wait);
            }
        }
    }

    #[test]
    fn an_idle_queue_serves_at_once() {
        for law in others() {
            let queue = Mg1Wait::new(0.0, &law).unwrap();
            assert_eq!((queue.wait_cdf(0.0), queue.wait_quantile_s(0.99)), (1.0, Ok(0.0)));
            assert_eq!(queue.sojourn_quantile_s(0.7), law.quantile_s(0.7));
        }
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        let law = Law::lognormal(2.0, 1.0).unwrap();
        assert!(
            matches!(Mg1Wait::new(1.5, &law), Err(QueueError::Unstable { growth_per_s }) if (growth_per_s - 1.0).abs() < 1e-12)
        );
        for bad in [-0.1, f64::NAN, f64::INFINITY] {
            assert!(matches!(Mg1Wait::new(bad, &law), Err(QueueError::Parameter { .. })));
            assert!(Mg1Wait::new(0.1, &law).unwrap().wait_quantile_s(bad).is_err());
        }
        assert_eq!(Mg1Wait::new(0.1, &law).unwrap().wait_cdf(f64::NAN), 0.0);
    }
}
