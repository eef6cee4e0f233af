//! `fluidsim merge`

use std::path::{Path, PathBuf};

use super::common::{OutputArgs, check_files};
use super::store::Store;
use super::{Outcome, sweep};
use crate::study::sweep::merged;

/// The parts of one sweep joined: the same bytes as if it had been run in one
#[derive(Debug, clap::Args)]
#[command(after_help = "\
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

    /// Plot the quantities as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,

    /// Join what is there although points are missing
    #[arg(long)]
    partial: bool,
}

pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let folder = args.output.folder();
    check_files(&[
        ("--out", args.output.out.as_deref().filter(|_| folder.is_none())),
        ("--plot", args.plot.as_deref()),
    ])?;
    let folders: Vec<&Path> = args.folders.iter().map(PathBuf::as_path).collect();
    let (manifest, rows) = merged(&folders, args.partial)?;
    if let Some(folder) = folder {
        Store::folder(folder, &manifest)?.add(&rows)?;
    }
    sweep::write(&manifest, &rows, &args.output, args.plot.as_deref())?;
    Ok(Outcome::Fine)
}
