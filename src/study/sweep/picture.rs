//! A sweep as a picture: lines over one axis, one for each combination of the other axes, or a shaded map over two.

use super::{Axis, Quantity, Row, Setting, Side};
use crate::answer::number;
use crate::answer::plot::{Heat, HeatCell, HeatMap, Plot, Series};

/// Shades of a map.
const SHADES: usize = 5;

/// What a sweep looks like.
#[derive(Debug, Clone, PartialEq)]
pub enum Picture {
    /// One panel per quantity.
    Lines(Vec<Plot>),
    /// One panel of shades.
    Map(HeatMap),
}

/// The picture of the numeric quantities: a map where two numeric axes, and nothing else, are swept and one side answers; otherwise lines
/// over the first numeric axis, the engine's as dots. None where no axis has numbers or no cell does.
pub fn pictures(axes: &[Axis], quantities: &[Quantity], rows: &[Row]) -> Option<Picture> {
    let numeric = |k: &usize| rows.iter().all(|row| row.settings[*k].number().is_some());
    let shown: Vec<usize> =
        (0..quantities.len()).filter(|&k| rows.iter().any(|row| row.cells[k].value().is_some())).collect();
    let numbers: Vec<usize> = (0..axes.len()).filter(numeric).collect();
    let sampled = axes.iter().any(|axis| axis.interval.is_some());
    match (&numbers[..], &shown[..]) {
        ([], _) | (_, []) => None,
        ([y, x], [one]) if axes.len() == 2 && !sampled => {
            Some(Picture::Map(map(axes, &quantities[*one].name, rows, (*x, *y), *one)))
        }
        ([x, ..], _) => Some(Picture::Lines(lines(axes, quantities, rows, *x, sampled))),
    }
}

fn lines(axes: &[Axis], quantities: &[Quantity], rows: &[Row], x: usize, sampled: bool) -> Vec<Plot> {
    let mut names: Vec<&str> = Vec::new();
    let drawn = |k: usize| rows.iter().any(|row| row.cells[k].value().is_some());
    for (_, quantity) in quantities.iter().enumerate().filter(|(k, _)| drawn(*k)) {
        if !names.contains(&quantity.name.as_str()) {
            names.push(&quantity.name);
        }
    }
    let mut curves: Vec<Vec<&Setting>> = Vec::new();
    for row in rows {
        let others = others(row, x, sampled);
        if !curves.contains(&others) {
            curves.push(others);
        }
    }
    names
        .into_iter()
        .map(|name| {
            let mut plot = Plot::new(name, &axes[x].key, name);
            plot.log_x = spread(rows.iter().filter_map(|row| row.settings[x].number()));
            for curve in &curves {
                let label = label(axes, x, curve, sampled);
                let own: Vec<&Row> = rows.iter().filter(|row| &others(row, x, sampled) == curve).collect();
                for (k, quantity) in quantities.iter().enumerate().filter(|(_, quantity)| quantity.name == name) {
                    plot = plot.with(series(&own, x, k, quantity, &label, sampled));
                }
            }
            plot
        })
        .collect()
}

/// Values of the axes that part curves; of a sample all points are one cloud.
fn others(row: &Row, x: usize, sampled: bool) -> Vec<&Setting> {
    let parted = row.settings.iter().enumerate().filter(|(k, _)| *k != x && !sampled);
    parted.map(|(_, setting)| setting).collect()
}

fn label(axes: &[Axis], x: usize, curve: &[&Setting], sampled: bool) -> String {
    if sampled {
        return String::new();
    }
    let other = axes.iter().enumerate().filter(|(k, _)| *k != x).map(|(_, axis)| axis);
    let parts = other.zip(curve).map(|(axis, setting)| match setting {
        Setting::Word(word) => word.clone(),
        Setting::Number(value) => format!("{} = {value}", axis.key),
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn series(rows: &[&Row], x: usize, k: usize, quantity: &Quantity, label: &str, sampled: bool) -> Series {
    let at = |row: &&&Row| Some((row.settings[x].number()?, row.cells[k].value().unwrap_or(f64::NAN)));
    let points: Vec<(f64, f64)> = rows.iter().filter_map(|row| at(&row)).collect();
    if quantity.side == Side::Theory && !sampled {
        return Series::line(label, points);
    }
    let known: Vec<&&Row> = rows.iter().filter(|row| row.cells[k].value().is_some()).collect();
    let dots = known.iter().filter_map(|row| at(row)).collect();
    let series = Series::dots(label, dots);
    let ends: Option<Vec<(f64, f64)>> = known.iter().map(|row| row.cells[k].ends()).collect();
    match ends {
        Some(ends) => series.with_band(ends),
        None => series,
    }
}

/// Whether numbers lie closer on a logarithmic axis: positive, three or more, and over more than a decade and a half.
fn spread(values: impl Iterator<Item = f64>) -> bool {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.dedup();
    let (Some(&low), Some(&high)) = (sorted.first(), sorted.last()) else { return false };
    let middle = sorted[sorted.len() / 2];
    sorted.len() > 2 && low > 0.0 && high > 30.0 * low && middle < (low + high) / 4.0
}

fn map(axes: &[Axis], name: &str, rows: &[Row], (x, y): (usize, usize), cell: usize) -> HeatMap {
    let values: Vec<f64> = rows.iter().filter_map(|row| row.cells[cell].value()).collect();
    let edges = edges(&values);
    let labels = |axis: usize| axes[axis].choices.iter().map(|choice| choice.value.shown()).collect::<Vec<_>>();
    let (columns, lines) = (labels(x), labels(y));
    let at = |line: &String, column: &String| {
        let found = rows.iter().find(|row| row.settings[x].shown() == *column && row.settings[y].shown() == *line);
        let value = found.and_then(|row| row.cells[cell].value());
        HeatCell { value, text: value.map_or(String::new(), |value| number::significant(value, 3)) }
    };
    let cells = lines.iter().map(|line| columns.iter().map(|column| at(line, column)).collect()).collect();
    HeatMap {
        title: name.to_owned(),
        x_label: axes[x].key.clone(),
        y_label: axes[y].key.clone(),
        legend: legend(&edges),
        edges,
        absent: "does not exist".to_owned(),
        panels: vec![vec![Heat { title: String::new(), columns, rows: lines, cells }]],
    }
}

/// Upper ends of the shades but the last: each holds as many cells.
fn edges(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut edges: Vec<f64> = (1..SHADES).map(|shade| sorted[shade * (sorted.len() - 1) / SHADES]).collect();
    edges.dedup();
    edges
}

fn legend(edges: &[f64]) -> Vec<String> {
    let shown = |edge: f64| number::significant(edge, 3);
    let upper = edges.iter().map(|&edge| format!("up to {}", shown(edge)));
    upper.chain(edges.last().map(|&edge| format!("above {}", shown(edge)))).collect()
}
