//! The roofline of an iteration: every matrix takes the longer of its arithmetic and the transfer of its weights (Williams, Waterman
//! and Patterson, Roofline, CACM 52(4), 2009), at the shares of the peaks that real kernels reach.
//!
//! An approximation. Matrices work in tiles of up to 128 tokens (the stair that Dai et al. measure), of which half of one is empty on
//! average; this is no staircase but its mean. Left out: activations that matrices read and write (below 5 % where weights bind), windows
//! of attention (at most their tokens per sequence), skew between experts (each token picks its experts at random).
//!
//! Against three published profiles of linear layers up to 4096 tokens it is too fast: mean absolute error and bias 11 % and −11 % (Llama-3-8B, A100,
//! vidur), 16 % and −16 % (Llama-2-70B, H100, vidur), worst −37 %; 4 % and +1 % on the RTX 4090, whose efficiencies are read from
//! that profile.

use super::llm::ACTIVATION_BYTES;
use super::{Experts, Gpu, Placement};
use crate::scenario::{CurvePoint, StepTimeLaw};

/// Shortest time of a kernel between matrices; measured: norms and rotations of one token on an A100 and an H100 take 4 to 6 µs.
const KERNEL_S: f64 = 4.5e-6;
/// Shortest time of attention in one layer; measured: 9.3 µs for one token with 16 before it on an RTX 4090.
const ATTENTION_S: f64 = 9e-6;
/// Rows of the largest tile.
const TILE: f64 = 128.0;
/// Last sampled tokens; beyond them the law is a straight line.
const LONGEST: u64 = 1 << 17;
/// Largest share by which the curve may miss the law where it is checked.
const CURVE_ERROR: f64 = 5e-4;

/// Seconds of all layers and the output matrix over `tokens` > 0: matrices, the kernels between them, all-reduces. Without attention and host.
pub fn linear_s(placement: &Placement, tokens: f64) -> f64 {
    let (gpu, llm, tp) = (&placement.gpu, &placement.llm, placement.tp as f64);
    let bytes = placement.weight_bytes.unwrap_or(llm.bytes_per_parameter);
    let sampled = tokens.min(placement.max_sampled as f64);
    layers_s(placement, tokens) + matrix_s(gpu, llm.lm_head() / tp, bytes, sampled)
}

/// The same without the output matrix.
pub fn layers_s(placement: &Placement, tokens: f64) -> f64 {
    let (gpu, llm, tp) = (&placement.gpu, &placement.llm, placement.tp as f64);
    let bytes = placement.weight_bytes.unwrap_or(llm.bytes_per_parameter);
    let matrix = |weights: f64, tokens: f64| matrix_s(gpu, weights / tp, bytes, tokens);
    let attention: f64 = llm.attention_matrices().iter().map(|&weights| matrix(weights, tokens)).sum();
    let every_layer = attention + between_s(placement, tokens) + 2.0 * all_reduce_s(placement, tokens);
    let dense = llm.dense_layers() as f64
        * (matrix(llm.dense_mlp(), tokens) + activation_s(placement, llm.intermediate, tokens));
    let sparse = llm
        .experts
        .as_ref()
        .map_or(0.0, |experts| (llm.layers - experts.dense_layers) as f64 * experts_s(placement, experts, tokens));
    llm.layers as f64 * every_layer + dense + sparse
}

/// The whole law: a curve of [`linear_s`] with launches and host, attention per context token and per pair of prompt tokens.
pub fn roofline(placement: &Placement) -> StepTimeLaw {
    let fixed = placement.host_s + attention_floor_s(placement);
    let points = sample(|tokens| fixed + linear_s(placement, tokens as f64), &corners(placement));
    StepTimeLaw::Curve {
        points,
        per_context_token_s: per_context_token_s(placement),
        per_prefill_pair_s: per_prefill_pair_s(placement),
    }
}

/// Shortest time of attention in all layers.
pub fn attention_floor_s(placement: &Placement) -> f64 {
    placement.llm.layers as f64 * ATTENTION_S
}

fn matrix_s(gpu: &Gpu, weights: f64, bytes: f64, tokens: f64) -> f64 {
    (2.0 * weights * padded(tokens) / gpu.linear_flops(bytes)).max(weights * bytes / gpu.linear_bandwidth())
}

/// Tokens with the empty part of the last tile, on average half of it. Fewer tokens take smaller tiles.
fn padded(tokens: f64) -> f64 {
    tokens + f64::min(tokens, TILE) / 2.0
}

/// Two norms with their residuals, and the rotation of queries and keys.
fn between_s(placement: &Placement, tokens: f64) -> f64 {
    let llm = &placement.llm;
    let norm = kernel_s(placement, 4.0 * llm.hidden as f64 * tokens);
    let rotated = ((llm.heads + llm.kv_heads) * llm.head_dim) as f64 / placement.tp as f64;
    2.0 * norm + kernel_s(placement, 2.0 * rotated * tokens)
}

/// Two values read and one written per unit of an MLP.
fn activation_s(placement: &Placement, units: u64, tokens: f64) -> f64 {
    kernel_s(placement, 3.0 * units as f64 / placement.tp as f64 * tokens)
}

fn kernel_s(placement: &Placement, values: f64) -> f64 {
    (values * ACTIVATION_BYTES / placement.gpu.linear_bandwidth()).max(KERNEL_S)
}

fn all_reduce_s(placement: &Placement, tokens: f64) -> f64 {
    placement.gpu.all_reduce_s(placement.tp, tokens * placement.llm.hidden as f64 * ACTIVATION_BYTES)
}

/// One layer of experts: E(1 − (1 − k/E)^b) of them are read when each of b tokens picks k of E.
fn experts_s(placement: &Placement, experts: &Experts, tokens: f64) -> f64 {
    let (gpu, llm, tp) = (&placement.gpu, &placement.llm, placement.tp as f64);
    let (count, active) = (experts.count as f64, experts.active as f64);
    let touched = count * (1.0 - (1.0 - active / count).powf(tokens));
    let (weights, bytes) = (llm.expert() / tp, llm.expert_bytes(placement.weight_bytes));
    let each = active * tokens / touched;
    let compute = 2.0 * weights * touched * padded(each) / gpu.linear_flops(bytes);
    let routed = compute.max(weights * touched * bytes / gpu.linear_bandwidth());
    let own_bytes = placement.weight_bytes.unwrap_or(llm.bytes_per_parameter);
    let router = matrix_s(gpu, (llm.hidden * experts.count) as f64, own_bytes, tokens);
    let shared = matrix_s(gpu, experts.shared as f64 * weights, own_bytes, tokens);
    // Routing, sorting tokens by expert and adding up their answers are kernels of their own.
    let moved = 3.0 * kernel_s(placement, 2.0 * active * llm.hidden as f64 * tokens);
    routed + router + shared + moved + activation_s(placement, experts.intermediate, active * tokens)
}

/// Seconds per KV token of context: reading it in all layers, or its arithmetic where that takes longer (latent attention).
pub fn per_context_token_s(placement: &Placement) -> f64 {
    let (gpu, llm) = (&placement.gpu, &placement.llm);
    let read = placement.kv_values_per_gpu() * placement.kv_bytes / gpu.attention_bandwidth();
    let widths = llm.latent.as_ref().map_or(2 * llm.head_dim, |latent| 2 * latent.kv_rank + latent.rope_dim);
    let compute = 2.0 * (llm.heads * widths) as f64 / placement.tp as f64 / gpu.attention_flops();
    llm.full_layers() as f64 * read.max(compute)
}

/// Seconds per pair of a prompt token and a token before or at it: 2 FLOP per width of query, key and value, head and pair.
pub fn per_prefill_pair_s(placement: &Placement) -> f64 {
    let llm = &placement.llm;
    let widths =
        llm.latent.as_ref().map_or(2 * llm.head_dim, |latent| latent.nope_dim + latent.rope_dim + latent.value_dim);
    let flops = 2.0 * (llm.heads * widths) as f64 / placement.tp as f64;
    llm.full_layers() as f64 * flops / placement.gpu.attention_flops()
}

/// Tokens about which arithmetic and transfer of a matrix take the same time, and those of the output matrix's end.
fn corners(placement: &Placement) -> Vec<u64> {
    let (gpu, llm) = (&placement.gpu, &placement.llm);
    let own = placement.weight_bytes.unwrap_or(llm.bytes_per_parameter);
    let even = |bytes: f64| {
        let tokens = bytes / 2.0 * gpu.linear_flops(bytes) / gpu.linear_bandwidth();
        if tokens > 1.5 * TILE { tokens - TILE / 2.0 } else { tokens / 1.5 }
    };
    let kinds = [even(own), even(llm.expert_bytes(placement.weight_bytes)), placement.max_sampled as f64];
    kinds.iter().flat_map(|&tokens| [tokens.floor() as u64, tokens.ceil() as u64]).collect()
}

/// Points at powers of two, corners, and wherever a straight line between its neighbours would miss the law.
fn sample(law: impl Fn(u64) -> f64, corners: &[u64]) -> Vec<CurvePoint> {
    let mut start: Vec<u64> = (0..=LONGEST.ilog2()).map(|power| 1 << power).collect();
    start.extend(corners.iter().filter(|&&tokens| (1..LONGEST).contains(&tokens)));
    start.sort_unstable();
    start.dedup();
    let mut points = Vec::new();
    for pair in start.windows(2) {
        refine(&law, pair[0], pair[1], &mut points);
    }
    points.push(LONGEST);
    points.into_iter().map(|tokens| CurvePoint { tokens, seconds: law(tokens) }).collect()
}

/// Adds `from` and what is needed before `to`.
fn refine(law: &impl Fn(u64) -> f64, from: u64, to: u64, points: &mut Vec<u64>) {
    let (low, high) = (law(from), law(to));
    let misses = |part: u64| {
        let at = from + (to - from) * part / 8;
        let line = low + (high - low) * (at - from) as f64 / (to - from) as f64;
        (line / law(at) - 1.0).abs() > CURVE_ERROR
    };
    if to - from > 1 && (1..8).any(misses) {
        let middle = from.midpoint(to);
        refine(law, from, middle, points);
        refine(law, middle, to, points);
    } else {
        points.push(from);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{gpu, gpus, llm, llms};
    use super::*;
    use approx::assert_relative_eq;

    fn placed(gpu_name: &str, llm_name: &str, tp: u64) -> Placement {
        Placement::new(gpu(gpu_name).unwrap(), llm(llm_name).unwrap(), tp)
    }

    fn at(points: &[CurvePoint], tokens: u64) -> f64 {
        let after = points.partition_point(|point| point.tokens <= tokens).clamp(1, points.len() - 1);
        let (from, to) = (points[after - 1], points[after]);
        let slope = (to.seconds - from.seconds) / (to.tokens - from.tokens) as f64;
        from.seconds + slope * (tokens - from.tokens) as f64
    }

    #[test]
    fn every_curve_follows_its_law_and_is_valid() {
        let mut worst: f64 = 0.0;
        for gpu in gpus().unwrap() {
            for llm in llms().unwrap() {
                for tp in [1, 4] {
                    let placement = Placement::new(gpu.clone(), llm.clone(), tp);
                    let law = roofline(&placement);
                    law.validate().unwrap();
                    let StepTimeLaw::Curve { points, .. } = law else { panic!("no curve") };
                    assert!(points.len() < 400, "{} {}: {}", gpu.name, llm.name, points.len());
                    let fixed = placement.host_s + llm.layers as f64 * ATTENTION_S;
                    for tokens in (1..600).chain([777, 1500, 3001, 7000, 50_000, 100_000]) {
                        let exact = fixed + linear_s(&placement, tokens as f64);
                        worst = worst.max((at(&points, tokens) / exact - 1.0).abs());
                    }
                }
            }
        }
        assert!(worst < 0.002, "{worst}");
    }

    /// Llama-3-70B over 4 H100: weights of 80 layers 2 × 68.45e9 / 4 bytes at 3350 × 0.86 GB/s, output matrix 2.1 GB / 4 likewise.
    #[test]
    fn one_token_by_hand() {
        let placement = placed("h100-sxm", "llama-3-70b", 4);
        let (layers, head) = (80.0 * (8192.0 * (10240.0 + 8192.0) + 3.0 * 8192.0 * 28672.0), 128_256.0 * 8192.0);
        let weights = (layers + head) * 2.0 / 4.0 / (3350e9 * 0.86);
        let reduces = 160.0 * (15e-6 + 1.5 * 16_384.0 / 338e9);
        assert_relative_eq!(linear_s(&placement, 1.0), weights + reduces + 320.0 * 4.5e-6, max_relative = 1e-12);
        let StepTimeLaw::Curve { per_context_token_s, per_prefill_pair_s, .. } = roofline(&placement) else {
            panic!("no curve")
        };
        assert_relative_eq!(per_context_token_s, 81_920.0 / (3350e9 * 0.85), max_relative = 1e-12);
        let pair = 80.0 * 4.0 * 64.0 * 128.0 / 4.0 / (989e12 * 0.47);
        assert_relative_eq!(per_prefill_pair_s, pair, max_relative = 1e-12);
    }

    #[test]
    fn few_tokens_touch_few_experts() {
        let placement = placed("h100-sxm", "qwen3-30b-a3b", 1);
        let experts = placement.llm.experts.clone().unwrap();
        let read = |touched: f64| touched * placement.llm.expert() * 2.0 / (3350e9 * 0.86);
        let other = |tokens: f64| {
            let whole = experts_s(&placement, &experts, tokens);
            whole - read(128.0 * (1.0 - (1.0f64 - 8.0 / 128.0).powf(tokens)))
        };
        // One token reads 8 of 128 experts, 64 read 125.9.
        assert_relative_eq!(other(1.0), experts_s(&placement, &experts, 1.0) - read(8.0), max_relative = 1e-9);
        assert!(experts_s(&placement, &experts, 64.0) > read(125.9));
        assert!(other(1.0) < read(8.0));
    }

    /// Latent attention on one GPU is bound by arithmetic, over 8 by reading.
    #[test]
    fn latent_attention_changes_its_bound() {
        let (one, eight) = (placed("h100-sxm", "deepseek-v3", 1), placed("h100-sxm", "deepseek-v3", 8));
        assert_relative_eq!(per_context_token_s(&eight), 70_272.0 / (3350e9 * 0.85), max_relative = 1e-12);
        let compute = 61.0 * 2.0 * 128.0 * 1088.0 / (989e12 * 0.47);
        assert_relative_eq!(per_context_token_s(&one), compute, max_relative = 1e-12);
    }

    /// Relative errors against the sum of the medians of a layer's operators, in ms, times the layers. The output matrix is not in it.
    fn errors(gpu: &str, llm: &str, measured: &[(u32, f64)]) -> Vec<f64> {
        let placement = placed(gpu, llm, 1);
        let error = |&(tokens, ms): &(u32, f64)| {
            let head = matrix_s(&placement.gpu, placement.llm.lm_head(), 2.0, f64::from(tokens).min(256.0));
            let found = (linear_s(&placement, f64::from(tokens)) - head) * 1e3 / placement.llm.layers as f64;
            found / ms - 1.0
        };
        measured.iter().map(error).collect()
    }

    /// The roofline is too fast, and nearly right at one token. Profiles by vidur (MIT).
    #[test]
    fn against_published_profiles() {
        let a100 = [(1, 0.303), (64, 0.351), (256, 0.609), (1024, 2.348), (4096, 8.529)];
        let h100 = [(1, 0.625), (64, 0.6335), (256, 0.764), (1024, 2.9345), (4096, 10.8585)];
        for (gpu, llm, measured) in [("a100-80-sxm", "llama-3-8b", a100), ("h100-sxm", "llama-2-70b", h100)] {
            let errors = errors(gpu, llm, &measured);
            assert!(errors[0].abs() < 0.03, "{errors:?}");
            assert!(errors.iter().all(|error| (-0.17..0.05).contains(error)), "{errors:?}");
        }
    }

    /// The profile by LLMServingSim (MIT) from which the efficiencies of this GPU were read at 1 and at 2048 tokens: only what lies between
    /// tests them. Where tiles are full, as at 256, the mean of the stair is too slow; where one was just begun, too fast.
    #[test]
    fn against_the_profile_it_was_calibrated_on() {
        let full = [(128, 0.6148), (256, 0.7476), (512, 1.433), (1024, 2.8396), (2048, 5.6591)];
        let between =
            [(1, 0.4756), (32, 0.5276), (192, 0.7101), (320, 1.0973), (704, 2.0419), (1088, 3.2242), (1600, 4.5923)];
        let full = errors("rtx-4090", "llama-3.1-8b", &full);
        let between = errors("rtx-4090", "llama-3.1-8b", &between);
        assert!(full.iter().all(|error| (-0.14..0.20).contains(error)), "{full:?}");
        assert!(between.iter().all(|error| error.abs() < 0.09), "{between:?}");
    }
}
