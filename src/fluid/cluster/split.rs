//! How a routing rule shares traffic among unlike instances below their boundary.
//!
//! Rules that look keep what they look at equal: requests in the instance (join the shortest queue; outstanding tokens are in
//! proportion to them, since all get the same mix), or outstanding tokens times seconds per token (shortest expected delay).

use super::super::load::Load;
use super::super::root;
use super::super::single;
use super::pool::{Capacity, Pool};
use crate::cost::mean_step_s;
use crate::scenario::Routing;

/// λ of one instance of each part when `rate` requests per second arrive.
pub(super) fn rates(pool: &Pool, capacity: &Capacity, rate: f64) -> Vec<f64> {
    let share = |index: usize| -> f64 { capacity.mixes[index].iter().sum() };
    let mut found: Vec<f64> = (0..pool.parts.len()).map(|index| rate * share(index)).collect();
    if !pool.looks() {
        return found;
    }
    for (members, complete) in pool.islands() {
        if !complete || members.len() < 2 {
            continue;
        }
        let flow: f64 = members.iter().map(|&index| pool.parts[index].count as f64 * found[index]).sum();
        let levels: Vec<Level> = members.iter().map(|&index| Level::of(pool, capacity, index)).collect();
        if flow >= levels.iter().map(|level| level.count * level.boundary).sum::<f64>() {
            continue;
        }
        let inflow = |height: f64| levels.iter().map(|level| level.count * level.rate_at(height)).sum::<f64>();
        let top = levels.iter().map(|level| level.height(0.999_999 * level.boundary)).fold(1.0, f64::max);
        let Some(height) = root::narrow(|height| inflow(height) - flow, 0.0, top, 1e-9) else { continue };
        for (&index, level) in members.iter().zip(&levels) {
            found[index] = level.rate_at(height.middle());
        }
    }
    found
}

/// What a router sees of an instance, as a function of its λ.
struct Level {
    count: f64,
    boundary: f64,
    /// Seconds of an idle instance's iteration and what the flow adds: τ = base/(1 − λ·per_request) for an affine law.
    residents: Box<dyn Fn(f64) -> f64>,
    slots: f64,
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
            residents: residents(&load),
            slots: load.cap,
            per_request,
            own,
        }
    }

    /// Mean requests there: residents and, by Sakasegawa's formula (1977), those who wait.
    fn height(&self, rate: f64) -> f64 {
        let rho = rate / self.boundary;
        let waiting = rho.powf((2.0 * (self.slots + 1.0)).sqrt()) / (1.0 - rho);
        self.own + self.per_request * ((self.residents)(rate) + waiting)
    }

    fn rate_at(&self, height: f64) -> f64 {
        if height <= self.own {
            return 0.0;
        }
        root::narrow(|rate| self.height(rate) - height, 0.0, 0.999_999_9 * self.boundary, 1e-9)
            .map_or(0.999_999_9 * self.boundary, |bracket| bracket.middle())
    }
}

/// Mean residents by the mean field, N = λ·E\[o\]·τ with τ the iteration that λ itself fills.
fn residents(load: &Load) -> Box<dyn Fn(f64) -> f64> {
    if load.cap <= 1.0 {
        let mean = single::service(load).mean_s;
        return Box::new(move |rate| rate * mean);
    }
    let (law, output, work, held) = (load.law().clone(), load.output(), load.work(), load.moments.held_mean());
    let cap = load.cap;
    Box::new(move |rate| {
        let mut step = mean_step_s(&law, 1.0, 0.0);
        for _ in 0..60 {
            let next = mean_step_s(&law, (rate * step * work).max(1.0), rate * step * held);
            let near = (next - step).abs() < 1e-10 * next;
            step = next;
            if near || rate * output * step > cap {
                break;
            }
        }
        (rate * output * step).min(cap)
    })
}
