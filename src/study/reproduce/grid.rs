//! The points of a part and their answers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rayon::prelude::*;
use toml::{Table, Value};

use super::jobs::{self, Jobs, Starts};
use super::{Axis, Keys, Level, Options, Part, RunRules, Solver, Study, boundary, embedded, replay, window};
use crate::answer::Figure;
use crate::fluid::{self, scope};
use crate::scenario::{Override, Scenario, ScenarioError, TraceMode, TraceSource, load, trace};
use crate::stats::stream::fnv1a;
use crate::study::dynamics::Dynamics;
use crate::study::plan::Wishes;
use crate::study::simulate::{SimulateOptions, simulate};
use crate::study::sweep::{Answers, Datum, Journal, Quantity, Row, Setting, Side};
use crate::study::trials::{Progress, silent};

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
    /// Jobs in place of its traffic, and how another program would start them.
    pub jobs: Option<(Jobs, Option<Starts>)>,
}

impl Point {
    /// Its labels in one line.
    pub fn name(&self) -> String {
        self.labels.join(", ")
    }
}

/// All points of a part with their answers.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The points, the last axis fastest.
    pub points: Vec<Point>,
    /// What was asked, quantity by quantity, of theory before the engine.
    pub columns: Vec<Quantity>,
    /// The answers, a row for each point.
    pub rows: Vec<Row>,
    /// Levels that were left out, and why theory gives no answer.
    pub notes: Vec<String>,
}

impl Frame {
    /// What a row says of a quantity.
    pub fn cell<'a>(&self, row: &'a Row, key: &str, side: Side) -> Option<&'a Datum> {
        let place = self.columns.iter().position(|column| column.name == key && column.side == side)?;
        row.cells.get(place).filter(|datum| **datum != Datum::Absent(()))
    }
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
        choices = choices
            .iter()
            .flat_map(|chosen| levels.iter().map(move |level| [&chosen[..], &[*level]].concat()))
            .collect();
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
    let (mut list, mut starts) = (part.jobs.as_ref(), None);
    for (level, axis) in levels.iter().zip(&part.axis) {
        match level {
            Level::Keys(keys) => {
                name = keys.scenario.as_ref().unwrap_or(name);
                changes.extend(overrides(&keys.set));
                (list, starts) = (keys.jobs.as_ref().or(list), keys.starts.or(starts));
                requests = requests_of(study, keys, options.data)?.or(requests);
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
        Some(source) => replayed(scenario, source).map_err(|error| error.in_file(&origin))?,
        None => scenario,
    };
    let usual = if options.quick { part.quick.over(part.run) } else { part.run };
    let asked = RunRules { trials: options.trials, ..RunRules::default() };
    let xs = levels.iter().map(|level| level.x()).collect();
    let jobs = jobs::of_study(study, list).map_err(|error| error.in_file(&origin))?.map(|jobs| (jobs, starts));
    let point = Point { labels, xs, scenario, run: asked.over(run).over(usual), jobs };
    if part.solvers.contains(&Solver::Jobs) {
        jobs::figures(&point, options.seed, 1).map_err(|error| error.in_file(&origin))?;
    }
    Ok(point)
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

fn requests_of(study: &Study, keys: &Keys, data: Option<&Path>) -> Result<Option<TraceSource>, ScenarioError> {
    let (file, text) = match (&keys.requests, keys.recorded.as_ref().zip(data), &study.folder) {
        (Some(file), _, Some(folder)) => (file, text_of(&folder.join(file))?),
        (Some(file), _, None) => {
            let unknown = || ScenarioError::at("requests", format!("are `{file}`"), "name a file in models/studies");
            (file, embedded::text(file).ok_or_else(unknown)?.to_owned())
        }
        (None, Some((file, folder)), _) => (file, text_of(&folder.join(file))?),
        _ => return Ok(None),
    };
    let requests = Arc::new(trace::read(file, &text)?);
    Ok(Some(TraceSource { file: file.clone(), mode: keys.mode, requests }))
}

fn text_of(path: &Path) -> Result<String, ScenarioError> {
    std::fs::read_to_string(path).map_err(|error| {
        ScenarioError::at("", format!("cannot be read: {error}"), "give a text file")
            .in_file(&path.display().to_string())
    })
}

/// The requests in place of the scenario's traffic, or only of its lengths where they are drawn.
fn replayed(mut scenario: Scenario, source: TraceSource) -> Result<Scenario, ScenarioError> {
    scenario.workload.class.clear();
    if source.mode == TraceMode::Replay {
        scenario.workload.rate_per_s = None;
    }
    scenario.workload.trace = Some(source);
    scenario.validate()?;
    Ok(scenario)
}

/// The answers at all points, in parallel, in the order of the points. With a journal every answer is kept there as soon as it is found,
/// and those that are there already are not sought again.
///
/// # Errors
/// The journal cannot be read or written.
pub fn answer(
    part: &Part,
    (points, mut notes): (Vec<Point>, Vec<String>),
    options: &Options<'_>,
    journal: Option<&Path>,
    progress: Progress<'_>,
) -> Result<Frame, ScenarioError> {
    let columns = columns(part);
    let (journal, known) = match journal.filter(|_| !columns.is_empty()) {
        Some(path) => {
            let (journal, found) = Journal::open(path, &question(&points, &columns, part, options))?;
            (Some(Mutex::new(journal)), found.rows)
        }
        None => (None, BTreeMap::new()),
    };
    let one = |(index, point): (usize, &Point)| {
        let kept = known.get(&index).cloned();
        let row = kept.clone().unwrap_or_else(|| row_at(part, &columns, index, point, options));
        if kept.is_none()
            && let Some(Ok(mut journal)) = journal.as_ref().map(Mutex::lock)
        {
            journal.add(&row)?;
        }
        progress();
        Ok(row)
    };
    let rows: Result<Vec<Row>, ScenarioError> = points.par_iter().enumerate().map(one).collect();
    if part.solvers.contains(&Solver::Analytic) {
        notes.extend(refusals(&points));
    }
    let mut frame = Frame { points, columns, rows: rows?, notes };
    let warnings = inactive(&frame);
    frame.notes.extend(warnings);
    Ok(frame)
}

/// Parameters that do nothing, where the part measures how many requests are in the system.
fn inactive(frame: &Frame) -> Option<String> {
    let warned = frame.points.iter().zip(&frame.rows).filter_map(|(point, row)| {
        let running = frame.cell(row, "running", Side::Engine).and_then(Datum::value)?;
        fluid::inactive::of_split(&point.scenario, running).map(|_| point.name())
    });
    let points: Vec<String> = warned.collect();
    (!points.is_empty()).then(|| format!("Warning: decode_share is not active at {}.", points.join("; ")))
}

/// Every quantity from every side that may have it.
fn columns(part: &Part) -> Vec<Quantity> {
    let theory = part.solvers.contains(&Solver::Analytic).then_some(Side::Theory);
    let engine = part.has_engine().then_some(Side::Engine);
    let sides = || theory.into_iter().chain(engine);
    part.quantity
        .iter()
        .flat_map(|quantity| sides().map(|side| Quantity { name: quantity.key.clone(), side }))
        .collect()
}

/// A text that names everything the rows depend on.
fn question(points: &[Point], columns: &[Quantity], part: &Part, options: &Options<'_>) -> String {
    let mut asked = format!("{columns:?} {:?} {}", part.solvers, options.seed);
    for point in points {
        let requests = point.scenario.workload.trace.as_ref().map(|source| &source.requests);
        asked.push_str(&format!("{:?} {:?} {} {requests:?}", point.run, point.jobs, point.scenario.to_toml()));
    }
    format!("{} {:016x}", part.name, fnv1a(&asked))
}

fn row_at(part: &Part, columns: &[Quantity], index: usize, point: &Point, options: &Options<'_>) -> Row {
    let mut answers = Answers::default();
    let mut own = Vec::new();
    for solver in &part.solvers {
        match solver {
            Solver::Analytic if scope::refusal(&point.scenario).is_none() => {
                answers.theory = Some(fluid::solve(&point.scenario));
            }
            Solver::Analytic | Solver::Dynamics | Solver::Sampled => {}
            Solver::Engine => answers.engine = Some(simulate(&point.scenario, &asked(point, options), None, &silent)),
            Solver::Boundary => answers.saturated = boundary::engine(&point.scenario, point.run, options.seed),
            Solver::Window => own.extend(window::figures(&point.scenario, point.run, options.seed)),
            Solver::Jobs => own.extend(jobs_at(point, options)),
            Solver::Replay => own.extend(replay::figures(&point.scenario, point.run, options.seed)),
        }
    }
    let cell = |column: &Quantity| {
        let found = own.iter().find(|(key, _)| column.side == Side::Engine && *key == column.name);
        found.map_or_else(|| column.of(&answers), |(_, figure)| Datum::figure(Some(*figure)))
    };
    let settings = point.labels.iter().map(|label| Setting::parse(label)).collect();
    Row { index, settings, cells: columns.iter().map(cell).collect() }
}

/// The figures of a point's jobs, which [`point`] has tried already.
fn jobs_at(point: &Point, options: &Options<'_>) -> Vec<(&'static str, Figure)> {
    jobs::figures(point, options.seed, point.run.trials.unwrap_or(TRIALS)).unwrap_or_default()
}

/// Why theory says nothing of some points.
fn refusals(points: &[Point]) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for refusal in points.iter().filter_map(|point| scope::refusal(&point.scenario)) {
        let note = format!("Theory gives no answer where {} {}.", refusal.key, refusal.problem);
        if !said.contains(&note) {
            said.push(note);
        }
    }
    said
}

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
