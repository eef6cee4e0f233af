//! Look-ahead: the head enters only when KV fits at every future completion.
//! Source: MC-SF, Jaillet et al. 2025, arXiv 2502.07115.

/// A request as look-ahead admission sees it.
#[derive(Debug, Clone, Copy)]
pub struct Outlook {
    /// KV tokens that it holds before its next token is emitted, once its prompt is written.
    pub target: i64,
    /// Predicted iterations until it has finished, at least 1.
    pub left: i64,
}

/// Whether `head` can enter beside `residents` without the memory running out at any later completion, if predictions are right and everyone makes a token per iteration. `waste` tokens are added for every
/// request: the part of its last block that may be empty. Sorts `residents` by what they have left.
pub fn fits(residents: &mut [Outlook], head: Outlook, memory: i64, waste: i64) -> bool {
    residents.sort_unstable_by_key(|one| std::cmp::Reverse(one.left));
    // Of those with the most left: how many, and the sum of their targets.
    let (mut count, mut targets) = (1, head.target);
    let mut index = 0;
    let fits = |count: i64, targets: i64, at: i64| targets + count * (at + waste) <= memory;
    while index < residents.len() && residents[index].left >= head.left {
        count += 1;
        targets += residents[index].target;
        index += 1;
    }
    if !fits(count, targets, head.left) {
        return false;
    }
    while index < residents.len() {
        let at = residents[index].left;
        while index < residents.len() && residents[index].left == at {
            count += 1;
            targets += residents[index].target;
            index += 1;
        }
        if !fits(count, targets, at) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against memory followed iteration by iteration.
    #[test]
    fn looking_ahead_sees_the_fullest_moment() {
        let mut state = 1_u64;
        let mut next = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        let mut fitting = 0;
        for _ in 0..500 {
            let mut some = |_| Outlook { target: next(30) as i64 + 1, left: next(20) as i64 + 1 };
            let mut residents: Vec<Outlook> = (0..6).map(&mut some).collect();
            let head = some(0);
            let held = |one: &Outlook, at: i64| if at <= one.left { one.target + at } else { 0 };
            let peak = (1..=head.left)
                .map(|at| residents.iter().map(|one| held(one, at)).sum::<i64>() + held(&head, at))
                .max()
                .unwrap();
            let memory = peak - 1 + next(2) as i64;
            let fits = fits(&mut residents, head, memory, 0);
            assert_eq!(fits, peak <= memory);
            fitting += u32::from(fits);
        }
        assert!((100..400).contains(&fitting));
    }
}
