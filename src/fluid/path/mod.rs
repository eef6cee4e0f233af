//! The fluid's path in time under λ(t), from an empty system or from a backlog: as the one-iteration map (`Form::Map`) or as an
//! ODE over bins of age (`Form::Ode`), which is faster and smooths cohorts.
//!
//! The state is the mass that waits or prefills, and the mass of every class in bins of age; who of it is resident and who is
//! preempted follows from the limits (`instance`). How an iteration is shared out is written once for every engine (`turn`).

mod ages;
mod band;
mod entry;
mod instance;
pub(super) mod map;
mod ode;
mod scope;
#[cfg(feature = "stiff")]
mod stiff;
mod summary;
mod system;
mod turn;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use band::band;
pub use ode::OdeError;
pub use scope::refusal;
pub use summary::{DRAINED, PathSummary};

use super::load::Load;
use crate::scenario::{Class, Pace, Preemption, Scenario, ScenarioError};
use map::Map;

/// Which form of the fluid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// The map for cohorts, the ODE for outputs that spread; the path says which, and why.
    #[default]
    Auto,
    /// One-token ages, one iteration per step: the reference, right for cohorts and few-valued outputs.
    Map,
    /// An ODE over bins of age: fast, right for outputs that spread.
    Ode,
}

/// What path is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PathOptions {
    /// Length of the path, seconds.
    pub horizon_s: f64,
    /// Requests waiting at the start.
    pub backlog: f64,
    /// Points of the path after the first, equally spaced; the times at which λ(t) jumps come on top.
    pub points: usize,
    /// Bins of age per class in the ODE; one per token when that is fewer.
    pub bins: usize,
    /// Form of the fluid.
    pub form: Form,
    /// Whether saturated iterations are as long as at the sharp λ*, which counts evictions and the scatter of batches; else the
    /// path is that of the limit of large systems.
    pub sharp: bool,
    /// Whether the ODE is integrated by the linearly implicit solver, which takes long steps over many bins; needs the feature
    /// `stiff`, and two pools in series do without.
    pub stiff: bool,
}

impl PathOptions {
    /// The form and the bins that suit the scenario, at 400 equal steps of the horizon.
    pub fn new(horizon_s: f64, backlog: f64) -> Self {
        Self { horizon_s, backlog, points: 400, ..Self::default() }
    }
}

impl Default for PathOptions {
    fn default() -> Self {
        Self {
            horizon_s: 3600.0,
            backlog: 0.0,
            points: 200,
            bins: 64,
            form: Form::Auto,
            sharp: true,
            stiff: cfg!(feature = "stiff"),
        }
    }
}

/// The state at one time, of all instances together.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct PathPoint {
    /// Seconds since the start.
    pub t_s: f64,
    /// Requests waiting.
    pub waiting: f64,
    /// Requests resident.
    pub running: f64,
    /// Of the resident, those in their prompts.
    pub prefilling: f64,
    /// Requests preempted.
    pub swapped: f64,
    /// Requests on the link between two pools.
    pub on_link: f64,
    /// KV tokens held.
    pub kv_tokens: f64,
    /// τ, seconds; of the decode pool, where there are two.
    pub step_s: f64,
    /// Completions per second.
    pub throughput_per_s: f64,
    /// Requests that have come so far and are served, those of the backlog among them.
    pub arrived: f64,
    /// Requests completed so far.
    pub completed: f64,
}

impl PathPoint {
    /// Requests in the system.
    pub fn in_system(&self) -> f64 {
        self.waiting + self.running + self.swapped + self.on_link
    }

    /// `count` such instances together.
    fn times(self, count: f64) -> Self {
        Self {
            waiting: self.waiting * count,
            running: self.running * count,
            prefilling: self.prefilling * count,
            swapped: self.swapped * count,
            on_link: self.on_link * count,
            kv_tokens: self.kv_tokens * count,
            throughput_per_s: self.throughput_per_s * count,
            arrived: self.arrived * count,
            completed: self.completed * count,
            ..self
        }
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            waiting: self.waiting + other.waiting,
            running: self.running + other.running,
            prefilling: self.prefilling + other.prefilling,
            swapped: self.swapped + other.swapped,
            on_link: self.on_link + other.on_link,
            kv_tokens: self.kv_tokens + other.kv_tokens,
            step_s: self.step_s.max(other.step_s),
            throughput_per_s: self.throughput_per_s + other.throughput_per_s,
            arrived: self.arrived + other.arrived,
            completed: self.completed + other.completed,
            ..self
        }
    }
}

/// The path, first point at time 0.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Path {
    /// States in order of time.
    pub points: Vec<PathPoint>,
    /// The form that was used: `map` or `ode`.
    pub form: Form,
    /// Why this form, and what it leaves out.
    pub notes: Vec<String>,
}

/// Why there is no path.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PathError {
    /// A value of the options.
    #[error("{key}: must be {rule}, got `{value}`")]
    Option {
        /// The option.
        key: &'static str,
        /// What it must be.
        rule: &'static str,
        /// What it was.
        value: f64,
    },
    /// A rule that no path covers.
    #[error(transparent)]
    Scope(#[from] ScenarioError),
    /// The solver stopped.
    #[error(transparent)]
    Solver(#[from] OdeError),
}

/// The fluid's path of a validated scenario.
///
/// # Errors
/// Options outside their domain, rules that no path covers, or a solver that stops.
pub fn trajectory(scenario: &Scenario, options: &PathOptions) -> Result<Path, PathError> {
    if let Some(other) = super::attention::spread(scenario) {
        let mut path = trajectory(&other, options)?;
        path.notes.extend(super::attention::note_of_tables(scenario));
        return Ok(path);
    }
    check(options)?;
    if let Some(error) = scope::refusal(scenario).or_else(|| scope::refused_form(scenario, options.form)) {
        return Err(error.into());
    }
    if scenario.cluster.as_ref().is_some_and(|cluster| cluster.prefill.is_some()) {
        return system::two_pools(scenario, options);
    }
    let members = scenario.members();
    let total: f64 = members.iter().map(|(_, count)| *count as f64).sum();
    let mut sum: Option<Path> = None;
    for (mut member, count) in members.into_iter().filter(|(_, count)| *count > 0) {
        member.workload.rate_per_s = Some(member.workload.base_rate() / total);
        let share = PathOptions { backlog: options.backlog / total, ..*options };
        let mut path = of_instance(&member, &share)?;
        path.points.iter_mut().for_each(|point| *point = point.times(count as f64));
        sum = Some(match sum {
            None => path,
            Some(mut sum) => {
                sum.points.iter_mut().zip(&path.points).for_each(|(left, right)| *left = left.plus(right));
                sum.notes.extend(path.notes);
                sum
            }
        });
    }
    let mut path = sum.unwrap_or_default();
    if total > 1.0 {
        path.notes.push(format!(
            "Every one of {total:.0} instances is given the same share of the traffic: what routing adds or saves in waiting is not in the path"
        ));
    }
    path.notes.dedup();
    Ok(path)
}

fn of_instance(scenario: &Scenario, options: &PathOptions) -> Result<Path, PathError> {
    let load = Load::of(scenario);
    let (form, reason) = choose(&load, options);
    let star_per_s = options.sharp.then(|| sharp_per_s(&load, form)).flatten();
    let mut path = match form {
        Form::Map => by_map(&load, options, star_per_s),
        _ => system::by_ode(&load, options, star_per_s)?,
    };
    path.form = form;
    path.notes.insert(0, reason);
    if form == Form::Ode
        && scenario.policy.preemption == Preemption::Swap
        && scenario.policy.swap_s_per_token > Some(0.0)
    {
        path.notes.push("The ODE leaves out the time of swaps; the map has it".into());
    }
    Ok(path)
}

/// The sharp λ* that a saturated path is held to; none where theory has none, or where cohorts move in the map, which gives its own.
fn sharp_per_s(load: &Load, form: Form) -> Option<f64> {
    let covered = super::scope::refusal(load.scenario).is_none() && load.cap > 1.0;
    let own = form == Form::Map && ages::has_cohorts(load.scenario);
    let regimes = (covered && !own).then(|| super::policies::regimes(load))?;
    regimes.first().map(super::boundary::Regime::lambda).filter(|star| star.is_finite() && *star > 0.0)
}

/// What a reader is told of saturated iterations that are longer by `factor` than the fluid's.
fn note_of_friction(factor: f64) -> Option<String> {
    ((factor - 1.0).abs() > 1e-3).then(|| {
        format!(
            "While requests wait iterations are {:+.1} % longer than the fluid's, so that what is saturated carries λ*: evictions and the scatter of batches",
            100.0 * (factor - 1.0)
        )
    })
}

fn check(options: &PathOptions) -> Result<(), PathError> {
    let problem = |key, rule, value| Err(PathError::Option { key, rule, value });
    if !(options.horizon_s.is_finite() && options.horizon_s > 0.0) {
        return problem("horizon_s", "positive and finite", options.horizon_s);
    }
    if !(options.backlog.is_finite() && options.backlog >= 0.0) {
        return problem("backlog", "finite and not negative", options.backlog);
    }
    if options.points == 0 {
        return problem("points", "at least 1", 0.0);
    }
    if options.stiff && !cfg!(feature = "stiff") {
        return problem("stiff", "off, as the program was built without the feature `stiff`", 1.0);
    }
    if !(4..=4096).contains(&options.bins) {
        return problem("bins", "from 4 to 4096", options.bins as f64);
    }
    Ok(())
}

/// Most cell updates of a map that is chosen by itself.
const MAP_WORK: f64 = 3e9;

/// The form, and the reason in words.
fn choose(load: &Load, options: &PathOptions) -> (Form, String) {
    let scenario = load.scenario;
    let map = |reason: &str| (Form::Map, format!("The path is the one-iteration map: {reason}"));
    match options.form {
        Form::Map => return map("as asked for"),
        Form::Ode => {
            return (Form::Ode, format!("The path is the ODE over {} bins per class, as asked for", options.bins));
        }
        Form::Auto => {}
    }
    if scope::needs_map(scenario) {
        return map("static batches and restarts have no ODE");
    }
    let step_s = load.step_s(1e-9, 0.0).max(1e-9);
    let ages: usize = scenario.workload.class.iter().map(|class: &Class| ages::longest_output(&class.output)).sum();
    let work = options.horizon_s / step_s * ages.max(load.moments.output_survival.len()) as f64;
    let slow = work > MAP_WORK;
    let cohorts = ages::has_cohorts(scenario);
    let burst = load.memory.is_some_and(|memory| options.backlog * load.prompt() > 0.25 * memory);
    let reason = if cohorts {
        "outputs take few values, so that requests move in cohorts, which bins would blur"
    } else {
        "the backlog enters as one cohort, which bins would blur"
    };
    match (cohorts || burst, slow) {
        (true, false) => map(reason),
        (true, true) => (
            Form::Ode,
            format!(
                "The path is the ODE over {} bins per class, because the map would take {work:.0e} updates; but {reason}",
                options.bins
            ),
        ),
        (false, _) => (
            Form::Ode,
            format!(
                "The path is the ODE over {} bins per class: outputs spread, and no cohort has to be kept apart",
                options.bins
            ),
        ),
    }
}

/// Most jumps of λ(t) that are points of the path.
const JUMPS: usize = 10_000;

/// The times of the points: equally spaced, and those at which λ(t) jumps or bends.
fn grid(options: &PathOptions, pace: &Pace) -> Vec<f64> {
    let spacing = options.horizon_s / options.points as f64;
    let mut times: Vec<f64> = (0..=options.points).map(|index| index as f64 * spacing).collect();
    let next = |t_s: &f64| Some(pace.next_break(*t_s)).filter(|t_s| *t_s < options.horizon_s);
    times.extend(std::iter::successors(next(&0.0), next).take(JUMPS));
    times.sort_by(f64::total_cmp);
    times.dedup_by(|later, earlier| *later - *earlier <= 1e-9 * options.horizon_s);
    times
}

/// The state of a grid time is that of the iteration in progress.
fn by_map(load: &Load, options: &PathOptions, star_per_s: Option<f64>) -> Path {
    let mut map = Map::new(load, options.backlog);
    let friction = star_per_s.map_or(1.0, |star| map.instance.slow_down_to(star));
    let rate = load.scenario.workload.base_rate() * map.instance.ages.served;
    let pace = load.scenario.workload.rate_shape.pace();
    let idle_s = map.instance.limits.idle_step_s();
    let mut path = Path { notes: note_of_friction(friction).into_iter().collect(), ..Path::default() };
    let (mut time, mut completed) = (0.0, 0.0);
    let grid = grid(options, &pace);
    loop {
        let arrived = options.backlog + rate * pace.integral(time);
        let iteration = map.step();
        let step_s = if iteration.step_s > 0.0 { iteration.step_s } else { idle_s };
        while let Some(&t_s) = grid.get(path.points.len()).filter(|&&t_s| t_s < time + step_s) {
            path.points.push(PathPoint {
                t_s,
                waiting: map.waiting - (iteration.prefilling - iteration.entering),
                running: iteration.running,
                prefilling: iteration.prefilling,
                swapped: iteration.swapped,
                kv_tokens: iteration.kv_tokens,
                step_s,
                throughput_per_s: iteration.completed / step_s,
                arrived,
                completed,
                ..PathPoint::default()
            });
        }
        if path.points.len() == grid.len() {
            return path;
        }
        completed += iteration.completed;
        map.waiting += rate * (pace.integral(time + step_s) - pace.integral(time));
        time += step_s;
    }
}
