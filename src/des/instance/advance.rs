//! Letting time pass: how many iterations the batch stays the same, what they add up to, who has finished.

use std::cmp::Reverse;

use super::super::objectives::{Finished, tally};
use super::super::record::{EventKind, Queues, RequestRecord, StepRecord};
use super::super::sequence::{NOT_YET, Sequence, Stage, UNMEASURED};
use super::batch::{Kind, Share};
use super::{Instance, Watch};
use crate::cost::{Work, prefill_pairs};
use crate::scenario::trace::Blocks;
use crate::scenario::{BudgetCounts, MixedCost, Time};

/// The iterations that are under way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plan {
    /// How many.
    pub steps: i64,
    /// τ of the first.
    first: i128,
    /// By how much τ grows from one to the next.
    growth: i128,
    /// KV tokens of all residents at the end of the first.
    context: i64,
}

/// A request that leaves for another instance after its prompt.
#[derive(Debug, Clone, Copy)]
pub struct Departure {
    pub sequence: Sequence,
    pub time: i128,
}

impl Instance {
    /// Plans the iterations of the batch that has been formed: one, or as many as it is sure to stay the same until `cut` and, where
    /// an arrival could change it, until `arrival`.
    pub fn plan(&mut self, arrival: i128, cut: i128) {
        let decodes = self.decodes();
        let (prompt_context, written) = self.prompt_contexts();
        let decode_context = if decodes > 0 { self.active_context + decodes } else { 0 };
        let prompt_tokens = self.batch.prefill_tokens;
        let pairs = if self.step.mean.counts_pairs() { self.prompt_pairs() } else { 0 };
        let swaps = if self.batch.moved == 0 {
            0
        } else {
            i128::from(self.batch.moved) * self.rules.swap_latency
                + i128::from(self.batch.moved_tokens) * self.rules.swap_per_token
        };
        let sequences = self.batch.prefills.len() as i64;
        let prompts = Work { sequences, ..Work::of_prompt(prompt_tokens, prompt_context, pairs) };
        let decoding = Work::of_decodes(decodes, decode_context);
        let tau = match self.rules.batch.mixed_cost {
            MixedCost::Max if decodes > 0 && prompt_tokens > 0 => {
                let prompts = self.step.draw(&prompts, &mut self.noise);
                prompts.max(self.step.draw(&decoding, &mut self.noise))
            }
            _ => self.step.draw(&prompts.plus(&decoding), &mut self.noise),
        };
        let alone = self.batch.prefills.is_empty() && self.irregular.is_empty() && swaps == 0;
        let mut plan = Plan { steps: 1, first: tau + swaps, growth: 0, context: self.context + decodes + written };
        if self.rules.leap && alone && !self.is_unsettled() {
            plan.growth = self.step.mean.growth(&decoding);
            let arrival = if self.batch.open { arrival } else { Time::NEVER.0 };
            let loaded = self.loading.front().map_or(Time::NEVER.0, |&(time, _)| time);
            let most = self.most_steps(decodes).min(self.step.mean.straight_steps(&decoding));
            plan.steps = steps_to_reach(arrival.min(cut).min(loaded) - self.now, plan.first, plan.growth, most);
        }
        self.plan = plan;
    }

    /// KV of the prompts of the batch at the end of the iteration, and how much more that is than now.
    fn prompt_contexts(&self) -> (i64, i64) {
        let sum = |(context, written): (i64, i64), share: &Share| {
            let held = self.held_after(share.slot, share.tokens);
            (context + held, written + held - self.sequences.get(share.slot).written)
        };
        self.batch.prefills.iter().fold((0, 0), sum)
    }

    /// Pairs of prompt tokens that the iteration attends to.
    fn prompt_pairs(&self) -> i64 {
        let of = |share: &Share| prefill_pairs(self.sequences.get(share.slot).written, share.tokens);
        self.batch.prefills.iter().map(of).sum()
    }

    /// Iterations until somebody finishes, the memory is full, or the context outgrows the budget.
    fn most_steps(&self, decodes: i64) -> i64 {
        let mut steps = self.finishing.peek().map_or(1, |entry| entry.0.0 - self.tick).max(1);
        if self.rules.can_run_out {
            steps = steps.min(self.memory.steps_until_full(self.tick).max(1));
        }
        if self.rules.batch.budget_counts == BudgetCounts::Context && decodes > 1 {
            steps = steps.min(((self.rules.budget - self.active_context) / decodes).max(1));
        }
        steps
    }

    /// When the iterations under way end.
    pub fn end(&self) -> i128 {
        self.now + total(&self.plan, self.plan.steps)
    }

    /// Ends the iterations under way at the first boundary at or after `time`.
    pub fn cut_short(&mut self, time: i128) {
        let Plan { steps, first, growth, .. } = self.plan;
        if steps > 1 {
            self.plan.steps = steps_to_reach(time - self.now, first, growth, steps);
        }
    }

    /// Whether an arrival could change the iteration after those under way.
    pub fn is_open(&self) -> bool {
        self.batch.open
    }

    /// Ends the iterations under way.
    pub fn commit(&mut self, watch: &mut Watch<'_>) {
        let plan = self.plan;
        let duration = total(&plan, plan.steps);
        let decodes = self.decodes();
        self.account(&plan, duration, decodes);
        if watch.steps {
            self.notify_step(&plan, duration, decodes, watch);
        }
        self.now += duration;
        self.last_start = self.now - plan.first - plan.growth * i128::from(plan.steps - 1);
        self.pressed &= duration == 0;
        self.steps += plan.steps;
        self.work.leaps += 1;
        (self.batch.moved, self.batch.moved_tokens) = (0, 0);
        if decodes > 0 {
            self.memory.allocated += self.memory.growth(self.tick, plan.steps);
            self.context += decodes * plan.steps;
            self.active_context += decodes * plan.steps;
            self.tick += plan.steps;
            self.end_irregular_gaps();
        }
        if self.batch.kind != Kind::Prompts {
            self.last_decode = self.now;
        }
        self.finish_prefills(watch);
        self.stop_due(watch);
    }

    /// Adds the iterations to the totals. With τ_j = first + j·growth and C_j = context + j·decodes all sums are polynomials
    /// in the number of iterations, so that leaping changes no bit.
    fn account(&mut self, plan: &Plan, duration: i128, decodes: i64) {
        let steps = plan.steps;
        let totals = &mut self.log.totals;
        totals.steps += steps as u64;
        totals.tokens += i128::from((decodes + self.batch.prefill_tokens) * steps);
        totals.prefill_tokens += i128::from(self.batch.prefill_tokens);
        totals.busy += duration;
        totals.waiting += duration * i128::from(self.waiting);
        totals.running += duration * i128::from(self.running);
        totals.swapped += duration * i128::from(self.swapped);
        totals.kv += duration * i128::from(plan.context);
        if steps > 1 {
            let pairs = pairs(steps);
            totals.kv += (plan.first * pairs + plan.growth * squares(steps)) * i128::from(decodes);
        }
        let regular = decodes - self.irregular.len() as i64;
        if regular > 0 {
            let stall = self.now - self.last_decode;
            if let Some(window) = self.log.open_window() {
                if stall == 0 {
                    window.gaps.add_progression(plan.first, plan.growth, steps, regular as u64);
                } else {
                    window.gaps.add(plan.first + stall, regular as u64);
                    if steps > 1 {
                        window.gaps.add_progression(plan.first + plan.growth, plan.growth, steps - 1, regular as u64);
                    }
                }
            }
        }
    }

    /// Time passes without an iteration.
    pub fn idle_until(&mut self, time: i128) {
        let duration = time - self.now;
        if duration > 0 {
            let totals = &mut self.log.totals;
            totals.waiting += duration * i128::from(self.waiting);
            totals.running += duration * i128::from(self.running);
            totals.swapped += duration * i128::from(self.swapped);
            totals.kv += duration * i128::from(self.context);
            self.now = time;
            self.pressed = false;
        }
    }

    /// When something happens here by itself although no iteration is under way.
    pub fn next_by_itself(&self) -> i128 {
        self.loading.front().map_or(Time::NEVER.0, |&(time, _)| time)
    }

    /// Those whose last token is not that of the iteration before have a gap of their own; it ends now.
    fn end_irregular_gaps(&mut self) {
        let now = self.now;
        while let Some(slot) = self.irregular.pop() {
            let sequence = self.sequences.get_mut(slot);
            if sequence.first_token == NOT_YET {
                sequence.first_token = now;
            } else {
                let gap = now - sequence.last_token;
                self.add_gap(gap);
            }
        }
    }

    fn add_gap(&mut self, gap: i128) {
        if let Some(window) = self.log.open_window() {
            window.gaps.add(gap, 1);
        }
    }

    fn notify_step(&mut self, plan: &Plan, duration: i128, decodes: i64, watch: &mut Watch<'_>) {
        let record = StepRecord {
            step: self.steps as u64,
            instance: self.index,
            start: Time(self.now),
            duration: Time(duration),
            decodes,
            prefills: self.batch.prefills.len() as i64,
            prefill_tokens: self.batch.prefill_tokens,
            running: self.running,
            waiting: self.waiting,
            swapped: self.swapped,
            kv_tokens: plan.context,
        };
        let Some(observer) = watch.observer.as_deref_mut() else { return };
        observer.step(&record);
        if watch.queues {
            let id = |slot: u32| self.sequences.get(slot).id;
            let (swapped, waiting): (Vec<u32>, Vec<u32>) =
                self.queue.slots().partition(|&slot| self.sequences.get(slot).preemptions > 0);
            let mut running: Vec<u64> = self.sequences.residents().map(|(slot, _)| id(slot)).collect();
            running.reverse();
            let waiting: Vec<u64> = waiting.into_iter().map(id).collect();
            let swapped: Vec<u64> = swapped.into_iter().map(id).collect();
            observer.queues(&record, &Queues { waiting: &waiting, running: &running, swapped: &swapped });
        }
    }

    /// Writes the shares; a finished prompt emits a token, or not, and stands ready.
    fn finish_prefills(&mut self, watch: &mut Watch<'_>) {
        let emits = self.prefill_emits();
        for index in 0..self.batch.prefills.len() {
            let Share { slot, tokens, ends } = self.batch.prefills[index];
            let now = self.now;
            let held = self.held_after(slot, tokens);
            let sequence = self.sequences.get_mut(slot);
            let before = sequence.written;
            sequence.written += tokens;
            self.memory.allocated += self.memory.rounded(held) - self.memory.rounded(before);
            self.context += held - before;
            if !ends {
                continue;
            }
            self.prefilling.retain(|&other| other != slot);
            sequence.written = 0;
            if let Some((cache, trace)) = &mut self.cache {
                let (start, count) = sequence.hashes;
                cache.insert(trace.hashes(Blocks { start, count }));
            }
            if !emits {
                if self.rules.hands_over {
                    self.depart(slot);
                } else {
                    self.make_ready(slot, false);
                }
                continue;
            }
            sequence.done += 1;
            let last = sequence.last_token;
            sequence.last_token = now;
            if sequence.first_token == NOT_YET {
                sequence.first_token = now;
            } else {
                self.add_gap(now - last);
            }
            self.go_on(slot, watch);
        }
    }

    /// A sequence that has emitted a token at the end of its prompt decodes, waits at the end of a segment, leaves for the decode
    /// pool, or is complete.
    fn go_on(&mut self, slot: u32, watch: &mut Watch<'_>) {
        let sequence = self.sequences.get(slot);
        if sequence.done == sequence.output {
            self.complete(slot, watch);
        } else if self.rules.hands_over {
            self.depart(slot);
        } else {
            self.make_ready(slot, self.batch.kind == Kind::Mixed);
        }
    }

    /// Stops the sequences that have emitted their last token or have reached the end of a segment. The entry of a sequence that was
    /// stopped in the meantime is outdated: nobody in its slot advances and is due then.
    fn stop_due(&mut self, watch: &mut Watch<'_>) {
        while let Some(&Reverse((due, slot))) = self.finishing.peek()
            && due <= self.tick
        {
            self.finishing.pop();
            self.work.heap += 1;
            let sequence = self.sequences.get(slot);
            if sequence.stage != Stage::Active {
                continue;
            }
            let emitted = self.tick - sequence.origin;
            if emitted == sequence.output {
                let held = sequence.prompt + sequence.output;
                self.memory.count_decoder(held, self.tick, -1);
                self.active -= 1;
                self.active_context -= held;
                if self.rules.rationed {
                    self.ready.remove(&mut self.sequences, slot);
                }
                self.complete(slot, watch);
            } else if sequence.passed < emitted && self.rules.segments.contains(&emitted) {
                self.deactivate(slot);
                self.ready.remove(&mut self.sequences, slot);
                self.gather(slot);
            }
        }
    }

    /// Lets a resident stand at the end of its segment.
    pub(super) fn gather(&mut self, slot: u32) {
        let sequence = self.sequences.get_mut(slot);
        sequence.stage = Stage::Gathering;
        if let Some(segment) = self.rules.segments.iter().position(|&end| end == sequence.done) {
            self.gathering[segment].push(slot);
        }
    }

    fn complete(&mut self, slot: u32, watch: &mut Watch<'_>) {
        let sequence = self.sequences.get(slot);
        let held = sequence.prompt + sequence.output;
        self.release(slot, held);
        self.finish(slot, watch);
    }

    /// Counts and reports a request that is complete and holds nothing any more.
    #[inline]
    pub(super) fn finish(&mut self, slot: u32, watch: &mut Watch<'_>) {
        let sequence = self.sequences.get(slot);
        let (held, output, measured) =
            (sequence.prompt + sequence.output, sequence.output, sequence.window != UNMEASURED);
        let totals = &mut self.log.totals;
        totals.completed += 1;
        self.log.last_completion = self.now;
        if measured {
            self.measure(slot);
        }
        if watch.observer.is_some() {
            let record = self.record(self.sequences.get(slot));
            watch.request(&RequestRecord { completed: Some(Time(self.now)), ..record });
            if watch.events {
                let stored = self.sequences.get_mut(slot);
                (stored.stage, stored.done) = (Stage::Ready, output);
                self.tell(EventKind::Completion, slot, -held, watch);
            }
        }
        self.sequences.get_mut(slot).stage = Stage::Prefill;
        self.sequences.remove(slot);
    }

    /// Adds a finished request to the window in which it arrived.
    #[inline]
    fn measure(&mut self, slot: u32) {
        let sequence = self.sequences.get(slot);
        let request = Finished {
            class: sequence.class,
            prompt: sequence.prompt,
            output: sequence.output,
            ttft: sequence.first_token - sequence.arrival,
            e2e: self.now - sequence.arrival,
        };
        let window = &mut self.log.windows[sequence.window as usize];
        tally(window, &request, self.rules.objectives.as_deref());
        self.log.outstanding -= 1;
    }

    /// Hands a request with a finished prompt over to the decode pool; its KV leaves with it.
    fn depart(&mut self, slot: u32) {
        let sequence = *self.sequences.get(slot);
        self.release(slot, sequence.target());
        if sequence.window != UNMEASURED {
            self.log.outstanding -= 1;
        }
        self.departures.push(Departure { sequence, time: self.now });
        self.departed += 1;
        self.sequences.get_mut(slot).stage = Stage::Prefill;
        self.sequences.remove(slot);
    }

    /// Frees what a resident holds and takes it out.
    #[inline]
    fn release(&mut self, slot: u32, held: i64) {
        let sequence = self.sequences.get(slot);
        self.left_tokens += sequence.prompt + sequence.predicted;
        if let Some(freed) = &mut self.freed {
            freed.give_back(self.memory.allocated, self.memory.rounded(held), None);
        }
        self.memory.allocated -= self.memory.rounded(held);
        self.context -= held;
        if self.rules.admission == crate::scenario::Admission::Reserve {
            let sequence = self.sequences.get(slot);
            self.reserved -= self.memory.rounded(sequence.prompt + sequence.output);
        }
        self.running -= 1;
        self.sequences.leave(slot);
    }
}

/// 0 + 1 + … + (steps − 1). No run of iterations is longer than the longest output, so that the product is a word.
#[inline]
fn pairs(steps: i64) -> i128 {
    i128::from(steps * (steps - 1) / 2)
}

/// 0 + 1 + 4 + … + (steps − 1)².
#[inline]
fn squares(steps: i64) -> i128 {
    if steps <= 1_000_000 {
        return i128::from(steps * (steps - 1) * (2 * steps - 1) / 6);
    }
    pairs(steps) * i128::from(2 * steps - 1) / 3
}

/// Time that the first `steps` iterations of a plan take together.
#[inline]
fn total(plan: &Plan, steps: i64) -> i128 {
    if steps == 1 { plan.first } else { plan.first * i128::from(steps) + plan.growth * pairs(steps) }
}

/// The smallest number of iterations, at least 1 and at most `most`, whose total time reaches `distance`; τ_j = first + j·growth.
#[inline]
fn steps_to_reach(distance: i128, first: i128, growth: i128, most: i64) -> i64 {
    let total = |steps: i64| first * i128::from(steps) + growth * pairs(steps);
    if distance > total(most) {
        return most;
    }
    let (x, g) = (Time(distance).attos(), Time(growth).attos());
    let a = Time(first).attos() - g / 2.0;
    let estimate = 2.0 * x / (a + (a * a + 2.0 * g * x).sqrt());
    let mut steps = (estimate as i64 + 1).clamp(1, most);
    while steps > 1 && total(steps - 1) >= distance {
        steps -= 1;
    }
    while steps < most && total(steps) < distance {
        steps += 1;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_to_reach_is_the_smallest_number_that_does() {
        for (first, growth) in [(10, 0), (7, 3), (1_000_000, 1), (5, 1_000)] {
            for distance in [-5, 0, 1, 10, 11, 99, 100_000, 123_456_789] {
                let steps = steps_to_reach(distance, first, growth, 1_000_000);
                let total = |n: i128| first * n + growth * (n * (n - 1) / 2);
                let n = i128::from(steps);
                assert!(total(n) >= distance || steps == 1_000_000);
                assert!(steps == 1 || total(n - 1) < distance);
            }
        }
    }
}
