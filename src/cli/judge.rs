//! `fluidsim validate --vllm-run`

use std::path::PathBuf;

use super::common::{OutputArgs, check_files};
use super::plot::{self, PlotArgs};
use super::{Outcome, usage_error};
use crate::report::{self, Report};
use crate::study::judge::{self, Wishes};

/// A run of a real engine as judge.
#[derive(Debug, clap::Args)]
#[command(mut_arg("plot", |arg| arg.requires("vllm_run").help(plot::help("measured, simulated and fluid requests in time"))), next_help_heading = "A real engine as judge")]
pub struct JudgeArgs {
    /// Replay a vLLM run: the folder with its meta.json, requests.jsonl and timeseries.csv. Exit code 1 when makespan, TTFT, TPOT or E2E are
    /// more than 5 % off, or W(t) by more than 10 requests (root mean square)
    #[arg(long, value_name = "DIR", conflicts_with_all = ["quick", "only", "show", "list", "all", "cases"])]
    pub vllm_run: Option<PathBuf>,

    /// Iteration times: a folder of kernel tables, or a CSV of measured iterations; the roofline of the run's GPU and model when left out
    #[arg(long, value_name = "PATH", requires = "vllm_run")]
    profile: Option<PathBuf>,

    /// GPU of the roofline, in place of the run's
    #[arg(long, value_name = "NAME", requires = "vllm_run", conflicts_with = "profile")]
    gpu: Option<String>,

    /// Model of the roofline, or whose layers the kernel tables are for, in place of the run's
    #[arg(long, value_name = "NAME", requires = "vllm_run")]
    model: Option<String>,

    /// Layers of a model that is not known here
    #[arg(long, value_name = "N", requires = "profile", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    layers: Option<u64>,

    /// Milliseconds of host time per iteration; 0 when the run schedules asynchronously, 3 when not
    #[arg(long, value_name = "MS", requires = "vllm_run", allow_negative_numbers = true)]
    host_ms: Option<f64>,

    #[command(flatten)]
    plot: PlotArgs,
}

/// Replays the run in `folder`.
pub fn run(args: &JudgeArgs, folder: &std::path::Path, output: &OutputArgs) -> anyhow::Result<Outcome> {
    args.plot.check()?;
    let [out, page] = output.files();
    check_files(&[out, page, ("--plot", args.plot.file())])?;
    let host_s = match args.host_ms {
        Some(ms) if !(0.0..=10_000.0).contains(&ms) => {
            return Err(usage_error("--host-ms", format!("is `{ms}`"), "give from 0 to 10000 ms"));
        }
        ms => ms.map(|ms| 1e-3 * ms),
    };
    let mut run = judge::read(folder)?;
    let wishes = Wishes {
        profile: args.profile.as_deref(),
        gpu: args.gpu.as_deref(),
        model: args.model.as_deref(),
        layers: args.layers,
        host_s,
    };
    let chosen = judge::law(&run, &wishes)?;
    run.limits.kv_tokens = run.limits.kv_tokens.or(chosen.kv_tokens);
    let found = judge::judge(&run, &chosen.law, true)?;
    let picture = report::judge_plot(&found).into();
    args.plot.draw(&picture)?;
    let report = Report::from(report::judge_tables(&run, &chosen.words, &found)).with_picture(picture);
    output.deliver(&report.titled("A real engine as judge"), None)?;
    Ok(if found.passes() { Outcome::Fine } else { Outcome::CheckFailed })
}
