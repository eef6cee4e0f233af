//! Who must go.

use super::super::record::EventKind;
use super::super::sequence::Stage;
use super::batch::Kind;
use super::{Instance, Watch};
use crate::scenario::{Admission, Order, Preemption, Priority, Time, Victim};
use crate::schedule::victim::{self, Candidate};

impl Instance {
    /// Preempts until what the residents hold after the iteration fits.
    pub(super) fn make_room(&mut self, watch: &mut Watch<'_>) {
        if !self.rules.can_run_out {
            return;
        }
        while victim::needs_victim(self.memory.allocated, self.growth(), self.memory.capacity) {
            let Some(slot) = self.victim() else { return };
            self.evict(slot, watch);
            self.choose_kind();
        }
    }

    /// Preempts those who have just been admitted, or others, until their memory covers what this iteration is short of (seed 000).
    pub(super) fn make_room_after(&mut self, watch: &mut Watch<'_>) {
        if !self.rules.can_run_out {
            return;
        }
        let prompts: i64 = self.batch.prefills.iter().map(|share| self.chunk_growth(share.slot, share.tokens)).sum();
        let decodes = if self.batch.kind == Kind::Prompts { 0 } else { self.memory.growth(self.tick, 1) };
        let mut short = self.memory.allocated + decodes + prompts - self.memory.capacity;
        while short > 0 {
            let Some(slot) = self.victim() else { return };
            let share = self.batch.prefills.iter().find(|share| share.slot == slot).map_or(0, |share| share.tokens);
            short -= self.memory.rounded(self.held(self.sequences.get(slot)) + share);
            self.evict(slot, watch);
        }
    }

    fn victim(&mut self) -> Option<u32> {
        if self.rules.victim == Victim::LatestBatch && self.loading.is_empty() {
            return self.sequences.batch_head();
        }
        let mut here = self.sequences.residents().filter(|(_, sequence)| sequence.stage != Stage::Loading);
        match self.rules.victim {
            Victim::Lifo => here.next().map(|(slot, _)| slot),
            Victim::Fifo if self.loading.is_empty() => self.sequences.oldest(),
            Victim::Fifo => here.last().map(|(slot, _)| slot),
            Victim::LatestBatch => {
                let (first, youngest) = here.next()?;
                let batch = here.take_while(|(_, sequence)| sequence.entered == youngest.entered);
                batch.last().map_or(Some(first), |(slot, _)| Some(slot))
            }
            rule => {
                let worth = |slot: u32| {
                    let sequence = self.sequences.get(slot);
                    let emitted = self.emitted(sequence);
                    let weight = self.rules.weights[sequence.class as usize];
                    victim::worth(rule, &Candidate { emitted, held: self.held(sequence), weight })
                };
                // The first of equals in this order is the last admitted.
                here.map(|(slot, _)| slot).min_by(|&a, &b| worth(a).total_cmp(&worth(b)))
            }
        }
    }

    /// Preempts residents that stand behind `slot` in the queue's order, if it fits then. Returns whether anyone went.
    pub(super) fn displace(&mut self, slot: u32, watch: &mut Watch<'_>) -> bool {
        let rank = |this: &Self, slot: u32| {
            let mut sequence = *this.sequences.get(slot);
            sequence.done = this.emitted(&sequence);
            let key = match this.rules.order {
                Order::Fcfs => 0,
                Order::Random => sequence.key,
                _ => this.key_of(&sequence, sequence.key),
            };
            (key, sequence.id)
        };
        let head = rank(self, slot);
        let mut behind: Vec<((u64, u64), u32)> = self
            .sequences
            .residents()
            .filter(|(_, resident)| {
                resident.admission <= self.batch.admitted_before && resident.stage != Stage::Loading
            })
            .map(|(other, _)| (rank(self, other), other))
            .filter(|(other, _)| *other > head)
            .collect();
        behind.sort_unstable_by(|left, right| right.cmp(left));
        let behind: Vec<u32> = behind.into_iter().map(|(_, other)| other).collect();
        let held = |this: &Self, other: u32| this.memory.rounded(this.held(this.sequences.get(other)));
        let mut freed = 0;
        let enough = (1..=behind.len()).find(|&count| {
            freed += held(self, behind[count - 1]);
            self.running - (count as i64) < self.rules.residents
                && self.would_fit(slot, self.batch.after - freed, self.batch.held - freed, &behind[..count])
        });
        let Some(count) = enough else { return false };
        for &other in &behind[..count] {
            let held = held(self, other);
            self.give_back_share(other);
            self.evict(other, watch);
            self.batch.displaced.push(other);
            self.batch.after -= held;
            self.batch.held -= held;
        }
        true
    }

    /// A victim's place in the iteration is free for others.
    fn give_back_share(&mut self, slot: u32) {
        let decodes = self.sequences.get(slot).stage == Stage::Active;
        let prompts_first = self.batch.kind == Kind::Mixed && self.rules.batch.priority == Priority::PrefillFirst;
        if decodes && self.batch.kind != Kind::Prompts && !prompts_first {
            self.batch.left += 1;
            self.batch.places += i64::from(self.rules.batch.priority != Priority::Split);
        }
        if let Some(share) = self.batch.prefills.iter().find(|share| share.slot == slot) {
            self.batch.left += share.tokens;
            self.batch.places += 1;
        }
    }

    /// Preempts a resident: it gives back its memory and goes back to the queue.
    pub(super) fn evict(&mut self, slot: u32, watch: &mut Watch<'_>) {
        let held = self.held(self.sequences.get(slot));
        let was_loading = self.sequences.get(slot).stage == Stage::Loading;
        // The KV of the token that was emitted last is written by the iteration after.
        let written = held - i64::from(self.sequences.get(slot).stage != Stage::Prefill);
        self.stand_still(slot);
        self.sequences.leave(slot);
        let kind = self.keep_or_drop(slot, held, was_loading);
        if let Some(freed) = &mut self.freed {
            freed.give_back(self.memory.allocated, self.memory.rounded(held), Some((slot, written)));
        }
        self.memory.allocated -= self.memory.rounded(held);
        self.context -= held;
        self.running -= 1;
        self.swapped += 1;
        self.log.totals.preemptions += 1;
        let now = self.now;
        let sequence = self.sequences.get_mut(slot);
        sequence.preemptions += 1;
        sequence.left = now;
        if self.rules.sorted && self.rules.order != Order::Random {
            let key = self.key_of(self.sequences.get(slot), 0);
            self.sequences.get_mut(slot).key = key;
        }
        if self.rules.admission == Admission::Reserve {
            let sequence = self.sequences.get(slot);
            self.reserved -= self.memory.rounded(sequence.prompt + sequence.output);
        }
        let sequence = self.sequences.get(slot);
        let swap_tail = self.rules.aggressive && self.rules.preemption == Preemption::Swap;
        let entry = (sequence.key, sequence.id, slot);
        let same_time = if self.rules.aggressive { self.victims_of_now() } else { 0 };
        self.queue.put_back(entry, swap_tail, same_time);
        self.batch.victims += 1;
        self.pressed = true;
        if watch.events {
            self.tell(kind, slot, -held, watch);
        }
    }

    /// Victims of this moment at the head of the queue.
    fn victims_of_now(&self) -> usize {
        let of_now = |slot: &u32| {
            let sequence = self.sequences.get(*slot);
            sequence.preemptions > 0 && sequence.left == self.now
        };
        self.queue.slots().take_while(of_now).count()
    }

    /// Takes a resident out of everything that advances it.
    fn stand_still(&mut self, slot: u32) {
        match self.sequences.get(slot).stage {
            Stage::Active => self.deactivate(slot),
            Stage::Prefill => {
                self.prefilling.retain(|&other| other != slot);
                if let Some(index) = self.batch.prefills.iter().position(|share| share.slot == slot) {
                    let share = self.batch.prefills.remove(index);
                    self.batch.prefill_tokens -= share.tokens;
                }
            }
            Stage::Loading => self.loading.retain(|&(_, other)| other != slot),
            Stage::Gathering => self.gathering.iter_mut().for_each(|segment| segment.retain(|&other| other != slot)),
            Stage::Ready => {}
        }
        if self.rules.rationed && self.sequences.get(slot).stage == Stage::Ready {
            self.ready.remove(&mut self.sequences, slot);
        }
    }

    /// What becomes of a victim's `held` tokens and of its progress.
    fn keep_or_drop(&mut self, slot: u32, held: i64, was_loading: bool) -> EventKind {
        let present = self.is_present();
        let totals = &mut self.log.totals;
        let sequence = self.sequences.get_mut(slot);
        let loaded_prompt = was_loading && sequence.written > 0;
        if sequence.stage != Stage::Prefill {
            sequence.stage = if loaded_prompt { Stage::Prefill } else { Stage::Ready };
        }
        match self.rules.preemption {
            Preemption::Swap => {
                sequence.on_host = held > 0;
                if held > 0 && !was_loading {
                    totals.swap_outs += 1;
                    totals.moved_tokens += i128::from(held);
                    if self.overlaps() {
                        self.host_link.send(Time(self.now), held);
                    } else {
                        self.batch.moved_tokens += held;
                        self.batch.moved += 1;
                    }
                }
                return EventKind::SwapOut;
            }
            Preemption::Restart => (sequence.done, sequence.passed) = (0, 0),
            Preemption::Recompute | Preemption::None => {}
        }
        totals.wasted_tokens += i128::from(if present { held - sequence.prompt } else { held }.max(0));
        sequence.written = 0;
        sequence.stage = if present { Stage::Ready } else { Stage::Prefill };
        if self.rules.preemption == Preemption::Restart { EventKind::Restart } else { EventKind::Recompute }
    }
}
