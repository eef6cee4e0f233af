//! The points of a part and their answers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use toml::{Table, Value};

use super::{Axis, Keys, Level, Options, Part, RunRules, Solver, Study, boundary, embedded, replay};
use crate::answer::{Figure, FluidSolution, SimulatedSolution};
use crate::fluid::{self, scope};
use crate::scenario::{Override, Scenario, ScenarioError, TraceMode, TraceSource, load, trace};
use crate::study::dynamics::Dynamics;
use crate::study::plan::Wishes;
use crate::study::simulate::{SimulateOptions, simulate};
use crate::study::trials::Progress;

/// Trials of a point unless the study says otherwise.
const TRIALS: u64 = 10;

/// One cell of a part: a scenario and how long it is run.
#[derive(Debug, Clone)]
pub struct Point {
    /// The label on each axis.
    pub labels: Vec<String>,
    /// Where it stands on each axis of a picture.
    pub xs: Vec<Option<f64>>,
    /// Its scenario.
    pub scenario: Scenario,
    /// Lengths of its runs.
    pub run: RunRules,
}

impl Point {
    /// Its labels in one line.
    pub fn name(&self) -> String {
        self.labels.join(", ")
    }
}

/// What was found at one point: figures by quantity, from each solver, and words.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Theory's figures.
    pub analytic: BTreeMap<String, Figure>,
    /// The engine's figures.
    pub engine: BTreeMap<String, Figure>,
    /// Words, such as the verdict.
    pub words: BTreeMap<String, String>,
    /// Why theory gives no answer, and what else a reader must know.
    pub notes: Vec<String>,
}

/// All points of a part with their answers.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The points, the last axis fastest.
    pub points: Vec<Point>,
    /// Their answers in the same order.
    pub answers: Vec<Answer>,
    /// Levels that were left out, and why.
    pub missing: Vec<String>,
}

/// The points of a part, each valid, and the levels that are left out.
///
/// # Errors
/// A level that makes no valid scenario, or recorded requests that cannot be read.
pub fn points(study: &Study, part: &Part, options: &Options<'_>) -> Result<(Vec<Point>, Vec<String>), ScenarioError> {
    let mut missing = Vec::new();
    let mut choices: Vec<Vec<&Level>> = vec![Vec::new()];
    for axis in &part.axis {
        let mut levels: Vec<&Level> = Vec::new();
        for level in kept(axis, options.quick) {
            match absent(level, options.data) {
                Some(why) => missing.push(why),
                None => levels.push(level),
            }
        }
        choices = choices.iter().flat_map(|chosen| levels.iter().map(move |level| [&chosen[..], &[*level]].concat())).collect();
    }
    let points: Result<Vec<Point>, ScenarioError> =
        choices.iter().map(|levels| point(study, part, levels, options)).collect();
    Ok((points?, missing))
}

fn kept(axis: &Axis, quick: bool) -> impl Iterator<Item = &Level> {
    let all = !quick || axis.quick.is_empty();
    axis.values.iter().filter(move |level| all || axis.quick.contains(&level.label()))
}

/// Why a level is left out: its recorded requests are not there.
fn absent(level: &Level, data: Option<&Path>) -> Option<String> {
    let Level::Keys(Keys { recorded: Some(file), label, .. }) = level else { return None };
    let there = data.is_some_and(|folder| folder.join(file).is_file());
    (!there).then(|| format!("{label}: `{file}` is not at hand; --data names the folder of recorded requests"))
}

fn point(study: &Study, part: &Part, levels: &[&Level], options: &Options<'_>) -> Result<Point, ScenarioError> {
    let labels: Vec<String> = levels.iter().map(|level| level.label()).collect();
    let origin = format!("{} · {} · {}", study.name, part.name, labels.join(", "));
    let mut name = &part.scenario;
    let mut changes = overrides(&part.set);
    let mut run = RunRules::default();
    let mut requests = None;
    for (level, axis) in levels.iter().zip(&part.axis) {
        match level {
            Level::Keys(keys) => {
                name = keys.scenario.as_ref().unwrap_or(name);
                changes.extend(overrides(&keys.set));
                requests = requests_of(keys, options.data)?.or(requests);
            }
            Level::Plain(value) => match axis.key.as_deref() {
                Some(key) if key.starts_with("run.") => {
                    run = length(&key["run.".len()..], value).map_err(|error| error.in_file(&origin))?.over(run);
                }
                Some(key) => changes.push(Override::new("axis", key, value.clone())),
                None => {
                    let remedy = "give the axis a key, or the level keys of its own";
                    return Err(ScenarioError::at(&axis.name, "has a level without a key", remedy).in_file(&origin));
                }
            },
        }
    }
    let table = study.scenario.get(name).ok_or_else(|| {
        ScenarioError::at("scenario", format!("is `{name}`"), "name a scenario of the study").in_file(&origin)
    })?;
    let scenario = load(&origin, &table.to_string(), &changes)?;
    let scenario = match requests {
        Some((file, requests)) => replayed(scenario, file, requests).map_err(|error| error.in_file(&origin))?,
        None => scenario,
    };
    let usual = if options.quick { part.quick.over(part.run) } else { part.run };
    let asked = RunRules { trials: options.trials, ..RunRules::default() };
    let xs = levels.iter().map(|level| level.x()).collect();
    Ok(Point { labels, xs, scenario, run: asked.over(run).over(usual) })
}

fn overrides(set: &Table) -> Vec<Override> {
    set.iter().map(|(key, value)| Override::new("set", key, value.clone())).collect()
}

/// One length of the run by its name.
fn length(key: &str, value: &Value) -> Result<RunRules, ScenarioError> {
    let table = Table::from_iter([(key.to_owned(), value.clone())]);
    table.try_into().map_err(|error: toml::de::Error| {
        ScenarioError::at(&format!("run.{key}"), error.message().to_owned(), "name a length of the run")
    })
}

type Requests = (String, Arc<trace::Trace>);

fn requests_of(keys: &Keys, data: Option<&Path>) -> Result<Option<Requests>, ScenarioError> {
    if let Some(file) = &keys.requests {
        let text = embedded::text(file).ok_or_else(|| {
            ScenarioError::at("requests", format!("are `{file}`"), "name a file in models/studies")
        })?;
        return Ok(Some((file.clone(), Arc::new(trace::read(file, text)?))));
    }
    let Some((file, folder)) = keys.recorded.as_ref().zip(data) else { return Ok(None) };
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        ScenarioError::at("", format!("cannot be read: {error}"), "give a text file").in_file(&path.display().to_string())
    })?;
    Ok(Some((file.clone(), Arc::new(trace::read(file, &text)?))))
}

/// The requests in place of the scenario's traffic.
fn replayed(mut scenario: Scenario, file: String, requests: Arc<trace::Trace>) -> Result<Scenario, ScenarioError> {
    scenario.workload.class.clear();
    scenario.workload.rate_per_s = None;
    scenario.workload.trace = Some(TraceSource { file, mode: TraceMode::Replay, requests });
    scenario.validate()?;
    Ok(scenario)
}

/// The answers at all points, in parallel, in the order of the points.
pub fn answer(
    part: &Part,
    (points, missing): (Vec<Point>, Vec<String>),
    options: &Options<'_>,
    progress: Progress<'_>,
) -> Frame {
    let one = |point: &Point| {
        let found = answer_at(part, point, options);
        progress();
        found
    };
    let answers = points.par_iter().map(one).collect();
    Frame { points, answers, missing }
}

fn answer_at(part: &Part, point: &Point, options: &Options<'_>) -> Answer {
    let mut found = Answer::default();
    for solver in &part.solvers {
        match solver {
            Solver::Analytic => match scope::refusal(&point.scenario) {
                Some(refusal) => found.notes.push(format!("Theory: {} {}.", refusal.key, refusal.problem)),
                None => theory(&mut found, &fluid::solve(&point.scenario)),
            },
            Solver::Engine => engine(&mut found, &simulate(&point.scenario, &asked(point, options), None, &|| {})),
            Solver::Boundary => {
                let figure = boundary::engine(&point.scenario, point.run, options.seed);
                found.engine.extend(figure.map(|figure| (LAMBDA_STAR.to_owned(), figure)));
            }
            Solver::Replay => found.engine.extend(replay::figures(&point.scenario, options.seed)),
            Solver::Dynamics => {}
        }
    }
    found
}

/// λ* as a quantity.
pub const LAMBDA_STAR: &str = "lambda_star_per_s";

fn asked(point: &Point, options: &Options<'_>) -> SimulateOptions {
    SimulateOptions {
        seed: options.seed,
        trials: point.run.trials.unwrap_or(TRIALS),
        precision: None,
        backlog: point.run.backlog.unwrap_or(0),
        leap: true,
        wishes: Wishes { duration_s: point.run.duration_s, warmup_s: point.run.warmup_s },
    }
}

fn theory(found: &mut Answer, solution: &FluidSolution) {
    let boundary = &solution.boundary;
    found.analytic.insert(LAMBDA_STAR.to_owned(), Figure::of(boundary.low_per_s, boundary.method));
    found.analytic.insert("lambda_star_high_per_s".to_owned(), Figure::of(boundary.high_per_s, boundary.method));
    found.words.insert("verdict".to_owned(), solution.verdict.name().to_owned());
    found.words.insert("binds".to_owned(), boundary.binding.name().to_owned());
    let figures = solution.summary.quantities().into_iter();
    found.analytic.extend(figures.filter_map(|(key, figure)| Some((key, figure?))));
}

fn engine(found: &mut Answer, solution: &SimulatedSolution) {
    found.words.insert("engine_verdict".to_owned(), solution.verdict.name().to_owned());
    let figures = solution.summary.quantities().into_iter();
    found.engine.extend(figures.filter_map(|(key, figure)| Some((key, figure?))));
    let figures = solution.operations.quantities().into_iter();
    found.engine.extend(figures.filter_map(|(key, figure)| Some((key.to_owned(), figure?))));
}

/// One run in time for every point of a part that asks for it.
pub fn dynamics(part: &Part, points: &[Point], options: &Options<'_>) -> Vec<(String, Dynamics, Option<u64>)> {
    if !part.solvers.contains(&Solver::Dynamics) {
        return Vec::new();
    }
    let one = |point: &Point| {
        let mut seen = Dynamics::default();
        replay::observed(&point.scenario, point.run, options.seed, &mut seen);
        (point.name(), seen, point.scenario.instance.kv_tokens)
    };
    points.par_iter().map(one).collect()
}
