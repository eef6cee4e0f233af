//! Statistics of simulation output, in streams. Knows nothing of queues.
//!
//! | question | answer |
//! |---|---|
//! | the mean over independent trials | [`interval::mean_interval`] |
//! | the mean of one long run | [`batch_means`], after the warm-up that [`warmup`] finds (MSER-5) |
//! | a quantile | [`quantile::quantile_interval`], by order statistics |
//! | how many trials for ±2 % | [`sequential`] |
//! | which of two systems is better | [`interval::paired_difference_interval`] on common random numbers, [`interval::difference_interval`] without |
//! | which of many differences are real | [`multiple::holm`] |
//! | whether two numbers are the same for practical purposes | [`equivalence`] |
//! | whether intervals miss as often as they say | [`coverage`] |
//!
//! Every interval's coverage is itself tested by simulation, with fixed seeds and a stated error rate.

pub mod batch_means;
pub mod coverage;
pub mod equivalence;
pub mod histogram;
pub mod interval;
pub mod moments;
pub mod multiple;
pub mod quantile;
pub mod sequential;
pub mod stream;
#[cfg(test)]
mod testing;
pub mod warmup;
