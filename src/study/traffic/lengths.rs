//! Lengths of a trace, counted by value.

use std::collections::BTreeMap;

/// How often each length comes, in order of length.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lengths {
    counts: Vec<(u64, u64)>,
    total: u64,
}

impl FromIterator<u64> for Lengths {
    fn from_iter<T: IntoIterator<Item = u64>>(lengths: T) -> Self {
        let mut counts = BTreeMap::new();
        for length in lengths {
            *counts.entry(length).or_insert(0) += 1;
        }
        Self::of(counts)
    }
}

impl Lengths {
    /// From counts by length.
    pub fn of(counts: BTreeMap<u64, u64>) -> Self {
        let total = counts.values().sum();
        Self { counts: counts.into_iter().collect(), total }
    }

    /// Lengths and how often each comes, ascending.
    pub fn counts(&self) -> &[(u64, u64)] {
        &self.counts
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The shortest; 0 of none.
    pub fn shortest(&self) -> u64 {
        self.counts.first().map_or(0, |count| count.0)
    }

    /// The longest; 0 of none.
    pub fn longest(&self) -> u64 {
        self.counts.last().map_or(0, |count| count.0)
    }

    /// Mean of a function of the length.
    pub fn mean_of(&self, value: impl Fn(f64) -> f64) -> f64 {
        self.counts.iter().map(|&(length, count)| count as f64 * value(length as f64)).sum::<f64>() / self.total as f64
    }

    /// Mean length.
    pub fn mean(&self) -> f64 {
        self.mean_of(|length| length)
    }

    /// Coefficient of variation (divisor n − 1).
    pub fn cv(&self) -> f64 {
        let (mean, n) = (self.mean(), self.total as f64);
        (self.mean_of(|length| (length - mean).powi(2)) * n / (n - 1.0).max(1.0)).sqrt() / mean
    }

    /// The least length that at least a share `p` of all do not exceed.
    pub fn quantile(&self, p: f64) -> u64 {
        let wanted = p * self.total as f64;
        let mut below = 0;
        for &(length, count) in &self.counts {
            below += count;
            if below as f64 >= wanted {
                return length;
            }
        }
        self.longest()
    }

    /// How many have the longest length, if so many do that it looks like the end of what was allowed: ten at least, and five times as
    /// many as have the next longest.
    pub fn censored(&self) -> Option<u64> {
        let [.., (_, before), (_, at)] = self.counts[..] else { return None };
        (at >= 10 && at >= 5 * before).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_few_lengths_by_hand() {
        let lengths: Lengths = [5, 1, 3, 3].into_iter().collect();
        assert_eq!(lengths.counts(), [(1, 1), (3, 2), (5, 1)]);
        assert_eq!((lengths.mean(), lengths.quantile(0.5), lengths.quantile(0.76), lengths.longest()), (3.0, 3, 5, 5));
        assert!((lengths.cv() - (8.0_f64 / 3.0).sqrt() / 3.0).abs() < 1e-15);
    }

    #[test]
    fn many_at_the_end_are_censored() {
        let lengths: Lengths = (1..100).chain(std::iter::repeat_n(100, 12)).collect();
        assert_eq!(lengths.censored(), Some(12));
        assert_eq!((1..=100).collect::<Lengths>().censored(), None);
        assert_eq!(std::iter::repeat_n(7, 50).collect::<Lengths>().censored(), None);
    }
}
