//! What a folder of results answers, so that results of different questions are never mixed.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Axis, Journal, Quantity, Row, Sampling, Side, Sweep, table};
use crate::answer::table::Table;
use crate::fluid::Tier;
use crate::scenario::ScenarioError;
use crate::stats::stream::fnv1a;

/// The file of the manifest in a folder of results.
pub const MANIFEST: &str = "manifest.json";
/// The file of finished points.
pub const RESULTS: &str = "results.jsonl";
/// The finished table.
pub const RESULTS_CSV: &str = "results.csv";

/// Everything that the rows depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the program.
    pub fluidsim: String,
    /// The scenario that the points change, as TOML; where hardware is swept, that of the first point.
    pub scenario: String,
    /// The axes.
    pub axes: Vec<Axis>,
    /// The sample.
    pub sampling: Option<Sampling>,
    /// How finely theory answers.
    pub theory: Option<String>,
    /// How the engine is run.
    pub engine: Option<EngineRun>,
    /// What is asked.
    pub quantities: Vec<Quantity>,
    /// The seed.
    pub seed: u64,
    /// Whether every point has a seed of its own.
    pub independent: bool,
    /// Points of the whole design.
    pub points: usize,
}

/// How the engine is run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EngineRun {
    /// Independent trials.
    pub trials: u64,
    /// Requests waiting at time 0.
    pub backlog: u64,
    /// Measured seconds that the user fixed.
    pub duration_s: Option<f64>,
    /// Seconds thrown away that the user fixed.
    pub warmup_s: Option<f64>,
}

impl Manifest {
    /// The manifest of a sweep.
    ///
    /// # Errors
    /// A first point that cannot be built.
    pub fn of(sweep: &Sweep) -> Result<Self, ScenarioError> {
        let engine = sweep.solver.engine.map(|engine| EngineRun {
            trials: engine.trials,
            backlog: engine.backlog,
            duration_s: engine.wishes.duration_s,
            warmup_s: engine.wishes.warmup_s,
        });
        let tier = |tier| match tier {
            Tier::Fast => "fast".to_owned(),
            Tier::Sharp => "sharp".to_owned(),
        };
        Ok(Self {
            fluidsim: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: sweep.source.fingerprint(&sweep.design.point(0))?,
            axes: sweep.design.axes().to_vec(),
            sampling: sweep.design.sampling(),
            theory: sweep.solver.theory.map(tier),
            engine,
            quantities: sweep.quantities.clone(),
            seed: sweep.seed,
            independent: sweep.independent,
            points: sweep.design.len(),
        })
    }

    /// Its hash, which the file of results carries.
    pub fn question(&self) -> String {
        format!("{:016x}", fnv1a(&self.value().to_string()))
    }

    /// As JSON with the hash, ending in a newline.
    pub fn text(&self) -> String {
        let mut value = self.value();
        if let Value::Object(object) = &mut value {
            object.insert("question".to_owned(), self.question().into());
        }
        format!("{value:#}\n")
    }

    fn value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The manifest of a folder; none where there is none.
    ///
    /// # Errors
    /// A file that cannot be read, or is no manifest.
    pub fn read(folder: &Path) -> Result<Option<Self>, ScenarioError> {
        let path = folder.join(MANIFEST);
        let wrong = |problem: String| {
            let remedy = "give a folder that `fluidsim sweep --out` has written";
            ScenarioError::at("", problem, remedy).in_file(&path.display().to_string())
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                serde_json::from_str(&text).map(Some).map_err(|error| wrong(format!("is no manifest: {error}")))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(wrong(format!("cannot be read: {error}"))),
        }
    }

    /// Refuses another manifest, and says in what they differ.
    ///
    /// # Errors
    /// They are not the same.
    pub fn same(&self, other: &Self, folder: &Path) -> Result<(), ScenarioError> {
        let (ours, theirs) = (self.value(), other.value());
        let keys = ours.as_object().into_iter().flatten().map(|(key, _)| key);
        let differing: Vec<&String> = keys.filter(|key| ours.get(*key) != theirs.get(*key)).collect();
        let Some(first) = differing.first() else { return Ok(()) };
        let short = |value: &Value| {
            let text = value.get(*first).map_or(String::new(), Value::to_string);
            if text.chars().count() > 60 { None } else { Some(text) }
        };
        let detail = match (short(&theirs), short(&ours)) {
            (Some(theirs), Some(ours)) => format!(" ({theirs}, not {ours})"),
            _ => String::new(),
        };
        let names = differing.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let problem = format!("answers another question: it differs in {names}{detail}");
        let remedy = "repeat the sweep that it holds, or choose another folder";
        Err(ScenarioError::at("", problem, remedy).in_file(&folder.join(MANIFEST).display().to_string()))
    }

    /// The table of rows.
    pub fn table(&self, title: &str, rows: &[Row]) -> Table {
        let both = self.theory.is_some() && self.engine.is_some();
        let heads: Vec<String> = self.quantities.iter().map(|quantity| quantity.heading(both)).collect();
        let mut table = table(title, &self.axes, &heads, rows);
        if let Some(engine) = self.engine.filter(|_| self.quantities.iter().any(|asked| asked.side == Side::Engine)) {
            let draws = if self.independent {
                "a seed of its own at every point"
            } else {
                "common random numbers: trial k draws the same at every point"
            };
            table.note(format!(
                "Engine: {} trials a point, seed {}, {draws}; 95 % intervals, Student t.",
                engine.trials, self.seed
            ));
        }
        table
    }
}

/// The rows of several folders of one sweep, by the number of their point.
///
/// # Errors
/// A folder that is none or answers another question, a point that two folders answer differently, or points that are in none, unless
/// `partial`.
pub fn merged(folders: &[&Path], partial: bool) -> Result<(Manifest, Vec<Row>), ScenarioError> {
    let mut first: Option<Manifest> = None;
    let mut rows: BTreeMap<usize, Row> = BTreeMap::new();
    for folder in folders {
        let shown = folder.display().to_string();
        let here = Manifest::read(folder)?.ok_or_else(|| {
            ScenarioError::at("", format!("has no {MANIFEST}"), "give folders that `fluidsim sweep --out` has written")
                .in_file(&shown)
        })?;
        let manifest = first.get_or_insert_with(|| here.clone());
        manifest.same(&here, folder)?;
        for (index, row) in Journal::read(&folder.join(RESULTS), &here.question())?.rows {
            if rows.get(&index).is_some_and(|known| *known != row) {
                let problem = format!("answers point {index} otherwise than another folder");
                return Err(ScenarioError::at("", problem, "run it again with the same program").in_file(&shown));
            }
            rows.insert(index, row);
        }
    }
    let manifest = first.ok_or_else(|| ScenarioError::at("", "no folder is given", "name at least one"))?;
    let missing: Vec<usize> = (0..manifest.points).filter(|index| !rows.contains_key(index)).collect();
    if let Some(example) = missing.first().filter(|_| !partial) {
        let problem =
            format!("{} of {} points are in no folder, such as point {example}", missing.len(), manifest.points);
        return Err(ScenarioError::at("", problem, "finish the shards by repeating their commands, or add --partial"));
    }
    Ok((manifest, rows.into_values().collect()))
}
