//! Each plain simulation against figures that its model is known by, entered here as facts: within the interval of 20 trials at an
//! error rate of 0.0001 each.

use super::*;
use crate::queueing::Law;
use crate::stats::interval::mean_interval;
use crate::stats::stream::stream;
use crate::study::queues::class::Class;

/// Holds that `truth` is within the interval of what the trials say of `key`.
#[track_caller]
fn expect(trial: &Trial, customers: u64, truths: &[(&str, f64)]) {
    let runs: Vec<Measured> = (0..20).map(|k| trial.run(&mut stream(3, &format!("trial {k}")), customers)).collect();
    for &(key, truth) in truths {
        let samples: Vec<f64> =
            runs.iter().map(|run| run.iter().find(|pair| pair.0 == key).unwrap_or_else(|| panic!("{key}")).1).collect();
        let found = mean_interval(&samples, 0.9999).unwrap();
        assert!(found.contains(truth), "{key}: {truth} not in {found:?}");
    }
}

fn exponential() -> Law {
    Law::exponential(1.0).unwrap()
}

#[test]
fn a_station_is_the_queues_that_it_is_known_by() {
    let poisson = |rate: f64| Source::Law(Law::exponential(1.0 / rate).unwrap());
    let unit = || Source::Law(exponential());
    // M/M/3 at a = 2.4; M/M/2/5 at a = 1.6; M/M/10 with patience of rate ½ at λ = 9.
    let many = Station::new(poisson(2.4), unit(), 3, vec![0.95]).trial();
    expect(
        &many,
        20_000,
        &[("p_wait", 0.647191011236), ("Lq", 2.58876404494), ("W", 2.07865168539), ("p95_wait", 4.26769745254)],
    );
    let room = Station::new(poisson(1.6), unit(), 2, Vec::new()).with_room(5).trial();
    expect(&room, 20_000, &[("p_block", 0.102744193047), ("L", 2.16124015452), ("throughput", 1.43560929113)]);
    let patience =
        Station::new(poisson(9.0), unit(), 10, Vec::new()).with_patience(Law::exponential(2.0).unwrap()).trial();
    expect(&patience, 20_000, &[("p_abandon", 0.0670117154734), ("p_wait", 0.468941704441), ("Lq", 1.20621087852)]);
    // D/M/1 and two exponential phases before exponential service at ρ = .8.
    let steady = Station::new(Source::Law(Law::constant(1.25).unwrap()), unit(), 1, Vec::new()).trial();
    expect(&steady, 20_000, &[("Wq", 1.69273083992)]);
    let phases =
        Source::Phases { quiet: vec![vec![-1.6, 1.6], vec![0.0, -1.6]], marked: vec![vec![0.0, 0.0], vec![1.6, 0.0]] };
    expect(&Station::new(phases, unit(), 1, Vec::new()).trial(), 20_000, &[("Wq", 2.84397976699)]);
    let free = Station::new(poisson(3.0), unit(), 1, Vec::new()).with_a_server_each().trial();
    expect(&free, 5_000, &[("L", 3.0), ("W", 1.0), ("p_wait", 0.0)]);
}

#[test]
fn orders_have_their_mean_times() {
    // M/M/1 at ρ = .7 by mean time in the system, from the integrals of Schrage and Miller (1966).
    let order = |rank, preemptive| Orders::new(0.7, exponential(), rank, preemptive).trial();
    expect(&order(|_| 0.0, false), 20_000, &[("W", 3.33333333333)]);
    expect(&order(|job| job.size, false), 20_000, &[("W", 2.31219668272)]);
    expect(&order(|job| job.size, true), 20_000, &[("W", 2.08386953035)]);
    expect(&order(|job| job.remaining, true), 20_000, &[("W", 1.8745666896), ("utilization", 0.7)]);
    let two = |preemptive| {
        let class = |arrivals_per_s, mean_s| Class { arrivals_per_s, service: Law::exponential(mean_s).unwrap() };
        Orders::of_classes(vec![class(0.3, 0.5), class(0.4, 1.2)], |job| job.class as f64, preemptive).trial()
    };
    expect(&two(false), 20_000, &[("Wq_1", 0.765882352941), ("Wq_2", 2.06995230525), ("W_2", 3.26995230525)]);
    expect(&two(true), 20_000, &[("W_1", 0.588235294118), ("W_2", 3.48171701113)]);
}

#[test]
fn sharing_has_its_mean_times() {
    let weibull = || Law::weibull(1.0, 0.5).unwrap();
    expect(&Sharing::new(0.7, weibull()).trial(), 20_000, &[("W", 3.33333333333)]);
    expect(&Sharing::new(0.7, weibull()).with_least_attained_first().trial(), 20_000, &[("W", 2.81168629298)]);
    // Work of mean 50 at n/(1 + .01 n): N is negative binomial with mean 101 at λ = 1.
    let pace = |n: usize| n as f64 / (1.0 + 0.01 * n as f64);
    let shared = Sharing::new(1.0, Law::constant(50.0).unwrap()).with_pace(pace).trial();
    expect(&shared, 10_000, &[("L", 101.0), ("W", 101.0)]);
}

#[test]
fn chains_and_paths_have_their_means() {
    let jump = |rate_per_s, from, to| Jump { rate_per_s, from, to };
    let chain = Chain::new(vec![0], move |state, jumps| {
        jumps.push(jump(0.8, None, Some((0, 1))));
        if state[0] > 0 {
            jumps.push(jump(1.0, Some((0, 1)), None));
        }
    });
    let chain = chain.read("L", |state| state[0] as f64).read("throughput", |state| f64::from(u8::from(state[0] > 0)));
    expect(&chain.quotient("W", "L", "throughput").trial(), 40_000, &[("L", 4.0), ("throughput", 0.8), ("W", 5.0)]);
    let paths = Paths {
        start: 20,
        until_s: 10.0,
        births: (Box::new(|_| 0.8), 0.8),
        deaths: Box::new(|number| f64::from(u8::from(number > 0))),
    };
    expect(&paths.trial(), 20_000, &[("mean_number", 18.0000301135), ("variance_number", 17.9988757153)]);
}
