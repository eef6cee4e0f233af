//! `fluidsim compare`

use super::common::{LengthArgs, OutputArgs, ScenarioArgs, check_files, check_trials};
use super::plot::{self, PlotArgs};
use super::progress::Progress;
use super::{Outcome, pictures, usage_error};
use crate::fluid::{self, PathOptions};
use crate::report::{self, Report};
use crate::scenario::Scenario;
use crate::study::compare::{CompareOptions, compare};
use crate::study::scale::{ScaleOptions, scaling};

/// Both answers side by side, with intervals, gaps and verdicts
///
/// Exit code 1 when a quantity that is promised to agree does not; with --scale when the errors surely fall more slowly than n^(-0.4).
#[derive(Debug, clap::Args)]
#[command(mut_arg("plot", |arg| arg.help(plot::help("the fluid path over the trials"))), after_help = "\
Examples:
  fluidsim compare --des-trials 50
  fluidsim compare --lambda 3.2 --plot compare.svg
  fluidsim compare --trace requests.csv --des-trials 50
  fluidsim compare mm1 --lambda 0.9 --format json
  fluidsim compare --scale 1,10,100 --backlog 300 --plot scale.svg")]
pub struct Args {
    #[command(flatten)]
    scenario: ScenarioArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    length: LengthArgs,

    /// Independent trials of the engine, run in parallel
    #[arg(long, default_value_t = 50, allow_negative_numbers = true)]
    des_trials: u64,

    /// Requests waiting at time 0
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    backlog: u64,

    #[command(flatten)]
    plot: PlotArgs,

    /// Compare systems n times as large with the fluid path instead, e.g. 1,10,100,1000, and fit how the distance falls with n
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', conflicts_with_all = ["des_trials", "warmup", "trace"])]
    scale: Vec<u64>,
}

pub fn run(args: &Args, seed: u64) -> anyhow::Result<Outcome> {
    check_trials("--des-trials", args.des_trials, 2)?;
    args.plot.check()?;
    let [out, page] = args.output.files();
    check_files(&[out, page, ("--plot", args.plot.file())])?;
    let scenario = args.scenario.open_for_theory()?;
    if !args.scale.is_empty() {
        return scaled(args, &scenario, seed);
    }
    let options =
        CompareOptions { seed, trials: args.des_trials, backlog: args.backlog, wishes: args.length.wishes()? };
    let bar = Progress::over(2 * args.des_trials, "simulating");
    let comparison = compare(&scenario, &options, &|| bar.advance());
    bar.finish();
    let mut report = report::compare_report(&comparison.rows, &comparison.evidence, &comparison.notes)
        .titled(&format!("Theory and engine: {}", scenario.name))
        .with_scenario(scenario.to_toml());
    if args.plot.wanted() || args.output.wants_page() {
        let path = fluid::trajectory(&scenario, &PathOptions::new(comparison.horizon_s, args.backlog as f64))?;
        let picture = pictures::overlay(&path, &comparison.runs).into();
        args.plot.draw(&picture)?;
        report = report.with_picture(picture);
    }
    args.output.deliver(&report, Some(seed))?;
    Ok(if comparison.holds() { Outcome::Fine } else { Outcome::CheckFailed })
}

/// Largest size: numbers of requests stay far below those that are counted exactly.
const LARGEST: u64 = 1_000_000;

fn scaled(args: &Args, scenario: &Scenario, seed: u64) -> anyhow::Result<Outcome> {
    if let Some(wrong) = args.scale.iter().find(|size| !(1..=LARGEST).contains(size)) {
        return Err(usage_error("--scale", format!("holds `{wrong}`"), "give sizes from 1 to 1000000"));
    }
    let options =
        ScaleOptions { seed, sizes: args.scale.clone(), backlog: args.backlog, wishes: args.length.wishes()? };
    let bar = Progress::over(args.scale.len() as u64, "simulating");
    let found = scaling(scenario, &options, &|| bar.advance())?;
    bar.finish();
    let picture = report::scale_plot(&found).into();
    args.plot.draw(&picture)?;
    let report = Report::from(report::scale_tables(&found)).with_picture(picture);
    let report = report.titled(&format!("n-fold systems: {}", scenario.name)).with_scenario(scenario.to_toml());
    args.output.deliver(&report, Some(seed))?;
    Ok(if found.converges() { Outcome::Fine } else { Outcome::CheckFailed })
}
