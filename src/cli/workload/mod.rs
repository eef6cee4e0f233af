//! `fluidsim workload`

mod fit;
mod generate;
mod show;

use clap::Subcommand;

use super::Outcome;

/// Traffic: make a trace from laws, fit laws to a trace, or say what one is
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Generate(Box<generate::Args>),
    Fit(fit::Args),
    Show(show::Args),
}

pub fn run(args: &Args, seed: u64) -> anyhow::Result<Outcome> {
    match &args.command {
        Command::Generate(args) => generate::run(args, seed),
        Command::Fit(args) => fit::run(args, seed),
        Command::Show(args) => show::run(args, seed),
    }
}

/// The name of a file without its folder.
fn short_name(file: &str) -> String {
    std::path::Path::new(file).file_name().map_or_else(|| file.to_owned(), |name| name.to_string_lossy().into_owned())
}
