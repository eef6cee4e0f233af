//! Language models: their shape, and what follows from it.

use serde::Deserialize;

/// Bytes of an activation.
pub const ACTIVATION_BYTES: f64 = 2.0;

/// One model. The files under `models/llm` give the shape as published.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Llm {
    /// Name, as in `--model`.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Repository whose config.json gives the shape.
    pub source: String,
    /// Transformer layers.
    pub layers: u64,
    /// Width of the residual stream.
    pub hidden: u64,
    /// Query heads.
    pub heads: u64,
    /// KV heads.
    pub kv_heads: u64,
    /// Width of a head.
    pub head_dim: u64,
    /// Width of a dense MLP; 0 where every layer has experts.
    #[serde(default)]
    pub intermediate: u64,
    /// Entries of the vocabulary.
    pub vocab: u64,
    /// Whether the embedding is also the output matrix.
    pub tied_embeddings: bool,
    /// Bytes of a parameter as released.
    pub bytes_per_parameter: f64,
    /// Parameters as published: a check, used nowhere else.
    pub published_parameters: f64,
    /// Mixture of experts.
    pub experts: Option<Experts>,
    /// Multi-head latent attention.
    pub latent: Option<Latent>,
    /// Layers whose attention looks back over a window only.
    pub window: Option<Window>,
}

/// Mixture of experts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experts {
    /// Routed experts of a layer.
    pub count: u64,
    /// Of them used by a token.
    pub active: u64,
    /// Experts that every token uses.
    pub shared: u64,
    /// Width of an expert.
    pub intermediate: u64,
    /// First layers with a dense MLP.
    pub dense_layers: u64,
    /// Bytes of their parameters, where they are stored in another form.
    pub bytes_per_parameter: Option<f64>,
}

/// Multi-head latent attention (DeepSeek-V2, 2024): KV of all heads is one compressed vector.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latent {
    /// Rank of the queries.
    pub q_rank: u64,
    /// Rank of keys and values.
    pub kv_rank: u64,
    /// Width of a head without rotation.
    pub nope_dim: u64,
    /// Width with rotation, shared by all heads.
    pub rope_dim: u64,
    /// Width of a value.
    pub value_dim: u64,
}

/// Sliding windows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Layers with one.
    pub layers: u64,
    /// Tokens of it.
    pub tokens: u64,
}

impl Llm {
    /// Weights of the projections of attention, one matrix each.
    pub fn attention_matrices(&self) -> Vec<f64> {
        let (hidden, heads) = (self.hidden as f64, self.heads as f64);
        match &self.latent {
            None => {
                let (query, kv) = ((self.heads * self.head_dim) as f64, (self.kv_heads * self.head_dim) as f64);
                vec![hidden * (query + 2.0 * kv), query * hidden]
            }
            Some(latent) => {
                let [q, kv, nope, rope, value] =
                    [latent.q_rank, latent.kv_rank, latent.nope_dim, latent.rope_dim, latent.value_dim]
                        .map(|width| width as f64);
                vec![
                    hidden * (q + kv + rope),
                    q * heads * (nope + rope),
                    kv * heads * (nope + value),
                    heads * value * hidden,
                ]
            }
        }
    }

    /// Layers with a dense MLP.
    pub fn dense_layers(&self) -> u64 {
        self.experts.as_ref().map_or(self.layers, |experts| experts.dense_layers)
    }

    /// Weights of a dense MLP: gate, up and down.
    pub fn dense_mlp(&self) -> f64 {
        3.0 * (self.hidden * self.intermediate) as f64
    }

    /// Weights of one expert.
    pub fn expert(&self) -> f64 {
        self.experts.as_ref().map_or(0.0, |experts| 3.0 * (self.hidden * experts.intermediate) as f64)
    }

    /// Weights of the output matrix.
    pub fn lm_head(&self) -> f64 {
        (self.vocab * self.hidden) as f64
    }

    fn expert_layers(&self) -> f64 {
        (self.layers - self.dense_layers()) as f64
    }

    /// Parameters of the routed experts.
    fn routed_parameters(&self) -> f64 {
        self.experts.as_ref().map_or(0.0, |experts| self.expert_layers() * experts.count as f64 * self.expert())
    }

    /// Parameters that every token uses, embedding and output matrix apart.
    fn common_parameters(&self) -> f64 {
        let attention = self.layers as f64 * self.attention_matrices().iter().sum::<f64>();
        let always = self.experts.as_ref().map_or(0.0, |experts| {
            self.expert_layers() * (experts.shared as f64 * self.expert() + (self.hidden * experts.count) as f64)
        });
        let norms = (2 * self.layers + 1) as f64 * self.hidden as f64;
        attention + self.dense_layers() as f64 * self.dense_mlp() + always + norms
    }

    /// Parameters. Biases are left out, at most 0.1 %.
    pub fn parameters(&self) -> f64 {
        let tables = if self.tied_embeddings { 1.0 } else { 2.0 };
        self.common_parameters() + self.routed_parameters() + tables * self.lm_head()
    }

    /// Parameters that one token uses, without the look-up of its embedding.
    pub fn active_parameters(&self) -> f64 {
        let routed =
            self.experts.as_ref().map_or(0.0, |experts| self.expert_layers() * experts.active as f64 * self.expert());
        self.common_parameters() + routed + self.lm_head()
    }

    /// FLOP per token, attention over the context apart: 2 per parameter used.
    pub fn flops_per_token(&self) -> f64 {
        2.0 * self.active_parameters()
    }

    /// Bytes of all weights with so many bytes per parameter, or as released. Routed experts may be stored in another form.
    pub fn weight_bytes(&self, bytes: Option<f64>) -> f64 {
        let own = bytes.unwrap_or(self.bytes_per_parameter);
        self.routed_parameters() * self.expert_bytes(bytes) + (self.parameters() - self.routed_parameters()) * own
    }

    /// Bytes of a parameter of a routed expert.
    pub fn expert_bytes(&self, bytes: Option<f64>) -> f64 {
        let released = self.experts.as_ref().and_then(|experts| experts.bytes_per_parameter);
        bytes.or(released).unwrap_or(self.bytes_per_parameter)
    }

    /// KV values of a token in one layer.
    pub fn kv_values(&self) -> u64 {
        self.latent.as_ref().map_or(2 * self.kv_heads * self.head_dim, |latent| latent.kv_rank + latent.rope_dim)
    }

    /// KV bytes of a token with `bytes` per value, all layers.
    pub fn kv_bytes_per_token(&self, bytes: f64) -> f64 {
        (self.layers * self.kv_values()) as f64 * bytes
    }

    /// Layers whose attention reads the whole context.
    pub fn full_layers(&self) -> u64 {
        self.layers - self.window.as_ref().map_or(0, |window| window.layers)
    }
}
