//! `fluidsim solve`

use std::path::PathBuf;

use super::common::{OutputArgs, ScenarioArgs, check_files};
use super::{Outcome, pictures, usage_error};
use crate::fluid::{self, Path, PathOptions};
use crate::report;
use crate::study::gate::evidence::evidence;

/// The analytic answer: λ*, what binds, the equilibrium, the latencies
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("path").multiple(true), after_help = "\
Examples:
  fluidsim solve --lambda 2.0
  fluidsim solve --set instance.kv_tokens=50000 --format json
  fluidsim solve --trace requests.csv
  fluidsim solve memory-greedy --margin 0.01
  fluidsim solve --backlog 500 --horizon 600 --trajectory path.csv --plot path.svg")]
pub struct Args {
    #[command(flatten)]
    scenario: ScenarioArgs,
    #[command(flatten)]
    output: OutputArgs,

    /// Write the fluid path to this CSV file
    #[arg(long, value_name = "FILE", group = "path")]
    trajectory: Option<PathBuf>,

    /// Plot the fluid path as SVG
    #[arg(long, value_name = "FILE", group = "path")]
    plot: Option<PathBuf>,

    /// Requests waiting at time 0 of the path
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    backlog: u64,

    /// Seconds of the path
    #[arg(long, value_name = "SECONDS", default_value_t = 3600.0, allow_negative_numbers = true, requires = "path")]
    horizon: f64,

    /// In place of the answer: the law of the demand for KV memory, and the least M that it exceeds, or that preempts requests, no
    /// more often than this
    #[arg(long, value_name = "PROBABILITY", allow_negative_numbers = true, conflicts_with = "path")]
    margin: Option<f64>,
}

pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    check_files(&[
        ("--out", args.output.out.as_deref()),
        ("--trajectory", args.trajectory.as_deref()),
        ("--plot", args.plot.as_deref()),
    ])?;
    let scenario = args.scenario.open_for_theory()?;
    if !(args.horizon.is_finite() && args.horizon > 0.0 && args.horizon <= 1e9) {
        return Err(usage_error("--horizon", format!("is `{}`", args.horizon), "give seconds above 0, at most 1e9"));
    }
    if let Some(probability) = args.margin {
        if !(1e-9..=0.5).contains(&probability) {
            return Err(usage_error("--margin", format!("is `{probability}`"), "give a probability from 1e-9 to 0.5"));
        }
        let margin = fluid::margin::of(&scenario, probability)?;
        args.output.write(&report::render(&report::margin_table(&margin), args.output.format()))?;
        return Ok(Outcome::Fine);
    }
    if args.trajectory.is_some() || args.plot.is_some() {
        let options = PathOptions { horizon_s: args.horizon, backlog: args.backlog as f64, ..PathOptions::default() };
        let path = fluid::trajectory(&scenario, &options)?;
        if let Some(file) = &args.trajectory {
            report::file::write_whole(file, &csv(&path))?;
        }
        if let Some(file) = &args.plot {
            report::file::write_whole(file, &report::render_svg(&pictures::path(&path)))?;
        }
    }
    let solution = fluid::solve(&scenario);
    let evidence = evidence(&scenario, &solution);
    args.output.write(&report::solve_report(&solution, &evidence, args.output.format()))?;
    Ok(Outcome::Fine)
}

fn csv(path: &Path) -> String {
    let mut text = String::from("t_s,waiting,running,swapped,kv_tokens,step_s,throughput_per_s\n");
    for point in &path.points {
        let row = [
            point.t_s,
            point.waiting,
            point.running,
            point.swapped,
            point.kv_tokens,
            point.step_s,
            point.throughput_per_s,
        ];
        text.push_str(&row.map(|value| value.to_string()).join(","));
        text.push('\n');
    }
    text
}
