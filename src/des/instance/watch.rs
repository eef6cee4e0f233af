//! Who looks on.

use super::super::record::{Event, Observer, RequestRecord};

/// An observer, if there is one, with what it wants to see.
pub struct Watch<'a> {
    pub observer: Option<&'a mut dyn Observer>,
    pub events: bool,
    pub steps: bool,
    pub queues: bool,
}

impl<'a> Watch<'a> {
    pub fn new(observer: Option<&'a mut dyn Observer>) -> Self {
        let events = observer.as_ref().is_some_and(|observer| observer.wants_events());
        let steps = observer.as_ref().is_some_and(|observer| observer.wants_steps());
        let queues = steps && observer.as_ref().is_some_and(|observer| observer.wants_queues());
        Self { observer, events, steps, queues }
    }

    #[inline]
    pub fn request(&mut self, record: &RequestRecord) {
        if let Some(observer) = self.observer.as_deref_mut() {
            observer.request(record);
        }
    }

    pub fn event(&mut self, event: &Event) {
        if let Some(observer) = self.observer.as_deref_mut() {
            observer.event(event);
        }
    }
}
