use super::*;
use crate::fluid::testing::{affine, chat, constant, geometric, scenario, uniform, with_context, with_memory};
use crate::scenario::{
    Admission, Class, Cluster, Engine, LengthLaw, PrefillPool, RateShape, RateStep, Routing, StepTimeLaw,
};
use approx::assert_relative_eq;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn example() -> Scenario {
    let law = with_context(1.0, 0.005, 0.1 / 3000.0);
    with_memory(scenario(0.05, constant(100), uniform(1, 199), law, 100_000), 3000, Some(0.0))
}

/// Ex. 3(b) of the memory law: a burst of 60 requests, to the digits given.
#[test]
fn worked_example_of_the_memory_law() {
    let options = PathOptions {
        horizon_s: 600.0,
        backlog: 60.0,
        points: 120,
        bins: 64,
        form: Form::Map,
        sharp: false,
        stiff: false,
    };
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
        let options = PathOptions {
            horizon_s: 600.0,
            backlog: 0.0,
            points: 60,
            bins: 64,
            form: Form::Ode,
            sharp: false,
            stiff: false,
        };
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

/// A random scenario that has a path.
fn random(rng: &mut StdRng) -> (Scenario, PathOptions) {
    loop {
        let length = |rng: &mut StdRng, longest: u64| match rng.random_range(0..4) {
            0 => constant(rng.random_range(1..=longest)),
            1 => uniform(1, rng.random_range(2..=longest)),
            2 => geometric(1.0 + rng.random::<f64>() * longest as f64 / 8.0),
            _ => LengthLaw::Lognormal { mean: 1.0 + longest as f64 / 4.0, cv: 1.5, max: longest },
        };
        let base_s = 0.005 + 0.03 * rng.random::<f64>();
        let law = match rng.random_range(0..4) {
            0 => affine(base_s, 1e-4),
            1 => with_context(base_s, 1e-4, 1e-6),
            2 => StepTimeLaw::Hinge { base_s, per_token_s: 2e-4, free_tokens: 40 },
            _ => StepTimeLaw::Staircase { base_s, per_stair_s: 0.01, stair_tokens: 64 },
        };
        let (prompt, output) = (length(rng, 80), length(rng, 60));
        let mut question = scenario(0.5 + 12.0 * rng.random::<f64>(), prompt, output, law, rng.random_range(2..40));
        if rng.random_bool(0.4) {
            let (prompt, output) = (length(rng, 40), length(rng, 90));
            question.workload.class.push(Class { share: 0.5, ..Class::new("b", prompt, output) });
        }
        let engines = [
            Engine::VllmV1,
            Engine::Sarathi,
            Engine::Orca,
            Engine::VllmV0,
            Engine::Hybrid,
            Engine::PrefillPrioritizing,
            Engine::Static,
        ];
        question.policy.engine = engines[rng.random_range(0..engines.len())];
        question.instance.max_batch_tokens = rng.random_bool(0.7).then(|| rng.random_range(80..400));
        if rng.random_bool(0.6) {
            let swap = rng.random_bool(0.5).then_some(1e-6);
            question = with_memory(question, rng.random_range(200..2000), swap);
            match rng.random_range(0..4) {
                0 => question.policy.admission = Admission::Reserve,
                1 => {
                    question.policy.admission = Admission::Watermark;
                    question.policy.watermark_share = Some(0.1);
                }
                _ => {}
            }
        }
        let step = |from_s, factor| RateStep { from_s, factor };
        question.workload.rate_shape = match rng.random_range(0..5) {
            0 => RateShape::Spike { factor: 4.0, start_s: 7.3, duration_s: 5.0 },
            1 => RateShape::Ramp { factor: 2.0, start_s: 3.0, duration_s: 11.0 },
            2 => RateShape::Diurnal { amplitude: 0.9, period_s: 13.0, peak_s: None },
            3 => RateShape::Piecewise { steps: vec![step(5.0, 0.0), step(9.0, 3.0), step(12.5, 0.5)] },
            _ => RateShape::default(),
        };
        let backlog = if rng.random_bool(0.5) { 50.0 * rng.random::<f64>() } else { 0.0 };
        let form = if rng.random_bool(0.5) { Form::Map } else { Form::Auto };
        let options = PathOptions {
            horizon_s: 30.0,
            backlog,
            points: 30,
            bins: 16,
            form,
            sharp: rng.random_bool(0.5),
            stiff: cfg!(feature = "stiff") && rng.random_bool(0.5),
        };
        if question.validate().is_ok() && refusal(&question).is_none() {
            return (question, options);
        }
    }
}

fn assert_kept(path: &Path, about: &dyn std::fmt::Debug) {
    for point in &path.points {
        let found = point.completed + point.in_system();
        let scale = point.arrived.max(1.0);
        assert!((point.arrived - found).abs() < 1e-9 * scale, "{} {found} {point:?} {about:#?}", point.arrived);
        let parts = [point.waiting, point.running, point.prefilling, point.swapped, point.kv_tokens, point.on_link];
        assert!(parts.iter().all(|part| *part >= 0.0 && part.is_finite()), "{point:?} {about:#?}");
    }
}

/// Whoever arrived is in the system or completed, to 1e-9, no part is negative, and no limit is passed.
#[test]
fn mass_is_kept_and_never_negative() {
    let mut rng = StdRng::seed_from_u64(4);
    for _ in 0..150 {
        let (question, options) = random(&mut rng);
        let path = trajectory(&question, &options).unwrap_or_else(|error| panic!("{error} {question:#?}"));
        assert_kept(&path, &(&question, options));
        let memory = question.instance.kv_tokens.map_or(f64::INFINITY, |tokens| tokens as f64);
        let capped = question.batch_rules().sequence_limit == crate::scenario::SequenceLimit::Residents;
        let cap = if capped { question.instance.max_sequences as f64 } else { f64::INFINITY };
        for point in &path.points {
            assert!(
                point.kv_tokens <= memory * (1.0 + 1e-6) && point.running <= cap * (1.0 + 1e-6),
                "{point:?} {question:#?}"
            );
        }
    }
}

/// λ, K, B and M tenfold and tokens ten times as fast: the path is ten times as high.
#[test]
fn a_tenfold_system_has_a_tenfold_path() {
    let shape = RateShape::Spike { factor: 3.0, start_s: 20.0, duration_s: 20.0 };
    let of = |n: u64| {
        let scale = n as f64;
        let law = with_context(0.02, 2e-4 / scale, 1e-6 / scale);
        let mut question =
            with_memory(scenario(4.0 * scale, constant(50), geometric(40.0), law, 16 * n), 1200 * n, Some(0.0));
        question.instance.max_batch_tokens = Some(256 * n);
        question.workload.rate_shape = shape.clone();
        trajectory(
            &question,
            &PathOptions { sharp: false, stiff: false, form: Form::Ode, ..PathOptions::new(100.0, 0.0) },
        )
        .unwrap()
    };
    for (one, ten) in of(1).points.iter().zip(&of(10).points) {
        assert!((10.0 * one.running - ten.running).abs() < 1e-3 * (1.0 + ten.running), "{one:?} {ten:?}");
        assert!((10.0 * one.waiting - ten.waiting).abs() < 2e-3 * (10.0 + ten.waiting), "{one:?} {ten:?}");
    }
}

/// Replicas share the traffic; two pools in series keep every request, and the link carries λ of them.
#[test]
fn clusters_share_the_traffic_or_pass_it_on() {
    let one = scenario(3.0, constant(60), geometric(40.0), affine(0.02, 2e-4), 32);
    let options = PathOptions { horizon_s: 120.0, points: 40, ..PathOptions::default() };
    let mut three = one.clone();
    three.workload.rate_per_s = Some(9.0);
    three.cluster = Some(Cluster::replicas(3, Routing::RoundRobin));
    let (alone, together) = (trajectory(&one, &options).unwrap(), trajectory(&three, &options).unwrap());
    for (a, b) in alone.points.iter().zip(&together.points) {
        assert_relative_eq!(3.0 * a.running, b.running, max_relative = 1e-9);
    }
    let mut pools = one.clone();
    let prefill =
        PrefillPool { replicas: 2, routing: Routing::RoundRobin, instance: None, policy: None, step_time: None };
    let link =
        crate::scenario::Link { tokens_per_s: 1000.0, latency_s: 0.0, contention: crate::scenario::Contention::Fifo };
    pools.cluster =
        Some(Cluster { prefill: Some(prefill), link: Some(link), ..Cluster::replicas(1, Routing::RoundRobin) });
    let path = trajectory(&pools, &options).unwrap();
    assert_kept(&path, &pools);
    let last = path.points[path.points.len() - 1];
    assert_relative_eq!(last.throughput_per_s, 3.0, max_relative = 1e-3);
    // A transfer of 61 tokens takes .061 s, and 3 · 39/40 requests per second make it.
    assert_relative_eq!(last.on_link, 3.0 * 0.061 * 39.0 / 40.0, max_relative = 0.01);
}

#[test]
fn what_no_path_covers_is_refused_with_a_reason() {
    let mut question = with_memory(chat(1.0), 50_000, None);
    question.policy.admission = Admission::LookAhead;
    let error = trajectory(&question, &PathOptions::default()).unwrap_err().to_string();
    assert!(
        error.contains("policy.admission") && error.contains("look-ahead") && error.contains("simulate"),
        "{error}"
    );
    let mut question = scenario(1.0, constant(10), constant(10), affine(0.02, 1e-4), 8);
    question.policy.engine = Engine::Static;
    assert_eq!(trajectory(&question, &PathOptions::default()).unwrap().form, Form::Map);
    let ode = PathOptions { form: Form::Ode, ..PathOptions::default() };
    assert!(trajectory(&question, &ode).unwrap_err().to_string().contains("form"));
}
