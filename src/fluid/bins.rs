//! The age law of the fluid on bins: masses, water levels and rates of change.
//!
//! Bin 0 holds the requests that wait or prefill, bin i those that have made tokens of its range. In an iteration a bin sends
//! the share 1/Δ of what is resident in it onwards; of that the share p reaches the next bin, the rest completes.

use super::load::Load;
use super::path::PathPoint;
use crate::scenario::{Admission, Preemption};
use crate::schedule::{admission, budget};

/// One bin of age.
#[derive(Debug, Clone, Copy)]
struct Bin {
    /// Δ: mean iterations in the bin.
    stay: f64,
    /// p: share that goes on to the next bin.
    onwards: f64,
    /// KV tokens held at the end of an iteration.
    holds: f64,
    /// KV tokens that admission counts: what is held, or the mean peak under reserve.
    counts: f64,
    /// KV tokens freed by a completion in the bin.
    frees: f64,
}

/// The bins of a scenario.
pub(super) struct Bins<'a> {
    load: &'a Load<'a>,
    bins: Vec<Bin>,
    recompute: bool,
}

/// What the water levels leave resident.
#[derive(Debug, Clone, Copy, Default)]
struct Level {
    running: f64,
    kv_tokens: f64,
    swapped: f64,
    prefilling: f64,
}

impl<'a> Bins<'a> {
    /// Age 0 alone, then `count` − 1 bins of equal residence.
    pub fn of(load: &'a Load<'a>, count: usize) -> Self {
        let survival = &load.moments.output_survival;
        let reserve = load.scenario.policy.admission == Admission::Reserve;
        let beyond = residence_beyond(survival);
        let edges = edges(survival, count);
        let bins = edges.windows(2).map(|edge| bin(load, survival, &beyond, (edge[0], edge[1]), reserve)).collect();
        let recompute = load.scenario.policy.preemption == Preemption::Recompute;
        Self { load, bins, recompute }
    }

    pub fn len(&self) -> usize {
        self.bins.len()
    }

    /// τ of an iteration with next to nothing in it.
    pub fn idle_step_s(&self) -> f64 {
        self.load.step_s(1e-9, 0.0)
    }

    /// Fills `resident` from the oldest bin down.
    fn fill(&self, masses: &[f64], resident: &mut [f64]) -> Level {
        let mut memory = self.load.memory.unwrap_or(f64::INFINITY);
        let mut slots = self.load.cap;
        let mut level = Level::default();
        for (i, bin) in self.bins.iter().enumerate().rev() {
            let mass = masses[i].max(0.0);
            let mut kept = mass.min(memory / bin.counts).min(slots);
            if i == 0 {
                kept = kept
                    .min(budget::prefill_budget_fluid(self.load.budget, level.running) / self.load.prompt() * bin.stay);
                level.prefilling = kept;
            } else {
                level.swapped += mass - kept;
            }
            memory = (memory - kept * bin.counts).max(0.0);
            slots = (slots - kept).max(0.0);
            level.running += kept;
            level.kv_tokens += kept * bin.holds;
            resident[i] = kept;
        }
        level
    }

    /// τ and the completions of one iteration; `dy` receives the rates per iteration.
    fn iterate(&self, masses: &[f64], dy: &mut [f64]) -> (Level, f64, f64) {
        let level = self.fill(masses, dy);
        let (mut entering, mut completed, mut freed) = (0.0, 0.0, 0.0);
        let mut prompts = 0.0;
        for (i, bin) in self.bins.iter().enumerate() {
            let out = dy[i] / bin.stay;
            if i == 0 {
                prompts = out * (self.load.prompt() - 1.0);
            }
            dy[i] = entering - out;
            entering = out * bin.onwards;
            completed += out - entering;
            freed += (out - entering) * bin.frees;
        }
        if self.recompute && level.swapped > 1e-9 {
            // What is filled again is prefilled again.
            prompts = prompts.max(freed - level.running);
        }
        let waste = self.load.block_waste() * level.running;
        let tokens = (level.running + prompts).max(1e-9);
        let step_s = self.load.step_s(tokens, level.kv_tokens - waste);
        (level, step_s, completed)
    }

    /// dm/dt.
    pub fn rates(&self, masses: &[f64], dy: &mut [f64]) {
        let (_, step_s, _) = self.iterate(masses, dy);
        dy.iter_mut().for_each(|rate| *rate /= step_s);
        dy[0] += self.load.served_per_s;
    }

    /// The state as a point of a path.
    pub fn point(&self, t_s: f64, masses: &[f64]) -> PathPoint {
        let mut dy = vec![0.0; masses.len()];
        let (level, step_s, completed) = self.iterate(masses, &mut dy);
        PathPoint {
            t_s,
            waiting: (masses[0] - level.prefilling).max(0.0),
            running: level.running,
            swapped: level.swapped,
            kv_tokens: level.kv_tokens - self.load.block_waste() * level.running,
            step_s,
            throughput_per_s: completed / step_s,
        }
    }
}

/// Σ_{u ≥ a} P(o > u) for every age a.
fn residence_beyond(survival: &[f64]) -> Vec<f64> {
    let mut beyond = vec![0.0; survival.len() + 1];
    for age in (0..survival.len()).rev() {
        beyond[age] = beyond[age + 1] + survival[age];
    }
    beyond
}

/// 0, 1, then equal shares of the residence Σ P(o > a), the last edge one past the oldest age.
fn edges(survival: &[f64], count: usize) -> Vec<usize> {
    let total: f64 = survival.iter().skip(1).sum();
    let mut edges = vec![0, 1];
    let mut sum = 0.0;
    for (age, above) in survival.iter().enumerate().skip(1) {
        sum += above;
        let wanted = edges.len() as f64 - 1.0;
        if sum >= total * wanted / (count as f64 - 1.0) * (1.0 - 1e-12) && age + 1 < survival.len() {
            edges.push(age + 1);
        }
    }
    if edges[edges.len() - 1] < survival.len() {
        edges.push(survival.len());
    }
    edges
}

fn bin(load: &Load, survival: &[f64], beyond: &[f64], (from, to): (usize, usize), reserve: bool) -> Bin {
    let first = survival[from];
    let stay: f64 = survival[from..to].iter().sum::<f64>();
    let next = survival.get(to).copied().unwrap_or(0.0);
    let shift = admission::greedy::room_needed_fluid(load.prompt(), 0.0) + load.block_waste();
    let held: f64 = survival[from..to].iter().zip(from..).map(|(above, age)| above * (age as f64 + shift)).sum();
    let done: f64 = (from..to)
        .map(|age| (survival[age] - survival.get(age + 1).copied().unwrap_or(0.0)) * (age as f64 + shift))
        .sum();
    let peak: f64 = (from..to).map(|age| survival[age] * (age as f64 - 1.0 + shift) + beyond[age]).sum();
    let holds = held / stay;
    Bin {
        stay: stay / first,
        onwards: next / first,
        holds,
        counts: if reserve { peak / stay } else { holds },
        frees: if first > next { done / (first - next) } else { holds },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::ode::{self, Control};
    use crate::fluid::testing::{chat, constant, scenario, uniform, with_context, with_memory};

    /// Mass is kept: what arrived is in the bins or completed, and nothing is negative.
    #[test]
    fn mass_is_kept_and_never_negative() {
        let law = with_context(1.0, 0.005, 0.1 / 3000.0);
        let memory = with_memory(scenario(0.19, constant(100), uniform(1, 199), law, 100_000), 3000, Some(0.0));
        for (question, rate) in [(memory, 0.19), (chat(6.0), 6.0)] {
            let load = Load::of(&question);
            let bins = Bins::of(&load, 64);
            let n = bins.len();
            // The last component counts completions.
            let rhs = |y: &[f64], dy: &mut [f64]| {
                let (masses, rest) = dy.split_at_mut(n);
                let (_, step_s, completed) = bins.iterate(&y[..n], masses);
                masses.iter_mut().for_each(|rate| *rate /= step_s);
                masses[0] += rate;
                rest[0] = completed / step_s;
            };
            let mut state = vec![0.0; n + 1];
            state[0] = 40.0;
            let control = Control { relative: 1e-6, absolute: 1e-9, first_step: 0.01 };
            for turn in 1..=20 {
                state = ode::advance(&rhs, &state, 10.0, control).unwrap();
                let sum: f64 = state.iter().sum();
                let arrived = 40.0 + rate * 10.0 * f64::from(turn);
                assert!((sum - arrived).abs() < 1e-9 * arrived, "{sum} {arrived}");
                assert!(state.iter().all(|&mass| mass > -1e-9), "{state:?}");
            }
        }
    }

    #[test]
    fn stays_add_up_to_the_mean_output() {
        let question = chat(1.0);
        let load = Load::of(&question);
        let bins = Bins::of(&load, 32);
        let mut reach = 1.0;
        let mut sum = 0.0;
        for bin in &bins.bins {
            sum += reach * bin.stay;
            reach *= bin.onwards;
        }
        assert!((sum - load.output()).abs() < 1e-9 * load.output());
    }
}
