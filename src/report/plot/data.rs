//! What is drawn, as a table of its own: one row per point, with what and in which panel it is.

use super::super::csv::table_csv;
use crate::answer::plot::{HeatMap, Lanes, Picture, Plot, Style};
use crate::answer::table::{Cell, Column, Table};

/// The data of a picture as CSV, numbers in full.
pub(super) fn picture_csv(picture: &Picture) -> String {
    table_csv(&match picture {
        Picture::Panels(plots) => panels(plots),
        Picture::Heat(map) => heat(map),
        Picture::Lanes(picture) => lanes(picture),
    })
}

/// A point that is interrupted has no y; a mark has no y either.
fn panels(plots: &[Plot]) -> Table {
    let columns = ["panel", "series", "kind", "x_label", "x", "y_label", "y", "low", "high"];
    let mut table = Table::new("", columns.map(Column::text).to_vec());
    for plot in plots {
        let place = |x: f64| match plot.categories.get(x as usize).filter(|_| x >= 0.0 && x.fract() == 0.0) {
            Some(name) => Cell::text(name.clone()),
            None => Cell::number(x),
        };
        for series in &plot.series {
            for (k, &(x, y)) in series.points.iter().enumerate() {
                let ends = series.band.as_ref().and_then(|band| band.get(k)).map_or((f64::NAN, f64::NAN), |ends| *ends);
                table.row(vec![
                    Cell::text(&*plot.title),
                    Cell::text(&*series.name),
                    Cell::text(kind(series.style)),
                    Cell::text(&*plot.x_label),
                    place(x),
                    Cell::text(&*plot.y_label),
                    Cell::number(y),
                    Cell::number(ends.0),
                    Cell::number(ends.1),
                ]);
            }
        }
        for (x, label) in &plot.marks {
            let words = [&plot.title, label].map(|words| Cell::text(&**words));
            let mut row = words.to_vec();
            row.extend([Cell::text("mark"), Cell::text(&*plot.x_label), place(*x), Cell::text(&*plot.y_label)]);
            table.row(row);
        }
    }
    table
}

fn kind(style: Style) -> &'static str {
    match style {
        Style::Line => "line",
        Style::Points => "points",
        Style::Faint => "faint",
        Style::Step => "step",
        Style::Bars => "bars",
    }
}

fn heat(map: &HeatMap) -> Table {
    let columns = ["panel", &map.x_label, &map.y_label, "value", "shown"];
    let mut table = Table::new("", columns.map(Column::text).to_vec());
    for panel in map.panels.iter().flatten() {
        for (row, cells) in panel.rows.iter().zip(&panel.cells) {
            for (column, cell) in panel.columns.iter().zip(cells) {
                let words = [&panel.title, column, row].map(|words| Cell::text(&**words));
                table.row(words.into_iter().chain([Cell::maybe(cell.value), Cell::text(&*cell.text)]).collect());
            }
        }
    }
    table
}

fn lanes(picture: &Lanes) -> Table {
    let columns = ["lane", "phase", "from", "to", "note"].map(Column::text);
    let mut table = Table::new("", columns.to_vec());
    for lane in &picture.lanes {
        for span in &lane.spans {
            let phase = picture.phases.get(span.phase).map_or("", String::as_str);
            table.row(vec![
                Cell::text(&*lane.label),
                Cell::text(phase),
                Cell::number(span.from),
                Cell::number(span.to),
                Cell::text(&*lane.note),
            ]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::plot::Series;
    use crate::report::plot::samples;

    #[test]
    fn every_point_has_its_row() {
        let text = picture_csv(&samples::panels().into());
        insta::assert_snapshot!("panels_csv", text);
        let points: usize = samples::panels().iter().flat_map(|plot| &plot.series).map(|one| one.points.len()).sum();
        assert_eq!(text.lines().count(), 1 + points + 1);
        insta::assert_snapshot!("heat_csv", picture_csv(&samples::heat().into()));
        insta::assert_snapshot!("lanes_csv", picture_csv(&samples::lanes().into()));
    }

    #[test]
    fn named_places_stand_by_name() {
        let plot = Plot::new("", "policy", "rate")
            .with(Series::bars("a", vec![(0.0, 1.0), (1.0, 2.0)]))
            .with_categories(&["fcfs", "orca"]);
        let text = picture_csv(&vec![plot].into());
        assert!(text.contains(",a,bars,policy,fcfs,rate,1.0,") && text.contains(",orca,rate,2.0,"), "{text}");
    }
}
