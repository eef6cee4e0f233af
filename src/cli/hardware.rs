//! Options that put hardware or a profile in place of a scenario's iteration-time law.

use clap::Args;

use crate::scenario::Scenario;
use crate::scenario::overrides::Override;

/// GPU and model in place of the scenario's.
#[derive(Debug, Args)]
#[command(next_help_heading = "Hardware")]
pub struct HardwareArgs {
    /// GPU by name (see `fluidsim models gpus`): iteration times and KV memory follow from it and --model by a roofline, in place of the
    /// scenario's own
    #[arg(long, value_name = "NAME")]
    gpu: Option<String>,

    /// Model by name (see `fluidsim models llms`)
    #[arg(long, value_name = "NAME")]
    model: Option<String>,

    /// GPUs over which every layer is spread (tensor parallelism); 1 when left out
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    tp: Option<i64>,

    /// Share of the GPU's memory for weights, KV and workspace; 0.9 when left out
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    memory_share: Option<f64>,

    /// Form of the weights: as-released, bf16, fp8, int4
    #[arg(long, value_name = "FORM")]
    weights: Option<String>,

    /// Form of the KV cache: bf16, fp8
    #[arg(long, value_name = "FORM")]
    kv_cache: Option<String>,

    /// Measured iteration times in place of the scenario's: a CSV with the columns tokens and seconds, and context_tokens where it was varied
    #[arg(long, value_name = "FILE", conflicts_with_all = ["gpu", "model", "tp", "memory_share", "weights", "kv_cache"])]
    profile: Option<String>,
}

impl HardwareArgs {
    /// As overrides of the scenario.
    pub fn overrides(&self) -> impl Iterator<Item = Override> {
        let names = [
            ("--gpu", "hardware.gpu", &self.gpu),
            ("--model", "hardware.model", &self.model),
            ("--weights", "hardware.weights", &self.weights),
            ("--kv-cache", "hardware.kv_cache", &self.kv_cache),
            ("--profile", "step_time.file", &self.profile),
        ];
        let named = names.into_iter().filter_map(|(flag, key, name)| Some(Override::new(flag, key, name.as_deref()?)));
        let tp = self.tp.map(|count| Override::new("--tp", "hardware.tp", count));
        named
            .chain(tp)
            .chain(self.memory_share.map(|share| Override::new("--memory-share", "hardware.memory_share", share)))
    }

    /// Says beside the report what fits.
    pub fn say(&self, scenario: &Scenario) {
        if self.gpu.is_some() && self.model.is_some() {
            eprintln!("note: {}", scenario.description);
        }
    }
}
