//! λ* when KV memory binds. A saturated instance completes X = (M − U)/g requests per iteration: M − U tokens of memory in
//! use, g the memory that one request holds, summed over its iterations. What is left is U, the room that the head of the
//! queue could not use, and what evictions cost.

use nalgebra::Complex;
use statrs::function::erf::erfc;

use super::boundary::Regime;
use super::few_valued;
use super::load::{Chunks, Load};
use super::reserved;
use super::root;
use super::rules::{self, Claim, claim};
use super::transform::{compound_poisson, fourier};
use crate::answer::{Limit, Method};
use crate::scenario::{Admission, Preemption, Transfer, Trigger, Workload};

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

impl Pressure {
    /// σ of the evicted mass, which lowers the growth that feeds it.
    fn spread(&self, load: &Load, flow: f64) -> f64 {
        (self.victim_tokens * flow * load.moments.peak_second() / 2.0).sqrt()
    }
}

/// The saturated state that the memory allows.
pub(super) fn regime(load: &Load, capacity: f64, other_flow: f64) -> Regime {
    match load.scenario.policy.admission {
        Admission::Reserve => reserve(load, capacity, other_flow),
        Admission::LookAhead if load.moments.is_one_valued() && rules::foresees(load) => {
            one_valued_ahead(load, capacity)
        }
        _ => greedy(load, capacity, other_flow),
    }
}

/// Look-ahead with one prompt and one output length: from a backlog a cohort fills the memory at its end, and nobody else can
/// enter before, as under reserve; an empty start with scattered ages carries what greedy admission does.
fn one_valued_ahead(load: &Load, capacity: f64) -> Regime {
    let mut state = Filled::default();
    state.refill(load, capacity);
    let scattered = state.regime(load);
    Regime { calm_per_s: scattered.lambda(), method: Method::Fluid, ..reserve(load, capacity, f64::INFINITY) }
}

/// Reserve admission: X = (M − U)/E\[Σ reserved\], U = E\[peak²\]/2E\[peak\]; with one-valued peaks exactly ⌊M/(s+o)⌋/o.
fn reserve(load: &Load, capacity: f64, other_flow: f64) -> Regime {
    let moments = &load.moments;
    let waste = load.block_waste();
    let told = reserved::of(load);
    let peak = told.peak + waste;
    let single = rules::foresees(load) && is_single(moments.peak_second(), moments.peak_mean());
    let block = load.scenario.instance.block_tokens as f64;
    let mut flow = 0.0;
    let mut chunks = load.chunks_at(0.0);
    for _ in 0..4 {
        let extra = (chunks.steps - 1.0) * peak;
        flow = if single {
            let whole = (moments.peak_mean() / block).ceil() * block;
            (capacity / whole).floor() / (load.output() + chunks.steps - 1.0)
        } else {
            (capacity - unused_reserve(load)).max(peak.min(capacity)) / (told.counted + waste * load.output() + extra)
        };
        chunks = load.chunks_at(flow);
    }
    let context = flow * (moments.held_mean() + chunks.held);
    if !load.scenario.policy.prediction.is_exact()
        && context + waste * flow * load.output() > capacity - unused_greedy(load)
    {
        // Predictions so short that what is really held fills the memory first.
        return greedy(load, capacity, other_flow);
    }
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
    let told = reserved::of(load);
    let second = told.peak_squared + 2.0 * waste * told.peak + waste * waste;
    second / (2.0 * (told.peak + waste))
}

/// U under greedy admission: the blocked head needs s + 1 tokens in whole blocks, size-biased, and the slack is uniform on
/// it.
pub(super) fn unused_greedy(load: &Load) -> f64 {
    let (first, second) = entry_moments(load);
    second / (2.0 * first) - load.block_waste()
}

/// E\[n\] and E\[n²\] of what a new request holds after its prompt, n = s + 1 in whole blocks.
pub(super) fn entry_moments(load: &Load) -> (f64, f64) {
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

/// Memory that is handed out as long as what is held fits, with preemption.
fn greedy(load: &Load, capacity: f64, other_flow: f64) -> Regime {
    let policy = &load.scenario.policy;
    let restart = policy.preemption == Preemption::Restart;
    let mut state = Filled::default();
    state.refill(load, capacity);
    let binds = state.flow < 1.2 * other_flow && policy.preemption != Preemption::None;
    let calm = state.flow;
    // What is lost with restarted runs, or kept free for the residents' growth, lowers the flow again.
    let moves = restart || state.claim.foresees || state.claim.spare > 0.0;
    for _ in 0..if binds { 1 + 3 * usize::from(restart) } else { 0 } {
        let Some(pressure) = pressure(load, state.flow, CELLS) else { break };
        state.press(load, &pressure);
        state.load_back(load);
        if moves || state.lost > 0.0 {
            state.refill(load, capacity);
        }
    }
    let law = state.regime(load);
    match binds.then(|| few_valued::cycle_regime(load, capacity)).flatten() {
        // The cycle counts where it loses more than fluctuations do; without it, as from an empty start, memory carries more.
        Some(cycle) if cycle.lambda() < law.lambda() => {
            let context = calm * (load.moments.held_mean() + state.chunks.held);
            Regime { calm_per_s: calm / load.step_s(calm * load.work(), context), ..cycle }
        }
        _ => law,
    }
}

/// Share of the time for which overlapped swaps keep the host link busy at λ*.
pub(super) fn link_share(load: &Load, memory: f64) -> f64 {
    let mut state = Filled::default();
    state.refill(load, memory);
    let Some(pressure) = pressure(load, state.flow, CELLS) else { return 0.0 };
    let tokens = state.flow * load.work();
    extra_work(load, &pressure).overlapped_s / load.step_s(tokens, state.flow * load.moments.held_mean())
}

/// Tokens that admission keeps in use, with the unwritten ends of blocks, before evictions.
pub(super) fn in_use(load: &Load, memory: f64) -> f64 {
    let mut state = Filled::default();
    state.refill(load, memory);
    state.flow * (load.moments.held_mean() + load.block_waste() * load.output())
}

/// What evictions do while the memory is full, at `flow` requests per iteration under the scenario's rules.
pub(super) fn pressed(load: &Load, memory: f64, flow: f64, cells: f64) -> Option<Pressure> {
    let mut state = Filled { claim: claim(load, memory, flow), flow, ..Filled::default() };
    state.press(load, &pressure(load, flow, cells)?);
    state.pressure
}

/// A memory that admission keeps filled.
struct Filled {
    claim: Claim,
    /// X.
    flow: f64,
    chunks: Chunks,
    pressure: Option<Pressure>,
    /// Tokens held above what admission fills.
    above: f64,
    /// Tokens held by runs that will be lost.
    lost: f64,
}

impl Default for Filled {
    fn default() -> Self {
        let claim = Claim { capacity: 0.0, unused: 0.0, uncounted: 0.0, spare: 0.0, foresees: false };
        Self { claim, flow: 0.0, chunks: Chunks { steps: 1.0, held: 0.0 }, pressure: None, above: 0.0, lost: 0.0 }
    }
}

impl Filled {
    /// X = (tokens in use)/g.
    fn refill(&mut self, load: &Load, memory: f64) {
        let waste = load.block_waste() * load.output();
        for _ in 0..4 {
            self.claim = claim(load, memory, self.flow);
            let held = load.moments.held_mean() + waste + self.chunks.held - self.claim.uncounted * load.output();
            let filled = self.claim.capacity - self.claim.unused;
            self.flow = (filled + self.above - self.lost).max(0.5 * self.claim.capacity) / held;
            self.chunks = load.chunks_at(self.flow);
        }
    }

    /// The part of the pressure that is left to evictions.
    fn press(&mut self, load: &Load, pressure: &Pressure) {
        let policy = &load.scenario.policy;
        let mut left = *pressure;
        let share = if self.claim.foresees {
            // Room for the whole drawdown is kept free.
            self.above = -pressure.evicted;
            0.0
        } else {
            let spread = pressure.spread(load, self.flow);
            let start = spread / pressure.drawdown;
            let end = start + self.claim.spare / spread;
            let share = tail_ratio(start, end);
            let beyond = spread * share * truncated_normal_excess(end);
            self.above = if self.claim.spare > 0.0 { pressure.evicted - beyond } else { 0.0 };
            left.evicted = beyond;
            share
        };
        if self.claim.foresees {
            left.evicted = 0.0;
        }
        let share = share * rules::filled_share(load, self.flow);
        left.evicted *= rules::filled_share(load, self.flow);
        left.swapped = left.evicted / left.victim_tokens;
        left.evicted_per_step *= share;
        // Aggressive: whatever is freed is filled first, so that the whole growth is evicted, most of it before it did anything.
        let aggressive = policy.trigger == Trigger::Aggressive;
        let counted = if aggressive { self.flow * load.output() * share } else { left.evicted_per_step };
        left.per_request = counted / (self.flow * left.victim_tokens);
        self.lost = if policy.preemption == Preemption::Restart { left.evicted } else { 0.0 };
        self.pressure = Some(left);
    }

    /// Memory held by requests on their way back over the host link, one after the other.
    fn load_back(&mut self, load: &Load) {
        let (Some(pressure), Transfer::Overlapped) = (self.pressure, load.scenario.policy.swap_transfer) else {
            return;
        };
        let step = load.step_s(self.flow * load.work(), self.flow * load.moments.held_mean());
        let busy = (extra_work(load, &pressure).overlapped_s / step).min(0.9);
        let once = transfer_s(load, pressure.victim_tokens - 1.0);
        let back = pressure.evicted_per_step / pressure.victim_tokens / step;
        self.lost += back * (once + busy * once / (2.0 * (1.0 - busy))) * pressure.victim_tokens;
    }

    fn regime(&self, load: &Load) -> Regime {
        let flow = self.flow;
        let stand = rules::standing(load, flow);
        let context = flow * (load.moments.held_mean() + self.chunks.held) + self.lost;
        let tokens = flow * load.work();
        let work = self.pressure.map_or_else(Extra::default, |p| extra_work(load, &p));
        let runs = self.pressure.map_or(0.0, |p| self.lost / p.victim_tokens);
        let mut found = Regime {
            limit: Limit::KvMemory,
            flow,
            step_s: load.step_s(tokens + work.tokens, context) + work.blocking_s,
            running: flow * (load.output() - 1.0 + self.chunks.steps) + stand.residents + runs,
            swapped: self.pressure.map_or(0.0, |p| p.swapped),
            kv_tokens: context + stand.tokens,
            batch_tokens: tokens + work.tokens,
            preemptions: self.pressure.map_or(0.0, |p| p.per_request),
            calm_per_s: flow / load.step_s(tokens, context - self.lost),
            method: Method::Approximation,
        };
        // The host link carries one transfer at a time.
        found.step_s = found.step_s.max(work.overlapped_s);
        found
    }
}

/// Q(end)/Q(start) of the standard normal law.
fn tail_ratio(start: f64, end: f64) -> f64 {
    if end <= start {
        return 1.0;
    }
    // Mills: Q(x) = φ(x)/(x + excess(x)).
    let mills = |x: f64| 1.0 / (x + truncated_normal_excess(x));
    (0.5 * (start * start - end * end)).exp() * mills(end) / mills(start)
}

/// What preemptions add to an iteration.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extra {
    /// Tokens prefilled again, and those of lost runs.
    pub tokens: f64,
    /// Seconds of transfers that the iteration waits for.
    pub blocking_s: f64,
    /// Seconds that the host link needs beside it.
    pub overlapped_s: f64,
}

/// The extra work of an iteration.
pub(super) fn extra_work(load: &Load, pressure: &Pressure) -> Extra {
    let policy = &load.scenario.policy;
    let preempted = pressure.evicted_per_step / pressure.victim_tokens;
    // A victim's blocks are full but for its last.
    let held = pressure.victim_tokens - (entry_moments(load).0 - load.moments.held(1, 0) - 1.0);
    match policy.preemption {
        Preemption::None => Extra::default(),
        Preemption::Restart => Extra { tokens: preempted * (load.prompt() + pressure.stay_steps), ..Extra::default() },
        // A prompt that is present when its request comes back is not prefilled again.
        Preemption::Recompute if load.moments.processed().0 == 0.0 => Extra::default(),
        Preemption::Recompute => Extra { tokens: preempted * (held - 2.0).max(0.0), ..Extra::default() },
        Preemption::Swap => {
            let seconds = 2.0 * preempted * transfer_s(load, held - 1.0);
            match policy.swap_transfer {
                Transfer::Blocking => Extra { blocking_s: seconds, ..Extra::default() },
                Transfer::Overlapped => Extra { overlapped_s: seconds, ..Extra::default() },
            }
        }
    }
}

/// Seconds that moving `tokens` to or from the host takes.
pub(super) fn transfer_s(load: &Load, tokens: f64) -> f64 {
    let policy = &load.scenario.policy;
    policy.swap_latency_s.unwrap_or(0.0) + policy.swap_s_per_token.unwrap_or(0.0) * tokens
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
    let restart = load.scenario.policy.preemption == Preemption::Restart;
    for _ in 0..60 {
        let spread = pressure.spread(load, flow);
        pressure.evicted = spread * truncated_normal_excess(spread / drawdown);
        pressure.per_request = evicted_per_step / (flow * pressure.victim_tokens);
        pressure.stay_steps = pressure.evicted / evicted_per_step.max(f64::MIN_POSITIVE);
        // A run that comes back goes on where it was, unless it is restarted.
        let again = if restart { 1.0 } else { 1.0 + pressure.per_request / (1.0 + pressure.per_request) };
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
        let share = 1.0 / source.requests.len().max(1) as f64;
        let peaks = source.requests.iter().map(|request| (request.prompt + request.output) as f64);
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
        let mut restarted = with_memory(base.clone(), 20_000, None);
        restarted.policy.preemption = Preemption::Restart;
        let found = regime(&Load::of(&restarted), 20_000.0, f64::INFINITY);
        assert_relative_eq!(found.flow, 0.992_605, max_relative = 2e-6);
        assert_relative_eq!(found.preemptions, 0.357_568, max_relative = 2e-5);
        assert_relative_eq!(found.lambda(), 37.212_247, max_relative = 2e-6);
        let reserved = with_reserve(base, 20_000);
        assert_relative_eq!(unused_reserve(&Load::of(&reserved)), 124.75, max_relative = 1e-9);
        assert_relative_eq!(lambda(&reserved), 27.725_660, max_relative = 1e-6);
    }
}
