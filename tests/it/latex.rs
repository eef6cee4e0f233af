//! LaTeX that comes out of the program goes into a paper as it is.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::run::fluidsim;

const DOCUMENTS: &[&[&str]] = &[
    &["solve", "--latex"],
    &["solve", "--lambda", "10", "--latex"],
    &["compare", "--des-trials", "3", "--duration", "200", "--warmup", "20", "--latex"],
    &["simulate", "--trace", "models/traces/own.csv", "--latex"],
    &["stability", "mm1", "--des", "--des-trials", "2", "--epsilon", "0.3", "--latex"],
    &["stability", "--sweep", "instance.kv_tokens=20000:100000:20000", "--latex"],
    &["queue", "mm1", "--rho", "0.5", "--des-trials", "10", "--latex"],
    &["scenario", "list", "--format", "latex"],
    &["policy", "list", "--format", "latex"],
    &["solve", "mm1", "--lambda", "0.5", "--latex", "--caption", "50 % of {λ*} & more\\", "--label", "tab:a_b%"],
];

/// What is wrong with a document, if anything: environments that do not match, rules that are missing, rows of the wrong
/// width, characters that LaTeX would take for commands.
fn fault(document: &str) -> Option<String> {
    let mut open: Vec<&str> = Vec::new();
    let mut columns = 0;
    for line in document.lines() {
        if let Some(name) = argument(line, "\\begin{") {
            open.push(name);
            columns = line.strip_prefix("\\begin{tabular}{").map_or(columns, columns_in);
        } else if let Some(name) = argument(line, "\\end{") {
            if open.pop() != Some(name) {
                return Some(format!("`{line}` ends what was not begun"));
            }
        } else if open.last() == Some(&"tabular") && !line.ends_with("rule") {
            let Some(row) = line.strip_suffix(" \\\\") else { return Some(format!("no end of row: `{line}`")) };
            if row.replace("\\&", "").matches('&').count() + 1 != columns {
                return Some(format!("not {columns} cells: `{line}`"));
            }
        }
        let command = ["\\begin", "\\sbox", "\\ifdim"].iter().any(|start| line.starts_with(start));
        let said = match line.split_once("\\label{") {
            Some((before, label)) => before.to_owned() + label.split_once('}').map_or(label, |parts| parts.1),
            None => line.to_owned(),
        };
        if open.contains(&"table") && !command && has_bare_special(&said) {
            return Some(format!("a bare special character: `{line}`"));
        }
    }
    if !open.is_empty() {
        return Some(format!("left open: {open:?}"));
    }
    let tables = document.matches("\\begin{tabular}").count();
    let rules = ["\\toprule", "\\midrule", "\\bottomrule"];
    let missing = rules.into_iter().find(|rule| document.matches(rule).count() != tables || tables == 0);
    missing.map(|rule| format!("{tables} tables without as many {rule}"))
}

/// Columns of a specification: its letters outside of brackets and braces.
fn columns_in(specification: &str) -> usize {
    let mut depth = 0;
    let outside = specification.chars().filter(|c| {
        depth += i32::from("[{".contains(*c)) - i32::from("]}".contains(*c));
        depth == 0 && c.is_ascii_alphabetic()
    });
    outside.count()
}

fn argument<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.strip_prefix(start)?.split('}').next()
}

/// `_`, `#`, `%` and `^` outside of mathematics that no backslash takes the meaning from; an odd number of dollars.
fn has_bare_special(line: &str) -> bool {
    let mut in_math = false;
    let mut before = ' ';
    for c in line.chars() {
        match c {
            _ if before == '\\' => {}
            '$' => in_math = !in_math,
            '_' | '^' if !in_math => return true,
            '#' | '%' => return true,
            _ if !c.is_ascii() => return true,
            _ => {}
        }
        before = if before == '\\' && c == '\\' { ' ' } else { c };
    }
    in_math
}

#[test]
fn the_check_sees_faults() {
    let good = "\\begin{table}\n\\begin{tabular}{rl}\n\\toprule\na\\_b & $x^{2}$ \\\\\n\\midrule\n1 & 2 \\\\\n\
        \\bottomrule\n\\end{tabular}\n\\end{table}\n";
    assert_eq!(fault(good), None);
    for (from, to) in [
        ("a\\_b", "a_b"),
        ("a\\_b", "50 %"),
        ("a\\_b", "λ"),
        ("$x^{2}$", "x^{2}"),
        ("$x^{2}$", "$x"),
        ("1 & 2", "1 & 2 & 3"),
        ("1 & 2 \\\\", "1 & 2"),
        ("\\midrule\n", ""),
        ("\\end{tabular}\n", ""),
    ] {
        assert!(fault(&good.replace(from, to)).is_some(), "{from} {to}");
    }
}

#[test]
fn documents_are_well_formed() {
    for args in DOCUMENTS {
        let ran = fluidsim(args);
        assert!(ran.code <= 1 && ran.stderr.is_empty(), "{ran:?}");
        assert_eq!(fault(&ran.stdout), None, "{args:?}: {}", ran.stdout);
    }
}

#[test]
fn documents_compile() {
    if !has_pdflatex() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (index, args) in DOCUMENTS.iter().enumerate() {
        let name = format!("document-{index}");
        std::fs::write(folder.path().join(format!("{name}.tex")), fluidsim(args).stdout).unwrap();
        compile(folder.path(), &name, args);
    }
}

/// Whether documents can be compiled here; says so when not.
pub fn has_pdflatex() -> bool {
    let found = Command::new("pdflatex").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("skipped: there is no pdflatex on the path");
    }
    found
}

/// Compiles `name.tex` in a folder.
pub fn compile(folder: &Path, name: &str, args: &[&str]) {
    let output = Command::new("pdflatex")
        .args(["-interaction=nonstopmode", "-halt-on-error", name])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
    assert!(folder.join(format!("{name}.pdf")).is_file());
}
