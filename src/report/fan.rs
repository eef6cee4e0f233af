//! One run shown to several observers.

use crate::des::{Event, Observer, Queues, RequestRecord, StepRecord};

/// Hands everything on to each; each leaves aside what it did not ask for.
#[derive(Default)]
pub struct Fan<'a> {
    observers: Vec<&'a mut dyn Observer>,
}

impl<'a> Fan<'a> {
    /// One more observer.
    pub fn add(&mut self, observer: &'a mut dyn Observer) {
        self.observers.push(observer);
    }

    /// Whether nobody watches.
    pub fn is_empty(&self) -> bool {
        self.observers.is_empty()
    }
}

impl Observer for Fan<'_> {
    fn request(&mut self, request: &RequestRecord) {
        self.observers.iter_mut().for_each(|observer| observer.request(request));
    }

    fn step(&mut self, step: &StepRecord) {
        self.observers.iter_mut().filter(|observer| observer.wants_steps()).for_each(|observer| observer.step(step));
    }

    fn wants_steps(&self) -> bool {
        self.observers.iter().any(|observer| observer.wants_steps())
    }

    fn event(&mut self, event: &Event) {
        self.observers.iter_mut().filter(|observer| observer.wants_events()).for_each(|observer| observer.event(event));
    }

    fn wants_events(&self) -> bool {
        self.observers.iter().any(|observer| observer.wants_events())
    }

    fn queues(&mut self, step: &StepRecord, queues: &Queues<'_>) {
        let asking = self.observers.iter_mut().filter(|observer| observer.wants_queues());
        asking.for_each(|observer| observer.queues(step, queues));
    }

    fn wants_queues(&self) -> bool {
        self.observers.iter().any(|observer| observer.wants_queues())
    }
}
