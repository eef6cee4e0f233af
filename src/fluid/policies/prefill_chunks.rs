//! Exclusive iterations, prompts first and in chunks, residents without a cap. A phase of prompts is the busy period of an infinite
//! server in slots: a prompt of s tokens takes ⌈s/k⌉ iterations of about equal length.

use super::super::boundary::Regime;
use super::super::root;
use super::super::transform::fold;
use super::exclusive::Exclusive;
use super::packing::Packed;
use super::prefill_first::of_cycle;
use crate::answer::Method;

/// Longest phase in iterations.
const LONGEST: usize = 1024;

/// Prompts in chunks.
struct Chunks<'a> {
    engine: &'a Exclusive<'a>,
    /// E\[X\], X = ⌈s/k⌉.
    mean: f64,
    /// P(X > i), i = 0, 1, ….
    above: Vec<f64>,
    /// E\[S\] of an iteration of 0, 1, … chunks; affine laws need none.
    steps: Vec<f64>,
}

/// λ T(λ) = W/(E\[o\] − e) with the phase in chunks of `chunk` tokens.
pub(super) fn regime(engine: &Exclusive, chunk: f64) -> Regime {
    let load = engine.load;
    let chunks = Chunks::of(engine, chunk);
    let width = engine.cap.min(load.budget);
    let completed = width / engine.decodes;
    let decode_s = engine.step(width) + completed * load.per_context_s() * engine.decode_context();
    let residual = |rate: f64| {
        chunks.phase(rate, decode_s).map_or(f64::INFINITY, |found| rate * (decode_s + found.seconds) - completed)
    };
    let start = completed / (decode_s + completed * engine.step(load.prompt()));
    let rate = root::find(residual, start, 1e-8).map_or(0.0, |bracket| bracket.low);
    let prompts = chunks.phase(rate, decode_s).unwrap_or_default();
    of_cycle(engine, width, decode_s, prompts, Method::Approximation)
}

impl<'a> Chunks<'a> {
    fn of(engine: &'a Exclusive<'a>, chunk: f64) -> Self {
        let mean = engine.load.chunks(chunk, 0.0).steps;
        let survival = &engine.load.prompt_survival;
        let at = |i: usize| survival.get((i as f64 * chunk) as usize).copied();
        let above = (0..LONGEST).map_while(at).take_while(|above| *above > 1e-13).collect();
        let steps = if engine.line.is_some() { Vec::new() } else { chunk_steps(engine, chunk, mean) };
        Self { engine, mean, above, steps }
    }

    /// The phase after a silence: iterations last the mean h of one that is not empty, which the phase itself brings about.
    fn phase(&self, rate: f64, silence: f64) -> Option<Packed> {
        let load = self.engine.load;
        let in_context = load.per_context_s() * self.engine.prompt_context();
        let mut step = self.engine.step(load.prompt() / self.mean);
        let mut found = Packed::default();
        for _ in 0..60 {
            let batches = busy_slots(&self.above, rate, silence, step)?;
            // All that arrives in the cycle is processed in these iterations.
            let finished = rate * (silence + batches * step) / batches;
            let next = self.mean_step(finished) + in_context * finished;
            found = Packed { seconds: batches * step, batches };
            if (next - step).abs() < 1e-9 * step {
                break;
            }
            step = next;
        }
        Some(found)
    }

    /// E\[S\] of an iteration in which `finished` prompts end on average: their chunks are a Poisson number, at least one.
    fn mean_step(&self, finished: f64) -> f64 {
        if self.engine.line.is_some() {
            return self.engine.step(finished * self.engine.load.prompt());
        }
        // Mean ν of the Poisson number that is conditioned on not being zero.
        let wanted = (finished * self.mean).max(1.0 + 1e-9);
        let count =
            root::find(|nu| nu / -(-nu).exp_m1() - wanted, wanted, 1e-11).map_or(wanted, |bracket| bracket.middle());
        let last = self.steps.len() - 1;
        let slope = self.steps[last] - self.steps[last - 1];
        let (mut mass, mut total, mut seconds) = ((-count).exp(), 0.0, 0.0);
        for k in 1..=(count + 10.0 * count.sqrt() + 10.0) as usize {
            mass *= count / k as f64;
            let beyond = k.saturating_sub(last) as f64;
            seconds += mass * (self.steps[k.min(last)] + beyond * slope);
            total += mass;
        }
        seconds / total
    }
}

/// E\[S\] of 0, 1, … chunks together; a law bends no more where there are many.
fn chunk_steps(engine: &Exclusive, chunk: f64, mean: f64) -> Vec<f64> {
    let masses = chunk_masses(engine, chunk, mean);
    let most = (4096.0 / chunk).clamp(4.0, 48.0);
    let n = ((most * chunk) as usize + 1).next_power_of_two().min(1 << 15);
    let step = |k: u64| {
        let law = fold(&masses, k, n);
        law.iter().enumerate().skip(1).map(|(b, p)| p * engine.step(b as f64)).sum()
    };
    std::iter::once(0.0).chain((1..=most as u64).map(step)).collect()
}

/// Mean number of slots of length h until none is busy: first passage f_i = p_i − Σ_{j<i} f_j p'_{i−j}, p the chances that
/// nobody is there after a silence, p' after an empty slot.
fn busy_slots(above: &[f64], rate: f64, silence: f64, step: f64) -> Option<f64> {
    // Σ_{m<k} P(X > m).
    let mut cumulated = vec![0.0];
    for &survival in above {
        cumulated.push(cumulated[cumulated.len() - 1] + survival);
    }
    let until = |k: usize| cumulated[k.min(above.len())];
    let of = |i: usize| above.get(i).copied().unwrap_or(0.0);
    let empty = |i: usize| (-rate * silence * of(i) - rate * step * until(i)).exp();
    let again: Vec<f64> = (0..LONGEST).map(|k| (-rate * step * until(k)).exp()).collect();
    let mut first: Vec<f64> = Vec::new();
    let (mut mass, mut mean) = (0.0, 0.0);
    for i in 0..LONGEST {
        let before: f64 = first.iter().enumerate().map(|(j, f)| f * again[i - j]).sum();
        let passage = (empty(i) - before).max(0.0);
        mass += passage;
        mean += i as f64 * passage;
        first.push(passage);
        if 1.0 - mass < 1e-10 {
            return Some(mean);
        }
        if !mean.is_finite() {
            break;
        }
    }
    // What is left is geometric by now, or of no weight.
    let part = |from: usize, to: usize| first[from..to].iter().sum::<f64>();
    let (before, last) = (part(LONGEST / 2, 3 * LONGEST / 4), part(3 * LONGEST / 4, LONGEST));
    let left = 1.0 - mass;
    let ratio = if before > 0.0 { (last / before).powf(4.0 / LONGEST as f64) } else { 0.0 };
    let settled = left < 1e-7 || (left < 0.1 && ratio < 1.0);
    settled.then(|| mean + left * (LONGEST as f64 + if left < 1e-7 { 0.0 } else { 1.0 / (1.0 - ratio) }))
}

/// The law of one chunk, of a random one of a prompt.
pub(super) fn chunk_masses(engine: &Exclusive, chunk: f64, chunks: f64) -> Vec<f64> {
    let whole = chunk as usize;
    let mut masses = vec![0.0; whole + 1];
    for (tokens, mass) in engine.load.moments.prompt_masses.iter().enumerate().skip(1) {
        let full = (tokens - 1) / whole;
        masses[whole] += mass * full as f64 / chunks;
        masses[tokens - full * whole] += mass / chunks;
    }
    masses
}
