//! Numerical inversion of Laplace transforms.
//!
//! [`euler`] sums the Fourier series of f on a vertical line, f(t) ≈ e^{A/2}/t · Re(f̂(A/2t)/2 + Σ(−1)ᵏ f̂((A + 2kπi)/2t)), and speeds its
//! alternating tail up by Euler's binomial averages (Abate and Whitt 1995, ORSA Journal on Computing 7:36–43). For
//! |f| ≤ 1 the series itself errs by less than e^−A/(1 − e^−A), rounding by about 1e-16·e^{A/2}: both near 1e-10
//! with A = 23. It needs the transform only where Re s > 0. [`talbot`] bends the line into the left half-plane
//! (Abate and Valkó 2004, International Journal for Numerical Methods in Engineering 60:979–993): far fewer values, but the transform must be
//! known there and f smooth. Two so different ways are each other's check.

use nalgebra::Complex;
use std::f64::consts::PI;

use crate::queueing::error::{QueueError, positive};

/// A of the Fourier series.
const DAMPING: f64 = 23.0;
/// Binomial averages over this many partial sums and one.
const AVERAGED: u32 = 14;
/// Terms before the averages for a function without kinks.
pub(crate) const SMOOTH: u32 = 50;

/// f(t) from its Laplace transform f̂(s) = ∫ e^{−st} f(t) dt, known for Re s > 0, with `terms` of the series before the averages: 50 for
/// a smooth function, thousands for one with kinks. Absolute error about 1e-10 where |f| ≤ 1.
///
/// ```
/// use fluidsim::queueing::general::inversion::euler;
/// use nalgebra::Complex;
/// // The tail of a wait in M/M/1 at ρ = ½, ½e^{−t/2}.
/// let tail = |s: Complex<f64>| 0.5 / (s + 0.5);
/// assert!((euler(&tail, 3.0, 50)? - 0.5 * (-1.5f64).exp()).abs() < 2e-10);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] unless t is positive and finite.
pub fn euler(transform: &dyn Fn(Complex<f64>) -> Complex<f64>, t: f64, terms: u32) -> Result<f64, QueueError> {
    positive("t", t)?;
    Ok(fourier_sum(transform, t, terms))
}

/// As [`euler`], for a t that is known to be positive.
pub(crate) fn fourier_sum(transform: &dyn Fn(Complex<f64>) -> Complex<f64>, t: f64, terms: u32) -> f64 {
    let term = |k: u32| {
        let value = transform(Complex::new(0.5 * DAMPING, f64::from(k) * PI) / t).re;
        if k % 2 == 0 { value } else { -value }
    };
    let mut sum = 0.5 * term(0) + (1..=terms).map(term).sum::<f64>();
    let (mut average, mut weight) = (0.0, 0.5f64.powi(AVERAGED as i32));
    for j in 0..=AVERAGED {
        average += weight * sum;
        weight *= f64::from(AVERAGED - j) / f64::from(j + 1);
        sum += term(terms + j + 1);
    }
    average * (0.5 * DAMPING).exp() / t
}

/// f(t) from its Laplace transform along Talbot's contour with `points` values, for a transform that is analytic but on the negative
/// real axis (or near it). Best with about 24 points, where rounding begins: relative error then about 1e-9.
///
/// ```
/// use fluidsim::queueing::general::inversion::talbot;
/// // The transform of t² is 2/s³.
/// assert!((talbot(&|s| 2.0 / (s * s * s), 3.0, 24)? - 9.0).abs() < 1e-8);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] unless t is positive and finite and there are at least 2 points.
pub fn talbot(transform: &dyn Fn(Complex<f64>) -> Complex<f64>, t: f64, points: u32) -> Result<f64, QueueError> {
    positive("t", t)?;
    if points < 2 {
        return Err(QueueError::Parameter { name: "points", value: f64::from(points), must: "at least 2" });
    }
    let r = 0.4 * f64::from(points);
    let mut sum = 0.5 * r.exp() * transform(Complex::from(r / t)).re;
    for k in 1..points {
        let angle = f64::from(k) * PI / f64::from(points);
        let cotangent = 1.0 / angle.tan();
        let s = Complex::new(cotangent, 1.0) * angle * r;
        let slope = angle + (angle * cotangent - 1.0) * cotangent;
        sum += (s.exp() * transform(s / t) * Complex::new(1.0, slope)).re;
    }
    Ok(sum * 0.4 / t)
}

/// P(X ≤ t) from the Laplace–Stieltjes transform E\[e^{−sX}\] of a positive time without kinks in its distribution function.
/// Absolute error about 1e-10; an atom at 0 does no harm.
///
/// ```
/// use fluidsim::queueing::general::inversion::cdf;
/// use nalgebra::Complex;
/// // Erlang with 2 phases of rate 1: 1 − e^{−t}(1 + t).
/// let law = |s: Complex<f64>| 1.0 / ((1.0 + s) * (1.0 + s));
/// assert!((cdf(&law, 2.0)? - (1.0 - 3.0 * (-2.0f64).exp())).abs() < 2e-10);
/// # Ok::<(), fluidsim::queueing::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] unless t is positive and finite.
pub fn cdf(transform: &dyn Fn(Complex<f64>) -> Complex<f64>, t: f64) -> Result<f64, QueueError> {
    Ok(1.0 - euler(&|s| (1.0 - transform(s)) / s, t, SMOOTH)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::Law;

    #[test]
    fn known_laws_come_back() {
        let laws = [
            Law::exponential(1.0),
            Law::erlang(1.0, 4),
            Law::gamma(1.0, 0.3),
            Law::gamma(1.0, 3.0),
            Law::hyperexponential_balanced(1.0, 4.0),
            Law::lognormal(1.0, 0.3),
            Law::lognormal(1.0, 4.0),
            Law::weibull(1.0, 0.5),
            Law::weibull(1.0, 2.0),
        ];
        for law in laws.map(Result::unwrap) {
            for t in [0.05, 0.3, 1.0, 2.5, 7.0, 40.0] {
                let found = cdf(&|s| law.transform(s), t).unwrap();
                assert!((found - law.cdf(t)).abs() < 1e-9, "{law:?} at {t}: off by {:e}", found - law.cdf(t));
            }
        }
    }

    #[test]
    fn both_ways_agree() {
        for law in [Law::gamma(1.0, 0.3), Law::gamma(1.0, 3.0), Law::erlang(1.0, 4)].map(Result::unwrap) {
            for t in [0.3, 1.0, 2.5, 7.0] {
                let tail = |s: Complex<f64>| law.transform_complement(s) / s;
                let (one, other) = (euler(&tail, t, 50).unwrap(), talbot(&tail, t, 24).unwrap());
                assert!((one - other).abs() < 2e-9, "{law:?} at {t}: {one} {other}");
                assert!((one - law.survival(t)).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn a_kink_wants_more_terms() {
        // The law is uniform: its distribution function bends at both ends.
        let law = Law::uniform(0.5, 1.5).unwrap();
        let at =
            |t: f64, terms| (euler(&|s| law.transform_complement(s) / s, t, terms).unwrap() - law.survival(t)).abs();
        // Of the second order in the number of terms between the bends, of the first at one.
        assert!(at(1.0, 50) < 1e-4 && at(1.0, 4000) < at(1.0, 50) / 3000.0, "{:e} {:e}", at(1.0, 50), at(1.0, 4000));
        assert!(at(1.5, 4000) < at(1.5, 50) / 40.0, "{:e} {:e}", at(1.5, 50), at(1.5, 4000));
    }

    #[test]
    fn bad_times_are_errors() {
        for t in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(euler(&|s| 1.0 / s, t, 50).is_err() && talbot(&|s| 1.0 / s, t, 24).is_err());
            assert!(cdf(&|s| s, t).is_err());
        }
        assert!(talbot(&|s| 1.0 / s, 1.0, 1).is_err());
    }
}
