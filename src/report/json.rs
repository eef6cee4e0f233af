//! JSON: any table, and the stable contract of the three answers. Names, once published, stay. A number that is not
//! finite or does not exist is `null`.

use serde_json::{Map, Value, json};

use super::gate::{standing_name, verdict_of};
use super::operations;
use super::table::{Cell, Table};
use crate::answer::compare::CompareRow;
use crate::answer::trust::{Evidence, Mark};
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
pub fn solve_json(solution: &FluidSolution, evidence: &Evidence) -> Value {
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
        "gate": gate_json(evidence),
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
        "operations": operations::operations_json(&solution.operations),
        "classes": operations::classes_json(&solution.operations.classes),
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

/// The comparison. `agrees` at the top is whether every promised row that can be compared does; `null` when there is
/// none.
pub fn compare_json(rows: &[CompareRow], evidence: &Evidence, notes: &[String]) -> Value {
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
                "resolved": row.resolved,
                "verdict": verdict_of(row),
                "gate": mark_json(&row.gate),
                "method": row.method.map(method_name),
            })
        })
        .collect();
    json!({
        "rows": rows,
        "agrees": agrees,
        "gate": { "families": evidence.families, "load": evidence.load },
        "notes": notes,
    })
}

/// The evidence of the gate: families, load, and a mark per quantity.
fn gate_json(evidence: &Evidence) -> Value {
    let marks: Map<String, Value> = evidence.marks.iter().map(|(name, mark)| (name.clone(), mark_json(mark))).collect();
    json!({ "families": evidence.families, "load": evidence.load, "figures": marks })
}

/// The error is `null` where none was measured or one of the answers had no figure.
fn mark_json(mark: &Mark) -> Value {
    let optional = |value: Option<f64>| value.map_or(Value::Null, number);
    json!({ "standing": standing_name(mark.standing), "error": optional(mark.error), "tolerance": optional(mark.tolerance) })
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

/// A simulated figure with the ends of its interval.
pub(super) fn estimate(figure: Option<Figure>) -> Value {
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

pub(super) fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Column, pretty, samples};

    #[test]
    fn a_table_keeps_every_digit() {
        let mut table = Table::new("T", vec![Column::text("name"), Column::number("wait", "s")]);
        table.row(vec![Cell::text("a"), Cell::interval(1.0 / 3.0, 0.25, 0.5)]);
        table.row(vec![Cell::text("b"), Cell::Number { value: f64::INFINITY, digits: 3 }]);
        table.row(vec![Cell::Count(3), Cell::number(2.5)]);
        table.note("n");
        let expected = json!({
            "title": "T",
            "columns": [{ "name": "name", "unit": "" }, { "name": "wait", "unit": "s" }],
            "rows": [
                { "name": "a", "wait": { "value": 1.0 / 3.0, "ci_low": 0.25, "ci_high": 0.5 } },
                { "name": "b", "wait": null },
                { "name": 3, "wait": 2.5 },
            ],
            "notes": ["n"],
        });
        assert_eq!(table_json(&table), expected);
    }

    #[test]
    fn the_analytic_contract() {
        let found = solve_json(&samples::stable(), &Evidence::default());
        assert_eq!(found["lambda_per_s"], json!(6.0));
        assert_eq!(found["verdict"], json!("stable"));
        let boundary = &found["lambda_star_per_s"];
        assert_eq!(boundary["high"], json!(7.198_209_445_4));
        assert_eq!(boundary["low"], json!(7.198_209_445_4));
        assert_eq!(boundary["bracket"], json!([7.198_209_445, 7.198_209_446]));
        assert_eq!(boundary["binding"], json!("token-budget"));
        assert_eq!(boundary["runner_up"], json!("kv-memory"));
        let names = ["waiting", "running", "swapped", "kv_tokens", "step_s", "batch_tokens", "throughput_per_s"];
        for name in names {
            assert!(found["equilibrium"][name].is_f64(), "{name}");
        }
        for name in ["ttft_s", "tbt_s", "e2e_s"] {
            for part in ["mean", "p50", "p95", "p99"] {
                assert!(found["latency"][name][part].is_f64(), "{name} {part}");
                assert_eq!(found["methods"][format!("{name}.{part}")], json!("fluid"));
            }
        }
        assert_eq!(found["queue_growth_per_s"], Value::Null);
        assert_eq!(found["notes"], json!(["TTFT quantiles are an approximation."]));
    }

    #[test]
    fn an_overloaded_scenario_has_growth_and_no_latency() {
        let found = solve_json(&samples::overloaded(), &Evidence::default());
        assert_eq!(found["verdict"], json!("overloaded"));
        assert_eq!(found["queue_growth_per_s"], json!(1.8018));
        assert_eq!(found["equilibrium"]["waiting"], Value::Null);
        assert_eq!(found["latency"], json!({ "ttft_s": null, "tbt_s": null, "e2e_s": null }));
        assert_eq!(found["lambda_star_per_s"]["runner_up"], Value::Null);
    }

    #[test]
    fn the_simulated_contract() {
        let found = simulate_json(&samples::simulated());
        let throughput = json!({ "value": 6.0, "ci_low": 0.98 * 6.0, "ci_high": 1.02 * 6.0 });
        assert_eq!(found["equilibrium"]["throughput_per_s"], throughput);
        assert_eq!(found["latency"]["ttft_s"]["mean"]["value"], json!(0.125));
        assert_eq!(found["requests"], json!({ "arrived": 60123, "completed": 60080, "rejected": 3, "in_system": 40 }));
        assert_eq!((&found["preemptions"], &found["steps"]), (&json!(17), &json!(433_000)));
        assert_eq!(found["end_time_s"], json!(10_020.5));
        assert_eq!(found.get("lambda_star_per_s"), None);
    }

    #[test]
    fn the_comparison_contract() {
        let found = compare_json(&samples::compared(), &Evidence::default(), &[]);
        let expected = json!({
            "quantity": "running", "analytic": 31.5, "simulated": 31.4, "ci_low": 31.2, "ci_high": 31.6,
            "relative_gap": 0.1 / 31.4, "agrees": true, "promised": true, "resolved": true, "verdict": "agrees",
            "gate": { "standing": "trusted", "error": 0.002, "tolerance": 0.02 }, "method": "fluid",
        });
        assert_eq!(found["rows"][0], expected);
        assert_eq!(found["rows"][2]["simulated"], Value::Null);
        assert_eq!(found["agrees"], json!(true));
        assert_eq!(compare_json(&[], &Evidence::default(), &[])["agrees"], Value::Null);
    }

    #[test]
    fn what_is_not_finite_is_null() {
        let mut solution = samples::simulated();
        solution.summary.waiting = Some(Figure::simulated(f64::NAN, 0.0, 1.0));
        solution.summary.running = Some(Figure::simulated(1.0, f64::NEG_INFINITY, f64::INFINITY));
        let found = simulate_json(&solution);
        assert_eq!(found["equilibrium"]["waiting"], Value::Null);
        assert_eq!(found["equilibrium"]["running"], json!({ "value": 1.0, "ci_low": null, "ci_high": null }));
        assert!(pretty(&found).ends_with("}\n"));
    }
}
