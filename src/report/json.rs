//! JSON: any table, and the stable contract of the three answers. Names, once published, stay. A number that is not finite
//! or does not exist is `null`.

use serde_json::{Map, Value, json};

use super::table::{Cell, Table};
use crate::answer::compare::CompareRow;
use crate::answer::{Figure, FluidSolution, Latency, Method, SimulatedSolution, Summary, Verdict};

/// A table: rows as objects keyed by column name, numbers in full.
pub fn table_json(table: &Table) -> Value {
    let columns: Vec<Value> =
        table.columns.iter().map(|column| json!({ "name": column.name, "unit": column.unit })).collect();
    let rows: Vec<Value> = table
        .rows
        .iter()
        .map(|row| {
            let named = table.columns.iter().enumerate();
            let object: Map<String, Value> =
                named.map(|(k, column)| (column.name.clone(), cell_json(table.cell(row, k)))).collect();
            Value::Object(object)
        })
        .collect();
    json!({ "title": table.title, "columns": columns, "rows": rows, "notes": table.notes })
}

fn cell_json(cell: &Cell) -> Value {
    match cell {
        Cell::Text(words) => json!(words),
        Cell::Count(count) => json!(count),
        Cell::Number { value, .. } => number(*value),
        Cell::Interval { value, low, high } => with_ends(*value, Some((*low, *high))),
        Cell::Absent => Value::Null,
    }
}

/// The analytic answer; figures are plain numbers, their methods stand under `methods`. The latencies of an overloaded
/// scenario are `null`.
pub fn solve_json(solution: &FluidSolution) -> Value {
    let plain = |figure: Option<Figure>| figure.map_or(Value::Null, |figure| number(figure.value));
    let summary = &solution.summary;
    let boundary = &solution.boundary;
    json!({
        "lambda_per_s": number(solution.lambda_per_s),
        "verdict": solution.verdict.name(),
        "lambda_star_per_s": {
            "high": number(boundary.high_per_s),
            "low": number(boundary.low_per_s),
            "bracket": [number(boundary.bracket_per_s.0), number(boundary.bracket_per_s.1)],
            "binding": boundary.binding.name(),
            "runner_up": boundary.runner_up.map(|(limit, _)| limit.name()),
            "runner_up_per_s": boundary.runner_up.map_or(Value::Null, |(_, rate)| number(rate)),
            "method": method_name(boundary.method),
        },
        "equilibrium": equilibrium(summary, plain),
        "preemptions_per_request": plain(summary.preemptions_per_request),
        "queue_growth_per_s": plain(summary.queue_growth_per_s),
        "latency": latencies(summary, solution.verdict, plain),
        "methods": methods(summary),
        "notes": solution.notes,
    })
}

/// The simulated answer; every figure is `{"value", "ci_low", "ci_high"}`, the ends `null` where there is no interval.
pub fn simulate_json(solution: &SimulatedSolution) -> Value {
    let summary = &solution.summary;
    let requests = solution.requests;
    json!({
        "lambda_per_s": number(solution.lambda_per_s),
        "verdict": solution.verdict.name(),
        "equilibrium": equilibrium(summary, estimate),
        "preemptions_per_request": estimate(summary.preemptions_per_request),
        "queue_growth_per_s": estimate(summary.queue_growth_per_s),
        "latency": latencies(summary, solution.verdict, estimate),
        "requests": {
            "arrived": requests.arrived,
            "completed": requests.completed,
            "rejected": requests.rejected,
            "in_system": requests.in_system,
        },
        "preemptions": solution.preemptions,
        "end_time_s": number(solution.end_time_s),
        "steps": solution.steps,
        "notes": solution.notes,
    })
}

/// The comparison. `agrees` at the top is whether every promised row that can be compared does; `null` when there is none.
pub fn compare_json(rows: &[CompareRow], notes: &[String]) -> Value {
    let optional = |value: Option<f64>| value.map_or(Value::Null, number);
    let promised: Vec<bool> = rows.iter().filter(|row| row.promised).filter_map(|row| row.agrees).collect();
    let agrees = (!promised.is_empty()).then(|| promised.iter().all(|&agrees| agrees));
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            let (low, high) = row.simulated.and_then(|figure| figure.interval).unzip();
            json!({
                "quantity": row.quantity,
                "analytic": optional(row.analytic),
                "simulated": optional(row.simulated.map(|figure| figure.value)),
                "ci_low": optional(low),
                "ci_high": optional(high),
                "relative_gap": optional(row.relative_gap),
                "agrees": row.agrees,
                "promised": row.promised,
                "method": row.method.map(method_name),
            })
        })
        .collect();
    json!({ "rows": rows, "agrees": agrees, "notes": notes })
}

/// The method as printed.
pub fn method_name(method: Method) -> &'static str {
    match method {
        Method::Exact => "exact",
        Method::Fluid => "fluid",
        Method::Approximation => "approximation",
        Method::Simulated => "simulated",
    }
}

/// Latencies that exist: none of an overloaded scenario, where they grow with the time one waits to measure them.
pub(super) fn latencies_of(summary: &Summary, verdict: Verdict) -> [(&'static str, Option<Latency>); 3] {
    let exists = verdict != Verdict::Overloaded;
    [("ttft_s", summary.ttft_s), ("tbt_s", summary.tbt_s), ("e2e_s", summary.e2e_s)]
        .map(|(name, latency)| (name, latency.filter(|_| exists)))
}

fn equilibrium(summary: &Summary, shown: impl Fn(Option<Figure>) -> Value) -> Value {
    json!({
        "waiting": shown(summary.waiting),
        "running": shown(summary.running),
        "swapped": shown(summary.swapped),
        "kv_tokens": shown(summary.kv_tokens),
        "step_s": shown(summary.step_s),
        "batch_tokens": shown(summary.batch_tokens),
        "throughput_per_s": shown(summary.throughput_per_s),
    })
}

fn latencies(summary: &Summary, verdict: Verdict, shown: impl Fn(Option<Figure>) -> Value) -> Value {
    let all = latencies_of(summary, verdict).map(|(name, latency)| {
        let parts = latency.map(|latency| {
            json!({
                "mean": shown(Some(latency.mean)),
                "p50": shown(Some(latency.p50)),
                "p95": shown(Some(latency.p95)),
                "p99": shown(Some(latency.p99)),
            })
        });
        (name.to_owned(), parts.unwrap_or(Value::Null))
    });
    Value::Object(all.into_iter().collect())
}

fn methods(summary: &Summary) -> Value {
    let named = summary.quantities().into_iter();
    Value::Object(named.filter_map(|(name, figure)| Some((name, json!(method_name(figure?.method))))).collect())
}

fn estimate(figure: Option<Figure>) -> Value {
    figure.map_or(Value::Null, |figure| with_ends(figure.value, figure.interval))
}

fn with_ends(value: f64, ends: Option<(f64, f64)>) -> Value {
    if !value.is_finite() {
        return Value::Null;
    }
    let (low, high) = ends.unzip();
    let end = |end: Option<f64>| end.map_or(Value::Null, number);
    json!({ "value": value, "ci_low": end(low), "ci_high": end(high) })
}

fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}
