//! Plots as SVG: panels stacked over one x axis, in colours that colour-blind readers can tell apart (Okabe and Ito
//! 2008). Legends stand above the panels, so that they cover no data.

mod axis;
mod heat;
mod lanes;
mod thin;

use std::iter;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use axis::Axis;

pub use heat::render_heat;
pub use lanes::render_lanes;

use crate::answer::plot::{Plot, Series, Style};

/// Drawing units per shown pixel: plotters rounds to whole units, and flat curves must stay smooth.
const FINE: i32 = 4;
const WIDTH: i32 = 800 * FINE;
/// Height of a panel's axes with their labels, below its title and legend.
const BODY: i32 = 220 * FINE;
const SINGLE_BODY: i32 = 330 * FINE;
const LEFT: i32 = 78 * FINE;
const RIGHT: i32 = 20 * FINE;
const EDGE: i32 = 8 * FINE;
const FONT: i32 = 15 * FINE;
const LINE: i32 = 20 * FINE;
/// Mean width of a letter as a part of the font size given to plotters, which draws it smaller by 1.24.
const LETTER: f64 = 0.47;
const SWATCH: i32 = 25 * FINE;
const DOT: i32 = 3 * FINE;
const STROKE: u32 = 2 * FINE as u32;
const THIN: u32 = FINE as u32;

const PALETTE: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];
const GREY: RGBColor = RGBColor(120, 120, 120);
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(225, 225, 225);

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// The panels, one below the other over one x axis, as the text of an SVG file.
pub fn render_svg(plots: &[Plot]) -> String {
    let body = if plots.len() > 1 { BODY } else { SINGLE_BODY };
    let heights: Vec<i32> = plots.iter().map(|plot| Head::of(plot).height() + body).collect();
    let height = heights.iter().sum::<i32>().max(body);
    to_svg(WIDTH, height, |backend| draw_panels(plots, &heights, backend))
}

/// The text of an SVG file of that size in drawing units.
fn to_svg(width: i32, height: i32, draw: impl FnOnce(SVGBackend) -> Drawn) -> String {
    let (width, height) = (width as u32, height as u32);
    let mut svg = String::new();
    let drawn = draw(SVGBackend::with_string(&mut svg, (width, height)));
    if let Err(error) = drawn {
        // Drawing into a string does not fail; should it, the reader sees why instead of an empty picture.
        return format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\"><text y=\"20\">cannot be drawn: {error}</text></svg>\n"
        );
    }
    let fine = FINE as u32;
    let (full, shown) = (size(width, height), size(width / fine, height / fine));
    svg.replacen(&full, &shown, 1)
}

fn size(width: u32, height: u32) -> String {
    format!("width=\"{width}\" height=\"{height}\"")
}

fn draw_panels(plots: &[Plot], heights: &[i32], backend: SVGBackend) -> Drawn {
    let root = backend.into_drawing_area();
    root.fill(&WHITE)?;
    let finite_x = |plot: &Plot| -> Vec<f64> {
        let points = plot.series.iter().flat_map(|series| series.points.iter().map(|point| point.0));
        points.chain(plot.marks.iter().map(|mark| mark.0)).collect()
    };
    let values = plots.iter().flat_map(finite_x);
    let log_x = plots.first().is_some_and(|plot| plot.log_x);
    let x = if log_x { Axis::logarithmic(values) } else { Axis::snug(values) };
    let mut rest = root.clone();
    for (k, (plot, &height)) in plots.iter().zip(heights).enumerate() {
        let (area, below) = rest.split_vertically(height);
        rest = below;
        // The label of x stands under the last panel unless the panels disagree on it.
        let shared = plots.get(k + 1).is_some_and(|next| next.x_label == plot.x_label);
        draw_panel(&area, plot, &x, !shared)?;
    }
    root.present()?;
    Ok(())
}

fn draw_panel(area: &Canvas, plot: &Plot, x: &Axis, label_x: bool) -> Drawn {
    let head = Head::of(plot);
    if head.title_lines > 0 {
        let bold = ("sans-serif", FONT + 2 * FINE).into_font().style(FontStyle::Bold);
        area.draw(&Text::new(plot.title.clone(), (LEFT, EDGE), bold.color(&INK)))?;
    }
    for (line, row) in head.legend.iter().enumerate() {
        draw_legend_row(area, row, EDGE + LINE * (head.title_lines + line as i32) + LINE / 2)?;
    }
    let (_, body) = area.split_vertically(head.height());
    let y = y_axis(plot);
    let mut builder = ChartBuilder::on(&body);
    builder.margin_left(EDGE).margin_right(RIGHT).margin_bottom(EDGE);
    builder.set_label_area_size(LabelAreaPosition::Left, LEFT - EDGE);
    builder.set_label_area_size(LabelAreaPosition::Bottom, FINE * if label_x { 44 } else { 26 });
    let mut chart = builder.build_cartesian_2d(x.clone(), y.clone())?;
    draw_mesh(&mut chart, plot, label_x)?;
    for (series, colour) in plot.series.iter().zip(colours(plot)) {
        draw_series(&mut chart, series, colour, (x, &y))?;
    }
    draw_marks(area, &mut chart, plot, (&y, head.height()))
}

/// What stands above the axes of a panel: title, rows of the legend, and a line for the label of each mark.
struct Head {
    title_lines: i32,
    legend: Vec<Vec<Entry>>,
    mark_lines: i32,
}

impl Head {
    fn of(plot: &Plot) -> Self {
        Self {
            title_lines: i32::from(!plot.title.is_empty()),
            legend: legend_rows(legend_entries(plot), WIDTH - LEFT - RIGHT),
            mark_lines: plot.marks.iter().filter(|mark| mark.0.is_finite()).count() as i32,
        }
    }

    fn height(&self) -> i32 {
        2 * EDGE + LINE * (self.title_lines + self.legend.len() as i32 + self.mark_lines)
    }
}

fn y_axis(plot: &Plot) -> Axis {
    let values = plot.series.iter().flat_map(|series| {
        let ends = series.band.iter().flatten().flat_map(|&(low, high)| [low, high]);
        series.points.iter().map(|point| point.1).chain(ends)
    });
    if plot.log_y { Axis::logarithmic(values) } else { Axis::round(values) }
}

fn draw_mesh(chart: &mut Chart, plot: &Plot, label_x: bool) -> Drawn {
    let font = ("sans-serif", FONT - 2 * FINE).into_font().color(&INK);
    chart
        .configure_mesh()
        .set_all_tick_mark_size(4 * FINE)
        .bold_line_style(GRID.stroke_width(THIN))
        .light_line_style(TRANSPARENT)
        .axis_style(INK.stroke_width(THIN))
        .label_style(font)
        .axis_desc_style(("sans-serif", FONT).into_font().color(&INK))
        .x_desc(if label_x { plot.x_label.as_str() } else { "" })
        .y_desc(plot.y_label.as_str())
        .draw()?;
    Ok(())
}

fn draw_series(chart: &mut Chart, series: &Series, colour: RGBColor, (x, y): (&Axis, &Axis)) -> Drawn {
    let place = |&(at, value): &(f64, f64)| Some((x.place(at)?, y.place(value)?));
    draw_band(chart, series, colour, (x, y))?;
    if series.style == Style::Points {
        let dots = series.points.iter().filter_map(place).map(|dot| Circle::new(dot, DOT, colour.filled()));
        chart.draw_series(dots)?;
        return Ok(());
    }
    let stroke = match series.style {
        Style::Faint => colour.mix(0.4).stroke_width(THIN),
        _ => colour.stroke_width(STROKE),
    };
    let placed: Vec<Option<(f64, f64)>> = series.points.iter().map(place).collect();
    for run in placed.split(Option::is_none).filter(|run| !run.is_empty()) {
        let run = thin::thinned(&run.iter().flatten().copied().collect::<Vec<_>>(), x.low..x.high, WIDTH as usize);
        if let [single] = run[..] {
            chart.draw_series(iter::once(Circle::new(single, DOT / 2, colour.filled())))?;
        }
        chart.draw_series(iter::once(PathElement::new(run, stroke)))?;
    }
    Ok(())
}

/// Shade around a line, bars through dots. A lower end without a place, such as 0 on a logarithmic axis, is at the
/// bottom.
fn draw_band(chart: &mut Chart, series: &Series, colour: RGBColor, (x, y): (&Axis, &Axis)) -> Drawn {
    let Some(band) = &series.band else {
        return Ok(());
    };
    let place = |(&(at, value), &(low, high)): (&(f64, f64), &(f64, f64))| {
        y.place(value)?;
        let low = if low.is_finite() { y.place(low).unwrap_or(y.low) } else { return None };
        Some((x.place(at)?, low, y.place(high)?))
    };
    let placed: Vec<Option<(f64, f64, f64)>> = series.points.iter().zip(band).map(place).collect();
    if series.style == Style::Points {
        for &(at, low, high) in placed.iter().flatten() {
            chart.draw_series(iter::once(PathElement::new(
                vec![(at, low), (at, high)],
                colour.stroke_width(3 * THIN / 2),
            )))?;
        }
        return Ok(());
    }
    for run in placed.split(Option::is_none).filter(|run| run.len() > 1) {
        let ends: Vec<(f64, f64, f64)> = run.iter().flatten().copied().collect();
        let above = ends.iter().map(|&(at, _, high)| (at, high));
        let below = ends.iter().rev().map(|&(at, low, _)| (at, low));
        let outline: Vec<(f64, f64)> = above.chain(below).collect();
        chart.draw_series(iter::once(Polygon::new(outline, colour.mix(0.2).filled())))?;
    }
    Ok(())
}

fn draw_marks(area: &Canvas, chart: &mut Chart, plot: &Plot, (y, head): (&Axis, i32)) -> Drawn {
    for (line, (at, label)) in plot.marks.iter().filter(|mark| mark.0.is_finite()).enumerate() {
        let ends = [(*at, y.low), (*at, y.high)];
        chart.draw_series(DashedLineSeries::new(ends, 6 * FINE, 4 * FINE, INK.stroke_width(3 * THIN / 2)))?;
        let column = chart.backend_coord(&(*at, y.high)).0 - area.get_base_pixel().0;
        // A label in the middle of a mark near the right edge would leave the picture.
        let half = text_width(label) / 2;
        let column = column.min(WIDTH - EDGE - half);
        let style = small_font().pos(Pos::new(HPos::Center, VPos::Bottom));
        area.draw(&Text::new(label.clone(), (column, head - EDGE / 2 - LINE * line as i32), style))?;
    }
    Ok(())
}

fn small_font() -> TextStyle<'static> {
    ("sans-serif", FONT - FINE).into_font().color(&INK)
}

fn text_width(text: &str) -> i32 {
    (text.chars().count() as f64 * f64::from(FONT - FINE) * LETTER) as i32
}

/// A colour per series: grey for faint ones, one from the palette for each name of the others.
fn colours(plot: &Plot) -> Vec<RGBColor> {
    let mut names: Vec<&str> = Vec::new();
    plot.series
        .iter()
        .map(|series| {
            if series.style == Style::Faint {
                return GREY;
            }
            let known = names.iter().position(|name| !name.is_empty() && *name == series.name);
            let place = known.unwrap_or_else(|| {
                names.push(&series.name);
                names.len() - 1
            });
            PALETTE[place % PALETTE.len()]
        })
        .collect()
}

struct Entry {
    name: String,
    colour: RGBColor,
    line: bool,
    dots: bool,
    faint: bool,
}

impl Entry {
    fn width(&self) -> i32 {
        SWATCH + 6 * FINE + text_width(&self.name) + LINE
    }
}

/// One entry per name, in order of appearance; a name drawn both as dots and as a line shows both.
fn legend_entries(plot: &Plot) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (series, colour) in plot.series.iter().zip(colours(plot)).filter(|(series, _)| !series.name.is_empty()) {
        let faint = series.style == Style::Faint;
        let dots = series.style == Style::Points;
        match entries.iter_mut().find(|entry| entry.name == series.name && entry.faint == faint) {
            Some(entry) => {
                entry.dots |= dots;
                entry.line |= !dots;
            }
            None => entries.push(Entry { name: series.name.clone(), colour, line: !dots, dots, faint }),
        }
    }
    entries
}

/// The entries in rows no wider than `width`.
fn legend_rows(entries: Vec<Entry>, width: i32) -> Vec<Vec<Entry>> {
    let mut rows: Vec<(i32, Vec<Entry>)> = Vec::new();
    for entry in entries {
        match rows.last_mut() {
            Some((used, row)) if *used + entry.width() <= width => {
                *used += entry.width();
                row.push(entry);
            }
            _ => rows.push((entry.width(), vec![entry])),
        }
    }
    rows.into_iter().map(|(_, row)| row).collect()
}

fn draw_legend_row(area: &Canvas, row: &[Entry], middle: i32) -> Drawn {
    let anchor = Pos::new(HPos::Left, VPos::Center);
    let mut left = LEFT;
    for entry in row {
        let stroke =
            if entry.faint { entry.colour.mix(0.4).stroke_width(THIN) } else { entry.colour.stroke_width(STROKE) };
        if entry.line {
            area.draw(&PathElement::new(vec![(left, middle), (left + SWATCH, middle)], stroke))?;
        }
        if entry.dots {
            area.draw(&Circle::new((left + SWATCH / 2, middle), DOT, entry.colour.filled()))?;
        }
        let style = small_font().pos(anchor);
        area.draw(&Text::new(entry.name.clone(), (left + SWATCH + 6 * FINE, middle), style))?;
        left += entry.width();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(shift: f64) -> Vec<(f64, f64)> {
        (0..50).map(|k| (f64::from(k) / 5.0, 2.0 + (f64::from(k) / 5.0 + shift).sin())).collect()
    }

    #[test]
    fn a_figure_holds_its_words_once() {
        let band = wave(0.0).iter().map(|point| (point.1 - 0.2, point.1 + 0.2)).collect();
        let upper = Plot::new("Waiting", "time (s)", "requests")
            .with(Series::faint("trials", wave(0.3)))
            .with(Series::faint("trials", wave(0.6)))
            .with(Series::line("fluid", wave(0.0)).with_band(band))
            .with_mark(4.0, "λ*");
        let lower = Plot::new("", "time (s)", "tokens").with(Series::dots("simulated", wave(1.0))).with_log_y();
        let svg = render_svg(&[upper, lower]);
        for (word, times) in [("trials", 1), ("fluid", 1), ("simulated", 1), ("time (s)", 1), ("λ*", 1), ("tokens", 1)]
        {
            assert_eq!(svg.matches(&format!("\n{word}\n")).count(), times, "{word}");
        }
        assert!(svg.contains("width=\"800\" height=\"552\" viewBox=\"0 0 3200 2208\""), "{}", &svg[..120]);
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        let broken = vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, f64::INFINITY), (3.0, 2.0), (4.0, 2.5)];
        let band = vec![(0.5, 1.5), (f64::NAN, 1.0), (0.0, 1.0), (1.0, 3.0), (0.0, f64::INFINITY)];
        let plot = Plot::new("", "x", "y").with(Series::line("a", broken).with_band(band)).with_mark(f64::NAN, "m");
        let svg = render_svg(std::slice::from_ref(&plot));
        assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("-2147483648"), "{svg}");
        let empty = Plot::new("nothing", "x", "y").with(Series::line("none", vec![])).with_log_y();
        assert!(render_svg(&[empty]).contains("nothing"));
        assert!(render_svg(&[]).starts_with("<svg"));
    }

    #[test]
    fn one_name_has_one_colour() {
        let plot = Plot::new("", "x", "y")
            .with(Series::line("a", wave(0.0)))
            .with(Series::line("b", wave(1.0)))
            .with(Series::dots("a", wave(0.0)));
        let found = colours(&plot);
        assert!(found[0] == found[2] && found[0] != found[1]);
        let entries = legend_entries(&plot);
        assert_eq!(entries.len(), 2);
        assert!(entries[0].line && entries[0].dots && !entries[1].dots);
    }

    #[test]
    fn a_long_legend_takes_more_rows() {
        let many = (0..12).map(|k| Series::line(&format!("a rather long name {k}"), wave(f64::from(k))));
        let plot = Plot { series: many.collect(), ..Plot::default() };
        let entries = legend_entries(&plot);
        let rows = legend_rows(entries, 700 * FINE);
        assert!(
            rows.len() > 2 && rows.iter().all(|row| row.iter().map(super::Entry::width).sum::<i32>() <= 700 * FINE)
        );
    }
}
