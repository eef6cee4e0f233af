//! `fluidsim workload generate`

use std::path::PathBuf;

use super::super::common::check_files;
use super::super::{Outcome, usage_error};
use crate::report::{self, file::Draft};
use crate::scenario::overrides::Override;
use crate::scenario::{Scenario, Time, TraceMode, load};
use crate::study::traffic::{Bursts, End, Generator, Preset, TraceFormat, words};

/// Requests that are written when neither --count nor --duration is given.
const COUNT: u64 = 1000;
/// Requests between two writes.
const CHUNK: u64 = 4096;

/// A trace of requests drawn from laws, or from a scenario's traffic
///
/// Without laws the requests are those of the scenario, by default chat traffic. Laws of lengths: constant:TOKENS, uniform:MIN,MAX,
/// geometric:MEAN, exponential:MEAN[,MAX], lognormal:MEAN,CV[,MAX], gamma:MEAN,CV[,MAX], weibull:MEAN,SHAPE[,MAX],
/// pareto:SCALE,SHAPE[,MAX], lomax:SCALE,SHAPE[,MAX], zipf:EXPONENT[,MAX], or WEIGHT*LAW + WEIGHT*LAW. They are rounded to whole tokens
/// from 1 to MAX, 131072 unless it is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fluidsim workload generate --count 1000 --out trace.csv
  fluidsim workload generate --arrivals mmpp:2,10,30,5 --lambda 5 --prompt lognormal:1155,1.2 --output geometric:211
  fluidsim workload generate --preset bursty --count 100
  fluidsim workload generate --lambda 4 --rate sine:0.5,3600 --duration 7200 --as azure --out day.csv
  fluidsim workload generate --class 'chat; share=3; prompt=lognormal:800,1; output=geometric:200'
      --class 'code; prompt=zipf:1.2,8192; output=28; weight=2' --lambda 3
  fluidsim workload generate --trace requests.csv --trace-mode resample --lambda 8 --arrivals gamma:2")]
pub struct Args {
    /// Take the traffic of this scenario (built-in or TOML)
    scenario: Option<String>,

    /// Any value of the scenario, e.g. `--set workload.arrivals.law=poisson`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,

    /// A load scenario of the fluid ODE simulation project in place of the scenario's traffic
    #[arg(long, value_enum, conflicts_with_all = ["scenario", "trace"])]
    preset: Option<PresetArg>,

    /// Recorded requests to draw (prompt, output) pairs from, or to write again in another form
    #[arg(long, value_name = "FILE")]
    trace: Option<String>,

    /// Draw pairs from the trace under the arrival law, or keep its own times
    #[arg(long, value_enum, default_value = "resample", requires = "trace")]
    trace_mode: TraceModeArg,

    /// Mean requests per second
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    lambda: Option<f64>,

    /// Law of the arrivals: poisson, deterministic, gamma:CV, weibull:SHAPE, mmpp:RATE,RATE,…,STAY_S,STAY_S,…, batch:MEAN or
    /// batch:SIZE,constant. The rates of an MMPP hold as they are unless --lambda is given
    #[arg(long, value_name = "LAW", conflicts_with = "preset")]
    arrivals: Option<String>,

    /// How the rate changes: constant, sine:AMPLITUDE,PERIOD_S[,PEAK_S], spike:FACTOR,START_S,DURATION_S,
    /// ramp:FACTOR,START_S,DURATION_S or steps:FROM_S,FACTOR,…
    #[arg(long, value_name = "SHAPE", conflicts_with = "preset")]
    rate: Option<String>,

    /// Law of the prompt tokens
    #[arg(long, value_name = "LAW", requires = "output", conflicts_with_all = ["preset", "trace", "class"])]
    prompt: Option<String>,

    /// Law of the output tokens
    #[arg(long, value_name = "LAW", requires = "prompt")]
    output: Option<String>,

    /// A class of requests: `NAME; prompt=LAW; output=LAW; share=NUMBER; weight=NUMBER; model=NAME`; may be repeated
    #[arg(long, value_name = "CLASS", conflicts_with_all = ["preset", "trace"])]
    class: Vec<String>,

    /// Requests in all; 1000 by default
    #[arg(long, value_name = "N", conflicts_with = "duration")]
    count: Option<u64>,

    /// All requests of so many seconds
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    duration: Option<f64>,

    /// Form of the file
    #[arg(long = "as", value_enum, value_name = "FORMAT", default_value = "own")]
    format: TraceFormat,

    /// Write the trace to this file instead of the terminal
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum PresetArg {
    Normal,
    Heavy,
    Bursty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum TraceModeArg {
    Resample,
    Replay,
}

pub fn run(args: &Args, seed: u64) -> anyhow::Result<Outcome> {
    check_files(&[("--out", args.out.as_deref())])?;
    let end = end(args)?;
    let scenario = scenario(args)?;
    let bursts = (args.preset == Some(PresetArg::Bursty)).then(|| Bursts::new(scenario.workload.base_rate(), seed));
    let mut generator = Generator::new(&scenario, bursts, args.format, end, seed);
    let mut draft = args.out.as_deref().map(Draft::create).transpose()?;
    let mut put = |text: &str| match &mut draft {
        Some(draft) => draft.write(text),
        None => report::printer::print(text),
    };
    let mut text = generator.header();
    loop {
        let more = generator.write_some(CHUNK, &mut text);
        put(&text)?;
        text.clear();
        if !more {
            break;
        }
    }
    if let Some(draft) = draft {
        draft.finish()?;
    }
    Ok(Outcome::Fine)
}

fn end(args: &Args) -> anyhow::Result<End> {
    match (args.count, args.duration) {
        (Some(0), _) => Err(usage_error("--count", "is `0`", "give at least 1")),
        (Some(count), _) => Ok(End::Count(count)),
        (None, Some(seconds)) if seconds > 0.0 && seconds <= 1e9 => Ok(End::After(Time::from_decimal(seconds))),
        (None, Some(seconds)) => {
            Err(usage_error("--duration", format!("is `{seconds}`"), "give seconds above 0, at most 1e9"))
        }
        (None, None) => Ok(End::Count(COUNT)),
    }
}

/// The scenario whose traffic is drawn.
fn scenario(args: &Args) -> anyhow::Result<Scenario> {
    let overrides = args.overrides.iter().map(|text| Override::parse(text)).collect::<Result<Vec<_>, _>>()?;
    let mode = if args.trace_mode == TraceModeArg::Resample { TraceMode::Resample } else { TraceMode::Replay };
    let trace = args.trace.as_deref().map(|file| (file, mode));
    let mut scenario = load::open(args.scenario.as_deref(), &overrides, trace)?;
    let workload = &mut scenario.workload;
    if let Some(preset) = args.preset {
        *workload = match preset {
            PresetArg::Normal => Preset::Normal,
            PresetArg::Heavy => Preset::Heavy,
            PresetArg::Bursty => Preset::Bursty,
        }
        .workload();
    }
    if let Some(text) = &args.arrivals {
        let (law, own_rate) = words::arrivals("--arrivals", text)?;
        workload.arrivals = law;
        workload.rate_per_s = own_rate.or(workload.rate_per_s);
    }
    if let Some(text) = &args.rate {
        workload.rate_shape = words::rate_shape("--rate", text)?;
    }
    if let (Some(prompt), Some(output)) = (&args.prompt, &args.output) {
        let (prompt, output) = (words::length("--prompt", prompt)?, words::length("--output", output)?);
        workload.class = vec![crate::scenario::Class::new("all", prompt, output)];
    }
    if !args.class.is_empty() {
        workload.class = args.class.iter().map(|text| words::class("--class", text)).collect::<Result<_, _>>()?;
    }
    if let Some(rate) = args.lambda {
        crate::scenario::error::require_positive("--lambda", rate)?;
        workload.rate_per_s = Some(rate);
    }
    workload.validate().map_err(|error| error.under("workload"))?;
    Ok(scenario)
}
