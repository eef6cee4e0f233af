//! Networks of queues.

mod bounds;
mod closed;
mod jackson;
mod mva;

pub use bounds::asymptotic_bounds;
pub use closed::Closed;
pub use jackson::Jackson;
pub use mva::Mva;
