//! Running the gate: theory and engine on every member.

use rayon::prelude::*;

use super::errors::{Measured, rounded};
use super::{BOUNDARY, Family, LOADS, spike};
use crate::answer::{Figure, Summary, Verdict};
use crate::des::{self, Feed, Options, Run};
use crate::fluid::{self, scope};
use crate::scenario::Moments;
use crate::scenario::Scenario;
use crate::stats::stream::fnv1a;
use crate::study::plan::{Plan, Wishes};
use crate::study::simulate::solution_of;
use crate::study::stability::{SaturatedOptions, saturated};
use crate::study::trials::{Progress, silent};

/// Relative half-width of the engine's intervals for mean TTFT and E2E that is aimed at.
const SHARP: f64 = 0.01;

/// How much the engine works for one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Trials at least. Each has the length of `study::plan`.
    pub trials: u64,
    /// Trials at most: they are doubled until the means of TTFT and E2E are known to 1 %.
    pub most: u64,
    /// Completions per trial of the saturated system.
    pub completions: u32,
}

impl Effort {
    /// Some minutes for the whole gate on two cores.
    pub const FULL: Self = Self { trials: 8, most: 64, completions: 50_000 };
    /// Some tens of seconds; waits near λ* stay unresolved.
    pub const QUICK: Self = Self { trials: 4, most: 4, completions: 20_000 };
}

/// Pieces of work that `run` reports to its listener.
pub fn pieces(families: &[Family]) -> u64 {
    (covered(families).len() * (LOADS.len() + 2)) as u64
}

fn covered(families: &[Family]) -> Vec<&Family> {
    families.iter().filter(|family| scope::refusal(&family.scenario).is_none()).collect()
}

/// Measures every family that theory covers, in parallel. Every member has streams of its own; rows come in order of family and load.
/// Engine figures that `known` has for the same family, load and rate are kept instead of measured.
pub fn run(
    families: &[Family],
    seed: u64,
    effort: Effort,
    known: &[Measured],
    progress: Progress<'_>,
) -> Vec<Measured> {
    let covered = covered(families);
    let pieces = || LOADS.map(Piece::Load).into_iter().chain([Piece::Spike]);
    let members: Vec<(&Family, Piece)> = covered
        .iter()
        .flat_map(|family| [Piece::Boundary].into_iter().chain(pieces()).map(move |piece| (*family, piece)))
        .collect();
    let rows: Vec<Vec<Measured>> = members
        .par_iter()
        .map(|(family, piece)| {
            let seed = seed ^ fnv1a(&format!("{} {piece:?}", family.name));
            let rows = match piece {
                Piece::Boundary => boundary(family, seed, effort, known),
                Piece::Load(load) => member(family, *load, seed, effort, known),
                Piece::Spike => spike::measure(family, seed, effort, known),
            };
            progress();
            rows
        })
        .collect();
    rows.concat()
}

#[derive(Debug, Clone, Copy)]
enum Piece {
    Boundary,
    Load(f64),
    Spike,
}

/// λ* against the saturated engine.
fn boundary(family: &Family, seed: u64, effort: Effort, known: &[Measured]) -> Vec<Measured> {
    let solved = fluid::solve(&family.scenario);
    let before = known.iter().find(|row| row.family == family.name && row.quantity == BOUNDARY);
    let measured = || {
        let options = SaturatedOptions { seed, trials: effort.trials, completions: f64::from(effort.completions) };
        saturated(&family.scenario, &solved, &options, &silent).throughput_per_s
    };
    let seen = before.and_then(Measured::interval).map(|seen| Figure::simulated(seen.mean, seen.low, seen.high));
    let engine = seen.or_else(measured);
    let theory = Figure::of(solved.boundary.low_per_s, solved.boundary.method);
    row(family, (None, solved.boundary.low_per_s), BOUNDARY, Some(theory), engine).into_iter().collect()
}

/// Every quantity at one load, with streams of its own by `seed`.
pub fn member(family: &Family, load: f64, seed: u64, effort: Effort, known: &[Measured]) -> Vec<Measured> {
    let (scenario, rate) = at_load(&family.scenario, load);
    let solved = fluid::solve(&scenario);
    let place = (Some(load), rate);
    let before: Vec<&Measured> = known
        .iter()
        .filter(|row| (&row.family, row.load, row.lambda_per_s) == (&family.name, Some(load), rate))
        .collect();
    let engine: Vec<(String, Option<Figure>)> = if before.is_empty() {
        let plan = Plan::new(&scenario, &solved, Wishes::default());
        engine(&scenario, &plan.options(seed, Feed::Open), effort).quantities()
    } else {
        let seen = |name: &str| before.iter().find(|row| row.quantity == name).and_then(|row| row.interval());
        let figure = |name: String| {
            let seen = seen(&name).map(|seen| Figure::simulated(seen.mean, seen.low, seen.high));
            (name, seen)
        };
        Summary::default().quantities().into_iter().map(|(name, _)| figure(name)).collect()
    };
    let theory = if solved.verdict == Verdict::Stable { solved.summary } else { Summary::default() };
    let both = theory.quantities().into_iter().zip(engine);
    both.filter_map(|((name, theory), (_, engine))| row(family, place, &name, theory, engine)).collect()
}

/// The family's scenario at λ = load·λ*, to four digits, with the rate.
pub fn at_load(scenario: &Scenario, load: f64) -> (Scenario, f64) {
    let served = 1.0 - Moments::of(scenario).rejected;
    let rate = rounded(load * fluid::solve(scenario).boundary.low_per_s / served, 4);
    let mut scenario = scenario.clone();
    scenario.workload.rate_per_s = Some(rate);
    (scenario, rate)
}

/// The engine's figures, from as many trials as it takes.
pub(super) fn engine(scenario: &Scenario, options: &Options, effort: Effort) -> Summary {
    let mut runs: Vec<Run> = Vec::new();
    let mut wanted = effort.trials;
    loop {
        let more = (runs.len() as u64..wanted).into_par_iter();
        runs.par_extend(more.map(|trial| des::simulate(scenario, &Options { trial, ..options.clone() })));
        let summary = solution_of(scenario, &runs, None).summary;
        wanted *= 2;
        if wanted > effort.most || is_sharp(&summary) {
            return summary;
        }
    }
}

fn is_sharp(summary: &Summary) -> bool {
    let narrow =
        |figure: Figure| figure.interval.is_some_and(|(low, high)| high - low <= 2.0 * SHARP * figure.value.abs());
    [summary.ttft_s, summary.e2e_s].into_iter().flatten().all(|latency| narrow(latency.mean))
}

/// One row; none where both answers have nothing to say.
pub(super) fn row(
    family: &Family,
    (load, lambda_per_s): (Option<f64>, f64),
    quantity: &str,
    theory: Option<Figure>,
    engine: Option<Figure>,
) -> Option<Measured> {
    if theory.is_none() && engine.is_none() {
        return None;
    }
    Some(Measured {
        family: family.name.clone(),
        load,
        lambda_per_s,
        quantity: quantity.to_owned(),
        analytic: theory.map(|figure| figure.value),
        method: theory.map(|figure| figure.method),
        simulated: engine.map(|figure| figure.value),
        half_width: engine.and_then(|figure| figure.interval).map(|(low, high)| 0.5 * (high - low)),
    })
}
