//! Queues by matrices: phase-type laws, Markovian arrivals, quasi-birth–death processes.

mod map;
mod map_m_c;
mod map_ph_1;
mod ph;
mod ph_ph_1;
mod qbd;
mod uniformization;
mod wait;

pub use map::Map;
pub use map_m_c::MapMc;
pub use map_ph_1::MapPh1;
pub use ph::PhaseType;
pub use ph_ph_1::PhPh1;
pub use qbd::{Qbd, QbdBlocks};
