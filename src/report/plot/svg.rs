//! The few words of SVG that a picture needs.

use super::theme::{Theme, style};

/// Which point of a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A picture that grows, in pixels from the upper left corner. Classes are those of [`style`].
#[derive(Debug, Default)]
pub(super) struct Svg {
    body: String,
}

impl Svg {
    /// Words with their baseline at a place.
    pub fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, words: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let (x, y, words) = (short(x), short(y), escaped(words));
        self.body.push_str(&format!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\"{anchor}>{words}</text>\n"));
    }

    /// A line through places.
    pub fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        self.outline(class, points, "");
    }

    /// The area inside places.
    pub fn area(&mut self, class: &str, points: &[(f64, f64)]) {
        self.outline(class, points, "Z");
    }

    fn outline(&mut self, class: &str, points: &[(f64, f64)], end: &str) {
        let mut steps = String::new();
        for (k, &(x, y)) in points.iter().enumerate() {
            steps.push_str(&format!("{}{} {}", if k == 0 { 'M' } else { 'L' }, short(x), short(y)));
        }
        self.body.push_str(&format!("<path class=\"{class}\" d=\"{steps}{end}\"/>\n"));
    }

    /// A rectangle from its upper left corner, its corners rounded by `round`.
    pub fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64), round: f64) {
        let (x, y, width, height) = (short(x), short(y), short(width), short(height));
        let round = if round > 0.0 { format!(" rx=\"{}\"", short(round)) } else { String::new() };
        self.body.push_str(&format!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"{round}/>\n"
        ));
    }

    /// A disc.
    pub fn circle(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        let (x, y, radius) = (short(x), short(y), short(radius));
        self.body.push_str(&format!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"/>\n"));
    }

    /// The whole file; without a theme for a page that holds the style itself. `title` is read to those who cannot see it.
    pub fn whole(self, title: &str, (width, height): (f64, f64), theme: Option<Theme>) -> String {
        let (width, height, title) = (short(width), short(height), escaped(title));
        let style = theme.map_or_else(String::new, |theme| format!("<style>{}</style>\n", style(theme)));
        let named = if title.is_empty() { String::new() } else { format!("<title>{title}</title>\n") };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"fs\" role=\"img\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\">\n{named}{style}<rect class=\"paper\" width=\"{width}\" \
             height=\"{height}\"/>\n{}</svg>\n",
            self.body
        )
    }
}

/// Hundredths of a pixel, without zeros at the end.
fn short(value: f64) -> String {
    let shown = format!("{value:.2}");
    let shown = shown.trim_end_matches('0').trim_end_matches('.');
    if shown == "-0" { "0".to_owned() } else { shown.to_owned() }
}

/// Words as character data or as the value of an attribute; a character that XML cannot hold becomes `�`.
pub(in crate::report) fn escaped(words: &str) -> String {
    let mut out = String::new();
    for c in words.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Widths of the letters from space to `~` in thousandths of the size, in Helvetica.
const WIDTHS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833,
    722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556,
    556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334,
    260, 334, 584,
];

/// About how wide words are at a size, with some room for wider fonts.
pub(super) fn text_width(words: &str, size: f64) -> f64 {
    let of = |c: char| match c {
        ' '..='~' => f64::from(WIDTHS[c as usize - 32]),
        '\u{2009}' => 200.0,
        _ => 580.0,
    };
    words.chars().map(of).sum::<f64>() / 1000.0 * size * 1.06
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cannot_become_markup() {
        assert_eq!(escaped("<a href=\"x\">&'\u{1}"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;\u{fffd}");
        let mut svg = Svg::default();
        svg.text("t", (1.0, 2.5), Anchor::End, "</text><script>");
        let whole = svg.whole("a & b", (10.0, 20.0), Some(Theme::Light));
        assert!(!whole.contains("<script>") && whole.contains("<title>a &amp; b</title>"), "{whole}");
    }

    #[test]
    fn numbers_are_short() {
        let shown = [1.0, 0.125, -0.001, 1234.5].map(short);
        assert_eq!(shown, ["1", "0.12", "0", "1234.5"]);
    }

    #[test]
    fn wide_letters_are_wide() {
        assert!(text_width("MMM", 12.0) > 3.0 * text_width("i", 12.0));
        assert!((text_width("0", 100.0) - 58.936).abs() < 1e-9);
    }
}
