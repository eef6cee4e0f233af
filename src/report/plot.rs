//! Pictures on paper and on a terminal. What is shown stands in [`Picture`]; its form is chosen by the name of the file.

mod axis;
mod data;
mod heat;
mod labels;
mod lanes;
mod panels;
#[cfg(test)]
mod samples;
pub(super) mod svg;
mod terminal;
mod tex;
pub(super) mod theme;
mod thin;

pub use theme::Theme;

use crate::answer::plot::{Picture, Plot};

/// Width of a picture in pixels.
const WIDTH: f64 = 760.0;
/// Free space around everything.
const EDGE: f64 = 14.0;
/// Height of a line of words.
const LINE: f64 = 22.0;

/// The panels, one below the other, as the text of an SVG file for paper.
pub fn render_svg(plots: &[Plot]) -> String {
    panels::render_panels(plots, Some(Theme::Light), WIDTH)
}

/// The form of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Scalable, for documents and browsers.
    Svg {
        /// Its colours.
        theme: Theme,
    },
    /// pgfplots, for `\\input`.
    Tex,
    /// What is drawn, as a table.
    Csv,
    /// Characters on a terminal.
    Text {
        /// How many characters wide.
        columns: usize,
        /// Whether the terminal shows colours.
        colour: bool,
    },
}

/// The picture in that form, ending in a newline.
pub fn picture_text(picture: &Picture, form: Form) -> String {
    match form {
        Form::Svg { theme } => picture_svg(picture, Some(theme), WIDTH),
        Form::Tex => tex::picture_tex(picture),
        Form::Csv => data::picture_csv(picture),
        Form::Text { columns, colour } => terminal::picture_terminal(picture, columns, colour),
    }
}

/// The picture as the text of an SVG file; without a theme for a page that holds the style sheet itself.
/// `width` is in pixels; a heat map is as wide as its cells.
pub fn picture_svg(picture: &Picture, theme: Option<Theme>, width: f64) -> String {
    match picture {
        Picture::Panels(plots) => panels::render_panels(plots, theme, width),
        Picture::Heat(map) => heat::render_heat(map, theme),
        Picture::Lanes(lanes) => lanes::render_lanes(lanes, theme, width),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::plot::Series;

    #[test]
    fn a_figure_holds_its_words_once() {
        let svg = render_svg(&samples::panels());
        for (word, times) in [("trials", 1), ("fluid", 1), ("simulated", 1), ("time (s)", 1), ("λ*", 1), ("tokens", 1)]
        {
            assert_eq!(svg.matches(&format!(">{word}<")).count(), times, "{word}");
        }
        assert!(svg.contains("<title>Waiting &amp; &lt;running&gt; 50 %</title>"), "{svg}");
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        let broken = vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, f64::INFINITY), (3.0, 2.0), (4.0, 2.5)];
        let band = vec![(0.5, 1.5), (f64::NAN, 1.0), (0.0, 1.0), (1.0, 3.0), (0.0, f64::INFINITY)];
        let plot = Plot::new("", "x", "y").with(Series::line("a", broken).with_band(band)).with_mark(f64::NAN, "m");
        let svg = render_svg(std::slice::from_ref(&plot));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        let empty = Plot::new("nothing", "x", "y").with(Series::line("none", vec![])).with_log_y();
        assert!(render_svg(&[empty]).contains("nothing"));
        assert!(render_svg(&[]).starts_with("<svg"));
    }

    #[test]
    fn series_of_one_name_share_a_colour() {
        let plot = Plot::new("", "x", "y")
            .with(Series::faint("one of many", vec![(0.0, 0.0), (1.0, 1.0)]))
            .with(Series::dots("a", vec![(0.0, 1.0)]))
            .with(Series::line("b", vec![(0.0, 1.0)]))
            .with(Series::line("a", vec![(0.0, 2.0)]));
        assert_eq!(labels::colours(&plot), [None, Some(0), Some(1), Some(0)]);
        let entries = labels::entries(&plot);
        assert_eq!(entries.len(), 3);
        assert!(entries[1].line && entries[1].dots);
    }

    #[test]
    fn bars_and_places_have_their_axes() {
        let plot = Plot::new("Policies", "policy", "λ* (requests/s)")
            .with(Series::bars("", vec![(0.0, 3.0), (1.0, 4.0)]).with_band(vec![(2.0, 4.0), (3.5, 4.5)]))
            .with_categories(&["fcfs", "orca"]);
        let svg = render_svg(&[plot]);
        assert!(svg.contains(">fcfs<") && svg.contains(">orca<"), "{svg}");
        assert_eq!((svg.matches("column c0").count(), svg.matches("bar c0").count()), (2, 2));
    }
}
