//! Laplace–Stieltjes transforms of the laws, for every s with a real part of at least 0.
//!
//! In closed form for constant, uniform, gamma and hyperexponential laws. The others are integrals over the whole line of
//! a function that is analytic about it, for which the trapezoidal rule converges faster than any power of its step
//! (Trefethen and Weideman 2014, SIAM Review 56:385–458). The line is turned in the complex plane so that e^{−sx} does not
//! oscillate on it (for the lognormal law through the saddle point: Asmussen, Jensen and Rojas-Nandayapa 2016, Methodology
//! and Computing in Applied Probability 18:441–458), and the step is halved until the sum rests.

use nalgebra::Complex;
use std::f64::consts::{FRAC_PI_4, TAU};

use super::{Law, Shape};

/// Where the sums end: e^−46 = 1e-20.
const NOTHING: f64 = 46.0;

/// What an integral over the law is to be of.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Of {
    /// e^{−sx}: the transform.
    Exponential,
    /// 1 − e^{−sx}: its complement, which keeps its digits where s is small.
    Complement,
}

impl Law {
    /// E\[e^{−sS}\] for a complex `s` (1/s) with Re s ≥ 0.
    ///
    /// ```
    /// use fluidsim::queueing::Law;
    /// use nalgebra::Complex;
    /// let law = Law::exponential(0.5)?; // 2/(2 + s)
    /// assert!((law.transform(Complex::new(2.0, 0.0)) - 0.5).norm() < 1e-15);
    /// // A lognormal law with mean 1 and cv² 4 has no closed form; the value is by quadrature with mpmath.
    /// let value = Law::lognormal(1.0, 4.0)?.transform(Complex::new(1.0, 2.0));
    /// assert!((value - Complex::new(0.373639770106833, -0.272435423398033)).norm() < 1e-13);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn transform(&self, s: Complex<f64>) -> Complex<f64> {
        match &self.shape {
            _ if s.norm() == 0.0 => Complex::from(1.0),
            Shape::Constant { time_s } => (-s * *time_s).exp(),
            Shape::Uniform { low_s, high_s } => 1.0 - uniform(*low_s, *high_s, s),
            Shape::Gamma { shape, scale_s } => (-ln_1p(s * *scale_s) * *shape).exp(),
            Shape::Hyperexponential { branches } => branches.iter().map(|&(p, rate)| p * rate / (s + rate)).sum(),
            Shape::Lognormal { mu, sigma } => lognormal(*mu, *sigma, s, Of::Exponential),
            Shape::Weibull { shape, scale_s } => weibull(*shape, s * *scale_s, Of::Exponential),
            Shape::Pareto { least_s, shape } => pareto(*shape, s * *least_s, Of::Exponential),
        }
    }

    /// The transform of the stationary excess of the law, (1 − E\[e^{−sS}\])/(sE\[S\]): of the time until the service under way
    /// ends, for one who comes at random during it. Re s ≥ 0.
    ///
    /// ```
    /// use fluidsim::queueing::Law;
    /// use nalgebra::Complex;
    /// // What remains of a constant time is uniform.
    /// let s = Complex::new(0.3, 0.7);
    /// let (constant, uniform) = (Law::constant(2.0)?, Law::uniform(0.0, 2.0)?);
    /// assert!((constant.excess_transform(s) - uniform.transform(s)).norm() < 1e-15);
    /// # Ok::<(), fluidsim::queueing::QueueError>(())
    /// ```
    pub fn excess_transform(&self, s: Complex<f64>) -> Complex<f64> {
        if s.norm() == 0.0 {
            return Complex::from(1.0);
        }
        self.transform_complement(s) / (s * self.mean_s())
    }

    /// 1 − E\[e^{−sS}\], without loss of digits where s is small. Re s ≥ 0.
    pub(crate) fn transform_complement(&self, s: Complex<f64>) -> Complex<f64> {
        match &self.shape {
            _ if s.norm() == 0.0 => Complex::from(0.0),
            Shape::Constant { time_s } => -exp_m1(-s * *time_s),
            Shape::Uniform { low_s, high_s } => uniform(*low_s, *high_s, s),
            Shape::Gamma { shape, scale_s } => -exp_m1(-ln_1p(s * *scale_s) * *shape),
            Shape::Hyperexponential { branches } => branches.iter().map(|&(p, rate)| s * p / (s + rate)).sum(),
            Shape::Lognormal { mu, sigma } => lognormal(*mu, *sigma, s, Of::Complement),
            Shape::Weibull { shape, scale_s } => weibull(*shape, s * *scale_s, Of::Complement),
            Shape::Pareto { least_s, shape } => pareto(*shape, s * *least_s, Of::Complement),
        }
    }
}

/// 1 − e^{−sl}(1 − e^{−a})/a with a = s(h − l).
fn uniform(low_s: f64, high_s: f64, s: Complex<f64>) -> Complex<f64> {
    let a = s * (high_s - low_s);
    // 1 − (1 − e^{−a})/a = a/2! − a²/3! + …
    let inner = if a.norm() < 0.5 {
        let mut term = -Complex::from(1.0);
        (1..20)
            .map(|n| {
                term *= -a / (f64::from(n) + 1.0);
                term
            })
            .sum()
    } else {
        1.0 + exp_m1(-a) / a
    };
    -exp_m1(-s * low_s) + (-s * low_s).exp() * inner
}

/// ∫ φ(z) e^{−s·exp(μ + σz)} dz along Im z = η.
fn lognormal(mu: f64, sigma: f64, s: Complex<f64>, of: Of) -> Complex<f64> {
    let angle = s.arg();
    // At the saddle point −W(sσ²e^μ)/σ; but not so near to the real line that what lies far out still oscillates.
    let at_saddle = lambert_w(s * sigma * sigma * mu.exp()).im.abs();
    let turn = at_saddle.max((angle.abs() - FRAC_PI_4).min(3.0 * sigma)).copysign(angle) / sigma;
    let reach = (turn * turn + 2.0 * NOTHING).sqrt();
    let parts = |x: f64| {
        let z = Complex::new(x, -turn);
        (-0.5 * z * z - 0.5 * TAU.ln(), -s * (mu + sigma * z).exp())
    };
    over_the_line(&parts, of, (-reach, reach), 0.5 / sigma.max(1.0))
}

/// ∫ e^{−y} e^{−z y^{1/c}} dy, y = e^{w − iη} with η such that both exponents turn by the same angle.
fn weibull(shape: f64, z: Complex<f64>, of: Of) -> Complex<f64> {
    let turn = z.arg() * shape / (1.0 + shape);
    let parts = |w: f64| {
        let log = Complex::new(w, -turn);
        (log - log.exp(), -z * (log / shape).exp())
    };
    let step = 0.4 * shape.min(1.0) / (1.0 + shape) * 2.0;
    over_the_line(&parts, of, (-NOTHING, (NOTHING / turn.cos()).ln()), step)
}

/// α∫₁^∞ u^{−α−1} e^{−zu} du: where |z| is large by the continued fraction of the exponential integral (Abramowitz and Stegun 1964,
/// 5.1.22, contracted), else along u = 1 + e^{w − i·arg z}.
fn pareto(shape: f64, z: Complex<f64>, of: Of) -> Complex<f64> {
    if z.norm() > 3.0 {
        let whole = shape * (-z).exp() * exponential_integral_fraction(shape + 1.0, z);
        return if of == Of::Complement { 1.0 - whole } else { whole };
    }
    let turn = z.arg();
    let parts = |w: f64| {
        let v = Complex::new(w, -turn).exp();
        let log_weight = Complex::new(w, -turn) - ln_1p(v) * (shape + 1.0) + shape.ln();
        (log_weight, -z * (1.0 + v))
    };
    let far = NOTHING / shape;
    let to = if of == Of::Complement { far } else { far.min((NOTHING / z.norm()).ln()) };
    over_the_line(&parts, of, (-NOTHING, to), 0.25)
}

/// e^z E_p(z) = 1/(z + p − p/(z + p + 2 − 2(p + 1)/(z + p + 4 − …))), by Lentz's method.
fn exponential_integral_fraction(p: f64, z: Complex<f64>) -> Complex<f64> {
    let mut b = z + p;
    let mut d = 1.0 / b;
    let mut c = Complex::from(1e300);
    let mut whole = d;
    for n in 1..2000 {
        let a = -f64::from(n) * (p + f64::from(n) - 1.0);
        b += 2.0;
        d = 1.0 / (b + a * d);
        c = b + a / c;
        let factor = c * d;
        whole *= factor;
        if (factor - 1.0).norm() < 1e-16 {
            break;
        }
    }
    whole
}

/// ∫ e^{g(w)} K(e(w)) dw, `parts` = (g, e), K(e) = e^e or 1 − e^e; by the trapezoidal rule with its step halved until the sum rests.
fn over_the_line(
    parts: &dyn Fn(f64) -> (Complex<f64>, Complex<f64>),
    of: Of,
    (from, to): (f64, f64),
    first_step: f64,
) -> Complex<f64> {
    let term = |w: f64| {
        let (log_weight, exponent) = parts(w);
        match of {
            _ if log_weight.re < -1.5 * NOTHING => Complex::from(0.0),
            Of::Complement => -exp_m1(exponent) * log_weight.exp(),
            Of::Exponential if log_weight.re + exponent.re < -1.5 * NOTHING => Complex::from(0.0),
            Of::Exponential => (log_weight + exponent).exp(),
        }
    };
    let mut cells = ((to - from) / first_step).ceil().max(8.0);
    let at = |i: f64, cells: f64| term(from + i * (to - from) / cells);
    let mut sum: Complex<f64> = (0..=cells as u32).map(|i| at(f64::from(i), cells)).sum();
    let mut largest = sum.norm();
    for _ in 0..9 {
        let between: Complex<f64> = (0..cells as u32).map(|i| at(f64::from(i) + 0.5, cells)).sum();
        let change = (between - sum).norm();
        sum += between;
        largest = largest.max(sum.norm());
        cells *= 2.0;
        // The error of the rule is squared by each halving.
        if change <= 1e-9 * largest {
            break;
        }
    }
    sum * ((to - from) / cells)
}

/// W(q), we^w = q, for Re q ≥ 0, by Newton's method.
fn lambert_w(q: Complex<f64>) -> Complex<f64> {
    let mut w = ln_1p(q);
    for _ in 0..30 {
        let power = w.exp();
        let step = (w * power - q) / (power * (w + 1.0));
        w -= step;
        if step.norm() <= 1e-12 * w.norm() {
            break;
        }
    }
    w
}

/// e^z − 1.
fn exp_m1(z: Complex<f64>) -> Complex<f64> {
    let half = (0.5 * z.im).sin();
    Complex::new(z.re.exp_m1() * z.im.cos() - 2.0 * half * half, z.re.exp() * z.im.sin())
}

/// ln(1 + z).
fn ln_1p(z: Complex<f64>) -> Complex<f64> {
    Complex::new(0.5 * (z.re * (2.0 + z.re) + z.im * z.im).ln_1p(), z.im.atan2(1.0 + z.re))
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    /// The transform of laws with mean 1 at .01, 1 + 2i, .2 + 30i and .001 + .05i, by quadrature (or the exponential integral) with
    /// mpmath at 25 digits.
    fn table() -> Vec<(Law, [(f64, f64); 4])> {
        #[rustfmt::skip]
        let rows = [
            (Law::lognormal(1.0, 0.25), [(0.9900621760609021, 0.0), (0.002212473608844518, -0.3198598573138476), (-0.0002394888425973214, 0.000135987700651246), (0.9974415540738181, -0.04989696223074236)]),
            (Law::lognormal(1.0, 0.01), [(0.9900503287245478, 0.0), (-0.1442429820013255, -0.3326757679679104), (-0.01252485447421998, 0.007230161629247034), (0.9977395681662191, -0.04992808612142287)]),
            (Law::lognormal(1.0, 4.0), [(0.9902330271124596, 0.0), (0.3736397701068332, -0.2724354233980327), (-0.03242581979034923, -0.03418731025480874), (0.9937230008434857, -0.04833612630045521)]),
            (Law::lognormal(1.0, 20.0), [(0.990_691_955_097_24, 0.0), (0.5495572659800145, -0.2159554506966176), (0.04684851662658491, -0.1539126402938585), (0.9897019285993488, -0.04246942469692156)]),
            (Law::weibull(1.0, 0.5), [(0.9902859647173192, 0.0), (0.52145351217446, -0.1819251584566827), (0.1597947016894775, -0.1306270385696348), (0.9921348386553996, -0.04809290462553454)]),
            (Law::weibull(1.0, 2.5), [(0.9900588932833097, 0.0), (-0.01493894779381424, -0.2948952476152961), (-0.0003593625571486728, 0.0003489034768973572), (0.9975242805830279, -0.04990807889127619)]),
            (Law::pareto(1.0, 1.5), [(0.9906655573083855, 0.0), (0.2299302053672887, -0.4002694336354536), (0.04412045295874879, 0.1261256144673974), (0.9941856603197616, -0.04446303600888563)]),
            (Law::pareto(1.0, 3.0), [(0.9900657380120713, 0.0), (-0.04900641874898704, -0.3568075403023135), (-0.1037969343746746, -0.07408055898637296), (0.9973677040226966, -0.04984890398013346)]),
            (Law::pareto(1.0, 2.2), [(0.9901128132186787, 0.0), (0.02931853973301638, -0.378547992124616), (0.05209203322718536, 0.1048000143167611), (0.9966028230848847, -0.04937688328399963)]),
        ];
        rows.map(|(law, values)| (law.unwrap(), values)).into()
    }

    fn points() -> [Complex<f64>; 4] {
        [(0.01, 0.0), (1.0, 2.0), (0.2, 30.0), (0.001, 0.05)].map(|(re, im)| Complex::new(re, im))
    }

    #[test]
    fn quadrature_meets_the_table() {
        for (law, values) in table() {
            for (s, (re, im)) in points().into_iter().zip(values) {
                let (found, expected) = (law.transform(s), Complex::new(re, im));
                assert!((found - expected).norm() < 2e-13, "{law:?} {s}: {found}, not {expected}");
                let complement = law.transform_complement(s);
                let error = (complement - (1.0 - expected)).norm();
                assert!(error < 2e-13, "{law:?} {s}: complement {complement} errs by {error:e}");
                assert!((law.transform(s.conj()) - expected.conj()).norm() < 2e-13);
            }
        }
    }

    #[test]
    fn closed_forms_are_the_integrals_of_the_density() {
        let laws = [
            Law::uniform(0.5, 1.5),
            Law::gamma(1.0, 0.4),
            Law::hyperexponential_balanced(1.0, 3.0),
            Law::weibull(1.0, 1.0),
            Law::erlang(1.0, 3),
        ];
        for law in laws.map(Result::unwrap) {
            for s in points() {
                let cells = 400_000u32;
                let (from, to) = if law.density(0.2) == 0.0 { (0.5, 1.5) } else { (0.0, 60.0) };
                let width = (to - from) / f64::from(cells);
                let sum: Complex<f64> = (0..cells)
                    .map(|i| {
                        let x = from + (f64::from(i) + 0.5) * width;
                        (-s * x).exp() * law.density(x) * width
                    })
                    .sum();
                assert!((law.transform(s) - sum).norm() < 3e-7, "{law:?} {s}: {} {sum}", law.transform(s));
            }
        }
    }

    #[test]
    fn complements_are_what_is_left_of_one_and_keep_their_digits() {
        for law in table().into_iter().map(|row| row.0).chain([
            Law::constant(1.0).unwrap(),
            Law::uniform(0.2, 1.8).unwrap(),
            Law::gamma(1.0, 1.7).unwrap(),
            Law::hyperexponential_balanced(1.0, 3.0).unwrap(),
        ]) {
            for s in points() {
                assert!((law.transform(s) + law.transform_complement(s) - 1.0).norm() < 3e-14, "{law:?} {s}");
            }
            if law.moment(3).is_finite() {
                // 1 − E e^{−sS} = s − s²E[S²]/2 + s³E[S³]/6 − …
                let s = 1e-7;
                let found = law.transform_complement(Complex::new(s, 0.0)).re;
                let series = 1.0 - 0.5 * s * law.moment(2) + s * s * law.moment(3) / 6.0;
                assert_relative_eq!(found / s, series, max_relative = 1e-14);
            }
            assert_eq!(law.transform(Complex::from(0.0)), Complex::from(1.0));
            assert_eq!(law.excess_transform(Complex::from(0.0)), Complex::from(1.0));
        }
    }

    /// The fraction and the quadrature meet where one takes over from the other.
    #[test]
    fn both_ways_to_the_pareto_law_agree() {
        for shape in [1.2, 2.0, 5.0] {
            for angle in [0.0, 0.7, 1.57] {
                let at = |radius: f64| pareto(shape, Complex::from_polar(radius, angle), Of::Exponential);
                let (below, above) = (at(3.0), at(3.0 + 1e-13));
                assert!((below - above).norm() < 1e-12, "{shape} {angle}: {below} {above}");
            }
        }
    }
}
