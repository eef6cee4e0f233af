//! λ* when KV memory binds. A saturated instance completes X = (M − U)/g requests per iteration: M − U tokens of memory in
//! use, g the memory that one request holds, summed over its iterations. What is left is U, the room that the head of the
//! queue could not use, and what evictions cost.

use nalgebra::Complex;
use statrs::function::erf::erfc;

use super::boundary::Regime;
use super::load::Load;
use super::map;
use super::root;
use super::transform::{compound_poisson, fourier};
use crate::answer::{Limit, Method};
use crate::scenario::{Admission, Preemption, Workload};

/// Cells of the lattice per mean peak.
const CELLS: f64 = 64.0;
/// Longest transform for the drawdown.
const LONGEST: usize = 1 << 17;

/// What evictions do in a saturated instance under greedy admission.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pressure {
    /// E1: tokens evicted per iteration.
    pub evicted_per_step: f64,
    /// D0: mean evicted mass in tokens if eviction did not slow growth.
    pub drawdown: f64,
    /// D: mean evicted mass in tokens.
    pub evicted: f64,
    /// f: tokens that a victim holds, and one.
    pub victim_tokens: f64,
    /// T: iterations resident before an eviction.
    pub stay_steps: f64,
    /// ν: preemptions per completed request.
    pub per_request: f64,
    /// Z: requests preempted, in the mean.
    pub swapped: f64,
}

/// The saturated state that the memory allows.
pub(super) fn regime(load: &Load, capacity: f64, other_flow: f64) -> Regime {
    match load.scenario.policy.admission {
        Admission::Reserve => reserve(load, capacity),
        _ => greedy(load, capacity, other_flow),
    }
}

/// Reserve admission: X = (M − U)/E\[o(s+o)\], U = E\[(s+o)²\]/2E\[s+o\]; with one-valued peaks exactly ⌊M/(s+o)⌋/o.
fn reserve(load: &Load, capacity: f64) -> Regime {
    let moments = &load.moments;
    let waste = load.block_waste();
    let peak = moments.peak_mean() + waste;
    let single = is_single(moments.peak_second(), moments.peak_mean());
    let block = load.scenario.instance.block_tokens as f64;
    let mut flow = 0.0;
    let mut chunks = load.chunks_at(0.0);
    for _ in 0..4 {
        let extra = (chunks.steps - 1.0) * peak;
        flow = if single {
            let whole = (moments.peak_mean() / block).ceil() * block;
            (capacity / whole).floor() / (load.output() + chunks.steps - 1.0)
        } else {
            (capacity - unused_reserve(load)).max(peak.min(capacity))
                / (moments.reserved_mean() + waste * load.output() + extra)
        };
        chunks = load.chunks_at(flow);
    }
    let context = flow * (moments.held_mean() + chunks.held);
    let step_s = load.step_s(flow * load.work(), context);
    Regime {
        limit: Limit::KvMemory,
        flow,
        step_s,
        running: flow * (load.output() - 1.0 + chunks.steps),
        swapped: 0.0,
        kv_tokens: context,
        batch_tokens: flow * load.work(),
        preemptions: 0.0,
        calm_per_s: flow / step_s,
        method: Method::Approximation,
    }
}

/// U under reserve admission: half of the size-biased peak that does not fit.
pub(super) fn unused_reserve(load: &Load) -> f64 {
    let waste = load.block_waste();
    let peak = load.moments.peak_mean() + waste;
    let second = load.moments.peak_second() + 2.0 * waste * load.moments.peak_mean() + waste * waste;
    second / (2.0 * peak)
}

/// U under greedy admission: the blocked head needs s + 1 tokens in whole blocks, size-biased, and the slack is uniform on
/// it.
pub(super) fn unused_greedy(load: &Load) -> f64 {
    let (first, second) = entry_moments(load);
    second / (2.0 * first) - load.block_waste()
}

/// E\[n\] and E\[n²\] of what a new request holds after its prompt, n = s + 1 in whole blocks.
fn entry_moments(load: &Load) -> (f64, f64) {
    let block = load.scenario.instance.block_tokens as f64;
    let processed = load.moments.processed().0 > 0.0;
    if block == 1.0 || !processed {
        let (prompt, beside) = (load.moments.held(1, 0), 1.0 + load.block_waste());
        return (prompt + beside, load.moments.held(2, 0) + 2.0 * prompt * beside + beside * beside);
    }
    let masses = load.moments.prompt_masses.iter().enumerate();
    masses.fold((0.0, 0.0), |(first, second), (prompt, mass)| {
        let needs = ((prompt as f64 + 1.0) / block).ceil() * block;
        (first + mass * needs, second + mass * needs * needs)
    })
}

fn is_single(second: f64, first: f64) -> bool {
    second - first * first <= 1e-9 * second
}

/// Greedy admission with preemption.
fn greedy(load: &Load, capacity: f64, other_flow: f64) -> Regime {
    let waste = load.block_waste() * load.output();
    let in_use = (capacity - unused_greedy(load)).max(0.5 * capacity);
    let mut flow = 0.0;
    let mut chunks = load.chunks_at(0.0);
    for _ in 0..4 {
        flow = in_use / (load.moments.held_mean() + waste + chunks.held);
        chunks = load.chunks_at(flow);
    }
    let binds = flow < 1.2 * other_flow && load.scenario.policy.preemption != Preemption::None;
    if binds && let Some(cycle) = map::few_valued_regime(load, capacity) {
        // Without evictions, as from an empty start, the same memory carries more.
        let context = flow * (load.moments.held_mean() + chunks.held);
        return Regime { calm_per_s: flow / load.step_s(flow * load.work(), context), ..cycle };
    }
    let pressure = binds.then(|| pressure(load, flow, CELLS)).flatten();
    let context = flow * (load.moments.held_mean() + chunks.held);
    let tokens = flow * load.work();
    let (again, moved) = pressure.map_or((0.0, 0.0), |p| extra_work(load, flow, &p));
    Regime {
        limit: Limit::KvMemory,
        flow,
        step_s: load.step_s(tokens + again, context) + moved,
        running: flow * (load.output() - 1.0 + chunks.steps),
        swapped: pressure.map_or(0.0, |p| p.swapped),
        kv_tokens: context,
        batch_tokens: tokens + again,
        preemptions: pressure.map_or(0.0, |p| p.per_request),
        calm_per_s: flow / load.step_s(tokens, context),
        method: Method::Approximation,
    }
}

/// Tokens prefilled again per iteration (recompute) and seconds of transfer per iteration (swap).
fn extra_work(load: &Load, flow: f64, pressure: &Pressure) -> (f64, f64) {
    let policy = &load.scenario.policy;
    // A victim's blocks are full but for its last.
    let held = pressure.victim_tokens - (entry_moments(load).0 - load.moments.held(1, 0) - 1.0);
    match policy.preemption {
        Preemption::None | Preemption::Restart => (0.0, 0.0),
        // A prompt that is present when its request comes back is not prefilled again.
        Preemption::Recompute if load.moments.processed().0 == 0.0 => (0.0, 0.0),
        Preemption::Recompute => (flow * pressure.per_request * (held - 2.0).max(0.0), 0.0),
        Preemption::Swap => {
            let seconds = policy.swap_s_per_token.unwrap_or(0.0);
            (0.0, 2.0 * seconds * flow * pressure.per_request * (held - 1.0))
        }
    }
}

/// Evictions at the flow X of a saturated instance. Between admissions the residents grow by N = X·E\[o\] tokens per
/// iteration and completions free a compound Poisson number of peaks; what grows beyond M is evicted. `cells` is the
/// resolution of the lattice per mean peak.
///
/// Returns `None` when the peaks are too large for the lattice.
pub(super) fn pressure(load: &Load, flow: f64, cells: f64) -> Option<Pressure> {
    let residents = flow * load.output();
    let wanted = (load.moments.peak_mean() / cells).max(1.0);
    let fine = (residents / 2048.0).floor().max(1.0);
    // Only peaks below N leave room for an eviction in the same iteration.
    let small = peaks_on_lattice(load, fine, residents + fine);
    let evicted_per_step = evicted_per_step(&small, fine, flow, residents);
    let cell = residents / (residents / wanted).ceil();
    let peaks = peaks_on_lattice(load, cell, f64::INFINITY);
    let drawdown = drawdown(&peaks, cell, flow, residents, load.output())?;
    Some(settle(load, flow, evicted_per_step, drawdown))
}

/// The fixed point between evicted mass and the slower growth that it causes: a truncated normal law.
fn settle(load: &Load, flow: f64, evicted_per_step: f64, drawdown: f64) -> Pressure {
    let start = entry_moments(load).0;
    let mut pressure = Pressure {
        evicted_per_step,
        drawdown,
        evicted: drawdown,
        victim_tokens: start,
        stay_steps: 0.0,
        per_request: 0.0,
        swapped: 0.0,
    };
    for _ in 0..60 {
        let spread = (pressure.victim_tokens * flow * load.moments.peak_second() / 2.0).sqrt();
        pressure.evicted = spread * truncated_normal_excess(spread / drawdown);
        pressure.per_request = evicted_per_step / (flow * pressure.victim_tokens);
        pressure.stay_steps = pressure.evicted / evicted_per_step.max(f64::MIN_POSITIVE);
        let again = 1.0 + pressure.per_request / (1.0 + pressure.per_request);
        pressure.victim_tokens = 0.5 * (pressure.victim_tokens + start + pressure.stay_steps * again);
    }
    pressure.swapped = pressure.evicted / pressure.victim_tokens;
    pressure
}

/// φ(α)/Q(α) − α, the mean excess of a standard normal over α; Laplace's continued fraction where Q is small.
fn truncated_normal_excess(alpha: f64) -> f64 {
    if alpha > 2.0 {
        return 1.0 / (2..200).rev().fold(alpha, |tail, k| alpha + f64::from(k) / tail);
    }
    let density = (-0.5 * alpha * alpha).exp() / (2.0 * std::f64::consts::PI).sqrt();
    density / (0.5 * erfc(alpha / std::f64::consts::SQRT_2)) - alpha
}

/// E1 = E\[(N − R)⁺\], R the peaks freed in one iteration.
fn evicted_per_step(peaks: &[f64], cell: f64, flow: f64, residents: f64) -> f64 {
    let freed = compound_poisson(peaks, flow, (residents / cell) as usize + 1);
    freed.iter().enumerate().map(|(j, mass)| mass * (residents - j as f64 * cell).max(0.0)).sum()
}

/// D0 = Σ_k E\[(kN − R_k)⁺\]/k, the mean supremum of the random walk with steps N − R (Spitzer 1956). The series has the
/// transform −ln(1 − φ), φ that of one step, tilted into the strip 0 < θ' < θ where φ < 1 so that everything decays.
fn drawdown(peaks: &[f64], cell: f64, flow: f64, residents: f64, output: f64) -> Option<f64> {
    let laplace = |theta: f64| -> f64 {
        let ratio = (-theta * cell).exp();
        peaks.iter().rev().fold(0.0, |sum, mass| sum * ratio + mass)
    };
    let decay = root::find(|theta| output * theta - 1.0 + laplace(theta), 1e-3 / output, 1e-9)?.middle();
    let n = ((48.0 / (decay * cell)) as usize).max(2 * peaks.len()).max(64).next_power_of_two();
    if n > LONGEST {
        return Some(1.0 / decay);
    }
    let tilt = decay / 2.0;
    let ratio = (-tilt * cell).exp();
    let mut spectrum = vec![Complex::new(0.0, 0.0); n];
    let mut weight = 1.0;
    for (slot, mass) in spectrum.iter_mut().zip(peaks) {
        slot.re = mass * weight;
        weight *= ratio;
    }
    fourier(&mut spectrum, false);
    let shift = (residents / cell).round();
    for (k, value) in spectrum.iter_mut().enumerate() {
        // One step: up by `shift` cells, down by the freed peaks; the transform of −P is the conjugate of that of P.
        let angle = -std::f64::consts::TAU * shift * k as f64 / n as f64;
        let step = (Complex::new(tilt * residents, angle) + (value.conj() - 1.0) * flow).exp();
        *value = -(Complex::new(1.0, 0.0) - step).ln();
    }
    fourier(&mut spectrum, true);
    let sum: f64 = spectrum[..n / 2]
        .iter()
        .enumerate()
        .map(|(j, value)| j as f64 * cell * value.re * (-tilt * cell * j as f64).exp())
        .sum();
    Some(sum)
}

/// The law of s + o, given s + o ≤ M, on multiples of `cell`, means kept; only peaks up to `reach`.
fn peaks_on_lattice(load: &Load, cell: f64, reach: f64) -> Vec<f64> {
    let reach = load.memory.unwrap_or(f64::INFINITY).min(reach);
    let mut lattice = vec![0.0; 2];
    visit_pairs(&load.scenario.workload, cell, reach, |peak, mass| {
        let place = peak / cell;
        let index = place as usize;
        if lattice.len() < index + 2 {
            lattice.resize(index + 2, 0.0);
        }
        let right = place - index as f64;
        lattice[index] += mass * (1.0 - right);
        lattice[index + 1] += mass * right;
    });
    let total = 1.0 - load.moments.rejected;
    lattice.iter_mut().for_each(|mass| *mass /= total);
    lattice
}

/// Visits the peaks up to `reach` of every class with their probabilities; both lengths are first gathered into cells that
/// keep their mean.
fn visit_pairs(workload: &Workload, cell: f64, reach: f64, mut visit: impl FnMut(f64, f64)) {
    if let Some(source) = &workload.trace {
        let share = 1.0 / source.requests.requests.len().max(1) as f64;
        let peaks = source.requests.requests.iter().map(|request| (request.prompt + request.output) as f64);
        peaks.filter(|&peak| peak <= reach).for_each(|peak| visit(peak, share));
        return;
    }
    let total: f64 = workload.class.iter().map(|class| class.share).sum();
    for class in &workload.class {
        let prompts = gathered(&class.prompt.table(), cell);
        let outputs = gathered(&class.output.table(), cell);
        for &(prompt, prompt_mass) in &prompts {
            for &(output, output_mass) in outputs.iter().take_while(|other| prompt + other.0 <= reach) {
                visit(prompt + output, class.share / total * prompt_mass * output_mass);
            }
        }
    }
}

/// The law gathered into intervals of `cell` tokens: (mean, mass) of each that is not negligible.
fn gathered(masses: &[f64], cell: f64) -> Vec<(f64, f64)> {
    let width = (cell as usize).max(1);
    let intervals = masses.chunks(width).enumerate().map(|(block, part)| {
        let mass: f64 = part.iter().sum();
        let moment: f64 = part.iter().enumerate().map(|(i, p)| p * (block * width + i) as f64).sum();
        (moment / mass.max(f64::MIN_POSITIVE), mass)
    });
    intervals.filter(|&(_, mass)| mass > 1e-13).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::testing::{constant, geometric, scenario, with_context, with_memory, with_reserve};
    use approx::assert_relative_eq;

    /// Ex. 1 of the memory law: geo(100) outputs, s = 100, M = 20000.
    #[test]
    fn worked_example_of_the_memory_law() {
        let base = scenario(1.0, constant(100), geometric(100.0), with_context(0.02, 2e-5, 1e-7), 100_000);
        let question = with_memory(base.clone(), 20_000, Some(0.0));
        let load = Load::of(&question);
        assert_relative_eq!(unused_greedy(&load), 50.5, max_relative = 1e-12);
        let flow = (20_000.0 - 50.5) / load.moments.held_mean();
        assert_relative_eq!(flow, 0.997_475, max_relative = 1e-6);
        let found = pressure(&load, flow, 400.0).unwrap();
        assert_relative_eq!(found.evicted_per_step, 36.787_827, max_relative = 1e-7);
        // The example stops its series at terms of 1e-5; the transform sums all of it.
        assert_relative_eq!(found.drawdown, 97.934_068, max_relative = 1e-4);
        assert_relative_eq!(found.evicted, 97.223_580, max_relative = 1e-4);
        assert_relative_eq!(found.victim_tokens, 104.333_043, max_relative = 1e-5);
        assert_relative_eq!(found.stay_steps, 2.642_819, max_relative = 1e-4);
        assert_relative_eq!(found.per_request, 0.353_493, max_relative = 1e-5);
        assert_relative_eq!(found.swapped, 0.931_858, max_relative = 1e-4);
        let lambda = |question: &crate::scenario::Scenario| {
            let load = Load::of(question);
            regime(&load, 20_000.0, f64::INFINITY).lambda()
        };
        assert_relative_eq!(lambda(&question), 38.416_284, max_relative = 1e-7);
        let costly = with_memory(base.clone(), 20_000, Some(2e-8));
        assert_relative_eq!(lambda(&costly), 38.414_128, max_relative = 1e-6);
        assert_relative_eq!(lambda(&with_memory(base.clone(), 20_000, None)), 37.377_439, max_relative = 1e-6);
        let reserved = with_reserve(base, 20_000);
        assert_relative_eq!(unused_reserve(&Load::of(&reserved)), 124.75, max_relative = 1e-9);
        assert_relative_eq!(lambda(&reserved), 27.725_660, max_relative = 1e-6);
    }
}
