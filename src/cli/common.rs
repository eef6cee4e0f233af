//! What several subcommands take: the scenario and the form of the output.

use std::path::{Path, PathBuf};

use clap::Args;

use super::hardware::HardwareArgs;
use super::usage_error;
use crate::fluid::scope;
use crate::report::{self, Format};
use crate::scenario::overrides::Override;
use crate::scenario::{Scenario, TraceMode, load};

/// Which question.
#[derive(Debug, Args)]
pub struct ScenarioArgs {
    /// A built-in scenario (see `fluidsim scenario list`) or a TOML file; the default is chat traffic on Llama-3-70B over
    /// 4 × A100
    scenario: Option<String>,

    /// Arrival rate λ in requests per second, in place of the scenario's; rescales a trace
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub lambda: Option<f64>,

    /// Any other value of the scenario, e.g. `--set instance.max_sequences=128`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,

    #[command(flatten)]
    rules: RuleArgs,

    #[command(flatten)]
    hardware: HardwareArgs,

    /// Recorded requests in place of the scenario's traffic; the format (own CSV, Azure CSV, Mooncake JSONL, vidur CSV) is
    /// detected
    #[arg(long, value_name = "FILE")]
    trace: Option<String>,

    /// Replay the trace's own times, or draw (prompt, output) pairs from it under the scenario's arrival law
    #[arg(long, value_enum, default_value = "replay", requires = "trace")]
    trace_mode: TraceModeArg,
}

/// Short forms of `--set`.
#[derive(Debug, Args)]
struct RuleArgs {
    /// Batching rules by name (see `fluidsim policy list`); short for `--set policy.engine=NAME`
    #[arg(long, value_name = "NAME")]
    engine: Option<String>,

    /// Order of the queue; short for `--set policy.order=NAME`
    #[arg(long, value_name = "NAME")]
    order: Option<String>,

    /// Admission rule; short for `--set policy.admission=NAME`
    #[arg(long, value_name = "NAME")]
    admission: Option<String>,

    /// What happens to a victim; short for `--set policy.preemption=NAME`
    #[arg(long, value_name = "NAME")]
    preemption: Option<String>,

    /// Instances like the scenario's own; short for `--set cluster.replicas=N`
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    replicas: Option<i64>,

    /// Where requests go; short for `--set cluster.routing=NAME`
    #[arg(long, value_name = "NAME")]
    routing: Option<String>,
}

impl RuleArgs {
    fn overrides(&self) -> impl Iterator<Item = Override> {
        let names = [
            ("--engine", "policy.engine", &self.engine),
            ("--order", "policy.order", &self.order),
            ("--admission", "policy.admission", &self.admission),
            ("--preemption", "policy.preemption", &self.preemption),
            ("--routing", "cluster.routing", &self.routing),
        ];
        let named = names.into_iter().filter_map(|(flag, key, name)| Some(Override::new(flag, key, name.as_deref()?)));
        named.chain(self.replicas.map(|count| Override::new("--replicas", "cluster.replicas", count)))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum TraceModeArg {
    Replay,
    Resample,
}

impl ScenarioArgs {
    /// The validated scenario.
    ///
    /// # Errors
    /// Anything wrong with the file, a value or the trace.
    pub fn open(&self) -> anyhow::Result<Scenario> {
        let changes = self.changes()?;
        let trace = self.trace();
        let trace = trace.as_ref().map(|(file, mode)| (file.as_str(), *mode));
        let scenario = load::open(self.scenario.as_deref(), &changes, trace)?;
        self.hardware.say(&scenario);
        Ok(scenario)
    }

    /// The preset or file; none for the default preset.
    pub fn name(&self) -> Option<&str> {
        self.scenario.as_deref()
    }

    /// The trace in place of the scenario's traffic.
    pub fn trace(&self) -> Option<(String, TraceMode)> {
        let mode = match self.trace_mode {
            TraceModeArg::Replay => TraceMode::Replay,
            TraceModeArg::Resample => TraceMode::Resample,
        };
        Some((self.trace.clone()?, mode))
    }

    /// What the options put over the scenario.
    ///
    /// # Errors
    /// A `--set` that is none.
    pub fn changes(&self) -> anyhow::Result<Vec<Override>> {
        let mut changes = self.overrides.iter().map(|text| Override::parse(text)).collect::<Result<Vec<_>, _>>()?;
        changes.extend(self.lambda.map(|rate| Override::new("--lambda", "workload.rate_per_s", rate)));
        changes.extend(self.rules.overrides());
        changes.extend(self.hardware.overrides());
        Ok(changes)
    }

    /// The validated scenario, for a question to theory.
    ///
    /// # Errors
    /// As [`ScenarioArgs::open`], and rules that theory does not cover.
    pub fn open_for_theory(&self) -> anyhow::Result<Scenario> {
        let scenario = self.open()?;
        match scope::refusal(&scenario) {
            Some(error) => Err(error.in_file(&scenario.name).into()),
            None => Ok(scenario),
        }
    }
}

/// In which form.
#[derive(Debug, Clone, Args)]
pub struct OutputArgs {
    /// Form of the report
    #[arg(long, value_enum, default_value = "table")]
    format: Format,

    /// Short for `--format latex`
    #[arg(long, conflicts_with = "format")]
    latex: bool,

    /// Write the report to this file instead of the terminal
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

impl OutputArgs {
    /// The chosen format.
    pub fn format(&self) -> Format {
        if self.latex { Format::Latex } else { self.format }
    }

    /// The folder that `--out` names, for commands that write one: a folder that exists, a name that ends in `/`, or a new name without
    /// an extension.
    pub fn folder(&self) -> Option<&Path> {
        let path = self.out.as_deref()?;
        let closed = path.as_os_str().to_string_lossy().ends_with(['/', std::path::MAIN_SEPARATOR]);
        let new = !path.exists() && path.extension().is_none();
        (path.is_dir() || closed || new).then_some(path)
    }

    /// Prints the report, or writes it to the chosen file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, text: &str) -> anyhow::Result<()> {
        match &self.out {
            Some(path) => report::file::write_whole(path, text)?,
            None => report::printer::print(text)?,
        }
        Ok(())
    }
}

/// Lengths of the runs.
#[derive(Debug, Args)]
pub struct LengthArgs {
    /// Measured seconds per trial; planned from the scenario by default
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    duration: Option<f64>,

    /// Seconds thrown away at the start; planned from the scenario by default
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    warmup: Option<f64>,
}

impl LengthArgs {
    /// The lengths that the user fixed.
    ///
    /// # Errors
    /// A length that is not a positive number of seconds.
    pub fn wishes(&self) -> anyhow::Result<crate::study::plan::Wishes> {
        if let Some(seconds) = self.duration
            && !(seconds.is_finite() && seconds > 0.0 && seconds <= 1e12)
        {
            return Err(usage_error("--duration", format!("is `{seconds}`"), "give seconds above 0, at most 1e12"));
        }
        if let Some(seconds) = self.warmup
            && !(seconds.is_finite() && (0.0..=1e12).contains(&seconds))
        {
            return Err(usage_error("--warmup", format!("is `{seconds}`"), "give 0 or more seconds, at most 1e12"));
        }
        Ok(crate::study::plan::Wishes { duration_s: self.duration, warmup_s: self.warmup })
    }
}

/// Checks, before any work is done, that every file asked for can be made and that no two are the same.
///
/// # Errors
/// Names the option, the file and the folder.
pub fn check_files(wanted: &[(&str, Option<&Path>)]) -> anyhow::Result<()> {
    let mut seen: Vec<&Path> = Vec::new();
    for (option, path) in wanted.iter().filter_map(|(option, path)| Some((option, (*path)?))) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let shown = path.display();
        if path.file_name().is_none() || path.is_dir() {
            return Err(usage_error(option, format!("`{shown}` is a folder"), "give the name of a file in it"));
        }
        if !folder.is_dir() {
            let problem = format!("`{shown}` cannot be written: there is no folder `{}`", folder.display());
            return Err(usage_error(option, problem, "make the folder, or choose another"));
        }
        let whole = path.is_file() || !path.exists();
        if whole && seen.contains(&path) {
            return Err(usage_error(option, format!("`{shown}` is asked for twice"), "give each file its own name"));
        }
        seen.push(path);
    }
    Ok(())
}

/// Checks that a folder can be written into, or made.
///
/// # Errors
/// Names the option and the folder.
pub fn check_folder(option: &str, folder: &Path, force: bool) -> anyhow::Result<()> {
    let shown = folder.display();
    if let Ok(mut entries) = std::fs::read_dir(folder) {
        if force || entries.next().is_none() {
            return Ok(());
        }
        return Err(usage_error(option, format!("`{shown}` is not empty"), "choose another folder, or add --force"));
    }
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.exists() {
        return Err(usage_error(option, format!("`{shown}` is no folder that can be read"), "choose another"));
    }
    if !above.is_dir() {
        let problem = format!("`{shown}` cannot be written: there is no folder `{}`", above.display());
        return Err(usage_error(option, problem, "make the folder, or choose another"));
    }
    Ok(())
}

/// Checks a number of trials.
///
/// # Errors
/// Fewer than `least`, or more than a million.
pub fn check_trials(option: &str, trials: u64, least: u64) -> anyhow::Result<()> {
    if (least..=1_000_000).contains(&trials) {
        return Ok(());
    }
    Err(usage_error(option, format!("is `{trials}`"), &format!("give from {least} to 1000000 trials")))
}
