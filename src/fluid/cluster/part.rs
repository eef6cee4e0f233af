//! A kind of instance in a pool as a scenario of its own: what it is asked for, and what one request is to it.

use std::sync::Arc;

use super::super::load::Load;
use crate::cost::per_context_token_s;
use crate::scenario::{
    Admission, ArrivalLaw, Batching, Engine, FirstToken, LengthLaw, Moments, Policy, Preemption, Scenario, StepTimeLaw,
};

/// What an instance does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Everything.
    Whole,
    /// Its prompt, up to the first token.
    Prompt,
    /// What follows the first token, which was emitted elsewhere.
    Rest,
}

/// Like instances of a pool.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// One of them, with the requests that come to it; its rate means nothing.
    pub scenario: Scenario,
    pub count: u64,
    pub stage: Stage,
    /// By class: whether it serves the class's model.
    pub serves: Vec<bool>,
}

impl Part {
    pub fn new(member: Scenario, count: u64, stage: Stage, serves: Vec<bool>) -> Self {
        let mut scenario = member;
        match stage {
            Stage::Whole => {}
            Stage::Prompt => only_prompts(&mut scenario),
            Stage::Rest => only_decodes(&mut scenario),
        }
        // What the router makes of the arrivals is said by the wait that it leaves.
        scenario.workload.arrivals = ArrivalLaw::default();
        Self { scenario, count, stage, serves }
    }

    /// The same instances when class `c` brings `mix[c]` of the requests; classes with none are left out.
    pub fn under(&self, mix: &[f64]) -> Self {
        let mut part = self.clone();
        if part.scenario.workload.trace.is_none() {
            let shares = mix.iter().copied();
            part.scenario.workload.class.iter_mut().zip(shares).for_each(|(class, share)| class.share = share);
            part.scenario.workload.class.retain(|class| class.share > 0.0);
        }
        part
    }

    /// Its load at `rate` requests per second.
    pub fn load(&self, rate: f64) -> Load<'_> {
        let mut load = Load::of(&self.scenario);
        if self.stage == Stage::Rest {
            load.moments = load.moments.after_first_token();
            load.prompt_survival = vec![1.0, 0.0];
        }
        load.served_per_s = rate;
        load
    }
}

/// Every request ends with its first token.
fn only_prompts(scenario: &mut Scenario) {
    for class in &mut scenario.workload.class {
        class.output = LengthLaw::Constant { tokens: 1 };
    }
    if let Some(source) = &mut scenario.workload.trace {
        source.requests = Arc::new(source.requests.with_lengths(|request| (request.prompt, 1)));
    }
}

/// A decode node as an instance of `vllm-v1` whose prompts have one token, the one with which every decode begins: its iterations
/// are the same. What the prompts' context costs is the same for every iteration of a request, and so a cost per token.
fn only_decodes(scenario: &mut Scenario) {
    let moments = Moments::of_workload(&scenario.workload, u64::MAX);
    let context = context_of_prompts(&moments);
    if let StepTimeLaw::AffineContext { per_token_s, per_context_token_s, .. } = &mut scenario.step_time {
        *per_token_s += *per_context_token_s * context;
    }
    if let StepTimeLaw::Curve { points, per_context_token_s, .. } = &mut scenario.step_time {
        let more = *per_context_token_s * context;
        points.iter_mut().for_each(|point| point.seconds += more * point.tokens as f64);
    }
    debug_assert!(per_context_token_s(&scenario.step_time) >= 0.0);
    scenario.policy =
        Policy { batching: Batching::default(), ..Policy::of(Engine::VllmV1, Admission::Greedy, Preemption::None) };
    scenario.instance.kv_tokens = None;
    scenario.instance.max_batch_tokens = None;
}

/// E\[s(o − 1)\]/E\[o − 1\]: prompt tokens held per decoding request.
pub(super) fn context_of_prompts(moments: &Moments) -> f64 {
    (moments.raw(1, 1) - moments.raw(1, 0)) / (moments.output_mean() - 1.0).max(f64::MIN_POSITIVE)
}

/// The rules under which the prefill pool hands requests over with their first token.
pub(super) fn emits_first(member: &Scenario) -> bool {
    member.batch_rules().first_token == FirstToken::Prefill
}
