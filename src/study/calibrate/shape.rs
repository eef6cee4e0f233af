//! The laws as sums of columns: what of a law is linear is solved for, the rest (the bend of a hinge, the length of a stair, the knots of
//! a curve) is its shape.

use super::least_squares::{Solved, solve};
use super::profile::Point;
use super::{curve, hinge, staircase};
use crate::scenario::{CurvePoint, StepTimeLaw};

/// A law that can be fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// base + per_token · b
    Affine,
    /// base + per_token · max(0, b − free)
    Hinge,
    /// base + per_stair · ⌈b / stair⌉
    Staircase,
    /// base + per_token · b + per_context_token · C
    AffineContext,
    /// Linear between so many knots, with attention where the profile varies it.
    Curve(usize),
}

impl Kind {
    /// The law's name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Self::Affine => "affine",
            Self::Hinge => "hinge",
            Self::Staircase => "staircase",
            Self::AffineContext => "affine-context",
            Self::Curve(_) => "curve",
        }
    }

    /// The name with the number of knots.
    pub fn title(self) -> String {
        match self {
            Self::Curve(knots) => format!("curve, {knots} knots"),
            _ => self.name().to_owned(),
        }
    }
}

/// A law without its linear coefficients.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Columns 1, b.
    Affine,
    /// Columns 1, (b − free)⁺.
    Hinge {
        /// Tokens that cost nothing.
        free: u64,
    },
    /// Columns 1, ⌈b/stair⌉.
    Staircase {
        /// Tokens per stair.
        stair: u64,
    },
    /// Columns 1, b, C.
    AffineContext,
    /// One hat per knot, then the context and the pairs of prompt tokens.
    Curve {
        /// Tokens, ascending.
        knots: Vec<u64>,
        /// Whether there is a column for the context.
        context: bool,
        /// Whether there is one for the pairs.
        pairs: bool,
    },
}

impl Shape {
    /// The best shape of a kind with its coefficients; none where the points cannot tell them apart.
    pub fn fit(kind: Kind, points: &[Point]) -> Option<(Self, Solved)> {
        let shape = match kind {
            Kind::Affine => Self::Affine,
            Kind::AffineContext => Self::AffineContext,
            Kind::Hinge => Self::Hinge { free: hinge::best_free(points)? },
            Kind::Staircase => Self::Staircase { stair: staircase::best_stair(points)? },
            Kind::Curve(knots) => curve::best(points, knots)?,
        };
        let solved = shape.solve(points)?;
        Some((shape, solved))
    }

    /// The coefficients of this shape.
    pub fn solve(&self, points: &[Point]) -> Option<Solved> {
        solve(points, self.count(), &|point, row| self.columns(point, row))
    }

    /// How many linear coefficients it has.
    pub fn count(&self) -> usize {
        match self {
            Self::Affine | Self::Hinge { .. } | Self::Staircase { .. } => 2,
            Self::AffineContext => 3,
            Self::Curve { knots, context, pairs } => knots.len() + usize::from(*context) + usize::from(*pairs),
        }
    }

    /// How many numbers were fitted, shape and coefficients; the inner knots of a curve count.
    pub fn parameters(&self) -> usize {
        match self {
            Self::Hinge { .. } | Self::Staircase { .. } => 3,
            Self::Curve { knots, .. } => self.count() + knots.len().saturating_sub(2),
            _ => self.count(),
        }
    }

    /// Writes what each coefficient multiplies.
    pub fn columns(&self, point: &Point, row: &mut [f64]) {
        let b = point.tokens as f64;
        match self {
            Self::Affine => row.copy_from_slice(&[1.0, b]),
            Self::Hinge { free } => row.copy_from_slice(&[1.0, (b - *free as f64).max(0.0)]),
            Self::Staircase { stair } => row.copy_from_slice(&[1.0, point.tokens.div_ceil(*stair) as f64]),
            Self::AffineContext => row.copy_from_slice(&[1.0, b, point.context]),
            Self::Curve { knots, context, pairs } => {
                let (hats, rest) = row.split_at_mut(knots.len());
                curve::hats(knots, b, hats);
                let attention = [(*context, point.context), (*pairs, point.pairs)];
                let kept = attention.iter().filter(|(kept, _)| *kept);
                rest.iter_mut().zip(kept).for_each(|(cell, (_, value))| *cell = *value);
            }
        }
    }

    /// Seconds at a point.
    pub fn seconds(&self, coefficients: &[f64], point: &Point) -> f64 {
        let mut row = vec![0.0; coefficients.len()];
        self.columns(point, &mut row);
        row.iter().zip(coefficients).map(|(column, value)| column * value).sum()
    }

    /// Names and units of the linear coefficients, as in scenarios.
    pub fn names(&self) -> Vec<String> {
        let fixed = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        match self {
            Self::Affine | Self::Hinge { .. } => fixed(&["base_s", "per_token_s"]),
            Self::Staircase { .. } => fixed(&["base_s", "per_stair_s"]),
            Self::AffineContext => fixed(&["base_s", "per_token_s", "per_context_token_s"]),
            Self::Curve { knots, context, pairs } => {
                let attention = [(*context, "per_context_token_s"), (*pairs, "per_prefill_pair_s")];
                let knots = knots.iter().map(|knot| format!("seconds at {knot}"));
                knots.chain(attention.iter().filter(|part| part.0).map(|part| part.1.to_owned())).collect()
            }
        }
    }

    /// The law with these coefficients.
    pub fn law(&self, coefficients: &[f64]) -> StepTimeLaw {
        let at = |place: usize| coefficients.get(place).copied().unwrap_or(0.0);
        match self {
            Self::Affine => StepTimeLaw::Affine { base_s: at(0), per_token_s: at(1) },
            Self::Hinge { free } => StepTimeLaw::Hinge { base_s: at(0), per_token_s: at(1), free_tokens: *free },
            Self::Staircase { stair } => {
                StepTimeLaw::Staircase { base_s: at(0), per_stair_s: at(1), stair_tokens: *stair }
            }
            Self::AffineContext => {
                StepTimeLaw::AffineContext { base_s: at(0), per_token_s: at(1), per_context_token_s: at(2) }
            }
            Self::Curve { knots, context, pairs } => StepTimeLaw::Curve {
                points: knots
                    .iter()
                    .zip(coefficients)
                    .map(|(&tokens, &seconds)| CurvePoint { tokens, seconds })
                    .collect(),
                per_context_token_s: if *context { at(knots.len()) } else { 0.0 },
                per_prefill_pair_s: if *pairs { at(knots.len() + usize::from(*context)) } else { 0.0 },
            },
        }
    }
}
