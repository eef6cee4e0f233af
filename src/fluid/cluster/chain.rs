//! The saturated pool of GPUs as a Markov chain: who runs, and the class of the head that does not fit. A completion frees its
//! GPUs; the head starts if it fits, and new heads are drawn until one does not fit. λ* is the chain's rate of completions
//! (first come first served, head-of-line blocking, exponential durations: exact).

use std::collections::HashMap;

/// A class of requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Kind {
    /// GPUs that one request takes.
    pub need: u32,
    /// Share of the requests.
    pub share: f64,
    /// Mean seconds that it keeps them.
    pub mean_s: f64,
}

/// What the saturated pool does.
#[derive(Debug, Clone)]
pub(super) struct Saturated {
    /// Completions per second.
    pub rate: f64,
    /// Requests that run, by kind.
    pub running: Vec<f64>,
    /// Δ: completions above the mean that follow a completion, for the waiting law of heavy traffic.
    pub excess: f64,
    pub states: usize,
}

/// States above which there is no chain, only the bound.
pub(super) const MOST_STATES: usize = 20_000;
/// Sweeps of Gauss and Seidel at most, and the relative change at which they end.
const SWEEPS: usize = 20_000;
const SETTLED: f64 = 1e-13;

/// Requests of each kind that run, and the kind of the head.
type State = (Vec<u32>, usize);

struct Chain<'a> {
    gpus: u32,
    kinds: &'a [Kind],
    numbers: HashMap<State, usize>,
    states: Vec<State>,
    /// By state: (next state, rate), completions that change nothing included.
    moves: Vec<Vec<(usize, f64)>>,
}

/// Solves the chain; none above [`MOST_STATES`].
pub(super) fn saturated(gpus: u32, kinds: &[Kind]) -> Option<Saturated> {
    let mut chain = Chain { gpus, kinds, numbers: HashMap::new(), states: Vec::new(), moves: Vec::new() };
    chain.explore()?;
    let rates: Vec<f64> = chain.states.iter().map(|state| chain.completions(state)).collect();
    let weights = chain.stationary();
    let rate: f64 = weights.iter().zip(&rates).map(|(p, c)| p * c).sum();
    let running = (0..kinds.len())
        .map(|kind| weights.iter().zip(&chain.states).map(|(p, state)| p * f64::from(state.0[kind])).sum())
        .collect();
    let excess = chain.excess(&weights, &rates, rate);
    Some(Saturated { rate, running, excess, states: chain.states.len() })
}

impl Chain<'_> {
    fn completions(&self, state: &State) -> f64 {
        state.0.iter().zip(self.kinds).map(|(&n, kind)| f64::from(n) / kind.mean_s).sum()
    }

    fn free(&self, running: &[u32]) -> u32 {
        self.gpus - running.iter().zip(self.kinds).map(|(n, kind)| n * kind.need).sum::<u32>()
    }

    /// All states that follow from an empty pool.
    fn explore(&mut self) -> Option<()> {
        let empty = vec![0; self.kinds.len()];
        for (head, kind) in self.kinds.iter().enumerate() {
            for (state, _) in self.settle(&empty, head, kind.share) {
                self.number(state);
            }
        }
        let mut next = 0;
        while next < self.states.len() {
            if self.states.len() > MOST_STATES {
                return None;
            }
            let (running, head) = self.states[next].clone();
            let mut moves: HashMap<usize, f64> = HashMap::new();
            for kind in 0..self.kinds.len() {
                if running[kind] == 0 {
                    continue;
                }
                let mut left = running.clone();
                left[kind] -= 1;
                let rate = f64::from(running[kind]) / self.kinds[kind].mean_s;
                for (state, rate) in self.settle(&left, head, rate) {
                    *moves.entry(self.number(state)).or_default() += rate;
                }
            }
            let mut moves: Vec<(usize, f64)> = moves.into_iter().collect();
            moves.sort_unstable_by_key(|step| step.0);
            self.moves.push(moves);
            next += 1;
        }
        Some(())
    }

    fn number(&mut self, state: State) -> usize {
        let next = self.states.len();
        *self.numbers.entry(state).or_insert_with_key(|state| {
            self.states.push(state.clone());
            next
        })
    }

    /// Starts heads until one does not fit: the states that `weight` is shared over.
    fn settle(&self, running: &[u32], head: usize, weight: f64) -> Vec<(State, f64)> {
        let mut settled = Vec::new();
        // Pools with fewer free GPUs come later, so that equal ones meet before they go on.
        let mut open: Vec<HashMap<State, f64>> = vec![HashMap::new(); self.free(running) as usize + 1];
        open[self.free(running) as usize].insert((running.to_vec(), head), weight);
        for free in (0..open.len()).rev() {
            for ((mut running, head), weight) in std::mem::take(&mut open[free]) {
                let need = self.kinds[head].need;
                if need as usize > free {
                    settled.push(((running, head), weight));
                    continue;
                }
                running[head] += 1;
                for (next, kind) in self.kinds.iter().enumerate() {
                    *open[free - need as usize].entry((running.clone(), next)).or_default() += weight * kind.share;
                }
            }
        }
        settled
    }

    /// π with πQ = 0, by Gauss and Seidel.
    fn stationary(&self) -> Vec<f64> {
        let count = self.states.len();
        let mut into: Vec<Vec<(usize, f64)>> = vec![Vec::new(); count];
        let mut out = vec![0.0; count];
        for (from, moves) in self.moves.iter().enumerate() {
            for &(to, rate) in moves.iter().filter(|step| step.0 != from) {
                into[to].push((from, rate));
                out[from] += rate;
            }
        }
        let mut weights = vec![1.0 / count as f64; count];
        if count == 1 {
            return weights;
        }
        for _ in 0..SWEEPS {
            let mut change = 0.0_f64;
            for state in 0..count {
                let next = into[state].iter().map(|&(from, rate)| weights[from] * rate).sum::<f64>() / out[state];
                change = change.max((next - weights[state]).abs());
                weights[state] = next;
            }
            let total: f64 = weights.iter().sum();
            weights.iter_mut().for_each(|p| *p /= total);
            if change < SETTLED {
                break;
            }
        }
        weights
    }

    /// E\[Δ\] after a completion, where QΔ = λ* − c and E_π\[Δ\] = 0.
    fn excess(&self, weights: &[f64], rates: &[f64], mean: f64) -> f64 {
        let mut values = vec![0.0; weights.len()];
        if weights.len() == 1 {
            return 0.0;
        }
        for _ in 0..SWEEPS {
            let mut change = 0.0_f64;
            for state in 0..values.len() {
                let (mut sum, mut out) = (rates[state] - mean, 0.0);
                for &(to, rate) in self.moves[state].iter().filter(|step| step.0 != state) {
                    sum += rate * values[to];
                    out += rate;
                }
                let next = sum / out;
                change = change.max((next - values[state]).abs());
                values[state] = next;
            }
            let centre: f64 = weights.iter().zip(&values).map(|(p, v)| p * v).sum();
            values.iter_mut().for_each(|v| *v -= centre);
            if change < 1e-10 {
                break;
            }
        }
        let after = |from: usize| self.moves[from].iter().map(|&(to, rate)| rate * values[to]).sum::<f64>();
        (0..weights.len()).map(|from| weights[from] * after(from)).sum::<f64>() / mean
    }
}

/// λ*'s upper bound: no GPU is ever idle.
pub(super) fn bound(gpus: u32, kinds: &[Kind]) -> f64 {
    f64::from(gpus) / kinds.iter().map(|kind| kind.share * f64::from(kind.need) * kind.mean_s).sum::<f64>()
}

/// What a request meets in a pool that turns away those that find too few free GPUs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocked {
    /// Share of the requests that find too few.
    pub share: f64,
    /// Mean seconds until enough would be free, if nobody else came.
    pub clears_s: f64,
}

/// The pool without a queue at `rate` requests per second, in product form; none above [`MOST_STATES`].
pub(super) fn blocked(gpus: u32, kinds: &[Kind], rate: f64) -> Option<Blocked> {
    let mut states: Vec<(Vec<u32>, f64)> = vec![(Vec::new(), 0.0)];
    for (index, kind) in kinds.iter().enumerate() {
        let mut more = Vec::new();
        for (running, log) in states {
            let taken: u32 = running.iter().zip(kinds).map(|(n, kind): (&u32, &Kind)| n * kind.need).sum();
            let mut log = log;
            for n in 0..=(gpus - taken) / kind.need {
                if n > 0 {
                    log += (rate * kind.share * kind.mean_s / f64::from(n)).ln();
                }
                let mut next = running.clone();
                next.push(n);
                more.push((next, log));
            }
            if more.len() > MOST_STATES {
                return None;
            }
        }
        states = more;
        debug_assert!(states.iter().all(|state| state.0.len() == index + 1));
    }
    let numbers: HashMap<&[u32], usize> =
        states.iter().enumerate().map(|(index, state)| (state.0.as_slice(), index)).collect();
    let most = states.iter().map(|state| state.1).fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = states.iter().map(|state| (state.1 - most).exp()).sum();
    // Seconds until a request of each kind would fit, from the states with the fewest requests on.
    let mut order: Vec<usize> = (0..states.len()).collect();
    order.sort_by_key(|&index| states[index].0.iter().sum::<u32>());
    let mut clears = vec![vec![0.0; kinds.len()]; states.len()];
    let (mut share, mut seconds) = (0.0, 0.0);
    for index in order {
        let running = &states[index].0;
        let free = gpus - running.iter().zip(kinds).map(|(n, kind)| n * kind.need).sum::<u32>();
        let out: f64 = running.iter().zip(kinds).map(|(&n, kind)| f64::from(n) / kind.mean_s).sum();
        for (wanted, kind) in kinds.iter().enumerate().filter(|(_, kind)| kind.need > free) {
            let mut time = 1.0 / out;
            let mut left = running.clone();
            for (leaving, other) in kinds.iter().enumerate().filter(|(leaving, _)| running[*leaving] > 0) {
                left[leaving] -= 1;
                let weight = f64::from(running[leaving]) / other.mean_s / out;
                time += weight * numbers.get(left.as_slice()).map_or(0.0, |&next| clears[next][wanted]);
                left[leaving] += 1;
            }
            clears[index][wanted] = time;
            let mass = kind.share * (states[index].1 - most).exp() / total;
            share += mass;
            seconds += mass * time;
        }
    }
    Some(Blocked { share, clears_s: seconds / share.max(f64::MIN_POSITIVE) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    fn kinds(shares: [f64; 3], speeds: [f64; 3]) -> Vec<Kind> {
        [1, 2, 4]
            .into_iter()
            .zip(shares.into_iter().zip(speeds))
            .filter(|(_, (share, _))| *share > 0.0)
            .map(|(need, (share, speed))| Kind { need, share, mean_s: 1.0 / speed })
            .collect()
    }

    /// The seven rows of the policy laws' table, with the bound beside the chain.
    #[test]
    fn the_table_of_gangs_is_met() {
        let even = [1.0; 3];
        let mix = [0.5, 0.3, 0.2];
        for (gpus, shares, speeds, rate, most) in [
            (8, mix, even, 3.723_290, 4.21053),
            (8, mix, [1.0, 0.5, 0.25], 1.485_753, 1.63265),
            (8, mix, [1.0, 2.0, 4.0], 7.043_406, 8.0),
            (4, [0.6, 0.2, 0.2], even, 1.674_481, 2.22222),
            (4, [0.9, 0.0, 0.1], even, 2.387_632, 3.07692),
            (7, [0.4, 0.3, 0.3], even, 2.525_265, 3.18182),
            (16, mix, even, 7.968_467, 8.42105),
        ] {
            let kinds = kinds(shares, speeds);
            let found = saturated(gpus, &kinds).unwrap();
            assert_relative_eq!(found.rate, rate, max_relative = 3e-7);
            assert_relative_eq!(bound(gpus, &kinds), most, max_relative = 2e-6);
            let busy: f64 = found.running.iter().zip(&kinds).map(|(n, kind)| n / kind.mean_s).sum();
            assert_relative_eq!(busy, rate, max_relative = 3e-7);
        }
        assert_eq!(saturated(8, &kinds(mix, even)).unwrap().states, 49);
        assert_eq!(saturated(16, &kinds(mix, even)).unwrap().states, 151);
    }

    /// One kind is M/M/c: no completion tells anything, and the delay follows from Erlang's loss.
    #[test]
    fn one_kind_is_mmc() {
        let kinds = [Kind { need: 1, share: 1.0, mean_s: 0.5 }];
        let found = saturated(5, &kinds).unwrap();
        assert_relative_eq!(found.rate, 10.0, max_relative = 1e-12);
        assert_eq!(found.excess, 0.0);
        let found = blocked(5, &kinds, 8.0).unwrap();
        assert_relative_eq!(found.share, crate::queueing::markov::erlang_b(5, 4.0).unwrap(), max_relative = 1e-12);
        assert_relative_eq!(found.clears_s, 0.1, max_relative = 1e-12);
    }
}
