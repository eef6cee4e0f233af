//! Scenarios that come with the program. Their texts are files under `models/scenarios`, where every number says where it
//! comes from.

use super::error::ScenarioError;
use super::nearest::nearest;

/// The preset that is used when no scenario is named.
pub const DEFAULT: &str = "chat-70b-4xa100";

/// A scenario that comes with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Its name, also that of its file and of the scenario in it.
    pub name: &'static str,
    /// Its TOML.
    pub text: &'static str,
}

const fn preset(name: &'static str, text: &'static str) -> Preset {
    Preset { name, text }
}

static PRESETS: [Preset; 16] = [
    preset("chat-70b-4xa100", include_str!("../../models/scenarios/chat-70b-4xa100.toml")),
    preset("decode-heavy", include_str!("../../models/scenarios/decode-heavy.toml")),
    preset("prefill-heavy", include_str!("../../models/scenarios/prefill-heavy.toml")),
    preset("memory-reserve", include_str!("../../models/scenarios/memory-reserve.toml")),
    preset("memory-greedy", include_str!("../../models/scenarios/memory-greedy.toml")),
    preset("memory-swap", include_str!("../../models/scenarios/memory-swap.toml")),
    preset("sequence-capped", include_str!("../../models/scenarios/sequence-capped.toml")),
    preset("token-capped", include_str!("../../models/scenarios/token-capped.toml")),
    preset("outputs-geometric", include_str!("../../models/scenarios/outputs-geometric.toml")),
    preset("outputs-uniform", include_str!("../../models/scenarios/outputs-uniform.toml")),
    preset("outputs-lognormal", include_str!("../../models/scenarios/outputs-lognormal.toml")),
    preset("decode-node", include_str!("../../models/scenarios/decode-node.toml")),
    preset("disaggregated", include_str!("../../models/scenarios/disaggregated.toml")),
    preset("gpu-pool", include_str!("../../models/scenarios/gpu-pool.toml")),
    preset("mm1", include_str!("../../models/scenarios/mm1.toml")),
    preset("mg1-random-steps", include_str!("../../models/scenarios/mg1-random-steps.toml")),
];

/// All presets, the default first.
#[must_use]
pub fn list() -> &'static [Preset] {
    &PRESETS
}

/// The preset of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// The preset of that name.
///
/// # Errors
/// There is none; the message names the nearest.
pub fn get(name: &str) -> Result<&'static Preset, ScenarioError> {
    find(name).ok_or_else(|| {
        let remedy = nearest_name(name).map_or_else(
            || "`fluidsim scenario list` shows them all".to_owned(),
            |near| format!("did you mean `{near}`? `fluidsim scenario list` shows them all"),
        );
        ScenarioError::at(name, "is no built-in scenario", remedy)
    })
}

/// The preset that a misspelt name may mean.
#[must_use]
pub fn nearest_name(name: &str) -> Option<&'static str> {
    nearest(name, PRESETS.iter().map(|preset| preset.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Admission, Engine, Moments, Scenario, StepNoise, StepTimeLaw, load};

    #[test]
    fn every_preset_is_valid_and_bears_its_name() {
        for preset in list() {
            let scenario = load(preset.name, preset.text, &[]).unwrap();
            assert_eq!(scenario.name, preset.name);
            assert!(!scenario.description.is_empty());
            assert_eq!(find(preset.name), Some(preset));
        }
        assert_eq!(list()[0].name, DEFAULT);
        assert_eq!(nearest_name("chat-70b-4a100"), Some(DEFAULT));
    }

    #[test]
    fn every_file_is_a_preset() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/models/scenarios");
        let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.retain(|path| find(path.file_stem().unwrap().to_str().unwrap()).is_none());
        assert!(names.is_empty(), "{names:?}");
    }

    /// Rates of the mean-field limits of K, B and M, for prompts that mostly fit in one chunk.
    fn capacities(scenario: &Scenario) -> [f64; 3] {
        let moments = Moments::of(scenario);
        let (d0, d1, d2) = match scenario.step_time {
            StepTimeLaw::Affine { base_s, per_token_s } => (base_s, per_token_s, 0.0),
            StepTimeLaw::AffineContext { base_s, per_token_s, per_context_token_s } => {
                (base_s, per_token_s, per_context_token_s)
            }
            _ => panic!("a preset without an affine law"),
        };
        let (o, w, g) = (moments.output_mean(), moments.work_mean(), moments.held_mean());
        let per_request = d1 * w + d2 * g;
        let (k, b) = (scenario.sequence_cap() as f64, scenario.instance.max_batch_tokens.unwrap() as f64);
        let m = scenario.instance.kv_tokens.unwrap() as f64;
        let reserve = scenario.policy.admission == Admission::Reserve;
        let room = if reserve { moments.reserved_mean() } else { g };
        [k / o, b / w, m / room].map(|requests| requests / (d0 + requests * per_request))
    }

    #[test]
    fn serving_presets_run_at_half_of_the_limit_they_are_named_for() {
        for preset in list() {
            let scenario = load(preset.name, preset.text, &[]).unwrap();
            if scenario.policy.engine == Engine::RunToCompletion && scenario.cluster.is_none() {
                assert_ne!(scenario.step_noise, StepNoise::None);
                continue;
            }
            // Their limits are not those of one instance of vLLM v1.
            if scenario.cluster.is_some() || scenario.policy.engine == Engine::DecodeNode {
                continue;
            }
            let limits = capacities(&scenario);
            let smallest = limits.iter().copied().fold(f64::INFINITY, f64::min);
            let load = scenario.workload.rate() / smallest;
            assert!((0.45..0.6).contains(&load), "{}: {load}", preset.name);
            let named = match preset.name {
                "memory-reserve" | "memory-greedy" | "memory-swap" => 2,
                "token-capped" | "prefill-heavy" => 1,
                _ => 0,
            };
            assert_eq!(limits[named], smallest, "{}: {limits:?}", preset.name);
        }
    }
}
