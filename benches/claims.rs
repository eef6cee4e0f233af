//! The claims about speed, one group each; README.md beside this file has the goals, the figures and where the time goes.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fluidsim::des::{Options, simulate};
use fluidsim::fluid;
use fluidsim::queueing::Law;
use fluidsim::queueing::disciplines::Srpt;
use fluidsim::queueing::markov::Mmc;
use fluidsim::queueing::matrix::{Map, MapPh1, PhaseType};
use fluidsim::scenario::trace::{Blocks, Trace, TraceRequest};
use fluidsim::scenario::{
    Admission, Class, Cluster, Engine, LengthLaw, Policy, Preemption, RateShape, Routing, Scenario, StepTimeLaw, Time,
    TraceMode, TraceSource, load, presets,
};
use fluidsim::stats::stream::stream;
use fluidsim::study::compare::{CompareOptions, compare};
use fluidsim::study::gate::measure::Effort;
use fluidsim::study::plan::Wishes;
use fluidsim::study::sweep::{Axis, Design, Quantity, Side, Solver, Source, Sweep};
use fluidsim::study::{gate, trials};
use rand_distr::{Distribution, Exp1};

fn preset(name: &str) -> Scenario {
    let preset = presets::get(name).expect("a preset of that name");
    load::load(preset.name, preset.text, &[]).expect("a valid preset")
}

/// One run that feeds about `requests` requests.
fn options(scenario: &Scenario, requests: f64) -> Options {
    Options::until(Time::ZERO, Time::from_seconds(requests / scenario.workload.rate()))
}

/// `scenario` with other lengths, a rate, and an affine law that a GPU could have.
fn of_lengths(prompt: LengthLaw, output: LengthLaw, rate: f64) -> Scenario {
    let mut scenario = preset(presets::DEFAULT);
    scenario.workload.rate_per_s = Some(rate);
    scenario.workload.class.truncate(1);
    scenario.workload.class[0].prompt = prompt;
    scenario.workload.class[0].output = output;
    scenario
}

/// Prompts and outputs of 512 tokens at 10 per second in the memory of one large GPU: 34 residents, a third of λ*.
fn serving() -> Scenario {
    let tokens = || LengthLaw::Constant { tokens: 512 };
    let mut scenario = of_lengths(tokens(), tokens(), 10.0);
    scenario.instance.max_sequences = 256;
    scenario.instance.max_batch_tokens = Some(2048);
    scenario.instance.kv_tokens = Some(65_833 * 16);
    scenario.instance.block_tokens = 16;
    scenario.policy.admission = Admission::Greedy;
    scenario.policy.preemption = Preemption::Recompute;
    scenario.step_time = StepTimeLaw::AffineContext { base_s: 0.005, per_token_s: 2e-5, per_context_token_s: 1e-8 };
    scenario
}

/// A decode node that collapses: it admits whoever fits beside what is held now, and half of those have to begin anew. A trace of
/// 40 000 Poisson arrivals at 5.1 per second with prompts and outputs of 20 tokens, in a memory of 10 000.
fn memory_bound() -> Scenario {
    let mut rng = stream(16, "trace");
    let mut clock = Time::ZERO;
    let request = |_| {
        let gap: f64 = Exp1.sample(&mut rng);
        clock += Time::from_seconds(gap / 5.1);
        TraceRequest { arrival: clock, prompt: 20, output: 20, class: 0, blocks: Blocks::default() }
    };
    let trace = Trace::of((0..40_000).map(request));
    let mut scenario = preset(presets::DEFAULT);
    scenario.workload.rate_per_s = None;
    scenario.workload.class.clear();
    scenario.workload.trace =
        Some(TraceSource { file: "none".into(), mode: TraceMode::Replay, requests: Arc::new(trace) });
    scenario.instance.max_sequences = 1 << 20;
    scenario.instance.max_batch_tokens = Some(10_000);
    scenario.instance.kv_tokens = Some(10_000);
    scenario.instance.block_tokens = 1;
    scenario.policy = Policy::of(Engine::DecodeNode, Admission::Greedy, Preemption::Restart);
    scenario.step_time = StepTimeLaw::AffineContext { base_s: 0.003, per_token_s: 0.0, per_context_token_s: 0.00032 };
    scenario
}

/// Outputs of `mean` tokens at a rate that keeps the same 27 residents.
fn outputs_of(mean: f64) -> Scenario {
    let output = LengthLaw::Geometric { mean };
    let mut scenario = of_lengths(LengthLaw::Constant { tokens: 1 }, output, 1000.0 / mean);
    scenario.instance.max_sequences = 256;
    scenario.instance.kv_tokens = None;
    scenario.step_time = StepTimeLaw::Affine { base_s: 0.02, per_token_s: 2.5e-4 };
    scenario
}

fn solving(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("solve");
    for name in [presets::DEFAULT, "memory-greedy"] {
        let scenario = preset(name);
        group.bench_function(name, |bencher| bencher.iter(|| fluid::solve(black_box(&scenario))));
        group.bench_function(format!("{name}, fast tier"), |bencher| {
            bencher.iter(|| {
                let mut prepared = fluid::Prepared::new(black_box(&scenario), fluid::Tier::Fast);
                prepared.at(scenario.workload.rate()).lambda_per_s
            });
        });
    }
    let scenario = preset(presets::DEFAULT);
    let hour = fluid::PathOptions::default();
    group.bench_function("path of one hour", |bencher| bencher.iter(|| fluid::trajectory(black_box(&scenario), &hour)));
    group.finish();
}

/// λ* where every iteration's law matters (a hinge, K = 256) and where the mean is enough, a thousand loads one after the other, and one member of the gate.
fn trusting(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gate");
    let mut sharp = outputs_of(100.0);
    sharp.step_time = StepTimeLaw::Hinge { base_s: 0.02, per_token_s: 4e-4, free_tokens: 128 };
    group.bench_function("sharp boundary, K 256", |bencher| bencher.iter(|| fluid::boundary(black_box(&sharp))));
    let plain = outputs_of(100.0);
    group.bench_function("mean-field boundary", |bencher| bencher.iter(|| fluid::boundary(black_box(&plain))));
    let scenario = preset(presets::DEFAULT);
    group.sample_size(10);
    for (name, tier) in [("1000 loads", fluid::Tier::Sharp), ("1000 loads, fast tier", fluid::Tier::Fast)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut prepared = fluid::Prepared::new(black_box(&scenario), tier);
                let boundary = prepared.boundary().low_per_s;
                let loads = (0..1000).map(|k| boundary * (0.1 + 0.00085 * f64::from(k)));
                loads.map(|rate| prepared.at(rate).lambda_per_s).sum::<f64>()
            });
        });
    }
    if let Ok(family) = gate::family("v1-geometric") {
        group.bench_function("one member, quick", |bencher| {
            bencher.iter(|| gate::measure::member(black_box(&family), 0.8, 1, Effort::QUICK, &[]));
        });
    }
    // A minute of two and a half times the rate, 128 bins for each of 4 classes.
    let mut scenario = preset(presets::DEFAULT);
    let class = scenario.workload.class[0].clone();
    for (name, mean) in [("b", 150.0), ("c", 200.0), ("d", 250.0)] {
        let output = LengthLaw::Lognormal { mean, cv: 0.9, max: 2000 };
        scenario.workload.class.push(Class { name: name.into(), output, ..class.clone() });
    }
    scenario.workload.rate_shape = RateShape::Spike { factor: 2.5, start_s: 600.0, duration_s: 60.0 };
    let hour = fluid::PathOptions { bins: 128, ..fluid::PathOptions::default() };
    group.bench_function("path of one hour, 128 bins, 4 classes", |bencher| {
        bencher.iter(|| fluid::trajectory(black_box(&scenario), &hour));
    });
    group.finish();
}

fn simulating(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("simulate");
    group.throughput(Throughput::Elements(10_000));
    for (name, scenario) in [
        ("512 and 512 tokens", serving()),
        ("outputs of 100", outputs_of(100.0)),
        ("outputs of 10000", outputs_of(10_000.0)),
        (presets::DEFAULT, preset(presets::DEFAULT)),
        ("memory-greedy", preset("memory-greedy")),
    ] {
        let options = options(&scenario, 10_000.0);
        group.bench_function(name, |bencher| bencher.iter(|| simulate(black_box(&scenario), &options)));
    }
    let stepping = Options { leap: false, ..options(&serving(), 10_000.0) };
    group.bench_function("512 and 512 tokens, step by step", |bencher| {
        bencher.iter(|| simulate(black_box(&serving()), &stepping));
    });
    let scenario = memory_bound();
    let options = options(&scenario, 40_000.0);
    group.throughput(Throughput::Elements(40_000));
    group.bench_function("memory-bound with preemption", |bencher| {
        bencher.iter(|| simulate(black_box(&scenario), &options));
    });
    let mut scenario = Scenario { cluster: Some(Cluster::replicas(8, Routing::JoinShortestQueue)), ..serving() };
    scenario.workload.rate_per_s = Some(80.0);
    let options = self::options(&scenario, 40_000.0);
    group.bench_function("eight replicas, shortest queue", |bencher| {
        bencher.iter(|| simulate(black_box(&scenario), &options));
    });
    group.finish();
}

/// The same 16 trials on one thread and on two.
fn scaling(criterion: &mut Criterion) {
    let scenario = serving();
    let options = options(&scenario, 10_000.0);
    let mut group = criterion.benchmark_group("16 trials");
    for threads in [1, 2] {
        let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(threads).build() else { continue };
        group.bench_function(format!("{threads} threads"), |bencher| {
            bencher.iter(|| pool.install(|| trials::run(black_box(&scenario), &options, 16, &|| {})));
        });
    }
    group.finish();
}

fn queueing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mm1");
    group.throughput(Throughput::Elements(100_000));
    let scenario = preset("mm1");
    let options = options(&scenario, 100_000.0);
    group.bench_function("engine", |bencher| bencher.iter(|| simulate(black_box(&scenario), &options)));
    group.bench_function("its two random draws", |bencher| {
        let draw = |mut rng| (0..200_000).map(|_| -> f64 { Exp1.sample(&mut rng) }).sum::<f64>();
        bencher.iter_batched(|| stream(1, "draws"), draw, BatchSize::SmallInput);
    });
    group.finish();
}

/// The queueing library: a chain with blocks of 20 × 20, ten thousand servers, an order by remaining time.
fn formulas(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queueing theory");
    let ring: Vec<Vec<f64>> = (0..4).map(|i| (0..4).map(|j| if i == j { -0.3 } else { 0.1 }).collect()).collect();
    let map = Map::mmpp(&ring, &[0.2, 0.6, 1.0, 1.4]).expect("a ring of phases");
    let service = PhaseType::erlang(1.0, 5).expect("five phases");
    group.bench_function("MAP/PH/1, 20 phases", |bencher| {
        bencher.iter(|| MapPh1::new(black_box(&map), black_box(&service)).map(|queue| queue.mean_in_system()));
    });
    group.bench_function("M/M/c, c = 10 000", |bencher| {
        bencher.iter(|| Mmc::new(black_box(9950.0), 1.0, 10_000).map(|queue| queue.mean_wait_s()));
    });
    let sizes = Law::weibull(1.0, 0.5).expect("a law");
    group.bench_function("SRPT, Weibull sizes", |bencher| {
        bencher.iter(|| Srpt::new(black_box(0.9), sizes.clone()).map(|queue| queue.mean_sojourn_s()));
    });
    group.finish();
}

fn comparing(criterion: &mut Criterion) {
    let scenario = preset(presets::DEFAULT);
    let options = CompareOptions { seed: 1, trials: 50, backlog: 0, wishes: Wishes::default() };
    let mut group = criterion.benchmark_group("compare");
    group.sample_size(10);
    group.bench_function("50 trials", |bencher| bencher.iter(|| compare(&scenario, &options, &|| {})));
    group.finish();
}

/// A thousand points of theory, on the machine's threads: of a loop over the load, and of a sample of memory and load.
fn sweeping(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sweep of 1000 points");
    group.sample_size(10);
    let names = ["lambda_star_per_s", "ttft_s.mean", "e2e_s.p95"];
    let quantities = names.iter().flat_map(|name| Quantity::named("", name, &[Side::Theory]).expect("a quantity"));
    let quantities: Vec<Quantity> = quantities.collect();
    for (name, tier) in [
        (presets::DEFAULT, fluid::Tier::Sharp),
        ("memory-greedy", fluid::Tier::Sharp),
        ("memory-greedy", fluid::Tier::Fast),
    ] {
        let axes =
            ["instance.max_sequences=64:256:8", "load=.1:.88:.02"].map(|text| Axis::parse("", text).expect("an axis"));
        let sweep = Sweep {
            source: Source::of(preset(name)),
            design: Design::grid(axes.to_vec()).expect("a grid"),
            solver: Solver { theory: Some(tier), engine: None },
            quantities: quantities.clone(),
            seed: 1,
            independent: false,
        };
        assert_eq!(sweep.design.len(), 1000);
        group.bench_function(format!("{name}, {tier:?}"), |bencher| {
            bencher.iter(|| sweep.answer(&|| {}).map(|rows| rows.len()));
        });
    }
    group.finish();
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(15)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .without_plots()
}

criterion_group!(name = claims; config = quick(); targets = solving, trusting, simulating, scaling, queueing, formulas, comparing, sweeping);
criterion_main!(claims);
