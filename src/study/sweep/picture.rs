//! A sweep as a picture: lines over one axis, one for each combination of the other axes, or a shaded map over two.

use super::{Axis, Quantity, Row, Setting, Side};
use crate::answer::number;
use crate::answer::plot::{Heat, HeatCell, HeatMap, Picture, Plot, Series};

/// Shades of a map.
const SHADES: usize = 5;

/// The picture of the numeric quantities: a map where two numeric axes, and nothing else, are swept and one figure is shown; otherwise
/// [`lines`]. None where no axis has numbers or no cell does.
pub fn pictures(axes: &[Axis], quantities: &[Quantity], rows: &[Row]) -> Option<Picture> {
    let shown: Vec<usize> = (0..quantities.len()).filter(|&k| drawn(rows, k)).collect();
    let sampled = axes.iter().any(|axis| axis.interval.is_some());
    if let ([y, x], [one]) = (&numeric(axes, rows)[..], &shown[..])
        && axes.len() == 2
        && !sampled
    {
        return Some(Picture::Heat(map(axes, &quantities[*one].name, rows, (*x, *y), *one)));
    }
    let plots = lines(axes, quantities, rows);
    (!plots.is_empty()).then_some(Picture::Panels(plots))
}

/// Axes that have numbers only.
fn numeric(axes: &[Axis], rows: &[Row]) -> Vec<usize> {
    let numbers = |k: &usize| rows.iter().all(|row| row.settings[*k].number().is_some());
    (0..axes.len()).filter(numbers).collect()
}

/// Whether a quantity has a number anywhere.
fn drawn(rows: &[Row], k: usize) -> bool {
    rows.iter().any(|row| row.cells[k].value().is_some())
}

/// One panel per quantity over the first numeric axis, one curve for each combination of the other axes. Where both sides answer the
/// engine's values are dots; a sample is a cloud.
pub fn lines(axes: &[Axis], quantities: &[Quantity], rows: &[Row]) -> Vec<Plot> {
    let Some(&x) = numeric(axes, rows).first() else { return Vec::new() };
    let sampled = axes.iter().any(|axis| axis.interval.is_some());
    let mut curves: Vec<Vec<&Setting>> = Vec::new();
    for row in rows {
        let others = others(row, x, sampled);
        if !curves.contains(&others) {
            curves.push(others);
        }
    }
    let shown: Vec<usize> = (0..quantities.len()).filter(|&k| drawn(rows, k)).collect();
    let mut names: Vec<&str> = Vec::new();
    for &k in &shown {
        if !names.contains(&quantities[k].name.as_str()) {
            names.push(&quantities[k].name);
        }
    }
    let panel = |name: &str| {
        let mut plot = Plot::new(name, &axes[x].key, name);
        plot.log_x = spread(rows.iter().filter_map(|row| row.settings[x].number()));
        let own: Vec<usize> = shown.iter().copied().filter(|&k| quantities[k].name == name).collect();
        for curve in &curves {
            let label = label(axes, x, curve, sampled);
            let of_curve: Vec<&Row> = rows.iter().filter(|row| &others(row, x, sampled) == curve).collect();
            for &k in &own {
                let side = quantities[k].side;
                let name = if own.len() > 1 { joined(side.name(), &label) } else { label.clone() };
                let cloud = sampled || (own.len() > 1 && side == Side::Engine);
                plot = plot.with(series(&of_curve, x, k, &name, cloud));
            }
        }
        plot
    };
    names.into_iter().map(panel).collect()
}

fn joined(side: &str, label: &str) -> String {
    if label.is_empty() { side.to_owned() } else { format!("{side}, {label}") }
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

fn series(rows: &[&Row], x: usize, k: usize, name: &str, cloud: bool) -> Series {
    let known: Vec<&&Row> = rows.iter().filter(|row| row.cells[k].value().is_some()).collect();
    let at = |row: &&Row| Some((row.settings[x].number()?, row.cells[k].value().unwrap_or(f64::NAN)));
    // Under a line a point without a value is a gap; a dot is then left out.
    let series = if cloud {
        Series::dots(name, known.iter().filter_map(|row| at(row)).collect())
    } else {
        Series::line(name, rows.iter().filter_map(at).collect())
    };
    let ends: Vec<Option<(f64, f64)>> = known.iter().map(|row| row.cells[k].ends()).collect();
    match ends.iter().copied().collect::<Option<Vec<(f64, f64)>>>() {
        Some(ends) if ends.len() == series.points.len() => series.with_band(ends),
        _ => series,
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
