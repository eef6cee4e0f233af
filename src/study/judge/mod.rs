//! A run of a real engine as judge: its arrivals replayed through the engine and the fluid path here, under a step-time law that is not
//! fitted to the run, and the figures of all three side by side.

mod choices;
mod course;
mod law;
mod read;
mod replay;

pub use choices::{Choice, choices};
pub use course::{Course, Figures, State};
pub use law::{Chosen, HOST_S, Wishes, law};
pub use read::{Limits, Measured, VllmRun, read};
pub use replay::scenario;

use crate::fluid::{self, PathOptions};
use crate::scenario::{Scenario, ScenarioError, StepTimeLaw};

/// Largest relative error of makespan, TTFT, TPOT and E2E that passes.
pub const LARGEST_ERROR: f64 = 0.05;
/// Largest root mean square error of the requests that wait, over the run, that passes.
pub const LARGEST_RMSE: f64 = 10.0;

/// What the replay comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// What the engine measured.
    pub measured: Course,
    /// The engine here.
    pub simulated: Course,
    /// The fluid path, or why there is none.
    pub fluid: Result<Course, String>,
    /// The same replay with one modelling choice changed at a time.
    pub choices: Vec<Choice>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

impl Judgement {
    /// Whether the simulated figures are within [`LARGEST_ERROR`] and [`LARGEST_RMSE`].
    pub fn passes(&self) -> bool {
        let errors = self.simulated.figures.errors(&self.measured.figures);
        let close = errors.iter().all(|error| error.abs() <= LARGEST_ERROR);
        close && self.simulated.rmse_waiting(&self.measured) <= LARGEST_RMSE && self.simulated.unfinished == 0
    }
}

/// Replays a run under a law. With `with_choices` also every modelling choice changed on its own.
///
/// # Errors
/// A scenario that cannot be: a request longer than the KV memory, for one.
pub fn judge(run: &VllmRun, law: &StepTimeLaw, with_choices: bool) -> Result<Judgement, ScenarioError> {
    let scenario = scenario(run, law)?;
    let measured = Course::measured(run);
    let simulated = replay::simulate(run, &scenario);
    let fluid = fluid_course(run, &scenario);
    let choices = if with_choices { choices(run, &scenario)? } else { Vec::new() };
    let mut notes = run.notes.clone();
    if let Ok(course) = &fluid {
        notes.extend(course.notes.iter().cloned());
    }
    if simulated.unfinished > 0 {
        notes.push(format!(
            "{} requests could not be served here: their peak exceeds the KV memory.",
            simulated.unfinished
        ));
    }
    Ok(Judgement { measured, simulated, fluid, choices, notes })
}

/// The fluid path under the counted arrivals.
fn fluid_course(run: &VllmRun, scenario: &Scenario) -> Result<Course, String> {
    let horizon_s = 2.0 * run.end_s().max(1.0);
    let scenario = replay::counted(run, scenario, horizon_s)?;
    if let Some(error) = fluid::path::refusal(&scenario) {
        return Err(error.to_string());
    }
    let options = PathOptions { points: 2000, ..PathOptions::new(horizon_s, 0.0) };
    let path = fluid::trajectory(&scenario, &options).map_err(|error| error.to_string())?;
    Ok(Course::of_path(run, &path))
}
