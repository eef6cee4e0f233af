//! Replicas and groups behind a router.

use super::super::mixture::output_nodes;
use super::combine::{self, Share};
use super::part::{Part, Stage};
use super::pool::{Capacity, Pool};
use super::wait;
use crate::answer::{Figure, FluidSolution, Latency, Limit, Method, Summary, Verdict};
use crate::scenario::{Cluster, Routing, Scenario};

pub(super) fn solve(scenario: &Scenario, cluster: &Cluster) -> FluidSolution {
    let parts = parts(scenario, cluster, Stage::Whole);
    let pool = Pool::new(parts, cluster, cluster.routing, &scenario.workload);
    let capacity = pool.capacity();
    let answer = answer(&pool, &capacity, scenario.workload.rate());
    let mut notes = capacity.notes;
    notes.extend(answer.notes);
    FluidSolution {
        lambda_per_s: scenario.workload.rate(),
        verdict: answer.verdict,
        boundary: capacity.boundary,
        summary: answer.summary,
        notes,
    }
}

/// The members that requests come to, the prefill pool left out.
pub(super) fn parts(scenario: &Scenario, cluster: &Cluster, stage: Stage) -> Vec<Part> {
    let mut members = scenario.members();
    members.truncate(1 + cluster.group.len());
    let models = std::iter::once(None).chain(cluster.group.iter().map(|group| group.model.as_deref()));
    let asked = scenario.workload.models();
    let count_of_classes = scenario.workload.class_rates().len();
    let part = |((member, count), model): ((Scenario, u64), Option<&str>)| {
        let serves = |class: usize| model.is_none() || asked.as_ref().is_none_or(|asked| asked[class] == model);
        Part::new(member, count, stage, (0..count_of_classes).map(serves).collect())
    };
    members.into_iter().zip(models).map(part).collect()
}

/// What a pool answers at one rate.
pub(super) struct Answer {
    pub verdict: Verdict,
    pub summary: Summary,
    pub notes: Vec<String>,
}

pub(super) fn answer(pool: &Pool, capacity: &Capacity, rate: f64) -> Answer {
    let solved = pool.solve(capacity, rate);
    let loads: Vec<_> = pool.parts.iter().zip(&capacity.mixes).map(|(part, mix)| part.under(mix)).collect();
    let shares: Vec<Share> = solved
        .iter()
        .zip(&loads)
        .map(|((solution, own), part)| {
            let load = part.load(*own);
            Share {
                summary: &solution.summary,
                count: part.count as f64,
                rate: *own * (1.0 - load.moments.rejected),
                work: load.work(),
                gaps: load.output() - 1.0,
                outputs: output_nodes(&load.moments.output_survival),
            }
        })
        .collect();
    let mut summary = combine::all(&shares);
    let worst = |verdict: Verdict| solved.iter().any(|(solution, _)| solution.verdict == verdict);
    let verdict = [Verdict::Overloaded, Verdict::Metastable]
        .into_iter()
        .find(|verdict| worst(*verdict))
        .unwrap_or(Verdict::Stable);
    if verdict != Verdict::Stable {
        let growth = |((solution, _), share): (&(FluidSolution, f64), &Share)| {
            share.count * solution.summary.queue_growth_per_s.map_or(0.0, |figure| figure.value.max(0.0))
        };
        let grows: f64 = solved.iter().zip(&shares).map(growth).sum();
        summary.queue_growth_per_s = Some(Figure::of(grows, Method::Fluid));
        (summary.ttft_s, summary.tbt_s, summary.e2e_s, summary.waiting) = (None, None, None, None);
    }
    gathered(&mut summary, wait::gathering(pool, rate), rate);
    let mut notes: Vec<String> = Vec::new();
    for note in solved.into_iter().flat_map(|(solution, _)| solution.notes) {
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    if pool.instances() > 1.0 && verdict == Verdict::Stable {
        notes.push(note_on_routing(pool).into());
        if capacity.boundary.binding == Limit::TokenBudget && pool.routing != Routing::Random {
            notes.push(
                "The token budget binds: what routing saves on the way through it is not covered, TTFT is that of random routing or above"
                    .into(),
            );
        }
    }
    Answer { verdict, summary, notes }
}

/// Requests that are assigned together wait for each other first.
fn gathered(summary: &mut Summary, time: f64, rate: f64) {
    let later = |figure: Figure| Figure { value: figure.value + time, ..figure };
    for latency in [&mut summary.ttft_s, &mut summary.e2e_s].into_iter().flatten() {
        *latency = Latency {
            mean: later(latency.mean),
            p50: later(latency.p50),
            p95: later(latency.p95),
            p99: later(latency.p99),
        };
    }
    if let Some(waiting) = &mut summary.waiting {
        waiting.value += rate * time;
    }
}

fn note_on_routing(pool: &Pool) -> &'static str {
    match pool.routing {
        Routing::Random => "Random routing: every instance is one with Poisson arrivals at its share of λ",
        Routing::RoundRobin => {
            "Round robin: the wait for a slot is that under arrivals with 1/N of the variance; neighbours and stalls are corrected to first order"
        }
        Routing::PowerOfD
        | Routing::JoinShortestQueue
        | Routing::LeastLoaded
        | Routing::ShortestExpectedDelay
        | Routing::Milp => {
            "Routing by the state of the instances: the wait for a slot is that of all instances with one queue; neighbours and stalls are corrected to first order"
        }
    }
}
