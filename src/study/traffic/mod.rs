//! Traffic: made from laws ([`generate`]), told apart and summed up.

mod bursts;
mod generate;
pub mod words;

pub use bursts::{Bursts, Preset};
pub use generate::{End, Generator, TraceFormat};
