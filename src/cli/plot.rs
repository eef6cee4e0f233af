//! `--plot`, for every command that draws: the name of the file chooses the form.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;

use super::usage_error;
use crate::report::{self, Form, Picture, Theme, picture_text};

/// The help of `--plot`, for a command whose picture shows `what`.
pub fn help(what: &str) -> String {
    format!(
        "Draw {what}. The name of the file chooses the form: .svg, .tex (pgfplots, for \\input), .csv (what is drawn), .txt; \
         `-` draws on the terminal"
    )
}

/// Where the picture goes.
#[derive(Debug, Clone, Args)]
pub struct PlotArgs {
    // Each command says what it draws by `help`.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,

    /// Colours of an SVG picture; `auto` follows the reader's system
    #[arg(long, value_enum, default_value = "light")]
    theme: Theme,
}

impl PlotArgs {
    /// Whether a picture is asked for.
    pub fn wanted(&self) -> bool {
        self.plot.is_some()
    }

    /// The file, as it was given; none for the terminal.
    pub fn file(&self) -> Option<&Path> {
        self.plot.as_deref().filter(|path| !is_terminal(path))
    }

    /// Checks, before any work is done, that there is such a form.
    ///
    /// # Errors
    /// An extension that stands for no form.
    pub fn check(&self) -> anyhow::Result<()> {
        self.plot.as_deref().map_or(Ok(()), |path| check_form("--plot", path))
    }

    /// Draws the picture where it was asked for.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn draw(&self, picture: &Picture) -> anyhow::Result<()> {
        self.plot.as_deref().map_or(Ok(()), |path| draw("--plot", path, picture, self.theme))
    }

    /// Draws several pictures, each into the file with its word behind a hyphen: `NAME-word.svg`.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn draw_each(&self, pictures: &[(&str, Picture)]) -> anyhow::Result<()> {
        let Some(path) = self.plot.as_deref() else { return Ok(()) };
        pictures.iter().try_for_each(|(word, picture)| draw("--plot", &with_word(path, word), picture, self.theme))
    }

    /// The file of [`PlotArgs::draw_each`] for a word; none for the terminal.
    pub fn file_with(&self, word: &str) -> Option<PathBuf> {
        self.file().map(|path| with_word(path, word))
    }
}

/// Draws a picture in the form that the name of the file asks for.
///
/// # Errors
/// An extension that stands for no form; the file cannot be written.
pub fn draw(option: &str, path: &Path, picture: &Picture, theme: Theme) -> anyhow::Result<()> {
    let form = form_of(option, path)?;
    if is_terminal(path) {
        report::printer::print(&picture_text(picture, terminal()))?;
        return Ok(());
    }
    let form = if form == (Form::Svg { theme: Theme::Light }) { Form::Svg { theme } } else { form };
    report::file::write_whole(path, &picture_text(picture, form))?;
    Ok(())
}

/// Checks, before any work is done, that the name of a file stands for a form.
///
/// # Errors
/// An extension that stands for no form.
pub fn check_form(option: &str, path: &Path) -> anyhow::Result<()> {
    form_of(option, path).map(drop)
}

/// `NAME-word.svg`; a name without an extension gets `.svg`. The terminal stays the terminal.
fn with_word(path: &Path, word: &str) -> PathBuf {
    if is_terminal(path) {
        return path.to_owned();
    }
    let known = path.extension().is_some_and(|extension| form_named(&extension.to_string_lossy()).is_some());
    let extension = path.extension().filter(|_| known).unwrap_or("svg".as_ref());
    let mut name = if known { path.with_extension("") } else { path.to_owned() }.into_os_string();
    name.push(format!("-{word}."));
    name.push(extension);
    PathBuf::from(name)
}

fn is_terminal(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// As wide as the terminal and in its colours; 80 columns without colour where the output goes elsewhere.
fn terminal() -> Form {
    if !std::io::stdout().is_terminal() {
        return Form::Text { columns: 80, colour: false };
    }
    let columns = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
    Form::Text { columns: columns.clamp(40, 160), colour: std::env::var_os("NO_COLOR").is_none() }
}

fn form_named(extension: &str) -> Option<Form> {
    Some(match extension.to_ascii_lowercase().as_str() {
        "svg" => Form::Svg { theme: Theme::Light },
        "tex" | "pgf" | "tikz" => Form::Tex,
        "csv" => Form::Csv,
        "txt" => Form::Text { columns: 80, colour: false },
        _ => return None,
    })
}

fn form_of(option: &str, path: &Path) -> anyhow::Result<Form> {
    let Some(extension) = path.extension() else { return Ok(Form::Svg { theme: Theme::Light }) };
    let extension = extension.to_string_lossy();
    form_named(&extension).ok_or_else(|| {
        let remedy = match extension.to_ascii_lowercase().as_str() {
            "png" | "pdf" | "jpg" | "jpeg" => {
                format!("write .svg and convert it, as by `rsvg-convert -f {extension} -o out.{extension} picture.svg`")
            }
            _ => "end the name in .svg, .tex, .csv or .txt, or give `-` for the terminal".to_owned(),
        };
        usage_error(option, format!("`{}` is of no form that is drawn", path.display()), &remedy)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stands_before_the_extension() {
        let cases = [("run", "run-x.svg"), ("a/run.tex", "a/run-x.tex"), ("run.v2", "run.v2-x.svg"), ("-", "-")];
        for (given, named) in cases {
            assert_eq!(with_word(Path::new(given), "x"), Path::new(named));
        }
    }

    #[test]
    fn a_form_that_is_not_drawn_has_a_remedy() {
        let said = |name: &str| form_of("--plot", Path::new(name)).unwrap_err().to_string();
        assert!(said("x.png").contains("rsvg-convert -f png"), "{}", said("x.png"));
        assert!(said("x.foo").contains(".svg, .tex, .csv or .txt"), "{}", said("x.foo"));
        assert_eq!(form_of("--plot", Path::new("x.PGF")).unwrap(), Form::Tex);
        assert_eq!(form_of("--plot", Path::new("/dev/null")).unwrap(), Form::Svg { theme: Theme::Light });
    }
}
