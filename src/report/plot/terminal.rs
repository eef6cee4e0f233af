//! Pictures where a terminal is all there is: panels in braille dots with axes, heat maps as shaded tables, lives as blocks.

use super::axis::Axis;
use super::labels::{colours, entries};
use super::panels::{stepped, x_axis, y_axis};
use crate::answer::plot::{HeatMap, Lanes, Picture, Plot, Series, Style};
use crate::report::text::display_width;

/// Lines of a panel's axes: among others, and alone.
const ROWS: usize = 9;
const SINGLE_ROWS: usize = 16;
/// Codes of the eight colours that every terminal has, near those of the palette; faint is dim.
const ANSI: [&str; 7] = ["34", "31", "32", "35", "33", "36", "37"];
/// Marks of the series in a legend without colours.
const SHADES: [char; 5] = ['·', '░', '▒', '▓', '█'];

/// The picture `columns` wide.
pub(super) fn picture_terminal(picture: &Picture, columns: usize, colour: bool) -> String {
    match picture {
        Picture::Panels(plots) => panels(plots, columns, colour),
        Picture::Heat(map) => heat(map),
        Picture::Lanes(picture) => lanes(picture, columns),
    }
}

/// Dots of braille: two across and four down in every character.
struct Canvas {
    columns: usize,
    rows: usize,
    cells: Vec<u8>,
    /// The series drawn last in a character.
    owner: Vec<Option<usize>>,
}

impl Canvas {
    fn new(columns: usize, rows: usize) -> Self {
        Self { columns, rows, cells: vec![0; columns * rows], owner: vec![None; columns * rows] }
    }

    /// Sets a dot, counted from the upper left corner.
    fn set(&mut self, x: i64, y: i64, owner: Option<usize>) {
        if x < 0 || y < 0 || x >= 2 * self.columns as i64 || y >= 4 * self.rows as i64 {
            return;
        }
        let (x, y) = (x as usize, y as usize);
        let bit = [[0, 3], [1, 4], [2, 5], [6, 7]][y % 4][x % 2];
        let cell = y / 4 * self.columns + x / 2;
        self.cells[cell] |= 1 << bit;
        self.owner[cell] = owner;
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), owner: Option<usize>) {
        let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).ceil().max(1.0) as i64;
        for step in 0..=steps {
            let part = step as f64 / steps as f64;
            let at = |from: f64, to: f64| (from + part * (to - from)).round() as i64;
            self.set(at(from.0, to.0), at(from.1, to.1), owner);
        }
    }

    /// One line of characters, with colours if the terminal has them.
    fn row(&self, row: usize, colour: bool) -> String {
        let mut out = String::new();
        for cell in row * self.columns..(row + 1) * self.columns {
            let c = match self.cells[cell] {
                0 => ' ',
                bits => char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' '),
            };
            out.push_str(&painted(&c.to_string(), self.owner[cell], colour && c != ' '));
        }
        out
    }
}

fn painted(words: &str, series: Option<usize>, colour: bool) -> String {
    match (colour, series) {
        (false, _) => words.to_owned(),
        (true, None) => format!("\u{1b}[2m{words}\u{1b}[0m"),
        (true, Some(place)) => format!("\u{1b}[{}m{words}\u{1b}[0m", ANSI[place % ANSI.len()]),
    }
}

fn panels(plots: &[Plot], columns: usize, colour: bool) -> String {
    let y: Vec<Axis> = plots.iter().map(y_axis).collect();
    let rows = if plots.len() > 1 { ROWS } else { SINGLE_ROWS };
    let wide = |axis: &Axis| axis.ticks.iter().map(|tick| display_width(&axis.label(*tick))).max().unwrap_or(0);
    let left = y.iter().map(wide).max().unwrap_or(0).max(3);
    let names = plots.iter().flat_map(entries).map(|entry| display_width(&entry.name)).max().unwrap_or(0);
    let right = if names == 0 { 2 } else { (names + 2).min(columns / 3) };
    let inner = columns.saturating_sub(left + right + 2).max(10);
    let parts = plots.iter().zip(&y).enumerate().map(|(k, (plot, y))| {
        let named = plots.get(k + 1).is_none_or(|next| next.x_label != plot.x_label);
        panel(plot, (&x_axis(plots, plot), y), (left, inner, rows), named, colour)
    });
    parts.collect::<Vec<_>>().join("\n")
}

fn panel(
    plot: &Plot,
    (x, y): (&Axis, &Axis),
    (left, inner, rows): (usize, usize, usize),
    named: bool,
    colour: bool,
) -> String {
    let mut canvas = Canvas::new(inner, rows);
    let dot = |placed: (f64, f64)| {
        ((x.part(placed.0) * (2 * inner - 1) as f64), ((1.0 - y.part(placed.1)) * (4 * rows - 1) as f64))
    };
    for (at, _) in &plot.marks {
        if let Some(placed) = x.place(*at) {
            let (column, _) = dot((placed, y.low));
            (0..4 * rows as i64).step_by(2).for_each(|row| canvas.set(column.round() as i64, row, None));
        }
    }
    for (series, owner) in plot.series.iter().zip(colours(plot)) {
        draw(&mut canvas, series, owner, (x, y), &dot);
    }
    let mut lines = vec![plot.title.clone(), plot.y_label.clone()];
    lines.retain(|line| !line.is_empty());
    let labels = labels(plot, (x, y), rows);
    let ticks: Vec<(usize, String)> = y
        .ticks
        .iter()
        .map(|tick| (((1.0 - y.part(*tick)) * (rows - 1) as f64).round() as usize, y.label(*tick)))
        .collect();
    for row in 0..rows {
        let tick = ticks.iter().find(|tick| tick.0 == row).map_or("", |tick| tick.1.as_str());
        let rule = if tick.is_empty() { '│' } else { '┤' };
        let pad = " ".repeat(left - display_width(tick).min(left));
        let name = labels.iter().find(|label| label.0 == row);
        let name = name.map_or_else(String::new, |(_, name, owner)| format!(" {}", painted(name, *owner, colour)));
        lines.push(format!("{pad}{tick}{rule}{}{name}", canvas.row(row, colour)).trim_end().to_owned());
    }
    lines.extend(foot(plot, x, (left, inner), named));
    lines.join("\n") + "\n"
}

fn draw(
    canvas: &mut Canvas,
    series: &Series,
    owner: Option<usize>,
    (x, y): (&Axis, &Axis),
    dot: &dyn Fn((f64, f64)) -> (f64, f64),
) {
    let place = |&(at, value): &(f64, f64)| Some((x.place(at)?, y.place(value)?));
    let placed: Vec<Option<(f64, f64)>> = series.points.iter().map(place).collect();
    match series.style {
        Style::Points => {
            for (at, column) in placed.iter().flatten().map(|placed| dot(*placed)) {
                let (at, column) = (at.round() as i64, column.round() as i64);
                for (right, down) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                    canvas.set(at / 2 * 2 + right, column / 2 * 2 + down, owner);
                }
            }
        }
        Style::Bars => {
            let foot = y.place(0.0).unwrap_or(y.low).max(y.low);
            for (at, value) in placed.iter().flatten() {
                let (from, to) = (dot((*at, foot)), dot((*at, *value)));
                canvas.line(from, to, owner);
                canvas.line((from.0 + 1.0, from.1), (to.0 + 1.0, to.1), owner);
            }
        }
        Style::Line | Style::Faint | Style::Step => {
            for run in placed.split(Option::is_none).filter(|run| !run.is_empty()) {
                let run: Vec<(f64, f64)> = run.iter().flatten().copied().collect();
                let run = if series.style == Style::Step { stepped(&run) } else { run };
                run.iter().for_each(|placed| canvas.line(dot(*placed), dot(*placed), owner));
                run.windows(2).for_each(|pair| canvas.line(dot(pair[0]), dot(pair[1]), owner));
            }
        }
    }
}

/// Row, name and colour of each name, beside the end of its line where that row is free and near it where not.
fn labels(plot: &Plot, (x, y): (&Axis, &Axis), rows: usize) -> Vec<(usize, String, Option<usize>)> {
    let mut labels: Vec<(usize, String, Option<usize>)> = Vec::new();
    for entry in entries(plot) {
        let of_name = plot.series.iter().filter(|series| series.name == entry.name);
        let mut ends = of_name.rev().filter_map(|series| {
            series.points.iter().rev().find_map(|point| x.place(point.0).and_then(|_| y.place(point.1)))
        });
        let end = ends.next().unwrap_or(y.low);
        let wanted = ((1.0 - y.part(end)) * (rows - 1) as f64).round() as i64;
        let free = |row: &i64| (0..rows as i64).contains(row) && !labels.iter().any(|label| label.0 as i64 == *row);
        let near = (0..rows as i64).flat_map(|away| [wanted - away, wanted + away]);
        if let Some(row) = near.into_iter().find(free) {
            labels.push((row as usize, entry.name, entry.colour));
        }
    }
    labels
}

/// The axis below a panel, its labels, the names of the marks, and what x is.
fn foot(plot: &Plot, x: &Axis, (left, inner): (usize, usize), named: bool) -> Vec<String> {
    let column = |placed: f64| (x.part(placed) * (inner - 1) as f64).round() as usize;
    let mut rule = vec!['─'; inner];
    let mut words: Vec<(usize, String)> = Vec::new();
    for (k, &tick) in x.ticks.iter().enumerate() {
        rule[column(tick).min(inner - 1)] = '┬';
        words.push((column(tick), plot.categories.get(k).cloned().unwrap_or_else(|| x.label(tick))));
    }
    let marks = plot.marks.iter().filter_map(|(at, label)| Some((column(x.place(*at)?), format!("┆{label}"))));
    let margin = " ".repeat(left);
    let mut lines = vec![format!("{margin}└{}", rule.iter().collect::<String>())];
    for words in [words, marks.collect()] {
        let line = placed(&words, inner + 1);
        if !line.is_empty() {
            lines.push(format!("{margin} {line}"));
        }
    }
    if named && !plot.x_label.is_empty() {
        let pad = left + 1 + inner.saturating_sub(display_width(&plot.x_label)) / 2;
        lines.push(format!("{}{}", " ".repeat(pad), plot.x_label));
    }
    lines
}

/// Words around their columns, those left out that would touch others.
fn placed(words: &[(usize, String)], width: usize) -> String {
    let mut line = String::new();
    let mut used = 0;
    for (column, word) in words {
        let wide = display_width(word);
        let from =
            column.saturating_sub(if word.starts_with('┆') { 0 } else { wide / 2 }).min(width.saturating_sub(wide));
        if used == 0 || from > used {
            line.push_str(&" ".repeat(from - used));
            line.push_str(word);
            used = from + wide;
        }
    }
    line
}

fn heat(map: &HeatMap) -> String {
    let mut lines = vec![map.title.clone()];
    let shades = map.legend.iter().zip(SHADES).map(|(words, shade)| format!("{shade} {words}"));
    lines.push(shades.collect::<Vec<_>>().join("  "));
    for panel in map.panels.iter().flatten() {
        let left = panel.rows.iter().map(|row| display_width(row)).max().unwrap_or(0).max(display_width(&map.y_label));
        lines.extend([String::new(), panel.title.clone(), map.y_label.clone()]);
        for (row, cells) in panel.rows.iter().zip(&panel.cells).rev() {
            let shown = cells.iter().map(|cell| {
                let shade = super::heat::shade(map, cell.value).map_or(' ', |place| SHADES[place]);
                format!("{shade}{:>6}", cell.text)
            });
            lines.push(format!("{row:>left$}  {}", shown.collect::<Vec<_>>().join(" ")).trim_end().to_owned());
        }
        let columns: Vec<String> = panel.columns.iter().map(|column| format!(" {column:>6}")).collect();
        lines.push(format!("{}  {}  {}", " ".repeat(left), columns.join(" "), map.x_label));
    }
    lines.join("\n") + "\n"
}

fn lanes(picture: &Lanes, columns: usize) -> String {
    let spans = picture.lanes.iter().flat_map(|lane| &lane.spans);
    let x = Axis::snug(spans.flat_map(|span| [span.from, span.to]));
    let left = picture.lanes.iter().map(|lane| display_width(&lane.label)).max().unwrap_or(0);
    let notes = picture.lanes.iter().map(|lane| display_width(&lane.note)).max().unwrap_or(0);
    let inner = columns.saturating_sub(left + notes + 3).max(10);
    let blocks = ['░', '█', '▒', '▓', '#'];
    let legend = picture.phases.iter().enumerate().map(|(k, name)| format!("{} {name}", blocks[k % blocks.len()]));
    let mut lines = vec![picture.title.clone(), legend.collect::<Vec<_>>().join("  ")];
    for lane in &picture.lanes {
        let mut row = vec![' '; inner];
        for span in lane.spans.iter().filter(|span| span.from.is_finite() && span.to.is_finite()) {
            let place = |at: f64| ((x.part(at) * inner as f64).round() as usize).min(inner);
            let (from, to) = (place(span.from).min(inner - 1), place(span.to));
            row[from..to.max(from + 1)].fill(blocks[span.phase % blocks.len()]);
        }
        let row: String = row.into_iter().collect();
        let row =
            if lane.note.is_empty() { row.trim_end().to_owned() } else { format!("{} {}", row.trim_end(), lane.note) };
        lines.push(format!("{:>left$} │{row}", lane.label).trim_end().to_owned());
    }
    let plot = Plot { x_label: picture.x_label.clone(), ..Plot::default() };
    lines.extend(foot(&plot, &x, (left + 1, inner), true));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::samples;

    #[test]
    fn pictures_on_a_terminal() {
        insta::assert_snapshot!("panels_terminal", picture_terminal(&samples::panels().into(), 80, false));
        insta::assert_snapshot!("heat_terminal", picture_terminal(&samples::heat().into(), 80, false));
        insta::assert_snapshot!("lanes_terminal", picture_terminal(&samples::lanes().into(), 80, false));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for columns in [40, 80, 133] {
            for picture in [Picture::from(samples::panels()), samples::lanes().into()] {
                let text = picture_terminal(&picture, columns, false);
                assert!(text.lines().all(|line| display_width(line) <= columns), "{columns}:\n{text}");
            }
        }
    }

    #[test]
    fn colours_only_where_there_are_any() {
        let plots = vec![Plot::new("", "x", "y").with(Series::line("a", vec![(0.0, 0.0), (1.0, 1.0)]))];
        assert!(!picture_terminal(&plots.clone().into(), 80, false).contains('\u{1b}'));
        assert!(picture_terminal(&plots.into(), 80, true).contains("\u{1b}[34m"));
    }
}
