//! One answer as one self-contained page: nothing is loaded from elsewhere, and without scripts only sorting is missing.

use super::plot::svg::escaped;
use super::plot::theme::page_style;
use super::table::{Align, Cell, Column, Table};
use super::{Picture, Report, picture_svg};

/// Widths of a picture on a desk and on a phone, in pixels.
const WIDE: f64 = 840.0;
const NARROW: f64 = 386.0;

/// Where a page comes from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The command that wrote it.
    pub command: String,
    /// The version of the program.
    pub version: String,
    /// The seed of the run; none where nothing was drawn.
    pub seed: Option<u64>,
}

/// The page as the text of an HTML file.
pub fn page(report: &Report, origin: &Origin) -> String {
    let title = if report.title.is_empty() { "fluidsim" } else { &report.title };
    let seed = origin.seed.map_or_else(String::new, |seed| format!(" · seed {seed}"));
    let figures: String = report.pictures.iter().map(figure).collect();
    let tables: String = report.tables.iter().map(table).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <meta name=\"generator\" content=\"fluidsim {version}\">\n<title>{title}</title>\n<style>\n{css}{pictures}</style>\n</head>\n<body>\n\
         <header><div><h1>{title}</h1><p class=\"under\">fluidsim {version}{seed}</p></div>\
         <button id=\"theme\" type=\"button\" hidden></button></header>\n\
         <main>\n{figures}{tables}{again}</main>\n<script>\n{js}</script>\n</body>\n</html>\n",
        version = escaped(&origin.version),
        title = escaped(title),
        css = include_str!("html/page.css"),
        pictures = page_style(),
        again = again(report, origin),
        js = include_str!("html/page.js"),
    )
}

/// A picture in two widths, of which the page shows one.
fn figure(picture: &Picture) -> String {
    let drawn = |class: &str, width| format!("<div class=\"{class}\">{}</div>\n", picture_svg(picture, None, width));
    format!("<figure>\n{}{}</figure>\n", drawn("wide", WIDE), drawn("narrow", NARROW))
}

fn table(table: &Table) -> String {
    let title = if table.title.is_empty() { String::new() } else { format!("<h2>{}</h2>\n", words(&table.title)) };
    let heads: String = table.columns.iter().map(head).collect();
    let rows: String = table.rows.iter().map(|row| one_row(table, row)).collect();
    let notes: String = table.notes.iter().map(|note| format!("<p class=\"note\">{}</p>\n", words(note))).collect();
    let body = format!("<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>");
    let body = if table.columns.is_empty() {
        String::new()
    } else {
        format!("<div class=\"scroll\"><table>{body}</table></div>\n")
    };
    format!("<section>\n{title}{body}{notes}</section>\n")
}

fn head(column: &Column) -> String {
    let class = if column.align == Align::Right { " class=\"num\"" } else { "" };
    let unit = if column.unit.is_empty() {
        String::new()
    } else {
        format!(" <span class=\"unit\">{}</span>", escaped(&column.unit))
    };
    format!("<th scope=\"col\"{class}>{}{unit}</th>", words(&column.name))
}

/// Numbers carry their full value, by which the page sorts them.
fn one_row(table: &Table, row: &[Cell]) -> String {
    let cells = table.columns.iter().enumerate().map(|(k, column)| {
        let cell = table.cell(row, k);
        let mut class = if column.align == Align::Right { "num".to_owned() } else { String::new() };
        if *cell == Cell::Absent {
            class.push_str(" absent");
        }
        let class = if class.is_empty() { class } else { format!(" class=\"{}\"", class.trim_start()) };
        let value = match cell {
            Cell::Count(count) => format!(" data-v=\"{count}\""),
            Cell::Number { value, .. } | Cell::Interval { value, .. } if value.is_finite() => sorted_by(*value),
            Cell::Text(text) if column.align == Align::Right => {
                text.split(' ').next().and_then(|first| first.parse::<f64>().ok()).map_or_else(String::new, sorted_by)
            }
            _ => String::new(),
        };
        let shown = words(&cell.shown());
        let shown = if column.align == Align::Right { with_minus(&shown) } else { shown };
        format!("<td{class}{value}>{shown}</td>")
    });
    format!("<tr>{}</tr>\n", cells.collect::<String>())
}

fn sorted_by(value: f64) -> String {
    format!(" data-v=\"{value:?}\"")
}

/// A number's sign as a minus, not a hyphen; an exponent keeps its own.
fn with_minus(shown: &str) -> String {
    let mut before = ' ';
    let minus = |c: char| {
        let sign = c == '-' && matches!(before, ' ' | '[');
        before = c;
        if sign { '−' } else { c }
    };
    shown.chars().map(minus).collect()
}

/// What it takes to ask again.
fn again(report: &Report, origin: &Origin) -> String {
    let scenario = report.scenario.as_ref().map_or_else(String::new, |toml| {
        format!(
            "<details><summary>The scenario as TOML</summary>\n<pre><code>{}</code></pre></details>\n",
            escaped(toml)
        )
    });
    let seed = origin.seed.map_or_else(String::new, |seed| format!(" All random numbers come from the seed {seed}."));
    format!(
        "<section>\n<h2>To ask again</h2>\n<p class=\"under\">Written by fluidsim {} with this command.{seed}</p>\n\
         <pre><code>{}</code></pre>\n{scenario}</section>\n",
        escaped(&origin.version),
        escaped(&origin.command)
    )
}

/// Words with `code` between backticks.
fn words(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return escaped(text);
    }
    let of =
        |(k, part): (usize, &&str)| if k % 2 == 1 { format!("<code>{}</code>", escaped(part)) } else { escaped(part) };
    parts.iter().enumerate().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Plot, Series};

    const NASTY: &str = "</script><script>alert(1)</script>\"'&<b>`x`";

    fn nasty() -> Report {
        let mut table = Table::new(NASTY, vec![Column::text(NASTY), Column::number(NASTY, NASTY)]);
        table.row(vec![Cell::text(NASTY), Cell::interval(1.0 / 3.0, 0.3, 0.4)]);
        table.row(vec![Cell::Absent, Cell::text(NASTY)]);
        table.note(NASTY);
        let plot = Plot::new(NASTY, NASTY, NASTY)
            .with(Series::line(NASTY, vec![(0.0, 1.0), (1.0, 2.0)]))
            .with_mark(0.5, NASTY);
        Report::from(table).titled(NASTY).with_picture(vec![plot]).with_scenario(NASTY.to_owned())
    }

    #[test]
    fn nothing_becomes_markup() {
        let origin = Origin { command: NASTY.into(), version: NASTY.into(), seed: Some(7) };
        let page = page(&nasty(), &origin);
        assert_eq!(page.matches("<script>").count(), 1, "{page}");
        assert!(!page.contains("<b>") && !page.contains("alert(1)</script>"), "{page}");
        assert!(page.contains("seed 7") && page.contains("data-v=\"0.3333333333333333\""), "{page}");
    }

    #[test]
    fn nothing_is_loaded() {
        let page = page(&nasty(), &Origin::default());
        for word in ["http://", "https://", " src=", "href=", "@import", "url("] {
            let rest = page.replace("http://www.w3.org/2000/svg", "");
            assert!(!rest.contains(word), "{word}");
        }
        assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
        assert_eq!(page.matches("<svg ").count(), 2);
    }
}
