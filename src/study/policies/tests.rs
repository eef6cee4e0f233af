use super::judge::words;
use super::*;
use crate::scenario::load;
use crate::scenario::overrides::Override;
use crate::stats::stream::stream;
use crate::study::sweep::Setting;
use crate::study::trials::silent;
use rand::RngExt;

fn choice(name: &str, sets: &[(&str, &str)]) -> Choice {
    let sets = sets.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Choice { value: Setting::Word(name.to_owned()), sets }
}

fn options(seed: u64, trials: u64, duration_s: f64, metrics: &[&str]) -> PolicyOptions {
    let wishes = Wishes { duration_s: Some(duration_s), warmup_s: Some(50.0) };
    PolicyOptions { seed, trials, wishes, metrics: metrics.iter().map(|&name| name.to_owned()).collect() }
}

/// One server at .7 whose customers take a geometric number of iterations, prompts of one token.
fn station() -> Source {
    let sets = ["workload.rate_per_s=0.07", "workload.class[0].output={law=\"geometric\", mean=10}", "step_noise=none"];
    let changes: Vec<Override> = sets.iter().map(|text| Override::parse(text).unwrap()).collect();
    Source::of(load::open(Some("mm1"), &changes, None).unwrap())
}

fn synthetic(name: &str, values: Option<Vec<f64>>, growth: Option<f64>) -> Policy {
    Policy {
        name: name.to_owned(),
        lambda_per_s: 1.0,
        boundary: None,
        overloaded: growth.is_some(),
        turned_away: 0.0,
        growth_per_s: growth.map(|growth| Figure::simulated(growth, growth, growth)),
        values: vec![values],
    }
}

#[test]
fn the_overloaded_come_last_and_more_can_be_better() {
    let policies = [
        synthetic("fast growth", None, Some(2.0)),
        synthetic("low", Some(vec![1.0, 1.1, 0.9, 1.0]), None),
        synthetic("slow growth", None, Some(1.0)),
        synthetic("high", Some(vec![2.0, 2.2, 1.9, 2.1]), None),
        synthetic("low again", Some(vec![1.0, 1.1, 0.9, 1.0]), None),
    ];
    let (rankings, pairs) = judge(&policies, &["e2e_s.mean".to_owned()]);
    assert_eq!(rankings[0].order, [1, 4, 3, 2, 0]);
    assert_eq!(
        pairs.iter().map(|pair| pair.outcome).collect::<Vec<_>>(),
        [Outcome::Same, Outcome::Real, Outcome::Real]
    );
    let said = words(&policies, &rankings, &pairs, 4).join("\n");
    assert!(said.contains("lowest first: low = low again < high."), "{said}");
    assert!(said.contains("fast growth (grows by 2.00 requests/s)"), "{said}");
    let (rankings, _) = judge(&policies, &["throughput_per_s".to_owned()]);
    assert_eq!(rankings[0].order[..3], [3, 1, 4]);
}

/// Four policies whose trials have one law: some difference is called real in at most 5 % of 1000 reports. The bound is four standard
/// errors above. Trials share a common part, as common random numbers give it, and are skewed as waits are.
#[test]
fn policies_of_one_law_are_seldom_told_apart() {
    let mut rng = stream(11, "policies");
    let reports = 1000;
    let wrong = (0..reports)
        .filter(|_| {
            let shared: Vec<f64> = (0..12).map(|_| -rng.random::<f64>().ln()).collect();
            let policies: Vec<Policy> = ["a", "b", "c", "d"]
                .iter()
                .map(|name| {
                    let values = shared.iter().map(|x| 3.0 * x - 0.3 * rng.random::<f64>().ln()).collect();
                    synthetic(name, Some(values), None)
                })
                .collect();
            judge(&policies, &["e2e_s.mean".to_owned()]).1.iter().any(|pair| pair.outcome == Outcome::Real)
        })
        .count() as f64;
    let (mean, error) = (0.05 * f64::from(reports), (0.05 * 0.95 * f64::from(reports)).sqrt());
    assert!(wrong > 0.0 && wrong < mean + 4.0 * error, "{wrong}");
}

/// Orders that do not look at sizes have one mean time in the system (of jobs that are not preempted), on other paths: over 60 seeds they are told
/// apart in at most 5 % + four standard errors, which is 9.
#[test]
fn orders_of_one_mean_are_seldom_told_apart() {
    let source = station();
    let both = [choice("first", &[("policy.order", "fcfs")]), choice("random", &[("policy.order", "random")])];
    let mut real = 0;
    let mut differing = 0;
    for seed in 1..=60 {
        let options = options(seed, 8, 4000.0, &["e2e_s.mean"]);
        let found = compare_policies("", &source, &both, &options, &silent).unwrap();
        real += u32::from(found.pairs[0].outcome == Outcome::Real);
        differing += u32::from(found.pairs[0].outcome != Outcome::Same);
    }
    assert!(differing == 60 && real <= 9, "{real} {differing}");
}

/// Short jobs first has the lower mean (M/G/1), and the same policy under two names is the same in every trial.
#[test]
fn a_known_difference_is_found_with_its_sign() {
    let policies = [
        choice("fcfs", &[("policy.order", "fcfs")]),
        choice("shortest", &[("policy.order", "shortest-job")]),
        choice("fcfs too", &[("policy.order", "fcfs")]),
    ];
    let options = options(3, 10, 20_000.0, &["e2e_s.mean"]);
    let found = compare_policies("", &station(), &policies, &options, &silent).unwrap();
    assert_eq!(found.rankings[0].order, [1, 0, 2]);
    let outcomes: Vec<(usize, usize, Outcome)> =
        found.pairs.iter().map(|pair| (pair.better, pair.worse, pair.outcome)).collect();
    assert_eq!(outcomes, [(1, 0, Outcome::Real), (1, 2, Outcome::Real), (0, 2, Outcome::Same)]);
}

/// The mean over trials of a policy alone is what `simulate` gives, but for the weights of trials.
#[test]
fn figures_of_a_trial_are_those_of_its_window() {
    let source = station();
    let options = options(2, 4, 20_000.0, &["e2e_s.mean", "e2e_s.p95", "running"]);
    let found = compare_policies("", &source, &[choice("a", &[]), choice("b", &[])], &options, &silent).unwrap();
    let Source::Built(scenario) = &source else { panic!("not built") };
    let engine = common_plan(&[(**scenario).clone()], options.wishes).options(2, Feed::Bootstrap);
    let runs = trials::run(scenario, &engine, 4, &silent);
    for (k, run) in runs.iter().enumerate() {
        let window = &run.windows[0];
        let values: Vec<f64> = found.policies[0].values.iter().map(|values| values.as_ref().unwrap()[k]).collect();
        approx::assert_relative_eq!(values[0], window.e2e.mean().unwrap() * 1e-18, max_relative = 1e-12);
        approx::assert_relative_eq!(values[1], window.e2e.quantile(0.95).unwrap() * 1e-18, max_relative = 1e-12);
        let running = window.totals.running as f64 / (window.end - window.start).0 as f64;
        approx::assert_relative_eq!(values[2], running, max_relative = 1e-12);
    }
}

#[test]
fn what_no_trial_has_is_refused() {
    for name in ["steps", "verdict", "lambda_star_per_s", "makespan_s", "ttft", "binding"] {
        let options = options(1, 2, 100.0, &[name]);
        let error = compare_policies("", &station(), &[choice("a", &[])], &options, &silent).unwrap_err();
        assert!(error.to_string().contains("--metric") && !error.remedy.is_empty(), "{error}");
    }
}
