//! The sequences in the system: a slab with a free list, threaded by two lists, the residents in order of admission and the
//! ready ones in the order in which they became ready.

use crate::scenario::Time;

/// No sequence.
pub const NONE: u32 = u32::MAX;
/// The window number of requests that are in no window.
pub const UNMEASURED: u16 = u16::MAX;
/// Not yet.
pub const NOT_YET: i128 = i128::MIN;

/// Where a sequence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// In the queue, or resident and prefilling: `written` of its target are in the KV cache.
    Prefill,
    /// Its target is written; in the queue, or resident and not advancing.
    Ready,
    /// Resident and making one token per decoding iteration; `done` is `tick − origin`.
    Active,
    /// Resident; its KV is on its way back from the host.
    Loading,
    /// Resident; stands at the end of a segment until enough others do (Nested WAIT).
    Gathering,
}

/// One request in the system.
#[derive(Debug, Clone, Copy)]
pub struct Sequence {
    pub id: u64,
    pub arrival: i128,
    pub first_token: i128,
    /// End of the last iteration that emitted a token, kept only while it is not active.
    pub last_token: i128,
    pub admitted: i128,
    /// When it was preempted last.
    pub left: i128,
    /// Time spent preempted.
    pub away: i128,
    pub prompt: i64,
    pub output: i64,
    /// What rules are told that `output` will be.
    pub predicted: i64,
    /// Tokens emitted; stale while active.
    pub done: i64,
    pub written: i64,
    /// While active: the tick at which it would have had no token.
    pub origin: i64,
    /// When it was admitted last, and the how manieth admission that was.
    pub entered: i128,
    pub admission: u64,
    /// The how manieth to become ready it was.
    pub readied: u64,
    /// The longest end of a segment that it has passed.
    pub passed: i64,
    /// Its place in an order that is not first come, first served; set while it is queued.
    pub key: u64,
    pub stage: Stage,
    /// Whether its KV is on the host.
    pub on_host: bool,
    pub class: u16,
    pub window: u16,
    pub preemptions: u32,
    /// First hash of its prompt's blocks, and how many there are.
    pub hashes: (u32, u32),
    older: u32,
    younger: u32,
    sooner: u32,
    later: u32,
}

impl Sequence {
    #[inline]
    pub fn new(id: u64, arrival: Time, class: u16, prompt: i64, output: i64) -> Self {
        Self {
            id,
            arrival: arrival.0,
            first_token: NOT_YET,
            last_token: NOT_YET,
            admitted: NOT_YET,
            left: 0,
            away: 0,
            prompt,
            output,
            predicted: output,
            done: 0,
            written: 0,
            origin: 0,
            entered: NOT_YET,
            admission: 0,
            readied: 0,
            passed: 0,
            key: 0,
            stage: Stage::Prefill,
            on_host: false,
            class,
            window: UNMEASURED,
            preemptions: 0,
            hashes: (0, 0),
            older: NONE,
            younger: NONE,
            sooner: NONE,
            later: NONE,
        }
    }

    /// What must be in the KV cache before the next token can be emitted.
    #[inline]
    pub fn target(&self) -> i64 {
        self.prompt + self.done
    }

    /// Prompt tokens still to be processed, including generated ones that are prefilled again.
    #[inline]
    pub fn unwritten(&self) -> i64 {
        if self.stage == Stage::Prefill { self.target() - self.written } else { 0 }
    }

    /// Predicted output, never below the next token.
    #[inline]
    pub fn expected_output(&self) -> i64 {
        self.predicted.max(self.done + 1)
    }
}

/// All sequences in the system.
#[derive(Debug, Default)]
pub struct Sequences {
    slots: Vec<Sequence>,
    free: Vec<u32>,
    youngest: Option<u32>,
    oldest: Option<u32>,
    /// Of those admitted last, at one moment, the first; none when it must be looked for.
    batch_head: Option<u32>,
}

/// The ready sequences in the order in which they became ready; the first of them are active.
#[derive(Debug)]
pub struct ReadyList {
    head: u32,
    tail: u32,
    /// The first that is not active.
    pub first_paused: u32,
    /// How many are ready, active ones included.
    pub count: i64,
}

impl Default for ReadyList {
    fn default() -> Self {
        Self { head: NONE, tail: NONE, first_paused: NONE, count: 0 }
    }
}

impl Sequences {
    #[inline]
    pub fn insert(&mut self, sequence: Sequence) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = sequence;
            return slot;
        }
        self.slots.push(sequence);
        (self.slots.len() - 1) as u32
    }

    #[inline]
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

    /// The resident admitted first.
    pub fn oldest(&self) -> Option<u32> {
        self.oldest
    }

    /// Of those admitted last, at one moment, the first.
    pub fn batch_head(&mut self) -> Option<u32> {
        if self.batch_head.is_none() {
            let entered = self.get(self.youngest?).entered;
            let batch = self.residents().take_while(|(_, sequence)| sequence.entered == entered);
            self.batch_head = batch.last().map(|(slot, _)| slot);
        }
        self.batch_head
    }

    /// Makes `slot` the resident admitted last.
    #[inline]
    pub fn admit(&mut self, slot: u32, now: i128) {
        let older = self.youngest.unwrap_or(NONE);
        if older == NONE || self.get(older).entered != now {
            self.batch_head = Some(slot);
        }
        let sequence = self.get_mut(slot);
        sequence.entered = now;
        sequence.older = older;
        sequence.younger = NONE;
        if older == NONE {
            self.oldest = Some(slot);
        } else {
            self.get_mut(older).younger = slot;
        }
        self.youngest = Some(slot);
    }

    /// Takes `slot` out of the residents.
    #[inline]
    pub fn leave(&mut self, slot: u32) {
        let Sequence { older, younger, .. } = *self.get(slot);
        if self.batch_head == Some(slot) {
            self.batch_head = (younger != NONE).then_some(younger);
        }
        if older == NONE {
            self.oldest = (younger != NONE).then_some(younger);
        } else {
            self.get_mut(older).younger = younger;
        }
        if younger == NONE {
            self.youngest = (older != NONE).then_some(older);
        } else {
            self.get_mut(younger).older = older;
        }
    }

    /// Residents from the one admitted last to the first, with their slots.
    pub fn residents(&self) -> impl Iterator<Item = (u32, &Sequence)> {
        std::iter::successors(self.youngest, |&slot| Some(self.get(slot).older).filter(|&older| older != NONE))
            .map(|slot| (slot, self.get(slot)))
    }
}

impl ReadyList {
    /// Puts `slot` last.
    pub fn push(&mut self, sequences: &mut Sequences, slot: u32) {
        let sequence = sequences.get_mut(slot);
        sequence.sooner = self.tail;
        sequence.later = NONE;
        if self.tail == NONE {
            self.head = slot;
        } else {
            sequences.get_mut(self.tail).later = slot;
        }
        self.tail = slot;
        if self.first_paused == NONE {
            self.first_paused = slot;
        }
        self.count += 1;
    }

    /// Takes `slot` out.
    pub fn remove(&mut self, sequences: &mut Sequences, slot: u32) {
        let Sequence { sooner, later, .. } = *sequences.get(slot);
        if sooner == NONE {
            self.head = later;
        } else {
            sequences.get_mut(sooner).later = later;
        }
        if later == NONE {
            self.tail = sooner;
        } else {
            sequences.get_mut(later).sooner = sooner;
        }
        if self.first_paused == slot {
            self.first_paused = later;
        }
        self.count -= 1;
    }

    /// Marks the first paused one as active.
    pub fn activate(&mut self, sequences: &Sequences) {
        self.first_paused = sequences.get(self.first_paused).later;
    }

    /// The last active one, which is marked as paused.
    pub fn pause(&mut self, sequences: &Sequences) -> u32 {
        let last = if self.first_paused == NONE { self.tail } else { sequences.get(self.first_paused).sooner };
        self.first_paused = last;
        last
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
            present.push(sequences.insert(Sequence::new(id, Time::ZERO, 0, 1, 1)));
            peak = peak.max(present.len());
            // Leaves at most 1 to 40 present.
            while present.len() as u64 > 1 + (id * 7) % 40 {
                sequences.remove(present.remove(0));
            }
        }
        assert_eq!(sequences.slots.len(), peak);
        assert_eq!(sequences.slots.len(), present.len() + sequences.free.len());
    }

    /// Against a plain vector.
    #[test]
    fn the_ready_list_keeps_its_order_and_its_active_prefix() {
        let mut sequences = Sequences::default();
        let mut list = ReadyList::default();
        let mut plain: Vec<u32> = Vec::new();
        let mut active = 0;
        for step in 0..2000_u64 {
            match step * 7919 % 11 {
                0..4 => {
                    let slot = sequences.insert(Sequence::new(step, Time::ZERO, 0, 1, 1));
                    list.push(&mut sequences, slot);
                    plain.push(slot);
                }
                4..6 if !plain.is_empty() => {
                    let index = (step * 31 % plain.len() as u64) as usize;
                    let slot = plain.remove(index);
                    list.remove(&mut sequences, slot);
                    sequences.remove(slot);
                    active -= usize::from(index < active);
                }
                6..9 if active < plain.len() => {
                    list.activate(&sequences);
                    active += 1;
                }
                _ if active > 0 => {
                    assert_eq!(list.pause(&sequences), plain[active - 1]);
                    active -= 1;
                }
                _ => {}
            }
            assert_eq!(list.first_paused, plain.get(active).copied().unwrap_or(NONE));
            assert_eq!(list.count, plain.len() as i64);
        }
    }
}
