//! Numbers and units for siunitx: what a column of numbers reserves, and its cells.

use super::escape::escape;
use crate::answer::number;
use crate::answer::table::{Cell, Table};

/// A shown number in parts.
#[derive(Debug, Clone, PartialEq)]
struct Parts {
    /// As siunitx reads it.
    tex: String,
    /// What stands behind it: the ends of an interval that is not symmetric.
    behind: String,
    negative: bool,
    whole: usize,
    decimals: usize,
    /// Digits of the exponent with its sign.
    exponent: Option<String>,
    /// Digits of the uncertainty before its decimal marker.
    uncertainty: Option<usize>,
}

/// The column type of a column of numbers, such as `S[table-format=2.3]`; `r` where it holds words only.
pub(super) fn column_type(table: &Table, column: usize) -> String {
    let parts: Vec<Parts> = table.rows.iter().filter_map(|row| parts(table.cell(row, column))).collect();
    if parts.is_empty() {
        return "r".to_owned();
    }
    let most = |count: fn(&Parts) -> usize| parts.iter().map(count).max().unwrap_or(0);
    let decimals = most(|parts| parts.decimals);
    let mut format = if parts.iter().any(|parts| parts.negative) { "-".to_owned() } else { String::new() };
    format.push_str(&most(|parts| parts.whole).max(1).to_string());
    if decimals > 0 {
        format.push_str(&format!(".{decimals}"));
    }
    let uncertainty = parts.iter().filter_map(|parts| parts.uncertainty).max();
    if let Some(whole) = uncertainty {
        format.push_str(&format!("({})", (whole + decimals).max(1)));
    }
    let exponents = parts.iter().filter_map(|parts| parts.exponent.as_deref());
    if let Some(longest) = exponents.max_by_key(|exponent| exponent.len()) {
        let sign = if longest.starts_with('-') { "-" } else { "" };
        format.push_str(&format!("e{sign}{}", longest.trim_start_matches('-').len()));
    }
    let behind = parts.iter().map(|parts| parts.behind.as_str()).max_by_key(|words| words.len()).unwrap_or("");
    if !behind.is_empty() {
        format.push_str(&format!("{{{behind}}}"));
    }
    let braced = if format.contains(['[', ',', '(']) { format!("{{{format}}}") } else { format };
    format!("S[table-format={braced}]")
}

/// A cell of a column of numbers; words stand in braces.
pub(super) fn cell(cell: &Cell) -> String {
    match parts(cell) {
        Some(Parts { tex, behind, .. }) if behind.is_empty() => tex,
        Some(Parts { tex, behind, .. }) => format!("{tex} {{{behind}}}"),
        None => match cell {
            Cell::Text(words) => format!("{{{}}}", words_of(words)),
            _ => "{--}".to_owned(),
        },
    }
}

/// Words, of which a number may be the first: its sign is a minus, not a hyphen.
pub(super) fn words_of(words: &str) -> String {
    match words.strip_prefix('-') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => format!("$-${}", escape(rest)),
        _ => escape(words),
    }
}

fn parts(cell: &Cell) -> Option<Parts> {
    if matches!(cell, Cell::Text(_) | Cell::Absent) {
        return None;
    }
    let shown = cell.shown();
    let (value, rest) = shown.split_once(' ').unwrap_or((&shown, ""));
    let (mantissa, exponent) = number::scientific_parts(value).map_or((value, None), |(m, e)| (m, Some(e)));
    mantissa.parse::<f64>().ok()?;
    let (whole, decimals) =
        mantissa.trim_start_matches('-').split_once('.').unwrap_or((mantissa.trim_start_matches('-'), ""));
    let mut parts = Parts {
        tex: mantissa.to_owned(),
        behind: String::new(),
        negative: mantissa.starts_with('-'),
        whole: whole.len(),
        decimals: decimals.len(),
        exponent: exponent.map(|exponent| exponent.to_string()),
        uncertainty: None,
    };
    if let Some(half) = rest.strip_prefix("± ") {
        // Value and half-width under one exponent, with as many decimals.
        let half: f64 = half.parse().ok()?;
        let half = format!("{:.*}", decimals.len(), half / 10f64.powi(exponent.unwrap_or(0)));
        let before = half.split('.').next().unwrap_or("").trim_start_matches('0').len();
        parts.tex.push_str(&format!(" \\pm {half}"));
        parts.uncertainty = Some(before);
    } else if let Some(ends) = rest.strip_prefix('[').and_then(|ends| ends.strip_suffix(']')) {
        let ends: Vec<String> = ends.split(", ").map(|end| format!("\\num{{{end}}}")).collect();
        parts.behind = format!("\\,[{}]", ends.join(",\\,"));
    }
    if let Some(exponent) = &parts.exponent {
        parts.tex.push_str(&format!("e{exponent}"));
    }
    Some(parts)
}

/// A heading with its unit.
pub(super) fn heading(name: &str, unit: &str) -> String {
    if unit.is_empty() { escape(name) } else { format!("{} ({})", escape(name), unit_tex(unit)) }
}

/// A unit by siunitx where it knows it, in words where not.
fn unit_tex(unit: &str) -> String {
    let known: Vec<Option<&str>> = unit.split('/').map(macro_of).collect();
    if known.iter().all(Option::is_some) {
        let factors: Vec<&str> = known.into_iter().flatten().collect();
        let options = if factors.len() > 1 { "[per-mode=symbol]" } else { "" };
        return format!("\\unit{options}{{{}}}", factors.join("\\per"));
    }
    let words = unit.split('/').zip(known);
    words
        .map(|(word, known)| known.map_or_else(|| escape(word), |tex| format!("\\unit{{{tex}}}")))
        .collect::<Vec<_>>()
        .join("/")
}

fn macro_of(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "s" => "\\second",
        "ms" => "\\milli\\second",
        "µs" | "μs" => "\\micro\\second",
        "min" => "\\minute",
        "h" => "\\hour",
        "%" => "\\percent",
        "W" => "\\watt",
        "kW" => "\\kilo\\watt",
        "J" => "\\joule",
        "GB" => "\\giga\\byte",
        "MB" => "\\mega\\byte",
        "GiB" => "\\gibi\\byte",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::table::Column;

    #[test]
    fn numbers_are_what_siunitx_reads() {
        let cases = [
            (Cell::number(1.5e-6), "1.500e-6"),
            (Cell::number(-2.0), "-2.000"),
            (Cell::Count(12), "12"),
            (Cell::interval(2.0, 1.9, 2.1), "2.00 \\pm 0.10"),
            (Cell::interval(1234.0, 1200.0, 1268.0), "1234 \\pm 34"),
            (Cell::interval(1.5e-6, 1.4e-6, 1.6e-6), "1.50 \\pm 0.10e-6"),
            (Cell::interval(0.02, -0.001, 0.08), "0.020 {\\,[\\num{-0.001},\\,\\num{0.080}]}"),
            (Cell::Absent, "{--}"),
            (Cell::text("50 %"), "{50 \\%}"),
            (Cell::text("-3.75 %"), "{$-$3.75 \\%}"),
        ];
        for (given, tex) in cases {
            assert_eq!(cell(&given), tex);
        }
    }

    #[test]
    fn a_column_reserves_its_widest_number() {
        let of = |cells: &[Cell]| {
            let mut table = Table::new("", vec![Column::number("x", "")]);
            for cell in cells {
                table.row(vec![cell.clone()]);
            }
            column_type(&table, 0)
        };
        assert_eq!(of(&[Cell::number(12.5), Cell::number(-0.0925), Cell::Absent]), "S[table-format=-2.5]");
        assert_eq!(of(&[Cell::Count(20000), Cell::Count(1)]), "S[table-format=5]");
        assert_eq!(of(&[Cell::text("+1.3 %"), Cell::Absent]), "r");
        assert_eq!(
            of(&[Cell::interval(12.35, 12.23, 12.47), Cell::interval(1234.0, 1200.0, 1268.0)]),
            "S[table-format={4.2(4)}]"
        );
        assert_eq!(of(&[Cell::number(1.5e-16)]), "S[table-format=1.3e-2]");
        assert_eq!(
            of(&[Cell::interval(0.02, 0.001, 0.08)]),
            "S[table-format={1.3{\\,[\\num{0.001},\\,\\num{0.080}]}}]"
        );
    }

    #[test]
    fn units_are_siunitx_where_it_knows_them() {
        let cases = [
            ("s", "\\unit{\\second}"),
            ("GB/s", "\\unit[per-mode=symbol]{\\giga\\byte\\per\\second}"),
            ("requests/s", "requests/\\unit{\\second}"),
            ("1e9", "1e9"),
            ("a_b", "a\\_b"),
        ];
        for (unit, tex) in cases {
            assert_eq!(unit_tex(unit), tex);
        }
    }
}
