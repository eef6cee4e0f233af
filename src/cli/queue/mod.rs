//! `fluidsim queue`

mod commands;

use commands::Chosen;

use super::common::{OutputArgs, check_files, check_trials};
use super::plot::{self, PlotArgs};
use super::progress::Progress;
use super::{Outcome, usage_error};
use crate::report::{self, Format};
use crate::study::queues::{Model, Parameters, QueueProblem, Simulation, catalogue, question};

/// Trials unless given.
const TRIALS: u64 = 20;

/// Queueing models by name: what theory says, and a simulation beside it
#[derive(Debug, clap::Args)]
#[command(after_help = commands::overview())]
pub struct Args {
    #[command(subcommand)]
    chosen: Chosen,
}

// What every model's command takes.
#[derive(Debug, Clone, clap::Args)]
#[command(mut_arg("plot", |arg| arg.help(plot::help("times and numbers over the range"))))]
struct Options {
    /// Simulate the model and put the interval beside every quantity; exit code 1 when theory and simulation disagree beyond
    /// chance, at an error rate of 0.001
    #[arg(long)]
    simulate: bool,

    /// Independent trials, 20 unless given; --trials alone means --simulate too
    #[arg(long, value_name = "N", alias = "des-trials", allow_negative_numbers = true)]
    trials: Option<u64>,

    /// Customers measured in each trial, with --simulate; by default chosen by the utilisation
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    customers: Option<u64>,

    #[command(flatten)]
    plot: PlotArgs,

    #[command(flatten)]
    output: OutputArgs,
}

pub fn run(args: &Args, seed: u64) -> anyhow::Result<Outcome> {
    match &args.chosen {
        Chosen::List { format } => {
            report::printer::print(&report::model_list(*format))?;
            Ok(Outcome::Fine)
        }
        Chosen::Model { name, parameters, options } => model(catalogue::named(name)?, parameters, options, seed),
    }
}

fn model(model: &'static Model, parameters: &Parameters, options: &Options, seed: u64) -> anyhow::Result<Outcome> {
    options.plot.check()?;
    let [out, page] = options.output.files();
    check_files(&[out, page, ("--plot", options.plot.file())])?;
    let points = question::points(model, parameters).map_err(as_option)?;
    if options.plot.wanted() && points < 2 {
        return Err(usage_error(
            "--plot",
            "needs a range",
            "give one number as FROM:TO:STEP, such as --rho 0.1:0.9:0.1",
        ));
    }
    let simulation = simulation(options, seed)?;
    let bar = Progress::over(simulation.map_or(0, |simulation| simulation.trials) * points as u64, "simulating");
    let findings = question::ask(model, parameters, simulation, &|| bar.advance()).map_err(as_option)?;
    bar.finish();
    let report = report::queue_report(&findings);
    let title = report.tables.first().map_or_else(String::new, |table| table.title.clone());
    let mut report = report.titled(&title);
    if points > 1 {
        let picture = report::queue_plot(&findings).into();
        options.plot.draw(&picture)?;
        report = report.with_picture(picture);
    }
    options.output.deliver(&report, simulation.map(|_| seed))?;
    Ok(if findings.agree() { Outcome::Fine } else { Outcome::CheckFailed })
}

fn simulation(options: &Options, seed: u64) -> anyhow::Result<Option<Simulation>> {
    if !options.simulate && options.trials.is_none() && options.customers.is_none() {
        return Ok(None);
    }
    let trials = options.trials.unwrap_or(TRIALS);
    check_trials("--trials", trials, 2)?;
    if let Some(customers) = options.customers.filter(|customers| !(100..=10_000_000).contains(customers)) {
        return Err(usage_error("--customers", format!("is `{customers}`"), "give from 100 to 10000000 customers"));
    }
    Ok(Some(Simulation { trials, customers: options.customers, seed }))
}

/// The problem, with its parameter as the option that it was given by.
fn as_option(problem: QueueProblem) -> anyhow::Error {
    match problem {
        QueueProblem::Value { key, problem, remedy } => usage_error(&format!("--{key}"), problem, &remedy),
        other => other.into(),
    }
}

// Of `list`.
#[derive(Debug, Clone, clap::Args)]
struct ListOptions {
    /// Form of the list
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}
