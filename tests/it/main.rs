//! What a user sees of `fluidsim` from outside: one test binary, one file per behaviour.

mod bad_input;
mod contract;
mod determinism;
mod exit_codes;
mod formats;
mod house;
mod latex;
mod readme;
mod real_traffic;
mod recorded;
mod resume;
mod run;
