use approx::assert_relative_eq;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;

fn states(pairs: &[(f64, f64)]) -> Vec<ArrivalState> {
    pairs.iter().map(|&(factor, stay_s)| ArrivalState { factor, stay_s }).collect()
}

fn laws() -> Vec<ArrivalLaw> {
    vec![
        ArrivalLaw::Poisson {},
        ArrivalLaw::Deterministic {},
        ArrivalLaw::Gamma { cv: 2.0 },
        ArrivalLaw::Weibull { shape: 0.6 },
        ArrivalLaw::Weibull { shape: 3.0 },
        ArrivalLaw::Mmpp { states: states(&[(2.0, 3.0), (10.0, 0.5)]) },
        ArrivalLaw::Mmpp { states: states(&[(1.0, 2.0), (0.0, 1.0), (5.0, 0.25)]) },
        ArrivalLaw::Batch { mean: 4.0, sizes: BatchSizes::Geometric },
        ArrivalLaw::Batch { mean: 3.0, sizes: BatchSizes::Constant },
    ]
}

/// Counts in 4000 windows of 100 s at 2 per second. Of nearly normal counts the mean of the windows has the relative standard error
/// √(I/200/4000) and the ratio of variance to mean √(2/3999); four of each, so one check in 16 000 fails by chance. 100 s hold more than
/// 20 times the longest memory, which leaves the index below its limit by less than its tolerance of 9 %.
#[test]
fn counts_have_the_mean_and_the_dispersion_of_their_law() {
    let (rate, window, windows) = (2.0, 100.0, 4000);
    for law in laws() {
        law.validate().unwrap();
        let limit = law.dispersion_limit(rate);
        let mut intervals = Intervals::new(law.clone(), 1.0 / rate);
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let mut counts = vec![0.0_f64; windows];
        let mut time = 0.0;
        loop {
            time += intervals.next_s(&mut rng);
            let Some(count) = counts.get_mut((time / window) as usize) else { break };
            *count += 1.0;
        }
        let mean = counts.iter().sum::<f64>() / windows as f64;
        let squares = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>();
        let index = squares / (windows - 1) as f64 / mean;
        let expected = rate * window;
        assert!(
            (mean / expected - 1.0).abs() < 4.0 * (limit / expected / windows as f64).sqrt() + 1e-3,
            "{law:?} {mean}"
        );
        assert!(
            (index - limit).abs() <= 4.0 * (2.0 / 3999.0_f64).sqrt() * limit + 0.01,
            "{law:?}: {index} for {limit}"
        );
    }
}

/// The covariance of the rate of two states decays at c = 1/30 + 1/5: its transform is that of the limit times c/(s + c).
#[test]
fn the_rate_of_two_states_is_forgotten_exponentially() {
    let pair = states(&[(2.0, 30.0), (10.0, 5.0)]);
    let c = 1.0 / 30.0 + 0.2;
    for s in [1e-6, 0.1, 3.0] {
        assert_relative_eq!(modulation(&pair, s), modulation(&pair, 0.0) * c / (s + c), max_relative = 1e-6);
    }
}

#[test]
fn a_weibull_law_of_shape_one_is_exponential() {
    assert_relative_eq!(ArrivalLaw::Weibull { shape: 1.0 }.dispersion_limit(9.0), 1.0, max_relative = 1e-12);
    assert_relative_eq!(ArrivalLaw::Weibull { shape: 0.5 }.dispersion_limit(9.0), 5.0, max_relative = 1e-10);
}

#[test]
fn a_parameter_outside_is_named() {
    let cases = [
        (ArrivalLaw::Gamma { cv: 0.0 }, "cv"),
        (ArrivalLaw::Weibull { shape: f64::NAN }, "shape"),
        (ArrivalLaw::Mmpp { states: states(&[(1.0, 1.0)]) }, "states"),
        (ArrivalLaw::Mmpp { states: states(&[(1.0, 1.0), (2.0, 0.0)]) }, "states[1].stay_s"),
        (ArrivalLaw::Mmpp { states: states(&[(0.0, 1.0), (0.0, 1.0)]) }, "states"),
        (ArrivalLaw::Batch { mean: 2.5, sizes: BatchSizes::Constant }, "mean"),
        (ArrivalLaw::Batch { mean: 0.5, sizes: BatchSizes::Geometric }, "mean"),
    ];
    for (law, key) in cases {
        let error = law.validate().unwrap_err();
        assert!(error.key == key && !error.remedy.is_empty(), "{error}");
    }
}
