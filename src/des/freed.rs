//! What preempted requests leave behind in free blocks, until others need them: vLLM's prefix cache as far as victims are concerned.
//!
//! Free blocks stand in a queue, the longest free first. A request that goes puts its blocks at the end, the last of its tokens first; whoever
//! needs blocks takes them from the front. Since between two departures blocks are only taken, it is enough to know how many: the queue
//! is brought up to date when somebody goes or comes back, and leaping changes nothing.

use std::collections::VecDeque;

/// Blocks that were given back together.
#[derive(Debug, Clone, Copy)]
struct Segment {
    /// The slot of the victim that they belonged to; none of requests that are gone.
    owner: Option<u32>,
    /// How many are still free.
    blocks: i64,
    /// Of all that there were, those whose tokens were all written, from the first on.
    written: i64,
}

/// The queue of free blocks.
#[derive(Debug, Clone)]
pub struct Freed {
    block: i64,
    segments: VecDeque<Segment>,
    /// Tokens allocated, in whole blocks, when it was last up to date.
    allocated: i64,
}

impl Freed {
    /// All blocks of a memory free.
    pub fn new(capacity: i64, block: i64) -> Self {
        let all = Segment { owner: None, blocks: capacity / block, written: 0 };
        Self { block, segments: VecDeque::from([all]), allocated: 0 }
    }

    /// Free tokens, in whole blocks.
    pub fn free(&self) -> i64 {
        self.segments.iter().map(|segment| segment.blocks).sum::<i64>() * self.block
    }

    /// Tokens allocated when it was last up to date.
    pub fn allocated(&self) -> i64 {
        self.allocated
    }

    /// Takes the blocks that were allocated since, `allocated` tokens being so now.
    fn settle(&mut self, allocated: i64) {
        let mut needed = (allocated - self.allocated).max(0) / self.block;
        self.allocated = self.allocated.max(allocated);
        while needed > 0
            && let Some(first) = self.segments.front_mut()
        {
            let taken = needed.min(first.blocks);
            first.blocks -= taken;
            needed -= taken;
            if first.blocks == 0 {
                self.segments.pop_front();
            }
        }
    }

    /// Somebody gives back `held` tokens in whole blocks of `allocated`. Of a victim the slot and the tokens written are kept in mind.
    pub fn give_back(&mut self, allocated: i64, held: i64, victim: Option<(u32, i64)>) {
        self.settle(allocated);
        self.allocated -= held;
        if held > 0 {
            let written = victim.map_or(0, |(_, written)| written / self.block);
            let owner = victim.map(|(slot, _)| slot);
            self.segments.push_back(Segment { owner, blocks: held / self.block, written });
        }
    }

    /// What a victim of `slot` finds again, at most `most` tokens: they are allocated from now on.
    pub fn take_back(&mut self, allocated: i64, slot: u32, most: i64) -> i64 {
        self.settle(allocated);
        let Some(segment) = self.segments.iter_mut().find(|segment| segment.owner == Some(slot)) else { return 0 };
        let found = segment.blocks.min(segment.written).min(most / self.block);
        segment.owner = None;
        segment.blocks -= found;
        self.segments.retain(|segment| segment.blocks > 0);
        self.allocated += found * self.block;
        found * self.block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_victim_finds_what_nobody_needed() {
        let mut freed = Freed::new(160, 16);
        // Two requests of 64 and 48 tokens; the second goes with 40 written.
        freed.give_back(112, 48, Some((7, 40)));
        assert_eq!(freed.free(), 96);
        // Three blocks were free before it: four more are needed, so that one of its own is lost, its last.
        let mut other = freed.clone();
        assert_eq!(other.take_back(128, 7, 1000), 32);
        assert_eq!((other.free(), other.allocated()), (0, 160));
        // Two lost, and one left.
        let mut other = freed.clone();
        assert_eq!(other.take_back(144, 7, 1000), 16);
        // Nothing was taken, but not all may be found.
        assert_eq!(freed.take_back(64, 7, 31), 16);
        assert_eq!(freed.take_back(80, 7, 31), 0);
        assert_eq!(freed.free(), 80);
    }
}
