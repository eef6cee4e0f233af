//! A pool of GPUs: a request takes the GPUs of its class, all at once, and runs alone on them.
//!
//! λ* is that of the saturated chain (`chain`): exact for exponential durations, first come first served, with a head that blocks; above
//! its state cap, and where requests may pass a blocked head, the bound k/Σ p·need/μ.
//!
//! The wait lies between two limits. Near λ* it is (1 + Δ)/(λ* − λ) with Δ from the chain (Grosof, Hong, Harchol-Balter and
//! Scheller-Wolf, "The RESET and MARC techniques, with application to multiserver-job analysis", 2023). In light traffic whoever finds
//! too few GPUs waits for completions alone, in the product form of the pool without a queue (Kaufman 1981, Roberts 1981); such a
//! request begins a queue, which all who come in the meantime join. Against the solved chain with its queue: within 3 % when the classes
//! last equally long, within 19 % when large ones are four times as short.

use super::super::equilibrium;
use super::super::load::Load;
use super::super::single::{self, Service};
use super::super::slots::Wait;
use super::chain::{self, Kind, Saturated};
use super::combine::{self, Share};
use crate::answer::{Boundary, Figure, FluidSolution, Limit, Method, Summary, Verdict};
use crate::scenario::{ArrivalLaw, Class, Order, Packing, Prompts, Scenario};

/// A class alone.
struct Alone {
    scenario: Scenario,
    need: u32,
    /// Of the requests, those that can never be served included.
    share: f64,
}

/// What one of its requests is.
struct Job {
    service: Service,
    served: f64,
    work: f64,
    gaps: f64,
}

pub(super) fn solve(scenario: &Scenario, gpus: u64) -> FluidSolution {
    let gpus = u32::try_from(gpus).unwrap_or(u32::MAX);
    let classes = classes(scenario);
    let jobs: Vec<Job> = classes.iter().map(job).collect();
    let kinds: Vec<Kind> = classes
        .iter()
        .zip(&jobs)
        .map(|(class, job)| Kind { need: class.need, share: class.share * job.served, mean_s: job.service.mean_s })
        .collect();
    let served: f64 = kinds.iter().map(|kind| kind.share).sum();
    let kinds: Vec<Kind> = kinds.into_iter().map(|kind| Kind { share: kind.share / served, ..kind }).collect();
    let blocks = scenario.batch_rules().packing == Packing::Strict;
    let found = if blocks { chain::saturated(gpus, &kinds) } else { None };
    let bound = chain::bound(gpus, &kinds);
    let in_order = scenario.policy.order == Order::Fcfs;
    let exponential = jobs.iter().all(|job| job.service.exponential);
    let boundary = boundary(found.as_ref(), bound, exponential && in_order, in_order);
    let rate = scenario.workload.rate() * served;
    let verdict = if rate < boundary.low_per_s {
        Verdict::Stable
    } else if rate < boundary.high_per_s {
        Verdict::Metastable
    } else {
        Verdict::Overloaded
    };
    let summary = if verdict == Verdict::Stable {
        let wait = in_order.then(|| wait(scenario, gpus, (&kinds, &jobs), found.as_ref(), &boundary, rate)).flatten();
        below(&classes, &jobs, scenario.workload.rate(), wait)
    } else {
        above(&jobs, &kinds, found.as_ref(), &boundary, rate)
    };
    let notes = notes(scenario, found.as_ref(), bound, blocks, &jobs);
    FluidSolution { lambda_per_s: scenario.workload.rate(), verdict, boundary, summary, notes }
}

/// Each class as a scenario of one server that serves one request at a time.
fn classes(scenario: &Scenario) -> Vec<Alone> {
    let mut base = scenario.clone();
    base.cluster = None;
    base.workload.arrivals = ArrivalLaw::default();
    let rules = scenario.batch_rules();
    let chunk = if rules.prompts == Prompts::Chunked { rules.chunk_tokens } else { None };
    base.instance.max_batch_tokens = match (base.instance.max_batch_tokens, chunk) {
        (Some(budget), Some(chunk)) => Some(budget.min(chunk)),
        (budget, chunk) => budget.or(chunk),
    };
    if base.workload.trace.is_some() {
        return vec![Alone { scenario: base, need: 1, share: 1.0 }];
    }
    let total: f64 = scenario.workload.class.iter().map(|class| class.share).sum();
    let alone = |class: &Class| {
        let mut own = base.clone();
        own.workload.class = vec![class.clone()];
        if let Some(law) = &class.step_time {
            own.step_time = law.clone();
        }
        Alone { scenario: own, need: u32::try_from(class.gpus).unwrap_or(u32::MAX), share: class.share / total }
    };
    scenario.workload.class.iter().map(alone).collect()
}

fn job(class: &Alone) -> Job {
    let load = Load::of(&class.scenario);
    Job {
        service: single::service(&load),
        served: 1.0 - load.moments.rejected,
        work: load.work(),
        gaps: load.output() - 1.0,
    }
}

/// In another order than first come, first served λ* lies between that of the chain and the bound.
fn boundary(found: Option<&Saturated>, bound: f64, exact: bool, in_order: bool) -> Boundary {
    let rate = found.map_or(bound, |found| found.rate);
    Boundary {
        high_per_s: if in_order { rate } else { bound },
        low_per_s: rate,
        bracket_per_s: (rate, if in_order { rate } else { bound }),
        binding: Limit::GpuPool,
        runner_up: None,
        method: if exact && found.is_some() { Method::Exact } else { Method::Approximation },
    }
}

/// The wait for GPUs; none without the chain.
fn wait(
    scenario: &Scenario,
    gpus: u32,
    (kinds, jobs): (&[Kind], &[Job]),
    found: Option<&Saturated>,
    boundary: &Boundary,
    rate: f64,
) -> Option<Wait> {
    let found = found?;
    let met = chain::blocked(gpus, kinds, rate)?;
    let (rho, spare) = (rate / boundary.low_per_s, boundary.low_per_s - rate);
    // In units of 1/(λ* − λ): the head waits so long when nobody else comes, those behind it while a queue lasts.
    let alone = met.clears_s * boundary.low_per_s;
    let queues = rate * met.share * alone / spare;
    let probability = (queues + met.share) / (1.0 + queues);
    let arrivals = if scenario.workload.trace.is_some() { 1.0 } else { scenario.workload.dispersion_limit() };
    let factor = (1.0 - rho) * alone + rho * (1.0 + found.excess) + (arrivals - 1.0) / 2.0 + durations(kinds, jobs);
    Some(Wait { probability, mean: factor.max(0.05) / spare })
}

/// What durations that are not exponential add: the work of a request in GPU seconds has another second moment.
fn durations(kinds: &[Kind], jobs: &[Job]) -> f64 {
    let (mut mean, mut change) = (0.0, 0.0);
    for (kind, job) in kinds.iter().zip(jobs) {
        let need = f64::from(kind.need);
        mean += kind.share * need * kind.mean_s;
        change += kind.share * need * need * (job.service.second - 2.0 * kind.mean_s * kind.mean_s);
    }
    change / (2.0 * mean * mean)
}

/// Below λ*: every class as a server of its own with the pool's wait; without one there are no latencies.
fn below(classes: &[Alone], jobs: &[Job], rate: f64, wait: Option<Wait>) -> Summary {
    let solved: Vec<Summary> = classes
        .iter()
        .zip(jobs)
        .map(|(class, job)| {
            let mut load = Load::of(&class.scenario);
            load.served_per_s = rate * class.share * job.served;
            load.routed = Some(wait.unwrap_or(Wait { probability: 0.0, mean: 0.0 }));
            equilibrium::single(&load, &job.service)
        })
        .collect();
    let shares: Vec<Share> = solved
        .iter()
        .zip(classes.iter().zip(jobs))
        .map(|(summary, (class, job))| Share {
            summary,
            count: 1.0,
            rate: rate * class.share * job.served,
            work: job.work,
            gaps: job.gaps,
            outputs: Vec::new(),
        })
        .collect();
    let mut summary = combine::all(&shares);
    if wait.is_none() {
        (summary.ttft_s, summary.e2e_s, summary.waiting) = (None, None, None);
    }
    summary
}

/// Saturated: what runs, by the chain.
fn above(jobs: &[Job], kinds: &[Kind], found: Option<&Saturated>, boundary: &Boundary, rate: f64) -> Summary {
    let fluid = |value: f64| Some(Figure::of(value, Method::Fluid));
    let each: Vec<f64> = match found {
        Some(found) => found.running.clone(),
        None => kinds.iter().map(|kind| boundary.low_per_s * kind.share * kind.mean_s).collect(),
    };
    let sum = |of: &dyn Fn(&Job) -> f64| -> f64 { each.iter().zip(jobs).map(|(n, job)| n * of(job)).sum() };
    let steps = sum(&|job| job.service.steps / job.service.mean_s);
    Summary {
        running: fluid(each.iter().sum()),
        swapped: fluid(0.0),
        kv_tokens: fluid(sum(&|job| job.service.kv_tokens)),
        step_s: fluid(each.iter().sum::<f64>() / steps),
        batch_tokens: fluid(sum(&|job| job.service.tokens / job.service.mean_s) / steps),
        throughput_per_s: Some(Figure::of(boundary.low_per_s, boundary.method)),
        preemptions_per_request: fluid(0.0),
        queue_growth_per_s: fluid(rate - boundary.low_per_s),
        ..Summary::default()
    }
}

fn notes(scenario: &Scenario, found: Option<&Saturated>, bound: f64, blocks: bool, jobs: &[Job]) -> Vec<String> {
    let mut notes = Vec::new();
    match found {
        Some(found) => notes.push(format!(
            "λ* is that of a chain of {} states in which the head of the queue blocks; without idle GPUs it would be {bound:.4}",
            found.states
        )),
        None if !blocks => notes.push("Requests pass a head that does not fit: λ* is the upper bound that no GPU is idle".into()),
        None => notes.push(format!(
            "The chain has more than {} states: λ* is the upper bound that no GPU is idle, up to 33 % too high",
            chain::MOST_STATES
        )),
    }
    if jobs.iter().any(|job| !job.service.exponential) {
        notes.push(
            "Durations are taken as exponential: constant ones raise λ* by up to 16 %, more variable ones lower it by up to 10 %"
                .into(),
        );
    }
    if scenario.policy.order != Order::Fcfs {
        notes.push(
            "λ* and the chain are those of first come first served; no latency is given for another order of the queue"
                .into(),
        );
    } else if found.is_some() {
        notes.push("The wait for GPUs lies between its laws of light and of heavy traffic".into());
    }
    notes
}
