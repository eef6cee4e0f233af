//! Kernel tables as the engine takes them, in whole attoseconds.
//!
//! Dense kernels and the end are curves. Attention is linear between measured points on every axis. Several prompts of one iteration are
//! one chunk with as many pairs of a prompt token and a token before or at it: as many tokens with the KV before them that makes up the pairs,
//! or fewer tokens where the prompts are short. Decodes have the mean of their KV.

use std::sync::Arc;

use super::Work;
use super::curve::ExactCurve;
use crate::scenario::Time;
use crate::scenario::kernels::{Branch, Decodes, Histories, Kernels, Row, along};

/// The tables with their curves rounded.
#[derive(Debug, Clone)]
pub(super) struct ExactKernels {
    dense: ExactCurve,
    end: ExactCurve,
    tables: Arc<Kernels>,
}

/// A stretch of the KV of decodes in which τ is linear.
struct Stretch {
    /// Attoseconds at the beginning.
    start: i128,
    /// Attoseconds per KV token.
    slope: i128,
    /// KV tokens of all decodes at the beginning.
    from: i64,
    /// KV tokens at which it ends.
    to: Option<i64>,
}

impl ExactKernels {
    pub fn new(tables: &Arc<Kernels>) -> Self {
        let [dense, end] = [&tables.dense, &tables.end].map(|points| ExactCurve::new(points));
        Self { dense, end, tables: Arc::clone(tables) }
    }

    /// The parts (without any token, what depends on tokens and sequences, attention) of τ in attoseconds.
    pub fn parts(&self, work: &Work) -> [i128; 3] {
        let base = self.dense.at(0) + self.end.at(0);
        let dense = self.dense.at(work.tokens) + self.end.at(work.sequences) - base;
        [base, dense, self.attention(work)]
    }

    /// Attoseconds of attention.
    fn attention(&self, work: &Work) -> i128 {
        if work.tokens == work.decodes {
            let stretch = self.stretch(work);
            return stretch.start + stretch.slope * i128::from(work.decode_context - stretch.from);
        }
        let (chunk, history) = one_chunk((work.tokens - work.decodes) as f64, work.pairs as f64);
        let decodes = work.decodes as f64;
        let held = if work.decodes > 0 { work.decode_context as f64 / decodes } else { 0.0 };
        let rows = |row: &Row| along(row, held);
        let by_decodes = |branch: &Decodes| between(branch, decodes, rows);
        let by_history = |branch: &Histories| between(branch, history, by_decodes);
        Time::from_seconds(between(&self.tables.attention, chunk, by_history)).0
    }

    /// By how much τ of decodes alone grows from one iteration to the next.
    pub fn growth(&self, work: &Work) -> i128 {
        self.stretch(work).slope * i128::from(work.decodes)
    }

    /// Iterations of decodes alone, this one among them, until τ bends.
    pub fn straight_steps(&self, work: &Work) -> i64 {
        let left = self.stretch(work).to.map(|to| to - work.decode_context);
        left.map_or(i64::MAX, |left| (left + work.decodes - 1) / work.decodes)
    }

    /// Where decodes alone stand.
    fn stretch(&self, work: &Work) -> Stretch {
        let (count, context) = (work.decodes.max(1), work.decode_context);
        let none: Decodes = Vec::new();
        // Without prompts: the first chunk, with nothing before it, is of no token.
        let alone =
            self.tables.attention.first().and_then(|chunk| chunk.inner.first()).map_or(&none, |first| &first.inner);
        let after = alone.partition_point(|branch| (branch.at as i64) < count);
        let rows: Vec<&Branch<Row>> = match after {
            0 => alone.iter().take(1).collect(),
            _ if after < alone.len() && alone[after].at as i64 == count => vec![&alone[after]],
            _ if alone.len() == 1 => alone.iter().collect(),
            _ => alone[after.min(alone.len() - 1) - 1..].iter().take(2).collect(),
        };
        let places = || rows.iter().flat_map(|row| row.inner.iter()).map(|point| point.tokens as i64);
        let from = places().filter(|at| at * count <= context).max();
        let to = places().filter(|at| at * count > context).min();
        let at = |held: i64| Time::from_seconds(between_rows(&rows, count as f64, held as f64)).0;
        match (from, to) {
            (None, to) => Stretch { start: to.map_or(0, at), slope: 0, from: 0, to: to.map(|to| to * count) },
            (Some(from), Some(to)) => {
                let slope = (at(to) - at(from)).div_euclid(i128::from((to - from) * count));
                Stretch { start: at(from), slope, from: from * count, to: Some(to * count) }
            }
            (Some(last), None) => {
                let before = places().filter(|at| *at < last).max().unwrap_or(last);
                let span = i128::from(((last - before) * count).max(1));
                Stretch {
                    start: at(last),
                    slope: (at(last) - at(before)).div_euclid(span),
                    from: last * count,
                    to: None,
                }
            }
        }
    }
}

/// The tokens of one chunk and the KV before it that have as many pairs as the prompts of an iteration.
fn one_chunk(tokens: f64, pairs: f64) -> (f64, f64) {
    let own = tokens * (tokens + 1.0) / 2.0;
    if pairs >= own { (tokens, (pairs - own) / tokens) } else { (f64::midpoint((8.0 * pairs + 1.0).sqrt(), -1.0), 0.0) }
}

/// Linear between branches, constant before the first, with the last slope beyond the last.
fn between<T>(branches: &[Branch<T>], at: f64, inner: impl Fn(&T) -> f64) -> f64 {
    let after = branches.partition_point(|branch| (branch.at as f64) < at);
    match (branches.first(), after) {
        (None, _) => 0.0,
        (Some(first), 0) => inner(&first.inner),
        (Some(first), _) if branches.len() == 1 => inner(&first.inner),
        _ => {
            let after = after.min(branches.len() - 1);
            let (from, to) = (&branches[after - 1], &branches[after]);
            if to.at as f64 == at {
                return inner(&to.inner);
            }
            let share = (at - from.at as f64) / (to.at - from.at) as f64;
            (1.0 - share) * inner(&from.inner) + share * inner(&to.inner)
        }
    }
}

fn between_rows(rows: &[&Branch<Row>], count: f64, held: f64) -> f64 {
    match rows {
        [] => 0.0,
        [one] => along(&one.inner, held),
        [from, to, ..] => {
            let share = (count - from.at as f64) / (to.at - from.at) as f64;
            (1.0 - share) * along(&from.inner, held) + share * along(&to.inner, held)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::CurvePoint;
    use crate::scenario::kernels::{Assembly, Cell, Measured};

    fn tables() -> Arc<Kernels> {
        let curve = |points: &[(u64, f64)]| -> Vec<CurvePoint> {
            points.iter().map(|&(tokens, seconds)| CurvePoint { tokens, seconds }).collect()
        };
        let mut attention = Vec::new();
        for (n, kv) in [1, 4, 16].into_iter().flat_map(|n| [16, 64, 256].map(|kv| (n, kv))) {
            attention.push(Cell { at: [0, 0, n, kv], seconds: 1e-4 * (1.0 + 0.01 * ((n * kv) as f64).powf(0.9)) });
        }
        for (chunk, kv) in [16, 128].into_iter().flat_map(|chunk| [0, 256].map(|kv| (chunk, kv))) {
            let seconds = 1e-4 + 1e-8 * (chunk * (chunk + 2 * kv)) as f64;
            attention.push(Cell { at: [chunk, kv, 0, 0], seconds });
            for (n, held) in [(1, 16), (1, 256), (16, 16), (16, 256)] {
                attention.push(Cell { at: [chunk, kv, n, held], seconds: seconds + 1e-7 * (n * held) as f64 });
            }
        }
        let measured = Measured {
            once: vec![curve(&[(1, 1e-3), (100, 3e-3), (200, 9e-3)])],
            per_sequence: vec![curve(&[(1, 1e-3), (16, 2e-3)])],
            attention,
            ..Measured::default()
        };
        Arc::new(Kernels::assemble(&measured, &Assembly { layers: 1, host_s: 0.0, graph_tokens: &[] }))
    }

    fn decoding(decodes: i64, decode_context: i64) -> Work {
        Work { tokens: decodes, context: decode_context, decodes, decode_context, sequences: decodes, pairs: 0 }
    }

    fn total(exact: &ExactKernels, work: &Work) -> i128 {
        exact.parts(work).iter().sum()
    }

    /// What leaping rests on: within a stretch every iteration is longer by the same.
    #[test]
    fn a_stretch_is_straight_to_the_attosecond() {
        let exact = ExactKernels::new(&tables());
        for decodes in [1, 2, 3, 4, 5, 7, 16, 20] {
            for context in (decodes..6000).step_by(37) {
                let first = decoding(decodes, context);
                let (growth, steps) = (exact.growth(&first), exact.straight_steps(&first));
                assert!(steps >= 1);
                for step in 0..steps.min(100) {
                    let later = decoding(decodes, context + step * decodes);
                    assert_eq!(
                        total(&exact, &later),
                        total(&exact, &first) + growth * i128::from(step),
                        "{decodes} {context} {step}"
                    );
                }
                let across = decoding(decodes, context + steps.min(10_000) * decodes);
                assert!(
                    steps == i64::MAX
                        || exact.straight_steps(&across) != 1
                        || exact.growth(&across) != growth
                        || decodes > 15
                );
            }
        }
    }

    #[test]
    fn measured_points_come_back() {
        let kernels = tables();
        let exact = ExactKernels::new(&kernels);
        let seconds = |work: &Work| Time(exact.attention(work)).seconds();
        for (n, kv) in [(1, 16), (4, 64), (16, 256)] {
            let expected = 1e-4 * (1.0 + 0.01 * ((n * kv) as f64).powf(0.9));
            assert!((seconds(&decoding(n, n * kv)) / expected - 1.0).abs() < 1e-12);
        }
        // One prompt of 128 tokens behind 256 beside 16 decodes with 256 each.
        let mixed = Work {
            tokens: 144,
            context: 0,
            pairs: 128 * 256 + 128 * 129 / 2,
            decodes: 16,
            decode_context: 16 * 256,
            sequences: 17,
        };
        assert!((seconds(&mixed) / (1e-4 + 1e-8 * f64::from(128 * (128 + 512)) + 1e-7 * 4096.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn prompts_become_one_chunk_of_as_many_pairs() {
        for (tokens, pairs) in [(100.0, 5050.0), (100.0, 9050.0), (100.0, 2550.0)] {
            let (chunk, history) = one_chunk(tokens, pairs);
            assert!((chunk * history + chunk * (chunk + 1.0) / 2.0 - pairs).abs() < 1e-9);
            assert!(chunk <= tokens && history >= 0.0);
        }
    }
}
