//! Whole questions people ask: simulate with intervals, compare the two answers, find the boundary, sweep a parameter.

pub mod calibrate;
pub mod compare;
pub mod dynamics;
pub mod gate;
mod operations;
pub mod plan;
pub mod queues;
pub mod reproduce;
pub mod scale;
pub mod simulate;
pub mod stability;
mod summary;
pub mod sweep;
pub mod trials;
pub mod validate;

pub use summary::CONFIDENCE;
