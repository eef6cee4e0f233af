//! Orders that preempt: a waiting request takes the GPUs of running ones that stand behind it.
//!
//! A request stands where what it has done by its last iteration puts it. Of those behind the waiting one the last are displaced,
//! as few as make room, and only at the end of an iteration and all at once: one that ends an iteration before the others keeps
//! its GPUs and waits for them, so that nobody is displaced in vain. Whoever is displaced keeps its progress and joins the queue.
//!
//! While a request runs its rank never grows. Without an arrival, an end of a request or room that is being made, nothing that is
//! decided here can change, and iterations are taken together; while room is made, those who could have to give theirs go from
//! iteration to iteration.

use super::super::record::EventKind;
use super::Pool;
use super::job::Stretch;
use super::queue::Entry;

/// What happens next to the queue.
enum Turn {
    /// This one starts, its need, after these have been displaced.
    Start(i64, Entry, Vec<u32>),
    /// This one waits for the ends of iterations; these then give way.
    Await(Entry, Vec<u32>),
    Nothing,
}

impl Pool<'_> {
    /// Starts and displaces requests; then those that stand at the end of an iteration go on, but for the ones that give way.
    pub(super) fn settle(&mut self) {
        let mut kept = Vec::new();
        let mut awaited = None;
        while self.ranking.unsettled {
            match self.turn() {
                Turn::Start(need, entry, displaced) => {
                    displaced.into_iter().for_each(|slot| self.displace(slot));
                    self.queue.take_head(need);
                    self.start(entry.2);
                }
                Turn::Await(entry, giving) => {
                    kept = giving;
                    awaited = Some((entry.0, entry.1));
                    break;
                }
                Turn::Nothing => self.ranking.unsettled = false,
            }
        }
        let mut going: Vec<u32> = std::mem::take(&mut self.paused);
        going.sort_unstable_by_key(|&slot| self.jobs[slot as usize].id);
        for slot in going {
            if kept.contains(&slot) {
                self.paused.push(slot);
            } else {
                self.begin(slot);
            }
        }
        if let Some(head) = awaited {
            self.take_single_iterations(head);
        }
    }

    fn turn(&mut self) -> Turn {
        for (need, entry) in self.queue.heads() {
            if need <= self.free {
                return Turn::Start(need, entry, Vec::new());
            }
            let giving = self.giving_way(need, (entry.0, entry.1));
            if giving.is_empty() {
                continue;
            }
            let mut ready = true;
            for &slot in &giving {
                ready &= self.is_between_iterations(slot);
            }
            return if ready { Turn::Start(need, entry, giving) } else { Turn::Await(entry, giving) };
        }
        Turn::Nothing
    }

    fn rank(&self, slot: u32) -> (u64, u64) {
        let job = &self.jobs[slot as usize];
        job.rank(self.ranking.order, self.kinds[usize::from(job.class)].weight, self.now)
    }

    fn gpus_of(&self, slot: u32) -> i64 {
        self.kinds[usize::from(self.jobs[slot as usize].class)].gpus
    }

    /// The last of those behind `head`, as few as make room for `need` GPUs; nobody when all together do not.
    fn giving_way(&self, need: i64, head: (u64, u64)) -> Vec<u32> {
        let ranked = self.on_gpus().map(|slot| (self.rank(slot), slot));
        let mut behind: Vec<((u64, u64), u32)> = ranked.filter(|&(rank, _)| rank > head).collect();
        behind.sort_unstable_by(|a, b| b.cmp(a));
        let mut room = self.free;
        let mut giving = Vec::new();
        for (_, slot) in behind {
            if room >= need {
                break;
            }
            room += self.gpus_of(slot);
            giving.push(slot);
        }
        if room < need {
            return Vec::new();
        }
        // Of those taken some may be spared, the first in the order before others.
        let mut needed: Vec<u32> = Vec::new();
        for slot in giving.into_iter().rev() {
            let gpus = self.gpus_of(slot);
            if room - gpus >= need {
                room -= gpus;
            } else {
                needed.push(slot);
            }
        }
        needed
    }

    /// Whether a running request stands at the end of an iteration. Ends its iterations there.
    fn is_between_iterations(&mut self, slot: u32) -> bool {
        let stretch = &self.jobs[slot as usize].stretch;
        if stretch.steps == 0 {
            return true;
        }
        if !stretch.has_boundary_at(self.now) {
            return false;
        }
        let ended = stretch.ended_by(self.now);
        self.cut_short(slot, ended);
        self.ends.remove(&(self.now, self.jobs[slot as usize].id, slot));
        self.credit(slot, ended);
        let job = &mut self.jobs[slot as usize];
        let before = job.held();
        job.end(self.now, &self.cut);
        job.stretch = Stretch::default();
        self.held += job.held() - before;
        self.paused.push(slot);
        true
    }

    /// Lets the iterations of a request end after so many of them.
    fn cut_short(&mut self, slot: u32, steps: i64) {
        let job = &mut self.jobs[slot as usize];
        let end = |stretch: &Stretch| stretch.start + stretch.offset(stretch.steps);
        self.ends.remove(&(end(&job.stretch), job.id, slot));
        job.stretch.steps = steps;
        self.ends.insert((end(&job.stretch), job.id, slot));
        self.work.heap += 2;
    }

    /// Whoever stands behind `head` stops at the end of its iteration.
    fn take_single_iterations(&mut self, head: (u64, u64)) {
        let slots: Vec<u32> = self.ends.iter().map(|&(_, _, slot)| slot).collect();
        for slot in slots {
            let stretch = &self.jobs[slot as usize].stretch;
            let steps = stretch.ended_by(self.now) + 1;
            if steps < stretch.steps && self.rank(slot) > head {
                self.cut_short(slot, steps);
            }
        }
    }

    /// Takes its GPUs from a request at the end of an iteration.
    fn displace(&mut self, slot: u32) {
        self.paused.retain(|&other| other != slot);
        self.running -= 1;
        self.swapped += 1;
        self.free += self.gpus_of(slot);
        let job = &mut self.jobs[slot as usize];
        job.left = self.now;
        job.displaced += 1;
        let job = *job;
        self.held -= job.held();
        self.log.totals.preemptions += 1;
        self.log.totals.swap_outs += 1;
        self.log.totals.moved_tokens += i128::from(job.held());
        self.enqueue(slot);
        self.notify_event(EventKind::SwapOut, &job, -job.held());
    }
}
