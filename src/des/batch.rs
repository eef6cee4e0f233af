//! Forming a batch: who is preempted, who goes on, who is admitted. The rules themselves are in `schedule`.

use super::engine::Engine;
use super::sequence::{NOT_YET, Stage};
use crate::scenario::Preemption;
use crate::schedule::{admission, budget, victim};

/// What one iteration does besides giving every decoding sequence a token.
#[derive(Debug, Default)]
pub struct Batch {
    /// Prompt chunks: (slot, tokens).
    pub prefills: Vec<(u32, i64)>,
    /// Sequences swapped in for this iteration: their gap did not begin with it.
    pub resumed: Vec<u32>,
    /// Σ prompt tokens.
    pub prefill_tokens: i64,
    /// KV tokens moved between device and host.
    pub moved_tokens: i64,
    /// Whether an arrival could join the batch at the next boundary.
    pub open: bool,
}

impl Engine<'_> {
    /// Forms the next batch: preempts until the residents' next iteration fits, continues the unfinished prompt, then admits
    /// from the head of the queue.
    pub(super) fn form_batch(&mut self) {
        self.batch.prefills.clear();
        self.batch.resumed.clear();
        self.batch.prefill_tokens = 0;
        self.batch.moved_tokens = 0;
        if self.rules.can_run_out {
            self.make_room();
        }
        let mut left = budget::prefill_budget(self.rules.budget, self.decoding);
        let mut after = self.memory.allocated + self.memory.growth(self.tick, 1);
        if let Some(slot) = self.prefilling {
            after += self.prefill_growth(slot, left);
            left = self.add_chunk(slot, left);
        }
        while left > 0 && self.running < self.rules.sequences {
            let Some(&slot) = self.queue.front() else { break };
            if !self.fits(slot, after) {
                break;
            }
            self.queue.pop_front();
            let allocated = self.memory.allocated;
            left = self.enter(slot, left);
            after += self.memory.allocated - allocated + self.growth_of_entrant(slot, left);
        }
        self.batch.open = self.queue.is_empty() && left > 0 && self.running < self.rules.sequences;
        debug_assert!(after <= self.memory.capacity);
    }

    /// What the sequence that has just entered will allocate in this iteration, beyond what it allocated on entering.
    fn growth_of_entrant(&self, slot: u32, left: i64) -> i64 {
        let sequence = self.sequences.get(slot);
        if sequence.stage == Stage::Decode {
            let held = sequence.prompt + sequence.done;
            return self.memory.rounded(held + 1) - self.memory.rounded(held);
        }
        let chunk = self.batch.prefills.last().map_or(left, |&(_, chunk)| chunk);
        self.memory.rounded(sequence.held_after(chunk)) - self.memory.rounded(sequence.written)
    }

    fn prefill_growth(&self, slot: u32, left: i64) -> i64 {
        let sequence = self.sequences.get(slot);
        let chunk = budget::chunk(left, sequence.unwritten());
        self.memory.rounded(sequence.held_after(chunk)) - self.memory.rounded(sequence.written)
    }

    /// Whether the head of the queue finds its room, given what is allocated after this iteration.
    fn fits(&self, slot: u32, after: i64) -> bool {
        let sequence = self.sequences.get(slot);
        let need = admission::room_needed(self.rules.admission, sequence.prompt, sequence.output, sequence.done);
        let taken = if self.rules.reserves { self.reserved } else { after };
        taken + self.memory.rounded(need) <= self.memory.capacity
    }

    /// Makes `slot` a resident and gives it its share of the `left` tokens; returns what is left then.
    fn enter(&mut self, slot: u32, left: i64) -> i64 {
        self.sequences.admit(slot);
        self.running += 1;
        let now = self.now;
        let sequence = self.sequences.get_mut(slot);
        if sequence.admitted == NOT_YET {
            sequence.admitted = now;
        }
        if self.rules.reserves {
            self.reserved += self.memory.rounded(sequence.prompt + sequence.output);
        }
        if sequence.preemptions > 0 {
            self.swapped -= 1;
        } else {
            self.waiting -= 1;
        }
        if sequence.stage == Stage::Swapped {
            let held = sequence.prompt + sequence.done;
            self.batch.resumed.push(slot);
            self.batch.moved_tokens += held;
            self.context += held;
            self.memory.allocated += self.memory.rounded(held);
            self.start_decoding(slot);
            return left - 1;
        }
        let kept = sequence.written;
        self.batch.moved_tokens += kept;
        self.context += kept;
        self.memory.allocated += self.memory.rounded(kept);
        self.add_chunk(slot, left)
    }

    fn add_chunk(&mut self, slot: u32, left: i64) -> i64 {
        let chunk = budget::chunk(left, self.sequences.get(slot).unwritten());
        self.batch.prefills.push((slot, chunk));
        self.batch.prefill_tokens += chunk;
        left - chunk
    }

    /// Preempts the last admitted until what the residents hold after the next iteration fits.
    fn make_room(&mut self) {
        loop {
            let left = budget::prefill_budget(self.rules.budget, self.decoding);
            let prefill = self.prefilling.map_or(0, |slot| self.prefill_growth(slot, left));
            let growth = self.memory.growth(self.tick, 1) + prefill;
            if !victim::needs_victim(self.memory.allocated, growth, self.memory.capacity) {
                return;
            }
            self.preempt_youngest();
        }
    }

    fn preempt_youngest(&mut self) {
        let Some(slot) = self.sequences.youngest() else { return };
        self.sequences.leave(slot);
        let tick = self.tick;
        let swap = self.rules.preemption == Preemption::Swap;
        let sequence = self.sequences.get_mut(slot);
        let held = if sequence.stage == Stage::Decode {
            sequence.done = tick - sequence.origin;
            let held = sequence.prompt + sequence.done;
            self.memory.count_decoder(held, tick, -1);
            self.decoding -= 1;
            sequence.last_token = self.now;
            sequence.stage = if swap { Stage::Swapped } else { Stage::Prefill };
            sequence.written = 0;
            held
        } else {
            self.prefilling = None;
            let held = sequence.written;
            if !swap {
                sequence.written = 0;
            }
            held
        };
        sequence.preemptions += 1;
        self.memory.allocated -= self.memory.rounded(held);
        self.context -= held;
        if swap {
            self.batch.moved_tokens += held;
        }
        self.running -= 1;
        self.swapped += 1;
        self.log.totals.preemptions += 1;
        self.queue.push_front(slot);
    }
}
