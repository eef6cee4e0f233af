//! The tables that people read: which rows, in which order, under which heading.

use super::json::{latencies_of, method_name};
use super::number;
use super::table::{Align, Cell, Column, Table};
use crate::answer::compare::CompareRow;
use crate::answer::{Boundary, Figure, FluidSolution, Latency, SimulatedSolution, Summary, Verdict};

/// Digits of λ*, which people compare between scenarios.
const BOUNDARY_DIGITS: usize = 6;

/// The analytic answer: stability, equilibrium, latency, each with its method.
pub fn solve_tables(solution: &FluidSolution) -> Vec<Table> {
    let summary = &solution.summary;
    let mut latency = latency_table(summary, solution.verdict);
    latency.notes.extend(solution.notes.iter().cloned());
    vec![stability_table(solution), state_table(summary, solution.verdict), latency]
}

/// The simulated answer: run, state, latency, with 95 % confidence intervals.
pub fn simulate_tables(solution: &SimulatedSolution) -> Vec<Table> {
    let summary = &solution.summary;
    let mut latency = latency_table(summary, solution.verdict);
    latency.note("± and [low, high]: 95 % confidence.");
    latency.notes.extend(solution.notes.iter().cloned());
    vec![run_table(solution), state_table(summary, solution.verdict), latency]
}

/// The comparison: quantity, analytic, simulated ± interval, gap, verdict.
pub fn compare_tables(rows: &[CompareRow], notes: &[String]) -> Vec<Table> {
    let mut table = Table::new(
        "Theory and simulation",
        vec![
            Column::text("quantity"),
            Column::text("unit"),
            Column::number("analytic", ""),
            Column::number("simulated", ""),
            Column::number("gap", ""),
            Column::text("verdict"),
            Column::text("method"),
        ],
    );
    for row in rows {
        table.row(vec![
            Cell::text(&row.quantity),
            Cell::text(unit_of(&row.quantity)),
            Cell::maybe(row.analytic),
            row.simulated.map_or(Cell::Absent, |figure| figure_cell(&figure)),
            row.relative_gap.map_or(Cell::Absent, |gap| Cell::text(number::percent(gap))),
            Cell::text(verdict_of(row)),
            row.method.map_or(Cell::Absent, |method| Cell::text(method_name(method))),
        ]);
    }
    if rows.iter().any(|row| !row.promised) {
        table.note("A verdict in parentheses: no agreement is promised for this quantity here.");
    }
    table.notes.extend(notes.iter().cloned());
    vec![table]
}

/// The analytic answer as one list of quantities, for CSV.
pub(super) fn solve_list(solution: &FluidSolution) -> Table {
    let mut list = list_table();
    let boundary = &solution.boundary;
    list.row(vec![Cell::text("verdict"), Cell::text(solution.verdict.name())]);
    list_row(&mut list, "lambda_per_s", Cell::number(solution.lambda_per_s), "given");
    let method = method_name(boundary.method);
    for (name, value) in [
        ("lambda_star_per_s.high", boundary.high_per_s),
        ("lambda_star_per_s.low", boundary.low_per_s),
        ("lambda_star_per_s.bracket_low", boundary.bracket_per_s.0),
        ("lambda_star_per_s.bracket_high", boundary.bracket_per_s.1),
    ] {
        list_row(&mut list, name, Cell::number(value), method);
    }
    list.row(vec![Cell::text("binding"), Cell::text(boundary.binding.name())]);
    if let Some((limit, rate)) = boundary.runner_up {
        list.row(vec![Cell::text("runner_up"), Cell::text(limit.name())]);
        list_row(&mut list, "runner_up_per_s", Cell::number(rate), method);
    }
    summary_rows(&mut list, &solution.summary, solution.verdict);
    list
}

/// The simulated answer as one list of quantities, for CSV.
pub(super) fn simulate_list(solution: &SimulatedSolution) -> Table {
    let mut list = list_table();
    list.row(vec![Cell::text("verdict"), Cell::text(solution.verdict.name())]);
    list_row(&mut list, "lambda_per_s", Cell::number(solution.lambda_per_s), "given");
    for (name, count) in counts(solution) {
        list_row(&mut list, name, Cell::Count(count), "counted");
    }
    list_row(&mut list, "end_time_s", Cell::number(solution.end_time_s), "counted");
    summary_rows(&mut list, &solution.summary, solution.verdict);
    list
}

/// The comparison as one list of quantities, for CSV: the gap as a number, the verdict as `true` or `false`.
pub(super) fn compare_list(rows: &[CompareRow]) -> Table {
    let words = ["quantity", "unit"].map(Column::text);
    let numbers = ["analytic", "simulated", "relative_gap"].map(|name| Column::number(name, ""));
    let flags = ["agrees", "promised", "method"].map(Column::text);
    let mut list = Table::new("", words.into_iter().chain(numbers).chain(flags).collect());
    for row in rows {
        list.row(vec![
            Cell::text(&row.quantity),
            Cell::text(unit_of(&row.quantity)),
            Cell::maybe(row.analytic),
            row.simulated.map_or(Cell::Absent, |figure| figure_cell(&figure)),
            Cell::maybe(row.relative_gap),
            row.agrees.map_or(Cell::Absent, |agrees| Cell::text(agrees.to_string())),
            Cell::text(row.promised.to_string()),
            row.method.map_or(Cell::Absent, |method| Cell::text(method_name(method))),
        ]);
    }
    list
}

/// The unit of a quantity by its stable name: `ttft_s.p95` is in `s`.
pub fn unit_of(quantity: &str) -> &'static str {
    let name = quantity.split('.').next().unwrap_or(quantity);
    match name {
        "preemptions_per_request" => "1/request",
        "waiting" | "running" | "swapped" | "arrived" | "completed" | "rejected" | "in_system" => "requests",
        "steps" => "iterations",
        _ if name.ends_with("_tokens") => "tokens",
        _ if name.ends_with("_per_s") => "requests/s",
        _ if name.ends_with("_s") => "s",
        _ => "",
    }
}

fn stability_table(solution: &FluidSolution) -> Table {
    let boundary = &solution.boundary;
    let mut table = value_table("Stability");
    let given = Cell::text("given");
    table.row(vec![Cell::text("arrival rate λ"), Cell::number(solution.lambda_per_s), Cell::text("requests/s"), given]);
    table.row(vec![Cell::text("verdict"), Cell::text(solution.verdict.name()), Cell::text("")]);
    boundary_rows(&mut table, boundary);
    if let Some(growth) = solution.summary.queue_growth_per_s {
        table.row(state_row("queue growth", Some(growth), "requests/s"));
    }
    pad_with_blank(&mut table);
    table
}

fn boundary_rows(table: &mut Table, boundary: &Boundary) {
    let method = || Cell::text(method_name(boundary.method));
    let rate = |value: f64| Cell::digits(value, BOUNDARY_DIGITS);
    let unit = || Cell::text("requests/s");
    if boundary.high_per_s == boundary.low_per_s {
        table.row(vec![Cell::text("boundary λ*"), rate(boundary.high_per_s), unit(), method()]);
    } else {
        table.row(vec![Cell::text("boundary λ*, from empty"), rate(boundary.high_per_s), unit(), method()]);
        table.row(vec![Cell::text("boundary λ*, from a backlog"), rate(boundary.low_per_s), unit(), method()]);
    }
    let (low, high) = boundary.bracket_per_s;
    let bracket = format!("[{}, {}]", number::significant(low, 10), number::significant(high, 10));
    table.row(vec![Cell::text("certified bracket"), Cell::text(bracket), unit(), method()]);
    table.row(vec![Cell::text("binding limit"), Cell::text(boundary.binding.name())]);
    if let Some((limit, value)) = boundary.runner_up {
        let shown = format!("{} at {}", limit.name(), number::significant(value, BOUNDARY_DIGITS));
        table.row(vec![Cell::text("next limit"), Cell::text(shown), unit(), method()]);
    }
}

fn run_table(solution: &SimulatedSolution) -> Table {
    let mut table = value_table("Simulation");
    let given = Cell::text("given");
    table.row(vec![Cell::text("arrival rate λ"), Cell::number(solution.lambda_per_s), Cell::text("requests/s"), given]);
    table.row(vec![Cell::text("verdict"), Cell::text(solution.verdict.name())]);
    if let Some(growth) = solution.summary.queue_growth_per_s {
        table.row(state_row("queue growth", Some(growth), "requests/s"));
    }
    for (name, count) in counts(solution) {
        let label = name.replace('_', " ");
        table.row(vec![Cell::text(label), Cell::Count(count), Cell::text(unit_of(name)), Cell::text("counted")]);
    }
    let end = Cell::number(solution.end_time_s);
    table.row(vec![Cell::text("simulated time"), end, Cell::text("s"), Cell::text("counted")]);
    pad_with_blank(&mut table);
    table
}

fn counts(solution: &SimulatedSolution) -> [(&'static str, u64); 6] {
    let requests = solution.requests;
    [
        ("arrived", requests.arrived),
        ("completed", requests.completed),
        ("rejected", requests.rejected),
        ("in_system", requests.in_system),
        ("preemptions", solution.preemptions),
        ("steps", solution.steps),
    ]
}

fn state_table(summary: &Summary, verdict: Verdict) -> Table {
    let title = if verdict == Verdict::Overloaded { "Saturated state" } else { "Equilibrium" };
    let mut table = value_table(title);
    for (label, figure, name) in [
        ("waiting q", summary.waiting, "waiting"),
        ("running N", summary.running, "running"),
        ("swapped z", summary.swapped, "swapped"),
        ("KV tokens", summary.kv_tokens, "kv_tokens"),
        ("iteration τ", summary.step_s, "step_s"),
        ("batch b", summary.batch_tokens, "batch_tokens"),
        ("throughput", summary.throughput_per_s, "throughput_per_s"),
        ("preemptions", summary.preemptions_per_request, "preemptions_per_request"),
    ] {
        table.row(state_row(label, figure, unit_of(name)));
    }
    table
}

fn state_row(label: &str, figure: Option<Figure>, unit: &str) -> Vec<Cell> {
    let value = figure.map_or(Cell::Absent, |figure| figure_cell(&figure));
    vec![Cell::text(label), value, Cell::text(unit), method_cell(figure)]
}

fn latency_table(summary: &Summary, verdict: Verdict) -> Table {
    let columns = ["mean", "p50", "p95", "p99"].map(|part| Column::number(part, "s"));
    let heads = [Column::text("latency")].into_iter().chain(columns).chain([Column::text("method")]).collect();
    let mut table = Table::new("Latency", heads);
    for ((_, latency), label) in latencies_of(summary, verdict).into_iter().zip([
        "first token (TTFT)",
        "between tokens (TBT)",
        "end to end (E2E)",
    ]) {
        let parts = latency.map(|Latency { mean, p50, p95, p99 }| [mean, p50, p95, p99]);
        let mut row = vec![Cell::text(label)];
        match parts {
            Some(figures) => row.extend(figures.iter().map(figure_cell)),
            None => row.extend(vec![Cell::Absent; 4]),
        }
        row.push(parts.map_or(Cell::Absent, |figures| Cell::text(methods_of(&figures))));
        table.row(row);
    }
    if verdict == Verdict::Overloaded {
        table.note("Overloaded: the queue grows without end, so no latency exists.");
    }
    table
}

/// One method if all figures share it, else mean's / the others'.
fn methods_of(figures: &[Figure]) -> String {
    let mut names: Vec<&str> = figures.iter().map(|figure| method_name(figure.method)).collect();
    names.dedup();
    names.join(" / ")
}

fn value_table(title: &str) -> Table {
    let value = Column { name: "value".to_owned(), unit: String::new(), align: Align::Right };
    Table::new(title, vec![Column::text("quantity"), value, Column::text("unit"), Column::text("method")])
}

fn list_table() -> Table {
    value_table("")
}

fn list_row(list: &mut Table, name: &str, value: Cell, method: &str) {
    list.row(vec![Cell::text(name), value, Cell::text(unit_of(name)), Cell::text(method)]);
}

fn summary_rows(list: &mut Table, summary: &Summary, verdict: Verdict) {
    let exists: Vec<&str> =
        latencies_of(summary, verdict).iter().filter(|(_, latency)| latency.is_some()).map(|(name, _)| *name).collect();
    for (name, figure) in summary.quantities() {
        let is_latency = name.contains('.');
        let figure = figure.filter(|_| !is_latency || exists.iter().any(|known| name.starts_with(known)));
        list.row(state_row(&name, figure, unit_of(&name)));
    }
}

/// Where there is nothing to say, nothing is said: a dash would claim that something is missing.
fn pad_with_blank(table: &mut Table) {
    let width = table.columns.len();
    for row in &mut table.rows {
        row.resize(width, Cell::text(""));
    }
}

fn figure_cell(figure: &Figure) -> Cell {
    match figure.interval {
        Some((low, high)) => Cell::interval(figure.value, low, high),
        None => Cell::number(figure.value),
    }
}

fn method_cell(figure: Option<Figure>) -> Cell {
    figure.map_or(Cell::Absent, |figure| Cell::text(method_name(figure.method)))
}

fn verdict_of(row: &CompareRow) -> String {
    let word = match row.agrees {
        Some(true) => "agrees",
        Some(false) => "differs",
        None => return number::ABSENT.to_owned(),
    };
    if row.promised { word.to_owned() } else { format!("({word})") }
}
