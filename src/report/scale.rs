//! The scaling check on paper.

use super::table::{Cell, Column, Table};
use crate::report::{Plot, Series};
use crate::stats::interval::Interval;
use crate::study::scale::{QUANTITIES, Scaling};

/// Errors by size, and the fitted exponents.
pub fn scale_tables(found: &Scaling) -> Vec<Table> {
    let mut columns = vec![Column::number("n", ""), Column::number("replications", "")];
    columns.extend(QUANTITIES.map(|name| Column::number(&format!("{name} error"), "")));
    let mut errors = Table::new("Distance of n-fold systems to the fluid path", columns);
    for row in &found.rows {
        let mut cells = vec![Cell::Count(row.size), Cell::Count(row.replications)];
        cells.extend(row.errors.iter().map(|error| error.map_or(Cell::Absent, interval)));
        errors.row(cells);
    }
    errors.note(format!(
        "Largest distance between engine and fluid over 60 windows of {:.1} s, as a share of the path's largest value; mean over the \
         replications with its 95 % interval. The path is the one-iteration map.",
        found.horizon_s / 60.0
    ));
    let mut fitted =
        Table::new("Exponent of n in the error", vec![Column::text("quantity"), Column::number("exponent", "")]);
    for (name, exponent) in QUANTITIES.iter().zip(&found.exponents) {
        fitted.row(vec![Cell::text(*name), exponent.map_or(Cell::Absent, interval)]);
    }
    fitted.note("Least squares on logarithms, weighted by the intervals; noise of order √n gives -0.5.");
    vec![errors, fitted]
}

fn interval(interval: Interval) -> Cell {
    Cell::interval(interval.mean, interval.low, interval.high)
}

/// Errors over n on logarithmic axes, with the slope −1/2 through the first of them.
pub fn scale_plot(found: &Scaling) -> Vec<Plot> {
    let mut plot = Plot::new("Distance of n-fold systems to the fluid path", "n", "error, share of the largest value");
    for (k, name) in QUANTITIES.iter().enumerate() {
        let rows = found.rows.iter().filter_map(|row| Some((row.size as f64, row.errors[k]?)));
        let known: Vec<(f64, Interval)> = rows.collect();
        let points: Vec<(f64, f64)> = known.iter().map(|(n, error)| (*n, error.mean)).collect();
        let band = known.iter().map(|(_, error)| (error.low, error.high)).collect();
        plot = plot.with(Series::dots(name, points.clone()).with_band(band));
        if let (Some(first), Some(last)) = (points.first(), points.last()) {
            let end = first.1 * (first.0 / last.0).sqrt();
            plot = plot.with(Series::faint("slope -1/2", vec![*first, (last.0, end)]));
        }
    }
    vec![plot.with_log_x().with_log_y()]
}
