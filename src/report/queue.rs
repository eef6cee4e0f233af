//! Queueing models on paper: one point as a list of quantities, a range as a table with a row for each value.

use super::table::{Cell, Column, Table};
use super::{Format, Plot, Report, Series, csv, render};
use crate::study::queues::question::{Compared, Findings, Found, Point, Simulator};
use crate::study::queues::{Model, Quantity, catalogue};

/// Significant digits of a theory's figure.
const DIGITS: usize = 6;

/// The findings as one table: with names for people, with keys for programs.
pub fn queue_report(findings: &Findings) -> Report {
    let of = |for_programs: bool| {
        let mut table = match (&findings.range, findings.simulation) {
            (Some(range), None) => by_value(findings, range, for_programs),
            _ => by_quantity(findings, for_programs),
        };
        notes(&mut table, findings);
        table
    };
    Report { csv: Some(csv::table_csv(&of(true))), tables: vec![of(false)], ..of(true).into() }
}

/// A row for every quantity, at every value of the range.
fn by_quantity(findings: &Findings, for_programs: bool) -> Table {
    let mut columns: Vec<Column> =
        findings.range.iter().map(|name| Column::number(name, unit_of(findings, name))).collect();
    if for_programs {
        columns.push(Column::text("key"));
    } else {
        columns.extend(["quantity", "symbol"].map(Column::text));
    }
    columns.extend([Column::number("theory", ""), Column::text("unit"), Column::text("method")]);
    if findings.simulation.is_some() {
        columns.extend([Column::number("simulation", ""), Column::text("by"), Column::text("in the interval")]);
    }
    let mut table = Table::new(findings.model.summary, columns);
    for point in &findings.points {
        let head = || point.at.map(given);
        match &point.found {
            Found::Stable { compared, .. } => compared.iter().for_each(|one| {
                let mut cells: Vec<Cell> = head().into_iter().collect();
                cells.extend(quantity_cells(&one.quantity, for_programs));
                if findings.simulation.is_some() {
                    cells.extend(simulated_cells(one));
                }
                table.row(cells);
            }),
            Found::Unstable { growth_per_s } => {
                let mut cells: Vec<Cell> = head().into_iter().collect();
                if for_programs {
                    cells.push(Cell::text("growth"));
                } else {
                    cells.extend(["unstable: growth", "λ − λ*"].map(Cell::text));
                }
                cells.extend([Cell::digits(*growth_per_s, DIGITS), Cell::text("/s"), Cell::text("exact")]);
                table.row(cells);
            }
        }
    }
    table
}

fn quantity_cells(quantity: &Quantity, for_programs: bool) -> Vec<Cell> {
    let mut cells = if for_programs {
        vec![Cell::text(&quantity.key)]
    } else {
        vec![Cell::text(&quantity.what), Cell::text(&quantity.symbol)]
    };
    cells.extend([value_cell(quantity), Cell::text(quantity.unit), Cell::text(quantity.method.name())]);
    cells
}

/// A value as it was given, without digits that it does not have.
fn given(value: f64) -> Cell {
    let digits = format!("{value:e}").split('e').next().map_or(1, |mantissa| mantissa.replace(['-', '.'], "").len());
    Cell::digits(value, digits)
}

fn value_cell(quantity: &Quantity) -> Cell {
    match (quantity.value, quantity.unit) {
        (f64::INFINITY, _) => Cell::text("infinite"),
        (value, "servers" | "phases") => Cell::Count(value as u64),
        (value, _) => Cell::digits(value, DIGITS),
    }
}

fn simulated_cells(one: &Compared) -> [Cell; 3] {
    let simulated = one.simulated.map_or(Cell::Absent, |interval| {
        if interval.half_width() == 0.0 {
            return Cell::number(interval.mean);
        }
        Cell::interval(interval.mean, interval.low, interval.high)
    });
    let by = one.by.map_or(Cell::Absent, |by| Cell::text(by.name()));
    [simulated, by, one.covered.map_or(Cell::Absent, |inside| Cell::text(if inside { "yes" } else { "no" }))]
}

/// A row for every value of the range, a column for every quantity.
fn by_value(findings: &Findings, range: &str, for_programs: bool) -> Table {
    let quantities = quantities_of(findings);
    let unstable = findings.points.iter().any(|point| matches!(point.found, Found::Unstable { .. }));
    let mut columns = vec![Column::number(range, unit_of(findings, range))];
    columns.extend(quantities.iter().map(|quantity| {
        let quantile = quantity.symbol == quantity.key && quantity.key.starts_with('p');
        match for_programs {
            true => Column::number(&quantity.key, ""),
            false if quantile => Column::number(&quantity.what, quantity.unit),
            false => Column::number(&quantity.symbol, quantity.unit),
        }
    }));
    if unstable {
        columns.push(Column::text("verdict"));
    }
    let mut table = Table::new(findings.model.summary, columns);
    for point in &findings.points {
        let mut cells = vec![point.at.map_or(Cell::Absent, given)];
        cells.extend(
            quantities
                .iter()
                .map(|quantity| one_at(point, &quantity.key).map_or(Cell::Absent, |one| value_cell(&one.quantity))),
        );
        if unstable {
            cells.push(Cell::text(match point.found {
                Found::Stable { .. } => "stable".to_owned(),
                Found::Unstable { growth_per_s } => {
                    format!("unstable, +{}/s", super::number::significant(growth_per_s, 4))
                }
            }));
        }
        table.row(cells);
    }
    table
}

/// The quantities of the first point that has most of them.
fn quantities_of(findings: &Findings) -> Vec<&Quantity> {
    let mut most: Vec<&Quantity> = Vec::new();
    for point in &findings.points {
        if let Found::Stable { compared, .. } = &point.found
            && compared.len() > most.len()
        {
            most = compared.iter().map(|one| &one.quantity).collect();
        }
    }
    most
}

fn one_at<'a>(point: &'a Point, key: &str) -> Option<&'a Compared> {
    match &point.found {
        Found::Stable { compared, .. } => compared.iter().find(|one| one.quantity.key == key),
        Found::Unstable { .. } => None,
    }
}

fn unit_of<'a>(findings: &'a Findings, name: &str) -> &'a str {
    findings.model.parameter(name).map_or("", |parameter| parameter.unit)
}

fn notes(table: &mut Table, findings: &Findings) {
    if let Some(simulation) = findings.simulation {
        let length = simulation.customers.map_or_else(
            || "at least 20000 customers, 200/(1 − ρ)² up to 2000000".to_owned(),
            |customers| format!("{customers} customers"),
        );
        simulation_notes(table, findings, simulation.trials, &length);
    }
    let mut told: Vec<&String> = Vec::new();
    let (mut unstable, mut approximate) = (false, false);
    for point in &findings.points {
        match &point.found {
            Found::Unstable { .. } => unstable = true,
            Found::Stable { compared, notes } => {
                approximate |= compared.iter().any(|one| !one.quantity.method.is_exact());
                notes.iter().for_each(|note| {
                    if !told.contains(&note) {
                        told.push(note);
                    }
                });
            }
        }
    }
    if unstable {
        table.note("Unstable: customers come at least as fast as they are served, the queue grows without end, and no mean exists.");
    }
    if approximate && findings.simulation.is_some() {
        table.note("Approximations and bounds are not judged by their intervals.");
    }
    told.into_iter().for_each(|note| {
        table.note(note);
    });
    table.note(format!("Reference: {}.", findings.model.reference));
}

fn simulation_notes(table: &mut Table, findings: &Findings, trials: u64, length: &str) {
    let stable = findings.points.iter().filter_map(|point| match &point.found {
        Found::Stable { compared, .. } => Some(compared),
        Found::Unstable { .. } => None,
    });
    let by: Vec<Simulator> = stable.flatten().filter_map(|one| one.by).collect();
    table.note(format!("Intervals: 95 %, Student t over {trials} trials; one in twenty misses by chance."));
    if by.contains(&Simulator::Engine) {
        table.note("Engine: the event engine of LLM serving on a scenario that is the queue; ten relaxation times are thrown away.");
    }
    if by.contains(&Simulator::Plain) {
        table.note(format!(
            "Plain simulation: apart from engine and formulas; {length} in each trial, behind a quarter of them more that are thrown away."
        ));
    }
}

/// Time in the system and number waiting over the range, or what the model has of each kind, with the simulation's intervals.
pub fn queue_plot(findings: &Findings) -> Vec<Plot> {
    let range = findings.range.as_deref().unwrap_or("");
    let unit = unit_of(findings, range);
    let x_label = if unit.is_empty() { range.to_owned() } else { format!("{range} ({unit})") };
    let quantities = quantities_of(findings);
    let with_unit = |unit: &str| quantities.iter().find(|quantity| quantity.unit == unit).copied();
    let named = |key: &str| quantities.iter().find(|quantity| quantity.key == key).copied();
    let mut shown: Vec<&Quantity> =
        [named("W").or_else(|| with_unit("s")), named("Lq").or_else(|| named("L"))].into_iter().flatten().collect();
    if shown.is_empty() {
        shown.extend(quantities.first());
    }
    shown.into_iter().map(|quantity| panel(findings, quantity, &x_label)).collect()
}

fn panel(findings: &Findings, quantity: &Quantity, x_label: &str) -> Plot {
    let points = || findings.points.iter().filter_map(|point| Some((point.at?, one_at(point, &quantity.key))));
    let theory = points().map(|(x, one)| (x, one.map_or(f64::NAN, |one| one.quantity.value))).collect();
    let unit = if quantity.unit.is_empty() { "" } else { &format!(" ({})", quantity.unit) };
    let y_label = format!("{}{unit}", quantity.symbol);
    let plot = Plot::new(&quantity.what, x_label, &y_label).with(Series::line("theory", theory));
    let simulated: Vec<_> = points().filter_map(|(x, one)| Some((x, one?.simulated?))).collect();
    if simulated.is_empty() {
        return plot;
    }
    let dots = simulated.iter().map(|(x, interval)| (*x, interval.mean)).collect();
    let band = simulated.iter().map(|(_, interval)| (interval.low, interval.high)).collect();
    plot.with(Series::dots("simulation", dots).with_band(band))
}

/// Every model with what it is and where it comes from.
pub fn model_list(format: Format) -> String {
    let for_programs = matches!(format, Format::Csv | Format::Json);
    if for_programs {
        let mut table =
            Table::new("Queueing models", ["model", "family", "what it is", "reference"].map(Column::text).to_vec());
        for model in catalogue::models() {
            table.row([model.name, model.family, model.summary, model.reference].map(Cell::text).to_vec());
        }
        return render(&table, format);
    }
    let mut tables: Vec<Table> = Vec::new();
    for model in catalogue::models() {
        if tables.last().is_none_or(|table| table.title != model.family) {
            tables.push(Table::new(model.family, ["model", "what it is", "reference"].map(Column::text).to_vec()));
        }
        if let Some(table) = tables.last_mut() {
            table.row(model_row(model));
        }
    }
    if let Some(table) = tables.last_mut() {
        table.note("`fluidsim queue MODEL --help` tells what a model needs and shows an example.");
    }
    super::render_all(&tables, format)
}

fn model_row(model: &Model) -> Vec<Cell> {
    [model.name, model.summary, model.reference].map(Cell::text).to_vec()
}
