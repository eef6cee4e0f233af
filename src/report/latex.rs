//! Tables in LaTeX: booktabs, numbers aligned at their decimal marker by siunitx, everything escaped. [`document`] compiles as it is
//! with pdflatex; [`fragments`] are for `\input` in a paper that loads the packages of [`PACKAGES`].

mod escape;
mod number;

use super::table::{Align, Cell, Column, Table};

pub use escape::escape;

/// What a document that holds a fragment must load.
pub const PACKAGES: &str = "array,booktabs,graphicx,longtable,siunitx,textcomp";

const PREAMBLE: &str = "\\documentclass{article}
\\usepackage[T1]{fontenc}
\\usepackage[utf8]{inputenc}
\\IfFileExists{lmodern.sty}{\\usepackage{lmodern}}{}
";

/// Within each table: digits in groups before the decimal marker only, an uncertainty behind its sign.
const SETUP: &str = "\\sisetup{group-digits=integer,separate-uncertainty=true}";

/// Rows from which on a table may be broken over pages.
const LONG: usize = 40;
/// Characters in a row from which on a table is made to fit the width of the text.
const WIDE: usize = 72;
/// Characters in a cell from which on its column is broken into lines.
const WORDY: usize = 34;
/// Characters that fit a line of the text at the usual size.
const LINE: f64 = 84.0;

/// A whole document with the tables.
pub fn document(tables: &[Table]) -> String {
    let body: String = tables.iter().map(|table| format!("\n{}", fragment(table))).collect();
    // A document without a page is an error to some drivers, so an empty one holds an empty box.
    let body = if tables.is_empty() { "\\mbox{}\n".to_owned() } else { body };
    let packages = format!("\\usepackage{{{PACKAGES}}}\n\\usepackage[margin=2cm]{{geometry}}\n");
    format!("{PREAMBLE}{packages}\\begin{{document}}\n{body}\n\\end{{document}}\n")
}

/// The tables for `\input`, below a line that names what they need.
pub fn fragments(tables: &[Table]) -> String {
    let body: Vec<String> = tables.iter().map(fragment).collect();
    format!("% needs \\usepackage{{{PACKAGES}}}\n{}", body.join("\n"))
}

/// One `table` environment, or a `longtable` where there are many rows.
pub fn fragment(table: &Table) -> String {
    let lines = if table.rows.len() > LONG { long(table) } else { floating(table) };
    lines.join("\n") + "\n"
}

fn floating(table: &Table) -> Vec<String> {
    let mut lines = vec!["\\begin{table}[htbp]".to_owned(), "\\centering".to_owned(), SETUP.to_owned()];
    let caption = caption(table);
    if !caption.is_empty() {
        lines.push(format!("{caption}\\smallskip"));
    }
    if !table.columns.is_empty() {
        let fitted = width(table) > WIDE;
        if fitted {
            lines.push("\\sbox0{\\small".to_owned());
        }
        lines.push(format!("\\begin{{tabular}}{{{}}}", column_types(table)));
        lines.extend(["\\toprule".to_owned(), head(table), "\\midrule".to_owned()]);
        lines.extend(rows(table));
        lines.extend(["\\bottomrule".to_owned(), format!("\\end{{tabular}}{}", if fitted { "}" } else { "" })]);
        if fitted {
            lines.push("\\ifdim\\wd0>\\linewidth\\resizebox{\\linewidth}{!}{\\usebox0}\\else\\usebox0\\fi".to_owned());
        }
    }
    if !table.notes.is_empty() {
        lines.push("\\par\\smallskip".to_owned());
        lines.push("\\begin{minipage}{0.9\\linewidth}\\footnotesize".to_owned());
        lines.extend(table.notes.iter().map(|note| format!("{}\\par", escape(note))));
        lines.push("\\end{minipage}".to_owned());
    }
    lines.push("\\end{table}".to_owned());
    lines
}

fn long(table: &Table) -> Vec<String> {
    let size = match width(table) {
        0..=WIDE => "",
        73..=92 => "\\small",
        93..=110 => "\\footnotesize\\setlength{\\tabcolsep}{4pt}",
        _ => "\\scriptsize\\setlength{\\tabcolsep}{3pt}",
    };
    let mut lines = vec![format!("\\begingroup{size}"), SETUP.to_owned()];
    lines.push(format!("\\begin{{longtable}}{{{}}}", column_types(table)));
    let caption = caption(table);
    if !caption.is_empty() {
        lines.push(format!("{caption}\\\\"));
    }
    for end in ["\\endfirsthead", "\\endhead"] {
        lines.extend(["\\toprule".to_owned(), head(table), format!("\\midrule{end}")]);
    }
    lines.push("\\bottomrule\\endfoot".to_owned());
    lines.extend(rows(table));
    lines.push("\\end{longtable}".to_owned());
    lines.push("\\endgroup".to_owned());
    if !table.notes.is_empty() {
        lines.push("\\begingroup\\footnotesize\\noindent".to_owned());
        lines.extend(table.notes.iter().map(|note| format!("{}\\par", escape(note))));
        lines.push("\\endgroup".to_owned());
    }
    lines
}

/// Caption and label; empty where there is neither.
fn caption(table: &Table) -> String {
    let words = if table.title.is_empty() { String::new() } else { format!("\\caption{{{}}}", escape(&table.title)) };
    if table.label.is_empty() { words } else { format!("{words}\\label{{{}}}", label(&table.label)) }
}

/// A label without the characters that TeX would take for its own.
fn label(given: &str) -> String {
    given.chars().filter(|c| c.is_ascii_alphanumeric() || ":-_./+ ".contains(*c)).collect()
}

fn head(table: &Table) -> String {
    let of = |column: &Column| {
        let words = number::heading(&column.name, &column.unit);
        if column.align == Align::Right { format!("{{{words}}}") } else { words }
    };
    format!("{} \\\\", table.columns.iter().map(of).collect::<Vec<_>>().join(" & "))
}

fn rows(table: &Table) -> impl Iterator<Item = String> {
    table.rows.iter().map(|row| {
        let cells =
            table.columns.iter().enumerate().map(|(column, head)| match (table.cell(row, column), head.align) {
                (cell, Align::Right) => number::cell(cell),
                (Cell::Text(words), Align::Left) => escape(words),
                (Cell::Absent, Align::Left) => "--".to_owned(),
                (cell, Align::Left) => escape(&cell.shown()),
            });
        format!("{} \\\\", cells.collect::<Vec<_>>().join(" & "))
    })
}

/// `l` for words, `p` for many of them, `S` or `r` for numbers.
fn column_types(table: &Table) -> String {
    let widths = widths(table);
    let wordy = |column: usize| table.columns[column].align == Align::Left && widths[column] > WORDY;
    let columns = 0..table.columns.len();
    let taken: usize = columns.clone().filter(|&column| !wordy(column)).map(|column| widths[column] + 2).sum();
    let words: usize = columns.clone().filter(|&column| wordy(column)).map(|column| widths[column]).sum();
    let free =
        (1.0 - taken as f64 / LINE).max(0.3) - 0.03 * columns.clone().filter(|&column| wordy(column)).count() as f64;
    let breaks = width(table) > WIDE;
    columns
        .map(|column| match table.columns[column].align {
            Align::Right => number::column_type(table, column),
            Align::Left if breaks && wordy(column) => {
                let share = free * widths[column] as f64 / words as f64;
                format!(">{{\\raggedright\\arraybackslash}}p{{{share:.2}\\linewidth}}")
            }
            Align::Left => "l".to_owned(),
        })
        .collect()
}

/// Characters in the longest cell of each column, its heading among them.
fn widths(table: &Table) -> Vec<usize> {
    let longest = |(column, head): (usize, &Column)| {
        let cells = table.rows.iter().map(|row| table.cell(row, column).shown().chars().count());
        cells.chain([head.heading().chars().count()]).max().unwrap_or(0)
    };
    table.columns.iter().enumerate().map(longest).collect()
}

/// Characters in a row, with the spaces between columns.
fn width(table: &Table) -> usize {
    widths(table).iter().map(|width| width + 2).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_whole() {
        let mut table = Table::new("Load ρ = λ/λ*", vec![Column::text("name"), Column::number("wait", "s")]);
        table.row(vec![Cell::text("a_b"), Cell::number(1.5)]);
        table.row(vec![Cell::text("[c]"), Cell::Absent]);
        table.row(vec![Cell::text("d"), Cell::interval(12.35, 12.23, 12.47)]);
        table.note("95 % intervals");
        table.label = "tab:load}".to_owned();
        insta::assert_snapshot!(document(&[table]));
    }

    #[test]
    fn long_tables_break_and_wide_ones_fit() {
        let mut table = Table::new("Long", vec![Column::text("what it does"), Column::number("n", "")]);
        for k in 0..60 {
            table.row(vec![Cell::text("word ".repeat(30)), Cell::Count(k)]);
        }
        let long = fragment(&table);
        assert!(
            long.contains("\\begin{longtable}{>{\\raggedright\\arraybackslash}p{") && long.contains("\\endhead"),
            "{long}"
        );
        table.rows.truncate(3);
        let wide = fragment(&table);
        assert!(wide.contains("\\begin{table}") && wide.contains("\\resizebox{\\linewidth}"), "{wide}");
        assert!(fragments(&[table]).starts_with("% needs \\usepackage{array,"));
    }
}
