//! What happens before the stationary state.

mod mm1;
mod mmc_fluid;
mod mtminf;

pub use mm1::Mm1At;
pub use mmc_fluid::MmcFluid;
pub use mtminf::sinusoidal_mean;
