//! Capacity and latency of LLM serving systems, answered twice from one scenario: by fluid and queueing theory, and by an
//! exact event engine.
//!
//! The way of a question is one line through the modules: [`scenario`] → [`cost`], [`schedule`] → [`fluid`] or [`des`] →
//! [`answer`] → [`study`] → [`report`]. A module uses only those before it.

pub mod answer;
pub mod cli;
pub mod cost;
pub mod des;
pub mod fluid;
pub mod queueing;
pub mod report;
pub mod scenario;
pub mod schedule;
pub mod stats;
pub mod study;

/// The README's Rust is compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
