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
use crate::queueing::error::{QueueError, not_negative, probability_below_one};
use crate::queueing::law::Shape;
use crate::queueing::root::time_at_level;
use crate::queueing::Law;

/// Terms of the inversion for a law with kinks: of the wait, whose kinks are weak, and of the time in system.
const KINKED: (u32, u32) = (1500, 12_000);

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
    pub fn by_inversion(arrivals_per_s: f64, service: &Law) -> Result<Self, QueueError> {
        let form = if arrivals_per_s == 0.0 { Form::Idle } else { Form::Inverted };
        Ok(Self { form, ..Self::new(arrivals_per_s, service)? })
    }

    /// How the law of the wait is computed.
    pub fn method(&self) -> Method {
        if self.form == Form::Inverted { Method::Inversion } else { Method::Exact }
    }

    /// ρ = λE\[S\].
    pub fn utilization(&self) -> f64 {
        self.utilization
    }

    /// P(Wq > 0) = ρ.
    pub fn wait_probability(&self) -> f64 {
        self.utilization
    }

    /// The means and variances of the queue.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] where E\[S²\] is infinite, and the mean wait with it.
    pub fn moments(&self) -> Result<Mg1, QueueError> {
        Mg1::of(self.arrivals_per_s, &self.service)
    }

    /// P(Wq ≤ t), `t_s` in seconds.
    pub fn wait_cdf(&self, t_s: f64) -> f64 {
        1.0 - self.wait_survival(t_s)
    }

    /// P(Wq > t), `t_s` in seconds.
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
    pub fn sojourn_cdf(&self, t_s: f64) -> f64 {
        1.0 - self.sojourn_survival(t_s)
    }

    /// P(W > t) of the time in system, `t_s` in seconds.
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
    pub fn wait_quantile_s(&self, p: f64) -> Result<f64, QueueError> {
        let beyond = 1.0 - probability_below_one("p", p)?;
        if beyond >= self.utilization {
            return Ok(0.0);
        }
        Ok(time_at_level(&|t| self.wait_survival(t), beyond, self.service.mean_s()))
    }

    /// The `p` quantile of the time in system, seconds.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] unless 0 ≤ p < 1.
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
        Ok(time_at_level(&|t| self.sojourn_survival(t), beyond, self.service.mean_s()))
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
