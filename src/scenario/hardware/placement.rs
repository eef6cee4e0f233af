//! A model spread over GPUs: does it fit, and how many KV tokens remain.

use super::{Gpu, Llm};

/// How a model runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// The GPU.
    pub gpu: Gpu,
    /// The model.
    pub llm: Llm,
    /// GPUs that share every layer (tensor parallelism).
    pub tp: u64,
    /// Bytes of a weight; absent: as released.
    pub weight_bytes: Option<f64>,
    /// Bytes of a KV value.
    pub kv_bytes: f64,
    /// Share of the GPU's memory that the engine may use (vLLM's gpu_memory_utilization).
    pub memory_share: f64,
    /// Bytes of it per GPU for activations and buffers.
    pub workspace_bytes: f64,
    /// Seconds that the host adds to an iteration.
    pub host_s: f64,
    /// Most tokens sampled in one iteration: the output matrix works on those only.
    pub max_sampled: u64,
}

/// What remains of the memory of each GPU, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// What the engine may use.
    pub budget_bytes: f64,
    /// Weights.
    pub weight_bytes: f64,
    /// KV of one token.
    pub kv_bytes_per_token: f64,
    /// What remains for KV.
    pub kv_bytes: f64,
}

/// A model that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("needs {:.1} GB more per GPU than its {:.1} GB", missing_bytes / 1e9, budget_bytes / 1e9)]
pub struct NoFit {
    /// Bytes per GPU that are missing, workspace included.
    pub missing_bytes: f64,
    /// Bytes per GPU that the engine may use.
    pub budget_bytes: f64,
    /// The least power of two of GPUs on which it fits, up to 64.
    pub smallest_tp: Option<u64>,
}

impl Placement {
    /// The model on `tp` GPUs as vLLM starts it: 0.9 of the memory, bf16 KV.
    ///
    /// The workspace of 1.25 GB is measured: a vLLM run of Llama-3.1-8B on an RTX 4090 kept 41 408 KV tokens of 0.9 × 25.25 GB, which leaves
    /// 1.24 GB beside weights and KV. 3 ms of host time are the middle of the 2 to 5 ms published.
    pub fn new(gpu: Gpu, llm: Llm, tp: u64) -> Self {
        Self {
            gpu,
            llm,
            tp,
            weight_bytes: None,
            kv_bytes: 2.0,
            memory_share: 0.9,
            workspace_bytes: 1.25e9,
            host_s: 3e-3,
            max_sampled: 256,
        }
    }

    /// Whether heads can be shared out evenly: tp divides the heads, and divides or is a multiple of the KV heads.
    pub fn divides(&self) -> bool {
        let (tp, kv) = (self.tp, self.llm.kv_heads);
        tp > 0 && self.llm.heads.is_multiple_of(tp) && (kv.is_multiple_of(tp) || tp.is_multiple_of(kv))
    }

    /// KV values of a token in one layer on one GPU. Fewer KV heads than GPUs are copied, and so is a latent vector.
    pub fn kv_values_per_gpu(&self) -> f64 {
        match self.llm.latent {
            Some(_) => self.llm.kv_values() as f64,
            None => (2 * self.llm.kv_heads.div_ceil(self.tp) * self.llm.head_dim) as f64,
        }
    }

    /// What remains for KV on each GPU.
    ///
    /// # Errors
    /// Weights and workspace leave no room for one token.
    pub fn fits(&self) -> Result<Fit, NoFit> {
        let budget_bytes = self.gpu.usable_bytes() * self.memory_share;
        let weight_bytes = self.llm.weight_bytes(self.weight_bytes) / self.tp as f64;
        let kv_bytes_per_token = self.llm.layers as f64 * self.kv_values_per_gpu() * self.kv_bytes;
        let kv_bytes = budget_bytes - weight_bytes - self.workspace_bytes;
        if kv_bytes >= kv_bytes_per_token {
            return Ok(Fit { budget_bytes, weight_bytes, kv_bytes_per_token, kv_bytes });
        }
        let more = |tp: u64| Self { tp, ..self.clone() };
        let smallest_tp = (0..7).map(|power| 1 << power).filter(|&tp| tp > self.tp).find(|&tp| {
            let other = more(tp);
            other.divides() && other.fits().is_ok()
        });
        Err(NoFit { missing_bytes: kv_bytes_per_token - kv_bytes, budget_bytes, smallest_tp })
    }

    /// KV tokens that remain.
    ///
    /// # Errors
    /// As [`Placement::fits`].
    pub fn kv_tokens(&self) -> Result<u64, NoFit> {
        self.fits().map(|fit| (fit.kv_bytes / fit.kv_bytes_per_token) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{gpu, llm};
    use super::*;
    use approx::assert_relative_eq;

    fn placed(gpu_name: &str, llm_name: &str, tp: u64) -> Placement {
        Placement::new(gpu(gpu_name).unwrap(), llm(llm_name).unwrap(), tp)
    }

    /// The run whose workspace is taken: 41 408 tokens.
    #[test]
    fn kv_tokens_of_a_measured_engine() {
        let tokens = placed("rtx-4090", "llama-3.1-8b", 1).kv_tokens().unwrap();
        assert_relative_eq!(tokens as f64, 41_408.0, max_relative = 0.005);
    }

    #[test]
    fn by_hand() {
        let fit = placed("h100-sxm", "llama-3-70b", 4).fits().unwrap();
        assert_relative_eq!(fit.weight_bytes, 2.0 * 70.55e9 / 4.0, max_relative = 1e-3);
        assert_eq!(fit.kv_bytes_per_token, 81_920.0);
        let budget = 80.0 * 1024f64.powi(3) * 0.985 * 0.9;
        assert_relative_eq!(fit.kv_bytes, budget - fit.weight_bytes - 1.25e9, max_relative = 1e-12);
    }

    #[test]
    fn copied_heads_save_no_memory() {
        let values = |tp| placed("h100-sxm", "qwen2.5-7b", tp).kv_values_per_gpu();
        assert_eq!((values(1), values(4)), (1024.0, 256.0));
        let wide = |tp| placed("h100-sxm", "llama-3-70b", tp).kv_values_per_gpu();
        assert_eq!((wide(8), wide(16)), (256.0, 256.0));
        assert_eq!(placed("h200", "deepseek-v3", 8).kv_values_per_gpu(), 576.0);
    }

    #[test]
    fn a_model_that_does_not_fit_says_what_would() {
        let error = placed("a100-80-sxm", "llama-3-70b", 1).fits().unwrap_err();
        // Two A100 leave 4.3 GB each.
        assert_eq!(error.smallest_tp, Some(2));
        let budget = 80.0 * 1024f64.powi(3) * 0.985 * 0.9;
        assert_relative_eq!(error.missing_bytes, 141.1e9 + 1.25e9 - budget, max_relative = 1e-3);
        assert_eq!(placed("l4", "deepseek-v3", 1).fits().unwrap_err().smallest_tp, Some(64));
        assert!(!placed("h100-sxm", "llama-3-8b", 3).divides());
    }
}
