//! The prompts that wait for their share of the token budget, as a Markov chain from one iteration to the next.
//!
//! u is the backlog of prompt tokens at the start of an iteration, c = B − n what the decodes leave of the budget. The
//! iteration works on p = min(u, c) prompt tokens, takes T(p), and finds u' = u − p + CP(λT(p)) at its end, CP a compound
//! Poisson number of prompts. A tagged arrival waits for the iteration in progress to end, then first come first served for
//! as many iterations as its last token needs. Tokens are counted in cells of a lattice.

use super::Tier;
use super::transform::{compound_geometric, compound_poisson, dot, on_lattice};
use super::unlimited;

/// Multiplications spent on the chain; sets the cell.
const WORK: f64 = 1.5e5;
/// Kinds of iterations that an arrival is followed from: empty ones, equal parts by length, full ones.
const GROUPS: usize = 4;

/// What the chain needs to know.
pub(super) struct Traffic<'a> {
    /// λ.
    pub rate: f64,
    /// Mean size of the geometric batches in which requests arrive; 1 for Poisson arrivals.
    pub batch: f64,
    /// P(s = k).
    pub prompts: &'a [f64],
    /// P(s > k).
    pub prompt_survival: &'a [f64],
    /// E\[s\].
    pub prompt: f64,
    /// E\[s²\].
    pub prompt_squared: f64,
    /// c, possibly infinite.
    pub chunk: f64,
    /// Share of time without any request.
    pub idle: f64,
    /// Seconds by which an iteration is shorter without the decodes.
    pub decodes_s: f64,
    pub tier: Tier,
}

impl Traffic<'_> {
    /// Spent on the chain.
    fn multiplications(&self) -> f64 {
        match self.tier {
            Tier::Fast => 0.3 * WORK,
            Tier::Sharp => WORK,
        }
    }

    /// Batches per second.
    fn batches_per_s(&self) -> f64 {
        self.rate / self.batch
    }

    /// Tokens that arrive together, practically never exceeded.
    fn longest(&self) -> f64 {
        let longest = (self.prompts.len() - 1) as f64;
        (longest * self.batch.max(1.0)).min(6.0 * self.lumps_squared() / self.prompt)
    }

    /// Second moment of the tokens that arrive together, per request: E\[s²\] + (I − 1)·E\[s\]², I = 2·batch − 1.
    fn lumps_squared(&self) -> f64 {
        self.prompt_squared + 2.0 * (self.batch - 1.0) * self.prompt * self.prompt
    }
}

/// The stationary backlog and what a request meets in it. Times in seconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Backlog {
    /// E\[T\] over iterations.
    pub step: f64,
    /// E\[T²\] over iterations.
    pub step_squared: f64,
    /// E\[min(u, c)\] over iterations.
    pub tokens: f64,
    /// Mean residual of the iteration that an arrival meets; none in an idle system.
    pub residual: f64,
    /// From the first iteration after the arrival to the first token.
    pub own: f64,
    /// The part of it before the iteration that first works on the prompt.
    pub before: f64,
    /// Mean growth of a request's later iterations over E\[T\], summed, by the backlog that its own prompt left.
    pub excess: f64,
    /// Share of time in iterations that fill the budget.
    pub full_share: f64,
    /// (T, share of iterations).
    pub steps: Vec<(f64, f64)>,
    /// What an arrival meets.
    pub owns: Vec<Own>,
}

impl Backlog {
    /// Takes `tokens` of others out of the iterations that do not fill the budget.
    fn less_crowded(&mut self, tokens: f64, shortest: f64, full: f64, chunk: f64) {
        let shift = tokens * (full - shortest) / chunk * (1.0 - self.full_share);
        if shift <= 0.0 {
            return;
        }
        let mut moved = 0.0;
        for own in &mut self.owns {
            let time = (own.time - shift).max(shortest.min(own.time));
            moved += own.mass * (own.time - time);
            own.time = time;
        }
        self.own -= moved;
    }
}

/// One way through the backlog: the iteration in progress at the arrival, the time from its end to the first token, and the
/// share of arrivals.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own {
    pub step: f64,
    pub time: f64,
    pub mass: f64,
}

/// Solves the chain. `step` gives T(p).
///
/// Returns `None` when the prompts alone exceed the budget: λT(c)·E\[s\] ≥ c.
pub(super) fn solve(traffic: &Traffic, step: &dyn Fn(f64) -> f64) -> Option<Backlog> {
    let reach = reach(traffic, step)?;
    let own = reach + 2.0 * traffic.longest();
    if traffic.chunk >= own {
        return Some(unlimited::solve(traffic, step, own));
    }
    // The lattice needs whole batches; arrivals more even than Poisson are in the chunk's size, and in how many others share
    // an iteration: 2(batch − 1) fewer.
    let fewer = 2.0 * (1.0 - traffic.batch).max(0.0) * traffic.prompt;
    let traffic = &Traffic { batch: traffic.batch.max(1.0), ..*traffic };
    let grid = Grid::of(traffic, step, reach, traffic.multiplications());
    let mut chain = Chain::new(traffic, &grid, 0.0);
    // Requests that decode see no idle time: for them the chain without it.
    let beside_decodes = grid.cell * chain.mean();
    if traffic.idle > 1e-3 {
        chain = after_idle(traffic, &grid, &chain);
    }
    let mut found = describe(traffic, &grid, &chain, beside_decodes);
    found.less_crowded(fewer, grid.steps[0], step(traffic.chunk), traffic.chunk);
    Some(found)
}

/// E\[T\] over iterations alone, on a coarser lattice.
pub(super) fn mean_step(traffic: &Traffic, step: &dyn Fn(f64) -> f64) -> Option<f64> {
    let reach = reach(traffic, step)?;
    let own = reach + 2.0 * traffic.longest();
    if traffic.chunk >= own {
        return Some(unlimited::solve(traffic, step, own).step);
    }
    let traffic = &Traffic { batch: traffic.batch.max(1.0), ..*traffic };
    let grid = Grid::of(traffic, step, reach, 0.4 * traffic.multiplications());
    let mut chain = Chain::new(traffic, &grid, 0.0);
    if traffic.idle > 1e-3 {
        chain = after_idle(traffic, &grid, &chain);
    }
    let by_level = chain.iterations(&grid);
    Some(
        by_level.iter().zip(&grid.steps).map(|(p, step)| p * step).sum::<f64>()
            - by_level[grid.levels] * grid.surplus(),
    )
}

/// An idle period ends with one batch; it follows a share of the iterations that leave no backlog.
fn after_idle(traffic: &Traffic, grid: &Grid, chain: &Chain) -> Chain {
    let mean = chain.mean_step(grid);
    let per_boundary = traffic.batches_per_s() * traffic.idle / (1.0 - traffic.idle) * mean / chain.law[0].max(1e-12);
    Chain::new(traffic, grid, per_boundary.min(1.0))
}

/// The lattice: `levels` cells make c, `size` cells hold the backlog.
struct Grid {
    cell: f64,
    levels: usize,
    size: usize,
    prompts: Vec<f64>,
    /// Tokens of a batch, and of those before a request in its batch.
    batches: Vec<f64>,
    mates: Vec<f64>,
    /// Full iterations taken for one.
    together: f64,
    /// T of each level.
    steps: Vec<f64>,
}

impl Grid {
    fn of(traffic: &Traffic, step: &dyn Fn(f64) -> f64, reach: f64, work: f64) -> Self {
        let chunk = traffic.chunk;
        let cell = (reach * reach * chunk / work).cbrt();
        let levels = (chunk / cell).round().min(chunk.max(1.0)) as usize;
        // A backlog of very many chunks: several full iterations are taken for one.
        let together = if levels == 0 { (reach / (chunk * work.sqrt())).ceil() } else { 1.0 };
        let levels = levels.max(1);
        let cell = chunk * together / levels as f64;
        let size = ((reach / cell).ceil() as usize + 2).max(levels + 1);
        let mut steps: Vec<f64> = (0..=levels).map(|level| step((level as f64 * cell).min(chunk))).collect();
        steps[levels] *= together;
        let prompts = on_lattice(traffic.prompts, cell);
        let (mates, batches) = if traffic.batch > 1.0 + 1e-6 {
            let mates = compound_geometric(&prompts, traffic.batch, size);
            let mut batches = convolved(&prompts, &mates);
            batches.truncate(size);
            (mates, batches)
        } else {
            (vec![1.0], prompts.clone())
        };
        Self { cell, levels, size, prompts, batches, mates, together, steps }
    }
}

impl Grid {
    /// By how much the last level's time is longer than one full iteration.
    fn surplus(&self) -> f64 {
        self.steps[self.levels] * (1.0 - 1.0 / self.together)
    }
}

/// A backlog that is practically never exceeded.
fn reach(traffic: &Traffic, step: &dyn Fn(f64) -> f64) -> Option<f64> {
    let tokens = traffic.rate * traffic.prompt;
    let mut mean = 0.0;
    for _ in 0..100 {
        mean = tokens * step(f64::min(mean, traffic.chunk));
    }
    let lumps = traffic.lumps_squared();
    let squared = traffic.rate * lumps * step(mean.min(traffic.chunk));
    let slope = (tokens * (step(mean + 1.0) - step(mean))).clamp(0.0, 0.99);
    let variance = squared / (1.0 - slope * slope);
    let mut reach = mean + 7.0 * variance.sqrt() + traffic.longest();
    if traffic.chunk < reach {
        let full = tokens * step(traffic.chunk);
        if full >= traffic.chunk * (1.0 - 1e-6) {
            return None;
        }
        let spread = traffic.rate * lumps * step(traffic.chunk);
        reach += 7.0 * spread / (2.0 * (traffic.chunk - full));
    }
    Some(reach)
}

struct Chain {
    /// Stationary law of u.
    law: Vec<f64>,
    /// Arrivals during an iteration at each level.
    arrivals: Vec<Vec<f64>>,
}

impl Chain {
    /// `idle` is the probability that an empty backlog means an empty system.
    fn new(traffic: &Traffic, grid: &Grid, idle: f64) -> Self {
        let arrivals: Vec<Vec<f64>> = grid
            .steps
            .iter()
            .map(|step| compound_poisson(&grid.batches, traffic.batches_per_s() * step, grid.size))
            .collect();
        let n = grid.size;
        let mut rows = vec![0.0; n * n];
        for (u, row) in rows.chunks_exact_mut(n).enumerate() {
            let rest = u.saturating_sub(grid.levels);
            row[rest..].copy_from_slice(&arrivals[u.min(grid.levels)][..n - rest]);
            if u == 0 && idle > 0.0 {
                row.iter_mut().for_each(|p| *p *= 1.0 - idle);
                row.iter_mut().zip(&grid.batches).for_each(|(p, mass)| *p += idle * mass);
            }
            row[n - 1] += (1.0 - row.iter().sum::<f64>()).max(0.0);
        }
        Self { law: stationary(&mut rows, n, grid.levels), arrivals }
    }

    /// Mean time from one state to the next.
    fn mean_step(&self, grid: &Grid) -> f64 {
        self.law.iter().enumerate().map(|(u, p)| p * grid.steps[u.min(grid.levels)]).sum()
    }

    /// Share of iterations at each level.
    fn iterations(&self, grid: &Grid) -> Vec<f64> {
        let mut by_level = vec![0.0; grid.levels + 1];
        for (u, p) in self.law.iter().enumerate() {
            by_level[u.min(grid.levels)] += p;
        }
        by_level[grid.levels] *= grid.together;
        let total: f64 = by_level.iter().sum();
        by_level.iter_mut().for_each(|p| *p /= total);
        by_level
    }

    /// Mean backlog in cells.
    fn mean(&self) -> f64 {
        self.law.iter().enumerate().map(|(u, p)| u as f64 * p).sum()
    }
}

/// The stationary law by Grassmann, Taksar and Heyman's elimination, which subtracts nothing. A state leads down by at most
/// `band` states.
fn stationary(rows: &mut [f64], n: usize, band: usize) -> Vec<f64> {
    let mut outflow = vec![1.0; n];
    for k in (1..n).rev() {
        let low = k.saturating_sub(band);
        let (above, rest) = rows.split_at_mut(k * n);
        let pivot = &rest[low..k];
        let sum: f64 = pivot.iter().sum();
        outflow[k] = sum.max(f64::MIN_POSITIVE);
        for row in above.chunks_exact_mut(n) {
            let factor = row[k] / outflow[k];
            if factor != 0.0 {
                row[low..k].iter_mut().zip(pivot).for_each(|(cell, p)| *cell += factor * p);
            }
        }
    }
    let mut law = vec![0.0; n];
    law[0] = 1.0;
    for k in 0..n {
        law[k] /= outflow[k];
        let (known, rest) = law.split_at_mut(k + 1);
        rest.iter_mut().zip(&rows[k * n + k + 1..(k + 1) * n]).for_each(|(inflow, p)| *inflow += known[k] * p);
    }
    let total: f64 = law.iter().sum();
    law.iter_mut().for_each(|p| *p /= total);
    law
}

/// What others have in the queue when a tagged prompt's first iteration starts: `ahead` of it and in all, in cells; for
/// arrivals during iterations of about one length.
struct Met {
    weight: f64,
    step: f64,
    ahead: Vec<f64>,
    total: Vec<f64>,
}

fn describe(traffic: &Traffic, grid: &Grid, chain: &Chain, beside_decodes: f64) -> Backlog {
    let mut found = Backlog::default();
    let by_level = chain.iterations(grid);
    for (level, &p) in by_level.iter().enumerate() {
        let many = if level == grid.levels { grid.together } else { 1.0 };
        let step = grid.steps[level] / many;
        found.step += p * step;
        found.step_squared += p * step * step;
        found.tokens += p * level as f64 * grid.cell / many;
        found.steps.push((step, p));
    }
    found.full_share = by_level[grid.levels] * grid.steps[grid.levels] / (grid.together * found.step);
    found.residual = (1.0 - traffic.idle) * found.step_squared / (2.0 * found.step);
    let mean_step = chain.mean_step(grid);
    let mut left = if traffic.idle > 0.0 { follow(traffic, grid, &nobody(traffic, grid), &mut found) } else { 0.0 };
    let mut first = 0;
    for group in 0..=GROUPS {
        // Level 0, then equal parts of the levels, then the full iterations.
        let end = if group == GROUPS {
            grid.levels + 1
        } else {
            (1 + group * (grid.levels - 1) / (GROUPS - 1)).min(grid.levels)
        };
        if end > first {
            let met = meet(traffic, grid, chain, mean_step, (first, end));
            if met.weight > 1e-9 {
                left += follow(traffic, grid, &met, &mut found);
            }
        }
        first = first.max(end);
    }
    let (alpha, full) = (grid.steps[0], grid.steps[grid.levels] / grid.together);
    let per_token = (full - alpha) / traffic.chunk;
    let share = (traffic.rate * per_token * traffic.prompt).min(0.999);
    found.excess = per_token * (left - beside_decodes) / (1.0 - share);
    found
}

/// A tagged arrival falls into an iteration in proportion to its length, at a uniform moment of it. What came before it in
/// that iteration is the mean of CP(λt) over 0 < t < T, by λ(f − δ)∗∫CP = CP(λT) − δ. Takes the iterations with levels from
/// `first` up to `end`.
fn meet(traffic: &Traffic, grid: &Grid, chain: &Chain, mean_step: f64, (first, end): (usize, usize)) -> Met {
    let n = grid.size;
    let mut met = Met { weight: 0.0, step: 0.0, ahead: vec![0.0; n], total: vec![0.0; n] };
    let mut source = vec![0.0; n];
    for level in first..end {
        let step = grid.steps[level];
        let top = if level == grid.levels { n } else { level + 1 };
        for (rest, &p) in chain.law[level..top].iter().enumerate().filter(|&(_, &p)| p > 1e-14) {
            let weight = (1.0 - traffic.idle) * p * step / mean_step;
            let scale = weight / (traffic.batches_per_s() * step);
            met.weight += weight;
            met.step += weight * step;
            for ((total, source), mass) in
                met.total[rest..].iter_mut().zip(&mut source[rest..]).zip(&chain.arrivals[level])
            {
                *total += weight * mass;
                *source -= scale * mass;
            }
            source[rest] += scale;
        }
    }
    met.step /= met.weight.max(f64::MIN_POSITIVE);
    met.ahead = deconvolved(&source, &grid.batches);
    met
}

/// What an arrival in an idle system meets.
fn nobody(traffic: &Traffic, grid: &Grid) -> Met {
    let mut none = vec![0.0; grid.size];
    none[0] = traffic.idle;
    Met { weight: traffic.idle, step: 0.0, ahead: none.clone(), total: none }
}

/// x with (δ − f)∗x = y.
fn deconvolved(y: &[f64], f: &[f64]) -> Vec<f64> {
    let reversed: Vec<f64> = f.iter().skip(1).rev().copied().collect();
    let mut x = vec![0.0; y.len()];
    for k in 0..y.len() {
        let reach = k.min(reversed.len());
        let sum = dot(&reversed[reversed.len() - reach..], &x[k - reach..k]);
        x[k] = ((y[k] + sum) / (1.0 - f[0])).max(0.0);
    }
    x
}

/// Follows the tagged prompt through its iterations; returns the mean backlog after the last of them, in tokens.
fn follow(traffic: &Traffic, grid: &Grid, met: &Met, found: &mut Backlog) -> f64 {
    let c = grid.levels;
    let met = &with_mates(grid, met);
    let last = convolved(&met.ahead, &grid.prompts);
    let unfinished = unfinished_at_ends(traffic, grid, met, &last);
    let left = first_iteration(traffic, grid, met, (&last, &unfinished), found)
        + later_iterations(traffic, grid, met, (&last, &unfinished), found);
    let full = grid.steps[c] - shorter(traffic, met);
    let mut from = c;
    while from < met.ahead.len() {
        // What lies exactly at the end of an iteration stands for a cell around it.
        found.before += full * (met.ahead[from..].iter().sum::<f64>() - 0.5 * met.ahead[from]);
        from += c;
    }
    left
}

/// Adds those of the request's own batch.
fn with_mates(grid: &Grid, met: &Met) -> Met {
    let (ahead, total) = if grid.mates.len() == 1 {
        (met.ahead.clone(), met.total.clone())
    } else {
        (convolved(&met.ahead, &grid.mates), convolved(&convolved(&met.total, &grid.mates), &grid.mates))
    };
    Met { weight: met.weight, step: met.step, ahead, total }
}

/// An arrival in an idle system meets no decodes either.
fn shorter(traffic: &Traffic, met: &Met) -> f64 {
    if met.step == 0.0 { traffic.decodes_s } else { 0.0 }
}

/// Of the prompts whose last token lies in the cell at the end of an iteration, the mass that is not finished by it: half of
/// the cell; by the exact law of prompts for those that nobody is ahead of.
fn unfinished_at_ends(traffic: &Traffic, grid: &Grid, met: &Met, last: &[f64]) -> Vec<f64> {
    let first = met.ahead[0];
    let mut shares = vec![0.0];
    let mut end = grid.levels;
    while end < last.len() {
        let at_end = grid.prompts.get(end).copied().unwrap_or(0.0);
        let beyond: f64 = grid.prompts.iter().skip(end + 1).sum();
        let tokens = (end as f64 * grid.cell * (1.0 + 1e-12)) as usize;
        let exact = traffic.prompt_survival.get(tokens).copied().unwrap_or(0.0);
        let alone = (exact - beyond).clamp(0.0, at_end);
        shares.push((first * alone + 0.5 * (last[end] - first * at_end)).max(0.0));
        end += grid.levels;
    }
    shares
}

/// The first iteration works on everything there is, up to c.
fn first_iteration(
    traffic: &Traffic,
    grid: &Grid,
    met: &Met,
    (last, unfinished): (&[f64], &[f64]),
    found: &mut Backlog,
) -> f64 {
    let (c, cell) = (grid.levels, grid.cell);
    let full = grid.steps[c] - shorter(traffic, met);
    let arrivals = traffic.rate * traffic.prompt;
    let (mut left, mut certain) = (0.0, 0.0);
    for (y, &mass) in convolved(&met.total, &grid.prompts).iter().enumerate() {
        let step = grid.steps[y.min(c)] - shorter(traffic, met);
        found.own += mass * step;
        left += mass * y.saturating_sub(c) as f64 * cell;
        if y < c {
            certain += mass;
            left += mass * arrivals * step;
            found.owns.push(Own { step: met.step, time: step, mass });
        }
    }
    let beyond = last.iter().skip(c + 1).sum::<f64>() + unfinished.get(1).copied().unwrap_or(0.0);
    let crowded = (met.weight - beyond - certain).max(0.0);
    found.owns.push(Own { step: met.step, time: full, mass: crowded });
    let mean_beyond: f64 = last.iter().enumerate().skip(c + 1).map(|(y, mass)| mass * (y - c) as f64 * cell).sum();
    left + crowded * arrivals * full - mean_beyond - beyond * arrivals * 0.5 * met.step
}

/// All iterations between the first and the last are full.
fn later_iterations(
    traffic: &Traffic,
    grid: &Grid,
    met: &Met,
    (last, unfinished): (&[f64], &[f64]),
    found: &mut Backlog,
) -> f64 {
    let c = grid.levels;
    let full = grid.steps[c] - shorter(traffic, met);
    let arrivals = traffic.rate * traffic.prompt;
    let mates = (traffic.batch - 1.0) * traffic.prompt;
    let mut left = 0.0;
    for (index, &carried) in unfinished.iter().enumerate().skip(1) {
        let from = index * c;
        let waited = 0.5 * met.step + index as f64 * full;
        // After six iterations what fits beside the prompt hardly depends on the wait any more.
        let counted = waited.min(0.5 * met.step + 6.0 * full);
        let mut behind = compound_poisson(&grid.batches, traffic.batches_per_s() * counted, c + 1);
        if grid.mates.len() > 1 {
            behind = convolved(&behind, &grid.mates[..grid.mates.len().min(c + 1)]);
        }
        found.own += full * last.iter().skip(from + c + 1).sum::<f64>();
        let at_end = unfinished.get(index + 1).copied().unwrap_or(0.0);
        found.own += full * at_end;
        for (rest, &mass) in last[from..].iter().take(c + 1).enumerate() {
            let mass = if rest == 0 {
                carried
            } else if rest == c {
                mass - at_end
            } else {
                mass
            };
            let (step, over) = shared(grid, rest, &behind, arrivals * waited + mates);
            let step = step - shorter(traffic, met);
            found.own += mass * step;
            found.owns.push(Own { step: met.step, time: full * index as f64 + step, mass });
            left += mass * (over + arrivals * step);
        }
    }
    left
}

/// The last iteration of a prompt with `rest` cells left and `behind` it in the queue (mean `mean` tokens): its mean length,
/// and the tokens that do not fit.
fn shared(grid: &Grid, rest: usize, behind: &[f64], mean: f64) -> (f64, f64) {
    let room = grid.levels - rest;
    let (mut step, mut fitting, mut tokens) = (0.0, 0.0, 0.0);
    for (j, mass) in behind.iter().take(room + 1).enumerate() {
        step += mass * grid.steps[rest + j];
        fitting += mass;
        tokens += mass * j as f64;
    }
    let beyond = (1.0 - fitting).max(0.0);
    let over = mean - grid.cell * (tokens + beyond * room as f64);
    (step + beyond * grid.steps[grid.levels], over.max(0.0))
}

fn convolved(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; a.len() + b.len() - 1];
    for (i, &x) in a.iter().enumerate().filter(|&(_, &x)| x > 1e-15) {
        sum[i..].iter_mut().zip(b).for_each(|(cell, y)| *cell += x * y);
    }
    sum
}
