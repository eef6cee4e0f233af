//! Requests in few bytes each, so that ten million of them fit in memory: blocks of [`BLOCK`] requests, in which every number is
//! stored as its distance from the block's smallest in just the bits that the largest needs, and arrivals as gaps in the
//! largest unit that divides them all. Nothing is rounded.
//! Reference: frame-of-reference coding, Goldstein, Ramakrishnan & Shaft, "Compressing relations and indexes", ICDE 1998.

use super::{Blocks, TraceRequest};
use crate::scenario::time::Time;

/// Requests of one block.
const BLOCK: usize = 256;
/// Numbers of a request: the gap before it (low and high word), prompt, output, class, first hash, hashes.
const COLUMNS: usize = 7;

/// A growing column store of requests, each no earlier than the one before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Packed {
    sealed: Vec<Block>,
    words: Vec<u64>,
    /// Those after the last sealed block, fewer than [`BLOCK`].
    open: Vec<TraceRequest>,
}

/// How the numbers of one block are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Block {
    /// Arrival of its first request.
    first: Time,
    /// Attoseconds of one unit of its gaps.
    unit: i128,
    /// Where its words begin.
    start: usize,
    least: [u64; COLUMNS],
    bits: [u8; COLUMNS],
}

impl Packed {
    pub fn len(&self) -> usize {
        self.sealed.len() * BLOCK + self.open.len()
    }

    /// Adds a request that arrives no earlier than the last.
    pub fn push(&mut self, request: TraceRequest) {
        self.open.push(request);
        if self.open.len() == BLOCK {
            self.seal();
        }
    }

    pub fn last(&self) -> Option<TraceRequest> {
        self.open.last().copied().or_else(|| self.get(self.len().checked_sub(1)?))
    }

    /// The request in place `index`; its arrival costs a walk through its block.
    pub fn get(&self, index: usize) -> Option<TraceRequest> {
        let place = index % BLOCK;
        let Some(block) = self.sealed.get(index / BLOCK) else { return self.open.get(place).copied() };
        Some(self.request(block, place, self.arrival(block, place)))
    }

    /// The request in place `index` with the arrival of the first of its block in place of its own: quick, for those who only
    /// want its lengths.
    pub fn get_untimed(&self, index: usize) -> Option<TraceRequest> {
        let place = index % BLOCK;
        let Some(block) = self.sealed.get(index / BLOCK) else { return self.open.get(place).copied() };
        Some(self.request(block, place, block.first))
    }

    /// How many requests arrive before `time`.
    pub fn count_before(&self, time: Time) -> usize {
        let blocks = self.sealed.partition_point(|block| block.first < time);
        let Some(index) = blocks.checked_sub(1) else {
            return if self.sealed.is_empty() { self.open.partition_point(|r| r.arrival < time) } else { 0 };
        };
        let mut requests = Vec::new();
        self.read_block(index, &mut requests);
        let inside = requests.partition_point(|request| request.arrival < time);
        let after = if blocks == self.sealed.len() && inside == BLOCK {
            self.open.partition_point(|request| request.arrival < time)
        } else {
            0
        };
        index * BLOCK + inside + after
    }

    /// Moves all arrivals by `distance`.
    pub fn shift(&mut self, distance: Time) {
        self.sealed.iter_mut().for_each(|block| block.first += distance);
        self.open.iter_mut().for_each(|request| request.arrival += distance);
    }

    /// Gives back what was set aside for more.
    pub fn shrink(&mut self) {
        self.words.shrink_to_fit();
        self.sealed.shrink_to_fit();
        self.open.shrink_to_fit();
    }

    /// Puts the requests of block `index` into `into`, in place of what it holds.
    pub fn read_block(&self, index: usize, into: &mut Vec<TraceRequest>) {
        into.clear();
        let Some(block) = self.sealed.get(index) else {
            if index == self.sealed.len() {
                into.extend_from_slice(&self.open);
            }
            return;
        };
        let mut arrival = block.first;
        for place in 0..BLOCK {
            arrival += self.gap(block, place);
            into.push(self.request(block, place, arrival));
        }
    }

    fn seal(&mut self) {
        let first = self.open[0].arrival;
        let mut before = first;
        let mut unit = 0;
        for request in &self.open {
            unit = greatest_common_divisor((request.arrival - before).0, unit);
            before = request.arrival;
        }
        let mut block =
            Block { first, unit: unit.max(1), start: self.words.len(), least: [u64::MAX; COLUMNS], bits: [0; COLUMNS] };
        let mut rows = Vec::with_capacity(BLOCK);
        before = first;
        for request in &self.open {
            rows.push(numbers(request, (request.arrival - before).0 / block.unit));
            before = request.arrival;
        }
        for column in 0..COLUMNS {
            let least = rows.iter().map(|row| row[column]).min().unwrap_or(0);
            let most = rows.iter().map(|row| row[column]).max().unwrap_or(0);
            block.least[column] = least;
            block.bits[column] = (u64::BITS - (most - least).leading_zeros()) as u8;
        }
        let bits: usize = block.bits.iter().map(|&bits| usize::from(bits)).sum();
        self.words.resize(block.start + bits * BLOCK / 64, 0);
        for column in 0..COLUMNS {
            for (place, row) in rows.iter().enumerate() {
                self.write(&block, column, place, row[column] - block.least[column]);
            }
        }
        self.sealed.push(block);
        self.open.clear();
    }

    fn write(&mut self, block: &Block, column: usize, place: usize, value: u64) {
        let (word, shift) = block.place(column, place);
        if block.bits[column] == 0 {
            return;
        }
        self.words[word] |= value << shift;
        if shift + u32::from(block.bits[column]) > 64 {
            self.words[word + 1] |= value >> (64 - shift);
        }
    }

    fn read(&self, block: &Block, column: usize, place: usize) -> u64 {
        let bits = u32::from(block.bits[column]);
        if bits == 0 {
            return block.least[column];
        }
        let (word, shift) = block.place(column, place);
        let mut value = self.words[word] >> shift;
        if shift + bits > 64 {
            value |= self.words[word + 1] << (64 - shift);
        }
        block.least[column] + (value & (u64::MAX >> (64 - bits)))
    }

    fn gap(&self, block: &Block, place: usize) -> Time {
        let units = u128::from(self.read(block, 1, place)) << 64 | u128::from(self.read(block, 0, place));
        Time(units as i128 * block.unit)
    }

    fn arrival(&self, block: &Block, place: usize) -> Time {
        (0..=place).fold(block.first, |arrival, place| arrival + self.gap(block, place))
    }

    fn request(&self, block: &Block, place: usize, arrival: Time) -> TraceRequest {
        let of = |column| self.read(block, column, place);
        TraceRequest {
            arrival,
            prompt: of(2),
            output: of(3),
            class: of(4) as u16,
            blocks: Blocks { start: of(5) as u32, count: of(6) as u32 },
        }
    }
}

impl Block {
    /// The word and the bit in it where a number begins.
    fn place(&self, column: usize, place: usize) -> (usize, u32) {
        let before: usize = self.bits[..column].iter().map(|&bits| usize::from(bits)).sum();
        let bit = before * BLOCK + place * usize::from(self.bits[column]);
        (self.start + bit / 64, (bit % 64) as u32)
    }
}

fn numbers(request: &TraceRequest, gap: i128) -> [u64; COLUMNS] {
    let Blocks { start, count } = request.blocks;
    let class = u64::from(request.class);
    [gap as u64, (gap >> 64) as u64, request.prompt, request.output, class, u64::from(start), u64::from(count)]
}

fn greatest_common_divisor(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// A place in a [`Packed`] that moves on; it keeps the requests of one block at hand.
#[derive(Debug, Clone, Default)]
pub struct Cursor {
    next: usize,
    /// The block at hand, counted from 1; 0 for none.
    block: usize,
    requests: Vec<TraceRequest>,
}

impl Cursor {
    /// Goes to place `index`.
    pub fn seek(&mut self, index: usize) {
        self.next = index;
    }

    /// The request here, and one step on; none behind the last.
    #[inline]
    pub fn next(&mut self, packed: &Packed) -> Option<TraceRequest> {
        let block = self.next / BLOCK + 1;
        if block != self.block {
            packed.read_block(block - 1, &mut self.requests);
            self.block = block;
        }
        let request = *self.requests.get(self.next % BLOCK)?;
        self.next += 1;
        Some(request)
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Requests whose gaps, units and lengths are of every size, some of them equal.
    fn requests(rng: &mut ChaCha8Rng, count: usize) -> Vec<TraceRequest> {
        let unit = 10_i128.pow(rng.random_range(0..19));
        let reach = 1_i128 << rng.random_range(1..60);
        let longest = 1_u64 << rng.random_range(1..24);
        let classes = rng.random_range(1..5);
        let mut arrival = Time(rng.random_range(0..reach) * unit);
        let mut draw = |_| {
            if rng.random_bool(0.7) {
                arrival += Time(rng.random_range(0..reach) * unit);
            }
            TraceRequest {
                arrival,
                prompt: rng.random_range(1..=longest),
                output: rng.random_range(1..=longest),
                class: rng.random_range(0..classes),
                blocks: Blocks { start: rng.random(), count: rng.random_range(0..3) },
            }
        };
        (0..count).map(&mut draw).collect()
    }

    #[test]
    fn what_goes_in_comes_out_in_every_way() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for case in 0..200 {
            let count = rng.random_range(0..1200);
            let wanted = requests(&mut rng, count);
            let mut packed = Packed::default();
            wanted.iter().for_each(|&request| packed.push(request));
            let mut cursor = Cursor::default();
            let found: Vec<TraceRequest> = std::iter::from_fn(|| cursor.next(&packed)).collect();
            assert_eq!(found, wanted, "case {case}");
            assert_eq!((packed.len(), packed.last(), packed.get(count)), (count, wanted.last().copied(), None));
            for _ in 0..20.min(count) {
                let index = rng.random_range(0..count);
                assert_eq!(packed.get(index), Some(wanted[index]), "case {case}, {index}");
                let untimed = packed.get_untimed(index).unwrap();
                assert_eq!(TraceRequest { arrival: wanted[index].arrival, ..untimed }, wanted[index]);
                cursor.seek(index);
                assert_eq!(cursor.next(&packed), Some(wanted[index]));
                let time = wanted[index].arrival + Time(rng.random_range(-1..=1));
                let before = wanted.iter().filter(|request| request.arrival < time).count();
                assert_eq!(packed.count_before(time), before, "case {case}, {index}");
            }
            packed.shift(Time(5));
            let first = packed.get(0).map(|request| request.arrival);
            assert_eq!(first, wanted.first().map(|request| request.arrival + Time(5)));
        }
    }

    /// Gaps of nanoseconds, 0.1 s in the mean, and thousands of tokens: 10⁷ such requests take 70 MB.
    #[test]
    fn a_request_takes_seven_bytes() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut packed = Packed::default();
        let mut arrival = Time::ZERO;
        for _ in 0..100 * BLOCK {
            let gap_ns = -1e8 * (1.0 - rng.random::<f64>()).ln();
            arrival += Time(gap_ns as i128 * 1_000_000_000);
            let (prompt, output) = (rng.random_range(1..8192), rng.random_range(1..1024));
            packed.push(TraceRequest { arrival, prompt, output, ..TraceRequest::default() });
        }
        let bytes = packed.words.len() * 8 + packed.sealed.len() * size_of::<Block>();
        assert!(bytes <= 7 * packed.len() + packed.len() / 4, "{bytes}");
    }
}
