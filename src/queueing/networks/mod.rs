//! Networks of queues.

mod jackson;
mod mva;

pub use jackson::Jackson;
pub use mva::Mva;
