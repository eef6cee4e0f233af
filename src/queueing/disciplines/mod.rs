//! M/G/1 by another order than first come, first served.
//!
//! | served | model | sizes must be known |
//! |---|---|---|
//! | all at once, equally | [`ProcessorSharing`] | no |
//! | by class | [`Priority`] | no |
//! | shortest first, to the end | [`Sjf`] | yes |
//! | smallest size on arrival, interrupting | [`Psjf`] | yes |
//! | least left, interrupting | [`Srpt`] | yes |
//! | least attained, interrupting | [`Las`] | no |

mod las;
mod priority;
mod ps;
mod psjf;
mod quadrature;
mod queue;
mod sjf;
mod srpt;

pub use las::Las;
pub use priority::{Preemption, Priority};
pub use ps::ProcessorSharing;
pub use psjf::Psjf;
pub use sjf::Sjf;
pub use srpt::Srpt;
