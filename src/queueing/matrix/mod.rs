//! Queues by matrices: phase-type laws, Markovian arrivals, quasi-birth–death processes.

mod ph;
mod uniformization;

pub use ph::PhaseType;
