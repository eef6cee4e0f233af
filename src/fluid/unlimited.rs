//! Iterations whose token budget is never used up: all prompts that arrive during one iteration are processed in the next.
//!
//! The tokens p of an iteration follow p' = CP(λT(p)), CP a compound Poisson number of batches of prompts. In the Fourier
//! domain the law of p is the mean of e^{λT(p)(β − 1)} over itself, β the transform of a batch: a contraction, since only
//! the share x of an iteration's length depends on p. A tagged arrival meets an iteration in proportion to its length, and
//! all others who arrive in it share its own first iteration.

use nalgebra::Complex;

use super::Tier;
use super::backlog::{Backlog, Own, Traffic};
use super::mixture::gathered;
use super::transform::{fourier, on_lattice};

/// Lattice of the fixed point and of the answer.
const COARSE: usize = 128;
const FINE: usize = 1024;
/// Kinds of iterations by length: up to each rank, the share of one kind.
const KINDS: [(f64, f64); 4] = [(0.8, 0.1), (0.95, 0.03), (0.99, 0.01), (1.0, 0.0025)];

/// Transforms on a lattice, for the frequencies up to half.
struct Spectrum {
    size: usize,
    cell: f64,
    prompts: Vec<Complex<f64>>,
    /// Those before a request in its batch; a batch is a prompt more.
    mates: Vec<Complex<f64>>,
}

impl Spectrum {
    fn of(traffic: &Traffic, reach: f64, size: usize) -> Self {
        let cell = (reach / (size as f64 - 8.0)).max(reach.min(1.0));
        let mut values = vec![Complex::new(0.0, 0.0); size];
        for (index, mass) in on_lattice(traffic.prompts, cell).into_iter().enumerate() {
            values[index.min(size - 1)].re += mass;
        }
        fourier(&mut values, false);
        values.truncate(size / 2 + 1);
        let more = 1.0 - 1.0 / traffic.batch;
        let mates = values.iter().map(|prompt| Complex::from(1.0 - more) / (1.0 - prompt * more)).collect();
        Self { size, cell, prompts: values, mates }
    }

    fn batch(&self, k: usize) -> Complex<f64> {
        self.prompts[k] * self.mates[k]
    }

    /// The law with the given transform.
    fn law(&self, transform: impl Fn(usize) -> Complex<f64>) -> Vec<f64> {
        let mut values = vec![Complex::new(0.0, 0.0); self.size];
        for k in 0..=self.size / 2 {
            values[k] = transform(k);
            if k > 0 && k < self.size / 2 {
                values[self.size - k] = values[k].conj();
            }
        }
        fourier(&mut values, true);
        values.iter().map(|value| value.re.max(0.0)).collect()
    }

    /// The tokens that arrive in the iterations of the given kinds, and after an empty one with probability `idle` a batch.
    fn next(&self, traffic: &Traffic, kinds: &[Kind], idle: f64) -> Vec<f64> {
        let rate = traffic.rate / traffic.batch;
        self.law(|k| {
            let batch = self.batch(k);
            let mut sum = Complex::new(0.0, 0.0);
            for (index, kind) in kinds.iter().enumerate() {
                let arrivals = ((batch - 1.0) * (rate * kind.step)).exp() * kind.mass;
                sum += if index == 0 { arrivals * (1.0 - idle) + batch * (idle * kind.mass) } else { arrivals };
            }
            sum
        })
    }
}

/// Iterations of about one length; the first kind has no prompts.
#[derive(Debug, Clone, Copy)]
struct Kind {
    step: f64,
    mass: f64,
}

fn kinds(law: &[f64], cell: f64, step: &dyn Fn(f64) -> f64) -> Vec<Kind> {
    let total: f64 = law.iter().sum();
    let mut found = vec![Kind { step: step(0.0), mass: law[0] / total }];
    let prompts = 1.0 - found[0].mass;
    let (mut mass, mut sum, mut reached) = (0.0, 0.0, 0.0);
    for (index, p) in law.iter().enumerate().skip(1) {
        mass += p / total;
        sum += p / total * index as f64 * cell;
        reached += p / total;
        let width = KINDS.iter().find(|kind| reached <= kind.0 * prompts).map_or(1.0, |kind| kind.1);
        if mass >= width * prompts || (index + 1 == law.len() && mass > 0.0) {
            found.push(Kind { step: step(sum / mass), mass });
            (mass, sum) = (0.0, 0.0);
        }
    }
    found
}

/// Solves the chain; `reach` tokens are practically never exceeded.
pub(super) fn solve(traffic: &Traffic, step: &dyn Fn(f64) -> f64, reach: f64) -> Backlog {
    let per_step = traffic.rate * traffic.prompt;
    let mut beside = 0.0;
    for _ in 0..60 {
        beside = per_step * step(beside);
    }
    let coarse = Spectrum::of(traffic, reach, COARSE);
    let mut found = vec![Kind { step: step(beside), mass: 1.0 }];
    let mut idle = 0.0;
    let mut spread = 0.0;
    for _ in 0..40 {
        let law = coarse.next(traffic, &found, idle);
        found = kinds(&law, coarse.cell, step);
        let mean: f64 = found.iter().map(|kind| kind.mass * kind.step).sum();
        idle = follows_empty(traffic, mean, found[0].mass);
        let second: f64 = found.iter().map(|kind| kind.mass * kind.step * kind.step).sum();
        let settled = (second - spread).abs() < 1e-4 * second;
        spread = second;
        if settled {
            break;
        }
    }
    let size = if traffic.tier == Tier::Fast { FINE / 4 } else { FINE };
    let fine = Spectrum::of(traffic, reach, size);
    let law = fine.next(traffic, &found, idle);
    describe(traffic, step, &fine, &law, beside)
}

/// The probability that an iteration without prompts is followed by an idle period, which ends with one batch.
fn follows_empty(traffic: &Traffic, mean_s: f64, empty: f64) -> f64 {
    if traffic.idle <= 1e-3 {
        return 0.0;
    }
    (traffic.rate / traffic.batch * traffic.idle / (1.0 - traffic.idle) * mean_s / empty.max(1e-12)).min(1.0)
}

fn describe(traffic: &Traffic, step: &dyn Fn(f64) -> f64, fine: &Spectrum, law: &[f64], beside: f64) -> Backlog {
    let mut found = Backlog::default();
    let times: Vec<f64> = (0..law.len()).map(|index| step(index as f64 * fine.cell)).collect();
    let total: f64 = law.iter().sum();
    for (index, (&time, mass)) in times.iter().zip(law).enumerate() {
        let p = mass / total;
        found.step += p * time;
        found.step_squared += p * time * time;
        found.tokens += p * index as f64 * fine.cell;
        found.steps.push((time, p));
    }
    found.residual = (1.0 - traffic.idle) * found.step_squared / (2.0 * found.step);
    let rate = traffic.rate / traffic.batch;
    let own = |arrivals_s: f64| {
        fine.law(|k| {
            let mates = fine.mates[k];
            ((fine.batch(k) - 1.0) * (rate * arrivals_s)).exp() * mates * mates * fine.prompts[k]
        })
    };
    let mut add = |kind: Kind, shorter: f64| {
        let law = own(kind.step);
        let total: f64 = law.iter().sum();
        let atoms = times.iter().zip(&law).map(|(time, p)| (time - shorter, kind.mass * p / total)).collect();
        for (time, share) in gathered(atoms) {
            found.own += kind.mass * share * time;
            found.owns.push(Own { step: kind.step, time, mass: kind.mass * share });
        }
    };
    if traffic.idle > 0.0 {
        add(Kind { step: 0.0, mass: traffic.idle }, traffic.decodes_s);
    }
    let kinds = kinds(law, fine.cell, step);
    let mean: f64 = kinds.iter().map(|kind| kind.mass * kind.step).sum();
    for kind in kinds.into_iter().filter(|kind| kind.mass > 1e-9) {
        add(Kind { step: kind.step, mass: (1.0 - traffic.idle) * kind.mass * kind.step / mean }, 0.0);
    }
    let reach = fine.cell * fine.size as f64;
    let per_token = (step(reach) - step(0.0)) / reach;
    let share = (traffic.rate * per_token * traffic.prompt).min(0.999);
    found.excess = per_token * (traffic.rate * traffic.prompt * found.own - beside) / (1.0 - share);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    /// An iteration of c + a·p: E\[T\] = c/(1 − x), E\[T²\] = E\[T\]² + a²λE\[s²\]E\[T\]/(1 − x²), and the own iteration of
    /// a tagged prompt c + aE\[s\] + x·E\[T²\]/E\[T\].
    #[test]
    fn affine_iterations_have_their_moments() {
        let mut prompts = vec![0.0; 201];
        (prompts[50], prompts[200]) = (0.6, 0.4);
        let (rate, c, a) = (8.0, 0.02, 0.0004);
        let traffic = Traffic {
            rate,
            batch: 1.0,
            prompts: &prompts,
            prompt_survival: &[],
            prompt: 110.0,
            prompt_squared: 17_500.0,
            chunk: f64::INFINITY,
            idle: 0.0,
            decodes_s: 0.0,
            tier: Tier::Sharp,
        };
        let found = solve(&traffic, &|tokens| c + a * tokens, 4000.0);
        let x = rate * a * 110.0;
        let mean = c / (1.0 - x);
        let second = mean * mean + a * a * rate * 17_500.0 * mean / (1.0 - x * x);
        assert_relative_eq!(found.step, mean, max_relative = 1e-3);
        assert_relative_eq!(found.step_squared, second, max_relative = 5e-3);
        assert_relative_eq!(found.own, c + a * 110.0 + x * second / mean, max_relative = 5e-3);
    }
}
