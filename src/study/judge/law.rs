//! The step-time law of a replay: kernel tables, measured iterations, or the roofline of the GPU that the run names. Nothing of it is
//! taken from the run's times.

use std::path::Path;

use toml::{Table, Value};

use super::read::VllmRun;
use crate::scenario::hardware::{gpu_within, llm_within, resolve};
use crate::scenario::kernels::Kernels;
use crate::scenario::{ScenarioError, StepTimeLaw, Tables, load, profile};

/// Host time per iteration where the scheduler does not run ahead of the GPU: the middle of the 2 to 5 ms that are usual.
pub const HOST_S: f64 = 3e-3;

/// What the user says about the law.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Wishes<'a> {
    /// A folder of kernel tables, or a CSV of whole iterations.
    pub profile: Option<&'a Path>,
    /// GPU by name, in place of the run's.
    pub gpu: Option<&'a str>,
    /// Model by name, in place of the run's.
    pub model: Option<&'a str>,
    /// Layers of the model.
    pub layers: Option<u64>,
    /// Host time per iteration, seconds.
    pub host_s: Option<f64>,
}

/// A law with what it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The law.
    pub law: StepTimeLaw,
    /// Where it is from.
    pub words: String,
    /// KV tokens of an instance by the roofline; none of a profile.
    pub kv_tokens: Option<u64>,
}

/// The law of a run.
///
/// # Errors
/// A profile that cannot be read, or a GPU or a model that is not known.
pub fn law(run: &VllmRun, wishes: &Wishes<'_>) -> Result<Chosen, ScenarioError> {
    let ahead = run.async_scheduling == Some(true);
    let host_s = wishes.host_s.unwrap_or(if ahead { 0.0 } else { HOST_S });
    let host = match (wishes.host_s, ahead) {
        (Some(_), _) => format!("{:.3} ms of host time per iteration, as asked for", 1e3 * host_s),
        (None, true) => "no host time, since scheduling is asynchronous".to_owned(),
        (None, false) => format!("{:.3} ms of host time per iteration", 1e3 * host_s),
    };
    match wishes.profile {
        Some(path) if path.is_dir() => of_kernels(run, wishes, path, host_s, &host),
        Some(path) => of_iterations(path),
        None => of_roofline(run, wishes, host_s, &host),
    }
}

fn of_kernels(
    run: &VllmRun,
    wishes: &Wishes<'_>,
    path: &Path,
    host_s: f64,
    host: &str,
) -> Result<Chosen, ScenarioError> {
    let layers = match wishes.layers {
        Some(layers) => Some(layers),
        None => llm_within(wishes.model.unwrap_or(&run.model))?.map(|llm| llm.layers),
    };
    let kernels = Kernels::of_folder(path, layers, host_s, &[])?;
    let folder = path.display().to_string();
    let words = format!("Iteration times from the kernel tables of `{folder}`; {host}.");
    let law = StepTimeLaw::Kernels { folder, layers, host_s, graph_tokens: Vec::new(), tables: Tables::of(kernels) };
    Ok(Chosen { law, words, kv_tokens: None })
}

fn of_iterations(path: &Path) -> Result<Chosen, ScenarioError> {
    let file = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|problem| {
        let remedy = "give a folder of kernel tables or a CSV of measured iterations";
        ScenarioError::at("--profile", format!("`{file}` cannot be read: {problem}"), remedy)
    })?;
    let found = load::decode(bytes).and_then(|text| profile::read(&text)).map_err(|error| error.in_file(&file))?;
    let law = found.law();
    law.validate().map_err(|error| error.in_file(&file))?;
    Ok(Chosen { law, words: format!("Iteration times from the measured iterations of `{file}`."), kv_tokens: None })
}

fn of_roofline(run: &VllmRun, wishes: &Wishes<'_>, host_s: f64, host: &str) -> Result<Chosen, ScenarioError> {
    let unknown = |what: &str, flag: &str, given: &str| {
        let remedy = format!("name it with {flag}; `fluidsim models` lists them; or give a profile");
        ScenarioError::at(what, format!("`{given}` is not known here"), remedy)
    };
    let gpu = match (wishes.gpu, &run.device) {
        (Some(name), _) => name.to_owned(),
        (None, Some(device)) => {
            gpu_within(device)?.ok_or_else(|| unknown("hardware.device_name", "--gpu", device))?.name
        }
        (None, None) => return Err(unknown("hardware.device_name", "--gpu", "null")),
    };
    let model = match wishes.model {
        Some(name) => name.to_owned(),
        None => llm_within(&run.model)?.ok_or_else(|| unknown("model", "--model", &run.model))?.name,
    };
    let mut table = Table::new();
    table.insert("gpu".into(), gpu.into());
    table.insert("model".into(), model.into());
    table.insert("tp".into(), Value::Integer(run.limits.tensor_parallel as i64));
    table.insert("host_s".into(), Value::Float(host_s));
    let found = resolve(&table, run.limits.max_sequences)?;
    let words = format!("No profile was given: {}; {host}.", found.words);
    Ok(Chosen { law: found.step_time, words, kv_tokens: Some(found.kv_tokens) })
}
