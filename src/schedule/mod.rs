//! The rules themselves, written once and used by both solvers: how a batch's token budget is shared, who is admitted, who is
//! preempted. Whole numbers for the engine, reals for the fluid.

pub mod admission;
pub mod budget;
pub mod order;
pub mod victim;
pub mod wait;
