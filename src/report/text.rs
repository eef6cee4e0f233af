//! Tables for a terminal: aligned columns, no boxes, at most about a hundred columns wide.

use super::table::{Align, Cell, Column, Table};

/// Widest line aimed at.
const WIDTH: usize = 100;
const GAP: &str = "  ";

/// The table as text, ending in a newline. Words too long for a line are wrapped within their column.
pub fn table_text(table: &Table) -> String {
    let headings: Vec<String> = table.columns.iter().map(Column::heading).collect();
    let shown: Vec<Vec<String>> = table
        .rows
        .iter()
        .map(|row| (0..headings.len()).map(|column| one_line(&table.cell(row, column).shown())).collect())
        .collect();
    let widths = column_widths(table, &headings, &shown);
    let mut lines = Vec::new();
    if !table.title.is_empty() {
        lines.push(table.title.clone());
    }
    if !headings.is_empty() {
        push_row(&mut lines, &headings, &table.columns, &widths);
        let total = widths.iter().sum::<usize>() + GAP.len() * (widths.len() - 1);
        lines.push("─".repeat(total));
    }
    for row in &shown {
        push_row(&mut lines, row, &table.columns, &widths);
    }
    for note in &table.notes {
        let wrapped = wrap(&one_line(note), WIDTH - 2);
        lines.extend(wrapped.iter().enumerate().map(|(k, line)| format!("{} {line}", if k == 0 { "·" } else { " " })));
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Columns a terminal gives `text`: none to combining marks, two to wide East Asian characters, one to the rest.
pub fn display_width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(c: char) -> usize {
    match c as u32 {
        0x0300..=0x036f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0x1f300..=0x1faff => 2,
        _ => 1,
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r', '\t'], " ")
}

/// Natural widths; when together too wide, the widest column of words gives way, and the next when it is no wider, each down to 20
/// and to its longest word.
fn column_widths(table: &Table, headings: &[String], shown: &[Vec<String>]) -> Vec<usize> {
    let mut widths: Vec<usize> = headings.iter().map(|heading| display_width(heading)).collect();
    for row in shown {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(display_width(cell));
        }
    }
    let words = |column: usize| {
        table.columns[column].align == Align::Left
            && table.rows.iter().any(|row| matches!(table.cell(row, column), Cell::Text(_)))
    };
    let narrowest = |column: usize| {
        let cells = shown.iter().map(|row| &row[column]).chain([&headings[column]]);
        cells.flat_map(|cell| cell.split_whitespace()).map(display_width).max().unwrap_or(0).max(20)
    };
    let mut giving: Vec<(usize, usize)> =
        (0..widths.len()).filter(|&column| words(column)).map(|column| (column, narrowest(column))).collect();
    let mut excess = (widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)).saturating_sub(WIDTH);
    while excess > 0 {
        giving.retain(|&(column, least)| widths[column] > least);
        let Some(&(widest, _)) = giving.iter().max_by_key(|&&(column, _)| widths[column]) else { break };
        widths[widest] -= 1;
        excess -= 1;
    }
    widths
}

fn push_row(lines: &mut Vec<String>, cells: &[String], columns: &[Column], widths: &[usize]) {
    let wrapped: Vec<Vec<String>> = cells.iter().zip(widths).map(|(cell, &width)| wrap(cell, width)).collect();
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(1);
    for line in 0..height {
        let parts: Vec<String> = wrapped
            .iter()
            .enumerate()
            .map(|(k, parts)| pad(parts.get(line).map_or("", String::as_str), widths[k], columns[k].align))
            .collect();
        lines.push(parts.join(GAP));
    }
}

fn pad(text: &str, width: usize, align: Align) -> String {
    let space = " ".repeat(width.saturating_sub(display_width(text)));
    match align {
        Align::Left => format!("{text}{space}"),
        Align::Right => format!("{space}{text}"),
    }
}

/// `text` in lines of at most `width`, broken at spaces; a single longer word stays whole.
fn wrap(text: &str, width: usize) -> Vec<String> {
    if display_width(text) <= width {
        return vec![text.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if display_width(line) + 1 + display_width(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(
            "Latency",
            vec![
                Column::text("quantity"),
                Column::number("mean", "s"),
                Column::number("p95", "s"),
                Column::text("method"),
            ],
        );
        table.row(vec![Cell::text("τ"), Cell::number(0.0123), Cell::Absent, Cell::text("exact")]);
        table.row(vec![Cell::text("順番"), Cell::interval(12.3456, 12.2222, 12.469), Cell::Count(7)]);
        table.note("short");
        insta::assert_snapshot!(table_text(&table), @r#"
        Latency
        quantity      mean (s)  p95 (s)  method
        ───────────────────────────────────────
        τ              0.01230        –  exact
        順番      12.35 ± 0.12        7  –
        · short
        "#);
    }

    #[test]
    fn long_words_wrap() {
        let mut table = Table::new("", vec![Column::text("name"), Column::text("what")]);
        table.row(vec![Cell::text("a"), Cell::text("word ".repeat(40))]);
        table.note("note ".repeat(30));
        let text = table_text(&table);
        assert!(text.lines().all(|line| display_width(line) <= WIDTH), "{text}");
        assert_eq!(text.matches("word").count(), 40);
        assert_eq!(text.matches("note").count(), 30);
    }

    #[test]
    fn a_word_longer_than_its_share_keeps_the_columns_straight() {
        let wide = "number ".repeat(12);
        let mut table = Table::new("", vec![Column::text("quantity"), Column::number(&wide, ""), Column::text("unit")]);
        table.row(vec![Cell::text("preemptions_per_request"), Cell::number(1.0), Cell::text("END")]);
        table.row(vec![Cell::text("two words, which wrap"), Cell::number(1.0), Cell::text("END")]);
        let text = table_text(&table);
        let columns: Vec<_> = text.lines().filter_map(|line| line.find("END")).collect();
        assert!(columns.len() == 2 && columns[0] == columns[1], "{text}");
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(table_text(&Table::default()), "");
    }
}
