//! `fluidsim merge`

use std::path::{Path, PathBuf};

use super::common::{OutputArgs, check_files};
use super::plot::{self, PlotArgs};
use super::store::Store;
use super::{Outcome, sweep};
use crate::study::sweep::merged;

/// The parts of one sweep joined: the same bytes as if it had been run in one
#[derive(Debug, clap::Args)]
#[command(mut_arg("plot", |arg| arg.help(plot::help("the quantities"))), after_help = "\
Examples:
  fluidsim merge part1 part2 part3 --out all
  fluidsim merge part1 part2 part3 --format csv --out all.csv
  fluidsim merge part1 part2 --partial

Folders of different questions (program version, scenario, axes, solver, quantities, seed) are refused.")]
pub struct Args {
    /// Folders that `fluidsim sweep --shard I/N --out DIR` has written
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,

    #[command(flatten)]
    output: OutputArgs,

    #[command(flatten)]
    plot: PlotArgs,

    /// Join what is there although points are missing
    #[arg(long)]
    partial: bool,
}

pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let folder = args.output.folder();
    args.plot.check()?;
    let [out, page] = args.output.files();
    check_files(&[(out.0, out.1.filter(|_| folder.is_none())), page, ("--plot", args.plot.file())])?;
    let folders: Vec<&Path> = args.folders.iter().map(PathBuf::as_path).collect();
    let (manifest, rows) = merged(&folders, args.partial)?;
    if let Some(folder) = folder {
        Store::folder(folder, &manifest)?.add(&rows)?;
    }
    sweep::write(&manifest, &rows, &args.output, &args.plot)?;
    Ok(Outcome::Fine)
}
