//! What must hold at every boundary, from counts made anew. Checked after every leap in debug builds.

use super::super::sequence::Stage;
use super::Instance;

impl Instance {
    /// Requests and KV tokens are conserved, and the caps hold.
    pub fn is_conserved(&self) -> bool {
        self.requests_are_conserved() && self.memory_is_conserved() && self.stages_are_counted()
    }

    fn requests_are_conserved(&self) -> bool {
        let totals = &self.log.totals;
        let here = self.in_system() as u64;
        totals.arrived + self.joined == totals.completed + totals.rejected + self.departed + here
            && self.queue.len() as i64 == self.waiting + self.swapped
            && self.sequences.residents().count() as i64 == self.running
            && self.running <= self.rules.residents
    }

    fn memory_is_conserved(&self) -> bool {
        let held = || self.sequences.residents().map(|(_, one)| self.held(one));
        held().sum::<i64>() == self.context
            && held().map(|tokens| self.memory.rounded(tokens)).sum::<i64>() == self.memory.allocated
            && self.memory.allocated <= self.memory.capacity
            && self.freed.as_ref().is_none_or(|freed| freed.free() + freed.allocated() == self.memory.capacity)
    }

    fn stages_are_counted(&self) -> bool {
        let of = |stage: Stage| self.sequences.residents().filter(move |(_, one)| one.stage == stage);
        let gathering: usize = self.gathering.iter().map(Vec::len).sum();
        of(Stage::Active).count() as i64 == self.active
            && of(Stage::Active).map(|(_, one)| self.held(one)).sum::<i64>() == self.active_context
            && of(Stage::Prefill).count() == self.prefilling.len()
            && of(Stage::Gathering).count() == gathering
            && of(Stage::Loading).count() == self.loading.len()
            && (!self.rules.rationed
                || (of(Stage::Active).count() + of(Stage::Ready).count()) as i64 == self.ready.count)
            && (self.rules.rationed || of(Stage::Ready).count() == 0)
    }
}
