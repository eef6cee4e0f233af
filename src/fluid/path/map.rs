//! The fluid as a map from one iteration to the next, on ages of one token: the reference form. Moving every age by one token
//! per iteration is exact, stopping at a limit is exact, and few-valued output laws keep their cohorts.

use super::ages::Cut;
use super::instance::{Inflow, Instance, Outcome};
use super::turn::Turn;
use crate::fluid::load::Load;
use crate::scenario::{Mixing, Preemption, Priority};

/// Requests below which a batch has ended.
const NOBODY: f64 = 1e-12;

/// What one iteration of the map did.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(in crate::fluid) struct Iteration {
    pub running: f64,
    pub prefilling: f64,
    pub entering: f64,
    pub swapped: f64,
    pub kv_tokens: f64,
    pub batch_tokens: f64,
    pub step_s: f64,
    pub completed: f64,
    pub evicted: f64,
}

/// The state of the map.
pub(in crate::fluid) struct Map {
    pub instance: Instance,
    /// Mass by class and age, resident or preempted.
    pub masses: Vec<f64>,
    /// What was preempted at each age in the iteration before.
    preempted: Vec<f64>,
    /// Waiting mass.
    pub waiting: f64,
    change: Vec<f64>,
    preemption: Preemption,
    swap_s: f64,
    /// Of a static engine the size of the batch that is being decoded.
    batch: Option<f64>,
}

impl Map {
    pub fn new(load: &Load, waiting: f64) -> Self {
        let instance = Instance::of(load, Cut::Tokens, 0);
        let policy = &load.scenario.policy;
        let ages = instance.ages.len();
        let rules = &instance.limits.rules;
        let is_static = rules.mixing == Mixing::Exclusive && rules.priority != Priority::PrefillFirst;
        Self {
            masses: vec![0.0; ages],
            preempted: vec![0.0; ages],
            change: vec![0.0; ages],
            waiting,
            preemption: policy.preemption,
            swap_s: policy.swap_s_per_token.unwrap_or(0.0),
            batch: is_static.then_some(0.0),
            instance,
        }
    }

    /// One iteration; arrivals are the caller's.
    pub fn step(&mut self) -> Iteration {
        if let Some(batch) = self.batch {
            return self.static_step(batch);
        }
        let level = self.instance.fill(&self.masses, &mut self.change);
        let (extra, evicted) = self.take_and_bring_back();
        let inflow = Inflow { waiting: self.waiting, rate_per_s: 0.0, patience: 1.0 };
        let outcome = self.instance.go(level, inflow, Some(extra), &mut self.change);
        for (mass, change) in self.masses.iter_mut().zip(&self.change) {
            *mass += change;
        }
        self.waiting -= outcome.turn.entering;
        if self.preemption == Preemption::Restart {
            self.waiting += level.preempted;
        }
        self.iteration(&outcome, evicted)
    }

    /// Compares who is preempted with the iteration before. Tokens computed again and seconds of transfers; mass evicted.
    fn take_and_bring_back(&mut self) -> ((f64, f64), f64) {
        let ages = &self.instance.ages;
        let (mut again, mut moved, mut evicted) = (0.0, 0.0, 0.0);
        for i in 0..self.masses.len() {
            let now = self.masses[i] - self.change[i];
            let before = self.preempted[i];
            if now == 0.0 && before == 0.0 {
                continue;
            }
            let tokens = ages.holds[i] - 1.0;
            moved += (now - before).abs() * tokens;
            if now > before {
                evicted += now - before;
            } else {
                again += (before - now) * (ages.again[i] - 1.0).max(0.0);
            }
            self.preempted[i] = now;
            if self.preemption == Preemption::Restart {
                self.masses[i] = self.change[i];
                self.preempted[i] = 0.0;
            }
        }
        let extra = match self.preemption {
            Preemption::None | Preemption::Restart => (0.0, 0.0),
            Preemption::Recompute => (again, 0.0),
            Preemption::Swap => (0.0, self.swap_s * moved),
        };
        (extra, evicted)
    }

    /// A batch of prompts when nobody decodes, else an iteration of the batch's decodes. The expected length of an iteration in
    /// which each of n requests is still there with probability q counts one in which nobody is as none.
    fn static_step(&mut self, batch: f64) -> Iteration {
        let ready: f64 = self.masses.iter().sum();
        if ready <= NOBODY * batch.max(1.0) {
            self.masses.fill(0.0);
            return self.static_prompts();
        }
        let share = (ready / batch).min(1.0);
        let alive = 1.0 - (1.0 - share).powf(batch.max(1.0));
        self.change.copy_from_slice(&self.masses);
        let level = self.instance.fill(&self.masses, &mut self.change);
        let inflow = Inflow { waiting: 0.0, rate_per_s: 0.0, patience: 1.0 };
        let mut outcome = self.instance.go(level, inflow, Some((0.0, 0.0)), &mut self.change);
        for (mass, change) in self.masses.iter_mut().zip(&self.change) {
            *mass += change;
        }
        let context = level.kv_tokens - self.instance.ages.waste * level.ready;
        outcome.turn.step_s = alive * self.instance.limits.step_over(ready / alive, 0.0, context / alive);
        self.iteration(&outcome, 0.0)
    }

    fn static_prompts(&mut self) -> Iteration {
        let (limits, ages) = (&self.instance.limits, &self.instance.ages);
        let entry = &ages.entry;
        let unused = entry.work_squared / (2.0 * entry.work);
        let by_tokens = if limits.tokens * entry.work >= 1e300 {
            f64::INFINITY
        } else {
            ((limits.tokens - unused).max(entry.work) / entry.work).max(1.0)
        };
        let by_memory = limits.memory / entry.counts;
        let most = limits.residents.min(limits.batch).min(by_tokens).min(by_memory);
        // A batch is of one request at least.
        let entering = if self.waiting >= 1.0 { self.waiting.min(most) } else { 0.0 };
        self.waiting -= entering;
        let mut stay = 0.0;
        for &(first, share) in &ages.first {
            if let Some(mass) = self.masses.get_mut(first) {
                *mass = entering * share;
                stay += entering * share;
            }
        }
        self.batch = Some(entering);
        let step_s = limits.step_over(entering * entry.work, 0.0, entering * entry.holds);
        Iteration {
            running: entering,
            prefilling: entering,
            entering,
            kv_tokens: entering * (entry.holds - ages.waste),
            batch_tokens: entering * entry.work,
            step_s,
            completed: entering - stay,
            ..Iteration::default()
        }
    }

    fn iteration(&self, outcome: &Outcome, evicted: f64) -> Iteration {
        let Turn { prefilling, prefill_kv, step_s, tokens, .. } = outcome.turn;
        let running = outcome.running();
        Iteration {
            running,
            prefilling,
            entering: outcome.turn.entering,
            swapped: if self.preemption == Preemption::Restart { 0.0 } else { outcome.level.preempted },
            kv_tokens: outcome.level.kv_tokens + prefill_kv - self.instance.ages.waste * running,
            batch_tokens: tokens,
            step_s,
            completed: outcome.completed,
            evicted,
        }
    }
}
