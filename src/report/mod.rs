//! The answer on paper: terminal tables, CSV, JSON, LaTeX and plots. Nothing is computed here.
//!
//! A [`Table`] holds what is to be shown; [`render`] turns it into one [`Format`]. The three answers of the program
//! have [`solve_report`], [`simulate_report`] and [`compare_report`], which choose the tables, or the stable JSON, for
//! it.

mod calibrate;
pub mod csv;
pub mod experiment;
mod fan;
pub mod file;
mod gate;
mod html;
pub mod json;
mod judge;
pub mod latex;
mod limits;
mod lines;
mod operations;
mod path;
pub mod plot;
pub mod printer;
mod queue;
pub mod record;
pub mod reproduce;
#[cfg(test)]
mod samples;
mod scale;
mod solution;
pub mod text;
mod traffic;
mod validate;
mod whole;

pub use crate::answer::number;
pub use crate::answer::plot::{Heat, HeatCell, HeatMap, Lane, Lanes, Picture, Plot, Series, Span, Style};
pub use crate::answer::table::{self, Align, Cell, Column, Table};
pub use calibrate::{calibrate_plot, calibrate_tables, calibrate_toml, roofline_table};
pub use fan::Fan;
pub use gate::{trust_map, trust_tables};
pub use html::{Origin, page};
pub use json::{compare_json, simulate_json, solve_json};
pub use judge::{judge_plot, judge_tables};
pub use limits::{margin_table, region_table, sensitivity_table};
pub use path::{path_json, path_report};
pub use plot::{Form, Theme, picture_svg, picture_text, render_svg};
pub use queue::{model_list, queue_plot, queue_report};
pub use reproduce::studies_table;
pub use scale::{scale_plot, scale_tables};
pub use solution::{compare_tables, simulate_tables, solve_tables, unit_of};
pub use traffic::{fit_plots, fit_tables, traffic_plots, traffic_tables};
pub use validate::{case_tables, cases_table, validate_tables};
pub use whole::{Report, Setting};

use crate::answer::compare::CompareRow;
use crate::answer::trust::Evidence;
use crate::answer::{FluidSolution, SimulatedSolution};

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns for a terminal.
    #[default]
    Table,
    /// JSON with stable names; numbers in full.
    Json,
    /// Comma-separated values; numbers in full, intervals in columns of their own.
    Csv,
    /// A LaTeX document that compiles as it is.
    Latex,
    /// The same tables without the document around them, for `\input`.
    LatexFragment,
}

/// One table in the given format, ending in a newline.
pub fn render(table: &Table, format: Format) -> String {
    match format {
        Format::Json => pretty(&json::table_json(table)),
        _ => render_all(std::slice::from_ref(table), format),
    }
}

/// Several tables in one text, ending in a newline: a JSON array, one LaTeX document, CSV blocks parted by an empty
/// line.
pub fn render_all(tables: &[Table], format: Format) -> String {
    match format {
        Format::Table => tables.iter().map(text::table_text).collect::<Vec<_>>().join("\n"),
        Format::Json => pretty(&tables.iter().map(json::table_json).collect()),
        Format::Csv => tables.iter().map(csv::table_csv).collect::<Vec<_>>().join("\n"),
        Format::Latex => latex::document(tables),
        Format::LatexFragment => latex::fragments(tables),
    }
}

/// The analytic answer, with what the gate has seen of each figure. CSV is one table of quantities; JSON is [`solve_json`].
pub fn solve_report(solution: &FluidSolution, evidence: &Evidence) -> Report {
    Report {
        json: Some(solve_json(solution, evidence)),
        csv: Some(csv::table_csv(&solution::solve_list(solution, evidence))),
        ..solve_tables(solution, evidence).into()
    }
}

/// The simulated answer. CSV is one table of quantities; JSON is [`simulate_json`].
pub fn simulate_report(solution: &SimulatedSolution) -> Report {
    Report {
        json: Some(simulate_json(solution)),
        csv: Some(csv::table_csv(&solution::simulate_list(solution))),
        ..simulate_tables(solution).into()
    }
}

/// The comparison. CSV is one table of quantities; JSON is [`compare_json`].
pub fn compare_report(rows: &[CompareRow], evidence: &Evidence, notes: &[String]) -> Report {
    Report {
        json: Some(compare_json(rows, evidence, notes)),
        csv: Some(csv::table_csv(&solution::compare_list(rows))),
        ..compare_tables(rows, evidence, notes).into()
    }
}

/// Indented JSON ending in a newline.
pub fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}
