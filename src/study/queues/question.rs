//! A question to one model: at one point or over a range of one parameter, with or without a simulation beside the theory.

use rayon::prelude::*;

use super::answer::{Answer, Quantity};
use super::catalogue::Model;
use super::parameters::{Parameters, Values};
use super::plain::Trial;
use super::problem::QueueProblem;
use crate::stats::coverage::is_consistent;
use crate::stats::interval::{Interval, mean_interval};
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

/// A quantity and what the simulation says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// Of theory.
    pub quantity: Quantity,
    /// Of the simulation, a 95 % interval over trials (Student).
    pub simulated: Option<Interval>,
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
                here.set(name, value);
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
            (Ok(answer), None) => beside(answer, &[], points.len()),
            (Ok(answer), Some(simulation)) => {
                let measured = measured(model, here, &answer, simulation, index, progress)?;
                beside(answer, &measured, points.len())
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

/// Every trial's values by key, in the order of the trials whatever the number of threads.
fn measured(
    model: &Model,
    parameters: &Parameters,
    answer: &Answer,
    simulation: Simulation,
    index: usize,
    progress: Progress<'_>,
) -> Result<Vec<(String, Vec<f64>)>, QueueProblem> {
    let Some(prepare) = model.simulation else {
        let remedy = "leave `simulate` out";
        return Err(QueueProblem::at("simulate", format!("is not there for `{}`", model.name), remedy));
    };
    let trial: Trial = prepare(&Values::new(model, parameters)?)?;
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
    let values = |position: usize| runs.iter().map(|run| run[position].1).collect();
    Ok(keys.into_iter().enumerate().map(|(position, key)| (key, values(position))).collect())
}

/// 200/(1 − ρ)² customers: the queue forgets in about 4/(1 − ρ)² of them, so the warm-up is a dozen times as long.
fn enough(answer: &Answer) -> u64 {
    let slack = 1.0 - answer.value("utilization").unwrap_or(0.0);
    let wanted = 200.0 / (slack * slack);
    // Models that lose customers may be loaded beyond 1 and still forget soon.
    if slack <= 0.0 { 20_000 } else { wanted.clamp(20_000.0, 2e6) as u64 }
}

fn beside(answer: Answer, measured: &[(String, Vec<f64>)], points: usize) -> Found {
    let exact = points * answer.quantities.iter().filter(|quantity| quantity.method.is_exact()).count().max(1);
    let compared = answer.quantities.into_iter().map(|quantity| {
        let samples = measured.iter().find(|(key, _)| *key == quantity.key).map(|(_, samples)| samples.as_slice());
        compare(quantity, samples, exact)
    });
    Found::Stable { compared: compared.collect(), notes: answer.notes }
}

fn compare(quantity: Quantity, samples: Option<&[f64]>, exact: usize) -> Compared {
    let at = |confidence| samples.and_then(|samples| mean_interval(samples, confidence));
    let simulated = at(CONFIDENCE);
    // Rounding is no miss.
    let inside = |interval: Interval| {
        let slack = 1e-9 * quantity.value.abs();
        interval.low - slack <= quantity.value && quantity.value <= interval.high + slack
    };
    let told = |interval: Interval| interval.half_width() > 0.0 || inside(interval);
    let covered = simulated.filter(|interval| told(*interval)).map(inside);
    let wide = at(1.0 - REFUSED / exact as f64).filter(|interval| told(*interval));
    let refuted = quantity.method.is_exact() && wide.is_some_and(|interval| !inside(interval));
    Compared { quantity, simulated, covered, refuted }
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
