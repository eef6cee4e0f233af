//! How the work was done: the figures that only a simulation has, as tables, list rows and JSON.

use serde_json::{Map, Value, json};

use super::json::estimate;
use super::solution::{state_row, unit_of, value_table};
use super::table::{Cell, Column, Table};
use crate::answer::{ClassFigures, Figure, Operations};

/// The figures that apply, and the classes when there are several.
pub(super) fn tables(operations: &Operations) -> Vec<Table> {
    let mut tables = Vec::new();
    let mut table = value_table("Operations");
    for (name, figure) in operations.quantities().into_iter().filter(|(_, figure)| figure.is_some()) {
        table.row(state_row(label_of(name), figure, unit_of(name)));
    }
    if !table.rows.is_empty() {
        tables.push(table);
    }
    if !operations.classes.is_empty() {
        tables.push(class_table(&operations.classes));
    }
    tables
}

/// Every figure for CSV, with those of the classes under `class.NAME`.
pub(super) fn list_rows(list: &mut Table, operations: &Operations) {
    for (name, figure) in operations.quantities() {
        list.row(state_row(name, figure, unit_of(name)));
    }
    for class in &operations.classes {
        let place = |name: &str| format!("class.{}.{name}", class.name);
        let completed = Cell::Count(class.completed);
        list.row(vec![Cell::text(place("completed")), completed, Cell::text("requests"), Cell::text("counted")]);
        for (name, figure) in figures_of(class) {
            list.row(state_row(&place(name), figure, unit_of(name)));
        }
    }
}

/// Every figure by its name.
pub(super) fn operations_json(operations: &Operations) -> Value {
    let figures = operations.quantities().into_iter();
    Value::Object(figures.map(|(name, figure)| (name.to_owned(), estimate(figure))).collect())
}

/// One object per class.
pub(super) fn classes_json(classes: &[ClassFigures]) -> Value {
    let object = |class: &ClassFigures| {
        let mut object = Map::new();
        object.insert("name".to_owned(), json!(class.name));
        object.insert("completed".to_owned(), json!(class.completed));
        object.extend(figures_of(class).map(|(name, figure)| (name.to_owned(), estimate(figure))));
        Value::Object(object)
    };
    classes.iter().map(object).collect()
}

fn figures_of(class: &ClassFigures) -> [(&'static str, Option<Figure>); 3] {
    [("ttft_s", class.ttft_s), ("e2e_s", class.e2e_s), ("slo_attainment", class.slo_attainment)]
}

fn class_table(classes: &[ClassFigures]) -> Table {
    let mut table = Table::new(
        "Classes",
        vec![
            Column::text("class"),
            Column::number("completed", "requests"),
            Column::number("mean TTFT", "s"),
            Column::number("mean E2E", "s"),
            Column::number("attainment", "share"),
        ],
    );
    for class in classes {
        let mut row = vec![Cell::text(&class.name), Cell::Count(class.completed)];
        row.extend(
            figures_of(class).map(|(_, figure)| figure.as_ref().map_or(Cell::Absent, super::solution::figure_cell)),
        );
        table.row(row);
    }
    table
}

fn label_of(name: &'static str) -> &'static str {
    match name {
        "goodput_per_s" => "goodput",
        "slo_attainment" => "objectives attained",
        "time_utilisation" => "time in iterations",
        "budget_utilisation" => "token budget used",
        "kv_utilisation" => "KV memory used",
        "gpu_utilisation" => "GPUs used",
        "swap_outs_per_request" => "swapped out",
        "swap_ins_per_request" => "swapped in",
        "wasted_share" => "tokens in vain",
        "cached_share" => "prompts found in cache",
        "weighted_e2e_s" => "weighted E2E, mean",
        "weighted_flow_time_s" => "weighted flow time",
        "makespan_s" => "makespan",
        "little_residual" => "Little's law residual",
        _ => name,
    }
}
