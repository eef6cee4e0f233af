//! Heat maps side by side: cells in shades of one hue that stay apart in grey, each with its number, under one legend.

use super::svg::{Anchor, Svg, text_width};
use super::theme::{HEAT, Theme};
use super::{EDGE, LINE};
use crate::answer::plot::{Heat, HeatMap};

const CELL: (f64, f64) = (46.0, 28.0);
const GAP: f64 = 18.0;
const SIZE: f64 = 12.0;

/// The picture as the text of an SVG file.
pub fn render_heat(map: &HeatMap, theme: Option<Theme>) -> String {
    let columns = map.panels.iter().map(Vec::len).max().unwrap_or(0) as f64;
    let panels = || map.panels.iter().flatten();
    let most = |count: fn(&Heat) -> usize| panels().map(count).max().unwrap_or(0) as f64;
    let (width, height) = (most(|panel| panel.columns.len()) * CELL.0, most(|panel| panel.rows.len()) * CELL.1);
    let labels = panels().flat_map(|panel| &panel.rows).map(|label| text_width(label, SIZE));
    let left = 2.0 * EDGE + labels.fold(20.0, f64::max);
    let step = height + 3.0 * LINE;
    let head = EDGE + 2.0 * LINE;
    let mut svg = Svg::default();
    let legend_end = draw_head(&mut svg, map);
    for (row, panels) in map.panels.iter().enumerate() {
        let top = head + row as f64 * step + 1.5 * LINE;
        svg.text("lesser", (EDGE, top - 8.0), Anchor::Start, &map.y_label);
        for (column, panel) in panels.iter().enumerate() {
            draw_panel(&mut svg, map, panel, (left + column as f64 * (width + GAP), top), column == 0);
        }
    }
    let end = head + map.panels.len() as f64 * step;
    let middle = left + (columns * (width + GAP) - GAP) / 2.0;
    svg.text("lesser", (middle, end + 14.0), Anchor::Middle, &map.x_label);
    let across = (left + columns * (width + GAP) - GAP + EDGE).max(legend_end + EDGE);
    svg.whole(&map.title, (across.max(EDGE + text_width(&map.title, 16.0)), end + LINE + EDGE), theme)
}

/// Shade of a value as its place, from few to much.
pub(super) fn shade(map: &HeatMap, value: Option<f64>) -> Option<usize> {
    let value = value?;
    Some(map.edges.iter().take_while(|&&edge| value > edge).count().min(HEAT.len() - 1))
}

/// Title and legend; where the legend ends.
fn draw_head(svg: &mut Svg, map: &HeatMap) -> f64 {
    svg.text("title", (EDGE, EDGE + LINE / 2.0 + 5.0), Anchor::Start, &map.title);
    let mut left = EDGE;
    let middle = EDGE + 1.5 * LINE + 2.0;
    let shades = map.legend.iter().enumerate().map(|(k, text)| (text, format!("h{}", k.min(HEAT.len() - 1))));
    for (text, class) in shades.chain([(&map.absent, "none".to_owned())]) {
        svg.rect(&class, (left, middle - 7.0), (22.0, 14.0), 3.0);
        svg.text("lesser", (left + 28.0, middle + 4.0), Anchor::Start, text);
        left += 28.0 + text_width(text, SIZE) + 16.0;
    }
    left
}

fn draw_panel(svg: &mut Svg, map: &HeatMap, panel: &Heat, (left, top): (f64, f64), label_rows: bool) {
    let high = panel.rows.len() as f64;
    let middle = left + panel.columns.len() as f64 * CELL.0 / 2.0;
    svg.text("ink", (middle, top - 8.0), Anchor::Middle, &panel.title);
    for (row, cells) in panel.cells.iter().enumerate() {
        let y = top + (high - 1.0 - row as f64) * CELL.1;
        let baseline = y + CELL.1 / 2.0 + 4.0;
        if let Some(label) = panel.rows.get(row).filter(|_| label_rows) {
            svg.text("lesser", (left - 7.0, baseline), Anchor::End, label);
        }
        for (column, cell) in cells.iter().enumerate() {
            let x = left + column as f64 * CELL.0;
            let (ground, words) = shade(map, cell.value)
                .map_or(("none".to_owned(), "lesser".to_owned()), |place| (format!("h{place}"), format!("hw{place}")));
            svg.rect(&ground, (x + 1.0, y + 1.0), (CELL.0 - 2.0, CELL.1 - 2.0), 3.0);
            svg.text(&words, (x + CELL.0 / 2.0, baseline), Anchor::Middle, &cell.text);
        }
    }
    for (column, label) in panel.columns.iter().enumerate() {
        let place = (left + (column as f64 + 0.5) * CELL.0, top + high * CELL.1 + 16.0);
        svg.text("lesser", place, Anchor::Middle, label);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::samples::heat;

    #[test]
    fn cells_have_a_shade_and_their_number() {
        let map = heat();
        let svg = render_heat(&map, Some(Theme::Light));
        for word in ["cv 1", "0.3", "6000", "0.2", "none", "λ/λ*", "KV tokens", "no figure"] {
            assert_eq!(svg.matches(&format!(">{word}<")).count(), 1, "{word}");
        }
        let places = [Some(0.5), Some(0.01), None].map(|value| shade(&map, value));
        assert_eq!(places, [Some(4), Some(0), None]);
    }
}
