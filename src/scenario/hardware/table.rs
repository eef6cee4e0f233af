//! The table `[hardware]` of a scenario, which stands for its `step_time` and `kv_tokens`.

use toml::{Table, Value};

use super::{Fit, Placement, gpu, llm, roofline};
use crate::scenario::error::ScenarioError;
use crate::scenario::schema::{Field, Shape};
use crate::scenario::step_time::StepTimeLaw;

/// The key of the table.
pub const KEY: &str = "hardware";

const fn field(key: &'static str, shape: &'static Shape, required: bool) -> Field {
    Field { key, shape, required }
}

static SHAPE: Shape = Shape::Table(&[
    field("gpu", &Shape::Text, true),
    field("model", &Shape::Text, true),
    field("tp", &Shape::Whole, false),
    field("memory_share", &Shape::Number, false),
    field("weights", &Shape::Choice(&["as-released", "bf16", "fp8", "int4"]), false),
    field("kv_cache", &Shape::Choice(&["bf16", "fp8"]), false),
    field("host_s", &Shape::Number, false),
]);

/// What a `[hardware]` comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The law.
    pub step_time: StepTimeLaw,
    /// KV tokens that remain.
    pub kv_tokens: u64,
    /// What fits, in words.
    pub words: String,
}

/// The law and the memory of a table; the output matrix works on at most `max_sampled` tokens.
///
/// # Errors
/// Unknown keys and names, values out of range, a model that does not fit.
pub fn resolve(table: &Table, max_sampled: u64) -> Result<Resolved, ScenarioError> {
    let mut value = Value::Table(table.clone());
    SHAPE.check(&mut value, KEY)?;
    let placement = placement(&value, max_sampled)?;
    let fit = placement.fits().map_err(|none| {
        let (tp, gpu, llm) = (placement.tp, &placement.gpu, &placement.llm);
        let remedy = none.smallest_tp.map_or_else(
            || "no tp up to 64 helps: choose a GPU with more memory, or fewer bytes per weight".to_owned(),
            |least| format!("it fits from tp = {least}, or choose a GPU with more memory"),
        );
        let problem = format!(
            "`{}` does not fit {tp} × `{}`: {:.1} GB per GPU are missing beside the {:.1} GB it may use",
            llm.name,
            gpu.name,
            none.missing_bytes / 1e9,
            none.budget_bytes / 1e9
        );
        ScenarioError::at("hardware.tp", problem, remedy)
    })?;
    let kv_tokens = (fit.kv_bytes / fit.kv_bytes_per_token) as u64;
    Ok(Resolved { step_time: roofline(&placement), kv_tokens, words: words(&placement, &fit, kv_tokens) })
}

fn placement(value: &Value, max_sampled: u64) -> Result<Placement, ScenarioError> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let number = |key: &str| value.get(key).and_then(Value::as_float);
    let named = |key: &str| text(key).unwrap_or_default();
    let gpu = gpu(named("gpu")).map_err(|error| error.under("hardware.gpu"))?;
    let llm = llm(named("model")).map_err(|error| error.under("hardware.model"))?;
    let tp = value.get("tp").and_then(Value::as_integer).unwrap_or(1);
    let usual = Placement::new(gpu, llm, tp.clamp(0, 1 << 16) as u64);
    if !usual.divides() || tp > 64 {
        let (heads, kv) = (usual.llm.heads, usual.llm.kv_heads);
        let problem = format!("is `{tp}`, over which {heads} heads and {kv} KV heads cannot be spread evenly");
        return Err(ScenarioError::at("hardware.tp", problem, "give a power of two, such as 1, 2, 4 or 8"));
    }
    let weight_bytes = match text("weights") {
        Some("bf16") => Some(2.0),
        Some("fp8") => Some(1.0),
        Some("int4") => Some(0.5),
        _ => None,
    };
    let placement = Placement {
        weight_bytes,
        kv_bytes: if text("kv_cache") == Some("fp8") { 1.0 } else { 2.0 },
        memory_share: number("memory_share").unwrap_or(usual.memory_share),
        host_s: number("host_s").unwrap_or(usual.host_s),
        max_sampled,
        ..usual
    };
    let share = placement.memory_share;
    if !(share > 0.0 && share <= 1.0) {
        let remedy = "give a share above 0, at most 1; 0.9 is usual";
        return Err(ScenarioError::at("hardware.memory_share", format!("is `{share}`"), remedy));
    }
    if !(0.0..=10.0).contains(&placement.host_s) {
        let problem = format!("is `{}`", placement.host_s);
        return Err(ScenarioError::at("hardware.host_s", problem, "give from 0 to 10 s; 0.002 to 0.005 are usual"));
    }
    Ok(placement)
}

fn words(placement: &Placement, fit: &Fit, kv_tokens: u64) -> String {
    format!(
        "{} on {} × {}: fits; per GPU {:.1} GB of weights in {:.1} GB, {:.1} GB remain for {kv_tokens} KV tokens; iteration times from a \
         roofline (efficiencies: {})",
        placement.llm.title,
        placement.tp,
        placement.gpu.title,
        fit.weight_bytes / 1e9,
        fit.budget_bytes / 1e9,
        fit.kv_bytes / 1e9,
        placement.gpu.efficiency.calibration,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Resolved, ScenarioError> {
        resolve(&text.parse().unwrap(), 256)
    }

    #[test]
    fn a_table_becomes_a_law() {
        let found = of("gpu = \"h100-sxm\"\nmodel = \"llama-3-70b\"\ntp = 4").unwrap();
        assert!((450_000..520_000).contains(&found.kv_tokens), "{}", found.kv_tokens);
        assert!(
            found.words.starts_with("Llama-3-70B on 4 × NVIDIA H100 SXM: fits; per GPU 35.3 GB"),
            "{}",
            found.words
        );
        let half = of("gpu = \"h100-sxm\"\nmodel = \"llama-3-70b\"\ntp = 4\nkv_cache = \"fp8\"").unwrap();
        assert_eq!(half.kv_tokens / 2, found.kv_tokens);
    }

    #[test]
    fn wrong_tables_name_key_value_and_remedy() {
        for (text, key, part) in [
            ("gpu = \"h100-sxm\"", "hardware.model", "is missing"),
            ("gpu = \"h100-sx\"\nmodel = \"llama-3-8b\"", "hardware.gpu", "did you mean `h100-sxm`"),
            ("gpu = \"l4\"\nmodel = \"llama-3-70b\"", "hardware.tp", "it fits from tp = 8"),
            ("gpu = \"l4\"\nmodel = \"llama-3-8b\"\ntp = 3", "hardware.tp", "spread evenly"),
            ("gpu = \"l4\"\nmodel = \"llama-3-8b\"\ntp = 0", "hardware.tp", "is `0`"),
            ("gpu = \"l4\"\nmodel = \"llama-3-8b\"\nmemory_share = 1.5", "hardware.memory_share", "is `1.5`"),
            ("gpu = \"l4\"\nmodel = \"llama-3-8b\"\nhost_s = -1.0", "hardware.host_s", "is `-1`"),
            ("gpu = \"l4\"\nmodel = \"llama-3-8b\"\nweights = \"fp9\"", "hardware.weights", "`fp8`"),
            ("gpu = \"l4\"\nmodel = \"llama-3-8b\"\nmemory = 1", "hardware.memory", "`memory_share`"),
        ] {
            let error = of(text).unwrap_err();
            assert_eq!(error.key, key, "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
