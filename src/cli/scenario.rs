//! `fluidsim scenario`

use clap::Subcommand;

use super::Outcome;
use crate::report::{self, Cell, Column, Format, Table};
use crate::scenario::{load, presets};

/// List, show and check scenarios
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fluidsim scenario list
  fluidsim scenario show chat-70b-4xa100 > mine.toml
  fluidsim scenario check mine.toml")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The built-in scenarios, one line each
    List {
        /// Form of the list
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// A built-in scenario as TOML, with where each number comes from
    Show {
        /// Its name
        name: String,
    },
    /// Check a scenario file; exit code 2 and one clear error when something is wrong with it
    Check {
        /// The file, or the name of a built-in scenario
        file: String,
    },
}

pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    match &args.action {
        Action::List { format } => report::printer::print(&report::render(&list()?, *format))?,
        Action::Show { name } => report::printer::print(presets::get(name)?.text)?,
        Action::Check { file } => {
            let scenario = load::open(Some(file), &[], None)?;
            report::printer::print(&format!("{file}: ok ({})\n", scenario.name))?;
        }
    }
    Ok(Outcome::Fine)
}

fn list() -> anyhow::Result<Table> {
    let mut table = Table::new("Built-in scenarios", vec![Column::text("name"), Column::text("what it stands for")]);
    for preset in presets::list() {
        let scenario = load::load(preset.name, preset.text, &[])?;
        let mark = if preset.name == presets::DEFAULT { " (default)" } else { "" };
        table.row(vec![Cell::text(format!("{}{mark}", preset.name)), Cell::text(scenario.description)]);
    }
    Ok(table)
}
