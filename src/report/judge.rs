//! A replayed run on paper: figures side by side, what each modelling choice moves, and the requests in time.

use super::table::{Cell, Column, Table};
use super::{Plot, Series, number};
use crate::study::judge::{Course, Judgement, LARGEST_ERROR, LARGEST_RMSE, State, VllmRun};

/// Measured, simulated and fluid figures with errors and verdicts; then the modelling choices. `law` says where iteration times are from.
pub fn judge_tables(run: &VllmRun, law: &str, found: &Judgement) -> Vec<Table> {
    let mut tables = vec![figures_table(run, law, found)];
    if !found.choices.is_empty() {
        tables.push(choices_table(found));
    }
    tables
}

fn figures_table(run: &VllmRun, law: &str, found: &Judgement) -> Table {
    let title = match &run.device {
        Some(device) => format!("{} on {device}", run.model),
        None => run.model.clone(),
    };
    let mut table = Table::new(
        &title,
        vec![
            Column::text("quantity"),
            Column::text("unit"),
            Column::number("measured", ""),
            Column::number("simulated", ""),
            Column::number("error", "%"),
            Column::text("verdict"),
            Column::number("fluid", ""),
            Column::number("its error", "%"),
        ],
    );
    let (measured, simulated) = (&found.measured, &found.simulated);
    let fluid = found.fluid.as_ref().ok();
    let names = [("makespan", 1.0, "s"), ("mean TTFT", 1.0, "s"), ("mean TPOT", 1e3, "ms"), ("mean E2E", 1.0, "s")];
    let errors = simulated.figures.errors(&measured.figures);
    let of_fluid = fluid.map(|course| (course.figures.all(), course.figures.errors(&measured.figures)));
    for (place, (name, factor, unit)) in names.into_iter().enumerate() {
        let of = |course: &Course| Cell::number(factor * course.figures.all()[place]);
        table.row(vec![
            Cell::text(name),
            Cell::text(unit),
            of(measured),
            of(simulated),
            percent(errors[place]),
            verdict(errors[place].abs() <= LARGEST_ERROR),
            of_fluid.map_or(Cell::Absent, |(values, _)| Cell::number(factor * values[place])),
            of_fluid.map_or(Cell::Absent, |(_, errors)| percent(errors[place])),
        ]);
    }
    let rmse = simulated.rmse_waiting(measured);
    table.row(vec![
        Cell::text("W(t), root mean square error"),
        Cell::text("requests"),
        Cell::Absent,
        Cell::digits(rmse, 3),
        Cell::Absent,
        verdict(rmse <= LARGEST_RMSE),
        fluid.map_or(Cell::Absent, |course| Cell::digits(course.rmse_waiting(measured), 3)),
        Cell::Absent,
    ]);
    let peaks = measured.peaks(measured);
    for (place, name) in ["most running", "most waiting"].into_iter().enumerate() {
        let of = |course: &Course| Cell::number(course.peaks(measured)[place]);
        table.row(vec![
            Cell::text(name),
            Cell::text("requests"),
            Cell::number(peaks[place]),
            of(simulated),
            percent(simulated.peaks(measured)[place] / peaks[place] - 1.0),
            Cell::Absent,
            fluid.map_or(Cell::Absent, of),
            fluid.map_or(Cell::Absent, |course| percent(course.peaks(measured)[place] / peaks[place] - 1.0)),
        ]);
    }
    notes(&mut table, law, found);
    table
}

fn notes(table: &mut Table, law: &str, found: &Judgement) {
    let verdict = if found.passes() { "passes" } else { "DOES NOT PASS" };
    table.note(format!(
        "The replay {verdict}: within {} % on each time and a root mean square error of W(t) of {} requests.",
        number::significant(100.0 * LARGEST_ERROR, 2),
        number::significant(LARGEST_RMSE, 2)
    ));
    table.note(law);
    if let Some(preemptions) = found.simulated.preemptions {
        table.note(format!("Preemptions in the replay: {preemptions}."));
    }
    if found.measured.unfinished > 0 {
        table.note(format!("{} requests of the run did not finish and are in no mean.", found.measured.unfinished));
    }
    if let Err(reason) = &found.fluid {
        table.note(format!("No fluid path: {reason}."));
    } else {
        table.note("Fluid: means by Little's law over its path, TPOT over tokens in place of requests; done when less than half a request is left.");
    }
    for note in &found.notes {
        table.note(note.clone());
    }
}

fn choices_table(found: &Judgement) -> Table {
    let mut table = Table::new(
        "What modelling choices move",
        vec![
            Column::text("choice"),
            Column::number("makespan", "%"),
            Column::number("TTFT", "%"),
            Column::number("TPOT", "%"),
            Column::number("E2E", "%"),
            Column::number("RMSE of W", "requests"),
            Column::number("preemptions", ""),
        ],
    );
    let line = |what: &str, course: &Course| {
        let mut cells = vec![Cell::text(what)];
        cells.extend(course.figures.errors(&found.measured.figures).map(percent));
        cells.push(Cell::digits(course.rmse_waiting(&found.measured), 3));
        cells.push(course.preemptions.map_or(Cell::Absent, Cell::Count));
        cells
    };
    table.row(line("as above", &found.simulated));
    for choice in &found.choices {
        table.row(line(choice.what, &choice.course));
    }
    table.note("Errors against what was measured when one choice is another. None is chosen by its error.");
    table
}

fn percent(share: f64) -> Cell {
    Cell::digits(100.0 * share, 2)
}

fn verdict(passes: bool) -> Cell {
    Cell::text(if passes { "ok" } else { "OUTSIDE" })
}

/// Waiting and running over time: measured, simulated, fluid.
pub fn judge_plot(found: &Judgement) -> Vec<Plot> {
    let end = found.measured.states.last().map_or(0.0, |state| state.t_s);
    let panel = |title: &str, of: fn(&State) -> f64| {
        let points = |course: &Course| -> Vec<(f64, f64)> {
            course.states.iter().filter(|state| state.t_s <= 1.1 * end).map(|state| (state.t_s, of(state))).collect()
        };
        let mut plot = Plot::new(title, "time (s)", "requests")
            .with(Series::dots("measured", points(&found.measured)))
            .with(Series::line("simulated", stairs(&found.simulated, 1.1 * end, of)));
        if let Ok(fluid) = &found.fluid {
            plot = plot.with(Series::line("fluid", points(fluid)));
        }
        plot
    };
    vec![panel("Waiting", |state| state.waiting), panel("Running", |state| state.running)]
}

/// States at even times: between two iterations of one instance there is a moment with nobody.
fn stairs(course: &Course, end: f64, of: fn(&State) -> f64) -> Vec<(f64, f64)> {
    const POINTS: usize = 800;
    (0..=POINTS)
        .map(|index| {
            let t_s = end * index as f64 / POINTS as f64;
            (t_s, of(&course.at(t_s)))
        })
        .collect()
}
