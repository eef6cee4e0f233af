//! GPU and model in place of an iteration-time law: what a [`Placement`] of a [`Llm`] on [`Gpu`]s comes to, as KV tokens and as a
//! [`StepTimeLaw::Curve`](super::StepTimeLaw::Curve).

mod files;
mod gpu;
mod llm;
mod placement;
mod roofline;
mod table;

use serde::de::DeserializeOwned;

pub use gpu::{Efficiency, Gpu};
pub use llm::{Experts, Latent, Llm, Window};
pub use placement::{Fit, NoFit, Placement};
pub use roofline::{attention_floor_s, layers_s, linear_s, per_context_token_s, per_prefill_pair_s, roofline};
pub use table::{KEY, Resolved, resolve};

use super::error::ScenarioError;
use super::nearest::nearest;

/// All GPUs.
///
/// # Errors
/// A file that cannot be read, which a test excludes.
pub fn gpus() -> Result<Vec<Gpu>, ScenarioError> {
    files::GPUS.iter().map(|text| read(text)).collect()
}

/// All models.
///
/// # Errors
/// A file that cannot be read, which a test excludes.
pub fn llms() -> Result<Vec<Llm>, ScenarioError> {
    files::LLMS.iter().map(|text| read(text)).collect()
}

/// The GPU of that name.
///
/// # Errors
/// There is none; the message names the nearest.
pub fn gpu(name: &str) -> Result<Gpu, ScenarioError> {
    let all = gpus()?;
    let at = all.iter().position(|gpu| gpu.name == name);
    let names: Vec<&str> = all.iter().map(|gpu| gpu.name.as_str()).collect();
    at.map(|index| all[index].clone()).ok_or_else(|| unknown(name, "GPU", "gpus", &names))
}

/// The model of that name.
///
/// # Errors
/// There is none; the message names the nearest.
pub fn llm(name: &str) -> Result<Llm, ScenarioError> {
    let all = llms()?;
    let at = all.iter().position(|llm| llm.name == name);
    let names: Vec<&str> = all.iter().map(|llm| llm.name.as_str()).collect();
    at.map(|index| all[index].clone()).ok_or_else(|| unknown(name, "model", "llms", &names))
}

/// The model with the longest name that stands in a text such as `meta-llama/Llama-3.1-8B`, whatever the case.
///
/// # Errors
/// A file that cannot be read, which a test excludes.
pub fn llm_within(text: &str) -> Result<Option<Llm>, ScenarioError> {
    let text = text.to_lowercase();
    Ok(llms()?.into_iter().filter(|llm| text.contains(&llm.name)).max_by_key(|llm| llm.name.len()))
}

/// The GPU with the longest name that stands in a device's, such as `NVIDIA GeForce RTX 4090`.
///
/// # Errors
/// A file that cannot be read, which a test excludes.
pub fn gpu_within(text: &str) -> Result<Option<Gpu>, ScenarioError> {
    let text = text.to_lowercase().replace(' ', "-");
    Ok(gpus()?.into_iter().filter(|gpu| text.contains(&gpu.name)).max_by_key(|gpu| gpu.name.len()))
}

/// The file of a GPU or a model, with where each number comes from.
///
/// # Errors
/// There is none of that name.
pub fn text(name: &str) -> Result<&'static str, ScenarioError> {
    let (gpus, llms) = (gpus()?, llms()?);
    let names = gpus.iter().map(|gpu| gpu.name.as_str()).chain(llms.iter().map(|llm| llm.name.as_str()));
    let names: Vec<&str> = names.collect();
    let at = names.iter().position(|own| *own == name).ok_or_else(|| unknown(name, "GPU or model", "", &names))?;
    Ok(files::GPUS.iter().chain(&files::LLMS).nth(at).copied().unwrap_or_default())
}

fn unknown(name: &str, what: &str, list: &str, names: &[&str]) -> ScenarioError {
    // A name may be part of another: `h100` of `h100-sxm`.
    let part = || names.iter().copied().find(|known| known.contains(name));
    let near = nearest(name, names.iter().copied()).or_else(part);
    let hint = near.map_or(String::new(), |near| format!("did you mean `{near}`? "));
    let command = format!("fluidsim models {list}");
    ScenarioError::at("", format!("`{name}` is no known {what}"), format!("{hint}`{}` lists them", command.trim()))
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, ScenarioError> {
    toml::from_str(text)
        .map_err(|problem| ScenarioError::at("models", problem.message().to_owned(), "compare it with its neighbours"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn every_file_is_listed_and_bears_its_name() {
        let names = |folder: &str| {
            let folder = format!("{}/models/{folder}", env!("CARGO_MANIFEST_DIR"));
            let files = std::fs::read_dir(folder).unwrap();
            let mut names: Vec<String> =
                files.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
            names.sort();
            names
        };
        let sorted = |mut names: Vec<String>| {
            names.sort();
            names
        };
        let (gpus, llms) = (gpus().unwrap(), llms().unwrap());
        assert!(gpus.len() >= 16 && llms.len() >= 22);
        for name in gpus.iter().map(|gpu| &gpu.name).chain(llms.iter().map(|llm| &llm.name)) {
            assert!(text(name).unwrap().starts_with(&format!("name = \"{name}\"")));
        }
        assert_eq!(sorted(gpus.into_iter().map(|gpu| gpu.name).collect()), names("hardware"));
        assert_eq!(sorted(llms.into_iter().map(|llm| llm.name).collect()), names("llm"));
    }

    #[test]
    fn parameters_follow_from_the_shape() {
        for llm in llms().unwrap() {
            assert_relative_eq!(llm.parameters(), llm.published_parameters, max_relative = 0.005);
            assert!(llm.active_parameters() <= llm.parameters());
        }
        let active = |name: &str| llm(name).unwrap().active_parameters();
        // Published: 12.9, 37 and 22 billion.
        assert_relative_eq!(active("mixtral-8x7b"), 12.9e9, max_relative = 0.02);
        assert_relative_eq!(active("deepseek-v3"), 37e9, max_relative = 0.03);
        assert_relative_eq!(active("qwen3-235b-a22b"), 22e9, max_relative = 0.03);
    }

    #[test]
    fn kv_bytes_of_a_token() {
        for (name, bytes) in [
            ("llama-2-7b", 524_288.0),
            ("llama-3-8b", 131_072.0),
            ("llama-3-70b", 327_680.0),
            ("qwen3-32b", 262_144.0),
            ("deepseek-v3", 70_272.0),
        ] {
            assert_eq!(llm(name).unwrap().kv_bytes_per_token(2.0), bytes, "{name}");
        }
    }

    #[test]
    fn numbers_of_gpus_are_in_range() {
        for gpu in gpus().unwrap() {
            let shares = &gpu.efficiency;
            for share in [shares.linear_mfu, shares.linear_mbu, shares.decode_mbu, shares.prefill_mfu, gpu.usable_share]
            {
                assert!(share > 0.3 && share <= 1.0, "{}", gpu.name);
            }
            assert!(gpu.all_reduce_gb_per_s < gpu.link_gb_per_s && !shares.calibration.is_empty());
        }
    }

    #[test]
    fn wrong_names_get_a_suggestion() {
        assert!(gpu("h100").unwrap_err().to_string().contains("did you mean `h100-"));
        assert!(llm("llama3-70b").unwrap_err().to_string().contains("did you mean `llama-3-70b`?"));
        assert!(text("abacus").unwrap_err().to_string().ends_with("`fluidsim models` lists them"));
    }
}
