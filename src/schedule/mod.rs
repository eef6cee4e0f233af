//! The rules themselves, written once and used by both solvers: how a batch's token budget is shared, who is admitted, who is
//! preempted, which instance a request goes to. Whole numbers for the engine, reals for the fluid.

pub mod admission;
pub mod assignment;
pub mod budget;
pub mod capacity;
pub mod order;
pub mod routing;
#[cfg(test)]
mod testing;
pub mod victim;
