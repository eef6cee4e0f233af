//! Who is who: names at the ends of lines where there is room, a legend where there is not.

use super::axis::Axis;
use super::svg::{Anchor, Svg, text_width};
use super::theme::COLOURS;
use crate::answer::plot::{Plot, Style};

/// Size of the names and height of a line of them.
pub(super) const SIZE: f64 = 12.5;
const LINE: f64 = 15.0;
/// Names wider than this are broken in two.
const WIDE: f64 = 104.0;
const WIDEST: f64 = 150.0;
/// Parts of the axis within which a line must end to have its name behind it.
const NEAR_END: f64 = 0.12;
/// How far a name may stand above or below its line.
const FARTHEST: f64 = 24.0;
const SWATCH: f64 = 22.0;
const GAP: f64 = 18.0;

/// The place of each series in the palette; `None` for faint ones. Series of one name have one colour.
pub(super) fn colours(plot: &Plot) -> Vec<Option<usize>> {
    let mut names: Vec<&str> = Vec::new();
    let mut places = Vec::new();
    for series in &plot.series {
        if series.style == Style::Faint {
            places.push(None);
            continue;
        }
        let known = names.iter().position(|name| !name.is_empty() && *name == series.name);
        let place = known.unwrap_or_else(|| {
            names.push(&series.name);
            names.len() - 1
        });
        places.push(Some(place % COLOURS));
    }
    places
}

/// The class that gives a series its colour, with `c`, or its name, with `w`.
pub(super) fn class(letter: char, colour: Option<usize>) -> String {
    let faint = if letter == 'w' { "wfaint" } else { "faint" };
    colour.map_or_else(|| faint.to_owned(), |place| format!("{letter}{place}"))
}

/// One name of a panel with how its series are drawn.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub name: String,
    pub colour: Option<usize>,
    pub line: bool,
    pub dots: bool,
}

/// One entry per name, in order of appearance; a name drawn both as dots and as a line shows both.
pub(super) fn entries(plot: &Plot) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (series, colour) in plot.series.iter().zip(colours(plot)).filter(|(series, _)| !series.name.is_empty()) {
        let dots = series.style == Style::Points;
        match entries.iter_mut().find(|entry| entry.name == series.name && entry.colour == colour) {
            Some(entry) => {
                entry.dots |= dots;
                entry.line |= !dots;
            }
            None => entries.push(Entry { name: series.name.clone(), colour, line: !dots, dots }),
        }
    }
    entries
}

/// A name behind the end of its line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EndLabel {
    pub lines: Vec<String>,
    pub colour: Option<usize>,
    /// Where the line ends, in parts of the width and height of the axes from the lower left corner.
    end: (f64, f64),
    /// Middle of the name in pixels below the top of the axes.
    middle: f64,
}

impl EndLabel {
    /// How wide it is.
    pub fn width(&self) -> f64 {
        self.lines.iter().map(|line| text_width(line, SIZE)).fold(0.0, f64::max)
    }

    /// Its middle, as a part of the height of the axes from below.
    pub fn part(&self, height: f64) -> f64 {
        1.0 - self.middle / height
    }

    fn height(&self) -> f64 {
        LINE * self.lines.len() as f64
    }
}

/// The names at the ends of the lines of a panel `height` pixels high; `None` where a line ends too early or names would stand too
/// far from their lines.
pub(super) fn end_labels(plot: &Plot, (x, y): (&Axis, &Axis), height: f64) -> Option<Vec<EndLabel>> {
    let mut labels = Vec::new();
    for entry in entries(plot) {
        let named = plot.series.iter().filter(|series| series.name == entry.name);
        let ends = named.filter_map(|series| {
            let place = |point: &(f64, f64)| Some((x.part(x.place(point.0)?), y.part(y.place(point.1)?)));
            series.points.iter().rev().find_map(place)
        });
        let end = ends.reduce(|a, b| if b.0 > a.0 { b } else { a })?;
        let lines = broken(&entry.name);
        let label = EndLabel { lines, colour: entry.colour, end, middle: height * (1.0 - end.1) };
        if !(1.0 - NEAR_END..=1.0 + 1e-9).contains(&end.0) || label.width() > WIDEST {
            return None;
        }
        labels.push(label);
    }
    spread(labels, height)
}

/// The words in one line, or in two where they are wide.
fn broken(name: &str) -> Vec<String> {
    if text_width(name, SIZE) <= WIDE {
        return vec![name.to_owned()];
    }
    // A sign of per cent stays with its number.
    let halves = name.rmatch_indices(' ').map(|(at, _)| (&name[..at], &name[at + 1..]));
    let halves = halves.filter(|(_, rest)| !rest.starts_with('%'));
    let wider = |(a, b): &(&str, &str)| text_width(a, SIZE).max(text_width(b, SIZE));
    match halves.min_by(|a, b| wider(a).total_cmp(&wider(b))) {
        Some((a, b)) => vec![a.to_owned(), b.to_owned()],
        None => vec![name.to_owned()],
    }
}

/// Moves names apart, each as little as that takes.
fn spread(mut labels: Vec<EndLabel>, height: f64) -> Option<Vec<EndLabel>> {
    labels.sort_by(|a, b| a.middle.total_cmp(&b.middle));
    let wanted: Vec<f64> = labels.iter().map(|label| label.middle).collect();
    // Names that touch form a block around the mean of their wishes.
    let mut blocks: Vec<(f64, f64, Vec<usize>)> = Vec::new();
    for k in 0..labels.len() {
        blocks.push((labels[k].middle, labels[k].height(), vec![k]));
        while let [.., above, below] = &blocks[..] {
            if above.0 + above.1 / 2.0 <= below.0 - below.1 / 2.0 + 1e-9 {
                break;
            }
            let members: Vec<usize> = above.2.iter().chain(&below.2).copied().collect();
            let tall: f64 = members.iter().map(|&k| labels[k].height()).sum();
            let mean = members.iter().map(|&k| wanted[k]).sum::<f64>() / members.len() as f64;
            blocks.truncate(blocks.len() - 2);
            blocks.push((mean, tall, members));
        }
    }
    for (middle, tall, members) in blocks {
        let mut top = (middle - tall / 2.0).clamp(-LINE / 2.0, (height + LINE / 2.0 - tall).max(-LINE / 2.0));
        for k in members {
            labels[k].middle = top + labels[k].height() / 2.0;
            top += labels[k].height();
        }
    }
    let near = |(label, wanted): (&EndLabel, &f64)| (label.middle - wanted).abs() <= FARTHEST;
    let apart = labels
        .windows(2)
        .all(|pair| pair[1].middle - pair[0].middle >= (pair[0].height() + pair[1].height()) / 2.0 - 1e-6);
    (apart && labels.iter().zip(&wanted).all(near)).then_some(labels)
}

/// Draws the names behind axes with this upper left corner and size; a thin line leads to a name that had to move.
pub(super) fn draw_end_labels(
    svg: &mut Svg,
    labels: &[EndLabel],
    (left, top): (f64, f64),
    (width, height): (f64, f64),
) {
    for label in labels {
        let end = (left + width * label.end.0, top + height * (1.0 - label.end.1));
        let (x, middle) = (left + width + 10.0, top + label.middle);
        if (middle - end.1).abs() > 3.0 || x - end.0 > 16.0 {
            svg.path(&format!("lead {}", class('c', label.colour)), &[(end.0 + 3.0, end.1), (x - 2.5, middle)]);
        }
        let first = middle - label.height() / 2.0 + LINE / 2.0 + 0.35 * SIZE;
        for (k, line) in label.lines.iter().enumerate() {
            svg.text(&class('w', label.colour), (x, first + LINE * k as f64), Anchor::Start, line);
        }
    }
}

/// The entries in rows no wider than `width`.
pub(super) fn legend_rows(entries: Vec<Entry>, width: f64) -> Vec<Vec<Entry>> {
    let mut rows: Vec<(f64, Vec<Entry>)> = Vec::new();
    for entry in entries {
        let wide = entry_width(&entry);
        match rows.last_mut() {
            Some((used, row)) if *used + wide <= width => {
                *used += wide;
                row.push(entry);
            }
            _ => rows.push((wide, vec![entry])),
        }
    }
    rows.into_iter().map(|(_, row)| row).collect()
}

fn entry_width(entry: &Entry) -> f64 {
    SWATCH + 6.0 + text_width(&entry.name, SIZE) + GAP
}

/// Draws one row of a legend around the height `middle`.
pub(super) fn draw_legend_row(svg: &mut Svg, row: &[Entry], (mut left, middle): (f64, f64)) {
    for entry in row {
        let colour = class('c', entry.colour);
        if entry.line {
            let kind = if entry.colour.is_none() { "thin" } else { "line" };
            svg.path(&format!("{kind} {colour}"), &[(left, middle), (left + SWATCH, middle)]);
        }
        if entry.dots {
            svg.circle(&format!("dot {colour}"), (left + SWATCH / 2.0, middle), 3.5);
        }
        svg.text("ink", (left + SWATCH + 6.0, middle + 0.35 * SIZE), Anchor::Start, &entry.name);
        left += entry_width(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::plot::Series;

    fn labels(ends: &[f64]) -> Option<Vec<EndLabel>> {
        let mut plot = Plot::new("", "x", "y");
        for (k, &end) in ends.iter().enumerate() {
            plot = plot.with(Series::line(&format!("line {k}"), vec![(0.0, 0.0), (1.0, end)]));
        }
        let y = Axis::round([0.0, 1.0].into_iter());
        end_labels(&plot, (&Axis::snug([0.0, 1.0].into_iter()), &y), 200.0)
    }

    #[test]
    fn names_stand_at_their_lines_and_apart() {
        let apart = labels(&[0.0, 0.5, 1.0]).unwrap();
        assert_eq!(apart.iter().map(|label| label.middle).collect::<Vec<_>>(), [0.0, 100.0, 200.0]);
        let close = labels(&[0.5, 0.51, 0.52]).unwrap();
        for pair in close.windows(2) {
            assert!((pair[1].middle - pair[0].middle - LINE).abs() < 1e-9, "{close:?}");
        }
        assert_eq!(labels(&[0.5; 7]), None);
        assert_eq!(labels(&[]), Some(Vec::new()));
    }

    #[test]
    fn a_line_that_ends_early_has_no_name_behind_it() {
        let plot = Plot::new("", "x", "y").with(Series::line("a", vec![(0.0, 1.0), (0.5, 1.0)]));
        let axes = (Axis::snug([0.0, 1.0].into_iter()), Axis::round([0.0, 1.0].into_iter()));
        assert_eq!(end_labels(&plot, (&axes.0, &axes.1), 200.0), None);
    }

    #[test]
    fn long_names_are_broken() {
        assert_eq!(broken("mean and 90 % of trials"), ["mean and", "90 % of trials"]);
        assert_eq!(broken("fluid and 95 % of the noise"), ["fluid and 95 %", "of the noise"]);
        assert_eq!(broken("fluid"), ["fluid"]);
    }
}
