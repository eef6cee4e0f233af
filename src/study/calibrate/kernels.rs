//! A folder of kernel tables as a profile of whole iterations: one for every measured attention kernel, with the dense kernels for its
//! tokens and the end for its sequences beside it.

use std::path::Path;

use super::profile::{Point, Profile, Selection};
use crate::cost::{ExactStep, Work, prefill_pairs};
use crate::scenario::kernels::Kernels;
use crate::scenario::{ScenarioError, StepTimeLaw, Tables, Time};

/// Most KV tokens of an iteration: more than 128 Ki are rarer than the tables make them.
const MOST_CONTEXT: u64 = 1 << 17;

/// Most iterations that laws are fitted to: more of a regular grid say nothing new.
const MOST_POINTS: usize = 500;

/// The iterations of a folder, host time apart.
///
/// # Errors
/// Tables that cannot be read, or an unknown number of layers.
pub fn read(folder: &Path, selection: &Selection) -> Result<Profile, ScenarioError> {
    let shown = folder.display().to_string();
    if selection.tensor_parallel.is_some() {
        let problem = "is given, and a folder of kernel tables is of one degree";
        return Err(ScenarioError::at("--tp", problem, "leave it out"));
    }
    let kernels = Kernels::of_folder(folder, selection.layers, 0.0, &[]).map_err(|error| {
        if error.key == "layers" {
            ScenarioError::at("--layers", error.problem, "give the model's layers, such as --layers 32")
        } else {
            error
        }
    })?;
    let cells: Vec<[u64; 4]> = kernels.cells().collect();
    let law = StepTimeLaw::Kernels {
        folder: shown,
        layers: selection.layers,
        host_s: 0.0,
        graph_tokens: Vec::new(),
        tables: Tables::of(kernels),
    };
    let exact = ExactStep::new(&law);
    let fits = |cell: &&[u64; 4]| cell[0] + cell[2] <= selection.max_tokens && context(cell) <= MOST_CONTEXT;
    let points: Vec<Point> = cells.iter().filter(fits).map(|cell| point(cell, &exact)).collect();
    let left = cells.len() - points.len();
    let notes = vec![format!(
        "{left} kernels of more than {} tokens or {MOST_CONTEXT} KV tokens were left out.",
        selection.max_tokens
    )];
    let notes = if left > 0 { notes } else { Vec::new() };
    let mut notes = notes;
    let stride = points.len().div_ceil(MOST_POINTS).max(1);
    if stride > 1 {
        notes.push(format!("Of {} iterations that the kernels make every {stride}th is taken.", points.len()));
    }
    let points = points.into_iter().step_by(stride).collect();
    Ok(Profile { source: "kernel tables".into(), points: sorted(points), notes, whole: true })
}

fn context(cell: &[u64; 4]) -> u64 {
    cell[0] + cell[1] + cell[2] * cell[3]
}

fn point(cell: &[u64; 4], exact: &ExactStep) -> Point {
    let [chunk, before, decodes, held] = cell.map(|value| value as i64);
    let prompt = match chunk {
        0 => Work::default(),
        _ => Work::of_prompt(chunk, chunk + before, prefill_pairs(before, chunk)),
    };
    let work = prompt.plus(&Work::of_decodes(decodes, decodes * held));
    let seconds = Time(exact.duration(&work)).seconds();
    Point { tokens: work.tokens as u64, context: work.context as f64, pairs: work.pairs as f64, seconds }
}

fn sorted(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_by_key(|point| point.tokens);
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measured_kernel_is_an_iteration() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/runs/made-up/kernels");
        let selection = Selection { max_tokens: 4096, tensor_parallel: None, layers: Some(4) };
        let found = read(&folder, &selection).unwrap();
        assert_eq!((found.points.len(), found.notes.len()), (129, 0));
        let first = found.points[0];
        assert_eq!((first.tokens, first.context, first.pairs), (1, 16.0, 0.0));
        // Four layers: 2 norms of 4 µs, 300 + 200 + 900 + 500 µs of matrices, 5 + 5 µs between; 3 + 4 once; 805 + 26 of the end.
        let attention = 9.0 + 2.0 + 0.09 * 16f64.powf(0.97);
        let expected = 1e-6 * (4.0 * (8.0 + 1900.0 + 10.0 + attention) + 7.0 + 831.0);
        assert!((first.seconds / expected - 1.0).abs() < 1e-4, "{} {expected}", first.seconds);
        let few = read(&folder, &Selection { max_tokens: 20, ..selection }).unwrap();
        assert!(few.notes[0].contains("were left out") && few.points.iter().all(|point| point.tokens <= 20));
        let unknown = read(&folder, &Selection { layers: None, ..selection }).unwrap_err();
        assert!(unknown.to_string().starts_with("--layers: is not given"), "{unknown}");
    }
}
