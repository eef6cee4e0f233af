//! `fluidsim stability`

use std::path::{Path, PathBuf};

use super::common::{OutputArgs, ScenarioArgs, check_files, check_trials};
use super::plot::{self, PlotArgs};
use super::progress::Progress;
use super::store::Store;
use super::{Outcome, pictures, usage_error};
use crate::answer::{Figure, FluidSolution};
use crate::fluid::cycle::Cycle;
use crate::report::{self, Align, Cell, Column, Format, Report, Table};
use crate::scenario::Scenario;
use crate::study::stability::{DriftOptions, DriftTest, SaturatedOptions, Start, drift_tests, saturated};
use crate::study::sweep::{self, Axis, Design, LAMBDA_STAR, Quantity, Row, Side, Solver, Source, Sweep};
use crate::{fluid, study};

/// Significant digits of a swept λ*.
const BOUNDARY_DIGITS: usize = 5;

/// The stability boundary λ*: analytically, from the engine, and over a sweep of parameters
///
/// Exit code 1 when, with --des, the engine's drift contradicts λ*.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("grid").args(["sweep", "region"]).multiple(true), mut_arg("plot", |arg| arg.requires("grid").help(plot::help("the sweep or the region"))), after_help = "\
Examples:
  fluidsim stability
  fluidsim stability --des
  fluidsim stability --sensitivity
  fluidsim stability two-classes.toml --region chat,batch --plot region.svg --csv region.csv
  fluidsim stability --sweep instance.kv_tokens=20000:200000:20000 --latex --out table.tex
  fluidsim stability --sweep instance.max_sequences=32,64,128 --sweep instance.kv_tokens=50000,100000 --csv grid.csv --plot grid.svg")]
pub struct Args {
    #[command(flatten)]
    scenario: ScenarioArgs,
    #[command(flatten)]
    output: OutputArgs,

    /// Measure λ* in the engine too: throughput when saturated, and (without a sweep) drift from empty and from a backlog
    #[arg(long)]
    des: bool,

    /// Trials of each engine measurement
    #[arg(long, default_value_t = 8, allow_negative_numbers = true)]
    des_trials: u64,

    /// Drift is tested at λ*(1 − ε) and λ*(1 + ε)
    #[arg(long, default_value_t = 0.05, allow_negative_numbers = true)]
    epsilon: f64,

    /// Elasticities of λ* to the limits, the step times and the lengths
    #[arg(long, conflicts_with_all = ["sweep", "region", "des"])]
    sensitivity: bool,

    /// The stability region of two classes, without the others
    #[arg(long, value_name = "CLASS1,CLASS2", value_delimiter = ',', num_args = 1, conflicts_with_all = ["sweep", "des"])]
    region: Vec<String>,

    /// Sweep a parameter: KEY=FROM:TO:STEP or KEY=V1,V2,…; may be repeated for a grid
    #[arg(long, value_name = "KEY=RANGE")]
    sweep: Vec<String>,

    /// Write the sweep or the region to this CSV file too
    #[arg(long, value_name = "FILE", requires = "grid")]
    csv: Option<PathBuf>,

    #[command(flatten)]
    plot: PlotArgs,
}

pub fn run(args: &Args, seed: u64) -> anyhow::Result<Outcome> {
    check_trials("--des-trials", args.des_trials, 2)?;
    args.plot.check()?;
    let [out, page] = args.output.files();
    check_files(&[out, page, ("--csv", args.csv.as_deref()), ("--plot", args.plot.file())])?;
    if !(args.epsilon > 0.0 && args.epsilon <= 0.5) {
        return Err(usage_error("--epsilon", format!("is `{}`", args.epsilon), "give a share above 0, at most 0.5"));
    }
    if !args.region.is_empty() {
        return two_classes(args, &args.scenario.open()?);
    }
    if args.sweep.is_empty() {
        return boundary(args, &args.scenario.open_for_theory()?, seed);
    }
    // What a sweep makes of the scenario decides whether theory covers it.
    grid(args, &args.scenario.open()?, seed)
}

fn boundary(args: &Args, scenario: &Scenario, seed: u64) -> anyhow::Result<Outcome> {
    let solution = fluid::solve(scenario);
    if args.sensitivity {
        let rows = fluid::sensitivity::of(scenario);
        let tables = [boundary_table(&solution, None), report::sensitivity_table(&rows)];
        deliver(args, scenario, Report::from(tables.to_vec()), None)?;
        return Ok(Outcome::Fine);
    }
    if !args.des {
        let mut table = boundary_table(&solution, None);
        if let Some(cycle) = fluid::cycle::of(scenario) {
            cycle_rows(&mut table, &cycle);
        }
        deliver(args, scenario, table.into(), None)?;
        return Ok(Outcome::Fine);
    }
    let bar = Progress::over(5 * args.des_trials, "simulating");
    let advance = || bar.advance();
    let engine = saturated(scenario, &solution, &SaturatedOptions::new(seed, args.des_trials), &advance);
    let options = DriftOptions { seed, trials: args.des_trials, epsilon: args.epsilon };
    let tests = drift_tests(scenario, &solution, &options, &advance);
    bar.finish();
    let tables = [boundary_table(&solution, engine.throughput_per_s), drift_table(&tests)];
    deliver(args, scenario, Report::from(tables.to_vec()), Some(seed))?;
    let contradicted = tests.iter().any(DriftTest::contradicts);
    Ok(if contradicted { Outcome::CheckFailed } else { Outcome::Fine })
}

fn two_classes(args: &Args, scenario: &Scenario) -> anyhow::Result<Outcome> {
    let [first, second] = &args.region[..] else {
        return Err(usage_error(
            "--region",
            format!("names {} classes", args.region.len()),
            "name two, as in --region chat,batch",
        ));
    };
    let region = fluid::region::of(scenario, [first, second])?;
    let table = report::region_table(&region);
    if let Some(file) = &args.csv {
        report::file::write_whole(file, &report::render(&table, Format::Csv))?;
    }
    let picture = pictures::region(&region).into();
    args.plot.draw(&picture)?;
    deliver(args, scenario, Report::from(table).with_picture(picture), None)?;
    Ok(Outcome::Fine)
}

fn deliver(args: &Args, scenario: &Scenario, report: Report, seed: Option<u64>) -> anyhow::Result<()> {
    let report = report.titled(&format!("Stability of {}", scenario.name)).with_scenario(scenario.to_toml());
    args.output.deliver(&report, seed)
}

fn boundary_table(solution: &FluidSolution, engine: Option<Figure>) -> Table {
    let boundary = &solution.boundary;
    let mut table =
        Table::new("Stability boundary", vec![Column::text("quantity"), Column::number("value", "requests/s")]);
    let mut row = |name: String, cell: Cell| {
        table.row(vec![Cell::text(name), cell]);
    };
    row("λ* from a backlog (low)".into(), Cell::digits(boundary.low_per_s, 6));
    row("λ* from empty (high)".into(), Cell::digits(boundary.high_per_s, 6));
    row("certified bracket, lower end".into(), Cell::digits(boundary.bracket_per_s.0, 10));
    row("certified bracket, upper end".into(), Cell::digits(boundary.bracket_per_s.1, 10));
    if let Some((limit, rate)) = boundary.runner_up {
        row(format!("runner-up: {}", limit.name()), Cell::digits(rate, 6));
    }
    if let Some(figure) = engine {
        row("throughput of the saturated engine".into(), interval(figure));
    }
    row(format!("λ of the scenario ({})", solution.verdict.name()), Cell::digits(solution.lambda_per_s, 6));
    table.note(format!("What binds: {}.", boundary.binding.name()));
    for note in &solution.notes {
        table.note(note.clone());
    }
    table
}

/// What becomes of the ages in a full memory.
fn cycle_rows(table: &mut Table, cycle: &Cycle) {
    let mut row = |name: &str, rate: f64| {
        table.row(vec![Cell::text(name), Cell::digits(rate, 6)]);
    };
    row("balance of ages without evictions", cycle.calm_per_s);
    if let Some(rate) = cycle.cycle_per_s {
        row("eviction cycle of the fluid", rate);
    }
    // The answer itself tells the radius where it is above 1.
    if table.notes.iter().any(|note| note.contains("spectral radius")) {
        return;
    }
    table.note(format!(
        "The survival polynomial has spectral radius {:.6}, at most 1: ages in a full memory come back to their balance.",
        cycle.radius
    ));
}

fn drift_table(tests: &[DriftTest]) -> Table {
    let mut table = Table::new(
        "Drift of the number in system",
        vec![
            Column::text("start"),
            Column::number("λ/λ*", ""),
            Column::number("growth/λ*", ""),
            Column::text("expected"),
            Column::text("observed"),
        ],
    );
    for test in tests {
        let start = match test.start {
            Start::Empty => "empty",
            Start::Backlog => "backlog",
        };
        table.row(vec![
            Cell::text(start),
            Cell::number(test.load),
            test.growth.map_or(Cell::Absent, interval),
            Cell::text(test.expected.name()),
            Cell::text(test.observed.name()),
        ]);
    }
    table.note("95 % intervals, Student t over trials; it grows or drains when the interval lies beyond ε/4, stays when it lies within ε/2, else it is unclear.");
    table
}

fn interval(figure: Figure) -> Cell {
    figure.interval.map_or(Cell::number(figure.value), |(low, high)| Cell::interval(figure.value, low, high))
}

fn grid(args: &Args, scenario: &Scenario, seed: u64) -> anyhow::Result<Outcome> {
    let axes = args.sweep.iter().map(|text| Axis::parse("--sweep", text)).collect::<Result<Vec<_>, _>>()?;
    let solver = if args.des { Solver::both(args.des_trials) } else { Solver::theory() };
    let design = Design::grid(axes).map_err(|error| error.in_file("--sweep"))?;
    let quantities = swept_quantities(&solver);
    let sweep = Sweep { source: Source::of(scenario.clone()), design, solver, quantities, seed, independent: false };
    let report = answered(args, &sweep)?;
    deliver(args, scenario, report, args.des.then_some(seed))?;
    Ok(Outcome::Fine)
}

/// Answers the sweep and writes its files. One of the engine that writes a file can be killed and started again.
fn answered(args: &Args, sweep: &Sweep) -> anyhow::Result<Report> {
    let all: Vec<usize> = (0..sweep.design.len()).collect();
    // Theory must cover every point, whoever answers it.
    Sweep { solver: Solver::theory(), ..sweep.clone() }.check("--sweep", &all)?;
    let file: Option<&Path> = args.csv.as_deref().or(args.output.out.as_deref());
    let mut store = Store::beside(file.filter(|_| args.des), &sweep::Manifest::of(sweep)?)?;
    let rows = store.answer(sweep, &all)?;
    let table = sweep_table(sweep, &rows);
    if let Some(file) = &args.csv {
        report::file::write_whole(file, &report::render(&table, Format::Csv))?;
    }
    let picture = pictures::boundary(sweep, &rows).into();
    args.plot.draw(&picture)?;
    store.discard();
    Ok(Report::from(table).with_picture(picture))
}

/// What a sweep of the boundary asks.
fn swept_quantities(solver: &Solver) -> Vec<Quantity> {
    let names = [LAMBDA_STAR, "lambda_star_high_per_s", "binding", "runner_up", "verdict"];
    let mut quantities: Vec<Quantity> =
        names.into_iter().map(|name| Quantity { name: name.to_owned(), side: Side::Theory }).collect();
    if solver.engine.is_some() {
        quantities.push(Quantity { name: LAMBDA_STAR.to_owned(), side: Side::Engine });
    }
    quantities
}

fn sweep_table(sweep: &Sweep, rows: &[Row]) -> Table {
    const HEADS: [(&str, &str); 6] = [
        ("λ* low", "requests/s"),
        ("λ* high", "requests/s"),
        ("binds", ""),
        ("runner-up", ""),
        ("verdict", ""),
        ("engine λ*", "requests/s"),
    ];
    let mut table = sweep.table("Stability boundary over a sweep", rows);
    let axes = sweep.design.axes().len();
    for (column, (name, unit)) in table.columns[axes..].iter_mut().zip(HEADS) {
        (column.name, column.unit) = (name.to_owned(), unit.to_owned());
        column.align = if unit.is_empty() { Align::Left } else { Align::Right };
    }
    for cell in table.rows.iter_mut().flat_map(|row| &mut row[axes..]) {
        match cell {
            Cell::Number { digits, .. } => *digits = BOUNDARY_DIGITS,
            Cell::Count(count) => *cell = Cell::digits(*count as f64, BOUNDARY_DIGITS),
            _ => {}
        }
    }
    if sweep.solver.engine.is_some() {
        table
            .note(format!("Engine: throughput of the saturated system, {:.0} % intervals.", study::CONFIDENCE * 100.0));
    }
    table
}
