//! Processors shared by all who are present.

mod linear;
mod state_dependent;

pub use linear::LinearSharing;
pub use state_dependent::StateDependent;
