//! Random streams, histograms and confidence intervals. Knows nothing of queues.

pub mod histogram;
pub mod stream;
