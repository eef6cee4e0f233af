//! V(t): the iterations of prompts that follow a silence of length t, until no prompt waits.
//!
//! Requests arrive at rate λ during t and during the prompts' iterations themselves. With an affine law and no token budget in
//! the way, the chance u_k(t) of at most k iterations is a sum of exponentials whose exponents are θ_0 = λ,
//! θ_{j+1} = λ(1 − f̂(aθ_j)), f̂ the transform of the prompt law: exact for every law, and without a lattice. Otherwise
//! W(i) = S(i) + E\[W(next)\] over the tokens i that wait is solved on nodes.

use nalgebra::{Complex, DMatrix};

use super::super::transform::{dot, fourier, on_lattice};

/// Terms of the series at most.
const TERMS: usize = 2000;
/// 1 − u_k below which the series ends.
const SMALL: f64 = 1e-11;
/// Cells of the lattice of waiting tokens.
const CELLS: usize = 1024;

/// What a phase of prompts is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Phase {
    /// E\[seconds\].
    pub seconds: f64,
    /// E\[iterations\].
    pub batches: f64,
}

/// Phases of prompts at one rate.
pub(super) enum Phases {
    Series(Series),
    Nodes(Nodes),
}

impl Phases {
    /// The phase after `silence` seconds.
    pub fn after(&self, silence: f64) -> Phase {
        match self {
            Self::Series(series) => series.after(silence),
            Self::Nodes(nodes) => nodes.after(silence),
        }
    }
}

/// Affine laws: iterations take c + a·tokens.
pub(super) struct Series {
    base_s: f64,
    /// x = λ a E\[s\].
    share: f64,
    exponents: Vec<f64>,
    /// Σ_k of the coefficients of u_k.
    coefficients: Vec<f64>,
    terms: f64,
}

impl Series {
    /// The phases at `rate` when an iteration takes `base_s` + `per_token_s`·tokens; none when prompts alone fill the time.
    /// `longest` is the longest silence that will be asked for.
    pub fn new(rate: f64, prompts: &[f64], (base_s, per_token_s): (f64, f64), longest: f64) -> Option<Self> {
        let mean: f64 = prompts.iter().enumerate().map(|(k, mass)| k as f64 * mass).sum();
        let share = rate * per_token_s * mean;
        if share >= 1.0 {
            return None;
        }
        let mut exponents = vec![rate];
        // u_k = Σ_j w_j e^{−θ_j t}; w moves by one place and is damped by e^{−θ_j c}.
        let mut damping = vec![(-rate * base_s).exp()];
        let mut at_longest = vec![(-rate * longest).exp()];
        let mut weights = vec![1.0];
        let mut coefficients = vec![1.0];
        while 1.0 - dot(&weights, &at_longest) > SMALL && exponents.len() < TERMS {
            let theta = rate * (1.0 - transform(prompts, per_token_s * exponents[exponents.len() - 1]));
            let mut next = vec![0.0];
            next.extend(weights.iter().zip(&damping).map(|(w, damp)| w * damp));
            next[0] = 1.0 - next.iter().sum::<f64>();
            weights = next;
            exponents.push(theta);
            damping.push((-theta * base_s).exp());
            at_longest.push((-theta * longest).exp());
            coefficients.push(0.0);
            coefficients.iter_mut().zip(&weights).for_each(|(sum, w)| *sum += w);
        }
        let terms = exponents.len() as f64;
        Some(Self { base_s, share, exponents, coefficients, terms })
    }

    fn after(&self, silence: f64) -> Phase {
        let none: f64 =
            self.coefficients.iter().zip(&self.exponents).map(|(w, theta)| w * (-theta * silence).exp()).sum();
        let batches = (self.terms - none).max(0.0);
        Phase { seconds: (self.base_s * batches + self.share * silence) / (1.0 - self.share), batches }
    }
}

/// E\[e^{−θs}\], summed as 1 − Σ f(1 − e^{−θs}) so that small θ lose nothing.
fn transform(prompts: &[f64], theta: f64) -> f64 {
    let mut factor = 1.0;
    let ratio = (-theta).exp();
    let mut missing = 0.0;
    for (k, &mass) in prompts.iter().enumerate() {
        if mass > 0.0 {
            // Products drift by one rounding a step: far below the tolerance.
            missing += mass * if theta * (k as f64) < 1e-4 { -(-theta * k as f64).exp_m1() } else { 1.0 - factor };
        }
        factor *= ratio;
    }
    1.0 - missing
}

/// Any law, any token budget: tokens that wait, on nodes.
pub(super) struct Nodes {
    rate: f64,
    cell: f64,
    /// The transform of one prompt on the lattice, less 1.
    spectrum: Vec<Complex<f64>>,
    nodes: Vec<f64>,
    /// W and the iterations at the nodes.
    seconds: Vec<f64>,
    batches: Vec<f64>,
}

impl Nodes {
    /// The phases at `rate` under a token budget; `step` gives an iteration's seconds by its tokens and `bends` are tokens
    /// where it bends. None when the phases do not end.
    pub fn new(
        rate: f64,
        prompts: &[f64],
        budget: f64,
        step: impl Fn(f64) -> f64,
        bends: &[f64],
        longest: f64,
    ) -> Option<Self> {
        let reach = reach(rate, prompts, budget, &step, longest);
        let cell = (reach / CELLS as f64).max(1.0);
        let mut spectrum = vec![Complex::new(0.0, 0.0); 2 * CELLS];
        for (slot, mass) in spectrum.iter_mut().zip(on_lattice(prompts, cell)) {
            slot.re = mass;
        }
        fourier(&mut spectrum, false);
        spectrum.iter_mut().for_each(|value| *value -= 1.0);
        let mut nodes = nodes(reach, budget, bends);
        nodes.retain(|node| *node <= reach);
        let count = nodes.len();
        let mut found = Self { rate, cell, spectrum, nodes, seconds: vec![0.0; count], batches: vec![0.0; count] };
        let mut matrix = DMatrix::<f64>::identity(count, count);
        let mut right = DMatrix::<f64>::zeros(count, 2);
        for row in 0..count {
            let waiting = found.nodes[row];
            let now = waiting.min(budget);
            let seconds = step(now);
            right[(row, 0)] = seconds;
            right[(row, 1)] = 1.0;
            found.next(seconds, waiting - now, |node, weight| matrix[(row, node)] -= weight);
        }
        let solved = matrix.lu().solve(&right)?;
        found.seconds = solved.column(0).iter().copied().collect();
        found.batches = solved.column(1).iter().copied().collect();
        let sound = |values: &[f64]| values.iter().all(|value| value.is_finite() && *value > 0.0);
        (sound(&found.seconds) && sound(&found.batches)).then_some(found)
    }

    /// Visits the nodes with the weights that W(what waits after `silence`, beside `left` tokens) has on them.
    fn next(&self, silence: f64, left: f64, mut visit: impl FnMut(usize, f64)) {
        let none = (-self.rate * silence).exp();
        let mut law: Vec<Complex<f64>> =
            self.spectrum.iter().map(|value| (value * (self.rate * silence)).exp()).collect();
        fourier(&mut law, true);
        for (index, value) in law.iter().enumerate() {
            // Short prompts that the lattice puts at zero still ask for an iteration; nobody does not.
            let mass = if index == 0 && left == 0.0 { value.re - none } else { value.re };
            if mass < 1e-15 {
                continue;
            }
            let waiting = (left + index as f64 * self.cell).max(1.0);
            let right = self.nodes.partition_point(|node| *node < waiting).clamp(1, self.nodes.len() - 1);
            let (from, to) = (self.nodes[right - 1], self.nodes[right]);
            let share = (waiting - from) / (to - from);
            visit(right - 1, mass * (1.0 - share));
            visit(right, mass * share);
        }
    }

    fn after(&self, silence: f64) -> Phase {
        let mut phase = Phase::default();
        self.next(silence, 0.0, |node, weight| {
            phase.seconds += weight * self.seconds[node];
            phase.batches += weight * self.batches[node];
        });
        phase
    }
}

/// Tokens beyond which hardly any wait after the longest silence or a long iteration.
fn reach(rate: f64, prompts: &[f64], budget: f64, step: &impl Fn(f64) -> f64, longest: f64) -> f64 {
    let moment = |power: i32| prompts.iter().enumerate().map(|(k, mass)| (k as f64).powi(power) * mass).sum::<f64>();
    let (mean, second) = (moment(1), moment(2));
    let most = prompts.len() as f64;
    let after = |seconds: f64| rate * seconds * mean + 8.0 * (rate * seconds * second).sqrt() + most;
    let mut reach = after(longest);
    for _ in 0..6 {
        reach = reach.max(after(step(reach.min(budget))) + (reach - budget).max(0.0));
        if reach > 16.0 * budget {
            break;
        }
    }
    reach
}

/// Nodes: dense where little waits, at the bends, then in steps of a twelfth.
fn nodes(reach: f64, budget: f64, bends: &[f64]) -> Vec<f64> {
    let mut nodes = vec![1.0];
    let mut last = 1.0_f64;
    while last < reach {
        last += (last / 12.0).max(reach / 400.0);
        nodes.push(last);
    }
    nodes.extend(bends.iter().copied().filter(|bend| *bend > 1.0 && *bend < reach));
    if budget < reach {
        nodes.push(budget);
    }
    nodes.sort_by(f64::total_cmp);
    nodes.dedup_by(|a, b| *a - *b < 1e-9 * reach);
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    fn prompts() -> Vec<f64> {
        let mut masses = vec![0.0; 151];
        (50..151).for_each(|k| masses[k] = 1.0 / 101.0);
        masses
    }

    /// Without a slope every prompt's iteration takes c: after t there are as many as arrivals find it ended, 1 − e^{−λt} and
    /// then a geometric number.
    #[test]
    fn constant_iterations_are_geometric() {
        let (rate, base) = (5.0, 0.1_f64);
        let series = Series::new(rate, &prompts(), (base, 0.0), 0.3).unwrap();
        let some = 1.0 - (-rate * 0.3_f64).exp();
        let batches = some / (-rate * base).exp();
        assert_relative_eq!(series.after(0.3).batches, batches, max_relative = 1e-9);
        assert_relative_eq!(series.after(0.3).seconds, base * batches, max_relative = 1e-9);
    }

    /// Both forms agree where both hold.
    #[test]
    fn nodes_and_series_agree() {
        let (rate, base, slope) = (12.0, 0.02, 0.00025);
        let series = Series::new(rate, &prompts(), (base, slope), 0.06).unwrap();
        let step = |tokens: f64| base + slope * tokens;
        let nodes = Nodes::new(rate, &prompts(), f64::INFINITY, step, &[], 0.06).unwrap();
        for silence in [0.01, 0.03, 0.06] {
            let (a, b) = (series.after(silence), nodes.after(silence));
            assert_relative_eq!(a.batches, b.batches, max_relative = 2e-4);
            assert_relative_eq!(a.seconds, b.seconds, max_relative = 2e-4);
        }
        assert!(Series::new(45.0, &prompts(), (base, slope), 0.06).is_none());
    }
}
