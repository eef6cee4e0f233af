//! Queues whose state is a number of customers: every time in them is exponential.

mod mm1;
mod mmc;

pub use mm1::Mm1;
pub use mmc::{Mmc, erlang_b, erlang_c};
