use approx::assert_relative_eq;

use super::*;

fn drawn(law: &LengthLaw, count: usize, seed: u64) -> Lengths {
    let mut rng = stream(seed, "test");
    (0..count).map(|_| law.sample(&mut rng)).collect()
}

fn named(fits: &[LengthFit], family: Family) -> &LengthFit {
    fits.iter().find(|fit| fit.family == family).unwrap()
}

/// Quantiles of a law at 400 places, rounded.
fn quantiles(inverse: impl Fn(f64) -> f64) -> Lengths {
    (0..400).map(|k| inverse((f64::from(k) + 0.5) / 400.0).round().max(1.0) as u64).collect()
}

/// Family, estimates, log-likelihood, distance.
type Expected = (Family, [f64; 2], f64, f64);

/// The same likelihood maximised by scipy 1.17 (`optimize.minimize`, Nelder–Mead to 1e-10), and the distance from its distribution.
#[test]
fn estimates_are_those_of_scipy() {
    let weibull = quantiles(|u| 50.0 * (-(-u).ln_1p()).powf(1.0 / 1.6));
    let lomax = quantiles(|u| 200.0 * ((1.0 - u).powf(-1.0 / 2.5) - 1.0));
    let cases: [(&Lengths, &[Expected]); 2] = [
        (
            &weibull,
            &[
                (Family::Lognormal, [47.717620400671045, 0.9295417352811937], -1895.3826865736264, 0.06942255356954685),
                (Family::Gamma, [44.81753089730355, 0.6815543294036372], -1865.750440103183, 0.024128873187688193),
                (Family::Weibull, [44.82285375154458, 1.6036695855449734], -1862.5421236352763, 0.001824085391418706),
            ],
        ),
        (
            &lomax,
            &[
                (Family::Lognormal, [154.30544288267606, 2.5563134582022853], -2318.753487005268, 0.040906941983085476),
                (Family::Gamma, [131.35182149682387, 1.1970495494055768], -2329.0985547128826, 0.0625368500667518),
                (Family::Weibull, [128.43890586048272, 0.7729786102968105], -2319.694216002502, 0.037003301799782284),
                (Family::Lomax, [202.85654397442093, 2.5273322348694314], -2309.5682198905088, 0.0018308124722469232),
            ],
        ),
    ];
    for (lengths, rows) in cases {
        let fits = fit_lengths(lengths, 1);
        for (family, values, log_likelihood, distance) in rows {
            let fit = named(&fits, *family);
            // The top is flat: where ln L has all its digits but five, estimates have half as many.
            assert_relative_eq!(fit.log_likelihood, *log_likelihood, max_relative = 1e-8);
            assert_relative_eq!(fit.values[0], values[0], max_relative = 2e-4);
            assert_relative_eq!(fit.values[1], values[1], max_relative = 2e-4);
            assert_relative_eq!(fit.distance, *distance, epsilon = 2e-5);
        }
    }
}

/// The law that was drawn comes back: its parameters within four of their standard errors (one in 16 000 fails by chance), not refused
/// at 1 %, and no other with a better criterion by more than a hair.
#[test]
fn laws_come_back() {
    let max = 1_000_000;
    let cases = [
        (Family::Lognormal, LengthLaw::Lognormal { mean: 1155.0, cv: 1.2, max }, vec![1155.0, 1.2]),
        (Family::Gamma, LengthLaw::Gamma { mean: 211.0, cv: 0.7, max }, vec![211.0, 0.7]),
        (Family::Weibull, LengthLaw::Weibull { mean: 90.0, shape: 0.6, max }, vec![90.0, 0.6]),
        (Family::Geometric, LengthLaw::Geometric { mean: 12.0 }, vec![12.0]),
        (Family::Lomax, LengthLaw::Lomax { scale: 200.0, shape: 2.5, max }, vec![200.0, 2.5]),
        (Family::Pareto, LengthLaw::Pareto { scale: 19.5, shape: 1.5, max }, vec![19.5, 1.5]),
        (Family::Zipf, LengthLaw::Zipf { exponent: 1.3, max: 400 }, vec![1.3]),
    ];
    for (family, law, truth) in cases {
        let fits = fit_lengths(&drawn(&law, 3000, 3), 1);
        let fit = named(&fits, family);
        for ((value, error), truth) in fit.values.iter().zip(&fit.errors).zip(&truth) {
            let exact = family == Family::Pareto && *truth == 19.5;
            assert!((value - truth).abs() <= if exact { 0.0 } else { 4.0 * error }, "{family:?} {value} ± {error}");
        }
        assert!(fit.p.passes(0.01), "{family:?} {:?}", fit.p);
        assert!(fit.bic - fits[0].bic < 6.0, "{family:?}: {fits:#?}");
    }
}

/// Standard errors are those that estimates have: 60 samples of 500. The variance of the standardised estimates is χ²₆₀/60, so within
/// 0.5 and 1.7 but for one in a thousand.
#[test]
fn standard_errors_are_those_of_the_estimates() {
    let law = LengthLaw::Gamma { mean: 211.0, cv: 0.7, max: 1_000_000 };
    let mut sums = [0.0; 2];
    for seed in 0..60 {
        let lengths = drawn(&law, 500, 100 + seed);
        let data = Data { lengths: &lengths, limit: None };
        let (at, _) = data.fit(Family::Gamma, &data.start(Family::Gamma)).unwrap();
        let spread = covariance(&|at| data.log_likelihood(Family::Gamma, at), &at).unwrap();
        let wide = errors(&|at| data.values(Family::Gamma, at), &at, &spread);
        for (k, (value, truth)) in data.values(Family::Gamma, &at).iter().zip([211.0, 0.7]).enumerate() {
            sums[k] += ((value - truth) / wide[k]).powi(2) / 60.0;
        }
    }
    assert!(sums.iter().all(|sum| (0.5..1.7).contains(sum)), "{sums:?}");
}

/// p values of the true law are uniform, so 40 of them are below 0.1 four times: at most 11 but for one in a thousand.
#[test]
fn the_true_law_is_refused_as_often_as_said() {
    let law = LengthLaw::Weibull { mean: 90.0, shape: 1.3, max: 1_000_000 };
    let refused = (0..40).filter(|&seed| {
        let lengths = drawn(&law, 100, 500 + seed);
        let data = Data { lengths: &lengths, limit: None };
        !fit_one(&data, Family::Weibull, seed).unwrap().p.passes(0.1)
    });
    let refused = refused.count();
    assert!((0..=11).contains(&refused), "{refused}");
}

/// Cut at 100, a third of the lengths stand there; the law that goes on beyond it comes back.
#[test]
fn lengths_that_were_cut_off_are_censored() {
    let law = LengthLaw::Gamma { mean: 90.0, cv: 0.8, max: 100 };
    let lengths = drawn(&law, 4000, 9);
    assert!(lengths.censored().is_some());
    let fits = fit_lengths(&lengths, 1);
    let fit = named(&fits, Family::Gamma);
    for ((value, error), truth) in fit.values.iter().zip(&fit.errors).zip([90.0, 0.8]) {
        assert!((value - truth).abs() < 4.0 * error, "{value} ± {error}");
    }
    assert_eq!(fit.law.longest(), Some(100));
    assert!(fit.p.passes(0.01), "{fit:?}");
}

#[test]
fn a_wrong_law_is_refused() {
    let uniform = drawn(&LengthLaw::Uniform { min: 100, max: 900 }, 2000, 4);
    let fits = fit_lengths(&uniform, 1);
    assert_eq!(fits[0].family, Family::Uniform);
    assert!(fits[0].p.passes(0.01) && named(&fits, Family::Lognormal).p == PValue::Below(0.001), "{fits:#?}");
    assert!(fit_lengths(&[7, 7, 7].into_iter().collect(), 1).is_empty());
}

#[test]
fn a_sum_of_powers_is_the_same_by_terms_and_by_the_integral() {
    for s in [0.3, 1.0, 1.7] {
        let terms: f64 = (1..=50_000).rev().map(|k| f64::from(k).powf(-s)).sum();
        assert_relative_eq!(zeta_up_to(s, 50_000), terms, max_relative = 1e-12);
    }
}
