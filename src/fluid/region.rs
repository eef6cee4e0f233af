//! The stability region of two classes: all pairs of rates (λ1, λ2) that the system carries, as a polygon with the limit that
//! binds along each edge.
//!
//! λ* of the mixture is followed along rays. A limit that is linear in the rates, as K and B on an affine law, gives an edge that
//! is straight to the last digits; where two such edges meet the vertex is their intersection. What is curved stays a fine
//! polygon. Rates are those that arrive, with the requests that are too long for M.

use super::scope;
use crate::answer::Limit;
use crate::scenario::{Class, Moments, Scenario, ScenarioError};

/// Rays between the axes.
const RAYS: usize = 64;
/// Relative distance from a line up to which an edge counts as straight.
const STRAIGHT: f64 = 1e-8;

/// One edge of the region's outer boundary, from the axis of class 1 to that of class 2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    /// Its first point (λ1, λ2), requests per second.
    pub from: (f64, f64),
    /// Its last point.
    pub to: (f64, f64),
    /// What binds.
    pub limit: Limit,
    /// Whether the limit is linear along it; else it is one of many chords of a curve.
    pub straight: bool,
}

/// The region: the origin, the axes up to the first and the last point, and the edges between.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// The names of the two classes.
    pub classes: [String; 2],
    /// The outer boundary.
    pub edges: Vec<Edge>,
    /// The scenario's own rates of the two.
    pub operating: (f64, f64),
}

impl Region {
    /// Whether a pair of rates is inside, by the polygon.
    pub fn holds(&self, rates: (f64, f64)) -> bool {
        self.edges.iter().all(|edge| cross(edge.from, edge.to, rates) >= 0.0)
    }
}

/// A point of the boundary.
#[derive(Debug, Clone, Copy)]
struct Point {
    share: f64,
    rates: (f64, f64),
    limit: Limit,
}

/// The region of two classes, named, without the others.
///
/// # Errors
/// A name that no class has, the same name twice, or a mixture that theory does not cover.
pub fn of(scenario: &Scenario, names: [&str; 2]) -> Result<Region, ScenarioError> {
    let classes = pick(scenario, names)?;
    for share in [0.0, 0.5, 1.0] {
        if let Some(error) = scope::refusal(&mixed(scenario, &classes, (1.0 - share, share))) {
            return Err(error);
        }
    }
    let axis = |share: f64| {
        let weights = (1.0 - share, share);
        total(scenario, &classes, weights).0
    };
    // Rays are spread over the square between the two ends.
    let ends = (axis(0.0), axis(1.0));
    let at = |share: f64| point(scenario, &classes, ends, share);
    let points: Vec<Point> = (0..=RAYS).map(|k| at(k as f64 / RAYS as f64)).collect();
    let rates = scenario.workload.class_rates();
    let rate_of = |class: &Class| {
        scenario
            .workload
            .class
            .iter()
            .zip(&rates)
            .find(|(other, _)| other.name == class.name)
            .map_or(0.0, |(_, rate)| *rate)
    };
    let operating = (rate_of(&classes[0]), rate_of(&classes[1]));
    Ok(Region { classes: names.map(str::to_owned), edges: edges(&points, &at), operating })
}

fn pick(scenario: &Scenario, names: [&str; 2]) -> Result<[Class; 2], ScenarioError> {
    let known: Vec<String> = scenario.workload.class.iter().map(|class| format!("`{}`", class.name)).collect();
    let find = |name: &str| {
        scenario.workload.class.iter().find(|class| class.name == name).cloned().ok_or_else(|| {
            let has = if known.is_empty() { "none: its workload is a trace".into() } else { known.join(", ") };
            ScenarioError::at(
                "--region",
                format!("`{name}` is no class of the scenario, which has {has}"),
                "name two of its classes",
            )
        })
    };
    if names[0] == names[1] {
        let problem = format!("names `{}` twice", names[0]);
        return Err(ScenarioError::at("--region", problem, "name two different classes, as in --region chat,batch"));
    }
    Ok([find(names[0])?, find(names[1])?])
}

fn mixed(scenario: &Scenario, classes: &[Class; 2], weights: (f64, f64)) -> Scenario {
    let mut other = scenario.clone();
    other.workload.class.clear();
    for (class, weight) in classes.iter().zip([weights.0, weights.1]) {
        if weight > 0.0 {
            other.workload.class.push(Class { share: weight, ..class.clone() });
        }
    }
    other
}

/// λ* of a mixture in arriving requests per second, and what binds.
fn total(scenario: &Scenario, classes: &[Class; 2], weights: (f64, f64)) -> (f64, Limit) {
    let mixture = mixed(scenario, classes, weights);
    let boundary = super::boundary(&mixture);
    let served = 1.0 - Moments::of(&mixture).rejected;
    (boundary.low_per_s / served.max(f64::MIN_POSITIVE), boundary.binding)
}

fn point(scenario: &Scenario, classes: &[Class; 2], ends: (f64, f64), share: f64) -> Point {
    let weights = ((1.0 - share) * ends.0, share * ends.1);
    let sum = weights.0 + weights.1;
    let (rate, limit) = total(scenario, classes, weights);
    Point { share, rates: (rate * weights.0 / sum, rate * weights.1 / sum), limit }
}

/// Twice the area of the triangle from → to → at, positive to the left, where the origin is.
fn cross(from: (f64, f64), to: (f64, f64), at: (f64, f64)) -> f64 {
    (to.0 - from.0) * (at.1 - from.1) - (to.1 - from.1) * (at.0 - from.0)
}

/// Neighbours that the same limit binds make one edge when they lie on a line, else as many as there are.
fn edges(points: &[Point], at: &dyn Fn(f64) -> Point) -> Vec<Edge> {
    let runs: Vec<&[Point]> = points.chunk_by(|a, b| a.limit == b.limit).collect();
    let mut found: Vec<Edge> = Vec::new();
    let mut start = points[0].rates;
    for (index, run) in runs.iter().enumerate() {
        let corner = runs.get(index + 1).map(|next| vertex(run, next, at));
        let end = corner.unwrap_or(run[run.len() - 1].rates);
        let limit = run[0].limit;
        if is_straight(run) {
            found.push(Edge { from: start, to: end, limit, straight: true });
        } else {
            let inner = run.iter().map(|point| point.rates).filter(|rates| *rates != start && *rates != end);
            let places: Vec<(f64, f64)> = std::iter::once(start).chain(inner).chain([end]).collect();
            found.extend(places.windows(2).map(|pair| Edge { from: pair[0], to: pair[1], limit, straight: false }));
        }
        start = end;
    }
    found
}

fn is_straight(run: &[Point]) -> bool {
    let (first, last) = (run[0].rates, run[run.len() - 1].rates);
    let size = (first.0 - last.0).abs() * (first.1 + last.1) + (first.1 - last.1).abs() * (first.0 + last.0);
    run.len() > 2 && run.iter().all(|point| cross(first, last, point.rates).abs() <= STRAIGHT * size)
}

/// Where one limit takes over from another: the intersection of two straight edges, if λ* agrees there, else by bisection.
fn vertex(left: &[Point], right: &[Point], at: &dyn Fn(f64) -> Point) -> (f64, f64) {
    let (before, after) = (left[left.len() - 1], right[0]);
    if is_straight(left)
        && is_straight(right)
        && let Some(meet) = intersection((left[0].rates, before.rates), (after.rates, right[right.len() - 1].rates))
    {
        return meet;
    }
    let (mut low, mut high) = (before, after);
    for _ in 0..40 {
        let middle = at(0.5 * (low.share + high.share));
        if middle.limit == low.limit {
            low = middle;
        } else {
            high = middle;
        }
    }
    (0.5 * (low.rates.0 + high.rates.0), 0.5 * (low.rates.1 + high.rates.1))
}

/// Two points.
type Line = ((f64, f64), (f64, f64));

fn intersection((a, b): Line, (c, d): Line) -> Option<(f64, f64)> {
    let (along, other) = ((b.0 - a.0, b.1 - a.1), (d.0 - c.0, d.1 - c.1));
    let slant = along.0 * other.1 - along.1 * other.0;
    let t = ((c.0 - a.0) * other.1 - (c.1 - a.1) * other.0) / slant;
    t.is_finite().then_some((a.0 + t * along.0, a.1 + t * along.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::testing::{affine, constant, geometric, scenario, with_memory};
    use approx::assert_relative_eq;

    fn two(first: Class, second: Class, base: Scenario) -> Scenario {
        let mut question = base;
        question.workload.class = vec![first, second];
        question
    }

    /// Oracle S5: unit slots, classes (10, 20), (10, 40), (10, 60), M = 16 492; a rate of 4.06206896552 each fills the memory.
    #[test]
    fn unit_slots_of_dong_and_cao() {
        let class = |name: &str, output: u64| Class::new(name, constant(10), constant(output));
        let base =
            with_memory(scenario(1.0, constant(10), constant(20), affine(1.0, 0.0), 1_000_000), 16_492, Some(0.0));
        let held = |output: f64| 10.0 * output + (output + output * output) / 2.0;
        for (first, second) in [(20_u32, 40_u32), (20, 60), (40, 60)] {
            let question = two(class("a", first.into()), class("b", second.into()), base.clone());
            let region = of(&question, ["a", "b"]).unwrap();
            assert_eq!(region.edges.len(), 1);
            let edge = region.edges[0];
            assert!(edge.straight && edge.limit == Limit::KvMemory);
            // The head that does not fit, 11 tokens, leaves half of itself unused; the source fills M to the last token.
            let usable = 16_492.0 - 5.5;
            assert_relative_eq!(edge.from.0, usable / held(first.into()), max_relative = 1e-9);
            assert_relative_eq!(edge.to.1, usable / held(second.into()), max_relative = 1e-9);
            assert_eq!((edge.from.1, edge.to.0), (0.0, 0.0));
        }
        let mut question = two(class("a", 20), class("b", 40), base);
        question.workload.class.push(class("c", 60));
        let all = crate::fluid::boundary(&question).low_per_s / 3.0;
        assert_relative_eq!(all, 4.062_068_965_52, max_relative = 5.5 / 16_492.0 + 1e-9);
    }

    /// K and B on an affine law are lines: Σ λ_i(c·o_i/K + a·w_i) ≤ 1 and Σ λ_i(c·w_i/B + a·w_i) ≤ 1, with one vertex.
    #[test]
    fn two_linear_limits_meet_in_a_vertex() {
        let (c, a, cap, budget) = (0.02, 1e-4, 40.0, 100.0);
        let mut base = scenario(1.0, constant(10), geometric(50.0), affine(c, a), cap as u64);
        base.instance.max_batch_tokens = Some(budget as u64);
        // Prompts fit beside the decodes, so that no chunk bends the edges.
        let question =
            two(Class::new("a", constant(10), geometric(2.0)), Class::new("b", constant(2), geometric(200.0)), base);
        let region = of(&question, ["a", "b"]).unwrap();
        let of_cap = |output: f64, work: f64| c * output / cap + a * work;
        let of_budget = |work: f64| c * work / budget + a * work;
        assert_eq!(
            region.edges.iter().map(|edge| edge.limit).collect::<Vec<_>>(),
            [Limit::TokenBudget, Limit::SequenceCap]
        );
        let (works, outputs) = ((11.0, 201.0), (2.0, 200.0));
        assert_relative_eq!(region.edges[1].to.1, 1.0 / of_cap(outputs.1, works.1), max_relative = 1e-9);
        assert_relative_eq!(region.edges[0].from.0, 1.0 / of_budget(works.0), max_relative = 1e-9);
        let corner = region.edges[0].to;
        assert_relative_eq!(
            corner.0 * of_cap(outputs.0, works.0) + corner.1 * of_cap(outputs.1, works.1),
            1.0,
            max_relative = 1e-9
        );
        assert_relative_eq!(corner.0 * of_budget(works.0) + corner.1 * of_budget(works.1), 1.0, max_relative = 1e-9);
        assert!(region.holds((0.99 * corner.0, 0.99 * corner.1)) && !region.holds((1.01 * corner.0, 1.01 * corner.1)));
        assert!(region.edges.iter().all(|edge| edge.straight));
    }

    #[test]
    fn classes_are_named() {
        let question = scenario(1.0, constant(10), constant(20), affine(1.0, 0.0), 10);
        let error = of(&question, ["a", "b"]).unwrap_err().to_string();
        assert!(error.contains("`b` is no class") && error.contains("`a`"), "{error}");
        assert!(of(&question, ["a", "a"]).is_err());
    }
}
