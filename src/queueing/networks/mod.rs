//! Networks of queues.

mod closed;
mod jackson;
mod mva;

pub use closed::Closed;
pub use jackson::Jackson;
pub use mva::Mva;
