//! Eviction cycles: whether a memory full of requests holds its ages in balance, and what it completes when it does not.
//!
//! With a backlog and greedy admission a_t requests enter in iteration t such that Σ_m (s + m + 1) P(o > m) a_{t−m} = M. The
//! balance is stable exactly when all roots of F(x) = Σ_{m=0}^{o−1} (s + m + 1) P(o > m) x^{o−1−m} lie inside the unit circle;
//! outside, the residents fall into a cycle (Ao et al., arXiv 2606.15555). The largest root 1/z of F is the smallest root z of
//! G(z) = Σ_m (s + m + 1) P(o > m) zᵐ, found by counting roots inside circles (argument principle, by fast Fourier transform) and
//! then by Newton's method, at a cost of o log o; for few coefficients from the companion matrix.

use std::collections::BTreeMap;

use nalgebra::{Complex, DMatrix, Schur};

use super::few_valued;
use super::load::Load;
use super::transform::fourier;
use crate::answer::Limit;
use crate::scenario::{Admission, Preemption, Prompts, Scenario};

/// Largest degree that goes to the companion matrix.
const SMALL: usize = 12;
/// Turn of the argument along one arc that is looked at again.
const WIDE: f64 = 1.6;
/// Coefficients that may be added up for such looks, per circle.
const EVALUATIONS: usize = 8_000_000;
/// Longest transform for one circle, unless the series needs more.
const LONGEST: usize = 1 << 17;
/// Points of a circle per coefficient.
const COARSE: usize = 4;
const FINE: usize = 16;
/// Share of the requests whose ages are left out at the end of a long tail.
const TAIL: f64 = 1e-12;
/// Whole iterations in which a cycle of whole requests must close.
const WHOLE_STEPS: usize = 20_000;

/// What becomes of a saturated memory under greedy admission with preemption.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cycle {
    /// Spectral radius of the survival polynomial: above 1 the balance of ages is unstable.
    pub radius: f64,
    /// Completions per second of the balance without evictions.
    pub calm_per_s: f64,
    /// Completions per second of the cycle; none where the radius is at most 1.
    pub cycle_per_s: Option<f64>,
    /// Completions per iteration of the cycle over those of the balance.
    pub flow_ratio: Option<f64>,
}

/// The cycle of a validated scenario; none unless memory binds under greedy admission with preemption on one instance.
pub fn of(scenario: &Scenario) -> Option<Cycle> {
    if scenario.cluster.is_some() || super::boundary(scenario).binding != Limit::KvMemory {
        return None;
    }
    of_load(&Load::of(scenario))
}

/// The spectral radius where memory is limited, admission greedy and preemption on.
pub(super) fn radius_of(load: &Load) -> Option<f64> {
    let policy = &load.scenario.policy;
    let applies =
        load.memory.is_some() && policy.admission == Admission::Greedy && policy.preemption != Preemption::None;
    applies.then(|| spectral_radius(load.prompt() + load.block_waste(), &load.moments.output_survival))
}

/// Whether the balance of ages is unstable: the survival polynomial has a root outside the unit circle. One transform.
pub(super) fn is_unstable(load: &Load) -> bool {
    let series = series(load.prompt() + load.block_waste(), &load.moments.output_survival);
    if series.len() < 2 || series.windows(2).all(|pair| pair[1] <= pair[0]) {
        // Falling coefficients leave no root inside (Eneström and Kakeya).
        return false;
    }
    let coarse = Circle::on(&series, 1.0, COARSE);
    let circle = if coarse.is_lost { Circle::of(&series, 1.0) } else { coarse };
    circle.roots_inside > 0
}

fn of_load(load: &Load) -> Option<Cycle> {
    let memory = load.memory?;
    let radius = radius_of(load)?;
    let unused = super::memory::unused_greedy(load);
    let calm_flow = (memory - unused) / (load.moments.held_mean() + load.block_waste() * load.output());
    let calm_step = load.step_s(calm_flow * work(load), calm_flow * load.moments.held_mean());
    let cycle = (radius > 1.0).then(|| {
        // Where KV is dropped the cycle is a regime of the memory; under swap it is the fluid's.
        let law = few_valued::cycle_regime(load, memory).map(|regime| (regime.flow, regime.step_s));
        law.unwrap_or_else(|| {
            let mean = few_valued::mean_iteration(load);
            (mean.completed, mean.step_s)
        })
    });
    Some(Cycle {
        radius,
        calm_per_s: calm_flow / calm_step,
        cycle_per_s: cycle.map(|(flow, step_s)| flow / step_s),
        flow_ratio: cycle.map(|(flow, _)| flow / calm_flow),
    })
}

/// Tokens that a request processes, once.
fn work(load: &Load) -> f64 {
    if prompts_present(load) { load.output() } else { load.work() }
}

fn prompts_present(load: &Load) -> bool {
    load.scenario.batch_rules().prompts == Prompts::Present
}

/// Where a cycle of whole requests ends up.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeCycle {
    /// Iterations until a state comes back.
    pub period: usize,
    /// Completions per iteration.
    pub completed: f64,
    /// Evictions per iteration.
    pub evicted: f64,
    /// Requests resident, in the mean.
    pub running: f64,
    /// The states of one period, requests by age.
    pub states: Vec<Vec<u64>>,
}

/// One iteration of whole requests of one output length, all advancing by one age: then as many enter as fit, or the youngest
/// leave until the rest fits. Returns (completed, evicted).
pub fn whole_step(ages: &mut [u64], prompt: u64, memory: u64) -> (u64, u64) {
    let completed = ages.last().copied().unwrap_or(0);
    ages.rotate_right(1);
    ages[0] = 0;
    let holds = |age: usize| prompt + age as u64 + 1;
    let mut used: u64 = ages.iter().enumerate().map(|(age, count)| count * holds(age)).sum();
    if used <= memory {
        ages[0] = (memory - used) / holds(0);
        return (completed, 0);
    }
    let mut evicted = 0;
    for (age, count) in ages.iter_mut().enumerate().skip(1) {
        let leave = (*count).min((used - memory).div_ceil(holds(age)));
        *count -= leave;
        used -= leave * holds(age);
        evicted += leave;
        if used <= memory {
            break;
        }
    }
    (completed, evicted)
}

/// One iteration of whole requests: the ages before it, what it completed and what it evicted.
type WholeStep = (Vec<u64>, u64, u64);

/// Runs [`whole_step`] from a state until one comes back; none within 20 000 iterations.
pub fn whole_cycle(start: &[u64], prompt: u64, memory: u64) -> Option<WholeCycle> {
    let mut ages = start.to_vec();
    let mut seen = BTreeMap::new();
    let mut log: Vec<WholeStep> = Vec::new();
    for index in 0..WHOLE_STEPS {
        if let Some(first) = seen.insert(ages.clone(), index) {
            return Some(summed(&log[first..]));
        }
        let before = ages.clone();
        let (completed, evicted) = whole_step(&mut ages, prompt, memory);
        log.push((before, completed, evicted));
    }
    None
}

fn summed(turn: &[WholeStep]) -> WholeCycle {
    let mean = |sum: u64| sum as f64 / turn.len() as f64;
    WholeCycle {
        period: turn.len(),
        completed: mean(turn.iter().map(|step| step.1).sum()),
        evicted: mean(turn.iter().map(|step| step.2).sum()),
        running: mean(turn.iter().flat_map(|step| &step.0).sum()),
        states: turn.iter().map(|step| step.0.clone()).collect(),
    }
}

/// The spectral radius of the survival polynomial for prompts of `prompt` tokens and outputs with P(o > m) = `survival[m]`; 0
/// where there is but one age.
pub fn spectral_radius(prompt: f64, survival: &[f64]) -> f64 {
    let series = series(prompt, survival);
    match series.len() {
        0 | 1 => 0.0,
        n if n <= SMALL + 1 => companion_radius(&series).unwrap_or_else(|| 1.0 / smallest_root(&series)),
        _ => 1.0 / smallest_root(&series),
    }
}

/// (s + m + 1) P(o > m), without the end of a long tail.
fn series(prompt: f64, survival: &[f64]) -> Vec<f64> {
    let lives = survival.iter().rposition(|&above| above > TAIL).map_or(0, |last| last + 1);
    survival[..lives].iter().enumerate().map(|(age, above)| (prompt + age as f64 + 1.0) * above).collect()
}

/// The largest eigenvalue of the companion matrix of Σ series[m]·x^(n−m).
fn companion_radius(series: &[f64]) -> Option<f64> {
    let n = series.len() - 1;
    let mut matrix = DMatrix::<f64>::zeros(n, n);
    for m in 1..=n {
        matrix[(0, m - 1)] = -series[m] / series[0];
        if m < n {
            matrix[(m, m - 1)] = 1.0;
        }
    }
    let roots = Schur::try_new(matrix, 1e-14, 10_000)?.complex_eigenvalues();
    Some(roots.iter().map(|root| root.norm()).fold(0.0, f64::max))
}

/// The smallest modulus of a root of Σ c_m zᵐ with positive coefficients. All roots lie beyond min c_m/c_{m+1} (Eneström and
/// Kakeya), and one at the geometric mean (c_0/c_n)^{1/n} or nearer.
fn smallest_root(series: &[f64]) -> f64 {
    let n = series.len() - 1;
    let mut low = series.windows(2).map(|pair| pair[0] / pair[1]).fold(f64::INFINITY, f64::min);
    let mut high = (series[0] / series[n]).powf(1.0 / n as f64) * (1.0 + 1e-12);
    let mut found = high;
    for _ in 0..60 {
        if high - low <= 1e-13 * high {
            break;
        }
        let middle = 0.5 * (low + high);
        let circle = Circle::of(series, middle);
        if circle.roots_inside == 0 {
            low = middle;
        } else {
            high = middle;
        }
        found = 0.5 * (low + high);
        // Newton from where the series is smallest on the circle; accepted when no root lies further in.
        if let Some(root) = newton(series, circle.nearest)
            && (low * (1.0 - 1e-12)..=high * (1.0 + 1e-12)).contains(&root)
        {
            if Circle::of(series, root * (1.0 - 1e-9)).roots_inside == 0 {
                return root;
            }
            high = high.min(root);
        }
    }
    found
}

/// A circle around 0 and what the series does on it.
struct Circle {
    /// Roots inside, by the turns of the series' argument.
    roots_inside: i64,
    /// The point where the series is smallest for its size.
    nearest: Complex<f64>,
    /// Whether the closer looks were used up.
    is_lost: bool,
}

impl Circle {
    fn of(series: &[f64], radius: f64) -> Self {
        Self::on(series, radius, FINE)
    }

    /// On `points` points per coefficient, if a transform of that length is allowed, and closer where the argument jumps.
    fn on(series: &[f64], radius: f64, points: usize) -> Self {
        let longest = LONGEST.max((COARSE * series.len()).next_power_of_two());
        let n = (points * series.len()).next_power_of_two().min(longest);
        let values = on_circle(series, radius, n);
        let angle = |k: usize| std::f64::consts::TAU * k as f64 / n as f64;
        let least = values.iter().enumerate().min_by(|a, b| a.1.norm_sqr().total_cmp(&b.1.norm_sqr()));
        let nearest = Complex::from_polar(radius, angle(least.map_or(0, |(k, _)| k)));
        let mut budget = (EVALUATIONS / series.len()) as i64;
        let mut sum = 0.0;
        for k in 0..n {
            let ends = ((angle(k), values[k]), (angle(k + 1), values[(k + 1) % n]));
            sum += turn_along(series, radius, ends, &mut budget);
        }
        // Out of budget the circle runs among the many roots of a long tail: some of them are inside.
        let inside = if budget < 0 { 1 } else { (sum / std::f64::consts::TAU).round() as i64 };
        Self { roots_inside: inside, nearest, is_lost: budget < 0 }
    }
}

/// An angle and the series there.
type Place = (f64, Complex<f64>);

/// How far the argument turns between two places of a circle. A turn of nearly half a circle can be read either way, near a root:
/// then both halves of the arc are looked at.
fn turn_along(series: &[f64], radius: f64, (from, to): (Place, Place), budget: &mut i64) -> f64 {
    let turn = (to.1 * from.1.conj()).arg();
    if turn.abs() <= WIDE || *budget < 0 || to.0 - from.0 < 1e-14 {
        return turn;
    }
    *budget -= 1;
    let angle = 0.5 * (from.0 + to.0);
    let z = Complex::from_polar(radius, angle);
    let middle = (angle, series.iter().rev().fold(Complex::new(0.0, 0.0), |sum, &c| sum * z + c));
    turn_along(series, radius, (from, middle), budget) + turn_along(series, radius, (middle, to), budget)
}

/// The series at n equal angles, counted upwards.
fn on_circle(series: &[f64], radius: f64, n: usize) -> Vec<Complex<f64>> {
    let mut values = vec![Complex::new(0.0, 0.0); n];
    let mut power = 1.0;
    for (value, coefficient) in values.iter_mut().zip(series) {
        value.re = coefficient * power;
        power *= radius;
    }
    fourier(&mut values, true);
    values.iter_mut().for_each(|value| *value *= n as f64);
    values
}

/// The modulus of the root that Newton's method reaches from `start`.
fn newton(series: &[f64], start: Complex<f64>) -> Option<f64> {
    let mut z = start;
    for _ in 0..30 {
        let zero = Complex::new(0.0, 0.0);
        let (value, slope) =
            series.iter().rev().fold((zero, zero), |(value, slope), &c| (value * z + c, slope * z + value));
        let step = value / slope;
        if !step.re.is_finite() || !step.im.is_finite() || step.norm() > 0.5 * z.norm() {
            return None;
        }
        z -= step;
        if step.norm() < 1e-14 * z.norm() {
            return Some(z.norm());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::closed_forms::cycle_ratio;
    use crate::fluid::testing::{affine, constant, geometric, scenario, uniform, with_memory};
    use approx::assert_relative_eq;

    fn survival(output: &crate::scenario::LengthLaw) -> Vec<f64> {
        let question = scenario(1.0, constant(1), output.clone(), affine(1.0, 0.0), 10);
        crate::scenario::Moments::of(&question).output_survival
    }

    /// Oracle S6: s = 2, o = 2, M = 140 from [21, 19], every state as published.
    #[test]
    fn the_published_cycle_state_by_state() {
        let mut ages = [21, 19];
        let published = [
            [18, 21],
            [22, 18],
            [17, 22],
            [24, 17],
            [14, 24],
            [28, 14],
            [9, 28],
            [34, 9],
            [1, 34],
            [45, 1],
            [0, 35],
            [46, 0],
            [0, 35],
            [46, 0],
        ];
        let mut evictions = Vec::new();
        for state in published {
            let (_, evicted) = whole_step(&mut ages, 2, 140);
            assert_eq!(ages, state);
            evictions.push(evicted);
        }
        assert_eq!(evictions[9..], [0, 10, 0, 11, 0]);
        let cycle = whole_cycle(&[21, 19], 2, 140).unwrap();
        assert_eq!((cycle.period, cycle.completed), (2, 17.5));
        assert_eq!(cycle.states, [[0, 35], [46, 0]]);
        // 20 per step in balance: 20·3 + 20·4 = 140.
        assert_relative_eq!(cycle.completed / 20.0, cycle_ratio(2.0, 2.0));
    }

    /// The decode node of S6: 1.04987 in balance, simulated .78415 in the cycle.
    #[test]
    fn the_decode_node_of_the_oracle() {
        let mut start = vec![0; 100];
        start[0] = 20_000 / 101;
        let cycle = whole_cycle(&start, 100, 20_000).unwrap();
        let step = 1.0 + 0.002 * cycle.running;
        assert_relative_eq!(cycle.completed / step, 0.78415, max_relative = 2e-4);
        let balance = 20_000.0 / 15_050.0;
        assert_relative_eq!(balance / (1.0 + 0.002 * balance * 100.0), 1.04987, max_relative = 1e-5);
        assert_relative_eq!(cycle.completed / balance, cycle_ratio(100.0, 100.0), max_relative = 1e-9);
    }

    /// The fluid of a restart completes ⌊M/(s + o)⌋/o per iteration, whatever the law of τ.
    #[test]
    fn one_value_under_restart_in_closed_form() {
        let mut question =
            with_memory(scenario(1.0, constant(100), constant(100), affine(1.0, 0.0), 100_000), 20_000, None);
        question.policy.preemption = Preemption::Restart;
        let mean = few_valued::mean_iteration(&Load::of(&question));
        assert_relative_eq!(mean.completed, 1.0, max_relative = 2e-2);
    }

    /// Large and small polynomials agree: the circle's count against the companion matrix.
    #[test]
    fn counting_agrees_with_the_companion_matrix() {
        for output in [constant(2), constant(9), constant(40), uniform(1, 30), uniform(20, 60)] {
            for prompt in [1.0, 10.0, 300.0] {
                let lives = survival(&output);
                let series: Vec<f64> = lives
                    .iter()
                    .take_while(|above| **above > TAIL)
                    .enumerate()
                    .map(|(age, above)| (prompt + age as f64 + 1.0) * above)
                    .collect();
                let matrix = companion_radius(&series).unwrap();
                assert_relative_eq!(1.0 / smallest_root(&series), matrix, max_relative = 1e-7);
            }
        }
        // One root by hand: 3x + 4 = 0.
        assert_relative_eq!(spectral_radius(2.0, &[1.0, 1.0]), 4.0 / 3.0, max_relative = 1e-12);
    }

    /// The radius says what the linear recursion does: a disturbance grows at that rate, or dies at least as fast. (Of a geometric
    /// law a smooth one dies at s(1 − p)/(s + 1) already; the roots at 1 − p belong to the ages one by one.)
    #[test]
    fn the_radius_is_the_growth_of_a_disturbance() {
        for (prompt, output) in
            [(100.0, uniform(1, 199)), (100.0, constant(1000)), (5.0, geometric(100.0)), (400.0, geometric(100.0))]
        {
            let lives = survival(&output);
            let radius = spectral_radius(prompt, &lives);
            let series: Vec<f64> =
                lives.iter().enumerate().map(|(age, above)| (prompt + age as f64 + 1.0) * above).collect();
            let mut entered = vec![1.0_f64];
            for t in 1..12_000_usize {
                let reach = t.min(series.len() - 1);
                let sum: f64 = (1..=reach).map(|m| series[m] * entered[t - m]).sum();
                entered.push(-sum / series[0]);
                if entered[t].abs() > 1e200 || entered[t].abs() < 1e-200 && entered[t - 1].abs() < 1e-200 {
                    break;
                }
            }
            let largest = |range: std::ops::Range<usize>| entered[range].iter().map(|x| x.abs()).fold(0.0, f64::max);
            let n = entered.len();
            let (from, to) = (n / 2, n - n / 8);
            let width = n / 8;
            let growth = (largest(to..to + width) / largest(from..from + width)).ln() / (to - from) as f64;
            if radius > 1.0 {
                assert_relative_eq!(growth, radius.ln(), epsilon = 3e-4);
            } else {
                assert!(growth <= radius.ln() + 3e-4, "{growth} {radius}");
            }
        }
    }
}
