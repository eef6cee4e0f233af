//! What a reader must know to trust the figures.

use super::boundary::Regime;
use super::few_valued::is_few_valued;
use super::gap;
use super::load::Load;
use super::policies;
use super::rules;
use crate::answer::{Boundary, Limit, Verdict};
use crate::scenario::{Admission, TraceMode};

/// Fewest residents for which the memory law was tested to .7 %.
const RESIDENTS: f64 = 20.0;

/// The notes of a solution.
pub(super) fn of(
    load: &Load,
    regimes: &[Regime],
    boundary: &Boundary,
    verdict: Verdict,
    no_latency: bool,
) -> Vec<String> {
    let mut notes = Vec::new();
    of_requests(load, &mut notes);
    of_memory(load, &regimes[0], &mut notes);
    notes.extend(gap::notes(load, &regimes[0], boundary));
    notes.extend(rules::notes(load, &regimes[0], boundary));
    of_limits(regimes, &mut notes);
    notes.extend(policies::notes(load, &regimes[0]));
    of_rate(load, boundary, verdict, &mut notes);
    if no_latency {
        notes.push("Prompts nearly fill the token budget beside the decodes: no latency is given, the state is the saturated one".into());
    }
    notes
}

fn of_requests(load: &Load, notes: &mut Vec<String>) {
    let moments = &load.moments;
    if moments.rejected > 0.0 {
        notes.push(format!(
            "{:.3} % of the requests exceed the KV memory or the token budget and are rejected; λ* counts the served ones",
            100.0 * moments.rejected
        ));
    }
    let workload = &load.scenario.workload;
    if workload.trace.as_ref().is_some_and(|source| source.mode == TraceMode::Replay) {
        notes.push(
            "The trace's own arrival times are taken as Poisson: bursts make the waits longer than stated".into(),
        );
    }
    if let Some(meaning) = workload.rate_shape.steady_state() {
        notes.push(format!(
            "λ changes over time: λ = {:.4}/s is {meaning}, and the figures are those of the steady state at it; the path in time follows λ(t)",
            workload.rate()
        ));
    }
    let arrivals = workload.dispersion_limit();
    if workload.trace.is_none() && arrivals != 1.0 {
        let common = workload.arrivals.is_common();
        let what = if common {
            "Counts of arrivals have limit index of dispersion"
        } else {
            "Interarrival times have squared cv"
        };
        notes.push(format!(
            "{what} {arrivals:.3}: waits for admission are scaled by it as an approximation, other times are those of Poisson arrivals"
        ));
    }
    let cv_squared = moments.raw(0, 2) / (moments.raw(0, 1) * moments.raw(0, 1)) - 1.0;
    if cv_squared > 4.0 {
        notes.push(format!(
            "Output lengths have cv {:.2}, above 2: waits are outside their tested range",
            cv_squared.sqrt()
        ));
    }
}

fn of_memory(load: &Load, binding: &Regime, notes: &mut Vec<String>) {
    if binding.limit != Limit::KvMemory {
        return;
    }
    if binding.running < RESIDENTS {
        notes.push(format!(
            "Memory holds {:.1} requests, fewer than 20: the memory law is outside its tested range",
            binding.running
        ));
    }
    if load.scenario.policy.admission == Admission::Reserve {
        notes.push("Waits under reserve admission follow the law for greedy admission by analogy".into());
    } else if is_few_valued(load) {
        notes.push(
            "Outputs take few values: residents can fall into eviction cycles; waits near λ* are too short".into(),
        );
    }
    if load.budget < 2.5 * binding.batch_tokens {
        notes.push("Memory and a token budget below 2.5 times the mean tokens of an iteration: an untested combination of their laws".into());
    }
}

/// Limits that bind about equally: fluctuations meet now the one, now the other, and both laws are upper bounds.
fn of_limits(regimes: &[Regime], notes: &mut Vec<String>) {
    if let [first, second, ..] = regimes
        && second.flow < 1.15 * first.flow
        && (first.limit == Limit::KvMemory || second.limit == Limit::KvMemory)
    {
        notes.push(format!(
            "{} and {} bind about equally: λ* can be up to 3 % too high",
            first.limit.name(),
            second.limit.name()
        ));
    }
}

fn of_rate(load: &Load, boundary: &Boundary, verdict: Verdict, notes: &mut Vec<String>) {
    let rho = load.served_per_s / boundary.low_per_s;
    if verdict == Verdict::Stable && rho > 0.97 {
        notes.push(format!("λ is {:.1} % of λ*: waits above 97 % are outside their tested range", 100.0 * rho));
    }
    if verdict == Verdict::Metastable {
        notes.push(
            "Between the two boundaries fluctuations end the good state sooner or later; the state shown is the saturated one"
                .into(),
        );
    }
}
