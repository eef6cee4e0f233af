//! What the gate has seen near a scenario: the families of the same kind, and their errors at the load above.

use super::errors::{Measured, committed};
use super::{BOUNDARY, Family, LOADS, families, goal_of};
use crate::answer::trust::{Evidence, Mark, Standing};
use crate::answer::{FluidSolution, Limit, Method, Verdict};
use crate::scenario::catalogue::word;
use crate::scenario::{Engine, Moments, Scenario, TraceMode};

/// A load this far above one of the gate's still counts as that one.
const SLACK: f64 = 0.02;
/// Tolerance for figures that are exact.
const EXACT: f64 = 0.01;

/// What decides which laws answer a scenario, and so which families are near.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kind {
    engine: String,
    cluster: &'static str,
    binds: Limit,
    /// Admission and preemption, where memory binds.
    memory: String,
    arrivals: &'static str,
    outputs: &'static str,
}

impl Kind {
    fn of(scenario: &Scenario, binds: Limit) -> Self {
        let policy = &scenario.policy;
        let memory = if binds == Limit::KvMemory {
            format!("{} {}", word(&policy.admission), word(&policy.preemption))
        } else {
            String::new()
        };
        let (engine, cluster) = (engine(scenario), cluster(scenario));
        Self { engine, cluster, binds, memory, arrivals: arrivals(scenario), outputs: outputs(scenario) }
    }

    /// In words, for the reason of a miss.
    fn words(&self) -> String {
        let memory = if self.memory.is_empty() { String::new() } else { format!(" ({})", self.memory) };
        format!("{} binds{memory}, {} arrivals, outputs {}", self.binds.name(), self.arrivals, self.outputs)
    }

    /// Whether the same laws give λ*.
    fn has_boundary_of(&self, other: &Self) -> bool {
        (&self.engine, self.cluster, self.binds, &self.memory)
            == (&other.engine, other.cluster, other.binds, &other.memory)
    }
}

/// What a family is like: the limit that binds, arrivals, spread of outputs.
pub fn traits_of(family: &Family) -> String {
    Kind::of(&family.scenario, family.binds).words()
}

/// The engine whose rules these are, whatever the length of a chunk.
fn engine(scenario: &Scenario) -> String {
    let mut rules = scenario.batch_rules();
    if scenario.policy.engine == Engine::RunToCompletion || scenario.sequence_cap() == 1 {
        return word(&Engine::RunToCompletion);
    }
    // Chunks of a length of their own are what Sarathi adds to the rules of vLLM v1.
    let chunked = rules.chunk_tokens.take().is_some();
    let known = Engine::ALL.into_iter().find(|engine| engine.rules() == rules);
    match known {
        Some(Engine::VllmV1) if chunked => word(&Engine::Sarathi),
        Some(engine) => word(&engine),
        None => "other".to_owned(),
    }
}

fn cluster(scenario: &Scenario) -> &'static str {
    match &scenario.cluster {
        None => "one",
        Some(cluster) if cluster.gpus.is_some() => "gpus",
        Some(cluster) if cluster.prefill.is_some() => "disaggregated",
        Some(cluster) if !cluster.group.is_empty() => "groups",
        Some(_) => "replicas",
    }
}

fn arrivals(scenario: &Scenario) -> &'static str {
    let workload = &scenario.workload;
    if workload.trace.as_ref().is_some_and(|source| source.mode == TraceMode::Replay) {
        return "trace";
    }
    if !workload.rate_shape.is_constant() {
        return "varying";
    }
    match workload.dispersion_limit() {
        cv if cv < 0.8 => "smooth",
        cv if cv < 1.25 => "poisson",
        cv if cv <= 4.5 => "bursty",
        _ => "very bursty",
    }
}

/// By spread: at most four values, lighter than, like or heavier than an exponential.
fn outputs(scenario: &Scenario) -> &'static str {
    let moments = Moments::of(scenario);
    let survival = &moments.output_survival;
    let values = survival.windows(2).filter(|pair| pair[0] - pair[1] > 1e-12).count();
    let mean = moments.output_mean();
    match moments.raw(0, 2) / (mean * mean) - 1.0 {
        _ if values <= 4 => "few",
        cv if cv < 0.7 => "light",
        cv if cv < 1.6 => "exponential",
        _ => "heavy",
    }
}

/// The evidence for an answer, from the committed table.
pub fn evidence(scenario: &Scenario, solution: &FluidSolution) -> Evidence {
    from(scenario, solution, &families().unwrap_or_default(), &committed())
}

fn from(scenario: &Scenario, solution: &FluidSolution, families: &[Family], rows: &[Measured]) -> Evidence {
    let kind = Kind::of(scenario, solution.boundary.binding);
    let measured = |family: &&Family| rows.iter().any(|row| row.family == family.name);
    let kinds: Vec<(&Family, Kind)> =
        families.iter().filter(measured).map(|family| (family, Kind::of(&family.scenario, family.binds))).collect();
    let named = |close: &dyn Fn(&Kind) -> bool| -> Vec<String> {
        kinds.iter().filter(|(_, other)| close(other)).map(|(family, _)| family.name.clone()).collect()
    };
    let alike = |other: &Kind| other.has_boundary_of(&kind) && other.arrivals == kind.arrivals;
    let boundary = named(&|other| other.has_boundary_of(&kind));
    let alike_at_all = named(&alike);
    let closest = named(&|other| alike(other) && other.outputs == kind.outputs);
    let near = if closest.is_empty() { alike_at_all } else { closest };
    let load = bucket(solution);
    let mut marks = vec![(BOUNDARY.to_owned(), mark(BOUNDARY, Some(solution.boundary.method), &boundary, None, rows))];
    for (name, figure) in solution.summary.quantities() {
        let Some(figure) = figure else { continue };
        let found = match load {
            Some(load) => mark(&name, Some(figure.method), &near, Some(load), rows),
            None => Mark::default(),
        };
        marks.push((name, found));
    }
    throughput(&mut marks, solution);
    let none = near.is_empty();
    Evidence { families: if none { boundary } else { near }, load: load.filter(|_| !none), marks }
}

/// What comes in goes out below λ*; above it λ* does.
fn throughput(marks: &mut [(String, Mark)], solution: &FluidSolution) {
    let boundary = marks[0].1;
    let exact = Mark { standing: Standing::Exact, error: None, tolerance: Some(EXACT) };
    for (_, mark) in marks.iter_mut().filter(|(name, _)| name == "throughput_per_s") {
        *mark = if solution.verdict == Verdict::Stable { exact } else { boundary };
    }
}

/// The gate's load at or above the scenario's, up to which errors count; none outside, and none where there is no steady state.
fn bucket(solution: &FluidSolution) -> Option<f64> {
    if solution.verdict != Verdict::Stable {
        return None;
    }
    let load = solution.lambda_per_s / solution.boundary.low_per_s;
    LOADS.into_iter().find(|bucket| load <= bucket + SLACK)
}

fn mark(quantity: &str, method: Option<Method>, families: &[String], load: Option<f64>, rows: &[Measured]) -> Mark {
    let goal = goal_of(quantity);
    if method == Some(Method::Exact) {
        return Mark { standing: Standing::Exact, error: None, tolerance: goal.map(|_| EXACT) };
    }
    // Up to the load: gaps change their sign on the way, and a crossing is no accuracy.
    let within = |row: &Measured| row.load.is_some() == load.is_some() && row.load <= load;
    let near = |row: &&Measured| row.quantity == quantity && within(row) && families.contains(&row.family);
    let near: Vec<&Measured> = rows.iter().filter(near).collect();
    let Some(error) = near.iter().map(|row| row.error()).reduce(f64::max) else { return Mark::default() };
    let seen = |standing| Mark { standing, error: Some(error), tolerance: None };
    match goal {
        None => seen(Standing::NoGoal),
        Some(goal) if error > goal.p90 => seen(Standing::Missed),
        Some(_) if near.iter().any(|row| !row.is_resolved()) => seen(Standing::Unresolved),
        Some(goal) => {
            let tolerance = if error <= goal.median { goal.median } else { goal.p90 };
            Mark { tolerance: Some(tolerance), ..seen(Standing::Trusted) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid;
    use crate::scenario;

    fn row(load: Option<f64>, quantity: &str, analytic: f64, half: f64) -> Measured {
        Measured {
            family: "v1-uniform".into(),
            load,
            lambda_per_s: 1.0,
            quantity: quantity.into(),
            analytic: Some(analytic),
            method: Some(Method::Approximation),
            simulated: Some(1.0),
            half_width: Some(half),
        }
    }

    fn seen(name: &str, rate: f64, rows: &[Measured]) -> Evidence {
        let mut scenario = scenario::open(Some(name), &[], None).unwrap();
        scenario.workload.rate_per_s = Some(rate);
        from(&scenario, &fluid::solve(&scenario), &families().unwrap(), rows)
    }

    /// Chat at .55 λ* is judged by the family of its engine, limit and spread at the next load above.
    #[test]
    fn the_nearest_family_speaks_for_a_scenario() {
        let rows = [
            row(None, BOUNDARY, 1.002, 0.0),
            row(Some(0.6), "ttft_s.mean", 1.05, 0.01),
            row(Some(0.6), "e2e_s.mean", 1.2, 0.01),
            row(Some(0.6), "running", 1.0, 0.2),
            row(Some(0.6), "ttft_s.p50", 1.3, 0.0),
            row(Some(0.9), "ttft_s.mean", 1.0, 0.0),
        ];
        let found = seen("chat-70b-4xa100", 2.0, &rows);
        assert_eq!((found.families.as_slice(), found.load), (&["v1-uniform".to_owned()][..], Some(0.6)));
        let of = |name: &str| (found.mark(name).standing, found.mark(name).tolerance);
        assert_eq!(of(BOUNDARY), (Standing::Trusted, Some(0.004)));
        assert_eq!(of("ttft_s.mean"), (Standing::Trusted, Some(0.10)));
        assert_eq!(of("e2e_s.mean"), (Standing::Missed, None));
        assert_eq!(of("running"), (Standing::Unresolved, None));
        assert_eq!(of("ttft_s.p50"), (Standing::NoGoal, None));
        assert_eq!(of("tbt_s.mean"), (Standing::Unseen, None));
        assert_eq!(of("throughput_per_s"), (Standing::Exact, Some(EXACT)));
    }

    #[test]
    fn what_is_far_from_the_gate_is_not_promised() {
        let rows = [row(None, BOUNDARY, 1.0, 0.0), row(Some(0.95), "ttft_s.mean", 1.0, 0.0)];
        // Another limit, another load, above λ*.
        assert_eq!(seen("memory-swap", 2.0, &rows).families.len(), 0);
        assert_eq!(seen("chat-70b-4xa100", 3.57, &rows).load, None);
        let above = seen("chat-70b-4xa100", 5.0, &rows);
        assert_eq!((above.load, above.mark("throughput_per_s").standing), (None, Standing::Trusted));
        assert_eq!(above.mark("running").standing, Standing::Unseen);
    }

    #[test]
    fn what_is_exact_needs_no_gate() {
        let found = seen("mm1", 0.5, &[]);
        assert_eq!(found.mark("e2e_s.mean").standing, Standing::Exact);
        assert_eq!(found.mark("e2e_s.mean").tolerance, Some(EXACT));
        assert_eq!(found.mark("e2e_s.p99").tolerance, None);
    }
}
