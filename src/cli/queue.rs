//! `fluidsim queue`

use clap::Subcommand;

use super::common::{OutputArgs, check_files, check_trials};
use super::progress::Progress;
use super::{Outcome, usage_error};
use crate::report::{self, Cell, Column, Table};
use crate::study::queues::{self, Mm1Row};

/// Queueing models: closed form, analytic solver and engine side by side
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fluidsim queue mm1 --rho 0.5,0.8,0.9,0.95
  fluidsim queue mm1 --rho 0.8 --mu 20 --format json")]
pub struct Args {
    #[command(subcommand)]
    model: Model,
}

#[derive(Debug, Subcommand)]
enum Model {
    Mm1(Mm1Args),
}

/// M/M/1: one server, Poisson arrivals, exponential service
///
/// Exit code 1 when the engine's intervals of the mean time miss the closed form at more utilisations than 95 % coverage allows, at an
/// error rate of 0.001.
#[derive(Debug, clap::Args)]
struct Mm1Args {
    /// Utilisations ρ = λ/μ
    #[arg(long, value_delimiter = ',', default_value = "0.5,0.8,0.9,0.95", allow_negative_numbers = true)]
    rho: Vec<f64>,

    /// Service rate μ per second
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    mu: f64,

    /// Independent trials of the engine
    #[arg(long, default_value_t = 50, allow_negative_numbers = true)]
    des_trials: u64,

    #[command(flatten)]
    output: OutputArgs,
}

pub fn run(args: &Args, seed: u64) -> anyhow::Result<Outcome> {
    let Model::Mm1(args) = &args.model;
    check_trials("--des-trials", args.des_trials, 2)?;
    check_files(&[("--out", args.output.out.as_deref())])?;
    if !(args.mu.is_finite() && args.mu > 0.0) {
        return Err(usage_error("--mu", format!("is `{}`", args.mu), "give a rate above 0"));
    }
    for &rho in &args.rho {
        if !(rho.is_finite() && rho > 0.0) {
            return Err(usage_error("--rho", format!("is `{rho}`"), "give utilisations above 0"));
        }
    }
    let bar = Progress::over(args.des_trials * args.rho.len() as u64, "simulating");
    let rows = queues::mm1(&args.rho, args.mu, args.des_trials, seed, &|| bar.advance())?;
    bar.finish();
    args.output.write(&report::render(&table(&rows), args.output.format()))?;
    Ok(if queues::coverage_holds(&rows) { Outcome::Fine } else { Outcome::CheckFailed })
}

fn table(rows: &[Mm1Row]) -> Table {
    let mut table = Table::new(
        "M/M/1",
        vec![
            Column::number("ρ", ""),
            Column::text("quantity"),
            Column::number("closed form", ""),
            Column::number("solver", ""),
            Column::number("engine", ""),
            Column::text("in the interval"),
        ],
    );
    for row in rows {
        table.row(vec![
            Cell::number(row.rho),
            Cell::text(row.quantity),
            Cell::maybe(row.closed_form),
            Cell::maybe(row.solver),
            row.engine.map_or(Cell::Absent, |figure| {
                figure
                    .interval
                    .map_or(Cell::number(figure.value), |(low, high)| Cell::interval(figure.value, low, high))
            }),
            row.covered.map_or(Cell::Absent, |inside| Cell::text(if inside { "yes" } else { "no" })),
        ]);
    }
    table.note("Times in seconds. Engine: 95 % intervals, Student t over trials; one in twenty misses by chance.");
    table
}
