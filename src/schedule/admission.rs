//! Who may enter: the KV room that a request must find.

use crate::scenario::Admission;

/// KV tokens that the head of the queue must find free (greedy) or unreserved (reserve). `progress` is the number of output
/// tokens that it has made already; after its next iteration it holds prompt + progress + 1.
///
/// Greedy looks at the whole prompt even when the token budget will chunk it, so that an admitted prompt can be finished.
#[inline]
pub fn room_needed(rule: Admission, prompt: i64, output: i64, progress: i64) -> i64 {
    match rule {
        Admission::Reserve => prompt + output.max(progress + 1),
        _ => prompt + progress + 1,
    }
}

/// The same in reals under greedy admission, for the fluid.
#[inline]
pub fn room_needed_fluid(prompt: f64, progress: f64) -> f64 {
    prompt + progress + 1.0
}

/// `tokens` rounded up to whole blocks.
#[inline]
pub fn in_blocks(tokens: i64, block: i64) -> i64 {
    if block == 1 { tokens } else { (tokens + block - 1) / block * block }
}

/// A request as look-ahead admission sees it.
#[derive(Debug, Clone, Copy)]
pub struct Outlook {
    /// KV tokens that it holds before its next token is emitted, once its prompt is written.
    pub target: i64,
    /// Predicted iterations until it has finished, at least 1.
    pub left: i64,
}

/// Whether `head` can enter beside `residents` without the memory running out at any later completion (MC-SF, Jaillet et al.
/// 2025, arXiv 2502.07115), if predictions are right and everyone makes a token per iteration. `waste` tokens are added for every
/// request: the part of its last block that may be empty. Sorts `residents` by what they have left.
pub fn fits_ahead(residents: &mut [Outlook], head: Outlook, memory: i64, waste: i64) -> bool {
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

    #[test]
    fn both_forms_of_the_rule_agree() {
        for (prompt, progress) in [(1, 0), (100, 0), (100, 57)] {
            let exact = room_needed(Admission::Greedy, prompt, 200, progress);
            assert_eq!(exact as f64, room_needed_fluid(prompt as f64, progress as f64));
        }
    }

    #[test]
    fn blocks_are_whole() {
        assert_eq!([0, 1, 16, 17].map(|tokens| in_blocks(tokens, 16)), [0, 16, 16, 32]);
        assert_eq!(in_blocks(17, 1), 17);
    }

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
            let fits = fits_ahead(&mut residents, head, memory, 0);
            assert_eq!(fits, peak <= memory);
            fitting += u32::from(fits);
        }
        assert!((100..400).contains(&fitting));
    }
}
