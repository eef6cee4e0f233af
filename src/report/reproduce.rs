//! The files of a reproduced study: every part as CSV, LaTeX and SVG, and what was asked.

use std::io;
use std::path::Path;

use super::file::write_whole;
use super::{Format, csv, latex, render, render_svg};
use crate::answer::plot::Plot;
use crate::answer::table::{Cell, Column, Table};

/// Rows that a terminal shows of one table; longer ones are in the files.
const SHOWN: usize = 40;

/// Writes a table as `NAME.csv` and `NAME.tex`, the latter for `\input`.
///
/// # Errors
/// The cause with the path named.
pub fn write_table(folder: &Path, name: &str, table: &Table) -> io::Result<()> {
    write_whole(&folder.join(format!("{name}.csv")), &csv::table_csv(table))?;
    write_whole(&folder.join(format!("{name}.tex")), &latex::fragment(table))
}

/// Writes a long table of samples as `NAME.csv`.
///
/// # Errors
/// The cause with the path named.
pub fn write_samples(folder: &Path, name: &str, samples: &Table) -> io::Result<()> {
    write_whole(&folder.join(format!("{name}.csv")), &csv::table_csv(samples))
}

/// Writes the panels as `NAME.svg`; nothing when there are none.
///
/// # Errors
/// The cause with the path named.
pub fn write_panels(folder: &Path, name: &str, panels: &[Plot]) -> io::Result<()> {
    if panels.is_empty() { Ok(()) } else { write_whole(&folder.join(format!("{name}.svg")), &render_svg(panels)) }
}

/// A table for a terminal, cut where it is long: `file` has all of it.
pub fn shown(table: &Table, file: &Path) -> String {
    if table.rows.len() <= SHOWN {
        return render(table, Format::Table);
    }
    let mut cut = table.clone();
    cut.rows.truncate(SHOWN);
    let note = format!("{} of {} rows; all are in `{}`.", SHOWN, table.rows.len(), file.display());
    cut.notes.insert(0, note);
    render(&cut, Format::Table)
}

/// The studies: name, title.
pub fn studies_table(studies: &[(String, String)]) -> Table {
    let columns = vec![Column::text("study"), Column::text("about")];
    let mut table = Table::new("Studies that can be reproduced", columns);
    for (name, title) in studies {
        table.row(vec![Cell::text(name), Cell::text(title)]);
    }
    table.note("`fluidsim reproduce NAME --list` names the parts of one.");
    table
}
