//! The command line: one file per subcommand, each of which parses, calls one study and prints one report.

mod calibrate;
mod common;
mod compare;
mod compare_policies;
mod hardware;
mod judge;
mod merge;
mod models;
mod pictures;
mod plot;
mod policy;
mod progress;
mod queue;
mod reproduce;
mod scenario;
mod simulate;
mod solve;
mod stability;
mod store;
mod sweep;
mod trust;
mod validate;
mod workload;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::scenario::ScenarioError;

const EXAMPLES: &str = "\
Examples:
  fluidsim solve --lambda 2.0                 the analytic answer for the default scenario
  fluidsim simulate --lambda 2.0              the simulated answer, with confidence intervals
  fluidsim compare --des-trials 50            both, side by side, with the gap
  fluidsim compare --trace requests.csv       the same for recorded traffic
  fluidsim stability --des                    where the system stops being stable
  fluidsim sweep --over lambda=1:7:1 --over policy.engine=orca,vllm-v1
  fluidsim trust                              how far theory can be trusted
  fluidsim validate --quick                   the program checks itself
  fluidsim calibrate profile.csv              a step-time law from measured iterations
  fluidsim workload show requests.csv         recorded traffic: how bursty, how long
  fluidsim reproduce seed-001 --quick         a study of others, done again
  fluidsim scenario list                      the built-in scenarios
  fluidsim models                             the GPUs and language models for --gpu and --model
  fluidsim policy list                        the rules that a scenario can choose

Exit codes: 0 ok, 1 a check failed, 2 wrong usage or input.";

/// How many requests per second can an LLM serving system sustain, and how long do they take?
///
/// Every question is answered twice from one scenario: by fluid and queueing theory, and by an exact event engine.
#[derive(Debug, Parser)]
#[command(name = "fluidsim", version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Seed of all random streams: the same seed gives the same bytes, for any number of threads. Theory draws nothing
    #[arg(long, global = true, default_value_t = 1, allow_negative_numbers = true)]
    seed: u64,
}

#[derive(Debug, Subcommand)]
enum Command {
    Solve(solve::Args),
    Simulate(simulate::Args),
    Compare(compare::Args),
    ComparePolicies(compare_policies::Args),
    Stability(stability::Args),
    Sweep(sweep::Args),
    Merge(merge::Args),
    Queue(queue::Args),
    Trust(trust::Args),
    Validate(validate::Args),
    Calibrate(calibrate::Args),
    Workload(workload::Args),
    Reproduce(reproduce::Args),
    Scenario(scenario::Args),
    Models(models::Args),
    Policy(policy::Args),
}

/// What a command found, as an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Fine,
    CheckFailed,
}

/// Runs the program on the process's arguments. Exit code 0: ok, 1: a check failed, 2: wrong usage or input.
pub fn run() -> ExitCode {
    let Cli { command, seed } = Cli::parse();
    let result = match command {
        Command::Solve(args) => solve::run(&args),
        Command::Simulate(args) => simulate::run(&args, seed),
        Command::Compare(args) => compare::run(&args, seed),
        Command::ComparePolicies(args) => compare_policies::run(&args, seed),
        Command::Stability(args) => stability::run(&args, seed),
        Command::Sweep(args) => sweep::run(&args, seed),
        Command::Merge(args) => merge::run(&args),
        Command::Queue(args) => queue::run(&args, seed),
        Command::Trust(args) => trust::run(&args, seed),
        Command::Validate(args) => validate::run(&args, seed),
        Command::Calibrate(args) => calibrate::run(&args, seed),
        Command::Workload(args) => workload::run(&args, seed),
        Command::Reproduce(args) => reproduce::run(&args, seed),
        Command::Scenario(args) => scenario::run(&args),
        Command::Models(args) => models::run(&args),
        Command::Policy(args) => policy::run(&args),
    };
    match result {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::CheckFailed) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// A wrong option value, said like a scenario's error.
fn usage_error(option: &str, problem: impl Into<String>, remedy: &str) -> anyhow::Error {
    ScenarioError::at(option, problem, remedy).into()
}
