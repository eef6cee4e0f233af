//! `fluidsim workload show`

use super::super::Outcome;
use super::super::common::check_files;
use super::super::plot::{self, PlotArgs};
use crate::report::{self, Format};
use crate::scenario::trace;
use crate::study::traffic::summarise;

/// What a trace is: rate, burstiness, lengths and how they depend on each other
#[derive(Debug, clap::Args)]
#[command(mut_arg("plot", |arg| arg.help(plot::help("rate, times between arrivals, lengths and pairs"))), after_help = "\
Examples:
  fluidsim workload show requests.csv
  fluidsim workload show requests.csv --plot traffic.svg
  fluidsim workload show conversation.jsonl --format json")]
pub struct Args {
    /// The trace, in any of the formats that are read
    trace: String,

    #[command(flatten)]
    plot: PlotArgs,

    /// Form of the report
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub fn run(args: &Args, seed: u64) -> anyhow::Result<Outcome> {
    args.plot.check()?;
    check_files(&[("--plot", args.plot.file())])?;
    let trace = trace::open(&args.trace)?;
    let name = super::short_name(&args.trace);
    let summary = summarise(&trace, seed);
    args.plot.draw(&report::traffic_plots(&name, &summary).into())?;
    let tables = report::traffic_tables(&name, &summary, &trace.import.said());
    report::printer::print(&report::render_all(&tables, args.format))?;
    Ok(Outcome::Fine)
}
