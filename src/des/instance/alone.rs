//! An instance with one place, and a request whose life is one iteration: the queues of queueing theory. The request is served
//! without becoming a resident; what is written down is what `form`, `plan` and `commit` would write.

use super::{Instance, Watch};
use crate::cost::{Work, prefill_pairs};

impl Instance {
    /// Serves the head of the queue if it is such a request and the place is free; `false` when nothing was done. Nobody may want
    /// to see single iterations or events.
    #[inline]
    pub fn serve_alone(&mut self, watch: &mut Watch<'_>) -> bool {
        if self.running > 0 {
            return false;
        }
        let Some((place, slot)) = self.queue.first() else { return false };
        let sequence = self.sequences.get(slot);
        let tokens = sequence.prompt;
        if sequence.output > 1 || tokens > self.rules.longest_share() {
            return false;
        }
        self.queue.take(place);
        self.waiting -= 1;
        self.admissions += 1;
        self.work.looks += 1;
        self.work.leaps += 1;
        self.steps += 1;
        let duration = self.step.draw(&Work::of_prompt(tokens, tokens + 1, prefill_pairs(0, tokens)), &mut self.noise);
        let totals = &mut self.log.totals;
        totals.steps += 1;
        totals.tokens += i128::from(tokens);
        totals.prefill_tokens += i128::from(tokens);
        totals.busy += duration;
        totals.waiting += duration * i128::from(self.waiting);
        totals.running += duration;
        totals.kv += duration * i128::from(tokens + 1);
        self.last_start = self.now;
        self.now += duration;
        self.last_decode = self.now;
        let sequence = self.sequences.get_mut(slot);
        sequence.admitted = self.last_start;
        sequence.first_token = self.now;
        self.left_tokens += tokens + sequence.predicted;
        self.finish(slot, watch);
        true
    }
}
