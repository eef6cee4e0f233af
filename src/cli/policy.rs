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
        Action::List { format } => report::printer::print(&list(*format))?,
        Action::Show { name, format } => report::printer::print(&report::render_all(&show(name)?, *format))?,
    }
    Ok(Outcome::Fine)
}

/// For people one table per key, for programs one table of all.
fn list(format: Format) -> String {
    match format {
        Format::Table | Format::Latex | Format::LatexFragment => report::render_all(&tables_by_key(), format),
        Format::Csv | Format::Json => report::render(&whole_table(), format),
    }
}

fn tables_by_key() -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for rule in catalogue::rules() {
        if tables.last().is_none_or(|table| table.title != rule.key) {
            let columns = ["name", "what it does", "lengths", "source"].map(Column::text);
            tables.push(Table::new(rule.key, columns.to_vec()));
        }
        if let Some(table) = tables.last_mut() {
            table.row([rule.name, rule.what, lengths(rule), rule.source].map(Cell::text).to_vec());
        }
    }
    if let Some(table) = tables.last_mut() {
        table.note(
            "Choose a rule with `--set KEY=NAME`. Lengths: whether it is told output lengths before they are known.",
        );
    }
    tables
}

fn whole_table() -> Table {
    let columns = ["key", "name", "what it does", "needs lengths", "source"].map(Column::text);
    let mut table = Table::new("Rules", columns.to_vec());
    for rule in catalogue::rules() {
        table.row([rule.key, rule.name, rule.what, lengths(rule), rule.source].map(Cell::text).to_vec());
    }
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
