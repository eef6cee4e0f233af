//! A scenario for the tests of the rules.

use crate::scenario::{Admission, Class, LengthLaw, Scenario, StepTimeLaw, load, presets};

/// Classes of 4 and 1 requests per second of one prompt token and one output token; an iteration takes half a second.
pub fn two_classes(admission: Admission) -> Scenario {
    let preset = presets::get(presets::DEFAULT).unwrap();
    let mut scenario = load::load(preset.name, preset.text, &[]).unwrap();
    let one = || LengthLaw::Constant { tokens: 1 };
    scenario.workload.class =
        vec![Class { share: 4.0, ..Class::new("a", one(), one()) }, Class::new("b", one(), one())];
    scenario.workload.rate_per_s = Some(5.0);
    scenario.policy.admission = admission;
    scenario.step_time = StepTimeLaw::Affine { base_s: 0.5, per_token_s: 0.0 };
    scenario
}
