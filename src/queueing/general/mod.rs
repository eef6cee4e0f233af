//! One server or several, and laws of any form, first come, first served.

pub mod inversion;
mod md1;
mod mg1;

pub use md1::Md1;
pub use mg1::Mg1;
