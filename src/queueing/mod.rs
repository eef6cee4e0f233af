//! Queueing theory, one file per formula, each with its reference. Knows nothing of LLMs.
//!
//! Times are in seconds, rates per second, and a model that has no stationary answer is an error that tells how fast it grows
//! ([`QueueError::Unstable`]), never an infinity or a NaN. Approximations say so in their names' module.
//!
//! | folder | models |
//! |---|---|
//! | [`markov`] | M/M/1, M/M/1/K, M/M/c, M/M/c/K, M/M/∞, Erlang's B and C, Erlang A, Halfin and Whitt |
//! | [`general`] | M/G/1, GI/M/1, GI/M/c, approximations of G/G/1 and G/G/c, inversion of transforms |
//! | [`disciplines`] | M/G/1 by another order than first come, first served |
//! | [`matrix`] | phase-type laws, Markovian arrivals, quasi-birth–death processes |
//! | [`fit`] | phase-type laws from moments and from data |
//! | [`batch`] | service in batches |
//! | [`sharing`] | processors shared by all who are present |
//! | [`transient`] | what happens before the stationary state |
//! | [`networks`] | Jackson networks, mean value analysis, closed networks |

pub mod batch;
mod birth_death;
pub mod disciplines;
mod error;
pub mod fit;
pub mod general;
mod law;
pub mod markov;
pub mod matrix;
pub mod networks;
mod normal;
mod root;
pub mod sharing;
pub mod transient;

pub use birth_death::BirthDeath;
pub use error::QueueError;
pub use law::{Law, Shape};
