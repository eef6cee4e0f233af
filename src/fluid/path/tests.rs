use super::*;
use crate::fluid::testing::{affine, chat, constant, geometric, scenario, uniform, with_context, with_memory};
use crate::scenario::RateShape;
use approx::assert_relative_eq;

fn example() -> Scenario {
    let law = with_context(1.0, 0.005, 0.1 / 3000.0);
    with_memory(scenario(0.05, constant(100), uniform(1, 199), law, 100_000), 3000, Some(0.0))
}

/// Ex. 3(b) of the memory law: a burst of 60 requests, to the digits given.
#[test]
fn worked_example_of_the_memory_law() {
    let options = PathOptions { horizon_s: 600.0, backlog: 60.0, points: 120, bins: 64, form: Form::Map, sharp: false };
    let path = trajectory(&example(), &options).unwrap();
    let rows = [
        (50.0, 23.255_814, 2.477_155, 32.756_505),
        (100.0, 17.612_891, 2.483_141, 35.278_692),
        (200.0, 16.837_851, 0.0, 30.741_726),
        (300.0, 18.366_109, 0.0, 18.774_744),
        (600.0, 11.086_652, 0.0, 0.0),
    ];
    for (t, running, swapped, waiting) in rows {
        let point = path.points[(t / 5.0) as usize];
        assert_eq!(point.t_s, t);
        assert_relative_eq!(point.running, running, epsilon = 1e-6);
        assert_relative_eq!(point.swapped, swapped, epsilon = 1e-6);
        assert_relative_eq!(point.waiting, waiting, epsilon = 1e-6);
    }
    assert_relative_eq!(path.points[120].kv_tokens, 2137.0096, max_relative = 1e-7);
}

/// Ex. 3(a): constant lengths under restart, λ* of the map 2.227229.
#[test]
fn worked_example_of_restarts() {
    let law = with_context(1.0, 2.5e-4, 0.1 / 60_200.0);
    let mut question = with_memory(scenario(1.0, constant(100), constant(100), law, 1 << 20), 60_200, None);
    question.policy.preemption = Preemption::Restart;
    let load = Load::of(&question);
    let mut map = Map::new(&load, 1e9);
    let (mut completed, mut seconds) = (0.0, 0.0);
    for index in 0..6000 {
        let iteration = map.step();
        if index >= 3000 {
            completed += iteration.completed;
            seconds += iteration.step_s;
        }
    }
    assert_relative_eq!(completed / seconds, 2.227_229, max_relative = 2e-3);
}

/// The two forms agree from an empty start, where no cohort has to be kept apart.
#[test]
fn both_forms_agree_from_empty() {
    let mut overload = example();
    overload.workload.rate_per_s = Some(0.19);
    for question in [overload, chat(2.0), chat(5.0)] {
        let options =
            PathOptions { horizon_s: 600.0, backlog: 0.0, points: 60, bins: 64, form: Form::Ode, sharp: false };
        let ode = trajectory(&question, &options).unwrap();
        let map = trajectory(&question, &PathOptions { form: Form::Map, ..options }).unwrap();
        let size = map.points.iter().map(|p| p.running).fold(0.0, f64::max);
        for (a, b) in ode.points.iter().zip(&map.points) {
            assert!((a.running - b.running).abs() < 0.03 * size, "{a:?} {b:?}");
            assert!((a.waiting - b.waiting).abs() < 0.03 * (size + b.waiting), "{a:?} {b:?}");
        }
    }
}

/// The ODE settles where Little's law says: N = λ·τ·E\[o\].
#[test]
fn the_steady_state_is_the_equilibrium() {
    let question = scenario(3.0, constant(10), geometric(50.0), affine(0.02, 1e-4), 64);
    let path = trajectory(&question, &PathOptions::default()).unwrap();
    let last = path.points[path.points.len() - 1];
    let step = 0.02 / (1.0 - 3.0 * 1e-4 * 59.0);
    assert_relative_eq!(last.step_s, step, max_relative = 1e-4);
    assert_relative_eq!(last.running, 3.0 * step * 50.0, max_relative = 1e-4);
    assert_relative_eq!(last.throughput_per_s, 3.0, max_relative = 1e-4);
}

#[test]
fn options_are_checked() {
    let wrong = PathOptions { horizon_s: -1.0, ..PathOptions::default() };
    let error = trajectory(&chat(1.0), &wrong).unwrap_err();
    assert_eq!(error.to_string(), "horizon_s: must be positive and finite, got `-1`");
}

/// A spike of twice the rate piles up what the boundary does not carry, and the rest drains.
#[test]
fn a_spike_has_a_peak_at_its_end_and_drains() {
    let mut question = scenario(0.7 * 7.0, constant(10), geometric(50.0), affine(0.02, 1e-3), 16);
    question.workload.rate_shape = RateShape::Spike { factor: 3.0, start_s: 100.0, duration_s: 60.0 };
    let summary = trajectory(&question, &PathOptions::new(1000.0, 0.0)).unwrap().summary();
    let star = 16.0 / 50.0 / (0.02 + 1e-3 * 16.0 / 50.0 * 59.0);
    assert!((summary.peak_waiting_s - 160.0).abs() < 1e-6, "{summary:?}");
    assert_relative_eq!(summary.peak_waiting, 60.0 * (3.0 * 4.9 - star), max_relative = 0.05);
    assert_relative_eq!(summary.drain_s.unwrap(), 0.98 * summary.peak_waiting / (star - 4.9), max_relative = 0.05);
}
