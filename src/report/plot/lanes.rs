//! Lives as lanes over one time axis: one row per life, one bar per phase.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::{
    Canvas, Drawn, EDGE, Entry, FINE, FONT, GRID, INK, LEFT, LINE, PALETTE, RIGHT, THIN, WIDTH, draw_legend_row,
    legend_rows, small_font, text_width, to_svg,
};
use crate::answer::plot::Lane;

/// Height of one lane.
const LANE: i32 = 18 * FINE;
/// Height of the axis below the lanes.
const FOOT: i32 = 52 * FINE;
/// Part of a lane that a bar does not fill, above and below.
const GAP: f64 = 0.2;
/// Colours of the phases in order: blue, green, orange.
const PHASES: [RGBColor; 3] = [PALETTE[0], PALETTE[2], PALETTE[4]];

/// Lanes, the first on top, with a legend of the phases, as the text of an SVG file.
pub fn render_lanes(title: &str, x_label: &str, phases: &[&str], lanes: &[Lane]) -> String {
    let entries = phases.iter().enumerate().map(|(phase, name)| Entry {
        name: (*name).to_owned(),
        colour: colour(phase),
        line: true,
        dots: false,
        faint: false,
    });
    let legend = legend_rows(entries.collect(), WIDTH - LEFT - RIGHT);
    let head = 2 * EDGE + LINE * (1 + legend.len() as i32);
    let height = head + LANE * lanes.len().max(1) as i32 + FOOT;
    to_svg(WIDTH, height, |backend| {
        let root = backend.into_drawing_area();
        root.fill(&WHITE)?;
        let bold = ("sans-serif", FONT + 2 * FINE).into_font().style(FontStyle::Bold);
        root.draw(&Text::new(title.to_owned(), (LEFT, EDGE), bold.color(&INK)))?;
        for (row, entries) in legend.iter().enumerate() {
            draw_legend_row(&root, entries, EDGE + LINE * (1 + row as i32) + LINE / 2)?;
        }
        let (_, body) = root.split_vertically(head);
        draw_lanes(&body, x_label, lanes)?;
        root.present()?;
        Ok(())
    })
}

fn colour(phase: usize) -> RGBColor {
    PHASES[phase % PHASES.len()]
}

fn draw_lanes(area: &Canvas, x_label: &str, lanes: &[Lane]) -> Drawn {
    let ends = lanes.iter().flat_map(|lane| lane.spans.iter().flat_map(|span| [span.from, span.to]));
    let x = Axis::snug(ends);
    let top = lanes.len().max(1) as f64;
    let mut builder = ChartBuilder::on(area);
    builder.margin_left(EDGE).margin_right(2 * RIGHT).margin_bottom(EDGE);
    builder.set_label_area_size(LabelAreaPosition::Left, LEFT - EDGE);
    builder.set_label_area_size(LabelAreaPosition::Bottom, FOOT - EDGE);
    let mut chart = builder.build_cartesian_2d(x.clone(), 0.0..top)?;
    let font = ("sans-serif", FONT - 2 * FINE).into_font().color(&INK);
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(0)
        .set_all_tick_mark_size(4 * FINE)
        .bold_line_style(GRID.stroke_width(THIN))
        .light_line_style(TRANSPARENT)
        .axis_style(INK.stroke_width(THIN))
        .label_style(font)
        .axis_desc_style(("sans-serif", FONT).into_font().color(&INK))
        .x_desc(x_label)
        .draw()?;
    let (left, up) = area.get_base_pixel();
    for (row, lane) in lanes.iter().enumerate() {
        let low = top - 1.0 - row as f64;
        let bars = lane.spans.iter().map(|span| {
            let corners = [(span.from, low + GAP), (span.to, low + 1.0 - GAP)];
            Rectangle::new(corners, colour(span.phase).filled())
        });
        chart.draw_series(bars)?;
        let middle = chart.backend_coord(&(x.low, low + 0.5)).1 - up;
        let before = small_font().pos(Pos::new(HPos::Right, VPos::Center));
        area.draw(&Text::new(lane.label.clone(), (LEFT - EDGE, middle), before))?;
        let Some(last) = lane.spans.last().filter(|_| !lane.note.is_empty()) else { continue };
        // A note behind a bar that ends at the edge stands before the edge.
        let column = chart.backend_coord(&(last.to, low + 0.5)).0 - left + EDGE / 2;
        let column = column.min(WIDTH - EDGE / 2 - text_width(&lane.note));
        let behind = small_font().pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(lane.note.clone(), (column, middle), behind))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::plot::Span;

    #[test]
    fn every_life_has_its_lane_and_its_note() {
        let lane = |label: &str, note: &str| Lane {
            label: label.to_owned(),
            spans: vec![Span { from: 0.0, to: 1.0, phase: 0 }, Span { from: 1.0, to: 4.0, phase: 1 }],
            note: note.to_owned(),
        };
        let svg = render_lanes("Requests", "time (s)", &["waiting", "executing"], &[lane("r1", "S:2"), lane("r2", "")]);
        for word in ["Requests", "time (s)", "waiting", "executing", "r1", "r2", "S:2"] {
            assert_eq!(svg.matches(&format!("\n{word}\n")).count(), 1, "{word}");
        }
        assert!(svg.matches("#0072B2").count() >= 2 && svg.matches("#009E73").count() >= 2, "{svg}");
        assert!(render_lanes("none", "time (s)", &[], &[]).contains("none"));
    }
}
