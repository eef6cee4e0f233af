//! How a routing rule shares traffic among unlike instances below their boundary.
//!
//! Rules that look keep what they look at equal: requests in the instance (join the shortest queue; outstanding tokens are in
//! proportion to them, since all get the same mix), or outstanding tokens times seconds per token (shortest expected delay). An
//! instance whose slots are fewer than the common level is full and has a queue, long before all are full.

use statrs::function::erf::erfc;

use super::super::root;
use super::pool::{Capacity, Pool};
use crate::cost::mean_step_s;
use crate::scenario::{Routing, StepTimeLaw};

/// A full instance gets this share of its boundary, so that it has a state.
const NEARLY: f64 = 0.9999;

/// What one instance of a part gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given {
    pub rate: f64,
    /// What the router keeps it at, among unlike instances.
    pub level: Option<Kept>,
}

/// The requests in an instance that a router keeps level with unlike others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    /// By the mean field, and their variance.
    pub number: f64,
    pub variance: f64,
    /// Whether its kind fills up last, so that near λ* requests wait for it and not for others.
    pub last: bool,
}

/// What one instance of each part gets when `rate` requests per second arrive.
pub(super) fn given(pool: &Pool, capacity: &Capacity, rate: f64) -> Vec<Given> {
    let share = |index: usize| -> f64 { capacity.mixes[index].iter().sum() };
    let even = |index: usize| Given { rate: rate * share(index), level: None };
    let mut found: Vec<Given> = (0..pool.parts.len()).map(even).collect();
    if pool.is_blind() {
        return found;
    }
    for (members, complete) in pool.islands() {
        let flow: f64 = members.iter().map(|&index| pool.parts[index].count as f64 * found[index].rate).sum();
        if !complete || members.len() < 2 {
            continue;
        }
        let levels: Vec<Level> = members.iter().map(|&index| Level::of(pool, capacity, index)).collect();
        if flow >= levels.iter().map(|level| level.count * level.boundary).sum::<f64>() {
            continue;
        }
        let numbers = match pool.draws() {
            Some(draws) => of_draws(&levels, draws, flow),
            None => equal(&levels, flow),
        };
        // What all fluctuate by together; of few draws each fluctuates for itself.
        let together = if pool.draws().is_some() { 1.0 } else { levels.iter().map(|level| level.count).sum() };
        let full = |level: &Level| level.own + level.per_request * level.slots;
        let highest = levels.iter().map(full).fold(0.0, f64::max);
        for ((&index, level), number) in members.iter().zip(&levels).zip(numbers) {
            let rate = level.rate(number).clamp(1e-6 * level.boundary, NEARLY * level.boundary);
            let variance = level.variance(number) / together + 0.25;
            found[index] = Given { rate, level: Some(Kept { number, variance, last: full(level) >= highest }) };
        }
    }
    found
}

/// What a router sees of an instance.
struct Level {
    count: f64,
    boundary: f64,
    slots: f64,
    law: StepTimeLaw,
    output: f64,
    work: f64,
    held: f64,
    /// Height = per_request·N + own.
    per_request: f64,
    own: f64,
}

impl Level {
    fn of(pool: &Pool, capacity: &Capacity, index: usize) -> Self {
        let part = pool.parts[index].under(&capacity.mixes[index]);
        let load = part.load(0.0);
        let (per_request, own) = match pool.routing {
            Routing::ShortestExpectedDelay | Routing::Milp => {
                let scenario = &part.scenario;
                let full = scenario.instance.max_batch_tokens.unwrap_or(scenario.sequence_cap()) as f64;
                let speed = mean_step_s(&scenario.step_time, full, 0.0) / full;
                let left = load.moments.raw(0, 2) / (2.0 * load.output());
                (speed * left, speed * load.work())
            }
            _ => (1.0, 0.0),
        };
        Self {
            count: part.count as f64,
            boundary: capacity.each[index],
            slots: load.cap,
            law: load.law().clone(),
            output: load.output(),
            work: load.work(),
            held: load.moments.held_mean(),
            per_request,
            own,
        }
    }

    /// λ that keeps N requests there: N/(E\[o\]·τ) with the tokens and the context that N residents bring, in proportion to the
    /// boundary; of one request at a time that of an M/M/1 queue.
    fn rate(&self, number: f64) -> f64 {
        if self.slots <= 1.0 {
            return self.boundary * number / (1.0 + number);
        }
        let alone = |n: f64| {
            let flow = n / self.output;
            flow / mean_step_s(&self.law, (flow * self.work).max(1.0), flow * self.held)
        };
        self.boundary * alone(number.clamp(1e-9, self.slots)) / alone(self.slots)
    }

    fn number(&self, height: f64) -> f64 {
        ((height - self.own) / self.per_request).max(0.0)
    }

    /// Var N of an instance alone: N/(1 − e), 1/(1 − e) the growth of N with λ.
    fn variance(&self, number: f64) -> f64 {
        let n = number.min(self.slots);
        let growth = (self.rate(1.01 * n) / self.rate(0.99 * n).max(f64::MIN_POSITIVE)).ln() / (1.01_f64 / 0.99).ln();
        if n < 0.98 * self.slots { n / growth.clamp(0.02, 1.0) } else { n }
    }
}

/// The numbers at which all heights are equal and the instances take `flow` together.
fn equal(levels: &[Level], flow: f64) -> Vec<f64> {
    let inflow = |height: f64| levels.iter().map(|level| level.count * level.rate(level.number(height))).sum::<f64>();
    let top = |level: &Level| level.own + level.per_request * if level.slots <= 1.0 { 1e6 } else { level.slots };
    let top = levels.iter().map(top).fold(0.0, f64::max);
    let height = root::narrow(|height| inflow(height) - flow, 0.0, top, 1e-9).map_or(top, |bracket| bracket.middle());
    levels.iter().map(|level| level.number(height)).collect()
}

/// Join the shortest of d drawn: numbers in the instances are taken as normal with a variance like their mean; an instance that is
/// drawn gets the request when its number is the least. The numbers move until what comes is what the instances complete.
fn of_draws(levels: &[Level], draws: f64, flow: f64) -> Vec<f64> {
    let count: f64 = levels.iter().map(|level| level.count).sum();
    let mut numbers = equal(levels, flow);
    for _ in 0..300 {
        let chosen: Vec<f64> = (0..levels.len()).map(|own| least_of(levels, &numbers, own, draws, count)).collect();
        let total: f64 = chosen.iter().zip(levels).map(|(p, level)| p * level.count).sum();
        for ((number, p), level) in numbers.iter_mut().zip(&chosen).zip(levels) {
            let gap = flow * p / total - level.rate(*number);
            *number = (*number + 0.2 * number.max(1.0) * gap / level.boundary).max(1e-3);
        }
    }
    numbers
}

/// How often an instance of kind `own` has the least number of those drawn with it, up to a factor.
fn least_of(levels: &[Level], numbers: &[f64], own: usize, draws: f64, count: f64) -> f64 {
    let above = |x: f64, number: f64| 0.5 * erfc((x - number) / (2.0 * number.max(0.25)).sqrt());
    let mut sum = 0.0;
    for cell in -20..=20 {
        let z = 0.2 * f64::from(cell);
        let x = numbers[own] + z * numbers[own].max(0.25).sqrt();
        let others: f64 = levels
            .iter()
            .zip(numbers)
            .enumerate()
            .map(|(kind, (level, &number))| (level.count - if kind == own { 1.0 } else { 0.0 }) * above(x, number))
            .sum();
        sum += (-0.5 * z * z).exp() * (others / (count - 1.0).max(1.0)).powf(draws - 1.0);
    }
    sum
}
