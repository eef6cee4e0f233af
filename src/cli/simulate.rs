//! `fluidsim simulate`

use std::path::{Path, PathBuf};

use super::common::{LengthArgs, OutputArgs, ScenarioArgs, check_files, check_folder, check_trials};
use super::progress::Progress;
use super::{Outcome, pictures, usage_error};
use crate::answer::SimulatedSolution;
use crate::des::Observer;
use crate::report::experiment::Experiment;
use crate::report::record::Record;
use crate::report::{self, Fan, Format};
use crate::scenario::Scenario;
use crate::study::dynamics::Dynamics;
use crate::study::simulate::{SimulateOptions, simulate};

/// The simulated answer: the exact event engine, with confidence intervals
#[derive(Debug, clap::Args)]
#[command(after_help = "\
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

    /// Write the pictures NAME-dynamics.svg and NAME-timeline.svg of the run
    #[arg(long, value_name = "NAME")]
    plot: Option<PathBuf>,

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
    files.finish(&places, &scenario, &solution)?;
    let report = report::simulate_report(&solution, args.output.format());
    if places.folder.is_some() {
        report::printer::print(&report)?;
    } else {
        args.output.write(&report)?;
    }
    Ok(Outcome::Fine)
}

/// A share between 0.001 and 1, also as a percentage.
fn share(text: &str) -> anyhow::Result<f64> {
    let (number, unit) = text.trim().strip_suffix('%').map_or((text.trim(), 1.0), |number| (number.trim(), 0.01));
    let share = number.parse::<f64>().map(|number| number * unit).ok().filter(|share| (1e-3..1.0).contains(share));
    share.ok_or_else(|| usage_error("--precision", format!("is `{text}`"), "give a share from 0.001 to 1, such as 2%"))
}

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
        Ok(Self { record, experiment, dynamics: places.pictures.is_some().then(Dynamics::default) })
    }

    fn fan(&mut self) -> Fan<'_> {
        let mut fan = Fan::default();
        self.record.iter_mut().for_each(|record| fan.add(record));
        self.experiment.iter_mut().for_each(|experiment| fan.add(experiment));
        self.dynamics.iter_mut().for_each(|dynamics| fan.add(dynamics));
        fan
    }

    fn finish(self, places: &Places, scenario: &Scenario, solution: &SimulatedSolution) -> anyhow::Result<()> {
        if let Some(record) = self.record {
            record.finish()?;
        }
        if let (Some(experiment), Some(folder)) = (self.experiment, &places.folder) {
            experiment.finish(folder, &report::simulate_report(solution, Format::Table))?;
        }
        if let (Some(seen), Some((dynamics, timeline))) = (self.dynamics, &places.pictures) {
            let panels = pictures::dynamics(&seen, scenario.instance.kv_tokens);
            report::file::write_whole(dynamics, &report::render_svg(&panels))?;
            report::file::write_whole(
                timeline,
                &report::picture_svg(&pictures::timeline(&seen).into(), Some(report::Theme::Light)),
            )?;
        }
        Ok(())
    }
}

/// Where the files of a run go.
struct Places {
    folder: Option<PathBuf>,
    pictures: Option<(PathBuf, PathBuf)>,
}

impl Places {
    /// Checks every place before any work is done.
    fn of(args: &Args) -> anyhow::Result<Self> {
        let folder = args.output.folder();
        let pictures = match (&args.plot, folder) {
            (Some(name), _) => Some(picture_names(name)),
            (None, Some(folder)) => Some((folder.join("system_dynamics.svg"), folder.join("request_timeline.svg"))),
            (None, None) => None,
        };
        let plots = pictures.as_ref().filter(|_| args.plot.is_some());
        check_files(&[
            ("--out", args.output.out.as_deref().filter(|_| folder.is_none())),
            ("--requests", args.requests.as_deref()),
            ("--steps", args.steps.as_deref()),
            ("--plot", plots.map(|pair| pair.0.as_path())),
            ("--plot", plots.map(|pair| pair.1.as_path())),
        ])?;
        if let Some(folder) = folder {
            check_folder("--out", folder, args.force)?;
        }
        let of_one_run = [
            ("--requests/--steps", args.requests.is_some() || args.steps.is_some()),
            ("--out", folder.is_some()),
            ("--plot", args.plot.is_some()),
        ];
        match of_one_run.iter().find(|(_, given)| *given && (args.trials > 1 || args.precision.is_some())) {
            Some((option, _)) => {
                Err(usage_error(option, "records one run", "leave --trials at 1 and --precision away"))
            }
            None => Ok(Self { folder: folder.map(Path::to_owned), pictures }),
        }
    }
}

/// `NAME-dynamics.svg` and `NAME-timeline.svg`; a name that ends in `.svg` is taken without it.
fn picture_names(name: &Path) -> (PathBuf, PathBuf) {
    let bare = if name.extension().is_some_and(|extension| extension == "svg") {
        name.with_extension("")
    } else {
        name.into()
    };
    let with = |end: &str| {
        let mut name = bare.clone().into_os_string();
        name.push(end);
        PathBuf::from(name)
    };
    (with("-dynamics.svg"), with("-timeline.svg"))
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
