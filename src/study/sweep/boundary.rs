//! The boundary over a grid of parameter values.

use std::sync::Mutex;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::super::checkpoint::Checkpoint;
use super::super::stability::{self, SaturatedOptions};
use super::super::trials::{Progress, silent};
use crate::answer::{Boundary, Figure, Verdict};
use crate::fluid::{self, scope};
use crate::scenario::{Scenario, ScenarioError};

/// Most points of one grid.
const MAX_POINTS: usize = 1_000_000;

/// One swept parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Its key, such as `instance.kv_tokens`, or `lambda`.
    pub key: String,
    /// Its values in order.
    pub values: Vec<f64>,
}

impl Axis {
    /// Reads `KEY=FROM:TO:STEP` (both ends included) or `KEY=V1,V2,…`.
    ///
    /// # Errors
    /// Says what cannot be read, or that the range is empty.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let wrong = |problem: String| {
            ScenarioError::at(
                text,
                problem,
                "write KEY=FROM:TO:STEP or KEY=V1,V2, e.g. instance.kv_tokens=20000:200000:20000",
            )
            .in_file("--sweep")
        };
        let (key, range) = text.split_once('=').ok_or_else(|| wrong("has no `=`".to_owned()))?;
        let values = numbers(range).map_err(wrong)?;
        Ok(Self { key: key.trim().to_owned(), values })
    }
}

/// Numbers in order: `FROM:TO:STEP` with both ends, or `V1,V2,…`.
///
/// # Errors
/// Says what cannot be read, or that there is none.
pub fn numbers(range: &str) -> Result<Vec<f64>, String> {
    let number = |part: &str| match part.trim().parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(format!("`{part}` is not a number")),
    };
    let parts: Vec<&str> = range.split(':').collect();
    match parts[..] {
        [from, to, step] => grid(number(from)?, number(to)?, number(step)?)
            .ok_or_else(|| format!("`{range}` holds no values, or more than {MAX_POINTS}")),
        [list] => list.split(',').map(number).collect(),
        _ => Err(format!("`{range}` is not FROM:TO:STEP")),
    }
}

/// from, from + step, … up to `to`, with half a millionth of a step of slack for rounding.
fn grid(from: f64, to: f64, step: f64) -> Option<Vec<f64>> {
    let steps = (to - from) / step;
    if !steps.is_finite() || steps < -1e-9 || steps > MAX_POINTS as f64 {
        return None;
    }
    Some((0..=(steps + 5e-7).floor() as usize).map(|index| round_off(from + step * index as f64)).collect())
}

/// Drops the last digits that adding decimal steps in binary leaves.
fn round_off(value: f64) -> f64 {
    format!("{value:.12e}").parse().unwrap_or(value)
}

/// One point of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepRow {
    /// The value of each axis.
    pub values: Vec<f64>,
    /// λ of the scenario, requests per second.
    pub lambda_per_s: f64,
    /// λ* and what binds.
    pub boundary: Boundary,
    /// Verdict at the scenario's λ.
    pub verdict: Verdict,
    /// λ* of the engine, if it was asked for.
    pub simulated_per_s: Option<Figure>,
}

/// Every combination of the axes' values, the last axis fastest.
///
/// # Errors
/// Too many points.
pub fn points(axes: &[Axis]) -> Result<Vec<Vec<f64>>, ScenarioError> {
    let mut points = vec![Vec::new()];
    for axis in axes {
        if points.len().saturating_mul(axis.values.len()) > MAX_POINTS {
            return Err(ScenarioError::at(
                "--sweep",
                format!("has more than {MAX_POINTS} points"),
                "take larger steps",
            ));
        }
        points = points
            .iter()
            .flat_map(|point: &Vec<f64>| {
                axis.values.iter().map(move |&value| point.iter().copied().chain([value]).collect::<Vec<f64>>())
            })
            .collect();
    }
    Ok(points)
}

/// One point of a sweep that is still to be answered.
#[derive(Debug, Clone)]
pub struct Point {
    /// The value of each axis.
    pub values: Vec<f64>,
    /// The scenario with these values.
    pub scenario: Scenario,
}

/// Every point of a sweep with its scenario, so that all are known to be valid before the first is answered.
///
/// # Errors
/// Too many points, an unknown key, or a value that the scenario or theory refuses.
pub fn scenarios(scenario: &Scenario, axes: &[Axis]) -> Result<Vec<Point>, ScenarioError> {
    let at = |values: Vec<f64>| {
        let scenario = scenario_at(scenario, axes, &values)?;
        match scope::refusal(&scenario) {
            Some(error) => Err(error.in_file(&origin(axes, &values))),
            None => Ok(Point { values, scenario }),
        }
    };
    // All are tried before the first error is taken, so that the message does not depend on the threads.
    let tried: Vec<Result<Point, ScenarioError>> = points(axes)?.into_par_iter().map(at).collect();
    tried.into_iter().collect()
}

/// What messages call a point.
fn origin(axes: &[Axis], values: &[f64]) -> String {
    let parts: Vec<String> = axes.iter().zip(values).map(|(axis, value)| format!("{}={value}", axis.key)).collect();
    format!("--sweep {}", parts.join(" "))
}

fn scenario_at(scenario: &Scenario, axes: &[Axis], values: &[f64]) -> Result<Scenario, ScenarioError> {
    axes.iter().zip(values).try_fold(scenario.clone(), |scenario, (axis, &value)| {
        scenario.with(&axis.key, value).map_err(|error| {
            if error.origin.is_empty() { error.in_file(&format!("--sweep {}={value}", axis.key)) } else { error }
        })
    })
}

/// λ* at every point, in parallel; with `saturated` also from the engine. Points that `checkpoint` already holds are not
/// computed again.
///
/// # Errors
/// A checkpoint that cannot be written.
pub fn run(
    points: &[Point],
    saturated: Option<&SaturatedOptions>,
    checkpoint: &Mutex<Checkpoint>,
    progress: Progress<'_>,
) -> Result<Vec<SweepRow>, ScenarioError> {
    points
        .par_iter()
        .map(|point| {
            let known = checkpoint.lock().ok().and_then(|store| store.find(&point.values));
            let row = known.clone().unwrap_or_else(|| row_at(point, saturated));
            if known.is_none()
                && let Ok(mut store) = checkpoint.lock()
            {
                store.add(&row)?;
            }
            progress();
            Ok(row)
        })
        .collect()
}

fn row_at(point: &Point, saturated: Option<&SaturatedOptions>) -> SweepRow {
    let solution = fluid::solve(&point.scenario);
    let simulated = saturated.map(|options| stability::saturated(&point.scenario, &solution, options, &silent));
    SweepRow {
        values: point.values.clone(),
        lambda_per_s: solution.lambda_per_s,
        boundary: solution.boundary,
        verdict: solution.verdict,
        simulated_per_s: simulated.and_then(|run| run.throughput_per_s),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_include_both_ends_and_lists_keep_their_order() {
        let axis = Axis::parse("instance.kv_tokens=20000:60000:20000").unwrap();
        assert_eq!((axis.key.as_str(), axis.values), ("instance.kv_tokens", vec![20000.0, 40000.0, 60000.0]));
        assert_eq!(Axis::parse("lambda=.1:.3:.1").unwrap().values, vec![0.1, 0.2, 0.3]);
        assert_eq!(Axis::parse("a=3,1").unwrap().values, vec![3.0, 1.0]);
        assert_eq!(Axis::parse("a=9:1:-4").unwrap().values, vec![9.0, 5.0, 1.0]);
    }

    #[test]
    fn unreadable_ranges_name_the_problem() {
        for text in ["kv", "a=1:2", "a=1:2:0", "a=x", "a=2:1:1", "a=1:nan:1", "a="] {
            let error = Axis::parse(text).unwrap_err();
            assert!(error.to_string().contains("--sweep") && !error.remedy.is_empty(), "{text}");
        }
    }

    #[test]
    fn several_axes_make_a_grid() {
        let axes = [Axis::parse("a=1,2").unwrap(), Axis::parse("b=5,6,7").unwrap()];
        let grid = points(&axes).unwrap();
        assert_eq!(grid.len(), 6);
        assert_eq!(grid[1], vec![1.0, 6.0]);
    }
}
