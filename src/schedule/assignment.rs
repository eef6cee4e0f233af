//! Which instances a batch of requests goes to, so that the longest load is shortest: makespan minimisation on unrelated
//! machines with loads that are there already, as an integer program.
//!
//! ```text
//! minimise T  over x_ij ∈ {0, 1}:  Σ_j x_ij = 1 for every request i,   load_j + Σ_i work_ij x_ij ≤ T for every instance j
//! ```
//!
//! The program is solved by branch and bound (microlp), started from longest processing time first (Graham, "Bounds on
//! multiprocessing timing anomalies", 1969). It takes at most [`MOST_REQUESTS`] requests and [`MOST_CELLS`] pairs; the longest
//! requests of a larger batch are assigned by it, the others behind them greedily. The search stops after [`MOST_NODES`] nodes,
//! never by the clock, so that the same batch is always assigned in the same way; what it has found by then stands, if it is
//! better than the greedy assignment. Ties go to the first request and the first instance.

use std::cmp::Ordering;

use microlp::{ComparisonOp, LinearExpr, OptimizationDirection, Problem, SolveOptions, Variable};

use super::routing::View;

/// Most requests in one integer program.
pub const MOST_REQUESTS: usize = 40;
/// Most pairs of a request and an instance in one integer program.
pub const MOST_CELLS: usize = 400;
/// Most nodes of one search.
pub const MOST_NODES: u64 = 200;
/// A longest load that is shorter by less than this share counts as the same.
const SAME: f64 = 1e-9;

/// The instance of every request; none for one that no instance serves. `work_s[i][j]` is the time that request i takes of
/// instance j in seconds, infinite where j does not serve it; `load_s[j]` the time that j is busy without the batch.
#[must_use]
pub fn assign(work_s: &[Vec<f64>], load_s: &[f64]) -> Vec<Option<usize>> {
    let order = longest_first(work_s);
    let mut assigned = vec![None; work_s.len()];
    let mut load = load_s.to_vec();
    let most = MOST_REQUESTS.min(MOST_CELLS / load_s.len().max(1));
    let (exact, rest) = order.split_at(most.min(order.len()));
    place_greedily(work_s, exact, &mut load, &mut assigned);
    let greedy = longest(&load);
    if greedy > lower_bound(work_s, exact, load_s) * (1.0 + SAME)
        && let Some(better) = solve(work_s, exact, load_s, &assigned, greedy)
    {
        let loads = loads_of(work_s, &better, load_s);
        if longest(&loads) < greedy * (1.0 - SAME) {
            (assigned, load) = (better, loads);
        }
    }
    place_greedily(work_s, rest, &mut load, &mut assigned);
    assigned
}

/// The same from what a router sees of the instances, for requests of so many `tokens` each.
#[must_use]
pub fn assign_seen(instances: &[View], tokens: &[i64]) -> Vec<Option<usize>> {
    let seconds = |view: &View, tokens: i64| tokens as f64 * view.s_per_token;
    let work = |tokens: &i64| {
        let on = |view: &View| if view.serves { seconds(view, *tokens) } else { f64::INFINITY };
        instances.iter().map(on).collect()
    };
    let work_s: Vec<Vec<f64>> = tokens.iter().map(work).collect();
    let load_s: Vec<f64> = instances.iter().map(|view| seconds(view, view.outstanding_tokens)).collect();
    assign(&work_s, &load_s)
}

/// The longest load after an assignment, in seconds.
#[must_use]
pub fn longest_load_s(work_s: &[Vec<f64>], load_s: &[f64], assigned: &[Option<usize>]) -> f64 {
    longest(&loads_of(work_s, assigned, load_s))
}

fn loads_of(work_s: &[Vec<f64>], assigned: &[Option<usize>], load_s: &[f64]) -> Vec<f64> {
    let mut load = load_s.to_vec();
    for (work, instance) in work_s.iter().zip(assigned) {
        if let Some(instance) = *instance {
            load[instance] += work[instance];
        }
    }
    load
}

fn longest(load: &[f64]) -> f64 {
    load.iter().copied().fold(0.0, f64::max)
}

/// The time on its fastest instance.
fn shortest_work(work: &[f64]) -> f64 {
    work.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The requests that some instance serves, the longest first.
fn longest_first(work_s: &[Vec<f64>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..work_s.len()).filter(|&i| shortest_work(&work_s[i]).is_finite()).collect();
    order.sort_by(|&left, &right| shortest_work(&work_s[right]).total_cmp(&shortest_work(&work_s[left])));
    order
}

/// Every request to the instance that would be free first with it.
fn place_greedily(work_s: &[Vec<f64>], requests: &[usize], load: &mut [f64], assigned: &mut [Option<usize>]) {
    for &request in requests {
        let work = &work_s[request];
        let after = |instance: &usize| load[*instance] + work[*instance];
        let compare = |left: &usize, right: &usize| -> Ordering { after(left).total_cmp(&after(right)) };
        if let Some(instance) = (0..load.len()).min_by(compare) {
            load[instance] += work[instance];
            assigned[request] = Some(instance);
        }
    }
}

/// No assignment has a shorter longest load: neither than the longest load that is there, nor than a request alone, nor than
/// the mean with every request on its fastest instance.
fn lower_bound(work_s: &[Vec<f64>], requests: &[usize], load_s: &[f64]) -> f64 {
    let alone = |request: &usize| {
        let ends = work_s[*request].iter().zip(load_s).map(|(work, load)| work + load);
        ends.fold(f64::INFINITY, f64::min)
    };
    let work: f64 = requests.iter().map(|&request| shortest_work(&work_s[request])).sum();
    let mean = (work + load_s.iter().sum::<f64>()) / load_s.len() as f64;
    requests.iter().map(alone).fold(longest(load_s).max(mean), f64::max)
}

/// The assignment that the search finds; none when it fails. Times are counted in units of the greedy longest load.
fn solve(
    work_s: &[Vec<f64>],
    requests: &[usize],
    load_s: &[f64],
    start: &[Option<usize>],
    greedy: f64,
) -> Option<Vec<Option<usize>>> {
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let end = problem.add_var(1.0, (longest(load_s) / greedy, 1.0));
    let mut totals: Vec<LinearExpr> = load_s.iter().map(|_| LinearExpr::empty()).collect();
    let mut pairs: Vec<(usize, usize, Variable)> = Vec::new();
    let mut hint = vec![(end, 1.0)];
    for &request in requests {
        let mut once = LinearExpr::empty();
        for (instance, &work) in work_s[request].iter().enumerate() {
            if load_s[instance] + work > greedy {
                continue;
            }
            let pair = problem.add_integer_var(0.0, (0, 1));
            once.add(pair, 1.0);
            totals[instance].add(pair, work / greedy);
            hint.push((pair, f64::from(u8::from(start[request] == Some(instance)))));
            pairs.push((request, instance, pair));
        }
        problem.add_constraint(once, ComparisonOp::Eq, 1.0);
    }
    for (mut total, load) in totals.into_iter().zip(load_s) {
        total.add(end, -1.0);
        problem.add_constraint(total, ComparisonOp::Le, -load / greedy);
    }
    let mut options = SolveOptions::default();
    options.node_limit = Some(MOST_NODES);
    options.warm_start = Some(hint);
    let solution = problem.solve_with(options).ok()?.into_solution().ok()?;
    let mut assigned = vec![None; work_s.len()];
    for (request, instance, pair) in pairs {
        if solution.var_value(pair) > 0.5 {
            assigned[request] = Some(instance);
        }
    }
    requests.iter().all(|&request| assigned[request].is_some()).then_some(assigned)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// The shortest longest load over all assignments.
    fn brute_force(work_s: &[Vec<f64>], load: &mut Vec<f64>, request: usize) -> f64 {
        if request == work_s.len() {
            return longest(load);
        }
        let mut best = f64::INFINITY;
        for instance in 0..load.len() {
            let before = load[instance];
            load[instance] += work_s[request][instance];
            best = best.min(brute_force(work_s, load, request + 1));
            load[instance] = before;
        }
        best
    }

    fn batch(rng: &mut ChaCha8Rng, requests: usize, instances: usize, identical: bool) -> (Vec<Vec<f64>>, Vec<f64>) {
        let work = |rng: &mut ChaCha8Rng| f64::from(rng.random_range(1..=60_u32)) / 7.0;
        let rows = (0..requests).map(|_| {
            if identical {
                return vec![work(rng); instances];
            }
            let mut row: Vec<f64> = (0..instances).map(|_| work(rng)).collect();
            let only = rng.random_range(0..instances);
            for (instance, work) in row.iter_mut().enumerate() {
                if instance != only && rng.random_bool(0.2) {
                    *work = f64::INFINITY;
                }
            }
            row
        });
        let rows = rows.collect();
        let loads = (0..instances).map(|_| if rng.random_bool(0.5) { work(rng) } else { 0.0 }).collect();
        (rows, loads)
    }

    #[test]
    fn small_batches_are_assigned_as_well_as_they_can_be() {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let mut improved = 0;
        for case in 0..300 {
            let (requests, instances) = (rng.random_range(1..=7), rng.random_range(1..=4));
            let (work, load) = batch(&mut rng, requests, instances, case % 2 == 0);
            let found = longest_load_s(&work, &load, &assign(&work, &load));
            let best = brute_force(&work, &mut load.clone(), 0);
            assert!((found - best).abs() <= 1e-9 * best, "case {case}: {found} against {best}");
            let mut greedy = load.clone();
            place_greedily(&work, &longest_first(&work), &mut greedy, &mut vec![None; requests]);
            improved += u32::from(longest(&greedy) > best * 1.001);
        }
        assert!(improved > 40, "the greedy assignment was worse only {improved} times");
    }

    /// Graham's example, on which the greedy assignment takes (4m − 1)/(3m) of the optimum: 11 against 9 on 3 machines.
    #[test]
    fn the_worst_case_of_greedy_is_mended() {
        let work: Vec<Vec<f64>> = [5.0, 5.0, 4.0, 4.0, 3.0, 3.0, 3.0].into_iter().map(|w| vec![w; 3]).collect();
        let assigned = assign(&work, &[0.0; 3]);
        assert_eq!(longest_load_s(&work, &[0.0; 3], &assigned), 9.0);
    }

    #[test]
    fn large_batches_are_assigned_too_and_always_in_the_same_way() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for (requests, instances) in [(300, 4), (60, 16), (50, 1000), (12, 5)] {
            let (work, load) = batch(&mut rng, requests, instances, true);
            let assigned = assign(&work, &load);
            assert!(assigned.iter().all(Option::is_some));
            assert_eq!(assigned, assign(&work, &load));
            let mut greedy = load.clone();
            place_greedily(&work, &longest_first(&work), &mut greedy, &mut vec![None; requests]);
            assert!(longest_load_s(&work, &load, &assigned) <= longest(&greedy) * (1.0 + SAME));
        }
    }

    /// A slow instance gets the short request, one that does not serve the model none.
    #[test]
    fn what_a_router_sees_is_enough() {
        let view =
            |outstanding_tokens, s_per_token, serves| View { requests: 0, outstanding_tokens, s_per_token, serves };
        let instances = [view(0, 3.0, true), view(0, 1.0, false), view(50, 1.0, true)];
        assert_eq!(assign_seen(&instances, &[100, 40]), [Some(2), Some(0)]);
    }

    #[test]
    fn requests_that_nobody_serves_stay_unassigned() {
        let work = vec![vec![f64::INFINITY; 2], vec![f64::INFINITY, 2.0], vec![1.0, 1.0]];
        assert_eq!(assign(&work, &[0.0, 0.0]), [None, Some(1), Some(0)]);
        assert_eq!(assign(&[], &[1.0]), []);
    }
}
