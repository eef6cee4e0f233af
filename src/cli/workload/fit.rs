//! `fluidsim workload fit`

use std::path::PathBuf;

use super::super::Outcome;
use super::super::common::check_files;
use super::super::plot::{self, PlotArgs};
use crate::report::{self, Format};
use crate::scenario::{load, trace};
use crate::study::traffic::{LengthChoice, TrafficFit, summarise};

/// Laws of the arrivals and lengths of a trace, and whether they are good enough
///
/// Every law is fitted by maximum likelihood; the table says how well, and the last lines what to use. Where no law of the lengths holds, or
/// prompts and outputs depend on each other, the pairs of the trace are what to draw.
#[derive(Debug, clap::Args)]
#[command(mut_arg("plot", |arg| arg.help(plot::help("dispersion and quantiles of the trace and of the laws"))), after_help = "\
Examples:
  fluidsim workload fit requests.csv
  fluidsim workload fit requests.csv --out workload.toml --plot fit.svg
  fluidsim solve workload.toml
  fluidsim workload fit requests.csv --lengths laws --scenario mm1 --out laws.toml")]
pub struct Args {
    /// The trace, in any of the formats that are read
    trace: String,

    /// Write a scenario with the fitted traffic to this TOML file
    #[arg(long, value_name = "WORKLOAD.toml")]
    out: Option<PathBuf>,

    /// What else the scenario has: that of this one (built-in or TOML)
    #[arg(long, value_name = "SCENARIO", requires = "out")]
    scenario: Option<String>,

    /// How the scenario draws lengths
    #[arg(long, value_enum, default_value = "auto", requires = "out")]
    lengths: LengthChoice,

    #[command(flatten)]
    plot: PlotArgs,

    /// Form of the report
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub fn run(args: &Args, seed: u64) -> anyhow::Result<Outcome> {
    args.plot.check()?;
    check_files(&[("--out", args.out.as_deref()), ("--plot", args.plot.file())])?;
    let base = load::open(args.scenario.as_deref(), &[], None)?;
    let trace = trace::open(&args.trace)?;
    let name = super::short_name(&args.trace);
    let notes = trace.import.said();
    let fit = TrafficFit::of(summarise(&trace, seed), seed);
    drop(trace);
    if let Some(file) = &args.out {
        let scenario = fit.scenario(&base, &args.trace, args.lengths)?;
        let text = format!(
            "# Traffic fitted to {name} by `fluidsim workload fit`; the rest is `{}`.\n{}",
            base.name,
            scenario.to_toml()
        );
        report::file::write_whole(file, &text)?;
    }
    args.plot.draw(&report::fit_plots(&name, &fit).into())?;
    report::printer::print(&report::render_all(&report::fit_tables(&name, &fit, &notes), args.format))?;
    Ok(Outcome::Fine)
}
