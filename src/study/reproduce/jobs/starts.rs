//! How the LLM GPU scheduling simulator starts jobs, to show what its figures are made of. Two things are its own:
//!
//! * It looks at the queue at multiples of a time step, which it adds up in binary. A job that ends between two of them holds
//!   its GPUs until the next; so does one that ends on a multiple of which the sum falls short by a rounding.
//! * It takes the jobs that run off the free GPUs, which they have left already: it starts ⌊free/g⌋ − running jobs of g GPUs.

use serde::Deserialize;

use super::Job;
use crate::scenario::{Order, ScenarioError};
use crate::schedule::order::{self, Seen};

/// What is done otherwise than by the engine.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Starts {
    /// Jobs start at multiples of so many seconds; at any time when absent.
    #[serde(default)]
    pub step_s: Option<f64>,
    /// Whether running jobs are taken off the free GPUs once more.
    #[serde(default)]
    pub running_twice: bool,
}

impl Starts {
    /// # Errors
    /// A step that is none, jobs that differ in their GPUs, or one that takes more than the pool has: the schedule would never end.
    pub(super) fn check(self, jobs: &[Job], gpus: u64) -> Result<(), ScenarioError> {
        let wrong = |key: &str, problem: String, remedy: &str| Err(ScenarioError::at(key, problem, remedy));
        if let Some(step_s) = self.step_s.filter(|step_s| !(1e-6..=1e6).contains(step_s)) {
            return wrong("starts.step_s", format!("is `{step_s}`"), "give from 1e-6 to 1e6 seconds");
        }
        let each = jobs.first().map_or(1, |job| job.gpus);
        if let Some(other) = jobs.iter().find(|job| job.gpus != each) {
            let problem = format!("are `{each}` and `{}` beside `starts`", other.gpus);
            return wrong("gpus", problem, "give all jobs as many GPUs, or remove `starts`");
        }
        if each > gpus {
            return wrong("gpus", format!("is `{each}`, and the pool has `{gpus}`"), "give the pool more GPUs");
        }
        Ok(())
    }
}

/// When each job starts and ends. Every job takes as many GPUs as the first; nothing displaces a job that runs.
pub(super) fn spans(jobs: &[Job], gpus: u64, order: Order, starts: Starts) -> Vec<(f64, f64)> {
    let each = jobs.first().map_or(1, |job| job.gpus);
    let mut spans = vec![(f64::NAN, f64::NAN); jobs.len()];
    let (mut queue, mut running): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    let (mut now, mut arrived, mut ended) = (0.0, 0, 0);
    while ended < jobs.len() {
        let before = running.len();
        running.retain(|&job| spans[job].1 > now);
        ended += before - running.len();
        while arrived < jobs.len() && jobs[arrived].at_s <= now {
            queue.push(arrived);
            arrived += 1;
        }
        let busy = running.len() as u64;
        let mut slots = ((gpus - busy * each) / each).saturating_sub(if starts.running_twice { busy } else { 0 });
        while slots > 0
            && let Some(place) = first(jobs, &queue, order)
        {
            let job = queue.remove(place);
            spans[job] = (now, now + jobs[job].tokens as f64 / jobs[job].tokens_per_s);
            running.push(job);
            slots -= 1;
        }
        let ends = running.iter().map(|&job| spans[job].1);
        let next = ends.chain(jobs.get(arrived).map(|job| job.at_s)).fold(f64::INFINITY, f64::min);
        now = starts.step_s.map_or(next, |step_s| now + step_s);
        if now.is_infinite() {
            break;
        }
    }
    spans
}

/// The place of the job that is next.
fn first(jobs: &[Job], queue: &[usize], order: Order) -> Option<usize> {
    let key = |job: &Job| {
        let micros = job.micros() as i64;
        order::key(order, &Seen { prompt: micros, written: 0, output: 1, emitted: 0, weight: job.weight, lot: 0 })
    };
    (0..queue.len()).min_by_key(|&place| (key(&jobs[queue[place]]), queue[place]))
}

#[cfg(test)]
mod tests {
    use super::super::discriminating;
    use super::*;

    fn flows(order: Order, starts: Starts) -> (f64, f64, f64) {
        let jobs = discriminating().of_trial(1, 0);
        let spans = spans(&jobs, 16, order, starts);
        let flow = |(job, span): (&Job, &(f64, f64))| span.1 - job.at_s;
        let weighted = jobs.iter().zip(&spans).map(|both| both.0.weight * flow(both)).sum();
        let mean = jobs.iter().zip(&spans).map(flow).sum::<f64>() / jobs.len() as f64;
        (weighted, mean, spans.iter().map(|span| span.1).fold(0.0, f64::max))
    }

    fn assert_rounds_to(found: (f64, f64, f64), wanted: (f64, f64, f64)) {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(
            close(found.0, wanted.0) && close(found.1, wanted.1) && close(found.2, wanted.2),
            "{found:?}, not {wanted:?}"
        );
    }

    /// Without its two habits the other program is exact; with each of them alone, and with both, it is what arithmetic gives.
    /// 250 · .01 falls short of 2.5 when added up, so that jobs that end there free their GPUs .01 s late; 200 · .01 does not.
    #[test]
    fn each_habit_has_its_own_share() {
        let (step_s, running_twice) = (Some(0.01), true);
        let exact = Starts::default();
        let grid = Starts { step_s, ..exact };
        let twice = Starts { running_twice, ..exact };
        assert_rounds_to(flows(Order::Fcfs, exact), (336.0, 2.4, 3.0));
        assert_rounds_to(flows(Order::Fcfs, grid), (336.4, 2.402, 3.01));
        assert_rounds_to(flows(Order::Fcfs, twice), (336.0, 2.4, 3.0));
        for order in [Order::WeightedFcfs, Order::Srpt, Order::WeightedSrpt] {
            assert_rounds_to(flows(order, exact), (102.0, 1.5, 3.0));
            // The four long jobs that run from .5 on leave at 2.5; the others wait for that.
            assert_rounds_to(flows(order, twice), (108.0, 1.8, 4.5));
            assert_rounds_to(flows(order, Starts { step_s, running_twice }), (108.04, 1.802, 4.51));
        }
    }
}
