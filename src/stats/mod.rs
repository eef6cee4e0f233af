//! Statistics of a series of numbers: moments, quantiles, confidence intervals, warm-up, equivalence. Knows nothing of
//! queues.

pub mod equivalence;
pub mod interval;
pub mod moments;
pub mod quantile;
pub mod warmup;
