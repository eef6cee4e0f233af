//! The sequences in the system: a slab with a free list, threaded by a list in order of admission.

use crate::scenario::Time;

/// No sequence.
pub const NONE: u32 = u32::MAX;
/// The window number of requests that are in no window.
pub const UNMEASURED: u16 = u16::MAX;

/// Where a sequence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// In the queue (or resident and prefilling): `written` of its `prompt + done` tokens are in the KV cache.
    Prefill,
    /// Resident and making one token per iteration; `done` is `tick − origin`.
    Decode,
    /// Swapped out while decoding.
    Swapped,
}

/// One request in the system.
#[derive(Debug, Clone, Copy)]
pub struct Sequence {
    pub id: u64,
    pub arrival: i128,
    pub first_token: i128,
    /// End of the last iteration that emitted a token, kept only while it is not decoding.
    pub last_token: i128,
    pub admitted: i128,
    pub prompt: i64,
    pub output: i64,
    /// Tokens emitted; stale while decoding.
    pub done: i64,
    pub written: i64,
    pub origin: i64,
    pub stage: Stage,
    pub class: u16,
    pub window: u16,
    pub preemptions: u32,
    older: u32,
    younger: u32,
}

/// Not yet.
pub const NOT_YET: i128 = i128::MIN;

impl Sequence {
    pub fn new(id: u64, arrival: Time, class: u16, prompt: i64, output: i64, window: u16) -> Self {
        Self {
            id,
            arrival: arrival.0,
            first_token: NOT_YET,
            last_token: NOT_YET,
            admitted: NOT_YET,
            prompt,
            output,
            done: 0,
            written: 0,
            origin: 0,
            stage: Stage::Prefill,
            class,
            window,
            preemptions: 0,
            older: NONE,
            younger: NONE,
        }
    }

    /// Prompt tokens still to be processed, including generated ones that are prefilled again.
    pub fn unwritten(&self) -> i64 {
        self.prompt + self.done - self.written
    }

    /// KV tokens held after `prefilled` more prompt tokens: the end of the prompt emits a token.
    pub fn held_after(&self, prefilled: i64) -> i64 {
        let written = self.written + prefilled;
        written + i64::from(prefilled == self.unwritten())
    }
}

/// All sequences in the system, and the residents in order of admission.
#[derive(Debug, Default)]
pub struct Sequences {
    slots: Vec<Sequence>,
    free: Vec<u32>,
    youngest: Option<u32>,
}

impl Sequences {
    pub fn insert(&mut self, sequence: Sequence) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = sequence;
            return slot;
        }
        self.slots.push(sequence);
        (self.slots.len() - 1) as u32
    }

    pub fn remove(&mut self, slot: u32) {
        self.free.push(slot);
    }

    #[inline]
    pub fn get(&self, slot: u32) -> &Sequence {
        &self.slots[slot as usize]
    }

    #[inline]
    pub fn get_mut(&mut self, slot: u32) -> &mut Sequence {
        &mut self.slots[slot as usize]
    }

    /// The resident admitted last.
    pub fn youngest(&self) -> Option<u32> {
        self.youngest
    }

    /// Makes `slot` the resident admitted last.
    pub fn admit(&mut self, slot: u32) {
        let older = self.youngest.unwrap_or(NONE);
        let sequence = self.get_mut(slot);
        sequence.older = older;
        sequence.younger = NONE;
        if older != NONE {
            self.get_mut(older).younger = slot;
        }
        self.youngest = Some(slot);
    }

    /// Takes `slot` out of the residents.
    pub fn leave(&mut self, slot: u32) {
        let Sequence { older, younger, .. } = *self.get(slot);
        if older != NONE {
            self.get_mut(older).younger = younger;
        }
        if younger == NONE {
            self.youngest = (older != NONE).then_some(older);
        } else {
            self.get_mut(younger).older = older;
        }
    }

    /// Residents from the one admitted last to the oldest.
    pub fn residents(&self) -> impl Iterator<Item = &Sequence> {
        std::iter::successors(self.youngest, |&slot| Some(self.get(slot).older).filter(|&older| older != NONE))
            .map(|slot| self.get(slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory is what the fullest moment needed, however many requests come and go.
    #[test]
    fn the_slab_is_as_long_as_the_peak_number_in_system() {
        let mut sequences = Sequences::default();
        let mut present = Vec::new();
        let mut peak = 0;
        for id in 0..10_000_u64 {
            present.push(sequences.insert(Sequence::new(id, Time::ZERO, 0, 1, 1, UNMEASURED)));
            peak = peak.max(present.len());
            // Leaves at most 1 to 40 present.
            while present.len() as u64 > 1 + (id * 7) % 40 {
                sequences.remove(present.remove(0));
            }
        }
        assert_eq!(sequences.slots.len(), peak);
        assert_eq!(sequences.slots.len(), present.len() + sequences.free.len());
    }
}
