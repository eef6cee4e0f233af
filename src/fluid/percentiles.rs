//! Percentiles of the latencies below λ*, from the ways through the backlog, the wait for admission and the law of the
//! residents.

use statrs::function::erf::erfc;

use super::Tier;
use super::backlog::Own;
use super::dispersion;
use super::latency::{Parts, full_step, per_decode};
use super::load::Load;
use super::mixture::{gathered, output_nodes, percentiles};
use super::slots::Wait;
use super::transform::{compound_poisson, on_lattice};

/// The residual of the iteration in progress is uniform on it. Those who wait for a slot get it in full iterations: their way
/// is stretched to their mean.
pub(super) fn ttft_percentiles(parts: &Parts, owns: &[Own], wait: Wait) -> [f64; 3] {
    let own = by_step(owns);
    let wait = parts.wait_law(wait);
    let stretch = if parts.pause.mean > 0.0 { 1.0 } else { parts.stretch() };
    let p = wait.probability;
    let longest = own.iter().map(|own| own.time + own.step).fold(0.0, f64::max);
    let top = longest * stretch.max(1.0) + if p > 1e-9 { wait.longest() } else { 0.0 };
    percentiles(0.0, top, |x| {
        let free: f64 = own.iter().map(|o| o.mass * ((x - o.time) / o.step).clamp(0.0, 1.0)).sum();
        if p < 1e-9 {
            return free;
        }
        let area = |y: f64| wait.area(y);
        let waited = |o: &Own| {
            let (time, step) = (stretch * o.time, stretch * o.step);
            o.mass / step * (area(x - time) - area(x - time - step))
        };
        (1.0 - p) * free + p * own.iter().map(waited).sum::<f64>()
    })
}

/// The ways through the backlog, those from one kind of iteration gathered; masses sum to one.
fn by_step(owns: &[Own]) -> Vec<Own> {
    let total: f64 = owns.iter().map(|own| own.mass).sum();
    let mut found = Vec::new();
    for group in owns.chunk_by(|a, b| a.step == b.step) {
        let mass: f64 = group.iter().map(|own| own.mass).sum::<f64>() / total;
        let atoms = gathered(group.iter().map(|own| (own.time, own.mass)).collect());
        let step = group[0].step.max(1e-3 * atoms[0].0).max(1e-12);
        found.extend(atoms.into_iter().map(|(time, share)| Own { step, time, mass: mass * share }));
    }
    found
}

/// Percentiles of the gaps: iteration lengths weighted by the sequences that decode in them.
pub(super) fn gaps(load: &Load, parts: &Parts) -> [f64; 3] {
    let slope = per_decode(load, parts);
    let steps = gathered(parts.backlog.steps.clone());
    let (nodes, at_cap) = decode_nodes(parts, slope);
    let full = full_step(load, parts);
    let capped = if at_cap > 1e-6 { gathered(steps_at_cap(load, parts, slope)) } else { Vec::new() };
    let low = steps.first().map_or(0.0, |step| step.0) * 0.2;
    let longest = |steps: &[(f64, f64)]| steps.last().map_or(0.0, |step| step.0);
    let top = longest(&steps).max(longest(&capped)) * 1.5 + slope * 3.0 * parts.decodes;
    let total: f64 = nodes.iter().map(|node| node.1).sum::<f64>() + at_cap;
    let share = |steps: &[(f64, f64)], shift: f64, x: f64| {
        steps.iter().filter(|step| (step.0 + shift).min(full) <= x).map(|step| step.1).sum::<f64>()
    };
    percentiles(low, top, |x| {
        let free: f64 = nodes.iter().map(|&(shift, weight)| weight * share(&steps, shift, x)).sum();
        (free + at_cap * share(&capped, 0.0, x)) / total
    })
}

/// Iterations of a full instance with a queue: each completion of the one before lets a prompt in.
fn steps_at_cap(load: &Load, parts: &Parts, slope: f64) -> Vec<(f64, f64)> {
    let prompts = load.cap / load.output();
    let squared = load.moments.raw(2, 0);
    let longest = load.moments.prompt_masses.len() as f64;
    let reach = prompts * load.prompt() + 7.0 * (prompts * squared).sqrt() + longest.min(6.0 * squared / load.prompt());
    let cell = (reach / 400.0).max(1.0);
    let law = compound_poisson(&on_lattice(&load.moments.prompt_masses, cell), prompts, (reach / cell) as usize + 2);
    let alone = parts.line.base_s + slope * (load.cap - prompts);
    law.into_iter().enumerate().map(|(k, p)| (alone + parts.line.per_token_s * k as f64 * cell, p)).collect()
}

/// Shifts of the iteration length by the number of residents, weighted by that number per iteration; the weight of a full
/// instance apart, where slots are what requests wait for.
fn decode_nodes(parts: &Parts, slope: f64) -> (Vec<(f64, f64)>, f64) {
    let r = &parts.residents;
    let weight = |n: f64, p: f64| p * n / (parts.line.base_s + slope * n);
    let mut atoms: Vec<(f64, f64)> = r.law.iter().enumerate().map(|(n, &p)| (n as f64, weight(n as f64, p))).collect();
    let at_cap = match parts.wait_slots {
        Some(slots) if r.law.len() == slots as usize + 1 => atoms.pop().map_or(0.0, |atom| atom.1),
        _ => 0.0,
    };
    let total: f64 = atoms.iter().map(|atom| atom.1).sum();
    let nodes = gathered(atoms).into_iter().map(|(n, mass)| (slope * (n - r.free_mean), total * mass)).collect();
    (nodes, at_cap)
}

/// E2E given o: the time to the first token and o − 1 gaps, nearly normal, whose fast part has the chain's variance and whose
/// slow part follows N, which starts at the cap for those who waited for a slot.
pub(super) fn e2e_percentiles(load: &Load, parts: &Parts, ttft: f64, tbt: f64) -> [f64; 3] {
    let b = &parts.backlog;
    let r = &parts.residents;
    let x = parts.prompt_share.min(0.95);
    // Stalls by prompts, each of which makes room for more: the variance of a busy period per second of base time.
    let alpha = b.step * (1.0 - x);
    let bursts = dispersion::index(load.scenario, load.served_per_s, load.output() * b.step) - 1.0;
    let lumps = (load.shares_squared() + bursts * load.prompt() * load.prompt()).max(0.0);
    let stall = parts.line.per_token_s * parts.line.per_token_s * lumps;
    let fast = alpha * load.served_per_s * stall / (1.0 - x).powi(3);
    let slope = per_decode(load, parts) / (1.0 - x);
    let relaxation = load.output() / (1.0 - r.elasticity).max(0.05);
    let outputs = output_nodes(&load.moments.output_survival);
    let nodes = if load.tier == Tier::Fast { 60 } else { 150 };
    let starts = starts(parts, ttft, (nodes / outputs.len()).clamp(3, 24));
    let mut nodes = Vec::new();
    for &(output, mass) in &outputs {
        let gaps = output - 1.0;
        let z = gaps / relaxation;
        let (decayed, kept) = if z > 1e-6 {
            let once = (1.0 - (-z).exp()) / z;
            (once, 2.0 * (1.0 - once) / z)
        } else {
            (1.0, 1.0)
        };
        for start in &starts {
            let shift = slope * start.residents * decayed;
            let slow = slope * slope * (r.variance * (kept - decayed * decayed) + start.variance * decayed * decayed);
            let deviation = (gaps * fast + gaps * gaps * slow.max(0.0)).sqrt().max(1e-9 * ttft);
            let per_gap = (tbt + shift).max(0.0);
            let decode = gaps * per_gap;
            nodes.extend(start.firsts.iter().map(|&(first, share)| Node {
                first,
                decode,
                deviation,
                mass: mass * share,
            }));
        }
    }
    let top = nodes.iter().map(|node| node.first + node.decode + 6.0 * node.deviation).fold(0.0, f64::max);
    percentiles(0.0, top, |t| nodes.iter().map(|node| node.below(t)).sum())
}

/// A time to the first token, then a time of decoding that is nearly gamma.
struct Node {
    first: f64,
    decode: f64,
    deviation: f64,
    mass: f64,
}

impl Node {
    /// Mass at most t: the cube root of a gamma variable is nearly normal (Wilson and Hilferty 1931).
    fn below(&self, t: f64) -> f64 {
        let rest = t - self.first;
        if rest <= 0.0 {
            return 0.0;
        }
        let spread = self.deviation / self.decode.max(1e-12);
        if spread < 1e-6 || self.decode <= 0.0 {
            return if rest >= self.decode { self.mass } else { 0.0 };
        }
        let z = ((rest / self.decode).cbrt() - 1.0 + spread * spread / 9.0) * 3.0 / (spread * std::f64::consts::SQRT_2);
        self.mass
            * if z > 4.0 {
                1.0
            } else if z < -4.0 {
                0.0
            } else {
                0.5 * erfc(-z)
            }
    }
}

/// How requests start to decode: with a free slot at once, or after a wait beside a full instance.
struct Start {
    /// (time to the first token, mass).
    firsts: Vec<(f64, f64)>,
    /// Residents beyond E\[N\], and their variance.
    residents: f64,
    variance: f64,
}

fn starts(parts: &Parts, ttft: f64, count: usize) -> Vec<Start> {
    let r = &parts.residents;
    let whole = parts.whole_wait();
    let p = whole.probability;
    let own = by_step(&parts.backlog.owns);
    let mut free = Vec::new();
    let mut waited = Vec::new();
    for own in &own {
        for part in [0.125, 0.375, 0.625, 0.875] {
            let value = own.time + part * own.step;
            free.push((value, 0.25 * own.mass * (1.0 - p)));
            waited.push((parts.stretch() * value, 0.25 * own.mass));
        }
    }
    let only = p < 1e-6;
    let mut groups = vec![free];
    if !only {
        let slices = parts.wait_law(whole).slices(12);
        let ways = grouped(waited, 6);
        let both = |&(wait, share): &(f64, f64)| {
            let ways = ways.clone();
            ways.into_iter().map(move |(way, mass)| (way + wait, p * share * mass))
        };
        groups.push(slices.iter().flat_map(both).collect());
    }
    let mean: f64 = groups.iter().flatten().map(|atom| atom.0 * atom.1).sum();
    let slots = parts.wait_slots.filter(|_| !only);
    let capped = slots.map_or(0.0, |slots| slots - r.mean);
    groups
        .into_iter()
        .enumerate()
        .map(|(group, atoms)| {
            let mut firsts = grouped(atoms, count);
            firsts.iter_mut().for_each(|node| node.0 *= ttft / mean);
            let (residents, variance) = match (group, slots) {
                (_, None) => (0.0, r.variance),
                (0, _) => (-capped * p / (1.0 - p).max(1e-9), r.variance - capped * capped * p / (1.0 - p).max(1e-9)),
                _ => (capped, 0.0),
            };
            Start { firsts, residents, variance: variance.max(0.0) }
        })
        .collect()
}

/// Gathers atoms by rank into about `count` of equal mass; keeps mass and mean.
fn grouped(mut atoms: Vec<(f64, f64)>, count: usize) -> Vec<(f64, f64)> {
    atoms.sort_by(|a, b| a.0.total_cmp(&b.0));
    let width = atoms.iter().map(|atom| atom.1).sum::<f64>() / count as f64;
    let mut nodes: Vec<(f64, f64)> = Vec::with_capacity(count + 1);
    let (mut sum, mut mass) = (0.0, 0.0);
    for &(value, weight) in &atoms {
        sum += value * weight;
        mass += weight;
        if mass >= width {
            nodes.push((sum / mass, mass));
            (sum, mass) = (0.0, 0.0);
        }
    }
    if mass > 0.0 {
        nodes.push((sum / mass, mass));
    }
    nodes
}
