//! The path as an ODE: one instance, or a prefill pool, a link and a decode pool in series.
//!
//! The state is, for each stage, what waits, the mass of every bin, and what has been completed. Of the first stage it holds the
//! waiting less the arrivals so far, which are added from Λ: so mass is kept to rounding, whatever λ(t).

use super::ages::Cut;
use super::instance::{Inflow, Instance, Outcome};
use super::ode::{self, Control};
#[cfg(feature = "stiff")]
use super::stiff::Stiff;
use super::{Form, Path, PathError, PathOptions, PathPoint, grid, note_of_friction};
use crate::fluid::load::Load;
use crate::scenario::{Contention, FirstToken, Pace, Scenario};

/// Fewest intervals at whose ends the state is compared with the one before.
const INTERVALS: usize = 200;

/// One pool of like instances.
struct Stage {
    instance: Instance,
    /// Where its state begins.
    at: usize,
    count: f64,
}

impl Stage {
    fn end(&self) -> usize {
        self.at + self.instance.ages.len() + 2
    }
}

/// The link between two pools as a fluid server.
struct Link {
    at: usize,
    /// Seconds of one transfer.
    transfer_s: f64,
    /// Whether transfers wait for each other.
    in_turn: bool,
    /// Share of the prefilled requests that has tokens left to decode.
    share: f64,
}

struct System {
    stages: Vec<Stage>,
    link: Option<Link>,
    pace: Pace,
    rate_per_s: f64,
    backlog: f64,
}

/// The path of one instance.
pub(super) fn by_ode(load: &Load, options: &PathOptions, star_per_s: Option<f64>) -> Result<Path, PathError> {
    let mut instance = Instance::of(load, Cut::Bins(options.bins), 0);
    let friction = star_per_s.map_or(1.0, |star| instance.slow_down_to(star));
    let workload = &load.scenario.workload;
    let system = System {
        rate_per_s: workload.base_rate() * instance.ages.served,
        stages: vec![Stage { instance, at: 0, count: 1.0 }],
        link: None,
        pace: workload.rate_shape.pace(),
        backlog: options.backlog,
    };
    Ok(Path {
        points: system.points(options)?,
        form: Form::Ode,
        notes: note_of_friction(friction).into_iter().collect(),
    })
}

/// The path of a prefill pool whose requests go over a link to a decode pool.
pub(super) fn two_pools(scenario: &Scenario, options: &PathOptions) -> Result<Path, PathError> {
    let mut members = scenario.members();
    let (Some((prefill, prefills)), Some((decode, decodes))) = (members.pop(), members.into_iter().next()) else {
        return Ok(Path::default());
    };
    let (prefills, decodes) = (prefills as f64, decodes as f64);
    let decode_load = Load::of(&decode);
    let second = Instance::of(&decode_load, Cut::Bins(options.bins), 1);
    let mut prefill = prefill;
    prefill.policy.batching.first_token = Some(FirstToken::Prefill);
    let mut first = Instance::of(&Load::of(&prefill), Cut::Bins(options.bins), 0);
    first.ages.only_prefill();
    first.ages.served = second.ages.served.min(first.ages.served);
    let survival = &decode_load.moments.output_survival;
    let share = survival.get(1).copied().unwrap_or(0.0);
    let link = scenario.cluster.as_ref().and_then(|cluster| cluster.link);
    let transfer_s = link.map_or(0.0, |link| link.latency_s + (first.ages.entry.work + 1.0) / link.tokens_per_s);
    let link_at = first.ages.len() + 2;
    let system = System {
        rate_per_s: scenario.workload.base_rate() * first.ages.served,
        link: Some(Link {
            at: link_at,
            transfer_s,
            in_turn: link.is_some_and(|link| link.contention == Contention::Fifo),
            share,
        }),
        stages: vec![
            Stage { instance: first, at: 0, count: prefills },
            Stage { instance: second, at: link_at + 1, count: decodes },
        ],
        pace: scenario.workload.rate_shape.pace(),
        backlog: options.backlog,
    };
    let notes = vec![
        format!("The path is the ODE over {} bins per class of two pools in series, with the link as a fluid server", options.bins),
        "Every instance of a pool is given the same share of its traffic; what routing adds or saves in waiting is not in the path".into(),
    ];
    Ok(Path { points: system.points(options)?, form: Form::Ode, notes })
}

impl System {
    fn size(&self) -> usize {
        self.stages.last().map_or(0, Stage::end)
    }

    /// dy/dt at `t_s`; what the stages did goes to `seen`.
    fn rates(&self, t_s: f64, level_s: f64, state: &[f64], rates: &mut [f64], mut seen: impl FnMut(usize, Outcome)) {
        let arrivals_per_s = self.rate_per_s * self.pace.factor(level_s);
        let mut inflow_per_s = arrivals_per_s;
        for (index, stage) in self.stages.iter().enumerate() {
            let (bins, last) = (stage.at + 1..stage.end() - 1, stage.end() - 1);
            let mut waiting = state[stage.at];
            if index == 0 {
                waiting += self.rate_per_s * self.pace.integral(t_s);
            }
            let inflow = Inflow {
                waiting: waiting / stage.count,
                rate_per_s: inflow_per_s / stage.count,
                patience: stage.instance.patience(),
            };
            let outcome = stage.instance.step(&state[bins.clone()], inflow, &mut rates[bins.clone()]);
            let per_s = 1.0 / outcome.turn.step_s.max(f64::MIN_POSITIVE);
            rates[bins].iter_mut().for_each(|rate| *rate *= per_s);
            rates[stage.at] = -outcome.turn.entering * per_s * stage.count;
            if index > 0 {
                rates[stage.at] += inflow_per_s;
            }
            rates[last] = outcome.completed * per_s * stage.count;
            if let (Some(link), 0) = (&self.link, index) {
                // Of the first pool only those without a token left have been completed.
                let handed_per_s = rates[last] * link.share;
                rates[last] -= handed_per_s;
                let on_link = state[link.at].max(0.0);
                let slowest_s = link.transfer_s.max(outcome.turn.step_s);
                let busy = if link.in_turn { on_link.min(slowest_s / link.transfer_s.max(1e-300)) } else { on_link };
                inflow_per_s = busy / slowest_s;
                rates[link.at] = handed_per_s - inflow_per_s;
            }
            seen(index, outcome);
        }
    }

    fn point(&self, t_s: f64, level_s: f64, state: &[f64], rates: &mut [f64]) -> PathPoint {
        let mut point = PathPoint {
            t_s,
            arrived: self.backlog + self.rate_per_s * self.pace.integral(t_s),
            ..PathPoint::default()
        };
        self.rates(t_s, level_s, state, rates, |index, outcome| {
            let stage = &self.stages[index];
            let mut waiting = state[stage.at];
            if index == 0 {
                waiting += self.rate_per_s * self.pace.integral(t_s);
            }
            let turn = &outcome.turn;
            let running = outcome.running();
            let prefilling = turn.prefilling.min((waiting / stage.count).max(0.0));
            let kv = outcome.level.kv_tokens + turn.prefill_kv - stage.instance.ages.waste * running;
            point.waiting += (waiting - turn.prefilling * stage.count).max(0.0);
            point.running += (outcome.level.ready + prefilling) * stage.count;
            point.prefilling += prefilling * stage.count;
            point.swapped += outcome.level.preempted * stage.count;
            point.kv_tokens += kv * stage.count;
            point.step_s = turn.step_s;
            point.completed += state[stage.end() - 1];
        });
        point.on_link = self.link.as_ref().map_or(0.0, |link| state[link.at].max(0.0));
        point.throughput_per_s = self.stages.iter().map(|stage| rates[stage.end() - 1]).sum();
        point
    }

    /// Integrates from point to point and between the jumps of λ(t); once the state repeats but for the length of the queue,
    /// the path is continued as a line.
    fn points(&self, options: &PathOptions) -> Result<Vec<PathPoint>, PathError> {
        let grid = grid(options, &self.pace);
        let longest = options.horizon_s / INTERVALS as f64;
        let mut state = vec![0.0; self.size()];
        state[0] = options.backlog;
        let mut rates = state.clone();
        let mut points = vec![self.point(0.0, 0.0, &state, &mut rates)];
        let idle_s = self.stages.iter().map(|stage| stage.instance.limits.idle_step_s()).fold(f64::INFINITY, f64::min);
        let mut recent = Recent::default();
        #[cfg(feature = "stiff")]
        let mut stiff = Stiff::new(self.stages[0].instance.ages.len());
        let mut step = 0.5 * idle_s;
        for pair in grid.windows(2) {
            let parts = ((pair[1] - pair[0]) / longest).ceil().max(1.0);
            let spacing = (pair[1] - pair[0]) / parts;
            for part in 0..parts as usize {
                let (from, to) = (pair[0] + part as f64 * spacing, pair[0] + (part + 1) as f64 * spacing);
                let next_break = self.pace.next_break(from);
                let level = self.pace.is_level(from) && next_break >= to;
                if next_break != recent.until_s {
                    recent = Recent { until_s: next_break, ..Recent::default() };
                }
                match recent.slope().filter(|_| level && self.link.is_none()) {
                    Some(slope) => self.continue_evenly(&mut state, slope, from, to),
                    #[cfg(feature = "stiff")]
                    None if options.stiff && self.link.is_none() => {
                        self.advance_stiff(&mut stiff, &mut state, (from, to), &mut step)?;
                    }
                    None => self.advance(&mut state, from, to, &mut step)?,
                }
                let point = self.point(to, before(to), &state, &mut rates);
                recent.push(point, spacing, level);
                if part + 1 == parts as usize {
                    points.push(point);
                }
            }
        }
        Ok(points)
    }

    /// The state after a time in which nothing but the queue changes, by `slope` per second.
    fn continue_evenly(&self, state: &mut [f64], slope: f64, from: f64, to: f64) {
        let arrived = self.rate_per_s * (self.pace.integral(to) - self.pace.integral(from));
        let grown = slope * (to - from);
        state[0] += grown - arrived;
        state[self.stages[0].end() - 1] += arrived - grown;
    }

    /// By the stiff solver, on what waits itself in place of what waits less the arrivals.
    #[cfg(feature = "stiff")]
    fn advance_stiff(
        &self,
        stiff: &mut Stiff,
        state: &mut [f64],
        (from, to): (f64, f64),
        step: &mut f64,
    ) -> Result<(), PathError> {
        let mut start = from;
        let last = state.len() - 1;
        while start < to {
            let end = self.pace.next_break(start).min(to);
            let rate = |t_s: f64| self.rate_per_s * self.pace.factor(t_s.min(before(end)));
            state[0] += self.rate_per_s * self.pace.integral(start);
            stiff.advance(&self.stages[0].instance, &rate, state, (start, end), step)?;
            self.lift(state);
            // What has not been completed and is in no bin waits: λ(t) itself is not left to the solver.
            state[0] = self.backlog - state[1..=last].iter().sum::<f64>();
            start = end;
        }
        Ok(())
    }

    fn advance(&self, state: &mut Vec<f64>, from: f64, to: f64, step: &mut f64) -> Result<(), PathError> {
        let mut start = from;
        while start < to {
            let end = self.pace.next_break(start).min(to);
            let last = before(end);
            let rhs = |t: f64, y: &[f64], dy: &mut [f64]| {
                let now = start + t;
                self.rates(now, now.min(last), y, dy, |_, _| {});
            };
            let size = self.rate_per_s * self.stages[0].instance.limits.idle_step_s();
            let control = Control { relative: 1e-5, absolute: 1e-6 * size.max(1e-3), first_step: *step };
            (*state, *step) = ode::advance(&rhs, state, end - start, control)?;
            self.lift(state);
            start = end;
        }
        Ok(())
    }

    /// Masses that the integration left below zero, by less than its tolerance, are taken from the next older bin.
    fn lift(&self, state: &mut [f64]) {
        for stage in &self.stages {
            for i in stage.at + 1..stage.end() - 1 {
                if state[i] < 0.0 {
                    state[i + 1] += state[i];
                    state[i] = 0.0;
                }
            }
        }
    }
}

/// The last moment before `t_s`, at which a jump there has not yet come.
fn before(t_s: f64) -> f64 {
    t_s * (1.0 - 1e-12)
}

/// The last points, to see when nothing changes any more but the queue.
#[derive(Default)]
struct Recent {
    points: [PathPoint; 3],
    spacing: f64,
    alike: usize,
    /// λ(t) stays the same until this time.
    until_s: f64,
}

impl Recent {
    fn push(&mut self, point: PathPoint, spacing: f64, level: bool) {
        self.points = [self.points[1], self.points[2], point];
        let even = (spacing - self.spacing).abs() <= 1e-9 * spacing;
        self.alike = if level && even && repeats(&self.points) { self.alike + 1 } else { 0 };
        self.spacing = spacing;
    }

    /// The growth of the queue per second, when three intervals were alike and the queue lasts for three more.
    fn slope(&self) -> Option<f64> {
        let grown = self.points[2].waiting - self.points[1].waiting;
        (self.alike >= 3 && self.points[2].waiting + 3.0 * grown >= 0.0).then(|| grown / self.spacing)
    }
}

/// Whether three points in a row differ in nothing but a queue that grows or falls evenly.
fn repeats(recent: &[PathPoint; 3]) -> bool {
    let [first, second, third] = recent;
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-5 * a.abs().max(b.abs()).max(1e-6);
    let even = (third.waiting - 2.0 * second.waiting + first.waiting).abs() <= 1e-5 * (third.running + 1e-6);
    even && close(second.running, third.running)
        && close(first.running, second.running)
        && close(second.kv_tokens, third.kv_tokens)
        && close(second.throughput_per_s, third.throughput_per_s)
}
