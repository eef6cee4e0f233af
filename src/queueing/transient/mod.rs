//! What happens before the stationary state.

mod mm1;
mod mmc_diffusion;
mod mmc_fluid;
mod mtminf;

pub use mm1::Mm1At;
pub use mmc_diffusion::MmcDiffusion;
pub use mmc_fluid::MmcFluid;
pub use mtminf::{mean_under_rate, sinusoidal_mean, stepwise_mean};
