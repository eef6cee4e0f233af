//! One server or several, and laws of any form, first come, first served.

mod exponential_sum;
mod flows;
mod gg1;
mod ggc;
mod gim1;
mod gimc;
pub mod inversion;
mod md1;
mod mdc;
mod mg1;
mod mg1_wait;

pub use flows::{departure_squared_cv, departure_squared_cv_near, split_squared_cv, superposed_squared_cv};
pub use gg1::Gg1;
pub use ggc::Ggc;
pub use gim1::Gim1;
pub use gimc::Gimc;
pub use md1::Md1;
pub use mdc::mdc_mean_wait_s;
pub use mg1::Mg1;
pub use mg1_wait::{Method, Mg1Wait};
