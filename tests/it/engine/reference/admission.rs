//! Step 4: who enters.

use fluidsim::scenario::{Admission, Packing, Preemption, Prompts, SequenceLimit, Trigger};

use super::System;
use super::plan::{Kind, Plan};
use super::rules::UNLIMITED;

impl System {
    /// Admits in the order of the queue as it stood before.
    pub(super) fn admit(&mut self, plan: &mut Plan) {
        let waiting = self.fresh_of_each_class();
        for head in self.queue_in_order() {
            if self.tokens_left(plan) <= 0 || self.places_left(plan) <= 0 {
                return;
            }
            if self.is_closed(head, plan, &waiting) {
                continue;
            }
            if self.fits(head, plan) || self.make_room(head, plan) {
                self.enter(head, plan);
            } else if self.rules.batch.packing == Packing::Strict {
                return;
            }
        }
    }

    /// Whether somebody would enter this iteration with nobody preempted.
    pub(super) fn would_admit(&self, plan: &Plan) -> bool {
        let waiting = self.fresh_of_each_class();
        for head in self.queue_in_order() {
            if self.tokens_left(plan) <= 0 || self.places_left(plan) <= 0 {
                return false;
            }
            if self.is_closed(head, plan, &waiting) {
                continue;
            }
            if self.fits(head, plan) {
                return true;
            }
            if self.rules.batch.packing == Packing::Strict {
                return false;
            }
        }
        false
    }

    /// How many requests of the class of each queued one, by its number, wait to enter for the first time.
    fn fresh_of_each_class(&self) -> Vec<i64> {
        let classes = self.queue.iter().map(|&index| self.requests[index].class + 1).max().unwrap_or(0);
        let fresh = |class: usize| {
            let of_class = |index: &&usize| self.requests[**index].class == class;
            self.queue.iter().filter(of_class).filter(|&&index| self.requests[index].admitted.is_none()).count() as i64
        };
        (0..classes).map(fresh).collect()
    }

    /// Whether its class may not enter now, though others may.
    fn is_closed(&self, head: usize, plan: &Plan, waiting: &[i64]) -> bool {
        let request = &self.requests[head];
        let same_class = |index: &&usize| self.requests[**index].class == request.class;
        let of_class = plan.entrants.iter().filter(same_class).count() as i64;
        let first_time = |index: &&usize| !self.requests[**index].has_been_preempted();
        let fresh = plan.entrants.iter().filter(first_time).count() as i64;
        let fresh_of_class = plan.entrants.iter().filter(first_time).filter(same_class).count() as i64;
        match self.rules.admission {
            Admission::Quota => of_class >= self.rules.quota,
            Admission::Wait | Admission::NestedWait if request.admitted.is_some() => false,
            Admission::Wait => {
                let threshold = self.rules.thresholds[request.class];
                waiting[request.class] < threshold || fresh_of_class >= threshold
            }
            Admission::NestedWait => {
                let threshold = self.rules.thresholds[0];
                waiting.iter().sum::<i64>() < threshold || fresh >= threshold
            }
            _ => false,
        }
    }

    fn fits(&self, head: usize, plan: &Plan) -> bool {
        let has_place = self.rules.batch.sequence_limit == SequenceLimit::Batch
            || (self.residents.len() as i64) < self.rules.sequences;
        has_place && self.suits(head, plan) && self.has_room(head, plan)
    }

    fn is_ready_on_entering(&self, head: usize) -> bool {
        self.rules.batch.prompts == Prompts::Present || self.requests[head].ready
    }

    /// Whether the kind of the iteration and the tokens left allow it.
    fn suits(&self, head: usize, plan: &Plan) -> bool {
        match (plan.kind, self.is_ready_on_entering(head)) {
            (Kind::Prompts, true) | (Kind::Decodes, false) => false,
            (_, true) => true,
            (_, false) => self.share(head, plan) > 0,
        }
    }

    /// The admission rule's view of memory.
    fn has_room(&self, head: usize, plan: &Plan) -> bool {
        let Some(memory) = self.rules.memory else { return true };
        let request = &self.requests[head];
        let need = self.rules.blocks(request.target() + 1);
        let greedy = self.after(plan) + need <= memory;
        if self.residents.is_empty() {
            return greedy;
        }
        match self.rules.admission {
            Admission::Greedy | Admission::Quota | Admission::Wait | Admission::NestedWait => greedy,
            Admission::Reserve => {
                let peak =
                    |index: usize| self.rules.blocks(self.requests[index].target() + self.requests[index].remaining());
                let peaks: i64 = self.residents.iter().map(|&index| peak(index)).sum();
                greedy && peaks + peak(head) <= memory
            }
            Admission::LookAhead => greedy && self.fits_at_completions(head, memory),
            Admission::Threshold => {
                greedy && (self.allocated(plan) as f64) < self.rules.threshold_share * memory as f64
            }
            Admission::Watermark => {
                let kept = (self.rules.watermark_share * memory as f64).ceil() as i64;
                self.after(plan) + need <= memory - kept
            }
        }
    }

    /// What is allocated now, entrants counted with their targets.
    fn allocated(&self, plan: &Plan) -> i64 {
        let of = |index: usize| {
            let request = &self.requests[index];
            self.rules.blocks(if plan.entrants.contains(&index) { request.target() } else { request.held })
        };
        self.residents.iter().map(|&index| of(index)).sum()
    }

    /// What residents and entrants will have allocated at the end of the iteration.
    fn after(&self, plan: &Plan) -> i64 {
        if self.rules.trigger == Trigger::Aggressive { self.allocated(plan) } else { self.planned(plan) }
    }

    /// Whether memory suffices whenever one of the residents is predicted to complete, until the head does.
    fn fits_at_completions(&self, head: usize, memory: i64) -> bool {
        let remaining = |index: usize| self.requests[index].remaining();
        let waste = self.rules.block - 1;
        let holds = |index: usize, time: i64| self.requests[index].target() + time + waste;
        let mut times: Vec<i64> = self.residents.iter().map(|&index| remaining(index)).collect();
        times.retain(|&time| time <= remaining(head));
        times.push(remaining(head));
        times.into_iter().all(|time| {
            let lasting = self.residents.iter().filter(|&&index| remaining(index) >= time);
            lasting.map(|&index| holds(index, time)).sum::<i64>() + holds(head, time) <= memory
        })
    }

    /// Preempts residents that stand behind the head, as few as let it in; none if that is not enough.
    fn make_room(&mut self, head: usize, plan: &mut Plan) -> bool {
        if !self.rules.allow_waiting_preempt || self.rules.preemption == Preemption::None || !self.suits(head, plan) {
            return false;
        }
        let mut behind = self.residents_behind(head);
        behind.retain(|&index| !plan.entrants.contains(&index) && self.requests[index].on_its_way.is_none());
        let residents = self.residents.clone();
        let mut without = plan.clone();
        for (count, &index) in behind.iter().enumerate() {
            self.residents.retain(|&other| other != index);
            without.remove(index);
            if self.fits(head, &without) {
                self.residents = residents;
                behind[..=count].iter().for_each(|&victim| self.preempt(victim));
                *plan = without;
                return true;
            }
        }
        self.residents = residents;
        false
    }

    /// Somebody becomes resident.
    fn enter(&mut self, head: usize, plan: &mut Plan) {
        let ready = self.is_ready_on_entering(head);
        self.queue.retain(|&index| index != head);
        self.residents.push(head);
        self.entered += 1;
        plan.entrants.push(head);
        let arrives = self.move_in(head);
        let now = self.now;
        let request = &mut self.requests[head];
        request.admitted = request.admitted.or(Some(now));
        request.entered = now;
        if ready {
            request.ready = true;
            request.held = request.target();
        }
        if arrives > now {
            request.on_its_way = Some(arrives);
        } else if ready {
            let advancing = self.decoding.iter().filter(|&&index| !self.stands(index));
            let all_advance = advancing.clone().all(|index| plan.decodes.contains(index));
            self.decoding.push(head);
            if all_advance && !self.stands(head) {
                plan.decodes.push(head);
                plan.ready_entrants += 1;
            }
        } else {
            let share = self.share(head, plan);
            assert!(0 < share && share < UNLIMITED);
            plan.shares.push((head, share));
        }
    }
}
