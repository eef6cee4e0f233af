//! Words for TeX.

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
            push_char(&mut out, c, symbol(previous).is_some());
        }
        previous = c;
    }
    out
}

/// `after_symbol`: the character before became a symbol, whose mathematics goes on where this one is mathematics too.
fn push_char(out: &mut String, c: char, after_symbol: bool) {
    match special(c).or_else(|| symbol(c)) {
        Some(tex) if after_symbol && tex.starts_with('$') && out.ends_with('$') => {
            out.pop();
            // A second index needs something to stand at.
            if out.ends_with('}') && (tex.starts_with("$^") || tex.starts_with("$_")) {
                out.push_str("{}");
            }
            out.push_str(&tex[1..]);
        }
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
        '*' => Some("$^{*}$"),
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

    #[test]
    fn special_characters_are_escaped() {
        let cases = [
            ("50 % & a_b #1 $x", "50 \\% \\& a\\_b \\#1 \\$x"),
            ("{~^\\}", "\\{\\textasciitilde{}\\textasciicircum{}\\textbackslash{}\\}"),
            ("λ*", "$\\lambda^{*}$"),
            ("$λ", "\\$$\\lambda$"),
            ("λ*²", "$\\lambda^{*}{}^{2}$"),
            ("λ/λ*", "$\\lambda$/$\\lambda^{*}$"),
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
}
