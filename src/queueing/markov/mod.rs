//! Queues whose state is a number of customers: every time in them is exponential.

mod erlang;
mod erlang_a;
mod geometric;
mod halfin_whitt;
mod mm1;
mod mm1k;
mod mmc;
mod mmck;
mod mminf;
mod root;

pub use erlang::{erlang_b, erlang_b_real, erlang_c, erlang_c_real, servers_for_blocking, servers_for_waiting};
pub use erlang_a::ErlangA;
pub use halfin_whitt::{halfin_whitt_beta, halfin_whitt_delay, halfin_whitt_wait_probability, square_root_staffing};
pub use mm1::Mm1;
pub use mm1k::Mm1k;
pub use mmc::Mmc;
pub use mmck::Mmck;
pub use mminf::MmInf;
