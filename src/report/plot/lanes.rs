//! Lives as lanes over one time axis: one row per life, one bar per phase.

use super::axis::Axis;
use super::svg::{Anchor, Svg, text_width};
use super::theme::Theme;
use super::{EDGE, LINE};
use crate::answer::plot::{Lane, Lanes};

/// Height of one lane, and of its bar.
const LANE: f64 = 18.0;
const BAR: f64 = 11.0;
const SIZE: f64 = 12.0;

/// The class of a phase's colour: the first, that of waiting, is neutral.
pub(super) fn phase_class(phase: usize) -> String {
    match phase {
        0 => "neutral".to_owned(),
        k => format!("c{}", (k - 1) % super::theme::COLOURS),
    }
}

/// The lanes as the text of an SVG file.
pub fn render_lanes(picture: &Lanes, theme: Option<Theme>, whole: f64) -> String {
    let lanes = &picture.lanes;
    let mut svg = Svg::default();
    svg.text("title", (EDGE, EDGE + LINE / 2.0 + 5.0), Anchor::Start, &picture.title);
    let mut at = EDGE;
    for (phase, name) in picture.phases.iter().enumerate() {
        let middle = EDGE + 1.5 * LINE + 2.0;
        svg.rect(&format!("fill {}", phase_class(phase)), (at, middle - BAR / 2.0), (22.0, BAR), 2.0);
        svg.text("ink", (at + 28.0, middle + 4.0), Anchor::Start, name);
        at += 28.0 + text_width(name, SIZE) + 18.0;
    }
    let top = EDGE + 2.0 * LINE + 12.0;
    let left = 2.0 * EDGE + lanes.iter().map(|lane| text_width(&lane.label, SIZE)).fold(10.0, f64::max);
    let notes = lanes.iter().map(|lane| text_width(&lane.note, SIZE)).fold(0.0, f64::max);
    let width = whole - left - EDGE - 6.0 - notes.max(10.0);
    let ends = lanes.iter().flat_map(|lane| lane.spans.iter().flat_map(|span| [span.from, span.to]));
    let x = Axis::snug(ends);
    let bottom = top + LANE * lanes.len().max(1) as f64 + 4.0;
    for &tick in &x.ticks {
        let at = left + width * x.part(tick);
        svg.path("grid", &[(at, top), (at, bottom)]);
        svg.path("axis", &[(at, bottom), (at, bottom + 5.0)]);
        svg.text("lesser", (at, bottom + 18.0), Anchor::Middle, &x.label(tick));
    }
    svg.path("axis", &[(left, bottom), (left + width, bottom)]);
    svg.text("lesser", (left + width / 2.0, bottom + 38.0), Anchor::Middle, &picture.x_label);
    for (row, lane) in lanes.iter().enumerate() {
        draw_lane(&mut svg, lane, &x, (left, width), top + LANE * (row as f64 + 0.5));
    }
    svg.whole(&picture.title, (whole, bottom + 38.0 + EDGE), theme)
}

fn draw_lane(svg: &mut Svg, lane: &Lane, x: &Axis, (left, width): (f64, f64), middle: f64) {
    svg.text("lesser", (left - 7.0, middle + 4.0), Anchor::End, &lane.label);
    let place = |at: f64| left + width * x.part(at);
    for span in lane.spans.iter().filter(|span| span.from.is_finite() && span.to.is_finite()) {
        let (from, to) = (place(span.from), place(span.to));
        let class = format!("fill {}", phase_class(span.phase));
        svg.rect(&class, (from, middle - BAR / 2.0), ((to - from).max(0.3), BAR), 1.5_f64.min((to - from) / 2.0));
    }
    if let Some(last) = lane.spans.last().filter(|_| !lane.note.is_empty()) {
        svg.text("lesser", (place(last.to) + 5.0, middle + 4.0), Anchor::Start, &lane.note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::samples::lanes;

    #[test]
    fn every_life_has_its_lane_and_its_note() {
        let svg = render_lanes(&lanes(), Some(Theme::Light), 760.0);
        for word in ["time (s)", "waiting", "executing", "r1", "r2", "S:2"] {
            assert_eq!(svg.matches(&format!(">{word}<")).count(), 1, "{word}");
        }
        assert_eq!((svg.matches("fill neutral").count(), svg.matches("fill c0").count()), (3, 3));
        assert!(render_lanes(&Lanes { title: "none".into(), ..Lanes::default() }, None, 760.0).contains(">none<"));
    }
}
