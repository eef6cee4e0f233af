//! Tables as comma-separated values (RFC 4180, with plain newlines). Numbers are written in full, so nothing is lost;
//! an absent cell is empty; a column with intervals is followed by its two ends, `ci_low` and `ci_high`. Title and
//! notes are left out.

use super::table::{Cell, Table};

/// The table as CSV, header first.
pub fn table_csv(table: &Table) -> String {
    let wide: Vec<bool> = (0..table.columns.len())
        .map(|column| table.rows.iter().any(|row| matches!(table.cell(row, column), Cell::Interval { .. })))
        .collect();
    let alone = wide.iter().filter(|wide| **wide).count() == 1;
    let mut header = Vec::new();
    for (column, &wide) in table.columns.iter().zip(&wide) {
        let prefix = if alone { String::new() } else { format!("{} ", column.heading()) };
        header.push(column.heading());
        if wide {
            header.push(format!("{prefix}ci_low"));
            header.push(format!("{prefix}ci_high"));
        }
    }
    let mut lines = vec![header];
    for row in &table.rows {
        lines.push((0..wide.len()).flat_map(|column| fields(table.cell(row, column), wide[column])).collect());
    }
    lines.iter().map(|line| format!("{}\n", line.iter().map(|f| quoted(f)).collect::<Vec<_>>().join(","))).collect()
}

fn fields(cell: &Cell, wide: bool) -> Vec<String> {
    let mut fields = match cell {
        Cell::Text(words) => vec![words.clone()],
        Cell::Count(count) => vec![count.to_string()],
        Cell::Number { value, .. } => vec![full(*value)],
        Cell::Interval { value, low, high } => vec![full(*value), full(*low), full(*high)],
        Cell::Absent => vec![String::new()],
    };
    if wide {
        fields.resize(3, String::new());
    }
    fields
}

/// The shortest decimal that reads back as the same double; empty when not finite.
fn full(value: f64) -> String {
    if value.is_finite() { format!("{value:?}") } else { String::new() }
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Column;

    #[test]
    fn fields_are_quoted_and_numbers_whole() {
        let mut table =
            Table::new("T", vec![Column::text("name"), Column::number("wait", "s"), Column::number("n", "")]);
        table.row(vec![Cell::text("a, \"b\""), Cell::interval(1.0 / 3.0, 0.25, 0.5), Cell::Count(12)]);
        table.row(vec![Cell::text("c"), Cell::number(1e-7), Cell::Absent]);
        table.row(vec![Cell::text("d"), Cell::Number { value: f64::NAN, digits: 3 }]);
        insta::assert_snapshot!(table_csv(&table), @r#"
        name,wait (s),ci_low,ci_high,n
        "a, ""b""",0.3333333333333333,0.25,0.5,12
        c,1e-7,,,
        d,,,,
        "#);
    }

    #[test]
    fn a_csv_reader_reads_it_back() {
        let mut table = Table::new("T", vec![Column::text("name"), Column::number("x", "")]);
        table.row(vec![Cell::text("two\nlines"), Cell::number(0.1 + 0.2)]);
        let text = table_csv(&table);
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let record = reader.records().next().unwrap().unwrap();
        assert_eq!(&record[0], "two\nlines");
        assert_eq!(record[1].parse::<f64>().unwrap(), 0.1 + 0.2);
    }
}
