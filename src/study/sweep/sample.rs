//! Points that fill a box evenly: a Latin hypercube, or a Sobol sequence.

use rand::RngExt;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::stats::stream::stream;

/// Most dimensions of a Sobol sequence.
pub const SOBOL_DIMENSIONS: usize = DIRECTIONS.len() + 1;

/// Binary digits of a coordinate.
const BITS: usize = 32;

/// How a box is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filling {
    /// One point in each of n slices of every axis, at a random place in it (McKay, Beckman, Conover 1979, Technometrics 21:239–245).
    LatinHypercube,
    /// A Sobol sequence, shifted at random digit by digit, so that every seed gives another one that is as even. Best of 2ⁿ points.
    Sobol,
}

/// A sample of the box that the axes with intervals span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampling {
    /// How the box is filled.
    pub filling: Filling,
    /// Points.
    pub points: u64,
    /// Seed of the sample.
    pub seed: u64,
}

impl Sampling {
    /// Coordinates in [0, 1): by point, then by dimension.
    pub fn units(&self, dimensions: usize) -> Vec<Vec<f64>> {
        let by_dimension: Vec<Vec<f64>> = (0..dimensions)
            .map(|dimension| match self.filling {
                Filling::LatinHypercube => slices(self.seed, dimension, self.points),
                Filling::Sobol => {
                    let shift = stream(self.seed, &format!("sobol {dimension}")).random::<u32>();
                    let directions = directions(dimension);
                    (0..self.points).map(|index| unit(coordinate(&directions, index) ^ shift)).collect()
                }
            })
            .collect();
        (0..self.points as usize).map(|point| by_dimension.iter().map(|axis| axis[point]).collect()).collect()
    }
}

fn slices(seed: u64, dimension: usize, points: u64) -> Vec<f64> {
    let mut rng = stream(seed, &format!("latin hypercube {dimension}"));
    let mut order: Vec<u64> = (0..points).collect();
    order.shuffle(&mut rng);
    order.into_iter().map(|slice| (slice as f64 + rng.random::<f64>()) / points as f64).collect()
}

fn unit(digits: u32) -> f64 {
    f64::from(digits) / 2_f64.powi(BITS as i32)
}

/// The coordinate of a point: the sum, digit by digit, of the directions at the digits of its index.
fn coordinate(directions: &[u32; BITS], index: u64) -> u32 {
    (0..BITS).filter(|digit| index >> digit & 1 == 1).fold(0, |sum, digit| sum ^ directions[digit])
}

/// Direction numbers of a dimension (Bratley and Fox 1988, ACM TOMS 14:88–100).
fn directions(dimension: usize) -> [u32; BITS] {
    let mut directions: [u32; BITS] = std::array::from_fn(|digit| 1 << (BITS - 1 - digit));
    let Some((polynomial, start)) = dimension.checked_sub(1).and_then(|place| DIRECTIONS.get(place)) else {
        return directions;
    };
    let degree = start.len();
    for digit in 0..BITS {
        directions[digit] = if digit < degree {
            start[digit] << (BITS - 1 - digit)
        } else {
            let back = |steps: usize| directions[digit - steps];
            let taken = (1..degree).filter(|step| polynomial >> (degree - 1 - step) & 1 == 1);
            taken.fold(back(degree) ^ (back(degree) >> degree), |sum, step| sum ^ back(step))
        };
    }
    directions
}

/// Primitive polynomial and first direction numbers from the second dimension on: the first lines of `new-joe-kuo-6.21201` (Joe and Kuo
/// 2008, SIAM J. Sci. Comput. 30:2635–2654).
const DIRECTIONS: [(u32, &[u32]); 20] = [
    (0, &[1]),
    (1, &[1, 3]),
    (1, &[1, 3, 1]),
    (2, &[1, 1, 1]),
    (1, &[1, 1, 3, 3]),
    (4, &[1, 3, 5, 13]),
    (2, &[1, 1, 5, 5, 17]),
    (4, &[1, 1, 5, 5, 5]),
    (7, &[1, 1, 7, 11, 19]),
    (11, &[1, 1, 5, 1, 1]),
    (13, &[1, 1, 1, 3, 11]),
    (14, &[1, 3, 5, 5, 31]),
    (1, &[1, 3, 3, 9, 7, 49]),
    (13, &[1, 1, 1, 15, 21, 21]),
    (16, &[1, 3, 1, 13, 27, 49]),
    (19, &[1, 1, 1, 15, 7, 5]),
    (22, &[1, 3, 1, 15, 13, 25]),
    (25, &[1, 1, 5, 5, 19, 61]),
    (1, &[1, 3, 7, 11, 23, 15, 103]),
    (4, &[1, 3, 7, 13, 13, 15, 69]),
];
