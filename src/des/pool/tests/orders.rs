//! Orders on one GPU against the exact means of their M/G/1 queue (Schrage and Miller 1966; oracle C6, C6b, C7).
//!
//! A job of mean 1 s is some thousand tokens long, so that the lattice moves the mean response by at most 2 of its tokens for each
//! request that it meets, which is below a tenth of the interval. The interval is 4.5 standard errors of 40 windows wide to each
//! side: a right engine misses one in about 17 000 of them (Student's t with 39 degrees of freedom), and the seed is fixed.

use super::*;
use crate::stats::interval::Interval;

/// Tokens of a mean job.
const TOKENS: f64 = 4000.0;

fn ordered(output: LengthLaw, rate: f64, order: Order, preempts: bool) -> Scenario {
    let mut scenario = pool(1, constant(1), output, rate, affine(0.0, 1.0 / TOKENS));
    (scenario.policy.order, scenario.policy.order_preempts) = (order, preempts);
    scenario.validate().unwrap();
    scenario
}

/// The response of every class in `seconds_long` seconds.
fn responses(scenario: &Scenario, seconds_long: f64) -> Vec<Interval> {
    let mut options = Options::until(seconds(2000.0), seconds(2000.0 + seconds_long));
    options.windows = 40;
    let run = run(scenario, &options, None);
    let of_class = |class: usize| {
        let tallies = run.windows.iter().map(|window| window.classes[class]);
        let samples: Vec<f64> = tallies.map(|tally| tally.e2e as f64 * 1e-18 / tally.completed as f64).collect();
        mean_interval(&samples, 1.0 - 5.9e-5).unwrap()
    };
    (0..scenario.workload.class.len()).map(of_class).collect()
}

#[track_caller]
fn assert_holds(interval: &Interval, expected: f64, about: &str) {
    assert!(interval.contains(expected), "{about}: {interval:?} without {expected}");
    assert!(interval.half_width() < 0.1 * expected, "{about}: {interval:?} is wide");
}

/// Oracle C6: M/M/1 by size.
#[test]
fn exponential_jobs_by_size() {
    for (rate, nonpreemptive, preemptive, remaining, long) in [
        (0.5, 1.712_686_331_94, 1.531_383_283_3, 1.425_372_663_88, 60_000.0),
        (0.7, 2.312_196_682_72, 2.083_869_530_35, 1.874_566_689_6, 80_000.0),
    ] {
        let jobs = LengthLaw::Geometric { mean: TOKENS };
        for (order, preempts, expected) in [
            (Order::ShortestJob, false, nonpreemptive),
            (Order::ShortestJob, true, preemptive),
            (Order::Srpt, true, remaining),
        ] {
            let interval = responses(&ordered(jobs.clone(), rate, order, preempts), long)[0];
            assert_holds(&interval, expected, &format!("{order:?}, preempts: {preempts}, ρ = {rate}"));
        }
    }
}

/// Oracle C6b: jobs of law 1 − exp(−√(2x)), cut at 500 times their mean.
#[test]
fn weibull_jobs_by_size() {
    let jobs = LengthLaw::Weibull { mean: TOKENS, shape: 0.5, max: 500 * TOKENS as u64 };
    for (order, preempts, expected) in [
        (Order::ShortestJob, false, 2.786_559_866_64),
        (Order::ShortestJob, true, 1.491_999_474_31),
        (Order::Srpt, true, 1.410_212_091_87),
    ] {
        let interval = responses(&ordered(jobs.clone(), 0.5, order, preempts), 300_000.0)[0];
        assert_holds(&interval, expected, &format!("{order:?}, preempts: {preempts}"));
    }
}

/// Oracle C7: two classes of exponential jobs, the first before the second.
#[test]
fn classes_by_priority() {
    let cases = [
        ([0.3, 0.4], [0.5, 1.2], [1.265_882_352_94, 3.269_952_305_25], [0.588_235_294_118, 3.481_717_011_13]),
        ([0.5, 0.3], [1.0, 1.0], [2.6, 9.0], [2.0, 10.0]),
    ];
    for (rates, means, nonpreemptive, preemptive) in cases {
        for (preempts, expected) in [(false, nonpreemptive), (true, preemptive)] {
            let jobs = |mean: f64| LengthLaw::Geometric { mean: mean * TOKENS };
            let mut scenario = ordered(jobs(means[0]), rates[0] + rates[1], Order::WeightedFcfs, preempts);
            add_class(&mut scenario, 1, rates[1], None);
            scenario.workload.class[0].share = rates[0];
            scenario.workload.class[0].weight = 2.0;
            scenario.workload.class[1].output = jobs(means[1]);
            scenario.validate().unwrap();
            for (class, interval) in responses(&scenario, 500_000.0).iter().enumerate() {
                assert_holds(interval, expected[class], &format!("{rates:?}, preempts: {preempts}, class {class}"));
            }
        }
    }
}
