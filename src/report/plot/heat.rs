//! Heat maps side by side: cells in shades of one hue that stay apart in grey, each with its number, under one legend.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Canvas, Drawn, EDGE, FINE, FONT, INK, LINE, small_font, text_width, to_svg};
use crate::answer::plot::{Heat, HeatMap};

/// From light to dark: the shades of cividis, which are told apart without colour (Nuñez et al. 2018, PLOS ONE 13:e0199239).
const SHADES: [RGBColor; 5] = [
    RGBColor(255, 240, 150),
    RGBColor(221, 203, 101),
    RGBColor(148, 142, 119),
    RGBColor(82, 90, 110),
    RGBColor(0, 34, 78),
];
const NO_VALUE: RGBColor = RGBColor(235, 235, 235);
const CELL_WIDTH: i32 = 44 * FINE;
const CELL_HEIGHT: i32 = 30 * FINE;
/// Room for the labels of the rows and for their name.
const MARGIN: i32 = 92 * FINE;
const GAP: i32 = 14 * FINE;

/// The picture as the text of an SVG file.
pub fn render_heat(map: &HeatMap) -> String {
    let columns = map.panels.iter().map(Vec::len).max().unwrap_or(0) as i32;
    let (panel_width, panel_height) = panel_size(map);
    let width = MARGIN + columns * (panel_width + GAP) + EDGE;
    let head = 2 * EDGE + 3 * LINE;
    let height = head + map.panels.len() as i32 * (panel_height + 2 * LINE + GAP) + 2 * LINE;
    to_svg(width, height, |backend| {
        let root = backend.into_drawing_area();
        root.fill(&WHITE)?;
        draw_head(&root, map)?;
        for (row, panels) in map.panels.iter().enumerate() {
            let top = head + row as i32 * (panel_height + 2 * LINE + GAP) + LINE;
            for (column, panel) in panels.iter().enumerate() {
                let left = MARGIN + column as i32 * (panel_width + GAP);
                draw_panel(&root, map, panel, (left, top), column == 0)?;
            }
            let middle = (EDGE, top - LINE + EDGE / 2);
            root.draw(&Text::new(map.y_label.clone(), middle, small_font()))?;
        }
        let below = (MARGIN + columns * (panel_width + GAP) / 2, height - LINE);
        root.draw(&Text::new(map.x_label.clone(), below, centred()))?;
        root.present()?;
        Ok(())
    })
}

fn panel_size(map: &HeatMap) -> (i32, i32) {
    let most = |count: fn(&Heat) -> usize| map.panels.iter().flatten().map(count).max().unwrap_or(0) as i32;
    (most(|panel| panel.columns.len()) * CELL_WIDTH, most(|panel| panel.rows.len()) * CELL_HEIGHT)
}

fn centred() -> TextStyle<'static> {
    small_font().pos(Pos::new(HPos::Center, VPos::Center))
}

fn shade(map: &HeatMap, value: Option<f64>) -> (RGBColor, RGBColor) {
    let Some(value) = value else { return (NO_VALUE, INK) };
    let place = map.edges.iter().take_while(|&&edge| value > edge).count().min(SHADES.len() - 1);
    (SHADES[place], if place >= 3 { WHITE } else { INK })
}

fn draw_head(root: &Canvas, map: &HeatMap) -> Drawn {
    let bold = ("sans-serif", FONT + 2 * FINE).into_font().style(FontStyle::Bold);
    root.draw(&Text::new(map.title.clone(), (EDGE, EDGE), bold.color(&INK)))?;
    let mut left = EDGE;
    let top = EDGE + LINE + LINE / 2;
    let shades = map.legend.iter().zip(SHADES).map(|(text, colour)| (text.as_str(), colour));
    for (text, colour) in shades.chain([(map.absent.as_str(), NO_VALUE)]) {
        let swatch = [(left, top), (left + LINE, top + LINE * 3 / 4)];
        root.draw(&Rectangle::new(swatch, colour.filled()))?;
        root.draw(&Rectangle::new(swatch, INK.stroke_width(1)))?;
        let style = small_font().pos(Pos::new(HPos::Left, VPos::Center));
        root.draw(&Text::new(text.to_owned(), (left + LINE + EDGE, top + LINE * 3 / 8), style))?;
        left += 2 * LINE + EDGE + text_width(text);
    }
    Ok(())
}

fn draw_panel(root: &Canvas, map: &HeatMap, panel: &Heat, (left, top): (i32, i32), label_rows: bool) -> Drawn {
    let high = panel.rows.len() as i32;
    let middle = left + panel.columns.len() as i32 * CELL_WIDTH / 2;
    root.draw(&Text::new(panel.title.clone(), (middle, top - LINE / 2), centred()))?;
    for (row, cells) in panel.cells.iter().enumerate() {
        let y = top + (high - 1 - row as i32) * CELL_HEIGHT;
        if label_rows {
            let style = small_font().pos(Pos::new(HPos::Right, VPos::Center));
            root.draw(&Text::new(panel.rows[row].clone(), (left - EDGE, y + CELL_HEIGHT / 2), style))?;
        }
        for (column, cell) in cells.iter().enumerate() {
            let x = left + column as i32 * CELL_WIDTH;
            let (colour, ink) = shade(map, cell.value);
            let corners = [(x, y), (x + CELL_WIDTH - FINE, y + CELL_HEIGHT - FINE)];
            root.draw(&Rectangle::new(corners, colour.filled()))?;
            let style = ("sans-serif", FONT - 2 * FINE).into_font().color(&ink);
            let place = (x + CELL_WIDTH / 2, y + CELL_HEIGHT / 2);
            root.draw(&Text::new(cell.text.clone(), place, style.pos(Pos::new(HPos::Center, VPos::Center))))?;
        }
    }
    let below = top + high * CELL_HEIGHT + LINE / 2;
    for (column, label) in panel.columns.iter().enumerate() {
        let place = (left + column as i32 * CELL_WIDTH + CELL_WIDTH / 2, below);
        root.draw(&Text::new(label.clone(), place, centred()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::plot::HeatCell;

    #[test]
    fn cells_have_a_shade_and_their_number() {
        let cell = |value: Option<f64>, text: &str| HeatCell { value, text: text.to_owned() };
        let panel = Heat {
            title: "cv 1".into(),
            columns: vec!["0.3".into(), "0.9".into()],
            rows: vec!["6000".into()],
            cells: vec![vec![cell(Some(0.002), "0.2"), cell(None, "none")]],
        };
        let map = HeatMap {
            title: "Errors".into(),
            x_label: "load".into(),
            y_label: "memory".into(),
            edges: vec![0.01, 0.03, 0.1, 0.3],
            legend: ["1 %", "3 %", "10 %", "30 %", "more"].map(str::to_owned).into(),
            absent: "no figure".into(),
            panels: vec![vec![panel]],
        };
        let svg = render_heat(&map);
        for word in ["Errors", "cv 1", "0.3", "6000", "0.2", "none", "load", "memory", "no figure"] {
            assert_eq!(svg.matches(&format!("\n{word}\n")).count(), 1, "{word}");
        }
        assert_eq!(shade(&map, Some(0.5)), (SHADES[4], WHITE));
        assert_eq!(shade(&map, Some(0.01)).0, SHADES[0]);
    }
}
