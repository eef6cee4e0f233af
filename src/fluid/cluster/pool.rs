//! Instances behind a router: λ* of all of them, and how the traffic is shared below it.
//!
//! Instances with the same classes form an island: a request of the island can go to any of its instances. Where instances share
//! some classes and not others, what a rule that balances can reach is bounded by a linear program over the split of each class.

use microlp::{ComparisonOp, LinearExpr, OptimizationDirection, Problem};

use super::super::{instance, limits};
use super::effect;
use super::part::Part;
use super::split;
use super::wait;
use crate::answer::{Boundary, FluidSolution, Limit, Method, Verdict};
use crate::scenario::{Cluster, Routing, Workload};
use crate::schedule::capacity::capacity;
use crate::schedule::routing::Router;

/// Instances, the rule that shares requests out to them, and the traffic.
pub(super) struct Pool {
    pub parts: Vec<Part>,
    pub routing: Routing,
    pub choices: Option<u64>,
    pub window_s: Option<f64>,
    /// Share of every class in the traffic.
    pub classes: Vec<f64>,
    /// Squared cv of the times between the arrivals at the router.
    pub arrivals: f64,
}

/// What all instances can take together.
pub(super) struct Capacity {
    pub boundary: Boundary,
    /// By part: what one of its instances takes at the boundary, as a share of all requests, class by class.
    pub mixes: Vec<Vec<f64>>,
    /// By part: λ* of one of its instances under its mix.
    pub each: Vec<f64>,
    pub notes: Vec<String>,
}

impl Pool {
    pub fn new(parts: Vec<Part>, cluster: &Cluster, routing: Routing, workload: &Workload) -> Self {
        let rates = workload.class_rates();
        let total: f64 = rates.iter().sum();
        let replayed = workload.trace.is_some();
        Self {
            parts: parts.into_iter().filter(|part| part.count > 0).collect(),
            routing,
            choices: cluster.choices,
            window_s: cluster.window_s,
            classes: rates.iter().map(|rate| rate / total).collect(),
            arrivals: if replayed { 1.0 } else { workload.dispersion_limit() },
        }
    }

    pub fn instances(&self) -> f64 {
        self.parts.iter().map(|part| part.count as f64).sum()
    }

    /// d, of a rule that looks at fewer than all instances.
    pub fn draws(&self) -> Option<f64> {
        let draws = self.choices.unwrap_or(Router::CHOICES) as f64;
        (self.routing == Routing::PowerOfD && draws < self.instances()).then_some(draws)
    }

    /// Whether it looks at none.
    pub fn is_blind(&self) -> bool {
        matches!(self.routing, Routing::RoundRobin | Routing::Random)
    }

    /// By part and class: every class is split equally over the instances that serve it.
    fn equal_split(&self) -> Vec<Vec<f64>> {
        let serving = |class: usize| -> f64 {
            self.parts.iter().filter(|part| part.serves[class]).map(|part| part.count as f64).sum()
        };
        let share = |part: &Part, class: usize| {
            if part.serves[class] { self.classes[class] / serving(class) } else { 0.0 }
        };
        self.parts.iter().map(|part| (0..self.classes.len()).map(|class| share(part, class)).collect()).collect()
    }

    /// Groups of parts that share classes, and whether every part of a group serves all classes of it.
    pub fn islands(&self) -> Vec<(Vec<usize>, bool)> {
        let mut islands: Vec<(Vec<usize>, Vec<bool>)> = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            let (mut members, mut serves) = (vec![index], part.serves.clone());
            islands.retain(|(others, theirs)| {
                let meet = theirs.iter().zip(&part.serves).any(|(a, b)| *a && *b);
                if meet {
                    members.extend(others);
                    serves.iter_mut().zip(theirs).for_each(|(a, b)| *a |= *b);
                }
                !meet
            });
            islands.push((members, serves));
        }
        let complete = |(members, serves): (Vec<usize>, Vec<bool>)| {
            let all = members.iter().all(|&index| self.parts[index].serves == serves);
            (members, all)
        };
        islands.into_iter().map(complete).collect()
    }

    pub fn capacity(&self) -> Capacity {
        self.capacity_by(&|part| limits(&part.load(0.0)).2)
    }

    /// λ* of all from those of the instances, each alone with what it serves.
    pub fn capacity_by(&self, alone: &dyn Fn(&Part) -> Boundary) -> Capacity {
        let mut mixes = self.equal_split();
        let solve = |mix: &[f64], part: &Part| alone(&part.under(mix));
        if self.is_blind() {
            let each: Vec<Boundary> = mixes.iter().zip(&self.parts).map(|(mix, part)| solve(mix, part)).collect();
            return Self::of_slowest(&each, mixes);
        }
        let mut boundaries: Vec<Option<Boundary>> = vec![None; self.parts.len()];
        let mut least: Option<(f64, Vec<usize>, Method)> = None;
        for (members, complete) in self.islands() {
            let (rate, method) = if complete {
                self.complete(&members, &mut mixes, &mut boundaries, &solve)
            } else {
                (self.incomplete(&members, &mut mixes, &solve), Method::Approximation)
            };
            for &index in &members {
                boundaries[index].get_or_insert_with(|| solve(&mixes[index], &self.parts[index]));
            }
            if least.as_ref().is_none_or(|other| rate < other.0) {
                least = Some((rate, members, method));
            }
        }
        let boundaries: Vec<Boundary> = boundaries.into_iter().flatten().collect();
        self.of_island(least, &boundaries, mixes)
    }

    /// An island in which every instance serves every class.
    fn complete(
        &self,
        members: &[usize],
        mixes: &mut [Vec<f64>],
        boundaries: &mut [Option<Boundary>],
        solve: &dyn Fn(&[f64], &Part) -> Boundary,
    ) -> (f64, Method) {
        let serves = &self.parts[members[0]].serves;
        let traffic: f64 = self.classes.iter().zip(serves).filter(|pair| *pair.1).map(|pair| pair.0).sum();
        let mut each = Vec::new();
        let mut method = Method::Exact;
        for &index in members {
            let boundary = solve(&mixes[index], &self.parts[index]);
            each.push((self.parts[index].count, boundary.low_per_s));
            if boundary.method != Method::Exact {
                method = boundary.method;
            }
            boundaries[index] = Some(boundary);
        }
        let rate = capacity(self.routing, self.choices, &each) / traffic;
        let sum: f64 = each.iter().map(|one| one.0 as f64 * one.1).sum();
        for (&index, one) in members.iter().zip(&each) {
            let share = traffic * one.1 / sum;
            let old: f64 = mixes[index].iter().sum();
            mixes[index].iter_mut().for_each(|part| *part *= share / old);
        }
        (rate, method)
    }

    /// The most that any split of the classes can carry: maximise t where class c brings f_c·t, an instance of part i takes x_ci of
    /// it, and Σ_c x_ci/λ*_ci ≤ 1 with λ*_ci the boundary of class c alone on it.
    fn incomplete(&self, members: &[usize], mixes: &mut [Vec<f64>], solve: &dyn Fn(&[f64], &Part) -> Boundary) -> f64 {
        let mut problem = Problem::new(OptimizationDirection::Maximize);
        let total = problem.add_var(1.0, (0.0, f64::INFINITY));
        let mut split = Vec::new();
        for (class, &share) in self.classes.iter().enumerate() {
            let mut balance = LinearExpr::empty();
            for &index in members.iter().filter(|&&index| self.parts[index].serves[class]) {
                let mut alone = vec![0.0; self.classes.len()];
                alone[class] = 1.0;
                let rate = solve(&alone, &self.parts[index]).low_per_s;
                let x = problem.add_var(0.0, (0.0, f64::INFINITY));
                balance.add(x, self.parts[index].count as f64);
                split.push((index, class, x, 1.0 / rate));
            }
            if members.iter().any(|&index| self.parts[index].serves[class]) {
                balance.add(total, -share);
                problem.add_constraint(balance, ComparisonOp::Eq, 0.0);
            }
        }
        for &index in members {
            let mut work = LinearExpr::empty();
            split.iter().filter(|one| one.0 == index).for_each(|one| work.add(one.2, one.3));
            problem.add_constraint(work, ComparisonOp::Le, 1.0);
        }
        let Some(solution) = problem.solve().ok().and_then(|outcome| outcome.into_solution().ok()) else { return 0.0 };
        let best = solution.var_value(total);
        for &(index, class, x, _) in &split {
            mixes[index][class] = solution.var_value(x) / best;
        }
        best
    }

    /// Rules that do not look: the instance that is full first decides.
    fn of_slowest(each: &[Boundary], mixes: Vec<Vec<f64>>) -> Capacity {
        let shares: Vec<f64> = mixes.iter().map(|mix| mix.iter().sum()).collect();
        let factor = |index: usize| 1.0 / shares[index];
        let mut order: Vec<usize> = (0..each.len()).collect();
        order.sort_by(|&a, &b| (each[a].low_per_s * factor(a)).total_cmp(&(each[b].low_per_s * factor(b))));
        let first = order[0];
        let mut notes = Vec::new();
        if let Some(last) = order.last().filter(|_| each.len() > 1)
            && each[*last].low_per_s * factor(*last) > 1.001 * each[first].low_per_s * factor(first)
        {
            notes.push(format!(
                "Every instance gets its share whatever it can do: kind {} of {} is full first, when the last is still at {:.2} of its boundary",
                first + 1,
                each.len(),
                each[first].low_per_s * factor(first) / (each[*last].low_per_s * factor(*last))
            ));
        }
        let high = (0..each.len()).map(|index| each[index].high_per_s * factor(index)).fold(f64::INFINITY, f64::min);
        let mut boundary = scaled(&each[first], factor(first));
        boundary.high_per_s = high.max(boundary.low_per_s);
        Capacity { boundary, mixes, each: each.iter().map(|one| one.low_per_s).collect(), notes }
    }

    fn of_island(&self, least: Option<(f64, Vec<usize>, Method)>, each: &[Boundary], mixes: Vec<Vec<f64>>) -> Capacity {
        let (rate, members, method) = least.unwrap_or((0.0, vec![0], Method::Approximation));
        let slowest = members.iter().copied().min_by(|&a, &b| each[a].low_per_s.total_cmp(&each[b].low_per_s));
        let first = &each[slowest.unwrap_or(0)];
        let mut boundary = scaled(first, rate / first.low_per_s);
        boundary.method = method;
        let mut notes = Vec::new();
        if self.parts.len() > 1 {
            boundary.runner_up = None;
        }
        if members.iter().any(|&index| self.parts[index].serves != self.parts[members[0]].serves) {
            notes.push(
                "Instances share some models and not others: λ* is the bound of the best possible split of every class, which the routing rule may not reach"
                    .into(),
            );
        }
        Capacity { boundary, mixes, each: each.iter().map(|one| one.low_per_s).collect(), notes }
    }

    /// The parts at λ, each with what one instance gets.
    pub fn solve(&self, capacity: &Capacity, rate: f64) -> Vec<(FluidSolution, f64)> {
        self.parts
            .iter()
            .zip(&capacity.mixes)
            .zip(split::given(self, capacity, rate))
            .map(|((part, mix), given)| {
                let part = part.under(mix);
                let mut load = part.load(given.rate);
                load.served_per_s *= 1.0 - load.moments.rejected;
                let level = given.level.map(|level| wait::at_level(&load, level));
                load.routed = match level {
                    Some((wait, _)) => Some(wait),
                    None => wait::routed(self, &load),
                };
                let effect = effect::of(self, &load);
                let mut solution = instance(&load);
                if let Some(effect) = effect.filter(|_| solution.verdict == Verdict::Stable) {
                    effect.on(&mut solution.summary, load.served_per_s, load.output() - 1.0);
                }
                if let Some((_, Some(later))) = level {
                    later.on(&mut solution.summary, load.served_per_s);
                }
                (solution, given.rate)
            })
            .collect()
    }
}

/// The boundary of `factor` like instances.
fn scaled(one: &Boundary, factor: f64) -> Boundary {
    Boundary {
        high_per_s: one.high_per_s * factor,
        low_per_s: one.low_per_s * factor,
        bracket_per_s: (one.bracket_per_s.0 * factor, one.bracket_per_s.1 * factor),
        runner_up: one.runner_up.map(|(limit, rate): (Limit, f64)| (limit, rate * factor)),
        ..*one
    }
}
