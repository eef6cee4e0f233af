//! Points in time and other numbers, in order.

use std::cmp::Ordering;

/// A number that heaps can hold.
#[derive(PartialEq, Clone, Copy, Debug)]
pub struct At(pub f64);

impl Eq for At {}

impl PartialOrd for At {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for At {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}
