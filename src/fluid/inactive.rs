//! Parameters that do nothing where they stand: a study over one of them would find a flat line and call it robustness.

use crate::scenario::{Priority, Scenario};

/// Standard deviations of a Poisson number that are practically never exceeded.
const FAR: f64 = 6.0;

/// What a reader must know of `decode_share` when about `running` requests are resident: it caps decodes at ⌊rK⌋ and prompts at the
/// rest, and does nothing while both are more than ever are there. None where it acts, or where batches are not split.
pub fn of_split(scenario: &Scenario, running: f64) -> Option<String> {
    let rules = scenario.batch_rules();
    let (decodes, prompts) = scenario.split();
    let most = running + FAR * running.sqrt();
    let idle = rules.priority == Priority::Split && most < decodes.min(prompts) as f64;
    idle.then(|| {
        format!(
            "decode_share = {} is not active: about {running:.1} requests are in the system, and it caps only more than {decodes} decodes \
             or {prompts} prompts at a time; it moves λ*, and latencies only near it.",
            rules.decode_share
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Engine, Override, open};

    #[test]
    fn a_ratio_that_cannot_bind_is_told() {
        let hybrid = [Override::new("test", "policy.engine", "hybrid")];
        let scenario = open(Some("sequence-capped"), &hybrid, None).unwrap();
        let (decodes, _) = scenario.split();
        assert!(of_split(&scenario, 1.0).is_some_and(|note| note.contains("decode_share = 0.5 is not active")));
        assert_eq!(of_split(&scenario, decodes as f64), None);
        let mut other = scenario;
        other.policy.engine = Engine::Orca;
        assert_eq!(of_split(&other, 1.0), None);
    }
}
