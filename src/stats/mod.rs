//! Random streams, histograms, confidence intervals, quantiles, warm-up and equivalence. Knows nothing of queues.

pub mod coverage;
pub mod equivalence;
pub mod histogram;
pub mod interval;
pub mod moments;
pub mod quantile;
pub mod stream;
pub mod warmup;
