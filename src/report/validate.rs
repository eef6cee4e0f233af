//! The validation on paper: one line for each check, and what they come to.

use super::number;
use super::table::{Cell, Column, Table};
use crate::answer::Figure;
use crate::study::validate::coverage::{Coverage, ERROR_RATE};
use crate::study::validate::{Case, Check, Outcome, Tolerance, Verdict};

/// Digits of a value without an interval.
const DIGITS: usize = 6;

/// Case · quantity · expected · obtained · verdict, with every check that is not right, and a line of totals for each group unless `whole`
/// asks for all.
pub fn validate_tables(outcomes: &[Outcome], whole: bool) -> Vec<Table> {
    vec![checks_table(outcomes, whole), groups_table(outcomes)]
}

fn checks_table(outcomes: &[Outcome], whole: bool) -> Table {
    let mut table = Table::new(
        "Checks",
        vec![
            Column::text("case"),
            Column::text("quantity"),
            Column::number("expected", ""),
            Column::number("obtained", ""),
            Column::text("tolerance"),
            Column::text("verdict"),
        ],
    );
    for outcome in outcomes {
        for check in outcome.checks.iter().filter(|check| whole || check.counted || check.verdict != Verdict::Right) {
            table.row(line(&outcome.case, check));
        }
    }
    if !whole {
        table.note(
            "Shown: what is not as expected, and one interval of each simulated case. `--all` shows every check.",
        );
    }
    table.note(
        "Simulated: 95 % intervals over independent trials (Student). `misses` is what one interval in twenty does; together they are held to \
         the coverage below, and one farther out than chance allows in 100 000 is WRONG.",
    );
    table
}

fn line(case: &Case, check: &Check) -> Vec<Cell> {
    let digits = if check.obtained.is_some_and(|figure| figure.interval.is_some()) { 5 } else { DIGITS };
    let verdict = match check.why.as_str() {
        "" => check.verdict.name().to_owned(),
        why => format!("{}: {why}", check.verdict.name()),
    };
    vec![
        Cell::text(format!("{} · {}", case.group, case.name)),
        Cell::text(&check.quantity),
        check.expected.map_or(Cell::Absent, |value| Cell::digits(value, digits)),
        check.obtained.map_or(Cell::Absent, cell),
        Cell::text(tolerance(case.tolerance)),
        Cell::text(verdict),
    ]
}

fn cell(figure: Figure) -> Cell {
    figure.interval.map_or(Cell::digits(figure.value, DIGITS), |(low, high)| Cell::interval(figure.value, low, high))
}

fn tolerance(tolerance: Tolerance) -> String {
    match tolerance {
        Tolerance::Relative(share) => format!("relative {share:e}"),
        Tolerance::Absolute(most) => format!("absolute {most}"),
        Tolerance::Printed(unit) => format!("printed to {unit}"),
        Tolerance::Interval { half_width } if half_width > 0.0 => format!("interval, and its own ± {half_width}"),
        Tolerance::Interval { .. } => "interval".to_owned(),
        Tolerance::Equivalence(share) => format!("equivalent within {share}"),
    }
}

fn groups_table(outcomes: &[Outcome]) -> Table {
    let columns = ["cases", "checks", "ok", "misses", "wrong"].map(|name| Column::number(name, ""));
    let mut all = vec![Column::text("group")];
    all.extend(columns);
    all.push(Column::number("time", "s"));
    let mut table = Table::new("Validation", all);
    let mut groups: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !groups.contains(&outcome.case.group.as_str()) {
            groups.push(&outcome.case.group);
        }
    }
    for group in groups {
        let of: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.case.group == group).collect();
        table.row(totals(group, &of));
    }
    table.row(totals("all", &outcomes.iter().collect::<Vec<_>>()));
    table.note(coverage_line(outcomes));
    table
}

fn totals(name: &str, outcomes: &[&Outcome]) -> Vec<Cell> {
    let checks = || outcomes.iter().flat_map(|outcome| &outcome.checks);
    let with = |verdict| Cell::Count(checks().filter(|check| check.verdict == verdict).count() as u64);
    vec![
        Cell::text(name),
        Cell::Count(outcomes.len() as u64),
        Cell::Count(checks().count() as u64),
        with(Verdict::Right),
        with(Verdict::Misses),
        with(Verdict::Wrong),
        Cell::digits(outcomes.iter().map(|outcome| outcome.seconds).sum(), 2),
    ]
}

/// How many of the judged intervals hold the truth, and whether that is 95 %.
pub fn coverage_line(outcomes: &[Outcome]) -> String {
    let coverage = Coverage::of(outcomes);
    let Some(share) = coverage.share() else { return "No intervals were judged.".to_owned() };
    let verdict = if coverage.is_right() { "consistent with 95 %" } else { "NOT consistent with 95 %" };
    format!(
        "Coverage: {} of {} independent 95 % intervals hold the truth, {} %: {verdict} (exact binomial test, both tails, error rate {ERROR_RATE}).",
        coverage.intervals - coverage.missed,
        coverage.intervals,
        number::significant(100.0 * share, 3)
    )
}

/// The names of cases.
pub fn cases_table(cases: &[Case]) -> Table {
    let mut table = Table::new(
        "Cases",
        vec![Column::text("case"), Column::text("quantities"), Column::text("quick"), Column::text("source")],
    );
    for case in cases {
        let quantities: Vec<&str> = case.expected.keys().map(String::as_str).collect();
        table.row(vec![
            Cell::text(format!("{} · {}", case.group, case.name)),
            Cell::text(quantities.join(", ")),
            Cell::text(if case.quick { "yes" } else { "" }),
            Cell::text(&case.source),
        ]);
    }
    table
}

/// One case in full.
pub fn case_tables(outcomes: &[Outcome]) -> Vec<Table> {
    let mut tables = Vec::new();
    for outcome in outcomes {
        let mut table = checks_table(std::slice::from_ref(outcome), true);
        table.title = format!("{} · {}", outcome.case.group, outcome.case.name);
        table.notes = vec![
            format!("Source: {}", outcome.case.source),
            format!("Asked: {}", asked(&outcome.case)),
            format!("Took {} s.", number::significant(outcome.seconds, 2)),
        ];
        tables.push(table);
    }
    tables
}

fn asked(case: &Case) -> String {
    use crate::study::validate::Question;
    let words = |parameters: &crate::study::queues::Parameters| {
        parameters
            .iter()
            .map(|(name, values)| format!(" --{name} {}", values.join(&format!(" --{name} "))))
            .collect::<String>()
    };
    match &case.question {
        Question::Queue { model, parameters } => format!("theory of {model}{}", words(parameters)),
        Question::EngineQueue { model, parameters } => format!("the engine, {model}{}", words(parameters)),
        Question::Solve(scenario) => format!("theory of this scenario\n{}", scenario.to_toml()),
        Question::Engine(question) => format!(
            "the engine, {} trials of {} s after {} s, of this scenario\n{}",
            question.trials,
            question.duration_s,
            question.warmup_s,
            question.scenario.to_toml()
        ),
    }
}
