//! `fluidsim simulate`

use std::path::{Path, PathBuf};

use super::common::{LengthArgs, OutputArgs, ScenarioArgs, check_files, check_trials};
use super::progress::Progress;
use super::{Outcome, usage_error};
use crate::des::{Observer, RequestRecord, StepRecord};
use crate::report;
use crate::scenario::Time;
use crate::study::simulate::{SimulateOptions, simulate};

/// The simulated answer: the exact event engine, with confidence intervals
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fluidsim simulate --lambda 2.0
  fluidsim simulate --trials 20 --format json
  fluidsim simulate --trace requests.csv --requests out.csv --steps steps.csv
  fluidsim simulate --duration 600 --leap off")]
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

    /// Requests waiting at time 0
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    backlog: u64,

    /// Take many iterations at once while the batch stays the same; the results are the same, bit for bit
    #[arg(long, value_enum, default_value = "on")]
    leap: Switch,

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
    check_files(&[
        ("--out", args.output.out.as_deref()),
        ("--requests", args.requests.as_deref()),
        ("--steps", args.steps.as_deref()),
    ])?;
    let wants_files = args.requests.is_some() || args.steps.is_some();
    if wants_files && args.trials > 1 {
        return Err(usage_error("--requests/--steps", "record one run", "leave --trials at 1"));
    }
    let scenario = args.scenario.open()?;
    let options = SimulateOptions {
        seed,
        trials: args.trials,
        backlog: args.backlog,
        leap: args.leap == Switch::On,
        wishes: args.length.wishes()?,
    };
    let mut files = Files::create(args.requests.as_deref(), args.steps.as_deref())?;
    let observer = wants_files.then_some(&mut files as &mut dyn Observer);
    let bar = Progress::over(args.trials, "simulating");
    let solution = simulate(&scenario, &options, observer, &|| bar.advance());
    bar.finish();
    files.finish()?;
    args.output.write(&report::simulate_report(&solution, args.output.format()))?;
    Ok(Outcome::Fine)
}

/// The CSV files of one run, written as it goes and given their names when it has ended.
struct Files {
    requests: Option<report::file::Draft>,
    steps: Option<report::file::Draft>,
    failure: Option<std::io::Error>,
}

const REQUEST_COLUMNS: &str =
    "request,class,arrival_s,prompt_tokens,output_tokens,admitted_s,first_token_s,completed_s,preemptions,outcome\n";
const STEP_COLUMNS: &str = "step,start_s,duration_s,decodes,prefill_tokens,running,waiting,swapped,kv_tokens\n";

impl Files {
    fn create(requests: Option<&Path>, steps: Option<&Path>) -> anyhow::Result<Self> {
        let open = |path: Option<&Path>, columns: &str| -> std::io::Result<Option<report::file::Draft>> {
            let Some(path) = path else { return Ok(None) };
            let mut draft = report::file::Draft::create(path)?;
            draft.write(columns)?;
            Ok(Some(draft))
        };
        Ok(Self { requests: open(requests, REQUEST_COLUMNS)?, steps: open(steps, STEP_COLUMNS)?, failure: None })
    }

    fn keep(&mut self, result: std::io::Result<()>) {
        if let Err(error) = result {
            self.failure.get_or_insert(error);
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        if let Some(error) = self.failure {
            return Err(error.into());
        }
        for draft in [self.requests, self.steps].into_iter().flatten() {
            draft.finish()?;
        }
        Ok(())
    }
}

impl Observer for Files {
    fn request(&mut self, request: &RequestRecord) {
        let Some(file) = &mut self.requests else { return };
        let time = |time: Option<Time>| time.map_or(String::new(), |time| time.seconds().to_string());
        let outcome = match (request.rejected, request.completed) {
            (Some(rejection), _) => format!("rejected: {}", rejection.reason()),
            (None, Some(_)) => "completed".to_owned(),
            (None, None) => "in system".to_owned(),
        };
        let line = format!(
            "{},{},{},{},{},{},{},{},{},{outcome}\n",
            request.id,
            request.class,
            request.arrival.seconds(),
            request.prompt,
            request.output,
            time(request.admitted),
            time(request.first_token),
            time(request.completed),
            request.preemptions,
        );
        let result = file.write(&line);
        self.keep(result);
    }

    fn step(&mut self, step: &StepRecord) {
        let Some(file) = &mut self.steps else { return };
        let line = format!(
            "{},{},{},{},{},{},{},{},{}\n",
            step.step,
            step.start.seconds(),
            step.duration.seconds(),
            step.decodes,
            step.prefill_tokens,
            step.running,
            step.waiting,
            step.swapped,
            step.kv_tokens,
        );
        let result = file.write(&line);
        self.keep(result);
    }

    fn wants_steps(&self) -> bool {
        self.steps.is_some()
    }
}
