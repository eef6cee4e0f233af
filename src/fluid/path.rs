//! The fluid's path in time, from an empty system or from a backlog: as the one-iteration map (`Form::Map`) or as an ODE over
//! bins of age (`Form::Ode`), which is faster and smooths cohorts.
//!
//! In the ODE every limit is a water level: the oldest requests take their memory and their slots first, the youngest get what
//! is left. That is FCFS admission with LIFO preemption, it is Lipschitz in the state, and it needs no events.

use serde::{Deserialize, Serialize};

use super::bins::Bins;
use super::load::Load;
use super::map::Map;
use super::ode::{self, Control, OdeError};
use crate::scenario::Scenario;

/// Which form of the fluid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// One-token ages, one iteration per step: the reference, right for cohorts and few-valued outputs.
    Map,
    /// An ODE over bins of age: fast, right for outputs that spread.
    #[default]
    Ode,
}

/// What path is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PathOptions {
    /// Length of the path, seconds.
    pub horizon_s: f64,
    /// Requests waiting at the start.
    pub backlog: f64,
    /// Points of the path after the first, equally spaced.
    pub points: usize,
    /// Bins of age in the ODE.
    pub bins: usize,
    /// Form of the fluid.
    pub form: Form,
}

impl PathOptions {
    /// The ODE over 64 bins, at 400 equal steps of the horizon.
    pub fn new(horizon_s: f64, backlog: f64) -> Self {
        Self { horizon_s, backlog, points: 400, ..Self::default() }
    }
}

impl Default for PathOptions {
    fn default() -> Self {
        Self { horizon_s: 3600.0, backlog: 0.0, points: 200, bins: 64, form: Form::Ode }
    }
}

/// The state at one time.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct PathPoint {
    /// Seconds since the start.
    pub t_s: f64,
    /// Requests waiting.
    pub waiting: f64,
    /// Requests resident.
    pub running: f64,
    /// Requests preempted.
    pub swapped: f64,
    /// KV tokens held.
    pub kv_tokens: f64,
    /// τ, seconds.
    pub step_s: f64,
    /// Completions per second.
    pub throughput_per_s: f64,
}

/// The path, first point at time 0.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Path {
    /// States in order of time.
    pub points: Vec<PathPoint>,
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
    /// A cluster that is no set of instances side by side.
    #[error("{what} has no path in time; leave --plot and --trajectory out, or use one instance")]
    Cluster {
        /// What it is.
        what: &'static str,
    },
    /// The solver stopped.
    #[error(transparent)]
    Solver(#[from] OdeError),
}

/// The fluid's path of a validated scenario with constant λ.
///
/// # Errors
/// Options outside their domain, or a solver that stops.
pub fn trajectory(scenario: &Scenario, options: &PathOptions) -> Result<Path, PathError> {
    check(options)?;
    if let Some(described) = &scenario.cluster {
        return super::cluster::trajectory(scenario, described, options);
    }
    let load = Load::of(scenario);
    match options.form {
        Form::Map => Ok(by_map(&load, options)),
        Form::Ode => by_ode(&load, options),
    }
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
    if !(4..=4096).contains(&options.bins) {
        return problem("bins", "from 4 to 4096", options.bins as f64);
    }
    Ok(())
}

/// The state of a grid time is that of the iteration in progress.
fn by_map(load: &Load, options: &PathOptions) -> Path {
    let mut map = Map::new(load, options.backlog);
    let mut path = Path::default();
    let mut time = 0.0;
    let spacing = options.horizon_s / options.points as f64;
    loop {
        let iteration = map.step();
        let step_s = if iteration.step_s > 0.0 { iteration.step_s } else { load.step_s(1e-9, 0.0) };
        while path.points.len() <= options.points && path.points.len() as f64 * spacing < time + step_s {
            path.points.push(PathPoint {
                t_s: path.points.len() as f64 * spacing,
                waiting: map.waiting,
                running: iteration.running,
                swapped: iteration.swapped,
                kv_tokens: iteration.kv_tokens,
                step_s,
                throughput_per_s: iteration.completed / step_s,
            });
        }
        if path.points.len() > options.points {
            return path;
        }
        time += step_s;
        map.waiting += load.served_per_s * step_s;
    }
}

/// Integrates from point to point; once the state repeats but for the length of the queue, the path is continued as a line.
fn by_ode(load: &Load, options: &PathOptions) -> Result<Path, PathError> {
    let bins = Bins::of(load, options.bins);
    let parts = 200_usize.div_ceil(options.points);
    let spacing = options.horizon_s / (options.points * parts) as f64;
    let mut state = vec![0.0; bins.len()];
    state[0] = options.backlog;
    let rhs = |y: &[f64], dy: &mut [f64]| bins.rates(y, dy);
    let control = Control { relative: 1e-5, absolute: 1e-7, first_step: 0.5 * bins.idle_step_s() };
    let first = bins.point(0.0, &state);
    let mut path = Path { points: vec![first] };
    let mut recent = [first; 3];
    let mut alike = 0;
    for index in 1..=options.points * parts {
        let slope = recent[2].waiting - recent[1].waiting;
        if alike >= 3 && recent[2].waiting + 3.0 * slope >= 0.0 {
            state[0] += slope;
        } else {
            state = ode::advance(&rhs, &state, spacing, control)?;
        }
        let point = bins.point(index as f64 * spacing, &state);
        recent = [recent[1], recent[2], point];
        alike = if repeats(&recent) { alike + 1 } else { 0 };
        if index % parts == 0 {
            path.points.push(point);
        }
    }
    Ok(path)
}

/// Whether three points in a row differ in nothing but a queue that grows or falls evenly.
fn repeats(recent: &[PathPoint; 3]) -> bool {
    let [first, second, third] = recent;
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-5 * a.abs().max(b.abs()).max(1e-6);
    let even = (third.waiting - 2.0 * second.waiting + first.waiting).abs() <= 1e-5 * (third.running + 1e-6);
    even && close(second.running, third.running)
        && close(first.running, second.running)
        && close(second.kv_tokens, third.kv_tokens)
        && close(second.throughput_per_s, third.throughput_per_s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::testing::{affine, chat, constant, geometric, scenario, uniform, with_context, with_memory};
    use approx::assert_relative_eq;

    fn example() -> Scenario {
        let law = with_context(1.0, 0.005, 0.1 / 3000.0);
        with_memory(scenario(0.05, constant(100), uniform(1, 199), law, 100_000), 3000, Some(0.0))
    }

    /// Ex. 3(b) of the memory law: a burst of 60 requests, to the digits given.
    #[test]
    fn worked_example_of_the_memory_law() {
        let options = PathOptions { horizon_s: 600.0, backlog: 60.0, points: 120, bins: 64, form: Form::Map };
        let path = trajectory(&example(), &options).unwrap();
        let rows = [
            (50.0, 23.255_814, 2.477_155, 32.756_505),
            (100.0, 17.612_891, 2.483_141, 35.278_692),
            (200.0, 16.837_851, 0.0, 30.741_726),
            (300.0, 18.366_109, 0.0, 18.774_744),
            (600.0, 11.086_652, 0.0, 0.0),
        ];
        for (t, running, swapped, waiting) in rows {
            let point = path.points[(t / 5.0) as usize];
            assert_eq!(point.t_s, t);
            assert_relative_eq!(point.running, running, epsilon = 1e-6);
            assert_relative_eq!(point.swapped, swapped, epsilon = 1e-6);
            assert_relative_eq!(point.waiting, waiting, epsilon = 1e-6);
        }
        assert_relative_eq!(path.points[120].kv_tokens, 2137.0096, max_relative = 1e-7);
    }

    /// The two forms agree from an empty start, where no cohort has to be kept apart.
    #[test]
    fn both_forms_agree_from_empty() {
        let mut overload = example();
        overload.workload.rate_per_s = Some(0.19);
        for question in [overload, chat(2.0), chat(5.0)] {
            let options = PathOptions { horizon_s: 600.0, backlog: 0.0, points: 60, bins: 64, form: Form::Ode };
            let ode = trajectory(&question, &options).unwrap();
            let map = trajectory(&question, &PathOptions { form: Form::Map, ..options }).unwrap();
            let size = map.points.iter().map(|p| p.running).fold(0.0, f64::max);
            for (a, b) in ode.points.iter().zip(&map.points) {
                assert!((a.running - b.running).abs() < 0.03 * size, "{a:?} {b:?}");
                assert!((a.waiting - b.waiting).abs() < 0.03 * (size + b.waiting), "{a:?} {b:?}");
            }
        }
    }

    /// The ODE settles where Little's law says: N = λ·τ·E\[o\].
    #[test]
    fn the_steady_state_is_the_equilibrium() {
        let question = scenario(3.0, constant(10), geometric(50.0), affine(0.02, 1e-4), 64);
        let path = trajectory(&question, &PathOptions::default()).unwrap();
        let last = path.points[path.points.len() - 1];
        let step = 0.02 / (1.0 - 3.0 * 1e-4 * 59.0);
        assert_relative_eq!(last.step_s, step, max_relative = 1e-4);
        assert_relative_eq!(last.running, 3.0 * step * 50.0, max_relative = 1e-4);
        assert_relative_eq!(last.throughput_per_s, 3.0, max_relative = 1e-4);
    }

    #[test]
    fn options_are_checked() {
        let wrong = PathOptions { horizon_s: -1.0, ..PathOptions::default() };
        let error = trajectory(&chat(1.0), &wrong).unwrap_err();
        assert_eq!(error.to_string(), "horizon_s: must be positive and finite, got `-1`");
    }
}
