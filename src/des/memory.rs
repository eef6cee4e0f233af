//! KV memory handed out in blocks, with the growth of all decoding sequences known in advance.

use crate::schedule::admission::in_blocks;

/// What is allocated, and when the decoding sequences need their next blocks.
///
/// Every decoding sequence holds one more token each iteration, so the iteration at which it needs a new block depends only on
/// (held − tick) mod β. Counting sequences by that phase gives the growth over any number of iterations without visiting them.
#[derive(Debug, Clone)]
pub struct KvMemory {
    /// M in tokens, rounded down to whole blocks; `i64::MAX / 4` when unlimited.
    pub capacity: i64,
    /// β.
    pub block: i64,
    /// Tokens allocated, in whole blocks.
    pub allocated: i64,
    phases: Vec<i64>,
    decoding: i64,
}

impl KvMemory {
    /// Empty memory of `capacity` tokens in blocks of `block`.
    pub fn new(capacity: Option<u64>, block: u64) -> Self {
        let block = block as i64;
        let capacity = capacity.map_or(i64::MAX / 4, |tokens| tokens as i64 / block * block);
        let phases = if block > 1 { vec![0; block as usize] } else { Vec::new() };
        Self { capacity, block, allocated: 0, phases, decoding: 0 }
    }

    /// `tokens` in whole blocks.
    #[inline]
    pub fn rounded(&self, tokens: i64) -> i64 {
        in_blocks(tokens, self.block)
    }

    /// A sequence that holds `held` tokens after iteration `tick` starts (`by` = 1) or stops (`by` = −1) decoding.
    #[inline]
    pub fn count_decoder(&mut self, held: i64, tick: i64, by: i64) {
        self.decoding += by;
        if self.block > 1 {
            self.phases[(held - tick).rem_euclid(self.block) as usize] += by;
        }
    }

    /// Tokens that the decoding sequences allocate in the `steps` iterations after `tick`.
    #[inline]
    pub fn growth(&self, tick: i64, steps: i64) -> i64 {
        if self.block == 1 {
            return self.decoding * steps;
        }
        let place = self.opening(tick);
        let (cycles, rest) =
            if steps < self.block { (0, steps as usize) } else { (steps / self.block, (steps % self.block) as usize) };
        let (before, from) = self.phases.split_at(place + 1);
        let openers: i64 = if rest <= before.len() {
            before[before.len() - rest..].iter().sum()
        } else {
            let more = rest - before.len();
            before.iter().chain(&from[from.len() - more..]).sum()
        };
        (cycles * self.decoding + openers) * self.block
    }

    /// The phase of the sequences that need a new block in the iteration after `tick`: those that hold whole blocks only. The
    /// phase before it opens in the iteration after that, and so on round.
    #[inline]
    fn opening(&self, tick: i64) -> usize {
        (-tick).rem_euclid(self.block) as usize
    }

    /// The largest number of iterations after `tick` that fit into what is free.
    #[inline]
    pub fn steps_until_full(&self, tick: i64) -> i64 {
        if self.decoding == 0 {
            return i64::MAX;
        }
        let free = self.capacity - self.allocated;
        if self.block == 1 {
            return free / self.decoding;
        }
        let cycles = free / (self.decoding * self.block);
        let mut steps = cycles * self.block;
        let mut left = (free - cycles * self.decoding * self.block) / self.block;
        let (before, from) = self.phases.split_at(self.opening(tick) + 1);
        for openers in before.iter().rev().chain(from.iter().rev()) {
            left -= openers;
            if left < 0 {
                break;
            }
            steps += 1;
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against visiting every sequence, for several block sizes.
    #[test]
    fn growth_equals_the_sum_over_sequences() {
        for block in [1, 2, 5, 16] {
            let mut memory = KvMemory::new(Some(10_000), block);
            let held: Vec<i64> = (0..23).map(|i| 7 * i + 3).collect();
            let tick = 41;
            memory.allocated = held.iter().map(|&h| memory.rounded(h)).sum();
            held.iter().for_each(|&h| memory.count_decoder(h, tick, 1));
            for steps in 0..70 {
                let after: i64 = held.iter().map(|&h| memory.rounded(h + steps)).sum();
                assert_eq!(memory.growth(tick, steps), after - memory.allocated, "block {block}, {steps} steps");
            }
            let fit = memory.steps_until_full(tick);
            assert!(memory.allocated + memory.growth(tick, fit) <= memory.capacity);
            assert!(memory.allocated + memory.growth(tick, fit + 1) > memory.capacity);
        }
    }
}
