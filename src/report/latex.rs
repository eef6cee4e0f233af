//! Tables in LaTeX: booktabs, everything escaped. [`document`] compiles as it is with pdflatex; [`fragment`] is for
//! `\input` in a paper that loads `booktabs`.

use super::number;
use super::table::{Align, Cell, Table};

const PREAMBLE: &str = "\\documentclass{article}
\\usepackage[T1]{fontenc}
\\usepackage[utf8]{inputenc}
\\usepackage{textcomp}
\\IfFileExists{lmodern.sty}{\\usepackage{lmodern}}{}
\\usepackage{booktabs}
\\usepackage[margin=2cm]{geometry}
\\begin{document}
";

/// A whole document with the tables.
pub fn document(tables: &[Table]) -> String {
    let body: String = tables.iter().map(|table| format!("\n{}", fragment(table))).collect();
    // A document without a page is an error to some drivers, so an empty one holds an empty box.
    let body = if tables.is_empty() { "\\mbox{}\n".to_owned() } else { body };
    format!("{PREAMBLE}{body}\n\\end{{document}}\n")
}

/// One `table` environment.
pub fn fragment(table: &Table) -> String {
    let mut lines = vec!["\\begin{table}[htbp]".to_owned(), "\\centering".to_owned()];
    if !table.title.is_empty() {
        lines.push(format!("\\caption{{{}}}\\smallskip", escape(&table.title)));
    }
    if !table.columns.is_empty() {
        lines.extend(tabular(table));
    }
    if !table.notes.is_empty() {
        lines.push("\\par\\smallskip".to_owned());
        lines.push("\\begin{minipage}{0.9\\linewidth}\\footnotesize".to_owned());
        lines.extend(table.notes.iter().map(|note| format!("{}\\par", escape(note))));
        lines.push("\\end{minipage}".to_owned());
    }
    lines.push("\\end{table}".to_owned());
    lines.join("\n") + "\n"
}

fn tabular(table: &Table) -> Vec<String> {
    let letters: String =
        table.columns.iter().map(|column| if column.align == Align::Right { 'r' } else { 'l' }).collect();
    let heads: Vec<String> = table.columns.iter().map(|column| escape(&column.heading())).collect();
    let mut lines = vec![format!("\\begin{{tabular}}{{{letters}}}"), "\\toprule".to_owned()];
    lines.push(format!("{} \\\\", heads.join(" & ")));
    lines.push("\\midrule".to_owned());
    for row in &table.rows {
        let cells: Vec<String> = (0..heads.len()).map(|column| cell(table.cell(row, column))).collect();
        lines.push(format!("{} \\\\", cells.join(" & ")));
    }
    lines.push("\\bottomrule".to_owned());
    lines.push("\\end{tabular}".to_owned());
    lines
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(words) => escape(words),
        Cell::Absent => "--".to_owned(),
        _ => cell.shown().split(' ').map(number_word).collect::<Vec<_>>().join(" "),
    }
}

/// One word of a shown number: `-1.2e-5` becomes mathematics, brackets are shielded.
fn number_word(word: &str) -> String {
    let (open, rest) = word.strip_prefix('[').map_or(("", word), |rest| ("{[}", rest));
    let bare = rest.trim_end_matches([']', ',']);
    let close = escape(&rest[bare.len()..]);
    if let Some((mantissa, exponent)) = number::scientific_parts(bare) {
        return format!("{open}${mantissa}\\times 10^{{{exponent}}}${close}");
    }
    match bare.parse::<f64>() {
        Ok(value) if value < 0.0 => format!("{open}${bare}${close}"),
        _ => format!("{open}{}{close}", escape(bare)),
    }
}

/// `text` in TeX's own words: special characters, Greek and other symbols, and `code` between backticks. A character
/// that pdflatex does not know becomes its code point in brackets, so that the document still compiles.
pub fn escape(text: &str) -> String {
    let ticks = text.matches('`').count();
    let mut out = String::new();
    let (mut seen_ticks, mut previous) = (0, ' ');
    for c in text.chars() {
        if c == '`' && (seen_ticks % 2 == 1 || seen_ticks + 1 < ticks) {
            out.push_str(if seen_ticks % 2 == 0 { "\\texttt{" } else { "}" });
            seen_ticks += 1;
        } else if c == '-' && previous == '-' {
            // Two hyphens would join into a dash.
            out.push_str("{}-");
        } else {
            push_char(&mut out, c);
        }
        previous = c;
    }
    out
}

fn push_char(out: &mut String, c: char) {
    match special(c).or_else(|| symbol(c)) {
        Some(tex) => out.push_str(tex),
        None if c.is_control() => out.push(' '),
        None if c.is_ascii() || is_t1_letter(c) => out.push(c),
        None => out.extend(["{[}U+", &format!("{:04X}", c as u32), "{]}"]),
    }
}

/// Accented Latin letters that the T1 encoding holds.
fn is_t1_letter(c: char) -> bool {
    ('\u{c0}'..='\u{17e}').contains(&c) && !"×÷ĦħĸĿŀŉŦŧ".contains(c)
}

/// Characters that mean something to TeX.
fn special(c: char) -> Option<&'static str> {
    Some(match c {
        '%' => "\\%",
        '&' => "\\&",
        '_' => "\\_",
        '#' => "\\#",
        '$' => "\\$",
        '{' => "\\{",
        '}' => "\\}",
        '~' => "\\textasciitilde{}",
        '^' => "\\textasciicircum{}",
        '\\' => "\\textbackslash{}",
        '`' => "\\textasciigrave{}",
        '"' => "\\textquotedbl{}",
        '*' => "$^{*}$",
        '<' => "$<$",
        '>' => "$>$",
        '|' => "$|$",
        // After a line break of a table, a bracket would be read as its argument.
        '[' => "{[}",
        ']' => "{]}",
        _ => return None,
    })
}

fn symbol(c: char) -> Option<&'static str> {
    greek(c).or(match c {
        '±' => Some("$\\pm$"),
        '−' => Some("$-$"),
        '×' => Some("$\\times$"),
        '÷' => Some("$\\div$"),
        '·' => Some("$\\cdot$"),
        '≤' => Some("$\\leq$"),
        '≥' => Some("$\\geq$"),
        '≠' => Some("$\\neq$"),
        '≈' => Some("$\\approx$"),
        '∞' => Some("$\\infty$"),
        '√' => Some("$\\surd$"),
        '∝' => Some("$\\propto$"),
        '→' => Some("$\\rightarrow$"),
        '←' => Some("$\\leftarrow$"),
        '↔' => Some("$\\leftrightarrow$"),
        '–' => Some("--"),
        '—' => Some("---"),
        '…' => Some("\\ldots{}"),
        '“' => Some("``"),
        '”' => Some("''"),
        '‘' => Some("`"),
        '’' => Some("'"),
        '\u{a0}' => Some("~"),
        '\u{2009}' | '\u{202f}' => Some("\\,"),
        '²' => Some("$^{2}$"),
        '³' => Some("$^{3}$"),
        '½' => Some("$\\frac{1}{2}$"),
        '₀' => Some("$_{0}$"),
        '₁' => Some("$_{1}$"),
        '₂' => Some("$_{2}$"),
        '°' => Some("$^{\\circ}$"),
        '§' => Some("\\S{}"),
        _ => None,
    })
}

fn greek(c: char) -> Option<&'static str> {
    Some(match c {
        'α' => "$\\alpha$",
        'β' => "$\\beta$",
        'γ' => "$\\gamma$",
        'δ' => "$\\delta$",
        'ε' => "$\\varepsilon$",
        'ζ' => "$\\zeta$",
        'η' => "$\\eta$",
        'θ' => "$\\theta$",
        'κ' => "$\\kappa$",
        'λ' => "$\\lambda$",
        'μ' | 'µ' => "$\\mu$",
        'ν' => "$\\nu$",
        'ξ' => "$\\xi$",
        'π' => "$\\pi$",
        'ρ' => "$\\rho$",
        'σ' => "$\\sigma$",
        'τ' => "$\\tau$",
        'φ' => "$\\varphi$",
        'χ' => "$\\chi$",
        'ψ' => "$\\psi$",
        'ω' => "$\\omega$",
        'Γ' => "$\\Gamma$",
        'Δ' => "$\\Delta$",
        'Θ' => "$\\Theta$",
        'Λ' => "$\\Lambda$",
        'Π' => "$\\Pi$",
        'Σ' => "$\\Sigma$",
        'Φ' => "$\\Phi$",
        'Ψ' => "$\\Psi$",
        'Ω' => "$\\Omega$",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Column;

    #[test]
    fn special_characters_are_escaped() {
        let cases = [
            ("50 % & a_b #1 $x", "50 \\% \\& a\\_b \\#1 \\$x"),
            ("{~^\\}", "\\{\\textasciitilde{}\\textasciicircum{}\\textbackslash{}\\}"),
            ("λ*", "$\\lambda$$^{*}$"),
            ("τ ρ ± – → ≤ × …", "$\\tau$ $\\rho$ $\\pm$ -- $\\rightarrow$ $\\leq$ $\\times$ \\ldots{}"),
            ("--shard", "-{}-shard"),
            ("set `a_b` or `c`", "set \\texttt{a\\_b} or \\texttt{c}"),
            ("one ` tick", "one \\textasciigrave{} tick"),
            ("[1, 2]", "{[}1, 2{]}"),
            ("Erlang é 中", "Erlang é {[}U+4E2D{]}"),
            ("two\nlines", "two lines"),
        ];
        for (text, tex) in cases {
            assert_eq!(escape(text), tex, "{text}");
        }
    }

    #[test]
    fn numbers_are_mathematics() {
        assert_eq!(cell(&Cell::number(1.5e-6)), "$1.500\\times 10^{-6}$");
        assert_eq!(cell(&Cell::number(-2.0)), "$-2.000$");
        assert_eq!(cell(&Cell::interval(2.0, 1.9, 2.1)), "2.00 $\\pm$ 0.10");
        assert_eq!(cell(&Cell::interval(0.02, -0.001, 0.08)), "0.020 {[}$-0.001$, 0.080{]}");
        assert_eq!(cell(&Cell::Absent), "--");
    }

    #[test]
    fn a_document_is_whole() {
        let mut table = Table::new("Load ρ = λ/λ*", vec![Column::text("name"), Column::number("wait", "s")]);
        table.row(vec![Cell::text("a_b"), Cell::number(1.5)]);
        table.row(vec![Cell::text("[c]"), Cell::Absent]);
        table.note("95 % intervals");
        insta::assert_snapshot!(document(&[table]), @r#"
        \documentclass{article}
        \usepackage[T1]{fontenc}
        \usepackage[utf8]{inputenc}
        \usepackage{textcomp}
        \IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
        \usepackage{booktabs}
        \usepackage[margin=2cm]{geometry}
        \begin{document}

        \begin{table}[htbp]
        \centering
        \caption{Load $\rho$ = $\lambda$/$\lambda$$^{*}$}\smallskip
        \begin{tabular}{lr}
        \toprule
        name & wait (s) \\
        \midrule
        a\_b & 1.500 \\
        {[}c{]} & -- \\
        \bottomrule
        \end{tabular}
        \par\smallskip
        \begin{minipage}{0.9\linewidth}\footnotesize
        95 \% intervals\par
        \end{minipage}
        \end{table}

        \end{document}
        "#);
    }
}
