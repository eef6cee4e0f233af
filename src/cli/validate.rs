//! `fluidsim validate`

use std::path::PathBuf;
use std::time::Instant;

use super::common::{OutputArgs, check_files};
use super::judge::{self, JudgeArgs};
use super::progress::Progress;
use super::{Outcome, usage_error};
use crate::report::{self, Report};
use crate::study::validate::{self, Case, coverage};

/// The program checks itself: theory against known values, the engine against theory, both against published figures
///
/// Exit code 1 when a check is wrong, or when the share of 95 % intervals that hold the truth is not 95 %.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fluidsim validate --quick
  fluidsim validate --only queueing
  fluidsim validate --show \"engine/grid · M/M/1, rho = 0.9\"
  fluidsim validate --list
  fluidsim validate --cases my-cases/
  fluidsim validate --vllm-run run/ --profile kernels/ --plot run.svg")]
pub struct Args {
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    judge: JudgeArgs,

    /// Only the quick cases, with shorter runs: less than half a minute on two cores
    #[arg(long)]
    quick: bool,

    /// Only cases whose file or name holds this; `*` stands for any characters
    #[arg(long, value_name = "PART")]
    only: Vec<String>,

    /// Run the cases whose name holds this, and show all of each: question, source, seconds
    #[arg(long, value_name = "NAME", conflicts_with_all = ["only", "list"])]
    show: Option<String>,

    /// Name the cases instead of running them
    #[arg(long)]
    list: bool,

    /// Show every check, not only those that are simulated or not right
    #[arg(long)]
    all: bool,

    /// The cases of this folder in place of those that come with the program
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
}

pub fn run(args: &Args, seed: u64) -> anyhow::Result<Outcome> {
    if let Some(folder) = &args.judge.vllm_run {
        return judge::run(&args.judge, folder, &args.output);
    }
    check_files(&args.output.files())?;
    let cases = chosen(args)?;
    if args.list {
        args.output.deliver(&Report::from(report::cases_table(&cases)).titled("Cases"), None)?;
        return Ok(Outcome::Fine);
    }
    let bar = Progress::over(cases.len() as u64, "checking");
    let start = Instant::now();
    let outcomes = validate::run(&cases, args.quick, seed, &|| start.elapsed().as_secs_f64(), &|| bar.advance());
    bar.finish();
    let tables = match &args.show {
        Some(_) => report::case_tables(&outcomes),
        None => report::validate_tables(&outcomes, args.all),
    };
    args.output.deliver(&Report::from(tables).titled("The program checks itself"), Some(seed))?;
    Ok(if coverage::all_right(&outcomes) { Outcome::Fine } else { Outcome::CheckFailed })
}

fn chosen(args: &Args) -> anyhow::Result<Vec<Case>> {
    let mut cases = match &args.cases {
        Some(folder) => validate::from_folder(folder)?,
        None => validate::embedded()?,
    };
    let wanted = || args.only.iter().chain(&args.show);
    let holds = |case: &Case, part: &str| holds(&format!("{} · {}", case.group, case.name), part);
    if let Some(part) = wanted().find(|part| !cases.iter().any(|case| holds(case, part))) {
        let option = if args.show.is_some() { "--show" } else { "--only" };
        return Err(usage_error(option, format!("no case is named `{part}`"), "`fluidsim validate --list` names them"));
    }
    cases.retain(|case| wanted().next().is_none() || wanted().any(|part| holds(case, part)));
    cases.retain(|case| !args.quick || case.quick);
    if cases.is_empty() {
        return Err(usage_error("--quick", "leaves no cases", "leave it out"));
    }
    Ok(cases)
}

/// Whether a name holds the pieces between the `*` of a pattern, one after another.
fn holds(name: &str, pattern: &str) -> bool {
    let mut rest = Some(name);
    for piece in pattern.split('*') {
        rest = rest.and_then(|rest| rest.split_once(piece)).map(|(_, behind)| behind);
    }
    rest.is_some()
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn a_pattern_holds_its_pieces_in_order() {
        let name = "engine/grid · M/M/16, rho = 0.9";
        for pattern in ["", "*", "grid", "engine*rho", "M/M/*= 0.9", "*0.9", "e*e*d"] {
            assert!(holds(name, pattern), "{pattern}");
        }
        for pattern in ["rho*engine", "M/M/1,", "grid*grid"] {
            assert!(!holds(name, pattern), "{pattern}");
        }
    }
}
