//! Attention inside prompts, which costs per pair of tokens, as theory sees it: spread evenly over all tokens of the requests.
//!
//! A prompt of s tokens has s(s + 1)/2 pairs however it is cut into chunks, so that the time of all iterations together, and with it λ*,
//! is kept; the share of long prompts in the length of an iteration is not. Kernel tables become the nearest curve first.

use crate::scenario::{CurvePoint, Scenario, StepTimeLaw, moments::Moments, scaled::step_times};

/// What a reader of figures must know.
pub const NOTE: &str = "Attention inside prompts costs per pair of tokens; theory spreads it evenly over tokens: λ* keeps all of it, the \
                        spread of iteration times does not";

/// How far the curve of kernel tables is from them; none without tables.
pub fn note_of_tables(scenario: &Scenario) -> Option<String> {
    let StepTimeLaw::Kernels { tables, .. } = &scenario.step_time else { return None };
    let [decodes, prompts] = tables.kernels()?.reduced_error.map(|error| 100.0 * error);
    Some(format!(
        "Kernel tables are taken as the nearest curve: attention of decodes is {decodes:.0} % off on average over what was measured, of \
         prompts {prompts:.0} %; dense kernels are as measured"
    ))
}

/// The scenario without a cost per pair, where it had one.
pub fn spread(scenario: &Scenario) -> Option<Scenario> {
    if !costs(scenario) {
        return None;
    }
    let mut other = scenario.clone();
    step_times(&mut other).for_each(|law| *law = law.of_theory().clone());
    let moments = Moments::of_workload(&scenario.workload, u64::MAX);
    let pairs_per_token = (moments.raw(2, 0) + moments.raw(1, 0)) / 2.0 / moments.work_mean();
    step_times(&mut other).for_each(|law| spread_law(law, pairs_per_token));
    Some(other)
}

/// Whether pairs of prompt tokens cost anything anywhere, or a law is of kernel tables.
pub fn costs(scenario: &Scenario) -> bool {
    let of = |law: &StepTimeLaw| match law {
        StepTimeLaw::Curve { per_prefill_pair_s, .. } => *per_prefill_pair_s > 0.0,
        law => matches!(law, StepTimeLaw::Kernels { .. }),
    };
    let groups = scenario.cluster.iter().flat_map(|cluster| {
        let own = cluster.group.iter().map(|group| group.step_time.as_ref());
        own.chain(cluster.prefill.iter().map(|pool| pool.step_time.as_ref()))
    });
    let classes = scenario.workload.class.iter().map(|class| class.step_time.as_ref());
    of(&scenario.step_time) || groups.chain(classes).flatten().any(of)
}

fn spread_law(law: &mut StepTimeLaw, pairs_per_token: f64) {
    let StepTimeLaw::Curve { points, per_prefill_pair_s, .. } = law else { return };
    let more = std::mem::take(per_prefill_pair_s) * pairs_per_token;
    // The first point now costs its tokens; below it the curve falls to what no token costs.
    let Some(first) = points.first().copied() else { return };
    if first.tokens > 1 {
        points.insert(0, CurvePoint { tokens: 1, seconds: first.seconds });
    }
    if points.len() == 1 {
        points.push(CurvePoint { tokens: points[0].tokens + 1, seconds: first.seconds });
    }
    points.iter_mut().for_each(|point| point.seconds += more * point.tokens as f64);
}
