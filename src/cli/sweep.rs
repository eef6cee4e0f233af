//! `fluidsim sweep`

use super::common::{LengthArgs, OutputArgs, ScenarioArgs, check_files, check_trials};
use super::plot::{self, PlotArgs};
use super::store::Store;
use super::{Outcome, usage_error};
use crate::fluid::Tier;
use crate::report::{self, Cell, Column, Format, Report, Table};
use crate::study::sweep::{
    self, Axis, Choice, Design, EngineOptions, Filling, MAX_POINTS, Manifest, Quantity, RESULTS_CSV, Row, Sampling,
    Setting, Shard, Side, Solver, Source, Sweep, USUAL,
};

/// Any scenario keys as a grid or a sample, answered by theory, the engine or both
#[derive(Debug, clap::Args)]
#[command(mut_arg("plot", |arg| arg.help(plot::help("the quantities: lines over the first axis of numbers, a map over two"))), after_help = "\
Examples:
  fluidsim sweep --over lambda=1:7:1 --over policy.engine=orca,vllm-v1
  fluidsim sweep --over load=.5,.8,.95 --solver both --trials 8 --show ttft_s.mean,e2e_s.p95
  fluidsim sweep --over instance.kv_tokens=log:20000:200000:12 --plot memory.svg
  fluidsim sweep --over gpu=l4,a100-80gb --over model=llama-3-8b --show lambda_star_per_s
  fluidsim sweep --case \"small: instance.max_sequences=32 lambda=1\" --case \"large: instance.max_sequences=256 lambda=4\"
  fluidsim sweep --sobol 64 --over lambda=1..6 --over instance.max_sequences=int:log:16..256 --format csv
  fluidsim sweep --over load=.1:.9:.1 --solver engine --shard 1/3 --out part1     (then: fluidsim merge part1 part2 part3 --out all)

Axes are joined as a grid, the last one fastest; with --lhs or --sobol those written LOW..HIGH are drawn instead. The key `load` sets λ as
a share of each point's own λ*. Trial k draws the same random numbers at every point (common random numbers).

--out DIR (a folder that exists, a name that ends in / or a new one without an extension) holds manifest.json, results.jsonl, to which every
point is added as it is found, and at the end results.csv. The same command goes on where a killed one was.")]
pub struct Args {
    #[command(flatten)]
    scenario: ScenarioArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    length: LengthArgs,

    /// An axis: KEY=V1,V2,… (numbers or words), KEY=FROM:TO:STEP, KEY=log:FROM:TO:COUNT, or for a sample KEY=LOW..HIGH with log: or int:
    /// before it; may be repeated
    #[arg(long, value_name = "KEY=RANGE")]
    over: Vec<String>,

    /// One value of an axis `case` that sets several keys; may be repeated
    #[arg(long, value_name = "NAME: KEY=VALUE KEY=VALUE")]
    case: Vec<String>,

    /// Draw this many points of the intervals: a Latin hypercube
    #[arg(long, value_name = "N", conflicts_with = "sobol", allow_negative_numbers = true)]
    lhs: Option<u64>,

    /// Draw this many points of the intervals: a Sobol sequence; powers of 2 are the most even
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    sobol: Option<u64>,

    /// Who answers
    #[arg(long, value_enum, default_value = "theory")]
    solver: SolverName,

    /// Trials of the engine at each point; 1 is one long run, cut into batches for the intervals
    #[arg(long, default_value_t = 8, allow_negative_numbers = true)]
    trials: u64,

    /// Requests waiting at time 0 of each trial
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    backlog: u64,

    /// Give every point a seed of its own, in place of common random numbers
    #[arg(long)]
    independent: bool,

    /// How finely theory solves below λ*
    #[arg(long, value_enum, default_value = "sharp")]
    tier: super::solve::TierName,

    /// Quantities by name, such as ttft_s.mean, or of one side when both answer, such as engine.ttft_s.mean
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    show: Vec<String>,

    /// List the quantities
    #[arg(long, exclusive = true)]
    list: bool,

    /// Answer one of N equal parts of the points into a folder; `fluidsim merge` joins them
    #[arg(long, value_name = "I/N", requires = "out")]
    shard: Option<String>,

    #[command(flatten)]
    plot: PlotArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SolverName {
    #[value(alias = "analytic")]
    Theory,
    Engine,
    Both,
}

pub fn run(args: &Args, seed: u64) -> anyhow::Result<Outcome> {
    if args.list {
        args.output.write(&report::render(&list(), args.output.format()))?;
        return Ok(Outcome::Fine);
    }
    let folder = args.output.folder();
    args.plot.check()?;
    let [out, page] = args.output.files();
    check_files(&[(out.0, out.1.filter(|_| folder.is_none())), page, ("--plot", args.plot.file())])?;
    let shard = args.shard.as_deref().map_or(Ok(Shard::WHOLE), |text| Shard::parse("--shard", text))?;
    if args.shard.is_some() && folder.is_none() {
        return Err(usage_error("--shard", "needs a folder", "name one with --out, such as --out part1"));
    }
    let sweep = question(args, seed)?;
    let indices: Vec<usize> = (0..sweep.design.len()).filter(|&index| shard.holds(index)).collect();
    let manifest = Manifest::of(&sweep)?;
    // What was begun was checked then.
    if folder.is_none_or(|folder| !folder.join(sweep::MANIFEST).exists()) {
        sweep.check("--over", &indices)?;
    }
    let mut store = match folder {
        Some(folder) => Store::folder(folder, &manifest)?,
        None => Store::beside(args.output.out.as_deref(), &manifest)?,
    };
    let rows = store.answer(&sweep, &indices)?;
    write(&manifest, &rows, &args.output, &args.plot)?;
    if folder.is_none() {
        store.discard();
    }
    Ok(Outcome::Fine)
}

/// Writes rows in every form that is asked for.
pub(super) fn write(manifest: &Manifest, rows: &[Row], output: &OutputArgs, plot: &PlotArgs) -> anyhow::Result<()> {
    let table = manifest.table("Sweep", rows);
    let picture = sweep::pictures(&manifest.axes, &manifest.quantities, rows);
    match &picture {
        Some(picture) => plot.draw(picture)?,
        None if plot.wanted() => {
            return Err(usage_error("--plot", "finds no axis or no quantity with numbers", "sweep a number"));
        }
        None => {}
    }
    let report = Report { pictures: picture.into_iter().collect(), ..table.clone().into() }.titled("Sweep");
    let Some(folder) = output.folder() else { return output.deliver(&report, Some(manifest.seed)) };
    output.write_page(&report, Some(manifest.seed))?;
    report::file::write_whole(&folder.join(RESULTS_CSV), &report::render(&table, Format::Csv))?;
    let more = match output.format() {
        Format::Latex | Format::LatexFragment => Some("table.tex"),
        Format::Json => Some("table.json"),
        Format::Table | Format::Csv => None,
    };
    if let Some(name) = more {
        report::file::write_whole(&folder.join(name), &output.text(&report))?;
    }
    eprintln!("{} of {} points in {}", rows.len(), manifest.points, folder.join(RESULTS_CSV).display());
    Ok(())
}

fn question(args: &Args, seed: u64) -> anyhow::Result<Sweep> {
    check_trials("--trials", args.trials, 1)?;
    let mut axes = args.over.iter().map(|text| Axis::parse("--over", text)).collect::<Result<Vec<_>, _>>()?;
    if !args.case.is_empty() {
        let choices = args.case.iter().map(|text| bundle("--case", text)).collect::<anyhow::Result<_>>()?;
        axes.push(Axis { key: "case".to_owned(), choices, interval: None });
    }
    if axes.is_empty() {
        return Err(usage_error("--over", "is missing", "name an axis, such as --over lambda=1:7:1"));
    }
    let design = Design::new(axes, sampling(args, seed)?).map_err(|error| error.in_file("--over"))?;
    let engine = EngineOptions { trials: args.trials, backlog: args.backlog, wishes: args.length.wishes()? };
    let theory = Tier::from(args.tier);
    let solver = match args.solver {
        SolverName::Theory => Solver { theory: Some(theory), engine: None },
        SolverName::Engine => Solver { theory: None, engine: Some(engine) },
        SolverName::Both => Solver { theory: Some(theory), engine: Some(engine) },
    };
    let source = source(&args.scenario, design.axes())?;
    Ok(Sweep { source, design, quantities: quantities(args, &solver)?, solver, seed, independent: args.independent })
}

/// What the points change; where hardware is swept the scenario is opened anew at each.
pub(super) fn source(scenario: &ScenarioArgs, axes: &[Axis]) -> anyhow::Result<Source> {
    let hardware = |key: &str| matches!(key, "gpu" | "model" | "tp") || key.starts_with("hardware.");
    let mut keys = axes.iter().flat_map(|axis| axis.choices.iter().flat_map(|choice| &choice.sets));
    let drawn = axes.iter().any(|axis| axis.interval.is_some() && hardware(&axis.key));
    if drawn || keys.any(|(key, _)| hardware(key)) {
        let name = scenario.name().map(str::to_owned);
        return Ok(Source::Opened { name, changes: scenario.changes()?, trace: scenario.trace() });
    }
    Ok(Source::of(scenario.open()?))
}

fn sampling(args: &Args, seed: u64) -> anyhow::Result<Option<Sampling>> {
    let (option, filling, points) = match (args.lhs, args.sobol) {
        (Some(points), _) => ("--lhs", Filling::LatinHypercube, points),
        (None, Some(points)) => ("--sobol", Filling::Sobol, points),
        (None, None) => return Ok(None),
    };
    if !(1..=MAX_POINTS as u64).contains(&points) {
        return Err(usage_error(option, format!("is `{points}`"), &format!("give from 1 to {MAX_POINTS} points")));
    }
    Ok(Some(Sampling { filling, points, seed }))
}

fn quantities(args: &Args, solver: &Solver) -> anyhow::Result<Vec<Quantity>> {
    let sides = solver.sides();
    if args.show.is_empty() {
        // λ* of the engine is a run of its own, and is made only when it is asked for.
        let costly = |quantity: &Quantity| quantity.side == Side::Engine && quantity.name == sweep::LAMBDA_STAR;
        let usual = USUAL.iter().flat_map(|name| Quantity::named("--show", name, &sides).unwrap_or_default());
        return Ok(usual.filter(|quantity| !costly(quantity)).collect());
    }
    let named = args.show.iter().map(|name| Quantity::named("--show", name.trim(), &sides));
    Ok(named.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// Reads `NAME: KEY=VALUE KEY=VALUE`.
pub(super) fn bundle(option: &str, text: &str) -> anyhow::Result<Choice> {
    let wrong = |problem: &str| {
        let remedy = "write \"NAME: KEY=VALUE KEY=VALUE\", such as \"small: instance.max_sequences=32\"";
        usage_error(option, format!("`{text}` {problem}"), remedy)
    };
    let (name, rest) = text.split_once(':').ok_or_else(|| wrong("has no name"))?;
    let pairs = rest.split_whitespace().map(|pair| {
        let (key, value) = pair.split_once('=').filter(|(key, value)| !key.is_empty() && !value.is_empty())?;
        Some((key.to_owned(), value.to_owned()))
    });
    let sets: Vec<(String, String)> = pairs.collect::<Option<_>>().ok_or_else(|| wrong("has a part without `=`"))?;
    let name = name.trim();
    if name.is_empty() {
        return Err(wrong("has no name"));
    }
    Ok(Choice { value: Setting::Word(name.to_owned()), sets })
}

fn list() -> Table {
    let mut table = Table::new("Quantities", ["name", "theory", "engine", "unit"].map(Column::text).to_vec());
    let sides = [sweep::names(Side::Theory), sweep::names(Side::Engine)];
    let engine_only = sides[1].iter().filter(|name| !sides[0].contains(name));
    for name in sides[0].iter().chain(engine_only) {
        let has = |side: &Vec<String>| if side.contains(name) { Cell::text("yes") } else { Cell::Absent };
        table.row(vec![Cell::text(name), has(&sides[0]), has(&sides[1]), Cell::text(report::unit_of(name))]);
    }
    table.note("Of one class, from the engine: class.NAME.completed, .ttft_s, .e2e_s, .slo_attainment.");
    table
}
