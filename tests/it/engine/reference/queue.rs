//! The order of the queue.

use std::cmp::Ordering;

use fluidsim::scenario::{Order, Preemption, Trigger};

use super::System;

impl System {
    /// The queue as it stands now.
    pub(super) fn queue_in_order(&self) -> Vec<usize> {
        let mut queue = self.queue.clone();
        queue.sort_by(|&left, &right| {
            self.stands_before(left, right).then_with(|| self.compare(left, right)).then(left.cmp(&right))
        });
        queue
    }

    /// Residents that stand behind `head` in the order of the queue, the last of them first.
    pub(super) fn residents_behind(&self, head: usize) -> Vec<usize> {
        let order = |left: usize, right: usize| self.compare(left, right).then(left.cmp(&right));
        let mut behind = self.residents.clone();
        behind.retain(|&index| order(index, head) == Ordering::Greater);
        behind.sort_by(|&left, &right| order(right, left));
        behind
    }

    /// Under first come, first served the preempted stand before all others.
    fn stands_before(&self, left: usize, right: usize) -> Ordering {
        if self.rules.order != Order::Fcfs {
            return Ordering::Equal;
        }
        match (self.requests[left].left, self.requests[right].left) {
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
            (Some((at, number)), Some((other_at, other))) => match (self.rules.trigger, self.rules.preemption) {
                (Trigger::Conservative, _) => other.cmp(&number),
                (Trigger::Aggressive, Preemption::Swap) => number.cmp(&other),
                (Trigger::Aggressive, _) => other_at.cmp(&at).then(number.cmp(&other)),
            },
        }
    }

    /// By the key of the order.
    fn compare(&self, left: usize, right: usize) -> Ordering {
        let (a, b) = (&self.requests[left], &self.requests[right]);
        let (rest_of_a, rest_of_b) = (a.prompt + a.remaining(), b.prompt + b.remaining());
        match self.rules.order {
            Order::Fcfs => Ordering::Equal,
            Order::ShortestPrompt => a.prompt.cmp(&b.prompt),
            Order::ShortestJob => (rest_of_a + a.emitted).cmp(&(rest_of_b + b.emitted)),
            Order::Srpt => rest_of_a.cmp(&rest_of_b),
            Order::WeightedFcfs => b.weight.total_cmp(&a.weight),
            Order::WeightedSrpt => (rest_of_a as f64 / a.weight).total_cmp(&(rest_of_b as f64 / b.weight)),
            Order::SmallestVolume => self.volume(left).cmp(&self.volume(right)),
            Order::Random => a.lot.cmp(&b.lot),
        }
    }

    /// Σ of the tokens that it will hold at the ends of its remaining iterations.
    fn volume(&self, index: usize) -> i64 {
        let request = &self.requests[index];
        (1..=request.remaining()).map(|iteration| request.target() + iteration).sum()
    }
}
