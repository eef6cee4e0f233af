//! Queues by matrices: phase-type laws, Markovian arrivals, quasi-birth–death processes.

mod map;
mod ph;
mod qbd;
mod uniformization;

pub use map::Map;
pub use ph::PhaseType;
pub use qbd::{Qbd, QbdBlocks};
