//! What a user sees of `fluidsim` from outside: one test binary, one file per behaviour.

// A helper of a test may fail as loudly as the test itself.
#![allow(clippy::unwrap_used)]

mod agreement;
mod bad_input;
mod calibrate;
mod contract;
mod determinism;
mod engine;
mod exclusive_laws;
mod exit_codes;
mod experiment;
mod formats;
mod house;
mod judge;
mod latex;
mod limits;
mod mixed_laws;
mod models;
mod paper;
mod pictures;
mod policies;
mod queue;
mod readme;
mod real_traffic;
mod recorded;
mod reproduce;
mod reproduce_pools;
mod resume;
mod rules;
mod run;
mod sweep;
mod traces;
mod trust;
mod validate;
mod workload;
