//! The gate on paper: errors of every member, the errors over all of them against the goals, and a verdict for each family.

use super::number;
use super::table::{Cell, Column, Table};
use crate::answer::compare::CompareRow;
use crate::answer::trust::{Evidence, Mark, Standing};
use crate::report::{Heat, HeatCell, HeatMap};
use crate::study::gate::errors::Measured;
use crate::study::gate::evidence::traits_of;
use crate::study::gate::map::{self, CVS, MEMORIES};
use crate::study::gate::verdict::{self, Miss, Standing as FamilyStanding, lines, trusted_up_to};
use crate::study::gate::{BOUNDARY, Family, GOALS, LOADS, SPIKE_GOALS};

/// The three tables of `fluidsim trust`: members, quantities, families.
pub fn trust_tables(families: &[Family], rows: &[Measured]) -> Vec<Table> {
    vec![members_table(rows), quantities_table(rows), families_table(families, rows)]
}

fn members_table(rows: &[Measured]) -> Table {
    let mut columns = vec![Column::text("family"), Column::number("λ/λ*", "")];
    columns.extend(GOALS.map(|goal| Column::number(goal.short, "")));
    let mut table = Table::new("Errors of theory on the gate, per cent", columns);
    let mut members: Vec<(&str, f64)> = Vec::new();
    for row in rows {
        if let Some(load) = row.load
            && !members.contains(&(&row.family, load))
        {
            members.push((&row.family, load));
        }
    }
    for (family, load) in members {
        let mut cells = vec![Cell::text(family), Cell::digits(load, 2)];
        cells.extend(GOALS.map(|goal| {
            let wanted = if goal.quantity == BOUNDARY { None } else { Some(load) };
            let same = |row: &&Measured| row.family == family && row.load == wanted && row.quantity == goal.quantity;
            rows.iter().find(same).map_or(Cell::Absent, error_cell)
        }));
        table.row(cells);
    }
    table.note(
        "Gap of theory beyond the engine's 95 % interval, 0 inside it. !: the goal is missed; ?: the interval is too wide to tell; \
         none: one of the two answers has no figure.",
    );
    table
}

fn error_cell(row: &Measured) -> Cell {
    let flag = match (row.misses(), row.is_resolved()) {
        (true, _) => " !",
        (_, false) => " ?",
        _ => "  ",
    };
    Cell::text(format!("{}{flag}", per_cent(row.error())))
}

fn per_cent(share: f64) -> String {
    match 100.0 * share {
        error if error.is_infinite() => "none".to_owned(),
        error if error < 9.95 => format!("{error:.1}"),
        error => format!("{error:.0}"),
    }
}

fn quantities_table(rows: &[Measured]) -> Table {
    let mut columns = vec![Column::text("quantity")];
    columns
        .extend(["median", "goal", "p90", "p90 goal", "worst", "members", "unresolved"].map(|n| Column::number(n, "")));
    columns.push(Column::text("verdict"));
    let mut table = Table::new("Errors over all members, per cent", columns);
    for line in lines(rows) {
        let share = |value: f64| if value.is_nan() { Cell::Absent } else { Cell::text(per_cent(value)) };
        table.row(vec![
            Cell::text(line.goal.short),
            share(line.median),
            share(line.goal.median),
            share(line.p90),
            share(line.goal.p90),
            share(line.worst),
            Cell::Count(line.members as u64),
            Cell::Count(line.unresolved as u64),
            Cell::text(if line.members == 0 {
                "not measured"
            } else if line.is_met() {
                "met"
            } else {
                "missed"
            }),
        ]);
    }
    table.note("Members that are unresolved count neither way.");
    table
}

fn families_table(families: &[Family], rows: &[Measured]) -> Table {
    let columns = ["family", "binds", "verdict"].map(Column::text).into();
    let mut table = Table::new("Families", columns);
    for (family, (name, standing)) in families.iter().zip(verdict::standings(families, rows)) {
        let (word, why) = match &standing {
            FamilyStanding::Refused(reason) => ("refused".to_owned(), reason.clone()),
            FamilyStanding::NotMeasured => ("not measured".to_owned(), String::new()),
            FamilyStanding::Measured(misses) if misses.is_empty() => (verdict_word(misses), String::new()),
            FamilyStanding::Measured(misses) => {
                (verdict_word(misses), format!("{}; {}", traits_of(family), largest(misses)))
            }
        };
        if !why.is_empty() {
            table.note(format!("{name}: {why}"));
        }
        table.row(vec![Cell::text(name), Cell::text(family.binds.name()), Cell::text(word)]);
    }
    table
}

fn verdict_word(misses: &[Miss]) -> String {
    match trusted_up_to(misses) {
        _ if misses.is_empty() => "trusted".to_owned(),
        Some(load) => format!("trusted to {load}"),
        None => "do not trust".to_owned(),
    }
}

/// The largest miss of each quantity.
fn largest(misses: &[Miss]) -> String {
    let of = |quantity: &str| {
        let own = misses.iter().filter(|miss| miss.quantity == quantity);
        own.max_by(|a, b| a.error.total_cmp(&b.error))
    };
    let shown = |miss: &Miss, short: &str| {
        let place = miss.load.map_or_else(String::new, |load| format!(" at {load}"));
        let gap = miss.gap.map_or_else(|| "no figure".to_owned(), number::percent);
        format!("{short} {gap}{place}")
    };
    let parts: Vec<String> = GOALS
        .iter()
        .chain(&SPIKE_GOALS)
        .filter_map(|goal| of(goal.quantity).map(|miss| shown(miss, goal.short)))
        .collect();
    parts.join("; ")
}

/// The errors of mean E2E and TTFT over load, memory and the spread of outputs.
pub fn trust_map(rows: &[Measured]) -> HeatMap {
    let panel = |quantity: &str, short: &str, cv: f64| Heat {
        title: format!("{short}, outputs of cv {cv}"),
        columns: LOADS.map(|load| load.to_string()).into(),
        rows: MEMORIES.map(|memory| memory.to_string()).into(),
        cells: MEMORIES
            .map(|memory| LOADS.map(|load| heat_cell(map::cell(rows, (cv, memory, load), quantity))).into())
            .into(),
    };
    let panels = [("e2e_s.mean", "E2E"), ("ttft_s.mean", "TTFT")]
        .map(|(quantity, short)| CVS.map(|cv| panel(quantity, short, cv)).into());
    HeatMap {
        title: "Error of theory beyond the engine's 95 % interval, per cent".to_owned(),
        x_label: "λ/λ*".to_owned(),
        y_label: "KV tokens".to_owned(),
        edges: vec![0.01, 0.03, 0.1, 0.3],
        legend: ["up to 1", "to 3", "to 10", "to 30", "above"].map(str::to_owned).into(),
        absent: "no figure".to_owned(),
        panels: panels.into(),
    }
}

fn heat_cell(row: Option<&Measured>) -> HeatCell {
    let Some(row) = row else { return HeatCell { value: None, text: number::ABSENT.to_owned() } };
    let unclear = if row.is_resolved() { "" } else { "?" };
    HeatCell {
        value: Some(row.error()).filter(|error| error.is_finite()),
        text: format!("{}{unclear}", per_cent(row.error())),
    }
}

/// What the gate says of a figure, in a few letters.
pub(super) fn mark_text(mark: &Mark) -> String {
    let error = mark.error.map(|error| match 100.0 * error {
        error if error.is_infinite() => "none".to_owned(),
        error => format!("{} %", if error < 9.95 { format!("{error:.1}") } else { format!("{error:.0}") }),
    });
    match (mark.standing, error) {
        (Standing::Exact, _) => "exact".to_owned(),
        (Standing::Missed, Some(error)) => format!("{error} !"),
        (Standing::Unresolved, Some(error)) => format!("{error} ?"),
        (_, Some(error)) => error,
        (_, None) => "unseen".to_owned(),
    }
}

/// Adds to each row what the gate has seen of the quantities beside it; nothing where there is no evidence.
pub(super) fn add_marks(table: &mut Table, quantities: &[Vec<String>], evidence: &Evidence) {
    if evidence.marks.is_empty() {
        return;
    }
    let width = table.columns.len();
    table.columns.push(Column::text("gate"));
    for (row, names) in table.rows.iter_mut().zip(quantities) {
        let seen = |name: &String| evidence.marks.iter().find(|(known, _)| known == name);
        let marks: Vec<Option<String>> = names.iter().map(|name| Some(mark_text(&seen(name)?.1))).collect();
        let text = if marks.iter().all(Option::is_none) {
            String::new()
        } else {
            marks.iter().map(|mark| mark.as_deref().unwrap_or(number::ABSENT)).collect::<Vec<_>>().join(" / ")
        };
        row.resize(width, Cell::text(""));
        row.push(Cell::text(text));
    }
}

/// The marks of a list of quantities, for CSV: the name of each row stands in its first cell.
pub(super) fn add_mark_columns(list: &mut Table, evidence: &Evidence) {
    if evidence.marks.is_empty() {
        return;
    }
    let width = list.columns.len();
    list.columns.push(Column::text("gate"));
    list.columns.push(Column::number("gate_error", ""));
    for row in &mut list.rows {
        let Some(Cell::Text(name)) = row.first() else { continue };
        let known = if name.as_str() == "lambda_star_per_s.low" { BOUNDARY } else { name };
        let mark = evidence.marks.iter().find(|(other, _)| other == known).map(|(_, mark)| *mark);
        row.resize(width, Cell::Absent);
        row.push(mark.map_or(Cell::Absent, |mark| Cell::text(standing_name(mark.standing))));
        row.push(Cell::maybe(mark.and_then(|mark| mark.error)));
    }
}

/// The standing as in JSON.
pub(super) fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Exact => "exact",
        Standing::Trusted => "trusted",
        Standing::Missed => "missed",
        Standing::Unresolved => "unresolved",
        Standing::NoGoal => "no-goal",
        Standing::Unseen => "unseen",
    }
}

/// What the marks mean and where they come from, for below a table.
pub(super) fn evidence_notes(evidence: &Evidence) -> Vec<String> {
    if evidence.marks.is_empty() {
        return Vec::new();
    }
    let mut notes = Vec::new();
    let families = evidence.families.join(", ");
    notes.push(match (evidence.families.is_empty(), evidence.load) {
        (true, _) => {
            "Gate: no family of this engine, limit and traffic was measured; do not trust what is not exact.".to_owned()
        }
        (false, Some(load)) => {
            format!("Gate: the largest error beyond the engine's 95 % interval seen up to {load} λ* in {families}.")
        }
        (false, None) => format!("Gate: λ* as seen in {families}; nothing was measured at this load."),
    });
    let any = |standing| evidence.marks.iter().any(|(_, mark)| mark.standing == standing);
    if any(Standing::Missed) {
        notes.push("Gate, !: the goal was missed there, do not trust the figure.".to_owned());
    }
    if any(Standing::Unresolved) {
        notes.push("Gate, ?: the engine's interval was too wide to tell.".to_owned());
    }
    notes
}

/// The verdict of a comparison in one word.
pub(super) fn verdict_of(row: &CompareRow) -> String {
    let word = match row.agrees {
        Some(true) if row.resolved == Some(false) => "unresolved",
        Some(true) => "agrees",
        Some(false) => "differs",
        None => return number::ABSENT.to_owned(),
    };
    match row.gate.standing {
        _ if row.promised => word.to_owned(),
        Standing::Missed => "do not trust".to_owned(),
        Standing::Unseen if crate::study::gate::errors::has_goal(&row.quantity) => "do not trust".to_owned(),
        _ => format!("({word})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Format, render_all};

    fn row(family: &str, load: Option<f64>, quantity: &str, figures: (f64, f64, f64)) -> Measured {
        Measured {
            family: family.into(),
            load,
            lambda_per_s: 2.0,
            quantity: quantity.into(),
            analytic: Some(figures.0),
            method: None,
            simulated: Some(figures.1),
            half_width: Some(figures.2),
        }
    }

    #[test]
    fn the_tables_of_the_gate() {
        let rows = [
            row("v1-uniform", None, BOUNDARY, (10.0, 10.1, 0.05)),
            row("v1-uniform", Some(0.3), "ttft_s.mean", (1.3, 1.0, 0.1)),
            row("v1-uniform", Some(0.3), "e2e_s.mean", (1.0, 1.0, 0.2)),
            row("v1-uniform", Some(0.95), "ttft_s.mean", (1.02, 1.0, 0.01)),
        ];
        let family = |name: &str| crate::study::gate::family(name).unwrap();
        let text = render_all(&trust_tables(&[family("v1-uniform"), family("v1-swap")], &rows), Format::Table);
        assert!(text.contains("v1-uniform  0.30  0.5      –  0.0 ?   20 !"), "{text}");
        let ttft = text.lines().find(|line| line.starts_with("TTFT ")).unwrap();
        assert_eq!(ttft.split_whitespace().take(4).collect::<Vec<_>>(), ["TTFT", "10", "3.0", "18"]);
        assert!(text.contains("outputs light; TTFT +30.0 % at 0.3"), "{text}");
        assert!(text.contains("not measured"), "{text}");
        assert!(text.lines().all(|line| crate::report::text::display_width(line) <= 100), "{text}");
    }
}
