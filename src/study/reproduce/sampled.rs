//! Every instance of a cluster in time, looked at in equal steps: what waits, what is resident, and the KV it holds.
//!
//! An instance is as its last iteration found it: waiting and resident at its beginning, KV at its end. Between iterations it is
//! empty. So does the LLM-Serving-Simulator look, which samples queues when a prompt ends and memory when a decode does.

use rayon::prelude::*;

use super::grid::Point;
use super::{Options, Part, Solver, replay};
use crate::answer::plot::{Plot, Series};
use crate::answer::table::{Cell, Column, Table};
use crate::des::{Observer, StepRecord};
use crate::scenario::{Scenario, Time};

/// Seconds between two looks unless the study says otherwise.
const EVERY_S: f64 = 1.0;

/// An instance at one look.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Look {
    waiting: i64,
    running: i64,
    kv_tokens: i64,
}

/// An observer that keeps a look at every instance at 0, one step, two steps, ….
#[derive(Debug)]
pub struct Looks {
    every: i128,
    end: i128,
    /// By instance.
    looks: Vec<Vec<Look>>,
}

impl Looks {
    /// So many instances, looked at until `end_s`.
    pub fn new(instances: usize, every_s: f64, end_s: f64) -> Self {
        let attos = |seconds: f64| Time::from_seconds(seconds).0;
        Self { every: attos(every_s).max(1), end: attos(end_s), looks: vec![Vec::new(); instances] }
    }

    /// The same at every look before `until`.
    fn fill(&mut self, instance: usize, until: i128, look: Look) {
        let until = until.min(self.end + 1);
        if let Some(looks) = self.looks.get_mut(instance) {
            while looks.len() as i128 * self.every < until {
                looks.push(look);
            }
        }
    }

    /// Closes the series: instances are empty after their last iteration.
    fn close(&mut self) {
        (0..self.looks.len()).for_each(|instance| self.fill(instance, self.end + 1, Look::default()));
    }

    fn series(&self, instance: usize, name: &str, of: fn(&Look) -> i64) -> Series {
        let every_s = Time(self.every).seconds();
        let points = self.looks[instance].iter().enumerate();
        Series::line(name, points.map(|(place, look)| (place as f64 * every_s, of(look) as f64)).collect())
    }
}

impl Observer for Looks {
    fn step(&mut self, step: &StepRecord) {
        let instance = step.instance as usize;
        self.fill(instance, step.start.0, Look::default());
        let look = Look { waiting: step.waiting, running: step.running, kv_tokens: step.kv_tokens };
        self.fill(instance, (step.start + step.duration).0, look);
    }

    fn wants_steps(&self) -> bool {
        true
    }
}

/// One run for every point of a part that asks for it: its label, the samples and their pictures.
pub fn of_points(part: &Part, points: &[Point], options: &Options<'_>) -> Vec<(String, Table, Vec<Plot>)> {
    if !part.solvers.contains(&Solver::Sampled) {
        return Vec::new();
    }
    let one = |point: &Point| {
        let names = names(&point.scenario);
        let every_s = point.run.sample_every_s.unwrap_or(EVERY_S);
        let end_s = replay::horizon_s(&point.scenario, point.run);
        let mut looks = Looks::new(names.len(), every_s, end_s);
        replay::observed(&point.scenario, point.run, options.seed, &mut looks);
        looks.close();
        (point.name(), table(&point.name(), &looks, &names), panels(&looks, &names))
    };
    points.par_iter().map(one).collect()
}

/// The instances as the engine numbers them: those that complete requests, group by group, then the prefill pool.
fn names(scenario: &Scenario) -> Vec<String> {
    let cluster = scenario.cluster.as_ref();
    let split = cluster.is_some_and(|cluster| cluster.prefill.is_some());
    let members = scenario.members();
    let mut names = Vec::new();
    for (index, (_, count)) in members.iter().enumerate() {
        let group = cluster.and_then(|cluster| cluster.group.get(index.checked_sub(1)?));
        let kind = match group {
            Some(group) => group.name.as_str(),
            None if split && index + 1 == members.len() => PREFILL,
            None if split => "decode",
            None => "instance",
        };
        names.extend((1..=*count).map(|number| format!("{kind} {number}")));
    }
    names
}

const PREFILL: &str = "prefill";

fn table(title: &str, looks: &Looks, names: &[String]) -> Table {
    let mut columns = vec![Column::number("time", "s")];
    for name in names {
        columns.push(Column::number(&format!("{name} waiting"), "requests"));
        columns.push(Column::number(&format!("{name} resident"), "requests"));
        columns.push(Column::number(&format!("{name} KV"), "tokens"));
    }
    let mut table = Table::new(title, columns);
    let count = |value: i64| Cell::Count(value.unsigned_abs());
    for place in 0..looks.looks.first().map_or(0, Vec::len) {
        let mut row = vec![Cell::digits(Time(looks.every * place as i128).seconds(), 12)];
        for instance in &looks.looks {
            let look = instance[place];
            row.extend([count(look.waiting), count(look.running), count(look.kv_tokens)]);
        }
        table.row(row);
    }
    table
}

fn panels(looks: &Looks, names: &[String]) -> Vec<Plot> {
    let (prefill, others): (Vec<usize>, Vec<usize>) =
        (0..names.len()).partition(|&instance| names[instance].starts_with(PREFILL));
    let panel = |title: &str, y: &str, instances: &[usize], of: fn(&Look) -> i64| {
        let series = instances.iter().map(|&instance| looks.series(instance, &names[instance], of)).collect();
        Plot { series, ..Plot::new(title, "time (s)", y) }
    };
    let mut panels = Vec::new();
    if !prefill.is_empty() {
        panels.push(panel("Prompts waiting", "requests", &prefill, |look| look.waiting));
    }
    panels.push(panel("Requests waiting to decode", "requests", &others, |look| look.waiting));
    panels.push(panel("Requests resident", "requests", &others, |look| look.running));
    panels.push(panel("KV held", "tokens", &others, |look| look.kv_tokens));
    if prefill.is_empty() {
        "Requests waiting".clone_into(&mut panels[0].title);
    }
    panels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::open;

    fn step(instance: u32, start_s: f64, duration_s: f64, waiting: i64) -> StepRecord {
        StepRecord {
            step: 0,
            start: Time::from_seconds(start_s),
            duration: Time::from_seconds(duration_s),
            instance,
            decodes: 1,
            prefills: 0,
            prefill_tokens: 0,
            running: 1,
            waiting,
            swapped: 0,
            kv_tokens: 10 * waiting,
        }
    }

    #[test]
    fn looks_see_the_last_iteration_and_nothing_between() {
        let mut looks = Looks::new(2, 1.0, 6.0);
        for record in [step(0, 0.5, 2.0, 7), step(1, 0.0, 0.5, 1), step(0, 4.0, 0.25, 3)] {
            looks.step(&record);
        }
        looks.close();
        let waiting = |instance: usize| looks.looks[instance].iter().map(|look| look.waiting).collect::<Vec<_>>();
        assert_eq!(waiting(0), [0, 7, 7, 0, 3, 0, 0]);
        assert_eq!(waiting(1), [1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(looks.looks[0][2], Look { waiting: 7, running: 1, kv_tokens: 70 });
    }

    #[test]
    fn instances_have_the_names_of_their_pools() {
        let split = open(Some("disaggregated"), &[], None).unwrap();
        assert_eq!(names(&split), ["decode 1", "decode 2", "prefill 1", "prefill 2"]);
        assert_eq!(names(&open(Some("mm1"), &[], None).unwrap()), ["instance 1"]);
    }
}
