//! `fluidsim trust`

use std::path::PathBuf;

use super::common::{OutputArgs, check_files};
use super::plot::{check_form, draw};
use super::progress::Progress;
use super::{Outcome, usage_error};
use crate::report::{self, Report, Theme};
use crate::study::gate::errors::{Measured, committed, read, written};
use crate::study::gate::measure::{Effort, pieces, run as measure};
use crate::study::gate::verdict::regressions;
use crate::study::gate::{Family, families, family, map};

/// How far theory can be trusted: its errors against the engine, over families of scenarios at five loads
///
/// Without --run the table that comes with the program is shown. With --run it is measured anew; exit code 1 when a goal is missed
/// that was met in the table, or missed by half as much again. Goals that are missed in the table are not hidden: `compare` says
/// "do not trust" for them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fluidsim trust
  fluidsim trust --only v1-swap
  fluidsim trust --show v1-swap > swap.toml
  fluidsim trust --run --quick
  fluidsim trust --run --format csv --out src/study/gate/errors.csv
  fluidsim trust --map papers/trust.svg --format csv --out papers/trust.csv")]
pub struct Args {
    #[command(flatten)]
    output: OutputArgs,

    /// Measure instead of showing the table that comes with the program: some minutes on two cores
    #[arg(long)]
    run: bool,

    /// Fewer trials: waits near λ* stay unresolved
    #[arg(long)]
    quick: bool,

    /// Only this family; may be repeated
    #[arg(long, value_name = "FAMILY")]
    only: Vec<String>,

    /// Keep the engine's figures of this table where family, load and rate are the same: after a change of theory alone
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,

    /// Measure over load, memory and the spread of outputs instead, and draw the map of it as SVG
    #[arg(long, value_name = "FILE", conflicts_with_all = ["run", "only"])]
    map: Option<PathBuf>,

    /// Print the scenario of a family as TOML
    #[arg(long, value_name = "FAMILY", conflicts_with_all = ["run", "only"])]
    show: Option<String>,
}

pub fn run(args: &Args, seed: u64) -> anyhow::Result<Outcome> {
    let [out, page] = args.output.files();
    check_files(&[out, page, ("--map", args.map.as_deref())])?;
    if let Some(file) = &args.map {
        check_form("--map", file)?;
    }
    let measuring = args.run || args.map.is_some();
    if !measuring && (args.quick || args.keep.is_some()) {
        return Err(usage_error("--quick, --keep", "are given, but nothing is measured", "add --run or --map FILE"));
    }
    if let Some(name) = &args.show {
        args.output.write(&chosen(name)?.scenario.to_toml())?;
        return Ok(Outcome::Fine);
    }
    if let Some(file) = &args.map {
        let families = map::families()?;
        let rows = measured(args, &families, seed)?;
        let picture = report::trust_map(&rows).into();
        draw("--map", file, &picture, Theme::Light)?;
        args.output.deliver(&shown(&families, &rows).with_picture(picture), Some(seed))?;
        return Ok(Outcome::Fine);
    }
    let families = if args.only.is_empty() {
        families()?
    } else {
        args.only.iter().map(|name| chosen(name)).collect::<Result<_, _>>()?
    };
    let mut before = committed();
    before.retain(|row| families.iter().any(|family| family.name == row.family));
    if !args.run {
        args.output.deliver(&shown(&families, &before), None)?;
        return Ok(Outcome::Fine);
    }
    let rows = measured(args, &families, seed)?;
    args.output.deliver(&shown(&families, &rows), Some(seed))?;
    let worse = regressions(&before, &rows);
    for row in &worse {
        let place = row.load.map_or_else(String::new, |load| format!(" at {load} λ*"));
        eprintln!("worse than the table: {} of {}{place}", row.quantity, row.family);
    }
    Ok(if worse.is_empty() { Outcome::Fine } else { Outcome::CheckFailed })
}

fn measured(args: &Args, families: &[Family], seed: u64) -> anyhow::Result<Vec<Measured>> {
    let known = match &args.keep {
        Some(file) => read(&std::fs::read_to_string(file).map_err(|error| {
            usage_error("--keep", format!("`{}` cannot be read: {error}", file.display()), "name a table of errors")
        })?),
        None => Vec::new(),
    };
    let bar = Progress::over(pieces(families), "measuring");
    let effort = if args.quick { Effort::QUICK } else { Effort::FULL };
    let rows = measure(families, seed, effort, &known, &|| bar.advance());
    bar.finish();
    Ok(rows)
}

fn chosen(name: &str) -> anyhow::Result<Family> {
    Ok(family(name)?)
}

/// CSV is the table of figures itself, from which the program reads it.
fn shown(families: &[Family], rows: &[Measured]) -> Report {
    let report = Report::from(report::trust_tables(families, rows)).titled("How far theory can be trusted");
    Report { csv: Some(written(rows)), ..report }
}
