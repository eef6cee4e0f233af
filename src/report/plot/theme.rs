//! The look of every picture: colours that colour-blind readers can tell apart (Okabe and Ito 2008), one type face, thin lines.

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Theme {
    /// Dark ink on white, for paper.
    #[default]
    Light,
    /// Light ink on a dark ground.
    Dark,
    /// As the reader's system is set, where the viewer knows (browsers do); light elsewhere.
    Auto,
}

/// Number of colours before they come again.
pub(super) const COLOURS: usize = 7;

/// The colours of the series as `RRGGBB`, for formats that hold them themselves.
pub(super) const PALETTE: [&str; COLOURS] = ["0072B2", "D55E00", "009E73", "CC79A7", "E69F00", "56B4E9", "555F6B"];

/// Darker where the words of a colour would be too faint on white.
pub(super) const WORDS: [&str; COLOURS] = ["0068A3", "B84F00", "007F5C", "A6497D", "8F6300", "1F78A8", "555F6B"];

/// The same hues, lighter, for a dark ground; words have the same.
const DARK_PALETTE: [&str; COLOURS] = ["4BA7E8", "F2864A", "35C79F", "E3A3CA", "F2BC57", "A5DBFA", "B4BCC6"];

/// Shades of heat from few to much, apart in grey too; the colour of words on each.
pub(super) const HEAT: [(&str, &str); 5] =
    [("EEF4F9", INK), ("C5DBEC", INK), ("8DB8DA", INK), ("3D7FB5", "FFFFFF"), ("0B3C66", "FFFFFF")];
const DARK_HEAT: [(&str, &str); 5] =
    [("1E2A36", DARK_INK), ("264C6B", DARK_INK), ("3578A8", "FFFFFF"), ("7DB8E3", "10151B"), ("D6ECFC", "10151B")];

/// Of a cell without a value.
pub(super) const NONE: &str = "F1F1EF";
pub(super) const INK: &str = "22272E";
const DARK_INK: &str = "E4E8ED";

/// What series that are one of many are drawn in.
pub(super) const FAINT: &str = "8A929C";

/// Colours of one ground: paper, ink, ink of lesser words, axis, grid, faint lines, empty cells, neutral bars.
struct Ground {
    paper: &'static str,
    ink: &'static str,
    lesser: &'static str,
    axis: &'static str,
    grid: &'static str,
    faint: &'static str,
    none: &'static str,
    neutral: &'static str,
    colours: [&'static str; COLOURS],
    words: [&'static str; COLOURS],
    heat: [(&'static str, &'static str); 5],
}

const LIGHT: Ground = Ground {
    paper: "FFFFFF",
    ink: INK,
    lesser: "5B6470",
    axis: "6B7480",
    grid: "E6E9ED",
    faint: FAINT,
    none: NONE,
    neutral: "CBD2DA",
    colours: PALETTE,
    words: WORDS,
    heat: HEAT,
};

const DARK: Ground = Ground {
    paper: "14181D",
    ink: DARK_INK,
    lesser: "A2ABB6",
    axis: "7D8792",
    grid: "2A3139",
    faint: "8F99A5",
    none: "20262D",
    neutral: "4A545F",
    colours: DARK_PALETTE,
    words: DARK_PALETTE,
    heat: DARK_HEAT,
};

const SHAPES: &str = "\
.fs text{font-family:\"Helvetica Neue\",Helvetica,Arial,\"Liberation Sans\",sans-serif;font-size:12px}\
.fs .title{font-size:15px;font-weight:600}\
.fs .line{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}\
.fs .thin{fill:none;stroke:currentColor;stroke-width:1;stroke-opacity:.45;stroke-linejoin:round}\
.fs .dense{stroke-width:.8;stroke-opacity:.8}\
.fs .lead{fill:none;stroke:currentColor;stroke-width:.75;stroke-opacity:.6}\
.fs .bar{fill:none;stroke:currentColor;stroke-width:1.25}\
.fs .band{fill:currentColor;fill-opacity:.15}\
.fs .fill{fill:currentColor}\
.fs .column{fill:currentColor;fill-opacity:.75}\
.fs .dot{fill:currentColor;stroke-width:.8}\
.fs .cloud{fill:currentColor;fill-opacity:.45}\
.fs .axis,.fs .grid{fill:none;stroke-width:1}\
.fs .mark{fill:none;stroke-width:1.25;stroke-dasharray:5 4}";

/// The style sheet of a picture, all under the class `fs`.
pub(in crate::report) fn style(theme: Theme) -> String {
    match theme {
        Theme::Light => format!("{SHAPES}{}", ground(&LIGHT, "")),
        Theme::Dark => format!("{SHAPES}{}", ground(&DARK, "")),
        Theme::Auto => {
            format!("{SHAPES}{}@media (prefers-color-scheme:dark){{{}}}", ground(&LIGHT, ""), ground(&DARK, ""))
        }
    }
}

/// The style sheet of a page whose root may ask for one ground by `data-theme`, and follows the reader's system otherwise.
pub(in crate::report) fn page_style() -> String {
    let dark = ground(&DARK, ":root[data-theme=dark] ");
    let by_system = ground(&DARK, ":root:not([data-theme=light]) ");
    format!("{SHAPES}{}{dark}@media (prefers-color-scheme:dark){{{by_system}}}", ground(&LIGHT, ""))
}

fn ground(ground: &Ground, before: &str) -> String {
    let mut rules = vec![
        format!("paper{{fill:#{}}}", ground.paper),
        format!("dot{{stroke:#{}}}", ground.paper),
        format!("ink,{before}.fs .title{{fill:#{}}}", ground.ink),
        format!("lesser{{fill:#{}}}", ground.lesser),
        format!("axis,{before}.fs .mark{{stroke:#{}}}", ground.axis),
        format!("grid{{stroke:#{}}}", ground.grid),
        format!("faint{{color:#{}}}", ground.faint),
        format!("none{{fill:#{}}}", ground.none),
        format!("neutral{{color:#{}}}", ground.neutral),
        format!("wfaint{{fill:#{}}}", ground.lesser),
    ];
    for (k, (colour, words)) in ground.colours.iter().zip(ground.words).enumerate() {
        rules.push(format!("c{k}{{color:#{colour}}}"));
        rules.push(format!("w{k}{{fill:#{words}}}"));
    }
    for (k, (shade, words)) in ground.heat.iter().enumerate() {
        rules.push(format!("h{k}{{fill:#{shade}}}"));
        rules.push(format!("hw{k}{{fill:#{words}}}"));
    }
    rules.iter().map(|rule| format!("{before}.fs .{rule}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance of a colour (WCAG 2).
    fn luminance(colour: &str) -> f64 {
        let part = |k: usize| {
            let value = f64::from(u8::from_str_radix(&colour[2 * k..2 * k + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(0) + 0.7152 * part(1) + 0.0722 * part(2)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn words_can_be_read() {
        for ground in [LIGHT, DARK] {
            for words in ground.words.into_iter().chain([ground.ink, ground.lesser]) {
                assert!(contrast(words, ground.paper) >= 4.5, "{words} on {}", ground.paper);
            }
            for (shade, words) in ground.heat {
                assert!(contrast(words, shade) >= 4.0, "{words} on {shade}");
            }
        }
    }

    #[test]
    fn shades_are_apart_in_grey() {
        for heat in [HEAT, DARK_HEAT] {
            for pair in heat.windows(2) {
                assert!(contrast(pair[0].0, pair[1].0) >= 1.25, "{pair:?}");
            }
        }
    }

    #[test]
    fn a_theme_has_its_ground() {
        assert!(style(Theme::Light).contains("#FFFFFF") && !style(Theme::Light).contains("@media"));
        assert!(style(Theme::Dark).contains("#14181D") && !style(Theme::Dark).contains(".paper{fill:#FFFFFF"));
        assert!(style(Theme::Auto).contains("@media (prefers-color-scheme:dark){.fs .paper{fill:#14181D}"));
        assert!(page_style().contains(":root[data-theme=dark] .fs .paper{fill:#14181D}"));
    }
}
