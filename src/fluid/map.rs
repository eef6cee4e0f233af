//! The fluid as a map from one iteration to the next, on ages of one token: the reference form. Moving every age by one token
//! per iteration is exact, stopping at a limit is exact, and few-valued output laws keep their cohorts.
//!
//! A request of age a (tokens made) holds s + a + 1 KV tokens at the end of the iteration; the prompt is the mean one.

use super::boundary::Regime;
use super::load::Load;
use crate::answer::{Limit, Method};
use crate::scenario::{Admission, Preemption};
use crate::schedule::{admission, budget};

/// Most cell updates spent on a saturated average.
const WORK: usize = 12_000_000;

/// What one iteration of the map did.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Iteration {
    pub running: f64,
    pub swapped: f64,
    pub kv_tokens: f64,
    pub batch_tokens: f64,
    pub step_s: f64,
    pub completed: f64,
    pub evicted: f64,
}

/// The state of the map and the limits it runs under.
pub(super) struct Map<'a> {
    load: &'a Load<'a>,
    /// Survival P(o > a).
    survival: &'a [f64],
    memory: f64,
    waste: f64,
    /// Resident mass by age.
    pub resident: Vec<f64>,
    /// Preempted mass by age.
    pub swapped: Vec<f64>,
    /// Waiting mass.
    pub waiting: f64,
}

impl<'a> Map<'a> {
    pub fn new(load: &'a Load<'a>, waiting: f64) -> Self {
        let survival = &load.moments.output_survival[..];
        let ages = survival.len().max(1);
        Self {
            load,
            survival,
            memory: load.memory.unwrap_or(f64::INFINITY),
            waste: load.block_waste(),
            resident: vec![0.0; ages],
            swapped: vec![0.0; ages],
            waiting,
        }
    }

    /// Tokens held by a request of age `age` at the end of the iteration.
    fn holds(&self, age: usize) -> f64 {
        admission::greedy::room_needed_fluid(self.load.prompt(), age as f64) + self.waste
    }

    /// Memory that a new request must find.
    fn entry(&self) -> f64 {
        match self.load.scenario.policy.admission {
            Admission::Reserve => self.load.prompt() + self.load.output() + self.waste,
            _ => self.holds(0),
        }
    }

    /// One iteration: evict or fill, then advance every resident by a token. Arrivals are the caller's.
    pub fn step(&mut self) -> Iteration {
        let reserve = self.load.scenario.policy.admission == Admission::Reserve;
        let mut kv: f64 = self.resident.iter().enumerate().map(|(age, mass)| mass * self.holds(age)).sum();
        let mut moved = 0.0;
        let mut evicted = 0.0;
        let mut prompts = 0.0;
        if kv > self.memory {
            (kv, evicted, moved) = self.evict(kv);
        } else {
            let mut running: f64 = self.resident.iter().sum();
            let used = if reserve { self.reserved() } else { kv };
            let mut room = self.memory - used;
            (room, running) = self.bring_back(room, running, &mut kv, &mut prompts, &mut moved);
            self.admit(room, running, &mut kv, &mut prompts);
        }
        let running: f64 = self.resident.iter().sum();
        let swapped: f64 = self.swapped.iter().sum();
        let batch_tokens = running + prompts;
        let context = kv - running * self.waste;
        let transfer = self.load.scenario.policy.swap_s_per_token.unwrap_or(0.0) * moved;
        let step_s = self.load.step_s(batch_tokens, context) + transfer;
        let completed = self.advance();
        Iteration { running, swapped, kv_tokens: context, batch_tokens, step_s, completed, evicted }
    }

    /// Memory promised to the residents: their mean peak given their age.
    fn reserved(&self) -> f64 {
        let mut beyond = 0.0;
        let mut sum = 0.0;
        for age in (0..self.resident.len()).rev() {
            beyond += self.survival[age];
            let left = if self.survival[age] > 1e-12 { beyond / self.survival[age] } else { 1.0 };
            sum += self.resident[age] * (self.load.prompt() + age as f64 + left + self.waste);
        }
        sum
    }

    fn evict(&mut self, mut kv: f64) -> (f64, f64, f64) {
        let (mut evicted, mut moved) = (0.0, 0.0);
        let restart = self.load.scenario.policy.preemption == Preemption::Restart;
        for age in 0..self.resident.len() {
            let holds = self.holds(age);
            let mass = self.resident[age].min((kv - self.memory) / holds);
            self.resident[age] -= mass;
            if restart {
                self.waiting += mass;
            } else {
                self.swapped[age] += mass;
            }
            kv -= mass * holds;
            evicted += mass;
            moved += mass * (holds - 1.0);
            if kv <= self.memory * (1.0 + 1e-15) {
                break;
            }
        }
        (kv, evicted, moved)
    }

    fn bring_back(
        &mut self,
        mut room: f64,
        mut running: f64,
        kv: &mut f64,
        prompts: &mut f64,
        moved: &mut f64,
    ) -> (f64, f64) {
        let recompute = self.load.scenario.policy.preemption == Preemption::Recompute;
        if self.swapped.iter().all(|&mass| mass == 0.0) {
            return (room, running);
        }
        for age in (0..self.swapped.len()).rev() {
            let holds = self.holds(age);
            let again = if recompute { self.load.prompt() + age as f64 } else { 1.0 };
            let tokens = budget::prefill_budget_fluid(self.load.budget, running + *prompts) / again;
            let mass = self.swapped[age].min(room / holds).min(tokens).min((self.load.cap - running).max(0.0));
            self.swapped[age] -= mass;
            self.resident[age] += mass;
            room -= mass * holds;
            running += mass;
            *kv += mass * holds;
            *prompts += mass * (again - 1.0);
            *moved += mass * (holds - 1.0);
        }
        (room, running)
    }

    fn admit(&mut self, room: f64, running: f64, kv: &mut f64, prompts: &mut f64) {
        let tokens = budget::prefill_budget_fluid(self.load.budget, running + *prompts) / self.load.prompt();
        let entered =
            self.waiting.min(room.max(0.0) / self.entry()).min(tokens).min((self.load.cap - running).max(0.0));
        self.waiting -= entered;
        self.resident[0] += entered;
        *kv += entered * self.holds(0);
        *prompts += entered * (self.load.prompt() - 1.0);
    }

    fn advance(&mut self) -> f64 {
        let ages = self.resident.len();
        let mut completed = 0.0;
        for age in (0..ages).rev() {
            let next = self.survival.get(age + 1).copied().unwrap_or(0.0);
            let stay = if self.survival[age] > 0.0 { next / self.survival[age] } else { 0.0 };
            let mass = self.resident[age];
            completed += mass * (1.0 - stay);
            if age + 1 < ages {
                self.resident[age + 1] = mass * stay;
            }
        }
        self.resident[0] = 0.0;
        completed
    }
}

/// The saturated state of few-valued outputs under greedy admission with recomputation or restart, where residents fall into a
/// cycle and the memory law does not hold: the second half of a run of the map with an endless queue. None for other laws.
pub(super) fn few_valued_regime(load: &Load, capacity: f64) -> Option<Regime> {
    let drops = matches!(load.scenario.policy.preemption, Preemption::Recompute | Preemption::Restart);
    if !drops || !is_few_valued(load) || load.memory.is_none() {
        return None;
    }
    let mut map = Map::new(load, f64::INFINITY);
    let ages = map.resident.len();
    let steps = (WORK / ages).clamp(20, 60 * ages);
    let mut sum = Iteration::default();
    for index in 0..steps {
        let iteration = map.step();
        if 2 * index >= steps {
            add(&mut sum, &iteration);
        }
    }
    let count = (steps - steps / 2) as f64;
    debug_assert!(sum.kv_tokens <= capacity * count * (1.0 + 1e-9));
    Some(Regime {
        limit: Limit::KvMemory,
        flow: sum.completed / count,
        step_s: sum.step_s / count,
        running: sum.running / count,
        swapped: sum.swapped / count,
        kv_tokens: sum.kv_tokens / count,
        batch_tokens: sum.batch_tokens / count,
        preemptions: sum.evicted / sum.completed,
        calm_per_s: sum.completed / sum.step_s,
        method: Method::Fluid,
    })
}

fn add(sum: &mut Iteration, part: &Iteration) {
    sum.running += part.running;
    sum.swapped += part.swapped;
    sum.kv_tokens += part.kv_tokens;
    sum.batch_tokens += part.batch_tokens;
    sum.step_s += part.step_s;
    sum.completed += part.completed;
    sum.evicted += part.evicted;
}

/// Whether the outputs take so few values that residents move in cohorts: 1/Σp² ≤ 4.
pub(super) fn is_few_valued(load: &Load) -> bool {
    let survival = &load.moments.output_survival;
    let mut previous = 1.0;
    let mut squares = 0.0;
    for &above in survival.iter().skip(1).chain([&0.0]) {
        squares += (previous - above) * (previous - above);
        previous = above;
    }
    squares >= 0.25 && survival.len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::testing::{affine, constant, scenario, with_context, with_memory};
    use approx::assert_relative_eq;

    /// Oracle S6: the eviction cycle of s = 2, o = 2, M = 140 from [21, 19], in whole requests.
    #[test]
    fn eviction_cycle_in_whole_requests() {
        let mut question = with_memory(scenario(1.0, constant(2), constant(2), affine(1.0, 0.0), 100_000), 140, None);
        question.policy.preemption = Preemption::Restart;
        let load = Load::of(&question);
        let mut map = Map::new(&load, 0.0);
        // The map's state stands behind its advance: who is at age 1 was at age 0.
        map.resident = vec![0.0, 21.0];
        let expected = [
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
        let mut completed = 0.0;
        for (turn, state) in expected.into_iter().enumerate() {
            let room = 140.0 - 4.0 * map.resident[1];
            map.waiting = (room.max(0.0) / 3.0).floor();
            let before = map.resident[1];
            let done = map.step();
            let evicted =
                [(10, 10.0), (12, 11.0)].iter().find(|(when, _)| *when == turn).map_or(0.0, |(_, mass)| *mass);
            assert_eq!(done.evicted, evicted);
            // Behind the advance: the entrants stand at age 1, the old ones have completed.
            assert_eq!(map.resident, vec![0.0, f64::from(state[0])], "{turn}");
            assert_eq!(before - evicted, f64::from(state[1]));
            completed += if turn >= 10 { done.completed } else { 0.0 };
        }
        assert_eq!(completed / 4.0, 17.5);
    }

    /// Ex. 3(a) of the memory law: o = s = 100, M = 60200; 2.227229 by the map, 2.2272 by the closed form without chance.
    #[test]
    fn restart_falls_into_a_cycle() {
        let law = with_context(1.0, 2.5e-4, 0.1 / 60_200.0);
        let mut question = with_memory(scenario(1.0, constant(100), constant(100), law, 100_000), 60_200, None);
        question.policy.preemption = Preemption::Restart;
        let load = Load::of(&question);
        let mut map = Map::new(&load, f64::INFINITY);
        let mut sum = Iteration::default();
        for turn in 0..6000 {
            let iteration = map.step();
            if turn >= 3000 {
                add(&mut sum, &iteration);
            }
        }
        assert_relative_eq!(sum.completed / 3000.0, 3.01, max_relative = 1e-6);
        assert_relative_eq!(sum.step_s / 3000.0, 1.351_463, max_relative = 1e-6);
        // The example's window did not end with a cycle: 3.01/1.351463 is 2.227216, and 99/101 is .980198.
        assert_relative_eq!(sum.completed / sum.step_s, 2.227_229, max_relative = 7e-6);
        assert_relative_eq!(sum.evicted / sum.completed, 99.0 / 101.0, max_relative = 1e-9);
        assert_relative_eq!(sum.evicted / sum.completed, 0.980_13, max_relative = 7e-5);
    }
}
