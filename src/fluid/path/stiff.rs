//! A linearly implicit solver for long paths with many bins: the second-order, L-stable Rosenbrock method ROS2, which keeps its
//! order with an approximate Jacobian (Verwer, Spee, Blom and Hundsdorfer, SIAM J. Sci. Comput. 20, 1999). The Jacobian here is the
//! motion along the ages, bidiagonal, and one rank for the entrants: a step costs what a few right-hand sides cost, and its
//! length is bound by accuracy only, not by the shortest bin.
//!
//! The state is what waits, the bins, and what has been completed.

use super::instance::{Inflow, Instance, Linear};
use super::ode::OdeError;

/// γ of ROS2, 1 − 1/√2.
const GAMMA: f64 = 1.0 - std::f64::consts::FRAC_1_SQRT_2;
/// Mass that a step may displace, as a share of all mass.
const TOLERANCE: f64 = 2e-4;
const SAFETY: f64 = 0.8;
const SHRINK: f64 = 0.2;
const GROW: f64 = 4.0;
const STEPS: usize = 1_000_000;

/// The solver with its work space; a step allocates nothing.
pub(super) struct Stiff {
    moving: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
    entry: Vec<f64>,
    trial: Vec<f64>,
}

impl Stiff {
    /// For an instance with `bins` bins.
    pub fn new(bins: usize) -> Self {
        let zeros = || vec![0.0; bins + 2];
        Self { moving: vec![0.0; bins], first: zeros(), second: zeros(), entry: zeros(), trial: zeros() }
    }

    /// Advances `state` from `start` to `end`; `rate_per_s` gives λ. `step` is the first step, and then the last one.
    ///
    /// # Errors
    /// A rate that is not a number, or too many steps.
    pub fn advance(
        &mut self,
        instance: &Instance,
        rate_per_s: &dyn Fn(f64) -> f64,
        state: &mut [f64],
        (start, end): (f64, f64),
        step: &mut f64,
    ) -> Result<(), OdeError> {
        let mut t = start;
        for _ in 0..STEPS {
            let rest = end - t;
            if rest <= 1e-12 * end {
                return Ok(());
            }
            // Two equal steps rather than a long and a tiny one.
            let h = if *step >= rest { rest } else { step.min(0.5 * rest.max(*step)) };
            let error = self.attempt(instance, rate_per_s, state, t, h)?;
            if error <= 1.0 {
                state.copy_from_slice(&self.trial);
                t += h;
            }
            let factor = (SAFETY / error.max(1e-10).sqrt()).clamp(SHRINK, GROW);
            if error > 1.0 || h >= 0.5 * *step {
                *step = h * factor;
            }
        }
        Err(OdeError::Stopped(format!("{STEPS} steps were not enough")))
    }

    /// One step of length `h` into `trial`; its error in tolerances.
    fn attempt(
        &mut self,
        instance: &Instance,
        rate_per_s: &dyn Fn(f64) -> f64,
        state: &[f64],
        t: f64,
        h: f64,
    ) -> Result<f64, OdeError> {
        let bins = 1..state.len() - 1;
        let inflow = Inflow { waiting: state[0], rate_per_s: rate_per_s(t), patience: 1.0 };
        let linear = instance.linear(&state[bins], inflow, &mut self.moving);
        let scale = h * GAMMA / linear.step_s;
        self.entry.fill(0.0);
        enter(instance, linear.early, &mut self.entry);
        solve(instance, &self.moving, scale, &mut self.entry);
        let share = scale / (1.0 - scale * slope(instance, &linear, &self.entry));
        rates(instance, inflow.rate_per_s, state, &mut self.first);
        finish(instance, (&self.moving, scale), &linear, (&self.entry, share), &mut self.first);
        for ((trial, now), first) in self.trial.iter_mut().zip(state).zip(&self.first) {
            *trial = now + h * first;
        }
        rates(instance, rate_per_s(t + h), &self.trial, &mut self.second);
        for (second, first) in self.second.iter_mut().zip(&self.first) {
            *second -= 2.0 * first;
        }
        finish(instance, (&self.moving, scale), &linear, (&self.entry, share), &mut self.second);
        let (mut moved, mut all) = (0.0, 1e-3);
        for (i, trial) in self.trial.iter_mut().enumerate() {
            let (first, second) = (self.first[i], self.second[i]);
            *trial = state[i] + 0.5 * h * (3.0 * first + second);
            if i + 1 < state.len() {
                moved += 0.5 * h * (first + second).abs() + (-*trial).max(0.0);
                all += trial.abs();
            }
        }
        if !moved.is_finite() {
            return Err(OdeError::NotFinite);
        }
        Ok(moved / (TOLERANCE * all))
    }
}

/// dx/dt.
fn rates(instance: &Instance, rate_per_s: f64, state: &[f64], rates: &mut [f64]) {
    let last = state.len() - 1;
    let inflow = Inflow { waiting: state[0], rate_per_s, patience: 1.0 };
    let outcome = instance.step(&state[1..last], inflow, &mut rates[1..last]);
    let per_s = 1.0 / outcome.turn.step_s.max(f64::MIN_POSITIVE);
    rates[1..last].iter_mut().for_each(|rate| *rate *= per_s);
    rates[0] = rate_per_s - outcome.turn.entering * per_s;
    rates[last] = outcome.completed * per_s;
}

/// What one entrant per turn changes.
fn enter(instance: &Instance, early: f64, change: &mut [f64]) {
    let ages = &instance.ages;
    change[0] = -1.0;
    for &(first, share) in &ages.first {
        if first < ages.len() {
            change[first + 1] += share * (1.0 - early * ages.leave[first]);
            let onwards = share * early * ages.leave[first] * ages.onwards[first];
            if onwards > 0.0 {
                change[first + 2] += onwards;
            }
        }
    }
}

/// The slope of the entrants along `direction`.
fn slope(instance: &Instance, linear: &Linear, direction: &[f64]) -> f64 {
    let bins = direction[1..direction.len() - 1].iter().zip(&instance.ages.counts);
    let along: f64 = bins.map(|(change, counts)| change * (linear.by_ready + linear.by_tokens * counts)).sum();
    linear.by_waiting * direction[0] + along
}

/// Solves (1 − `scale`·B) x = `x` for the motion B along the ages of every class; what is completed follows from the sum.
fn solve(instance: &Instance, moving: &[f64], scale: f64, x: &mut [f64]) {
    let ages = &instance.ages;
    let mut from_young = 0.0;
    let mut next = 0;
    for (i, change) in x[1..=ages.len()].iter_mut().enumerate() {
        if ages.first.get(next).is_some_and(|class| class.0 == i) {
            from_young = 0.0;
            next += 1;
        }
        let out = scale * moving[i] * ages.leave[i];
        *change = (*change + from_young) / (1.0 + out);
        from_young = *change * out * ages.onwards[i];
    }
}

/// Solves the whole linear system in place: the motion, then the entrants by Sherman and Morrison. The sum of the changes is that
/// of the right-hand side, which gives what is completed.
fn finish(
    instance: &Instance,
    (moving, scale): (&[f64], f64),
    linear: &Linear,
    (entry, share): (&[f64], f64),
    x: &mut [f64],
) {
    let sum: f64 = x.iter().sum();
    let last = x.len() - 1;
    solve(instance, moving, scale, x);
    let along = share * slope(instance, linear, x);
    for (change, entry) in x[..last].iter_mut().zip(entry) {
        *change += along * entry;
    }
    x[last] = sum - x[..last].iter().sum::<f64>();
}
