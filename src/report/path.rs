//! The figures of a fluid path, beside the analytic answer or alone.

use serde_json::{Value, json};

use super::solution::{solve_list, value_table};
use super::table::{Cell, Table};
use super::{Report, csv, json as contract, solve_json, solve_tables};
use crate::answer::FluidSolution;
use crate::answer::trust::Evidence;
use crate::fluid::{Form, Path, PathSummary};

/// The method of every figure of a path.
const METHOD: &str = "fluid";

/// The analytic answer, where there is one, and the path's figures after it. CSV is one table of quantities.
pub fn path_report(answer: Option<(&FluidSolution, &Evidence)>, path: &Path) -> Report {
    let mut object = answer.map_or_else(|| json!({}), |(solution, evidence)| solve_json(solution, evidence));
    object["path"] = path_json(path);
    let mut list = answer.map_or_else(|| value_table(""), |(solution, evidence)| solve_list(solution, evidence));
    for (name, value, unit) in figures(&path.summary()) {
        list.row(vec![Cell::text(format!("path.{name}")), Cell::maybe(value), Cell::text(unit), Cell::text(METHOD)]);
    }
    let mut tables = answer.map_or_else(Vec::new, |(solution, evidence)| solve_tables(solution, evidence));
    tables.push(path_table(path));
    Report { json: Some(object), csv: Some(csv::table_csv(&list)), ..tables.into() }
}

/// The path's figures with stable names, and the form that was used.
pub fn path_json(path: &Path) -> Value {
    let mut object = json!({});
    for (name, value, _) in figures(&path.summary()) {
        object[name] = value.map_or(Value::Null, contract::number);
    }
    object["form"] = json!(form_name(path.form));
    object["notes"] = json!(path.notes);
    object
}

fn path_table(path: &Path) -> Table {
    let mut table = value_table("Path");
    for (name, value, unit) in figures(&path.summary()) {
        table.row(vec![Cell::text(label(name)), Cell::maybe(value), Cell::text(unit), Cell::text(METHOD)]);
    }
    table.note(
        "Drained: no more than 2 % of the backlog's peak waits. Saturated: a limit makes the first requests wait.",
    );
    table.notes.extend(path.notes.iter().cloned());
    table
}

/// Name, value and unit of every figure.
fn figures(summary: &PathSummary) -> [(&'static str, Option<f64>, &'static str); 8] {
    [
        ("peak_waiting", Some(summary.peak_waiting), "requests"),
        ("peak_waiting_s", Some(summary.peak_waiting_s), "s"),
        ("drain_s", summary.drain_s, "s"),
        ("saturated_s", summary.saturated_s, "s"),
        ("peak_in_system", Some(summary.peak_in_system), "requests"),
        ("peak_swapped", Some(summary.peak_swapped), "requests"),
        ("peak_kv_tokens", Some(summary.peak_kv_tokens), "tokens"),
        ("growth_per_s", Some(summary.growth_per_s), "requests/s"),
    ]
}

fn label(name: &str) -> &'static str {
    match name {
        "peak_waiting" => "peak backlog",
        "peak_waiting_s" => "time of the peak",
        "drain_s" => "time from peak to drained",
        "saturated_s" => "saturated at",
        "peak_in_system" => "most in the system",
        "peak_swapped" => "most swapped",
        "peak_kv_tokens" => "most KV",
        _ => "growth at the end",
    }
}

fn form_name(form: Form) -> &'static str {
    match form {
        Form::Auto => "auto",
        Form::Map => "map",
        Form::Ode => "ode",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fluid::PathPoint;
    use crate::report::Format;

    fn path() -> Path {
        let point =
            |t_s: f64, waiting: f64| PathPoint { t_s, waiting, running: 4.0, kv_tokens: 900.0, ..PathPoint::default() };
        let points = vec![point(0.0, 0.0), point(10.0, 50.0), point(20.0, 0.0), point(30.0, 0.0)];
        Path { points, form: Form::Ode, notes: vec!["Why".into()] }
    }

    #[test]
    fn the_figures_of_a_path() {
        let rows = [
            "quantity,value,unit,method",
            "path.peak_waiting,50.0,requests,fluid",
            "path.peak_waiting_s,10.0,s,fluid",
            "path.drain_s,9.8,s,fluid",
            "path.saturated_s,10.0,s,fluid",
            "path.peak_in_system,54.0,requests,fluid",
            "path.peak_swapped,0.0,requests,fluid",
            "path.peak_kv_tokens,900.0,tokens,fluid",
            "path.growth_per_s,0.0,requests/s,fluid",
        ];
        assert_eq!(path_report(None, &path()).plain(Format::Csv).lines().collect::<Vec<_>>(), rows);
        let answer = path_json(&path());
        assert_eq!((answer["peak_waiting"].as_f64(), answer["peak_waiting_s"].as_f64()), (Some(50.0), Some(10.0)));
        assert!((answer["drain_s"].as_f64().unwrap() - 9.8).abs() < 1e-12);
        assert_eq!((answer["form"].as_str(), answer["notes"][0].as_str()), (Some("ode"), Some("Why")));
    }

    #[test]
    fn a_path_without_a_backlog_has_nothing_to_drain() {
        let calm = Path { points: vec![PathPoint { running: 4.0, ..PathPoint::default() }; 3], ..path() };
        assert!(path_json(&calm)["drain_s"].is_null() && path_json(&calm)["saturated_s"].is_null());
    }
}
