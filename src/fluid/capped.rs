//! An instance whose sequence cap is what requests wait for, as a Markov chain in base time, that is, with the time that
//! prompts add to iterations cut out.
//!
//! In base time n residents complete at rate n/(ō·α(n)), α(n) the iteration without prompts. A prompt stalls everybody for
//! a·(s − 1) seconds when it is admitted, and those who arrive meanwhile are admitted at once if slots are free: arrivals
//! come in clusters, the progeny of a branching process that stops at the cap. Above the cap an arrival only waits, and each
//! completion admits one prompt. Every transition down is by one, so the balance of flows across each level gives the law
//! from the bottom up without a subtraction. Bursty arrivals come in geometric batches with the same index of dispersion.
//!
//! This is exact for memoryless outputs, mean context and short iterations. For other outputs the slopes of ln π are divided
//! by the ratio of the variances (below the cap r of `residents`, above it the factor f of the wait), the density jumps by
//! 2/(1 + v) at the cap, and one shift of the slopes keeps the exact balance of completions, E\[n/α(n)\] = λ·ō/(1 − x).
//! v is the index of dispersion of completions on the time scale of the queue. What arrivals see is the flow up across each
//! level, which needs no property of the outputs.

use super::dispersion;
use super::residents::{Question, Shape, work_variability};
use super::root;

/// Mass that no law carries on.
const TINY: f64 = 1e-14;
/// Levels above the cap at most; the rest decays geometrically.
const LEVELS: usize = 20_000;

/// The answer. Seconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Capped {
    /// Law of the residents, n = 0 to K, over time.
    pub law: Vec<f64>,
    pub mean: f64,
    pub variance: f64,
    /// Mean residents that an arrival finds when a slot is free.
    pub free_mean: f64,
    pub idle: f64,
    pub wait_probability: f64,
    /// Mean of a positive wait and the shape of the gamma law with its first two moments.
    pub wait_mean: f64,
    pub wait_shape: f64,
}

/// What follows from the question at once.
struct Setting<'a> {
    question: &'a Question<'a>,
    shape: &'a Shape,
    slots: usize,
    /// Iterations that a request keeps its slot.
    stay: f64,
    /// α(n) is scaled by this so that the chain saturates at λ*.
    scale: f64,
    /// Mean size of a batch of arrivals and their rate.
    batch: f64,
    batches_per_s: f64,
    /// Mean stall of a prompt, and x = λ times it.
    stall_s: f64,
    x: f64,
}

impl Setting<'_> {
    fn alpha(&self, residents: usize) -> f64 {
        let n = residents.min(self.slots) as f64;
        self.scale * (self.question.base_s + self.shape.per_resident * n)
    }

    /// μ(n).
    fn completions_per_s(&self, residents: usize) -> f64 {
        residents.min(self.slots) as f64 / (self.stay * self.alpha(residents))
    }

    /// Mean seconds per completion of a full instance with a queue.
    fn full_s(&self) -> f64 {
        1.0 / self.completions_per_s(self.slots) + self.stall_s
    }
}

/// Solves the chain; `extra` iterations beyond E\[o\] hold a slot while a prompt is written in chunks.
pub(super) fn solve(question: &Question, extra: f64) -> Capped {
    let shape = Shape::of(question);
    let setting = setting(question, &shape, extra);
    let arrivals = arrivals_in_stall(&setting);
    corrected(&setting, &states(&setting, &arrivals))
}

fn setting<'a>(question: &'a Question<'a>, shape: &'a Shape, extra: f64) -> Setting<'a> {
    let slots = question.slots as usize;
    let stay = shape.output + extra;
    let stall_s = (question.per_token_s * shape.lump).min(0.98 / question.boundary);
    let full = stay * (question.base_s + shape.per_resident * question.slots) / question.slots;
    let batch = f64::midpoint(question.dispersion.max(1.0), 1.0);
    Setting {
        question,
        shape,
        slots,
        stay,
        scale: (1.0 / question.boundary - stall_s) / full,
        batch,
        batches_per_s: question.rate / batch,
        stall_s,
        x: question.rate * stall_s,
    }
}

/// The law of the number of arrivals while one prompt stalls everybody.
fn arrivals_in_stall(setting: &Setting) -> Vec<f64> {
    let question = setting.question;
    let per_token = if setting.shape.lump > 0.0 { setting.stall_s / setting.shape.lump } else { 0.0 };
    let mut law = Vec::new();
    for (tokens, mass) in lumps(&question.moments.prompt_masses) {
        let mean = setting.batches_per_s * per_token * tokens;
        add_poisson(&mut law, mean, mass);
    }
    let law = in_batches(&law, setting.batch);
    let kept = law.iter().rposition(|&p| p > TINY).map_or(1, |last| last + 1);
    law[..kept].to_vec()
}

/// s − 1 by groups of neighbouring lengths within 8 %, each by its mean.
fn lumps(masses: &[f64]) -> Vec<(f64, f64)> {
    let mut groups = Vec::new();
    let mut from = 1;
    while from < masses.len() {
        let to = ((from as f64 * 1.08) as usize + 1).min(masses.len());
        let mass: f64 = masses[from..to].iter().sum();
        if mass > 0.0 {
            let sum: f64 = masses[from..to].iter().zip(from - 1..).map(|(p, tokens)| p * tokens as f64).sum();
            groups.push((sum / mass, mass));
        }
        from = to;
    }
    groups
}

fn add_poisson(law: &mut Vec<f64>, mean: f64, mass: f64) {
    let mut term = mass * (-mean).exp();
    let mut k = 0;
    while k < law.len() || term > TINY * mass || (k as f64) < mean {
        if k == law.len() {
            law.push(0.0);
        }
        law[k] += term;
        k += 1;
        term *= mean / k as f64;
        if k > 4000 {
            break;
        }
    }
}

/// The law of the members of a number of geometric batches.
fn in_batches(count: &[f64], batch: f64) -> Vec<f64> {
    if batch <= 1.0 + 1e-9 {
        return count.to_vec();
    }
    let (stop, go) = (1.0 / batch, 1.0 - 1.0 / batch);
    let reach = count.len() + (32.0 * batch * (count.len() as f64).sqrt()) as usize + 1;
    let mut law = vec![0.0; reach];
    let mut members = vec![0.0; reach];
    members[0] = 1.0;
    for (k, &p) in count.iter().enumerate() {
        if k > 0 {
            let mut last = 0.0;
            let mut before = 0.0;
            for member in &mut members {
                let next = go * last + stop * before;
                before = *member;
                *member = next;
                last = next;
            }
        }
        if p > 0.0 {
            law.iter_mut().zip(&members).for_each(|(sum, member)| *sum += p * member);
        }
    }
    law
}

/// Clusters: the walk of those who still wait for their prompt while others are admitted one by one.
struct Clusters {
    /// P(progeny > j).
    above: Vec<f64>,
    /// After k admissions, P(i wait), i ≥ 1, the walk not yet over.
    alive: Vec<Vec<f64>>,
}

impl Clusters {
    /// Flow upwards from the last level of a law that starts at 0, per rate of batches.
    fn across(&self, law: &[f64]) -> f64 {
        let reach = self.above.len().min(law.len());
        self.above[..reach].iter().zip(law.iter().rev()).map(|(tail, p)| tail * p).sum()
    }
}

fn clusters(setting: &Setting, arrivals: &[f64]) -> Clusters {
    let mut waiting = in_batches(&[0.0, 1.0], setting.batch);
    let mut above = vec![1.0];
    let mut alive = vec![waiting.clone()];
    for _ in 0..setting.slots {
        let mut next = vec![0.0; waiting.len() + arrivals.len() - 2];
        for (i, &p) in waiting.iter().enumerate().skip(1).filter(|&(_, &p)| p > 1e-16) {
            next[i - 1..].iter_mut().zip(arrivals).for_each(|(sum, q)| *sum += p * q);
        }
        next[0] = 0.0;
        let kept = next.iter().rposition(|&p| p > TINY).map_or(1, |last| last + 1);
        next.truncate(kept);
        let mass: f64 = next.iter().sum();
        above.push(mass);
        if mass < TINY {
            break;
        }
        alive.push(next.clone());
        waiting = next;
    }
    Clusters { above, alive }
}

/// P(> j) of a law.
fn above(law: &[f64]) -> Vec<f64> {
    let mut tail = vec![0.0; law.len()];
    for j in (0..law.len() - 1).rev() {
        tail[j] = tail[j + 1] + law[j + 1];
    }
    let kept = tail.iter().rposition(|&p| p > TINY).map_or(1, |last| last + 1);
    tail.truncate(kept);
    tail
}

/// The law of the chain, mass 1 up to the cap; the levels above it and the factor by which those beyond decay.
struct States {
    below: Vec<f64>,
    above: Vec<f64>,
    decay: f64,
    clusters: Clusters,
}

fn states(setting: &Setting, arrivals: &[f64]) -> States {
    let slots = setting.slots;
    let clusters = clusters(setting, arrivals);
    let mut law = vec![1e-200];
    for m in 0..slots {
        let next = setting.batches_per_s * clusters.across(&law) / setting.completions_per_s(m + 1);
        law.push(next);
        if next > 1e200 {
            law.iter_mut().for_each(|p| *p *= 1e-300);
        }
    }
    let total: f64 = law.iter().sum();
    law.iter_mut().for_each(|p| *p /= total);
    // What clusters from below the cap leave waiting.
    let mut over = vec![0.0];
    for (k, waiting) in clusters.alive.iter().enumerate().skip(1).take(slots) {
        let p = law[slots - k];
        if over.len() < waiting.len() {
            over.resize(waiting.len(), 0.0);
        }
        over.iter_mut().zip(waiting).skip(1).for_each(|(sum, q)| *sum += p * q);
    }
    let (above, decay) = queue(setting, arrivals, law[slots], &above(&over));
    States { below: law, above, decay, clusters }
}

/// The levels above the cap and the factor by which those beyond decay. `over` is the mass that enters more than j levels
/// above the cap from below it; the law of the rest has mass 1.
fn queue(setting: &Setting, arrivals: &[f64], at_cap: f64, over: &[f64]) -> (Vec<f64>, f64) {
    let batch = above(&in_batches(&[0.0, 1.0], setting.batch));
    let later = above(arrivals);
    let rate = setting.completions_per_s(setting.slots);
    // Upward kernel at distance j: batches from any level, and the arrivals beyond the one who is admitted.
    let lead = batch.len().max(later.len());
    let kernel: Vec<f64> = (0..lead)
        .map(|j| setting.batches_per_s * batch.get(j).unwrap_or(&0.0) + rate * later.get(j + 1).unwrap_or(&0.0))
        .collect();
    let mut levels: Vec<f64> = Vec::new();
    let mut ratio = 0.0;
    let mut mass = at_cap.max(f64::MIN_POSITIVE);
    for m in 0..LEVELS {
        let reach = kernel.len().min(m);
        let up: f64 = kernel[..reach].iter().zip(levels[m - reach..].iter().rev()).map(|(tail, p)| tail * p).sum();
        let from_cap = setting.batches_per_s * at_cap * batch.get(m).unwrap_or(&0.0);
        let from_below = setting.batches_per_s * over.get(m).unwrap_or(&0.0);
        let next = (up + from_cap + from_below) / (rate * arrivals[0]);
        let last = levels.last().copied().unwrap_or(at_cap);
        levels.push(next);
        let now = if last > 0.0 { next / last } else { 0.0 };
        let settled = m > 3 * lead && (now - ratio).abs() < 1e-9 * (1.0 - now).abs();
        ratio = now;
        mass += next;
        if settled || next < 1e-12 * mass {
            break;
        }
    }
    (levels, ratio.min(1.0 - 1e-9))
}

/// Variances of the chain and of the system at hand.
struct Spread {
    /// Ratio of the variances above the cap: chain's over the system's.
    above: f64,
    /// v.
    completions: f64,
    /// Lump part J − 1 of r, of the system and of the chain.
    lumps: f64,
    chain_lumps: f64,
}

fn spread(setting: &Setting) -> Spread {
    let (question, shape) = (setting.question, setting.shape);
    let rho = question.rate / question.boundary;
    let (q, omega) = work_variability(question);
    let x = question.boundary * setting.stall_s;
    let base = (1.0 - x) * (1.0 - x);
    let second = shape.lump_ratio();
    let cv = 1.0 / shape.k1 - 1.0;
    let chain = 0.5 * (1.0 + base + x * x * (second - 1.0) + question.dispersion.max(1.0) - 1.0);
    let mut factor = 0.5 * (1.0 + omega);
    let mut v = 1.0;
    for _ in 0..4 {
        let decay = (question.slots * (1.0 - rho) * (1.0 - rho) / (2.0 * factor)).clamp(1e-9, 1e3);
        v = dispersion::of_completions(&question.moments.output_survival, shape.output, decay / shape.output)
            + (q - cv) / (1.0 + decay);
        v = v.max(0.0);
        factor = (0.5 * (1.0 + omega + base * (v - q) + question.dispersion - 1.0)).max(0.05 * chain);
    }
    let y = setting.x / (1.0 - setting.x);
    Spread {
        above: chain / factor,
        completions: v,
        lumps: lump_variance(y, second, question.dispersion),
        chain_lumps: lump_variance(y, second, question.dispersion.max(1.0)),
    }
}

/// J − 1: growth of the variance of counts of arrivals in base time by stalls and bursts, y = x/(1 − x).
pub(super) fn lump_variance(y: f64, second: f64, dispersion: f64) -> f64 {
    (1.0 + y) * (1.0 + y) * dispersion + y * y * (second - 1.0) - 1.0
}

/// The law, its slopes corrected for the outputs, put together into the figures.
fn corrected(setting: &Setting, states: &States) -> Capped {
    let spread = spread(setting);
    let slots = setting.slots;
    let (shape, question) = (setting.shape, setting.question);
    let mut logs = vec![0.0];
    let mut shifts = vec![0.0];
    for n in 0..slots {
        let middle = n as f64 + 0.5;
        let alpha = question.base_s + shape.per_resident * middle;
        let elasticity = (middle * shape.per_resident / alpha).min(0.98);
        let share = (1.0 - elasticity) * shape.k0 + elasticity * shape.k1;
        let ratio = (1.0 + share * spread.lumps).max(0.05);
        let slope = (states.below[n + 1].max(1e-300) / states.below[n].max(1e-300)).ln();
        logs.push(logs[n] + slope * (1.0 + 0.5 * spread.chain_lumps) / ratio);
        shifts.push(shifts[n] + 1.0 / ratio);
    }
    let tail = Tail::of(states, &spread);
    let flow = question.rate / (1.0 - setting.x);
    let at = |shift: f64| Law::of(&logs, &shifts, shift, &tail);
    let balance = |shift: f64| {
        let law = at(shift);
        let below: f64 = law.below.iter().enumerate().map(|(n, p)| p * setting.completions_per_s(n)).sum();
        below + law.above * setting.completions_per_s(slots) - flow
    };
    let shift = root::narrow(balance, -3.0, 3.0, 1e-9).map_or(0.0, |bracket| bracket.middle());
    figures(setting, states, &at(shift), &tail, &spread)
}

/// Moments of the levels above the cap, relative to the cap: Σ u_j (j + 1)^i for i = 0, 1, 2.
struct Tail {
    sums: [f64; 3],
    /// u_0.
    first: f64,
}

impl Tail {
    fn of(states: &States, spread: &Spread) -> Self {
        let power = spread.above;
        let mut sums = [0.0; 3];
        let (mut mass, mut first) = (0.0, 0.0);
        let at_cap = states.below[states.below.len() - 1];
        if states.above[0] <= f64::MIN_POSITIVE || at_cap <= f64::MIN_POSITIVE {
            return Self { sums, first: 0.0 };
        }
        for (j, &p) in states.above.iter().enumerate() {
            mass = (p / at_cap).powf(power) * 2.0 / (1.0 + spread.completions);
            if j == 0 {
                first = mass;
            }
            let rank = (j + 1) as f64;
            for (sum, weight) in sums.iter_mut().zip([1.0, rank, rank * rank]) {
                *sum += mass * weight;
            }
        }
        // A geometric rest beyond the last level L: Σ_{k≥1} d^k (L + k)^i.
        let d = states.decay.powf(power);
        let (l, s) = (states.above.len() as f64, d / (1.0 - d));
        let (first_moment, second_moment) = (s / (1.0 - d), s * (1.0 + d) / ((1.0 - d) * (1.0 - d)));
        sums[0] += mass * s;
        sums[1] += mass * (l * s + first_moment);
        sums[2] += mass * (l * l * s + 2.0 * l * first_moment + second_moment);
        Self { sums, first }
    }
}

/// The normalised law in base time: up to the cap, and the mass above it.
struct Law {
    below: Vec<f64>,
    above: f64,
}

impl Law {
    fn of(logs: &[f64], shifts: &[f64], shift: f64, tail: &Tail) -> Self {
        let values = logs.iter().zip(shifts).map(|(log, by)| log + shift * by);
        let highest = values.clone().fold(f64::NEG_INFINITY, f64::max);
        let mut below: Vec<f64> = values.map(|log| (log - highest).exp()).collect();
        let unit = below[below.len() - 1];
        let total = below.iter().sum::<f64>() + unit * tail.sums[0];
        below.iter_mut().for_each(|p| *p /= total);
        Self { below, above: unit * tail.sums[0] / total }
    }
}

fn figures(setting: &Setting, states: &States, law: &Law, tail: &Tail, spread: &Spread) -> Capped {
    let (question, shape, slots) = (setting.question, setting.shape, setting.slots);
    let x = setting.x;
    let (y, second) = (x / (1.0 - x), shape.lump_ratio());
    let clusters = &states.clusters;
    // Arrivals that find m < K, per second of base time; then those of clusters that find none free, of full times, and of
    // the stalls of those who enter a full instance.
    let mut seen: Vec<f64> = (1..=slots).map(|m| setting.batches_per_s * clusters.across(&law.below[..m])).collect();
    let left = |waiting: &[f64]| waiting.iter().enumerate().map(|(i, p)| i as f64 * p).sum::<f64>();
    let over: f64 = clusters
        .alive
        .iter()
        .enumerate()
        .skip(1)
        .take(slots)
        .map(|(k, waiting)| law.below[slots - k] * left(waiting))
        .sum();
    let entering = law.above * setting.completions_per_s(slots) * setting.stall_s;
    let waits = setting.batches_per_s * over + question.rate * (law.below[slots] + law.above + entering);
    let free: f64 = seen.iter().sum();
    // Arrivals more even than Poisson find fewer than there are in the mean, (1 − I)/2 of those who arrived before.
    let fewer = 0.5 * (1.0 - question.dispersion).max(0.0);
    let spared = if tail.sums[0] > 0.0 { fewer * tail.first / tail.sums[0] } else { 0.0 };
    let wait_probability = waits * (1.0 - spared) / (waits + free);
    seen.iter_mut().for_each(|p| *p /= waits + free);
    // A prompt meets all who enter with it, not half of its cluster.
    let beside = (1.0 + y) * (1.0 + x * x * second / (1.0 - x * x)) - (1.0 + y + 0.5 * y * y * second);
    let mut over_time: Vec<f64> = law.below.iter().map(|p| (1.0 - x) * p).collect();
    over_time[slots] += (1.0 - x) * law.above + x * wait_probability;
    for (m, p) in seen.iter().enumerate() {
        add_between(&mut over_time, ((m + 1) as f64 + beside - 2.0 * fewer).max(1.0), x * p);
    }
    let moment = |i: i32| over_time.iter().enumerate().map(|(n, p)| p * (n as f64).powi(i)).sum::<f64>();
    let mean = moment(1);
    let full = over_time[slots];
    let (wait_mean, wait_shape) = wait(setting, tail, spread);
    Capped {
        mean,
        variance: (moment(2) - mean * mean).max(0.0),
        free_mean: if full < 1.0 - 1e-9 { (mean - full * slots as f64) / (1.0 - full) } else { mean },
        idle: over_time[0],
        law: over_time,
        wait_probability,
        wait_mean,
        wait_shape,
    }
}

/// Puts mass between two whole numbers, at most at the end.
fn add_between(law: &mut [f64], at: f64, mass: f64) {
    let top = law.len() - 1;
    let low = (at as usize).min(top);
    let share = if low < top { at - low as f64 } else { 0.0 };
    law[low] += mass * (1.0 - share);
    if share > 0.0 {
        law[low + 1] += mass * share;
    }
}

/// A request that finds j waiting gets the slot of the (j + 1)th completion; the j before it stall everybody.
fn wait(setting: &Setting, tail: &Tail, spread: &Spread) -> (f64, f64) {
    // More even arrivals find one fewer with probability (1 − I)/2.
    let fewer = 0.5 * (1.0 - setting.question.dispersion).max(0.0);
    let [mass, ranks, squares] = tail.sums;
    let [mass, ranks, squares] =
        [mass - fewer * tail.first, ranks - fewer * mass, squares - fewer * (2.0 * ranks - mass)];
    let (each, stall) = (setting.full_s(), setting.stall_s);
    if mass <= 0.0 {
        return (each, 1.0);
    }
    let base = each - stall;
    let stall_variance = stall * stall * (setting.shape.lump_ratio() - 1.0);
    let mean = (ranks * each - mass * stall) / mass;
    let second = squares * each * each - 2.0 * each * stall * ranks
        + stall * stall * mass
        + base * base * spread.completions * ranks
        + stall_variance * (ranks - mass);
    let variance = second / mass - mean * mean;
    (mean, (mean * mean / variance.max(1e-300)).clamp(0.1, 10.0))
}
