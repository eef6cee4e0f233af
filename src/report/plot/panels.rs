//! Panels with axes, one below the other; those with the same label of x share its axis.

use super::axis::Axis;
use super::labels::{
    EndLabel, Entry, class, colours, draw_end_labels, draw_legend_row, end_labels, entries, legend_rows,
};
use super::svg::{Anchor, Svg, text_width};
use super::theme::Theme;
use super::thin::thinned;
use super::{EDGE, LINE};
use crate::answer::plot::{Plot, Series, Style};

/// Height of a panel's axes: among others, and alone.
const BODY: f64 = 170.0;
const SINGLE_BODY: f64 = 320.0;
const TICK_SIZE: f64 = 12.0;
/// Below the axes: labels of the ticks, then what x is.
const TICKS: f64 = 24.0;
const NAME: f64 = 20.0;
const RIGHT: f64 = 24.0;
/// More dots than this are a cloud.
const CLOUD: usize = 250;

/// Where the axes of a panel stand, in pixels.
struct Frame<'a> {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    x: &'a Axis,
    y: &'a Axis,
}

impl Frame<'_> {
    fn at(&self, placed: (f64, f64)) -> (f64, f64) {
        (self.left + self.width * self.x.part(placed.0), self.top + self.height * (1.0 - self.y.part(placed.1)))
    }

    fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

/// What stands above the axes of a panel.
struct Head {
    title: bool,
    legend: Vec<Vec<Entry>>,
    marks: Vec<Vec<Mark>>,
}

/// A mark with the left end of its label.
struct Mark {
    x: f64,
    left: f64,
    label: String,
}

impl Head {
    fn height(&self) -> f64 {
        let lines = usize::from(self.title) + 1 + self.legend.len() + self.marks.len();
        EDGE + LINE * lines as f64 + 4.0
    }
}

/// The panels as the text of an SVG file.
pub fn render_panels(plots: &[Plot], theme: Option<Theme>, whole: f64) -> String {
    let body = if plots.len() > 1 { BODY } else { SINGLE_BODY };
    let x: Vec<Axis> = plots.iter().map(|plot| x_axis(plots, plot)).collect();
    let y: Vec<Axis> = plots.iter().map(y_axis).collect();
    let labels: Option<Vec<Vec<EndLabel>>> =
        plots.iter().zip(x.iter().zip(&y)).map(|(plot, (x, y))| end_labels(plot, (x, y), body)).collect();
    // On a narrow picture names beside the axes would leave little of them.
    let fits = |labels: &Vec<Vec<EndLabel>>| labels.iter().flatten().all(|label| label.width() <= whole / 4.5);
    let labels = labels.filter(fits);
    let tick =
        |axis: &Axis| axis.ticks.iter().map(|tick| text_width(&axis.label(*tick), TICK_SIZE)).fold(0.0, f64::max);
    let left = 2.0 * EDGE + y.iter().map(tick).fold(20.0, f64::max);
    let widest = labels.iter().flatten().flatten().map(EndLabel::width).fold(0.0, f64::max);
    let right = if widest > 0.0 { EDGE + 10.0 + widest } else { RIGHT };
    let width = whole - left - right;
    let mut svg = Svg::default();
    let mut top = 0.0;
    for (k, plot) in plots.iter().enumerate() {
        let with_legend = labels.is_none() && !(k > 0 && entries(plot) == entries(&plots[k - 1]));
        let legend = if with_legend { legend_rows(entries(plot), whole - 2.0 * EDGE) } else { Vec::new() };
        let marks = mark_rows(plot, &x[k], (left, width), whole);
        let head = Head { title: !plot.title.is_empty(), legend, marks };
        let frame = Frame { left, top: top + head.height(), width, height: body, x: &x[k], y: &y[k] };
        draw_head(&mut svg, plot, &head, top);
        // The label of x stands under the last panel unless the panels disagree on it.
        let named = plots.get(k + 1).is_none_or(|next| next.x_label != plot.x_label);
        draw_axes(&mut svg, plot, &frame, named);
        draw_marks(&mut svg, &head, &frame);
        for (series, colour) in plot.series.iter().zip(colours(plot)) {
            draw_series(&mut svg, series, colour, &frame);
        }
        if let Some(labels) = &labels {
            draw_end_labels(&mut svg, &labels[k], (left, frame.top), (width, body));
        }
        top = frame.bottom() + TICKS + if named { NAME } else { 0.0 };
    }
    let title = plots.first().map_or("", |plot| plot.title.as_str());
    svg.whole(title, (whole, (top + EDGE).max(4.0 * EDGE)), theme)
}

/// The x axis of a panel, which it shares with all that have the same label.
pub(super) fn x_axis(plots: &[Plot], of: &Plot) -> Axis {
    let plots = || plots.iter().filter(|plot| plot.x_label == of.x_label);
    let places = plots().map(|plot| plot.categories.len()).max().unwrap_or(0);
    if places > 0 {
        return Axis::places(places);
    }
    let values = plots().flat_map(|plot| {
        let of_series = plot.series.iter().flat_map(|series| {
            let half = bar_width(series).map_or(0.0, |width| width / 2.0);
            series.points.iter().flat_map(move |point| [point.0 - half, point.0 + half])
        });
        of_series.chain(plot.marks.iter().map(|mark| mark.0)).collect::<Vec<f64>>()
    });
    if plots().next().is_some_and(|plot| plot.log_x) { Axis::snug_logarithmic(values) } else { Axis::snug(values) }
}

pub(super) fn y_axis(plot: &Plot) -> Axis {
    let values = plot.series.iter().flat_map(|series| {
        let ends = series.band.iter().flatten().flat_map(|&(low, high)| [low, high]);
        let foot = (series.style == Style::Bars).then_some(0.0);
        series.points.iter().map(|point| point.1).chain(ends).chain(foot)
    });
    if plot.log_y { Axis::logarithmic(values) } else { Axis::round(values) }
}

/// Width of the bars of a series, from the least distance of its points; `None` of what has no bars.
fn bar_width(series: &Series) -> Option<f64> {
    let gaps = series.points.windows(2).map(|pair| (pair[1].0 - pair[0].0).abs()).filter(|gap| *gap > 0.0);
    (series.style == Style::Bars).then(|| gaps.reduce(f64::min).unwrap_or(1.0))
}

/// The marks in rows in which their labels do not meet.
fn mark_rows(plot: &Plot, x: &Axis, (left, width): (f64, f64), whole: f64) -> Vec<Vec<Mark>> {
    let mut rows: Vec<Vec<Mark>> = Vec::new();
    for (at, label) in &plot.marks {
        let Some(placed) = x.place(*at) else { continue };
        let at = left + width * x.part(placed);
        let wide = text_width(label, TICK_SIZE);
        let start = (at - wide / 2.0).clamp(EDGE, (whole - EDGE - wide).max(EDGE));
        let end_of = |mark: &Mark| mark.left + text_width(&mark.label, TICK_SIZE);
        let free =
            |row: &Vec<Mark>| row.iter().all(|mark| end_of(mark) + 10.0 <= start || start + wide + 10.0 <= mark.left);
        let mark = Mark { x: at, left: start, label: label.clone() };
        match rows.iter_mut().find(|row| free(row)) {
            Some(row) => row.push(mark),
            None => rows.push(vec![mark]),
        }
    }
    rows
}

fn draw_head(svg: &mut Svg, plot: &Plot, head: &Head, top: f64) {
    let mut middle = top + EDGE + LINE / 2.0;
    if head.title {
        svg.text("title", (EDGE, middle + 5.0), Anchor::Start, &plot.title);
        middle += LINE;
    }
    for row in &head.legend {
        draw_legend_row(svg, row, (EDGE, middle));
        middle += LINE;
    }
    svg.text("lesser", (EDGE, middle + 4.0), Anchor::Start, &plot.y_label);
}

fn draw_axes(svg: &mut Svg, plot: &Plot, frame: &Frame, named: bool) {
    let (right, bottom) = (frame.left + frame.width, frame.bottom());
    let mut lowest = f64::INFINITY;
    for &tick in &frame.y.ticks {
        let (_, y) = frame.at((frame.x.low, tick));
        svg.path("grid", &[(frame.left, y), (right, y)]);
        if y + 13.0 <= lowest {
            svg.text("lesser", (frame.left - 7.0, y + 4.0), Anchor::End, &frame.y.label(tick));
            lowest = y;
        }
    }
    svg.path("axis", &[(frame.left, bottom), (right, bottom)]);
    for place in frame.x.minor() {
        let (x, _) = frame.at((place, frame.y.low));
        svg.path("axis", &[(x, bottom), (x, bottom + 2.5)]);
    }
    let mut free = f64::NEG_INFINITY;
    for (k, &tick) in frame.x.ticks.iter().enumerate() {
        let (x, _) = frame.at((tick, frame.y.low));
        svg.path("axis", &[(x, bottom), (x, bottom + 5.0)]);
        let label = plot.categories.get(k).cloned().unwrap_or_else(|| frame.x.label(tick));
        let half = text_width(&label, TICK_SIZE) / 2.0;
        if x - half > free {
            svg.text("lesser", (x, bottom + 18.0), Anchor::Middle, &label);
            free = x + half + 4.0;
        }
    }
    if named {
        let middle = frame.left + frame.width / 2.0;
        svg.text("lesser", (middle, bottom + TICKS + 12.0), Anchor::Middle, &plot.x_label);
    }
}

fn draw_marks(svg: &mut Svg, head: &Head, frame: &Frame) {
    for (row, marks) in head.marks.iter().enumerate() {
        let y = frame.top - 7.0 - LINE * row as f64;
        for mark in marks {
            svg.path("mark", &[(mark.x, y + 3.0), (mark.x, frame.bottom())]);
            svg.text("ink", (mark.left, y), Anchor::Start, &mark.label);
        }
    }
}

fn draw_series(svg: &mut Svg, series: &Series, colour: Option<usize>, frame: &Frame) {
    let class = class('c', colour);
    draw_band(svg, series, &class, frame);
    let place = |&(at, value): &(f64, f64)| Some((frame.x.place(at)?, frame.y.place(value)?));
    match series.style {
        Style::Points => {
            let (kind, radius) = if series.points.len() > CLOUD { ("cloud", 2.0) } else { ("dot", 3.5) };
            for dot in series.points.iter().filter_map(place) {
                svg.circle(&format!("{kind} {class}"), frame.at(dot), radius);
            }
        }
        Style::Bars => draw_bars(svg, series, &class, frame),
        Style::Line | Style::Faint | Style::Step => {
            let kind = if series.style == Style::Faint { "thin" } else { "line" };
            let placed: Vec<Option<(f64, f64)>> = series.points.iter().map(place).collect();
            for run in placed.split(Option::is_none).filter(|run| !run.is_empty()) {
                let run: Vec<(f64, f64)> = run.iter().flatten().copied().collect();
                let run = if series.style == Style::Step { stepped(&run) } else { run };
                let run = thinned(&run, frame.x.low..frame.x.high, 2 * frame.width as usize);
                let run: Vec<(f64, f64)> = run.into_iter().map(|placed| frame.at(placed)).collect();
                let kind = if turns(&run) > frame.width / 2.0 { format!("{kind} dense") } else { kind.to_owned() };
                match run[..] {
                    [single] => svg.circle(&format!("dot {class}"), single, 2.5),
                    _ => svg.path(&format!("{kind} {class}"), &run),
                }
            }
        }
    }
}

/// Ups and downs of a line in heights of 20 pixels: many of them would run into one area.
fn turns(run: &[(f64, f64)]) -> f64 {
    run.windows(2).map(|pair| (pair[1].1 - pair[0].1).abs() / 20.0).sum()
}

/// The corners of a line that stays at each value until the next.
pub(super) fn stepped(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let corners = points.windows(2).flat_map(|pair| [pair[0], (pair[1].0, pair[0].1)]);
    corners.chain(points.last().copied()).collect()
}

fn draw_bars(svg: &mut Svg, series: &Series, class: &str, frame: &Frame) {
    let width = bar_width(series).unwrap_or(1.0);
    let foot = frame.y.place(0.0).unwrap_or(frame.y.low).max(frame.y.low);
    for &(at, value) in &series.points {
        let edges = (frame.x.place(at - 0.45 * width), frame.x.place(at + 0.45 * width));
        let (Some(value), (Some(from), Some(to))) = (frame.y.place(value), edges) else { continue };
        let (low, high) = (frame.at((from, value.min(foot))), frame.at((to, value.max(foot))));
        svg.rect(&format!("column {class}"), (low.0, high.1), (high.0 - low.0, low.1 - high.1), 1.0);
    }
}

/// Lower and upper end in pixels.
type Bar = ((f64, f64), (f64, f64));

/// Shade around a line, bars through dots. A lower end without a place, such as 0 on a logarithmic axis, is at the
/// bottom.
fn draw_band(svg: &mut Svg, series: &Series, class: &str, frame: &Frame) {
    let Some(band) = &series.band else { return };
    let place = |(&(at, value), &(low, high)): (&(f64, f64), &(f64, f64))| {
        frame.y.place(value)?;
        let low = if low.is_finite() { frame.y.place(low).unwrap_or(frame.y.low) } else { return None };
        let (at, high) = (frame.x.place(at)?, frame.y.place(high)?);
        Some((frame.at((at, low)), frame.at((at, high))))
    };
    let placed: Vec<Option<Bar>> = series.points.iter().zip(band).map(place).collect();
    if matches!(series.style, Style::Points | Style::Bars) {
        for &(low, high) in placed.iter().flatten() {
            let (x, reach) = (low.0, 3.0);
            let bar = [
                (x - reach, low.1),
                (x + reach, low.1),
                (x, low.1),
                (x, high.1),
                (x - reach, high.1),
                (x + reach, high.1),
            ];
            svg.path(&format!("bar {class}"), &bar);
        }
        return;
    }
    for run in placed.split(Option::is_none).filter(|run| run.len() > 1) {
        let ends: Vec<((f64, f64), (f64, f64))> = run.iter().flatten().copied().collect();
        let outline: Vec<(f64, f64)> = ends.iter().map(|end| end.1).chain(ends.iter().rev().map(|end| end.0)).collect();
        svg.area(&format!("band {class}"), &outline);
    }
}
