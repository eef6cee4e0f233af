//! `fluidsim solve`

use std::path::PathBuf;

use super::common::{OutputArgs, ScenarioArgs, check_files};
use super::{Outcome, pictures, usage_error};
use crate::fluid::{self, Path, PathOptions, Prepared, Tier};
use crate::report;

/// The analytic answer: λ*, what binds, the equilibrium, the latencies
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("path").multiple(true), after_help = "\
Examples:
  fluidsim solve --lambda 2.0
  fluidsim solve --set instance.kv_tokens=50000 --format json
  fluidsim solve --trace requests.csv
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

    /// How finely to solve below λ*: coarse lattices for sweeps, or fine ones
    #[arg(long, value_enum, default_value_t = TierName::Sharp)]
    tier: TierName,

    /// Seconds of the path
    #[arg(long, value_name = "SECONDS", default_value_t = 3600.0, allow_negative_numbers = true, requires = "path")]
    horizon: f64,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum TierName {
    Fast,
    Sharp,
}

impl From<TierName> for Tier {
    fn from(name: TierName) -> Self {
        match name {
            TierName::Fast => Self::Fast,
            TierName::Sharp => Self::Sharp,
        }
    }
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
    let solution = Prepared::new(&scenario, args.tier.into()).at(scenario.workload.rate());
    args.output.write(&report::solve_report(&solution, args.output.format()))?;
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
