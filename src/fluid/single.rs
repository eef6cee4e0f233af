//! Run to completion: one request at a time, an M/G/1 queue whose service time is the sum of the request's iterations
//! (Pollaczek 1930, Khinchine 1932). With one exponential iteration per request it is the M/M/1 queue.

use super::load::Load;
use super::mixture::output_nodes;
use crate::answer::Method;
use crate::scenario::{Scenario, StepNoise, StepTimeLaw};

/// Moments of the service time and of the prompt's part of it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Service {
    /// E\[S\], seconds.
    pub mean_s: f64,
    /// E\[S²\].
    pub second: f64,
    /// E\[time of the prompt's iterations\].
    pub prompt_mean_s: f64,
    /// Mean iterations per request.
    pub steps: f64,
    /// Mean tokens per request.
    pub tokens: f64,
    /// E\[Σ KV tokens × seconds\]/E\[S\]: KV held while serving.
    pub kv_tokens: f64,
    /// Whether one exponential iteration serves a whole request.
    pub exponential: bool,
}

/// Powers of an output that a service time is linear in, and their products.
#[derive(Debug, Clone, Copy, Default)]
struct Outputs {
    mass: f64,
    /// m = o − 1 decode iterations and Σ i, Σ i², i = 2..o.
    linear: [f64; 3],
    /// m², m·Σi, (Σi)².
    products: [f64; 3],
}

impl Outputs {
    fn of(output: f64) -> Self {
        let m = output - 1.0;
        let sum = output * (output + 1.0) / 2.0 - 1.0;
        let squares = output * (output + 1.0) * (2.0 * output + 1.0) / 6.0 - 1.0;
        Self { mass: 1.0, linear: [m, sum, squares], products: [m * m, m * sum, sum * sum] }
    }

    fn add(&mut self, other: &Self, weight: f64) {
        self.mass += weight * other.mass;
        for k in 0..3 {
            self.linear[k] += weight * other.linear[k];
            self.products[k] += weight * other.products[k];
        }
    }
}

/// τ split into the parts that noise draws on their own.
#[derive(Clone, Copy)]
struct Parts {
    fixed: f64,
    tokens: f64,
    per_context: f64,
}

fn parts(law: &StepTimeLaw, tokens: f64) -> Parts {
    let whole = crate::cost::mean_step_s(law, tokens, 0.0);
    let fixed = crate::cost::base_s(law);
    Parts { fixed, tokens: whole - fixed, per_context: crate::cost::per_context_token_s(law) }
}

/// Variance of an iteration with the given parts.
fn noise_variance(noise: StepNoise, parts: Parts, context: f64) -> f64 {
    let in_context = parts.per_context * context;
    match noise {
        StepNoise::None => 0.0,
        // Gamma noise is refused.
        StepNoise::Exponential | StepNoise::Gamma => (parts.fixed + parts.tokens + in_context).powi(2),
        StepNoise::ExponentialCoefficients => parts.fixed.powi(2) + parts.tokens.powi(2) + in_context * in_context,
    }
}

/// The prompt's iterations: (mean, variance by noise, iterations, Σ context·time).
#[derive(Debug, Clone, Copy, Default)]
struct Prefill {
    mean: f64,
    variance: f64,
    steps: f64,
    held: f64,
}

fn prefill(load: &Load, prompt: f64) -> Prefill {
    let mut found = Prefill::default();
    let mut done = 0.0;
    while done < prompt {
        let chunk = load.budget.min(prompt - done);
        done += chunk;
        let context = if done >= prompt { prompt + 1.0 } else { done };
        let parts = parts(load.law(), chunk);
        let step = parts.fixed + parts.tokens + parts.per_context * context;
        found.mean += step;
        found.variance += noise_variance(load.scenario.step_noise, parts, context);
        found.held += context * step;
        found.steps += 1.0;
    }
    found
}

/// Mean and variance of the whole service of one request.
pub(super) fn of_request(load: &Load, prompt: f64, output: f64) -> (f64, f64, f64) {
    let first = prefill(load, prompt);
    let sums = Outputs::of(output);
    let decode = parts(load.law(), 1.0);
    let mean = first.mean + decode_mean(decode, prompt, &sums);
    (mean, first.variance + decode_variance(load.scenario.step_noise, decode, prompt, &sums), first.mean)
}

fn decode_mean(decode: Parts, prompt: f64, sums: &Outputs) -> f64 {
    (decode.fixed + decode.tokens + decode.per_context * prompt) * sums.linear[0] + decode.per_context * sums.linear[1]
}

fn decode_variance(noise: StepNoise, decode: Parts, prompt: f64, sums: &Outputs) -> f64 {
    let [m, i1, i2] = sums.linear;
    let g = decode.per_context;
    let context_squared = g * g * (prompt * prompt * m + 2.0 * prompt * i1 + i2);
    match noise {
        StepNoise::None => 0.0,
        StepNoise::Exponential | StepNoise::Gamma => {
            let t = decode.fixed + decode.tokens;
            t * t * m + 2.0 * t * g * (prompt * m + i1) + context_squared
        }
        StepNoise::ExponentialCoefficients => (decode.fixed.powi(2) + decode.tokens.powi(2)) * m + context_squared,
    }
}

/// E\[S\], E\[S²\] and the rest over the joint law of prompt and output, given that they fit the memory.
pub(super) fn service(load: &Load) -> Service {
    let mut found = Service::default();
    let mut mass = 0.0;
    visit(load, |prompt, outputs, weight| {
        let first = prefill(load, prompt);
        let decode = parts(load.law(), 1.0);
        let g = decode.per_context;
        let t = decode.fixed + decode.tokens + g * prompt;
        let in_decode = decode_mean(decode, prompt, outputs);
        let squared = t * t * outputs.products[0] + 2.0 * t * g * outputs.products[1] + g * g * outputs.products[2];
        let noise = first.variance * outputs.mass + decode_variance(load.scenario.step_noise, decode, prompt, outputs);
        mass += weight * outputs.mass;
        found.mean_s += weight * (first.mean * outputs.mass + in_decode);
        found.second +=
            weight * (first.mean * first.mean * outputs.mass + 2.0 * first.mean * in_decode + squared + noise);
        found.prompt_mean_s += weight * first.mean * outputs.mass;
        found.steps += weight * (first.steps * outputs.mass + outputs.linear[0]);
        found.tokens += weight * (prompt * outputs.mass + outputs.linear[0]);
        let [m, i1, i2] = outputs.linear;
        let held = (t - g * prompt) * (prompt * m + i1) + g * (prompt * prompt * m + 2.0 * prompt * i1 + i2);
        found.kv_tokens += weight * (first.held * outputs.mass + held);
    });
    let per = 1.0 / mass.max(f64::MIN_POSITIVE);
    for value in [
        &mut found.mean_s,
        &mut found.second,
        &mut found.prompt_mean_s,
        &mut found.steps,
        &mut found.tokens,
        &mut found.kv_tokens,
    ] {
        *value *= per;
    }
    found.kv_tokens /= found.mean_s;
    found.exponential = load.scenario.step_noise == StepNoise::Exponential && is_one_iteration(load);
    found
}

/// Percentiles of the latencies of a run-to-completion server.
pub(super) struct Times {
    pub ttft: [f64; 3],
    pub tbt: [f64; 3],
    pub tbt_method: Method,
    pub e2e: [f64; 3],
}

/// Percentiles: the wait is taken as zero or exponential, with the exact mean; the service by its law over lengths. For the
/// M/M/1 queue both are exact.
pub(super) fn percentiles(load: &Load, service: &Service, rho: f64, wait: f64) -> Times {
    let (tbt, tbt_method) = gap_percentiles(load, service);
    if service.exponential && load.routed.is_none() {
        let exact = [0.5_f64, 0.95, 0.99].map(|p| -(1.0 - p).ln() * service.mean_s / (1.0 - rho));
        return Times { ttft: exact, tbt, tbt_method, e2e: exact };
    }
    let mean_wait = (wait / rho.max(1e-300)).max(1e-300);
    let waited = |y: f64| if y < 0.0 { 0.0 } else { 1.0 - rho * (-y / mean_wait).exp() };
    let noisy = load.scenario.step_noise != StepNoise::None;
    let (prompts, whole) = service_nodes(load);
    let quantiles = |nodes: &[(f64, f64, f64)]| {
        let top = nodes.iter().map(|node| node.0 + 8.0 * node.1).fold(0.0, f64::max) + 8.0 * mean_wait;
        crate::fluid::mixture::percentiles(0.0, top, |t| {
            nodes
                .iter()
                .map(|&(mean, deviation, mass)| {
                    let served = Z.iter().map(|&z| waited(t - noisy_time(mean, deviation, z)));
                    mass * if noisy { served.sum::<f64>() / Z.len() as f64 } else { waited(t - mean) }
                })
                .sum()
        })
    };
    Times { ttft: quantiles(&prompts), tbt, tbt_method, e2e: quantiles(&whole) }
}

/// Eight equally likely standard normal values.
const Z: [f64; 8] = [-1.534, -0.887, -0.489, -0.157, 0.157, 0.489, 0.887, 1.534];

/// A sum of exponential times at the normal quantile `z`: a Gamma law by Wilson and Hilferty's cube (1931).
fn noisy_time(mean: f64, deviation: f64, z: f64) -> f64 {
    let ninth = deviation * deviation / (9.0 * mean * mean);
    mean * (1.0 - ninth + z * ninth.sqrt()).max(0.0).powi(3)
}

/// (mean, deviation, mass) of prompt times and of service times at quantiles of the lengths.
#[allow(clippy::type_complexity)]
fn service_nodes(load: &Load) -> (Vec<(f64, f64, f64)>, Vec<(f64, f64, f64)>) {
    let mut survival = Vec::with_capacity(load.moments.prompt_masses.len());
    let mut above = 1.0;
    for mass in &load.moments.prompt_masses {
        above -= mass;
        survival.push(above);
    }
    let prompts = output_nodes(&survival);
    let outputs = output_nodes(&load.moments.output_survival);
    let mut first = Vec::new();
    let mut whole = Vec::new();
    for (index, &(prompt, mass)) in prompts.iter().enumerate() {
        let (_, _, time) = of_request(load, prompt, 1.0);
        let (_, variance, _) = of_request(load, prompt, 1.0);
        first.push((time, variance.sqrt(), mass));
        for (other, &(output, output_mass)) in outputs.iter().enumerate() {
            // A Latin pattern of pairs keeps both marginals with a twelfth of the pairs.
            if (index + other) % 12 == 0 || outputs.len() * prompts.len() < 400 {
                let (mean, variance, _) = of_request(load, prompt, output);
                whole.push((mean, variance.sqrt(), mass * output_mass));
            }
        }
    }
    let total: f64 = whole.iter().map(|node| node.2).sum();
    whole.iter_mut().for_each(|node| node.2 /= total);
    (first, whole)
}

/// Percentiles of the decode iterations of one request after another.
fn gap_percentiles(load: &Load, service: &Service) -> ([f64; 3], Method) {
    let law = load.law();
    let noise = load.scenario.step_noise;
    let step = crate::cost::mean_step_s(law, 1.0, 0.0);
    let shape = match noise {
        StepNoise::None => [1.0; 3],
        _ => [0.5_f64, 0.95, 0.99].map(|p| -(1.0 - p).ln()),
    };
    let exact = crate::cost::per_context_token_s(law) == 0.0 && noise != StepNoise::ExponentialCoefficients;
    let gaps = (load.output() - 1.0).max(1e-12);
    let mean = if exact { step } else { (service.mean_s - service.prompt_mean_s) / gaps };
    (shape.map(|s| s * mean), if exact { Method::Exact } else { Method::Approximation })
}

/// Whether every request is the same single iteration.
fn is_one_iteration(load: &Load) -> bool {
    let m = &load.moments;
    let single_prompt = m.raw(2, 0) - m.prompt_mean().powi(2) <= 1e-9 * m.raw(2, 0);
    m.output_survival.len() == 1 && m.prompt_mean() <= load.budget && (single_prompt || prompt_is_free(load.law()))
}

fn prompt_is_free(law: &StepTimeLaw) -> bool {
    match *law {
        StepTimeLaw::Affine { per_token_s, .. } | StepTimeLaw::Hinge { per_token_s, .. } => per_token_s == 0.0,
        StepTimeLaw::Staircase { per_stair_s, .. } => per_stair_s == 0.0,
        StepTimeLaw::AffineContext { per_token_s, per_context_token_s, .. } => {
            per_token_s == 0.0 && per_context_token_s == 0.0
        }
        StepTimeLaw::Curve { ref points, per_context_token_s, .. } => points.len() == 1 && per_context_token_s == 0.0,
        StepTimeLaw::Kernels { .. } => false,
    }
}

/// Visits every prompt length with the sums over the outputs that fit beside it.
fn visit(load: &Load, mut each: impl FnMut(f64, &Outputs, f64)) {
    let scenario: &Scenario = load.scenario;
    let limit = load.memory.unwrap_or(f64::INFINITY);
    if let Some(source) = &scenario.workload.trace {
        for request in source.requests.iter() {
            if (request.prompt + request.output) as f64 <= limit {
                each(request.prompt as f64, &Outputs::of(request.output as f64), 1.0);
            }
        }
        return;
    }
    for class in &scenario.workload.class {
        let mut cumulated = Vec::new();
        let mut sum = Outputs::default();
        for (output, &mass) in class.output.table().iter().enumerate() {
            if mass > 0.0 {
                sum.add(&Outputs::of(output as f64), mass);
            }
            cumulated.push(sum);
        }
        for (prompt, &mass) in class.prompt.table().iter().enumerate() {
            let room = (limit - prompt as f64).max(0.0).min((cumulated.len() - 1) as f64) as usize;
            if mass > 0.0 && room > 0 {
                each(prompt as f64, &cumulated[room], class.share * mass);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::testing::{affine, constant, scenario, uniform, with_context};
    use crate::scenario::Engine;
    use approx::assert_relative_eq;

    /// Oracle S9: coefficients drawn per step; E\[S\] = .842 s, Var S = .022948.
    #[test]
    fn random_coefficients_of_seed_four() {
        let mut question = scenario(0.5, constant(128), constant(65), affine(0.01, 0.001), 1);
        question.policy.engine = Engine::RunToCompletion;
        question.step_noise = StepNoise::ExponentialCoefficients;
        let found = service(&Load::of(&question));
        assert_relative_eq!(found.mean_s, 0.842, max_relative = 1e-12);
        assert_relative_eq!(found.second - found.mean_s * found.mean_s, 0.022_948, max_relative = 1e-9);
        assert_relative_eq!(found.prompt_mean_s, 0.138, max_relative = 1e-12);
    }

    /// The sums over the tables agree with a sum over single requests, with chunks, context and a memory limit.
    #[test]
    fn service_agrees_with_plain_enumeration() {
        let mut question = scenario(0.5, uniform(3, 12), uniform(1, 9), with_context(0.01, 0.001, 1e-4), 1);
        question.policy.engine = Engine::RunToCompletion;
        question.step_noise = StepNoise::Exponential;
        question.instance.max_batch_tokens = Some(5);
        question.instance.kv_tokens = Some(15);
        let load = Load::of(&question);
        let found = service(&load);
        let (mut mean, mut second, mut count) = (0.0, 0.0, 0.0);
        for prompt in 3..=12 {
            for output in (1..=9).filter(|output| prompt + output <= 15) {
                let (s, variance, _) = of_request(&load, f64::from(prompt), f64::from(output));
                mean += s;
                second += s * s + variance;
                count += 1.0;
            }
        }
        assert_relative_eq!(found.mean_s, mean / count, max_relative = 1e-12);
        assert_relative_eq!(found.second, second / count, max_relative = 1e-12);
    }
}
