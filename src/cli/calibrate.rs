//! `fluidsim calibrate`

use std::path::{Path, PathBuf};

use super::common::{PageArgs, check_files};
use super::plot::{self, PlotArgs};
use super::{Outcome, usage_error};
use crate::report::{self, Format, Report};
use crate::scenario::hardware::{self, Placement};
use crate::scenario::{ScenarioError, load};
use crate::study::calibrate::{Calibration, Fit, Profile, Selection, calibrate, capacity, kernels, profile, roofline};

/// Draws of the coefficients for the interval of λ*.
const DRAWS: usize = 400;

/// A step-time law from measured iteration times
///
/// Reads `tokens,seconds`, or `prefill_tokens,decode_sequences,context_tokens,seconds` (with `prefill_pairs` if known), or a table of
/// vidur's linear operations, of which the medians of one layer are summed and multiplied by --layers; or a folder of kernel tables
/// (dense.csv, attention.csv, per_sequence.csv), every measured attention kernel an iteration.
#[derive(Debug, clap::Args)]
#[command(mut_arg("plot", |arg| arg.help(plot::help("the points and the laws"))), after_help = "\
Examples:
  fluidsim calibrate profile.csv
  fluidsim calibrate profile.csv --out law.toml --plot fit.svg
  fluidsim calibrate a100-llama-3-8b.csv --layers 32 --law hinge
  fluidsim calibrate profile.csv --uncertainty chat-70b-4xa100
  fluidsim calibrate rtx4090-llama-3.1-8b/ --gpu rtx-4090 --model llama-3.1-8b")]
pub struct Args {
    /// The profile: a CSV, or a folder of kernel tables
    file: PathBuf,

    /// Leave longer iterations out
    #[arg(long, value_name = "N", default_value_t = 4096)]
    max_tokens: u64,

    /// Use this law instead of the one that cross-validation chooses
    #[arg(long, value_enum)]
    law: Option<LawArg>,

    /// Tensor-parallel workers, of a table that has several; 1 by default
    #[arg(long, value_name = "N")]
    tp: Option<u64>,

    /// Layers of the model, for a table of one layer
    #[arg(long, value_name = "N")]
    layers: Option<u64>,

    /// Also fit the roofline of this GPU to the profile: the shares of its peaks that are reached, and the host time
    #[arg(long, value_name = "NAME", requires = "model")]
    gpu: Option<String>,

    /// The model of that roofline; its layers where --layers is left out
    #[arg(long, value_name = "NAME", requires = "gpu")]
    model: Option<String>,

    /// Form of the report
    #[arg(long, value_enum, default_value = "table")]
    format: Format,

    /// Write the law to this TOML file, as the `[step_time]` of a scenario
    #[arg(long, value_name = "MODEL.toml")]
    out: Option<PathBuf>,

    #[command(flatten)]
    plot: PlotArgs,

    #[command(flatten)]
    page: PageArgs,

    /// The interval of λ* of this scenario (built-in or TOML) with the law in place of its own
    #[arg(long, value_name = "SCENARIO")]
    uncertainty: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LawArg {
    Affine,
    Hinge,
    Staircase,
    AffineContext,
    Curve,
}

impl LawArg {
    fn name(self) -> &'static str {
        match self {
            Self::Affine => "affine",
            Self::Hinge => "hinge",
            Self::Staircase => "staircase",
            Self::AffineContext => "affine-context",
            Self::Curve => "curve",
        }
    }
}

pub fn run(args: &Args, seed: u64) -> anyhow::Result<Outcome> {
    args.plot.check()?;
    check_files(&[("--out", args.out.as_deref()), args.page.file(), ("--plot", args.plot.file())])?;
    for (option, value) in [("--max-tokens", Some(args.max_tokens)), ("--tp", args.tp), ("--layers", args.layers)] {
        if value.is_some_and(|value| !(1..=1_000_000_000).contains(&value)) {
            return Err(usage_error(option, format!("is `{}`", value.unwrap_or(0)), "give from 1 to 1e9"));
        }
    }
    let scenario = args.uncertainty.as_deref().map(|name| load::open(Some(name), &[], None)).transpose()?;
    let placement = placement(args)?;
    let profile = read(args, placement.as_ref())?;
    let origin = args.file.display().to_string();
    let found = calibrate(&profile.points, seed).ok_or_else(|| {
        let problem = "no law can be fitted to the points";
        ScenarioError::at("", problem, "measure more batch sizes, further apart").in_file(&origin)
    })?;
    let used = used(args, &found)?;
    let capacity = scenario.map(|scenario| capacity(used, &scenario, DRAWS, seed)).transpose()?;
    if let Some(file) = &args.out {
        let text = report::calibrate_toml(&file_name(&args.file), &profile, used)?;
        report::file::write_whole(file, &text)?;
    }
    let picture = report::calibrate_plot(&profile, &found, used).into();
    args.plot.draw(&picture)?;
    let mut tables = report::calibrate_tables(&profile, &found, used, capacity.as_ref());
    if let Some(placement) = &placement {
        tables.push(report::roofline_table(placement, &profile, &roofline::fit(placement, &profile)));
    }
    let report = Report::from(tables);
    let report = report.titled(&format!("Step times of {}", file_name(&args.file))).with_picture(picture);
    args.page.write(&report, Some(seed))?;
    report::printer::print(&report.plain(args.format))?;
    Ok(Outcome::Fine)
}

/// The GPUs and the model of the roofline.
fn placement(args: &Args) -> anyhow::Result<Option<Placement>> {
    let (Some(gpu), Some(llm)) = (&args.gpu, &args.model) else { return Ok(None) };
    let gpu = hardware::gpu(gpu).map_err(|error| error.under("--gpu"))?;
    let llm = hardware::llm(llm).map_err(|error| error.under("--model"))?;
    let placement = Placement::new(gpu, llm, args.tp.unwrap_or(1));
    if !placement.divides() {
        return Err(usage_error("--tp", format!("is `{}`", placement.tp), "give a degree that divides the heads"));
    }
    Ok(Some(placement))
}

fn read(args: &Args, placement: Option<&Placement>) -> anyhow::Result<Profile> {
    let origin = args.file.display().to_string();
    let selection = Selection { max_tokens: args.max_tokens, tensor_parallel: args.tp, layers: args.layers };
    let layers = args.layers.or(placement.map(|placement| placement.llm.layers));
    let layered = Selection { layers, ..selection };
    if args.file.is_dir() {
        return Ok(kernels::read(
            &args.file,
            &Selection { tensor_parallel: args.tp.filter(|_| placement.is_none()), ..layered },
        )?);
    }
    let bytes = std::fs::read(&args.file).map_err(|problem| {
        ScenarioError::at("", format!("cannot be read: {problem}"), "give a readable CSV file").in_file(&origin)
    })?;
    // Only a table of single layers asks for their number.
    let found = profile::read(&origin, &bytes, &selection);
    Ok(found.or_else(|error| match error.key.as_str() {
        "--layers" if layers.is_some() => profile::read(&origin, &bytes, &layered),
        _ => Err(error),
    })?)
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The fit that was asked for, or the chosen one.
fn used<'a>(args: &Args, found: &'a Calibration) -> anyhow::Result<&'a Fit> {
    let Some(law) = args.law else { return Ok(found.best()) };
    found.named(law.name()).ok_or_else(|| {
        let refused = found.refused.iter().find(|(kind, _)| kind.name() == law.name());
        let reason = refused.map_or("", |(_, reason)| reason.as_str());
        usage_error("--law", format!("is `{}`, which has no fit: {reason}", law.name()), "choose another law")
    })
}
