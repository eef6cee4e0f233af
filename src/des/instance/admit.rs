//! Who enters.

use super::super::queue::Place;
use super::super::sequence::{NOT_YET, Stage};
use super::batch::Kind;
use super::{Instance, Watch};
use crate::scenario::trace::Blocks;
use crate::scenario::{Admission, Packing, Priority, Time};
use crate::schedule::admission::look_ahead::{self, Outlook};
use crate::schedule::admission::{greedy, nested_wait, quota, reserve, threshold, wait, watermark};

/// What becomes of the request that is looked at.
enum Look {
    /// It enters and gets this share of a prompt.
    Enters(i64),
    /// It must wait, and so must those behind it under strict packing.
    Blocked,
    /// Its class may not enter now; others may.
    PassedOver,
}

impl Instance {
    /// Admits from the queue in its order.
    pub(super) fn admit(&mut self, watch: &mut Watch<'_>) {
        self.batch.unsettled = false;
        self.batch.displaced.clear();
        let mut open_classes = Vec::new();
        if self.rules.limits_classes {
            open_classes = self.open_classes();
            self.batch.entered.clear();
            self.batch.entered.resize(self.rules.weights.len(), 0);
        }
        let mut next = self.queue.first();
        let mut blocked = false;
        while let Some((place, slot)) = next {
            if self.batch.left <= 0 || self.batch.places <= 0 {
                break;
            }
            self.work.looks += 1;
            if self.batch.displaced.contains(&slot) {
                next = self.queue.behind(place);
                continue;
            }
            match self.look(slot, &open_classes, watch) {
                Look::Enters(share) => {
                    next = self.queue.take(self.place_now(place, slot));
                    self.enter(slot, share, watch);
                }
                Look::PassedOver if self.all_closed(&open_classes) => break,
                Look::Blocked if self.rules.batch.packing == Packing::Strict => {
                    blocked = true;
                    break;
                }
                Look::Blocked | Look::PassedOver => next = self.queue.behind(place),
            }
        }
        self.batch.open = self.arrivals_matter(blocked);
    }

    /// Preemption for `slot` may have put others before it in the queue.
    fn place_now(&self, place: Place, slot: u32) -> Place {
        match place {
            Place::Entry(_) => place,
            Place::Index(_) if self.batch.victims == 0 => place,
            Place::Index(index) => {
                self.queue.slots().position(|other| other == slot).map_or(Place::Index(index), Place::Index)
            }
        }
    }

    /// Whether an arrival could change the next iteration.
    fn arrivals_matter(&self, blocked: bool) -> bool {
        let rules = &self.rules;
        let room = self.running < rules.residents || rules.waiting_preempts;
        if !room || (self.batch.kind == Kind::Decodes && rules.batch.priority != Priority::PrefillFirst) {
            return false;
        }
        if self.batch.kind == Kind::Mixed && (self.batch.left <= 0 || self.batch.places <= 0) {
            return rules.sorted && rules.waiting_preempts;
        }
        let first_come = !rules.sorted && rules.batch.packing == Packing::Strict;
        !(first_come && blocked) || rules.waits || rules.admission == Admission::Quota
    }

    /// Of WAIT and Nested WAIT: how many of each class (of all together) may enter now.
    fn open_classes(&self) -> Vec<i64> {
        let classes = self.rules.weights.len();
        match self.rules.admission {
            Admission::Quota => quota::open(self.rules.quota, classes),
            Admission::Wait => wait::open(&self.rules.thresholds, &self.waiting_by_class),
            Admission::NestedWait => {
                vec![nested_wait::open(self.rules.thresholds[0], self.waiting_by_class.iter().sum())]
            }
            _ => Vec::new(),
        }
    }

    fn all_closed(&self, open: &[i64]) -> bool {
        if self.swapped > 0 && self.rules.waits {
            return false;
        }
        match self.rules.admission {
            Admission::NestedWait => self.batch.entered.iter().sum::<i64>() >= open[0],
            _ => self.batch.entered.iter().zip(open).all(|(entered, open)| entered >= open),
        }
    }

    fn class_may_enter(&self, slot: u32, open: &[i64], entered: &[i64]) -> bool {
        let sequence = self.sequences.get(slot);
        let class = sequence.class as usize;
        let known = sequence.preemptions > 0;
        match self.rules.admission {
            Admission::Quota => entered[class] < open[class],
            Admission::Wait => known || entered[class] < open[class],
            Admission::NestedWait => known || entered.iter().sum::<i64>() < open[0],
            _ => true,
        }
    }

    fn look(&mut self, slot: u32, open: &[i64], watch: &mut Watch<'_>) -> Look {
        if self.rules.limits_classes && !self.class_may_enter(slot, open, &self.batch.entered) {
            return Look::PassedOver;
        }
        let ready = self.sequences.get(slot).stage == Stage::Ready;
        let wrong_kind = if ready { Kind::Prompts } else { Kind::Decodes };
        let share = if ready { 0 } else { self.share_of(slot, self.batch.left) };
        if self.batch.kind == wrong_kind || (!ready && share == 0) {
            return Look::Blocked;
        }
        let fits = |this: &Self| {
            this.running < this.rules.residents && this.would_fit(slot, this.batch.after, this.batch.held, &[])
        };
        if fits(self) {
            return Look::Enters(share);
        }
        if self.rules.waiting_preempts && self.displace(slot, watch) && fits(self) {
            return Look::Enters(if ready { 0 } else { self.share_of(slot, self.batch.left) });
        }
        Look::Blocked
    }

    /// Whether the admission rule lets `slot` in beside `after` and `held` tokens and the residents that are not in `gone`.
    pub(super) fn would_fit(&self, slot: u32, after: i64, held: i64, gone: &[u32]) -> bool {
        let sequence = self.sequences.get(slot);
        let memory = self.memory.capacity;
        let need = self.memory.rounded(greedy::room_needed(sequence.prompt, sequence.done));
        let greedy = greedy::fits(after, need, memory);
        if self.running == gone.len() as i64 {
            return greedy;
        }
        match self.rules.admission {
            Admission::Greedy | Admission::Quota | Admission::Wait | Admission::NestedWait => greedy,
            Admission::Reserve if self.rules.exact_predictions => {
                let freed: i64 = gone.iter().map(|&other| self.peak_of(other)).sum();
                greedy && reserve::fits(self.reserved - freed, self.peak_of(slot), memory)
            }
            Admission::Reserve => greedy && reserve::fits(self.reserved_without(gone), self.peak_of(slot), memory),
            Admission::LookAhead => greedy && self.fits_ahead(slot, gone),
            Admission::Threshold => greedy && threshold::is_open(held, self.rules.mark),
            Admission::Watermark => watermark::fits(after, need, memory, self.rules.mark),
        }
    }

    /// Whether somebody would enter an iteration of prompts with nobody preempted.
    pub(super) fn a_prompt_could_enter(&self) -> bool {
        let open = self.open_classes();
        let none = vec![0; self.rules.weights.len()];
        let mut next = self.queue.first().filter(|_| self.running < self.rules.residents);
        while let Some((place, slot)) = next {
            let prompt = self.sequences.get(slot).stage == Stage::Prefill;
            let (after, held) = (self.memory.allocated, self.memory.allocated);
            if self.class_may_enter(slot, &open, &none) {
                if prompt && self.share_of(slot, self.rules.budget) > 0 && self.would_fit(slot, after, held, &[]) {
                    return true;
                }
                if self.rules.batch.packing == Packing::Strict {
                    return false;
                }
            }
            next = self.queue.behind(place);
        }
        false
    }

    fn peak_of(&self, slot: u32) -> i64 {
        let sequence = self.sequences.get(slot);
        let emitted = self.emitted(sequence);
        self.memory.rounded(reserve::peak(sequence.prompt, sequence.predicted, emitted))
    }

    fn residents_without(&self, gone: &[u32]) -> impl Iterator<Item = u32> {
        self.sequences.residents().map(|(slot, _)| slot).filter(|slot| !gone.contains(slot))
    }

    fn reserved_without(&self, gone: &[u32]) -> i64 {
        self.residents_without(gone).map(|slot| self.peak_of(slot)).sum()
    }

    fn fits_ahead(&self, slot: u32, gone: &[u32]) -> bool {
        let outlook = |slot: u32| {
            let sequence = self.sequences.get(slot);
            let emitted = self.emitted(sequence);
            Outlook { target: sequence.prompt + emitted, left: (sequence.predicted - emitted).max(1) }
        };
        let mut residents: Vec<Outlook> = self.residents_without(gone).map(outlook).collect();
        look_ahead::fits(&mut residents, outlook(slot), self.memory.capacity, self.memory.block - 1)
    }

    /// Makes `slot` a resident and gives it its share.
    fn enter(&mut self, slot: u32, share: i64, watch: &mut Watch<'_>) {
        self.sequences.admit(slot, self.now);
        self.running += 1;
        self.admissions += 1;
        self.batch.entrants += 1;
        let (now, admission) = (self.now, self.admissions);
        let sequence = self.sequences.get_mut(slot);
        sequence.admission = admission;
        if sequence.admitted == NOT_YET {
            sequence.admitted = now;
        }
        let on_host = std::mem::take(&mut sequence.on_host);
        let class = sequence.class as usize;
        let known = sequence.preemptions > 0;
        if known {
            sequence.away += now - sequence.left;
            self.swapped -= 1;
        } else {
            self.waiting -= 1;
            if self.rules.waits {
                self.waiting_by_class[class] -= 1;
            }
        }
        if let Some(entered) = self.batch.entered.get_mut(class)
            && !(known && self.rules.waits)
        {
            *entered += 1;
        }
        if self.rules.admission == Admission::Reserve {
            let sequence = self.sequences.get(slot);
            self.reserved += self.memory.rounded(sequence.prompt + sequence.output);
        }
        let taken = self.take_memory(slot, on_host, share);
        if watch.events {
            self.tell(Self::entry_kind(on_host), slot, taken, watch);
        }
    }

    /// Allocates what `slot` brings with it, and puts it to work. Returns the tokens that it holds at once.
    fn take_memory(&mut self, slot: u32, on_host: bool, share: i64) -> i64 {
        let sequence = self.sequences.get(slot);
        let (ready, tokens) = (sequence.stage == Stage::Ready, sequence.target());
        let kept = if ready { tokens } else { sequence.written };
        let kept = if self.cache.is_some() { kept + self.cached_tokens(slot) } else { kept };
        let kept = if self.freed.is_some() && !ready { kept + self.left_tokens_of(slot) } else { kept };
        self.context += kept;
        self.memory.allocated += self.memory.rounded(kept);
        let target = self.memory.rounded(tokens);
        self.batch.held += target;
        if on_host {
            self.log.totals.swap_ins += 1;
            self.log.totals.moved_tokens += i128::from(kept);
            if self.overlaps() {
                let back = self.host_link.send(Time(self.now), kept);
                if back.0 > self.now {
                    self.sequences.get_mut(slot).stage = Stage::Loading;
                    self.loading.push_back((back.0, slot));
                    self.batch.after += if self.rules.aggressive { target } else { self.memory.rounded(kept) };
                    return kept;
                }
            } else {
                self.batch.moved_tokens += kept;
                self.batch.moved += 1;
            }
        }
        let end = if ready {
            self.enter_ready(slot);
            let advances = i64::from(self.sequences.get(slot).stage == Stage::Active);
            self.batch.left -= advances;
            self.batch.places -= advances;
            tokens + advances
        } else {
            let tokens = share.min(self.sequences.get(slot).unwritten());
            let end = self.held_after(slot, tokens);
            self.add_share(slot, tokens);
            self.start_prefilling(slot);
            self.batch.left -= tokens;
            self.batch.places -= 1;
            end
        };
        self.batch.after += if self.rules.aggressive { target } else { self.memory.rounded(end) };
        kept
    }

    /// Tokens of a victim that it finds again in free blocks; at least one is left to process.
    fn left_tokens_of(&mut self, slot: u32) -> i64 {
        let Some(freed) = &mut self.freed else { return 0 };
        let sequence = self.sequences.get_mut(slot);
        if sequence.preemptions == 0 || sequence.written > 0 {
            return 0;
        }
        // Who is here already has been given its blocks of this iteration.
        let found = freed.take_back(self.batch.after, slot, sequence.target() - 1);
        sequence.written = found;
        self.log.totals.cached_tokens += i128::from(found);
        self.log.totals.wasted_tokens -= i128::from(found);
        found
    }

    /// Prompt tokens of `slot` that are found in the prefix cache; at least one is left to process.
    fn cached_tokens(&mut self, slot: u32) -> i64 {
        let Some((cache, trace)) = &mut self.cache else { return 0 };
        let sequence = self.sequences.get_mut(slot);
        if sequence.stage != Stage::Prefill || sequence.written > 0 {
            return 0;
        }
        let (start, count) = sequence.hashes;
        let found = cache.hit_tokens(trace.hashes(Blocks { start, count }), sequence.prompt);
        sequence.written = found;
        self.log.totals.cached_tokens += i128::from(found);
        found
    }
}
