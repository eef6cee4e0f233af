//! Networks of queues.
