//! What the gate's figures amount to: the errors over all members against the goals, and a verdict for each family.

use super::errors::Measured;
use super::{Family, GOALS, Goal, LOADS, SPIKE_GOALS};
use crate::fluid::scope;
use crate::stats::quantile::quantile;

/// One quantity over all members.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// What it is held to.
    pub goal: Goal,
    /// Members whose interval can tell.
    pub members: usize,
    /// Members whose interval is too wide; they count neither way.
    pub unresolved: usize,
    /// Median error; infinite where theory gives no figure for that many.
    pub median: f64,
    /// 90th percentile of the errors.
    pub p90: f64,
    /// Largest error.
    pub worst: f64,
}

impl Line {
    /// Whether both goals are reached.
    pub fn is_met(&self) -> bool {
        self.members > 0 && self.median <= self.goal.median && self.p90 <= self.goal.p90
    }
}

/// The errors of every quantity with a goal over all members.
pub fn lines(rows: &[Measured]) -> Vec<Line> {
    GOALS.into_iter().chain(SPIKE_GOALS).map(|goal| line(goal, rows)).collect()
}

fn line(goal: Goal, rows: &[Measured]) -> Line {
    let of_goal = || rows.iter().filter(|row| row.quantity == goal.quantity && row.counts());
    let mut errors: Vec<f64> = of_goal().filter(|row| row.is_resolved()).map(Measured::error).collect();
    errors.sort_by(f64::total_cmp);
    let at = |p: f64| {
        // Between a number and infinity lies infinity, not NaN.
        let found = quantile(&errors, p).unwrap_or(f64::NAN);
        if found.is_nan() && !errors.is_empty() { f64::INFINITY } else { found }
    };
    Line {
        goal,
        members: errors.len(),
        unresolved: of_goal().count() - errors.len(),
        median: at(0.5),
        p90: at(0.9),
        worst: errors.last().copied().unwrap_or(f64::NAN),
    }
}

/// How a family stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// Theory refuses it, for this reason.
    Refused(String),
    /// Theory covers it, and it is not in the table yet.
    NotMeasured,
    /// What it misses, by load; empty when it can be trusted at every load.
    Measured(Vec<Miss>),
}

/// One goal that a member misses.
#[derive(Debug, Clone, PartialEq)]
pub struct Miss {
    /// λ/λ*; absent for λ* itself.
    pub load: Option<f64>,
    /// The quantity.
    pub quantity: String,
    /// Its error; infinite where one of the answers has none.
    pub error: f64,
    /// The signed gap to the engine; absent where one of the answers has none.
    pub gap: Option<f64>,
}

/// How every family stands.
pub fn standings(families: &[Family], rows: &[Measured]) -> Vec<(String, Standing)> {
    families.iter().map(|family| (family.name.clone(), standing(family, rows))).collect()
}

fn standing(family: &Family, rows: &[Measured]) -> Standing {
    if let Some(reason) = scope::refusal(&family.scenario) {
        return Standing::Refused(reason.to_string());
    }
    let own: Vec<&Measured> = rows.iter().filter(|row| row.family == family.name).collect();
    if own.is_empty() {
        return Standing::NotMeasured;
    }
    let miss =
        |row: &&Measured| Miss { load: row.load, quantity: row.quantity.clone(), error: row.error(), gap: row.gap() };
    Standing::Measured(own.iter().filter(|row| row.misses()).map(miss).collect())
}

/// The highest load up to which no quantity but λ* misses its goal; none when the lowest does.
pub fn trusted_up_to(misses: &[Miss]) -> Option<f64> {
    let fails = |load: f64| misses.iter().any(|miss| miss.load == Some(load));
    LOADS.into_iter().take_while(|load| !fails(*load)).last()
}

/// Goals missed now that were met in `before`, or missed by half as much again: what a change made worse. What `before` does not know
/// is new, not worse.
pub fn regressions(before: &[Measured], now: &[Measured]) -> Vec<Measured> {
    let same = |a: &Measured, b: &Measured| (&a.family, a.load, &a.quantity) == (&b.family, b.load, &b.quantity);
    let worse = |row: &&Measured| {
        let known = before.iter().find(|known| same(known, row));
        row.misses() && known.is_some_and(|known| !known.misses() || row.error() > 1.5 * known.error())
    };
    now.iter().filter(worse).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(load: f64, quantity: &str, analytic: Option<f64>) -> Measured {
        Measured {
            family: "a".into(),
            load: Some(load),
            lambda_per_s: 1.0,
            quantity: quantity.into(),
            analytic,
            method: None,
            simulated: Some(1.0),
            half_width: Some(0.0),
        }
    }

    #[test]
    fn the_summary_counts_what_theory_does_not_give_as_infinitely_wrong() {
        let rows: Vec<Measured> = (0..9)
            .map(|k| row(0.3, "e2e_s.mean", Some(1.0 + 0.001 * f64::from(k))))
            .chain([row(0.9, "e2e_s.mean", None)])
            .collect();
        let found = lines(&rows)[2];
        assert_eq!((found.members, found.unresolved, found.worst), (10, 0, f64::INFINITY));
        assert!((found.median - 0.0045).abs() < 1e-9 && found.p90.is_infinite() && !found.is_met());
    }

    #[test]
    fn only_what_got_worse_is_a_regression() {
        let before = [row(0.3, "running", Some(1.06)), row(0.9, "running", Some(1.01))];
        let now = [row(0.3, "running", Some(1.08)), row(0.9, "running", Some(1.05))];
        assert_eq!(regressions(&before, &now), [row(0.9, "running", Some(1.05))]);
        assert_eq!(regressions(&before, &[row(0.3, "running", Some(1.1))]).len(), 1);
        assert!(regressions(&before, &before).is_empty());
    }

    #[test]
    fn trust_ends_below_the_first_miss() {
        let miss = |load| Miss { load, quantity: "running".into(), error: 1.0, gap: None };
        assert_eq!(trusted_up_to(&[miss(Some(0.9))]), Some(0.8));
        assert_eq!(trusted_up_to(&[miss(Some(0.3))]), None);
        assert_eq!(trusted_up_to(&[]), Some(0.95));
    }
}
