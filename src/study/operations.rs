//! How the work was done, from windows of runs: objectives, use of the limits, work in vain, fairness, Little's law.

use super::summary::{CONFIDENCE, figure, mean_of, ratio_of};
use crate::answer::{ClassFigures, Figure, Operations};
use crate::des::{ClassTally, Window};
use crate::scenario::{BudgetCounts, Preemption, Scenario, Slo};
use crate::stats::interval::jackknife_interval;

/// Attoseconds to seconds.
const ATTO: f64 = 1e-18;

/// The figures that `windows` estimate, each window one replicate. What rests on latencies is left out when `overloaded`.
pub fn operations(scenario: &Scenario, windows: &[&Window], overloaded: bool) -> Operations {
    let limits = Limits::of(scenario);
    let of_time = |share: &dyn Fn(&Window) -> f64| mean_of(windows, &|window| share(window) / width(window));
    let per_request = |count: &dyn Fn(&Window) -> u64| {
        let figure = ratio_of(windows, &|window| (count(window) as f64, window.totals.completed as f64));
        figure.filter(|_| limits.swaps)
    };
    let mut operations = Operations {
        time_utilisation: limits.instances.and_then(|count| of_time(&|w| w.totals.busy as f64 / count)),
        budget_utilisation: limits
            .budget
            .and_then(|budget| ratio_of(windows, &|w| (w.totals.tokens as f64, w.totals.steps as f64 * budget))),
        kv_utilisation: limits.kv_tokens.and_then(|memory| of_time(&|w| w.totals.kv as f64 / memory)),
        gpu_utilisation: limits.gpus.and_then(|gpus| of_time(&|w| w.totals.gpus as f64 / gpus)),
        swap_outs_per_request: per_request(&|window| window.totals.swap_outs),
        swap_ins_per_request: per_request(&|window| window.totals.swap_ins),
        wasted_share: ratio_of(windows, &|w| (w.totals.wasted_tokens as f64, w.totals.tokens as f64)).map(as_share),
        cached_share: cached_share(windows),
        ..Operations::default()
    };
    if let Some(classes) = Classes::of(scenario, windows) {
        operations.classes = classes.figures(overloaded);
        if !overloaded {
            operations.goodput_per_s = classes.goodput_per_s();
            operations.slo_attainment = classes.attainment();
            operations.fairness = classes.fairness();
            operations.weighted_e2e_s = classes.weighted_e2e_s();
        }
    }
    operations.little_residual = if overloaded { None } else { little_residual(windows) };
    operations
}

/// What a reader must know about the figures that are there.
pub fn notes(operations: &Operations) -> Vec<String> {
    let mut notes = Vec::new();
    if operations.slo_attainment.is_some() {
        notes.push(
            "Objectives: a request of the population attains those of its class or not; an unfinished one does not, one without \
             objectives does, and rejected ones are not counted."
                .to_owned(),
        );
    }
    if operations.fairness.is_some() {
        notes.push(
            "Fairness: Jain's index over the classes' mean end-to-end time per token, prompt and output.".to_owned(),
        );
    }
    if operations.weighted_flow_time_s.is_some() {
        notes.push(
            "Weighted flow time: Σ weight · E2E over the population of this finite run; requests of the warm-up are not in it."
                .to_owned(),
        );
    }
    if operations.little_residual.is_some() {
        notes.push(
            "Little's law: L is the time average, λW comes from the requests that arrived in the window; they differ by those in the \
             system at its ends and by unfinished ones."
                .to_owned(),
        );
    }
    notes
}

/// Σ weight · end-to-end time over the population, in seconds; none when requests are unfinished.
pub fn flow_time_s(scenario: &Scenario, windows: &[&Window]) -> Option<f64> {
    let finished = windows.iter().all(|window| window.censored == 0);
    let classes = Classes::of(scenario, windows).filter(|_| finished)?;
    Some(windows.iter().map(|window| classes.weighted_sum_s(window)).sum())
}

/// What the figures are measured against; absent where there is no limit, or not one for all instances.
struct Limits {
    instances: Option<f64>,
    budget: Option<f64>,
    kv_tokens: Option<f64>,
    gpus: Option<f64>,
    swaps: bool,
}

impl Limits {
    fn of(scenario: &Scenario) -> Self {
        let mut members = scenario.members();
        members.retain(|(_, count)| *count > 0);
        let gpus = scenario.cluster.as_ref().and_then(|cluster| cluster.gpus).map(|gpus| gpus as f64);
        let instances = members.iter().map(|(_, count)| *count as f64).sum();
        let kv_tokens: Option<f64> =
            members.iter().map(|(one, count)| Some(one.instance.kv_tokens? as f64 * *count as f64)).sum();
        let budget = members.first().and_then(|(one, _)| one.instance.max_batch_tokens);
        let shared = members.iter().all(|(one, _)| {
            one.instance.max_batch_tokens == budget && one.batch_rules().budget_counts == BudgetCounts::Processed
        });
        Self {
            instances: Some(instances).filter(|_| gpus.is_none()),
            budget: budget.map(|tokens| tokens as f64).filter(|_| shared && gpus.is_none()),
            kv_tokens: kv_tokens.filter(|_| gpus.is_none()),
            gpus,
            swaps: members.iter().any(|(one, _)| one.policy.preemption == Preemption::Swap),
        }
    }
}

/// The tallies of the classes in every window.
struct Classes<'a> {
    windows: &'a [&'a Window],
    names: Vec<String>,
    objectives: Vec<Slo>,
    weights: Vec<f64>,
}

impl<'a> Classes<'a> {
    /// None where a window has no tallies.
    fn of(scenario: &Scenario, windows: &'a [&'a Window]) -> Option<Self> {
        let names = scenario.workload.class_names();
        let weights = scenario.workload.weights();
        let complete = windows.iter().all(|window| window.classes.len() == names.len());
        complete.then(|| Self { windows, objectives: scenario.workload.objectives(), names, weights })
    }

    fn figures(&self, overloaded: bool) -> Vec<ClassFigures> {
        if self.names.len() < 2 {
            return Vec::new();
        }
        (0..self.names.len()).map(|class| self.figures_of(class, overloaded)).collect()
    }

    fn figures_of(&self, class: usize, overloaded: bool) -> ClassFigures {
        let mean = |sum: &dyn Fn(&ClassTally) -> f64| {
            let pair = |window: &Window| (sum(&window.classes[class]), window.classes[class].completed as f64);
            ratio_of(self.windows, &pair).filter(|_| !overloaded)
        };
        let attained = mean(&|tally| tally.attained as f64).map(as_share);
        ClassFigures {
            name: self.names[class].clone(),
            completed: self.windows.iter().map(|window| window.classes[class].completed).sum(),
            ttft_s: mean(&|tally| tally.ttft as f64 * ATTO),
            e2e_s: mean(&|tally| tally.e2e as f64 * ATTO),
            slo_attainment: attained.filter(|_| !self.objectives[class].is_empty()),
        }
    }

    fn has_objectives(&self) -> bool {
        self.objectives.iter().any(|slo| !slo.is_empty())
    }

    fn goodput_per_s(&self) -> Option<Figure> {
        mean_of(self.windows, &|window| total(window, |tally| tally.attained) / window.seconds())
            .filter(|_| self.has_objectives())
    }

    fn attainment(&self) -> Option<Figure> {
        let pair = |window: &Window| {
            (total(window, |tally| tally.attained), total(window, |tally| tally.completed) + window.censored as f64)
        };
        ratio_of(self.windows, &pair).map(as_share).filter(|_| self.has_objectives())
    }

    fn weighted_e2e_s(&self) -> Option<Figure> {
        let pair = |window: &Window| (self.weighted_sum_s(window), total(window, |tally| tally.completed));
        ratio_of(self.windows, &pair).filter(|_| self.weights.iter().any(|weight| *weight != 1.0))
    }

    fn weighted_sum_s(&self, window: &Window) -> f64 {
        window.classes.iter().zip(&self.weights).map(|(tally, weight)| weight * tally.e2e as f64 * ATTO).sum()
    }

    /// Jain, Chiu and Hawe 1984: (Σx)²/(n Σx²).
    fn fairness(&self) -> Option<Figure> {
        let classes = self.names.len();
        let index = |left_out: Option<usize>| {
            let kept = || self.windows.iter().enumerate().filter(|(at, _)| Some(*at) != left_out);
            let mean = |class: usize| {
                let completed: f64 = kept().map(|(_, window)| window.classes[class].completed as f64).sum();
                let sum: f64 = kept().map(|(_, window)| window.classes[class].e2e_per_token as f64 * ATTO).sum();
                (completed > 0.0).then_some(sum / completed)
            };
            let means: Vec<f64> = (0..classes).map(mean).collect::<Option<_>>()?;
            let squares: f64 = means.iter().map(|mean| mean * mean).sum();
            (squares > 0.0).then(|| means.iter().sum::<f64>().powi(2) / (classes as f64 * squares))
        };
        let interval = jackknife_interval(self.windows.len(), index, CONFIDENCE).filter(|_| classes > 1);
        interval.map(figure).map(as_share)
    }
}

fn total(window: &Window, count: impl Fn(&ClassTally) -> u64) -> f64 {
    window.classes.iter().map(|tally| count(tally) as f64).sum()
}

fn cached_share(windows: &[&Window]) -> Option<Figure> {
    let pair = |window: &Window| {
        let cached = window.totals.cached_tokens as f64;
        (cached, cached + window.totals.prefill_tokens as f64)
    };
    ratio_of(windows, &pair).map(as_share).filter(|figure| figure.value > 0.0)
}

fn little_residual(windows: &[&Window]) -> Option<Figure> {
    let pair = |window: &Window| {
        let totals = &window.totals;
        let area = (totals.waiting + totals.running + totals.swapped + totals.between) as f64;
        (area - window.e2e.sum() as f64, area)
    };
    ratio_of(windows, &pair)
}

fn width(window: &Window) -> f64 {
    (window.end - window.start).0 as f64
}

/// A share does not leave 0 to 1, and neither does its interval.
fn as_share(figure: Figure) -> Figure {
    Figure { interval: figure.interval.map(|(low, high)| (low.max(0.0), high.min(1.0))), ..figure }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::des::Totals;
    use crate::scenario::{self, Override, Time};

    const SECOND: i128 = 1_000_000_000_000_000_000;

    /// Ten seconds with four requests of class 0, which take 2 s for 10 tokens, and two of class 1, which take 8 s for 10.
    fn window(shift: i128) -> Window {
        let totals = Totals {
            completed: 6,
            steps: 100,
            tokens: 6400,
            wasted_tokens: 640,
            busy: 5 * SECOND,
            waiting: 4 * SECOND,
            running: 20 * SECOND + shift,
            kv: 1000 * SECOND * 10,
            ..Totals::default()
        };
        let class = |completed: u64, e2e: i128, attained: u64| ClassTally {
            completed,
            attained,
            ttft: SECOND / 2 * i128::from(completed),
            e2e: e2e * SECOND * i128::from(completed),
            e2e_per_token: e2e * SECOND * i128::from(completed) / 10,
        };
        let mut window = Window {
            totals,
            end: Time(10 * SECOND),
            classes: vec![class(4, 2, 3), class(2, 8, 1)],
            ..Window::default()
        };
        window.e2e.add(2 * SECOND, 4);
        window.e2e.add(8 * SECOND, 2);
        window.censored = 2;
        window
    }

    fn two_classes(more: &[&str]) -> Scenario {
        let text = include_str!("../../models/scenarios/memory-greedy.toml");
        let (head, class) = text.split_once("[[workload.class]]").unwrap();
        let (class, tail) = class.split_once("[instance]").unwrap();
        let second = class.replace("name = \"", "name = \"other-");
        let text = format!("{head}[[workload.class]]{class}[[workload.class]]{second}[instance]{tail}");
        let changes: Vec<Override> = more.iter().map(|text| Override::parse(text).unwrap()).collect();
        scenario::load("two", &text, &changes).unwrap()
    }

    fn value(figure: Option<Figure>) -> f64 {
        figure.unwrap().value
    }

    #[test]
    fn figures_by_hand() {
        let scenario = two_classes(&[
            "workload.slo.e2e_s=5",
            "workload.class[1].weight=3",
            "instance.max_batch_tokens=128",
            "instance.kv_tokens=2000",
        ]);
        let windows = [&window(0), &window(0), &window(0)];
        let found = operations(&scenario, &windows, false);
        assert_eq!(value(found.time_utilisation), 0.5);
        assert_eq!(value(found.budget_utilisation), 0.5);
        assert_eq!(value(found.kv_utilisation), 0.5);
        assert_eq!(value(found.wasted_share), 0.1);
        assert_eq!(value(found.goodput_per_s), 0.4);
        assert_eq!(value(found.slo_attainment), 0.5);
        assert!((value(found.weighted_e2e_s) - (4.0 * 2.0 + 3.0 * 2.0 * 8.0) / 6.0).abs() < 1e-12);
        assert!((value(found.fairness) - 1.0 / (2.0 * (0.04 + 0.64))).abs() < 1e-12);
        assert!(value(found.little_residual).abs() < 1e-12);
        assert_eq!((found.swap_outs_per_request, found.gpu_utilisation, found.cached_share), (None, None, None));
        let other = &found.classes[1];
        assert_eq!((other.completed, value(other.e2e_s), value(other.slo_attainment)), (6, 8.0, 0.5));
        assert_eq!(flow_time_s(&scenario, &windows), None);
    }

    #[test]
    fn an_overloaded_system_has_no_figure_that_rests_on_latency() {
        let windows = [&window(0), &window(SECOND)];
        let found = operations(&two_classes(&["workload.slo.e2e_s=5"]), &windows, true);
        assert!(found.goodput_per_s.or(found.fairness).or(found.little_residual).or(found.weighted_e2e_s).is_none());
        assert!(
            found.classes.iter().all(|class| class.e2e_s.or(class.slo_attainment).is_none() && class.completed > 0)
        );
        assert!(found.time_utilisation.is_some());
    }

    #[test]
    fn limits_of_a_cluster_are_those_of_all_instances() {
        let limits = Limits::of(&two_classes(&["cluster.replicas=4", "instance.kv_tokens=2000"]));
        assert_eq!((limits.instances, limits.kv_tokens), (Some(4.0), Some(8000.0)));
    }

    #[test]
    fn weights_make_the_flow_time_of_a_finite_run() {
        let windows = [Window { censored: 0, ..window(0) }];
        let scenario = two_classes(&["workload.class[1].weight=3"]);
        assert_eq!(flow_time_s(&scenario, &windows.iter().collect::<Vec<_>>()), Some(8.0 + 3.0 * 16.0));
    }
}
