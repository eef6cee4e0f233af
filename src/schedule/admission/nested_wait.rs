//! Nested WAIT: one threshold per segment of the output. Requests enter together; survivors of a segment gather before the next. Output
//! lengths need not be known.
//! Source: Ao et al. 2025, arXiv 2504.11320.

use super::wait::{equilibrium_step_s, given, per_step};
use crate::scenario::{Moments, Scenario};

/// The thresholds by segment, and the output tokens at which segments end: given, or the quartiles of the output law with the requests that
/// come as far in one iteration.
pub fn thresholds(scenario: &Scenario) -> (Vec<i64>, Vec<i64>) {
    let given = given(scenario);
    let moments = Moments::of(scenario);
    let mut segments: Vec<i64> = scenario.policy.wait_segments.iter().map(|&end| end as i64).collect();
    if segments.is_empty() && given.is_empty() {
        segments = [0.25, 0.5, 0.75].iter().map(|&share| output_quantile(&moments, share)).collect();
        segments.dedup();
    }
    if !given.is_empty() {
        return (given, segments);
    }
    let arrivals = scenario.workload.rate() * equilibrium_step_s(scenario);
    let reaches = |tokens: i64| survival(&moments, tokens as usize);
    let shares = std::iter::once(1.0).chain(segments.iter().map(|&end| reaches(end)));
    (shares.map(|share| per_step(arrivals * share)).collect(), segments)
}

/// How many may enter in an iteration when `waiting` have never been resident.
pub fn open(threshold: i64, waiting: i64) -> i64 {
    if waiting >= threshold { threshold } else { 0 }
}

/// The smallest number of output tokens that at most `1 − share` of the requests exceed.
fn output_quantile(moments: &Moments, share: f64) -> i64 {
    let mut tokens = 1;
    while survival(moments, tokens) > 1.0 - share && tokens < 1 << 24 {
        tokens += 1;
    }
    tokens as i64
}

fn survival(moments: &Moments, tokens: usize) -> f64 {
    moments.output_survival.get(tokens).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing;
    use super::*;
    use crate::scenario::{Admission, LengthLaw};

    /// Outputs of 1 to 8 tokens: quarters end at 2, 4 and 6, and 3/4, 1/2 and 1/4 go on. 10 requests per iteration of .5 s.
    #[test]
    fn segments_are_quartiles_and_thresholds_their_survivors() {
        let mut scenario = testing::two_classes(Admission::NestedWait);
        scenario.workload.class.truncate(1);
        scenario.workload.class[0].output = LengthLaw::Uniform { min: 1, max: 8 };
        scenario.workload.rate_per_s = Some(20.0);
        assert_eq!(thresholds(&scenario), (vec![10, 8, 5, 3], vec![2, 4, 6]));
        assert_eq!((open(3, 2), open(3, 4)), (0, 3));
    }
}
