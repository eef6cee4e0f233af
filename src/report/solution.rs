//! The tables that people read: which rows, in which order, under which heading.

use super::gate::{add_mark_columns, add_marks, evidence_notes, mark_text, standing_name, verdict_of};
use super::json::{latencies_of, method_name};
use super::number;
use super::operations;
use super::table::{Align, Cell, Column, Table};
use crate::answer::compare::CompareRow;
use crate::answer::trust::Evidence;
use crate::answer::{Boundary, Figure, FluidSolution, Latency, SimulatedSolution, Summary, Verdict};

/// Digits of λ*, which people compare between scenarios.
const BOUNDARY_DIGITS: usize = 6;

/// The analytic answer: stability, equilibrium, latency, each with its method and what the gate has seen of it.
pub fn solve_tables(solution: &FluidSolution, evidence: &Evidence) -> Vec<Table> {
    let summary = &solution.summary;
    let mut stability = stability_table(solution);
    let named = |row: &Vec<Cell>| match row.first() {
        Some(Cell::Text(label)) if LOW_BOUNDARY.contains(&label.as_str()) => vec!["lambda_star_per_s".to_owned()],
        _ => Vec::new(),
    };
    let quantities: Vec<Vec<String>> = stability.rows.iter().map(named).collect();
    add_marks(&mut stability, &quantities, evidence);
    let mut state = state_table(summary, solution.verdict);
    add_marks(&mut state, &STATE.map(|(_, name)| vec![name.to_owned()]), evidence);
    let mut latency = latency_table(summary, solution.verdict);
    let of_part = |(part, _): (&str, Part)| ["ttft_s", "tbt_s", "e2e_s"].map(|name| format!("{name}.{part}")).into();
    add_marks(&mut latency, &PARTS.map(of_part), evidence);
    latency.notes.extend(evidence_notes(evidence));
    latency.notes.extend(solution.notes.iter().cloned());
    vec![stability, state, latency]
}

/// The simulated answer: run, state, latency, operations, with 95 % confidence intervals.
pub fn simulate_tables(solution: &SimulatedSolution) -> Vec<Table> {
    let summary = &solution.summary;
    let mut latency = latency_table(summary, solution.verdict);
    latency.note("± and [low, high]: 95 % confidence.");
    let mut tables = vec![run_table(solution), state_table(summary, solution.verdict), latency];
    tables.extend(operations::tables(&solution.operations));
    if let Some(last) = tables.last_mut() {
        last.notes.extend(solution.notes.iter().cloned());
    }
    tables
}

/// The comparison: quantity, analytic, simulated ± interval, gap, verdict, what the gate has seen.
pub fn compare_tables(rows: &[CompareRow], evidence: &Evidence, notes: &[String]) -> Vec<Table> {
    let mut table = Table::new(
        "Theory and simulation",
        vec![
            Column::text("quantity"),
            Column::number("analytic", ""),
            Column::number("simulated", ""),
            Column::number("gap", ""),
            Column::text("verdict"),
            Column::number("gate", ""),
            Column::text("method"),
        ],
    );
    for row in rows {
        table.row(vec![
            Cell::text(&row.quantity),
            Cell::maybe(row.analytic),
            row.simulated.map_or(Cell::Absent, |figure| figure_cell(&figure)),
            row.relative_gap.map_or(Cell::Absent, |gap| Cell::text(number::percent(gap))),
            Cell::text(verdict_of(row)),
            Cell::text(mark_text(&row.gate)),
            row.method.map_or(Cell::Absent, |method| Cell::text(method_name(method))),
        ]);
    }
    if rows.iter().any(|row| !row.promised) {
        table.note("A verdict in parentheses: no agreement is promised for this quantity here.");
    }
    table.notes.extend(evidence_notes(evidence));
    table.notes.extend(notes.iter().cloned());
    vec![table]
}

/// The analytic answer as one list of quantities, for CSV.
pub(super) fn solve_list(solution: &FluidSolution, evidence: &Evidence) -> Table {
    let mut list = list_table();
    let boundary = &solution.boundary;
    list.row(vec![Cell::text("verdict"), Cell::text(solution.verdict.name())]);
    list_row(&mut list, "lambda_per_s", Cell::number(solution.lambda_per_s), "given");
    let method = method_name(boundary.method);
    let upper = if boundary.high_per_s == boundary.low_per_s { method } else { UPPER };
    list_row(&mut list, "lambda_star_per_s.high", Cell::number(boundary.high_per_s), upper);
    for (name, value) in [
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
    add_mark_columns(&mut list, evidence);
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
    operations::list_rows(&mut list, &solution.operations);
    list
}

/// The comparison as one list of quantities, for CSV: the gap as a number, the verdict as `true` or `false`.
pub(super) fn compare_list(rows: &[CompareRow]) -> Table {
    let words = ["quantity", "unit"].map(Column::text);
    let numbers = ["analytic", "simulated", "relative_gap"].map(|name| Column::number(name, ""));
    let flags = ["agrees", "promised", "method", "verdict", "gate"].map(Column::text);
    let seen = [Column::number("gate_error", "")];
    let mut list = Table::new("", words.into_iter().chain(numbers).chain(flags).chain(seen).collect());
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
            Cell::text(verdict_of(row)),
            Cell::text(standing_name(row.gate.standing)),
            Cell::maybe(row.gate.error),
        ]);
    }
    list
}

/// The unit of a quantity by its stable name: `ttft_s.p95` is in `s`.
pub fn unit_of(quantity: &str) -> &'static str {
    let name = quantity.split('.').next().unwrap_or(quantity);
    match name {
        _ if name.ends_with("_per_request") => "1/request",
        _ if name.ends_with("_share") || name.ends_with("_utilisation") || name == "slo_attainment" => "share",
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

/// What the boundary from empty is when it differs from the one from a backlog: fluctuations end the good state before it.
const UPPER: &str = "upper bound";

fn boundary_rows(table: &mut Table, boundary: &Boundary) {
    let method = || Cell::text(method_name(boundary.method));
    let rate = |value: f64| Cell::digits(value, BOUNDARY_DIGITS);
    let unit = || Cell::text("requests/s");
    if boundary.high_per_s == boundary.low_per_s {
        table.row(vec![Cell::text("boundary λ*"), rate(boundary.high_per_s), unit(), method()]);
    } else {
        table.row(vec![Cell::text("boundary λ*, from empty"), rate(boundary.high_per_s), unit(), Cell::text(UPPER)]);
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
    let title = if verdict == Verdict::Stable { "Equilibrium" } else { "Saturated state" };
    let mut table = value_table(title);
    let quantities = summary.quantities();
    for (label, name) in STATE {
        let figure = quantities.iter().find(|(known, _)| known == name).and_then(|(_, figure)| *figure);
        table.row(state_row(label, figure, unit_of(name)));
    }
    table
}

/// Rows of the state: label and stable name.
const STATE: [(&str, &str); 8] = [
    ("waiting q", "waiting"),
    ("running N", "running"),
    ("swapped z", "swapped"),
    ("KV tokens", "kv_tokens"),
    ("iteration τ", "step_s"),
    ("batch b", "batch_tokens"),
    ("throughput", "throughput_per_s"),
    ("preemptions", "preemptions_per_request"),
];

/// Labels of the boundary that the gate measures: the one from a backlog.
const LOW_BOUNDARY: [&str; 2] = ["boundary λ*", "boundary λ*, from a backlog"];

pub(super) fn state_row(label: &str, figure: Option<Figure>, unit: &str) -> Vec<Cell> {
    let value = figure.map_or(Cell::Absent, |figure| figure_cell(&figure));
    vec![Cell::text(label), value, Cell::text(unit), method_cell(figure)]
}

/// One statistic of a latency.
type Part = fn(Latency) -> Figure;

const PARTS: [(&str, Part); 4] = [("mean", |l| l.mean), ("p50", |l| l.p50), ("p95", |l| l.p95), ("p99", |l| l.p99)];

/// Statistics as rows and latencies as columns, which stays narrow with intervals.
fn latency_table(summary: &Summary, verdict: Verdict) -> Table {
    let columns = ["TTFT", "TBT", "E2E"].map(|name| Column::number(name, "s"));
    let heads = [Column::text("latency")].into_iter().chain(columns).chain([Column::text("method")]).collect();
    let mut table = Table::new("Latency", heads);
    let latencies = latencies_of(summary, verdict).map(|(_, latency)| latency);
    for (label, part) in PARTS {
        let figures = latencies.map(|latency| latency.map(part));
        let mut row = vec![Cell::text(label)];
        row.extend(figures.iter().map(|figure| figure.as_ref().map_or(Cell::Absent, figure_cell)));
        row.push(methods_of(&figures));
        table.row(row);
    }
    if verdict == Verdict::Overloaded {
        table.note("Overloaded: the queue grows without end, so no latency exists.");
    } else {
        table.note("TTFT: arrival to first token. TBT: between consecutive tokens. E2E: arrival to last token.");
    }
    table
}

/// The method of a row: one name if its figures share it, else one for each in the order of the columns.
fn methods_of(figures: &[Option<Figure>]) -> Cell {
    let names: Vec<&str> =
        figures.iter().map(|figure| figure.map_or(number::ABSENT, |figure| method_name(figure.method))).collect();
    let known: Vec<&str> = names.iter().copied().filter(|name| *name != number::ABSENT).collect();
    match known.first() {
        None => Cell::Absent,
        Some(first) if known.iter().all(|name| name == first) => Cell::text(*first),
        Some(_) => Cell::text(names.join(" / ")),
    }
}

pub(super) fn value_table(title: &str) -> Table {
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

pub(super) fn figure_cell(figure: &Figure) -> Cell {
    match figure.interval {
        Some((low, high)) => Cell::interval(figure.value, low, high),
        None => Cell::number(figure.value),
    }
}

fn method_cell(figure: Option<Figure>) -> Cell {
    figure.map_or(Cell::Absent, |figure| Cell::text(method_name(figure.method)))
}

#[cfg(test)]
mod tests {
    use crate::answer::trust::Evidence;
    use crate::report::{Format, compare_report, samples, simulate_report, solve_report};

    #[test]
    fn the_analytic_answer() {
        insta::assert_snapshot!(solve_report(&samples::stable(), &Evidence::default()).plain(Format::Table), @r#"
        Stability
        quantity                                value  unit        method
        ─────────────────────────────────────────────────────────────────
        arrival rate λ                          6.000  requests/s  given
        verdict                                stable
        boundary λ*                           7.19821  requests/s  exact
        certified bracket  [7.198209445, 7.198209446]  requests/s  exact
        binding limit                    token-budget
        next limit               kv-memory at 7.84953  requests/s  exact

        Equilibrium
        quantity       value  unit        method
        ────────────────────────────────────────
        waiting q     0.2500  requests    fluid
        running N      31.50  requests    fluid
        swapped z          0  requests    fluid
        KV tokens      25200  tokens      fluid
        iteration τ  0.02310  s           fluid
        batch b        152.8  tokens      fluid
        throughput     6.000  requests/s  fluid
        preemptions        0  1/request   fluid

        Latency
        latency  TTFT (s)  TBT (s)  E2E (s)  method
        ───────────────────────────────────────────
        mean       0.1250  0.02310    4.750  fluid
        p50       0.08750  0.01617    3.325  fluid
        p95        0.3750  0.06930    14.25  fluid
        p99        0.5750   0.1063    21.85  fluid
        · TTFT: arrival to first token. TBT: between consecutive tokens. E2E: arrival to last token.
        · TTFT quantiles are an approximation.
        "#);
    }

    #[test]
    fn an_overloaded_answer() {
        insta::assert_snapshot!(solve_report(&samples::overloaded(), &Evidence::default()).plain(Format::Table), @r#"
        Stability
        quantity                                          value  unit        method
        ────────────────────────────────────────────────────────────────────────────────
        arrival rate λ                                    9.000  requests/s  given
        verdict                                      overloaded
        boundary λ*, from empty                         7.19821  requests/s  upper bound
        boundary λ*, from a backlog                     6.50000  requests/s  exact
        certified bracket            [7.198209445, 7.198209446]  requests/s  exact
        binding limit                              token-budget
        queue growth                                      1.802  requests/s  fluid

        Saturated state
        quantity       value  unit        method
        ────────────────────────────────────────
        waiting q          –  requests    –
        running N      31.50  requests    fluid
        swapped z          0  requests    fluid
        KV tokens      25200  tokens      fluid
        iteration τ  0.02310  s           fluid
        batch b        152.8  tokens      fluid
        throughput     6.000  requests/s  fluid
        preemptions        0  1/request   fluid

        Latency
        latency  TTFT (s)  TBT (s)  E2E (s)  method
        ───────────────────────────────────────────
        mean            –        –        –  –
        p50             –        –        –  –
        p95             –        –        –  –
        p99             –        –        –  –
        · Overloaded: the queue grows without end, so no latency exists.
        · TTFT quantiles are an approximation.
        "#);
    }

    #[test]
    fn the_simulated_answer() {
        insta::assert_snapshot!(simulate_report(&samples::simulated()).plain(Format::Table), @r#"
        Simulation
        quantity         value  unit        method
        ───────────────────────────────────────────
        arrival rate λ   6.000  requests/s  given
        verdict         stable
        arrived          60123  requests    counted
        completed        60080  requests    counted
        rejected             3  requests    counted
        in system           40  requests    counted
        preemptions         17              counted
        steps           433000  iterations  counted
        simulated time   10020  s           counted

        Equilibrium
        quantity                 value  unit        method
        ─────────────────────────────────────────────────────
        waiting q      0.2500 ± 0.0050  requests    simulated
        running N         31.50 ± 0.63  requests    simulated
        swapped z                    0  requests    simulated
        KV tokens          25200 ± 504  tokens      simulated
        iteration τ  0.02310 ± 0.00046  s           simulated
        batch b            152.8 ± 3.1  tokens      simulated
        throughput         6.00 ± 0.12  requests/s  simulated
        preemptions                  0  1/request   simulated

        Latency
        latency         TTFT (s)            TBT (s)        E2E (s)  method
        ─────────────────────────────────────────────────────────────────────
        mean     0.1250 ± 0.0025  0.02310 ± 0.00046  4.750 ± 0.095  simulated
        p50      0.0875 ± 0.0018  0.01617 ± 0.00032  3.325 ± 0.067  simulated
        p95      0.3750 ± 0.0075    0.0693 ± 0.0014   14.25 ± 0.29  simulated
        p99        0.575 ± 0.011    0.1063 ± 0.0021   21.85 ± 0.44  simulated
        · TTFT: arrival to first token. TBT: between consecutive tokens. E2E: arrival to last token.
        · ± and [low, high]: 95 % confidence.

        Operations
        quantity                     value  unit        method
        ─────────────────────────────────────────────────────────
        goodput                5.50 ± 0.11  requests/s  simulated
        objectives attained  0.900 ± 0.018  share       simulated
        time in iterations   0.750 ± 0.015  share       simulated
        makespan                     10020  s           simulated

        Classes
        class  completed (requests)    mean TTFT (s)   mean E2E (s)  attainment (share)
        ───────────────────────────────────────────────────────────────────────────────
        chat                  40000  0.1250 ± 0.0025  4.750 ± 0.095                   –
        code                  20080  0.1250 ± 0.0025  4.750 ± 0.095                   –
        · First 10 % left out as warm-up.
        "#);
    }

    #[test]
    fn the_comparison() {
        insta::assert_snapshot!(compare_report(&samples::compared(), &samples::evidence(), &[]).plain(Format::Table), @r#"
        Theory and simulation
        quantity            analytic      simulated      gap  verdict         gate  method
        ──────────────────────────────────────────────────────────────────────────────────
        running                31.50   31.40 ± 0.20  +0.32 %  agrees         0.2 %  fluid
        ttft_s.p99            0.5750  0.420 ± 0.020  +36.9 %  do not trust  12 % !  fluid
        queue_growth_per_s         –              –        –  –              0.2 %  fluid
        · A verdict in parentheses: no agreement is promised for this quantity here.
        · Gate: the largest error beyond the engine's 95 % interval seen up to 0.9 λ* in v1-uniform.
        · Gate, !: the goal was missed there, do not trust the figure.
        "#);
    }

    /// Every figure has what the gate has seen of it beside its method.
    #[test]
    fn the_marks_of_the_gate() {
        let text = solve_report(&samples::stable(), &samples::evidence()).plain(Format::Table);
        assert!(text.contains("method  gate"), "{text}");
        assert!(text.contains("fluid   12 % ! / 0.2 % / –"), "{text}");
        assert!(text.contains("do not trust"), "{text}");
        let list = solve_report(&samples::stable(), &samples::evidence()).plain(Format::Csv);
        assert!(list.contains("ttft_s.mean,0.125,s,fluid,missed,0.123\n"), "{list}");
        assert!(list.contains("running,31.5,requests,fluid,,\n"), "{list}");
    }

    #[test]
    fn lists_for_spreadsheets() {
        insta::assert_snapshot!(solve_report(&samples::overloaded(), &Evidence::default()).plain(Format::Csv), @r#"
        quantity,value,unit,method
        verdict,overloaded,,
        lambda_per_s,9.0,requests/s,given
        lambda_star_per_s.high,7.1982094454,requests/s,upper bound
        lambda_star_per_s.low,6.5,requests/s,exact
        lambda_star_per_s.bracket_low,7.198209445,requests/s,exact
        lambda_star_per_s.bracket_high,7.198209446,requests/s,exact
        binding,token-budget,,
        throughput_per_s,6.0,requests/s,fluid
        queue_growth_per_s,1.8018,requests/s,fluid
        waiting,,requests,
        running,31.5,requests,fluid
        swapped,0.0,requests,fluid
        kv_tokens,25200.0,tokens,fluid
        step_s,0.0231,s,fluid
        batch_tokens,152.75,tokens,fluid
        preemptions_per_request,0.0,1/request,fluid
        ttft_s.mean,,s,
        ttft_s.p50,,s,
        ttft_s.p95,,s,
        ttft_s.p99,,s,
        tbt_s.mean,,s,
        tbt_s.p50,,s,
        tbt_s.p95,,s,
        tbt_s.p99,,s,
        e2e_s.mean,,s,
        e2e_s.p50,,s,
        e2e_s.p95,,s,
        e2e_s.p99,,s,
        "#);
        insta::assert_snapshot!(compare_report(&samples::compared(), &samples::evidence(), &[]).plain(Format::Csv), @r#"
        quantity,unit,analytic,simulated,ci_low,ci_high,relative_gap,agrees,promised,method,verdict,gate,gate_error
        running,requests,31.5,31.4,31.2,31.6,0.0031847133757961785,true,true,fluid,agrees,trusted,0.002
        ttft_s.p99,s,0.575,0.42,0.4,0.44,0.36904761904761907,false,false,fluid,do not trust,missed,0.123
        queue_growth_per_s,requests/s,,,,,,,true,fluid,–,trusted,0.002
        "#);
        let simulated = simulate_report(&samples::simulated()).plain(Format::Csv);
        assert!(simulated.starts_with("quantity,value,ci_low,ci_high,unit,method\n"), "{simulated}");
        assert!(simulated.contains("\narrived,60123,,,requests,counted\n"), "{simulated}");
    }

    #[test]
    fn lines_are_short_enough_for_a_terminal() {
        for text in [
            solve_report(&samples::stable(), &Evidence::default()).plain(Format::Table),
            simulate_report(&samples::simulated()).plain(Format::Table),
            compare_report(&samples::compared(), &samples::evidence(), &[]).plain(Format::Table),
        ] {
            assert!(text.lines().all(|line| crate::report::text::display_width(line) <= 100), "{text}");
        }
    }

    #[test]
    fn latex_holds_no_bare_symbol() {
        let text = solve_report(&samples::stable(), &Evidence::default()).plain(Format::Latex);
        assert!(text.is_ascii(), "{text}");
        assert!(text.contains("$\\lambda^{*}$"), "{text}");
    }
}
