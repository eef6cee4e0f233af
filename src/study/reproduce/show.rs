//! Tables and panels of a part.

use super::{Axis, Frame, Judged, Panel, Part, Point, Verdict};
use crate::answer::Figure;
use crate::answer::number;
use crate::answer::plot::{Plot, Series};
use crate::answer::table::{Cell, Column, Table};

/// Every cell of a part: its labels, then each quantity from every solver that has it.
pub fn table(part: &Part, frame: &Frame) -> Table {
    let mut columns: Vec<Column> = part.axis.iter().map(|axis| axis_column(axis, frame)).collect();
    let mut sources: Vec<Source<'_>> = Vec::new();
    for quantity in &part.quantity {
        let key = quantity.key.as_str();
        if frame.answers.iter().any(|answer| answer.words.contains_key(key)) {
            sources.push(Source::Words(key));
            columns.push(Column::text(&quantity.name));
            continue;
        }
        let theory = frame.answers.iter().any(|answer| answer.analytic.contains_key(key));
        let engine = frame.answers.iter().any(|answer| answer.engine.contains_key(key));
        let name = |who: &str| if theory && engine { format!("{}, {who}", quantity.name) } else { quantity.name.clone() };
        if theory || !engine {
            sources.push(Source::Theory(key));
            columns.push(Column::number(&name("theory"), &quantity.unit));
        }
        if engine {
            sources.push(Source::Engine(key));
            columns.push(Column::number(&name("engine"), &quantity.unit));
        }
    }
    let mut table = Table::new(&part.title, columns);
    for (point, answer) in frame.points.iter().zip(&frame.answers) {
        let labels = point.labels.iter().zip(&point.xs).map(|(label, x)| label_cell(label, *x));
        let cells = sources.iter().map(|source| match source {
            Source::Words(key) => answer.words.get(*key).map_or(Cell::Absent, Cell::text),
            Source::Theory(key) => answer.analytic.get(*key).map_or(Cell::Absent, figure_cell),
            Source::Engine(key) => answer.engine.get(*key).map_or(Cell::Absent, figure_cell),
        });
        table.row(labels.chain(cells).collect());
    }
    part.notes.iter().for_each(|note| drop(table.note(note)));
    frame.missing.iter().for_each(|why| drop(table.note(format!("Left out: {why}."))));
    let mut said: Vec<&String> = Vec::new();
    for note in frame.answers.iter().flat_map(|answer| &answer.notes) {
        if !said.contains(&note) {
            said.push(note);
            table.note(note);
        }
    }
    table
}

enum Source<'a> {
    Words(&'a str),
    Theory(&'a str),
    Engine(&'a str),
}

fn axis_column(axis: &Axis, frame: &Frame) -> Column {
    let numbers = frame.points.iter().all(|point| point.labels.iter().all(|label| label.parse::<f64>().is_ok()));
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

fn figure_cell(figure: &Figure) -> Cell {
    match figure.interval {
        Some((low, high)) => Cell::interval(figure.value, low, high),
        None if figure.value.fract() == 0.0 && (0.0..1e15).contains(&figure.value) => Cell::Count(figure.value as u64),
        None => Cell::digits(figure.value, 6),
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
            if quantity.unit.is_empty() { quantity.name.clone() } else { format!("{} ({})", quantity.name, quantity.unit) }
        });
        let difference = row.ours.map(|ours| ours.value / row.published - 1.0).filter(|share| share.is_finite());
        let mut cells: Vec<Cell> = row.labels.iter().map(Cell::text).collect();
        cells.extend([Cell::text(named), Cell::digits(row.published, 6)]);
        cells.push(row.ours.as_ref().map_or(Cell::Absent, figure_cell));
        cells.extend(theory.then(|| row.theory.as_ref().map_or(Cell::Absent, figure_cell)));
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
        let cells = || frame.points.iter().zip(&frame.answers).filter(|(point, _)| of(point));
        let theory: Vec<(f64, f64)> = cells()
            .filter_map(|(point, answer)| Some((point.xs[place]?, answer.analytic.get(&panel.y)?.value)))
            .collect();
        let engine: Vec<(f64, Figure)> =
            cells().filter_map(|(point, answer)| Some((point.xs[place]?, *answer.engine.get(&panel.y)?))).collect();
        if !theory.is_empty() {
            plot = plot.with(Series::line(&joined(curve, "theory"), theory));
        }
        if !engine.is_empty() {
            let band = engine.iter().map(|(_, figure)| figure.interval.unwrap_or((figure.value, figure.value))).collect();
            let dots = engine.iter().map(|(x, figure)| (*x, figure.value)).collect();
            plot = plot.with(Series::dots(&joined(curve, "engine"), dots).with_band(band));
        }
        let theirs = judged.iter().filter(|row| {
            row.quantity == panel.y && shown(&row.labels) && name(&row.labels) == *curve
        });
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
