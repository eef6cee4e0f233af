use super::*;
use approx::assert_relative_eq;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn laws() -> Vec<Law> {
    [
        Law::constant(2.0),
        Law::uniform(0.5, 3.5),
        Law::exponential(2.0),
        Law::erlang(2.0, 3),
        Law::gamma(2.0, 1.7),
        Law::hyperexponential_balanced(2.0, 4.0),
        Law::lognormal(2.0, 2.0),
        Law::weibull(2.0, 0.5),
        Law::pareto(2.0, 4.5),
    ]
    .into_iter()
    .map(Result::unwrap)
    .collect()
}

#[test]
fn parts_are_integrals_of_the_density() {
    for law in laws().into_iter().skip(1) {
        assert_relative_eq!(law.mean_s(), 2.0, max_relative = 1e-12);
        // Composite Simpson over a stretch where every density is smooth.
        let (from, to, cells) = (1.6, 3.4, 2000);
        let width = (to - from) / f64::from(cells);
        for k in 0..4 {
            let sum: f64 = (0..=cells)
                .map(|i| {
                    let x = from + f64::from(i) * width;
                    let weight = if i == 0 || i == cells { 1.0 } else { f64::from(2 + 2 * (i % 2)) };
                    weight * law.density(x) * x.powi(k)
                })
                .sum();
            let part = law.moment_below(k as u32, to) - law.moment_below(k as u32, from);
            assert_relative_eq!(part, sum * width / 3.0, max_relative = 1e-9);
        }
        assert_relative_eq!(law.survival(1.7), 1.0 - law.cdf(1.7), max_relative = 1e-10);
    }
}

#[test]
fn samples_have_the_moments() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for law in laws() {
        let n = 200_000;
        let below = |x: f64, t: f64| f64::from(u8::from(t <= x));
        let (mut sum, mut share) = (0.0, 0.0);
        for _ in 0..n {
            let t = law.sample(&mut rng);
            sum += t;
            share += below(1.7, t);
        }
        let error = (law.squared_cv() * 4.0 / f64::from(n)).sqrt();
        assert!((sum / f64::from(n) - 2.0).abs() <= 4.5 * error + 1e-9, "{law:?}");
        let p = law.cdf(1.7);
        assert!((share / f64::from(n) - p).abs() <= 4.5 * (p * (1.0 - p) / f64::from(n)).sqrt() + 1e-12, "{law:?}");
    }
}

#[test]
fn minima_integrate_the_survival_function() {
    for law in laws() {
        assert_relative_eq!(law.mean_up_to(1e9), 2.0, max_relative = 1e-6);
        assert_relative_eq!(law.mean_up_to(f64::INFINITY), 2.0, max_relative = 1e-12);
        assert_eq!(law.mean_up_to(0.0), 0.0);
    }
    let constant = Law::constant(2.0).unwrap();
    assert_eq!((constant.mean_up_to(1.5), constant.second_moment_up_to(3.0)), (1.5, 4.0));
}

#[test]
fn bad_parameters_are_errors() {
    assert!(Law::constant(0.0).is_err() && Law::uniform(2.0, 1.0).is_err() && Law::exponential(f64::NAN).is_err());
    assert!(Law::erlang(1.0, 0).is_err() && Law::hyperexponential(&[(0.5, 1.0)]).is_err());
    assert!(Law::hyperexponential(&[]).is_err() && Law::hyperexponential_balanced(1.0, 1.0).is_err());
    assert!(Law::pareto(1.0, 1.0).is_err() && Law::weibull(1.0, -1.0).is_err() && Law::lognormal(-1.0, 1.0).is_err());
    assert_eq!(Law::pareto(1.0, 1.5).unwrap().moment(2), f64::INFINITY);
}
