//! The geometric law cut off at n: weights 1, r, …, rⁿ, the law of the queue while every server is busy.

/// Σ_{j=0}^n rʲ for r ≤ 1, from ln r; n + 1 at r = 1.
pub(crate) fn sum(log_ratio: f64, last: f64) -> f64 {
    if log_ratio == 0.0 { last + 1.0 } else { ((last + 1.0) * log_ratio).exp_m1() / log_ratio.exp_m1() }
}

/// Σ j rʲ/Σ rʲ from ln r, of either sign. With y = −ln r it is 1/(e^y − 1) − (n+1)/(e^{(n+1)y} − 1); near r = 1 the two
/// poles cancel, so there they are left out.
pub(crate) fn mean(log_ratio: f64, last: f64) -> f64 {
    if log_ratio > 0.0 {
        return last - mean(-log_ratio, last);
    }
    let (y, states) = (-log_ratio, last + 1.0);
    if states * y < 1.0 {
        return 0.5 * last + regular(y) - states * regular(states * y);
    }
    1.0 / y.exp_m1() - states / (states * y).exp_m1()
}

/// 1/(e^y − 1) − 1/y + 1/2 for 0 ≤ y ≤ 1, by its series in Bernoulli numbers.
fn regular(y: f64) -> f64 {
    const COEFFICIENTS: [f64; 10] = [
        1.0 / 12.0,
        -1.0 / 720.0,
        1.0 / 30_240.0,
        -1.0 / 1_209_600.0,
        1.0 / 47_900_160.0,
        -691.0 / 1_307_674_368_000.0,
        1.0 / 74_724_249_600.0,
        -3617.0 / 10_670_622_842_880_000.0,
        43_867.0 / 5_109_094_217_170_944_000.0,
        -174_611.0 / 802_857_662_698_291_200_000.0,
    ];
    y * COEFFICIENTS.iter().rev().fold(0.0, |sum, coefficient| sum * y * y + coefficient)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn the_definition_agrees_on_both_sides_of_one() {
        for last in [0.0, 1.0, 4.0, 9.0, 50.0, 1000.0] {
            for log_ratio in [-5.0, -0.7, -0.1, -1e-2, -9.9e-4, -1e-5, -1e-9, 0.0, 1e-12, 1e-6, 1e-3, 0.05, 0.5] {
                let weights: Vec<f64> = (0..=last as u64).map(|j| (j as f64 * log_ratio).exp()).collect();
                let total: f64 = weights.iter().sum();
                let first: f64 = weights.iter().enumerate().map(|(j, weight)| j as f64 * weight).sum();
                assert_relative_eq!(mean(log_ratio, last), first / total, max_relative = 2e-13, epsilon = 1e-300);
                assert_relative_eq!(sum(log_ratio, last), total, max_relative = 1e-12);
            }
        }
    }
}
