//! Requests that wait: first come, first served with preempted ones in front, or sorted by a key.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound;

/// Key, arrival number, slot.
pub type Entry = (u64, u64, u32);

/// The waiting requests.
#[derive(Debug)]
pub enum Queue {
    /// First come, first served.
    Fcfs {
        /// Preempted requests.
        returned: VecDeque<u32>,
        /// The others by arrival.
        fresh: VecDeque<u32>,
    },
    /// By key, then by arrival.
    Sorted(BTreeSet<Entry>),
}

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// That many from the front.
    Index(usize),
    /// At this entry.
    Entry(Entry),
}

impl Queue {
    pub fn new(sorted: bool) -> Self {
        if sorted {
            Self::Sorted(BTreeSet::new())
        } else {
            Self::Fcfs { returned: VecDeque::new(), fresh: VecDeque::new() }
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Self::Fcfs { returned, fresh } => returned.len() + fresh.len(),
            Self::Sorted(entries) => entries.len(),
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Fcfs { returned, fresh } => fresh.is_empty() && returned.is_empty(),
            Self::Sorted(entries) => entries.is_empty(),
        }
    }

    /// A request that has arrived.
    #[inline]
    pub fn push(&mut self, entry: Entry) {
        match self {
            Self::Fcfs { fresh, .. } => fresh.push_back(entry.2),
            Self::Sorted(entries) => {
                entries.insert(entry);
            }
        }
    }

    /// A request that was preempted; `last` puts it behind those preempted before, otherwise `behind` of them stay before it.
    pub fn put_back(&mut self, entry: Entry, last: bool, behind: usize) {
        match self {
            Self::Fcfs { returned, .. } if last => returned.push_back(entry.2),
            Self::Fcfs { returned, .. } => returned.insert(behind.min(returned.len()), entry.2),
            Self::Sorted(entries) => {
                entries.insert(entry);
            }
        }
    }

    /// The first request.
    #[inline]
    pub fn first(&self) -> Option<(Place, u32)> {
        match self {
            Self::Fcfs { returned, fresh } => {
                returned.front().or_else(|| fresh.front()).map(|&slot| (Place::Index(0), slot))
            }
            Self::Sorted(entries) => entries.first().map(|&entry| (Place::Entry(entry), entry.2)),
        }
    }

    /// The request behind `place`.
    pub fn behind(&self, place: Place) -> Option<(Place, u32)> {
        match (self, place) {
            (Self::Sorted(entries), Place::Entry(entry)) => {
                let rest = (Bound::Excluded(entry), Bound::Unbounded);
                entries.range(rest).next().map(|&next| (Place::Entry(next), next.2))
            }
            (_, Place::Index(index)) => self.at(index + 1),
            (Self::Fcfs { .. }, Place::Entry(_)) => None,
        }
    }

    fn at(&self, index: usize) -> Option<(Place, u32)> {
        let Self::Fcfs { returned, fresh } = self else { return None };
        let slot = returned.get(index).or_else(|| fresh.get(index.checked_sub(returned.len())?))?;
        Some((Place::Index(index), *slot))
    }

    /// Takes the request at `place` out; returns the one that was behind it.
    #[inline]
    pub fn take(&mut self, place: Place) -> Option<(Place, u32)> {
        let next = match place {
            Place::Index(_) => None,
            Place::Entry(_) => self.behind(place),
        };
        match (&mut *self, place) {
            (Self::Fcfs { returned, fresh }, Place::Index(index)) => {
                if index < returned.len() {
                    returned.remove(index);
                } else {
                    let index = index - returned.len();
                    if index == 0 {
                        fresh.pop_front()
                    } else {
                        fresh.remove(index)
                    };
                }
                self.at(index)
            }
            (Self::Sorted(entries), Place::Entry(entry)) => {
                entries.remove(&entry);
                next
            }
            _ => None,
        }
    }

    /// All slots in order.
    pub fn slots(&self) -> Box<dyn Iterator<Item = u32> + '_> {
        match self {
            Self::Fcfs { returned, fresh } => Box::new(returned.iter().chain(fresh).copied()),
            Self::Sorted(entries) => Box::new(entries.iter().map(|entry| entry.2)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_give_their_requests_in_order_and_let_some_pass() {
        for sorted in [false, true] {
            let mut queue = Queue::new(sorted);
            for slot in 0..6_u32 {
                queue.push((u64::from(slot), u64::from(slot), slot));
            }
            // Takes every second one.
            let mut taken = Vec::new();
            let mut next = queue.first();
            while let Some((place, slot)) = next {
                next = if slot % 2 == 0 {
                    queue.behind(place)
                } else {
                    taken.push(slot);
                    queue.take(place)
                };
            }
            assert_eq!(taken, [1, 3, 5]);
            assert_eq!(queue.slots().collect::<Vec<_>>(), [0, 2, 4]);
            assert_eq!(queue.len(), 3);
        }
    }

    #[test]
    fn preempted_requests_stand_before_the_others() {
        let mut queue = Queue::new(false);
        queue.push((0, 5, 5));
        queue.put_back((0, 1, 1), false, 0);
        queue.put_back((0, 2, 2), false, 0);
        queue.put_back((0, 3, 3), false, 1);
        queue.put_back((0, 4, 4), true, 0);
        assert_eq!(queue.slots().collect::<Vec<_>>(), [2, 3, 1, 4, 5]);
    }
}
