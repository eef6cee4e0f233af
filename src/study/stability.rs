//! The stability boundary from the engine: the throughput of the saturated system, and drift tests on both sides of λ*.
//!
//! The trend of the mean response time from an empty start is never used: it calls stable systems unstable.

use std::cell::RefCell;

use super::summary::{growth, throughput};
use super::trials::{self, Progress};
use crate::answer::{Figure, FluidSolution};
use crate::des::{Feed, Options, Run, Window};
use crate::fluid;
use crate::scenario::moments::usable_memory;
use crate::scenario::{Mixing, Moments, Priority, Scenario, SequenceLimit, Time};

/// How to run the saturated system.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SaturatedOptions {
    /// Seed of all streams.
    pub seed: u64,
    /// Independent trials.
    pub trials: u64,
    /// Completions measured per trial.
    pub completions: f64,
}

impl SaturatedOptions {
    /// The usual length: 20 000 completions per trial.
    pub fn new(seed: u64, trials: u64) -> Self {
        Self { seed, trials: trials.max(2), completions: 20_000.0 }
    }
}

/// What the saturated system does.
#[derive(Debug, Clone)]
pub struct Saturated {
    /// Completions per second: the engine's λ*.
    pub throughput_per_s: Option<Figure>,
    /// Iterations simulated.
    pub steps: u64,
}

/// Runs the system with a request always waiting. The first 10 residence times are thrown away. Of unlike instances each kind is run
/// alone, and the routing rule says what they carry together.
pub fn saturated(
    scenario: &Scenario,
    fluid: &FluidSolution,
    options: &SaturatedOptions,
    progress: Progress<'_>,
) -> Saturated {
    let runs: RefCell<Vec<Saturated>> = RefCell::default();
    let alone = |one: &Scenario| {
        let found = together(one, &fluid::solve(one), options, progress);
        let rate = found.throughput_per_s.map_or(f64::NAN, |figure| figure.value);
        runs.borrow_mut().push(found);
        rate
    };
    let Some(value) = fluid::capacity_of_members(scenario, &alone) else {
        return together(scenario, fluid, options, progress);
    };
    let runs = runs.into_inner();
    let at = |end: fn((f64, f64)) -> f64| {
        let figures = RefCell::new(runs.iter().map(|run| run.throughput_per_s.and_then(|figure| figure.interval)));
        let rate = |_: &Scenario| figures.borrow_mut().next().flatten().map_or(f64::NAN, end);
        fluid::capacity_of_members(scenario, &rate)
    };
    let throughput_per_s = at(|ends| ends.0)
        .zip(at(|ends| ends.1))
        .filter(|ends| ends.0.is_finite() && ends.1.is_finite())
        .map(|(low, high)| Figure::simulated(value, low, high));
    Saturated { throughput_per_s, steps: runs.iter().map(|run| run.steps).sum() }
}

/// A saturated run of all instances together. Where a request that always waits would let nobody decode there is no throughput to
/// measure.
fn together(
    scenario: &Scenario,
    fluid: &FluidSolution,
    options: &SaturatedOptions,
    progress: Progress<'_>,
) -> Saturated {
    if starves_decodes(scenario) {
        return Saturated { throughput_per_s: None, steps: 0 };
    }
    let boundary = fluid.boundary.low_per_s;
    let warmup_s = 10.0 * residents_at_saturation(scenario) / boundary;
    let horizon_s = warmup_s + options.completions / boundary;
    let (warmup, horizon) = (Time::from_seconds(warmup_s), Time::from_seconds(horizon_s));
    let engine =
        Options { seed: options.seed, feed: Feed::Saturated, limit: horizon, ..Options::until(warmup, horizon) };
    let runs = trials::run(scenario, &engine, options.trials, progress);
    Saturated { throughput_per_s: throughput(&windows(&runs)), steps: runs.iter().map(|run| run.totals.steps).sum() }
}

/// Whether prompts that always wait leave no iteration to the decodes: they go first, and nothing caps the residents.
fn starves_decodes(scenario: &Scenario) -> bool {
    let rules = scenario.batch_rules();
    rules.mixing == Mixing::Exclusive
        && rules.priority == Priority::PrefillFirst
        && rules.sequence_limit == SequenceLimit::Batch
        && scenario.instance.kv_tokens.is_none()
}

/// About how many requests are resident when a request is always waiting.
fn residents_at_saturation(scenario: &Scenario) -> f64 {
    if let Some(gpus) = scenario.cluster.as_ref().and_then(|cluster| cluster.gpus) {
        return gpus as f64;
    }
    scenario.members().iter().map(|(member, count)| *count as f64 * residents_of_one(member)).sum::<f64>().max(1.0)
}

/// The smallest of the limits' mean-field values.
fn residents_of_one(scenario: &Scenario) -> f64 {
    let moments = Moments::of(scenario);
    let slots = scenario.sequence_cap() as f64;
    let by_memory = usable_memory(scenario)
        .map_or(f64::INFINITY, |memory| memory as f64 * moments.output_mean() / moments.held_mean());
    slots.min(by_memory).max(1.0)
}

/// Where a drift test starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// No request in the system.
    Empty,
    /// A backlog that lasts longer than the test.
    Backlog,
}

/// What the number in system does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drift {
    /// It grows by more than a quarter of ε λ*.
    Grows,
    /// It shrinks by more than a quarter of ε λ*.
    Drains,
    /// Its growth or decline is surely below half of ε λ*.
    Stays,
    /// The interval is too wide to say: more trials would help.
    Unclear,
}

impl Drift {
    /// The drift as printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grows => "grows",
            Self::Drains => "drains",
            Self::Stays => "stays",
            Self::Unclear => "unclear",
        }
    }
}

/// One drift test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DriftTest {
    /// Where it started.
    pub start: Start,
    /// λ/λ*.
    pub load: f64,
    /// Growth of the number in system as a share of λ*, with its interval.
    pub growth: Option<Figure>,
    /// What λ* says should happen.
    pub expected: Drift,
    /// What happened.
    pub observed: Drift,
}

impl DriftTest {
    /// Whether the engine does something else than λ* says; an unclear test contradicts nothing.
    pub fn contradicts(&self) -> bool {
        self.observed != self.expected && self.observed != Drift::Unclear
    }
}

/// How to test for drift.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DriftOptions {
    /// Seed of all streams.
    pub seed: u64,
    /// Independent trials per test.
    pub trials: u64,
    /// ε: the tests run at λ*(1 − ε) and λ*(1 + ε).
    pub epsilon: f64,
}

/// Drift from empty and from a backlog at λ*(1 ± ε): below λ* an empty system stays and a backlog drains, above both grow.
///
/// Each test runs for 36/ε² arrivals, of which the first 4/ε² and 10 residence times are thrown away: the diffusion of the
/// queue over the rest is small against the drift ε λ*.
pub fn drift_tests(
    scenario: &Scenario,
    fluid: &FluidSolution,
    options: &DriftOptions,
    progress: Progress<'_>,
) -> Vec<DriftTest> {
    let cases = [
        (Start::Empty, 1.0 - options.epsilon, Drift::Stays),
        (Start::Backlog, 1.0 - options.epsilon, Drift::Drains),
        (Start::Empty, 1.0 + options.epsilon, Drift::Grows),
        (Start::Backlog, 1.0 + options.epsilon, Drift::Grows),
    ];
    cases
        .into_iter()
        .map(|(start, load, expected)| {
            let growth = drift(scenario, fluid, options, (start, load), progress);
            DriftTest { start, load, growth, expected, observed: classify(growth, options.epsilon) }
        })
        .collect()
}

fn drift(
    scenario: &Scenario,
    fluid: &FluidSolution,
    options: &DriftOptions,
    (start, load): (Start, f64),
    progress: Progress<'_>,
) -> Option<Figure> {
    let boundary = fluid.boundary.low_per_s;
    let scale = 4.0 / (options.epsilon * options.epsilon);
    let warmup_s = (10.0 * residents_at_saturation(scenario) + scale) / boundary;
    let horizon_s = warmup_s + 8.0 * scale / boundary;
    let backlog = match start {
        Start::Empty => 0,
        Start::Backlog => {
            (2.0 * options.epsilon * boundary * horizon_s + 2.0 * residents_at_saturation(scenario)).ceil() as u64
        }
    };
    let mut at_load = scenario.clone();
    at_load.workload.hold_rate(load * boundary / served_share(scenario));
    let (warmup, horizon) = (Time::from_seconds(warmup_s), Time::from_seconds(horizon_s));
    let engine = Options {
        seed: options.seed,
        feed: Feed::Bootstrap,
        backlog,
        limit: horizon,
        ..Options::until(warmup, horizon)
    };
    let runs = trials::run(&at_load, &engine, options.trials, progress);
    let per_s = growth(&windows(&runs))?;
    let share = |value: f64| value / boundary;
    let interval = per_s.interval.map(|(low, high)| (share(low), share(high)));
    Some(Figure { value: share(per_s.value), interval, method: per_s.method })
}

/// λ* where nothing caps the residents, so that a request that always waits would change the question: the load at which the growth of a
/// long queue turns from falling to rising, on the line through its growth a little below and a little above the analytic λ*.
pub fn turning_point(
    scenario: &Scenario,
    fluid: &FluidSolution,
    options: &SaturatedOptions,
    progress: Progress<'_>,
) -> Option<Figure> {
    let growth = |load: f64| -> Option<(f64, f64)> {
        let figure = growth_of_a_long_queue(scenario, fluid, options, load, progress)?;
        figure.interval.map(|(low, high)| (figure.value, (high - low) / 2.0))
    };
    let ((below, below_half), (above, above_half)) = (growth(1.0 - TURN)?, growth(1.0 + TURN)?);
    let span = above - below;
    let at = 1.0 - TURN - 2.0 * TURN * below / span;
    // To first order in the two independent errors.
    let half = 2.0 * TURN * (above * below_half).hypot(below * above_half) / (span * span);
    let boundary = fluid.boundary.low_per_s;
    let found = Figure::simulated(at * boundary, (at - half) * boundary, (at + half) * boundary);
    (span > 0.0 && found.value.is_finite()).then_some(found)
}

/// Distance of the two loads of [`turning_point`] from λ*, as a share of it.
const TURN: f64 = 0.05;

/// Growth of the number in system per second at a load, from a queue that does not drain while it is measured.
fn growth_of_a_long_queue(
    scenario: &Scenario,
    fluid: &FluidSolution,
    options: &SaturatedOptions,
    load: f64,
    progress: Progress<'_>,
) -> Option<Figure> {
    let boundary = fluid.boundary.low_per_s;
    let residents = residents_at_saturation(scenario);
    let mut at_load = scenario.clone();
    at_load.workload.hold_rate(load * boundary / served_share(scenario));
    let warmup_s = 10.0 * residents / boundary;
    let horizon_s = warmup_s + options.completions / boundary;
    let (warmup, horizon) = (Time::from_seconds(warmup_s), Time::from_seconds(horizon_s));
    let backlog = (2.0 * residents + 2.0 * TURN * boundary * horizon_s).ceil() as u64;
    let engine = Options {
        seed: options.seed,
        feed: Feed::Bootstrap,
        backlog,
        limit: horizon,
        ..Options::until(warmup, horizon)
    };
    growth(&windows(&trials::run(&at_load, &engine, options.trials, progress)))
}

/// λ* counts served requests; rejected ones arrive on top.
fn served_share(scenario: &Scenario) -> f64 {
    1.0 - Moments::of(scenario).rejected
}

fn classify(growth: Option<Figure>, epsilon: f64) -> Drift {
    match growth.and_then(|figure| figure.interval) {
        Some((low, _)) if low > epsilon / 4.0 => Drift::Grows,
        Some((_, high)) if high < -epsilon / 4.0 => Drift::Drains,
        Some((low, high)) if low > -epsilon / 2.0 && high < epsilon / 2.0 => Drift::Stays,
        _ => Drift::Unclear,
    }
}

fn windows(runs: &[Run]) -> Vec<&Window> {
    runs.iter().flat_map(|run| &run.windows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Cluster, Group, Override, Routing, StepTimeLaw, open};

    /// Of unlike instances in turn the slower decides: twice what it takes alone, and not what the two complete when both are full.
    #[test]
    fn unlike_instances_are_measured_by_the_rule_that_feeds_them() {
        let overrides = [Override::new("test", "instance.max_sequences", 16)];
        let mut scenario = open(Some("outputs-geometric"), &overrides, None).unwrap();
        let slow = StepTimeLaw::Affine { base_s: 0.05, per_token_s: 4e-4 };
        let mut cluster = Cluster::replicas(1, Routing::RoundRobin);
        cluster.group = vec![Group {
            name: "slow".into(),
            count: 1,
            model: None,
            instance: None,
            policy: None,
            step_time: Some(slow),
        }];
        scenario.cluster = Some(cluster);
        scenario.validate().unwrap();
        let theory = fluid::solve(&scenario);
        let options = SaturatedOptions { seed: 1, trials: 4, completions: 3000.0 };
        let found = saturated(&scenario, &theory, &options, &|| {}).throughput_per_s.unwrap();
        let (low, high) = found.interval.unwrap();
        assert!(low < found.value && found.value < high);
        let gap = found.value / theory.boundary.low_per_s - 1.0;
        assert!(gap.abs() < 0.02, "{found:?} against {}", theory.boundary.low_per_s);
    }
}
