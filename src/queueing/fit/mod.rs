//! Phase-type laws and Markovian arrivals from moments and from data.

mod em;
mod mmpp;
mod moments;

pub use em::{Branch, HyperErlangFit, fit_hyper_erlang, fit_hyper_erlang_order};
pub use mmpp::{mmpp2, mmpp2_through};
pub use moments::{
    coxian2, erlang_mixture, hyperexponential_balanced, hyperexponential_gamma, third_moment_bounds, three_moments,
    two_moments,
};
