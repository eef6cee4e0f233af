//! What every discipline of M/G/1 asks of its queue.

use super::quadrature::{expectation, support};
use crate::queueing::error::{QueueError, not_negative};
use crate::queueing::law::{Law, Shape};

/// A stable M/G/1 queue, its order of service left open.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Queue {
    pub(crate) arrivals_per_s: f64,
    pub(crate) law: Law,
}

impl Queue {
    /// Refuses ρ ≥ 1.
    pub(crate) fn new(arrivals_per_s: f64, law: Law) -> Result<Self, QueueError> {
        not_negative("arrivals_per_s", arrivals_per_s)?;
        if arrivals_per_s * law.mean_s() >= 1.0 {
            return Err(QueueError::Unstable { growth_per_s: arrivals_per_s - 1.0 / law.mean_s() });
        }
        Ok(Self { arrivals_per_s, law })
    }

    /// Refuses also an infinite E\[S²\], with which the wait behind whoever is in service is infinite.
    pub(crate) fn with_second_moment(arrivals_per_s: f64, law: Law) -> Result<Self, QueueError> {
        let queue = Self::new(arrivals_per_s, law)?;
        finite_second_moment(&queue.law)?;
        Ok(queue)
    }

    /// ρ.
    pub(crate) fn utilization(&self) -> f64 {
        self.arrivals_per_s * self.law.mean_s()
    }

    /// ρ(x) = λE\[S; S ≤ x\].
    pub(crate) fn load(&self, x_s: f64) -> f64 {
        self.arrivals_per_s * self.law.moment_below(1, x_s)
    }

    /// λE\[S; S < x\]: unlike ρ(x) without the atom at x, which ties served first come first served leave behind.
    pub(crate) fn load_below(&self, x_s: f64) -> f64 {
        match self.law.shape() {
            Shape::Constant { time_s } if x_s <= *time_s => 0.0,
            _ => self.load(x_s),
        }
    }

    /// (1 − ρ(x⁻))(1 − ρ(x)).
    pub(crate) fn idle_squared(&self, x_s: f64) -> f64 {
        (1.0 - self.load_below(x_s)) * (1.0 - self.load(x_s))
    }

    /// λE\[S²\]/2, the mean work left in service, seconds.
    pub(crate) fn residual_s(&self) -> f64 {
        0.5 * self.arrivals_per_s * self.law.moment(2)
    }

    /// E\[g(S)\].
    pub(crate) fn mean_over_sizes(&self, g: impl Fn(f64) -> f64) -> f64 {
        expectation(&self.law, &[], g)
    }
}

/// An error where E\[S²\] is infinite.
pub(crate) fn finite_second_moment(law: &Law) -> Result<(), QueueError> {
    let value = law.moment(2);
    if value.is_finite() {
        return Ok(());
    }
    Err(QueueError::Parameter { name: "second_moment_s2", value, must: "finite" })
}

/// Whether E\[1/S\] exists.
pub(crate) fn has_inverse_moment(law: &Law) -> bool {
    match law.shape() {
        Shape::Gamma { shape, .. } | Shape::Weibull { shape, .. } => *shape > 1.0,
        Shape::Lognormal { .. } => true,
        _ => support(law).0 > 0.0,
    }
}

/// A size to condition on.
pub(crate) fn size(x_s: f64) -> Result<f64, QueueError> {
    not_negative("size_s", x_s)
}
