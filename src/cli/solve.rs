//! `fluidsim solve`

use std::path::PathBuf;

use super::common::{OutputArgs, ScenarioArgs, check_files};
use super::plot::{self, PlotArgs};
use super::{Outcome, pictures, usage_error};
use crate::fluid::{self, Form, Path, PathOptions, Prepared, Tier, scope};
use crate::report::{self, Report};
use crate::scenario::Scenario;
use crate::study::gate::evidence::evidence;

/// The analytic answer: λ*, what binds, the equilibrium, the latencies
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("course").args(["path", "trajectory", "plot"]).multiple(true), mut_arg("plot", |arg| arg.help(plot::help("the fluid path with the band of its noise (95 %)"))), after_help = "\
Examples:
  fluidsim solve --lambda 2.0
  fluidsim solve --set instance.kv_tokens=50000 --format json
  fluidsim solve --trace requests.csv
  fluidsim solve memory-greedy --margin 0.01
  fluidsim solve --backlog 500 --horizon 600 --trajectory path.csv --plot path.svg
  fluidsim solve --path --set workload.rate_shape.law=spike --set workload.rate_shape.factor=3 \\
    --set workload.rate_shape.start_s=600 --set workload.rate_shape.duration_s=60")]
pub struct Args {
    #[command(flatten)]
    scenario: ScenarioArgs,
    #[command(flatten)]
    output: OutputArgs,

    /// Follow the fluid path and print its figures: peak backlog, time to drain, time to saturate
    #[arg(long)]
    path: bool,

    /// Write the fluid path to this CSV file
    #[arg(long, value_name = "FILE")]
    trajectory: Option<PathBuf>,

    #[command(flatten)]
    plot: PlotArgs,

    /// Requests waiting at time 0 of the path
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    backlog: u64,

    /// How finely to solve below λ*: coarse lattices for sweeps, or fine ones
    #[arg(long, value_enum, default_value_t = TierName::Sharp)]
    tier: TierName,

    /// Seconds of the path
    #[arg(long, value_name = "SECONDS", default_value_t = 3600.0, allow_negative_numbers = true, requires = "course")]
    horizon: f64,

    /// In place of the answer: the law of the demand for KV memory, and the least M that it exceeds, or that preempts requests, no
    /// more often than this
    #[arg(long, value_name = "PROBABILITY", allow_negative_numbers = true, conflicts_with = "course")]
    margin: Option<f64>,

    /// Form of the path: an ODE over bins of age, or the one-iteration map on single tokens, the reference
    #[arg(long, value_enum, default_value = "auto", requires = "course")]
    form: FormArg,

    /// Bins of age per class in the ODE
    #[arg(long, value_name = "N", default_value_t = 64, requires = "course", value_parser = clap::value_parser!(u64).range(4..=4096))]
    bins: u64,

    /// Integrate the ODE by explicit steps (Dormand and Prince), which are short where bins are many
    #[arg(long, requires = "course")]
    explicit: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FormArg {
    Auto,
    Map,
    Ode,
}

impl Args {
    fn path_options(&self) -> PathOptions {
        let form = match self.form {
            FormArg::Auto => Form::Auto,
            FormArg::Map => Form::Map,
            FormArg::Ode => Form::Ode,
        };
        let usual = PathOptions::new(self.horizon, self.backlog as f64);
        PathOptions { bins: self.bins as usize, form, stiff: usual.stiff && !self.explicit, ..usual }
    }
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum TierName {
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
    args.plot.check()?;
    let [out, page] = args.output.files();
    check_files(&[out, page, ("--trajectory", args.trajectory.as_deref()), ("--plot", args.plot.file())])?;
    if !(args.path || args.trajectory.is_some() || args.plot.wanted()) {
        return equilibrium(args);
    }
    let scenario = args.scenario.open()?;
    if !(args.horizon.is_finite() && args.horizon > 0.0 && args.horizon <= 1e9) {
        return Err(usage_error("--horizon", format!("is `{}`", args.horizon), "give seconds above 0, at most 1e9"));
    }
    if let Some(error) = fluid::path::refusal(&scenario) {
        return Err(error.in_file(&scenario.name).into());
    }
    let path = fluid::trajectory(&scenario, &args.path_options())?;
    if let Some(file) = &args.trajectory {
        report::file::write_whole(file, &csv(&path))?;
    }
    // A path exists for some rules that have no steady-state answer.
    let answer = scope::refusal(&scenario).is_none().then(|| {
        let solution = fluid::solve(&scenario);
        let seen = evidence(&scenario, &solution);
        (solution, seen)
    });
    let answer = answer.as_ref().map(|(solution, seen)| (solution, seen));
    let mut report = report::path_report(answer, &path).titled(&format!("Fluid path: {}", scenario.name));
    if args.plot.wanted() || args.output.wants_page() {
        let picture = pictures::path(&path, &deviations(&scenario, &path)).into();
        args.plot.draw(&picture)?;
        report = report.with_picture(picture);
    }
    args.output.deliver(&report.with_scenario(scenario.to_toml()), None)?;
    Ok(Outcome::Fine)
}

fn equilibrium(args: &Args) -> anyhow::Result<Outcome> {
    let scenario = args.scenario.open_for_theory()?;
    if let Some(probability) = args.margin {
        if !(1e-9..=0.5).contains(&probability) {
            return Err(usage_error("--margin", format!("is `{probability}`"), "give a probability from 1e-9 to 0.5"));
        }
        let margin = fluid::margin::of(&scenario, probability)?;
        let report = Report::from(report::margin_table(&margin)).titled(&format!("Memory of {}", scenario.name));
        args.output.deliver(&report.with_scenario(scenario.to_toml()), None)?;
        return Ok(Outcome::Fine);
    }
    let solution = Prepared::new(&scenario, args.tier.into()).at(scenario.workload.rate());
    let seen = evidence(&scenario, &solution);
    let report = report::solve_report(&solution, &seen).titled(&format!("Capacity and latency: {}", scenario.name));
    args.output.deliver(&report.with_scenario(scenario.to_toml()), None)?;
    Ok(Outcome::Fine)
}

/// The standard deviation of the number in the system along the path: from the linear noise by age, or where that is not covered
/// from the diffusion of the number alone.
fn deviations(scenario: &Scenario, path: &Path) -> Vec<f64> {
    let noise = fluid::noise::along(scenario, path);
    if noise.is_empty() {
        return fluid::path::band(scenario, path);
    }
    noise.iter().map(|noise| noise.in_system_sd).collect()
}

fn csv(path: &Path) -> String {
    let mut text = String::from(
        "t_s,waiting,running,swapped,kv_tokens,step_s,throughput_per_s,prefilling,on_link,arrived,completed\n",
    );
    for point in &path.points {
        let row = [
            point.t_s,
            point.waiting,
            point.running,
            point.swapped,
            point.kv_tokens,
            point.step_s,
            point.throughput_per_s,
            point.prefilling,
            point.on_link,
            point.arrived,
            point.completed,
        ];
        text.push_str(&row.map(|value| value.to_string()).join(","));
        text.push('\n');
    }
    text
}
