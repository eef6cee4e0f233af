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
            self.ration(self.candidates());
        }
    }

    fn victim(&self) -> Option<u32> {
        match self.rules.victim {
            Victim::Lifo => self.sequences.youngest(),
            Victim::Fifo => self.sequences.oldest(),
            Victim::LatestBatch => {
                let latest = self.sequences.get(self.sequences.youngest()?).entered;
                let batch = self.sequences.residents().take_while(|(_, sequence)| sequence.entered == latest);
                batch.last().map(|(slot, _)| slot)
            }
            rule => {
                let worth = |slot: u32| {
                    let sequence = self.sequences.get(slot);
                    let emitted = self.emitted(sequence);
                    let weight = self.rules.weights[sequence.class as usize];
                    victim::worth(rule, &Candidate { emitted, held: self.held(sequence), weight })
                };
                // The first of equals in this order is the last admitted.
                self.sequences.residents().map(|(slot, _)| slot).min_by(|&a, &b| worth(a).total_cmp(&worth(b)))
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
            .filter(|(_, resident)| resident.entered < self.steps)
            .map(|(other, _)| (rank(self, other), other))
            .filter(|(other, _)| *other > head)
            .collect();
        behind.sort_unstable();
        let freed: i64 =
            behind.iter().map(|&(_, other)| self.memory.rounded(self.held(self.sequences.get(other)))).sum();
        let enough_places = self.running - (behind.len() as i64) < self.rules.residents;
        if behind.is_empty()
            || !enough_places
            || !self.would_fit(slot, self.batch.after - freed, self.batch.held - freed)
        {
            return false;
        }
        while let Some((_, other)) = behind.pop() {
            if self.running < self.rules.residents && self.would_fit(slot, self.batch.after, self.batch.held) {
                break;
            }
            let held = self.memory.rounded(self.held(self.sequences.get(other)));
            if self.sequences.get(other).stage == Stage::Active
                && self.batch.kind != Kind::Prompts
                && self.rules.batch.priority != Priority::PrefillFirst
            {
                self.batch.left += 1;
            }
            self.evict(other, watch);
            self.batch.after -= held;
            self.batch.held -= held;
        }
        true
    }

    /// Preempts a resident: it gives back its memory and goes back to the queue.
    pub(super) fn evict(&mut self, slot: u32, watch: &mut Watch<'_>) {
        let held = self.held(self.sequences.get(slot));
        let was_loading = self.sequences.get(slot).stage == Stage::Loading;
        self.stand_still(slot);
        self.sequences.leave(slot);
        let kind = self.keep_or_drop(slot, held, was_loading);
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
        self.queue.put_back((sequence.key, sequence.id, slot), swap_tail, 0);
        self.batch.victims += 1;
        if watch.events {
            self.tell(kind, slot, -held, watch);
        }
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
                    self.batch.left += share.tokens;
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
            Preemption::Restart => sequence.done = 0,
            Preemption::Recompute | Preemption::None => {}
        }
        totals.wasted_tokens += i128::from(if present { held - sequence.prompt } else { held }.max(0));
        sequence.written = 0;
        sequence.stage = if present { Stage::Ready } else { Stage::Prefill };
        if self.rules.preemption == Preemption::Restart { EventKind::Restart } else { EventKind::Recompute }
    }
}
