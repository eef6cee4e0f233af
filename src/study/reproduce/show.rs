//! Tables and panels of a part.

use super::{Axis, Frame, Judged, Panel, Part, Point, Verdict};
use crate::answer::number;
use crate::answer::plot::{Plot, Series};
use crate::answer::table::{Cell, Column, Table};
use crate::study::sweep::{Datum, Side, number_cell};

/// Every cell of a part: its labels, then each quantity from every side that has it.
pub fn table(part: &Part, frame: &Frame) -> Table {
    let shown: Vec<usize> = (0..frame.columns.len()).filter(|&place| is_shown(frame, place)).collect();
    let places = part.axis.iter().enumerate().map(|(place, axis)| axis_column(axis, place, frame));
    let mut table =
        Table::new(&part.title, places.chain(shown.iter().map(|&place| column(part, frame, place))).collect());
    for (point, row) in frame.points.iter().zip(&frame.rows) {
        let labels = point.labels.iter().zip(&point.xs).map(|(label, x)| label_cell(label, *x));
        table.row(labels.chain(shown.iter().map(|&place| datum_cell(&row.cells[place]))).collect());
    }
    for note in part.notes.iter().chain(&frame.notes) {
        table.note(note);
    }
    table
}

/// A side that has nothing anywhere is not shown beside one that has; a quantity that neither has is shown once.
fn is_shown(frame: &Frame, place: usize) -> bool {
    let found = |place: usize| frame.rows.iter().any(|row| row.cells[place] != Datum::Absent(()));
    let twin = |other: usize| other != place && frame.columns[other].name == frame.columns[place].name;
    let others = || (0..frame.columns.len()).filter(|other| twin(*other));
    found(place) || others().all(|other| !found(other) && other > place)
}

fn column(part: &Part, frame: &Frame, place: usize) -> Column {
    let asked = &frame.columns[place];
    let quantity = part.quantity.iter().find(|quantity| quantity.key == asked.name);
    let (name, unit) = quantity.map_or((asked.name.as_str(), ""), |quantity| (&quantity.name, &quantity.unit));
    let shown = (0..frame.columns.len()).filter(|&other| frame.columns[other].name == asked.name);
    let both = shown.filter(|&other| is_shown(frame, other)).count() > 1;
    let name = if both { format!("{name}, {}", asked.side.name()) } else { name.to_owned() };
    let words = frame.rows.iter().any(|row| matches!(row.cells[place], Datum::Word(_)));
    if words { Column::text(&name) } else { Column::number(&name, unit) }
}

fn axis_column(axis: &Axis, place: usize, frame: &Frame) -> Column {
    let numbers = frame.points.iter().all(|point| point.labels[place].parse::<f64>().is_ok());
    if numbers || !axis.unit.is_empty() { Column::number(&axis.name, &axis.unit) } else { Column::text(&axis.name) }
}

/// A label that is a number is written as one, so that CSV can be read as such.
fn label_cell(label: &str, x: Option<f64>) -> Cell {
    match x.filter(|_| label.parse::<f64>().is_ok()) {
        Some(x) if x.fract() == 0.0 && (0.0..1e15).contains(&x) => Cell::Count(x as u64),
        Some(x) => Cell::digits(x, label.trim_start_matches(['0', '.', '-']).len().clamp(1, 12)),
        None => Cell::text(label),
    }
}

/// Numbers of theory and of single paths with the digits that published figures have.
fn datum_cell(datum: &Datum) -> Cell {
    match datum {
        Datum::Number(value) => number_cell(*value, 6),
        other => other.cell(),
    }
}

/// Published, ours and why they differ, a row for each published figure; none when there is none.
pub fn comparison(part: &Part, judged: &[Judged]) -> Option<Table> {
    if judged.is_empty() {
        return None;
    }
    let theory = judged.iter().any(|row| row.theory.is_some());
    let mut columns: Vec<Column> = part.axis.iter().map(|axis| Column::text(&axis.name)).collect();
    columns.extend([Column::text("quantity"), Column::number("published", ""), Column::number("ours", "")]);
    columns.extend(theory.then(|| Column::number("theory", "")));
    columns.extend([Column::number("difference", ""), Column::text("verdict"), Column::text("why")]);
    let mut table = Table::new(&format!("{}: published and ours", part.title), columns);
    let mut reasons: Vec<&str> = Vec::new();
    let mut places: Vec<&str> = Vec::new();
    for row in judged {
        let quantity = part.quantity.iter().find(|quantity| quantity.key == row.quantity);
        let named = quantity.map_or(row.quantity.clone(), |quantity| {
            if quantity.unit.is_empty() {
                quantity.name.clone()
            } else {
                format!("{} ({})", quantity.name, quantity.unit)
            }
        });
        let difference = row.ours.as_ref().and_then(Datum::value).map(|ours| ours / row.published - 1.0);
        let difference = difference.filter(|share| share.is_finite());
        let mut cells: Vec<Cell> = row.labels.iter().map(Cell::text).collect();
        cells.extend([Cell::text(named), Cell::digits(row.published, 6)]);
        cells.push(row.ours.as_ref().map_or(Cell::Absent, datum_cell));
        cells.extend(theory.then(|| row.theory.as_ref().map_or(Cell::Absent, datum_cell)));
        cells.push(difference.map_or(Cell::Absent, |share| Cell::text(number::percent(share))));
        cells.push(Cell::text(row.verdict.name()));
        cells.push(reason(&mut reasons, &row.why));
        table.row(cells);
        if !places.contains(&row.place.as_str()) {
            places.push(&row.place);
        }
    }
    table.note(format!("Published in {}.", places.join("; ")));
    for (index, why) in reasons.iter().enumerate() {
        table.note(format!("({}) {why}", index + 1));
    }
    let differing = judged.iter().filter(|row| row.verdict == Verdict::Differs).count();
    if differing > 0 {
        table.note(format!("{differing} figures that must agree do not."));
    }
    Some(table)
}

/// The number of a reason, which is told once below the table.
fn reason<'a>(reasons: &mut Vec<&'a str>, why: &'a str) -> Cell {
    if why.is_empty() {
        return Cell::Absent;
    }
    let index = reasons.iter().position(|known| *known == why).unwrap_or_else(|| {
        reasons.push(why);
        reasons.len() - 1
    });
    Cell::text(format!("({})", index + 1))
}

/// The panels of the picture: theory as lines, the engine as dots with intervals, published figures as dots beside them.
pub fn panels(part: &Part, frame: &Frame, judged: &[Judged]) -> Vec<Plot> {
    part.figure.iter().map(|panel| plot(part, frame, judged, panel)).collect()
}

fn plot(part: &Part, frame: &Frame, judged: &[Judged], panel: &Panel) -> Plot {
    let labelled = |name: &str, unit: &str| if unit.is_empty() { name.to_owned() } else { format!("{name} ({unit})") };
    let place = part.axis.iter().position(|axis| axis.name == panel.x).unwrap_or(0);
    let x_label = part.axis.get(place).map_or(String::new(), |axis| labelled(&axis.name, &axis.unit));
    let quantity = part.quantity.iter().find(|quantity| quantity.key == panel.y);
    let y_label = quantity.map_or(panel.y.clone(), |quantity| labelled(&quantity.name, &quantity.unit));
    let mut plot = Plot::new(&panel.title, &x_label, &y_label);
    (plot.log_x, plot.log_y) = (panel.log_x, panel.log_y);
    plot.marks = panel.mark.iter().map(|mark| (mark.x, mark.label.clone())).collect();
    let shown = |labels: &[String]| {
        part.axis.iter().zip(labels).all(|(axis, label)| panel.at.get(&axis.name).is_none_or(|wanted| wanted == label))
    };
    let name = |labels: &[String]| {
        let parts = part.axis.iter().zip(labels).enumerate();
        let told = parts.filter(|(index, (axis, _))| *index != place && !panel.at.contains_key(&axis.name));
        told.map(|(_, (_, label))| label.as_str()).collect::<Vec<_>>().join(", ")
    };
    let mut curves: Vec<String> = Vec::new();
    for point in frame.points.iter().filter(|point| shown(&point.labels)) {
        if !curves.contains(&name(&point.labels)) {
            curves.push(name(&point.labels));
        }
    }
    for curve in &curves {
        let of = |point: &Point| shown(&point.labels) && name(&point.labels) == *curve;
        let cells = |side: Side| -> Vec<(f64, &Datum)> {
            let rows = frame.points.iter().zip(&frame.rows).filter(|(point, _)| of(point));
            rows.filter_map(|(point, row)| Some((point.xs[place]?, frame.cell(row, &panel.y, side)?))).collect()
        };
        let dots = |cells: &[(f64, &Datum)]| -> Vec<(f64, f64)> {
            cells.iter().filter_map(|(x, datum)| Some((*x, datum.value()?))).collect()
        };
        let (theory, engine) = (dots(&cells(Side::Theory)), cells(Side::Engine));
        if !theory.is_empty() {
            plot = plot.with(Series::line(&joined(curve, "theory"), theory));
        }
        if !engine.is_empty() {
            let ends = |datum: &Datum| datum.ends().or_else(|| datum.value().map(|value| (value, value)));
            let band = engine.iter().filter_map(|(_, datum)| ends(datum)).collect();
            plot = plot.with(Series::dots(&joined(curve, "engine"), dots(&engine)).with_band(band));
        }
        let theirs =
            judged.iter().filter(|row| row.quantity == panel.y && shown(&row.labels) && name(&row.labels) == *curve);
        let dots: Vec<(f64, f64)> = theirs.filter_map(|row| Some((row.xs[place]?, row.published))).collect();
        if !dots.is_empty() {
            plot = plot.with(Series::dots(&joined(curve, "published"), dots));
        }
    }
    plot
}

fn joined(curve: &str, who: &str) -> String {
    if curve.is_empty() { who.to_owned() } else { format!("{curve}, {who}") }
}
