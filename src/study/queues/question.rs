//! A question to one model: at one point or over a range of one parameter, with or without a simulation beside the theory.

use rayon::prelude::*;

use super::answer::{Answer, Quantity};
use super::catalogue::Model;
use super::engine;
use super::measured::{self, Length};
use super::parameters::{Parameters, Values};
use super::plain::Trial;
use super::problem::QueueProblem;
use crate::stats::coverage::is_consistent;
use crate::stats::interval::{Interval, mean_interval, student_t};
use crate::stats::stream::stream;
use crate::study::CONFIDENCE;
use crate::study::sweep::numbers;
use crate::study::trials::Progress;

/// How theory is held against a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Simulation {
    /// Independent trials.
    pub trials: u64,
    /// Customers measured in each, behind a quarter of them more that are thrown away; chosen by utilisation unless given.
    pub customers: Option<u64>,
    /// Of all random streams.
    pub seed: u64,
}

/// What a simulated value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Simulator {
    /// The event engine of LLM serving, on a scenario that is the queue.
    Engine,
    /// A small simulation of the queue itself.
    Plain,
}

impl Simulator {
    /// Its name in every format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Plain => "plain simulation",
        }
    }
}

/// A simulated value with its 95 % interval over trials.
struct Simulated {
    key: String,
    interval: Interval,
    by: Simulator,
    /// Share of the value by which the simulation may differ from the model.
    slack: f64,
}

/// A quantity and what the simulation says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// Of theory.
    pub quantity: Quantity,
    /// Of the simulation, a 95 % interval over trials (Student).
    pub simulated: Option<Interval>,
    /// What simulated it.
    pub by: Option<Simulator>,
    /// Whether the interval contains the theory; nothing where the trials do not differ and so tell no width.
    pub covered: Option<bool>,
    /// Whether an exact theory lies so far out that an error rate of 0.001 over all quantities of all points does not allow it.
    pub refuted: bool,
}

/// What was found at one point.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// A stationary answer.
    Stable {
        /// Its quantities.
        compared: Vec<Compared>,
        /// What a reader must know.
        notes: Vec<String>,
    },
    /// None: the queue grows without end.
    Unstable {
        /// Customers per second; 0 at the boundary itself.
        growth_per_s: f64,
    },
}

/// One point of the question.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The value of the parameter that runs over a range.
    pub at: Option<f64>,
    /// What was found there.
    pub found: Found,
}

/// The whole answer.
pub struct Findings {
    /// The model that was asked.
    pub model: &'static Model,
    /// The parameter that ran over a range.
    pub range: Option<String>,
    /// In order of the range.
    pub points: Vec<Point>,
    /// The simulation, if there was one.
    pub simulation: Option<Simulation>,
}

/// The one parameter given as `FROM:TO:STEP` or as a list where one number is meant, with its values.
///
/// # Errors
/// A range that cannot be read, or a second one.
pub fn range(model: &Model, parameters: &Parameters) -> Result<Option<(String, Vec<f64>)>, QueueProblem> {
    let mut found: Option<(String, Vec<f64>)> = None;
    for (name, values) in parameters.iter() {
        let number = model.parameter(name).is_some_and(|parameter| parameter.kind.is_number());
        let Some(text) = values.first().filter(|text| number && text.contains([':', ','])) else { continue };
        if let Some((other, _)) = &found {
            let problem = format!("is a range beside that of `{other}`");
            return Err(QueueProblem::at(name, problem, "give a range of one parameter"));
        }
        let remedy = "write FROM:TO:STEP or V1,V2, such as 0.1:0.9:0.1";
        found = Some((name.to_owned(), numbers(text).map_err(|problem| QueueProblem::at(name, problem, remedy))?));
    }
    Ok(found)
}

/// How many points, so pieces of work, a question has.
///
/// # Errors
/// As [`range`].
pub fn points(model: &Model, parameters: &Parameters) -> Result<usize, QueueProblem> {
    Ok(range(model, parameters)?.map_or(1, |(_, values)| values.len()))
}

/// Asks the model, at every point of the range if there is one.
///
/// # Errors
/// Parameters that are missing, unknown or out of range; a model that has no simulation where one is wanted. An unstable queue is
/// a finding.
pub fn ask(
    model: &'static Model,
    parameters: &Parameters,
    simulation: Option<Simulation>,
    progress: Progress<'_>,
) -> Result<Findings, QueueProblem> {
    let range = range(model, parameters)?;
    let points = match &range {
        None => vec![(None, parameters.clone())],
        Some((name, values)) => values
            .iter()
            .map(|&value| {
                let mut here = parameters.clone();
                here.set(name, &value);
                (Some(value), here)
            })
            .collect(),
    };
    // All are answered before the first is simulated, so that a mistake shows at once.
    let answers = points.iter().map(|(_, here)| answer(model, here)).collect::<Result<Vec<_>, _>>()?;
    let mut found = Vec::new();
    for (index, ((at, here), answer)) in points.iter().zip(answers).enumerate() {
        let found_here = match (answer, simulation) {
            (Err(growth_per_s), _) => Found::Unstable { growth_per_s },
            (Ok(answer), None) => beside(answer, &[], 2, points.len()),
            (Ok(answer), Some(simulation)) => {
                let measured = simulated(model, here, &answer, simulation, index, progress)?;
                beside(answer, &measured, simulation.trials, points.len())
            }
        };
        found.push(Point { at: *at, found: found_here });
    }
    Ok(Findings { model, range: range.map(|(name, _)| name), points: found, simulation })
}

/// The answer, or the growth of a queue that has none.
fn answer(model: &Model, parameters: &Parameters) -> Result<Result<Answer, f64>, QueueProblem> {
    match model.answer(parameters) {
        Ok(answer) => Ok(Ok(answer)),
        Err(QueueProblem::Unstable { growth_per_s }) => Ok(Err(growth_per_s)),
        Err(problem) => Err(problem),
    }
}

/// What the engine measures where it can be the queue, and a plain simulation for the rest.
fn simulated(
    model: &Model,
    parameters: &Parameters,
    answer: &Answer,
    simulation: Simulation,
    index: usize,
    progress: Progress<'_>,
) -> Result<Vec<Simulated>, QueueProblem> {
    let Some(prepare) = model.simulation else {
        let remedy = "leave `simulate` out";
        return Err(QueueProblem::at("simulate", format!("is not there for `{}`", model.name), remedy));
    };
    let trial = prepare(&Values::new(model, parameters)?)?;
    let mut found = by_engine(model, parameters, simulation, index, progress);
    found.extend(plainly(model, &trial, answer, simulation, index, progress));
    Ok(found)
}

/// Nothing where the engine cannot be this queue.
fn by_engine(
    model: &Model,
    parameters: &Parameters,
    simulation: Simulation,
    index: usize,
    progress: Progress<'_>,
) -> Vec<Simulated> {
    let Ok(prepared) = engine::prepare(model.name, parameters) else { return Vec::new() };
    let usual = Length { trials: simulation.trials, ..Length::QUICK };
    let length = simulation.customers.map_or(usual, |customers| Length {
        least: customers as f64,
        most: customers as f64,
        ..usual
    });
    // A seed of its own for every point, so that they miss independently.
    let seed = simulation.seed.wrapping_add(index as u64);
    let slack = prepared.lattice.max(1e-9);
    // Where customers are interrupted, or all are served, the engine's waiting line is not those who wait.
    let in_line = prepared.service_s.is_some();
    measured::measure(&prepared, length, seed, progress)
        .into_iter()
        .filter(|(key, _)| in_line || key != "Lq")
        .filter_map(|(key, figure)| {
            let (low, high) = figure.interval?;
            Some(Simulated { key, interval: Interval { mean: figure.value, low, high }, by: Simulator::Engine, slack })
        })
        .collect()
}

/// Values by key; the same for any number of threads.
fn plainly(
    model: &Model,
    trial: &Trial,
    answer: &Answer,
    simulation: Simulation,
    index: usize,
    progress: Progress<'_>,
) -> Vec<Simulated> {
    let customers = simulation.customers.unwrap_or_else(|| enough(answer));
    let runs: Vec<_> = (0..simulation.trials)
        .into_par_iter()
        .map(|number| {
            let name = format!("queue {} point {index} trial {number}", model.name);
            let run = trial.run(&mut stream(simulation.seed, &name), customers);
            progress();
            run
        })
        .collect();
    let keys = runs.first().map_or(Vec::new(), |run| run.iter().map(|(key, _)| key.clone()).collect());
    keys.into_iter()
        .enumerate()
        .filter_map(|(position, key)| {
            let samples: Vec<f64> = runs.iter().map(|run| run[position].1).collect();
            let interval = mean_interval(&samples, CONFIDENCE)?;
            Some(Simulated { key, interval, by: Simulator::Plain, slack: 1e-9 })
        })
        .collect()
}

/// 200/(1 − ρ)² customers: the queue forgets in about 4/(1 − ρ)² of them, so the warm-up is a dozen times as long.
fn enough(answer: &Answer) -> u64 {
    let slack = 1.0 - answer.value("load").or_else(|| answer.value("utilization")).unwrap_or(0.0);
    let wanted = 200.0 / (slack * slack);
    // Models that lose customers may be loaded beyond 1 and still forget soon.
    if slack <= 0.0 { 20_000 } else { wanted.clamp(20_000.0, 2e6) as u64 }
}

fn beside(answer: Answer, measured: &[Simulated], trials: u64, points: usize) -> Found {
    let exact = points * answer.quantities.iter().filter(|quantity| quantity.method.is_exact()).count().max(1);
    let wider = wider(trials, 1.0 - REFUSED / exact as f64);
    let compared = answer.quantities.into_iter().map(|quantity| {
        let simulated = measured.iter().find(|one| one.key == quantity.key);
        compare(quantity, simulated, wider)
    });
    Found::Stable { compared: compared.collect(), notes: answer.notes }
}

/// By how much an interval of that confidence is wider than one of 95 %, over so many trials.
fn wider(trials: u64, confidence: f64) -> f64 {
    let t = |confidence| student_t(confidence, trials as f64 - 1.0);
    t(confidence).zip(t(CONFIDENCE)).map_or(1.0, |(wide, usual)| wide / usual)
}

fn compare(quantity: Quantity, simulated: Option<&Simulated>, wider: f64) -> Compared {
    let inside = |one: &Simulated, wider: f64| {
        let (middle, half) = (0.5 * (one.interval.low + one.interval.high), one.interval.half_width());
        (quantity.value - middle).abs() <= wider * half + one.slack * quantity.value.abs()
    };
    // No interval judges what is infinite or the quantile of an atom at 0, and trials that differ by rounding alone tell no width.
    let told = |one: &&Simulated| {
        let width = one.interval.half_width() > 1e-9 * quantity.value.abs();
        quantity.value.is_finite() && (inside(one, 1.0) || width && quantity.value != 0.0)
    };
    let told = simulated.filter(told);
    let covered = told.map(|one| inside(one, 1.0));
    let refuted = quantity.method.is_exact() && told.is_some_and(|one| !inside(one, wider));
    let (interval, by) = (simulated.map(|one| one.interval), simulated.map(|one| one.by));
    Compared { quantity, simulated: interval, by, covered, refuted }
}

/// The error rate of each verdict.
const REFUSED: f64 = 0.001;

impl Findings {
    /// Whether the simulation agrees with the theory where that is exact: no quantity lies far out, and the 95 % intervals of one
    /// quantity at each point (the others come from the same paths and miss together) miss no more often than they may, each at an
    /// error rate of 0.001.
    pub fn agree(&self) -> bool {
        let stable = || {
            self.points.iter().filter_map(|point| match &point.found {
                Found::Stable { compared, .. } => Some(compared),
                Found::Unstable { .. } => None,
            })
        };
        let judged: Vec<bool> = stable().filter_map(|compared| judged(compared)).collect();
        let missed = judged.iter().filter(|covered| !**covered).count() as u64;
        let refuted = stable().flatten().any(|compared| compared.refuted);
        !refuted && is_consistent(missed, judged.len() as u64, 1.0 - CONFIDENCE, REFUSED)
    }
}

/// Whether the quantity by which a point is judged is covered: the time in the system, or the first that is exact and simulated.
fn judged(compared: &[Compared]) -> Option<bool> {
    let exact = || compared.iter().filter(|one| one.quantity.method.is_exact() && one.covered.is_some());
    let chosen = exact().find(|one| one.quantity.key == "W").or_else(|| exact().next());
    chosen.and_then(|one| one.covered)
}
