//! Tables of what stands around λ*: its sensitivity, the region of two classes, the margin of memory.

use super::table::{Cell, Column, Table};
use crate::fluid::margin::Margin;
use crate::fluid::region::Region;
use crate::fluid::sensitivity::{Elasticity, SideSlope};

/// The elasticities of λ*, one row per parameter; both sides where λ* has a kink.
pub fn sensitivity_table(rows: &[Elasticity]) -> Table {
    let mut table = Table::new(
        "Sensitivity of λ*",
        vec![
            Column::text("parameter p"),
            Column::number("value", ""),
            Column::number("step", "%"),
            Column::number("d ln λ*/d ln p", ""),
            Column::number("towards less", ""),
            Column::number("towards more", ""),
            Column::text("binds there"),
        ],
    );
    for row in rows {
        let sides = row.has_kink() || row.below.is_none() || row.above.is_none();
        let side = |side: Option<SideSlope>| match side {
            Some(side) if sides => slope(side.elasticity),
            _ => Cell::Absent,
        };
        table.row(vec![
            Cell::text(row.parameter.name()),
            Cell::number(row.value),
            Cell::digits(100.0 * row.step(), 3),
            slope(row.elasticity),
            side(row.below),
            side(row.above),
            Cell::text(binds(row)),
        ]);
    }
    table.note("Central differences; step: the widest relative change, in whole tokens, sequences, blocks or at least one request where p is whole.");
    if rows.iter().any(Elasticity::has_kink) {
        table
            .note("Both sides are given where they differ: another limit takes over, or λ* is not smooth at the step.");
    }
    if rows.iter().any(|row| row.below.is_none() || row.above.is_none()) {
        table.note("One side only: the scenario has no neighbour on the other.");
    }
    table.note("cv: within each class, its mean kept; a mean is moved with the shape of its law kept.");
    table
}

/// Three decimals: an elasticity of 1e-9 is none.
fn slope(value: f64) -> Cell {
    let rounded = (value * 1000.0).round() / 1000.0;
    if rounded == 0.0 { Cell::Number { value: 0.0, digits: 1 } } else { Cell::Number { value, digits: 3 } }
}

fn binds(row: &Elasticity) -> String {
    match (row.below, row.above) {
        (Some(below), Some(above)) if below.binding != above.binding => {
            format!("{} / {}", below.binding.name(), above.binding.name())
        }
        (below, above) => below.or(above).map_or(String::new(), |side| side.binding.name().to_owned()),
    }
}

/// The vertices of the region from the axis of class 1 to that of class 2, each with the limit of the edge that begins there.
pub fn region_table(region: &Region) -> Table {
    let [first, second] = &region.classes;
    let mut table = Table::new(
        &format!("Stability region of {first} and {second}"),
        vec![
            Column::number(&format!("rate of {first}"), "requests/s"),
            Column::number(&format!("rate of {second}"), "requests/s"),
            Column::text("edge from here"),
            Column::text("shape"),
        ],
    );
    for edge in &region.edges {
        let shape = if edge.straight { "straight" } else { "curved" };
        table.row(vec![
            Cell::digits(edge.from.0, 6),
            Cell::digits(edge.from.1, 6),
            Cell::text(edge.limit.name()),
            Cell::text(shape),
        ]);
    }
    if let Some(last) = region.edges.last() {
        table.row(vec![Cell::digits(last.to.0, 6), Cell::digits(last.to.1, 6), Cell::text(""), Cell::text("")]);
    }
    let place = if region.holds(region.operating) { "inside" } else { "outside" };
    table.note(format!(
        "The scenario's own rates, {:.4} and {:.4}, are {place}. Other classes are left out.",
        region.operating.0, region.operating.1
    ));
    table
}

/// The demand for memory and what a risk asks for.
pub fn margin_table(margin: &Margin) -> Table {
    let mut table = Table::new(
        "Margin of memory",
        vec![Column::text("quantity"), Column::number("value", ""), Column::text("unit"), Column::text("method")],
    );
    let demand = &margin.demand;
    let mut row = |name: &str, value: f64, unit: &str| {
        table.row(vec![Cell::text(name), Cell::number(value), Cell::text(unit), Cell::text("approximation")]);
    };
    row("requests in the system, mean", margin.noise.in_system, "requests");
    row("their standard deviation", margin.noise.noise.in_system_sd, "requests");
    row("KV demand without a limit, mean", demand.mean, "tokens");
    row("its standard deviation", demand.sd, "tokens");
    for (name, p) in [("its median", 0.5), ("its p95", 0.95), ("its p99", 0.99), ("its p99.9", 0.999)] {
        row(name, demand.quantile(p), "tokens");
    }
    if let Some(memory) = margin.memory {
        row(&format!("P(demand > M), M = {memory}"), demand.exceeds(memory), "share");
    }
    row(&format!("least M with P(demand > M) ≤ {}", margin.probability), margin.by_demand, "tokens");
    if let Some(tokens) = margin.by_preemptions {
        row(&format!("least M with preemptions ≤ {} per request", margin.probability), tokens, "tokens");
    }
    table.note("Demand: gamma law with the mean of the equilibrium and the variance of the linear noise.");
    if margin.noise.near_limit {
        table.note("Two standard deviations reach K: what K holds back makes the demand smaller than stated.");
    }
    table
}
