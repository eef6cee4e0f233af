//! Closed forms of queueing theory, one file each. Knows nothing of LLMs.

pub mod birth_death;
pub mod bulk;
mod error;
pub mod mg1;
pub mod mm1;
pub mod mmc;

pub use birth_death::BirthDeath;
pub use bulk::Bulk;
pub use error::QueueError;
pub use mg1::Mg1;
pub use mm1::Mm1;
pub use mmc::Mmc;
