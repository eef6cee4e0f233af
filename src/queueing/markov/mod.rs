//! Queues whose state is a number of customers: every time in them is exponential.

mod erlang;
mod mm1;
mod mmc;
mod mminf;
mod root;

pub use erlang::{erlang_b, erlang_b_real, erlang_c, erlang_c_real, servers_for_blocking, servers_for_waiting};
pub use mm1::Mm1;
pub use mmc::Mmc;
pub use mminf::MmInf;
