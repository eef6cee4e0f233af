//! In which order waiting requests stand: a key, the smallest first; ties by arrival.

use crate::scenario::Order;

/// What an order may see of a request. `output` is the predicted length, never below the next token.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// s, tokens.
    pub prompt: i64,
    /// Prompt tokens that need not be processed any more.
    pub written: i64,
    /// p, tokens.
    pub output: i64,
    /// e: tokens emitted.
    pub emitted: i64,
    /// Weight of its class.
    pub weight: f64,
    /// A number drawn on arrival.
    pub lot: u64,
}

/// The key of a request under `order`, in an encoding that sorts as the numbers do. All are 0 under FCFS.
pub fn key(order: Order, seen: &Seen) -> u64 {
    let left = seen.output - seen.emitted;
    let work = seen.prompt - seen.written + left;
    match order {
        Order::Fcfs => 0,
        Order::ShortestPrompt => seen.prompt as u64,
        Order::ShortestJob => (seen.prompt + seen.output) as u64,
        Order::Srpt => work as u64,
        Order::WeightedFcfs => sortable(-seen.weight),
        Order::WeightedSrpt => sortable(work as f64 / seen.weight),
        Order::SmallestVolume => volume(seen.prompt + seen.emitted, left) as u64,
        Order::Random => seen.lot,
    }
}

/// Σ of the tokens held over `left` iterations, from `held` tokens on.
pub fn volume(held: i64, left: i64) -> i64 {
    left * held + left * (left + 1) / 2
}

/// Bits that sort as the number does.
fn sortable(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_numbers_do() {
        let numbers = [f64::NEG_INFINITY, -2.5, -0.5, 0.0, 1e-9, 3.0, 1e300];
        assert!(numbers.windows(2).all(|pair| sortable(pair[0]) < sortable(pair[1])));
        let of = |prompt, output, emitted, weight| Seen { prompt, written: 0, output, emitted, weight, lot: 9 };
        assert!(key(Order::WeightedFcfs, &of(1, 1, 0, 10.0)) < key(Order::WeightedFcfs, &of(1, 1, 0, 1.0)));
        assert!(key(Order::WeightedSrpt, &of(100, 10, 0, 10.0)) < key(Order::WeightedSrpt, &of(20, 10, 0, 1.0)));
        assert_eq!(key(Order::SmallestVolume, &of(2, 2, 0, 1.0)), 7);
        assert_eq!(key(Order::Srpt, &of(5, 10, 4, 1.0)), 11);
        assert_eq!(key(Order::Srpt, &Seen { written: 3, ..of(5, 10, 0, 1.0) }), 12);
        assert_eq!(key(Order::ShortestJob, &of(5, 10, 4, 1.0)), 15);
    }
}
