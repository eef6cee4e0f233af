//! Waiting for KV memory below saturation. The memory counts as K = (M − U)/κ slots, κ = F2/g the unit that gives a Poisson
//! number of them the mean and the variance of the KV demand (Hayward 1952); a birth–death chain over them gives the
//! probability that the memory is full, and the variability of the seconds that a request needs gives the wait. Prompts that
//! stall the decodes and bursts let requests enter together: counts of entries per iteration vary more than Poisson ones, and so
//! does the demand.

use super::capped::lump_variance;
use super::dispersion;
use super::few_valued::is_few_valued;
use super::load::Load;
use super::memory::{self, unused_reserve};
use super::reserved;
use crate::scenario::Admission;

/// The wait for memory.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wait {
    /// C: probability that the memory is full.
    pub probability: f64,
    /// Mean of a positive wait, seconds.
    pub mean: f64,
}

/// The step law as base + per_token·b + per_context·C.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub base_s: f64,
    pub per_token_s: f64,
    pub per_context_s: f64,
}

/// What makes entries come together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Swings {
    /// J − 1: growth of the variance of entries per iteration.
    pub lumps: f64,
    /// I: index of dispersion of the arrivals over a residence.
    pub dispersion: f64,
}

impl Swings {
    /// Those at the load's λ; `step_s` is about the length of an iteration.
    pub fn of(load: &Load, line: Line, step_s: f64) -> Self {
        let (prompt, squared) = (load.prompt(), load.moments.raw(2, 0));
        let lump = (prompt - 1.0).max(0.0);
        let x = (load.served_per_s * line.per_token_s * lump).min(0.9);
        let second = if lump > 0.0 { (squared - 2.0 * prompt + 1.0) / (lump * lump) } else { 1.0 };
        let dispersion = dispersion::index(load.scenario, load.served_per_s, load.output() * step_s);
        Self { lumps: lump_variance(x / (1.0 - x), second, dispersion), dispersion }
    }
}

/// Solves the chain at rate λ below the memory's boundary λ*. `calm` is the boundary without the cost of preemptions: they
/// begin only once the memory is full, so that it rules how often that happens, and λ* how long a large excess lasts.
pub(super) fn wait(load: &Load, line: Line, capacity: f64, (boundary, calm): (f64, f64), swings: Swings) -> Wait {
    let moments = &load.moments;
    let reserve = load.scenario.policy.admission == Admission::Reserve;
    let waste = load.block_waste() * load.output();
    let (held, squares, in_use) = if reserve {
        let told = reserved::of(load);
        (told.counted + waste, told.squares, capacity - unused_reserve(load))
    } else {
        (moments.held_mean() + waste, moments.held_squares(), memory::in_use(load, capacity))
    };
    let unit = squares / held;
    let in_use = in_use.max(unit);
    let works = variability(load, line, in_use, reserve);
    let factor = (works.half_second + 0.5 * (swings.dispersion - 1.0)).max(0.05);
    let shares = Shares { short: common_share(load, reserve, squares), long: works.long_share };
    let slots = in_use / unit;
    let whole = slots.floor().max(1.0);
    let excess = Excess::of(load, factor, (boundary, calm));
    let chain = Chain { line, unit, held, calm, excess: excess.mass, shares, swings };
    let at = |k: f64| chain.full_probability(load, k).max(1e-300).ln();
    let probability = (at(whole) + (slots - whole) * (at(whole + 1.0) - at(whole))).exp().min(1.0);
    Wait { probability, mean: factor * excess.mean / load.served_per_s }
}

/// Share of the chain's full states in which an entrant finds no room: all those with excess, and of the full one without it,
/// which is κ tokens wide, only the last s + 1.
pub(super) fn without_room(load: &Load, boundary: f64) -> f64 {
    if load.scenario.policy.admission == Admission::Reserve {
        return 1.0;
    }
    let unit = load.moments.held_squares() / (load.moments.held_mean() + load.block_waste() * load.output());
    let ratio = (load.served_per_s / boundary).min(1.0);
    ratio + (1.0 - ratio) * ((load.prompt() + 1.0) / unit).min(1.0)
}

/// Work that a resident token stands for where the KV demand swings, over the work of a whole request: the regression of the
/// residents' remaining token-iterations on the tokens that they hold, E\[G²\]/2F2 each, over E\[G\].
pub(super) fn work_per_token(load: &Load) -> f64 {
    let m = &load.moments;
    // G = (s + 1/2)o + o²/2.
    let squared = m.raw(2, 2) + m.raw(1, 2) + m.raw(0, 2) / 4.0 + m.raw(1, 3) + m.raw(0, 3) / 2.0 + m.raw(0, 4) / 4.0;
    squared / (2.0 * m.held_squares() * m.held_mean())
}

/// Share of the demand's variance that grows with that of entries per iteration: Σ E\[hᵢ\]²/Σ E\[hᵢ²\], hᵢ the tokens that a
/// request holds (or reserves) i iterations after it entered, 0 once it left. `squares` is the second sum.
fn common_share(load: &Load, reserve: bool, squares: f64) -> f64 {
    let prompt = load.moments.held(1, 1) / load.output();
    let survival = &load.moments.output_survival;
    // E[o; o > u], summed from the longest on.
    let mut outputs = 0.0;
    let mut sum = 0.0;
    for (u, &above) in survival.iter().enumerate().rev() {
        let next = survival.get(u + 1).copied().unwrap_or(0.0);
        let age = u as f64 + 1.0;
        outputs += age * (above - next);
        let holds = prompt * above + if reserve { outputs } else { age * above };
        sum += holds * holds;
    }
    (sum / squares).min(1.0)
}

/// What the seconds S of the saturated server that one request consumes say.
struct Works {
    /// c_f = E\[S²\]/(2E\[S\]²).
    half_second: f64,
    /// E\[R\]²/E\[R²\] of the tokens R bound over the life.
    long_share: f64,
}

fn variability(load: &Load, line: Line, in_use: f64, reserve: bool) -> Works {
    let m = &load.moments;
    // G = (s + 1/2)o + o²/2 tokens held over the life, R = os + o² reserved (if told the truth), W = s + o − 1.
    let held = [0.5, 1.0, 0.5];
    let bound = if reserve { reserved::shape(load) } else { held };
    let per_held = |c: [f64; 3], i: usize, j: usize| {
        c[0] * m.held(i, j + 1) + c[1] * m.held(i + 1, j + 1) + c[2] * m.held(i, j + 2)
    };
    let (a, b, d) = (line.base_s / in_use, line.per_context_s, line.per_token_s);
    // The part quadratic in lengths: A·bound + B·held, as coefficients of o, so, o².
    let c = [0, 1, 2].map(|k| a * bound[k] + b * held[k]);
    let mean = per_held(c, 0, 0) + d * m.work_mean();
    let square = |c: [f64; 3]| c[0] * per_held(c, 0, 1) + c[1] * per_held(c, 1, 1) + c[2] * per_held(c, 0, 2);
    let (kappa, delta) = m.processed();
    let crossed = kappa * per_held(c, 1, 0) + per_held(c, 0, 1) + (delta - 1.0) * per_held(c, 0, 0);
    let works = m.raw(2, 0) + m.raw(0, 2) + 1.0 + 2.0 * (m.raw(1, 1) - m.raw(1, 0) - m.raw(0, 1));
    let second = square(c) + 2.0 * d * crossed + d * d * works;
    let lone = per_held(bound, 0, 0);
    Works { half_second: second / (2.0 * mean * mean), long_share: (lone * lone / square(bound)).min(1.0) }
}

/// The chain above the full memory.
struct Excess {
    /// Its mass over that of the full state without excess, which it includes.
    mass: f64,
    /// Mean steps of excess while full.
    mean: f64,
}

impl Excess {
    /// Steps of excess go down at λ*(e), e = c_f requests per step. Preemptions cost nothing while nobody is there to take the
    /// place of those who complete, and all that they cost at λ* once the excess fills a mean residual peak: the seconds per
    /// request go from those at `calm` to those at `boundary` with 1 − exp(−e/e0), e0 = E\[P²\]/2E\[P\](s + 1). In an eviction
    /// cycle `calm` rules how often the memory is full.
    fn of(load: &Load, factor: f64, (boundary, calm): (f64, f64)) -> Self {
        let rate = load.served_per_s;
        let ratio = rate / boundary;
        let last = 1.0 / (1.0 - ratio);
        if calm <= boundary * (1.0 + 1e-9) || is_few_valued(load) {
            return Self { mass: 1.0 / (1.0 - rate / calm), mean: ratio * last };
        }
        let refill = load.moments.peak_second() / (2.0 * load.moments.peak_mean() * (load.prompt() + 1.0));
        let (mut term, mut mass, mut weighted, mut step) = (1.0, 0.0, 0.0, 0.0);
        while step * factor < 12.0 * refill && step < 1e5 {
            mass += term;
            weighted += step * term;
            step += 1.0;
            let share = 1.0 - (-step * factor / refill).exp();
            term *= rate * (1.0 / calm + share * (1.0 / boundary - 1.0 / calm));
        }
        // From there on a geometric tail.
        mass += term * last;
        weighted += term * last * (step + ratio * last);
        Self { mass, mean: weighted / mass }
    }
}

/// Shares of the demand's variance that grow with that of entries: where iterations keep their length, and where they grow with
/// the demand, which then follows the sum of all works.
struct Shares {
    short: f64,
    long: f64,
}

/// The chain below the full memory.
struct Chain {
    line: Line,
    /// κ and g.
    unit: f64,
    held: f64,
    calm: f64,
    /// Mass of the full states over that of the first of them.
    excess: f64,
    shares: Shares,
    swings: Swings,
}

impl Chain {
    /// Its slopes are divided by the growth r of the demand's variance; the mean stays for k + (r − 1)/2 in place of k.
    fn full_probability(&self, load: &Load, slots: f64) -> f64 {
        let (rate, line) = (load.served_per_s, self.line);
        let x = (rate * line.per_token_s * (load.prompt() - 1.0)).min(0.999);
        let per_request = line.per_token_s * load.output() + line.per_context_s * load.moments.held_mean();
        let per_slot = self.unit * per_request / self.held;
        let growth = |k: f64, counts: f64| {
            let elasticity = (k * per_slot / (line.base_s + k * per_slot)).min(0.98);
            let share = (1.0 - elasticity) * self.shares.short + elasticity * self.shares.long;
            (1.0 + share * counts).max(0.05)
        };
        let burst = growth(slots, self.swings.dispersion - 1.0);
        let mut below = 1.0;
        let mut mass = 1.0_f64;
        for k in 1..=slots as usize {
            let k = k as f64;
            let ratio = growth(k, self.swings.lumps);
            if k >= slots {
                mass *= (rate / self.calm).powf(1.0 / ratio);
                // Bursts widen the steps of the excess as they do the demand (Hayward); stalls are already part of its work.
                let full = mass * (1.0 + (self.excess - 1.0) * burst);
                return full / (full + below);
            }
            let k = (k + 0.5 * (ratio - 1.0)).max(0.3);
            let step = (line.base_s + k * per_slot) / (1.0 - x);
            mass *= (rate * self.held * step / (k * self.unit)).powf(1.0 / ratio);
            below += mass;
            if below > 1e200 {
                mass /= below;
                below = 1.0;
            }
        }
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::memory::unused_greedy;
    use crate::fluid::testing::{geometric, scenario, uniform, with_context, with_memory};
    use approx::assert_relative_eq;

    /// Ex. 2 of the memory law: C and E\[W\] at .8 and .9 λ*.
    #[test]
    fn worked_example_of_the_memory_law() {
        let line = Line { base_s: 0.02, per_token_s: 4e-5, per_context_s: 2.5e-7 };
        let law = with_context(line.base_s, line.per_token_s, line.per_context_s);
        for (rate, probability, mean) in [(14.702_948, 0.118_256, 0.029_401), (16.540_816, 0.412_257, 0.204_991)] {
            let question =
                with_memory(scenario(rate, geometric(100.0), uniform(1, 199), law.clone(), 100_000), 8000, Some(0.0));
            let mut load = Load::of(&question);
            load.served_per_s = rate;
            assert_relative_eq!(unused_greedy(&load), 99.509_901, max_relative = 1e-6);
            // The example lets requests enter one by one.
            let apart = Swings { lumps: 0.0, dispersion: 1.0 };
            let found = wait(&load, line, 8000.0, (18.378_685, 18.378_685), apart);
            assert_relative_eq!(found.probability, probability, max_relative = 1e-5);
            assert_relative_eq!(found.probability * found.mean, mean, max_relative = 2e-5);
        }
    }
}
