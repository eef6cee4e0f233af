//! `fluidsim policy`

use clap::Subcommand;

use super::Outcome;
use crate::report::{self, Cell, Column, Format, Table};
use crate::scenario::catalogue::{self, Rule};

/// List and show the rules that a scenario can choose
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fluidsim policy list
  fluidsim policy show sarathi
  fluidsim policy list --format csv")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Every rule by the key that chooses it, one line each
    List {
        /// Form of the list
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// One rule: what it does, where it comes from, and the parts of an engine
    Show {
        /// Its name
        name: String,

        /// Form of the answer
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
}

pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    match &args.action {
        Action::List { format } => report::printer::print(&report::render(&list(), *format))?,
        Action::Show { name, format } => report::printer::print(&report::render_all(&show(name)?, *format))?,
    }
    Ok(Outcome::Fine)
}

fn list() -> Table {
    let columns = ["key", "name", "what it does", "needs lengths", "source"].map(Column::text);
    let mut table = Table::new("Rules", columns.to_vec());
    for rule in catalogue::rules() {
        table.row([rule.key, rule.name, rule.what, lengths(rule), rule.source].map(Cell::text).to_vec());
    }
    table.note("Choose one with `--set KEY=NAME`; DESIGN.md says what each means, precisely enough to write it again.");
    table
}

fn show(name: &str) -> anyhow::Result<Vec<Table>> {
    Ok(catalogue::named(name)?.into_iter().map(rule_table).collect())
}

fn rule_table(rule: &Rule) -> Table {
    let mut table = Table::new(rule.name, ["what", "answer"].map(Column::text).to_vec());
    let mut row = |what: &str, answer: &str| {
        table.row(vec![Cell::text(what), Cell::text(answer)]);
    };
    row("does", rule.what);
    row("chosen by", &format!("{} = \"{}\"", rule.key, rule.name));
    row("needs lengths", lengths(rule));
    row("source", rule.source);
    let engine = catalogue::engine_named(rule.name).filter(|_| rule.key == catalogue::ENGINE);
    for (part, word) in engine.iter().flat_map(|engine| catalogue::parts(&engine.rules())) {
        row(&format!("policy.batching.{part}"), &word);
    }
    table
}

fn lengths(rule: &Rule) -> &'static str {
    if rule.needs_lengths { "yes" } else { "no" }
}
