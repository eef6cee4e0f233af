//! `fluidsim workload show`

use std::path::PathBuf;

use super::super::Outcome;
use super::super::common::check_files;
use crate::report::{self, Format};
use crate::scenario::trace;
use crate::study::traffic::summarise;

/// What a trace is: rate, burstiness, lengths and how they depend on each other
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fluidsim workload show requests.csv
  fluidsim workload show requests.csv --plot traffic.svg
  fluidsim workload show conversation.jsonl --format json")]
pub struct Args {
    /// The trace, in any of the formats that are read
    trace: String,

    /// Draw rate, times between arrivals, lengths and pairs as SVG
    #[arg(long, value_name = "TRAFFIC.svg")]
    plot: Option<PathBuf>,

    /// Form of the report
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub fn run(args: &Args, seed: u64) -> anyhow::Result<Outcome> {
    check_files(&[("--plot", args.plot.as_deref())])?;
    let trace = trace::open(&args.trace)?;
    let name = super::short_name(&args.trace);
    let summary = summarise(&trace, seed);
    if let Some(file) = &args.plot {
        report::file::write_whole(file, &report::traffic_svg(&name, &summary))?;
    }
    let tables = report::traffic_tables(&name, &summary, &trace.import.said());
    report::printer::print(&report::render_all(&tables, args.format))?;
    Ok(Outcome::Fine)
}
