//! The fluid of one instance: masses by age, the water levels of its limits, and the rates of change.
//!
//! The oldest requests take memory and places first, the youngest get what is left: admission in order of arrival with LIFO
//! preemption. That is Lipschitz in the state and needs no events. What a level leaves out is preempted.

use super::ages::{Ages, Cut};
use super::turn::{Found, Limits, Turn, turn};
use crate::fluid::load::Load;
use crate::scenario::Preemption;

/// One instance.
pub(in crate::fluid) struct Instance {
    pub ages: Ages,
    pub limits: Limits,
    recompute: bool,
    /// By how much saturated turns are longer than those of the fluid, from the sharp λ*.
    pub friction: f64,
}

/// What the levels leave resident.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::fluid) struct Level {
    pub ready: f64,
    pub kv_tokens: f64,
    pub preempted: f64,
    /// KV tokens that admission counts.
    counted: f64,
    /// Ready requests within a context budget.
    in_context: f64,
}

/// One turn with what it leaves.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::fluid) struct Outcome {
    pub turn: Turn,
    pub level: Level,
    pub completed: f64,
}

impl Outcome {
    pub fn running(&self) -> f64 {
        self.level.ready + self.turn.prefilling
    }
}

/// The derivative of a turn.
#[cfg(feature = "stiff")]
#[derive(Debug, Clone, Copy)]
pub(in crate::fluid) struct Linear {
    pub step_s: f64,
    pub by_waiting: f64,
    pub by_ready: f64,
    pub by_tokens: f64,
    pub early: f64,
}

/// What comes from outside.
#[derive(Debug, Clone, Copy)]
pub(in crate::fluid) struct Inflow {
    /// Waiting and prefilling.
    pub waiting: f64,
    /// Arrivals per second.
    pub rate_per_s: f64,
    /// Iterations over which what waits enters.
    pub patience: f64,
}

impl Instance {
    pub fn of(load: &Load, cut: Cut, made: usize) -> Self {
        let policy = &load.scenario.policy;
        Self {
            ages: Ages::of(load, cut, made),
            limits: Limits::of(load),
            recompute: policy.preemption == Preemption::Recompute,
            friction: 1.0,
        }
    }

    /// The saturated state of the fluid, requests per second: the flow X at which the residents X·Δ of every bin leave room for X
    /// entrants. None where the decodes are rationed, so that residents do not stand where the flow puts them.
    pub fn saturated_per_s(&self) -> Option<f64> {
        let ages = &self.ages;
        let mut stay = vec![0.0; ages.len()];
        for (class, &(first, share)) in ages.first.iter().enumerate() {
            let mut reach = share;
            let end = ages.first.get(class + 1).map_or(ages.len(), |next| next.0);
            for (i, stay) in stay.iter_mut().enumerate().take(end).skip(first) {
                *stay = reach / ages.leave[i];
                reach *= ages.onwards[i];
            }
        }
        let mut scratch = stay.clone();
        let mut masses = stay.clone();
        let mut at = |flow: f64| {
            masses.iter_mut().zip(&stay).for_each(|(mass, stay)| *mass = flow * stay);
            let level = self.fill(&masses, &mut scratch);
            let inflow = Inflow { waiting: f64::INFINITY, rate_per_s: 0.0, patience: 1.0 };
            self.go(level, inflow, Some((0.0, 0.0)), &mut scratch)
        };
        let (mut low, mut high) = (0.0, 1.0);
        while at(high).turn.entering > high {
            (low, high) = (high, 2.0 * high);
            if high > 1e12 {
                return None;
            }
        }
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            if at(middle).turn.entering > middle { low = middle } else { high = middle }
        }
        let outcome = at(low);
        let rationed = outcome.turn.decodes < outcome.level.ready * (1.0 - 1e-9) || outcome.level.preempted > 0.0;
        (!rationed && low > 0.0).then(|| low / outcome.turn.step_s)
    }

    /// Makes saturated turns as long as those at the sharp λ* of `per_s`. By which factor.
    pub fn slow_down_to(&mut self, per_s: f64) -> f64 {
        self.friction = self.saturated_per_s().map_or(1.0, |own| own / per_s).clamp(0.5, 2.0);
        self.friction
    }

    /// Iterations over which waiting requests enter in the ODE: as short as its other time scales.
    pub fn patience(&self) -> f64 {
        self.ages.least_stay.clamp(1.0, 1e6)
    }

    /// Fills `kept` with the resident mass of every bin.
    pub fn fill(&self, masses: &[f64], kept: &mut [f64]) -> Level {
        let ages = &self.ages;
        let (mut ready, mut counted, mut held) = (0.0, 0.0, 0.0);
        for i in 0..masses.len() {
            let mass = masses[i].max(0.0);
            kept[i] = mass;
            ready += mass;
            counted += mass * ages.counts[i];
            held += mass * ages.holds[i];
        }
        let mut level = Level { ready, kv_tokens: held, preempted: 0.0, counted, in_context: f64::INFINITY };
        if ready > self.limits.residents || counted > self.limits.memory {
            level = self.fill_from_the_oldest(kept);
        }
        if level.kv_tokens > self.limits.context {
            level.in_context = self.within_context(kept);
        }
        level
    }

    fn fill_from_the_oldest(&self, kept: &mut [f64]) -> Level {
        let ages = &self.ages;
        let (mut memory, mut places) = (self.limits.memory, self.limits.residents);
        let mut level = Level { in_context: f64::INFINITY, ..Level::default() };
        for &index in &ages.order {
            let i = index as usize;
            let mass = kept[i];
            let stays = mass.min(memory / ages.counts[i]).min(places);
            memory = (memory - stays * ages.counts[i]).max(0.0);
            places = (places - stays).max(0.0);
            kept[i] = stays;
            level.ready += stays;
            level.preempted += mass - stays;
            level.kv_tokens += stays * ages.holds[i];
            level.counted += stays * ages.counts[i];
        }
        level
    }

    /// The oldest whose KV together is within the context budget; at least one.
    fn within_context(&self, kept: &[f64]) -> f64 {
        let (mut left, mut count) = (self.limits.context, 0.0);
        for &index in &self.ages.order {
            let i = index as usize;
            let fits = kept[i].min(left / self.ages.holds[i]);
            left -= fits * self.ages.holds[i];
            count += fits;
            if fits < kept[i] {
                break;
            }
        }
        count.max(1.0)
    }

    /// Entrants for whom there are places and memory. Whoever is preempted comes first.
    fn room(&self, level: &Level) -> f64 {
        if level.preempted > 1e-9 * (1.0 + level.ready) {
            return 0.0;
        }
        let places = self.limits.residents - level.ready;
        let free = (self.limits.memory - self.limits.kept_free - level.counted).max(0.0);
        let memory = if self.limits.memory.is_finite() { free / self.ages.entry.counts } else { f64::INFINITY };
        let open = if level.kv_tokens - level.ready < self.limits.closed_at { f64::INFINITY } else { 0.0 };
        places.min(memory).min(open).max(0.0)
    }

    /// One turn from `masses`; `dy` receives the change of every bin in it.
    pub fn step(&self, masses: &[f64], inflow: Inflow, dy: &mut [f64]) -> Outcome {
        let level = self.fill(masses, dy);
        self.go(level, inflow, None, dy)
    }

    /// The same once the levels are known, with the resident masses in `dy`; `extra` are the tokens computed again and the seconds
    /// of transfers, where it is known who comes back.
    pub fn go(&self, level: Level, inflow: Inflow, extra: Option<(f64, f64)>, dy: &mut [f64]) -> Outcome {
        let (again, transfer_s) = extra.unwrap_or((0.0, 0.0));
        let found = Found { again, transfer_s, ..self.found(&level, inflow) };
        let mut turn = turn(&self.limits, &self.ages.entry, &found);
        let (completed, freed) = self.flow(&level, &turn, dy);
        if self.recompute && extra.is_none() && level.preempted > 0.0 {
            // What is filled again is processed again; whoever was prefilled for the first time is in it.
            let refilled = (freed - level.ready).max(0.0) - turn.entering * (self.ages.entry.work - 1.0);
            let share = (level.preempted / (1e-3 * (1.0 + level.ready))).min(1.0);
            turn =
                super::turn::turn(&self.limits, &self.ages.entry, &Found { again: share * refilled.max(0.0), ..found });
        }
        if self.friction != 1.0 {
            turn.step_s *= 1.0 + (self.friction - 1.0) * turn.limited;
        }
        Outcome { turn, level, completed }
    }

    fn found(&self, level: &Level, inflow: Inflow) -> Found {
        Found {
            ready: level.ready,
            context: level.kv_tokens - self.ages.waste * level.ready,
            in_context: level.in_context,
            room: self.room(level),
            waiting: inflow.waiting,
            rate_per_s: inflow.rate_per_s,
            patience: inflow.patience,
            again: 0.0,
            transfer_s: 0.0,
        }
    }

    /// What a stiff solver linearises: the share of every bin that moves (in `moving`), the slopes of the entrants over what waits,
    /// over the ready and over the KV tokens that admission counts, and the share of the entrants that decode at once.
    #[cfg(feature = "stiff")]
    pub fn linear(&self, masses: &[f64], inflow: Inflow, moving: &mut [f64]) -> Linear {
        let level = self.fill(masses, moving);
        let enter = |level: &Level, waiting: f64| {
            turn(&self.limits, &self.ages.entry, &self.found(level, Inflow { waiting, ..inflow }))
        };
        let now = enter(&level, inflow.waiting);
        if now.decodes < level.ready * (1.0 - 1e-12) {
            self.pause(now.decodes, moving);
        }
        for (share, mass) in moving.iter_mut().zip(masses) {
            *share = if *mass > 0.0 { *share / mass } else { 1.0 };
        }
        let step = 1e-6 * (1.0 + level.ready);
        let tokens = step * self.ages.entry.counts;
        let slope = |found: Turn, step: f64| (found.entering - now.entering) / step;
        let more = |ready: f64, tokens: f64| Level {
            ready: level.ready + ready,
            counted: level.counted + tokens,
            kv_tokens: level.kv_tokens + tokens,
            ..level
        };
        Linear {
            step_s: now.step_s * (1.0 + (self.friction - 1.0) * now.limited),
            by_waiting: slope(enter(&level, inflow.waiting + step), step),
            by_ready: slope(enter(&more(step, 0.0), inflow.waiting), step),
            by_tokens: slope(enter(&more(0.0, tokens), inflow.waiting), tokens),
            early: self.early(&level, &now),
        }
    }

    /// The share of the entrants of an exclusive engine that decode in the turn in which they were prefilled: all if there are places.
    fn early(&self, level: &Level, turn: &Turn) -> f64 {
        if self.limits.is_exclusive() && turn.entering > 0.0 {
            ((turn.decodes - level.ready) / turn.entering).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    /// Turns the resident masses in `dy` into their changes. Completions, and the KV tokens that they free.
    fn flow(&self, level: &Level, turn: &Turn, dy: &mut [f64]) -> (f64, f64) {
        let ages = &self.ages;
        if turn.decodes < level.ready * (1.0 - 1e-12) {
            self.pause(turn.decodes, dy);
        }
        let early = self.early(level, turn);
        let (mut completed, mut freed) = (turn.entering, turn.entering * ages.entry.holds);
        for (class, &(first, share)) in ages.first.iter().enumerate() {
            let end = ages.first.get(class + 1).map_or(dy.len(), |next| next.0);
            let mut entering = turn.entering * share;
            completed -= entering;
            freed -= entering * ages.entry.holds;
            for (i, mass) in dy.iter_mut().enumerate().take(end).skip(first) {
                let moving = if i == first { *mass + early * entering } else { *mass };
                let out = moving * ages.leave[i];
                *mass = entering - out;
                entering = out * ages.onwards[i];
                completed += out - entering;
                freed += (out - entering) * ages.frees[i];
            }
        }
        (completed, freed)
    }

    /// Keeps the `decodes` oldest in `dy`: the others stand still.
    fn pause(&self, decodes: f64, dy: &mut [f64]) {
        let mut left = decodes;
        for &index in &self.ages.order {
            let mass = &mut dy[index as usize];
            *mass = mass.min(left);
            left = (left - *mass).max(0.0);
        }
    }
}
