//! Scenarios for the tests of this room.

use crate::scenario::{
    Admission, ArrivalLaw, Class, Engine, Instance, LengthLaw, Policy, Preemption, Scenario, Slo, StepNoise,
    StepTimeLaw, Workload,
};

pub(super) fn constant(tokens: u64) -> LengthLaw {
    LengthLaw::Constant { tokens }
}

pub(super) fn uniform(min: u64, max: u64) -> LengthLaw {
    LengthLaw::Uniform { min, max }
}

pub(super) fn geometric(mean: f64) -> LengthLaw {
    LengthLaw::Geometric { mean }
}

pub(super) fn affine(base_s: f64, per_token_s: f64) -> StepTimeLaw {
    StepTimeLaw::Affine { base_s, per_token_s }
}

pub(super) fn with_context(base_s: f64, per_token_s: f64, per_context_token_s: f64) -> StepTimeLaw {
    StepTimeLaw::AffineContext { base_s, per_token_s, per_context_token_s }
}

/// One class, no limits but K, greedy admission without preemption.
pub(super) fn scenario(rate: f64, prompt: LengthLaw, output: LengthLaw, step_time: StepTimeLaw, cap: u64) -> Scenario {
    Scenario {
        name: "test".into(),
        description: String::new(),
        workload: Workload {
            rate_per_s: Some(rate),
            rate_shape: crate::scenario::RateShape::default(),
            arrivals: ArrivalLaw::default(),
            class: vec![Class::new("a", prompt, output)],
            trace: None,
            slo: Slo::default(),
        },
        instance: Instance {
            max_sequences: cap,
            max_batch_tokens: None,
            kv_tokens: None,
            block_tokens: 1,
            prefix_cache_tokens: None,
        },
        policy: Policy::of(Engine::VllmV1, Admission::Greedy, Preemption::None),
        step_time,
        step_noise: StepNoise::None,
        step_noise_cv: None,
        cluster: None,
    }
}

/// The same scenario with KV memory and an eviction rule; `swap` seconds per token, or recompute.
pub(super) fn with_memory(mut scenario: Scenario, tokens: u64, swap: Option<f64>) -> Scenario {
    scenario.instance.kv_tokens = Some(tokens);
    scenario.policy.preemption = if swap.is_some() { Preemption::Swap } else { Preemption::Recompute };
    scenario.policy.swap_s_per_token = swap;
    scenario
}

/// The same scenario with reserve admission.
pub(super) fn with_reserve(mut scenario: Scenario, tokens: u64) -> Scenario {
    scenario.instance.kv_tokens = Some(tokens);
    scenario.policy.admission = Admission::Reserve;
    scenario
}

/// The default scenario's shape: lognormal chat lengths on an affine law with context.
pub(super) fn chat(rate: f64) -> Scenario {
    let prompt = LengthLaw::Lognormal { mean: 1155.0, cv: 0.96, max: 14050 };
    let output = LengthLaw::Lognormal { mean: 211.0, cv: 0.77, max: 1000 };
    let mut scenario = scenario(rate, prompt, output, with_context(0.027, 1.75e-4, 5.7e-8), 256);
    scenario.instance.max_batch_tokens = Some(2048);
    scenario
}
