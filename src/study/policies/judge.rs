//! Who is better, and which differences are real.

use super::{ERROR_RATE, Policy, higher_is_better};
use crate::answer::number;
use crate::stats::interval::{Interval, mean_interval, paired_difference_interval};
use crate::stats::multiple::{holm, paired_p_value};
use crate::study::CONFIDENCE;

/// What the trials say of two policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The difference is real, at the error rate of the whole report.
    Real,
    /// The trials do not tell.
    Unresolved,
    /// No trial differs: the policies do the same here.
    Same,
}

impl Outcome {
    /// The outcome as printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Unresolved => "not resolved",
            Self::Same => "the same in every trial",
        }
    }
}

/// Two policies by one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The metric, as a place in the list.
    pub metric: usize,
    /// The one whose mean is better, as a place in the list of policies.
    pub better: usize,
    /// The other.
    pub worse: usize,
    /// Mean of worse − better over trials, with the interval of the level at which Holm's procedure tests it: it excludes 0 exactly when
    /// the difference is real.
    pub difference: Interval,
    /// The difference relative to the worse one's mean.
    pub relative: f64,
    /// p of the paired t test, adjusted by Holm over all pairs and metrics.
    pub adjusted_p: f64,
    /// What follows.
    pub outcome: Outcome,
}

/// The policies in order of one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// The metric, as a place in the list.
    pub metric: usize,
    /// Its name.
    pub name: String,
    /// Whether more of it is better.
    pub higher_is_better: bool,
    /// Places in the list of policies, the best first; overloaded ones last, the slowest growth first.
    pub order: Vec<usize>,
    /// Of each policy as given, the mean over trials with its 95 % interval.
    pub means: Vec<Option<Interval>>,
}

/// Ranks the policies by every metric, and tests every pair of those that have it.
pub fn judge(policies: &[Policy], metrics: &[String]) -> (Vec<Ranking>, Vec<Pair>) {
    let rankings: Vec<Ranking> = metrics.iter().enumerate().map(|(k, name)| ranking(policies, k, name)).collect();
    let mut pairs: Vec<(Pair, f64)> = rankings.iter().flat_map(|ranking| untested(policies, ranking)).collect();
    let p_values: Vec<f64> = pairs.iter().map(|(_, p)| *p).collect();
    for ((pair, _), test) in pairs.iter_mut().zip(holm(&p_values, ERROR_RATE)) {
        let values = |policy: usize| policies[policy].values[pair.metric].as_deref().unwrap_or_default();
        let (better, worse) = (values(pair.better), values(pair.worse));
        pair.adjusted_p = test.adjusted_p;
        pair.outcome = match test.rejected {
            _ if better == worse => Outcome::Same,
            true => Outcome::Real,
            false => Outcome::Unresolved,
        };
        if let Some(interval) = paired_difference_interval(worse, better, 1.0 - test.level) {
            pair.difference = interval;
        }
    }
    (rankings, pairs.into_iter().map(|(pair, _)| pair).collect())
}

fn ranking(policies: &[Policy], metric: usize, name: &str) -> Ranking {
    let means: Vec<Option<Interval>> = policies
        .iter()
        .map(|policy| policy.values[metric].as_deref().and_then(|values| mean_interval(values, CONFIDENCE)))
        .collect();
    let higher = higher_is_better(name);
    let score = |&place: &usize| means[place].map(|mean| if higher { -mean.mean } else { mean.mean });
    let growth = |&place: &usize| policies[place].growth_per_s.map_or(0.0, |figure| figure.value);
    let mut order: Vec<usize> = (0..policies.len()).collect();
    // The sort is stable: equals stay as given.
    order.sort_by(|a, b| match (score(a), score(b)) {
        (Some(first), Some(second)) => first.total_cmp(&second),
        (None, None) => growth(a).total_cmp(&growth(b)),
        (first, _) => {
            if first.is_some() {
                std::cmp::Ordering::Less
            } else {
                std::cmp::Ordering::Greater
            }
        }
    });
    Ranking { metric, name: name.to_owned(), higher_is_better: higher, order, means }
}

/// Every pair with the p of its own test.
fn untested(policies: &[Policy], ranking: &Ranking) -> Vec<(Pair, f64)> {
    let ranked: Vec<usize> = ranking.order.iter().copied().filter(|&place| ranking.means[place].is_some()).collect();
    let mut pairs = Vec::new();
    for (rank, &better) in ranked.iter().enumerate() {
        for &worse in &ranked[rank + 1..] {
            let values = |place: usize| policies[place].values[ranking.metric].as_deref().unwrap_or_default();
            let mean = |place: usize| ranking.means[place].map_or(f64::NAN, |mean| mean.mean);
            let gap = mean(worse) - mean(better);
            let Some(p) = paired_p_value(values(worse), values(better)) else { continue };
            let pair = Pair {
                metric: ranking.metric,
                better,
                worse,
                difference: Interval { mean: gap, low: gap, high: gap },
                relative: if gap == 0.0 { 0.0 } else { gap / mean(worse) },
                adjusted_p: 1.0,
                outcome: Outcome::Unresolved,
            };
            pairs.push((pair, p));
        }
    }
    pairs
}

/// The findings in sentences.
pub(super) fn words(policies: &[Policy], rankings: &[Ranking], pairs: &[Pair], trials: u64) -> Vec<String> {
    let mut words: Vec<String> = rankings.iter().map(|ranking| chain(policies, ranking, pairs)).collect();
    words.push(format!(
        "`<`: better, and the difference is real; `~`: not resolved by {trials} trials; `=`: the same in every trial. Paired t tests on common \
         random numbers, Holm over all {} differences: the chance of any false claim is at most {:.0} %.",
        pairs.len(),
        100.0 * ERROR_RATE
    ));
    for ranking in rankings {
        let open = pairs.iter().filter(|pair| pair.metric == ranking.metric && pair.outcome == Outcome::Unresolved);
        let names: Vec<String> = open.map(|pair| unresolved(policies, pair, trials)).collect();
        if !names.is_empty() {
            words.push(format!("Not resolved by {}: {}.", ranking.name, names.join("; ")));
        }
    }
    if policies.iter().any(|policy| policy.turned_away != policies[0].turned_away) {
        let shares = policies.iter().filter(|policy| policy.turned_away > 0.0);
        let shares: Vec<String> =
            shares.map(|policy| format!("{} {:.1} %", policy.name, 100.0 * policy.turned_away)).collect();
        words.push(format!(
            "Not the same requests: some are turned away because they can never fit, and are in no latency ({}).",
            shares.join(", ")
        ));
    }
    let grow: Vec<String> = policies.iter().filter(|policy| policy.overloaded).map(growing).collect();
    if !grow.is_empty() {
        words.push(format!("Overloaded, ranked last, without latencies: {}.", grow.join("; ")));
    }
    words
}

/// The order of one metric, with the sign of what is known between neighbours.
fn chain(policies: &[Policy], ranking: &Ranking, pairs: &[Pair]) -> String {
    let ranked: Vec<usize> = ranking.order.iter().copied().filter(|&place| ranking.means[place].is_some()).collect();
    let name = |place: usize| policies[place].name.as_str();
    let mut text = ranked.first().map_or_else(|| "nobody has a value".to_owned(), |&best| name(best).to_owned());
    for neighbours in ranked.windows(2) {
        let found = pairs
            .iter()
            .find(|pair| pair.metric == ranking.metric && (pair.better, pair.worse) == (neighbours[0], neighbours[1]));
        let sign = match found.map(|pair| pair.outcome) {
            Some(Outcome::Real) => "<",
            Some(Outcome::Same) => "=",
            Some(Outcome::Unresolved) | None => "~",
        };
        text.push_str(&format!(" {sign} {}", name(neighbours[1])));
    }
    let best = if ranking.higher_is_better { "highest" } else { "lowest" };
    format!("By {}, the {best} first: {text}.", ranking.name)
}

/// Two policies, and how many trials would about resolve them.
fn unresolved(policies: &[Policy], pair: &Pair, trials: u64) -> String {
    let names = format!("{} and {}", policies[pair.better].name, policies[pair.worse].name);
    let needed = trials as f64 * (pair.difference.half_width() / pair.difference.mean).powi(2);
    if needed.is_finite() && needed < 1e4 {
        format!("{names} (about {:.0} trials would)", needed.ceil().max(trials as f64 + 1.0))
    } else {
        format!("{names} (more than 10000 trials would)")
    }
}

fn growing(policy: &Policy) -> String {
    let growth = policy.growth_per_s.map_or(f64::NAN, |figure| figure.value);
    format!("{} (grows by {} requests/s)", policy.name, number::significant(growth, 3))
}
