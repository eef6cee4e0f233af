//! Integrals over (0, ∞) of what a law weighs.
//!
//! In u = ln x a density that is singular at 0 (Weibull of shape ½) or heavy in the tail is smooth and decays at both ends, so
//! the 10-point Gauss and 21-point Kronrod pair of QUADPACK (Piessens, de Doncker-Kapenga, Überhuber and Kahaner 1983, §2.2)
//! on stretches that are halved where the error is largest reaches 12 digits. Corners are passed as knots.

use crate::queueing::law::{Law, Shape};

const NODES: [f64; 11] = [
    0.995_657_163_025_808_1,
    0.973_906_528_517_171_7,
    0.930_157_491_355_708_2,
    0.865_063_366_688_984_5,
    0.780_817_726_586_416_9,
    0.679_409_568_299_024_4,
    0.562_757_134_668_604_7,
    0.433_395_394_129_247_2,
    0.294_392_862_701_460_2,
    0.148_874_338_981_631_22,
    0.0,
];
const KRONROD: [f64; 11] = [
    0.011_694_638_867_371_874,
    0.032_558_162_307_964_725,
    0.054_755_896_574_351_995,
    0.075_039_674_810_919_96,
    0.093_125_454_583_697_6,
    0.109_387_158_802_297_64,
    0.123_491_976_262_065_84,
    0.134_709_217_311_473_34,
    0.142_775_938_577_060_09,
    0.147_739_104_901_338_49,
    0.149_445_554_002_916_9,
];
/// Weights of the odd-numbered nodes.
const GAUSS: [f64; 5] = [
    0.066_671_344_308_688_14,
    0.149_451_349_150_580_6,
    0.219_086_362_515_982_04,
    0.269_266_719_309_996_35,
    0.295_524_224_714_752_87,
];

/// Relative error at which halving stops.
const TOLERANCE: f64 = 1e-13;
const MOST_STRETCHES: usize = 600;
/// A tail ends where the integrand stays this small a part of its largest value.
const NEGLIGIBLE: f64 = 1e-18;

/// E\[g(S); S in (0, ∞)\], the atom of a constant law included. `knots` are corners of g.
pub(crate) fn expectation(law: &Law, knots: &[f64], g: impl Fn(f64) -> f64) -> f64 {
    if let Shape::Constant { time_s } = law.shape() {
        return g(*time_s);
    }
    let (low, high) = support(law);
    let all: Vec<f64> = corners(law).into_iter().chain(knots.iter().copied()).collect();
    integral(low, high, &all, |x| {
        let density = law.density(x);
        if density == 0.0 { 0.0 } else { density * g(x) }
    })
}

/// ∫ g(x) dx over (`from`, `to`), where `to` may be infinite and g has corners only at `knots`.
pub(crate) fn integral(from: f64, to: f64, knots: &[f64], g: impl Fn(f64) -> f64) -> f64 {
    let in_log = |u: f64| {
        let x = u.exp();
        let value = g(x) * x;
        if value.is_finite() { value } else { 0.0 }
    };
    let mut cuts: Vec<f64> = knots.iter().filter(|&&x| x > from && x < to && x > 0.0).map(|x| x.ln()).collect();
    if from > 0.0 {
        cuts.push(from.ln());
    }
    if to.is_finite() {
        cuts.push(to.ln());
    }
    if to <= from || cuts.is_empty() && to == 0.0 {
        return 0.0;
    }
    if cuts.is_empty() {
        cuts.push(0.0);
    }
    cuts.sort_by(f64::total_cmp);
    cuts.dedup();
    let (first, last) = (cuts[0], cuts[cuts.len() - 1]);
    let middles = cuts.windows(2).map(|w| 0.5 * (w[0] + w[1]));
    let mut largest = cuts.iter().copied().chain(middles).map(|u| in_log(u).abs()).fold(0.0, f64::max);
    // A law of little variance lies all near its mean: the first steps are short.
    if from <= 0.0 {
        cuts.splice(0..0, [tail_end(&in_log, first, -0.5, 700.0, &mut largest), first - 0.2, first - 0.01]);
    }
    if to == f64::INFINITY {
        cuts.extend([last + 0.01, last + 0.2, tail_end(&in_log, last, 0.5, 230.0, &mut largest)]);
    }
    halve(&in_log, &cuts)
}

/// Where g stops to matter on the way from `start`, at most `reach` away.
fn tail_end(g: &impl Fn(f64) -> f64, start: f64, step: f64, reach: f64, largest: &mut f64) -> f64 {
    let (mut u, mut quiet) = (start, 0);
    while (u - start).abs() < reach && quiet < 4 {
        u += step;
        let value = g(u).abs();
        *largest = largest.max(value);
        quiet = if *largest > 0.0 && value <= NEGLIGIBLE * *largest { quiet + 1 } else { 0 };
    }
    u
}

/// The integral over the stretches between `cuts`, the worst of them halved until the error is small.
fn halve(g: &impl Fn(f64) -> f64, cuts: &[f64]) -> f64 {
    let mut stretches: Vec<[f64; 4]> = cuts.windows(2).map(|w| stretch(g, w[0], w[1])).collect();
    loop {
        let total: f64 = stretches.iter().map(|s| s[2]).sum();
        let error: f64 = stretches.iter().map(|s| s[3]).sum();
        if error <= TOLERANCE * total.abs() || stretches.len() >= MOST_STRETCHES {
            return total;
        }
        let Some(worst) = (0..stretches.len()).max_by(|&i, &j| stretches[i][3].total_cmp(&stretches[j][3])) else {
            return total;
        };
        let [from, to, ..] = stretches.swap_remove(worst);
        let middle = 0.5 * (from + to);
        stretches.push(stretch(g, from, middle));
        stretches.push(stretch(g, middle, to));
    }
}

/// [from, to, integral, error] by the Gauss–Kronrod pair.
fn stretch(g: &impl Fn(f64) -> f64, from: f64, to: f64) -> [f64; 4] {
    let (middle, half) = (0.5 * (from + to), 0.5 * (to - from));
    let mut values = [0.0; 21];
    let (mut kronrod, mut gauss, mut size) = (0.0, 0.0, 0.0);
    for (i, node) in NODES.iter().enumerate() {
        let pair = if i == 10 { [g(middle), 0.0] } else { [g(middle - half * node), g(middle + half * node)] };
        let sum = pair[0] + pair[1];
        values[i] = pair[0];
        if i < 10 {
            values[20 - i] = pair[1];
        }
        kronrod += KRONROD[i] * sum;
        size += KRONROD[i] * (pair[0].abs() + pair[1].abs());
        if i % 2 == 1 {
            gauss += GAUSS[i / 2] * sum;
        }
    }
    let mean = 0.5 * kronrod;
    let spread: f64 = values.iter().enumerate().map(|(i, v)| KRONROD[i.min(20 - i)] * (v - mean).abs()).sum();
    let raw = (kronrod - gauss).abs();
    let error = if spread > 0.0 { spread * (200.0 * raw / spread).powf(1.5).min(1.0) } else { raw };
    // What rounding leaves is no reason to halve.
    let error = if error < 50.0 * f64::EPSILON * size { 0.0 } else { error };
    [from, to, half * kronrod, half * error]
}

/// The ends of the support, seconds.
pub(crate) fn support(law: &Law) -> (f64, f64) {
    match law.shape() {
        Shape::Constant { time_s } => (*time_s, *time_s),
        Shape::Uniform { low_s, high_s } => (*low_s, *high_s),
        Shape::Pareto { least_s, .. } => (*least_s, f64::INFINITY),
        _ => (0.0, f64::INFINITY),
    }
}

/// Where functions of the law have corners, and its mean, near which its bulk lies.
pub(crate) fn corners(law: &Law) -> Vec<f64> {
    let (low, high) = support(law);
    [low, law.mean_s(), high].into_iter().filter(|x| *x > 0.0 && x.is_finite()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn known_integrals_are_met() {
        let pi = std::f64::consts::PI;
        assert_relative_eq!(integral(0.0, f64::INFINITY, &[], |x| (-x).exp()), 1.0, max_relative = 1e-13);
        assert_relative_eq!(integral(0.0, 1.0, &[], |x| x.powf(-0.5)), 2.0, max_relative = 1e-13);
        assert_relative_eq!(integral(0.0, 2.0, &[], f64::sin), 1.0 - 2f64.cos(), max_relative = 1e-13);
        assert_relative_eq!(integral(0.0, f64::INFINITY, &[], |x| 1.0 / (1.0 + x * x)), 0.5 * pi, max_relative = 1e-12);
        assert_relative_eq!(
            integral(2.0, 3.0, &[], |x| x.powi(19)),
            (3f64.powi(20) - 2f64.powi(20)) / 20.0,
            max_relative = 1e-13
        );
        assert_eq!(integral(1.0, 1.0, &[], |x| x), 0.0);
    }

    #[test]
    fn moments_of_every_law_are_met() {
        let laws = [
            Law::constant(2.0),
            Law::uniform(0.0, 4.0),
            Law::gamma(2.0, 20.0),
            Law::gamma(2.0, 0.01),
            Law::hyperexponential(&[(0.999, 1.0), (0.001, 1e-4)]),
            Law::lognormal(2.0, 30.0),
            Law::lognormal(2.0, 1e-4),
            Law::weibull(2.0, 0.3),
            Law::pareto(2.0, 2.2),
        ];
        for law in laws.into_iter().map(Result::unwrap) {
            for k in 0..3 {
                assert_relative_eq!(expectation(&law, &[], |x| x.powi(k)), law.moment(k as u32), max_relative = 1e-11);
            }
        }
    }
}
