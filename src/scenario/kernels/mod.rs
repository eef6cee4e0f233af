//! Kernel times of one model on one GPU, and the law of an iteration that they come to:
//! dense kernels over the iteration's tokens, those of the end over its sequences, attention over (prompt chunk, KV before it, decodes, KV of
//! a decode). Between measured points everything is linear.
//!
//! A folder holds `dense.csv` (`layer,tokens,time_us`), `per_sequence.csv` (`layer,sequences,time_us`) and `attention.csv`
//! (`prefill_chunk,kv_prefill,n_decode,kv_decode,time_us`), as LLMServingSim's profiler writes them. The embedding, the last norm and what
//! is per sequence run once in an iteration; every other kernel once per layer, a `layernorm` twice.

mod read;
mod reduce;

use std::path::Path;

use super::error::ScenarioError;
use super::hardware;
use super::step_time::{CurvePoint, StepTimeLaw};

/// Times of a folder as they stand there, in seconds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measured {
    /// Of kernels that run once, and of those of one layer.
    pub once: Vec<Vec<CurvePoint>>,
    /// Of the kernels of one layer; one that runs twice stands twice.
    pub per_layer: Vec<Vec<CurvePoint>>,
    /// By sequences in place of tokens.
    pub per_sequence: Vec<Vec<CurvePoint>>,
    /// Of one layer.
    pub attention: Vec<Cell>,
}

/// One measured attention kernel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// Prompt tokens, KV tokens before them, sequences that decode, KV tokens of each.
    pub at: [u64; 4],
    /// Seconds of one layer.
    pub seconds: f64,
}

/// One value of an axis with what is behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch<T> {
    /// The value.
    pub at: u64,
    /// What was measured there.
    pub inner: T,
}

/// Seconds over the KV tokens of a decode.
pub type Row = Vec<CurvePoint>;
/// Rows by the number of decodes.
pub type Decodes = Vec<Branch<Row>>;
/// Those by the KV tokens before a chunk.
pub type Histories = Vec<Branch<Decodes>>;
/// Those by the prompt tokens of the chunk.
pub type Attention = Vec<Branch<Histories>>;

/// Whole iterations: everything over all layers, in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernels {
    /// Everything without attention and the end, over the iteration's tokens; host time is in it.
    pub dense: Vec<CurvePoint>,
    /// Output matrix and sampling over the iteration's sequences.
    pub end: Vec<CurvePoint>,
    /// Attention, each axis in ascending order. Not every combination need have been measured.
    pub attention: Attention,
    /// The law of theory: the curve that is nearest.
    pub reduced: StepTimeLaw,
    /// How far it is from the attention that was measured: mean of |ŷ/y − 1| over decodes, and over prompts.
    pub reduced_error: [f64; 2],
}

/// How kernels become an iteration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assembly<'a> {
    /// Layers of the model.
    pub layers: u64,
    /// Seconds per iteration beside the kernels.
    pub host_s: f64,
    /// Sizes in tokens that iterations up to the largest are filled up to; none when CUDA graphs are not padded.
    pub graph_tokens: &'a [u64],
}

impl Kernels {
    /// Reads a folder. Without `layers` its name must hold that of a known model.
    ///
    /// # Errors
    /// A file that is missing or no such table, or an unknown number of layers.
    pub fn of_folder(
        folder: &Path,
        layers: Option<u64>,
        host_s: f64,
        graph_tokens: &[u64],
    ) -> Result<Self, ScenarioError> {
        let measured = read::folder(folder)?;
        let layers = match layers {
            Some(layers) => layers,
            None => layers_of_name(folder)?,
        };
        Ok(Self::assemble(&measured, &Assembly { layers, host_s, graph_tokens }))
    }

    /// What was measured of attention: prompt tokens, KV before them, decodes, KV of each.
    pub fn cells(&self) -> impl Iterator<Item = [u64; 4]> + '_ {
        self.attention.iter().flat_map(|chunk| {
            chunk.inner.iter().flat_map(move |history| {
                history.inner.iter().flat_map(move |decodes| {
                    decodes.inner.iter().map(move |point| [chunk.at, history.at, decodes.at, point.tokens])
                })
            })
        })
    }

    /// The law of whole iterations.
    #[must_use]
    pub fn assemble(measured: &Measured, assembly: &Assembly<'_>) -> Self {
        let layers = assembly.layers as f64;
        let once = measured.once.iter().map(|curve| (curve, 1.0));
        let each = measured.per_layer.iter().map(|curve| (curve, layers));
        let dense = padded(sum(&once.chain(each), assembly.host_s), assembly.graph_tokens);
        let end = sum(&measured.per_sequence.iter().map(|curve| (curve, 1.0)), 0.0);
        let cells: Vec<Cell> =
            measured.attention.iter().map(|cell| Cell { seconds: cell.seconds * layers, ..*cell }).collect();
        let (reduced, reduced_error) = reduce::law(&dense, &end, &cells);
        Self { dense, end, attention: tree(cells), reduced, reduced_error }
    }
}

/// Layers of the model whose name is the longest in the folder's.
fn layers_of_name(folder: &Path) -> Result<u64, ScenarioError> {
    let full = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = full.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    hardware::llm_within(&name)?.map(|llm| llm.layers).ok_or_else(|| {
        let problem = format!("is not given, and the folder name `{name}` holds no known model");
        ScenarioError::at("layers", problem, "give it, as with `--set step_time.layers=32`")
    })
}

/// Σ factor · curve + constant over all points of any of them.
fn sum<'a>(curves: &(impl Iterator<Item = (&'a Vec<CurvePoint>, f64)> + Clone), constant: f64) -> Vec<CurvePoint> {
    let mut places: Vec<u64> = curves.clone().flat_map(|(curve, _)| curve.iter().map(|point| point.tokens)).collect();
    places.sort_unstable();
    places.dedup();
    let at = |tokens: u64| {
        let parts = curves.clone().map(|(curve, factor)| factor * along(curve, tokens as f64));
        CurvePoint { tokens, seconds: constant + parts.sum::<f64>() }
    };
    places.into_iter().map(at).collect()
}

/// The curve of iterations that are filled up to the next of `sizes`.
fn padded(curve: Vec<CurvePoint>, sizes: &[u64]) -> Vec<CurvePoint> {
    let mut sizes = sizes.to_vec();
    sizes.sort_unstable();
    sizes.dedup();
    let Some(&largest) = sizes.last() else { return curve };
    let mut points = Vec::new();
    let mut from = 0;
    for size in sizes {
        let seconds = along(&curve, size as f64);
        let ends = if size > from + 1 { vec![from + 1, size] } else { vec![size] };
        points.extend(ends.into_iter().map(|tokens| CurvePoint { tokens, seconds }));
        from = size;
    }
    let next = largest + 1;
    points.push(CurvePoint { tokens: next, seconds: along(&curve, next as f64) });
    points.extend(curve.into_iter().filter(|point| point.tokens > next));
    points
}

/// Linear between points, constant before the first, with the last slope beyond the last.
pub(crate) fn along(points: &[CurvePoint], at: f64) -> f64 {
    let Some(first) = points.first() else { return 0.0 };
    let after = points.partition_point(|point| (point.tokens as f64) < at);
    if after == 0 || points.len() == 1 {
        return first.seconds;
    }
    let (from, to) = (&points[after.min(points.len() - 1) - 1], &points[after.min(points.len() - 1)]);
    from.seconds + (to.seconds - from.seconds) * (at - from.tokens as f64) / (to.tokens - from.tokens) as f64
}

fn tree(mut cells: Vec<Cell>) -> Attention {
    cells.sort_by_key(|cell| cell.at);
    let leaf = |cell: &Cell| CurvePoint { tokens: cell.at[3], seconds: cell.seconds };
    grouped(&cells, 0, |chunk| grouped(chunk, 1, |history| grouped(history, 2, |row| row.iter().map(leaf).collect())))
}

/// Cells, sorted, by their value on an axis.
fn grouped<T>(cells: &[Cell], axis: usize, inner: impl Fn(&[Cell]) -> T) -> Vec<Branch<T>> {
    let alike = |left: &Cell, right: &Cell| left.at[axis] == right.at[axis];
    cells.chunk_by(alike).map(|group| Branch { at: group[0].at[axis], inner: inner(group) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[(u64, f64)]) -> Vec<CurvePoint> {
        points.iter().map(|&(tokens, seconds)| CurvePoint { tokens, seconds }).collect()
    }

    #[test]
    fn kernels_of_a_layer_count_as_often_as_there_are_layers() {
        let measured = Measured {
            once: vec![curve(&[(1, 1.0), (11, 2.0)])],
            per_layer: vec![curve(&[(1, 10.0), (6, 15.0)]), curve(&[(1, 100.0)])],
            per_sequence: vec![curve(&[(1, 0.5), (3, 0.7)])],
            attention: vec![Cell { at: [0, 0, 1, 16], seconds: 0.25 }, Cell { at: [0, 0, 1, 32], seconds: 0.5 }],
        };
        let kernels = Kernels::assemble(&measured, &Assembly { layers: 4, host_s: 0.125, graph_tokens: &[] });
        let dense: Vec<_> = kernels.dense.iter().map(|point| (point.tokens, point.seconds)).collect();
        assert_eq!(dense, [(1, 441.125), (6, 461.625), (11, 482.125)]);
        assert_eq!(kernels.end, curve(&[(1, 0.5), (3, 0.7)]));
        assert_eq!(kernels.attention[0].inner[0].inner[0].inner, curve(&[(16, 1.0), (32, 2.0)]));
    }

    #[test]
    fn iterations_are_filled_up_to_the_graphs() {
        let plain = curve(&[(1, 1.0), (11, 11.0), (31, 31.0)]);
        let filled = padded(plain.clone(), &[4, 1, 2, 8, 16]);
        for (tokens, expected) in
            [(1, 1.0), (2, 2.0), (3, 4.0), (4, 4.0), (5, 8.0), (7, 8.0), (9, 16.0), (16, 16.0), (17, 17.0), (40, 40.0)]
        {
            assert!((along(&filled, f64::from(tokens)) - expected).abs() < 1e-12, "{tokens}");
        }
        assert_eq!(padded(plain.clone(), &[]), plain);
    }

    #[test]
    fn a_name_of_a_model_gives_its_layers() {
        assert_eq!(layers_of_name(Path::new("x/rtx4090-Llama-3.1-8B")).unwrap(), 32);
        let error = layers_of_name(Path::new("x/unknown")).unwrap_err();
        assert!(error.to_string().contains("step_time.layers=32"), "{error}");
    }
}
