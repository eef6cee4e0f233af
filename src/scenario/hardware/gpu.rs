//! GPUs: what the data sheet says and how much of it real kernels reach.

use serde::Deserialize;

/// One GPU. The files under `models/hardware` say where each number comes from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    /// Name, as in `--gpu`.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Architecture.
    pub family: String,
    /// Dense peak of bf16, 10¹² FLOP/s.
    pub bf16_tflops: f64,
    /// Dense peak of fp8, 10¹² FLOP/s; absent where fp8 runs as bf16.
    pub fp8_tflops: Option<f64>,
    /// Memory, 2³⁰ bytes.
    pub memory_gib: f64,
    /// Share of it that programs get.
    pub usable_share: f64,
    /// Memory bandwidth, 10⁹ bytes per second.
    pub memory_gb_per_s: f64,
    /// What joins GPUs of a node.
    pub link: String,
    /// Its rate one way, 10⁹ bytes per second.
    pub link_gb_per_s: f64,
    /// Latency of an all-reduce, seconds.
    pub all_reduce_s: f64,
    /// Rate of an all-reduce over the bytes that pass each link, 10⁹ bytes per second.
    pub all_reduce_gb_per_s: f64,
    /// How much of the peaks is reached.
    pub efficiency: Efficiency,
}

/// Shares of the peaks that real kernels reach.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Efficiency {
    /// Where the shares come from.
    pub calibration: String,
    /// Of the FLOP/s, in linear layers.
    pub linear_mfu: f64,
    /// Of the memory bandwidth, in linear layers.
    pub linear_mbu: f64,
    /// Of the memory bandwidth, in attention over the context.
    pub decode_mbu: f64,
    /// Of the FLOP/s, in attention inside prompts.
    pub prefill_mfu: f64,
}

impl Gpu {
    /// Bytes that programs get.
    pub fn usable_bytes(&self) -> f64 {
        self.memory_gib * f64::from(1 << 30) * self.usable_share
    }

    /// FLOP/s of linear layers whose weights take so many bytes each. Only fp8 has a faster peak; fewer bits are unpacked to bf16.
    pub fn linear_flops(&self, weight_bytes: f64) -> f64 {
        let peak = self.fp8_tflops.filter(|_| weight_bytes == 1.0).unwrap_or(self.bf16_tflops);
        peak * 1e12 * self.efficiency.linear_mfu
    }

    /// Bytes per second at which linear layers read weights.
    pub fn linear_bandwidth(&self) -> f64 {
        self.memory_gb_per_s * 1e9 * self.efficiency.linear_mbu
    }

    /// Bytes per second at which attention reads KV.
    pub fn attention_bandwidth(&self) -> f64 {
        self.memory_gb_per_s * 1e9 * self.efficiency.decode_mbu
    }

    /// FLOP/s of attention inside prompts.
    pub fn attention_flops(&self) -> f64 {
        self.bf16_tflops * 1e12 * self.efficiency.prefill_mfu
    }

    /// Seconds of an all-reduce of `bytes` over `gpus` GPUs, a ring: α + 2(n − 1)/n · bytes / β, and 0 for one GPU.
    pub fn all_reduce_s(&self, gpus: u64, bytes: f64) -> f64 {
        if gpus < 2 {
            return 0.0;
        }
        let passes = 2.0 * (gpus - 1) as f64 / gpus as f64;
        self.all_reduce_s + passes * bytes / (self.all_reduce_gb_per_s * 1e9)
    }
}
