//! Pictures take the form that the name of their file asks for, and an answer fits on one page.

use std::path::Path;

use fluidsim::report::{Cell, Column, Form, Table, Theme, latex, picture_text};
use fluidsim::report::{Format, Lane, Lanes, Picture, Plot, Report, Series, Setting, Span};
use fluidsim::stats::stream::{Stream, stream};
use rand::RngExt;

use crate::latex::{compile, has_pdflatex};
use crate::run::{files_in, fluidsim_in};

const RANGE: &[&str] = &["queue", "mm1", "--mu", "1", "--rho", "0.1:0.9:0.2"];
const RUN: &[&str] = &["simulate", "mm1", "--lambda", "0.5", "--duration", "200"];

fn read(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap()
}

#[test]
fn the_name_of_a_file_chooses_the_form() {
    let folder = tempfile::tempdir().unwrap();
    for (file, start) in [("q.svg", "<svg "), ("q.tex", "% needs "), ("q.csv", "panel,series,"), ("q.txt", "time in ")]
    {
        fluidsim_in(folder.path(), &[RANGE, &["--plot", file]].concat()).fine();
        assert!(read(folder.path(), file).starts_with(start), "{file}");
    }
    fluidsim_in(folder.path(), &[RUN, &["--plot", "run.tex"]].concat()).fine();
    let files = ["q.csv", "q.svg", "q.tex", "q.txt", "run-dynamics.tex", "run-timeline.tex"];
    assert_eq!(files_in(folder.path()), files);
    fluidsim_in(folder.path(), &[RANGE, &["--plot", "q.svg", "--theme", "dark"]].concat()).fine();
    assert!(read(folder.path(), "q.svg").contains(".paper{fill:#14181D}"));
}

#[test]
fn a_terminal_has_pictures_too() {
    let folder = tempfile::tempdir().unwrap();
    let shown = fluidsim_in(folder.path(), &[RANGE, &["--plot", "-"]].concat()).fine();
    insta::assert_snapshot!("queue_on_a_terminal", shown);
    assert!(files_in(folder.path()).is_empty());
}

#[test]
fn a_form_that_is_not_drawn_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    for (file, remedy) in [("q.png", "rsvg-convert -f png"), ("q.doc", ".svg, .tex, .csv or .txt")] {
        let ran = fluidsim_in(folder.path(), &[RANGE, &["--plot", file]].concat());
        assert!(ran.code == 2 && ran.stderr.contains(remedy), "{ran:?}");
    }
    let ran = fluidsim_in(folder.path(), &[RANGE, &["--report", "nowhere/q.html"]].concat());
    assert!(ran.code == 2 && ran.stderr.contains("--report: ") && ran.stdout.is_empty(), "{ran:?}");
    assert!(files_in(folder.path()).is_empty());
}

/// What stands between the first `open` and the next `close` behind `after`.
fn between<'a>(text: &'a str, after: &str, open: &str, close: &str) -> &'a str {
    let (_, rest) = text.split_once(after).unwrap();
    rest.split_once(open).unwrap().1.split_once(close).unwrap().0
}

#[test]
fn a_page_holds_what_it_takes_to_ask_again() {
    let folder = tempfile::tempdir().unwrap();
    let asked = ["solve", "--lambda", "2.5", "--set", "instance.kv_tokens=60000"];
    fluidsim_in(folder.path(), &[&asked[..], &["--report", "page.html"]].concat()).fine();
    let page = read(folder.path(), "page.html");
    let toml = between(&page, "The scenario as TOML", "<pre><code>", "</code>");
    let plain = toml.replace("&quot;", "\"").replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">");
    std::fs::write(folder.path().join("again.toml"), plain.replace("&amp;", "&")).unwrap();
    let json = |args: &[&str]| fluidsim_in(folder.path(), &[args, &["--format", "json"]].concat()).json();
    assert_eq!(json(&["solve", "again.toml"]), json(&asked));
    let command = between(&page, "To ask again", "<pre><code>", "</code>");
    assert_eq!(command, "fluidsim solve --lambda 2.5 --set instance.kv_tokens=60000 --report page.html");
}

#[test]
fn every_answer_fits_on_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let profile: String = (1..30).map(|n| format!("{},{}\n", 16 * n, 0.01 + 0.0001 * f64::from(n * n))).collect();
    std::fs::write(folder.path().join("profile.csv"), format!("tokens,seconds\n{profile}")).unwrap();
    let sweep = "instance.max_sequences=8,16,32";
    let answers: [(&[&str], usize, usize); 8] = [
        (&["solve", "mm1", "--lambda", "0.5"], 3, 0),
        (&["solve", "mm1", "--lambda", "0.5", "--backlog", "5", "--horizon", "60", "--path"], 4, 1),
        (RUN, 4, 2),
        (&["compare", "mm1", "--lambda", "0.5", "--des-trials", "3", "--duration", "300"], 1, 1),
        (&["stability", "--sweep", sweep], 1, 1),
        (&["trust"], 3, 0),
        (RANGE, 1, 1),
        (&["calibrate", "profile.csv"], 2, 1),
    ];
    for (args, tables, pictures) in answers {
        let ran = fluidsim_in(folder.path(), &[args, &["--report", "page.html"]].concat());
        assert!(ran.code <= 1 && !ran.stdout.is_empty(), "{ran:?}");
        let page = read(folder.path(), "page.html");
        assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"), "{args:?}");
        let found = (page.matches("<table>").count(), page.matches("<figure>").count());
        assert!(found.0 >= tables && found.1 == pictures, "{args:?}: {found:?}");
    }
}

/// Letters that mean something to TeX, that it does not know, and that mean nothing.
const LETTERS: &[char] = &[
    'a', 'Z', '0', '9', ' ', '%', '&', '_', '#', '$', '{', '}', '~', '^', '\\', '`', '"', '*', '<', '>', '|', '[', ']',
    '-', '\'', ',', ';', '=', '+', '/', '?', '!', '(', ')', '@', '\n', '\t', '\u{7}', 'é', 'ß', 'λ', 'τ', 'Ω', '²',
    '×', '±', '–', '…', '中', '🙂', '\u{301}', '\u{200b}', '“', '₀', '°',
];

fn words(stream: &mut Stream) -> String {
    let length = stream.random_range(0..12);
    (0..length).map(|_| LETTERS[stream.random_range(0..LETTERS.len())]).collect()
}

fn number(stream: &mut Stream) -> Cell {
    let value = (stream.random_range(-30.0..30.0_f64)).sinh();
    match stream.random_range(0..5) {
        0 => Cell::Count(stream.random_range(0..1_000_000)),
        1 => Cell::interval(value, value - 0.1 * value.abs(), value + 0.1 * value.abs()),
        2 => Cell::interval(value, value - 0.01, value + 3.0),
        3 => Cell::Absent,
        _ => Cell::number(value),
    }
}

/// Whatever words and numbers are in tables and pictures, pdflatex sets them: 40 random tables and 20 random pictures.
#[test]
fn nasty_words_compile() {
    if !has_pdflatex() {
        return;
    }
    let mut stream = stream(7, "nasty");
    let mut body = String::new();
    for k in 0..40 {
        let mut columns = vec![Column::text(&words(&mut stream)), Column::text(&words(&mut stream))];
        columns.extend((0..3).map(|_| Column::number(&words(&mut stream), &words(&mut stream))));
        let mut table = Table::new(&words(&mut stream), columns);
        for _ in 0..if k % 10 == 0 { 50 } else { 3 } {
            let text = [words(&mut stream), words(&mut stream).repeat(k % 4)].map(Cell::text);
            let numbers = [number(&mut stream), number(&mut stream), Cell::text(words(&mut stream))];
            table.row(text.into_iter().chain(numbers).collect());
        }
        table.note(words(&mut stream));
        let setting = Setting { caption: Some(words(&mut stream)), label: Some(format!("{k}{}", words(&mut stream))) };
        body.push_str(&Report::from(table).text(Format::LatexFragment, &setting));
        body.push_str("\\clearpage\n");
    }
    for k in 0..20 {
        let points =
            |stream: &mut Stream| (0..4).map(|x| (f64::from(x), stream.random_range(-1.0..9.0))).collect::<Vec<_>>();
        let plot = Plot::new(&words(&mut stream), &words(&mut stream), &words(&mut stream))
            .with(Series::line(&words(&mut stream), points(&mut stream)))
            .with(Series::dots(&words(&mut stream), points(&mut stream)))
            .with(Series::bars(&words(&mut stream), points(&mut stream)))
            .with_mark(1.5, &words(&mut stream));
        let plot = if k % 2 == 0 { plot.with_log_y() } else { plot };
        let lane = Lane {
            label: words(&mut stream),
            spans: vec![Span { from: 0.0, to: 1.0, phase: 0 }],
            note: words(&mut stream),
        };
        let lanes = Lanes {
            title: words(&mut stream),
            phases: vec![words(&mut stream)],
            lanes: vec![lane],
            ..Lanes::default()
        };
        for picture in [Picture::from(vec![plot]), lanes.into()] {
            body.push_str(&picture_text(&picture, Form::Tex));
            body.push_str("\\par\n");
            assert!(!picture_text(&picture, Form::Svg { theme: Theme::Light }).contains('\u{7}'));
        }
    }
    let document = format!(
        "\\documentclass{{article}}\n\\usepackage[T1]{{fontenc}}\\usepackage[utf8]{{inputenc}}\\usepackage{{lmodern}}\n\
         \\usepackage{{{}}}\\usepackage{{pgfplots}}\\pgfplotsset{{compat=1.16}}\\usepgfplotslibrary{{groupplots}}\n\
         \\begin{{document}}\n{body}\\end{{document}}\n",
        latex::PACKAGES
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("nasty.tex"), document).unwrap();
    compile(folder.path(), "nasty", &["random tables and pictures"]);
}

/// Pictures of real answers, as a paper has them.
#[test]
fn pictures_compile() {
    if !has_pdflatex() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fluidsim_in(folder.path(), &[RANGE, &["--plot", "queue.tex"]].concat()).fine();
    fluidsim_in(folder.path(), &[RUN, &["--plot", "run.tex"]].concat()).fine();
    let sweep = ["--sweep", "instance.max_sequences=8,16", "--sweep", "instance.kv_tokens=20000,40000"];
    fluidsim_in(folder.path(), &[&["stability", "--plot", "grid.tex"][..], &sweep].concat()).fine();
    let inputs: String =
        ["queue", "run-dynamics", "run-timeline", "grid"].map(|name| format!("\\input{{{name}}}\\par\n")).concat();
    let document = format!(
        "\\documentclass{{article}}\\usepackage[T1]{{fontenc}}\\usepackage{{lmodern,textcomp,pgfplots}}\\pgfplotsset{{compat=1.16}}\
         \\usepgfplotslibrary{{groupplots}}\\begin{{document}}\n{inputs}\\end{{document}}\n"
    );
    std::fs::write(folder.path().join("paper.tex"), document).unwrap();
    compile(folder.path(), "paper", &["pictures"]);
}
