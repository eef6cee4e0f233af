//! `fluidsim workload`

mod generate;

use clap::Subcommand;

use super::Outcome;

/// Traffic: generate it from laws
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Generate(Box<generate::Args>),
}

pub fn run(args: &Args, seed: u64) -> anyhow::Result<Outcome> {
    match &args.command {
        Command::Generate(args) => generate::run(args, seed),
    }
}
