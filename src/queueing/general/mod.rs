//! One server or several, and laws of any form, first come, first served.

mod exponential_sum;
mod gim1;
mod gimc;
pub mod inversion;
mod md1;
mod mg1;
mod mg1_wait;

pub use gim1::Gim1;
pub use gimc::Gimc;
pub use md1::Md1;
pub use mg1::Mg1;
pub use mg1_wait::{Method, Mg1Wait};
