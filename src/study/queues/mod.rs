//! Queueing models by name: what theory says, what a simulation says beside it, and whether the two agree.
//!
//! [`catalogue`] holds every model of the queueing library. Parameters come as words ([`Parameters`]), answers as quantities with unit and method
//! ([`Answer`]); `plain` holds small simulations, apart from the engine.

pub mod answer;
pub mod catalogue;
mod class;
pub mod engine;
mod families;
mod law;
pub mod measured;
mod parameters;
mod phases;
mod plain;
mod problem;
pub mod question;

pub use answer::{Answer, Method, Quantity};
pub use catalogue::{Kind, Model, Parameter};
pub use parameters::Parameters;
pub use problem::QueueProblem;
pub use question::{Findings, Simulation};
