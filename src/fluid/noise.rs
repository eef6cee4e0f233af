//! Linear noise around the fluid: dX = F dt + dW, Var dW = D dt, linearised along the fluid. The covariance Σ of the requests by
//! age solves dΣ/dt = AΣ + ΣAᵀ + D with A = F', and AΣ + ΣAᵀ + D = 0 at equilibrium (van Kampen; Ethier and Kurtz 1986, ch. 11).
//!
//! State: requests waiting or in prefill, then those that decode by bins of age, as in the fluid's ODE; water levels keep the
//! limits. Arrivals bring Poisson noise times their index of dispersion, steps from bin to bin Poisson noise, so that without
//! feedback every bin is a Poisson number. The end of a prompt brings none of its own, since it takes one iteration and not a
//! random time. A longer prompt than the mean holds everybody up by its own seconds. The spread of prompts and ages within a bin
//! adds to the variance of KV.
//!
//! It is the leading order for large systems. Away from the limits, with half of the time spent on tokens and 100 residents, sd of N
//! is within .6 % and sd of KV within 1.6 % of simulation (geometric, uniform, lognormal and constant outputs); within two sd of a
//! limit it is too large, since it does not see the limit coming.

use nalgebra::{DMatrix, DVector};

use super::load::Load;
use super::path::{self, Path};
use super::{root, scope};
use crate::scenario::trace::dispersion::index_of_dispersion;
use crate::scenario::{Admission, FirstToken, MixedCost, Mixing, Priority, Prompts, Scenario, TraceMode};
use crate::schedule::{admission, budget};

/// Bins at equilibrium.
const BINS: usize = 48;
/// Bins along a path.
const PATH_BINS: usize = 12;
/// Terms of the power series of one short step.
const TERMS: u32 = 10;
/// Size of A·h in a short step.
const SHORT: f64 = 0.25;
/// Steps of the linearisation per mean time in the system, along a path.
const STEPS_PER_STAY: f64 = 12.0;
/// Most of them between two points of a path.
const MOST_STEPS: usize = 64;

/// Standard deviations at one time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Noise {
    /// Of the requests in the system.
    pub in_system_sd: f64,
    /// Of the KV tokens held.
    pub kv_sd: f64,
}

/// Means and standard deviations at equilibrium.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Equilibrium {
    /// Mean requests in the system, by the fluid.
    pub in_system: f64,
    /// Mean KV tokens held, by the fluid.
    pub kv_tokens: f64,
    /// Their standard deviations.
    pub noise: Noise,
    /// Whether two standard deviations reach a limit, or the linear answer to a disturbance dies out too slowly to be trusted.
    pub near_limit: bool,
}

/// The noise of a stable scenario; none above λ*, and where iterations do not mix prompts and decodes
/// as those of `vllm-v1`, `sarathi` and `orca` do, on one instance.
pub fn equilibrium(scenario: &Scenario) -> Option<Equilibrium> {
    if !is_covered(scenario) || super::boundary(scenario).low_per_s <= Load::of(scenario).served_per_s {
        return None;
    }
    let load = Load::of(scenario);
    let rate = load.served_per_s;
    let excess =
        |step: f64| step - load.step_s((rate * step * load.work()).max(1e-9), rate * step * load.moments.held_mean());
    let step = root::find(excess, load.step_s(1e-9, 0.0), 1e-12)?.middle();
    let model = Model::of(&load, BINS, step);
    let state = model.in_balance(rate * step);
    let linear = model.linear(&state, rate);
    let covariance = settle(&linear.slope, &linear.diffusion)?;
    let noise = linear.noise(&covariance);
    let (in_system, kv_tokens) = (state.sum(), linear.flow.kv_tokens);
    let reaches = |mean: f64, sd: f64, limit: f64| mean + 2.0 * sd > limit;
    let near_limit = reaches(in_system, noise.in_system_sd, load.cap)
        || reaches(kv_tokens, noise.kv_sd, load.memory.unwrap_or(f64::INFINITY));
    Some(Equilibrium { in_system, kv_tokens, noise, near_limit })
}

/// Standard deviations at the points of a path, from none at its first point; empty where the noise is not covered. The rate of
/// arrivals at each time is read off the path.
pub fn along(scenario: &Scenario, path: &Path) -> Vec<Noise> {
    let Some(first) = path.points.first().filter(|_| is_covered(scenario)) else { return Vec::new() };
    let load = Load::of(scenario);
    let model = Model::of(&load, PATH_BINS, first.step_s);
    let mut state = DVector::zeros(model.bins.len());
    state[0] = first.waiting + first.running + first.swapped;
    let mut covariance = DMatrix::zeros(state.len(), state.len());
    let mut found = vec![Noise::default()];
    let mut last: Option<(Linear, f64, Propagator)> = None;
    for pair in path.points.windows(2) {
        let span = pair[1].t_s - pair[0].t_s;
        let total = |index: usize| pair[index].waiting + pair[index].running + pair[index].swapped;
        let completed = 0.5 * (pair[0].throughput_per_s + pair[1].throughput_per_s);
        let rate = ((total(1) - total(0)) / span + completed).max(0.0);
        let stay = load.output() * pair[0].step_s.max(pair[1].step_s);
        let parts = ((STEPS_PER_STAY * span / stay).ceil() as usize).clamp(1, MOST_STEPS);
        for _ in 0..parts {
            let linear = model.linear(&state, rate);
            let step = span / parts as f64;
            let again = last.take().filter(|(old, width, _)| *width == step && old.is_like(&linear));
            let propagator =
                again.map_or_else(|| Propagator::over(&linear.slope, &linear.diffusion, step), |last| last.2);
            covariance = &propagator.keeps * covariance * propagator.keeps.transpose() + &propagator.adds;
            state += &propagator.moves * &linear.flow.drift;
            state.iter_mut().for_each(|mass| *mass = mass.max(0.0));
            last = Some((linear, step, propagator));
        }
        found.push(model.linear(&state, rate).noise(&covariance));
    }
    found
}

/// The standard deviation of the number in the system along a path: that of [`along`], or of the diffusion of the number alone
/// ([`path::band`]) where the noise of the ages is not covered.
pub fn band(scenario: &Scenario, path: &Path) -> Vec<f64> {
    let found = along(scenario, path);
    if found.is_empty() { path::band(scenario, path) } else { found.iter().map(|noise| noise.in_system_sd).collect() }
}

fn is_covered(scenario: &Scenario) -> bool {
    let rules = scenario.batch_rules();
    // Which kind goes first, and how prompts are cut, matters at the limits only.
    scenario.cluster.is_none()
        && scope::refusal(scenario).is_none()
        && (rules.mixing, rules.mixed_cost) == (Mixing::Mixed, MixedCost::Sum)
        && rules.priority != Priority::Split
        && rules.prompts != Prompts::Present
        && rules.first_token == FirstToken::Prefill
        && scenario.sequence_cap() > 1
}

/// Variance of counts over their mean: of a renewal process its squared cv, of a replayed trace over a mean time in the system.
fn dispersion(load: &Load, step_s: f64) -> f64 {
    let workload = &load.scenario.workload;
    match &workload.trace {
        Some(source) if source.mode == TraceMode::Replay => {
            let stretch = source.requests.rate_per_s() / workload.rate().max(f64::MIN_POSITIVE);
            index_of_dispersion(&source.requests, (load.output() * step_s / stretch.max(1e-12)).max(1e-3))
                .unwrap_or(1.0)
        }
        _ => workload.dispersion_limit(),
    }
}

/// One bin of age; bin 0 holds who waits or prefills.
#[derive(Debug, Clone, Copy)]
struct Bin {
    /// Mean iterations in the bin.
    stay: f64,
    /// Share that goes on to the next bin.
    onwards: f64,
    /// Mean KV tokens held.
    holds: f64,
    /// Their variance over the requests of the bin.
    spread: f64,
    /// KV tokens that admission counts.
    counts: f64,
}

struct Model<'a> {
    load: &'a Load<'a>,
    bins: Vec<Bin>,
    /// E\[s\] and E\[s²\].
    prompt: (f64, f64),
    /// Index of dispersion of the arrivals.
    dispersion: f64,
}

/// The fluid at one state.
#[derive(Debug, Clone)]
struct Flow {
    drift: DVector<f64>,
    /// Requests per second out of each bin.
    leaving: Vec<f64>,
    resident: Vec<f64>,
    step_s: f64,
    kv_tokens: f64,
    tokens: f64,
    full: bool,
}

/// The fluid and its noise, linearised.
struct Linear {
    flow: Flow,
    slope: DMatrix<f64>,
    diffusion: DMatrix<f64>,
    kv_slope: DVector<f64>,
    kv_spread: f64,
}

impl<'a> Model<'a> {
    fn of(load: &'a Load<'a>, count: usize, step_s: f64) -> Self {
        let survival = &load.moments.output_survival;
        let edges = edges(survival, count);
        let (prompt, second) = (load.prompt(), load.moments.raw(2, 0));
        let mut beyond = vec![0.0; survival.len() + 1];
        for age in (0..survival.len()).rev() {
            beyond[age] = beyond[age + 1] + survival[age];
        }
        let reserve = load.scenario.policy.admission == Admission::Reserve;
        let shift = admission::greedy::room_needed_fluid(prompt, 0.0) + load.block_waste();
        let bins = edges.windows(2).map(|edge| {
            let ages = || (edge[0]..edge[1]).map(|age| (age as f64, survival[age]));
            let stay: f64 = ages().map(|(_, above)| above).sum();
            let mean = ages().map(|(age, above)| age * above).sum::<f64>() / stay;
            let squares = ages().map(|(age, above)| age * age * above).sum::<f64>() / stay;
            let peak =
                ages().map(|(age, above)| (age - 1.0 + shift) * above + beyond[age as usize]).sum::<f64>() / stay;
            let holds = mean + shift;
            Bin {
                stay: stay / survival[edge[0]],
                onwards: survival.get(edge[1]).copied().unwrap_or(0.0) / survival[edge[0]],
                holds,
                spread: squares - mean * mean + second - prompt * prompt,
                counts: if reserve { peak } else { holds },
            }
        });
        let mut bins: Vec<Bin> = bins.collect();
        // Prompts in chunks stay for several iterations.
        bins[0].stay += load.chunks_at(0.0).steps - 1.0;
        Self { load, bins, prompt: (prompt, second), dispersion: dispersion(load, step_s) }
    }

    /// The masses at `entering` requests per iteration.
    fn in_balance(&self, entering: f64) -> DVector<f64> {
        let mut reach = entering;
        DVector::from_iterator(
            self.bins.len(),
            self.bins.iter().map(|bin| {
                let mass = reach * bin.stay;
                reach *= bin.onwards;
                mass
            }),
        )
    }

    /// Fills the limits from the oldest bin down and lets an iteration pass.
    fn flow(&self, state: &DVector<f64>, rate: f64) -> Flow {
        let load = self.load;
        let n = self.bins.len();
        let (mut memory, mut slots) = (load.memory.unwrap_or(f64::INFINITY), load.cap);
        let (mut running, mut kv_tokens) = (0.0, 0.0);
        let mut resident = vec![0.0; n];
        for (i, bin) in self.bins.iter().enumerate().rev() {
            let mass = state[i].max(0.0);
            let mut kept = mass.min(memory / bin.counts).min(slots);
            if i == 0 {
                kept = kept.min(budget::prefill_budget_fluid(load.budget, running) / self.prompt.0 * bin.stay);
            }
            memory = (memory - kept * bin.counts).max(0.0);
            slots = (slots - kept).max(0.0);
            running += kept;
            kv_tokens += kept * bin.holds;
            resident[i] = kept;
        }
        let mut leaving: Vec<f64> = self.bins.iter().zip(&resident).map(|(bin, mass)| mass / bin.stay).collect();
        let tokens = (running - resident[0] + leaving[0] * self.prompt.0).max(1e-9);
        kv_tokens -= running * load.block_waste();
        let step_s = load.step_s(tokens, kv_tokens);
        leaving.iter_mut().for_each(|rate| *rate /= step_s);
        let entering = |i: usize| if i == 0 { rate } else { leaving[i - 1] * self.bins[i - 1].onwards };
        let drift = DVector::from_iterator(n, (0..n).map(|i| entering(i) - leaving[i]));
        Flow { drift, leaving, resident, step_s, kv_tokens, tokens, full: memory <= 1e-9 * kv_tokens }
    }

    /// Slopes by differences, and the noise of every way that the state can change.
    fn linear(&self, state: &DVector<f64>, rate: f64) -> Linear {
        let n = self.bins.len();
        let flow = self.flow(state, rate);
        let mut slope = DMatrix::zeros(n, n);
        let mut kv_slope = DVector::zeros(n);
        let scale = state.sum().max(1.0) / n as f64;
        for i in 0..n {
            let width = 1e-5 * (state[i] + scale);
            let mut other = state.clone();
            other[i] += width;
            let there = self.flow(&other, rate);
            slope.set_column(i, &((there.drift - &flow.drift) / width));
            kv_slope[i] = (there.kv_tokens - flow.kv_tokens) / width;
        }
        let diffusion = self.diffusion(&flow, rate);
        let kv_spread = if flow.full {
            0.0
        } else {
            flow.resident.iter().zip(&self.bins).map(|(mass, bin)| mass * bin.spread).sum()
        };
        Linear { flow, slope, diffusion, kv_slope, kv_spread }
    }

    fn diffusion(&self, flow: &Flow, rate: f64) -> DMatrix<f64> {
        let n = self.bins.len();
        let mut diffusion = DMatrix::zeros(n, n);
        diffusion[(0, 0)] = rate * self.dispersion;
        for (i, bin) in self.bins.iter().enumerate().skip(1) {
            let (out, on) = (flow.leaving[i], flow.leaving[i] * bin.onwards);
            diffusion[(i, i)] += out;
            if i + 1 < n {
                diffusion[(i + 1, i + 1)] += on;
                diffusion[(i, i + 1)] -= on;
                diffusion[(i + 1, i)] -= on;
            }
        }
        // A prompt of s tokens where the mean was expected: everybody is (s − E[s]) tokens' time late.
        let width = (flow.leaving[0] * flow.step_s * self.prompt.1).sqrt().max(1.0).min(0.9 * flow.tokens);
        let context = flow.kv_tokens;
        let per_token = (self.load.step_s(flow.tokens + width, context)
            - self.load.step_s(flow.tokens - width, context))
            / (2.0 * width);
        let mut served = flow.drift.clone();
        served[0] -= rate;
        let spread = (self.prompt.1 - self.prompt.0 * self.prompt.0).max(0.0);
        diffusion + flow.leaving[0] * per_token * per_token * spread * &served * served.transpose()
    }
}

impl Linear {
    fn noise(&self, covariance: &DMatrix<f64>) -> Noise {
        let kv = (self.kv_slope.transpose() * covariance * &self.kv_slope)[(0, 0)] + self.kv_spread;
        Noise { in_system_sd: covariance.sum().max(0.0).sqrt(), kv_sd: kv.max(0.0).sqrt() }
    }

    /// Whether a propagator made for the one serves the other.
    fn is_like(&self, other: &Self) -> bool {
        let close = |a: &DMatrix<f64>, b: &DMatrix<f64>| (a - b).amax() <= 1e-4 * a.amax();
        close(&self.slope, &other.slope) && close(&self.diffusion, &other.diffusion)
    }
}

/// What a time `h` does to a linear system with noise: e^{Ah}, ∫ e^{As} ds and ∫ e^{As} D e^{Aᵀs} ds.
struct Propagator {
    keeps: DMatrix<f64>,
    moves: DMatrix<f64>,
    adds: DMatrix<f64>,
}

impl Propagator {
    fn over(slope: &DMatrix<f64>, diffusion: &DMatrix<f64>, span: f64) -> Self {
        let size = norm(slope) * span / SHORT;
        let doublings = if size > 1.0 { size.log2().ceil() as i32 } else { 0 };
        let mut short = Self::short(slope, diffusion, span / 2.0_f64.powi(doublings));
        for _ in 0..doublings {
            short.double();
        }
        short
    }

    /// Power series in A·h.
    fn short(slope: &DMatrix<f64>, diffusion: &DMatrix<f64>, h: f64) -> Self {
        let n = slope.nrows();
        let mut power = DMatrix::identity(n, n);
        let mut noise = diffusion * h;
        let mut sum = Self { keeps: power.clone(), moves: &power * h, adds: noise.clone() };
        for k in 1..=TERMS {
            let (k, next) = (f64::from(k), f64::from(k) + 1.0);
            power = slope * power * (h / k);
            noise = (slope * &noise + &noise * slope.transpose()) * (h / next);
            sum.keeps += &power;
            sum.moves += &power * (h / next);
            sum.adds += &noise;
        }
        sum
    }

    fn double(&mut self) {
        self.adds = &self.adds + &self.keeps * &self.adds * self.keeps.transpose();
        self.moves = &self.moves + &self.keeps * &self.moves;
        self.keeps = &self.keeps * &self.keeps;
    }
}

/// Largest row sum.
fn norm(matrix: &DMatrix<f64>) -> f64 {
    matrix.row_iter().map(|row| row.iter().map(|x| x.abs()).sum::<f64>()).fold(0.0, f64::max)
}

/// The Σ with AΣ + ΣAᵀ + D = 0, as ∫ e^{As} D e^{Aᵀs} ds over all times, by doubling; none when A is not stable.
fn settle(slope: &DMatrix<f64>, diffusion: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let mut propagator = Propagator::short(slope, diffusion, SHORT / norm(slope).max(f64::MIN_POSITIVE));
    for _ in 0..60 {
        propagator.double();
        if norm(&propagator.keeps) < 1e-9 {
            return Some(propagator.adds);
        }
    }
    None
}

/// Age 0 alone, then bins of equal residence.
fn edges(survival: &[f64], count: usize) -> Vec<usize> {
    let mut edges = vec![0, 1.min(survival.len())];
    let total: f64 = survival.iter().skip(1).sum();
    let mut sum = 0.0;
    for (age, above) in survival.iter().enumerate().skip(1) {
        sum += above;
        let wanted = total * (edges.len() as f64 - 1.0) / (count as f64 - 1.0);
        if sum >= wanted * (1.0 - 1e-12) && age + 1 < survival.len() {
            edges.push(age + 1);
        }
    }
    if edges[edges.len() - 1] < survival.len() {
        edges.push(survival.len());
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::path::{PathOptions, trajectory};
    use crate::fluid::testing::{affine, chat, constant, geometric, scenario, uniform};
    use crate::scenario::{ArrivalLaw, Engine, LengthLaw};
    use approx::assert_relative_eq;

    /// The doubled integral against the dense solution of AΣ + ΣAᵀ = −D.
    #[test]
    fn the_lyapunov_equation_is_solved() {
        let slope = DMatrix::from_row_slice(3, 3, &[-2.0, 0.4, 0.1, 1.5, -1.0, 0.0, 0.2, 0.7, -0.05]);
        let diffusion = DMatrix::from_row_slice(3, 3, &[1.0, -0.3, 0.0, -0.3, 2.0, 0.1, 0.0, 0.1, 0.5]);
        let stable = settle(&(&slope - DMatrix::identity(3, 3) * 0.3), &diffusion).unwrap();
        let a = &slope - DMatrix::identity(3, 3) * 0.3;
        let one = DMatrix::<f64>::identity(3, 3);
        let system = one.kronecker(&a) + a.kronecker(&one);
        let right = DVector::from_column_slice((-&diffusion).as_slice());
        let dense = system.lu().solve(&right).unwrap();
        assert_relative_eq!(DVector::from_column_slice(stable.as_slice()), dense, epsilon = 1e-8);
        assert!(settle(&(slope + DMatrix::identity(3, 3)), &diffusion).is_none());
    }

    /// Constant τ: an infinite server, whose number is Poisson and whose KV has variance λτ·F2, for every law.
    #[test]
    fn without_feedback_every_bin_is_poisson() {
        for output in [constant(100), geometric(100.0), uniform(1, 199)] {
            let question = scenario(0.5, geometric(100.0), output, affine(1.0, 0.0), 100_000);
            let found = equilibrium(&question).unwrap();
            let load = Load::of(&question);
            assert_relative_eq!(found.in_system, 50.0, max_relative = 1e-6);
            // Bin 0 passes on in order, not at random: half an iteration of 100 is missing.
            assert_relative_eq!(found.noise.in_system_sd.powi(2), 50.0, max_relative = 6e-3);
            assert_relative_eq!(found.noise.kv_sd.powi(2), 0.5 * load.moments.held_squares(), max_relative = 6e-3);
        }
    }

    /// Simulated sd of KV over √(κ·E[KV]/(1 − ρ1)) at s = o = 100 in the mean, from the memory law's table: ρ1 = .5.
    #[test]
    fn variance_of_kv_with_feedback() {
        for (output, simulated) in [(geometric(100.0), 0.95), (uniform(1, 199), 1.05), (constant(100), 1.17)] {
            let question = scenario(0.5 / (0.005 * 199.0), constant(100), output, affine(1.0, 0.005), 100_000);
            let found = equilibrium(&question).unwrap();
            let load = Load::of(&question);
            let unit = load.moments.held_squares() / load.moments.held_mean();
            let law = (unit * found.kv_tokens / 0.5).sqrt();
            assert_relative_eq!(found.noise.kv_sd / law, simulated, max_relative = 0.045);
        }
    }

    /// By hand in the latency law: s = 100, o geometric 50, τ = 1 + .01·b, λ = .5: the exact discrete covariance gives 468.
    #[test]
    fn variance_of_residents_with_prompts() {
        let found = equilibrium(&scenario(0.5, constant(100), geometric(50.0), affine(1.0, 0.01), 100_000)).unwrap();
        assert_relative_eq!(found.noise.in_system_sd.powi(2), 468.0, max_relative = 0.01);
    }

    /// Without feedback bursts add only to the variance of arrivals: Var N/N = 1 + (I − 1)·Σ P(o > u)²/E[o] (Palm and Whitt).
    #[test]
    fn bursts_scale_the_noise_of_arrivals() {
        let mut question = scenario(0.5, constant(1), geometric(100.0), affine(1.0, 0.0), 100_000);
        question.workload.arrivals = ArrivalLaw::Gamma { cv: 2.0 };
        let found = equilibrium(&question).unwrap();
        assert_relative_eq!(found.noise.in_system_sd.powi(2), 50.0 * (1.0 + 3.0 * 0.5), max_relative = 0.02);
    }

    /// Along a path from empty the noise comes to that of the equilibrium, and in overload it grows with the queue.
    #[test]
    fn along_a_path() {
        let stable = scenario(3.0, constant(10), geometric(50.0), affine(0.02, 1e-4), 200);
        let path = trajectory(&stable, &PathOptions::new(200.0, 0.0)).unwrap();
        let noise = along(&stable, &path);
        let rest = equilibrium(&stable).unwrap();
        assert_eq!(noise.len(), path.points.len());
        let last = noise[noise.len() - 1];
        assert_relative_eq!(last.in_system_sd, rest.noise.in_system_sd, max_relative = 0.01);
        assert_relative_eq!(last.kv_sd, rest.noise.kv_sd, max_relative = 0.02);
        let question = chat(6.0);
        let path = trajectory(&question, &PathOptions::new(1200.0, 0.0)).unwrap();
        let noise = along(&question, &path);
        let (half, end) = (noise[noise.len() / 2].in_system_sd, noise[noise.len() - 1].in_system_sd);
        // Independent increments once the queue never empties: the variance grows in proportion to time.
        assert_relative_eq!(end * end / (half * half), 2.0, max_relative = 0.1);
        assert!(end > (6.0_f64 * 1200.0).sqrt(), "at least that of the arrivals: {end}");
    }

    #[test]
    fn what_is_not_covered_has_no_noise() {
        assert!(equilibrium(&chat(6.0)).is_none());
        let heavy = LengthLaw::Lognormal { mean: 200.0, cv: 2.0, max: 4000 };
        assert!(equilibrium(&scenario(1.0, constant(10), heavy, affine(0.02, 1e-4), 200)).is_some());
        let mut alone = chat(0.01);
        alone.policy.engine = Engine::RunToCompletion;
        assert!(equilibrium(&alone).is_none());
    }
}
