//! A prefix cache: blocks of KV that prompts share, found by their hashes, the least recently used given up first.
//!
//! A block's hash stands for the tokens of the block and all before it, so a prompt reuses its leading blocks as far as they
//! are all there (Zheng et al., "SGLang", 2024; vLLM's automatic prefix caching). Of one prompt the later blocks are taken for
//! less recently used, so that no block outlives those that it needs.

/// No block.
const NONE: u32 = u32::MAX;
/// Odd, with bits all over: 2⁶⁴ divided by the golden ratio (Knuth, multiplicative hashing).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// One cached block, in the list of uses and in the chain of its bucket.
#[derive(Debug, Clone, Copy)]
struct Block {
    hash: u64,
    older: u32,
    newer: u32,
    next: u32,
}

/// The cache. A hash table of its own and a list threaded through it: each block costs the same time however many there are,
/// and nothing depends on the order of a map.
#[derive(Debug)]
pub struct PrefixCache {
    capacity: usize,
    block_tokens: i64,
    blocks: Vec<Block>,
    buckets: Vec<u32>,
    oldest: u32,
    newest: u32,
}

impl PrefixCache {
    /// An empty cache of so many blocks of so many tokens.
    #[must_use]
    pub fn new(capacity_blocks: usize, block_tokens: i64) -> Self {
        Self {
            capacity: capacity_blocks.min(NONE as usize),
            block_tokens,
            blocks: Vec::new(),
            buckets: vec![NONE; 16],
            oldest: NONE,
            newest: NONE,
        }
    }

    /// How many leading blocks of a prompt are there. They become the most recently used.
    pub fn hit(&mut self, hashes: &[u64]) -> usize {
        let found = hashes.iter().take_while(|&&hash| self.find(hash) != NONE).count();
        self.touch(&hashes[..found]);
        found
    }

    /// Tokens of a prompt of `prompt` tokens that need not be processed: those of its leading blocks that are there, but never
    /// its last token, which makes the first output token.
    pub fn hit_tokens(&mut self, hashes: &[u64], prompt: i64) -> i64 {
        let found = self.hit(hashes) as i64;
        (found * self.block_tokens).min(prompt - 1).max(0)
    }

    /// Keeps the blocks of a prompt that has been processed, the leading ones if there is no room for all.
    pub fn insert(&mut self, hashes: &[u64]) {
        self.touch(&hashes[..hashes.len().min(self.capacity)]);
    }

    /// Blocks that are there.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Makes these blocks the most recently used, the first the most of all.
    fn touch(&mut self, hashes: &[u64]) {
        for &hash in hashes.iter().rev() {
            let place = self.find(hash);
            if place == NONE {
                self.add(hash);
            } else {
                self.unlink(place);
                self.link_newest(place);
            }
        }
    }

    fn bucket(&self, hash: u64) -> usize {
        let bits = self.buckets.len().trailing_zeros();
        (hash.wrapping_mul(SPREAD) >> (64 - bits)) as usize
    }

    fn find(&self, hash: u64) -> u32 {
        let mut place = self.buckets[self.bucket(hash)];
        while place != NONE && self.blocks[place as usize].hash != hash {
            place = self.blocks[place as usize].next;
        }
        place
    }

    /// Adds a block that is not there, in the place of the oldest when the cache is full.
    fn add(&mut self, hash: u64) {
        let place = if self.blocks.len() < self.capacity {
            self.blocks.push(Block { hash, older: NONE, newer: NONE, next: NONE });
            if self.blocks.len() > self.buckets.len() {
                self.grow();
            }
            (self.blocks.len() - 1) as u32
        } else {
            let oldest = self.oldest;
            self.unlink(oldest);
            self.leave_bucket(oldest);
            self.blocks[oldest as usize].hash = hash;
            oldest
        };
        self.enter_bucket(place);
        self.link_newest(place);
    }

    /// Twice as many buckets, for all blocks but the one that is being added.
    fn grow(&mut self) {
        self.buckets = vec![NONE; 2 * self.buckets.len()];
        for place in 0..self.blocks.len() - 1 {
            self.enter_bucket(place as u32);
        }
    }

    fn enter_bucket(&mut self, place: u32) {
        let bucket = self.bucket(self.blocks[place as usize].hash);
        self.blocks[place as usize].next = std::mem::replace(&mut self.buckets[bucket], place);
    }

    fn leave_bucket(&mut self, place: u32) {
        let Block { hash, next, .. } = self.blocks[place as usize];
        let bucket = self.bucket(hash);
        if self.buckets[bucket] == place {
            self.buckets[bucket] = next;
            return;
        }
        let mut before = self.buckets[bucket];
        while self.blocks[before as usize].next != place {
            before = self.blocks[before as usize].next;
        }
        self.blocks[before as usize].next = next;
    }

    fn link_newest(&mut self, place: u32) {
        let before = std::mem::replace(&mut self.newest, place);
        let block = &mut self.blocks[place as usize];
        (block.older, block.newer) = (before, NONE);
        if before == NONE {
            self.oldest = place;
        } else {
            self.blocks[before as usize].newer = place;
        }
    }

    fn unlink(&mut self, place: u32) {
        let Block { older, newer, .. } = self.blocks[place as usize];
        if older == NONE {
            self.oldest = newer;
        } else {
            self.blocks[older as usize].newer = newer;
        }
        if newer == NONE {
            self.newest = older;
        } else {
            self.blocks[newer as usize].older = older;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// The same cache as a list of hashes, the most recently used first.
    struct Naive {
        capacity: usize,
        recent: Vec<u64>,
    }

    impl Naive {
        fn hit(&mut self, hashes: &[u64]) -> usize {
            let found = hashes.iter().take_while(|hash| self.recent.contains(hash)).count();
            self.insert(&hashes[..found]);
            found
        }

        fn insert(&mut self, hashes: &[u64]) {
            let kept = &hashes[..hashes.len().min(self.capacity)];
            self.recent.retain(|hash| !kept.contains(hash));
            self.recent.splice(0..0, kept.iter().copied());
            self.recent.truncate(self.capacity);
        }
    }

    impl PrefixCache {
        fn recent(&self) -> Vec<u64> {
            let chain = std::iter::successors((self.newest != NONE).then_some(self.newest), |&place| {
                Some(self.blocks[place as usize].older).filter(|&older| older != NONE)
            });
            chain.map(|place| self.blocks[place as usize].hash).collect()
        }
    }

    /// The hashes of a prompt that shares a prefix of some length with the other prompts of its family.
    fn prompt(rng: &mut ChaCha8Rng) -> Vec<u64> {
        let family = rng.random_range(0..4_u64);
        let (shared, length) = (rng.random_range(0..=6), rng.random_range(0..=10));
        let own = rng.random_range(0..5_u64);
        (0..length).map(|at| 1000 * family + if at < shared { at } else { 100 * (own + 1) + at }).collect()
    }

    #[test]
    fn it_is_the_naive_cache() {
        for capacity in [0, 1, 3, 8, 20, 50, 1000] {
            let mut rng = ChaCha8Rng::seed_from_u64(capacity as u64);
            let mut cache = PrefixCache::new(capacity, 512);
            let mut naive = Naive { capacity, recent: Vec::new() };
            let mut hits = 0;
            for _ in 0..3000 {
                let hashes = prompt(&mut rng);
                let found = cache.hit(&hashes);
                assert_eq!(found, naive.hit(&hashes));
                if rng.random_bool(0.8) {
                    cache.insert(&hashes);
                    naive.insert(&hashes);
                }
                assert_eq!(cache.recent(), naive.recent);
                assert_eq!(cache.len(), naive.recent.len());
                hits += found;
            }
            assert_eq!(hits > 0, capacity > 0);
        }
    }

    #[test]
    fn the_last_token_is_always_processed() {
        let mut cache = PrefixCache::new(10, 512);
        cache.insert(&[1, 2, 3]);
        assert_eq!(cache.hit_tokens(&[1, 2, 3], 1200), 1199);
        assert_eq!(cache.hit_tokens(&[1, 2, 9], 1200), 1024);
        assert_eq!(cache.hit_tokens(&[9, 2, 3], 1200), 0);
        assert_eq!(cache.hit_tokens(&[1], 1), 0);
    }

    #[test]
    fn what_no_longer_fits_is_the_end_of_the_oldest_prompt() {
        let mut cache = PrefixCache::new(5, 1);
        cache.insert(&[1, 2, 3]);
        cache.insert(&[4, 5, 6]);
        assert_eq!(cache.hit(&[1, 2, 3]), 2);
        assert_eq!(cache.hit(&[4, 5, 6]), 3);
        cache.insert(&[10, 11, 12, 13, 14, 15, 16]);
        assert_eq!(cache.recent(), [10, 11, 12, 13, 14]);
    }
}
