//! One server and laws of any form, first come, first served.

mod mg1;

pub use mg1::Mg1;
