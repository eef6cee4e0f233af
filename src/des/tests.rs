use super::*;
use crate::scenario::{
    Admission, ArrivalLaw, Class, Engine, Instance, LengthLaw, Order, Policy, Preemption, Slo, StepNoise, StepTimeLaw,
    Time, Workload,
};

pub fn scenario(prompt: LengthLaw, output: LengthLaw, rate: f64) -> Scenario {
    Scenario {
        name: "test".into(),
        description: String::new(),
        workload: Workload {
            rate_per_s: Some(rate),
            rate_shape: crate::scenario::RateShape::default(),
            arrivals: ArrivalLaw::Poisson {},
            class: vec![Class::new("a", prompt, output)],
            trace: None,
            slo: Slo::default(),
        },
        instance: Instance {
            max_sequences: 64,
            max_batch_tokens: None,
            kv_tokens: None,
            block_tokens: 1,
            prefix_cache_tokens: None,
        },
        policy: Policy::of(Engine::VllmV1, Admission::Greedy, Preemption::Recompute),
        step_time: StepTimeLaw::AffineContext { base_s: 0.02, per_token_s: 2.5e-4, per_context_token_s: 2e-7 },
        step_noise: StepNoise::None,
        step_noise_cv: None,
        cluster: None,
    }
}

fn seconds(value: f64) -> Time {
    Time::from_decimal(value)
}

#[test]
fn leaping_changes_no_bit() {
    for (block, kv, preemption) in [
        (1, None, Preemption::None),
        (16, Some(4000), Preemption::Recompute),
        (1, Some(3000), Preemption::Swap),
        (7, Some(3000), Preemption::Swap),
    ] {
        let mut s = scenario(LengthLaw::Geometric { mean: 60.0 }, LengthLaw::Geometric { mean: 50.0 }, 20.0);
        s.instance = Instance {
            max_sequences: 40,
            max_batch_tokens: Some(128),
            kv_tokens: kv,
            block_tokens: block,
            prefix_cache_tokens: None,
        };
        s.policy.preemption = preemption;
        s.policy.swap_s_per_token = (preemption == Preemption::Swap).then_some(1e-6);
        let mut options = Options::until(seconds(1.0), seconds(50.0));
        options.sample_every = Some(seconds(0.1));
        options.windows = 5;
        let leaping = simulate(&s, &options);
        let stepping = simulate(&s, &Options { leap: false, ..options });
        assert!(leaping.work.leaps < stepping.work.leaps);
        assert!(kv.is_none() || leaping.totals.preemptions > 0);
        assert_eq!(leaping, Run { work: leaping.work, ..stepping });
    }
}

/// Whoever watches single iterations sees them formed; nobody else may see a difference.
#[test]
fn serving_alone_changes_no_bit() {
    struct Steps;
    impl Observer for Steps {
        fn wants_steps(&self) -> bool {
            true
        }
    }
    let lengths = |most| LengthLaw::Uniform { min: 1, max: most };
    let mut served_alone = 0;
    for (outputs, chunk, noise, order, admission) in [
        (1, None, StepNoise::Exponential, Order::Fcfs, Admission::Greedy),
        (3, Some(20), StepNoise::None, Order::ShortestPrompt, Admission::Reserve),
        (2, Some(5), StepNoise::ExponentialCoefficients, Order::Srpt, Admission::Threshold),
    ] {
        let mut s = scenario(lengths(30), lengths(outputs), 20.0);
        s.instance.max_sequences = 1;
        s.instance.max_batch_tokens = Some(25);
        (s.instance.kv_tokens, s.instance.block_tokens) = (Some(36), 4);
        s.policy = Policy::of(Engine::VllmV1, admission, Preemption::Swap);
        s.policy.swap_s_per_token = Some(1e-6);
        s.policy.threshold_share = (admission == Admission::Threshold).then_some(0.5);
        (s.policy.order, s.policy.batching.chunk_tokens, s.step_noise) = (order, chunk, noise);
        s.validate().unwrap();
        let mut options = Options::until(seconds(1.0), seconds(200.0));
        options.sample_every = Some(seconds(0.1));
        let alone = simulate(&s, &options);
        let formed = simulate_observed(&s, &options, &mut Steps);
        served_alone += i32::from(alone.work.looks < formed.work.looks);
        assert_eq!(alone, Run { work: alone.work, ..formed });
    }
    assert!(served_alone > 0);
}
