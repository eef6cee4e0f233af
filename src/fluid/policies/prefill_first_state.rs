//! The state and the latencies below λ* where prompts have iterations of their own and go first.
//!
//! With n sequences decoding, a decode iteration S(n) is followed by the phase V of the prompts that have come: every sequence makes a
//! token per T(n) = S(n) + V(S(n)) seconds, which is a processor-sharing chain with ratios λ E\[o_d\] T(n)/n. What prompts add to
//! its variance, the density at the cap and the wait for a slot follow the law of mixed engines (`residents`), in seconds of
//! this server. TTFT = what is left of the iteration in progress + own batch with the prompts that came in it + wait for a
//! slot.

use super::super::boundary::Regime;
use super::super::latency::State;
use statrs::function::gamma::gamma_lr;

use super::super::mixture::{gathered, output_nodes, percentiles};
use super::super::transform::{compound_poisson, on_lattice};
use super::exclusive::Exclusive;
use super::latencies::{Start, e2e_percentiles, starts_percentiles};
use super::prefill_first::{Cycle, phases};
use super::prefill_phase::{Phase, Phases};
use crate::answer::Boundary;
use crate::scenario::ArrivalLaw;

/// Cycles of a decode iteration and its prompts, by the number of decodes.
struct Cycles<'a> {
    engine: &'a Exclusive<'a>,
    phases: Phases,
    /// Numbers of decodes with the phase after them.
    nodes: Vec<(f64, Phase)>,
}

impl<'a> Cycles<'a> {
    fn of(engine: &'a Exclusive<'a>, rate: f64, cap: f64) -> Option<Self> {
        let phases = phases(engine, rate, decode_s(engine, cap))?;
        let mut nodes: Vec<(f64, Phase)> = Vec::new();
        let mut n = 1.0_f64;
        while n < cap {
            nodes.push((n, phases.after(decode_s(engine, n))));
            n = (n * 1.12).max(n + 1.0);
        }
        nodes.push((cap, phases.after(decode_s(engine, cap))));
        Some(Self { engine, phases, nodes })
    }

    /// (S, V, iterations of V) with n decodes.
    fn at(&self, n: f64) -> (f64, f64, f64) {
        let right =
            self.nodes.partition_point(|node| node.0 < n).clamp(1.min(self.nodes.len() - 1), self.nodes.len() - 1);
        let (to, above) = self.nodes[right];
        let (from, below) = self.nodes[right.saturating_sub(1)];
        let share = if to > from { ((n - from) / (to - from)).clamp(0.0, 1.0) } else { 0.0 };
        let between = |a: f64, b: f64| a + share * (b - a);
        (decode_s(self.engine, n), between(below.seconds, above.seconds), between(below.batches, above.batches))
    }

    fn seconds(&self, n: f64) -> f64 {
        let (decode, prompts, _) = self.at(n);
        decode + prompts
    }
}

/// S(n) with the context of n decodes.
fn decode_s(engine: &Exclusive, n: f64) -> f64 {
    let n = n.max(1.0);
    engine.step(n) + n / engine.decodes * engine.load.per_context_s() * engine.decode_context()
}

/// The chain of decoding sequences.
struct Chain {
    /// P(n) in time; the cap last, with the time in which somebody waits.
    law: Vec<f64>,
    mean: f64,
    variance: f64,
    /// P(wait for a slot) and the mean of a positive one.
    wait: (f64, f64),
    /// Whether the last entry is the cap.
    reached: bool,
}

/// The state at the load's λ, below the boundary; `saturated` is the cycle with all slots taken. None when the prompts'
/// phases do not end.
pub(super) fn below(engine: &Exclusive, binding: &Regime, boundary: &Boundary, saturated: Cycle) -> Option<State> {
    let load = engine.load;
    let rate = load.served_per_s;
    let cap = binding.running.round().max(1.0);
    let cycles = Cycles::of(engine, rate, cap)?;
    let line = engine.prompt_line();
    let chain = chain(engine, &cycles, line, saturated, cap, boundary.low_per_s);
    let view = View::of(engine, &cycles, &chain, line, saturated, cap);
    let (p, wait) = chain.wait;
    let cycle_time = chain.mean / rate;
    let rest = cycles.phases.after(view.own).seconds * (1.0 - p);
    let decoding = (cycle_time + rest - view.last_phase).max(0.0);
    let waits_to_decode = !engine.caps_residents;
    let start = view.residual + view.own;
    let slot = p * wait;
    // Without a cap on the residents the wait comes between the prompt and the first decode.
    let before_prompt = if waits_to_decode { 0.0 } else { slot };
    let e2e = start + slot + decoding;
    let silent = engine.emits == 0.0;
    let first_decode = rest + view.decode + if waits_to_decode { slot } else { 0.0 };
    let ttft = start + before_prompt + if silent { first_decode } else { 0.0 };
    let gaps = (load.output() - 1.0).max(1e-12);
    let tbt = (e2e - ttft) / gaps;
    let waiting = view.residual + before_prompt;
    let held = engine.decode_context() / engine.decodes.max(1e-12);
    let later = if waits_to_decode { slot } else { 0.0 };
    let preemptions = binding.preemptions * p;
    let shift = if silent { first_decode } else { 0.0 };
    let own_wait = if silent || !waits_to_decode { (p, wait) } else { (0.0, 0.0) };
    let shift = if silent && waits_to_decode { shift - slot } else { shift };
    let starts: Vec<Start> = view.starts.iter().map(|start| Start { time: start.time + shift, ..*start }).collect();
    let first = starts_percentiles(&starts, own_wait);
    let spread = spread(engine, &cycles, &chain, line);
    let nodes: Vec<(f64, f64, f64)> = output_nodes(&load.moments.output_survival)
        .iter()
        .map(|&(output, mass)| {
            let gaps = output - 1.0;
            (gaps * tbt, (gaps * spread.0 + gaps * gaps * spread.1).sqrt(), mass)
        })
        .collect();
    let whole = e2e_percentiles(&starts, own_wait, &nodes, ttft);
    Some(State {
        step: view.step,
        batch_tokens: view.step_tokens,
        waiting: rate * waiting,
        running: rate * (e2e - waiting),
        swapped: 0.0,
        kv_tokens: rate * (decoding * held + (view.own + later) * (load.prompt() + engine.emits)),
        preemptions,
        ttft: (ttft, first),
        tbt: (tbt, view.gaps),
        e2e: (e2e, whole),
        ..State::default()
    })
}

/// (variance per gap, variance of the mean gap): phases of prompts are fast, the number of decodes is slow.
fn spread(engine: &Exclusive, cycles: &Cycles, chain: &Chain, (base_s, per_token_s): (f64, f64)) -> (f64, f64) {
    let load = engine.load;
    let n = chain.mean.max(1.0);
    let (decode, prompts, _) = cycles.at(n);
    let share = (prompts / (decode + prompts)).min(0.95);
    let lump = base_s * base_s
        + 2.0 * base_s * per_token_s * load.prompt()
        + per_token_s * per_token_s * load.moments.raw(2, 0);
    let fast = decode * load.served_per_s * lump / (1.0 - share).powi(3);
    let slope = (cycles.seconds(n + 1.0) - cycles.seconds((n - 1.0).max(1.0))) / (n + 1.0 - (n - 1.0).max(1.0));
    // Over a typical stay the number of decodes keeps a part of its deviation.
    let kept = 0.6;
    (fast, kept * slope * slope * chain.variance)
}

fn chain(
    engine: &Exclusive,
    cycles: &Cycles,
    (base_s, per_token_s): (f64, f64),
    saturated: Cycle,
    cap: f64,
    boundary: f64,
) -> Chain {
    let load = engine.load;
    let rate = load.served_per_s;
    let rho = rate / boundary;
    let alive = engine.decoding();
    let k0 = alive.iter().map(|q| q * q).sum::<f64>() / engine.decodes;
    let k1 = engine.decodes * engine.decodes / engine.moment(0, 2);
    let burst = load.scenario.workload.dispersion_limit();
    let extra = if load.scenario.workload.trace.is_some() { 0.0 } else { burst - 1.0 };
    let squared = load.moments.raw(2, 0);
    let ratio = |n: f64| {
        let (decode, prompts, batches) = cycles.at(n);
        let total = decode + prompts;
        let grows = (cycles.seconds(n + 0.5) - cycles.seconds((n - 0.5).max(1.0))) / (n + 0.5 - (n - 0.5).max(1.0));
        let e = (n * grows / total).clamp(0.0, 0.98);
        let fixed = base_s * batches / (rate * total);
        let lump = fixed + per_token_s * load.prompt();
        let second = fixed * fixed + 2.0 * fixed * per_token_s * load.prompt() + per_token_s * per_token_s * squared;
        let q2 = second / (lump * lump).max(f64::MIN_POSITIVE);
        let y = prompts / decode;
        let kept = (1.0 - e) * k0 + e * k1;
        (1.0 + kept * (2.0 * y + y * y * q2 + extra)).max(0.2)
    };
    let mut logs = vec![0.0];
    let mut highest = 0.0_f64;
    for n in 1..=cap as usize {
        let n = n as f64;
        let r = ratio(n);
        let m = (n + (1.0 - rho.powi(4)) * (r - 1.0) / 2.0).max(0.3);
        let next = logs[logs.len() - 1] + (rate * engine.decodes * cycles.seconds(m) / m).ln() / r;
        highest = highest.max(next);
        logs.push(next);
        if next < highest - 40.0 {
            break;
        }
    }
    let mut law: Vec<f64> = logs.iter().map(|log| (log - highest).exp()).collect();
    let reached = law.len() == cap as usize + 1;
    let work = engine.work(saturated.decode_s / cap, saturated.prompts, (base_s, per_token_s), cap);
    let x = saturated.prompts.seconds / (saturated.decode_s + saturated.prompts.seconds);
    let w = 1.0 / (1.0 + cap * (1.0 - rho) * (1.0 - rho) / (1.0 + work.whole));
    let v = 1.0 + (work.decodes - 1.0) * w;
    let f = (1.0 + work.whole + extra + (1.0 - x) * (1.0 - x) * (v - work.decodes)) / 2.0;
    let f = f.max(0.05);
    let jump = 2.0 / ((1.0 - x) * (1.0 + v + extra)).max(0.1);
    let last = law.len() - 1;
    if reached {
        law[last] *= jump * (1.0 + rate * f / (boundary - rate));
    }
    let total: f64 = law.iter().sum();
    law.iter_mut().for_each(|mass| *mass /= total);
    let mean: f64 = law.iter().enumerate().map(|(n, mass)| n as f64 * mass).sum();
    let variance: f64 = law.iter().enumerate().map(|(n, mass)| (n as f64 - mean).powi(2) * mass).sum();
    let wait = (if reached { law[last] } else { 0.0 }, f / (boundary - rate));
    Chain { law, mean, variance, wait, reached }
}

/// What an arrival sees and what time averages over.
struct View {
    residual: f64,
    own: f64,
    /// S and V where a request begins and ends its decodes.
    decode: f64,
    last_phase: f64,
    step: f64,
    step_tokens: f64,
    starts: Vec<Start>,
    gaps: [f64; 3],
}

/// A kind of iteration that an arrival can fall into.
#[derive(Clone, Copy)]
struct Interval {
    length: f64,
    /// E\[length²\].
    second: f64,
    /// How many there are per second.
    per_s: f64,
}

impl View {
    fn of(engine: &Exclusive, cycles: &Cycles, chain: &Chain, line: (f64, f64), saturated: Cycle, cap: f64) -> Self {
        let load = engine.load;
        let rate = load.served_per_s;
        let free = if chain.reached { &chain.law[..chain.law.len() - 1] } else { &chain.law[..] };
        let mut intervals = Vec::new();
        let states = coarse(free.iter().enumerate().skip(1).map(|(n, mass)| (n as f64, *mass)).collect());
        let busy: f64 = free.iter().skip(1).sum();
        for &(n, mass) in &states {
            let (decode, prompts, _) = cycles.at(n);
            let per_s = busy * mass / (decode + prompts);
            intervals.push(Interval { length: decode, second: decode * decode, per_s });
            intervals.extend(batches(engine, decode, prompts, per_s));
        }
        let full = full_intervals(engine, line, saturated, chain.wait.0, cap);
        let idle = free.first().copied().unwrap_or(0.0);
        let (base_s, per_token_s) = line;
        let residual: f64 = intervals.iter().chain(&full).map(|i| i.per_s * i.second / 2.0).sum();
        let alone = base_s + per_token_s * load.prompt();
        let flow = cap / engine.decodes;
        let in_full = per_token_s * load.prompt() * flow * (1.0 - 1.0 / cap);
        let mut starts = starts(engine, &intervals, None);
        starts.extend(starts_alone(engine, idle));
        starts.extend(self::starts(engine, &full, Some(in_full)));
        let total: f64 = starts.iter().map(|start| start.mass).sum();
        let own = starts.iter().map(|start| start.mass * start.time).sum::<f64>() / total;
        let busy_s: f64 = intervals.iter().chain(&full).map(|i| i.per_s * i.length).sum();
        let per_s: f64 = intervals.iter().chain(&full).map(|i| i.per_s).sum::<f64>() + rate * idle;
        let by_departure = |value: fn((f64, f64, f64)) -> f64| {
            let weigh = |(n, mass): (usize, &f64)| {
                let at = cycles.at(n as f64);
                let weight = mass * n as f64 / (at.0 + at.1);
                (weight, weight * value(at))
            };
            let sums = chain.law.iter().enumerate().skip(1).map(weigh).fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
            sums.1 / sums.0.max(f64::MIN_POSITIVE)
        };
        Self {
            residual,
            own,
            decode: by_departure(|at| at.0),
            last_phase: by_departure(|at| at.1),
            step: (busy_s + rate * idle * alone) / per_s,
            step_tokens: rate * (load.prompt() + engine.decodes) / per_s,
            starts,
            gaps: gaps(engine, cycles, chain),
        }
    }
}

/// Cells of the lattice of the prompts of one iteration.
const CELLS: usize = 192;

/// The tokens of a Poisson number (mean `count`) of prompts, with their masses; `some` leaves out nobody.
fn brought(engine: &Exclusive, count: f64, some: bool) -> Vec<(f64, f64)> {
    let m = &engine.load.moments;
    let longest = m.prompt_masses.len() as f64;
    let reach = count * m.raw(1, 0) + 7.0 * (count * m.raw(2, 0)).sqrt() + longest;
    let cell = (reach / CELLS as f64).max(1.0);
    let mut law = compound_poisson(&on_lattice(&m.prompt_masses, cell), count, CELLS);
    if some {
        law[0] = (law[0] - (-count).exp()).max(0.0);
    }
    let least = if some { 1.0 } else { 0.0 };
    let total: f64 = law.iter().sum();
    law.iter().enumerate().map(|(k, mass)| ((k as f64 * cell).max(least), mass / total)).collect()
}

/// Seconds of an iteration of prompts.
fn batch_s(engine: &Exclusive, tokens: f64) -> f64 {
    engine.step(tokens) + engine.load.per_context_s() * tokens
}

/// The batches of the phase after a decode iteration, one kind for each place in the phase; scaled to last V together.
fn batches(engine: &Exclusive, decode: f64, prompts: f64, per_s: f64) -> Vec<Interval> {
    let rate = engine.load.served_per_s;
    let mut found: Vec<Interval> = Vec::new();
    let (mut silence, mut weight) = (decode, 1.0);
    for _ in 0..40 {
        weight *= -(-rate * silence).exp_m1();
        let law = brought(engine, rate * silence, true);
        let times = gathered(law.iter().map(|&(tokens, mass)| (batch_s(engine, tokens), mass)).collect());
        let length = times.iter().map(|time| time.0 * time.1).sum::<f64>();
        let settled = (length - silence).abs() < 0.01 * length;
        let from = found.len();
        found.extend(times.iter().map(|&(time, mass)| Interval {
            length: time,
            second: time * time,
            per_s: weight * per_s * mass,
        }));
        silence = length;
        if settled {
            // The rest of the phase is of this kind.
            let more = -(-rate * silence).exp_m1();
            found[from..].iter_mut().for_each(|i| i.per_s /= 1.0 - more);
        }
        if settled || weight < 1e-4 {
            break;
        }
    }
    let total: f64 = found.iter().map(|i| i.per_s * i.length).sum();
    let scale = prompts * per_s / total.max(f64::MIN_POSITIVE);
    found.iter_mut().for_each(|i| i.per_s *= scale);
    found
}

/// Iterations while all slots are taken and somebody waits, a share `time` of all time.
fn full_intervals(
    engine: &Exclusive,
    (base_s, per_token_s): (f64, f64),
    saturated: Cycle,
    time: f64,
    cap: f64,
) -> Vec<Interval> {
    if time < 1e-9 {
        return Vec::new();
    }
    let load = engine.load;
    let per_s = time / (saturated.decode_s + saturated.prompts.seconds);
    let batches = saturated.prompts.batches.max(1e-12);
    let length = saturated.prompts.seconds / batches;
    let per_batch = cap / engine.decodes / batches;
    let variance = per_token_s * per_token_s * per_batch * load.moments.raw(2, 0);
    let second = length * length + variance * (1.0 - base_s / length.max(base_s)).max(0.0);
    vec![
        Interval { length: saturated.decode_s, second: saturated.decode_s.powi(2), per_s },
        Interval { length, second, per_s: per_s * batches },
    ]
}

/// Other requests that come within the same iteration of `length` seconds as a typical one: λL for Poisson arrivals, otherwise the
/// renewal function on both sides of it.
fn others(engine: &Exclusive, length: f64) -> f64 {
    let rate = engine.load.served_per_s;
    let workload = &engine.load.scenario.workload;
    let cv_squared = workload.dispersion_limit();
    if workload.trace.is_some() || cv_squared == 1.0 || cv_squared == 0.0 {
        return rate * length;
    }
    // Those who come close together in what all share: of one batch, or at the rate that an arrival is likely to see.
    match &workload.arrivals {
        ArrivalLaw::Batch { .. } => return rate * length + cv_squared - 1.0,
        law @ ArrivalLaw::Mmpp { .. } => {
            return rate * length + (law.short_excess() * rate * length).min(cv_squared - 1.0);
        }
        _ => {}
    }
    // Gamma interarrival times of shape 1/cv²: the k-th comes within u with the regularised gamma function.
    let shape = 1.0 / cv_squared;
    let within = |u: f64| {
        let scaled = (shape * rate * u).max(1e-12);
        let most = (rate * u + 8.0 * (cv_squared * rate * u).sqrt() + 8.0 * cv_squared + 8.0) as u32;
        (1..=most).map(|k| gamma_lr(shape * f64::from(k), scaled)).sum::<f64>()
    };
    // Twice the mean over the iteration; dense at its start, where the renewal function is steep.
    let points = 8;
    let share = |j: u32| ((f64::from(j) + 0.5) / f64::from(points)).powi(2);
    let width = |j: u32| (f64::from(2 * j) + 1.0) / f64::from(points * points);
    2.0 * (0..points).map(|j| width(j) * within(length * share(j))).sum::<f64>()
}

/// The ways to a first token out of the given iterations: uniform on what is left of one, then the own batch, with those who came
/// in the same one, or with `more_s` seconds of prompts that take the free slots.
fn starts(engine: &Exclusive, intervals: &[Interval], more_s: Option<f64>) -> Vec<Start> {
    let load = engine.load;
    let prompts = own_prompts(engine);
    let lengths = intervals.iter().map(|i| (i.second / i.length, i.per_s * i.length));
    let total: f64 = lengths.clone().map(|length| length.1).sum();
    let mut found = Vec::new();
    for (length, share) in gathered(lengths.collect()) {
        let beside =
            more_s.map_or_else(|| coarse(brought(engine, others(engine, length), false)), |_| vec![(0.0, 1.0)]);
        let mut times = Vec::with_capacity(prompts.len() * beside.len());
        for &(own, of_own) in &prompts {
            times.extend(beside.iter().map(|&(other, mass)| {
                let tokens = (own + other).min(load.budget.max(own));
                (batch_s(engine, tokens) + more_s.unwrap_or(0.0), of_own * mass)
            }));
        }
        found.extend(gathered(times).iter().map(|&(time, mass)| Start {
            step: length,
            time,
            mass: total * share * mass,
        }));
    }
    found
}

/// A prompt that finds nobody.
fn starts_alone(engine: &Exclusive, idle: f64) -> Vec<Start> {
    own_prompts(engine)
        .iter()
        .map(|&(tokens, mass)| {
            let time = batch_s(engine, tokens);
            Start { step: 1e-6 * time, time, mass: idle * mass }
        })
        .collect()
}

fn own_prompts(engine: &Exclusive) -> Vec<(f64, f64)> {
    coarse(engine.load.moments.prompt_masses.iter().enumerate().map(|(k, mass)| (k as f64, *mass)).collect())
}

/// A law in at most 16 values or so, fine in its upper tail; few values stay as they are.
fn coarse(mut atoms: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    atoms.retain(|atom| atom.1 > 1e-12);
    let total: f64 = atoms.iter().map(|atom| atom.1).sum();
    if atoms.len() <= 8 {
        return atoms.iter().map(|atom| (atom.0, atom.1 / total)).collect();
    }
    let cells = gathered(atoms);
    let mut found: Vec<(f64, f64)> = Vec::new();
    for group in cells.chunks(3) {
        let mass: f64 = group.iter().map(|cell| cell.1).sum();
        found.push((group.iter().map(|cell| cell.0 * cell.1).sum::<f64>() / mass, mass));
    }
    found
}

/// Percentiles of the gaps: a decode iteration, and the phase after it if anybody came.
fn gaps(engine: &Exclusive, cycles: &Cycles, chain: &Chain) -> [f64; 3] {
    let rate = engine.load.served_per_s;
    let states = coarse(
        chain
            .law
            .iter()
            .enumerate()
            .skip(1)
            .map(|(n, mass)| (n as f64, mass * n as f64 / cycles.seconds(n as f64)))
            .collect(),
    );
    let mut atoms = Vec::new();
    for (n, mass) in states {
        let (decode, prompts_s, _) = cycles.at(n);
        let none = (-rate * decode).exp();
        atoms.push((decode, mass * none));
        let first = coarse(brought(engine, rate * decode, true));
        let mean = first.iter().map(|&(tokens, share)| share * batch_s(engine, tokens)).sum::<f64>();
        // A second batch follows the more likely the longer the first; what comes then is about exponential.
        let later = (prompts_s / (1.0 - none).max(1e-12) - mean).max(0.0);
        for &(tokens, share) in &first {
            let time = batch_s(engine, tokens);
            let again = -(-rate * time).exp_m1();
            let share = mass * (1.0 - none) * share;
            atoms.push((decode + time, share * (1.0 - again)));
            let rest = later * time / mean / again.max(1e-9);
            for quarter in [0.137, 0.477, 0.96, 2.426] {
                atoms.push((decode + time + rest * quarter, 0.25 * share * again));
            }
        }
    }
    let atoms = gathered(atoms);
    let low = atoms.first().map_or(0.0, |atom| atom.0) * 0.9;
    let top = atoms.last().map_or(1.0, |atom| atom.0) * 1.1;
    let width = 0.02 * (top - low);
    percentiles(low, top, |x| atoms.iter().map(|&(time, mass)| mass * ((x - time) / width + 0.5).clamp(0.0, 1.0)).sum())
}
