//! Any scenario keys swept: which points ([`Design`]), who answers ([`Solver`]), what is asked ([`Quantity`]); the answer is one [`Row`] per
//! point, a table, or a picture.
//!
//! ```
//! use fluidsim::scenario;
//! use fluidsim::study::sweep::{Axis, Design, Quantity, Side, Solver, Source, Sweep};
//! use fluidsim::study::trials::silent;
//!
//! let sweep = Sweep {
//!     source: Source::of(scenario::open(None, &[], None)?),
//!     design: Design::grid(vec![Axis::words("policy.engine", &["orca", "vllm-v1"]), Axis::numbers("lambda", &[1.0, 2.0])])?,
//!     solver: Solver::theory(),
//!     quantities: Quantity::named("", "lambda_star_per_s", &[Side::Theory])?,
//!     seed: 1,
//!     independent: false,
//! };
//! let rows = sweep.answer(&silent)?;
//! assert_eq!(rows.len(), 4);
//! assert!(rows[0].cells[0].value().is_some_and(|rate| rate > 0.0));
//! assert_eq!(sweep.table("λ*", &rows).columns.len(), 3);
//! # Ok::<(), scenario::ScenarioError>(())
//! ```

mod axis;
mod design;
mod journal;
mod manifest;
mod picture;
mod quantity;
mod sample;
mod source;

pub use axis::{Axis, Choice, Interval, Setting, numbers};
pub use design::{Design, Point, Shard};
pub use journal::{Found, Journal};
pub use manifest::{EngineRun, MANIFEST, Manifest, RESULTS, RESULTS_CSV, merged};
pub use picture::{lines, pictures};
pub use quantity::{Answers, Datum, LAMBDA_STAR, Quantity, Side, USUAL, names, number_cell};
pub use sample::{Filling, SOBOL_DIMENSIONS, Sampling};
pub use source::Source;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::plan::Wishes;
use super::simulate::{SimulateOptions, simulate};
use super::stability::{self, SaturatedOptions};
use super::trials::{Progress, silent};
use crate::answer::table::{Column, Table};
use crate::fluid::{self, Prepared, Tier, scope};
use crate::scenario::{Scenario, ScenarioError};
use crate::stats::stream::fnv1a;

/// Most points of one sweep.
pub const MAX_POINTS: usize = 1_000_000;

/// The key that stands for λ as a share of the point's own λ*.
pub const LOAD: &str = "load";

/// How the engine is run at a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EngineOptions {
    /// Independent trials; 1 means one long run cut into batches.
    pub trials: u64,
    /// Requests waiting at time 0.
    pub backlog: u64,
    /// Lengths that the user fixed.
    pub wishes: Wishes,
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Solver {
    /// Theory, this finely.
    pub theory: Option<Tier>,
    /// The engine.
    pub engine: Option<EngineOptions>,
}

impl Solver {
    /// Theory alone.
    pub fn theory() -> Self {
        Self { theory: Some(Tier::Sharp), engine: None }
    }

    /// The engine alone.
    pub fn engine(trials: u64) -> Self {
        Self { theory: None, engine: Some(EngineOptions { trials, backlog: 0, wishes: Wishes::default() }) }
    }

    /// Both.
    pub fn both(trials: u64) -> Self {
        Self { theory: Some(Tier::Sharp), ..Self::engine(trials) }
    }

    /// The sides that answer.
    pub fn sides(&self) -> Vec<Side> {
        let theory = self.theory.map(|_| Side::Theory);
        theory.into_iter().chain(self.engine.map(|_| Side::Engine)).collect()
    }
}

/// A whole sweep.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// What the points change.
    pub source: Source,
    /// Which points.
    pub design: Design,
    /// Who answers.
    pub solver: Solver,
    /// What is asked.
    pub quantities: Vec<Quantity>,
    /// Seed of the engine. Trial k draws the same numbers at every point (common random numbers), so that points differ by what they
    /// change.
    pub seed: u64,
    /// Whether every point has a seed of its own instead.
    pub independent: bool,
}

/// The answer at one point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The number of the point in its design.
    pub index: usize,
    /// The value of each axis.
    pub settings: Vec<Setting>,
    /// The value of each quantity.
    pub cells: Vec<Datum>,
}

/// Told every row as it is found, from any thread.
pub type Keep<'a> = &'a (dyn Fn(&Row) -> Result<(), ScenarioError> + Sync);

impl Sweep {
    /// Answers every point, in order.
    ///
    /// # Errors
    /// As [`Sweep::check`].
    pub fn answer(&self, progress: Progress<'_>) -> Result<Vec<Row>, ScenarioError> {
        let all: Vec<usize> = (0..self.design.len()).collect();
        self.check("sweep", &all)?;
        self.answer_at(&all, &|_| Ok(()), progress)
    }

    /// Builds the scenario of every point, so that all are known to be valid before the first is answered. Where theory alone is
    /// asked it must cover them all; beside the engine its figures are absent where it does not.
    ///
    /// # Errors
    /// An unknown key, or a point that the scenario or theory refuses; the first of them, whatever the threads. Messages call the point
    /// by `option`.
    pub fn check(&self, option: &str, indices: &[usize]) -> Result<(), ScenarioError> {
        let try_one = |&index: &usize| {
            let point = self.design.point(index);
            let (scenario, _) = self.source.before_load(option, &point)?;
            match scope::refusal(&scenario).filter(|_| self.solver.engine.is_none()) {
                Some(error) => Err(error.in_file(&source::called(option, &point))),
                None => Ok(()),
            }
        };
        let tried: Vec<Result<(), ScenarioError>> = indices.par_iter().map(try_one).collect();
        tried.into_iter().collect()
    }

    /// Answers these points, in their order. `keep` has each as soon as it is found.
    ///
    /// # Errors
    /// What `keep` says, or a point that [`Sweep::check`] refuses.
    pub fn answer_at(
        &self,
        indices: &[usize],
        keep: Keep<'_>,
        progress: Progress<'_>,
    ) -> Result<Vec<Row>, ScenarioError> {
        indices
            .par_iter()
            .map(|&index| {
                let row = self.row(index)?;
                keep(&row)?;
                progress();
                Ok(row)
            })
            .collect()
    }

    fn row(&self, index: usize) -> Result<Row, ScenarioError> {
        let point = self.design.point(index);
        let (scenario, share) = self.source.before_load("sweep", &point)?;
        let seed = if self.independent { fnv1a(&format!("{} point {index}", self.seed)) } else { self.seed };
        let answers = self.answers(&scenario, share, seed)?;
        let cells = self.quantities.iter().map(|quantity| quantity.of(&answers)).collect();
        Ok(Row { index, settings: point.settings, cells })
    }

    /// Only what some quantity needs is worked out, and λ\* once.
    fn answers(&self, scenario: &Scenario, share: Option<f64>, seed: u64) -> Result<Answers, ScenarioError> {
        let asked = |side: Side, saturated: bool| {
            self.quantities.iter().any(|asked| asked.side == side && (asked.name == LAMBDA_STAR) == saturated)
        };
        let covered = scope::refusal(scenario).is_none();
        let theory =
            self.solver.theory.filter(|_| covered && (asked(Side::Theory, false) || asked(Side::Theory, true)));
        let mut prepared = theory.map(|tier| Prepared::new(scenario, tier));
        let star = || prepared.as_ref().map_or_else(|| fluid::boundary(scenario), |known| *known.boundary()).low_per_s;
        let loaded = share.map(|share| source::at_load(scenario, share, star())).transpose()?;
        let scenario = loaded.as_ref().unwrap_or(scenario);
        let engine = self.solver.engine.filter(|_| asked(Side::Engine, false));
        let saturated = self.solver.engine.filter(|_| asked(Side::Engine, true));
        let simulated = engine.map(|engine| {
            let EngineOptions { trials, backlog, wishes } = engine;
            let options = SimulateOptions { seed, trials, precision: None, backlog, leap: true, wishes };
            simulate(scenario, &options, None, &silent)
        });
        Ok(Answers {
            theory: prepared.as_mut().map(|prepared| prepared.at(scenario.workload.rate())),
            engine: simulated,
            saturated: saturated.and_then(|engine| {
                let nearest = fluid::solve(&scope::nearest(scenario));
                let options = SaturatedOptions::new(seed, engine.trials);
                stability::saturated(scenario, &nearest, &options, &silent).throughput_per_s
            }),
        })
    }

    /// The rows as a table: a column per axis, then per quantity.
    pub fn table(&self, title: &str, rows: &[Row]) -> Table {
        let both = self.solver.sides().len() > 1;
        let heads = self.quantities.iter().map(|quantity| quantity.heading(both)).collect::<Vec<_>>();
        table(title, self.design.axes(), &heads, rows)
    }
}

/// Rows under the keys of their axes and the headings of their quantities.
pub fn table(title: &str, axes: &[Axis], heads: &[String], rows: &[Row]) -> Table {
    let numeric = |value: &dyn Fn(&Row) -> Option<f64>| rows.iter().any(|row| value(row).is_some());
    let column = |name: &str, numbers: bool| if numbers { Column::number(name, "") } else { Column::text(name) };
    let of_axes = axes.iter().enumerate().map(|(k, axis)| column(&axis.key, numeric(&|row| row.settings[k].number())));
    let of_cells = heads.iter().enumerate().map(|(k, head)| column(head, numeric(&|row| row.cells[k].value())));
    let mut table = Table::new(title, of_axes.chain(of_cells).collect());
    for row in rows {
        let settings = row.settings.iter().map(Setting::cell);
        table.row(settings.chain(row.cells.iter().map(Datum::cell)).collect());
    }
    table
}
