//! Traffic: made from laws ([`generate`]), told apart and summed up.

pub mod arrival_fit;
mod bursts;
pub mod choice;
pub mod counts;
mod curve;
pub mod dependence;
mod generate;
pub mod length_fit;
pub mod lengths;
mod maximum;
pub mod summary;
pub mod words;

pub use bursts::{Bursts, Preset};
pub use choice::{LengthChoice, TrafficFit};
pub use generate::{End, Generator, TraceFormat};
pub use summary::{Summary, summarise};
