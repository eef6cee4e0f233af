//! Whole prompts packed in order into iterations of at most B tokens: the prompt that does not fit opens the next one
//! (next fit).
//!
//! Laws of open iterations live on a lattice: one token wide up to 2048 cells, wider for larger budgets, so that a budget of any
//! size costs the same.

use nalgebra::Complex;

use super::super::transform::{dot, fourier, on_lattice};

/// Most cells of a budget.
pub(super) const CELLS: f64 = 2048.0;
/// Values up to which a law is kept as a list.
const FEW: usize = 48;
/// Prompts packed one by one; beyond, each costs what the latter half of these did.
const ONE_BY_ONE: usize = 256;
/// Mass that no longer counts.
const NOTHING: f64 = 1e-11;
/// Decades by which a tilted sum is damped on its way round the circle, in units of e.
const ROUND: f64 = 24.0;

/// The law of a prompt, on cells, and the budget in cells.
pub(super) struct Prompts {
    /// Tokens of a cell.
    pub cell: f64,
    /// Cells of a full iteration.
    pub reach: usize,
    masses: Vec<f64>,
    /// The masses from the longest down, for products of vectors.
    reversed: Vec<f64>,
    /// (cells, mass) where there are few values.
    few: Option<Vec<(usize, f64)>>,
}

/// What packing prompts costs, in the mean.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Packed {
    pub seconds: f64,
    pub batches: f64,
}

impl Packed {
    fn add(&mut self, other: Self, weight: f64) {
        self.seconds += weight * other.seconds;
        self.batches += weight * other.batches;
    }
}

impl Prompts {
    /// The law with P(s = k) = `masses[k]` under a budget of `tokens`, which no prompt exceeds.
    pub fn new(masses: &[f64], tokens: f64) -> Self {
        let mut cell = 1.0;
        let mut on_cells = masses.to_vec();
        let mut reach = (tokens as usize).max(masses.len() - 1);
        if tokens > CELLS {
            // Half a cell above the last one that fits is half a token above the budget.
            cell = (tokens + 0.5) / (CELLS + 0.5);
            on_cells = on_lattice(masses, cell);
            reach = (CELLS as usize).max(on_cells.len() - 1);
        }
        let listed = || on_cells.iter().copied().enumerate().filter(|(_, mass)| *mass > 0.0);
        let few = (listed().count() <= FEW).then(|| listed().collect());
        let reversed = on_cells.iter().rev().copied().collect();
        Self { cell, reach, masses: on_cells, reversed, few }
    }

    /// The law of an iteration that held `open` and one prompt more, where it fits.
    fn joined(&self, open: &[f64]) -> Vec<f64> {
        let mut joined = vec![0.0; self.reach + 1];
        if let Some(few) = &self.few {
            for &(cells, mass) in few {
                for (sum, held) in joined[cells..].iter_mut().zip(open) {
                    *sum += mass * held;
                }
            }
            return joined;
        }
        let values = self.reversed.len();
        for (z, sum) in joined.iter_mut().enumerate() {
            // Σ_y f(y) open(z − y).
            let held = &open[(z + 1).saturating_sub(values)..=z];
            *sum = dot(&self.reversed[values - held.len()..], held);
        }
        joined
    }

    /// P(an iteration with the law `open` holds more than B − y), for y = 0, 1, ….
    fn overflow(&self, open: &[f64]) -> Vec<f64> {
        let mut tail = 0.0;
        let above = |z: usize| {
            let before = tail;
            tail += open[z];
            before
        };
        // Entry y is Σ_{z > reach − y} open(z).
        (0..=self.reach).rev().map(above).take(self.masses.len()).collect()
    }

    /// P(s > B − y cells) for an iteration that holds y, y = 0, 1, ….
    fn too_long(&self) -> Vec<f64> {
        let mut fits = vec![0.0; self.reach + 1];
        let mut sum = 0.0;
        for (room, fit) in fits.iter_mut().enumerate() {
            sum += self.masses.get(room).copied().unwrap_or(0.0);
            *fit = sum;
        }
        (0..=self.reach).map(|held| (1.0 - fits[self.reach - held]).max(0.0)).collect()
    }

    /// Seconds of an iteration by its cells.
    fn costs(&self, step: impl Fn(f64) -> f64) -> Vec<f64> {
        (0..=self.reach).map(|z| step((z as f64 * self.cell).max(1.0))).collect()
    }

    /// R(d) for d = 0 … `most`: E\[seconds\] and E\[iterations\] of packing d prompts, `step` the seconds of an iteration of that
    /// many tokens. Open iterations: x ← x∗f where it fits; what does not fit closes one and opens the next.
    pub fn packed(&self, most: usize, step: impl Fn(f64) -> f64) -> Vec<Packed> {
        let mut found = vec![Packed::default()];
        let too_long = self.too_long();
        let mut closed = Packed::default();
        let mut open = self.masses.clone();
        open.resize(self.reach + 1, 0.0);
        let costs = self.costs(step);
        for count in 1..=most.min(ONE_BY_ONE) {
            if count > 1 {
                let overflow = self.overflow(&open);
                for ((mass, share), cost) in open.iter().zip(&too_long).zip(&costs) {
                    closed.seconds += mass * share * cost;
                    closed.batches += mass * share;
                }
                let mut next = self.joined(&open);
                for (sum, (mass, above)) in next.iter_mut().zip(self.masses.iter().zip(&overflow)) {
                    *sum += mass * above;
                }
                open = next;
            }
            found.push(Packed { seconds: closed.seconds + dot(&open, &costs), batches: closed.batches + 1.0 });
        }
        go_on(&mut found, most);
        found
    }

    /// Iterations of at most `cap` prompts, packed for ever: the law of the number of prompts in one and its seconds.
    ///
    /// The first k prompts fit when their sum does, so that with ν the law of the first, P(k fit, sum S) = ν∗f^{k−1}(S), and
    /// ν(x) ∝ f(x)·(P(K fit) + Σ_{S > B − x} H(S)), H the sum over k < K. Transforms on a circle of twice the budget, tilted so
    /// that what goes round it no longer counts.
    pub fn endless(&self, cap: u64, step: impl Fn(f64) -> f64) -> Endless {
        let circle = Circle::new(self);
        let mut first = self.masses.clone();
        let (mut opened, mut full) = circle.sums(&first, cap);
        for _ in 0..100 {
            let reached: f64 = full.iter().sum();
            let opens = self.overflow(&opened);
            let mut next: Vec<f64> = self.masses.iter().zip(opens).map(|(f, above)| f * (reached + above)).collect();
            let total: f64 = next.iter().sum();
            next.iter_mut().for_each(|mass| *mass /= total);
            let change: f64 = next.iter().zip(&first).map(|(a, b)| (a - b).abs()).sum();
            first = next;
            (opened, full) = circle.sums(&first, cap);
            if change < 1e-9 {
                break;
            }
        }
        let (costs, too_long) = (self.costs(step), self.too_long());
        let closing: f64 =
            opened.iter().zip(&too_long).zip(&costs).map(|((mass, share), cost)| mass * share * cost).sum();
        let counts = circle.counts(&first, cap);
        let mean = counts.iter().enumerate().map(|(n, p)| n as f64 * p).sum();
        Endless { counts, mean, seconds: closing + dot(&full, &costs) }
    }
}

/// Beyond the prompts packed one by one each costs as much as those of the latter half.
fn go_on(found: &mut Vec<Packed>, most: usize) {
    let last = found.len() - 1;
    if last >= most {
        return;
    }
    let (end, middle) = (found[last], found[last / 2]);
    let count = (last - last / 2) as f64;
    let each =
        Packed { seconds: (end.seconds - middle.seconds) / count, batches: (end.batches - middle.batches) / count };
    for beyond in 1..=most - last {
        let mut next = end;
        next.add(each, beyond as f64);
        found.push(next);
    }
}

/// Sums of prompts on a circle, tilted.
struct Circle {
    n: usize,
    reach: usize,
    tilt: f64,
    /// The transform of one prompt.
    prompt: Vec<Complex<f64>>,
    /// The transform that sums what fits.
    fits: Vec<Complex<f64>>,
}

impl Circle {
    fn new(prompts: &Prompts) -> Self {
        let n = (2 * (prompts.reach + 1)).next_power_of_two();
        let mut circle = Self { n, reach: prompts.reach, tilt: ROUND / n as f64, prompt: Vec::new(), fits: Vec::new() };
        circle.prompt = circle.transform(&prompts.masses);
        let mut fits = vec![Complex::new(0.0, 0.0); n];
        for (z, value) in fits.iter_mut().take(prompts.reach + 1).enumerate() {
            value.re = (circle.tilt * z as f64).exp() / n as f64;
        }
        fourier(&mut fits, false);
        circle.fits = fits;
        circle
    }

    fn transform(&self, law: &[f64]) -> Vec<Complex<f64>> {
        let mut values = vec![Complex::new(0.0, 0.0); self.n];
        for (z, (value, mass)) in values.iter_mut().zip(law).enumerate() {
            value.re = mass * (-self.tilt * z as f64).exp();
        }
        fourier(&mut values, false);
        values
    }

    fn inverse(&self, mut values: Vec<Complex<f64>>) -> Vec<f64> {
        fourier(&mut values, true);
        let untilted = |(z, value): (usize, &Complex<f64>)| (value.re * (self.tilt * z as f64).exp()).max(0.0);
        values.iter().take(self.reach + 1).enumerate().map(untilted).collect()
    }

    /// (H, P(`cap` fit)) by their sum, when the first prompt has the law `first`.
    fn sums(&self, first: &[f64], cap: u64) -> (Vec<f64>, Vec<f64>) {
        let start = self.transform(first);
        let most = i32::try_from(cap - 1).unwrap_or(i32::MAX);
        let (mut opened, mut full) = (start.clone(), start);
        for ((open, all), prompt) in opened.iter_mut().zip(&mut full).zip(&self.prompt) {
            let power = prompt.powi(most);
            *open *= (Complex::new(1.0, 0.0) - power) / (Complex::new(1.0, 0.0) - prompt);
            *all *= power;
        }
        (self.inverse(opened), self.inverse(full))
    }

    /// P(n prompts) of an iteration, n = 0, 1, …: differences of P(the first k fit).
    fn counts(&self, first: &[f64], cap: u64) -> Vec<f64> {
        let mut law = self.transform(first);
        let mut counts = vec![0.0];
        let mut before = 1.0;
        for count in 2..=cap {
            let mut fitting = 0.0;
            for ((value, prompt), fits) in law.iter_mut().zip(&self.prompt).zip(&self.fits) {
                *value *= prompt;
                fitting += value.re * fits.re + value.im * fits.im;
            }
            let fitting = fitting.clamp(0.0, before);
            counts.push(before - fitting);
            before = fitting;
            if fitting < NOTHING && count > 2 {
                break;
            }
        }
        counts.push(before);
        counts
    }
}

/// Iterations packed for ever.
#[derive(Debug, Clone)]
pub(super) struct Endless {
    /// P(n prompts), n = 0, 1, ….
    pub counts: Vec<f64>,
    /// E\[n\].
    pub mean: f64,
    /// E\[seconds\] of an iteration.
    pub seconds: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    /// Prompts of 2 or 3 tokens, five to an iteration: by hand.
    #[test]
    fn two_lengths_by_hand() {
        let prompts = Prompts::new(&[0.0, 0.0, 0.5, 0.5], 5.0);
        let packed = prompts.packed(3, |tokens| tokens);
        assert_relative_eq!(packed[1].seconds, 2.5, max_relative = 1e-14);
        // Only two of 3 tokens do not fit.
        assert_relative_eq!(packed[2].batches, 1.25, max_relative = 1e-14);
        // A third never fits beside two; after 3, 3 it joins a 3 if it has 2.
        assert_relative_eq!(packed[3].batches, 0.75 * 2.0 + 0.125 * 2.0 + 0.125 * 3.0, max_relative = 1e-14);
        assert_relative_eq!(packed[3].seconds, 7.5, max_relative = 1e-14);
    }

    #[test]
    fn a_list_and_a_vector_give_the_same() {
        let mut masses = vec![0.0; 60];
        (10..60).for_each(|k| masses[k] = 0.02);
        let dense = Prompts::new(&masses, 200.0);
        let sparse = Prompts {
            few: Some(masses.iter().copied().enumerate().filter(|(_, mass)| *mass > 0.0).collect()),
            ..Prompts::new(&masses, 200.0)
        };
        let step = |tokens: f64| 0.02 + 3e-4 * (tokens - 64.0).max(0.0);
        for (a, b) in dense.packed(30, step).iter().zip(sparse.packed(30, step)) {
            assert_relative_eq!(a.seconds, b.seconds, max_relative = 1e-12);
        }
        let (a, b) = (dense.endless(7, step), sparse.endless(7, step));
        assert_relative_eq!(a.mean, b.mean, max_relative = 1e-10);
        assert_relative_eq!(a.seconds, b.seconds, max_relative = 1e-10);
    }

    #[test]
    fn prompts_beyond_the_budget_of_one_by_one_cost_as_much_as_those_before() {
        let prompts = Prompts::new(&[0.0, 0.0, 0.5, 0.5], 5.0);
        let packed = prompts.packed(1000, |tokens| 1.0 + tokens);
        let endless = prompts.endless(1000, |tokens| 1.0 + tokens);
        let each = (packed[1000].batches - packed[900].batches) / 100.0;
        assert_relative_eq!(1.0 / each, endless.mean, max_relative = 1e-9);
        assert_relative_eq!(endless.counts.iter().sum::<f64>(), 1.0, max_relative = 1e-12);
    }
}
