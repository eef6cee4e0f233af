//! From the first arrival to the last completion of a run, seen beside another observer.

use crate::des::{Event, Observer, Queues, RequestRecord, StepRecord};
use crate::scenario::Time;

/// Watches the first arrival and the last completion, and hands everything on.
pub struct Makespan<'a> {
    inner: Option<&'a mut dyn Observer>,
    first: Option<Time>,
    last: Option<Time>,
    all_finished: bool,
}

impl<'a> Makespan<'a> {
    /// Beside `inner`, if there is one.
    pub fn beside(inner: Option<&'a mut dyn Observer>) -> Self {
        Self { inner, first: None, last: None, all_finished: true }
    }

    /// The seconds between; none when a request was left unfinished.
    pub fn seconds(&self) -> Option<f64> {
        let (first, last) = self.first.zip(self.last).filter(|_| self.all_finished)?;
        Some((last - first).seconds())
    }
}

impl Observer for Makespan<'_> {
    fn request(&mut self, request: &RequestRecord) {
        self.first = Some(self.first.map_or(request.arrival, |first| first.min(request.arrival)));
        self.last = self.last.max(request.completed);
        self.all_finished &= request.completed.is_some() || request.rejected.is_some();
        if let Some(inner) = &mut self.inner {
            inner.request(request);
        }
    }

    fn step(&mut self, step: &StepRecord) {
        if let Some(inner) = &mut self.inner {
            inner.step(step);
        }
    }

    fn wants_steps(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.wants_steps())
    }

    fn event(&mut self, event: &Event) {
        if let Some(inner) = &mut self.inner {
            inner.event(event);
        }
    }

    fn wants_events(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.wants_events())
    }

    fn queues(&mut self, step: &StepRecord, queues: &Queues<'_>) {
        if let Some(inner) = &mut self.inner {
            inner.queues(step, queues);
        }
    }

    fn wants_queues(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.wants_queues())
    }
}
