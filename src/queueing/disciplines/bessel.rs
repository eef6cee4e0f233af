//! Modified Bessel functions of the second kind, of whole order.

/// K_n(z) for z > 0: the trapezoidal rule on ∫₀^∞ e^{−z cosh t} cosh nt dt (Abramowitz and Stegun 1964, 9.6.24), whose integrand is
/// analytic and falls doubly exponentially, so that the rule is exact to rounding.
pub(crate) fn bessel_k(order: u32, z: f64) -> f64 {
    const STEP: f64 = 1.0 / 16.0;
    let n = f64::from(order);
    let (mut sum, mut t) = (0.5 * (-z).exp(), STEP);
    loop {
        let exponent = n * t - z * t.cosh();
        if exponent < -745.0 && t > (n / z).asinh() {
            return sum * STEP;
        }
        sum += 0.5 * (exponent.exp() + (-n * t - z * t.cosh()).exp());
        t += STEP;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    /// mpmath besselk at 15 digits.
    #[test]
    fn values_are_met() {
        let rows = [
            (0, 1e-6, 13.93144207362642),
            (0, 0.5, 0.9244190712276659),
            (1, 2.0, 0.13986588181652243),
            (2, 0.01, 1.999950006838941e4),
            (2, 10.0, 2.150981700693277e-5),
            (3, 1.0, 7.101262824737945),
            (3, 40.0, 9.3789037246453e-19),
        ];
        for (order, z, value) in rows {
            assert_relative_eq!(bessel_k(order, z), value, max_relative = 1e-13);
        }
    }
}
