//! The state and the latencies below λ* of batches that are decoded to their end: a bulk-service queue. The number waiting when a
//! batch ends is a Markov chain; a batch takes min(q, what packs), lasts S(prompts) + Δ(n), and arrivals during it are
//! negative binomial with the mean and the variance that its length and the burstiness of arrivals give. The mean wait
//! follows from the chain by Little's law, the percentiles from its states.

use super::super::latency::State;
use super::super::mixture::{gathered, output_nodes, percentiles};
use super::exclusive::Exclusive;
use super::fixed_batches::{Batches, Drain, drains};
use super::latencies::{Start, e2e_percentiles, starts_percentiles};

/// Mass that no longer counts.
const NOTHING: f64 = 1e-10;
/// Steps of the chain at most: it begins near its law.
const ROUNDS: usize = 300;
/// Most states of the queue.
const STATES: usize = 1 << 14;

/// A batch of n requests.
#[derive(Debug, Clone, Copy, Default)]
struct Service {
    prompt_s: f64,
    drain: Drain,
    mean_s: f64,
    variance: f64,
    /// Seconds per iteration that the longest output adds.
    per_longest: f64,
    /// Σ over the requests of KV tokens × seconds while they decode.
    held: f64,
}

/// The state at the load's λ, below the boundary.
pub(super) fn below(engine: &Exclusive, batches: &Batches) -> Option<State> {
    if engine.chunk.is_some() {
        return None;
    }
    let services = services(engine, batches);
    let queue = Queue::solve(engine, batches, &services)?;
    Some(queue.state(engine, &services))
}

/// Batches of 0 … nmax requests.
fn services(engine: &Exclusive, batches: &Batches) -> Vec<Service> {
    let load = engine.load;
    let most = (0..batches.counts.len()).rev().find(|n| batches.counts[*n] > 1e-12).unwrap_or(1).max(1);
    let nodes = nodes(most);
    let affine = engine.line.is_some();
    let mut found = vec![Service::default(); most + 1];
    let drains = drains(engine, most, |n| nodes.contains(&n));
    let packed = if affine { Vec::new() } else { engine.prompts(most).packed(most, |tokens| engine.step(tokens)) };
    let (base_s, per_token_s) = engine.prompt_line();
    let context = load.per_context_s();
    let sums = Sums::of(engine);
    let base = engine.step(1.0);
    for &n in &nodes {
        let count = n as f64;
        let prompt_s =
            if affine { base_s + (per_token_s - context) * count * load.prompt() } else { packed[n].seconds }
                + context * count * engine.prompt_context();
        let mut drain = drains[n];
        let pairs = count * (count - 1.0);
        let in_context = context * count * engine.decode_context();
        drain.seconds += in_context;
        let more = in_context + context * pairs * sums.held_squares;
        drain.sequence_seconds += more;
        drain.later_sequence_seconds += more * drain.later_sequence_seconds / drain.sequence_seconds.max(1e-300);
        let per_decode = ((drain.seconds - base * drain.steps) / (count * engine.decodes)).max(0.0);
        let longest = longest_variance(engine.decoding(), count);
        let decodes = engine.moment(0, 2) - engine.decodes * engine.decodes;
        let prompts = load.moments.raw(2, 0) - load.prompt() * load.prompt();
        let variance = (base * base + 2.0 * base * per_decode) * longest
            + count * (per_decode * per_decode * decodes + per_token_s * per_token_s * prompts);
        let held = drain.sequence_seconds
            * (sums.held + (count - 1.0) * per_decode / (base + per_decode) * sums.held_squares)
            / (engine.decodes + (count - 1.0) * per_decode / (base + per_decode) * sums.squares);
        found[n] = Service {
            prompt_s,
            drain,
            mean_s: prompt_s + drain.seconds,
            variance,
            per_longest: base + per_decode,
            held,
        };
    }
    between(&mut found, &nodes);
    as_packed(&mut found, batches, batches.prompt_s + batches.mean * context * engine.prompt_context());
    found
}

/// Sums over the decodes of a request, q_k the chance of a k-th.
struct Sums {
    /// Σ q².
    squares: f64,
    /// Σ q·(tokens held), Σ q²·(tokens held).
    held: f64,
    held_squares: f64,
}

impl Sums {
    fn of(engine: &Exclusive) -> Self {
        let start = engine.load.prompt() + engine.emits;
        let mut found = Self { squares: 0.0, held: 0.0, held_squares: 0.0 };
        for (k, q) in engine.decoding().iter().enumerate() {
            let held = start + k as f64 + 1.0;
            found.squares += q * q;
            found.held += q * held;
            found.held_squares += q * q * held;
        }
        found
    }
}

/// Var of the longest of n outputs.
fn longest_variance(alive: &[f64], n: f64) -> f64 {
    let (mut mean, mut second) = (0.0, 0.0);
    for (k, q) in alive.iter().enumerate() {
        let some = 1.0 - (1.0 - q).powf(n);
        mean += some;
        second += (2.0 * k as f64 + 1.0) * some;
    }
    (second - mean * mean).max(0.0)
}

/// Prompts that fill an iteration are shorter than others: the seconds of full ones are those of the packed batches.
fn as_packed(found: &mut [Service], batches: &Batches, prompt_s: f64) {
    let unpacked: f64 = found.iter().zip(&batches.counts).map(|(service, mass)| mass * service.prompt_s).sum();
    let scale = prompt_s / unpacked;
    let least = batches.counts.iter().position(|mass| *mass > 1e-9).unwrap_or(1);
    if scale > 0.999 && scale < 1.001 {
        return;
    }
    for service in &mut found[least..] {
        let change = service.prompt_s * (scale - 1.0);
        service.prompt_s += change;
        service.mean_s += change;
    }
}

/// Sizes that are worked out; those between are interpolated.
fn nodes(most: usize) -> Vec<usize> {
    let mut nodes = vec![1];
    while nodes[nodes.len() - 1] < most {
        let last = nodes[nodes.len() - 1];
        nodes.push((last + 1).max((last as f64 * 1.1) as usize).min(most));
    }
    nodes
}

fn between(found: &mut [Service], nodes: &[usize]) {
    for pair in nodes.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        for n in from + 1..to {
            let share = (n - from) as f64 / (to - from) as f64;
            let (a, b) = (found[from], found[to]);
            let mix = |x: f64, y: f64| x + share * (y - x);
            found[n] = Service {
                prompt_s: mix(a.prompt_s, b.prompt_s),
                drain: Drain {
                    seconds: mix(a.drain.seconds, b.drain.seconds),
                    steps: mix(a.drain.steps, b.drain.steps),
                    sequence_seconds: mix(a.drain.sequence_seconds, b.drain.sequence_seconds),
                    later_sequence_seconds: mix(a.drain.later_sequence_seconds, b.drain.later_sequence_seconds),
                },
                mean_s: mix(a.mean_s, b.mean_s),
                variance: mix(a.variance, b.variance),
                per_longest: mix(a.per_longest, b.per_longest),
                held: mix(a.held, b.held),
            };
        }
    }
}

/// A law on start, start + 1, ….
#[derive(Debug, Clone, Default)]
struct Law {
    start: usize,
    masses: Vec<f64>,
}

/// The law with the given mean and variance: negative binomial, Poisson or binomial as the variance is above, at or below the mean.
fn law_of(mean: f64, variance: f64) -> Law {
    if mean <= 1e-12 {
        return Law { start: 0, masses: vec![1.0] };
    }
    let over = variance / mean - 1.0;
    // P(k + 1)/P(k).
    let ratio = |k: f64| {
        if over.abs() < 1e-6 {
            mean / (k + 1.0)
        } else if over > 0.0 {
            (k + mean / over) / (k + 1.0) * over / (1.0 + over)
        } else {
            let p = (-over).min(0.98);
            ((mean / p).ceil() - k).max(0.0) / (k + 1.0) * p / (1.0 - p)
        }
    };
    let mut mode = mean.floor();
    while mode > 0.0 && ratio(mode - 1.0) < 1.0 {
        mode -= 1.0;
    }
    let top = 1.0;
    let mut below = Vec::new();
    let (mut mass, mut k) = (top, mode);
    while k > 0.0 && mass > 1e-7 * top {
        k -= 1.0;
        mass /= ratio(k);
        below.push(mass);
    }
    let start = mode as usize - below.len();
    below.reverse();
    below.push(top);
    let (mut mass, mut k) = (top, mode);
    while mass > 1e-7 * top {
        mass *= ratio(k);
        k += 1.0;
        below.push(mass);
    }
    let total: f64 = below.iter().sum();
    below.iter_mut().for_each(|mass| *mass /= total);
    Law { start, masses: below }
}

/// The queue at the ends of batches.
struct Queue {
    /// P(q).
    law: Vec<f64>,
    /// P(a batch has n | there are enough), as cumulated from above: P(≥ n).
    at_least: Vec<f64>,
    packs: Vec<f64>,
}

impl Queue {
    fn solve(engine: &Exclusive, batches: &Batches, services: &[Service]) -> Option<Self> {
        let rate = engine.load.served_per_s;
        let workload = &engine.load.scenario.workload;
        let burst = if workload.trace.is_some() { 1.0 } else { workload.dispersion_limit() };
        let most = services.len() - 1;
        let mut packs: Vec<f64> = batches.counts[..=most].to_vec();
        let total: f64 = packs.iter().sum();
        packs.iter_mut().for_each(|mass| *mass /= total);
        let mut at_least = packs.clone();
        for n in (0..most).rev() {
            at_least[n] += at_least[n + 1];
        }
        let arrivals: Vec<Law> = services
            .iter()
            .map(|service| {
                let mean = rate * service.mean_s;
                law_of(mean, mean * burst + rate * rate * service.variance)
            })
            .collect();
        let mut queue = Self { law: vec![1.0], at_least, packs };
        let rows: Vec<Vec<f64>> = (0..=most).map(|q| queue.next(q, &arrivals)).collect();
        queue.law = start(&rows[most], most);
        for _ in 0..ROUNDS {
            let next = queue.advanced(&rows, most);
            let len = next.len().max(queue.law.len());
            let at = |law: &[f64], q: usize| law.get(q).copied().unwrap_or(0.0);
            let change: f64 = (0..len).map(|q| (at(&next, q) - at(&queue.law, q)).abs()).sum();
            queue.law = next;
            if change < 2e-6 {
                break;
            }
            if queue.law.len() > STATES {
                return None;
            }
        }
        Some(queue)
    }

    /// (n, P) of the batch that begins with q waiting; from nobody, of the next arrival alone.
    fn sizes(&self, q: usize) -> Vec<(usize, f64)> {
        if q == 0 {
            return vec![(1, 1.0)];
        }
        let most = self.packs.len() - 1;
        let mut sizes: Vec<(usize, f64)> =
            (1..q.min(most + 1)).map(|n| (n, self.packs[n])).filter(|size| size.1 > NOTHING).collect();
        if q <= most {
            sizes.push((q, self.at_least[q]));
        }
        sizes
    }

    /// The law of the queue after a batch that began with q waiting.
    fn next(&self, q: usize, arrivals: &[Law]) -> Vec<f64> {
        let mut next = Vec::new();
        for (n, share) in self.sizes(q) {
            let from = q.saturating_sub(n) + arrivals[n].start;
            let end = from + arrivals[n].masses.len();
            if next.len() < end {
                next.resize(end, 0.0);
            }
            for (sum, mass) in next[from..end].iter_mut().zip(&arrivals[n].masses) {
                *sum += share * mass;
            }
        }
        next
    }

    fn advanced(&self, rows: &[Vec<f64>], most: usize) -> Vec<f64> {
        let mut next = vec![0.0; self.law.len() + rows[most].len()];
        for (q, &mass) in self.law.iter().enumerate() {
            if mass < 1e-14 {
                continue;
            }
            let beyond = q.saturating_sub(most);
            for (sum, share) in next[beyond..].iter_mut().zip(&rows[q.min(most)]) {
                *sum += mass * share;
            }
        }
        let last = next.iter().rposition(|mass| *mass > 1e-8).unwrap_or(0);
        next.truncate(last + 1);
        let total: f64 = next.iter().sum();
        next.iter_mut().for_each(|mass| *mass /= total);
        next
    }

    fn state(&self, engine: &Exclusive, services: &[Service]) -> State {
        let load = engine.load;
        let rate = load.served_per_s;
        let mut sums = Totals::default();
        let mut starts = Vec::new();
        let mut sizes = vec![0.0; services.len()];
        let full = &services[services.len() - 1];
        let typical: f64 = self.packs.iter().enumerate().map(|(n, mass)| n as f64 * mass).sum();
        for (q, &mass) in self.law.iter().enumerate().filter(|(_, mass)| **mass > 1e-12) {
            for (n, share) in self.sizes(q) {
                let (weight, service) = (mass * share, &services[n]);
                let left = q.saturating_sub(n) as f64;
                sums.add(weight, n as f64, left, service, rate);
                sizes[n] += weight * n as f64;
                if weight > 1e-5 {
                    starts.extend(ways(engine.decoding(), (n as f64, weight, left), service, (typical, full), rate));
                }
            }
        }
        let idle = self.law[0] / rate;
        let cycle = sums.busy + idle;
        let wait = sums.waiting / (rate * cycle);
        let prompt = sums.prompt / sums.requests;
        let size: f64 = sizes.iter().enumerate().map(|(n, mass)| n as f64 * mass).sum::<f64>() / sums.requests;
        let first_decode = if engine.emits == 0.0 { engine.step(size) } else { 0.0 };
        let decode = sums.sequence / sums.requests;
        let ttft = wait + prompt + first_decode;
        let e2e = wait + prompt + decode;
        let tbt = if engine.emits == 0.0 { sums.later } else { sums.sequence }
            / (sums.requests * (load.output() - 1.0).max(1e-12));
        let alone = services[1].prompt_s;
        let total: f64 = starts.iter().map(|start: &Start| start.mass).sum();
        let busy_share = sums.busy / cycle;
        starts.iter_mut().for_each(|start| {
            start.mass *= busy_share / total;
            start.time += prompt + first_decode;
        });
        starts.push(Start { step: 1e-6 * alone, time: alone + first_decode, mass: 1.0 - busy_share });
        let mean: f64 = starts.iter().map(|start| start.mass * (start.time + start.step / 2.0)).sum();
        starts.iter_mut().for_each(|start| {
            start.time *= ttft / mean;
            start.step *= ttft / mean;
        });
        let nodes = decode_nodes(engine, size);
        State {
            step: sums.busy / sums.steps,
            batch_tokens: rate * cycle * (load.prompt() + engine.decodes) / sums.steps,
            waiting: rate * wait,
            running: rate * (e2e - wait),
            swapped: 0.0,
            kv_tokens: (sums.held + sums.prompt * (load.prompt() + engine.emits)) / cycle,
            preemptions: 0.0,
            ttft: (ttft, starts_percentiles(&starts, (0.0, 0.0))),
            tbt: (tbt, gaps(engine, &sizes)),
            e2e: (e2e, e2e_percentiles(&starts, (0.0, 0.0), &nodes, ttft)),
            ..State::default()
        }
    }
}

/// Where the iteration begins: the geometric law of a queue with the drift and the variance of a full batch.
fn start(full: &[f64], most: usize) -> Vec<f64> {
    let mean: f64 = full.iter().enumerate().map(|(q, mass)| q as f64 * mass).sum();
    let second: f64 = full.iter().enumerate().map(|(q, mass)| (q as f64 - mean).powi(2) * mass).sum();
    let decay = (2.0 * (most as f64 - mean).max(1e-3) / (second + 1.0)).min(1.0);
    let ratio = (-decay).exp();
    let mut law = vec![1.0 - ratio];
    while law.len() < STATES / 2 && law[law.len() - 1] > 1e-8 {
        law.push(law[law.len() - 1] * ratio);
    }
    law
}

/// Sums over batches, per batch.
#[derive(Default)]
struct Totals {
    busy: f64,
    /// ∫ waiting.
    waiting: f64,
    requests: f64,
    steps: f64,
    /// Σ over requests of seconds in the prompts' iteration, and in decodes.
    prompt: f64,
    sequence: f64,
    later: f64,
    held: f64,
}

impl Totals {
    fn add(&mut self, weight: f64, n: f64, left: f64, service: &Service, rate: f64) {
        let second = service.mean_s * service.mean_s + service.variance;
        self.busy += weight * service.mean_s;
        self.waiting += weight * (left * service.mean_s + rate * second / 2.0);
        self.requests += weight * n;
        self.steps += weight * (1.0 + service.drain.steps);
        self.prompt += weight * n * service.prompt_s;
        self.sequence += weight * service.drain.sequence_seconds;
        self.later += weight * service.drain.later_sequence_seconds;
        self.held += weight * service.held;
    }
}

/// How long those wait who arrive during one batch of n: for its end, and for the batches of those before them. Its length follows
/// the longest of its outputs.
fn ways(
    alive: &[f64],
    (n, weight, left): (f64, f64, f64),
    service: &Service,
    (size, full): (f64, &Service),
    rate: f64,
) -> Vec<Start> {
    const PARTS: usize = 4;
    const NODES: usize = 8;
    // P(longest ≤ k) = (1 − q_{k+1})ⁿ.
    let longest = |j: usize| {
        let p = (j as f64 + 0.5) / NODES as f64;
        let q = 1.0 - p.powf(1.0 / n);
        alive.partition_point(|above| *above > q) as f64
    };
    let mean = (0..NODES).map(longest).sum::<f64>() / NODES as f64;
    let mut found = Vec::with_capacity(2 * NODES * PARTS);
    for j in 0..NODES {
        let length = (service.mean_s + service.per_longest * (longest(j) - mean)).max(0.1 * service.mean_s);
        for part in 0..PARTS {
            let age = (part as f64 + 0.5) / PARTS as f64;
            let before = left + rate * age * length;
            let spread = (rate * age * length).sqrt();
            for side in [-1.0, 1.0] {
                let batches = ((before + side * spread).max(0.0) / size).floor();
                let others = (batches * full.mean_s + side * (batches * full.variance).sqrt()).max(0.0);
                let time = length * (1.0 - (part as f64 + 1.0) / PARTS as f64) + others;
                let mass = weight * length / (2 * PARTS * NODES) as f64;
                found.push(Start { step: length / PARTS as f64, time, mass });
            }
        }
    }
    found
}

/// The time from the first token on by the output's length: decodes beside the `size` − 1 others that are still there.
fn decode_nodes(engine: &Exclusive, size: f64) -> Vec<(f64, f64, f64)> {
    let alive = engine.decoding();
    let per_context = engine.load.per_context_s() * engine.decode_context() / engine.decodes.max(1e-12);
    let mut times = vec![0.0];
    for q in alive {
        let there = 1.0 + (size - 1.0) * q;
        times.push(times[times.len() - 1] + engine.step(there) + per_context * there);
    }
    let skipped = if engine.emits == 0.0 { times.get(1).copied().unwrap_or(0.0) } else { 0.0 };
    output_nodes(&engine.load.moments.output_survival)
        .iter()
        .map(|&(output, mass)| {
            let decodes = (output - engine.emits) as usize;
            (times[decodes.min(times.len() - 1)] - skipped, 0.0, mass)
        })
        .map(|(time, _, mass)| (time, 0.02 * time, mass))
        .collect()
}

/// Percentiles of the gaps: iterations by those who decode in them.
fn gaps(engine: &Exclusive, sizes: &[f64]) -> [f64; 3] {
    let sizes = gathered(sizes.iter().enumerate().map(|(n, mass)| (n as f64, *mass)).collect());
    let per_context = engine.load.per_context_s() * engine.decode_context() / engine.decodes.max(1e-12);
    let alive = gathered(engine.decoding().iter().map(|q| (*q, *q)).collect());
    let mut atoms = Vec::new();
    for &(n, mass) in &sizes {
        for &(q, share) in &alive {
            let there = 1.0 + (n - 1.0) * q;
            atoms.push((engine.step(there) + per_context * there, mass * share));
        }
    }
    let atoms = gathered(atoms);
    let low = atoms.first().map_or(0.0, |atom| atom.0) * 0.9;
    let top = atoms.last().map_or(1.0, |atom| atom.0) * 1.1;
    let width = 0.02 * (top - low);
    percentiles(low, top, |x| atoms.iter().map(|&(time, mass)| mass * ((x - time) / width + 0.5).clamp(0.0, 1.0)).sum())
}
