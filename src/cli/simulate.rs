//! `fluidsim simulate`

use std::path::{Path, PathBuf};

use super::common::{LengthArgs, OutputArgs, ScenarioArgs, check_files, check_folder, check_trials};
use super::plot::{self, PlotArgs, draw};
use super::progress::Progress;
use super::{Outcome, pictures, usage_error};
use crate::answer::SimulatedSolution;
use crate::des::Observer;
use crate::report::experiment::Experiment;
use crate::report::record::Record;
use crate::report::{self, Fan, Format, Picture, Report, Theme};
use crate::scenario::Scenario;
use crate::study::dynamics::Dynamics;
use crate::study::simulate::{SimulateOptions, simulate};

/// The simulated answer: the exact event engine, with confidence intervals
#[derive(Debug, clap::Args)]
#[command(mut_arg("plot", |arg| arg.help(plot::help("the run in time and the lives of some requests, as NAME-dynamics and NAME-timeline"))), after_help = "\
Examples:
  fluidsim simulate --lambda 2.0
  fluidsim simulate --trials 20 --format json
  fluidsim simulate --precision 2%
  fluidsim simulate --trace requests.csv --requests out.csv --steps steps.csv
  fluidsim simulate --engine orca --order shortest-prompt --plot orca
  fluidsim simulate --duration 600 --out run1

--out writes the report to a file; where it names a folder (one that exists, a name that ends in / or a new one without an extension)
all files of the run go into it, with two pictures, and the report is also printed.")]
pub struct Args {
    #[command(flatten)]
    scenario: ScenarioArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    length: LengthArgs,

    /// Independent trials; 1 is one long run, cut into batches for the intervals
    #[arg(long, default_value_t = 1, allow_negative_numbers = true)]
    trials: u64,

    /// Add trials until mean TTFT, TBT and E2E are known this well at 95 %: a share or a percentage, such as 2%
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    precision: Option<String>,

    /// Requests waiting at time 0
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    backlog: u64,

    /// Take many iterations at once while the batch stays the same; the results are the same, bit for bit
    #[arg(long, value_enum, default_value = "on")]
    leap: Switch,

    #[command(flatten)]
    plot: PlotArgs,

    /// Write into the folder of --out although it is not empty
    #[arg(long, requires = "out")]
    force: bool,

    /// Write every request of the run to this CSV file
    #[arg(long, value_name = "FILE")]
    requests: Option<PathBuf>,

    /// Write every iteration of the run to this CSV file
    #[arg(long, value_name = "FILE")]
    steps: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Switch {
    On,
    Off,
}

pub fn run(args: &Args, seed: u64) -> anyhow::Result<Outcome> {
    check_trials("--trials", args.trials, 1)?;
    let places = Places::of(args)?;
    let scenario = args.scenario.open()?;
    let options = SimulateOptions {
        seed,
        trials: args.trials,
        precision: args.precision.as_deref().map(share).transpose()?,
        backlog: args.backlog,
        leap: args.leap == Switch::On,
        wishes: args.length.wishes()?,
    };
    let mut files = Files::create(args, &places, &scenario, seed)?;
    let bar = Progress::over(args.trials, "simulating");
    let mut fan = files.fan();
    let observer = if fan.is_empty() { None } else { Some(&mut fan as &mut dyn Observer) };
    let solution = simulate(&scenario, &options, observer, &|| bar.advance());
    bar.finish();
    let pictures = files.pictures(&scenario);
    files.finish(&places, &solution)?;
    if let Some(folder) = &places.folder {
        for (name, (_, picture)) in ["system_dynamics.svg", "request_timeline.svg"].iter().zip(&pictures) {
            draw("--out", &folder.join(name), picture, Theme::Light)?;
        }
    }
    args.plot.draw_each(&pictures)?;
    let report = report::simulate_report(&solution).titled(&format!("Simulation: {}", scenario.name));
    let report = Report { pictures: pictures.into_iter().map(|(_, picture)| picture).collect(), ..report };
    let report = report.with_scenario(scenario.to_toml());
    if places.folder.is_some() {
        args.output.write_page(&report, Some(seed))?;
        report::printer::print(&args.output.text(&report))?;
    } else {
        args.output.deliver(&report, Some(seed))?;
    }
    Ok(Outcome::Fine)
}

/// A share between 0.001 and 1, also as a percentage.
fn share(text: &str) -> anyhow::Result<f64> {
    let (number, unit) = text.trim().strip_suffix('%').map_or((text.trim(), 1.0), |number| (number.trim(), 0.01));
    let share = number.parse::<f64>().map(|number| number * unit).ok().filter(|share| (1e-3..1.0).contains(share));
    share.ok_or_else(|| usage_error("--precision", format!("is `{text}`"), "give a share from 0.001 to 1, such as 2%"))
}

/// What the names of the pictures end in.
const WORDS: [&str; 2] = ["dynamics", "timeline"];

/// What is written of a run as it goes; each only when it is asked for.
struct Files {
    record: Option<Record>,
    experiment: Option<Experiment>,
    dynamics: Option<Dynamics>,
}

impl Files {
    fn create(args: &Args, places: &Places, scenario: &Scenario, seed: u64) -> anyhow::Result<Self> {
        let (requests, steps) = (args.requests.as_deref(), args.steps.as_deref());
        let record = if requests.is_some() || steps.is_some() { Some(Record::create(requests, steps)?) } else { None };
        let experiment = match &places.folder {
            Some(folder) => Some(Experiment::create(made(folder)?, scenario, seed, &command())?),
            None => None,
        };
        Ok(Self { record, experiment, dynamics: places.pictures.then(Dynamics::default) })
    }

    fn fan(&mut self) -> Fan<'_> {
        let mut fan = Fan::default();
        self.record.iter_mut().for_each(|record| fan.add(record));
        self.experiment.iter_mut().for_each(|experiment| fan.add(experiment));
        self.dynamics.iter_mut().for_each(|dynamics| fan.add(dynamics));
        fan
    }

    /// The run in time and the lives of some requests, by the words that their files end in.
    fn pictures(&self, scenario: &Scenario) -> Vec<(&'static str, Picture)> {
        let Some(seen) = &self.dynamics else { return Vec::new() };
        let dynamics = pictures::dynamics(seen, scenario.instance.kv_tokens);
        vec![(WORDS[0], dynamics.into()), (WORDS[1], pictures::timeline(seen).into())]
    }

    fn finish(self, places: &Places, solution: &SimulatedSolution) -> anyhow::Result<()> {
        if let Some(record) = self.record {
            record.finish()?;
        }
        if let (Some(experiment), Some(folder)) = (self.experiment, &places.folder) {
            experiment.finish(folder, &report::simulate_report(solution).plain(Format::Table))?;
        }
        Ok(())
    }
}

/// Where the files of a run go.
struct Places {
    folder: Option<PathBuf>,
    /// Whether pictures are drawn.
    pictures: bool,
}

impl Places {
    /// Checks every place before any work is done.
    fn of(args: &Args) -> anyhow::Result<Self> {
        let folder = args.output.folder();
        args.plot.check()?;
        let one_run = args.trials == 1 && args.precision.is_none();
        let pictures = folder.is_some() || args.plot.wanted() || (args.output.wants_page() && one_run);
        let plots = WORDS.map(|word| args.plot.file_with(word));
        let [out, page] = args.output.files();
        check_files(&[
            (out.0, out.1.filter(|_| folder.is_none())),
            page,
            ("--requests", args.requests.as_deref()),
            ("--steps", args.steps.as_deref()),
            ("--plot", plots[0].as_deref()),
            ("--plot", plots[1].as_deref()),
        ])?;
        if let Some(folder) = folder {
            check_folder("--out", folder, args.force)?;
        }
        let of_one_run = [
            ("--requests/--steps", args.requests.is_some() || args.steps.is_some()),
            ("--out", folder.is_some()),
            ("--plot", args.plot.wanted()),
        ];
        match of_one_run.iter().find(|(_, given)| *given && (args.trials > 1 || args.precision.is_some())) {
            Some((option, _)) => {
                Err(usage_error(option, "records one run", "leave --trials at 1 and --precision away"))
            }
            None => Ok(Self { folder: folder.map(Path::to_owned), pictures }),
        }
    }
}

/// The folder, made if it is not there.
fn made(folder: &Path) -> anyhow::Result<&Path> {
    if !folder.is_dir() {
        std::fs::create_dir(folder).map_err(|error| {
            usage_error("--out", format!("`{}` cannot be made: {error}", folder.display()), "choose another")
        })?;
    }
    Ok(folder)
}

/// The command line without the place of its files: the same question has the same one.
fn command() -> String {
    let mut words = vec!["fluidsim".to_owned()];
    let mut arguments = std::env::args().skip(1);
    while let Some(word) = arguments.next() {
        match word.as_str() {
            "--out" => drop(arguments.next()),
            "--force" => {}
            other if other.starts_with("--out=") => {}
            _ => words.push(word),
        }
    }
    words.join(" ")
}
