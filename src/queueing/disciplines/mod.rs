//! M/G/1 by another order than first come, first served.
//!
//! | served | model | sizes must be known |
//! |---|---|---|
//! | first come, last come or at random, to the end | [`Blind`] | no |
//! | all at once, equally | [`ProcessorSharing`] | no |
//! | by class | [`Priority`] | no |
//! | shortest first, to the end | [`Sjf`] | yes |
//! | smallest size on arrival, interrupting | [`Psjf`] | yes |
//! | least left, interrupting | [`Srpt`] | yes |
//! | the same three by predicted size | [`Predicted`] | predicted |
//! | short ahead of long | [`OneBit`] | one bit |
//! | least attained, interrupting | [`Las`] | no |

#[cfg(test)]
mod bessel;
mod blind;
mod las;
mod one_bit;
mod predicted;
mod priority;
mod ps;
mod psjf;
mod quadrature;
mod queue;
mod sjf;
mod srpt;

pub use blind::{Blind, BlindOrder};
pub use las::Las;
pub use one_bit::OneBit;
pub use predicted::Predicted;
pub use priority::{Preemption, Priority};
pub use ps::ProcessorSharing;
pub use psjf::Psjf;
pub use sjf::Sjf;
pub use srpt::Srpt;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queueing::Law;

    /// SRPT is the best of all; PSJF is better than sharing for every law (Wierman, Harchol-Balter and Osogami 2005,
    /// *Nearly insensitive bounds on SMART scheduling*, SIGMETRICS).
    #[test]
    fn more_knowledge_is_never_worse() {
        let laws = [
            Law::exponential(1.0),
            Law::erlang(1.0, 4),
            Law::gamma(1.0, 5.0),
            Law::lognormal(1.0, 9.0),
            Law::weibull(1.0, 0.5),
            Law::uniform(0.3, 1.7),
            Law::pareto(1.0, 2.5),
            Law::hyperexponential_balanced(1.0, 4.0),
        ];
        for law in laws.map(Result::unwrap) {
            for rate in [0.1, 0.5, 0.8, 0.95] {
                let srpt = Srpt::new(rate, law.clone()).unwrap().mean_sojourn_s();
                let psjf = Psjf::new(rate, law.clone()).unwrap().mean_sojourn_s();
                let sharing = ProcessorSharing::new(rate, law.clone()).unwrap().mean_sojourn_s();
                let sjf = Sjf::new(rate, law.clone()).unwrap().mean_sojourn_s();
                let las = Las::new(rate, law.clone()).unwrap().mean_sojourn_s();
                assert!(1.0 < srpt && srpt < psjf && psjf < sharing, "{law:?} {rate}: {srpt} {psjf} {sharing}");
                assert!(srpt < sjf && srpt < las, "{law:?} {rate}: {srpt} {sjf} {las}");
            }
        }
    }
}
