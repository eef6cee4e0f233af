//! Forming an iteration: which kind it is, who advances, who goes on with a prompt. The rules themselves are in `schedule`.

use super::super::record::EventKind;
use super::super::sequence::{NONE, Stage};
use super::rules::UNLIMITED;
use super::{Instance, Watch};
use crate::scenario::{Admission, BudgetCounts, FirstToken, Mixing, Priority, Prompts};
use crate::schedule::budget;

/// What an iteration holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Prompts and decodes.
    #[default]
    Mixed,
    /// Prompts only.
    Prompts,
    /// Decodes only.
    Decodes,
}

/// A prompt's share of an iteration.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    pub slot: u32,
    pub tokens: i64,
    /// Whether it ends the prompt.
    pub ends: bool,
}

/// One iteration to come.
#[derive(Debug, Default)]
pub struct Batch {
    pub kind: Kind,
    pub prefills: Vec<Share>,
    /// Σ prompt tokens.
    pub prefill_tokens: i64,
    /// KV tokens moved between device and host, and requests moved.
    pub moved_tokens: i64,
    pub moved: i64,
    /// Whether an arrival could change the next iteration.
    pub open: bool,
    /// Whether the next iteration may differ although nothing happens.
    pub unsettled: bool,
    /// Tokens that entrants may still take.
    pub left: i64,
    /// Prompts that may still take part.
    pub places: i64,
    /// What admission counts as allocated.
    pub after: i64,
    /// Allocated now, with the entrants' targets.
    pub held: i64,
    /// Requests of each class that have entered.
    pub entered: Vec<i64>,
    /// Victims of those who have entered.
    pub displaced: Vec<u32>,
    /// Admissions of the instance before this iteration was formed.
    pub admitted_before: u64,
    /// Victims and entrants of this iteration.
    pub victims: usize,
    pub entrants: usize,
}

impl Instance {
    /// Forms the next iteration; `false` when nobody can take part in one now.
    pub fn form(&mut self, watch: &mut Watch<'_>) -> bool {
        self.clear_batch();
        if !self.loading.is_empty() {
            self.welcome_loaded();
        }
        if !self.gathering.is_empty() {
            self.open_segments(false);
        }
        if self.form_once(watch) {
            return true;
        }
        // Whoever stands at the end of a segment goes on when nobody else can.
        !self.gathering.is_empty() && self.open_segments(true) && self.form_once(watch)
    }

    #[inline]
    fn form_once(&mut self, watch: &mut Watch<'_>) -> bool {
        self.batch.admitted_before = self.admissions;
        self.choose_kind();
        if !self.rules.aggressive {
            self.make_room(watch);
        }
        self.share_prompts();
        self.admit(watch);
        if self.rules.aggressive {
            self.make_room_after(watch);
        }
        self.ration_after();
        self.decodes() > 0 || !self.batch.prefills.is_empty()
    }

    fn clear_batch(&mut self) {
        let batch = &mut self.batch;
        batch.prefills.clear();
        batch.prefill_tokens = 0;
        batch.victims = 0;
        batch.entrants = 0;
    }

    /// Whether somebody entered or was preempted when the iteration was formed.
    pub fn has_changed(&self) -> bool {
        self.batch.victims + self.batch.entrants > 0
    }

    /// Who of the ready may advance, and whether the iteration holds prompts, decodes or both.
    #[inline]
    pub(super) fn choose_kind(&mut self) {
        if self.rules.rationed {
            self.ration(self.candidates());
        }
        self.batch.kind = if self.rules.batch.mixing == Mixing::Mixed { Kind::Mixed } else { self.kind() };
    }

    /// Decodes of the iteration.
    #[inline]
    pub(super) fn decodes(&self) -> i64 {
        if self.batch.kind == Kind::Prompts { 0 } else { self.active }
    }

    /// Ready residents that may advance.
    pub(super) fn candidates(&self) -> i64 {
        let tokens =
            if self.rules.batch.budget_counts == BudgetCounts::Processed { self.rules.budget } else { UNLIMITED };
        self.rules.width.min(tokens)
    }

    /// Of an iteration that is not mixed.
    fn kind(&self) -> Kind {
        let rules = &self.rules.batch;
        if rules.priority == Priority::DecodeFirst && self.active > 0 {
            return Kind::Decodes;
        }
        let goes_on = self.prefilling.iter().any(|&slot| self.share_of(slot, self.rules.budget) > 0);
        if goes_on || (!self.pressed && self.a_prompt_could_enter()) { Kind::Prompts } else { Kind::Decodes }
    }

    /// What a prompt would get out of `left` tokens.
    #[inline]
    pub(super) fn share_of(&self, slot: u32, left: i64) -> i64 {
        let longest = self.rules.batch.chunk_tokens.map_or(UNLIMITED, |tokens| tokens as i64);
        budget::share(self.rules.batch.prompts, left, longest, self.sequences.get(slot).unwritten())
    }

    /// Tokens left for prompts before any has got its share.
    pub(super) fn prompt_budget(&self) -> i64 {
        let decodes = self.decodes();
        match (self.batch.kind, self.rules.batch.priority) {
            _ if self.rules.batch.budget_counts == BudgetCounts::Context => UNLIMITED,
            (Kind::Mixed, Priority::PrefillFirst) | (Kind::Prompts, _) => self.rules.budget,
            _ => budget::prefill_budget(self.rules.budget, decodes),
        }
    }

    /// Prompts that may take part.
    pub(super) fn prompt_places(&self) -> i64 {
        match (self.batch.kind, self.rules.batch.priority) {
            (_, Priority::Split) | (Kind::Prompts, _) | (Kind::Mixed, Priority::PrefillFirst) => {
                self.rules.prompt_places
            }
            _ => self.rules.prompt_places - self.decodes(),
        }
    }

    /// Gives the prefilling residents their shares.
    fn share_prompts(&mut self) {
        let mut left = self.prompt_budget();
        let mut places = self.prompt_places();
        let mut growth = if self.batch.kind == Kind::Prompts { 0 } else { self.memory.growth(self.tick, 1) };
        if self.batch.kind != Kind::Decodes {
            for index in 0..self.prefilling.len() {
                let slot = self.prefilling[index];
                let tokens = if places > 0 { self.share_of(slot, left) } else { 0 };
                if tokens == 0 {
                    continue;
                }
                growth += self.chunk_growth(slot, tokens);
                self.add_share(slot, tokens);
                left -= tokens;
                places -= 1;
            }
        }
        self.batch.left = left;
        self.batch.places = places;
        self.batch.held = self.memory.allocated;
        self.batch.after = self.memory.allocated + if self.rules.aggressive { 0 } else { growth };
    }

    /// KV that `slot` allocates when `tokens` of its prompt are written.
    pub(super) fn chunk_growth(&self, slot: u32, tokens: i64) -> i64 {
        self.memory.rounded(self.held_after(slot, tokens)) - self.memory.rounded(self.sequences.get(slot).written)
    }

    /// KV tokens that `slot` holds after `tokens` more of its prompt.
    #[inline]
    pub(super) fn held_after(&self, slot: u32, tokens: i64) -> i64 {
        let sequence = self.sequences.get(slot);
        let ends = tokens == sequence.unwritten();
        sequence.written + tokens + i64::from(ends && self.prefill_emits())
    }

    #[inline]
    pub(super) fn prefill_emits(&self) -> bool {
        self.rules.batch.first_token == FirstToken::Prefill
    }

    pub(super) fn add_share(&mut self, slot: u32, tokens: i64) {
        let ends = tokens == self.sequences.get(slot).unwritten();
        self.batch.prefills.push(Share { slot, tokens, ends });
        self.batch.prefill_tokens += tokens;
    }

    /// KV that the residents allocate in this iteration.
    pub(super) fn growth(&self) -> i64 {
        let mut growth = if self.batch.kind == Kind::Prompts { 0 } else { self.memory.growth(self.tick, 1) };
        if self.batch.kind == Kind::Decodes {
            return growth;
        }
        let mut left = self.prompt_budget();
        let mut places = self.prompt_places();
        for &slot in &self.prefilling {
            let tokens = if places > 0 { self.share_of(slot, left) } else { 0 };
            if tokens == 0 {
                continue;
            }
            growth += self.chunk_growth(slot, tokens);
            left -= tokens;
            places -= 1;
        }
        growth
    }

    /// Lets the first `most` of the ready residents advance and no other.
    pub(super) fn ration(&mut self, most: i64) {
        let target = most.min(self.ready.count);
        while self.active < target {
            self.activate_next();
        }
        while self.active > target {
            self.pause_last();
        }
    }

    /// Puts a resident among those whose prompt is not finished, in order of admission.
    pub(super) fn start_prefilling(&mut self, slot: u32) {
        let number = |slot: u32| self.sequences.get(slot).admission;
        let last = self.prefilling.last().is_none_or(|&last| number(last) < number(slot));
        if last {
            self.prefilling.push(slot);
            return;
        }
        let place = self.prefilling.partition_point(|&other| number(other) < number(slot));
        self.prefilling.insert(place, slot);
    }

    /// What prompts, or the context, have left for the decodes.
    fn ration_after(&mut self) {
        if !self.rules.rationed {
            return;
        }
        let rules = &self.rules.batch;
        let counts_context = rules.budget_counts == BudgetCounts::Context;
        if self.batch.kind == Kind::Mixed && rules.priority == Priority::PrefillFirst {
            let budget = if counts_context { UNLIMITED } else { self.rules.budget };
            let tokens = budget::prefill_budget(budget, self.batch.prefill_tokens);
            let places = self.rules.prompt_places - self.batch.prefills.len() as i64;
            self.ration(self.active.min(tokens).min(places));
        }
        if counts_context {
            while self.active > 1 && self.active_context + self.active > self.rules.budget {
                self.pause_last();
            }
        }
    }

    fn activate_next(&mut self) {
        let slot = self.ready.first_paused;
        if slot == NONE {
            return;
        }
        self.ready.activate(&self.sequences);
        self.activate(slot, false);
    }

    fn pause_last(&mut self) {
        let slot = self.ready.pause(&self.sequences);
        self.deactivate(slot);
    }

    /// A resident whose target is written stands ready; it is active at once where nobody may have to stand still. `regular`: its
    /// last token was emitted by the iteration that has just ended.
    pub(super) fn make_ready(&mut self, slot: u32, regular: bool) {
        self.readied += 1;
        let readied = self.readied;
        let sequence = self.sequences.get_mut(slot);
        sequence.stage = Stage::Ready;
        sequence.readied = readied;
        if sequence.passed < sequence.done && self.rules.segments.contains(&sequence.done) {
            self.gather(slot);
            return;
        }
        if !self.rules.rationed {
            self.activate(slot, regular);
            return;
        }
        self.ready.push(&mut self.sequences, slot);
        if regular && self.ready.first_paused == slot && self.active < self.candidates() {
            self.ready.activate(&self.sequences);
            self.activate(slot, true);
        }
    }

    /// A ready entrant stands last among the ready; it advances in this iteration if all before it do.
    pub(super) fn enter_ready(&mut self, slot: u32) {
        self.make_ready(slot, false);
        if self.rules.rationed && self.ready.first_paused == slot {
            self.ready.activate(&self.sequences);
            self.activate(slot, false);
        }
    }

    fn activate(&mut self, slot: u32, regular: bool) {
        let tick = self.tick;
        let sequence = self.sequences.get_mut(slot);
        sequence.stage = Stage::Active;
        sequence.origin = tick - sequence.done;
        let held = sequence.target();
        let due = sequence.origin + next_stop(sequence.done, sequence.output, &self.rules.segments);
        self.memory.count_decoder(held, tick, 1);
        self.active += 1;
        self.active_context += held;
        self.work.heap += 1;
        self.finishing.push(std::cmp::Reverse((due, slot)));
        if !regular {
            self.irregular.push(slot);
        }
    }

    /// Stops the advance of an active sequence: it stands ready.
    pub(super) fn deactivate(&mut self, slot: u32) {
        let (tick, last_decode) = (self.tick, self.last_decode);
        let waits = self.irregular.iter().rposition(|&other| other == slot);
        let sequence = self.sequences.get_mut(slot);
        sequence.done = tick - sequence.origin;
        sequence.stage = Stage::Ready;
        match waits {
            Some(index) => {
                self.irregular.remove(index);
            }
            None => sequence.last_token = last_decode,
        }
        let held = sequence.target();
        self.memory.count_decoder(held, tick, -1);
        self.active -= 1;
        self.active_context -= held;
    }

    /// Requests whose KV has come back from the host.
    fn welcome_loaded(&mut self) {
        while let Some(&(time, slot)) = self.loading.front()
            && time <= self.now
        {
            self.loading.pop_front();
            if self.sequences.get(slot).written > 0 {
                self.sequences.get_mut(slot).stage = Stage::Prefill;
                self.start_prefilling(slot);
            } else {
                self.make_ready(slot, false);
            }
        }
    }

    /// Lets those go on who stand at the end of a segment, where there are enough; with `all`, all of them. Returns whether any did.
    fn open_segments(&mut self, all: bool) -> bool {
        let mut any = false;
        for segment in 0..self.gathering.len() {
            let threshold = self.rules.thresholds[segment + 1] as usize;
            let standing = self.gathering[segment].len();
            let going = if all {
                standing
            } else if standing >= threshold {
                threshold
            } else {
                0
            };
            if going == 0 {
                continue;
            }
            let sequences = &self.sequences;
            self.gathering[segment].sort_unstable_by_key(|&slot| sequences.get(slot).readied);
            for slot in self.gathering[segment].drain(..going).collect::<Vec<_>>() {
                let sequence = self.sequences.get_mut(slot);
                sequence.passed = sequence.done;
                self.make_ready(slot, false);
                any = true;
            }
        }
        any
    }

    fn a_segment_is_full(&self) -> bool {
        let thresholds = self.rules.thresholds.iter().skip(1);
        self.gathering.iter().zip(thresholds).any(|(standing, &threshold)| standing.len() as i64 >= threshold)
    }

    /// Whether the scheduler must form the next iteration anew although nothing happens.
    pub(super) fn is_unsettled(&self) -> bool {
        let paused =
            self.rules.rationed && self.rules.can_run_out && self.active < self.ready.count.min(self.candidates());
        paused
            || self.batch.unsettled
            || self.batch.entrants > 0
            || self.a_segment_is_full()
            || (self.pressed && (self.rules.aggressive || self.rules.batch.mixing == Mixing::Exclusive))
            || (self.rules.admission == Admission::LookAhead && !self.queue.is_empty())
            || (self.rules.waiting_preempts && !self.queue.is_empty())
    }

    /// What a resident's entry was, for events.
    pub(super) fn entry_kind(on_host: bool) -> EventKind {
        if on_host { EventKind::SwapIn } else { EventKind::Admission }
    }

    pub(super) fn is_present(&self) -> bool {
        self.rules.batch.prompts == Prompts::Present
    }
}

/// The number of emitted tokens at which a sequence with `done` of them stops: its end, or the end of its segment.
pub(super) fn next_stop(done: i64, output: i64, segments: &[i64]) -> i64 {
    segments.iter().copied().find(|&end| end > done).map_or(output, |end| end.min(output))
}
