//! The engine's λ* for any rules.

use super::RunRules;
use crate::answer::Figure;
use crate::fluid::{self, scope};
use crate::scenario::{Mixing, Priority, Scenario, SequenceLimit};
use crate::study::stability::{self, SaturatedOptions};

/// Trials unless the study says otherwise.
const TRIALS: u64 = 8;

/// λ* as the engine has it: what the saturated system completes. Where only a batch is capped and not the residents, a request that
/// always waits changes what is asked, and λ* is where the drift from an empty start turns.
pub fn engine(scenario: &Scenario, run: RunRules, seed: u64) -> Option<Figure> {
    let theory = fluid::solve(&scope::nearest(scenario));
    let usual = SaturatedOptions::new(seed, run.trials.unwrap_or(TRIALS));
    let options = SaturatedOptions { completions: run.completions.unwrap_or(usual.completions), ..usual };
    let rules = scenario.batch_rules();
    let drains = rules.mixing == Mixing::Exclusive && rules.priority == Priority::DecodeFirst;
    if drains || rules.sequence_limit == SequenceLimit::Residents {
        return stability::saturated(scenario, &theory, &options, &|| {}).throughput_per_s;
    }
    stability::turning_point(scenario, &theory, &options, &|| {})
}
