//! The figures of a list of jobs: by the engine, or by another program's starts.

use super::starts::{self, Starts};
use super::{Job, Jobs};
use crate::answer::{Figure, Method};
use crate::des::{self, Arrival, Observer, Options, RequestRecord};
use crate::scenario::{Class, LengthLaw, Order, Scenario, ScenarioError, StepTimeLaw, Time};
use crate::stats::interval::mean_interval;
use crate::study::CONFIDENCE;

/// What became of a list of jobs.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Outcome {
    /// Σ weight · (end − arrival).
    weighted_flow_s: f64,
    /// Mean of end − arrival.
    flow_mean_s: f64,
    /// Mean of start − arrival.
    wait_mean_s: f64,
    /// Largest end.
    makespan_s: f64,
    /// Σ GPUs · time in use over GPUs · makespan.
    gpu_utilisation: f64,
    ended: f64,
}

/// Figures over the trials, with 95 % intervals where the jobs are drawn: `weighted_flow_s`, `flow_mean_s`, `wait_mean_s`,
/// `makespan_s`, `gpu_utilisation`, `completed`; and what is saved against first come, first served on the same jobs, in percent,
/// paired: `weighted_flow_saved_percent`, `flow_mean_saved_percent`.
///
/// # Errors
/// Jobs that do not fit the pool of the scenario.
pub fn figures(
    scenario: &Scenario,
    jobs: &Jobs,
    starts: Option<Starts>,
    seed: u64,
    trials: u64,
) -> Result<Vec<(&'static str, Figure)>, ScenarioError> {
    let trials = if jobs.is_fixed() { 1 } else { trials };
    let first_come = with_order(scenario, Order::Fcfs);
    let mut columns: Vec<(&'static str, Vec<f64>)> = Vec::new();
    for trial in 0..trials {
        let list = jobs.of_trial(seed, trial);
        let own = outcome(scenario, &list, starts)?;
        let base = outcome(&first_come, &list, starts)?;
        let saved = |own: f64, base: f64| 100.0 * (1.0 - own / base);
        let row = [
            ("weighted_flow_s", own.weighted_flow_s),
            ("flow_mean_s", own.flow_mean_s),
            ("wait_mean_s", own.wait_mean_s),
            ("makespan_s", own.makespan_s),
            ("gpu_utilisation", own.gpu_utilisation),
            ("completed", own.ended),
            ("weighted_flow_saved_percent", saved(own.weighted_flow_s, base.weighted_flow_s)),
            ("flow_mean_saved_percent", saved(own.flow_mean_s, base.flow_mean_s)),
        ];
        if columns.is_empty() {
            columns = row.iter().map(|(key, _)| (*key, Vec::new())).collect();
        }
        columns.iter_mut().zip(row).for_each(|((_, values), (_, value))| values.push(value));
    }
    Ok(columns.into_iter().map(|(key, values)| (key, figure(&values))).collect())
}

fn figure(values: &[f64]) -> Figure {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let alike = values.iter().all(|value| *value == values[0]);
    match mean_interval(values, CONFIDENCE).filter(|_| !alike) {
        Some(found) => Figure::simulated(found.mean, found.low, found.high),
        None => Figure::of(if alike { values[0] } else { mean }, Method::Simulated),
    }
}

fn with_order(scenario: &Scenario, order: Order) -> Scenario {
    let mut scenario = scenario.clone();
    scenario.policy.order = order;
    scenario.policy.order_preempts &= order != Order::Fcfs;
    scenario
}

fn outcome(scenario: &Scenario, jobs: &[Job], starts: Option<Starts>) -> Result<Outcome, ScenarioError> {
    let gpus = scenario.cluster.as_ref().and_then(|cluster| cluster.gpus).ok_or_else(|| {
        ScenarioError::at("cluster.gpus", "is missing", "jobs need a pool of GPUs: set cluster.gpus in the scenario")
    })?;
    let spans = match starts {
        Some(starts) => {
            starts.check(jobs, gpus)?;
            starts::spans(jobs, gpus, scenario.policy.order, starts)
        }
        None => by_engine(scenario, jobs)?,
    };
    Ok(tally(jobs, &spans, gpus))
}

/// Seconds are exact before they are added: whole multiples of 10⁻¹⁸ s, rounded once.
fn tally(jobs: &[Job], spans: &[(f64, f64)], gpus: u64) -> Outcome {
    let (mut weights, mut flow_s, mut wait_s, mut busy_s): (Vec<(f64, f64)>, f64, f64, f64) =
        (Vec::new(), 0.0, 0.0, 0.0);
    let (mut makespan_s, mut ended) = (0.0_f64, 0.0);
    for (job, &(start, end)) in jobs.iter().zip(spans).filter(|(_, span)| span.1.is_finite()) {
        let flow = end - job.at_s;
        match weights.iter_mut().find(|(weight, _)| *weight == job.weight) {
            Some((_, sum)) => *sum += flow,
            None => weights.push((job.weight, flow)),
        }
        flow_s += flow;
        wait_s += start - job.at_s;
        busy_s += (end - start) * job.gpus as f64;
        makespan_s = makespan_s.max(end);
        ended += 1.0;
    }
    Outcome {
        weighted_flow_s: weights.iter().map(|(weight, sum)| weight * sum).sum(),
        flow_mean_s: flow_s / ended,
        wait_mean_s: wait_s / ended,
        makespan_s,
        gpu_utilisation: busy_s / (gpus as f64 * makespan_s),
        ended,
    }
}

/// Starts and ends of the requests, by their number.
struct Ends(Vec<(f64, f64)>);

impl Observer for Ends {
    fn request(&mut self, request: &RequestRecord) {
        if let (Some(place), Some(admitted), Some(completed)) =
            (self.0.get_mut(request.id as usize), request.admitted, request.completed)
        {
            *place = (admitted.seconds(), completed.seconds());
        }
    }
}

fn by_engine(scenario: &Scenario, jobs: &[Job]) -> Result<Vec<(f64, f64)>, ScenarioError> {
    let mut scenario = scenario.clone();
    let mut kinds: Vec<&Job> = Vec::new();
    let mut arrivals = Vec::new();
    for job in jobs {
        let alike = |kind: &&Job| (kind.weight, kind.gpus) == (job.weight, job.gpus);
        let class = kinds.iter().position(alike).unwrap_or_else(|| {
            kinds.push(job);
            kinds.len() - 1
        });
        arrivals.push(Arrival::new(Time::from_decimal(job.at_s), class as u16, job.micros() as i64, 1));
    }
    scenario.workload.class = kinds.iter().enumerate().map(|(index, job)| class(index, job)).collect();
    scenario.workload.trace = None;
    scenario.workload.rate_per_s = Some(1.0);
    scenario.validate()?;
    let longest: f64 = jobs.iter().map(|job| job.tokens as f64 / job.tokens_per_s).sum();
    let horizon = Time::from_seconds(1.0 + longest + jobs.last().map_or(0.0, |job| job.at_s));
    let mut ends = Ends(vec![(f64::NAN, f64::NAN); jobs.len()]);
    des::pool::run_arrivals(&scenario, arrivals, &Options::until(Time::ZERO, horizon), &mut ends);
    Ok(ends.0)
}

/// A job is a prompt of a token for each of its microseconds, whose end emits its only token.
fn class(index: usize, job: &Job) -> Class {
    let one = LengthLaw::Constant { tokens: 1 };
    Class {
        weight: job.weight,
        gpus: job.gpus,
        step_time: Some(StepTimeLaw::Affine { base_s: 0.0, per_token_s: 1e-6 }),
        ..Class::new(&format!("kind {index}"), one.clone(), one)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, Drawn, Kind, discriminating};
    use super::*;
    use crate::scenario::open;

    fn pool(gpus: u64, order: Order) -> Scenario {
        let mut scenario = open(Some("gpu-pool"), &[], None).unwrap();
        scenario.cluster.as_mut().unwrap().gpus = Some(gpus);
        with_order(&scenario, order)
    }

    fn of(jobs: &Jobs, gpus: u64, order: Order, starts: Option<Starts>, trials: u64) -> Vec<(&'static str, Figure)> {
        figures(&pool(gpus, order), jobs, starts, 5, trials).unwrap()
    }

    fn value(figures: &[(&str, Figure)], key: &str) -> f64 {
        figures.iter().find(|(found, _)| *found == key).unwrap().1.value
    }

    #[test]
    fn the_engine_is_exact_to_the_last_bit() {
        for (order, wanted) in [
            (Order::Fcfs, [336.0, 2.4, 3.0, 0.0]),
            (Order::WeightedFcfs, [102.0, 1.5, 3.0, 37.5]),
            (Order::Srpt, [102.0, 1.5, 3.0, 37.5]),
            (Order::WeightedSrpt, [102.0, 1.5, 3.0, 37.5]),
        ] {
            let found = of(&discriminating(), 16, order, None, 9);
            let keys = ["weighted_flow_s", "flow_mean_s", "makespan_s", "flow_mean_saved_percent"];
            assert_eq!(keys.map(|key| value(&found, key)), wanted, "{order:?}");
        }
    }

    /// Without its habits the other program is an independent scheduler of the same rules.
    #[test]
    fn both_ways_agree_on_drawn_jobs() {
        let kind = Kind {
            name: "model".into(),
            share: 1.0,
            gpus: 2,
            weight: (1, 9),
            prefill_tokens: (500, 4000),
            decode_tokens: (100, 900),
            prefill_tokens_per_s: 1000.0,
            decode_tokens_per_s: 5000.0,
        };
        let drawn = Drawn { count: 60, window_s: 20.0, prefill_share: 0.6, kind: vec![kind] };
        let jobs = Jobs { job: Vec::new(), drawn: Some(drawn) };
        for order in [Order::Fcfs, Order::WeightedFcfs] {
            let (engine, other) = (of(&jobs, 8, order, None, 6), of(&jobs, 8, order, Some(Starts::default()), 6));
            for ((key, one), (_, two)) in engine.iter().zip(&other) {
                assert!(
                    (one.value - two.value).abs() < 1e-9 * one.value.abs().max(1.0),
                    "{order:?} {key}: {one:?} {two:?}"
                );
            }
        }
    }

    #[test]
    fn a_job_larger_than_the_pool_is_refused() {
        let batch = Batch { count: 1, at_s: 0.0, tokens: 10, tokens_per_s: 1.0, weight: 1.0, gpus: 8 };
        let jobs = Jobs { job: vec![batch], drawn: None };
        for starts in [None, Some(Starts { step_s: Some(0.01), running_twice: true })] {
            let error = figures(&pool(4, Order::Fcfs), &jobs, starts, 1, 1).unwrap_err();
            assert!(error.to_string().contains("the pool has `4`"), "{error}");
        }
        for step_s in [0.0, -1.0, f64::NAN] {
            let starts = Some(Starts { step_s: Some(step_s), running_twice: false });
            assert_eq!(figures(&pool(16, Order::Fcfs), &jobs, starts, 1, 1).unwrap_err().key, "starts.step_s");
        }
    }
}
