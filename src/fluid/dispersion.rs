//! How bursty arrivals are on a time scale: the index of dispersion of counts, Var N(t)/E\[N(t)\].
//!
//! Of a renewal process with interval transform φ, ∫ Var N(t)·e^{−st} dt is known in closed form. Weighting the index by
//! s²t·e^{−st}, of mean 2/s, gives 1 + 2·(φ/(1 − φ) − λ/s): 1 on short scales unless intervals are equal, cv² on long ones.

use nalgebra::Complex;

use crate::queueing::Law;
use crate::scenario::arrivals::modulation;
use crate::scenario::{ArrivalLaw, Scenario};

/// The index around the time `seconds` at `rate` arrivals per second.
pub(super) fn index(scenario: &Scenario, rate: f64, seconds: f64) -> f64 {
    if scenario.workload.trace.is_some() || !seconds.is_finite() {
        return 1.0;
    }
    let arrivals = (rate * seconds).max(1e-9);
    let decay = 2.0 / arrivals;
    match &scenario.workload.arrivals {
        ArrivalLaw::Poisson {} => 1.0,
        ArrivalLaw::Deterministic {} => of_odds(1.0 / decay.exp_m1(), decay),
        ArrivalLaw::Gamma { cv } => {
            let shape = 1.0 / (cv * cv);
            of_odds(1.0 / (shape * (decay / shape).ln_1p()).exp_m1(), decay)
        }
        ArrivalLaw::Weibull { shape } => {
            let excess = Law::weibull(1.0, *shape).map_or(1.0, |law| law.excess_transform(Complex::from(decay)).re);
            of_odds((1.0 - decay * excess) / (decay * excess), decay)
        }
        ArrivalLaw::Mmpp { states } => 1.0 + rate * modulation(states, 2.0 / seconds.max(1e-9 / rate)),
        ArrivalLaw::Batch { .. } => scenario.workload.arrivals.dispersion_limit(rate),
    }
}

/// The index from φ/(1 − φ) and s/λ.
fn of_odds(odds: f64, decay: f64) -> f64 {
    (1.0 + 2.0 * (odds - 1.0 / decay)).max(0.0)
}

/// The index of the superposed completions of many residents, each a renewal process with outputs of the given survival
/// function P(o > u) and mean, around 2/`decay` iterations.
pub(super) fn of_completions(survival: &[f64], mean: f64, decay: f64) -> f64 {
    // φ = 1 − (1 − z)·Σ P(o > u) z^u with z = e^{−s}.
    let z = (-decay).exp();
    let sum = survival.iter().rev().fold(0.0, |sum, above| above + z * sum);
    let missing = (-(-decay).exp_m1() * sum).clamp(1e-300, 1.0);
    of_odds((1.0 - missing) / missing, decay * mean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::testing::{affine, constant, scenario};
    use crate::queueing::matrix::Map;
    use crate::scenario::ArrivalState;
    use approx::assert_relative_eq;

    #[test]
    fn an_index_runs_from_one_to_the_squared_cv() {
        let mut question = scenario(1.0, constant(1), constant(1), affine(1.0, 0.0), 4);
        let states = vec![ArrivalState { factor: 1.0, stay_s: 2.0 }, ArrivalState { factor: 4.0, stay_s: 1.0 }];
        for (law, long) in [
            (ArrivalLaw::Poisson {}, 1.0),
            (ArrivalLaw::Gamma { cv: 2.0 }, 4.0),
            (ArrivalLaw::Gamma { cv: 0.5 }, 0.25),
            (ArrivalLaw::Weibull { shape: 0.5 }, 5.0),
            (ArrivalLaw::Mmpp { states: states.clone() }, ArrivalLaw::Mmpp { states }.dispersion_limit(3.0)),
            (ArrivalLaw::Deterministic {}, 0.0),
        ] {
            question.workload.arrivals = law;
            assert_relative_eq!(index(&question, 3.0, 1e5), long, epsilon = 1e-3);
            let short = index(&question, 3.0, 1e-4);
            assert!((short - 1.0).abs() < 0.5, "{short}");
        }
    }

    #[test]
    fn completions_of_geometric_outputs_are_nearly_poisson() {
        let survival: Vec<f64> = (0..4000).map(|u| 0.99_f64.powi(u)).collect();
        for decay in [1e-4, 1e-2, 0.1] {
            assert_relative_eq!(of_completions(&survival, 100.0, decay), 1.0, epsilon = 0.06);
        }
        let fixed = vec![1.0; 100];
        assert_relative_eq!(of_completions(&fixed, 100.0, 1e-5), 0.0, epsilon = 1e-3);
    }

    /// The limit is that of the process of `queueing`; of three states with a generator that leaves each for both others alike.
    #[test]
    fn modulated_arrivals_have_the_dispersion_of_the_matrix_process() {
        let leave = [0.5, 1.0, 4.0];
        let generator: Vec<Vec<f64>> =
            (0..3).map(|i| (0..3).map(|j| if i == j { -leave[i] } else { leave[i] / 2.0 }).collect()).collect();
        let processes = [
            (Map::mmpp2([1.0 / 30.0, 0.2], [2.0, 10.0]).unwrap(), vec![(2.0, 30.0), (10.0, 5.0)]),
            (Map::mmpp(&generator, &[1.0, 0.0, 5.0]).unwrap(), vec![(1.0, 2.0), (0.0, 1.0), (5.0, 0.25)]),
        ];
        for (map, pairs) in processes {
            let stays: f64 = pairs.iter().map(|(_, stay_s)| stay_s).sum();
            let rate = pairs.iter().map(|(factor, stay_s)| factor * stay_s).sum::<f64>() / stays;
            assert_relative_eq!(map.rate_per_s(), rate, max_relative = 1e-12);
            let states = pairs.into_iter().map(|(factor, stay_s)| ArrivalState { factor, stay_s }).collect();
            let limit = ArrivalLaw::Mmpp { states }.dispersion_limit(rate);
            assert_relative_eq!(limit, map.dispersion_limit(), max_relative = 1e-10);
        }
    }
}
