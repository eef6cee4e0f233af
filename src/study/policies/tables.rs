//! A comparison of policies as tables and as a picture.

use super::{PolicyComparison, Ranking};
use crate::answer::plot::{Plot, Series};
use crate::answer::table::{Cell, Column, Table};
use crate::stats::interval::Interval;

/// One table per metric: rank, mean with its interval, difference from the best, and λ* by theory beside. The words are its notes.
pub fn ranking_tables(found: &PolicyComparison) -> Vec<Table> {
    let mut tables: Vec<Table> = found.rankings.iter().map(|ranking| ranking_table(found, ranking)).collect();
    if let Some(last) = tables.last_mut() {
        found.words.iter().chain(&found.notes).for_each(|words| {
            last.note(words.clone());
        });
    }
    tables
}

fn ranking_table(found: &PolicyComparison, ranking: &Ranking) -> Table {
    let mut table = Table::new(
        &format!("Policies by {}", ranking.name),
        vec![
            Column::number("rank", ""),
            Column::text("policy"),
            Column::number(&ranking.name, ""),
            Column::number("worse than the best by", ""),
            Column::text("difference"),
            Column::number("theory λ*", "requests/s"),
            Column::number("λ/λ*", ""),
            Column::number("growth", "requests/s"),
        ],
    );
    let growing = found.policies.iter().any(|policy| policy.growth_per_s.is_some());
    if !growing {
        table.columns.pop();
    }
    let best = ranking.order.first().copied().unwrap_or(0);
    for (rank, &place) in ranking.order.iter().enumerate() {
        let policy = &found.policies[place];
        let pair =
            found.pairs.iter().find(|pair| pair.metric == ranking.metric && (pair.better, pair.worse) == (best, place));
        let outcome = match (pair, policy.overloaded) {
            (Some(pair), _) => Cell::text(pair.outcome.name()),
            (None, true) => Cell::text("overloaded"),
            (None, false) => Cell::Absent,
        };
        let star = policy.boundary.map(|boundary| boundary.low_per_s);
        let growth = policy.growth_per_s.map_or(Cell::Absent, |figure| {
            let (low, high) = figure.interval.unwrap_or((f64::NAN, f64::NAN));
            Cell::interval(figure.value, low, high)
        });
        table.row(vec![
            Cell::Count(rank as u64 + 1),
            Cell::text(&policy.name),
            ranking.means[place].map_or(Cell::Absent, interval),
            pair.map_or(Cell::Absent, |pair| interval(pair.difference)),
            outcome,
            Cell::maybe(star),
            star.map_or(Cell::Absent, |star| Cell::digits(policy.lambda_per_s / star, 3)),
            growth,
        ]);
    }
    table
}

fn interval(found: Interval) -> Cell {
    Cell::interval(found.mean, found.low, found.high)
}

/// Every pair by every metric.
pub fn pairs_table(found: &PolicyComparison) -> Table {
    let mut table = Table::new(
        "Differences between policies",
        vec![
            Column::text("metric"),
            Column::text("better"),
            Column::text("worse"),
            Column::number("difference", ""),
            Column::number("relative", "%"),
            Column::number("p (Holm)", ""),
            Column::text("verdict"),
        ],
    );
    for pair in &found.pairs {
        table.row(vec![
            Cell::text(&found.metrics[pair.metric]),
            Cell::text(&found.policies[pair.better].name),
            Cell::text(&found.policies[pair.worse].name),
            interval(pair.difference),
            Cell::digits(100.0 * pair.relative, 3),
            Cell::digits(pair.adjusted_p, 2),
            Cell::text(pair.outcome.name()),
        ]);
    }
    table.note("Means of the paired differences; each interval has the level at which Holm's procedure tests it, and excludes 0 exactly when the difference is real.");
    table
}

/// One panel per metric: a dot and its interval for every policy, the best at the left.
pub fn plots(found: &PolicyComparison) -> Vec<Plot> {
    let panel = |ranking: &Ranking| {
        let mut plot = Plot::new(&format!("Policies by {}", ranking.name), "rank", &ranking.name);
        for (rank, &place) in ranking.order.iter().enumerate() {
            if let Some(mean) = ranking.means[place] {
                let dot = Series::dots(&found.policies[place].name, vec![(rank as f64 + 1.0, mean.mean)]);
                plot = plot.with(dot.with_band(vec![(mean.low, mean.high)]));
            }
        }
        plot
    };
    found.rankings.iter().map(panel).collect()
}
