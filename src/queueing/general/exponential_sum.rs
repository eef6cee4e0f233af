//! The wait in M/G/1 as a sum of exponentials, for service whose transform is rational: P(Wq > t) = Σ cᵢe^{−sᵢt}.
//!
//! With x = −s the transform of Pollaczek and Khinchine, (1 − ρ)x/(x − λ + λB*(x)), has its poles where x = λ(1 − B*(x)), and
//! cᵢ = −(1 − ρ)/(1 + λB*′(−sᵢ)). At a pole B* = (λ + sᵢ)/λ, so the time in system has the weights cᵢ(λ + sᵢ)/λ on the same
//! exponentials: the poles of B* itself cancel. Kleinrock (1975), *Queueing Systems* vol. 1, §5.7; Adan and Zhao (1996), Operations
//! Research Letters 19:183–190, for the successive substitution that finds the roots of the Erlang case.

use nalgebra::Complex;

use crate::queueing::root::zero_between;

/// Above this many phases the roots are not sought.
pub(super) const MOST_PHASES: u32 = 200;

/// (cᵢ, sᵢ); of a conjugate pair both.
pub(super) type Terms = Vec<(Complex<f64>, Complex<f64>)>;

/// M/E_k/1: y = 1 − s/(kμ) solves y^k(1 + (1 − y)/r) = 1, r = ρ/k, with one root inside the unit circle near each k-th root of one.
pub(super) fn erlang(arrivals_per_s: f64, phases: u32, mean_s: f64) -> Terms {
    let k = f64::from(phases);
    let utilization = arrivals_per_s * mean_s;
    let r = utilization / k;
    let weight = |y: Complex<f64>, s: Complex<f64>| -(1.0 - utilization) / (1.0 - (arrivals_per_s + s) * mean_s / y);
    // The real root in 1 − y, away from the root y = 1.
    let height = |d: f64| k * (-d).ln_1p() + (d / r).ln_1p();
    let most = -(-(1.0 / r).ln_1p() / k).exp_m1();
    let gap = zero_between(&height, 1e-3 * r * (1.0 - utilization), most);
    let mut terms = Vec::with_capacity(phases as usize);
    let mut take = |one_less: Complex<f64>| {
        let s = one_less * k / mean_s;
        terms.push((weight(1.0 - one_less, s), s));
    };
    take(Complex::from(gap));
    for j in 1..phases.div_ceil(2) {
        let y = erlang_root(phases, r, f64::from(j) / k);
        take(1.0 - y);
        take(1.0 - y.conj());
    }
    if phases.is_multiple_of(2) {
        take(Complex::from(1.0 - erlang_root(phases, r, 0.5).re));
    }
    terms
}

/// The root near e^{2πi·turn}: by successive substitution, then Newton's method.
fn erlang_root(phases: u32, r: f64, turn: f64) -> Complex<f64> {
    let k = phases as i32;
    let direction = Complex::from_polar(1.0, std::f64::consts::TAU * turn);
    let mut y = Complex::new(0.0, 0.0);
    for _ in 0..60 {
        let rest: Complex<f64> = 1.0 + (1.0 - y) / r;
        y = direction * rest.powf(-1.0 / f64::from(k));
    }
    for _ in 0..4 {
        let rest = 1.0 + (1.0 - y) / r;
        let value = y.powi(k) * rest - 1.0;
        let slope = y.powi(k - 1) * (f64::from(k) * rest - y / r);
        y -= value / slope;
    }
    y
}

/// M/H_n/1: one real root between each two neighbouring rates, and one below the least.
pub(super) fn hyperexponential(arrivals_per_s: f64, branches: &[(f64, f64)]) -> Terms {
    let branches = merged(branches);
    let utilization: f64 = branches.iter().map(|&(p, rate)| arrivals_per_s * p / rate).sum();
    let mut terms = Vec::with_capacity(branches.len());
    for (i, &(_, upper)) in branches.iter().enumerate() {
        let lower = if i == 0 { 0.0 } else { branches[i - 1].1 };
        // 1 − λΣ pⱼ/(μⱼ − s), as a function of the distance from the nearer rate, so that a root beside it keeps its digits.
        let height = |pole: f64, distance: f64| {
            1.0 - branches.iter().map(|&(p, rate)| arrivals_per_s * p / (rate - pole - distance)).sum::<f64>()
        };
        let half = 0.5 * (upper - lower);
        let (pole, distance) = if height(lower, half) < 0.0 {
            let start = if i == 0 { 0.0 } else { 1e-18 * half };
            (lower, zero_between(&|d| height(lower, d), start, half))
        } else {
            (upper, -zero_between(&|d| height(upper, -d), 1e-18 * half, half))
        };
        let slope: f64 = branches.iter().map(|&(p, rate)| p / (rate - pole - distance).powi(2)).sum();
        let s = pole + distance;
        terms.push((Complex::from((1.0 - utilization) / (s * arrivals_per_s * slope)), Complex::from(s)));
    }
    terms
}

/// Branches in order of their rates, those of equal rate as one.
fn merged(branches: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut sorted = branches.to_vec();
    sorted.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut merged: Vec<(f64, f64)> = Vec::with_capacity(sorted.len());
    for (p, rate) in sorted {
        match merged.last_mut() {
            Some(last) if rate - last.1 <= 1e-12 * rate => last.0 += p,
            _ => merged.push((p, rate)),
        }
    }
    merged
}

/// Σ Re cᵢe^{−sᵢt}.
pub(super) fn sum_at(terms: &[(Complex<f64>, Complex<f64>)], t_s: f64) -> f64 {
    terms.iter().map(|&(c, s)| (c * (-s * t_s).exp()).re).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    /// ρ, c₁, s₁, c₂, s₂ for H₂ of balanced means with mean 1 and cv² 4.
    const H2: [[f64; 5]; 3] = [
        [0.5, 0.353806849817, 0.14792027106, 0.146193150183, 1.35207972894],
        [0.8, 0.702371578407, 0.0708497377871, 0.0976284215926, 1.12915026221],
        [0.9, 0.845239529544, 0.037652461702, 0.0547604704558, 1.0623475383],
    ];
    /// The same for E₂ with mean 1.
    const E2: [[f64; 5]; 2] = [
        [0.5, 0.553169531295, 0.719223593596, -0.0531695312954, 2.7807764064],
        [0.8, 0.822115882409, 0.273350083858, -0.0221158824089, 2.92664991614],
    ];

    fn meets(terms: &Terms, row: &[f64; 5]) {
        assert_eq!(terms.len(), 2);
        for (term, pair) in terms.iter().zip(row[1..].chunks(2)) {
            assert_relative_eq!(term.0.re, pair[0], max_relative = 1e-10);
            assert_relative_eq!(term.1.re, pair[1], max_relative = 1e-10);
        }
    }

    #[test]
    fn the_tables_are_met() {
        let p = 0.5 * (1.0 + 0.6f64.sqrt());
        for row in H2 {
            meets(&hyperexponential(row[0], &[(p, 2.0 * p), (1.0 - p, 2.0 * (1.0 - p))]), &row);
        }
        for row in E2 {
            meets(&erlang(row[0], 2, 1.0), &row);
        }
    }

    #[test]
    fn weights_sum_to_the_utilization_and_satisfy_the_equation() {
        for phases in [1, 2, 3, 5, 10, 33, 100, 200] {
            for utilization in [0.01, 0.3, 0.7, 0.95, 0.999] {
                let terms = erlang(utilization, phases, 1.0);
                assert_eq!(terms.len(), phases as usize);
                assert!((sum_at(&terms, 0.0) - utilization).abs() < 1e-11, "{phases} {utilization}");
                let k = f64::from(phases);
                let mean: f64 = terms.iter().map(|(c, s)| (c / s).re).sum();
                let expected = 0.5 * utilization * (1.0 + 1.0 / k) / (1.0 - utilization);
                assert_relative_eq!(mean, expected, max_relative = 1e-10);
                for (i, a) in terms.iter().enumerate() {
                    assert!(terms[..i].iter().all(|b| (a.1 - b.1).norm() > 1e-3 / k), "a root twice");
                }
            }
        }
    }

    #[test]
    fn many_branches_of_all_sizes() {
        let branches = [(0.3, 1.0), (0.2, 1.0), (0.4, 50.0), (0.099_999, 0.4), (1e-6, 1e-3)];
        let mean: f64 = branches.iter().map(|(p, rate)| p / rate).sum();
        let second: f64 = branches.iter().map(|(p, rate)| 2.0 * p / (rate * rate)).sum();
        for utilization in [1e-6, 0.2, 0.9, 0.9999] {
            let terms = hyperexponential(utilization / mean, &branches);
            assert_eq!(terms.len(), 4);
            assert_relative_eq!(sum_at(&terms, 0.0), utilization, max_relative = 1e-11);
            let wait: f64 = terms.iter().map(|(c, s)| (c / s).re).sum();
            let expected = 0.5 * utilization / mean * second / (1.0 - utilization);
            assert_relative_eq!(wait, expected, max_relative = 1e-10);
        }
    }
}
