//! Studies of others, done again: what they published beside what both solvers find, and why the two differ where they do.
//!
//! A [`Study`] is one TOML file in `models/studies`. Its parts are grids of scenario keys ([`grid`]) whose points are asked of theory,
//! of the engine, or replayed request by request ([`replay`]); a part may also show one run in time. [`judge`] sets every published
//! figure beside its cell, and [`show`] makes tables and panels of it all.

mod boundary;
pub mod embedded;
pub mod grid;
pub mod jobs;
pub mod judge;
pub mod read;
mod replay;
pub mod sampled;
pub mod show;
mod window;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::dynamics::Dynamics;
use super::trials::Progress;
use crate::answer::plot::Plot;
use crate::answer::table;
use crate::scenario::{ScenarioError, TraceMode};
pub use grid::{Frame, Point};
use jobs::{Jobs, Starts};
pub use judge::{Judged, Verdict};

/// One study: what was published, and the questions that lead there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Study {
    /// Its name, also that of its file.
    #[serde(skip)]
    pub name: String,
    /// The folder of its file, if it does not come with the program.
    #[serde(skip)]
    pub folder: Option<PathBuf>,
    /// What it is about, in one line.
    pub title: String,
    /// Where the published figures stand.
    pub source: String,
    /// What a reader should know first.
    #[serde(default)]
    pub about: String,
    /// Scenarios by name, from which the parts begin.
    pub scenario: BTreeMap<String, Table>,
    /// Lists of jobs by name.
    #[serde(default)]
    pub jobs: BTreeMap<String, Jobs>,
    /// The parts, in order.
    pub part: Vec<Part>,
}

/// One table of a study, with its picture.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name, also that of its files.
    pub name: String,
    /// Its title, the caption of its table.
    pub title: String,
    /// What the part shows, below the table.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The name of its scenario in the study.
    pub scenario: String,
    /// The name of its list of jobs in the study, if its levels name none.
    #[serde(default)]
    pub jobs: Option<String>,
    /// Keys put over the scenario at every point.
    #[serde(default)]
    pub set: Table,
    /// Who answers.
    pub solvers: Vec<Solver>,
    /// Lengths of the runs.
    #[serde(default)]
    pub run: RunRules,
    /// What `--quick` changes of them.
    #[serde(default)]
    pub quick: RunRules,
    /// What varies, the last axis fastest.
    #[serde(default)]
    pub axis: Vec<Axis>,
    /// What is measured.
    #[serde(default)]
    pub quantity: Vec<Quantity>,
    /// What was published.
    #[serde(default)]
    pub published: Vec<Published>,
    /// Panels of its picture.
    #[serde(default)]
    pub figure: Vec<Panel>,
}

impl Part {
    /// Whether the engine answers with figures.
    pub fn has_engine(&self) -> bool {
        let silent = [Solver::Analytic, Solver::Dynamics, Solver::Sampled];
        self.solvers.iter().any(|solver| !silent.contains(solver))
    }
}

/// Who answers a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    /// Theory.
    Analytic,
    /// The engine in the long run, with intervals.
    Engine,
    /// The engine's λ*: what a saturated system completes, or where its drift turns when nothing caps the residents.
    Boundary,
    /// The engine from an empty start, over the requests that arrive within `run.duration_s`.
    Window,
    /// The engine from an empty start until the last request of a trace has left: one path, without intervals.
    Replay,
    /// One run in time, as pictures.
    Dynamics,
    /// A list of jobs on a pool of GPUs, in place of the scenario's traffic.
    Jobs,
    /// Every instance of a cluster in time, at equal steps, as pictures and as a table.
    Sampled,
}

/// How long the engine runs. What is absent is planned from the scenario.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRules {
    /// Independent trials.
    pub trials: Option<u64>,
    /// Measured seconds per trial.
    pub duration_s: Option<f64>,
    /// Seconds thrown away at the start.
    pub warmup_s: Option<f64>,
    /// Requests there at time 0.
    pub backlog: Option<u64>,
    /// Of a saturated run: completions measured per trial.
    pub completions: Option<f64>,
    /// Of `sampled`: seconds between two looks.
    pub sample_every_s: Option<f64>,
}

impl RunRules {
    /// These rules where they say something, else those below.
    pub fn over(self, below: Self) -> Self {
        Self {
            trials: self.trials.or(below.trials),
            duration_s: self.duration_s.or(below.duration_s),
            warmup_s: self.warmup_s.or(below.warmup_s),
            backlog: self.backlog.or(below.backlog),
            completions: self.completions.or(below.completions),
            sample_every_s: self.sample_every_s.or(below.sample_every_s),
        }
    }
}

/// One thing that varies.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// What it is called in tables and pictures.
    pub name: String,
    /// Unit of its values, if they are numbers.
    #[serde(default)]
    pub unit: String,
    /// The scenario key that plain values are put at; `run.KEY` is a length of the run.
    #[serde(default)]
    pub key: Option<String>,
    /// Numbers or words for `key`, or levels with several keys.
    pub values: Vec<Level>,
    /// Labels of the levels that `--quick` keeps; all when empty.
    #[serde(default)]
    pub quick: Vec<String>,
}

/// One value of an axis.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Level {
    /// Several keys under one label.
    Keys(Keys),
    /// A value for the axis' key.
    Plain(Value),
}

/// Several keys under one label.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// What the level is called.
    pub label: String,
    /// Where it stands in a picture, if the label is no number.
    #[serde(default)]
    pub x: Option<f64>,
    /// Another scenario of the study in place of the part's.
    #[serde(default)]
    pub scenario: Option<String>,
    /// Keys put over the scenario.
    #[serde(default)]
    pub set: Table,
    /// Requests in place of its traffic: a file that comes with the studies.
    #[serde(default)]
    pub requests: Option<String>,
    /// The same, from the folder of the user's recorded data; the level is left out where it is not there.
    #[serde(default)]
    pub recorded: Option<String>,
    /// How the requests are used: replayed at their own rate, or drawn at that of the scenario.
    #[serde(default)]
    pub mode: TraceMode,
    /// Another list of jobs of the study in place of the part's.
    #[serde(default)]
    pub jobs: Option<String>,
    /// How another program would start the jobs.
    #[serde(default)]
    pub starts: Option<Starts>,
}

impl Level {
    /// What the level is called.
    pub fn label(&self) -> String {
        match self {
            Self::Keys(keys) => keys.label.clone(),
            Self::Plain(Value::String(text)) => text.clone(),
            Self::Plain(value) => value.to_string(),
        }
    }

    /// Where it stands in a picture; none for words.
    pub fn x(&self) -> Option<f64> {
        match self {
            Self::Keys(Keys { x: Some(x), .. }) => Some(*x),
            _ => self.label().parse().ok(),
        }
    }
}

/// One thing that is measured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantity {
    /// Its stable name, such as `ttft_s.mean` or `lambda_star_per_s`.
    pub key: String,
    /// What tables call it.
    pub name: String,
    /// Its unit.
    #[serde(default)]
    pub unit: String,
}

/// Figures that were published for some cells.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The quantity's key.
    pub quantity: String,
    /// The levels of the cells: axis name and label. An axis that is not named must be that of `along`.
    #[serde(default)]
    pub at: BTreeMap<String, String>,
    /// The axis along which `values` go.
    #[serde(default)]
    pub along: Option<String>,
    /// One figure for each level of that axis, `nan` where none was published; a single one without `along`.
    pub values: Vec<f64>,
    /// Where they stand.
    #[serde(rename = "where")]
    pub place: String,
    /// Ours must be this close, as a share of the published figure, beyond our own interval.
    #[serde(default)]
    pub agree: Option<f64>,
    /// Ours must round to the published figure, whose last digit has this worth.
    #[serde(default)]
    pub printed: Option<f64>,
    /// Why ours differs, or what makes it the same.
    #[serde(default)]
    pub why: String,
    /// Which of our answers it is held against; the engine's where there is one, else that of theory.
    #[serde(default)]
    pub solver: Option<Solver>,
}

/// One panel of a picture.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    /// Its title.
    #[serde(default)]
    pub title: String,
    /// The axis along x.
    pub x: String,
    /// The quantity along y.
    pub y: String,
    /// Levels that are shown only: axis name and label.
    #[serde(default)]
    pub at: BTreeMap<String, String>,
    /// A logarithmic x axis.
    #[serde(default)]
    pub log_x: bool,
    /// A logarithmic y axis.
    #[serde(default)]
    pub log_y: bool,
    /// Dashed vertical lines.
    #[serde(default)]
    pub mark: Vec<Mark>,
}

/// A dashed vertical line.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Where.
    pub x: f64,
    /// What it says.
    pub label: String,
}

/// How a study is run.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Seed of all streams.
    pub seed: u64,
    /// Fewer levels and shorter runs, as the study says.
    pub quick: bool,
    /// Trials in place of the study's.
    pub trials: Option<u64>,
    /// The folder of recorded requests.
    pub data: Option<&'a Path>,
}

/// What a part found.
#[derive(Debug)]
pub struct Found {
    /// Every cell.
    pub frame: Frame,
    /// Every published figure beside ours.
    pub judged: Vec<Judged>,
    /// All cells as a table.
    pub table: table::Table,
    /// Published and ours as a table; none when nothing was published.
    pub comparison: Option<table::Table>,
    /// The panels of its picture.
    pub panels: Vec<Plot>,
    /// Runs in time with the label of their point and the KV memory M, if there is one.
    pub runs: Vec<(String, Dynamics, Option<u64>)>,
    /// Clusters in time: the label of the point, the samples, and their pictures.
    pub samples: Vec<(String, table::Table, Vec<Plot>)>,
}

/// Runs one part. `journal` is a file in which finished points are kept, so that a killed study goes on where it was.
///
/// # Errors
/// A journal that cannot be read or written, a level that makes no valid scenario, or recorded requests that cannot be read.
pub fn run(
    study: &Study,
    part: &Part,
    options: &Options<'_>,
    journal: Option<&Path>,
    progress: Progress<'_>,
) -> Result<Found, ScenarioError> {
    let points = grid::points(study, part, options)?;
    let frame = grid::answer(part, points, options, journal, progress)?;
    let runs = grid::dynamics(part, &frame.points, options);
    let samples = sampled::of_points(part, &frame.points, options);
    let judged = judge::judge(part, &frame);
    let table = show::table(part, &frame);
    let comparison = show::comparison(part, &judged);
    let panels = show::panels(part, &frame, &judged);
    Ok(Found { frame, judged, table, comparison, panels, runs, samples })
}
