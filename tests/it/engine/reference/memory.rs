//! Memory pressure: who is preempted, what becomes of a victim, and the link to the host.

use std::cmp::Reverse;

use fluidsim::scenario::{Preemption, Trigger, Victim};

use super::plan::Plan;
use super::{Request, System};

impl Request {
    pub(super) fn has_been_preempted(&self) -> bool {
        self.preemptions > 0
    }
}

impl System {
    /// Tokens in the blocks that are allocated at the end of the iteration.
    pub(super) fn planned(&self, plan: &Plan) -> i64 {
        self.residents.iter().map(|&index| self.rules.blocks(self.held_after(index, plan))).sum()
    }

    /// Step 3.
    pub(super) fn is_short_of_memory(&self, plan: &Plan) -> bool {
        let preempts = self.rules.preemption != Preemption::None && self.rules.trigger == Trigger::Conservative;
        preempts && self.rules.memory.is_some_and(|memory| self.planned(plan) > memory)
    }

    /// Step 5: victims leave until what they would hold without this iteration's token covers what is short.
    pub(super) fn preempt_aggressively(&mut self, plan: &mut Plan) {
        let Some(memory) = self.rules.memory else { return };
        if self.rules.preemption == Preemption::None || self.rules.trigger == Trigger::Conservative {
            return;
        }
        let mut short = self.planned(plan) - memory;
        while short > 0 {
            let victim = self.victim();
            short -= self.rules.blocks(self.held_before_token(victim, plan));
            plan.remove(victim);
            self.preempt(victim);
        }
    }

    /// Who is preempted next.
    pub(super) fn victim(&self) -> usize {
        let mut residents = self.residents.clone();
        residents.retain(|&index| self.requests[index].on_its_way.is_none());
        let request = |index: &usize| &self.requests[*index];
        let last_first = residents.iter().rev().copied();
        let victim = match self.rules.victim {
            Victim::Lifo => residents.last().copied(),
            Victim::Fifo => residents.first().copied(),
            Victim::LeastProgress => last_first.min_by_key(|index| request(index).emitted),
            Victim::MostMemory => last_first.min_by_key(|index| Reverse(request(index).held)),
            Victim::LowestWeight => last_first.min_by(|a, b| request(a).weight.total_cmp(&request(b).weight)),
            Victim::LatestBatch => residents.iter().copied().min_by_key(|index| Reverse(request(index).entered)),
        };
        victim.expect("one request alone fits")
    }

    /// A resident goes back to the queue.
    pub(super) fn preempt(&mut self, victim: usize) {
        self.residents.retain(|&index| index != victim);
        self.decoding.retain(|&index| index != victim);
        self.queue.push(victim);
        self.preempted += 1;
        self.pressed = true;
        let number = self.outcome.preemptions + self.preempted as u64;
        let request = &mut self.requests[victim];
        request.preemptions += 1;
        request.left = Some((self.now, number));
        if self.rules.preemption == Preemption::Swap {
            self.transfer(victim);
            return;
        }
        request.held = 0;
        request.ready = false;
        if self.rules.preemption == Preemption::Restart {
            request.emitted = 0;
            request.passed = 0;
        }
    }

    /// Brings back what a request has on the host; returns when that is done.
    pub(super) fn move_in(&mut self, index: usize) -> i128 {
        if self.requests[index].has_been_preempted() { self.transfer(index) } else { self.now }
    }

    /// Moves what a request holds over the link; returns when it has arrived as far as iterations do not wait for it.
    fn transfer(&mut self, index: usize) -> i128 {
        let held = self.requests[index].held;
        if held == 0 {
            return self.now;
        }
        if !self.rules.overlapped {
            self.moved = (self.moved.0 + 1, self.moved.1 + held);
            return self.now;
        }
        let duration = self.rules.swap_latency + self.rules.swap_per_token * i128::from(held);
        self.link_free = self.link_free.max(self.now) + duration;
        self.link_free
    }

    /// Requests whose transfer has ended can take part.
    pub(super) fn land(&mut self) {
        for index in self.residents.clone() {
            let request = &mut self.requests[index];
            if request.on_its_way.is_some_and(|time| time <= self.now) {
                request.on_its_way = None;
                if request.ready {
                    self.decoding.push(index);
                }
            }
        }
    }
}
