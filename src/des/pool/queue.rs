//! Requests that wait for GPUs: one lane for every number of GPUs that is asked for, each in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Key, arrival number, slot: the smallest goes first.
pub type Entry = (u64, u64, u32);

#[derive(Debug)]
struct Lane {
    need: i64,
    waiting: BinaryHeap<Reverse<Entry>>,
}

/// The waiting requests. Taking the next one costs the same however many wait, even when small ones pass.
#[derive(Debug)]
pub struct Queue {
    lanes: Vec<Lane>,
    /// Whether requests that fit pass those that do not.
    fill: bool,
}

impl Queue {
    /// An empty queue for requests of these needs.
    pub fn new(needs: &[i64], fill: bool) -> Self {
        let mut needs = needs.to_vec();
        needs.sort_unstable();
        needs.dedup();
        let lanes = needs.into_iter().map(|need| Lane { need, waiting: BinaryHeap::new() }).collect();
        Self { lanes, fill }
    }

    /// Returns whether it is the first of those that need as many.
    pub fn push(&mut self, need: i64, entry: Entry) -> bool {
        let Ok(lane) = self.lanes.binary_search_by_key(&need, |lane| lane.need) else { return false };
        let waiting = &mut self.lanes[lane].waiting;
        waiting.push(Reverse(entry));
        waiting.peek() == Some(&Reverse(entry))
    }

    /// The requests that may be next whoever runs, with their needs, in order: the first, or the first of each need where
    /// small ones pass.
    pub fn heads(&self) -> Vec<(i64, Entry)> {
        let head = |lane: &Lane| lane.waiting.peek().map(|&Reverse(entry)| (lane.need, entry));
        let mut heads: Vec<(i64, Entry)> = self.lanes.iter().filter_map(head).collect();
        heads.sort_unstable_by_key(|&(_, entry)| entry);
        heads.truncate(if self.fill { heads.len() } else { 1 });
        heads
    }

    /// Takes the first of those that need `need`.
    pub fn take_head(&mut self, need: i64) {
        if let Ok(lane) = self.lanes.binary_search_by_key(&need, |lane| lane.need) {
            self.lanes[lane].waiting.pop();
        }
    }

    /// Takes the next request that may start on `free` GPUs.
    pub fn take(&mut self, free: i64) -> Option<u32> {
        let passing = self.fill;
        let next = self
            .lanes
            .iter_mut()
            .filter(|lane| !lane.waiting.is_empty() && (!passing || lane.need <= free))
            .max_by_key(|lane| lane.waiting.peek().copied())?;
        if next.need > free {
            return None;
        }
        next.waiting.pop().map(|Reverse((_, _, slot))| slot)
    }

    /// All slots, in no order that means anything.
    pub fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.lanes.iter().flat_map(|lane| lane.waiting.iter().map(|Reverse(entry)| entry.2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_blocks_or_is_passed() {
        let filled = |fill| {
            let mut queue = Queue::new(&[2, 4, 2], fill);
            for (slot, need) in [(0, 4), (1, 2), (2, 2), (3, 4)] {
                queue.push(need, (0, u64::from(slot), slot));
            }
            queue
        };
        let mut strict = filled(false);
        assert_eq!([strict.take(3), strict.take(4), strict.take(2), strict.take(0)], [None, Some(0), Some(1), None]);
        let mut fill = filled(true);
        assert_eq!([fill.take(3), fill.take(3), fill.take(3), fill.take(4)], [Some(1), Some(2), None, Some(0)]);
        assert_eq!(fill.slots().collect::<Vec<_>>(), [3]);
    }
}
