//! Which points a sweep answers: every combination of the axes' values, times a sample of the box that intervals span.

use serde::{Deserialize, Serialize};

use super::MAX_POINTS;
use super::axis::{Axis, Choice, Interval, Setting, round_off};
use super::sample::{Filling, SOBOL_DIMENSIONS, Sampling};
use crate::scenario::ScenarioError;

/// A set of numbered points.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    axes: Vec<Axis>,
    sampling: Option<Sampling>,
    /// Coordinates of the sample, by point, then by axis with an interval.
    units: Vec<Vec<f64>>,
}

/// One point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The value of each axis.
    pub settings: Vec<Setting>,
    /// `(KEY, VALUE)` of all that is set.
    pub sets: Vec<(String, String)>,
}

impl Design {
    /// Every combination of the axes' values, the last axis fastest.
    ///
    /// # Errors
    /// An axis with an interval, two axes of one key, or more than a million points.
    pub fn grid(axes: Vec<Axis>) -> Result<Self, ScenarioError> {
        Self::new(axes, None)
    }

    /// Every combination of the axes' values at every point of a sample of those with intervals.
    ///
    /// # Errors
    /// Intervals without a sample or a sample without intervals, two axes of one key, or more than a million points.
    pub fn new(axes: Vec<Axis>, sampling: Option<Sampling>) -> Result<Self, ScenarioError> {
        let wrong = |key: &str, problem: String, remedy: &str| Err(ScenarioError::at(key, problem, remedy));
        if let Some((_, twice)) = axes.iter().enumerate().find(|(k, axis)| axes[..*k].iter().any(|b| b.key == axis.key))
        {
            return wrong(&twice.key, "is swept twice".to_owned(), "give all its values in one list");
        }
        let boxes = axes.iter().filter(|axis| axis.interval.is_some()).count();
        match (&sampling, axes.iter().find(|axis| axis.interval.is_some())) {
            (None, Some(axis)) => {
                return wrong(
                    &axis.key,
                    "is an interval".to_owned(),
                    "write a list or a range, or draw from it with `fluidsim sweep --lhs N` or --sobol N",
                );
            }
            (Some(_), None) => {
                return wrong("", "a sample needs an interval".to_owned(), "write one as KEY=LOW..HIGH");
            }
            (Some(Sampling { filling: Filling::Sobol, .. }), _) if boxes > SOBOL_DIMENSIONS => {
                let problem = format!("a Sobol sequence of {boxes} dimensions is not at hand");
                return wrong("", problem, &format!("sweep at most {SOBOL_DIMENSIONS} intervals, or take --lhs"));
            }
            _ => {}
        }
        let sampled = sampling.map_or(1, |sampling| sampling.points);
        let points = grid_axes(&axes).fold(sampled, |points, axis| points.saturating_mul(axis.choices.len() as u64));
        if points == 0 || points > MAX_POINTS as u64 {
            let problem = format!("the sweep has {points} points");
            return wrong("", problem, &format!("keep it from 1 to {MAX_POINTS}"));
        }
        let units = sampling.map_or(Vec::new(), |sampling| sampling.units(boxes));
        Ok(Self { axes, sampling, units })
    }

    /// The axes in order.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// The sample, if there is one.
    pub fn sampling(&self) -> Option<Sampling> {
        self.sampling
    }

    /// How many points there are.
    pub fn len(&self) -> usize {
        self.units.len().max(1) * self.combinations()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn combinations(&self) -> usize {
        grid_axes(&self.axes).map(|axis| axis.choices.len()).product()
    }

    /// The point of that number, below [`Design::len`].
    pub fn point(&self, index: usize) -> Point {
        let combinations = self.combinations();
        let units = self.units.get(index / combinations);
        let mut drawn = units.into_iter().flatten();
        let (mut rest, mut block) = (index % combinations, combinations);
        let mut point = Point { settings: Vec::new(), sets: Vec::new() };
        for axis in &self.axes {
            let choice = if let Some(interval) = axis.interval {
                // `new` has drawn a coordinate for every interval.
                choice_at(&axis.key, interval, drawn.next().copied().unwrap_or(0.0))
            } else {
                block /= axis.choices.len();
                let place = rest / block;
                rest %= block;
                axis.choices[place].clone()
            };
            point.settings.push(choice.value);
            point.sets.extend(choice.sets);
        }
        point
    }
}

fn grid_axes(axes: &[Axis]) -> impl Iterator<Item = &Axis> {
    axes.iter().filter(|axis| axis.interval.is_none())
}

fn choice_at(key: &str, interval: Interval, unit: f64) -> Choice {
    let value = Setting::Number(round_off(interval.at(unit)));
    Choice { sets: vec![(key.to_owned(), value.shown())], value }
}

/// One of n equal parts of a sweep: the points whose number leaves the same rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which part, from 1.
    pub part: u64,
    /// Of how many.
    pub of: u64,
}

impl Shard {
    /// All points.
    pub const WHOLE: Self = Self { part: 1, of: 1 };

    /// Reads `I/N`.
    ///
    /// # Errors
    /// Anything but 1 ≤ I ≤ N.
    pub fn parse(option: &str, text: &str) -> Result<Self, ScenarioError> {
        let parts = text.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((part, of)) if 1 <= part && part <= of => Ok(Self { part, of }),
            _ => Err(ScenarioError::at(option, format!("is `{text}`"), "write I/N with I from 1 to N, such as 2/3")),
        }
    }

    /// Whether a point belongs to it.
    pub fn holds(self, index: usize) -> bool {
        index as u64 % self.of == self.part - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(text: &str) -> Axis {
        Axis::parse("--over", text).unwrap()
    }

    #[test]
    fn the_last_axis_is_fastest() {
        let design = Design::grid(vec![axis("a=1,2"), axis("b=x,y,z")]).unwrap();
        let shown = |index| design.point(index).settings.iter().map(Setting::shown).collect::<Vec<_>>().join(" ");
        assert_eq!((design.len(), shown(0), shown(1), shown(5)), (6, "1 x".into(), "1 y".into(), "2 z".into()));
        assert_eq!(design.point(4).sets, [("a".into(), "2".into()), ("b".into(), "y".into())]);
    }

    #[test]
    fn a_sample_is_taken_at_every_combination() {
        let sampling = Sampling { filling: Filling::Sobol, points: 4, seed: 7 };
        let design = Design::new(vec![axis("a=0..1"), axis("b=x,y"), axis("c=5..6")], Some(sampling)).unwrap();
        assert_eq!(design.len(), 8);
        let (first, second, third) = (design.point(0), design.point(1), design.point(2));
        assert_eq!((&first.settings[0], &first.settings[2]), (&second.settings[0], &second.settings[2]));
        assert_ne!(first.settings[0], third.settings[0]);
        assert_eq!((first.settings[1].shown(), second.settings[1].shown()), ("x".into(), "y".into()));
    }

    #[test]
    fn what_is_no_design_says_so() {
        let sampling = Sampling { filling: Filling::LatinHypercube, points: 4, seed: 7 };
        let big = || axis("b=1:1000000:1");
        for (axes, sampling, word) in [
            (vec![axis("a=1,2"), axis("a=3")], None, "twice"),
            (vec![axis("a=1..2")], None, "--lhs"),
            (vec![axis("a=1,2")], Some(sampling), "interval"),
            (vec![axis("a=1,2"), big()], None, "2000000 points"),
        ] {
            let error = Design::new(axes, sampling).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn shards_part_the_points() {
        let shards = [1, 2, 3].map(|part| Shard::parse("--shard", &format!("{part}/3")).unwrap());
        assert!((0..50).all(|index| shards.iter().filter(|shard| shard.holds(index)).count() == 1));
        for wrong in ["0/3", "4/3", "1", "a/b", "1/0"] {
            assert!(Shard::parse("--shard", wrong).is_err(), "{wrong}");
        }
    }
}
