//! Length laws and settings of the notes.

use fluidsim::scenario::{FirstToken, LengthLaw, MixturePart, Policy, Scenario, StepTimeLaw};
use statrs::distribution::{ContinuousCDF, Normal};

use super::scenario;

pub fn constant(tokens: u64) -> LengthLaw {
    LengthLaw::Constant { tokens }
}

pub fn uniform(min: u64, max: u64) -> LengthLaw {
    LengthLaw::Uniform { min, max }
}

pub fn geometric(mean: f64) -> LengthLaw {
    LengthLaw::Geometric { mean }
}

pub fn few(parts: &[(u64, f64)]) -> LengthLaw {
    let part = |&(tokens, weight): &(u64, f64)| MixturePart { weight, law: constant(tokens) };
    LengthLaw::Mixture { parts: parts.iter().map(part).collect() }
}

pub fn affine(base_s: f64, per_token_s: f64) -> StepTimeLaw {
    StepTimeLaw::Affine { base_s, per_token_s }
}

pub fn hinge(base_s: f64, per_token_s: f64, free_tokens: u64) -> StepTimeLaw {
    StepTimeLaw::Hinge { base_s, per_token_s, free_tokens }
}

/// Lengths and iteration times of several rows.
#[derive(Debug, Clone)]
pub struct Setting {
    pub prompt: LengthLaw,
    pub output: LengthLaw,
    pub law: StepTimeLaw,
    /// Whether the iteration that ends a prompt emits a token.
    pub prompt_emits: bool,
}

impl Setting {
    pub fn new(prompt: LengthLaw, output: LengthLaw, law: StepTimeLaw) -> Self {
        Self { prompt, output, law, prompt_emits: true }
    }

    /// e = 0.
    pub fn silent(self) -> Self {
        Self { prompt_emits: false, ..self }
    }

    /// Under `policy` with K and B.
    pub fn under(&self, policy: Policy, sequences: u64, budget: Option<u64>) -> Scenario {
        let mut scenario = scenario(self.prompt.clone(), self.output.clone(), 1.0, sequences, self.law.clone());
        scenario.policy = policy;
        scenario.instance.max_batch_tokens = budget;
        let first = if self.prompt_emits { FirstToken::Prefill } else { FirstToken::Decode };
        if scenario.batch_rules().first_token != first {
            scenario.policy.batching.first_token = Some(first);
        }
        scenario
    }
}

/// Demo 2 of seed 001.
pub fn d2() -> Setting {
    let prompt = few(&[(32, 0.6), (128, 0.3), (512, 0.1)]);
    Setting::new(prompt, few(&[(64, 0.5), (256, 0.5)]), affine(0.01, 0.0005)).silent()
}

/// Demo 3 of seed 001: e^{3.2764 + 1.5201 Z} rounded down, from 1; outputs geometric with p = 0.0056, cut at 1024.
pub fn d3() -> Setting {
    Setting::new(rounded_down(u64::MAX), cut_geometric(), hinge(0.0455, 0.0003, 64)).silent()
}

/// The same, given that the prompt is no longer than the token budget of 2048.
pub fn d3w() -> Setting {
    Setting { prompt: rounded_down(2048), ..d3() }
}

/// One constant for every length up to 2048. Longer prompts stand in bins of 1 %.
fn rounded_down(longest: u64) -> LengthLaw {
    let normal = Normal::new(3.2764, 1.5201).unwrap();
    let from = |tokens: u64| if tokens <= 1 { 1.0 } else { normal.sf((tokens as f64).ln()) };
    let mut parts = Vec::new();
    let mut low = 1;
    while low <= longest && from(low) > 1e-12 {
        let next = if low <= 2048 { low + 1 } else { low + low / 100 };
        parts.push(MixturePart { weight: from(low) - from(next), law: uniform(low, next - 1) });
        low = next;
    }
    LengthLaw::Mixture { parts }
}

fn cut_geometric() -> LengthLaw {
    let p: f64 = 0.0056;
    let mass = |tokens: u64| p * (1.0 - p).powi(tokens as i32 - 1);
    let mut parts: Vec<_> = (1..1024).map(|tokens| (tokens, mass(tokens))).collect();
    parts.push((1024, (1.0 - p).powi(1023)));
    few(&parts)
}

pub fn af() -> Setting {
    Setting::new(uniform(50, 150), uniform(20, 180), affine(0.02, 2.5e-4))
}

/// The note counts as context what decoding sequences held before the iteration, the engine what everybody in it holds at its end:
/// every processed token costs d2 less, which makes up for all but one token per prompt.
pub fn ctx() -> Setting {
    let (a, d2) = (5e-5, 2e-7);
    let law = StepTimeLaw::AffineContext { base_s: 0.008, per_token_s: a - d2, per_context_token_s: d2 };
    Setting::new(uniform(100, 1900), uniform(20, 380), law)
}

/// A hinge that whole prompts pass: s U10–400, o U2–60.
pub fn bent(per_token_s: f64, free_tokens: u64) -> Setting {
    Setting::new(uniform(10, 400), uniform(2, 60), hinge(0.02, per_token_s, free_tokens))
}
